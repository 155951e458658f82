// Tickets that are owed: what was halted without one, and naming it afterwards.
import { ActButton, openSheet, shell } from '../../acting/acting.js';
import { resource, useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { age, whole } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip, Panel, State } from '../../design/parts.js';
import { DataTable } from '../../design/table.js';
import { isMe } from '../../session/session.js';
import { html } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { sortOf } from '../listing.js';

const PATH = '/v1/tickets-owed';
const LIST = `${PATH}?limit=200`;
const reload = () => { for (const path of [LIST, '/v1/triage']) if (resource(path).users > 0) resource(path).load(); };
const what = (d) => `${d.action} ${d.target}`;

const paySheet = (d) => openSheet({
  title: `The ticket of ${what(d)}`, direction: 'NEUTRAL', verb: 'Name it', options: { ticket: '' }, note: html`${d.person} did it: <q>${d.reason}</q> Its entry in the audit log stays as it is; an entry of its own says which ticket it has. It is named once.`,
  fields: ({ ticket }, set) => html`<label class="field"><span>Ticket</span><input class="input" name="ticket" maxlength="100" placeholder="OPS-7" value=${ticket} onInput=${(e) => set({ ticket: e.target.value.trim() })} autocomplete="off" spellcheck="false" /></label>`,
  make: ({ ticket }) => ({
    read: null, wrong: ticket === '', before: html`<${Chip} kind="warn" icon="wait">owed<//>`, after: ticket ? html`<${Chip} kind="ok">${ticket}<//>` : html`<${Chip}>as written above<//>`,
    call: { method: 'PUT', path: `${PATH}/${d.audit}`, dryRun: false, bare: true, body: { ticket } }, portctl: () => `portctl tickets pay ${d.audit} ${shell(ticket || 'TICKET')}`, done: reload,
    result: ({ json }) => html`<div class="said k-ok"><${Icon} name="ok" /><div><b>${json.ticket_owed.ticket} is its ticket.</b> <p>${json.outcome === 'nothing' ? 'It was named before.' : `Entered as audit ${whole(json.ticket_owed.paid_audit)}.`}</p></div></div>`,
  }),
});

// Whoever acted names it; so does an operator.
const takes = (d) => (isMe(d.person) ? 'control.tighten' : 'control.loosen');
const columns = [
  { id: 'audit', width: 6, name: 'Audit', num: true, text: (d) => d.audit, cell: (d) => html`<a href=${`/audit/${d.audit}`}>${whole(d.audit)}</a>` },
  { id: 'at', width: 6, name: 'Since', text: (d) => d.at, cell: (d) => html`<span title=${d.at}>${age(Math.max(0, now.peek() - Date.parse(d.at)))}</span>` },
  { id: 'person', width: 9, name: 'Who', cell: (d) => html`<span title=${d.actor}>${d.person}</span>${isMe(d.person) ? html` <span class="muted">(you)</span>` : ''}` },
  { id: 'action', width: 9, name: 'Action' }, { id: 'target', width: 9, name: 'Target' }, { id: 'reason', width: 16, name: 'Reason' },
  { id: 'act', width: 9, name: 'Ticket', text: () => 'owed', cell: (d) => html`<${ActButton} permission=${takes(d)} small label=${`Name it… ${what(d)}, audit ${d.audit}`} open=${() => paySheet(d)}>Name it…<//>` },
];

export function Tickets() {
  const state = useResource(LIST, { every: 10000 });
  const rows = state.phase === 'ok' ? state.data.tickets_owed : null;
  return html`<${Panel} title="Tickets owed" at=${state.at} flush>${rows ? html`<${DataTable} label="Tickets owed" columns=${columns} rows=${rows} keyOf=${(d) => d.audit} ...${sortOf('tickets', { id: 'audit', direction: 'desc' })} height="16rem"
      empty=${html`<${State} icon="ok" kind="ok" title="No ticket is owed">A halt does not wait for its ticket. What was halted without one is here until it is named.<//>`} />` : html`<${Missing} state=${state} path=${PATH} of="Tickets that are owed" permission="control.read" />`}
    ${rows && state.data.next && html`<p class="foot-note"><span>These are the newest ${whole(rows.length)}; <code>portctl tickets owed</code> shows all.</span></p>`}<//>`;
}
