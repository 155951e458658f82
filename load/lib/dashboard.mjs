// The dashboard in a browser, measured: bytes, first paint, time to live data, frames while the symbols scroll by.
import { existsSync, readFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import zlib from 'node:zlib';
import { Browser, dist, live, needsBrowser } from '../../tests/e2e/harness/browser.mjs';
import { buildDir, recordings, sleep, Stage, until } from '../../tests/e2e/harness/gateway.mjs';
import { Person } from '../../tests/e2e/harness/people.mjs';
import { signIn } from '../../tests/e2e/harness/web_people.mjs';
import { frames, paints, watchFirstData } from './dashboard_page.mjs';
import { median } from './figures.mjs';
import { Advice } from './options.mjs';

export const SYMBOLS = 1695; // of data set D, and as many made up where it is not
const SYNTHETIC_RATE = 300; // batches a second
const WAIT_MS = 30000;
const SETTLE_MS = 3000; // a page that has just come up has other things to do than to scroll
const SCROLL = '.symbols .scroll';
const ROWS_A_FRAME = 2.5; // 150 a second: a brisk turn of the wheel
const ROW_PX = 28;
const COARSE_MS = 1; // the browser's clock is made coarse; a frame of 16.7 ms may read 16.6 or 17
export const SCREENS = [['overview', '/overview'], ['market', '/market']];

// Why it cannot run, or null.
export function unable() {
  if (needsBrowser.skip) return needsBrowser.skip;
  const missing = ['portcullis', 'load/feeder'].filter((name) => !existsSync(path.join(buildDir, name)));
  return missing.length ? `${missing.join(', ')}: not built: cmake --build build --target portcullis feeder, or set PORTCULLIS_BUILD` : null;
}

// The market to play: the arguments of the feeder, its name, and a symbol in which much happens.
export function marketOf(asked) {
  const data = recordings();
  if (asked === 'recorded' && !data) throw new Advice('no recordings: set PORTCULLIS_DATA (docs/RECORDINGS.md), or give --market synthetic');
  if (data && asked !== 'synthetic') return { name: 'recorded', busy: 'BTC-USDT', text: `recorded market (set A: two symbols, live) and the ${SYMBOLS} symbols of set D`, tape: ['--data', data, '--sets', 'A,D'] };
  return { name: 'synthetic', busy: 'BTC-USD', text: `made-up market, ${SYMBOLS} symbols, ${SYNTHETIC_RATE} batches a second`, tape: ['--data', 'synthetic', '--symbols', String(SYMBOLS), '--rate', String(SYNTHETIC_RATE), '--seed', '11'] };
}

// Everything that a measurement needs: gateway, PostgreSQL, Redis, feeder, a person, a browser. close() ends it all.
export class Theatre {
  constructor(market) {
    this.market = market;
  }

  async start(say) {
    const { tape } = this.market;
    this.opening = Stage.open(); // held, so that close() finds it whenever it comes
    const stage = await this.opening;
    this.stage = stage;
    say('starting Redis, PostgreSQL, the gateway, the feeder, the browser');
    stage.writeSymbols(tape);
    await stage.startPostgres();
    this.person = Person.make(stage, 'ana', 'operator,auditor,security');
    const wide = { login_burst: 1000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, preauth_burst: 5000 };
    await stage.startGateway({ admin: { web_dir: dist }, limits: wide });
    this.feeder = stage.feed(...tape, '--loop', 'forever', '--time', 'now', '--maxlen', '20000');
    await until('the market in the gateway', WAIT_MS, async () => (await stage.get(`${stage.adminUrl}/readyz`)).status === 200);
    this.browser = await Browser.open();
    this.version = this.browser.chromium.version();
  }

  // A page with an empty cache of its own; signed in if somebody has been.
  async page() {
    const page = await this.browser.page(this.stage);
    if (this.cookies) await page.context().addCookies(this.cookies);
    await page.addInitScript(watchFirstData);
    return page;
  }

  // Signs the person in by hand: from the click until a real row is on the screen, ms.
  async signIn() {
    const page = await this.page();
    await page.goto('/overview');
    await page.getByRole('dialog', { name: 'Sign in' }).waitFor({ timeout: WAIT_MS });
    const since = performance.now();
    await signIn(page, this.person);
    await live(page);
    const took = performance.now() - since;
    this.cookies = (await page.context().cookies()).filter((c) => c.name === '__Host-sid')
      .map(({ name, value }) => ({ name, value, url: this.stage.adminUrl, secure: true, httpOnly: true, sameSite: 'Strict' }));
    if (this.cookies.length !== 1) throw new Error('the gateway gave no session cookie');
    await page.context().close();
    return took;
  }

  async close() {
    await this.browser?.close();
    await (await this.opening)?.close();
  }
}

function fetchRaw(stage, target, encoding) {
  return new Promise((resolve, reject) => {
    const request = https.request(`${stage.adminUrl}${target}`, { ca: readFileSync(stage.ca), agent: false, headers: { 'accept-encoding': encoding } }, (response) => {
      const parts = [];
      response.on('data', (data) => parts.push(data));
      response.on('end', () => resolve({ body: Buffer.concat(parts), encoding: response.headers['content-encoding'] ?? 'identity', status: response.statusCode }));
    });
    request.setTimeout(10000, () => request.destroy(new Error(`${target}: no answer in 10 s`)));
    request.once('error', reject);
    request.end();
  });
}

const plain = { identity: (b) => b, gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync };

// What a browser must have before it can show anything: the page and all that its markup names, as the gateway sends it.
export async function firstScreenBytes(stage) {
  const out = {};
  for (const encoding of ['identity', 'gzip', 'br']) {
    const page = await fetchRaw(stage, '/overview', encoding);
    const html = plain[page.encoding](page.body).toString();
    const names = [...html.matchAll(/(?:href|src)="(\/assets\/[^"]+\.(?:js|css))"/g)].map((m) => m[1]);
    if (page.status !== 200 || names.length < 2) throw new Error(`/overview: ${page.status}, and it names ${names.length} files`);
    let bytes = page.body.length;
    for (const name of new Set(names)) {
      const file = await fetchRaw(stage, name, encoding);
      if (file.status !== 200 || file.encoding !== encoding) throw new Error(`${name}: ${file.status}, ${file.encoding}`);
      bytes += file.body.length;
    }
    out[encoding] = bytes;
  }
  return out;
}

// One look at a screen with an empty cache: first paint, first row, first change, ms.
async function lookAt(theatre, target) {
  const page = await theatre.page();
  try {
    await page.goto(target, { waitUntil: 'commit' });
    await page.waitForFunction(() => globalThis.firstData?.live != null, null, { timeout: WAIT_MS });
    const seen = await page.evaluate(paints);
    if (page.wrong.length) throw new Error(`${target}: ${page.wrong[0]}`);
    return seen;
  } finally {
    await page.context().close();
  }
}

const spreadOf = (list) => ({ median: median(list), min: Math.min(...list), max: Math.max(...list) });

export async function measureLoads(theatre, runs, say) {
  const out = {};
  for (const [name, target] of SCREENS) {
    const looks = [];
    for (let i = 0; i < runs; i++) {
      looks.push(await lookAt(theatre, name === 'market' ? `${target}/${theatre.market.busy}` : target));
      const last = looks.at(-1);
      say(`${name} ${i + 1}/${runs}: first contentful paint ${last.contentful.toFixed(0)} ms, first row ${last.row.toFixed(0)} ms, live ${last.live.toFixed(0)} ms`);
    }
    out[name] = Object.fromEntries(Object.keys(looks[0]).map((key) => [key, spreadOf(looks.map((l) => l[key]))]));
  }
  return out;
}

// --- frames --------------------------------------------------------------------------------------

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

export function frameFigures(lengths) {
  const sorted = [...lengths].sort((a, b) => a - b);
  const over = (ms) => (sorted.filter((x) => x > ms + COARSE_MS).length / sorted.length) * 100;
  return { frames: sorted.length, p50: at(sorted, 0.5), p95: at(sorted, 0.95), p99: at(sorted, 0.99), worst: sorted.at(-1), over_16_7: over(16.7), over_33: over(33.3) };
}

const WORK = ['ScriptDuration', 'LayoutDuration', 'RecalcStyleDuration', 'TaskDuration'];

async function workOf(cdp) {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return Object.fromEntries(metrics.filter((m) => WORK.includes(m.name)).map((m) => [m.name, m.value * 1000]));
}

// Frames of PAGE for SECONDS, and what the page's thread did in one of them on average, ms.
async function framesOf(page, options) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' }); // CPU of the page's thread, whoever else uses the machine
  const before = await workOf(cdp);
  const seen = await page.evaluate(frames, options);
  const after = await workOf(cdp);
  await cdp.detach();
  const each = Object.fromEntries(WORK.map((name) => [name, (after[name] - before[name]) / seen.lengths.length]));
  return { ...frameFigures(seen.lengths), reached: seen.reached, height: seen.height, script_ms: each.ScriptDuration, layout_ms: each.LayoutDuration, style_ms: each.RecalcStyleDuration, task_ms: each.TaskDuration };
}

