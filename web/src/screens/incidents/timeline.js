// What happened, newest first: states, notes, alerts, pages, and what was changed meanwhile, merged by the gateway.
import { request, phaseOf } from '../../data/api.js';
import { localTime } from '../../data/format.js';
import { plain } from '../../data/incidents.js';
import { Icon } from '../../design/icons.js';
import { Chip, CopyButton, NotThere, Panel } from '../../design/parts.js';
import { route, setFilter } from '../../router.js';
import { html, useEffect, useRef, useState } from '../../ui.js';
import { note } from './acts.js';
import { Act } from './button.js';
import { ms, stamp, who } from './marks.js';

const PAGES = 20;
const LIMIT = 200;
const GROUPS = {
  state: ['States', ['opened', 'ack', 'mitigate', 'resolve', 'close', 'reopen', 'severity', 'class', 'assign', 'level']],
  note: ['Notes', ['note', 'task', 'reminder']], alert: ['Alerts', ['alert', 'cleared']], step: ['Steps', ['step']], audit: ['Changes', ['audit']], page: ['Pages', ['page']],
};
const groupOf = (kind) => Object.keys(GROUPS).find((g) => GROUPS[g][1].includes(kind)) ?? 'state';
const MARKS = { opened: ['bad', 'incidents'], ack: ['ok', 'ok'], note: ['info', 'audit'], severity: ['warn', 'warn'], class: ['info', 'info'], assign: ['info', 'keys'], mitigate: ['ok', 'ok'], resolve: ['ok', 'ok'], close: ['off', 'lock'], reopen: ['bad', 'refresh'],
  level: ['warn', 'up'], alert: ['bad', 'incidents'], cleared: ['ok', 'ok'], step: ['info', 'drills'], task: ['info', 'drills'], reminder: ['warn', 'wait'], audit: ['warn', 'settings'], page: ['info', 'connections'] };
const WORDS = { opened: 'opened', ack: 'acknowledged', note: 'note', severity: 'severity', class: 'class', assign: 'assigned', mitigate: 'mitigation', resolve: 'resolved', close: 'closed', reopen: 'reopened', level: 'level', alert: 'alert', cleared: 'signal cleared', step: 'step', task: 'task', reminder: 'reminder', audit: 'change', page: 'page' };

// All pages of it, asked for again when the incident has another version or a slow clock says so.
function useTimeline(i) {
  const [state, set] = useState({ phase: 'loading' });
  const turn = useRef(0);
  useEffect(() => {
    const mine = ++turn.current;
    const base = `/v1/incidents/${encodeURIComponent(i.id)}/timeline?limit=${LIMIT}`;
    (async () => {
      const all = [];
      let cursor = null;
      for (let page = 0; page < PAGES; page++) {
        const answer = await request('GET', cursor ? `${base}&cursor=${encodeURIComponent(cursor)}` : base);
        if (mine !== turn.current) return;
        if (!answer.ok) {
          set((old) => (old.entries && phaseOf(answer) === 'lost' ? old : { phase: phaseOf(answer), problem: answer.problem }));
          return;
        }
        all.push(...answer.data.timeline);
        cursor = answer.data.next;
        if (!cursor) break;
      }
      const seen = new Set();
      const entries = all.filter((e) => !seen.has(`${e.seq}:${e.kind}:${e.at}`) && seen.add(`${e.seq}:${e.kind}:${e.at}`)).sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : b.seq - a.seq));
      set({ phase: 'ok', entries, at: Date.now(), cut: Boolean(cursor) });
    })();
    return () => { turn.current++; };
  }, [i.id, i.version]);
  return state;
}

const empty = (data) => !data || Object.keys(data).length === 0;

function Entry({ e }) {
  const [kind, icon] = MARKS[e.kind] ?? ['off', 'info'];
  return html`<li class=${`entry k-${kind}`}><span class="dot" aria-hidden="true"><${Icon} name=${icon} size="12" /></span>
    <span class="when">${stamp(e.at)}</span><span class="kind">${WORDS[e.kind] ?? plain(e.kind)}</span>
    <div class="said-text"><span>${e.text}</span> <small>${e.by ? who(e.by) : ''}${e.audit ? html` · <a href=${`/audit?q=${e.audit}`}>audit ${e.audit}</a>` : ''}</small>
      ${!empty(e.data) && html`<details><summary>details</summary><pre tabindex="0">${JSON.stringify(e.data, null, 1)}</pre></details>`}</div></li>`;
}

const line = (e) => `${e.at}  ${WORDS[e.kind] ?? e.kind}  ${e.by ? who(e.by) : '-'}  ${e.text}${e.audit ? `  (audit ${e.audit})` : ''}`;

export function Timeline({ i }) {
  const state = useTimeline(i);
  const { entries } = state;
  const wanted = route.value.query.kind ? route.value.query.kind.split(',').filter((k) => GROUPS[k]) : [];
  const flip = (k) => setFilter('kind', (wanted.includes(k) ? wanted.filter((w) => w !== k) : [...wanted, k]).join(','));
  const shown = entries?.filter((e) => wanted.length === 0 || wanted.includes(groupOf(e.kind)));
  const count = (k) => entries.filter((e) => groupOf(e.kind) === k).length;
  return html`<${Panel} title="Timeline" at=${state.at} limit="60000" flush className="timeline" aside=${html`<${Act} quiet open=${() => note(i)}>Note…<//>${entries && html`<${CopyButton} what="timeline" text=${() => shown.slice().reverse().map(line).join('\n')} />`}`}>
    ${entries ? html`<div class="tools" role="group" aria-label="Kinds">${Object.entries(GROUPS).map(([k, [name]]) => html`<button type="button" class="btn quiet small-act" aria-pressed=${String(wanted.includes(k))} onClick=${() => flip(k)}>${name} <b>${count(k)}</b></button>`)}</div>
      <ol class="entries" tabindex="0" aria-label="Timeline">${shown.map((e) => html`<${Entry} key=${`${e.kind}${e.seq}${e.at}`} e=${e} />`)}</ol>
      ${shown.length === 0 && html`<p class="muted pad">Nothing of this kind${entries.length ? '; change the choice above' : ' yet'}.</p>`}${state.cut && html`<p class="foot-note">Only the first ${PAGES * LIMIT} entries are shown; the report holds them all.</p>`}`
    : html`<${NotThere} state=${state} path=${`/v1/incidents/${i.id}/timeline`} of="The timeline" />`}<//>`;
}
