// Circuits in the browser: what waits is on the overview, is tried at once through the sheet of all acts, and a breaker of the
// core is closed by two persons, each in her own browser.
import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import test from 'node:test';
import { needsBrowser } from './harness/browser.mjs';
import { buildDir, freePort, until } from './harness/gateway.mjs';
import { chain } from './harness/gate.mjs';
import { confirm, sheetOf, signedIn, withPeople } from './harness/web_people.mjs';

const options = { ...needsBrowser, timeout: 120000 };
const why = { reason: 'the receiver was mended', ticket: 'OPS-7' };
const rowOf = (page, name) => page.getByRole('region', { name: 'Circuits' }).locator('tbody tr', { hasText: name });

test('what waits is on the overview and tried at once; a breaker of the core takes two browsers', options, async () => {
  const port = await freePort();
  let status = 503;
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(status, status === 200 ? {} : { 'retry-after': '300' }).end('not now'));
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    await withPeople(async (stage, browser) => {
      const [ana, ben] = [stage.person('ana', 'operator'), stage.person('ben', 'approver')];
      stage.run('core', path.join(buildDir, 'load/standin-core'), ['--redis', `unix:${stage.redisSocket}`, '--quiet', '--delay', '50', '--heartbeat', '1', '--circuits', 'risk']);
      stage.sql(`INSERT INTO pages (kind, incident, severity, level, list, title, summary, symbol, component, class, playbook, at)
        VALUES ('trigger', 'INC-1', 'SEV1', 1, 'oncall', 'the books differ', '', '', '', '', '', now())`);
      const page = await signedIn(browser, stage, ana);
      const panel = page.locator('.panel', { hasText: 'Waiting before it is tried again' });
      await panel.waitFor({ timeout: 15000 });
      await until('the receiver is seen', 10000, async () => /answered 503: not now/.test(await rowOf(page, 'paging').innerText()));
      assert.match(await rowOf(page, 'paging').innerText(), /in \d min/);

      await page.getByRole('button', { name: 'Try now… paging' }).click();
      assert.match(await sheetOf(page).innerText(), /portctl circuit reset paging --reason/);
      await confirm(page, { ...why, typed: 'paging', button: 'Try it now' });
      await sheetOf(page).getByText('Tried now, and it failed.').waitFor({ timeout: 8000 });
      await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
      status = 200;
      await page.getByRole('button', { name: 'Try now… paging' }).click();
      await confirm(page, { ...why, typed: 'paging', button: 'Try it now' });
      await sheetOf(page).getByText('Tried now: it answers.').waitFor({ timeout: 8000 });
      await sheetOf(page).getByRole('button', { name: 'Close', exact: true }).click();
      await until('it is off the overview', 8000, async () => (await rowOf(page, 'paging').count()) === 0);

      await page.goto('/settings/circuits');
      await until('all of them are here', 10000, async () => /closed/.test(await rowOf(page, 'postgresql-listen').innerText()));
      await page.getByRole('button', { name: 'Close… core:risk' }).click();
      await confirm(page, { ...why, typed: 'core:risk', button: 'Ask for it' });
      await sheetOf(page).getByText('Asked for, not sent to the core.').waitFor({ timeout: 8000 });

      const his = await signedIn(browser, stage, ben, '/settings/circuits', { theme: 'light' });
      await his.getByRole('button', { name: 'Close… core:risk' }).click();
      await sheetOf(his).getByText(/ana has asked for it/).waitFor();
      await confirm(his, { ...why, typed: 'core:risk', button: 'Ask the core' });
      await sheetOf(his).getByText('the core did it').waitFor({ timeout: 8000 });
      await sheetOf(his).getByRole('button', { name: 'Close', exact: true }).click();
      await until('it is closed', 8000, async () => /closed/.test(await rowOf(his, 'core:risk').innerText()));

      for (const p of [page, his]) {
        assert.deepEqual(p.wrong, []);
        assert.deepEqual(await p.evaluate(() => globalThis.violations), []);
      }
      const rows = await until('the audit log', 5000, () => { const r = chain(stage).filter((e) => e.action === 'circuit.reset'); return r.length === 4 && r; });
      assert.deepEqual(rows.map((r) => [r.actor, r.target, r.outcome]), [['user:ana', 'paging', 'failed'], ['user:ana', 'paging', 'done'], ['user:ana', 'core:risk', 'requested'], ['user:ben', 'core:risk', 'approved']]);
    }, { symbols: 2, overrides: { slo_paging: { enabled: true, format: 'generic', webhook_url: `http://127.0.0.1:${port}/hook`, backoff_min: '1s', backoff_max: '2s' } } });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
