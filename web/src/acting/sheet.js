// The sheet of an act: what changes, whom it reaches, the same as a command, why; then what came of it. Nothing in it is
// optimistic: what is shown as done was confirmed by every loop of the gateway.
import { call } from '../data/api.js';
import { onEvent } from '../data/events.js';
import { Dialog } from '../design/dialog.js';
import { Icon } from '../design/icons.js';
import { Chip, CopyButton, Facts, Loading, toast } from '../design/parts.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { changeSheet, closeSheet, openSheet, sheet, shell } from './acting.js';
import { ChangeSheet, PendingSheet } from './change.js';
import { RoleSheet } from './role_request.js';
import { Direction, subject, Value } from './words.js';

const AGAIN_MS = 250; // after the last keystroke the gateway is asked again
const SHOWN = 12; // of the targets of a change of many
const PREVIEW = { reason: 'preview of a sheet', ticket: 'OPS-0' }; // a dry run enters nothing
const REASON_LEAST = 10;

export const whole = (n) => Number(n).toLocaleString('en-GB');

// Whom it reaches, as [name, value]; what was not counted is not known. TEXT(name): the words of a count.
const COUNTS = [['symbols', 'Symbols'], ['clients', 'Clients connected'], ['subscriptions', 'Subscriptions of clients'], ['keys', 'Keys'], ['accounts', 'Accounts']];
export const count = (n) => (n === null || n === undefined ? 'not known' : whole(n));
export const radiusRows = (radius, text = (name) => count(radius[name])) => [...COUNTS.map(([name, words]) => (name !== 'accounts' || radius.accounts > 0) && [words, text(name)]), ['Counted at version', whole(radius.version)]];

const bodyOf = (spec, why) => {
  const { body = {}, bare } = spec.call;
  if (typeof body === 'function') return body(why);
  return bare ? body : { ...body, reason: why.reason, ...(why.ticket ? { ticket: why.ticket } : {}), ...(why.incident ? { incident: why.incident } : {}) };
};

const commandOf = ({ portctl }, { reason, ticket }) => (typeof portctl === 'function' ? portctl({ reason, ticket })
  : `${portctl} --reason ${reason ? shell(reason) : "'...'"} --ticket ${ticket ? shell(ticket) : '...'}`);

// --- what the gateway says beforehand -------------------------------------------------------------------------------

// Reads what is to change, then asks what the call would do. `look()` does it again.
function usePreview(spec, why, key) {
  const [state, set] = useState({ phase: 'loading' });
  const turn = useRef(0);
  const look = async () => {
    const mine = ++turn.current;
    const next = await previewOf(spec, why);
    if (mine === turn.current) set(next);
    return next;
  };
  useEffect(() => {
    set((s) => ({ ...s, asking: true }));
    const timer = setTimeout(look, state.phase === 'loading' ? 0 : AGAIN_MS);
    return () => clearTimeout(timer);
  }, [key]);
  useEffect(() => () => { turn.current = -1; }, []);
  return [state, look];
}

async function previewOf(spec, why) {
  const { method, path, ifMatch, dryRun } = spec.call;
  let etag = ifMatch;
  let current;
  if (spec.read !== null && (spec.read || (method === 'PUT' && ifMatch === undefined))) {
    const answer = await call('GET', spec.read ?? path);
    if (answer.status !== 200) return { phase: 'failed', problem: answer.problem ?? { title: 'no answer' } };
    current = answer.json;
    if (ifMatch === undefined && (method === 'PUT' || spec.direction === 'LOOSEN')) etag = answer.headers.get('etag') ?? undefined;
  }
  if (dryRun === false) return { phase: 'ok', current, etag };
  const answer = await call(method, path, { dryRun: true, ifMatch: etag, body: bodyOf(spec, { ...why, reason: why.reason.trim().length >= REASON_LEAST ? why.reason : PREVIEW.reason, ticket: why.ticket || PREVIEW.ticket }) });
  if (answer.status === 200 && answer.json?.dry_run) {
    const { diff, needs, blast_radius, confirm } = answer.json;
    return { phase: 'ok', current, etag, diff, needs, radius: blast_radius, direction: diff.direction, typed: confirm };
  }
  return { phase: 'refused', current, etag, problem: answer.problem ?? { title: 'no answer' } };
}

