// Report-in: heartbeats that expire by themselves, signals, alerts from Debian's Alertmanager, bearer keys that open
// nothing else. What is old is never shown as well.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, freePort, onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const limits = { preauth_burst: 100000, preauth_per_minute: 600000, read_burst: 100000, read_per_minute: 600000, write_burst: 1000 };

function withStage(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    stage.overrides = { limits, ...overrides };
    await stage.startGateway(stage.overrides);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await ready(stage);
    await body(stage);
  });
}

const ready = (stage, other = stage) => until('the keys', 15000, async () => (await other.call(stage.admin, 'GET', '/v1/stats')).status === 200);

async function issue(stage, account, scopes = ['report.write']) {
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account, label: account, algorithm: 'bearer', scopes, reason: 'a test' });
  assert.equal(answer.status, 201, answer.body);
  return { id: answer.json.key.id, token: answer.json.token, key: answer.json.key, answer: answer.json };
}

async function send(stage, method, target, body, token, headers = {}) {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await stage.send(method, `${stage.adminUrl}${target}`, { ...(text !== undefined ? { 'content-type': 'application/json' } : {}),
    ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }, text);
  return { ...answer, json: /json/.test(answer.headers['content-type'] ?? '') ? JSON.parse(answer.body) : undefined };
}

// A bearer key the gateway knows already.
async function reporter(stage, account) {
  const key = await issue(stage, account);
  await until('the token', 10000, async () => (await send(stage, 'POST', '/v1/signals', { signals: [] }, key.token)).status === 200);
  return key;
}

const beat = (stage, token, id, body) => send(stage, 'PUT', `/v1/components/${encodeURIComponent(id)}/status`, { state: 'OK', ttl_s: 5, ...body }, token);
async function grid(stage) {
  const { status, json, body } = await stage.call(stage.admin, 'GET', '/v1/components');
  assert.equal(status, 200, body);
  return json;
}
const component = async (stage, id) => (await grid(stage)).components.find((c) => c.id === id);
const group = async (stage, name) => (await grid(stage)).groups.find((g) => g.group === name);

// Events of the admin listener, as they come.
function listen(stage) {
  const url = `${stage.adminUrl}/v1/admin/events`;
  const events = [];
  const request = https.request(url, { ca: readFileSync(stage.ca), agent: false, headers: stage.admin.headers('GET', url) }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (data) => {
      text += data;
      for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
        const name = /^event: (.*)$/m.exec(text.slice(0, at))?.[1];
        const data_ = /^data: (.*)$/m.exec(text.slice(0, at))?.[1];
        if (name) events.push({ name, data: JSON.parse(data_) });
        text = text.slice(at + 2);
      }
    });
  });
  request.on('error', () => {});
  request.end();
  return { events, end: () => request.destroy() };
}

