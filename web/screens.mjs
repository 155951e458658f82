// Pictures of every screen, dark and light, of a gateway with a made-up market: node web/screens.mjs [--help]
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Browser, dist, live, needsBrowser } from '../tests/e2e/harness/browser.mjs';
import { Stage, sleep, until } from '../tests/e2e/harness/gateway.mjs';
import { Person } from '../tests/e2e/harness/people.mjs';
import { sheetOf, signIn } from '../tests/e2e/harness/web_people.mjs';
import { Client } from '../tests/e2e/harness/ws.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const usage = `node web/screens.mjs - pictures of every screen of the dashboard

  --out DIR      where to (default docs/screens)
  --only A,B     these alone, for example market,keys
  --themes A,B   dark, light, contrast (default dark,light)
  --symbols N    how large a market (default 120)
  --help

Starts a gateway, a Redis, a PostgreSQL and a feeder of its own; needs build/, web/dist and chromium.

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
  { name: 'sign-in', path: '/overview', out: true },
  { name: 'audit', path: '/audit' },
  { name: 'overview', path: '/overview' },
  { name: 'market', path: '/market/BTC-USD', height: 1240 },
  { name: 'connections', path: '/connections', height: 1300, wait: 16000 },
  { name: 'keys', path: '/keys' }, { name: 'incidents', path: '/incidents' }, { name: 'incident', path: '/incidents/INC-2', height: 1500 }, { name: 'components', path: '/incidents/components', height: 1200 }, { name: 'drills', path: '/drills' },
  { name: 'settings', path: '/settings' }, { name: 'about', path: '/settings/about' },
  { name: 'help', path: '/overview', act: press('?') },
  { name: 'go-to-symbol', path: '/overview', act: press('g', 's', 'E', 'T') },
  { name: 'sheet', path: '/market/BTC-USD', act: async (page) => {
    await page.getByRole('button', { name: 'Set mode…' }).first().click();
    await sheetOf(page).getByText('Whom it reaches').waitFor();
  } },
  { name: 'approve', path: '/overview', as: 'ben', act: async (page) => {
    await page.getByRole('button', { name: /pending approvals/ }).click();
    await page.locator('.waiting button').first().click();
    await sheetOf(page).getByText('Asked for by').waitFor();
  } },
  { name: 'role', path: '/settings/approvals', as: 'ben', act: async (page) => {
    await page.getByRole('button', { name: /pending approvals/ }).click();
    await sheetOf(page).getByRole('button', { name: /approver for uma/ }).click();
    await sheetOf(page, 'approver for uma').getByText('Asked for by').waitFor();
  } },
  { name: 'circuits', path: '/settings/circuits' }, { name: 'people', path: '/settings/people?user=uma', height: 1100 }, { name: 'sessions', path: '/settings/sessions' }, { name: 'approvals', path: '/settings/approvals' },
  { name: 'access', path: '/settings/access' }, { name: 'paging', path: '/settings/paging' }, { name: 'playbooks', path: '/incidents/playbooks', height: 1100 },
  { name: 'kill', path: '/overview', act: async (page) => {
    await page.getByRole('button', { name: /^Engage/ }).first().click();
    await sheetOf(page).getByText('Whom it reaches').waitFor();
  } },
  { name: 'narrow', path: '/market/BTC-USD', width: 390, height: 844 },
  { name: 'disconnected', path: '/market/BTC-USD', last: true, act: async (page, stage) => { await stage.stopGateway('SIGKILL'); await sleep(9000); } },
];

const kept = {}; // the cookie of who has signed in: a code is good once, and the next one takes half a minute

async function take(browser, stage, shot, theme) {
  const who = shot.as ?? 'ana';
  const page = await browser.page(stage, { theme, width: shot.width ?? 1440, height: shot.height ?? 900, storageState: shot.out ? undefined : kept[who] });
  await page.goto(shot.path);
  if (shot.out) await page.getByRole('dialog', { name: 'Sign in' }).waitFor();
  else {
    if (!kept[who]) await signIn(page, people[who]);
    await live(page);
    kept[who] = { cookies: await page.context().cookies(), origins: [] };
  }
  await sleep(shot.wait ?? settle);
  await shot.act?.(page, stage);
  await sleep(500);
  const file = path.join(opt.out, `${shot.name}-${theme}.png`);
  await page.screenshot({ path: file });
  console.log(`${path.relative(process.cwd(), file)}${page.wrong.length ? `   ${page.wrong[0]}` : ''}`);
  await page.context().close();
}

