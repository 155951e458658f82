// Every symbol: what holds it back and why, its market, how it is followed. Drawn only where it is seen, followed only while
// it is seen. Chosen rows are acted on together.
import { ActButton, openSheet } from '../../acting/acting.js';
import { cancelAllSheet, modesSheet, throttleSheet } from '../../acting/acts.js';
import { MODE_KIND } from '../../acting/words.js';
import { instruments, restBase, stream, tickers } from '../../app.js';
import { useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { group } from '../../data/decimal.js';
import { age, time, whole } from '../../data/format.js';
import { Panel, Spark, State, word } from '../../design/parts.js';
import { Icon } from '../../design/icons.js';
import { DataTable, SearchField } from '../../design/table.js';
import { navigate, route, setFilter, symbolPart } from '../../router.js';
import { html, useEffect, useMemo, useRef, useState } from '../../ui.js';

// Kraken's words for a pair's state, as the modes operators speak of: for who is not signed in.
export const MODES = { online: ['ok', 'NORMAL'], cancel_only: ['warn', 'CANCEL_ONLY'], post_only: ['warn', 'POST_ONLY'], limit_only: ['warn', 'LIMIT_ONLY'], reduce_only: ['warn', 'REDUCE_ONLY'],
  maintenance: ['bad', 'HARD_HALT'], delisted: ['off', 'DELISTED'], work_in_progress: ['off', 'IN PREPARATION'] };
export const modeOf = (status) => MODES[status] ?? ['off', status ?? 'unknown'];
const RANK = ['NORMAL', 'CANCEL_ONLY', 'SOFT_HALT', 'HARD_HALT'];

// KNOWN: the gateway has told what is held back; else the wire's word, which has none for a soft halt.
function modeWords(pair, back, known) {
  if (!known) {
    const [kind, mode] = modeOf(pair.status);
    return { kind, mode };
  }
  const mode = back?.effective_mode ?? 'NORMAL';
  return { kind: MODE_KIND[mode], mode };
}

// One row a symbol: what instrument, metrics and ticker know of it; the same object as before where nothing has changed.
function useRows({ pairs, symbols, live, all, held, known, full }) {
  const kept = useRef(new Map());
  return useMemo(() => {
    const rows = [];
    const next = new Map();
    for (const [symbol, pair] of pairs) {
      const measured = symbols.get(symbol);
      const ticker = live.get(symbol) ?? all.get(symbol);
      let entry = kept.current.get(symbol);
      const back = held.get(symbol);
      const more = full.get(symbol);
      if (!entry || entry.pair !== pair || entry.measured !== measured || entry.ticker !== ticker || entry.back !== back || entry.more !== more || entry.known !== known) {
        entry = { pair, measured, ticker, back, more, known, row: { symbol, ...modeWords(pair, back, known), ...measured, ticker, back, clients: more?.subscriptions, rate: more?.orders_per_s, observed: more?.observed_mode } };
      }
      next.set(symbol, entry);
      rows.push(entry.row);
    }
    kept.current = next;
    return rows;
  }, [pairs, symbols, live, all, held, known, full]);
}

const number = (text) => (text === undefined ? undefined : Number(text)); // for ordering only
const hm = (at) => (at ? time(Date.parse(at)).slice(0, 5) : '');
const DECIDES = { mode: (target) => (target === '*' ? 'all symbols' : target.startsWith('group:') ? target : ''), kill: (target) => (target === 'global' ? 'kill switch' : `kill switch ${target}`) };
const decides = (r) => (r.back ? DECIDES[r.back.decided_by_kind]?.(r.back.decided_by_target ?? '') ?? r.back.decided_by_kind ?? '' : '');
const whyText = (r) => [decides(r), r.back?.reason].filter(Boolean).join(': ');
const differs = (r) => Boolean(r.observed) && r.observed !== r.mode;

// Prices of a book that is frozen or withdrawn are not of now, and are said to be so. SIDE: bid or ask.
const HELD = { SOFT_HALT: 'frozen', HARD_HALT: 'withdrawn' };
// By its mode, where that is known; else as the market data said.
const heldOf = (r) => HELD[r.mode] ?? (r.ticker?.book === 'live' ? undefined : r.ticker?.book);
const bestText = (side) => (r) => {
  const held = heldOf(r);
  return held === 'withdrawn' ? held : r.ticker?.[side] && (held ? `${r.ticker[side]} (frozen)` : r.ticker[side]);
};
const bestCell = (side) => (r) => {
  const held = heldOf(r);
  const price = r.ticker?.[side];
  if (!held) return price && group(price);
  const title = `${held}${r.back?.since ? ` since ${hm(r.back.since)} UTC` : ''}: ${held === 'frozen' ? 'the best price as it was then' : 'no book is shown to anybody'}`;
  if (held === 'withdrawn') return html`<span class="of-then" title=${title}>withdrawn</span>`;
  return price && html`<span class="of-then" title=${title}><${Icon} name="lock" size="11" label="frozen" /> ${group(price)}</span>`;
};

const quiet = html`<span></span>`; // nothing to say, which is well
const columns = [
  { id: 'symbol', width: 6.5, name: 'Symbol', cell: (r) => html`<a href=${`/market/${symbolPart(r.symbol)}`}>${r.symbol}</a>` },
  { id: 'mode', width: 8.25, name: 'Mode', title: 'In force: the tightest of its own, its groups’, that of all, and the kill switch', text: (r) => (r.back && r.back.mode !== r.mode ? `${r.mode} (own: ${r.back.mode})` : r.mode), sort: (r) => -RANK.indexOf(r.mode),
    cell: (r) => html`${word(r.kind, r.mode)}${differs(r) ? html` <span class="down" title=${`the core says ${r.observed}`}>≠ core</span>` : ''}` },
  { id: 'why', width: 13, name: 'Because of', text: whyText, cell: (r) => (!r.back ? quiet : html`<span title=${`${whyText(r)}${r.back.mode !== r.mode ? `; its own mode: ${r.back.mode}` : ''}${r.back.by ? `; by ${r.back.by}` : ''}`}>${decides(r) && html`<b class="decides">${decides(r)}</b> `}${r.back.reason}</span>`) },
  { id: 'since', fits: true, width: 4, name: 'Since', text: (r) => r.back?.since ?? '', cell: (r) => (r.back ? hm(r.back.since) : quiet) },
  { id: 'until', fits: true, width: 4.5, name: 'Until', title: 'When a decision is due; nothing opens by itself', text: (r) => r.back?.until ?? '', cell: (r) => (r.back?.decision_due ? word('warn', 'due') : hm(r.back?.until) || quiet) },
  { id: 'last', width: 5.75, name: 'Last', num: true, text: (r) => r.ticker?.last, sort: (r) => number(r.ticker?.last), cell: (r) => r.ticker?.last && group(r.ticker.last) },
  { id: 'change', width: 5, name: '24 h', num: true, title: 'Change over 24 hours', text: (r) => r.ticker?.change_pct, sort: (r) => number(r.ticker?.change_pct), cell: (r) => r.ticker?.change_pct && change(r.ticker.change_pct) },
  { id: 'bid', width: 5.75, name: 'Bid', num: true, text: bestText('bid'), sort: (r) => number(r.ticker?.bid), cell: bestCell('bid') },
  { id: 'ask', width: 5.75, name: 'Ask', num: true, text: bestText('ask'), sort: (r) => number(r.ticker?.ask), cell: bestCell('ask') },
  { id: 'trades', width: 4.75, name: 'Trades/s', num: true, text: (r) => r.tradesPerS?.toFixed(1), sort: (r) => r.tradesPerS },
  { id: 'activity', fits: true, width: 5.75, name: 'Activity', fixed: true, title: 'Events a second, the last samples', text: (r) => r.eventsPerS?.toFixed(1), cell: (r) => Spark({ points: r.points }) },
  { id: 'seq', width: 5.25, name: 'Sequence', num: true, text: (r) => r.seq, sort: (r) => r.seq, cell: (r) => r.seq !== undefined && whole(r.seq) },
  { id: 'age', width: 4, name: 'Quiet', num: true, title: 'Since the sequence number last rose, to the precision of a sample', text: (r) => (r.movedAt ? age(Math.max(0, now.peek() - r.movedAt)) : ''), sort: (r) => (r.movedAt ? -r.movedAt : undefined) },
  { id: 'clients', width: 4.25, name: 'Clients', num: true, title: 'Subscriptions of clients of this gateway', text: (r) => r.clients, sort: (r) => r.clients, cell: (r) => r.clients !== undefined && whole(r.clients) },
  { id: 'rate', width: 4.5, name: 'Throttle', num: true, title: 'New orders a second, at most', text: (r) => r.rate, sort: (r) => r.rate, cell: (r) => (!r.rate ? quiet : html`<span class="warn-text">${whole(r.rate)}/s</span>`) },
  { id: 'gaps', width: 3.25, name: 'Gaps', num: true, text: (r) => r.gaps, sort: (r) => r.gaps, cell: (r) => (r.gaps ? html`<span class="down">${whole(r.gaps)}</span>` : r.gaps) },
  { id: 'live', fits: true, width: 4.75, name: 'Book', sort: (r) => r.live, text: (r) => (r.live === undefined ? '' : r.live ? 'sound' : 'broken'), cell: (r) => (r.live === undefined ? null : word(r.live ? 'ok' : 'bad', r.live ? 'sound' : 'broken')) },
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
    }, held.current.size > 0 ? 300 : 0); // the first rows at once; then those at which scrolling has stopped
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

