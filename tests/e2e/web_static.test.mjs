// The dashboard's files on the admin listener: headers, encodings, caching, deep links, and what there is without them.
// A folder made here stands in for the real build, so that this runs without its packages.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import zlib from 'node:zlib';
import { onStage } from './harness/gateway.mjs';

const symbolsArgs = ['--data', 'synthetic', '--symbols', '2'];
const page = Buffer.from('<!doctype html><title>built</title>');
const script = Buffer.from('export default 1;\n'.repeat(200));
const sha256 = (data) => createHash('sha256').update(data).digest('hex');

function makeFolder(stage, { damage } = {}) {
  const dir = path.join(stage.dir, 'web');
  mkdirSync(dir, { recursive: true });
  const br = zlib.brotliCompressSync(script);
  const gz = zlib.gzipSync(script);
  writeFileSync(path.join(dir, 'index.html'), page);
  writeFileSync(path.join(dir, 'main-ABCDEFGH.js'), damage ? script.subarray(1) : script);
  writeFileSync(path.join(dir, 'main-ABCDEFGH.js.br'), br);
  writeFileSync(path.join(dir, 'main-ABCDEFGH.js.gz'), gz);
  writeFileSync(path.join(dir, 'manifest.json'), JSON.stringify({ build: 'b7', files: {
    'index.html': { immutable: false, sha256: { identity: sha256(page) } },
    'main-ABCDEFGH.js': { immutable: true, sha256: { identity: sha256(script), br: sha256(br), gzip: sha256(gz) } } } }));
  return dir;
}

const withFiles = (body, { damage, admin = {} } = {}) => onStage(async (stage) => {
  stage.writeSymbols(symbolsArgs);
  await stage.startGateway({ admin: { web_dir: makeFolder(stage, { damage }), ...admin } });
  // a Host of the test's choosing must not be what the certificate is checked for
  stage.ask = (target, headers = {}, method = 'GET') => stage.get(stage.adminUrl + target, { headers, method, servername: 'localhost', checkServerIdentity: () => undefined });
  await body(stage);
});

const ALWAYS = {
  'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin', 'strict-transport-security': 'max-age=63072000',
};

test('security headers on every answer of the admin listener, errors included; a page may talk to the public listeners only', () => withFiles(async (stage) => {
  for (const target of ['/', '/market', '/assets/main-ABCDEFGH.js', '/assets/none.js', '/livez', '/metrics', '/v1/stats', '/nothing', '/%zz']) {
    const { headers } = await stage.ask(target);
    for (const [name, value] of Object.entries(ALWAYS)) assert.equal(headers[name], value, `${target} ${name}`);
    assert.match(headers['permissions-policy'], /camera=\(\)/, target);
    assert.match(headers['content-security-policy'], /^default-src 'none'; /, target);
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/, target);
    assert.doesNotMatch(headers['content-security-policy'], /unsafe/, target);
  }
  const { headers } = await stage.ask('/');
  const policy = headers['content-security-policy'];
  assert.match(policy, new RegExp(`connect-src 'self' wss://localhost:${stage.wsPort} https://localhost:${stage.publicPort};`));
  assert.match(policy, /require-trusted-types-for 'script'/);
  const api = await stage.ask('/livez');
  assert.doesNotMatch(api.headers['content-security-policy'], /script-src/);
  const open = await stage.get(`${stage.publicUrl}/v1/status`);
  assert.equal(open.headers['cross-origin-resource-policy'], 'cross-origin', 'public data is for other pages too');
}));

test('deep links are the page; unknown paths are not, and API paths stay problems', () => withFiles(async (stage) => {
  for (const target of ['/', '/overview', '/market', '/market/BTC-USD', '/connections', '/keys', '/keys/pk_1', '/incidents/INC-7', '/audit', '/drills', '/settings', '/settings/about', '/market?depth=50']) {
    const answer = await stage.ask(target);
    assert.equal(answer.status, 200, target);
    assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8', target);
    assert.equal(answer.body, page.toString(), target);
  }
  for (const target of ['/markets', '/market/BTC/USD', '/v1/incidents', '/index.html', '/assets/../index.html', '/assets/manifest.json', '/assets/none.js']) {
    const answer = await stage.ask(target);
    assert.equal(answer.status, 404, target);
    assert.equal(answer.headers['content-type'], 'application/problem+json', target);
  }
  assert.equal((await stage.ask('/market', {}, 'POST')).status, 405);
}));

