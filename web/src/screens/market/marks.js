// What was decided about a symbol and what went wrong with it, as marks on its candles: mode changes from the audit log or,
// for who may not read that, from the decisions one may; its incidents. All of it stands in a list below the chart, too.
import { resource } from '../../data/api.js';
import { onEvent } from '../../data/events.js';
import { may } from '../../session/session.js';
import { useEffect, useMemo } from '../../ui.js';

const MODES = ['/v1/audit?action=symbol.mode&limit=100', '/v1/audit?action=global.mode&limit=50'];
const CHANGES = '/v1/changes';
const INCIDENTS = '/v1/incidents?state=all&limit=100';
const RANK = { NORMAL: 0, CANCEL_ONLY: 1, SOFT_HALT: 2, HARD_HALT: 3 };
const IN_FORCE = ['done', 'approved'];

const cellsOf = (text) => {
  try {
    const value = typeof text === 'string' ? JSON.parse(text) : text;
    return Array.isArray(value) ? value : [];
  } catch {
    return []; // not a change of cells
  }
};

const mark = (at, mode, why, more) => ({ at: Date.parse(at), kind: 'mode', mode, text: `${mode}${why.from ? ` of ${why.from}` : ''}${why.by ? ` by ${why.by}` : ''}${why.reason ? `: ${why.reason}` : ''}`, ...more });
const fromOf = (target, symbol) => (target === symbol ? '' : target === '*' ? 'all symbols' : target);

// Mode changes of SYMBOL or of all symbols among audit ENTRIES. Pure.
export function modesIn(entries, symbol) {
  const out = [];
  for (const e of entries) {
    if (!IN_FORCE.includes(e.outcome)) continue;
    for (const cell of cellsOf(e.after)) {
      if (cell.kind !== undefined && cell.kind !== 'mode') continue;
      if ((cell.target === symbol || cell.target === '*') && cell.mode in RANK) {
        out.push(mark(e.time, cell.mode, { from: fromOf(cell.target, symbol), by: e.actor, reason: e.reason }, { id: `a${e.seq}`, href: `/audit/${e.seq}` }));
      }
    }
  }
  return out;
}

// What was loosened by two, from their requests. Pure.
export function changesIn(changes, symbol) {
  return changes.filter((c) => c.decided_at && c.result_audit).flatMap((c) => (c.diff?.changes ?? [])
    .filter((d) => d.kind === 'mode' && (d.target === symbol || d.target === '*') && d.after?.mode in RANK)
    .map((d) => mark(c.decided_at, d.after.mode, { from: fromOf(d.target, symbol), by: c.decided_by, reason: c.reason }, { id: `c${c.id}`, href: `?change=${c.id}` })));
}

// Beginning and end of the incidents of SYMBOL. Pure.
export function incidentsIn(incidents, symbol) {
  return incidents.filter((i) => i.symbol === symbol).flatMap((i) => {
    const href = `/incidents/${i.id}`;
    const over = i.resolved_at ?? i.closed_at;
    return [{ at: Date.parse(i.opened_at), kind: 'incident', id: `${i.id}o`, href, text: `${i.id} ${i.severity} opened: ${i.title}` },
      over && { at: Date.parse(over), kind: 'incident', id: `${i.id}r`, href, over: true, text: `${i.id} over` }].filter(Boolean);
  });
}

// A resource that is asked for only while PATH is one.
function useOptional(path, options) {
  const r = path ? resource(path, options) : null;
  useEffect(() => (r ? r.use() : undefined), [r]);
  return r ? r.state.value : { phase: 'none' };
}

const every = { every: 60000 };

// Oldest first. TOLD: what the gateway told this page itself; BACK: what is in force now.
export function useMarks(symbol, told, back) {
  const audit = may('audit.read');
  const [own, all] = MODES.map((path) => useOptional(audit && path, every));
  const changes = useOptional(!audit && may('control.read') && CHANGES, every);
  const incidents = useOptional(may('incidents.read') && INCIDENTS, every);
  useEffect(() => {
    const again = () => [...MODES, CHANGES].forEach((path) => resource(path).refresh());
    const stop = [onEvent('state', again), onEvent('incident', () => resource(INCIDENTS).refresh())];
    return () => stop.forEach((end) => end());
  }, []);
  return useMemo(() => {
    const list = [...modesIn([...(own.data?.entries ?? []), ...(all.data?.entries ?? [])], symbol), ...changesIn(changes.data?.changes ?? [], symbol), ...incidentsIn(incidents.data?.incidents ?? [], symbol)];
    const known = (at) => list.some((m) => m.kind === 'mode' && Math.abs(m.at - Date.parse(at)) < 2000);
    if (back?.since && !known(back.since)) list.push(mark(back.since, back.effective_mode, { from: fromOf(back.decided_by_target ?? symbol, symbol), by: back.by, reason: back.reason }, { id: `b${back.since}` }));
    if (told?.since && told.mode && !known(told.since)) list.push(mark(told.since, told.mode, {}, { id: `t${told.since}` }));
    return list.filter((m) => !Number.isNaN(m.at)).sort((a, b) => a.at - b.at);
  }, [symbol, own.data, all.data, changes.data, incidents.data, told, back?.since, back?.effective_mode, back?.reason]);
}

// MARKS on the candles LIST (of MINUTES each) as the chart's series markers want them: on the candle they fall into or, where
// it had no trade, the one before; what is older than the first candle is not on the chart. COLOUR(token). Pure.
export function onCandles(marks, list, minutes, colour) {
  const out = [];
  let i = 0;
  for (const m of marks) {
    const begin = Math.floor(m.at / 60000 / minutes) * minutes * 60;
    while (i + 1 < list.length && list[i + 1].time <= begin) i++;
    if (!list[i] || list[i].time > begin) continue;
    const tight = m.kind === 'mode' ? RANK[m.mode] > 0 : !m.over;
    out.push({ time: list[i].time, id: m.id, position: m.kind === 'mode' ? 'aboveBar' : 'belowBar', color: colour(tight ? (RANK[m.mode] === 1 ? 'warn' : 'bad') : 'ok'),
      shape: m.kind === 'mode' ? (tight ? 'arrowDown' : 'arrowUp') : tight ? 'circle' : 'square', text: m.kind === 'mode' ? m.mode : m.text.split(' ')[0] });
  }
  return out;
}
