// Pictures of every screen, dark and light, of a gateway with a made-up market: node web/screens.mjs [--help]
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Browser, dist, live, needsBrowser } from '../tests/e2e/harness/browser.mjs';
import { Stage, sleep } from '../tests/e2e/harness/gateway.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const usage = `node web/screens.mjs - pictures of every screen of the dashboard

  --out DIR      where to (default docs/screens)
  --only NAME    one of them, for example market
  --themes A,B   dark, light, contrast (default dark,light)
  --symbols N    how large a market (default 120)
  --help

Starts a gateway, a Redis and a feeder of its own; needs build/, web/dist and chromium.

examples
  node web/build.mjs && node web/screens.mjs
  node web/screens.mjs --only market --themes contrast --out /tmp`;

const { values: opt } = parseArgs({ options: { out: { type: 'string', default: path.join(here, '../docs/screens') }, only: { type: 'string' },
  themes: { type: 'string', default: 'dark,light' }, symbols: { type: 'string', default: '120' }, help: { type: 'boolean', short: 'h' } } });
if (opt.help) {
  console.log(usage);
  process.exit(0);
}
if (needsBrowser.skip) {
  console.error(`screens.mjs: ${needsBrowser.skip}`);
  process.exit(1);
}

const settle = 6000; // charts over time need a few samples
const press = (...keys) => async (page) => { for (const key of keys) await page.keyboard.press(key); };
const SHOTS = [
  { name: 'overview', path: '/overview?sort=events&dir=desc' },
  { name: 'market', path: '/market/BTC-USD', height: 1240 },
  { name: 'connections', path: '/connections', height: 1300, wait: 16000 },
  { name: 'keys', path: '/keys' }, { name: 'incidents', path: '/incidents' }, { name: 'audit', path: '/audit' }, { name: 'drills', path: '/drills' },
  { name: 'settings', path: '/settings' }, { name: 'about', path: '/settings/about' },
  { name: 'help', path: '/overview', act: press('?') },
  { name: 'go-to-symbol', path: '/overview', act: press('g', 's', 'E', 'T') },
  { name: 'sheet', path: '/market/BTC-USD', act: (page) => page.getByRole('button', { name: 'Set mode…' }).first().click() },
  { name: 'narrow', path: '/market/BTC-USD', width: 390, height: 844 },
  { name: 'disconnected', path: '/market/BTC-USD', last: true, act: async (page, stage) => { await stage.stopGateway('SIGKILL'); await sleep(9000); } },
];

async function take(browser, stage, shot, theme) {
  const page = await browser.page(stage, { theme, width: shot.width ?? 1440, height: shot.height ?? 900 });
  await page.goto(shot.path);
  await live(page);
  await sleep(shot.wait ?? settle);
  await shot.act?.(page, stage);
  await sleep(500);
  const file = path.join(opt.out, `${shot.name}-${theme}.png`);
  await page.screenshot({ path: file });
  console.log(`${path.relative(process.cwd(), file)}${page.wrong.length ? `   ${page.wrong[0]}` : ''}`);
  await page.context().close();
}

const stage = await Stage.open();
const browser = await Browser.open();
try {
  mkdirSync(opt.out, { recursive: true });
  const tape = ['--data', 'synthetic', '--symbols', opt.symbols, '--rate', '900', '--seed', '7', '--loop', 'forever', '--time', 'now', '--maxlen', '20000'];
  stage.writeSymbols(tape);
  await stage.startPostgres();
  await stage.startGateway({ admin: { web_dir: dist } });
  stage.feed(...tape);
  await sleep(20000);
  const shots = SHOTS.filter((s) => !opt.only || s.name === opt.only);
  for (const shot of shots.filter((s) => !s.last)) for (const theme of opt.themes.split(',')) await take(browser, stage, shot, theme);
  for (const shot of shots.filter((s) => s.last)) {
    for (const theme of opt.themes.split(',')) {
      await take(browser, stage, shot, theme);
      await stage.startGateway({ admin: { web_dir: dist } });
      await sleep(3000);
    }
  }
} finally {
  await browser.close();
  await stage.close();
}
