// One symbol, live: ladder, candles, depth, trades, the health of what is shown, and the frames themselves.
import { instruments, restBase, stream } from '../app.js';
import { depth, interval } from '../data/settings.js';
import { BookStore, CandleStore, DEFAULT_DEPTH, DEFAULT_INTERVAL, RawStore, TradeStore } from '../data/stores.js';
import { request } from '../data/api.js';
import { Icon } from '../design/icons.js';
import { Chip, copy, Panel, Pick, State } from '../design/parts.js';
import { ActButton, openSheet } from '../acting/acting.js';
import { cancelAllSheet, modeSheet } from '../acting/acts.js';
import { overlay } from '../frame/keys.js';
import { navigate, route, setFilter, symbolPart } from '../router.js';
import { html, useEffect, useMemo, useRef } from '../ui.js';
import { MODE_KIND } from '../acting/words.js';
import { useControl } from '../data/control.js';
import { modeOf } from './overview/symbols.js';
import { Candles } from './market/candles.js';
import { Depth } from './market/depth.js';
import { HeldChip, heldOf } from './market/held.js';
import { useMarks } from './market/marks.js';
import { Health } from './market/health.js';
import { Ladder, Top } from './market/ladder.js';
import { Raw } from './market/raw.js';
import { Tape } from './market/tape.js';

const INTERVALS = [[1, '1m'], [5, '5m'], [15, '15m'], [60, '1h']];
const SIZES = [['20', '20'], ['50', '50'], ['full', 'Full', 'up to 1,000 levels a side']];

function symbolOf(part, pairs) {
  for (const symbol of pairs.keys()) if (symbolPart(symbol) === part) return symbol;
  return part ? undefined : pairs.keys().next().value;
}

// A store that lives as long as its arguments.
// The old one is closed before the new one is made: a connection follows one depth of a symbol at a time.
function useStore(make, deps) {
  const held = useRef();
  useEffect(() => () => held.current.close(), []);
  return useMemo(() => {
    held.current?.close();
    held.current = make();
    return held.current;
  }, deps);
}

function useHistory(store, symbol, minutes) {
  useEffect(() => {
    let gone = false;
    request('GET', `/v1/md/${symbolPart(symbol)}/candles?interval=${minutes}&limit=500`, { base: restBase() }).then((answer) => {
      if (!gone && answer.ok) store.addHistory(answer.data.candles);
    });
    return () => { gone = true; };
  }, [store]);
}

// Who begins to listen is not told in which state the book is: REST is asked each time the gateway takes the subscription.
function useTold(book, symbol) {
  const joins = book.joins.value;
  useEffect(() => {
    if (joins === 0) return undefined;
    let gone = false;
    request('GET', `/v1/md/${symbolPart(symbol)}/book?depth=1`, { base: restBase() }).then((answer) => {
      if (gone) return;
      if (answer.ok) book.asked(answer.data.state === 'frozen' ? 'frozen' : 'live');
      else if (answer.problem.code === 'halted') book.asked('withdrawn');
    });
    return () => { gone = true; };
  }, [book, joins]);
  return book.told.value;
}

// What this browser remembers and the address does not say is put there: the address can be sent as it is.
function useAddress(query) {
  useEffect(() => {
    if (query.depth === undefined && depth.peek() !== DEFAULT_DEPTH) setFilter('depth', depth.peek());
    if (query.interval === undefined && interval.peek() !== DEFAULT_INTERVAL) setFilter('interval', String(interval.peek()));
  }, [query.depth, query.interval]);
}

async function copySnapshot(symbol) {
  const answer = await request('GET', `/v1/md/${symbolPart(symbol)}/book?depth=full`, { base: restBase() });
  if (answer.ok) await copy(JSON.stringify(answer.data, null, 1), `The whole book of ${symbol}`);
}

