// Pages, out of the real gateway into a receiver of this test: what they say in each format, who signed them, that none
// is lost or out of order when the receiver, the gateway or PostgreSQL goes away, and what people see of it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { chain, gateLimits, gateTape, killPg, knows, startPg } from './harness/gate.mjs';
import { buildDir, freePort, onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';

const within = { timeout: 180000 };

// Who is paged: keeps what came; answers STATUS, a redirect, or nothing.
class Receiver {
  constructor(stage, port) {
    Object.assign(this, { stage, port, pages: [], status: 200, held: [] });
  }

  listen() {
    const files = { key: readFileSync(path.join(this.stage.dir, 'key.pem')), cert: readFileSync(this.stage.ca) };
    this.server = https.createServer(files, (request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (data) => { body += data; });
      request.on('end', () => {
        this.pages.push({ path: request.url, headers: request.headers, body, json: JSON.parse(body), status: this.status });
        if (this.status === 'hang') this.held.push(response);
        else response.writeHead(this.status, this.status === 302 ? { location: `https://localhost:${this.port}/elsewhere` } : {}).end('said so');
      });
    });
    return new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
  }

  close() {
    this.server?.closeAllConnections();
    return new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve()));
  }

  taken = (incident) => this.pages.filter((p) => p.status === 200 && (incident === undefined || p.json.incident === incident));
}

// BODY on a stage with a gateway that pages a receiver.
function withPaging(overrides, body, env = {}) {
  return onStage(async (stage) => {
    const receiver = new Receiver(stage, await freePort());
    stage.writeSymbols(gateTape);
    await stage.startPostgres();
    await receiver.listen();
    stage.overrides = { ...gateLimits, slo_paging: { enabled: true, format: 'generic', webhook_url: `https://localhost:${receiver.port}/hook/of-secrets`,
      ca_file: stage.ca, deadline: '2s', backoff_min: '100ms', backoff_max: '400ms', ...overrides } };
    stage.gatewayEnv = { ...process.env, ...env };
    await stage.startGateway(stage.overrides);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await knows(stage);
    try {
      await body(stage, receiver);
    } finally {
      await receiver.close();
    }
  });
}

// As the transaction of an incident writes it.
function enter(stage, incident, kind, { severity = 'SEV1', level = 1, title = 'the books differ' } = {}) {
  return Number(stage.sql(`INSERT INTO pages (kind, incident, severity, level, list, title, summary, symbol, component, class, playbook, at)
    VALUES ('${kind}', '${incident}', '${severity}', ${level}, 'oncall', '${title}', 'three symbols', 'BTC/USD', '', 'data_quality', 'ws_overload', now()) RETURNING id`));
}

const row = (stage, id, columns = 'delivered_at IS NOT NULL, tries, last_error') => stage.sql(`SELECT ${columns} FROM pages WHERE id = ${id}`).split('|');
const view = async (stage) => (await stage.call(stage.admin, 'GET', '/v1/paging')).json;
const emptied = (stage) => until('an empty queue', 20000, async () => (await view(stage)).queue === 0 && stage.sql('SELECT count(*) FROM pages WHERE delivered_at IS NULL AND skipped_at IS NULL AND dead_at IS NULL') === '0');

// Not spawnSync: the receiver is in this process.
async function portctl(stage, ...args) {
  const child = stage.run('portctl', path.join(buildDir, 'portctl'), args, { env: { ...process.env, HOME: stage.dir, ADMIN_URL: stage.adminUrl, PORTCTL_CA: stage.ca,
    ADMIN_KEY_ID: stage.keyId, ADMIN_KEY_FILE: stage.keyFile } });
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, stdout: child.output, stderr: child.errors };
}

const story = ['trigger', 'escalate', 'acknowledge', 'resolve'];

