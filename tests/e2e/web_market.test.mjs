// The market screen tells what its numbers are worth: a book that is frozen or withdrawn, a verdict before anything has come,
// marks of what was decided, the address of what is seen, messages by keyboard. Pure parts first, then the real gateway.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { axeSource, live, needsBrowser, onDashboard, open, webFolder } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const options = { ...needsBrowser, timeout: 240000 };
const withPackages = { skip: existsSync(path.join(webFolder, 'node_modules')) ? false : 'no packages: npm ci --prefix web' };
const load = (file) => import(path.join(webFolder, 'src', file));
const SYMBOL = 'BTC/USD';

async function blameless(page, where) {
  assert.deepEqual(page.wrong, [], where);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], `${where}: policy`);
}

// --- pure -----------------------------------------------------------------------------------------------------------

test('why a book does not move: the gateway’s own message first, the control state for who, why and while nothing was told', withPackages, async () => {
  const { heldOf, whyText } = await load('screens/market/held.js');
  const back = { effective_mode: 'SOFT_HALT', since: '2026-11-20T10:00:00.000000Z', reason: 'prices are off', by: 'user:ana', ticket: 'OPS-7', decided_by_kind: 'mode', decided_by_target: '*' };
  assert.equal(heldOf(null, undefined, false), null, 'nobody knows');
  assert.equal(heldOf(null, undefined, true), null, 'NORMAL');
  assert.equal(heldOf(null, { effective_mode: 'CANCEL_ONLY' }, true), null, 'the book is live');
  const held = heldOf(null, back, true);
  assert.deepEqual([held.book, held.mode, held.since, held.reason], ['frozen', 'SOFT_HALT', Date.parse(back.since), 'prices are off']);
  assert.equal(whyText(held), 'SOFT_HALT of all symbols by user:ana: prices are off');
  // the message is here, the control state is still of before: its reason is not of this decision
  const hard = heldOf({ book: 'withdrawn', mode: 'HARD_HALT', since: '2026-11-20T10:05:00.000000Z' }, back, true);
  assert.deepEqual([hard.book, hard.mode, hard.reason, hard.since], ['withdrawn', 'HARD_HALT', undefined, Date.parse('2026-11-20T10:05:00Z')]);
  assert.equal(heldOf({ book: 'live', mode: 'NORMAL' }, back, true), null, 'resumed, and the control state is still of before');
  // REST has told it to somebody who is not signed in
  assert.deepEqual(heldOf({ book: 'frozen' }, undefined, false), { book: 'frozen', mode: undefined, since: undefined, reason: undefined, by: undefined, ticket: undefined, from: undefined });
});

test('nothing is sound before a message and a sample have come; a book that is held is not sound', withPackages, async () => {
  const { verdictOf } = await load('screens/market/health.js');
  const well = { here: true, feed: { state: 'ok' }, symbol: SYMBOL, held: null, heard: true, row: { live: 1 }, meter: 'ok', wrong: 0 };
  assert.deepEqual(verdictOf(well), ['ok', 'sound']);
  assert.deepEqual(verdictOf({ ...well, heard: false }), ['off', 'unknown: no message yet']);
  assert.deepEqual(verdictOf({ ...well, row: undefined, meter: 'loading' }), ['off', 'unknown: no metric yet']);
  assert.equal(verdictOf({ ...well, row: undefined, meter: 'denied' })[0], 'off', 'never green without the gateway’s own figures');
  assert.equal(verdictOf({ ...well, here: false })[1], 'unknown: not connected');
  assert.equal(verdictOf({ ...well, row: { live: 0 } })[0], 'bad');
  assert.equal(verdictOf({ ...well, wrong: 1 })[0], 'bad');
  assert.deepEqual(verdictOf({ ...well, feed: { state: 'degraded', cause: 'UPSTREAM_LOST' } }), ['bad', 'degraded: UPSTREAM_LOST']);
  assert.deepEqual(verdictOf({ ...well, feed: { state: 'degraded', cause: 'GAP', symbols: ['ETH/USD'] } }), ['ok', 'sound']);
  assert.deepEqual(verdictOf({ ...well, held: { book: 'frozen', since: Date.parse('2026-11-20T10:00:00Z') } }), ['warn', 'frozen since 10:00:00 UTC']);
  assert.equal(verdictOf({ ...well, held: { book: 'withdrawn' } })[0], 'bad');
});

