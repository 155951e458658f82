// What the systems around the gateway say of themselves, and how long ago. What is old or was never heard is unknown:
// it is never shown as good.
import './incidents/style.js';
import { utc } from '../app.js';
import { onEvent } from '../data/events.js';
import { resource, useResource } from '../data/api.js';
import { now } from '../data/beat.js';
import { age, whole } from '../data/format.js';
import { stageKind } from '../data/pipeline.js';
import { Icon } from '../design/icons.js';
import { Chip, NotThere, Panel, State } from '../design/parts.js';
import { html, useEffect } from '../ui.js';

const PATH = '/v1/components';
const EVERY_MS = 10000;
export const COMPONENT = { OK: ['ok', 'OK'], DEGRADED: ['warn', 'DEGRADED'], DOWN: ['bad', 'DOWN'], PAUSED: ['info', 'PAUSED'], DISCONNECTED: ['bad', 'DISCONNECTED'], UNKNOWN: ['off', 'UNKNOWN'] };
const RANK = { DOWN: 0, DISCONNECTED: 1, DEGRADED: 2, UNKNOWN: 3, PAUSED: 4, OK: 5 };

const ms = (text) => (text ? Date.parse(text) : undefined);

// The state of component C at NOW (the gateway's time, ms), as one may believe it: a heartbeat that is older than its limit
// is lost, whatever it said; what nobody ever said is unknown. Pure.
export function believed(c, now) {
  if (!COMPONENT[c.state]) return 'UNKNOWN';
  const heard = ms(c.last_heard_at);
  if (c.own || c.state === 'DISCONNECTED' || c.state === 'UNKNOWN') return c.state;
  if (heard === undefined) return 'UNKNOWN';
  return c.ttl_s && now - heard > c.ttl_s * 1000 ? 'DISCONNECTED' : c.state;
}

// [[group, components]], the worst group first, within it primaries first. Pure.
export function grouped(components, now) {
  const groups = new Map();
  for (const c of components) {
    const name = c.group || (c.own ? 'this gateway' : 'others');
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push({ ...c, state: believed(c, now) });
  }
  const worst = (list) => Math.min(...list.map((c) => RANK[c.state]));
  for (const list of groups.values()) list.sort((a, b) => (a.role === 'standby') - (b.role === 'standby') || (a.id < b.id ? -1 : 1));
  return [...groups].sort(([a, x], [b, y]) => worst(x) - worst(y) || (a < b ? -1 : 1));
}

// A group is as its primaries are: a standby that is away does not take it down. Pure.
export function groupState(list) {
  const primaries = list.filter((c) => c.role !== 'standby');
  return (primaries.length ? primaries : list).reduce((worst, c) => (RANK[c.state] < RANK[worst] ? c.state : worst), 'OK');
}

// The worse of two states. Pure.
export const worse = (a, b) => (COMPONENT[b] && RANK[b] < RANK[a] ? b : a);

// Two that hold the same lease are worse than none. Pure.
export const holders = (list) => list.filter((c) => c.lease_holder && !['DISCONNECTED', 'DOWN', 'UNKNOWN'].includes(c.state));

// Is a heartbeat of COMPONENTS, read at AT, so old at NOW (ms, the page's clock) that a newer one may well have come? A
// renewal is no event: what is good for five seconds is read more often than that. Pure.
export const due = (components, at, now) => components.some((c) => c.ttl_s && !c.own && c.state !== 'DISCONNECTED' && c.age_s !== null && c.age_s !== undefined
  && c.age_s * 1000 + now - at > c.ttl_s * 500 && now - at > Math.max(900, c.ttl_s * 100));

function useComponents() {
  useEffect(() => onEvent('component', () => resource(PATH).refresh()), []);
  const state = useResource(PATH, { every: EVERY_MS });
  const stale = state.phase === 'ok' && due(state.data.components ?? [], state.at, now.value);
  useEffect(() => { if (stale) resource(PATH).refresh(); }, [stale, state.at]);
  return state;
}

