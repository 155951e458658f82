// Whom an act reaches, counted from real connections and keys; and what was typed to confirm it, compared by the gateway.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, change, control, etag, gateTape, knows, modeOf, newKey, once, orders, post, put, why, withGate } from './harness/gate.mjs';
import { until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 120000 };
const BTC = modeOf('BTC/USD');
const two = { ws: { shards: 2 } };
const CLIENT = ['control.read', 'market', 'ws.token'];

const dry = async (stage, target, body, method = 'PUT') => {
  const answer = await stage.call(stage.ana, method, `${target}${target.includes('?') ? '&' : '?'}dry_run=true`, { ...body, ...why }, { headers: method === 'PUT' ? { 'if-match': /fanout|upstream/.test(target) ? '"0"' : '*' } : once() });
  assert.equal(answer.status, 200, answer.body);
  return answer.json;
};
const reached = async (...args) => {
  const { symbols, subscriptions, clients, keys, accounts } = (await dry(...args)).blast_radius;
  return { symbols, subscriptions, clients, keys, accounts };
};

async function connect(stage, symbols, { channels = ['book'], key } = {}) {
  const client = await Client.connect(stage);
  const token = key && (await stage.call(key, 'POST', '/v1/ws-token')).json.token;
  for (const channel of channels) {
    const answer = await client.subscribe({ channel, symbol: symbols, ...(channel === 'book' ? { depth: 10 } : {}), ...(token ? { token } : {}) });
    assert.ok(answer.success, JSON.stringify(answer));
  }
  return client;
}

const leave = async (client, params) => {
  const answer = await client.request({ method: 'unsubscribe', params });
  assert.ok(answer.success, JSON.stringify(answer));
};

test('clients and keys: each connection once whatever it follows; of an account those of its keys; what is not known is null', within, () => withGate(two, async (stage) => {
  stage.feed(...gateTape);
  await until('books', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="ETH/USD"}') === 1);
  assert.deepEqual(await reached(stage, BTC, { mode: 'SOFT_HALT' }), { symbols: 1, subscriptions: 0, clients: 0, keys: 1, accounts: 0 }, 'the key of the stage');
  const mm1 = await newKey(stage, 'mm1', { scopes: CLIENT });
  const second = await newKey(stage, 'mm1', { scopes: CLIENT });
  await newKey(stage, 'desk', { scopes: CLIENT });

  const both = await connect(stage, ['BTC/USD', 'ETH/USD'], { channels: ['book', 'trade', 'ticker'] });
  const btc = await Promise.all([1, 2, 3].map(() => connect(stage, ['BTC/USD'])));
  const eth = await connect(stage, ['ETH/USD'], { key: mm1 });
  const again = await connect(stage, ['ETH/USD'], { key: second });
  const idle = await Client.connect(stage);
  const is = (expected, ...args) => reached(stage, ...args).then((counted) => assert.deepEqual(counted, expected, JSON.stringify(args)));
  await is({ symbols: 1, subscriptions: 6, clients: 4, keys: 4, accounts: 0 }, BTC, { mode: 'SOFT_HALT' });
  await is({ symbols: 1, subscriptions: 5, clients: 3, keys: 4, accounts: 0 }, modeOf('ETH/USD'), { mode: 'SOFT_HALT' });
  await is({ symbols: 1, subscriptions: 5, clients: 3, keys: 4, accounts: 0 }, '/v1/symbols/ETH%2FUSD/throttle', { orders_per_s: 5 });
  await is({ symbols: 2, subscriptions: 11, clients: 6, keys: 4, accounts: 0 }, '/v1/symbols:set-mode', { symbols: ['BTC/USD', 'ETH/USD'], mode: 'SOFT_HALT' }, 'POST');
  // everything: also whoever follows nothing
  for (const [target, body] of [[modeOf('*'), { mode: 'SOFT_HALT' }], ['/v1/kill-switch', { engaged: true }], ['/v1/upstreams/active', { active: 'alternate' }]]) {
    await is({ symbols: 2, subscriptions: 11, clients: 7, keys: 4, accounts: 0 }, target, body);
  }
  await is({ symbols: 0, subscriptions: 0, clients: 2, keys: 2, accounts: 1 }, '/v1/accounts/mm1/trading', { paused: true });
  await is({ symbols: 0, subscriptions: 0, clients: 2, keys: 2, accounts: 1 }, '/v1/accounts/mm1/access', { disabled: true });
  await is({ symbols: 0, subscriptions: 0, clients: 0, keys: 1, accounts: 1 }, '/v1/accounts/desk/trading', { paused: true });
  // nobody here knows with which keys something is taken out
  await is({ symbols: 0, subscriptions: 0, clients: 0, keys: null, accounts: 0 }, '/v1/withdrawals', { halted: true });

  // one of three channels left is not the symbol left; the last one is
  await leave(both, { channel: 'trade', symbol: ['BTC/USD'] });
  await is({ symbols: 1, subscriptions: 5, clients: 4, keys: 4, accounts: 0 }, BTC, { mode: 'SOFT_HALT' });
  await leave(both, { channel: 'ticker', symbol: ['BTC/USD'] });
  await leave(both, { channel: 'book', symbol: ['BTC/USD'], depth: 10 });
  await is({ symbols: 1, subscriptions: 3, clients: 3, keys: 4, accounts: 0 }, BTC, { mode: 'SOFT_HALT' });

  // asked for and now: what was counted then stays as it was
  assert.equal((await put(stage, stage.ana, BTC, { mode: 'SOFT_HALT', ...why })).status, 200);
  const location = await ask(stage, stage.ana, BTC, { mode: 'NORMAL' });
  const then = (await change(stage, location)).blast_radius;
  assert.deepEqual([then.asked.clients, then.asked.keys, then.now], [3, 4, then.asked]);
  btc[0].socket.close();
  idle.socket.close();
  const revoked = await stage.call(stage.admin, 'POST', `/v1/keys/${second.keyid}/revoke`, why);
  assert.equal(revoked.status, 200, revoked.body);
  await until('they are gone', 5000, async () => {
    const { now } = (await change(stage, location)).blast_radius;
    return now.clients === 2 && now.keys === 3;
  });
  assert.deepEqual((await change(stage, location)).blast_radius.asked, then.asked);
  await until('the connection of the revoked key is closed', 5000, async () => (await reached(stage, '/v1/accounts/mm1/trading', { paused: true })).clients === 1);
  await is({ symbols: 0, subscriptions: 0, clients: 1, keys: 1, accounts: 1 }, '/v1/accounts/mm1/trading', { paused: true });
  for (const c of [both, btc[1], btc[2], eth, again]) c.socket.close();
  await until('nobody', 5000, async () => (await reached(stage, modeOf('*'), { mode: 'SOFT_HALT' })).clients === 0);
}));

