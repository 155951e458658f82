// What incidents need when something is not as it should be: postmortems that nobody writes, paging that is off, several
// gateways of which one is silent, PostgreSQL away. Real gateways, PostgreSQL and Redis.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Follower } from './harness/follower.mjs';
import { knows } from './harness/gate.mjs';
import { buildDir, freePort, onStage, sleep, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const within = { timeout: 150000 };
const limits = { login_burst: 2000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, halt_burst: 1000, halt_per_minute: 60000,
  preauth_burst: 5000, read_burst: 1000, write_burst: 1000 };
const shipped = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/playbooks');

function withAna(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    const configured = typeof overrides === 'function' ? await overrides(stage) : overrides;
    await stage.startGateway({ limits, ...configured });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await knows(stage);
    stage.ana = Person.make(stage, 'ana', 'operator');
    is(await stage.ana.logIn(), 200);
    await body(stage, configured);
  });
}

function is(answer, status, code) {
  assert.equal(answer.status, status, `${answer.status} ${answer.body}`);
  if (code) assert.equal(answer.json?.code, code, answer.body);
  return answer;
}
const open = async (who, body = {}) => is(await who.call('POST', '/v1/incidents', { severity: 'SEV1', title: 'books are crossed', reason: 'two books are crossed', ...body }), 201).json;
const act = (who, id, verb, body) => who.call('POST', `/v1/incidents/${id}/${verb}`, body);
const read = (stage, target) => stage.call(stage.admin, 'GET', target);
const timelineOf = async (stage, id) => is(await read(stage, `/v1/incidents/${id}/timeline`), 200).json.timeline;

async function portctl(stage, ...args) {
  const child = spawn(path.join(buildDir, 'portctl'), args, { env: { ...process.env, ADMIN_URL: stage.adminUrl, ADMIN_KEY_ID: stage.keyId, ADMIN_KEY_FILE: stage.keyFile, PORTCTL_CA: stage.ca } });
  const run = { out: '', err: '' };
  child.stdout.on('data', (data) => { run.out += data; });
  child.stderr.on('data', (data) => { run.err += data; });
  run.code = await new Promise((resolve) => child.once('close', resolve));
  return run;
}

// Who is paged, on this machine.
async function receiver(t) {
  const port = await freePort();
  const pages = [];
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => { pages.push(JSON.parse(body)); response.end(); });
  });
  const listen = () => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () => { server.closeAllConnections(); return new Promise((resolve) => server.close(resolve)); };
  t.after(() => server.listening && close());
  return { pages, listen, close, config: { enabled: true, format: 'generic', webhook_url: `http://localhost:${port}/`, backoff_min: '100ms', backoff_max: '200ms', deadline: '1s' } };
}

// PostgreSQL's clock cannot be turned: instead what is stored grows older while no gateway runs.
const older = (stage, hours) => stage.sql(`ALTER TABLE incidents DISABLE TRIGGER incidents_guard;
  UPDATE incidents SET resolved_at = resolved_at - interval '${hours} h', postmortem_due_at = postmortem_due_at - interval '${hours} h',
    remind_next_at = remind_next_at - interval '${hours} h';
  ALTER TABLE incidents ENABLE TRIGGER incidents_guard`);
const reminders = (stage) => stage.sql("SELECT coalesce(string_agg(reminder::text, ',' ORDER BY seq), '') FROM incident_timeline WHERE reminder IS NOT NULL");

