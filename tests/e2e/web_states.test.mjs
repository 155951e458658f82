// What the dashboard says of what is old, partial or missing, and what can be reached whatever lies above the page: pure parts
// without a browser, then Debian's chromium on an object that answers as the API does.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { needsBrowser, webFolder } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { iso, onFake } from './harness/web_fake.mjs';
import { IncidentsFake } from './harness/web_incidents_fake.mjs';

const withPackages = { skip: existsSync(path.join(webFolder, 'node_modules')) ? false : 'no packages: npm ci --prefix web' };
const load = (file) => import(path.join(webFolder, 'src', file));
const MINUTE = 60000;
const AT = Date.parse('2026-11-21T12:04:30Z');

test('incidents in the banner: good only when read whole and now; what is old says since when, what waits is counted', withPackages, async () => {
  const { incidentWords: words } = await load('frame/reading.js');
  const ok = (data, more) => words({ phase: 'ok', at: AT, data: { incidents: [], waiting: [], stale: false, ...data }, ...more });
  const stale = { stale: true, as_of: '2026-11-21T12:04:30.000000Z', age_s: 60 };
  assert.deepEqual([ok({}).kind, ok({}).text], ['ok', 'none open']);
  assert.deepEqual([ok({ incidents: [{ severity: 'SEV3' }, { severity: 'SEV2' }] }).kind, ok({ incidents: [{ severity: 'SEV3' }, { severity: 'SEV2' }] }).text], ['bad', '2 open, SEV2']);
  assert.deepEqual([ok(stale).kind, ok(stale).text], ['off', 'unknown since 12:04, none open then']);
  const waiting = ok({ ...stale, waiting: [{ severity: 'SEV3', title: 'Candles are incomplete' }] });
  assert.deepEqual([waiting.kind, waiting.text], ['warn', 'unknown since 12:04, none open then, 1 waits to be entered']);
  assert.match(waiting.title, /SEV3 Candles are incomplete/);
  assert.deepEqual([ok({ waiting: [{ severity: 'SEV1', title: 'Kill switch' }] }).kind, ok({ waiting: [{ severity: 'SEV1', title: 'Kill switch' }] }).text], ['bad', 'none open, 1 waits to be entered']);
  assert.match(ok({ ...stale, waiting: Array(50).fill({ severity: 'SEV2', title: 'x' }) }).text, /50 or more wait to be entered$/);
  assert.deepEqual(words({ phase: 'error', problem: { status: 503 } }), { kind: 'off', text: 'unknown' });
  const after = words({ phase: 'error', problem: { status: 503 }, at: AT, data: { incidents: [{ severity: 'SEV4' }], waiting: [] } });
  assert.deepEqual([after.kind, after.text], ['warn', 'unknown since 12:04, 1 open, SEV4 then']);
  assert.deepEqual(words({ phase: 'denied', problem: { status: 403 } }), { kind: 'off', text: 'hidden from your roles' });
  assert.deepEqual(words({ phase: 'denied', problem: { status: 401 } }), { kind: 'off', text: 'not signed in' });
});

