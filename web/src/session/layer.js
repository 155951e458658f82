// Where the pages of a session appear: loads them when one is needed. The warning before a session ends.
import { lasting } from '../data/format.js';
import { Icon } from '../design/icons.js';
import { toast } from '../design/parts.js';
import { html, useEffect, useState } from '../ui.js';
import { ending, logOut, notice, page, phase, stay } from './session.js';

let pages; // the module, once it is there
const load = () => import('./pages.js').then((m) => { pages = m; });

export function SessionLayer() {
  const [, draw] = useState(0);
  const wanted = page.value !== null;
  useEffect(() => {
    if (wanted && !pages) load().then(() => draw(1), () => toast('the sign-in page could not be loaded; try again', 'bad'));
  }, [wanted]);
  return wanted && pages ? html`<${pages.Page} />` : null;
}

// Said once when it begins; the seconds are for who looks.
export function SessionSpoken() {
  return html`<p class="sr" role="alert">${ending.value?.soon && phase.value === 'in' ? 'Your session ends soon.' : ''}</p>`;
}

export function SessionWarning() {
  const end = ending.value;
  if (!end?.soon || phase.value !== 'in') return null;
  return html`<div class="lost soon">
    <${Icon} name="wait" />
    <b>Your session ends in ${lasting(Math.max(0, end.left))}.</b><span>${end.why === 'idle' ? 'Nothing was asked for a while.' : 'It has lasted its eight hours: sign in again.'}</span>
    ${end.why === 'idle' && html`<button type="button" class="btn" onClick=${stay}>Stay signed in</button>`}<button type="button" class="btn quiet" onClick=${logOut}>Sign out</button></div>`;
}
export { notice };
