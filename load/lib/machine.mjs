// Where and of what the figures are: machine, commit, date; and whether the machine can hold the sessions.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildDir } from '../../tests/e2e/harness/gateway.mjs';
import { Advice, loadDir } from './options.mjs';

// Sessions plus as many again: a session that comes back can overlap with its old connection.
const DESCRIPTORS_A_SESSION = 2;
const DESCRIPTORS_MIN = 1024;

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: loadDir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

// "1a2b3c4", with a plus when the sources differ from it.
function commit() {
  const name = git('rev-parse', '--short', 'HEAD') || 'unknown';
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', ':/gateway', ':/ws', ':/auth', ':/ratelimit', ':/load/*.c');
  return changed === '' ? name : `${name}+`;
}

export function describeMachine() {
  const cpus = os.cpus();
  return { commit: commit(), date: new Date().toISOString().slice(0, 16).replace('T', ' '), cores: cpus.length,
    cpu: cpus[0]?.model.trim() ?? 'unknown', memory_gib: Math.round(os.totalmem() / 2 ** 30), kernel: os.release(),
    load_before: os.loadavg()[0], node: process.version };
}

export function machineText(m) {
  return `${m.cpu}, ${m.cores} cores, ${m.memory_gib} GiB, Linux ${m.kernel}`;
}

function hardLimit() {
  const line = readFileSync('/proc/self/limits', 'utf8').split('\n').find((text) => text.startsWith('Max open files'));
  const value = line?.trim().split(/\s+/).at(-2);
  return value === 'unlimited' ? Infinity : Number(value);
}

// The gateway and wsflood raise their soft limit themselves, so the hard one decides.
export function requireDescriptors(scenarios) {
  const limit = hardLimit();
  for (const scenario of scenarios) {
    const sessions = Math.max(...scenario.parts.map((part) => part.sessions));
    const need = Math.max(DESCRIPTORS_MIN, sessions * DESCRIPTORS_A_SESSION);
    if (limit < need) {
      throw new Advice(`${scenario.name}: ${sessions} clients need ${need} file descriptors and the hard limit is ${limit}: raise it `
        + `(ulimit -n ${need} as root, LimitNOFILE= in a unit, docker run --ulimit nofile=${need}), or run with --scale `
        + `${Math.max(0.01, Math.floor((limit / need) * 100) / 100)}`);
    }
  }
}

export function requirePrograms() {
  for (const name of ['portcullis', 'load/wsflood', 'load/feeder', 'load/ceiling']) {
    if (!existsSync(path.join(buildDir, name))) {
      throw new Advice(`${path.join(buildDir, name)} is missing: cmake --build build --target portcullis wsflood feeder ceiling, `
        + 'or set PORTCULLIS_BUILD to the folder of another build');
    }
  }
}

export function canPin() {
  if (os.cpus().length < 2) return false;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
