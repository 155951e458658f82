// Pages: where they go, what waits, what could not be delivered; a test, and trying again.
import { ActButton, openSheet } from '../../acting/acting.js';
import { call, resource, useResource } from '../../data/api.js';
import { onEvent } from '../../data/events.js';
import { age, whole } from '../../data/format.js';
import { Chip, Facts, Panel, State, toast } from '../../design/parts.js';
import { DataTable } from '../../design/table.js';
import { html, useEffect } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { sortOf } from '../listing.js';

const PATH = '/v1/paging';
const reload = () => resource(PATH).load();

async function again(id) {
  const answer = await call('POST', `${PATH}/dead/${encodeURIComponent(id)}/retry`, { body: {} });
  if (answer.status >= 200 && answer.status < 300) toast('it is tried again', 'ok');
  else toast(`not tried again: ${answer.problem?.title ?? 'no answer'}`, 'bad');
  reload();
}

const testSheet = (to) => openSheet({ title: 'Send a test page', direction: 'NEUTRAL', verb: 'Send it', read: null, note: `It goes to ${to ?? 'the receiver'} and says that it is a test.`,
  call: { method: 'POST', path: `${PATH}/test`, dryRun: false, bare: true, body: {} }, portctl: () => 'portctl request POST /v1/paging/test --body -', done: reload });

const columns = [{ id: 'incident', name: 'Incident', cell: (d) => (d.incident ? html`<a href=${`/incidents/${d.incident}`}>${d.incident}</a>` : '–') }, { id: 'kind', name: 'What' }, { id: 'tries', name: 'Tries', num: true }, { id: 'last_error', name: 'Because' },
  { id: 'at', name: 'At (UTC)', cell: (d) => d.at?.slice(0, 19).replace('T', ' ') }, { id: 'act', name: 'Again', fixed: true, text: () => '', cell: (d) => html`<${ActButton} permission="incidents.act" small label=${`Try the page of ${d.incident ?? d.id} again`} open=${() => again(d.id)}>Try again<//>` }];

export function Paging() {
  const state = useResource(PATH, { every: 5000 });
  useEffect(() => onEvent('page', reload), []);
  if (state.phase !== 'ok') return html`<${Panel} title="Paging" at=${state.at}><${Missing} state=${state} path=${PATH} of="Where pages go, what waits and what could not be delivered" permission="incidents.read" /><//>`;
  const p = state.data;
  return html`<div class="columns two"><${Panel} title="Paging" at=${state.at} aside=${html`<${ActButton} permission="incidents.act" open=${() => testSheet(p.receiver)}>Test…<//>`}>
      <p class="verdict"><${Chip} kind=${p.enabled ? 'ok' : 'warn'}>${p.enabled ? 'on' : 'off: nobody is paged'}<//></p>
      <${Facts} rows=${[['Goes to', p.receiver ?? 'nowhere'], ['As', p.format ?? '–'], ['From', `${p.min_severity ?? '–'} on`], ['Waiting', html`<${Chip} kind=${p.queue > 0 ? 'warn' : 'ok'} bare>${whole(p.queue ?? 0)}<//>`], ['The oldest waits for', p.oldest_age_s ? age(p.oldest_age_s * 1000) : '–']]} /><//>
    <${Panel} title="Not delivered" flush><${DataTable} label="Pages not delivered" primary columns=${columns} rows=${p.dead ?? []} keyOf=${(d) => d.id} ...${sortOf('', { id: 'at', direction: 'desc' })} empty=${html`<${State} icon="ok" kind="ok" title="Every page was delivered" />`} /><//></div>`;
}
