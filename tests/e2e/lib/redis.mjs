// The few lines of RESP a test needs, over a unix socket. Commands are pipelined in the order of calls.
import net from 'node:net';

/** One reply at `at` of `buffer`: [value, end], or null when it has not fully arrived. */
function parse(buffer, at) {
    const end = buffer.indexOf('\r\n', at);
    if (end < 0) return null;
    const line = buffer.toString('utf8', at + 1, end);
    const next = end + 2;
    switch (String.fromCharCode(buffer[at])) {
    case '+':
        return [line, next];
    case '-':
        return [new Error(line), next];
    case ':':
        return [Number(line), next];
    case '$': {
        const length = Number(line);
        if (length < 0) return [null, next];
        if (buffer.length < next + length + 2) return null;
        return [buffer.toString('utf8', next, next + length), next + length + 2];
    }
    case '*': {
        const items = [];
        let from = next;
        for (let i = 0; i < Number(line); i++) {
            const item = parse(buffer, from);
            if (item === null) return null;
            items.push(item[0]);
            from = item[1];
        }
        return [items, from];
    }
    default:
        throw new Error(`not RESP: ${line}`);
    }
}

export class RedisClient {
    constructor(path) {
        this.pending = [];
        this.buffer = Buffer.alloc(0);
        this.socket = net.connect(path);
        this.socket.on('data', (data) => this.onData(data));
        this.socket.on('error', (error) => this.fail(error));
        this.socket.on('close', () => this.fail(new Error('Redis closed the connection')));
    }

    onData(data) {
        this.buffer = this.buffer.length === 0 ? data : Buffer.concat([this.buffer, data]);
        let at = 0;
        for (let reply; at < this.buffer.length && (reply = parse(this.buffer, at)) !== null; at = reply[1]) {
            const { resolve, reject } = this.pending.shift();
            if (reply[0] instanceof Error) reject(reply[0]);
            else resolve(reply[0]);
        }
        this.buffer = this.buffer.subarray(at);
    }

    fail(error) {
        for (const { reject } of this.pending.splice(0)) reject(error);
    }

    command(...args) {
        const parts = [`*${args.length}\r\n`];
        for (const arg of args) {
            const text = String(arg);
            parts.push(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
        }
        const reply = new Promise((resolve, reject) => this.pending.push({ resolve, reject }));
        this.socket.write(parts.join(''));
        return reply;
    }

    close() {
        this.socket.destroy();
    }
}
