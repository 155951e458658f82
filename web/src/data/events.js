// Admin events (SSE, GET /v1/admin/events): one stream per browser. The tab that holds the Web Lock reads it and tells
// the others over a BroadcastChannel; when it is closed another takes over, from the last id.
import { signal } from '@preact/signals';
import { hooks } from './api.js';
import { EventParser } from './sse_parse.js';

const PATH = '/v1/admin/events';
const SILENT_MS = 40000; // a heartbeat comment comes every 15 s
const ABSENT_RETRY_MS = 60000;

export const events = signal({ phase: 'connecting', lastAt: 0, leader: false }); // connecting live absent denied lost
export const recent = signal([]); // newest first, at most 200
let channel;
let lastId = '';
const listeners = new Map(); // type -> functions

// Calls LISTENER(data, event) for each event of TYPE, in every tab. Returns what ends that.
export function onEvent(type, listener) {
  if (!listeners.has(type)) listeners.set(type, new Set());
  listeners.get(type).add(listener);
  return () => listeners.get(type).delete(listener);
}

function dispatch(event) {
  let data;
  try {
    data = JSON.parse(event.data);
  } catch {
    return; // not ours
  }
  for (const listener of listeners.get(event.type) ?? []) listener(data, event);
  for (const listener of listeners.get('*') ?? []) listener(data, event);
}

function took(event) {
  lastId = event.id;
  dispatch(event);
  recent.value = [{ ...event, at: Date.now() }, ...recent.peek()].slice(0, 200);
}

function tell(change) {
  events.value = { ...events.peek(), ...change };
  channel?.postMessage({ state: { phase: events.peek().phase, lastAt: events.peek().lastAt } });
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// One connection to its end.
async function read() {
  if (hooks.mayAsk(PATH) !== 'yes') return 'denied';
  const abort = new AbortController();
  const parser = new EventParser((event) => {
    took(event);
    channel?.postMessage({ event });
  });
  let watch = setTimeout(() => abort.abort(), SILENT_MS);
  try {
    const response = await fetch(PATH, { cache: 'no-store', signal: abort.signal,
      headers: { Accept: 'text/event-stream', ...(lastId ? { 'Last-Event-ID': lastId } : {}) } });
    if (!response.ok || !/^text\/event-stream/.test(response.headers.get('content-type') ?? '')) {
      return { 404: 'absent', 401: 'denied', 403: 'denied' }[response.status] ?? 'lost';
    }
    tell({ phase: 'live', lastAt: Date.now() });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return 'lost';
      clearTimeout(watch);
      watch = setTimeout(() => abort.abort(), SILENT_MS);
      tell({ lastAt: Date.now() });
      parser.push(value);
    }
  } catch {
    return 'lost';
  } finally {
    clearTimeout(watch);
  }
}

// Who one is has changed: what was refused may be given now.
let wake = () => {};
let again = false;
export const retryEvents = () => {
  again = true;
  wake();
  if (!events.peek().leader) channel?.postMessage({ retry: true });
};

async function lead() {
  events.value = { ...events.peek(), leader: true };
  for (let attempt = 0; ;) {
    const since = Date.now();
    again = false;
    const phase = await read();
    attempt = Date.now() - since > 30000 ? 0 : attempt + 1;
    tell({ phase });
    const wait = phase === 'lost' ? 500 + Math.random() * Math.min(15000, 500 * 2 ** attempt) : ABSENT_RETRY_MS;
    if (!again) await Promise.race([sleep(wait), new Promise((resolve) => { wake = resolve; })]);
    if (again) attempt = 0;
  }
}

export function startEvents() {
  if ('BroadcastChannel' in globalThis) {
    channel = new BroadcastChannel('portcullis.events');
    channel.onmessage = ({ data }) => {
      if (data.event) took(data.event);
      if (data.retry && events.peek().leader) retryEvents();
      if (data.hello && events.peek().leader) tell({});
      if (data.state && !events.peek().leader) events.value = { ...events.peek(), ...data.state };
    };
  }
  channel?.postMessage({ hello: true });
  if (navigator.locks) navigator.locks.request('portcullis.events', lead);
  else lead();
}