// What the whole list tells beside: clients, throttles, what the core says. Large, so not often.
const LARGE = 300;
function useFull(count) {
  const state = useResource('/v1/symbols', { every: count > LARGE ? 60000 : 10000 });
  return useMemo(() => new Map((state.data?.symbols ?? []).map((r) => [r.symbol, r])), [state.at]);
}

function Acts({ chosen, clear, full }) {
  const symbols = [...chosen].sort();
  if (symbols.length === 0) return html`<span class="muted hint-line">choose rows (<kbd>x</kbd>) to act on several</span>`;
  const [one] = symbols;
  return html`<span class="acts" role="group" aria-label="Acts on the chosen symbols"><b>${symbols.length === 1 ? one : `${whole(symbols.length)} symbols`}</b>
    <${ActButton} permission="control.tighten" danger open=${() => openSheet(modesSheet(symbols))}>Set mode…<//>
    ${symbols.length === 1 && html`<${ActButton} permission="control.tighten" open=${() => openSheet(throttleSheet(one, full.get(one)?.orders_per_s))}>Throttle…<//><${ActButton} permission="control.tighten" open=${() => openSheet(cancelAllSheet(one))}>Cancel all orders…<//>`}
    <button type="button" class="btn quiet" onClick=${clear}>Choose none</button></span>`;
}

const troubled = (r) => r.mode !== 'NORMAL' || r.live === 0 || r.gaps > 0 || differs(r);

export function Symbols({ m, c }) {
  const { q = '', mode = '', sort = 'mode', dir = 'asc' } = route.value.query; // what is held back stands first
  const all = useAllTickers();
  const pairs = instruments.pairs.value;
  const live = tickers.view.value;
  const look = useSight();
  const full = useFull(pairs.size);
  const [chosen, choose] = useState(new Set());
  const rows = useRows({ pairs, symbols: m.symbols, live, all, held: c.held, known: c.heldPhase === 'ok', full });
  const wanted = q.toUpperCase();
  const shown = useMemo(() => rows.filter((r) => (!wanted || r.symbol.includes(wanted)) && (!mode || r.mode === mode || (mode === 'troubled' && troubled(r)))), [rows, wanted, mode]);
  const modes = [...new Set([...rows.map((r) => r.mode), ...(mode && mode !== 'troubled' ? [mode] : [])])];
  return html`<${Panel} title="Symbols" flush at=${m.at} className="symbols">
    <${DataTable} label="Symbols" primary columns=${columns} rows=${shown} keyOf=${(r) => r.symbol} sort=${{ id: sort, direction: dir }} height="max(20rem, calc(100dvh - 15rem))" picked=${chosen} onPick=${choose}
      onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }} onOpen=${(r) => navigate({ screen: 'market', part: symbolPart(r.symbol) })} onRange=${look}
      tools=${html`<${SearchField} label="Find a symbol" value=${q} onInput=${(v) => setFilter('q', v)} />
        <select class="select" aria-label="Mode" value=${mode} onChange=${(e) => setFilter('mode', e.target.value)}><option value="">every mode</option><option value="troubled">anything but well</option>${modes.map((s) => html`<option value=${s}>${s}</option>`)}</select>
        <${Acts} chosen=${chosen} clear=${() => choose(new Set())} full=${full} />`}
      empty=${html`<${State} icon="search" title=${pairs.size ? 'No symbol matches' : 'No symbols yet'}>${pairs.size ? 'Change the filter above.' : 'They come with the instrument channel of the public WebSocket.'}<//>`} />
  <//>`;
}
