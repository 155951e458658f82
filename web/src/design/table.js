// The one data table: sort, filter, copy, rows drawn only where they are seen, keys j k Enter. Rows stay where they are
// while live data flows: the order changes only when the reader sorts or a slow beat has passed.
import { Component, html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../ui.js';
import { Icon } from './icons.js';
import { CopyButton } from './parts.js';

const ROW_REM = 1.75;
const OVER = 8; // rows drawn beyond what is seen, at least
const STEP = 8; // rows come and go so many at a time: in the frames between nothing is drawn anew
const ORDER_MS = 2000; // the order of live rows changes no more often, unless the reader asks

// The table that j, k and Enter move in: the one that has the focus, else the last one mounted as primary.
const stack = [];
export const activeTable = () => stack.find((t) => t.focused()) ?? stack.findLast((t) => t.primary);

const collator = new Intl.Collator('en', { numeric: true });
const SHORT = 500; // rows up to which INC-9 stands before INC-10; beyond that code points are compared

// Rows by column COLUMN; rows without a value last, whatever the direction. Pure.
export function sortRows(rows, column, direction) {
  if (!column) return rows;
  const of = column.sort ?? column.text ?? ((row) => row[column.id]);
  const sign = direction === 'desc' ? -1 : 1;
  const empty = (v) => v === undefined || v === null || v === '' || Number.isNaN(v);
  const words = rows.length <= SHORT;
  return rows.map((row, i) => ({ row, v: of(row), i })).sort((a, b) => {
    if (empty(a.v) || empty(b.v)) return empty(a.v) - empty(b.v) || a.i - b.i;
    const order = words && typeof a.v === 'string' ? collator.compare(a.v, String(b.v)) : a.v < b.v ? -1 : a.v > b.v ? 1 : 0;
    return sign * order || a.i - b.i;
  }).map(({ row }) => row);
}

// ROWS in order, and in the same order for a while when only their values change.
function useOrder(rows, column, direction, keyOf) {
  const kept = useRef({ at: 0 });
  return useMemo(() => {
    const k = kept.current;
    const at = performance.now();
    if (k.column === column?.id && k.direction === direction && k.keys?.length === rows.length && at - k.at < ORDER_MS) {
      const byKey = new Map(rows.map((r) => [keyOf(r), r]));
      const same = k.keys.map((key) => byKey.get(key));
      if (!same.includes(undefined)) return same;
    }
    const sorted = sortRows(rows, column, direction);
    kept.current = { column: column?.id, direction, keys: sorted.map(keyOf), at };
    return sorted;
  }, [rows, column?.id, direction]);
}

const textOf = (column, row) => String((column.text ?? ((r) => r[column.id]))(row) ?? '');
const tsv = (columns, rows) => [columns.map((c) => c.name), ...rows.map((r) => columns.map((c) => textOf(c, r)))].map((cells) => cells.join('\t')).join('\n');

function Head({ columns, sort, onSort, picks }) {
  return html`<thead><tr>${picks && html`<th scope="col" class="pick-cell"><input type="checkbox" aria-label="All rows" checked=${picks.all} indeterminate=${picks.some && !picks.all} onChange=${picks.onAll} /></th>`}${columns.map((c) => {
    const mine = sort?.id === c.id;
    const state = mine ? (sort.direction === 'desc' ? 'descending' : 'ascending') : undefined;
    return html`<th scope="col" class=${c.num ? 'num' : ''} aria-sort=${state} title=${c.title}>${c.fixed ? c.name : html`
      <button type="button" onClick=${() => onSort(c)}>${c.name}<span class="arrow" aria-hidden="true">${mine ? (sort.direction === 'desc' ? '↓' : '↑') : ''}</span></button>`}</th>`;
  })}</tr></thead>`;
}

// Which rows are seen in the box BOX refers to.
function useWindow(box, count) {
  const [range, setRange] = useState([0, 60]);
  const row = useMemo(() => ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize), []);
  useLayoutEffect(() => {
    const element = box.current;
    let asked = 0;
    const measure = () => {
      asked = 0;
      const first = Math.max(0, Math.floor((element.scrollTop / row - OVER) / STEP) * STEP);
      const last = Math.ceil(((element.scrollTop + element.clientHeight) / row + OVER) / STEP) * STEP;
      setRange(([a, b]) => (a === first && b === last ? [a, b] : [first, last]));
    };
    const later = () => { asked ||= requestAnimationFrame(measure); };
    const sizes = new ResizeObserver(later);
    sizes.observe(element);
    element.addEventListener('scroll', later, { passive: true });
    measure();
    return () => {
      sizes.disconnect();
      element.removeEventListener('scroll', later);
      cancelAnimationFrame(asked);
    };
  }, []);
  return { row, first: Math.min(range[0], count), last: Math.min(range[1], count) };
}

