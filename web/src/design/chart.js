// Lines over time or price (uPlot, loaded when the first chart is), with the same numbers as a table behind a toggle.
import { palette } from '../data/settings.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { State } from './parts.js';

let library;
export const loadPlot = () => (library ??= import('uplot').then((m) => m.default));

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function axes(format, formatX) {
  const line = { stroke: colour('line'), width: 1 };
  const text = { stroke: colour('muted'), font: `11px ${getComputedStyle(document.body).fontFamily}` };
  return [
    { ...text, grid: { show: false }, ticks: { ...line, size: 4 }, size: 26, ...(formatX ? { values: (_, v) => v.map(formatX) } : {}) },
    { ...text, grid: line, ticks: { show: false }, size: 54, values: (_, v) => v.map((x) => (x === null ? '' : format(x))) },
  ];
}

const two = (n) => String(n).padStart(2, '0');
const clock = (s) => {
  const d = new Date(s * 1000);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
};

function optionsFor(size, { series, format, formatX, stepped, Plot, least }) {
  return {
    ...size, tzDate: (ts) => new Date(ts * 1000), legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { drag: { x: false, y: false }, points: { size: 5 } },
    scales: { x: { time: false }, y: { range: (_, min, max) => [0, Math.max(max * 1.12, Number(least))] } },
    axes: axes(format, formatX ?? clock),
    series: [{}, ...series.map((s) => ({
      label: s.name, stroke: colour(s.colour), width: 1.5, points: { show: false },
      fill: s.fill ? `${colour(s.colour)}22` : undefined, paths: stepped ? Plot.paths.stepped({ align: s.align ?? 1 }) : undefined,
    }))],
  };
}

// SERIES: {name, colour (token), fill, idle (text while nothing is pointed at)}; DATA: [xs, ys...]; FORMAT(y), FORMATX(x);
// LEAST: the scale of y reaches so far at least.
export function Chart({ label, series, data, format = String, formatX, stepped, least = 1 }) {
  const box = useRef();
  const plot = useRef();
  const [asTable, setAsTable] = useState(false);
  const [at, setAt] = useState(null);
  const colours = palette.value;
  const enough = data[0].length > 1;
  const latest = useRef();
  latest.current = data;

  useEffect(() => {
    if (asTable || !enough) return undefined;
    let gone = false;
    let sizes;
    loadPlot().then((Plot) => {
      if (gone) return;
      const size = () => ({ width: box.current.clientWidth, height: box.current.clientHeight });
      const options = optionsFor(size(), { series, format, formatX, stepped, Plot, least });
      options.hooks = { setCursor: [(u) => setAt(u.cursor.idx ?? null)] };
      plot.current = new Plot(options, latest.current, box.current);
      sizes = new ResizeObserver(() => { if (box.current) plot.current?.setSize(size()); });
      sizes.observe(box.current);
    });
    return () => {
      gone = true;
      sizes?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [asTable, enough, colours, label]);
  useEffect(() => { plot.current?.setData(data); }, [data]);

  const index = at ?? data[0].length - 1;
  const x = formatX ?? clock;
  const text = (v) => (v === undefined || v === null ? '–' : format(v));
  return html`<div class="chart">
    <div class="legend">
      ${series.map((s, i) => html`<span><i class="swatch" style=${{ background: `var(--${s.colour})` }}></i>${s.name} <b>${at === null && s.idle ? s.idle : text(data[i + 1][index])}</b></span>`)}
      ${enough && !(at === null && series[0].idle) && html`<span class="at">${x(data[0][index])}</span>`}
      <button type="button" class="btn quiet small" aria-pressed=${String(asTable)} onClick=${() => setAsTable(!asTable)}>${asTable ? 'Chart' : 'Table'}</button>
    </div>
    ${!enough ? html`<${State} icon="wait" title="Collecting">The first points appear after a few seconds.<//>`
    : asTable ? html`<${Numbers} label=${label} series=${series} data=${data} format=${format} x=${x} />`
    : html`<div class="plot" ref=${box} role="img" aria-label=${`${label}: chart; the Table button shows its numbers`}></div>`}
  </div>`;
}

function Numbers({ label, series, data, format, x }) {
  const rows = data[0].map((_, i) => i).reverse().slice(0, 200);
  return html`<div class="scroll as-table" tabindex="0" role="region" aria-label=${`${label}, numbers`}><table class="grid">
    <caption class="sr">${label}</caption>
    <thead><tr><th scope="col">at</th>${series.map((s) => html`<th scope="col" class="num">${s.name}</th>`)}</tr></thead>
    <tbody>${rows.map((i) => html`<tr key=${i}><th scope="row">${x(data[0][i])}</th>${series.map((_, k) => html`<td class="num">${data[k + 1][i] === null || data[k + 1][i] === undefined ? '–' : format(data[k + 1][i])}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