test('a request of before clients and keys were counted is still read: not known', within, () => withGate({}, async (stage) => {
  assert.equal((await put(stage, stage.ana, BTC, { mode: 'SOFT_HALT', ...why })).status, 200);
  const location = await ask(stage, stage.ana, BTC, { mode: 'NORMAL' });
  stage.sql(`ALTER TABLE change_requests DISABLE TRIGGER USER; UPDATE change_requests SET radius = '{"symbols":1,"subscriptions":4,"accounts":0,"version":1}';
    ALTER TABLE change_requests ENABLE TRIGGER USER`);
  const { asked, now } = (await change(stage, location)).blast_radius;
  assert.deepEqual(asked, { symbols: 1, subscriptions: 4, clients: null, keys: null, accounts: 0, version: 1 });
  assert.deepEqual([now.clients, now.keys], [0, 1]);
  stage.sql('ALTER TABLE change_requests DISABLE TRIGGER USER; UPDATE change_requests SET radius = NULL; ALTER TABLE change_requests ENABLE TRIGGER USER');
  assert.equal((await change(stage, location)).blast_radius.asked, null);
}));

test('what was typed is compared by the gateway: exactly, or nothing is done; who types nothing is not asked', within, () => withGate({}, async (stage) => {
  const acts = [
    ['PUT', BTC, { mode: 'CANCEL_ONLY' }, 'BTC/USD'], ['PUT', modeOf('*'), { mode: 'CANCEL_ONLY' }, 'ALL'],
    ['POST', '/v1/symbols:set-mode', { symbols: ['BTC/USD', 'ETH/USD'], mode: 'SOFT_HALT' }, '2 SYMBOLS'],
    ['PUT', '/v1/symbols/BTC%2FUSD/throttle', { orders_per_s: 5 }, 'BTC/USD'], ['PUT', '/v1/kill-switch', { engaged: true }, 'KILL'],
    ['PUT', '/v1/withdrawals', { halted: true }, 'ALL'], ['PUT', '/v1/withdrawals', { halted: true, asset: 'BTC' }, 'BTC'],
    ['PUT', '/v1/accounts/mm1/trading', { paused: true }, 'mm1'], ['PUT', '/v1/accounts/mm1/access', { disabled: true }, 'mm1'],
    ['PUT', '/v1/fanout/profile', { profile: 'degraded', expires_at: new Date(Date.now() + 600000).toISOString().replace('Z', '000Z') }, 'ALL'],
  ];
  const act = (signer, method, target, body) => stage.call(signer, method, target, { ...body, ...why }, { headers: method === 'PUT' ? { 'if-match': method === 'PUT' && target.includes('fanout') ? '"0"' : '*' } : once() });
  let version = (await control(stage)).version;
  for (const [method, target, body, word] of acts) {
    const told = await stage.call(stage.ana, method, `${target}?dry_run=true`, { ...body, ...why }, { headers: method === 'PUT' ? { 'if-match': target.includes('fanout') ? '"0"' : '*' } : once() });
    assert.deepEqual([told.status, told.json.confirm], [200, word], told.body);
    const before = orders(stage).length;
    for (const typed of ['', word.toLowerCase() === word ? word.toUpperCase() : word.toLowerCase(), `${word} `, 'KILLALL', 7]) {
      const no = await act(stage.ana, method, target, { ...body, confirm: typed });
      assert.deepEqual([no.status, no.json.code, no.json.errors[0].pointer], [422, 'validation', '/confirm'], `${typed}: ${no.body}`);
      if (typeof typed === 'string') assert.ok(no.json.detail.includes(`\`${word}\``), no.body);
    }
    assert.deepEqual([(await control(stage)).version, orders(stage).length], [version, before], 'nothing was done');
    const yes = await act(stage.ana, method, target, { ...body, confirm: word });
    assert.ok([200, 202].includes(yes.status) && yes.json.outcome === 'done', yes.body);
    version = (await control(stage)).version;
    assert.equal(yes.json.version, version);
  }
  // automation types nothing: a halt does not wait for it
  const bare = await act(stage.ana, 'PUT', BTC, { mode: 'HARD_HALT' });
  assert.deepEqual([bare.status, bare.json.outcome], [200, 'done'], bare.body);
  assert.equal((await act(stage.ana, 'PUT', BTC, { mode: 'HARD_HALT', confirm: null })).status, 200);

  // loosening: the same word when it is asked for, and when the second person decides
  const release = '/v1/kill-switch/release-requests';
  const match = { 'if-match': await etag(stage, '/v1/kill-switch'), ...once() };
  const wrong = await stage.call(stage.ana, 'POST', release, { engaged: false, confirm: 'KILL', ...why }, { headers: match });
  assert.deepEqual([wrong.status, wrong.json.errors[0].pointer], [422, '/confirm'], wrong.body);
  assert.equal((await stage.call(stage.ana, 'GET', '/v1/changes')).json.changes.length, 0);
  const asked = await stage.call(stage.ana, 'POST', release, { engaged: false, confirm: 'RELEASE', ...why }, { headers: { ...match, ...once() } });
  assert.equal(asked.status, 202, asked.body);
  const { location } = asked.headers;
  const request = await change(stage, location);
  assert.equal(request.confirm, 'RELEASE');
  for (const [decision, confirm] of [['approve', 'release'], ['approve', 'ALL'], ['reject', 'KILL']]) {
    const no = await post(stage, stage.ben, `${location}/${decision}`, { hash: request.hash, confirm });
    assert.deepEqual([no.status, no.json.code, no.json.errors[0].pointer], [422, 'validation', '/confirm'], no.body);
    assert.ok(no.json.detail.includes('`RELEASE`'));
  }
  assert.equal((await change(stage, location)).state, 'pending');
  const key = once();
  assert.equal((await post(stage, stage.ben, `${location}/approve`, { hash: request.hash, confirm: 'RELEASE' }, key)).status, 200);
  assert.equal((await post(stage, stage.ben, `${location}/approve`, { hash: request.hash, confirm: 'RELEASE' }, key)).headers['idempotency-replayed'], 'true');
  assert.deepEqual([(await change(stage, location)).state, (await change(stage, location)).confirm], ['approved', null]);

  // many: the word counts what is asked for, whatever stands so already
  const many = { symbols: ['BTC/USD', 'ETH/USD'], mode: 'CANCEL_ONLY' };
  const asking = await post(stage, stage.ana, '/v1/symbols:set-mode', { ...many, ...why, confirm: '2 SYMBOLS' });
  assert.equal(asking.status, 202, asking.body);
  const two = await change(stage, asking.headers.location);
  assert.equal(two.confirm, '2 SYMBOLS');
  assert.equal((await post(stage, stage.ben, `${asking.headers.location}/approve`, { hash: two.hash })).status, 200, 'absent is fine');

  // what holds in the journal and at a start: orders that were confirmed are read again
  await stage.stopGateway('SIGKILL');
  await stage.startGateway(stage.overrides);
  await knows(stage, stage.ana);
  assert.ok((await control(stage)).version >= version);
}));
