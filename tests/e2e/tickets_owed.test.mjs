// Tickets that are owed: a halt does not wait for one, but its ticket is named afterwards. A halt of a time without
// PostgreSQL owes it, too, once, whichever gateway enters it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { killPg, knows, loosen, modeOf, newKey, newUser, post, put, startPg, stats, verifyChain, withGate } from './harness/gate.mjs';
import { buildDir, until } from './harness/gateway.mjs';

const SYMBOL = 'BTC/USD';
const OTHER = 'ETH/USD';
const within = { timeout: 120000 };
const reason = 'a halt in a hurry';
const OWED = '/v1/tickets-owed';
const run = promisify(execFile);

async function owed(stage, query = '', signer = stage.ana) {
  const answer = await stage.call(signer, 'GET', `${OWED}${query}`);
  assert.equal(answer.status, 200, answer.body);
  return answer.json.tickets_owed;
}
const numbers = async (stage, query) => (await owed(stage, query)).map((d) => d.audit);
const pay = (stage, signer, audit, ticket) => stage.call(signer, 'PUT', `${OWED}/${audit}`, { ticket });
const counted = (stage, count) => until(`${count} counted`, 15000, async () => (await stage.metrics()).get('tickets_owed') === count);

async function portctl(stage, signer, ...args) {
  const options = ['--url', stage.adminUrl, '--ca', stage.ca, '--key-id', signer.keyid, '--key-file', signer.file];
  const done = await run(path.join(buildDir, 'portctl'), [...options, ...args], { encoding: 'utf8' }).then((r) => ({ code: 0, ...r }), (e) => ({ code: e.code, stdout: e.stdout, stderr: e.stderr }));
  return done;
}

// Halts SYMBOL at MODE; the number of its entry.
async function halt(stage, signer, symbol, mode, more = {}) {
  const answer = await put(stage, signer, modeOf(symbol), { mode, reason, ...more });
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.json.outcome, 'done');
  return answer.json.audit;
}

