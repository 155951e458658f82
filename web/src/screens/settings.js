// This browser, the person at it, who may act and who has, what the gateway is made of.
import { route } from '../router.js';
import { html } from '../ui.js';
import { Title } from './listing.js';
import { Approvals } from './settings/approvals.js';
import { About, Browser } from './settings/browser.js';
import { Circuits } from './settings/circuits.js';
import { Me } from './settings/me.js';
import { Paging } from './settings/paging.js';
import { People, Review, Sessions } from './settings/people.js';

const PARTS = [['', 'This browser', Browser], ['me', 'You', Me], ['people', 'People', People], ['sessions', 'Sessions', Sessions], ['approvals', 'Approvals', Approvals], ['access', 'Access review', Review],
  ['paging', 'Paging', Paging], ['circuits', 'Circuits', Circuits], ['about', 'About', About]];

export function Settings() {
  const { part } = route.value;
  const [, , View] = PARTS.find(([id]) => id === part) ?? PARTS[0];
  return html`<${Title}>Settings<//><nav class="tabs" aria-label="Settings"><ul>${PARTS.map(([id, name]) => html`<li><a href=${id ? `/settings/${id}` : '/settings'} aria-current=${id === part ? 'page' : undefined}>${name}</a></li>`)}</ul></nav><${View} key=${part} />`;
}
