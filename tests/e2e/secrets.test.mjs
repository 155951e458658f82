// Planted secrets: an HMAC secret, a Kraken secret, a WebSocket token, the master key. Looked for, in every spelling, in
// what the gateway writes, shows and answers, and in a core dump of the process that uses them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

// Every spelling of a secret; a part of it is as bad, so 16 bytes of it will do.
function spellings(secret) {
  const forms = { raw: secret, hex: Buffer.from(secret.toString('hex')), HEX: Buffer.from(secret.toString('hex').toUpperCase()), base64: Buffer.from(secret.toString('base64')), base64url: Buffer.from(secret.toString('base64url')) };
  return Object.entries(forms).flatMap(([form, bytes]) => [[form, bytes.subarray(0, form === 'raw' ? 16 : 22)], [`${form}, its second half`, bytes.subarray(bytes.length >> 1, (bytes.length >> 1) + (form === 'raw' ? 16 : 20))]]);
}

// Where in the file FILE, by offset, each needle of NEEDLES ([what, bytes]) is.
function search(file, needles) {
  const found = [];
  const size = statSync(file).size;
  const fd = openSync(file, 'r');
  const step = 1 << 26;
  const over = 256;
  const piece = Buffer.alloc(step + over);
  for (let at = 0; at < size; at += step) {
    const view = piece.subarray(0, readSync(fd, piece, 0, step + over, at));
    for (const [what, bytes] of needles) {
      for (let hit = view.indexOf(bytes); hit >= 0 && hit < step; hit = view.indexOf(bytes, hit + 1)) found.push({ what, at: at + hit });
    }
  }
  closeSync(fd);
  return found;
}

// A core as the kernel would write it, of a process that lives on: gcore asks it which memory is not to be dumped.
// With '-a' it dumps that all the same.
function core(stage, ...options) {
  const base = path.join(stage.dir, 'core');
  execFileSync('gcore', [...options, '-o', base, String(stage.gateway.pid)], { stdio: 'ignore' });
  return `${base}.${stage.gateway.pid}`;
}

let gcore = true;
try {
  execFileSync('gcore', ['--help'], { stdio: 'ignore' });
} catch (error) {
  gcore = error.code !== 'ENOENT';
}

test('planted secrets are in no log, metric, answer or core', { timeout: 120000 }, (t) => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  await stage.startGateway({ log: { level: 'debug' }, limits: { preauth_burst: 100000, preauth_per_minute: 600000, token_burst: 1000 } });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await until('the keys', 10000, async () => (await stage.call(admin, 'GET', '/v1/keys')).status === 200);
  const answers = [];
  const keep = (answer) => {
    answers.push(JSON.stringify(answer.headers), answer.body);
    return answer;
  };
  const issue = async (algorithm) => (await stage.call(admin, 'POST', '/v1/keys', { account: 'bot', label: algorithm, algorithm, scopes: ['keys.read', 'ws.token', 'market'], reason: 'a planted secret' })).json;
  const [hmac, kraken] = [await issue('hmac-sha256'), await issue('hmac-sha512-kraken')];
  const bot = new Signer(hmac.key.id, { secret: Buffer.from(hmac.secret, 'base64') });
  await until('the HMAC key', 5000, async () => (await stage.call(bot, 'GET', '/v1/keys')).status === 200);

  // used much, rightly and wrongly, so that whatever keeps copies has kept some
  const pathname = '/0/private/GetWebSocketsToken';
  const askKraken = async (nonce) => {
    const form = `nonce=${nonce}`;
    const hash = createHash('sha256').update(`${nonce}${form}`).digest();
    const sign = createHmac('sha512', Buffer.from(kraken.secret, 'base64')).update(pathname).update(hash).digest('base64');
    return stage.send('POST', `${stage.publicUrl}${pathname}`, { 'api-key': kraken.key.id, 'api-sign': sign }, form);
  };
  await until('the Kraken key', 5000, async () => JSON.parse((await askKraken(Date.now())).body).result);
  const tokens = [];
  for (let i = 0; i < 20; i++) {
    keep(await stage.call(bot, 'GET', '/v1/keys'));
    const answer = JSON.parse((await askKraken(Date.now() + i)).body);
    if (answer.result) tokens.push(answer.result.token);
  }
  const given = (await stage.call(bot, 'POST', '/v1/ws-token')).json.token;
  tokens.push(given);
  assert.ok(tokens.length > 5);
  const client = await Client.connect(stage, { url: stage.wsUrl.replace(/\/v2$/, '/v2/private') });
  assert.ok((await client.subscribe({ channel: 'book', symbol: ['BTC/USD'], token: given })).success);
  const stranger = await Client.connect(stage, { url: stage.wsUrl.replace(/\/v2$/, '/v2/private') });
  answers.push(JSON.stringify(await stranger.subscribe({ channel: 'book', symbol: ['BTC/USD'], token: given })));
  stranger.close();
  for (const overrides of [{ tag: 'x' }, { nonce: 'short' }, { keyid: 'pk_nobody' }, { alg: 'ed25519' }, { created: 1 }]) keep(await stage.call(bot, 'GET', '/v1/keys', undefined, overrides));
  keep(await askKraken(1));
  for (const target of [`/v1/keys/${hmac.key.id}`, `/v1/keys/${kraken.key.id}`, `/v1/keys/${hmac.key.id}/usage`, '/v1/keys', '/v1/nothing']) keep(await stage.call(admin, 'GET', target));
  keep(await stage.get(`${stage.adminUrl}/metrics`));

  const master = Buffer.from(readFileSync(stage.masterKey, 'utf8').trim().split(':')[1], 'base64');
  assert.equal(master.length, 32);
  const secrets = { 'the HMAC secret': Buffer.from(hmac.secret, 'base64'), "Kraken's secret": Buffer.from(kraken.secret, 'base64'), 'the master key': master };
  const needles = [
    ...Object.entries(secrets).flatMap(([name, secret]) => spellings(secret).map(([form, bytes]) => [`${name} (${form})`, bytes])),
    ...tokens.map((token) => ['a WebSocket token', Buffer.from(token)]),
  ];
  const written = Buffer.from(stage.gateway.errors + stage.gateway.output + answers.join('\n'));
  assert.ok(written.length > 5000 && stage.gateway.errors.includes('refused'), 'there is a log');
  assert.deepEqual(needles.filter(([, bytes]) => written.includes(bytes)).map(([what]) => what), []);
  const kept = Buffer.from(stage.sql('SELECT * FROM api_keys') + stage.sql('SELECT * FROM key_events') + stage.redisCommand('KEYS', '*'));
  assert.deepEqual(needles.filter(([, bytes]) => kept.includes(bytes)).map(([what]) => what), []);

  if (!gcore) {
    t.diagnostic('no gcore (apt-get install gdb): the core was not searched');
    return;
  }
  await sleep(1500); // what was on its way has arrived
  const file = core(stage);
  const found = search(file, needles);
  assert.deepEqual(found.map(({ what, at }) => `${what} at ${at}`), []);
  // the search finds what is there: the memory that is kept out of cores
  const all = new Set(search(core(stage, '-a'), needles).map(({ what }) => what));
  for (const name of Object.keys(secrets)) assert.ok(all.has(`${name} (raw)`), `${name} is in the memory of the process, and found there`);
  client.close();
}));
