// Unit tests of the incident screens: pure parts without a browser, then Debian's chromium against an object that answers
// as the API does (harness/web_incidents_fake.mjs). The same flows against the real gateway: web_incidents_live.test.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { ackClock, countdown, filled, levelClock, listed, merged, missingWords, stepsOf, worstFirst } from '../../web/src/data/incidents.js';
import { inline, markdown } from '../../web/src/data/markdown.js';
import { axeSource, needsBrowser } from './harness/browser.mjs';
import { until } from './harness/gateway.mjs';
import { onFake, iso } from './harness/web_fake.mjs';
import { IncidentsFake, PLAYBOOK } from './harness/web_incidents_fake.mjs';

const MINUTE = 60000;
const T0 = Date.parse('2026-11-21T03:00:00Z');
const at = (minutes) => iso(T0 + minutes * MINUTE);
const one = (more) => ({ id: 'INC-1', version: 1, state: 'open', severity: 'SEV2', opened_at: at(0), ack_due_at: at(15), level: 1, level_next_at: at(15), ...more });

// --- pure -------------------------------------------------------------------------------------------------------------

test('clocks: time left by the gateway’s time, overdue, ended by an acknowledgement; the ladder stops at L3', () => {
  assert.deepEqual(ackClock(one(), T0 + 5 * MINUTE), { left: 10 * MINUTE, kind: 'info', said: 'to acknowledge' });
  assert.equal(ackClock(one(), T0 + 11 * MINUTE).kind, 'warn');
  assert.deepEqual(ackClock(one(), T0 + 17 * MINUTE), { left: -2 * MINUTE, kind: 'bad', said: 'overdue' });
  assert.equal(ackClock(one({ acked_at: at(3), state: 'acknowledged' }), T0), undefined);
  assert.equal(ackClock(one({ ack_due_at: null }), T0), undefined);
  assert.deepEqual(levelClock(one(), T0 + 14 * MINUTE), { level: 1, next: 2, left: MINUTE });
  assert.deepEqual(levelClock(one({ level: 3, level_next_at: null }), T0), { level: 3, next: undefined, left: undefined });
  assert.deepEqual([countdown(0), countdown(59999), countdown(-130000), countdown(3723000)], ['00:00', '00:59', '02:10', '1:02:03']);
});

test('lists: newer versions win, older events do nothing, what no longer belongs leaves, what is new comes', () => {
  const rows = [one(), one({ id: 'INC-2', version: 5 })];
  const news = new Map([['INC-1', one({ version: 2, state: 'acknowledged' })], ['INC-2', one({ id: 'INC-2', version: 4, state: 'closed' })], ['INC-3', one({ id: 'INC-3', severity: 'SEV1' })]]);
  const open = merged(rows, news, {});
  assert.deepEqual(open.map((i) => [i.id, i.state]), [['INC-1', 'acknowledged'], ['INC-2', 'open'], ['INC-3', 'open']]);
  assert.equal(open[1], rows[1], 'a row nothing new is known of stays the same object');
  assert.deepEqual(merged(rows, new Map([['INC-1', one({ version: 2, state: 'closed' })]]), {}).map((i) => i.id), ['INC-2']);
  assert.deepEqual(worstFirst([...open]).map((i) => i.id), ['INC-3', 'INC-2', 'INC-1']);
  assert.equal(listed(one(), { state: 'closed' }), false);
  assert.equal(listed(one(), { state: 'all', severity: 'SEV1' }), false);
  assert.equal(listed(one({ class: 'data_quality' }), { state: 'open', class: 'data_quality' }), true);
});

