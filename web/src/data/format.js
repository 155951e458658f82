// Numbers and times as they are read. All times UTC; local time on hover (localTime).

const two = (n) => String(n).padStart(2, '0');

export const time = (ms) => {
  const d = new Date(ms);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
};
export const date = (ms) => new Date(ms).toISOString().slice(0, 10);
export const localTime = (ms) => `local: ${new Date(ms).toLocaleString()}`;
// "2026-11-20T23:51:47.101000Z" -> "23:51:47.101"
export const clockOf = (rfc3339) => rfc3339.slice(11, 23);

export function age(ms) {
  if (!(ms >= 0)) return '–';
  if (ms < 10000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.floor(ms / 1000);
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

// For how long: "12 s", "4 min 09 s", "2 h 05 min".
export function lasting(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
}

export const whole = (n) => (n === undefined || Number.isNaN(n) ? '–' : Math.round(n).toLocaleString('en-GB'));

export function perSecond(n) {
  if (n === undefined || Number.isNaN(n)) return '–';
  return n >= 100 || n === 0 ? whole(n) : n.toFixed(1);
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
// [number, unit]
export function bytes(n) {
  if (n === undefined || Number.isNaN(n)) return ['–', ''];
  let i = 0;
  while (n >= 1024 && i < UNITS.length - 1) {
    n /= 1024;
    i++;
  }
  return [i === 0 || n >= 100 ? whole(n) : n.toFixed(1), UNITS[i]];
}
export const bytesText = (n) => bytes(n).join(' ').trim();

// Seconds as [number, unit].
export function duration(s) {
  if (s === undefined || Number.isNaN(s)) return ['–', ''];
  if (s === Infinity) return ['> 10', 's'];
  if (s < 0.001) return [String(Math.round(s * 1e6)), 'µs'];
  if (s < 1) return [String(Number((s * 1e3).toPrecision(2))), 'ms'];
  return [String(Number(s.toPrecision(2))), 's'];
}