function Card({ c }) {
  const [kind, words] = COMPONENT[c.state];
  const heard = ms(c.last_heard_at);
  const gap = c.gap_from && `gap ${c.gap_from}–${c.gap_to ?? '?'}${c.resend_state ? `, ${c.resend_state}` : ''}`;
  return html`<li class=${`component k-${kind}`}>
    <div class="name"><b title=${c.id}>${c.id}</b>${c.role && html`<small>${c.role}</small>`}</div>
    <${Chip} kind=${kind}><b>${words}</b><//>
    <p class="heard">${c.own ? 'measured here' : heard === undefined ? 'never heard' : html`heard <span class="clock">${age(Math.max(0, utc() - heard))}</span> ago${c.ttl_s ? html` <span class="muted">of ${c.ttl_s} s</span>` : ''}`}${c.state !== c.reported_state && c.reported_state && c.state === 'DISCONNECTED' ? html`, last said ${c.reported_state}` : ''}</p>
    ${(c.seq_in ?? c.seq_out ?? null) !== null && html`<p class="seq"><span>in <b>${c.seq_in ?? '–'}</b></span><span>out <b>${c.seq_out ?? '–'}</b></span></p>`}
    ${gap && html`<p class="detail warn-text">${gap}</p>`}
    ${c.lease_holder && html`<p class="detail">lease, token <code>${c.fencing_token ?? '–'}</code></p>`}
    ${c.detail && html`<p class="detail">${c.detail}</p>`}
    ${(c.session || c.version) && html`<p class="detail muted">${[c.session, c.version].filter(Boolean).join(' · ')}</p>`}</li>`;
}

// Every component by group. BRIEF: only what is not good, and how many are.
export function ComponentGrid({ brief }) {
  const state = useComponents();
  if (state.phase !== 'ok' && !state.data) return html`<${Panel} title="Components"><${NotThere} state=${state} path=${PATH} of="Each component with its state and when it was last heard" /><//>`;
  const groups = grouped(state.data.components ?? [], utc());
  const told = new Map((state.data.groups ?? []).map((g) => [g.group, g]));
  const all = groups.flatMap(([, list]) => list);
  const count = (s) => all.filter((c) => c.state === s).length;
  const counts = Object.keys(RANK).map((s) => [s, count(s)]).filter(([, n]) => n > 0);
  const shown = brief ? groups.filter(([, list]) => list.some((c) => c.state !== 'OK' && c.state !== 'PAUSED')) : groups;
  return html`<${Panel} title="Components" at=${state.at} limit="30000" className="components" aside=${html`<span class="chips">${counts.map(([s, n]) => html`<${Chip} kind=${COMPONENT[s][0]} bare><b>${n}</b> ${COMPONENT[s][1].toLowerCase()}<//>`)}</span>`}>
    ${state.data.complete === false && html`<p class="warn-text group-reason">What other gateways have heard is not known now: PostgreSQL is silent.</p>`}
    ${all.length === 0 ? html`<${State} icon="connections" title="No component has reported in">Each reports with <code>PUT /v1/components/{'{id}'}/status</code> and a key of scope <code>report:write</code>.<//>`
    : shown.length === 0 ? html`<p class="muted">All ${all.length} are good. <a href="/incidents/components">See them</a></p>`
    : html`<div class="groups">${shown.map(([name, list]) => {
      const s = worse(groupState(list), told.get(name)?.state);
      const reason = told.get(name)?.reason;
      const held = holders(list);
      return html`<section class="group"><h3>${name} <${Chip} kind=${COMPONENT[s][0]} bare>${COMPONENT[s][1]}<//>${held.length > 1 && html` <${Chip} kind="bad"><b>${held.length} hold the lease</b><//>`}</h3>${reason && html`<p class="muted group-reason">${reason}</p>`}<ul class="grid-cards">${list.map((c) => html`<${Card} key=${c.id} c=${c} />`)}</ul></section>`;
    })}</div>`}<//>`;
}

// --- signals ----------------------------------------------------------------------------------------------------------

const SIGNALS = '/v1/signals';
const FAMILIES = [
  ['Engine', /^(engine|wal|state_hash|gc)_/], ['Bus', /^(bus|kafka)_/], ['Ledger', /^(settlement|ledger|invariant|recon)/], ['Database', /^(pg|db|postgres|backup|pitr)_?/], ['Pipeline', /^(signal|directive|execution)s?_/],
];
// Reported signals by what they are about. Pure.
export function families(signals) {
  const out = new Map([...FAMILIES.map(([name]) => [name, []]), ['Others', []]]);
  for (const s of signals) out.get(FAMILIES.find(([, of]) => of.test(s.name))?.[0] ?? 'Others').push(s);
  return [...out].filter(([, list]) => list.length > 0);
}

