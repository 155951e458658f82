// The dashboard's data layer without a browser: exact decimals, the book against real frames of a real gateway, metrics,
// events, routes, sorting; and the stream client through breaks of its connection.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { webFolder } from './harness/browser.mjs';
import { onStage, sleep, until } from './harness/gateway.mjs';

const src = path.join(webFolder, 'src');
const withPackages = { skip: existsSync(path.join(webFolder, 'node_modules')) ? false : 'no packages: npm ci --prefix web' };
const load = (file) => import(path.join(src, file));
const { units, fixed, minus, group, parseLiteral, isZero } = await load('data/decimal.js');
const { Book, total } = await load('data/book.js');
const { lastBound, parseMetrics, quantile, rate, sum, value } = await load('data/metrics.js');
const { EventParser } = await load('data/sse_parse.js');

test('an answer whose body is cut off is no answer, and no data', withPackages, async () => {
  const { link, request } = await load('data/api.js');
  const was = globalThis.fetch;
  try {
    globalThis.fetch = async () => new Response(new ReadableStream({ pull: (c) => c.error(new TypeError('cut off')) }), { headers: { 'content-type': 'application/json' } });
    const { status, ok, data, problem } = await request('GET', '/v1/components');
    assert.deepEqual([status, ok, data, problem.title, link.value.up], [0, false, undefined, 'no answer', false]);
    globalThis.fetch = async () => Response.json({ components: [] });
    assert.deepEqual((await request('GET', '/v1/components')).data, { components: [] });
    assert.ok(link.value.up);
  } finally {
    globalThis.fetch = was;
  }
});

test('what is read again and again is so, also when news of it came before anybody looked', withPackages, async () => {
  const { resource } = await load('data/api.js');
  const was = globalThis.fetch;
  let asked = 0;
  globalThis.fetch = async () => Response.json({ n: ++asked });
  try {
    resource('/v1/incidents/INC-7').refresh(); // nobody looks: nothing is asked
    assert.equal(asked, 0);
    const seen = resource('/v1/incidents/INC-7', { every: 20 });
    const leave = seen.use();
    await until('three readings', 5000, () => seen.state.value.data?.n >= 3);
    leave();
    await sleep(60);
    const then = asked;
    await sleep(100);
    assert.equal(asked, then, 'not once nobody looks');
  } finally {
    globalThis.fetch = was;
  }
});

test('a new incident is told of once, whether an event or a reading knows it first', withPackages, async () => {
  const { Arrivals } = await load('data/incidents.js');
  const told = [];
  const arrivals = new Arrivals((i) => told.push(i.id));
  const open = (id, state = 'open') => ({ id, state });
  arrivals.reading(null); // not known which
  arrivals.event(open('INC-3')); // while the first reading is under way
  arrivals.reading([open('INC-1'), open('INC-2', 'acknowledged'), open('INC-3')]);
  assert.deepEqual(told, ['INC-3'], 'what was there before the page is no news');
  arrivals.reading([open('INC-1'), open('INC-3'), open('INC-4')]);
  arrivals.event(open('INC-4'));
  arrivals.event(open('INC-5'));
  arrivals.reading([open('INC-4'), open('INC-5'), open('INC-6', 'acknowledged')]);
  arrivals.event(open('INC-6'));
  arrivals.event(undefined);
  assert.deepEqual(told, ['INC-3', 'INC-4', 'INC-5'], 'what somebody has acknowledged already is no news');
});

test('decimals stay what was sent', () => {
  assert.equal(units('50000.10'), 5000010);
  assert.equal(units('123456789012.12345678'), 12345678901212345678n);
  assert.ok(units('999999999999.99') > units('99999999999.99'));
  assert.ok(units('0.00000001') < units('123456789.12345678'));
  assert.equal(fixed(5000010n, 2), '50000.10');
  assert.equal(fixed(-5n, 3), '-0.005');
  assert.equal(fixed(7n, 0), '7');
  assert.equal(minus('0.30', '0.10'), '0.20');
  assert.equal(minus('100.00', '100.05'), '-0.05');
  assert.equal(group('1234567.50000'), '1,234,567.50000');
  assert.equal(group('123'), '123');
  assert.ok(isZero('0.00000000') && isZero('0') && !isZero('0.00000001'));
  const { data: [level] } = parseLiteral('{"data":[{"price":49999.50,"qty":0.20000000,"trade_id":7,"qty_increment":1e-05}]}');
  assert.deepEqual(level, { price: '49999.50', qty: '0.20000000', trade_id: 7, qty_increment: '1e-05' });
});