test('alertmanager: webhook version 4, one group and fingerprint for all pages of an incident', within, () => withPaging({ format: 'alertmanager' }, async (stage, receiver) => {
  for (const kind of story) enter(stage, 'INC-7', kind, { level: kind === 'escalate' ? 2 : 1 });
  await until('four pages', 10000, () => receiver.pages.length === 4);
  await emptied(stage);
  assert.deepEqual(receiver.pages.map((p) => p.json.alerts[0].annotations.event), story);
  assert.deepEqual(receiver.pages.map((p) => p.json.status), ['firing', 'firing', 'firing', 'resolved']);
  for (const { json, headers } of receiver.pages) {
    assert.deepEqual(Object.keys(json), ['version', 'groupKey', 'truncatedAlerts', 'status', 'receiver', 'groupLabels', 'commonLabels', 'commonAnnotations', 'externalURL', 'alerts']);
    assert.deepEqual([json.version, json.truncatedAlerts, json.groupLabels, json.alerts.length], ['4', 0, { incident: 'INC-7' }, 1]);
    const [alert] = json.alerts;
    assert.deepEqual(alert.labels, { alertname: 'PortcullisIncident', incident: 'INC-7', severity: 'critical', sev: 'SEV1', list: 'oncall', symbol: 'BTC/USD', class: 'data_quality', playbook: 'ws_overload' });
    assert.match(alert.fingerprint, /^[0-9a-f]{16}$/);
    assert.equal(alert.annotations.summary, 'the books differ');
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['portcullis-signature'], undefined);
  }
  const of = (name) => new Set(receiver.pages.map((p) => p.json.alerts[0][name]));
  assert.equal(of('fingerprint').size, 1);
  assert.equal(of('startsAt').size, 1, 'fingerprint and startsAt are the identity of an alert');
  assert.equal(receiver.pages[0].json.alerts[0].endsAt, '0001-01-01T00:00:00Z');
  assert.match(receiver.pages[3].json.alerts[0].endsAt, /^20.*Z$/);
  assert.equal(new Set(receiver.pages.map((p) => p.headers['portcullis-page'])).size, 4);
}));

test('pagerduty: events version 2; format and receiver from the environment of the runbook', within, () => onStage(async (stage) => {
  const receiver = new Receiver(stage, await freePort());
  stage.writeSymbols(gateTape);
  await stage.startPostgres();
  await receiver.listen();
  const keyFile = path.join(stage.dir, 'routing.key');
  writeFileSync(keyFile, 'R0UT1NGKEY\n', { mode: 0o600 });
  stage.gatewayEnv = { ...process.env, SLO_PAGING_ENABLED: 'true', SLO_PAGING_FORMAT: 'pagerduty', SLO_PAGING_MIN_SEVERITY: 'warning',
    SLO_PAGING_WEBHOOK_URL: `https://localhost:${receiver.port}/v2/enqueue` };
  await stage.startGateway({ ...gateLimits, slo_paging: { enabled: false, format: 'generic', webhook_url: 'https://pages.invalid/', min_severity: 'critical', ca_file: stage.ca, routing_key_file: keyFile } });
  stage.admin = new Signer(stage.keyId, stage.keyFile);
  await knows(stage);
  for (const kind of story) enter(stage, 'INC-9', kind, { severity: 'SEV3' });
  enter(stage, 'INC-10', 'trigger', { severity: 'SEV2' });
  enter(stage, 'INC-11', 'trigger', { severity: 'SEV4' });
  await emptied(stage);
  const nine = receiver.pages.filter((p) => p.json.dedup_key === 'INC-9').map((p) => p.json);
  assert.deepEqual(nine.map((j) => j.event_action), ['trigger', 'trigger', 'acknowledge', 'resolve']);
  assert.deepEqual(nine.map((j) => j.payload.custom_details.event), story);
  for (const json of nine) {
    assert.equal(json.routing_key, 'R0UT1NGKEY');
    assert.equal(json.payload.severity, 'warning');
    assert.equal(json.payload.summary, '[SEV3] the books differ');
    assert.match(json.payload.timestamp, /^20.*Z$/);
    assert.ok(json.payload.source.length > 0);
  }
  assert.equal(receiver.pages.find((p) => p.json.dedup_key === 'INC-10').json.payload.severity, 'error');
  assert.equal(receiver.pages.find((p) => p.json.dedup_key === 'INC-11'), undefined, 'SEV4 never pages');
  const seen = await view(stage);
  assert.deepEqual([seen.enabled, seen.format, seen.min_severity, seen.receiver], [true, 'pagerduty', 'warning', 'localhost']);
  assert.ok(!JSON.stringify(seen).includes('enqueue'));
  await receiver.close();
}));

