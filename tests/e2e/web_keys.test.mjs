// The dashboard for who has no mouse and for who does not see it: work on an incident, a connection, the looks and the kill
// switch by keyboard alone; axe on what only shows for a moment: signing in the first time, sheets and what comes of them,
// what is said when the gateway or the session goes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { axeSource, live, needsBrowser } from './harness/browser.mjs';
import { until } from './harness/gateway.mjs';
import { totp } from './harness/people.mjs';
import { confirm, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';
import { Client } from './harness/ws.mjs';

const playbooks = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/playbooks');
const options = { ...needsBrowser, timeout: 280000 };
const few = { symbols: 3, rate: 20 };

// Presses Tab until what has the focus is called NAME.
async function tabTo(page, name, most = 200) {
  const now = () => page.evaluate(() => {
    const e = document.activeElement;
    return (e.getAttribute('aria-label') ?? (e.labels?.[0] ?? e).textContent).trim().replace(/\s+/g, ' ').slice(0, 200);
  });
  for (let i = 0; i < most; i++) {
    if (name.test(await now())) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab does not reach ${name}; at ${await now()}`);
}

async function press(page, name) {
  await tabTo(page, name);
  await page.keyboard.press('Enter');
}

async function type(page, field, text) {
  await tabTo(page, field);
  await page.keyboard.type(text);
}

// Fills the sheet that is open and presses BUTTON, all by keyboard.
async function confirmByKeys(page, typed, button) {
  await sheetOf(page).waitFor();
  await type(page, /^Reason/, 'a test of the keyboard');
  await type(page, /^Ticket/, 'OPS-31');
  await type(page, /^Type .* to confirm/, typed);
  await until(`${button} can be pressed`, 10000, () => sheetOf(page).getByRole('button', { name: button, exact: true }).isEnabled());
  await press(page, new RegExp(`^${button}$`));
}

const closed = (page) => until('the sheet closes', 10000, async () => (await page.getByRole('dialog').count()) === 0);

test('by keyboard alone: an incident acknowledged and a step of its playbook done, a connection closed, the looks changed, the kill switch engaged', options, () => withPeople(async (stage, browser) => {
  const ana = stage.person('ana', 'operator');
  assert.equal((await ana.logIn()).status, 200);
  const opened = await ana.call('POST', '/v1/incidents', { severity: 'SEV2', title: 'Clients far behind', playbook: 'ws_overload', reason: 'the backlog grows on every shard' });
  assert.equal(opened.status, 201, opened.body);
  const client = await Client.connect(stage);
  await client.subscribe({ channel: 'ticker', symbol: ['BTC/USD'] });
  const { connection_id: id } = client.messages.find((m) => m.channel === 'status').data[0];
  const page = await signedIn(browser, stage, ana);
  await page.evaluate(() => {
    globalThis.pointed = 0;
    addEventListener('pointerdown', () => { globalThis.pointed++; }, true);
  });

  await page.keyboard.press('5');
  await page.locator('.wait').waitFor();
  await page.keyboard.press('a');
  await sheetOf(page).waitFor();
  await type(page, /^Notes/, 'I have it');
  await press(page, /^Acknowledge$/);
  await closed(page);
  await until('nothing waits', 10000, async () => (await page.locator('.wait').count()) === 0);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await until('its page', 5000, () => page.url().endsWith('/incidents/INC-1'));
  await page.locator('.playbook .step').first().waitFor();
  await press(page, /^Done…/);
  await sheetOf(page).waitFor();
  await press(page, /^Done$/);
  await closed(page);
  await page.locator('.step.is-done').getByText(/^done .*by ana/).waitFor();

  await page.keyboard.press('3');
  const table = page.getByRole('region', { name: 'Connections', exact: true });
  await table.getByText(String(id)).waitFor({ timeout: 15000 });
  await page.keyboard.press('/');
  await page.keyboard.type(String(id));
  await page.keyboard.press('Escape');
  await until('one row', 5000, async () => (await table.locator('tbody tr:not(.gap)').count()) === 1);
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.record').waitFor();
  await press(page, /^Close it…$/);
  await confirmByKeys(page, String(id), 'Close it');
  assert.equal((await client.closed).code, 4014);
  await sheetOf(page).getByText('Closed.').waitFor();
  await page.keyboard.press('Escape');
  await closed(page);

  await page.keyboard.press('8');
  await press(page, /^Light$/);
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
  await page.keyboard.press('2');
  await page.waitForSelector('.ladder tbody td');
  await press(page, /^50$/);
  await press(page, /^5m$/);
  assert.match(page.url(), /depth=50/);
  assert.match(page.url(), /interval=5/);
  await press(page, /^Table$/);
  await until('numbers instead of a chart', 5000, async () => (await page.locator('.candle-table, .as-table').count()) > 0);
  await page.keyboard.press('p');
  await page.getByText('PAUSED').waitFor();
  await page.keyboard.press('p');

  await page.keyboard.press('1');
  await press(page, /^Engage…$/);
  await confirmByKeys(page, 'KILL', 'Engage');
  await sheetOf(page).getByText('In force.').waitFor();
  assert.equal((await ana.call('GET', '/v1/kill-switch')).json.engaged, true);
  assert.equal(await page.evaluate(() => globalThis.pointed), 0);
  assert.deepEqual(page.wrong, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
}, { ...few, overrides: { playbooks: { dir: playbooks } } }));

// --- axe ------------------------------------------------------------------------------------------------------------

const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const wrong = [];

// What axe finds within SELECTOR of PAGE, in each of THEMES.
async function look(page, where, { selector = '[role=dialog]', themes = ['dark'] } = {}) {
  if (!await page.evaluate(() => Boolean(globalThis.axe))) await page.evaluate(readFileSync(axeSource(), 'utf8'));
  for (const theme of themes) {
    await page.evaluate((t) => { document.documentElement.dataset.theme = t; }, theme);
    const found = await page.evaluate(({ at, rules }) => globalThis.axe.run(at, { runOnly: rules }), { at: selector, rules: RULES });
    wrong.push(...found.violations.map((v) => `${where} ${theme}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? n.all[0]?.message ?? ''}`).join(' | ')}`));
  }
}

