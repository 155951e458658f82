// Keys, connections and settings in the browser of a person: a key is issued, used, rotated and revoked and its WebSocket
// closes; a client is closed; a user is made, given roles by two persons and disabled. Each screen for everybody: by keyboard,
// by axe, at 320 px, and told apart from what one's roles do not reach.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { axeSource, live, needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { chain, knows, newKey, post, put } from './harness/gate.mjs';
import { Person } from './harness/people.mjs';
import { confirm, giveFactor, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const within = { timeout: 280000 };
const why = { reason: 'a test of the screens', ticket: 'OPS-31' };

async function blameless(page, where) {
  assert.deepEqual(page.wrong, [], where);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], `${where}: policy`);
}

// BODY(stage, browser) with the first key known.
const withScreens = (body) => withPeople(async (stage, browser) => {
  stage.admin = new Signer(stage.keyId, stage.keyFile);
  await knows(stage);
  await body(stage, browser);
});

const secretOf = (page, name) => sheetOf(page).getByLabel(name, { exact: true }).innerText();
async function keep(page) {
  const sheet = sheetOf(page);
  await page.waitForTimeout(500); // it is drawn, and holds
  await page.keyboard.press('Escape');
  assert.equal(await sheet.isVisible(), true, 'what is shown once does not close by itself');
  await sheet.getByRole('checkbox', { name: /It is kept/ }).check();
  await sheet.getByRole('button', { name: 'Close', exact: true }).click();
  await sheet.waitFor({ state: 'detached' });
}

