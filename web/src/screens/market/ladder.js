import { total } from '../../data/book.js';
import { basisPoints, group, minus } from '../../data/decimal.js';
import { folding } from '../../data/stores.js';
import { Loading, State } from '../../design/parts.js';
import { HeldNote } from './held.js';
import { html, useEffect, useRef, useState } from '../../ui.js';

// Best prices, the spread, the last trade, in the title of the screen.
export function Top({ view, trades, held }) {
  const bid = view?.bids[0];
  const ask = view?.asks[0];
  const last = trades?.[0];
  const then = { class: held ? 'of-then' : undefined, title: held ? `${held.book}: not of now` : undefined };
  return html`<dl class="top">
    <div><dt>Last</dt><dd class=${last ? (last.side === 'buy' ? 'up' : 'down') : ''}>${last ? `${last.side === 'buy' ? '▲' : '▼'} ${group(last.price)}` : '–'}</dd></div>
    <div ...${then}><dt>Bid</dt><dd>${bid ? group(bid.price) : '–'}</dd></div><div ...${then}><dt>Ask</dt><dd>${ask ? group(ask.price) : '–'}</dd></div>
    <div ...${then}><dt>Spread</dt><dd>${bid && ask ? html`${group(minus(ask.price, bid.price))} <small>${basisPoints(bid.price, ask.price).toFixed(2)} bp</small>` : '–'}</dd></div>
  </dl>`;
}

const ROW_REM = 1.25;

// Which of COUNT rows are in sight; all of a short ladder.
function useRows(box, count) {
  const [range, setRange] = useState([0, 60]);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const row = ROW_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
    const measure = () => {
      const first = Math.max(0, Math.floor(element.scrollTop / row) - 10);
      setRange(([a, b]) => {
        const last = first + Math.ceil(element.clientHeight / row) + 20;
        return a === first && b === last ? [a, b] : [first, last];
      });
    };
    element.addEventListener('scroll', measure, { passive: true });
    measure();
    return () => element.removeEventListener('scroll', measure);
  }, [box.current]);
  return [Math.min(range[0], Math.max(0, count - 1)), Math.min(range[1], count)];
}

const share = (level, most) => (most > 0n ? `${Number((level.sum * 10000n) / most) / 100}%` : '0%');

function Row({ bid, ask, most, view }) {
  return html`<tr>
    <td class="sum bid" style=${{ '--w': bid ? share(bid, most) : '0%' }}>${bid && total(view, bid)}</td><td class="qty">${bid && bid.qty}</td><td class="price up">${bid && group(bid.price)}</td>
    <td class="price down">${ask && group(ask.price)}</td><td class="qty">${ask && ask.qty}</td><td class="sum ask" style=${{ '--w': ask ? share(ask, most) : '0%' }}>${ask && total(view, ask)}</td>
  </tr>`;
}

// HELD: why the book does not move (held.js).
export function Ladder({ store, size, held }) {
  const box = useRef();
  const view = store.view.value;
  const refusal = store.refusal.value;
  const count = Math.max(view?.bids.length ?? 0, view?.asks.length ?? 0);
  const [first, last] = useRows(box, count);
  if (refusal) return html`<${State} kind="bad" icon="bad" title="The gateway refused the book">${refusal}<//>`;
  if (held?.book === 'withdrawn') return html`<${HeldNote} held=${held} />`;
  if (!view?.ready) return html`<${HeldNote} held=${held} /><${Loading} lines="12" />`;
  const { bids, asks } = view;
  const fold = folding(view.health);
  const bidTotal = bids.at(-1)?.sum ?? 0n;
  const askTotal = asks.at(-1)?.sum ?? 0n;
  const most = bidTotal > askTotal ? bidTotal : askTotal;
  const rows = [];
  for (let i = first; i < last; i++) rows.push(html`<${Row} key=${i} bid=${bids[i]} ask=${asks[i]} most=${most} view=${view} />`);
  const gap = (n) => n > 0 && html`<tr class="gap" aria-hidden="true"><td colspan="6" style=${{ height: `${n * ROW_REM}rem` }}></td></tr>`;
  return html`<${HeldNote} held=${held} /><div class=${`scroll ladder-box${held ? ' of-then' : ''}`} ref=${box} tabindex="0" role="region" aria-label=${`Order book${held ? ', frozen' : ''}`}>
      <table class="ladder" data-seq=${view.seq}>
        <caption class="sr">Order book, bids left and asks right, best first${held ? '; frozen, not of now' : ''}</caption>
        <thead><tr><th scope="col">Total</th><th scope="col">Bid qty</th><th scope="col">Bid</th><th scope="col">Ask</th><th scope="col">Ask qty</th><th scope="col">Total</th></tr></thead>
        <tbody>${gap(first)}${rows}${gap(count - last)}</tbody>
      </table></div>
    <p class="foot-note"><span>seq <b>${view.seq}</b></span><span title="How many engine events one message of this book folds">${fold === undefined ? 'not conflated yet' : html`conflated <b>${fold.toFixed(1)}</b> : 1`}</span><span>${view.held[0]} bids, ${view.held[1]} asks held${size === 'full' ? '; at most 1,000 a side' : ''}</span></p>`;
}
