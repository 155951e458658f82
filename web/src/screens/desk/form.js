// Acts that are no change of control state: a key, a user, a connection. The same habits as the sheet of control: what it
// is now and what it will be, whom it concerns, the command line, reason and ticket, a typed word, the focus on Cancel,
// nothing optimistic. What is shown once is held by this component alone and gone when it closes.
import { call } from '../../data/api.js';
import { Dialog } from '../../design/sheet.js';
import { Chip, CopyButton, Facts } from '../../design/parts.js';
import { html, render, signal, useEffect, useRef, useState } from '../../ui.js';

// {title, verb, direction: [kind, icon, words], intro, change: [before, after], radius: [[name, value]], fields, word, reason
// ('needed' or 'may'), command(values), method, path(values), body(values), shown(json) -> secrets, done(json)}
const form = signal(null);
let holds = false; // a secret that is kept nowhere yet
export const openForm = (spec) => { form.value = spec; };
function close() {
  if (!holds) form.value = null;
}

// Above the screen, outside of it: a screen that is greyed out would move it.
export function FormHost() {
  const place = useRef();
  useEffect(() => {
    place.current = document.body.appendChild(document.createElement('div'));
    const keep = (event) => {
      if (event.key === 'Escape') close();
      event.stopPropagation(); // one-key commands are for the screen below
    };
    place.current.addEventListener('keydown', keep);
    render(html`<${Host} />`, place.current);
    return () => {
      holds = false;
      close();
      render(null, place.current);
      place.current.remove();
    };
  }, []);
  return null;
}

function Host() {
  const spec = form.value;
  return spec ? html`<${Open} key=${spec.title} spec=${spec} />` : null;
}

const text = (v) => (typeof v === 'string' ? v.trim() : v);
const REASON = { name: 'reason', label: 'Reason, 10 to 500 characters', type: 'area', max: 500, check: (v) => text(v).length >= 10 };
const MAY_REASON = { name: 'reason', label: 'Reason', type: 'area', max: 500, check: () => true };
const TICKET = { name: 'ticket', label: 'Ticket', hint: 'OPS-7', max: 100, check: (v) => text(v) !== '' };

function fieldsOf(spec) {
  return [...(spec.fields ?? []), spec.reason === 'may' ? MAY_REASON : REASON, TICKET,
    ...(spec.word ? [{ name: 'word', label: html`Type <code>${spec.word}</code> to confirm`, wrong: (v) => v !== '' && v !== spec.word && 'differs', check: (v) => v === spec.word }] : [])];
}

const initial = (fields) => Object.fromEntries(fields.map((f) => [f.name, f.value ?? (f.type === 'checks' ? [] : '')]));
const acceptable = (fields, values) => fields.every((f) => (f.when && !f.when(values)) || (f.check ? f.check(values[f.name], values) : f.optional || text(values[f.name]) !== ''));

function Field({ f, values, set, problem }) {
  const value = values[f.name];
  const put = (v) => set({ ...values, [f.name]: v });
  const wrong = (f.wrong && f.wrong(value, values)) || problem;
  const common = { class: 'input', value, onInput: (e) => put(e.target.value), autocomplete: 'off', spellcheck: 'false', maxlength: f.max, 'aria-invalid': wrong ? 'true' : undefined };
  if (f.type === 'checks') {
    return html`<fieldset class="field checks"><legend>${f.label}${wrong && html` <span class="wrong">${wrong}</span>`}</legend><div class="boxes">${f.options.map(([v, name, note, off]) => html`
      <label class="check" title=${note}><input type="checkbox" checked=${value.includes(v)} disabled=${off} onChange=${(e) => put(e.target.checked ? [...value, v] : value.filter((x) => x !== v))} />${name}</label>`)}</div>${f.note && html`<small>${f.note}</small>`}</fieldset>`;
  }
  const element = f.type === 'area' ? html`<textarea rows="2" ...${common}></textarea>`
    : f.type === 'select' ? html`<select class="select" value=${value} onChange=${(e) => put(e.target.value)}>${f.options.map(([v, name]) => html`<option value=${v}>${name}</option>`)}</select>`
    : f.type === 'check' ? html`<span class="check"><input type="checkbox" checked=${Boolean(value)} onChange=${(e) => put(e.target.checked)} />${f.note}</span>`
    : html`<input ...${common} type=${f.type ?? 'text'} placeholder=${f.hint} />`;
  return html`<label class="field"><span>${f.label}${wrong && html` <span class="wrong">${wrong}</span>`}</span>${element}${f.type !== 'check' && f.note && html`<small>${f.note}</small>`}</label>`;
}

// What exists nowhere else: SECRETS is [[what, text, note]].
export function Once({ secrets, kept, onKept }) {
  return html`<div class="once" role="status"><p><${Chip} kind="warn" icon="lock">shown once<//> The gateway keeps no readable copy. It is gone when this closes.</p>
    ${secrets.map(([what, secret, note]) => html`<div><h2>${what}</h2><div class="command"><pre tabindex="0" aria-label=${what}>${secret}</pre><${CopyButton} what=${what.toLowerCase()} text=${secret} /></div>${note && html`<small>${note}</small>`}</div>`)}
    <label class="check"><input type="checkbox" checked=${kept} onChange=${(e) => onKept(e.target.checked)} />It is kept where it belongs</label></div>`;
}

