// People act in the dashboard: signing in, halting before a second browser and a market-data client, resuming by two, the kill
// switch and its release in stages, the keyboard alone, who may not; the sign-in page and the sheets for everybody.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { axeSource, live, needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { totp } from './harness/people.mjs';
import { confirm, giveFactor, sheetOf, signedIn, signIn, wide, withPeople } from './harness/web_people.mjs';
import { Client } from './harness/ws.mjs';

const options = { ...needsBrowser, timeout: 240000 };
const SYMBOL = 'BTC/USD';
const banner = (page) => page.locator('.banner').innerText();
const says = (page, pattern, ms = 8000) => until(`the banner says ${pattern}`, ms, async () => pattern.test(await banner(page)));

const lost = /ERR_CONNECTION|WebSocket connection to|ERR_INCOMPLETE|ERR_HTTP2|ERR_EMPTY/; // said by the browser while the gateway was away

async function blameless(page, where) {
  assert.deepEqual((page.wrong ?? []).filter((text) => !lost.test(text)), [], where);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], `${where}: policy`);
}

const rowOf = (page, symbol) => page.locator('.symbols tbody tr', { has: page.locator('th', { hasText: symbol }) });
const modeIn = (page, symbol) => rowOf(page, symbol).locator('td').nth(1).innerText();

// In force; on a busy machine a loop may confirm later (202).
async function halted(call) {
  const answer = await call;
  assert.ok([200, 202].includes(answer.status) && answer.json.outcome !== 'requested', answer.body);
}

// Chooses SYMBOLS in the table and opens the sheet of their mode.
async function modeSheetOf(page, ...symbols) {
  for (const symbol of symbols) await page.getByLabel(`Choose ${symbol}`).check();
  await page.getByRole('group', { name: 'Acts on the chosen symbols' }).getByRole('button', { name: 'Set mode…' }).click();
  await sheetOf(page).getByText('Whom it reaches').waitFor();
}

async function approveFirst(page, typed) {
  await page.getByRole('button', { name: /pending approvals/ }).click();
  await page.locator('.waiting button').first().click();
  await sheetOf(page).getByText('Asked for by').waitFor();
  await confirm(page, { typed, button: 'Approve' });
}

async function inForce(page) {
  const said = sheetOf(page).getByText(/In force|Approved, in force/).first();
  await said.waitFor({ timeout: 8000 });
  return Number((await sheetOf(page).locator('.said .facts dd').first().innerText()).replaceAll(',', ''));
}

