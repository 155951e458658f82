// docs/ADMIN_API.md runs as it stands: its blocks marked `console`, in order, in one shell, on a gateway with PostgreSQL and
// Redis; what is printed is what the page says, but for the placeholders it explains.
//   DOCS_UPDATE=1 node --test docs_admin.test.mjs     writes what was printed into the page: read the difference
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildDir, onStage, until } from './harness/gateway.mjs';

const page = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../docs/ADMIN_API.md');
const within = { timeout: 180000, skip: existsSync(path.join(buildDir, 'portctl')) ? false : 'no portctl: build that target' };
const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '50', '--seed', '5', '--time', 'now'];

// What differs from run to run, as the page writes it.
const placeholders = [
  [/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>'],
  [/\b01[0-9A-HJKMNP-TV-Z]{24}\b/g, '<id>'],
  [/\bpk_[a-z0-9]{20}\b/g, '<key>'],
  [/\b[0-9a-f]{64}\b/g, '<hash>'],
  [/\/traces\/[0-9a-f]{32}/g, '/traces/<trace>'],
  [/\d+\.\d{3} ms/g, '<ms> ms'],
  [/"effect_us":\d+/g, '"effect_us":<us>'],
  [/(?<=has not spoken for |began )\d+ s/g, '<s> s'],
  [/(?<=audit |head |"audit":|seq 1 to )\d+/g, '<n>'],
  [/\b\d+ (?=records|to be sent)/g, '<n> '],
  [/^\d+(?= +<time>)/gm, '<n>'],
  [/(?<=to <n>; )(compared with no anchor|\d+ anchors? match).*/g, '<anchors>'],
  [/(?<=^(result )?audit +)\d+$/gm, '<n>'],
];
const shown = (text) => placeholders.reduce((t, [from, to]) => t.replace(from, to), text).replaceAll('\r', '').trimEnd();
const squeezed = (text) => text.split('\n').map((line) => line.replace(/ +/g, ' ').trimEnd()).join('\n').trim();

// [{command, output, line}] of all blocks; a command goes on in lines with `> `.
function sessions(text) {
  const steps = [];
  let inside = false;
  text.split('\n').forEach((line, i) => {
    if (line === '```console') inside = true;
    else if (line === '```') inside = false;
    else if (inside && line.startsWith('$ ')) steps.push({ command: [line.slice(2)], output: [], line: i + 1 });
    else if (inside && line.startsWith('> ') && steps.at(-1).output.length === 0) steps.at(-1).command.push(line.slice(2));
    else if (inside) steps.at(-1).output.push(line);
  });
  return steps;
}

// One bash for all commands; what each printed, stdout and stderr as they came.
function perform(stage, steps) {
  const mark = `--- end of a step ${process.pid} ---`;
  const script = steps.map(({ command }) => `(exit $status)\n${command.join('\n')}\nstatus=$?\necho; echo '${mark}'\n`).join('');
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', `exec 2>&1 </dev/null\nstatus=0\n${script}`], { cwd: stage.dir, stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: `${buildDir}:${process.env.PATH}`, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', LC_ALL: 'C.UTF-8' } });
    let out = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), 120000);
    child.stdout.on('data', (data) => { out += data; });
    child.once('error', reject);
    child.once('close', () => {
      clearTimeout(timer);
      resolve(out.split(`${mark}\n`).slice(0, -1).map(shown));
    });
  });
}

function update(text, steps, printed) {
  const lines = text.split('\n');
  for (let i = steps.length - 1; i >= 0; i--) {
    const { command, output, line } = steps[i];
    lines.splice(line - 1 + command.length, output.length, ...(printed[i] === '' ? [] : printed[i].split('\n')));
  }
  writeFileSync(page, lines.join('\n'));
}

test('the sessions of docs/ADMIN_API.md', within, () => onStage(async (stage) => {
  const text = readFileSync(page, 'utf8');
  const steps = sessions(text);
  assert.ok(steps.length > 30, `${steps.length} commands`);
  stage.writeSymbols(tape);
  await stage.startPostgres();
  await stage.startGateway({ limits: { preauth_burst: 5000, read_burst: 1000, write_burst: 1000, halt_burst: 1000 } });
  writeFileSync(path.join(stage.dir, 'admin.env'), Object.entries({ ADMIN_URL: stage.adminUrl, ADMIN_KEY_FILE: stage.keyFile,
    ADMIN_KEY_ID: stage.keyId, PORTCTL_CA: stage.ca }).map(([k, v]) => `${k}=${v}\n`).join(''));
  await until('the keys', 10000, async () => (await perform(stage, [{ command: ['portctl --env admin.env key list >/dev/null && echo well'] }]))[0] === 'well');
  const printed = await perform(stage, steps);
  assert.equal(printed.length, steps.length, 'every command came to its end');
  if (process.env.DOCS_UPDATE) {
    update(text, steps, printed);
    return;
  }
  for (const [i, step] of steps.entries()) {
    assert.equal(squeezed(printed[i]), squeezed(step.output.join('\n')), `docs/ADMIN_API.md line ${step.line}: ${step.command.join('\n')}`);
  }
}));
