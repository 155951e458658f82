// The command line of load/run.mjs.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const loadDir = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

// An error of the person at the keyboard or of the machine: shown without a stack, exit code 2.
export class Advice extends Error {}

export const usage = `load/run.mjs - load scenarios against a gateway of its own: a table, JSON, an HTML report

usage: node load/run.mjs [NAME...|--all] [options]

  --all           every scenario
  --list          names and what they do
  --runs N        runs of each scenario, figures are medians (default 1)
  --seconds S     measured seconds of each part (default: the scenario's own)
  --scale F       multiplies the sessions, 0.1 for a quick look (default 1)
  --out DIR       where results.json, report.html and logs go (default load/out)
  --json          the figures as JSON on standard output instead of the table
  --record        writes the medians into load/RESULTS.md (with --all --runs 5: about 25 minutes)
  --budget MIN    starts no run that would end later than this (default 25 with --record, else none)
  --render DIR    measures nothing: makes report.html from the results.json in DIR again
  --help

Programs are taken from build/, or from the folder in PORTCULLIS_BUILD:
  cmake -S . -B build -G Ninja && cmake --build build --target portcullis wsflood feeder ceiling
Exit status: 0 fine; 1 what a scenario asserts does not hold (a line says where to look); 2 it could not run.

examples
  node load/run.mjs steady --scale 0.1 --seconds 3
  node load/run.mjs latency restart --runs 3 --out /tmp/load
  node load/run.mjs --all --runs 5 --record
`;

const options = {
  all: { type: 'boolean', default: false }, list: { type: 'boolean', default: false },
  runs: { type: 'string', default: '1' }, seconds: { type: 'string' }, scale: { type: 'string', default: '1' },
  out: { type: 'string', default: path.join(loadDir, 'out') }, json: { type: 'boolean', default: false },
  record: { type: 'boolean', default: false }, budget: { type: 'string' }, render: { type: 'string' },
  help: { type: 'boolean', default: false },
};

function number(name, text, min, max, whole) {
  const value = Number(text);
  if (text.trim() !== '' && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
  throw new Advice(`--${name} ${text}: give a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
}

export function readOptions(argv) {
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options, allowPositionals: true });
  } catch (error) {
    throw new Advice(`${error.message.split('. ')[0]}; see node load/run.mjs --help`);
  }
  const { values, positionals } = parsed;
  const o = { ...values, names: positionals, out: path.resolve(values.out),
    runs: number('runs', values.runs, 1, 100, true), scale: number('scale', values.scale, 0.001, 10, false),
    seconds: values.seconds === undefined ? null : number('seconds', values.seconds, 2, 3600, true),
    budget: values.budget === undefined ? (values.record ? 25 : Infinity) : number('budget', values.budget, 1, 10000, false) };
  if (o.all && o.names.length !== 0) throw new Advice('--all and names exclude each other: give one of them');
  if (!o.help && !o.list && !o.render && !o.all && o.names.length === 0) {
    throw new Advice('no scenario: give names, or --all; node load/run.mjs --list shows them');
  }
  if (o.record && (o.scale !== 1 || o.seconds !== null)) {
    throw new Advice('--record writes figures of the scenarios as they are: leave out --scale and --seconds');
  }
  return o;
}
