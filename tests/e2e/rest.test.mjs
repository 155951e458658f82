// The public REST and the operators' endpoints over real TLS: shapes, refusals, paging, readiness. The letters of each
// answer are in tests/unit/publish/test_query.c; here is what only the whole gateway shows.
import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32 } from './harness/book.mjs';
import { entries } from './harness/feed.mjs';
import { onStage, until } from './harness/gateway.mjs';

const tape = ['--data', 'synthetic', '--symbols', '4', '--rate', '300', '--seed', '21'];

// A market that has come to rest, so that two answers can be compared.
const withMarket = (body) => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway();
  const { entries: count } = await stage.fed(...tape, '--duration', '30', '--speed', 'max', '--time', 'now');
  await stage.applied(count);
  stage.rest = (path) => stage.json(stage.publicUrl + path);
  await body(stage);
});

const seqOf = async (stage, symbol) => (await stage.metrics()).get(`md_seq{symbol="${symbol}"}`);
const tradesOf = (stage, symbol) => entries(stage, symbol).filter((e) => e.type === 'trade').flatMap((e) => e.trades);

async function result(stage, path) {
  const { error, result: r } = await stage.rest(path);
  assert.deepEqual(error, [], path);
  return r;
}

// Kraken-shaped refusals are HTTP 200: its clients read the `error` array.
async function refusedByKraken(stage, path, error) {
  const { status, body } = await stage.get(stage.publicUrl + path);
  assert.equal(status, 200, path);
  assert.deepEqual(JSON.parse(body), { error: [error] }, path);
}

async function refused(stage, path, status, what) {
  const answer = await stage.get(stage.publicUrl + path);
  assert.equal(answer.status, status, path);
  assert.equal(answer.headers['content-type'], 'application/problem+json', path);
  assert.match(JSON.parse(answer.body).detail, what, path);
}

test('Kraken: every path, every spelling of a pair, keys as asked', () => withMarket(async (stage) => {
  const { unixtime } = await result(stage, '/0/public/Time');
  assert.ok(Math.abs(unixtime - Date.now() / 1000) < 5);
  assert.equal((await result(stage, '/0/public/SystemStatus')).status, 'online');
  const assets = await result(stage, '/0/public/Assets');
  assert.equal(assets.BTC.status, 'enabled');
  assert.deepEqual(Object.keys(await result(stage, '/0/public/Assets?asset=USD,BTC')).sort(), ['BTC', 'USD']);
  const pairs = await result(stage, '/0/public/AssetPairs');
  assert.equal(Object.keys(pairs).length, 4);
  assert.equal(pairs.BTCUSD.wsname, 'BTC/USD');
  for (const path of ['AssetPairs', 'Ticker', 'Depth', 'OHLC', 'Trades']) {
    for (const name of ['BTC/USD', 'BTCUSD', 'BTC-USD']) {
      const r = await result(stage, `/0/public/${path}?pair=${encodeURIComponent(name)}`);
      assert.ok(r[name], `${path} ${name}: ${Object.keys(r)}`);
    }
  }
  for (const path of ['AssetPairs', 'Ticker']) {
    assert.deepEqual(Object.keys(await result(stage, `/0/public/${path}?pair=ETHUSD,BTC/USD`)), ['ETHUSD', 'BTC/USD']);
  }
}));

test('Kraken: refusals are told in its own words', () => withMarket(async (stage) => {
  await refusedByKraken(stage, '/0/public/Ticker?pair=NOPE', 'EQuery:Unknown asset pair');
  await refusedByKraken(stage, '/0/public/Ticker?pair=BTCUSD,NOPE', 'EQuery:Unknown asset pair');
  await refusedByKraken(stage, '/0/public/Assets?asset=BTC,NOPE', 'EQuery:Unknown asset');
  await refusedByKraken(stage, '/0/public/Depth', 'EGeneral:Invalid arguments:pair');
  await refusedByKraken(stage, '/0/public/Depth?pair=BTCUSD&count=0', 'EGeneral:Invalid arguments:count');
  await refusedByKraken(stage, '/0/public/Depth?pair=BTCUSD&count=501', 'EGeneral:Invalid arguments:count');
  await refusedByKraken(stage, '/0/public/Depth?pair=BTCUSD&count=1e2', 'EGeneral:Invalid arguments:count');
  await refusedByKraken(stage, '/0/public/OHLC?pair=BTCUSD&interval=2', 'EGeneral:Invalid arguments:interval');
  await refusedByKraken(stage, '/0/public/Trades?pair=BTCUSD&since=-1', 'EGeneral:Invalid arguments:since');
  for (const path of ['Depth', 'OHLC', 'Trades']) {
    await refusedByKraken(stage, `/0/public/${path}?pair=BTCUSD,ETHUSD`, 'EGeneral:Invalid arguments:pair');
  }
  assert.equal((await stage.get(`${stage.publicUrl}/0/public/Time`, { method: 'POST' })).status, 405);
}));

