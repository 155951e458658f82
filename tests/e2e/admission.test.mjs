// What honest clients are told when it is not their fault, and floods when it is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { test } from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';

const within = { timeout: 60000 };
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

function withKeys(body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await sleep(2500); // a Redis that has just begun refuses what may be a replay
    await stage.startGateway();
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
    await body(stage);
  });
}

test('a Redis that has begun anew is nobody\'s failure: who signs again is served, not locked out', within, () => withKeys(async (stage) => {
  const gone = new Promise((resolve) => stage.redis.once('exit', resolve));
  stage.redis.kill('SIGKILL');
  await gone;
  await stage.startRedis();
  const seen = new Map();
  await until('served again', 5000, async () => {
    const { status, json } = await stage.call(stage.admin, 'GET', '/v1/keys');
    const what = `${status} ${json.code ?? ''}`.trim();
    seen.set(what, (seen.get(what) ?? 0) + 1);
    return (await stage.metrics()).get('replay_fence_moved_total') >= 1 && status === 200;
  });
  assert.ok(!seen.has('429 rate-limited'), JSON.stringify([...seen]));
  // signed before the restart, within the window: PostgreSQL has kept the nonces and vouches for these
  for (let i = 0; i < 40; i++) {
    const created = Math.floor(Date.now() / 1000) - 20;
    const { status, json } = await stage.call(stage.admin, 'GET', '/v1/keys', undefined, { created });
    assert.equal(status, 200, JSON.stringify(json));
  }
  assert.equal((await stage.call(stage.admin, 'GET', '/v1/keys')).status, 200);
}));

test('an address that only fails is refused in words that each kind of client knows', within, () => withKeys(async (stage) => {
  let since;
  const refused = await until('a refusal', 10000, async () => {
    since = Date.now();
    const answer = await stage.call(stage.admin, 'GET', '/v1/keys', undefined, { keyid: 'pk_nobody' });
    return answer.status === 429 && answer;
  });
  assert.ok(Date.now() - since >= 450, `told after ${Date.now() - since} ms: a flood need not wait`);
  // who does not wait for it leaves nothing behind
  const agent = new https.Agent({ keepAlive: true });
  await Promise.all(Array.from({ length: 20 }, () => new Promise((resolve) => {
    const request = https.request(`${stage.adminUrl}/v1/keys`, { ca: readFileSync(stage.ca), agent });
    request.on('error', () => {});
    request.once('close', resolve);
    request.end(() => setTimeout(() => request.destroy(new Error('gone')), 200));
  })));
  agent.destroy();
  await sleep(2000);
  assert.equal((await stage.metrics()).get('api_in_flight'), 0);
  assert.equal((await stage.get(`${stage.adminUrl}/v1/time`)).status, 200, 'what is not signed is not held back');
  assert.equal(refused.json.code, 'rate-limited');
  assert.equal(refused.json.type, '/problems/rate-limited');
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  const error = await until('Kraken\'s clients are refused', 15000, async () => {
    const failures = Array.from({ length: 40 }, () => stage.call(stage.admin, 'GET', '/v1/keys', undefined, { keyid: 'pk_nobody' }));
    await sleep(100);
    const answer = await stage.send('POST', `${stage.publicUrl}/0/private/GetWebSocketsToken`, { 'API-Key': 'x', 'API-Sign': 'x' }, 'nonce=1');
    await Promise.all(failures);
    assert.equal(answer.status, 200);
    const [first] = JSON.parse(answer.body).error;
    return first !== 'EAPI:Invalid key' && first;
  });
  assert.equal(error, 'EAPI:Rate limit exceeded');
}));
