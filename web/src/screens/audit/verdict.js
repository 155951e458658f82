// What the browser found: of this page, of the signed head, of the whole log. Each says what it looked at and what not.
import { call, useResource } from '../../data/api.js';
import { FAULTS, readNote } from '../../data/chain.js';
import { whole } from '../../data/format.js';
import { Chip, CopyButton, Fresh, Panel, toast } from '../../design/parts.js';
import { html, useEffect, useRef, useState } from '../../ui.js';
import { walk } from './walk.js';

const ANCHOR = '/v1/audit/anchor';

// The signed head: {phase, head {seq, hash, time, name, signature}, wrong (why it cannot be read), broken, key, at}.
export function useAnchor() {
  const state = useResource(ANCHOR, { every: 20000 });
  const [read, setRead] = useState({});
  const data = state.phase === 'ok' ? state.data : undefined;
  useEffect(() => {
    let gone = false;
    if (!data) {
      setRead({});
      return undefined;
    }
    readNote(data.note, data.key).then((head) => { if (!gone) setRead({ head, key: data.key, note: data.note, broken: data.broken }); },
      (error) => { if (!gone) setRead({ wrong: error.message, key: data.key, broken: data.broken }); });
    return () => { gone = true; };
  }, [data?.note, data?.key, data?.broken]);
  return { phase: state.phase, problem: state.problem, at: state.at, ...read };
}

// A head may be compared with when its signature is good, or cannot be checked by this browser (which is said).
export const markOf = ({ head }) => (head && head.signature !== 'bad' ? { seq: head.seq, hash: head.hash } : undefined);

const many = (n, one) => `${whole(n)} ${one}${n === 1 ? '' : 's'}`;

export function sayFault(fault) {
  const hole = fault.code === 'missing' && fault.expected !== undefined && fault.seq - fault.expected > 0
    ? (fault.seq - fault.expected === 1 ? `: record ${fault.expected}` : `: records ${fault.expected} to ${fault.seq - 1}`) : '';
  return `${FAULTS[fault.code] ?? fault.code}${hole}`;
}

export function OfPage({ state, filtered, mark }) {
  const { verdict, refusal, phase } = state;
  if (phase === 'refused') return html`<div class="verdict-row"><${Chip} kind="bad"><b>refused</b><//><span>${refusal.message}. Nothing of it is shown.</span></div>`;
  if (phase !== 'ok' || !verdict) return html`<div class="verdict-row"><${Chip} kind="off">not judged<//><span>no records here</span></div>`;
  if (!verdict.ok) return html`<div class="verdict-row"><${Chip} kind="bad"><b>refused</b><//><span>Record <b>${verdict.fault.seq}</b>: ${sayFault(verdict.fault)}. Whole before it: ${whole(verdict.records)}.</span></div>`;
  const seen = verdict.anchored ? `, the signed head ${mark.seq} among them` : '';
  return html`<div class="verdict-row"><${Chip} kind="ok"><b>whole</b><//><span>${many(verdict.records, 'record')} hashed here, ${many(verdict.links, 'link')} checked${seen}${verdict.records ? `: ${verdict.from} to ${verdict.to}` : ''}.
    ${filtered && html` <span class="muted">A filter leaves records out: only neighbours are linked, and a hole is no fault.</span>`}</span></div>`;
}

export function OfAnchor({ anchor, state }) {
  const { head, wrong, phase, broken } = anchor;
  if (phase === 'absent') return html`<div class="verdict-row"><${Chip} kind="off">no signed head<//><span>This gateway has signed none yet, or keeps none (<code>state_dir</code>): a rewritten end would not be found.</span></div>`;
  if (wrong) return html`<div class="verdict-row"><${Chip} kind="bad"><b>refused</b><//><span>The signed head cannot be used: ${wrong}.</span></div>`;
  if (!head) return html`<div class="verdict-row"><${Chip} kind="off">signed head: unknown<//></div>`;
  const [kind, words] = { good: ['ok', 'signature good'], bad: ['bad', 'signature bad'], unknown: ['warn', 'signature not checked'] }[head.signature];
  const newest = state.entries[0]?.seq;
  const behind = newest > head.seq ? ` ${newest - head.seq === 1 ? 'One record behind it is' : `${whole(newest - head.seq)} records behind it are`} not signed yet.` : '';
  return html`<div class="verdict-row"><${Chip} kind=${kind}><b>${words}</b><//><span>Head ${whole(head.seq)} of <code>${head.name}</code>, signed <${Fresh} at=${Date.parse(head.time)} limit="150000" />.
    ${head.signature === 'unknown' && ' This browser has no Ed25519: the head is compared with, but whoever altered the log could have altered it as well.'}
    ${head.signature === 'bad' && ' It is not compared with anything.'}${behind}
    ${broken && html` <b class="down">The gateway itself found the log broken (${broken}) and signs nothing any more.</b>`}</span>
    <${CopyButton} what="signed head" text=${anchor.note} /></div>`;
}

