// The public WebSocket (docs/PROTOCOL.md): subscriptions that survive the connection. After a loss it comes back with
// growing delays and takes every stream up where it was (gw.resume); a stream whose continuity breaks is asked for again.
// What a frame means to a screen is the consumer's: see stores.js.
import { signal } from '@preact/signals';
import { parseLiteral } from './decimal.js';

const SILENT_MS = 8000; // heartbeats come every second
const PING_MS = 10000;
const HEALTHY_MS = 30000;
const RATE = 12; // control messages a second, below the gateway's 20
const BURST = 30;
const BATCH = 50; // symbols in one request
const GONE = 'the page is not looked at';

const own = { book: ['depth'], ohlc: ['interval'], ticker: ['event_trigger'] };
const keyOf = (channel, symbol, params) => [channel, symbol, ...(own[channel] ?? []).map((k) => params[k])].join('|');

export class MarketStream {
  constructor(url, { Socket = globalThis.WebSocket, random = Math.random } = {}) {
    Object.assign(this, { url, Socket, random });
    this.state = signal({ phase: 'idle', since: Date.now() });
    this.system = signal(null); // Kraken's word: online, cancel_only, post_only, maintenance
    this.fanout = signal(null); // a profile other than normal, or null
    this.feed = signal({ state: 'ok' });
    this.notices = signal([]);
    this.subs = new Map();
    this.rawListeners = new Set();
    this.queue = [];
    this.tokens = BURST;
    this.counts = { messages: 0, bytes: 0, gaps: 0, checksums: 0, badChecksums: 0, connects: 0, resumed: 0, snapshots: 0 };
    this.attempt = 0;
    this.requests = 1;
    this.lastMessageAt = 0;
  }

  start() {
    this.timer = setInterval(() => this.tick(), 250);
    this.connect();
  }

  // CONSUMER: {take(frame, sub), reset?(), refused?(error), joined?(sub), notice?(notice, sub, gw): of its symbol}. Returns the subscription; give it
  // to drop() when done.
  subscribe(channel, symbol, params, consumer) {
    const key = keyOf(channel, symbol, params);
    const sub = this.subs.get(key) ?? { key, channel, symbol, params, consumers: new Set(), state: 'new', place: {} };
    this.subs.set(key, sub);
    sub.consumers.add(consumer);
    clearTimeout(sub.dropping);
    if (sub.state === 'new') this.want();
    else if (sub.consumers.size > 1) this.again(sub); // a newcomer needs the snapshot
    return { key, consumer };
  }

  drop({ key, consumer }) {
    const sub = this.subs.get(key);
    if (!sub?.consumers.delete(consumer) || sub.consumers.size > 0) return;
    this.subs.delete(key);
    if (sub.state !== 'new' && sub.state !== 'refused') {
      this.send({ method: 'unsubscribe', params: this.paramsOf(sub, [sub.symbol]) });
    }
  }

  paramsOf(sub, symbols) {
    const { interval_ms, ...rest } = sub.params;
    return { channel: sub.channel, ...(symbols[0] ? { symbol: symbols } : {}), ...rest };
  }

  // Asks for what is not asked for yet, all at once at the end of this turn.
  want() {
    if (this.wanting) return;
    this.wanting = true;
    queueMicrotask(() => {
      this.wanting = false;
      if (this.socket?.readyState === 1) this.askAll();
    });
  }

  askAll() {
    const groups = new Map();
    for (const sub of this.subs.values()) {
      if (sub.state !== 'new') continue;
      const { resume, kind } = this.resumeOf(sub);
      const group = JSON.stringify([this.paramsOf(sub, []), sub.params.interval_ms, kind, resume?.e]);
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(sub);
      sub.state = 'asked';
    }
    for (const subs of groups.values()) {
      for (let i = 0; i < subs.length; i += BATCH) this.askFor(subs.slice(i, i + BATCH));
    }
  }

  askFor(subs) {
    const [first] = subs;
    const gw = {};
    if (first.params.interval_ms !== undefined) gw.interval_ms = first.params.interval_ms;
    const { resume, kind } = this.resumeOf(first);
    if (resume) {
      gw.resume = { ...resume, [kind]: Object.fromEntries(subs.map((s) => [s.symbol, s.place[kind]])) };
    }
    const params = { ...this.paramsOf(first, subs.map((s) => s.symbol).filter(Boolean)), gw };
    if (first.channel === 'trade' && !resume) params.snapshot = true;
    for (const sub of subs) sub.asked = this.requests;
    this.send({ method: 'subscribe', params, req_id: this.requests++ });
  }

