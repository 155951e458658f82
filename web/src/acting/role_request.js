// A role that takes two persons, as the second sees it: who asked, for whom, for what, why, since when; approve, refuse, or
// take one's own back. What is approved is the hash of what was shown.
import { call, resource, useResource } from '../data/api.js';
import { now } from '../data/beat.js';
import { onEvent } from '../data/events.js';
import { age, lasting, time } from '../data/format.js';
import { Dialog } from '../design/dialog.js';
import { Icon } from '../design/icons.js';
import { Chip, Facts, Loading, NotThere } from '../design/parts.js';
import { isMe, may, me } from '../session/session.js';
import { html, useEffect, useState } from '../ui.js';
import { closeSheet, shell } from './acting.js';
import { ChangeState } from './change.js';
import { rolePending } from './pending.js';
import { howWords, roleTitle } from './role_words.js';
import { Command, Pair, Problem, Typed, Why } from './sheet.js';
import { Direction } from './words.js';

const PATH = '/v1/role-requests';

function useRequest(id) {
  const [state, set] = useState({ phase: 'loading' });
  const load = async () => {
    const { status, json, problem } = await call('GET', `${PATH}/${id}`);
    if (status === 200) set({ phase: 'ok', request: json.request });
    else set({ phase: status === 0 ? 'lost' : status === 401 || status === 403 ? 'denied' : 'error', problem });
  };
  useEffect(() => {
    load();
    return onEvent('role_request', load);
  }, [id]);
  return [state, load];
}

function Body({ request: r, values, mine, open }) {
  const users = useResource('/v1/users', { every: 10000 });
  const user = users.data?.users.find((u) => u.name === r.user);
  const left = Date.parse(r.expires_at) - now.value;
  return html`<${Pair} name=${user ? `${r.user}, ${user.label}` : r.user} before=${html`<${Chip} kind="info">${user ? user.roles.map(howWords).join(', ') || 'no role' : '…'}<//>`} after=${html`<${Chip} kind="warn">${howWords(r)}<//>`} />
    <${Facts} rows=${[
      ['Asked for by', html`<b>${r.requested_by}</b>${r.requested_with === r.requested_by ? '' : ` with ${r.requested_with}`}`], ['When', html`${time(Date.parse(r.created_at))} UTC, ${age(Math.max(0, now.value - Date.parse(r.created_at)))} ago`],
      open && ['Good for', html`<span class=${left < 120000 ? 'warn-text' : ''}>${lasting(left)}</span>`], ['Reason', r.reason], ['Ticket', r.ticket ?? '–'],
      r.decided_by && ['Decided by', `${r.decided_by}${r.decided_why ? `: ${r.decided_why}` : ''}`], r.decided_at && ['Decided', html`${time(Date.parse(r.decided_at))} UTC`],
    ]} />
    ${open && html`<${Command} text=${mine ? `portctl user cancel ${r.id}` : `portctl user approve ${r.id}${values.reason ? ` --reason ${shell(values.reason)}` : ''}`} />`}`;
}

const SAID = { approve: (r) => `Approved: ${r.user} ${r.kind === 'eligible' ? 'may take it up' : 'holds it'}.`, reject: () => 'Refused: nothing was granted.', cancel: () => 'Taken back: nothing was granted.' };
const refresh = () => { for (const [path, every] of [['/v1/users', 10000], ['/v1/access/review', 60000], [PATH, 5000]]) resource(path, { every }).refresh(); };

export function RoleSheet({ id }) {
  const [state, load] = useRequest(id);
  const [values, set] = useState({ reason: '', typed: '' });
  const [step, setStep] = useState({});
  const { request: r } = state;
  const open = r?.state === 'pending' && Date.parse(r.expires_at) > now.value && !step.done;
  const mine = r && isMe(r.requested_by);
  const allowed = may('people.write');
  const decide = (what) => async () => {
    setStep({ waiting: true });
    const reason = values.reason.trim();
    const { status, json, problem } = await call('POST', `${PATH}/${id}/${what}`, { body: { ...(what === 'approve' ? { hash: r.hash } : {}), ...(reason ? { reason } : {}) } });
    set({ ...values, typed: '' });
    setStep(status === 200 ? { done: SAID[what](json.request) } : { problem });
    load();
    rolePending().refresh();
    refresh();
  };
  const decides = open && !mine && r.user !== me() && allowed;
  const busy = Boolean(step.waiting);
  return html`<${Dialog} label=${r ? roleTitle(r) : 'A request'} className="sheet" onClose=${closeSheet}>
    <div class="head"><h1>${r ? roleTitle(r) : 'A request'}</h1>${r && html`<div class="chips"><${ChangeState} state=${r.state === 'approved' ? 'granted' : r.state} />${open && html`<${Direction} direction="GIVES" sure />`}</div>`}</div>
    <div class="body">
      ${state.phase === 'loading' ? html`<${Loading} lines="3" />` : state.phase !== 'ok' ? html`<${NotThere} state=${state} path=${`${PATH}/${id}`} of="This request" />` : html`<${Body} request=${r} values=${values} mine=${mine} open=${open} />`}
      ${open && mine && html`<p class="said k-info"><${Icon} name="info" /><span><b>You asked for it.</b> Another person approves it; you may take it back.</span></p>`}
      ${open && r.user === me() && html`<p class="said k-info"><${Icon} name="info" /><span><b>It is for you.</b> Another person approves it.</span></p>`}
      ${open && !mine && !allowed && html`<p class="said k-warn"><${Icon} name="lock" /><span>Approving needs the permission <code>people.write</code>, which none of your roles has.</span></p>`}
      ${decides && html`<${Why} values=${values} set=${set} reasonOptional /><${Typed} word=${r.role} value=${values.typed} onInput=${(typed) => set({ ...values, typed })} />`}
      ${busy && html`<p role="status"><${Chip} kind="info" icon="wait">requested, not confirmed yet<//></p>`}
      ${step.problem && html`<${Problem} problem=${step.problem} />`}
      ${step.done && html`<div class="said k-ok" role="status"><${Icon} name="ok" /><div><b>${step.done}</b></div></div>`}
    </div>
    <div class="foot-line"><button type="button" class="btn" data-first onClick=${closeSheet}>${open ? 'Cancel' : 'Close'}</button>
      ${open && mine && html`<button type="button" class="btn danger" disabled=${busy} onClick=${decide('cancel')}>Take it back</button>`}
      ${decides && html`<button type="button" class="btn danger" disabled=${busy} onClick=${decide('reject')}>Refuse</button><button type="button" class="btn main" disabled=${busy || values.typed !== r.role} onClick=${decide('approve')}>Approve</button>`}</div>
  <//>`;
}
