// A stage with people: keys of several persons, orders as they give them, and the audit chain read back by SQL, verified
// by portctl and replayed here: a second opinion on what the state should be.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildDir, onStage, until } from './gateway.mjs';
import { Signer } from './signer.mjs';

export const SCOPES = ['control.read', 'control.halt', 'control.open', 'control.fanout', 'audit.read'];
export const why = { reason: 'a test of the gate', ticket: 'OPS-1' };
export const modeOf = (symbol) => `/v1/symbols/${encodeURIComponent(symbol)}/mode`;
export const gateTape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
export const gateLimits = { limits: { preauth_burst: 100000, preauth_per_minute: 600000, read_burst: 100000, read_per_minute: 600000,
  write_burst: 100000, write_per_minute: 600000, halt_burst: 100000, halt_per_minute: 600000 } };
export const once = () => ({ 'idempotency-key': randomBytes(12).toString('hex') });

// A key of ACCOUNT, of the user OWNER if named.
export async function newKey(stage, account, { scopes = SCOPES, owner, nets } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account, ...(owner ? { owner } : {}), ...(nets ? { ip_allow: nets } : {}), label: account,
    algorithm: 'ed25519', public_key: raw.toString('base64'), scopes, reason: why.reason });
  assert.equal(answer.status, 201, answer.body);
  const signer = new Signer(answer.json.key.id, file);
  await knows(stage, signer);
  return signer;
}

// The gateway has the keys (of SIGNER).
export async function knows(stage, signer = stage.admin) {
  await until('the keys', 15000, async () => (await stage.call(signer, 'GET', '/v1/stats')).status === 200);
}

export function newUser(stage, name) {
  stage.sql(`INSERT INTO users (name, label, created_by, password_hash, password_at)
    VALUES ('${name}', '${name}', 'test', '$argon2id$v=19$none', now())`);
}

export function withGate(overrides, body, tape = gateTape) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    stage.overrides = { ...gateLimits, ...overrides };
    await stage.startGateway(stage.overrides);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await knows(stage);
    stage.ana = await newKey(stage, 'ana');
    stage.ben = await newKey(stage, 'ben');
    await body(stage);
  });
}

export const put = (stage, signer, target, body, headers = { 'if-match': '*' }) => stage.call(signer, 'PUT', target, body, { headers });
export const post = (stage, signer, target, body, headers = once()) => stage.call(signer, 'POST', target, body, { headers });

export async function etag(stage, target) {
  const { status, headers, body } = await stage.call(stage.ana, 'GET', target);
  assert.equal(status, 200, body);
  return headers.etag;
}

// The request behind Location, as the second person sees it.
export async function change(stage, location) {
  const answer = await stage.call(stage.ben, 'GET', location);
  assert.equal(answer.status, 200, answer.body);
  return answer.json.change;
}

// SIGNER asks for a loosening; the path of the request.
export async function ask(stage, signer, target, body) {
  const answer = await put(stage, signer, target, { ...why, ...body }, { 'if-match': await etag(stage, target) });
  assert.equal(answer.status, 202, answer.body);
  assert.equal(answer.json.outcome, 'requested');
  return answer.headers.location;
}

export async function approve(stage, signer, location, hash) {
  return post(stage, signer, `${location}/approve`, { hash: hash ?? (await change(stage, location)).hash });
}

// Asked for by ana, approved by ben.
export async function loosen(stage, target, body) {
  const answer = await approve(stage, stage.ben, await ask(stage, stage.ana, target, body));
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.json.outcome, 'done');
  return answer;
}

// --- the chain ------------------------------------------------------------------------------------------------------

const FIELDS = ['seq', 'id', 'time_ns', 'mono_ns', 'actor', 'session', 'ip', 'action', 'target', 'outcome', 'reason', 'ticket', 'incident',
  'request_sha256', 'before', 'after', 'approvals', 'trace', 'journal_id', 'prev_hash', 'hash'];

// Rows of the audit log, in order; hashes as hex.
export function chain(stage) {
  const text = stage.sql(`SELECT coalesce(json_agg(json_build_object(${FIELDS.map((f) => `'${f}', ${
    f === 'request_sha256' ? `coalesce(encode(${f}, 'hex'), '')` : f.endsWith('hash') ? `encode(${f}, 'hex')` : f.endsWith('_ns') ? `${f}::text` : f}`)}) ORDER BY seq), '[]')
    FROM audit_entries`);
  return JSON.parse(text);
}

