// Rights end when they end: the end of a role that was taken up is an entry of its own, once, whoever runs and whoever is
// logged in; and a stream that was opened with a right does not outlive it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { test } from 'node:test';
import { chain, gateLimits, gateTape, knows, newKey, verifyChain, why } from './harness/gate.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const within = { timeout: 120000 };
const LATEST = 2500; // ms from the end of a right to the end of the stream

function withPeople(body) {
  return onStage(async (stage) => {
    stage.writeSymbols(gateTape);
    await stage.startPostgres();
    stage.overrides = { limits: { ...gateLimits.limits, login_burst: 1000, session_burst: 10000 } };
    await stage.startGateway(stage.overrides);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await knows(stage);
    await body(stage);
  });
}

// As taken up a quarter of an hour ago, but for SECONDS.
const takeUp = (stage, user, role, seconds) => stage.sql(`INSERT INTO user_roles (user_name, role, kind, granted_at, granted_by, until, reason, ticket)
  SELECT '${user}', '${role}', 'temporary', t, 'user:${user}', t + interval '15 min', 'taken up by a test', 'OPS-2' FROM (SELECT now() - interval '${900 - seconds} s' AS t) x`);
const ends = (stage) => chain(stage).filter((r) => r.action === 'role.expire');

test('the end of a role: entered once, by one of two gateways, with nobody logged in; and after a restart', within, () => withPeople(async (stage) => {
  Person.make(stage, 'uma', 'viewer');
  Person.make(stage, 'eva', 'viewer');
  const other = await stage.replica(stage.overrides);
  takeUp(stage, 'uma', 'operator', 2);
  takeUp(stage, 'eva', 'auditor', 2);
  takeUp(stage, 'eva', 'operator', 600);
  const rows = await until('both ends', 8000, () => { const r = ends(stage); return r.length === 2 && r; });
  assert.deepEqual(rows.map((r) => [r.actor, r.target, r.outcome]).sort(), [['system', 'user:eva', 'done'], ['system', 'user:uma', 'done']]);
  const uma = rows.find((r) => r.target === 'user:uma');
  const before = JSON.parse(uma.before);
  assert.deepEqual([before.role, before.kind, before.ticket, before.granted_by], ['operator', 'temporary', 'OPS-2', 'user:uma']);
  assert.equal(JSON.parse(uma.after).ended_at, before.until);
  assert.ok(Number(uma.time_ns) / 1e6 - Date.parse(before.until) < 3500, 'within seconds');
  await sleep(2500);
  assert.equal(ends(stage).length, 2, 'once over both, and what has not ended is not entered');

  await stage.stopGateway();
  await other.stopGateway();
  takeUp(stage, 'uma', 'operator', -60); // over while nobody ran
  await sleep(300);
  assert.equal(ends(stage).length, 2);
  await stage.startGateway(stage.overrides);
  await other.startGateway(stage.overrides);
  const late = await until('the third end', 10000, () => { const r = ends(stage); return r.length === 3 && r[2]; });
  assert.equal(JSON.parse(late.after).ended_at, JSON.parse(late.before).until, 'when it was over, not when it was entered');
  await sleep(2000);
  assert.equal(ends(stage).length, 3);
  assert.equal(stage.sql("SELECT count(*) FROM user_roles WHERE kind = 'temporary' AND ended_at = until AND ended_by = 'system'"), '3');
  verifyChain(stage);
}));

// An open stream of events; `text` is what came, `ended` when it was over.
function listen(stage, headers) {
  const stream = { text: '' };
  stream.opened = new Promise((resolve, reject) => {
    const request = https.get(`${stage.adminUrl}/v1/admin/events`, { ca: readFileSync(stage.ca), agent: false, headers }, (response) => {
      stream.status = response.statusCode;
      response.setEncoding('utf8');
      response.on('data', (data) => { stream.text += data; });
      response.on('close', () => { stream.ended = Date.now(); });
      resolve(stream);
    });
    request.on('error', (error) => { stream.ended ??= Date.now(); reject(error); });
    stream.close = () => request.destroy();
  });
  return stream.opened;
}
const ofPerson = (stage, person) => listen(stage, { cookie: `__Host-sid=${person.cookie}` });
const ofKey = (stage, signer) => listen(stage, signer.headers('GET', `${stage.adminUrl}/v1/admin/events`));

