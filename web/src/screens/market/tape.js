import { clockOf } from '../../data/format.js';
import { group } from '../../data/decimal.js';
import { Loading, State } from '../../design/parts.js';
import { html } from '../../ui.js';
import { sinceText } from './held.js';

const SHOWN = 120;

export function Tape({ store, held }) {
  const trades = store.view.value;
  if (!trades) return html`<${Loading} lines="10" />`;
  const note = held && html`<p class="muted stale-line">${held.mode ?? 'Halted'}${sinceText(held)}: no trade is expected; one that happens is told all the same.</p>`;
  if (trades.length === 0) return html`${note}<${State} icon="wait" title="No trade yet">The last fifty appear here, then every new one.<//>`;
  return html`${note}<div class="scroll tape-box" tabindex="0" role="region" aria-label="Trades">
    <table class="tape"><caption class="sr">Trades, the newest first</caption>
      <thead><tr><th scope="col">UTC</th><th scope="col">Taker</th><th scope="col" class="num">Price</th><th scope="col" class="num">Quantity</th></tr></thead>
      <tbody>${trades.slice(0, SHOWN).map((t) => html`<tr key=${t.trade_id} title=${`trade ${t.trade_id}, ${t.ord_type}`}>
        <td class="muted">${clockOf(t.timestamp)}</td><td class=${t.side === 'buy' ? 'up' : 'down'}>${t.side === 'buy' ? '▲ buy' : '▼ sell'}</td>
        <td class=${`num ${t.side === 'buy' ? 'up' : 'down'}`}>${group(t.price)}</td><td class="num">${t.qty}</td></tr>`)}</tbody>
    </table></div>`;
}
