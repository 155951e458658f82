// Which buckets a request takes from: halts have theirs, whoever else is behind their address; dear calls cost more;
// calls that nobody signs are counted by address; a key that ends while its request waits has ended.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import https from 'node:https';
import { test } from 'node:test';
import { gateLimits, gateTape, modeOf, newKey, once, why, withGate } from './harness/gate.mjs';
import { onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';

const within = { timeout: 120000 };
const MODE = modeOf('BTC/USD');
// However slow this machine is, no bucket of the gateway's own steps in for Redis.
const shared = { deadline: '1s', slow: '1s', failures: 1000 };
const strict = { preauth_per_minute: 1, preauth_burst: 200 }; // an empty bucket stays empty for the test

const put = (stage, signer, target, body, more = {}) => stage.call(signer, 'PUT', target, { ...why, ...body }, { headers: { 'if-match': '*' }, ...more });

// Bad requests, 20 at a time, until the address is refused; that answer, and how long it took.
async function exhaust(request) {
  return until('the address is refused', 20000, async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, async () => {
      const since = performance.now();
      const answer = await request();
      return { ...answer, ms: performance.now() - since };
    }));
    return answers.find((a) => a.status === 429);
  });
}

async function quickHalt(stage, signer, mode) {
  const since = performance.now();
  const answer = await put(stage, signer, MODE, { mode });
  assert.ok([200, 202].includes(answer.status), `${answer.status} ${answer.body}`);
  assert.match(answer.headers.ratelimit, /^"halt";/);
  const ms = performance.now() - since;
  assert.ok(ms < 450, `told after ${ms} ms: a refusal held back`);
}

test('a halt is not kept waiting by what else its address does, nor by bad halts from there', within, () => withGate({}, async (stage) => {
  stage.reload({ limits: strict });
  await until('the limits', 5000, async () => (await stage.call(stage.ana, 'GET', '/v1/stats', undefined, { keyid: 'pk_nobody' })).status === 429);
  const nobody = { keyid: 'pk_nobody' };
  const refused = await exhaust(() => stage.call(stage.ana, 'GET', '/v1/stats', undefined, nobody));
  assert.equal(refused.json.code, 'rate-limited');
  assert.equal(refused.headers['ratelimit-policy'], '"address";q=200;w=12000');
  assert.match(refused.headers.ratelimit, /^"address";r=0;t=\d+$/);
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  await quickHalt(stage, stage.ana, 'CANCEL_ONLY');

  const flooded = await exhaust(() => put(stage, stage.ana, MODE, { mode: 'HARD_HALT' }, nobody));
  assert.equal(flooded.headers['ratelimit-policy'], '"address";q=200;w=12000');
  assert.ok(flooded.ms > 450, `told after ${flooded.ms} ms: a flood need not wait`);
  for (const mode of ['SOFT_HALT', 'HARD_HALT', 'HARD_HALT']) await quickHalt(stage, stage.ana, mode);
  // who is refused is not told whether the key is known
  await exhaust(() => put(stage, stage.ana, MODE, { mode: 'HARD_HALT' }, nobody));
  const forged = await put(stage, stage.ben, MODE, { mode: 'HARD_HALT' }, { keyid: stage.ana.keyid });
  assert.deepEqual([forged.status, forged.json.code, forged.headers['ratelimit-policy']], [429, 'rate-limited', '"address";q=200;w=12000']);
}));

test('what loosens, what is only tried and what is no halt leaves the lane of halts alone', within, () => withGate({ limits: { ...shared, preauth_burst: 100000, halt_burst: 3, halt_per_minute: 1, write_burst: 100 } }, async (stage) => {
  const lanes = async (signer, target, body, more) => {
    const answer = await put(stage, signer, target, body, more);
    assert.notEqual(answer.status, 429, answer.body);
    return /^"([a-z-]+)"/.exec(answer.headers.ratelimit)[1];
  };
  assert.equal(await lanes(stage.ana, MODE, { mode: 'CANCEL_ONLY' }), 'halt');
  for (let i = 0; i < 6; i++) {
    assert.equal(await lanes(stage.ana, MODE, { mode: 'NORMAL' }), 'admin-write');
    assert.equal(await lanes(stage.ana, MODE, { mode: 'NORMAL' }, { headers: { 'if-match': '"9999"' } }), 'admin-write');
    assert.equal(await lanes(stage.ana, `${MODE}?dry_run=true`, { mode: 'HARD_HALT' }), 'read');
    assert.equal(await lanes(stage.ana, '/v1/fanout/profile', { profile: 'normal' }), 'admin-write');
    assert.equal(await lanes(stage.ana, '/v1/upstreams/active', { active: 'primary' }), 'admin-write');
  }
  assert.equal(await lanes(stage.ana, '/v1/symbols/ETH%2FUSD/throttle', { order_rate_per_s: 5 }), 'halt');
  assert.equal(await lanes(stage.ana, MODE, { mode: 'HARD_HALT' }), 'halt');
  const ben = await stage.call(stage.ben, 'POST', '/v1/symbols:set-mode', { ...why, symbols: ['BTC/USD', 'ETH/USD'], mode: 'NORMAL' }, { headers: once() });
  assert.match(ben.headers.ratelimit, /^"admin-write"/);
}));

