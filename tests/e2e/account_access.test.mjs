// An account is disabled by one person, at once and everywhere, and enabled again by two: all of its keys, their sockets,
// with PostgreSQL or without.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { ask, approve, change, etag, gateLimits, gateTape, newKey, put, verifyChain, why, withGate } from './harness/gate.mjs';
import { buildDir, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const ACCESS = '/v1/accounts/mm1/access';
const SYMBOL = 'BTC/USD';

async function socket(stage, at, signer) {
  const { json } = await stage.call(signer, 'POST', '/v1/ws-token');
  const client = await Client.connect(at, { url: at.wsUrl.replace(/\/v2$/, '/v2/private') });
  const answer = await client.subscribe({ channel: 'book', symbol: [SYMBOL], token: json.token });
  assert.ok(answer.success, answer.error);
  return client;
}

const status = async (at, signer) => (await at.call(signer, 'GET', '/v1/stats')).status;
const states = async (stage) => Object.fromEntries((await stage.call(stage.admin, 'GET', '/v1/keys?account=mm1')).json.keys.map((k) => [k.id, k.state]));

test('disabled at once on every gateway, also its later keys; enabled by two; seen by all views', { timeout: 120000 }, () => withGate({}, async (stage) => {
  const scopes = ['control.read', 'ws.token', 'market'];
  stage.feed(...gateTape);
  const other = await stage.replica(gateLimits);
  const [one, two] = [await newKey(stage, 'mm1', { scopes }), await newKey(stage, 'mm1', { scopes })];
  const bystander = await newKey(stage, 'mm2', { scopes });
  for (const at of [stage, other]) for (const key of [one, two, bystander]) await until('the keys', 5000, async () => (await status(at, key)) === 200);
  const sockets = [await socket(stage, stage, one), await socket(stage, other, two)];
  const stays = await socket(stage, stage, bystander);
  assert.deepEqual([(await stage.call(stage.ana, 'GET', ACCESS)).json.disabled, await etag(stage, ACCESS)], [false, '"0"']);
  const dry = await put(stage, stage.ana, `${ACCESS}?dry_run=true`, { disabled: true, ...why });
  assert.deepEqual([dry.status, dry.json.diff.direction, dry.json.blast_radius.accounts], [200, 'TIGHTEN', 1], dry.body);

  const since = Date.now();
  const done = await put(stage, stage.ana, ACCESS, { disabled: true, ...why });
  assert.equal(done.status, 200, done.body);
  for (const client of sockets) assert.equal((await client.closed).code, 4003);
  assert.ok(Date.now() - since < 1000, `${Date.now() - since} ms`);
  for (const at of [stage, other]) for (const key of [one, two]) assert.equal(await status(at, key), 401);
  assert.equal(await status(stage, bystander), 200);
  assert.ok(!stays.messages.some((m) => m.channel === 'closed'));
  await until('the list of keys says so', 3000, async () => Object.values(await states(stage)).every((s) => s === 'disabled'));
  assert.match(stage.sql("SELECT disabled_by || ' ' || disabled_reason FROM accounts WHERE id = 'mm1'"), /^key:.* a test of the gate$/);
  const raw = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');
  const late = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'mm1', label: 'late', algorithm: 'ed25519', public_key: raw, scopes: ['market'], reason: why.reason });
  assert.deepEqual([late.status, late.json.key.state], [201, 'disabled'], late.body);

  // one person does not enable it
  const location = await ask(stage, stage.ana, ACCESS, { disabled: false });
  assert.equal((await approve(stage, stage.ana, location, (await change(stage, location)).hash)).status, 403);
  assert.equal(await status(stage, one), 401);
  assert.equal((await approve(stage, stage.ben, location)).status, 200);
  for (const at of [stage, other]) for (const key of [one, two]) await until('accepted again', 3000, async () => (await status(at, key)) === 200);
  assert.equal(stage.sql("SELECT num_nulls(disabled_at, disabled_by, disabled_reason) FROM accounts WHERE id = 'mm1'"), '3');
  const entries = verifyChain(stage).filter((row) => row.action === 'account.access');
  assert.deepEqual(entries.map((e) => [e.target, e.outcome]), [['mm1', 'done'], ['mm1', 'requested'], ['mm1', 'approved']]);
  stays.close();
}));

test('without PostgreSQL it is disabled all the same, and stays so over a restart', { timeout: 120000 }, () => withGate({}, async (stage) => {
  const key = await newKey(stage, 'mm1', { scopes: ['control.read', 'ws.token', 'market'] });
  stage.feed(...gateTape);
  const client = await socket(stage, stage, key);
  await stage.stopPostgres();
  const since = Date.now();
  const done = await put(stage, stage.ana, ACCESS, { disabled: true, ...why });
  assert.ok([200, 202].includes(done.status), done.body);
  assert.equal((await client.closed).code, 4003);
  assert.ok(Date.now() - since < 3000);
  assert.equal(await status(stage, key), 401);
  await stage.continuePostgres();
  await until('the database has it', 10000, () => stage.sql("SELECT disabled_at IS NOT NULL FROM accounts WHERE id = 'mm1'") === 't');
  await stage.stopGateway('SIGKILL');
  await stage.startGateway(stage.overrides);
  await until('it serves', 10000, async () => (await status(stage, stage.ana)) === 200);
  assert.equal(await status(stage, key), 401);
  const ctl = (...args) => spawnSync(path.join(buildDir, 'portctl'), [...args, '--url', stage.adminUrl, '--ca', stage.ca, '--key-file', stage.keyFile, '--key-id', stage.keyId, '--reason', why.reason, '--ticket', why.ticket, '--yes'], { encoding: 'utf8' });
  const again = ctl('account', 'enable', 'mm1');
  assert.equal(again.status, 5, again.stderr); // asked for
  assert.match(again.stdout + again.stderr, /another person|approve/i);
  assert.equal(ctl('account', 'disable', 'mm2').status, 0);
  assert.equal((await stage.call(stage.ana, 'GET', '/v1/accounts/mm2/access')).json.disabled, true);
}));
