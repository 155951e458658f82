// What others report, as the dashboard believes it: heartbeats that end, signals that grow old; level 3 and its button;
// the smoke test G0 by its button.
import assert from 'node:assert/strict';
import test from 'node:test';
import { live, needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { growOlder } from './harness/incident_age.mjs';
import { act, blameless, read, report, reporter } from './harness/web_flow.mjs';
import { confirm, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';
import { Client } from './harness/ws.mjs';

const options = { ...needsBrowser, timeout: 150000 };
const cardOf = (page, id) => page.locator('.component', { has: page.locator(`[title="${id}"]`) });
const stateOf = (page, id) => cardOf(page, id).locator('.chip').innerText();

// Every state that PAGE has ever shown of the component ID, from now on.
async function watch(page, id) {
  await page.evaluate((name) => {
    const shown = ((globalThis.shown ??= {})[name] = []);
    const look = () => {
      const state = document.querySelector(`.component:has([title="${name}"]) .chip`)?.textContent.trim();
      if (state && shown.at(-1) !== state) shown.push(state);
    };
    look();
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  }, id);
  return () => page.evaluate((name) => globalThis.shown[name], id);
}

test('a component that falls silent, a signal that grows old: said within seconds, and never shown as good again', options, () => withPeople(async (stage, browser) => {
  const token = await reporter(stage, 'desk');
  const beat = async (id, body) => {
    const answer = await report(stage, token, 'PUT', `/v1/components/${id}/status`, { state: 'OK', ttl_s: 5, ...body });
    assert.equal(answer.status, 200, answer.body);
  };
  const page = await signedIn(browser, stage, stage.person('ana', 'operator'), '/incidents/components');
  await cardOf(page, 'postgres').getByText('OK', { exact: true }).waitFor();
  const pipeline = page.locator('.pipeline li');
  assert.match(await pipeline.nth(0).innerText(), /UNKNOWN[\s\S]*unknown/, 'nobody has reported: not good');
  for (const n of [0, 1, 2]) assert.match(await pipeline.nth(n).getAttribute('class'), /k-off/);

  const shown = await watch(page, 'engine-a');
  await report(stage, token, 'POST', '/v1/signals', { signals: [{ name: 'bus_consume_lag', value: '17', unit: 'messages', ttl_s: 5 }, { name: 'failed_executions', value: '0', ttl_s: 5 }] });
  await beat('execution-officer', { ttl_s: 3600 });
  for (let i = 0; i < 4; i++) {
    await beat('engine-a', { group: 'engine', role: 'primary', seq_in: 41 + i, seq_out: 41 });
    await sleep(1500);
  }
  const silent = Date.now();
  await cardOf(page, 'engine-a').getByText('44', { exact: true }).waitFor({ timeout: 4000 }); // what it said last
  assert.match(await cardOf(page, 'engine-a').innerText(), /OK\s+heard [\s\S]* of 5 s[\s\S]*in 44[\s\S]*out 41/);
  await until('it is known to be silent', 12000, async () => (await stateOf(page, 'engine-a')) === 'DISCONNECTED');
  const known = Date.now() - silent;
  assert.ok(known < 8500, `${known} ms`);
  assert.match(await cardOf(page, 'engine-a').innerText(), /last said OK/);
  assert.match(await cardOf(page, 'engine-a').getAttribute('class'), /k-bad/);
  assert.match(await page.locator('.group', { hasText: 'engine-a' }).locator('h3').innerText(), /engine\s+(DISCONNECTED|DOWN)/);
  assert.deepEqual(await shown(), ['OK', 'DISCONNECTED'], 'it did not flicker while it was renewed');
  const tile = page.locator('.tile.signal', { hasText: 'bus consume lag' });
  await until('the signal is unknown', 12000, async () => /unknown[\s\S]*last 17 messages/.test(await tile.innerText()));
  await until('so is the pipeline', 12000, async () => /k-off/.test(await pipeline.nth(2).getAttribute('class')));
  assert.match(await pipeline.nth(2).innerText(), /OK[\s\S]*unknown/);

  // a crash and a start: what was well is not shown as well on the way
  await beat('engine-b', { group: 'engine', role: 'standby' });
  await cardOf(page, 'engine-b').getByText('OK', { exact: true }).waitFor();
  const later = await watch(page, 'engine-b');
  await page.evaluate(() => { Math.random = () => 0.999; }); // no luck: each try waits as long as it may
  let tried = 0;
  page.on('requestfailed', (request) => { if (request.url().endsWith('/v1/admin/events')) tried = Date.now(); });
  const gone = Date.now();
  await stage.stopGateway('SIGKILL');
  await until('greyed out', 10000, () => page.locator('main.stale').count());
  await until('it is old, whom nobody asked', 8000, async () => (await stateOf(page, 'engine-b')) === 'DISCONNECTED');
  await until('a try for events, after which it waits for long', 20000, () => tried - gone > 5000);
  const answered = page.waitForResponse((response) => response.url().endsWith('/livez') && response.ok());
  await stage.startGateway(stage.overrides);
  await answered;
  const back = Date.now();
  await until('read again', 15000, async () => (await read(page, '/v1/components')).complete);
  const ready = Date.now();
  await page.locator('.banner .ages', { hasText: /events \d/ }).waitFor({ timeout: 20000 });
  // while it answers and cannot say yet who asks, each wait for events is at most as long as all before it, and half a second
  const took = Date.now() - ready;
  assert.ok(took < ready - back + 2000, `events, ${took} ms after all could be read, ${Date.now() - back} ms after the gateway had answered the page`);
  await live(page);
  await sleep(1500);
  assert.equal(await stateOf(page, 'engine-b'), 'DISCONNECTED');
  assert.deepEqual(await later(), ['OK', 'DISCONNECTED']);

  // the first screen says it, too
  await page.keyboard.press('1');
  await cardOf(page, 'engine-a').getByText('DISCONNECTED', { exact: true }).waitFor();
  assert.equal(await cardOf(page, 'execution-officer').count(), 0, 'what is good is not in the way');
  await beat('engine-a', { group: 'engine', role: 'primary', ttl_s: 3600 });
  await until('well again', 5000, async () => (await cardOf(page, 'engine-a').locator('.chip').allInnerTexts()).every((state) => state === 'OK'));
  await blameless(page, 'components');
}));

test('level 3: the proposal stands on every screen and is carried out by its button', options, () => withPeople(async (stage, browser) => {
  const page = await signedIn(browser, stage, stage.person('ana', 'operator'), '/incidents');
  await act(page, 'Open by hand…', { 'What is wrong': 'Ledger and engine differ', Severity: 'SEV1', Reason: 'two fills are missing since 03:00' }, 'Open');
  await act(page, 'Acknowledge…', { Notes: 'comparing both' }, 'Acknowledge'); // of SEV1 the clock runs on
  await stage.stopGateway('SIGKILL');
  growOlder(stage, 1, 31);
  await stage.startGateway(stage.overrides);
  await live(page);
  await until('level 3', 15000, async () => (await read(page, '/v1/incidents/INC-1')).level === 3);
  const bar = page.locator('.banner .lost', { hasText: 'INC-1 has reached level 3' });
  await bar.waitFor({ timeout: 8000 });
  assert.match(await bar.innerText(), /Proposed: SOFT_HALT of all symbols/);
  assert.match(await page.locator('.banner').innerText(), /ACCEPTING ORDERS/, 'it does nothing by itself');

  await page.getByRole('group', { name: 'Proposal at L3' }).getByRole('button', { name: 'Review SOFT_HALT…' }).click();
  assert.match(await sheetOf(page).getByLabel(/^Reason/).inputValue(), /INC-1 SEV1 not mitigated at L3/);
  await until('its preview', 5000, async () => /now\s+NORMAL[\s\S]*after\s+SOFT_HALT/.test(await sheetOf(page).locator('.changes').innerText()));
  assert.match(await sheetOf(page).innerText(), /Symbols\s+12\n/);
  assert.equal(await sheetOf(page).getByRole('button', { name: 'Set SOFT_HALT', exact: true }).isEnabled(), false, 'not before ALL is typed');
  await confirm(page, { typed: 'ALL', button: 'Set SOFT_HALT' });
  await sheetOf(page).getByText('In force.').waitFor();
  await page.keyboard.press('Escape');
  await until('orders are refused', 5000, async () => /ORDERS REFUSED/.test(await page.locator('.banner').innerText()));
  assert.equal((await stage.json(`${stage.publicUrl}/v1/status`)).accepting_orders, false);
  const { timeline } = await until('the timeline', 5000, async () => {
    const t = await read(page, '/v1/incidents/INC-1/timeline');
    return t.timeline.some((e) => e.kind === 'audit') && t;
  });
  const halt = timeline.find((e) => e.kind === 'audit');
  assert.deepEqual([halt.by, halt.data.action], ['user:ana', 'symbol.mode']);
  assert.equal(stage.sql(`SELECT incident || ' ' || actor FROM audit_entries WHERE seq = ${halt.audit}`), 'INC-1 user:ana');
  await until('what is in force is no longer proposed', 5000, async () => (await bar.count()) === 0);
  await page.getByRole('group', { name: 'Proposal at L3' }).getByText('In force: every symbol is at SOFT_HALT.').waitFor();
  await act(page, 'Mitigate…', { Notes: 'everything is halted' }, 'Mitigate');
  await page.getByRole('group', { name: 'Proposal at L3' }).waitFor({ state: 'detached' });
  await blameless(page, 'level 3');
}));

test('G0 by its button: settled, a row, a trade and a candle for clients; refused where orders are', options, () => withPeople(async (stage, browser) => {
  const page = await signedIn(browser, stage, stage.person('ana', 'operator'), '/drills');
  const client = await Client.connect(stage);
  await client.subscribe({ channel: 'trade', symbol: ['SMOKE/USD'], snapshot: false });
  await client.subscribe({ channel: 'ohlc', symbol: ['SMOKE/USD'], interval: 1, snapshot: false });
  const run = async () => {
    await page.getByRole('button', { name: 'Run it…' }).click();
    assert.equal(await sheetOf(page).getByRole('button', { name: 'Run', exact: true }).isEnabled(), false);
    await confirm(page, { typed: 'SMOKE', button: 'Run' });
  };
  for (const id of [1, 2]) {
    await run();
    await sheetOf(page).getByText('settled: the row is durable').waitFor();
    assert.match(await sheetOf(page).innerText(), new RegExp(`trade id\\s+${id}\\b`));
    await page.keyboard.press('Escape');
    await client.waitFor((m) => m.channel === 'trade' && m.data[0].trade_id === id, 5000, `trade ${id}`);
  }
  await client.waitFor((m) => m.channel === 'ohlc' && m.data[0].trades === 2, 5000, 'candle');
  assert.equal(stage.sql("SELECT string_agg(status || trade_id, ' ' ORDER BY id) FROM smoke_ledger_entries"), 'settled1 settled2');

  await page.goto('/market/SMOKE-USD');
  await page.getByRole('button', { name: 'Set mode…' }).first().click();
  await confirm(page, { reason: 'a test of the smoke test', typed: 'SMOKE/USD', button: 'Set SOFT_HALT' });
  await sheetOf(page).getByText('In force.').waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('7');
  await run();
  await sheetOf(page).getByRole('alert').getByText(/order/i).first().waitFor();
  assert.equal(stage.sql('SELECT count(*) FROM smoke_ledger_entries'), '2');
  await blameless(page, 'smoke');
  client.close();
}, { overrides: { smoke: { enabled: true } } }));
