// The wire as clients see it, on a made-up market: acks, errors, limits, heartbeats, closes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const tape = ['--data', 'synthetic', '--symbols', '6', '--rate', '300', '--seed', '7'];

const withMarket = (overrides, body) => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway(overrides);
  const feeder = stage.feed(...tape, '--time', 'now');
  await until('all books', 20000, async () => (await stage.metrics()).get('md_symbol_live{symbol="LINK/USD"}') === 1);
  await body(stage, feeder);
});

test('subscriptions: ack, snapshot, updates, in that order, for every channel', { timeout: 60000 }, () => withMarket({}, async (stage) => {
  const client = await Client.connect(stage);
  const status = await client.waitFor((m) => m.channel === 'status');
  assert.equal(status.data[0].system, 'online');
  assert.equal(status.data[0].api_version, 'v2');
  for (const params of [{ channel: 'book', symbol: ['BTC/USD', 'ETH/USD'], depth: 25 }, { channel: 'trade', symbol: ['BTC/USD'], snapshot: true },
    { channel: 'ohlc', symbol: ['BTC/USD'], interval: 5 }, { channel: 'ticker', symbol: ['BTC/USD'], event_trigger: 'bbo' }, { channel: 'instrument' }]) {
    const from = client.messages.length;
    const ack = await client.subscribe(params);
    assert.equal(ack.success, true, ack.raw);
    assert.equal(ack.result.channel, params.channel);
    if (params.depth) assert.equal(ack.result.depth, 25);
    if (params.interval) assert.equal(ack.result.interval, 5);
    await until(`${params.channel} snapshot`, 20000, () => client.messages.slice(from).some((m) => m.channel === params.channel));
    const after = client.messages.slice(from).filter((m) => m.channel === params.channel || m.method === 'subscribe');
    assert.equal(after[0].method, 'subscribe', 'the ack comes first');
    const first = client.messages.slice(from).find((m) => m.channel === params.channel);
    assert.equal(first?.type, 'snapshot', `${params.channel}: first frame`);
    assert.ok(first.raw.startsWith('{"channel":"'), 'channel is the first member');
    assert.equal(first.gw.p, null);
  }
  const update = await client.next((m) => m.channel === 'book' && m.type === 'update');
  assert.equal(update.data.length, 1);
  assert.ok(update.gw.n >= 1);
  client.close();
}));

test('repeated, second depth, unsubscribe, resubscribe with the ack', { timeout: 60000 }, () => withMarket({}, async (stage) => {
  const client = await Client.connect(stage);
  const ack = await client.subscribe({ channel: 'book', symbol: ['BTC/USD'] });
  await client.waitFor((m) => m.channel === 'book' && m.type === 'snapshot');
  const second = await client.subscribe({ channel: 'book', symbol: ['BTC/USD'], depth: 100 });
  assert.equal(second.error, 'Already subscribed');
  const fresh = client.next((m) => m.channel === 'book' && m.type === 'snapshot', 5000, 'fresh snapshot');
  const again = await client.subscribe({ channel: 'book', symbol: ['BTC/USD'] });
  assert.deepEqual(again.result.warnings, ['already subscribed']);
  await fresh;
  // python-kraken-sdk sends the ack's result back as params.
  const { result } = again;
  const echoed = await client.subscribe({ ...result, symbol: [result.symbol] });
  assert.equal(echoed.success, true, echoed.raw);
  assert.equal((await client.request({ method: 'unsubscribe', params: { channel: 'book', symbol: ['BTC/USD'] } })).success, true);
  const from = client.messages.length;
  await sleep(500);
  assert.equal(client.messages.slice(from).filter((m) => m.channel === 'book').length, 0, 'silence after unsubscribe');
  assert.equal((await client.request({ method: 'unsubscribe', params: { channel: 'book', symbol: ['BTC/USD'] } })).error, 'Subscription Not Found');
  assert.ok(ack.result.gw.e);
  client.close();
}));