// --- its parts ------------------------------------------------------------------------------------------------------

export const Pair = ({ name, before, after, label = 'now', children }) => html`<div class="change">${name && html`<b class="of">${name}</b>`}
  <div><small>${label}</small>${before}</div><${Icon} name="becomes" size="16" label="becomes" /><div><small>after</small>${after}</div>${children}</div>`;

// The same word for all symbols of a long list is said once. LABEL: of when what stood before is; NOW(change): what stands now,
// where that is something else to say.
export function Diff({ diff, label = 'now', now }) {
  const { changes } = diff;
  if (changes.length === 0) return html`<p><${Chip} kind="off">it is so already<//></p>`;
  if (changes.length <= 3) return html`${changes.map((c) => html`<${Pair} name=${subject(c.kind, c.target)} label=${label} before=${html`<${Value} kind=${c.kind} value=${c.before} />`} after=${html`<${Value} kind=${c.kind} value=${c.after} />`}>${now && html`<div class="of"><small>now</small>${now(c)}</div>`}<//>`)}`;
  return html`<div class="scroll many" tabindex="0" role="region" aria-label="What changes"><table class="grid"><caption class="sr">What changes</caption><thead><tr><th scope="col">Target</th><th scope="col">${label[0].toUpperCase()}${label.slice(1)}</th><th scope="col">After</th>${now && html`<th scope="col">Now</th>`}</tr></thead>
    <tbody>${changes.slice(0, 200).map((c) => html`<tr><th scope="row">${c.target}</th><td><${Value} kind=${c.kind} value=${c.before} /></td><td><${Value} kind=${c.kind} value=${c.after} /></td>${now && html`<td>${now(c)}</td>`}</tr>`)}</tbody></table>
    ${changes.length > 200 && html`<p class="muted note">and ${whole(changes.length - 200)} more</p>`}</div>`;
}

export function Radius({ radius, rows }) {
  const shown = rows ?? (radius ? radiusRows(radius) : null);
  return html`<section><h2>Whom it reaches</h2>${shown ? html`<${Facts} rows=${shown} />` : html`<p class="muted">not counted</p>`}</section>`;
}

export function Command({ text }) {
  return html`<section><h2>The same on the command line</h2><div class="command"><pre tabindex="0">${text}</pre><${CopyButton} what="command" text=${text} /></div></section>`;
}

export function Problem({ problem, next }) {
  const { title = 'refused', detail, status, errors = [] } = problem;
  return html`<div class="said k-bad" role="alert"><${Icon} name="bad" /><div><b>${title[0].toUpperCase()}${title.slice(1)}</b>${status ? html` <span class="muted">${status}</span>` : ''}
    ${detail && html`<p>${detail}</p>`}${errors.filter((e) => e.detail !== detail).map((e) => html`<p><code>${e.pointer}</code> ${e.detail}</p>`)}${next && html`<p>${next}</p>`}</div></div>`;
}

// What has to be typed. It may be pasted, from the ticket say; what is typed is sent, and the gateway compares it.
export function Typed({ word, value, onInput }) {
  const wrong = value !== '' && !word.startsWith(value);
  return html`<label class="field"><span>Type <code class="typed">${word}</code> to confirm${wrong ? html` <span class="wrong">differs</span>` : ''}</span>
    <input class="input mono" name="typed" value=${value} onInput=${(e) => onInput(e.target.value)} autocomplete="off" autocapitalize="none" spellcheck="false" /></label>`;
}

