// The gate: halts by one, at once, on every socket; resumes by two; audited; the journal while PostgreSQL is away.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';
const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const within = { timeout: 120000 };
const MODE = `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode`;
const why = { reason: 'a test of the gate', ticket: 'OPS-1' };

async function newKey(stage, account, scopes) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account, label: account, algorithm: 'ed25519',
    public_key: raw.toString('base64'), scopes, reason: 'a test of the gate' });
  assert.equal(answer.status, 201, answer.body);
  const signer = new Signer(answer.json.key.id, file);
  await until('the key', 3000, async () => (await stage.call(signer, 'GET', '/v1/stats')).status === 200);
  return signer;
}

function withGate(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ limits: { preauth_burst: 5000, read_burst: 1000, write_burst: 1000, halt_burst: 1000 }, ...overrides });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/stats')).status === 200);
    stage.ana = await newKey(stage, 'ana', ['control.read', 'control.halt', 'control.open', 'audit.read']);
    stage.ben = await newKey(stage, 'ben', ['control.read', 'control.halt', 'control.open', 'audit.read']);
    await body(stage);
  });
}

const put = (stage, signer, target, body, headers) => stage.call(signer, 'PUT', target, body, { headers });

test('a halt by one: book frozen, withdrawn, resumed by two; on the wire, in REST, in the chain', within, () => withGate({}, async (stage) => {
  stage.feed(...tape);
  const ws = await Client.connect(stage);
  await ws.request({ method: 'subscribe', params: { channel: 'book', symbol: [SYMBOL], depth: 10, gw: { interval_ms: 20 } } });
  await ws.request({ method: 'subscribe', params: { channel: 'instrument' } });
  await ws.next((m) => m.channel === 'book' && m.type === 'update');
  const last = (predicate) => ws.messages.findLast(predicate);
  const frozen = ws.next((m) => m.channel === 'gateway' && m.data[0].event === 'symbol', 3000, 'the notice');
  const halt = await put(stage, stage.ana, MODE, { mode: 'SOFT_HALT', ...why }, { 'if-match': '*' });
  console.log('halt', halt.status, halt.body);
  assert.equal(halt.status, 200, halt.body);
  assert.equal(halt.json.outcome, 'done');
  assert.ok(halt.json.audit > 0);
  console.log((await frozen).raw);
  await sleep(300);
  const count = ws.messages.filter((m) => m.channel === 'book').length;
  await sleep(500);
  assert.equal(ws.messages.filter((m) => m.channel === 'book').length, count, 'frozen');
  console.log(last((m) => m.channel === 'instrument').raw.slice(0, 300));
  const hard = await put(stage, stage.ben, MODE, { mode: 'HARD_HALT', ...why }, { 'if-match': '*' });
  console.log('hard', hard.status, hard.body);
  const resume = await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why }, { 'if-match': hard.headers.etag });
  console.log('resume', resume.status, resume.body, resume.headers.location);
  const open = await stage.call(stage.ben, 'GET', '/v1/changes?open=true');
  console.log(open.body);
  const self = await stage.call(stage.ana, 'POST', `${resume.headers.location}/approve`, { hash: open.json.changes[0].hash });
  console.log('self', self.status, self.body);
  const ok = await stage.call(stage.ben, 'POST', `${resume.headers.location}/approve`, { hash: open.json.changes[0].hash });
  console.log('ok', ok.status, ok.body);
  await sleep(500);
  console.log(ws.messages.slice(-5).map((m) => m.raw.slice(0, 400)).join('\n'));
}));
