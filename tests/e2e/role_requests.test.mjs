// Grants of roles that take two persons: kept in PostgreSQL, known to every gateway, outliving any of them; another person
// approves what she saw, in time, once. Two gateways.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, onStage, sleep, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const within = { timeout: 120000 };
const why = { reason: 'joins the rota', ticket: 'OPS-1' };
const wide = { login_burst: 2000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, preauth_burst: 5000, read_burst: 1000, write_burst: 1000 };

function withPair(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    const all = { ...overrides, limits: wide };
    await stage.startGateway(all);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    const other = await stage.replica(all);
    stage.restart = () => stage.startGateway(all);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/stats')).status === 200);
    await body(stage, other);
  });
}

const shown = (answer) => `${answer.status} ${answer.body}`;
function is(answer, status, code, words = /^/) {
  assert.equal(answer.status, status, shown(answer));
  if (code) assert.equal(answer.json?.code, code, shown(answer));
  assert.match(answer.json?.detail ?? '', words, shown(answer));
  return answer;
}

// The same person at another gateway: sessions are known there, too.
function at(stage, person) {
  return Object.assign(Object.create(person), { stage });
}

async function ownedKey(stage, owner) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'a key', algorithm: 'ed25519', owner, scopes: ['people.read', 'people.write'],
    reason: 'a test of people', public_key: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64') });
  is(answer, 201);
  const signer = new Signer(answer.json.key.id, file);
  await until('the key', 3000, async () => (await stage.call(signer, 'GET', '/v1/session')).status === 200);
  return signer;
}

function listen(stage, person) {
  const seen = [];
  const request = https.get(`${stage.adminUrl}/v1/admin/events`, { ca: readFileSync(stage.ca), agent: false, headers: { cookie: `__Host-sid=${person.cookie}` } }, (response) => {
    response.setEncoding('utf8');
    response.on('data', (data) => { seen.push(data); });
  });
  request.on('error', () => {});
  return { text: () => seen.join(''), end: () => request.destroy() };
}

const ask = (who, name, body) => who.call('POST', `/v1/users/${name}/roles`, { ...why, ...body });
const decide = (who, id, what, body) => who.call('POST', `/v1/role-requests/${id}/${what}`, body);