test('book: snapshot, update, truncation, totals; Kraken’s checksum vectors; a lost place is noticed', () => {
  const book = new Book(10);
  book.apply('snapshot', { bids: [{ price: '49999.5', qty: '0.20000000' }, { price: '49999.0', qty: '1.20000000' }], asks: [{ price: '50000.0', qty: '0.10000000' }, { price: '50000.5', qty: '1.10000000' }] });
  assert.equal(book.checksum(), 2682060724);
  const view = book.view(2);
  assert.equal(total(view, view.bids[1]), '1.40000000');
  book.apply('update', { bids: [], asks: [{ price: '50000.0', qty: '0.00000000' }, { price: '50001.0', qty: '3.00000000' }] });
  assert.deepEqual(book.asks.map((l) => l.price), ['50000.5', '50001.0']);
  assert.throws(() => book.apply('update', { bids: [], asks: [{ price: '50009.0', qty: '0.0' }] }), /not held/);
  assert.throws(() => book.apply('update', { bids: [{ price: '50000.5', qty: '1.0' }], asks: [] }), /crossed/);
  const small = new Book(2);
  small.apply('snapshot', { bids: ['3.0', '2.0', '1.0'].map((price) => ({ price, qty: '1.0' })), asks: [] });
  assert.deepEqual(small.bids.map((l) => l.price), ['3.0', '2.0']);
  const other = new Book(10);
  other.apply('snapshot', { asks: [{ price: '0.05005', qty: '0.00000500' }], bids: [{ price: '0.05000', qty: '0.00000304' }, { price: '0.04995', qty: '12.00000000' }] });
  assert.equal(other.checksum(), 1624016424);
});

test('metrics: labels, escapes, rates, quantiles between two samples', () => {
  const text = '# HELP a x\n# TYPE a counter\na 5\nb{reason="x\\"y\\\\",n="1"} 2\nb{reason="z",n="1"} 3.5\nh_bucket{le="0.1"} 1\nh_bucket{le="1"} 9\nh_bucket{le="+Inf"} 10\n';
  const metrics = parseMetrics(text);
  assert.equal(value(metrics, 'a'), 5);
  assert.equal(value(metrics, 'b', { reason: 'x"y\\' }), 2);
  assert.equal(sum(metrics, 'b'), 5.5);
  assert.equal(sum(metrics, 'none'), undefined);
  const then = { at: 1000, metrics: parseMetrics('a 3\n') };
  assert.equal(rate({ at: 3000, metrics }, then, 'a'), 1);
  assert.equal(rate(then, { at: 500, metrics }, 'a'), undefined, 'a counter that fell: the gateway began anew');
  const now = { at: 3000, metrics };
  assert.equal(quantile(now, undefined, 'h', 0.5), 1);
  assert.equal(quantile(now, undefined, 'h', 0.99), Infinity);
  assert.equal(lastBound(now, 'h'), 1);
  assert.equal(quantile(now, now, 'h', 0.5), undefined);
});

test('metrics: what did not move is the same object in the next sample; what moved, came or went is not', () => {
  const first = parseMetrics('still 1\nmoves{a="x"} 1\nmoves{a="y"} 7\ngoes 3\nh_bucket{le="0.1"} 0\nh_bucket{le="+Inf"} 0\n');
  const next = parseMetrics('# HELP still x\nstill 1\nmoves{a="x"} 2\nmoves{a="y"} 7\ncomes 4\nh_bucket{le="0.1"} 0\nh_bucket{le="+Inf"} 0\n', first);
  assert.equal(next.get('still'), first.get('still'));
  assert.equal(next.get('h_bucket'), first.get('h_bucket'));
  assert.notEqual(next.get('moves'), first.get('moves'));
  assert.deepEqual(next.get('moves'), [{ labels: { a: 'x' }, value: 2 }, { labels: { a: 'y' }, value: 7 }]);
  assert.equal(next.get('moves')[1], first.get('moves')[1]);
  assert.deepEqual(first.get('moves')[0], { labels: { a: 'x' }, value: 1 }, 'the older sample stays what it was');
  assert.deepEqual([next.has('goes'), value(next, 'comes')], [false, 4]);
  // rows that change places are told apart
  const turned = parseMetrics('moves{a="y"} 7\nmoves{a="x"} 2\n', next);
  assert.deepEqual(turned.get('moves').map((r) => [r.labels.a, r.value]), [['y', 7], ['x', 2]]);
});