// The key as the reader keeps it (audit.key.pub), against the one the gateway shows: who alters the one may alter the other.
export function OfKey({ anchor }) {
  const [own, setOwn] = useState('');
  const same = own.trim() !== '' && own.trim() === anchor.key;
  if (!anchor.key) return null;
  return html`<details class="own-key"><summary>Is it the key you know?</summary>
    <p class="muted">The gateway shows the key together with the signature. Paste your own copy (<code>audit.key.pub</code>) to compare; it is kept nowhere.</p>
    <p><code class="wrap">${anchor.key}</code></p>
    <label class="field"><span>Your copy ${own.trim() !== '' && (same ? html`<${Chip} kind="ok" bare>the same<//>` : html`<${Chip} kind="bad" bare>another key<//>`)}</span>
      <input class="input" value=${own} onInput=${(e) => setOwn(e.target.value)} spellcheck="false" autocomplete="off" placeholder="exchange.example/audit+1a2b3c4d+AX…" /></label></details>`;
}

function Walked({ result }) {
  if (result.problem) return html`<${Chip} kind="bad">${result.problem.status || 'no answer'}<//><span>${result.problem.title}; ${many(result.records, 'record')} had been checked.</span>`;
  if (result.refusal) return html`<${Chip} kind="bad"><b>refused</b><//><span>${result.refusal.message}; ${many(result.records, 'record')} had been checked.</span>`;
  if (result.stopped) return html`<${Chip} kind="off">stopped<//><span>${many(result.records, 'record')} whole so far.</span>`;
  if (!result.ok) return html`<${Chip} kind="bad"><b>broken</b><//><span>Record <b>${result.fault.seq}</b>: ${sayFault(result.fault)}. ${many(result.records, 'record')} before it are whole. <a href=${`/audit/${result.fault.seq}`}>Show it</a></span>`;
  return html`<${Chip} kind="ok"><b>whole</b><//><span>${many(result.records, 'record')} from 1 to ${whole(result.to ?? 0)}, hashed and linked in this browser${result.anchored ? ', the signed head among them' : '; no signed head was among them'}.</span>`;
}

export function OfLog({ mark, newest }) {
  const [here, setHere] = useState({});
  const [there, setThere] = useState({});
  const stop = useRef(false);
  useEffect(() => () => { stop.current = true; }, []);
  const start = async () => {
    stop.current = false;
    setHere({ running: true, done: 0 });
    const result = await walk({ mark, told: ({ to }) => setHere({ running: true, done: to }), stop: () => stop.current });
    setHere({ result });
  };
  const ask = async () => {
    setThere({ running: true });
    const answer = await call('GET', '/v1/audit/verify');
    setThere({ answer });
    if (answer.status !== 200) toast(answer.problem?.title ?? 'no answer', 'bad');
  };
  const verdict = there.answer?.json;
  return html`<div class="verdict-row">${here.result ? html`<${Walked} result=${here.result} />` : here.running
      ? html`<${Chip} kind="info" icon="wait">walking<//><progress max=${Math.max(newest ?? 1, here.done ?? 0, 1)} value=${here.done ?? 0} aria-label="records checked"></progress><span role="status">${whole(here.done ?? 0)} of ${newest ? whole(newest) : '?'}</span>`
      : html`<${Chip} kind="off">not walked<//><span>From record 1 to the end, in this browser.</span>`}
    ${here.running ? html`<button type="button" class="btn" onClick=${() => { stop.current = true; }}>Stop</button>` : html`<button type="button" class="btn" onClick=${start}>Verify all here</button>`}</div>
  <div class="verdict-row">${verdict ? html`<${Chip} kind=${verdict.result.ok ? 'ok' : 'bad'}><b>${verdict.result.ok ? 'whole' : 'broken'}</b><//><span>The gateway: ${verdict.text}.</span>`
      : there.answer ? html`<${Chip} kind="bad">${there.answer.status || 'no answer'}<//><span>${there.answer.problem?.title}${there.answer.problem?.detail ? `: ${there.answer.problem.detail}` : ''}</span>`
      : html`<${Chip} kind="off">${there.running ? 'asked' : 'not asked'}<//><span>What the gateway says when it walks the table itself.</span>`}
    <button type="button" class="btn" disabled=${there.running && !there.answer} onClick=${ask}>Ask the gateway</button></div>`;
}

export function Verdicts({ state, anchor, filtered }) {
  const mark = markOf(anchor);
  return html`<${Panel} title="The chain" className="chain"><div class="verdicts">
    <h3>This page</h3><${OfPage} state=${state} filtered=${filtered} mark=${mark} />
    <h3>Signed head</h3><div><${OfAnchor} anchor=${anchor} state=${state} /><${OfKey} anchor=${anchor} /></div>
    <h3>The whole log</h3><div><${OfLog} mark=${mark} newest=${state.entries[0]?.seq ?? anchor.head?.seq} /></div>
  </div><//>`;
}
