// What may be done to a key: issue, rotate, revoke, another rate class. A pair of Ed25519 is made in this browser when it
// can: only its public half is sent.
import { call, resource } from '../../data/api.js';
import { accessSheet, accountSheet } from '../actions.js';
import { openSheet, shell } from '../../acting/acting.js';
import { Icon } from '../../design/icons.js';
import { Chip, Pick } from '../../design/parts.js';
import { me } from '../../session/session.js';
import { html } from '../../ui.js';
import { Once } from '../desk/once.js';

// What a key may be given, as this gateway has it: [{scope, what, administers}], none where it did not say.
export const SCOPES = '/v1/scopes';
const scopesOf = async () => (await call('GET', SCOPES)).json?.scopes ?? [];
const CLASSES = { default: 'each call costs one', low: 'each call costs four', minimal: 'each call costs ten' };
const ALGORITHMS = [['ed25519', 'Ed25519', 'the gateway keeps the public half alone'], ['hmac-sha256', 'HMAC-SHA256', 'a shared secret, sealed at the gateway'], ['hmac-sha512-kraken', 'Kraken', 'for ccxt and Kraken’s SDKs: WebSocket tokens only']];

const field = (label, control, note) => html`<label class="field"><span>${label}</span>${control}${note && html`<small>${note}</small>`}</label>`;
const group = (label, control) => html`<div class="field"><span>${label}</span>${control}</div>`;
const input = (o, set, name, props = {}) => html`<input class="input" name=${name} value=${o[name]} onInput=${(e) => set({ ...o, [name]: e.target.value })} autocomplete="off" autocapitalize="none" spellcheck="false" ...${props} />`;
const networks = (text) => text.split(/[\s,]+/).filter(Boolean);
const ends = (days) => new Date(Math.ceil((Date.now() + days * 86400000) / 60000) * 60000).toISOString().replace('.000Z', '.000000Z');

const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));

// {publicKey (base64), pem}; null where this browser has no Ed25519.
async function makePair() {
  try {
    const pair = await crypto.subtle.generateKey({ name: 'Ed25519' }, true, ['sign', 'verify']);
    const [raw, pkcs8] = await Promise.all([crypto.subtle.exportKey('raw', pair.publicKey), crypto.subtle.exportKey('pkcs8', pair.privateKey)]);
    return { publicKey: base64(raw), pem: `-----BEGIN PRIVATE KEY-----\n${base64(pkcs8).match(/.{1,64}/g).join('\n')}\n-----END PRIVATE KEY-----\n` };
  } catch {
    return null;
  }
}

const refresh = (path) => { for (const p of ['/v1/keys?limit=1000', path].filter(Boolean)) resource(p).load(); };

function Made({ json, pair, own }) {
  const secrets = json.secret ? [['Secret', json.secret, 'The program signs with it. Put it where that program reads its secrets.']]
    : pair && !own ? [['Private key', pair.pem, 'Made in this browser; the gateway has only the public half. Save it with mode 0600.']] : [];
  return html`<div class="said k-ok"><${Icon} name="ok" /><div><b>The key is issued.</b><p>Its id: <code>${json.key.id}</code>. Every gateway knows it within a second.</p>${json.old && html`<p>Its predecessor <code>${json.old.id}</code> is good until ${json.old.not_after?.slice(0, 19).replace('T', ' ') ?? 'it is revoked'} UTC.</p>`}</div></div>
    ${secrets.length > 0 && html`<${Once} secrets=${secrets}><p class="muted small">To sign with it: <code>ADMIN_KEY_ID=${json.key.id}</code> and <code>ADMIN_KEY_FILE</code>.</p><//>`}`;
}

// Of Ed25519: a pair of this browser, or a public key made elsewhere.
const publicField = (o, set, pair) => html`${pair && group('Key pair', html`<${Pick} label="Key pair" value=${o.own ? 'own' : 'here'} options=${[['here', 'Made here'], ['own', 'I have a public key']]} onPick=${(v) => set({ ...o, own: v === 'own' })} />`)}
  ${o.own && field('Public key, 32 bytes in base64', input(o, set, 'public_key', { placeholder: 'MCowBQ… without its envelope' }))}`;
const goodKey = (text) => /^[A-Za-z0-9+/]{43}=$/.test(text.trim());

