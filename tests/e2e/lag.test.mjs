// Clients that cannot keep up, floods, dead peers, the fan-out profile: what they are told, what they cost, and that the
// others do not notice.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import tls from 'node:tls';
import { Follower } from './harness/follower.mjs';
import { entries, Reference, decimals } from './harness/feed.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';

function withMarket(overrides, rate, body) {
  return onStage(async (stage) => {
    const tape = ['--data', 'synthetic', '--symbols', '3', '--rate', String(rate), '--seed', '17', '--time', 'now'];
    stage.writeSymbols(tape);
    await stage.startGateway(overrides);
    const feeder = stage.feed(...tape);
    await stage.applied(100);
    await body(stage, feeder);
  });
}

// After the end of the feed.
async function checkBook(stage, feeder, follower) {
  feeder.kill('SIGTERM');
  await sleep(700);
  const reference = new Reference(entries(stage, SYMBOL), await decimals(stage, SYMBOL));
  reference.advance(follower.s);
  for (const side of ['bids', 'asks']) assert.deepEqual(follower.book.lines(side), reference.lines(side, follower.depth), side);
}

// Followers of the deep book through small socket buffers, so that a stall shows soon.
async function stalled(stage, options) {
  const follower = new Follower(SYMBOL, { depth: 1000, interval_ms: 0, trades: false, ...options });
  await follower.connect(stage);
  return follower;
}

test('a client that falls behind is brought up by one merged update, exactly', { timeout: 90000 }, () => withMarket(
  { ws: { lag: '20s', lag_bytes: '64MiB', unsent_bytes: '4KiB', skip_bytes: '16KiB' } }, 3000, async (stage, feeder) => {
  const modes = { diff: await stalled(stage, { on_lag: 'diff' }), snapshot: await stalled(stage, { on_lag: 'snapshot' }),
    evict: await stalled(stage, { on_lag: 'evict' }) };
  for (const f of Object.values(modes)) f.client.socket._socket.pause();
  await until('all are behind', 40000, async () => (await stage.metrics()).get('ws_choked_clients') === 3);
  await sleep(1500);
  for (const f of Object.values(modes)) f.client.socket._socket.resume();
  feeder.kill('SIGTERM');
  await until('all are up again', 20000, () => modes.diff.s === modes.evict.s && modes.snapshot.s === modes.evict.s);
  for (const f of Object.values(modes)) await checkBook(stage, feeder, f);
  assert.equal(modes.diff.snapshots, 1);
  assert.ok(modes.diff.frames.size < modes.evict.frames.size, `${modes.diff.frames.size} frames of ${modes.evict.frames.size}`);
  assert.ok([...modes.diff.frames.values()].some((raw) => JSON.parse(raw).gw.n > 50), 'a frame that folds many events');
  assert.ok(modes.snapshot.snapshots > 1);
  assert.equal(modes.evict.snapshots, 1); // it took every frame
  assert.ok((await stage.metrics()).get('ws_conflated_total{channel="book"}') > 100);
}));

test('warned, evicted in time, and told why on the next connection', { timeout: 90000 }, () => withMarket(
  { ws: { lag: '1200ms', lag_grace: '500ms', unsent_bytes: '4KiB' } }, 3000, async (stage, feeder) => {
  const slow = await stalled(stage, {});
  const quick = new Follower(SYMBOL, { depth: 100, interval_ms: 20 });
  await quick.connect(stage);
  slow.client.socket._socket.pause();
  const since = Date.now();
  await until('choked', 30000, async () => (await stage.metrics()).get('ws_choked_clients') === 1);
  const choked = Date.now();
  await until('the eviction', 30000, async () => (await stage.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}') === 1);
  const took = Date.now() - choked;
  assert.ok(took > 900 && took < 4000, `${took} ms from full socket to eviction (${choked - since} ms to full)`);
  slow.client.socket._socket.resume();
  assert.ok([4008, 1006].includes((await slow.client.closed).code));
  slow.drop();
  const [ack] = await slow.connect(stage);
  const cause = ack.result.gw.last_close;
  assert.equal(cause.code, 4008);
  assert.equal(cause.reason, 'SLOW_CONSUMER');
  assert.ok(cause.lag_ms >= 1200 && cause.lag_ms < 10000, JSON.stringify(cause));
  assert.match(cause.at, /^20\d\d-.*Z$/);
  assert.equal(ack.result.gw.resumed, true);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('ws_slow_warnings_total'), 1);
  assert.equal(metrics.get('ws_dropped_total{channel="trade"}'), 0);
  await checkBook(stage, feeder, quick);
}));

