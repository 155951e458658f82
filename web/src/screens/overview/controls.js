// The three axes an operator can stop: orders, the kill switch, withdrawals. Each card says how it is, since when, by whom
// and why, and has its acts; nothing of it is shown before the gateway has said so.
import { ActButton, openSheet } from '../../acting/acting.js';
import { cancelAllSheet, killSheet, modeSheet, releaseSheet, withdrawalsSheet } from '../../acting/acts.js';
import { MODE_KIND, MODE_MEANS, valueWords } from '../../acting/words.js';
import { instruments, utc } from '../../app.js';
import { now } from '../../data/beat.js';
import { cellOf, cellsOfKind } from '../../data/control.js';
import { age, lasting, time, whole } from '../../data/format.js';
import { Chip, Facts, NotThere } from '../../design/parts.js';
import { html } from '../../ui.js';

const who = (actor) => (actor ? actor.replace(/^(user|account|key):/, '') : null);

// Since, by whom, why, until: what is known of a cell that holds something back.
export function Why({ cell }) {
  if (!cell?.since) return null;
  const due = cell.until && Date.parse(cell.until) < utc();
  return html`<${Facts} rows=${[
    ['Since', html`${time(Date.parse(cell.since))} UTC <span class="muted">${age(Math.max(0, utc() - Date.parse(cell.since)))}</span>`],
    ['By', html`${who(cell.by)}${cell.approved_by ? html` <span class="muted">and ${who(cell.approved_by)}</span>` : ''}`],
    ['Reason', html`<span class="clip" title=${cell.reason}>${cell.reason}</span>`], cell.ticket && ['Ticket', cell.ticket],
    cell.until && ['Decide by', html`<span class=${due ? 'warn-text' : ''}>${time(Date.parse(cell.until))} UTC${due ? ', decision due' : `, in ${lasting(Date.parse(cell.until) - now.value)}`}</span>`],
  ]} />`;
}

function Card({ title, kind, state, means, children, acts }) {
  return html`<section class=${`panel control-card k-${kind}`}>
    <header><h2>${title}</h2><${Chip} kind=${kind}><b>${state}</b><//></header>
    <div class="body">${means && html`<p class="muted means-line">${means}</p>`}${children}</div>
    <footer>${acts}</footer></section>`;
}

function Orders({ c }) {
  const { accepting_orders, system_mode, kill_switch } = c.stats;
  const all = cellOf(c, 'mode', '*');
  const counts = ['CANCEL_ONLY', 'SOFT_HALT', 'HARD_HALT'].map((m) => [m, [...c.held.values()].filter((r) => r.effective_mode === m).length]).filter(([, n]) => n);
  const kind = accepting_orders ? (counts.length ? 'warn' : 'ok') : 'bad';
  const acts = html`<${ActButton} permission="control.tighten" danger open=${() => openSheet(modeSheet('*'))}>Mode of all…<//>
    <${ActButton} permission="control.tighten" open=${() => openSheet(cancelAllSheet('*'))}>Cancel orders…<//>`;
  return html`<${Card} title="Orders" kind=${kind} state=${accepting_orders ? 'ACCEPTED' : 'REFUSED'} acts=${acts}
    means=${accepting_orders ? (counts.length ? null : `every symbol: ${MODE_MEANS.NORMAL}`) : kill_switch ? 'the kill switch holds every symbol at CANCEL_ONLY or tighter' : `${system_mode}: ${MODE_MEANS[system_mode]}`}>
    ${all && all.value.mode !== 'NORMAL' && html`<${Why} cell=${all} />`}
    ${counts.length > 0 && html`<ul class="counts">${counts.map(([m, n]) => html`<li><a href=${`/overview?mode=${m}`}><b class=${`k-${MODE_KIND[m]}`}>${whole(n)}</b> ${m}</a></li>`)}<li><b>${whole(instruments.pairs.value.size - c.held.size)}</b> NORMAL</li></ul>`}<//>`;
}