test('a heartbeat that is not renewed: DISCONNECTED by itself, seen by GET and as an event; groups; two lease holders', { timeout: 120000 }, () => withStage({}, async (stage) => {
  const { token, id } = await reporter(stage, 'desk');
  const watch = listen(stage);
  await sleep(300);
  const first = await beat(stage, token, 'ea:gold', { group: 'ea', role: 'primary', session: 'FIX-1', seq_in: 17, seq_out: '18446744073709551615', version: '2.1', detail: 'all well', stranger: { x: 1 } });
  assert.equal(first.status, 200, first.body);
  assert.equal(first.json.durable, true);
  const c = first.json.component;
  assert.deepEqual([c.id, c.state, c.reported_state, c.group, c.role, c.seq_in, c.seq_out, c.session, c.own, c.ttl_s],
    ['ea:gold', 'OK', 'OK', 'ea', 'primary', 17, '18446744073709551615', 'FIX-1', false, 5]);
  assert.equal(c.source, `account:desk key:${id}`);
  assert.equal(stage.sql("SELECT state || (details->>'seq_out') FROM reported_components"), 'OK18446744073709551615', 'durable means in PostgreSQL');
  const standby = { group: 'ea', role: 'standby', ttl_s: 600 };
  await beat(stage, token, 'ea:gold-backup', standby);
  assert.deepEqual(await group(stage, 'ea'), { group: 'ea', state: 'OK', reason: null });
  const gone = await until('the expiry', 12000, async () => {
    const now = await component(stage, 'ea:gold');
    return now.state === 'DISCONNECTED' && now;
  });
  assert.equal(gone.reported_state, 'OK');
  assert.ok(gone.age_s >= 5 && gone.age_s <= 8, `${gone.age_s}`);
  assert.ok(Math.abs(Date.parse(gone.since) - Date.parse(gone.last_heard_at) - 5000) < 2);
  assert.equal((await group(stage, 'ea')).state, 'DEGRADED', 'one of two is gone');
  const told = await until('the events', 3000, () => watch.events.filter((e) => e.name === 'component' && e.data.component.id === 'ea:gold').length >= 2
    && watch.events.filter((e) => e.name === 'component' && e.data.component.id === 'ea:gold'));
  assert.deepEqual(told.map((e) => e.data.component.state), ['OK', 'DISCONNECTED']);
  watch.end();
  assert.ok(!(await group(stage, 'ea')).state.includes('OK'));
  await beat(stage, token, 'ea:gold-backup', { ...standby, state: 'DOWN' });
  assert.equal((await group(stage, 'ea')).state, 'DOWN', 'all are gone');

  const lease = { group: 'engine:BTC', lease_holder: true, ttl_s: 600 };
  await beat(stage, token, 'engine:BTC:a', { ...lease, fencing_token: 7 });
  assert.equal((await group(stage, 'engine:BTC')).state, 'OK');
  await beat(stage, token, 'engine:BTC:b', { ...lease, fencing_token: 8 });
  const split = await group(stage, 'engine:BTC');
  assert.equal(split.state, 'DOWN');
  assert.match(split.reason, /more than one live lease holder: engine:BTC:a \(fencing token 7\), engine:BTC:b/);
  await beat(stage, token, 'engine:BTC:a', { ...lease, lease_holder: false });
  assert.equal((await group(stage, 'engine:BTC')).state, 'OK');

  // the gateway's own are measured, not told
  const own = await until('its own', 5000, async () => {
    const list = (await grid(stage)).components.filter((x) => x.own);
    return list.length >= 4 && list;
  });
  assert.deepEqual(own.map((x) => x.id).filter((x) => x !== 'feed'), ['edge-gateway', 'journal', 'postgres', 'redis']);
  assert.deepEqual([...new Set(own.filter((x) => x.id !== 'feed').map((x) => x.state))], ['OK']);
  assert.equal((await beat(stage, token, 'redis', {})).status, 409);
  const other = await reporter(stage, 'other');
  const theirs = await beat(stage, other.token, 'ea:gold-backup', {});
  assert.equal(theirs.status, 409, 'nobody speaks for a live component of another account');
  assert.match(theirs.json.detail, /account:desk/);
  assert.equal((await beat(stage, other.token, 'ea:gold', {})).status, 200, 'one that is silent may be taken over');

  for (const [body, pointer] of [[{ state: 'FINE' }, '/state'], [{ state: 'DISCONNECTED' }, '/state'], [{ ttl_s: 4 }, '/ttl_s'], [{ ttl_s: 3601 }, '/ttl_s'],
    [{ ttl_s: '1e3' }, '/ttl_s'], [{ role: 'leader' }, '/role'], [{ group: 'a b' }, '/group'], [{ seq_in: -1 }, '/seq_in'], [{ detail: 'x'.repeat(501) }, '/detail'],
    [{ detail: 'a\nb' }, '/detail'], [{ lease_holder: 1 }, '/lease_holder'], [{ role: '\u{1f600}\u{1f600}\u{1f600}\u{1f600}\u{1f600}' }, '/role']]) {
    const refused = await beat(stage, token, 'x', body);
    assert.equal(refused.status, 422, `${JSON.stringify(body)}: ${refused.body}`);
    assert.equal(refused.json.errors[0].pointer, pointer);
  }
  assert.equal((await beat(stage, token, 'a b', {})).status, 422);
  assert.equal((await send(stage, 'PUT', '/v1/components/x/status', '{"state":"OK","state":"DOWN"}', token)).status, 400);
  assert.equal(await component(stage, 'x'), undefined);
}));

