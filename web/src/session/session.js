// Who is at this browser: log-in, log-out, what she may, how long it lasts. The token is in a cookie that no script can
// read; here is only what GET /v1/session tells. All tabs share the cookie, so each tells the others when it changes.
// The pages for it are in session/pages.js, loaded when they are needed.
import { computed, signal } from '@preact/signals';
import { call, hooks, link, reloadAll, request, session } from '../data/api.js';
import { now } from '../data/beat.js';
import { retryEvents } from '../data/events.js';

const ACTIVE_MS = 60000; // at most so often is the gateway told that somebody is here
const LOOK_MS = 60000;
const SOON_MS = 120000; // the end is announced so long before

export { session };
// unknown: not asked yet; absent: this gateway has no people; out; in
export const phase = signal('unknown');
// {kind: signin | factor | password | enrol | recovery | elevate, ...} or null: what lies above everything else.
export const page = signal(null);
export const notice = signal(''); // why somebody has to sign in again
const offset = signal(0); // the gateway's clock minus ours, ms; kept by app.js
export const setClock = (ms) => { offset.value = ms; };

export const may = (permission) => Boolean(session.value?.permissions.includes(permission));
export const me = () => session.value?.user ?? null;
// Actors as the gateway writes them: "user:ana"; is it the person at this browser?
export const isMe = (actor) => Boolean(session.value) && actor === `user:${session.value.user}`;

// {at, left, why}: when the session ends if nobody does anything.
export const ending = computed(() => {
  const s = session.value;
  if (!s) return null;
  const [idle, end] = [Date.parse(s.idle_at), Date.parse(s.ends_at)];
  const at = Math.min(idle, end) - offset.value;
  return { at, left: at - now.value, why: idle < end ? 'idle' : 'age', soon: at - now.value < SOON_MS };
});

let channel;
let activeAt = 0; // when a person last did something
let toldAt = 0; // when the gateway was last told so

const askAll = () => {
  reloadAll();
  retryEvents();
};

function take(data) {
  const before = session.peek();
  session.value = data;
  phase.value = 'in';
  notice.value = '';
  // signed in by another tab
  if (page.peek()?.kind === 'signin' && !page.peek().busy && !data.must_choose_password && !data.must_enrol) page.value = null;
  if (before?.user !== data.user || before?.permissions.join() !== data.permissions.join()) askAll();
}

function lose(why) {
  if (phase.peek() === 'in') {
    notice.value = why;
    session.value = null;
    phase.value = 'out';
    page.value = { kind: 'signin' };
    reloadAll();
  }
  const first = phase.peek() === 'unknown';
  session.value = null;
  phase.value = 'out';
  if (first) askAll();
}

// Reads the session; ACTIVE: because a person did something, which puts the idle end off.
export async function look(active = false) {
  const answer = await request('GET', '/v1/session', active ? { headers: { 'X-User-Active': '1' } } : {});
  if (answer.ok && answer.data?.user) take(answer.data);
  else if (answer.status === 404) {
    const first = phase.peek() !== 'absent';
    phase.value = 'absent';
    if (first) askAll();
  }
  else if (answer.status === 401 || (answer.ok && !answer.data?.user)) lose('Your session has ended.');
  return answer;
}

const told = () => channel?.postMessage('changed');

// The page that calls it closes itself: there may be more to do than to sign in.
export async function logIn(body) {
  const answer = await call('POST', '/v1/session', { body });
  if (answer.status === 200) {
    if (page.peek()) page.value = { ...page.peek(), busy: true };
    take(answer.json);
    told();
  }
  return answer;
}

export async function logOut() {
  const answer = await call('DELETE', '/v1/session', { body: {} });
  if (answer.status === 200 || answer.status === 401) {
    session.value = null;
    phase.value = 'out';
    reloadAll();
    told();
  }
  return answer;
}

// What a session does with itself: factor {code}, password {old, password}, enrol {}, enrol/confirm {code}, elevate {...}.
// All but enrol give a new token, and with it a new session.
export async function ofSession(what, body) {
  const answer = await call('POST', `/v1/session/${what}`, { body });
  if (answer.status === 200 && answer.json?.csrf) {
    take(answer.json);
    told();
  }
  return answer;
}

export const signIn = () => { page.value = { kind: 'signin' }; };
export const closePage = () => {
  page.peek()?.done?.(false);
  page.value = null;
};

// Asks for a code; true when the gateway took it.
export function askFactor() {
  return new Promise((resolve) => {
    page.value = { kind: 'factor', over: page.peek(), done: (ok) => {
      page.value = page.peek()?.over ?? null;
      resolve(ok);
    } };
  });
}

// --- staying --------------------------------------------------------------------------------------------------------

export const stay = () => {
  toldAt = Date.now();
  return look(true);
};

function noteActivity() {
  activeAt = Date.now();
  if (phase.peek() === 'in' && activeAt - toldAt > ACTIVE_MS && link.peek().up) stay();
}

function watch() {
  let lookedAt = Date.now();
  setInterval(() => {
    if (phase.peek() !== 'in' || !link.peek().up) return;
    const { left } = ending.peek();
    // another tab may have put the end off: look before it is said, and at the end
    if (Date.now() - lookedAt > (left < SOON_MS ? 10000 : LOOK_MS) || left < 0) {
      lookedAt = Date.now();
      look();
    }
  }, 1000);
}

export function startSession() {
  hooks.factor = askFactor;
  hooks.ended = () => lose('Your session has ended.');
  hooks.renewed = () => look();
  hooks.signIn = signIn;
  hooks.mayAsk = (path) => (!path.startsWith('/v1/') || phase.peek() === 'in' || phase.peek() === 'absent' ? 'yes' : phase.peek() === 'unknown' ? 'wait' : 'no');
  if ('BroadcastChannel' in globalThis) {
    channel = new BroadcastChannel('portcullis.session');
    channel.onmessage = () => look();
  }
  for (const type of ['pointerdown', 'keydown', 'wheel']) window.addEventListener(type, noteActivity, { passive: true, capture: true });
  watch();
  const first = async () => {
    const { status } = await look();
    if (status === 0 || status >= 500) setTimeout(first, 2000);
    else if (phase.peek() === 'out') signIn();
  };
  first();
}
