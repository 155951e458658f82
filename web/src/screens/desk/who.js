// Who may do what, so that a refusal can name the role that would help (docs/reference/ROLES.md; a test compares them).
import { NotThere, State } from '../../design/parts.js';
import { page } from '../../session/session.js';
import { html } from '../../ui.js';

export const WHO = {
  'connections.read': ['viewer', 'responder', 'operator', 'approver', 'security', 'auditor', 'admin', 'break_glass'],
  'connections.kick': ['operator', 'approver', 'security', 'admin'],
  'fanout.set': ['operator', 'admin'],
  'control.read': ['viewer', 'responder', 'operator', 'approver', 'security', 'auditor', 'admin', 'break_glass'],
  'control.tighten': ['operator', 'approver', 'security', 'admin'],
  'control.loosen': ['operator', 'break_glass'],
  'control.approve': ['approver'],
  'keys.read': ['operator', 'approver', 'security', 'auditor', 'admin'],
  'keys.write': ['security'],
  'keys.revoke': ['operator', 'approver', 'security', 'admin'],
  'people.read': ['security', 'auditor', 'admin'],
  'people.write': ['security'],
  'people.lock': ['security'],
  'access.review': ['security', 'auditor'],
  'access.sign': ['security'],
  'audit.read': ['security', 'auditor', 'admin'],
  'audit.export': ['auditor'],
  'incidents.read': ['viewer', 'responder', 'operator', 'approver', 'security', 'auditor', 'admin', 'break_glass'],
  'incidents.act': ['responder', 'operator', 'approver', 'security', 'admin'],
};

const listed = (words) => (words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`);
export const rolesFor = (permission) => listed(WHO[permission] ?? []);

// In place of a resource that is not there; PERMISSION: what reading it takes.
export function Missing({ state, path, of, permission }) {
  const { problem } = state;
  if (state.phase !== 'denied' || problem?.status !== 403) return html`<${NotThere} state=${state} path=${path} of=${of} />`;
  const line = html`<code>GET ${path}</code> answered 403: ${problem.detail ?? problem.title}`;
  if (problem.code === 'enrolment-required') {
    return html`<${State} icon="lock" kind="warn" title="First choose a password and a second factor" line=${line}>Until then nothing else may be done: <button type="button" class="btn quiet" onClick=${() => { page.value = { kind: 'signin' }; }}>go on there</button><//>`;
  }
  return html`<${State} icon="lock" title="Your roles do not reach this" line=${line}>
    ${of} takes <code>${permission}</code>: the role ${rolesFor(permission)}. Whoever has <code>people.write</code> can grant it; what you are eligible for you can take up in <a href="/settings/me">Settings, You</a>.<//>`;
}
