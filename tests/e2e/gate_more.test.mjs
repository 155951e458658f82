// More of the gate: what is asked of the core is asked once; what a gateway does when a store cannot vouch.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { freezePg, gateTape, killPg, knows, loosen, modeOf, newKey, once, post, put, startPg, thawPg, why, withGate } from './harness/gate.mjs';
import { buildDir, sleep, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 180000 };
const withPeople = (overrides, body) => withGate(overrides, (stage) => {
  stage.people = (name, roles) => Person.make(stage, name, roles);
  return body(stage);
});
const CANCEL = '/v1/symbols/BTC%2FUSD/cancel-all';
const MODE = modeOf('BTC/USD');
const refused = (answer, status, code, pattern = /./) => {
  assert.deepEqual([answer.status, answer.json?.code], [status, code], answer.body);
  assert.match(answer.body, pattern);
};
const again = (answer, first) => assert.deepEqual([answer.headers['idempotency-replayed'], answer.status, answer.body, answer.headers.location],
  ['true', 202, first.body, first.headers.location], answer.body);
// Commands that Redis was given, by what they ask.
const asked = (stage) => stage.redisCommand('--raw', 'XRANGE', 'control:commands', '-', '+').split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
const linked = (stage) => until('the link', 10000, async () => (await stage.call(stage.ana, 'GET', '/v1/commands')).json?.core.linked);

test('cancel-all and its cancel: one effect and one answer for an Idempotency-Key, at every gateway, across restarts', within, () => withGate({}, async (stage) => {
  await linked(stage);
  const other = await stage.replica(stage.overrides);
  await knows(other, other.ana);
  await linked(other);
  await until('each says that limits.gateways is too small', 5000, () => [stage, other].every((s) => /more_than_configured.*"gateways":2,"configured":1/.test(s.gateway.errors)));
  refused(await post(stage, stage.ana, CANCEL, why, {}), 400, 'idempotency-key-missing');
  const key = once();
  const first = await post(stage, stage.ana, CANCEL, why, key);
  assert.equal(first.status, 202, first.body);
  assert.equal(first.headers['idempotency-replayed'], undefined);
  again(await post(stage, stage.ana, CANCEL, why, key), first);
  refused(await post(stage, stage.ana, CANCEL, { ...why, confirm: 'btc/usd' }), 422, 'validation', /`BTC\/USD`/);
  refused(await post(stage, stage.ana, '/v1/symbols/*/cancel-all', { ...why, confirm: '*' }), 422, 'validation', /`ALL`/);
  refused(await post(stage, stage.ana, CANCEL, { ...why, reason: 'something else entirely' }, key), 422, 'idempotency-mismatch');
  refused(await post(stage, stage.ana, '/v1/symbols/ETH%2FUSD/cancel-all', why, key), 422, 'idempotency-mismatch');
  refused(await post(stage, stage.ana, `/v1/commands/${first.json.command.id}/cancel`, why, key), 422, 'idempotency-mismatch');
  const bens = await post(stage, stage.ben, CANCEL, why, key);
  assert.equal(bens.headers['idempotency-replayed'], undefined, 'another person has keys of her own');
  await until('the other gateway has read it', 5000, async () => (await other.call(other.ana, 'GET', first.headers.location)).status === 200);
  again(await post(other, other.ana, CANCEL, why, key), first);

  const giveUp = `${first.headers.location}/cancel`;
  refused(await post(stage, stage.ana, giveUp, why, {}), 400, 'idempotency-key-missing');
  const second = once();
  refused(await post(stage, stage.ana, giveUp, { ...why, confirm: 'ALL' }), 422, 'validation', /`BTC\/USD`/);
  const gone = await post(stage, stage.ana, giveUp, why, second);
  assert.deepEqual([gone.status, gone.json.command.state, gone.json.command.id], [202, 'cancelled', first.json.command.id], gone.body);
  again(await post(stage, stage.ana, giveUp, why, second), gone);
  refused(await post(stage, stage.ana, giveUp, why), 409, 'change-decided');
  await until('both have gone out', 5000, () => asked(stage).length === 3);

  await stage.stopGateway('SIGKILL');
  await killPg(stage); // what was asked is known without it
  startPg(stage);
  await stage.startGateway(stage.overrides);
  await knows(stage, stage.ana);
  await linked(stage);
  again(await post(stage, stage.ana, CANCEL, why, key), first);
  again(await post(stage, stage.ana, giveUp, why, second), gone);
  again(await post(other, other.ana, giveUp, why, second), gone);
  assert.deepEqual(asked(stage).map((e) => e.kind), ['cancel_all', 'cancel_all', 'cancel']);

  // the same key at two gateways in the same instant names one command
  for (let i = 0; i < 20; i++) {
    const twin = once();
    await Promise.all([stage, other].map((where) => post(where, where.ana, CANCEL, why, twin)));
  }
  const done = 3 + 20;
  await until('all have gone out', 5000, async () => (await stage.call(stage.ana, 'GET', '/v1/commands')).json.core.queued + (await other.call(other.ana, 'GET', '/v1/commands')).json.core.queued === 0);
  const entries = asked(stage);
  assert.equal(entries.length, done);
  assert.equal(new Set(entries.filter((e) => e.kind === 'cancel_all').map((e) => e.once)).size, done - 1);
}));

