// From where a key may be used: who administers says it, a WebSocket token is held to it, and the first key is made once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gateTape, killPg, knows, newKey, verifyChain, withGate } from './harness/gate.mjs';
import { buildDir, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 90000 };
const publicKey = () => generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
const words = (more) => ({ account: 'desk', label: 'x', algorithm: 'ed25519', public_key: publicKey(), reason: 'a test of networks', ...more });
const issue = (stage, more) => stage.call(stage.admin, 'POST', '/v1/keys', words(more));

test('a key that administers needs networks: issued, rotated, from before', within, () => withGate({}, async (stage) => {
  const { json: { keys: [first] } } = await stage.call(stage.admin, 'GET', '/v1/keys?account=ops');
  assert.deepEqual([first.ip_allow, first.admin_from_anywhere], [['127.0.0.0/8', '::1/128'], false], 'the first key is of this host');

  for (const ip_allow of [[], undefined]) {
    for (const scopes of [['keys.read'], ['market', 'control.halt'], ['config.read']]) {
      const refused = await issue(stage, { scopes, ip_allow });
      assert.deepEqual([refused.status, refused.json.code, refused.json.errors?.[0]?.pointer], [422, 'validation', '/ip_allow'], refused.body);
      assert.match(refused.body, /--ip 10\.1\.0\.0\/16/);
    }
  }
  assert.equal((await issue(stage, { scopes: ['market', 'ws.token', 'metrics.read', 'report.write'], ip_allow: [] })).status, 201, 'who does not administer may come from anywhere');
  const bound = await issue(stage, { scopes: ['keys.read'], ip_allow: ['10.1.0.0/16'] });
  assert.deepEqual([bound.status, bound.json.key.admin_from_anywhere], [201, false]);
  for (const ip_allow of [['0.0.0.0/0'], ['10.0.0.0/8', '::/0']]) { // said outright: taken, and marked
    const open = await issue(stage, { scopes: ['keys.read'], ip_allow });
    assert.deepEqual([open.status, open.json.key.admin_from_anywhere], [201, true]);
    await until('its entry', 5000, () => verifyChain(stage).some((e) => e.action === 'key.issue' && e.target === open.json.key.id && JSON.parse(e.after).admin_from_anywhere));
  }

  // one from before the rule goes on, is marked, and is rotated only into networks
  stage.sql(`INSERT INTO api_keys (id, account, label, algorithm, public_key, scopes, created_by)
    SELECT 'pk_before', account, 'before', algorithm, sha256('another'), scopes, 'test' FROM api_keys WHERE id = '${stage.ana.keyid}'`);
  stage.sql(`ALTER TABLE api_keys DISABLE TRIGGER api_keys_guard; UPDATE api_keys SET ip_allow = '{}' WHERE id = '${stage.ben.keyid}'; ALTER TABLE api_keys ENABLE TRIGGER api_keys_guard`);
  await knows(stage, stage.ben);
  const { json: { key: old } } = await stage.call(stage.admin, 'GET', '/v1/keys/pk_before');
  assert.deepEqual([old.ip_allow, old.admin_from_anywhere], [[], true]);
  const rotate = (id, more) => stage.call(stage.admin, 'POST', `/v1/keys/${id}/rotate`, { public_key: publicKey(), reason: 'a test of networks', ...more });
  const refused = await rotate('pk_before', {});
  assert.deepEqual([refused.status, refused.json.errors?.[0]?.pointer], [422, '/ip_allow'], refused.body);
  assert.match(refused.body, /--ip/);
  const next = await rotate('pk_before', { ip_allow: ['127.0.0.0/8'] });
  assert.equal(next.status, 201, next.body);
  assert.deepEqual([next.json.key.ip_allow, next.json.key.admin_from_anywhere, next.json.old.ip_allow], [['127.0.0.0/8'], false, []]);
  const wider = await rotate(next.json.key.id, { ip_allow: ['0.0.0.0/0'] });
  assert.deepEqual([wider.status, wider.json.errors?.[0]?.pointer], [422, '/ip_allow'], 'a successor is not let out of its networks');
  assert.deepEqual((await rotate(next.json.key.id, {})).json.key.ip_allow, ['127.0.0.0/8']);
}));

