// What waits for a second person, and what was decided.
import { changeSheet, roleSheet } from '../../acting/acting.js';
import { howWords } from '../../acting/role_words.js';
import { useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { age, lasting, whole } from '../../data/format.js';
import { Chip, Panel, State } from '../../design/parts.js';
import { DataTable, SearchField } from '../../design/table.js';
import { route, setFilter } from '../../router.js';
import { isMe, may } from '../../session/session.js';
import { html, useMemo } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { sortOf } from '../listing.js';
import { Tickets } from './tickets.js';

const STATES = { pending: ['info', 'wait'], approved: ['ok', 'ok'], rejected: ['bad', 'bad'], cancelled: ['off', 'off'], expired: ['off', 'wait'], failed: ['bad', 'bad'] };
const stateOf = (c) => (c.state === 'pending' && Date.parse(c.expires_at) <= now.peek() ? 'expired' : c.state);
const by = (c) => html`${c.requested_by}${isMe(c.requested_by) ? html` <span class="muted">(you)</span>` : ''}`;
const asked = { id: 'created_at', width: 6, name: 'Asked', text: (c) => c.created_at, cell: (c) => html`<span title=${c.created_at}>${age(Math.max(0, now.peek() - Date.parse(c.created_at)))} ago</span>` };
const goodFor = { id: 'expires_at', width: 7, name: 'Good for', text: (c) => c.expires_at, cell: (c) => (stateOf(c) === 'pending' ? lasting(Date.parse(c.expires_at) - now.peek()) : '–') };
const stateColumn = { id: 'state', width: 7, name: 'State', text: stateOf, cell: (c) => { const [kind, icon] = STATES[stateOf(c)] ?? ['off', 'off']; return html`<${Chip} kind=${kind} icon=${icon} bare>${stateOf(c)}<//>`; } };
const reach = (c) => c.blast_radius?.now ?? c.blast_radius?.asked;
const columns = [
  stateColumn, { id: 'action', width: 9, name: 'Action' }, { id: 'target', width: 9, name: 'Target' }, { id: 'reach', width: 8, name: 'Subscriptions', num: true, title: 'of clients that it reaches: now, or when it was asked for', text: (c) => reach(c)?.subscriptions ?? 0, cell: (c) => (reach(c) ? whole(reach(c).subscriptions) : '–') },
  { id: 'requested_by', width: 9, name: 'Asked by', cell: by }, asked, goodFor, { id: 'decided_by', width: 9, name: 'Decided by' }, { id: 'ticket', width: 6, name: 'Ticket' }, { id: 'reason', width: 16, name: 'Reason' },
];
const roleColumns = [
  stateColumn, { id: 'user', width: 8, name: 'For' },
  { id: 'role', width: 14, name: 'Role', text: howWords, cell: (r) => html`<button type="button" class="in-row" onClick=${() => roleSheet(r.id)}>${howWords(r)}<span class="sr"> for ${r.user}: open the request</span></button>` }, { id: 'requested_by', width: 9, name: 'Asked by', cell: by }, asked, goodFor,
  { id: 'decided_by', width: 9, name: 'Decided by' }, { id: 'ticket', width: 6, name: 'Ticket' }, { id: 'reason', width: 16, name: 'Reason' },
];
const WAITS = 'until another person approves or refuses them.';

function useShown(rows) {
  const { q = '' } = route.value.query;
  const turn = Math.floor(now.value / 10000); // what it is good for, anew now and then
  return useMemo(() => rows?.filter((c) => !q || JSON.stringify(c).toLowerCase().includes(q.toLowerCase())).map((c) => ({ ...c })), [rows, q, turn]);
}

function Roles({ open }) {
  const path = open ? '/v1/role-requests?open=true' : '/v1/role-requests';
  const state = useResource(path, { every: 5000 });
  const shown = useShown(state.phase === 'ok' ? state.data.requests : null);
  return html`<${Panel} title="Roles that take two persons" at=${state.at} flush>${shown ? html`<${DataTable} label="Roles that take two persons" columns=${roleColumns} rows=${shown} keyOf=${(r) => r.id} ...${sortOf('roles', { id: 'created_at', direction: 'desc' })} onOpen=${(r) => roleSheet(r.id)} height="16rem"
      empty=${html`<${State} icon="ok" kind="ok" title="Nothing waits">Roles that take two persons appear here ${WAITS}<//>`} />` : html`<${Missing} state=${state} path=${path} of="Roles that were asked for" permission="people.read" />`}<//>`;
}

export function Approvals() {
  const { q = '', state: wanted = '' } = route.value.query;
  const open = wanted === 'open';
  const state = useResource(open ? '/v1/changes?open=true' : '/v1/changes', { every: 5000 });
  const shown = useShown(state.phase === 'ok' ? state.data.changes : null);
  return html`<${Panel} title="Requests to loosen" at=${state.at} flush>${shown ? html`<${DataTable} label="Requests to loosen" primary columns=${columns} rows=${shown} keyOf=${(c) => c.id} ...${sortOf('', { id: 'created_at', direction: 'desc' })}
      onOpen=${(c) => changeSheet(c.id)} height="max(18rem, calc(100dvh - 36rem))" tools=${html`<${SearchField} label="Find a request" value=${q} onInput=${(v) => setFilter('q', v)} />
        <select class="select" aria-label="Which" value=${wanted} onChange=${(e) => setFilter('state', e.target.value)}><option value="">all of late</option><option value="open">those that wait</option></select>`}
      empty=${html`<${State} icon="ok" kind="ok" title="Nothing waits">Requests to loosen appear here ${WAITS}<//>`} />`
    : html`<${Missing} state=${state} path="/v1/changes" of="Requests to loosen, who asked and who decided" permission="control.read" />`}
    <p class="foot-note"><span>Who loosens needs another person; so does who grants certain roles. A request is good for fifteen minutes unless configured otherwise; open it to approve, refuse or take it back.</span></p><//>
    ${may('people.read') && html`<${Roles} open=${open} />`}<${Tickets} />`;
}