test('service levels in the banner, and what waits most urgently', withPackages, async () => {
  const { incidentOf, mostUrgent, sloWords } = await load('frame/reading.js');
  const of = (...states) => sloWords({ phase: 'ok', data: { slos: states.map((state) => ({ state })) } });
  assert.deepEqual(of('ok', 'ok'), { kind: 'ok', text: 'met' });
  assert.deepEqual(of('ok', 'unknown'), { kind: 'off', text: '1 met, 1 unknown' });
  assert.deepEqual(of('ok', 'breached', 'unknown'), { kind: 'bad', text: '1 breached' });
  assert.equal(of().kind, 'off', 'nothing measured is not met');
  assert.deepEqual(sloWords({ phase: 'error', data: { slos: [{ state: 'ok' }] } }), { kind: 'off', text: 'unknown' });
  const i = (id, more) => ({ id, state: 'open', severity: 'SEV2', ack_due_at: null, ...more });
  const list = [i('INC-1', { severity: 'SEV3' }), i('INC-2'), i('INC-3', { ack_due_at: iso(AT + 9) }), i('INC-4', { ack_due_at: iso(AT) }), i('INC-5', { ack_due_at: iso(AT - 9), acked_at: iso(AT), state: 'acknowledged' })];
  assert.equal(mostUrgent(list).id, 'INC-4');
  assert.equal(mostUrgent(list.slice(0, 2)).id, 'INC-2', 'without a limit the graver');
  assert.equal(mostUrgent(list.slice(4)), undefined);
  assert.deepEqual([incidentOf({ ticket: 'INC-7' }), incidentOf({ ticket: 'OPS-7' }), incidentOf(undefined)], ['INC-7', undefined, undefined]);
});

test('a stage of the pipeline: nothing of what should flow is bad, so is a stage that is down', withPackages, async () => {
  const { stageKind } = await load('data/pipeline.js');
  const [producer, waits] = [{ flows: true }, { many: 'warn' }];
  assert.equal(stageKind(producer, { value: 118 }, 'OK'), 'ok');
  assert.equal(stageKind(producer, { value: 0 }, 'OK'), 'bad', 'a producer that is dead');
  assert.equal(stageKind(producer, { value: '0' }, 'OK'), 'bad');
  assert.equal(stageKind(producer, { value: 118, stale: true }, 'OK'), 'off');
  assert.equal(stageKind(producer, undefined, 'OK'), 'off');
  assert.equal(stageKind(producer, { value: 118 }, 'DISCONNECTED'), 'bad');
  assert.deepEqual([stageKind(waits, { value: 0 }, 'OK'), stageKind(waits, { value: 3 }, 'OK')], ['ok', 'warn']);
});

test('undo asks for what was there before: of one, of many from different modes, of a throttle; a hard halt by its stage', withPackages, async () => {
  const { modeSheet, modesSheet, releaseSheet, throttleSheet, killSheet } = await load('acting/acts.js');
  const undo = (sheet, options, before) => sheet.make({ until: '', ...options }).undo(before);
  const mode = (before, to) => undo(modeSheet('A/B'), { mode: to }, [{ target: 'A/B', before: { mode: before } }]).options.mode;
  assert.equal(mode('NORMAL', 'SOFT_HALT'), 'NORMAL');
  assert.equal(mode('CANCEL_ONLY', 'SOFT_HALT'), 'CANCEL_ONLY');
  assert.equal(mode('NORMAL', 'HARD_HALT'), 'CANCEL_ONLY', 'nothing leads from HARD_HALT to NORMAL at once');
  assert.equal(mode('SOFT_HALT', 'HARD_HALT'), 'SOFT_HALT');
  const item = (target, before) => ({ target, before: { mode: before } });
  const back = undo(modesSheet(['A', 'B', 'C']), { mode: 'SOFT_HALT' }, [item('A', 'NORMAL'), item('B', 'CANCEL_ONLY'), item('C', 'NORMAL')]);
  assert.deepEqual(back.map((s) => [s.back, s.options.mode]), [['2 symbols to NORMAL', 'NORMAL'], ['B to CANCEL_ONLY', 'CANCEL_ONLY']]);
  assert.deepEqual(back[0].make(back[0].options).call.body.symbols, ['A', 'C']);
  const alike = undo(modesSheet(['A', 'B']), { mode: 'SOFT_HALT' }, [item('A', 'NORMAL'), item('B', 'NORMAL')]);
  assert.deepEqual(alike.map((s) => [s.back, s.make(s.options).call.body.symbols]), [[undefined, ['A', 'B']]]);
  assert.equal(undo(throttleSheet('A/B'), { rate: '5' }, [{ before: { orders_per_s: 80 } }]).options.rate, '80');
  assert.equal(undo(throttleSheet('A/B'), { rate: '5' }, [{ before: { orders_per_s: null } }]).options.rate, '');
  const staged = killSheet().undo([{ before: { engaged: true, released_symbols: ['A/B'], released_percent: 10 } }]);
  assert.deepEqual([staged.options.symbols, staged.options.percent], ['A/B', '10']);
  assert.deepEqual(killSheet().undo([]).options, releaseSheet().options);
});

