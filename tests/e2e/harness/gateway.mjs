// The harness: a private Redis, a certificate, the real gateway and the real feeder, all in one temporary folder and
// gone at the end. Nothing here knows how the gateway works inside.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const buildDir = process.env.PORTCULLIS_BUILD || path.join(root, 'build');

// Where the recordings are, or null: tests on recordings then say that they were skipped.
export function recordings() {
  for (const dir of [process.env.PORTCULLIS_DATA, path.join(root, '../shared/data')]) {
    if (dir && existsSync(path.join(dir, 'binance_spot_btcusdt_20240808.gz'))) return dir;
  }
  return null;
}
export const needsRecordings = { skip: recordings() ? false : 'no recordings: set PORTCULLIS_DATA (docs/RECORDINGS.md)' };

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export async function until(what, ms, probe) {
  const end = Date.now() + ms;
  let last;
  while (Date.now() < end) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      if (error.final) throw error;
      last = error;
    }
    await sleep(50);
  }
  throw new Error(`${what}: not within ${ms} ms (last: ${last?.message ?? JSON.stringify(last)})`);
}

function ended(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

async function end(child, signal = 'SIGTERM', patience = 10000) {
  if (!child || ended(child)) return child?.exitCode;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGCONT');
  if (child.stdin) child.stdin.end(); // it waits for that and for nothing else, see tests/env/postgres.sh
  else child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), patience);
  await gone;
  clearTimeout(timer);
  return child.exitCode;
}

// An empty cluster takes longer to make than all the rest of a stage: it is made once by each file of tests, or by
// ./check for all of them.
const template = process.env.PG_TEMPLATE || path.join(os.tmpdir(), `gw-pg-${process.pid}`);
if (!process.env.PG_TEMPLATE) process.on('exit', () => rmSync(template, { recursive: true, force: true }));

// Keys of tests are used from here: a request for one says so unless it says something else (ip_allow, also []).
export const loopback = ['127.0.0.0/8', '::1/128'];
export function withNets(method, target, object) {
  return method === 'POST' && target === '/v1/keys' && object?.scopes && !('ip_allow' in object) ? { ...object, ip_allow: loopback } : object;
}

export class Stage {
  static async open() {
    const stage = new Stage();
    stage.dir = mkdtempSync(path.join(os.tmpdir(), 'gw-'));
    stage.children = [];
    stage.redisSocket = path.join(stage.dir, 'r.sock');
    stage.ca = path.join(stage.dir, 'cert.pem');
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-keyout', path.join(stage.dir, 'key.pem'), '-out', stage.ca, '-days', '2', '-subj', '/CN=localhost',
      '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { stdio: 'ignore' });
    [stage.wsPort, stage.publicPort, stage.adminPort] = [await freePort(), await freePort(), await freePort()];
    stage.wsUrl = `wss://localhost:${stage.wsPort}/v2`;
    stage.publicUrl = `https://localhost:${stage.publicPort}`;
    stage.adminUrl = `https://localhost:${stage.adminPort}`;
    await stage.startRedis();
    return stage;
  }

  run(name, program, args, options = {}) {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    child.output = '';
    child.errors = '';
    child.stdout.on('data', (data) => { child.output += data; });
    child.stderr.on('data', (data) => { child.errors += data; });
    this.children.push(child);
    return child;
  }

  async startRedis() {
    this.redis = this.run('redis', 'redis-server', ['--port', '0', '--unixsocket', this.redisSocket, '--save', '',
      '--appendonly', 'no', '--dir', this.dir], this.redisEnv ? { env: this.redisEnv } : {});
    await until('Redis', 10000, () => this.redisAnswers());
  }

  // Does not keep this process from anything else meanwhile.
  redisAnswers() {
    return new Promise((resolve) => {
      const socket = net.createConnection(this.redisSocket, () => socket.write('PING\r\n'));
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
      socket.once('data', (data) => {
        resolve(data.toString().startsWith('+PONG'));
        socket.destroy();
      });
    });
  }

  // As the machine's memory killer would, and an empty one in its place.
  async killRedis() {
    await end(this.redis, 'SIGKILL');
  }

