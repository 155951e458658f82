// Users with their roles; sessions that live; who may do what, to be signed off.
import { ActButton } from '../../acting/acting.js';
import { useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { age, localTime, whole } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip, Facts, Panel, State, word } from '../../design/parts.js';
import { DataTable, SearchField } from '../../design/table.js';
import { route, setFilter } from '../../router.js';
import { me, session } from '../../session/session.js';
import { html, useMemo } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { sortOf } from '../listing.js';
import { createSheet, endRoleSheet, grantSheet, killAllSheet, killSessionSheet, resetSheet, ROLES, signSheet, stateSheet } from './people_sheets.js';

export const stamp = (time) => (time ? html`<span title=${localTime(Date.parse(time))}>${time.slice(0, 19).replace('T', ' ')}</span>` : '–');
const ago = (time) => (time ? `${age(Math.max(0, now.peek() - Date.parse(time)))} ago` : 'never');

const KINDS = { eligible: 'may take it up', temporary: 'taken up' };
export const RolePills = ({ roles }) => (roles.length === 0 ? html`<span class="none">none</span>` : html`<span class="pills">${roles.map((r) => html`<span class=${`pill${r.kind === 'eligible' ? ' elig' : ''}`} title=${`${ROLES[r.role] ?? ''}; by ${r.granted_by}${r.until ? `, until ${r.until.slice(0, 16).replace('T', ' ')} UTC` : ''}`}>${r.role}${KINDS[r.kind] ? ` (${KINDS[r.kind]})` : ''}${r.until ? `, to ${r.until.slice(0, 10)}` : ''}</span>`)}</span>`);
const roleText = (roles) => roles.map((r) => `${r.role}${r.kind === 'standing' ? '' : ` (${r.kind})`}`).join(', ');
const factor = (u) => (u.second_factor ? word('ok', 'enrolled') : word('warn', 'none yet'));
const stateOf = (u) => (u.locked_until && Date.parse(u.locked_until) > now.peek() ? ['warn', 'locked'] : u.state === 'active' ? ['ok', u.password_temporary ? 'invited' : 'active'] : ['off', u.state]);

const columns = [
  { id: 'name', width: 8, name: 'Name' }, { id: 'label', width: 12, name: 'Who' },
  { id: 'state', width: 6, name: 'State', text: (u) => stateOf(u)[1], cell: (u) => word(...stateOf(u)) },
  { id: 'roles', width: 18, name: 'Roles', text: (u) => roleText(u.roles), cell: (u) => html`<${RolePills} roles=${u.roles} />` },
  { id: 'second_factor', width: 7.5, name: 'Second factor', text: (u) => (u.second_factor ? 'enrolled' : 'none yet'), cell: factor },
  { id: 'last_login_at', width: 7, name: 'Last sign-in', text: (u) => u.last_login_at ?? '', cell: (u) => html`<span title=${u.last_login_at ?? ''}>${ago(u.last_login_at)}</span>` },
  { id: 'failures', width: 5, name: 'Failed', num: true, title: 'tries since the last good one' },
  { id: 'created_at', width: 10, name: 'Created', text: (u) => u.created_at, cell: (u) => stamp(u.created_at) },
];

