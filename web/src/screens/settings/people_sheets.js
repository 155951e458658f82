// What may be done to users, their roles and sessions. Temporary passwords are shown once.
import { openSheet, roleSheet, shell } from '../../acting/acting.js';
import { resource } from '../../data/api.js';
import { Icon } from '../../design/icons.js';
import { Chip, CopyButton, Pick } from '../../design/parts.js';
import { html } from '../../ui.js';
import { Once } from '../desk/once.js';

export const ROLES = { viewer: 'looks', responder: 'works on incidents', operator: 'on call: stops at once, asks for loosening', approver: 'approves what another asked for; stops at once', security: 'keys, users, roles, access review; stops at once',
  auditor: 'reads all, verifies, exports; acts on nothing', admin: 'runs the system: configuration, drills; stops at once, loosens nothing', break_glass: 'loosens alone; off unless the configuration allows it' };
export const TWO = ['approver', 'security', 'admin', 'break_glass']; // take two persons where people.two_persons says so

const refresh = () => { for (const path of ['/v1/users', '/v1/sessions', '/v1/access/review']) if (resource(path).users > 0) resource(path).load(); };
const user = (name) => `/v1/users/${encodeURIComponent(name)}`;
const group = (label, control) => html`<div class="field"><span>${label}</span>${control}</div>`;
const said = (title, text) => html`<div class="said k-ok"><${Icon} name="ok" /><div><b>${title}</b>${text && html` <p>${text}</p>`}</div></div>`;
const days = (s) => `${Math.round(s / 86400)} days`;

const Password = ({ name, json, title }) => html`${said(title)}<${Once} secrets=${[['Temporary password', json.password, `For ${name}, good for ${days(json.password_good_s)}, and only for choosing another. Until she has a second factor she may do nothing else.`]]} />`;

export const createSheet = () => openSheet({
  title: 'Create a user', direction: 'GIVES', verb: 'Create', options: { name: '', label: '' }, note: 'She gets a temporary password, chooses her own and enrols a second factor. Roles are granted afterwards.',
  fields: (o, set) => html`<label class="field"><span>Name, as she signs in</span><input class="input" name="name" maxlength="32" value=${o.name} onInput=${(e) => set({ ...o, name: e.target.value.trim() })} placeholder="uma" autocomplete="off" autocapitalize="none" spellcheck="false" /></label>
    <label class="field"><span>Who that is</span><input class="input" name="label" maxlength="100" value=${o.label} onInput=${(e) => set({ ...o, label: e.target.value })} placeholder="Uma Thule, operations" autocomplete="off" /></label>`,
  make: ({ name, label }) => ({
    read: null, wrong: !/^[a-z0-9][a-z0-9_.-]{0,31}$/.test(name) || label.trim() === '', call: { method: 'POST', path: '/v1/users', dryRun: false, body: { name, label: label.trim() } },
    portctl: `portctl user create ${shell(name || 'NAME')} --label ${shell(label.trim() || 'LABEL')}`, done: refresh, result: ({ json }) => html`<${Password} name=${name} json=${json} title=${`${name} is there.`} />`,
  }),
});

export const resetSheet = (u) => openSheet({
  title: `Reset ${u.name}`, direction: 'GIVES', verb: 'Reset', options: { factor: false }, note: 'A temporary password; her sessions end; a lock is lifted.',
  fields: (o, set) => html`<label class="check"><input type="checkbox" name="factor" checked=${o.factor} onChange=${(e) => set({ ...o, factor: e.target.checked })} /> Take her second factor as well: she enrols a new one</label>`,
  make: ({ factor }) => ({
    read: null, typed: u.name, before: html`<${Chip} kind="info">her own password${u.second_factor ? ', a second factor' : ''}<//>`, after: html`<${Chip} kind="warn">a temporary password${factor ? ', no second factor' : ''}<//>`,
    call: { method: 'POST', path: `${user(u.name)}/reset`, dryRun: false, confirm: true, body: factor ? { second_factor: true } : {} }, portctl: `portctl user reset ${shell(u.name)}${factor ? ' --factor' : ''}`, done: refresh,
    result: ({ json }) => html`<${Password} name=${u.name} json=${json} title=${`${u.name} is reset.`} />`,
  }),
});

export const stateSheet = (u, enable) => openSheet({
  title: `${enable ? 'Enable' : 'Disable'} ${u.name}`, direction: enable ? 'GIVES' : 'TIGHTEN', verb: enable ? 'Enable' : 'Disable', typed: u.name, read: null,
  before: html`<${Chip} kind=${u.state === 'active' ? 'ok' : 'off'}>${u.state}<//>`, after: html`<${Chip} kind=${enable ? 'ok' : 'bad'}>${enable ? 'active' : 'disabled'}<//>`,
  note: enable ? 'She may sign in again, with the roles that she still holds.' : 'Her sessions and her keys end; their connections are closed. She cannot sign in.', radius: [['Roles', u.roles.map((r) => r.role).join(', ') || 'none']],
  call: { method: 'POST', path: `${user(u.name)}/${enable ? 'enable' : 'disable'}`, dryRun: false, confirm: true }, portctl: `portctl user ${enable ? 'enable' : 'disable'} ${shell(u.name)}`, done: refresh, result: () => said(enable ? 'She may sign in.' : 'She is disabled.'),
});

// It waits for another, who finds it under the approvals that are pending, or by its link.
const Waits = ({ json: { waits_for: whom, request } }) => html`<div class="said k-info"><${Icon} name="wait" /><div><b>Requested, not in force.</b><p>It waits for ${whom}, until ${request.expires_at.slice(11, 19)} UTC.</p>
  <p><a href=${`?role_request=${request.id}`} onClick=${(e) => { e.preventDefault(); roleSheet(request.id); }}>Open the request</a> · <${CopyButton} what="link to the request" label="Copy its link" text=${() => `${location.origin}/settings/approvals?role_request=${request.id}`} /></p></div></div>`;

