// Redis or PostgreSQL stopped, killed, slow: what signed callers and market data notice of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { heldUp } from './harness/held_up.mjs';
import { upToDate } from './harness/keys.mjs';
import { Signer } from './harness/signer.mjs';
import { addresses, Lane, wire } from './harness/wire.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';
const HOST = 'gateway.test';
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];
const roomy = { log: { level: 'warn' }, limits: { preauth_per_minute: 600000, preauth_burst: 100000, read_per_minute: 600000, read_burst: 100000,
  write_per_minute: 600000, write_burst: 100000, token_per_minute: 600000, token_burst: 100000 } };
const DEADLINE = 50; // limits.deadline
const redisWell = { deadline: '1s', slow: '1s' }; // it stays asked on a busy machine, too
// On top of what the same request takes with Redis in good health, and of what this process and the gateway's loop waited
// for a core: a timer of the loop may be 2 ms late, PostgreSQL and Redis a few time slices.
const MARGIN = 60;

function withKeys(body, limits = {}) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ ...roomy, limits: { ...roomy.limits, ...limits } });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
    const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'outages', algorithm: 'hmac-sha256', scopes: ['keys.read', 'ws.token'], reason: 'a test of outages' });
    const bot = { id: made.json.key.id, signer: new Signer(made.json.key.id, { secret: Buffer.from(made.json.secret, 'base64') }) };
    await until('the key', 5000, async () => (await stage.call(bot.signer, 'GET', `/v1/keys/${bot.id}`)).status === 200);
    const lane = new Lane(stage, addresses(11, CALLERS));
    let load;
    try {
      await body(stage, bot, (...options) => (load = new Load(lane, bot, ...options)), lane);
    } finally {
      load?.stop(); // else it would call a gateway that has gone, for ever
      lane.close();
    }
  });
}

const CALLERS = 6;
const percentile = (list, p) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];

// Reads by six callers, about 200 a second, until stopped.
class Load {
  constructor(lane, bot, target = `/v1/keys/${bot.id}`, fine = 200) {
    Object.assign(this, { lane, bot, target, fine, answers: [] });
    this.running = true;
    for (let i = 0; i < CALLERS; i++) this.call(target);
  }

  async call(target) {
    const url = `https://${HOST}${target}`;
    while (this.running) {
      const held = heldUp(this.lane.stage);
      const answer = await this.lane.send(wire('GET', target, HOST, this.bot.signer.headers('GET', url)));
      answer.ms -= held();
      this.answers.push(answer);
      await sleep(25);
    }
  }

  // Since the last cut.
  cut(what) {
    const answers = this.answers.splice(0);
    const ms = answers.map((a) => a.ms);
    const result = { count: answers.length, bad: answers.filter((a) => a.status !== this.fine), p50: percentile(ms, 0.5), p99: percentile(ms, 0.99), max: Math.max(...ms) };
    console.log(`# ${what}: ${result.count} reads, ${result.bad.length} refused, p50 ${result.p50.toFixed(1)} ms, p99 ${result.p99.toFixed(1)} ms, longest ${result.max.toFixed(1)} ms`);
    return result;
  }

  stop() {
    this.running = false;
  }
}

const closed = async (stage) => (await stage.metrics()).get('ratelimit_breaker_open') === 0;

async function recovered(stage, what) {
  const since = Date.now();
  await until(`${what}: limits are shared again`, 5000, () => closed(stage));
  const ms = Date.now() - since;
  console.log(`# ${what}: shared again after ${ms} ms`);
  assert.ok(ms <= 1000, `${ms} ms`);
}

