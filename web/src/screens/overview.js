// The whole exchange on one page: what the gateway measures of itself, the first five minutes, every symbol.
import { instruments, restBase, stream, tickers } from '../app.js';
import { useResource } from '../data/api.js';
import { now } from '../data/beat.js';
import { basisPoints, group } from '../data/decimal.js';
import { age, bytes, duration, perSecond, whole } from '../data/format.js';
import { pair, useMeter } from '../data/meter.js';
import { quantile, rate, sum, value } from '../data/metrics.js';
import { NotThere, Panel, Spark, State, Tile, word } from '../design/parts.js';
import { ActButton, openSheet } from '../acting/acting.js';
import { DataTable, SearchField } from '../design/table.js';
import { navigate, route, setFilter, symbolPart } from '../router.js';
import { html, useEffect, useMemo, useRef } from '../ui.js';
import { modeSheet, killSheet } from './actions.js';

// Kraken's words for a pair's state, as the modes operators speak of.
export const MODES = { online: ['ok', 'NORMAL'], cancel_only: ['warn', 'CANCEL_ONLY'], post_only: ['warn', 'POST_ONLY'], limit_only: ['warn', 'LIMIT_ONLY'], reduce_only: ['warn', 'REDUCE_ONLY'],
  maintenance: ['bad', 'HARD_HALT'], delisted: ['off', 'DELISTED'], work_in_progress: ['off', 'IN PREPARATION'] };
export const modeOf = (status) => MODES[status] ?? ['off', status ?? 'unknown'];

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

function Triage() {
  const state = useResource('/v1/triage', { every: 5000 });
  return html`<${Panel} title="First five minutes" at=${state.at}>${state.phase === 'ok' ? html`<pre>${JSON.stringify(state.data, null, 2)}</pre>`
    : html`<${NotThere} state=${state} path="/v1/triage" of="Halt reason, last breach, who acknowledged, the latest reconciliation" />`}<//>`;
}

function Slo() {
  const state = useResource('/v1/slo', { every: 15000 });
  return html`<${Panel} title="Service levels" at=${state.at} limit="60000">${state.phase === 'ok' ? html`<pre>${JSON.stringify(state.data, null, 2)}</pre>`
    : html`<${NotThere} state=${state} path="/v1/slo" of="Targets, what is left of them and how fast it goes" />`}<//>`;
}

// One row a symbol: what instrument, metrics and ticker know of it; the same object as before where nothing has changed.
function useRows(pairs, symbols, live, all) {
  const kept = useRef(new Map());
  return useMemo(() => {
    const rows = [];
    const next = new Map();
    for (const [symbol, pair] of pairs) {
      const measured = symbols.get(symbol);
      const ticker = live.get(symbol) ?? all.get(symbol);
      let entry = kept.current.get(symbol);
      if (!entry || entry.pair !== pair || entry.measured !== measured || entry.ticker !== ticker) {
        const [kind, mode] = modeOf(pair.status);
        entry = { pair, measured, ticker, row: { symbol, kind, mode, status: pair.status, ...measured, ticker } };
      }
      next.set(symbol, entry);
      rows.push(entry.row);
    }
    kept.current = next;
    return rows;
  }, [pairs, symbols, live, all]);
}

const number = (text) => (text === undefined ? undefined : Number(text)); // for ordering only
const columns = [
  { id: 'symbol', width: 6.5, name: 'Symbol', cell: (r) => html`<a href=${`/market/${symbolPart(r.symbol)}`}>${r.symbol}</a>` },
  { id: 'mode', width: 7.5, name: 'Mode', text: (r) => r.mode, cell: (r) => word(r.kind, r.mode) },
  { id: 'last', width: 6, name: 'Last', num: true, text: (r) => r.ticker?.last, sort: (r) => number(r.ticker?.last), cell: (r) => r.ticker?.last && group(r.ticker.last) },
  { id: 'change', width: 5, name: '24 h', num: true, title: 'Change over 24 hours', text: (r) => r.ticker?.change_pct, sort: (r) => number(r.ticker?.change_pct), cell: (r) => r.ticker?.change_pct && change(r.ticker.change_pct) },
  { id: 'bid', width: 6, name: 'Bid', num: true, text: (r) => r.ticker?.bid, sort: (r) => number(r.ticker?.bid), cell: (r) => r.ticker?.bid && group(r.ticker.bid) },
  { id: 'ask', width: 6, name: 'Ask', num: true, text: (r) => r.ticker?.ask, sort: (r) => number(r.ticker?.ask), cell: (r) => r.ticker?.ask && group(r.ticker.ask) },
  { id: 'spread', width: 4.25, name: 'Spread', num: true, title: 'In basis points', text: (r) => r.ticker?.bid && basisPoints(r.ticker.bid, r.ticker.ask).toFixed(2), sort: (r) => (r.ticker?.bid ? basisPoints(r.ticker.bid, r.ticker.ask) : undefined) },
  { id: 'trades', width: 4.75, name: 'Trades/s', num: true, text: (r) => r.tradesPerS?.toFixed(1), sort: (r) => r.tradesPerS },
  { id: 'events', width: 5, name: 'Events/s', num: true, text: (r) => r.eventsPerS?.toFixed(1), sort: (r) => r.eventsPerS },
  { id: 'seq', width: 5.5, name: 'Sequence', num: true, text: (r) => r.seq, sort: (r) => r.seq, cell: (r) => r.seq !== undefined && whole(r.seq) },
  { id: 'age', width: 4.75, name: 'Quiet', num: true, title: 'Since the sequence number last rose, to the precision of a sample', text: (r) => (r.movedAt ? age(Math.max(0, now.peek() - r.movedAt)) : ''), sort: (r) => (r.movedAt ? -r.movedAt : undefined) },
  { id: 'gaps', width: 3.5, name: 'Gaps', num: true, text: (r) => r.gaps, sort: (r) => r.gaps, cell: (r) => (r.gaps ? html`<span class="down">${whole(r.gaps)}</span>` : r.gaps) },
  { id: 'live', width: 5, name: 'Book', sort: (r) => r.live, text: (r) => (r.live === undefined ? '' : r.live ? 'sound' : 'broken'), cell: (r) => (r.live === undefined ? null : word(r.live ? 'ok' : 'bad', r.live ? 'sound' : 'broken')) },
  { id: 'activity', width: 6, name: 'Activity', fixed: true, title: 'Events a second, the last samples', text: (r) => r.eventsPerS?.toFixed(1), cell: (r) => Spark({ points: r.points }) },
];

