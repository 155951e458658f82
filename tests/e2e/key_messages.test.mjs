// Messages of a key, over all its connections: on two threads of one gateway, on another gateway, without Redis.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 90000 };
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];
const SYMBOL = 'BTC/USD';
const BURST = 150; // more than a lease (25) for each of the four threads
const PER_S = 10;
const overrides = { limits: { message_per_minute: PER_S * 60, message_burst: BURST, token_burst: 100, token_per_minute: 6000, write_burst: 100 },
  ws: { shards: 2, control_rate: 10000, control_burst: 10000 } };
const many = 'EAuth:Too many requests';

function withKeys(body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway(overrides);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
    stage.feed(...tape);
    await stage.applied(20);
    await body(stage);
  });
}

async function newKey(stage) {
  const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'x', algorithm: 'hmac-sha256', scopes: ['ws.token', 'market'], reason: 'messages of a key' });
  assert.equal(made.status, 201, made.body);
  const signer = new Signer(made.json.key.id, { secret: Buffer.from(made.json.secret, 'base64') });
  await until('the key', 3000, async () => (await stage.call(signer, 'POST', '/v1/ws-token')).status === 200);
  return signer;
}

// A connection of the key; its subscription is the first message that counts.
async function open(stage, where, signer) {
  const { token } = (await stage.call(signer, 'POST', '/v1/ws-token')).json;
  const client = await Client.connect(where);
  const answer = await client.subscribe({ channel: 'ticker', symbol: [SYMBOL], token });
  return { client, answer };
}

// Each client sends N messages at once; how many were let through.
async function burst(clients, n) {
  const ask = (client) => client.request({ method: 'unsubscribe', params: { channel: 'trade', symbol: [SYMBOL] } });
  const answers = await Promise.all(clients.flatMap((client) => Array.from({ length: n }, () => ask(client))));
  const refused = answers.filter((a) => a.error === many).length;
  assert.equal(refused + answers.filter((a) => a.error === 'Subscription Not Found').length, answers.length, 'another answer');
  return { sent: answers.length, passed: answers.length - refused };
}

test('the messages of a key are limited over all its connections, threads and gateways; others are not', within, () => withKeys(async (stage) => {
  const other = await stage.replica(overrides);
  const [key, second] = [await newKey(stage), await newKey(stage)];
  await until('the key on the other gateway', 3000, async () => (await other.call(key, 'POST', '/v1/ws-token')).status === 200);
  const opened = [];
  for (let i = 0; i < 6; i++) opened.push(await open(stage, i < 4 ? stage : other, key));
  for (const { answer } of opened) assert.ok(answer.success, `a first message waits for nobody: ${answer.error}`);
  const clients = opened.map(({ client }) => client);
  const since = Date.now() - 1000; // the connections took some of it
  const { sent, passed } = await burst(clients, 60);
  const seconds = (Date.now() - since) / 1000;
  const most = BURST - opened.length + PER_S * seconds + 1;
  assert.ok(passed <= most, `${passed} of ${sent} passed, ${most} are fair`);
  assert.ok(passed >= BURST - opened.length - 25, `only ${passed} passed of ${most}`);
  // nobody is closed for what its siblings sent; strangers and other keys go on
  for (const client of clients) assert.equal(client.socket.readyState, 1);
  const stranger = await Client.connect(stage);
  assert.deepEqual(await burst([stranger], 100), { sent: 100, passed: 100 });
  const { client, answer } = await open(stage, stage, second);
  assert.ok(answer.success);
  assert.equal((await burst([client], 20)).passed, 20);
  const metrics = await stage.metrics();
  assert.ok(metrics.get('ws_rate_limited_total') > 0);
  assert.ok(metrics.get('ratelimit_drop_total{class="ws-message"}') > 0);
  await sleep(4000);
  assert.equal((await burst([clients[0]], 20)).passed, 20, 'after four seconds there is room for forty');
  for (const c of [...clients, client, stranger]) c.close();
  await until('all gone', 5000, async () => (await stage.metrics()).get('ws_clients') === 0);
  assert.equal(await stage.stopGateway(), 0);
}));

test('without Redis each gateway keeps its part of the limit, and no message waits', within, () => withKeys(async (stage) => {
  const key = await newKey(stage);
  const clients = [];
  for (let i = 0; i < 4; i++) {
    const { client, answer } = await open(stage, stage, key);
    assert.ok(answer.success, answer.error);
    clients.push(client);
  }
  stage.redis.kill('SIGSTOP');
  try {
    const since = Date.now();
    assert.equal((await burst([clients[0]], 1)).sent, 1);
    assert.ok(Date.now() - since < 500, `${Date.now() - since} ms for one message`);
    const { sent, passed } = await burst(clients, 100);
    const seconds = (Date.now() - since) / 1000;
    const most = 2 * BURST + PER_S * seconds; // what Redis gave before it stopped, and what the gateway gives alone
    assert.ok(passed <= most, `${passed} of ${sent} passed, ${most} are fair`);
    assert.ok(passed > 0);
  } finally {
    stage.redis.kill('SIGCONT');
  }
  for (const client of clients) client.close();
}));
