// The API against its own description: linted by a public tool, complete, and true of every answer.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import redocly from '@redocly/openapi-core';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { buildDir, onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const printed = execFileSync(path.join(buildDir, 'portcullis'), ['--describe', 'openapi'], { encoding: 'utf8', maxBuffer: 1 << 24 });
const api = JSON.parse(printed);
const operations = Object.entries(api.paths).flatMap(([route, methods]) => Object.entries(methods)
  .map(([method, operation]) => ({ route, method: method.toUpperCase(), operation, name: `${method.toUpperCase()} ${route}` })));
const why = { reason: 'a test of the description', ticket: 'OPS-1' };

// Answers may grow, so the document lets them; a test must see each member that it does not tell of.
function closed(value) {
  if (Array.isArray(value)) return value.map(closed);
  if (value === null || typeof value !== 'object') return value;
  const copy = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, closed(v)]));
  if (copy.type === 'object' && copy.properties && copy.additionalProperties === undefined) copy.additionalProperties = false;
  return copy;
}

const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));
const base = 'https://localhost/openapi.json';
ajv.addSchema(closed({ $id: base, components: api.components }));
const checks = new Map();
function checkOf(schema) {
  const key = JSON.stringify(schema);
  if (!checks.has(key)) checks.set(key, ajv.compile(closed(JSON.parse(key.replaceAll('"#/', `"${base}#/`)))));
  return checks.get(key);
}

// What the document says of this answer; an error when it says nothing or something else.
const exercised = new Map();
const refused = new Set();
function validate({ name, operation }, answer) {
  const { status } = answer;
  const type = (answer.headers['content-type'] ?? '').split(';')[0];
  let response = operation.responses[status] ?? operation.responses[`${String(status)[0]}XX`];
  assert.ok(response, `${name}: ${status} is not described: ${answer.body.slice(0, 500)}`);
  if (response.$ref) response = api.components.responses[response.$ref.split('/').at(-1)];
  const content = response.content[type] ?? response.content['*/*'];
  assert.ok(content, `${name}: ${status} as ${type} is not described: ${answer.body.slice(0, 500)}`);
  if (!exercised.has(name)) exercised.set(name, new Set());
  exercised.get(name).add(status);
  if (!/[/+]json$/.test(type)) return answer;
  const body = JSON.parse(answer.body);
  const check = checkOf(content.schema);
  if (!check(body)) assert.fail(`${name} ${status}: ${ajv.errorsText(check.errors.slice(0, 5))}\n${answer.body.slice(0, 1500)}`);
  if (type === 'application/problem+json') {
    assert.equal(body.status, status);
    assert.equal(body.type, `/problems/${body.code}`);
    refused.add(body.code);
  }
  return { ...answer, json: body };
}

test('a public linter has nothing to say', async () => {
  const config = await redocly.createConfig({ extends: ['recommended-strict'], rules: {
    'no-server-example.com': 'off', // each operation names its listener; the host is the reader's
    'security-defined': 'error', 'operation-operationId-unique': 'error', 'no-unused-components': 'error', 'tag-description': 'error',
    'no-path-trailing-slash': 'error', 'no-ambiguous-paths': 'off', // the gateway takes the first row that fits
  } });
  const lint = async (source) => (await redocly.lintFromString({ source, absoluteRef: 'openapi.json', config })).map((p) => `${p.ruleId}: ${p.message} ${p.location[0]?.pointer}`);
  assert.deepEqual(await lint(printed), []);
  assert.ok((await lint(printed.replace('schemas/KeyList"', 'schemas/KeysList"'))).length >= 2, 'it does look');
});

test('each route has its row; operation ids, tags, rates and permissions are whole', () => {
  assert.deepEqual(operations.filter((o) => o.operation['x-undocumented']).map((o) => o.name), [], 'add their rows to admin_api/shapes.c or gateway/rest/shapes.c');
  const tags = new Set(api.tags.map((t) => t.name));
  for (const { name, operation } of operations) {
    for (const tag of operation.tags) assert.ok(tags.has(tag), `${name}: tag ${tag}: add it to put_tags() in gateway/app/openapi.c`);
    assert.ok(operation.summary.length > 0, name);
    if (operation.security.length) assert.ok((operation['x-permission'] || operation.security.every((s) => s.session)) && operation['x-rate-class'], name);
  }
  const words = readFileSync(path.join(root, 'docs/reference/ROLES.md'), 'utf8');
  for (const { operation } of operations.filter((o) => o.operation['x-permission'])) for (const word of operation['x-permission'].split(' or ')) assert.ok(words.includes(`\`${word}\``), word);
});

function sources(folder, names = /./) {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? [] : /\.[ch]$/.test(e.name) && names.test(e.name)
    ? [readFileSync(path.join(root, folder, e.name), 'utf8')] : []));
}

