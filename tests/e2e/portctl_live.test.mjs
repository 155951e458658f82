// portctl against the real gateway, PostgreSQL and Redis: what an administrator types, from the first look at the clock to
// a revoked key; and what is said when something is away or wrong. The fake of portctl.test.mjs knows the RFC; this one
// knows whether both sides mean the same.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import ccxt from 'ccxt';
import { buildDir, onStage, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 120000, skip: existsSync(path.join(buildDir, 'portctl')) ? false : 'no portctl: build that target' };
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

function run(stage, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(buildDir, 'portctl'), args, { cwd: stage.dir, stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...env } });
    const result = { out: '', err: '' };
    const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
    child.stdout.on('data', (data) => { result.out += data; });
    child.stderr.on('data', (data) => { result.err += data; });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...result, code, line: `portctl ${args.join(' ')}` });
    });
  });
}

// Ends with CODE, and says WORDS and what to do next.
function ends(result, code, words = /^/) {
  const said = `${result.line}\n${result.out}\n${result.err}`;
  assert.equal(result.code, code, said);
  assert.match(result.err, words, said);
  if (code !== 0) assert.match(result.err, /^ {2}next: \S/m, said);
  return result;
}

function withKeys(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ limits: { write_per_minute: 6000, write_burst: 200, preauth_burst: 5000 }, ...overrides });
    stage.env = { ADMIN_URL: stage.adminUrl, ADMIN_KEY_FILE: stage.keyFile, ADMIN_KEY_ID: stage.keyId, PORTCTL_CA: stage.ca };
    const ctl = (...args) => run(stage, args, stage.env);
    const as = (file, id, ...args) => run(stage, args, { ...stage.env, ADMIN_KEY_FILE: file, ADMIN_KEY_ID: id });
    const json = async (...args) => JSON.parse(ends(await ctl('--json', ...args), 0).out);
    await until('the keys', 10000, async () => (await ctl('key', 'list')).code === 0);
    await body(stage, { ctl, as, json });
  });
}

const fields = (text) => Object.fromEntries(text.trim().split('\n').map((line) => line.split(/ {2,}/)));

