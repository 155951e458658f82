// Who is calling, and how often: signatures, replays, limits, keys, tokens, revocation; real PostgreSQL, real Redis.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import ccxt from 'ccxt';
import { sleep, until } from './harness/gateway.mjs';
import { keysTape, newKey, withKeys } from './harness/keys.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';
const within = { timeout: 120000 };

const usable = (stage, key, target = '/v1/keys') => until(`key ${key.id}`, 3000, async () => (await stage.call(key.signer, 'GET', target)).status !== 401);

test('what is signed is served; what is not gets one clear answer', within, () => withKeys({ limits: { preauth_burst: 5000 } }, async (stage) => {
  const good = await stage.call(stage.admin, 'GET', '/v1/keys?state=active');
  assert.equal(good.status, 200);
  assert.deepEqual(good.json.keys.map((k) => k.id), [stage.keyId]);
  assert.match(good.headers.ratelimit, /^"read";r=\d+;t=\d+$/);
  const plain = await stage.get(`${stage.adminUrl}/v1/keys`);
  assert.equal(plain.status, 401);
  assert.match(plain.headers['content-type'], /problem\+json/);
  assert.match(plain.headers['www-authenticate'], /^Signature/);
  const bad = async (what, overrides, code, pattern, object) => {
    const answer = await stage.call(stage.admin, object ? 'POST' : 'GET', object ? '/v1/keys' : '/v1/keys?state=active', object, overrides);
    assert.equal(answer.status, 401, `${what}: ${answer.status} ${answer.body}`);
    assert.equal(answer.json.code, code, what);
    assert.match(answer.json.detail ?? answer.json.title, pattern, `${what}: ${answer.body}`);
    return answer;
  };
  const now = Math.floor(Date.now() / 1000);
  await bad('no query covered', { components: ['@method', '@authority', '@path'] }, 'unauthenticated', /@query/);
  await bad('no method covered', { components: ['@authority', '@path', '@query'] }, 'unauthenticated', /@method/);
  await bad('covered twice', { components: ['@method', '@method', '@authority', '@path', '@query'] }, 'unauthenticated', /twice/);
  await bad('old', { created: now - 120 }, 'clock-skew', /\d{4}|second|time/);
  await bad('from the future', { created: now + 3600 }, 'clock-skew', /./);
  await bad('tag', { tag: 'other' }, 'unauthenticated', /tag/);
  await bad('short nonce', { nonce: 'abc' }, 'unauthenticated', /nonce/);
  await bad('wrong algorithm', { alg: 'hmac-sha256' }, 'unauthenticated', /./);
  await bad('altered body', { body: '{"account":"evil"}' }, 'unauthenticated', /[Dd]igest/, { account: 'x' });
  await bad('digest missing', { components: ['@method', '@authority', '@path', '@query', 'content-type'] }, 'unauthenticated', /content-digest/, { account: 'x' });
  for (const name of ['if-match', 'idempotency-key']) { // what a change is based on, and what names it
    await bad(`${name} not covered`, { headers: { [name]: '"7"' }, components: ['@method', '@authority', '@path', '@query'] }, 'unauthenticated', new RegExp(name));
  }
  // swapped query: signed for one, sent for another
  const url = `${stage.adminUrl}/v1/keys`;
  const headers = stage.admin.headers('GET', `${url}?state=active`);
  const swapped = await stage.send('GET', `${url}?state=revoked`, headers);
  assert.equal(swapped.status, 401);
  // an unknown key and a bad signature look the same
  const unknown = await stage.call(stage.admin, 'GET', '/v1/keys', undefined, { keyid: 'pk_nobody' });
  const same = (a) => a.body.replace(/"(time|instance)":"[^"]*"/g, '');
  assert.equal(same(unknown), same(swapped));
  // a second label
  const twice = stage.admin.headers('GET', url);
  twice['signature-input'] += `, ${twice['signature-input'].replace('sig1', 'sig2')}`;
  twice.signature += `, ${twice.signature.replace('sig1', 'sig2')}`;
  assert.equal((await stage.send('GET', url, twice)).status, 401);
  const metrics = await stage.metrics();
  for (const [reason, n] of [['component_missing', 3], ['component_repeated', 1], ['clock_skew', 2], ['tag', 1], ['nonce', 1], ['digest_mismatch', 1],
    ['unknown_key', 1], ['label', 1]]) {
    assert.ok(metrics.get(`auth_fail_total{reason="${reason}"}`) >= n, `${reason}: ${metrics.get(`auth_fail_total{reason="${reason}"}`)}`);
  }
  assert.equal((await stage.call(stage.admin, 'GET', '/v1/nothing')).status, 404);
  const method = await stage.call(stage.admin, 'PUT', '/v1/keys', {});
  assert.equal(method.status, 405);
  assert.deepEqual(method.headers.allow.split(', ').sort(), ['GET', 'HEAD', 'POST']);
}));

