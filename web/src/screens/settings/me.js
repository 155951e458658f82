// The person at this browser: what she may, until when; her password, second factor and roles she may take up.
import { now } from '../../data/beat.js';
import { lasting, localTime } from '../../data/format.js';
import { useResource } from '../../data/api.js';
import { Chip, Facts, Panel, State } from '../../design/parts.js';
import { ending, logOut, page, phase, session, signIn } from '../../session/session.js';
import { html } from '../../ui.js';
import { ROLES } from './people_sheets.js';

const stamp = (time) => (time ? html`<span title=${localTime(Date.parse(time))}>${time.slice(0, 19).replace('T', ' ')}</span>` : '–');
const go = (kind) => () => { page.value = { kind }; };

// Of herself, where her roles show it.
function Granted({ name, shown }) {
  const { data } = useResource('/v1/users', {});
  const mine = shown && data?.users?.find((u) => u.name === name);
  const eligible = mine?.roles.filter((r) => r.kind === 'eligible') ?? [];
  return eligible.length > 0 ? html`<p>You may take up: ${eligible.map((r) => html`<span class="pill elig">${r.role}</span> `)}</p>` : null;
}

export function Me() {
  const s = session.value;
  if (!s) {
    const none = phase.value === 'absent';
    return html`<${Panel} title="You"><${State} icon="lock" title=${none ? 'This gateway keeps no people' : 'You are not signed in'} action=${!none && html`<button type="button" class="btn main" onClick=${signIn}>Sign in</button>`}>
      ${none ? html`<code>auth.database</code> is not set: programs sign with keys, people cannot sign in.` : 'Market data and what the gateway measures of itself need no sign-in.'}<//><//>`;
  }
  const end = ending.value;
  const fresh = s.factor_fresh_until ? Date.parse(s.factor_fresh_until) - now.value : 0;
  return html`<div class="columns two"><${Panel} title=${s.label || s.user} className="detail">
      <p class="headline"><b>${s.user}</b> <span class="pills">${s.roles.map((r) => html`<span class="pill" title=${ROLES[r]}>${r}</span>`)}</span></p>
      ${s.must_enrol && html`<p><${Chip} kind="warn">you have no second factor yet<//></p>`}
      <${Granted} name=${s.user} shown=${s.permissions.includes('people.read')} />
      <${Facts} rows=${[['Second factor', fresh > 0 ? html`<${Chip} kind="ok" bare>fresh for ${lasting(fresh)}<//>` : html`<${Chip} kind="off" bare icon="wait">asked for when it is needed<//>`], s.elevated_until && ['Taken up until', stamp(s.elevated_until)], ['Signed in', stamp(s.created_at)],
        end && ['Ends', html`in ${lasting(Math.max(0, end.left))}${end.why === 'idle' ? ' without you' : ''}`], ['At the latest', stamp(s.ends_at)], ['Session', html`<code>${s.session}</code>`]]} />
      <div class="row-acts"><button type="button" class="btn" onClick=${go('factor')}>Renew the second factor</button><button type="button" class="btn" onClick=${go('elevate')}>Take up a role…</button><button type="button" class="btn" onClick=${go('password')}>Change the password…</button><button type="button" class="btn" onClick=${go('enrol')}>Another authenticator…</button><button type="button" class="btn danger" onClick=${logOut}>Sign out</button></div>
      <p class="foot-links"><a href=${`/audit?actor=${encodeURIComponent(`user:${s.user}`)}`}>What you did</a></p><//>
    <${Panel} title="What you may"><p class="pills">${s.permissions.map((p) => html`<span class="pill"><code>${p}</code></span>`)}</p><p class="muted note">Tightening takes one person and no code. Loosening, approving, keys and roles ask for a second factor of the last five minutes.</p><//></div>`;
}
