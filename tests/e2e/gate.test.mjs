// The gate: halts by one, at once, on every socket and in REST; resumes by two; versions, repetitions, refusals; all of it
// in the chain. What breaks around it is in gate_faults.test.mjs, random sequences are in gate_model.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decimals, entries, Reference } from './harness/feed.mjs';
import { Follower } from './harness/follower.mjs';
import { approve, ask, chain, change, control, etag, gateTape, knows, loosen, modeOf, newKey, newUser, once, post, put, sameAsChain, SCOPES, stats,
  why, withGate, orders } from './harness/gate.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';
const OTHER = 'ETH/USD';
const MODE = modeOf(SYMBOL);
const within = { timeout: 120000 };
const lastBook = (c) => c.messages.findLast((m) => m.channel === 'book');
const books = (c) => c.messages.filter((m) => m.channel === 'book').length;
const bookOf = async (stage, depth = 10) => stage.get(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=${depth}`);
const isNotice = (book, mode) => (m) => m.channel === 'gateway' && m.data[0].event === 'symbol' && m.data[0].book === book && (!mode || m.data[0].mode === mode);
const refused = (answer, status, code, text) => {
  assert.equal(answer.status, status, answer.body);
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  assert.equal(answer.json.code, code, answer.body);
  assert.equal(answer.json.type, `/problems/${code}`);
  if (text) assert.match(answer.json.detail, text);
};

async function follow(stage, options = {}) {
  const f = new Follower(SYMBOL, { depth: 25, interval_ms: 20, trades: false, ...options });
  await f.connect(stage);
  await until('a book', 10000, () => f.book);
  return f;
}

async function watch(stage, ...channels) {
  const ws = await Client.connect(stage);
  for (const channel of channels) await ws.subscribe({ channel, ...(channel === 'instrument' ? {} : { symbol: [SYMBOL] }) });
  return ws;
}

// The books of FOLLOWERS are those of the core, after the end of the feed.
async function sameAsCore(stage, feeder, followers) {
  feeder.kill('SIGTERM');
  await new Promise((resolve) => feeder.once('exit', resolve));
  await stage.applied(JSON.parse(feeder.output).entries);
  const all = entries(stage, SYMBOL);
  const places = await decimals(stage, SYMBOL);
  const whole = new Reference(all, places);
  whole.advance(all.at(-1).seq);
  for (const f of followers) {
    for (const side of ['bids', 'asks']) {
      await until(`depth ${f.depth}: ${side} as in the core`, 5000,
        () => JSON.stringify(f.book.lines(side)) === JSON.stringify(whole.lines(side, f.depth)));
    }
  }
}

test('a soft halt freezes the book for everybody, one resumption by two brings it back by its difference', within, () => withGate({}, async (stage) => {
  const feeder = stage.feed(...gateTape);
  const f = await follow(stage);
  const ws = await watch(stage, 'instrument', 'ticker', 'trade');
  const notice = f.client.next(isNotice('frozen', 'SOFT_HALT'), 3000, 'the notice');
  const pairs = ws.next((m) => m.channel === 'instrument' && m.type === 'update', 3000, 'the pair');
  const halt = await put(stage, stage.ana, MODE, { mode: 'SOFT_HALT', ...why });
  assert.equal(halt.status, 200, halt.body);
  assert.equal(halt.json.outcome, 'done');
  assert.deepEqual(halt.json.unconfirmed, []);
  assert.ok(halt.json.effect_us > 0 && halt.json.effect_us < 1000000);
  const [entry] = chain(stage).filter((row) => row.seq === halt.json.audit);
  assert.equal(entry.action, 'symbol.mode');
  assert.equal(entry.actor, `key:${stage.ana.keyid}`);
  assert.equal(entry.reason, why.reason);
  assert.equal(entry.id, halt.json.journal);
  assert.equal((await notice).gw.audit, entry.id);
  const pair = await pairs;
  assert.equal(pair.gw.audit, entry.id);
  assert.deepEqual(pair.data.pairs.map((p) => [p.symbol, p.status]), [[SYMBOL, 'cancel_only']]);
  await sleep(100);
  const [count, tickers, rest] = [books(f.client), ws.messages.filter((m) => m.channel === 'ticker').length, await bookOf(stage, 25)];
  assert.equal(JSON.parse(rest.body).state, 'frozen');
  await sleep(600);
  assert.equal(books(f.client), count, 'no message of the book');
  assert.equal(ws.messages.filter((m) => m.channel === 'ticker').length, tickers, 'no message of the ticker');
  assert.deepEqual((await bookOf(stage, 25)).body, rest.body, 'REST shows the same book');
  assert.deepEqual(JSON.parse(rest.body).bids.map((l) => l.join(' ')), f.book.lines('bids'));
  for (const depth of [10, 100, 500, 1000]) { // whoever comes now gets the frozen one, whatever the depth
    const late = await follow(stage, { depth });
    for (const side of ['bids', 'asks']) assert.deepEqual(late.book.lines(side).slice(0, 25), f.book.lines(side).slice(0, depth), `depth ${depth}`);
    await sleep(60);
    assert.equal(books(late.client), 1);
    late.client.close();
  }
  const deep = await follow(stage, { depth: 1000 }); // stays
  const pairsNow = JSON.parse((await stage.get(`${stage.publicUrl}/0/public/AssetPairs?pair=${encodeURIComponent(SYMBOL)}`)).body);
  assert.equal(pairsNow.result[SYMBOL].status, 'cancel_only');
  const [resumed, back] = [f.client.next(isNotice('live', 'CANCEL_ONLY'), 5000, 'live again'), f.client.next((m) => m.channel === 'book', 5000, 'the book')];
  const answer = await loosen(stage, MODE, { mode: 'CANCEL_ONLY' });
  const done = chain(stage).find((row) => row.seq === answer.json.audit);
  assert.equal(done.outcome, 'approved');
  assert.equal((await resumed).gw.audit, done.id);
  assert.equal((await back).type, 'update', 'healed by the difference');
  assert.equal((await back).gw.audit, done.id);
  await loosen(stage, MODE, { mode: 'NORMAL' });
  assert.equal((await ws.waitFor((m) => m.channel === 'instrument' && m.type === 'update' && m.data.pairs[0].status === 'online', 3000)).data.pairs[0].symbol, SYMBOL);
  await sleep(300);
  assert.equal(f.snapshots, 1);
  await sameAsCore(stage, feeder, [f, deep]);
  await sameAsChain(stage);
}));

test('a hard halt withdraws the book: emptied, 503, and a snapshot when it is live again', within, () => withGate({}, async (stage) => {
  const feeder = stage.feed(...gateTape);
  const [f, deep] = [await follow(stage), await follow(stage, { depth: 500 })];
  const emptied = f.client.next((m) => m.channel === 'book' && m.gw.audit, 3000, 'the emptying update');
  const notice = f.client.next(isNotice('withdrawn', 'HARD_HALT'), 3000, 'the notice');
  const halt = await put(stage, stage.ben, MODE, { mode: 'HARD_HALT', ...why });
  assert.equal(halt.status, 200, halt.body);
  assert.equal((await emptied).type, 'update');
  assert.equal((await emptied).gw.audit, halt.json.journal);
  assert.equal((await notice).gw.audit, halt.json.journal);
  assert.deepEqual([f.book.lines('bids'), f.book.lines('asks')], [[], []]);
  const gone = await bookOf(stage);
  assert.deepEqual([gone.status, gone.headers['content-type'], gone.headers['retry-after']], [503, 'application/problem+json', '1'], gone.body);
  const problem = JSON.parse(gone.body);
  assert.deepEqual([problem.code, problem.title], ['halted', 'the book is withdrawn while its symbol is halted']);
  const place = /its status is in (\S+);/.exec(problem.detail)?.[1];
  assert.equal(place, '/0/public/AssetPairs', gone.body);
  const pairsNow = JSON.parse((await stage.get(`${stage.publicUrl}${place}?pair=${encodeURIComponent(SYMBOL)}`)).body);
  assert.equal(pairsNow.result[SYMBOL].status, 'maintenance', 'where the answer says, it is told');
  const late = await Client.connect(stage);
  await late.subscribe({ channel: 'book', symbol: [SYMBOL], depth: 10 });
  const snapshot = await late.waitFor((m) => m.channel === 'book', 3000, 'an answer to who comes now');
  assert.deepEqual([snapshot.type, snapshot.data[0].bids, snapshot.data[0].asks, snapshot.data[0].checksum], ['snapshot', [], [], 0]);
  await sleep(500);
  assert.deepEqual([f.book.lines('bids'), deep.book.lines('asks')], [[], []], 'and stays so');
  for (const mode of ['NORMAL', 'SOFT_HALT']) {
    refused(await put(stage, stage.ana, MODE, { mode, ...why }, { 'if-match': await etag(stage, MODE) }), 409, 'illegal-transition', /must not follow/);
  }
  const back = f.client.next((m) => m.channel === 'book', 5000, 'the book');
  await loosen(stage, MODE, { mode: 'CANCEL_ONLY' });
  assert.equal((await back).type, 'snapshot');
  assert.equal((await bookOf(stage)).status, 200);
  await sleep(400);
  assert.deepEqual([f.snapshots, deep.snapshots], [2, 2]);
  await sameAsCore(stage, feeder, [f, deep]);
  await sameAsChain(stage);
}));

test('cancel-only leaves the book live; tighter steps over it and back; a halt of all beside that of one', within, () => withGate({}, async (stage) => {
  const feeder = stage.feed(...gateTape);
  const f = await follow(stage);
  assert.equal((await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why })).status, 200);
  await f.client.next((m) => m.channel === 'book', 3000, 'still live');
  assert.equal(JSON.parse((await bookOf(stage)).body).state, 'live');
  assert.equal((await put(stage, stage.ana, modeOf('*'), { mode: 'SOFT_HALT', ...why })).status, 200);
  assert.equal(JSON.parse((await bookOf(stage)).body).state, 'frozen');
  assert.equal((await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why })).status, 200);
  assert.equal((await bookOf(stage)).status, 503);
  await loosen(stage, MODE, { mode: 'CANCEL_ONLY' }); // that of all still holds
  const one = (await stage.call(stage.ana, 'GET', `/v1/symbols/${encodeURIComponent(SYMBOL)}`)).json;
  assert.deepEqual([one.mode, one.effective_mode, one.decided_by_target], ['CANCEL_ONLY', 'SOFT_HALT', '*']);
  const seen = await bookOf(stage);
  assert.ok(seen.status === 503 || JSON.parse(seen.body).bids.length === 0, 'what was withdrawn is not shown before it is live');
  await loosen(stage, modeOf('*'), { mode: 'CANCEL_ONLY' });
  await f.client.next((m) => m.channel === 'book', 3000, 'live again');
  await sameAsCore(stage, feeder, [f]);
  await sameAsChain(stage);
}));

test('clients that lag merge frames across halts and resumptions, and hold the right book', within, () => withGate(
  { ws: { lag: '30s', lag_bytes: '64MiB', unsent_bytes: '4KiB', skip_bytes: '16KiB', ring_bytes: '512MiB' } }, async (stage) => {
  const tape = gateTape.map((word) => ({ 200: '3000', 2: '1' })[word] ?? word);
  const feeder = stage.feed(...tape);
  const modes = ['diff', 'snapshot', 'evict'];
  const all = [];
  for (const on_lag of modes) all.push(await follow(stage, { depth: 1000, interval_ms: 0, on_lag }));
  const gone = async () => { for (const f of all) f.client.socket._socket.pause(); await until('all are behind', 40000, async () => (await stage.metrics()).get('ws_choked_clients') === 3); };
  // What falls out of the ring evicts who asked for that: it is made so large that nothing does.
  const back = async () => { for (const f of all) f.client.socket._socket.resume(); await until('all are up again', 30000, async () => (await stage.metrics()).get('ws_choked_clients') === 0); };
  await gone(); // from before a soft halt to after it
  assert.equal((await put(stage, stage.ana, MODE, { mode: 'SOFT_HALT', ...why })).status, 200);
  await sleep(500);
  await loosen(stage, MODE, { mode: 'CANCEL_ONLY' });
  await sleep(300);
  await back();
  await gone(); // from before a hard halt to after it
  assert.equal((await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why })).status, 200);
  await sleep(500);
  await loosen(stage, MODE, { mode: 'CANCEL_ONLY' });
  await sleep(300);
  await back();
  await gone(); // and into one
  assert.equal((await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why })).status, 200);
  await sleep(300);
  await back();
  for (const f of all) await until(`${f.on_lag} is empty`, 10000, () => f.book.lines('bids').length + f.book.lines('asks').length === 0);
  await loosen(stage, MODE, { mode: 'CANCEL_ONLY' });
  await sleep(500);
  await sameAsCore(stage, feeder, all);
  for (const f of all) f.client.close();
}));

test('kill switch: status, released in stages, each held for a while', within, () => withGate({ gate: { stage_hold: '1500ms' } }, async (stage) => {
  stage.overrides = undefined;
  const ws = await watch(stage, 'instrument');
  await ws.waitFor((m) => m.channel === 'status', 3000);
  const KILL = '/v1/kill-switch';
  const told = ws.next((m) => m.channel === 'status', 3000, 'status');
  const kill = await put(stage, stage.ana, KILL, { engaged: true, ...why });
  assert.equal(kill.status, 200, kill.body);
  assert.equal((await told).data[0].system, 'cancel_only');
  assert.equal((await told).gw.audit, kill.json.journal);
  const system = JSON.parse((await stage.get(`${stage.publicUrl}/0/public/SystemStatus`)).body);
  assert.equal(system.result.status, 'cancel_only');
  let now = await stats(stage);
  assert.deepEqual([now.accepting_orders, now.kill_switch, now.halt_reason], [false, true, why.reason]);
  const status = JSON.parse((await stage.get(`${stage.publicUrl}/v1/status`)).body);
  assert.equal(status.accepting_orders, false, JSON.stringify(status));
  const REQUEST = `${KILL}/release-requests`;
  const one = await post(stage, stage.ana, REQUEST, { released_symbols: [SYMBOL], released_percent: 10, ...why });
  assert.equal(one.status, 202, one.body);
  refused(await approve(stage, stage.ana, one.headers.location), 403, 'self-approval');
  assert.equal((await approve(stage, stage.ben, one.headers.location)).status, 200);
  const cell = (await stage.call(stage.ana, 'GET', KILL)).json;
  assert.deepEqual([cell.engaged, cell.released_symbols, cell.released_percent, cell.approved_by], [true, [SYMBOL], 10, 'account:ben']);
  refused(await post(stage, stage.ana, REQUEST, { engaged: false, ...why }), 409, 'stage-hold', /holds for 1 s/);
  const modes = (await stage.call(stage.ana, 'GET', '/v1/symbols')).json.symbols;
  assert.deepEqual(modes.map((s) => [s.symbol, s.effective_mode]), [[SYMBOL, 'NORMAL'], [OTHER, 'CANCEL_ONLY']]);
  await sleep(1600);
  const end = await post(stage, stage.ana, REQUEST, { engaged: false, ...why });
  assert.equal(end.status, 202, end.body);
  const over = ws.next((m) => m.channel === 'status', 3000, 'status');
  assert.equal((await approve(stage, stage.ben, end.headers.location)).status, 200);
  assert.equal((await over).data[0].system, 'online');
  now = await stats(stage);
  assert.deepEqual([now.accepting_orders, now.kill_switch], [true, false]);
  refused(await post(stage, stage.ana, REQUEST, { engaged: false, released_percent: 10, ...why }), 422, 'validation');
  await sameAsChain(stage);
}));

test('withdrawals, throttle, account, upstream; the asset channel and REST', within, () => withGate({}, async (stage) => {
  const ws = await watch(stage, 'instrument');
  const assets = async () => Object.fromEntries(Object.entries(JSON.parse((await stage.get(`${stage.publicUrl}/0/public/Assets`)).body).result).map(([k, v]) => [k, v.status]));
  const told = ws.next((m) => m.channel === 'instrument' && m.type === 'update', 3000, 'assets');
  const W = '/v1/withdrawals';
  const one = await put(stage, stage.ana, W, { halted: true, asset: 'BTC', ...why });
  assert.equal(one.status, 200, one.body);
  assert.equal((await told).gw.audit, one.json.journal);
  assert.deepEqual((await told).data.assets.filter((a) => a.status === 'depositonly').map((a) => a.id), ['BTC']);
  assert.deepEqual(await assets(), { BTC: 'deposit_only', ETH: 'enabled', USD: 'enabled' });
  assert.equal((await put(stage, stage.ana, W, { halted: true, ...why })).status, 200);
  assert.deepEqual(new Set(Object.values(await assets())), new Set(['deposit_only']));
  assert.equal((await stats(stage)).withdrawals_halted, true);
  await loosen(stage, W, { halted: false });
  assert.deepEqual(await assets(), { BTC: 'deposit_only', ETH: 'enabled', USD: 'enabled' }, 'its own halt stays');
  await loosen(stage, `${W}?asset=BTC`, { halted: false, asset: 'BTC' }).catch((e) => { throw e; });
  assert.deepEqual(new Set(Object.values(await assets())), new Set(['enabled']));
  refused(await put(stage, stage.ana, W, { halted: true, asset: 'NOPE', ...why }), 404, 'not-found');

  const T = `/v1/symbols/${encodeURIComponent(SYMBOL)}/throttle`;
  assert.equal((await put(stage, stage.ana, T, { orders_per_s: 10, ...why })).status, 200);
  assert.equal((await put(stage, stage.ana, T, { orders_per_s: 5, ...why })).status, 200);
  await loosen(stage, T, { orders_per_s: 20 });
  await loosen(stage, T, { orders_per_s: null });
  const A = '/v1/accounts/desk-1/trading';
  assert.equal((await put(stage, stage.ana, A, { paused: true, ...why })).status, 200);
  assert.equal((await stage.call(stage.ana, 'GET', A)).json.paused, true);
  await loosen(stage, A, { paused: false });
  const U = '/v1/upstreams/active';
  const other = await put(stage, stage.ana, U, { active: 'alternate', ...why }, { 'if-match': '"0"' });
  assert.equal(other.status, 200, other.body);
  refused(await put(stage, stage.ana, U, { active: 'primary', ...why }, { 'if-match': '"0"' }), 412, 'version-conflict');
  assert.equal((await put(stage, stage.ana, U, { active: 'primary', ...why }, { 'if-match': other.headers.etag })).status, 200);
  await sameAsChain(stage);
}));

test('the fan-out profile takes one person, tells the clients and ends by itself', within, () => withGate({}, async (stage) => {
  stage.feed(...gateTape);
  const f = await follow(stage);
  const floor = () => stage.metrics().then((m) => m.get('fanout_floor_ms'));
  const before = await floor();
  const F = '/v1/fanout/profile';
  const told = f.client.next((m) => m.channel === 'gateway' && m.data[0].event === 'conflation', 4000, 'conflation');
  const expires_at = new Date(Date.now() + 6000).toISOString().replace('Z', '000Z');
  const set = await put(stage, stage.ana, F, { profile: 'degraded', conflation_ms: 250, expires_at, ...why }, { 'if-match': '*' });
  assert.equal(set.status, 200, set.body);
  await told;
  await until('the market thread keeps to it', 4000, async () => (await floor()) === 250);
  await until('it has ended', 15000, async () => (await floor()) === before);
  const cell = (await stage.call(stage.ana, 'GET', F)).json;
  assert.equal(cell.expires_at, expires_at, JSON.stringify(cell));
  refused(await put(stage, stage.ana, F, { profile: 'emergency', ...why }), 422, 'validation', /expires_at|ends by itself/);
}));

test('If-Match: asked for, exact, and * for tightening alone', within, () => withGate({}, async (stage) => {
  refused(await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why }, {}), 428, 'precondition-required', /If-Match/);
  refused(await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why }, { 'if-match': '"3"' }), 412, 'version-conflict');
  for (const bad of ['3', 'W/"3"', '"3", "4"', '""', '"-1"', '"03x"']) {
    refused(await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why }, { 'if-match': bad }), 422, 'validation', /If-Match/);
  }
  const tight = await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why }, { 'if-match': '"0"' });
  assert.equal(tight.status, 200, tight.body);
  assert.equal(tight.headers.etag, await etag(stage, MODE));
  const conflict = await put(stage, stage.ben, MODE, { mode: 'SOFT_HALT', ...why }, { 'if-match': '"0"' });
  refused(conflict, 412, 'version-conflict');
  assert.equal(conflict.headers.etag, tight.headers.etag, '412 says what it is now');
  refused(await put(stage, stage.ana, MODE, { mode: 'NORMAL', ...why }, { 'if-match': '*' }), 428, 'precondition-required', /tightening alone/);
  const again = await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', ...why });
  assert.deepEqual([again.status, again.json.outcome, again.headers.etag], [200, 'done', tight.headers.etag], 'a halt is a halt');
  assert.equal(orders(stage)[1].after, '[]', 'entered, though it has changed nothing');
  const free = await put(stage, stage.ana, modeOf(OTHER), { mode: 'NORMAL', ...why });
  assert.deepEqual([free.status, free.json.outcome], [200, 'nothing'], free.body);
  assert.equal(orders(stage).length, 2, 'what was refused or nothing is no entry');
  // a version of one cell is not moved by another
  await put(stage, stage.ana, modeOf(OTHER), { mode: 'CANCEL_ONLY', ...why });
  assert.equal(await etag(stage, MODE), tight.headers.etag);
}));

test('what a body may hold: reason, ticket, strangers, types; and a dry run that changes nothing', within, () => withGate({}, async (stage) => {
  const bad = async (body, code, status, text) => refused(await put(stage, stage.ana, MODE, body), status, code, text);
  await bad({ mode: 'SOFT_HALT' }, 'validation', 422, /missing/);
  await bad({ mode: 'SOFT_HALT', reason: 'too short' }, 'validation', 422, /10/);
  await bad({ mode: 'SOFT_HALT', reason: 'x'.repeat(501) }, 'validation', 422);
  await bad({ mode: 'SOFT_HALT', ...why, ticket: 'nonsense' }, 'validation', 422, /ticket looks like/);
  await bad({ mode: 'SOFT_HALT', ...why, moed: 1 }, 'validation', 422, /moed|member/);
  await bad({ mode: 'SOFTHALT', ...why }, 'validation', 422);
  await bad({ mode: 3, ...why }, 'validation', 422);
  await bad({ ...why }, 'validation', 422);
  await bad([], 'validation', 422).catch(() => bad([], 'malformed', 400));
  refused(await put(stage, stage.ana, modeOf('NO/PE'), { mode: 'SOFT_HALT', ...why }), 404, 'not-found');
  for (const body of ['{"mode":"SOFT_HALT"', '{"mode":"SOFT_HALT","mode":"NORMAL","reason":"a test of the gate"}', '']) {
    const url = `${stage.adminUrl}${MODE}`;
    const answer = await stage.send('PUT', url, stage.ana.headers('PUT', url, body, { headers: { 'if-match': '*' } }), body);
    assert.equal(answer.status, 400, `${body}: ${answer.body}`);
  }
  const dry = await put(stage, stage.ana, `${MODE}?dry_run=true`, { mode: 'HARD_HALT', ...why });
  assert.equal(dry.status, 200, dry.body);
  assert.deepEqual([dry.json.dry_run, dry.json.diff.direction, dry.json.needs], [true, 'TIGHTEN', 'one person']);
  assert.equal(dry.json.blast_radius.symbols, 1);
  assert.equal((await control(stage)).version, 0);
  const untold = await put(stage, stage.ana, MODE, { mode: 'SOFT_HALT', reason: why.reason }); // a halt does not wait for a ticket
  assert.equal(untold.status, 200, untold.body);
  refused(await put(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY', reason: why.reason }, { 'if-match': untold.headers.etag }), 422, 'validation', /ticket/);
  // texts at their limits, of many bytes each, get through to the chain
  const long = await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', reason: '停'.repeat(500), ticket: 'OPS-1', incident: '停'.repeat(64) });
  assert.deepEqual([long.status, long.json.outcome], [200, 'done'], long.body);
  const dryLoose = await put(stage, stage.ana, `${MODE}?dry_run=true`, { mode: 'CANCEL_ONLY', ...why }, { 'if-match': long.headers.etag });
  assert.deepEqual([dryLoose.status, dryLoose.json.diff.direction, dryLoose.json.needs], [200, 'LOOSEN', 'a second person']);
  assert.equal((await stage.call(stage.ana, 'GET', '/v1/changes')).json.changes.length, 0);
  await sameAsChain(stage);
}));

test('who may: halting, loosening and approving are different rights', within, () => withGate({}, async (stage) => {
  const halter = await newKey(stage, 'guard', { scopes: ['control.read', 'control.halt'] });
  const reader = await newKey(stage, 'reader', { scopes: ['control.read', 'audit.read'] });
  refused(await put(stage, reader, MODE, { mode: 'SOFT_HALT', ...why }), 403, 'forbidden-role');
  const halt = await put(stage, halter, MODE, { mode: 'SOFT_HALT', ...why });
  assert.equal(halt.status, 200, halt.body);
  refused(await put(stage, halter, MODE, { mode: 'CANCEL_ONLY', ...why }, { 'if-match': halt.headers.etag }), 403, 'forbidden-role', /control\.loosen/);
  const location = await ask(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY' });
  const { hash } = await change(stage, location);
  for (const who of [halter, reader]) refused(await post(stage, who, `${location}/approve`, { hash }), 403, 'forbidden-role');
  refused(await put(stage, halter, '/v1/fanout/profile', { profile: 'normal', ...why }), 403, 'forbidden-role');
  assert.equal((await change(stage, location)).state, 'pending');
}));

test('Idempotency-Key: asked for, replayed word for word, not for something else, also across a restart', within, () => withGate({}, async (stage) => {
  const SET = '/v1/symbols:set-mode';
  const body = { symbols: [SYMBOL, OTHER], mode: 'SOFT_HALT', ...why };
  refused(await post(stage, stage.ana, SET, body, {}), 400, 'idempotency-key-missing');
  refused(await post(stage, stage.ana, SET, body, { 'idempotency-key': 'x'.repeat(256) }), 422, 'validation');
  const key = once();
  const first = await post(stage, stage.ana, SET, body, key);
  assert.deepEqual([first.status, first.json.outcome], [200, 'done'], first.body);
  const same = async (what, answer, then) => {
    assert.equal(answer.headers['idempotency-replayed'], 'true', `${what}: ${answer.status} ${answer.body}`);
    assert.deepEqual([answer.status, answer.body], [then.status, then.body], what);
  };
  await same('at once', await post(stage, stage.ana, SET, body, key), first);
  refused(await post(stage, stage.ana, SET, { ...body, mode: 'HARD_HALT' }, key), 422, 'idempotency-mismatch');
  assert.equal((await post(stage, stage.ben, SET, body, key)).headers['idempotency-replayed'], undefined, 'another person has keys of her own');
  // a PUT may have one, too: its repetition is answered though its version has moved
  const putKey = { 'if-match': await etag(stage, MODE), ...once() };
  const hard = await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why }, putKey);
  assert.equal(hard.status, 200, hard.body);
  await same('a PUT', await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why }, putKey), hard);
  // a request to loosen
  const KILL = '/v1/kill-switch';
  await put(stage, stage.ana, KILL, { engaged: true, ...why });
  const askKey = once();
  const release = { engaged: false, ...why };
  const asked = await post(stage, stage.ana, `${KILL}/release-requests`, release, askKey);
  assert.equal(asked.status, 202, asked.body);
  await same('a request', await post(stage, stage.ana, `${KILL}/release-requests`, release, askKey), asked);
  assert.equal((await stage.call(stage.ana, 'GET', '/v1/changes?open=true')).json.changes.length, 1);
  const twins = await Promise.all([1, 2, 3, 4].map(() => post(stage, stage.ben, `${KILL}/release-requests`, release, { 'idempotency-key': 'twins' })));
  assert.equal(twins.filter((t) => t.status === 202 && t.headers['idempotency-replayed'] === undefined).length, 1, twins.map((t) => t.body).join('\n'));
  for (const t of twins.filter((a) => a.status !== 202)) refused(t, 409, 'idempotency-in-progress');
  const approveKey = once();
  const { hash } = await change(stage, asked.headers.location);
  const approved = await post(stage, stage.ben, `${asked.headers.location}/approve`, { hash }, approveKey);
  assert.equal(approved.status, 200, approved.body);
  await same('an approval', await post(stage, stage.ben, `${asked.headers.location}/approve`, { hash }, approveKey), approved);
  await same('a request that was carried out', await post(stage, stage.ana, `${KILL}/release-requests`, release, askKey), asked);
  const before = orders(stage).length;
  await stage.stopGateway('SIGKILL');
  await stage.startGateway(stage.overrides);
  await knows(stage, stage.ana);
  await same('a halt after a restart', await post(stage, stage.ana, SET, body, key), first);
  await same('a request after a restart', await post(stage, stage.ana, `${KILL}/release-requests`, release, askKey), asked);
  await same('a PUT after a restart', await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why }, putKey), hard);
  await same('an approval after a restart', await post(stage, stage.ben, `${asked.headers.location}/approve`, { hash }, approveKey), approved);
  refused(await post(stage, stage.ana, SET, { ...body, mode: 'HARD_HALT' }, key), 422, 'idempotency-mismatch');
  assert.equal(orders(stage).length, before, 'no second effect');
  // after it was lifted by two, an old repetition does not halt again
  await loosen(stage, modeOf(OTHER), { mode: 'CANCEL_ONLY' });
  await stage.stopGateway('SIGKILL');
  await stage.startGateway(stage.overrides);
  await knows(stage, stage.ana);
  await sleep(500);
  await same('a repetition after the resumption', await post(stage, stage.ana, SET, body, key), first);
  assert.equal((await stage.call(stage.ana, 'GET', modeOf(OTHER))).json.mode, 'CANCEL_ONLY');
  await sameAsChain(stage);
}));

test('a client that hangs up and asks again gets the answer, not a second effect', within, () => withGate({ gate: { chain_wait: '5s' } }, async (stage) => {
  const SET = '/v1/symbols:set-mode';
  const body = JSON.stringify({ symbols: [SYMBOL], mode: 'SOFT_HALT', ...why });
  const key = once();
  stage.sql('CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.7); RETURN NEW; END $$;'
    + ' CREATE TRIGGER slow BEFORE INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION slow()');
  const url = `${stage.adminUrl}${SET}`;
  const { default: https } = await import('node:https');
  const { readFileSync } = await import('node:fs');
  await new Promise((resolve) => {
    const request = https.request(url, { method: 'POST', ca: readFileSync(stage.ca), agent: false,
      headers: { ...stage.ana.headers('POST', url, body, { headers: key }), 'content-length': Buffer.byteLength(body) } });
    request.on('error', resolve);
    request.end(body);
    setTimeout(() => request.destroy(), 250);
  });
  await until('in the chain', 5000, () => orders(stage).length === 1);
  await sleep(100);
  const again = await post(stage, stage.ana, SET, JSON.parse(body), key);
  assert.equal(again.status, 200, again.body);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  assert.equal(again.json.outcome, 'done');
  assert.equal(orders(stage).length, 1);
}));

test('four eyes: refused to who asked, to a second key of hers, late, altered, moved, twice', within, () => withGate({ gate: { change_ttl: '1500ms' } }, async (stage) => {
  await put(stage, stage.ben, MODE, { mode: 'SOFT_HALT', ...why });
  const state = async (location) => (await change(stage, location)).state;
  const tryAll = async (location, who, code) => refused(await approve(stage, who, location), 403, code);

  let location = await ask(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY' });
  await tryAll(location, stage.ana, 'self-approval');
  await tryAll(location, await newKey(stage, 'ana'), 'self-approval'); // another key of one account
  newUser(stage, 'carla');
  const carla = [await newKey(stage, 'desk-1', { owner: 'carla' }), await newKey(stage, 'desk-2', { owner: 'carla' })];
  const carlas = await ask(stage, carla[0], MODE, { mode: 'CANCEL_ONLY' });
  assert.equal((await change(stage, carlas)).requested_by, 'user:carla');
  await tryAll(carlas, carla[1], 'self-approval'); // keys of two accounts with one owner
  const desk = await newKey(stage, 'desk-1'); // nobody's key of an account of hers may be hers
  await tryAll(carlas, desk, 'self-approval');
  const desks = await ask(stage, desk, MODE, { mode: 'CANCEL_ONLY' });
  await tryAll(desks, carla[0], 'self-approval');

  location = await ask(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY' });
  refused(await post(stage, stage.ben, `${location}/approve`, {}), 412, 'payload-differs');
  refused(await post(stage, stage.ben, `${location}/approve`, { hash: '0'.repeat(64) }), 412, 'payload-differs');
  refused(await post(stage, stage.ben, `${location}/approve`, { hash: '0'.repeat(64), also: 1 }), 422, 'validation');
  const { hash } = await change(stage, location);
  assert.throws(() => stage.sql(`UPDATE change_requests SET record = replace(record, 'CANCEL_ONLY', 'NORMAL') WHERE id = '${location.split('/').pop()}'`), /cannot be altered/);
  assert.throws(() => stage.sql(`UPDATE change_requests SET state = 'approved', decided_at = now(), decided_by = person, result_audit = 1 WHERE id = '${location.split('/').pop()}'`), /change_requests_two/);
  // who writes past the guard alters what the hash is over
  stage.sql(`ALTER TABLE change_requests DISABLE TRIGGER change_requests_guard; UPDATE change_requests SET record = replace(record, 'CANCEL_ONLY', 'NORMAL') WHERE id = '${
    location.split('/').pop()}'; ALTER TABLE change_requests ENABLE TRIGGER change_requests_guard`);
  refused(await post(stage, stage.ben, `${location}/approve`, { hash }), 412, 'payload-differs');

  location = await ask(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY' });
  await sleep(1600);
  refused(await approve(stage, stage.ben, location), 409, 'approval-expired');
  assert.equal(await state(location), 'expired');

  location = await ask(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY' });
  await put(stage, stage.ben, MODE, { mode: 'HARD_HALT', ...why });
  refused(await approve(stage, stage.ben, location), 412, 'version-conflict', /has changed since it was asked for/);
  assert.equal((await stage.call(stage.ana, 'GET', MODE)).json.mode, 'HARD_HALT');

  location = await ask(stage, stage.ana, MODE, { mode: 'CANCEL_ONLY' });
  const found = await change(stage, location);
  const answers = await Promise.all([stage.ben, await newKey(stage, 'dora')].map((who) => post(stage, who, `${location}/approve`, { hash: found.hash })));
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, 409], answers.map((a) => a.body).join('\n'));
  refused(await post(stage, stage.ben, `${location}/approve`, { hash: found.hash }), 409, 'change-decided', /approved/);

  location = await ask(stage, stage.ana, MODE, { mode: 'NORMAL' });
  refused(await post(stage, stage.ben, `${location}/cancel`, {}), 403, 'forbidden-role', /only account:ana/);
  assert.equal((await post(stage, stage.ben, `${location}/reject`, { reason: 'not yet, says ben' })).status, 200);
  assert.deepEqual([(await change(stage, location)).state, (await change(stage, location)).decided_why], ['rejected', 'not yet, says ben']);
  refused(await approve(stage, stage.ben, location), 409, 'change-decided', /rejected/);
  location = await ask(stage, stage.ana, MODE, { mode: 'NORMAL' });
  assert.equal((await post(stage, stage.ana, `${location}/cancel`, {})).status, 200);
  refused(await approve(stage, stage.ben, location), 409, 'change-decided', /cancelled/);
  refused(await post(stage, stage.ben, '/v1/changes/01ARZ3NDEKTSV4RRFFQ69G5FAV/approve', { hash }), 404, 'not-found');
  refused(await stage.call(stage.ben, 'GET', '/v1/changes/01ARZ3NDEKTSV4RRFFQ69G5FAV'), 404, 'not-found');
  refused(await post(stage, stage.ben, '/v1/changes/nonsense/approve', { hash }), 404, 'not-found');
  // the same signed approval once more
  location = await ask(stage, stage.ana, MODE, { mode: 'NORMAL' });
  const body = JSON.stringify({ hash: (await change(stage, location)).hash });
  const url = `${stage.adminUrl}${location}/approve`;
  const headers = stage.ben.headers('POST', url, body, { headers: once() });
  assert.equal((await stage.send('POST', url, headers, body)).status, 200);
  assert.equal((await stage.send('POST', url, headers, body)).status, 401);
  const rows = await sameAsChain(stage);
  for (const row of rows.filter((r) => r.outcome === 'approved')) {
    const [{ requested_by, request_audit, sha256 }] = JSON.parse(row.approvals);
    const asked = rows.find((r) => r.seq === request_audit);
    assert.equal(asked.outcome, 'requested');
    assert.equal(asked.request_sha256, sha256);
    assert.ok(requested_by && asked.actor !== row.actor);
  }
}));
void SCOPES;