test('the fan-out sheet: each figure of a profile may be set apart from it, on the wire and on the command line', withPackages, async () => {
  const { fanoutSheet, figuresOf } = await load('acting/fanout_sheet.js');
  const sheet = fanoutSheet('degraded');
  const made = sheet.make({ ...sheet.options, conflation_ms: '250', sub_ops_per_s: '5' });
  assert.deepEqual([made.call.body.profile, made.call.body.conflation_ms, made.call.body.default_depth, made.call.body.sub_ops_per_s], ['degraded', 250, undefined, 5]);
  assert.equal(made.portctl, 'portctl fanout degraded --for 15m --conflation 250 --sub-ops 5');
  assert.equal(sheet.make({ ...sheet.options, sub_ops_per_s: '0' }).wrong, true);
  assert.equal(figuresOf({ sub_ops_per_s: '1e3' }), null);
  const normal = sheet.make({ ...sheet.options, profile: 'normal', conflation_ms: '250' });
  assert.deepEqual([normal.call.body, normal.portctl], [{ profile: 'normal', expires_at: null }, 'portctl fanout normal']);
  assert.deepEqual(made.undo([{ before: { profile: 'emergency', default_depth: 10 } }]).options, { profile: 'emergency', span: '15m', conflation_ms: '', default_depth: '10', sub_ops_per_s: '' });
});

test('a request has moved when what it changes was set after the version it was asked for at', withPackages, async () => {
  const { movedSince } = await load('acting/moved.js');
  assert.equal(movedSince(undefined, 7), undefined, 'never set');
  assert.equal(movedSince({ version: 7 }, 7), undefined);
  assert.deepEqual(movedSince({ version: 10 }, 9), { version: 10 });
  assert.deepEqual(movedSince({ version: 10 }, '9'), { version: 10 }, 'as numbers');
});

// --- in a browser -----------------------------------------------------------------------------------------------------

const sheet = (page) => page.getByRole('dialog').last();
const chip = (page, name) => page.locator('.banner .chip', { hasText: new RegExp(`^${name}:`) }).first();
const blameless = async (page) => {
  assert.deepEqual(page.wrong.filter((w) => !/net::ERR_/.test(w)), []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], 'policy');
};

class StatesFake extends IncidentsFake {
  constructor(options) {
    super(options);
    const since = iso(this.now() - 30 * MINUTE);
    this.on('GET', '/v1/stats', () => ({ accepting_orders: true, kill_switch: false, system_mode: 'NORMAL', withdrawals_halted: true, halt_reason: null, trading_halted_since: null, trading_halted_until: null, audit: { database: true, journaled: 0, unaudited: 0 } }));
    this.on('GET', '/v1/control', () => ({ v: 1, version: 7, cells: [{ kind: 'withdrawals', target: '*', value: { halted: true }, reason: 'the ledger differs', ticket: 'INC-10', by: 'user:ana', approved_by: '', since, until: null, version: 5 }] }));
    this.on('GET', '/v1/symbols', () => ({ symbols: [] }));
    this.on('GET', '/v1/slo', () => ({ slos: [{ id: 'incident_ack', title: 'Acknowledged in time', state: 'ok', value: '60', target: '900 s' }] }));
  }
}