function OneUser({ user: u, close }) {
  const self = u.name === me();
  const shut = html`<button type="button" class="btn quiet" aria-label="Close the user" onClick=${close}>Close</button>`;
  return html`<${Panel} title=${u.label || u.name} aside=${shut} className="record">
    <p class="headline">${word(...stateOf(u))} <b>${u.name}</b>${self && html`<${Chip} kind="info">you<//>`}</p>
    ${self && html`<p class="said k-info"><${Icon} name="info" /><span>Nobody does this to herself: another person with <code>people.write</code> does. Your own password and second factor are under <a href="/settings/me">You</a>.</span></p>`}
    ${!self && html`<div class="row-acts"><${ActButton} permission="people.write" open=${() => grantSheet(u)}>Grant a role…<//><${ActButton} permission="people.write" open=${() => resetSheet(u)}>Reset…<//>
      <${ActButton} permission="people.lock" open=${() => killAllSheet(u.name)}>End sessions…<//>${u.state === 'active' ? html`<${ActButton} permission="people.lock" danger open=${() => stateSheet(u, false)}>Disable…<//>` : html`<${ActButton} permission="people.write" open=${() => stateSheet(u, true)}>Enable…<//>`}</div>`}
    <h3>Roles</h3>${u.roles.length === 0 ? html`<p class="muted">She holds none: she sees the market and what the gateway measures of itself.</p>` : html`<table class="diff"><caption class="sr">Roles</caption><thead><tr><th scope="col">Role</th><th scope="col">Until</th><th scope="col">Granted</th><th scope="col"><span class="sr">Act</span></th></tr></thead>
      <tbody>${u.roles.map((r) => html`<tr><th scope="row">${r.role}${r.kind !== 'standing' && html` <small class="muted">${KINDS[r.kind]}</small>`}</th><td>${r.until ? html`<span title=${r.until}>${r.until.slice(0, 16).replace('T', ' ')}</span>` : 'no end'}</td><td title=${`${r.reason ?? ''} ${r.ticket ?? ''}`}>${r.granted_by}${r.approved_by ? ` and ${r.approved_by}` : ''}</td>
        <td>${!self && html`<${ActButton} permission="people.lock" small label=${`Take ${r.role} back`} open=${() => endRoleSheet(u, r.role)}>Take…<//>`}</td></tr>`)}</tbody></table>`}
    <h3>Signing in</h3><${Facts} rows=${[['Second factor', factor(u)], ['Password', u.password_temporary ? html`<${Chip} kind="warn" bare>temporary<//>` : 'her own'], ['Last sign-in', stamp(u.last_login_at)], ['Failed since', whole(u.failures)], u.locked_until && ['Locked until', stamp(u.locked_until)], ['Created', html`${stamp(u.created_at)} by ${u.created_by}`]]} />
    <p class="foot-links"><a href=${`/audit?target=${encodeURIComponent(`user:${u.name}`)}`}>What was done to her</a><a href=${`/audit?actor=${encodeURIComponent(`user:${u.name}`)}`}>What she did</a></p><//>`;
}

export function People() {
  const { query } = route.value;
  const { q = '', user: chosen = '' } = query;
  const state = useResource('/v1/users', { every: 10000 });
  const rows = state.phase === 'ok' ? state.data.users : null;
  const text = q.toLowerCase();
  const shown = useMemo(() => rows?.filter((u) => !text || `${u.name} ${u.label} ${u.state} ${roleText(u.roles)}`.toLowerCase().includes(text)), [rows, text]);
  const one = rows?.find((u) => u.name === chosen);
  return html`<div class=${one ? 'beside' : 'column'}><${Panel} title="People" at=${state.at} flush aside=${html`<${ActButton} permission="people.write" open=${createSheet}>Create a user…<//>`}>
    ${shown ? html`<${DataTable} label="People" primary columns=${columns} rows=${shown} keyOf=${(u) => u.name} ...${sortOf('', { id: 'name', direction: 'asc' })} onOpen=${(u) => setFilter('user', u.name)} height="max(18rem, calc(100dvh - 20rem))"
        tools=${html`<${SearchField} label="Find a person" value=${q} onInput=${(v) => setFilter('q', v)} />`} empty=${html`<${State} icon="search" title=${rows.length ? 'Nobody matches' : 'No user yet'}>${rows.length ? '' : 'The first one is made on the gateway’s host: portcullis --bootstrap-user.'}<//>`} />`
      : html`<${Missing} state=${state} path="/v1/users" of="Users, their roles and second factors" permission="people.read" />`}<//>
    ${one && html`<${OneUser} user=${one} close=${() => setFilter('user', '')} />`}</div>`;
}

const sessionColumns = [
  { id: 'user', width: 8, name: 'Who' }, { id: 'ip', width: 8, name: 'From' }, { id: 'created_at', width: 10, name: 'Signed in', text: (s) => s.created_at, cell: (s) => stamp(s.created_at) },
  { id: 'last_seen_at', width: 7, name: 'Last seen', text: (s) => s.last_seen_at, cell: (s) => html`<span title=${s.last_seen_at}>${ago(s.last_seen_at)}</span>` }, { id: 'ends_at', width: 10, name: 'Ends at the latest', text: (s) => s.ends_at, cell: (s) => stamp(s.ends_at) },
  { id: 'user_agent', width: 16, name: 'With' }, { id: 'session', width: 13.5, name: 'Session', cell: (s) => html`<code>${s.session}</code>` },
  { id: 'act', width: 6, name: 'End', fixed: true, text: () => '', cell: (s) => (s.session === session.peek()?.session ? html`<span class="muted">this one</span>` : html`<${ActButton} permission="people.lock" small label=${`End the session of ${s.user} from ${s.ip}`} open=${() => killSessionSheet(s)}>End…<//>`) },
];

export function Sessions() {
  const { q = '' } = route.value.query;
  const state = useResource('/v1/sessions', { every: 5000 });
  const rows = state.phase === 'ok' ? state.data.sessions : null;
  const shown = useMemo(() => rows?.filter((s) => !q || `${s.user} ${s.ip} ${s.user_agent} ${s.session}`.toLowerCase().includes(q.toLowerCase())), [rows, q]);
  return html`<${Panel} title="Sessions" at=${state.at} flush>${shown ? html`<${DataTable} label="Sessions" primary columns=${sessionColumns} rows=${shown} keyOf=${(s) => s.session} ...${sortOf('', { id: 'last_seen_at', direction: 'desc' })} height="max(18rem, calc(100dvh - 20rem))"
      onOpen=${(s) => { if (s.session !== session.peek()?.session) killSessionSheet(s); }} tools=${html`<${SearchField} label="Find a session" value=${q} onInput=${(v) => setFilter('q', v)} />`} empty=${html`<${State} icon="search" title=${rows.length ? 'No session matches' : 'Nobody is signed in'} />`} />`
    : html`<${Missing} state=${state} path="/v1/sessions" of="Who is signed in, from where and since when" permission="people.read" />`}<//>`;
}

// --- the access review ----------------------------------------------------------------------------------------------

const reviewUsers = [
  { id: 'name', width: 8, name: 'User' }, { id: 'label', width: 12, name: 'Who' }, { id: 'state', width: 6, name: 'State', cell: (u) => word(u.state === 'active' ? 'ok' : 'off', u.state) }, { id: 'second_factor', width: 7.5, name: 'Second factor', text: (u) => (u.second_factor ? 'enrolled' : 'none yet'), cell: factor },
  { id: 'roles', width: 20, name: 'Roles', text: (u) => roleText(u.roles), cell: (u) => html`<${RolePills} roles=${u.roles} />` }, { id: 'used', width: 8, name: 'Last seen', text: (u) => u.used ?? '', cell: (u) => html`<span title=${u.used ?? ''}>${ago(u.used)}</span>` },
];
const reviewKeys = [
  { id: 'key', width: 13.5, name: 'Key', cell: (k) => html`<a href=${`/keys/${k.key}`}><code>${k.key}</code></a>` }, { id: 'account', width: 7, name: 'Account' }, { id: 'owner', width: 7, name: 'Owner' }, { id: 'label', width: 11, name: 'Label' }, { id: 'scopes', width: 20, name: 'Scopes', text: (k) => k.scopes.join(' ') }, { id: 'ip_allow', width: 9, name: 'Networks', text: (k) => k.ip_allow.join(' ') || 'any', cell: (k) => (k.admin_from_anywhere ? word('warn', 'anywhere') : k.ip_allow.join(' ') || 'any') },
  { id: 'not_after', width: 8, name: 'Ends', text: (k) => k.not_after ?? 'never', cell: (k) => (k.not_after ? k.not_after.slice(0, 10) : word('warn', 'never')) }, { id: 'used', width: 8, name: 'Last used', text: (k) => k.used ?? '', cell: (k) => html`<span title=${k.used ?? ''}>${ago(k.used)}</span>` },
];

export function Review() {
  const state = useResource('/v1/access/review', { every: 60000 });
  if (state.phase !== 'ok') return html`<${Panel} title="Access review" at=${state.at} limit="120000"><${Missing} state=${state} path="/v1/access/review" of="Who may do what, when it was used last, and the sign-off" permission="access.review" /><//>`;
  const { content, use, last_review: last, hash, at } = state.data;
  const used = new Map(use.users.map((u) => [u.name, u.last_seen_at ?? u.last_login_at]));
  const keyUsed = new Map(use.keys.map((k) => [k.key, k.last_used_at]));
  const users = content.users.map((u) => ({ ...u, used: used.get(u.name) }));
  const keys = content.keys.map((k) => ({ ...k, used: keyUsed.get(k.key) }));
  const idle = users.filter((u) => u.state === 'active' && u.roles.length && (!u.used || now.peek() - Date.parse(u.used) > 30 * 86400000));
  const bare = users.filter((u) => u.state === 'active' && !u.second_factor);
  const table = (name, id, columns_, rows, keyOf, primary) => html`<${DataTable} label=${name} primary=${primary} columns=${columns_} rows=${rows} keyOf=${keyOf} ...${sortOf(id)} height="22rem" empty=${html`<${State} title="None" />`} />`;
  return html`<${Panel} title="Access review" className="detail" at=${state.at} limit="120000" aside=${html`<${ActButton} permission="access.sign" open=${() => signSheet(state.data)}>Sign it off…<//>`}>
      <p class="verdict">${!last ? html`<${Chip} kind="warn">never signed off<//>` : last.hash === hash ? html`<${Chip} kind="ok">signed off as it is now<//>` : html`<${Chip} kind="warn">changed since it was signed off<//>`}
        ${last && html`<span>${stamp(last.at)} by <b>${last.signed_by}</b>: ${last.note}</span>`}</p>
      <${Facts} rows=${[['Users', whole(users.length)], ['Without a second factor', bare.length ? bare.map((u) => u.name).join(', ') : 'none'], ['With roles and not seen for 30 days', idle.length ? idle.map((u) => u.name).join(', ') : 'none'], ['Keys not revoked', whole(keys.length)], ['Keys without an end', whole(keys.filter((k) => !k.not_after).length)], ['Keys that administer from anywhere', whole(keys.filter((k) => k.admin_from_anywhere).length)], ['Read at', stamp(at)], ['What is signed', html`<code class="wrap">${hash}</code>`]]} />
    <//><${Panel} title="Users" flush>${table('Users', '', reviewUsers, users, (u) => u.name, true)}<//><${Panel} title="Keys" flush>${table('Keys of the review', 'keys', reviewKeys, keys, (k) => k.key)}<//>`;
}
