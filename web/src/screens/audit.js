import { Chip } from '../design/parts.js';
import { html } from '../ui.js';
import { Listing, Title } from './listing.js';

const columns = [
  { id: 'seq', name: 'Number', num: true }, { id: 'at', name: 'UTC' }, { id: 'actor', name: 'Actor' }, { id: 'action', name: 'Action' }, { id: 'target', name: 'Target' },
  { id: 'result', name: 'Result', cell: (r) => html`<${Chip} kind=${{ ok: 'ok', refused: 'warn', failed: 'bad' }[r.result] ?? 'off'} bare>${r.result}<//>` },
  { id: 'reason', name: 'Reason' }, { id: 'ticket', name: 'Ticket' }, { id: 'hash', name: 'Hash', cell: (r) => html`<code>${String(r.hash ?? '').slice(0, 12)}</code>` },
];

export function Audit() {
  return html`<${Title}>Audit<//>
    <${Listing} title="Audit records" path="/v1/audit" primary columns=${columns} keyOf=${(r) => r.seq} of="Every change, who asked, who approved, what was before and after, in a chain that can be verified," empty="No record yet"
      filters=${[['result', 'Result', ['ok', 'refused', 'failed']], ['order', 'Order', ['asc', 'desc']]]} />`;
}
