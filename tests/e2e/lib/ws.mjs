// A WebSocket client for tests: every message kept, with its raw text, its order and its time.
import WebSocket from 'ws';

// Decimals lose their trailing zeros in JSON.parse, and the checksum needs them: numbers of these
// members become strings first. A quote inside a JSON string is escaped, so only members match.
const DECIMALS = /"(price|qty|bid|bid_qty|ask|ask_qty|last|open|high|low|close|volume|vwap|change|change_pct)":(-?\d+(?:\.\d+)?)(?=[,}\]])/g;

export function parseLiteral(text) {
    return JSON.parse(text.replace(DECIMALS, '"$1":"$2"'));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class WsClient {
    constructor(url, { ca, headers } = {}) {
        this.url = url;
        this.messages = [];
        this.read = 0;
        this.closed = null;
        this.waiters = new Set();
        this.nextId = 1;
        this.listeners = new Set();
        // localhost is not what is tested: a certificate for it is valid on either address
        this.socket = new WebSocket(url, { ca, headers, perMessageDeflate: false });
        this.socket.on('message', (data, binary) => this.onMessage(data, binary));
        this.socket.on('close', (code, reason) => {
            this.closed = { code, reason: reason.toString(), at: Date.now() };
            this.wake();
        });
        this.opened = new Promise((resolve, reject) => {
            this.socket.once('open', resolve);
            this.socket.once('error', reject);
        });
        this.socket.on('error', () => {});
        this.opened.catch(() => {});
    }

    onMessage(data, binary) {
        const text = data.toString();
        const message = { text, binary, at: Date.now(), json: parseLiteral(text) };
        this.messages.push(message);
        for (const listener of this.listeners) listener(message);
        this.wake();
    }

    wake() {
        for (const waiter of [...this.waiters]) waiter();
    }

    /** Called for every message from now on (of which each is also kept). */
    onEach(listener) {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    send(message) {
        this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
    }

    /** The first message at or after index `from` whose parsed form satisfies `predicate`. */
    waitFor(predicate, ms = 5000, { from = 0, what = predicate.toString() } = {}) {
        let next = from;
        return new Promise((resolve, reject) => {
            const finish = (settle, value) => {
                clearTimeout(timer);
                this.waiters.delete(look);
                settle(value);
            };
            const look = () => {
                try {
                    for (; next < this.messages.length; next++) {
                        if (predicate(this.messages[next].json, this.messages[next])) {
                            return finish(resolve, this.messages[next]);
                        }
                    }
                } catch (error) {
                    return finish(reject, error);
                }
                if (this.closed !== null) {
                    finish(reject, new Error(`closed (${this.closed.code} ${this.closed.reason}) while waiting for ${what}`));
                }
            };
            const timer = setTimeout(() => {
                const last = this.messages.slice(-3).map((m) => m.text.slice(0, 300)).join('\n  ');
                finish(reject, new Error(`${ms} ms without ${what}; ${this.messages.length} messages, the last:\n  ${last}`));
            }, ms);
            this.waiters.add(look);
            look();
        });
    }

    /** The next message not yet taken by next(). */
    async next(ms = 5000) {
        const message = await this.waitFor(() => true, ms, { from: this.read, what: 'a message' });
        this.read = this.messages.indexOf(message) + 1;
        return message;
    }

    /** Sends METHOD with params; the acks, one per symbol (or one). Refusals are returned, not thrown. */
    async request(method, params, ms = 5000) {
        const req_id = this.nextId++;
        const from = this.messages.length;
        const want = Array.isArray(params?.symbol) ? new Set(params.symbol).size : 1;
        const acks = [];
        this.send({ method, params, req_id });
        let at = from;
        while (acks.length < want) {
            const ack = await this.waitFor((m) => m.req_id === req_id, ms, { from: at, what: `answer to ${method} ${req_id}` });
            acks.push(ack.json);
            at = this.messages.indexOf(ack, at) + 1;
            // a refusal of the whole request names no symbol and is the only answer
            if (ack.json.success === false && ack.json.symbol === undefined) break;
        }
        return acks;
    }

    /** Subscribes and expects success: the acks. subscribe({channel: 'book', symbol: ['BTC/USD'], depth: 10}) */
    async subscribe(params, ms) {
        const acks = await this.request('subscribe', params, ms);
        const refused = acks.find((ack) => ack.success !== true);
        if (refused) throw new Error(`subscribe ${JSON.stringify(params)} refused: ${JSON.stringify(refused)}`);
        return acks;
    }

    unsubscribe(params, ms) {
        return this.request('unsubscribe', params, ms);
    }

    /** The frames of a channel so far, parsed; of one symbol when given. */
    frames(channel, symbol) {
        return this.messages
            .map((m) => m.json)
            .filter((m) => m.channel === channel && (symbol === undefined || m.data?.[0]?.symbol === symbol));
    }

    /** Stops reading from the socket (a slow consumer); resume() goes on. */
    stall() {
        this.socket.pause();
    }

    resume() {
        this.socket.resume();
    }

    async waitClose(ms = 5000) {
        const end = Date.now() + ms;
        while (this.closed === null) {
            if (Date.now() > end) throw new Error(`${ms} ms without a close`);
            await sleep(10);
        }
        return this.closed;
    }

    async close(code = 1000) {
        if (this.closed === null) {
            this.socket.close(code);
            await this.waitClose(2000).catch(() => this.socket.terminate());
        }
    }

    /** Ends the TCP connection without a close frame. */
    cut() {
        this.socket.terminate();
    }
}

/** Opens a client; rejects when the server refuses the connection. */
export async function connect(url, options) {
    const client = new WsClient(url, options);
    await client.opened;
    return client;
}