test('a key: issued in the browser, signs, rotated, limited, revoked; its WebSocket closes with 4003', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const olga = stage.person('olga', 'security,auditor,operator');
  const page = await signedIn(browser, stage, olga, '/keys');
  await page.getByRole('button', { name: 'Issue a key…' }).click();
  const sheet = sheetOf(page, 'Issue a key');
  await sheet.getByLabel(/^Account it belongs to/).fill('mm7');
  await sheet.getByLabel('Label', { exact: true }).fill('feed of a market maker');
  await sheet.getByRole('checkbox', { name: 'ws.token' }).check();
  const { json: { scopes } } = await stage.call(stage.admin, 'GET', '/v1/scopes');
  assert.ok(scopes.length > 10);
  assert.deepEqual(await sheet.getByRole('group', { name: 'Scopes' }).locator('label').allInnerTexts(), scopes.map((s) => s.scope), 'all that the gateway has');
  assert.ok(!(await sheet.innerText()).includes('Needed:'), 'a key that does not administer may come from anywhere');
  await sheet.getByRole('checkbox', { name: 'keys.read' }).check();
  assert.match(await sheet.innerText(), /Needed: keys\.read can administer/);
  await sheet.getByLabel(/^Reason/).fill(why.reason);
  assert.ok(await sheet.getByRole('button', { name: 'Issue', exact: true }).isDisabled(), 'not without networks');
  await sheet.getByLabel(/^Networks it may be used from/).fill('127.0.0.0/8, ::1/128');
  assert.match(await sheet.locator('pre').innerText(), /portctl key new --account mm7 --label 'feed of a market maker' --scope market --scope ws\.token --scope keys\.read --ip 127\.0\.0\.0\/8 --ip ::1\/128/);
  await confirm(page, { ...why, button: 'Issue' });
  const pem = await secretOf(page, 'Private key');
  assert.match(pem, /^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----/);
  const id = /pk_[a-z0-9]+/.exec(await sheetOf(page).innerText())[0];
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
  assert.ok(!stored.includes('PRIVATE') && !stored.includes(pem.split('\n')[1]), 'nothing secret is stored');
  await keep(page);
  assert.ok(!(await page.content()).includes('BEGIN PRIVATE KEY'), 'gone when it has closed');
  const file = path.join(stage.dir, 'browser.pem');
  writeFileSync(file, `${pem.trim()}\n`, { mode: 0o600 });
  const signer = new Signer(id, file);
  await until('the key signs', 5000, async () => (await stage.call(signer, 'GET', '/v1/keys')).status === 200);

  // it holds a connection
  const { json: { token } } = await stage.call(signer, 'POST', '/v1/ws-token');
  const client = await Client.connect(stage);
  assert.ok((await client.subscribe({ channel: 'ticker', symbol: ['BTC/USD'], token })).success);
  await page.locator('.grid').getByText('feed of a market maker').click();
  const detail = page.locator('.record');
  await detail.getByText('/v1/ws-token').waitFor({ timeout: 20000 });
  assert.match(page.url(), new RegExp(`/keys/${id}`));
  await detail.getByText(scopes.find((s) => s.scope === 'ws.token').what, { exact: true }).waitFor();

  await detail.getByRole('button', { name: 'Rate class…' }).click();
  await sheetOf(page).getByRole('group', { name: 'Rate class' }).getByRole('button', { name: 'low' }).click();
  await confirm(page, { ...why, button: 'Set' });
  await sheetOf(page).getByText('Done.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close' }).click();
  await detail.getByText('low: each call costs four').waitFor();

  await detail.getByRole('button', { name: 'Rotate…' }).click();
  await confirm(page, { ...why, typed: id, button: 'Rotate' });
  assert.match(await secretOf(page, 'Private key'), /BEGIN PRIVATE KEY/);
  await keep(page);
  await until('a successor', 5000, async () => (await page.locator('.grid tbody tr', { hasText: 'feed of a market maker' }).count()) === 2);

  await detail.getByRole('button', { name: 'Revoke…' }).click();
  const revoke = sheetOf(page, `Revoke ${id}`);
  assert.match(await revoke.innerText(), /Its connections on this gateway\s+1/);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel');
  assert.ok(await revoke.getByRole('button', { name: 'Revoke', exact: true }).isDisabled());
  await confirm(page, { ...why, typed: id, button: 'Revoke' });
  await revoke.getByText('Revoked.').waitFor();
  const closed = await client.closed;
  assert.equal(closed.code, 4003, JSON.stringify(closed));
  assert.equal((await stage.call(signer, 'GET', '/v1/keys')).status, 401);
  await revoke.getByRole('button', { name: 'Close' }).click();
  await detail.getByText('revoked', { exact: true }).first().waitFor();
  await until('the log has them', 10000, () => ['key.issue', 'key.limits', 'key.rotate', 'key.revoke'].every((a) => chain(stage).some((r) => r.action === a && r.actor === 'user:olga')));

  // an HMAC secret comes from the gateway, once
  await page.getByRole('button', { name: 'Issue a key…' }).click();
  await sheet.getByLabel(/^Account it belongs to/).fill('bot');
  await sheet.getByLabel('Label', { exact: true }).fill('a program');
  await sheet.getByRole('group', { name: 'Algorithm' }).getByRole('button', { name: 'HMAC-SHA256' }).click();
  await confirm(page, { ...why, button: 'Issue' });
  assert.match(await secretOf(page, 'Secret'), /^[A-Za-z0-9+/]{40,}=*$/);
  await keep(page);
  await blameless(page, 'keys');
}));

