// From where a key may be used: who administers says it, a WebSocket token is held to it, and the first key is made once.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { gateTape, knows, newKey, verifyChain, withGate } from './harness/gate.mjs';
import { until } from './harness/gateway.mjs';
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