test('a request is accepted once: in a race, on two replicas, with Redis stopped', within, () => withKeys({ limits: { preauth_burst: 5000 } }, async (stage) => {
  const other = await stage.replica();
  await until('the other one', 10000, async () => (await other.call(stage.admin, 'GET', '/v1/keys')).status === 200);
  const race = async (method, target, object, accepted) => {
    const body = object && JSON.stringify(object);
    const nonce = randomBytes(18).toString('base64url');
    // each replica has another authority: the same nonce, signed for both
    const tries = [stage, other].flatMap((s) => Array.from({ length: 10 }, () => s.send(method, `${s.adminUrl}${target}`, stage.admin.headers(method, `${s.adminUrl}${target}`, body, { nonce }), body)));
    const answers = await Promise.all(tries);
    const ok = answers.filter((a) => a.status < 300).length;
    assert.equal(ok, accepted, answers.map((a) => a.status).join(' '));
    return answers;
  };
  for (let i = 0; i < 5; i++) {
    const answers = await race('GET', '/v1/keys', undefined, 1);
    assert.ok(answers.some((a) => JSON.parse(a.body).code === 'replay-detected'));
  }
  stage.redis.kill('SIGSTOP');
  await sleep(300);
  const since = Date.now();
  const read = await stage.call(stage.admin, 'GET', '/v1/keys');
  assert.equal(read.status, 200);
  assert.ok(Date.now() - since < 300, `${Date.now() - since} ms without Redis`);
  const key = await newKey(stage, ['market']);
  for (let i = 0; i < 2; i++) {
    // PostgreSQL alone keeps a change from happening twice
    const rotate = { public_key: randomBytes(32).toString('base64'), overlap_s: 0, reason: 'rate class test' };
    const answers = await race('PUT', `/v1/keys/${key.id}/limits`, { rate_class: 'low', reason: rotate.reason }, 1);
    assert.ok(answers.every((a) => [200, 401, 429, 503].includes(a.status)), answers.map((a) => a.status).join(' '));
  }
  stage.redis.kill('SIGCONT');
  await until('shared again', 15000, async () => { // one request finds out
    await stage.call(stage.admin, 'GET', '/v1/keys');
    return (await stage.metrics()).get('ratelimit_breaker_open') === 0;
  });
}));

