// A private Redis, gateway and feeder for one test, in a folder of their own, gone at its end.
//
//   envTest('book follows the feed', async (env, t) => {
//       const gw = await env.startGateway({ symbols: [{ symbol: 'BTC/USD', price_decimals: 1, qty_decimals: 8 }] });
//       const feed = env.handFeed('BTC/USD');
//       await feed.snapshot([['49999.5', '1']], [['50000.0', '1']]);
//       await gw.waitReady();
//       const ws = await env.connect();
//   });
//
// When the test fails, the last lines of every log are printed. The gateway must leave with code 0 on
// SIGTERM, so a crash or a sanitizer's finding at the end fails the test as well.
// PORTCULLIS_BUILD: folder with the programs (default build/ of the checkout).
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fs from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process, SLOW, sleep, until } from './process.mjs';
import { HandFeed } from './feed.mjs';
import { Proxy } from './proxy.mjs';
import { RedisClient } from './redis.mjs';
import { connect } from './ws.mjs';

export { sleep, until };

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const BUILD = path.resolve(process.env.PORTCULLIS_BUILD ?? path.join(ROOT, 'build'));

function program(...candidates) {
    const found = candidates.map((c) => path.join(BUILD, c)).find((c) => fs.existsSync(c));
    if (found === undefined) throw new Error(`${BUILD} has no ${candidates[0]}; build it (./check --quick), or set PORTCULLIS_BUILD`);
    return found;
}

export const gatewayProgram = () => program('portcullis');
export const feederProgram = () => program('load/feeder', 'feeder');
export const toolProgram = (name) => program(`load/${name}`, name);

/** The folder of recordings, or null: such tests then call t.skip(NO_DATA) and return. */
export function dataFolder() {
    const dir = process.env.PORTCULLIS_DATA ?? path.join(ROOT, '../shared/data');
    return fs.existsSync(dir) && fs.readdirSync(dir).some((f) => f.endsWith('.gz')) ? path.resolve(dir) : null;
}
export const NO_DATA = 'no recordings: set PORTCULLIS_DATA (docs/RECORDINGS.md)';

/** N ports of 127.0.0.1 that nobody listens on. */
export async function freePorts(n) {
    const servers = await Promise.all(Array.from({ length: n }, () => new Promise((resolve, reject) => {
        const server = net.createServer();
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve(server));
    })));
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    return ports;
}

