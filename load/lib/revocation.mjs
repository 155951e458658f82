// From a revocation to the close frame of every connection of the key.
import { Client } from '../../tests/e2e/harness/ws.mjs';
import { at, issue, startGateway, tape, usable, wide } from './authstage.mjs';

const BATCH = 20; // connections opened at once
const WAIT_MS = 15000;
const TRIES = 5;

async function inBatches(list, size, work) {
  for (let i = 0; i < list.length; i += size) await Promise.all(list.slice(i, i + size).map(work));
}

// One connection with a token of its own; null when Redis was too late to vouch for it.
async function subscribed(stage, key) {
  const issued = await stage.call(key.signer, 'POST', '/v1/ws-token');
  if (issued.status !== 200) return null;
  const client = await Client.connect(stage, { url: stage.wsUrl.replace(/\/v2$/, '/v2/private') });
  const answer = await client.subscribe({ channel: 'ticker', symbol: ['BTC/USD'], token: issued.json.token });
  if (answer.success) return client;
  client.close();
  return null;
}

async function openSockets(stages, keys, each) {
  const wanted = keys.flatMap((key) => Array.from({ length: each }, (_, n) => ({ key, stage: stages[n % stages.length] })));
  const sockets = [];
  await inBatches(wanted, BATCH, async ({ key, stage }) => {
    let client = await subscribed(stage, key);
    for (let i = 1; client === null && i < TRIES; i++) client = await subscribed(stage, key);
    if (client === null) throw new Error(`${key.id}: not subscribed in ${TRIES} tries: the machine is too busy, or Redis is away`);
    client.messages = { push() {}, find() {}, at() {} }; // nobody reads them again
    const socket = { key, client };
    client.closed.then(({ code }) => { Object.assign(socket, { code, at: performance.now() }); });
    sockets.push(socket);
  });
  return sockets;
}

const spread = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  return { p50: at(sorted, 0.5), p99: at(sorted, 0.99), max: sorted.at(-1) };
};

async function revokeAll(stage, keys, sockets) {
  for (const key of keys) {
    key.sent = performance.now();
    const answer = await stage.call(stage.admin, 'POST', `/v1/keys/${key.id}/revoke`, { reason: 'revoked in a measurement' });
    key.answered = performance.now();
    if (answer.status !== 200) throw new Error(`not revoked: ${answer.status} ${answer.body}`);
  }
  const end = performance.now() + WAIT_MS;
  while (sockets.some((s) => s.at === undefined) && performance.now() < end) await new Promise((resolve) => { setTimeout(resolve, 20); });
  const codes = {};
  for (const s of sockets) codes[s.code ?? 'open'] = (codes[s.code ?? 'open'] ?? 0) + 1;
  const closed = sockets.filter((s) => s.at !== undefined);
  return { codes, from_answer_ms: spread(closed.map((s) => s.at - s.key.answered)), from_sending_ms: spread(closed.map((s) => s.at - s.key.sent)),
    request_ms: spread(keys.map((key) => key.answered - key.sent)) };
}

async function run(stage, o, { name, replicas, redisStopped }, say) {
  const overrides = { limits: wide, ws: { max_per_key: 0 } };
  await startGateway(stage, overrides);
  const stages = [stage];
  for (let i = 1; i < replicas; i++) {
    const other = await stage.replica(overrides);
    stages.push(other);
  }
  const feeder = stage.feed(...tape);
  await stage.applied(20);
  const keys = [];
  for (let i = 0; i < o.keys; i++) keys.push(await issue(stage, 'ed25519', ['ws.token', 'market'], `key ${i}`));
  for (const each of stages) await usable(each, keys.at(-1), 'ws.token');
  say(`revocation, ${name}: opening ${o.keys * o.each} connections`);
  const sockets = await openSockets(stages, keys, o.each);
  if (redisStopped) stage.redis.kill('SIGSTOP');
  let result;
  try {
    result = await revokeAll(stage, keys, sockets);
  } finally {
    if (redisStopped) stage.redis.kill('SIGCONT');
    for (const s of sockets) s.client.close();
    feeder.kill('SIGTERM');
    for (const each of stages) await each.stopGateway();
  }
  say(`revocation, ${name}: p99 ${result.from_answer_ms.p99.toFixed(1)} ms behind the answer, closes ${JSON.stringify(result.codes)}`);
  return { name, replicas, redis_stopped: redisStopped, keys: o.keys, sockets: sockets.length, ...result };
}

export async function measureRevocation(stage, o, say) {
  const out = [];
  for (const kind of [{ name: 'one gateway', replicas: 1, redisStopped: false }, { name: 'two gateways', replicas: 2, redisStopped: false },
    { name: 'two gateways, Redis stopped', replicas: 2, redisStopped: true }]) {
    out.push(await run(stage, o, kind, say));
  }
  return out;
}
