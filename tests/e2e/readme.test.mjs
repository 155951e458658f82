// What README.md shows to be copied: the client in ten lines and the line for ccxt, run as they stand there.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { onStage, until } from './harness/gateway.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const readme = readFileSync(path.resolve(here, '../../README.md'), 'utf8');
const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '200'];

// The lines that TEXT prints as a module, given ARGUMENTS, until ENOUGH of them are there.
async function printed(stage, name, text, enough, ...args) {
  const file = path.join(stage.dir, name);
  writeFileSync(file, text);
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PUBLIC_WSS_URL: stage.wsUrl, CA_FILE: stage.ca, NODE_EXTRA_CA_CERTS: stage.ca } });
  stage.children.push(child);
  let out = '';
  let wrong = '';
  child.stdout.on('data', (more) => { out += more; });
  child.stderr.on('data', (more) => { wrong += more; });
  const lines = () => out.split('\n').slice(0, -1);
  await until(`what ${name} prints`, 20000, () => {
    assert.equal(wrong, '');
    return lines().length >= enough;
  });
  child.kill('SIGKILL');
  return lines();
}

test('the clients of the README follow the market as they are written there', { timeout: 60000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startGateway();
  stage.feed(...tape, '--time', 'now');
  await until('books', 20000, async () => (await stage.get(`${stage.adminUrl}/readyz`)).status === 200);
  symlinkSync(path.join(here, 'node_modules'), path.join(stage.dir, 'node_modules'));

  const [, client] = /^```js\n([\s\S]*?)^```$/m.exec(readme);
  assert.equal(client.trimEnd().split('\n').length, 10, 'a client in ten lines');
  for (const pair of ['BTC/USD', 'ETH/USD']) { // the first by itself
    for (const line of await printed(stage, 'ticker.mjs', client, 3, ...(pair === 'BTC/USD' ? [] : [pair]))) {
      const [, bid, ask] = /^([\d.]+) ([\d.]+)$/.exec(line) ?? assert.fail(line);
      assert.ok(Number(bid) < Number(ask), line);
    }
  }

  const [, expression] = /`(new ccxt\.pro\.kraken\(.*?\))` with `NODE_EXTRA_CA_CERTS`/.exec(readme);
  const [line] = await printed(stage, 'ccxt.mjs', `import ccxt from 'ccxt';
const [HTTPS_URL, WSS_URL] = process.argv.slice(2);
const exchange = ${expression};
const { bids, asks } = await exchange.watchOrderBook('BTC/USD');
console.log(bids[0][0] < asks[0][0] ? 'sound' : 'crossed');
`, 1, stage.publicUrl, stage.wsUrl);
  assert.equal(line, 'sound');
}));
