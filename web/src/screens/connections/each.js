// Connection by connection: who is there and how far behind, who was closed and why; closing one.
import { ActButton, openSheet } from '../../acting/acting.js';
import { restBase } from '../../app.js';
import { resource, useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { age, bytesText, localTime, whole } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip, CopyButton, Facts, Panel, State, word } from '../../design/parts.js';
import { DataTable, SearchField } from '../../design/table.js';
import { addressOf, navigate, route, setFilter } from '../../router.js';
import { html, useMemo } from '../../ui.js';
import { Missing } from '../desk/who.js';

const PATH = '/v1/connections';
const SLOW = 0.25; // of what evicts
const EVERY = 2500;

// How much of what evicts a connection is used up, 0 to 1 and beyond; LIMITS as GET /v1/status tells them.
export function shareOf({ backlog_bytes: bytes, lag_ms: lag }, limits) {
  if (!limits) return undefined;
  return Math.max(limits.lag_bytes ? bytes / limits.lag_bytes : 0, limits.lag_ms ? lag / limits.lag_ms : 0);
}

const percent = (share) => (share === undefined ? '' : `${Math.round(share * 100)} %`);
const near = (share) => html`<span class=${share >= 0.75 ? 'word k-bad' : share >= SLOW ? 'word k-warn' : ''}>${percent(share)}</span>`;
const since = (time) => age(Math.max(0, now.peek() - Date.parse(time)));
const stamp = (time) => html`<span title=${localTime(Date.parse(time))}>${time.slice(0, 19).replace('T', ' ')}</span>`;

const base = [
  { id: 'id', width: 9, name: 'Connection', num: true, text: (r) => String(r.id), sort: (r) => r.id },
  { id: 'ip', width: 8, name: 'Address' },
  { id: 'key', width: 12, name: 'Key', text: (r) => r.key ?? '', cell: (r) => (r.key ? html`<a href=${`/keys/${r.key}`}><code>${r.key}</code></a>` : null) },
];
const figures = [
  { id: 'backlog_bytes', width: 5.5, name: 'Backlog', num: true, text: (r) => bytesText(r.backlog_bytes), sort: (r) => r.backlog_bytes },
  { id: 'lag_ms', width: 4.5, name: 'Lag', num: true, title: 'age of the oldest message it has not got', text: (r) => `${whole(r.lag_ms)} ms`, sort: (r) => r.lag_ms },
  { id: 'skipped_frames', width: 4.5, name: 'Folded', num: true, title: 'frames folded into merged updates for it', text: (r) => whole(r.skipped_frames), sort: (r) => r.skipped_frames },
  { id: 'sent_bytes', width: 6, name: 'Sent', num: true, text: (r) => bytesText(r.sent_bytes), sort: (r) => r.sent_bytes },
];
const openColumns = [...base,
  { id: 'state', width: 6.5, name: 'State', text: (r) => (r.stalled ? 'stalled' : r.state.toLowerCase()), cell: (r) => word(r.stalled ? 'warn' : r.state === 'LIVE' ? 'ok' : 'info', r.stalled ? 'stalled' : r.state.toLowerCase()) },
  { id: 'share', width: 5.5, name: 'To eviction', num: true, title: 'how much of the lag or backlog that evicts it is used up', text: (r) => percent(r.share), sort: (r) => r.share, cell: (r) => near(r.share) },
  ...figures,
  { id: 'subscriptions', width: 5.5, name: 'Subscribed', num: true }, { id: 'sent_messages', width: 6, name: 'Messages', num: true, text: (r) => whole(r.sent_messages), sort: (r) => r.sent_messages },
  { id: 'opened_at', width: 4.5, name: 'Age', num: true, text: (r) => since(r.opened_at), sort: (r) => -Date.parse(r.opened_at) }, { id: 'shard', width: 4, name: 'Shard', num: true },
];
const closedColumns = [
  { id: 'closed_at', width: 10, name: 'Closed (UTC)', text: (r) => r.closed_at, cell: (r) => stamp(r.closed_at) },
  { id: 'reason', width: 11, name: 'Because', cell: (r) => html`<code>${r.reason}</code>` }, { id: 'code', width: 4, name: 'Code', num: true },
  ...base, ...figures, { id: 'lasted', width: 5, name: 'Lasted', num: true, text: (r) => age(Date.parse(r.closed_at) - Date.parse(r.opened_at)), sort: (r) => Date.parse(r.closed_at) - Date.parse(r.opened_at) },
];

