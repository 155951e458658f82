// Clients that come back, to this or another replica, to a gateway that was restarted: all they missed, or the reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { entries, Reference, decimals } from './harness/feed.mjs';
import { Follower } from './harness/follower.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';
const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '600', '--seed', '11', '--time', 'now', '--snapshot-every', '2'];
const random = (n) => Math.floor(Math.random() * n);

function withMarket(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startGateway(overrides);
    const feeder = stage.feed(...tape);
    await stage.applied(50);
    await body(stage, feeder);
  });
}

// The follower's book is that of the feed after entry `s`.
async function checkBook(stage, follower) {
  const reference = new Reference(entries(stage, SYMBOL), await decimals(stage, SYMBOL));
  reference.advance(follower.s);
  for (const side of ['bids', 'asks']) {
    assert.deepEqual(follower.book.lines(side), reference.lines(side, follower.depth), `${side} at ${follower.s}`);
  }
}

test('cut at random, back on the same replica: every frame and every trade, byte for byte', { timeout: 90000 }, () => withMarket({}, async (stage, feeder) => {
  const [whole, torn] = [new Follower(SYMBOL, { depth: 25 }), new Follower(SYMBOL, { depth: 25 })];
  await whole.connect(stage);
  await torn.connect(stage);
  const first = torn.trades.length;
  for (let i = 0; i < 8; i++) {
    await sleep(200 + random(600));
    torn.drop();
    await sleep(random(700));
    for (const ack of await torn.connect(stage)) {
      assert.equal(ack.result.gw.resumed, true, JSON.stringify(ack));
      assert.equal(ack.result.snapshot, false);
    }
  }
  feeder.kill('SIGTERM');
  await until('both at the end', 10000, () => whole.s === torn.s && whole.lastTrade === torn.lastTrade);
  assert.equal(torn.snapshots, 1);
  assert.ok(torn.trades.length > first + 50, `${torn.trades.length} trades`);
  const from = whole.trades.indexOf(torn.trades[0]);
  assert.deepEqual(torn.trades, whole.trades.slice(from));
  for (const [s, raw] of torn.frames) assert.equal(raw, whole.frames.get(s));
  assert.deepEqual([...torn.frames.keys()], [...whole.frames.keys()].slice(-torn.frames.size));
  assert.ok(whole.digests >= 2, 'a digest a second');
  await checkBook(stage, torn);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('ws_resumes_total{result="HIT"}'), 16);
  assert.equal(metrics.get('ws_resumes_total{result="RING_MISS"}'), 0);
}));

test('between two replicas at random: the same trades, the same book', { timeout: 90000 }, () => withMarket({}, async (stage, feeder) => {
  const other = await stage.replica();
  await until('the other replica', 10000, async () => (await other.metrics()).get('feed_entries_total') > 50);
  const whole = new Follower(SYMBOL, { depth: 100 });
  const torn = [0, 20, 50, 250].map((interval_ms, i) => new Follower(SYMBOL, { depth: [10, 25, 100, 500][i], interval_ms }));
  await whole.connect(stage);
  for (const t of torn) await t.connect(stage);
  for (let i = 0; i < 6; i++) {
    await sleep(200 + random(500));
    for (const t of torn) {
      t.drop();
      await sleep(random(100));
      for (const ack of await t.connect(i % 2 === 0 ? other : stage)) assert.equal(ack.result.gw.resumed, true, JSON.stringify(ack));
    }
  }
  feeder.kill('SIGTERM');
  await until('all at the end', 10000, () => torn.every((t) => t.lastTrade === whole.lastTrade));
  await sleep(600);
  for (const t of torn) {
    assert.equal(t.snapshots, 1);
    assert.deepEqual(t.trades, whole.trades.slice(whole.trades.indexOf(t.trades[0])));
    await checkBook(stage, t);
  }
}));

test('restart, orderly and not: resumed without losing a trade', { timeout: 90000 }, () => withMarket({ ws: { drain: '300ms' } }, async (stage, feeder) => {
  const torn = new Follower(SYMBOL, { depth: 10 });
  await torn.connect(stage);
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    await sleep(800);
    const trades = torn.trades.length;
    await stage.stopGateway(signal);
    await torn.client.closed;
    torn.drop();
    await stage.startGateway({ ws: { drain: '300ms' } });
    for (const ack of await torn.connect(stage)) assert.equal(ack.result.gw.resumed, true, JSON.stringify(ack));
    await until('more trades', 10000, () => torn.trades.length > trades + 5);
  }
  feeder.kill('SIGTERM');
  await sleep(500);
  assert.equal(torn.snapshots, 1);
  assert.deepEqual(torn.told, []);
  await checkBook(stage, torn);
}));

