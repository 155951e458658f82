// An alert of Debian's Alertmanager becomes an incident before the eyes of the operator, who acknowledges it while its
// countdown runs; the end of the alert is told, too.
import assert from 'node:assert/strict';
import test from 'node:test';
import { needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { alertmanager, blameless, quickPlaybooks, read, reporter, startAlertmanager } from './harness/web_flow.mjs';
import { sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const FIRST = '/v1/incidents/INC-1';
const options = { ...needsBrowser, timeout: 120000 };
const wanted = { ...options, skip: options.skip || (!alertmanager && 'no Alertmanager: apt-get install prometheus-alertmanager') };
const seconds = (text) => text.split(':').reduce((sum, part) => 60 * sum + Number(part), 0);

test('an alert opens an incident; it is acknowledged in the browser before its countdown ends', wanted, () => withPeople(async (stage, browser) => {
  const give = await startAlertmanager(stage, await reporter(stage, 'alertmanager'));
  const page = await signedIn(browser, stage, stage.person('ana', 'operator'), '/incidents');
  await page.getByText('No open incident').waitFor();
  const alert = { labels: { alertname: 'WsBacklogHigh', severity: 'critical', playbook: 'ws_overload' }, annotations: { summary: 'clients are an hour behind', description: 'on every shard' },
    startsAt: new Date(Date.now() - 60000).toISOString(), endsAt: new Date(Date.now() + 600000).toISOString() };
  await give([alert]);

  const card = page.locator('.wait', { hasText: 'INC-1' });
  await card.waitFor({ timeout: 20000 });
  const opened = await read(page, FIRST);
  assert.deepEqual([opened.severity, opened.state, opened.source, opened.playbook, opened.signal.state], ['SEV1', 'open', 'alert', 'ws_overload', 'firing']);
  assert.match(opened.signal.key, /^alert:[0-9a-f]{16}:20\d\d-/);
  assert.equal(Date.parse(opened.ack_due_at) - Date.parse(opened.opened_at), 900e3);
  assert.ok((await card.innerText()).includes('clients are an hour behind'), await card.innerText());

  // the countdown runs, on the card and in the banner, to the time the gateway gave
  const clock = () => card.locator('.left .clock').innerText();
  const first = await clock();
  const since = Date.now();
  await sleep(3100);
  const [left, passed] = [seconds(await clock()), (Date.now() - since) / 1000];
  assert.ok(Math.abs(seconds(first) - left - passed) <= 2, `${first} and ${passed} s later ${left} s`);
  assert.ok(Math.abs(left - (Date.parse(opened.ack_due_at) - Date.now()) / 1000) <= 2, `${left} s left`);
  await page.locator('.banner').getByText(/INC-1: acknowledge within 14 min/).waitFor();

  await page.keyboard.press('a');
  await sheetOf(page).getByRole('heading', { name: 'Acknowledge INC-1' }).waitFor();
  await sheetOf(page).getByLabel(/^Notes/).fill('I have it, looking at the shards');
  await sheetOf(page).getByRole('button', { name: 'Acknowledge', exact: true }).click();
  await card.waitFor({ state: 'detached' });
  const acked = await read(page, FIRST);
  assert.deepEqual([acked.state, acked.acked_by], ['acknowledged', 'user:ana']);
  assert.ok(Date.parse(acked.acked_at) < Date.parse(acked.ack_due_at), 'before the countdown ends');
  assert.equal((await stage.metrics()).get('incident_ack_seconds_count{severity="SEV1"}'), 1);
  assert.equal((await page.locator('.banner').innerText()).includes('acknowledge'), false);

  await page.getByRole('link', { name: 'INC-1', exact: true }).click();
  await page.getByRole('heading', { level: 1, name: opened.title }).waitFor();
  const entries = page.locator('.timeline .entry');
  await entries.filter({ hasText: 'I have it, looking at the shards' }).waitFor();
  assert.match(await entries.filter({ hasText: 'acknowledged' }).innerText(), /ana · audit \d+/);
  const { timeline } = await read(page, `${FIRST}/timeline`);
  assert.deepEqual(timeline.filter((e) => e.kind === 'ack').map((e) => [e.by, e.text]), [['user:ana', 'I have it, looking at the shards']]);

  // it ends where it began: told, and closed by nobody
  await give([{ ...alert, endsAt: new Date(Date.now() - 1000).toISOString() }]);
  await page.locator('.incident .chips').getByText('cleared').waitFor({ timeout: 20000 });
  assert.deepEqual([(await read(page, FIRST)).state, (await read(page, FIRST)).signal.state], ['acknowledged', 'cleared']);
  await entries.filter({ hasText: 'signal cleared' }).waitFor();
  await blameless(page, 'alert');
}, { overrides: (stage) => ({ playbooks: { dir: quickPlaybooks(stage) } }) }));
