// One record: who, what, why; what it was before and after; who asked, approved and carried it out; its place in the chain.
import { differences, FIELDS, hashFits, judge, timeOf } from '../../data/chain.js';
import { localTime } from '../../data/format.js';
import { Chip, CopyButton, Facts, Loading, Panel, State } from '../../design/parts.js';
import { html, useEffect, useState } from '../../ui.js';
import { readPage } from './pages.js';

export const OUTCOMES = { done: 'ok', approved: 'ok', requested: 'info', denied: 'warn', rejected: 'warn', cancelled: 'off', expired: 'off', failed: 'bad', refused: 'warn' };
export const outcomeChip = (outcome) => html`<${Chip} kind=${OUTCOMES[outcome] ?? 'off'} bare>${outcome}<//>`;

const json = (text) => (text === '' || text === 'null' ? undefined : JSON.parse(text));
const one = async (query) => {
  const page = await readPage(query);
  return page.phase === 'ok' ? page.entries : [];
};

// The records of the same act: what asked for it, what decided. Found by the numbers they name, never by likeness.
async function related(entry) {
  const approvals = json(entry.approvals);
  const asked = Array.isArray(approvals) ? approvals.find((a) => Number.isSafeInteger(a?.request_audit))?.request_audit : undefined;
  const first = asked ? (await one(`from_seq=${asked}&order=asc&limit=1`)).find((e) => e.seq === asked) : undefined;
  if (asked) return first ? [first] : [];
  if (entry.outcome !== 'requested') return [];
  const later = await one(`from_seq=${entry.seq + 1}&order=asc&limit=100&action=${encodeURIComponent(entry.action)}${entry.target ? `&target=${encodeURIComponent(entry.target)}` : ''}`);
  return later.filter((e) => (json(e.approvals) ?? []).some?.((a) => a?.request_audit === entry.seq)).slice(0, 3);
}

const STEPS = { requested: 'asked', approved: 'approved', rejected: 'rejected', cancelled: 'taken back', done: 'done', denied: 'was refused', failed: 'failed', expired: 'says: not approved in time' };

function People({ entry }) {
  const [others, setOthers] = useState(null);
  useEffect(() => {
    let gone = false;
    setOthers(null);
    related(entry).then((found) => { if (!gone) setOthers(found); });
    return () => { gone = true; };
  }, [entry.id]);
  const steps = [...(others ?? []), entry].sort((a, b) => a.seq - b.seq);
  const approvals = json(entry.approvals);
  const extra = Array.isArray(approvals) ? approvals.filter((a) => a?.approved_by) : [];
  return html`<ol class="steps">${steps.map((e) => html`<li class=${e.seq === entry.seq ? 'this' : ''}><b>${e.actor}</b> ${STEPS[e.outcome] ?? e.outcome}
      <small title=${localTime(Date.parse(timeOf(e)))}>${timeOf(e).replace('T', ' ').slice(0, 23)} · ${e.seq === entry.seq ? `record ${e.seq}` : html`<a href=${`/audit/${e.seq}`}>record ${e.seq}</a>`}${e.ip && ` · from ${e.ip}`}</small></li>`)}
    ${entry.outcome === 'approved' && html`<li><b>the gateway</b> carried it out <small>in the same transaction as record ${entry.seq}</small></li>`}
    ${extra.map((a) => html`<li><b>${a.approved_by}</b> approved</li>`)}</ol>
    ${others === null && html`<p class="muted" role="status">looking for the records it belongs to…</p>`}`;
}

function Changed({ entry }) {
  const [before, after] = [json(entry.before), json(entry.after)];
  if (before === undefined && after === undefined) return html`<p class="muted">Nothing was changed by it.</p>`;
  const rows = differences(before, after).filter((d) => d.before !== undefined || d.after !== undefined);
  const moved = rows.filter((d) => !d.same);
  const [all, setAll] = useState(false);
  const shown = all ? rows : moved;
  return html`<table class="diff"><caption class="sr">Before and after</caption><thead><tr><th scope="col">What</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
    <tbody>${shown.slice(0, 400).map((d) => html`<tr class=${d.same ? 'same' : ''}><th scope="row"><code>${d.path || '(all)'}</code></th>
      <td>${d.before === undefined ? html`<span class="none">–</span>` : d.same ? d.before : html`<del>${d.before}</del>`}</td><td>${d.after === undefined ? html`<span class="none">–</span>` : d.same ? d.after : html`<ins>${d.after}</ins>`}</td></tr>`)}</tbody></table>
    ${rows.length > moved.length && html`<button type="button" class="btn quiet" onClick=${() => setAll(!all)}>${all ? 'Only what changed' : `All ${rows.length} members`}</button>`}`;
}

