// Circuits: what waits before it tries again (Redis, PostgreSQL, the receiver of pages), and circuit breakers of the core; trying
// now, and asking the core to close one. On the overview only what is not closed.
import { ActButton, cannot, openSheet, shell } from '../../acting/acting.js';
import { CommandState } from '../../acting/sheet.js';
import { resource, useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { lasting, whole } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip, Facts, Panel } from '../../design/parts.js';
import { html } from '../../ui.js';
import { Missing } from '../desk/who.js';

const PATH = '/v1/circuits';
const reload = () => resource(PATH).load();
const STATES = { closed: ['ok', 'closed'], half_open: ['info', 'being tried'], open: ['warn', 'open'], unknown: ['off', 'unknown'] };
const RESULTS = { closed: ['ok', 'Tried now: it answers.'], was_closed: ['ok', 'It was closed: nothing waited.'], failed: ['bad', 'Tried now, and it failed.'], trying: ['info', 'It is being tried; there is no verdict yet.'], nothing_to_try: ['off', 'There is nothing to send, so nothing was tried.'] };
const since = (at) => lasting(Math.max(0, now.value - Date.parse(at)));
const until = (at) => (at ? (Date.parse(at) > now.value ? `in ${lasting(Date.parse(at) - now.value)}` : 'now') : '–');

function Outcome({ answer: { json } }) {
  if (json.command) return html`<${CommandState} command=${json.command} />`;
  if (json.outcome === 'requested') return html`<div class="said k-info"><${Icon} name="wait" /><div><b>Asked for, not sent to the core.</b> <p>Another person has to ask for the same, here, before ${json.expires_at.slice(11, 16)} UTC.</p></div></div>`;
  const [kind, words] = RESULTS[json.result] ?? ['off', json.result];
  return html`<div class=${`said k-${kind}`}><${Icon} name=${kind === 'off' ? 'info' : kind} /><div><b>${words}</b>${json.circuit.last_error && html`<p>${json.circuit.last_error}</p>`}</div></div>`;
}

function resetSheet(c) {
  const core = c.of === 'core';
  openSheet({
    title: core ? `Close ${c.name.slice(5)} of the core` : `Try ${c.name} now`, direction: core ? 'LOOSEN' : 'NEUTRAL', typed: c.name, verb: core ? (c.asked_by ? 'Ask the core' : 'Ask for it') : 'Try it now', read: null,
    note: core ? (c.asked_by ? `${c.asked_by.replace(/^\w+:/, '')} has asked for it: by another person it goes to the core.` : 'The core has opened it itself: closing it takes two persons.') : undefined,
    before: `${c.name}: ${STATES[c.state]?.[1] ?? c.state}`, after: core ? 'closed, once the core says so' : 'tried at once; it closes only when it answers', radius: [['Circuits', '1']],
    call: { method: 'POST', path: `${PATH}/${encodeURIComponent(c.name)}/reset`, dryRun: false, confirm: true }, portctl: `portctl circuit reset ${shell(c.name)}`,
    result: (answer) => html`<${Outcome} answer=${answer} />`, done: reload,
  });
}

// The core's takes whoever may ask, or whoever may approve.
const takes = (c) => (c.of !== 'core' ? 'control.tighten' : c.asked_by && cannot('control.approve') === null ? 'control.approve' : 'control.loosen');

function Row({ c }) {
  const [kind, words] = STATES[c.state] ?? ['off', c.state];
  const verb = c.of === 'core' ? 'Close…' : 'Try now…';
  return html`<tr><th scope="row"><span title=${c.what}>${c.name}</span></th><td><${Chip} kind=${kind} bare>${words}<//></td><td>${since(c.since)}</td><td class="num">${c.members === null ? '–' : `${whole(c.waiting)} of ${whole(c.members)}`}</td>
    <td class="num">${c.failures === null ? '–' : whole(c.failures)}</td><td>${until(c.retry_at)}</td><td>${c.last_error ?? '–'}</td>
    <td class="num">${c.state !== 'closed' && html`<${ActButton} permission=${takes(c)} small label=${`${verb} ${c.name}`} open=${() => resetSheet(c)}>${verb}<//>`}</td></tr>`;
}

const Table = ({ rows }) => html`<div class="scroll" tabindex="0" role="region" aria-label="Circuits"><table class="grid"><caption class="sr">Circuits</caption>
  <thead><tr><th scope="col">Circuit</th><th scope="col">State</th><th scope="col">For</th><th scope="col" class="num">Waiting</th><th scope="col" class="num">Failures</th><th scope="col">Next try</th><th scope="col">Last error</th><th scope="col"><span class="sr">Act</span></th></tr></thead>
  <tbody>${rows.map((c) => html`<${Row} key=${c.name} c=${c} />`)}</tbody></table></div>`;

// On the overview: only when something waits.
export function OpenCircuits() {
  const state = useResource(PATH, { every: 5000 });
  const rows = (state.data?.circuits ?? []).filter((c) => c.state !== 'closed');
  if (state.phase !== 'ok' || rows.length === 0) return null;
  return html`<${Panel} title="Waiting before it is tried again" flush at=${state.at} aside=${html`<a href="/settings/circuits">all circuits</a>`}><${Table} rows=${rows} /><//>`;
}

export function Circuits() {
  const state = useResource(PATH, { every: 3000 });
  if (state.phase !== 'ok') return html`<${Panel} title="Circuits" at=${state.at}><${Missing} state=${state} path=${PATH} of="What waits before it tries again" permission="control.read" /><//>`;
  const rows = state.data.circuits;
  const open = rows.filter((c) => c.state !== 'closed').length;
  return html`<${Panel} title="Circuits" flush at=${state.at} aside=${html`<${Chip} kind=${open ? 'warn' : 'ok'}>${open ? `${open} not closed` : 'all closed'}<//>`}><${Table} rows=${rows} /><//>
    <p class="muted note">A try lets nothing through by itself: a circuit closes when what is behind it answers.</p>`;
}
