// The whole log through this browser: every record fetched, hashed and linked here, to the end; and the same as a file.
import { request } from '../../data/api.js';
import { csv, judge, parseExport, Unreadable } from '../../data/chain.js';
import { readPage } from './pages.js';

const STEP = 1000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Asks again while the rate limit refuses. STOP(): does anybody still want to know?
async function patiently(ask, stop) {
  for (let tries = 0; ; tries++) {
    const answer = await ask();
    const limited = answer.status === 429 || answer.problem?.status === 429;
    if (!limited || tries > 20 || stop()) return answer;
    await sleep(2000);
  }
}

// Walks from record 1 to the end. TOLD({result, head}): so far. Gives a result as judge() does, or {problem}, {refusal}.
export async function walk({ mark, told, stop }) {
  let prev;
  const sum = { ok: true, records: 0, links: 0, from: 1, to: undefined, anchored: false, fault: null };
  for (let from = 1; !stop();) {
    const page = await patiently(() => readPage(`order=asc&limit=${STEP}&from_seq=${from}`), stop);
    if (page.phase === 'refused') return { refusal: page.refusal, records: sum.records };
    if (page.phase !== 'ok') return { problem: page.problem, records: sum.records };
    const last = page.next === null;
    if (page.entries.length && from === 1 && page.entries[0].seq !== 1) {
      return { ...sum, ok: false, fault: { code: 'missing', detail: 'records before this one are missing', seq: page.entries[0].seq, expected: 1 } };
    }
    const result = await judge(page.entries, { prev, mark, complete: last });
    sum.records += result.records;
    sum.links += result.links;
    sum.anchored ||= result.anchored;
    if (!result.ok) return { ...sum, ok: false, to: result.to, fault: result.fault };
    if (page.entries.length) {
      prev = page.entries.at(-1);
      sum.to = prev.seq;
      sum.head = prev.hash;
    }
    told({ ...sum });
    if (last) return sum;
    from = prev.seq + 1;
  }
  return { ...sum, stopped: true };
}

// All records that FILTER lets through, judged, as the text of a file: {text, name, records, verdict} or {problem}.
export async function exported(filter, format, { told, stop }) {
  const parts = [];
  const all = [];
  for (let from = 1; !stop();) {
    const answer = await patiently(() => request('GET', `/v1/audit/export?${filter}${filter && '&'}limit=${STEP}&from_seq=${from}`, { text: true }), stop);
    if (!answer.ok) return { problem: answer.problem };
    let entries;
    try {
      entries = parseExport(answer.data);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return { refusal: error };
    }
    parts.push(answer.data);
    for (const e of entries) all.push(e);
    told(all.length);
    if (entries.length < STEP) break;
    from = entries.at(-1).seq + 1;
  }
  const verdict = await judge(all, { partial: filter !== '' });
  const span = all.length ? `${all[0].seq}-${all.at(-1).seq}` : 'none';
  return { verdict, records: all.length, name: `audit-${span}.${format}`, text: format === 'csv' ? csv(all) : parts.join('') };
}

export function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const a = document.createElement('a');
  a.href = url;
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