test('asked for at one gateway, which dies; listed, heard of and approved at the other; another person, once', within, () => withPair({}, async (stage, other) => {
  const [sue, tom, uma, eve] = [['sue', 'security'], ['tom', 'security,auditor'], ['uma', 'viewer'], ['eve', 'operator']].map(([name, roles]) => Person.make(stage, name, roles));
  for (const who of [sue, tom, uma, eve]) is(await who.logIn(), 200);
  const tomThere = at(other, tom);
  for (const who of [sue, tom, uma, eve]) await until('the session is known there', 3000, async () => (await at(other, who).call('GET', '/v1/session')).status === 200);
  const [hears, hearsNot] = [listen(other, tom), listen(other, eve)];
  await until('both are open', 5000, () => hears.text() !== '' && hearsNot.text() !== '');

  const asked = is(await ask(sue, 'uma', { role: 'approver', until: '2031-01-01T00:00:00Z' }), 202);
  const { request } = asked.json;
  assert.equal(asked.headers.location, `/v1/role-requests/${request.id}`);
  assert.deepEqual([asked.json.done, request.state, request.requested_by, request.user, request.role, request.kind, request.until, request.reason, request.ticket],
    [false, 'pending', 'user:sue', 'uma', 'approver', 'standing', '2031-01-01T00:00:00.000000Z', why.reason, why.ticket]);
  assert.ok(Math.abs(Date.parse(request.expires_at) - Date.now() - 900e3) < 10000);
  await stage.stopGateway('SIGKILL');

  await until('who may approve hears of it', 5000, () => hears.text().includes('event: role_request'));
  assert.match(hears.text(), /event: role_request\ndata: \{"audit":\d+,"outcome":"requested"\}/);
  const open = is(await tomThere.call('GET', '/v1/role-requests?open=true'), 200);
  assert.deepEqual(open.json.requests, [request]);
  assert.deepEqual(is(await tomThere.call('GET', `/v1/role-requests/${request.id}`), 200).json, { request });
  is(await at(other, eve).call('GET', '/v1/role-requests'), 403, 'forbidden-role');

  // altered on the way: what was seen is not what is asked for
  is(await decide(tomThere, request.id, 'approve', { hash: 'a'.repeat(64) }), 412, 'payload-differs');
  is(await decide(tomThere, request.id, 'approve', {}), 422, 'validation');
  is(await decide(at(other, sue), request.id, 'approve', { hash: request.hash }), 403, 'self-approval', /user:sue asked for it/);
  assert.deepEqual((await at(other, uma).call('GET', '/v1/session')).json.roles, ['viewer']);
  // both of two at once: one grant
  const both = await Promise.all([decide(tomThere, request.id, 'approve', { hash: request.hash, reason: 'her training is done' }), decide(tomThere, request.id, 'approve', { hash: request.hash })]);
  assert.deepEqual(both.map((a) => a.status).sort(), [200, 409], both.map(shown).join('\n'));
  assert.equal(both.find((a) => a.status === 409).json.code, 'change-decided');
  const approved = both.find((a) => a.status === 200).json.request;
  assert.deepEqual([approved.state, approved.decided_by], ['approved', 'user:tom']);
  assert.deepEqual((await at(other, uma).call('GET', '/v1/session')).json.roles, ['viewer', 'approver']);

  await stage.restart();
  await until('it knows the sessions again', 5000, async () => (await sue.call('GET', '/v1/session')).status === 200);
  const back = is(await sue.call('GET', `/v1/role-requests/${request.id}`), 200).json.request;
  assert.deepEqual(back, approved);
  is(await ask(sue, 'uma', { role: 'approver' }), 409, 'conflict', /has the role already/);
  const held = (await sue.call('GET', '/v1/users')).json.users.find((u) => u.name === 'uma').roles.find((r) => r.role === 'approver');
  assert.deepEqual([held.granted_by, held.approved_by, held.until, held.reason], ['user:sue', 'user:tom', '2031-01-01T00:00:00.000000Z', why.reason]);
  const entries = is(await tom.call('GET', '/v1/audit?action=role.grant&target=user:uma&order=asc'), 200).json.entries;
  assert.deepEqual(entries.map((e) => [e.actor, e.outcome]), [['user:sue', 'requested'], ['user:tom', 'approved']]);
  const [{ request: id, requested_by, request_audit, sha256 }] = entries[1].approvals;
  assert.deepEqual([entries[0].id, entries[0].seq], [request.id, request_audit], 'one leads to the other');
  assert.deepEqual([id, requested_by, sha256, entries[0].after.sha256, entries[1].after.role], [request.id, 'user:sue', request.hash, request.hash, 'approver']);
  const denied = is(await tom.call('GET', '/v1/audit?action=role.grant&outcome=denied'), 200).json.entries;
  assert.deepEqual([denied.length, denied[0].actor, denied[0].target], [1, 'user:sue', request.id]);
  assert.equal(is(await tom.call('GET', '/v1/audit/verify'), 200).json.result.ok, true);
  assert.doesNotMatch(hearsNot.text(), /role_request\ndata/);
  hears.end();
  hearsNot.end();
}));

