// What is known of the use of a key: from which networks, for which routes, what it was refused; and who hears of a
// network that an admin key was never seen from.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, sleep, until } from './harness/gateway.mjs';
import { newKey, upToDate, withKeys } from './harness/keys.mjs';

const within = { timeout: 120000 };

const usable = (stage, key, target) => until(`key ${key.id}`, 3000, async () => (await stage.call(key.signer, 'GET', target)).status !== 401);
const usageOf = async (stage, id) => (await stage.call(stage.admin, 'GET', `/v1/keys/${id}/usage`)).json.usage;
const of = (list, member) => Object.fromEntries(list.map((x) => [x[member], x]));

test('networks, routes and times of a key, and what it was refused', within, () => withKeys({ limits: { preauth_burst: 5000, read_per_minute: 2400 } }, async (stage) => {
  const key = await newKey(stage, ['keys.read'], { rate_class: 'minimal' }); // ten at once; the key that looks has a hundred
  await usable(stage, key, '/v1/keys');
  assert.equal((await stage.call(key.signer, 'GET', `/v1/keys/${key.id}`)).status, 200);
  assert.equal((await stage.call(key.signer, 'GET', `/v1/keys/${stage.keyId}`)).status, 200);
  assert.equal((await stage.call(key.signer, 'GET', '/v1/control')).status, 403);
  const url = `${stage.adminUrl}/v1/keys`;
  const headers = key.signer.headers('GET', url);
  assert.equal((await stage.send('GET', url, headers)).status, 200);
  assert.equal((await stage.send('GET', url, headers)).status, 401);
  // many at once: on a busy machine the bucket would fill up as fast as they come one by one
  const many = () => Promise.all(Array.from({ length: 40 }, () => stage.call(key.signer, 'GET', '/v1/keys')));
  await until('it is too much', 30000, async () => (await many()).some((answer) => answer.status === 429));
  const usage = await until('it is written', 6000, async () => { const u = await usageOf(stage, key.id); return u?.refusals.length === 3 && u; });
  const routes = of(usage.seen, 'route');
  assert.deepEqual(Object.keys(routes).sort(), ['/v1/control', '/v1/keys', '/v1/keys/{id}']);
  assert.deepEqual([routes['/v1/keys/{id}'].method, routes['/v1/keys/{id}'].network, routes['/v1/keys/{id}'].count], ['GET', '127.0.0.0/24', 2]);
  assert.ok(routes['/v1/keys'].first_seen_at < routes['/v1/keys'].last_seen_at);
  assert.equal(usage.use_count, usage.seen.reduce((sum, s) => sum + s.count, 0));
  const causes = of(usage.refusals, 'cause');
  assert.deepEqual(Object.keys(causes).sort(), ['forbidden_scope', 'rate_limited', 'replay']);
  assert.deepEqual([causes.replay.count, causes.forbidden_scope.count, causes.replay.last_network], [1, 1, '127.0.0.0/24']);

  // from elsewhere: only who has the key counts, and nobody can tell
  const elsewhere = await newKey(stage, ['keys.read'], { ip_allow: ['10.0.0.0/8'] });
  assert.equal(await usageOf(stage, elsewhere.id), null);
  await upToDate(stage);
  const unknownKeys = async () => (await stage.metrics()).get('auth_fail_total{reason="unknown_key"}') ?? 0;
  const before = await unknownKeys(); // a new key is tried until the gateway knows it
  const same = (a) => a.body.replace(/"(time|instance|trace_id)":"[^"]*"/g, '');
  const refused = await stage.call(elsewhere.signer, 'GET', '/v1/keys');
  const forged = await stage.call(key.signer, 'GET', '/v1/keys', undefined, { keyid: elsewhere.id });
  const unknown = await stage.call(key.signer, 'GET', '/v1/keys', undefined, { keyid: 'pk_nobody' });
  assert.deepEqual([refused.status, forged.status, unknown.status], [401, 401, 401]);
  assert.deepEqual([same(refused), same(forged)], [same(unknown), same(unknown)]);
  const wrong = await until('it is written', 6000, () => usageOf(stage, elsewhere.id));
  assert.deepEqual([wrong.use_count, wrong.last_used_at, wrong.seen, wrong.refusals.map((r) => [r.cause, r.count])], [0, null, [], [['wrong_network', 1]]]);
  assert.equal(await unknownKeys() - before, 3);

  const portctl = (...args) => spawnSync(path.join(buildDir, 'portctl'), [...args, '--url', stage.adminUrl, '--ca', stage.ca, '--key-file', stage.keyFile, '--key-id', stage.keyId], { encoding: 'utf8' });
  const told = portctl('key', 'usage', key.id);
  assert.equal(told.status, 0, told.stderr);
  assert.match(told.stdout, /^NETWORK +METHOD +ROUTE +FIRST +LAST +TIMES\n/m);
  assert.match(told.stdout, /^127\.0\.0\.0\/24 +GET +\/v1\/keys\/\{id\} .* 2$/m);
  assert.match(told.stdout, /^REFUSED +TIMES +FIRST +LAST +FROM\n/m);
  assert.match(told.stdout, /^replay +1 .*127\.0\.0\.0\/24$/m);
  assert.match(portctl('key', 'usage', elsewhere.id).stdout, /^wrong_network +1 /m);
}));

