// The second person's side: what another asked for, as it was asked for, whom it reaches now; approve, refuse, or take one's
// own back. What is approved is the hash of what was shown.
import { call, useResource } from '../data/api.js';
import { now } from '../data/beat.js';
import { cellOf, useControl } from '../data/control.js';
import { onEvent } from '../data/events.js';
import { age, lasting, time } from '../data/format.js';
import { Dialog } from '../design/dialog.js';
import { Icon } from '../design/icons.js';
import { Chip, Facts, Loading, NotThere, State } from '../design/parts.js';
import { isMe, may } from '../session/session.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { changeSheet, closeSheet, roleSheet, shell } from './acting.js';
import { pending, usePending, useRolePending } from './pending.js';
import { howWords, roleTitle } from './role_words.js';
import { movedSince } from './moved.js';
import { Command, count, Diff, effectWords, Problem, Radius, radiusRows, Typed, Why, whole } from './sheet.js';
import { Direction, subject, Value } from './words.js';

// As the gateway counts it now, and as it was counted when it was asked for, where that differs.
function askedRows({ asked, now: is }) {
  const of = is ?? asked;
  if (!of) return null;
  const text = (name) => `${count(of[name])}${is && asked && asked[name] !== is[name] ? ` (${count(asked[name])} when it was asked for)` : ''}`;
  return radiusRows(of, text);
}

const ACTIONS = { 'symbol.mode': 'Set a mode', 'symbol.throttle': 'Change a throttle', 'kill.engage': 'Kill switch', 'kill.release': 'Release the kill switch', 'withdrawals.set': 'Resume withdrawals', 'account.trading': 'Let an account trade', 'fanout.profile': 'Fan-out profile', 'upstream.set': 'Choose the upstream' };
const STATES = { pending: ['info', 'wait', 'waits for a second person'], approved: ['ok', 'ok', 'approved, in force'], rejected: ['bad', 'bad', 'refused'], cancelled: ['off', 'off', 'taken back'], expired: ['off', 'wait', 'expired'], granted: ['ok', 'ok', 'approved, granted'], failed: ['bad', 'bad', 'failed'] };

export const titleOf = (change) => {
  const items = change.diff?.changes ?? [];
  if (items.length === 0) return `${ACTIONS[change.action] ?? change.action} · ${change.target ?? ''}`;
  const [{ kind, target, after }] = items;
  if (items.length > 1) return `${whole(items.length)} symbols to ${after?.mode ?? 'another state'}`;
  if (kind === 'mode') return `${target === '*' ? 'All symbols' : target} to ${after.mode}`;
  return `${ACTIONS[change.action] ?? change.action}${subject(kind, target).includes('·') ? ` · ${target}` : ''}`;
};

export function ChangeState({ state, bare }) {
  const [kind, icon, words] = STATES[state] ?? ['off', 'off', state];
  return html`<${Chip} kind=${kind} icon=${icon} bare=${bare}>${words}<//>`;
}

function useChange(id) {
  const [state, set] = useState({ phase: 'loading' });
  const load = async () => {
    const { status, json, problem } = await call('GET', `/v1/changes/${id}`);
    if (status === 200) set({ phase: 'ok', change: json.change });
    else set({ phase: status === 0 ? 'lost' : status === 404 ? 'error' : status === 401 || status === 403 ? 'denied' : 'error', problem });
  };
  useEffect(() => {
    load();
    return onEvent('change', load);
  }, [id]);
  return [state, load];
}

function Decided({ decided }) {
  const { json, what } = decided;
  const effect = json?.effect_us;
  return html`<div class=${`said k-${what === 'approve' ? 'ok' : 'info'}`} role="status"><${Icon} name=${what === 'approve' ? 'ok' : 'info'} /><div><b>${{ approve: 'Approved, in force.', reject: 'Refused: nothing was changed.', cancel: 'Taken back: nothing was changed.' }[what]}</b>
    <${Facts} rows=${[json?.audit && ['Audit', whole(json.audit)], effect && ['Time to effect, in every loop', effectWords(effect)], json?.unconfirmed?.length > 0 && ['Not confirmed yet by', json.unconfirmed.join(', ')]]} /></div></div>`;
}

