// The fan-out overload from clients that really stall to the closed incident, in the browser of the operator.
import assert from 'node:assert/strict';
import test from 'node:test';
import { needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { act, answer, blameless, carryOut, look, quickPlaybooks, read, stepOf, tick } from './harness/web_flow.mjs';
import { sheetOf, signedIn, withPeople } from './harness/web_people.mjs';
import { Client } from './harness/ws.mjs';

const CLOSED = 'ws_close_total{reason="SLOW_CONSUMER"}';
const FIRST = '/v1/incidents/INC-1';
const options = { ...needsBrowser, timeout: 180000 };
const overrides = (stage) => ({ playbooks: { dir: quickPlaybooks(stage) }, ws: { lag: '2s', lag_grace: '500ms', unsent_bytes: '4KiB' },
  detect: { slow_closes: 3, window: '30s', clear: '3s' } });

// COUNT clients that ask for much and read nothing; whoever is closed comes back at once, as they do.
function surge(stage, count) {
  const clients = [];
  let on = true;
  const running = (async () => {
    while (on) {
      const evicted = (await stage.metrics()).get(CLOSED) ?? 0;
      while (on && clients.length - evicted < count) {
        const client = await Client.connect(stage);
        await client.subscribe({ channel: 'book', symbol: ['BTC/USD'], depth: 1000, gw: { interval_ms: 0, on_lag: 'evict' } });
        client.socket._socket.pause();
        clients.push(client);
      }
      await sleep(300);
    }
  })();
  running.catch(() => {}); // told by end(), unless the test has failed already
  return { clients, async end() {
    on = false;
    await running;
    for (const client of clients) client.close();
  } };
}

// Who is behind and who was closed, as the screen of connections shows it.
async function affected(page) {
  await stepOf(page, 'see_backlog').getByRole('link', { name: 'Connections' }).click();
  const open = page.getByRole('region', { name: 'Connections', exact: true });
  await open.waitFor();
  await until('those that are behind, first', 15000, async () => /\d (KiB|MiB)/.test(await open.locator('tbody tr:not(.gap)').first().innerText()));
  await page.getByRole('combobox', { name: 'Which' }).selectOption('closed');
  const past = page.getByRole('region', { name: 'Closed connections' });
  await until('those that were closed', 10000, async () => (await past.locator('tbody tr', { hasText: 'SLOW_CONSUMER' }).count()) >= 3);
  assert.match(await past.locator('tbody tr', { hasText: 'SLOW_CONSUMER' }).first().innerText(), /4008/);
  await page.goBack();
  await stepOf(page, 'see_backlog').waitFor();
}

test('ws_overload: clients stall, the gateway opens the incident, the operator follows its playbook until it is closed', options, () => withPeople(async (stage, browser) => {
  const page = await signedIn(browser, stage, stage.person('ana', 'operator'), '/incidents');
  await page.getByText('No open incident').waitFor();
  const client = await Client.connect(stage); // one that keeps up
  await client.subscribe({ channel: 'trade', symbol: ['BTC/USD'] });
  const slow = surge(stage, 4);

  // nobody opens it but the gateway; the list shows it without being asked
  await page.locator('.grid tbody tr', { hasText: 'INC-1' }).waitFor({ timeout: 60000 });
  const opened = await read(page, FIRST);
  assert.deepEqual([opened.severity, opened.playbook, opened.source, opened.signal.key, opened.signal.state], ['SEV2', 'ws_overload', 'gateway', 'gateway:slow_consumers', 'firing']);
  assert.ok((await stage.metrics()).get(CLOSED) >= 3);
  await page.getByRole('link', { name: 'INC-1' }).first().click();
  await page.getByRole('heading', { level: 1, name: opened.title }).waitFor();
  await page.locator('.incident .chips').getByText('firing').waitFor();
  await act(page, 'Acknowledge…', { Notes: 'looking at who is behind' }, 'Acknowledge');
  await page.getByText(/by ana, after \d+ s/).waitFor();

  await affected(page);
  const summary = await look(page, 'see_backlog');
  assert.ok(JSON.stringify(summary).includes('SLOW_CONSUMER'), JSON.stringify(summary));
  await tick(page, 'see_backlog', 'four clients of one address');
  await act(page, 'Classify…', { Class: 'broker_connectivity' }, 'Classify');

  const behind = await until('who is behind', 15000, async () => {
    const { connections } = await look(page, 'who_is_behind');
    return connections.some((c) => c.backlog_bytes >= 65536) && connections;
  });
  assert.ok(behind.length >= 1);
  await tick(page, 'who_is_behind', 'all of 127.0.0.1');

  // the profile, through the sheet of its step; a client hears of it
  await carryOut(page, 'set_degraded', { reason: 'fan-out overload, one shard', typed: 'ALL', button: 'Do it', said: 'In force.' });
  const told = await client.waitFor((m) => m.channel === 'status' && m.gw?.profile === 'degraded', 5000, 'status message');
  assert.deepEqual([told.gw.min_interval_ms, told.gw.default_depth], [250, 10]);
  await stepOf(page, 'set_degraded').getByText(/by ana: PUT \/v1\/fanout\/profile, audit \d+/).waitFor();
  await page.locator('.banner').getByText(/fan-out:/).waitFor();
  assert.equal((await read(page, FIRST)).steps.find((s) => s.id === 'set_degraded').state, 'done');

  await slow.end();
  await until('they are gone', 15000, async () => (await stage.metrics()).get('ws_choked_clients') === 0);
  await answer(page, 'backlog_shrinks', 'shrinks', 'the backlog is gone');
  await stepOf(page, 'set_emergency').getByText(/was answered “shrinks”/).waitFor();
  assert.equal(await stepOf(page, 'set_emergency').getByRole('button', { name: /^Act/ }).isEnabled(), false);
  assert.equal((await stage.metrics()).get('ws_dropped_total{channel="trade"}'), 0);
  await tick(page, 'trades_whole', 'the counter is 0');

  // nothing closes it before what is missing is there
  await act(page, 'Mitigate…', { Notes: 'nobody stalls any more' }, 'Mitigate');
  await act(page, 'Resolve…', { Notes: 'the clients are gone' }, 'Resolve');
  await page.getByText('Mandatory step not done: Back to the normal profile').waitFor();
  await page.getByText('Exit condition not met: The fan-out profile has been normal for one minute').waitFor();
  await act(page, 'Close…', { Notes: 'too early' }, 'Close', { refused: /missing|exit|cause/i });
  await carryOut(page, 'back_to_normal', { reason: 'queues are short again', typed: 'ALL', button: 'Do it', said: 'In force.' });
  await client.waitFor((m) => m.channel === 'status' && m.gw?.profile === 'normal', 5000, 'end of the profile');
  await act(page, 'Root cause…', { 'Root cause': 'a client library that stopped reading' }, 'Record');
  await until('every exit condition', 20000, async () => /4 of 4 met/i.test(await page.locator('.panel', { has: page.locator('.exits') }).innerText()));
  await page.getByText('nothing is missing').waitFor({ timeout: 15000 });
  await until('the signal is over', 60000, async () => (await read(page, FIRST)).signal.state === 'cleared');
  await act(page, 'Close…', { Notes: 'queues stay short' }, 'Close');
  await page.locator('.incident .chips').getByText('closed').waitFor();

  const closed = await read(page, FIRST);
  assert.deepEqual([closed.state, closed.class, closed.acked_by, closed.root_cause], ['closed', 'broker_connectivity', 'user:ana', 'a client library that stopped reading']);
  const { timeline } = await read(page, `${FIRST}/timeline?limit=200`);
  const kinds = timeline.map((e) => e.kind);
  for (const kind of ['opened', 'ack', 'step', 'class', 'audit', 'mitigate', 'resolve', 'cleared', 'close']) assert.ok(kinds.includes(kind), `${kind} in ${kinds}`);
  assert.equal(timeline.filter((e) => e.kind === 'audit' && /fanout/.test(JSON.stringify(e))).length, 2);
  assert.equal(await sheetOf(page).count(), 0);
  await blameless(page, 'overload');
  client.close();
}, { symbols: 2, rate: 3000, overrides }));
