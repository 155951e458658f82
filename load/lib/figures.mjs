// Figures of a part from what was sampled, their medians over runs, and the headlines of a scenario.
import { growth, present } from './metrics.mjs';

const MIB = 2 ** 20;
const sumOf = (object) => Object.values(object ?? {}).reduce((a, b) => a + b, 0);
const ratio = (a, b) => (b > 0 ? a / b : null);

export function median(list) {
  const sorted = list.filter((x) => x !== null && x !== undefined && Number.isFinite(x)).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// What the clients saw.
function clientFigures(r) {
  if (!r) return {};
  const ms = (hist, key) => (hist?.count > 0 ? hist[key] / 1000 : null);
  const l = r.latency_us;
  return {
    opened: r.opened, connects_per_s: ratio(r.opened, r.connect_all_us / 1e6), connect_p50_ms: ms(r.connect_us, 'p50'),
    connect_p99_ms: ms(r.connect_us, 'p99'), messages_per_s: r.messages_per_s ?? 0,
    client_messages_per_s: ratio(r.messages_per_s, r.opened), mbit_per_s: ((r.bytes_per_s ?? 0) * 8) / 1e6,
    p50_ms: ms(l, 'p50'), p99_ms: ms(l, 'p99'), p999_ms: ms(l, 'p99_9'), max_ms: ms(l, 'max'),
    stalled: r.stall.sessions, stall_to_close_p50_s: r.stall.to_close_us.count > 0 ? r.stall.to_close_us.p50 / 1e6 : null,
    evict_told: sumOf(r.resume.last_close), slow_warnings: r.slow_warnings, closes: sumOf(r.closes), reconnects: r.resume.reconnects,
    resumed: r.resume.resumed, not_resumed: r.resume.not_resumed, not_back: r.resume.not_back,
    first_data_p50_s: r.resume.first_data_us.count > 0 ? r.resume.first_data_us.p50 / 1e6 : null,
    first_data_max_s: r.resume.first_data_us.count > 0 ? r.resume.first_data_us.max / 1e6 : null,
    breaks: r.breaks + r.book_updates_before_snapshot, trade_gaps: r.trades.trade_gaps, trade_duplicates: r.trades.duplicates,
    trades: r.trades.received, churned: r.churn.opened, churn_connect_p99_ms: ms(r.churn.connect_us, 'p99'),
  };
}

// What the gateway said of itself in the window.
function gatewayFigures(run) {
  const inside = present(run.samples, ...run.window);
  const grown = growth(run.samples, ...run.window);
  if (inside.length === 0) return {};
  const [first, last, base] = [inside[0], inside.at(-1), run.samples.find((s) => !s.away)];
  const most = (key) => Math.max(...inside.map((s) => s[key]));
  return {
    cpu_percent: grown.seconds > 0 ? (grown.cpu_s / grown.seconds) * 100 : null, rss_mib: most('rss') / MIB,
    rss_growth_mib: (most('rss') - first.rss) / MIB, backlog_kib: most('backlog') / 1024, choked: most('choked'),
    clients: last.clients, subscriptions: last.subscriptions, ring_kib: last.ring / 1024, conflated: last.conflated - first.conflated,
    messages_per_core_s: ratio(grown.sent, grown.cpu_s), us_per_write: ratio(grown.cpu_s * 1e6, grown.writes),
    shard_us_per_write: ratio(grown.shard_cpu_s * 1e6, grown.writes), shard_cpu_percent: grown.seconds > 0 ? (grown.shard_cpu_s / grown.seconds) * 100 : null,
    messages_per_write: ratio(grown.sent, grown.writes), feed_per_s: ratio(grown.entries, grown.seconds),
    // Rings belong to streams, which all clients share: they are no cost of a client.
    bytes_per_client: ratio(last.rss - base.rss - (last.ring - base.ring), last.clients),
    growth_less_rings: last.rss - first.rss - (last.ring - first.ring),
  };
}

// Evictions by the gateway's own word: a client whose socket is full hears of it late.
function evictionFigures(run) {
  const times = (run.evicted ?? []).map((at) => (at - run.window[0]) / 1000);
  return { evictions: run.finals.reduce((n, f) => n + (f.closes.SLOW_CONSUMER ?? 0), 0), evict_p50_s: median(times),
    evict_max_s: times.length > 0 ? Math.max(...times) : null };
}

function eventFigures(run) {
  const at = (label) => run.events.find((e) => e.label === label)?.at;
  const [term, started, back] = [at('SIGTERM'), at('started'), at('all back')];
  return { away_s: term && started ? (started - term) / 1000 : null, back_s: term && back ? (back - term) / 1000 : null,
    back_after_start_s: started && back ? (back - started) / 1000 : null };
}

export function figuresOf(run, sessions) {
  if (!run.window) return { sessions };
  const f = { sessions, ...clientFigures(run.report), ...gatewayFigures(run), ...evictionFigures(run), ...eventFigures(run) };
  f.bytes_per_stalled = f.stalled > 0 ? ratio(f.growth_less_rings, f.stalled) : null;
  if (run.ceiling) {
    f.ceiling_us = run.ceiling.cpu_us_per_flush;
    f.flush_ratio = ratio(f.us_per_write, f.ceiling_us);
    f.shard_ratio = ratio(f.shard_us_per_write, f.ceiling_us);
    f.flush_bytes = run.ceiling.bytes;
  }
  return f;
}

// {figure: {median, min, max}} of several runs of a part.
export function summarize(list) {
  const out = {};
  for (const key of new Set(list.flatMap(Object.keys))) {
    const values = list.map((f) => f[key]).filter((x) => Number.isFinite(x));
    if (values.length > 0) out[key] = { median: median(values), min: Math.min(...values), max: Math.max(...values) };
  }
  return out;
}

// "PART.figure" in the figures of one run, by part.
function pick(figures, name) {
  const dot = name.lastIndexOf('.');
  return figures[name.slice(0, dot)]?.[name.slice(dot + 1)] ?? null;
}

function headlineValue(h, figures) {
  if (h.value) return pick(figures, h.value);
  const [a, b] = (h.ratio ?? h.difference).map((name) => pick(figures, name));
  if (a === null || b === null) return null;
  return h.ratio ? ratio(a, b) : (a - b) / (h.per ?? 1);
}

// RUNS: for each run of a scenario the figures by part. A headline is the median over runs of what each run gives.
export function headlines(scenario, runs) {
  return scenario.headline.map((h) => {
    const values = runs.map((figures) => headlineValue(h, figures)).filter((x) => x !== null && Number.isFinite(x));
    return { label: h.label, unit: h.unit ?? '', digits: h.digits ?? 1, value: median(values), runs: values.length,
      min: values.length > 0 ? Math.min(...values) : null, max: values.length > 0 ? Math.max(...values) : null };
  });
}
