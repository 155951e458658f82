#!/usr/bin/env node
// What authentication costs, what a flood of bad signatures does, how fast a revoked key is out: see --help.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildDir } from '../tests/e2e/harness/gateway.mjs';
import { measureCost, measureFlood } from './lib/authcost.mjs';
import { closeAuthStage, openAuthStage } from './lib/authstage.mjs';
import { describeMachine, machineText } from './lib/machine.mjs';
import { Advice, loadDir } from './lib/options.mjs';
import { measureRevocation } from './lib/revocation.mjs';
import { format } from './lib/table.mjs';

const usage = `load/auth.mjs - what authentication costs, floods of bad signatures, revocation: a table, JSON

usage: node load/auth.mjs [cost] [flood] [revoke] [options]      (default: all three, about five minutes)

  cost            latency and CPU of GET /v1/time (unsigned) and of a GET signed by HMAC and by Ed25519, in turn; by HMAC once more at a
                  gateway that is one of two, which waits for PostgreSQL to have the nonce
  flood           a good client's p99, quiet and during a flood of bad signatures from other addresses
  revoke          100 keys with 10 connections each are revoked one after the other: time to each close frame (4003), with one
                  gateway, with two, and with Redis stopped

  --rounds N      rounds of cost and of each flood; figures are medians (default 5)
  --seconds S     of each part of a round (default 3)
  --concurrency C connections of cost (default 1)
  --flood R       bad signatures a second (default 20000)
  --keys K        to revoke (default 100)        --each M    connections of each (default 10)
  --no-pin        let the kernel choose the cores (default: the gateway has core 0 to itself, where there are two)
  --note TEXT     a remark on the machine, for the record ("shared with builds")
  --json FILE     the figures as JSON into FILE; "-": standard output instead of the table
  --record        writes the table into load/RESULTS.md
  --help

It starts its own PostgreSQL, Redis and gateways on loopback and ends them. Programs are taken from build/ or PORTCULLIS_BUILD:
  cmake -S . -B build -G Ninja && cmake --build build --target portcullis feeder signflood
Exit status: 0 measured; 1 something did not hold (a connection closed with another code than 4003, a good client refused); 2 it
could not run.

examples
  node load/auth.mjs cost --rounds 3 --seconds 2
  node load/auth.mjs flood --flood 5000 --json -
  node load/auth.mjs revoke --keys 20 --each 5
  node load/auth.mjs --record --note "shared with builds"
`;
const settings = { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' }, concurrency: { type: 'string', default: '1' },
  flood: { type: 'string', default: '20000' }, keys: { type: 'string', default: '100' }, each: { type: 'string', default: '10' },
  'no-pin': { type: 'boolean', default: false }, note: { type: 'string' }, json: { type: 'string' }, record: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false } };
const bounds = { rounds: [1, 50], seconds: [1, 60], concurrency: [1, 200], flood: [200, 200000], keys: [1, 1000], each: [1, 100] };
const parts = ['cost', 'flood', 'revoke'];

function read(argv) {
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options: settings, allowPositionals: true });
  } catch (error) {
    throw new Advice(`${error.message.split('. ')[0]}; see node load/auth.mjs --help`);
  }
  const o = { ...parsed.values, parts: parsed.positionals.length > 0 ? parsed.positionals : parts };
  for (const part of o.parts) if (!parts.includes(part)) throw new Advice(`${part}: measured are ${parts.join(', ')}`);
  for (const [name, [min, max]] of Object.entries(bounds)) {
    o[name] = Number(parsed.values[name]);
    if (!Number.isInteger(o[name]) || o[name] < min || o[name] > max) throw new Advice(`--${name} ${parsed.values[name]}: give a whole number from ${min} to ${max}`);
  }
  return o;
}

// To run it again, without where the figures went.
function commandOf(o) {
  const given = Object.keys(bounds).filter((name) => String(o[name]) !== settings[name].default).map((name) => `--${name} ${o[name]}`);
  return ['node load/auth.mjs', ...(o.parts === parts ? [] : o.parts), ...given, ...(o['no-pin'] ? ['--no-pin'] : [])].join(' ');
}

