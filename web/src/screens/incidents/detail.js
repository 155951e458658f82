// One incident: since when, what may I do now, what is missing, what happened. Clocks run by the gateway's time.
import { MODE_MEANS } from '../../acting/words.js';
import { utc } from '../../app.js';
import { useResource } from '../../data/api.js';
import { cellOf, holds, useControl } from '../../data/control.js';
import { ackClock, countdown, levelClock, missingWords, news, plain } from '../../data/incidents.js';
import { lasting } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip, CopyButton, Facts, Fresh, NotThere, Panel } from '../../design/parts.js';
import { html } from '../../ui.js';
import { acknowledge, addTask, assign, classify, close, mitigate, note, postmortem, proposal, reopen, resolve, rootCause, severity, taskDone } from './acts.js';
import { Act, guarded } from './button.js';
import { useKey } from './keys.js';
import { Ladder, ms, OpenFor, Severity, SignalChip, Stale, stamp, StateChip, who } from './marks.js';
import { Contacts, Exit, Notice, Steps } from './playbook.js';
import { reportSheet } from './report.js';
import { Timeline } from './timeline.js';

// --- header -----------------------------------------------------------------------------------------------------------

function Clock({ name, kind, figure, under, label }) {
  return html`<div class=${`figure${kind ? ` k-${kind}` : ''}`}><dt>${name}</dt><dd><b class="clock" aria-label=${label}>${figure}</b></dd><dd class="under">${under}</dd></div>`;
}

function AckFigure({ i }) {
  const clock = ackClock(i, utc());
  if (clock) return html`<${Clock} name="Acknowledge within" kind=${clock.kind} figure=${html`<${Icon} name=${clock.left < 0 ? 'bad' : 'wait'} size="18" />${clock.left < 0 ? '−' : ''}${countdown(clock.left)}`} under=${clock.left < 0 ? html`overdue since ${stamp(i.ack_due_at)}` : html`by ${stamp(i.ack_due_at)}`} />`;
  if (!i.acked_at) return html`<${Clock} name="Acknowledge within" figure="–" under="no limit for this severity" />`;
  return html`<${Clock} name="Acknowledged" kind="ok" figure=${html`<${Icon} name="ok" size="18" />${stamp(i.acked_at)}`} under=${`by ${who(i.acked_by)}, after ${lasting(ms(i.acked_at) - ms(i.opened_at))}`} />`;
}

function LevelFigure({ i }) {
  const l = levelClock(i, utc());
  const stopped = i.state === 'closed' ? 'closed' : l.level >= 3 ? 'the last level' : 'does not rise';
  return html`<${Clock} name="Level" kind=${{ 2: 'warn', 3: 'bad' }[l.level]} figure=${html`<${Icon} name="up" size="18" />L${l.level}`} under=${l.next ? html`L${l.next} in <b class="clock">${countdown(Math.max(0, l.left))}</b>` : stopped} />`;
}

const MITIGATION = { none: ['not mitigated', 'bad'], partial: ['partial', 'warn'], mitigated: ['mitigated', 'ok'] };
function Figures({ i }) {
  const [words, kind] = MITIGATION[i.mitigation] ?? ['unknown', 'off'];
  return html`<dl class="figures">
    <${AckFigure} i=${i} /><${LevelFigure} i=${i} />
    <${Clock} name=${i.closed_at ? 'Lasted' : 'Open for'} figure=${html`<${OpenFor} incident=${i} />`} under=${html`since ${stamp(i.opened_at)}${i.reopened ? `, reopened ${i.reopened} ×` : ''}`} />
    <${Clock} name="Mitigation" kind=${i.state === 'closed' ? undefined : kind} figure=${html`<${Icon} name=${kind} size="18" />${words}`} under=${i.mitigated_at ? html`since ${stamp(i.mitigated_at)}` : 'orders and data are still at risk'} />
    ${i.postmortem_required && html`<${PostmortemFigure} i=${i} />`}</dl>`;
}