test('a postmortem: two gateways remind once of it, also after kill -9; its address ends that', within, async (t) => {
  const to = await receiver(t);
  await to.listen();
  await withAna({ slo_paging: to.config }, async (stage, configured) => {
    const pages = () => to.pages.filter((p) => p.dedup_key === 'INC-1/pm').map((p) => [p.event, p.severity, p.title.replace(/\d+ h \d+ min/, 'N')]);
    await open(stage.ana);
    is(await act(stage.ana, 'INC-1', 'note', { text: 'a rounding error', kind: 'root_cause' }), 200);
    const resolved = is(await act(stage.ana, 'INC-1', 'resolve', { notes: 'rolled back' }), 200).json;
    assert.equal(Date.parse(resolved.postmortem_due_at) - Date.parse(resolved.resolved_at), 48 * 3600e3);
    assert.equal(resolved.tasks[0].due_at, resolved.postmortem_due_at);
    assert.deepEqual(is(await read(stage, '/v1/triage'), 200).json.postmortems, { owed: 1, overdue: 0, next_due_at: resolved.postmortem_due_at });
    const other = await stage.replica({ limits, ...configured });
    const again = async (hours) => {
      await Promise.all([stage, other].map((g) => g.stopGateway('SIGKILL')));
      older(stage, hours);
      await Promise.all([stage, other].map((g) => g.startGateway({ limits, ...configured })));
      await knows(stage);
    };
    await again(45); // two reminders were due meanwhile: the last is paged
    await until('the reminders', 20000, () => reminders(stage) === '1,2');
    // a gateway that is killed between the receiver's answer and its entry pages again
    await until('the page is entered as sent', 10000, async () => pages().length === 1 && (await read(stage, '/v1/paging')).json?.queue === 0);
    await again(4);
    await until('it is overdue', 20000, () => reminders(stage) === '1,2,3');
    for (const g of [stage, other]) await until('each gateway counts it', 10000, async () => (await g.metrics()).get('postmortem_overdue') === 1);
    assert.equal(is(await read(stage, '/v1/triage'), 200).json.postmortems.overdue, 1);
    assert.match((await portctl(stage, 'triage')).out, /postmortems overdue +1 of 1/);
    await until('the pages', 10000, () => pages().length === 2);
    assert.deepEqual(pages(), [['trigger', 'SEV2', 'Postmortem of INC-1 is due in N: books are crossed'], ['trigger', 'SEV2', 'Postmortem of INC-1 is overdue: books are crossed']]);
    assert.deepEqual((await timelineOf(stage, 'INC-1')).filter((e) => e.kind === 'reminder').map((e) => [e.by, e.data.reminder]), [['system', 1], ['system', 2], ['system', 3]]);

    is(await act(stage.ana, 'INC-1', 'task', { id: 1, done: true }), 409, 'illegal-transition');
    is(await act(stage.ana, 'INC-1', 'note', { text: 'soon', kind: 'postmortem' }), 422, 'validation');
    const noted = await portctl(stage, 'incident', 'note', 'INC-1', '--text', 'https://wiki.example/pm/1', '--postmortem');
    assert.equal(noted.code, 0, noted.err);
    const seen = is(await read(stage, '/v1/incidents/INC-1'), 200).json;
    assert.deepEqual([seen.postmortem_url, seen.postmortem_due_at, typeof seen.tasks[0].done_at, seen.may_close.ok], ['https://wiki.example/pm/1', null, 'string', true]);
    await until('its end is told', 10000, () => pages().length === 3);
    assert.equal(pages()[2][0], 'resolve');
    for (const g of [stage, other]) await until('none is overdue', 10000, async () => (await g.metrics()).get('postmortem_overdue') === 0);
    is(await act(stage.ana, 'INC-1', 'close', { notes: 'done' }), 200);
    assert.equal(reminders(stage), '1,2,3');
  });
});

