// Line and bar charts as inline SVG: no script, colours from CSS variables, values in <title> tooltips.
import { format } from './table.mjs';

const W = 380;
const H = 170;
const BOX = { left: 46, right: 10, top: 22, bottom: 20 };
const plotW = W - BOX.left - BOX.right;
const plotH = H - BOX.top - BOX.bottom;
const LOG_FROM_RATIO = 40; // a wider range than this is drawn on a logarithmic axis, where that is allowed

export const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const r1 = (x) => Math.round(x * 10) / 10;

export function compact(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${format(value / 1e6, size < 1e7 ? 1 : 0)}M`;
  if (size >= 1e4) return `${format(value / 1e3, 0)}k`;
  if (size >= 100 || Number.isInteger(value)) return format(value, 0);
  return format(value, size >= 10 ? 1 : 2).replace(/\.?0+$/, '');
}

// 0 and three to five round steps up to MAX.
function linearTicks(max) {
  const raw = max / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw) * power;
  return Array.from({ length: Math.ceil(max / step - 1e-9) + 1 }, (_, i) => i * step);
}

function logTicks(min, max) {
  const out = [];
  for (let e = Math.floor(Math.log10(min)); e <= Math.ceil(Math.log10(max)); e++) out.push(10 ** e);
  return out;
}

function valueAxis(values, allowLog) {
  const positive = values.filter((v) => v > 0);
  const [min, max] = [Math.min(...positive), Math.max(...positive)];
  if (allowLog && max / min > LOG_FROM_RATIO) {
    const ticks = logTicks(min, max);
    const [low, span] = [Math.log10(ticks[0]), Math.log10(ticks.at(-1)) - Math.log10(ticks[0])];
    return { ticks, log: true, y: (v) => BOX.top + plotH * (1 - (Math.log10(Math.max(v, ticks[0])) - low) / span) };
  }
  const ticks = linearTicks(max);
  return { ticks, log: false, y: (v) => BOX.top + plotH * (1 - v / ticks.at(-1)) };
}

const text = (x, y, what, anchor = 'middle', kind = 'tick') =>
  `<text class="${kind}" x="${r1(x)}" y="${r1(y)}" text-anchor="${anchor}">${escape(what)}</text>`;

function frame(axis) {
  return axis.ticks.map((t) => {
    const y = r1(axis.y(t));
    return `<path class="grid" d="M${BOX.left} ${y}H${W - BOX.right}"/>${text(BOX.left - 6, y + 3.5, compact(t), 'end')}`;
  }).join('');
}

function timeAxis(from, to) {
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find((s) => (to - from) / s <= 8) ?? 7200;
  const x = (t) => BOX.left + (plotW * (t - from)) / (to - from || 1);
  const ticks = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) ticks.push(t);
  const labels = ticks.map((t, i) => text(x(t), H - 5, i === ticks.length - 1 ? `${t} s` : t));
  return { x, labels: labels.join('') };
}

// A line has holes where a point is null (a gateway that is away).
function path(points, x, y) {
  let pen = 'M';
  let out = '';
  for (const [t, v] of points) {
    if (v === null || v === undefined) {
      pen = 'M';
      continue;
    }
    out += `${pen}${r1(x(t))} ${r1(y(v))}`;
    pen = 'L';
  }
  return out;
}

const lineOf = (line, x, y) => `<path class="line c${line.colour}${line.faint ? ' faint' : ''}" d="${path(line.points, x, y)}"/>`;

const column = (kind, x, width, tip) =>
  `<rect class="${kind}" x="${r1(x)}" y="${BOX.top}" width="${r1(width)}" height="${plotH}"><title>${escape(tip)}</title></rect>`;

function band(window, x) {
  if (!window) return '';
  const [a, b] = window.map((t) => Math.min(W - BOX.right, Math.max(BOX.left, x(t))));
  return column('window', a, b - a, 'measured');
}

// Labels that would run into the one before are left to the tooltip.
function marks(events, x) {
  let free = -Infinity;
  return events.map(({ t, label }) => {
    const at = r1(x(t));
    const shown = at > free;
    if (shown) free = at + label.length * 5.5 + 4;
    const tip = `<title>${escape(label)}, ${format(t, 1)} s</title>`;
    return `<line class="event" x1="${at}" x2="${at}" y1="${BOX.top}" y2="${BOX.top + plotH}">${tip}</line>`
      + (shown ? text(at + 3, BOX.top + 9, label, 'start', 'mark') : '');
  }).join('');
}

// One invisible column per point of the first line; its tooltip tells all lines at that time.
function tooltips(lines, x, unit) {
  const main = lines.filter((l) => !l.faint);
  const times = main[0]?.points.map(([t]) => t) ?? [];
  const closer = (t) => (best, p) => (Math.abs(p[0] - t) < Math.abs(best[0] - t) ? p : best);
  const shown = (line, t) => {
    const value = line.points.reduce(closer(t), line.points[0] ?? [t, null])[1];
    return value === null ? '–' : `${compact(value)} ${unit}`;
  };
  const width = plotW / Math.max(1, times.length);
  return times.map((t) => {
    const tip = main.map((l) => `${l.name}: ${shown(l, t)}`).join('\n');
    return column('hit', x(t) - width / 2, width, `${format(t, 0)} s\n${tip}`);
  }).join('');
}

function legend(lines) {
  const names = lines.filter((l) => !l.faint);
  if (names.length < 2) return '';
  return `<span class="legend">${names.map((l) => `<i class="key c${l.colour}"></i>${escape(l.name)}`).join(' ')}</span>`;
}

function figure(title, unit, legendHtml, svg) {
  const small = unit ? ` <small>${escape(unit)}</small>` : '';
  return `<figure><figcaption><b>${escape(title)}</b>${small}${legendHtml}</figcaption>${svg}</figure>`;
}

const svg = (body, label, height = H) => `<svg viewBox="0 0 ${W} ${height}" role="img" aria-label="${escape(label)}">${body}</svg>`;

// {title, unit, log, lines: [{name, colour, faint, points: [[seconds, value|null]]}], window: [from, to], events: [{t, label}]}
export function lineChart(chart) {
  const values = chart.lines.flatMap((l) => l.points.map(([, v]) => v)).filter((v) => Number.isFinite(v));
  const times = chart.lines.flatMap((l) => l.points.map(([t]) => t));
  if (values.length === 0) return '';
  if (Math.max(...values) <= 0) return figure(chart.title, chart.unit, '', `<p class="nothing">0 throughout</p>`);
  const axis = valueAxis(values, chart.log);
  const { x, labels } = timeAxis(Math.min(0, ...times), Math.max(...times));
  const order = [...chart.lines.filter((l) => l.faint), ...chart.lines.filter((l) => !l.faint)];
  const lines = order.map((l) => lineOf(l, x, axis.y)).join('');
  const body = band(chart.window, x) + frame(axis) + labels + lines + marks(chart.events ?? [], x) + tooltips(chart.lines, x, chart.unit);
  return figure(chart.title, `${chart.unit}${axis.log ? ', log' : ''}`, legend(chart.lines), svg(body, chart.title));
}

// {title, unit, series: [names], groups: [{label, values: [number|null]}], show: value => text}
export function barChart({ title, unit, series, groups, show = (v) => compact(v) }) {
  const values = groups.flatMap((g) => g.values).filter((v) => v > 0);
  if (values.length === 0) return '';
  const axis = valueAxis(values, false);
  const slot = plotW / groups.length;
  const width = Math.min(46, (slot * 0.7) / series.length);
  const bars = groups.map((g, i) => {
    const middle = BOX.left + slot * (i + 0.5);
    const own = g.values.map((v, k) => {
      if (!(v > 0)) return '';
      const left = middle + width * (k - series.length / 2);
      const top = axis.y(v);
      return `<path class="bar c${k + 1}" d="M${r1(left + 1)} ${r1(top)}h${r1(width - 2)}V${BOX.top + plotH}h${r1(2 - width)}z"/>`
        + text(left + width / 2, top - 4, show(v), 'middle', 'value');
    }).join('');
    return own + text(middle, H - 5, g.label);
  }).join('');
  const names = series.length < 2 ? '' : legend(series.map((name, k) => ({ name, colour: k + 1 })));
  return figure(title, unit, names, svg(frame(axis) + bars, title));
}