export async function issueSheet(account = '') {
  const [pair, all] = await Promise.all([makePair(), scopesOf()]);
  const administers = (o) => all.filter((s) => s.administers && o.scopes.includes(s.scope)).map((s) => s.scope);
  openSheet({
    title: 'Issue a key', direction: 'GIVES', verb: 'Issue',
    options: { account, owner: me() ?? '', label: '', algorithm: 'ed25519', scopes: ['market'], ip: '', rate: 'default', days: '90', own: !pair, public_key: '' },
    fields: (o, set) => html`${field('Account it belongs to', input(o, set, 'account', { maxlength: 63, placeholder: 'mm1' }), 'Made when there is none.')}
      ${field('Label', input(o, set, 'label', { maxlength: 100, placeholder: 'feed of the market maker' }))}
      ${field('Owner, a user (empty: none)', input(o, set, 'owner', { maxlength: 32 }), 'What the key does counts as hers. A key that loosens, approves or changes users must have the one as owner who makes it.')}
      ${group('Algorithm', html`<${Pick} label="Algorithm" value=${o.algorithm} options=${ALGORITHMS} onPick=${(algorithm) => set({ ...o, algorithm })} />`)}
      ${o.algorithm === 'ed25519' && publicField(o, set, pair)}
      <fieldset class="field checks"><legend>Scopes</legend><div class="boxes">${all.length ? all.map(({ scope: s, what }) => html`<label class="check" title=${what}><input type="checkbox" checked=${o.scopes.includes(s)} onChange=${(e) => set({ ...o, scopes: e.target.checked ? [...o.scopes, s] : o.scopes.filter((x) => x !== s) })} />${s}</label>`) : html`<p class="muted">The gateway did not say which there are: close this and open it again.</p>`}</div></fieldset>
      ${administers(o).length ? field('Networks it may be used from', input(o, set, 'ip', { placeholder: '10.1.0.0/16, 192.0.2.7/32', required: true }),
        `Needed: ${administers(o).join(', ')} can administer. 0.0.0.0/0 is everywhere, and the access review marks it.`)
        : field('Networks it may be used from (empty: any)', input(o, set, 'ip', { placeholder: '10.0.0.0/8, 192.0.2.7/32' }))}
      ${group('Rate class', html`<${Pick} label="Rate class" value=${o.rate} options=${Object.entries(CLASSES).map(([c, what]) => [c, c, what])} onPick=${(rate) => set({ ...o, rate })} />`)}
      ${group('Ends after', html`<${Pick} label="Ends after" value=${o.days} options=${[['30', '30 days'], ['90', '90 days'], ['365', 'a year'], ['', 'never']]} onPick=${(days) => set({ ...o, days })} />`)}`,
    make: (o) => {
      const edwards = o.algorithm === 'ed25519';
      const nets = networks(o.ip);
      const scopes = all.filter((s) => o.scopes.includes(s.scope)).map((s) => s.scope);
      return {
        read: null, wrong: !/^[a-z0-9][a-z0-9_.-]{0,62}$/.test(o.account) || o.label.trim() === '' || scopes.length === 0 || (nets.length === 0 && administers(o).length > 0) || (edwards && o.own && !goodKey(o.public_key)),
        call: { method: 'POST', path: '/v1/keys', dryRun: false, body: { account: o.account, label: o.label.trim(), algorithm: o.algorithm, scopes, rate_class: o.rate, ...(o.owner.trim() ? { owner: o.owner.trim() } : {}),
          ...(nets.length ? { ip_allow: nets } : {}), ...(o.days ? { not_after: ends(Number(o.days)) } : {}), ...(edwards ? { public_key: o.own ? o.public_key.trim() : pair.publicKey } : {}) } },
        portctl: `portctl key new --account ${shell(o.account || 'ACCOUNT')} --label ${shell(o.label || 'LABEL')}${scopes.map((s) => ` --scope ${s}`).join('')}${nets.map((n) => ` --ip ${shell(n)}`).join('')}${edwards ? '' : ` --algorithm ${o.algorithm}`}${o.days ? ` --not-after ${o.days}d` : ''} --out key.pem`,
        result: ({ json }) => html`<${Made} json=${json} pair=${edwards ? pair : null} own=${o.own} />`, done: () => refresh(),
      };
    },
  });
}