test('generic and signed: HMAC-SHA256 over time stamp and body; the URL and the secret are shown nowhere', within, () => onStage(async (outer) => {
  const secret = path.join(outer.dir, 'secret');
  writeFileSync(secret, 'a shared secret\n');
  await withPaging({ secret_file: secret }, async (stage, receiver) => {
    enter(stage, 'INC-1', 'trigger');
    const [page] = await until('the page', 10000, () => receiver.pages.length === 1 && receiver.pages);
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(page.headers['portcullis-signature']);
    assert.ok(Math.abs(Number(t) - Date.now() / 1000) < 5);
    assert.equal(v1, createHmac('sha256', 'a shared secret').update(`${t}.${page.body}`).digest('hex'));
    assert.deepEqual([page.json.event, page.json.dedup_key, page.json.severity, page.json.level, page.json.title], ['trigger', 'INC-1', 'SEV1', 1, 'the books differ']);
    assert.equal(page.headers['portcullis-page'], page.json.page);
    await emptied(stage);
    assert.doesNotMatch(stage.gateway.errors, /of-secrets|shared secret/);
  });
}));

test('a redirect is refused, and so is a certificate nobody vouches for; the reason is told', within, () => withPaging({}, async (stage, receiver) => {
  receiver.status = 302;
  const id = enter(stage, 'INC-1', 'trigger');
  await until('a refusal', 10000, () => /302: redirects are not followed/.test(row(stage, id)[2]));
  assert.ok(receiver.pages.every((p) => p.path === '/hook/of-secrets'), 'nobody went elsewhere');
  receiver.status = 200;
  await emptied(stage);
  assert.equal(row(stage, id)[0], 't');
  await stage.stopGateway();
  const before = receiver.pages.length;
  await stage.startGateway({ ...stage.overrides, slo_paging: { ...stage.overrides.slo_paging, ca_file: '' } });
  const other = enter(stage, 'INC-2', 'trigger');
  await until('an error of TLS', 10000, () => /no answer: .*certificate/i.test(row(stage, other)[2]));
  assert.equal(receiver.pages.length, before);
}));

test('the receiver goes away and comes back: all of it arrives, each incident in order', within, () => withPaging({}, async (stage, receiver) => {
  await receiver.close();
  for (const kind of story) for (const incident of ['INC-1', 'INC-2', 'INC-3']) enter(stage, incident, kind);
  await until('it waits', 10000, async () => (await view(stage)).queue === 12);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('paging_queue'), 12);
  assert.ok(metrics.get('paging_delivery_total{result="failed"}') > 0);
  await receiver.listen();
  await emptied(stage);
  for (const incident of ['INC-1', 'INC-2', 'INC-3']) assert.deepEqual(receiver.taken(incident).map((p) => p.json.event), story);
  assert.equal((await stage.metrics()).get('paging_delivery_total{result="delivered"}'), 12);
}));

test('kill -9 between claim and answer: sent again under the same name, in order', within, () => withPaging({}, async (stage, receiver) => {
  receiver.status = 'hang';
  enter(stage, 'INC-1', 'trigger');
  enter(stage, 'INC-1', 'resolve');
  await until('it came', 10000, () => receiver.pages.length === 1);
  await stage.stopGateway('SIGKILL');
  receiver.status = 200;
  await stage.startGateway(stage.overrides);
  await emptied(stage); // after its lease
  assert.deepEqual(receiver.pages.map((p) => p.json.event), ['trigger', 'trigger', 'resolve']);
  assert.equal(receiver.pages[0].json.page, receiver.pages[1].json.page);
}));

