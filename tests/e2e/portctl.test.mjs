// portctl against a fake admin API: every request must be one that RFC 9421 lets through, put together here from the
// text of the RFC with node:crypto; and what people and scripts see must be what the manual says.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { buildDir } from './harness/gateway.mjs';

const program = path.join(buildDir, 'portctl');
const secretText = crypto.randomBytes(48).toString('base64');
const hmacSecret = crypto.randomBytes(32);
const skip = existsSync(program) ? false : `no ${program}: build the target portctl`;
let dir; let server; let url; let ca; let edKey; let requests; let keys; let nonces; let reply;

// ---- the server ----

// The base of section 2.5, of the components that the profile of /v1 demands.
function baseOf(request, covered, params) {
  const mark = request.url.indexOf('?');
  const values = {
    '@method': request.method,
    '@authority': request.headers.host.toLowerCase(),
    '@path': mark < 0 ? request.url : request.url.slice(0, mark),
    '@query': mark < 0 ? '?' : request.url.slice(mark),
    'content-type': request.headers['content-type'],
    'content-digest': request.headers['content-digest'],
    'if-match': request.headers['if-match'],
    'idempotency-key': request.headers['idempotency-key'],
  };
  return [...covered.map((name) => {
    assert.ok(values[name] !== undefined, `${name} is covered and not there`);
    return `"${name}": ${values[name]}`;
  }), `"@signature-params": ${params}`].join('\n');
}

function verify(request, body) {
  const [, params, list] = /^sig1=((\([^)]*\)).*)$/.exec(request.headers['signature-input'] ?? '') ?? assert.fail('unsigned');
  const covered = list.slice(1, -1).split(' ').map((name) => name.slice(1, -1));
  assert.deepEqual(covered, ['@method', '@authority', '@path', '@query',
    ...(body.length > 0 ? ['content-type', 'content-digest'] : []),
    ...['if-match', 'idempotency-key'].filter((name) => name in request.headers)]);
  const [, created, expires, nonce, keyid, tag] = /^;created=(\d+);expires=(\d+);nonce="([^"]*)";keyid="([^"]*)";tag="([^"]*)"$/
    .exec(params.slice(list.length)) ?? assert.fail(`parameters: ${params}`);
  assert.equal(tag, 'gw-admin-v1');
  assert.ok(expires - created >= 1 && expires - created <= 60);
  assert.ok(Math.abs(created - Date.now() / 1000) <= 30);
  assert.ok(Buffer.from(nonce, 'base64').length >= 12 && !nonces.has(nonce));
  nonces.add(nonce);
  if (body.length > 0) {
    assert.equal(request.headers['content-type'], 'application/json');
    assert.equal(request.headers['content-digest'], `sha-256=:${crypto.createHash('sha256').update(body).digest('base64')}:`);
  } else {
    assert.equal(request.headers['content-type'], undefined);
  }
  const base = Buffer.from(baseOf(request, covered, params));
  const value = Buffer.from(/^sig1=:(.*):$/.exec(request.headers.signature)[1], 'base64');
  if (keyid === 'hmac-1') {
    assert.deepEqual(value, crypto.createHmac('sha256', hmacSecret).update(base).digest());
  } else {
    assert.equal(keyid, 'ops-1');
    assert.ok(crypto.verify(null, base, edKey.publicKey, value), 'the signature does not verify');
  }
}

function key(id, more = {}) {
  return { id, account: 'ops', label: 'Büro', algorithm: 'ed25519', scopes: ['keys.read', 'keys.write'], ip_allow: ['10.0.0.0/8'],
    rate_class: 'default', not_before: '2026-11-20T00:00:00.123456Z', not_after: null, revoked_at: null, revoke_reason: null,
    created_at: '2026-11-20T00:00:00.123456Z', created_by: 'user:ann', rotated_from: null, state: 'active', public_key: 'cHVi', ...more };
}

function problem(status, code, detail, more = {}) {
  return [status, { type: `https://portcullis.example/problems/${code}`, title: 'Not done', status, code, detail, instance: 'req-1', ...more }];
}

