// Scenarios are data: load/scenarios/NAME.json. Here they are read, checked, scaled and split into parts.
//
// A part is one gateway, one market, one set of clients. A scenario without "parts" has one; each of "parts" overrides
// the keys of the file, section by section. "headline" picks figures of parts: {"value": "PART.figure"},
// {"ratio": [a, b]}, {"difference": [a, b], "per": 9}.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Advice, loadDir } from './options.mjs';

const folder = path.join(loadDir, 'scenarios');
const sections = ['market', 'gateway', 'clients', 'expect'];
const partKeys = ['kind', 'sessions', 'connect_rate', 'warmup', 'seconds', 'least_seconds', 'sources', 'pin', 'subscribe',
  'restart', ...sections];
const fileKeys = ['title', 'description', 'asserts', 'headline', 'bars', 'most_runs', 'parts', ...partKeys];
const kinds = ['flood', 'idle', 'flush'];
const defaults = { kind: 'flood', sessions: 1000, connect_rate: 500, warmup: 2, seconds: 8, least_seconds: 2, sources: 1, pin: true,
  market: { symbols: 4, rate: 400, seed: 3 }, gateway: { fanout: { widen: false } }, clients: {}, expect: {}, subscribe: [] };

export function scenarioNames() {
  return readdirSync(folder).filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -5)).sort();
}

function merge(base, over) {
  const out = { ...base, ...over };
  for (const key of sections) out[key] = { ...base[key], ...over[key] };
  out.gateway = { ...base.gateway };
  for (const [section, keys] of Object.entries(over.gateway ?? {})) out.gateway[section] = { ...out.gateway[section], ...keys };
  return out;
}

function check(file, what, fine, advice) {
  if (!fine) throw new Advice(`${file}: ${what}: ${advice}`);
}

function checkKeys(file, object, known) {
  for (const key of Object.keys(object)) check(file, key, known.includes(key), `unknown key; known are ${known.join(', ')}`);
}

function checkPart(file, part) {
  check(file, `kind ${part.kind}`, kinds.includes(part.kind), `known are ${kinds.join(', ')}`);
  for (const key of ['sessions', 'connect_rate', 'seconds', 'sources']) {
    check(file, `${key} ${part[key]}`, Number.isInteger(part[key]) && part[key] > 0, 'give a whole number above 0');
  }
  check(file, 'subscribe', part.kind === 'idle' || part.subscribe.length > 0, 'clients need at least one subscription');
}

function scaled(part, { scale, seconds }) {
  const times = (n) => Math.max(1, Math.round(n * scale));
  const clients = part.clients.churn === undefined ? part.clients : { ...part.clients, churn: times(part.clients.churn) };
  const lasts = seconds === null ? part.seconds : Math.max(seconds, part.least_seconds);
  return { ...part, sessions: times(part.sessions), seconds: lasts, clients };
}

export function loadScenario(name, options) {
  if (!scenarioNames().includes(name)) {
    throw new Advice(`${name}: no such scenario; there are ${scenarioNames().join(', ')}`);
  }
  const file = path.join('load/scenarios', `${name}.json`);
  let data;
  try {
    data = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8'));
  } catch (error) {
    throw new Advice(`${file}: ${error.message}`);
  }
  checkKeys(file, data, fileKeys);
  for (const key of ['title', 'description', 'asserts', 'headline']) check(file, key, data[key] !== undefined, 'is missing');
  const { title, description, asserts, headline, bars, most_runs: mostRuns = Infinity, parts = [{ name: 'all' }], ...common } = data;
  const base = merge(defaults, common);
  const built = parts.map(({ name: partName, ...over }) => {
    checkKeys(file, over, partKeys);
    const part = merge(base, over);
    checkPart(file, part);
    return { name: partName, ...scaled(part, options) };
  });
  return { name, title, description, asserts, headline, bars, mostRuns, parts: built };
}

// Symbols of one entry of "subscribe": a number (the first so many), indices, or "all".
function chosen(entry, names) {
  if (entry.symbols === 'all') return names;
  if (Array.isArray(entry.symbols)) return entry.symbols.map((i) => names[i]);
  return names.slice(0, entry.symbols);
}

// wsflood's --subscribe values; "group" cuts the symbols of an entry into requests of so many.
export function subscribeSpecs(part, names) {
  return part.subscribe.flatMap((entry) => {
    const list = chosen(entry, names);
    const size = entry.group ?? list.length;
    const suffix = entry.depth ?? entry.minutes;
    const specs = [];
    for (let i = 0; i < list.length; i += size) {
      specs.push(`${entry.channel}:${list.slice(i, i + size).join(',')}${suffix === undefined ? '' : `:${suffix}`}`);
    }
    return specs;
  });
}

// Seconds until a part is over, roughly: for progress and for the budget.
export function expectedSeconds(part) {
  const once = part.sessions / Math.min(part.connect_rate, 900) + part.warmup + part.seconds + 3;
  return part.kind === 'flush' ? 2 * once : once;
}