test('failures by reason and replays; an account is paused', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const page = await signedIn(browser, stage, stage.person('olga', 'security,operator'), '/keys');
  const nonce = 'c2FtZSBub25jZSBpbiB0d28gcmVx';
  for (let i = 0; i < 3; i++) await stage.call(stage.admin, 'GET', '/v1/keys', undefined, { nonce });
  await stage.send('GET', `${stage.adminUrl}/v1/keys`, {});
  const reasons = page.getByRole('region', { name: 'Not authentic, by reason' });
  await reasons.getByText('replay', { exact: true }).waitFor({ timeout: 10000 });
  await reasons.getByText('no_signature').waitFor();
  await until('the tile', 8000, async () => /Replays\s+2/.test(await page.locator('.tiles').innerText()));
  await page.locator('.grid').getByText('first key').click();
  await page.locator('.record').getByRole('button', { name: 'Pause account…' }).click();
  await confirm(page, { ...why, typed: 'ops', button: 'Pause' });
  await sheetOf(page).getByText('In force.').waitFor();
  const state = await stage.call(stage.admin, 'GET', '/v1/accounts/ops/trading');
  assert.equal(state.json.paused, true);
  await sheetOf(page).getByRole('button', { name: 'Close' }).click();

  const record = page.locator('.record');
  await record.getByRole('table', { name: 'From where and for what' }).getByRole('row', { name: /127\.0\.0\.0\/24 GET \/v1\/keys / }).waitFor({ timeout: 10000 });
  await record.getByRole('table', { name: 'What it was refused' }).getByRole('row', { name: /the nonce was used before 2 / }).waitFor({ timeout: 10000 });
  await record.getByRole('button', { name: 'Flag…' }).click();
  await confirm(page, { ...why, button: 'Flag' });
  await sheetOf(page).getByText('Done.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close' }).click();
  await record.getByText('flagged', { exact: true }).waitFor();
  await record.getByRole('button', { name: 'Disable account…' }).click();
  await confirm(page, { ...why, typed: 'ops', button: 'Disable' });
  await sheetOf(page).getByText('In force.').waitFor();
  await until('its keys are refused', 2000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 401);
  await sheetOf(page).getByRole('button', { name: 'Close' }).click();
  await record.getByRole('button', { name: 'Enable account…' }).waitFor({ timeout: 10000 });
  await blameless(page, 'account');
}));

test('connections: the slow one first, closed from the browser with 4014, then listed with its reason', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const client = await Client.connect(stage);
  await client.subscribe({ channel: 'ticker', symbol: ['BTC/USD'] });
  const { connection_id: id } = client.messages.find((m) => m.channel === 'status').data[0];
  const page = await signedIn(browser, stage, stage.person('olga', 'operator'), '/connections');
  const table = page.getByRole('region', { name: 'Connections', exact: true });
  await table.getByText(String(id)).waitFor({ timeout: 10000 });
  await page.getByText('nobody stalled').waitFor();
  const { json } = await stage.call(stage.admin, 'GET', '/v1/connections');
  await until('as many rows as there are', 8000, async () => (await table.locator('tbody tr:not(.gap)').count()) === json.matched);
  await table.getByText(String(id)).click();
  assert.match(page.url(), new RegExp(`/connections/${id}`));
  await page.locator('.record').getByRole('button', { name: 'Close it…' }).click();
  const sheet = sheetOf(page);
  assert.match(await sheet.locator('pre').innerText(), new RegExp(`portctl connections kick ${id}`));
  await confirm(page, { ...why, typed: String(id), button: 'Close it' });
  await sheet.getByText('Closed.').waitFor();
  assert.equal((await client.closed).code, 4014);
  await sheet.getByRole('button', { name: 'Close', exact: true }).click();
  await page.locator('.record').getByText(/closed: KICK/i).waitFor({ timeout: 8000 });
  await page.getByRole('combobox', { name: 'Which' }).selectOption('closed');
  assert.match(page.url(), /show=closed/);
  const past = page.getByRole('region', { name: 'Closed connections' });
  await past.getByText(String(id)).waitFor();
  assert.match(await past.innerText(), /4014/);
  await until('the log has it', 8000, () => chain(stage).some((r) => r.action === 'connection.close' && r.target === String(id) && r.reason === why.reason));

  await page.getByRole('button', { name: 'Change…' }).click();
  await sheetOf(page).getByLabel('Conflation interval').selectOption('250');
  await sheetOf(page).getByLabel(/^Subscription operations/).fill('7');
  await until('its preview', 5000, async () => /after\s+degraded, 250 ms, 7 operations\/s, until/.test(await sheetOf(page).locator('.changes').innerText()));
  assert.match(await sheetOf(page).locator('pre').innerText(), /^portctl fanout degraded --for 15m --conflation 250 --sub-ops 7 --reason/);
  await confirm(page, { ...why, typed: 'ALL', button: 'Apply' });
  await sheetOf(page).getByText('In force.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
  await page.getByText('reverts by itself in').waitFor({ timeout: 8000 });
  await page.getByText('user:olga, OPS-31').waitFor();
  const { json: profile } = await stage.call(stage.admin, 'GET', '/v1/fanout/profile');
  assert.deepEqual([profile.profile, profile.conflation_ms, profile.sub_ops_per_s], ['degraded', 250, 7]);
  await blameless(page, 'connections');
}));

