// What the screens show of the market: small stores fed by the stream, each publishing an unchanging picture at most ten
// times a second (data/beat.js).
import { signal } from '@preact/signals';
import { beat } from './beat.js';
import { Book } from './book.js';

const TRADES_KEPT = 500;
const RAW_KEPT = 300;
export const DEPTHS = { 20: { levels: 20, depth: 25 }, 50: { levels: 50, depth: 100 }, full: { levels: 1000, depth: 1000 } };

// The built-in choices: an address that says nothing else means these.
export const DEFAULT_DEPTH = '20';
export const DEFAULT_INTERVAL = 1;
// Engine events in one frame, on average; undefined before the first.
export const folding = (health) => (health?.frames ? health.folded / health.frames : undefined);

// Pairs and assets by name, from channel `instrument`.
export class Instruments {
  constructor() {
    this.pairs = signal(new Map());
  }

  take({ data }) {
    const next = new Map(this.pairs.peek());
    for (const pair of data.pairs ?? []) next.set(pair.symbol, { ...next.get(pair.symbol), ...pair });
    this.pairs.value = next;
  }
}

// The latest ticker of each symbol anybody looks at.
export class Tickers {
  constructor() {
    this.all = new Map();
    this.shown = new Map(); // symbol -> live | frozen | withdrawn, as far as it was said since it is followed
    this.view = signal(new Map());
    this.touch = beat(() => { this.view.value = new Map(this.all); }, 200);
  }

  take({ data: [ticker] }) {
    this.put(ticker);
  }

  put(ticker) {
    this.all.set(ticker.symbol, { ...ticker, at: Date.now(), book: this.shown.get(ticker.symbol) });
    this.touch();
  }

  joined({ symbol }) {
    this.shown.delete(symbol);
  }

  notice({ book }, { symbol }) {
    this.shown.set(symbol, book);
    if (this.all.has(symbol)) this.put(this.all.get(symbol));
  }
}

export class BookStore {
  constructor(stream, symbol, size) {
    const { levels, depth } = DEPTHS[size];
    Object.assign(this, { stream, symbol, levels, depth });
    this.book = new Book(depth);
    this.view = signal(null);
    this.refusal = signal(null);
    this.joins = signal(0); // how often the gateway took the subscription
    this.told = signal(null); // {book: live | frozen | withdrawn, mode, since, audit}, as far as it said so since
    this.health = { folded: 0, frames: 0, lagMs: undefined, seq: undefined, epoch: undefined };
    this.touch = beat(() => this.publish());
    this.sub = stream.subscribe('book', symbol, { depth, interval_ms: 100 }, this);
  }

  publish() {
    this.view.value = { ...this.book.view(this.levels), seq: this.health.seq, epoch: this.stream.epoch, health: { ...this.health } };
  }

  take({ type, data: [data], gw }) {
    this.book.apply(type, data);
    this.stream.counts.checksums++;
    if (this.book.checksum() !== data.checksum) {
      this.stream.counts.badChecksums++;
      throw new Error(`checksum is ${this.book.checksum()}, the gateway says ${data.checksum}`);
    }
    if (gw?.d !== undefined && this.book.checksum(this.depth) !== gw.d) {
      this.stream.counts.badChecksums++;
      throw new Error('checksum over the whole depth differs');
    }
    const h = this.health;
    h.frames++;
    h.folded += gw?.n ?? 1;
    h.seq = gw?.s;
    h.at = Date.now();
    h.engineAt = Date.parse(data.timestamp);
    this.touch();
  }

  reset() {
    this.book.clear();
  }

  // What was decided while we did not listen is not told later.
  joined() {
    this.told.value = null;
    this.joins.value++;
  }

  notice({ book, mode, since }, sub, gw) {
    // what was withdrawn is not shown again before it is live
    const shown = book === 'frozen' && this.told.peek()?.book === 'withdrawn' ? 'withdrawn' : book;
    this.told.value = { book: shown, mode, since, audit: gw?.audit };
  }

  // What REST says of the book when one begins to listen; a notice knows better.
  asked(book) {
    this.told.value ??= { book };
  }

  refused(error) {
    this.refusal.value = error;
  }

  close() {
    this.touch.stop();
    this.stream.drop(this.sub);
  }
}

export class TradeStore {
  constructor(stream, symbol) {
    this.stream = stream;
    this.trades = []; // newest first
    this.view = signal(null);
    this.touch = beat(() => { this.view.value = this.trades.slice(0, TRADES_KEPT); });
    this.sub = stream.subscribe('trade', symbol, {}, this);
  }

  take({ type, data }) {
    const fresh = [...data].reverse();
    const newest = this.trades[0]?.trade_id ?? -1;
    this.trades = type === 'snapshot' ? fresh : [...fresh.filter((t) => t.trade_id > newest), ...this.trades].slice(0, TRADES_KEPT);
    this.touch();
  }

  reset() {
    this.touch();
  }

  close() {
    this.touch.stop();
    this.stream.drop(this.sub);
  }
}

// Candles by their beginning; HISTORY is fetched by REST, the rest comes live.
export class CandleStore {
  constructor(stream, symbol, interval) {
    Object.assign(this, { stream, symbol, interval });
    this.byTime = new Map();
    this.view = signal(null);
    this.touch = beat(() => {
      this.view.value = [...this.byTime.values()].sort((a, b) => a.time - b.time);
    }, 250);
    this.sub = stream.subscribe('ohlc', symbol, { interval, interval_ms: 250 }, this);
  }

  put(begin, candle) {
    const time = Date.parse(begin) / 1000;
    this.byTime.set(time, { time, ...candle });
  }

  take({ data }) {
    for (const c of data) this.put(c.interval_begin, { open: c.open, high: c.high, low: c.low, close: c.close, volume: c.volume, trades: c.trades });
    this.touch();
  }

  // What REST had, unless the stream knows better.
  addHistory(candles) {
    for (const c of candles) {
      const time = Date.parse(c.begin) / 1000;
      if (!this.byTime.has(time)) this.byTime.set(time, { time, open: c.open, high: c.high, low: c.low, close: c.close, volume: c.volume, trades: c.trades });
    }
    this.touch();
  }

  close() {
    this.touch.stop();
    this.stream.drop(this.sub);
  }
}

// Frames as they came, of one symbol or all, the newest first.
export class RawStore {
  constructor(stream) {
    this.stream = stream;
    this.rows = [];
    this.view = signal([]);
    this.count = 0;
    this.touch = beat(() => { this.view.value = this.rows.slice(); }, 250);
    this.listen = (raw, frame) => {
      this.rows.unshift({ n: ++this.count, at: Date.now(), what: frame.channel ?? frame.method ?? '?', type: frame.type ?? (frame.success === false ? 'error' : 'reply'), bytes: raw.length, raw });
      if (this.rows.length > RAW_KEPT) this.rows.length = RAW_KEPT;
      this.touch();
    };
    stream.rawListeners.add(this.listen);
  }

  close() {
    this.touch.stop();
    this.stream.rawListeners.delete(this.listen);
  }
}
