// Playbooks over REST and portctl: what is served, who may read it, and that a bad one keeps the gateway from starting.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildDir, onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const shipped = path.join(root, 'docs/playbooks');
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

function withPlaybooks(body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    stage.playbooks = path.join(stage.dir, 'playbooks');
    cpSync(shipped, stage.playbooks, { recursive: true });
    const ctl = (...args) => {
      const run = spawnSync(path.join(buildDir, 'portctl'), args, { encoding: 'utf8', env: { ...process.env, ADMIN_URL: stage.adminUrl, ADMIN_KEY_FILE: stage.keyFile, ADMIN_KEY_ID: stage.keyId, PORTCTL_CA: stage.ca } });
      return { code: run.status, out: run.stdout, err: run.stderr };
    };
    await body(stage, ctl);
  });
}

async function admitted(stage, signer) {
  await until('the keys', 10000, async () => (await stage.call(signer, 'GET', '/v1/stats')).status === 200);
}

test('playbooks are served whole, to those who may see incidents', { timeout: 120000 }, () => withPlaybooks(async (stage, ctl) => {
  const viewer = Person.make(stage, 'vera', 'viewer');
  await stage.startGateway({ playbooks: { dir: stage.playbooks } });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await admitted(stage, admin);

  const { json: { playbooks } } = await stage.call(admin, 'GET', '/v1/playbooks');
  assert.deepEqual(playbooks.map((p) => p.id), ['kill_switch', 'ws_overload']);
  const { status, json: kill } = await stage.call(admin, 'GET', '/v1/playbooks/kill_switch');
  assert.equal(status, 200);
  assert.deepEqual(kill, playbooks[0]);
  assert.equal(kill.owner, 'Trading operations');
  assert.match(kill.next_review_at, /^20\d\d-\d\d-\d\d$/);
  const decision = kill.steps.find((s) => s.guard);
  assert.deepEqual(decision.guard.options, ['within', 'beyond']);
  const release = kill.steps.find((s) => s.action?.typed === 'RELEASE');
  assert.ok(decision.guard.answers[1].locks.includes(release.id));
  assert.ok(release.after.includes(decision.id));
  assert.deepEqual(kill.exit.map((e) => e.counter), ['kill_released_s', 'root_cause']);
  const degrade = playbooks[1].steps.find((s) => s.action?.path === '/v1/fanout/profile');
  assert.equal(degrade.action.body.profile, 'degraded');
  assert.equal(degrade.action.body.expires_at, '{+15m}');
  for (const p of playbooks) {
    assert.deepEqual([...new Set(p.steps.map((s) => s.phase))], ['immediate', 'diagnosis', 'recovery']);
    assert.ok(p.contacts.length > 0 && p.contacts.every((c) => c.role && c.name && c.how));
    assert.ok(p.notice.length > 0);
  }

  // what a playbook says is what the gateway does
  const at = new Date(Date.now() + 15 * 60e3).toISOString().replace('Z', '000Z');
  const body = JSON.parse(JSON.stringify(degrade.action.body).replace('{+15m}', at));
  const done = await stage.call(admin, degrade.action.method, degrade.action.path, { ...body, reason: 'as the playbook says', ticket: 'OPS-1' }, { headers: { 'if-match': '*' } });
  assert.equal(done.status, 200, done.body);
  assert.equal(done.json.resource.profile, 'degraded');

  assert.equal((await stage.call(admin, 'GET', '/v1/playbooks/nothing')).status, 404);
  await viewer.logIn();
  assert.equal((await viewer.call('GET', '/v1/playbooks/ws_overload')).status, 200);
  assert.equal((await stage.get(`${stage.adminUrl}/v1/playbooks`)).status, 401);
  assert.equal((await stage.metrics()).get('playbooks'), 2);
  assert.equal((await stage.metrics()).get('playbook_reviews_overdue'), 0);

  const list = ctl('playbooks');
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, /^ID +TITLE +SEVERITY +VERSION +OWNER +NEXT REVIEW\nkill_switch +Kill switch engaged +SEV1 +1 +Trading operations +2027-02-21\nws_overload /);
  const page = ctl('playbook', 'show', 'kill_switch');
  assert.equal(page.code, 0, page.err);
  assert.match(page.out, /\ndiagnosis\n(.|\n)*\? Is the loss within its limit\?\n +within: .*\n +beyond: .* Locks ask_first_stage, ask_release\n/);
  assert.match(page.out, /\$ portctl kill release --reason /);
  assert.match(page.out, /\nover when\n {2}- No kill switch has been engaged for one minute\n/);
  assert.deepEqual(JSON.parse(ctl('--json', 'playbook', 'show', 'kill_switch').out), kill);
  const none = ctl('playbook', 'show', 'nothing');
  assert.equal(none.code, 1);
  assert.match(none.err, /no playbook has this id/);
  assert.match(ctl('playbook', 'show', '--help').out, /portctl playbook show kill_switch/);
}));