test('people: a user is made, gets in, is given roles by two persons, is signed out and disabled; the review is signed off', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const olga = stage.person('olga', 'security');
  const ruth = stage.person('ruth', 'security');
  const page = await signedIn(browser, stage, olga, '/settings/people');
  await page.getByRole('button', { name: 'Create a user…' }).click();
  await sheetOf(page).getByLabel('Name, as she signs in').fill('uma');
  await sheetOf(page).getByLabel('Who that is').fill('Uma Thule, operations');
  await confirm(page, { ...why, button: 'Create' });
  const password = (await secretOf(page, 'Temporary password')).trim();
  await keep(page);
  assert.ok(!(await page.content()).includes(password));
  const uma = new Person(stage, 'uma', password);
  const first = await uma.logIn({ code: '' });
  assert.deepEqual([first.status, first.json?.must_choose_password], [200, true], first.body);
  await page.locator('.grid').getByText('Uma Thule, operations').click();
  const detail = page.locator('.record');
  await detail.getByRole('button', { name: 'Grant a role…' }).click();
  await confirm(page, { ...why, typed: 'viewer', button: 'Grant' });
  await sheetOf(page).getByText('uma holds it.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
  await detail.getByRole('rowheader', { name: 'viewer' }).waitFor({ timeout: 8000 });

  // two persons: the first asks, the second hears of it, sees who asked for what and why, and approves
  const asks = async (role) => {
    await detail.getByRole('button', { name: 'Grant a role…' }).click();
    await sheetOf(page).locator('select[name=role]').selectOption(role);
    await confirm(page, { ...why, typed: role, button: 'Grant' });
    await sheetOf(page).getByText('Requested, not in force.').waitFor();
  };
  const hers = await signedIn(browser, stage, ruth, '/overview');
  await hers.getByRole('button', { name: 'pending approvals 0' }).waitFor();
  await asks('approver');
  await sheetOf(page).getByRole('link', { name: 'Open the request' }).click();
  await sheetOf(page).getByText('You asked for it.').waitFor();
  assert.equal(await sheetOf(page).getByRole('button', { name: 'Approve' }).count(), 0, 'nobody approves her own');
  await sheetOf(page).getByRole('button', { name: 'Cancel', exact: true }).click();
  assert.equal(await detail.getByRole('rowheader', { name: 'approver' }).count(), 0, 'nothing is optimistic');
  await hers.getByRole('button', { name: 'pending approvals 1' }).click({ timeout: 8000 });
  await sheetOf(hers).getByRole('button', { name: /approver for uma/ }).click();
  const request = sheetOf(hers, 'approver for uma');
  await until('what is asked for', 5000, async () => /uma, Uma Thule, operations\s+now\s+viewer[^]*after\s+approver[^]*Asked for by\s+user:olga[^]*Reason\s+a test of the screens\s+Ticket\s+OPS-31/.test(await request.innerText()));
  assert.match(await request.locator('pre').innerText(), /^portctl user approve \S{26}$/);
  await confirm(hers, { typed: 'approver', button: 'Approve' });
  await sheetOf(hers).getByText('Approved: uma holds it.').waitFor();
  await sheetOf(hers).getByText('user:ruth').waitFor();
  await detail.getByRole('rowheader', { name: 'approver' }).waitFor({ timeout: 15000 });
  await detail.getByRole('button', { name: 'Take viewer back' }).click();
  await confirm(page, { ...why, typed: 'viewer', button: 'Take it' });
  await sheetOf(page).getByText('It is taken back.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();

  // another is refused, by the link that she was sent
  await asks('admin');
  const link = await sheetOf(page).getByRole('link', { name: 'Open the request' }).getAttribute('href');
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
  await hers.goto(`/settings/approvals${link}`);
  await sheetOf(hers, 'admin for uma').getByLabel(/^Reason/).fill('not before her training');
  await sheetOf(hers).getByRole('button', { name: 'Refuse' }).click();
  await sheetOf(hers).getByText('Refused: nothing was granted.').waitFor();
  await sheetOf(hers).getByRole('button', { name: 'Close', exact: true }).click();
  const roles = hers.getByRole('region', { name: 'Roles that take two persons' });
  await until('both are listed', 8000, async () => /rejected[^]*uma\s+admin[^]*approved[^]*uma\s+approver/.test(await roles.innerText()));
  await blameless(hers, 'approvals');

  await page.goto('/settings/sessions');
  const mine = page.getByRole('row', { name: /olga/ });
  await mine.getByText('this one').waitFor();
  await page.getByRole('button', { name: /End the session of uma/ }).click();
  await confirm(page, { ...why, typed: 'uma', button: 'End it' });
  await sheetOf(page).getByText('The session has ended.').waitFor();
  await until('she is out', 5000, async () => (await uma.call('GET', '/v1/session')).status === 401);
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();

  await page.goto('/settings/people?user=uma');
  await detail.getByRole('button', { name: 'Disable…' }).click();
  await confirm(page, { ...why, typed: 'uma', button: 'Disable' });
  await sheetOf(page).getByText('She is disabled.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
  await detail.getByText('disabled').waitFor({ timeout: 8000 });

  await page.goto('/settings/access');
  await page.getByText('never signed off').waitFor();
  await page.getByRole('button', { name: 'Sign it off…' }).click();
  await sheetOf(page).getByLabel('What was found').fill('all as it should be');
  await confirm(page, { ...why, typed: 'SIGN', button: 'Sign' });
  await sheetOf(page).getByText('Signed.').waitFor();
  await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
  await page.getByText('signed off as it is now').waitFor({ timeout: 8000 });
  await blameless(page, 'people');
}));

test('a second factor that is too old is asked for, and the act goes on', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const olga = stage.person('olga', 'security');
  const page = await signedIn(browser, stage, olga, '/settings/people');
  stage.sql("UPDATE user_sessions SET factor_at = factor_at - interval '10 minutes'");
  stage.sql("UPDATE people_epoch SET epoch = epoch + 1; SELECT pg_notify('people', '')");
  await sleep(1500);
  await page.getByRole('button', { name: 'Create a user…' }).click();
  await sheetOf(page).getByLabel('Name, as she signs in').fill('vic');
  await sheetOf(page).getByLabel('Who that is').fill('Vic, support');
  await confirm(page, { ...why, button: 'Create' });
  await giveFactor(page, olga);
  assert.ok((await secretOf(page, 'Temporary password')).length >= 12);
  await keep(page);
  await blameless(page, 'factor');
}));

