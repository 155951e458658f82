// A real browser (Debian's chromium) on the dashboard of a stage. The packages are the dashboard's own.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { onStage } from './gateway.mjs';

export const webFolder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../web');
const require = createRequire(path.join(webFolder, 'package.json'));
const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

function missing() {
  if (!existsSync(path.join(webFolder, 'node_modules'))) return 'no packages: npm ci --prefix web';
  if (!existsSync(path.join(webFolder, 'dist/manifest.json'))) return 'not built: node web/build.mjs';
  return program ? false : 'no chromium: apt-get install chromium';
}
export const needsBrowser = { skip: missing() };
export const dist = path.join(webFolder, 'dist');
export const axeSource = () => require.resolve('axe-core/axe.min.js');

export class Browser {
  static async open() {
    const { chromium } = require('playwright-core');
    const browser = new Browser();
    browser.chromium = await chromium.launch({ executablePath: program, args: ['--no-sandbox', '--ignore-certificate-errors', '--font-render-hinting=none', '--disable-gpu'] });
    return browser;
  }

  // A page that remembers what went wrong in it: page.wrong.
  async page(stage, { theme = 'dark', width = 1440, height = 900, bypassCSP = false, ...options } = {}) {
    const context = await this.chromium.newContext({ ignoreHTTPSErrors: true, baseURL: stage.adminUrl, viewport: { width, height }, bypassCSP, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'America/New_York', ...options });
    await context.addInitScript((t) => {
      localStorage.setItem('portcullis.settings', JSON.stringify({ theme: t, ...JSON.parse(localStorage.getItem('portcullis.settings') ?? '{}') }));
      globalThis.violations = [];
      document.addEventListener('securitypolicyviolation', (e) => globalThis.violations.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber} ${e.sample}`));
    }, theme);
    const page = await context.newPage();
    page.wrong = [];
    page.on('pageerror', (error) => page.wrong.push(error.stack));
    page.on('console', (message) => {
      // an answer that is not 2xx is logged by the browser itself
      if (message.type() === 'error' && !/server responded with a status of/.test(message.text())) page.wrong.push(message.text());
    });
    return page;
  }

  async close() {
    await this.chromium.close();
  }
}

// Until the market is on the screen.
export async function live(page) {
  await page.waitForFunction(() => document.querySelector('.banner')?.textContent.includes('LIVE'), null, { timeout: 20000 });
}

const tape = (symbols, rate = 300) => ['--data', 'synthetic', '--symbols', String(symbols), '--rate', String(rate), '--seed', '11', '--time', 'now'];
export const SCREENS = ['/overview', '/market/BTC-USD', '/connections', '/keys', '/incidents', '/audit', '/drills', '/settings', '/settings/access', '/settings/about'];

// Runs BODY on a stage that serves the dashboard, with a market: endless, or of DURATION seconds (stage.feeding ends).
export const onDashboard = (body, { symbols = 12, duration } = {}) => onStage(async (stage) => {
  stage.writeSymbols(tape(symbols));
  await stage.startGateway({ admin: { web_dir: dist } });
  stage.feeding = duration ? stage.fed(...tape(symbols), '--duration', String(duration)) : stage.feed(...tape(symbols), '--loop', 'forever');
  const browser = await Browser.open();
  try {
    await body(stage, browser);
  } finally {
    await browser.close();
  }
});

// A page at PATH, once it is live.
export async function open(browser, stage, path, options) {
  const page = await browser.page(stage, options);
  await page.goto(path);
  await live(page);
  return page;
}