test('kill -9 and a start: what was well is as old as its last heartbeat; another gateway knows it too; PostgreSQL away is told', { timeout: 180000 }, () => withStage({}, async (stage) => {
  const { token } = await reporter(stage, 'desk');
  await beat(stage, token, 'short', { ttl_s: 6 });
  await beat(stage, token, 'long', { ttl_s: 3600, version: '9' });
  const heard = (await component(stage, 'long')).last_heard_at;
  const replica = await stage.replica({ ...stage.overrides });
  await ready(stage, replica);
  await until('the other gateway', 5000, async () => (await component(replica, 'long'))?.state === 'OK');
  assert.deepEqual((await component(replica, 'long')).last_heard_at, heard);
  await beat(stage, token, 'long', { ttl_s: 3600, state: 'DEGRADED' });
  await until('the other gateway', 5000, async () => (await component(replica, 'long')).state === 'DEGRADED');

  await send(stage, 'POST', '/v1/signals', { signals: [{ name: 'bus_lag', value: '12.50', ttl_s: 6 }] }, token);
  await stage.stopGateway('SIGKILL');
  await sleep(6500);
  await stage.startGateway(stage.overrides);
  await ready(stage);
  const seen = [];
  await until('the components', 8000, async () => {
    const all = await grid(stage);
    seen.push(all.components.find((c) => c.id === 'short')?.state);
    return all.complete && all.components.some((c) => c.id === 'long');
  });
  assert.equal(seen.includes('OK'), false, 'never shown as well on the way');
  assert.equal((await component(stage, 'short')).state, 'DISCONNECTED');
  const long = await component(stage, 'long');
  assert.equal(long.state, 'DEGRADED');
  assert.ok(long.age_s >= 6, 'as old as it is');
  const [signal] = (await stage.call(stage.admin, 'GET', '/v1/signals')).json.signals;
  assert.deepEqual([signal.value, signal.stale], ['12.50', true]);
  assert.equal((await stage.metrics()).has('reported_bus_lag'), false, 'what is stale is not exposed');

  // PostgreSQL stops: heard all the same, and told that it would not survive
  await until('the token', 10000, async () => (await beat(stage, token, 'short', { ttl_s: 3600 })).status === 200);
  await stage.stopPostgres();
  const away = await beat(stage, token, 'short', { ttl_s: 3600, state: 'PAUSED' });
  assert.equal(away.status, 200, away.body);
  assert.equal(away.json.durable, false);
  assert.equal((await component(stage, 'short')).state, 'PAUSED');
  await until('the stores', 20000, async () => (await component(stage, 'postgres')).state === 'DOWN');
  await until('that others are not known', 10000, async () => (await grid(stage)).complete === false);
  const lost = await send(stage, 'POST', '/v1/alerts/alertmanager', { alerts: [{ labels: { alertname: 'X' } }] }, token);
  assert.equal(lost.status, 503, 'an alert is answered when it is stored, or is sent again');
  await stage.continuePostgres();
  await until('written behind', 20000, () => stage.sql("SELECT state FROM reported_components WHERE id = 'short'") === 'PAUSED');
  await until('complete', 10000, async () => (await grid(stage)).complete);
}));

