// The audit log: filters and range in the address, the newest first and live, each page judged before it is believed.
import { session } from '../../data/api.js';
import { paused } from '../../data/beat.js';
import { timeOf } from '../../data/chain.js';
import { events } from '../../data/events.js';
import { localTime, whole } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip, Loading, Panel, State, toast } from '../../design/parts.js';
import { ActButton } from '../../acting/acting.js';
import { DataTable, SearchField } from '../../design/table.js';
import { addressOf, navigate, route, setFilter } from '../../router.js';
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { Title } from '../listing.js';
import { Entry, outcomeChip, OUTCOMES } from './entry.js';
import { filterOf, instant, SENT, usePages } from './pages.js';
import { sayFault, useAnchor, markOf, Verdicts } from './verdict.js';
import { exported, save } from './walk.js';

const MARKS = { ok: ['ok', 'whole'], bad: ['bad', 'bad'], off: ['off', 'not judged: it stands behind a bad record'] };
const of = (name) => ({ text: (r) => r.entry?.[name] ?? '', cell: (r) => (r.entry ? r.entry[name] : null) });
const columns = [
  { id: 'seq', width: 5.5, name: 'Record', num: true, sort: (r) => r.seq, text: (r) => (r.entry ? String(r.seq) : ''),
    cell: (r) => (r.entry ? html`<a class=${`mark k-${MARKS[r.mark][0]}`} href=${r.href} title=${r.fault ?? MARKS[r.mark][1]}><${Icon} name=${MARKS[r.mark][0]} size="12" label=${r.fault ?? MARKS[r.mark][1]} />${r.seq}</a>` : html`<span class="word k-bad">hole</span>`) },
  { id: 'time', width: 11, name: 'UTC', sort: (r) => r.seq, text: (r) => (r.entry ? timeOf(r.entry) : ''), cell: (r) => (r.entry ? html`<span title=${localTime(Date.parse(timeOf(r.entry)))}>${timeOf(r.entry).replace('T', ' ').slice(0, 23)}</span>` : '') },
  { id: 'actor', width: 9, name: 'Actor', ...of('actor') },
  { id: 'action', width: 9, name: 'Action', text: (r) => r.entry?.action ?? r.words, cell: (r) => r.entry?.action ?? html`<span class="down">${r.words}</span>` },
  { id: 'target', width: 8.5, name: 'Target', ...of('target') },
  { id: 'outcome', width: 6.5, name: 'Outcome', text: (r) => r.entry?.outcome ?? '', cell: (r) => r.entry && outcomeChip(r.entry.outcome) },
  { id: 'reason', width: 14.5, name: 'Reason', ...of('reason') },
  { id: 'ticket', width: 5.5, name: 'Ticket', ...of('ticket') },
  { id: 'hash', width: 6.75, name: 'Hash', text: (r) => r.entry?.hash ?? '', cell: (r) => r.entry && html`<code title=${r.entry.hash}>${r.entry.hash.slice(0, 10)}</code>` },
];

// Rows of ENTRIES (newest first) with what the verdict says of each; a hole gets a row of its own.
function rowsOf(entries, verdict, query) {
  const bad = verdict && !verdict.ok && verdict.fault.index < entries.length ? entries.length - 1 - verdict.fault.index : -1;
  const rows = [];
  const seen = new Set();
  entries.forEach((entry, i) => {
    const twice = seen.has(entry.hash) ? ` again ${i}` : '';
    seen.add(entry.hash);
    const mark = !verdict || (bad >= 0 && i < bad) ? 'off' : i === bad ? 'bad' : 'ok';
    rows.push({ key: `${entry.seq} ${entry.hash}${twice}`, seq: entry.seq, entry, mark, fault: i === bad ? sayFault(verdict.fault) : undefined, href: addressOf({ screen: 'audit', part: String(entry.seq), query }) });
    if (i === bad && verdict.fault.code === 'missing') {
      const { seq, expected } = verdict.fault;
      rows.push({ key: 'hole', seq: seq - 0.5, words: seq - 1 === expected ? `record ${expected} is missing` : `records ${expected} to ${seq - 1} are missing` });
    }
  });
  return rows;
}