test('the life of a key: issued, limited to its scopes and addresses, rotated, revoked', within, () => withKeys({}, async (stage) => {
  const key = await newKey(stage, ['keys.read'], { label: 'reader', ip_allow: ['127.0.0.0/8'] });
  await usable(stage, key);
  assert.equal(key.record.state, 'active');
  const forbidden = await stage.call(key.signer, 'POST', '/v1/keys', { account: 'x', label: 'x', algorithm: 'ed25519', scopes: [], reason: 'not allowed to' });
  assert.equal(forbidden.status, 403);
  assert.match(forbidden.json.detail, /keys\.write/);
  const elsewhere = await newKey(stage, ['keys.read'], { ip_allow: ['10.0.0.0/8'] });
  await sleep(600);
  assert.equal((await stage.call(elsewhere.signer, 'GET', '/v1/keys')).status, 401);
  const usage = await until('usage', 6000, async () => (await stage.call(stage.admin, 'GET', `/v1/keys/${key.id}/usage`)).json.usage);
  assert.equal(usage.last_ip, '127.0.0.1');
  assert.match(usage.last_route, /\/v1\/keys/);
  // bad bodies name the field
  for (const [change, pointer] of [[{ scopes: ['all'] }, '/scopes'], [{ algorithm: 'rsa' }, '/algorithm'], [{ public_key: 'AAAA' }, '/public_key'],
    [{ ip_allow: ['10.0.0.1/8'] }, '/ip_allow'], [{ rate_class: 'huge' }, '/rate_class'], [{ not_after: 'tomorrow' }, '/not_after'], [{ account: 7 }, '/account']]) {
    const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'test', algorithm: 'ed25519', public_key: key.raw.toString('base64'), scopes: [], reason: 'a bad request', ...change });
    assert.equal(answer.status, 422, `${pointer}: ${answer.body}`);
    assert.equal(answer.json.errors?.[0].pointer, pointer, answer.body);
  }
  assert.equal((await stage.call(stage.admin, 'POST', '/v1/keys', { what: 1 })).status, 422);
  // rotation: both are good for the overlap
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const rotated = await stage.call(stage.admin, 'POST', `/v1/keys/${key.id}/rotate`, { public_key: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64'), overlap_s: 3, reason: 'yearly rotation' });
  assert.equal(rotated.status, 201, rotated.body);
  assert.equal(rotated.json.key.rotated_from, key.id);
  const file = path.join(stage.dir, 'next.pem');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const next = { id: rotated.json.key.id, signer: new Signer(rotated.json.key.id, file) };
  await usable(stage, next);
  assert.equal((await stage.call(key.signer, 'GET', '/v1/keys')).status, 200);
  await until('the end of the old one', 6000, async () => (await stage.call(key.signer, 'GET', '/v1/keys')).status === 401);
  assert.equal((await stage.call(next.signer, 'GET', '/v1/keys')).status, 200);
  // revocation
  assert.equal((await stage.call(stage.admin, 'POST', `/v1/keys/${next.id}/revoke`, { reason: 'short' })).status, 422);
  const revoked = await stage.call(stage.admin, 'POST', `/v1/keys/${next.id}/revoke`, { reason: 'lost on a train, says the desk' });
  assert.equal(revoked.json.key.state, 'revoked');
  await until('refused', 1000, async () => (await stage.call(next.signer, 'GET', '/v1/keys')).status === 401);
  assert.equal((await stage.call(stage.admin, 'POST', `/v1/keys/${next.id}/revoke`, { reason: 'once more, to be sure' })).status, 409);
  assert.equal(Number(stage.sql("SELECT count(*) FROM key_events WHERE action = 'bootstrap'")), 1);
  assert.ok(Number(stage.sql('SELECT count(*) FROM key_events')) >= 5);
}));

test('secrets: shown once, sealed at rest, in no log, metric or answer', within, () => withKeys({}, async (stage) => {
  const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'bot', label: 'hmac', algorithm: 'hmac-sha256', scopes: ['keys.read'], reason: 'a planted secret' });
  assert.equal(made.status, 201, made.body);
  const secret = Buffer.from(made.json.secret, 'base64');
  const bot = { id: made.json.key.id, signer: new Signer(made.json.key.id, { secret }) };
  await usable(stage, bot);
  assert.equal((await stage.call(bot.signer, 'GET', '/v1/keys')).status, 200);
  const dump = stage.sql('SELECT * FROM api_keys') + stage.sql('SELECT * FROM key_events');
  const { body } = await stage.get(`${stage.adminUrl}/metrics`);
  const shown = (await stage.call(stage.admin, 'GET', `/v1/keys/${bot.id}`)).body;
  for (const form of [made.json.secret, secret.toString('hex'), secret.toString('base64url')]) {
    for (const [where, text] of [['database', dump], ['metrics', body], ['answer', shown], ['log', stage.gateway.errors]]) {
      assert.ok(!text.includes(form), `the secret is in the ${where}`);
    }
  }
  // with another master key the row opens nothing
  stage.program('--make-master-key', path.join(stage.dir, 'other.key'));
  await stage.stopGateway();
  await stage.startGateway({ auth: { database: stage.dsn, master_key_file: path.join(stage.dir, 'other.key') } });
  await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
  assert.equal((await stage.call(bot.signer, 'GET', '/v1/keys')).status, 401);
}));

