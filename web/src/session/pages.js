// The pages of signing in: name, password and code; the first time a password of one's own and a second factor; a code
// asked for in between; who one is. Loaded when one of them is needed. Secrets stay in fields and are dropped with them.
import { qrcode } from 'qrcode-generator';
import { now } from '../data/beat.js';
import { lasting, time } from '../data/format.js';
import { Dialog } from '../design/dialog.js';
import { Icon } from '../design/icons.js';
import { Chip, CopyButton, Facts } from '../design/parts.js';
import { html, useMemo, useRef, useState } from '../ui.js';
import { closePage, ending, logIn, logOut, notice, ofSession, page, session } from './session.js';

const QUIET = 4; // modules of white around a QR code

const Brand = () => html`<p class="brand-large"><svg width="30" height="30" viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true"><path d="M7 27V14a9 9 0 0 1 18 0v13M12 6.500V27M20 6.500V27M16 5v22M7 14h18M7 20.500h18" /></svg>Portcullis</p>`;

function Problem({ problem }) {
  if (!problem) return null;
  const title = problem.title ?? 'refused';
  return html`<p class="said k-bad" role="alert"><${Icon} name="bad" /><span><b>${title[0].toUpperCase() + title.slice(1)}</b>${problem.detail ? html`<br />${problem.detail}` : ''}</span></p>`;
}

// One form with its own state: SEND(values) answers {status, problem}; DONE(answer) when it was taken.
function useForm(empty, send, done) {
  const [values, set] = useState(empty);
  const [state, setState] = useState({});
  const input = (name, props) => html`<input class="input" name=${name} value=${values[name]} onInput=${(e) => set({ ...values, [name]: e.target.value })} autocapitalize="none" spellcheck="false" ...${props} />`;
  const submit = async (event) => {
    event.preventDefault();
    if (state.busy) return;
    setState({ busy: true });
    const answer = await send(values);
    if (answer.status === 200) {
      set(empty);
      setState({});
      done(answer);
      return;
    }
    set({ ...values, ...('code' in values ? { code: '' } : {}) });
    setState({ problem: answer.problem });
  };
  return { values, input, submit, ...state };
}

const Field = ({ label, note, children }) => html`<label class="field"><span>${label}${note && html` <small>${note}</small>`}</span>${children}</label>`;
const code = { inputmode: 'text', autocomplete: 'one-time-code', maxlength: 24, class: 'input code' };

// --- signing in -----------------------------------------------------------------------------------------------------

function LogIn({ onIn }) {
  const kept = useRef();
  const form = useForm({ name: '', password: '', code: '' }, (values) => {
    kept.current = values.password;
    return logIn({ name: values.name.trim(), password: values.password, code: values.code.replace(/\s/g, '') });
  }, (answer) => onIn(answer, kept.current));
  return html`<form class="stack" onSubmit=${form.submit}>
    <h1>Sign in</h1>
    ${notice.value && html`<p class="said k-warn" role="status"><${Icon} name="warn" /><span>${notice.value}</span></p>`}
    <${Field} label="Name">${form.input('name', { autocomplete: 'username', required: true, 'data-first': true })}<//>
    <${Field} label="Password">${form.input('password', { type: 'password', autocomplete: 'current-password', required: true })}<//>
    <${Field} label="Code" note="of your authenticator, or a recovery code; none the first time">${form.input('code', code)}<//>
    <${Problem} problem=${form.problem} />
    <button type="submit" class="btn main wide" disabled=${form.busy}>${form.busy ? 'Checking…' : 'Sign in'}</button>
    <button type="button" class="btn quiet wide" onClick=${closePage}>Look without signing in</button>
    <p class="muted small">Market data and what the gateway measures of itself need no sign-in. Controls, keys, incidents and the audit log do.</p>
  </form>`;
}