test('trades before the ring come from the feed; before the feed the gap is named', { timeout: 90000 }, () => withMarket({}, async (stage) => {
  const torn = new Follower(SYMBOL);
  await torn.connect(stage);
  await until('trades', 10000, () => torn.trades.length > 20);
  torn.drop();
  await sleep(5000);
  await stage.stopGateway();
  await stage.startGateway({ feed: { window_entries: 10 } }); // starts with the last few trades only
  const acks = await torn.connect(stage);
  assert.equal(acks[1].result.gw.resumed, true, JSON.stringify(acks[1]));
  assert.ok(acks[1].result.gw.to > acks[1].result.gw.from + 20);
  assert.ok((await stage.metrics()).get('md_read_backs_total') >= 1);
  await until('live again', 10000, () => torn.lastTrade > acks[1].result.gw.to);
  torn.drop();
  // ids of before the stream begins
  stage.redisCommand('XTRIM', `md:{${SYMBOL}}`, 'MAXLEN', '30');
  const late = await Client.connect(stage);
  const ack = await late.subscribe({ channel: 'trade', symbol: [SYMBOL], gw: { resume: { e: torn.epoch, trade_id: { [SYMBOL]: 1 } } } });
  assert.equal(ack.result.gw.resumed, false);
  assert.equal(ack.result.gw.why, 'RING_MISS');
  assert.equal(ack.result.gw.missing.from, 2);
  assert.ok(ack.result.gw.missing.to > 20);
  assert.equal(ack.result.gw.backfill, '/v1/md/BTC%2FUSD/trades?after_id=1');
  late.close();
}));

test('candles since the last one seen; another epoch, a bad request', { timeout: 60000 }, () => withMarket({}, async (stage) => {
  const client = await Client.connect(stage);
  await client.subscribe({ channel: 'ohlc', symbol: [SYMBOL], interval: 1, gw: {} });
  const snapshot = await client.waitFor((m) => m.channel === 'ohlc' && m.type === 'snapshot');
  const begin = snapshot.data.at(-1).interval_begin;
  const { e } = snapshot.gw;
  const again = await Client.connect(stage);
  const ack = await again.subscribe({ channel: 'ohlc', symbol: [SYMBOL], interval: 1, gw: { resume: { e, interval_begin: { [SYMBOL]: begin } } } });
  assert.equal(ack.result.gw.resumed, true);
  const update = await again.waitFor((m) => m.channel === 'ohlc');
  assert.equal(update.type, 'update');
  assert.equal(update.data[0].interval_begin, begin);
  const refused = async (params, error) => assert.equal((await again.subscribe(params)).error, error);
  const wrong = await again.subscribe({ channel: 'book', symbol: [SYMBOL], gw: { resume: { e: 'other', s: { [SYMBOL]: 5 } } } });
  assert.equal(wrong.result.gw.why, 'EPOCH_CHANGED');
  assert.equal(wrong.result.snapshot, true);
  await again.waitFor((m) => m.channel === 'book' && m.type === 'snapshot');
  const book = (resume) => ({ channel: 'book', symbol: [SYMBOL], gw: { resume } });
  await refused(book({ s: { [SYMBOL]: 5 } }), 'EGeneral:Invalid arguments:gw.resume.e');
  await refused(book({ e, s: { 'ETH/USD': 5 } }), 'EGeneral:Invalid arguments:gw.resume.s');
  await refused(book({ e, s: { [SYMBOL]: -5 } }), 'EGeneral:Invalid arguments:gw.resume.s');
  await refused(book({ e, s: [5] }), 'EGeneral:Invalid arguments:gw.resume.s');
  await refused(book({ e, session: 'c-x*y' }), 'EGeneral:Invalid arguments:gw.resume.session');
  await refused(book({ e, more: 1 }), "Unsupported field: 'gw.resume.more' for the given msg type: subscribe");
  await refused({ channel: 'ticker', symbol: [SYMBOL], gw: { resume: { e } } }, 'EGeneral:Invalid arguments:gw.resume');
  client.close();
  again.close();
}));