test('hashed names are kept for ever, the page is asked for again; 304 with the same validators', () => withFiles(async (stage) => {
  const first = await stage.ask('/');
  assert.equal(first.headers['cache-control'], 'no-cache');
  const file = await stage.ask('/assets/main-ABCDEFGH.js');
  assert.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable');
  assert.equal(file.headers['content-type'], 'text/javascript; charset=utf-8');
  for (const sent of [first.headers.etag, `"x", W/${first.headers.etag}`, '*']) {
    const again = await stage.ask('/', { 'if-none-match': sent });
    assert.equal(again.status, 304, sent);
    assert.equal(again.body, '');
    assert.equal(again.headers.etag, first.headers.etag);
    assert.equal(again.headers['cache-control'], 'no-cache');
    assert.ok(again.headers['content-security-policy']);
  }
  assert.equal((await stage.ask('/', { 'if-none-match': '"other"' })).status, 200);
}));

test('br before gzip before none, each with an entity tag of its own; HEAD is the GET without its body', () => withFiles(async (stage) => {
  const read = (headers, method = 'GET') => new Promise((resolve, reject) => {
    import('node:https').then(({ default: https }) => {
      const request = https.request(`${stage.adminUrl}/assets/main-ABCDEFGH.js`, { method, headers, rejectUnauthorized: false, agent: false }, (response) => {
        const parts = [];
        response.on('data', (d) => parts.push(d));
        response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
      });
      request.once('error', reject);
      request.end();
    });
  });
  const plain = await read({});
  const br = await read({ 'accept-encoding': 'gzip, deflate, br' });
  const gz = await read({ 'accept-encoding': 'gzip, br;q=0' });
  assert.deepEqual(plain.body, script);
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal(br.headers['content-encoding'], 'br');
  assert.deepEqual(zlib.brotliDecompressSync(br.body), script);
  assert.equal(gz.headers['content-encoding'], 'gzip');
  assert.deepEqual(zlib.gunzipSync(gz.body), script);
  assert.equal(new Set([plain, br, gz].map((a) => a.headers.etag)).size, 3);
  for (const a of [plain, br, gz]) assert.match(a.headers.vary, /accept-encoding/);
  const head = await read({ 'accept-encoding': 'br' }, 'HEAD');
  assert.equal(head.body.length, 0);
  assert.equal(Number(head.headers['content-length']), br.body.length);
  assert.equal(head.headers.etag, br.headers.etag);
  const known = await read({ 'accept-encoding': 'br', 'if-none-match': plain.headers.etag });
  assert.equal(known.body.length, br.body.length, 'another encoding is not what the client has');
}));

test('where the market data is: from the address asked for, or as configured; a strange Host adds nothing to the policy', async () => {
  await withFiles(async (stage) => {
    const about = JSON.parse((await stage.ask('/v1/dashboard')).body);
    assert.equal(about.websocket, `wss://localhost:${stage.wsPort}/v2`);
    assert.equal(about.rest, `https://localhost:${stage.publicPort}`);
    assert.equal(about.build, 'b7');
    assert.ok(Math.abs(Date.parse(about.time) - Date.now()) < 5000);
    const named = await stage.ask('/v1/dashboard', { host: 'ops.example:9999' });
    assert.equal(JSON.parse(named.body).websocket, `wss://ops.example:${stage.wsPort}/v2`);
    for (const host of ["a' https:", 'a;script-src *', 'a,b', 'a"b', 'x'.repeat(300)]) {
      const answer = await stage.ask('/', { host });
      if (answer.status === 200) assert.match(answer.headers['content-security-policy'], /connect-src 'self';/, host);
    }
  });
  await withFiles(async (stage) => {
    const about = JSON.parse((await stage.ask('/v1/dashboard')).body);
    assert.equal(about.websocket, 'wss://md.example/v2');
    assert.match((await stage.ask('/')).headers['content-security-policy'], /connect-src 'self' wss:\/\/md\.example https:\/\/md\.example:444;/);
  }, { admin: { web_socket: 'wss://md.example/v2', web_rest: 'https://md.example:444' } });
});

test('not built, or damaged: a plain page says so and how to build it; the gateway works', async () => {
  await onStage(async (stage) => {
    stage.writeSymbols(symbolsArgs);
    await stage.startGateway();
    const answer = await stage.get(`${stage.adminUrl}/market`);
    assert.equal(answer.status, 200);
    assert.match(answer.body, /was not built/);
    assert.match(answer.body, /admin\.web_dir is not set/);
    assert.match(answer.body, /node web\/build\.mjs/);
    assert.equal((await stage.get(`${stage.adminUrl}/assets/x.js`)).status, 404);
  });
  await withFiles(async (stage) => {
    const answer = await stage.ask('/');
    assert.match(answer.body, /main-ABCDEFGH\.js is not what manifest\.json says/);
    assert.equal((await stage.ask('/livez')).status, 200);
    assert.match(stage.gateway.errors, /no_dashboard/);
  }, { damage: true });
});

test('an address that is not one is refused at start, by name', () => onStage(async (stage) => {
  stage.writeSymbols(symbolsArgs);
  await assert.rejects(stage.startGateway({ admin: { web_socket: "wss://a/v2'; script-src *" } }), /admin\.web_socket must be wss:/);
}));
