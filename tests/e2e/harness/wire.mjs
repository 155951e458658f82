// Requests as bytes over kept TLS connections: what a replaying stranger sends, fast and from many addresses.
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

// One request, ready to be sent: HEADERS as of Signer.headers().
export function wire(method, target, host, headers, body = '') {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const length = body || !['GET', 'HEAD'].includes(method) ? `content-length: ${Buffer.byteLength(body)}\r\n` : '';
  return Buffer.from(`${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${lines}${length}\r\n${body}`);
}

class Connection {
  constructor(lane, address) {
    this.lane = lane;
    this.address = address;
    this.text = '';
  }

  open() {
    const { stage } = this.lane;
    this.text = '';
    this.socket = tls.connect({ host: '127.0.0.1', port: stage.adminPort, servername: 'localhost', ca: this.lane.ca, localAddress: this.address });
    this.socket.setEncoding('latin1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (data) => this.take(data));
    for (const event of ['error', 'close']) this.socket.on(event, () => this.lost());
  }

  run(job) {
    this.job = job;
    job.at = performance.now();
    if (!this.socket || this.socket.destroyed) this.open();
    this.socket.write(job.bytes);
  }

  take(data) {
    this.text += data;
    const head = this.text.indexOf('\r\n\r\n');
    if (head < 0 || !this.job) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.text.slice(0, head))?.[1] ?? 0);
    if (this.text.length < head + 4 + length) return;
    const body = this.text.slice(head + 4, head + 4 + length);
    const answer = { status: Number(this.text.slice(9, 12)), body, head: this.text.slice(0, head), ms: performance.now() - this.job.at };
    this.text = this.text.slice(head + 4 + length);
    if (/\r\nconnection: close/i.test(answer.head)) this.drop();
    this.finish(answer);
  }

  drop() {
    this.socket?.removeAllListeners('close');
    this.socket?.destroy();
    this.socket = undefined;
  }

  lost() {
    this.socket = undefined;
    if (this.job) this.finish({ status: 0, body: '', head: '', ms: performance.now() - this.job.at });
  }

  finish(answer) {
    const { job } = this;
    this.job = undefined;
    this.lane.free.push(this);
    job.resolve(answer);
    this.lane.next();
  }
}

// Connections to one replica: as many requests under way as there are connections.
export class Lane {
  constructor(stage, addresses, perAddress = 1) {
    this.stage = stage;
    this.ca = readFileSync(stage.ca);
    this.free = addresses.flatMap((address) => Array.from({ length: perAddress }, () => new Connection(this, address)));
    this.all = [...this.free];
    this.jobs = [];
  }

  // {status, body, head, ms}; status 0: the connection was lost.
  send(bytes) {
    return new Promise((resolve) => {
      this.jobs.push({ bytes, resolve });
      this.next();
    });
  }

  next() {
    while (this.free.length > 0 && this.jobs.length > 0) this.free.shift().run(this.jobs.shift());
  }

  close() {
    for (const connection of this.all) connection.drop();
  }
}

export const addresses = (from, count) => Array.from({ length: count }, (_, i) => `127.0.0.${from + i}`);