// Moves the choice; registers the table for the keyboard.
function useChoice({ primary, rows, keyOf, onOpen, onToggle, box, row }) {
  const [chosen, choose] = useState(null);
  const live = useRef();
  live.current = { rows, chosen, onOpen, onToggle };
  useEffect(() => {
    const table = {
      primary,
      focused: () => Boolean(box.current?.contains(document.activeElement)),
      move(by) {
        const { rows: all, chosen: key } = live.current;
        if (all.length === 0) return;
        const at = all.findIndex((r) => keyOf(r) === key);
        const next = at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by));
        choose(keyOf(all[next]));
        const { current: element } = box;
        const head = row;
        element.focus({ preventScroll: true }); // Enter is for the row now, not for what was focused before
        if (next * row < element.scrollTop) element.scrollTop = next * row;
        else if ((next + 1) * row > element.scrollTop + element.clientHeight - head) element.scrollTop = (next + 1) * row - element.clientHeight + head;
      },
      open() {
        const { rows: all, chosen: key, onOpen: act } = live.current;
        const found = all.find((r) => keyOf(r) === key);
        if (found && act) act(found);
      },
      toggle() {
        const { chosen: key, onToggle: act } = live.current;
        if (key !== null) act?.(key);
      },
      chosen() {
        const { rows: all, chosen: key } = live.current;
        return all.find((r) => keyOf(r) === key);
      },
    };
    stack.push(table);
    return () => stack.splice(stack.indexOf(table), 1);
  }, [primary, row]);
  return [chosen, choose];
}

// May the cell's text be wider than its column? Each cell that is clipped costs the browser a layer: cells without text,
// of columns that FIT, and figures that surely do need none. A digit is never wider than DIGIT_REM.
const DIGIT_REM = 0.5;
const PADDING_REM = 1.5;
function tight(column, row) {
  if (column.fits) return false;
  const { length } = textOf(column, row);
  return column.num ? length * DIGIT_REM * (4 / 3) + PADDING_REM > column.width : length > 0; // a comma for three digits
}

// Drawn again only when its row is another: scrolling draws what comes into sight and nothing else.
class Row extends Component {
  shouldComponentUpdate(next) {
    return next.row !== this.props.row || next.chosen !== this.props.chosen || next.columns !== this.props.columns || next.index !== this.props.index || next.picked !== this.props.picked;
  }

  render({ row, columns, chosen, onOpen, onChoose, keyOf, index, picked, onToggle }) {
    return html`<tr class=${`${chosen ? 'chosen ' : ''}${picked ? 'picked ' : ''}${onOpen ? 'open' : ''}`} aria-selected=${chosen ? 'true' : undefined} aria-rowindex=${index + 2}
    onClick=${(e) => { onChoose(keyOf(row)); if (onOpen && !e.target.closest('a,button,input,label')) onOpen(row); }}>
    ${onToggle && html`<td class="pick-cell"><input type="checkbox" aria-label=${`Choose ${keyOf(row)}`} checked=${picked} onChange=${() => onToggle(keyOf(row))} /></td>`}
    ${columns.map((c, i) => {
      const made = c.cell ? c.cell(row) : textOf(c, row);
      const cell = made === undefined || made === null || made === '' || made === false ? html`<span class="none">–</span>` : made;
      const name = c.width && tight(c, row) ? (c.num ? 'num cut' : 'cut') : c.num ? 'num' : undefined;
      return i === 0 ? html`<th scope="row" class=${name}>${cell}</th>` : html`<td class=${name}>${cell}</td>`;
    })}</tr>`;
  }
}

