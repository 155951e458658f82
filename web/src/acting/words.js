// Values of the control state in words: the same in sheets, requests and the banner.
import { Chip } from '../design/parts.js';
import { html } from '../ui.js';

export const MODE_KIND = { NORMAL: 'ok', CANCEL_ONLY: 'warn', SOFT_HALT: 'bad', HARD_HALT: 'bad' };
export const MODE_MEANS = {
  NORMAL: 'orders, cancels, live data', CANCEL_ONLY: 'no new orders; cancels; live data', SOFT_HALT: 'no new orders; cancels by best effort; the book frozen, marked stale',
  HARD_HALT: 'no orders, no cancels; the book withdrawn',
};

// [kind of chip, words] of VALUE, a cell's value of KIND.
export function valueWords(kind, value = {}) {
  if (kind === 'mode') return [MODE_KIND[value.mode] ?? 'off', value.mode ?? 'unknown'];
  if (kind === 'kill') {
    if (!value.engaged) return ['ok', 'off'];
    const stage = [value.released_symbols?.length && (value.released_symbols[0] === '*' ? 'all symbols' : value.released_symbols.slice(0, 6).join(', ') + (value.released_symbols.length > 6 ? ` and ${value.released_symbols.length - 6} more` : '')),
      value.released_percent ? `${value.released_percent} % of keys` : ''].filter(Boolean);
    return ['bad', stage.length ? `engaged, released for ${stage.join(', ')}` : 'ENGAGED'];
  }
  if (kind === 'withdrawals') return value.halted ? ['bad', 'HALTED'] : ['ok', 'open'];
  if (kind === 'throttle') return value.orders_per_s ? ['warn', `at most ${value.orders_per_s} orders/s`] : ['ok', 'no throttle'];
  if (kind === 'access') return value.disabled ? ['bad', 'disabled'] : ['ok', 'accepted'];
  if (kind === 'account') return value.paused ? ['bad', 'paused'] : ['ok', 'trading'];
  if (kind === 'fanout') {
    const own = [value.conflation_ms && `${value.conflation_ms} ms`, value.default_depth && `depth ${value.default_depth}`, value.sub_ops_per_s && `${value.sub_ops_per_s} operations/s`].filter(Boolean);
    return [value.profile === 'normal' ? 'ok' : 'warn', [value.profile, ...own, value.expires_at && `until ${value.expires_at.slice(11, 19)}`].filter(Boolean).join(', ')];
  }
  if (kind === 'upstream') return ['info', value.active ?? 'unknown'];
  return ['off', JSON.stringify(value)];
}

export function Value({ kind, value }) {
  const [chip, text] = valueWords(kind, value);
  return html`<${Chip} kind=${chip}>${text}<//>`;
}

const KINDS = { mode: 'mode', kill: 'kill switch', withdrawals: 'withdrawals', throttle: 'throttle', account: 'account', fanout: 'fan-out profile', upstream: 'upstream' };
export const targetWords = (kind, target) => (target === '*' ? (kind === 'mode' ? 'all symbols' : kind === 'withdrawals' ? 'all assets' : '') : target === 'global' ? '' : target);
export const subject = (kind, target) => [KINDS[kind] ?? kind, targetWords(kind, target)].filter(Boolean).join(' · ');

export const DIRECTION = {
  TIGHTEN: ['warn', 'lock', 'tightens: takes effect at once, by one person'], LOOSEN: ['info', 'wait', 'loosens: needs a second person'],
  NEUTRAL: ['info', 'info', 'neither tightens nor loosens'], GIVES: ['info', 'keys', 'gives access: with a second factor of the last five minutes'], NONE: ['off', 'info', 'nothing would change'],
};
export function Direction({ direction, sure }) {
  const [kind, icon, text] = DIRECTION[direction] ?? ['off', 'off', 'direction unknown'];
  return html`<${Chip} kind=${kind} icon=${icon} title=${sure ? 'computed by the gateway' : 'as expected; the gateway is asked'}>${text}<//>`;
}
