// Numbers as people read them, and the table on the terminal.
const MIB = 2 ** 20;

export function format(value, digits = 1) {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function formatBytes(value) {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= MIB) return `${format(value / MIB, 1)} MiB`;
  return Math.abs(value) >= 1024 ? `${format(value / 1024, 1)} KiB` : `${format(value, 0)} B`;
}

export function formatHeadline(h) {
  if (h.value === null) return 'not measured';
  const text = h.unit === 'bytes' ? formatBytes(h.value) : `${format(h.value, h.digits)}${h.unit ? ` ${h.unit}` : ''}`;
  if (h.runs < 2) return text;
  const bound = (x) => (h.unit === 'bytes' ? formatBytes(x) : format(x, h.digits));
  return `${text} (${bound(h.min)} to ${bound(h.max)})`;
}

// Columns of a part's figures: on the terminal, in the report and in RESULTS.md.
export const columns = [
  { key: 'sessions', head: 'sessions', digits: 0 },
  { key: 'messages_per_s', head: 'msg/s', digits: 0 },
  { key: 'p50_ms', head: 'p50 ms', digits: 2 },
  { key: 'p99_ms', head: 'p99 ms', digits: 2 },
  { key: 'p999_ms', head: 'p99.9 ms', digits: 2 },
  { key: 'max_ms', head: 'max ms', digits: 2 },
  { key: 'cpu_percent', head: 'CPU %', digits: 1 },
  { key: 'rss_mib', head: 'RSS MiB', digits: 1 },
  { key: 'backlog_kib', head: 'backlog KiB', digits: 0 },
  { key: 'evictions', head: 'evicted', digits: 0 },
  { key: 'resumed', head: 'resumed', digits: 0 },
  { key: 'breaks', head: 'breaks', digits: 0 },
];

export function partCells(part) {
  return columns.map((c) => format(part.figures[c.key]?.median, c.digits));
}

export const partLabel = (scenario, part) => (scenario.parts.length === 1 ? '' : part.name);

function aligned(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const pad = (cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]));
  return rows.map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}

export function tableText(results) {
  const rows = [['scenario', '', ...columns.map((c) => c.head)]];
  for (const scenario of results.scenarios) {
    for (const part of scenario.parts) rows.push([scenario.name, partLabel(scenario, part), ...partCells(part)]);
  }
  const facts = results.scenarios.flatMap((s) => s.headline.map((h) => [s.name, h.label, formatHeadline(h)]));
  return `${aligned(rows)}\n\n${aligned(facts)}\n`;
}

export function failureText(results) {
  return results.scenarios.flatMap((s) => s.failures.map((f) =>
    `FAILED ${s.name}${s.parts.length > 1 ? ` / ${f.part}` : ''}, run ${f.run}: ${f.what}\n       look at: ${f.look}\n`)).join('');
}