test('a signed request that asks the core for something acts once, whoever vouches for its nonce', within, () => withGate({}, async (stage) => {
  await linked(stage);
  const url = `${stage.adminUrl}${CANCEL}`;
  const body = JSON.stringify(why);
  const shot = () => stage.ana.headers('POST', url, body, { headers: once() });
  const replay = async (headers) => { const a = await stage.send('POST', url, headers, body); return { ...a, json: JSON.parse(a.body) }; };
  const here = shot();
  assert.equal((await replay(here)).status, 202);
  refused(await replay(here), 401, 'replay-detected');
  refused(await replay({ ...here, ...once() }), 401, 'unauthenticated');
  await stage.killRedis();
  await until('Redis is missed', 5000, async () => (await stage.call(stage.ana, 'GET', '/v1/commands')).json?.core.linked === false);
  refused(await replay(here), 401, 'replay-detected');
  const away = shot();
  const queued = await replay(away);
  assert.deepEqual([queued.status, queued.json.command.state, queued.json.command.sent], [202, 'requested', false], queued.body);
  refused(await replay(away), 401, 'replay-detected');
  await killPg(stage);
  refused(await replay(shot()), 503, 'unavailable');
  assert.equal((await put(stage, stage.ana, MODE, { mode: 'HARD_HALT', ...why })).status, 202, 'a halt needs neither');
  startPg(stage);
  await stage.startRedis(); // an empty one: what was signed before is refused or known
  await until('it has gone out', 20000, () => asked(stage).length === 1);
  refused(await replay(here), 401, 'replay-detected');
  refused(await replay(away), 401, 'replay-detected');
  assert.equal(asked(stage).length, 1);

  // begun without Redis: what was asked before is not known
  await stage.stopGateway();
  await stage.killRedis();
  await stage.startGateway(stage.overrides);
  await knows(stage, stage.ana);
  refused(await replay(shot()), 503, 'unavailable', /not known yet/);
  await stage.startRedis();
  await linked(stage);
  await until('it is taken', 10000, async () => (await replay(shot())).status === 202);
}));

