// The acts operators know, each as what its sheet needs.
import { html } from '../ui.js';
import { Pick } from '../design/parts.js';
import { shell } from './acting.js';
import { MODE_MEANS } from './words.js';

const WAY = ['NORMAL', 'CANCEL_ONLY', 'SOFT_HALT', 'HARD_HALT'];
const RANK = Object.fromEntries(WAY.map((mode, i) => [mode, i]));
const modePath = (symbol) => `/v1/symbols/${encodeURIComponent(symbol)}/mode`;
const UNTIL = [['', 'no end'], ['15m', '15 min'], ['30m', '30 min'], ['1h', '1 h'], ['4h', '4 h']];
const MINUTES = { '15m': 15, '30m': 30, '1h': 60, '4h': 240 };

// "decide by then" as a time; whole minutes, so that a repeated preview asks for the same.
export const inMinutes = (n) => new Date(Math.ceil((Date.now() + n * 60000) / 60000) * 60000).toISOString().replace('.000Z', '.000000Z');
const untilOf = (choice) => (choice ? { until: inMinutes(MINUTES[choice]) } : {});
const untilOption = (choice) => (choice ? ` --until ${choice}` : '');
export const field = (label, control) => html`<div class="field"><span>${label}</span>${control}</div>`;
const modePick = (o, set) => html`${field('Mode', html`<${Pick} label="Mode" value=${o.mode} options=${WAY.map((m) => [m, m, MODE_MEANS[m]])} onPick=${(mode) => set({ ...o, mode })} />`)}
  <p class="muted means">${o.mode}: ${MODE_MEANS[o.mode]}.</p>
  ${RANK[o.mode] > 0 && field('A decision is due after (nothing opens by itself)', html`<${Pick} label="Until" value=${o.until} options=${UNTIL} onPick=${(until) => set({ ...o, until })} />`)}`;

const SHORT = { SOFT_HALT: 'halt', HARD_HALT: 'halt' };
function modeCommand(mode, target, until) {
  const verb = SHORT[mode] ? `portctl halt${target}${mode === 'HARD_HALT' ? ' --hard' : ''}` : `portctl mode${target} ${mode}`;
  return verb + untilOption(until);
}

// The mode to ask for to undo TO where BEFORE held: it, but from HARD_HALT the way leads over CANCEL_ONLY. Pure.
export const modeBack = (before = 'NORMAL', to) => (to === 'HARD_HALT' && before === 'NORMAL' ? 'CANCEL_ONLY' : before);

// The same of many, a sheet for each mode they came from; CHANGES as the dry run told them.
function modesBack(changes, to, symbols) {
  const groups = new Map();
  for (const { target, before } of changes) {
    const mode = modeBack(before?.mode, to);
    groups.set(mode, [...(groups.get(mode) ?? []), target]);
  }
  if (groups.size === 0) groups.set(modeBack(undefined, to), symbols);
  return [...groups].map(([mode, list]) => ({ ...modesSheet(list, mode), ...(groups.size > 1 ? { back: `${list.length === 1 ? list[0] : `${list.length} symbols`} to ${mode}` } : {}) }));
}

// SYMBOL: one, or '*' for all; MODE is where the choice begins.
export function modeSheet(symbol, mode = 'SOFT_HALT') {
  const all = symbol === '*' || symbol === 'ALL';
  const target = all ? '*' : symbol;
  return {
    title: all ? 'Mode of all symbols' : `Mode of ${symbol}`, options: { mode, until: '' }, fields: modePick,
    make: ({ mode: to, until }) => ({
      direction: to === 'NORMAL' ? 'LOOSEN' : 'TIGHTEN', typed: all ? 'ALL' : symbol, verb: to === 'NORMAL' ? undefined : `Set ${to}`,
      call: { method: 'PUT', path: modePath(target), body: { mode: to, ...untilOf(until) } },
      portctl: modeCommand(to, all ? ' --all' : ` ${shell(symbol)}`, until), undo: (before) => modeSheet(symbol, modeBack(before[0]?.before?.mode, to)),
    }),
  };
}

