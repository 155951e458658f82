// One side-sorted order book, exactly as the gateway told it: snapshot, updates, truncation to the subscribed depth,
// Kraken's checksum over the best ten. Pure; tests/e2e/web_data.test.mjs holds it against recorded frames.
import { crc32 } from './crc32.js';
import { decimalsOf, fixed, isZero, units } from './decimal.js';

const digits = (text) => text.replace('.', '').replace(/^0+/, '');
const better = { bids: (a, b) => a > b, asks: (a, b) => a < b };

export class Book {
  constructor(depth) {
    this.depth = depth;
    this.clear();
  }

  clear() {
    this.bids = []; // best first: {k, price, qty}
    this.asks = [];
    this.ready = false;
  }

  place(side, k) {
    const levels = this[side];
    const first = better[side];
    let low = 0;
    let high = levels.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (first(levels[mid].k, k)) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  // Throws on a deletion of a level we do not hold: then we have lost our place.
  set(side, { price, qty }) {
    const levels = this[side];
    const k = units(price);
    const at = this.place(side, k);
    const held = levels[at]?.k === k;
    if (isZero(qty)) {
      if (!held) throw new Error(`deletion of ${side} ${price}, which is not held`);
      levels.splice(at, 1);
    } else if (held) {
      levels[at] = { k, price, qty };
    } else {
      levels.splice(at, 0, { k, price, qty });
    }
  }

  apply(type, data) {
    if (type === 'snapshot') this.clear();
    for (const side of ['bids', 'asks']) {
      for (const level of data[side]) this.set(side, level);
      if (this[side].length > this.depth) this[side].length = this.depth;
    }
    this.ready = true;
    this.timestamp = data.timestamp;
    const { bids: [bid], asks: [ask] } = this;
    if (bid && ask && bid.k >= ask.k) throw new Error('crossed book');
  }

  // CHECKSUM over the best LIMIT levels of each side.
  checksum(limit = 10) {
    const text = ['asks', 'bids'].map((side) => this[side].slice(0, limit)
      .map(({ price, qty }) => digits(price) + digits(qty)).join('')).join('');
    return text === '' ? 0 : crc32(text);
  }

  // An unchanging picture of the best COUNT levels: {bids, asks, decimals}, each level with its running total.
  view(count) {
    const side = (levels) => {
      let sum = 0n;
      return levels.slice(0, count).map(({ k, price, qty }) => {
        sum += BigInt(qty.replace('.', ''));
        return { k, price, qty, sum };
      });
    };
    const sample = this.bids[0] ?? this.asks[0];
    return { bids: side(this.bids), asks: side(this.asks), decimals: sample ? decimalsOf(sample.qty) : 0,
      held: [this.bids.length, this.asks.length], timestamp: this.timestamp, ready: this.ready };
  }
}

export const total = (view, level) => fixed(level.sum, view.decimals);