test('budgets change while it runs: SIGHUP', { timeout: 60000 }, () => withMarket({ ws: { lag: '60s', lag_bytes: '64MiB', unsent_bytes: '4KiB' } }, 3000, async (stage) => {
  const slow = await stalled(stage, {});
  slow.client.socket._socket.pause();
  await until('choked', 30000, async () => (await stage.metrics()).get('ws_choked_clients') === 1);
  await sleep(1500);
  assert.equal((await stage.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}'), 0);
  stage.reload({ ws: { lag: '1s', lag_grace: '100ms', lag_bytes: '64MiB', unsent_bytes: '4KiB' } });
  await until('the eviction', 10000, async () => (await stage.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}') === 1);
  assert.match(stage.gateway.errors, /ws\.lag: taken over/);
  stage.reload({ ws: { lag: '1s', shards: 'many' } });
  await until('the refusal', 5000, () => /config_refused/.test(stage.gateway.errors));
  assert.equal((await stage.get(`${stage.adminUrl}/livez`)).status, 200);
}));

test('fan-out profile: announced, wider intervals, trades as before, limits, reverts by itself', { timeout: 60000 }, () => withMarket({}, 600, async (stage, feeder) => {
  const plain = await Client.connect(stage);
  const f = new Follower(SYMBOL, { depth: 10, interval_ms: 20 });
  await f.connect(stage);
  const framesIn = async (ms) => {
    const [before, trades] = [f.frames.size, f.trades.length];
    await sleep(ms);
    return [f.frames.size - before, f.trades.length - trades];
  };
  const [wide] = await framesIn(1500);
  assert.ok(wide > 30, `${wide} frames`);
  stage.reload({ fanout: { profile: 'degraded', hold: '4s', degraded_sub_ops: 1 } });
  const status = await plain.waitFor((m) => m.channel === 'status' && m.gw?.profile === 'degraded');
  assert.deepEqual(status.gw, { profile: 'degraded', min_interval_ms: 250, default_depth: 10 });
  assert.equal(status.data[0].system, 'online');
  await until('the notice', 3000, () => f.notices?.some((n) => n.event === 'conflation'));
  const notice = f.notices.find((n) => n.event === 'conflation');
  assert.deepEqual([notice.symbols, notice.from_ms, notice.to_ms, notice.cause], [[SYMBOL], 20, 250, 'OPERATOR']);
  const [narrow, trades] = await framesIn(1500);
  assert.ok(narrow >= 4 && narrow <= 12, `${narrow} frames in 1.5 s`);
  assert.ok(trades > 20, `${trades} trades`);
  const answers = [];
  for (let i = 0; i < 4; i++) answers.push(await plain.subscribe({ channel: 'ticker', symbol: [SYMBOL] }));
  assert.equal(answers.filter((a) => a.error === 'EAuth:Too many requests').length >= 1, true);
  await plain.waitFor((m) => m.channel === 'status' && m.gw?.profile === 'normal', 6000, 'end of the profile');
  const [again] = await framesIn(1500);
  assert.ok(again > 30, `${again} frames`);
  assert.equal(f.snapshots, 1); // the same stream all the time: nothing was lost
  await checkBook(stage, feeder, f);
}));

// A WebSocket opened by hand, so that nothing answers pings for us.
async function rawSocket(stage) {
  const socket = tls.connect({ host: 'localhost', port: stage.wsPort, ca: readFileSync(stage.ca), servername: 'localhost' });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  socket.write(`GET /v2 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${
    randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.received = [];
  socket.on('data', (data) => socket.received.push(data));
  socket.ended = new Promise((resolve) => socket.once('close', resolve));
  return socket;
}

test('a peer that answers no ping is gone in time; one that floods pings is cut', { timeout: 60000 }, () => withMarket(
  { ws: { ping_after: '2s', hangup_after: '4s', inbound_rate: '16KiB', inbound_burst: '64KiB' } }, 100, async (stage) => {
  const good = await Client.connect(stage);
  await good.subscribe({ channel: 'ticker', symbol: [SYMBOL] });
  const dead = await rawSocket(stage);
  const since = Date.now();
  await dead.ended;
  const took = Date.now() - since;
  assert.ok(took > 2500 && took < 7000, `${took} ms`);
  const empty = (opcode) => Buffer.from([opcode, 0x80, 0, 0, 0, 0]);
  for (const [first, frame] of [[Buffer.alloc(0), Buffer.concat([Buffer.from([0x89, 0xfd]), Buffer.alloc(4 + 125)])], // pings
    [empty(0x01), empty(0x00)]]) { // a text that never ends, in empty fragments
    const flood = await rawSocket(stage);
    const chunk = Buffer.concat(Array.from({ length: 400 }, () => frame));
    flood.write(first);
    let more = true;
    const pump = async () => {
      while (more && !flood.destroyed) {
        flood.write(chunk);
        await sleep(5);
      }
    };
    const pumping = pump();
    await flood.ended;
    more = false;
    await pumping;
  }
  assert.equal((await stage.metrics()).get('ws_close_total{reason="INBOUND_FLOOD"}'), 2);
  assert.equal(good.socket.readyState, 1);
  const from = good.messages.length;
  await until('good client still served', 3000, () => good.messages.length > from);
  good.close();
}));

test('no file descriptors left: accepting pauses, no spin, those inside do not notice', { timeout: 60000 }, () => withMarket({}, 200, async (stage) => {
  const good = await Client.connect(stage);
  await good.subscribe({ channel: 'book', symbol: [SYMBOL] });
  const open = execFileSync('ls', [`/proc/${stage.gateway.pid}/fd`], { encoding: 'utf8' }).trim().split('\n').length;
  execFileSync('prlimit', ['--pid', String(stage.gateway.pid), `--nofile=${open + 4}:`]);
  const sockets = Array.from({ length: 30 }, () => {
    const socket = tls.connect({ host: 'localhost', port: stage.wsPort, ca: readFileSync(stage.ca), servername: 'localhost' });
    socket.on('error', () => {});
    return socket;
  });
  await until('a pause', 5000, () => /accept_pause/.test(stage.gateway.errors));
  const cpu = () => readFileSync(`/proc/${stage.gateway.pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((a, b) => a + Number(b), 0);
  const from = good.messages.length;
  const before = cpu();
  await sleep(2000);
  const percent = (cpu() - before) / 2; // ticks of 10 ms over 2 s
  assert.ok(percent < 15, `${percent} % of a core while full`);
  assert.ok(good.messages.length > from + 10);
  for (const socket of sockets) socket.destroy();
  await sleep(6000); // handshakes that were let in time out
  execFileSync('prlimit', ['--pid', String(stage.gateway.pid), '--nofile=1024:']);
  const late = await Client.connect(stage);
  await late.waitFor((m) => m.channel === 'status');
  assert.ok((await stage.metrics()).get('ws_accept_pauses_total') > 3);
  late.close();
  good.close();
}));

test('SIGTERM: closed one by one over the drain, each with its hint', { timeout: 60000 }, () => withMarket({ ws: { drain: '2s', shards: 2 } }, 200, async (stage) => {
  const clients = [];
  for (let i = 0; i < 40; i++) clients.push(await Client.connect(stage));
  const times = [];
  for (const c of clients) {
    await c.subscribe({ channel: 'trade', symbol: [SYMBOL], gw: {} });
    c.closed.then(() => times.push(Date.now()));
  }
  const since = Date.now();
  assert.equal(await stage.stopGateway('SIGTERM'), 0);
  assert.equal(times.length, 40);
  assert.ok(times.at(-1) - times[0] > 1200, `spread over ${times.at(-1) - times[0]} ms`);
  assert.ok(Date.now() - since < 7000);
  const hints = new Set();
  for (const c of clients) {
    assert.equal((await c.closed).code, 1012);
    const notices = c.messages.filter((m) => m.channel === 'gateway').map((m) => m.data[0]);
    assert.equal(notices[0].event, 'shutdown');
    assert.equal(notices[0].drain_ms, 2000);
    assert.ok(notices.at(-1).retry_after_ms >= 200 && notices.at(-1).retry_after_ms <= 1200);
    hints.add(notices.at(-1).retry_after_ms);
  }
  assert.ok(hints.size > 20, 'they do not all come back at once');
}));

test('publish lag is that of each interval, however many intervals follow a symbol that is never quiet', { timeout: 60000 }, () => withMarket({}, 3000, async (stage) => {
  for (const [depth, interval_ms] of [[10, 50], [25, 100], [100, 250], [500, 1000]]) {
    const client = await Client.connect(stage);
    const ack = await client.subscribe({ channel: 'book', symbol: [SYMBOL], depth, gw: { interval_ms } });
    assert.ok(ack.success, ack.raw);
  }
  const read = async () => {
    const metrics = await stage.metrics();
    return ['sum', 'count'].map((name) => metrics.get(`md_publish_lag_seconds_${name}`));
  };
  const [sum, count] = await read();
  await sleep(6000);
  const [sum2, count2] = await read();
  assert.ok(count2 > count + 50, `${count2 - count} messages`);
  assert.ok((sum2 - sum) / (count2 - count) < 1, `${(sum2 - sum) / (count2 - count)} s on average`);
}));

test('who comes back to an interval that nobody followed for a while does not find its lag from before', { timeout: 90000 }, () => withMarket({}, 3000, async (stage) => {
  const params = { channel: 'book', symbol: [SYMBOL], depth: 10, gw: { interval_ms: 250 } };
  const follow = async () => {
    const client = await Client.connect(stage);
    assert.ok((await client.subscribe(params)).success);
    await sleep(1500);
    client.close();
  };
  await follow();
  await until('the stream is given back', 60000, async () => (await stage.metrics()).get('md_streams') === 0);
  await sleep(6000);
  await follow();
  const metrics = await stage.metrics();
  assert.equal(metrics.get('md_publish_lag_seconds_bucket{le="5"}'), metrics.get('md_publish_lag_seconds_count'));
}));