function answer(request, body) {
  const { pathname, searchParams } = new URL(request.url, 'https://x');
  const route = `${request.method} ${pathname.replace(/^\/v1\/keys\/[^/]+/, '/v1/keys/ID')}`;
  const id = decodeURIComponent(pathname.split('/')[3] ?? '');
  const given = body.length > 0 ? JSON.parse(body) : undefined;
  if (route.includes('/ID') && !keys.has(id)) return problem(404, 'not_found', `no key ${id}`);
  switch (route) {
    case 'GET /v1/time': return [200, { time: new Date().toISOString(), unix_ns: Number(BigInt(Date.now()) * 1000000n) }];
    case 'GET /v1/keys': return [200, { keys: [...keys.values()].filter((k) => (searchParams.get('account') ?? k.account) === k.account
      && (searchParams.get('state') ?? k.state) === k.state) }];
    case 'POST /v1/keys': {
      const made = key('new-1', { ...given, reason: undefined });
      keys.set('new-1', made);
      return [201, { key: made, ...(given.public_key ? {} : { secret: secretText }) }];
    }
    case 'GET /v1/keys/ID': return [200, { key: keys.get(id) }];
    case 'GET /v1/keys/ID/usage': return [200, { usage: { last_used_at: '2026-11-20T10:00:00Z', last_ip: '10.1.2.3',
      last_route: 'GET /v1/keys', use_count: 7 } }];
    case 'POST /v1/keys/ID/rotate': return [201, { key: key('rotated-1', { rotated_from: id, public_key: given.public_key }),
      ...(given.public_key ? {} : { secret: secretText }), old: key(id, { not_after: '2026-11-21T00:00:00Z' }) }];
    case 'POST /v1/keys/ID/revoke': {
      Object.assign(keys.get(id), { state: 'revoked', revoked_at: '2026-11-20T11:00:00Z', revoke_reason: given.reason });
      return [200, { key: keys.get(id) }];
    }
    case 'PUT /v1/keys/ID/limits': return [200, { key: { ...keys.get(id), rate_class: given.rate_class } }];
    case 'POST /v1/ws-token': return [200, { token: 'tok-EN', expires_s: 900 }];
    default: return problem(404, 'not_found', `no route ${route}`);
  }
}

function serve(request, response) {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts);
    requests.push({ method: request.method, url: request.url, headers: request.headers, body: body.toString() });
    let status; let json; let headers = {};
    try {
      if (request.url !== '/v1/time') verify(request, body);
      else assert.equal(request.headers.signature, undefined);
      [status, json, headers = {}] = (reply ?? answer)(request, body) ?? [];
    } catch (error) {
      [status, json] = problem(401, 'bad_signature', error.message);
    }
    if (status === undefined) {
      request.socket.destroy();
      return;
    }
    response.writeHead(status, { 'content-type': status < 300 ? 'application/json' : 'application/problem+json', ...headers });
    response.end(typeof json === 'string' ? json : JSON.stringify(json));
  });
}

before(async () => {
  if (skip) return;
  dir = mkdtempSync(path.join(os.tmpdir(), 'portctl-'));
  ca = path.join(dir, 'cert.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
    path.join(dir, 'tls.pem'), '-out', ca, '-days', '2', '-subj', '/CN=localhost', '-addext',
    'subjectAltName=DNS:localhost,IP:127.0.0.1'], { stdio: 'ignore' });
  edKey = crypto.generateKeyPairSync('ed25519');
  writeFileSync(path.join(dir, 'ops.pem'), edKey.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  writeFileSync(path.join(dir, 'hmac.txt'), `hmac-sha256:${hmacSecret.toString('base64')}\n`, { mode: 0o600 });
  server = https.createServer({ key: readFileSync(path.join(dir, 'tls.pem')), cert: readFileSync(ca) }, serve);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://localhost:${server.address().port}`;
  writeFileSync(path.join(dir, 'up.env'), `ADMIN_HTTPS_URL=${url}\nCA_FILE=${ca}\nADMIN_KEY_FILE=${dir}/ops.pem\nADMIN_KEY_ID=ops-1\n`);
});

after(() => {
  server?.closeAllConnections();
  server?.close();
  if (dir) rmSync(dir, { recursive: true, force: true });
});

// ---- the client ----

// Runs portctl without a terminal and without the caller's settings.
function run(args, { env = {}, input = '', file = program } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: dir, env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...env } });
    const result = { out: '', err: '' };
    const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
    child.stdout.on('data', (data) => { result.out += data; });
    child.stderr.on('data', (data) => { result.err += data; });
    child.stdin.on('error', () => {});
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...result, code });
    });
    child.stdin.end(input);
  });
}