test('a halt is seen by a second browser and by a market-data client; another person approves the resumption in her own browser', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver')];
  const hers = await signedIn(browser, stage, ana, '/overview', { permissions: ['clipboard-read', 'clipboard-write'] });
  const his = await signedIn(browser, stage, ben, '/overview', { theme: 'light' });
  const ws = await Client.connect(stage);
  await ws.subscribe({ channel: 'book', symbol: [SYMBOL], gw: { interval_ms: 50 } });
  await says(hers, /ACCEPTING ORDERS/);
  await says(his, /events\s+\d/);
  await modeSheetOf(hers, SYMBOL);
  const sheet = sheetOf(hers);
  assert.equal(await hers.evaluate(() => document.activeElement.textContent), 'Cancel', 'the focus begins on Cancel');
  assert.match(await sheet.innerText(), /tightens: takes effect at once/);
  assert.match(await sheet.innerText(), /Symbols\s+1\n/);
  const followers = Number(/Subscriptions of clients\s+(\d+)/.exec(await sheet.innerText())[1]);
  assert.ok(followers >= 1, 'the client is counted');
  const clients = Number(/Clients connected\s+(\d+)/.exec(await sheet.innerText())[1]);
  assert.ok(clients >= 1 && clients <= followers, `${clients} clients with ${followers} subscriptions`);
  assert.match(await sheet.innerText(), /Keys\s+\d+\n/);
  assert.match(await sheet.innerText(), /portctl halt BTC\/USD --reason/);
  const halt = sheet.getByRole('button', { name: 'Set SOFT_HALT' });
  await sheet.getByLabel(/^Reason/).fill('too short');
  await sheet.getByLabel(/^Type/).fill(SYMBOL);
  assert.ok(await halt.isDisabled(), 'nine characters are no reason');
  await sheet.getByLabel(/^Reason/).fill('prices are off');
  assert.ok(await halt.isEnabled(), 'a halt does not wait for a ticket');
  await sheet.getByLabel(/^Type/).fill('BTC/US');
  assert.ok(await halt.isDisabled());
  // a paste, from the ticket say, is taken
  await sheet.getByLabel(/^Type/).fill('');
  await hers.evaluate(() => navigator.clipboard.writeText('BTC/USD'));
  await sheet.getByLabel(/^Type/).focus();
  await hers.keyboard.press('Control+V');
  assert.equal(await sheet.getByLabel(/^Type/).inputValue(), SYMBOL);
  assert.ok(await halt.isEnabled());
  // what was typed goes along: were it not what the gateway demands, nothing would be done
  let sent;
  await hers.route((url) => url.pathname.endsWith('/mode') && url.search === '', (route) => {
    const body = route.request().postDataJSON();
    if (body === null) return route.continue(); // a look
    sent ??= body.confirm;
    return route.continue({ postData: JSON.stringify({ ...body, confirm: 'BTC/USDT' }) });
  });
  await confirm(hers, { ticket: 'OPS-7', typed: SYMBOL, button: 'Set SOFT_HALT' });
  await sheet.getByText('must be `BTC/USD`, exactly').first().waitFor();
  assert.equal(sent, SYMBOL);
  await hers.unrouteAll();
  assert.match(await modeIn(his, SYMBOL), /NORMAL/);
  assert.equal(await sheet.getByLabel(/^Type/).inputValue(), '', 'to be typed anew');
  await confirm(hers, { ticket: 'OPS-7', typed: SYMBOL, button: 'Set SOFT_HALT' });
  const audit = await inForce(hers);
  assert.ok(audit > 0);
  assert.match(await sheetOf(hers).innerText(), /Time to effect, in every loop\s+[\d.]+ (µs|ms)/);
  await ws.waitFor((m) => m.channel === 'gateway' && m.data[0].event === 'symbol' && m.data[0].mode === 'SOFT_HALT', 5000);
  await until('his table', 5000, async () => /SOFT_HALT/.test(await modeIn(his, SYMBOL)));
  assert.match(await rowOf(his, SYMBOL).innerText(), /prices are off/);
  await says(his, /1 soft-halt/);
  assert.equal((await stage.sql(`SELECT actor || ' ' || action || ' ' || outcome FROM audit_entries WHERE seq = ${audit}`)), 'user:ana symbol.mode done');

  await hers.getByRole('button', { name: 'Ask to undo it…' }).click();
  await sheetOf(hers).getByText('loosens: needs a second person').waitFor();
  const ask = sheetOf(hers).getByRole('button', { name: 'Ask for it' });
  await sheetOf(hers).getByLabel(/^Reason/).fill('prices agree again');
  await sheetOf(hers).getByLabel(/^Type/).fill(SYMBOL);
  assert.ok(await ask.isDisabled(), 'loosening needs a ticket');
  await confirm(hers, { ticket: 'OPS-7', button: 'Ask for it' });
  await sheetOf(hers).getByText('Requested, not in force.').waitFor();
  assert.match(await modeIn(hers, SYMBOL), /SOFT_HALT/, 'nothing is optimistic');
  await sheetOf(hers).getByRole('link', { name: 'Open the request' }).click();
  await sheetOf(hers).getByText('You asked for it.').waitFor();
  assert.equal(await sheetOf(hers).getByRole('button', { name: 'Approve' }).count(), 0, 'nobody approves her own');
  await until('he sees that it waits', 5000, () => his.getByRole('button', { name: 'pending approvals 1' }).count());
  await sheetOf(hers).getByText('Whom it reaches').waitFor();
  const decided = his.waitForRequest((r) => r.url().endsWith('/approve'));
  await approveFirst(his, SYMBOL);
  assert.equal((await decided).postDataJSON().confirm, SYMBOL);
  assert.match(await sheetOf(his).innerText(), /Whom it reaches\s+Symbols\s+1\s+Clients connected\s+\d+( \(\d+ when it was asked for\))?\s+Subscriptions of clients\s+\d+( \(\d+ when it was asked for\))?\s+Keys\s+\d+\s+Counted at version\s+\d+/);
  await sheetOf(his).getByText('Approved, in force.').waitFor();
  await until('her table', 5000, async () => /NORMAL/.test(await modeIn(hers, SYMBOL)));
  await sheetOf(hers).getByText('approved, in force').waitFor();
  await until('trading goes on', 8000, () => ws.messages.findLast((m) => m.channel === 'book')?.type !== undefined);
  for (const page of [hers, his]) await blameless(page, 'halt and resume');
  ws.close();
}));

