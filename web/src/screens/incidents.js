import { lasting } from '../data/format.js';
import { now } from '../data/beat.js';
import { Chip } from '../design/parts.js';
import { html } from '../ui.js';
import { Listing, Title } from './listing.js';

const SEVERITY = { SEV1: 'bad', SEV2: 'bad', SEV3: 'warn', SEV4: 'off' };
const STATES = { open: 'bad', acknowledged: 'warn', mitigated: 'info', resolved: 'ok', closed: 'off', reopened: 'bad' };

function Countdown({ due, acknowledged }) {
  if (acknowledged) return html`<span class="muted">acknowledged</span>`;
  if (!due) return '–';
  const left = Date.parse(due) - now.value;
  return html`<${Chip} kind=${left < 0 ? 'bad' : left < 300000 ? 'warn' : 'info'} icon="wait" bare>${left < 0 ? `${lasting(-left)} over` : lasting(left)}<//>`;
}

const columns = [
  { id: 'id', name: 'Incident' },
  { id: 'severity', name: 'Severity', cell: (r) => html`<${Chip} kind=${SEVERITY[r.severity] ?? 'off'}>${r.severity}<//>` },
  { id: 'state', name: 'State', cell: (r) => html`<${Chip} kind=${STATES[r.state] ?? 'off'} bare>${r.state}<//>` },
  { id: 'ack', name: 'Acknowledge within', sort: (r) => r.ack_due_at, text: (r) => r.ack_due_at, cell: (r) => html`<${Countdown} due=${r.ack_due_at} acknowledged=${r.state !== 'open'} />` },
  { id: 'level', name: 'Level' }, { id: 'class', name: 'Class' }, { id: 'title', name: 'What' }, { id: 'commander', name: 'Commander' }, { id: 'opened_at', name: 'Opened, UTC' },
];
const books = [{ id: 'id', name: 'Playbook' }, { id: 'title', name: 'For' }, { id: 'version', name: 'Version' }, { id: 'owner', name: 'Owner' }, { id: 'reviewed_at', name: 'Reviewed' }, { id: 'next_review_at', name: 'Next review' }];

export function Incidents() {
  return html`<${Title}>Incidents<//>
    <${Listing} title="Incidents" path="/v1/incidents" primary open columns=${columns} of="Incidents with their countdown, level and commander" empty="No incident. Long may it last."
      filters=${[['state', 'State', ['open', 'acknowledged', 'mitigated', 'resolved', 'closed']], ['severity', 'Severity', ['SEV1', 'SEV2', 'SEV3', 'SEV4']]]} />
    <${Listing} title="Playbooks" path="/v1/playbooks" columns=${books} of="The steps for each kind of incident, with their review dates," empty="No playbook is installed" every="60000" />`;
}
