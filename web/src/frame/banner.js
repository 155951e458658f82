// The strip that never scrolls away: is this live, what state is the exchange in, what is switched off. What the gateway
// does not offer is said so in grey, never shown as good.
import { ActButton, openSheet, pendingSheet } from '../acting/acting.js';
import { modeSheet } from '../acting/acts.js';
import { usePending, useRolePending } from '../acting/pending.js';
import { valueWords } from '../acting/words.js';
import { about, connection, instruments, stream, utc } from '../app.js';
import { link, resource, useResource } from '../data/api.js';
import { now, paused, setPaused } from '../data/beat.js';
import { cellOf, cellsOfKind, holds, useControl } from '../data/control.js';
import { events, onEvent } from '../data/events.js';
import { age, lasting, time, whole } from '../data/format.js';
import { above } from '../design/dialog.js';
import { Icon } from '../design/icons.js';
import { Chip } from '../design/parts.js';
import { SessionSpoken, SessionWarning } from '../session/layer.js';
import { isMe, may, me, page, phase, session, signIn } from '../session/session.js';
import { html, useEffect, useRef } from '../ui.js';
import { incidentOf, incidentWords, missing, mostUrgent, sloWords } from './reading.js';

const SYSTEM = { online: ['ok', 'ONLINE'], cancel_only: ['warn', 'CANCEL ONLY'], post_only: ['warn', 'POST ONLY'], maintenance: ['bad', 'MAINTENANCE'] };

function Live() {
  const { lost, paused: asleep, started } = connection.value;
  if (lost.length > 0) return html`<${Chip} kind="bad"><b>DISCONNECTED</b><//>`;
  if (paused.value) return html`<${Chip} kind="warn" icon="pause" title="Press p to go on"><b>PAUSED</b><//>`;
  if (asleep) return html`<${Chip} kind="info" icon="wait"><b>RESUMING</b><//>`;
  if (!started || stream.value.state.value.phase !== 'live') return html`<${Chip} kind="info" icon="wait"><b>CONNECTING</b><//>`;
  return html`<${Chip} kind="ok"><b>LIVE</b><//>`;
}

// A word heard before the connection was lost says nothing about now.
function System() {
  const word = stream.value?.system.value;
  if (!word || stream.value.state.value.phase !== 'live') return html`<${Chip}>market: unknown<//>`;
  const [kind, name] = SYSTEM[word] ?? ['off', word];
  return html`<${Chip} kind=${kind}>market: <b>${name}</b><//>`;
}

function FeedWords() {
  const ready = useResource('/readyz?verbose', { every: 5000 });
  const { live, degraded } = (ready.phase === 'ok' ? ready.data : ready.problem)?.symbols ?? {};
  return live === undefined ? null : html`<span>feed: <b>${whole(live)}</b> live${degraded ? html`, <b class="warn">${whole(degraded)}</b> degraded` : ''}</span>`;
}

// A chip of its own only where something is wrong; else it is among the words of the second line.
function Feed() {
  const ready = useResource('/readyz?verbose', { every: 5000 });
  const data = ready.phase === 'ok' ? ready.data : ready.problem;
  if (!data?.symbols) return html`<${Chip}>feed: unknown<//>`;
  const { live, degraded, empty } = data.symbols;
  const cause = data.causes?.[0];
  if (ready.phase !== 'ok') return html`<${Chip} kind="bad" title=${cause?.detail}>not ready: <b>${cause?.code ?? ready.problem?.status}</b><//>`;
  return degraded ? html`<${Chip} kind="warn" title=${`${live} live, ${degraded} degraded, ${empty} without data yet`}>feed: <b>${degraded}</b> degraded<//>` : null;
}

function Fanout() {
  const profile = stream.value?.fanout.value;
  return profile && html`<${Chip} kind="warn" title="The operator or the load has widened the conflation intervals">fan-out: <b>${profile.profile}</b>, ${profile.min_interval_ms} ms<//>`;
}

// --- the state of the exchange, as the admin API tells it -----------------------------------------------------------

const unknown = (name, state) => html`<${Chip}>${name}: ${missing(state)}<//>`;
const hm = (at) => (at ? time(Date.parse(at)).slice(0, 5) : '');
const who = (actor) => (actor ?? '').replace(/^(user|account|key):/, '');
const by = (cell) => `${hm(cell.since)} by ${who(cell.by)}${cell.ticket ? ` ${cell.ticket}` : ''}`;

