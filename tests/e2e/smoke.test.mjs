// Gate G0: tests/smoke_g0.sh with its own stack and against a gateway that runs, each of its four failures, and the
// route behind it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildDir, onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const script = path.join(root, 'tests/smoke_g0.sh');
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

function run(program, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env: { ...process.env, PORTCULLIS_BUILD: buildDir, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const result = { out: '', err: '' };
    child.stdout.on('data', (data) => { result.out += data; });
    child.stderr.on('data', (data) => { result.err += data; });
    child.once('exit', (code) => resolve({ ...result, code, all: `${result.out}${result.err}` }));
  });
}

// Processes whose command line holds TEXT, from /proc.
function processes(text) {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text);
    } catch {
      return false;
    }
  });
}

const events = (dir) => readFileSync(path.join(dir, 'ws-events-smoke.log'), 'utf8').trim().split('\n').map((line) => JSON.parse(line));

test('smoke_g0.sh: its own stack, the line, the logs, and nothing left behind', { timeout: 120000 }, async () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'smoke-logs-'));
  const before = new Set(readdirSync('/tmp').filter((name) => name.startsWith('portcullis-smoke.')));
  try {
    const { code, out, err } = await run('bash', [script, '--log-dir', dir], { SMOKE_ENABLED: '' });
    assert.equal(code, 0, out + err);
    assert.match(out, /^smoke_g0_success=true$/m);
    assert.equal(out.trim().split('\n').at(-1), 'smoke_g0_success=true');
    for (const check of ['ready', 'settled', 'ledger', 'ws_events']) assert.match(out, new RegExp(`^[1-4] ${check} +ok `, 'm'));
    const seen = events(dir).map((e) => e.event);
    assert.ok(seen.includes('TradeExecuted') && seen.includes('CandleUpdated'), seen.join());
    assert.match(readFileSync(path.join(dir, 'edge-gateway-smoke.log'), 'utf8'), /"event":"started"/);
    assert.deepEqual(readdirSync(dir).sort(), ['edge-gateway-smoke.log', 'ws-events-smoke.log']);
    const left = readdirSync('/tmp').filter((name) => name.startsWith('portcullis-smoke.') && !before.has(name));
    assert.deepEqual(left, []);
    assert.deepEqual(processes('/tmp/portcullis-smoke.').filter((pid) => [...before].every((name) => !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(name))), []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('smoke_g0.sh: help, wrong options, a stack that does not come up', { timeout: 120000 }, async () => {
  const help = await run('bash', [script, '--help']);
  assert.equal(help.code, 0);
  assert.match(help.out, /examples\n {2}tests\/smoke_g0\.sh\n/);
  const wrong = await run('bash', [script, '--waits', '3']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /unknown option --waits\n {2}next: see /);
  const dir = mkdtempSync(path.join(os.tmpdir(), 'smoke-logs-'));
  const bad = await run('bash', [script, '--log-dir', dir], { PORTCULLIS_SMOKE_MODE: 'week' });
  assert.equal(bad.code, 1, bad.all);
  assert.match(bad.all, /smoke\.mode: expected lab, paper or live/);
  assert.match(bad.out, /pg_isready -U exchange -d exchange/);
  assert.match(bad.out, /smoke_g0_failed=\w+\nsmoke_g0_success=false\n$/);
  rmSync(dir, { recursive: true, force: true });
});

async function withGateway(overrides, body, feed = true) {
  await onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    const viewer = Person.make(stage, 'vera', 'viewer');
    await stage.startGateway({ limits: { write_burst: 1000 }, ...overrides });
    stage.signer = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.signer, 'GET', '/v1/stats')).status === 200);
    if (feed) {
      stage.feed(...tape);
      await stage.applied(100);
    }
    stage.envFile = path.join(stage.dir, 'smoke.env');
    stage.writeEnv = (more = {}) => writeFileSync(stage.envFile, Object.entries({ PUBLIC_WSS_URL: stage.wsUrl, ADMIN_URL: stage.adminUrl, ADMIN_KEY_FILE: stage.keyFile, ADMIN_KEY_ID: stage.keyId, CA_FILE: stage.ca, POSTGRES_DSN: `'${stage.dsn}'`, ...more })
      .map(([name, value]) => `${name}=${value}\n`).join(''));
    stage.writeEnv();
    stage.g0 = (...args) => run('bash', [script, '--env', stage.envFile, '--log-dir', stage.dir, ...args]);
    stage.trade = (object = {}, once = randomUUID()) => stage.call(stage.signer, 'POST', '/v1/smoke/trades', object, { headers: { 'idempotency-key': once } });
    await body(stage, viewer);
  });
}
const failed = ({ code, all, out }, check, why) => {
  assert.equal(code, 1, all);
  assert.match(out, new RegExp(`^[1-4] ${check} +FAIL +`, 'm'));
  assert.match(out, new RegExp(`smoke_g0_failed=${check}\\n`));
  assert.match(out, /\nsmoke_g0_success=false\n$/);
  assert.match(all, why);
  assert.match(all, /next: /);
};