function ctl(...args) {
  return run(['--env', path.join(dir, 'up.env'), ...args]);
}

function check(name, body, options = {}) {
  test(name, { skip, ...options }, async () => {
    requests = [];
    nonces = new Set();
    reply = undefined;
    keys = new Map([['ops-1', key('ops-1')], ['mm/1?', key('mm/1?', { account: 'mm', algorithm: 'hmac-sha256', public_key: null })]]);
    await body();
  });
}

function ends(result, code, words = '') {
  assert.equal(result.code, code, `${result.out}\n${result.err}`);
  assert.ok(result.err.includes(words), `"${words}" is not in: ${result.err}`);
  assert.ok(code === 0 || result.err.includes('  next: '), `no advice in: ${result.err}`);
}

check('key list: a table, filters, JSON as it came', async () => {
  const table = await ctl('key', 'list');
  ends(table, 0);
  assert.deepEqual(table.out.split('\n').map((line) => line.split(/ {2,}/).slice(0, 4)), [
    ['ID', 'ACCOUNT', 'LABEL', 'STATE'], ['ops-1', 'ops', 'Büro', 'active'], ['mm/1?', 'mm', 'Büro', 'active'], ['']]);
  ends(await ctl('key', 'list', '--account', 'a&b c', '--state=revoked'), 0, 'no such keys');
  assert.equal(requests.at(-1).url, '/v1/keys?account=a%26b%20c&state=revoked');
  const json = await ctl('--json', 'key', 'list', '--account', 'mm');
  assert.equal(json.out, `${JSON.stringify({ keys: [keys.get('mm/1?')] })}\n`);
  assert.equal(json.err, '');
  keys = new Map([...Array(7).keys()].map((i) => [`k${i}`, key(`k${i}`)]));
  reply = (request) => {
    const { searchParams } = new URL(request.url, url);
    const rest = [...keys.values()].filter((k) => k.id > (searchParams.get('after') ?? ''));
    assert.equal(searchParams.get('account'), 'ops');
    return [200, { keys: rest.slice(0, 3), more: rest.length > 3 }];
  };
  const pages = await ctl('key', 'list', '--account', 'ops');
  assert.deepEqual(pages.out.match(/^k\d/gm), [...keys.keys()]);
  const page = await ctl('--json', 'key', 'list', '--account', 'ops', '--after', 'k1');
  assert.deepEqual(JSON.parse(page.out).keys.map((k) => k.id), ['k2', 'k3', 'k4']);
  assert.match(page.err, /there are more/);
});

check('key show, usage and limits; ids are one segment of the path', async () => {
  const shown = await ctl('key', 'show', 'mm/1?');
  ends(shown, 0);
  assert.equal(requests[0].url, '/v1/keys/mm%2F1%3F');
  assert.match(shown.out, /^id {2,}mm\/1\?$/m);
  assert.match(shown.out, /^not before {2,}2026-11-20 00:00:00Z$/m);
  assert.match(shown.out, /^scopes {2,}keys.read keys.write$/m);
  assert.match(shown.out, /^revoked {2,}-$/m);
  const usage = await ctl('key', 'usage', 'ops-1');
  assert.equal(usage.out, 'last used  2026-11-20 10:00:00Z\nfrom       10.1.2.3\nfor        GET /v1/keys\ntimes      7\n');
  reply = () => [200, { usage: null }];
  ends(await ctl('key', 'usage', 'ops-1'), 0, 'never used');
  reply = undefined;
  const limits = await ctl('key', 'limits', 'ops-1', '--rate-class', 'mm', '--reason', 'agreed');
  ends(limits, 0);
  assert.deepEqual(JSON.parse(requests.at(-1).body), { rate_class: 'mm', reason: 'agreed' });
  assert.match(limits.out, /^rate class {2,}mm$/m);
});

