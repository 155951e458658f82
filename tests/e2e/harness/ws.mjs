// A market-data client on the npm package `ws`: messages in order, with the literal digits of prices kept.
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';

// JSON.parse that keeps the text of price and qty, as clients that check the checksum must.
export function parseLiteral(text) {
  return JSON.parse(text.replace(/"(price|qty)":(-?\d+(?:\.\d+)?)/g, '"$1":"$2"'));
}

export class Client {
  static async connect(stage, options = {}) {
    const client = new Client();
    client.messages = [];
    client.waiters = [];
    client.socket = new WebSocket(options.url ?? stage.wsUrl, { ca: readFileSync(stage.ca), perMessageDeflate: false, ...options });
    client.closed = new Promise((resolve) => client.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })));
    client.socket.on('message', (data) => client.take(data.toString()));
    await new Promise((resolve, reject) => {
      client.socket.once('open', resolve);
      client.socket.once('error', reject);
    });
    client.socket.on('error', () => {});
    return client;
  }

  take(text) {
    const message = parseLiteral(text);
    message.raw = text;
    this.onMessage?.(message);
    this.messages.push(message);
    this.waiters = this.waiters.filter((waiter) => !waiter(message));
  }

  send(object) {
    this.socket.send(typeof object === 'string' || Buffer.isBuffer(object) ? object : JSON.stringify(object));
  }

  // The first message, past or future, that PREDICATE accepts.
  waitFor(predicate, ms = 10000, what = 'message') {
    const found = this.messages.find(predicate);
    if (found) return Promise.resolve(found);
    return this.next(predicate, ms, what);
  }

  // The first future message that PREDICATE accepts.
  next(predicate, ms = 10000, what = 'message') {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what} in ${ms} ms; last: ${this.messages.at(-1)?.raw?.slice(0, 300)}`)), ms);
      this.waiters.push((message) => {
        if (!predicate(message)) return false;
        clearTimeout(timer);
        resolve(message);
        return true;
      });
    });
  }

  async request(object, ms = 10000) {
    const req_id = (this.lastId = (this.lastId ?? 0) + 1);
    const answer = this.next((m) => m.req_id === req_id, ms, `answer to ${JSON.stringify(object)}`);
    this.send({ ...object, req_id });
    return answer;
  }

  subscribe(params, ms) {
    return this.request({ method: 'subscribe', params }, ms);
  }

  close() {
    this.socket.terminate();
  }
}
