// Child processes of a test: started with their output in a file, ended by pid, never left behind.
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const alive = new Set();

process.on('exit', () => {
    for (const child of alive) {
        try {
            child.kill('SIGKILL');
        } catch { /* it has ended meanwhile */ }
    }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sanitizer builds are slower: deadlines are multiplied by this. */
export const SLOW = Number(process.env.PORTCULLIS_TEST_SLOW ?? 1);

/** Calls probe() until it returns something truthy; the last error or value explains a timeout. */
export async function until(probe, ms, what) {
    const end = Date.now() + ms * SLOW;
    for (;;) {
        let seen;
        try {
            const value = await probe();
            if (value) return value;
            seen = value;
        } catch (error) {
            seen = error;
            if (error.fatal) throw error;
        }
        if (Date.now() > end) throw new Error(`${ms * SLOW} ms without ${what}; last: ${seen?.message ?? seen}`);
        await sleep(20);
    }
}

export class Process {
    /** logFile gets both outputs, appended. */
    constructor(name, command, args, { env = process.env, cwd, logFile }) {
        this.name = name;
        this.logFile = logFile;
        this.stopping = false;
        const log = fs.openSync(logFile, 'a');
        this.child = spawn(command, args, { env, cwd, stdio: ['ignore', log, log] });
        fs.closeSync(log);
        alive.add(this.child);
        this.result = null;
        this.exited = new Promise((resolve) => {
            const done = (code, signal) => {
                alive.delete(this.child);
                this.result ??= { code, signal };
                resolve(this.result);
            };
            this.child.once('exit', done);
            this.child.once('error', (error) => {
                fs.appendFileSync(logFile, `${command}: ${error.message}\n`);
                done(127, null);
            });
        });
    }

    get pid() {
        return this.child.pid;
    }

    get running() {
        return this.result === null;
    }

    signal(signal) {
        this.child.kill(signal);
    }

    /** The end of a process that ends by itself: {code, signal}. */
    async wait(ms = 60000) {
        const timer = new Promise((resolve) => setTimeout(resolve, ms * SLOW, null).unref());
        const result = await Promise.race([this.exited, timer]);
        if (result === null) throw new Error(`${this.name} did not end within ${ms * SLOW} ms`);
        return result;
    }

    /** Asks it to end; {code, signal}. Killed, and an error, when it does not within MS. */
    async stop(signal = 'SIGTERM', ms = 15000) {
        this.stopping = true;
        if (!this.running) return this.result;
        this.signal(signal);
        try {
            return await this.wait(ms);
        } catch (error) {
            this.signal('SIGKILL');
            await this.exited;
            throw error;
        }
    }

    log() {
        return fs.existsSync(this.logFile) ? fs.readFileSync(this.logFile, 'utf8') : '';
    }
}
