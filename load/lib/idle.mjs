// TLS WebSocket clients that connect and then only answer pings: wsflood has none without a subscription.
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

const upgrade = (port) => `GET /v2 HTTP/1.1\r\nHost: localhost:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
  + 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const PING = 0x89;
const emptyPong = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

function connect(stage, ca) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', servername: 'localhost', port: stage.wsPort, ca });
    let head = '';
    socket.once('secureConnect', () => socket.write(upgrade(stage.wsPort)));
    socket.on('data', (data) => {
      if (head.includes('\r\n\r\n')) {
        if (data[0] === PING) socket.write(emptyPong);
        return;
      }
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      if (head.startsWith('HTTP/1.1 101')) resolve(socket);
      else reject(new Error(`no upgrade: ${head.split('\r\n')[0]}`));
    });
    socket.once('error', reject);
  });
}

export class IdleClients {
  constructor() {
    this.sockets = [];
    this.closed = 0;
  }

  // COUNT clients, RATE a second at most.
  async open(stage, count, rate) {
    const ca = readFileSync(stage.ca);
    const start = Date.now();
    for (let n = 0; n < count; n += 20) {
      const batch = Array.from({ length: Math.min(20, count - n) }, () => connect(stage, ca));
      for (const socket of await Promise.all(batch)) {
        socket.on('close', () => { this.closed++; });
        this.sockets.push(socket);
      }
      const early = start + (this.sockets.length / rate) * 1000 - Date.now();
      if (early > 0) await new Promise((resolve) => { setTimeout(resolve, early); });
    }
  }

  close() {
    for (const socket of this.sockets) socket.destroy();
  }
}