test('a WebSocket token opens a session only from the networks of its key', within, () => withGate({}, async (stage) => {
  stage.feed(...gateTape);
  await stage.applied(20);
  const key = await newKey(stage, 'desk', { scopes: ['ws.token', 'market', 'control.read'], nets: ['127.0.0.1/32', '::1/128'] });
  const open = async (localAddress) => {
    const { json: { token } } = await stage.call(key, 'POST', '/v1/ws-token');
    const client = await Client.connect(stage, { url: stage.wsUrl.replace(/\/v2$/, '/v2/private').replace('localhost', '127.0.0.1'), localAddress });
    const answer = await client.subscribe({ channel: 'ticker', symbol: ['BTC/USD'], token });
    return { client, answer };
  };
  const here = await open('127.0.0.1');
  assert.ok(here.answer.success, here.answer.error);
  const refusals = async () => (await stage.metrics()).get('ws_tokens_total{outcome="network"}') ?? 0;
  assert.equal(await refusals(), 0);
  const away = await open('127.0.0.2');
  assert.equal(away.answer.error, 'ESession:Invalid session');
  assert.equal(await refusals(), 1);
  for (const { client } of [here, away]) client.close();
}));

// What `portcullis` says and how it ends.
function portcullis(stage, ...args) {
  const { status, stdout, stderr } = spawnSync(path.join(buildDir, 'portcullis'), ['--config', stage.authConfig, ...args], { encoding: 'utf8', env: { ...process.env, ...stage.env } });
  return { code: status, text: stdout + stderr };
}

test('the first key: once, in the audit chain; another only when the others are said to be lost', within, () => withGate({}, async (stage) => {
  const file = path.join(stage.dir, 'second.pem');
  const first = (...args) => portcullis(stage, '--bootstrap-key', file, ...args);
  const keys = () => Number(stage.sql('SELECT count(*) FROM api_keys'));
  const made = verifyChain(stage).filter((e) => e.action === 'key.bootstrap');
  assert.deepEqual([made.length, made[0].target, made[0].outcome, made[0].seq], [1, stage.keyId, 'done', 1]);
  assert.match(made[0].actor, /^os:\S+ uid=\d+$/);
  assert.deepEqual(JSON.parse(made[0].after).ip_allow, ['127.0.0.0/8', '::1/128']);
  const before = keys();
  const refuses = (answer, pattern, code = 1) => {
    assert.equal(answer.code, code, answer.text);
    assert.match(answer.text, pattern);
    assert.match(answer.text, /next: /);
    assert.equal(existsSync(file), false, 'no file of a key that there is not');
    assert.equal(keys(), before);
  };
  refuses(first(), /active keys with scopes that administer\n {2}next: .*portctl key new.*--keys-lost/);
  refuses(first('--scopes', 'market'), /active keys/);
  refuses(first('--ip', '10.0.0.1/8'), /--ip 10\.0\.0\.1\/8: .*10\.1\.0\.0\/16/, 2);
  refuses(first('--algorithm', 'rsa'), /--algorithm rsa: .*hmac-sha256/, 2);
  refuses(first('--keys-lost', '--account', 'Ops!'), /account/);
  writeFileSync(`${file}.there`, 'mine');
  const there = portcullis(stage, '--bootstrap-key', `${file}.there`, '--keys-lost');
  assert.deepEqual([there.code, readFileSync(`${file}.there`, 'utf8'), keys()], [1, 'mine', before], there.text);
  assert.match(there.text, /File exists\n {2}next: name a file that does not exist/);

  // all are lost: made, and the log says why
  const again = first('--keys-lost', '--ip', '127.0.0.1/32', '--ip', '::1/128', '--algorithm', 'hmac-sha256');
  assert.equal(again.code, 0, again.text);
  const id = /pk_[a-z0-9]+/.exec(again.text)[0];
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const secret = readFileSync(file, 'utf8').trim();
  assert.ok(!again.text.includes(secret), 'the secret is in the file alone');
  const rows = verifyChain(stage).filter((e) => e.action === 'key.bootstrap');
  assert.deepEqual([rows.length, rows[1].target], [2, id]);
  assert.match(rows[1].reason, /lost/);
  assert.ok(!JSON.stringify(rows).includes(secret));
  const signer = new Signer(id, { secret: Buffer.from(secret, 'base64') });
  await until('it signs', 5000, async () => (await stage.call(signer, 'GET', '/v1/keys')).status === 200);

  // without an active one that administers it is the first again
  stage.sql("UPDATE api_keys SET revoked_at = now(), revoked_by = 'test', revoke_reason = 'all of them are gone' WHERE revoked_at IS NULL");
  unlinkSync(file);
  assert.equal(first().code, 0);
  unlinkSync(file);
  await killPg(stage);
  const silent = first();
  assert.equal(silent.code, 1);
  assert.match(silent.text, /PostgreSQL does not answer\n {2}next: check the DSN/);
  assert.equal(existsSync(file), false);
}));

