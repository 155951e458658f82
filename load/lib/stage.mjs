// The stage of the end-to-end tests, set up for measuring: programs on cores of their own, a market as a part says.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildDir, Stage, until } from '../../tests/e2e/harness/gateway.mjs';
import { canPin } from './machine.mjs';

const MEASURED_CORE = '0';
const measured = ['gateway', 'ceiling']; // everything else is the other side and must not take time from them

const cores = () => os.cpus().length;
const otherCores = () => `1-${cores() - 1}`;

function setCores(pid, list) {
  execFileSync('taskset', ['-a', '-p', '-c', list, String(pid)], { stdio: 'ignore' });
}

// The runner scrapes and draws: it goes to the other cores as well.
export function pinStage(stage, pin) {
  stage.pinned = pin && canPin();
  if (!canPin()) return;
  for (const pid of [process.pid, stage.redis.pid]) setCores(pid, stage.pinned ? otherCores() : `0-${cores() - 1}`);
}

export async function openStage() {
  const stage = await Stage.open();
  const run = stage.run.bind(stage);
  stage.run = (name, program, args, options) => {
    const core = measured.includes(name) ? MEASURED_CORE : otherCores();
    const child = stage.pinned ? run(name, 'taskset', ['-c', core, program, ...args], options) : run(name, program, args, options);
    child.label = name;
    return child;
  };
  return stage;
}

export function exited(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

// Resolves when CHILD has ended; after MS it is killed and the promise fails.
export async function exitOf(child, what, ms) {
  if (exited(child)) return child.exitCode;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${what} did not end within ${Math.round(ms / 1000)} s`));
    }, ms);
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}

function tapeOf(market) {
  const { symbols, rate, seed = 3, book_levels: levels, snapshot_every: snapshots, burst } = market;
  const tape = ['--data', 'synthetic', '--symbols', String(symbols), '--rate', String(rate), '--seed', String(seed)];
  if (snapshots) tape.push('--snapshot-every', String(snapshots));
  if (levels) tape.push('--book-levels', String(levels));
  if (burst?.at) tape.push('--burst', `${burst.factor}:${burst.at + burst.seconds}:${burst.seconds}`);
  return tape;
}

export async function startGateway(stage, part) {
  await stage.startGateway(part.gateway);
  await until('the market in the gateway', 30000, async () => (await stage.get(`${stage.adminUrl}/readyz`)).status === 200);
}

// Gateway and feeder; returns the names of the symbols.
export async function startMarket(stage, part) {
  const tape = tapeOf(part.market);
  stage.redisCommand('FLUSHALL');
  stage.writeSymbols(tape);
  stage.feeder = stage.feed(...tape, '--time', 'now', '--maxlen', '20000');
  stage.feederStarted = Date.now();
  await startGateway(stage, part);
  return [...readFileSync(stage.symbolsFile, 'utf8').matchAll(/symbol: ([^,]+),/g)].map((match) => match[1]);
}

export async function stopMarket(stage) {
  if (stage.feeder && !exited(stage.feeder)) {
    stage.feeder.kill('SIGTERM');
    await exitOf(stage.feeder, 'the feeder', 10000);
  }
  await stage.stopGateway();
}

// What the gateways and the feeder of this stage wrote, for the log of a run that failed.
export function logOf(stage) {
  return stage.children.filter((child) => ['gateway', 'feeder', 'wsflood'].includes(child.label))
    .map((child) => `== ${child.label} ${child.pid}, exit ${child.exitCode ?? child.signalCode}\n${child.errors}`).join('\n');
}

export function flood(stage, url, part, specs, extra = []) {
  const { clients } = part;
  const args = ['--url', url, '--ca', stage.ca, '--sessions', String(part.sessions), '--connect-rate', String(part.connect_rate),
    '--warmup', String(part.warmup), '--duration', String(part.seconds), '--quiet', '--json', '-', ...extra];
  for (const spec of specs) args.push('--subscribe', spec);
  if (part.sources > 1) args.push('--sources', String(part.sources));
  for (const key of ['interval_ms', 'stall', 'stall_for', 'churn', 'rcvbuf']) {
    if (clients[key] !== undefined) args.push(`--${key.replaceAll('_', '-')}`, String(clients[key]));
  }
  for (const key of ['spread', 'resume']) if (clients[key]) args.push(`--${key}`);
  return stage.run('wsflood', path.join(buildDir, 'load/wsflood'), args);
}