// The chosen SYMBOLS together: one change, one entry in the audit log.
export function modesSheet(symbols, mode = 'SOFT_HALT') {
  if (symbols.length === 1) return modeSheet(symbols[0], mode);
  return {
    title: `Mode of ${symbols.length} symbols`, options: { mode, until: '' }, fields: modePick,
    make: ({ mode: to, until }) => ({
      direction: to === 'NORMAL' ? 'LOOSEN' : 'TIGHTEN', typed: `${symbols.length} SYMBOLS`, verb: to === 'NORMAL' ? undefined : `Set ${to}`,
      call: { method: 'POST', path: '/v1/symbols:set-mode', body: { mode: to, symbols, ...untilOf(until) } },
      portctl: modeCommand(to, ` --symbols ${symbols.map(shell).join(',')}`, until), undo: (before) => modesBack(before, to, symbols),
    }),
  };
}

export const number = (o, set, name, props) => html`<input class="input" type="number" value=${o[name]} onInput=${(e) => set({ ...o, [name]: e.target.value })} ...${props} />`;
export const integer = (text, least, most) => (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null);

export function throttleSheet(symbol, now) {
  return {
    title: `Throttle of ${symbol}`, options: { rate: String(now ?? 100) },
    fields: (o, set) => html`<label class="field"><span>New orders a second, at most (empty: no throttle)</span>${number(o, set, 'rate', { min: 1, max: 1000000, placeholder: 'no throttle' })}</label>`,
    make: ({ rate }) => {
      const n = rate === '' ? null : integer(rate, 1, 1000000);
      return { direction: n === null ? 'LOOSEN' : 'TIGHTEN', typed: symbol, wrong: rate !== '' && n === null,
        call: { method: 'PUT', path: `/v1/symbols/${encodeURIComponent(symbol)}/throttle`, body: { orders_per_s: n } }, portctl: `portctl throttle ${shell(symbol)} ${n ?? 'off'}`, undo: ([c]) => throttleSheet(symbol, c?.before?.orders_per_s ?? '') };
    },
  };
}

export function cancelAllSheet(symbol) {
  const all = symbol === '*';
  return {
    title: all ? 'Cancel all orders of all symbols' : `Cancel all orders of ${symbol}`, direction: 'TIGHTEN', typed: all ? 'ALL' : symbol, verb: 'Ask the core', read: null,
    before: 'open orders stand', after: 'the core is asked to cancel them; it says what it did', radius: [['Symbols', all ? 'all' : '1'], ['Orders', 'the core counts them']],
    call: { method: 'POST', path: `/v1/symbols/${encodeURIComponent(symbol)}/cancel-all`, dryRun: false, confirm: true }, portctl: `portctl cancel-all ${all ? '--all' : shell(symbol)}`,
  };
}

const killPath = (scope) => `/v1/kill-switch${scope === 'global' ? '' : `?scope=${encodeURIComponent(scope)}`}`;

export function killSheet(scope = 'global') {
  return {
    title: 'Engage the kill switch', typed: 'KILL', verb: 'Engage', direction: 'TIGHTEN', read: killPath(scope),
    note: 'No new orders anywhere: every symbol goes to CANCEL_ONLY. Released later in stages, by two persons.',
    call: { method: 'PUT', path: '/v1/kill-switch', ifMatch: '*', body: { engaged: true, ...(scope === 'global' ? {} : { scope }) } },
    portctl: `portctl kill on${scope === 'global' ? '' : ` --scope ${scope}`}`, undo: ([c]) => releaseSheet(scope, c?.before?.released_symbols?.join(', '), c?.before?.released_percent),
  };
}

const list = (text) => text.toUpperCase().split(/[\s,]+/).filter(Boolean);

