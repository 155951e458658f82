// load/RESULTS.md: the part between two marks is made from measurements. Rows of scenarios that were not measured this
// time stay as they are; a scenario never measured says so.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { machineText } from './machine.mjs';
import { loadDir } from './options.mjs';
import { loadScenario, scenarioNames } from './scenario.mjs';
import { formatHeadline } from './table.mjs';

const file = path.join(loadDir, 'RESULTS.md');
const BEGIN = '<!-- measured: made by load/run.mjs --record, do not edit -->';
const END = '<!-- end of measured -->';
const head = `| scenario | figure | median (least to most) | runs | date | commit | machine | command |
|---|---|---|---|---|---|---|---|`;
const preface = `# Results

Medians of what \`load/run.mjs\` measured; how, is in [README.md](README.md). One row is one figure of a scenario in
\`load/scenarios/\`. To measure all again: \`node load/run.mjs --all --runs 5 --record\` on a machine that does nothing else.
`;

const cell = (text) => String(text).replaceAll('|', '\\|');
const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;

function measuredRows(scenario, m) {
  const command = `\`node load/run.mjs ${scenario.name} --runs ${scenario.asked}\``;
  const failed = scenario.failures.length > 0 ? `, ${new Set(scenario.failures.map((f) => f.run)).size} failed` : '';
  const where = [m.date.slice(0, 10), m.commit, machineText(m), command];
  return scenario.headline.map((h) => line([scenario.name, h.label, formatHeadline(h), `${scenario.runs}${failed}`, ...where]));
}

function emptyRow(name) {
  return loadScenario(name, { scale: 1, seconds: null }).headline
    .map((h) => line([name, h.label, 'not measured', '', '', '', '', `\`node load/run.mjs ${name} --runs 5\``]));
}

// Rows by scenario as they stand in the file.
function oldRows(text) {
  const rows = new Map();
  const table = text.includes(BEGIN) ? text.slice(text.indexOf(BEGIN), text.indexOf(END)) : '';
  for (const row of table.split('\n').slice(1)) {
    const name = /^\| ([\w-]+) \|/.exec(row)?.[1];
    if (name && name !== 'scenario') rows.set(name, [...(rows.get(name) ?? []), row]);
  }
  return rows;
}

export function record(results) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : `${preface}\n${BEGIN}\n${END}\n`;
  const old = oldRows(text);
  const fresh = new Map(results.scenarios.filter((s) => s.runs > 0).map((s) => [s.name, measuredRows(s, results.machine)]));
  const rows = scenarioNames().flatMap((name) => fresh.get(name) ?? old.get(name) ?? emptyRow(name));
  const [before, after] = [text.slice(0, text.indexOf(BEGIN)), text.slice(text.indexOf(END))];
  writeFileSync(file, `${before}${BEGIN}\n\n${head}\n${rows.join('\n')}\n\n${after}`);
  return 'load/RESULTS.md';
}