test('steps: locked ones say which step or which answer; missing things are said in words', () => {
  const known = (list) => ({ steps: PLAYBOOK.steps.map((s) => ({ id: s.id, state: 'open', ...list[s.id] })) });
  const all = (incident) => stepsOf(PLAYBOOK, incident).flatMap((p) => p.steps);
  const find = (list, id) => list.find((s) => s.id === id);
  const first = all(known({ backlog_shrinks: { state: 'locked' }, set_emergency: { state: 'locked' } }));
  assert.match(find(first, 'backlog_shrinks').why, /first do “Conflate harder, send less”/);
  const ruled = all(known({ set_degraded: { state: 'done' }, backlog_shrinks: { state: 'done', answer: 'shrinks' }, set_emergency: { state: 'locked' } }));
  assert.match(find(ruled, 'set_emergency').why, /“Does the backlog shrink within two minutes\?” was answered “shrinks”/);
  const unclassed = find(all(known({ trades_whole: { state: 'locked' } })), 'trades_whole');
  assert.deepEqual([unclassed.classify, /first say of which class/.test(unclassed.why)], [true, true]);
  assert.equal(find(all({ ...known({}), class: 'reconciliation' }), 'trades_whole').why, undefined);
  assert.deepEqual(stepsOf(PLAYBOOK, null).map((p) => p.phase), ['immediate', 'diagnosis', 'recovery']);
  assert.deepEqual(missingWords('step:trades_whole', PLAYBOOK), { what: 'step', id: 'trades_whole', text: 'Mandatory step not done: Trades were not dropped' });
  assert.match(missingWords('root_cause', PLAYBOOK).text, /root cause/);
  assert.match(missingWords('something_else', PLAYBOOK).text, /something else/);
});

test('acts of steps are filled in from the incident; what it does not know is named', () => {
  const incident = { id: 'INC-7', symbol: 'BTC/USD', component: null };
  const action = { method: 'POST', path: '/v1/symbols/{symbol}/cancel-all', body: { list: ['{symbol}'], until: '{+15m}', n: 3 }, portctl: "portctl cancel-all {symbol} --reason 'kill switch engaged' --ticket OPS-7", typed: 'symbol' };
  assert.deepEqual(filled(action, incident, {}, T0), { path: '/v1/symbols/BTC%2FUSD/cancel-all', body: { list: ['BTC/USD'], until: '2026-11-21T03:15:00.000000Z', n: 3 }, portctl: 'portctl cancel-all BTC/USD', typed: 'BTC/USD', needs: [] });
  assert.deepEqual(filled(action, { id: 'INC-7', symbol: null }, {}, T0).needs, ['symbol']);
  assert.deepEqual(filled(action, { id: 'INC-7' }, { symbol: 'ETH/USD' }, T0).needs, []);
});

test('the Markdown of reports: headings, lists, tables, code; nothing in it becomes markup', () => {
  const kinds = markdown('# A *b*\n\ntext `c` **d**\nmore\n\n- one\n- two\n\n1. first\n\n| a | b |\n|---|---|\n| 1 \\| x | <b> |\n\n```\n# raw\n```\n---\n').map((b) => b.kind);
  assert.deepEqual(kinds, ['h', 'p', 'ul', 'ol', 'table', 'pre', 'hr']);
  assert.deepEqual(markdown('| a |\n|---|\n| 1 \\| 2 |')[0].rows, [[[{ kind: 'text', text: '1 | 2' }]]]);
  assert.deepEqual(inline('see [x](javascript:alert(1))').map((p) => p.kind), ['text']);
  assert.deepEqual(inline('[x](https://a.example/b)'), [{ kind: 'a', text: 'x', href: 'https://a.example/b' }]);
});

// --- in a browser -----------------------------------------------------------------------------------------------------

const sheet = (page) => page.getByRole('dialog').last();
const blameless = async (page) => {
  assert.deepEqual(page.wrong, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], 'policy');
};
const rows = (page) => page.locator('.grid tbody tr:not(.gap)');

