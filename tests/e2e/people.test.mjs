// People: log-in, cookie, CSRF, roles x routes, four eyes, sessions while the stores are dead, users and their review, all
// against the real gateway, PostgreSQL and Redis. The code of the second factor is computed here.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, onStage, sleep, until } from './harness/gateway.mjs';
import { Person, totp } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const within = { timeout: 240000 };
const MODE = `/v1/symbols/${encodeURIComponent('BTC/USD')}/mode`;
const why = { reason: 'a test of people', ticket: 'OPS-1' };
const wide = { login_burst: 2000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, halt_burst: 1000, halt_per_minute: 60000,
  preauth_burst: 5000, read_burst: 1000, write_burst: 1000 };

function withPeople(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    stage.people = (name, roles) => Person.make(stage, name, roles);
    await stage.startGateway({ ...overrides, limits: { ...wide, ...overrides.limits } });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/stats')).status === 200);
    await body(stage);
  });
}

const shown = (answer) => `${answer.status} ${answer.body}`;
function is(answer, status, code) {
  assert.equal(answer.status, status, shown(answer));
  if (code) assert.equal(answer.json?.code, code, shown(answer));
  return answer;
}
const put = (who, target, body, match = '*') => who.call('PUT', target, body, { 'if-match': match });

async function ownedKey(stage, who, owner, scopes) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const body = { account: 'desk', label: 'a key', algorithm: 'ed25519', owner, scopes, reason: 'a test of people',
    public_key: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64') };
  const answer = who instanceof Signer ? await stage.call(who, 'POST', '/v1/keys', body) : await who.call('POST', '/v1/keys', body);
  if (answer.status !== 201) return { answer };
  const signer = new Signer(answer.json.key.id, file);
  await until('the key', 3000, async () => (await stage.call(signer, 'GET', '/v1/session')).status === 200);
  return { answer, signer };
}

test('log-in: what a session is; what is wrong looks alike; a code is good once; a lock', within, () => withPeople({}, async (stage) => {
  const ana = stage.people('ana', 'operator,approver');
  const answer = is(await ana.logIn(), 200);
  assert.match(answer.headers['set-cookie'][0], /^__Host-sid=[A-Za-z0-9_-]{43}; Secure; HttpOnly; SameSite=Strict; Path=\/$/);
  assert.equal(answer.headers['set-cookie'].length, 1);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.deepEqual(answer.json.roles, ['operator', 'approver']);
  assert.ok(answer.json.permissions.includes('control.loosen') && !answer.json.permissions.includes('keys.write'));
  assert.deepEqual([answer.json.user, answer.json.must_choose_password, answer.json.must_enrol, answer.json.failed_before], ['ana', false, false, 0]);
  const [idle, ends, made] = ['idle_at', 'ends_at', 'created_at'].map((name) => Date.parse(answer.json[name]));
  assert.ok(Math.abs(idle - made - 900e3) < 2000 && Math.abs(ends - made - 8 * 3600e3) < 2000, answer.body);
  assert.ok(!answer.body.includes(ana.cookie), 'the token is in the cookie alone');
  const me = is(await ana.call('GET', '/v1/session'), 200);
  assert.equal(me.json.csrf, answer.json.csrf, 'a page that was loaded anew can act');

  const same = (a) => { const { instance, time, ...rest } = a.json; return JSON.stringify([a.status, rest, Object.keys(a.headers).sort()]); };
  const fresh = await ana.code();
  const bad = new Person(stage, 'ana', ana.password, ana.secret);
  const wrong = [
    await bad.logIn({ password: 'not the password', code: fresh }),
    await bad.logIn({ code: '000000' }),
    await bad.logIn({ code: '' }),
    await bad.logIn({ name: 'nobody', code: fresh }),
    await bad.logIn({ name: 'No such name!', code: fresh }),
  ];
  assert.deepEqual([...new Set(wrong.map(same))].length, 1, wrong.map(shown).join('\n'));
  is(wrong[0], 401, 'unauthenticated');
  assert.equal(wrong[0].headers['set-cookie'], undefined);

  is(await bad.logIn({ code: fresh }), 200); // it was right all the time: nobody had used it up
  const again = await bad.logIn({ code: fresh });
  assert.equal(same(again), same(wrong[0]), 'a code that was used is a wrong one');

  const ben = stage.people('ben', 'viewer');
  for (let i = 0; i < 5; i++) is(await ben.logIn({ password: `wrong ${i}`, code: '123456' }), 401);
  assert.equal(same(await ben.logIn()), same(wrong[0]), 'locked, and that is not told');
  is(await ana.call('GET', '/v1/session'), 200); // who is there stays there

  is(await bad.call('POST', '/v1/session', { name: 'ana', password: 'x', code: '1', role: 'admin' }), 422, 'validation');
  is(await bad.call('POST', '/v1/session', { name: 'ana', password: ['x'] }), 422, 'validation');
  // no cookie, a cookie that opens nothing, one that is none, one of them twice: all as if there were none
  const none = await stage.send('GET', `${stage.adminUrl}/v1/stats`, {});
  for (const cookie of [`__Host-sid=${'A'.repeat(43)}`, '__Host-sid=', '__Host-sid=x; a=b', `sid=${ana.cookie}`, `__Host-sid=${ana.cookie}; __Host-sid=${ana.cookie}`]) {
    const other = await stage.send('GET', `${stage.adminUrl}/v1/stats`, { cookie });
    assert.deepEqual([other.status, JSON.parse(other.body).title], [401, JSON.parse(none.body).title], cookie);
  }
  const old = ana.cookie;
  is(await ana.call('DELETE', '/v1/session'), 200);
  assert.equal(ana.cookie, undefined, 'the cookie is taken away');
  is(await ana.call('GET', '/v1/stats', undefined, { cookie: `__Host-sid=${old}` }), 401);
}));

