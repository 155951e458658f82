// The shipped rules, in Debian's Prometheus, over a real gateway's /metrics; what fires comes back through Debian's
// Alertmanager as incidents, with the shipped configurations: one fault, one incident.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gateTape, withGate } from './harness/gate.mjs';
import { freePort, until } from './harness/gateway.mjs';
import { alertmanager, report, reporter } from './harness/web_flow.mjs';

const shipped = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/ops/prometheus');
const prometheus = ['/usr/bin/prometheus'].find(existsSync);
const missing = [!prometheus && 'prometheus', !alertmanager && 'prometheus-alertmanager'].filter(Boolean);
const PAGE = 'https://gateway.example:8445';

// A shipped file with the operator's own addresses in place of the ones it names; each of them must be there.
function filled(name, changes) {
  let text = readFileSync(path.join(shipped, name), 'utf8');
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${name} says ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

// Where alerts for people go: what each path was sent.
async function listener(stage) {
  const got = { people: [], watchdog: [] };
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => {
      got[request.url.slice(1)].push(...JSON.parse(body).alerts.map((a) => a.labels.alertname));
      response.end();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  stage.listener = server;
  return { got, url: `http://127.0.0.1:${server.address().port}` };
}

// Both programs, on the shipped configurations. The rules are those that ship, unchanged.
async function startBoth(stage, people) {
  const [am, port] = [await freePort(), await freePort()];
  const file = (name) => path.join(stage.dir, name);
  copyFileSync(path.join(shipped, 'rules.yml'), file('rules.yml'));
  writeFileSync(file('token'), await reporter(stage, 'alertmanager'), { mode: 0o600 });
  writeFileSync(file('alertmanager.yml'), filled('alertmanager.yml', [[PAGE, stage.adminUrl], ['/etc/alertmanager/portcullis.token', file('token')],
    ['/etc/alertmanager/portcullis-ca.pem', stage.ca], ['http://127.0.0.1:9099', people], ['group_wait: 10s', 'group_wait: 0s'], ['group_interval: 1m', 'group_interval: 1s']]));
  writeFileSync(file('prometheus.yml'), filled('prometheus.yml', [['"gateway.example:8445"', `"localhost:${stage.adminPort}"`], ['/etc/prometheus/portcullis-ca.pem', stage.ca],
    ['127.0.0.1:9093', `127.0.0.1:${am}`], ['scrape_interval: 15s', 'scrape_interval: 1s'], ['evaluation_interval: 15s', 'evaluation_interval: 1s']]));
  const sender = stage.run('alertmanager', alertmanager, [`--config.file=${file('alertmanager.yml')}`, `--storage.path=${file('am')}`, `--web.listen-address=127.0.0.1:${am}`, '--cluster.listen-address=']);
  const child = stage.run('prometheus', prometheus, [`--config.file=${file('prometheus.yml')}`, `--storage.tsdb.path=${file('tsdb')}`, `--web.listen-address=127.0.0.1:${port}`,
    // it learns where Alertmanager is after its first alerts, and would say them again a minute later
    '--rules.alert.resend-delay=1s']);
  stage.said = () => `${child.errors}\n${sender.errors}`.split('\n').filter((line) => /level=(warn|error)/.test(line)).join('\n');
  const ready = (at) => async () => (await fetch(`http://127.0.0.1:${at}/-/ready`)).ok;
  await until('Alertmanager', 20000, ready(am));
  await until('Prometheus', 20000, ready(port)).catch((error) => { throw new Error(`${error.message}\n${stage.said()}`); });
  return async (target) => {
    const answer = await (await fetch(`http://127.0.0.1:${port}/api/v1/${target}`)).json();
    assert.equal(answer.status, 'success', JSON.stringify(answer));
    return answer.data;
  };
}

const rulesOf = async (ask) => (await ask('rules?type=alert')).groups.flatMap((g) => g.rules);
const ruleOf = async (ask, name) => (await rulesOf(ask)).find((r) => r.name === name);
const stateOf = (ask, name, state, ms) => until(`${name} ${state}`, ms, async () => {
  const rule = await ruleOf(ask, name);
  return rule.state === state && rule;
});

// Every series an expression asks for of the gateway itself, with the values its labels have to have.
function selectors(exprs) {
  const found = new Set();
  for (const expr of exprs) {
    for (const [text] of expr.matchAll(/\b[a-z][a-z0-9]*_[a-z0-9_]+(?:\{[^}]*\})?/g)) {
      if (!/^(reported_|histogram_quantile$)/.test(text)) found.add(text);
    }
  }
  return [...found];
}

const skip = missing.length > 0 && `not installed: apt-get install --no-install-recommends ${missing.join(' ')}`;

test('the shipped rules on a real gateway: evaluated without error, and one fault is one incident', { timeout: 120000, skip }, () => withGate({ detect: { enabled: true } }, async (stage) => {
  const { got, url } = await listener(stage);
  const incidents = async () => (await stage.call(stage.admin, 'GET', '/v1/incidents')).json.incidents;
  const tape = stage.feed(...gateTape, '--duration', '600');
  try {
    const ask = await startBoth(stage, url);
    await until('the scrape', 15000, async () => (await ask('targets')).activeTargets.every((t) => t.health === 'up'));
    const all = await until('every rule evaluated', 15000, async () => {
      const rules = await rulesOf(ask);
      return rules.every((r) => r.health !== 'unknown') && rules;
    });
    assert.ok(all.length >= 35, `${all.length} rules`);
    assert.deepEqual(all.filter((r) => r.health !== 'ok').map((r) => [r.name, r.lastError]), []);

    // all that the rules look at is there, so that none is quiet for want of its metric
    const absent = [];
    for (const text of await until('the symbols', 15000, async () => (await ask('query?query=md_symbol_live')).result.length > 0 && selectors(all.map((r) => r.query)))) {
      if ((await ask(`query?query=${encodeURIComponent(`count(${text})`)}`)).result.length === 0) absent.push(text);
    }
    assert.deepEqual(absent, []);

    // a healthy gateway: nothing but the watchdog, which is for another receiver
    await stateOf(ask, 'Watchdog', 'firing', 5000);
    await until('the watchdog', 10000, () => got.watchdog.includes('Watchdog'));
    const loud = async () => (await rulesOf(ask)).filter((r) => r.state !== 'inactive').map((r) => r.name);
    // (before the first scrape its metrics were absent, for a moment)
    await until('nothing pending', 10000, async () => (await loud()).length === 1);
    assert.deepEqual(await loud(), ['Watchdog']);
    assert.deepEqual(await incidents(), []);

    // a signal of somebody else: an incident with the words of the rule
    const token = readFileSync(path.join(stage.dir, 'token'), 'utf8');
    const said = await report(stage, token, 'POST', '/v1/signals', { signals: [{ name: 'recon_consecutive_mismatch', value: '3' }] });
    assert.equal(said.status, 200, said.body);
    const [alert] = (await stateOf(ask, 'ReconConsecutiveMismatch', 'firing', 10000)).alerts;
    assert.equal(alert.annotations.runbook_url, `${PAGE}/incidents/playbooks`);
    const [opened] = await until('the incident', 15000, async () => (await incidents()).length > 0 && incidents());
    assert.deepEqual([opened.source, opened.severity, opened.title, opened.signal.state], ['alert', 'SEV2', 'Reconciliation has failed 3 times in a row', 'firing']);
    const [content, ...known] = stage.sql("SELECT content, fingerprint, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM reported_alerts").split('|');
    const { labels, annotations } = JSON.parse(content);
    assert.deepEqual([labels.alertname, labels.sev, labels.portcullis_url, annotations.runbook_url], ['ReconConsecutiveMismatch', 'SEV2', undefined, `${PAGE}/incidents/playbooks`]);

    // told to another gateway as well: the same incident
    const other = await stage.replica(stage.overrides);
    const again = { alerts: [{ status: 'firing', labels, annotations, fingerprint: known[0], startsAt: known[1] }] };
    await until('the other gateway takes it', 15000, async () => (await report(other, token, 'POST', '/v1/alerts/alertmanager', again)).status === 200);
    assert.equal(stage.sql('SELECT count(*) FROM reported_alerts'), '1');
    await other.stopGateway();
    assert.deepEqual((await incidents()).map((i) => i.id), [opened.id]);

    await report(stage, token, 'POST', '/v1/signals', { signals: [{ name: 'recon_consecutive_mismatch', value: '0' }] });
    const over = await until('its end', 20000, async () => (await incidents()).find((i) => i.signal.state === 'cleared'));
    assert.deepEqual([over.id, over.state], [opened.id, 'open'], 'told, and closed by nobody');

    // what the gateway's own detector tells: the alert fires too, and opens no second incident
    const target = `${stage.adminUrl}/v1/stats`;
    const headers = stage.admin.headers('GET', target);
    for (let i = 0; i < 80; i++) await stage.send('GET', target, headers);
    await stateOf(ask, 'ReplayDetected', 'firing', 10000);
    await until('the detector', 15000, async () => (await incidents()).some((i) => i.source === 'gateway'));

    // Redis goes: pending, since a moment without it is no fault
    await stage.killRedis();
    const redis = await stateOf(ask, 'RedisDegraded', 'pending', 15000);
    assert.equal(redis.duration, 30);
    // the fault of Redis is told once (its connections do not end all at the same moment)
    await stateOf(ask, 'UpstreamSilent', 'inactive', 15000);
    await until('its incident', 20000, async () => (await incidents()).length >= 3);
    const list = await incidents();
    assert.deepEqual(list.map((i) => i.signal.key.replace(/^alert:.*/, 'alert')).sort(), ['alert', 'gateway:redis_away', 'gateway:replay']);
    assert.deepEqual((await rulesOf(ask)).filter((r) => r.health !== 'ok').map((r) => [r.name, r.lastError]), []);
    assert.equal(stage.sql('SELECT count(*) FROM reported_alerts'), '1');
    assert.deepEqual(got.people, []);
  } catch (error) {
    console.error(stage.said?.());
    throw error;
  } finally {
    tape.kill();
    stage.listener.close();
  }
}));
