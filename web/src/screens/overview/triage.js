// The first five minutes on one card, and the service levels. What nobody reports is said to be unknown, never well.
import { utc } from '../../app.js';
import { resource, useResource } from '../../data/api.js';
import { onEvent } from '../../data/events.js';
import { age, lasting, time, whole } from '../../data/format.js';
import { Chip, Facts, Loading, NotThere, Panel } from '../../design/parts.js';
import { phase } from '../../session/session.js';
import { html, useEffect } from '../../ui.js';

const SEVERITY = { SEV1: 'bad', SEV2: 'bad', SEV3: 'warn', SEV4: 'off' };

// A panel of something that another part of the gateway may report: small words instead of a large picture when it does not.
function Reported({ title, state, path, of, limit, className, children }) {
  if (state.phase === 'ok' && state.data) return html`<${Panel} title=${title} at=${state.at} limit=${limit} className=${className}>${children(state.data)}<//>`;
  if (state.phase === 'absent') return html`<${Panel} title=${title} className=${className} aside=${html`<${Chip}>not reported<//>`}><p class="muted means-line">${of} will be here when this gateway offers it: <code>GET ${path}</code> answered 404.</p><//>`;
  return html`<${Panel} title=${title} className=${className}>${state.phase === 'loading' ? html`<${Loading} lines="3" />` : html`<${NotThere} state=${state} path=${path} of=${of} />`}<//>`;
}

// The newest figure of WHAT that was reported, in words for well and for not, with its age.
function Snapshot({ of, well, ill }) {
  const [kind, words] = { ok: ['ok', well], bad: ['bad', ill] }[of?.state] ?? ['off', 'unknown'];
  return html`<${Chip} kind=${kind} bare>${words}${of?.value ? ` ${of.value}` : ''}<//>${typeof of?.age_s === 'number' ? html`<span class="muted">, ${age(of.age_s * 1000)} ago</span>` : ''}`;
}

const clock = (at) => (at ? `${time(Date.parse(at))} UTC` : '–');
const since = (at) => (at ? html`<span class="muted">, ${age(Math.max(0, utc() - Date.parse(at)))} ago</span>` : '');
const breachAt = (b) => (typeof b === 'string' ? b : b.at ?? b.since);

function Card(t) {
  const open = t.open_incidents; // null: nobody knows
  const owed = t.postmortems;
  return html`<${Facts} rows=${[
      ['All trading halted', t.halt_reason ? html`<b>${t.halt_reason}</b>` : 'no'], t.trading_halted_until && ['Until', clock(t.trading_halted_until)],
      ['Acknowledgement', html`${t.ack_overdue === null ? html`<${Chip} kind="off" bare>unknown<//>` : t.ack_overdue > 0 ? html`<${Chip} kind="bad" bare icon="wait">${whole(t.ack_overdue)} overdue<//>` : html`<${Chip} kind=${t.incidents_stale ? 'off' : 'ok'} bare>none overdue${t.incidents_stale ? ' then' : ''}<//>`}${since(t.incidents_as_of)}`],
      ['Postmortems', !owed ? html`<${Chip} kind="off" bare>unknown<//>` : owed.overdue > 0 ? html`<${Chip} kind="bad" bare icon="wait">${whole(owed.overdue)} overdue<//>` : owed.owed > 0 ? `${whole(owed.owed)} to write, the next by ${clock(owed.next_due_at)}` : 'none to write'],
      t.tickets_owed?.count > 0 && ['Tickets owed', html`<a href="/settings/approvals">${whole(t.tickets_owed.count)} to name</a>`],
      ['Last SLO breach', t.last_slo_breach ? (html`${t.last_slo_breach.id ?? t.last_slo_breach.slo ?? ''} ${clock(breachAt(t.last_slo_breach))}${since(breachAt(t.last_slo_breach))}`) : t.last_slo_breach_known === false ? html`<${Chip} kind="off" bare>unknown<//>` : 'none seen'],
      ['Reconciliation', html`<${Snapshot} of=${t.reconciliation} well="agrees" ill="differs" />`],
      ['Data quality', html`<${Snapshot} of=${t.quality} well="no errors" ill="errors" />`],
    ]} />
    ${t.incidents_stale && html`<p class="warn-text means-line">PostgreSQL does not answer: incidents are as they were at ${clock(t.incidents_as_of)}.</p>`}
    ${!open ? html`<p class="warn-text means-line">Which incidents are open is not known: PostgreSQL does not answer.</p>` : open.length > 0 ? html`<ul class="assets incidents">${open.map((i) => html`<li><${Chip} kind=${SEVERITY[i.severity] ?? 'off'}>${i.severity}<//><a class="clip" href=${`/incidents/${i.id}`} title=${i.title}>${i.id} ${i.title}</a><span class="muted" title=${i.state === 'open' && i.ack_due_at ? 'to acknowledge it' : undefined}>${i.state === 'open' && i.ack_due_at ? (Date.parse(i.ack_due_at) > utc() ? `${lasting(Date.parse(i.ack_due_at) - utc())} left` : 'overdue') : i.state}</span></li>`)}</ul>`
      : html`<p class="muted means-line">${t.incidents_stale ? 'None was open then.' : 'No incident is open.'}</p>`}`;
}

export function Triage() {
  const state = useResource('/v1/triage', { every: 10000 });
  useEffect(() => {
    const again = () => resource('/v1/triage').refresh();
    const stops = [onEvent('incident', again), onEvent('state', again)];
    return () => stops.forEach((stop) => stop());
  }, []);
  return html`<${Reported} title="First five minutes" state=${state} path="/v1/triage" of="Why it is halted, what is open, what is overdue" className="triage">${Card}<//>`;
}

const SLO = { ok: ['ok', 'met'], breached: ['bad', 'BREACHED'], unknown: ['off', 'unknown'] };
const STALE_S = 120;
const percent = (v) => `${Number((Number(v) * 100).toPrecision(6))} %`;
const READING = { incident_ack: (v) => lasting(Number(v) * 1000), paper_reconciliation_pass: percent, operational_errors: percent }; // in the words of the target
const readingOf = ({ id, value }) => (value === null || value === undefined ? '–' : READING[id]?.(value) ?? value);

// A level nobody has reported for a while is not met: it is unknown.
export function Slo() {
  const state = useResource('/v1/slo', { every: 15000 });
  if (phase.value === 'out' && state.phase === 'denied') return null;
  return html`<${Reported} title="Service levels" state=${state} path="/v1/slo" limit=${60000} of="Targets, what is measured and whether they are met" className="slos">${({ slos }) => html`<div class="slo-tiles">${slos.map((s) => {
    const [kind, words] = SLO[s.state] ?? SLO.unknown;
    return html`<div class=${`slo k-${kind}`} key=${s.id} title=${s.title}><h3>${s.title}</h3><${Chip} kind=${kind} bare>${words}<//>
      <p class="reading">${readingOf(s)}</p><p class="muted">target ${s.target}${s.window ? `, ${s.window}` : ''}${s.age_s > STALE_S ? html`, <span class="warn-text">${age(s.age_s * 1000)} old</span>` : ''}</p></div>`;
  })}</div>`}<//>`;
}
