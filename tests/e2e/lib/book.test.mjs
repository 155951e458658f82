// The test clients themselves: a wrong yardstick would bless a wrong gateway.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ClientBook, checksum, checksumDigits, crc32 } from './book.mjs';
import { parseLiteral } from './ws.mjs';
import { parseMetrics } from './gateway.mjs';

const level = (price, qty) => ({ price, qty });
const frame = (type, bids, asks) => ({ type, data: [{ symbol: 'X/Y', bids, asks }] });

test('checksum: the vectors of the protocol', () => {
    assert.equal(crc32('123456789'), 0xcbf43926);
    assert.equal(checksumDigits('0.00000304'), '304');
    assert.equal(checksum(
        [level('49999.5', '0.20000000'), level('49999.0', '1.20000000')],
        [level('50000.0', '0.10000000'), level('50000.5', '1.10000000')],
    ), 2682060724);
    assert.equal(checksum(
        [level('0.05000', '0.00000304'), level('0.04995', '12.00000000')],
        [level('0.05005', '0.00000500')],
    ), 1624016424);
    assert.equal(checksum([], []), 0);
});

test('parseLiteral keeps decimals as text and leaves the rest alone', () => {
    const text = '{"channel":"book","data":[{"bids":[{"price":49999.50,"qty":0.10000000}],"checksum":12,'
        + '"symbol":"a\\"price\\":1.0"}],"gw":{"s":7,"p":null}}';
    assert.deepEqual(parseLiteral(text), {
        channel: 'book',
        data: [{ bids: [{ price: '49999.50', qty: '0.10000000' }], checksum: 12, symbol: 'a"price":1.0' }],
        gw: { s: 7, p: null },
    });
});

for (const truncate of ['message', 'level']) {
    test(`book: snapshot, change, insert, delete, truncation per ${truncate}`, () => {
        const book = new ClientBook({ depth: 2, truncate });
        book.apply(frame('snapshot', [level('9.0', '1.0'), level('8.0', '1.0')], [level('10.0', '1.0')]));
        book.apply(frame('update', [level('9.0', '2.0'), level('8.5', '3.0')], [level('10.0', '0.0'), level('10.5', '4.0')]));
        assert.deepEqual(book.bids, [level('9.0', '2.0'), level('8.5', '3.0')]);
        assert.deepEqual(book.asks, [level('10.5', '4.0')]);
        assert.equal(book.crossed(), false);
        assert.throws(() => book.apply(frame('update', [level('8.0', '0.0')], [])), /does not hold: 8\.0/);
    });
}

test('book: refuses an update before the snapshot, sees a crossed book and a wrong checksum', () => {
    const book = new ClientBook();
    assert.throws(() => book.apply(frame('update', [], [])), /before the snapshot/);
    book.apply(frame('snapshot', [level('10.0', '1')], [level('9.0', '1')]));
    assert.equal(book.crossed(), true);
    const wrong = frame('snapshot', [level('8.0', '1')], [level('9.0', '1')]);
    wrong.data[0].checksum = 1;
    assert.throws(() => book.applyChecked(wrong), /checksum 1 on the wire/);
});

test('parseMetrics', () => {
    const metrics = parseMetrics('# HELP a b\na 1\nb{symbol="BTC/USD",x="y z"} 2.5\n\nbroken\n');
    assert.deepEqual([...metrics], [['a', 1], ['b{symbol="BTC/USD",x="y z"}', 2.5]]);
});