function Filters({ query }) {
  const [more, setMore] = useState(() => SENT.slice(4).some((n) => query[n]));
  const field = (name, label, hint, wrong) => html`<label class="filter"><span class="sr">${label}</span><input class="input" type="search" placeholder=${label} value=${query[name] ?? ''} title=${hint}
    aria-invalid=${wrong ? 'true' : undefined} onChange=${(e) => setFilter(name, e.target.value.trim())} spellcheck="false" autocomplete="off" /></label>`;
  const time = (name, label) => field(name, label, 'UTC, as 2026-11-20 or 2026-11-20 14:05', query[name] && !instant(query[name]));
  const set = SENT.filter((n) => query[n]).length;
  return html`<${SearchField} label="Words in the record" value=${query.q ?? ''} onInput=${(v) => setFilter('q', v)} />
    <select class="select" aria-label="Outcome" value=${query.outcome ?? ''} onChange=${(e) => setFilter('outcome', e.target.value)}><option value="">every outcome</option>${Object.keys(OUTCOMES).map((o) => html`<option value=${o}>${o}</option>`)}</select>
    ${time('from', 'From (UTC)')}${time('to', 'Before (UTC)')}
    <button type="button" class="btn quiet" aria-expanded=${String(more)} onClick=${() => setMore(!more)}>${more ? 'Fewer' : 'More'} filters</button>
    ${more && html`${field('actor', 'Actor', 'exactly, as user:ana')}${field('action', 'Action', 'exactly, as symbol.mode')}${field('target', 'Target', 'exactly, as BTC/USD')}${field('ticket', 'Ticket', 'exactly')}${field('incident', 'Incident', 'exactly, as INC-7')}`}
    ${set > 0 && html`<button type="button" class="btn quiet" onClick=${() => navigate({ screen: 'audit', part: route.peek().part, query: {} }, { replace: true })}>Clear</button>`}`;
}

function Tail() {
  const { phase } = events.value;
  if (paused.value) return html`<${Chip} kind="warn" icon="pause">paused<//>`;
  return phase === 'live' ? html`<${Chip} kind="ok" title="GET /v1/admin/events tells of each new record">live<//>` : html`<${Chip} kind="info" icon="wait" title="The stream of events is not there: asked for every 10 s">every 10 s<//>`;
}

function Files({ filter }) {
  const [busy, setBusy] = useState(null);
  const stop = useRef(false);
  useEffect(() => () => { stop.current = true; }, []);
  const take = async (format) => {
    stop.current = false;
    setBusy({ format, done: 0 });
    const file = await exported(filter, format, { told: (done) => setBusy({ format, done }), stop: () => stop.current });
    setBusy(null);
    if (file.problem) return toast(`not exported: ${file.problem.title}`, 'bad');
    if (file.refusal) return toast(`not exported: ${file.refusal.message}`, 'bad');
    save(file.name, file.text, format === 'csv' ? 'text/csv' : 'application/x-ndjson');
    return file.verdict.ok ? toast(`${file.name}: ${whole(file.records)} records, whole`, 'ok') : toast(`${file.name} is saved, and it is not whole: record ${file.verdict.fault.seq}, ${sayFault(file.verdict.fault)}`, 'bad');
  };
  const button = (format, name) => html`<${ActButton} permission="audit.export" open=${() => (busy ? undefined : take(format))}>${busy?.format === format ? `${whole(busy.done)} records…` : name}<//>`;
  return html`${button('ndjson', 'Export NDJSON')}${button('csv', 'CSV')}`;
}

// The first bad record, in its place on the screen.
function useSight(state, rows) {
  const box = useRef();
  const at = rows.findIndex((r) => r.mark === 'bad');
  useLayoutEffect(() => {
    const scroll = box.current?.querySelector('.scroll');
    if (at < 0 || !scroll) return;
    scroll.scrollTop = Math.max(0, at - 4) * 1.75 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  }, [at, state.verdict]);
  return box;
}