  // A private PostgreSQL with the tables, a master key and a first key with all scopes.
  async startPostgres() {
    const dir = path.join(this.dir, 'pg');
    this.postgres = this.run('postgres', 'bash', [path.join(root, 'tests/env/postgres.sh'), 'serve', dir],
      { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PG_TEMPLATE: template } });
    this.dsn = await until('PostgreSQL', 60000, () => {
      if (ended(this.postgres)) throw new Error(this.postgres.errors);
      return /postgresql:\S+/.exec(this.postgres.output)?.[0];
    });
    this.masterKey = path.join(this.dir, 'master.key');
    this.keyFile = path.join(this.dir, 'first.pem');
    this.program('--make-master-key', this.masterKey);
    this.authConfig = path.join(this.dir, 'auth.yaml');
    writeFileSync(this.authConfig, this.configText());
    this.program('--config', this.authConfig, '--migrate');
    this.keyId = /pk_[A-Za-z0-9]+/.exec(this.program('--config', this.authConfig, '--bootstrap-key', this.keyFile, '--account', 'ops'))[0];
  }

  postgresProcesses() {
    const first = readFileSync(path.join(this.dir, 'pg/data/postmaster.pid'), 'utf8').split('\n')[0];
    return [first, ...readFileSync(`/proc/${first}/task/${first}/children`, 'utf8').trim().split(' ').filter(Boolean)].map(Number);
  }

  signalPostgres(signal) {
    for (const pid of this.postgresPids) {
      try {
        process.kill(pid, signal);
      } catch { /* that one has ended */ }
    }
  }

  async stopPostgres() {
    this.postgresPids = this.postgresProcesses();
    this.signalPostgres('SIGSTOP');
  }

  async continuePostgres() {
    if (this.postgresPids) this.signalPostgres('SIGCONT');
  }

  async killPostgres() {
    this.postgresPids = this.postgresProcesses();
    this.signalPostgres('SIGKILL');
  }

  // What else the test does goes on meanwhile.
  async restartPostgres() {
    const child = spawn('bash', ['-c', 'set -euo pipefail; source "$1"; pg_start "$2"', 'restart', path.join(root, 'tests/env/postgres.sh'), path.join(this.dir, 'pg')], { stdio: ['ignore', 'ignore', 'inherit'] });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`PostgreSQL did not start again: exit code ${code}`);
  }

  // The gateway's program to its end; its output.
  program(...args) {
    return execFileSync(path.join(buildDir, 'portcullis'), args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  sql(statement) {
    return execFileSync('psql', [this.dsn, '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-c', statement], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  // A signed request; SIGNER as in signer.mjs.
  async call(signer, method, target, object, overrides = {}) {
    object = withNets(method, target, object);
    const url = `${this.adminUrl}${target}`;
    const body = object === undefined ? undefined : JSON.stringify(object);
    const answer = await this.send(method, url, signer.headers(method, url, body, overrides), overrides.body ?? body);
    return { ...answer, json: /json$/.test(answer.headers['content-type'] ?? '') && !/ndjson/.test(answer.headers['content-type']) ? JSON.parse(answer.body) : undefined };
  }

  send(method, url, headers, body, options = {}) {
    return new Promise((resolve, reject) => {
      const request = https.request(url, { ...options, method, ca: readFileSync(this.ca), agent: this.agent ?? false, headers: { ...headers,
        ...(body !== undefined ? { 'content-length': Buffer.byteLength(body) } : method === 'POST' ? { 'content-length': 0 } : {}) } }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (data) => { text += data; });
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }));
      });
      request.setTimeout(10000, () => request.destroy(new Error(`${url}: no answer in 10 s`)));
      request.once('error', reject);
      request.end(body);
    });
  }

  redisCommand(...args) {
    return execFileSync('redis-cli', ['-s', this.redisSocket, ...args], { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  }

  // Many commands, one a line, arguments quoted as redis-cli reads them.
  redisPipe(lines) {
    execFileSync('redis-cli', ['-s', this.redisSocket], { input: `${lines.join('\n')}\n`, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'ignore'] });
  }

  feederProgram() {
    return path.join(buildDir, 'load/feeder');
  }

  // The symbol table of what the feeder will play.
  writeSymbols(feederArgs) {
    this.symbolsFile = path.join(this.dir, 'symbols.yaml');
    execFileSync(this.feederProgram(), [...feederArgs, '--quiet', '--symbols-out', this.symbolsFile]);
  }

  configText(overrides = {}) {
    const sections = {
      tls: { cert_file: this.ca, key_file: path.join(this.dir, 'key.pem') },
      ws: { listen: `127.0.0.1:${this.wsPort}`, shards: 1, max_per_ip: 0, connects_per_10min: 0, interval_0_for_all: true },
      public: { listen: `127.0.0.1:${this.publicPort}` },
      admin: { listen: `127.0.0.1:${this.adminPort}` },
      feed: { redis: `unix:${this.redisSocket}`, symbols_file: this.symbolsFile },
      // what a test provokes is no incident, unless it is about that
      ...(overrides.detect ? {} : { detect: { enabled: false } }),
      ...(this.dsn ? { auth: { database: this.dsn, master_key_file: this.masterKey }, gate: { state_dir: this.stateDir() } } : {}),
    };
    for (const [section, keys] of Object.entries(overrides)) Object.assign((sections[section] ??= {}), keys);
    return Object.entries(sections).map(([section, keys]) => `${section}:\n${Object.entries(keys)
      .map(([key, value]) => `  ${key}: ${JSON.stringify(value)}\n`).join('')}`).join('');
  }

  // Each gateway has its own folder for journal and signed heads.
  stateDir() {
    const dir = path.join(this.dir, `state-${this.adminPort}`);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    return dir;
  }

  // Another gateway on the same feed, at other ports: a stage of its own but for Redis and the end.
  async replica(overrides = {}) {
    const other = Object.create(this);
    [other.wsPort, other.publicPort, other.adminPort] = [await freePort(), await freePort(), await freePort()];
    other.wsUrl = `wss://localhost:${other.wsPort}/v2`;
    other.publicUrl = `https://localhost:${other.publicPort}`;
    other.adminUrl = `https://localhost:${other.adminPort}`;
    other.configName = 'replica.yaml';
    await other.startGateway(overrides);
    return other;
  }

  // Writes the configuration anew and has the running gateway read it.
  reload(overrides = {}) {
    writeFileSync(this.config, this.configText(overrides));
    this.gateway.kill('SIGHUP');
  }

  async startGateway(overrides = {}) {
    this.config = path.join(this.dir, this.configName ?? 'gateway.yaml');
    writeFileSync(this.config, this.configText(overrides));
    this.gateway = this.run('gateway', path.join(buildDir, 'portcullis'), ['--config', this.config], this.gatewayEnv ? { env: this.gatewayEnv } : {});
    await until('the gateway', 15000, async () => {
      if (ended(this.gateway)) throw Object.assign(new Error(`the gateway ended: ${this.gateway.errors}`), { final: true });
      return (await this.get(`${this.adminUrl}/livez`)).status === 200;
    });
    return this.gateway;
  }

  async stopGateway(signal = 'SIGTERM', patience = 10000) {
    return end(this.gateway, signal, patience);
  }

  feed(...args) {
    return this.run('feeder', this.feederProgram(), ['--redis', `unix:${this.redisSocket}`, '--quiet', '--json', ...args]);
  }

  async fed(...args) {
    const child = this.feed(...args);
    await new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode !== 0) throw new Error(`feeder: ${child.errors}`);
    return JSON.parse(child.output);
  }

  get(url, options = {}) {
    return new Promise((resolve, reject) => {
      const request = https.request(url, { ca: readFileSync(this.ca), agent: false, ...options }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (data) => { body += data; });
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
      });
      request.setTimeout(10000, () => request.destroy(new Error(`${url}: no answer in 10 s`)));
      request.once('error', reject);
      request.end();
    });
  }

  async json(url) {
    const { body } = await this.get(url);
    return JSON.parse(body);
  }

  // Metrics as a map from the text before the value ("ws_clients", 'md_seq{symbol="BTC/USD"}') to a number.
  async metrics() {
    const { body } = await this.get(`${this.adminUrl}/metrics`);
    const map = new Map();
    for (const line of body.split('\n')) {
      const at = line.lastIndexOf(' ');
      if (at > 0 && !line.startsWith('#')) map.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
    return map;
  }

  // All that the feeder wrote has been applied.
  async applied(entries) {
    return until(`${entries} entries`, 60000, async () => ((await this.metrics()).get('feed_entries_total') ?? 0) >= entries);
  }

  async close(failed) {
    if (failed && this.gateway) console.error(this.gateway.errors.slice(-4000));
    for (const child of this.children.reverse()) await end(child);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

// Runs BODY on a fresh stage; shows the gateway's log when it fails.
export async function onStage(body) {
  const stage = await Stage.open();
  let failed = true;
  try {
    await body(stage);
    failed = false;
  } finally {
    await stage.close(failed);
  }
}
export { sleep };