test('the banner: what is stale, refused or missing is said in grey or worse, never shown as good, and does not vanish', needsBrowser, async () => {
  const fake = new StatesFake();
  const at = iso(fake.now() - 5 * MINUTE);
  await onFake(fake, async (open) => {
    fake.on('GET', '/v1/incidents', () => ({ incidents: [], next: null, as_of: at, age_s: 300, stale: true, complete: true, waiting: [{ severity: 'SEV3', title: 'Candles are incomplete', key: 'a' }, { severity: 'SEV3', title: 'Quality', key: 'b' }] }));
    const page = await open('/settings');
    await until('it says so', 5000, async () => (await chip(page, 'incidents').innerText()) === `incidents: unknown since ${at.slice(11, 16)}, none open then, 2 wait to be entered`);
    assert.match(await chip(page, 'incidents').getAttribute('class'), /k-warn/);
    assert.match(await chip(page, 'SLO').getAttribute('class'), /k-ok/);
    const halt = page.locator('.banner a', { hasText: 'withdrawals: HALTED' });
    assert.equal(await halt.getAttribute('href'), '/incidents/INC-10', 'what it was halted for');
    assert.match(await page.locator('.banner .second').innerText(), /modes: – normal[\s\S]*stream –\s*events/);
    for (const [answer, words] of [[[503, { title: 'PostgreSQL is away', status: 503 }], 'unknown'], [[403, { title: 'not permitted', status: 403 }], 'hidden from your roles']]) {
      for (const path of ['/v1/incidents', '/v1/slo', '/v1/symbols']) fake.on('GET', path, () => answer);
      await page.reload();
      for (const name of ['incidents', 'SLO']) {
        await until(`${name}: ${words}`, 5000, async () => (await chip(page, name).innerText()) === `${name}: ${words}`);
        assert.match(await chip(page, name).getAttribute('class'), /k-off/);
      }
      await until('modes', 3000, async () => /modes: (unknown|not signed in|hidden)/.test(await page.locator('.banner .second').innerText()));
    }
    await blameless(page);
  });
});

test('overview: four answers with their ages; components: a producer that gives nothing is bad', needsBrowser, async () => {
  const fake = new StatesFake();
  const known = iso(fake.now() - 5000);
  const triage = { halt_reason: null, trading_halted_until: null, incidents_known: true, incidents_stale: false, open_incidents: [], ack_overdue: 0, incidents_as_of: known, postmortems: { owed: 0, overdue: 0, next_due_at: null },
    last_slo_breach: { id: 'incident_ack', at: iso(fake.now() - 26 * MINUTE) }, last_slo_breach_known: true, reconciliation: { value: '0', age_s: 240, state: 'ok' }, quality: { value: '2', age_s: 180, state: 'bad' } };
  fake.on('GET', '/v1/triage', () => triage);
  fake.signals.push({ name: 'recent_signals', labels: {}, value: 0, unit: '', age_s: 4, source: 'signal-generator', stale: false });
  await onFake(fake, async (open) => {
    const page = await open('/overview');
    const card = page.locator('.triage');
    await card.getByText('Data quality').waitFor();
    await until('four answers', 5000, async () => /Acknowledgement\s+none overdue, \d+(\.\d)? s ago[\s\S]*Last SLO breach\s+incident_ack \S+ UTC, 26 min ago[\s\S]*Reconciliation\s+agrees 0, 4 min ago[\s\S]*Data quality\s+errors 2, 3 min ago/.test((await card.innerText()).replace(/\s+,/g, ',')));
    assert.match(await card.locator('.chip', { hasText: 'errors 2' }).getAttribute('class'), /k-bad/);
    triage.quality = { value: null, age_s: null, state: 'unknown' };
    await page.goto('/overview');
    await until('unknown is said', 5000, async () => /Data quality\s+unknown/.test(await card.innerText()));
    await page.goto('/incidents/components');
    const first = page.locator('.pipeline li').nth(0);
    await until('the producer', 5000, async () => /k-bad/.test(await first.getAttribute('class').catch(() => '')));
    assert.match(await first.innerText(), /signal-generator[\s\S]*0[\s\S]*signals in 5 min/);
    await blameless(page);
  });
});