// Orders: the one word that matters most.
function Orders({ c }) {
  if (c.phase !== 'ok') return html`<${System} />`;
  const { accepting_orders, kill_switch, system_mode } = c.stats;
  if (accepting_orders) return html`<${Chip} kind="ok"><b>ACCEPTING ORDERS</b><//>`;
  return html`<${Chip} kind="bad"><b>ORDERS REFUSED</b>${kill_switch ? ': kill switch' : `: ${system_mode}`}<//>`;
}

function Kill({ c }) {
  if (c.phase !== 'ok') return unknown('kill switch', c);
  const cell = cellOf(c, 'kill', 'global');
  if (!c.stats.kill_switch) return html`<${Chip} kind="ok">kill switch: <b>off</b><//>`;
  const [, words] = valueWords('kill', cell?.value ?? { engaged: true });
  return html`<${Chip} kind="bad" title=${cell?.reason}>kill switch: <b>${words}</b>${cell ? ` ${by(cell)}` : ''}<//>`;
}

// What was done for an incident leads to it.
function OfIncident({ cell, children }) {
  const id = incidentOf(cell);
  return id ? html`<a class="chip-link" href=${`/incidents/${id}`}>${children}</a>` : children;
}

function Withdrawals({ c }) {
  if (c.phase !== 'ok') return unknown('withdrawals', c);
  const assets = cellsOfKind(c, 'withdrawals').filter((x) => x.value.halted);
  const all = assets.find((x) => x.target === '*');
  if (c.stats.withdrawals_halted) return html`<${OfIncident} cell=${all}><${Chip} kind="bad" title=${all?.reason}>withdrawals: <b>HALTED</b>${all ? ` ${by(all)}` : ''}<//><//>`;
  const one = assets.length === 1 ? assets[0] : undefined;
  if (assets.length) return html`<${OfIncident} cell=${one}><${Chip} kind="warn" title=${assets.map((x) => `${x.target}: ${x.reason}`).join('; ')}>withdrawals: <b>${one ? `${one.target} halted` : `${assets.length} assets halted`}</b>${one ? ` ${by(one)}` : ''}<//><//>`;
  return html`<${Chip} kind="ok">withdrawals: <b>open</b><//>`;
}

function Slo() {
  const { kind, text } = sloWords(useResource('/v1/slo', { every: 15000 }));
  return html`<${Chip} kind=${kind}>SLO: <b>${text}</b><//>`;
}

const INCIDENTS = '/v1/incidents?state=open';
const openOnes = () => {
  const state = useResource(INCIDENTS, { every: 15000 });
  useEffect(() => onEvent('incident', () => resource(INCIDENTS).refresh()), []);
  return state;
};

function Incidents({ state }) {
  const { kind, text, title } = incidentWords(state);
  const due = mostUrgent(state.data?.incidents);
  return html`<a class="chip-link" href="/incidents"><${Chip} kind=${kind} title=${title}>incidents: <b>${text}</b><//></a>
    ${due?.ack_due_at && html`<a class="chip-link" href=${`/incidents/${due.id}`}><${AckDue} incident=${due} /></a>`}`;
}

function AckDue({ incident }) {
  const left = Date.parse(incident.ack_due_at) - utc();
  return html`<${Chip} kind=${left < 0 ? 'bad' : 'warn'} icon="wait">${incident.id}: acknowledge <b>${left < 0 ? `${lasting(-left)} overdue` : `within ${lasting(left)}`}</b><//>`;
}

// At 10, 5 and 1 minutes and when it is over, of each that waits; not each second.
const leftWords = (left) => {
  if (left < 0) return 'is overdue: nobody has acknowledged it';
  const minutes = [1, 5, 10].find((m) => left <= m * 60000);
  return minutes && `has ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} left, or less, to be acknowledged`;
};

function Countdown({ incidents = [] }) {
  const said = incidents.filter((i) => i.state === 'open' && i.ack_due_at).map((i) => [i.id, leftWords(Date.parse(i.ack_due_at) - utc())]).filter(([, words]) => words);
  return html`<div class="sr" aria-live="polite">${said.map(([id, words]) => html`<p key=${id}>${id} ${words}</p>`)}</div>`;
}

// What the third level proposes: pre-filled, still nobody's act. What is in force already is not proposed.
function Proposals({ c, incidents = [] }) {
  return incidents.filter((i) => i.l3_proposal && i.state !== 'closed' && !holds(c, i.l3_proposal)).map((i) => html`<div class="lost" key=${i.id}><${Icon} name="bad" /><b>${i.id} has reached level 3.</b>
    <span>Proposed: ${i.l3_proposal.mode} of ${i.l3_proposal.target === '*' ? 'all symbols' : i.l3_proposal.target}.</span>
    <${ActButton} permission="control.tighten" danger open=${() => openSheet({ ...modeSheet(i.l3_proposal.target, i.l3_proposal.mode), incident: i.id, reason: `${i.id} reached level 3: ${i.title}`.slice(0, 500) })}>Open the sheet…<//></div>`);
}