// The next stage of the release: these symbols, for so many of a hundred keys; both left out: the end.
export function releaseSheet(scope = 'global', symbols = '', percentNow = 0) {
  return {
    title: 'Release the kill switch', options: { stage: 'stage', symbols: symbols === '*' ? '' : symbols, percent: percentNow ? String(percentNow) : '' },
    fields: (o, set) => html`${field('How much', html`<${Pick} label="How much" value=${o.stage} options=${[['stage', 'A stage'], ['all', 'All of it']]} onPick=${(stage) => set({ ...o, stage })} />`)}
      ${o.stage === 'stage' && html`<label class="field"><span>Symbols (empty: all)</span><input class="input" value=${o.symbols} placeholder="BTC/USD, ETH/USD" onInput=${(e) => set({ ...o, symbols: e.target.value })} autocomplete="off" spellcheck="false" /></label>
        <label class="field"><span>For so many of a hundred keys (empty: all)</span>${number(o, set, 'percent', { min: 1, max: 100, placeholder: 'all' })}</label>`}`,
    make: ({ stage, symbols: text, percent }) => {
      const names = list(text);
      const n = percent === '' ? null : integer(percent, 1, 100);
      const end = stage === 'all' || (names.length === 0 && n === null);
      const body = end ? { engaged: false } : { ...(names.length ? { released_symbols: names } : {}), ...(n !== null ? { released_percent: n } : {}) };
      return { direction: 'LOOSEN', typed: 'RELEASE', read: killPath(scope), wrong: (percent !== '' && n === null) || (stage === 'stage' && end), note: 'Begin small; a stage has to hold before the next.',
        call: { method: 'POST', path: '/v1/kill-switch/release-requests', body: { ...body, ...(scope === 'global' ? {} : { scope }) } },
        portctl: `portctl kill release${end ? '' : `${names.length ? ` --symbols ${names.map(shell).join(',')}` : ''}${n !== null ? ` --percent ${n}` : ''}`}${scope === 'global' ? '' : ` --scope ${scope}`}` };
    },
  };
}

export function withdrawalsSheet(halted, asset = '') {
  const fixed = asset !== '';
  return {
    title: `${halted ? 'Halt' : 'Resume'} withdrawals${fixed && asset !== '*' ? ` of ${asset}` : ''}`, options: { asset: asset === '*' ? '' : asset },
    fields: fixed ? undefined : (o, set) => html`<label class="field"><span>Asset (empty: all)</span><input class="input" value=${o.asset} placeholder="BTC" onInput=${(e) => set({ ...o, asset: e.target.value.toUpperCase().trim() })} autocomplete="off" spellcheck="false" /></label>`,
    make: ({ asset: of }) => ({
      direction: halted ? 'TIGHTEN' : 'LOOSEN', typed: of || 'ALL', verb: halted ? 'Halt' : undefined, read: `/v1/withdrawals${of ? `?asset=${encodeURIComponent(of)}` : ''}`,
      call: { method: 'PUT', path: '/v1/withdrawals', body: { halted, ...(of ? { asset: of } : {}) } },
      portctl: `portctl withdrawals ${halted ? 'halt' : 'resume'}${of ? ` --asset ${shell(of)}` : ''}`, undo: () => withdrawalsSheet(!halted, of || '*'),
    }),
  };
}

export function accountSheet(id, paused = true) {
  return { title: `${paused ? 'Pause' : 'Resume'} the account ${id}`, direction: paused ? 'TIGHTEN' : 'LOOSEN', typed: id, verb: paused ? 'Pause' : undefined,
    call: { method: 'PUT', path: `/v1/accounts/${encodeURIComponent(id)}/trading`, body: { paused } }, portctl: `portctl account ${paused ? 'pause' : 'resume'} ${shell(id)}`, undo: () => accountSheet(id, !paused) };
}

export function accessSheet(id, disabled = true) {
  return { title: `${disabled ? 'Disable' : 'Enable'} the account ${id}`, direction: disabled ? 'TIGHTEN' : 'LOOSEN', typed: id, verb: disabled ? 'Disable' : undefined,
    note: disabled ? 'None of its keys is accepted any more, on any gateway; their connections are closed with 4003. The keys are not revoked.' : undefined,
    call: { method: 'PUT', path: `/v1/accounts/${encodeURIComponent(id)}/access`, body: { disabled } }, portctl: `portctl account ${disabled ? 'disable' : 'enable'} ${shell(id)}`, undo: () => accessSheet(id, !disabled) };
}