function ChoosePassword({ old, onDone, first }) {
  const form = useForm({ old: old ?? '', password: '', again: '' }, ({ old: before, password, again }) => (password === again
    ? ofSession('password', { old: before, password }) : { status: 0, problem: { title: 'the two differ', detail: 'Type the new password twice the same.' } }), onDone);
  return html`<form class="stack" onSubmit=${form.submit}>
    <h1>Choose a password</h1>
    ${first && html`<p class="muted">The one you were given is good for this alone.</p>`}
    ${old ? null : html`<${Field} label="The present one">${form.input('old', { type: 'password', autocomplete: 'current-password', required: true })}<//>`}
    <${Field} label="A new one" note="12 to 128 characters; long beats strange">${form.input('password', { type: 'password', autocomplete: 'new-password', required: true, 'data-first': true })}<//>
    <${Field} label="Once more">${form.input('again', { type: 'password', autocomplete: 'new-password', required: true })}<//>
    <${Problem} problem=${form.problem} />
    <button type="submit" class="btn main wide" disabled=${form.busy}>Use it from now on</button>
    <p class="muted small">Your other sessions end.</p>
  </form>`;
}

// The picture is drawn here: the secret goes nowhere.
function Qr({ text }) {
  const [path, size] = useMemo(() => {
    const qr = qrcode(0, 'M');
    qr.addData(text);
    qr.make();
    const n = qr.getModuleCount();
    let d = '';
    for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) if (qr.isDark(y, x)) d += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
    return [d, n + 2 * QUIET];
  }, [text]);
  return html`<svg class="qr" viewBox=${`0 0 ${size} ${size}`} role="img" aria-label="QR code of the second factor; the text below says the same" shape-rendering="crispEdges"><rect width=${size} height=${size} /><path d=${path} /></svg>`;
}

const spaced = (secret) => secret.replace(/(.{4})/g, '$1 ').trim();

function Enrol({ onCodes }) {
  const [shown, setShown] = useState(null);
  const [problem, setProblem] = useState(null);
  const form = useForm({ code: '' }, (values) => ofSession('enrol/confirm', { code: values.code.replace(/\s/g, '') }), (answer) => onCodes(answer.json.recovery_codes));
  const show = async () => {
    const answer = await ofSession('enrol', {});
    if (answer.status === 200) setShown(answer.json);
    else setProblem(answer.problem);
  };
  if (!shown) {
    return html`<div class="stack"><h1>A second factor</h1><p class="muted">An authenticator on a device of yours shows a code that changes every 30 seconds. You will need it to sign in, and to loosen or approve anything.</p>
      <${Problem} problem=${problem} /><button type="button" class="btn main wide" data-first onClick=${show}>Show the QR code</button></div>`;
  }
  return html`<form class="stack" onSubmit=${form.submit}><h1>A second factor</h1>
    <p class="muted">Scan this with your authenticator, or type the text into it.</p>
    <${Qr} text=${shown.uri} />
    <div class="command"><pre>${spaced(shown.secret)}</pre><${CopyButton} what="secret" text=${shown.secret} /></div>
    <${Field} label="The code it shows now">${form.input('code', { ...code, inputmode: 'numeric', required: true })}<//>
    <${Problem} problem=${form.problem} />
    <button type="submit" class="btn main wide" disabled=${form.busy}>Use this authenticator</button></form>`;
}

function Recovery({ codes, onDone }) {
  const [kept, setKept] = useState(false);
  return html`<div class="stack"><h1>Recovery codes</h1>
    <p class="said k-warn"><${Icon} name="warn" /><span><b>Shown once.</b> Each signs you in once when the authenticator is lost. Keep them where the authenticator is not.</span></p>
    <ol class="recovery">${codes.map((c) => html`<li><code>${c}</code></li>`)}</ol>
    <div class="actions"><${CopyButton} what="recovery codes" label="Copy all" text=${codes.join('\n')} /><button type="button" class="btn quiet" onClick=${() => window.print()}>Print</button></div>
    <label class="check"><input type="checkbox" checked=${kept} onChange=${(e) => setKept(e.target.checked)} /> I have kept them</label>
    <button type="button" class="btn main wide" disabled=${!kept} onClick=${onDone}>Go on</button></div>`;
}

const stepOf = (s) => (s.must_choose_password ? 'password' : s.must_enrol ? 'enrol' : null);
const leave = () => { page.value = null; };

function SignIn({ at }) {
  const [step, setStep] = useState(session.peek() ? stepOf(session.peek()) ?? 'login' : 'login');
  const [held, hold] = useState({});
  const next = (old) => {
    const s = session.peek();
    const to = s ? stepOf(s) : 'login';
    hold({ old });
    if (to) setStep(to);
    else leave();
  };
  const bodies = {
    login: () => html`<${LogIn} onIn=${(_, password) => next(password)} />`,
    password: () => html`<${ChoosePassword} first old=${held.old} onDone=${() => next()} />`,
    enrol: () => html`<${Enrol} onCodes=${(codes) => { hold({ codes }); setStep('codes'); }} />`,
    codes: () => html`<${Recovery} codes=${held.codes} onDone=${leave} />`,
  };
  return html`<${Dialog} label="Sign in" className="gate-card" veil="gate" onClose=${() => {}}><${Brand} /><div key=${step}>${bodies[step]()}</div>
    ${step !== 'login' && html`<button type="button" class="btn quiet wide" onClick=${async () => { await logOut(); setStep('login'); }}>Sign out</button>`}<//>`;
}

// --- in between -----------------------------------------------------------------------------------------------------

const Card = ({ label, onClose = closePage, children }) => html`<${Dialog} label=${label} className="card small-card" veil="overlay" onClose=${() => {}}>
  <div class="head"><h1>${label}</h1><button type="button" class="btn quiet" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></div><div class="body">${children}</div><//>`;

