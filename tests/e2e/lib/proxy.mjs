// A unix-socket proxy between the gateway and Redis that cuts, stalls and splits, as networks do.
import net from 'node:net';
import fs from 'node:fs';

export class Proxy {
    constructor(listenPath, targetPath) {
        this.listenPath = listenPath;
        this.targetPath = targetPath;
        this.pairs = new Set();
        this.down = false;
        this.splitBytes = 0;
        this.accepted = 0;
    }

    start() {
        this.server = net.createServer((client) => this.onClient(client));
        return new Promise((resolve, reject) => {
            this.server.once('error', reject);
            this.server.listen(this.listenPath, resolve);
        });
    }

    onClient(client) {
        client.on('error', () => {});
        if (this.down) {
            client.destroy();
            return;
        }
        this.accepted++;
        const target = net.connect(this.targetPath);
        const pair = { client, target };
        const end = () => {
            this.pairs.delete(pair);
            client.destroy();
            target.destroy();
        };
        this.pairs.add(pair);
        for (const [from, to] of [[client, target], [target, client]]) {
            from.on('data', (data) => this.pass(data, to));
            from.on('close', end);
            from.on('error', end);
        }
        if (this.stalled) this.stall();
    }

    pass(data, to) {
        if (this.splitBytes === 0) {
            to.write(data);
            return;
        }
        for (let at = 0; at < data.length; at += this.splitBytes) to.write(data.subarray(at, at + this.splitBytes));
    }

    /** Ends every connection and refuses new ones until restore(). */
    cut() {
        this.down = true;
        for (const { client, target } of [...this.pairs]) {
            client.destroy();
            target.destroy();
        }
    }

    restore() {
        this.down = false;
    }

    /** Keeps connections open and passes nothing: the failure only a deadline finds. */
    stall() {
        this.stalled = true;
        for (const { client, target } of this.pairs) {
            client.pause();
            target.pause();
        }
    }

    unstall() {
        this.stalled = false;
        for (const { client, target } of this.pairs) {
            client.resume();
            target.resume();
        }
    }

    /** Passes data in pieces of at most N bytes; 0: as it comes. */
    split(bytes) {
        this.splitBytes = bytes;
    }

    async stop() {
        this.cut();
        await new Promise((resolve) => this.server.close(resolve));
        fs.rmSync(this.listenPath, { force: true });
    }
}
