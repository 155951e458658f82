import { Chip } from '../design/parts.js';
import { html } from '../ui.js';
import { Listing, Title } from './listing.js';

const columns = [
  { id: 'kind', name: 'Drill' }, { id: 'every', name: 'Every' }, { id: 'due_at', name: 'Due' },
  { id: 'state', name: 'State', cell: (r) => html`<${Chip} kind=${{ passed: 'ok', failed: 'bad', overdue: 'bad', running: 'info', due: 'warn' }[r.state] ?? 'off'} bare>${r.state}<//>` },
  { id: 'rto_s', name: 'Recovery time', num: true }, { id: 'rpo_s', name: 'Data lost', num: true }, { id: 'by', name: 'Signed by' }, { id: 'finished_at', name: 'Last run, UTC' },
];

export function Drills() {
  return html`<${Title}>Drills<//>
    <${Listing} title="Drills" path="/v1/drills" primary open columns=${columns} of="What is rehearsed, how often, when last and how fast," empty="No drill has been planned" every="30000" />`;
}
