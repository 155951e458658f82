// The report: one HTML file that needs nothing else. Charts are of the run in the middle; other runs are drawn faint.
import { barChart, escape, lineChart } from './chart.mjs';
import { machineText } from './machine.mjs';
import { style } from './style.mjs';
import { columns, format, formatBytes, formatHeadline, partCells } from './table.mjs';

const MIB = 2 ** 20;
const COLOURS = 5;

// The run whose p99 (else CPU) is the median one: the one to look at.
function middleRun(part) {
  const key = part.figures.p99_ms ? 'p99_ms' : 'cpu_percent';
  const order = part.runs.filter((run) => run.window).sort((a, b) => (a.figures[key] ?? 0) - (b.figures[key] ?? 0));
  return order[Math.floor((order.length - 1) / 2)] ?? part.runs[0];
}

const originOf = (run) => run.report?.start_unix_ms ?? run.samples.find((s) => !s.away)?.at ?? 0;
const fromClient = (key, scale = 1) => (run) => (run.report?.series ?? []).map((s) => [s.t, s[key] / scale]);
// Latency while nothing arrives is 0 in the series: a hole, not a value.
const latencyOf = (key) => (run) => (run.report?.series ?? []).map((s) => [s.t, s[key] > 0 ? s[key] / 1000 : null]);
const fromGateway = (key, scale = 1) => (run) => run.samples.filter((s) => s.away || s[key] !== undefined)
  .map((s) => [(s.at - originOf(run)) / 1000, s.away ? null : s[key] / scale]);

const panels = [
  { title: 'Latency', unit: 'ms', log: true, many: latencyOf('p99_us'), manyTitle: 'Latency, p99',
    one: [['p50', latencyOf('p50_us')], ['p99', latencyOf('p99_us')], ['max', latencyOf('max_us')]] },
  { title: 'Messages received by the clients', unit: '/s', many: fromClient('messages_per_s') },
  { title: 'CPU of the gateway', unit: '%', many: fromGateway('cpu_percent') },
  { title: 'Resident memory', unit: 'MiB', many: fromGateway('rss', MIB) },
  { title: 'Backlog of slow clients', unit: 'KiB', many: fromGateway('backlog', 1024) },
  { title: 'Choked clients', unit: '', many: fromGateway('choked') },
  { title: 'Clients', unit: '', many: fromGateway('clients') },
  { title: 'Rings of past frames', unit: 'MiB', many: fromGateway('ring', MIB) },
];

function linesOf(panel, parts) {
  const wanted = parts.length === 1 && panel.one ? panel.one.map(([name, read]) => [name, parts[0], read])
    : parts.map((part) => [part.name, part, panel.many]);
  return wanted.flatMap(([name, part, read], i) => {
    const colour = (i % COLOURS) + 1;
    const middle = middleRun(part);
    return part.runs.filter((run) => run.samples).map((run) => ({ name, colour, faint: run !== middle, points: read(run) }));
  });
}

function chartsOf(scenario) {
  const run = middleRun(scenario.parts.at(-1));
  const origin = run ? originOf(run) : 0;
  const seconds = (ms) => (ms - origin) / 1000;
  const shared = run?.window && scenario.parts.length === 1 ? { window: run.window.map(seconds) } : {};
  const events = (run?.events ?? []).map((e) => ({ t: seconds(e.at), label: e.label }));
  return panels.map((panel) => lineChart({ ...shared, events, ...panel,
    title: scenario.parts.length > 1 && panel.manyTitle ? panel.manyTitle : panel.title, lines: linesOf(panel, scenario.parts) })).join('');
}

function barsOf(scenario) {
  if (!scenario.bars) return '';
  const figures = Object.fromEntries(scenario.parts.map((part) => [part.name, part.figures]));
  const value = (name) => figures[name.slice(0, name.lastIndexOf('.'))]?.[name.slice(name.lastIndexOf('.') + 1)]?.median ?? null;
  const { title, unit, series, groups } = scenario.bars;
  const bytes = unit === 'bytes';
  const bars = groups.map((g) => ({ label: g.label, values: g.values.map((name) => (bytes ? value(name) / 1024 : value(name))) }));
  return barChart({ title, unit: bytes ? 'KiB' : unit, series, groups: bars, show: (v) => format(v, 1) });
}

const row = ([head, ...cells]) => `<tr><th scope="row">${head}</th>${cells.map((c) => `<td>${c}</td>`).join('')}</tr>`;

function summaryTable(scenario) {
  const head = `<tr><th></th>${columns.map((c) => `<th>${c.head}</th>`).join('')}</tr>`;
  const body = scenario.parts.map((part) => row([escape(scenario.parts.length === 1 ? 'all clients' : part.name), ...partCells(part)]));
  return `<div class="scroll"><table class="figures"><thead>${head}</thead><tbody>${body.join('')}</tbody></table></div>`;
}