test('Redis stopped, slow, killed: reads go on, nobody waits for it', { timeout: 120000 }, () => withKeys(async (stage, bot, startLoad) => {
  const load = startLoad();
  await sleep(2500);
  const well = load.cut('in good health');
  assert.equal(well.bad.length, 0);
  const bound = well.p99 + DEADLINE + MARGIN;

  stage.redis.kill('SIGSTOP');
  await sleep(3000);
  const stopped = load.cut('stopped');
  stage.redis.kill('SIGCONT');
  await recovered(stage, 'stopped');

  for (let i = 0; i < 15; i++) {
    stage.redis.kill('SIGSTOP');
    await sleep(80);
    stage.redis.kill('SIGCONT');
    await sleep(120);
  }
  const slow = load.cut('slow');
  await recovered(stage, 'slow');

  load.answers.length = 0;
  await stage.killRedis();
  await sleep(2000);
  const killed = load.cut('killed');
  await stage.startRedis();
  await recovered(stage, 'killed');
  for (const [name, part] of Object.entries({ stopped, slow, killed })) {
    assert.deepEqual(part.bad.map((a) => `${a.status} ${a.body}`).slice(0, 3), [], name);
    assert.ok(part.p99 <= bound, `${name}: p99 ${part.p99} ms, bound ${bound} ms`);
  }
  // an empty Redis knows no nonce: PostgreSQL does
  await sleep(3500);
  const anew = load.cut('begun anew');
  const m = await stage.metrics();
  // of nonces that PostgreSQL was late to keep nobody knows now: what was under way is to be signed again, once
  const gaps = m.get('auth_nonce_late_total') + m.get('auth_nonce_not_kept_total');
  const again = gaps > 0 ? anew.bad.filter((a) => a.status === 401 && /replay-detected/.test(a.body)) : [];
  assert.deepEqual(anew.bad.filter((a) => !again.includes(a)).map((a) => `${a.status} ${a.body}`).slice(0, 3), []);
  assert.ok(again.length <= CALLERS, `${again.length} were to be signed again`);
  assert.ok(anew.p99 <= bound, `begun anew: p99 ${anew.p99} ms, bound ${bound} ms`);
  assert.ok(m.get('ratelimit_breaker_opened_total') >= 3);
  assert.ok(m.get('ratelimit_local_total') > 100);
}));

// One of two gateways: the only one of its database would not wait at all.
test('PostgreSQL stopped, slow, killed: reads go on, nobody waits for it', { timeout: 120000 }, () => withKeys(async (stage, bot, startLoad) => {
  // refused by the handler itself: what it waits for in PostgreSQL is its nonce alone
  const load = startLoad('/v1/keys?limit=0', 422);
  await sleep(2500);
  const well = load.cut('in good health');
  assert.equal(well.bad.length, 0);
  const bound = well.p99 + DEADLINE + MARGIN;
  const notKept = async () => (await stage.metrics()).get('auth_nonce_not_kept_total');
  const kept = async (what) => {
    const since = Date.now();
    await sleep(1000);
    const then = await notKept();
    await sleep(500);
    assert.equal(await notKept(), then, `${what}: nonces are kept again a second after PostgreSQL is back`);
    console.log(`# ${what}: kept again, seen ${Date.now() - since} ms after it was back`);
  };

  await stage.stopPostgres();
  await sleep(3000);
  const stopped = load.cut('stopped');
  assert.ok(await notKept() > 0, 'it is counted');
  await stage.continuePostgres();
  await kept('stopped');

  stage.postgresPids = stage.postgresProcesses();
  load.answers.length = 0; // the line above stopped this process, too
  for (let i = 0; i < 15; i++) {
    stage.signalPostgres('SIGSTOP');
    await sleep(80);
    stage.signalPostgres('SIGCONT');
    await sleep(120);
  }
  const slow = load.cut('slow');
  assert.ok((await stage.metrics()).get('auth_nonce_late_total') > 0);
  await kept('slow');

  load.answers.length = 0;
  await stage.killPostgres();
  await sleep(2000);
  const killed = load.cut('killed');
  await stage.restartPostgres();
  await kept('killed');
  const back = load.cut('back');
  for (const [name, part] of Object.entries({ stopped, slow, killed, back })) {
    assert.deepEqual(part.bad.map((a) => `${a.status} ${a.body}`).slice(0, 3), [], name);
    assert.ok(part.p99 <= bound, `${name}: p99 ${part.p99} ms, bound ${bound} ms`);
  }
}, { ...redisWell, gateways: 2 }));