async function endsWith(stream, what, act) {
  assert.equal(stream.status, 200);
  await sleep(1200); // judged twice: an open stream stays open
  assert.equal(stream.ended, undefined, `${what}: before`);
  const began = Date.now();
  await act();
  await until(`${what}: the stream ends`, LATEST, () => stream.ended);
  console.log(`${what}: ended after ${stream.ended - began} ms`);
}

test('an open stream of a person ends with the session, by hand or by another, and when she is disabled', within, () => withPeople(async (stage) => {
  const [sue, uma] = [Person.make(stage, 'sue', 'security'), Person.make(stage, 'uma', 'viewer')];
  await sue.logIn();
  const login = async () => { assert.equal((await uma.logIn()).status, 200); return (await uma.call('GET', '/v1/session')).json.session; };
  await login();
  const bystander = await ofPerson(stage, sue);
  await endsWith(await ofPerson(stage, uma), 'log-out', async () => assert.equal((await uma.call('DELETE', '/v1/session')).status, 200));
  const session = await login();
  await endsWith(await ofPerson(stage, uma), 'killed', async () => assert.equal((await sue.call('DELETE', `/v1/sessions/${session}`, why)).status, 200));
  await login();
  const key = await (async () => { // a key of hers goes with her
    const signer = await newKey(stage, 'desk', { scopes: ['control.read'], owner: 'uma' });
    return ofKey(stage, signer);
  })();
  await endsWith(await ofPerson(stage, uma), 'disabled', async () => assert.equal((await sue.call('POST', '/v1/users/uma/disable', why)).status, 200));
  await until('that of her key, too', LATEST, () => key.ended);
  assert.equal(bystander.ended, undefined, 'nobody else is cut');
  bystander.close();
}));

test('an open stream loses what a role showed when the role is over, by the clock or by another', within, () => withPeople(async (stage) => {
  const [sue, uma] = [Person.make(stage, 'sue', 'security'), Person.make(stage, 'uma', 'viewer')];
  await sue.logIn();
  takeUp(stage, 'uma', 'auditor', 6);
  await uma.logIn();
  const seen = await ofPerson(stage, uma);
  await newKey(stage, 'seen', { scopes: ['control.read'] }); // something for the audit log
  await until('an entry of the audit log', 5000, () => /event: audit\ndata: .*key.issue/.test(seen.text));
  const over = Date.parse(JSON.parse(stage.sql("SELECT to_json(until) FROM user_roles WHERE user_name = 'uma' AND role = 'auditor'")));
  await until('the stream ends with the role', over - Date.now() + LATEST, () => seen.ended);
  assert.ok(seen.ended >= over - 50 && seen.ended - over < LATEST, `${seen.ended - over} ms`);
  const blind = await ofPerson(stage, uma);
  await newKey(stage, 'unseen', { scopes: ['control.read'] });
  await sleep(1000);
  assert.doesNotMatch(blind.text, /event: audit/);
  assert.equal(blind.ended, undefined);

  takeUp(stage, 'uma', 'auditor', 600);
  await until('more is seen: it is opened anew', LATEST, () => blind.ended);
  await endsWith(await ofPerson(stage, uma), 'role taken back', async () => assert.equal((await sue.call('DELETE', '/v1/users/uma/roles/auditor', why)).status, 200));
  await endsWith(await ofPerson(stage, uma), 'the last role', async () => assert.equal((await sue.call('DELETE', '/v1/users/uma/roles/viewer', why)).status, 200));
  assert.equal((await ofPerson(stage, uma)).status, 403);
}));

test('an open stream of a key ends when the key is revoked, has ended, or has lost the scope', within, () => withPeople(async (stage) => {
  const make = () => newKey(stage, 'desk', { scopes: ['control.read', 'audit.read'] });
  const [revoked, ended, less] = [await make(), await make(), await make()];
  const bystander = await ofKey(stage, await make());
  await endsWith(await ofKey(stage, revoked), 'revoked', async () => assert.equal((await stage.call(stage.admin, 'POST', `/v1/keys/${revoked.keyid}/revoke`, why)).status, 200));
  await endsWith(await ofKey(stage, ended), 'its time is over', () => stage.sql(`UPDATE api_keys SET not_after = now() WHERE id = '${ended.keyid}'`));
  const bit = 1 << 9; // audit.read
  await endsWith(await ofKey(stage, less), 'a scope less', () => stage.sql(`UPDATE api_keys SET scopes = scopes & ~${bit} WHERE id = '${less.keyid}'`));
  const still = await ofKey(stage, less);
  assert.equal(still.status, 200, 'the rest of it is still shown');
  still.close();
  assert.equal(bystander.ended, undefined);
  bystander.close();
}));
