#!/usr/bin/env node
// What the dashboard costs its user: see --help.
import { writeFileSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { firstScreenBytes, marketOf, measureFrames, measureLoads, SCREENS, Theatre, unable } from './lib/dashboard.mjs';
import { describeMachine, machineText } from './lib/machine.mjs';
import { Advice, loadDir } from './lib/options.mjs';
import { sampleText, soak, verdictOf } from './lib/soak.mjs';
import { format, formatBytes } from './lib/table.mjs';

const usage = `load/dashboard.mjs - the dashboard in a real browser on a real gateway: bytes, first paint, live data, frames; or a soak

usage: node load/dashboard.mjs [options]                 (default: five runs, about three minutes)
       node load/dashboard.mjs --soak MINUTES [options]

  --runs N          looks at each screen and passes through the symbols; figures are medians (default 5)
  --seconds S       each pass scrolls so long (default 10)
  --market WORD     recorded or synthetic (default: recorded where the recordings are, see docs/RECORDINGS.md)
  --soak MINUTES    instead of all that: the dashboard runs on live data for so long; each minute, after collecting garbage, the page's
                    heap, nodes and listeners and the gateway's memory; at the end what grows in the second half
  --snapshots DIR   of a soak: the page's heap at half time and at the end, to be compared in chromium (Memory)
  --note TEXT       a remark on the machine, for the record ("shared with builds")
  --json FILE       the figures as JSON into FILE; "-": standard output instead of the table
  --record          writes the table into load/RESULTS.md
  --help

It starts a Redis, a PostgreSQL, a gateway, a feeder and a chromium of its own on loopback, at free ports, in a temporary folder, and
ends them. 1,695 symbols: those of data set D, or as many made up. Needs build/ (or PORTCULLIS_BUILD), web/dist and chromium:
  cmake -S . -B build -G Ninja && cmake --build build --target portcullis feeder
  npm ci --prefix web && node web/build.mjs
Exit status: 0 measured; 1 something grows in a soak; 2 it could not run.

examples
  node load/dashboard.mjs --runs 3 --seconds 5
  node load/dashboard.mjs --market synthetic --json dashboard.json
  node load/dashboard.mjs --soak 30 --record --note "machine shared"
`;
const settings = { runs: { type: 'string', default: '5' }, seconds: { type: 'string', default: '10' }, market: { type: 'string', default: 'auto' }, soak: { type: 'string' }, snapshots: { type: 'string' },
  note: { type: 'string' }, json: { type: 'string' }, record: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } };
const bounds = { runs: [1, 50], seconds: [2, 60], soak: [2, 1440] };
const MARKETS = ['auto', 'recorded', 'synthetic'];
const START_S = 90; // everything up, somebody signed in
const A_RUN_S = 60; // two screens, a blank page, the settling, and patience

function read(argv) {
  let values;
  try {
    ({ values } = parseArgs({ args: argv, options: settings }));
  } catch (error) {
    throw new Advice(`${error.message.split('. ')[0]}; see node load/dashboard.mjs --help`);
  }
  const o = { ...values };
  for (const [name, [min, max]] of Object.entries(bounds)) {
    if (values[name] === undefined) continue;
    o[name] = Number(values[name]);
    if (!Number.isInteger(o[name]) || o[name] < min || o[name] > max) throw new Advice(`--${name} ${values[name]}: give a whole number from ${min} to ${max}`);
  }
  if (!MARKETS.includes(o.market)) throw new Advice(`--market ${o.market}: give one of ${MARKETS.join(', ')}`);
  return o;
}

// --- words ---------------------------------------------------------------------------------------

const ms = (s, digits = 0) => `${format(s.median, digits)} ms${s.min === s.max ? '' : ` (${format(s.min, digits)} to ${format(s.max, digits)})`}`;
const percent = (s) => `${format(s.median, 1)} %`;

function loadRows({ bytes, loads }) {
  const rows = [['first screen, as sent', `gzip ${formatBytes(bytes.gzip)}, br ${formatBytes(bytes.br)}, plain ${formatBytes(bytes.identity)}`, 'gzip 60 KiB']];
  for (const [name] of SCREENS) {
    const l = loads[name];
    rows.push([`${name}: first paint`, ms(l.paint), '1,000 ms'], [`${name}: first contentful paint`, ms(l.contentful), ''], [`${name}: first real row`, ms(l.row), ''],
      [`${name}: live data (a row shown has changed)`, ms(l.live), ''], [`${name}: bytes until then`, formatBytes(l.transferred.median), '']);
  }
  return rows;
}

function frameRows({ frames }) {
  const names = { blank: 'a page of one word (what the machine gives)', rest: 'overview at rest, live', scroll: 'overview, 2.5 rows of the symbols scrolling by in a frame' };
  return Object.entries(names).flatMap(([part, name]) => {
    const f = frames[part];
    const rows = [[`frames: ${name}`, `p50 ${format(f.p50.median, 1)}, p95 ${format(f.p95.median, 1)}, p99 ${format(f.p99.median, 1)}, worst ${format(f.worst.max, 1)} ms; over 16.7 ms ${percent(f.over_16_7)}, over 33 ms ${percent(f.over_33)}`,
      part === 'scroll' ? 'p95 16.7 ms' : '']];
    if (part !== 'blank') rows.push(['of which work of the page in a frame', `script ${format(f.script_ms.median, 1)}, style ${format(f.style_ms.median, 1)}, layout ${format(f.layout_ms.median, 1)}, all ${format(f.task_ms.median, 1)} ms`, '']);
    return rows;
  });
}