test('list: clocks by the gateway’s time; filters in the address; j, Enter; `a` opens a sheet and acts on nothing', needsBrowser, async () => {
  const fake = new IncidentsFake({ skewMs: 6 * 3600000 }); // the browser's clock is wrong by hours
  await onFake(fake, async (open) => {
    const page = await open('/incidents');
    await rows(page).first().waitFor();
    assert.deepEqual(await rows(page).evaluateAll((all) => all.map((tr) => tr.cells[1].textContent)), ['INC-12', 'INC-11', 'INC-10', 'INC-9']);
    assert.match(await rows(page).nth(0).innerText(), /08:\d\d/);
    const late = rows(page).nth(1).locator('td').nth(1).locator('.chip');
    assert.match(await late.innerText(), /−02:\d\d\s+overdue/);
    assert.match(await late.getAttribute('class'), /k-bad/);
    const before = await page.locator('.wait .left .clock').first().innerText();
    await until('it ticks', 3000, async () => (await page.locator('.wait .left .clock').first().innerText()) !== before);

    await page.getByLabel('Severity', { exact: true }).selectOption('SEV1');
    await until('two rows', 3000, async () => (await rows(page).count()) === 2);
    assert.match(page.url(), /severity=SEV1/);
    await page.reload();
    await until('the same two rows', 5000, async () => (await rows(page).count()) === 2);
    await page.getByLabel('Severity', { exact: true }).selectOption('');
    await page.getByLabel('State', { exact: true }).selectOption('closed');
    await until('the closed one', 3000, async () => (await rows(page).count()) === 1 && (await rows(page).innerText()).includes('INC-8'));
    await page.getByLabel('State', { exact: true }).selectOption('open');
    await until('all of them', 3000, async () => (await rows(page).count()) === 4);

    await page.locator('h1').click();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('a');
    await sheet(page).getByRole('heading', { name: 'Acknowledge INC-11' }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
    assert.equal(await sheet(page).getByRole('button', { name: 'Acknowledge', exact: true }).isEnabled(), false, 'not without notes');
    await page.keyboard.press('Escape');
    assert.deepEqual(fake.acts(), [], 'a key acts on nothing');
    await page.keyboard.press('Enter');
    await until('its page', 3000, () => page.url().endsWith('/incidents/INC-11'));
    await blameless(page);
  });
});

test('acknowledging: notes, the command line, one call with its key; the answer is shown, other browsers see it by the event', needsBrowser, async () => {
  const fake = new IncidentsFake();
  await onFake(fake, async (open) => {
    const page = await open('/incidents/INC-11');
    await page.getByRole('heading', { level: 1, name: /WebSocket fan-out overload/ }).waitFor();
    await page.keyboard.press('a');
    await sheet(page).getByLabel(/^Notes/).fill('It is the two addresses of before');
    assert.equal(await sheet(page).locator('pre').innerText(), "printf %s '{\"notes\":\"It is the two addresses of before\"}' |\n  portctl request POST /v1/incidents/INC-11/ack --body -");
    await sheet(page).getByRole('button', { name: 'Acknowledge', exact: true }).click();
    await page.getByText('by ana, after').waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0);
    const [call, ...more] = fake.acts();
    assert.deepEqual(more, []);
    assert.equal(call.path, '/v1/incidents/INC-11/ack');
    assert.deepEqual(call.body, { notes: 'It is the two addresses of before' });
    assert.match(call.headers['idempotency-key'], /^[0-9a-f-]{36}$/);
    assert.equal(call.headers['x-csrf-token'], 'token');
    await page.locator('.timeline').getByText('acknowledged', { exact: true }).waitFor();
    await page.keyboard.press('a');
    assert.equal(await page.getByRole('dialog').count(), 0, 'nothing left to acknowledge');

    // what another did arrives by itself, and what is new is said
    fake.change('INC-11', { commander: 'ben', severity: 'SEV1' }, 'assign', 'commander: ben');
    await page.getByText('ben', { exact: true }).waitFor();
    await page.locator('.incident .sev.big', { hasText: 'SEV1' }).waitFor();
    fake.incidents.set('INC-13', { ...fake.incidents.get('INC-12'), id: 'INC-13', number: 13, version: 1, title: 'Redis is away' });
    fake.tell('incident', { incident: fake.incidents.get('INC-13') });
    await page.locator('.toast', { hasText: 'INC-13, SEV1: Redis is away' }).waitFor();
    fake.incidents.set('INC-14', { ...fake.incidents.get('INC-12'), id: 'INC-14', number: 14, version: 1, title: 'PostgreSQL is away' });
    await page.locator('.toast', { hasText: 'INC-14, SEV1: PostgreSQL is away' }).waitFor(); // no event came: the next reading found it
    await blameless(page);
  });
});

