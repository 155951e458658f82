// What lies above a screen: the list of keys, and the choice of a symbol.
import { instruments } from '../app.js';
import { Dialog } from '../design/dialog.js';
import { navigate, symbolPart } from '../router.js';
import { html, useState } from '../ui.js';
import { KEYS, overlay } from './keys.js';

const close = () => { overlay.value = null; };

function Help() {
  return html`<${Dialog} label="Keys" className="card" veil="overlay" onClose=${close}>
    <div class="head"><h1>Keys</h1><button type="button" class="btn" data-first onClick=${close}>Close</button></div>
    <div class="body"><dl class="keys">${KEYS.map(([key, what]) => html`<div><dt>${key.split(' ').filter(Boolean).map((k) => (k === '–' ? ' – ' : html`<kbd>${k}</kbd> `))}</dt><dd>${what}</dd></div>`)}</dl>
    <p class="muted note">No key acts on the market. Actions open a sheet that shows what changes, and wait for typed confirmation.</p></div>
  <//>`;
}

// Symbols that hold TEXT; those that begin with it first. Pure.
export function matching(symbols, text, limit = 12) {
  const wanted = text.toUpperCase().replace(/[^A-Z0-9]/g, '');
  const scored = [];
  for (const symbol of symbols) {
    const at = symbol.toUpperCase().replace(/[^A-Z0-9]/g, '').indexOf(wanted);
    if (at >= 0) scored.push([at, symbol]);
  }
  return scored.sort(([a, x], [b, y]) => a - b || x.length - y.length || (x < y ? -1 : 1)).slice(0, limit).map(([, s]) => s);
}

function GoToSymbol() {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const found = matching(instruments.pairs.value.keys(), text);
  const go = (symbol) => {
    close();
    navigate({ screen: 'market', part: symbolPart(symbol) });
  };
  const onKey = (e) => {
    if (e.key === 'Enter' && found[at]) go(found[at]);
    else if (e.key === 'ArrowDown') setAt(Math.min(found.length - 1, at + 1));
    else if (e.key === 'ArrowUp') setAt(Math.max(0, at - 1));
    else return;
    e.preventDefault();
  };
  return html`<${Dialog} label="Go to a symbol" className="card finder" veil="overlay high" onClose=${close}>
    <div class="body"><input class="input" data-first role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${found[at] ? `found-${at}` : undefined} aria-label="Symbol" placeholder="Symbol, for example BTC/USD"
      value=${text} onInput=${(e) => { setText(e.target.value); setAt(0); }} onKeyDown=${onKey} autocomplete="off" spellcheck="false" />
      <ul id="found" role="listbox" aria-label="Symbols">${found.map((s, i) => html`<li id=${`found-${i}`} key=${s} role="option" aria-selected=${String(i === at)} onClick=${() => go(s)}>${s}</li>`)}</ul>
      ${found.length === 0 && html`<p class="muted note">No symbol of this gateway holds “${text}”.</p>`}</div>
  <//>`;
}

export function Overlays() {
  if (overlay.value?.view) return html`<${overlay.value.view} />`;
  if (overlay.value === 'help') return html`<${Help} />`;
  return overlay.value === 'symbol' ? html`<${GoToSymbol} />` : null;
}