check('key new: the pair is made here, its private half stays here', async () => {
  const out = path.join(dir, 'made.pem');
  const made = await ctl('key', 'new', '--account', 'ops', '--label', 'x', '--scope', 'keys.read', '--scope', 'report', '--ip', '10.0.0.0/8',
    '--not-after', '1d', '--reason', 'r', '--out', out);
  ends(made, 0, `${out} holds the private key`);
  const sent = JSON.parse(requests[0].body);
  assert.equal(statSync(out).mode & 0o7777, 0o600);
  const pem = readFileSync(out, 'utf8');
  const pub = crypto.createPublicKey(pem).export({ format: 'jwk' }).x;
  assert.equal(Buffer.from(sent.public_key, 'base64').toString('base64url'), pub);
  assert.deepEqual([sent.scopes, sent.ip_allow, sent.algorithm, sent.rate_class], [['keys.read', 'report'], ['10.0.0.0/8'], 'ed25519', undefined]);
  assert.ok(Math.abs(Date.parse(sent.not_after) - Date.now() - 86400000) < 30000);
  const seed = crypto.createPrivateKey(pem).export({ format: 'jwk' }).d;
  assert.ok(!`${requests[0].body}${made.out}${made.err}`.includes(seed));
  assert.ok(!`${made.out}${made.err}`.includes('PRIVATE'));

  const again = await ctl('key', 'new', '--account', 'ops', '--label', 'x', '--reason', 'r', '--out', out);
  ends(again, 2, 'not overwritten');
  assert.equal(readFileSync(out, 'utf8'), pem);
  ends(await ctl('key', 'new', '--account', 'ops', '--label', 'x', '--reason', 'r'), 2, 'needs a file');
  ends(await ctl('key', 'new', '--account', 'ops', '--label', 'x', '--reason', 'r', '--not-after', 'soon', '--out', `${out}2`), 2, '--not-after soon');
  assert.equal(requests.length, 1);
  assert.ok(!existsSync(`${out}2`));
});

check('key new: a secret of the server is shown once, or only saved', async () => {
  const words = ['key', 'new', '--account', 'mm', '--label', 'x', '--reason', 'r', '--ticket', 'T-1', '--algorithm'];
  const shown = await ctl(...words, 'hmac-sha512-kraken');
  ends(shown, 0, 'shown once');
  assert.equal(shown.out.split(secretText).length, 2);
  assert.ok(!shown.err.includes(secretText));
  assert.deepEqual([requests[0], JSON.parse(requests[0].body)].map((r) => [r.public_key, r.ticket]), [[undefined, undefined], [undefined, 'T-1']]);
  const out = path.join(dir, 'secret.txt');
  const saved = await ctl('-v', ...words, 'hmac-sha256', '--out', out);
  ends(saved, 0, `${out} holds the secret`);
  assert.equal(readFileSync(out, 'utf8'), `hmac-sha256:${secretText}\n`);
  assert.equal(statSync(out).mode & 0o7777, 0o600);
  assert.ok(!`${saved.out}${saved.err}`.includes(secretText));
  rmSync(out);
  const json = await ctl('--json', ...words, 'hmac-sha256', '--out', out);
  ends(json, 0);
  assert.equal(JSON.parse(json.out).key.id, 'new-1');
  assert.ok(!json.out.includes(secretText));
  ends(await ctl(...words, 'rot13'), 2, 'expected one of');
  reply = () => [201, { key: key('n') }];
  ends(await ctl(...words, 'hmac-sha256', '--out', `${out}3`), 1, 'the answer has no "secret"');
  assert.ok(!existsSync(`${out}3`));
});

check('key new: what happens to the file when the server does not', async () => {
  const out = path.join(dir, 'kept.pem');
  const words = ['key', 'new', '--account', 'ops', '--label', 'x', '--reason', 'r', '--out', out];
  reply = () => problem(409, 'exists', 'there is one');
  ends(await ctl(...words), 1, 'there is one');
  assert.ok(!existsSync(out));
  for (const [doubt, code] of [[() => undefined, 3], [() => problem(500, 'internal', 'oops'), 1]]) {
    reply = doubt;
    const result = await ctl(...words);
    ends(result, code, 'is kept');
    assert.equal(crypto.createPrivateKey(readFileSync(out)).asymmetricKeyType, 'ed25519');
    rmSync(out);
  }
  reply = () => undefined;
  ends(await ctl('key', 'limits', 'ops-1', '--rate-class', 'c', '--reason', 'r'), 3, 'look before you repeat');
});