function Modes({ c }) {
  if (c.heldPhase !== 'ok') return html`<span>modes: <b>${missing({ phase: c.heldPhase, problem: c.problem })}</b></span>`;
  const total = instruments.pairs.value.size;
  const counts = {};
  for (const row of c.held.values()) counts[row.effective_mode] = (counts[row.effective_mode] ?? 0) + 1;
  const words = ['CANCEL_ONLY', 'SOFT_HALT', 'HARD_HALT'].filter((m) => counts[m]).map((m) => html`, <b class=${m === 'CANCEL_ONLY' ? 'warn' : 'bad'}>${whole(counts[m])}</b> ${m.toLowerCase().replace('_', '-')}`);
  return html`<span>modes: <b>${total ? whole(total - c.held.size) : '–'}</b> normal${words}</span>`;
}

// Times that have passed open nothing: somebody has to decide.
export function decisionsDue(c) {
  const at = new Date(utc()).toISOString();
  const passed = (cell) => cell.until && cell.until < at && (cell.value?.engaged || cell.value?.halted || cell.value?.paused);
  return [...new Set([...c.held.values()].filter((r) => r.decision_due).map((r) => `${r.decided_by_kind} ${r.decided_by_target}`))].length + [...c.cells.values()].filter(passed).length;
}

function Reason({ c }) {
  if (c.phase !== 'ok' || !c.stats.halt_reason) return null;
  const { halt_reason, trading_halted_since, trading_halted_until } = c.stats;
  return html`<span class="why" title=${halt_reason}>since <b>${hm(trading_halted_since)}</b>${trading_halted_until ? html`, until <b>${hm(trading_halted_until)}</b>` : ''}: <b>${halt_reason}</b></span>`;
}

function Second({ c, up }) {
  const due = decisionsDue(c);
  return html`<div class="line second">
    ${up ? html`<${Reason} c=${c} /><${Modes} c=${c} />${due > 0 && html`<span class="warn-text">decision due: ${due}</span>`}
    <${FeedWords} />${c.phase === 'ok' && !c.stats.audit.database && html`<b class="bad">audit: PostgreSQL is away, ${whole(c.stats.audit.journaled)} on disk</b>`}${c.stats?.audit.unaudited > 0 && html`<b class="bad">${whole(c.stats.audit.unaudited)} in memory alone</b>`}` : html`<span>modes: <b>unknown</b></span>`}
    <span class="push ages"><${StreamAge} />${up && html`<${EventsAge} />`}</span></div>`;
}

// How old what is shown of the controls may be: events come at once, else the page asks every 15 s.
function EventsAge() {
  const { phase: at, lastAt } = events.value;
  if (phase.value !== 'in') return null;
  return at === 'live' ? html`<span>events <b>${age(Math.max(0, now.value - lastAt))}</b></span>` : html`<span class="warn-text">events: ${at === 'connecting' ? 'connecting' : at}</span>`;
}

// How old the newest message of the market is: it beats every second.
function StreamAge() {
  const s = stream.value;
  const old = s && s.lastMessageAt && s.state.value.phase === 'live' ? Math.max(0, now.value - s.lastMessageAt) : undefined;
  return html`<span>stream <b class=${old > 3000 ? 'warn' : ''}>${old === undefined ? '–' : `${(old / 1000).toFixed(1)} s`}</b></span>`;
}

function Lost() {
  const { lost } = connection.value;
  if (lost.length === 0) return null;
  const since = Math.min(...lost.map((l) => l.since));
  const market = lost.find((l) => l.retryAt);
  const wait = market && market.phase === 'lost' ? Math.max(0, market.retryAt - now.value) : 0;
  return html`<div class="lost">
    <b>Disconnected from ${lost.map((l) => l.what).join(' and ')} for ${lasting(now.value - since)}.</b>
    <span>Everything greyed out is from ${time(since)} UTC or before.</span>
    ${market && html`<span>${market.phase === 'lost' ? `Next attempt in ${lasting(wait)}` : 'Trying now'}${market.close?.reason && ` (${market.close.code} ${market.close.reason})`}.</span>
      <button type="button" class="btn" onClick=${() => stream.peek().retryNow()}>Try now</button>`}
  </div>`;
}