// --- for everybody --------------------------------------------------------------------------------------------------

const SCREENS = ['/audit', '/audit/2', '/keys', '/keys/ID', '/connections', '/settings', '/settings/me', '/settings/people?user=olga', '/settings/sessions', '/settings/approvals', '/settings/access', '/settings/paging', '/settings/circuits', '/settings/about'];
const SHEETS = [['/settings/approvals?role_request=ROLE'], ['/settings/approvals', 'Name it…'], ['/keys', 'Issue a key…'], ['/keys/ID', 'Revoke…'], ['/settings/people', 'Create a user…'], ['/settings/access', 'Sign it off…']];

// Something on every screen.
async function furnish(stage) {
  stage.ana = await newKey(stage, 'ana');
  await put(stage, stage.ana, '/v1/withdrawals', { halted: true, ...why });
  await put(stage, stage.ana, '/v1/accounts/mm1/trading', { paused: true, ...why });
  await put(stage, stage.ana, '/v1/accounts/mm2/trading', { paused: true, reason: why.reason }); // owes its ticket
  const { headers } = await stage.call(stage.ana, 'GET', '/v1/withdrawals');
  await put(stage, stage.ana, '/v1/withdrawals', { halted: false, ...why }, { 'if-match': headers.etag });
  const sue = stage.person('sue', 'security');
  await until('she is in', 5000, async () => (await sue.logIn()).status === 200);
  assert.equal((await sue.call('POST', '/v1/users', { name: 'uma', label: 'Uma', reason: why.reason })).status, 201);
  const asked = await sue.call('POST', '/v1/users/uma/roles', { role: 'approver', ...why });
  assert.equal(asked.status, 202, asked.body);
  stage.roleRequest = asked.json.request.id;
  return stage.person('olga', 'security,auditor,operator,approver,admin');
}

