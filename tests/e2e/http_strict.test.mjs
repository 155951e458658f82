// What the HTTPS listeners refuse on the wire: the raw material of smuggling, HTTP/2 by either door, slow heads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import tls from 'node:tls';
import { onStage } from './harness/gateway.mjs';

// Sends raw bytes, returns all that comes back until the server closes or MS have passed.
function raw(stage, bytes, { ms = 1500, ALPNProtocols } = {}) {
  return new Promise((resolve) => {
    let text = '';
    const socket = tls.connect({ port: stage.publicPort, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(stage.ca), ALPNProtocols },
      () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (data) => { text += data; });
    socket.on('error', (error) => { text += `error:${error.code}`; });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

test('heads that two parsers could read in two ways are refused', { timeout: 90000 }, () => onStage(async (stage) => {
  stage.writeSymbols(['--data', 'synthetic', '--symbols', '1']);
  await stage.startGateway({ public: { io_timeout: '1s' } });
  const good = await raw(stage, 'GET /v1/limits HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(good, /^HTTP\/1\.1 200 /);
  assert.match(good, /x-content-type-options: nosniff/);
  assert.doesNotMatch(good, /^server:/im);
  const probes = [
    ['two Content-Lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    ['Content-Length twice the same', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na', 400],
    ['Content-Length and Transfer-Encoding', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411],
    ['Transfer-Encoding', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 411],
    ['bare LF', 'GET / HTTP/1.1\nHost: a\n\n', 400],
    ['no Host', 'GET / HTTP/1.1\r\nX: a\r\n\r\n', 400],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    ['folded line', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', 400],
    ['lower-case method', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', 505],
    ['70 headers', `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(70)}\r\n`, 431],
    ['20 KB head', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(20000)}\r\n\r\n`, 431],
    ['repeated parameter', 'GET /v1/limits?a=1&a=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
    ['wrong method', 'DELETE /v1/limits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 405],
  ];
  for (const [what, bytes, status] of probes) {
    const answer = await raw(stage, bytes);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${what}: ${answer.slice(0, 60)}`);
    assert.equal(answer.match(/^HTTP\/1\.1 /gm).length, 1, `${what}: one answer`);
  }
  // HTTP/2: not in ALPN, not by preface.
  assert.match(await raw(stage, '', { ALPNProtocols: ['h2'] }), /^error:/);
  assert.doesNotMatch(await raw(stage, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'), /\0\0[^]\x04/);
  // A head that trickles does not hold the connection.
  const start = Date.now();
  await raw(stage, 'GET / HTTP/1.1\r\nHost: a\r\n', { ms: 6000 });
  assert.ok(Date.now() - start < 4000, `a silent head held the connection for ${Date.now() - start} ms`);
  const metrics = await stage.metrics();
  assert.ok(metrics.get('http_refused_total{reason="head"}') >= 10);
}));
