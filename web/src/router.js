// The screen and its filters live in the address: the same address shows the same thing to a colleague.
import { signal } from '@preact/signals';

export const SCREENS = [
  { id: 'overview', key: '1', name: 'Overview' },
  { id: 'market', key: '2', name: 'Market' },
  { id: 'connections', key: '3', name: 'Connections' },
  { id: 'keys', key: '4', name: 'Auth & keys' },
  { id: 'incidents', key: '5', name: 'Incidents' },
  { id: 'audit', key: '6', name: 'Audit' },
  { id: 'drills', key: '7', name: 'Drills' },
  { id: 'settings', key: '8', name: 'Settings' },
];

// "/market/BTC-USD", "?depth=50" -> {screen, part, query}. Pure.
export function parseRoute(pathname, search) {
  const [, first = '', second = ''] = pathname.split('/');
  const screen = SCREENS.find((s) => s.id === first)?.id ?? 'overview';
  let part = '';
  try {
    part = decodeURIComponent(second);
  } catch {
    part = ''; // a bad escape names nothing
  }
  return { screen, part, query: Object.fromEntries(new URLSearchParams(search)) };
}

// The address of a route; empty filters are left out. Pure.
export function addressOf({ screen, part = '', query = {} }) {
  const params = new URLSearchParams();
  for (const [k, v] of Object.entries(query)) if (v !== '' && v !== undefined && v !== null) params.set(k, v);
  const text = params.toString();
  return `/${screen}${part ? `/${encodeURIComponent(part)}` : ''}${text ? `?${text}` : ''}`;
}

// Symbols in an address: BTC/USD is BTC-USD. A name with a dash of its own is found by whoever knows all names.
export const symbolPart = (symbol) => symbol.replace('/', '-');

export const route = signal({ screen: 'overview', part: '', query: {} });

export function navigate(to, { replace = false } = {}) {
  const address = typeof to === 'string' ? to : addressOf(to);
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  route.value = parseRoute(location.pathname, location.search);
  if (!replace) window.scrollTo(0, 0);
}

// One filter of this screen; the address changes in place.
export function setFilter(name, value) {
  const { screen, part, query } = route.peek();
  navigate({ screen, part, query: { ...query, [name]: value } }, { replace: true });
}

export function startRouter() {
  const read = () => { route.value = parseRoute(location.pathname, location.search); };
  read();
  window.addEventListener('popstate', read);
  document.addEventListener('click', (event) => {
    const a = event.target.closest?.('a[href^="/"]');
    if (!a || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || a.target) return;
    const first = new URL(a.href).pathname.split('/')[1];
    if (!SCREENS.some((s) => s.id === first)) return;
    event.preventDefault();
    navigate(a.getAttribute('href'));
  });
}