test('portctl: the life of a key that is made here', within, () => withKeys({}, async (stage, { ctl, as, json }) => {
  const time = ends(await run(stage, ['--url', stage.adminUrl, '--ca', stage.ca, 'time']), 0);
  assert.match(time.out, /^skew {2,}-?0\.\d{3} s/m);
  assert.ok(Math.abs((await json('time')).unix_ns / 1e6 - Date.now()) < 2000);

  const made = ends(await ctl('key', 'new', '--account', 'ops', '--label', 'laptop', '--scope', 'keys.read', '--scope', 'keys.write',
    '--ip', '127.0.0.0/8', '--not-after', '90d', '--reason', 'new operator', '--ticket', 'OPS-7', '--out', 'ops.pem'), 0, /ops\.pem holds the private key/);
  const { id } = fields(made.out);
  assert.equal(statSync(path.join(stage.dir, 'ops.pem')).mode & 0o7777, 0o600);
  await until('the new key', 3000, async () => (await as('ops.pem', id, 'key', 'list')).code === 0);
  const { key } = await json('key', 'show', id);
  assert.deepEqual([key.account, key.scopes, key.ip_allow, key.rate_class, key.state], ['ops', ['keys.read', 'keys.write'], ['127.0.0.0/8'], 'default', 'active']);
  assert.ok(Math.abs(Date.parse(key.not_after) - Date.now() - 90 * 86400000) < 60000);
  assert.equal(stage.sql(`SELECT reason || '/' || ticket FROM key_events WHERE key_id = '${id}'`), 'new operator/OPS-7');
  assert.match(ends(await ctl('key', 'show', id), 0).out, /^state {2,}active$/m);

  const usage = await until('its use', 6000, async () => (await json('key', 'usage', id)).usage);
  assert.equal(usage.last_ip, '127.0.0.1');
  assert.match(ends(await ctl('key', 'usage', id), 0).out, /^times {2,}[1-9]/m);
  assert.match(ends(await ctl('key', 'limits', id, '--rate-class', 'low', '--reason', 'too eager'), 0).out, /^rate class {2,}low$/m);
  assert.equal((await json('key', 'limits', id, '--rate-class', 'default', '--reason', 'calm again')).key.rate_class, 'default');

  const next = ends(await as('ops.pem', id, 'key', 'rotate', id, '--overlap', '24h', '--reason', 'yearly', '--out', 'ops-2.pem'), 0,
    new RegExp(`the old key ${id} is good until \\d{4}-`));
  const second = fields(next.out);
  assert.equal(second['rotated from'], id);
  // a key with an end has no successor without one
  assert.ok(Math.abs(Date.parse(second['not after'].replace(' ', 'T')) - Date.now() - 90 * 86400000) < 60000, second['not after']);
  await until('the successor', 3000, async () => (await as('ops-2.pem', second.id, 'key', 'list')).code === 0);
  ends(await as('ops.pem', id, 'key', 'list'), 0);
  ends(await ctl('key', 'rotate', id, '--reason', 'once more', '--out', 'ops-3.pem'), 1, /successor already/);
  assert.ok(!existsSync(path.join(stage.dir, 'ops-3.pem')), 'the file of a key that was not made');
  const third = await json('key', 'rotate', second.id, '--not-after', '1d', '--reason', 'for a day', '--out', 'ops-4.pem');
  assert.ok(Math.abs(Date.parse(third.key.not_after) - Date.now() - 86400000) < 60000);

  ends(await ctl('key', 'revoke', id, '--reason', 'laptop lost'), 2, /no terminal/);
  ends(await ctl('key', 'revoke', id, '--reason', 'lost', '--yes'), 1, /\/reason: .*10/);
  assert.match(ends(await ctl('key', 'revoke', id, '--reason', 'laptop lost', '--yes'), 0).out, /^because {2,}laptop lost$/m);
  await until('refused', 1000, async () => (await as('ops.pem', id, 'key', 'list')).code === 4);
  ends(await as('ops.pem', id, 'key', 'list'), 4, /is active/);
  ends(await ctl('key', 'revoke', id, '--reason', 'laptop lost', '--yes'), 1, /revoked already/);
  assert.equal((await json('key', 'revoke', second.id, '--reason', 'no longer needed', '--yes')).key.state, 'revoked');
  assert.deepEqual((await json('key', 'list', '--state', 'revoked')).keys.map((k) => k.id).sort(), [id, second.id].sort());
}));

