// A plain client's order book, as Kraken's clients keep it, and the checksum of the wire (Kraken v2).
// It takes levels with price and qty as literal text (see ws.mjs) and never forgives: a deletion of a
// level it does not hold throws, since a correct server never sends one.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
});

export function crc32(text) {
    let c = 0xffffffff;
    for (let i = 0; i < text.length; i++) c = CRC_TABLE[(c ^ text.charCodeAt(i)) & 0xff] ^ (c >>> 8);
    return (c ^ 0xffffffff) >>> 0;
}

/** "0.05005" -> "5005": the dot removed, then leading zeros. */
export function checksumDigits(literal) {
    return literal.replace('.', '').replace(/^0+/, '');
}

/** CRC of the best `depth` levels a side, asks first. Levels are {price, qty} literals, best first. */
export function checksum(bids, asks, depth = 10) {
    let text = '';
    for (const side of [asks, bids]) {
        for (const { price, qty } of side.slice(0, depth)) text += checksumDigits(price) + checksumDigits(qty);
    }
    return text === '' ? 0 : crc32(text);
}

// The order of two prices of one symbol: they have the same decimals, so digits compare as integers.
function ticks(literal) {
    const n = Number(literal.replace('.', ''));
    if (!Number.isSafeInteger(n)) throw new Error(`not a price this client can order: ${literal}`);
    return n;
}

const isZero = (literal) => /^0*\.?0*$/.test(literal);

class Side {
    constructor(descending) {
        this.sign = descending ? -1 : 1;
        this.levels = [];
    }

    /** Index of the level with this key, or where it belongs. */
    search(key) {
        let low = 0;
        let high = this.levels.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.levels[middle].key < key) low = middle + 1;
            else high = middle;
        }
        return low;
    }

    set({ price, qty }) {
        const key = this.sign * ticks(price);
        const i = this.search(key);
        const held = this.levels[i]?.key === key;

        if (isZero(qty)) {
            if (!held) throw new Error(`deletion of a level the client does not hold: ${price}`);
            this.levels.splice(i, 1);
        } else if (held) {
            this.levels[i] = { key, price, qty };
        } else {
            this.levels.splice(i, 0, { key, price, qty });
        }
    }
}

export class ClientBook {
    /** truncate: 'message' (Kraken's rule) or 'level' (what two of its SDKs do). */
    constructor({ depth = 10, truncate = 'message' } = {}) {
        if (truncate !== 'message' && truncate !== 'level') throw new Error(`truncate: ${truncate}?`);
        this.depth = depth;
        this.truncate = truncate;
        this.bidSide = null;
        this.askSide = null;
    }

    /** One book frame: {type, data: [{bids, asks}]}. Throws where a strict client would be hurt. */
    apply(frame) {
        const [data] = frame.data;
        if (frame.type === 'snapshot') {
            this.bidSide = new Side(true);
            this.askSide = new Side(false);
        } else if (this.bidSide === null) {
            throw new Error('update before the snapshot');
        }
        for (const [side, levels] of [[this.bidSide, data.bids], [this.askSide, data.asks]]) {
            for (const level of levels) {
                side.set(level);
                if (this.truncate === 'level') this.cut(side);
            }
            this.cut(side);
        }
    }

    cut(side) {
        if (side.levels.length > this.depth) side.levels.length = this.depth;
    }

    get bids() {
        return this.bidSide.levels.map(({ price, qty }) => ({ price, qty }));
    }

    get asks() {
        return this.askSide.levels.map(({ price, qty }) => ({ price, qty }));
    }

    crossed() {
        const [bid] = this.bidSide.levels;
        const [ask] = this.askSide.levels;
        return bid !== undefined && ask !== undefined && -bid.key >= ask.key;
    }

    checksum(depth = 10) {
        return checksum(this.bidSide.levels, this.askSide.levels, depth);
    }

    /** apply() and then everything a client can check: checksum of the frame, not crossed. */
    applyChecked(frame) {
        this.apply(frame);
        const [{ checksum: told, symbol }] = frame.data;
        if (told !== this.checksum()) {
            throw new Error(`${symbol}: checksum ${told} on the wire, ${this.checksum()} in the client's book`);
        }
        if (this.crossed()) throw new Error(`${symbol}: crossed book`);
    }
}
