// Prometheus text (version 0.0.4) as the gateway serves it. Pure.

// What stands before a value, taken apart once: thousands of rows say the same in every sample. A text cut out of a sample
// would keep the whole of it in memory, so names and labels are texts of their own.
const KNOWN_MAX = 100000;
const known = new Map(); // 'name{a="b"}' -> {name, labels}
const own = (text) => Array.from(text).join('');

function headOf(text) {
  const brace = text.indexOf('{');
  const labels = {};
  if (brace >= 0) {
    for (const [, key, value] of text.slice(brace + 1, text.lastIndexOf('}')).matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[own(key)] = own(value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c)));
    }
  }
  return { name: own(brace < 0 ? text : text.slice(0, brace)), labels };
}

function knownHead(text) {
  let head = known.get(text);
  if (!head) {
    if (known.size >= KNOWN_MAX) known.clear();
    head = headOf(text);
    known.set(own(text), head);
  }
  return head;
}

// {name: [{labels, value}]}: labels is an object, empty for none. What is as it was in BEFORE (what this gave for an earlier
// sample) is the same object as there: most metrics do not move, and many samples are kept.
export function parseMetrics(text, before) {
  const out = new Map();
  let from = 0;
  while (from < text.length) {
    let end = text.indexOf('\n', from);
    if (end < 0) end = text.length;
    const space = text.charCodeAt(from) === 35 ? -1 : text.lastIndexOf(' ', end - 1);
    if (space > from) put(out, knownHead(text.slice(from, space)), Number(text.slice(space + 1, end)), before);
    from = end + 1;
  }
  if (before) {
    for (const [name, rows] of out) {
      const old = before.get(name);
      if (old?.length === rows.length && rows.every((row, i) => row === old[i])) out.set(name, old);
    }
  }
  return out;
}

function put(out, { name, labels }, value, before) {
  let rows = out.get(name);
  if (!rows) out.set(name, (rows = []));
  const old = before?.get(name)?.[rows.length];
  rows.push(old && old.labels === labels && old.value === value ? old : { labels, value });
}

export function value(metrics, name, labels) {
  const row = metrics?.get(name)?.find((r) => !labels || Object.entries(labels).every(([k, v]) => r.labels[k] === v));
  return row ? row.value : undefined;
}

export function sum(metrics, name) {
  const rows = metrics?.get(name);
  return rows ? rows.reduce((a, r) => a + r.value, 0) : undefined;
}

// What a counter rose by a second between two samples {at (ms), metrics}; undefined without both or after a restart.
export function rate(now, then, name, labels) {
  const read = (m) => (labels ? value(m, name, labels) : sum(m, name));
  const a = read(then?.metrics);
  const b = read(now?.metrics);
  if (a === undefined || b === undefined || b < a || now.at <= then.at) return undefined;
  return ((b - a) * 1000) / (now.at - then.at);
}

// Quantile Q of what a histogram saw between two samples (or since its start): the bucket's upper bound, as is usual.
export function quantile(now, then, name, q) {
  const rows = now?.metrics.get(`${name}_bucket`);
  if (!rows) return undefined;
  const before = new Map((then?.metrics.get(`${name}_bucket`) ?? []).map((r) => [r.labels.le, r.value]));
  const buckets = rows.map((r) => ({ le: r.labels.le === '+Inf' ? Infinity : Number(r.labels.le), n: r.value - (before.get(r.labels.le) ?? 0) }))
    .sort((a, b) => a.le - b.le);
  const all = buckets.at(-1).n;
  if (!(all > 0)) return undefined;
  return buckets.find((b) => b.n >= q * all).le;
}

// The largest bound of a histogram that is a number.
export const lastBound = (now, name) => Math.max(...(now?.metrics.get(`${name}_bucket`) ?? []).map((r) => Number(r.labels.le)).filter(Number.isFinite));
