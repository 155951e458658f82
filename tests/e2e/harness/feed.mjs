// The feed as Redis holds it, and a reference book made from it: what a client should hold after entry `seq`.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { recordings } from './gateway.mjs';

// All entries of a symbol, in order.
export function entries(stage, symbol) {
  const text = stage.redisCommand('--json', 'XRANGE', `md:{${symbol}}`, '-', '+');
  return JSON.parse(text).map(([, fields]) => JSON.parse(fields[1])).map((e) => ({ ...e, seq: Number(e.seq) }));
}

export function recordingLines(file) {
  return zlib.gunzipSync(readFileSync(path.join(recordings(), file))).toString().split('\n').filter(Boolean);
}

// Full book as sorted arrays of [integer price, "price qty"]; moved forward entry by entry.
export class Reference {
  constructor(list, { price_decimals, qty_decimals }) {
    this.list = list.filter((e) => e.type !== 'trade');
    this.at = 0;
    this.decimals = [price_decimals, qty_decimals];
    this.sides = { bids: [], asks: [] };
  }

  fixed(text, decimals) {
    const [whole, frac = ''] = text.split('.');
    return decimals === 0 ? whole : `${whole}.${frac.padEnd(decimals, '0').slice(0, decimals)}`;
  }

  set(side, [price, qty]) {
    const p = this.fixed(price, this.decimals[0]);
    const k = Number(p.replace('.', ''));
    const levels = this.sides[side];
    let low = 0;
    let high = levels.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (side === 'bids' ? levels[mid][0] > k : levels[mid][0] < k) low = mid + 1;
      else high = mid;
    }
    const held = levels[low]?.[0] === k;
    if (Number(qty) === 0) {
      if (held) levels.splice(low, 1);
    } else if (held) {
      levels[low][1] = `${p} ${this.fixed(qty, this.decimals[1])}`;
    } else {
      levels.splice(low, 0, [k, `${p} ${this.fixed(qty, this.decimals[1])}`]);
    }
  }

  advance(seq) {
    while (this.at < this.list.length && this.list[this.at].seq <= seq) {
      const e = this.list[this.at++];
      if (e.type === 'book_snapshot') this.sides = { bids: [], asks: [] };
      for (const side of ['bids', 'asks']) for (const level of e[side]) this.set(side, level);
    }
  }

  lines(side, depth) {
    return this.sides[side].slice(0, depth).map((level) => level[1]);
  }
}

// Decimals of a symbol as AssetPairs tells them.
export async function decimals(stage, symbol) {
  const { result } = await stage.json(`${stage.publicUrl}/0/public/AssetPairs?pair=${encodeURIComponent(symbol)}`);
  return { price_decimals: result[symbol].pair_decimals, qty_decimals: result[symbol].lot_decimals };
}
