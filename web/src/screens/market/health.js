import { clockOffset, stream } from '../../app.js';
import { now } from '../../data/beat.js';
import { age, duration, whole } from '../../data/format.js';
import { useMeter } from '../../data/meter.js';
import { Chip, Facts } from '../../design/parts.js';
import { folding } from '../../data/stores.js';
import { html, useRef } from '../../ui.js';
import { KIND, sinceText, whyText } from './held.js';

// Messages a second over the last few seconds of this page's connection.
function useRate(stream) {
  const before = useRef([]);
  const at = now.value;
  const list = before.current;
  if (list.at(-1)?.at !== at) list.push({ at, messages: stream.counts.messages, bytes: stream.counts.bytes });
  if (list.length > 6) list.shift();
  const [a, b] = [list[0], list.at(-1)];
  return b.at > a.at ? { messages: ((b.messages - a.messages) * 1000) / (b.at - a.at), bytes: ((b.bytes - a.bytes) * 1000) / (b.at - a.at) } : {};
}

// [kind of chip, words]. Nothing is sound before there is something to judge: a message of this book, and a sample of what
// the gateway measures, if one comes at all. Pure.
export function verdictOf({ here, feed, symbol, held, heard, row, meter, wrong }) {
  if (!here) return ['off', 'unknown: not connected'];
  if (held) return [KIND[held.book], `${held.book}${sinceText(held)}`];
  if (feed.state === 'degraded' && (!feed.symbols || feed.symbols.includes(symbol))) return ['bad', `degraded: ${feed.cause}`];
  if (row?.live === 0 || wrong > 0) return ['bad', 'look below'];
  if (!heard) return ['off', 'unknown: no message yet'];
  if (row) return ['ok', 'sound'];
  return meter === 'loading' || meter === 'ok' ? ['off', 'unknown: no metric yet'] : ['off', 'sound here; what the gateway measures is not known'];
}

export function Health({ view, symbol, held }) {
  const s = stream.value;
  const { counts } = s;
  const m = useMeter();
  const measured = m.symbols.get(symbol);
  const row = measured ?? {};
  const flow = useRate(s);
  const h = view?.health ?? {};
  const quiet = h.at ? Math.max(0, now.value - h.at) : undefined;
  const path = h.at ? h.at + clockOffset.value - h.engineAt : undefined;
  // below a millisecond the two clocks differ by more than what is measured
  const [lag, unit] = path !== undefined && path < 1 ? ['< 1', 'ms'] : duration(path === undefined ? undefined : path / 1000);
  const here = s.state.value.phase === 'live';
  const [kind, words] = verdictOf({ here, feed: s.feed.value, symbol, held, heard: h.at !== undefined, row: measured, meter: m.phase, wrong: counts.badChecksums });
  const fold = folding(h);
  return html`<p class="verdict"><${Chip} kind=${kind}>${words}<//>${held && html`<span>${whyText(held)}</span>`}
      <span class="muted">${counts.checksums ? `${whole(counts.checksums)} checksums compared, ${whole(counts.badChecksums)} wrong` : 'no message yet'}</span></p>
    <${Facts} rows=${[
      ['Engine to page', `${lag} ${unit}`, 'From the engine’s time stamp to this page; the interval asked for (100 ms) and both clocks are in it'],
      ['Last message', age(quiet)],
      ['Messages', flow.messages === undefined ? '–' : `${whole(flow.messages)} /s, ${whole(flow.bytes / 1024)} KiB/s`],
      ['Conflation', fold === undefined ? '–' : `${fold.toFixed(1)} events a frame`, 'How many engine events one message folds'],
      ['Lost places, healed', html`<span class=${counts.gaps ? 'down' : ''}>${whole(counts.gaps)}</span>`, 'Times this page noticed a break and asked for the book again'],
      ['Gaps, duplicates at the gateway', row.gaps === undefined ? '–' : `${whole(row.gaps)}, ${whole(row.duplicates)}`],
      ['Resumed', `${whole(counts.resumed)} streams, ${whole(counts.connects)} connections`],
      ['Levels at the gateway', row.bids === undefined ? '–' : `${whole(row.bids)} bids, ${whole(row.asks)} asks`],
      ['Epoch', html`<code>${s.epoch ?? '–'}</code>`],
    ]} />`;
}