export function Why({ values, set, loosens, reasonOptional, bare }) {
  if (bare) return null;
  const left = REASON_LEAST - values.reason.trim().length;
  return html`<label class="field"><span>Reason, for the audit log${values.reason && left > 0 ? html` <span class="wrong">${left} more characters</span>` : reasonOptional ? ' (that of the request, if left out)' : ''}</span>
      <textarea class="input" name="reason" rows="2" maxlength="500" value=${values.reason} onInput=${(e) => set({ ...values, reason: e.target.value })}></textarea></label>
    ${!reasonOptional && html`<label class="field"><span>Ticket${loosens ? '' : ' (a halt does not wait for one)'}</span>
      <input class="input" name="ticket" maxlength="100" placeholder="OPS-7" value=${values.ticket} onInput=${(e) => set({ ...values, ticket: e.target.value })} autocomplete="off" spellcheck="false" /></label>`}`;
}

// --- what came of it ------------------------------------------------------------------------------------------------

export function effectWords(us) {
  if (us === null || us === undefined) return '';
  return us < 1000 ? `${us} µs` : `${(us / 1000).toFixed(us < 10000 ? 1 : 0)} ms`;
}

function Gate({ json }) {
  const { outcome, audit, effect_us, unconfirmed = [], journal, change } = json;
  if (outcome === 'requested') {
    return html`<div class="said k-info" role="status"><${Icon} name="wait" /><div><b>Requested, not in force.</b> <p>A second person has to approve it. Entered as audit ${whole(audit)}.</p>
      <p><a href=${`?change=${change}`} onClick=${(e) => { e.preventDefault(); changeSheet(change); }}>Open the request</a> · <${CopyButton} what="link to the request" label="Copy its link" text=${() => `${location.origin}/overview?change=${change}`} /></p></div></div>`;
  }
  const kind = unconfirmed.length || outcome === 'unaudited' ? 'warn' : 'ok';
  const said = { nothing: 'It was so already: nothing was changed.', done: 'In force.', journaled: 'In force. The audit log takes it when PostgreSQL answers.', unaudited: 'In force in memory alone: no disk took it.', decided: 'Decided.' }[outcome] ?? outcome;
  return html`<div class=${`said k-${kind}`} role="status"><${Icon} name=${kind} /><div><b>${said}</b>
    <${Facts} rows=${[audit && ['Audit', whole(audit)], !audit && journal && ['Journal', html`<code>${journal}</code>`], effect_us && ['Time to effect, in every loop', effectWords(effect_us)], unconfirmed.length > 0 && ['Not confirmed yet by', unconfirmed.join(', ')]]} /></div></div>`;
}

const COMMAND = { requested: ['info', 'asked; the core has not spoken'], accepted: ['info', 'the core works on it'], done: ['ok', 'the core did it'], failed: ['bad', 'the core did not do it'], timed_out: ['warn', 'the core has not finished in time; it may still do so'], cancelled: ['off', 'given up'] };

// A command to the core: what the core says of it, as it says it.
export function CommandState({ command: first }) {
  const [command, set] = useState(first);
  useEffect(() => onEvent('command', (c) => { if (c.id === first.id) set(c); }), [first.id]);
  const [kind, words] = COMMAND[command.state] ?? ['off', command.state];
  return html`<div class=${`said k-${kind}`} role="status"><${Icon} name=${kind === 'info' ? 'wait' : kind} /><div><b>${words}</b>
    <${Facts} rows=${[['Command', html`<code>${command.id}</code>`], command.count !== null && ['Orders', whole(command.count)], command.detail && ['The core says', command.detail], !command.sent && ['Sent', 'not yet: Redis is away']]} /></div></div>`;
}

function Outcome({ spec, answer }) {
  const { json } = answer;
  if (spec.result) return html`<div role="status">${spec.result(answer)}</div>`;
  if (json?.outcome) return html`<${Gate} json=${json} />`;
  if (json?.command) return html`<${CommandState} command=${json.command} />`;
  return html`<div class="said k-ok" role="status"><${Icon} name="ok" /><div><b>Done.</b>${json?.audit ? html` Audit ${whole(json.audit)}.` : ''}</div></div>`;
}

// --- the sheet ------------------------------------------------------------------------------------------------------

// What leads back from what was done: sheets of what stood BEFORE (the changes that were shown), and of what is left of an
// earlier way back of several. Whatever is in force can be undone, whether the log has it yet or not.
const IN_FORCE = ['done', 'journaled', 'unaudited'];
function undoOf(spec, { json }, before = []) {
  const back = spec.undo && IN_FORCE.includes(json?.outcome) ? [spec.undo(before)].flat() : [];
  return [...back, ...(spec.left ?? [])];
}

