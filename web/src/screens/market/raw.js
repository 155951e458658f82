import { time } from '../../data/format.js';
import { CopyButton, State } from '../../design/parts.js';
import { DataTable } from '../../design/table.js';
import { setFilter, route } from '../../router.js';
import { html, useMemo, useRef, useState } from '../../ui.js';

const CHANNELS = ['', 'book', 'trade', 'ohlc', 'ticker', 'status', 'gateway', 'heartbeat'];
// The number of a row opens it, by keyboard as well. OPEN: which one is; HOLD(yes): a row has the focus, or not any more.
const columnsOf = (open, toggle, hold) => [
  { id: 'n', name: '#', num: true, cell: (r) => html`<button type="button" class="btn quiet small" aria-label=${`${r.n}: the whole message`} aria-expanded=${String(r.n === open)} aria-controls="raw-open"
    onClick=${() => toggle(r)} onFocus=${() => hold(true)} onBlur=${() => hold(false)}>${r.n}</button>` },
  { id: 'at', name: 'UTC', text: (r) => time(r.at), sort: (r) => r.at },
  { id: 'what', name: 'Channel' }, { id: 'type', name: 'Type' },
  { id: 'bytes', name: 'Bytes', num: true },
  { id: 'raw', name: 'Text', cell: (r) => html`<code class="raw">${r.raw.slice(0, 240)}</code>` },
];

export function Raw({ store, symbol }) {
  const { channel = '', mine = '1' } = route.value.query;
  const [open, setOpen] = useState(null);
  const [sort, setSort] = useState({ id: 'n', direction: 'desc' });
  const [held, hold] = useState(false);
  const kept = useRef();
  const toggle = (r) => setOpen((was) => (was?.n === r.n ? null : r));
  const columns = useMemo(() => columnsOf(open?.n, toggle, hold), [open?.n]);
  const live = store.view.value;
  kept.current = held ? kept.current : live; // rows do not run away from under the focus
  const rows = kept.current.filter((r) => (!channel || r.what === channel) && (mine !== '1' || r.raw.includes(`"${symbol}"`)));
  return html`<${DataTable} label="Messages" columns=${columns} rows=${rows} keyOf=${(r) => r.n} height="15rem" sort=${sort} onSort=${setSort} onOpen=${toggle}
      tools=${html`<select class="select" aria-label="Channel" value=${channel} onChange=${(e) => setFilter('channel', e.target.value)}>${CHANNELS.map((c) => html`<option value=${c}>${c || 'every channel'}</option>`)}</select>
        <label class="check"><input type="checkbox" checked=${mine === '1'} onChange=${(e) => setFilter('mine', e.target.checked ? '' : '0')} /> only ${symbol}</label><span class="muted">the last 300; <kbd>p</kbd> holds them still, so does the focus on a row</span>`}
      empty=${html`<${State} icon="wait" title="No message yet">What the gateway sends appears here, byte for byte.<//>`} />
    <div id="raw-open">${open && html`<div class="command raw-open"><pre tabindex="0">${open.raw}</pre><${CopyButton} what="message" text=${open.raw} /></div>`}</div>`;
}
