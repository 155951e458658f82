// Samples of /metrics, taken while a screen shows them. Values by symbol are kept apart: for them the latest sample and a
// short row of trades a second, for all others ten minutes.
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { request, phaseOf } from './api.js';
import { hidden, paused } from './beat.js';
import { parseMetrics } from './metrics.js';

const EVERY_MS = 2000;
const EVERY_LARGE_MS = 5000;
const LARGE = 250000;
const KEPT_MS = 600000;
const POINTS = 24;
const BY_SYMBOL = { md_seq: 'seq', md_events_total: 'events', md_trades_total: 'trades', md_symbol_live: 'live',
  md_seq_gap_total: 'gaps', md_seq_duplicate_total: 'duplicates', md_book_levels: 'levels' };

export const meter = signal({ phase: 'loading', samples: [], symbols: new Map() });
let users = 0;
let timer;

// Takes the rows by symbol out of METRICS.
function splitSymbols(metrics) {
  const symbols = new Map();
  for (const [name, field] of Object.entries(BY_SYMBOL)) {
    for (const { labels, value } of metrics.get(name) ?? []) {
      let row = symbols.get(labels.symbol);
      if (!row) symbols.set(labels.symbol, (row = {}));
      if (field === 'levels') row[labels.side === 'bid' ? 'bids' : 'asks'] = value;
      else row[field] = value;
    }
    metrics.delete(name);
  }
  return symbols;
}

// What each symbol did since the sample before.
function compare(symbols, before, at, then) {
  const seconds = (at - then) / 1000;
  for (const [symbol, row] of symbols) {
    const old = before.get(symbol);
    const rises = (field) => (old && row[field] >= old[field] ? (row[field] - old[field]) / seconds : undefined);
    row.tradesPerS = rises('trades');
    row.eventsPerS = rises('events');
    row.movedAt = old && old.seq === row.seq ? old.movedAt : at;
    row.points = row.tradesPerS === undefined ? [] : [...old.points, row.eventsPerS].slice(-POINTS);
  }
}

async function sample() {
  const answer = await request('GET', '/metrics');
  const old = meter.peek();
  const phase = phaseOf(answer);
  if (phase !== 'ok') {
    meter.value = { ...old, phase, problem: answer.problem };
    return EVERY_MS;
  }
  const at = Date.now();
  const metrics = parseMetrics(answer.data, old.samples.at(-1)?.metrics);
  const symbols = splitSymbols(metrics);
  compare(symbols, old.symbols, at, old.at ?? at - EVERY_MS);
  if (!paused.peek()) {
    // after a while unwatched the old samples tell nothing about now
    const kept = at - (old.at ?? 0) > 60000 ? [] : old.samples.filter((s) => at - s.at < KEPT_MS);
    meter.value = { phase, at, symbols, samples: [...kept, { at, metrics }] };
  }
  return answer.data.length > LARGE ? EVERY_LARGE_MS : EVERY_MS;
}

async function turn() {
  const wait = hidden.peek() ? EVERY_MS : await sample();
  clearTimeout(timer);
  if (users > 0) timer = setTimeout(turn, wait);
}

export function useMeter() {
  useEffect(() => {
    if (users++ === 0) turn();
    return () => {
      if (--users === 0) clearTimeout(timer);
    };
  }, []);
  return meter.value;
}

// The newest sample and the one about AGO ms before it.
export function pair(samples, ago = 10000) {
  const now = samples.at(-1);
  let then;
  for (let i = samples.length - 2; i >= 0; i--) {
    then = samples[i];
    if (now.at - then.at >= ago) break;
  }
  return [now, then];
}