test('portctl: secrets of the server sign; a token opens a connection; ccxt takes the third kind', within, () => withKeys({}, async (stage, { ctl, as, json }) => {
  stage.feed(...tape);
  await stage.applied(20);
  const made = ends(await ctl('key', 'new', '--account', 'mm1', '--label', 'feed', '--scope', 'ws.token', '--scope', 'market', '--algorithm', 'hmac-sha256',
    '--reason', 'onboarding', '--out', 'hmac.txt'), 0, /hmac\.txt holds the secret/);
  const { id } = fields(made.out);
  assert.match(readFileSync(path.join(stage.dir, 'hmac.txt'), 'utf8'), /^hmac-sha256:[A-Za-z0-9+/=]+\n$/);
  const token = await until('a token', 3000, async () => {
    const result = await as('hmac.txt', id, 'ws-token');
    return result.code === 0 && result.out.trim();
  });
  const subscribe = { channel: 'book', symbol: ['BTC/USD'], token };
  const client = await Client.connect(stage, { url: stage.wsUrl.replace(/\/v2$/, '/v2/private') });
  assert.ok((await client.subscribe(subscribe)).success);
  client.close();
  assert.equal(JSON.parse((await as('hmac.txt', id, '--json', 'ws-token')).out).expires_s, 900);
  ends(await as('hmac.txt', id, 'key', 'list'), 1, /403 forbidden-role\): this needs the permission keys\.read/);

  const shown = ends(await ctl('key', 'new', '--account', 'mm1', '--label', 'ccxt', '--scope', 'ws.token', '--algorithm', 'hmac-sha512-kraken', '--reason', 'onboarding'), 0, /shown once/);
  const kraken = fields(shown.out);
  const exchange = new ccxt.kraken({ apiKey: kraken.id, secret: kraken.secret });
  await until('a token by ccxt', 3000, async () => {
    const request = exchange.sign('GetWebSocketsToken', 'private', 'POST', {});
    const answer = JSON.parse((await stage.send('POST', `${stage.publicUrl}/0/private/GetWebSocketsToken`, request.headers, request.body)).body);
    return answer.error.length === 0 && answer.result.token;
  });
  const turned = await json('key', 'rotate', id, '--overlap', '0s', '--reason', 'leaked in a chat', '--out', 'hmac-2.txt');
  assert.equal(turned.secret, undefined, 'the secret is in the file, not on the terminal');
  await until('the new secret', 3000, async () => (await as('hmac-2.txt', turned.key.id, 'ws-token')).code === 0);
  ends(await as('hmac.txt', id, 'ws-token'), 4);
}));

test('portctl: lists of more keys than a page holds', within, () => withKeys({}, async (stage, { ctl, json }) => {
  stage.sql("INSERT INTO accounts (id, label, created_by) VALUES ('many', 'many', 'test')");
  stage.sql(`INSERT INTO api_keys (id, account, label, algorithm, public_key, scopes, rate_class, not_before, created_by)
    SELECT 'pk_many' || lpad(n::text, 5, '0'), 'many', 'key ' || n, 'ed25519', sha256(n::text::bytea), 1, 'default', now(), 'test' FROM generate_series(1, 1203) n`);
  const table = ends(await ctl('key', 'list', '--account', 'many'), 0);
  assert.equal(table.out.trim().split('\n').length, 1204);
  const first = await json('key', 'list', '--account', 'many');
  assert.deepEqual([first.keys.length, first.more], [1000, true]);
  const rest = await json('key', 'list', '--account', 'many', '--after', first.keys.at(-1).id);
  assert.deepEqual([rest.keys.length, rest.more, rest.keys[0].id], [203, false, 'pk_many01001']);
  ends(await ctl('key', 'list', '--account', 'nobody'), 0, /no such keys/);
}));

