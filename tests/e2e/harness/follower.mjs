// A client that keeps its place: what it holds of books and trades, and the request that takes it up again elsewhere.
// It checks all it reads: continuity of gw.p, checksums, digests, trade ids.
import assert from 'node:assert/strict';
import { Book, crc32 } from './book.mjs';
import { Client } from './ws.mjs';

const digits = (text) => text.replace('.', '').replace(/^0+/, '');

export class Follower {
  constructor(symbol, { depth = 25, interval_ms = 50, on_lag, trades = true } = {}) {
    Object.assign(this, { symbol, depth, interval_ms, on_lag, wantsTrades: trades });
    this.trades = [];
    this.frames = new Map(); // gw.s of the book -> text
    this.outcomes = [];
    this.told = [];
    this.snapshots = 0;
    this.merged = 0;
  }

  get gw() {
    return { interval_ms: this.interval_ms, ...(this.on_lag ? { on_lag: this.on_lag } : {}) };
  }

  resume(map) {
    return { ...this.gw, resume: { session: this.session, e: this.epoch, ...map } };
  }

  // Opens a connection to STAGE and goes on from where the last one ended.
  async connect(stage) {
    const { symbol, depth } = this;
    this.client = await Client.connect(stage);
    this.client.onMessage = (m) => this.take(m);
    const book = await this.client.subscribe({ channel: 'book', symbol: [symbol], depth,
      gw: this.s === undefined ? this.gw : this.resume({ s: { [symbol]: this.s } }) });
    assert.ok(book.success, book.error);
    const acks = [book];
    if (this.wantsTrades) {
      acks.push(await this.client.subscribe({ channel: 'trade', symbol: [symbol],
        gw: this.lastTrade === undefined ? this.gw : this.resume({ trade_id: { [symbol]: this.lastTrade } }) }));
    }
    this.session = book.result.gw.session;
    this.acks = acks;
    return acks;
  }

  // The acks come before the data; what they say must be known then.
  onAck(m) {
    const { channel, gw } = m.result;
    if (gw.e) this.epoch = gw.e;
    if (gw.resumed === undefined) return;
    this.outcomes.push({ channel, resumed: gw.resumed, why: gw.why, frames: gw.frames, last_close: gw.last_close });
    if (channel === 'trade' && !gw.resumed) {
      this.told.push(this.lastTrade);
      this.lastTrade = undefined;
      this.tradeSeq = undefined;
    }
  }

  take(m) {
    if (m.method === 'subscribe' && m.success) this.onAck(m);
    if (m.channel === 'book') this.takeBook(m);
    if (m.channel === 'trade') this.takeTrades(m);
    if (m.channel === 'gateway') (this.notices ??= []).push(m.data[0]);
  }

  takeBook(m) {
    if (m.type === 'snapshot') {
      this.book = new Book(this.depth, 'level');
      this.snapshots++;
      this.epoch = m.gw.e;
    } else {
      assert.equal(m.gw.p, this.s, `gw.p of ${m.raw.slice(0, 200)}`);
      this.frames.set(m.gw.s, m.raw);
    }
    this.book.apply(m);
    assert.equal(this.book.checksum(), m.data[0].checksum, 'checksum');
    if (m.gw.d !== undefined) assert.equal(this.digest(), m.gw.d, 'digest over the whole depth');
    if (m.gw.d !== undefined) this.digests = (this.digests ?? 0) + 1;
    this.s = m.gw.s;
  }

  digest() {
    const text = ['asks', 'bids'].map((side) => this.book.sides[side].map(({ price, qty }) => digits(price) + digits(qty)).join('')).join('');
    return crc32(text);
  }

  takeTrades(m) {
    if (this.tradeSeq !== undefined && m.type === 'update') assert.equal(m.gw.p, this.tradeSeq, `gw.p of ${m.raw.slice(-80)}`);
    this.tradeSeq = m.gw.s;
    for (const trade of m.data) {
      if (this.lastTrade !== undefined) assert.equal(trade.trade_id, this.lastTrade + 1, 'trade_id');
      this.lastTrade = trade.trade_id;
      this.trades.push(trade.trade_id);
    }
  }

  // Gone without a word.
  drop() {
    this.client.onMessage = undefined;
    this.client.close();
  }
}
