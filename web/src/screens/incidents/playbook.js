// The playbook of an incident: its steps by phase, each with its act, questions that come first, and the conditions of its end.
import { cannot } from '../../acting/acting.js';
import { utc } from '../../app.js';
import { request } from '../../data/api.js';
import { filled, plain, stepsOf } from '../../data/incidents.js';
import { Icon } from '../../design/icons.js';
import { Chip, CopyButton, Panel } from '../../design/parts.js';
import { html, useState } from '../../ui.js';
import { classify, markStep, stepAct } from './acts.js';
import { Act, ACT } from './button.js';
import { Link } from './detail.js';
import { stamp, who } from './marks.js';

const PHASES = { immediate: ['Immediate actions', 'first five minutes'], diagnosis: ['Diagnosis', 'what is it, really'], recovery: ['Recovery', 'back, and checked'] };
const MARK = { done: ['ok', 'done'], skipped: ['off', 'skipped'], locked: ['lock', 'locked'], open: ['', 'open'] };

export const Commands = ({ list }) => (list?.length ? html`<div class="commands">${list.map((text) => html`<div class="command"><pre tabindex="0">${text}</pre><${CopyButton} what="command" text=${text} /></div>`)}</div>` : null);

const Links = ({ list }) => (list?.length ? html`<p class="links">${list.map(({ title, href }) => html`<${Link} href=${href}>${title}<//> `)}</p>` : null);

function Guard({ step, i }) {
  if (!step.guard) return null;
  const { question, options = [], answers = [] } = step.guard;
  const meaning = (o) => answers.find((a) => a.answer === o)?.text;
  const may = i && i.state !== 'closed' && step.state !== 'locked';
  return html`<div class="guard"><p><${Icon} name=${step.answer ? 'ok' : 'lock'} size="13" /><b>${question}</b></p>
    <ul class="answers">${options.map((o) => html`<li class=${step.answer === o ? 'given' : ''}>${may ? html`<${Act} small about=${`to: ${question}`} open=${() => markStep(i, step, 'done', { answer: o })}>${plain(o)}…<//>` : html`<b>${plain(o)}</b>`}
      <span class="muted">${step.answer === o ? html`<b>the answer given. </b>` : ''}${meaning(o) ?? ''}</span></li>`)}</ul></div>`;
}

// What the gateway told when it was asked, shown here.
function Looked({ state, path }) {
  return html`<div class="looked" role="status"><p class="muted">${stamp(new Date(utc()).toISOString())} UTC <code>GET ${path}</code></p><pre tabindex="0">${state.ok ? JSON.stringify(state.data, null, 1) : `${state.problem.status ?? ''} ${state.problem.title}${state.problem.detail ? `: ${state.problem.detail}` : ''}`}</pre></div>`;
}

// "PUT /v1/withdrawals {halted: true}" in the words of the API, for who wants to know what the button will ask for.
const callWords = (action, i) => {
  const path = i ? filled(action, i).path : action.path;
  return `${action.method} ${path} ${JSON.stringify(action.body ?? {}).replace(/,"/g, ', "').replace(/\{\+(\w+)\}/g, 'now + $1')}`;
};

function Buttons({ step, i }) {
  const over = step.state === 'done' || step.state === 'skipped';
  const first = step.guard && !step.answer ? 'answer the question first' : undefined;
  const acts = step.action && step.action.method !== 'GET';
  const looks = step.action?.method === 'GET' && !over && step.state !== 'locked';
  const [looked, setLooked] = useState(null);
  const { path } = filled(step.action ?? {}, i);
  if (i.state === 'closed' || (over && !acts)) return null;
  return html`<div class="actions">
    ${looks && html`<${Act} permission=${step.action.permission || undefined} about=${step.title} open=${async () => setLooked(await request('GET', path))}>${looked ? 'Look again' : 'Look'}<//>`}
    ${acts && (step.state === 'locked' || first ? html`<button type="button" class="btn" disabled title=${step.why ?? first}><${Icon} name="lock" size="13" />Act…</button>`
      : html`<${Act} danger=${!over} quiet=${over} about=${step.title} permission=${step.action.permission || ACT} open=${() => stepAct(i, step)}>${over ? 'Act again…' : 'Act…'}<//>`)}
    ${step.state === 'open' && !step.guard && html`<${Act} about=${step.title} open=${() => markStep(i, step, 'done')}>${acts ? 'Done by other means…' : 'Done…'}<//>`}
    ${step.state === 'open' && html`<${Act} quiet about=${step.title} open=${() => markStep(i, step, 'skipped')}>Skip…<//>`}</div>${looked && html`<${Looked} state=${looked} path=${path} />`}`;
}

export function Step({ step, i, n }) {
  const [mark, words] = MARK[step.state] ?? MARK.open;
  const over = step.state === 'done' || step.state === 'skipped';
  const acts = step.action && step.action.method !== 'GET';
  const denied = i && acts && !over ? cannot(step.action.permission || ACT) : null;
  return html`<li id=${`step-${step.id}`} class=${`step is-${step.state}`} tabindex="-1">
    <span class="mark" aria-hidden="true">${mark ? html`<${Icon} name=${mark} size="13" />` : n}</span>
    <div class="step-body"><h4>${step.title}${i && html` <span class="sr">(${words})</span>`} ${step.mandatory && html`<span class="must">mandatory</span>`}</h4>
      ${over && html`<p class="muted by">${step.state} ${step.at ? html`${stamp(step.at)} ` : ''}${step.by ? `by ${who(step.by)}` : ''}${step.notes ? html`: ${step.notes}` : ''}</p>`}
      ${!over && step.text && html`<p>${step.text}</p>`}
      ${step.state === 'locked' && html`<p class="why"><${Icon} name="lock" size="13" /><span>Locked: ${step.why}.</span>${step.classify && html` <${Act} small about=${`for: ${step.title}`} open=${() => classify(i)}>Classify…<//>`}</p>`}
      <${Guard} step=${step} i=${i} />
      ${!over && acts && html`<p class="asks"><code>${callWords(step.action, i)}</code>${denied && denied !== 'sign in first' ? html` <span class="warn-text">${denied}</span>` : ''}</p>`}
      ${!over && html`<${Commands} list=${step.commands} /><${Links} list=${step.links} />`}
      ${i && html`<${Buttons} step=${step} i=${i} />`}
    </div></li>`;
}

export function Phases({ playbook, incident }) {
  let n = 0;
  return stepsOf(playbook, incident).map(({ phase, steps }) => {
    const left = steps.filter((s) => s.state === 'open' || s.state === 'locked').length;
    return html`<section class="phase"><h3>${PHASES[phase][0]} <small>${incident ? (left ? `${steps.length - left} of ${steps.length}` : 'all done') : PHASES[phase][1]}</small></h3><ol class="steps">${steps.map((s) => html`<${Step} key=${s.id} step=${s} i=${incident} n=${++n} />`)}</ol></section>`;
  });
}

export function Steps({ i, playbook }) {
  return html`<${Panel} title=${html`Playbook: ${playbook.title}`} className="playbook" aside=${html`<a class="muted" href=${`/incidents/playbooks?book=${encodeURIComponent(playbook.id)}`}>version ${playbook.version}</a>`}><${Phases} playbook=${playbook} incident=${i} /><//>`;
}

export function Exit({ i, playbook }) {
  const known = new Map((i.exit ?? []).map((e) => [e.id, e]));
  const all = (playbook?.exit ?? i.exit ?? []).map((e) => ({ ...e, ...known.get(e.id), text: e.text ?? known.get(e.id)?.text }));
  if (all.length === 0) return null;
  const met = all.filter((e) => e.met).length;
  return html`<${Panel} title="Exit conditions" aside=${html`<${Chip} kind=${met === all.length ? 'ok' : 'warn'}><b>${met}</b> of ${all.length} met<//>`}>
    <ul class="exits">${all.map((e) => {
      const counted = e.known !== false && typeof e.have === 'number' && typeof e.need === 'number';
      const kind = e.met ? 'ok' : counted ? 'warn' : 'off';
      return html`<li key=${e.id} class=${`k-${kind}`}><${Icon} name=${kind} size="14" label=${e.met ? 'met' : counted ? 'not met yet' : 'unknown'} /><span>${e.text}</span>
        ${counted ? html`<span class="have"><b>${e.have}</b> / ${e.need}${e.unit === 's' ? ' s' : ''}</span><span class="bar" aria-hidden="true"><i style=${{ width: `${e.met ? 100 : e.need > 0 ? Math.min(100, (e.have / e.need) * 100) : 0}%` }}></i></span>` : html`<span class="have muted">not counted</span>${e.why && html`<span class="why">${e.why}</span>`}`}</li>`;
    })}</ul>
    <p class="muted small-note">Counted over all gateways from events, not ticked by hand.</p><//>`;
}

export function Contacts({ playbook }) {
  if (!playbook.contacts?.length) return null;
  return html`<${Panel} title="Whom to call"><ul class="contacts">${playbook.contacts.map((c) => html`<li><b>${c.role}</b><span>${c.name}</span><span class="how"><code>${c.how}</code><${CopyButton} what=${`contact of ${c.role}`} text=${c.how} /></span></li>`)}</ul><//>`;
}

export function Notice({ playbook, incident }) {
  if (!playbook.notice) return null;
  const text = incident ? filled({ portctl: playbook.notice }, incident).portctl : playbook.notice;
  return html`<${Panel} title="Notice to clients" aside=${html`<${CopyButton} what="notice" label="Copy" text=${text} />`}><pre class="notice" tabindex="0">${text}</pre><//>`;
}
