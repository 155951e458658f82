// The small parts everything is made of. A state is always an icon, a word and a colour.
import { age, localTime, time } from '../data/format.js';
import { hooks } from '../data/api.js';
import { now } from '../data/beat.js';
import { html, signal } from '../ui.js';
import { Icon } from './icons.js';

// KIND: ok warn bad off info
export function Chip({ kind = 'off', icon, title, children, bare }) {
  return html`<span class=${`chip k-${kind}${bare ? ' bare' : ''}`} title=${title}><${Icon} name=${icon ?? kind} size="13" /><span>${children}</span></span>`;
}

// A chip without its frame, for tables: plain markup, since a table draws hundreds.
export const word = (kind, text) => html`<span class=${`word k-${kind}`}>${text}</span>`;

// "12 s ago" of what was taken at AT; named as old after LIMIT ms.
export function Fresh({ at, limit = 15000, prefix = '' }) {
  if (!at) return null;
  const old = now.value - at;
  return html`<span class=${`fresh${old > limit ? ' old' : ''}`} title=${`${time(at)} UTC, ${localTime(at)}`}>${prefix}${old < 1500 ? 'now' : `${age(old)} ago`}</span>`;
}

export function Panel({ title, aside, at, limit, flush, className = '', children, level = 2 }) {
  return html`<section class=${`panel ${className}`}>
    <header><${`h${level}`}>${title}<//><div class="aside">${aside}<${Fresh} at=${at} limit=${limit} /></div></header>
    <div class=${`body${flush ? ' flush' : ''}`}>${children}</div>
  </section>`;
}

export function Spark({ points = [], label }) {
  const values = points.filter((v) => v !== undefined);
  if (values.length < 2) return html`<svg class="spark" viewBox="0 0 100 20" aria-hidden="true"></svg>`;
  const top = Math.max(...values, 1e-9);
  const step = 100 / (values.length - 1);
  const line = values.map((v, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(19 - (v / top) * 18).toFixed(1)}`).join('');
  return html`<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}>
    <path class="area" d=${`${line}L100 20L0 20Z`} /><path d=${line} /></svg>`;
}

export function Tile({ label, value, unit, hint, kind, points }) {
  return html`<dl class=${`tile${kind ? ` k-${kind}` : ''}`}>
    <dt>${label}${kind && html`<${Icon} name=${kind} size="13" label=${kind === 'bad' ? 'problem' : 'warning'} />`}</dt>
    <dd>${value}${unit && html`<small>${unit}</small>`}</dd>
    ${hint && html`<dd class="hint">${hint}</dd>`}
    ${points && html`<${Spark} points=${points} />`}
  </dl>`;
}

export function Facts({ rows }) {
  return html`<dl class="facts">${rows.filter(Boolean).map(([name, value, title]) => html`<dt>${name}</dt><dd title=${title}>${value}</dd>`)}</dl>`;
}

export function Pick({ label, value, options, onPick }) {
  return html`<div class="pick" role="group" aria-label=${label}>${options.map(([v, text, title]) => html`
    <button type="button" title=${title} aria-pressed=${String(v === value)} onClick=${() => onPick(v)}>${text}</button>`)}</div>`;
}

// --- states of a panel ---

export function State({ icon = 'info', kind, title, children, line, action }) {
  return html`<div class=${`state${kind ? ` k-${kind}` : ''}`}><${Icon} name=${icon} size="22" /><b>${title}</b>
    ${children && html`<p>${children}</p>`}${line && html`<p class="line">${line}</p>`}${action}</div>`;
}

export const Loading = ({ lines = 4 }) => html`<div class="skeleton" role="status"><span class="sr">Loading</span>${Array.from({ length: lines }, () => html`<i></i>`)}</div>`;

// What to show in place of a resource that is not there: every phase has its own words. OF: what it would show.
export function NotThere({ state, path, of }) {
  const { phase, problem } = state;
  if (phase === 'loading') return html`<${Loading} />`;
  if (phase === 'absent') {
    return html`<${State} icon="off" title="This gateway does not offer it yet" line=${html`<code>GET ${path}</code> answered 404`}>
      ${of} will appear here as soon as the gateway has it; nothing needs to be done on this page.<//>`;
  }
  if (phase === 'denied') {
    const line = problem.unasked ? null : html`<code>GET ${path}</code> answered ${problem.status}: ${problem.detail ?? problem.title}`;
    if (problem.status === 403) return html`<${State} icon="lock" title="Your roles do not show it" line=${line}>${of} needs another permission. Somebody of security grants roles.<//>`;
    return html`<${State} icon="lock" title="You are not signed in" line=${line} action=${html`<button type="button" class="btn main" onClick=${() => hooks.signIn()}>Sign in</button>`}>
      ${of} needs a session or a signed request. On the command line <code>portctl</code> signs with your key.<//>`;
  }
  if (phase === 'lost') {
    return html`<${State} icon="bad" kind="bad" title="No answer from the gateway" line=${problem?.detail}>${of} cannot be shown; it is asked for again by itself.<//>`;
  }
  return html`<${State} icon="warn" kind="warn" title=${problem?.title ?? 'Error'} line=${html`<code>GET ${path}</code> answered ${problem?.status}`}>${problem?.detail}<//>`;
}

// --- copying and toasts ---

const toasts = signal([]);
let nextToast = 0;

export function toast(text, kind = 'info') {
  const id = ++nextToast;
  toasts.value = [...toasts.value, { id, text, kind }].slice(-4);
  setTimeout(() => { toasts.value = toasts.value.filter((t) => t.id !== id); }, kind === 'bad' ? 9000 : 4000);
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${toasts.value.map((t) => html`
    <div class=${`toast k-${t.kind}`} key=${t.id}><${Icon} name=${t.kind} />${t.text}</div>`)}</div>`;
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied`, 'ok');
  } catch {
    toast('the browser did not allow copying', 'warn');
  }
}

export const CopyButton = ({ text, what, label }) => html`<button type="button" class="btn quiet" title=${`Copy ${what}`} aria-label=${label ? undefined : `Copy ${what}`}
  onClick=${() => copy(typeof text === 'function' ? text() : text, what)}><${Icon} name="copy" size="14" />${label}</button>`;
