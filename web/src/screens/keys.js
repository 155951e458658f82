// Who may call, and who tried: the failures the gateway counts, and the keys.
import { perSecond, whole } from '../data/format.js';
import { pair, useMeter } from '../data/meter.js';
import { rate, sum, value } from '../data/metrics.js';
import { Chart } from '../design/chart.js';
import { Chip, NotThere, Panel, State, Tile } from '../design/parts.js';
import { DataTable } from '../design/table.js';
import { html, useMemo, useState } from '../ui.js';
import { Listing, Title } from './listing.js';

const STATES = { active: 'ok', revoked: 'bad', expired: 'off', pending: 'info' };
const columns = [
  { id: 'id', name: 'Key', cell: (r) => html`<code>${r.id}</code>` },
  { id: 'account', name: 'Account' }, { id: 'label', name: 'Label' },
  { id: 'state', name: 'State', cell: (r) => html`<${Chip} kind=${STATES[r.state] ?? 'off'} bare>${r.state}<//>` },
  { id: 'algorithm', name: 'Algorithm' },
  { id: 'scopes', name: 'Scopes', text: (r) => (r.scopes ?? []).join(' ') },
  { id: 'rate_class', name: 'Limit' },
  { id: 'ip_allow', name: 'Networks', text: (r) => (r.ip_allow ?? []).join(' ') || 'any' },
  { id: 'last_used_at', name: 'Last used', text: (r) => r.last_used_at ?? '' },
];

function failures([sample, minute]) {
  return (sample.metrics.get('auth_fail_total') ?? []).filter((r) => r.value > 0 && r.labels.reason !== 'ok')
    .map((r) => ({ reason: r.labels.reason, total: r.value, recent: minute ? r.value - (value(minute.metrics, 'auth_fail_total', r.labels) ?? 0) : undefined }));
}

const failColumns = [{ id: 'reason', name: 'Reason', cell: (r) => html`<code>${r.reason}</code>` }, { id: 'recent', name: 'Last minute', num: true, text: (r) => whole(r.recent) , sort: (r) => r.recent }, { id: 'total', name: 'Since start', num: true, text: (r) => whole(r.total), sort: (r) => r.total }];

function Measured({ m }) {
  const { samples } = m;
  const [sample, then] = pair(samples, 9000);
  const rows = failures(pair(samples, 60000));
  const [sort, setSort] = useState({ id: 'total', direction: 'desc' });
  const get = (name) => sum(sample.metrics, name);
  const data = useMemo(() => {
    const used = samples.slice(1);
    return [used.map((s) => s.at / 1000), used.map((s, i) => rate(s, samples[i], 'auth_fail_total') ?? null), used.map((s, i) => rate(s, samples[i], 'replay_detect_total') ?? null), used.map((s, i) => rate(s, samples[i], 'ratelimit_drop_total') ?? null)];
  }, [samples]);
  const stale = value(sample.metrics, 'auth_keys_fresh') === 0;
  return html`<div class="tiles">
      <${Tile} label="Keys" value=${whole(get('auth_keys'))} hint=${stale ? 'PostgreSQL is silent' : 'as PostgreSQL says'} kind=${stale ? 'warn' : undefined} />
      <${Tile} label="Not authentic" value=${perSecond(rate(sample, then, 'auth_fail_total'))} unit="/s" hint=${`${whole(rows.reduce((a, r) => a + r.total, 0))} since start`} />
      <${Tile} label="Replays" value=${whole(get('replay_detect_total'))} hint="since start" kind=${rate(sample, then, 'replay_detect_total') > 0 ? 'bad' : undefined} />
      <${Tile} label="Limited" value=${perSecond(rate(sample, then, 'ratelimit_drop_total'))} unit="/s" hint=${`${whole(get('ratelimit_drop_total'))} since start`} />
      <${Tile} label="Without Redis" value=${whole(get('ratelimit_local_total'))} hint=${get('ratelimit_breaker_open') > 0 ? 'breaker open' : 'limits kept alone'} kind=${get('ratelimit_breaker_open') > 0 ? 'warn' : undefined} />
      <${Tile} label="Tokens given" value=${whole(get('auth_ws_tokens_total'))} hint="for WebSockets" />
    </div>
    <div class="columns two"><${Panel} title="Failures, replays, limits over time"><${Chart} label="Failures, replays, limits" data=${data} format=${(v) => `${Number(v.toPrecision(3))}/s`} series=${[{ name: 'not authentic', colour: 'warn' }, { name: 'replays', colour: 'bad' }, { name: 'limited', colour: 'accent' }]} /><//>
      <${Panel} title="Not authentic, by reason" flush><${DataTable} label="Failures by reason" columns=${failColumns} rows=${rows} keyOf=${(r) => r.reason} sort=${sort} onSort=${setSort} height="15rem" noCopy empty=${html`<${State} icon="ok" kind="ok" title="None since the gateway started" />`} /><//></div>`;
}

export function Keys() {
  const m = useMeter();
  return html`<${Title}>Auth and keys<//>
    ${m.samples.length && !m.samples.at(-1).metrics.has('auth_keys') ? html`<section class="panel"><${State} icon="off" title="This gateway keeps no keys"><code>auth.database</code> is not set: nobody can sign, everything public is open to all.<//></section>`
    : m.samples.length ? html`<${Measured} m=${m} />` : html`<section class="panel"><${NotThere} state=${m} path="/metrics" of="Failures, replays and limits" /></section>`}
    <${Listing} title="Keys" path="/v1/keys" primary open columns=${columns} of="Every key with its scopes, limits, networks and last use" empty="No key yet" filters=${[['state', 'State', ['active', 'revoked', 'expired']]]} />`;
}