test('events: fields, several lines, comments, ids, pieces cut anywhere', () => {
  const text = ':hello\r\nid: 7\r\nevent: mode\r\ndata: {"a":\r\ndata: 1}\r\n\r\nretry: 250\ndata:x\n\nid\ndata\n\nevent: empty\n\n';
  for (let cut = 1; cut < text.length; cut += 3) {
    const seen = [];
    const parser = new EventParser((e) => seen.push(e));
    for (let i = 0; i < text.length; i += cut) parser.push(text.slice(i, i + cut));
    assert.deepEqual(seen, [{ type: 'mode', data: '{"a":\n1}', id: '7' }, { type: 'message', data: 'x', id: '7' }, { type: 'message', data: '', id: '' }], `cut ${cut}`);
    assert.equal(parser.retryMs, 250);
  }
});

test('routes and addresses', withPackages, async () => {
  const { parseRoute, addressOf } = await load('router.js');
  assert.deepEqual(parseRoute('/market/BTC-USD', '?depth=50'), { screen: 'market', part: 'BTC-USD', query: { depth: '50' } });
  assert.deepEqual(parseRoute('/', ''), { screen: 'overview', part: '', query: {} });
  assert.deepEqual(parseRoute('/nowhere/%zz', ''), { screen: 'overview', part: '', query: {} });
  assert.equal(addressOf({ screen: 'audit', query: { q: 'a b', result: '' } }), '/audit?q=a+b');
  assert.equal(addressOf({ screen: 'keys', part: 'a/b' }), '/keys/a%2Fb');
});

test('rows sort by value, names with numbers as people do, rows without a value last', withPackages, async () => {
  const { sortRows } = await load('design/table.js');
  const rows = [{ id: 'INC-10', n: 3 }, { id: 'INC-9', n: undefined }, { id: 'INC-1', n: 0 }, { id: 'INC-2', n: 12n }];
  const order = (column, direction) => sortRows(rows, column, direction).map((r) => r.id.slice(4));
  assert.deepEqual(order({ id: 'id' }, 'asc'), ['1', '2', '9', '10']);
  assert.deepEqual(order({ id: 'n', sort: (r) => r.n }, 'asc'), ['1', '10', '2', '9']);
  assert.deepEqual(order({ id: 'n', sort: (r) => r.n }, 'desc'), ['2', '10', '1', '9']);
  assert.deepEqual(sortRows(rows, undefined), rows);
});

test('symbols are found however they are written', withPackages, async () => {
  const { matching } = await load('frame/overlays.js');
  const all = ['BTC/USD', 'BTC/USDT', 'WBTC/USD', 'ETH/BTC'];
  assert.deepEqual(matching(all, 'btcusd'), ['BTC/USD', 'BTC/USDT', 'WBTC/USD']);
  assert.deepEqual(matching(all, 'eth-b'), ['ETH/BTC']);
  assert.deepEqual(matching(all, 'xyz'), []);
  assert.equal(matching(all, '', 2).length, 2);
});

test('the source keeps to the policy: nothing that writes markup, no inline code or style', () => {
  const files = (dir) => readdirSync(dir, { withFileTypes: true }).flatMap((e) => (e.isDirectory() ? files(path.join(dir, e.name)) : [path.join(dir, e.name)]));
  for (const file of files(src)) {
    const text = readFileSync(file, 'utf8');
    assert.doesNotMatch(text, /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, file);
    assert.doesNotMatch(text, /\sstyle="|\son[a-z]+="|javascript:/, file);
    if (!file.endsWith('.html')) assert.doesNotMatch(text, /https?:\/\/(?!www\.tradingview\.com|www\.w3\.org)/, `${file} names another host`);
  }
});