test('a session nobody uses: said above a sheet too, polling puts no end off, “Stay signed in” is in the sheet and does', needsBrowser, async () => {
  const fake = new StatesFake();
  let idleAt = fake.now() + 100000;
  const asked = [];
  const session = fake.session.bind(fake);
  fake.session = () => ({ ...session(), idle_at: iso(idleAt) });
  fake.on('GET', '/v1/session', ({ headers }) => {
    const active = headers['x-user-active'] === '1';
    asked.push(active);
    if (active) idleAt = fake.now() + 15 * MINUTE;
    return fake.session();
  });
  await onFake(fake, async (open) => {
    const page = await open('/incidents');
    await page.locator('.banner').getByText(/Your session ends in/).waitFor();
    await page.locator('.banner').getByText('Nothing was asked for a while.').waitFor();
    const before = idleAt;
    await sleep(12000); // readings of every screen and of the session itself go on
    assert.equal(idleAt, before, 'what a page asks by itself puts no end off');
    assert.ok(asked.length >= 2 && !asked.includes(true), JSON.stringify(asked));

    // a sheet, opened by the page and not by the person: the banner is out of reach behind it
    await page.evaluate(() => document.querySelector('.wait .btn').click());
    await sheet(page).waitFor();
    assert.equal(await page.locator('.app').evaluate((e) => e.inert), true);
    assert.match(await sheet(page).locator('.warnings').innerText(), /Your session ends in .*Nothing was asked for a while/s);
    const spoken = () => page.evaluate(() => [...document.querySelectorAll('[role=alert],[aria-live]')].filter((e) => !e.closest('[inert]')).map((e) => e.textContent).join('|'));
    assert.match(await spoken(), /Your session ends soon\./);
    assert.match(await spoken(), /INC-11 is overdue/, 'the countdown, too');
    assert.equal(idleAt, before);
    const stay = sheet(page).getByRole('button', { name: 'Stay signed in' });
    assert.ok(await stay.isVisible());
    await stay.focus();
    await page.keyboard.press('Enter');
    await until('the end is put off', 3000, () => idleAt > before);
    await until('nothing warns', 3000, async () => (await page.getByText(/Your session ends in/).count()) === 0);
    assert.equal(await page.getByRole('dialog').count(), 1, 'the sheet is still there');
    await blameless(page);
  });
});

test('disconnected while a sheet is open: it is seen in it, and read out', needsBrowser, async () => {
  const fake = new StatesFake();
  const answer = fake.handle.bind(fake);
  fake.handle = (route) => (fake.gone ? route.abort() : answer(route));
  await onFake(fake, async (open) => {
    const page = await open('/incidents/INC-11');
    await page.getByRole('button', { name: 'Acknowledge…' }).click();
    await sheet(page).waitFor();
    fake.gone = true;
    await sheet(page).getByText(/Disconnected from the gateway \(admin\) for/).waitFor({ timeout: 12000 });
    assert.match(await page.evaluate(() => [...document.querySelectorAll('[role=alert]')].filter((e) => !e.closest('[inert]')).map((e) => e.textContent).join('|')), /Disconnected from the gateway/);
    assert.match(await page.locator('.banner').innerText(), /SLO: unknown[\s\S]*incidents: unknown[\s\S]*modes: unknown/);
  });
});