const REMINDED = ['', ', reminded once', ', reminded twice', ', people were told that it is overdue'];
function PostmortemFigure({ i }) {
  if (i.postmortem_url) return html`<${Clock} name="Postmortem" kind="ok" figure=${html`<${Icon} name="ok" size="18" />there`} under=${html`<${Link} href=${i.postmortem_url}>open it<//>`} />`;
  const left = i.postmortem_due_at ? ms(i.postmortem_due_at) - utc() : undefined;
  return html`<${Clock} name="Postmortem" kind=${left < 0 ? 'bad' : 'warn'} figure=${html`<${Icon} name=${left < 0 ? 'bad' : 'wait'} size="18" />${left === undefined ? 'needed' : `${left < 0 ? '−' : ''}${lasting(Math.abs(left))}`}`}
    under=${left === undefined ? 'due 48 h after it is resolved' : html`${left < 0 ? 'overdue since' : 'due'} ${stamp(i.postmortem_due_at)}${REMINDED[i.postmortem_reminders] ?? ''}`} />`;
}

// Only what leads to the web or to this dashboard is a link; anything else is text.
export function Link({ href: given, children }) {
  const href = given.replace(/^#\//, '/');
  if (/^\/(?!\/)/.test(href)) return html`<a href=${href}>${children}</a>`;
  return /^https?:\/\//.test(href) ? html`<a href=${href} target="_blank" rel="noreferrer noopener">${children}</a>` : html`<code>${href}</code>`;
}

// What comes next by its state stands out.
const NEXT = { open: 'ack', acknowledged: 'mitigate', mitigated: 'resolve', resolved: 'close' };
function Actions({ i }) {
  const next = NEXT[i.state];
  const closed = i.state === 'closed';
  const mayClose = i.may_close?.ok !== false;
  return html`<div class="actions acts">
    ${i.state === 'open' && html`<${Act} main kbd="a" open=${() => acknowledge(i)}>Acknowledge…<//>`}
    ${!closed && i.state !== 'resolved' && html`<${Act} main=${next === 'mitigate'} open=${() => mitigate(i)}>Mitigate…<//><${Act} main=${next === 'resolve'} open=${() => resolve(i)}>Resolve…<//>`}
    ${i.state === 'resolved' && html`<${Act} main=${mayClose} open=${() => close(i)}>Close…<//>`}
    ${(closed || i.state === 'resolved') && html`<${Act} open=${() => reopen(i)}>Reopen…<//>`}
    <span class="gap"></span>
    <${Act} quiet open=${() => note(i)}>Note…<//>
    ${!closed && html`${i.state !== 'resolved' && html`<${Act} quiet open=${() => severity(i)}>Severity…<//>`}<${Act} quiet open=${() => classify(i)}>Classify…<//><${Act} quiet open=${() => rootCause(i)}>Root cause…<//>`}
    <button type="button" class="btn quiet" onClick=${() => reportSheet(i)}>Report</button></div>`;
}

function Proposal({ i }) {
  const c = useControl();
  if (!i.l3_proposal || i.state === 'closed') return null;
  const { mode, target } = i.l3_proposal;
  const what = target === '*' ? 'every symbol' : target;
  if (holds(c, i.l3_proposal)) return html`<div class="said k-warn proposal" role="group" aria-label="Proposal at L3"><${Icon} name="warn" size="20" /><div><b>L3: not mitigated in 30 minutes.</b> <p>In force: ${what} is at ${cellOf(c, 'mode', target).value.mode}.</p></div></div>`;
  return html`<div class="said k-bad proposal" role="group" aria-label="Proposal at L3"><${Icon} name="bad" size="20" /><div><b>L3: not mitigated in 30 minutes.</b>
    <p>The gateway proposes <b>${mode}</b> of ${what}: ${MODE_MEANS[mode] ?? 'see the sheet'}. It does nothing by itself.</p></div>
    <${Act} danger permission="control.tighten" open=${() => proposal(i)}>Review ${mode}…<//></div>`;
}

function Head({ i, at }) {
  return html`<section class=${`panel incident sev-edge-${String(i.severity).toLowerCase()}`}>
    <div class="head"><div class="crumbs"><a href="/incidents">Incidents</a><span aria-hidden="true">/</span><b>${i.id}</b><${CopyButton} what="link to this incident" text=${`${location.origin}/incidents/${i.id}`} /><${Fresh} at=${at} limit=${40000} /></div>
      <h1>${i.title}</h1>
      <div class="chips"><${Severity} of=${i.severity} big /><${StateChip} incident=${i} />${i.signal && html`<span class="with">signal <${SignalChip} signal=${i.signal} /></span>`}${i.symbol && html`<${Chip} kind="info" icon="market">${i.symbol}<//>`}${i.component && html`<${Chip} kind="info" icon="connections">${i.component}<//>`}</div>
      ${i.summary && html`<p class="summary">${i.summary}</p>`}</div>
    <${Figures} i=${i} /><${Ladder} incident=${i} /><${Actions} i=${i} /></section>`;
}

// --- beside it --------------------------------------------------------------------------------------------------------

function Person({ i, role }) {
  return html`<span class="person">${i[role] ? html`<b>${who(i[role])}</b>` : html`<span class="muted">nobody</span>`}${i.state !== 'closed' && html` <${Act} quiet small about=${`a ${role}`} open=${() => assign(i, role)}>${i[role] ? 'change' : 'assign'}<//>`}</span>`;
}

function About({ i }) {
  return html`<${Panel} title="Who and what"><${Facts} rows=${[
    ['Commander', html`<${Person} i=${i} role="commander" />`], ['Scribe', html`<${Person} i=${i} role="scribe" />`], ['Works on it', html`<${Person} i=${i} role="assignee" />`],
    ['Class', i.class ? plain(i.class) : html`<span class="muted">not yet</span>`], ['Opened by', html`${who(i.opened_by)} <span class="muted">(${plain(i.source)})</span>`], i.detected_by && ['Noticed by', plain(i.detected_by)],
    i.signal && ['Signal', html`<code>${i.signal.key}</code>`], i.signal?.cleared_at && ['Signal cleared', stamp(i.signal.cleared_at)], i.resolved_at && ['Resolved', stamp(i.resolved_at)], i.closed_at && ['Closed', stamp(i.closed_at)],
    ['Root cause', i.root_cause ?? html`<span class="muted">not recorded</span>`], i.postmortem_url && ['Postmortem', html`<${Link} href=${i.postmortem_url}>${i.postmortem_url}<//>`],
  ]} /><//>`;
}

function Missing({ i, playbook }) {
  const { ok, missing = [] } = i.may_close ?? {};
  if (i.state === 'closed' || ok === undefined) return null;
  const help = { root_cause: ['Record…', () => rootCause(i)], postmortem: ['Give its address…', () => postmortem(i)], postmortem_url: ['Give its address…', () => postmortem(i)], ack: ['Acknowledge…', () => acknowledge(i)], resolved: ['Resolve…', () => resolve(i)], class: ['Classify…', () => classify(i)] };
  return html`<${Panel} title="Before it can be closed" aside=${ok ? html`<${Chip} kind="ok">nothing is missing<//>` : html`<${Chip} kind="warn"><b>${missing.length}</b> missing<//>`}>
    ${ok ? html`<p class="muted">Exit conditions are met, mandatory steps are done.</p>` : html`<ul class="missing">${missing.map((m) => {
      const { what, id, text } = missingWords(m, playbook);
      const [words, open] = help[what] ?? [];
      return html`<li key=${m}><${Icon} name="warn" size="14" /><span>${what === 'step' ? html`<a href=${`#step-${id}`}>${text}</a>` : text}</span>${open && html`<${Act} quiet small open=${open}>${words}<//>`}</li>`;
    })}</ul>`}<//>`;
}

function Tasks({ i }) {
  const tasks = i.tasks ?? [];
  return html`<${Panel} title="Tasks" aside=${html`<${Act} quiet open=${() => addTask(i)}>Add…<//>`}>
    ${tasks.length === 0 ? html`<p class="muted">None.</p>` : html`<ul class="tasks">${tasks.map((t) => {
      const left = t.due_at ? ms(t.due_at) - utc() : undefined;
      return html`<li key=${t.id} class=${t.done_at ? 'done' : ''}><${Icon} name=${t.done_at ? 'ok' : left < 0 ? 'bad' : 'wait'} size="14" label=${t.done_at ? 'done' : left < 0 ? 'overdue' : 'open'} /><span class="text">${t.text}<small>${[t.owner && who(t.owner), t.done_at && `done ${t.done_at.slice(0, 16).replace('T', ' ')}`].filter(Boolean).join(' · ')}${!t.done_at && left !== undefined ? html` <span class=${left < 0 ? 'over' : ''}>${left < 0 ? `${lasting(-left)} overdue` : `due in ${lasting(left)}`}</span>` : ''}</small></span>
        ${!t.done_at && (t.text === 'postmortem' && i.postmortem_due_at ? html`<${Act} quiet small about=${t.text} open=${() => postmortem(i)}>Its address…<//>` : html`<${Act} quiet small about=${t.text} open=${() => taskDone(i, t)}>Done<//>`)}</li>`;
    })}</ul>`}<//>`;
}

// --- the whole --------------------------------------------------------------------------------------------------------

export function Detail({ id }) {
  const path = `/v1/incidents/${encodeURIComponent(id)}`;
  const state = useResource(path, { every: 10000 });
  const got = state.data?.incident ?? state.data;
  const fresh = news.value.get(id);
  const i = got && fresh && fresh.version > got.version ? { ...got, ...fresh } : got;
  const book = useResource(i?.playbook ? `/v1/playbooks/${encodeURIComponent(i.playbook)}` : '/v1/playbooks', { every: 60000 });
  const playbook = i?.playbook && book.phase === 'ok' ? book.data?.playbook ?? book.data : null;
  useKey('a', guarded(() => { if (i?.state === 'open') acknowledge(i); }));
  if (!i) {
    const gone = state.phase === 'absent';
    return html`<div class="title"><h1>${id}</h1></div><section class="panel">${gone ? html`<div class="state"><${Icon} name="off" size="22" /><b>There is no incident ${id}</b><p class="line"><code>GET ${path}</code> answered 404: ${state.problem?.detail ?? state.problem?.title}</p><a class="btn" href="/incidents">All incidents</a></div>` : html`<${NotThere} state=${state} path=${path} of="The incident" />`}</section>`;
  }
  return html`<${Stale} of=${i} /><${Head} i=${i} at=${state.at} /><${Proposal} i=${i} />
    <div class="columns incident-body"><div class="stack-panels">
      ${i.playbook ? (playbook ? html`<${Steps} i=${i} playbook=${playbook} /><${Exit} i=${i} playbook=${playbook} />` : html`<${Panel} title=${`Playbook ${i.playbook}`}><${NotThere} state=${book} path=${`/v1/playbooks/${i.playbook}`} of="Its steps" /><//>`)
        : html`<${Panel} title="Playbook"><p class="muted">This incident has no playbook. <a href="/incidents/playbooks">All playbooks</a></p><//>`}
      ${playbook && html`<${Notice} playbook=${playbook} incident=${i} />`}
    </div><div class="stack-panels">
      <${Missing} i=${i} playbook=${playbook} /><${Timeline} i=${i} /><${About} i=${i} /><${Tasks} i=${i} />${playbook && html`<${Contacts} playbook=${playbook} />`}
    </div></div>`;
}
