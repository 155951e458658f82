// Acting safely (docs/DASHBOARD.md): every act goes through a sheet that shows what changes, whom it reaches and the same as
// a command, begins on Cancel, and waits for a reason, a ticket and a typed word. The sheets are loaded after the first screen.
//
//   openSheet({
//     title: 'Halt BTC/USD',
//     direction: 'TIGHTEN' | 'LOOSEN' | 'NEUTRAL',     as expected; where the server can be asked, its word replaces it
//     before, after: text or markup; left out where the dry run tells
//     call: { method, path, body: {...} | (why) => ({...}), ifMatch, dryRun: false to ask for none, bare: true for no reason,
//             confirm: true where there is no dry run and the gateway compares what was typed all the same }
//     read: path of what is to change (the call's own path for PUT); its ETag goes into If-Match, also of a POST that loosens
//     typed: 'BTC/USD' | 'ALL' | 'KILL' ...            what has to be typed, as expected; a dry run's word replaces it
//     portctl: 'portctl halt BTC/USD' | (why) => text  a text gets --reason and --ticket
//     radius: [[name, value], ...]                     where there is no dry run
//     verb: text of the button; note: markup; undo: () => spec; done: (answer) => ..., result: (answer) => markup
//   })
//   A sheet with choices of its own: { title, options: {...}, fields: (options, set) => markup, make: (options) => the rest }
import { signal } from '@preact/signals';
import { may, phase, signIn } from '../session/session.js';
import { connection } from '../app.js';
import { html } from '../ui.js';

export const sheet = signal(null); // {kind: 'act', spec, n} | {kind: 'change' | 'role', id, n} | {kind: 'pending', n}
let opened = 0;
const show = (what) => { sheet.value = { ...what, n: ++opened }; };

export const openSheet = (spec) => show({ kind: 'act', spec });
export const changeSheet = (id) => show({ kind: 'change', id });
export const roleSheet = (id) => show({ kind: 'role', id });
export const pendingSheet = () => show({ kind: 'pending' });
export const held = { secret: false }; // what is shown once is not kept anywhere yet: then nothing closes by itself
export function closeSheet() {
  if (!held.secret) sheet.value = null;
}

// Why the person at this browser cannot do what needs PERMISSION now; null: she can.
export function cannot(permission) {
  if (connection.value.lost.some((l) => l.control)) return 'disconnected from the gateway';
  if (phase.value === 'absent') return 'this gateway keeps no people: use portctl with a key';
  if (phase.value !== 'in') return 'sign in first';
  return !permission || may(permission) ? null : `needs the permission ${permission}: none of your roles has it`;
}

// The button of an act: says why it cannot be pressed; leads to signing in where that is all that is missing.
export function ActButton({ permission, open, danger, small, label, children }) {
  const why = cannot(permission);
  const asks = why === 'sign in first';
  return html`<button type="button" class=${`btn${danger ? ' danger' : ''}${small ? ' small-act' : ''}`} aria-label=${label} title=${why ?? undefined} disabled=${why !== null && !asks}
    onClick=${() => (asks ? signIn() : open())}>${children}</button>`;
}

// A symbol, an asset or a text as a word of a POSIX shell.
export const shell = (text) => (/^[A-Za-z0-9_./:=,@%+-]+$/.test(text) ? text : `'${String(text).replace(/'/g, "'\\''")}'`);