  // Where SUB was, if the gateway can go on from there.
  resumeOf(sub) {
    const kind = { book: 's', trade: 'trade_id', ohlc: 'interval_begin' }[sub.channel];
    if (!kind || sub.place[kind] === undefined || !this.epoch) return {};
    return { kind, resume: { ...(this.session ? { session: this.session } : {}), e: this.epoch } };
  }

  // A fresh snapshot of SUB.
  again(sub) {
    sub.place = {};
    sub.state = 'new';
    this.want();
  }

  // What the operator may ask for: the whole of a stream anew.
  resnapshot(key) {
    const sub = this.subs.get(key);
    if (sub) this.again(sub);
  }

  // --- connection ---

  connect() {
    clearTimeout(this.retryTimer);
    const lostSince = this.state.peek().lostSince;
    this.state.value = { ...this.state.peek(), phase: 'connecting', since: Date.now(), lostSince };
    for (const sub of this.subs.values()) sub.state = 'new';
    this.queue = [];
    this.tokens = BURST;
    const socket = new this.Socket(this.url);
    this.socket = socket;
    this.openedAt = Date.now();
    this.lastMessageAt = Date.now();
    socket.onopen = () => {
      if (socket !== this.socket) return;
      this.counts.connects++;
      this.openedAt = Date.now();
      this.lastMessageAt = Date.now();
      this.state.value = { phase: 'live', since: Date.now(), close: this.state.peek().close };
      this.askAll();
    };
    socket.onmessage = ({ data }) => { if (socket === this.socket) this.take(data); };
    socket.onclose = ({ code, reason }) => { if (socket === this.socket) this.lost(code, reason); };
  }

  lost(code, reason) {
    this.socket = null;
    const healthy = Date.now() - this.openedAt > HEALTHY_MS && this.state.peek().phase === 'live';
    this.attempt = healthy ? 1 : this.attempt + 1;
    const { lostSince = Date.now() } = this.state.peek();
    const wait = this.backoff(code);
    this.retryAfter = undefined;
    this.state.value = { phase: 'lost', since: Date.now(), lostSince, attempt: this.attempt, retryAt: Date.now() + wait, close: { code, reason, at: Date.now() } };
    this.retryTimer = setTimeout(() => this.connect(), wait);
  }

  // Full jitter over 0.5 s, 1 s, .. 15 s; what the gateway asked for, if it did; longer where it said "too many".
  backoff(code) {
    const cap = Math.min(15000, 500 * 2 ** (this.attempt - 1));
    const least = code === 4013 || code === 4029 ? 10000 : 0;
    return Math.max(least, this.retryAfter ?? 0) + 100 + this.random() * cap;
  }

  // Nobody looks: the connection is given up, places are kept.
  suspend() {
    const { phase } = this.state.peek();
    if (phase === 'suspended' || phase === 'idle') return;
    clearTimeout(this.retryTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000, GONE);
    this.state.value = { phase: 'suspended', since: Date.now() };
  }

  wake() {
    if (this.state.peek().phase === 'suspended') {
      this.attempt = 0;
      this.connect();
    }
  }

  retryNow() {
    if (this.state.peek().phase === 'lost') this.connect();
  }

  tick() {
    this.tokens = Math.min(BURST, this.tokens + RATE / 4);
    this.pump();
    const { phase } = this.state.peek();
    const silent = Date.now() - this.lastMessageAt;
    if ((phase === 'live' || phase === 'connecting') && silent > SILENT_MS) {
      const socket = this.socket;
      this.lost(1006, `nothing heard for ${Math.round(silent / 1000)} s`);
      if (socket) socket.close();
      return;
    }
    if (phase === 'live' && Date.now() - (this.pingedAt ?? this.openedAt) > PING_MS) {
      this.pingedAt = Date.now();
      this.send({ method: 'ping' });
    }
  }

  send(message) {
    this.queue.push(message);
    this.pump();
  }

  pump() {
    while (this.queue.length > 0 && this.tokens >= 1 && this.socket?.readyState === 1) {
      this.tokens--;
      this.socket.send(JSON.stringify(this.queue.shift()));
    }
  }

  // --- messages ---