test('two keys of a person are one; a refusal and a request taken back are final; the second may say the same by herself', within, () => withPair({ gate: { people_approve: true } }, async (stage, other) => {
  const [sue, tom] = [['sue', 'security'], ['tom', 'security,auditor']].map(([name, roles]) => Person.make(stage, name, roles));
  Person.make(stage, 'uma', 'viewer');
  for (const who of [sue, tom]) is(await who.logIn(), 200);
  const [one, two] = [await ownedKey(stage, 'sue'), await ownedKey(stage, 'sue')];
  const asked = is(await stage.call(one, 'POST', '/v1/users/uma/roles', { role: 'admin', kind: 'eligible', ...why }), 202);
  const { id, hash } = asked.json.request;
  assert.deepEqual([asked.json.request.requested_by, asked.json.request.requested_with], ['user:sue', `key:${one.keyid}`]);
  for (const who of [sue, tom]) await until('the session is known there', 3000, async () => (await at(other, who).call('GET', '/v1/session')).status === 200);
  await until('the key is known there', 3000, async () => (await other.call(two, 'GET', '/v1/session')).status === 200);
  is(await other.call(two, 'POST', `/v1/role-requests/${id}/approve`, { hash }), 403, 'self-approval');
  is(await decide(sue, id, 'approve', { hash }), 403, 'self-approval');
  const nobodys = await ownedKey(stage, undefined);
  is(await stage.call(nobodys, 'POST', `/v1/role-requests/${id}/approve`, { hash }), 403, 'approval-required', /account:desk is no person/);
  is(await stage.call(two, 'POST', '/v1/users/uma/roles', { role: 'admin', kind: 'eligible', ...why }), 202); // herself again: the same request
  assert.equal((await tom.call('GET', '/v1/role-requests?open=true')).json.requests.length, 1);

  is(await decide(tom, id, 'cancel', {}), 403, 'forbidden-role', /only user:sue/);
  const no = is(await decide(tom, id, 'reject', { reason: 'not before her training' }), 200).json.request;
  assert.deepEqual([no.state, no.decided_by, no.decided_why], ['rejected', 'user:tom', 'not before her training']);
  is(await decide(at(other, tom), id, 'approve', { hash }), 409, 'change-decided', /it was rejected by user:tom/);
  const again = is(await ask(sue, 'uma', { role: 'admin', kind: 'eligible' }), 202).json.request;
  is(await decide(at(other, sue), again.id, 'cancel', {}), 200);
  is(await decide(tom, again.id, 'approve', { hash: again.hash }), 409, 'change-decided', /cancelled/);
  is(await decide(tom, '01ARZ3NDEKTSV4RRFFQ69G5FAV', 'approve', { hash }), 404, 'not-found');

  const first = is(await ask(sue, 'uma', { role: 'admin', kind: 'eligible' }), 202).json.request;
  const done = is(await ask(at(other, tom), 'uma', { role: 'admin', kind: 'eligible', reason: 'covers for tina' }), 200);
  assert.deepEqual([done.json.done, done.json.request.id, done.json.request.decided_by, done.json.request.decided_why], [true, first.id, 'user:tom', 'covers for tina']);
  // whoever reaches past the gateway does not get past the table
  for (const sql of ["UPDATE role_requests SET role = 'security' WHERE state = 'cancelled'", `UPDATE role_requests SET state = 'pending' WHERE id = '${id}'`]) assert.throws(() => stage.sql(sql), /decided before/);
  const outcomes = is(await tom.call('GET', '/v1/audit?action=role.grant&order=asc'), 200).json.entries.filter((e) => e.outcome !== 'denied').map((e) => e.outcome);
  assert.deepEqual(outcomes, ['requested', 'rejected', 'requested', 'cancelled', 'requested', 'approved']);
}));

test('what is not approved in time is not granted: at any gateway, and it is entered once', within, () => withPair({ people: { grant_ttl: '1s' } }, async (stage, other) => {
  const [sue, tom] = [['sue', 'security'], ['tom', 'security,auditor']].map(([name, roles]) => Person.make(stage, name, roles));
  Person.make(stage, 'uma', 'viewer');
  for (const who of [sue, tom]) is(await who.logIn(), 200);
  await until('the session is known there', 3000, async () => (await at(other, tom).call('GET', '/v1/session')).status === 200);
  const { request } = is(await ask(sue, 'uma', { role: 'security' }), 202).json;
  await sleep(1050);
  is(await decide(at(other, tom), request.id, 'approve', { hash: request.hash }), 409, 'approval-expired', /ask for it again/);
  is(await ask(tom, 'uma', { role: 'security' }), 202); // nothing waits any more that this would approve
  const expired = () => tom.call('GET', '/v1/audit?action=role.grant&outcome=expired');
  await until('both are entered', 10000, async () => (await expired()).json.entries.length === 2);
  await sleep(1500);
  assert.deepEqual((await expired()).json.entries.map((e) => [e.actor, e.target]), [['system', 'user:uma'], ['system', 'user:uma']]);
  const list = (await tom.call('GET', '/v1/role-requests')).json.requests;
  assert.deepEqual(list.map((r) => [r.state, r.decided_by, r.requested_by]), [['expired', 'system', 'user:tom'], ['expired', 'system', 'user:sue']]);
  assert.deepEqual(stage.sql("SELECT string_agg(role, ' ') FROM user_roles WHERE user_name = 'uma'").trim(), 'viewer');
}));

