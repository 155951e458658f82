// The gateway's own detectors: what it says of itself when something is wrong, of the real thing; and that it is quiet
// while nothing is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateTape, killPg, modeOf, newKey, post, put, startPg, why, withGate } from './harness/gate.mjs';
import { entries } from './harness/feed.mjs';
import { Follower } from './harness/follower.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';

const within = { timeout: 180000 };
const quick = { detect: { redis_away: '2s', postgres_away: '2s', clear: '3s', window: '10s', auth_failures: 20, replays: 5, reconnects: 3, slow_closes: 2 } };

// What the detectors have said so far.
const signals = (stage) => stage.gateway.errors.split('\n').filter((line) => line.includes('"incident_signal"')).map((line) => JSON.parse(line));
const firing = (stage) => signals(stage).filter((s) => !s.cleared);
const fired = (stage, key) => until(key, 20000, () => firing(stage).find((s) => s.key === `gateway:${key}`));
// KEY is over, after it was told.
const cleared = (stage, key) => until(`${key} is over`, 20000, () => {
  const of = signals(stage).filter((s) => s.key === `gateway:${key}`);
  return of.length > 0 && of.at(-1).cleared && of.some((s) => !s.cleared) && of.at(-1);
});
const playing = (stage, ...more) => {
  stage.feed(...gateTape, ...more);
  return until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="ETH/USD"}') === 1);
};

test('a market that plays and people who work: nothing fires', within, () => withGate(quick, async (stage) => {
  await playing(stage);
  for (let i = 0; i < 40; i++) {
    await stage.call(stage.ana, 'GET', '/v1/control');
    await sleep(200);
  }
  assert.deepEqual(firing(stage), []);
}));

test('gaps and duplicates of the core are told with their symbols', within, () => withGate(quick, async (stage) => {
  await playing(stage, '--gap-every', '401', '--dup-every', '97');
  const gap = await fired(stage, 'sequence_gap');
  assert.deepEqual([gap.severity, gap.details.gateway], ['SEV3', `127.0.0.1:${stage.adminPort}`]);
  assert.ok(gap.details.symbols.every((s) => ['BTC/USD', 'ETH/USD'].includes(s)) && gap.details.symbols.length > 0);
  assert.match(gap.summary, /^\d+ in 10 s \(limit 1\): /);
  assert.equal((await fired(stage, 'sequence_duplicate')).severity, 'SEV2');
}));

test('the kill switch, with its playbook', within, () => withGate(quick, async (stage) => {
  const answer = await put(stage, stage.ana, '/v1/kill-switch', { scope: 'global', engaged: true, ...why });
  assert.ok(answer.status < 300, answer.body);
  const signal = await fired(stage, 'kill_switch');
  assert.deepEqual([signal.severity, signal.playbook], ['SEV1', 'kill_switch']);
}));

test('a halt whose time has passed asks for a decision', within, () => withGate(quick, async (stage) => {
  const until_ = new Date(Date.now() + 1500).toISOString();
  const answer = await put(stage, stage.ana, `/v1/symbols/${encodeURIComponent('BTC/USD')}/mode`, { mode: 'SOFT_HALT', until: until_, ...why });
  assert.ok(answer.status < 300, answer.body);
  assert.deepEqual(firing(stage), []);
  assert.equal((await fired(stage, 'decision_due')).severity, 'SEV2');
}));

test('Redis and PostgreSQL away, and back: told once, and over', within, () => withGate(quick, async (stage) => {
  await playing(stage);
  await killPg(stage);
  assert.equal((await fired(stage, 'postgres_away')).severity, 'SEV2');
  startPg(stage);
  await cleared(stage, 'postgres_away');
  await stage.killRedis();
  const away = await fired(stage, 'redis_away');
  assert.equal(away.severity, 'SEV2');
  await stage.startRedis();
  await cleared(stage, 'redis_away');
  for (const key of ['gateway:postgres_away', 'gateway:redis_away']) {
    assert.equal(firing(stage).filter((s) => s.key === key).length, 1);
  }
}));

test('many bad signatures, and many replays', within, () => withGate({ ...quick }, async (stage) => {
  const wrong = await newKey(stage, 'carl');
  const url = `${stage.adminUrl}/v1/control`;
  const good = stage.ana.headers('GET', url);
  assert.equal((await stage.send('GET', url, good)).status, 200);
  for (let i = 0; i < 8; i++) assert.equal((await stage.send('GET', url, good)).status, 401);
  assert.equal((await fired(stage, 'replay')).severity, 'SEV2');
  for (let i = 0; i < 25; i++) {
    const headers = wrong.headers('GET', url);
    headers.signature = headers.signature.replace(/[A-Za-z]/g, (c) => (c === 'a' ? 'b' : c));
    headers.signature = headers.signature.replace(/:(.)/, (_, c) => `:${c === 'A' ? 'B' : 'A'}`);
    await stage.send('GET', url, headers);
  }
  assert.equal((await fired(stage, 'auth_failures')).severity, 'SEV3');
}));

