// The whole exchange on one page: what is held back, the first five minutes, what the gateway measures of itself, every symbol.
import { useControl } from '../data/control.js';
import { bytes, duration, perSecond, whole } from '../data/format.js';
import { pair, useMeter } from '../data/meter.js';
import { quantile, rate, sum, value } from '../data/metrics.js';
import { Fresh, NotThere, Tile } from '../design/parts.js';
import { lazy } from '../frame/lazy.js';
import { phase } from '../session/session.js';
import { html } from '../ui.js';
import { Controls } from './overview/controls.js';
import { Core } from './overview/core.js';
import { Symbols } from './overview/symbols.js';
import { Slo, Triage } from './overview/triage.js';

export { MODES, modeOf } from './overview/symbols.js';

const ComponentGrid = lazy(() => import('./components.js'), 'ComponentGrid');
const OpenCircuits = lazy(() => import('./settings/circuits.js'), 'OpenCircuits');

const series = (samples, name) => samples.slice(-40).map((s, i, all) => (i ? rate(s, all[i - 1], name) : undefined));
const gauges = (samples, name) => samples.slice(-40).map((s) => sum(s.metrics, name));

function Tiles({ m }) {
  const [sample, then] = m.samples.length ? pair(m.samples, 9000) : [];
  const get = (name) => (sample ? sum(sample.metrics, name) : undefined);
  const per = (name) => rate(sample, then, name);
  const [lag, lagUnit] = duration(quantile(sample, then, 'md_publish_lag_seconds', 0.99));
  const [sent, sentUnit] = bytes(per('ws_sent_bytes_total'));
  const broken = get('md_symbols_broken');
  const dropped = get('ws_dropped_total');
  const choked = get('ws_choked_clients');
  const evicted = value(sample?.metrics, 'ws_close_total', { reason: 'SLOW_CONSUMER' }) ?? value(sample?.metrics, 'ws_close_total', { reason: 'slow_consumer' });
  return html`<div class="tiles">
    <${Tile} label="Feed" value=${get('upstream_connected') === 1 ? 'up' : get('upstream_connected') === undefined ? '–' : 'lost'} kind=${get('upstream_connected') === 0 ? 'bad' : undefined} hint=${`lost ${whole(get('upstream_lost_total'))} times`} />
    <${Tile} label="Events" value=${perSecond(per('feed_entries_total'))} unit="/s" hint="read a second" points=${series(m.samples, 'feed_entries_total')} />
    <${Tile} label="Trades" value=${perSecond(per('feed_trades_total'))} unit="/s" hint="executed" points=${series(m.samples, 'feed_trades_total')} />
    <${Tile} label="Broken symbols" value=${whole(broken)} kind=${broken > 0 ? 'bad' : undefined} hint=${`${whole(get('md_seq_gap_all_total'))} gaps so far`} />
    <${Tile} label="Publish lag p99" value=${lag} unit=${lagUnit} hint="last 10 s" />
    <${Tile} label="Clients" value=${whole(get('ws_clients'))} hint=${`${perSecond(per('ws_opened_total'))} opened/s`} points=${gauges(m.samples, 'ws_clients')} />
    <${Tile} label="Sent" value=${sent} unit=${`${sentUnit}/s`} hint=${`${perSecond(per('ws_sent_messages_total'))} messages/s`} points=${series(m.samples, 'ws_sent_bytes_total')} />
    <${Tile} label="Slow clients" value=${whole(choked)} kind=${choked > 0 ? 'warn' : undefined} hint=${evicted === undefined ? 'take nothing now' : `${whole(evicted)} evicted`} />
    <${Tile} label="Trades dropped" value=${whole(dropped)} kind=${dropped > 0 ? 'bad' : undefined} hint="must stay 0" />
  </div>`;
}

export function Overview() {
  const m = useMeter();
  const c = useControl();
  return html`<div class="title"><h1>Overview</h1><span class="push"><${Fresh} at=${c.at} limit=${40000} prefix="control state: " /></span></div>
    <div class="controls-row"><${Controls} c=${c} /><${Triage} /></div>
    ${m.phase === 'ok' || m.samples.length ? html`<${Tiles} m=${m} />` : html`<${NotThere} state=${m} path="/metrics" of="What the gateway measures of itself" />`}
    <${Slo} /><${Symbols} m=${m} c=${c} /><${Core} />${phase.value === 'in' && html`<${OpenCircuits} /><${ComponentGrid} brief />`}`;
}