export function grantSheet(u) {
  const today = new Date().toISOString().slice(0, 10);
  openSheet({
    title: `Grant ${u.name} a role`, direction: 'GIVES', verb: 'Grant', options: { role: 'viewer', kind: 'standing', until: '' },
    fields: (o, set) => html`<label class="field"><span>Role</span><select class="select" name="role" value=${o.role} onChange=${(e) => set({ ...o, role: e.target.value, kind: e.target.value === 'break_glass' ? 'eligible' : o.kind })}>${Object.keys(ROLES).map((r) => html`<option value=${r}>${r}</option>`)}</select></label>
      <p class="muted means">${ROLES[o.role]}.${TWO.includes(o.role) ? ' Takes two persons, where this gateway asks for that.' : ''}</p>
      ${group('How', html`<${Pick} label="How" value=${o.kind} options=${[['standing', 'Holds it'], ['eligible', 'May take it up', 'for 15 to 60 minutes, with reason and ticket']]} onPick=${(kind) => set({ ...o, kind })} />`)}
      <label class="field"><span>Ends at the beginning of this day, UTC (empty: no end)</span><input class="input" type="date" name="until" min=${today} value=${o.until} onInput=${(e) => set({ ...o, until: e.target.value })} /></label>`,
    make: (o) => ({
      read: null, typed: o.role, before: html`<${Chip} kind="info">${u.roles.map((r) => r.role).join(', ') || 'no role'}<//>`, after: html`<${Chip} kind="info">${o.kind === 'eligible' ? 'may take up ' : ''}${o.role}${o.until ? ` until ${o.until}` : ''}<//>`,
      call: { method: 'POST', path: `${user(u.name)}/roles`, dryRun: false, confirm: true, body: { role: o.role, kind: o.kind, ...(o.until ? { until: `${o.until}T00:00:00Z` } : {}) } },
      portctl: `portctl user grant ${shell(u.name)} ${o.role}${o.kind === 'eligible' ? ' --eligible' : ''}${o.until ? ` --until ${o.until}T00:00:00Z` : ''}`, done: refresh,
      result: ({ status, json }) => (status === 202 ? html`<${Waits} json=${json} />` : said(`${u.name} ${o.kind === 'eligible' ? 'may take it up' : 'holds it'}.`)),
    }),
  });
}

export const endRoleSheet = (u, role) => openSheet({
  title: `Take ${role} from ${u.name}`, direction: 'TIGHTEN', verb: 'Take it', typed: role, read: null, before: html`<${Chip} kind="info">${u.roles.map((r) => r.role).join(', ')}<//>`,
  after: html`<${Chip} kind="warn">${u.roles.filter((r) => r.role !== role).map((r) => r.role).join(', ') || 'no role'}<//>`, note: 'However it was held; what she has taken up of it ends as well.',
  call: { method: 'DELETE', path: `${user(u.name)}/roles/${role}`, dryRun: false, confirm: true }, portctl: `portctl user revoke ${shell(u.name)} ${role}`, done: refresh, result: () => said('It is taken back.'),
});

export const killSessionSheet = (s) => openSheet({
  title: `End a session of ${s.user}`, direction: 'TIGHTEN', verb: 'End it', typed: s.user, read: null, before: html`<${Chip} kind="ok">signed in from ${s.ip}<//>`, after: html`<${Chip} kind="warn">signed out<//>`, note: 'Every gateway knows it within a second; its streams of events are closed.',
  call: { method: 'DELETE', path: `/v1/sessions/${encodeURIComponent(s.session)}`, dryRun: false }, portctl: `portctl sessions kill ${s.session}`, done: refresh, result: () => said('The session has ended.'),
});

export const killAllSheet = (name) => openSheet({
  title: `End all sessions of ${name}`, direction: 'TIGHTEN', verb: 'End them', typed: name, read: null, before: html`<${Chip} kind="ok">signed in<//>`, after: html`<${Chip} kind="warn">signed out everywhere<//>`,
  call: { method: 'DELETE', path: `${user(name)}/sessions`, dryRun: false, confirm: true }, portctl: (why) => `# each of: portctl sessions list --user ${shell(name)}\nportctl sessions kill ID --reason ${why.reason ? shell(why.reason) : "'...'"}`, done: refresh, result: () => said('They have ended.'),
});

export const signSheet = (review) => openSheet({
  title: 'Sign the access review', direction: 'NEUTRAL', verb: 'Sign', options: { note: '' }, note: 'What is signed is what was shown, by its hash. When anything has changed since, the signature is refused.',
  fields: (o, set) => html`<label class="field"><span>What was found</span><textarea class="input" name="note" rows="3" maxlength="500" value=${o.note} onInput=${(e) => set({ ...o, note: e.target.value })} placeholder="all as it should be"></textarea></label>`,
  make: ({ note }) => ({ read: null, typed: 'SIGN', wrong: note.trim() === '', radius: [['Users', String(review.content.users.length)], ['Keys', String(review.content.keys.length)], ['Hash', html`<code class="wrap">${review.hash}</code>`]],
    call: { method: 'POST', path: '/v1/access/review/sign', dryRun: false, confirm: true, body: { hash: review.hash, note: note.trim() } }, portctl: `portctl review --sign ${shell(note.trim() || 'NOTE')}`, done: refresh, result: () => said('Signed.') }),
});
