#!/usr/bin/env node
// What the market thread sustains: book-level changes a second of CPU, with no subscriber and with 100 streams.
import { parseArgs } from 'node:util';
import { Stage, sleep, until } from '../tests/e2e/harness/gateway.mjs';
import { Client } from '../tests/e2e/harness/ws.mjs';

const usage = `load/market.mjs - level changes a CPU second, without subscribers and with 100 streams
  --runs R      (default 5)      --duration S  seconds of market at 20,000 batches/s, fed at full speed (default 10)
Example: node load/market.mjs --runs 5
`;
const { values: o } = parseArgs({ options: { runs: { type: 'string', default: '5' }, duration: { type: 'string', default: '10' },
  help: { type: 'boolean', default: false } } });
if (o.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const tape = ['--data', 'synthetic', '--symbols', '20', '--rate', '20000', '--seed', '5'];

async function run(stage, label) {
  const before = await stage.metrics();
  const start = Date.now();
  const { entries, levels } = await stage.fed(...tape, '--duration', o.duration, '--speed', 'max', '--maxlen', '1000000', '--time', 'recorded');
  await stage.applied((before.get('feed_entries_total') ?? 0) + entries);
  const wall = (Date.now() - start) / 1000;
  const after = await stage.metrics();
  const cpu = after.get('process_cpu_seconds_total') - before.get('process_cpu_seconds_total');
  process.stderr.write(`${label}: ${levels} levels, ${cpu.toFixed(2)} s of CPU, ${wall.toFixed(2)} s\n`);
  return { levels: levels / cpu, entries: entries / cpu, wall: levels / wall };
}

const stage = await Stage.open();
try {
  stage.writeSymbols(tape);
  await stage.startGateway({ ws: { lag_bytes: '256MiB', lag: '60s' } });
  const pairs = Object.values((await stage.json(`${stage.publicUrl}/0/public/AssetPairs`)).result).map((p) => p.wsname);
  const without = [];
  const withStreams = [];
  for (let i = 0; i < Number(o.runs); i++) {
    without.push(await run(stage, 'no subscriber'));
    const client = await Client.connect(stage);
    for (const depth of [10, 100]) client.send({ method: 'subscribe', params: { channel: 'book', symbol: pairs, depth, gw: {} } });
    for (const channel of ['trade', 'ohlc', 'ticker']) client.send({ method: 'subscribe', params: { channel, symbol: pairs } });
    await until('100 streams', 10000, async () => (await stage.metrics()).get('md_streams') === 100);
    withStreams.push(await run(stage, '100 streams'));
    client.close();
    await sleep(31500); // streams linger for resuming clients
    await until('no stream', 10000, async () => (await stage.metrics()).get('md_streams') === 0);
  }
  for (const [name, list] of [['no subscriber', without], ['100 streams', withStreams]]) {
    console.log(`${name}: median of ${o.runs}: ${Math.round(median(list.map((r) => r.levels)))} level changes, ${
      Math.round(median(list.map((r) => r.entries)))} entries a CPU second; ${Math.round(median(list.map((r) => r.wall)))} level changes/s end to end`);
  }
} finally {
  await stage.close();
}
