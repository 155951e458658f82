// Circuits: what waits before it tries again, seen and hurried, with a Redis, a PostgreSQL and a receiver of pages that are
// really dead; circuit breakers of the core, closed by two persons; and no rights in an open stream beyond their end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { chain, newKey, once, post, verifyChain, why, withGate } from './harness/gate.mjs';
import { buildDir, freePort, sleep, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';

const within = { timeout: 90000 };
const list = async (stage, signer = stage.ana) => {
  const { status, json, body } = await stage.call(signer, 'GET', '/v1/circuits');
  assert.equal(status, 200, body);
  return json.circuits;
};
const find = async (stage, name) => (await list(stage)).find((c) => c.name === name);
const reset = (stage, name, { by = stage.ana, body = why, headers = once() } = {}) => stage.call(by, 'POST', `/v1/circuits/${encodeURIComponent(name)}/reset`, body, { headers });
const resets = (stage) => chain(stage).filter((r) => r.action === 'circuit.reset');

async function portctl(stage, signer, ...args) {
  const child = spawn(path.join(buildDir, 'portctl'), args, { env: { ...process.env, HOME: stage.dir, ADMIN_URL: stage.adminUrl, PORTCTL_CA: stage.ca, ADMIN_KEY_ID: signer.keyid, ADMIN_KEY_FILE: signer.file } });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (d) => { out.stdout += d; });
  child.stderr.on('data', (d) => { out.stderr += d; });
  out.status = await new Promise((resolve) => child.once('close', resolve));
  return out;
}

test('a dead Redis: seen, tried at once and failed, tried at once and closed; asked once; audited', within, () => withGate({}, async (stage) => {
  await until('all closed', 10000, async () => (await list(stage)).every((c) => c.state === 'closed' && c.waiting === 0));
  const names = (await list(stage)).map((c) => c.name);
  for (const name of ['redis-feed', 'redis-core', 'redis-gate', 'redis-keys', 'redis-tokens', 'redis-anchors', 'ratelimit', 'postgresql', 'postgresql-listen']) assert.ok(names.includes(name), name);
  assert.ok(!names.includes('paging') && !names.includes('redis-smoke'), 'what is not in use is not listed');
  const idle = await reset(stage, 'redis-keys');
  assert.deepEqual([idle.status, idle.json.result, idle.json.circuit.state], [200, 'was_closed', 'closed'], idle.body);

  await stage.killRedis();
  const open = await until('it is open, and was tried in vain', 10000, async () => { const c = await find(stage, 'redis-keys'); return c.state !== 'closed' && c.failures > 0 && /refused|No such file/i.test(c.last_error) && c; });
  assert.ok(Date.now() - Date.parse(open.since) < 20000);
  assert.ok((await stage.metrics()).get('circuit_state{name="redis-keys"}') > 0);
  const shown = await portctl(stage, stage.ana, 'circuits', '--open');
  assert.match(shown.stdout, /^redis-keys +(open|half_open) .*(refused|No such file)/mi, shown.stderr);
  const told = await portctl(stage, stage.ana, 'circuit', 'reset', 'redis-core', '--reason', why.reason);
  assert.equal(told.status, 1, told.stderr);
  assert.match(told.stderr, /tried now, and it failed: .*(refused|No such file)/i);
  const headers = once();
  const failed = await reset(stage, 'redis-keys', { headers });
  assert.deepEqual([failed.status, failed.json.result], [200, 'failed'], failed.body);
  assert.match(failed.json.circuit.last_error, /refused|No such file/i);
  assert.ok(failed.json.circuit.failures > open.failures);
  const again = await reset(stage, 'redis-keys', { headers });
  assert.equal(again.body, failed.body);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  assert.equal((await reset(stage, 'redis-keys', { headers, body: { ...why, reason: 'another reason than before' } })).json.code, 'idempotency-mismatch');

  await stage.startRedis();
  const closed = await reset(stage, 'redis-keys');
  assert.equal(closed.status, 200, closed.body);
  assert.ok(['closed', 'was_closed'].includes(closed.json.result), closed.body);
  assert.equal((await stage.metrics()).get('circuit_state{name="redis-keys"}'), 0);
  const alias = await post(stage, stage.ana, '/admin/reset-circuit', { name: 'redis-keys', ...why });
  assert.equal(alias.json.result, 'was_closed', alias.body);

  assert.equal((await reset(stage, 'redis-nothing')).status, 404);
  assert.equal((await reset(stage, 'x'.repeat(300))).status, 404);
  assert.equal((await reset(stage, 'redis-keys', { headers: {} })).json.code, 'idempotency-key-missing');
  assert.equal((await reset(stage, 'redis-keys', { body: { ticket: 'OPS-1' } })).json.errors[0].pointer, '/reason');
  assert.equal((await post(stage, stage.ana, '/admin/reset-circuit', why)).json.errors[0].pointer, '/name');
  const reader = await newKey(stage, 'reader', { scopes: ['control.read'] });
  assert.equal((await reset(stage, 'redis-keys', { by: reader })).status, 403);
  const all = await until('five entries', 5000, () => { const r = resets(stage); return r.length === 5 && r; });
  assert.deepEqual(all.filter((r) => r.target === 'redis-core').map((r) => [r.outcome, r.ticket]), [['failed', '']]);
  const rows = all.filter((r) => r.target === 'redis-keys');
  assert.deepEqual(rows.map((r) => [r.target, r.outcome, r.reason, r.ticket]), [['done'], ['failed'], ['done'], ['done']].map(([o]) => ['redis-keys', o, why.reason, why.ticket]));
  assert.equal(JSON.parse(rows[1].after).result, 'failed');
  verifyChain(stage);
}));