test('signals: names and labels of Prometheus, text values, bounded, exposed while recent', { timeout: 120000 }, () => withStage({ reported: { max_series: 6, expected: 'ledger  engine-a' } }, async (stage) => {
  const missed = (await stage.call(stage.admin, 'GET', '/v1/components')).json.components.filter((c) => c.expected);
  assert.deepEqual(missed.map((c) => [c.id, c.state, c.last_heard_at]), [['engine-a', 'UNKNOWN', null], ['ledger', 'UNKNOWN', null]]);
  const { token } = await reporter(stage, 'desk');
  const answer = await send(stage, 'POST', '/v1/signals', { batch: 7, signals: [
    { name: 'bus_lag', labels: { topic: 'trades', partition: '1' }, value: '0.10', unit: 's', extra: true },
    { name: 'bus_lag', labels: { partition: '1', topic: 'trades' }, value: '0.20', unit: 's' },
    { name: 'bus_lag', labels: { topic: 'say "hi" \\ é' }, value: '-3' },
    { name: 'queue:depth', value: 12, ts: new Date(Date.now() - 2000).toISOString() },
    { name: 'bad name', value: '1' }, { name: 'x', value: 1.5 }, { name: 'x', value: 'NaN' }, { name: 'x', value: '1e5' }, { name: 'x', labels: { __name__: 'y' }, value: '1' },
    { name: 'x', labels: { a: 1 }, value: '1' }, { name: 'x', value: '1', ts: new Date(Date.now() + 120000).toISOString() }, 'x', { name: 'x', value: '1', ttl_s: 1 },
    { name: 'old', value: '99999999999999999999.000000000000000001', ts: '2020-01-01T00:00:00Z' },
  ] }, token);
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.json.accepted, 5);
  assert.equal(answer.json.durable, true);
  assert.deepEqual(answer.json.refused.map((r) => [r.index, r.field]), [[4, 'name'], [5, 'value'], [6, 'value'], [7, 'value'], [8, 'labels'], [9, 'labels'], [10, 'ts'], [11, ''], [12, 'ttl_s']]);
  const list = (await stage.call(stage.admin, 'GET', '/v1/signals')).json.signals;
  assert.deepEqual(list.map((s) => [s.name, s.value, s.stale]), [['bus_lag', '0.20', false], ['bus_lag', '-3', false], ['old', '99999999999999999999.000000000000000001', true], ['queue:depth', '12', false]]);
  assert.ok(list[3].age_s >= 2);
  const body = await until('the gauges', 3000, async () => {
    const text = (await stage.get(`${stage.adminUrl}/metrics`)).body;
    return text.includes('\nreport_series{age="stale"} 1\n') && text.includes('component="postgres"') && text;
  });
  assert.match(body, /\n# TYPE reported_bus_lag gauge\nreported_bus_lag\{partition="1",topic="trades"\} 0\.20\nreported_bus_lag\{topic="say \\"hi\\" \\\\ é"\} -3\n/);
  assert.match(body, /\nreported_queue:depth 12\n/);
  assert.doesNotMatch(body, /reported_old/);
  assert.match(body, /report_source_last_seen_seconds\{component="postgres"\} \d+\.\d{3}\n/);
  assert.equal(new Set(body.split('\n').filter((l) => l && !l.startsWith('#')).map((l) => l.slice(0, l.lastIndexOf(' ')))).size,
    body.split('\n').filter((l) => l && !l.startsWith('#')).length, 'no series twice');
  // the older value of a series does not come back
  await send(stage, 'POST', '/v1/signals', { signals: [{ name: 'queue:depth', value: '1', ts: '2020-01-01T00:00:00Z' }] }, token);
  assert.equal((await stage.call(stage.admin, 'GET', '/v1/signals')).json.signals[3].value, '12');
  const full = await send(stage, 'POST', '/v1/signals', { signals: [1, 2, 3, 4].map((i) => ({ name: `n${i}`, value: i })) }, token);
  assert.deepEqual([full.json.accepted, full.json.refused.map((r) => r.index)], [3, [3]], 'six series, and one that is long out of date made room');
  assert.equal((await send(stage, 'POST', '/v1/signals', { signals: 'x' }, token)).status, 422);
  // longer than other routes take
  const many = { signals: Array.from({ length: 1900 }, (_, i) => ({ name: 'n1', labels: {}, value: `${i}`, unit: 'x'.repeat(30) })) };
  assert.ok(JSON.stringify(many).length > 100000);
  assert.equal((await send(stage, 'POST', '/v1/signals', many, token)).json.accepted, 1900);
  assert.equal((await send(stage, 'PUT', '/v1/components/y/status', { state: 'OK', ttl_s: 5, pad: 'x'.repeat(70000) }, token)).status, 413);

  // triage and objectives: unknown, kept, missed
  const slo = async (id) => (await stage.call(stage.admin, 'GET', '/v1/slo')).json.slos.find((s) => s.id === id);
  assert.deepEqual(await slo('data_quality_errors'), { id: 'data_quality_errors', title: 'data quality errors', target: '0', value: null, state: 'unknown', age_s: null, window: 'last cycle' });
  const triage = async () => (await stage.call(stage.admin, 'GET', '/v1/triage')).json;
  assert.deepEqual((await triage()).quality, { value: null, age_s: null, state: 'unknown' });
  assert.equal((await triage()).halt_reason, null);
  assert.equal((await triage()).kill_switch, false);
}));

