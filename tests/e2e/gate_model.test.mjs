// Random sequences of orders, approvals, rejections, deaths of gateways, of PostgreSQL and of Redis, against a small model.
//
//   acknowledged state is never lost      after each answer the cell is at least as tight as what was acknowledged
//   nothing is loosened by one            a cell gets looser by an approval of the model's alone, by another than who asked
//   the chain says it all                 after quiescence each gateway's state is what a replay of the chain implies,
//                                         portctl finds the chain whole, and each acknowledged order is in it, once
//
// GATE_MODEL_SECONDS=600 GATE_MODEL_SEED=7 node --test gate_model.test.mjs
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cellsOf, chain, control, effective, gateLimits, killPg, knows, modeOf, newKey, once, post, put, sameAsChain, startPg, stats, withGate } from './harness/gate.mjs';
import { sleep, until } from './harness/gateway.mjs';

const seconds = Number(process.env.GATE_MODEL_SECONDS ?? 50);
const seed = Number(process.env.GATE_MODEL_SEED ?? Math.floor(Math.random() * 2 ** 31));
const rank = { NORMAL: 0, CANCEL_ONLY: 1, SOFT_HALT: 2, HARD_HALT: 3 };
const SYMBOLS = ['BTC/USD', 'ETH/USD'];

// mulberry32
function randomOf(start) {
  let a = start >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// What can be ordered: a cell, its values from loose to tight, and how it is asked for.
const CELLS = [
  ...['*', ...SYMBOLS].map((target) => ({ key: `mode ${target}`, path: modeOf(target), values: Object.keys(rank), of: (v) => v.mode ?? 'NORMAL', body: (mode) => ({ mode }) })),
  ...SYMBOLS.map((target) => ({ key: `throttle ${target}`, path: `/v1/symbols/${encodeURIComponent(target)}/throttle`, values: [null, 100, 10, 1], of: (v) => v.orders_per_s ?? null, body: (orders_per_s) => ({ orders_per_s }) })),
  { key: 'withdrawals *', path: '/v1/withdrawals', values: [false, true], of: (v) => v.halted ?? false, body: (halted) => ({ halted }) },
  { key: 'withdrawals BTC', path: '/v1/withdrawals?asset=BTC', put: '/v1/withdrawals', values: [false, true], of: (v) => v.halted ?? false, body: (halted) => ({ halted, asset: 'BTC' }) },
  { key: 'account desk', path: '/v1/accounts/desk/trading', values: [false, true], of: (v) => v.paused ?? false, body: (paused) => ({ paused }) },
];
const ILLEGAL = new Set(['HARD_HALT NORMAL', 'HARD_HALT SOFT_HALT']);

class Model {
  constructor() {
    this.least = new Map(CELLS.map((c) => [c.key, 0])); // as tight as this for certain: index of the value
    this.most = new Map(CELLS.map((c) => [c.key, 0])); // and no tighter than this: what was not answered may have been done
    this.acknowledged = []; // journal ids and audit numbers that were told
    this.open = new Map(); // location -> {cell, index, by, hash}
  }

  tightened(cell, index, certain) {
    if (certain && !this.raced?.has(cell.key)) this.least.set(cell.key, Math.max(this.least.get(cell.key), index));
    this.most.set(cell.key, Math.max(this.most.get(cell.key), index));
  }

  // An approval was answered, or (MAYBE) was sent and not answered.
  loosened(cell, index, maybe) {
    this.raced?.add(cell.key);
    maybe ||= this.raced !== undefined;
    this.least.set(cell.key, maybe ? Math.min(this.least.get(cell.key), index) : index);
    if (!maybe) this.most.set(cell.key, index);
  }

  // The first cell of CELLS that is looser than acknowledged.
  lost(cells) {
    return CELLS.find((cell) => cell.values.indexOf(cell.of(cells.get(cell.key)?.value ?? {})) < this.least.get(cell.key));
  }

  // Each cell is what it can be.
  check(cells, where) {
    for (const cell of CELLS) {
      const index = cell.values.indexOf(cell.of(cells.get(cell.key)?.value ?? {}));
      const [least, most] = [this.least.get(cell.key), this.most.get(cell.key)];
      assert.ok(index >= least && index <= most, `${where}: ${cell.key} is ${cell.values[index]}, should be ${cell.values[least]}${most > least ? ` to ${cell.values[most]}` : ''}`);
    }
  }
}

class Run {
  constructor(stage, replicas, random) {
    Object.assign(this, { stage, random, model: new Model(), stages: [stage, ...replicas], pg: true, redis: true, redisSince: Date.now(), blind: false, counts: {}, log: [] });
    this.up = this.stages.map(() => true);
    this.people = [stage.ana, stage.ben];
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  note(what) {
    this.log.push(what);
    const kind = what.split(' ')[0];
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  // STAGE holds back all that was acknowledged, at the latest after MS.
  async holds(stage, ms) {
    if (ms > 0 && this.blind) return; // nothing has connected the gateways for a while
    const end = Date.now() + ms;
    for (;;) {
      const answer = await stage.call(stage.ana, 'GET', '/v1/control');
      if (answer.status !== 200) return; // Redis has just begun anew, or is away
      const lost = this.model.lost(cellsOf(answer.json));
      if (!lost) return;
      assert.ok(Date.now() < end, `${lost.key} at ${stage.adminPort} is looser than acknowledged (${lost.values[this.model.least.get(lost.key)]})`);
      await sleep(20);
    }
  }

  anyStage() {
    return this.pick(this.stages.filter((_, i) => this.up[i]));
  }

  // undefined: no answer came.
  async send(call) {
    try {
      return await call();
    } catch {
      return undefined;
    }
  }

  async order() {
    const [stage, who, cell] = [this.anyStage(), this.pick(this.people), this.pick(CELLS)];
    const index = Math.floor(this.random() * cell.values.length);
    const body = { ...cell.body(cell.values[index]), reason: `random, seed ${seed}`, ticket: 'OPS-1' };
    const tag = this.random() < 0.5 ? '*' : (await this.send(() => stage.call(who, 'GET', cell.path)))?.headers.etag ?? '*';
    const before = this.model.least.get(cell.key);
    const answer = await this.send(() => put(stage, who, cell.put ?? cell.path, body, { 'if-match': tag }));
    this.note(`order ${cell.key} ${cell.values[before]} -> ${cell.values[index]}: ${answer?.status} ${answer?.json?.outcome ?? answer?.json?.code}`);
    if (answer === undefined || answer.status >= 500) {
      this.model.tightened(cell, index, false);
      return;
    }
    const { outcome, code } = answer.json;
    if (['done', 'journaled', 'unaudited', 'nothing'].includes(outcome)) {
      this.model.tightened(cell, index, true);
      if (outcome !== 'nothing') this.model.acknowledged.push(answer.json);
      if (this.model.raced === undefined && this.random() < 0.4) await this.holds(stage, this.stages.length > 1 ? 1200 : 0);
      assert.notEqual(outcome, 'unaudited');
    } else if (outcome === 'requested') {
      this.model.open.set(answer.headers.location, { cell, index, who });
      this.model.acknowledged.push(answer.json);
    } else {
      assert.ok(['version-conflict', 'precondition-required', 'illegal-transition', 'journal-not-entered', 'audit-unavailable', 'replay-detected', 'unauthenticated', 'rate-limited'].includes(code), answer.body);
    }
  }

  async decide() {
    if (this.model.open.size === 0) return;
    const location = this.pick([...this.model.open.keys()]);
    const request = this.model.open.get(location);
    const [stage, who] = [this.anyStage(), this.pick(this.people)];
    const seen = await this.send(() => stage.call(who, 'GET', location));
    if (seen?.status !== 200) return;
    const word = this.random() < 0.8 ? 'approve' : 'reject';
    const forged = this.random() < 0.1;
    const hash = forged ? 'f'.repeat(64) : seen.json.change.hash;
    const answer = await this.send(() => post(stage, who, `${location}/${word}`, word === 'approve' ? { hash } : {}, once()));
    this.note(`${word} ${request.cell.key} -> ${request.cell.values[request.index]}: ${answer?.status} ${answer?.json?.outcome ?? answer?.json?.code}`);
    if (word === 'approve' && (who === request.who || forged)) {
      assert.notEqual(answer?.status, 200, 'approved by who asked, or a forgery');
      return;
    }
    if (answer === undefined || answer.status >= 500) {
      if (word === 'approve') this.model.loosened(request.cell, request.index, true);
    } else if (answer.status === 200) {
      this.model.open.delete(location);
      this.model.acknowledged.push(answer.json);
      if (word === 'approve') this.model.loosened(request.cell, request.index, false);
    } else if (['change-decided', 'version-conflict', 'illegal-transition'].includes(answer.json.code)) {
      this.model.open.delete(location);
    }
  }

  async kill() {
    const i = Math.floor(this.random() * this.stages.length);
    if (!this.up[i]) return;
    const stage = this.stages[i];
    // with orders under way
    this.model.raced = new Set(); // cells loosened meanwhile: which came first is not known
    const racing = this.random() < 0.7 ? [this.order(), this.decide(), this.order()] : [];
    if (racing.length !== 0) await sleep(this.random() * 12);
    this.note(`kill gateway ${i}`);
    await stage.stopGateway('SIGKILL');
    await Promise.all(racing);
    this.model.raced = undefined;
    await sleep(this.random() * 300);
    await stage.startGateway(gateLimits);
    if (this.pg) {
      await knows(stage, stage.ana);
      await this.holds(stage, 1200); // what the other gateway did is heard of within a second
    } else this.up[i] = false; // signed requests need the keys, which are read from PostgreSQL
    this.note(`started gateway ${i}`);
  }

  async togglePg() {
    this.note(`PostgreSQL ${this.pg ? 'dies' : 'returns'}`);
    this.blind = this.pg && (!this.redis || Date.now() - this.redisSince < 4000);
    if (this.pg) {
      await killPg(this.stage);
      this.pg = false;
      return;
    }
    startPg(this.stage);
    this.pg = true;
    for (const [i, stage] of this.stages.entries()) {
      await knows(stage, stage.ana);
      this.up[i] = true;
    }
  }

  async toggleRedis() {
    this.note(`Redis ${this.redis ? 'dies' : 'returns'}`);
    if (this.redis) await this.stage.killRedis();
    else await this.stage.startRedis();
    this.redis = !this.redis;
    this.redisSince = Date.now();
    this.blind ||= !this.pg;
  }

  async step() {
    const dice = this.random();
    if (dice < 0.6) await this.order();
    else if (dice < 0.88) await this.decide();
    else if (dice < 0.92) await this.kill();
    else if (dice < 0.955) { if (this.pg ? this.up.every(Boolean) : true) await this.togglePg(); }
    else if (dice < 0.98) await this.toggleRedis();
    else await this.quiesce();
    if (!this.up.some(Boolean)) await this.togglePg();
  }

  // All is back; every gateway is in the state the chain implies, which is one the model allows.
  async quiesce() {
    if (!this.pg) await this.togglePg();
    if (!this.redis) await this.toggleRedis();
    for (const stage of this.stages) await knows(stage, stage.ana);
    await until('all in the chain', 20000, async () => {
      for (const stage of this.stages) {
        const { audit } = await stats(stage);
        if (!audit.database || audit.journaled !== 0) return false;
      }
      return true;
    });
    const head = Number(this.stage.sql('SELECT version FROM gate_head'));
    for (const stage of this.stages) await until('the newest state', 3000, async () => (await control(stage)).version === head);
    const rows = await sameAsChain(...this.stages);
    for (const stage of this.stages) this.model.check(cellsOf(await control(stage)), `gateway at ${stage.adminPort}`);
    this.ledger(rows);
    const cells = cellsOf(await control(this.stage)); // what was not answered is known now
    for (const cell of CELLS) {
      const index = cell.values.indexOf(cell.of(cells.get(cell.key)?.value ?? {}));
      this.model.least.set(cell.key, index);
      this.model.most.set(cell.key, index);
    }
    this.note('quiescent');
  }

  // Each acknowledged order is in the chain, once; each loosening there has two persons.
  ledger(rows) {
    const ids = new Map(rows.map((row) => [row.id, row]));
    const places = new Map(rows.map((row) => [row.seq, row]));
    assert.equal(ids.size, rows.length);
    for (const told of this.model.acknowledged) {
      const row = told.audit !== null ? places.get(told.audit) : ids.get(told.journal);
      assert.ok(row, `acknowledged and not in the chain: ${JSON.stringify(told)}`);
      if (told.journal !== null) assert.equal(row.id, told.journal);
    }
    const values = new Map();
    for (const row of rows.filter(effective)) {
      for (const after of JSON.parse(row.after)) {
        const cell = CELLS.find((c) => c.key === `${after.kind} ${after.target}`);
        const index = cell.values.indexOf(cell.of(after));
        const was = values.get(cell.key) ?? 0;
        if (index < was) {
          assert.equal(row.outcome, 'approved', JSON.stringify(row));
          const [{ requested_by, request_audit }] = JSON.parse(row.approvals);
          assert.notEqual(places.get(request_audit).actor, row.actor);
          assert.ok(requested_by);
          assert.ok(!ILLEGAL.has(`${cell.values[was]} ${cell.values[index]}`));
        }
        values.set(cell.key, index);
      }
    }
  }
}

for (const replicas of [0, 1]) {
  test(`random orders, deaths and returns; ${replicas + 1} gateway${replicas ? 's' : ''}; seed ${seed}`, { timeout: (seconds + 90) * 1000 }, () => withGate({}, async (stage) => {
    const others = [];
    for (let i = 0; i < replicas; i++) others.push(await stage.replica(stage.overrides));
    for (const other of others) await knows(other, other.ana);
    const run = new Run(stage, others, randomOf(seed + replicas));
    run.people.push(await newKey(stage, 'carl'));
    for (const other of others) await knows(other, run.people[2]);
    const end = Date.now() + (seconds * 1000) / 2;
    try {
      while (Date.now() < end) await run.step();
      await run.quiesce();
    } catch (error) {
      console.log(`seed ${seed}, the last steps:\n${run.log.slice(-40).join('\n')}`);
      throw error;
    }
    const total = chain(stage).length;
    console.log(`${replicas + 1} gateway(s), seed ${seed}: ${run.log.length} steps, ${total} records, ${JSON.stringify(run.counts)}`);
    assert.ok(total > 20, 'something has happened');
  }));
}