check('key rotate: the kind of key follows from the old one', async () => {
  const out = path.join(dir, 'rotated.pem');
  ends(await ctl('key', 'rotate', 'ops-1', '--reason', 'r'), 2, 'needs a file');
  assert.deepEqual(requests.map((r) => r.method), ['GET']);
  const pair = await ctl('key', 'rotate', 'ops-1', '--reason', 'r', '--overlap', '15m', '--out', out);
  ends(pair, 0, 'the old key ops-1 is good until 2026-11-21 00:00:00Z');
  const sent = JSON.parse(requests.at(-1).body);
  assert.equal(sent.overlap_s, 900);
  assert.equal(Buffer.from(sent.public_key, 'base64').toString('base64url'), crypto.createPublicKey(readFileSync(out)).export({ format: 'jwk' }).x);
  const secret = await ctl('key', 'rotate', 'mm/1?', '--reason', 'r');
  ends(secret, 0, 'shown once');
  assert.deepEqual(JSON.parse(requests.at(-1).body), { overlap_s: 3600, reason: 'r' });
  assert.ok(secret.out.includes(secretText));
});

check('key revoke: confirmed on a terminal, or with --yes', async () => {
  const words = ['key', 'revoke', 'ops-1', '--reason', 'lost', '--ticket', 'T-2'];
  ends(await run(['--env', path.join(dir, 'up.env'), ...words], { input: 'ops-1\n' }), 2, 'no terminal');
  assert.equal(requests.length, 0);
  const done = await ctl(...words, '--yes');
  ends(done, 0);
  assert.deepEqual(JSON.parse(requests[0].body), { reason: 'lost', ticket: 'T-2' });
  assert.match(done.out, /^because {2,}lost$/m);
});

check('key revoke: what is typed on a terminal decides', async () => {
  const words = ['key', 'revoke', 'ops-1', '--reason', 'lost'];
  const command = [program, '--env', path.join(dir, 'up.env'), ...words].map((word) => `'${word}'`).join(' ');
  for (const [input, code, posts] of [['ops-2\n', 2, 0], ['yes\n', 2, 0], ['ops-1\n', 0, 1]]) {
    const result = await run(['-qec', command, '/dev/null'], { file: 'script', input });
    assert.equal(result.code, code, result.out);
    assert.match(result.out, /account ops, label Büro, state active/);
    assert.match(result.out, /This is the key that you sign with/);
    assert.equal(requests.filter((r) => r.method === 'POST').length, posts);
  }
  requests = [];
  reply = (request, body) => (request.method === 'GET' ? problem(403, 'forbidden', 'keys.read is missing') : answer(request, body));
  assert.equal((await run(['-qec', command, '/dev/null'], { file: 'script', input: 'ops-1\n' })).code, 0);
  assert.deepEqual(requests.map((r) => r.method), ['GET', 'POST']);
});

check('refusals: in words with what to do next, and exit codes', async () => {
  ends(await ctl('key', 'show', 'nobody'), 1, 'refused: Not done (404 not_found): no key nobody');
  reply = () => problem(422, 'invalid', 'two fields', { errors: [{ pointer: '/scopes/0', detail: 'unknown\u001b[31m scope' }] });
  const fields = await ctl('key', 'list');
  ends(fields, 1, '  /scopes/0: unknown\\u001b[31m scope\n  instance: req-1\n');
  reply = () => problem(429, 'rate', 'slow down', { retry_after: 3 });
  ends(await ctl('key', 'list'), 1, 'next: try again after 3 s');
  const json = await ctl('--json', 'key', 'list');
  assert.equal(JSON.parse(json.out).code, 'rate');
  reply = () => problem(403, 'forbidden', 'keys.read is missing');
  ends(await ctl('key', 'list'), 1, 'keys.read is missing');
  reply = () => problem(401, 'bad_signature', 'no');
  ends(await ctl('key', 'list'), 4, 'belongs to --key-file');
  reply = () => [...problem(401, 'clock_skew', 'too far'), { date: new Date(Date.now() + 95000).toUTCString() }];
  const skewed = await ctl('key', 'list');
  ends(skewed, 4, 'next: set this machine');
  assert.match(skewed.err, /clock: this machine's clock is 9[456] s behind the server's/);
  for (const garbage of ['', 'hello', '[]', '{"keys":7}', '[1,', '{"a":1,"a":2}', '['.repeat(10000)]) {
    reply = () => [200, garbage];
    assert.equal((await ctl('key', 'list')).code, 1, garbage.slice(0, 20));
  }
  reply = () => [302, {}, { location: `${url}/v1/keys` }];
  requests = [];
  assert.equal((await ctl('key', 'list')).code, 1);
  assert.equal(requests.length, 1);
});