export function closeSheetOf(c, reload) {
  openSheet({
    title: `Close connection ${c.id}`, direction: 'TIGHTEN', typed: String(c.id), verb: 'Close it', read: null,
    note: 'The client is told (notice kick, code 4014), and again when it comes back. It is not kept out: for that its key is revoked.',
    before: html`<${Chip} kind=${c.stalled ? 'warn' : 'ok'}>${c.stalled ? 'stalled' : c.state.toLowerCase()}<//>`, after: html`<${Chip} kind="bad">closed, 4014<//>`,
    radius: [['Address', c.ip], ['Key', c.key ?? 'none was shown'], ['Subscriptions', whole(c.subscriptions)], ['Backlog', `${bytesText(c.backlog_bytes)}, ${whole(c.lag_ms)} ms`]],
    call: { method: 'DELETE', path: `${PATH}/${c.id}`, dryRun: false, confirm: true }, portctl: `portctl connections kick ${c.id}`, done: reload,
    result: ({ json }) => html`<div class="said k-ok"><${Icon} name="ok" /><div><b>Closed.</b> <p>${json.closed.ip}, with ${bytesText(json.closed.backlog_bytes)} not sent.</p></div></div>`,
  });
}

function Unanswered({ shards }) {
  if (!shards?.length) return null;
  return html`<p class="refusal soft" role="status"><${Icon} name="warn" />These shards did not answer within a second: ${shards.join(', ')}. What is shown is without them.</p>`;
}

// How many connections are how far behind.
export function Histogram() {
  const state = useResource('/v1/connections/summary', { every: EVERY });
  if (state.phase !== 'ok') return html`<${Panel} title="Backlogs" at=${state.at}><${Missing} state=${state} path="/v1/connections/summary" of="How many clients are how far behind" permission="connections.read" /><//>`;
  const { backlog_histogram: buckets, stalled, connections, unanswered } = state.data;
  const most = Math.max(1, ...buckets.map((b) => b.connections));
  const from = (i) => (i === 0 ? 0 : buckets[i - 1].up_to_bytes);
  const name = (b, i) => (b.up_to_bytes === null ? `above ${bytesText(from(i))}` : b.up_to_bytes === 0 ? 'nothing' : `up to ${bytesText(b.up_to_bytes)}`);
  return html`<${Panel} title="Backlogs" at=${state.at}><p class="verdict"><${Chip} kind=${stalled ? 'warn' : 'ok'}>${stalled ? `${whole(stalled)} stalled` : 'nobody stalled'}<//> <span class="muted">of ${whole(connections)}</span></p>
    <dl class="bars">${buckets.map((b, i) => html`<dt>${name(b, i)}</dt><dd aria-hidden="true"><span class=${`bar${b.connections ? '' : ' none'}${from(i) >= 524288 ? ' high' : ''}`} style=${{ '--w': `${(100 * b.connections) / most}%` }}></span></dd><dd class="num">${whole(b.connections)}</dd>`)}</dl>
    <${Unanswered} shards=${unanswered} /><//>`;
}

function One({ id, rows, closed, reload }) {
  const { query } = route.value;
  const shut = html`<button type="button" class="btn quiet" aria-label="Close the details" onClick=${() => navigate({ screen: 'connections', query })}>Close</button>`;
  const c = rows.find((r) => String(r.id) === id) ?? closed.find((r) => String(r.id) === id);
  if (!c) return html`<${Panel} title=${`Connection ${id}`} aside=${shut}><${State} icon="search" title="It is not there">Neither among those that are open nor among the last that were closed (1,000 of each shard).<//><//>`;
  return html`<${Panel} title=${`Connection ${c.id}`} aside=${shut} className="record">
    <p class="headline">${c.closed_at ? html`<${Chip} kind="off">closed: ${c.reason}${c.code ? ` (${c.code})` : ''}<//>` : html`<${Chip} kind=${c.stalled ? 'warn' : 'ok'}>${c.stalled ? 'stalled' : c.state.toLowerCase()}<//>`} <span>${c.ip}</span><${CopyButton} what="id" text=${String(c.id)} /></p>
    <${Facts} rows=${[['Opened', stamp(c.opened_at)], c.closed_at && ['Closed', stamp(c.closed_at)], ['Key', c.key ? html`<a href=${`/keys/${c.key}`}>${c.key}</a>` : 'none was shown'], ['Subscriptions', whole(c.subscriptions)],
      ['Backlog', bytesText(c.backlog_bytes)], ['Oldest message not sent', `${whole(c.lag_ms)} ms`], c.share !== undefined && ['Of what evicts it', near(c.share)], ['Sent', `${whole(c.sent_messages)} messages, ${bytesText(c.sent_bytes)}`], ['Folded into merged updates', `${whole(c.skipped_frames)} frames`], ['Shard', whole(c.shard)]]} />
    ${!c.closed_at && html`<div class="row-acts"><${ActButton} permission="connections.kick" danger open=${() => closeSheetOf(c, reload)}>Close it…<//></div>`}
    <p class="foot-links"><a href=${`/audit?target=${c.id}`}>In the audit log</a>${c.key && html`<a href=${`/connections?key=${c.key}`}>All of this key</a>`}<a href=${`/connections?ip=${c.ip}`}>All of this address</a></p><//>`;
}

