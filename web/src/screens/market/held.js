// Why a book does not move: what operators decided about it. That it is so this page knows from the gateway's own messages;
// who decided it and why from the control state, where the person at this browser may read that.
import { now } from '../../data/beat.js';
import { lasting, localTime, time } from '../../data/format.js';
import { Icon } from '../../design/icons.js';
import { Chip } from '../../design/parts.js';
import { html } from '../../ui.js';

const BOOK_IN = { SOFT_HALT: 'frozen', HARD_HALT: 'withdrawn' };
export const KIND = { frozen: 'warn', withdrawn: 'bad' };

// {book: frozen | withdrawn, mode, since (ms), reason, by, from}; null while the book is live, or nobody knows. TOLD: what
// the gateway told of this book (BookStore.told); BACK: the symbol's row of the control state, if that is KNOWN. Pure.
export function heldOf(told, back, known) {
  const decided = known ? back?.effective_mode ?? 'NORMAL' : undefined;
  const book = told?.book ?? BOOK_IN[decided];
  if (book !== 'frozen' && book !== 'withdrawn') return null;
  const mode = told?.mode ?? (BOOK_IN[decided] ? decided : undefined);
  const why = mode !== undefined && mode === decided ? back : undefined; // the control state is read a little later
  const since = Date.parse(told?.since ?? why?.since);
  const from = why?.decided_by_target;
  return { book, mode, since: Number.isNaN(since) ? undefined : since, reason: why?.reason, by: why?.by, ticket: why?.ticket,
    from: from === '*' ? 'all symbols' : from?.startsWith('group:') ? from : undefined };
}

// "SOFT_HALT of all symbols by user:ana: prices are off"
export function whyText({ mode, from, by, reason }) {
  const who = `${mode ?? 'halted by operators'}${from ? ` of ${from}` : ''}${by ? ` by ${by}` : ''}`;
  return reason ? `${who}: ${reason}` : who;
}

export const sinceText = ({ since }) => (since === undefined ? '' : ` since ${time(since)} UTC`);

// In the head of a panel: what it shows is not of now.
export function HeldChip({ held, words }) {
  if (!held) return null;
  return html`<${Chip} kind=${KIND[held.book]} icon="lock" title=${`${held.book}${sinceText(held)}; ${whyText(held)}`}>${words ?? (held.book === 'frozen' ? 'frozen: stale' : 'withdrawn')}<//>`;
}

const MEANS = {
  frozen: 'Marked stale: this is the book as it was then. It goes on when the symbol is resumed.',
  withdrawn: 'No book is shown to anybody. A new one comes when the symbol is resumed.',
};

// What is so is told once; how long already is for who looks.
export function HeldNote({ held, subject = 'Book' }) {
  if (!held) return null;
  return html`<div class=${`held-note k-${KIND[held.book]}`} data-held=${held.book}><${Icon} name="lock" size="18" /><div>
    <p role="status"><b>${subject} ${held.book}${sinceText(held)}:</b> <span title=${held.since && localTime(held.since)}>${whyText(held)}${held.ticket ? ` (${held.ticket})` : ''}.</span> ${MEANS[held.book]}</p>
    ${held.since !== undefined && html`<p class="muted">for ${lasting(Math.max(0, now.value - held.since))}</p>`}</div></div>`;
}
