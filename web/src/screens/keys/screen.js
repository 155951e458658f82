// Who may call, and who tried: the keys, and the failures the gateway counts.
import { ActButton } from '../../acting/acting.js';
import { useResource } from '../../data/api.js';
import { useMeter } from '../../data/meter.js';
import { Chip, NotThere, Panel, State } from '../../design/parts.js';
import { DataTable, SearchField } from '../../design/table.js';
import { addressOf, navigate, route, setFilter } from '../../router.js';
import { html, useMemo } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { Title } from '../listing.js';
import { at, away, Detail, stateChip, STATES } from './detail.js';
import { Measured } from './measured.js';
import { issueSheet } from './sheets.js';

const PATH = '/v1/keys?limit=1000';
const columns = [
  { id: 'state', width: 5.5, name: 'State', cell: (r) => html`${stateChip(r.state, true)}${r.flagged ? html` <${Chip} kind="warn" icon="warn" bare>flagged<//>` : null}` },
  { id: 'account', width: 6, name: 'Account' }, { id: 'label', width: 10, name: 'Label' }, { id: 'owner', width: 5.5, name: 'Owner' },
  { id: 'id', width: 13.5, name: 'Key', cell: (r) => html`<code>${r.id}</code>` },
  { id: 'scopes', width: 14, name: 'Scopes', text: (r) => r.scopes.join(' ') },
  { id: 'ip_allow', width: 7, name: 'Networks', text: (r) => r.ip_allow.join(' ') || 'any' },
  { id: 'rate_class', width: 5, name: 'Class' },
  { id: 'not_after', width: 6, name: 'Ends', text: (r) => r.not_after ?? 'never', cell: (r) => html`<span title=${r.not_after ?? 'no end'}>${away(r.not_after)}</span>` },
  { id: 'created_at', width: 10, name: 'Issued', text: (r) => r.created_at, cell: (r) => at(r.created_at) },
  { id: 'algorithm', width: 9, name: 'Algorithm' },
];
const holds = (row, text) => [row.id, row.account, row.label, row.owner, row.scopes.join(' '), row.ip_allow.join(' '), row.created_by, row.flagged ? 'flagged' : ''].join(' ').toLowerCase().includes(text);

function List() {
  const { query, part } = route.value;
  const { q = '', state: wanted = '', account = '', scope = '', sort = 'created_at', dir = 'desc' } = query;
  const state = useResource(PATH, { every: 5000 });
  const rows = state.phase === 'ok' ? state.data.keys : null;
  const text = q.toLowerCase();
  const shown = useMemo(() => rows?.filter((r) => (!text || holds(r, text)) && (!wanted || r.state === wanted) && (!account || r.account === account) && (!scope || r.scopes.includes(scope))), [rows, text, wanted, account, scope]);
  const choice = (name, label, value, values) => html`<select class="select" aria-label=${label} value=${value} onChange=${(e) => setFilter(name, e.target.value)}><option value="">${label}: any</option>${values.map((v) => html`<option value=${v}>${v}</option>`)}</select>`;
  const some = (of) => [...new Set((rows ?? []).flatMap(of))].sort();
  return html`<${Panel} title="Keys" at=${state.at} flush aside=${html`<${ActButton} permission="keys.write" open=${() => issueSheet(account)}>Issue a key…<//>`}>
    ${shown ? html`<${DataTable} label="Keys" primary columns=${columns} rows=${shown} keyOf=${(r) => r.id} height="max(18rem, calc(100dvh - 22rem))" sort=${{ id: sort, direction: dir }}
        onSort=${(s) => { setFilter('sort', s.id); setFilter('dir', s.direction); }} onOpen=${(r) => navigate(addressOf({ screen: 'keys', part: r.id, query }))}
        tools=${html`<${SearchField} label="Find a key" value=${q} onInput=${(v) => setFilter('q', v)} />${choice('state', 'State', wanted, Object.keys(STATES))}${choice('account', 'Account', account, some((r) => r.account))}${choice('scope', 'Scope', scope, some((r) => r.scopes))}`}
        empty=${html`<${State} icon="keys" title=${rows.length ? 'No key matches' : 'No key yet'}>${rows.length ? 'Change the filters above.' : 'The first one is made on the gateway’s host: portcullis --bootstrap-key.'}<//>`} />
      ${state.data.more && html`<p class="foot-note"><span>These are the first 1,000 keys; <code>portctl key list</code> has them all.</span></p>`}`
    : html`<div class="ghost" aria-hidden="true">${columns.map((c) => html`<span>${c.name}</span>`)}</div><${Missing} state=${state} path="/v1/keys" of="Every key with its scopes, limits, networks and owner" permission="keys.read" />`}
  <//>`;
}

export function Keys() {
  const m = useMeter();
  const { part } = route.value;
  const none = m.samples.length > 0 && !m.samples.at(-1).metrics.has('auth_keys');
  return html`<${Title}>Auth and keys<//>
    ${none ? html`<section class="panel"><${State} icon="off" title="This gateway keeps no keys"><code>auth.database</code> is not set: nobody can sign, everything public is open to all.<//></section>`
    : m.samples.length ? html`<${Measured} m=${m} />` : html`<section class="panel"><${NotThere} state=${m} path="/metrics" of="Failures, replays and limits" /></section>`}
    <div class=${part ? 'beside' : 'column'}><${List} />${part && html`<${Detail} key=${part} id=${part} />`}</div>`;
}
