// What there is one of in a page: the stream, what it feeds, and what the gateway says about itself.
import { computed, effect, signal } from '@preact/signals';
import { link, reloadAll, request, resource } from './data/api.js';
import { hidden, now } from './data/beat.js';
import { events, retryEvents } from './data/events.js';
import { Instruments, Tickers } from './data/stores.js';
import { MarketStream } from './data/stream.js';
import { setClock } from './session/session.js';

const HIDDEN_MS = 5000;
const CONFIG_RETRY_MS = 2000;

export const about = signal(null); // GET /v1/dashboard
export const clockOffset = signal(0); // the gateway's clock minus ours, ms
export const stream = signal(null);
export const instruments = new Instruments();
export const tickers = new Tickers();

export const restBase = () => about.value?.rest ?? '';
export const utc = () => now.value + clockOffset.value;

// What the reader must know before any number: are these numbers of now?
export const connection = computed(() => {
  const market = stream.value?.state.value;
  const control = link.value;
  const lost = [];
  if (!control.up) lost.push({ what: 'the gateway (admin)', since: control.since, control: true });
  if (market && market.lostSince) lost.push({ what: 'market data', since: market.lostSince, retryAt: market.retryAt, close: market.close, phase: market.phase });
  return { lost, paused: market?.phase === 'suspended', started: Boolean(market) };
});

async function readAbout() {
  const sent = Date.now();
  const answer = await request('GET', '/v1/dashboard');
  if (!answer.ok || typeof answer.data !== 'object') {
    setTimeout(readAbout, CONFIG_RETRY_MS);
    return;
  }
  clockOffset.value = Date.parse(answer.data.time) - (sent + Date.now()) / 2;
  setClock(clockOffset.peek());
  about.value = answer.data;
  if (!stream.peek() && answer.data.websocket) {
    const s = new MarketStream(answer.data.websocket);
    s.subscribe('instrument', undefined, {}, instruments);
    stream.value = s;
    s.start();
  }
}

// A page left in the background for a while lets go of the stream and takes it up again when it is looked at.
function followAttention() {
  let timer;
  effect(() => {
    clearTimeout(timer);
    if (!hidden.value) stream.value?.wake();
    else timer = setTimeout(() => stream.peek()?.suspend(), HIDDEN_MS);
  });
}

// What happened while no event came is not told later: everything in sight is asked for anew.
function followEvents() {
  let gone = false;
  effect(() => {
    const { phase } = events.value;
    if (phase === 'live' && gone) reloadAll();
    gone = phase === 'lost' || (gone && phase !== 'live');
  });
}

// Of a gateway that answers again events are asked for at once, not after what is left of the wait for one that is away.
function followLink() {
  let gone = false;
  effect(() => {
    const { up } = link.value;
    if (up && gone && events.peek().phase === 'lost') retryEvents();
    gone = !up;
  });
}

// The admin link is asked for even where no screen asks.
function watchLink() {
  resource('/livez', { every: 5000 }).use();
}

export function startApp() {
  readAbout();
  followAttention();
  followEvents();
  followLink();
  watchLink();
}
