#!/usr/bin/env node
// How long a halt takes until every socket has been told: see --help.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { measureHalt, parts, programsMissing } from './lib/halt.mjs';
import { describeMachine, machineText } from './lib/machine.mjs';
import { Advice, loadDir } from './lib/options.mjs';
import { format } from './lib/table.mjs';

const usage = `load/halt.mjs - from the sending of a halt to its notice on every socket, under full fan-out: a table, JSON

usage: node load/halt.mjs [alive] [nodb] [dead] [options]      (default: all three, about three minutes)

  alive           PostgreSQL and Redis alive
  nodb            PostgreSQL killed before the halts: they are journaled
  dead            Redis killed as well; the feed comes through Redis, so that books stand still then

  --sessions N    WebSocket sessions, each on the books of all symbols (default 1000)
  --symbols N     symbols that are halted, one after the other; one more is never halted (default 20)
  --rate R        batches a second of the made-up market, all symbols (default 40)
  --interval MS   conflation the sessions ask for (default 100)
  --rounds N      times all of it (default 2)
  --no-pin        let the kernel choose the cores (default: the gateway has core 0 to itself, where there are two)
  --note TEXT     a remark on the machine, for the record ("shared with builds")
  --json FILE     the figures as JSON into FILE; "-": standard output instead of the table
  --record        writes the table into load/RESULTS.md
  --help

Each round has its own PostgreSQL, Redis and gateway (one shard) on loopback and ends them. Both ends read one clock. Programs are
taken from build/ or PORTCULLIS_BUILD:
  cmake -S . -B build -G Ninja && cmake --build build --target portcullis feeder wsflood
Exit status: 0 measured; 1 a socket was never told, or an order had another outcome than it should; 2 it could not run.

examples
  node load/halt.mjs alive --sessions 200 --rounds 1
  node load/halt.mjs nodb dead --json halt.json
  node load/halt.mjs --rounds 3 --record --note "machine shared"
`;
const settings = { sessions: { type: 'string', default: '1000' }, symbols: { type: 'string', default: '20' }, rate: { type: 'string', default: '40' },
  interval: { type: 'string', default: '100' }, rounds: { type: 'string', default: '2' }, 'no-pin': { type: 'boolean', default: false }, note: { type: 'string' },
  json: { type: 'string' }, record: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } };
const bounds = { sessions: [1, 20000], symbols: [1, 200], rate: [1, 100000], interval: [20, 1000], rounds: [1, 50] };

function read(argv) {
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options: settings, allowPositionals: true });
  } catch (error) {
    throw new Advice(`${error.message.split('. ')[0]}; see node load/halt.mjs --help`);
  }
  const words = parts.map((p) => p.word);
  const o = { ...parsed.values, parts: parsed.positionals.length > 0 ? parsed.positionals : words };
  for (const part of o.parts) if (!words.includes(part)) throw new Advice(`${part}: measured are ${words.join(', ')}`);
  for (const [name, [min, max]] of Object.entries(bounds)) {
    o[name] = Number(parsed.values[name]);
    if (!Number.isInteger(o[name]) || o[name] < min || o[name] > max) throw new Advice(`--${name} ${parsed.values[name]}: give a whole number from ${min} to ${max}`);
  }
  return o;
}

const ms = (s) => `p50 ${format(s.p50, 1)}, p99 ${format(s.p99, 1)}, max ${format(s.max, 1)} ms`;

// Rows of (what, figure, aim).
const rowsOf = (r) => r.measured.flatMap((m) => [
  [`halt to the notice on a socket, ${m.name}, ${m.halts} halts x ${m.sockets} sockets`, ms(m.to_socket_ms), `p99 ${m.aim_ms} ms`],
  ['to the last socket of each halt', ms(m.to_last_socket_ms), ''],
  ['to the answer; effect as the gateway measures it', `${ms(m.answered_ms)}; ${ms(m.effect_ms)}`, ''],
  ['messages a second before the first halt, after the last', `${format(m.load_first, 0)}, ${format(m.load_last, 0)}`, ''],
]);

function record(result) {
  const file = path.join(loadDir, 'RESULTS.md');
  const [begin, end] = ['<!-- halt: made by load/halt.mjs --record, do not edit -->', '<!-- end of halt -->'];
  const text = readFileSync(file, 'utf8');
  const { machine: m } = result;
  const body = `${begin}\n\n## Halts\n\n${m.date.slice(0, 10)}, commit ${m.commit}, ${machineText(m)}${result.note ? `, ${result.note}` : ''}; \`${
    result.command}\`.\n\n| what | figure | aim |\n|---|---|---|\n${rowsOf(result).map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n${end}`;
  const at = text.indexOf(begin);
  writeFileSync(file, at < 0 ? `${text.trimEnd()}\n\n${body}\n` : `${text.slice(0, at)}${body}${text.slice(text.indexOf(end) + end.length)}`);
}

// What must hold whatever the figures are.
const faults = (r) => r.measured.flatMap((m) => [
  ...(m.missing ? [`${m.name}: ${m.missing} notices were not read: look at the log of gate and at ws_close_total`] : []),
  ...(m.other_outcomes ? [`${m.name}: ${m.other_outcomes} orders had another outcome: look at gate_orders_total`] : []),
]);

async function main(argv) {
  const o = read(argv);
  if (o.help) return process.stdout.write(usage), 0;
  const missing = programsMissing();
  if (missing.length) throw new Advice(`${missing.join(', ')}: not built: cmake --build build --target portcullis feeder wsflood`);
  const say = (text) => process.stderr.write(`${text}\n`);
  const result = { machine: describeMachine(), note: o.note, command: ['node load/halt.mjs', ...argv.filter((a) => a !== '--record')].join(' '), measured: [] };
  for (const word of o.parts) result.measured.push(await measureHalt(o, parts.find((p) => p.word === word), say));
  if (o.json === '-') process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${rowsOf(result).map((row) => row.filter((cell) => cell !== '').join('   ')).join('\n')}\n`);
  if (o.json && o.json !== '-') writeFileSync(o.json, JSON.stringify(result));
  if (o.record) record(result);
  const wrong = faults(result);
  for (const text of wrong) say(`FAILED ${text}`);
  return wrong.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Advice ? error.message : error.stack}\n`);
  process.exitCode = 2;
}
