// The dashboard for everybody: axe on every screen in every theme, and a screen of 320 px (or 400 % zoom).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { axeSource, live, needsBrowser, onDashboard as withBrowser, open, SCREENS } from './harness/browser.mjs';
import { sleep } from './harness/gateway.mjs';

// What the person's system asks for, as the page follows it while it stands.
const themes = { dark: { colorScheme: 'dark', contrast: 'no-preference' }, light: { colorScheme: 'light', contrast: 'no-preference' }, contrast: { colorScheme: 'dark', contrast: 'more' } };

test('axe finds nothing, on each screen in each theme', needsBrowser, () => withBrowser(async (stage, browser) => {
  const axe = readFileSync(axeSource(), 'utf8');
  const page = await open(browser, stage, '/overview', { theme: 'system', bypassCSP: true });
  for (const path of [...SCREENS, 'help', 'symbol']) {
    if (path.startsWith('/')) await page.goto(path);
    else await page.goto('/market/BTC-USD');
    await live(page);
    if (path === 'help') await page.keyboard.press('?');
    if (path === 'symbol') for (const key of 'gs') await page.keyboard.press(key);
    await sleep(path.startsWith('/market') || path === '/connections' ? 3500 : 700);
    await page.evaluate(axe);
    for (const [theme, media] of Object.entries(themes)) {
      await page.emulateMedia(media);
      await page.waitForFunction((t) => document.documentElement.dataset.theme === t, theme);
      await page.evaluate(() => new Promise((drawn) => { requestAnimationFrame(() => requestAnimationFrame(drawn)); }));
      const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
      assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.any[0]?.message ?? ''}`).join(' | ')}`), [], `${path} ${theme}`);
    }
  }
}));

test('320 px wide, and at 400 % zoom: nothing needs sideways scrolling but tables in their boxes', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/overview', { width: 320, height: 640 });
  for (const height of [640, 256]) { // the latter: 1280 x 1024 at 400 %
    await page.setViewportSize({ width: 320, height });
    for (const path of height === 640 ? SCREENS : ['/overview', '/market/BTC-USD', '/incidents']) {
      await page.goto(path);
      await live(page);
      await sleep(400);
      const { wide, inner } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, inner: innerWidth }));
      assert.ok(wide <= inner, `${path} at ${height}: ${wide} px in ${inner}`);
      await page.evaluate(() => scrollTo(0, document.body.scrollHeight / 2));
      assert.ok(await page.evaluate(() => Boolean(document.elementFromPoint(160, innerHeight / 2).closest('main'))), `${path} at ${height}: no bar covers the middle`);
    }
  }
}));