test('smoke: the trade is settled, durable, repeated once, and told to every client', { timeout: 120000 }, () => withGateway({ smoke: { enabled: true } }, async (stage, viewer) => {
  const client = await Client.connect(stage);
  client.send({ method: 'subscribe', params: { channel: 'trade', symbol: ['SMOKE/USD'], snapshot: false } });
  client.send({ method: 'subscribe', params: { channel: 'ohlc', symbol: ['SMOKE/USD'], interval: 1, snapshot: false } });
  await client.waitFor((m) => m.method === 'subscribe' && m.result?.channel === 'ohlc');
  const once = randomUUID();
  const first = await stage.trade({ price: '100.25', qty: '0.5', side: 'sell' }, once);
  assert.equal(first.status, 200, first.body);
  assert.deepEqual({ ...first.json, settled_at: undefined }, { status: 'settled', id: 1, symbol: 'SMOKE/USD', trade_id: 1, settled_at: undefined, published: true });
  assert.equal(stage.sql('SELECT id, status, trade_id, side, price, qty FROM smoke_ledger_entries'), '1|settled|1|sell|100.25|0.5');
  const trade = await client.waitFor((m) => m.channel === 'trade' && m.data[0].trade_id === 1);
  assert.deepEqual([trade.data[0].side, trade.data[0].price, trade.data[0].qty], ['sell', '100.25', '0.50000000']);
  const candle = await client.waitFor((m) => m.channel === 'ohlc' && m.data[0].trades === 1);
  assert.equal(Number(candle.data[0].close), 100.25);

  const again = await stage.trade({ price: '100.25', qty: '0.5', side: 'sell' }, once);
  assert.equal(again.status, 200);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  assert.deepEqual([again.json.id, again.json.trade_id, again.json.settled_at], [1, 1, first.json.settled_at]);
  const other = await stage.trade({ price: '100.26', qty: '0.5', side: 'sell' }, once);
  assert.deepEqual([other.status, other.json.code], [422, 'idempotency-mismatch']);

  const many = await Promise.all(Array.from({ length: 8 }, () => stage.trade()));
  assert.deepEqual(many.map((m) => m.status), Array(8).fill(200));
  assert.deepEqual(many.map((m) => m.json.trade_id).sort((a, b) => a - b), [2, 3, 4, 5, 6, 7, 8, 9]);
  await client.waitFor((m) => m.channel === 'trade' && m.data.some((t) => t.trade_id === 9));
  const metrics = await stage.metrics();
  for (const name of ['md_seq_lost_all_total', 'md_trade_lost_total', 'md_trade_duplicate_total', 'md_snapshot_mismatch_total', 'md_epoch_stale_total']) assert.equal(metrics.get(name) ?? 0, 0, name);

  for (const [body, field] of [[{ price: '0' }, 'price'], [{ price: '1.001' }, 'price'], [{ price: 5 }, 'price'], [{ qty: '-1' }, 'qty'], [{ side: 'both' }, 'side'], [{ amount: '1' }, 'amount']]) {
    const bad = await stage.trade(body);
    assert.deepEqual([bad.status, bad.json.errors[0].pointer], [422, `/${field}`], bad.body);
  }
  assert.equal((await stage.call(stage.signer, 'POST', '/v1/smoke/trades', {})).json.code, 'idempotency-key-missing');
  await viewer.logIn();
  assert.equal((await viewer.call('POST', '/v1/smoke/trades', {})).status, 403);
  const list = await stage.call(stage.signer, 'GET', '/v1/smoke/trades?limit=2');
  assert.deepEqual(list.json.trades.map((t) => [t.trade_id, t.price, t.qty]), [[9, '100.00', '1'], [8, '100.00', '1']]);
  assert.equal(Number(stage.sql("SELECT count(*) FROM audit_entries WHERE action = 'smoke.trade'")), 9);

  // an order that is not accepted is not settled
  const why = { reason: 'a test of the smoke test', ticket: 'OPS-1' };
  const halt = await stage.call(stage.signer, 'PUT', '/v1/symbols/SMOKE%2FUSD/mode', { mode: 'CANCEL_ONLY', ...why }, { headers: { 'if-match': '*' } });
  assert.equal(halt.status, 200, halt.body);
  const refused = await stage.trade();
  assert.deepEqual([refused.status, refused.json.code], [409, 'order-refused']);
  assert.equal(stage.sql('SELECT count(*) FROM smoke_ledger_entries'), '9');

  // numbers go on after a restart
  stage.sql("SELECT 1"); // the database is there
  await stage.stopGateway();
  await stage.startGateway({ smoke: { enabled: true } });
  await until('the symbol', 10000, async () => (await stage.metrics()).get('md_symbol_live{symbol="SMOKE/USD"}') === 1);
  assert.equal((await stage.metrics()).get('md_seq_lost_all_total') ?? 0, 0);
}));

