// Prometheus text (version 0.0.4) as the gateway serves it. Pure.

// {name: [{labels, value}]}: labels is an object, empty for none.
export function parseMetrics(text) {
  const out = new Map();
  let from = 0;
  while (from < text.length) {
    let end = text.indexOf('\n', from);
    if (end < 0) end = text.length;
    if (text.charCodeAt(from) !== 35 && end > from) parseLine(text.slice(from, end), out);
    from = end + 1;
  }
  return out;
}

function parseLine(line, out) {
  const brace = line.indexOf('{');
  const space = line.lastIndexOf(' ');
  if (space <= 0) return;
  const name = line.slice(0, brace < 0 ? space : brace);
  const labels = {};
  if (brace >= 0) {
    for (const [, key, value] of line.slice(brace + 1, line.lastIndexOf('}')).matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
      labels[key] = value.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
    }
  }
  const rows = out.get(name);
  const row = { labels, value: Number(line.slice(space + 1)) };
  if (rows) rows.push(row);
  else out.set(name, [row]);
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
