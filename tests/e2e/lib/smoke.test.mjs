// One short walk through the whole stack by hand-written feed entries; also the run under ThreadSanitizer.
import assert from 'node:assert/strict';
import { envTest, until } from './gateway.mjs';
import { ClientBook } from './book.mjs';

const symbols = [{ symbol: 'BTC/USD', price_decimals: 1, qty_decimals: 8 }];
const bids = Array.from({ length: 12 }, (_, i) => [(49999.5 - i).toFixed(1), '1.5']);
const asks = Array.from({ length: 12 }, (_, i) => [(50000.5 + i).toFixed(1), '0.25']);

envTest('feed entry -> book, trade, REST, metrics; restart on the same ports', async (env) => {
    const gw = await env.startGateway({ symbols });
    const feed = env.handFeed('BTC/USD');
    const book = new ClientBook({ depth: 10 });

    await feed.snapshot(bids, asks);
    await gw.waitReady();
    const ws = await env.connect();
    ws.onEach(({ json }) => json.channel === 'book' && book.applyChecked(json));
    const [ack] = await ws.subscribe({ channel: 'book', symbol: ['BTC/USD'], depth: 10 });
    assert.equal(ack.result.symbol, 'BTC/USD');
    await ws.subscribe({ channel: 'trade', symbol: ['BTC/USD'] });
    await ws.waitFor((m) => m.channel === 'book' && m.type === 'snapshot');

    await feed.delta([['49999.5', '0'], ['49999.0', '2']], [['50000.0', '3']]);
    await ws.waitFor((m) => m.channel === 'book' && m.type === 'update');
    assert.deepEqual(book.bids[0], { price: '49999.0', qty: '2.00000000' });
    assert.deepEqual(book.asks[0], { price: '50000.0', qty: '3.00000000' });
    await feed.trade({ price: '50000.0', qty: '0.5', side: 'buy' });
    const trade = await ws.waitFor((m) => m.channel === 'trade');
    assert.equal(trade.json.data[0].qty, '0.50000000');

    const depth = await gw.httpsGet('/0/public/Depth?pair=BTC/USD&count=1');
    assert.deepEqual(depth.json().error, []);
    assert.equal(await gw.metric('md_trades_total', 'BTC/USD'), 1);

    assert.deepEqual(await gw.stop(), { code: 0, signal: null });
    assert.ok((await ws.waitClose()).code > 0);
    await gw.start();
    await gw.waitReady();
    const again = await env.connect();
    await again.subscribe({ channel: 'book', symbol: ['BTC/USD'], depth: 10 });
    const snapshot = await again.waitFor((m) => m.channel === 'book' && m.type === 'snapshot');
    book.applyChecked(snapshot.json);
    assert.deepEqual(book.bids[0], { price: '49999.0', qty: '2.00000000' });
    await until(async () => await gw.metric('md_trades_total', 'BTC/USD') === 1, 5000, 'the trade after a restart');
});
