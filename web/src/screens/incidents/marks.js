// Marks of an incident: severity, state, signal, clocks. Each is an icon, a word and a colour; clocks run by the gateway's time.
import { utc } from '../../app.js';
import { ackClock, countdown, levelClock, severityOf, stateOf } from '../../data/incidents.js';
import { lasting, localTime, time, date } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip } from '../../design/parts.js';
import { html } from '../../ui.js';

export const ms = (text) => (text ? Date.parse(text) : undefined);
const today = (at) => date(at) === date(utc());
// "03:12:07", with its day when that is not today; SHORT: then its day alone.
export function stamp(text, short) {
  if (!text) return '–';
  const at = ms(text);
  return html`<time dateTime=${text} title=${`${text}, ${localTime(at)}`}>${today(at) ? time(at) : short ? date(at) : `${date(at)} ${time(at)}`}</time>`;
}
export const stampText = (text) => (text ? `${text.slice(0, 10)} ${text.slice(11, 19)}` : '');
// Actors as the gateway writes them, as people say them: "user:ana" is ana.
export const who = (actor) => (actor ? String(actor).replace(/^user:/, '') : '–');

// OF, an answer of the gateway, is as old as it says: PostgreSQL did not answer.
export function Stale({ of }) {
  if (!of?.stale) return null;
  return html`<p class="said k-warn stale" role="status"><${Icon} name="warn" size="16" /><span><b>As it was ${lasting(of.age_s * 1000)} ago.</b> PostgreSQL does not answer: what happened since, and what is closed, is not known here.${of.waiting?.length ? html` ${of.waiting.length} signals wait to be entered: ${of.waiting.slice(0, 3).map((w) => `${w.severity} ${w.title}`).join('; ')}${of.waiting.length > 3 ? '; …' : ''}.` : ''}</span></p>`;
}

export function Severity({ of, big }) {
  const s = severityOf(of);
  return html`<span class=${`sev sev-${String(of).toLowerCase()} k-${s.kind}${big ? ' big' : ''}`} title=${s.meaning}><${Icon} name=${s.icon} size=${big ? 16 : 13} /><b>${of}</b> ${s.word}</span>`;
}

export function StateChip({ incident, bare }) {
  const [kind, words] = stateOf(incident);
  return html`<${Chip} kind=${kind} bare=${bare}>${words}<//>`;
}

export function SignalChip({ signal, bare }) {
  if (!signal) return html`<span class="muted">by hand</span>`;
  const firing = signal.state === 'firing';
  const since = firing ? signal.since : signal.cleared_at;
  return html`<${Chip} kind=${firing ? 'bad' : signal.state === 'cleared' ? 'ok' : 'off'} icon=${firing ? 'play' : undefined} bare=${bare} title=${`${signal.key}${since ? `, since ${since}` : ''}`}>${firing ? 'firing' : signal.state ?? 'unknown'}<//>`;
}

// The time left to acknowledge, or who did.
export function AckClock({ incident }) {
  const clock = ackClock(incident, utc());
  if (!clock) return incident.acked_at ? html`<span class="muted">by ${who(incident.acked_by)}</span>` : html`<span class="muted">${incident.state === 'closed' ? '–' : 'no limit'}</span>`;
  return html`<${Chip} kind=${clock.kind} icon=${clock.left < 0 ? 'bad' : 'wait'} bare><b class="clock">${clock.left < 0 ? '−' : ''}${countdown(clock.left)}</b>${clock.left < 0 ? ' overdue' : ''}<//>`;
}

const LEVEL = { 1: 'info', 2: 'warn', 3: 'bad' };
export function Level({ incident, bare = true }) {
  const l = levelClock(incident, utc());
  if (incident.state === 'closed') return html`<span class="muted">–</span>`;
  return html`<${Chip} kind=${LEVEL[l.level] ?? 'off'} icon="up" bare=${bare}><b>L${l.level}</b>${l.next ? html` <span class="next">L${l.next} in <span class="clock">${l.left < 0 ? '00:00' : countdown(l.left)}</span></span>` : ''}<//>`;
}

export function OpenFor({ incident }) {
  const end = ms(incident.closed_at) ?? utc();
  return lasting(end - ms(incident.opened_at));
}

// Ladder of the first half hour: where the clock is between L1, L2 and L3. Drawn for who looks; the numbers stand beside it.
const MINUTES = 60000;
export function Ladder({ incident }) {
  const l = levelClock(incident, utc());
  const to = { 1: 15, 2: 30 }[l.level];
  const passed = l.left !== undefined && to ? to - Math.max(0, l.left) / MINUTES : l.level === 3 ? 30 : incident.acked_at ? (ms(incident.acked_at) - ms(incident.opened_at)) / MINUTES : undefined;
  if (passed === undefined) return null;
  const part = Math.max(0, Math.min(100, (passed / 30) * 100));
  return html`<div class=${`rungs k-${LEVEL[l.level] ?? 'off'}${l.left === undefined ? ' still' : ''}`} aria-hidden="true">
    <i style=${{ width: `${part}%` }}></i>
    <span style=${{ left: '0' }}>L1</span><span style=${{ left: '50%' }}>L2 · 15 min</span><span class="end">L3 · 30 min</span></div>`;
}
