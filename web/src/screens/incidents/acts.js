// What may be done with an incident, each as the sheet it opens (acting/acting.js). None is done by the press of one key.
import { closeSheet, openSheet, shell } from '../../acting/acting.js';
import { utc } from '../../app.js';
import { call } from '../../data/api.js';
import { CLASSES, filled, plain, SEVERITIES, severityOf, stateOf, told } from '../../data/incidents.js';
import { toast } from '../../design/parts.js';
import { me } from '../../session/session.js';
import { navigate } from '../../router.js';
import { html } from '../../ui.js';

export const NOTES_MAX = 500;
const REASON_MIN = 10;

// --- fields -----------------------------------------------------------------------------------------------------------

function Field({ field, options, set, first }) {
  const { id, label, kind = 'text', choices, note, max = NOTES_MAX, placeholder } = field;
  const put = (e) => set({ ...options, [id]: e.target.value });
  const common = { class: kind === 'choice' ? 'select' : 'input', value: options[id], onInput: put, ...(first ? { 'data-first': true } : {}) };
  const element = kind === 'choice' ? html`<select ...${common} onChange=${put}>${choices.map(([value, text]) => html`<option value=${value} selected=${value === options[id]}>${text}</option>`)}</select>`
    : kind === 'long' ? html`<textarea ...${common} rows="3" maxlength=${max} placeholder=${placeholder} spellcheck="true"></textarea>`
    : html`<input ...${common} type=${kind} maxlength=${kind === 'text' ? max : undefined} placeholder=${placeholder} autocomplete="off" spellcheck="false" />`;
  return html`<label class="field"><span>${label}${note && html` <small>${note}</small>`}</span>${element}</label>`;
}

// What is wrong with what was typed; null: nothing.
function wrongIn(fields, options) {
  for (const { id, label, min = 0, required } of fields) {
    const length = options[id].trim().length;
    if ((required && length === 0) || (length > 0 && length < min)) return `${label}: ${min > 1 ? `at least ${min} characters` : 'is needed'}`;
  }
  return null;
}

const trimmed = (options) => Object.fromEntries(Object.entries(options).map(([k, v]) => [k, v.trim()]).filter(([, v]) => v !== ''));

const incidentOf = (answer) => answer.json?.incident ?? answer.json;
const audited = ({ json }) => (json?.audit ? `, audit ${json.audit}` : '');

const quote = (text) => `'${text.replace(/'/g, "'\\''")}'`;
// The same on the command line, signed with a key.
const line = (path, body) => `printf %s ${quote(JSON.stringify(body))} |\n  portctl request POST ${path} --body -`;

// A sheet whose FIELDS are asked for. It closes itself when the gateway has done it.
function ask({ title, verb, path, fields, body = (v) => v, before, after, note, done }) {
  openSheet({
    title, verb, direction: 'NEUTRAL', options: Object.fromEntries(fields.map((f) => [f.id, f.value ?? ''])),
    fields: (options, set) => html`<div class="ask-fields">${fields.map((f, i) => html`<${Field} key=${f.id} field=${f} options=${options} set=${set} first=${i === 0} />`)}
      ${Object.values(options).some(Boolean) && html`<p class="muted needs" role="status">${wrongIn(fields, options) ?? ''}</p>`}</div>`,
    make: (options) => ({
      before, after, note, wrong: Boolean(wrongIn(fields, options)),
      call: { method: 'POST', path, body: body(trimmed(options)), bare: true, dryRun: false },
      portctl: () => line(path, body(trimmed(options))),
      done: (answer) => {
        told(incidentOf(answer));
        closeSheet();
        toast(`${title}: done${audited(answer)}`, 'ok');
        done?.(answer);
      },
    }),
  });
}