check('no answer: not there, not trusted, too slow', async () => {
  const signed = ['--key-file', path.join(dir, 'ops.pem'), '--key-id', 'ops-1'];
  const closed = await new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
  ends(await run([...signed, '--url', `https://localhost:${closed}`, '--ca', ca, 'key', 'list']), 3, 'cannot reach');
  ends(await run([...signed, '--url', url, 'key', 'list']), 3, 'no trusted TLS');
  ends(await run([...signed, '--url', url, '--ca', path.join(dir, 'none.pem'), 'key', 'list']), 3, '--ca');
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const late = await run([...signed, '--timeout', '1', '--url', `https://localhost:${silent.address().port}`, '--ca', ca, 'ws-token']);
  silent.close();
  ends(late, 3, 'cannot reach');
  assert.equal(requests.length, 0);
});

check('keys to sign with: HMAC, wide permissions, none, the settings of the environment', async () => {
  const env = { ADMIN_URL: url, PORTCTL_CA: ca, ADMIN_KEY_FILE: path.join(dir, 'hmac.txt'), ADMIN_KEY_ID: 'hmac-1' };
  ends(await run(['key', 'list'], { env }), 0);
  assert.match(requests[0].headers['signature-input'], /keyid="hmac-1"/);
  ends(await run(['key', 'limits', 'ops-1', '--rate-class', 'c', '--reason', 'größer'], { env }), 0);
  const wide = path.join(dir, 'wide.txt');
  writeFileSync(wide, readFileSync(env.ADMIN_KEY_FILE));
  chmodSync(wide, 0o640);
  ends(await run(['--key-file', wide, 'key', 'list'], { env }), 4, `chmod 600 ${wide}`);
  ends(await run(['--key-file', 'nowhere', 'key', 'list'], { env }), 4, 'cannot read');
  ends(await run(['--key-file', path.join(dir, 'ops.pem'), 'key', 'list'], { env }), 4, 'refused'); // of another id
  ends(await run(['key', 'list'], { env: { ...env, ADMIN_KEY_ID: '' } }), 2, '--key-id (ADMIN_KEY_ID) is missing');
  ends(await run(['key', 'list'], { env: { ...env, ADMIN_URL: '' } }), 2, 'where is the admin API');
  ends(await run(['key', 'list'], { env: { ...env, ADMIN_URL: 'http://localhost:1' } }), 2, 'is not the address');
  ends(await run(['--key-id', 'a b', 'key', 'list'], { env }), 4, 'a key id is');
});

check('time needs no key; ws-token prints the token alone', async () => {
  const time = await run(['--url', url, '--ca', ca, 'time']);
  ends(time, 0);
  assert.match(time.out, /^server {2,}\d{4}-.*Z\nthis machine {2}\d{4}-.*Z\nskew {2,}-?\d+\.\d{3} s, within \d+\.\d{3} s\n$/);
  reply = () => [200, { time: '', unix_ns: (Date.now() + 100000) * 1e6 }];
  const skewed = await run(['--url', url, '--ca', ca, 'time']);
  ends(skewed, 0, 'next: set this machine');
  assert.match(skewed.err, /is (99|100|101) s behind/);
  reply = undefined;
  const token = await ctl('ws-token');
  assert.equal(token.out, 'tok-EN\n');
  assert.match(token.err, /good for 900 s/);
  assert.deepEqual([requests.at(-1).body, requests.at(-1).headers['content-length']], ['', '0']);
});