test('two gateways, one queue: each page once, in order', within, () => withPaging({}, async (stage, receiver) => {
  const other = await stage.replica(stage.overrides);
  for (let n = 0; n < 60; n++) enter(stage, `INC-${n % 6}`, n < 6 ? 'trigger' : n < 54 ? 'escalate' : 'resolve', { title: `page ${n}` });
  await emptied(stage);
  assert.equal(receiver.pages.length, 60);
  for (let i = 0; i < 6; i++) assert.deepEqual(receiver.taken(`INC-${i}`).map((p) => p.json.title), Array.from({ length: 10 }, (_, k) => `page ${k * 6 + i}`));
  const sent = [stage, other].map(async (s) => (await s.metrics()).get('paging_delivery_total{result="delivered"}'));
  const [a, b] = await Promise.all(sent);
  console.log(`two gateways delivered ${a} and ${b}`);
  assert.equal(a + b, 60);
}));

test('dead letters: given up after their age, shown, told, sent again by a person, audited; the test button', within, () => withPaging({ give_up_after: '1s' }, async (stage, receiver) => {
  const events = [];
  const stream = https.request(`${stage.adminUrl}/v1/admin/events`, { ca: readFileSync(stage.ca), headers: stage.admin.headers('GET', `${stage.adminUrl}/v1/admin/events`) }, (answer) => {
    answer.setEncoding('utf8');
    answer.on('data', (data) => events.push(data));
  });
  stream.on('error', () => {});
  stream.end();
  receiver.status = 503;
  const id = enter(stage, 'INC-1', 'trigger');
  const dead = await until('a dead letter', 15000, async () => (await view(stage)).dead[0]);
  assert.deepEqual([dead.id, dead.incident, dead.kind, dead.last_error], [id, 'INC-1', 'trigger', 'answered 503: said so']);
  const list = await portctl(stage, 'paging');
  assert.equal(list.status, 0, list.stderr);
  assert.match(list.stdout, /INC-1 +trigger/);
  const refused = await portctl(stage, 'paging', 'test');
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /not delivered: answered 503: said so/);
  receiver.status = 200;
  const ok = await portctl(stage, 'paging', 'test', '--note', 'after the repair');
  assert.equal(ok.status, 0, ok.stderr);
  assert.equal(receiver.pages.at(-1).json.event, 'test');
  assert.equal((await stage.call(stage.admin, 'POST', `/v1/paging/dead/${id + 1000}/retry`, {})).status, 404);
  assert.equal((await stage.call(stage.admin, 'POST', '/v1/paging/dead/x/retry', {})).status, 422);
  assert.equal((await stage.call(stage.admin, 'POST', '/v1/paging/test', { notes: 'x' })).status, 422);
  const again = await portctl(stage, 'paging', 'retry', String(id));
  assert.equal(again.status, 0, again.stderr);
  await until('it is delivered', 10000, () => row(stage, id)[0] === 't');
  await until('none is left', 5000, async () => (await view(stage)).dead.length === 0);
  await until('the events', 5000, () => /event: page\ndata: \{"queue":0,"dead":1\}/.test(events.join('')) && /event: page\ndata: \{"queue":0,"dead":0\}/.test(events.join('')));
  stream.destroy();
  const acts = await until('the audit log', 5000, () => { const rows = chain(stage).filter((r) => r.action.startsWith('paging.')); return rows.length === 3 && rows; });
  assert.deepEqual(acts.map((r) => [r.action, r.outcome, r.reason]), [['paging.test', 'failed', ''], ['paging.test', 'done', 'after the repair'], ['paging.retry', 'done', '']]);
}));