test('log-ins of an address are limited', within, () => withPeople({ limits: { login_burst: 5, login_per_minute: 10 } }, async (stage) => {
  const ana = stage.people('ana', 'viewer');
  const seen = [];
  for (let i = 0; i < 7; i++) seen.push(await ana.logIn({ name: `nobody${i}`, code: '000000' }));
  assert.deepEqual(seen.map((a) => a.status), [401, 401, 401, 401, 401, 429, 429]);
  assert.ok(Number(seen[6].headers['retry-after']) > 0);
}));

test('CSRF: each of the marks of our own page is required on each change', within, () => withPeople({}, async (stage) => {
  const ana = stage.people('ana', 'operator');
  is(await ana.logIn(), 200);
  const halt = (headers) => ana.call('PUT', MODE, { mode: 'SOFT_HALT', ...why }, { 'if-match': '*', ...headers });
  const host = new URL(stage.adminUrl).host;
  const bad = [
    [{ origin: undefined }, 403, 'cross-site'], [{ origin: 'null' }, 403, 'cross-site'], [{ origin: 'https://evil.example' }, 403, 'cross-site'],
    [{ origin: `http://${host}` }, 403, 'cross-site'], [{ origin: stage.publicUrl }, 403, 'cross-site'], [{ origin: `${stage.adminUrl}.evil.example` }, 403, 'cross-site'],
    [{ origin: `${stage.adminUrl}/` }, 403, 'cross-site'],
    [{ 'sec-fetch-site': 'cross-site' }, 403, 'cross-site'], [{ 'sec-fetch-site': 'same-site' }, 403, 'cross-site'], [{ 'sec-fetch-site': 'none' }, 403, 'cross-site'],
    [{ 'x-csrf-token': undefined }, 403, 'cross-site'], [{ 'x-csrf-token': '' }, 403, 'cross-site'], [{ 'x-csrf-token': 'A'.repeat(43) }, 403, 'cross-site'],
    [{ 'x-csrf-token': ana.cookie }, 403, 'cross-site'],
    [{ 'content-type': 'text/plain' }, 415, 'media-type'], [{ 'content-type': undefined }, 415, 'media-type'],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 415, 'media-type'], [{ 'content-type': 'application/json; charset=utf-8' }, 415, 'media-type'],
  ];
  for (const [headers, status, code] of bad) {
    is(await halt(headers), status, code);
    for (const [method, target, body] of [['DELETE', '/v1/session', undefined], ['POST', '/v1/session/factor', { code: '000000' }]]) {
      is(await ana.call(method, target, body, headers), status, code);
    }
    if (!('x-csrf-token' in headers)) is(await ana.call('POST', '/v1/session', { name: 'ana', password: 'x', code: '' }, headers), status, code);
  }
  const state = is(await ana.call('GET', MODE), 200);
  assert.ok(!/HALT/.test(state.body), 'nothing happened');
  is(await ana.call('GET', `${MODE}?mode=SOFT_HALT`), 200); // a GET changes nothing
  assert.equal((await ana.call('GET', MODE)).body, state.body);
  is(await halt({ 'sec-fetch-site': undefined }), 200); // a browser that does not send it
  is(await ana.call('GET', '/v1/session'), 200);
}));

