// What this browser remembers: the theme and a few choices. Nothing else is stored, nothing secret.
import { effect, signal } from '@preact/signals';

const KEY = 'portcullis.settings';

function load() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // a private window, or not ours
  }
}

const kept = load();
export const THEMES = ['system', 'dark', 'light', 'contrast'];
export const theme = signal(THEMES.includes(kept.theme) ? kept.theme : 'system');
export const depth = signal(['20', '50', 'full'].includes(kept.depth) ? kept.depth : '20');
export const interval = signal([1, 5, 15, 60].includes(kept.interval) ? kept.interval : 1);
// Rises when colours change: charts are drawn again.
export const palette = signal(0);

const media = (query) => window.matchMedia(query);

function effective() {
  if (theme.value !== 'system') return theme.value;
  if (media('(prefers-contrast: more)').matches) return 'contrast';
  return media('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
}

export function startSettings() {
  const show = () => {
    document.documentElement.dataset.theme = effective();
    palette.value = palette.peek() + 1;
  };
  effect(() => {
    const text = JSON.stringify({ theme: theme.value, depth: depth.value, interval: interval.value });
    try {
      localStorage.setItem(KEY, text);
    } catch {
      // not kept, still in force
    }
  });
  effect(() => {
    theme.value;
    show();
  });
  for (const query of ['(prefers-color-scheme: light)', '(prefers-contrast: more)']) media(query).addEventListener('change', show);
}