test('the life of one: assign, note, root cause, class, severity, mitigate, resolve, close refused then done, reopen, tasks', needsBrowser, async () => {
  const fake = new IncidentsFake();
  await onFake(fake, async (open) => {
    const page = await open('/incidents/INC-10');
    const act = async (button, fields, verb) => {
      await page.getByRole('button', { name: button, exact: true }).first().click();
      for (const [label, value] of Object.entries(fields)) {
        const field = sheet(page).getByLabel(new RegExp(`^${label}`));
        if ((await field.evaluate((e) => e.tagName)) === 'SELECT') await field.selectOption(value);
        else await field.fill(value);
      }
      await sheet(page).getByRole('button', { name: verb, exact: true }).click();
    };
    const done = async (what) => {
      await until(`${what}: the sheet closes`, 5000, async () => (await page.getByRole('dialog').count()) === 0);
    };
    await act('change a scribe', { Name: 'dora' }, 'Assign');
    await done('assign');
    await act('Note…', { Note: 'A first look' }, 'Add');
    await done('note');
    await act('Classify…', { Class: 'data_quality' }, 'Classify');
    await done('classify');
    await act('Severity…', { Severity: 'SEV2', Reason: 'the scope is known by now' }, 'Change');
    await done('severity');
    await act('Mitigate…', { Mitigation: 'mitigated', Notes: 'withdrawals are halted' }, 'Mitigate');
    await done('mitigate');
    await act('Resolve…', { Notes: 'replayed from offset 91' }, 'Resolve');
    await done('resolve');
    await act('Close…', { Notes: 'all of it checked' }, 'Close');
    await sheet(page).getByRole('alert').getByText(/root cause/i).first().waitFor();
    await page.keyboard.press('Escape');
    await act('Root cause…', { 'Root cause': 'a consumer skipped a partition' }, 'Record');
    await done('root cause');
    await act('Add…', { 'What is to be done': 'write the postmortem', Owner: 'ana', Due: '2026-12-01T10:00' }, 'Add');
    await done('task');
    await act('Done write the postmortem', {}, 'Done');
    await done('task done');
    await act('Close…', { Notes: 'all of it checked' }, 'Close');
    await done('close');
    await page.locator('.incident .chips').getByText('closed').waitFor();
    await act('Reopen…', { Reason: 'the sequences differ again' }, 'Reopen');
    await done('reopen');
    const calls = fake.acts().map(({ path, body }) => [path.split('/').pop(), body]);
    assert.deepEqual(calls, [
      ['assign', { role: 'scribe', name: 'dora' }], ['note', { text: 'A first look' }], ['classify', { class: 'data_quality' }], ['severity', { severity: 'SEV2', reason: 'the scope is known by now' }],
      ['mitigate', { mitigation: 'mitigated', notes: 'withdrawals are halted' }], ['resolve', { notes: 'replayed from offset 91' }], ['close', { notes: 'all of it checked' }], ['note', { text: 'a consumer skipped a partition', kind: 'root_cause' }],
      ['task', { text: 'write the postmortem', owner: 'ana', due_at: '2026-12-01T10:00:00Z' }], ['task', { id: 'T-1', done: true }], ['close', { notes: 'all of it checked' }], ['reopen', { reason: 'the sequences differ again' }]]);
    await blameless(page);
  });
});