test('bad requests get the documented words and change nothing', { timeout: 60000 }, () => withMarket({ ws: { control_rate: 1000, control_burst: 1000 } }, async (stage) => {
  const client = await Client.connect(stage);
  await client.waitFor((m) => m.channel === 'status');
  const cases = [
    ['{', 'Malformed request'],
    ['[]', 'Malformed request'],
    ['{"method":"subscribe"}', 'Malformed request'],
    ['{"method":"subscribe","method":"ping"}', 'Malformed request'],
    [`{"method":"subscribe","params":${'['.repeat(40)}${']'.repeat(40)}}`, 'Malformed request'],
    ['{"method":"dance"}', 'Event(s) not found'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":"BTC/USD"}}', 'Symbol field must be an array'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":[]}}', 'EGeneral:Invalid arguments:symbol'],
    ['{"method":"subscribe","params":{"channel":"book"}}', 'EGeneral:Invalid arguments:symbol'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":["BTCUSD"]}}', 'Currency pair not in ISO 4217-A3 format BTCUSD'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":["NO/PE"]}}', 'Currency pair not supported NO/PE'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":11}}', 'Subscription depth not supported'],
    ['{"method":"subscribe","params":{"channel":"ohlc","symbol":["BTC/USD"],"interval":2}}', 'Subscription ohlc interval not supported'],
    ['{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"],"depth":10}}', "Unsupported field: 'depth' for the given msg type: subscribe"],
    ['{"method":"subscribe","params":{"channel":"status"}}', 'EGeneral:Invalid arguments:channel'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"gw":{"interval_ms":7}}}', 'EGeneral:Invalid arguments:gw.interval_ms'],
    ['{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"snapshot":1}}', 'EGeneral:Invalid arguments:snapshot'],
  ];
  for (const [text, error] of cases) {
    const answer = client.next((m) => m.success === false, 3000, `answer to ${text.slice(0, 60)}`);
    client.send(text);
    assert.equal((await answer).error, error, text.slice(0, 80));
  }
  const metrics = await stage.metrics();
  assert.equal(metrics.get('ws_bad_requests_total'), cases.length);
  assert.equal(metrics.get('ws_subscriptions{channel="book"}'), 0);
  client.close();
}));

test('limits: rate, third violation closes 4029; big message 1009; idle 4010; heartbeat; pong', { timeout: 60000 }, () => withMarket({ ws: { idle_subscribe: '1s' } }, async (stage) => {
  const idle = await Client.connect(stage);
  const client = await Client.connect(stage);
  await client.subscribe({ channel: 'instrument' });
  await client.next((m) => m.channel === 'heartbeat', 3000, 'heartbeat after a second of silence');
  const pong = await client.request({ method: 'ping' });
  assert.equal(pong.method, 'pong');
  assert.ok(pong.time_in <= pong.time_out);
  assert.equal((await idle.closed).code, 4010);

  const flood = await Client.connect(stage);
  for (let i = 0; i < 60; i++) flood.send({ method: 'subscribe', req_id: i, params: { channel: 'trade', symbol: ['BTC/USD', 'ETH/USD'] } });
  assert.equal((await flood.closed).code, 4029);
  const refused = flood.messages.filter((m) => m.error === 'EAuth:Too many requests');
  assert.ok(refused.length >= 4, `refusals told: ${refused.length}`);
  assert.ok(refused.every((m) => m.symbol), 'each refused symbol is named');

  const big = await Client.connect(stage);
  big.send('x'.repeat(70000));
  assert.equal((await big.closed).code, 1009);
  const binary = await Client.connect(stage);
  binary.socket.send(Buffer.from([1, 2, 3]));
  assert.equal((await binary.closed).code, 1008);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('ws_close_total{reason="RATE_LIMITED"}'), 1);
  assert.equal(metrics.get('ws_close_total{reason="IDLE"}'), 1);
  client.close();
}));

