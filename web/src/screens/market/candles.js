// Candles (lightweight-charts, loaded with this screen). Its numbers are floating point for drawing; the legend and the
// table show the text that came.
import { palette } from '../../data/settings.js';
import { group } from '../../data/decimal.js';
import { colour } from '../../design/chart.js';
import { Loading, State } from '../../design/parts.js';
import { date, localTime, time } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { html, useEffect, useRef, useState } from '../../ui.js';
import { onCandles } from './marks.js';

const forDrawing = (c) => ({ time: c.time, open: Number(c.open), high: Number(c.high), low: Number(c.low), close: Number(c.close) });
const volume = (c) => ({ time: c.time, value: Number(c.volume), color: colour(Number(c.close) >= Number(c.open) ? 'bid-bar' : 'ask-bar') });

function optionsOf(precision) {
  const line = colour('line');
  return {
    autoSize: true,
    layout: { background: { type: 'solid', color: colour('surface') }, textColor: colour('muted'), fontSize: 11, fontFamily: getComputedStyle(document.body).fontFamily, attributionLogo: false },
    grid: { vertLines: { color: 'transparent' }, horzLines: { color: line } },
    rightPriceScale: { borderColor: line, scaleMargins: { top: 0.08, bottom: 0.22 } },
    timeScale: { borderColor: line, timeVisible: true, secondsVisible: false, rightOffset: 4, barSpacing: 7 },
    crosshair: { mode: 0, vertLine: { color: colour('line-strong') }, horzLine: { color: colour('line-strong') } },
    localization: { priceFormatter: (p) => group(p.toFixed(precision ?? 2)), timeFormatter: (t) => `${utc(t)} UTC` },
    handleScroll: { vertTouchDrag: false },
  };
}

function draw(lib, box, precision) {
  const chart = lib.createChart(box, optionsOf(precision));
  const body = { upColor: colour('bid'), downColor: colour('ask'), borderVisible: false, wickUpColor: colour('bid'), wickDownColor: colour('ask') };
  const candles = chart.addSeries(lib.CandlestickSeries, { ...body, priceFormat: { type: 'price', precision: precision ?? 2, minMove: 10 ** -(precision ?? 2) } });
  const volumes = chart.addSeries(lib.HistogramSeries, { priceScaleId: 'volume', priceFormat: { type: 'volume' }, lastValueVisible: false, priceLineVisible: false });
  chart.priceScale('volume').applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
  return { chart, candles, volumes, marks: lib.createSeriesMarkers(candles, []) };
}

const utc = (t) => new Date(t * 1000).toISOString().slice(0, 16).replace('T', ' ');

function Legend({ c, minutes }) {
  if (!c) return null;
  const part = (name, v) => html`<span>${name} <b>${group(v)}</b></span>`;
  return html`${part('O', c.open)}${part('H', c.high)}${part('L', c.low)}${part('C', c.close)}${part('V', c.volume)}<span title=${`${utc(c.time)} UTC`}>${minutes < 60 ? utc(c.time).slice(11) : utc(c.time).slice(5)}</span>`;
}

function Numbers({ list }) {
  return html`<div class="scroll candle-table" tabindex="0" role="region" aria-label="Candles, numbers"><table class="grid"><caption class="sr">Candles, the newest first</caption>
    <thead><tr>${['Begins, UTC', 'Open', 'High', 'Low', 'Close', 'Volume', 'Trades'].map((n, i) => html`<th scope="col" class=${i ? 'num' : ''}>${n}</th>`)}</tr></thead>
    <tbody>${[...list].reverse().slice(0, 100).map((c) => html`<tr key=${c.time}><th scope="row">${utc(c.time)}</th>
      ${['open', 'high', 'low', 'close', 'volume', 'trades'].map((f) => html`<td class="num">${f === 'trades' ? c[f] : group(c[f])}</td>`)}</tr>`)}</tbody></table></div>`;
}

const MARKS_SHOWN = 50;

// What the marks say, the newest first.
function Marks({ marks }) {
  return html`<div class="scroll marks" tabindex="0" role="region" aria-label="Marks on the candles"><ul>${[...marks].reverse().slice(0, MARKS_SHOWN).map((m) => html`<li key=${m.id}>
    <${Icon} name=${m.kind === 'mode' ? (m.mode === 'NORMAL' ? 'play' : 'lock') : m.over ? 'ok' : 'incidents'} size="13" /><span class="muted" title=${localTime(m.at)}>${date(m.at).slice(5)} ${time(m.at)}</span>
    ${m.href ? html`<a href=${m.href}>${m.text}</a>` : html`<span>${m.text}</span>`}</li>`)}</ul></div>`;
}

// MARKS: see marks.js.
export function Candles({ store, symbol, minutes, precision, marks }) {
  const list = store.view.value;
  const box = useRef();
  const drawn = useRef();
  const [asTable, setAsTable] = useState(false);
  const [failed, setFailed] = useState(false);
  const [under, setUnder] = useState(null);
  const colours = palette.value;
  const some = Boolean(list?.length);
  const latest = useRef();
  latest.current = list;
  const places = list?.length ? `${list[0].time} ${list.length}` : '';
  const marksNow = useRef();
  marksNow.current = marks;
  const mark = () => drawn.current?.marks.setMarkers(onCandles(marksNow.current, latest.current, minutes, colour));

  useEffect(() => {
    if (!some || asTable) return undefined;
    let gone = false;
    import('lightweight-charts').then((lib) => {
      if (gone) return;
      drawn.current = draw(lib, box.current, precision);
      drawn.current.chart.subscribeCrosshairMove(({ time: t }) => setUnder(t ?? null));
      show(drawn.current, latest.current, true);
      mark();
    }).catch(() => setFailed(true));
    return () => {
      gone = true;
      drawn.current?.chart.remove();
      drawn.current = null;
    };
  }, [some, asTable, colours, store, precision]);
  useEffect(() => { if (drawn.current && list?.length) show(drawn.current, list); }, [list]);
  useEffect(mark, [marks, places]);

  if (!list) return html`<${Loading} lines="8" />`;
  if (!some) return html`<${State} icon="wait" title="No candle yet">A candle exists when it has a trade.<//>`;
  if (failed) return html`<${State} icon="warn" kind="warn" title="The chart could not be loaded">Load the page again; the numbers below are complete.<//><${Numbers} list=${list} />`;
  return html`<div class="chart candles"><div class="legend"><${Legend} c=${list.find((c) => c.time === under) ?? list.at(-1)} minutes=${minutes} />
      <button type="button" class="btn quiet small" aria-pressed=${String(asTable)} onClick=${() => setAsTable(!asTable)}>${asTable ? 'Chart' : 'Table'}</button></div>
    ${asTable ? html`<${Numbers} list=${list} />` : html`<div class="candle-plot" ref=${box} role="img" aria-label=${`Candles of ${symbol}, ${minutes} min: chart; the Table button shows its numbers${marks.length ? `, the list below its ${marks.length} marks` : ''}`}></div>`}
    ${marks.length > 0 && html`<${Marks} marks=${marks} />`}</div>`;
}

// The whole list after a change in the past, otherwise the candle that runs and what came after it.
function show(d, list, whole) {
  const before = d.list ?? [];
  const same = before.length > 0 && list.length >= before.length && before.slice(0, -1).every((c, i) => c === list[i]);
  if (whole || !same) {
    d.candles.setData(list.map(forDrawing));
    d.volumes.setData(list.map(volume));
  } else {
    for (const c of list.slice(before.length - 1)) {
      d.candles.update(forDrawing(c));
      d.volumes.update(volume(c));
    }
  }
  d.list = list;
}