test('a playbook: a locked step says why, an act goes through its sheet and ticks the step, a guard opens or locks others', needsBrowser, async () => {
  const fake = new IncidentsFake();
  await onFake(fake, async (open) => {
    const page = await open('/incidents/INC-11');
    const step = (id) => page.locator(`#step-${id}`);
    await step('set_emergency').getByText(/Locked: first answer or do “Look again after two minutes”/).waitFor();
    assert.equal(await step('set_emergency').getByRole('button', { name: /Act/ }).isEnabled(), false);
    await page.getByText('Mandatory step not done: Conflate harder, send less').waitFor();
    await step('see_backlog').getByRole('button', { name: 'Look See how far clients are behind' }).click();
    await step('see_backlog').getByText('"choked": 41').waitFor();

    await step('set_degraded').getByRole('button', { name: 'Act… Conflate harder, send less' }).click();
    assert.equal(fake.acts().length, 0, 'a step acts on nothing by itself');
    const act = sheet(page).getByRole('button', { name: 'Do it', exact: true });
    await sheet(page).getByLabel(/^Reason/).fill('fan-out overload, shards 2 and 3');
    assert.equal(await act.isEnabled(), false);
    await sheet(page).getByLabel(/^Type ALL/).fill('ALL');
    await act.click();
    await sheet(page).getByText('In force.').waitFor();
    const [put] = fake.acts();
    assert.deepEqual([put.method, put.path, put.body.profile, put.body.incident, put.body.reason, put.body.ticket], ['PUT', '/v1/fanout/profile', 'degraded', 'INC-11', 'fan-out overload, shards 2 and 3', 'INC-11']);
    assert.ok(Math.abs(Date.parse(put.body.expires_at) - Date.now() - 15 * MINUTE) < 60000, put.body.expires_at);
    assert.match(put.headers['if-match'], /^(\*|"7")$/);
    await until('the step is ticked', 3000, () => fake.acts().length === 2);
    assert.deepEqual([fake.acts()[1].path, fake.acts()[1].body.step, fake.acts()[1].body.outcome], ['/v1/incidents/INC-11/step', 'set_degraded', 'done']);
    assert.match(fake.acts()[1].body.notes, /PUT \/v1\/fanout\/profile, audit \d+/);
    await page.keyboard.press('Escape');
    await step('set_degraded').getByText(/by ana/).waitFor();

    await step('backlog_shrinks').getByRole('button', { name: /^shrinks… to: Does the backlog/ }).click();
    await sheet(page).getByRole('button', { name: 'Answer', exact: true }).click();
    await step('set_emergency').getByText(/was answered “shrinks”/).waitFor();
    await step('backlog_shrinks').getByText('the answer given.').waitFor();
    await step('backlog_shrinks').getByRole('button', { name: /^grows… to: Does the backlog/ }).click();
    await sheet(page).getByRole('button', { name: 'Answer', exact: true }).click();
    await until('the emergency may be had', 3000, () => step('set_emergency').getByRole('button', { name: /^Act/ }).isEnabled());

    await step('trades_whole').getByRole('button', { name: 'Skip… Trades were not dropped' }).click();
    assert.equal(await sheet(page).getByRole('button', { name: 'Skip', exact: true }).isEnabled(), false, 'not without saying why');
    await sheet(page).getByLabel(/^Why not/).fill('the counter did not move, see note');
    await sheet(page).getByRole('button', { name: 'Skip', exact: true }).click();
    await step('trades_whole').getByText(/skipped/).first().waitFor();
    assert.match(await page.locator('.exits').innerText(), /184\s*\/ 300 s/);
    await blameless(page);
  });
});

