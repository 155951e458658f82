// Writes entries of the feed contract (docs/FEED.md) by hand: the smallest possible exchange core.
export class HandFeed {
    /** redis: a RedisClient. One object a symbol; it counts seq and trade ids. */
    constructor(redis, symbol, { epoch = 'hand1', seq = 1 } = {}) {
        Object.assign(this, { redis, symbol, epoch, seq, tradeId: 1 });
    }

    get key() {
        return `md:{${this.symbol}}`;
    }

    /** Writes exactly this text or object into `e`: for malformed entries. */
    raw(entry) {
        const text = typeof entry === 'string' ? entry : JSON.stringify(entry);
        return this.redis.command('XADD', this.key, '*', 'e', text);
    }

    entry(type, members) {
        const ts_ns = (BigInt(Date.now()) * 1000000n).toString();
        return { type, symbol: this.symbol, seq: String(this.seq++), epoch: this.epoch, ts_ns, ...members };
    }

    /** Levels are [price, qty] pairs of decimal strings. */
    snapshot(bids, asks) {
        return this.raw(this.entry('book_snapshot', { bids, asks }));
    }

    delta(bids, asks) {
        return this.raw(this.entry('book_delta', { bids, asks }));
    }

    /** Trades are {price, qty, side, ord_type?}; the taker's side. */
    trade(...trades) {
        const rows = trades.map((t) => ({ id: String(this.tradeId++), ord_type: 'limit', ...t }));
        return this.raw(this.entry('trade', { trades: rows }));
    }

    status(status) {
        return this.raw(this.entry('status', { status }));
    }

    /** Loses N sequence numbers: what the gateway must see as a gap. */
    skip(n = 1) {
        this.seq += n;
    }
}
