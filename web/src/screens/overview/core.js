// What the exchange core was asked to do and what it says it did: never "done" before the core says so.
import { ActButton, openSheet } from '../../acting/acting.js';
import { useCommands } from '../../data/control.js';
import { now } from '../../data/beat.js';
import { age, lasting, whole } from '../../data/format.js';
import { Chip, Panel, word } from '../../design/parts.js';
import { html } from '../../ui.js';

const STATES = { requested: ['info', 'requested'], accepted: ['info', 'accepted'], done: ['ok', 'done'], failed: ['bad', 'failed'], timed_out: ['warn', 'timed out'], cancelled: ['off', 'given up'] };
const SETTLED = ['done', 'failed', 'cancelled'];
const SHOWN = 8;

function giveUp(command) {
  return { title: `Give the command up`, direction: 'NEUTRAL', typed: command.target === '*' ? 'ALL' : command.target ?? 'CANCEL', verb: 'Give it up', read: null,
    before: `${command.kind} ${command.target ?? ''}: ${command.state}`, after: 'given up, once the core agrees', radius: [['Commands', '1']],
    call: { method: 'POST', path: `/v1/commands/${command.id}/cancel`, dryRun: false, confirm: true }, portctl: `portctl command cancel ${command.id}` };
}

export function Core() {
  const { phase, core, commands } = useCommands();
  if (phase !== 'ok' || commands.length === 0) return null;
  const silent = core && (!core.linked || core.silent_s > 30);
  const heard = core && (core.linked ? `not heard for ${lasting(core.silent_s * 1000)}` : 'Redis is away');
  return html`<${Panel} title="Asked of the core" flush aside=${core && html`<${Chip} kind=${silent ? 'warn' : 'off'} icon=${silent ? 'warn' : 'wait'}>the core: ${heard}<//>`}>
    <div class="scroll" tabindex="0" role="region" aria-label="Commands to the core"><table class="grid"><caption class="sr">Commands to the core</caption>
    <thead><tr><th scope="col">Command</th><th scope="col">Target</th><th scope="col">State</th><th scope="col" class="num">Orders</th><th scope="col">Asked</th><th scope="col">By</th><th scope="col">The core says</th><th scope="col"><span class="sr">Act</span></th></tr></thead>
    <tbody>${commands.slice(0, SHOWN).map((c) => {
      const [kind, words] = STATES[c.state] ?? ['off', c.state];
      return html`<tr key=${c.id}><th scope="row">${c.kind.replace('_', ' ')}</th><td>${c.target === '*' ? 'all symbols' : c.target}</td><td>${word(kind, words)}${c.late ? ' (late)' : ''}${c.sent ? '' : ' (not sent yet)'}</td><td class="num">${c.count === null ? '–' : whole(c.count)}</td>
        <td>${age(Math.max(0, now.value - Date.parse(c.asked_at)))} ago</td><td>${(c.by ?? '').replace(/^(user|key):/, '')}</td><td>${c.detail ?? '–'}</td>
        <td class="num">${!SETTLED.includes(c.state) && html`<${ActButton} permission="control.tighten" small open=${() => openSheet(giveUp(c))}>Give up…<//>`}</td></tr>`;
    })}</tbody></table></div><//>`;
}