// How far a release has come: which symbols, for how many of a hundred keys.
function Stage({ value, since }) {
  const { released_symbols: symbols = [], released_percent: percent } = value;
  if (!symbols.length && !percent) return html`<p class="muted means-line">nothing is released yet</p>`;
  const total = Math.max(1, instruments.pairs.value.size);
  const n = symbols[0] === '*' || !symbols.length ? total : symbols.length;
  return html`<div class="stage"><div class="stage-line"><span>Symbols</span><b>${symbols[0] === '*' || !symbols.length ? 'all' : symbols.slice(0, 3).join(', ') + (symbols.length > 3 ? ` +${symbols.length - 3}` : '')}</b></div>
    <meter min="0" max=${total} value=${n} aria-label="Symbols released">${n} of ${total}</meter>
    <div class="stage-line"><span>Keys</span><b>${percent || 100} %</b></div><meter min="0" max="100" value=${percent || 100} aria-label="Percent of keys released">${percent || 100} %</meter>
    <p class="muted means-line">this stage holds for ${lasting(utc() - Date.parse(since))}</p></div>`;
}

function Kill({ c }) {
  const cell = cellOf(c, 'kill', 'global');
  const others = cellsOfKind(c, 'kill').filter((x) => x.target !== 'global' && x.value.engaged);
  const on = c.stats.kill_switch;
  const released = on && (cell?.value.released_symbols?.length || cell?.value.released_percent);
  const acts = on ? html`<${ActButton} permission="control.loosen" open=${() => openSheet(releaseSheet())}>${released ? 'Next stage…' : 'Release in stages…'}<//>` : html`<${ActButton} permission="control.tighten" danger open=${() => openSheet(killSheet())}>Engage…<//>`;
  return html`<${Card} title="Kill switch" kind=${on ? (released ? 'warn' : 'bad') : others.length ? 'warn' : 'ok'} state=${on ? (released ? 'RELEASING' : 'ENGAGED') : 'OFF'} acts=${acts}
    means=${on ? null : 'orders are taken as the modes say'}>
    ${on && cell && html`<${Stage} value=${cell.value} since=${cell.since} /><${Why} cell=${cell} />`}
    ${others.map((x) => html`<p><${Chip} kind="bad">${x.target}: ${valueWords('kill', x.value)[1]}<//></p><${Why} cell=${x} />`)}<//>`;
}

function Withdrawals({ c }) {
  const halted = cellsOfKind(c, 'withdrawals').filter((x) => x.value.halted);
  const all = halted.find((x) => x.target === '*');
  const assets = halted.filter((x) => x.target !== '*');
  const acts = html`<${ActButton} permission="control.tighten" danger open=${() => openSheet(withdrawalsSheet(true))}>Halt…<//>
    ${all && html`<${ActButton} permission="control.loosen" open=${() => openSheet(withdrawalsSheet(false, '*'))}>Resume all…<//>`}`;
  return html`<${Card} title="Withdrawals" kind=${all ? 'bad' : assets.length ? 'warn' : 'ok'} state=${all ? 'HALTED' : assets.length ? `${assets.length} HALTED` : 'OPEN'} acts=${acts} means=${halted.length ? null : 'of every asset'}>
    ${all && html`<${Why} cell=${all} />`}
    ${assets.length > 0 && html`<ul class="assets">${assets.map((x) => html`<li><b>${x.target}</b><span class="clip muted" title=${x.reason}>${time(Date.parse(x.since)).slice(0, 5)} ${who(x.by)}: ${x.reason}</span><${ActButton} permission="control.loosen" small label=${`Resume ${x.target}`} open=${() => openSheet(withdrawalsSheet(false, x.target))}>Resume…<//></li>`)}</ul>`}<//>`;
}

export function Controls({ c }) {
  // what was before the connection was lost stays, greyed out; anything else that is not an answer is not shown as one
  if (!c.stats || (c.phase !== 'ok' && c.phase !== 'lost')) return html`<section class="panel"><${NotThere} state=${c} path="/v1/stats" of="Orders, kill switch and withdrawals" /></section>`;
  return html`<${Orders} c=${c} /><${Kill} c=${c} /><${Withdrawals} c=${c} />`;
}