test('groups: a mode of group:NAME holds for its members, on the wire, in REST, in portctl; one that no file names is refused', within, () => withGate({}, async (stage) => {
  const file = readFileSync(stage.symbolsFile, 'utf8');
  const start = async (groups) => {
    writeFileSync(stage.symbolsFile, `${file}\n${groups}`);
    await stage.startGateway(stage.overrides);
    await knows(stage, stage.ana);
  };
  await stage.stopGateway();
  for (const [groups, pattern] of [['groups: [a]', /groups: expected names/], ['groups: {a: BTC\/USD}', /a: expected a list/], ['groups: {a: [XRP\/USD]}', /a: no symbol of this file/],
    ['groups: {A B: [BTC\/USD]}', /name of a group is/]]) {
    await assert.rejects(start(groups), pattern);
  }
  await start('groups:\n  dollar: ["*/USD"]\n  first: [BTC/USD]\n');
  stage.feed(...gateTape);
  await until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="ETH/USD"}') === 1);
  const ws = await Client.connect(stage);
  const told = [];
  ws.onMessage = (m) => { if (m.channel === 'gateway' && m.data[0].event === 'symbol') for (const s of m.data[0].symbols) told.push(`${s} ${m.data[0].mode}`); };
  await ws.subscribe({ channel: 'book', symbol: ['BTC/USD', 'ETH/USD'], depth: 10, gw: { interval_ms: 20 } });
  const group = (name) => `/v1/symbols/group%3A${name}/mode`;
  const symbol = async (name) => (await stage.call(stage.ana, 'GET', `/v1/symbols/${encodeURIComponent(name)}`)).json;

  refused(await put(stage, stage.ana, group('nobody'), { mode: 'SOFT_HALT', ...why }), 404, 'not-found', /group:nobody/);
  refused(await stage.call(stage.ana, 'GET', group('nobody')), 404, 'not-found', /group:nobody/);
  refused(await post(stage, stage.ana, '/v1/symbols:set-mode', { scope: 'group:nobody', mode: 'SOFT_HALT', ...why }), 404, 'not-found', /group:nobody/);
  for (const [name, symbols] of [['dollar', 2], ['first', 1]]) {
    const dry = await put(stage, stage.ana, `${group(name)}?dry_run=true`, { mode: 'SOFT_HALT', ...why });
    assert.deepEqual([dry.status, dry.json.blast_radius.symbols, dry.json.blast_radius.subscriptions, dry.json.blast_radius.clients, dry.json.confirm], [200, symbols, symbols, 1, `group:${name}`], dry.body);
  }
  assert.deepEqual((await symbol('BTC/USD')).groups, ['dollar', 'first']);
  const halted = await put(stage, stage.ana, group('dollar'), { mode: 'SOFT_HALT', ...why });
  assert.deepEqual([halted.status, halted.json.resource.target, halted.json.resource.mode], [200, 'group:dollar', 'SOFT_HALT'], halted.body);
  await until('on the wire', 3000, () => told.includes('BTC/USD SOFT_HALT') && told.includes('ETH/USD SOFT_HALT'));
  for (const name of ['BTC/USD', 'ETH/USD']) {
    const s = await symbol(name);
    assert.deepEqual([s.mode, s.effective_mode, s.decided_by_kind, s.decided_by_target], ['NORMAL', 'SOFT_HALT', 'mode', 'group:dollar']);
  }
  assert.equal((await stage.call(stage.ana, 'GET', '/v1/symbols?halted=true')).json.symbols.length, 2);
  // the tightest of symbol, group, all
  assert.equal((await post(stage, stage.ana, '/v1/symbols:set-mode', { scope: 'group:first', mode: 'HARD_HALT', ...why })).status, 200);
  assert.deepEqual([(await symbol('BTC/USD')).effective_mode, (await symbol('BTC/USD')).decided_by_target], ['HARD_HALT', 'group:first']);
  assert.equal((await put(stage, stage.ana, modeOf('ETH/USD'), { mode: 'HARD_HALT', ...why })).status, 200);
  assert.deepEqual([(await symbol('ETH/USD')).effective_mode, (await symbol('ETH/USD')).decided_by_target], ['HARD_HALT', 'ETH/USD']);
  await loosen(stage, modeOf('ETH/USD'), { mode: 'CANCEL_ONLY' });
  assert.deepEqual([(await symbol('ETH/USD')).effective_mode, (await symbol('ETH/USD')).decided_by_target], ['SOFT_HALT', 'group:dollar']);
  const portctl = (...args) => execFileSync(path.join(buildDir, 'portctl'), args, { encoding: 'utf8',
    env: { ...process.env, ADMIN_URL: stage.adminUrl, ADMIN_KEY_FILE: stage.ana.file, ADMIN_KEY_ID: stage.ana.keyid, PORTCTL_CA: stage.ca } });
  assert.match(portctl('halt', '--group', 'dollar', '--hard', '--reason', why.reason, '--ticket', why.ticket, '--yes'), /in force/);
  assert.match(portctl('status'), /ETH\/USD +HARD_HALT +mode +group:dollar/);
  await stage.stopGateway('SIGKILL');
  await start('groups:\n  dollar: ["*/USD"]\n');
  assert.deepEqual([(await symbol('BTC/USD')).effective_mode, (await symbol('BTC/USD')).groups], ['HARD_HALT', ['dollar']]);
  ws.close();
}));