test('PostgreSQL stops while pages are under way: they go on from memory, and are settled when it is back', within, () => withPaging({}, async (stage, receiver) => {
  receiver.status = 'hang';
  const taken = enter(stage, 'INC-1', 'trigger');
  const refused = enter(stage, 'INC-2', 'trigger');
  await until('both came', 10000, () => receiver.pages.length === 2);
  await killPg(stage);
  receiver.status = 503; // for what comes again: the gateway gives these two up at its deadline
  await until('they come again although PostgreSQL is away', 10000, () => receiver.pages.filter((p) => p.status === 503).length >= 2);
  receiver.status = 200;
  await until('both are taken', 10000, () => receiver.taken('INC-1').length >= 1 && receiver.taken('INC-2').length >= 1);
  const away = await stage.call(stage.admin, 'POST', '/v1/paging/test', {});
  assert.equal(away.status, 503, away.body);
  startPg(stage);
  await emptied(stage);
  assert.deepEqual([row(stage, taken)[0], row(stage, refused)[0]], ['t', 't']);
  await sleep(1500);
  assert.deepEqual([receiver.taken('INC-1').length, receiver.taken('INC-2').length], [1, 1], 'not once more after they were taken');
}));

test('a configuration that would page the wrong place, or nobody, is refused', within, () => onStage(async (stage) => {
  stage.writeSymbols(gateTape);
  const file = path.join(stage.dir, 'c.yaml');
  const check = (slo_paging, env = {}) => {
    writeFileSync(file, stage.configText({ slo_paging }));
    const run = spawnSync(path.join(buildDir, 'portcullis'), ['--config', file, '--check-config'], { encoding: 'utf8', env: { ...process.env, ...env } });
    return run.status === 0 ? 'ok' : run.stderr;
  };
  assert.match(check({ webhook_url: 'http://pages.example.com/x' }), /webhook_url: https is expected/);
  assert.equal(check({ webhook_url: 'http://127.0.0.1:9/x' }), 'ok');
  assert.match(check({ webhook_url: 'ftp://localhost/x' }), /webhook_url: https is expected/);
  assert.match(check({ webhook_url: 'https://a:b@pages.example.com/' }), /webhook_url: a user/);
  assert.match(check({ webhook_url: 'https://pages.example.com/', hosts: 'pages.example.org, other' }), /host pages.example.com is not in slo_paging.hosts/);
  assert.equal(check({ webhook_url: 'https://pages.example.com/', hosts: 'x, pages.example.com' }), 'ok');
  assert.match(check({ webhook_url: 'https://x/', hosts: 'x' }, { SLO_PAGING_WEBHOOK_URL: 'https://evil.example/' }), /host evil.example is not in/);
  assert.match(check({ enabled: true }), /webhook_url: enabled without a receiver/);
  assert.match(check({ format: 'generic' }, { SLO_PAGING_ENABLED: 'yes' }), /environment SLO_PAGING_ENABLED: slo_paging.enabled: "yes" is not acceptable/);
  assert.match(check({ format: 'generic' }, { SLO_PAGING_MIN_SEVERITY: 'all' }), /min_severity: expected critical or warning/);
  assert.match(check({ enabled: true, webhook_url: 'https://x/', format: 'pagerduty' }), /routing_key_file: format pagerduty needs it/);
  assert.match(check({ format: 'xml' }), /format: expected alertmanager, pagerduty or generic/);
}));

test('a plain receiver on this machine may be http, and one that never answers is given up', within, () => onStage(async (stage) => {
  const seen = [];
  const server = http.createServer((request) => { seen.push(request.url); });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  stage.writeSymbols(gateTape);
  await stage.startPostgres();
  await stage.startGateway({ ...gateLimits, slo_paging: { enabled: true, format: 'generic', webhook_url: `http://localhost:${port}/plain`, deadline: '500ms', backoff_min: '50ms', backoff_max: '50ms' } });
  const id = enter(stage, 'INC-1', 'trigger');
  await until('three tries', 15000, () => seen.length >= 3);
  assert.match(row(stage, id)[2], /no answer: .*timed out/i);
  server.closeAllConnections();
  server.close();
}));
