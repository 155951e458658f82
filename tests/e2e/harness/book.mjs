// A plain client's book: applies snapshots and updates, truncates to its depth after each level or after each
// message, refuses deletions of levels it does not hold, computes Kraken's checksum.
import zlib from 'node:zlib';

const crcTable = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c;
});
export function crc32(text) {
  if (zlib.crc32) return zlib.crc32(text);
  let c = -1;
  for (let i = 0; i < text.length; i++) c = crcTable[(c ^ text.charCodeAt(i)) & 255] ^ (c >>> 8);
  return (c ^ -1) >>> 0;
}

const digits = (text) => text.replace('.', '').replace(/^0+/, '');
// Prices of one symbol have the same number of decimals: without the point they compare as integers.
const key = (text) => Number(text.replace('.', ''));

export class Book {
  constructor(depth, mode = 'message') {
    this.depth = depth;
    this.mode = mode;
    this.sides = { bids: [], asks: [] }; // best first, {k, price, qty}
  }

  set(side, { price, qty }) {
    const levels = this.sides[side];
    const k = key(price);
    const better = side === 'bids' ? (a) => a > k : (a) => a < k;
    let low = 0;
    let high = levels.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (better(levels[mid].k)) low = mid + 1;
      else high = mid;
    }
    const held = levels[low]?.k === k;
    if (Number(qty) === 0) {
      if (!held) throw new Error(`deletion of ${side} ${price}, which the client does not hold`);
      levels.splice(low, 1);
    } else if (held) {
      levels[low].qty = qty;
    } else {
      levels.splice(low, 0, { k, price, qty });
    }
    if (this.mode === 'level') this.truncate(side);
  }

  truncate(side) {
    if (this.sides[side].length > this.depth) this.sides[side].length = this.depth;
  }

  apply(message) {
    const [data] = message.data;
    if (message.type === 'snapshot') this.sides = { bids: [], asks: [] };
    for (const side of ['bids', 'asks']) {
      for (const level of data[side]) this.set(side, level);
      this.truncate(side);
    }
    const { bids, asks } = this.sides;
    if (bids.length && asks.length && bids[0].k >= asks[0].k) throw new Error('crossed book');
  }

  checksum() {
    const text = ['asks', 'bids'].map((side) => this.sides[side].slice(0, 10)
      .map(({ price, qty }) => digits(price) + digits(qty)).join('')).join('');
    return text === '' ? 0 : crc32(text);
  }

  // "price qty" lines of a side.
  lines(side) {
    return this.sides[side].map(({ price, qty }) => `${price} ${qty}`);
  }
}
