// The strip that never scrolls away: is this live, what state is the exchange in, what is switched off. What the gateway
// does not offer is said so in grey, never shown as good.
import { about, connection, stream, utc } from '../app.js';
import { link, useResource } from '../data/api.js';
import { now, paused, setPaused } from '../data/beat.js';
import { lasting, time } from '../data/format.js';
import { Icon } from '../design/icons.js';
import { Chip } from '../design/parts.js';
import { pendingSheet } from '../acting/acting.js';
import { usePending } from '../acting/pending.js';
import { SessionWarning } from '../session/layer.js';
import { isMe, page, phase, session, signIn } from '../session/session.js';
import { html } from '../ui.js';

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

function Feed() {
  const ready = useResource('/readyz?verbose', { every: 5000 });
  const data = ready.phase === 'ok' ? ready.data : ready.problem;
  if (!data?.symbols) return html`<${Chip}>feed: unknown<//>`;
  const { live, degraded, empty } = data.symbols;
  const cause = data.causes?.[0];
  if (ready.phase !== 'ok') return html`<${Chip} kind="bad" title=${cause?.detail}>not ready: <b>${cause?.code ?? ready.problem?.status}</b><//>`;
  return html`<${Chip} kind=${degraded ? 'warn' : 'ok'} title=${`${live} live, ${degraded} degraded, ${empty} without data yet`}>
    feed: <b>${live}</b> live${degraded ? html`, <b>${degraded}</b> degraded` : ''}<//>`;
}

function Fanout() {
  const profile = stream.value?.fanout.value;
  return profile && html`<${Chip} kind="warn" title="The operator or the load has widened the conflation intervals">fan-out: <b>${profile.profile}</b>, ${profile.min_interval_ms} ms<//>`;
}

// One control of the admin API; SHOW(data) gives [kind, words].
function Control({ name, path, show }) {
  const { phase, data } = useResource(path, { every: 5000 });
  if (phase === 'ok' && typeof data === 'object' && link.value.up) {
    const [kind, words] = show(data);
    return html`<${Chip} kind=${kind}>${name}: <b>${words}</b><//>`;
  }
  const why = { absent: 'not offered', denied: 'not signed in', loading: '…' }[phase] ?? 'unknown';
  return html`<${Chip} title=${`GET ${path}: ${why}`}>${name}: ${why}<//>`;
}

const kill = (d) => (d.engaged ? ['bad', `ENGAGED ${d.scope ?? ''}`] : ['ok', 'off']);
const withdrawals = (d) => (d.halted ? ['bad', `HALTED${d.by ? ` by ${d.by}` : ''}`] : ['ok', 'open']);

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
function Announce() {
  const { lost } = connection.value;
  return html`<p class="sr" role="alert">${lost.length ? `Disconnected from ${lost.map((l) => l.what).join(' and ')}` : ''}</p>`;
}

export function Banner() {
  return html`<header class=${`banner${connection.value.lost.length ? ' is-lost' : ''}`}>
    <div class="line">
      <a class="brand" href="/overview" aria-label="Portcullis, overview"><svg width="18" height="18" viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true"><path d="M7 27V14a9 9 0 0 1 18 0v13M12 6.500V27M20 6.500V27M16 5v22M7 14h18M7 20.500h18" /></svg>Portcullis</a>
      <${Live} /><${System} /><${Feed} /><${Fanout} />
      <span class="controls"><${Control} name="kill switch" path="/v1/kill-switch" show=${kill} /><${Control} name="withdrawals" path="/v1/withdrawals" show=${withdrawals} /></span>
      <button type="button" class="btn quiet pause" aria-pressed=${String(paused.value)} title="Pause live updates (p)" onClick=${() => setPaused(!paused.peek())}>${paused.value ? 'Resume' : 'Pause'} <kbd>p</kbd></button>
    </div>
    <${Lost} /><${SessionWarning} /><${Announce} />
  </header>`;
}

function StreamAge() {
  const s = stream.value;
  if (!s) return html`stream –`;
  const old = now.value - s.lastMessageAt;
  return html`stream <b class=${old > 3000 ? 'warn' : ''}>${s.lastMessageAt && s.state.value.phase === 'live' ? `${Math.max(0, old / 1000).toFixed(1)} s` : '–'}</b>`;
}

// Requests to loosen that wait; those that wait for the person at this browser stand out.
function Pending() {
  const state = usePending();
  if (phase.value !== 'in' || !state.data) return null;
  const { changes } = state.data;
  const others = changes.filter((c) => !isMe(c.requested_by)).length;
  return html`<button type="button" class=${`btn quiet${others ? ' waits' : ''}`} onClick=${pendingSheet} aria-label=${`${changes.length} waiting for a second person`}>
    <${Icon} name="wait" size="13" />pending approvals <b>${changes.length}</b></button>`;
}

function You() {
  if (phase.value === 'in') {
    const { user, roles } = session.value;
    return html`<button type="button" class="btn quiet you" onClick=${() => { page.value = { kind: 'you' }; }} aria-label=${`You: ${user}, ${roles.join(', ')}`}><${Icon} name="user" size="13" /><b>${user}</b>${roles.length ? ` / ${roles.join(', ')}` : ''}</button>`;
  }
  if (phase.value === 'out') return html`<button type="button" class="btn quiet you" onClick=${signIn}><${Icon} name="user" size="13" /><b>Sign in</b></button>`;
  return html`<span title=${phase.value === 'absent' ? 'This gateway keeps no people: portctl signs with a key' : undefined}>you: <b>not signed in</b> (read only)</span>`;
}

export function Footer({ onHelp }) {
  const info = about.value;
  return html`<footer class="foot">
    <${You} /><${Pending} />
    <span class="push">UTC <b>${time(utc())}</b></span>
    <span><${StreamAge} /></span>
    <span title="version of the gateway, build of this page">${info ? `${info.version} · ${info.build}` : '…'}</span>
    <button type="button" class="btn quiet" onClick=${onHelp}><kbd>?</kbd> keys</button>
  </footer>`;
}
