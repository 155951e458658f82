import { total } from '../../data/book.js';
import { Chart } from '../../design/chart.js';
import { Loading, State } from '../../design/parts.js';
import { html, useMemo } from '../../ui.js';
import { sinceText, whyText } from './held.js';

// Geometry only: prices become floating point here and nowhere else.
function points(view) {
  const scale = 10 ** view.decimals;
  const bids = [...view.bids].reverse();
  const xs = [...bids, ...view.asks].map((l) => Number(l.price));
  const none = (n) => Array.from({ length: n }, () => null);
  const sums = (levels) => levels.map((l) => Number(l.sum) / scale);
  return [xs, [...sums(bids), ...none(view.asks.length)], [...none(bids.length), ...sums(view.asks)]];
}

const short = (x) => (x >= 1e6 ? `${(x / 1e6).toPrecision(3)}M` : x >= 1e4 ? `${(x / 1e3).toPrecision(3)}k` : String(Number(x.toPrecision(4))));

export function Depth({ view, symbol, held }) {
  const data = useMemo(() => (view?.ready ? points(view) : null), [view]);
  if (held?.book === 'withdrawn') return html`<${State} kind="bad" icon="lock" title="No depth: the book is withdrawn">${`${sinceText(held)} ${whyText(held)}`.trim()}.<//>`;
  if (!data) return html`<${Loading} />`;
  if (data[0].length < 2) return html`<${State} icon="off" title="Nothing to draw">The book has ${data[0].length === 0 ? 'no level' : 'one level'}.<//>`;
  const all = (levels) => (levels.length ? total(view, levels.at(-1)) : '0');
  const price = (x) => Number(x.toPrecision(9)).toLocaleString('en-GB', { maximumFractionDigits: 8 });
  return html`${held && html`<p class="muted stale-line">Frozen${sinceText(held)}: the depth as it was then.</p>`}<div class=${held ? 'of-then fill' : 'fill'}><${Chart} label=${`Depth of ${symbol}${held ? ', frozen' : ''}`} stepped least="0" data=${data} format=${short} formatX=${price}
    series=${[{ name: 'Bids', colour: 'bid', fill: true, align: -1, idle: all(view.bids) }, { name: 'Asks', colour: 'ask', fill: true, align: 1, idle: all(view.asks) }]} /></div>`;
}