test('the kill switch is engaged by one and released in stages by two; what stage it is stands on every screen', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver')];
  const hers = await signedIn(browser, stage, ana);
  const his = await signedIn(browser, stage, ben);
  const kill = hers.locator('.control-card', { has: hers.getByRole('heading', { name: 'Kill switch' }) });
  await kill.getByRole('button', { name: 'Engage…' }).click();
  await sheetOf(hers).getByText('Whom it reaches').waitFor();
  assert.match(await sheetOf(hers).innerText(), /Symbols\s+12\n/);
  await confirm(hers, { reason: 'runaway orders of one desk', ticket: 'OPS-9', typed: 'KILL', button: 'Engage' });
  await inForce(hers);
  await says(his, /ORDERS REFUSED: kill switch/);
  await says(his, /12 cancel-only/);
  await hers.keyboard.press('Escape');
  for (const [fields, expected] of [
    [{ symbols: 'eth/usd', percent: '10' }, /RELEASING[\s\S]*ETH\/USD[\s\S]*10 %/],
    [{ symbols: '', percent: '50' }, /RELEASING[\s\S]*all[\s\S]*50 %/],
  ]) {
    await kill.getByRole('button', { name: /Release in stages…|Next stage…/ }).click();
    await sheetOf(hers).getByLabel(/^Symbols/).fill(fields.symbols);
    await sheetOf(hers).getByLabel(/^For so many/).fill(fields.percent);
    await until('the preview of this stage', 5000, async () => (await sheetOf(hers).locator('.changes').innerText()).includes(`${fields.percent} % of keys`));
    await confirm(hers, { reason: 'a stage of the release', ticket: 'OPS-9', typed: 'RELEASE', button: 'Ask for it' });
    await sheetOf(hers).getByText('Requested, not in force.').waitFor();
    await hers.keyboard.press('Escape');
    await until('it waits', 5000, () => his.getByRole('button', { name: 'pending approvals 1' }).count());
    await approveFirst(his, 'RELEASE');
    await sheetOf(his).getByText('Approved, in force.').waitFor();
    await his.keyboard.press('Escape');
    await until('the stage', 5000, async () => expected.test(await kill.innerText()));
  }
  await kill.getByRole('button', { name: 'Next stage…' }).click();
  await sheetOf(hers).getByRole('button', { name: 'All of it' }).click();
  await until('the preview of the end', 5000, async () => /after\s+off/.test(await sheetOf(hers).locator('.changes').innerText()));
  await confirm(hers, { reason: 'all is well again', ticket: 'OPS-9', typed: 'RELEASE', button: 'Ask for it' });
  await sheetOf(hers).getByText('Requested, not in force.').waitFor();
  await hers.keyboard.press('Escape');
  await until('it waits', 5000, () => his.getByRole('button', { name: 'pending approvals 1' }).count());
  await approveFirst(his, 'RELEASE');
  await says(hers, /ACCEPTING ORDERS/);
  await says(hers, /kill switch:\s+off/);
  for (const page of [hers, his]) await blameless(page, 'kill switch');
}, { overrides: { gate: { stage_hold: '0ms' } } }));