test('L3: the proposal opens the acting sheet with everything filled in but the typed word; the report; opening by hand', needsBrowser, async () => {
  const fake = new IncidentsFake();
  await onFake(fake, async (open) => {
    const page = await open('/incidents/INC-10');
    await page.getByRole('group', { name: 'Proposal at L3' }).getByRole('button', { name: 'Review SOFT_HALT…' }).click();
    assert.match(await sheet(page).getByLabel(/^Reason/).inputValue(), /INC-10 SEV1 not mitigated at L3/);
    const act = sheet(page).getByRole('button', { name: 'Set SOFT_HALT', exact: true });
    assert.equal(await act.isEnabled(), false);
    await sheet(page).getByLabel(/^Type ALL/).fill('ALL');
    await until('it may be pressed', 3000, () => act.isEnabled());
    await act.click();
    await sheet(page).getByText('In force.').waitFor();
    const [call] = fake.acts();
    assert.deepEqual([call.method, decodeURIComponent(call.path), call.body.mode, call.body.incident, call.headers['if-match']], ['PUT', '/v1/symbols/*/mode', 'SOFT_HALT', 'INC-10', '*']);
    await page.keyboard.press('Escape');

    await page.getByRole('button', { name: 'Report' }).click();
    const report = page.getByRole('dialog', { name: 'Report of INC-10' });
    await report.getByRole('heading', { name: /INC-10: Ledger and engine/ }).waitFor();
    await report.getByText('<script>alert(1)</script>').waitFor();
    assert.equal(await report.getByRole('link', { name: 'Download' }).getAttribute('href'), '/v1/incidents/INC-10/report');
    assert.equal(await report.getByRole('link', { name: 'Download' }).getAttribute('download'), 'INC-10.md');
    await report.getByRole('button', { name: 'Markdown' }).click();
    await report.getByText('# INC-10:').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await page.getByRole('dialog').count(), 0);

    await page.goto('/incidents');
    await page.getByRole('button', { name: 'Open by hand…' }).click();
    await sheet(page).getByLabel(/^What is wrong/).fill('Order rejections above ten percent');
    await sheet(page).getByLabel(/^Severity/).selectOption('SEV2');
    assert.equal(await sheet(page).getByRole('button', { name: 'Open', exact: true }).isEnabled(), false, 'not without a reason');
    await sheet(page).getByLabel(/^Reason/).fill('three customers called in ten minutes');
    await sheet(page).getByRole('button', { name: 'Open', exact: true }).click();
    await until('its page', 5000, () => page.url().endsWith('/incidents/INC-13'));
    const body = fake.acts().at(-1).body;
    assert.deepEqual([body.severity, body.title, body.reason, body.detected_by], ['SEV2', 'Order rejections above ten percent', 'three customers called in ten minutes', 'human']);
    await blameless(page);
  });
});

test('components: what is old or was never heard is never good; ages run; signals without fresh values are unknown', needsBrowser, async () => {
  const fake = new IncidentsFake();
  await onFake(fake, async (open) => {
    const page = await open('/incidents/components');
    const card = (id) => page.locator('.component', { has: page.locator(`[title="${id}"]`) });
    await card('engine:majors').getByText('OK', { exact: true }).waitFor();
    await card('adapter:xm').getByText('DISCONNECTED', { exact: true }).waitFor(); // said OK 70 s ago, good for 30
    await card('data-source:eodhd').getByText('UNKNOWN', { exact: true }).waitFor();
    assert.match(await card('data-source:eodhd').getAttribute('class'), /k-off/);
    await card('trade-director').getByText('OK', { exact: true }).waitFor();
    await card('trade-director').getByText('DISCONNECTED', { exact: true }).waitFor({ timeout: 14000 }); // nobody renews it
    const engine = page.locator('.group', { hasText: 'the standby is behind' });
    assert.match(await engine.locator('h3').innerText(), /engine\s+DEGRADED/, 'the gateway’s word on a group counts where it is worse');
    const tile = page.locator('.tile.signal', { hasText: 'settlement lag seconds' });
    assert.match(await tile.innerText(), /unknown[\s\S]*last 12\.4/);
    assert.match(await page.locator('.pipeline').innerText(), /directives pending/);
    assert.match(await page.locator('.pipeline li').nth(0).getAttribute('class'), /k-off/);
    await blameless(page);
  });
});

