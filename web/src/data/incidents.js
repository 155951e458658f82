// Incidents as screens need them: words and marks of their states, clocks by the gateway's time, what is worst, and one
// picture of those that are open, kept fresh by events. Everything above "live" is pure.
import { computed, effect, signal, untracked } from '@preact/signals';
import { resource, useResource } from './api.js';
import { onEvent } from './events.js';

export const SEVERITIES = {
  SEV1: { kind: 'bad', icon: 'bad', word: 'critical', meaning: 'live system down, data or money at risk' },
  SEV2: { kind: 'bad', icon: 'warn', word: 'major', meaning: 'latency, rejections or service levels beyond their limit' },
  SEV3: { kind: 'warn', icon: 'warn', word: 'minor', meaning: 'something secondary fails; acknowledge within 4 h' },
  SEV4: { kind: 'info', icon: 'info', word: 'notice', meaning: 'degradation, documentation; nobody is paged' },
};
export const STATES = {
  open: ['bad', 'open'], acknowledged: ['warn', 'acknowledged'], mitigated: ['info', 'mitigated'], resolved: ['ok', 'resolved'], closed: ['off', 'closed'],
};
export const CLASSES = ['data_quality', 'reconciliation', 'broker_connectivity'];
export const plain = (text) => String(text ?? '').replace(/_/g, ' ');

export const stateOf = (incident) => STATES[incident.state] ?? ['off', plain(incident.state) || 'unknown'];
export const severityOf = (severity) => SEVERITIES[severity] ?? { kind: 'off', icon: 'off', word: 'unknown', meaning: '' };

const MINUTE = 60000;
const at = (text) => (text ? Date.parse(text) : undefined);

// Where the clock of acknowledgement stands at NOW (the gateway's time, ms): {left, kind, said}; left < 0: overdue;
// undefined when there is nothing to wait for.
export function ackClock(incident, now) {
  const due = at(incident.ack_due_at);
  if (incident.state === 'closed' || incident.acked_at || due === undefined) return undefined;
  const left = due - now;
  return { left, kind: left < 0 ? 'bad' : left < 5 * MINUTE ? 'warn' : 'info', said: left < 0 ? 'overdue' : 'to acknowledge' };
}

// Where the ladder stands: {level, next, left}; left undefined when it does not rise any more.
export function levelClock(incident, now) {
  const next = at(incident.level_next_at);
  const rises = next !== undefined && incident.state !== 'closed' && incident.level < 3;
  return { level: incident.level ?? 1, next: rises ? incident.level + 1 : undefined, left: rises ? next - now : undefined };
}