test('WebSocket tokens: once, for the scopes of their key; revocation closes 4003 on every replica', within, () => withKeys({ ws: { interval_0_for_all: false } }, async (stage) => {
  const other = await stage.replica({ ws: { interval_0_for_all: false } });
  stage.feed(...keysTape);
  await stage.applied(20);
  const key = await newKey(stage, ['ws.token', 'ws.fast', 'market']);
  await until('usable', 3000, async () => (await stage.call(key.signer, 'POST', '/v1/ws-token')).status === 200);
  const token = async () => (await stage.call(key.signer, 'POST', '/v1/ws-token')).json.token;
  const open = async (where, privately, text) => {
    const client = await Client.connect(where, { url: where.wsUrl.replace(/\/v2$/, privately ? '/v2/private' : '/v2') });
    const answer = await client.subscribe({ channel: 'book', symbol: [SYMBOL], gw: { interval_ms: 0 }, ...(text ? { token: text } : {}) });
    return { client, answer };
  };
  const first = await token();
  const one = await open(stage, true, first);
  assert.ok(one.answer.success, one.answer.error);
  await one.client.waitFor((m) => m.channel === 'book' && m.type === 'snapshot');
  assert.ok((await one.client.subscribe({ channel: 'trade', symbol: [SYMBOL], token: first })).success, 'the same token on the same connection');
  for (const [privately, text, error] of [[true, first, 'ESession:Invalid session'], [true, 'x'.repeat(43), 'ESession:Invalid session'],
    [true, undefined, 'EGeneral:Permission denied'], [false, undefined, 'EGeneral:Permission denied']]) {
    const { client, answer } = await open(stage, privately, text);
    assert.equal(answer.error, error);
    client.close();
  }
  const two = await open(other, false, await token());
  assert.ok(two.answer.success, two.answer.error);
  const stranger = await Client.connect(stage);
  assert.ok((await stranger.subscribe({ channel: 'book', symbol: [SYMBOL] })).success);
  const unused = await token();
  const since = Date.now();
  await stage.call(stage.admin, 'POST', `/v1/keys/${key.id}/revoke`, { reason: 'revoked in a test' });
  for (const { client } of [one, two]) assert.equal((await client.closed).code, 4003);
  assert.ok(Date.now() - since < 1500, `${Date.now() - since} ms`);
  const late = await open(stage, true, unused);
  assert.equal(late.answer.error, 'ESession:Invalid session');
  assert.equal(stranger.socket.readyState, 1);
  assert.equal((await stage.metrics()).get('ws_close_total{reason="KEY_REVOKED"}'), 1);
  stage.reload({ ws: { require_token: true, interval_0_for_all: false } });
  await until('strangers are out', 5000, async () => (await (await Client.connect(stage)).subscribe({ channel: 'book', symbol: [SYMBOL] })).error === 'EGeneral:Permission denied');
  stranger.close();
  late.client.close();
}));