test('the breaker before Redis: opened by a slow answer, half a minute from its next probe, closed by a reset', within, () => withGate({ limits: { probe: '10s', slow: '20ms' } }, async (stage) => {
  await until('closed', 10000, async () => (await find(stage, 'ratelimit')).state === 'closed');
  stage.redis.kill('SIGSTOP');
  const calls = [stage.call(stage.ana, 'GET', '/v1/stats'), stage.call(stage.ben, 'GET', '/v1/stats')];
  await sleep(120); // longer than `slow`, shorter than what drops a connection
  stage.redis.kill('SIGCONT');
  await Promise.all(calls);
  const open = await find(stage, 'ratelimit');
  assert.deepEqual([open.state, open.waiting, open.last_error], ['open', 1, 'an answer of Redis was late, missing or an error']);
  assert.ok(Date.parse(open.retry_at) - Date.now() > 5000, open.retry_at);
  assert.equal((await stage.metrics()).get('circuit_state{name="ratelimit"}'), 2);
  const began = Date.now();
  const { json, body } = await reset(stage, 'ratelimit');
  assert.deepEqual([json.result, json.circuit.state], ['closed', 'closed'], body);
  assert.ok(Date.now() - began < 2500);
  assert.equal((await stage.metrics()).get('ratelimit_breaker_open'), 0);
}));

test('a dead PostgreSQL: tried at once; the entry waits for the audit log and is in it once', within, () => withGate({}, async (stage) => {
  await until('closed', 10000, async () => (await find(stage, 'postgresql')).state === 'closed');
  const olga = Person.make(stage, 'olga', 'operator');
  assert.equal((await olga.logIn()).status, 200);
  await stage.killPostgres();
  const open = await until('it is open', 10000, async () => { const c = await find(stage, 'postgresql'); return c.state !== 'closed' && c.waiting === c.members && c.failures > 0 && c; });
  assert.ok(open.last_error.length > 0);
  const failed = await reset(stage, 'postgresql');
  assert.deepEqual([failed.status, failed.json.result], [200, 'failed'], failed.body);
  const hers = await olga.call('POST', '/v1/circuits/postgresql/reset', why);
  assert.deepEqual([hers.status, hers.json.result], [200, 'failed'], 'a known session can, without PostgreSQL');
  const core = await olga.call('POST', '/v1/circuits/core%3Arisk/reset', why);
  assert.equal(core.status, 503, 'what loosens cannot');
  await sleep(6500); // longer than the audit log itself keeps what it cannot enter
  await stage.restartPostgres();
  const back = await reset(stage, 'postgresql');
  assert.ok(['closed', 'was_closed'].includes(back.json.result), back.body);
  const rows = await until('all are entered', 15000, () => { const r = resets(stage); return r.length === 3 && r; });
  assert.deepEqual(rows.map((r) => [r.actor, r.outcome]).sort(), [[`key:${stage.ana.keyid}`, 'done'], [`key:${stage.ana.keyid}`, 'failed'], ['user:olga', 'failed']]);
  await sleep(1500);
  assert.equal(resets(stage).length, 3);
  verifyChain(stage);
}));