test('a dear call costs more, a session pays it too', within, () => withGate({ limits: { ...shared, preauth_burst: 5000, read_per_minute: 600, read_burst: 100, session_burst: 100, write_per_minute: 600 } }, async (stage) => {
  const left = (answer, name) => Number(new RegExp(`^"${name}";r=(\\d+)`).exec(answer.headers.ratelimit)[1]);
  const auditor = await newKey(stage, 'cleo', { scopes: ['audit.read', 'control.read'] });
  assert.equal(left(await stage.call(auditor, 'GET', '/v1/stats'), 'read') > 90, true);
  const first = await stage.call(auditor, 'GET', '/v1/audit/verify');
  assert.equal(first.status, 200, first.body);
  assert.ok(left(first, 'read') <= 60, first.headers.ratelimit);
  const refused = await until('no more', 10000, async () => { const a = await stage.call(auditor, 'GET', '/v1/audit/verify'); return a.status === 429 && a; });
  assert.ok(left(refused, 'read') < 50 && Number(refused.headers['retry-after']) >= 1, refused.headers.ratelimit);
  await until('a cheap one fits', 2000, async () => (await stage.call(auditor, 'GET', '/v1/stats')).status === 200);

  const dora = Person.make(stage, 'dora', 'auditor');
  assert.equal((await dora.logIn()).status, 200);
  const paid = await dora.call('GET', '/v1/audit/verify');
  assert.equal(paid.status, 200, paid.body);
  assert.ok(left(paid, 'session') <= 60, paid.headers.ratelimit);
  // what costs more than the burst costs all of it, or nobody could ever ask
  const slow = await stage.call(stage.admin, 'PUT', `/v1/keys/${auditor.keyid}/limits`, { rate_class: 'minimal', reason: 'a test of limits' });
  assert.equal(slow.status, 200, slow.body);
  await until('once it is full', 20000, async () => (await stage.call(auditor, 'GET', '/v1/audit/verify')).status === 200);
}));

test('calls that nobody signs are counted by address', within, () => onStage(async (stage) => {
  stage.writeSymbols(gateTape);
  await stage.startGateway({ limits: { public_per_minute: 6, public_burst: 8 } });
  const get = (target) => stage.get(`${stage.publicUrl}${target}`);
  const first = await get('/0/public/Time');
  assert.equal(first.headers['ratelimit-policy'], '"public";q=8;w=80');
  assert.equal(first.headers.ratelimit, '"public";r=7;t=10');
  assert.equal((await get('/v1/md/BTC-USD/book?depth=full')).headers.ratelimit.startsWith('"public";r=2;'), true, 'a whole book costs five');
  await get('/v1/limits');
  await get('/v1/status');
  const refused = await get('/v1/limits');
  assert.equal(refused.status, 429);
  assert.match(refused.headers['content-type'], /problem\+json/);
  assert.equal(JSON.parse(refused.body).status, 429);
  assert.match(refused.headers['retry-after'], /^([5-9]|10)$/);
  assert.match(refused.headers.ratelimit, /^"public";r=0;t=([5-9]|10)$/);
  const kraken = await get('/0/public/Time');
  assert.deepEqual([kraken.status, JSON.parse(kraken.body)], [200, { error: ['EAPI:Rate limit exceeded'] }]);
  assert.match(kraken.headers['retry-after'], /^([5-9]|10)$/);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('ratelimit_drop_total{class="public"}'), 2);
  assert.equal(metrics.get('ratelimit_taken_total{class="public"}'), 8);
  for (let i = 0; i < 20; i++) assert.equal((await stage.get(`${stage.adminUrl}/livez`)).status, 200);
  stage.reload({ limits: { public_per_minute: 60000, public_burst: 1000 } });
  await until('the new rate', 5000, async () => (await get('/v1/limits')).status === 200);
}));

// Of two gateways: the only one of its database asks behind the answer.
test('a key that is revoked while PostgreSQL is asked for its nonce has ended', within, () => withGate({ limits: { ...gateLimits.limits, gateways: 2 } }, async (stage) => {
  const psql = spawn('psql', [stage.dsn, '-X', '-q', '-t', '-A'], { stdio: ['pipe', 'pipe', 'ignore'] });
  psql.stdout.setEncoding('utf8');
  const sql = (text) => new Promise((resolve) => { psql.stdout.once('data', (line) => resolve(line.trim())); psql.stdin.write(`${text}\n`); });
  stage.agent = new https.Agent({ keepAlive: true }); // no handshakes: the gateway waits for PostgreSQL for 250 ms only
  try {
    for (let attempt = 1; ; attempt++) {
      const key = await newKey(stage, `end-${attempt}`);
      await Promise.all(Array.from({ length: 3 }, () => stage.call(key, 'GET', '/v1/stats')));
      const nonce = randomBytes(18).toString('base64url');
      // the same nonce in a transaction of ours: the gateway's insert waits for our end
      await sql(`BEGIN; INSERT INTO admin_nonces (key_id, nonce, expires_at) VALUES ('${key.keyid}', '${nonce}', now() + interval '1 minute'); SELECT 'held';`);
      let answered = false;
      const waiting = stage.call(key, 'GET', '/v1/stats', undefined, { nonce }).then((answer) => { answered = true; return answer; });
      while (!answered && await sql('SELECT count(*) FROM pg_locks WHERE NOT granted;') === '0');
      const revoked = await stage.call(stage.admin, 'POST', `/v1/keys/${key.keyid}/revoke`, { reason: 'a test of keys' });
      assert.equal(revoked.status, 200, revoked.body);
      while (!answered && (await stage.call(key, 'GET', '/v1/stats')).status !== 401);
      const late = answered;
      await sql("ROLLBACK; SELECT 'released';");
      const answer = await waiting;
      if (late && attempt < 20) continue;
      assert.equal(late, false, 'never in time');
      assert.deepEqual([answer.status, answer.json.code], [401, 'unauthenticated'], answer.body);
      return;
    }
  } finally {
    psql.stdin.end();
    stage.agent.destroy();
  }
}));