test('the only gateway of a database: reads wait for no PostgreSQL, and all nonces are there in the end', { timeout: 60000 }, () => withKeys(async (stage, bot, startLoad) => {
  const load = startLoad('/v1/keys?limit=0', 422);
  const metric = async (name) => (await stage.metrics()).get(name);
  await sleep(1500);
  assert.equal(await metric('gateways'), 1);
  await stage.stopPostgres();
  await sleep(1000);
  assert.equal(await metric('auth_nonce_late_total'), 0, 'nobody waited');
  await stage.continuePostgres();
  load.stop();
  const all = load.cut('stopped for a second');
  assert.deepEqual(all.bad, []);
  assert.equal(await metric('auth_nonce_not_kept_total'), 0);
  await until('each is in PostgreSQL', 5000, () => Number(stage.sql(`SELECT count(*) FROM admin_nonces WHERE key_id = '${bot.id}'`)) >= all.count);
  console.log(`# ${all.count} nonces kept`);
}, redisWell));

// Signed before, and never sent: only whether it may have been is asked.
test('what a gateway or a PostgreSQL that died may have forgotten is refused, as long as Redis cannot say', { timeout: 60000 }, () => withKeys(async (stage, bot, startLoad, lane) => {
  const target = `/v1/keys/${bot.id}`;
  const sign = () => wire('GET', target, HOST, bot.signer.headers('GET', `https://${HOST}${target}`));
  const alone = async (bytes) => {
    stage.redis.kill('SIGSTOP');
    try {
      return await lane.send(bytes);
    } finally {
      stage.redis.kill('SIGCONT');
      await until('Redis is asked again', 5000, () => closed(stage));
    }
  };
  const restart = async (signal) => {
    await stage.stopGateway(signal);
    await stage.startGateway({ ...roomy });
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
  };
  const refused = (answer) => {
    assert.equal(answer.status, 401, answer.body);
    assert.match(answer.body, /replay-detected.*began anew/);
  };
  const before = sign();
  await restart('SIGTERM');
  assert.equal((await alone(before)).status, 200, 'it ended in order');

  const [one, two] = [sign(), sign()];
  await restart('SIGKILL');
  refused(await alone(one));
  assert.equal((await lane.send(two)).status, 200, 'Redis knows all');

  const [three, four] = [sign(), sign()];
  await stage.killPostgres();
  await stage.restartPostgres();
  await until('PostgreSQL is back', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
  refused(await alone(three));
  assert.equal((await lane.send(four)).status, 200, 'Redis knows all');
  await until('what is signed now is taken', 5000, async () => (await alone(sign())).status === 200);
}));

test('changes without Redis are made once, and not at all without both', { timeout: 60000 }, () => withKeys(async (stage, bot) => {
  const change = (reason) => stage.call(stage.admin, 'PUT', `/v1/keys/${bot.id}/limits`, { rate_class: 'default', reason });
  let said;
  stage.redis.kill('SIGSTOP');
  try {
    assert.equal((await change('Redis does not answer')).status, 200);
    const token = await stage.call(bot.signer, 'POST', '/v1/ws-token');
    assert.equal(token.status, 503, 'a token lives in Redis');
    await stage.stopPostgres();
    const since = Date.now();
    const write = await change('nobody answers');
    assert.equal(write.status, 503, write.body);
    said = write.json.title;
    const read = await stage.call(bot.signer, 'GET', `/v1/keys/${bot.id}`);
    assert.equal(read.status, 503, read.body);
    assert.ok(Date.now() - since < 5000, `${Date.now() - since} ms for both`);
  } finally {
    await stage.continuePostgres();
    stage.redis.kill('SIGCONT');
  }
  await until('changes again', 10000, async () => (await change('both are back')).status === 200);
  // what PostgreSQL had been sent it may have done when it woke: the answer said so; or that it had been sent nothing to keep
  const done = Number(stage.sql("SELECT count(*) FROM key_events WHERE reason = 'nobody answers'"));
  assert.match(said, /look whether it was changed|nothing was changed/);
  assert.ok(done <= (/nothing was changed/.test(said) ? 0 : 1), `${done} times, and "${said}"`);
}));

test('PostgreSQL stopped, then killed: known keys serve, changes are refused in time, market data goes on', { timeout: 120000 }, () => withKeys(async (stage, bot) => {
  stage.feed(...tape);
  await stage.applied(20);
  const client = await Client.connect(stage);
  assert.ok((await client.subscribe({ channel: 'book', symbol: [SYMBOL] })).success);
  const bad = [];
  let updates = 0;
  let worst = 0;
  let last = performance.now();
  client.onMessage = (m) => {
    if (m.channel === 'book' && m.type === 'update') {
      worst = Math.max(worst, performance.now() - last);
      last = performance.now();
      updates++;
    }
  };
  await client.next((m) => m.channel === 'book' && m.type === 'update');

  const phase = async (what) => {
    [updates, worst] = [0, 0];
    const began = Date.now();
    const times = { token: [], write: [], market: [] };
    const timed = async (kind, call) => {
      const held = heldUp(stage);
      const at = performance.now();
      const answer = await call();
      times[kind].push(performance.now() - at - held());
      return answer;
    };
    const loop = async (kind, status, call) => {
      while (Date.now() - began < 4000) {
        const answer = await timed(kind, call);
        if (answer.status !== status) bad.push(`${what}: ${kind} ${answer.status} ${answer.body}`);
        await sleep(20);
      }
    };
    await Promise.all([
      loop('token', 200, () => stage.call(bot.signer, 'POST', '/v1/ws-token')),
      loop('write', 503, () => stage.call(stage.admin, 'PUT', `/v1/keys/${bot.id}/limits`, { rate_class: 'low', reason: `while ${what}` })),
      loop('market', 200, () => stage.get(`${stage.publicUrl}/v1/status`)),
    ]);
    console.log(`# ${what}: ${times.token.length} tokens, ${times.write.length} changes refused; longest token ${Math.max(...times.token).toFixed(0)} ms, change ${Math.max(...times.write).toFixed(0)} ms, market ${Math.max(...times.market).toFixed(0)} ms; ${updates} book updates, longest gap ${worst.toFixed(0)} ms`);
    assert.ok(Math.max(...times.write) < 3500, 'a change is refused within auth.timeout and a margin');
    assert.ok(Math.max(...times.token) < 500, 'a token waits for PostgreSQL 50 ms at most');
    assert.ok(Math.max(...times.market) < 250);
    assert.ok(updates > 20 && worst < 1000, `${updates} updates, gap ${worst} ms`);
  };
  // known here, too: else what is known is stale as soon as PostgreSQL has gone
  const again = async () => { await changesAgain(); await upToDate(stage); };
  const changesAgain = () => until('changes again', 10000, async () => (await stage.call(stage.admin, 'PUT', `/v1/keys/${bot.id}/limits`, { rate_class: 'default', reason: 'PostgreSQL is back' })).status === 200);

  await upToDate(stage);
  await stage.stopPostgres();
  try {
    await phase('stopped');
  } finally {
    await stage.continuePostgres();
  }
  await again();
  await stage.killPostgres();
  await phase('killed');
  await stage.restartPostgres();
  await again();
  assert.deepEqual(bad, []);
  const made = stage.sql("SELECT reason, count(*) FROM key_events WHERE reason LIKE 'while %' GROUP BY reason");
  console.log(`# changes answered with 503 that were made all the same: ${made || 'none'}`);
  client.close();
}, redisWell));