export function Each() {
  const { query, part } = route.value;
  const { q = '', key = '', ip = '', show = '', sort, dir } = query;
  const params = new URLSearchParams([['limit', '1000'], ...(key ? [['key', key]] : []), ...(ip ? [['ip', ip]] : [])]).toString();
  const path = `${PATH}?${params}`;
  const state = useResource(path, { every: EVERY });
  const { data: status } = useResource('/v1/status', { every: 30000, base: restBase });
  const limits = status?.limits;
  const reload = () => resource(path).load();
  const text = q.toLowerCase();
  const holds = (r) => !text || `${r.id} ${r.ip} ${r.key ?? ''} ${r.reason ?? ''}`.toLowerCase().includes(text);
  const rows = useMemo(() => (state.phase === 'ok' ? state.data.connections.map((c) => ({ ...c, share: shareOf(c, limits) })) : []), [state.data, limits]);
  const open = useMemo(() => rows.filter((r) => holds(r) && (show !== 'slow' || r.stalled || r.share >= SLOW)), [rows, text, show]);
  const closed = useMemo(() => (state.phase === 'ok' ? state.data.closed.filter(holds) : []), [state.data, text]);
  if (state.phase !== 'ok') {
    return html`<${Panel} title="Connection by connection" at=${state.at}><${Missing} state=${state} path=${PATH} of="Each client with its backlog and how near it is to eviction, and those closed with the reason" permission="connections.read" /><//>`;
  }
  const past = show === 'closed';
  const tools = html`<${SearchField} label="Find a connection" value=${q} onInput=${(v) => setFilter('q', v)} />
    <select class="select" aria-label="Which" value=${show} onChange=${(e) => setFilter('show', e.target.value)}><option value="">open</option><option value="slow">open and slow</option><option value="closed">closed, with the reason</option></select>
    ${(key || ip) && html`<button type="button" class="btn quiet" onClick=${() => navigate({ screen: 'connections', part, query: { ...query, key: '', ip: '' } }, { replace: true })}><${Icon} name="close" size="12" /> only ${key || ip}</button>`}`;
  const by = sort ? { id: sort, direction: dir } : past ? { id: 'closed_at', direction: 'desc' } : { id: 'backlog_bytes', direction: 'desc' };
  return html`<div class=${part ? 'beside' : 'column'}><${Panel} title="Connection by connection" at=${state.at} flush aside=${html`<span class="muted">${whole(state.data.matched)} open${state.data.matched > rows.length ? `, the ${whole(rows.length)} furthest behind here` : ''}</span>`}>
      <${Unanswered} shards=${state.data.unanswered} />
      <${DataTable} key=${past ? 'closed' : 'open'} label=${past ? 'Closed connections' : 'Connections'} primary columns=${past ? closedColumns : openColumns} rows=${past ? closed : open} keyOf=${(r) => (past ? `${r.id} ${r.closed_at}` : r.id)} tools=${tools}
        sort=${by} onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }} height="max(18rem, calc(100dvh - 24rem))" onOpen=${(r) => navigate(addressOf({ screen: 'connections', part: String(r.id), query }))}
        empty=${html`<${State} icon=${past ? 'ok' : 'connections'} title=${past ? 'None was closed yet' : show === 'slow' ? 'Nobody is slow' : rows.length ? 'No connection matches' : 'No client is connected'} />`} />
    <//>${part && html`<${One} id=${part} rows=${rows} closed=${state.data.closed} reload=${reload} />`}</div>`;
}