test('a playbook that cannot be followed keeps the gateway from starting, with file, line and what to do', { timeout: 60000 }, () => withPlaybooks(async (stage) => {
  const file = path.join(stage.playbooks, 'kill_switch.yaml');
  const good = readFileSync(file, 'utf8');
  const config = path.join(stage.dir, 'check.yaml');
  writeFileSync(config, stage.configText({ playbooks: { dir: stage.playbooks } }));
  const check = (...args) => spawnSync(path.join(buildDir, 'portcullis'), ['--config', config, ...args], { encoding: 'utf8', timeout: 10000 });
  assert.equal(check('--check-config').status, 0);
  const refused = (from, to, wanted) => {
    assert.ok(good.includes(from));
    writeFileSync(file, good.replace(from, to));
    for (const args of [['--check-config'], []]) {
      const run = check(...args);
      assert.equal(run.status, 1, run.stdout);
      assert.match(run.stderr, wanted);
      assert.match(run.stderr, /not started/);
    }
  };
  refused('path: /v1/kill-switch\n', 'path: /v1/killswitch\n', /kill_switch\.yaml:\d+: steps\.verify_trigger\.action: GET \/v1\/killswitch: no such route/);
  refused('permission: control.loosen', 'permission: control.relax', /steps\.ask_first_stage\.action: permission: there is no control\.relax/);
  refused('permission: control.loosen', 'permission: control.tighten', /permission: the route asks for control\.loosen/);
  refused('{"engaged":true}', '{"engaged":"yes"}', /steps\.engage\.action: body: \/engaged /);
  refused('counter: kill_released_s', 'counter: ticked', /exit\.released: counter: no such counter; known: slow_consumer_quiet_s/);
  refused('[verify_trigger, portfolio_state]', '[verify_trigger, later]', /steps\.loss_within_limit: after: no step before this one has that id/);
  writeFileSync(file, good);
  assert.equal(execFileSync(path.join(buildDir, 'portcullis'), ['--config', config, '--check-config'], { encoding: 'utf8' }).startsWith('ok'), true);
}));

