// What breaks around the gateway: Redis stops, the core skips, repeats and garbles entries, restarts its sequence.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Book } from './harness/book.mjs';
import { entries } from './harness/feed.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 90000 };
const tape = ['--data', 'synthetic', '--symbols', '3', '--rate', '300', '--seed', '11'];

async function follow(stage, symbols, gw = { interval_ms: 50 }) {
  const client = await Client.connect(stage);
  client.books = Object.fromEntries(symbols.map((s) => [s, new Book(25)]));
  client.snapshots = 0;
  client.trades = [];
  client.onMessage = (m) => {
    if (m.channel === 'trade') client.trades.push(...m.data);
    if (m.channel !== 'book') return;
    if (m.type === 'snapshot') client.snapshots++;
    const book = client.books[m.data[0].symbol];
    book.apply(m);
    assert.equal(book.checksum(), m.data[0].checksum, `checksum of ${m.data[0].symbol} at s=${m.gw.s}`);
  };
  await client.subscribe({ channel: 'book', symbol: symbols, depth: 25, gw });
  await client.subscribe({ channel: 'trade', symbol: symbols });
  await until('snapshots', 10000, () => client.snapshots === symbols.length);
  return client;
}

const feedEvents = (client, state) => client.messages.filter((m) => m.channel === 'gateway' && m.data[0].event === 'feed' && m.data[0].state === state);

async function sameAsGateway(stage, client, symbol) {
  await until(`${symbol}: client and gateway agree`, 10000, async () => {
    const book = await stage.json(`${stage.publicUrl}/v1/md/${symbol.replace('/', '-')}/book?depth=25`);
    return ['bids', 'asks'].every((side) => JSON.stringify(book[side].map((l) => l.join(' '))) === JSON.stringify(client.books[symbol].lines(side)));
  });
}

test('Redis stopped for five seconds: clients are told, then healed by a diff; no trade is lost', within, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway({ feed: { maintenance_after: '3s' } });
  const feeder = stage.feed(...tape, '--time', 'now');
  await until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="SOL/USD"}') === 1);
  const client = await follow(stage, ['BTC/USD', 'ETH/USD']);
  stage.redis.kill('SIGSTOP');
  const degraded = await client.next((m) => m.channel === 'gateway' && m.data[0].state === 'degraded', 5000, 'degraded notice');
  assert.equal(degraded.data[0].cause, 'UPSTREAM_LOST');
  await client.next((m) => m.channel === 'status' && m.data[0].system === 'maintenance', 6000, 'maintenance');
  const { status, body } = await stage.get(`${stage.adminUrl}/readyz`);
  assert.equal(status, 503);
  assert.match(body, /FEED_LOST/);
  await client.next((m) => m.channel === 'heartbeat', 3000, 'heartbeat while degraded');
  await sleep(1500);
  stage.redis.kill('SIGCONT');
  await client.next((m) => m.channel === 'gateway' && m.data[0].state === 'ok', 10000, 'ok notice');
  await client.next((m) => m.channel === 'book' && m.type === 'update', 10000, 'updates again');
  await sleep(2000);
  feeder.kill('SIGTERM');
  await new Promise((resolve) => feeder.once('exit', resolve));
  await stage.applied(JSON.parse(feeder.output).entries);
  await sleep(500);
  assert.equal(client.snapshots, 2, 'healed without a snapshot');
  for (const symbol of ['BTC/USD', 'ETH/USD']) {
    await sameAsGateway(stage, client, symbol);
    const all = entries(stage, symbol).filter((e) => e.type === 'trade').flatMap((e) => e.trades.map((t) => Number(t.id)));
    const got = client.trades.filter((t) => t.symbol === symbol).map((t) => t.trade_id);
    assert.ok(got.length > 50);
    assert.deepEqual(got, all.slice(-got.length), `${symbol}: every trade once, in order`);
  }
  const metrics = await stage.metrics();
  assert.equal(metrics.get('md_seq_gap_all_total'), 0);
  assert.equal(metrics.get('upstream_lost_total'), 1);
  assert.equal(metrics.get('upstream_reconnects_total'), 1);
  assert.equal(metrics.get('md_catchup_remaining'), 0);
  client.close();
}));

test('gaps and duplicates of the core: told, counted, healed; books stay right', within, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway();
  const feeder = stage.feed(...tape, '--time', 'now', '--gap-every', '401', '--dup-every', '97');
  await until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="SOL/USD"}') === 1);
  const client = await follow(stage, ['BTC/USD', 'ETH/USD']);
  await until('three gaps healed', 30000, async () => (await stage.metrics()).get('md_healed_total') >= 3);
  assert.ok(feedEvents(client, 'degraded').length >= 1);
  assert.equal(feedEvents(client, 'degraded')[0].data[0].cause, 'SEQUENCE_GAP');
  await until('as many healed', 10000, () => feedEvents(client, 'ok').length >= 1);
  const metrics = await stage.metrics();
  assert.ok(metrics.get('md_seq_gap_all_total') >= 3);
  assert.ok(metrics.get('md_seq_duplicate_all_total') >= 5);
  assert.ok(metrics.get('md_resnapshot_total') >= 3);
  assert.equal(metrics.get('md_trade_duplicate_total'), 0, 'a duplicate entry does not reach the trades');
  assert.equal(client.snapshots, 2, 'healed without a snapshot');
  feeder.kill('SIGTERM');
  client.close();
}));