export async function rotateSheet(key) {
  const edwards = key.algorithm === 'ed25519';
  const bare = key.ip_allow.length === 0 && key.admin_from_anywhere; // from before networks were required
  const pair = edwards ? await makePair() : null;
  openSheet({
    title: `Rotate ${key.id}`, direction: 'GIVES', verb: 'Rotate', options: { overlap: '86400', ip: '', own: edwards && !pair, public_key: '' },
    note: 'A successor with the same owner, scopes, networks and limits. Both are good during the overlap.',
    fields: (o, set) => html`${group('Both are good for', html`<${Pick} label="Both are good for" value=${o.overlap} options=${[['0', 'no overlap'], ['3600', '1 h'], ['86400', '1 day'], ['604800', '7 days']]} onPick=${(overlap) => set({ ...o, overlap })} />`)}${bare && field('Networks it may be used from', input(o, set, 'ip', { placeholder: '10.1.0.0/16, 192.0.2.7/32', required: true }), 'Needed: the key can administer and has none yet.')}${edwards && publicField(o, set, pair)}`,
    make: (o) => ({
      read: `/v1/keys/${key.id}`, typed: key.id, wrong: (bare && networks(o.ip).length === 0) || (edwards && o.own && !goodKey(o.public_key)),
      before: (d) => html`<${Chip} kind="info">${d.key.state}, ends ${d.key.not_after?.slice(0, 10) ?? 'never'}<//>`, after: html`<${Chip} kind="ok">a successor; the old one ends ${o.overlap === '0' ? 'at once' : 'after the overlap'}<//>`,
      call: { method: 'POST', path: `/v1/keys/${key.id}/rotate`, dryRun: false, confirm: true, body: { overlap_s: Number(o.overlap), ...(bare ? { ip_allow: networks(o.ip) } : {}), ...(edwards ? { public_key: o.own ? o.public_key.trim() : pair.publicKey } : {}) } },
      portctl: `portctl key rotate ${key.id} --overlap ${o.overlap}s${bare ? networks(o.ip).map((n) => ` --ip ${shell(n)}`).join('') : ''} --out key-2.pem`, result: ({ json }) => html`<${Made} json=${json} pair=${pair} own=${o.own} />`, done: () => refresh(`/v1/keys/${key.id}`),
    }),
  });
}

// Whom it reaches is counted before the sheet opens.
export async function revokeSheet(key) {
  const answer = await call('GET', `/v1/connections?key=${encodeURIComponent(key.id)}&limit=1`);
  openSheet({
    title: `Revoke ${key.id}`, direction: 'TIGHTEN', typed: key.id, verb: 'Revoke', note: 'For good: a revoked key cannot be used again. Its WebSocket connections are closed with 4003 on every gateway.',
    read: `/v1/keys/${key.id}`, before: (d) => html`<${Chip} kind=${d.key.state === 'active' ? 'ok' : 'off'}>${d.key.state}<//>`, after: html`<${Chip} kind="bad">revoked<//>`,
    radius: [['Keys', '1'], ['Account', key.account], ['Its connections on this gateway', answer.status === 200 ? String(answer.json.matched) : 'not counted'], ['Scopes', String(key.scopes.length)]],
    call: { method: 'POST', path: `/v1/keys/${key.id}/revoke`, dryRun: false, confirm: true }, portctl: `portctl key revoke ${key.id}`, done: () => refresh(`/v1/keys/${key.id}`),
    result: () => html`<div class="said k-ok"><${Icon} name="ok" /><div><b>Revoked.</b><p>Every gateway knows it within a second.</p></div></div>`,
  });
}

export function limitsSheet(key) {
  openSheet({
    title: `Rate class of ${key.id}`, direction: 'NEUTRAL', verb: 'Set', options: { rate: key.rate_class },
    fields: (o, set) => group('Rate class', html`<${Pick} label="Rate class" value=${o.rate} options=${Object.entries(CLASSES).map(([c, what]) => [c, c, what])} onPick=${(rate) => set({ ...o, rate })} />`),
    make: ({ rate }) => ({
      read: `/v1/keys/${key.id}`, before: (d) => html`<${Chip} kind="info">${d.key.rate_class}<//>`, after: html`<${Chip} kind="info">${rate}: ${CLASSES[rate]}<//>`, wrong: rate === key.rate_class,
      call: { method: 'PUT', path: `/v1/keys/${key.id}/limits`, ifMatch: '*', dryRun: false, body: { rate_class: rate } }, portctl: `portctl key limits ${key.id} --rate-class ${rate}`, done: () => refresh(`/v1/keys/${key.id}`),
    }),
  });
}

export function flagSheet(key) {
  const to = !key.flagged;
  const chip = (on) => html`<${Chip} kind=${on ? 'warn' : 'off'}>${on ? 'flagged' : 'not flagged'}<//>`;
  openSheet({
    title: `${to ? 'Flag' : 'Unflag'} ${key.id}`, direction: 'NEUTRAL', verb: to ? 'Flag' : 'Unflag', note: to ? 'It goes on working. Each network it was never seen from opens an incident.' : undefined,
    read: `/v1/keys/${key.id}`, before: (d) => chip(d.key.flagged), after: chip(to),
    call: { method: 'PUT', path: `/v1/keys/${key.id}/flag`, ifMatch: '*', dryRun: false, body: { flagged: to } }, portctl: `portctl key ${to ? 'flag' : 'unflag'} ${key.id}`, done: () => refresh(`/v1/keys/${key.id}`),
  });
}

export const pauseSheet = (account) => openSheet(accountSheet(account, true));
export const disableSheet = (account, disabled) => openSheet(accessSheet(account, disabled));
export { CLASSES };