// "08:41", "1:02:09"; over: "03:10" without its sign.
export function countdown(ms) {
  const s = Math.floor(Math.abs(ms) / 1000);
  const two = (n) => String(n).padStart(2, '0');
  return s < 3600 ? `${two(Math.floor(s / 60))}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

// Worst first: what nobody has acknowledged, the graver, the older.
const RANK = { open: 0, acknowledged: 1, mitigated: 2, resolved: 3, closed: 4 };
export const urgency = (i) => (RANK[i.state] === 0 ? 0 : RANK[i.state] === 4 ? 2 : 1) * 1e4 + Number(String(i.severity).replace(/\D/g, '') || 9) * 10 + (RANK[i.state] ?? 0);
export const worstFirst = (incidents) => [...incidents].sort((a, b) => urgency(a) - urgency(b) || (a.opened_at < b.opened_at ? -1 : 1));

// Is it among those a list of STATE (open, closed, all) with FILTERS shows?
export function listed(incident, { state = 'open', severity = '', class: kind = '' } = {}) {
  if (state === 'open' && incident.state === 'closed') return false;
  if (state === 'closed' && incident.state !== 'closed') return false;
  return (!severity || incident.severity === severity) && (!kind || incident.class === kind);
}

// ROWS of an answer with what events told since: the newer version of each, those that are new, without those that no
// longer belong to it. Rows nothing is known of stay the same objects.
export function merged(rows, news, filters) {
  const left = new Map(news);
  const out = [];
  for (const row of rows) {
    const fresh = left.get(row.id);
    left.delete(row.id);
    const shown = fresh && fresh.version > row.version ? { ...row, ...fresh } : row;
    if (listed(shown, filters)) out.push(shown);
  }
  for (const incident of left.values()) if (listed(incident, filters)) out.push(incident);
  return out;
}

// Words for what stands between an incident and its end, as the gateway names it.
export function missingWords(name, playbook) {
  const [kind, id] = String(name).split(/:(.*)/s);
  if (kind === 'step') return { what: 'step', id, text: `Mandatory step not done: ${playbook?.steps?.find((s) => s.id === id)?.title ?? plain(id)}` };
  if (kind === 'exit') return { what: 'exit', id, text: `Exit condition not met: ${playbook?.exit?.find((e) => e.id === id)?.text ?? plain(id)}` };
  const known = { root_cause: 'The root cause is not recorded', postmortem: 'The postmortem has no address yet', postmortem_url: 'The postmortem has no address yet', resolved: 'It is not resolved yet', ack: 'Nobody has acknowledged it', signal: 'The signal is still firing', class: 'It has no class' };
  return { what: kind, id, text: known[name] ?? plain(name) };
}

// Steps of PLAYBOOK with what INCIDENT knows of them, by phase: [{phase, steps: [{...step, state, by, at, notes, answer, why}]}].
export function stepsOf(playbook, incident) {
  const known = new Map((incident?.steps ?? []).map((s) => [s.id, s]));
  const steps = (playbook?.steps ?? []).map((s) => ({ ...s, ...known.get(s.id), mandatory: s.mandatory ?? false }));
  for (const s of steps) {
    s.state ??= 'open';
    if (s.state === 'locked') Object.assign(s, lockedBecause(s, steps, incident));
  }
  return ['immediate', 'diagnosis', 'recovery'].map((phase) => ({ phase, steps: steps.filter((s) => s.phase === phase) })).filter((p) => p.steps.length);
}

const quoted = (steps) => steps.map((s) => `“${s.title}”`).join(', ');

// {why, classify}: classify, when that alone opens it.
function lockedBecause(step, steps, incident) {
  const ruled = steps.find((s) => s.answer && s.guard?.answers?.find((a) => a.answer === s.answer)?.locks?.includes(step.id));
  if (ruled) return { why: `“${ruled.guard.question}” was answered “${plain(ruled.answer)}”. If that has changed, answer it again` };
  const before = steps.filter((s) => step.after?.includes(s.id) && s.state !== 'done' && s.state !== 'skipped');
  if (before.length) return { why: `first ${before.some((s) => s.guard) ? 'answer or do' : 'do'} ${quoted(before)}` };
  if (step.phase === 'recovery' && !incident.class) return { why: 'first say of which class the incident is; recovery begins after that', classify: true };
  const asked = steps.slice(0, steps.indexOf(step)).filter((s) => s.guard && !s.answer && s.state !== 'skipped');
  return { why: asked.length ? `first answer ${quoted(asked)}` : step.why ?? 'the playbook does not allow it now' };
}

const UNITS = { s: 1000, m: 60000, h: 3600000 };
// "portctl fanout normal --reason 'short again' --ticket OPS-7": who acts gives her own reason and ticket.
const bare = (line) => line.replace(/ --(reason|ticket) ('[^']*'|\S+)/g, '');

// The call of ACTION for INCIDENT: {symbol}, {component} and {incident} become its own, {+15m} the time so far from NOW
// (ms). GIVEN: what the incident does not know; NEEDS: what is still not known.
export function filled(action, incident, given = {}, now = 0) {
  const own = { incident: incident.id, symbol: incident.symbol, component: incident.component, ...given };
  const needs = new Set();
  const put = (text, encode) => text.replace(/\{(\+(\d+)([smh])|\w+)\}/g, (whole, name, n, unit) => {
    if (unit) return new Date(now + n * UNITS[unit]).toISOString().replace('Z', '000Z');
    if (own[name]) return encode(own[name]);
    needs.add(name);
    return whole;
  });
  const keep = (x) => x;
  const walk = (v) => {
    if (typeof v === 'string') return put(v, keep);
    if (Array.isArray(v)) return v.map(walk);
    return v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, walk(x)])) : v;
  };
  return { path: put(action.path ?? '', encodeURIComponent), body: walk(action.body ?? {}), portctl: put(bare(action.portctl ?? ''), keep),
    typed: action.typed === 'symbol' ? put('{symbol}', keep) : action.typed ?? '', needs: [...needs] };
}

// --- live ------------------------------------------------------------------------------------------------------------

const OPEN = '/v1/incidents?state=open';
const EVERY_MS = 15000;
const KEPT = 300;
const KNOWN = 2000;

export const news = signal(new Map()); // id -> the newest picture an event gave
const openState = () => resource(OPEN, { every: EVERY_MS });

// Every open incident, worst first; null when that is not known.
export const openIncidents = computed(() => {
  const { phase, data } = openState().state.value;
  if (phase !== 'ok' || !Array.isArray(data?.incidents)) return null;
  return worstFirst(merged(data.incidents, news.value, {}));
});

export const useOpen = () => {
  useResource(OPEN, { every: EVERY_MS });
  return openIncidents.value;
};

// An answer or an event told how INCIDENT is now.
export function told(incident) {
  if (!incident?.id || (news.peek().get(incident.id)?.version ?? 0) > incident.version) return;
  const next = new Map(news.peek());
  next.delete(incident.id);
  next.set(incident.id, incident);
  if (next.size > KEPT) next.delete(next.keys().next().value);
  news.value = next;
  for (const path of [`/v1/incidents/${incident.id}`, OPEN]) resource(path).refresh();
}

// Who hears of what is new: whether an event or the next reading knows it first. What the first reading finds was there
// before this page; from then on each incident that is open and was not known is told of once.
export class Arrivals {
  constructor(arrived) {
    Object.assign(this, { arrived, known: new Set(), read: false });
  }

  // An event told of INCIDENT.
  event(incident) {
    if (!incident?.id || this.known.has(incident.id)) return;
    this.known.add(incident.id);
    if (this.known.size > KNOWN) this.known.delete(this.known.values().next().value);
    if (incident.state === 'open') this.arrived(incident);
  }

  // A reading found INCIDENTS, those that are not closed; null: it is not known which.
  reading(incidents) {
    if (!incidents) return;
    for (const i of incidents) {
      if (this.read) this.event(i);
      else this.known.add(i.id);
    }
    this.read = true;
  }
}

let started = false;
// ARRIVED(incident): one that was not known, in any tab.
export function startIncidents(arrived) {
  if (started) return;
  started = true;
  const arrivals = new Arrivals(arrived);
  onEvent('incident', ({ incident }) => {
    arrivals.event(incident);
    told(incident);
  });
  effect(() => {
    const open = openIncidents.value;
    untracked(() => arrivals.reading(open));
  });
}