  take(raw) {
    this.lastMessageAt = Date.now();
    this.counts.messages++;
    this.counts.bytes += raw.length;
    const frame = parseLiteral(raw);
    for (const listen of this.rawListeners) listen(raw, frame);
    if (frame.method === 'subscribe') this.takeAck(frame);
    else if (frame.channel === 'status') this.takeStatus(frame);
    else if (frame.channel === 'gateway') frame.data.forEach((notice) => this.takeNotice(notice, frame.gw));
    else if (frame.data) this.takeData(frame);
  }

  findSub(channel, symbol, interval) {
    for (const sub of this.subs.values()) {
      if (sub.channel === channel && sub.symbol === symbol && (channel !== 'ohlc' || sub.params.interval === interval)) return sub;
    }
    return undefined;
  }

  // What the answer with REQ_ID to a request about SYMBOL concerns; an answer to an older request is nobody's.
  askedFor(req_id, symbol) {
    return [...this.subs.values()].filter((s) => s.state === 'asked' && s.asked === req_id && (symbol === undefined || s.symbol === symbol));
  }

  refuse(req_id, symbol, error) {
    const asked = this.askedFor(req_id, symbol);
    // an answer without a symbol names it at its end, or means all of the request
    const named = asked.filter((s) => s.symbol && error.endsWith(s.symbol));
    for (const sub of named.length ? named : asked) {
      sub.state = 'refused';
      for (const c of sub.consumers) c.refused?.(error);
    }
  }

  takeAck({ req_id, success, result, error = 'refused', symbol }) {
    if (!success) {
      this.refuse(req_id, symbol, error);
      return;
    }
    const [sub] = this.askedFor(req_id, result.symbol);
    if (!sub) return;
    sub.state = 'live';
    sub.ack = result;
    const { gw = {} } = result;
    if (gw.session) this.session = gw.session;
    if (gw.e) this.epoch = gw.e;
    for (const c of sub.consumers) c.joined?.(sub);
    if (gw.resumed) {
      this.counts.resumed++;
      if (sub.channel === 'book') sub.place.s = gw.from;
    } else {
      sub.place = {};
      for (const c of sub.consumers) c.reset?.();
    }
  }

  takeStatus({ data: [status], gw }) {
    this.system.value = status.system;
    this.version = status.version;
    this.fanout.value = gw?.profile && gw.profile !== 'normal' ? gw : null;
  }

  takeNotice(notice, gw) {
    if (notice.event === 'symbol') this.tellConsumers(notice, gw);
    if (notice.retry_after_ms) this.retryAfter = notice.retry_after_ms;
    if (notice.event === 'feed') this.feed.value = notice;
    if (notice.e) this.epoch = notice.e;
    this.notices.value = [{ at: Date.now(), ...notice }, ...this.notices.peek()].slice(0, 50);
  }

  // Of a symbol: to whoever follows it.
  tellConsumers(notice, gw) {
    for (const sub of this.subs.values()) {
      if (notice.symbols?.includes(sub.symbol)) for (const c of sub.consumers) c.notice?.(notice, sub, gw);
    }
  }

  takeData(frame) {
    const first = Array.isArray(frame.data) ? frame.data[0] : frame.data;
    const sub = frame.channel === 'instrument' ? this.subs.get('instrument|') : this.findSub(frame.channel, first?.symbol, first?.interval);
    if (!sub || sub.state !== 'live') return;
    if (frame.channel === 'book') this.checkPlace(sub, frame);
    if (sub.state !== 'live') return;
    if (frame.gw?.e) this.epoch = frame.gw.e;
    if (frame.type === 'snapshot') this.counts.snapshots++;
    this.keepPlace(sub, frame);
    for (const consumer of sub.consumers) {
      try {
        consumer.take(frame, sub);
      } catch (error) {
        this.broken(sub, error.message);
      }
    }
  }

  checkPlace(sub, { type, gw }) {
    if (type === 'update' && gw?.p !== undefined && gw.p !== sub.place.s) {
      this.broken(sub, `expected to go on from ${sub.place.s}, got ${gw.p}`);
    }
  }

  broken(sub, why) {
    this.counts.gaps++;
    this.notices.value = [{ at: Date.now(), event: 'resync', symbol: sub.symbol, channel: sub.channel, why }, ...this.notices.peek()].slice(0, 50);
    this.again(sub);
  }

  keepPlace(sub, { data, gw }) {
    if (sub.channel === 'book') sub.place.s = gw?.s;
    else if (sub.channel === 'trade') sub.place.trade_id = data.at(-1)?.trade_id ?? sub.place.trade_id;
    else if (sub.channel === 'ohlc') sub.place.interval_begin = data.at(-1)?.interval_begin;
  }
}
