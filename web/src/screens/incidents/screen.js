// Incidents: what is wrong, since when, what may I do, did it work. The list, one incident, the playbooks and the components.
import './style.js';
import { closeSheet } from '../../acting/acting.js';
import { severityOf, startIncidents, useOpen } from '../../data/incidents.js';
import { toast } from '../../design/parts.js';
import { route } from '../../router.js';
import { html, useEffect } from '../../ui.js';
import { Components } from '../components.js';
import { Detail } from './detail.js';
import { List } from './list.js';
import { Playbooks } from './books.js';

startIncidents((i) => toast(`${i.id}, ${i.severity}: ${i.title}`, severityOf(i.severity).kind));

const TABS = [['', 'Incidents'], ['components', 'Components and signals'], ['playbooks', 'Playbooks']];

function Tabs({ part }) {
  const open = useOpen();
  return html`<nav class="tabs" aria-label="Incidents"><ul>${TABS.map(([id, name]) => html`<li><a href=${id ? `/incidents/${id}` : '/incidents'} aria-current=${id === part ? 'page' : undefined}>${name}${!id && open?.length ? html` <b class="count">${open.length}</b>` : ''}</a></li>`)}</ul></nav>`;
}

export function Screen() {
  const { part } = route.value;
  useEffect(() => closeSheet, [part]);
  if (part && !TABS.some(([id]) => id === part)) return html`<${Detail} key=${part} id=${part} />`;
  const View = { '': List, components: Components, playbooks: Playbooks }[part];
  return html`<div class="title"><h1>Incidents</h1></div><${Tabs} part=${part} /><${View} />`;
}