test('many symbols in one request; more than the limit is refused by name', { timeout: 60000 }, () => withMarket({ ws: { symbols_per_channel: 4 } }, async (stage) => {
  const client = await Client.connect(stage);
  const pairs = Object.values((await stage.json(`${stage.publicUrl}/0/public/AssetPairs`)).result).map((p) => p.wsname);
  client.send({ method: 'subscribe', params: { channel: 'ticker', symbol: pairs } });
  await until('six answers', 5000, () => client.messages.filter((m) => m.method === 'subscribe').length === 6);
  const answers = client.messages.filter((m) => m.method === 'subscribe');
  assert.equal(answers.filter((m) => m.success).length, 4);
  assert.deepEqual(answers.filter((m) => !m.success).map((m) => m.error), ['EAuth:Too many requests', 'EAuth:Too many requests']);
  client.close();
}));

test('connections per address: refused with 4013, freed again', { timeout: 60000 }, () => withMarket({ ws: { max_per_ip: 3 } }, async (stage) => {
  const clients = [];
  for (let i = 0; i < 3; i++) clients.push(await Client.connect(stage));
  const fourth = await Client.connect(stage);
  assert.equal((await fourth.closed).code, 4013);
  clients[0].close();
  await until('a place', 5000, async () => (await stage.metrics()).get('ws_clients') === 2);
  const fifth = await Client.connect(stage);
  await fifth.waitFor((m) => m.channel === 'status');
  for (const c of [...clients, fifth]) c.close();
}));

test('SIGTERM: clients are told, closed with 1012, exit code 0', { timeout: 60000 }, () => withMarket({ ws: { shards: 2 } }, async (stage) => {
  const clients = [];
  for (let i = 0; i < 8; i++) clients.push(await Client.connect(stage));
  for (const c of clients) await c.subscribe({ channel: 'book', symbol: ['BTC/USD'] });
  assert.equal(await stage.stopGateway('SIGTERM'), 0);
  for (const c of clients) {
    assert.equal((await c.closed).code, 1012);
    assert.ok(c.messages.some((m) => m.channel === 'gateway' && m.data[0].event === 'shutdown'));
  }
}));

test('a client that stops reading is evicted with 4008; the others do not notice', { timeout: 60000 }, () => withMarket({ ws: { lag: '1s', lag_bytes: '256KiB' } }, async (stage, feeder) => {
  feeder.kill('SIGTERM');
  const busy = stage.feed('--data', 'synthetic', '--symbols', '6', '--rate', '3000', '--seed', '8', '--time', 'now');
  const [slow, quick] = [await Client.connect(stage), await Client.connect(stage)];
  const symbols = ['BTC/USD', 'ETH/USD', 'ADA/USD', 'DOT/USD'];
  for (const client of [slow, quick]) {
    for (const params of [{ channel: 'book', symbol: symbols, depth: 100, gw: { interval_ms: 20 } }, { channel: 'trade', symbol: symbols }]) await client.subscribe(params);
  }
  let breaks = 0;
  const last = new Map();
  quick.onMessage = (m) => {
    if (m.channel !== 'book') return;
    const { symbol } = m.data[0];
    if (m.gw.p !== null && last.has(symbol) && last.get(symbol) !== m.gw.p) breaks++;
    last.set(symbol, m.gw.s);
  };
  slow.socket._socket.pause();
  await until('the eviction', 30000, async () => (await stage.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}') === 1);
  slow.socket._socket.resume();
  assert.ok([4008, 1006].includes((await slow.closed).code)); // a reader that comes back within two seconds still gets the code
  const from = quick.messages.length;
  await sleep(1000);
  assert.ok(quick.messages.length - from > 100, `messages in a second: ${quick.messages.length - from}`);
  assert.equal(breaks, 0);
  await until('the session is gone', 5000, async () => (await stage.metrics()).get('ws_clients') === 1);
  assert.equal((await stage.metrics()).get('ws_backlog_bytes'), 0);
  quick.close();
  busy.kill('SIGTERM');
}));