function Factor({ at }) {
  const form = useForm({ code: '' }, (values) => ofSession('factor', { code: values.code.replace(/\s/g, '') }), () => at.done(true));
  return html`<${Card} label="Your second factor"><form class="stack" onSubmit=${form.submit}>
    <p class="muted">This needs a second factor of the last five minutes. What you asked for goes on as soon as the code is taken.</p>
    <${Field} label="Code" note="of your authenticator">${form.input('code', { ...code, required: true, 'data-first': true })}<//>
    <${Problem} problem=${form.problem} />
    <div class="actions end"><button type="button" class="btn" onClick=${closePage}>Cancel</button><button type="submit" class="btn main" disabled=${form.busy}>Go on</button></div>
  </form><//>`;
}

function Elevate() {
  const form = useForm({ role: 'break_glass', minutes: '15', reason: '', ticket: '' },
    (v) => ofSession('elevate', { role: v.role, seconds: Number(v.minutes) * 60, reason: v.reason, ticket: v.ticket }), leave);
  return html`<${Card} label="Take up a role for a while"><form class="stack" onSubmit=${form.submit}>
    <p class="muted">Only a role you are eligible for. It ends by itself, and is entered in the audit log.</p>
    <${Field} label="Role">${form.input('role', { required: true, 'data-first': true, list: 'role-names' })}<//>
    <datalist id="role-names">${['operator', 'approver', 'security', 'admin', 'responder', 'auditor', 'break_glass'].map((r) => html`<option value=${r} />`)}</datalist>
    <${Field} label="Minutes" note="15 to 60">${form.input('minutes', { type: 'number', min: 15, max: 60, required: true })}<//>
    <${Field} label="Reason" note="10 to 500 characters">${form.input('reason', { minlength: 10, maxlength: 500, required: true })}<//>
    <${Field} label="Ticket">${form.input('ticket', { required: true })}<//>
    <${Problem} problem=${form.problem} />
    <div class="actions end"><button type="button" class="btn" onClick=${closePage}>Cancel</button><button type="submit" class="btn main" disabled=${form.busy}>Take it up</button></div>
  </form><//>`;
}

const until = (at) => (at ? html`${time(Date.parse(at))} UTC` : '–');

function You() {
  const s = session.value;
  const [shut, setShut] = useState(null);
  if (!s) return null;
  const end = ending.value;
  const fresh = s.factor_fresh_until && Date.parse(s.factor_fresh_until) > now.value;
  const go = (kind) => () => { page.value = { kind }; };
  return html`<${Card} label=${s.user}><div class="stack">
    <${Facts} rows=${[
      ['Roles', html`<span class="chips">${s.roles.length ? s.roles.map((r) => html`<${Chip} kind=${r === 'break_glass' ? 'bad' : 'info'} icon="keys">${r}<//>`) : 'none'}</span>`],
      s.elevated_until && ['Taken up until', until(s.elevated_until)],
      ['Second factor', html`<${Chip} kind=${fresh ? 'ok' : 'off'} bare icon=${fresh ? 'ok' : 'wait'}>${fresh ? 'fresh' : 'asked when it is needed'}<//>`],
      ['Signed in', until(s.created_at)], ['Ends', html`in ${lasting(end.left)} ${end.why === 'idle' ? 'without you' : ''}`], ['At the latest', until(s.ends_at)],
    ]} />
    <details><summary>${s.permissions.length} permissions</summary><p class="muted small">${s.permissions.join(', ')}</p></details>
    <${Problem} problem=${shut} />
    <div class="actions"><button type="button" class="btn" onClick=${go('factor')}>Renew the second factor</button><button type="button" class="btn" onClick=${go('elevate')}>Take up a role…</button>
      <button type="button" class="btn" onClick=${go('password')}>Change the password…</button><button type="button" class="btn" onClick=${go('enrol')}>Another authenticator…</button></div>
    <button type="button" class="btn danger wide" data-first onClick=${async () => { const a = await logOut(); if (a.status === 200 || a.status === 401) page.value = { kind: 'signin' }; else setShut(a.problem); }}>Sign out</button>
  </div><//>`;
}

function Enrolment() {
  const [codes, setCodes] = useState(null);
  return html`<${Card} label="Another authenticator">${codes ? html`<${Recovery} codes=${codes} onDone=${leave} />` : html`<${Enrol} onCodes=${setCodes} />`}<//>`;
}

function One({ at }) {
  if (at.kind === 'signin') return html`<${SignIn} at=${at} />`;
  if (at.kind === 'factor') return html`<${Factor} at=${{ done: leave, ...at }} />`;
  if (at.kind === 'elevate') return html`<${Elevate} />`;
  if (at.kind === 'password') return html`<${Card} label="Password"><${ChoosePassword} onDone=${leave} /><//>`;
  return at.kind === 'enrol' ? html`<${Enrolment} />` : html`<${You} />`;
}

// A code is asked for above what needs it, which keeps what was typed.
export function Page() {
  const at = page.value;
  if (!at) return null;
  return (at.over ? [at.over, at] : [at]).map((p) => html`<${One} key=${p.kind} at=${p} />`);
}