test('a halt without a ticket owes it; it is named once, by who did it or an operator, and the chain stays whole', within, () => withGate({}, async (stage) => {
  newUser(stage, 'carl');
  const carl = await newKey(stage, 'carl', { scopes: ['control.read', 'control.halt'], owner: 'carl' });
  const spare = await newKey(stage, 'carl', { scopes: ['control.read', 'control.halt'], owner: 'carl' });
  const dora = await newKey(stage, 'dora', { scopes: ['control.read', 'control.halt'] });
  assert.deepEqual(await owed(stage), []);

  // what owes: what took effect without a ticket
  const first = await halt(stage, carl, SYMBOL, 'CANCEL_ONLY');
  await halt(stage, carl, OTHER, 'CANCEL_ONLY', { ticket: 'OPS-1' });
  const second = await halt(stage, stage.ana, SYMBOL, 'SOFT_HALT', { incident: 'INC-7' });
  await put(stage, stage.ben, modeOf(SYMBOL), { mode: 'SOFT_HALT', reason }); // it stood so already
  assert.equal((await put(stage, stage.ana, '/v1/upstreams/active', { upstream: 'standby', reason })).status, 422); // this needs one beforehand
  await loosen(stage, modeOf(OTHER), { mode: 'NORMAL' });
  const paused = await put(stage, stage.ben, '/v1/accounts/desk/trading', { paused: true, reason });
  assert.equal(paused.status, 200, paused.body);
  const cancelled = await post(stage, dora, `/v1/symbols/${encodeURIComponent(SYMBOL)}/cancel-all`, { reason });
  assert.ok([200, 202].includes(cancelled.status), cancelled.body);
  const last = await until('the cancellation in the log', 5000, async () => (await owed(stage)).find((d) => d.action === 'symbol.cancel_all'));
  assert.deepEqual(await numbers(stage), [last.audit, paused.json.audit, second, first]);
  const [, , byAna, byCarl] = await owed(stage);
  assert.deepEqual([byCarl.actor, byCarl.person, byCarl.action, byCarl.target, byCarl.reason, byCarl.incident, byCarl.ticket],
    [`key:${carl.keyid}`, 'user:carl', 'symbol.mode', SYMBOL, reason, null, null]);
  assert.deepEqual([byAna.person, byAna.incident], ['account:ana', 'INC-7']);
  await counted(stage, 4);
  assert.ok((await stage.metrics()).get('tickets_owed_oldest_seconds') < 60);
  const { tickets_owed: told } = (await stage.call(stage.admin, 'GET', '/v1/triage')).json;
  assert.deepEqual([told.count, told.oldest_at], [4, byCarl.at]);

  // found by its index, which repeats the condition of the view: not by reading the whole log
  assert.match(stage.sql('SET enable_seqscan = off; EXPLAIN SELECT count(*), min(time_ns) FROM ticket_debts WHERE ticket IS NULL'), /audit_entries_ticketless/);

  // pages and filters
  assert.deepEqual(await numbers(stage, '?actor=user:carl'), [first]);
  assert.deepEqual(await numbers(stage, `?actor=key:${carl.keyid}`), [first]);
  const page = await stage.call(stage.ana, 'GET', `${OWED}?limit=3`);
  assert.deepEqual([page.json.tickets_owed.length, page.json.next], [3, String(second)]);
  assert.match(page.headers.link, new RegExp(`^<${OWED}\\?cursor=${second}&limit=3>; rel="next"$`));
  assert.deepEqual(await numbers(stage, `?limit=3&cursor=${page.json.next}`), [first]);
  for (const [query, name] of [['limit=0', 'limit'], ['limit=1001', 'limit'], ['cursor=x', 'cursor'], ['paid=maybe', 'paid'], ['actor=', 'actor']]) {
    const bad = await stage.call(stage.ana, 'GET', `${OWED}?${query}`);
    assert.deepEqual([bad.status, bad.json.errors[0].pointer], [422, `/${name}`], bad.body);
  }

  // what is refused
  for (const body of [{ ticket: 'no ticket' }, { ticket: '' }, { ticket: 7 }, {}, { ticket: 'OPS-1', note: 'x' }]) {
    const bad = await stage.call(carl, 'PUT', `${OWED}/${first}`, body);
    assert.deepEqual([bad.status, bad.json.code, bad.json.errors[0].pointer], [422, 'validation', body.note ? '/note' : '/ticket'], bad.body);
    if (body.ticket === 'no ticket') assert.match(bad.json.errors[0].detail, /gate\.ticket_pattern/);
  }
  const stranger = await pay(stage, dora, first, 'OPS-2');
  assert.deepEqual([stranger.status, stranger.json.code], [403, 'forbidden-role'], stranger.body);
  assert.match(stranger.json.detail, /user:carl/);
  for (const audit of [1, 999999, 0, 'x']) assert.equal((await pay(stage, stage.ana, audit, 'OPS-2')).status, 404);
  assert.equal((await owed(stage)).length, 4);

  // paid by another key of his: the act stands as it was, and an entry of its own names it
  const act = stage.sql(`SELECT encode(hash, 'hex') || ticket FROM audit_entries WHERE seq = ${first}`);
  const paid = await pay(stage, spare, first, 'OPS-2');
  assert.equal(paid.status, 200, paid.body);
  const { outcome, ticket_owed: debt } = paid.json;
  assert.deepEqual([outcome, debt.audit, debt.ticket, debt.paid_by], ['done', first, 'OPS-2', `key:${spare.keyid}`]);
  assert.ok(debt.paid_audit > last.audit);
  assert.equal(stage.sql(`SELECT encode(hash, 'hex') || ticket FROM audit_entries WHERE seq = ${first}`), act);
  const entry = (await stage.call(stage.ana, 'GET', `/v1/audit?action=ticket.attach&outcome=done`)).json.entries;
  assert.deepEqual(entry.map((e) => [e.seq, e.actor, e.target, e.ticket, e.outcome]), [[debt.paid_audit, `key:${spare.keyid}`, `audit:${first}`, 'OPS-2', 'done']]);

  // twice is once; another ticket is refused
  const again = await pay(stage, carl, first, 'OPS-2');
  assert.deepEqual([again.status, again.json.outcome, again.json.ticket_owed], [200, 'nothing', debt]);
  const other = await pay(stage, carl, first, 'OPS-3');
  assert.deepEqual([other.status, other.json.code], [409, 'illegal-transition'], other.body);
  assert.match(other.json.detail, /OPS-2/);
  const both = await Promise.all([1, 2, 3].map(() => pay(stage, stage.ben, second, 'OPS-4'))); // an operator, for ana
  assert.deepEqual(both.map((a) => a.status), [200, 200, 200]);
  assert.deepEqual(both.map((a) => a.json.outcome).sort(), ['done', 'nothing', 'nothing']);
  assert.equal(stage.sql('SELECT count(*) FROM ticket_payments'), '2');
  assert.deepEqual(await numbers(stage), [last.audit, paused.json.audit]);
  assert.deepEqual((await owed(stage, '?paid=true')).map((d) => [d.audit, d.ticket]), [[second, 'OPS-4'], [first, 'OPS-2']]);

  // by hand
  const list = await portctl(stage, stage.ana, 'tickets', 'owed');
  assert.equal(list.code, 0, list.stderr);
  assert.match(list.stdout, /AUDIT\s+WHEN\s+WHO\s+ACTION/);
  assert.match(list.stdout, /account:ben\s+account\.trading/);
  const wrong = await portctl(stage, dora, 'tickets', 'pay', String(paused.json.audit), 'OPS-5');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /account:ben/);
  const named = await portctl(stage, dora, 'tickets', 'pay', String(last.audit), 'OPS-5');
  assert.equal(named.code, 0, named.stderr);
  assert.match(named.stdout, new RegExp(`OPS-5 is the ticket of audit ${last.audit}`));
  const json = JSON.parse((await portctl(stage, stage.ana, '--json', 'tickets', 'owed', '--actor', 'account:ben')).stdout);
  assert.deepEqual(json.tickets_owed.map((d) => d.audit), [paused.json.audit]);
  assert.equal((await portctl(stage, stage.ben, 'tickets', 'pay', String(paused.json.audit), 'OPS-6')).code, 0);
  const halted = await portctl(stage, carl, 'halt', OTHER, '--reason', reason, '--yes');
  const [, next] = /its ticket is owed\n {2}next: portctl (tickets pay \d+) TICKET/.exec(halted.stderr) ?? assert.fail(halted.stderr);
  assert.equal((await portctl(stage, carl, ...next.split(' '), 'OPS-7')).code, 0);
  assert.doesNotMatch((await portctl(stage, carl, 'halt', OTHER, '--hard', '--reason', reason, '--ticket', 'OPS-7', '--yes')).stderr, /owed/);
  assert.match((await portctl(stage, stage.ana, 'tickets', 'owed')).stderr, /no ticket is owed/);
  await counted(stage, 0);
  assert.equal((await stage.metrics()).get('tickets_owed_oldest_seconds'), 0);
  verifyChain(stage);
}));