test("Kraken's scheme: ccxt obtains a token and subscribes with it; nonces only rise", within, () => withKeys({}, async (stage) => {
  const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'bot', label: 'ccxt', algorithm: 'hmac-sha512-kraken', scopes: ['ws.token', 'market'], reason: 'a key for ccxt' });
  assert.equal(made.status, 201, made.body);
  stage.feed(...keysTape);
  await stage.applied(20);
  process.env.NODE_EXTRA_CA_CERTS = stage.ca;
  const exchange = new ccxt.kraken({ apiKey: made.json.key.id, secret: made.json.secret });
  const pathname = '/0/private/GetWebSocketsToken';
  const ask = async (nonce, change = {}) => {
    exchange.nonce = () => nonce;
    const request = exchange.sign('GetWebSocketsToken', 'private', 'POST', {});
    const answer = await stage.send('POST', `${stage.publicUrl}${pathname}`, { ...request.headers, ...change.headers }, change.body ?? request.body);
    return JSON.parse(answer.body);
  };
  const now = Date.now();
  const given = await until('a token', 3000, async () => {
    const answer = await ask(Date.now());
    return answer.error.length === 0 && answer;
  });
  assert.ok(given.result.expires > 0);
  const client = await Client.connect(stage, { url: stage.wsUrl.replace(/\/v2$/, '/v2/private') });
  assert.ok((await client.subscribe({ channel: 'book', symbol: [SYMBOL], token: given.result.token })).success);
  client.close();
  assert.deepEqual((await ask(now - 1000)).error, ['EAPI:Invalid nonce']);
  assert.deepEqual((await ask(Date.now() + 3600 * 1000)).error, ['EAPI:Invalid nonce']);
  assert.deepEqual((await ask(Date.now() + 10)).error, []); // the far one burnt nothing
  assert.deepEqual((await ask(Date.now() + 20, { headers: { 'API-Key': 'pk_nobody' } })).error, ['EAPI:Invalid key']);
  assert.deepEqual((await ask(Date.now() + 30, { body: `nonce=${Date.now() + 31}` })).error, ['EAPI:Invalid key']);
  const other = JSON.parse((await stage.send('POST', `${stage.publicUrl}/0/private/Balance`, {}, 'nonce=1')).body);
  assert.deepEqual(other.error, ['EGeneral:Unknown method']);
  // never for administration
  assert.equal((await stage.send('GET', `${stage.adminUrl}/v1/keys`, { 'API-Key': made.json.key.id })).status, 401);
}));

// However slow this machine is, no bucket of the gateway's own steps in for Redis.
const shared = { deadline: '1s', slow: '1s', failures: 1000 };

test('limits: told in headers, refused with Retry-After; halts have their own lane', within, () => withKeys({ limits: { ...shared, write_per_minute: 6, write_burst: 3 } }, async (stage) => {
  const key = await newKey(stage, ['market']);
  const statuses = [];
  let refused;
  for (let i = 0; i < 6; i++) {
    const answer = await stage.call(stage.admin, 'PUT', `/v1/keys/${key.id}/limits`, { rate_class: 'low', reason: 'a test of limits' });
    statuses.push(answer.status);
    if (answer.status === 429) refused = answer;
  }
  assert.equal(statuses.filter((s) => s === 200).length, 2, statuses.join(' '));
  assert.equal(refused.json.code, 'rate-limited');
  assert.ok(Number(refused.headers['retry-after']) >= 1 && Number(refused.headers['retry-after']) <= 10);
  assert.match(refused.headers['ratelimit-policy'], /^"admin-write";q=3;w=30$/);
  assert.match(refused.headers.ratelimit, /^"admin-write";r=0;t=\d+$/);
  const revoked = await stage.call(stage.admin, 'POST', `/v1/keys/${key.id}/revoke`, { reason: 'tightening is never short of room' });
  assert.equal(revoked.status, 200, revoked.body);
}));

test('PostgreSQL stopped: who is known stays known; changes say so and are not made', within, () => withKeys({}, async (stage) => {
  const key = await newKey(stage, ['ws.token', 'keys.read']);
  await usable(stage, key);
  const pid = Number(readFileSync(path.join(stage.dir, 'pg/data/postmaster.pid'), 'utf8').split('\n')[0]);
  const all = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).trim().split('\n').map(Number);
  for (const p of [...all, pid]) process.kill(p, 'SIGSTOP');
  try {
    // Redis vouches for the nonce; on a busy machine it may once be too slow for that, and then nobody does
    await until('a token', 5000, async () => (await stage.call(key.signer, 'POST', '/v1/ws-token')).status === 200);
    const since = Date.now();
    const change = await stage.call(stage.admin, 'PUT', `/v1/keys/${key.id}/limits`, { rate_class: 'low', reason: 'nobody will hear' });
    assert.equal(change.status, 503, change.body);
    assert.ok(Date.now() - since < 6000);
  } finally {
    for (const p of [pid, ...all]) process.kill(p, 'SIGCONT');
  }
  await until('again', 10000, async () => (await stage.call(stage.admin, 'PUT', `/v1/keys/${key.id}/limits`, { rate_class: 'low', reason: 'now they do' })).status === 200);
}));
