import { html } from '../ui.js';

// Drawn on a 16 px grid with one stroke width.
const PATHS = {
  ok: 'M3.5 8.5l3 3 6-7', warn: 'M8 2.5l6.2 11H1.8zM8 6.5v3.4M8 11.6v.2', bad: 'M5.4 2h5.2L14 5.4v5.2L10.6 14H5.4L2 10.6V5.4zM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  off: 'M6 6a2.1 2.1 0 1 1 2.9 2c-.6.3-.9.7-.9 1.4M8 11.8v.2', info: 'M8 7.4v4M8 4.6v.2M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8z',
  up: 'M8 12.5V4M4.5 7.2L8 3.7l3.5 3.5', down: 'M8 3.5V12M4.5 8.8L8 12.3l3.5-3.5', close: 'M4 4l8 8M12 4l-8 8', copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  pause: 'M5.5 3.5v9M10.5 3.5v9', play: 'M5 3.2v9.6l7.5-4.8z', lock: 'M4 7.2h8v6H4zM5.7 7V5a2.3 2.3 0 0 1 4.6 0v2', search: 'M7 2.8a4.2 4.2 0 1 1 0 8.4 4.2 4.2 0 0 1 0-8.4zM10.2 10.2l3.4 3.4',
  becomes: 'M3 8h9.5M9 4.5L12.5 8 9 11.5', user: 'M8 2.5a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4zM2.8 13.8a5.2 5.2 0 0 1 10.4 0', power: 'M8 2v5.5M4.8 4.2a5 5 0 1 0 6.4 0',
  link: 'M2.5 8h4M9.5 8h4M5.5 5v6M10.5 5v6', refresh: 'M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3', wait: 'M8 1.8a6.2 6.2 0 1 1 0 12.4A6.2 6.2 0 0 1 8 1.8zM8 4.6V8l2.4 1.6',
  overview: 'M2.5 2.5h4.5v5H2.5zM9 2.5h4.5v3H9zM9 7.5h4.5v6H9zM2.5 9.5H7v4H2.5z', market: 'M4.5 2v3M4.5 10v4M3 5h3v5H3zM11.5 3v2M11.5 11v2M10 5h3v6h-3z',
  connections: 'M8 3.2a1.4 1.4 0 1 0 0-.1M3.5 12.8a1.4 1.4 0 1 0 0-.1M12.5 12.8a1.4 1.4 0 1 0 0-.1M8 4.6v3M8 7.6l-3.8 3.8M8 7.6l3.8 3.8',
  keys: 'M7.5 8a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM7.5 8h6M11 8v2.2M13.5 8v2.2', incidents: 'M8 2a4 4 0 0 1 4 4c0 3.5 1.4 4.3 1.4 5H2.6C2.6 10.3 4 9.5 4 6a4 4 0 0 1 4-4zM6.5 13.3a1.6 1.6 0 0 0 3 0',
  audit: 'M4 2h5.5L12.5 5v9H4zM9.3 2.2V5.2h3M6 8h4.5M6 10.8h4.5', drills: 'M3 4h10v9.5H3zM3 6.8h10M5.7 2.3v3M10.3 2.3v3M6 10l1.5 1.5L10.2 9',
  settings: 'M2.5 4.5h6M11.5 4.5h2M2.5 11.5h2M7.5 11.5h6M10 3v3M6 10v3',
};

export function Icon({ name, size = 16, label }) {
  return html`<svg width=${size} height=${size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5"
    stroke-linecap="round" stroke-linejoin="round" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}>
    <path d=${PATHS[name]} /></svg>`;
}
