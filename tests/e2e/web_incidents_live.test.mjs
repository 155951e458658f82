// Incidents in two browsers on the real gateway: opened by hand in one, seen in the other, acknowledged before the countdown
// ends, worked on, closed when nothing is missing; every act stands in the audit log.
import assert from 'node:assert/strict';
import test from 'node:test';
import { needsBrowser } from './harness/browser.mjs';
import { until } from './harness/gateway.mjs';
import { sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const slow = { ...needsBrowser, timeout: 240000 };

// Opens the sheet of BUTTON, fills FIELDS by their labels, presses VERB and waits until the gateway has done it.
async function act(page, button, fields, verb, { refused } = {}) {
  await page.getByRole('button', { name: button }).first().click();
  const sheet = sheetOf(page);
  for (const [label, value] of Object.entries(fields)) {
    const field = sheet.getByLabel(new RegExp(`^${label}`));
    if ((await field.evaluate((e) => e.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
  await sheet.getByRole('button', { name: verb, exact: true }).click();
  if (refused) {
    await sheet.getByRole('alert').getByText(refused).first().waitFor();
    await page.keyboard.press('Escape');
  }
  await until(`${verb}: the sheet closes`, 10000, async () => (await page.getByRole('dialog').count()) === 0);
}

test('an incident by two people in two browsers, from its opening to its end', slow, () => withPeople(async (stage, browser) => {
  const ana = await signedIn(browser, stage, stage.person('ana', 'operator,auditor'), '/incidents');
  const ben = await signedIn(browser, stage, stage.person('ben', 'operator'), '/incidents');
  await ana.getByText('No open incident').waitFor();
  await ben.getByText('No open incident').waitFor();

  await act(ana, 'Open by hand…', { 'What is wrong': 'Books of BTC/USD are crossed', Severity: 'SEV1', Reason: 'two books are crossed since 03:00', Class: 'data_quality', Symbol: 'BTC/USD' }, 'Open');
  await until('her page', 5000, () => ana.url().endsWith('/incidents/INC-1'));
  await ana.getByRole('heading', { level: 1, name: 'Books of BTC/USD are crossed' }).waitFor();

  // the other sees it without asking
  await ben.locator('.wait', { hasText: 'Books of BTC/USD are crossed' }).waitFor({ timeout: 5000 });
  assert.match(await ben.locator('.wait .left').innerText(), /1[45]:\d\d\s+to acknowledge/);
  await ben.keyboard.press('a');
  await sheetOf(ben).getByLabel(/^Notes/).fill('I have it, looking at the feed');
  await sheetOf(ben).getByRole('button', { name: 'Acknowledge', exact: true }).click();
  await until('nothing waits', 5000, async () => (await ben.locator('.wait').count()) === 0);
  await ana.getByText(/by ben, after \d+ s/).waitFor({ timeout: 5000 });
  const acked = await ben.evaluate(async () => (await fetch('/v1/incidents/INC-1')).json());
  assert.ok(Date.parse(acked.acked_at) < Date.parse(acked.ack_due_at), 'before the countdown ends');

  await act(ana, 'assign a commander', { Name: 'ana' }, 'Assign');
  await act(ana, 'Note…', { Note: 'The feed sent an old snapshot' }, 'Add');
  await act(ana, 'Severity…', { Severity: 'SEV2', Reason: 'only one symbol, scope is known' }, 'Change');
  await act(ana, 'Mitigate…', { Mitigation: 'mitigated', Notes: 'symbol is in CANCEL_ONLY' }, 'Mitigate');
  await act(ana, 'Add…', { 'What is to be done': 'check the adapter', Owner: 'ben', Due: '2030-01-01T10:00' }, 'Add');
  await act(ana, 'Resolve…', { Notes: 'a new snapshot came' }, 'Resolve');
  await ana.getByText('The root cause is not recorded').waitFor();
  await act(ana, 'Close…', { Notes: 'all good again', 'Address of the postmortem': 'https://wiki.example/pm/1' }, 'Close', { refused: /root cause/i });
  await act(ana, 'Root cause…', { 'Root cause': 'the adapter replayed a file of yesterday' }, 'Record');
  await act(ana, 'Close…', { Notes: 'all good again', 'Address of the postmortem': 'https://wiki.example/pm/1' }, 'Close');
  await ana.locator('.incident .chips').getByText('closed').waitFor();

  const timeline = await ana.locator('.timeline').innerText();
  for (const text of ['opened', 'acknowledged', 'I have it, looking at the feed', 'The feed sent an old snapshot', 'mitigation', 'resolved', 'closed']) assert.ok(timeline.includes(text), `${text} in\n${timeline}`);
  assert.match(timeline, /audit \d+/);
  await ana.getByRole('button', { name: 'Report' }).click();
  await ana.getByRole('dialog', { name: 'Report of INC-1' }).getByText('the adapter replayed a file of yesterday').first().waitFor();
  await ana.keyboard.press('Escape');
  const actions = (await ana.evaluate(async () => (await fetch('/v1/audit?incident=INC-1&limit=100')).json())).entries.map((e) => e.action);
  for (const action of ['incident.open', 'incident.ack', 'incident.assign', 'incident.note', 'incident.severity', 'incident.mitigate', 'incident.task', 'incident.resolve', 'incident.close']) assert.ok(actions.includes(action), `${action} in ${actions}`);
  for (const page of [ana, ben]) {
    assert.deepEqual(page.wrong, []);
    assert.deepEqual(await page.evaluate(() => globalThis.violations), [], 'policy');
  }
}));