test('who may not act sees why; who is not signed in is asked to; a gateway without incidents says so', needsBrowser, async () => {
  const fake = new IncidentsFake({ permissions: ['status.read', 'incidents.read', 'control.read'] });
  await onFake(fake, async (open) => {
    const page = await open('/incidents/INC-11');
    const button = page.getByRole('button', { name: 'Acknowledge…' });
    await button.waitFor();
    assert.equal(await button.isEnabled(), false);
    assert.match(await button.getAttribute('title'), /incidents\.act/);
    await page.keyboard.press('a');
    assert.equal(await page.getByRole('dialog').count(), 0);
    assert.equal(await page.locator('#step-set_degraded').getByRole('button', { name: /^Act/ }).isEnabled(), false);
    await page.goto('/incidents/INC-99');
    await page.getByText('There is no incident INC-99').waitFor();
  });
  const none = new IncidentsFake();
  for (const path of ['/v1/incidents', '/v1/playbooks', '/v1/components', '/v1/signals']) none.on('GET', path, () => undefined);
  await onFake(none, async (open) => {
    const page = await open('/incidents');
    await page.getByText('GET /v1/incidents answered 404').waitFor();
    await page.goto('/incidents/components');
    await page.getByText('GET /v1/components answered 404').waitFor();
    await blameless(page);
  });
});

test('the time left is said at one minute, politely, not each second', needsBrowser, async () => {
  const fake = new IncidentsFake();
  for (const id of ['INC-11', 'INC-10', 'INC-9']) fake.incidents.delete(id);
  fake.incidents.get('INC-12').ack_due_at = iso(fake.now() + 64000);
  await onFake(fake, async (open) => {
    const page = await open('/incidents');
    await rows(page).first().waitFor();
    await page.evaluate(() => {
      globalThis.said = [];
      const look = new MutationObserver(() => {
        for (const region of document.querySelectorAll('[aria-live="polite"]:not(.toasts)')) {
          const text = region.textContent.trim();
          if (text && globalThis.said.at(-1) !== text) globalThis.said.push(text);
        }
      });
      look.observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await until('it is said', 12000, async () => (await page.evaluate(() => globalThis.said)).some((t) => /INC-12.*\b1 minute\b/.test(t)));
    await new Promise((resolve) => { setTimeout(resolve, 3000); });
    assert.ok((await page.evaluate(() => globalThis.said)).length <= 2, JSON.stringify(await page.evaluate(() => globalThis.said)));
  });
});

const PATHS = ['/incidents', '/incidents/INC-10', '/incidents/INC-11', '/incidents/components', '/incidents/playbooks', '/incidents/playbooks?book=ws_overload', '/drills'];

test('axe finds nothing on these screens and their sheets, in each theme', needsBrowser, async () => {
  const axe = readFileSync(axeSource(), 'utf8');
  await onFake(new IncidentsFake(), async (open) => {
    for (const theme of ['dark', 'light', 'contrast']) {
      for (const path of [...PATHS, 'ack', 'report', 'open']) {
        const page = await open(path === 'open' ? '/incidents' : path.startsWith('/') ? path : '/incidents/INC-11', { theme, height: 2600, bypassCSP: true }); // so high that the footer lies over nothing
        if (path === 'ack') await page.getByRole('button', { name: 'Acknowledge…' }).click();
        if (path === 'report') await page.getByRole('button', { name: 'Report' }).click();
        if (path === 'open') await page.getByRole('button', { name: 'Open by hand…' }).click();
        await page.waitForTimeout(900);
        await page.evaluate(axe);
        const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
        assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`), [], `${path} ${theme}`);
        await page.context().close();
      }
    }
  });
});

test('320 px wide, and at 400 % zoom: nothing needs sideways scrolling but tables in their boxes', needsBrowser, async () => {
  await onFake(new IncidentsFake(), async (open) => {
    for (const path of PATHS) {
      const page = await open(path, { width: 320, height: 256 });
      await page.waitForTimeout(700);
      const { wide, inner } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, inner: innerWidth }));
      assert.ok(wide <= inner, `${path}: ${wide} px in ${inner}`);
      await page.context().close();
    }
  });
});
