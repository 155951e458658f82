// From a halt to the notice of it on every socket.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { killPg, modeOf } from '../../tests/e2e/harness/gate.mjs';
import { buildDir, until } from '../../tests/e2e/harness/gateway.mjs';
import { Signer } from '../../tests/e2e/harness/signer.mjs';
import { at, issue, usable, wide } from './authstage.mjs';
import { exitOf, openStage, pinStage } from './stage.mjs';

const WARM_MS = 3000;
const BETWEEN_MS = 150; // and a random part of it more
const SETTLE_MS = 1500;

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const unixMs = () => performance.timeOrigin + performance.now();

async function sent(stage) {
  const metrics = await stage.metrics();
  return [...metrics].filter(([k]) => k.startsWith('ws_sent_messages_total')).reduce((n, [, v]) => n + v, 0);
}

async function messagesPerSecond(stage) {
  const [before, since] = [await sent(stage), performance.now()];
  await sleep(1000);
  return (((await sent(stage)) - before) * 1000) / (performance.now() - since);
}

// Halts all SYMBOLS but the first, one after the other: [{id, sent_ms, answered_ms, outcome, effect_us}].
async function haltAll(stage, signer, symbols) {
  const halts = [];
  for (const symbol of symbols.slice(1)) {
    const sent_ms = unixMs();
    const answer = await stage.call(signer, 'PUT', modeOf(symbol), { mode: 'HARD_HALT', reason: 'a measurement of halts', ticket: 'OPS-1' },
      { headers: { 'if-match': '*' } });
    const answered_ms = unixMs() - sent_ms;
    if (![200, 202].includes(answer.status)) throw new Error(`not halted: ${answer.status} ${answer.body}`);
    halts.push({ id: answer.json.journal, sent_ms, answered_ms, outcome: answer.json.outcome, effect_us: answer.json.effect_us });
    await sleep(BETWEEN_MS * (1 + Math.random()));
  }
  return halts;
}

function arrivals(file, halts) {
  const of = new Map(halts.map((h) => [h.id, []]));
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [id, ns] = line.split(' ');
    of.get(id)?.push(Number(BigInt(ns) / 1000n) / 1000);
  }
  return halts.map((h) => of.get(h.id).map((ms) => ms - h.sent_ms));
}

// A stage of its own for each round: with PostgreSQL away nothing could be lifted again.
async function round(o, part, say) {
  const stage = await openStage();
  try {
    pinStage(stage, !o['no-pin']);
    const tape = ['--data', 'synthetic', '--symbols', String(o.symbols + 1), '--rate', String(o.rate), '--seed', '5'];
    stage.writeSymbols(tape);
    await stage.startPostgres();
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await stage.startGateway({ limits: wide, ws: { shards: 1, max_per_ip: 0, connects_per_10min: 0 } });
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys?limit=1')).status === 200);
    const key = await issue(stage, 'ed25519', ['control.read', 'control.halt']);
    await usable(stage, key, 'control.read').catch(() => {});
    stage.feed(...tape, '--time', 'now', '--maxlen', '20000');
    const symbols = [...readFileSync(stage.symbolsFile, 'utf8').matchAll(/symbol: ([^,]+),/g)].map((m) => m[1]);
    await until('the market', 30000, async () => (await stage.get(`${stage.adminUrl}/readyz`)).status === 200);
    const marks = path.join(stage.dir, 'marks');
    const flood = stage.run('wsflood', path.join(buildDir, 'load/wsflood'), ['--url', stage.wsUrl, '--ca', stage.ca, '--sessions', String(o.sessions),
      '--subscribe', `book:${symbols.join(',')}:10`, '--interval-ms', String(o.interval), '--duration', '3600', '--quiet', '--marks', marks]);
    await until('all sessions', 120000, async () => (await stage.metrics()).get('ws_clients') === o.sessions);
    await sleep(WARM_MS);
    if (part.postgres) await killPg(stage);
    if (part.redis) await stage.killRedis();
    if (part.postgres) await sleep(SETTLE_MS);
    const load = [await messagesPerSecond(stage)];
    const halts = await haltAll(stage, key.signer, symbols);
    load.push(await messagesPerSecond(stage));
    await sleep(SETTLE_MS);
    flood.kill('SIGINT');
    await exitOf(flood, 'wsflood', 30000);
    const lists = arrivals(marks, halts);
    const missing = lists.reduce((n, list) => n + o.sessions - list.length, 0);
    say(`${part.name}: ${halts.length} halts on ${o.sessions} sockets, ${Math.round(load[0])} messages a second; slowest socket ${
      Math.max(...lists.flat()).toFixed(1)} ms${missing ? `; ${missing} NOTICES MISSING` : ''}`);
    return { halts, lists, missing, load };
  } finally {
    await stage.close();
  }
}

const spread = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  return { p50: at(sorted, 0.5), p99: at(sorted, 0.99), max: sorted.at(-1) };
};

export const parts = [
  { word: 'alive', name: 'PostgreSQL and Redis alive', aim: 50, outcome: 'done' },
  { word: 'nodb', name: 'PostgreSQL dead', aim: 100, postgres: true, outcome: 'journaled' },
  { word: 'dead', name: 'PostgreSQL and Redis dead', aim: 100, postgres: true, redis: true, outcome: 'journaled' },
];

export async function measureHalt(o, part, say) {
  const rounds = [];
  for (let i = 0; i < o.rounds; i++) rounds.push(await round(o, part, say));
  const halts = rounds.flatMap((r) => r.halts);
  const lists = rounds.flatMap((r) => r.lists);
  return { name: part.name, aim_ms: part.aim, halts: halts.length, sockets: o.sessions, missing: rounds.reduce((n, r) => n + r.missing, 0),
    other_outcomes: halts.filter((h) => h.outcome !== part.outcome).length, load_first: Math.round(rounds[0].load[0]), load_last: Math.round(rounds[0].load[1]),
    to_socket_ms: spread(lists.flat()), to_last_socket_ms: spread(lists.map((list) => Math.max(...list))),
    answered_ms: spread(halts.map((h) => h.answered_ms)), effect_ms: spread(halts.map((h) => h.effect_us / 1000)) };
}

export function programsMissing() {
  return ['portcullis', 'load/wsflood', 'load/feeder'].filter((name) => {
    try {
      execFileSync('test', ['-x', path.join(buildDir, name)]);
      return false;
    } catch {
      return true;
    }
  });
}