// The tables of the program, as it prints them.
function table(text, columns) {
  return text.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
    .filter((cells) => cells.length >= columns).map((cells) => cells.map((cell) => /^`([^`]*)`$/.exec(cell)?.[1] ?? cell));
}

test('every role x every route: the verdict is that of the table of roles', within, () => withPeople({}, async (stage) => {
  const routes = table(stage.program('--describe', 'routes'), 5).filter(([method, , permission]) => /^(GET|POST|PUT|DELETE)$/.test(method) && permission.includes('.'));
  const matrix = table(stage.program('--describe', 'roles'), 12);
  const names = matrix.find((row) => row[0] === 'permission').slice(4);
  const may = new Map(matrix.filter((row) => row[0].includes('.')).map((row) => [row[0], new Set(names.filter((_, i) => row[4 + i] === 'x'))]));
  assert.ok(routes.length >= 48 && may.size === 28 && names.length === 8, `${routes.length} routes, ${may.size} permissions, ${names.length} roles`);
  let cells = 0;
  const wrong = [];
  for (const role of names.filter((name) => name !== 'break_glass')) {
    const person = stage.people(`a-${role}`, role);
    is(await person.logIn(), 200);
    assert.deepEqual(person.cookie.length, 43);
    for (const [method, pattern, permission] of routes) {
      if (pattern === '/v1/admin/events') continue; // an answer without end: events.test.mjs
      const target = pattern.replace('{symbol}', 'NO%2FSUCH').replace('{name}', 'nobody').replace('{role}', 'viewer').replace('{id}', 'none');
      const answer = await person.call(method, target, method === 'GET' ? undefined : {});
      const allowed = permission.split(' or ').some((word) => may.get(word).has(role)); // a change: by its direction
      const refused = answer.status === 403 && answer.json.code === 'forbidden-role';
      cells++;
      if (allowed === refused || answer.status === 401 || (answer.status >= 500 && pattern !== '/v1/audit/verify')) {
        wrong.push(`${role} ${method} ${target} (${permission}): ${shown(answer)}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
  console.log(`${cells} verdicts, ${routes.length} routes`);
  const anybody = await stage.send('GET', `${stage.adminUrl}/v1/stats`, {});
  for (const [method, pattern] of routes) { // and without any session: always the same
    const answer = await stage.send(method, `${stage.adminUrl}${pattern.replace(/\{\w+\}/, 'x').replace(/\{\w+\}/, 'y')}`, { origin: stage.adminUrl, 'content-type': 'application/json' }, method === 'GET' ? undefined : '{}');
    assert.deepEqual([answer.status, JSON.parse(answer.body).title], [401, JSON.parse(anybody.body).title], pattern);
  }
}));

