// One key: what it may, from where, until when, what it was used for last; and what may be done about it.
import { ActButton } from '../../acting/acting.js';
import { useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { age, localTime, whole } from '../../data/format.js';
import { Chip, CopyButton, Facts, Panel } from '../../design/parts.js';
import { navigate, route } from '../../router.js';
import { html } from '../../ui.js';
import { Missing } from '../desk/who.js';
import { CLASSES, disableSheet, flagSheet, limitsSheet, pauseSheet, revokeSheet, rotateSheet, SCOPES } from './sheets.js';

export const STATES = { active: ['ok', 'ok'], revoked: ['bad', 'bad'], disabled: ['warn', 'warn'], expired: ['off', 'wait'], pending: ['info', 'wait'] };
export const stateChip = (state, bare) => html`<${Chip} kind=${STATES[state]?.[0] ?? 'off'} icon=${STATES[state]?.[1]} bare=${bare}>${state}<//>`;
export const at = (time) => (time ? html`<span title=${localTime(Date.parse(time))}>${time.slice(0, 19).replace('T', ' ')}</span>` : '–');

// "in 12 d", "3 h ago"
export function away(time) {
  if (!time) return 'never';
  const left = Date.parse(time) - now.value;
  return left > 0 ? `in ${age(left)}` : `${age(-left)} ago`;
}

function Use({ id }) {
  const state = useResource(`/v1/keys/${id}/usage`, { every: 5000 });
  if (state.phase !== 'ok') return html`<p class="muted">${state.phase === 'loading' ? 'reading…' : `not known: ${state.problem?.title ?? state.phase}`}</p>`;
  const { usage } = state.data;
  if (!usage) return html`<p class="muted">It was never used.</p>`;
  return html`<${Last} usage=${usage} />
    ${usage.seen.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Networks and routes"><table class="diff small"><caption class="sr">From where and for what</caption><thead><tr><th scope="col">Network</th><th scope="col">For</th><th scope="col">First</th><th scope="col">Last</th><th scope="col">Times</th></tr></thead>
      <tbody>${usage.seen.map((s) => html`<tr><th scope="row"><code>${s.network}</code></th><td><code>${s.method} ${s.route}</code></td><td>${at(s.first_seen_at)}</td><td>${at(s.last_seen_at)}</td><td>${whole(s.count)}</td></tr>`)}</tbody></table></div>`}
    ${usage.refusals.length > 0 && html`<h3>Refused to it</h3><div class="scroll" tabindex="0" role="region" aria-label="Refusals"><table class="diff small"><caption class="sr">What it was refused</caption><thead><tr><th scope="col">Because</th><th scope="col">Times</th><th scope="col">First</th><th scope="col">Last</th><th scope="col">Last from</th></tr></thead>
      <tbody>${usage.refusals.map((r) => html`<tr><th scope="row">${CAUSES[r.cause] ?? r.cause}</th><td>${whole(r.count)}</td><td>${at(r.first_at)}</td><td>${at(r.last_at)}</td><td><code>${r.last_network}</code></td></tr>`)}</tbody></table></div>`}`;
}

const CAUSES = { rate_limited: 'above its rate', replay: 'the nonce was used before', forbidden_scope: 'it has not got the scope', wrong_network: 'signed well, from where it may not be used' };

function Last({ usage }) {
  return html`<${Facts} rows=${[['Last used', usage.last_used_at ? html`${at(usage.last_used_at)} <span class="muted">${away(usage.last_used_at)}</span>` : 'never'], ['From', usage.last_ip ?? '–'], usage.seen.length === 0 && ['For', html`<code>${usage.last_route ?? '–'}</code>`], ['Uses counted', whole(usage.use_count)]]} />`;
}

export function Detail({ id }) {
  const path = `/v1/keys/${encodeURIComponent(id)}`;
  const state = useResource(path, { every: 5000 });
  const scopes = useResource(SCOPES).data?.scopes;
  const { query } = route.value;
  const close = html`<button type="button" class="btn quiet" aria-label="Close the key" onClick=${() => navigate({ screen: 'keys', query })}>Close</button>`;
  const key = state.data?.key;
  if (!key) return html`<${Panel} title=${id} aside=${close}><${Missing} state=${state} path=${path} of="A key" permission="keys.read" /><//>`;
  const over = key.state === 'revoked' || key.state === 'expired';
  return html`<${Panel} title=${key.label || key.id} at=${state.at} aside=${close} className="record">
    <p class="headline">${stateChip(key.state)} ${key.flagged && html`<${Chip} kind="warn" icon="warn">flagged<//> `}<code>${key.id}</code><${CopyButton} what="id" text=${key.id} /></p>
    ${key.revoke_reason && html`<p class="prose">${key.revoke_reason}</p>`}
    <div class="row-acts"><${ActButton} permission="keys.write" open=${() => rotateSheet(key)}>Rotate…<//><${ActButton} permission="keys.write" open=${() => limitsSheet(key)}>Rate class…<//><${ActButton} permission="keys.write" open=${() => flagSheet(key)}>${key.flagged ? 'Unflag…' : 'Flag…'}<//>
      <${ActButton} permission="control.tighten" danger open=${() => pauseSheet(key.account)}>Pause account…<//>${key.state === 'disabled' ? html`<${ActButton} permission="control.loosen" open=${() => disableSheet(key.account, false)}>Enable account…<//>` : html`<${ActButton} permission="control.tighten" danger open=${() => disableSheet(key.account, true)}>Disable account…<//>`}${!over && html`<${ActButton} permission="keys.revoke" danger open=${() => revokeSheet(key)}>Revoke…<//>`}</div>
    <h3>What it may</h3>
    <table class="diff"><caption class="sr">Scopes</caption><tbody>${key.scopes.map((s) => html`<tr><th scope="row"><code>${s}</code></th><td>${scopes?.find((x) => x.scope === s)?.what ?? ''}</td></tr>`)}</tbody></table>
    <h3>Whose, and within what</h3>
    <${Facts} rows=${[['Account', html`<a href=${`/keys?account=${encodeURIComponent(key.account)}`}>${key.account}</a>`], ['Owner', key.owner ?? 'nobody'], ['Algorithm', key.algorithm], ['Rate class', `${key.rate_class}: ${CLASSES[key.rate_class] ?? ''}`],
      ['Networks', key.ip_allow.length ? html`<span class="pills">${key.ip_allow.map((n) => html`<span class="pill">${n}</span>`)}</span>` : html`<${Chip} kind="warn" bare>${key.admin_from_anywhere ? 'any: a key that administers should have some' : 'any'}<//>`],
      ['Begins', at(key.not_before)], ['Ends', key.not_after ? html`${at(key.not_after)} <span class="muted">${away(key.not_after)}</span>` : html`<${Chip} kind="warn" bare>never<//>`],
      key.revoked_at && ['Revoked', at(key.revoked_at)], ['Issued', html`${at(key.created_at)} by ${key.created_by}`], key.rotated_from && ['Successor of', html`<a href=${`/keys/${key.rotated_from}`}>${key.rotated_from}</a>`]]} />
    <h3>Use</h3><${Use} id=${key.id} />
    <p class="foot-links"><a href=${`/audit?q=${key.id}`}>In the audit log</a><a href=${`/connections?key=${key.id}`}>Its connections</a></p>
  <//>`;
}