function Undo({ specs }) {
  const name = (spec) => (specs.length > 1 || spec.back ? `Ask to undo it: ${spec.back ?? spec.title}…` : 'Ask to undo it…');
  return specs.map((spec) => html`<button type="button" class="btn quiet" onClick=${() => openSheet({ ...spec, left: specs.filter((s) => s !== spec) })}>${name(spec)}</button>`);
}

const same = (a, b) => JSON.stringify(a.changes) === JSON.stringify(b.changes);

// What has moved between what was looked at and what is now.
function Moved({ moved }) {
  return html`<div class="said k-warn" role="alert"><${Icon} name="warn" /><div><b>It has moved since you looked.</b>
    <p>${moved.problem.detail}</p>${moved.current?.kind && html`<p>Now: <${Value} kind=${moved.current.kind} value=${moved.current} />${moved.current.by ? ` by ${moved.current.by}` : ''}${moved.current.reason ? `: ${moved.current.reason}` : ''}</p>`}<p>What is above is as it is now: read it again, then confirm anew.</p></div></div>`;
}

function Act({ spec: given }) {
  const [options, setOptions] = useState(given.options ?? {});
  const spec = given.make ? { ...given, ...given.make(options) } : given;
  const [values, set] = useState({ reason: spec.reason ?? '', ticket: spec.ticket ?? '', incident: spec.incident ?? '', typed: '' });
  const [state, setState] = useState({ step: 'form' }); // form, waiting, done
  const sent = useRef({ text: null, once: null });
  const gone = useRef(false);
  useEffect(() => () => { gone.current = true; }, []);
  const [refused, setRefused] = useState(false); // perhaps for want of a reason or a ticket: then each is tried
  const [preview, look] = usePreview(spec, values, JSON.stringify([options, spec.call.path, refused ? [values.reason, values.ticket] : null]));
  useEffect(() => { setRefused(preview.phase === 'refused' && preview.problem.status === 422); }, [preview]);
  const direction = preview.direction ?? spec.direction;
  const loosens = direction === 'LOOSEN';
  const { bare, dryRun, confirm } = spec.call;
  // the gateway's word, where it has told it of what is chosen now
  const typed = preview.asking ? spec.typed ?? preview.typed : preview.typed ?? spec.typed;
  const ready = state.step !== 'waiting' && (preview.phase === 'ok' || preview.phase === 'refused') && !spec.wrong && direction !== 'NONE' && (!typed || values.typed === typed)
    && (bare || (values.reason.trim().length >= REASON_LEAST && (!loosens || values.ticket.trim() !== '')));

  const act = async () => {
    const why = { ...values, reason: values.reason.trim(), ticket: values.ticket.trim() };
    const compared = typed && (dryRun !== false || confirm);
    const body = { ...bodyOf(spec, why), ...(compared ? { confirm: values.typed } : {}) };
    const text = JSON.stringify(body);
    // the same text again is the same request
    if (text !== sent.current.text) sent.current = { text, once: crypto.randomUUID() };
    setState({ step: 'waiting' });
    // what tightens never loses a race against what was looked at; what loosens names it
    const ifMatch = spec.call.ifMatch ?? (spec.call.method === 'PUT' && direction === 'TIGHTEN' ? '*' : preview.etag);
    if (loosens && !ifMatch && preview.diff) {
      // many at once have no version in common: what it would do now is compared with what is shown
      const fresh = await look();
      if (fresh.diff && !same(fresh.diff, preview.diff)) {
        set({ ...values, typed: '' });
        setState({ step: 'form', moved: { problem: { detail: 'What it would change is not what was shown.' } } });
        return;
      }
    }
    const answer = await call(spec.call.method, spec.call.path, { body, ifMatch, once: sent.current.once });
    if (gone.current) { // the sheet was closed meanwhile: what came of it is said all the same
      if (answer.status >= 200 && answer.status < 300) toast(`${spec.title}: ${answer.json?.outcome ?? 'done'}${answer.json?.audit ? `, audit ${answer.json.audit}` : ''}`, 'ok');
      else toast(`${spec.title}: ${answer.problem.title}`, 'bad');
      return;
    }
    if (answer.status >= 200 && answer.status < 300) {
      setState({ step: 'done', answer, undo: undoOf(spec, answer, preview.diff?.changes) });
      spec.done?.(answer);
      return;
    }
    sent.current.text = answer.status === 0 ? text : null;
    set({ ...values, typed: '' });
    if (answer.status === 412 || answer.problem?.code === 'illegal-transition') {
      setState({ step: 'form', moved: { problem: answer.problem, current: answer.problem.current } });
      look();
    } else setState({ step: 'form', problem: answer.problem });
  };

  const after = spec.after ?? null;
  // a click beside the sheet does not throw away what was typed
  const beside = () => { if (!values.reason && !values.typed) closeSheet(); };
  return html`<${Dialog} label=${spec.title} className="sheet" onClose=${beside}>
    <div class="head"><h1>${spec.title}</h1><div><${Direction} direction=${direction} sure=${Boolean(preview.direction)} /></div></div>
    <div class="body">
      ${spec.note && html`<div class="note-line">${spec.note}</div>`}
      ${given.fields && state.step !== 'done' && html`<div class="choices">${given.fields(options, setOptions)}</div>`}
      ${preview.phase === 'loading' ? html`<${Loading} lines="2" />`
        : preview.diff ? html`<div class="changes"><${Diff} diff=${preview.diff} /></div>`
        : spec.before !== undefined || after ? html`<${Pair} before=${typeof spec.before === 'function' ? (preview.current ? spec.before(preview.current) : html`<${Chip}>unknown<//>`) : spec.before} after=${after} />` : null}
      ${preview.phase === 'refused' && state.step === 'form' && html`<${Problem} problem=${preview.problem} />`}
      ${preview.phase === 'failed' && html`<${Problem} problem=${preview.problem} next="What cannot be read cannot be changed from here." />`}
      ${(preview.radius || spec.radius) && html`<${Radius} radius=${preview.radius} rows=${spec.radius} />`}
      ${spec.portctl && html`<${Command} text=${commandOf(spec, values)} />`}
      ${state.moved && html`<${Moved} moved=${state.moved} />`}
      ${state.step !== 'done' && preview.phase !== 'failed' && html`<${Why} values=${values} set=${set} loosens=${loosens} bare=${bare} />
        ${typed && html`<${Typed} word=${typed} value=${values.typed} onInput=${(typed) => set({ ...values, typed })} />`}`}
      ${state.step === 'waiting' && html`<p role="status"><${Chip} kind="info" icon="wait">requested, not confirmed yet<//></p>`}
      ${state.problem && html`<${Problem} problem=${state.problem} />`}
      ${state.step === 'done' && html`<${Outcome} spec=${spec} answer=${state.answer} />`}
    </div>
    <div class="foot-line">${state.step === 'done' && html`<${Undo} specs=${state.undo} />`}
      <button type="button" class="btn" data-first onClick=${closeSheet}>${state.step === 'done' ? 'Close' : 'Cancel'}</button>
      ${state.step !== 'done' && html`<button type="button" class=${`btn ${loosens || direction === 'NEUTRAL' ? 'main' : 'act'}`} disabled=${!ready} onClick=${act}>${loosens && !spec.verb ? 'Ask for it' : spec.verb ?? 'Do it'}</button>`}</div>
  <//>`;
}

export function Sheet() {
  const at = sheet.value;
  if (!at) return null;
  if (at.kind === 'act') return html`<${Act} key=${at.n} spec=${at.spec} />`;
  if (at.kind === 'role') return html`<${RoleSheet} key=${at.n} id=${at.id} />`;
  return at.kind === 'change' ? html`<${ChangeSheet} key=${at.n} id=${at.id} />` : html`<${PendingSheet} key=${at.n} />`;
}
export { SHOWN };
