// What waits for a second person, and what was decided.
import { changeSheet } from '../../acting/acting.js';
import { useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { age, lasting } from '../../data/format.js';
import { Chip, Panel, State } from '../../design/parts.js';
import { DataTable, SearchField } from '../../design/table.js';
import { route, setFilter } from '../../router.js';
import { isMe } from '../../session/session.js';
import { html, useMemo } from '../../ui.js';
import { Missing } from '../desk/who.js';

const STATES = { pending: ['info', 'wait'], approved: ['ok', 'ok'], rejected: ['bad', 'bad'], cancelled: ['off', 'off'], expired: ['off', 'wait'], failed: ['bad', 'bad'] };
const stateOf = (c) => (c.state === 'pending' && Date.parse(c.expires_at) <= now.peek() ? 'expired' : c.state);
const columns = [
  { id: 'state', width: 7, name: 'State', text: stateOf, cell: (c) => { const [kind, icon] = STATES[stateOf(c)] ?? ['off', 'off']; return html`<${Chip} kind=${kind} icon=${icon} bare>${stateOf(c)}<//>`; } },
  { id: 'action', width: 9, name: 'Action' }, { id: 'target', width: 9, name: 'Target' }, { id: 'requested_by', width: 9, name: 'Asked by', cell: (c) => html`${c.requested_by}${isMe(c.requested_by) ? html` <span class="muted">(you)</span>` : ''}` },
  { id: 'created_at', width: 6, name: 'Asked', text: (c) => c.created_at, cell: (c) => html`<span title=${c.created_at}>${age(Math.max(0, now.peek() - Date.parse(c.created_at)))} ago</span>` },
  { id: 'expires_at', width: 7, name: 'Good for', text: (c) => c.expires_at, cell: (c) => (stateOf(c) === 'pending' ? lasting(Date.parse(c.expires_at) - now.peek()) : '–') },
  { id: 'decided_by', width: 9, name: 'Decided by' }, { id: 'ticket', width: 6, name: 'Ticket' }, { id: 'reason', width: 16, name: 'Reason' },
];

export function Approvals() {
  const { q = '', state: wanted = '', sort = 'created_at', dir = 'desc' } = route.value.query;
  const path = wanted === 'open' ? '/v1/changes?open=true' : '/v1/changes';
  const state = useResource(path, { every: 5000 });
  const rows = state.phase === 'ok' ? state.data.changes : null;
  const second = Math.floor(now.value / 10000); // what it is good for, anew now and then
  const shown = useMemo(() => rows?.filter((c) => !q || JSON.stringify(c).toLowerCase().includes(q.toLowerCase())).map((c) => ({ ...c })), [rows, q, second]);
  return html`<${Panel} title="Two persons" at=${state.at} flush>${shown ? html`<${DataTable} label="Requests to loosen" primary columns=${columns} rows=${shown} keyOf=${(c) => c.id} sort=${{ id: sort, direction: dir }} onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }}
      onOpen=${(c) => changeSheet(c.id)} height="max(18rem, calc(100dvh - 20rem))" tools=${html`<${SearchField} label="Find a request" value=${q} onInput=${(v) => setFilter('q', v)} />
        <select class="select" aria-label="Which" value=${wanted} onChange=${(e) => setFilter('state', e.target.value)}><option value="">all of late</option><option value="open">those that wait</option></select>`}
      empty=${html`<${State} icon="ok" kind="ok" title="Nothing waits">Requests to loosen appear here until another person approves or refuses them.<//>`} />`
    : html`<${Missing} state=${state} path="/v1/changes" of="Requests to loosen, who asked and who decided" permission="control.read" />`}
    <p class="foot-note"><span>Who loosens needs another person. A request is good for fifteen minutes; open it to approve, refuse or take it back.</span><span>Grants of roles by two persons: the second grants the same.</span></p><//>`;
}
