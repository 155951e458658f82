// The dashboard for a long time on live data: does anything grow? Once a minute, after garbage was collected: the page's heap
// and nodes, and the memory of the gateway. Between two looks the page goes to the market and back, as a person would.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { live } from '../../tests/e2e/harness/browser.mjs';
import { sleep } from '../../tests/e2e/harness/gateway.mjs';

const MINUTE_MS = 60000;
const AWAY_MS = 20000; // of each minute on the market
const BACK_MS = 10000; // on the overview again before it is looked
const MIB = 2 ** 20;
const LEAST = 5; // samples in the second half, for anything to be said about them

// What may grow by how much a minute at most. A slope also has to stand out from the noise of its own samples.
const PAGE = 'compare two heap snapshots of the page (chromium, Memory), some visits apart';
export const QUANTITIES = [
  { key: 'heap', name: 'JavaScript heap of the page', unit: 'KiB', scale: 1024, most: 20, next: PAGE }, // 10 MiB in eight hours
  { key: 'nodes', name: 'DOM nodes', unit: 'nodes', scale: 1, most: 1, next: PAGE },
  { key: 'listeners', name: 'event listeners', unit: 'listeners', scale: 1, most: 0.5, next: PAGE },
  { key: 'rss', name: 'RSS of the gateway', unit: 'KiB', scale: 1024, most: 17, next: 'soak for longer; if it goes on, build with AddressSanitizer and look at what is left at the end' }, // 1 MiB in an hour
];

// Least squares: {slope, error} of [x, y] pairs; the error is the standard error of the slope.
export function slopeOf(points) {
  const n = points.length;
  const mean = (i) => points.reduce((sum, p) => sum + p[i], 0) / n;
  const [mx, my] = [mean(0), mean(1)];
  const sxx = points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / sxx;
  const rest = points.reduce((sum, [x, y]) => sum + (y - my - slope * (x - mx)) ** 2, 0);
  return { slope, error: n > 2 ? Math.sqrt(rest / (n - 2) / sxx) : Infinity };
}

// Of the second half of SAMPLES ({minute, heap, nodes, ...}): what grows, and does that matter?
export function verdictOf(samples) {
  const half = samples.filter((s) => s.minute >= samples.at(-1).minute / 2);
  return QUANTITIES.map((q) => {
    const { slope, error } = slopeOf(half.map((s) => [s.minute, s[q.key] / q.scale]));
    return { ...q, first: half[0][q.key] / q.scale, last: half.at(-1)[q.key] / q.scale, samples: half.length, slope, error,
      word: half.length < LEAST ? 'too few samples to say' : slope > q.most && slope > 2 * error ? 'GROWS' : 'steady' };
  });
}

const rssOf = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

async function look(page, cdp, theatre, minute) {
  await cdp.send('HeapProfiler.collectGarbage');
  await cdp.send('HeapProfiler.collectGarbage'); // what the first one made free of
  const { metrics } = await cdp.send('Performance.getMetrics');
  const of = (name) => metrics.find((m) => m.name === name).value;
  return { minute, heap: of('JSHeapUsedSize'), nodes: of('Nodes'), listeners: of('JSEventListeners'), documents: of('Documents'), rss: rssOf(theatre.stage.gateway.pid) };
}

// Into FOLDER, for chromium's Memory panel.
async function snapshot(cdp, folder, minute) {
  const file = openSync(path.join(folder, `minute-${minute}.heapsnapshot`), 'w');
  const take = ({ chunk }) => writeSync(file, chunk);
  cdp.on('HeapProfiler.addHeapSnapshotChunk', take);
  await cdp.send('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
  cdp.off('HeapProfiler.addHeapSnapshotChunk', take);
  closeSync(file);
}

const goTo = async (page, key) => {
  await page.keyboard.press(key);
  await live(page);
};

// For MINUTES; ONSAMPLE(sample) once a minute. SNAPSHOTS: a folder for two of the page's heap, at half time and at the end.
// Throws when the page says that something is wrong.
export async function soak(theatre, minutes, onSample, snapshots) {
  const page = await theatre.page();
  const cdp = await page.context().newCDPSession(page);
  const samples = [];
  await cdp.send('Performance.enable');
  await page.goto('/overview');
  await live(page);
  const since = Date.now();
  const until = (ms) => sleep(Math.max(0, since + ms - Date.now()));
  for (let minute = 0; minute <= minutes; minute++) {
    if (minute > 0) {
      const end = minute * MINUTE_MS;
      await until(end - AWAY_MS - BACK_MS);
      await page.mouse.wheel(0, 200); // somebody is here: the session goes on
      await goTo(page, '2');
      await until(end - BACK_MS);
      await goTo(page, '1');
      await until(end);
    }
    samples.push(await look(page, cdp, theatre, minute));
    onSample(samples.at(-1));
    if (snapshots && (minute === Math.floor(minutes / 2) || minute === minutes)) await snapshot(cdp, snapshots, minute);
    if (page.wrong.length) throw new Error(`minute ${minute}: ${page.wrong[0]}`);
    if (theatre.feeder.exitCode !== null) throw new Error(`minute ${minute}: the feeder ended: ${theatre.feeder.errors.trim()}`);
  }
  const signedIn = await page.evaluate(() => !document.querySelector('dialog[open], [role=dialog]'));
  if (!signedIn) throw new Error('a dialog covers the page: the session has ended meanwhile');
  return samples;
}

export const sampleText = (s) => `minute ${String(s.minute).padStart(3)}: heap ${(s.heap / MIB).toFixed(2)} MiB, ${s.nodes} nodes, ${s.listeners} listeners, ${s.documents} documents; gateway ${(s.rss / MIB).toFixed(1)} MiB`;