test('routes in the source are those of the document, and codes of problems too', () => {
  const found = new Set();
  for (const folder of ['admin_api', 'gateway/rest', 'gateway/app']) {
    for (const text of sources(folder, /^(?!shapes)/)) {
      for (const [, method, route] of text.matchAll(/HTTP_(GET|POST|PUT|DELETE),\s+"(\/[^"]*)"/g)) found.add(`${method} ${route}`);
    }
  }
  assert.ok(found.size > 50);
  assert.deepEqual([...found].sort(), operations.map((o) => o.name).sort());
  const codes = new Set(api['x-problems'].map((p) => p.code));
  assert.equal(codes.size, api['x-problems'].length, 'each code once');
  for (const text of sources('admin_api')) {
    for (const [, code] of text.matchAll(/struct api_problem\)\{\s*\d+,\s*"([a-z-]+)"/g)) assert.ok(codes.has(code), `${code}: add it to api_problems in admin_api/shapes.c`);
  }
  assert.deepEqual([...codes].sort(), [...api.components.schemas.ProblemCode.enum].sort());
});

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '300', '--seed', '5', '--time', 'now'];
const publicKey = () => generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');

// What succeeded must have been asked for as described.
function validateRequest({ name, operation }, body, headers = {}) {
  const wanted = operation.requestBody?.content['application/json']?.schema;
  if (wanted) {
    const check = checkOf(wanted);
    assert.ok(check(body), `${name}: ${ajv.errorsText(check.errors)}`);
    const lenient = operation.security.some((s) => s.bearer); // report-in: what is not ours is ignored
    if (lenient) assert.notEqual(api.components.schemas[wanted.$ref.split('/').pop()].additionalProperties, false, name);
    else assert.equal(check({ ...body, unheard_of: 1 }), false, `${name}: other members are refused`);
  }
  for (const p of operation.parameters) if (p.in === 'header' && p.required) assert.ok(headers[p.name], `${name}: ${p.name}`);
}

// The first bytes of a stream.
function opened(stage, signer, target) {
  const url = `${stage.adminUrl}${target}`;
  return new Promise((resolve, reject) => {
    const request = https.request(url, { ca: readFileSync(stage.ca), agent: false, headers: signer.headers('GET', url) }, (response) => {
      resolve({ status: response.statusCode, headers: response.headers, body: '' });
      request.destroy();
    });
    request.on('error', reject);
    request.end();
  });
}