test('portctl: asked for (exit code 5), listed, shown, approved by another at the other gateway; refused, taken back', within, () => withPair({}, async (stage, other) => {
  const people = ['sue', 'tom'].map((name) => Person.make(stage, name, 'security'));
  Person.make(stage, 'uma', 'viewer');
  const [sue, tom] = people.map((who, i) => (input, ...args) => spawnSync(path.join(buildDir, 'portctl'), args, { input, encoding: 'utf8', timeout: 20000,
    env: { PATH: process.env.PATH, ADMIN_URL: [stage, other][i].adminUrl, PORTCTL_CA: stage.ca, PORTCTL_SESSION: path.join(stage.dir, `session-${who.name}`), ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '' } }));
  const ends = (result, code, words = /^/) => {
    assert.equal(result.status, code, `${result.stdout}${result.stderr}`);
    assert.match(`${result.stdout}${result.stderr}`, words);
    if (code !== 0) assert.match(result.stderr, /^ {2}next: \S/m);
    return result.stdout;
  };
  for (const [run, who] of [[sue, people[0]], [tom, people[1]]]) ends(run(`${who.password}\n${await who.code()}\n`, 'login', who.name), 0);
  const grant = (run, ...more) => ends(run('', 'user', 'grant', 'uma', 'admin', '--eligible', '--reason', 'covers for tina', ...more), 5, /requested: \S{26} waits for a second person until \d[^]*portctl user approve \S{26}/);
  ends(tom('', 'user', 'requests', '--open'), 0, /no request waits/);
  grant(sue);
  const { requests: [{ id, hash }] } = JSON.parse(ends(tom('', '--json', 'user', 'requests', '--open'), 0));
  ends(tom('', 'user', 'requests'), 0, new RegExp(`^${id} +pending +uma +admin +eligible +user:sue +\\d`, 'm'));
  assert.match(ends(tom('', 'user', 'request', id), 0), new RegExp(`^reason +covers for tina$[^]*^hash +${hash}$`, 'm'));
  ends(tom('', 'user', 'request', '01ARZ3NDEKTSV4RRFFQ69G5FAV'), 1, /404 not-found/);
  ends(sue('', 'user', 'approve', id, '--yes'), 1, /403 self-approval[^]*user:sue asked for it/);
  ends(tom('', 'user', 'approve', id), 2, /no terminal/);
  ends(tom('', 'user', 'cancel', id), 1, /only user:sue can take it back/);
  assert.match(ends(tom('', 'user', 'approve', id, '--yes', '--reason', 'talked it over'), 0, /requested by +user:sue/), /^done: approved$/m);
  ends(tom('', 'user', 'reject', id), 1, /409 change-decided[^]*it was approved by user:tom/);
  ends(tom('', 'user', 'list'), 0, /uma .*admin\(eligible\)/);

  const asked = JSON.parse(sue('', '--json', 'user', 'grant', 'uma', 'approver', '--reason', 'joins the rota').stdout);
  ends(tom('', 'user', 'reject', asked.request.id, '--reason', 'not before her training'), 0, /^done: rejected$/m);
  const again = JSON.parse(sue('', '--json', 'user', 'grant', 'uma', 'approver', '--reason', 'joins the rota').stdout);
  assert.notEqual(again.request.id, asked.request.id);
  ends(sue('', 'user', 'cancel', again.request.id), 0, /^done: cancelled$/m);
}));
