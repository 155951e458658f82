// What is in the way: controls under the banner or the footer, sheets and countdowns of a gateway that is gone, numbers of
// before after it is back.
import assert from 'node:assert/strict';
import test from 'node:test';
import { live, needsBrowser } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';
import { act, blameless, quickPlaybooks, read } from './harness/web_flow.mjs';
import { confirm, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const options = { ...needsBrowser, timeout: 150000 };
const books = (stage) => ({ playbooks: { dir: quickPlaybooks(stage) } });

// What has the focus, and what lies above its middle.
const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const box = e.getBoundingClientRect();
  const above = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const name = (x) => `${x.tagName}.${x.className} ${(x.getAttribute('aria-label') ?? x.textContent ?? '').trim().slice(0, 40)}`;
  return { name: name(e), tall: box.height > innerHeight / 2, hidden: box.width === 0 || !e.closest('main'), free: !above?.closest('.banner,.foot'), above: above && name(above), y: box.y, x: box.x };
});

test('by Tab, forwards and back: nothing that has the focus lies under the banner or the footer', options, () => withPeople(async (stage, browser) => {
  const ana = stage.person('ana', 'operator');
  for (const size of [{ width: 1440, height: 900 }, { width: 1280, height: 640 }]) {
    const page = await signedIn(browser, stage, ana, '/incidents', size);
    if (size.width === 1440) await act(page, 'Open by hand…', { 'What is wrong': 'Clients far behind', Reason: 'the backlog grows on every shard', Playbook: 'ws_overload' }, 'Open');
    for (const path of ['/incidents/INC-1', '/overview']) {
      await page.goto(path);
      await live(page);
      await sleep(1200);
      const covered = [];
      let seen = 0;
      for (const key of ['Tab', 'Shift+Tab']) {
        for (let i = 0; i < 45; i++) {
          await page.keyboard.press(key);
          const at = await focused(page);
          if (!at || at.hidden || at.tall) continue;
          seen++;
          if (!at.free) covered.push(`${key} ${i}: ${at.name} at ${Math.round(at.x)},${Math.round(at.y)} under ${at.above}`);
        }
      }
      assert.deepEqual(covered, [], `${path} at ${size.height}`);
      assert.ok(seen >= 20, `${path}: ${seen} controls`);
    }
    // a link to a step leads to where it can be read
    await page.goto('/incidents/INC-1');
    await page.getByRole('link', { name: 'Mandatory step not done: Trades were not dropped' }).click();
    await until('the step is in sight', 3000, () => page.evaluate(() => {
      const box = document.querySelector('#step-trades_whole h4').getBoundingClientRect();
      return box.y >= document.querySelector('.banner').getBoundingClientRect().bottom - 1 && box.bottom <= innerHeight;
    }));
    await blameless(page, `focus at ${size.height}`);
    await page.context().close();
  }
}, { overrides: books }));

test('the gateway goes while a sheet is open and comes back: nothing is thought done, the same request is sent once, all is read anew', options, () => withPeople(async (stage, browser) => {
  const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'operator')];
  const page = await signedIn(browser, stage, ana, '/overview');
  await page.locator('.symbols tbody tr', { hasText: 'BTC/USD' }).waitFor();
  await page.getByLabel('Choose BTC/USD').check();
  await page.getByRole('group', { name: 'Acts on the chosen symbols' }).getByRole('button', { name: 'Set mode…' }).click();
  await sheetOf(page).getByText('Whom it reaches').waitFor();
  await stage.stopGateway('SIGKILL');
  await confirm(page, { reason: 'prices are off', ticket: 'OPS-7', typed: 'BTC/USD', button: 'Set SOFT_HALT' });
  await sheetOf(page).getByRole('alert').getByText(/No answer/i).waitFor();
  assert.equal(await sheetOf(page).getByText('In force.').count(), 0);
  await page.keyboard.press('Escape');
  await until('greyed out', 10000, () => page.locator('main.stale').count());
  const banner = await page.locator('.banner').innerText();
  assert.match(banner, /DISCONNECTED[\s\S]*orders: unknown[\s\S]*kill switch: unknown[\s\S]*withdrawals: unknown/);
  assert.equal(/ACCEPTING|none open|SLO: .*met|events/.test(banner), false, banner);
  for (const name of ['Mode of all…', 'Engage…', 'Halt…']) {
    const button = page.getByRole('button', { name });
    assert.equal(await button.isEnabled(), false, name);
    assert.match(await button.getAttribute('title'), /disconnected/);
  }
  assert.match(banner, /SLO: unknown[\s\S]*incidents: unknown[\s\S]*modes: unknown[\s\S]*stream –/);

  // while it is away another gateway of the house halts it and opens an incident: known when it is back, not later
  await stage.startGateway(stage.overrides);
  await until('he is in', 15000, async () => (await ben.logIn()).status === 200);
  const put = await ben.call('PUT', `/v1/symbols/${encodeURIComponent('ETH/USD')}/mode`, { mode: 'HARD_HALT', reason: 'while she was blind', ticket: 'OPS-8' }, { 'if-match': '*' });
  assert.ok([200, 202].includes(put.status), put.body);
  assert.equal((await ben.call('POST', '/v1/incidents', { severity: 'SEV2', title: 'Opened meanwhile', reason: 'while she was blind' })).status, 201);
  await live(page);
  const since = Date.now();
  await until('not greyed out', 15000, async () => (await page.locator('main.stale').count()) === 0);
  await until('what happened meanwhile', 5000, async () => /1 hard-halt/.test(await page.locator('.banner').innerText()) && /1 open, SEV2/.test(await page.locator('.banner').innerText()));
  assert.ok(Date.now() - since < 12000);
  await page.locator('.triage').getByText('Opened meanwhile').waitFor({ timeout: 5000 });
  assert.equal((await read(page, `/v1/symbols/${encodeURIComponent('BTC/USD')}/mode`)).mode, 'NORMAL', 'what got no answer was not done');
  await blameless(page, 'lost');
}));
