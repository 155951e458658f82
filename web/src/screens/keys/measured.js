// Who tried: what the gateway counts of failures, replays and limits.
import { perSecond, whole } from '../../data/format.js';
import { pair } from '../../data/meter.js';
import { rate, sum, value } from '../../data/metrics.js';
import { Chart } from '../../design/chart.js';
import { Panel, State, Tile } from '../../design/parts.js';
import { DataTable } from '../../design/table.js';
import { html, useMemo, useState } from '../../ui.js';

// What a counter with one label rose by, by label.
function counted([sample, minute], name, label) {
  return (sample.metrics.get(name) ?? []).filter((r) => r.value > 0 && r.labels[label] !== 'ok')
    .map((r) => ({ name: r.labels[label], total: r.value, recent: minute ? r.value - (value(minute.metrics, name, r.labels) ?? 0) : undefined }));
}

const countColumns = (first) => [{ id: 'name', name: first, cell: (r) => html`<code>${r.name}</code>` }, { id: 'recent', name: 'Last minute', num: true, text: (r) => whole(r.recent), sort: (r) => r.recent },
  { id: 'total', name: 'Since start', num: true, text: (r) => whole(r.total), sort: (r) => r.total }];
const REASON = countColumns('Reason');
const CLASS = countColumns('Class');

function Counts({ title, columns, rows, none }) {
  const [sort, setSort] = useState({ id: 'total', direction: 'desc' });
  return html`<${Panel} title=${title} flush><${DataTable} label=${title} columns=${columns} rows=${rows} keyOf=${(r) => r.name} sort=${sort} onSort=${setSort} height="15rem" noCopy empty=${html`<${State} icon="ok" kind="ok" title=${none} />`} /><//>`;
}

const over = (samples, name) => samples.slice(1).map((s, i) => rate(s, samples[i], name) ?? null);

export function Measured({ m }) {
  const { samples } = m;
  const [sample, then] = pair(samples, 9000);
  const minute = pair(samples, 60000);
  const get = (name) => sum(sample.metrics, name);
  const data = useMemo(() => [samples.slice(1).map((s) => s.at / 1000), over(samples, 'auth_fail_total'), over(samples, 'replay_detect_total'), over(samples, 'ratelimit_drop_total')], [samples]);
  const stale = value(sample.metrics, 'auth_keys_fresh') === 0;
  const failed = counted(minute, 'auth_fail_total', 'reason');
  return html`<div class="tiles">
      <${Tile} label="Keys" value=${whole(get('auth_keys'))} hint=${stale ? 'PostgreSQL is silent' : 'as PostgreSQL says'} kind=${stale ? 'warn' : undefined} />
      <${Tile} label="Not authentic" value=${perSecond(rate(sample, then, 'auth_fail_total'))} unit="/s" hint=${`${whole(failed.reduce((a, r) => a + r.total, 0))} since start`} />
      <${Tile} label="Replays" value=${whole(get('replay_detect_total'))} hint="since start" kind=${rate(sample, then, 'replay_detect_total') > 0 ? 'bad' : undefined} />
      <${Tile} label="Limited" value=${perSecond(rate(sample, then, 'ratelimit_drop_total'))} unit="/s" hint=${`${whole(get('ratelimit_drop_total'))} since start`} />
      <${Tile} label="Without Redis" value=${whole(get('ratelimit_local_total'))} hint=${get('ratelimit_breaker_open') > 0 ? 'breaker open' : 'limits kept alone'} kind=${get('ratelimit_breaker_open') > 0 ? 'warn' : undefined} />
      <${Tile} label="Log-ins" value=${whole(get('people_logins_total'))} hint=${`${whole(get('people_refused_total'))} refused`} />
      <${Tile} label="Sessions" value=${whole(get('people_sessions'))} hint="of people, now" />
      <${Tile} label="Tokens given" value=${whole(get('auth_ws_tokens_total'))} hint="for WebSockets" />
    </div>
    <div class="columns three"><${Panel} title="Failures, replays, limits over time"><${Chart} label="Failures, replays, limits" data=${data} format=${(v) => `${Number(v.toPrecision(3))}/s`} series=${[{ name: 'not authentic', colour: 'warn' }, { name: 'replays', colour: 'bad' }, { name: 'limited', colour: 'accent' }]} /><//>
      <${Counts} title="Not authentic, by reason" columns=${REASON} rows=${failed} none="None since the gateway started" />
      <${Counts} title="Limited, by class" columns=${CLASS} rows=${counted(minute, 'ratelimit_drop_total', 'class')} none="Nobody since the gateway started" /></div>`;
}