// Presses Tab until what has the focus is called NAME.
async function tabTo(page, name, most = 80) {
  for (let i = 0; i < most; i++) {
    const now = await page.evaluate(() => {
      const e = document.activeElement;
      return e.getAttribute('aria-label') ?? (e.labels?.[0] ?? e).textContent.trim();
    });
    if (name.test(now)) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${name}`);
}

test('what moved between looking and asking is said, and nothing is asked for; a request that was overtaken cannot be approved', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver,operator')];
  const hers = await signedIn(browser, stage, ana);
  const his = await signedIn(browser, stage, ben);
  const two = ben;
  assert.equal((await two.logIn()).status, 200);
  const set = (mode) => two.call('PUT', `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode`, { mode, reason: 'somebody else was faster', ticket: 'OPS-8' }, { 'if-match': '*' });
  await halted(set('CANCEL_ONLY'));
  await until('her table', 5000, async () => /CANCEL_ONLY/.test(await modeIn(hers, SYMBOL)));
  const open = async () => {
    await modeSheetOf(hers, SYMBOL);
    await sheetOf(hers).getByRole('button', { name: 'NORMAL', exact: true }).click();
    await sheetOf(hers).getByText('loosens: needs a second person').waitFor();
  };
  await open();
  await until('the preview', 5000, async () => /after\s+NORMAL/.test(await sheetOf(hers).locator('.changes').innerText()));
  await halted(set('SOFT_HALT'));
  await confirm(hers, { reason: 'validated against the ledger', ticket: 'OPS-7', typed: SYMBOL, button: 'Ask for it' });
  const moved = sheetOf(hers).getByRole('alert').filter({ hasText: 'It has moved since you looked' });
  await moved.waitFor();
  assert.match(await moved.innerText(), /SOFT_HALT.* by (user:)?ben.*somebody else was faster/s);
  assert.equal(await sheetOf(hers).getByLabel(/^Type/).inputValue(), '', 'to be confirmed anew');
  await until('the sheet as it is now', 5000, async () => /now\s+SOFT_HALT/.test(await sheetOf(hers).locator('.changes').innerText()));
  await confirm(hers, { typed: SYMBOL, button: 'Ask for it' });
  await sheetOf(hers).getByText('Requested, not in force.').waitFor();
  // before he approves, the symbol is halted harder
  await his.getByRole('button', { name: 'pending approvals 1' }).click();
  await his.locator('.waiting button').first().click();
  await sheetOf(his).getByText('Asked for by').waitFor();
  await until('as it was asked for', 5000, async () => /now\s+SOFT_HALT\s+as when it was asked for/.test(await sheetOf(his).locator('.changes').innerText()));
  assert.equal((await ana.logIn()).status, 200);
  await halted(ana.call('PUT', `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode`, { mode: 'HARD_HALT', reason: 'the ledger differs after all', ticket: 'OPS-8' }, { 'if-match': '*' }));
  // his sheet says so before he approves, and what stands now
  const overtaken = sheetOf(his).getByRole('alert').filter({ hasText: 'It has moved since it was asked for' });
  await overtaken.waitFor({ timeout: 8000 });
  assert.match(await sheetOf(his).locator('.changes').innerText(), /when asked\s+SOFT_HALT\s+after\s+NORMAL\s+now\s+HARD_HALT\s+moved \S+ UTC by user:ana: the ledger differs after all/);
  await confirm(his, { typed: SYMBOL, button: 'Approve' });
  await sheetOf(his).getByRole('alert').filter({ hasText: 'has changed since it was asked for' }).waitFor();
  await until('still halted', 5000, async () => /HARD_HALT/.test(await modeIn(his, SYMBOL)));
  for (const page of [hers, his]) await blameless(page, 'moved');
}));

test('halt, approve, resume by the keyboard alone', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver')];
  const enter = async (person) => {
    const page = await browser.page(stage);
    await page.goto('/overview');
    await page.getByRole('dialog', { name: 'Sign in' }).waitFor();
    await page.keyboard.type(person.name);
    await page.keyboard.press('Tab');
    await page.keyboard.type(person.password);
    await page.keyboard.press('Tab');
    await page.keyboard.type(await person.code());
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Sign in' }).waitFor({ state: 'detached' });
    await live(page);
    return page;
  };
  const hers = await enter(ana);
  const his = await enter(ben);
  await rowOf(hers, SYMBOL).waitFor();
  await hers.keyboard.press('/');
  await hers.keyboard.type('btc/usd');
  await hers.keyboard.press('Escape');
  await hers.keyboard.press('j');
  await hers.keyboard.press('x');
  await tabTo(hers, /^Set mode…$/);
  await hers.keyboard.press('Enter');
  await sheetOf(hers).getByText('Whom it reaches').waitFor();
  await tabTo(hers, /^Reason/);
  await hers.keyboard.type('prices are off');
  await tabTo(hers, /^Ticket/);
  await hers.keyboard.type('OPS-7');
  await tabTo(hers, /^Type/);
  await hers.keyboard.type(SYMBOL);
  await tabTo(hers, /^Set SOFT_HALT$/);
  await hers.keyboard.press('Enter');
  await inForce(hers);
  await tabTo(hers, /^Ask to undo it…$/);
  await hers.keyboard.press('Enter');
  await sheetOf(hers).getByText('loosens: needs a second person').waitFor();
  await tabTo(hers, /^Reason/);
  await hers.keyboard.type('prices agree again');
  await tabTo(hers, /^Ticket/);
  await hers.keyboard.type('OPS-7');
  await tabTo(hers, /^Type/);
  await hers.keyboard.type(SYMBOL);
  await tabTo(hers, /^Ask for it$/);
  await hers.keyboard.press('Space');
  await sheetOf(hers).getByText('Requested, not in force.').waitFor();
  await until('it waits', 8000, () => his.getByRole('button', { name: 'pending approvals 1' }).count());
  await tabTo(his, /^pending approvals 1$/, 200);
  await his.keyboard.press('Enter');
  await his.locator('.waiting button').waitFor();
  await tabTo(his, /BTC\/USD to NORMAL/);
  await his.keyboard.press('Enter');
  await sheetOf(his).getByText('Asked for by').waitFor();
  await tabTo(his, /^Type/);
  await his.keyboard.type(SYMBOL);
  await tabTo(his, /^Approve$/);
  await his.keyboard.press('Enter');
  await sheetOf(his).getByText('Approved, in force.').waitFor();
  await until('NORMAL again', 5000, async () => /NORMAL/.test(await modeIn(hers, SYMBOL)));
}));

test('who may what: looking without signing in, a viewer, an approver who asked; no key acts', options, () => withPeople(async (stage, browser) => {
  const page = await browser.page(stage);
  const acted = [];
  page.on('request', (r) => { if (!['GET', 'HEAD'].includes(r.method())) acted.push(`${r.method()} ${new URL(r.url()).pathname}`); });
  await page.goto('/overview');
  await page.getByRole('button', { name: 'Look without signing in' }).click();
  await live(page);
  await rowOf(page, SYMBOL).waitFor();
  assert.match(await banner(page), /kill switch: not signed in/);
  const refusals = (await stage.metrics()).get('auth_fail_total{reason="no_signature"}');
  await sleep(3000);
  assert.equal((await stage.metrics()).get('auth_fail_total{reason="no_signature"}'), refusals, 'what needs a person is not asked for without one');
  for (const key of 'jxkhamdrsgcvefqtuwyzln0') await page.keyboard.press(key);
  for (const key of ['Enter', 'Space', 'Delete', 'Backspace']) await page.keyboard.press(key);
  assert.deepEqual(acted, []);
  await blameless(page, 'not signed in');
  const eva = await signedIn(browser, stage, stage.person('eva', 'viewer'));
  const engage = eva.locator('.control-card').getByRole('button', { name: 'Engage…' });
  await engage.waitFor();
  assert.ok(await engage.isDisabled());
  assert.match(await engage.getAttribute('title'), /needs the permission control\.tighten/);
  await blameless(eva, 'a viewer');
}));

test('the first time: a password of one’s own, a second factor by its QR code, recovery codes once; a second factor that is old is asked for and the request goes on', options, () => withPeople(async (stage, browser) => {
  const ana = stage.person('ana', 'operator');
  const sue = stage.person('sue', 'security');
  assert.equal((await sue.logIn()).status, 200);
  const made = await sue.call('POST', '/v1/users', { name: 'new', label: 'New', reason: 'she begins today' });
  assert.equal(made.status, 201, made.body);
  assert.equal((await sue.call('POST', '/v1/users/new/roles', { role: 'operator', reason: 'she begins today' })).status, 200);
  const page = await browser.page(stage);
  await page.goto('/overview');
  const box = page.getByRole('dialog', { name: 'Sign in' });
  await box.getByLabel('Name').fill('new');
  await box.getByLabel('Password').fill('not this one at all');
  await box.getByRole('button', { name: 'Sign in' }).click();
  await box.getByRole('alert').waitFor();
  assert.match(await box.getByRole('alert').innerText(), /is wrong/);
  await box.getByLabel('Password').fill(made.json.password);
  await box.getByRole('button', { name: 'Sign in' }).click();
  await box.getByText('Choose a password').waitFor();
  await box.getByLabel('A new one').fill('a long phrase of her own');
  await box.getByLabel('Once more').fill('a long phrase of her own');
  await box.getByRole('button', { name: 'Use it from now on' }).click();
  await box.getByRole('button', { name: 'Show the QR code' }).click();
  await box.getByRole('img', { name: /QR code/ }).waitFor();
  assert.ok((await box.locator('.qr path').getAttribute('d')).length > 2000);
  const secret = (await box.locator('.command pre').innerText()).replace(/\s/g, '');
  await box.getByLabel('The code it shows now').fill(totp(secret));
  await box.getByRole('button', { name: 'Use this authenticator' }).click();
  await box.getByText('Recovery codes').waitFor();
  assert.equal(await box.locator('.recovery li').count(), 10);
  await box.getByLabel('I have kept them').check();
  await box.getByRole('button', { name: 'Go on' }).click();
  await live(page);
  assert.match(await page.locator('.foot').innerText(), /new\s*\/ operator/);

  // hers is made old; loosening asks for it and goes on by itself
  const hers = await signedIn(browser, stage, ana);
  await modeSheetOf(hers, SYMBOL);
  await confirm(hers, { reason: 'prices are off', typed: SYMBOL, button: 'Set SOFT_HALT' });
  await inForce(hers);
  stage.sql("UPDATE user_sessions SET factor_at = now() - interval '10 minutes'");
  await stage.stopGateway();
  await stage.startGateway(stage.overrides);
  await live(hers);
  await until('her session is known again', 15000, async () => /ana/.test(await hers.locator('.foot').innerText()));
  await hers.getByRole('button', { name: 'Ask to undo it…' }).click();
  await sheetOf(hers).getByText('loosens: needs a second person').waitFor();
  const asking = confirm(hers, { reason: 'prices agree again', ticket: 'OPS-7', typed: SYMBOL, button: 'Ask for it' });
  const factor = hers.getByRole('dialog', { name: 'Your second factor' });
  await factor.waitFor();
  await asking;
  await factor.getByLabel('Code').fill('000000');
  await factor.getByRole('button', { name: 'Go on' }).click();
  assert.match(await factor.getByRole('alert').innerText(), /is wrong/);
  await giveFactor(hers, ana);
  await sheetOf(hers).getByText('Requested, not in force.').waitFor();
  await hers.keyboard.press('Escape');

  await hers.getByRole('button', { name: /you: ana/ }).click();
  await hers.getByRole('button', { name: 'Sign out' }).click();
  await hers.getByRole('dialog', { name: 'Sign in' }).waitFor();
  assert.equal((await hers.context().cookies()).filter((c) => c.name === '__Host-sid').length, 0);
  for (const p of [page, hers]) await blameless(p, 'sessions');
}));

test('a session that ends is said beforehand, then signed in to anew where one was; two tabs share one stream of events', options, () => withPeople(async (stage, browser) => {
  const ana = stage.person('ana', 'operator');
  const page = await signedIn(browser, stage, ana);
  const tab = await page.context().newPage();
  await tab.goto('/market/BTC-USD');
  await live(tab);
  await until('both hear events', 8000, async () => (await Promise.all([page, tab].map(banner))).every((t) => /events\s+\d/.test(t)));
  assert.equal((await stage.metrics()).get('sse_streams'), 1, 'one stream for both');
  await page.close();
  await until('the other takes over', 15000, async () => (await stage.metrics()).get('sse_streams') === 1 && /events\s+\d/.test(await banner(tab)));

  stage.sql("UPDATE user_sessions SET ends_at = now() + interval '100 seconds'");
  await stage.stopGateway();
  await stage.startGateway(stage.overrides);
  await live(tab);
  await tab.getByText(/Your session ends in/).waitFor({ timeout: 90000 });
  const admin = stage.person('sue', 'security');
  await admin.logIn();
  assert.equal((await admin.call('DELETE', '/v1/users/ana/sessions', { reason: 'a test of sessions' })).status, 200);
  await tab.getByRole('dialog', { name: 'Sign in' }).waitFor({ timeout: 30000 });
  assert.match(await tab.getByRole('dialog', { name: 'Sign in' }).innerText(), /Your session has ended/);
  await signIn(tab, ana);
  assert.match(tab.url(), /\/market\/BTC-USD/);
  await blameless(tab, 'sessions end');
}));

test('a session nobody uses ends: what the page asks by itself puts no end off, “Stay signed in” does', options, () => withPeople(async (stage, browser) => {
  const page = await signedIn(browser, stage, stage.person('ana', 'operator'));
  await stage.stopGateway();
  stage.sql("UPDATE user_sessions SET last_seen_at = now() - interval '13 minutes 15 seconds'"); // of fifteen
  await stage.startGateway(stage.overrides);
  await page.reload();
  await live(page);
  const warning = page.locator('.banner .soon');
  await warning.getByText('Nothing was asked for a while.').waitFor();
  const idleAt = () => page.evaluate(async () => (await (await fetch('/v1/session')).json()).idle_at);
  const before = await idleAt();
  const asked = [];
  page.on('request', (r) => asked.push(new URL(r.url()).pathname));
  await sleep(11000); // events, controls, incidents, and the session itself, are read meanwhile
  for (const path of ['/v1/session', '/v1/triage', '/v1/circuits']) assert.ok(asked.includes(path), `${path} was asked for: ${[...new Set(asked)]}`);
  assert.equal(await idleAt(), before);
  assert.match(await warning.innerText(), /Your session ends in/);
  await warning.getByRole('button', { name: 'Stay signed in' }).click();
  await warning.waitFor({ state: 'detached' });
  const left = Date.parse(await idleAt()) - Date.now();
  assert.ok(left > 14 * 60000 && left <= 15 * 60000 + 5000, `${left} ms`);
  await blameless(page, 'staying');
}));

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

test('axe finds nothing on the sign-in page, the sheets and the overview, in each theme', options, () => withPeople(async (stage, browser) => {
  const axe = readFileSync(axeSource(), 'utf8');
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver')];
  assert.equal((await ana.logIn()).status, 200);
  const put = (path, body) => ana.call('PUT', path, { reason: 'a test of looks', ticket: 'OPS-1', ...body }, { 'if-match': '*' });
  await put('/v1/symbols/ETH%2FUSD/mode', { mode: 'HARD_HALT' });
  await put('/v1/withdrawals', { halted: true, asset: 'BTC' });
  const { headers } = await ana.call('GET', '/v1/symbols/ETH%2FUSD/mode');
  await ana.call('PUT', '/v1/symbols/ETH%2FUSD/mode', { mode: 'CANCEL_ONLY', reason: 'a test of looks', ticket: 'OPS-1' }, { 'if-match': headers.etag });
  const check = async (page, where) => {
    await page.evaluate(axe);
    const found = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly }), RULES);
    assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`), [], where);
  };
  for (const theme of ['dark', 'light', 'contrast']) {
    const page = await browser.page(stage, { theme, bypassCSP: true });
    await page.goto('/overview');
    await page.getByRole('dialog', { name: 'Sign in' }).waitFor();
    await check(page, `sign-in ${theme}`);
    await signIn(page, ben);
    await live(page);
    await sleep(1500);
    await check(page, `overview ${theme}`);
    for (const [name, open] of [
      ['you', () => page.getByRole('button', { name: /you: / }).click()],
      ['mode', () => page.getByRole('button', { name: 'Mode of all…' }).click()],
      ['pending', () => page.getByRole('button', { name: /pending approvals/ }).click()],
      ['change', () => page.locator('.waiting button').first().click()],
    ]) {
      if (name !== 'change') await page.keyboard.press('Escape');
      await open();
      await sleep(700);
      await check(page, `${name} ${theme}`);
    }
    await page.context().close();
  }
}, { overrides: { limits: wide } }));