test('portctl: refusals name the field and what it may be', within, () => withKeys({}, async (stage, { ctl, json }) => {
  const words = (change = {}) => Object.entries({ account: 'mm1', label: 'x', algorithm: 'hmac-sha256', scope: 'market', reason: 'a test of words', ...change })
    .flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
  for (const [change, pattern] of [[{ scope: 'all' }, /\/scopes: .*market.*keys\.write/], [{ account: 'Mm1' }, /\/account: .*a to z/],
    [{ ip: '10.0.0.1/8' }, /\/ip_allow: .*10\.0\.0\.0\/8/], [{ 'rate-class': 'huge' }, /\/rate_class: .*default.*low.*minimal/],
    [{ 'not-after': '2020-01-01T00:00:00Z' }, /\/not_after: .*future/], [{ label: 'x'.repeat(101) }, /\/label: .*100/],
    [{ ticket: 'x'.repeat(101) }, /\/ticket: .*100/], [{ reason: 'x'.repeat(501) }, /\/reason: .*500/]]) {
    const result = ends(await ctl('key', 'new', ...words(change)), 1, pattern);
    assert.equal(result.err.split('not acceptable').length, 2, `said twice: ${result.err}`);
  }
  ends(await ctl('key', 'show', 'pk_nobody'), 1, /no such key \(404 not-found\)\n(.*instance.*\n)? {2}next: check the id/);
  ends(await ctl('key', 'limits', stage.keyId, '--rate-class', 'mm', '--reason', 'a bad class'), 1, /\/rate_class: /);
  ends(await ctl('key', 'rotate', stage.keyId, '--overlap', '8d', '--reason', 'too long', '--out', 'x.pem'), 1, /\/overlap_s: .*604800/);
  const problem = await ctl('--json', 'key', 'show', 'pk_nobody');
  assert.equal(JSON.parse(problem.out).code, 'not-found');
  // nobody can give, or take over, what he has not
  const made = ends(await ctl('key', 'new', ...words({ algorithm: 'ed25519', scope: 'keys.write', ip: '127.0.0.0/8', out: 'clerk.pem' }), '--scope', 'keys.read'), 0);
  const clerk = { ADMIN_KEY_FILE: 'clerk.pem', ADMIN_KEY_ID: fields(made.out).id };
  const asClerk = (...args) => run(stage, args, { ...stage.env, ...clerk });
  await until('the clerk', 3000, async () => (await asClerk('key', 'list')).code === 0);
  ends(await asClerk('key', 'new', ...words({ scope: 'control.open' })), 1, /403 forbidden-scope/);
  ends(await asClerk('key', 'rotate', stage.keyId, '--reason', 'mine now', '--out', 'stolen.pem'), 1, /403 forbidden-scope/);
  assert.ok(!existsSync(path.join(stage.dir, 'stolen.pem')));
  assert.equal(stage.sql('SELECT count(*) FROM api_keys WHERE rotated_from IS NOT NULL'), '0');
  ends(await asClerk('key', 'rotate', clerk.ADMIN_KEY_ID, '--reason', 'my own', '--out', 'clerk-2.pem'), 0);
}));

test('portctl: the wrong key, address, CA; a server that is away, or whose stores are', within, () => withKeys({}, async (stage, { ctl, as }) => {
  ends(await as(stage.keyFile, 'pk_nobody', 'key', 'list'), 4, /--key-id \(pk_nobody\) belongs to --key-file/);
  execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path.join(stage.dir, 'other.pem')], { stdio: 'ignore' });
  execFileSync('chmod', ['600', path.join(stage.dir, 'other.pem')]);
  ends(await as('other.pem', stage.keyId, 'key', 'list'), 4, /belongs to --key-file/);
  const far = fields(ends(await ctl('key', 'new', '--account', 'ops', '--label', 'far', '--scope', 'keys.read', '--ip', '10.0.0.0/8', '--reason', 'not from here', '--out', 'far.pem'), 0).out);
  ends(await as('far.pem', far.id, 'key', 'list'), 4, /from this address/);

  const other = path.join(stage.dir, 'other-ca.pem');
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path.join(stage.dir, 'other-ca.key'),
    '-out', other, '-days', '2', '-subj', '/CN=other'], { stdio: 'ignore' });
  ends(await ctl('--ca', other, 'key', 'list'), 3, /no trusted TLS.*\n {2}next: .*--ca/);
  ends(await ctl('--url', stage.publicUrl, 'key', 'list'), 1, /404.*\n {2}next: check that --url/);
  ends(await ctl('--url', stage.publicUrl, 'time'), 1, /404.*\n {2}next: check that --url/);

  stage.redis.kill('SIGSTOP');
  try {
    ends(await ctl('ws-token'), 1, /503 unavailable/);
    ends(await ctl('key', 'list'), 0);
  } finally {
    stage.redis.kill('SIGCONT');
  }
  const limited = await until('a limit', 10000, async () => {
    const result = await ctl('ws-token');
    return result.code !== 0 && result.err.includes('429') && result;
  });
  ends(limited, 1, /next: try again after \d+ s/);
  await stage.stopGateway();
  ends(await ctl('key', 'list'), 3, /cannot reach .*\n {2}next: check that the gateway runs/);
  ends(await ctl('time'), 3, /cannot reach/);
}));