// A text as an export spells it.
const spell = (s) => `"${s.replace(/["\\]/g, '\\$&').replace(/[\u0000-\u001f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;

// portctl finds the chain whole.
// Of those, what was ordered: not the keys that the test made, nor what was denied.
const isOrder = (row) => !/^(key|request)/.test(row.action) && row.outcome !== 'denied';
export const orders = (stage) => chain(stage).filter(isOrder);

export function verifyChain(stage, rows = chain(stage)) {
  const file = path.join(stage.dir, 'export.ndjson');
  writeFileSync(file, rows.map((row) => `{${FIELDS.map((f) => `"${f}":${f === 'seq' ? row[f] : spell(row[f])}`).join(',')}}\n`).join(''));
  const result = JSON.parse(execFileSync(path.join(buildDir, 'portctl'), ['--json', 'audit', 'verify', '--file', file], { encoding: 'utf8' }));
  assert.ok(result.ok, JSON.stringify(result));
  assert.equal(result.records, rows.length);
  return rows;
}

export const effective = (row) => ['done', 'approved'].includes(row.outcome) && row.after !== '';

// What the entries say the state is: "kind target" -> {value, version}.
export function replay(rows) {
  const cells = new Map();
  for (const row of rows.filter(effective)) {
    const after = JSON.parse(row.after);
    if (!Array.isArray(after)) continue; // an act on something else than control state: a key, a user
    for (const { kind, target, version, ...value } of after) cells.set(`${kind} ${target}`, { value, version });
  }
  return cells;
}

// While nobody remembers nonces (PostgreSQL dead, Redis slower than its breaker allows) reads are refused for a moment; what
// was signed before the store of nonces began anew is to be signed again (docs/AUTH.md, the fence).
export async function read(stage, where, signer = stage.ana) {
  let answer;
  await until(`${where} is admitted`, 5000, async () => (answer = await stage.call(signer, 'GET', where)).status !== 503 && answer.json?.code !== 'replay-detected');
  assert.equal(answer.status, 200, answer.body);
  return answer.json;
}

export const control = (stage, signer = stage.ana) => read(stage, '/v1/control', signer);

export const cellsOf = (state) => new Map(state.cells.map(({ kind, target, value, version }) => [`${kind} ${target}`, { value, version }]));

// The chain is whole, and each gateway is in the state it implies.
export async function sameAsChain(...stages) {
  const rows = verifyChain(stages[0]);
  const implied = [...replay(rows)].sort();
  for (const stage of stages) {
    assert.deepEqual([...cellsOf(await control(stage))].sort(), implied, 'state and replay of the chain');
  }
  return rows.filter(isOrder);
}

export const stats = (stage) => read(stage, '/v1/stats');

// --- what breaks ----------------------------------------------------------------------------------------------------

const postgresScript = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../env/postgres.sh');
const pgDir = (stage) => path.join(stage.dir, 'pg');

// The first process of the stage's PostgreSQL and its children.
function pgProcesses(stage) {
  const first = Number(readFileSync(path.join(pgDir(stage), 'data/postmaster.pid'), 'utf8').split('\n')[0]);
  const children = readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  return [first, ...children];
}

const alive = (pid) => {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

const signalPg = (stage, signal) => {
  for (const pid of pgProcesses(stage)) process.kill(pid, signal);
};

export async function killPg(stage) {
  const [first] = pgProcesses(stage);
  process.kill(first, 'SIGQUIT'); // its children end at once, nothing is flushed
  await until('PostgreSQL is gone', 10000, () => !alive(first));
}

export function startPg(stage) {
  execFileSync('bash', ['-c', '. "$1"; pg_throwaway=yes; pg_start "$2"', 'bash', postgresScript, pgDir(stage)], { stdio: ['ignore', 'ignore', 'inherit'] });
}

export const freezePg = (stage) => signalPg(stage, 'SIGSTOP');
export const thawPg = (stage) => signalPg(stage, 'SIGCONT');

// As a full disk: it answers, and refuses to write.
export function readOnlyPg(stage, on) {
  stage.sql(`BEGIN READ WRITE; ALTER DATABASE portcullis SET default_transaction_read_only = ${on ? 'on' : 'off'}; COMMIT`);
  stage.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'portcullis' AND pid <> pg_backend_pid()");
}