function yaml(sections) {
    return Object.entries(sections).map(([section, keys]) => `${section}:\n${
        Object.entries(keys).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}\n`).join('')}`).join('');
}

function symbolsYaml(rows) {
    const member = ([key, value]) => `${key}: ${JSON.stringify(value)}`;
    return `symbols:\n${rows.map((row) => `  - {${Object.entries(row).map(member).join(', ')}}\n`).join('')}`;
}

/** Prometheus text -> Map of `name{label="x"}` as printed -> number. */
export function parseMetrics(text) {
    const values = new Map();
    for (const line of text.split('\n')) {
        const match = /^([A-Za-z_:][\w:]*(?:\{.*\})?) (\S+)$/.exec(line);
        if (match !== null) values.set(match[1], Number(match[2]));
    }
    return values;
}

class Gateway {
    constructor(env, options) {
        Object.assign(this, { env, options });
    }

    get wssUrl() {
        return `wss://127.0.0.1:${this.ports.wss}/v2`;
    }

    get httpsUrl() {
        return `https://127.0.0.1:${this.ports.https}`;
    }

    get adminUrl() {
        return `https://127.0.0.1:${this.ports.admin}`;
    }

    get pid() {
        return this.process.pid;
    }

    configure({ symbols, config = {}, redis }) {
        const { dir } = this.env;
        const symbols_file = typeof symbols === 'string' ? symbols : path.join(dir, 'symbols.yaml');
        const listen = (port) => `127.0.0.1:${port}`;
        const sections = {
            tls: { cert_file: `${dir}/tls/server.pem`, key_file: `${dir}/tls/server.key` },
            // a test is one address with many clients: the limits of an address are for the tests about them
            ws: { listen: listen(this.ports.wss), shards: 1, max_per_ip: 0, connects_per_10min: 0 },
            public: { listen: listen(this.ports.https) },
            admin: { listen: listen(this.ports.admin) },
            feed: { redis: redis ?? `unix:${this.env.redisSocket}`, symbols_file },
            log: { level: 'info' },
        };
        for (const [section, keys] of Object.entries(config)) sections[section] = { ...sections[section], ...keys };
        if (typeof symbols !== 'string') fs.writeFileSync(symbols_file, symbolsYaml(symbols));
        fs.writeFileSync(this.configFile, yaml(sections));
    }

    /** Starts (again, on the same ports). Waits for /livez; see waitReady(). */
    async start() {
        const { env: extra = {} } = this.options;
        const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith('PORTCULLIS_'));
        this.process = new Process('gateway', gatewayProgram(), ['--config', this.configFile], {
            env: { ...Object.fromEntries(inherited), ...extra },
            cwd: this.env.dir,
            logFile: this.logFile,
        });
        this.env.processes.push(this.process);
        await this.poll('/livez', 10000);
        return this;
    }

    poll(target, ms) {
        return until(async () => {
            if (!this.process.running) {
                const error = new Error(`the gateway ended: ${JSON.stringify(this.process.result)}`);
                throw Object.assign(error, { fatal: true });
            }
            const reply = await this.adminGet(target);
            if (reply.status !== 200) throw new Error(reply.text);
            return true;
        }, ms, `200 from ${target}`);
    }

    /** /readyz says yes: Redis is there and at least one symbol is live. */
    waitReady(ms = 10000) {
        return this.poll('/readyz', ms);
    }

    /** {code, signal} after a drain. */
    stop(signal = 'SIGTERM') {
        return this.process.stop(signal, 20000);
    }

    /** As a power cut would. */
    async kill9() {
        this.process.stopping = true;
        this.process.signal('SIGKILL');
        await this.process.exited;
    }

    get(base, target, { method = 'GET', headers = {}, body, ms = 5000 } = {}) {
        return new Promise((resolve, reject) => {
            const options = { method, headers, ca: this.env.ca, agent: false, timeout: ms * SLOW };
            const request = https.request(base + target, options, (response) => {
                const chunks = [];
                response.on('data', (chunk) => chunks.push(chunk));
                response.on('error', reject);
                response.on('end', () => {
                    const text = Buffer.concat(chunks).toString();
                    resolve({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) });
                });
            });
            request.on('timeout', () => request.destroy(new Error(`${target}: no answer in ${ms * SLOW} ms`)));
            request.on('error', reject);
            request.end(body);
        });
    }

    httpsGet(target, options) {
        return this.get(this.httpsUrl, target, options);
    }

    adminGet(target, options) {
        return this.get(this.adminUrl, target, options);
    }

    async metrics() {
        const reply = await this.adminGet('/metrics');
        if (reply.status !== 200) throw new Error(`/metrics: ${reply.status} ${reply.text}`);
        return parseMetrics(reply.text);
    }

    /** Sum of all rows of a metric whose labels contain `labels` ('{symbol="BTC/USD"}' or parts of it). */
    async metric(name, ...labels) {
        let sum = 0;
        for (const [row, value] of await this.metrics()) {
            const isRow = row === name || row.startsWith(`${name}{`);
            if (isRow && labels.every((label) => row.includes(label))) sum += value;
        }
        return sum;
    }

    /** Log lines so far, parsed; lines that are no JSON (a sanitizer's) as {text}. */
    logLines() {
        return this.process.log().split('\n').filter((line) => line !== '').map((text) => {
            try {
                return JSON.parse(text);
            } catch {
                return { text };
            }
        });
    }
}

export class Env {
    constructor() {
        this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pc-'));
        this.processes = [];
        this.closers = [];
        this.redisSocket = path.join(this.dir, 'redis.sock');
        execFileSync(path.join(ROOT, 'tests/env/make-certs'), [path.join(this.dir, 'tls')]);
        this.caFile = path.join(this.dir, 'tls/ca.pem');
        this.ca = fs.readFileSync(this.caFile);
    }

    file(name) {
        return path.join(this.dir, name);
    }

    spawn(name, command, args, options = {}) {
        const started = new Process(name, command, args, { cwd: this.dir, logFile: this.file(`${name}.log`), ...options });
        this.processes.push(started);
        return started;
    }

    async startRedis() {
        if (this.redisProcess?.running) return this.redisProcess;
        this.redisProcess = this.spawn('redis', 'redis-server', ['--port', '0', '--unixsocket', this.redisSocket,
            '--save', '', '--appendonly', 'no', '--dir', this.dir, '--maxmemory', '1gb']);
        this.redisProcess.mayDie = true;
        await until(async () => {
            const client = new RedisClient(this.redisSocket);
            try {
                return await client.command('PING') === 'PONG';
            } finally {
                client.close();
            }
        }, 10000, 'PONG from redis-server');
        return this.redisProcess;
    }

