// The control state as the gateway tells it: what is held back, by whom, why, until when. Read again whenever an event says
// that it changed, and now and then without. Every tab shows the same, since one tab passes the events on to all.
import { computed, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { resource } from './api.js';
import { hidden } from './beat.js';
import { onEvent } from './events.js';

const SOON_MS = 120; // several events of one change are one reading
const AGAIN_MS = 1000; // and many changes no more than one a second
const options = { every: 15000 };
const parts = {
  stats: resource('/v1/stats', options), // the first thing to look at
  control: resource('/v1/control', options), // what was ever set
  held: resource('/v1/symbols?halted=true', options), // symbols that are not NORMAL, and what decides
};
let users = 0;
let timer;
let readAt = 0;
let stops = [];

const later = () => {
  if (timer) return;
  const since = Date.now() - readAt;
  timer = setTimeout(() => {
    timer = undefined;
    readAt = Date.now();
    Object.values(parts).forEach((r) => r.refresh());
  }, hidden.peek() ? 2 * AGAIN_MS : Math.max(SOON_MS, AGAIN_MS - since));
};

export function useControl() {
  useEffect(() => {
    if (users++ === 0) stops = [...Object.values(parts).map((r) => r.use()), onEvent('state', later), onEvent('observed', later)];
    return () => {
      if (--users === 0) stops.forEach((stop) => stop());
    };
  }, []);
  return control.value;
}

const cellsOf = (data) => new Map((data?.cells ?? []).map((c) => [`${c.kind} ${c.target}`, c]));
const cells = computed(() => cellsOf(parts.control.state.value.data));
const held = computed(() => new Map((parts.held.state.value.data?.symbols ?? []).map((r) => [r.symbol, r])));

// {phase, problem, at, stats, cells, held}: phase that of the statistics.
export const control = computed(() => {
  const { phase, problem, at, data } = parts.stats.state.value;
  return { phase, problem, at, stats: data, cells: cells.value, held: held.value, heldPhase: parts.held.state.value.phase, cellsPhase: parts.control.state.value.phase };
});

export const cellOf = (c, kind, target) => c.cells.get(`${kind} ${target}`);
const WAY = ['NORMAL', 'CANCEL_ONLY', 'SOFT_HALT', 'HARD_HALT'];
// Is MODE of TARGET in force, or something tighter?
export const holds = (c, { mode, target }) => WAY.indexOf(cellOf(c, 'mode', target)?.value.mode) >= WAY.indexOf(mode);
export const cellsOfKind = (c, kind) => [...c.cells.values()].filter((cell) => cell.kind === kind);

// What the core is asked and says; each command once, the newest first.
export const commands = signal([]);
const COMMANDS_KEPT = 100;
const newest = (list) => [...list].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, COMMANDS_KEPT);
export const core = resource('/v1/commands', { every: 30000 });

export function useCommands() {
  useEffect(() => {
    const stop = [core.use(), onEvent('command', (c) => { commands.value = newest([c, ...commands.peek().filter((x) => x.id !== c.id)]); })];
    return () => stop.forEach((end) => end());
  }, []);
  const { data } = core.state.value;
  useEffect(() => {
    if (data?.commands) commands.value = newest([...data.commands, ...commands.peek().filter((c) => !data.commands.some((d) => d.id === c.id))]);
  }, [data]);
  return { phase: core.state.value.phase, core: data?.core, commands: commands.value };
}