const of = (incident, what) => `/v1/incidents/${incident.id}/${what}`;
const notes = (required = true, label = 'Notes') => ({ id: 'notes', label, kind: 'long', required, note: `for the timeline and the audit log, up to ${NOTES_MAX} characters` });
const reason = { id: 'reason', label: 'Reason', kind: 'long', required: true, min: REASON_MIN, note: '10 to 500 characters' };
const who = (name) => name ?? 'nobody';
const act = (incident, words, rest) => ask({ title: `${words} ${incident.id}`, verb: words, before: stateOf(incident)[1], path: of(incident, rest.what), ...rest });

// --- acts -------------------------------------------------------------------------------------------------------------

export const acknowledge = (i) => act(i, 'Acknowledge', { what: 'ack', after: `acknowledged by ${me() ?? 'you'}`, fields: [{ ...notes(), placeholder: 'What you see, what you will look at first' }],
  note: 'Stops the calls to the next level. For SEV1 the clock to L3 runs on until it is mitigated.' });

export const mitigate = (i) => act(i, 'Mitigate', { what: 'mitigate', after: 'mitigated, or in part',
  fields: [{ id: 'mitigation', label: 'Mitigation', kind: 'choice', value: 'mitigated', choices: [['mitigated', 'mitigated: no more harm is done'], ['partial', 'partial: less harm is done'], ['none', 'none: it does not hold any more']] }, notes()] });

export const resolve = (i) => act(i, 'Resolve', { what: 'resolve', after: 'resolved', fields: [{ ...notes(), placeholder: 'What ended it' }] });

export const close = (i) => act(i, 'Close', { what: 'close', after: 'closed',
  fields: [notes(), { id: 'postmortem_url', label: 'Address of the postmortem', kind: 'url', required: Boolean(i.postmortem_required) && !i.postmortem_url, value: i.postmortem_url ?? '', note: i.postmortem_required ? 'required for this incident' : 'if there is one', placeholder: 'where it is written' }] });

export const reopen = (i) => act(i, 'Reopen', { what: 'reopen', after: 'open again, clocks from now', fields: [reason] });

export const severity = (i) => act(i, 'Change the severity of', { what: 'severity', verb: 'Change', before: `${i.severity} ${severityOf(i.severity).word}`, after: 'as chosen below',
  fields: [{ id: 'severity', label: 'Severity', kind: 'choice', value: i.severity, choices: Object.entries(SEVERITIES).map(([id, s]) => [id, `${id} ${s.word}: ${s.meaning}`]) }, reason] });

export const classify = (i) => act(i, 'Classify', { what: 'classify', before: i.class ? plain(i.class) : 'no class', after: 'as chosen below',
  fields: [{ id: 'class', label: 'Class', kind: 'choice', value: i.class ?? CLASSES[0], choices: CLASSES.map((c) => [c, plain(c)]) }] });

export const assign = (i, role = 'commander') => act(i, 'Assign', { what: 'assign', title: `Assign a ${role} to ${i.id}`, before: who(i[role]), after: 'as named below',
  fields: [{ id: 'role', label: 'Role', kind: 'choice', value: role, choices: [['commander', 'commander: decides'], ['scribe', 'scribe: writes down'], ['assignee', 'assignee: works on it']] }, { id: 'name', label: 'Name', required: true, max: 64, value: i[role] ? '' : me() ?? '' }] });

export const note = (i) => act(i, 'Add a note to', { what: 'note', verb: 'Add', fields: [{ ...notes(), id: 'text', label: 'Note' }], before: undefined, after: undefined });

export const rootCause = (i) => act(i, 'Record the root cause of', { what: 'note', verb: 'Record', before: i.root_cause ?? 'not recorded', after: 'as written below', fields: [{ ...notes(), id: 'text', label: 'Root cause', value: i.root_cause ?? '' }],
  body: (v) => ({ ...v, kind: 'root_cause' }) });

export const postmortem = (i) => act(i, 'Give the postmortem of', { what: 'note', title: `Where the postmortem of ${i.id} is`, verb: 'Record', before: i.postmortem_url ?? 'not written', after: 'as written below',
  fields: [{ id: 'text', label: 'Address of the postmortem', required: true, max: NOTES_MAX, placeholder: 'an https address', value: i.postmortem_url ?? '' }], note: 'Ends its reminders, and its task is done.', body: (v) => ({ ...v, kind: 'postmortem' }) });

