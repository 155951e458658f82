// Incidents against the real gateway, PostgreSQL and Redis, by two people: opened, acknowledged before the countdown ends,
// worked on, the guard on loosening, report, closing, opened again; kill -9 in between; two gateways on one database.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { knows, verifyChain } from './harness/gate.mjs';
import { growOlder } from './harness/incident_age.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const within = { timeout: 240000 };
const MODE = `/v1/symbols/${encodeURIComponent('BTC/USD')}/mode`;
const why = { reason: 'a test of incidents', ticket: 'OPS-1' };
const wide = { login_burst: 2000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, halt_burst: 1000, halt_per_minute: 60000,
  preauth_burst: 5000, read_burst: 1000, write_burst: 1000 };

function withPeople(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ ...overrides, limits: wide });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await knows(stage);
    stage.ana = Person.make(stage, 'ana', 'operator');
    stage.ben = Person.make(stage, 'ben', 'operator,approver');
    is(await stage.ana.logIn(), 200);
    is(await stage.ben.logIn(), 200);
    await body(stage);
  });
}

const shown = (answer) => `${answer.status} ${answer.body}`;
function is(answer, status, code) {
  assert.equal(answer.status, status, shown(answer));
  if (code) assert.equal(answer.json?.code, code, shown(answer));
  return answer;
}
const open = (who, body = {}, headers = {}) => who.call('POST', '/v1/incidents', { severity: 'SEV2', title: 'books are crossed', reason: 'two books are crossed', ...body }, headers);
const act = (who, id, verb, body, headers) => who.call('POST', `/v1/incidents/${id}/${verb}`, body, headers);
const get = async (who, id) => is(await who.call('GET', `/v1/incidents/${id}`), 200).json;