test('an admin key on a new network opens one incident, whichever gateways see it; its first network is no news', within, () => withKeys({ detect: { enabled: true }, limits: { preauth_burst: 5000 } }, async (stage) => {
  const other = await stage.replica({ detect: { enabled: true }, limits: { preauth_burst: 5000 } });
  const admin = await newKey(stage, ['keys.read']);
  const trader = await newKey(stage, ['market', 'ws.token']);
  const news = async () => (await stage.call(stage.admin, 'GET', '/v1/incidents?state=all&limit=200')).json.incidents.filter((i) => i.title === 'A watched key is used from a new network');
  for (const at of [stage, other]) await until('known', 5000, async () => (await at.call(admin.signer, 'GET', '/v1/keys')).status === 200);
  await until('the first network is written', 6000, async () => (await usageOf(stage, admin.id))?.seen.length === 1);
  assert.deepEqual(await news(), []);
  // the same machine by another of its addresses
  const from = async (at, key, address) => { const url = `${at.adminUrl}/v1/keys`; return at.send('GET', url, key.signer.headers('GET', url), undefined, { localAddress: address }); };
  await Promise.all([stage, other, stage, other].map(async (at) => assert.equal((await from(at, admin, '127.7.7.7')).status, 200)));
  assert.equal((await from(stage, trader, '127.7.7.7')).status, 403);
  const [incident] = await until('the incident', 10000, async () => { const list = await news(); return list.length > 0 && list; });
  assert.equal(incident.severity, 'SEV3');
  assert.match(JSON.stringify(incident), new RegExp(`${admin.id}[^]*127\\.7\\.7\\.0/24`));
  const all = await Promise.all([stage, other].map((s) => s.metrics()));
  assert.equal(all.reduce((sum, m) => sum + (m.get('auth_key_new_network_total') ?? 0), 0), 1);
  assert.ok(!all.some((m) => [...m.keys()].some((name) => name.includes(admin.id))));
  await until('nothing is left to tell', 5000, () => stage.sql('SELECT count(*) FROM api_key_networks WHERE told_at IS NULL').trim() === '0');
  for (const address of ['127.7.7.8', '127.0.0.1']) await from(other, admin, address);
  await sleep(3000);
  assert.equal((await news()).length, 1);

  // one that people watch, whatever its scopes; its successor too
  assert.equal((await stage.call(stage.admin, 'PUT', `/v1/keys/${trader.id}/flag`, { flagged: true, reason: 'short' })).status, 422);
  assert.equal((await stage.call(stage.admin, 'PUT', `/v1/keys/${trader.id}/flag`, { flagged: 1, reason: 'orders nobody remembers' })).json.errors[0].pointer, '/flagged');
  const flagged = await stage.call(stage.admin, 'PUT', `/v1/keys/${trader.id}/flag`, { flagged: true, reason: 'orders nobody remembers', ticket: 'SEC-8' });
  assert.deepEqual([flagged.status, flagged.json.key.flagged], [200, true], flagged.body);
  assert.equal((await stage.call(stage.admin, 'GET', `/v1/keys/${admin.id}`)).json.key.flagged, false);
  await upToDate(stage);
  assert.equal((await from(stage, trader, '127.8.8.8')).status, 403);
  await until('its incident', 10000, async () => (await news()).length === 2);
  assert.equal((await stage.call(stage.admin, 'PUT', `/v1/keys/${trader.id}/flag`, { flagged: false, reason: 'their new data centre' })).json.key.flagged, false);
  assert.equal(stage.sql(`SELECT string_agg(detail::text, ' ' ORDER BY id) FROM key_events WHERE action = 'flag'`), '{"flagged": true} {"flagged": false}');
}));