// COLUMNS: {id, name, num, title, text(row), sort(row), cell(row), fixed, width (rem; all or none of them: then columns
// stay as wide as they are whatever scrolls by), fits (whatever it says is narrower)}. FILTER and SORT come from the address. PICKED, ONPICK(set): rows can be
// chosen with a box each (key x), over what a filter hides, too.
export function DataTable({ label, columns, rows, keyOf, onOpen, primary, sort, onSort, tools, height = '24rem', empty, onRange, noCopy, picked, onPick }) {
  const box = useRef();
  const column = columns.find((c) => c.id === sort?.id);
  const sorted = useOrder(rows, column, sort?.direction, keyOf);
  const { row, first, last } = useWindow(box, sorted.length);
  const picking = useRef(); // rows are drawn again only when they change: they must not keep an old set
  picking.current = { picked, onPick };
  const toggle = useMemo(() => onPick && ((key) => {
    const next = new Set(picking.current.picked);
    if (!next.delete(key)) next.add(key);
    picking.current.onPick(next);
  }), [Boolean(onPick)]);
  const [chosen, choose] = useChoice({ primary, rows: sorted, keyOf, onOpen, onToggle: toggle, box, row });
  const seen = sorted.slice(first, last);
  const all = onPick && sorted.length > 0 && sorted.every((r) => picked.has(keyOf(r)));
  const picks = onPick && { all, some: picked.size > 0, onAll: () => onPick(all ? new Set() : new Set([...picked, ...sorted.map(keyOf)])) };
  const span = columns.length + (onPick ? 1 : 0);
  useEffect(() => onRange?.(seen), [first, last, sorted]);
  const by = (c) => onSort?.(sort?.id === c.id ? { id: c.id, direction: sort.direction === 'desc' ? 'asc' : 'desc' } : { id: c.id, direction: c.num ? 'desc' : 'asc' });
  return html`
    ${(tools || !noCopy) && html`<div class="tools">${tools}<span class="count">${sorted.length.toLocaleString('en-GB')} rows</span>
      ${!noCopy && html`<${CopyButton} what=${`${label} as text`} text=${() => tsv(columns, sorted)} />`}</div>`}
    <div class="scroll" ref=${box} tabindex="0" role="region" aria-label=${label} style=${{ maxHeight: height }}>
      <table class=${`grid${columns[0].width ? ' fixed' : ''}`} aria-rowcount=${sorted.length + 1} style=${columns[0].width ? { minWidth: `${columns.reduce((sum, c) => sum + c.width, onPick ? 2.25 : 0)}rem` } : undefined}>
        <caption class="sr">${label}</caption>
        ${columns[0].width && html`<colgroup>${onPick && html`<col style=${{ width: '2.25rem' }} />`}${columns.map((c) => html`<col style=${{ width: `${c.width}rem` }} />`)}</colgroup>`}
        <${Head} columns=${columns} sort=${sort} onSort=${by} picks=${picks} />
        <tbody>
          ${first > 0 && html`<tr class="gap" aria-hidden="true"><td colspan=${span} style=${{ height: `${first * row}px` }}></td></tr>`}
          ${seen.map((r, i) => html`<${Row} key=${keyOf(r)} row=${r} index=${first + i} columns=${columns} chosen=${keyOf(r) === chosen} onOpen=${onOpen} onChoose=${choose} keyOf=${keyOf} picked=${onPick ? picked.has(keyOf(r)) : undefined} onToggle=${toggle} />`)}
          ${last < sorted.length && html`<tr class="gap" aria-hidden="true"><td colspan=${span} style=${{ height: `${(sorted.length - last) * row}px` }}></td></tr>`}
        </tbody>
      </table>
      ${sorted.length === 0 && empty}
    </div>`;
}

export function SearchField({ label, value, onInput, hint = '/' }) {
  return html`<label class="search"><span class="sr">${label}</span>
    <input class="input" type="search" data-search placeholder=${label} value=${value} onInput=${(e) => onInput(e.target.value)} spellcheck="false" autocomplete="off" />
    <kbd aria-hidden="true">${hint}</kbd></label>`;
}

export { Icon };