// "2026-11-21T15:00" as typed, meant as UTC.
const dueOf = (text) => (text ? `${text}:00Z` : undefined);
export const addTask = (i) => act(i, 'Add a task to', { what: 'task', verb: 'Add', before: undefined, after: undefined,
  fields: [{ id: 'text', label: 'What is to be done', required: true, max: 300 }, { id: 'owner', label: 'Owner', max: 64, value: me() ?? '' }, { id: 'due', label: 'Due, UTC', kind: 'datetime-local' }],
  body: ({ due, ...v }) => ({ ...v, ...(due ? { due_at: dueOf(due) } : {}) }) });
export const taskDone = (i, task) => act(i, 'Finish a task of', { what: 'task', verb: 'Done', before: 'open', after: 'done', fields: [], note: task.text, body: () => ({ id: task.id, done: true }) });

export function openByHand(playbooks = [], chosen = '') {
  ask({ title: 'Open an incident', verb: 'Open', path: '/v1/incidents', after: 'an open incident, its clocks running', before: 'none', done: (answer) => navigate({ screen: 'incidents', part: incidentOf(answer).id }),
    fields: [{ id: 'title', label: 'What is wrong', required: true, max: 200, placeholder: 'In one line' }, { id: 'severity', label: 'Severity', kind: 'choice', value: 'SEV2', choices: Object.entries(SEVERITIES).map(([id, s]) => [id, `${id} ${s.word}: ${s.meaning}`]) },
      reason, { id: 'class', label: 'Class', kind: 'choice', choices: [['', 'not yet known'], ...CLASSES.map((c) => [c, plain(c)])] }, { id: 'playbook', label: 'Playbook', kind: 'choice', value: chosen, choices: [['', 'none'], ...playbooks.map((p) => [p.id, p.title ?? plain(p.id)])] },
      { id: 'symbol', label: 'Symbol', max: 32, note: 'if it is about one' }, { id: 'component', label: 'Component', max: 64, note: 'if it is about one' }, { id: 'ticket', label: 'Ticket', max: 100, note: 'if there is one' },
      { id: 'detected_by', label: 'Noticed by', kind: 'choice', value: 'human', choices: [['human', 'one of us'], ['customer', 'a customer'], ['alert', 'an alert'], ['gateway', 'the gateway']] }] });
}

// --- playbooks --------------------------------------------------------------------------------------------------------

// Ticks a step, skips it, or answers its question.
export function markStep(i, step, outcome, given = {}) {
  const skipped = outcome === 'skipped';
  const answers = step.guard ? [{ id: 'answer', label: step.guard.question, kind: 'choice', value: given.answer ?? step.answer ?? step.guard.options?.[0] ?? '', choices: (step.guard.options ?? []).map((o) => [o, plain(o)]) }] : [];
  act(i, skipped ? 'Skip a step of' : step.guard ? 'Answer a question of' : 'Tick a step of', { what: 'step', title: `${skipped ? 'Skip' : step.guard ? 'Answer' : 'Done'}: ${step.title}`, verb: skipped ? 'Skip' : step.guard ? 'Answer' : 'Done',
    before: step.state ?? 'open', after: skipped ? 'skipped' : 'done', note: skipped && step.mandatory ? 'This step is mandatory: say why it does not apply.' : undefined,
    fields: [...(skipped ? [] : answers), { ...notes(skipped, skipped ? 'Why not' : 'Notes'), value: given.notes ?? '', ...(skipped ? { min: REASON_MIN } : {}) }],
    body: (v) => ({ step: step.id, outcome, ...v }) });
}

