import { total } from '../../data/book.js';
import { Chart } from '../../design/chart.js';
import { Loading } from '../../design/parts.js';
import { html, useMemo } from '../../ui.js';

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

export function Depth({ view, symbol }) {
  const data = useMemo(() => (view?.ready ? points(view) : null), [view]);
  if (!data) return html`<${Loading} />`;
  const all = (levels) => (levels.length ? total(view, levels.at(-1)) : '0');
  const price = (x) => Number(x.toPrecision(9)).toLocaleString('en-GB', { maximumFractionDigits: 8 });
  return html`<${Chart} label=${`Depth of ${symbol}`} stepped least="0" data=${data} format=${short} formatX=${price}
    series=${[{ name: 'Bids', colour: 'bid', fill: true, align: -1, idle: all(view.bids) }, { name: 'Asks', colour: 'ask', fill: true, align: 1, idle: all(view.asks) }]} />`;
}
