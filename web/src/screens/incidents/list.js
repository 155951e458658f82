// Every incident, worst first; above the table those that nobody has acknowledged, with the time that is left.
import { utc } from '../../app.js';
import { request, useResource } from '../../data/api.js';
import { holds, useControl } from '../../data/control.js';
import { ackClock, CLASSES, listed, merged, news, plain, SEVERITIES, stateOf, useOpen, worstFirst } from '../../data/incidents.js';
import { countdown } from '../../data/incidents.js';
import { CopyButton, NotThere, Panel, State } from '../../design/parts.js';
import { activeTable, DataTable, SearchField } from '../../design/table.js';
import { mostUrgent } from '../../frame/reading.js';
import { navigate, route, setFilter } from '../../router.js';
import { html, useEffect, useState } from '../../ui.js';
import { acknowledge, openByHand, proposal } from './acts.js';
import { Act, guarded } from './button.js';
import { useKey } from './keys.js';
import { AckClock, Level, ms, OpenFor, Severity, SignalChip, Stale, stamp, stampText, StateChip, who } from './marks.js';

const href = (r) => `/incidents/${r.id}`;
const columns = [
  { id: 'severity', name: 'Severity', width: 7.5, cell: (r) => html`<${Severity} of=${r.severity} />` },
  { id: 'number', name: 'Incident', width: 4.75, sort: (r) => r.number, text: (r) => r.id, cell: (r) => html`<a href=${href(r)}>${r.id}</a>` },
  { id: 'ack_due_at', name: 'Acknowledge', width: 7.5, title: 'The time that is left to acknowledge it, or who did', text: (r) => r.ack_due_at, cell: (r) => html`<${AckClock} incident=${r} />` },
  { id: 'title', name: 'What', width: 14.5, cell: (r) => html`<span title=${r.title}>${r.title}</span>` },
  { id: 'state', name: 'State', width: 8, cell: (r) => html`<${StateChip} incident=${r} bare />` },
  { id: 'level', name: 'Level', width: 8, cell: (r) => html`<${Level} incident=${r} />` },
  { id: 'signal', name: 'Signal', width: 5.25, sort: (r) => r.signal?.state, text: (r) => r.signal?.state ?? 'by hand', cell: (r) => html`<${SignalChip} signal=${r.signal} bare />` },
  { id: 'class', name: 'Class', width: 8.25, text: (r) => plain(r.class ?? '') },
  { id: 'commander', name: 'Commander', width: 6.25, text: (r) => r.commander ?? '' },
  { id: 'opened_at', name: 'Opened', width: 5.25, title: 'UTC', text: (r) => stampText(r.opened_at), sort: (r) => r.opened_at, cell: (r) => stamp(r.opened_at, true) },
];