// What the gateway can be asked beforehand (dry run).
const CONTROL = /^\/v1\/(symbols|kill-switch|withdrawals|fanout|upstreams|accounts)\b/;
const RELEASE = /^\/v1\/kill-switch\/release-requests$/; // a POST: its version is that of the switch
const LOOSENS = /release|resume/;
const loosens = (path, body) => LOOSENS.test(path) || body.halted === false || body.engaged === false || body.mode === 'NORMAL' || body.profile === 'normal';

// The act was confirmed by the gateway: the step it belongs to is ticked with the number of its audit entry.
async function tick(i, step, answer, { method, path }) {
  if (answer.status !== 200) return; // it waits for a second person
  const marked = await call('POST', of(i, 'step'), { body: { step: step.id, outcome: 'done', notes: `${method} ${path}${audited(answer)}`.slice(0, NOTES_MAX), ...(step.answer ? { answer: step.answer } : {}) } });
  if (marked.status === 200) {
    told(incidentOf(marked));
    toast(`Step ticked: ${step.title}`, 'ok');
  } else toast(`It took effect, but the step could not be ticked: ${marked.problem?.detail ?? marked.problem?.title ?? 'no answer'}`, 'bad');
}

function stepSpec(i, step, given) {
  const { path, body, portctl, typed } = filled(step.action, i, given, utc());
  const { method } = step.action;
  return {
    ...(RELEASE.test(path) ? { read: `/v1/kill-switch${body.scope ? `?scope=${encodeURIComponent(body.scope)}` : ''}` } : {}),
    direction: loosens(path, body) ? 'LOOSEN' : 'TIGHTEN', typed: typed || undefined, portctl: portctl || `portctl request ${method} ${shell(path)}`, incident: i.id,
    call: { method, path, body, ...(CONTROL.test(path) ? {} : { dryRun: false, confirm: /\/cancel-all$/.test(path) }) }, note: html`Step of ${i.id} ${i.title}: ${step.text}`,
    done: (answer) => tick(i, step, answer, { method, path }),
  };
}

// The act of a step opens the acting sheet of what it changes, filled in; what the incident does not know is asked for there.
export function stepAct(i, step) {
  const { needs } = filled(step.action, i);
  const title = `${i.id}: ${step.title}`;
  if (needs.length === 0) return openSheet({ title, ticket: i.id, incident: i.id, ...stepSpec(i, step) });
  return openSheet({ title, ticket: i.id, incident: i.id, options: Object.fromEntries(needs.map((n) => [n, ''])),
    fields: (options, set) => html`<div class="ask-fields">${needs.map((n, k) => html`<${Field} key=${n} field=${{ id: n, label: plain(n)[0].toUpperCase() + plain(n).slice(1), max: 64 }} options=${options} set=${set} first=${k === 0} />`)}</div>`,
    make: (options) => ({ ...stepSpec(i, step, trimmed(options)), wrong: needs.some((n) => !options[n].trim()) }) });
}

// L3: what the gateway proposes, filled in; nothing happens before it is typed and confirmed.
export function proposal(i) {
  const { mode, target } = i.l3_proposal;
  const all = target === '*';
  openSheet({ title: `${i.id} is at L3: ${mode} of ${all ? 'every symbol' : target}`, verb: `Set ${mode}`, direction: 'TIGHTEN', typed: all ? 'ALL' : target, ticket: i.id, incident: i.id,
    reason: `${i.id} ${i.severity} not mitigated at L3: ${i.title}`.slice(0, NOTES_MAX), call: { method: 'PUT', path: `/v1/symbols/${encodeURIComponent(target)}/mode`, ifMatch: '*', body: { mode } },
    portctl: `portctl ${mode === 'CANCEL_ONLY' ? `mode ${all ? '--all' : shell(target)} CANCEL_ONLY` : `halt ${all ? '--all' : shell(target)}${mode === 'HARD_HALT' ? ' --hard' : ''}`}`,
    note: html`Nobody has mitigated ${i.id} in 30 minutes: the gateway proposes this and does nothing by itself.` });
}