// Rows of (what, figure, aim).
function rowsOf(r) {
  const us = (x) => `${format(x, 1)} us`;
  const ms = (s) => `p50 ${format(s.p50, 1)}, p99 ${format(s.p99, 1)}, max ${format(s.max, 1)} ms`;
  const rows = [];
  if (r.cost) {
    const { plain, hmac, ed25519, hmac_of_two: ofTwo } = r.cost;
    rows.push(['GET /v1/time, unsigned', `p50 ${us(plain.p50_us)}, p99 ${us(plain.p99_us)}, CPU ${us(plain.cpu_us)}`, '']);
    for (const [name, k, aim] of [['HMAC', hmac, '15 us and one trip'], ['Ed25519', ed25519, '120 us and one trip'],
      ['HMAC at one of two gateways', ofTwo, '15 us and one trip']]) {
      rows.push([`GET signed by ${name}`, `p50 ${us(k.p50_us)}, p99 ${us(k.p99_us)}, CPU ${us(k.cpu_us)}; trip to Redis ${us(k.trip_us)}`, '']);
      rows.push([`${name} adds`, `p50 ${us(k.more_p50_us)}, of which besides the trip ${us(k.more_without_trip_us)}; CPU ${us(k.more_cpu_us)}`, aim]);
    }
  }
  for (const f of r.flood ?? []) {
    rows.push([`flood of bad signatures, ${f.addresses} addresses`, `${format(f.flood_per_s, 0)}/s reached of ${format(f.asked_per_s, 0)}; `
      + `good p99 ${us(f.quiet_p99_us)} quiet, ${us(f.flooded_p99_us)} flooded`, '']);
    rows.push(['ratio of p99', `${format(f.ratio_p99, 2)} (${f.ratios_p99.join(' ')}); of p50 ${format(f.ratio_p50, 2)}`, 'below 2']);
  }
  for (const v of r.revoke ?? []) {
    rows.push([`revocation to 4003, ${v.name}, ${v.keys} keys, ${v.sockets} connections`, `behind the answer ${ms(v.from_answer_ms)}`, 'p99 500, max 1,000 ms']);
    rows.push(['', `behind the sending ${ms(v.from_sending_ms)}`, '']);
  }
  return rows;
}

function record(result) {
  const file = path.join(loadDir, 'RESULTS.md');
  const [begin, end] = ['<!-- auth: made by load/auth.mjs --record, do not edit -->', '<!-- end of auth -->'];
  const text = readFileSync(file, 'utf8');
  const { machine: m } = result;
  const body = `${begin}\n\n## Authentication\n\n${m.date.slice(0, 10)}, commit ${m.commit}, ${machineText(m)}, load average ${format(m.load_before, 1)} before${result.note ? `, ${result.note}` : ''}; \`${
    result.command}\`.\n\n| what | median of ${result.rounds} rounds | aim |\n|---|---|---|\n${rowsOf(result).map((row) => `| ${row.join(' | ')} |`).join('\n')}\n\n${end}`;
  const at = text.indexOf(begin);
  writeFileSync(file, at < 0 ? `${text.trimEnd()}\n\n${body}\n` : `${text.slice(0, at)}${body}${text.slice(text.indexOf(end) + end.length)}`);
}

// What must hold whatever the figures are.
function faults(r) {
  return (r.revoke ?? []).filter((v) => v.codes['4003'] !== v.sockets)
    .map((v) => `revocation, ${v.name}: closes ${JSON.stringify(v.codes)}, all ${v.sockets} must be 4003: look at ws/shard.c close_key and the log of auth`);
}

async function main(argv) {
  const o = read(argv);
  if (o.help) return process.stdout.write(usage), 0;
  for (const name of ['portcullis', 'load/signflood', 'load/feeder']) {
    if (!existsSync(path.join(buildDir, name))) throw new Advice(`${path.join(buildDir, name)} is missing: cmake --build build --target portcullis feeder signflood`);
  }
  const say = (text) => process.stderr.write(`${text}\n`);
  const result = { machine: describeMachine(), note: o.note, command: commandOf(o), rounds: o.rounds };
  const stage = await openAuthStage(!o['no-pin']);
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await closeAuthStage(stage);
      process.exit(2);
    });
  }
  try {
    if (o.parts.includes('cost')) result.cost = await measureCost(stage, o, say);
    if (o.parts.includes('flood')) result.flood = await measureFlood(stage, o, say);
    if (o.parts.includes('revoke')) result.revoke = await measureRevocation(stage, o, say);
  } finally {
    await closeAuthStage(stage);
  }
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