// Which field a problem speaks of: RFC 6901 pointers of one member.
const problemsOf = (problem) => Object.fromEntries((problem?.errors ?? []).map((e) => [e.pointer.slice(1), e.detail]));

function Outcome({ answer, waiting, done }) {
  if (waiting) return html`<p role="status"><${Chip} kind="info" icon="wait">asked, not confirmed yet<//></p>`;
  if (!answer) return null;
  if (answer.status === 202) return html`<p role="status"><${Chip} kind="info" icon="wait">waits for a second person<//> ${answer.json?.waits_for ? `${answer.json.waits_for}, within ${Math.round(answer.json.within_s / 60)} min.` : ''}</p>`;
  if (answer.status >= 200 && answer.status < 300) return html`<p role="status"><${Chip} kind="ok">done<//> ${done}</p>`;
  return html`<p role="alert"><${Chip} kind="bad">${answer.status || 'no answer'}<//> ${answer.problem?.title}${answer.problem?.detail ? `: ${answer.problem.detail}` : ''}${!answer.status && ' Look whether it was done before you try again.'}</p>`;
}

function Open({ spec }) {
  const [fields] = useState(() => fieldsOf(spec));
  const [values, set] = useState(() => initial(fields));
  const [answer, setAnswer] = useState(null);
  const [waiting, setWaiting] = useState(false);
  const [secrets, setSecrets] = useState(null);
  const [kept, setKept] = useState(false);
  const [once] = useState(() => crypto.randomUUID()); // what is sent again from here is the same request
  const over = answer && answer.status >= 200 && answer.status < 300;
  const ready = !over && !waiting && acceptable(fields, values);
  const problems = problemsOf(answer?.problem);
  const clean = () => Object.fromEntries(Object.entries(values).map(([k, v]) => [k, text(v)]));
  const act = async () => {
    setWaiting(true);
    setAnswer(null);
    const { reason, ticket } = clean();
    const body = { ...(spec.body ? spec.body(clean()) : {}), ...(reason ? { reason } : {}), ticket };
    const got = await call(spec.method ?? 'POST', typeof spec.path === 'function' ? spec.path(clean()) : spec.path, { body, once });
    setWaiting(false);
    const good = got.status >= 200 && got.status < 300;
    const found = good ? spec.shown?.(got.json) : null;
    if (found?.length) setSecrets(found);
    setAnswer({ ...got, json: good && !found?.length ? got.json : { waits_for: got.json?.waits_for, within_s: got.json?.within_s } });
    if (good) spec.done?.(got.json, got);
  };
  useEffect(() => {
    holds = Boolean(secrets) && !kept;
    return () => { holds = false; };
  }, [secrets, kept]);
  const command = spec.command?.({ ...clean(), reason: text(values.reason) || 'REASON', ticket: text(values.ticket) || 'TICKET' });
  return html`<${Dialog} label=${spec.title} className="sheet" onClose=${close}>
    <div class="head"><h1>${spec.title}</h1>${spec.direction && html`<div><${Chip} kind=${spec.direction[0]} icon=${spec.direction[1]}>${spec.direction[2]}<//></div>`}</div>
    <div class="body">
      ${spec.intro && html`<p>${spec.intro}</p>`}
      ${spec.change && html`<div class="change"><div><small>now</small>${spec.change[0]}</div><span aria-label="becomes">→</span><div><small>after</small>${typeof spec.change[1] === 'function' ? spec.change[1](values) : spec.change[1]}</div></div>`}
      ${spec.radius && html`<div><h2>Who is affected</h2><${Facts} rows=${spec.radius} /></div>`}
      ${!over && fields.filter((f) => !f.when || f.when(values)).map((f) => html`<${Field} key=${f.name} f=${f} values=${values} set=${set} problem=${problems[f.name]} />`)}
      ${!over && command && html`<div><h2>The same on the command line</h2><div class="command"><pre tabindex="0">${command}</pre><${CopyButton} what="command" text=${command} /></div></div>`}
      <${Outcome} answer=${answer} waiting=${waiting} done=${over && spec.told} />
      ${secrets && html`<${Once} secrets=${secrets} kept=${kept} onKept=${setKept} />`}
    </div>
    <div class="foot-line"><button type="button" class="btn" data-first disabled=${Boolean(secrets) && !kept} onClick=${close}>${over ? 'Close' : 'Cancel'}</button>
      ${!over && html`<button type="button" class=${`btn ${spec.danger ? 'danger' : 'main'}`} disabled=${!ready} onClick=${act}>${spec.verb}</button>`}</div>
  <//>`;
}

// A word for a shell, quoted when it must be.
export const shell = (v) => (/^[\w@%+=:,./-]+$/.test(v) ? v : `'${String(v).replaceAll("'", "'\\''")}'`);
export const why = ({ reason, ticket }) => `${reason ? ` --reason ${shell(reason)}` : ''} --ticket ${shell(ticket)}`;