test('what a change needs follows from its direction; set-mode answers all it names; one change is one object; status --check', within, () => withGate({}, async (stage) => {
  const opener = await newKey(stage, 'opener', { scopes: ['control.read', 'control.open'] });
  const halter = await newKey(stage, 'halter', { scopes: ['control.read', 'control.halt'] });
  const reader = await newKey(stage, 'reader', { scopes: ['control.read'] });
  const portctl = (...args) => spawnSync(path.join(buildDir, 'portctl'), args, { encoding: 'utf8',
    env: { ...process.env, ADMIN_URL: stage.adminUrl, ADMIN_KEY_FILE: stage.ana.file, ADMIN_KEY_ID: stage.ana.keyid, PORTCTL_CA: stage.ca } });
  const fine = portctl('status', '--check');
  assert.deepEqual([fine.status, fine.stdout], [0, 'nothing is held back, nothing waits\n'], fine.stderr);

  const targets = [[MODE, { mode: 'SOFT_HALT' }, { mode: 'NORMAL' }], ['/v1/withdrawals', { halted: true }, { halted: false }], ['/v1/accounts/desk/trading', { paused: true }, { paused: false }],
    ['/v1/symbols/BTC%2FUSD/throttle', { orders_per_s: 5 }, { orders_per_s: 50 }]];
  for (const [target, tight, loose] of targets) {
    for (const who of [opener, reader]) refused(await put(stage, who, target, { ...tight, ...why }), 403, 'forbidden-role', /control\.tighten/);
    assert.equal((await put(stage, halter, target, { ...tight, ...why })).json.outcome, 'done', target);
    const match = { 'if-match': (await stage.call(reader, 'GET', target)).headers.etag };
    refused(await put(stage, halter, target, { ...loose, ...why }, match), 403, 'forbidden-role', /control\.loosen/);
    refused(await put(stage, reader, target, { ...loose, ...why }, match), 403, 'forbidden-role');
    const asked = await put(stage, opener, target, { ...loose, ...why }, match);
    assert.deepEqual([asked.status, asked.json.outcome], [202, 'requested'], asked.body);
    const one = await stage.call(reader, 'GET', asked.headers.location);
    assert.deepEqual([Object.keys(one.json), one.json.change.state], [['change'], 'pending'], one.body);
  }
  const held = portctl('status', '--check');
  assert.equal(held.status, 7, held.stderr);
  assert.match(held.stdout, /^something is held back; a request waits for a second person\n$/);

  const SET = '/v1/symbols:set-mode';
  refused(await post(stage, opener, SET, { symbols: ['BTC/USD', 'ETH/USD'], mode: 'SOFT_HALT', ...why }), 403, 'forbidden-role', /control\.tighten/);
  const body = { symbols: ['BTC/USD', 'ETH/USD'], mode: 'SOFT_HALT', ...why }; // the first is so already
  const key = once();
  const set = await post(stage, halter, SET, body, key);
  assert.deepEqual([set.status, set.json.resources.map((r) => [r.target, r.mode])], [200, [['BTC/USD', 'SOFT_HALT'], ['ETH/USD', 'SOFT_HALT']]], set.body);
  assert.equal((await post(stage, halter, SET, body, key)).body, set.body);
}));

