// The playbooks that are installed, and one of them to read; what an alert's runbook_url leads to (?book=ID).
import { utc } from '../../app.js';
import { useResource } from '../../data/api.js';
import { plain } from '../../data/incidents.js';
import { Icon } from '../../design/icons.js';
import { Chip, NotThere, Panel, State } from '../../design/parts.js';
import { DataTable } from '../../design/table.js';
import { route, setFilter } from '../../router.js';
import { html } from '../../ui.js';
import { sortOf } from '../listing.js';
import { openByHand } from './acts.js';
import { Act } from './button.js';
import { ms, Severity } from './marks.js';
import { Contacts, Notice, Phases } from './playbook.js';

const overdue = (b) => b.next_review_at && ms(b.next_review_at) < utc();
const day = (text) => text?.slice(0, 10);
const columns = [
  { id: 'id', name: 'Playbook', cell: (b) => html`<a href=${`/incidents/playbooks?book=${encodeURIComponent(b.id)}`}>${b.id}</a>` }, { id: 'title', name: 'For' },
  { id: 'severity', name: 'Severity', cell: (b) => b.severity && html`<${Severity} of=${b.severity} />` }, { id: 'version', name: 'Version', num: true }, { id: 'owner', name: 'Owner' },
  { id: 'reviewed_at', name: 'Reviewed', text: (b) => day(b.reviewed_at) },
  { id: 'next_review_at', name: 'Next review', text: (b) => day(b.next_review_at), cell: (b) => b.next_review_at && (overdue(b) ? html`<${Chip} kind="warn" bare>${day(b.next_review_at)} overdue<//>` : day(b.next_review_at)) },
];

function Book({ id }) {
  const path = `/v1/playbooks/${encodeURIComponent(id)}`;
  const state = useResource(path, { every: 60000 });
  const b = state.phase === 'ok' ? state.data?.playbook ?? state.data : null;
  if (!b) return html`<${Panel} title=${id}><${NotThere} state=${state} path=${path} of="The playbook" /><//>`;
  return html`<div class="columns incident-body"><div class="stack-panels">
    <${Panel} title=${b.title} className="playbook" aside=${html`${b.severity && html`<${Severity} of=${b.severity} />`}<${Act} open=${() => openByHand([b], b.id)}>Open an incident with it…<//>`}><${Phases} playbook=${b} /><//></div>
    <div class="stack-panels">
      <${Panel} title="When to use it"><h3>Signals</h3><ul class="plain-list">${(b.signals ?? []).map((s) => html`<li><${Icon} name="incidents" size="13" /><code>${s}</code></li>`)}</ul>
        ${b.symptoms?.length ? html`<h3>Symptoms</h3><ul class="plain-list">${b.symptoms.map((s) => html`<li><${Icon} name="info" size="13" />${s}</li>`)}</ul>` : ''}
        <p class="muted small-note">Version ${b.version}, owner ${b.owner ?? '–'}, reviewed ${day(b.reviewed_at) ?? '–'}, next ${day(b.next_review_at) ?? '–'}${overdue(b) ? ': overdue' : ''}.</p><//>
      ${b.exit?.length ? html`<${Panel} title="Exit conditions"><ul class="plain-list">${b.exit.map((e) => html`<li><${Icon} name="ok" size="13" /><span>${e.text} <span class="muted">(${e.need} needed)</span></span></li>`)}</ul><//>` : ''}
      <${Contacts} playbook=${b} /><${Notice} playbook=${b} /></div></div>`;
}

export function Playbooks() {
  const state = useResource('/v1/playbooks', { every: 60000 });
  const { book } = route.value.query;
  const rows = state.phase === 'ok' ? state.data.playbooks : null;
  if (book) return html`<p class="crumbs"><a href="/incidents/playbooks">All playbooks</a><span aria-hidden="true">/</span><b>${book}</b></p><${Book} key=${book} id=${book} />`;
  return html`<${Panel} title="Playbooks" at=${state.at} limit="120000" flush>${rows ? html`<${DataTable} label="Playbooks" primary columns=${columns} rows=${rows} keyOf=${(b) => b.id} ...${sortOf('', { id: 'id', direction: 'asc' })} onOpen=${(b) => setFilter('book', b.id)} empty=${html`<${State} title="No playbook is installed">They are YAML files in the folder that <code>playbooks.dir</code> names.<//>`} />`
    : html`<${NotThere} state=${state} path="/v1/playbooks" of="The steps for each kind of incident, with their review dates," />`}<//>`;
}