test('paging off: pages are suppressed, said and counted; nobody is woken by them later', within, async (t) => {
  const to = await receiver(t);
  const off = { slo_paging: { ...to.config, enabled: false } };
  await withAna(off, async (stage) => {
    await open(stage.ana);
    const paging = async () => is(await read(stage, '/v1/paging'), 200).json;
    assert.deepEqual([(await paging()).queue, (await paging()).suppressed], [0, 1]);
    const [opened] = await timelineOf(stage, 'INC-1');
    assert.match(opened.text, /^SEV1: books are crossed .*; nobody was paged: paging is off \(slo_paging\.enabled\)$/);
    assert.equal(opened.data.paged, false);
    assert.equal((await stage.metrics()).get('paging_suppressed_total'), 1);
    assert.match((await portctl(stage, 'paging')).out, /waiting +0\n(.*\n)*suppressed +1/);

    // switched on while it runs, with a receiver that is away: what waits then is suppressed when it is switched off again
    stage.reload({ limits, slo_paging: to.config });
    await until('it is on', 10000, async () => (await paging()).enabled);
    await open(stage.ana, { title: 'the ledger differs' });
    await until('a failure', 10000, async () => (await stage.metrics()).get('paging_delivery_total{result="failed"}') > 0);
    assert.equal((await paging()).queue, 1);
    stage.reload({ limits, ...off });
    await until('nothing waits', 10000, async () => (await paging()).queue === 0);
    const late = (await timelineOf(stage, 'INC-2')).find((e) => e.kind === 'page');
    assert.match(late.text, /^the page trigger was not sent: paging is off \(slo_paging\.enabled\); the last try: /);
    assert.deepEqual([late.by, late.audit], ['system', null]);
    assert.match(is(await read(stage, '/v1/incidents/INC-2/report'), 200).body, /\| page: the page trigger was not sent/);

    await to.listen();
    stage.reload({ limits, slo_paging: to.config });
    await until('it is on', 10000, async () => (await paging()).enabled);
    await open(stage.ana, { title: 'the engine is split' });
    await until('the page', 10000, () => to.pages.length > 0);
    await sleep(1500);
    assert.deepEqual(to.pages.map((p) => p.incident), ['INC-3']);
    assert.equal((await timelineOf(stage, 'INC-3'))[0].data.paged, undefined);

    // one gateway of two has paging off: the other sends for both
    const other = await stage.replica({ limits, ...off });
    await until('they know each other', 10000, async () => (await stage.metrics()).get('gateways') === 2 && (await other.metrics()).get('gateways') === 2);
    is(await other.call(stage.admin, 'POST', '/v1/incidents', { severity: 'SEV1', title: 'opened where paging is off', reason: 'two books are crossed' }, { headers: { 'idempotency-key': 'there' } }), 201);
    await until('its page', 10000, () => to.pages.some((p) => p.incident === 'INC-4'));
    assert.equal((await other.metrics()).get('paging_suppressed_total'), 0);
  });
});