function Records({ state, query, filter }) {
  const rows = useMemo(() => rowsOf(state.entries, state.verdict, query), [state.entries, state.verdict, query]);
  const box = useSight(state, rows);
  const whole_ = state.verdict?.ok;
  const { sort = 'seq', dir = 'desc' } = query;
  const open = (r) => r.entry && navigate({ screen: 'audit', part: String(r.seq), query });
  const tools = html`<${Filters} query=${query} />`;
  return html`<div ref=${box} class=${`column${state.verdict && !whole_ ? ' not-whole' : ''}`}><${Panel} title="Records" flush at=${state.at} limit="30000" aside=${html`<${Tail} /><${Files} filter=${filter} />`}>
    ${state.phase === 'ok' ? html`
      ${state.verdict && !whole_ && html`<div class="refusal" role="alert"><${Icon} name="bad" size="18" /><p><b>This page is refused.</b> Record ${state.verdict.fault.seq}: ${sayFault(state.verdict.fault)}. Marked in its place below; what stands above it was not judged.</p>
        <button type="button" class="btn" onClick=${state.begin}>Load it again</button></div>`}
      ${state.trouble && html`<div class="refusal soft" role="status"><${Icon} name="warn" size="18" /><p>The gateway did not give more: ${state.trouble.title}${state.trouble.detail ? `, ${state.trouble.detail}` : ''}. What is shown is older.</p></div>`}
      <${DataTable} label="Audit records" primary columns=${columns} rows=${rows} keyOf=${(r) => r.key} height="max(20rem, calc(100dvh - 22rem))" tools=${tools} onOpen=${open}
        sort=${whole_ === false ? undefined : { id: sort, direction: dir }} onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }}
        empty=${html`<${State} icon="search" title=${filter ? 'No record matches' : 'No record yet'}>${filter ? 'Change the filters above.' : 'What people and keys do appears here.'}<//>`} />
      <p class="foot-note"><span>${state.next ? html`<button type="button" class="btn" disabled=${state.more || !whole_} onClick=${state.older}>${state.more ? 'Loading…' : 'Older records'}</button>` : 'These are all.'}</span>
        <span>On the command line: <code>portctl audit search</code>, <code>portctl audit verify</code></span></p>`
    : state.phase === 'refused' ? html`<div class="tools">${tools}</div><div class="refusal" role="alert"><${Icon} name="bad" size="18" /><p><b>This page is refused.</b> ${state.refusal.message}. Nothing of it is shown.</p><button type="button" class="btn" onClick=${state.begin}>Load it again</button></div>`
    : state.phase === 'loading' ? html`<div class="tools">${tools}</div><${Loading} lines="8" />`
    : html`${state.problem?.status === 422 && html`<div class="tools">${tools}</div>`}<div class="ghost" aria-hidden="true">${columns.map((c) => html`<span>${c.name}</span>`)}</div><${Missing} state=${state} path="/v1/audit" of="Every change, who asked, who approved, what was before and after" permission="audit.read" />`}
  <//></div>`;
}

export function Audit() {
  const { part, query } = route.value;
  const filter = filterOf(query);
  const anchor = useAnchor();
  const state = usePages(filter, markOf(anchor));
  const seq = /^\d{1,15}$/.test(part) ? Number(part) : 0;
  const known = seq ? state.entries.find((e) => e.seq === seq) : undefined;
  const who = session.value?.user;
  useEffect(() => { if (who) state.begin(); }, [who]); // somebody else may see what she could not
  return html`<${Title}>Audit<//>
    ${state.phase !== 'denied' && state.phase !== 'absent' && html`<${Verdicts} state=${state} anchor=${anchor} filtered=${filter !== ''} />`}
    <div class=${seq ? 'beside' : 'column'}>
      <${Records} state=${state} query=${query} filter=${filter} />
      ${seq > 0 && html`<${Entry} seq=${seq} known=${known} verdict=${state.verdict} onClose=${() => navigate({ screen: 'audit', query })} />`}
    </div>`;
}