test('Kraken: Depth, Ticker, OHLC and /v1/md agree with each other and with the feed', () => withMarket(async (stage) => {
  const book = await stage.rest('/v1/md/BTC-USD/book?depth=full');
  assert.equal(book.state, 'live');
  assert.equal(book.seq, await seqOf(stage, 'BTC/USD'));
  const digits = (text) => text.replace('.', '').replace(/^0+/, '');
  const top = ['asks', 'bids'].flatMap((side) => book[side].slice(0, 10)).map(([p, q]) => digits(p) + digits(q)).join('');
  assert.equal(book.checksum, crc32(top), 'checksum of the ten best levels');
  assert.ok(Number(book.bids[0][0]) < Number(book.asks[0][0]));
  const depth = (await result(stage, '/0/public/Depth?pair=BTCUSD&count=5')).BTCUSD;
  for (const side of ['bids', 'asks']) {
    assert.deepEqual(depth[side].map(([p, q]) => [p, q]), book[side].slice(0, 5), side);
    assert.deepEqual((await stage.rest('/v1/md/BTCUSD/book?depth=3'))[side], book[side].slice(0, 3), side);
  }
  const all = tradesOf(stage, 'BTC/USD');
  const ticker = (await result(stage, '/0/public/Ticker?pair=BTCUSD')).BTCUSD;
  assert.deepEqual([ticker.a[0], ticker.a[2]], book.asks[0]);
  assert.deepEqual([ticker.b[0], ticker.b[2]], book.bids[0]);
  assert.equal(Number(ticker.c[0]), Number(all.at(-1).price));
  assert.equal(ticker.t[1], all.length, 'trades of the last day');
  assert.equal(Number(ticker.h[1]), Math.max(...all.map((t) => Number(t.price))));
  assert.equal(Number(ticker.l[1]), Math.min(...all.map((t) => Number(t.price))));
  const { BTCUSD: rows, last } = await result(stage, '/0/public/OHLC?pair=BTCUSD&interval=1');
  const { candles } = await stage.rest('/v1/md/BTC%2FUSD/candles?interval=1');
  assert.deepEqual(rows.map(([t, o, h, l, c, vwap, volume, n]) => [t, o, h, l, c, vwap, volume, n]),
    candles.map((k) => [Date.parse(k.begin) / 1000, k.open, k.high, k.low, k.close, k.vwap, k.volume, k.trades]));
  assert.equal(rows.reduce((sum, row) => sum + row[7], 0), all.length, 'each trade is in one candle');
  const closed = candles.filter((k) => k.closed);
  assert.equal(candles.at(-1).closed, false, 'the running candle is the last');
  assert.equal(last, closed.length ? Date.parse(closed.at(-1).begin) / 1000 : 0);
}));

test('paging through all trades, in either shape, gives each once and in order', () => withMarket(async (stage) => {
  const ids = tradesOf(stage, 'BTC/USD').map((t) => Number(t.id));
  assert.ok(ids.length > 100, `${ids.length} trades`);
  const kraken = [];
  for (let since = '0'; ;) {
    const { BTCUSD: rows, last } = await result(stage, `/0/public/Trades?pair=BTCUSD&count=37&since=${since}`);
    kraken.push(...rows.map((row) => row[6]));
    if (rows.length === 0) break;
    since = last;
  }
  assert.deepEqual(kraken, ids);
  const ours = [];
  for (let next = 0, more = true; more;) {
    const page = await stage.rest(`/v1/md/BTC-USD/trades?limit=41&after_id=${next}`);
    ours.push(...page.trades.map((t) => t.trade_id));
    assert.equal(page.next, ours.at(-1));
    ({ next, more } = page);
  }
  assert.deepEqual(ours, ids);
}));