test('the style sheet of incidents, which is loaded late, says nothing about classes of other screens', () => {
  const files = readdirSync(src, { recursive: true }).filter((f) => f.endsWith('.js') && !/incidents[/\\]|components\.js$/.test(f));
  const used = new Set(files.flatMap((f) => [...readFileSync(path.join(src, f), 'utf8').matchAll(/class(?:Name)?=(?:"([^"]*)"|\$\{`([^`]*)`)/g)].flatMap((m) => (m[1] ?? m[2]).match(/[\w-]+/g) ?? [])));
  const sheet = readFileSync(path.join(src, 'screens/incidents/incidents.lazy.css'), 'utf8').replace(/\/\*.*?\*\//gs, '');
  const first = [...sheet.matchAll(/([^{}]+)\{/g)].flatMap((m) => m[1].split(',')).map((s) => /^\s*\.([\w-]+)(?=\s|$)/.exec(s)?.[1]).filter(Boolean);
  assert.ok(first.length > 50);
  assert.deepEqual([...new Set(first)].filter((c) => used.has(c) && !['tabs', 'commands'].includes(c)), [], 'begin the rule with a class of this screen');
});

// --- the stream client against a real gateway, on the npm package ws in place of the browser's WebSocket ---

const tape = ['--data', 'synthetic', '--symbols', '3', '--rate', '400', '--seed', '5'];

const withStream = (body) => onStage(async (stage) => {
  const { default: WebSocket } = await import('ws');
  const ca = readFileSync(stage.ca);
  const sockets = [];
  class Socket extends WebSocket {
    constructor(url) {
      super(url, { ca, perMessageDeflate: false });
      sockets.push(this);
      this.on('error', () => {});
    }
  }
  const { MarketStream } = await load('data/stream.js');
  stage.writeSymbols(tape);
  await stage.startGateway();
  const stream = new MarketStream(stage.wsUrl, { Socket, random: () => 0 });
  try {
    await body(stage, stream, sockets);
  } finally {
    clearInterval(stream.timer);
    stream.suspend();
  }
});

// A book as a screen keeps it, without the screen.
class Holder {
  constructor(stream, depth) {
    Object.assign(this, { stream, book: new Book(depth), snapshots: 0, updates: 0 });
  }

  take({ type, data: [data], gw }) {
    this.book.apply(type, data);
    assert.equal(this.book.checksum(), data.checksum);
    this[type === 'snapshot' ? 'snapshots' : 'updates']++;
    this.seq = gw.s;
  }

  lines(side) {
    return this.book[side].map(({ price, qty }) => [price, qty]);
  }
}

test('stream: the book equals the REST book at its sequence; a lost connection is taken up without a snapshot', withPackages, () => withStream(async (stage, stream, sockets) => {
  const feeding = stage.fed(...tape, '--duration', '12', '--time', 'now', '--speed', '1');
  await until('data', 10000, async () => (await stage.metrics()).get('feed_entries_total') > 10);
  const holder = new Holder(stream, 100);
  stream.subscribe('book', 'BTC/USD', { depth: 100, interval_ms: 50 }, holder);
  stream.start();
  await until('updates', 10000, () => holder.updates > 20);
  sockets[0].terminate();
  const before = holder.updates;
  await until('updates after the loss', 10000, () => holder.updates > before + 20);
  assert.equal(holder.snapshots, 1, 'resumed, not begun anew');
  assert.equal(stream.counts.resumed, 1);
  assert.equal(stream.counts.gaps, 0);
  assert.equal(sockets.length, 2);
  await feeding;
  await sleep(500);
  const rest = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=100`);
  assert.equal(rest.seq, holder.seq);
  assert.deepEqual(holder.lines('bids'), rest.bids);
  assert.deepEqual(holder.lines('asks'), rest.asks);
}));

test('stream: a break in the numbering asks for the book again; what is refused is told; dropping unsubscribes', withPackages, () => withStream(async (stage, stream) => {
  const { entries } = await stage.fed(...tape, '--duration', '3', '--time', 'now', '--speed', 'max');
  await stage.applied(entries);
  const holder = new Holder(stream, 25);
  const sub = stream.subscribe('book', 'BTC/USD', { depth: 25, interval_ms: 50 }, holder);
  let refusal;
  stream.subscribe('book', 'NO/SUCH', { depth: 25, interval_ms: 50 }, { take() {}, refused(text) { refusal = text; } });
  stream.start();
  await until('a snapshot', 10000, () => holder.snapshots === 1);
  stream.take(JSON.stringify({ channel: 'book', type: 'update', data: [{ symbol: 'BTC/USD', bids: [], asks: [], checksum: 0 }], gw: { s: 9, p: 8 } }));
  assert.equal(stream.counts.gaps, 1);
  await until('another snapshot', 10000, () => holder.snapshots === 2);
  assert.match(refusal, /Currency pair not supported/);
  assert.equal((await stage.metrics()).get('ws_subscriptions{channel="book"}'), 1);
  stream.drop(sub);
  await until('no subscription', 5000, async () => (await stage.metrics()).get('ws_subscriptions{channel="book"}') === 0);
}));

test('stream: growing delays while nobody answers, back when somebody does', withPackages, () => withStream(async (stage, stream) => {
  stream.subscribe('instrument', undefined, {}, { take() {} });
  stream.start();
  await until('live', 5000, () => stream.state.value.phase === 'live');
  await stage.stopGateway('SIGKILL');
  await until('three attempts', 10000, () => stream.state.value.attempt >= 3);
  const { lostSince } = stream.state.value;
  assert.ok(Date.now() - lostSince < 10000);
  await stage.startGateway();
  await until('live again', 20000, () => stream.state.value.phase === 'live');
  assert.equal(stream.state.value.lostSince, undefined);
  stream.random = () => 1;
  stream.attempt = 20;
  assert.equal(stream.backoff(1006), 15100);
  assert.ok(stream.backoff(4029) >= 10000);
  stream.retryAfter = 30000;
  assert.ok(stream.backoff(1012) >= 30000);
}));