test('exit conditions are counted over all gateways: a slow client of another, one that is silent, one that ends', within, () => withAna((stage) => {
  const dir = path.join(stage.dir, 'playbooks');
  cpSync(shipped, dir, { recursive: true });
  const file = path.join(dir, 'ws_overload.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/need: \d+/g, 'need: 3'));
  return { playbooks: { dir, forget_after: '20s' } };
}, async (stage, configured) => {
  const slowly = { limits, ...configured, ws: { lag: '1s', lag_grace: '300ms', unsent_bytes: '4KiB' } };
  const other = await stage.replica(slowly);
  stage.feed('--data', 'synthetic', '--symbols', '2', '--rate', '3000', '--seed', '5', '--time', 'now');
  await open(stage.ana, { severity: 'SEV2', title: 'too slow', playbook: 'ws_overload' });
  const exits = async () => is(await read(stage, '/v1/incidents/INC-1'), 200).json.exit;
  const of = async (id) => (await exits()).find((e) => e.id === id);
  await until('all are met', 20000, async () => (await exits()).every((e) => e.met));

  const slow = new Follower('BTC/USD', { depth: 1000, interval_ms: 0, trades: false, on_lag: 'evict' });
  await slow.connect(other);
  slow.client.socket._socket.pause();
  const before = (await of('no_slow_consumers')).have;
  await until('the other gateway closes it', 60000, async () => (await other.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}') === 1);
  await until('the count begins anew at the gateway that is asked', 8000, async () => { const e = await of('no_slow_consumers'); return e.known && e.have < before; });
  assert.equal((await stage.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}'), 0);
  slow.drop();
  await until('they are met again', 20000, async () => (await exits()).every((e) => e.met));

  other.gateway.kill('SIGSTOP');
  const silent = await until('unknown, not met', 15000, async () => { const e = await of('no_slow_consumers'); return !e.known && e; });
  assert.deepEqual([silent.met, silent.have], [false, 0]);
  assert.match(silent.why, new RegExp(`^gateway \\S+ .*:${other.adminPort} was last heard \\d+ s ago: start it again, or wait until it is forgotten`));
  const { missing } = is(await read(stage, '/v1/incidents/INC-1'), 200).json.may_close;
  assert.ok(['exit:no_slow_consumers', 'exit:backlog_low', 'exit:trades_not_dropped'].every((m) => missing.includes(m)), missing.join());
  assert.equal((await of('profile_normal')).met, true, 'what is the same for all needs no other');
  assert.equal((await stage.metrics()).get('gateways_silent'), 1);
  other.gateway.kill('SIGCONT');
  await until('they are met again', 20000, async () => (await exits()).every((e) => e.met));

  await other.stopGateway('SIGKILL');
  await until('unknown again', 15000, async () => !(await of('no_slow_consumers')).known);
  await other.startGateway(slowly);
  await until('met when it is back', 25000, async () => (await exits()).every((e) => e.met));
  await other.stopGateway('SIGTERM'); // in order: nothing is missing
  for (let n = 0; n < 7; n++) {
    assert.ok((await exits()).every((e) => e.known), 'one that ended in order makes nothing unknown');
    await sleep(1000);
  }
  assert.equal((await stage.metrics()).get('gateways'), 1);
}));

test('PostgreSQL away: what this gateway holds is answered, with its age, and said to be so', within, () => withAna({ detect: { postgres_away: '2s' } }, async (stage) => {
  const { ana } = stage;
  await open(ana, { severity: 'SEV2' });
  await open(ana, { severity: 'SEV3', title: 'a small thing' });
  await open(ana, { severity: 'SEV4', title: 'closed before' });
  is(await act(ana, 'INC-3', 'resolve', { notes: 'nothing' }), 200);
  is(await act(ana, 'INC-3', 'close', { notes: 'nothing' }), 200);
  const fresh = is(await ana.call('GET', '/v1/incidents'), 200).json;
  assert.deepEqual([fresh.stale, fresh.age_s, fresh.complete, fresh.waiting], [false, 0, true, []]);
  assert.equal(is(await ana.call('GET', '/v1/incidents/INC-1'), 200).json.stale, false);
  await stage.killPostgres();
  await sleep(8000); // sessions are not confirmed any more: what asks for that is refused
  const list = await until('it is stale', 15000, async () => { const a = await ana.call('GET', '/v1/incidents'); return a.json?.stale && a.json; });
  assert.deepEqual([list.incidents.map((i) => i.id), list.complete, list.age_s > 0], [['INC-2', 'INC-1'], true, true]);
  assert.ok(Date.parse(list.as_of) < Date.now() - 1000);
  const page = is(await ana.call('GET', '/v1/incidents?limit=1'), 200).json;
  assert.deepEqual([page.incidents.map((i) => i.id), page.next], [['INC-2'], '2']);
  assert.deepEqual(is(await ana.call('GET', '/v1/incidents?limit=1&cursor=2'), 200).json.incidents.map((i) => i.id), ['INC-1']);
  assert.equal(is(await ana.call('GET', '/v1/incidents?state=all'), 200).json.complete, false);
  is(await ana.call('GET', '/v1/incidents?state=closed'), 503, 'unavailable');
  const one = is(await ana.call('GET', '/v1/incidents/INC-1'), 200);
  assert.deepEqual([one.json.id, one.json.stale, one.json.age_s > 0, one.headers.etag], ['INC-1', true, true, '"1"']);
  is(await ana.call('GET', '/v1/incidents/INC-3'), 503, 'unavailable');
  assert.match(is(await ana.call('GET', '/v1/incidents/INC-1/timeline'), 503, 'unavailable').json.detail, /open incidents only, without their timelines/);
  is(await ana.call('GET', '/v1/playbooks'), 200);
  const triage = is(await ana.call('GET', '/v1/triage'), 200).json;
  assert.deepEqual([triage.incidents_known, triage.incidents_stale, triage.open_incidents.map((i) => i.id), triage.ack_overdue], [true, true, ['INC-1', 'INC-2'], 0]);
  assert.ok(Date.parse(triage.incidents_as_of) < Date.parse(triage.as_of) - 1000);
  assert.match((await portctl(stage, 'triage')).out, /open incidents, worst first \(PostgreSQL does not answer: as of /);
  const shown = await portctl(stage, 'incident', 'list');
  assert.match(shown.out, /INC-1/);
  assert.match(shown.err, /PostgreSQL does not answer: as it was \d+ s ago/);
  assert.match((await portctl(stage, 'incident', 'show', 'INC-1')).err, /PostgreSQL does not answer/);
  const waiting = await until('the alarm that waits', 30000, async () => (await ana.call('GET', '/v1/incidents')).json?.waiting.find((w) => w.key === 'gateway:postgres_away'));
  assert.equal(waiting.severity, 'SEV2');
  assert.equal((await act(ana, 'INC-1', 'ack', { notes: 'I have it' })).status, 503, 'nothing is half done');
  await stage.restartPostgres();
  await until('it is back', 20000, async () => (await ana.call('GET', '/v1/incidents')).json?.stale === false);
}));