// What stands now where C says so: since it was asked for at version BASE it may have moved.
function Now({ c, item, base }) {
  if (c.cellsPhase !== 'ok') return html`<${Chip}>unknown<//>`;
  const cell = movedSince(cellOf(c, item.kind, item.target), base);
  if (!cell) return html`<${Value} kind=${item.kind} value=${item.before} /><small>as when it was asked for</small>`;
  return html`<${Value} kind=${item.kind} value=${cell.value} /><small class="warn-text">moved ${time(Date.parse(cell.since))} UTC by ${cell.by}: ${cell.reason}</small>`;
}

function Moved({ c, change }) {
  const moved = (change.diff?.changes ?? []).filter((x) => movedSince(cellOf(c, x.kind, x.target), change.base_version));
  if (c.cellsPhase !== 'ok' || moved.length === 0) return null;
  return html`<div class="said k-warn" role="alert"><${Icon} name="warn" /><div><b>It has moved since it was asked for.</b>
    <p>${moved.length > 3 ? `${whole(moved.length)} of what it changes are` : `${moved.map((x) => subject(x.kind, x.target)).join(', ')} ${moved.length === 1 ? 'is' : 'are'}`} not as it was then. Approving it will be refused: it has to be asked for again.</p></div></div>`;
}

function Body({ change, values, set, mine, open }) {
  const c = useControl();
  const left = Date.parse(change.expires_at) - now.value;
  return html`
    <${Facts} rows=${[
      ['Asked for by', html`<b>${change.requested_by}</b>`], ['When', html`${time(Date.parse(change.created_at))} UTC, ${age(now.value - Date.parse(change.created_at))} ago`],
      open && ['Good for', html`<span class=${left < 120000 ? 'warn-text' : ''}>${left > 0 ? lasting(left) : 'no longer'}</span>`],
      ['Reason', change.reason ?? '–'], ['Ticket', change.ticket ?? '–'], ['At version', whole(change.base_version)], change.audit && ['Entered as audit', whole(change.audit)],
      change.decided_by && ['Decided by', `${change.decided_by}${change.decided_why ? `: ${change.decided_why}` : ''}`], change.result_audit && ['Decision entered as', whole(change.result_audit)],
    ]} />
    <div class="changes">${change.diff ? html`<${Diff} diff=${change.diff} label="when asked" now=${open && ((item) => html`<${Now} c=${c} item=${item} base=${change.base_version} />`)} />` : html`<p class="muted">no difference was kept</p>`}</div>
    ${open && html`<${Moved} c=${c} change=${change} />`}
    <${Radius} rows=${askedRows(change.blast_radius)} />
    ${open && html`<${Command} text=${mine ? `portctl cancel ${change.id}` : `portctl approve ${change.id}${values.reason ? ` --reason ${shell(values.reason)}` : ''}`} />`}`;
}