test('the core restarts with a new epoch; a stale leader is not believed', within, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway();
  await stage.fed(...tape, '--duration', '3', '--epoch', 'one', '--speed', '10');
  const client = await follow(stage, ['BTC/USD']);
  await stage.fed(...tape, '--duration', '3', '--epoch', 'two', '--speed', '10', '--seed', '12');
  await sameAsGateway(stage, client, 'BTC/USD');
  const before = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=full`);
  assert.equal(before.epoch, 'two');
  const { entries: stale } = await stage.fed(...tape, '--duration', '2', '--epoch', 'one', '--speed', '10', '--seed', '13');
  await until('stale entries counted', 10000, async () => (await stage.metrics()).get('md_epoch_stale_total') >= stale);
  const after = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=full`);
  assert.deepEqual(after.bids, before.bids);
  client.close();
}));

test('a thousand malformed entries are counted, logged once per kind, and change nothing', within, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway();
  const { entries: good } = await stage.fed(...tape, '--duration', '2', '--speed', '10');
  await stage.applied(good);
  const list = entries(stage, 'BTC/USD');
  const seq = list.at(-1).seq;
  const before = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=full`);
  const delta = { ...list.findLast((e) => e.type === 'book_delta'), seq: String(seq + 1) };
  const trade = { ...list.findLast((e) => e.type === 'trade'), seq: String(seq + 1) };
  const mutations = [
    () => '', () => '{', () => 'null', () => '[]', () => '"x"', () => JSON.stringify(delta).slice(0, -3),
    () => JSON.stringify(delta).replace('"seq"', '"seq":"1","seq"'), () => `${JSON.stringify(delta)}x`,
    () => JSON.stringify({ ...delta, type: 'book' }), () => JSON.stringify({ ...delta, type: 7 }),
    () => JSON.stringify({ ...delta, symbol: 'ETH/USD' }), () => JSON.stringify({ ...delta, symbol: undefined }),
    () => JSON.stringify({ ...delta, seq: '-1' }), () => JSON.stringify({ ...delta, seq: 1.5 }), () => JSON.stringify({ ...delta, seq: '99999999999999999999' }),
    () => JSON.stringify({ ...delta, epoch: '' }), () => JSON.stringify({ ...delta, epoch: 'a b' }), () => JSON.stringify({ ...delta, epoch: 'x'.repeat(40) }),
    () => JSON.stringify({ ...delta, ts_ns: 'yesterday' }), () => JSON.stringify({ ...delta, ts_ns: '99999999999999999999' }),
    () => JSON.stringify({ ...delta, bids: {} }), () => JSON.stringify({ ...delta, bids: [['1']] }), () => JSON.stringify({ ...delta, bids: [[1, 2]] }),
    () => JSON.stringify({ ...delta, bids: [['-1.00', '1']] }), () => JSON.stringify({ ...delta, bids: [['0', '1']] }), () => JSON.stringify({ ...delta, bids: [['1e3', '1']] }),
    () => JSON.stringify({ ...delta, bids: [['1.001', '1']] }), () => JSON.stringify({ ...delta, asks: [['1.00', '0.000001']] }), () => JSON.stringify({ ...delta, asks: [['1.00', '-1']] }),
    () => JSON.stringify({ ...delta, asks: [['99999999999999999999', '1']] }), () => JSON.stringify({ ...delta, asks: [['1.00', 'NaN']] }),
    () => JSON.stringify({ ...trade, trades: [] }), () => JSON.stringify({ ...trade, trades: [{ ...trade.trades[0], side: 'up' }] }),
    () => JSON.stringify({ ...trade, trades: [{ ...trade.trades[0], qty: '0' }] }), () => JSON.stringify({ ...trade, trades: [{ ...trade.trades[0], id: 'x' }] }),
    () => JSON.stringify({ type: 'status', symbol: 'BTC/USD', seq: String(seq + 1), epoch: delta.epoch, ts_ns: delta.ts_ns, status: 'sleepy' }),
    () => `${'['.repeat(100)}${']'.repeat(100)}`,
  ];
  const batch = [];
  for (let i = 0; i < 1000; i++) batch.push(`XADD md:{BTC/USD} * e ${JSON.stringify(mutations[i % mutations.length]()).replace(/^""$/, '""')}`);
  stage.redisPipe(batch);
  const malformed = async () => [...await stage.metrics()].filter(([k]) => k.startsWith('md_malformed_total')).reduce((n, [, v]) => n + v, 0);
  await until('all counted', 10000, async () => await malformed() === 1000);
  stage.redisPipe(['XADD md:{BTC/USD} * other field', 'XADD md:{BTC/USD} * e x f y']);
  await until('entries without field e', 10000, async () => await malformed() === 1002);
  const after = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=full`);
  assert.deepEqual(after, before, 'nothing has changed');
  const logged = stage.gateway.errors.split('\n').filter((l) => l.includes('"malformed"')).map((l) => JSON.parse(l).kind);
  assert.equal(new Set(logged).size, logged.length, `once per kind: ${logged}`);
  assert.ok(logged.length >= 9, `kinds seen: ${logged}`);
  // The sequence goes on as if nothing had been there.
  stage.redisPipe([`XADD md:{BTC/USD} * e ${JSON.stringify(JSON.stringify(delta))}`]);
  await until('the next good entry', 5000, async () => (await stage.metrics()).get('md_seq{symbol="BTC/USD"}') === seq + 1);
  assert.equal((await stage.metrics()).get('md_seq_gap_all_total'), 0);
}));