test('smoke: each of the four checks fails when it should, and says what to do', { timeout: 180000 }, () => withGateway({ smoke: { enabled: true } }, async (stage) => {
  const good = await stage.g0();
  assert.equal(good.code, 0, good.all);
  assert.ok(existsSync(path.join(stage.dir, 'ws-events-smoke.log')));
  const json = await run(path.join(buildDir, 'portctl'), ['--env', stage.envFile, '--json', 'smoke', 'g0', '--log-dir', stage.dir]);
  assert.deepEqual(JSON.parse(json.out).checks.map((c) => [c.check, c.ok]), [['ready', true], ['settled', true], ['ledger', true], ['ws_events', true]]);

  // 3: settled was said, and the row is not there
  stage.sql(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM smoke_ledger_entries WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER lose AFTER INSERT ON smoke_ledger_entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lose()`);
  failed(await stage.g0(), 'ledger', /SELECT \* FROM smoke_ledger_entries ORDER BY id DESC LIMIT 20/);
  stage.sql('DROP TRIGGER lose ON smoke_ledger_entries');

  // 4: the feed does not take it, or the WebSocket is somewhere else
  stage.redisCommand('DEL', 'md:{SMOKE/USD}');
  stage.redisCommand('SET', 'md:{SMOKE/USD}', 'not a stream');
  const unpublished = await stage.g0('--wait', '2');
  failed(unpublished, 'ws_events', /TradeExecuted and CandleUpdated missing/);
  assert.match(unpublished.out, /NOT published/);
  stage.redisCommand('DEL', 'md:{SMOKE/USD}');
  stage.writeEnv({ PUBLIC_WSS_URL: stage.publicUrl.replace('https', 'wss') });
  failed(await stage.g0('--wait', '2'), 'ws_events', /it answered HTTP\/1\.1 200/);
  stage.writeEnv();
  await stage.stopGateway(); // whose feed met a key of the wrong type
  await stage.startGateway({ smoke: { enabled: true }, limits: { write_burst: 1000 } });
  const healed = await stage.g0();
  assert.equal(healed.code, 0, healed.all);

  // 2: PostgreSQL refuses the row
  stage.sql('ALTER TABLE smoke_ledger_entries ADD CONSTRAINT never CHECK (price < 0) NOT VALID');
  failed(await stage.g0(), 'settled', /POST \/v1\/smoke\/trades answers 503/);
  stage.sql('ALTER TABLE smoke_ledger_entries DROP CONSTRAINT never');

  // 1: nobody is there
  await stage.stopGateway();
  failed(await stage.g0(), 'ready', /the gateway cannot be asked/);
}));

test('smoke: not enabled, or in production: 403 and no symbol; not ready without a feed', { timeout: 120000 }, async () => {
  await withGateway({}, async (stage) => {
    const refused = await stage.trade();
    assert.deepEqual([refused.status, refused.json.code], [403, 'not-in-this-mode']);
    assert.match(refused.json.detail, /SMOKE_ENABLED=true/);
    assert.equal((await stage.call(stage.signer, 'GET', '/v1/smoke/trades')).status, 403);
    assert.equal((await stage.call(stage.signer, 'GET', '/v1/symbols/SMOKE%2FUSD')).status, 404);
    failed(await stage.g0(), 'settled', /not-in-this-mode/);
  });
  await withGateway({ smoke: { enabled: true, mode: 'live' } }, async (stage) => {
    const refused = await stage.trade();
    assert.deepEqual([refused.status, refused.json.code], [403, 'not-in-this-mode']);
    assert.match(refused.json.detail, /mode live/);
    assert.equal(stage.sql('SELECT count(*) FROM smoke_ledger_entries'), '0');
    assert.equal(stage.redisCommand('EXISTS', 'md:{SMOKE/USD}'), '0');
    failed(await stage.g0(), 'ready', /\/readyz answers 503/);
  }, false);
});

test('smoke: SMOKE_ENABLED switches it on; the symbol is nobody else\'s', { timeout: 60000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  const config = path.join(stage.dir, 'check.yaml');
  writeFileSync(config, stage.configText());
  const check = (env) => run(path.join(buildDir, 'portcullis'), ['--config', config, '--check-config'], env);
  assert.match((await check({})).out, /ok: 1 symbols/);
  assert.match((await check({ SMOKE_ENABLED: 'true' })).out, /ok: 2 symbols/);
  assert.match((await check({ SMOKE_ENABLED: 'yes' })).err, /environment SMOKE_ENABLED: smoke\.enabled: "yes" is not acceptable; accepted: true or false/);
  const file = readFileSync(stage.symbolsFile, 'utf8');
  writeFileSync(stage.symbolsFile, `${file}  - {symbol: SMOKE/USD, price_decimals: 2, qty_decimals: 2}\n`);
  const taken = await check({ SMOKE_ENABLED: 'true' });
  assert.equal(taken.code, 1);
  assert.match(taken.err, /SMOKE\/USD is kept for smoke trades: take it out/);
  assert.match((await check({})).out, /ok: 2 symbols/);
  assert.ok(statSync(config).size > 0);
  assert.match(execFileSync(path.join(buildDir, 'portctl'), ['smoke', 'g0', '--help'], { encoding: 'utf8' }), /portctl --env var\/up\.env smoke g0/);
}));