const all = { themes: ['light', 'contrast', 'dark'] };

test('axe finds nothing while one signs in the first time, and where a second factor is asked for', options, () => withPeople(async (stage, browser) => {
  const sue = stage.person('sue', 'security');
  assert.equal((await sue.logIn()).status, 200);
  const made = await sue.call('POST', '/v1/users', { name: 'new', label: 'New', reason: 'she begins today' });
  assert.equal(made.status, 201, made.body);
  assert.equal((await sue.call('POST', '/v1/users/new/roles', { role: 'operator', reason: 'she begins today' })).status, 200);
  const page = await browser.page(stage, { bypassCSP: true });
  await page.goto('/overview');
  const box = page.getByRole('dialog', { name: 'Sign in' });
  await box.getByLabel('Name').fill('new');
  await box.getByLabel('Password').fill(made.json.password);
  await box.getByRole('button', { name: 'Sign in' }).click();
  await box.getByText('Choose a password').waitFor();
  await box.getByLabel('A new one').fill('a long phrase of her own');
  await box.getByLabel('Once more').fill('not the same');
  await box.getByRole('button', { name: 'Use it from now on' }).click();
  await box.getByRole('alert').waitFor();
  await look(page, 'choose a password');
  await box.getByLabel('A new one').fill('a long phrase of her own');
  await box.getByLabel('Once more').fill('a long phrase of her own');
  await box.getByRole('button', { name: 'Use it from now on' }).click();
  await box.getByRole('button', { name: 'Show the QR code' }).click();
  await box.getByRole('img', { name: /QR code/ }).waitFor();
  await look(page, 'QR code');
  const secret = (await box.locator('.command pre').innerText()).replace(/\s/g, '');
  await box.getByLabel('The code it shows now').fill(totp(secret));
  await box.getByRole('button', { name: 'Use this authenticator' }).click();
  await box.getByText('Recovery codes').waitFor();
  await look(page, 'recovery codes');
  await box.getByLabel('I have kept them').check();
  await box.getByRole('button', { name: 'Go on' }).click();
  await live(page);
  await page.getByRole('button', { name: /you: new/ }).click();
  await page.getByRole('button', { name: 'Renew the second factor' }).click();
  await page.getByRole('dialog', { name: 'Your second factor' }).waitFor();
  await look(page, 'second factor');
  assert.deepEqual(wrong.splice(0), []);
}, few));

test('axe finds nothing on sheets, on what comes of them, and when the gateway or the session goes', options, () => withPeople(async (stage, browser) => {
  const ana = stage.person('ana', 'operator,admin');
  assert.equal((await ana.logIn()).status, 200);
  const page = await signedIn(browser, stage, ana, '/overview', { bypassCSP: true });
  const shut = async () => {
    await page.keyboard.press('Escape');
    await closed(page);
  };
  const sheet = async (name, button) => {
    await button.click();
    await sheetOf(page).waitFor();
    await until(`${name}: what it would do is known`, 10000, async () => (await sheetOf(page).locator('.skeleton').count()) === 0);
    await look(page, name, all);
  };
  const card = (title) => page.locator('.control-card', { has: page.getByRole('heading', { name: title }) });
  await sheet('kill switch', card('Kill switch').getByRole('button', { name: 'Engage…' }));
  await confirm(page, { reason: 'a test of looks', ticket: 'OPS-1', typed: 'KILL', button: 'Engage' });
  await sheetOf(page).getByText('In force.').waitFor();
  await look(page, 'in force', all);
  await shut();
  await sheet('release', card('Kill switch').getByRole('button', { name: 'Release in stages…' }));
  await sheetOf(page).getByLabel(/^Symbols/).fill('NOPE/USD');
  await sheetOf(page).getByRole('alert').waitFor();
  await look(page, 'refused', all);
  await shut();
  await sheet('withdrawals', card('Withdrawals').getByRole('button', { name: 'Halt…' }));
  await shut();
  await page.getByLabel('Choose BTC/USD').check();
  const acts = page.getByRole('group', { name: 'Acts on the chosen symbols' });
  await sheet('throttle', acts.getByRole('button', { name: 'Throttle…' }));
  await shut();
  await sheet('cancel all', acts.getByRole('button', { name: 'Cancel all orders…' }));
  await shut();
  await page.keyboard.press('3');
  await sheet('fan-out', page.getByRole('button', { name: 'Change…' }));
  await shut();
  await page.keyboard.press('7');
  await sheet('smoke', page.getByRole('button', { name: 'Run it…' }));
  await shut();

  await stage.stopGateway('SIGKILL');
  await page.locator('.banner .lost, .lost').first().waitFor({ timeout: 20000 });
  await look(page, 'disconnected', { ...all, selector: '.lost' });
  stage.sql("UPDATE user_sessions SET ends_at = now() + interval '110 seconds'");
  await stage.startGateway(stage.overrides);
  await live(page);
  await page.getByText(/Your session ends in/).waitFor({ timeout: 100000 });
  await look(page, 'the session ends', { ...all, selector: '.lost.soon' });
  assert.deepEqual(wrong.splice(0), []);
}, few));
