// Unmodified ccxt pro.kraken with only its URLs and trust changed: order book, trades, OHLCV at two intervals, ticker, several symbols, a minute
// without an error, and reconnect after a restart of the gateway.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { onStage, recordings, sleep, until } from './harness/gateway.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

test('ccxt pro.kraken follows the market and comes back after a restart', { timeout: 240000 }, () => onStage(async (stage) => {
  const data = recordings();
  const tape = data ? ['--data', data, '--sets', 'A'] : ['--data', 'synthetic', '--symbols', '4', '--rate', '400'];
  const symbols = data ? ['BTC/USDT', 'ETH/USDT'] : ['BTC/USD', 'ETH/USD'];
  stage.writeSymbols(tape);
  await stage.startGateway();
  const feeder = stage.feed(...tape, '--time', 'now', '--speed', data ? '5' : '1', ...(data ? ['--loop', 'forever'] : []));
  await until('books', 20000, async () => (await stage.get(`${stage.adminUrl}/readyz`)).status === 200);
  const client = spawn(process.execPath, [path.join(here, 'harness/ccxt-client.mjs'), stage.publicUrl, stage.wsUrl, ...symbols],
    { env: { ...process.env, NODE_EXTRA_CA_CERTS: stage.ca }, stdio: ['pipe', 'pipe', 'inherit'] });
  stage.children.push(client);
  const events = [];
  let rest = '';
  client.stdout.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    events.push(...lines.map((line) => JSON.parse(line)));
  });
  const count = (what) => events.filter((e) => e.what === what).length;
  await until('all streams', 30000, () => ['book', 'trades', 'ohlcv1', 'ohlcv5', 'ticker', 'books'].every((w) => count(w) >= 2));
  await sleep(60000);
  assert.deepEqual(events.filter((e) => e.what === 'error'), [], 'a minute without an error');
  for (const e of events.filter((x) => x.what === 'book')) assert.ok(e.bid < e.ask, JSON.stringify(e));
  const before = events.length;
  await stage.stopGateway('SIGTERM');
  await stage.startGateway();
  await until('an error told', 20000, () => count('error') > 0);
  assert.match(events.find((e) => e.what === 'error').text, /1012|closed|ECONNREFUSED|1006/);
  const errors = events.length;
  await until('books again', 40000, () => events.slice(errors).filter((e) => e.what === 'book').length > 5);
  assert.ok(events.length > before);
  feeder.kill('SIGTERM');
}));
