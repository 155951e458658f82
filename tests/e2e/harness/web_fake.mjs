// A gateway made of an object, for unit tests of screens: it serves web/dist under the policy of the real one and answers
// what a test gives it. It proves nothing about the gateway; the flows themselves run against the real one elsewhere.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Browser, dist } from './browser.mjs';

export const ORIGIN = 'https://fake.invalid';
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const TYPES = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.html': 'text/html', '.txt': 'text/plain' };
const PERMISSIONS = ['status.read', 'metrics.read', 'control.read', 'control.tighten', 'control.loosen', 'control.approve', 'fanout.set', 'connections.read', 'incidents.read', 'incidents.act', 'audit.read', 'drills.run'];

export const iso = (ms) => new Date(ms).toISOString().replace('Z', '000Z');

export class FakeGateway {
  // ANSWERS: {'GET /v1/incidents': (request) => object | [status, object, headers]}; a path may end in a function of its own
  // by a RegExp in ROUTES: [[method, regexp, (match, request) => ..]].
  constructor({ permissions = PERMISSIONS, skewMs = 0 } = {}) {
    Object.assign(this, { permissions, skewMs, answers: new Map(), routes: [], sent: [], events: [], waiting: [], signedIn: true, audit: 100 });
    this.on('GET', '/livez', () => 'ok');
    this.on('GET', '/metrics', () => '# no metric\n');
    this.on('GET', '/v1/dashboard', () => ({ time: iso(this.now()), version: '0.0.0-fake', build: 'fake', websocket: null, rest: null }));
    this.on('GET', '/v1/session', () => (this.signedIn ? this.session() : [401, { title: 'not signed in', code: 'unauthenticated' }]));
  }

  now() {
    return Date.now() + this.skewMs;
  }

  session() {
    const { permissions } = this;
    return { user: 'ana', id: 'S-1', roles: ['operator'], permissions, csrf: 'token', created_at: iso(this.now() - 60000), idle_at: iso(this.now() + 1800000), ends_at: iso(this.now() + 8 * 3600000), must_choose_password: false, must_enrol: false };
  }

  on(method, at, answer) {
    if (typeof at === 'string') this.answers.set(`${method} ${at}`, answer);
    else this.routes.push([method, at, answer]);
  }

  // An event for every page that listens.
  tell(type, data) {
    this.events.push(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
    for (const wake of this.waiting.splice(0)) wake();
  }

  async stream(route) {
    if (this.events.length === 0) await new Promise((resolve) => { this.waiting.push(resolve); });
    const body = this.events.splice(0).join('');
    await route.fulfill({ status: 200, headers: { 'content-type': 'text/event-stream' }, body: `: hello\n\n${body}` }).catch(() => {});
  }

  file(route, name, type) {
    const csp = name === 'index.html' ? { 'content-security-policy': POLICY } : {};
    return route.fulfill({ status: 200, headers: { 'content-type': TYPES[path.extname(name)] ?? type, 'x-content-type-options': 'nosniff', ...csp }, body: readFileSync(path.join(dist, name)) });
  }

  async handle(route) {
    const request = route.request();
    const url = new URL(request.url());
    const method = request.method();
    if (url.pathname.startsWith('/assets/')) return this.file(route, path.basename(url.pathname));
    if (url.pathname === '/v1/admin/events') return this.stream(route);
    if (!/^\/(v1|metrics|livez|readyz|0)\b/.test(url.pathname)) return this.file(route, 'index.html');
    const body = request.postData() ? JSON.parse(request.postData()) : undefined;
    const asked = { url, query: url.searchParams, body, headers: request.headers(), dryRun: url.searchParams.get('dry_run') === 'true' };
    if (method !== 'GET') this.sent.push({ method, path: url.pathname, body, headers: request.headers(), dryRun: asked.dryRun });
    let answer = this.answers.get(`${method} ${url.pathname}`)?.(asked);
    for (const [m, at, make] of this.routes) {
      const match = answer === undefined && m === method && at.exec(url.pathname);
      if (match) answer = make(match, asked);
    }
    const [status, object, headers = {}] = answer === undefined ? [404, { title: 'no such path', status: 404, detail: 'this gateway does not offer it' }] : Array.isArray(answer) ? answer : [200, answer];
    const text = typeof object === 'string';
    return route.fulfill({ status, headers: { 'content-type': text ? 'text/plain' : status >= 400 ? 'application/problem+json' : 'application/json', ...headers }, body: text ? object : JSON.stringify(object) }).catch(() => {});
  }

  acts() {
    return this.sent.filter((s) => !s.dryRun);
  }
}

// BODY(open, browser): open(path, options) gives a page of GATEWAY.
export async function onFake(gateway, body) {
  const browser = await Browser.open();
  try {
    await body(async (at, { init, ...options } = {}) => {
      const page = await browser.page({ adminUrl: ORIGIN }, options);
      await init?.(page);
      await page.route(`${ORIGIN}/**`, (route) => gateway.handle(route));
      await page.goto(at);
      await page.getByRole('banner').waitFor();
      return page;
    });
  } finally {
    await browser.close();
  }
}
