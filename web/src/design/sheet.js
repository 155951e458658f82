// Acting safely: what changes, whom it hits, the same as a command line, typed confirmation, reason and ticket. Nothing is
// optimistic, the focus begins on Cancel, and a resource that cannot be read cannot be changed.
import { phaseOf, request } from '../data/api.js';
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from '../ui.js';
import { Icon } from './icons.js';
import { Chip, CopyButton, Facts, Loading, NotThere } from './parts.js';

// {title, path, method, read, before(data), after, body({reason, ticket}), word, tightens, radius(data), command, of}
export const sheet = signal(null);
export const openSheet = (spec) => { sheet.value = spec; };
export const closeSheet = () => { sheet.value = null; };

// At once, not after the next paint: what is typed right away must arrive inside.
function useFocusTrap(box) {
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current.querySelector('[data-first]')?.focus();
    const onKey = (event) => {
      if (event.key !== 'Tab') return;
      const all = [...box.current.querySelectorAll('button:not(:disabled),input,textarea,a[href],select')];
      const [first, last] = [all[0], all.at(-1)];
      if (event.shiftKey && document.activeElement === first) {
        event.preventDefault();
        last.focus();
      } else if (!event.shiftKey && document.activeElement === last) {
        event.preventDefault();
        first.focus();
      }
    };
    const { current } = box;
    current.addEventListener('keydown', onKey);
    return () => {
      current.removeEventListener('keydown', onKey);
      before?.focus?.();
    };
  }, []);
}

export function Dialog({ label, className, veil = 'veil', onClose, children }) {
  const box = useRef();
  useFocusTrap(box);
  return html`<div class=${veil} onClick=${(e) => { if (e.target === e.currentTarget) onClose(); }}>
    <div class=${className} ref=${box} role="dialog" aria-modal="true" aria-label=${label}>${children}</div></div>`;
}

// The present state of what is to change, with its version.
function useCurrent(spec) {
  const [state, setState] = useState({ phase: 'loading' });
  useEffect(() => {
    let gone = false;
    request('GET', spec.read ?? spec.path).then((answer) => {
      if (!gone) setState({ phase: phaseOf(answer), data: answer.data, etag: answer.etag, problem: answer.problem });
    });
    return () => { gone = true; };
  }, [spec]);
  return state;
}

function Change({ spec, current }) {
  return html`<div class="change">
    <div><small>now</small>${current.phase === 'ok' ? spec.before(current.data) : html`<${Chip}>unknown<//>`}</div>
    <${Icon} name="play" size="14" label="becomes" />
    <div><small>after</small>${spec.after}</div></div>`;
}

function Radius({ spec, current }) {
  const rows = current.phase === 'ok' && spec.radius ? spec.radius(current.data) : [['Clients', 'unknown'], ['Subscriptions', 'unknown'], ['Keys', 'unknown']];
  return html`<div><h2>Who is affected</h2><${Facts} rows=${rows} /></div>`;
}

const commandOf = (spec, { reason, ticket }) => spec.command({ reason: reason || 'REASON', ticket: ticket || 'TICKET' });

function Form({ spec, values, set }) {
  const wrongWord = values.word !== '' && values.word !== spec.word;
  const field = (name, title, note, element) => html`<label class="field"><span>${title}${note && html` <span class="wrong">${note}</span>`}</span>${element(name)}</label>`;
  const input = (props) => (name) => html`<input class="input" ...${props} value=${values[name]} onInput=${(e) => set({ ...values, [name]: e.target.value })} autocomplete="off" spellcheck="false" />`;
  return html`
    ${field('reason', 'Reason, 10 to 500 characters', null, (name) => html`<textarea class="input" rows="2" maxlength="500" value=${values[name]} onInput=${(e) => set({ ...values, [name]: e.target.value })}></textarea>`)}
    ${field('ticket', 'Ticket', null, input({ placeholder: 'INC-7' }))}
    ${field('word', html`Type <code>${spec.word}</code> to confirm`, wrongWord && 'differs', input({}))}`;
}

function Outcome({ outcome }) {
  if (!outcome) return null;
  if (outcome.waiting) return html`<p role="status"><${Chip} kind="info" icon="wait">requested, not confirmed yet<//></p>`;
  const { answer } = outcome;
  if (answer.status === 202) return html`<p role="status"><${Chip} kind="info" icon="wait">waits for a second person<//> ${answer.location && html`<a href=${answer.location}>${answer.location}</a>`}</p>`;
  if (answer.ok) return html`<p role="status"><${Chip} kind="ok">done<//> ${answer.data?.audit && `audit ${answer.data.audit}`}</p>`;
  return html`<p role="alert"><${Chip} kind="bad">${answer.status || 'no answer'}<//> ${answer.problem.title}${answer.problem.detail && `: ${answer.problem.detail}`}</p>`;
}

export function ActionSheet() {
  const spec = sheet.value;
  return spec ? html`<${OpenSheet} key=${spec.title} spec=${spec} />` : null;
}

function OpenSheet({ spec }) {
  const current = useCurrent(spec);
  const [values, set] = useState({ reason: '', ticket: '', word: '' });
  const [outcome, setOutcome] = useState(null);
  const [key] = useState(() => crypto.randomUUID()); // a retry of this sheet is the same request
  const ready = current.phase === 'ok' && values.word === spec.word && values.reason.trim().length >= 10 && values.ticket.trim() !== '' && !outcome?.waiting;
  const act = async () => {
    setOutcome({ waiting: true });
    const answer = await request(spec.method ?? 'PUT', spec.path, { body: spec.body(values), ifMatch: current.etag ?? (spec.tightens ? '*' : undefined), idempotencyKey: key });
    setOutcome({ answer });
  };
  return html`<${Dialog} label=${spec.title} className="sheet" onClose=${closeSheet}>
    <div class="head"><h1>${spec.title}</h1><div>${spec.tightens ? html`<${Chip} kind="warn" icon="lock">tightens: takes effect at once<//>` : html`<${Chip} kind="info" icon="wait">loosens: needs a second person<//>`}</div></div>
    <div class="body">
      <${Change} spec=${spec} current=${current} />
      ${current.phase !== 'ok' && (current.phase === 'loading' ? html`<${Loading} lines="2" />` : html`<${NotThere} state=${current} path=${spec.read ?? spec.path} of=${spec.of ?? 'This control'} />`)}
      <${Radius} spec=${spec} current=${current} />
      <div><h2>The same on the command line</h2><div class="command"><pre tabindex="0">${commandOf(spec, values)}</pre><${CopyButton} what="command" text=${() => commandOf(spec, values)} /></div></div>
      ${current.phase === 'ok' && html`<${Form} spec=${spec} values=${values} set=${set} />`}
      <${Outcome} outcome=${outcome} />
    </div>
    <div class="foot-line"><button type="button" class="btn" data-first onClick=${closeSheet}>${outcome?.answer?.ok ? 'Close' : 'Cancel'}</button>
      <button type="button" class=${`btn ${spec.tightens ? 'danger' : 'main'}`} disabled=${!ready} onClick=${act}>${spec.verb ?? 'Request'}</button></div>
  <//>`;
}
