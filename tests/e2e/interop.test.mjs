// Signatures made by other people's code (RFC 9421): two npm packages, both algorithms, with and without a body.
import assert from 'node:assert/strict';
import { createHash, createHmac, createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createSignature, createSignatureSync, webcrypto as webcryptoSigner } from 'http-message-sig';
import signatures from 'http-message-signatures';
import { onStage, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';

const { createSigner, httpbis } = signatures;
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];
const covered = (body) => ['@method', '@authority', '@path', '@query', ...(body ? ['content-type', 'content-digest'] : [])];
const bodyHeaders = (body) => (body ? { 'content-type': 'application/json', 'content-digest': `sha-256=:${createHash('sha256').update(body).digest('base64')}:` } : {});

// Each: headers for a request, by somebody else's code.
const clients = {
  // http-message-signatures: times are Dates there
  async signatures({ method, url, body, key, label = 'sig1', alg = false }) {
    const now = Math.floor(Date.now() / 1000) * 1000;
    const signed = await httpbis.signMessage({
      key: createSigner(key.secret ?? createPrivateKey(readFileSync(key.file)), key.secret ? 'hmac-sha256' : 'ed25519', key.id),
      name: label,
      fields: covered(body),
      params: ['created', 'expires', 'nonce', 'keyid', 'tag', ...(alg ? ['alg'] : [])],
      paramValues: { created: new Date(now), expires: new Date(now + 30000), nonce: randomBytes(16).toString('base64'), tag: 'gw-admin-v1' },
    }, { method, url, headers: bodyHeaders(body) });
    return signed.headers;
  },
  // http-message-sig: Ed25519 by WebCrypto, HMAC by a signer of one's own
  async sig({ method, url, body, key, label = 'sig1', alg = false }) {
    const now = Math.floor(Date.now() / 1000);
    const fields = Object.entries(bodyHeaders(body)).map(([name, value]) => ({ name, value }));
    const options = {
      label,
      components: covered(body),
      parameters: { created: now, expires: now + 30, nonce: randomBytes(18).toString('base64url'), keyid: key.id, tag: 'gw-admin-v1',
        ...(alg ? { alg: key.secret ? 'hmac-sha256' : 'ed25519' } : {}) },
    };
    const message = { kind: 'request', method, targetUri: url, fields };
    let made;
    if (key.secret) {
      const signer = { algorithm: 'hmac-sha256', sign: (data) => new Uint8Array(createHmac('sha256', key.secret).update(data).digest()) };
      made = createSignatureSync(message, { ...options, signer });
    } else {
      const pkcs8 = createPrivateKey(readFileSync(key.file)).export({ type: 'pkcs8', format: 'der' });
      const signer = webcryptoSigner.signer(await webcrypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign']));
      made = await createSignature(message, { ...options, signer });
    }
    return { ...bodyHeaders(body), 'signature-input': made.signatureInput, signature: made.signature };
  },
};

test('requests signed by other libraries are accepted, and only as they were signed', { timeout: 60000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  await stage.startGateway({ limits: { preauth_burst: 100000, preauth_per_minute: 600000, read_burst: 1000, write_burst: 1000, write_per_minute: 6000 } });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await until('the keys', 10000, async () => (await stage.call(admin, 'GET', '/v1/keys')).status === 200);
  const made = await stage.call(admin, 'POST', '/v1/keys', { account: 'bot', label: 'interop', algorithm: 'hmac-sha256', scopes: ['keys.read', 'keys.write', 'ws.token'], reason: 'a key for other libraries' });
  const keys = { ed25519: { id: stage.keyId, file: stage.keyFile }, 'hmac-sha256': { id: made.json.key.id, secret: Buffer.from(made.json.secret, 'base64') } };
  const bot = new Signer(keys['hmac-sha256'].id, keys['hmac-sha256']);
  await until('the HMAC key', 5000, async () => (await stage.call(bot, 'GET', '/v1/keys')).status === 200);

  const target = `/v1/keys/${made.json.key.id}`;
  const requests = [
    { method: 'GET', target: '/v1/keys', status: 200 },
    { method: 'GET', target: '/v1/keys?state=active&limit=10', status: 200 },
    { method: 'GET', target: `/v1/keys?account=b%6ft&limit=1`, status: 200 }, // escapes are signed as they are sent
    { method: 'POST', target: '/v1/ws-token', status: 200 },
    { method: 'PUT', target: `${target}/limits`, body: JSON.stringify({ rate_class: 'default', reason: 'an interop ✓ test' }), status: 200 },
  ];
  let accepted = 0;
  for (const [name, client] of Object.entries(clients)) {
    for (const [algorithm, key] of Object.entries(keys)) {
      for (const [i, { method, target: path, body, status }] of requests.entries()) {
        const what = `${name} ${algorithm} ${method} ${path}`;
        const url = `${stage.adminUrl}${path}`;
        const headers = await client({ method, url, body, key, label: i % 2 ? 'sig1' : 'my-label', alg: i % 2 === 1 });
        // first where it does not belong: a bad use of it does not spend it
        const elsewhere = await stage.send(method, `${stage.adminUrl}${path.includes('?') ? path.replace(/limit=\d+/, 'limit=9') : `${path}?limit=9`}`, headers, body);
        assert.equal(elsewhere.status, 401, `${what}: ${elsewhere.body}`);
        if (body) {
          const altered = await stage.send(method, url, headers, body.replace('default', 'minimal'));
          assert.equal(altered.status, 401, what);
          assert.match(JSON.parse(altered.body).title, /Content-Digest is not the body's/);
        }
        const answer = await stage.send(method, url, headers, body);
        assert.equal(answer.status, status, `${what}: ${answer.body}`);
        const again = await stage.send(method, url, headers, body);
        assert.equal(JSON.parse(again.body).code, 'replay-detected', what);
        accepted++;
      }
      // with the other key's name
      const wrong = await client({ method: 'GET', url: `${stage.adminUrl}/v1/keys`, key: { ...key, id: algorithm === 'ed25519' ? made.json.key.id : stage.keyId } });
      const refused = await stage.send('GET', `${stage.adminUrl}/v1/keys`, wrong);
      assert.equal(refused.status, 401);
      assert.match(refused.body, /the signature does not verify/);
    }
  }
  assert.equal(accepted, 20);
}));
