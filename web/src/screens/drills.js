// Drills. The smoke test of stage G0 is the first; what is not built yet says so.
import { ActButton, openSheet } from '../acting/acting.js';
import { useResource } from '../data/api.js';
import { Icon } from '../design/icons.js';
import { Chip, CopyButton, Facts, NotThere, Panel } from '../design/parts.js';
import { html } from '../ui.js';
import { Listing, Title } from './listing.js';

const columns = [
  { id: 'kind', name: 'Drill' }, { id: 'every', name: 'Every' }, { id: 'due_at', name: 'Due' },
  { id: 'state', name: 'State', cell: (r) => html`<${Chip} kind=${{ passed: 'ok', failed: 'bad', overdue: 'bad', running: 'info', due: 'warn' }[r.state] ?? 'off'} bare>${r.state}<//>` },
  { id: 'rto_s', name: 'Recovery time', num: true }, { id: 'rpo_s', name: 'Data lost', num: true }, { id: 'by', name: 'Signed by' }, { id: 'finished_at', name: 'Last run, UTC' },
];

function Result({ json }) {
  const settled = json?.status === 'settled';
  const facts = Object.entries(json ?? {}).filter(([k, v]) => k !== 'status' && typeof v !== 'object').map(([k, v]) => [k.replace(/_/g, ' '), html`<code>${String(v)}</code>`]);
  return html`<div class=${`said k-${settled ? 'ok' : 'bad'}`}><${Icon} name=${settled ? 'ok' : 'bad'} /><div><b>${settled ? 'settled: the row is durable, the trade and its candle are published' : json?.status ?? 'no status'}</b><${Facts} rows=${facts} /></div></div>`;
}

const smokeSheet = () => ({
  title: 'Smoke test G0', verb: 'Run', direction: 'NEUTRAL', typed: 'SMOKE', before: 'not run from here', after: 'one trade settled and published', radius: [['Settlement rows', 'one, in smoke_ledger_entries'], ['Clients', 'those that follow the smoke symbol']],
  note: 'For staging only: the gateway offers it when SMOKE_ENABLED=true, never in a production profile.',
  call: { method: 'POST', path: '/v1/smoke/trades', body: {}, bare: true, dryRun: false, confirm: true }, portctl: () => 'portctl smoke g0', result: ({ json }) => html`<${Result} json=${json} />`,
});

const COMMANDS = ['tests/smoke_g0.sh', 'portctl smoke g0'];

function Smoke() {
  return html`<${Panel} title="G0: does a trade go through?" aside=${html`<${ActButton} permission="drills.run" open=${() => openSheet(smokeSheet())}>Run it…<//>`}>
    <div class="prose"><p>One trade from order to settlement: a row in PostgreSQL, then <code>TradeExecuted</code> and <code>CandleUpdated</code> on the WebSocket. The answer is <code>settled</code> only after the row is durable. The script says which of its four checks failed and ends with <code>smoke_g0_success=true</code>.</p></div>
    <div class="commands">${COMMANDS.map((text) => html`<div class="command"><pre tabindex="0">${text}</pre><${CopyButton} what="command" text=${text} /></div>`)}</div><//>`;
}

export function Drills() {
  const state = useResource('/v1/drills', { every: 60000 });
  return html`<${Title}>Drills<//><${Smoke} />
    ${state.phase === 'absent' ? html`<${Panel} title="Calendar of drills"><${NotThere} state=${state} path="/v1/drills" of="What is rehearsed, how often, when last and how fast," /><//>`
    : html`<${Listing} title="Drills" path="/v1/drills" primary open columns=${columns} of="What is rehearsed, how often, when last and how fast," empty="No drill has been planned" every="60000" />`}`;
}
