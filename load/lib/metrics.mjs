// /metrics of the gateway once a second, and what follows from two scrapes.
const PERIOD_MS = 1000;
const DEADLINE_MS = 5000;

// Of a labelled metric over its labels.
export function sum(map, name) {
  let total = map.get(name) ?? 0;
  for (const [key, value] of map) if (key.startsWith(`${name}{`)) total += value;
  return total;
}

// All values of a labelled metric: {"slow": 3, ...}.
export function labelled(map, name) {
  const out = {};
  for (const [key, value] of map) {
    const match = key.startsWith(`${name}{`) ? /="([^"]*)"/.exec(key) : null;
    if (match) out[match[1]] = value;
  }
  return out;
}

// The few numbers of a scrape that a report keeps.
export function reduce(map) {
  return {
    started: map.get('process_start_time_seconds'), cpu_s: map.get('process_cpu_seconds_total'),
    shard_cpu_s: sum(map, 'ws_shard_cpu_microseconds_total') / 1e6, // of the threads that write to clients
    rss: map.get('process_resident_memory_bytes'), clients: sum(map, 'ws_clients'), subscriptions: sum(map, 'ws_subscriptions'),
    choked: sum(map, 'ws_choked_clients'), backlog: sum(map, 'ws_backlog_bytes'), ring: sum(map, 'ws_ring_bytes'),
    writes: sum(map, 'ws_writes_total'), sent: sum(map, 'ws_sent_messages_total'), sent_bytes: sum(map, 'ws_sent_bytes_total'),
    entries: sum(map, 'feed_entries_total'), conflated: sum(map, 'ws_conflated_total'), warnings: sum(map, 'ws_slow_warnings_total'),
  };
}

// What must stay 0 whatever a scenario does to the gateway.
export const mustStayZero = ['md_trades_skipped_total', 'md_mail_refused_total', 'ws_mailbox_overrun_total', 'ws_dropped_total',
  'ws_lost_place_total', 'md_seq_gap_all_total', 'md_crossed_total', 'md_snapshot_mismatch_total', 'md_trade_lost_total'];

export class Sampler {
  constructor(stage, onSample = () => {}) {
    this.stage = stage;
    this.onSample = onSample;
    this.samples = [];
    this.last = null; // the newest whole scrape
  }

  start() {
    this.timer = setInterval(() => this.sample(), PERIOD_MS);
    return this.sample();
  }

  // A gateway that is away (restart) leaves a hole, not an error.
  async sample() {
    if (this.pending) return this.pending;
    this.pending = this.scrape().finally(() => { this.pending = null; });
    return this.pending;
  }

  async scrape() {
    const at = Date.now();
    try {
      const deadline = new Promise((_, reject) => { setTimeout(reject, DEADLINE_MS, new Error('late')).unref(); });
      this.last = await Promise.race([this.stage.metrics(), deadline]);
      this.add({ at: (at + Date.now()) / 2, ...reduce(this.last) });
    } catch {
      this.add({ at, away: true });
    }
    return this.samples.at(-1);
  }

  add(sample) {
    const before = this.samples.at(-1);
    if (before && !before.away && !sample.away && before.started === sample.started) {
      const seconds = (sample.at - before.at) / 1000;
      sample.cpu_percent = ((sample.cpu_s - before.cpu_s) / seconds) * 100;
      sample.sent_per_s = (sample.sent - before.sent) / seconds;
    }
    this.samples.push(sample);
    this.onSample(sample);
  }

  stop() {
    clearInterval(this.timer);
    return this.pending;
  }
}

// Growth of counters between FROM and TO (ms), over every pair of neighbours of one process: a restart does not spoil it.
export function growth(samples, from, to) {
  const total = { seconds: 0, cpu_s: 0, shard_cpu_s: 0, writes: 0, sent: 0, sent_bytes: 0, entries: 0 };
  const inside = samples.filter((s) => s.at >= from && s.at <= to);
  for (let i = 1; i < inside.length; i++) {
    const [a, b] = [inside[i - 1], inside[i]];
    if (a.away || b.away || a.started !== b.started) continue;
    total.seconds += (b.at - a.at) / 1000;
    for (const key of Object.keys(total)) if (key !== 'seconds') total[key] += b[key] - a[key];
  }
  return total;
}

export const present = (samples, from = -Infinity, to = Infinity) => samples.filter((s) => !s.away && s.at >= from && s.at <= to);