function change(pct) {
  const down = pct.startsWith('-');
  const zero = /^-?0*\.?0*$/.test(pct);
  return html`<span class=${zero ? '' : down ? 'down' : 'up'}>${zero ? '' : down ? '▼ ' : '▲ '}${pct.replace('-', '')} %</span>`;
}

// Tickers are followed for the rows in sight (and a little longer), for others REST is asked now and then.
function useSight() {
  const held = useRef(new Map());
  const timer = useRef();
  const look = (rows) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const s = stream.peek();
      if (!s) return;
      const seen = new Set(rows.map((r) => r.symbol));
      for (const [symbol, sub] of held.current) {
        if (seen.has(symbol)) continue;
        s.drop(sub);
        held.current.delete(symbol);
      }
      for (const symbol of seen) {
        if (!held.current.has(symbol)) held.current.set(symbol, s.subscribe('ticker', symbol, { event_trigger: 'bbo', interval_ms: 250 }, tickers));
      }
    }, 300);
  };
  useEffect(() => () => {
    clearTimeout(timer.current);
    for (const sub of held.current.values()) stream.peek()?.drop(sub);
  }, []);
  return look;
}

// Every pair's ticker of Kraken's REST shape.
function useAllTickers() {
  const state = useResource('/0/public/Ticker', { every: 20000, base: restBase });
  return useMemo(() => {
    const all = new Map();
    const result = state.data?.result ?? {};
    for (const symbol of instruments.pairs.peek().keys()) {
      const t = result[symbol.replace('/', '')];
      if (!t) continue;
      all.set(symbol, { bid: t.b[0], ask: t.a[0], last: /^0*\.?0*$/.test(t.c[0]) ? undefined : t.c[0] });
    }
    return all;
  }, [state.at, instruments.pairs.value]);
}

function Symbols({ m }) {
  const { q = '', mode = '', sort = 'symbol', dir = 'asc' } = route.value.query;
  const all = useAllTickers();
  const pairs = instruments.pairs.value;
  const live = tickers.view.value;
  const look = useSight();
  const rows = useRows(pairs, m.symbols, live, all);
  const wanted = q.toUpperCase();
  const shown = useMemo(() => rows.filter((r) => (!wanted || r.symbol.includes(wanted)) && (!mode || r.status === mode || (mode === 'troubled' && (r.status !== 'online' || r.live === 0 || r.gaps > 0)))), [rows, wanted, mode]);
  const modes = [...new Set(rows.map((r) => r.status))];
  return html`<${Panel} title="Symbols" flush at=${m.at} className="symbols" aside=${html`<${ActButton} permission="control.tighten" open=${() => openSheet(modeSheet('*'))}>Set mode…<//><${ActButton} permission="control.tighten" danger open=${() => openSheet(killSheet())}>Kill switch…<//>`}>
    <${DataTable} label="Symbols" primary columns=${columns} rows=${shown} keyOf=${(r) => r.symbol} sort=${{ id: sort, direction: dir }} height="max(20rem, calc(100dvh - 15rem))"
      onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }} onOpen=${(r) => navigate({ screen: 'market', part: symbolPart(r.symbol) })} onRange=${look}
      tools=${html`<${SearchField} label="Find a symbol" value=${q} onInput=${(v) => setFilter('q', v)} />
        <select class="select" aria-label="Mode" value=${mode} onChange=${(e) => setFilter('mode', e.target.value)}><option value="">every mode</option><option value="troubled">anything but normal</option>${modes.map((s) => html`<option value=${s}>${modeOf(s)[1]}</option>`)}</select>`}
      empty=${html`<${State} icon="search" title=${pairs.size ? 'No symbol matches' : 'No symbols yet'}>${pairs.size ? 'Change the filter above.' : 'They come with the instrument channel of the public WebSocket.'}<//>`} />
  <//>`;
}

export function Overview() {
  const m = useMeter();
  return html`<div class="title"><h1>Overview</h1></div>
    ${m.phase === 'ok' || m.samples.length ? html`<${Tiles} m=${m} />` : html`<${NotThere} state=${m} path="/metrics" of="What the gateway measures of itself" />`}
    <${Symbols} m=${m} />
    <div class="columns two"><${Triage} /><${Slo} /></div>`;
}