test('320 px wide, and at 400 % zoom: signing in, the overview and the sheets need no sideways scrolling, and what acts is reached', options, () => withPeople(async (stage, browser) => {
  const ana = stage.person('ana', 'operator');
  for (const [mode, size] of [['SOFT_HALT', { width: 320, height: 640 }], ['HARD_HALT', { width: 320, height: 256 }]]) { // the latter: 1280 x 1024 at 400 %
    const page = await browser.page(stage, size);
    await page.goto('/overview');
    await page.getByRole('dialog', { name: 'Sign in' }).waitFor();
    const fits = async (where) => {
      const { wide: w, inner } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, inner: innerWidth }));
      assert.ok(w <= inner, `${where} at ${size.height}: ${w} px in ${inner}`);
    };
    await fits('sign-in');
    await signIn(page, ana);
    await live(page);
    await sleep(1000);
    await fits('overview');
    await page.getByRole('button', { name: 'Mode of all…' }).click();
    await sheetOf(page).getByText('Whom it reaches').waitFor();
    const box = await sheetOf(page).boundingBox();
    assert.ok(box.x >= 0 && box.x + box.width <= 320, JSON.stringify(box));
    assert.ok(await sheetOf(page).evaluate((e) => e.scrollWidth <= e.clientWidth), 'nothing of the sheet is cut off');
    await sheetOf(page).getByRole('button', { name: mode, exact: true }).click();
    await confirm(page, { reason: 'a test of small screens', ticket: 'OPS-1', typed: 'ALL', button: `Set ${mode}` });
    await inForce(page);
    await page.context().close();
  }
}));
