// The kill switch with its playbook, by two persons in two browsers: engaged, its incident, every step, released in
// stages, closed; and a release that names the version that was looked at.
import assert from 'node:assert/strict';
import test from 'node:test';
import { needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { act, answer, approveFirst, blameless, carryOut, look, quickPlaybooks, read, stepOf, tick } from './harness/web_flow.mjs';
import { confirm, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const FIRST = '/v1/incidents/INC-1';
const options = { ...needsBrowser, timeout: 180000 };
const banner = (page) => page.locator('.banner').innerText();
const says = (page, pattern) => until(`the banner says ${pattern}`, 8000, async () => pattern.test(await banner(page)));

async function engage(page) {
  const card = page.locator('.control-card', { has: page.getByRole('heading', { name: 'Kill switch' }) });
  await card.getByRole('button', { name: 'Engage…' }).click();
  await sheetOf(page).getByText('Whom it reaches').waitFor();
  await confirm(page, { reason: 'runaway orders of one desk', ticket: 'OPS-9', typed: 'KILL', button: 'Engage' });
  await sheetOf(page).getByText('In force.').waitFor();
  await page.keyboard.press('Escape');
  return card;
}

test('kill_switch by its playbook: nothing is released before the question is answered and the cause is known; two persons, two stages', options, () => withPeople(async (stage, browser) => {
  const hers = await signedIn(browser, stage, stage.person('ana', 'operator'));
  const his = await signedIn(browser, stage, stage.person('ben', 'approver'), '/overview', { theme: 'light' });
  await engage(hers);
  await says(his, /ORDERS REFUSED: kill switch/);

  // the gateway opens the incident; both see it
  for (const page of [hers, his]) await says(page, /1 open, SEV1[\s\S]*INC-1: acknowledge within 14 min/);
  await hers.getByRole('link', { name: /INC-1: acknowledge/ }).click();
  const opened = await read(hers, FIRST);
  assert.deepEqual([opened.severity, opened.playbook, opened.source, opened.signal.key], ['SEV1', 'kill_switch', 'gateway', 'gateway:kill_switch']);
  await act(hers, 'Acknowledge…', { Notes: 'I engaged it, looking at the desk' }, 'Acknowledge');

  const trigger = await look(hers, 'verify_trigger');
  assert.ok(JSON.stringify(trigger).includes('runaway orders of one desk'), JSON.stringify(trigger));
  await tick(hers, 'verify_trigger', 'engaged by ana, OPS-9');
  await stepOf(hers, 'ask_release').getByText(/Locked: first answer or do/).waitFor();
  assert.equal(await stepOf(hers, 'ask_release').getByRole('button', { name: /^Act/ }).isEnabled(), false);
  await tick(hers, 'portfolio_state', 'loss 120, limit 100');
  await answer(hers, 'loss_within_limit', 'beyond', 'loss 120, limit 100');
  await tick(hers, 'find_root_cause', 'a strategy without a limit');
  await stepOf(hers, 'ask_release').getByText(/was answered “beyond”/).waitFor();
  await answer(hers, 'loss_within_limit', 'within', 'the hedge was booked: loss 20');

  // asked for before the cause stands in the incident: refused, and said why
  const first = { fields: { Symbol: 'ETH/USD' }, reason: 'first stage of the release', typed: 'RELEASE', button: 'Ask for it' };
  assert.equal(await stepOf(hers, 'ask_first_stage').getByRole('button', { name: /^Act/ }).isEnabled(), false, 'no recovery before a class');
  await act(hers, 'Classify…', { Class: 'reconciliation' }, 'Classify');
  await carryOut(hers, 'ask_first_stage', { ...first, said: /INC-1 .* has no root cause yet/ });
  assert.equal((await read(hers, '/v1/changes?open=true')).changes.length, 0);
  await act(hers, 'Root cause…', { 'Root cause': 'a strategy without a limit' }, 'Record');
  await carryOut(hers, 'ask_first_stage', { ...first, said: 'Requested, not in force.' });
  assert.match(await banner(hers), /ORDERS REFUSED/, 'nothing is optimistic');
  const { changes: [asked] } = await look(hers, 'approve');
  assert.deepEqual([asked.action, asked.requested_by], ['kill.release', 'user:ana']);
  const seen = await approveFirst(his, 'RELEASE');
  assert.match(seen, /ana[\s\S]*first stage of the release[\s\S]*ETH\/USD/);
  await says(hers, /engaged, released for ETH\/USD, 10 % of keys/);
  await says(his, /engaged, released for ETH\/USD, 10 % of keys/);
  await tick(hers, 'ask_first_stage', 'holds');
  await tick(hers, 'reconcile', 'exposure is what it was');

  await sleep(1500); // the stage holds for a second
  await carryOut(hers, 'ask_release', { reason: 'cause found and removed', typed: 'RELEASE', button: 'Ask for it', said: 'Requested, not in force.' });
  await approveFirst(his, 'RELEASE');
  await says(hers, /ACCEPTING ORDERS[\s\S]*kill switch:\s+off/);
  await tick(hers, 'ask_release');
  assert.equal((await look(hers, 'watch_orders')).accepting_orders, true);
  await tick(hers, 'watch_orders');

  await act(hers, 'Mitigate…', { Notes: 'orders are accepted again' }, 'Mitigate');
  await act(hers, 'Resolve…', { Notes: 'the strategy has a limit now' }, 'Resolve');
  await hers.getByText('The postmortem has no address yet').waitFor();
  await until('every exit condition', 15000, async () => (await read(hers, FIRST)).exit.every((e) => e.met));
  await act(hers, 'Close…', { Notes: 'all of it checked', 'Address of the postmortem': 'https://wiki.example/pm/1' }, 'Close');
  await hers.locator('.incident .chips').getByText('closed').waitFor();
  await says(his, /incidents:\s+none open/);

  const actions = (await read(hers, `${FIRST}/timeline?limit=200`)).timeline.filter((e) => e.kind === 'audit').map((e) => `${e.data.action} ${e.data.outcome}`);
  assert.deepEqual(actions.filter((a) => a.startsWith('kill')), ['kill.release requested', 'kill.release approved', 'kill.release requested', 'kill.release approved'], actions.join());
  for (const page of [hers, his]) await blameless(page, 'kill switch');
}, { overrides: (stage) => ({ playbooks: { dir: quickPlaybooks(stage) }, gate: { stage_hold: '1s' }, detect: { clear: '2s' } }) }));

test('a release is asked for as it was looked at: engaged anew meanwhile, it is said and has to be confirmed again', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver,operator')];
  const hers = await signedIn(browser, stage, ana);
  const card = await engage(hers);
  assert.equal((await ana.logIn()).status, 200);
  assert.equal((await ben.logIn()).status, 200);
  const asked = await ana.call('POST', '/v1/kill-switch/release-requests', { released_symbols: ['ETH/USD'], released_percent: 10, reason: 'a first stage', ticket: 'OPS-9' });
  assert.equal(asked.status, 202, asked.body);
  const { hash } = (await ben.call('GET', asked.headers.location)).json.change;
  assert.equal((await ben.call('POST', `${asked.headers.location}/approve`, { hash })).status, 200);

  await card.getByRole('button', { name: 'Next stage…' }).click();
  await sheetOf(hers).getByRole('button', { name: 'All of it' }).click();
  await sleep(1000); // choosing asks anew
  await until('the preview', 5000, async () => /released for ETH\/USD[\s\S]*after\s+off/.test(await sheetOf(hers).locator('.changes').innerText()));
  const again = await ben.call('PUT', '/v1/kill-switch', { engaged: true, reason: 'orders run away again', ticket: 'OPS-10' }, { 'if-match': '*' });
  assert.equal(again.status, 200, again.body);
  await confirm(hers, { reason: 'all is well again', ticket: 'OPS-9', typed: 'RELEASE', button: 'Ask for it' });
  const moved = sheetOf(hers).getByRole('alert').filter({ hasText: 'It has moved since you looked' });
  await moved.waitFor();
  assert.match(await moved.innerText(), /orders run away again/);
  assert.equal((await ana.call('GET', '/v1/changes?open=true')).json.changes.length, 0, 'nothing was asked for');
  for (const [path, body, kind] of [['/v1/kill-switch', { engaged: true }, 'kill'], ['/v1/withdrawals', { halted: true, asset: 'BTC' }, 'withdrawals']]) {
    const late = await ben.call('PUT', path, { ...body, reason: 'a version of before', ticket: 'OPS-1' }, { 'if-match': '"999"' });
    assert.deepEqual([late.status, late.json.current?.kind], [412, kind], `what it is now, of a target that the body names: ${late.body}`);
  }
  await confirm(hers, { typed: 'RELEASE', button: 'Ask for it' });
  await sheetOf(hers).getByText('Requested, not in force.').waitFor();
  await hers.keyboard.press('Escape');

  // the same of many symbols, which have no version in common
  const set = (mode) => ben.call('PUT', `/v1/symbols/${encodeURIComponent('ETH/USD')}/mode`, { mode, reason: 'somebody else was faster', ticket: 'OPS-8' }, { 'if-match': '*' });
  assert.equal((await set('CANCEL_ONLY')).status, 200);
  for (const symbol of ['BTC/USD', 'ETH/USD']) await hers.getByLabel(`Choose ${symbol}`).check();
  await hers.getByRole('group', { name: 'Acts on the chosen symbols' }).getByRole('button', { name: 'Set mode…' }).click();
  await sheetOf(hers).getByRole('button', { name: 'NORMAL', exact: true }).click();
  await sleep(1000);
  await until('the preview', 5000, async () => /CANCEL_ONLY[\s\S]*NORMAL/.test(await sheetOf(hers).locator('.changes').innerText()));
  assert.equal((await set('SOFT_HALT')).status, 200);
  await confirm(hers, { reason: 'validated against the ledger', ticket: 'OPS-7', typed: '2 SYMBOLS', button: 'Ask for it' });
  await sheetOf(hers).getByRole('alert').filter({ hasText: 'It has moved since you looked' }).waitFor();
  await until('as it is now', 5000, async () => /SOFT_HALT/.test(await sheetOf(hers).locator('.changes').innerText()));
  await blameless(hers, 'moved');
}));
