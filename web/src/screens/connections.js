// Who listens, how much they get, who is slow, why connections ended: measured by the gateway itself.
import { stream } from '../app.js';
import { bytes, bytesText, lasting, perSecond, whole } from '../data/format.js';
import { pair, useMeter } from '../data/meter.js';
import { lastBound, quantile, rate, sum, value } from '../data/metrics.js';
import { now } from '../data/beat.js';
import { Chart } from '../design/chart.js';
import { Chip, Facts, NotThere, Panel, State, Tile } from '../design/parts.js';
import { DataTable } from '../design/table.js';
import { html, useMemo, useState } from '../ui.js';
import { Each, Histogram } from './connections/each.js';
import { Fanout } from './connections/fanout.js';

function Tiles({ m }) {
  const [sample, then] = pair(m.samples, 9000);
  const get = (name) => sum(sample.metrics, name);
  const per = (name) => rate(sample, then, name);
  const backlog = Math.max(0, ...(sample.metrics.get('ws_backlog_max_bytes') ?? []).map((r) => r.value));
  const [sent, sentUnit] = bytes(per('ws_sent_bytes_total'));
  const [hold, holdUnit] = bytes(get('ws_backlog_bytes'));
  const [most, mostUnit] = bytes(backlog);
  const dropped = get('ws_dropped_total');
  const choked = get('ws_choked_clients');
  return html`<div class="tiles">
    <${Tile} label="Clients" value=${whole(get('ws_clients'))} hint=${`${whole(get('ws_opened_total'))} since start`} />
    <${Tile} label="Subscriptions" value=${whole(get('ws_subscriptions'))} hint=${`on ${whole(get('ws_streams'))} streams`} />
    <${Tile} label="Out" value=${sent} unit=${`${sentUnit}/s`} hint=${`${perSecond(per('ws_sent_messages_total'))} messages/s`} />
    <${Tile} label="In" value=${perSecond(per('ws_received_messages_total'))} unit="messages/s" hint=${`${whole(get('ws_bad_requests_total'))} bad since start`} />
    <${Tile} label="Backlog" value=${hold} unit=${holdUnit} hint=${`largest ${most} ${mostUnit}`} kind=${backlog > 524288 ? 'warn' : undefined} />
    <${Tile} label="Slow clients" value=${whole(choked)} hint=${`${whole(get('ws_slow_warnings_total'))} warned so far`} kind=${choked > 0 ? 'warn' : undefined} />
    <${Tile} label="Folded" value=${perSecond(per('ws_conflated_total'))} unit="frames/s" hint="for slow clients" />
    <${Tile} label="Refused" value=${perSecond(per('ws_refused_total'))} unit="/s" hint=${`${whole(get('ws_refused_total'))} since start`} />
    <${Tile} label="Trades dropped" value=${whole(dropped)} hint="must stay 0" kind=${dropped > 0 ? 'bad' : undefined} />
  </div>`;
}

// [xs, ...ys] of what OF(sample, the sample before) gives.
function seriesOf(samples, ...of) {
  const used = samples.slice(1);
  return [used.map((s) => s.at / 1000), ...of.map((f) => used.map((s, i) => f(s, samples[i]) ?? null))];
}

const gauge = (name) => (s) => sum(s.metrics, name);
const per = (name, factor = 1) => (s, before) => { const r = rate(s, before, name); return r === undefined ? undefined : r * factor; };
const LAG = 'md_publish_lag_seconds';
// In ms; above the last bound as that bound, and a hair more: how much more nobody measures.
const beyond = (s) => 1000 * lastBound(s, LAG) * (1 + 2 ** -40);
export const lagText = (samples) => (v) => `${v === beyond(samples.at(-1)) ? '≥ ' : ''}${Number(v.toPrecision(3))} ms`;
export const lag = (q) => (s, before) => { const v = quantile(s, before, LAG, q); return v === undefined ? undefined : v === Infinity ? beyond(s) : 1000 * v; };

function Charts({ samples }) {
  const clients = useMemo(() => seriesOf(samples, gauge('ws_clients'), gauge('ws_choked_clients')), [samples]);
  const out = useMemo(() => seriesOf(samples, per('ws_sent_messages_total')), [samples]);
  const backlog = useMemo(() => seriesOf(samples, gauge('ws_backlog_bytes')), [samples]);
  const publish = useMemo(() => seriesOf(samples, lag(0.5), lag(0.99)), [samples]);
  return html`<div class="columns charts">
    <${Panel} title="Clients"><${Chart} label="Clients" data=${clients} format=${whole} least="4" series=${[{ name: 'open', colour: 'accent', fill: true }, { name: 'slow', colour: 'warn' }]} /><//>
    <${Panel} title="Messages out"><${Chart} label="Messages out" data=${out} format=${(v) => `${whole(v)}/s`} least="8" series=${[{ name: 'market data', colour: 'accent', fill: true }]} /><//>
    <${Panel} title="Publish lag, conflation interval included"><${Chart} label="Publish lag" data=${publish} format=${lagText(samples)} series=${[{ name: 'median', colour: 'accent' }, { name: 'p99', colour: 'warn' }]} /><//>
    <${Panel} title="Backlog"><${Chart} label="Backlog" data=${backlog} format=${bytesText} least="4096" series=${[{ name: 'between cursors and heads', colour: 'accent', fill: true }]} /><//>
  </div>`;
}

