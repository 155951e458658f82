// Incidents in two browsers on the real gateway: opened by hand in one, seen in the other, acknowledged before the countdown
// ends, worked on, closed when nothing is missing; every act stands in the audit log.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { needsBrowser } from './harness/browser.mjs';
import { until } from './harness/gateway.mjs';
import { act } from './harness/web_flow.mjs';
import { sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const playbooks = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/playbooks');
const slow = { ...needsBrowser, timeout: 240000 };
const withBooks = { ...slow, skip: slow.skip || (!existsSync(path.join(playbooks, 'ws_overload.yaml')) && 'no playbook in docs/playbooks') };

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

  let timeline;
  await until('the last of it', 8000, async () => /closed/i.test(timeline = await ana.locator('.timeline').innerText()));
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

test('ws_overload by its steps: looked, acted through the sheet, answered; what is missing keeps it open', withBooks, () => withPeople(async (stage, browser) => {
  const ana = await signedIn(browser, stage, stage.person('ana', 'operator'), '/incidents/playbooks');
  const step = (id) => ana.locator(`#step-${id}`);
  const get = (path) => ana.evaluate(async (p) => (await fetch(p)).json(), path);
  await ana.getByRole('link', { name: 'ws_overload' }).click();
  await ana.getByText('No client was closed for SLOW_CONSUMER for five minutes').waitFor();
  await act(ana, 'Open an incident with it…', { 'What is wrong': 'Clients far behind', Reason: 'the backlog grows on every shard' }, 'Open');
  await step('set_emergency').getByText(/Locked: first answer/).waitFor();
  await step('see_backlog').getByRole('button', { name: /^Look/ }).click();
  await step('see_backlog').getByText('GET /v1/connections/summary').waitFor();

  await step('set_degraded').getByRole('button', { name: /^Act/ }).click();
  await sheetOf(ana).getByLabel(/^Reason/).fill('fan-out overload, all shards');
  await sheetOf(ana).getByLabel(/^Type ALL/).fill('ALL');
  await until('it may be pressed', 5000, () => sheetOf(ana).getByRole('button', { name: 'Do it', exact: true }).isEnabled());
  await sheetOf(ana).getByRole('button', { name: 'Do it', exact: true }).click();
  await sheetOf(ana).getByText('In force.').waitFor();
  await ana.keyboard.press('Escape');
  await step('set_degraded').getByText(/by ana: PUT \/v1\/fanout\/profile, audit \d+/).waitFor();
  assert.equal((await get('/v1/fanout/profile')).profile ?? (await get('/v1/fanout/profile')).value?.profile, 'degraded');

  await step('backlog_shrinks').getByRole('button', { name: /^shrinks…/ }).click();
  await sheetOf(ana).getByRole('button', { name: 'Answer', exact: true }).click();
  await step('set_emergency').getByText(/was answered “shrinks”/).waitFor();
  await act(ana, 'Resolve…', { Notes: 'the backlog is gone' }, 'Resolve');
  await ana.getByText('Mandatory step not done: Trades were not dropped').waitFor();
  await act(ana, 'Root cause…', { 'Root cause': 'a burst at the open' }, 'Record');
  await act(ana, 'Close…', { Notes: 'done', 'Address of the postmortem': 'https://wiki.example/pm/2' }, 'Close', { refused: /exit|missing|step/i });
  assert.match(await ana.locator('.exits').innerText(), /\d+\s*\/ 300 s/);
  const { steps, may_close: may } = await get('/v1/incidents/INC-1');
  assert.equal(steps.find((s) => s.id === 'set_degraded').state, 'done');
  assert.ok(may.missing.includes('step:trades_whole') && may.missing.includes('exit:no_slow_consumers'), JSON.stringify(may));
  assert.deepEqual(ana.wrong, []);
}, { overrides: { playbooks: { dir: playbooks } } }));