test('a halt is answered at once as journaled when PostgreSQL is known to be away, also by a session and with Redis dead', within, () => withPeople({ gate: { chain_wait: '3s' } }, async (stage) => {
  const ana = stage.people('ana', 'operator');
  assert.equal((await ana.logIn()).status, 200);
  const halt = async (mode) => {
    const since = performance.now();
    const answer = await ana.call('PUT', MODE, { mode, ...why }, { 'if-match': '*' });
    return [answer.status, answer.json.outcome, performance.now() - since];
  };
  assert.deepEqual((await halt('CANCEL_ONLY')).slice(0, 2), [200, 'done']);
  freezePg(stage);
  try {
    await sleep(4000); // it has not answered the question for its head
    for (const mode of ['SOFT_HALT', 'CANCEL_ONLY']) { // the second changes nothing
      const [status, outcome, ms] = await halt('SOFT_HALT');
      assert.ok(mode === 'CANCEL_ONLY' || (status === 202 && outcome === 'journaled'), `${status} ${outcome}`);
      assert.ok(ms < 1500, `answered after ${ms} ms`);
    }
    await stage.killRedis();
    const [status, outcome, ms] = await halt('HARD_HALT');
    assert.deepEqual([status, outcome], [202, 'journaled']);
    assert.ok(ms < 1500, `answered after ${ms} ms`);
    console.log(`session, PostgreSQL hanging and Redis dead: answered after ${Math.round(ms)} ms`);
  } finally {
    thawPg(stage);
  }
}));

test('a session obtains a WebSocket token, and its connection ends with it; events are those its roles may read', within, () => withPeople({ ws: { require_token: true } }, async (stage) => {
  stage.feed(...gateTape);
  const ana = stage.people('ana', 'operator');
  const eve = stage.people('eve', 'auditor');
  for (const who of [ana, eve]) assert.equal((await who.logIn()).status, 200);
  const given = await ana.call('POST', '/v1/ws-token', {});
  assert.equal(given.status, 200, given.body);
  const ws = await Client.connect(stage);
  await ws.subscribe({ channel: 'ticker', symbol: ['BTC/USD'], token: given.json.token });
  assert.equal((await ana.call('DELETE', '/v1/session', {})).status, 200);
  assert.equal((await ws.closed).code, 4003);
  assert.equal((await ana.logIn()).status, 200);

  const streams = [];
  for (const who of [ana, eve]) {
    const seen = [];
    const request = https.get(`${stage.adminUrl}/v1/admin/events`, { ca: readFileSync(stage.ca), agent: false, headers: { cookie: `__Host-sid=${who.cookie}` } }, (response) => {
      response.setEncoding('utf8');
      response.on('data', (data) => { seen.push(data); });
    });
    request.on('error', () => {});
    streams.push({ seen, text: () => seen.join(''), end: () => request.destroy() });
  }
  await until('both are open', 5000, () => streams.every((s) => s.text() !== ''));
  assert.equal((await ana.call('PUT', MODE, { mode: 'SOFT_HALT', ...why }, { 'if-match': '*' })).status, 200);
  await until('the auditor sees the entry', 5000, () => /event: audit\ndata: .*symbol\.mode/.test(streams[1].text()));
  await until('the operator sees the state', 5000, () => /event: state/.test(streams[0].text()));
  const id = /id: (\d+)\nevent: audit\ndata: [^\n]*symbol\.mode/.exec(streams[1].text())[1];
  await until('and its number', 5000, () => streams[0].text().includes(`id: ${id}\n\n`));
  assert.doesNotMatch(streams[0].text(), /event: audit|symbol\.mode/);
  for (const s of streams) s.end();
}));

test('log-in while Redis is away: PostgreSQL counts the tries of a user over all gateways; without it, 503', within, () => withPeople({}, async (stage) => {
  const ana = stage.people('ana', 'operator');
  const other = await stage.replica(stage.overrides);
  const there = new Person(other, ana.name, ana.password, ana.secret);
  await stage.killRedis();
  assert.equal((await ana.logIn()).status, 200);
  const wrong = { password: 'not the right one, at all', code: '000000' };
  for (const who of [ana, there, ana, there, ana]) refused(await who.logIn(wrong), 401, 'unauthenticated');
  there.used = ana.used; // five tries at two gateways: no try is judged now, at either
  refused(await there.logIn(), 401, 'unauthenticated');
  assert.equal(stage.sql("SELECT failures >= 5 AND locked_until > now() FROM users WHERE name = 'ana'"), 't');
  await killPg(stage);
  await until('it is missed', 5000, async () => (await ana.logIn(wrong)).status === 503);
  refused(await there.logIn(wrong), 503, 'unavailable', /PostgreSQL/);
  startPg(stage);
}));