// Words for the reasons of ws_close_total.
const MEANING = { SLOW_CONSUMER: 'too far behind for too long (4008)', slow: 'too far behind for too long (4008)' };

function labelled(samples, name, label) {
  const [sample, minute] = pair(samples, 60000);
  return (sample.metrics.get(name) ?? []).map((r) => ({ name: r.labels[label], total: r.value,
    recent: minute ? r.value - (value(minute.metrics, name, { [label]: r.labels[label] }) ?? 0) : undefined }));
}

function Counted({ title, rows, first, recent = 'Last minute', note }) {
  const [sort, setSort] = useState({ id: 'total', direction: 'desc' });
  const columns = [
    { id: 'name', name: first, cell: (r) => html`${r.name}${MEANING[r.name] ? html` <span class="muted">${MEANING[r.name]}</span>` : ''}` },
    { id: 'recent', name: recent, num: true, text: (r) => (r.recent === undefined ? '' : whole(r.recent)), sort: (r) => r.recent },
    { id: 'total', name: 'Since start', num: true, text: (r) => whole(r.total), sort: (r) => r.total },
  ];
  return html`<${Panel} title=${title} flush><${DataTable} label=${title} columns=${columns} rows=${rows} keyOf=${(r) => r.name} sort=${sort} onSort=${setSort} height="17rem" noCopy empty=${html`<${State} title="Nothing counted">${note}<//>`} /><//>`;
}

function Shards({ samples }) {
  const [sample, then] = pair(samples, 9000);
  const rows = (sample.metrics.get('ws_shard_clients') ?? []).map(({ labels, value: clients }) => {
    const cpu = rate(sample, then, 'ws_shard_cpu_microseconds_total', labels);
    return { shard: labels.shard, clients, backlog: value(sample.metrics, 'ws_shard_backlog_bytes', labels), most: value(sample.metrics, 'ws_backlog_max_bytes', labels), cpu: cpu === undefined ? undefined : cpu / 1e4 };
  }).filter((r) => r.clients > 0 || r.cpu > 0 || r.shard === '0');
  const columns = [
    { id: 'shard', name: 'Shard' }, { id: 'clients', name: 'Clients', num: true },
    { id: 'backlog', name: 'Backlog', num: true, text: (r) => bytesText(r.backlog), sort: (r) => r.backlog },
    { id: 'most', name: 'Largest', num: true, text: (r) => bytesText(r.most), sort: (r) => r.most },
    { id: 'cpu', name: 'Core', num: true, text: (r) => (r.cpu === undefined ? '' : `${r.cpu.toFixed(0)} %`), sort: (r) => r.cpu, cell: (r) => (r.cpu > 90 ? html`<${Chip} kind="warn" bare>${r.cpu.toFixed(0)} %<//>` : undefined ?? (r.cpu === undefined ? '–' : `${r.cpu.toFixed(0)} %`)) },
  ];
  const [sort, setSort] = useState({ id: 'shard', direction: 'asc' });
  return html`<${Panel} title="Shards" flush><${DataTable} label="Shards" columns=${columns} rows=${rows} keyOf=${(r) => r.shard} sort=${sort} onSort=${setSort} height="17rem" noCopy /><//>`;
}

// This page is a client as well.
function Own() {
  const s = stream.value;
  if (!s) return null;
  const { phase, since, close } = s.state.value;
  return html`<${Panel} title="This page’s connection" className="wide"><p class="verdict"><${Chip} kind=${phase === 'live' ? 'ok' : 'warn'}>${phase}<//> <span class="muted">for ${lasting(now.value - since)}</span></p>
    <${Facts} rows=${[['Address', html`<code>${s.url}</code>`], ['Session', html`<code>${s.session ?? '–'}</code>`], ['Subscriptions', whole(s.subs.size)], ['Received', `${whole(s.counts.messages)} messages, ${bytesText(s.counts.bytes)}`],
      ['Last close', close ? `${close.code} ${close.reason || '(no reason)'}` : 'none']]} /><//>`;
}

export function Connections() {
  const m = useMeter();
  if (m.samples.length === 0) return html`<div class="title"><h1>Connections</h1></div><section class="panel"><${NotThere} state=${m} path="/metrics" of="Clients, backlogs and closes" /></section>`;
  const { samples } = m;
  return html`<div class="title"><h1>Connections</h1></div>
    <${Tiles} m=${m} /><${Charts} samples=${samples} />
    <div class="columns three">
      <${Counted} title="Closed by the gateway" first="Reason" rows=${labelled(samples, 'ws_close_total', 'reason').filter((r) => r.total > 0)} note="No connection has been closed by the gateway since it started." />
      <${Counted} title="Sent, by channel" first="Channel" rows=${labelled(samples, 'ws_sent_messages_total', 'channel')} />
      <${Counted} title="Folded, by channel" first="Channel" rows=${labelled(samples, 'ws_conflated_total', 'channel')} note="" />
      <${Histogram} /><${Shards} samples=${samples} /><${Fanout} samples=${samples} /><${Own} />
    </div>
    <${Each} />`;
}