function Place({ entry, verdict }) {
  const [fits, setFits] = useState(null);
  useEffect(() => {
    let gone = false;
    setFits(null);
    hashFits(entry).then((ok) => { if (!gone) setFits(ok); });
    return () => { gone = true; };
  }, [entry]);
  return html`<${Facts} rows=${[['Hash', html`<code class="wrap">${entry.hash}</code>`], ['Hash of the record before', html`<code class="wrap">${entry.prev_hash}</code>`],
    ['Computed here', fits === null ? '…' : html`<${Chip} kind=${fits ? 'ok' : 'bad'} bare>${fits ? 'the same' : 'another: it was edited'}<//>`],
    verdict?.fault?.seq === entry.seq && ['Verdict', html`<${Chip} kind="bad" bare>${verdict.fault.code}: ${verdict.fault.detail}<//>`],
    entry.journal_id && ['Came through the emergency journal', html`<code>${entry.journal_id}</code>`]]} />`;
}

export function Entry({ seq, known, verdict, onClose }) {
  const [found, setFound] = useState(null);
  useEffect(() => {
    let gone = false;
    if (known) {
      setFound({ entry: known });
      return undefined;
    }
    setFound(null);
    readPage(`from_seq=${seq}&order=asc&limit=1`).then(async (page) => {
      const entry = page.entries?.find((e) => e.seq === seq);
      const own = entry && await judge([entry]);
      if (!gone) setFound({ entry, page, own });
    });
    return () => { gone = true; };
  }, [seq, known]);
  const aside = html`<button type="button" class="btn quiet" onClick=${onClose} aria-label="Close the record">Close</button>`;
  if (!found) return html`<${Panel} title=${`Record ${seq}`} aside=${aside}><${Loading} /><//>`;
  const { entry } = found;
  if (!entry) return html`<${Panel} title=${`Record ${seq}`} aside=${aside}><${State} icon="search" title="There is no such record here">${found.page?.refusal?.message ?? found.page?.problem?.title ?? `The log has no record ${seq}.`}<//><//>`;
  const utc = timeOf(entry);
  return html`<${Panel} title=${`Record ${entry.seq}`} aside=${html`<${CopyButton} what="the record as JSON" text=${() => JSON.stringify(Object.fromEntries([...FIELDS, 'prev_hash', 'hash'].map((n) => [n, entry[n]])), null, 2)} />${aside}`} className="record">
    <p class="headline">${outcomeChip(entry.outcome)} <b>${entry.action}</b> ${entry.target && html`<span>${entry.target}</span>`}</p>
    <h3>Who</h3><${People} entry=${entry} />
    ${entry.reason && html`<h3>Why</h3><p class="prose">${entry.reason}</p>`}
    <h3>What changed</h3><${Changed} key=${entry.id} entry=${entry} />
    <h3>Where it stands</h3>
    <${Facts} rows=${[['UTC', utc, localTime(Date.parse(utc))], ['Id', html`<code>${entry.id}</code>`], entry.ticket && ['Ticket', html`<a href=${`/audit?ticket=${encodeURIComponent(entry.ticket)}`}>${entry.ticket}</a>`],
      entry.incident && ['Incident', html`<a href=${`/incidents/${encodeURIComponent(entry.incident)}`}>${entry.incident}</a>`], entry.session && ['Session or key', html`<code>${entry.session}</code>`], entry.ip && ['From', entry.ip],
      entry.request_sha256 && ['Request', html`<code class="wrap">${entry.request_sha256}</code>`], entry.trace && ['Trace', html`<code class="wrap">${entry.trace}</code>`]]} />
    <${Place} entry=${entry} verdict=${verdict} />
  <//>`;
}
