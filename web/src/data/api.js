// The admin API, and nothing else of the gateway: RFC 9457 problems as errors, ETag with If-Match, Idempotency-Key on
// what acts, the session's CSRF header. A path the gateway does not know is a fact to show, not a failure to hide.
// What only a person can give (her session, a fresh second factor) is asked for through `hooks`: see session/session.js.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { hidden } from './beat.js';

const TIMEOUT_MS = 10000;
const ABSENT_RETRY_MS = 60000;

// The link to the admin listener: any answer keeps it, whatever its status.
export const link = signal({ up: true, since: Date.now(), lastAt: 0 });
export const session = signal(null); // GET /v1/session of the person at this browser, or null
// factor(problem): resolves to true when the second factor was proved again; ended(): the session is no more; renewed():
// reads the session again, whose CSRF token may be another by now.
export const hooks = { factor: async () => false, ended: () => {}, renewed: async () => {}, signIn: () => {},
  // Of a path only people may read: 'yes', 'no' while nobody is signed in, 'wait' until that is known.
  mayAsk: () => 'yes' };

// After a loss everything in sight is of before it.
function heard(up) {
  const before = link.peek();
  if (up && !before.up) setTimeout(reloadAll);
  link.value = { up, since: before.up === up ? before.since : Date.now(), lastAt: up ? Date.now() : before.lastAt };
}

const newKey = () => crypto.randomUUID();

async function bodyOf(response) {
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  if (!/json/.test(type)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

// {status, ok, data, problem, etag, headers}; status 0: no answer at all. TEXT: what is good comes as the text it is.
export async function request(method, path, { body, ifMatch, idempotencyKey, headers = {}, base = '', text = false } = {}) {
  const acts = method !== 'GET' && method !== 'HEAD';
  let response;
  let data;
  try {
    response = await fetch(base + path, {
      method, credentials: base ? 'omit' : 'same-origin', cache: 'no-store', redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        ...headers,
        ...(acts ? { 'Content-Type': 'application/json', 'X-CSRF-Token': session.peek()?.csrf ?? '', 'Idempotency-Key': idempotencyKey ?? newKey() } : {}),
        ...(ifMatch ? { 'If-Match': ifMatch } : {}),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    data = await (text && response.ok ? response.text() : bodyOf(response)); // one that was cut off is no answer either
  } catch (error) {
    if (!base) heard(false);
    return { status: 0, ok: false, problem: { title: 'no answer', detail: error.name === 'TimeoutError' ? `nothing within ${TIMEOUT_MS / 1000} s` : 'the connection failed' } };
  }
  if (!base) heard(true);
  const { status, ok } = response;
  return { status, ok, etag: response.headers.get('etag'), data: ok ? data : undefined, location: response.headers.get('location'), headers: response.headers,
    problem: ok ? undefined : problemOf(status, data) };
}

const answerOf = ({ status, data, headers, problem }) => ({ status, json: data, headers, problem });

// One call of the admin API by the person at this browser: {status, json, headers, problem}, status 0 without an answer.
// ONCE: the Idempotency-Key, the same when the same is sent again (made here if left out); IFMATCH: an ETag or *; DRYRUN:
// what would it do? A second factor that is too old is asked for and the call repeated; so is a CSRF token of before.
export async function call(method, path, { body, once, ifMatch, dryRun, headers } = {}) {
  const target = dryRun ? `${path}${path.includes('?') ? '&' : '?'}dry_run=true` : path;
  const options = { body, ifMatch, headers, idempotencyKey: once ?? newKey() };
  let answer = await request(method, target, options);
  if (answer.problem?.code === 'cross-site' && session.peek()) {
    await hooks.renewed();
    answer = await request(method, target, options);
  }
  if (answer.problem?.code === 'second-factor-required' && await hooks.factor(answer.problem)) {
    answer = await request(method, target, { ...options, idempotencyKey: newKey() });
  }
  // a wrong code or password is refused with 401, too: the session lives on
  if (answer.status === 401 && session.peek() && !path.startsWith('/v1/session')) hooks.ended();
  return answerOf(answer);
}

function problemOf(status, data) {
  if (data && typeof data === 'object') return { status, ...data };
  return { status, title: `HTTP ${status}`, detail: typeof data === 'string' ? data.slice(0, 300) : '' };
}

// ok, absent (404: not offered by this gateway), denied (401, 403), error, lost (no answer)
export function phaseOf({ status, ok }) {
  if (ok) return 'ok';
  if (status === 0) return 'lost';
  if (status === 404) return 'absent';
  return status === 401 || status === 403 ? 'denied' : 'error';
}

const resources = new Map();
const NOBODY = { status: 401, title: 'not signed in', unasked: true };

// Everything that is on the screen, asked for anew: who one is has changed.
export function reloadAll() {
  for (const r of resources.values()) {
    if (r.users > 0) r.load();
    else r.state.value = { phase: 'loading' };
  }
}

class Resource {
  constructor(path, { every, base }) {
    Object.assign(this, { path, every, base, users: 0 });
    this.state = signal({ phase: 'loading' });
  }

  async load() {
    clearTimeout(this.timer);
    if (this.loading) {
      this.again = true;
      return;
    }
    // an address that is not known yet: another origin must not be mistaken for our own
    const base = typeof this.base === 'function' ? this.base() : this.base;
    if (this.base && !base) {
      this.timer = setTimeout(() => this.load(), 200);
      return;
    }
    const may = base ? 'yes' : hooks.mayAsk(this.path);
    if (may !== 'yes') {
      if (may === 'no') this.state.value = { phase: 'denied', problem: NOBODY, triedAt: Date.now() };
      return; // who it is will be known, or change: then everything is asked for again
    }
    this.loading = true;
    this.again = false;
    const answer = await request('GET', this.path, { base });
    this.loading = false;
    if (answer.status === 401 && session.peek() && !base) hooks.ended();
    const phase = phaseOf(answer);
    const old = this.state.peek();
    this.state.value = phase === 'ok'
      ? { phase, data: answer.data, etag: answer.etag, at: Date.now() }
      : phase === 'denied' ? { phase, problem: answer.problem, triedAt: Date.now() } // what was seen is not for who is here now
      : { phase, problem: answer.problem, data: old.data, etag: old.etag, at: old.at, triedAt: Date.now() };
    this.plan();
    if (this.again) this.load();
  }

  plan() {
    clearTimeout(this.timer);
    if (this.users === 0 || !this.every) return;
    const { phase } = this.state.peek();
    const wait = phase === 'absent' || phase === 'denied' ? Math.max(ABSENT_RETRY_MS, this.every) : this.every;
    this.timer = setTimeout(() => (hidden.peek() ? this.plan() : this.load()), wait);
  }

  // Something said that it has changed.
  refresh() {
    if (this.users > 0) this.load();
  }

  use() {
    if (this.users++ === 0) this.load();
    return () => {
      if (--this.users === 0) clearTimeout(this.timer);
    };
  }
}

export function resource(path, options = {}) {
  const key = `${path} ${typeof options.base === 'string' ? options.base : ''}`;
  if (!resources.has(key)) resources.set(key, new Resource(path, options));
  const r = resources.get(key);
  r.every ??= options.every; // who only said that it has changed may have been first
  return r;
}

// The state of GET PATH, loaded while a component uses it, again every EVERY ms.
export function useResource(path, options = {}) {
  const r = resource(path, options);
  useEffect(() => r.use(), [r]);
  return r.state.value;
}