test('thresholds and objectives: a rule raises and clears, an objective that was missed is remembered', { timeout: 120000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  const rules = path.join(stage.dir, 'rules.yaml');
  writeFileSync(rules, 'rules:\n  - name: bus_lag\n    op: ">"\n    value: "5"\n    for: 1s\n    severity: SEV3\n  - component: "ea:*"\n    severity: critical\n');
  stage.overrides = { limits, reported: { rules_file: rules } };
  await stage.startGateway(stage.overrides);
  stage.admin = new Signer(stage.keyId, stage.keyFile);
  await ready(stage);
  const { token } = await reporter(stage, 'desk');
  const raised = async () => (await stage.metrics()).get('report_rules_raised_total');
  await send(stage, 'POST', '/v1/signals', { signals: [{ name: 'bus_lag', value: '5' }] }, token);
  await sleep(2500);
  assert.equal(await raised(), 0);
  await send(stage, 'POST', '/v1/signals', { signals: [{ name: 'bus_lag', value: '5.0000001' }] }, token);
  await until('the rule', 6000, async () => (await raised()) === 1);
  await until('its line in the log', 3000, () => /signal:bus_lag:bus_lag/.test(stage.gateway.errors + stage.gateway.output));
  await beat(stage, token, 'ea:x', { state: 'DOWN' });
  await until('the other rule', 6000, async () => (await raised()) === 2);

  const slos = async () => Object.fromEntries((await stage.call(stage.admin, 'GET', '/v1/slo')).json.slos.map((s) => [s.id, s]));
  const values = (list) => send(stage, 'POST', '/v1/signals', { signals: list.map(([name, value]) => ({ name, value, ttl_s: 5 })) }, token);
  await values([['recon_consecutive_mismatch', '3'], ['data_quality_errors', '0'], ['paper_reconciliation_pass_ratio', '0.995'], ['operational_error_ratio', '0.0200001'], ['data_stale_warnings', '0.0']]);
  const now = await slos();
  assert.deepEqual([now.recon_mismatch_runs.state, now.data_quality_errors.state, now.paper_reconciliation_pass.state, now.operational_errors.state, now.stale_warnings.state],
    ['breached', 'ok', 'ok', 'breached', 'ok']);
  const triage = async () => (await stage.call(stage.admin, 'GET', '/v1/triage')).json;
  const bad = await triage();
  assert.deepEqual([bad.reconciliation.state, bad.reconciliation.value, bad.quality.state], ['bad', '3', 'ok']);
  const breach = await until('the breach', 6000, async () => (await triage()).last_slo_breach);
  assert.ok(['recon_mismatch_runs', 'operational_errors'].includes(breach.slo) && breach.ended_at === null, JSON.stringify(breach));
  await until('unknown when nobody renews it', 12000, async () => (await slos()).data_quality_errors.state === 'unknown');
  assert.equal((await slos()).recon_mismatch_runs.state, 'unknown');
  assert.equal(stage.sql("SELECT count(*) FROM slo_breaches WHERE ended_at IS NULL"), '2', 'unknown is not met again');
  await values([['recon_consecutive_mismatch', '0']]);
  await until('met again', 6000, () => stage.sql("SELECT count(*) FROM slo_breaches WHERE ended_at IS NULL") === '1');
}));