// Said once at each change, not each second.
function Announce({ c }) {
  const { lost } = connection.value;
  const refused = c.phase === 'ok' && !c.stats.accepting_orders;
  return html`<p class="sr" role="alert">${lost.length ? `Disconnected from ${lost.map((l) => l.what).join(' and ')}` : refused ? `Orders are refused: ${c.stats.halt_reason ?? c.stats.system_mode}` : ''}</p>`;
}

// What is read out. It is in no part of the page that a dialog makes inert.
export function Spoken() {
  const c = useControl();
  return html`<${Announce} c=${c} /><${Countdown} incidents=${openOnes().data?.incidents} /><${SessionSpoken} />`;
}

// What must be seen, and reached, whatever lies above the page: in the banner, and at the top of a dialog.
function Warnings() {
  return html`<${Lost} /><${SessionWarning} />`;
}
above.view = Warnings;

// How tall it is now is told to the style sheet: what gets the focus, or is linked to, stops below it.
export function Banner() {
  const c = useControl();
  const open = openOnes();
  const up = link.value.up;
  const box = useRef();
  useEffect(() => {
    const watch = new ResizeObserver(([{ borderBoxSize: [{ blockSize }] }]) => document.documentElement.style.setProperty('--banner', `${blockSize}px`));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const incidents = open.data?.incidents;
  return html`<header ref=${box} class=${`banner${connection.value.lost.length ? ' is-lost' : ''}`}>
    <div class="line">
      <a class="brand" href="/overview" aria-label="Portcullis, overview"><svg width="18" height="18" viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true"><path d="M7 27V14a9 9 0 0 1 18 0v13M12 6.500V27M20 6.500V27M16 5v22M7 14h18M7 20.500h18" /></svg>Portcullis</a>
      <div class="state-chips"><${Live} />${up ? html`<${Orders} c=${c} /><${Kill} c=${c} /><${Withdrawals} c=${c} />` : html`<${Chip}>orders: unknown<//><${Chip}>kill switch: unknown<//><${Chip}>withdrawals: unknown<//>`}<${Feed} /><${Fanout} />${up ? html`<${Slo} /><${Incidents} state=${open} />` : html`<${Chip}>SLO: unknown<//><${Chip}>incidents: unknown<//>`}</div>
      <button type="button" class="btn quiet pause" aria-pressed=${String(paused.value)} title="Pause live updates (p)" onClick=${() => setPaused(!paused.peek())}>${paused.value ? 'Resume' : 'Pause'} <kbd>p</kbd></button>
    </div>
    <${Second} c=${c} up=${up} />
    <${Warnings} /><${Proposals} c=${c} incidents=${incidents} />
  </header>`;
}

// What waits for a second person; what waits for the one at this browser stands out.
function PendingButton({ all }) {
  const others = all.filter((one) => !isMe(one.requested_by) && one.user !== me()).length;
  return html`<button type="button" class=${`btn quiet${others ? ' waits' : ''}`} onClick=${pendingSheet} title="What waits for a second person: requests to loosen, roles that take two">
    <${Icon} name="wait" size="13" /><span>pending approvals <b>${all.length}</b></span></button>`;
}

function PendingBoth({ changes }) {
  return html`<${PendingButton} all=${[...changes, ...(useRolePending().data?.requests ?? [])]} />`;
}

function Pending() {
  const state = usePending();
  if (phase.value !== 'in' || !state.data) return null;
  const { changes } = state.data;
  return may('people.read') ? html`<${PendingBoth} changes=${changes} />` : html`<${PendingButton} all=${changes} />`;
}

function You() {
  if (phase.value === 'in') {
    const { user, roles } = session.value;
    return html`<button type="button" class="btn quiet you" onClick=${() => { page.value = { kind: 'you' }; }}><${Icon} name="user" size="13" /><span>you: <b>${user}</b>${roles.length ? ` / ${roles.join(', ')}` : ''}</span></button>`;
  }
  if (phase.value === 'out') return html`<button type="button" class="btn quiet you" onClick=${signIn}><${Icon} name="user" size="13" /><b>Sign in</b></button>`;
  return html`<span title=${phase.value === 'absent' ? 'This gateway keeps no people: portctl signs with a key' : undefined}>you: <b>not signed in</b> (read only)</span>`;
}

export function Footer({ onHelp }) {
  const info = about.value;
  return html`<footer class="foot">
    <${You} /><${Pending} />
    <span class="push">UTC <b>${time(utc())}</b></span>
    <span title="version of the gateway, build of this page">${info ? `${info.version} · ${info.build}` : '…'}</span>
    <button type="button" class="btn quiet" onClick=${onHelp}><kbd>?</kbd> keys</button>
  </footer>`;
}
