// A screen that is one list of the admin API: its table, its filters in the address, and every state it can be in.
import { useResource } from '../data/api.js';
import { NotThere, Panel, State } from '../design/parts.js';
import { DataTable, SearchField } from '../design/table.js';
import { addressOf, navigate, route, setFilter } from '../router.js';
import { html } from '../ui.js';

// The rows of an answer, whatever its list is called; null when it holds none.
export function rowsOf(data) {
  if (Array.isArray(data)) return data;
  if (!data || typeof data !== 'object') return null;
  return data.items ?? Object.values(data).find(Array.isArray) ?? null;
}

// How a table is sorted, in the address; NAME tells it from the other tables of its screen, KEEP is what it begins with.
export function sortOf(name, keep) {
  const [sort, dir] = name ? [`${name}_sort`, `${name}_dir`] : ['sort', 'dir'];
  const { query } = route.value;
  return { sort: query[sort] ? { id: query[sort], direction: query[dir] } : keep, onSort: (s) => { setFilter(sort, s.id); setFilter(dir, s.direction); } };
}

const holds = (row, text) => JSON.stringify(row).toLowerCase().includes(text.toLowerCase());

// COLUMNS as a DataTable's; FILTERS: [[name, label, values]] that are sent to the gateway; OF: what it lists, in words.
export function Listing({ title, path, columns, of, empty, filters = [], primary, aside, keyOf = (r) => r.id, every = 5000, open }) {
  const { query, screen, part } = route.value;
  const { q = '' } = query;
  const sent = filters.filter(([name]) => query[name]).map(([name]) => `${name}=${encodeURIComponent(query[name])}`).join('&');
  const state = useResource(sent ? `${path}?${sent}` : path, { every });
  const rows = state.phase === 'ok' ? rowsOf(state.data) : null;
  const shown = rows?.filter((r) => !q || holds(r, q));
  return html`<${Panel} title=${title} at=${state.at} flush aside=${aside}>
    ${shown ? html`<${DataTable} label=${title} primary=${primary} columns=${columns} rows=${shown} keyOf=${keyOf} height="max(18rem, calc(100dvh - 20rem))"
        ...${sortOf('')}
        onOpen=${open ? (r) => navigate(addressOf({ screen, part: keyOf(r), query })) : undefined}
        tools=${html`<${SearchField} label="Filter" value=${q} onInput=${(v) => setFilter('q', v)} />
          ${filters.map(([name, label, values]) => html`<select class="select" aria-label=${label} value=${query[name] ?? ''} onChange=${(e) => setFilter(name, e.target.value)}><option value="">${label}: any</option>${values.map((v) => html`<option value=${v}>${v}</option>`)}</select>`)}`}
        empty=${html`<${State} icon="info" title=${rows.length ? 'Nothing matches the filter' : empty}><//>`} />`
    : html`<div class="ghost" aria-hidden="true">${columns.map((c) => html`<span>${c.name}</span>`)}</div><${NotThere} state=${state} path=${path} of=${of} />`}
  <//>`;
}

export const Title = ({ children, push }) => html`<div class="title"><h1>${children}</h1>${push && html`<span class="push actions">${push}</span>`}</div>`;
