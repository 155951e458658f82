// A gateway that has just begun and does not know the sessions yet: nobody is told that she is not logged in, or that her
// password is wrong, because PostgreSQL keeps it waiting.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '50', '--seed', '5'];
const limits = { login_burst: 2000, login_per_minute: 60000 };

const shown = (answer) => `${answer.status} ${answer.body}`;

test('r6_not_known_yet_is_503: the sessions cannot be read at start; log-ins that fail because of it lock nobody out', { timeout: 120000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  const ana = Person.make(stage, 'ana', 'operator,security');
  await stage.startGateway({ limits });
  await until('a log-in', 20000, async () => (await ana.logIn()).status === 200);
  const { cookie, csrf } = ana;
  await stage.stopGateway();

  const lock = stage.run('psql', 'psql', [stage.dsn, '-X', '-q', '-c', 'BEGIN', '-c', 'LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE', '-c', '\\echo locked', '-c', 'SELECT pg_sleep(60)']);
  await until('the lock', 10000, () => lock.output.includes('locked'));
  await stage.startGateway({ limits });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await until('the keys', 10000, async () => (await stage.call(admin, 'GET', '/v1/keys?limit=1')).status === 200);
  for (const path of ['/v1/session', '/v1/stats']) {
    const answer = await ana.call('GET', path);
    assert.equal(answer.status, 503, shown(answer));
    assert.equal(answer.json.code, 'unavailable');
    assert.equal(answer.headers['retry-after'], '1');
  }
  assert.equal((await ana.call('GET', '/v1/session', undefined, { cookie: undefined })).status, 401, 'who has none is told so');
  const late = await ana.logIn();
  assert.equal(late.status, 503, shown(late));
  assert.equal(stage.sql("SELECT failures || ' ' || (locked_until IS NULL) FROM users"), '0 true', 'that was no wrong try');

  stage.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()");
  Object.assign(ana, { cookie, csrf });
  await until('the sessions', 20000, async () => (await ana.call('GET', '/v1/session')).status === 200);
  const again = await ana.logIn();
  assert.equal(again.status, 200, shown(again));
  assert.equal(again.json.failed_before, 0);
}));