test('a dead receiver of pages: what waits for minutes goes out at once; nothing to try is said so', within, async () => {
  const port = await freePort();
  let status = 503;
  const taken = [];
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      if (status === 200) taken.push(request.headers['portcullis-page']);
      response.writeHead(status, status === 200 ? {} : { 'retry-after': '300' }).end('not now');
    });
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    await withGate({ slo_paging: { enabled: true, format: 'generic', webhook_url: `http://127.0.0.1:${port}/hook`, backoff_min: '1s', backoff_max: '2s' } }, async (stage) => {
      assert.equal((await find(stage, 'paging')).state, 'closed');
      stage.sql(`INSERT INTO pages (kind, incident, severity, level, list, title, summary, symbol, component, class, playbook, at)
        VALUES ('trigger', 'INC-1', 'SEV1', 1, 'oncall', 'the books differ', '', '', '', '', '', now())`);
      const open = await until('it is open', 10000, async () => { const c = await find(stage, 'paging'); return c.state === 'open' && c; });
      assert.equal(open.last_error, 'answered 503: not now');
      assert.ok(Date.parse(open.retry_at) - Date.now() > 200000, 'as the receiver asked');
      const failed = await reset(stage, 'paging');
      assert.deepEqual([failed.json.result, failed.json.circuit.failures], ['failed', 2], failed.body);
      status = 200;
      const closed = await reset(stage, 'paging');
      assert.equal(closed.json.result, 'closed', closed.body);
      assert.equal(taken.length, 1);
      status = 503;
      await stage.call(stage.admin, 'POST', '/v1/paging/test', {});
      const nothing = await reset(stage, 'paging');
      assert.equal(nothing.json.result, 'nothing_to_try', nothing.body);
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

function standin(stage, ...args) {
  return stage.run('core', path.join(buildDir, 'load/standin-core'), ['--redis', `unix:${stage.redisSocket}`, '--quiet', '--delay', '50', '--heartbeat', '1', ...args]);
}

test('a circuit breaker of the core: as the core tells; two persons, then the core says what it did', within, () => withGate({}, async (stage) => {
  const core = standin(stage, '--circuits', 'risk,price-band');
  const told = await until('the core tells', 10000, () => find(stage, 'core:risk'));
  assert.deepEqual([told.of, told.state, told.core, told.last_error, told.asked_by], ['core', 'open', 'core-1', 'never reset yet', null]);

  assert.equal((await reset(stage, 'core:risk', { body: { reason: why.reason } })).json.errors[0].pointer, '/ticket');
  const headers = once();
  const first = await reset(stage, 'core:risk', { headers });
  assert.deepEqual([first.status, first.json.outcome, first.json.asked_by], [202, 'requested', 'account:ana'], first.body);
  assert.equal((await reset(stage, 'core:risk', { headers })).body, first.body);
  const twice = await reset(stage, 'core:risk');
  assert.equal(twice.json.outcome, 'requested', 'the same person is no second one');
  assert.equal((await find(stage, 'core:risk')).asked_by, 'account:ana');
  const halter = await newKey(stage, 'halter', { scopes: ['control.read', 'control.halt'] });
  assert.equal((await reset(stage, 'core:risk', { by: halter })).status, 403);
  assert.equal((await stage.call(stage.ana, 'GET', '/v1/commands')).json.commands.length, 0, 'nothing was sent');

  const second = await reset(stage, 'core:risk', { by: stage.ben });
  assert.equal(second.status, 202, second.body);
  assert.deepEqual([second.json.command.kind, second.json.command.target], ['circuit_reset', 'risk']);
  const done = await until('the core did it', 10000, async () => { const { json } = await stage.call(stage.ana, 'GET', second.headers.location); return json.command.state === 'done' && json.command; });
  assert.equal(done.confirmed, true);
  await until('closed', 5000, async () => (await find(stage, 'core:risk')).state === 'closed');
  assert.equal((await find(stage, 'core:price-band')).state, 'open');
  assert.equal((await find(stage, 'core:risk')).asked_by, null);

  const other = await portctl(stage, stage.ben, 'circuit', 'reset', 'core:nowhere', '--reason', why.reason, '--ticket', why.ticket);
  assert.equal(other.status, 5, other.stderr);
  const sent = await post(stage, stage.ana, '/admin/reset-circuit', { name: 'core:nowhere', ...why });
  await until('the core refuses', 10000, async () => { const { json } = await stage.call(stage.ana, 'GET', sent.headers.location); return json.command.state === 'failed' && json.command.detail === 'no such circuit breaker here'; });
  assert.equal((await reset(stage, 'core:no blanks')).status, 404);
  const rows = resets(stage);
  assert.deepEqual(rows.map((r) => [r.actor, r.target, r.outcome]), [[`key:${stage.ana.keyid}`, 'core:risk', 'requested'], [`key:${stage.ana.keyid}`, 'core:risk', 'requested'],
    [`key:${stage.ben.keyid}`, 'core:risk', 'approved'], [`key:${stage.ben.keyid}`, 'core:nowhere', 'requested'], [`key:${stage.ana.keyid}`, 'core:nowhere', 'approved']]);
  assert.equal(JSON.parse(rows[2].after).asked_by, `key:${stage.ana.keyid}`);
  core.kill();
  verifyChain(stage);
}));
