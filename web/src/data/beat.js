// When the screen changes. Data comes when it comes; what is shown of it changes at most once in an animation frame and
// at most ten times a second, not while the reader has paused, and not while nobody looks.
import { signal } from '@preact/signals';

export const TABLE_MS = 100;
export const paused = signal(false);
export const hidden = signal(typeof document !== 'undefined' && document.hidden);
export const now = signal(Date.now()); // once a second, for ages and clocks

const due = new Set();
let wanted = false;

function turn() {
  wanted = false;
  if (paused.value || hidden.value) return;
  const at = performance.now();
  for (const beat of [...due]) {
    if (at - beat.last >= beat.every) {
      due.delete(beat);
      beat.last = at;
      beat.show();
    }
  }
  ask();
}

function ask() {
  if (wanted || due.size === 0 || paused.value || hidden.value) return;
  wanted = true;
  requestAnimationFrame(turn);
}

// Calls SHOW soon after every call of the function returned, at most once in EVERY ms.
export function beat(show, every = TABLE_MS) {
  const b = { show, every, last: -Infinity };
  const touch = () => {
    due.add(b);
    ask();
  };
  touch.stop = () => due.delete(b);
  return touch;
}

export function setPaused(value) {
  paused.value = value;
  ask();
}

export function startBeat() {
  setInterval(() => { if (!hidden.value) now.value = Date.now(); }, 1000);
  document.addEventListener('visibilitychange', () => {
    hidden.value = document.hidden;
    if (!document.hidden) now.value = Date.now();
    ask();
  });
}
