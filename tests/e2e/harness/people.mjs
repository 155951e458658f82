// A person at a browser: log-in with name, password and TOTP (RFC 6238, computed here), the cookie, Origin and CSRF token.
import { createHmac, randomUUID } from 'node:crypto';
import { until, withNets } from './gateway.mjs';

function base32(text) {
  let bits = '';
  for (const c of text) bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

// The code of a time step from now: 0, or one of those that drift allows.
export function totp(secret, step = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + step));
  const hash = createHmac('sha1', base32(secret)).update(counter).digest();
  return String((hash.readUInt32BE(hash[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0');
}

export class Person {
  constructor(stage, name, password, secret) {
    Object.assign(this, { stage, name, password, secret });
    this.used = -Infinity; // last time step whose code was sent
  }

  // From the command line, with the roles ROLES ("a,b").
  static make(stage, name, roles) {
    const told = stage.program('--config', stage.authConfig, '--bootstrap-user', name, '--roles', roles, '--lasting-password');
    const person = new Person(stage, name, /password: (\S+)/.exec(told)[1], /second factor: (\S+)/.exec(told)[1]);
    person.recovery = told.match(/^ {4}(\S{4}-\S{4}-\S{4}-\S{4})$/gm).map((line) => line.trim());
    return person;
  }

  // A code that was not sent before: of the step before this one, this one, or the next. Waits when all three were.
  async code() {
    return until('a fresh code', 35000, () => {
      const now = Math.floor(Date.now() / 30000);
      const step = Math.max(this.used + 1, now - 1);
      if (step > now + 1) return undefined;
      this.used = step;
      return totp(this.secret, step - now);
    });
  }

  headers(method, overrides = {}) {
    const headers = { ...(this.cookie ? { cookie: `__Host-sid=${this.cookie}` } : {}) };
    if (method !== 'GET') {
      Object.assign(headers, { 'content-type': 'application/json', origin: this.stage.adminUrl, 'sec-fetch-site': 'same-origin' });
      if (this.csrf) headers['x-csrf-token'] = this.csrf;
      if (method === 'POST') headers['idempotency-key'] = randomUUID();
    }
    for (const [name, value] of Object.entries(overrides)) {
      if (value === undefined) delete headers[name];
      else headers[name] = value;
    }
    return headers;
  }

  async call(method, target, object, headers = {}) {
    const body = object === undefined ? undefined : JSON.stringify(withNets(method, target, object));
    const answer = await this.stage.send(method, `${this.stage.adminUrl}${target}`, this.headers(method, headers), body)
      .catch((error) => { throw new Error(`${method} ${target} ${body}: ${error.message}`); });
    answer.json = /json$/.test(answer.headers['content-type'] ?? '') && !/ndjson/.test(answer.headers['content-type']) ? JSON.parse(answer.body) : undefined;
    const cookie = /^__Host-sid=([^;]*)/.exec(answer.headers['set-cookie']?.[0] ?? '');
    if (cookie && answer.status === 200) this.cookie = cookie[1] || undefined;
    if (answer.json?.csrf) this.csrf = answer.json.csrf;
    return answer;
  }

  async logIn(overrides = {}) {
    const code = 'code' in overrides ? overrides.code : await this.code();
    delete this.cookie;
    delete this.csrf;
    return this.call('POST', '/v1/session', { name: this.name, password: this.password, code, ...overrides });
  }

  async renew() {
    return this.call('POST', '/v1/session/factor', { code: await this.code() });
  }
}
