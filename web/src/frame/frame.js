import { connection } from '../app.js';
import { Icon } from '../design/icons.js';
import { Toasts } from '../design/parts.js';
import { ActionSheet } from '../design/sheet.js';
import { Audit } from '../screens/audit.js';
import { Connections } from '../screens/connections.js';
import { Drills } from '../screens/drills.js';
import { Incidents } from '../screens/incidents.js';
import { Keys } from '../screens/keys.js';
import { Market } from '../screens/market.js';
import { Overview } from '../screens/overview.js';
import { Settings } from '../screens/settings.js';
import { route, SCREENS } from '../router.js';
import { html, useEffect } from '../ui.js';
import { Banner, Footer } from './banner.js';
import { overlay } from './keys.js';
import { Overlays } from './overlays.js';

const VIEWS = { overview: Overview, market: Market, connections: Connections, keys: Keys, incidents: Incidents, audit: Audit, drills: Drills, settings: Settings };

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
  const covered = overlay.value !== null;
  return html`<div class="app" inert=${covered}>
      <a class="skip" href="#screen">Skip to the screen</a>
      <${Banner} /><${Nav} /><${Screen} /><${Footer} onHelp=${() => { overlay.value = 'help'; }} />
    </div><${ActionSheet} /><${Overlays} /><${Toasts} />`;
}
