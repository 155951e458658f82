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

test('a publish lag beyond the last bound is drawn at it and said to be more', withPackages, async () => {
  const { lag, lagText } = await load('screens/connections.js');
  const sample = (at, ...counts) => ({ at, metrics: new Map([['md_publish_lag_seconds_bucket', counts.map((value, i) => ({ labels: { le: ['0.1', '10', '+Inf'][i] }, value }))]]) });
  const before = sample(0, 0, 0, 0);
  const said = (now) => lagText([before, now])(lag(0.99)(now, before));
  assert.equal(said(sample(1000, 0, 0, 5)), '≥ 10000 ms');
  assert.equal(said(sample(1000, 0, 5, 5)), '10000 ms', 'within the last bucket that has a bound');
  assert.equal(said(sample(1000, 5, 5, 5)), '100 ms');
  assert.ok(lag(0.99)(sample(1000, 0, 0, 5), before) < 10000.001, 'drawn at the bound');
});

test('what is told of a symbol reaches its book, as long as the subscription lasts; what was withdrawn stays so until it is live', withPackages, async () => {
  const [{ MarketStream }, { BookStore, Tickers }] = [await load('data/stream.js'), await load('data/stores.js')];
  globalThis.requestAnimationFrame ??= (f) => setTimeout(f, 0);
  const stream = new MarketStream('wss://nowhere.invalid', { Socket: class {} });
  const [book, other] = [new BookStore(stream, SYMBOL, '20'), new BookStore(stream, 'ETH/USD', '20')];
  const tickers = new Tickers();
  stream.subscribe('ticker', SYMBOL, { event_trigger: 'bbo' }, tickers);
  tickers.take({ data: [{ symbol: SYMBOL, bid: '1' }] });
  const say = (mode, shown) => stream.take(JSON.stringify({ channel: 'gateway', type: 'update', data: [{ event: 'symbol', symbols: [SYMBOL], mode, book: shown, since: '2026-11-20T10:00:00.000000Z' }], gw: { audit: 'A1' } }));
  const told = () => book.told.value && [book.told.value.mode, book.told.value.book];
  say('SOFT_HALT', 'frozen');
  assert.deepEqual(told(), ['SOFT_HALT', 'frozen']);
  assert.equal(book.told.value.audit, 'A1');
  assert.equal(other.told.value, null);
  assert.equal(tickers.all.get(SYMBOL).book, 'frozen');
  tickers.take({ data: [{ symbol: SYMBOL, bid: '2' }] });
  assert.equal(tickers.all.get(SYMBOL).book, 'frozen', 'a later ticker does not undo it');
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

// --- on the real gateway --------------------------------------------------------------------------------------------

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// In each theme, on a page that lets axe in; of what SELECTOR names.
async function axeFindsNothing(page, where, selector = '.market') {
  await page.evaluate(readFileSync(axeSource(), 'utf8'));
  for (const theme of ['light', 'contrast', 'dark']) {
    // a busy machine may keep the page from listening so long that it says so, greyed out
    await until('nothing is greyed out', 30000, async () => (await page.locator('main.stale').count()) === 0);
    await page.evaluate((t) => { document.documentElement.dataset.theme = t; }, theme);
    const found = await page.evaluate((runOnly) => globalThis.axe.run(runOnly.selector, { runOnly: runOnly.rules }), { selector, rules: RULES });
    assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`), [], `${where} ${theme}`);
  }
}

const panel = (page, name) => page.locator(`.area-${name}`).innerText();
const shows = (page, name, pattern, ms = 10000) => until(`${name}: ${pattern}`, ms, async () => pattern.test(await panel(page, name)));
const seqOf = (page) => page.locator('.ladder').getAttribute('data-seq').then(Number);
const bestOf = (page) => page.locator('.symbols tbody tr', { has: page.locator('th', { hasText: SYMBOL }) }).locator('td');

test('a halt is seen on the market screen: frozen, then withdrawn, by whom and why, also by who comes later or is not signed in; then live again', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator,auditor'), stage.person('ben', 'approver,operator')];
  for (const person of [ana, ben]) assert.equal((await person.logIn()).status, 200);
  const path = `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode`;
  const set = (mode, reason) => ana.call('PUT', path, { mode, reason, ticket: 'OPS-7' }, { 'if-match': '*' });
  const hers = await signedIn(browser, stage, ana, '/market/BTC-USD');
  await hers.waitForSelector('.ladder tbody td');
  await shows(hers, 'health', /^[^]*\bsound\n/);
  await shows(hers, 'book', /conflated \d+\.\d : 1/);
  const opened = await ana.call('POST', '/v1/incidents', { severity: 'SEV3', title: 'prices differ from elsewhere', symbol: SYMBOL, reason: 'a test of marks' });
  assert.equal(opened.status, 201, opened.body);

  const soft = await set('SOFT_HALT', 'prices are off');
  assert.ok([200, 202].includes(soft.status), soft.body);
  await shows(hers, 'book', /Book frozen since \d\d:\d\d:\d\d UTC: SOFT_HALT by user:ana: prices are off \(OPS-7\)\.[^]*Marked stale/);
  await shows(hers, 'health', /frozen since \d\d:\d\d:\d\d UTC/);
  await shows(hers, 'depth', /Frozen since \d\d:\d\d:\d\d UTC: the depth as it was then/);
  await shows(hers, 'trades', /SOFT_HALT since .* no trade is expected/);
  assert.doesNotMatch(await panel(hers, 'health'), /sound/);
  assert.ok(await hers.locator('.ladder tbody tr').count() >= 20, 'the last book is still there');
  const seq = await seqOf(hers);
  await sleep(1500);
  assert.equal(await seqOf(hers), seq);
  const nobodys = await browser.page(stage, { bypassCSP: true }); // nothing is told on this connection: REST says it
  await nobodys.goto('/market/BTC-USD');
  await nobodys.getByRole('button', { name: 'Look without signing in' }).click();
  await shows(nobodys, 'book', /Book frozen: halted by operators/, 20000);
  assert.doesNotMatch(await panel(nobodys, 'book'), /prices are off/);
  await axeFindsNothing(nobodys, 'frozen');
  await hers.keyboard.press('1');
  await until('bid and ask are marked', 10000, async () => (await bestOf(hers).locator('.of-then[title^="frozen since"] svg[aria-label="frozen"]').count()) === 2);

  const hard = await set('HARD_HALT', 'the ledger differs');
  assert.ok([200, 202].includes(hard.status), hard.body);
  await until('no price of a withdrawn book', 10000, async () => (await bestOf(hers).locator('.of-then[title^="withdrawn since"]').allInnerTexts()).join() === 'withdrawn,withdrawn');
  await hers.goBack();
  await shows(hers, 'book', /Book withdrawn since \d\d:\d\d:\d\d UTC: HARD_HALT by user:ana: the ledger differs/);
  await shows(hers, 'depth', /No depth: the book is withdrawn/);
  await shows(hers, 'health', /withdrawn since/);
  assert.equal(await hers.locator('.ladder').count(), 0, 'no empty table');
  await shows(nobodys, 'book', /Book withdrawn since \d\d:\d\d:\d\d UTC: HARD_HALT\./);
  await axeFindsNothing(nobodys, 'withdrawn');
  await nobodys.context().close();

  // the marks say the same in words
  const marks = hers.getByRole('region', { name: 'Marks on the candles' });
  await until('her marks', 10000, async () => /HARD_HALT by user:ana: the ledger differs\s[^]*SOFT_HALT by user:ana: prices are off\s[^]*INC-\d+ SEV3 opened: prices differ/.test(await marks.innerText()));
  assert.equal(await marks.getByRole('link', { name: /^HARD_HALT/ }).getAttribute('href'), `/audit/${hard.json.audit}`);
  assert.match(await hers.locator('.candle-plot').getAttribute('aria-label'), /the list below its 3 marks/);

  const { headers } = await ana.call('GET', path);
  const asked = await ana.call('PUT', path, { mode: 'CANCEL_ONLY', reason: 'validated against the ledger', ticket: 'OPS-7' }, { 'if-match': headers.etag });
  assert.equal(asked.status, 202, asked.body);
  const { json: change } = await ben.call('GET', `/v1/changes/${asked.json.change}`);
  const approved = await ben.call('POST', `/v1/changes/${asked.json.change}/approve`, { hash: change.hash ?? change.change?.hash });
  assert.ok([200, 202].includes(approved.status), approved.body);
  await until('live again', 10000, async () => (await hers.locator('.held-note').count()) === 0 && (await hers.locator('.ladder tbody td').count()) > 0);
  const then = await seqOf(hers);
  await until('it moves', 8000, async () => (await seqOf(hers)) > then);
  await shows(hers, 'health', /\bsound\n/);
  await until('the mark of the resumption', 10000, async () => /CANCEL_ONLY/.test(await marks.innerText()));
  await blameless(hers, 'halted');
}, { symbols: 4, rate: 40 }));

test('the address says what is seen, also where the browser remembered it; a message is opened by keyboard and stays while a row has the focus', { ...options, timeout: 120000 }, () => onDashboard(async (stage, browser) => {
  const pressed = async (page) => [await page.getByRole('group', { name: 'Levels a side' }).locator('[aria-pressed=true]').innerText(), await page.getByRole('group', { name: 'Interval' }).locator('[aria-pressed=true]').innerText()];
  const page = await open(browser, stage, '/market/BTC-USD');
  await page.waitForSelector('.ladder tbody td');
  assert.match(page.url(), /\/market\/BTC-USD$/, 'the built-in choices need no words');
  await page.evaluate(() => localStorage.setItem('portcullis.settings', JSON.stringify({ theme: 'dark', depth: '50', interval: 5 })));
  await page.goto('/market/ETH-USD');
  await until('the remembered choices are in the address', 8000, () => /\/market\/ETH-USD\?depth=50&interval=5$/.test(page.url()));
  assert.deepEqual(await pressed(page), ['50', '5m']);
  const colleague = await open(browser, stage, page.url());
  assert.deepEqual(await pressed(colleague), ['50', '5m']);
  await colleague.context().close();

  await page.goto('/market/BTC-USD?depth=20&interval=1');
  await live(page);
  assert.deepEqual(await pressed(page), ['20', '1m'], 'the address comes before what is remembered');
  const messages = page.getByRole('region', { name: 'Messages' });
  await messages.locator('tbody button').first().waitFor();
  await messages.focus();
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? '');
  for (let i = 0; i < 20 && !/the whole message/.test(await focused()); i++) await page.keyboard.press('Tab');
  const name = await focused();
  assert.match(name, /^\d+: the whole message$/);
  await sleep(1500);
  assert.equal(await focused(), name, 'rows stay while one has the focus');
  await page.keyboard.press('Enter');
  const whole = page.locator('#raw-open pre');
  await whole.waitFor();
  assert.ok(JSON.parse(await whole.innerText()), 'byte for byte');
  assert.equal(await page.locator(':focus').getAttribute('aria-expanded'), 'true');
  await page.keyboard.press('Enter');
  await whole.waitFor({ state: 'detached' });
  await page.keyboard.press('Tab');
  await page.evaluate(() => document.activeElement.blur());
  const newest = () => messages.locator('tbody button').first().innerText().then(Number);
  const then = await newest();
  await until('they go on', 5000, async () => (await newest()) > then);
  await blameless(page, 'messages');
}, { symbols: 4 }));
