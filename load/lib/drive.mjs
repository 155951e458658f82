// Drives one part of a scenario: the gateway and its market come up, clients come, everything is sampled, all goes down.
import path from 'node:path';
import { buildDir, freePort, sleep, until } from '../../tests/e2e/harness/gateway.mjs';
import { IdleClients } from './idle.mjs';
import { labelled, mustStayZero, Sampler, sum } from './metrics.mjs';
import { expectedSeconds, subscribeSpecs } from './scenario.mjs';
import { exited, exitOf, flood, pinStage, startGateway, startMarket, stopMarket } from './stage.mjs';

const BACK_DEADLINE_MS = 60000;
const DRAIN_DEADLINE_MS = 60000;
const patience = (part) => (4 * expectedSeconds(part) + 30) * 1000;

function parseReport(client, what) {
  try {
    return JSON.parse(client.output);
  } catch {
    throw new Error(`${what} gave no report: ${client.errors.trim().split('\n').at(-1) || `exit ${client.exitCode}`}`);
  }
}

// wsflood says when it started and how long connecting took; the window follows.
function windowOf(report, part) {
  const from = report.start_unix_ms + report.connect_all_us / 1000 + part.warmup * 1000;
  return [from, from + (report.window_us ?? 0) / 1000];
}

// When the gateway evicted, by its log: its clocks are exact where a scrape a second is not.
function evictionsIn(log) {
  return [...log.matchAll(/"ts":"([^"]+)"[^\n]*"event":"close"[^\n]*"code":4008/g)].map((match) => Date.parse(match[1]));
}

// Counters of a gateway that is about to go, or of the one that ends the part.
function lastWords(metrics) {
  return { closes: labelled(metrics, 'ws_close_total'), resumes: labelled(metrics, 'ws_resumes_total'),
    zero: Object.fromEntries(mustStayZero.filter((name) => metrics.get(name) > 0).map((name) => [name, metrics.get(name)])) };
}

// Middle of the measured window, in whole seconds after the feeder began: --burst counts market time.
function placeBurst(part) {
  const { burst } = part.market;
  if (!burst) return part;
  const middle = 2 + part.sessions / part.connect_rate + part.warmup + part.seconds / 2;
  return { ...part, market: { ...part.market, burst: { ...burst, at: Math.round(middle - burst.seconds / 2) } } };
}

function burstEvents(stage, part) {
  const { burst } = part.market;
  if (!burst) return [];
  const at = stage.feederStarted + burst.at * 1000;
  return [{ at, label: `×${burst.factor}` }, { at: at + burst.seconds * 1000, label: '×1' }];
}

// SIGTERM and start again in the middle of the window, then wait until everybody is subscribed as before.
async function restart(stage, part, run) {
  await until('all clients', patience(part), () => run.sampler.samples.at(-1)?.clients >= part.sessions);
  await sleep((part.warmup + part.restart.at) * 1000);
  const { subscriptions } = await run.sampler.sample();
  run.finals.push(lastWords(run.sampler.last));
  const mark = (label) => run.events.push({ at: Date.now(), label });
  mark('SIGTERM');
  await stage.stopGateway('SIGTERM', DRAIN_DEADLINE_MS); // it ends by itself, as late as ws.drain says
  mark('gone');
  await startGateway(stage, part);
  mark('started');
  const allBack = async () => sum(await stage.metrics(), 'ws_subscriptions') >= subscriptions || run.clientsEnded;
  await until('all subscriptions again', BACK_DEADLINE_MS, allBack);
  if (run.clientsEnded) throw new Error('the clients ended before all were back: give the scenario more seconds');
  mark('all back');
}

async function driveFlood(stage, part, run) {
  const specs = subscribeSpecs(part, run.symbols);
  const client = flood(stage, stage.wsUrl, part, specs);
  const ended = exitOf(client, 'wsflood', patience(part)).finally(() => { run.clientsEnded = true; });
  const disturbance = part.restart ? restart(stage, part, run) : null;
  // Both are awaited: whichever fails first must not leave the other as an unhandled rejection.
  const [end, other] = await Promise.allSettled([ended, disturbance]);
  if (end.status === 'rejected') throw end.reason;
  run.report = parseReport(client, 'wsflood');
  run.window = windowOf(run.report, part);
  if (other.status === 'rejected') run.error = other.reason.message;
}

async function driveIdle(stage, part, run) {
  const clients = new IdleClients();
  try {
    await clients.open(stage, part.sessions, part.connect_rate);
    await sleep(part.warmup * 1000);
    const from = Date.now();
    await sleep(part.seconds * 1000);
    run.window = [from, Date.now()];
    await run.sampler.sample();
    run.idle = { opened: clients.sockets.length, closed: clients.closed };
  } finally {
    clients.close();
  }
}

// The bare server in place of the gateway: same clients, same bytes a flush, same core.
async function driveCeiling(stage, part, bytes) {
  const port = await freePort();
  const interval = String(part.clients.interval_ms ?? 50);
  const server = stage.run('ceiling', path.join(buildDir, 'load/ceiling'), ['--cert', stage.ca, '--key', path.join(stage.dir, 'key.pem'),
    '--listen', `127.0.0.1:${port}`, '--connections', String(part.sessions), '--interval-ms', interval,
    '--bytes', String(Math.max(300, bytes - 4)), '--release-buffers', '--quiet',
    '--warmup', String(part.warmup), '--duration', String(part.seconds)]);
  await sleep(300);
  const client = flood(stage, `wss://localhost:${port}/v2`, { ...part, seconds: part.seconds + 2 }, subscribeSpecs(part, ['BTC/USD']));
  await exitOf(server, 'load/ceiling', patience(part));
  await exitOf(client, 'wsflood', patience(part));
  return parseReport(server, 'load/ceiling');
}

async function driveFlush(stage, part, run) {
  await driveFlood(stage, part, run);
  const inside = run.sampler.samples.filter((s) => !s.away && s.at >= run.window[0] && s.at <= run.window[1]);
  const [first, last] = [inside[0], inside.at(-1)];
  if (!first || last.writes === first.writes) throw new Error('no writes in the window: give it more seconds');
  const bytes = Math.round((last.sent_bytes - first.sent_bytes) / (last.writes - first.writes));
  await stopMarket(stage);
  run.sampler.stop();
  run.ceiling = { bytes, ...await driveCeiling(stage, part, bytes) };
}

const drivers = { flood: driveFlood, idle: driveIdle, flush: driveFlush };

// One run of PART. Never throws for what went wrong in it: that is run.error.
export async function drivePart(stage, partAsked, onSample) {
  const part = placeBurst(partAsked);
  const run = { part: part.name, events: [], finals: [], sampler: new Sampler(stage, onSample) };
  try {
    pinStage(stage, part.pin);
    run.symbols = await startMarket(stage, part);
    run.events.push(...burstEvents(stage, part));
    await run.sampler.start();
    await drivers[part.kind](stage, part, run);
    if (part.kind !== 'flush' && exited(stage.feeder)) throw new Error(`the feeder ended early: ${stage.feeder.errors.trim()}`);
  } catch (error) {
    run.error = error.message;
  }
  run.pinned = stage.pinned;
  await run.sampler.stop();
  if (run.sampler.last) run.finals.push(lastWords(run.sampler.last));
  await stopMarket(stage);
  run.evicted = evictionsIn(stage.gateway?.errors ?? '');
  run.samples = run.sampler.samples;
  delete run.sampler;
  delete run.symbols;
  return run;
}