test('four eyes: neither two keys of one owner nor her session and her key are two persons', within, () => withPeople({}, async (stage) => {
  const approve = (signer, target, body) => stage.call(signer, 'POST', target, body, { headers: { 'idempotency-key': randomUUID() } });
  const ana = stage.people('ana', 'operator,approver,security');
  const ben = stage.people('ben', 'operator,approver');
  is(await ana.logIn(), 200);
  is(await ben.logIn(), 200);
  const scopes = ['control.read', 'control.halt', 'control.open'];
  const one = await ownedKey(stage, stage.admin, 'ana', scopes);
  const two = await ownedKey(stage, ana, 'ana', scopes);
  is(one.answer, 201);
  is(two.answer, 201);
  // who may issue keys does not get another's voice by that
  for (const owner of ['ben', undefined]) is((await ownedKey(stage, ana, owner, scopes)).answer, 403, 'forbidden-role');
  const bens = await ownedKey(stage, stage.admin, 'ben', scopes);
  const pub = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
  is(await ana.call('POST', `/v1/keys/${bens.signer.keyid}/rotate`, { public_key: pub, overlap_s: 60, reason: 'a test of people' }), 403, 'forbidden-role');

  const halted = is(await put(ana, MODE, { mode: 'SOFT_HALT', ...why }), 200);
  const ask = async () => {
    const asked = is(await put(ana, MODE, { mode: 'CANCEL_ONLY', ...why }, (await ana.call('GET', MODE)).headers.etag), 202);
    assert.match(asked.headers.location, /^\/v1\/changes\//);
    const list = is(await ben.call('GET', '/v1/changes?open=true'), 200);
    return { target: `${asked.headers.location}/approve`, body: { hash: list.json.changes[0].hash } };
  };
  assert.equal(halted.json.outcome, 'done');
  const change = await ask();
  is(await ana.call('POST', change.target, change.body), 403, 'self-approval');
  is(await approve(one.signer, change.target, change.body), 403, 'self-approval');
  is(await approve(two.signer, change.target, change.body), 403, 'self-approval');
  is(await ben.call('POST', change.target, change.body), 200);
  // the other way: asked with one key, approved with the other
  is(await put(ana, MODE, { mode: 'SOFT_HALT', ...why }), 200);
  const etag = (await ana.call('GET', MODE)).headers.etag;
  const asked = is(await stage.call(one.signer, 'PUT', MODE, { mode: 'CANCEL_ONLY', ...why }, { headers: { 'if-match': etag } }), 202);
  const hash = (await ben.call('GET', '/v1/changes?open=true')).json.changes[0].hash;
  is(await approve(two.signer, `${asked.headers.location}/approve`, { hash }), 403, 'self-approval');
  is(await ana.call('POST', `${asked.headers.location}/approve`, { hash }), 403, 'self-approval');
  is(await approve(bens.signer, `${asked.headers.location}/approve`, { hash }), 200);
  const chain = is(await stage.call(stage.admin, 'GET', '/v1/audit?action=symbol.mode&outcome=approved&limit=2'), 200);
  assert.deepEqual(chain.json.entries.map((e) => e.actor), [`key:${bens.signer.keyid}`, 'user:ben']);
}));

test('a known session tightens with PostgreSQL and Redis dead; loosening and log-ins are refused', within, () => withPeople({}, async (stage) => {
  const ana = stage.people('ana', 'operator,approver,security');
  const ben = stage.people('ben', 'operator,approver');
  is(await ana.logIn(), 200);
  is(await ben.logIn(), 200);
  is(await put(ana, MODE, { mode: 'SOFT_HALT', ...why }), 200);
  await stage.killPostgres();
  await stage.killRedis();
  const times = [];
  for (let i = 0; i < 20; i++) {
    const target = `/v1/symbols/${encodeURIComponent(i % 2 ? 'BTC/USD' : 'ETH/USD')}/mode`;
    const begun = process.hrtime.bigint();
    const answer = await put(i % 3 ? ana : ben, target, { mode: i < 2 ? 'HARD_HALT' : i % 2 ? 'DELIST' : 'HARD_HALT', ...why });
    times.push(Number(process.hrtime.bigint() - begun) / 1e6);
    assert.ok([200, 202].includes(answer.status) && ['journaled', 'nothing', 'done'].includes(answer.json.outcome) || answer.json.code === 'validation', shown(answer));
  }
  const first = is(await put(ana, '/v1/kill-switch', { engaged: true, scope: 'global', ...why }), 202);
  assert.equal(first.json.outcome, 'journaled', first.body);
  times.sort((a, b) => a - b);
  console.log(`tightening with both dead: median ${times[10].toFixed(1)} ms, worst ${times[19].toFixed(1)} ms`);
  is(await ana.call('GET', '/v1/stats'), 200);
  is(await ana.call('GET', '/v1/session'), 200);
  await sleep(3500); // what PostgreSQL said last is too old now
  is(await put(ana, MODE, { mode: 'CANCEL_ONLY', ...why }, (await ana.call('GET', MODE)).headers.etag), 503, 'sessions-stale');
  is(await ben.call('POST', '/v1/kill-switch/release-requests', { scope: 'global', ...why }, { 'idempotency-key': 'one' }), 503, 'sessions-stale');
  is(await ana.call('GET', '/v1/users'), 503, 'sessions-stale');
  is(await ana.call('POST', '/v1/ws-token', {}), 503, 'sessions-stale');
  is(await ana.logIn(), 503);
  await stage.restartPostgres();
}));

test('users: created, choose a password, enrol, hold roles by two persons, take one up, are reset and disabled', within, () => withPeople({ people: { issuer: 'Test Exchange' } }, async (stage) => {
  const sue = stage.people('sue', 'security');
  const tom = stage.people('tom', 'security,auditor');
  is(await sue.logIn(), 200);
  is(await tom.logIn(), 200);
  is(await sue.call('POST', '/v1/users', { name: 'Bad Name', label: 'x' }), 422, 'validation');
  is(await sue.call('POST', '/v1/users', { name: 'uma', label: 'Uma', extra: 1 }), 422, 'validation');
  const made = is(await sue.call('POST', '/v1/users', { name: 'uma', label: 'Uma Thule', ...why }), 201);
  is(await sue.call('POST', '/v1/users', { name: 'uma', label: 'Uma Thule' }), 409, 'conflict');
  const uma = new Person(stage, 'uma', made.json.password, undefined);
  const first = is(await uma.logIn({ code: '' }), 200);
  assert.deepEqual([first.json.must_choose_password, first.json.must_enrol, first.json.permissions], [true, true, []]);
  is(await uma.call('GET', '/v1/stats'), 403, 'enrolment-required');
  is(await uma.call('POST', '/v1/session/password', { old: made.json.password, password: 'short' }), 422, 'validation');
  const cookie = uma.cookie;
  is(await uma.call('POST', '/v1/session/password', { old: made.json.password, password: 'a long sentence of hers' }), 200);
  uma.password = 'a long sentence of hers';
  assert.notEqual(uma.cookie, cookie);
  is(await uma.call('GET', '/v1/session', undefined, { cookie: `__Host-sid=${cookie}` }), 401); // the old token is void
  const shownOnce = is(await uma.call('POST', '/v1/session/enrol', {}), 200);
  assert.match(shownOnce.json.uri, /^otpauth:\/\/totp\/Test%20Exchange:uma\?secret=/);
  uma.secret = shownOnce.json.secret;
  is(await uma.call('POST', '/v1/session/enrol/confirm', { code: '000000' }), 401);
  const enrolled = is(await uma.call('POST', '/v1/session/enrol/confirm', { code: await uma.code() }), 200);
  assert.equal(enrolled.json.recovery_codes.length, 10);
  assert.equal(enrolled.json.must_enrol, false);

  const roles = (who, name, body) => who.call('POST', `/v1/users/${name}/roles`, { ...why, ...body });
  is(await roles(sue, 'sue', { role: 'operator' }), 403, 'not-for-oneself');
  is(await roles(sue, 'uma', { role: 'king' }), 422, 'validation');
  is(await roles(sue, 'uma', { role: 'break_glass' }), 422, 'validation'); // it can only be taken up: that does not wait for anybody
  is(await roles(sue, 'uma', { role: 'operator' }), 200);
  is(await roles(sue, 'uma', { role: 'approver' }), 202);
  is(await roles(sue, 'uma', { role: 'approver' }), 202); // herself again: still one person
  const sues = await ownedKey(stage, stage.admin, 'sue', ['people.write', 'people.read']);
  is(await stage.call(sues.signer, 'POST', '/v1/users/uma/roles', { role: 'approver', ...why }), 202); // and by a key of hers
  is(await stage.call(sues.signer, 'POST', '/v1/users/sue/roles', { role: 'operator', ...why }), 403, 'not-for-oneself');
  is(await stage.call(sues.signer, 'POST', '/v1/users/sue/reset', why), 403, 'not-for-oneself');
  is(await roles(tom, 'uma', { role: 'approver' }), 200);
  assert.deepEqual((await uma.call('GET', '/v1/session')).json.roles, ['operator', 'approver']);
  is(await roles(sue, 'uma', { role: 'admin', kind: 'eligible' }), 202);
  is(await roles(tom, 'uma', { role: 'admin', kind: 'eligible' }), 200);
  const up = (body) => uma.call('POST', '/v1/session/elevate', body);
  is(await uma.call('GET', '/v1/users'), 403, 'forbidden-role');
  is(await up({ role: 'admin', seconds: 60, ...why }), 422, 'validation');
  is(await up({ role: 'admin', seconds: 900, reason: why.reason }), 422, 'validation');
  is(await up({ role: 'security', seconds: 900, ...why }), 403, 'not-eligible');
  const elevated = is(await up({ role: 'admin', seconds: 900, ...why }), 200);
  assert.ok(elevated.json.roles.includes('admin') && Date.parse(elevated.json.elevated_until) - Date.now() > 890e3, elevated.body);
  is(await uma.call('GET', '/v1/users'), 200);
  is(await sue.call('DELETE', '/v1/users/uma/roles/admin', { ...why, confirm: 'uma' }), 422, 'validation');
  is(await sue.call('DELETE', '/v1/users/uma/roles/admin', { ...why, confirm: 'admin' }), 200);
  is(await uma.call('GET', '/v1/users'), 403, 'forbidden-role');

  // sessions: listed, killed; the killed one is refused at once
  const list = is(await sue.call('GET', '/v1/sessions?user=uma'), 200);
  assert.equal(list.json.sessions.length, 1);
  is(await uma.call('DELETE', `/v1/sessions/${list.json.sessions[0].session}`, why), 403, 'forbidden-role');
  is(await sue.call('DELETE', `/v1/sessions/${list.json.sessions[0].session}`, why), 200);
  is(await uma.call('GET', '/v1/session'), 401);
  is(await sue.call('DELETE', `/v1/sessions/${list.json.sessions[0].session}`, why), 404, 'not-found');
  is(await uma.logIn(), 200);

  // the review: read, signed off by its hash; refused when it has moved
  const review = is(await sue.call('GET', '/v1/access/review'), 200);
  assert.deepEqual(review.json.content.users.map((u) => u.name), ['sue', 'tom', 'uma']);
  is(await tom.call('POST', '/v1/access/review/sign', { hash: '0'.repeat(64), note: 'all as it should be' }), 409, 'version-conflict');
  is(await sue.call('POST', '/v1/access/review/sign', { hash: review.json.hash, note: 'all as it should be', confirm: 'sign' }), 422, 'validation');
  is(await sue.call('POST', '/v1/access/review/sign', { hash: review.json.hash, note: 'all as it should be', confirm: 'SIGN' }), 200);

  is(await sue.call('POST', '/v1/users/uma/disable', { ...why, confirm: 'Uma' }), 422, 'validation'); // what was typed is compared
  is(await sue.call('POST', '/v1/users/uma/roles', { role: 'viewer', ...why, confirm: 'uma' }), 422, 'validation');
  is(await sue.call('POST', '/v1/users/uma/disable', { ...why, confirm: 'uma' }), 200);
  is(await uma.call('GET', '/v1/session'), 401);
  is(await uma.logIn({ code: '000000' }), 401);
  is(await sue.call('POST', '/v1/users/sue/disable', why), 403, 'not-for-oneself');
  is(await sue.call('POST', '/v1/users/uma/enable', why), 200);
  const reset = is(await sue.call('POST', '/v1/users/uma/reset', { ...why, second_factor: true }), 200);
  uma.password = reset.json.password;
  assert.equal(is(await uma.logIn({ code: '' }), 200).json.must_enrol, true);

  // all of it is in the chain, in one piece, and refusals too
  const wanted = ['user.create', 'session.open', 'user.password', 'user.factor_show', 'user.factor', 'role.grant', 'role.elevate', 'role.end', 'session.kill', 'access.sign', 'user.disable', 'user.enable', 'user.reset'];
  const entries = is(await tom.call('GET', '/v1/audit?limit=200'), 200).json.entries;
  for (const action of wanted) assert.ok(entries.some((e) => e.action === action && e.outcome === 'done'), action);
  const granted = entries.find((e) => e.action === 'role.grant' && e.outcome === 'approved' && e.target === 'user:uma' && e.after.role === 'approver');
  assert.equal(granted.actor, 'user:tom');
  assert.equal(granted.approvals.length, 1);
  const [{ requested_by, requested_with, request, sha256 }] = granted.approvals;
  assert.deepEqual([requested_by, requested_with], ['user:sue', 'user:sue']);
  const asked = entries.filter((e) => e.action === 'role.grant' && e.outcome === 'requested' && e.after.request === request);
  assert.deepEqual(asked.map((e) => [e.actor, e.target, e.after.sha256]), [['user:sue', 'user:uma', sha256]], 'asked for once, whatever she repeated');
  assert.ok(entries.some((e) => e.action === 'session.open' && e.outcome === 'denied'));
  assert.equal(is(await tom.call('GET', '/v1/audit/verify'), 200).json.verdict ?? 'ok', 'ok');
  // and no secret is anywhere
  const heap = [stage.gateway.output, stage.gateway.errors, JSON.stringify(entries), (await stage.get(`${stage.adminUrl}/metrics`)).body, readFileSync(stage.config, 'utf8'),
    stage.sql("SELECT coalesce(string_agg(t::text, ''), '') FROM (SELECT row_to_json(u) AS t FROM users u UNION ALL SELECT row_to_json(s) FROM user_sessions s UNION ALL SELECT row_to_json(c) FROM user_recovery_codes c) x")].join('\n');
  const secrets = { cookie: uma.cookie, csrf: uma.csrf, made: made.json.password, chosen: 'a long sentence of hers', reset: reset.json.password, secret: uma.secret, sues: sue.secret, password: sue.password,
    old: cookie, code: enrolled.json.recovery_codes[0], hers: sue.recovery[3], sueCookie: sue.cookie };
  for (const [what, secret] of Object.entries(secrets)) assert.ok(!heap.includes(secret), what);
}));

test('the second factor has to be fresh for what loosens; a renewed session has a new token', within, () => withPeople({}, async (stage) => {
  const ana = stage.people('ana', 'operator,approver');
  is(await ana.logIn(), 200);
  stage.sql("UPDATE user_sessions SET factor_at = factor_at - interval '6 min', created_at = created_at");
  await until('the old factor', 3000, async () => Date.parse((await ana.call('GET', '/v1/session')).json.factor_fresh_until) < Date.now());
  is(await put(ana, MODE, { mode: 'SOFT_HALT', ...why }), 200); // tightening never asks
  const etag = (await ana.call('GET', MODE)).headers.etag;
  is(await put(ana, MODE, { mode: 'CANCEL_ONLY', ...why }, etag), 403, 'second-factor-required');
  is(await ana.call('POST', '/v1/changes/01ARZ3NDEKTSV4RRFFQ69G5FAV/approve', { hash: '0'.repeat(64) }), 403, 'second-factor-required');
  is(await ana.call('POST', '/v1/session/factor', { code: '000000' }), 401, 'unauthenticated');
  const [cookie, csrf] = [ana.cookie, ana.csrf];
  is(await ana.renew(), 200);
  assert.notEqual(ana.cookie, cookie);
  is(await ana.call('GET', '/v1/session', undefined, { cookie: `__Host-sid=${cookie}` }), 401);
  is(await put(ana, MODE, { mode: 'CANCEL_ONLY', ...why }, etag), 202);
  is(await ana.call('PUT', MODE, { mode: 'HARD_HALT', ...why }, { 'if-match': '*', 'x-csrf-token': csrf }), 403, 'cross-site'); // the old token's
  assert.equal(totp(ana.secret).length, 6);
}));

test('portctl acts for whoever has logged in: a 0600 file, Origin and CSRF token, no key', within, (t) => withPeople({}, async (stage) => {
  if (!existsSync(path.join(buildDir, 'portctl'))) return t.skip('no portctl: build that target');
  const sue = stage.people('sue', 'security');
  const file = path.join(stage.dir, 'state', 'session');
  const env = { PATH: process.env.PATH, ADMIN_URL: stage.adminUrl, PORTCTL_CA: stage.ca, PORTCTL_SESSION: file, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' };
  const run = (input, ...args) => spawnSync(path.join(buildDir, 'portctl'), args, { input, env, encoding: 'utf8', timeout: 20000 });
  const ends = (result, code, words = /^/) => {
    assert.equal(result.status, code, `${result.stdout}${result.stderr}`);
    assert.match(`${result.stdout}${result.stderr}`, words);
    if (code !== 0) assert.match(result.stderr, /^ {2}next: \S/m);
    return result.stdout;
  };
  ends(run('', 'user', 'list'), 2, /portctl login/);
  ends(run('', 'logout'), 4, /nobody has logged in/);
  ends(run('wrong\n000000\n', 'login', 'sue'), 4, /401 unauthenticated/);
  assert.ok(!existsSync(file));
  ends(run(`${sue.password}\n${await sue.code()}\n`, 'login', 'sue'), 0, /^roles +security$/m);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const password = ends(run('', 'user', 'create', 'uma', '--label', 'Uma Thule'), 0).trim();
  ends(run('', 'user', 'grant', 'uma', 'operator', '--reason', 'joins the rota'), 0);
  ends(run('', 'user', 'grant', 'uma', 'approver', '--reason', 'joins the rota'), 5, /waits for a second person/);
  ends(run('', 'user', 'list'), 0, /uma +Uma Thule +active +no +- +operator/);
  ends(run('', 'key', 'list'), 0, /ops/);
  ends(run('', 'user', 'grant', 'sue', 'operator', '--reason', 'joins the rota'), 1, /not-for-oneself/);
  ends(run('', 'audit', 'verify', '--file', '/nonexistent/file'), 2);
  ends(run('', 'review', '--sign', 'all as it should be'), 0, /uma/);
  const old = readFileSync(file, 'utf8');
  ends(run(`${await sue.code()}\n`, 'renew'), 0);
  assert.notEqual(readFileSync(file, 'utf8'), old, 'a new token');
  ends(run('', 'user', 'disable', 'uma', '--reason', 'has left the company'), 0);
  ends(run('', 'user', 'enable', 'uma', '--reason', 'is back again'), 0);
  const again = ends(run('', 'user', 'reset', 'uma', '--reason', 'forgot her password'), 0).trim();
  assert.notEqual(again, password);
  const second = { ...env, PORTCTL_SESSION: `${file}-2` };
  const first = spawnSync(path.join(buildDir, 'portctl'), ['login', 'uma'], { input: `${again}\n\na long sentence of hers\na long sentence of hers\n000000\n`, env: second, encoding: 'utf8' });
  assert.match(first.stdout, /otpauth:\/\/totp/);
  assert.equal(first.status, 4, first.stderr); // the code was a wrong one
  const listed = ends(run('', 'sessions', 'list', '--user', 'uma'), 0);
  ends(run('', 'sessions', 'kill', /s_[a-z2-7]{20}/.exec(listed)[0], '--reason', 'left open'), 0);
  ends(spawnSync(path.join(buildDir, 'portctl'), ['whoami'], { env: second, encoding: 'utf8' }), 4, /portctl login/);
  for (const mode of [0o640, 0o604]) {
    spawnSync('chmod', [mode.toString(8), file]);
    ends(run('', 'whoami'), 4, /others may read/);
  }
  spawnSync('chmod', ['600', file]);
  const elsewhere = run('', '--url', stage.adminUrl.replace('localhost', '127.0.0.1'), 'whoami');
  ends(elsewhere, 2, /portctl login/); // the cookie goes to the address it came from, and to no other
  ends(run('', 'logout'), 0);
  assert.ok(!existsSync(file));
}));
