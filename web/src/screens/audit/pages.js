// The pages of the log that are on the screen: loaded, judged as soon as they are here, extended at both ends. What is shown
// is never more than what was judged; a page that does not hold is shown with its first bad record, and is not extended.
import { phaseOf, request } from '../../data/api.js';
import { paused } from '../../data/beat.js';
import { forkOf, hashFits, judge, parsePage, Unreadable } from '../../data/chain.js';
import { events, onEvent } from '../../data/events.js';
import { useEffect, useRef, useState } from '../../ui.js';

const PATH = '/v1/audit';
export const PAGE = 100;
const KEPT = 2000; // entries on the screen
const LIVE_MS = 1000;
const POLL_MS = 10000;

// The filters of the address that the gateway knows.
export const SENT = ['q', 'action', 'actor', 'outcome', 'target', 'ticket', 'incident', 'from', 'to'];

// "2026-11-20 14:05" or "2026-11-20" as the gateway reads it, UTC; '' when it is not a time.
export function instant(text) {
  const found = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?Z?$/.exec(text.trim());
  const whole = found && `${found[1]}T${found[2] ?? '00:00'}${found[3] ?? ':00'}Z`;
  return whole && !Number.isNaN(Date.parse(whole)) ? whole : '';
}

export function filterOf(query) {
  const params = new URLSearchParams();
  for (const name of SENT) {
    const value = name === 'from' || name === 'to' ? query[name] && instant(query[name]) : query[name];
    if (value) params.set(name, value);
  }
  return params.toString();
}

const fitting = new WeakMap(); // entry -> promise: each is hashed once
const fits = (entry) => {
  if (!fitting.has(entry)) fitting.set(entry, hashFits(entry));
  return fitting.get(entry);
};

export async function readPage(query) {
  const path = `${PATH}?${query}`;
  const answer = await request('GET', path, { text: true });
  if (!answer.ok) return { phase: phaseOf(answer), problem: answer.problem, path };
  try {
    return { phase: 'ok', path, ...parsePage(answer.data) };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { phase: 'refused', path, refusal: error };
  }
}

// ENTRIES newest first; as the log has them they are judged.
const judged = (entries, filter, mark) => judge([...entries].reverse(), { partial: filter !== '', mark, fits });

export function usePages(filter, mark) {
  const [state, setState] = useState({ phase: 'loading', entries: [] });
  const now = useRef(state);
  const life = useRef(0);
  const put = (next) => {
    now.current = next;
    setState(next);
  };

  // Shows ENTRIES with the verdict on them.
  const show = async (entries, next, mine) => {
    const verdict = await judged(entries, filter, mark);
    if (mine === life.current) put({ phase: 'ok', entries, next, verdict, at: Date.now() });
  };

  const begin = async () => {
    const mine = ++life.current;
    const page = await readPage(`${filter}${filter && '&'}limit=${PAGE}`);
    if (mine !== life.current) return;
    if (page.phase === 'ok') await show(page.entries, page.next, mine);
    else put({ ...page, entries: [] });
  };

  const older = async () => {
    const { next, entries, verdict } = now.current;
    if (!next || !verdict?.ok) return;
    const mine = life.current;
    put({ ...now.current, more: true });
    const page = await readPage(`${filter}${filter && '&'}limit=${PAGE}&cursor=${encodeURIComponent(next)}`);
    if (mine !== life.current) return;
    if (page.phase === 'ok') await show([...entries, ...page.entries], page.next, mine);
    else if (page.phase === 'refused') put({ ...page, entries: [] });
    else put({ ...now.current, more: false, trouble: page.problem });
  };

  // What was entered since.
  const newer = async () => {
    const { entries, next, verdict, phase } = now.current;
    if (phase !== 'ok') return begin();
    if (!verdict.ok || paused.peek()) return undefined;
    const mine = life.current;
    const page = await readPage(`${filter}${filter && '&'}limit=${PAGE}`);
    if (mine !== life.current) return undefined;
    if (page.phase === 'refused') return put({ ...page, entries: [] });
    if (page.phase !== 'ok') return put({ ...now.current, trouble: page.problem });
    const known = new Map(entries.map((e) => [e.seq, e]));
    const fork = forkOf(known, page.entries);
    if (fork) { // one of the two is not what the log was: both are shown
      const at = entries.findIndex((e) => e.seq === fork.seq);
      return show([...entries.slice(0, at), fork, ...entries.slice(at)], next, mine);
    }
    const fresh = page.entries.filter((e) => !known.has(e.seq));
    if (fresh.length === 0) return put({ ...now.current, at: Date.now(), trouble: undefined });
    if (fresh.length === page.entries.length) return show(page.entries, page.next, mine); // more than a page came: begin there
    const all = [...fresh, ...entries];
    return show(all.length > KEPT ? all.slice(0, KEPT) : all, all.length > KEPT ? `d${all[KEPT - 1].seq}` : next, mine);
  };

  useEffect(() => {
    put({ phase: 'loading', entries: [] });
    begin();
    return () => { life.current++; };
  }, [filter]);
  useEffect(() => { // another mark: the same entries judged again
    const { phase, entries, next } = now.current;
    if (phase === 'ok' && entries.length) show(entries, next, life.current);
  }, [mark?.seq, mark?.hash]);
  useTail(newer);
  return { ...state, older, begin };
}

// Calls NEWER soon after the gateway has told of an entry; now and then when it does not tell.
function useTail(newer) {
  const latest = useRef();
  latest.current = newer;
  useEffect(() => {
    let timer;
    let told = false;
    let due = Date.now();
    const forget = onEvent('audit', () => { told = true; });
    const turn = async () => {
      const blind = events.peek().phase !== 'live';
      if (!document.hidden && !paused.peek() && (told || (blind && Date.now() - due > POLL_MS))) {
        told = false;
        due = Date.now();
        await latest.current();
      }
      timer = setTimeout(turn, LIVE_MS);
    };
    timer = setTimeout(turn, LIVE_MS);
    return () => {
      forget();
      clearTimeout(timer);
    };
  }, []);
}
