import { SheetLayer } from '../acting/layer.js';
import { connection } from '../app.js';
import { Icon } from '../design/icons.js';
import { Toasts } from '../design/parts.js';
import { Overview } from '../screens/overview.js';
import { SessionLayer } from '../session/layer.js';
import { page } from '../session/session.js';
import { sheet } from '../acting/acting.js';
import { route, SCREENS } from '../router.js';
import { html, useEffect } from '../ui.js';
import { Banner, Footer, Spoken } from './banner.js';
import { overlay } from './keys.js';
import { lazy, loadRest } from './lazy.js';
import { Overlays } from './overlays.js';

const VIEWS = {
  overview: Overview,
  market: lazy(() => import('../screens/market.js'), 'Market'),
  connections: lazy(() => import('../screens/connections.js'), 'Connections'),
  keys: lazy(() => import('../screens/keys.js'), 'Keys'),
  incidents: lazy(() => import('../screens/incidents.js'), 'Incidents'),
  audit: lazy(() => import('../screens/audit.js'), 'Audit'),
  drills: lazy(() => import('../screens/drills.js'), 'Drills'),
  settings: lazy(() => import('../screens/settings.js'), 'Settings'),
};

function Nav() {
  const { screen } = route.value;
  return html`<nav class="nav" aria-label="Screens"><ul>${SCREENS.map((s) => html`<li><a href=${`/${s.id}`} aria-current=${s.id === screen ? 'page' : undefined}>
    <${Icon} name=${s.id} /><span>${s.name}</span><kbd aria-hidden="true">${s.key}</kbd></a></li>`)}</ul></nav>`;
}

function Screen() {
  const { screen } = route.value;
  const { name } = SCREENS.find((s) => s.id === screen);
  const View = VIEWS[screen];
  useEffect(() => { document.title = `${name} · Portcullis`; }, [name]);
  return html`<main id="screen" class=${`screen screen-${screen}${connection.value.lost.length ? ' stale' : ''}`} tabindex="-1"><${View} key=${screen} /></main>`;
}

export function Frame() {
  const above = page.value !== null;
  useEffect(loadRest, []);
  const covered = above || overlay.value !== null || sheet.value !== null;
  return html`<div class="app" inert=${covered}>
      <a class="skip" href="#screen">Skip to the screen</a>
      <${Banner} /><${Nav} /><${Screen} /><${Footer} onHelp=${() => { overlay.value = 'help'; }} />
    </div><${Spoken} /><div inert=${above}><${SheetLayer} /><${Overlays} /></div><${SessionLayer} /><${Toasts} />`;
}
