// This browser's choices, what the gateway and this page are made of.
import { about, clockOffset, restBase, stream } from '../../app.js';
import { useResource } from '../../data/api.js';
import { date, whole } from '../../data/format.js';
import { depth, interval, theme, THEMES } from '../../data/settings.js';
import { Chip, Facts, Panel, Pick } from '../../design/parts.js';
import { html } from '../../ui.js';

const THEME_NAMES = { system: 'As the system', dark: 'Dark', light: 'Light', contrast: 'High contrast' };

export function Browser() {
  return html`<div class="columns two"><${Panel} title="Appearance"><div class="form">
      <div class="field"><span>Theme</span><${Pick} label="Theme" value=${theme.value} options=${THEMES.map((t) => [t, THEME_NAMES[t]])} onPick=${(v) => { theme.value = v; }} /></div>
      <div class="field"><span>Book levels a side, where the address names none</span><${Pick} label="Levels" value=${depth.value} options=${[['20', '20'], ['50', '50'], ['full', 'Full']]} onPick=${(v) => { depth.value = v; }} /></div>
      <div class="field"><span>Candles, where the address names none</span><${Pick} label="Candles" value=${interval.value} options=${[[1, '1m'], [5, '5m'], [15, '15m'], [60, '1h']]} onPick=${(v) => { interval.value = v; }} /></div>
      <p class="muted">Kept in this browser only. Times are UTC everywhere; point at one to see local time. Motion follows the system’s setting.</p></div><//>
    <${Gateway} /></div>`;
}

function Gateway() {
  const info = about.value;
  const status = useResource('/v1/status', { every: 10000, base: restBase });
  const off = Math.round(clockOffset.value);
  const l = status.data?.limits;
  return html`<${Panel} title="This gateway" at=${status.at}><${Facts} rows=${[
    ['Version', info?.version ?? '–'], ['Build of this page', html`<code>${info?.build ?? '–'}</code>`],
    ['Its clock against yours', html`<${Chip} kind=${Math.abs(off) > 2000 ? 'warn' : 'ok'} bare>${off >= 0 ? '+' : '−'}${Math.abs(off)} ms<//>`],
    ['WebSocket', html`<code>${info?.websocket ?? '–'}</code>`], ['REST', html`<code>${info?.rest ?? '–'}</code>`],
    ['Market', status.data ? `${status.data.system}, ${whole(status.data.symbols.total)} symbols` : '–'],
    ['Limits of a client', l ? `${l.control_messages_per_s} requests/s, ${l.symbols_per_channel} symbols a channel` : '–'],
    ['Slow after', l ? `${l.lag_ms / 1000} s or ${whole(l.lag_bytes / 1024)} KiB behind` : '–'],
  ]} /><//>`;
}

export function About() {
  return html`<div class="columns two"><${Panel} title="About"><div class="prose">
      <p>Portcullis is an open-source edge gateway for exchanges. This page is part of it, talks to this gateway and to nobody else, and loads nothing from anywhere else. Licence: Apache-2.0.</p>
      <p>Version ${VERSION} of the page, with a gateway of version ${about.value?.version ?? '–'}. Today is ${date(Date.now() + clockOffset.value)} (UTC). ${stream.value?.version ? `The protocol is Kraken’s WebSocket v2; the gateway calls itself ${stream.value.version}.` : ''}</p></div><//>
    <${Panel} title="Notices"><div class="prose"><p>Candles: TradingView Lightweight Charts™, Copyright © 2025 TradingView, Inc., <a href="https://www.tradingview.com/" rel="noreferrer" target="_blank">https://www.tradingview.com/</a>. Used under the Apache License 2.0.</p>
      <p>The wire format follows Kraken’s public documentation; Kraken is a trademark of its owner, who has nothing to do with this project.</p></div><//></div>
    <${Panel} title="What this page is made of" flush><table class="grid"><caption class="sr">Third-party packages</caption><thead><tr><th scope="col">Package</th><th scope="col">Version</th><th scope="col">Licence</th></tr></thead>
      <tbody>${PACKAGES.map(([name, version, licence]) => html`<tr><th scope="row">${name}</th><td>${version}</td><td>${licence}</td></tr>`)}</tbody></table>
      <p class="foot-note"><a href="/assets/licences.txt" target="_blank">The full texts of all licences</a></p><//>`;
}
