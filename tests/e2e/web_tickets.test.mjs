// Tickets that are owed in the browser: the list when nothing is owed, who may name a ticket, a pattern that does not match,
// naming it, PostgreSQL away; axe on the list and its sheet.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { axeSource, needsBrowser } from './harness/browser.mjs';
import { killPg, startPg } from './harness/gate.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { confirm, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const options = { ...needsBrowser, timeout: 240000 };
const mode = (symbol) => `/v1/symbols/${encodeURIComponent(symbol)}/mode`;
const halts = (person, symbol) => person.call('PUT', mode(symbol), { mode: 'SOFT_HALT', reason: 'prices are <b>off</b>' }, { 'if-match': '*' });
const panelOf = (page) => page.locator('.panel', { has: page.getByRole('heading', { name: 'Tickets owed' }) });
const rowOf = (page, text) => page.getByRole('region', { name: 'Tickets owed' }).locator('tbody tr', { hasText: text });

test('a ticket is named where it is owed, by who halted or an operator', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver')];
  await until('ben is in', 10000, async () => (await ben.logIn()).status === 200);
  const page = await signedIn(browser, stage, ana, '/settings/approvals', { bypassCSP: true });
  await panelOf(page).getByText('No ticket is owed').waitFor();

  const [first, second] = [(await halts(ben, 'BTC/USD')).json.audit, (await halts(ben, 'ETH/USD')).json.audit];
  await rowOf(page, 'ETH/USD').waitFor({ timeout: 15000 });
  assert.match((await rowOf(page, 'BTC/USD').innerText()).replace(/\s+/g, ' '), new RegExp(`^${first} .* user:ben symbol.mode BTC/USD prices are <b>off</b> Name it…$`));
  await page.evaluate(readFileSync(axeSource(), 'utf8'));
  const axe = async () => (await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }))).violations.map((v) => `${v.id}: ${v.nodes[0].target} ${v.nodes[0].any[0]?.message ?? ''}`);
  assert.deepEqual(await axe(), []);

  // an operator, for ben
  await page.getByRole('button', { name: `Name it… symbol.mode BTC/USD, audit ${first}` }).click();
  const button = sheetOf(page).getByRole('button', { name: 'Name it', exact: true });
  assert.ok(await button.isDisabled(), 'without a ticket');
  await confirm(page, { ticket: 'no-ticket', button: 'Name it' });
  await sheetOf(page).getByText(/gate\.ticket_pattern/).first().waitFor();
  await sheetOf(page).getByLabel('Ticket').fill('OPS-7');
  assert.match(await sheetOf(page).innerText(), new RegExp(`portctl tickets pay ${first} OPS-7`));
  await sleep(700); // colours change slowly
  assert.deepEqual(await axe(), []);
  await button.click();
  await sheetOf(page).getByText('OPS-7 is its ticket.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
  await until('it is off the list', 5000, async () => (await rowOf(page, 'BTC/USD').count()) === 0);
  assert.equal(stage.sql(`SELECT ticket || ' ' || paid_by FROM ticket_payments WHERE audit = ${first}`), 'OPS-7 user:ana');
  await page.goto('/overview');
  await page.getByRole('link', { name: '1 to name' }).waitFor({ timeout: 15000 });

  // who may look only; then ben himself, though no operator
  const vera = stage.person('vera', 'viewer');
  const hers = await signedIn(browser, stage, vera, '/settings/approvals');
  await rowOf(hers, 'ETH/USD').waitFor();
  assert.ok(await rowOf(hers, 'ETH/USD').getByRole('button').isDisabled());
  const his = await signedIn(browser, stage, ben, '/settings/approvals', { theme: 'light' });
  await rowOf(his, '(you)').getByRole('button').click();
  await confirm(his, { ticket: 'OPS-8', button: 'Name it' });
  await sheetOf(his).getByText('OPS-8 is its ticket.').waitFor();
  assert.equal(stage.sql(`SELECT ticket || ' ' || paid_by FROM ticket_payments WHERE audit = ${second}`), 'OPS-8 user:ben');
  await hers.getByText('No ticket is owed').waitFor({ timeout: 15000 });

  await killPg(stage);
  await panelOf(hers).getByText('503').waitFor({ timeout: 20000 });
  startPg(stage);
  await panelOf(hers).getByText('No ticket is owed').waitFor({ timeout: 30000 });
  assert.deepEqual([page, his, hers].flatMap((p) => p.wrong.filter((w) => !/status of (422|503)|net::ERR_/.test(w))), []);
  assert.deepEqual(await his.evaluate(() => globalThis.violations), []);
}, { symbols: 2 }));