test('/v1: problems name the field and what is accepted', () => withMarket(async (stage) => {
  await refused(stage, '/v1/md/NOPE/book', 404, /symbol: .*BTC-USD/);
  await refused(stage, '/v1/md/BTC-USD/book?depth=0', 400, /depth: 1 to/);
  await refused(stage, '/v1/md/BTC-USD/book?depth=all', 400, /depth: .*full/);
  await refused(stage, '/v1/md/BTC-USD/trades?limit=10001', 400, /limit: 1 to 10000/);
  await refused(stage, '/v1/md/BTC-USD/trades?after_id=x', 400, /after_id/);
  await refused(stage, '/v1/md/BTC-USD/candles?interval=2', 400, /interval: 1, 5, 15/);
  await refused(stage, '/v1/md/BTC-USD/candles?since=now', 400, /since: unix seconds/);
  await refused(stage, '/v1/md/BTC-USD/candles?interval=1&interval=5', 400, /repeated parameter/);
  await refused(stage, '/v1/md/BTC-USD', 404, /GET \//);
  await refused(stage, '/livez', 404, /GET \//);
}));

test('status, limits, the front page and what browsers need', () => withMarket(async (stage) => {
  const status = await stage.rest('/v1/status');
  assert.equal(status.name, 'portcullis');
  assert.equal(status.feed.connected, true);
  assert.deepEqual(status.symbols, { total: 4, live: 4, degraded: 0, empty: 0 });
  const limits = await stage.rest('/v1/limits');
  assert.deepEqual(status.limits, limits);
  for (const key of ['control_messages_per_s', 'symbols_per_channel', 'message_bytes', 'depths', 'intervals_ms']) assert.ok(limits[key], key);
  const front = await stage.get(`${stage.publicUrl}/`);
  assert.match(front.headers['content-type'], /^text\/plain/);
  assert.match(front.body, /\/v1\/status/);
  const head = await stage.get(`${stage.publicUrl}/v1/status`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.body], [200, '']);
  assert.equal(head.headers['access-control-allow-origin'], '*');
}));

test('readiness: before the feed has spoken, with it, and without Redis; liveness all along', () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway({ feed: { maintenance_after: '2s' } });
  const ready = async () => {
    const { status, body } = await stage.get(`${stage.adminUrl}/readyz?verbose`);
    return { code: status, ...JSON.parse(body) };
  };
  const before = await until('the verdict before any entry', 5000, async () => {
    const r = await ready();
    return r.causes.every((c) => c.code === 'NO_LIVE_SYMBOL') && r;
  });
  assert.deepEqual([before.code, before.status], [503, 'not ready']);
  await refused(stage, '/v1/md/BTC-USD/book', 503, /no snapshot/);
  assert.equal((await stage.get(`${stage.publicUrl}/v1/md/BTC-USD/book`)).headers['retry-after'], '1');
  const quiet = await stage.metrics();
  assert.ok(![...quiet.keys()].some((name) => name.startsWith('md_seq{')), 'no metrics of symbols without an entry');

  const { entries: count } = await stage.fed(...tape, '--duration', '5', '--speed', 'max', '--time', 'now');
  await stage.applied(count);
  const { code, status, causes, symbols, degraded } = await ready();
  assert.deepEqual({ code, status, causes, degraded }, { code: 200, status: 'ready', causes: [], degraded: [] });
  assert.equal(symbols.live, 4);
  const metrics = await stage.metrics();
  const book = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=full`);
  assert.equal(metrics.get('md_book_levels{symbol="BTC/USD",side="bid"}'), book.bids.length);
  assert.equal(metrics.get('md_book_levels{symbol="BTC/USD",side="ask"}'), book.asks.length);
  assert.equal(metrics.get('md_trades_total{symbol="BTC/USD"}'), tradesOf(stage, 'BTC/USD').length);

  stage.redis.kill('SIGSTOP');
  const lost = await until('the feed is missed', 10000, async () => {
    const r = await ready();
    return r.code === 503 && r;
  });
  assert.ok(lost.causes.some((c) => c.code === 'FEED_LOST'), JSON.stringify(lost));
  assert.equal((await stage.get(`${stage.adminUrl}/livez`)).status, 200);
  assert.equal((await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=1`)).state, 'degraded');
  stage.redis.kill('SIGCONT');
  await until('ready again', 10000, async () => (await ready()).code === 200);
}));

// Half of the clients leave without waiting: answers to them go nowhere, the others get theirs.
test('clients that leave in mid-question harm nobody', () => withMarket(async (stage) => {
  const calls = Array.from({ length: 120 }, (_, i) => {
    const controller = new AbortController();
    const call = stage.get(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=full`, { signal: controller.signal });
    if (i % 2 === 1) setTimeout(() => controller.abort(), i / 4);
    return call.then((answer) => answer.status, () => 'left');
  });
  const statuses = await Promise.all(calls);
  for (let i = 0; i < statuses.length; i += 2) assert.equal(statuses[i], 200, `call ${i}`);
  assert.ok(statuses.every((s) => s === 200 || s === 'left'));
  assert.equal((await stage.rest('/v1/status')).feed.connected, true);
  assert.equal(await stage.stopGateway('SIGTERM'), 0, 'an orderly end');
}));
