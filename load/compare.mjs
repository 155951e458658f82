#!/usr/bin/env node
// Cost of a flush: the gateway beside a bare epoll + OpenSSL program (load/ceiling), in one run, in turn.
// One stream, N TLS clients, one write per client and tick on either side. Prints a table; JSON with --json.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildDir, freePort, Stage, sleep, until } from '../tests/e2e/harness/gateway.mjs';

const usage = `load/compare.mjs - CPU of a flush, gateway and ceiling in turn
  --sessions N   TLS clients (default 1000)      --runs R      pairs of runs (default 5)
  --seconds S    measured in each (default 6)    --interval I  ms between ticks: 20 50 100 250 (default 50)
  --keep-buffers ws.release_buffers: false       --json
Example: node load/compare.mjs --sessions 1000 --runs 5
`;
const { values: o } = parseArgs({ options: { sessions: { type: 'string', default: '1000' }, runs: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '6' }, interval: { type: 'string', default: '50' }, 'keep-buffers': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } });
if (o.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const seconds = Number(o.seconds);
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

function flood(stage, url, extra = []) {
  return stage.run('wsflood', path.join(buildDir, 'load/wsflood'), ['--url', url, '--ca', stage.ca, '--sessions', o.sessions,
    '--connect-rate', '800', '--warmup', '2', '--duration', String(seconds + 3), '--interval-ms', o.interval,
    '--subscribe', 'book:BTC/USD:10', '--quiet', '--json', '-', ...extra]);
}

async function gatewayRun(stage) {
  const client = flood(stage, stage.wsUrl);
  await until('all sessions', 120000, async () => (await stage.metrics()).get('ws_subscriptions{channel="book"}') === Number(o.sessions));
  await sleep(2000);
  const before = await stage.metrics();
  await sleep(seconds * 1000);
  const after = await stage.metrics();
  const delta = (name) => after.get(name) - before.get(name);
  await new Promise((resolve) => client.once('exit', resolve));
  const report = JSON.parse(client.output);
  await until('all gone', 20000, async () => (await stage.metrics()).get('ws_clients') === 0);
  return { us: (delta('process_cpu_seconds_total') / delta('ws_writes_total')) * 1e6, writes: delta('ws_writes_total'),
    shard_us: delta('ws_shard_cpu_microseconds_total{shard="0"}') / delta('ws_writes_total'),
    bytes: Math.round(delta('ws_sent_bytes_total') / delta('ws_writes_total')), latency: report.latency_us ?? report.latency };
}

async function ceilingRun(stage, bytes) {
  const port = await freePort();
  const server = stage.run('ceiling', path.join(buildDir, 'load/ceiling'), ['--cert', stage.ca, '--key', path.join(stage.dir, 'key.pem'), '--listen',
    `127.0.0.1:${port}`, '--connections', o.sessions, '--interval-ms', o.interval, '--bytes', String(Math.max(300, bytes - 4)), '--warmup', '2',
    '--duration', String(seconds), '--quiet', ...(o['keep-buffers'] ? [] : ['--release-buffers'])]);
  await sleep(300);
  const client = flood(stage, `wss://localhost:${port}/v2`);
  await new Promise((resolve) => server.once('exit', resolve));
  await new Promise((resolve) => client.once('exit', resolve));
  return { us: JSON.parse(server.output).cpu_us_per_flush };
}

const stage = await Stage.open();
try {
  const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '400', '--seed', '3'];
  stage.writeSymbols(tape);
  await stage.startGateway({ ws: { release_buffers: !o['keep-buffers'] }, fanout: { widen: false } });
  stage.feed(...tape, '--time', 'now');
  const pairs = [];
  for (let i = 0; i < Number(o.runs); i++) {
    const gateway = await gatewayRun(stage);
    const ceiling = await ceilingRun(stage, gateway.bytes);
    pairs.push({ gateway, ceiling, ratio: gateway.us / ceiling.us, shard_ratio: gateway.shard_us / ceiling.us });
    process.stderr.write(`run ${i + 1}/${o.runs}: gateway ${gateway.us.toFixed(1)} us (shard ${
      gateway.shard_us.toFixed(1)}), ceiling ${ceiling.us.toFixed(1)} us a flush, ratio ${(gateway.us / ceiling.us).toFixed(2)} (shard ${(gateway.shard_us / ceiling.us).toFixed(2)})\n`);
  }
  const result = { sessions: Number(o.sessions), interval_ms: Number(o.interval), bytes_per_flush: median(pairs.map((p) => p.gateway.bytes)),
    gateway_us_per_flush: median(pairs.map((p) => p.gateway.us)), ceiling_us_per_flush: median(pairs.map((p) => p.ceiling.us)),
    shard_us_per_flush: median(pairs.map((p) => p.gateway.shard_us)), shard_ratio: median(pairs.map((p) => p.shard_ratio)),
    ratio: median(pairs.map((p) => p.ratio)), latency: pairs.at(-1).gateway.latency,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim() };
  console.log(o.json ? JSON.stringify(result) : `median of ${o.runs}: gateway ${result.gateway_us_per_flush.toFixed(1)} us, ceiling ${
    result.ceiling_us_per_flush.toFixed(1)} us a flush of ${result.bytes_per_flush} bytes, ratio ${result.ratio.toFixed(2)}; the shard's thread alone ${
    result.shard_us_per_flush.toFixed(1)} us, ratio ${result.shard_ratio.toFixed(2)}`);
} finally {
  await stage.close();
}
