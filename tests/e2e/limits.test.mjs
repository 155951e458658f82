// How exact the shared limits are, what they cost, and what is left of them without Redis: two replicas, one key.
// SECONDS=60 for the long run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { addresses, Lane, wire } from './harness/wire.mjs';

const SECONDS = Number(process.env.SECONDS ?? 20);
const HOST = 'gateway.test';
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];
const RATE = 20; // a second
const BURST = 40;
const limits = { gateways: 2, preauth_per_minute: 600000, preauth_burst: 100000, read_per_minute: 60 * RATE, read_burst: BURST };

async function onTwo(overrides, body) {
  await onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    const config = { log: { level: 'warn' }, limits: { ...limits, ...overrides } };
    await stage.startGateway(config);
    const other = await stage.replica(config);
    const admin = new Signer(stage.keyId, stage.keyFile);
    for (const s of [stage, other]) await until('the keys', 10000, async () => (await s.call(admin, 'GET', '/v1/keys')).status === 200);
    const made = await stage.call(admin, 'POST', '/v1/keys', { account: 'desk', label: 'limits', algorithm: 'hmac-sha256', scopes: ['keys.read'], reason: 'a test of limits' });
    const caller = new Signer(made.json.key.id, { secret: Buffer.from(made.json.secret, 'base64') });
    const target = `/v1/keys/${made.json.key.id}`;
    const lanes = [new Lane(stage, addresses(11, 8)), new Lane(other, addresses(41, 8))];
    const ask = (lane) => lane.send(wire('GET', target, HOST, caller.headers('GET', `https://${HOST}${target}`)));
    for (const s of [stage, other]) await until('the new key', 5000, async () => (await s.call(caller, 'GET', target)).status === 200);
    await sleep((BURST / RATE) * 1000 + 200); // the bucket is full again
    try {
      await body({ stage, other, lanes, ask });
    } finally {
      for (const lane of lanes) lane.close();
    }
  });
}

// CALLERS at each replica, each PAUSE ms after its last answer, for MS: when what was answered.
async function hammer({ lanes, ask }, callers, pause, ms) {
  const started = performance.now();
  const answers = [];
  const caller = async (lane) => {
    while (performance.now() - started < ms) {
      const answer = await ask(lane);
      answers.push({ status: answer.status, at: (performance.now() - started) / 1000, ms: answer.ms });
      await sleep(pause);
    }
  };
  await Promise.all(lanes.flatMap((lane) => Array.from({ length: callers }, () => caller(lane))));
  return answers;
}

const calls = (stage, name) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stage.redisCommand('INFO', 'commandstats'))?.[1] ?? 0);
const sum = async (both, name) => (await Promise.all(both.map((s) => s.metrics()))).reduce((n, m) => n + (m.get(name) ?? 0), 0);

test(`two replicas admit what one key may, over ${SECONDS} s`, { timeout: 60000 + SECONDS * 1000 }, () => onTwo({ slow: '1s', deadline: '1s' }, async (pair) => {
  const answers = await hammer(pair, 8, 20, SECONDS * 1000);
  const accepted = answers.filter((a) => a.status === 200);
  assert.deepEqual([...new Set(answers.map((a) => a.status))].sort(), [200, 429]);
  accepted.forEach((a, i) => assert.ok(i + 1 <= BURST + RATE * a.at + 1, `${i + 1} accepted after ${a.at.toFixed(3)} s`));
  const allowed = BURST + RATE * accepted.at(-1).at;
  console.log(`# ${answers.length} asked, ${accepted.length} accepted of ${allowed.toFixed(1)} allowed`);
  assert.ok(accepted.length > allowed * 0.97, 'and not much less');
  assert.equal(await sum([pair.stage, pair.other], 'ratelimit_local_total'), 0, 'all were asked of Redis');
}));

test('one trip to Redis for each verified request', { timeout: 60000 }, () => onTwo({ slow: '1s', deadline: '1s' }, async ({ stage, other, lanes, ask }) => {
  const before = { sha: calls(stage, 'evalsha'), whole: calls(stage, 'eval') };
  const trips = await sum([stage, other], 'ratelimit_trip_seconds_count');
  const answers = [];
  for (let i = 0; i < BURST - 4; i++) answers.push(await ask(lanes[i % 2]));
  assert.ok(answers.every((a) => a.status === 200));
  for (let i = 0; i < 20; i++) { // a bad signature is no reason to ask
    const target = '/v1/keys';
    const headers = new Signer('pk_nobody', { secret: Buffer.alloc(32) }).headers('GET', `https://${HOST}${target}`);
    assert.equal((await lanes[i % 2].send(wire('GET', target, HOST, headers))).status, 401);
  }
  assert.equal(calls(stage, 'evalsha') - before.sha, answers.length);
  assert.equal(calls(stage, 'eval'), before.whole);
  assert.equal((await sum([stage, other], 'ratelimit_trip_seconds_count')) - trips, answers.length);
}));

test('without Redis the limits hold within twice', { timeout: 60000 }, () => onTwo({}, async (pair) => {
  pair.stage.redis.kill('SIGSTOP');
  try {
    const answers = await hammer(pair, 6, 20, 5000);
    const accepted = answers.filter((a) => a.status === 200);
    assert.deepEqual([...new Set(answers.map((a) => a.status))].sort(), [200, 429]);
    accepted.forEach((a, i) => assert.ok(i + 1 <= 2 * (BURST + RATE * a.at) + 1, `${i + 1} accepted after ${a.at.toFixed(3)} s`));
    const allowed = BURST + RATE * accepted.at(-1).at;
    console.log(`# Redis stopped: ${accepted.length} accepted of ${allowed.toFixed(1)} allowed`);
    assert.ok(accepted.length > allowed * 0.9);
  } finally {
    pair.stage.redis.kill('SIGCONT');
  }
}));