function tiles(scenario) {
  return `<dl class="tiles">${scenario.headline.map((h) => {
    const unit = h.unit === 'bytes' ? '' : h.unit;
    const value = h.unit === 'bytes' ? formatBytes(h.value) : format(h.value, h.digits);
    const small = unit ? ` <small>${escape(unit)}</small>` : '';
    const range = h.runs > 1 ? `<span class="range">${escape(formatHeadline(h).replace(/^[^(]*\(|\)$/g, ''))}</span>` : '';
    return `<div><dt>${escape(h.label)}</dt><dd>${escape(value)}${small}${range}</dd></div>`;
  }).join('')}</dl>`;
}

// What was counted by code, cause or reason, over all runs of a part.
function counted(part) {
  const sources = [['closes of readers', (r) => r.closes], ['closes of stalled', (r) => r.stalled.closes],
    ['told as last_close', (r) => r.resume.last_close], ['not resumed, why', (r) => r.resume.why], ['messages', (r) => r.channels]];
  return sources.map(([name, read]) => {
    const sum = {};
    for (const { report } of part.runs.filter((run) => run.report)) {
      for (const [key, n] of Object.entries(read(report) ?? {})) sum[key] = (sum[key] ?? 0) + n;
    }
    return [name, Object.entries(sum).map(([key, n]) => `${escape(key)} × ${format(n, 0)}`).join(', ')];
  }).filter(([, text]) => text !== '');
}

function allFigures(part) {
  const digits = (v) => (Math.abs(v) >= 1000 || Number.isInteger(v) ? 0 : 2);
  const rows = Object.entries(part.figures).map(([key, f]) => row([key, format(f.median, digits(f.median)),
    f.min === f.max ? '' : `${format(f.min, digits(f.min))} to ${format(f.max, digits(f.max))}`]));
  const head = '<thead><tr><th>figure</th><th>median</th><th>least to most</th></tr></thead>';
  return `<table class="figures">${head}<tbody>${rows.join('')}</tbody></table>`;
}

function details(scenario) {
  return scenario.parts.map((part) => {
    const { name, ...settings } = part.settings;
    const counts = counted(part).map((cells) => row(cells)).join('');
    const text = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join('\n');
    return `<details><summary>${escape(scenario.parts.length === 1 ? '' : `${name}: `)}configuration and all figures</summary>
<div class="columns"><div><h4>Configuration</h4><pre>${escape(text)}</pre>
${counts ? `<h4>Counted, all runs</h4><table class="counts">${counts}</table>` : ''}</div>
<div><h4>Figures</h4>${allFigures(part)}</div></div></details>`;
  }).join('\n');
}

function failures(scenario) {
  if (scenario.failures.length === 0) return '';
  const items = scenario.failures.map((f) => {
    const where = `${scenario.parts.length > 1 ? `${f.part}, ` : ''}run ${f.run}`;
    return `<li><b>${escape(where)}:</b> ${escape(f.what)}<br><small>look at: ${escape(f.look)}</small></li>`;
  });
  return `<ul class="failures">${items.join('')}</ul>`;
}

function verdict(scenario) {
  if (scenario.runs === 0) return '<span class="badge none">not measured</span>';
  return scenario.failures.length === 0 ? '<span class="badge ok">holds</span>' : '<span class="badge bad">fails</span>';
}

function section(scenario) {
  const runs = `${scenario.runs} ${scenario.runs === 1 ? 'run' : 'runs'}`;
  const charts = () => `<div class="charts">${barsOf(scenario)}${chartsOf(scenario)}</div>`;
  const body = scenario.runs === 0 ? '' : tiles(scenario) + summaryTable(scenario) + charts() + details(scenario);
  return `<section id="${escape(scenario.name)}">
<header><h2>${escape(scenario.title)} <code>${escape(scenario.name)}</code></h2>${verdict(scenario)}
<span class="runs">${runs}</span></header>
<p>${escape(scenario.description)}</p><p class="asserts">Must hold: ${escape(scenario.asserts)}</p>
${failures(scenario)}${body}</section>`;
}

function overview(results) {
  const value = (h) => (h.unit === 'bytes' ? formatBytes(h.value) : `${format(h.value, h.digits)} ${h.unit}`);
  const fact = (h) => `<span class="fact"><b>${escape(value(h))}</b> ${escape(h.label)}</span>`;
  const rows = results.scenarios.map((s) => row([`<a href="#${escape(s.name)}">${escape(s.title)}</a>`, verdict(s),
    s.headline.slice(0, 3).map(fact).join('')]));
  return `<table class="overview"><tbody>${rows.join('')}</tbody></table>`;
}

export function reportHtml(results) {
  const m = results.machine;
  const facts = [['commit', m.commit], ['date', `${m.date} UTC`], ['machine', machineText(m)], ['command', results.command]];
  if (results.scale !== 1) facts.push(['scale', `${results.scale}: not the sessions of the scenarios`]);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis, load report ${escape(m.commit)}</title><style>${style}</style></head><body><main>
<h1>Portcullis <span>load report</span></h1>
<dl class="facts">${facts.map(([k, v]) => `<div><dt>${k}</dt><dd>${escape(v)}</dd></div>`).join('')}</dl>
${overview(results)}
${results.scenarios.map(section).join('\n')}
<footer>Latency is from the feed entry's own time to its receipt by a client. CPU is of the whole gateway process, 100 % is one core.
Figures are medians over the runs, the range beside them is the least and the most; charts show the run in the middle, other runs faintly.
The shaded time is the measured one.</footer>
</main></body></html>
`;
}