test('a symbol falls silent while another lives, and wakes', within, () => withGate({ detect: { ...quick.detect, silent: '1s' } }, async (stage) => {
  const feeder = stage.feed(...gateTape);
  await until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="ETH/USD"}') === 1);
  await sleep(4000);
  assert.deepEqual(firing(stage), []);
  feeder.kill('SIGKILL');
  const last = Object.fromEntries(['BTC/USD', 'ETH/USD'].map((symbol) => [symbol, entries(stage, symbol).at(-1)]));
  const write = (symbol) => {
    const { epoch } = last[symbol];
    last[symbol].seq += 1;
    stage.redisCommand('XADD', `md:{${symbol}}`, '*', 'e', JSON.stringify({ type: 'status', symbol, seq: String(last[symbol].seq), epoch, ts_ns: `${Date.now()}000000`, status: 'online' }));
  };
  const signal = await until('silence', 20000, () => { write('ETH/USD'); return firing(stage).find((s) => s.key === 'gateway:silent_symbol'); });
  assert.deepEqual(signal.details.symbols, ['BTC/USD']);
  await until('its end', 20000, () => { write('ETH/USD'); write('BTC/USD'); return signals(stage).filter((s) => s.key === 'gateway:silent_symbol').at(-1).cleared; });
  assert.equal((await stage.metrics()).get('md_seq_gap_all_total'), 0);
}));

test('slow consumers are told with the playbook of an overload', within, () => withGate({ ...quick, ws: { lag: '600ms', lag_grace: '200ms', unsent_bytes: '4KiB' } }, async (stage) => {
  const loud = ['--data', 'synthetic', '--symbols', '2', '--rate', '3000', '--seed', '5', '--time', 'now'];
  stage.feed(...loud);
  await until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="ETH/USD"}') === 1);
  const slow = [];
  for (let i = 0; i < 3; i++) {
    const follower = new Follower('BTC/USD', { depth: 1000, interval_ms: 0, trades: false, on_lag: 'evict' });
    await follower.connect(stage);
    follower.client.socket._socket.pause();
    slow.push(follower);
  }
  const signal = await until('the surge', 60000, () => firing(stage).find((s) => s.key === 'gateway:slow_consumers'));
  assert.deepEqual([signal.severity, signal.playbook], ['SEV2', 'ws_overload']);
  assert.ok((await stage.metrics()).get('ws_close_total{reason="SLOW_CONSUMER"}') >= 2);
  for (const follower of slow) follower.drop();
}));

test('what waits for others: a command the core does not confirm, a request to loosen that nobody approves', within, () => withGate({ detect: { ...quick.detect, approvals: '2s' } }, async (stage) => {
  await until('the link', 10000, async () => (await stage.call(stage.ana, 'GET', '/v1/commands')).json?.core.linked);
  const asked = await post(stage, stage.ana, '/v1/symbols/BTC%2FUSD/cancel-all', why);
  assert.equal(asked.status, 202, asked.body);
  assert.equal((await put(stage, stage.ana, modeOf('ETH/USD'), { mode: 'SOFT_HALT', ...why })).status, 200);
  const { headers } = await stage.call(stage.ana, 'GET', modeOf('ETH/USD'));
  const request = await put(stage, stage.ana, modeOf('ETH/USD'), { mode: 'NORMAL', ...why }, { 'if-match': headers.etag });
  assert.equal(request.status, 202, request.body);
  const waits = await fired(stage, 'approvals_waiting');
  assert.deepEqual([waits.severity, waits.details.limit], ['SEV3', 2]);
  assert.equal((await post(stage, stage.ana, `${request.headers.location}/cancel`, {})).status, 200);
  await cleared(stage, 'approvals_waiting');
  const late = await until('the command is late', 50000, () => firing(stage).find((s) => s.key === 'gateway:core_commands')); // its deadline is 30 s
  assert.deepEqual([late.severity, late.summary], ['SEV2', '1 commands']);
  assert.equal((await stage.metrics()).get('core_commands_late'), 1);
  assert.equal((await post(stage, stage.ana, `${asked.headers.location}/cancel`, why)).status, 202);
  await cleared(stage, 'core_commands');
}));

test('one person alone, by break-glass: a SEV1 that owes its root cause and a postmortem', within, () => withGate({ ...quick, gate: { break_glass: true } }, async (stage) => {
  const eve = Person.make(stage, 'eve', 'operator,break_glass');
  await until('she is in', 10000, async () => (await eve.logIn()).status === 200);
  assert.equal((await put(stage, stage.ana, modeOf('ETH/USD'), { mode: 'SOFT_HALT', ...why })).status, 200);
  assert.equal((await eve.call('POST', '/v1/session/elevate', { role: 'break_glass', seconds: 900, ...why })).status, 200);
  const { headers } = await eve.call('GET', modeOf('ETH/USD'));
  const alone = await eve.call('PUT', modeOf('ETH/USD'), { mode: 'NORMAL', ...why }, { 'if-match': headers.etag });
  assert.equal(alone.status, 200, alone.body);
  assert.equal((await fired(stage, 'break_glass')).severity, 'SEV1');
  const incident = await until('the incident', 10000, async () => (await eve.call('GET', '/v1/incidents?state=open')).json?.incidents?.find((i) => i.signal?.key === 'gateway:break_glass'));
  assert.equal(incident.severity, 'SEV1');
  assert.equal((await stage.metrics()).get('gate_break_glass_total'), 1);
  const close = await eve.call('POST', `/v1/incidents/${incident.id}/close`, { notes: 'it is over' });
  assert.equal(close.status, 409, close.body);
  assert.match(close.body, /root_cause[^]*postmortem|postmortem[^]*root_cause/);
}));