check('usage: nothing is sent for a line that is wrong', async () => {
  for (const words of [[], ['frob'], ['key'], ['key', 'show'], ['key', 'show', 'a', 'b'], ['key', 'list', '--frob'], ['--timeout', 'x', 'time'],
    ['key', 'revoke', 'ops-1', '--yes'], ['completion', 'fish'], ['help', 'frob'], ['--env', '/nowhere', 'time'],
    ['key', 'limits', 'ops-1', '--rate-class', 'c']]) {
    const result = await ctl(...words);
    assert.equal(result.code, 2, words.join(' '));
    assert.ok(result.err.startsWith('portctl: ') && result.out === '', words.join(' '));
  }
  assert.equal(requests.length, 0);
  for (const words of [['help'], ['--help'], ['help', 'key'], ['key', '--help'], ['key', 'new', '--help'], ['--version'], ['help', 'key', 'revoke']]) {
    const result = await run(words);
    assert.ok(result.code === 0 && result.err === '' && /portctl/.test(result.out), words.join(' '));
  }
});

check('output that cannot be written is not success', async () => {
  const words = `'${program}' --env '${path.join(dir, 'up.env')}' ws-token >/dev/full`;
  assert.equal((await run(['-c', words], { file: 'bash' })).code, 1);
});

check('completion of bash', async () => {
  const { out } = await run(['completion', 'bash']);
  const offered = async (...line) => (await run(['-c', `${out}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _portctl; printf '%s\\n' "\${COMPREPLY[@]}"`, 'bash', 'portctl', ...line], { file: 'bash' }))
    .out.trim().split('\n');
  assert.deepEqual(await offered('k'), ['kill', 'key']);
  assert.deepEqual(await offered('kill', 'release', '--scope', 'g'), ['global']);
  assert.deepEqual(await offered('mode', 'BTC/USD', 'S'), ['SOFT_HALT']);
  assert.deepEqual(await offered('fanout', 'e'), ['emergency']);
  assert.deepEqual(await offered('resume', 'BTC/USD', '--to', 'C'), ['CANCEL_ONLY']);
  assert.deepEqual(await offered('--url', 'https://h', '--json', 'key', 're'), ['revoke']);
  assert.deepEqual(await offered('key', 'r'), ['rotate', 'revoke']);
  assert.deepEqual(await offered('key', 'list', '--st'), ['--state']);
  assert.deepEqual(await offered('key', 'list', '--state', 'p'), ['pending']);
  assert.deepEqual(await offered('key', 'new', '--reason', 'key', '--scope', 'control.'), ['control.read', 'control.halt', 'control.open', 'control.fanout']);
  assert.ok((await offered('key', 'new', '--out', '')).includes('ops.pem'));
});

// zsh calls _portctl with words and CURRENT and filters what compadd gets: both stand in for its line editor here.
const zsh = spawnSync('zsh', ['--version']).status === 0;
check('completion of zsh', async () => {
  const { out } = await run(['completion', 'zsh']);
  const file = path.join(dir, '_portctl');
  writeFileSync(file, out);
  ends(await run(['-n', file], { file: 'zsh' }), 0); // it can be read
  const offered = async (...line) => (await run(['-f', '-c', `compdef() { print defined $2 >&2 }
    compadd() { shift; print -l -- "$@" }; _files() { print FILES }
    . ${file}; words=("$@"); CURRENT=$#words; _portctl`, 'zsh', 'portctl', ...line], { file: 'zsh' }));
  const words = async (...line) => {
    const answer = await offered(...line);
    ends(answer, 0);
    assert.equal(answer.err, 'defined portctl\n');
    return answer.out.trim().split('\n');
  };
  assert.ok((await words('')).includes('kill'));
  assert.deepEqual(await words('kill', 'release', '--scope', ''), ['global', 'order_entry']);
  assert.deepEqual((await words('mode', 'BTC/USD', '')).slice(0, 4), ['NORMAL', 'CANCEL_ONLY', 'SOFT_HALT', 'HARD_HALT']);
  const keys = await words('--url', 'https://h', '--json', 'key', '');
  for (const word of ['new', 'list', 'rotate', 'revoke']) assert.ok(keys.includes(word), keys.join(' '));
  assert.ok((await words('key', 'rotate', 'pk_x', '')).includes('--ip'));
  assert.deepEqual(await words('key', 'list', '--state', ''), ['active', 'pending', 'expired', 'revoked', 'disabled']);
  assert.ok((await words('key', 'new', '--reason', 'key', '--scope', '')).includes('control.halt'));
  assert.deepEqual(await words('key', 'new', '--out', ''), ['FILES']);
}, zsh || skip ? {} : { skip: 'no zsh here' });