test('a halt while PostgreSQL is stopped owes its ticket once it is back, once at two gateways', within, () => withGate({}, async (stage) => {
  const other = await stage.replica(stage.overrides);
  await knows(other, other.ana);
  await counted(stage, 0);
  await killPg(stage);
  for (const [where, symbol] of [[stage, SYMBOL], [other, OTHER]]) {
    const answer = await put(where, stage.ana, modeOf(symbol), { mode: 'HARD_HALT', reason });
    assert.deepEqual([answer.status, answer.json.outcome, answer.json.audit], [202, 'journaled', null], answer.body);
  }
  assert.equal((await stage.call(stage.ana, 'GET', OWED)).status, 503);
  assert.equal((await pay(stage, stage.ana, 1, 'OPS-1')).status, 503);
  startPg(stage);
  for (const where of [stage, other]) {
    await until('both in the chain', 20000, async () => { const s = await stats(where); return s.audit.database && s.audit.journaled === 0; });
  }
  await counted(stage, 2);
  await counted(other, 2);
  const debts = await owed(stage);
  assert.deepEqual(debts, await owed(other));
  assert.deepEqual(debts.map((d) => d.target).sort(), [SYMBOL, OTHER]);
  assert.ok(debts.every((d) => d.ticket === null));

  const [one, two] = await Promise.all([pay(stage, stage.ana, debts[0].audit, 'OPS-8'), pay(other, stage.ben, debts[0].audit, 'OPS-9')]);
  assert.deepEqual([one.status, two.status].sort(), [200, 409], `${one.body} ${two.body}`); // one ticket, whoever was first
  assert.equal((await pay(other, stage.ana, debts[1].audit, 'OPS-9')).status, 200);
  await counted(stage, 0);
  await counted(other, 0);
  verifyChain(stage);
}));