test('a change of a key and its entry in the audit chain are one: neither without the other', within, () => withGate({}, async (stage) => {
  const desk = await newKey(stage, 'desk', { scopes: ['control.read'] });
  const at = verifyChain(stage).findLast((e) => e.target === desk.keyid);
  assert.deepEqual([at.action, at.outcome], ['key.issue', 'done']);
  const state = () => stage.sql('SELECT count(*), count(revoked_at), count(*) FILTER (WHERE rate_class <> \'default\') FROM api_keys');
  const before = [state(), verifyChain(stage).length, stage.sql('SELECT count(*) FROM key_events')];
  // the chain takes nothing: no key is changed
  stage.sql(`CREATE FUNCTION no_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER no_entry BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION no_entry()`);
  for (const [method, target, body] of [['POST', '/v1/keys', words({ scopes: ['keys.read'] })], ['POST', `/v1/keys/${desk.keyid}/rotate`, { public_key: publicKey(), reason: 'a test of the chain' }],
    ['POST', `/v1/keys/${desk.keyid}/revoke`, { reason: 'a test of the chain' }], ['PUT', `/v1/keys/${desk.keyid}/limits`, { rate_class: 'low', reason: 'a test of the chain' }]]) {
    const answer = await stage.call(stage.admin, method, target, body);
    assert.deepEqual([answer.status, answer.json.code], [503, 'unavailable'], answer.body);
    assert.match(answer.body, /nothing was changed/);
  }
  assert.deepEqual([state(), verifyChain(stage).length, stage.sql('SELECT count(*) FROM key_events')], before);
  assert.equal((await stage.call(desk, 'GET', '/v1/control')).status, 200, 'the key goes on');
  stage.sql('DROP TRIGGER no_entry ON audit_entries');
  // the answer comes with the entry in the chain: nothing is to be waited for
  for (const [method, tail, body, action] of [['PUT', 'limits', { rate_class: 'low' }, 'key.limits'], ['POST', 'rotate', { public_key: publicKey() }, 'key.rotate'], ['POST', 'revoke', {}, 'key.revoke']]) {
    const answer = await stage.call(stage.admin, method, `/v1/keys/${desk.keyid}/${tail}`, { ...body, reason: 'a test of the chain' });
    assert.ok(answer.status < 300, answer.body);
    const last = verifyChain(stage).at(-1);
    assert.deepEqual([last.action, last.target, last.reason, last.actor], [action, answer.json.key.id, 'a test of the chain', `key:${stage.admin.keyid}`]);
    assert.deepEqual(JSON.parse(last.after), answer.json.key);
  }
  assert.equal((await stage.call(stage.admin, 'POST', `/v1/keys/${desk.keyid}/revoke`, { reason: 'once more, please' })).status, 409);
  assert.equal(verifyChain(stage).filter((e) => e.action === 'key.revoke').length, 1);
}));