    /** A connection for the test itself; made when first asked for. */
    get redis() {
        if (this.redisClient === undefined) {
            this.redisClient = new RedisClient(this.redisSocket);
            this.closers.push(() => this.redisClient.close());
        }
        return this.redisClient;
    }

    /** A proxy in front of Redis: give startGateway({redis: `unix:${proxy.listenPath}`}). */
    async startProxy() {
        const proxy = new Proxy(this.file('proxy.sock'), this.redisSocket);
        await proxy.start();
        this.closers.push(() => proxy.stop());
        return proxy;
    }

    /** symbols: rows of the symbol table, or the path of one. config: {section: {key: value}} on top of
     * the harness's own. env: variables for the gateway. redis: its endpoint, default the test's Redis. */
    async startGateway(options) {
        await this.startRedis();
        const gateway = new Gateway(this, options);
        const number = this.gateways = (this.gateways ?? 0) + 1;
        const suffix = number === 1 ? '' : `-${number}`;
        const [wss, https, admin] = await freePorts(3);
        gateway.ports = { wss, https, admin };
        gateway.configFile = this.file(`portcullis${suffix}.yaml`);
        gateway.logFile = this.file(`gateway${suffix}.log`);
        gateway.configure(options);
        this.gateway ??= gateway;
        return gateway.start();
    }

    /** The feeder on the test's Redis: wait() for a pass that ends, stop() for one that does not. */
    startFeeder(args, { redis = `unix:${this.redisSocket}` } = {}) {
        const feeder = this.spawn('feeder', feederProgram(), ['--redis', redis, ...args]);
        feeder.mayDie = true;
        return feeder;
    }

    /** The path of a symbol table the feeder made: await env.makeSymbols(['--data', dir, '--sets', 'A']) */
    async makeSymbols(args) {
        const file = this.file('made-symbols.yaml');
        const maker = this.spawn('feeder-symbols', feederProgram(), [...args, '--symbols-out', file]);
        maker.mayDie = true;
        const { code } = await maker.wait();
        if (code !== 0) throw new Error(`feeder ${args.join(' ')} --symbols-out: exit code ${code}: ${maker.log()}`);
        return file;
    }

    handFeed(symbol, options) {
        return new HandFeed(this.redis, symbol, options);
    }

    /** A WebSocket client of the (first) gateway, closed at the end. */
    async connect({ url = this.gateway.wssUrl, ...options } = {}) {
        const client = await connect(url, { ca: this.ca, ...options });
        this.closers.push(() => client.cut());
        return client;
    }

    dumpLogs(lines = 40) {
        for (const log of new Set(this.processes.map((p) => p.logFile))) {
            const text = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trimEnd() : '';
            if (text !== '') console.error(`--- last lines of ${path.basename(log)}\n${text.split('\n').slice(-lines).join('\n')}\n---`);
        }
    }

    /** Ends everything; complaints are returned, since a test's own failure comes first. */
    async stop() {
        const complaints = [];
        for (const close of this.closers.splice(0).reverse()) await close();
        for (const p of [...this.processes].reverse()) {
            if (!p.running && !p.stopping && !p.mayDie) complaints.push(`${p.name} ended by itself: ${JSON.stringify(p.result)}`);
            try {
                const wasRunning = p.running;
                const { code, signal } = await p.stop('SIGTERM', 20000);
                if (wasRunning && p.name === 'gateway' && code !== 0) {
                    complaints.push(`gateway left with ${signal ?? `code ${code}`} on SIGTERM instead of code 0`);
                }
            } catch (error) {
                complaints.push(error.message);
            }
        }
        return complaints;
    }

    remove() {
        fs.rmSync(this.dir, { recursive: true, force: true });
    }
}

/** Runs fn(env) and ends everything it started, whatever happens. */
export async function withEnv(fn) {
    const env = new Env();
    let failed = true;
    try {
        const value = await fn(env);
        failed = false;
        return value;
    } finally {
        const complaints = await env.stop();
        if (failed || complaints.length !== 0) env.dumpLogs();
        env.remove();
        if (!failed && complaints.length !== 0) throw new Error(complaints.join('; '));
        for (const complaint of complaints) console.error(`also: ${complaint}`);
    }
}

/** A node:test test with an Env: envTest(name, [options], async (env, t) => ...). */
export function envTest(name, options, fn) {
    if (typeof options === 'function') return envTest(name, {}, options);
    return test(name, { timeout: 60000 * SLOW, ...options }, (t) => withEnv((env) => fn(env, t)));
}