for (const theme of ['dark', 'light', 'contrast']) {
  test(`axe finds nothing on these screens and their sheets: ${theme}`, { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
    const olga = await furnish(stage);
    const axe = readFileSync(axeSource(), 'utf8');
    const page = await signedIn(browser, stage, olga, '/overview', { theme, bypassCSP: true });
    const wrong = [];
    for (const [at, button] of [...SCREENS.map((s) => [s]), ...SHEETS]) {
      await page.goto(at.replace('ID', stage.keyId).replace('ROLE', stage.roleRequest));
      await live(page);
      if (button) {
        await page.getByRole('button', { name: button }).first().click();
        await sheetOf(page).waitFor();
      } else if (at.includes('ROLE')) await sheetOf(page, 'approver for uma').getByText('user:sue').waitFor();
      await sleep(at === '/connections' ? 3500 : 700);
      await page.evaluate(axe);
      const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
      wrong.push(...found.violations.map((v) => `${at} ${button ?? ''}: ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? n.all[0]?.message ?? ''}`).join(' | ')}`));
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(page.wrong, []);
  }));
}

// Every part of the open sheet is within the window, and what closes it is reached and lies under nothing.
async function sheetFits(page, at) {
  const { sides, cut, free } = await sheetOf(page).evaluate((e) => {
    const button = [...e.querySelectorAll('.foot-line button')].at(0);
    button.scrollIntoView();
    const box = button.getBoundingClientRect();
    const { left, right } = e.getBoundingClientRect();
    const which = [...e.querySelectorAll('*')].filter((x) => x.getBoundingClientRect().right > right + 1 && !x.closest('.scroll')).slice(0, 4).map((x) => `${x.tagName}.${x.className}`);
    return { sides: left >= 0 && right <= innerWidth, cut: [e.scrollWidth - e.clientWidth, ...which], free: button.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)) };
  });
  assert.deepEqual({ sides, cut, free }, { sides: true, cut: [0], free: true }, at);
}

test('320 px wide, and at 400 % zoom: nothing of these screens and sheets needs sideways scrolling but tables in their boxes', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const heights = [640, 256]; // the latter: 1280 x 1024 at 400 %
  const page = await signedIn(browser, stage, await furnish(stage), '/overview', { width: 320, height: 640 });
  for (const [at, button] of ['/overview', '/drills', ...SCREENS].map((s) => [s]).concat(SHEETS, [['/overview', 'Mode of all…'], ['/connections', 'Change…']])) {
    await page.goto(at.replace('ID', stage.keyId).replace('ROLE', stage.roleRequest));
    await live(page);
    if (button) await page.getByRole('button', { name: button }).first().click();
    const over = button || at.includes('ROLE');
    if (over) await sheetOf(page).locator('.foot-line').waitFor();
    await sleep(600);
    for (const height of heights) {
      await page.setViewportSize({ width: 320, height });
      const { wide, inner, which } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, inner: innerWidth,
        which: [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll,.ghost,.tabs,.nav')).slice(0, 4).map((e) => `${e.tagName}.${e.className}`) }));
      assert.ok(wide <= inner, `${at} ${button ?? ''} at ${height}: ${wide} px in ${inner}: ${which}`);
      if (over) await sheetFits(page, `${at} ${button ?? ''} at ${height}`);
    }
  }
  await blameless(page, '320 px');
}));

test('by keyboard alone: to a key, through its sheet, revoked; a record opened; what waits approved is one Enter away', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const olga = await furnish(stage);
  const page = await signedIn(browser, stage, olga, '/overview');
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  const tabTo = async (name) => {
    for (let i = 0; i < 80; i++) {
      if ((await focused()).trim() === name) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`no way to ${name} by Tab; at ${await focused()}`);
  };
  await page.keyboard.press('4');
  await page.locator('.grid').getByText('first key').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('ana');
  await until('one row', 5000, async () => (await page.getByRole('region', { name: 'Keys', exact: true }).locator('tbody tr:not(.gap)').count()) === 1);
  await page.keyboard.press('Escape');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.record').getByRole('button', { name: 'Revoke…' }).waitFor();
  await tabTo('Revoke…');
  await page.keyboard.press('Enter');
  await sheetOf(page).waitFor();
  await until('the focus is on Cancel', 3000, async () => (await focused()) === 'Cancel');
  const keyboardFill = async (name, text) => {
    for (let i = 0; i < 30 && await page.evaluate(() => document.activeElement.name) !== name; i++) await page.keyboard.press('Tab');
    await page.keyboard.type(text);
  };
  await keyboardFill('reason', why.reason);
  await keyboardFill('ticket', why.ticket);
  await keyboardFill('typed', stage.ana.keyid);
  await tabTo('Revoke');
  await page.keyboard.press('Enter');
  await sheetOf(page).getByText('Revoked.').waitFor();
  await page.keyboard.press('Escape');
  await sheetOf(page).waitFor({ state: 'detached' });
  await page.keyboard.press('6');
  await page.getByText(/records hashed here/).waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('Enter');
  await page.locator('.record').getByText('Where it stands').waitFor();
  await page.keyboard.press('8');
  await tabTo('Approvals');
  await page.keyboard.press('Enter');
  await page.locator('.grid').getByText('withdrawals.set').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await sheetOf(page).getByRole('button', { name: 'Approve' }).waitFor();
  await page.keyboard.press('Escape');
  await blameless(page, 'keyboard');
}));

test('states: not signed in, roles that do not reach, a list that is empty, the gateway gone and back', { ...needsBrowser, ...within }, () => withScreens(async (stage, browser) => {
  const vera = stage.person('vera', 'viewer');
  const bare = await browser.page(stage);
  await bare.goto('/keys');
  await bare.getByRole('dialog', { name: 'Sign in' }).getByRole('button', { name: 'Look without signing in' }).click();
  await bare.getByText('You are not signed in').first().waitFor();
  const page = await signedIn(browser, stage, vera, '/keys');
  for (const [at, role] of [['/keys', 'operator, approver, security, auditor or admin'], ['/audit', 'security, auditor or admin'], ['/settings/people', 'security, auditor or admin'], ['/settings/sessions', 'security, auditor or admin'], ['/settings/access', 'security or auditor']]) {
    await page.goto(at);
    await page.getByText('Your roles do not reach this').first().waitFor();
    assert.ok((await page.locator('main').innerText()).includes(`the role ${role}`), at);
  }
  await page.goto('/settings/people');
  assert.ok(await page.getByRole('button', { name: 'Create a user…' }).isDisabled());
  await page.goto('/settings/approvals');
  await page.getByText('Nothing waits').waitFor();
  await page.goto('/connections');
  const table = page.getByRole('region', { name: 'Connections', exact: true });
  await table.waitFor({ timeout: 10000 });
  await stage.stopGateway('SIGKILL');
  await until('greyed out', 15000, () => page.locator('main.stale').count());
  await stage.startGateway(stage.overrides);
  await until('there again', 20000, async () => (await page.locator('main.stale').count()) === 0);
  const own = page.wrong.filter((w) => !/net::ERR_|WebSocket connection to/.test(w)); // what the browser says of a gateway that is gone
  assert.deepEqual(own, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
}));
