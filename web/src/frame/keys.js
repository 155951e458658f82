// One-key commands. None of them acts on the market: actions open a sheet only.
import { paused, setPaused } from '../data/beat.js';
import { toast } from '../design/parts.js';
import { activeTable } from '../design/table.js';
import { closeSheet, sheet } from '../acting/acting.js';
import { closePage, page } from '../session/session.js';
import { navigate, SCREENS } from '../router.js';
import { signal } from '../ui.js';

export const overlay = signal(null); // 'help' | 'symbol' | {view: a component} | null

export const KEYS = [
  ['1 – 8', 'screens'], ['/', 'search on this screen'], ['g s', 'go to a symbol'], ['j  k', 'next, previous row'], ['Enter', 'open the row'], ['x', 'choose the row'], ['a', 'acknowledge what waits most urgently'],
  ['p', 'pause live updates'], ['?', 'this help'], ['Esc', 'close'],
];

const typing = (target) => target.closest?.('input,textarea,select,[contenteditable]');
let prefix = 0; // when g was pressed

function escape() {
  if (page.peek()) {
    if (page.peek().kind !== 'signin') closePage();
  } else if (overlay.peek()) overlay.value = null;
  else if (sheet.peek()) closeSheet();
  else document.activeElement?.blur?.();
}

// Keys of the screen that is open, which come first (screens/incidents/keys.js).
export const own = new Map();

const commands = {
  '/': () => document.querySelector('[data-search]')?.focus(),
  '?': () => { overlay.value = 'help'; },
  p: () => setPaused(!paused.peek()),
  j: () => activeTable()?.move(1),
  k: () => activeTable()?.move(-1),
  x: () => activeTable()?.toggle(),
  g: () => { prefix = Date.now(); },
  a: () => import('../screens/incidents/urgent.js').then((m) => m.acknowledgeUrgent(), () => toast('the sheet could not be loaded; try again', 'bad')),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    escape();
    return;
  }
  if (typing(event.target) || overlay.peek() || sheet.peek() || page.peek()) return;
  const { key } = event;
  const screen = SCREENS.find((s) => s.key === key);
  if (key === 's' && Date.now() - prefix < 1200) overlay.value = 'symbol';
  else if (screen) navigate({ screen: screen.id });
  else if (key === 'Enter' && !event.target.closest?.('a,button')) activeTable()?.open();
  else if (own.has(key)) own.get(key)();
  else if (commands[key]) commands[key]();
  else return;
  if (key !== 'g') prefix = 0;
  event.preventDefault();
}

export function startKeys() {
  window.addEventListener('keydown', onKey);
}
