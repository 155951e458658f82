// The acts operators know, each as what its sheet needs. Paths and words of OPERATIONS: what the gateway does not offer
// yet cannot be confirmed, the sheet says so.
import { Chip } from '../design/parts.js';
import { html } from '../ui.js';

const json = (value) => JSON.stringify(value).replace(/'/g, "'\\''");
const curl = (method, path, body) => `curl -X ${method} "$ADMIN_URL${path}" \\\n  -H 'Content-Type: application/json' -d '${json(body)}'`;
const counted = (d) => [['Clients', d.blast_radius?.clients ?? 'not counted'], ['Subscriptions', d.blast_radius?.subscriptions ?? 'not counted'], ['Keys', d.blast_radius?.keys ?? 'not counted']];

export function killSheet() {
  const body = ({ reason, ticket }) => ({ engaged: true, scope: 'global', reason, ticket });
  return {
    title: 'Engage the kill switch', verb: 'Engage', path: '/v1/kill-switch', word: 'KILL', tightens: true, body, radius: counted, of: 'The kill switch',
    before: (d) => html`<${Chip} kind=${d.engaged ? 'bad' : 'ok'}>${d.engaged ? 'engaged' : 'off: orders accepted'}<//>`,
    after: html`<${Chip} kind="bad">engaged: no orders accepted anywhere<//>`,
    command: (values) => curl('PUT', '/v1/kill-switch', body(values)),
  };
}

export function modeSheet(symbol, mode = 'CANCEL_ONLY') {
  const all = symbol === 'ALL';
  const path = all ? '/v1/symbols:set-mode' : `/v1/symbols/${encodeURIComponent(symbol)}/mode`;
  const body = ({ reason, ticket }) => ({ ...(all ? { scope: 'all' } : {}), mode, reason, ticket });
  return {
    title: all ? `Set every symbol to ${mode}` : `Set ${symbol} to ${mode}`, verb: `Set ${mode}`, method: all ? 'POST' : 'PUT', path, read: all ? '/v1/symbols' : path,
    word: all ? 'ALL' : symbol, tightens: mode !== 'NORMAL', body, radius: counted, of: 'Setting modes',
    before: (d) => html`<${Chip} kind="info">${d.mode ?? 'see the list of symbols'}<//>`, after: html`<${Chip} kind=${mode === 'NORMAL' ? 'ok' : 'warn'}>${mode}<//>`,
    command: (values) => curl(all ? 'POST' : 'PUT', path, body(values)),
  };
}

export function fanoutSheet(profile = 'degraded') {
  const body = ({ reason, ticket }) => ({ profile, expires_in_s: 900, reason, ticket });
  return {
    title: `Fan-out profile: ${profile}`, verb: 'Apply', path: '/v1/fanout/profile', word: profile.toUpperCase(), tightens: profile !== 'normal', body, radius: counted, of: 'The fan-out profile',
    before: (d) => html`<${Chip} kind="info">${d.profile}<//>`, after: html`<${Chip} kind="warn">${profile}, reverts by itself after 15 min<//>`,
    command: (values) => curl('PUT', '/v1/fanout/profile', body(values)),
  };
}