test('an incident from its opening to its end, and again', within, () => withPeople({}, async (stage) => {
  const { ana, ben } = stage;
  const made = is(await open(ana, { class: 'data_quality', symbol: 'BTC/USD', summary: 'since the deploy', ticket: 'OPS-7', detected_by: 'customer' }), 201);
  assert.equal(made.headers.location, '/v1/incidents/INC-1');
  const one = made.json;
  assert.deepEqual([one.id, one.state, one.severity, one.class, one.level, one.version, one.opened_by, one.source, one.detected_by],
    ['INC-1', 'open', 'SEV2', 'data_quality', 1, 1, 'user:ana', 'human', 'customer']);
  assert.equal(Date.parse(one.ack_due_at) - Date.parse(one.opened_at), 900e3, 'acknowledge within 15 minutes');
  assert.equal(one.level_next_at, one.ack_due_at);
  assert.ok(one.audit > 0);
  assert.deepEqual(one.may_close, { ok: false, missing: ['root_cause'] });
  const list = is(await ben.call('GET', '/v1/incidents'), 200).json;
  assert.deepEqual(list.incidents.map((i) => i.id), ['INC-1']);

  // by the second person, before the countdown ends
  const acked = is(await act(ben, 'INC-1', 'ack', { notes: 'I have it' }), 200).json;
  assert.deepEqual([acked.state, acked.acked_by, acked.level_next_at, acked.version], ['acknowledged', 'user:ben', null, 2]);
  assert.ok(Date.parse(acked.acked_at) < Date.parse(acked.ack_due_at));
  is(await act(ana, 'INC-1', 'ack', { notes: 'me, too' }), 409, 'illegal-transition');
  assert.equal((await stage.metrics()).get('incident_ack_seconds_count{severity="SEV2"}'), 1);

  // who does what, notes, severity, class, tasks; each with its ETag
  assert.equal(is(await act(ben, 'INC-1', 'assign', { role: 'commander', name: 'ben' }), 200).json.commander, 'ben');
  is(await act(ben, 'INC-1', 'assign', { role: 'cook', name: 'ben' }), 422, 'validation');
  const before = is(await ana.call('GET', '/v1/incidents/INC-1'), 200).headers.etag;
  is(await act(ana, 'INC-1', 'note', { text: 'feed A and feed B differ\nby one tick' }, { 'if-match': before }), 200);
  const moved = is(await act(ana, 'INC-1', 'note', { text: 'too late' }, { 'if-match': before }), 412, 'version-conflict');
  assert.equal(moved.json.current.version, 4, 'the answer says what it is now');
  is(await act(ana, 'INC-1', 'severity', { severity: 'SEV2', reason: 'it is as bad as that' }), 409, 'illegal-transition');
  const raised = is(await act(ana, 'INC-1', 'severity', { severity: 'P0', reason: 'customers lose money' }), 200).json;
  assert.deepEqual([raised.severity, raised.state, raised.postmortem_required], ['SEV1', 'acknowledged', true]);
  assert.ok(raised.level_next_at, 'the L3 clock of SEV1 runs although it is acknowledged');
  assert.equal(is(await act(ben, 'INC-1', 'classify', { class: 'broker/connectivity' }), 200).json.class, 'broker_connectivity');
  is(await act(ben, 'INC-1', 'task', { text: 'alert on crossed books', owner: 'ana', due_at: '2030-01-01T00:00:00Z' }), 200);
  assert.deepEqual(is(await act(ben, 'INC-1', 'task', { id: 1, done: true }), 200).json.tasks.map((t) => [t.id, t.text, typeof t.done_at]), [[1, 'alert on crossed books', 'string']]);
  is(await act(ben, 'INC-1', 'task', { id: 1, done: true }), 404, 'not-found');
  is(await act(ben, 'INC-1', 'step', { step: 'look', outcome: 'done' }), 404, 'not-found');

  // mitigated, resolved; closed only when nothing is missing
  is(await act(ben, 'INC-1', 'close', { notes: 'done' }), 409, 'illegal-transition');
  assert.equal(is(await act(ben, 'INC-1', 'mitigate', { mitigation: 'partial', notes: 'feed B is off' }), 200).json.state, 'acknowledged');
  const mitigated = is(await act(ben, 'INC-1', 'mitigate', { mitigation: 'mitigated', notes: 'feed A alone is used' }), 200).json;
  assert.deepEqual([mitigated.state, mitigated.level_next_at], ['mitigated', null]);
  const resolved = is(await act(ben, 'INC-1', 'resolve', { notes: 'feed B was rolled back' }), 200).json;
  assert.deepEqual([resolved.state, resolved.tasks.map((t) => t.text)], ['resolved', ['alert on crossed books', 'postmortem']]);
  assert.deepEqual(resolved.may_close.missing, ['root_cause', 'postmortem']);
  is(await act(ben, 'INC-1', 'close', { notes: 'done' }), 409, 'root-cause-missing');
  is(await act(ben, 'INC-1', 'note', { text: 'a rounding error of release 7', kind: 'root_cause' }), 200);
  is(await act(ben, 'INC-1', 'close', { notes: 'done' }), 409, 'exit-conditions-unmet');
  const key = { 'idempotency-key': 'close-once' };
  const closed = is(await act(ben, 'INC-1', 'close', { notes: 'done', postmortem_url: 'https://wiki.example/pm/1' }, key), 200);
  assert.deepEqual([closed.json.state, closed.json.postmortem_url], ['closed', 'https://wiki.example/pm/1']);
  const again = is(await act(ben, 'INC-1', 'close', { notes: 'done', postmortem_url: 'https://wiki.example/pm/1' }, key), 200);
  assert.equal(again.body, closed.body, 'the same key, the same answer');
  assert.equal(again.headers['idempotency-replayed'], 'true');
  is(await act(ben, 'INC-1', 'close', { notes: 'something else' }, key), 422, 'idempotency-mismatch');
  is(await act(ben, 'INC-1', 'note', { text: 'x' }, { 'idempotency-key': undefined }), 400, 'idempotency-key-missing');
  assert.deepEqual(is(await ana.call('GET', '/v1/incidents'), 200).json.incidents, []);
  assert.deepEqual(is(await ana.call('GET', '/v1/incidents?state=closed&severity=SEV1&class=broker_connectivity'), 200).json.incidents.map((i) => i.id), ['INC-1']);

  // opened again: clocks begin anew, and what was found is not enough
  const reopened = is(await act(ana, 'INC-1', 'reopen', { reason: 'books are crossed again' }), 200).json;
  assert.deepEqual([reopened.state, reopened.reopened, reopened.acked_at, reopened.root_cause, reopened.level], ['open', 1, null, null, 1]);
  assert.ok(Date.parse(reopened.ack_due_at) > Date.now() + 890e3);

  // the timeline has it all, in order; the report is made of it
  const timeline = is(await ana.call('GET', '/v1/incidents/INC-1/timeline'), 200).json.timeline;
  assert.deepEqual(timeline.map((e) => e.kind), ['opened', 'ack', 'assign', 'note', 'severity', 'class', 'task', 'task', 'mitigate', 'mitigate', 'resolve', 'note', 'close', 'reopen']);
  assert.deepEqual(timeline.map((e) => e.seq), timeline.map((_, i) => i + 1));
  const first = is(await ana.call('GET', '/v1/incidents/INC-1/timeline?limit=5'), 200).json;
  const rest = is(await ana.call('GET', `/v1/incidents/INC-1/timeline?limit=200&cursor=${first.next}`), 200).json;
  assert.deepEqual([...first.timeline, ...rest.timeline], timeline);
  const report = is(await ana.call('GET', '/v1/incidents/INC-1/report'), 200);
  assert.match(report.headers['content-type'], /^text\/markdown/);
  assert.match(report.body, /^# INC-1: books are crossed\n\nsince the deploy\n/);
  assert.match(report.body, /\| acknowledge: I have it|ack: I have it/);
  const json = is(await ana.call('GET', '/v1/incidents/INC-1/report', undefined, { accept: 'application/json' }), 200).json;
  assert.deepEqual([json.incident.id, json.timeline.length], ['INC-1', timeline.length]);

  // every act is in the audit log, under the number its answer gave
  const rows = verifyChain(stage).filter((row) => row.incident === 'INC-1');
  assert.deepEqual(rows.map((row) => row.seq), timeline.map((e) => e.audit));
  assert.deepEqual([rows[1].action, rows[1].actor, rows[1].target, rows[1].reason], ['incident.ack', 'user:ben', 'INC-1', 'I have it']);
  assert.equal(closed.json.audit, timeline[12].audit);
}));

test('what is not acceptable is refused, and says which field', within, () => withPeople({}, async (stage) => {
  const { ana, ben } = stage;
  const bad = [[{ severity: 'SEV9' }, '/severity'], [{ severity: undefined }, '/severity'], [{ title: '' }, '/title'], [{ title: 'x'.repeat(201) }, '/title'],
    [{ reason: 'short' }, '/reason'], [{ class: 'weather' }, '/class'], [{ playbook: 'No Such' }, '/playbook'], [{ detected_by: 'cat' }, '/detected_by'],
    [{ symbol: 7 }, '/symbol'], [{ colour: 'red' }, '/colour'], [{ summary: 'x'.repeat(2001) }, '/summary']];
  for (const [body, pointer] of bad) {
    assert.equal(is(await open(ana, body), 422, 'validation').json.errors[0].pointer, pointer, JSON.stringify(body));
  }
  is(await ana.call('GET', '/v1/incidents/INC-1'), 404, 'not-found');
  for (const id of ['INC-', 'INC-0', 'INC-01', 'INC-99999999999999999999', 'x']) is(await ana.call('GET', `/v1/incidents/${id}`), 404, 'not-found');
  is(await act(ana, 'INC-1', 'ack', { notes: 'I have it' }), 404, 'not-found');
  is(await open(ana, { title: 'größte Störung 🙂', severity: 'warning' }), 201);
  assert.equal((await get(ben, 'INC-1')).severity, 'SEV3');
  is(await act(ana, 'inc-1', 'ack', { notes: '' }), 422, 'validation');
  is(await act(ana, '1', 'ack', { notes: 'ö'.repeat(500), by: 'Änne' }), 200);
  assert.equal((await get(ben, 'INC-1')).acked_by, 'Änne');
  for (const query of ['state=weird', 'severity=SEV5', 'class=x', 'limit=0', 'limit=201', 'cursor=x']) is(await ana.call('GET', `/v1/incidents?${query}`), 422, 'validation');
  for (let n = 2; n <= 5; n++) is(await open(ana, { severity: `SEV${n - 1}` }), 201);
  const page = is(await ana.call('GET', '/v1/incidents?limit=3'), 200).json;
  assert.deepEqual(page.incidents.map((i) => i.number), [5, 4, 3]);
  assert.deepEqual(is(await ana.call('GET', `/v1/incidents?limit=3&cursor=${page.next}`), 200).json.incidents.map((i) => i.number), [2, 1]);
  const metrics = await until('the gauges', 5000, async () => { const m = await stage.metrics(); return m.get('incidents_open{severity="SEV3"}') === 2 && m; });
  assert.deepEqual([1, 2, 4].map((n) => metrics.get(`incidents_open{severity="SEV${n}"}`)), [1, 1, 1]);
  assert.equal(metrics.get('incident_ack_waiting'), 3, 'SEV4 waits for nobody');
  const left = metrics.get('incident_ack_remaining_seconds');
  assert.ok(left > 850 && left <= 900, `${left}`);
}));

// BODY of a loosening by WHO, at the version that is now.
async function loosen(who, target, body) {
  const { headers } = is(await who.call('GET', target), 200);
  return who.call('PUT', target, { ...why, ...body }, { 'if-match': headers.etag });
}

test('nothing is loosened while a critical incident has no root cause: neither asked for nor approved', within, () => withPeople({}, async (stage) => {
  const { ana, ben } = stage;
  const halt = () => ana.call('PUT', MODE, { mode: 'SOFT_HALT', ...why, incident: 'INC-1' }, { 'if-match': '*' });
  is(await open(ana), 201);
  is(await halt(), 200); // what tightens goes on
  const refused = is(await loosen(ana, MODE, { mode: 'NORMAL' }), 409, 'root-cause-missing');
  assert.match(refused.json.detail, /^INC-1 \(SEV2, open\) has no root cause yet/);
  is(await act(ben, 'INC-1', 'note', { text: 'a wrong price band', kind: 'root_cause' }), 200);
  const asked = is(await loosen(ana, MODE, { mode: 'NORMAL' }), 202);
  const { hash } = is(await ben.call('GET', asked.headers.location), 200).json.change;

  is(await open(ben, { severity: 'SEV1', title: 'the ledger differs' }), 201); // in between
  is(await ben.call('POST', `${asked.headers.location}/approve`, { hash }), 409, 'root-cause-missing');
  is(await act(ana, 'INC-2', 'severity', { severity: 'SEV3', reason: 'it is a report that is wrong' }), 200);
  is(await ben.call('POST', `${asked.headers.location}/approve`, { hash }), 200);
  assert.equal(is(await ana.call('GET', MODE), 200).json.mode, 'NORMAL');

  const timeline = is(await ana.call('GET', '/v1/incidents/INC-1/timeline'), 200).json.timeline;
  assert.deepEqual(timeline.map((e) => e.data.action ?? e.kind), ['opened', 'symbol.mode', 'note', 'symbol.mode', 'symbol.mode'], JSON.stringify(timeline));
  verifyChain(stage);
}));

const levels = (stage, id) => stage.sql(`SELECT string_agg(level::text, ',' ORDER BY seq) FROM incident_timeline WHERE incident = ${id} AND level IS NOT NULL`);

test('levels survive kill -9 and are announced once by two gateways', within, () => withPeople({}, async (stage) => {
  const { ana, ben } = stage;
  is(await open(ana), 201);
  const due = (await get(ana, 'INC-1')).level_next_at;
  await stage.stopGateway('SIGKILL');
  await stage.startGateway({ limits: wide });
  await until('the session', 10000, async () => (await ana.call('GET', '/v1/incidents/INC-1')).status === 200);
  assert.equal((await get(ana, 'INC-1')).level_next_at, due, 'a restart does not restart the countdown');
  assert.equal(levels(stage, 1), '');

  await stage.stopGateway('SIGKILL');
  growOlder(stage, 1, 16);
  const [, other] = await Promise.all([stage.startGateway({ limits: wide }), stage.replica({ limits: wide })]);
  await until('level 2', 10000, () => levels(stage, 1) !== '');
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(levels(stage, 1), '2');
  const seen = await until('both know', 5000, async () => { const i = await get(ana, 'INC-1'); return i.level === 2 && i; });
  assert.equal(Date.parse(seen.level_next_at) - Date.parse(seen.ack_due_at), 900e3);

  await stage.stopGateway('SIGKILL');
  await other.stopGateway('SIGKILL');
  growOlder(stage, 1, 30);
  await Promise.all([stage.startGateway({ limits: wide }), other.startGateway({ limits: wide })]);
  await until('level 3', 10000, () => levels(stage, 1) === '2,3');
  const l3 = await until('the proposal', 5000, async () => { const i = await get(ben, 'INC-1'); return i.l3_proposal && i; });
  assert.deepEqual(l3.l3_proposal, { mode: 'SOFT_HALT', target: '*' });
  assert.equal(is(await ana.call('GET', MODE), 200).json.mode, 'NORMAL', 'it is only proposed');
  const both = await Promise.all([stage.metrics(), other.metrics()]);
  assert.equal(both.reduce((sum, m) => sum + m.get('incident_escalations_total{level="3"}'), 0), 1, 'by one of them');
  for (const gateway of [stage, other]) await until('it is overdue', 5000, async () => (await gateway.metrics()).get('incident_ack_remaining_seconds') < -1700);
  is(await act(ben, 'INC-1', 'ack', { notes: 'late, but I have it' }), 200);
  await until('the other gateway hears of it', 3000, async () => (await other.metrics()).get('incident_ack_waiting') === 0);
  verifyChain(stage);
}));

test('level 3 performs the halt when ESCALATION_L3_ACTION says so', within, () => withPeople({}, async (stage) => {
  const { ana } = stage;
  is(await open(ana, { severity: 'SEV1', title: 'the engine is split' }), 201);
  is(await act(ana, 'INC-1', 'ack', { notes: 'I have it' }), 200); // SEV1: the clock goes on
  await stage.stopGateway('SIGKILL');
  growOlder(stage, 1, 31);
  stage.gatewayEnv = { ...process.env, ESCALATION_L3_ACTION: 'halt' };
  await stage.startGateway({ limits: wide });
  await until('the halt', 15000, async () => JSON.parse((await stage.get(`${stage.publicUrl}/v1/status`)).body).accepting_orders === false);
  await until('it is written down', 5000, () => stage.sql('SELECT l3 FROM incidents') === 'halted');
  assert.equal(levels(stage, 1), '3');
  const entry = verifyChain(stage).find((row) => row.action === 'symbol.mode');
  assert.deepEqual([entry.actor, entry.incident], ['system', 'INC-1']);
  stage.gatewayEnv = { ...process.env, ESCALATION_L3_ACTION: 'panic' };
  await stage.stopGateway();
  await assert.rejects(stage.startGateway({ limits: wide }), /propose or halt/);
}));

test('PostgreSQL away: what is open is still shown, nothing is loosened, nothing half done', within, () => withPeople({}, async (stage) => {
  const { ana } = stage;
  is(await open(ana), 201);
  const reader = stage.admin; // keys are known without PostgreSQL
  await stage.killPostgres();
  const away = await until('it is noticed', 10000, async () => { const a = await stage.call(reader, 'GET', '/v1/incidents'); return a.status === 200 && a; });
  assert.deepEqual(away.json.incidents.map((i) => i.id), ['INC-1']);
  const refused = await stage.call(reader, 'POST', '/v1/incidents/INC-1/ack', { notes: 'I have it' }, { headers: { 'idempotency-key': 'a1' } });
  assert.equal(refused.status, 503, refused.body);
  await stage.restartPostgres();
  const done = await until('it is back', 20000, async () => { const a = await stage.call(reader, 'POST', '/v1/incidents/INC-1/ack', { notes: 'I have it' }, { headers: { 'idempotency-key': 'a1' } }); return a.status === 200 && a; });
  assert.equal(done.json.state, 'acknowledged');
  assert.equal(stage.sql("SELECT count(*) FROM incident_timeline WHERE kind = 'ack'"), '1');
  verifyChain(stage);
}));

// A playbook with a question and nothing to wait for.
function writePlaybook(dir) {
  const step = (id, phase, more = '') => `  - {id: ${id}, phase: ${phase}, title: T, text: X${more}}`;
  writeFileSync(path.join(dir, 'contacts.yaml'), 'contacts:\n  - {role: desk, name: Desk, how: telephone}\n');
  writeFileSync(path.join(dir, 'crossed.yaml'), ['id: crossed', 'title: Crossed books', 'version: 1', 'owner: Desk', 'reviewed_at: 2026-01-01', 'next_review_at: 2026-04-01',
    'severity: SEV2', 'signals: [a book is crossed]', 'symptoms: [bids above asks]', 'steps:',
    step('lower_depth', 'immediate', ', mandatory: true, guard: {question: "Is it less?", answers: {yes: {text: Go on.}, no: {text: Halt it.}}}'),
    step('ask_core', 'diagnosis', ', mandatory: true'), step('go_on', 'recovery'), 'exit:', '  - {id: known, text: The cause is known, counter: root_cause, need: 1}', 'contacts: [desk]', ''].join('\n'));
}

test('the same by portctl, also with the options of older runbooks', within, (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'portcullis-playbooks-'));
  t.after(() => rmSync(dir, { recursive: true }));
  writePlaybook(dir);
  return withPeople({ playbooks: { dir } }, byPortctl);
});