test('an incident with a playbook: steps unlock, an answer locks the release, nothing closes before its conditions', { timeout: 150000 }, () => withPlaybooks(async (stage) => {
  const file = path.join(stage.playbooks, 'kill_switch.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('need: 60', 'need: 2'));
  const [ana, ben] = [Person.make(stage, 'ana', 'operator,responder'), Person.make(stage, 'ben', 'approver')];
  await stage.startGateway({ playbooks: { dir: stage.playbooks }, gate: { stage_hold: '0s' }, limits: { write_burst: 1000, login_burst: 100 } });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await admitted(stage, admin);
  await ana.logIn();
  await ben.logIn();
  const why = { reason: 'a test of the playbook', ticket: 'OPS-1' };
  const kill = await ana.call('PUT', '/v1/kill-switch', { engaged: true, ...why }, { 'if-match': '*' });
  assert.equal(kill.status, 200, kill.body);
  const opened = await ana.call('POST', '/v1/incidents', { severity: 'SEV1', title: 'Kill switch engaged', reason: why.reason, playbook: 'kill_switch' });
  assert.equal(opened.status, 201, opened.body);
  const at = `/v1/incidents/${opened.json.id ?? opened.json.incident.id}`;
  const get = async () => {
    const { json } = await ana.call('GET', at);
    return json.incident ?? json;
  };
  const step = (id, more = {}) => ana.call('POST', `${at}/step`, { step: id, outcome: 'done', ...more });
  const done = async (id, more) => {
    const answer = await step(id, more);
    assert.equal(answer.status, 200, answer.body);
  };
  const states = async () => Object.fromEntries((await get()).steps.map((s) => [s.id, s.state]));
  assert.deepEqual([(await states()).loss_within_limit, (await states()).ask_release, (await states()).engage], ['locked', 'locked', 'open']);
  const early = await step('loss_within_limit', { answer: 'within' });
  assert.deepEqual([early.status, early.json.code], [409, 'step-locked'], early.body);
  assert.match(early.json.detail, /first verify_trigger/);
  const strange = await step('verify_trigge');
  assert.equal(strange.status, 422, strange.body);
  await done('verify_trigger');
  await done('portfolio_state', { notes: 'loss 120, limit 100' });
  const unanswered = await step('loss_within_limit');
  assert.deepEqual([unanswered.status, unanswered.json.code], [422, 'validation'], unanswered.body);
  await done('loss_within_limit', { answer: 'beyond', notes: 'loss 120, limit 100' });

  // the root cause is known, and still nothing is released
  assert.equal((await ana.call('POST', `${at}/note`, { text: 'a strategy without a limit', kind: 'root_cause' })).status, 200);
  await done('find_root_cause');
  const release = () => ana.call('POST', '/v1/kill-switch/release-requests', { engaged: false, ...why });
  const locked = await release();
  assert.deepEqual([locked.status, locked.json.code], [409, 'step-locked'], locked.body);
  assert.match(locked.json.detail, /^INC-1: loss_within_limit was answered with beyond/);
  assert.equal((await step('ask_release')).json.code, 'step-locked');
  const withdrawals = await ana.call('PUT', '/v1/withdrawals', { halted: true, ...why }, { 'if-match': '*' });
  assert.equal(withdrawals.status, 200, 'tightening is never locked');
  await done('loss_within_limit', { answer: 'within', notes: 'the hedge was booked: loss 20' });
  const asked = await release();
  assert.equal(asked.status, 202, asked.body);
  const change = asked.json.change;

  // answered anew between the request and the approval
  await done('loss_within_limit', { answer: 'beyond', notes: 'the hedge was cancelled' });
  const { json: shown } = await ben.call('GET', `/v1/changes/${change}`);
  const { hash } = shown.change ?? shown.changes[0];
  const refused = await ben.call('POST', `/v1/changes/${change}/approve`, { hash });
  assert.deepEqual([refused.status, refused.json.code], [409, 'step-locked'], refused.body);
  await done('loss_within_limit', { answer: 'within', notes: 'booked again' });

  const unmet = async () => (await get()).may_close.missing;
  assert.deepEqual((await unmet()).filter((m) => m.startsWith('exit:')), ['exit:released']);
  const approved = await ben.call('POST', `/v1/changes/${change}/approve`, { hash });
  assert.equal(approved.status, 200, approved.body);
  await until('the condition', 10000, async () => (await get()).exit.every((e) => e.met));
  assert.deepEqual((await get()).exit.map((e) => [e.id, e.met, e.known, e.need]), [['released', true, true, 2], ['root_cause_known', true, true, 1]]);
  assert.deepEqual((await unmet()).filter((m) => !m.startsWith('postmortem')), []);
}));
