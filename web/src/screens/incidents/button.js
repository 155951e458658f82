// The button of an act that needs PERMISSION: says why it cannot be pressed, leads to signing in where that is all.
import { cannot } from '../../acting/acting.js';
import { signIn } from '../../session/session.js';
import { html } from '../../ui.js';

export const ACT = 'incidents.act';

// What OPEN is, guarded: signs in first where nobody is signed in.
export const guarded = (open, permission = ACT) => () => {
  const why = cannot(permission);
  if (why === null) open();
  else if (why === 'sign in first') signIn();
};

// ABOUT: what it is about, for who does not see where the button stands.
export function Act({ open, main, danger, quiet, small, about, kbd, permission = ACT, children }) {
  const why = cannot(permission);
  return html`<button type="button" class=${`btn${main ? ' main' : ''}${danger ? ' danger' : ''}${quiet ? ' quiet' : ''}${small ? ' small-act' : ''}`} title=${why ?? undefined}
    disabled=${why !== null && why !== 'sign in first'} onClick=${guarded(open, permission)}>${children}${about && html`<span class="sr"> ${about}</span>`}${kbd && html` <kbd aria-hidden="true">${kbd}</kbd>`}</button>`;
}