test('what is told of a symbol reaches its book, as long as the subscription lasts; what was withdrawn stays so until it is live', withPackages, async () => {
  const [{ MarketStream }, { BookStore }] = [await load('data/stream.js'), await load('data/stores.js')];
  globalThis.requestAnimationFrame ??= (f) => setTimeout(f, 0);
  const stream = new MarketStream('wss://nowhere.invalid', { Socket: class {} });
  const [book, other] = [new BookStore(stream, SYMBOL, '20'), new BookStore(stream, 'ETH/USD', '20')];
  const say = (mode, shown) => stream.take(JSON.stringify({ channel: 'gateway', type: 'update', data: [{ event: 'symbol', symbols: [SYMBOL], mode, book: shown, since: '2026-11-20T10:00:00.000000Z' }], gw: { audit: 'A1' } }));
  const told = () => book.told.value && [book.told.value.mode, book.told.value.book];
  say('SOFT_HALT', 'frozen');
  assert.deepEqual(told(), ['SOFT_HALT', 'frozen']);
  assert.equal(book.told.value.audit, 'A1');
  assert.equal(other.told.value, null);
  book.asked('live');
  assert.deepEqual(told(), ['SOFT_HALT', 'frozen'], 'an answer of REST does not undo a message');
  say('HARD_HALT', 'withdrawn');
  say('SOFT_HALT', 'frozen');
  assert.deepEqual(told(), ['SOFT_HALT', 'withdrawn']);
  say('NORMAL', 'live');
  assert.deepEqual(told(), ['NORMAL', 'live']);
  const [sub] = [...stream.subs.values()];
  Object.assign(sub, { state: 'asked', asked: 7 });
  stream.take(JSON.stringify({ method: 'subscribe', req_id: 7, success: true, result: { channel: 'book', symbol: SYMBOL, depth: 25, gw: { resumed: true, from: 5 } } }));
  assert.equal(told(), null, 'what was decided while nobody listened is not known');
  assert.equal(book.joins.value, 1);
  book.close();
  other.close();
});

test('marks: modes in force from the audit log, of the symbol or of all; requests decided; incidents; the candle each belongs to', withPackages, async () => {
  const { changesIn, incidentsIn, modesIn, onCandles } = await load('screens/market/marks.js');
  const cell = (target, mode) => JSON.stringify([{ kind: 'mode', target, mode }]);
  const entries = [
    { seq: 1, time: '2026-11-20T10:00:30.000000Z', actor: 'user:ana', outcome: 'done', reason: 'prices are off', after: cell(SYMBOL, 'SOFT_HALT') },
    { seq: 2, time: '2026-11-20T10:03:00.000000Z', actor: 'user:ana', outcome: 'requested', reason: 'again', after: cell(SYMBOL, 'NORMAL') },
    { seq: 3, time: '2026-11-20T10:04:59.000000Z', actor: 'user:ben', outcome: 'approved', reason: 'again', after: cell(SYMBOL, 'NORMAL') },
    { seq: 4, time: '2026-11-20T10:05:00.000000Z', actor: 'user:ben', outcome: 'done', reason: 'all', after: cell('*', 'CANCEL_ONLY') },
    { seq: 5, time: '2026-11-20T10:05:00.000000Z', actor: 'user:ben', outcome: 'done', reason: 'other', after: cell('ETH/USD', 'HARD_HALT') },
    { seq: 6, time: '2026-11-20T10:05:00.000000Z', actor: 'user:ben', outcome: 'done', reason: 'not a cell', after: '{"a":1}' },
  ];
  const modes = modesIn(entries, SYMBOL);
  assert.deepEqual(modes.map((m) => [m.href, m.text]), [['/audit/1', 'SOFT_HALT by user:ana: prices are off'], ['/audit/3', 'NORMAL by user:ben: again'], ['/audit/4', 'CANCEL_ONLY of all symbols by user:ben: all']]);
  const changes = changesIn([{ id: 'C1', decided_at: '2026-11-20T10:04:59.000000Z', result_audit: 3, decided_by: 'user:ben', reason: 'again', diff: { changes: [{ kind: 'mode', target: SYMBOL, after: { mode: 'NORMAL' } }] } },
    { id: 'C2', decided_at: '2026-11-20T10:06:00.000000Z', result_audit: null, diff: { changes: [{ kind: 'mode', target: SYMBOL, after: { mode: 'NORMAL' } }] } }], SYMBOL);
  assert.deepEqual(changes.map((m) => m.href), ['?change=C1'], 'one that was refused changed nothing');
  const incidents = incidentsIn([{ id: 'INC-7', symbol: SYMBOL, severity: 'SEV2', title: 'gap', opened_at: '2026-11-20T09:00:00.000000Z', resolved_at: '2026-11-20T10:02:00.000000Z' }, { id: 'INC-8', symbol: null, opened_at: '2026-11-20T10:00:00.000000Z' }], SYMBOL);
  assert.deepEqual(incidents.map((m) => m.text), ['INC-7 SEV2 opened: gap', 'INC-7 over']);
  const at = (text) => Date.parse(text) / 1000;
  const list = ['2026-11-20T10:00:00Z', '2026-11-20T10:01:00Z', '2026-11-20T10:05:00Z'].map((t) => ({ time: at(t) }));
  const all = [...modes, ...incidents].sort((a, b) => a.at - b.at);
  assert.deepEqual(onCandles(all, list, 1, (c) => c).map((m) => [m.text, m.time, m.color]), [
    ['SOFT_HALT', at('2026-11-20T10:00:00Z'), 'bad'], ['INC-7', at('2026-11-20T10:01:00Z'), 'ok'], ['NORMAL', at('2026-11-20T10:01:00Z'), 'ok'], ['CANCEL_ONLY', at('2026-11-20T10:05:00Z'), 'warn'],
  ], 'the incident that began before the first candle is in the list alone');
});