function Screen({ symbol }) {
  const s = stream.value;
  const { query } = route.value;
  const size = SIZES.some(([v]) => v === query.depth) ? query.depth : depth.value;
  const minutes = INTERVALS.find(([v]) => String(v) === query.interval)?.[0] ?? interval.value;
  const book = useStore(() => new BookStore(s, symbol, size), [s, symbol, size]);
  const trades = useStore(() => new TradeStore(s, symbol), [s, symbol]);
  const candles = useStore(() => new CandleStore(s, symbol, minutes), [s, symbol, minutes]);
  const raw = useStore(() => new RawStore(s), [s]);
  useHistory(candles, symbol, minutes);
  useAddress(query);
  const pair = instruments.pairs.value.get(symbol);
  const c = useControl();
  const back = c.held.get(symbol);
  const [kind, mode] = c.heldPhase === 'ok' ? [MODE_KIND[back?.effective_mode ?? 'NORMAL'], back?.effective_mode ?? 'NORMAL'] : modeOf(pair?.status);
  const held = heldOf(useTold(book, symbol), back, c.heldPhase === 'ok');
  const marks = useMarks(symbol, book.told.value, back);
  const pick = (name, setting) => (v) => { setting.value = v; setFilter(name, String(v)); };
  return html`<div class="title">
      <h1><button type="button" class="btn symbol" title="Go to a symbol (g s)" onClick=${() => { overlay.value = 'symbol'; }}>${symbol} <${Icon} name="search" size="14" /></button></h1>
      <${Chip} kind=${kind} title=${back?.reason}>${mode}<//><${Top} view=${book.view.value} trades=${trades.view.value} held=${held} />
      <span class="push actions"><button type="button" class="btn" onClick=${() => copySnapshot(symbol)}><${Icon} name="copy" size="14" />Copy snapshot</button>
        <button type="button" class="btn" title="Ask for the whole book again" onClick=${() => s.resnapshot(book.sub.key)}><${Icon} name="refresh" size="14" />Resnapshot</button>
        <${ActButton} permission="control.tighten" danger open=${() => openSheet(modeSheet(symbol))}>Set mode…<//><${ActButton} permission="control.tighten" open=${() => openSheet(cancelAllSheet(symbol))}>Cancel orders…<//></span>
    </div>
    <div class="market">
      <${Panel} title="Book" className="area-book" flush aside=${html`<${HeldChip} held=${held} /><${Pick} label="Levels a side" value=${size} options=${SIZES} onPick=${pick('depth', depth)} />`}><${Ladder} store=${book} size=${size} held=${held} /><//>
      <${Panel} title="Candles" className="area-candles" aside=${html`<${HeldChip} held=${held} words="halted" /><${Pick} label="Interval" value=${minutes} options=${INTERVALS} onPick=${pick('interval', interval)} />`}><${Candles} store=${candles} symbol=${symbol} minutes=${minutes} precision=${pair?.price_precision} marks=${marks} /><//>
      <${Panel} title="Trades" className="area-trades" flush aside=${html`<${HeldChip} held=${held} words="halted" />`}><${Tape} store=${trades} held=${held} /><//>
      <${Panel} title="Depth" className="area-depth" aside=${html`<${HeldChip} held=${held} />`}><${Depth} view=${book.view.value} symbol=${symbol} held=${held} /><//>
      <${Panel} title="Feed health" className="area-health"><${Health} view=${book.view.value} symbol=${symbol} held=${held} /><//>
    </div>
    <${Panel} title="Messages" flush><${Raw} store=${raw} symbol=${symbol} /><//>
    <p class="credits muted">Candles are drawn with Lightweight Charts™ by TradingView: <a href="/settings/about">licences and notices</a>.</p>`;
}

export function Market() {
  const { part } = route.value;
  const pairs = instruments.pairs.value;
  const symbol = symbolOf(part, pairs);
  useEffect(() => {
    if (!part && symbol) navigate({ screen: 'market', part: symbolPart(symbol), query: route.peek().query }, { replace: true });
  }, [part, symbol]);
  if (!stream.value || pairs.size === 0) return html`<div class="title"><h1>Market</h1></div><section class="panel"><${State} icon="wait" title="Waiting for the list of symbols">It comes with the first connection to the public WebSocket.<//></section>`;
  if (!symbol) {
    return html`<div class="title"><h1>Market</h1></div><section class="panel"><${State} icon="search" title=${`This gateway has no symbol ${part}`}
      action=${html`<button type="button" class="btn main" onClick=${() => { overlay.value = 'symbol'; }}>Choose a symbol</button>`}>It may be written differently, or be on another gateway.<//></section>`;
  }
  return html`<${Screen} key=${symbol} symbol=${symbol} />`;
}