const labelsOf = (s) => Object.entries(s.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(' ');
const number = (v) => (typeof v === 'number' && Number.isInteger(v) ? whole(v) : String(v));
const since = (s, at) => (typeof s.age_s === 'number' ? s.age_s * 1000 + Math.max(0, Date.now() - at) : undefined);

function Signal({ s, at }) {
  const old = since(s, at);
  const labels = labelsOf(s);
  return html`<dl class=${`tile signal${s.stale ? ' old' : ''}`}><dt title=${s.name}>${s.name.replace(/_/g, ' ')}</dt>
    <dd>${s.stale ? html`<${Chip}>unknown<//>` : html`${number(s.value)}${s.unit && html`<small>${s.unit}</small>`}`}</dd>
    <dd class="hint">${s.stale ? `last ${number(s.value)}${s.unit ? ` ${s.unit}` : ''}, ` : ''}<span class="clock">${old === undefined ? '–' : age(old)}</span> ago${s.source ? ` · ${s.source}` : ''}${labels ? html`<br />${labels}` : ''}</dd></dl>`;
}

export function Signals() {
  const state = useResource(SIGNALS, { every: 5000 });
  const signals = state.data?.signals;
  return html`<${Panel} title="Reported signals" at=${state.at} limit="30000">${!signals ? html`<${NotThere} state=${state} path=${SIGNALS} of="Figures that other systems report, with their age," />`
    : signals.length === 0 ? html`<${State} icon="info" title="Nothing has been reported">Sources send <code>POST /v1/signals</code>; each value is shown with its age and re-exported on <code>/metrics</code> as <code>reported_*</code>.<//>`
    : html`<div class="groups">${families(signals).map(([name, list]) => html`<section class="group"><h3>${name}</h3><div class="grid-cards">${list.map((s) => html`<${Signal} key=${`${s.name}${labelsOf(s)}`} s=${s} at=${state.at} />`)}</div></section>`)}</div>`}<//>`;
}

// --- pipeline ---------------------------------------------------------------------------------------------------------

// From a signal to an executed order, with the three windows operators ask for: [component, table, what, signal, what is
// trouble]: no signal at all, directives that wait, executions that failed.
const STAGES = [
  ['signal-generator', 'signal_outbox', 'signals in 5 min', /^(recent_signals|signals_recent|signal_outbox_recent)/, { flows: true }],
  ['trade-director', 'trade_directives', 'directives pending over 10 min', /^(pending_directives|directives_pending|trade_directives_pending)/, { many: 'warn' }],
  ['execution-officer', 'execution_events', 'failed executions in 1 h', /^(failed_executions|executions_failed|execution_events_failed)/, { many: 'bad' }],
];

export function Pipeline() {
  const components = useComponents();
  const signals = useResource(SIGNALS, { every: 5000 });
  const now = utc();
  const known = new Map((components.data?.components ?? []).map((c) => [c.id, believed(c, now)]));
  return html`<${Panel} title="Pipeline"><ol class="pipeline">${STAGES.map(([id, table, what, name, trouble]) => {
    const s = signals.data?.signals?.find((x) => name.test(x.name));
    const good = s && !s.stale;
    const state = known.get(id) ?? 'UNKNOWN';
    const kind = stageKind(trouble, s, state);
    return html`<li class=${`k-${kind}`}><div class="stage"><b>${id}</b><small><code>${table}</code></small><${Chip} kind=${COMPONENT[state][0]} bare>${COMPONENT[state][1]}<//></div>
      <p class="value"><${Icon} name=${kind} size="14" label=${{ ok: 'good', warn: 'warning', bad: 'bad', off: 'unknown' }[kind]} /><b>${good ? number(s.value) : 'unknown'}</b></p><p class="muted">${what}${s ? html` · <span class="clock">${age(since(s, signals.at) ?? 0)}</span> ago` : ''}</p></li>`;
  })}</ol><//>`;
}

export function Components() {
  return html`<${ComponentGrid} /><${Pipeline} /><${Signals} />`;
}