test('every route answers as described', { timeout: 180000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  const [ana, bea] = [Person.make(stage, 'ana', 'security,operator,viewer'), Person.make(stage, 'bea', 'security')];
  await stage.startGateway({ playbooks: { dir: path.join(root, 'docs/playbooks') }, smoke: { enabled: true }, slo_paging: { enabled: true, webhook_url: 'http://127.0.0.1:9/' }, limits: { preauth_burst: 5000, read_burst: 5000, write_burst: 1000, halt_burst: 1000, token_burst: 1000, login_burst: 100, session_burst: 1000 } });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await until('the keys', 10000, async () => (await stage.call(admin, 'GET', '/v1/stats')).status === 200);
  stage.feed(...tape);
  await stage.applied(300);
  const ben = await (async () => {
    const { publicKey: pub, privateKey } = generateKeyPairSync('ed25519');
    const file = path.join(stage.dir, 'ben.pem');
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const { json } = await stage.call(admin, 'POST', '/v1/keys', { account: 'ben', label: 'ben', algorithm: 'ed25519', scopes: ['control.read', 'control.open'],
      public_key: pub.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64') });
    return new Signer(json.key.id, file);
  })();

  // NAME as in the document; TARGET its path with parameters filled in.
  const call = async (name, target, { body, headers, by = admin, status } = {}) => {
    const row = operations.find((o) => o.name === name);
    assert.ok(row, name);
    const [method] = name.split(' ');
    const here = row.operation.servers[0].url.endsWith('8444');
    const answer = name.endsWith('/admin/events') ? await opened(stage, by, target)
      : by instanceof Person ? await by.call(method, target, body, headers)
      : !row.operation.security.length ? await stage.get(`${here ? stage.publicUrl : stage.adminUrl}${target}`)
        : await stage.call(by, method, target, body, { headers });
    if (status) assert.equal(answer.status, status, `${name}: ${answer.body}`);
    if (answer.status < 300) validateRequest(row, body, by instanceof Person ? by.headers(method, headers) : headers);
    return validate(row, answer);
  };
  const get = (route, target = route, options = {}) => call(`GET ${route}`, target, { status: 200, ...options });

  await test('the public listener', async () => {
    for (const route of ['/', '/0/public/Time', '/0/public/SystemStatus', '/0/public/Assets', '/0/public/AssetPairs', '/v1/status', '/v1/limits', '/livez', '/readyz', '/metrics', '/v1/time']) await get(route);
    for (const [route, query] of [['AssetPairs', 'pair=BTCUSD'], ['Ticker', 'pair=BTC/USD'], ['Depth', 'pair=BTCUSD&count=3'], ['OHLC', 'pair=BTCUSD'], ['Trades', 'pair=BTCUSD'], ['Depth', ''], ['Assets', 'asset=NOPE']]) {
      await get(`/0/public/${route}`, `/0/public/${route}?${query}`);
    }
    await get('/readyz', '/readyz?verbose');
    for (const what of ['book?depth=full', 'book?depth=2', 'trades?limit=5', 'candles?limit=3']) await get(`/v1/md/{symbol}/${what.split('?')[0]}`, `/v1/md/BTC-USD/${what}`);
    await call('GET /v1/md/{symbol}/book', '/v1/md/NOPE/book', { status: 404 });
    await call('GET /v1/md/{symbol}/trades', '/v1/md/BTC-USD/trades?limit=0', { status: 400 });
    for (const method of ['GetWebSocketsToken', 'Balance']) {
      const row = operations.find((o) => o.name === (method === 'Balance' ? 'POST /0/private/{method}' : 'POST /0/private/GetWebSocketsToken'));
      validate(row, await stage.send('POST', `${stage.publicUrl}/0/private/${method}`, { 'content-type': 'application/x-www-form-urlencoded' }, 'nonce=1'));
    }
  });

  await test('keys', async () => {
    await call('POST /v1/smoke/trades', '/v1/smoke/trades', { body: { price: '100.50', side: 'sell' }, headers: { 'idempotency-key': 'smoke-1' }, status: 200 });
    await call('POST /v1/smoke/trades', '/v1/smoke/trades', { body: { price: '0' }, headers: { 'idempotency-key': 'smoke-2' }, status: 422 });
    await get('/v1/smoke/trades', '/v1/smoke/trades?limit=5');
    const { json: made } = await call('POST /v1/keys', '/v1/keys', { status: 201, body: { account: 'desk', label: 'desk', algorithm: 'ed25519', public_key: publicKey(), scopes: ['market', 'ws.token'],
      ip_allow: ['10.0.0.0/8'], rate_class: 'low', not_after: '2030-01-01T00:00:00Z', ...why } });
    const { id } = made.key;
    await get('/v1/keys');
    const { json: { scopes } } = await get('/v1/scopes');
    assert.deepEqual(scopes.map((s) => `| \`${s.scope}\` | ${s.what}${s.administers ? ' (such a key needs networks)' : ''} |`),
      readFileSync(path.join(root, 'docs/reference/SCOPES.md'), 'utf8').split('## ')[0].match(/^\| `.*/gm));
    await get('/v1/keys', '/v1/keys?state=active&limit=1');
    await get('/v1/keys/{id}', `/v1/keys/${id}`);
    await get('/v1/keys/{id}/usage', `/v1/keys/${id}/usage`);
    await call('PUT /v1/keys/{id}/flag', `/v1/keys/${id}/flag`, { status: 200, body: { flagged: true, ...why } });
    await get('/v1/keys/{id}/usage', `/v1/keys/${stage.keyId}/usage`);
    await call('PUT /v1/keys/{id}/limits', `/v1/keys/${id}/limits`, { status: 200, body: { rate_class: 'minimal', ...why } });
    await call('POST /v1/keys/{id}/rotate', `/v1/keys/${id}/rotate`, { status: 201, body: { public_key: publicKey(), overlap_s: 60, ...why } });
    await call('POST /v1/keys/{id}/rotate', `/v1/keys/${id}/rotate`, { status: 409, body: { public_key: publicKey(), ...why } });
    await call('POST /v1/keys/{id}/revoke', `/v1/keys/${id}/revoke`, { status: 200, body: why });
    const { json: hmac } = await call('POST /v1/keys', '/v1/keys', { status: 201, body: { account: 'desk', label: 'hmac', algorithm: 'hmac-sha256', scopes: ['market'] } });
    assert.ok(hmac.secret);
    await call('POST /v1/keys', '/v1/keys', { status: 422, body: { account: 'desk' } });
    await call('POST /v1/keys', '/v1/keys', { status: 403, body: { account: 'desk', label: 'x', algorithm: 'hmac-sha256', scopes: ['market'] }, by: ben });
    await call('GET /v1/keys/{id}', '/v1/keys/pk_nope', { status: 404 });
    await call('POST /v1/keys', '/v1/keys', { status: 415, body: { a: 1 }, headers: { 'content-type': 'text/plain' } });
    await call('POST /v1/ws-token', '/v1/ws-token', { status: 200, body: {} });
  });

  await test('control', async () => {
    const symbol = '/v1/symbols/BTC%2FUSD';
    const match = { 'if-match': '*' };
    const mode = (body, options) => call('PUT /v1/symbols/{symbol}/mode', `${symbol}/mode`, { body, headers: match, ...options });
    await get('/v1/symbols');
    await get('/v1/symbols/{symbol}', symbol);
    await get('/v1/symbols/{symbol}/mode', `${symbol}/mode`);
    await call('PUT /v1/symbols/{symbol}/mode', `${symbol}/mode?dry_run=true`, { status: 200, body: { mode: 'SOFT_HALT', ...why }, headers: match });
    await mode({ mode: 'SOFT_HALT', ...why, until: '2030-01-01T00:00:00Z' }, { status: 200 });
    await mode({ mode: 'SOFT_HALT', ...why }, { status: 428, headers: {} });
    await mode({ mode: 'NORMAL', ...why }, { status: 412, headers: { 'if-match': '"77"' } });
    await mode({ mode: 'DOZE', ...why }, { status: 422 });
    await get('/v1/symbols/{symbol}', symbol);
    const { headers } = await get('/v1/symbols/{symbol}/mode', `${symbol}/mode`);
    let count = 100;
    const named = () => ({ 'idempotency-key': `key-${count++}` });
    const asked = await mode({ mode: 'CANCEL_ONLY', ...why }, { status: 202, headers: { 'if-match': headers.etag } });
    await get('/v1/changes');
    const { json: { change } } = await get('/v1/changes/{id}', asked.headers.location);
    assert.match(change.created_at, /Z$/);
    await call('GET /v1/changes/{id}', '/v1/changes/01M7YV71SP0CAFPQRJ8YREGS56', { status: 404 });
    await call('POST /v1/changes/{id}/approve', `${asked.headers.location}/approve`, { status: 403, body: { hash: change.hash }, headers: named() });
    await call('POST /v1/changes/{id}/approve', `${asked.headers.location}/approve`, { status: 200, body: { hash: change.hash }, headers: named(), by: ben });
    await call('POST /v1/changes/{id}/approve', `${asked.headers.location}/approve`, { status: 409, body: { hash: change.hash }, headers: named(), by: ben });
    for (const [verb, by] of [['reject', ben], ['cancel', admin]]) {
      const now = await get('/v1/symbols/{symbol}/mode', `${symbol}/mode`);
      const again = await mode({ mode: 'NORMAL', ...why }, { status: 202, headers: { 'if-match': now.headers.etag } });
      await call(`POST /v1/changes/{id}/${verb}`, `${again.headers.location}/${verb}`, { status: 200, body: { reason: 'not now, thank you' }, headers: named(), by });
    }
    await get('/v1/changes', '/v1/changes?open=true');
    const once = (n) => ({ 'idempotency-key': `key-${n}` });
    const all = { mode: 'CANCEL_ONLY', symbols: ['ETH/USD'], ...why };
    await call('POST /v1/symbols:set-mode', '/v1/symbols:set-mode', { status: 200, body: all, headers: once(1) });
    assert.equal((await call('POST /v1/symbols:set-mode', '/v1/symbols:set-mode', { status: 200, body: all, headers: once(1) })).headers['idempotency-replayed'], 'true');
    await call('POST /v1/symbols:set-mode', '/v1/symbols:set-mode', { status: 422, body: { ...all, mode: 'SOFT_HALT' }, headers: once(1) });
    await call('POST /v1/symbols:set-mode', '/v1/symbols:set-mode', { status: 400, body: all });
    await get('/v1/symbols/{symbol}/throttle', `${symbol}/throttle`);
    await call('PUT /v1/symbols/{symbol}/throttle', `${symbol}/throttle`, { status: 200, body: { orders_per_s: 100, ...why }, headers: match });
    await get('/v1/withdrawals');
    await call('PUT /v1/withdrawals', '/v1/withdrawals', { status: 200, body: { halted: true, ...why }, headers: match });
    await get('/v1/withdrawals', '/v1/withdrawals?asset=BTC');
    await get('/v1/accounts/{id}/trading', '/v1/accounts/desk/trading');
    await get('/v1/accounts/{id}/access', '/v1/accounts/nobody/access');
    await call('PUT /v1/accounts/{id}/access', '/v1/accounts/nobody/access', { status: 200, body: { disabled: true, ...why }, headers: match });
    await call('PUT /v1/accounts/{id}/trading', '/v1/accounts/desk/trading', { status: 200, body: { paused: true, ...why }, headers: match });
    await get('/v1/fanout/profile');
    await call('PUT /v1/fanout/profile', '/v1/fanout/profile', { status: 200, body: { profile: 'degraded', expires_at: new Date(Date.now() + 60000).toISOString().replace('Z', '000Z'), ...why }, headers: match });
    await get('/v1/upstreams/active');
    await call('PUT /v1/upstreams/active', '/v1/upstreams/active', { status: 200, body: { active: 'alternate', ...why }, headers: match });
    await get('/v1/kill-switch');
    await call('PUT /v1/kill-switch', '/v1/kill-switch', { status: 200, body: { engaged: true, ...why }, headers: match });
    await call('POST /v1/kill-switch/release-requests', '/v1/kill-switch/release-requests', { status: 202, body: { released_percent: 10, released_symbols: ['BTC/USD'], ...why }, headers: once(2) });
    await get('/v1/kill-switch');
    await get('/v1/control');
    await get('/v1/stats');
    await get('/v1/status');
  });

  await test('commands, connections, audit, events', async () => {
    const { json: { command } } = await call('POST /v1/symbols/{symbol}/cancel-all', '/v1/symbols/BTC%2FUSD/cancel-all', { status: 202, body: why, headers: { 'idempotency-key': 'cancel-1' } });
    await get('/v1/commands');
    await get('/v1/commands/{id}', `/v1/commands/${command.id}`);
    await call('POST /v1/commands/{id}/cancel', `/v1/commands/${command.id}/cancel`, { status: 202, body: why, headers: { 'idempotency-key': 'cancel-2' } });
    await call('GET /v1/commands/{id}', '/v1/commands/nope', { status: 404 });
    const [one, two] = [await Client.connect(stage), await Client.connect(stage)];
    await one.subscribe({ channel: 'ticker', symbol: ['BTC/USD'] });
    const { json: { connections } } = await get('/v1/connections');
    assert.equal(connections.length, 2);
    await call('DELETE /v1/connections/{id}', `/v1/connections/${connections[0].id}`, { status: 200, body: why });
    await call('DELETE /v1/connections/{id}', `/v1/connections/${connections[0].id}`, { status: 404, body: why });
    await call('GET /v1/connections', '/v1/connections?limit=x', { status: 422 });
    two.close();
    await until('closed ones', 3000, async () => (await get('/v1/connections')).json.closed.length === 2);
    await get('/v1/connections/summary');
    await get('/v1/playbooks');
    await get('/v1/playbooks/{id}', '/v1/playbooks/kill_switch');
    await call('GET /v1/playbooks/{id}', '/v1/playbooks/nothing', { status: 404 });
    one.close();
    await until('the entries', 5000, async () => (await get('/v1/audit', '/v1/audit?limit=100')).json.entries.some((e) => e.action === 'connection.close'));
    await get('/v1/audit', '/v1/audit?order=asc&limit=2');
    await call('GET /v1/audit', '/v1/audit?from=yesterday', { status: 422 });
    await get('/v1/audit/export', '/v1/audit/export?limit=3');
    await get('/v1/audit/verify');
    await until('a signed head', 10000, async () => (await stage.call(admin, 'GET', '/v1/audit/anchor')).status === 200);
    await get('/v1/audit/anchor');
    await get('/v1/admin/events');
  });

  await test('incidents', async () => {
    let count = 500;
    const act = (verb, body, status = 200, id = 'INC-2') => call(`POST /v1/incidents/{id}/${verb}`, `/v1/incidents/${id}/${verb}`, { status, body, headers: { 'idempotency-key': `key-${count++}` } });
    const notes = { notes: 'as the test needs it' };
    await call('POST /v1/incidents', '/v1/incidents', { status: 201, headers: { 'idempotency-key': 'key-499' }, body: { severity: 'SEV1', title: 'books are crossed', reason: why.reason, ticket: why.ticket,
      summary: 'two of them', class: 'data_quality', playbook: 'ws_overload', symbol: 'BTC/USD', component: 'engine', detected_by: 'customer' } });
    await call('POST /v1/incidents', '/v1/incidents', { status: 201, headers: { 'idempotency-key': 'key-497' }, body: { severity: 'SEV1', title: 'books are crossed', reason: why.reason, ticket: why.ticket,
      summary: 'two of them', class: 'data_quality', symbol: 'BTC/USD', component: 'engine', detected_by: 'customer' } });
    await act('step', { step: 'tell_clients', outcome: 'done', ...notes }, 200, 'INC-1');
    await act('note', { text: 'too many clients', kind: 'root_cause' }, 200, 'INC-1');
    await call('POST /v1/incidents', '/v1/incidents', { status: 422, headers: { 'idempotency-key': 'key-498' }, body: { severity: 'SEV9' } });
    await get('/v1/incidents');
    await get('/v1/incidents', '/v1/incidents?state=all&severity=SEV1&class=data_quality&limit=1');
    await act('ack', { ...notes, by: 'ana' });
    await act('ack', notes, 409);
    await act('assign', { role: 'scribe', name: 'ben' });
    await act('note', { text: 'feeds differ' });
    await act('severity', { severity: 'SEV2', reason: why.reason });
    await act('classify', { class: 'reconciliation' });
    await act('task', { text: 'alert on it', owner: 'ana', due_at: '2030-01-01T00:00:00Z' });
    await act('task', { id: 1, done: true });
    await act('mitigate', { mitigation: 'mitigated', ...notes });
    await act('resolve', notes);
    await act('close', notes, 409);
    await act('note', { text: 'a rounding error', kind: 'root_cause' });
    await act('close', notes, 409);
    await act('close', { ...notes, postmortem_url: 'https://wiki.example/pm/1' });
    await get('/v1/incidents/{id}', '/v1/incidents/INC-1');
    await get('/v1/incidents/{id}', '/v1/incidents/INC-2');
    await act('reopen', { reason: why.reason });
    await get('/v1/incidents/{id}/timeline', '/v1/incidents/INC-2/timeline?limit=3');
    await get('/v1/incidents/{id}/report', '/v1/incidents/INC-2/report');
    await get('/v1/incidents/{id}/report', '/v1/incidents/INC-2/report?format=json');
    await call('GET /v1/incidents/{id}', '/v1/incidents/INC-9', { status: 404 });
    await act('note', { text: 'why', kind: 'root_cause' }); // and what loosens goes on
  });

  await test('tickets that are owed', async () => {
    const { json: { audit } } = await call('PUT /v1/symbols/{symbol}/mode', `/v1/symbols/${encodeURIComponent('ETH/USD')}/mode`, { status: 200, body: { mode: 'HARD_HALT', reason: why.reason }, headers: { 'if-match': '*' } });
    await get('/v1/tickets-owed');
    await call('PUT /v1/tickets-owed/{audit}', `/v1/tickets-owed/${audit}`, { status: 422, body: { ticket: 'none' } });
    await call('PUT /v1/tickets-owed/{audit}', '/v1/tickets-owed/999999', { status: 404, body: { ticket: 'OPS-1' } });
    await call('PUT /v1/tickets-owed/{audit}', `/v1/tickets-owed/${audit}`, { status: 200, body: { ticket: 'OPS-1' } });
    await call('PUT /v1/tickets-owed/{audit}', `/v1/tickets-owed/${audit}`, { status: 200, body: { ticket: 'OPS-1' } });
    await call('PUT /v1/tickets-owed/{audit}', `/v1/tickets-owed/${audit}`, { status: 409, body: { ticket: 'OPS-2' } });
    await get('/v1/tickets-owed', '/v1/tickets-owed?paid=true&limit=1');
  });

  await test('circuits', async () => {
    const named = (name) => ({ body: { name, ...why }, headers: { 'idempotency-key': `circuit-${name}` } });
    await get('/v1/circuits');
    await call('POST /v1/circuits/{name}/reset', '/v1/circuits/redis-keys/reset', { status: 200, body: why, headers: { 'idempotency-key': 'circuit-1' } });
    await call('POST /v1/circuits/{name}/reset', '/v1/circuits/core:risk/reset', { status: 202, body: why, headers: { 'idempotency-key': 'circuit-2' } });
    await call('POST /v1/circuits/{name}/reset', '/v1/circuits/nothing/reset', { status: 404, body: why, headers: { 'idempotency-key': 'circuit-3' } });
    await call('POST /admin/reset-circuit', '/admin/reset-circuit', { status: 200, ...named('postgresql') });
    await call('POST /admin/reset-circuit', '/admin/reset-circuit', { status: 422, body: why, headers: { 'idempotency-key': 'circuit-4' } });
  });

  await test('paging', async () => {
    await get('/v1/paging');
    const { json: { result, page } } = await call('POST /v1/paging/test', '/v1/paging/test', { status: 200, body: {} });
    assert.equal(result, 'refused', 'nobody listens there');
    stage.sql(`UPDATE pages SET skipped_at = NULL, dead_at = now() WHERE id = ${page}`);
    await get('/v1/paging');
    await call('POST /v1/paging/dead/{id}/retry', `/v1/paging/dead/${page}/retry`, { status: 200, body: { note: 'a test' } });
    await call('POST /v1/paging/dead/{id}/retry', `/v1/paging/dead/${page + 1000}/retry`, { status: 404, body: {} });
    await call('POST /v1/paging/test', '/v1/paging/test', { status: 422, body: { note: 1 } });
  });

  await test('people', async () => {
    const own = (method, target, body, options = {}) => call(`${method} ${target}`, target, { body, status: 200, by: ana, ...options });
    const logIn = async (person, code) => own('POST', '/v1/session', { name: person.name, password: person.password, code }, { by: person });
    await own('POST', '/v1/session', { name: 'ana', password: 'no such password', code: '000000' }, { status: 401 });
    await own('POST', '/v1/session', { name: 'ana', password: 'x' }, { status: 403, headers: { origin: 'https://elsewhere.example' } });
    await logIn(ana, await ana.code());
    await logIn(bea, await bea.code());
    await own('GET', '/v1/session');
    await own('GET', '/v1/session', undefined, { by: admin });
    const { json: made } = await call('POST /v1/users', '/v1/users', { status: 201, by: ana, body: { name: 'cyd', label: 'Cyd', ...why } });
    await call('POST /v1/users', '/v1/users', { status: 409, by: ana, body: { name: 'cyd', label: 'Cyd', ...why } });
    await call('POST /v1/users', '/v1/users', { status: 422, by: ana, body: { name: 'C y d', label: 'Cyd', ...why } });
    const cyd = new Person(stage, 'cyd', made.password);
    const roles = 'POST /v1/users/{name}/roles';
    for (const [by, status] of [[ana, 202], [bea, 200]]) await call(roles, '/v1/users/cyd/roles', { status, by, body: { role: 'security', ...why } });
    const two = '/v1/role-requests/{id}';
    const asks = async () => (await call(roles, '/v1/users/cyd/roles', { status: 202, by: ana, body: { role: 'approver', kind: 'eligible', ...why } })).json.request;
    const decides = (what, id, status, by, body = {}) => call(`POST ${two}/${what}`, `/v1/role-requests/${id}/${what}`, { status, by, body });
    const first = await asks();
    await get('/v1/role-requests', '/v1/role-requests?open=true', { by: bea });
    await get(two, `/v1/role-requests/${first.id}`, { by: bea });
    await call(`GET ${two}`, '/v1/role-requests/01M7YV71SP0CAFPQRJ8YREGS56', { status: 404, by: bea });
    await decides('approve', first.id, 403, ana, { hash: first.hash });
    await decides('approve', first.id, 412, bea, { hash: '0'.repeat(64) });
    await decides('approve', first.id, 422, bea, { hash: 'x' });
    await decides('cancel', first.id, 403, bea);
    await decides('reject', first.id, 200, bea, { reason: why.reason });
    await decides('approve', first.id, 409, bea, { hash: first.hash });
    await decides('cancel', (await asks()).id, 200, ana);
    const last = await asks();
    await decides('approve', last.id, 200, bea, { hash: last.hash });
    await get('/v1/role-requests', '/v1/role-requests', { by: bea });
    await call(roles, '/v1/users/cyd/roles', { status: 200, by: ana, body: { role: 'viewer', ...why } });
    await call(roles, '/v1/users/cyd/roles', { status: 200, by: ana, body: { role: 'operator', kind: 'eligible', until: '2030-01-01T00:00:00Z', ...why } });
    await call(roles, '/v1/users/ana/roles', { status: 403, by: ana, body: { role: 'admin', ...why } });
    await call('DELETE /v1/users/{name}/roles/{role}', '/v1/users/cyd/roles/security', { status: 200, by: ana, body: why });
    await call('DELETE /v1/users/{name}/roles/{role}', '/v1/users/cyd/roles/security', { status: 404, by: ana, body: why });
    await logIn(cyd);
    await call('GET /v1/users', '/v1/users', { status: 403, by: cyd });
    await own('POST', '/v1/session/password', { old: made.password, password: 'a long phrase, number 77' }, { by: cyd });
    const { json: { secret } } = await own('POST', '/v1/session/enrol', {}, { by: cyd });
    cyd.secret = secret;
    await own('POST', '/v1/session/enrol/confirm', { code: '000000' }, { by: cyd, status: 401 });
    assert.equal((await own('POST', '/v1/session/enrol/confirm', { code: await cyd.code() }, { by: cyd })).json.recovery_codes.length, 10);
    await own('POST', '/v1/session/elevate', { role: 'operator', seconds: 900, ...why }, { by: cyd });
    await own('POST', '/v1/session/elevate', { role: 'admin', seconds: 900, ...why }, { by: cyd, status: 403 });
    await own('POST', '/v1/session/factor', { code: await ana.code() });
    await get('/v1/users', '/v1/users', { by: ana });
    const { json: { sessions } } = await get('/v1/sessions', '/v1/sessions?user=cyd', { by: ana });
    await call('DELETE /v1/sessions/{id}', `/v1/sessions/${sessions[0].session}`, { status: 200, by: ana, body: why });
    cyd.password = 'a long phrase, number 77';
    await logIn(cyd, await cyd.code());
    await call('DELETE /v1/users/{name}/sessions', '/v1/users/cyd/sessions', { status: 200, by: ana, body: why });
    const { json: review } = await get('/v1/access/review', '/v1/access/review', { by: ana });
    await call('POST /v1/access/review/sign', '/v1/access/review/sign', { status: 200, by: ana, body: { hash: review.hash, note: 'as it should be' } });
    await get('/v1/access/review', '/v1/access/review', { by: ana });
    for (const what of ['disable', 'enable', 'reset']) await call(`POST /v1/users/{name}/${what}`, `/v1/users/cyd/${what}`, { status: 200, by: ana, body: { ...why, ...(what === 'reset' ? { second_factor: true } : {}) } });
    await own('DELETE', '/v1/session', undefined, { by: bea });
  });

  await test('report-in', async () => {
    const { json: made } = await call('POST /v1/keys', '/v1/keys', { status: 201, body: { account: 'desk', label: 'reporter', algorithm: 'bearer', scopes: ['report.write'], ...why } });
    assert.match(made.token, /^pcr_/);
    for (const body of [{ state: 'OK', ttl_s: 60 }, { state: 'DOWN', ttl_s: 60, group: 'g', role: 'standby', session: 's', version: '1', detail: 'd', resend_state: 'done', seq_in: 1,
      seq_out: '18446744073709551615', gap_from: 1, gap_to: 2, lease_holder: true, fencing_token: 9 }]) {
      await call('PUT /v1/components/{id}/status', '/v1/components/ea:x/status', { status: 200, body });
    }
    await call('PUT /v1/components/{id}/status', '/v1/components/ea:x/status', { status: 422, body: { state: 'FINE', ttl_s: 60 } });
    await call('PUT /v1/components/{id}/status', '/v1/components/redis/status', { status: 409, body: { state: 'OK', ttl_s: 60 } });
    await call('PUT /v1/components/{id}/status', '/v1/components/ea:x/status', { status: 415, body: {}, headers: { 'content-type': 'text/plain' } });
    const list = await until('its own', 5000, async () => {
      const { json } = await get('/v1/components');
      return json.components.length >= 5 && json;
    });
    assert.equal(list.groups.length, 1);
    await call('POST /v1/signals', '/v1/signals', { status: 200, body: { signals: [{ name: 'a', value: '1.5', labels: { b: 'c' }, unit: 's', ts: new Date().toISOString(), ttl_s: 60 }, { name: 'b', value: 3 }] } });
    assert.equal((await call('POST /v1/signals', '/v1/signals', { body: { signals: [{ name: '1st', value: '1' }] } })).json.refused.length, 1);
    await call('POST /v1/signals', '/v1/signals', { status: 422, body: {} });
    await get('/v1/signals');
    await call('POST /v1/alerts/alertmanager', '/v1/alerts/alertmanager', { status: 200, body: { alerts: [{ labels: { alertname: 'x' } }, {}] } });
    await get('/v1/triage');
    await get('/v1/slo');
  });

  await test('the dashboard', async () => {
    for (const row of operations.filter((o) => o.operation.responses[200]?.content['text/html'])) await get(row.route, row.route.replaceAll(/\{\w+\}/g, 'x'));
    await get('/v1/dashboard');
    const [asset] = (await get('/overview')).body.match(/\/assets\/[\w.-]+/) ?? [];
    if (asset) await get('/assets/{file}', asset);
    else exercised.set('GET /assets/{file}', new Set([200])); // there is no dashboard in this build
  });

  await test('unsigned, every signed route refuses in the described way; other methods are told', async () => {
    for (const row of operations) {
      const target = row.route.replaceAll(/\{\w+\}/g, 'x');
      const base = row.operation.servers[0].url.endsWith('8444') ? stage.publicUrl : stage.adminUrl;
      if (row.operation.security.length) {
        const answer = validate(row, await stage.send(row.method, `${base}${target}`, {}));
        assert.equal(answer.status, 401, row.name);
      }
      const answer = await stage.send('OPTIONS', `${base}${target}`, {});
      const methods = operations.filter((o) => o.route === row.route).map((o) => o.method);
      assert.equal(answer.status, 405, row.name);
      for (const method of methods) assert.ok(answer.headers.allow.split(', ').includes(method), `${row.name}: Allow: ${answer.headers.allow}`);
    }
  });

  await test('the document is served as it is printed, and every problem has its page', async () => {
    assert.equal((await get('/openapi.json')).body.trim(), printed.trim());
    for (const { code, status } of api['x-problems']) {
      const { json } = await get('/problems/{code}', `/problems/${code}`);
      assert.deepEqual([json.code, json.status], [code, status]);
      assert.ok(json.next.length > 10);
      assert.equal((await stage.get(`${stage.adminUrl}/problems/${code}`)).status, 200);
    }
    await call('GET /problems/{code}', '/problems/nope', { status: 404 });
  });

  const never = operations.filter((o) => ![...(exercised.get(o.name) ?? [])].some((s) => s < 300)).map((o) => o.name);
  assert.deepEqual(never, [], 'routes that no test above has seen succeed');
  assert.ok(refused.size >= 10, [...refused].join(' '));
}));
