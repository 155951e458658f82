// Captured requests, sent again: to two replicas of one name, while Redis stops, dies and comes back empty, while a
// clock is set back. None may be accepted twice. REPLAYS=1000000 for the long run.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Clock } from './harness/clock.mjs';
import { cutPostgres } from './harness/cut.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { addresses, Lane, wire } from './harness/wire.mjs';

const HOST = 'gateway.test'; // what both replicas are called: one signature is good at either
const TOTAL = Number(process.env.REPLAYS ?? 100000);
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];
const roomy = {
  log: { level: 'warn' },
  public: { requests_per_s: 100000 }, // the admin listener has the same
  limits: { gateways: 2, preauth_per_minute: 600000, preauth_burst: 100000, read_per_minute: 600000, read_burst: 100000,
    write_per_minute: 600000, write_burst: 100000, nonce_entries: 1048576 },
};

const patient = { ...roomy, limits: { ...roomy.limits, deadline: '1s', slow: '1s' } };

// Two replicas, each with clocks of its own, and as many strangers as have their own address.
async function onTwo(body, cut = false) {
  await onStage(async (stage) => {
    stage.clocks = { a: new Clock(stage, 'a'), b: new Clock(stage, 'b'), redis: new Clock(stage, 'redis') };
    await stage.killRedis();
    stage.redisEnv = stage.clocks.redis.env;
    await stage.startRedis();
    stage.writeSymbols(tape);
    await stage.startPostgres();
    stage.gatewayEnv = stage.clocks.a.env;
    const way = cut ? await cutPostgres(stage, 'cut') : undefined;
    await stage.startGateway(cut ? { ...patient, auth: { database: way.dsn, master_key_file: stage.masterKey } } : roomy);
    stage.gatewayEnv = stage.clocks.b.env;
    const other = await stage.replica(roomy);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    for (const s of [stage, other]) await until('the keys', 10000, async () => (await s.call(stage.admin, 'GET', '/v1/keys')).status === 200);
    const lanes = [new Lane(stage, addresses(11, 24)), new Lane(other, addresses(41, 24))];
    try {
      await body(Object.assign(new Attack(stage, other, lanes), { way }));
    } finally {
      way?.close();
      for (const lane of lanes) lane.close();
    }
  });
}

class Attack {
  constructor(stage, other, lanes) {
    Object.assign(this, { stage, other, lanes, entries: [], sent: 0, answers: new Map() });
  }