// The same three things in each run: a page of one word (what the machine gives), the overview at rest, the overview scrolling.
export async function measureFrames(theatre, { runs, seconds }, say) {
  const rounds = [];
  for (let i = 0; i < runs; i++) {
    const page = await theatre.page();
    await page.goto('/livez'); // one word
    const blank = await framesOf(page, { seconds: Math.min(4, seconds), pixels: 0 });
    await page.goto('/overview');
    await live(page);
    await until('all rows', WAIT_MS, async () => Number((await page.locator('.symbols .count').innerText()).replace(/\D/g, '')) >= SYMBOLS);
    await sleep(SETTLE_MS);
    const rest = await framesOf(page, { seconds: Math.min(6, seconds), pixels: 0 });
    const scroll = await framesOf(page, { selector: SCROLL, seconds, pixels: ROWS_A_FRAME * ROW_PX });
    if (page.wrong.length) throw new Error(`overview: ${page.wrong[0]}`);
    if (!(scroll.reached > 0)) throw new Error('the table of symbols did not scroll: is it higher than what it holds?');
    await page.context().close();
    rounds.push({ blank, rest, scroll });
    say(`frames ${i + 1}/${runs}: scrolling p50 ${scroll.p50.toFixed(1)}, p95 ${scroll.p95.toFixed(1)}, p99 ${scroll.p99.toFixed(1)}, worst ${scroll.worst.toFixed(1)} ms; page of one word p95 ${
      blank.p95.toFixed(1)} ms; a frame's script ${scroll.script_ms.toFixed(1)}, style ${scroll.style_ms.toFixed(1)}, layout ${scroll.layout_ms.toFixed(1)} ms`);
  }
  return Object.fromEntries(['blank', 'rest', 'scroll'].map((part) => [part,
    Object.fromEntries(Object.keys(rounds[0][part]).map((key) => [key, spreadOf(rounds.map((r) => r[part][key]))]))]));
}
