// Signs requests as the admin API wants them (RFC 9421, RFC 9530), with node:crypto alone: the base is built here by
// hand, so that it is a second opinion on the gateway's.
import { createHash, createHmac, createPrivateKey, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

export class Signer {
  // KEY: a PEM file of an Ed25519 key, or {secret: Buffer} for hmac-sha256.
  constructor(keyid, key) {
    this.keyid = keyid;
    this.secret = key.secret;
    this.file = key.secret ? undefined : key;
    this.key = key.secret ? undefined : createPrivateKey(readFileSync(key));
  }

  // Headers for METHOD URL BODY; OVERRIDES change parts of it, to make bad requests.
  headers(method, url, body, overrides = {}) {
    const { pathname, search, host } = new URL(url);
    const now = Math.floor(Date.now() / 1000);
    const created = overrides.created ?? now;
    const expires = overrides.expires ?? created + 30;
    const nonce = overrides.nonce ?? randomBytes(18).toString('base64url');
    const headers = { host, ...overrides.headers };
    const components = overrides.components ?? ['@method', '@authority', '@path', '@query'];
    if (body !== undefined) {
      headers['content-type'] ??= 'application/json';
      headers['content-digest'] ??= `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
      if (!overrides.components) components.push('content-type', 'content-digest');
    }
    // what a change is based on and what names it are part of it
    if (!overrides.components) components.push(...['if-match', 'idempotency-key'].filter((name) => name in headers));
    const parameters = overrides.parameters ?? `;created=${created};expires=${expires};nonce="${nonce}";keyid="${overrides.keyid ?? this.keyid}";tag="${overrides.tag ?? 'gw-admin-v1'}"${
      overrides.alg ? `;alg="${overrides.alg}"` : ''}`;
    const input = `(${components.map((c) => `"${c}"`).join(' ')})${parameters}`;
    const values = { '@method': method, '@authority': host.toLowerCase(), '@path': pathname, '@query': search || '?' };
    const base = `${components.map((c) => `"${c}": ${values[c] ?? headers[c]}`).join('\n')}\n"@signature-params": ${input}`;
    const signature = this.secret ? createHmac('sha256', this.secret).update(base).digest() : sign(null, Buffer.from(base), this.key);
    headers['signature-input'] = `sig1=${input}`;
    headers.signature = `sig1=:${signature.toString('base64')}:`;
    delete headers.host;
    return headers;
  }
}
