// The sheet of the fan-out profile: which, for how long, and what of it is set apart from it. Not needed by the first screen.
import { Pick } from '../design/parts.js';
import { html } from '../ui.js';
import { field, inMinutes, integer, number } from './acts.js';

const PROFILES = [['normal', 'normal'], ['degraded', 'degraded'], ['emergency', 'emergency']];
const FOR = [['5m', '5 min'], ['15m', '15 min'], ['1h', '1 h']];
const SPAN = { '5m': 5, '15m': 15, '1h': 60 };

// What of a profile may be set apart from it: [member, words, choices or bounds, option of portctl].
const FIGURES = [
  ['conflation_ms', 'Conflation interval', [20, 50, 100, 250, 1000], 'conflation', ' ms'], ['default_depth', 'Depth where a client names none', [10, 25, 100, 500, 1000], 'depth', ''],
  ['sub_ops_per_s', 'Subscription operations of a client a second', { min: 1, max: 100000 }, 'sub-ops', ''],
];

function figureField([id, words, choices, , unit], o, set) {
  if (!Array.isArray(choices)) return html`<label class="field"><span>${words} (empty: the profile’s own)</span>${number(o, set, id, { ...choices, placeholder: 'the profile’s own' })}</label>`;
  return html`<label class="field"><span>${words}</span><select class="select" name=${id} value=${o[id]} onChange=${(e) => set({ ...o, [id]: e.target.value })}><option value="">the profile’s own</option>${choices.map((n) => html`<option value=${n} selected=${String(n) === o[id]}>${n}${unit}</option>`)}</select></label>`;
}

// {conflation_ms: 250, ...} of what was chosen; null: something of it is no such figure. Pure.
export function figuresOf(o) {
  const out = {};
  for (const [id, , choices] of FIGURES) {
    const text = String(o[id] ?? '').trim();
    if (text === '') continue;
    const n = integer(text, Array.isArray(choices) ? choices[0] : choices.min, Array.isArray(choices) ? choices.at(-1) : choices.max);
    if (n === null) return null;
    out[id] = n;
  }
  return out;
}

// VALUE: where the choice begins, as GET /v1/fanout/profile has it.
export function fanoutSheet(profile = 'degraded', value = {}) {
  const figures = Object.fromEntries(FIGURES.map(([id]) => [id, String(value[id] ?? '')]));
  return {
    title: 'Fan-out profile', options: { profile, span: '15m', ...figures },
    fields: (o, set) => html`${field('Profile', html`<${Pick} label="Profile" value=${o.profile} options=${PROFILES} onPick=${(p) => set({ ...o, profile: p })} />`)}
      ${o.profile !== 'normal' && html`${field('For (it reverts by itself)', html`<${Pick} label="For" value=${o.span} options=${FOR} onPick=${(span) => set({ ...o, span })} />`)}${FIGURES.map((f) => figureField(f, o, set))}`}`,
    make: ({ profile: to, span, ...rest }) => {
      const own = to === 'normal' ? {} : figuresOf(rest);
      const option = ([id, , , name]) => (own?.[id] ? ` --${name} ${own[id]}` : '');
      return { direction: 'NEUTRAL', typed: 'ALL', verb: 'Apply', permission: 'fanout.set', wrong: own === null,
        call: { method: 'PUT', path: '/v1/fanout/profile', body: { profile: to, ...own, ...(to === 'normal' ? { expires_at: null } : { expires_at: inMinutes(SPAN[span]) }) } },
        portctl: `portctl fanout ${to}${to === 'normal' ? '' : ` --for ${span}${FIGURES.map(option).join('')}`}`,
        undo: ([c]) => (c?.before ? fanoutSheet(c.before.profile, c.before) : []) };
    },
  };
}
