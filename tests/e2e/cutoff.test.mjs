// A gateway cut off from PostgreSQL, or from Redis as well: what keys may still do there while they are revoked elsewhere.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { cutPostgres, cutRedis } from './harness/cut.mjs';
import { gateLimits, gateTape, knows, modeOf, newKey, post, put, why } from './harness/gate.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';

const STALE_MS = 3000; // no word of either for so long
const SYMBOL = 'BTC/USD';
const SCOPES = ['ws.token', 'keys.read', 'control.read', 'control.halt', 'control.open', 'control.fanout'];

// Two gateways; the way of the second to PostgreSQL and Redis can be cut.
function onTwo(body) {
  return onStage(async (stage) => {
    stage.writeSymbols(gateTape);
    await stage.startPostgres();
    const overrides = { ...gateLimits, limits: { ...gateLimits.limits, token_per_minute: 600000, token_burst: 100000 } };
    await stage.startGateway(overrides);
    const ways = { postgres: await cutPostgres(stage, 'cut'), redis: await cutRedis(stage, 'cut') };
    try {
      const far = await stage.replica({ ...overrides, auth: { database: ways.postgres.dsn, master_key_file: stage.masterKey }, feed: { redis: ways.redis.endpoint, symbols_file: stage.symbolsFile } });
      stage.admin = new Signer(stage.keyId, stage.keyFile);
      await knows(stage);
      await body(stage, far, ways);
    } finally {
      ways.postgres.close();
      ways.redis.close();
    }
  });
}

const token = (stage, signer) => stage.call(signer, 'POST', '/v1/ws-token');
const fanout = (stage, signer) => put(stage, signer, '/v1/fanout/profile', { profile: 'degraded', expires_at: new Date(Date.now() + 60000).toISOString().replace('Z', '000Z'), ...why });
const halt = (stage, signer, mode) => put(stage, signer, modeOf(SYMBOL), { mode, ...why });

function refused(answer, detail) {
  assert.equal(answer.status, 503, answer.body);
  assert.equal(answer.json.code, 'keys-stale', answer.body);
  assert.match(answer.json.detail, detail);
  assert.match(answer.json.detail, /halts still work/);
  assert.ok(answer.headers['retry-after']);
}

// Kraken's scheme.
async function krakenToken(stage, key) {
  const body = `nonce=${Date.now() * 1000}`;
  const pathname = '/0/private/GetWebSocketsToken';
  const hash = createHash('sha256').update(body.slice('nonce='.length) + body).digest();
  const sign = createHmac('sha512', key.secret).update(Buffer.concat([Buffer.from(pathname), hash])).digest('base64');
  const answer = await stage.send('POST', `${stage.publicUrl}${pathname}`, { 'api-key': key.id, 'api-sign': sign, 'content-type': 'application/x-www-form-urlencoded' }, body);
  return JSON.parse(answer.body);
}

async function krakenKey(stage) {
  const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'kraken', algorithm: 'hmac-sha512-kraken', scopes: ['ws.token'], reason: 'a test of being cut off' });
  assert.equal(made.status, 201, made.body);
  return { id: made.json.key.id, secret: Buffer.from(made.json.secret, 'base64') };
}