test('a bearer key opens report-in alone, is shown once, and ends when it is revoked', { timeout: 120000 }, () => withStage({}, async (stage) => {
  for (const scopes of [[], ['report.write', 'keys.read'], ['keys.read']]) {
    const refused = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'x', algorithm: 'bearer', scopes, reason: 'a test' });
    assert.equal(refused.status, 422, refused.body);
    assert.equal(refused.json.errors[0].pointer, '/scopes');
  }
  const { id, token, answer } = await reporter(stage, 'desk');
  assert.match(token, /^pcr_[A-Za-z0-9_-]{43}$/);
  assert.equal(answer.secret, undefined);
  assert.equal((await stage.call(stage.admin, 'GET', `/v1/keys/${id}`)).body.includes(token), false);
  assert.equal(stage.sql(`SELECT encode(token_hash, 'hex') = encode(sha256('${token}'), 'hex') AND public_key IS NULL AND secret_sealed IS NULL FROM api_keys WHERE id = '${id}'`), 't');
  assert.equal(execFileSync('pg_dump', [stage.dsn, '--data-only'], { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] }).includes(token), false, 'the token is nowhere in the database');
  for (const [method, target] of [['GET', '/v1/components'], ['GET', '/v1/signals'], ['GET', '/v1/stats'], ['GET', '/v1/keys'], ['POST', '/v1/keys'], ['GET', '/v1/triage'],
    ['PUT', '/v1/kill-switch'], ['GET', '/v1/admin/events'], ['POST', '/v1/ws-token'], ['GET', '/v1/audit'], ['GET', '/v1/session']]) {
    const refused = await send(stage, method, target, method === 'GET' ? undefined : {}, token);
    assert.equal(refused.status, 401, `${method} ${target}: ${refused.body}`);
  }
  assert.ok((await stage.metrics()).get('auth_fail_total{reason="bearer_route"}') >= 10);
  const ok = () => send(stage, 'POST', '/v1/signals', { signals: [] }, token);
  assert.equal((await ok()).status, 200);
  for (const wrong of [`${token}x`, token.slice(0, -1), `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`, 'pcr_', '', token.replace('pcr_', 'pcs_'), `pcr_${'*'.repeat(43)}`]) {
    const refused = await send(stage, 'POST', '/v1/signals', { signals: [] }, undefined, { authorization: `Bearer ${wrong}` });
    assert.equal(refused.status, 401, wrong);
    assert.match(refused.headers['www-authenticate'], /Bearer/);
  }
  assert.equal((await send(stage, 'POST', '/v1/signals', { signals: [] })).status, 401);
  // the same hash does not verify a signature
  const forged = await stage.call(new Signer(id, stage.keyFile), 'POST', '/v1/signals', { signals: [] });
  assert.equal(forged.status, 401);
  // a signed key may report, too, when it has the scope
  assert.equal((await stage.call(stage.admin, 'POST', '/v1/signals', { signals: [] })).status, 200);
  const usage = await until('its use', 8000, async () => (await stage.call(stage.admin, 'GET', `/v1/keys/${id}/usage`)).json.usage);
  assert.equal(usage.last_route, '/v1/signals');
  assert.ok(Date.now() - Date.parse(usage.last_used_at) < 30000);

  // rotation gives a new token; the old one ends after the overlap
  const rotated = await stage.call(stage.admin, 'POST', `/v1/keys/${id}/rotate`, { overlap_s: 0, reason: 'yearly' });
  assert.equal(rotated.status, 201, rotated.body);
  assert.match(rotated.json.token, /^pcr_/);
  await until('the new token', 5000, async () => (await send(stage, 'POST', '/v1/signals', { signals: [] }, rotated.json.token)).status === 200);
  await until('the end of the old one', 5000, async () => (await ok()).status === 401);
  const revoked = await stage.call(stage.admin, 'POST', `/v1/keys/${rotated.json.key.id}/revoke`, { reason: 'a test of the end' });
  assert.equal(revoked.status, 200, revoked.body);
  await until('its end', 3000, async () => (await send(stage, 'POST', '/v1/signals', { signals: [] }, rotated.json.token)).status === 401);

  // its own rate class
  const slow = await issue(stage, 'slow');
  await stage.call(stage.admin, 'PUT', `/v1/keys/${slow.id}/limits`, { rate_class: 'minimal', reason: 'too loud' });
  let limited = 0;
  for (let i = 0; i < 40 && !limited; i++) limited += (await send(stage, 'POST', '/v1/signals', { signals: [] }, slow.token)).status === 429 ? 1 : 0;
  assert.equal(limited, 1, 'twenty calls of ten units');

  // from the network it is bound to
  const bound = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'far', label: 'far', algorithm: 'bearer', scopes: ['report.write'], ip_allow: ['10.9.0.0/16'], reason: 'a test' });
  await sleep(1500);
  assert.equal((await send(stage, 'POST', '/v1/signals', { signals: [] }, bound.json.token)).status, 401);
}));