export function ChangeSheet({ id }) {
  const [state, load] = useChange(id);
  const [values, set] = useState({ reason: '', ticket: '', typed: '' });
  const [step, setStep] = useState({});
  const once = useRef(crypto.randomUUID());
  const { change } = state;
  const open = change?.state === 'pending' && Date.parse(change.expires_at) > now.value && !step.decided;
  const mine = change && isMe(change.requested_by);
  const word = change?.confirm; // of one that waits
  const decide = (what) => async () => {
    setStep({ waiting: what });
    const body = { ...(what === 'approve' ? { hash: change.hash, confirm: values.typed } : {}), ...(values.reason.trim() ? { reason: values.reason.trim() } : {}) };
    const { status, json, problem } = await call('POST', `/v1/changes/${id}/${what}`, { body, once: `${once.current}-${what}` });
    if (status >= 200 && status < 300) setStep({ decided: { json, what } });
    else {
      once.current = status === 0 ? once.current : crypto.randomUUID();
      set({ ...values, typed: '' });
      setStep({ problem });
    }
    load();
    pending().refresh();
  };
  const busy = Boolean(step.waiting);
  return html`<${Dialog} label=${change ? titleOf(change) : 'A request'} className="sheet" onClose=${closeSheet}>
    <div class="head"><h1>${change ? titleOf(change) : 'A request'}</h1>${change && html`<div class="chips"><${ChangeState} state=${change.state} />${open && html`<${Direction} direction=${change.diff?.direction} sure />`}</div>`}</div>
    <div class="body">
      ${state.phase === 'loading' ? html`<${Loading} lines="3" />` : state.phase !== 'ok' ? html`<${NotThere} state=${state} path=${`/v1/changes/${id}`} of="This request" />` : html`<${Body} change=${change} values=${values} set=${set} mine=${mine} open=${open} />`}
      ${open && mine && html`<p class="said k-info"><${Icon} name="info" /><span><b>You asked for it.</b> Another person approves it; you may take it back.</span></p>`}
      ${open && !mine && (may('control.approve') ? html`<${Why} values=${values} set=${set} reasonOptional /><${Typed} word=${word} value=${values.typed} onInput=${(typed) => set({ ...values, typed })} />`
        : html`<p class="said k-warn"><${Icon} name="lock" /><span>Approving needs the permission <code>control.approve</code>, which none of your roles has.</span></p>`)}
      ${busy && html`<p role="status"><${Chip} kind="info" icon="wait">requested, not confirmed yet<//></p>`}
      ${step.problem && html`<${Problem} problem=${step.problem} next=${step.problem.status === 412 ? html`${step.problem.current?.kind && html`Now: <${Value} kind=${step.problem.current.kind} value=${step.problem.current} />. `}The request cannot be approved any more: it has to be asked for again.` : null} />`}
      ${step.decided && html`<${Decided} decided=${step.decided} />`}
    </div>
    <div class="foot-line"><button type="button" class="btn" data-first onClick=${closeSheet}>${open ? 'Cancel' : 'Close'}</button>
      ${open && mine && html`<button type="button" class="btn danger" disabled=${busy} onClick=${decide('cancel')}>Take it back</button>`}
      ${open && !mine && may('control.approve') && html`<button type="button" class="btn danger" disabled=${busy} onClick=${decide('reject')}>Refuse</button><button type="button" class="btn main" disabled=${busy || !word || values.typed !== word} onClick=${decide('approve')}>Approve</button>`}</div>
  <//>`;
}

const Left = ({ until }) => html`<${Chip} kind=${Date.parse(until) - now.value < 120000 ? 'warn' : 'info'} icon="wait" bare>${lasting(Math.max(0, Date.parse(until) - now.value))} left<//>`;
const Asked = ({ by, at, ticket }) => html`<span>${by}${isMe(by) ? ' (you)' : ''} · ${age(Math.max(0, now.value - Date.parse(at)))} ago · ${ticket ?? 'no ticket'}</span>`;

function PendingRoles() {
  const requests = useRolePending().data?.requests ?? [];
  return requests.length > 0 && html`<h2>Roles that take two persons</h2><ul class="waiting">${requests.map((r) => html`<li key=${r.id}><button type="button" onClick=${() => roleSheet(r.id)}><b>${roleTitle(r)}</b><${Asked} by=${r.requested_by} at=${r.created_at} ticket=${r.ticket} />
    <span class="muted">${howWords(r)}: ${r.reason}</span><${Left} until=${r.expires_at} /></button></li>`)}</ul>`;
}

export function PendingSheet() {
  const state = usePending();
  const changes = state.data?.changes ?? [];
  return html`<${Dialog} label="Waiting for a second person" className="sheet" onClose=${closeSheet}>
    <div class="head"><h1>Waiting for a second person</h1></div>
    <div class="body">${state.phase !== 'ok' ? html`<${NotThere} state=${state} path="/v1/changes" of="Requests to loosen" />` : changes.length === 0 ? html`<${State} icon="ok" kind="ok" title="Nothing waits">Requests to loosen appear here until another person approves or refuses them.<//>`
      : html`<ul class="waiting">${changes.map((c) => html`<li key=${c.id}><button type="button" onClick=${() => changeSheet(c.id)}><b>${titleOf(c)}</b><${Asked} by=${c.requested_by} at=${c.created_at} ticket=${c.ticket} /><span class="muted">${c.reason}</span><${Left} until=${c.expires_at} /></button></li>`)}</ul>`}
      ${may('people.read') && html`<${PendingRoles} />`}</div>
    <div class="foot-line"><button type="button" class="btn" data-first onClick=${closeSheet}>Close</button></div><//>`;
}
