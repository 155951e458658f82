// What load/dashboard.mjs makes of its numbers, and how it refuses what it cannot do. (It measures when somebody runs it.)
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { frameFigures } from '../../load/lib/dashboard.mjs';
import { slopeOf, verdictOf } from '../../load/lib/soak.mjs';

const program = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../load/dashboard.mjs');
const run = (...args) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 20000 });

test('frames: percentiles, the worst, shares over one and two frames', () => {
  const f = frameFigures([...Array(96).fill(16.7), 20, 20, 40, 200]);
  assert.deepEqual([f.frames, f.p50, f.p95, f.p99, f.worst], [100, 16.7, 16.7, 200, 200]);
  assert.ok(Math.abs(f.over_16_7 - 4) < 1e-9 && Math.abs(f.over_33 - 2) < 1e-9, JSON.stringify(f));
});

test('soak: a slope with its error; only the second half counts; noise and warming up are no growth', () => {
  const line = slopeOf([[0, 1], [1, 3], [2, 5], [3, 7]]);
  assert.ok(Math.abs(line.slope - 2) < 1e-9 && line.error < 1e-9, JSON.stringify(line));
  const noise = (i) => ((i * 7919) % 13) - 6;
  const sample = (minute, kib, nodes) => ({ minute, heap: kib * 1024, nodes, listeners: 100, rss: 50 * 2 ** 20 });
  const words = (list) => verdictOf(list).map((v) => v.word);
  const minutes = Array.from({ length: 31 }, (_, i) => i);
  assert.deepEqual(words(minutes.map((i) => sample(i, 10000 + 40 * noise(i), 3000))), ['steady', 'steady', 'steady', 'steady']);
  assert.deepEqual(words(minutes.map((i) => sample(i, 10000 + 500 * Math.min(i, 12) + noise(i), 3000))), ['steady', 'steady', 'steady', 'steady']);
  assert.deepEqual(words(minutes.map((i) => sample(i, 10000 + 60 * i + noise(i), 3000 + 5 * i))), ['GROWS', 'GROWS', 'steady', 'steady']);
  assert.deepEqual(words(minutes.slice(0, 4).map((i) => sample(i, 10000 + 500 * i, 3000))), Array(4).fill('too few samples to say'));
});

test('the command: help with examples; what it cannot do is named with what to do', () => {
  const help = run('--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /examples\n {2}node load\/dashboard\.mjs/);
  for (const [args, words] of [[['--runs', '0'], /--runs 0: give a whole number from 1 to 50/], [['--soak', 'long'], /--soak long: give a whole number/],
    [['--market', 'other'], /--market other: give one of/], [['--what'], /see node load\/dashboard\.mjs --help/]]) {
    const refused = run(...args);
    assert.equal(refused.status, 2, args.join(' '));
    assert.match(refused.stderr, words);
  }
});
