// What the banner says of answers that may be old, partial or missing: [kind of chip, words before, words that count, title].
// Good is only what was read whole and now. Pure.
import { time, whole } from '../data/format.js';

export const SEVERITIES = ['SEV1', 'SEV2', 'SEV3', 'SEV4'];
const MOST_WAITING = 50; // the gateway names no more of them
const hm = (at) => time(at).slice(0, 5);

// Why it is not known: STATE as a resource has it.
export const missing = ({ phase, problem }) => (phase === 'denied' ? (problem?.status === 403 ? 'hidden from your roles' : 'not signed in') : { absent: 'not offered', loading: '…' }[phase] ?? 'unknown');

const worstOf = (list) => SEVERITIES.find((s) => list.some((i) => i.severity === s));
const kindOf = (worst) => (!worst ? 'off' : worst < 'SEV3' ? 'bad' : 'warn');

// GET /v1/incidents?state=open as STATE: {kind, text, title}.
export function incidentWords(state) {
  const { phase, data, at } = state;
  const known = phase === 'ok' || ((phase === 'lost' || phase === 'error') && data);
  if (!known) return { kind: 'off', text: missing(state) };
  const { incidents, waiting = [], stale, as_of: asOf } = data;
  const worst = worstOf([...incidents, ...waiting]);
  const open = incidents.length ? `${whole(incidents.length)} open, ${worstOf(incidents)}` : 'none open';
  const unentered = waiting.length ? `, ${waiting.length >= MOST_WAITING ? `${MOST_WAITING} or more wait` : waiting.length === 1 ? '1 waits' : `${waiting.length} wait`} to be entered` : '';
  const title = waiting.length ? `Signals that are not incidents yet: ${waiting.slice(0, 5).map((w) => `${w.severity} ${w.title}`).join('; ')}` : undefined;
  if (phase !== 'ok' || stale) {
    const then = stale && asOf ? Date.parse(asOf) : at;
    return { kind: kindOf(worst), text: `unknown since ${hm(then)}, ${open} then${unentered}`, title: [stale ? 'PostgreSQL does not answer: what happened since is not known' : 'The gateway does not say which are open', title].filter(Boolean).join('. ') };
  }
  return { kind: worst ? kindOf(worst) : 'ok', text: open + unentered, title };
}

// GET /v1/slo as STATE.
export function sloWords(state) {
  if (state.phase !== 'ok') return { kind: 'off', text: missing(state) };
  const { slos } = state.data;
  const count = (word) => slos.filter((s) => s.state === word).length;
  const [breached, met] = [count('breached'), count('ok')];
  if (breached) return { kind: 'bad', text: `${breached} breached` };
  if (slos.length === 0) return { kind: 'off', text: 'none is set' };
  return met === slos.length ? { kind: 'ok', text: 'met' } : { kind: 'off', text: `${met} met, ${slos.length - met} unknown` };
}

// The incident that CELL, of what is held back, was done for: its ticket says so. INCIDENTS: those that are open.
export const incidentOf = (cell) => /^INC-\d+$/.exec(cell?.ticket ?? '')?.[0];

// Of INCIDENTS, what waits most urgently to be acknowledged: what is due first, then the graver.
export const mostUrgent = (incidents = []) => incidents.filter((i) => i.state === 'open' && !i.acked_at)
  .sort((a, b) => (Date.parse(a.ack_due_at) || Infinity) - (Date.parse(b.ack_due_at) || Infinity) || (a.severity < b.severity ? -1 : 1))[0];