async function byPortctl(stage) {
  const env = { PATH: process.env.PATH, ADMIN_URL: stage.adminUrl, PORTCTL_CA: stage.ca, ADMIN_KEY_FILE: stage.keyFile, ADMIN_KEY_ID: stage.keyId };
  const ctl = (code, ...args) => new Promise((resolve) => {
    const child = spawn(path.join(buildDir, 'portctl'), args, { cwd: stage.dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { out += data; });
    child.once('close', (status) => { assert.equal(status, code, `${args.join(' ')}\n${out}`); resolve(out); });
  });
  const incident = async (id) => JSON.parse(await ctl(0, '--json', 'incident', 'show', id));
  assert.match(await ctl(0, 'incident', 'list'), /no incident/);
  assert.match(await ctl(0, 'incident', 'open', '--severity', 'P1', '--title', 'books are crossed', '--reason', 'BTC/USD since 03:12', '--symbol', 'BTC/USD', '--playbook', 'crossed'), /^INC-1 is open, SEV2; its next level is due at 20/);
  assert.match(await ctl(0, 'incident', 'list'), /INC-1 +SEV2 +open/);
  assert.match(await ctl(2, 'incident', 'ack', '--notes', 'x'), /next: portctl incident list/);
  assert.match(await ctl(0, 'incident', 'ack', '--run-id', 'R-7', '--incident-id', 'INC-1', '--ack-by', 'ana', '--notes', 'looking at feed B'), /^INC-1 is acknowledged, SEV2$/m);
  assert.equal((await incident('INC-1')).acked_by, 'ana');
  assert.match(await ctl(1, 'incident', 'ack', 'INC-1', '--notes', 'x'), /acknowledged by ana/);
  await ctl(0, 'incident', 'assign', 'INC-1', '--role', 'commander', '--name', 'ana');
  await ctl(0, 'incident', 'classify', 'INC-1', 'data_quality');
  await ctl(0, 'incident', 'severity', 'INC-1', 'SEV3', '--reason', 'it is not that bad');
  assert.match(await ctl(1, 'incident', 'step', 'INC-1', 'no_such', '--notes', 'x'), /lower_depth ask_core go_on/);
  await ctl(0, 'incident', 'step', 'INC-1', 'lower_depth', '--notes', 'depth is 25', '--answer', 'yes');
  await ctl(0, 'incident', 'step', 'INC-1', 'ask_core', '--skip', '--notes', 'nobody there');
  await ctl(0, 'incident', 'task', 'INC-1', '--text', 'alert on crossed books', '--owner', 'ana', '--due', '7d');
  await ctl(2, 'incident', 'task', 'INC-1');
  await ctl(0, 'incident', 'task', 'INC-1', '--done', '1');
  await ctl(0, 'incident', 'mitigate', 'INC-1', 'mitigated', '--notes', 'feed A alone is used');
  await ctl(0, 'incident', 'resolve', 'INC-1', '--notes', 'feed B was rolled back');
  assert.match(await ctl(1, 'incident', 'close', 'INC-1', '--notes', 'done'), /root_cause/);
  await ctl(0, 'incident', 'note', 'INC-1', '--text', 'a rounding error', '--root-cause');
  const one = await incident('INC-1');
  assert.deepEqual([one.steps.map((s) => `${s.id} ${s.state} ${s.answer}`), one.may_close], [['lower_depth done yes', 'ask_core skipped null', 'go_on open null'], { ok: true, missing: [] }]);
  await ctl(0, 'incident', 'close', 'INC-1', '--notes', 'done');
  await ctl(0, 'incident', 'reopen', 'INC-1', '--reason', 'books are crossed again');
  assert.deepEqual((await incident('INC-1')).steps.map((s) => s.state), ['open', 'open', 'open'], 'steps begin anew');
  assert.match(await ctl(0, 'incident', 'open', '--severity', 'SEV3', '--title', 'without one', '--reason', 'it has none to follow'), /^INC-2 is open/);
  assert.match(await ctl(1, 'incident', 'step', 'INC-2', 'lower_depth', '--notes', 'depth is 25'), /it has no playbook/);
  const shown = await ctl(0, 'incident', 'show', 'INC-1');
  assert.match(shown, /\[run R-7\] looking at feed B/);
  assert.match(shown, /missing to close +root_cause/);
  assert.match(await ctl(0, 'incident', 'report', 'INC-1'), /^# INC-1: books are crossed\n/);
  assert.equal(JSON.parse(await ctl(0, '--json', 'incident', 'report', 'INC-1')).incident.id, 'INC-1');
  await ctl(1, 'incident', 'report', 'INC-9');
}