const signed = (value, digits) => `${value >= 0 ? '+' : '−'}${format(Math.abs(value), digits)}`;

function soakRows({ verdict, samples }) {
  return [['minutes, samples', `${samples.at(-1).minute}, ${samples.length}; slopes of the second half (${verdict[0].samples} samples)`, ''],
    ...verdict.map((v) => [v.name, `${signed(v.slope, 1)} ± ${format(v.error, 1)} ${v.unit} a minute (from ${format(v.first, 0)} to ${format(v.last, 0)}): ${v.word}`, `${format(v.most, 1)} ${v.unit} a minute`])];
}

const rowsOf = (r) => (r.samples ? soakRows(r) : [['signing in, from the click to LIVE', `${format(r.sign_in_ms, 0)} ms, the code typed by hand and all`, ''], ...loadRows(r), ...frameRows(r)]);

function record(result) {
  const file = path.join(loadDir, 'RESULTS.md');
  const name = result.samples ? 'dashboard-soak' : `dashboard-${result.market}`;
  const title = result.samples ? 'Dashboard, soak' : `Dashboard, ${result.market} market`;
  const [begin, end] = [`<!-- ${name}: made by load/dashboard.mjs --record, do not edit -->`, `<!-- end of ${name} -->`];
  const text = readFileSync(file, 'utf8');
  const { machine: m } = result;
  const body = `${begin}\n\n## ${title}\n\n${m.date.slice(0, 10)}, commit ${m.commit}, ${machineText(m)}, load average ${format(m.load_before, 1)} before${result.note ? `, ${result.note}` : ''}; ${
    result.market_text}; Chromium ${result.browser}, without a GPU; \`${result.command}\`.\n\n| what | figure | aim |\n|---|---|---|\n${rowsOf(result).map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n${end}`;
  const at = text.indexOf(begin);
  writeFileSync(file, at < 0 ? `${text.trimEnd()}\n\n${body}\n` : `${text.slice(0, at)}${body}${text.slice(text.indexOf(end) + end.length)}`);
}

// --- running -------------------------------------------------------------------------------------

let theatre = null;

async function stop() {
  const open = theatre;
  theatre = null;
  await open?.close();
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    process.stderr.write(`\n${signal}: stopping what was started\n`);
    await stop();
    process.exit(2);
  });
}

// Ends everything when it takes far longer than it should.
function bound(o) {
  const seconds = START_S + (o.soak ? o.soak * 60 + A_RUN_S : o.runs * (A_RUN_S + 3 * o.seconds));
  return setTimeout(async () => {
    process.stderr.write(`not done within ${seconds} s: stopping; is the machine very busy?\n`);
    await stop();
    process.exit(2);
  }, seconds * 1000);
}

async function measure(o, say) {
  const market = marketOf(o.market);
  const result = { machine: describeMachine(), note: o.note, market: market.name, market_text: market.text };
  theatre = new Theatre(market);
  await theatre.start(say);
  result.browser = theatre.version;
  result.sign_in_ms = await theatre.signIn();
  if (o.soak) {
    result.samples = await soak(theatre, o.soak, (sample) => say(sampleText(sample)), o.snapshots);
    result.verdict = verdictOf(result.samples);
  } else {
    result.bytes = await firstScreenBytes(theatre.stage);
    result.loads = await measureLoads(theatre, o.runs, say);
    result.frames = await measureFrames(theatre, o, say);
  }
  return result;
}

async function main(argv) {
  const o = read(argv);
  if (o.help) return process.stdout.write(usage), 0;
  const why = unable();
  if (why) throw new Advice(why);
  const say = (text) => process.stderr.write(`${text}\n`);
  const timer = bound(o);
  let result;
  try {
    result = await measure(o, say);
  } finally {
    clearTimeout(timer);
    await stop();
  }
  const asked = Object.keys(bounds).concat('market').filter((name) => argv.some((a) => a.split('=')[0] === `--${name}`));
  result.command = ['node load/dashboard.mjs', ...asked.map((name) => `--${name} ${o[name]}`)].join(' ');
  if (o.json === '-') process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${rowsOf(result).map((row) => row.filter((cell) => cell !== '').join('   ')).join('\n')}\n`);
  if (o.json && o.json !== '-') writeFileSync(o.json, JSON.stringify(result));
  if (o.record) record(result);
  const growing = (result.verdict ?? []).filter((v) => v.word === 'GROWS');
  for (const v of growing) say(`GROWS ${v.name}: ${signed(v.slope, 1)} ${v.unit} a minute; ${v.next}`);
  return growing.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Advice ? error.message : error.stack}\n`);
  process.exitCode = 2;
}