// Something to look at: a halted symbol, one that waits to be resumed, withdrawals of an asset.
async function trouble({ ana }) {
  // The gateway has just begun: what it does not know yet it refuses.
  await until('the session', 20000, async () => (await ana.logIn()).status === 200);
  const call = async (...args) => {
    const answer = await ana.call(...args);
    if (answer.status >= 300) throw new Error(`${args[1]}: ${answer.status} ${answer.body}`);
    return answer;
  };
  const put = (path, body, match = '*') => call('PUT', path, { ticket: 'OPS-7', ...body }, { 'if-match': match });
  await put('/v1/symbols/ETH%2FUSD/mode', { mode: 'HARD_HALT', reason: 'ledger and engine differ by two fills' });
  await put('/v1/symbols/SOL%2FUSD/mode', { mode: 'SOFT_HALT', reason: 'prices are far from two other venues', until: new Date(Date.now() + 30 * 60000).toISOString() });
  await put('/v1/withdrawals', { halted: true, asset: 'BTC', reason: 'the chain was reorganised' });
  const { headers } = await ana.call('GET', '/v1/symbols/SOL%2FUSD/mode');
  await put('/v1/symbols/SOL%2FUSD/mode', { mode: 'NORMAL', reason: 'prices agree again with both venues' }, headers.etag);
  await call('POST', '/v1/users', { name: 'uma', label: 'Uma Thule, operations', reason: 'she joins the night shift' });
  await call('POST', '/v1/users/uma/roles', { role: 'approver', kind: 'eligible', reason: 'she is on call at night from Monday', ticket: 'OPS-41' });
  let count = 0;
  const post = (path, body) => call('POST', path, body, { 'idempotency-key': `picture-${count++}` });
  await post('/v1/incidents', { severity: 'SEV2', title: 'Ledger and engine differ on ETH/USD', reason: 'two fills are missing in the ledger', class: 'reconciliation', symbol: 'ETH/USD' });
  await post('/v1/incidents', { severity: 'SEV2', title: 'Slow consumers are evicted in numbers', reason: 'forty closes within a minute', playbook: 'ws_overload' });
  await post('/v1/incidents/INC-1/ack', { notes: 'comparing both logs from 02:58 on' });
  await post('/v1/incidents/INC-1/assign', { role: 'commander', name: 'ana' });
  const beat = (id, body) => call('PUT', `/v1/components/${encodeURIComponent(id)}/status`, { ttl_s: 3600, ...body });
  await beat('engine-a', { state: 'OK', group: 'engine', role: 'primary', seq_in: 88120, seq_out: 88119, version: '4.2.0' });
  await beat('engine-b', { state: 'DEGRADED', group: 'engine', role: 'standby', seq_in: 88102, detail: 'eighteen entries behind' });
  await beat('ledger', { state: 'OK', version: '2.9.1' });
  await beat('bus', { state: 'OK' });
  await beat('custody', { state: 'PAUSED', detail: 'maintenance until 06:00' });
  for (const id of ['signal-generator', 'trade-director', 'execution-officer']) await beat(id, { state: 'OK', group: 'pipeline' });
  const signal = (name, value, unit = '', more = {}) => ({ name, value, unit, ttl_s: 3600, ...more });
  await post('/v1/signals', { signals: [
    signal('engine_queue_depth', '41'), signal('engine_loop_seconds', '0.00018', 's', { labels: { quantile: '0.99' } }), signal('wal_fsync_seconds', '0.0042', 's'), signal('bus_consume_lag', '1832', 'messages', { labels: { group: 'ledger' } }),
    signal('settlement_lag_seconds', '12.4', 's', { ttl_s: 5 }), signal('pg_connections', '84'), signal('pg_replication_lag_seconds', '0.3', 's'),
    signal('recent_signals', '118'), signal('pending_directives', '3'), signal('failed_executions', '0'),
    signal('recon_consecutive_mismatch', '1'), signal('data_quality_errors', '0'), signal('data_stale_warnings', '0'), signal('paper_reconciliation_pass_ratio', '0.998'), signal('operational_error_ratio', '0.004'),
  ] });
}

// Clients that listen.
async function listeners(stage) {
  const symbols = ['BTC/USD', 'ETH/USD', 'LTC/USD', 'ADA/USD'];
  for (let i = 0; i < 24; i++) {
    const client = await Client.connect(stage);
    client.onMessage = () => { client.messages.length = 0; };
    await client.subscribe({ channel: 'ticker', symbol: symbols });
    await client.subscribe({ channel: ['book', 'trade', 'ohlc'][i % 3], symbol: [symbols[i % 3]], ...(i % 3 === 2 ? { interval: 1 } : {}) });
  }
}

const wide = { limits: { login_burst: 1000, login_per_minute: 60000 } };
const people = {};
const stage = await Stage.open();
const browser = await Browser.open();
try {
  mkdirSync(opt.out, { recursive: true });
  const tape = ['--data', 'synthetic', '--symbols', opt.symbols, '--rate', '900', '--seed', '7', '--loop', 'forever', '--time', 'now', '--maxlen', '20000'];
  stage.writeSymbols(tape);
  await stage.startPostgres();
  for (const [name, roles] of [['ana', 'operator,auditor,security'], ['ben', 'approver,auditor,security']]) people[name] = Person.make(stage, name, roles);
  await stage.startGateway({ admin: { web_dir: dist }, playbooks: { dir: path.join(here, '../docs/playbooks') }, ...wide });
  stage.feed(...tape);
  await trouble(people);
  await listeners(stage);
  await sleep(20000);
  const shots = SHOTS.filter((s) => !opt.only || opt.only.split(',').includes(s.name));
  for (const shot of shots.filter((s) => !s.last)) for (const theme of opt.themes.split(',')) await take(browser, stage, shot, theme);
  for (const shot of shots.filter((s) => s.last)) {
    for (const theme of opt.themes.split(',')) {
      await take(browser, stage, shot, theme);
      await stage.startGateway({ admin: { web_dir: dist }, playbooks: { dir: path.join(here, '../docs/playbooks') }, ...wide });
      await sleep(3000);
    }
  }
} finally {
  await browser.close();
  await stage.close();
}