test('portctl: a bearer key into a file, components, signals, triage, slo', { timeout: 120000 }, () => withStage({}, async (stage) => {
  const portctl = (...args) => execFileSync(path.join(buildDir, 'portctl'), ['--url', stage.adminUrl, '--ca', stage.ca, '--key-file', stage.keyFile, '--key-id', stage.keyId, ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const file = path.join(stage.dir, 'reporter.token');
  portctl('key', 'new', '--account', 'desk', '--label', 'alertmanager', '--algorithm', 'bearer', '--scope', 'report.write', '--reason', 'alerts come in', '--out', file);
  const token = readFileSync(file, 'utf8');
  assert.match(token, /^pcr_[A-Za-z0-9_-]{43}\n?$/);
  const { token: other } = await reporter(stage, 'ops2');
  await until('the token', 5000, async () => (await beat(stage, token.trim(), 'ea:gold', { group: 'ea', ttl_s: 600, state: 'DEGRADED', detail: 'slow' })).status === 200);
  await send(stage, 'POST', '/v1/signals', { signals: [{ name: 'bus_lag', labels: { topic: 'trades' }, value: '7.5', unit: 's' }, { name: 'past', value: '1', ts: '2020-01-01T00:00:00Z' }] }, other);
  assert.match(portctl('components'), /ea:gold +ea +\S+ +DEGRADED/);
  assert.match(portctl('components'), /group ea +DEGRADED|ea +DEGRADED/);
  assert.match(portctl('signals'), /bus_lag +topic=trades +7\.5 +s/);
  assert.match(portctl('signals'), /past .*STALE/);
  assert.equal(JSON.parse(portctl('--json', 'signals')).signals.length, 2);
  assert.match(portctl('slo'), /data quality errors +0 +- +UNKNOWN/);
  assert.match(portctl('triage'), /reconciliation +UNKNOWN/);
  assert.match(portctl('triage'), /kill switch +off/);
}));

const alertmanager = ['/usr/bin/prometheus-alertmanager', '/usr/bin/alertmanager'].find(existsSync);

test("Debian's Alertmanager: an alert, and its end, with a bearer credentials file and our CA", { timeout: 180000, skip: alertmanager ? false : 'no Alertmanager: apt-get install prometheus-alertmanager' }, () => withStage({}, async (stage) => {
  const { id, token } = await reporter(stage, 'alertmanager');
  const file = path.join(stage.dir, 'token');
  writeFileSync(file, token, { mode: 0o600 });
  const config = path.join(stage.dir, 'alertmanager.yml');
  writeFileSync(config, `route:
  receiver: portcullis
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: portcullis
    webhook_configs:
      - url: ${stage.adminUrl}/v1/alerts/alertmanager
        send_resolved: true
        max_alerts: 500
        http_config:
          authorization: {type: Bearer, credentials_file: ${file}}
          tls_config: {ca_file: ${stage.ca}}
`);
  const port = await freePort();
  const child = spawn(alertmanager, [`--config.file=${config}`, `--storage.path=${path.join(stage.dir, 'am')}`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address='],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  child.stdout.on('data', (data) => { log += data; });
  stage.children.push(child);
  const post = (alerts) => fetch(`http://127.0.0.1:${port}/api/v2/alerts`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(alerts) });
  await until('Alertmanager', 20000, async () => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok);
  const begin = new Date(Date.now() - 60000).toISOString();
  const alert = { labels: { alertname: 'BusLag', severity: 'critical', playbook: 'bus_lag', component: 'bus' }, annotations: { summary: 'the bus is behind', description: 'by an hour', runbook_url: 'https://example.test/r' }, startsAt: begin, endsAt: new Date(Date.now() + 600000).toISOString() };
  assert.equal((await post([alert])).status, 200);
  const row = await until('the alert', 20000, () => stage.sql("SELECT key, firing, severity, content->'annotations'->>'summary', source, received FROM reported_alerts")).catch((error) => { throw new Error(`${error.message}\n${log}`); });
  const [key, firing, severity, summary, source, received] = row.split('|');
  assert.match(key, /^alert:[0-9a-f]{16}:20\d\d-/);
  assert.deepEqual([firing, severity, summary, source, received], ['t', 'SEV1', 'the bus is behind', `account:alertmanager key:${id}`, '1']);
  assert.equal((await stage.metrics()).get('report_alerts_total{result="firing"}'), 1);
  // the fingerprint is that of Alertmanager, whoever computes it
  const theirs = (await (await fetch(`http://127.0.0.1:${port}/api/v2/alerts`)).json())[0].fingerprint;
  assert.ok(key.includes(theirs));
  const same = await send(stage, 'POST', '/v1/alerts/alertmanager', { alerts: [{ ...alert, status: 'firing' }] }, token);
  assert.deepEqual(same.json, { stored: 1, skipped: 0 });
  assert.equal(stage.sql('SELECT count(*) || max(received)::text FROM reported_alerts'), '12', 'once, heard twice');
  // a refused token is told to the sender as it is
  assert.equal((await post([{ ...alert, endsAt: new Date(Date.now() - 1000).toISOString() }])).status, 200);
  await until('its end', 20000, () => stage.sql('SELECT NOT firing AND ends_at IS NOT NULL FROM reported_alerts') === 't').catch((error) => { throw new Error(`${error.message}\n${log}`); });

  // whatever is JSON is taken; what is none is 400
  for (const [body, status, stored] of [['{', 400], ['', 400], ['{"a":1}x', 400], ['[]', 200, 0], ['null', 200, 0], ['{}', 200, 0], ['"x"', 200, 0], ['{"alerts":{"a":1}}', 200, 0],
    ['{"alerts":[1,null,[],{},{"labels":{}},{"labels":{"a":"b"}}]}', 200, 1], ['{"alerts":[],"alerts":[{"fingerprint":"ff"}]}', 200, 1],
    ['{"version":"9","truncatedAlerts":123456789012345678901234567890,"status":"firing","alerts":[{"status":"RESOLVED","labels":{"a":"\\u0000b","n":5},"startsAt":"0001-01-01T00:00:00Z","endsAt":7}]}', 200, 1]]) {
    const answer = await send(stage, 'POST', '/v1/alerts/alertmanager', body, token, { 'content-type': 'text/plain' });
    assert.equal(answer.status, status, `${body}: ${answer.body}`);
    if (status === 200) assert.equal(answer.json.stored, stored, body);
  }
  // long bodies are read; one that is too long is not answered as if it had been taken
  const big = { alerts: Array.from({ length: 1500 }, (_, i) => ({ labels: { alertname: 'Many', i: `${i}`, pad: 'x'.repeat(400) } })) };
  assert.ok(JSON.stringify(big).length > 600000);
  assert.equal((await send(stage, 'POST', '/v1/alerts/alertmanager', big, token)).json.stored, 1500);
  assert.equal((await send(stage, 'POST', '/v1/alerts/alertmanager', { alerts: Array.from({ length: 2001 }, (_, i) => ({ labels: { i: `${i}` } })) }, token)).status, 503);
  assert.equal(stage.sql("SELECT count(*) FROM reported_alerts WHERE content->'labels'->>'alertname' = 'Many'"), '1500');
}));