  // A key to be changed, and an HMAC key that may read.
  async makeKeys() {
    const { publicKey } = generateKeyPairSync('ed25519');
    const make = async (more) => {
      const answer = await this.stage.call(this.stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'replay', scopes: ['keys.read'], reason: 'a test of replays', ...more });
      assert.equal(answer.status, 201, answer.body);
      return answer.json;
    };
    this.victim = (await make({ algorithm: 'ed25519', public_key: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64') })).key.id;
    const made = await make({ algorithm: 'hmac-sha256' });
    this.bot = new Signer(made.key.id, { secret: Buffer.from(made.secret, 'base64') });
    for (const s of [this.stage, this.other]) await until('the HMAC key', 5000, async () => (await s.call(this.bot, 'GET', '/v1/keys')).status === 200);
  }

  // Signed now, by a clock that is OFF seconds off.
  capture(reads, writes, { off = 0, life = 30 } = {}) {
    const created = Math.floor(Date.now() / 1000) + off;
    const times = { created, expires: created + life };
    const target = `/v1/keys/${this.victim}`;
    const made = [];
    for (let i = 0; i < reads; i++) {
      const signer = i % 2 ? this.bot : this.stage.admin;
      made.push({ bytes: wire('GET', target, HOST, signer.headers('GET', `https://${HOST}${target}`, undefined, times)), accepted: 0 });
    }
    for (let i = 0; i < writes; i++) {
      const reason = `replay ${randomBytes(8).toString('hex')}`;
      const body = JSON.stringify({ rate_class: i % 2 ? 'low' : 'default', reason });
      made.push({ bytes: wire('PUT', `${target}/limits`, HOST, this.stage.admin.headers('PUT', `https://${HOST}${target}/limits`, body, times), body), accepted: 0, reason });
    }
    this.entries.push(...made);
    return made;
  }

  async send(entry, lane) {
    const answer = await lane.send(entry.bytes);
    const code = answer.status < 300 && answer.status > 0 ? 'accepted' : (answer.status === 0 ? 'lost' : JSON.parse(answer.body).code);
    if (code === 'accepted') entry.accepted++;
    this.sent++;
    this.answers.set(code, (this.answers.get(code) ?? 0) + 1);
    return code;
  }

  // Each of ENTRIES at the same moment, COPIES times to each replica; how often which answer came.
  race(entries, copies = 2) {
    return this.all(entries.flatMap((entry) => this.lanes.flatMap((lane) => Array.from({ length: copies }, () => [entry, lane]))));
  }

  // COUNT replays of any of ENTRIES at any replica.
  storm(entries, count, lanes = this.lanes) {
    return this.all(Array.from({ length: count }, () => [entries[Math.floor(Math.random() * entries.length)], lanes[Math.floor(Math.random() * lanes.length)]]));
  }

  async all(pairs) {
    const tally = {};
    await Promise.all(pairs.map(async ([entry, lane]) => {
      const code = await this.send(entry, lane);
      tally[code] = (tally[code] ?? 0) + 1;
    }));
    return tally;
  }

  // What both replicas have counted.
  async counted(name) {
    const both = await Promise.all([this.stage, this.other].map((s) => s.metrics()));
    return both.reduce((sum, m) => sum + (m.get(name) ?? 0), 0);
  }

  // Nothing was taken twice, neither as its sender saw it nor in the database.
  verify(entries = this.entries) {
    assert.deepEqual(entries.filter((e) => e.accepted > 1).map((e) => `${e.reason ?? 'read'}: ${e.accepted}`), []);
    const rows = this.stage.sql("SELECT reason, count(*) FROM key_events WHERE reason LIKE 'replay %' GROUP BY reason").split('\n');
    for (const row of rows.filter(Boolean)) assert.equal(row.split('|')[1], '1', row);
  }

  // Until what is signed now is served by both: a fence has been passed.
  async served() {
    for (const s of [this.stage, this.other]) {
      await until('served again', 8000, async () => (await s.call(this.stage.admin, 'GET', '/v1/keys')).status === 200);
    }
  }
}

const only = (tally, ...codes) => assert.deepEqual(Object.keys(tally).filter((code) => !codes.includes(code)), [], JSON.stringify(tally));

test(`${TOTAL} replays at two replicas: none is accepted twice`, { timeout: 120000 + TOTAL * 2 }, () => onTwo(async (attack) => {
  const { stage } = attack;
  await attack.makeKeys();
  const started = Date.now();
  const since = async () => `${((Date.now() - started) / 1000).toFixed(1)} s`;

  // fresh, four at a time: each exactly once. Both stores are well, also where the machine is busy: a gateway that waits for
  // neither takes the other's word
  for (const s of [stage, attack.other]) s.reload(patient);
  const captured = attack.capture(400, 60);
  const first = await attack.race(captured);
  assert.equal(first.accepted, captured.length, JSON.stringify(first));
  only(first, 'accepted', 'replay-detected');
  assert.ok(captured.every((e) => e.accepted === 1));
  const steady = await attack.storm(captured, Math.round(TOTAL * 0.5));
  only(steady, 'replay-detected');
  console.log(`# steady: ${JSON.stringify(steady)} after ${await since()}`);

  // Redis does not answer
  const held = attack.capture(400, 60);
  assert.equal((await attack.race(held, 1)).accepted, held.length);
  for (const s of [stage, attack.other]) s.reload(roomy);
  stage.redis.kill('SIGSTOP');
  try {
    only(await attack.storm(held, Math.round(TOTAL * 0.15)), 'replay-detected');
    const fresh = attack.capture(60, 20);
    const alone = await attack.race(fresh);
    assert.equal(alone.accepted, fresh.length, `without Redis each is still taken once: ${JSON.stringify(alone)}`);
    only(alone, 'accepted', 'replay-detected', 'unavailable'); // the last: PostgreSQL was busy for too long, sign it again
    only(await attack.storm(fresh, 1000), 'replay-detected');
  } finally {
    stage.redis.kill('SIGCONT');
  }
  const back = await attack.storm(attack.entries.slice(-540), Math.round(TOTAL * 0.05));
  only(back, 'replay-detected');
  attack.verify();
  console.log(`# Redis stopped and continued: none twice after ${await since()}`);

  // Redis dies in the middle, and another, empty one takes its place
  await attack.served();
  const lost = attack.capture(400, 60);
  assert.equal((await attack.race(lost, 1)).accepted, lost.length);

  const under = attack.storm(lost, Math.round(TOTAL * 0.2));
  await sleep(100);
  await stage.killRedis();
  await sleep(300);
  await stage.startRedis();
  only(await under, 'replay-detected');
  only(await attack.storm(lost, Math.round(TOTAL * 0.1)), 'replay-detected', 'clock-skew');
  assert.ok((await attack.counted('replay_fence_moved_total')) >= 2);
  await attack.served();
  attack.verify();
  console.log(`# Redis killed and begun anew: none twice after ${await since()}`);

  // what the senders saw is what the gateways counted
  const replays = attack.answers.get('replay-detected');
  assert.ok((await attack.counted('auth_fail_total{reason="replay"}')) >= replays);
  assert.ok((await attack.counted('replay_detect_total')) > replays / 2, 'most are found without asking PostgreSQL');
  assert.ok(attack.sent >= TOTAL);
  console.log(`# ${attack.sent} sent: ${JSON.stringify(Object.fromEntries(attack.answers))}; replay_detect_total ${await attack.counted('replay_detect_total')}, replay_fenced_total ${await attack.counted('replay_fenced_total')}`);
}));

// A halt takes effect before anything is written, and is never fenced.
test('captured halts, and reads that only Redis knew, after Redis has begun anew: none is accepted again', { timeout: 120000 }, () => onTwo(async (attack) => {
  const { stage, other, lanes } = attack;
  await attack.makeKeys();
  const halt = (target, more) => {
    const body = JSON.stringify({ ...more, reason: 'a test of replays', ticket: 'OPS-1' });
    return { bytes: wire('PUT', target, HOST, stage.admin.headers('PUT', `https://${HOST}${target}`, body, { headers: { 'if-match': '*' } }), body), accepted: 0 };
  };
  const halts = [halt('/v1/symbols/BTC%2FUSD/mode', { mode: 'HARD_HALT' }), halt('/v1/kill-switch', { engaged: true, scope: 'global' })];
  only(await attack.all(halts.map((e) => [e, lanes[0]])), 'accepted');
  only(await attack.storm(halts, 20), 'replay-detected');

  // what the first replica let in while it was cut off from PostgreSQL, the second cannot find there
  attack.way.cut();
  const target = '/v1/control'; // answered from memory
  const reads = Array.from({ length: 12 }, () => ({ bytes: wire('GET', target, HOST, stage.admin.headers('GET', `https://${HOST}${target}`)), accepted: 0 }));
  const first = await attack.all(reads.map((e) => [e, lanes[0]]));
  await stage.killRedis();
  await stage.startRedis();
  for (const s of [stage, other]) await until('Redis is known again', 5000, async () => (await s.metrics()).get('ratelimit_breaker_open') === 0);
  only(await attack.storm(halts, 10, [lanes[1]]), 'replay-detected');
  only(await attack.storm(reads, 1000, [lanes[1]]), 'replay-detected');
  attack.verify([...reads, ...halts]);
  console.log(`# cut off from PostgreSQL: ${JSON.stringify(first)}, none again; ${await attack.counted('auth_nonce_not_kept_total')} not kept`);
  assert.ok(first.accepted > 0, JSON.stringify(first));
}, true));

test('a clock that is set back brings no request back', { timeout: 120000 }, () => onTwo(async (attack) => {
  const { stage, other } = attack;
  const { a, b, redis } = stage.clocks;
  const pass = (s) => [a, b, redis].forEach((clock) => clock.pass(s));
  await attack.makeKeys();

  // by less than nonces are kept for: they are still known
  let off = 0;
  const near = attack.capture(40, 10, { life: 5 });
  only(await attack.all(near.map((e) => [e, attack.lanes[1]])), 'accepted');
  pass(45);
  off += 45;
  only(await attack.storm(near, 500), 'clock-skew', 'lost'); // connections are as old as the clock says
  a.set(-45);
  const known = await attack.storm(near, 2000, [attack.lanes[0]]);
  only(known, 'replay-detected');
  attack.verify();
  a.set(45);

  // by more: nobody knows them, so whatever was signed before is refused
  const now = () => Math.floor(Date.now() / 1000) + off;
  const signed = (s) => s.call(stage.admin, 'GET', '/v1/keys', undefined, { created: now() });
  for (const s of [stage, other]) await until('served', 8000, async () => (await signed(s)).status === 200);
  const far = attack.capture(40, 10, { off, life: 5 });
  only(await attack.all(far.map((e) => [e, attack.lanes[1]])), 'accepted');
  pass(200);
  off += 200;
  for (const s of [stage, other]) await until('served after a pause', 8000, async () => (await signed(s)).status === 200);
  assert.deepEqual(stage.redisCommand('KEYS', `rl:{${stage.keyId}}:n:*`).split('\n').filter(Boolean).length < 20, true, 'the nonces are gone');
  a.set(-200);
  only(await attack.storm(far, 2000, [attack.lanes[0]]), 'replay-detected');
  attack.verify();
  assert.ok((await stage.metrics()).get('replay_clock_back_total') >= 1);
  assert.match(stage.gateway.errors, /clock_set_back/);
  a.set(200);
  await until('served again', 8000, async () => (await signed(stage)).status === 200);
  assert.equal((await other.metrics()).get('replay_clock_back_total'), 0);
}));