test('keys revoked elsewhere while a gateway is cut off from PostgreSQL: Redis is believed', { timeout: 60000 }, () => onTwo(async (stage, far, ways) => {
  const bot = await newKey(stage, 'desk', { scopes: SCOPES });
  const other = await newKey(stage, 'other', { scopes: SCOPES });
  const kraken = await krakenKey(stage);
  await knows(far, other);
  await until('the key of Kraken', 5000, async () => (await krakenToken(far, kraken)).error.length === 0);

  // nothing was revoked: Redis says so in PostgreSQL's place
  ways.postgres.cut();
  await sleep(STALE_MS + 1500);
  assert.equal((await far.metrics()).get('auth_keys_fresh'), 0);
  assert.equal((await far.metrics()).get('auth_keys_confirmed'), 1);
  for (const signer of [bot, other]) assert.equal((await token(far, signer)).status, 200);
  assert.equal((await fanout(far, bot)).status, 202);

  const revoked = await post(stage, stage.admin, `/v1/keys/${bot.keyid}/revoke`, { reason: why.reason }, {});
  assert.equal(revoked.status, 200, revoked.body);
  const since = Date.now();
  await until('the gateway that is cut off gives no more tokens', 3000, async () => (await token(far, bot)).status === 503);
  console.log(`# refused ${Date.now() - since} ms after the revocation, without PostgreSQL`);
  assert.ok(Date.now() - since <= 1000);
  for (const signer of [bot, other]) refused(await token(far, signer), /keys were changed/);
  refused(await fanout(far, other), /PostgreSQL cannot be read/);
  refused(await post(far, other, '/v1/commands/01ARZ3NDEKTSV4RRFFQ69G5FAV/cancel', { reason: why.reason }), /keys were changed/);
  assert.deepEqual((await krakenToken(far, kraken)).error, ['EService:Unavailable']);
  await until('it is counted', 2000, async () => (await far.metrics()).get('auth_keys_confirmed') === 0);
  assert.match(far.gateway.errors, /keys_unconfirmed/);
  // what tightens and what reads goes on
  assert.equal((await halt(far, other, 'CANCEL_ONLY')).status, 202);
  assert.equal((await far.call(other, 'GET', '/v1/control')).status, 200);
  assert.equal((await token(stage, other)).status, 200, 'the other gateway knows');

  // Redis begins anew: an epoch that is gone there is no all-clear
  await stage.killRedis();
  await stage.startRedis();
  await until('Redis is back', 5000, async () => (await far.metrics()).get('ratelimit_breaker_open') === 0);
  await until('the other gateway puts the epoch right', 3000, () => stage.redisCommand('GET', 'auth:epoch') === stage.sql('SELECT epoch FROM revocation_epoch'));
  await until('it is refused for what it is', 5000, async () => (await token(far, other)).json?.code === 'keys-stale');

  ways.postgres.heal();
  await until('tokens again', 8000, async () => (await token(far, other)).status === 200);
  assert.equal((await token(far, bot)).status, 401, 'the revoked key is gone');
}));

test('PostgreSQL and Redis silent: nothing but halts', { timeout: 60000 }, () => onTwo(async (stage, far, ways) => {
  const bot = await newKey(stage, 'desk', { scopes: SCOPES });
  await knows(far, bot);
  ways.postgres.cut();
  ways.redis.cut();
  await sleep(STALE_MS + 700);
  assert.equal((await far.metrics()).get('auth_keys_confirmed'), 0);
  refused(await fanout(far, bot), /neither PostgreSQL nor Redis/);
  assert.equal((await halt(far, bot, 'CANCEL_ONLY')).status, 202);
  assert.equal((await token(far, bot)).status, 503);
  // Redis alone is enough for a gateway that knows its epoch
  ways.redis.heal();
  await until('tokens again', 8000, async () => (await token(far, bot)).status === 200);
  assert.equal((await fanout(far, bot)).status, 202);
}));

test('an epoch in Redis that is wrong is put right by who reaches PostgreSQL', { timeout: 60000 }, () => onTwo(async (stage, far) => {
  const bot = await newKey(stage, 'desk', { scopes: SCOPES });
  await knows(far, bot);
  const epoch = stage.sql('SELECT epoch FROM revocation_epoch');
  for (const wrong of ['1', '999999999', 'x'.repeat(30), '']) {
    stage.redisCommand('SET', 'auth:epoch', wrong);
    await until(`not ${wrong}`, 3000, () => stage.redisCommand('GET', 'auth:epoch') === epoch);
  }
  stage.redisCommand('DEL', 'auth:epoch');
  await until('not missing', 3000, () => stage.redisCommand('GET', 'auth:epoch') === epoch);
  assert.equal((await token(far, bot)).status, 200);
}));