test('undo after the log could not take it; key `a` from anywhere; sorts in the address; rows of a second table by keyboard', needsBrowser, async () => {
  const fake = new StatesFake({ permissions: ['status.read', 'metrics.read', 'control.read', 'control.tighten', 'control.loosen', 'control.approve', 'incidents.read', 'incidents.act', 'people.read', 'people.write'] });
  const put = ({ body, dryRun }) => (dryRun ? { dry_run: true, needs: [], diff: { direction: body.mode === 'SOFT_HALT' ? 'TIGHTEN' : 'LOOSEN', changes: [{ kind: 'mode', target: '*', before: { mode: 'CANCEL_ONLY' }, after: { mode: body.mode } }] }, blast_radius: { symbols: 3, subscriptions: 12, version: 7 } }
    : { outcome: 'journaled', version: 8, audit: null, journal: '7-1', effect_us: 842, unconfirmed: [] });
  for (const path of ['/v1/symbols/*/mode', '/v1/symbols/%2A/mode']) fake.on('PUT', path, put);
  const request = (id, user) => ({ id, user, role: 'approver', kind: 'standing', state: 'pending', requested_by: 'user:sue', requested_with: 'user:sue', created_at: iso(fake.now() - MINUTE), expires_at: iso(fake.now() + 10 * MINUTE), reason: 'she is on call', ticket: 'OPS-41', hash: 'h' });
  const requests = [request('R-1', 'uma'), request('R-2', 'vic')];
  fake.on('GET', '/v1/role-requests', () => ({ requests }));
  fake.on('GET', /^\/v1\/role-requests\/(.+)$/, ([, id]) => ({ request: requests.find((r) => r.id === id) }));
  fake.on('GET', '/v1/changes', () => ({ changes: [] }));
  await onFake(fake, async (open) => {
    const page = await open('/overview');
    await page.getByRole('button', { name: 'Mode of all…' }).click();
    await sheet(page).getByLabel(/^Reason/).fill('prices are off');
    // the word may come from the ticket by paste
    const kept = await sheet(page).getByLabel(/^Type ALL/).evaluate((input) => input.dispatchEvent(new ClipboardEvent('paste', { clipboardData: new DataTransfer(), bubbles: true, cancelable: true })));
    assert.equal(kept, true, 'nobody refuses a paste');
    await sheet(page).getByLabel(/^Type ALL/).fill('ALL');
    await until('it may be pressed', 5000, () => sheet(page).getByRole('button', { name: 'Set SOFT_HALT', exact: true }).isEnabled());
    await sheet(page).getByRole('button', { name: 'Set SOFT_HALT', exact: true }).click();
    await sheet(page).getByText('In force. The audit log takes it').waitFor();
    await sheet(page).getByRole('button', { name: 'Ask to undo it…' }).click();
    await until('what was before is proposed', 5000, async () => (await sheet(page).getByRole('button', { name: 'CANCEL_ONLY', exact: true }).getAttribute('aria-pressed')) === 'true');
    await page.keyboard.press('Escape');

    await page.goto('/settings');
    await chip(page, 'incidents').waitFor();
    await until('incidents are known', 5000, async () => /4 open/.test(await chip(page, 'incidents').innerText()));
    const sent = fake.acts().length;
    await page.keyboard.press('a');
    await sheet(page).getByRole('heading', { name: 'Acknowledge INC-11' }).waitFor(); // it is overdue
    assert.equal(fake.acts().length, sent, 'a key acts on nothing');
    await page.keyboard.press('Escape');

    await page.goto('/incidents/playbooks');
    await page.getByRole('button', { name: 'Severity' }).click();
    await until('in the address', 3000, () => /sort=severity&dir=asc/.test(page.url()));
    await page.reload();
    await until('as the address says', 5000, async () => (await page.getByRole('columnheader', { name: /Severity/ }).getAttribute('aria-sort')) === 'ascending');

    await page.goto('/settings/approvals?roles_sort=user&roles_dir=desc');
    const table = page.getByRole('region', { name: 'Roles that take two persons' });
    await table.getByRole('row').nth(2).waitFor();
    assert.match(await table.getByRole('row').nth(1).innerText(), /vic/);
    await table.getByRole('button', { name: 'approver for uma: open the request' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'approver for uma' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await table.focus();
    await page.keyboard.press('k'); // from the row that was opened
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'approver for vic' }).waitFor();
    await blameless(page);
  });
});