// One that waits: big enough to be read from where one stands up.
function Card({ incident: i, first, c }) {
  const clock = ackClock(i, utc());
  return html`<li class=${`wait k-${clock?.kind ?? 'bad'}`}>
    <div class="top-line"><${Severity} of=${i.severity} /><a href=${href(i)}>${i.id}</a><${Level} incident=${i} /></div>
    <p class="what"><a href=${href(i)}>${i.title}</a></p>
    <div class="bottom-line"><div class="left">${clock ? html`<b class="clock">${clock.left < 0 ? '−' : ''}${countdown(clock.left)}</b><small>${clock.said}</small>` : html`<b class="clock"><${OpenFor} incident=${i} /></b><small>not mitigated</small>`}</div>
      <div class="actions">${i.l3_proposal && !holds(c, i.l3_proposal) && html`<${Act} danger permission="control.tighten" open=${() => proposal(i)}>Proposed: ${i.l3_proposal.mode}…<//>`}
      ${!i.acked_at && html`<${Act} main=${first} kbd=${first ? 'a' : undefined} about=${i.id} open=${() => acknowledge(i)}>Acknowledge…<//>`}</div></div></li>`;
}

const waits = (i) => (!i.acked_at && i.state === 'open' && i.ack_due_at) || i.l3_proposal;
const CARDS = 4;

function Waiting({ open }) {
  const c = useControl();
  if (!open) return null;
  const list = [...open.filter(waits)].sort((a, b) => (ms(a.acked_at ? undefined : a.ack_due_at) ?? Infinity) - (ms(b.acked_at ? undefined : b.ack_due_at) ?? Infinity));
  if (list.length === 0) return null;
  const first = mostUrgent(list);
  return html`<section aria-label="Waiting to be acknowledged"><ul class="waits">${list.slice(0, CARDS).map((i) => html`<${Card} key=${i.id} incident=${i} first=${i === first} c=${c} />`)}</ul>
    ${list.length > CARDS && html`<p class="muted note">and ${list.length - CARDS} more below</p>`}</section>`;
}

// Pages after the first, asked for one by one.
function useMore(path, next) {
  const [state, set] = useState({ rows: [], cursor: undefined });
  useEffect(() => set({ rows: [], cursor: undefined }), [path]);
  const cursor = state.cursor === undefined ? next : state.cursor;
  const more = async () => {
    set({ ...state, busy: true });
    const answer = await request('GET', `${path}&cursor=${encodeURIComponent(cursor)}`);
    set(answer.ok ? { rows: [...state.rows, ...answer.data.incidents], cursor: answer.data.next ?? null } : { ...state, problem: answer.problem });
  };
  return { ...state, cursor, more };
}

const WORDS = { open: 'not closed', closed: 'closed', all: 'all' };
const contains = (r, text) => JSON.stringify([r.id, r.title, r.summary, r.class, r.commander, r.symbol, r.component, r.signal?.key]).toLowerCase().includes(text.toLowerCase());

function Filters({ query }) {
  const select = (name, label, values, fallback = '') => html`<select class="select" aria-label=${label} value=${query[name] ?? fallback} onChange=${(e) => setFilter(name, e.target.value === fallback ? '' : e.target.value)}>${values.map(([v, text]) => html`<option value=${v} selected=${v === (query[name] ?? fallback)}>${text}</option>`)}</select>`;
  return html`<${SearchField} label="Filter" value=${query.q ?? ''} onInput=${(v) => setFilter('q', v)} />
    ${select('state', 'State', Object.entries(WORDS), 'open')}
    ${select('severity', 'Severity', [['', 'any severity'], ...Object.keys(SEVERITIES).map((s) => [s, s])])}
    ${select('class', 'Class', [['', 'any class'], ...CLASSES.map((c) => [c, plain(c)])])}`;
}

export function List() {
  const { query } = route.value;
  const { q = '', sort, dir } = query;
  const filters = { state: WORDS[query.state] ? query.state : 'open', severity: query.severity ?? '', class: query.class ?? '' };
  const path = `/v1/incidents?state=${filters.state}${filters.severity ? `&severity=${encodeURIComponent(filters.severity)}` : ''}${filters.class ? `&class=${encodeURIComponent(filters.class)}` : ''}`;
  const state = useResource(path, { every: 15000 });
  const books = useResource('/v1/playbooks', { every: 60000 });
  const open = useOpen();
  const more = useMore(path, state.data?.next);
  const rows = state.phase === 'ok' ? worstFirst(merged([...state.data.incidents, ...more.rows.filter((r) => !state.data.incidents.some((f) => f.id === r.id))], news.value, filters)) : null;
  const shown = rows?.filter((r) => listed(r, filters) && (!q || contains(r, q)));
  useKey('a', guarded(() => {
    const chosen = activeTable()?.chosen();
    const one = chosen ?? mostUrgent(open ?? []);
    if (one) acknowledge(one);
  }));
  return html`<${Waiting} open=${open} />
    <${Panel} title="Incidents" at=${state.at} limit="40000" flush aside=${html`<${Act} open=${() => openByHand(books.data?.playbooks)}>Open by hand…<//>`}>
      <${Stale} of=${state.data} />
      ${shown ? html`<${DataTable} label="Incidents" primary columns=${columns} rows=${shown} keyOf=${(r) => r.id} height="max(18rem, calc(100dvh - 24rem))"
          sort=${sort ? { id: sort, direction: dir } : undefined} onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }} onOpen=${(r) => navigate({ screen: 'incidents', part: r.id })}
          tools=${html`<${Filters} query=${query} />`}
          empty=${html`<${State} icon=${rows.length || filters.state !== 'open' || state.data.stale ? 'search' : 'ok'} kind=${rows.length || filters.state !== 'open' || state.data.stale ? undefined : 'ok'} title=${state.data.stale && !rows.length ? 'None was open when it was last read' : rows.length || filters.severity || filters.class ? 'Nothing matches the filter' : filters.state === 'open' ? 'No open incident' : 'None so far'}>${!rows.length && filters.state === 'open' ? 'Open one by hand, or let an alert or the gateway do it.' : ''}<//>`} />
        ${more.cursor && html`<p class="foot-note"><button type="button" class="btn" disabled=${more.busy && !more.problem} onClick=${more.more}>Older ones</button>${more.problem && html`<span role="alert">${more.problem.title}</span>`}</p>`}`
      : html`<${NotThere} state=${state} path="/v1/incidents" of="Incidents with their countdown, level and commander" />`}
    <//>`;
}
