// The report as the gateway writes it: to read, to copy into an issue, to keep.
import { request } from '../../data/api.js';
import { markdown } from '../../data/markdown.js';
import { Dialog } from '../../design/dialog.js';
import { CopyButton, Loading, Pick } from '../../design/parts.js';
import { overlay } from '../../frame/keys.js';
import { html, useEffect, useState } from '../../ui.js';

const Text = ({ parts }) => parts.map((p) => (p.kind === 'text' ? p.text : p.kind === 'code' ? html`<code>${p.text}</code>` : p.kind === 'b' ? html`<b>${p.text}</b>` : p.kind === 'i' ? html`<i>${p.text}</i>` : html`<a href=${p.href} target="_blank" rel="noreferrer noopener">${p.text}</a>`));

// Headings of the report come below the sheet's own.
function Block({ b }) {
  if (b.kind === 'h') return html`<${`h${Math.min(6, b.level + 1)}`} class=${`md-${b.level}`}><${Text} parts=${b.text} /><//>`;
  if (b.kind === 'ul' || b.kind === 'ol') return html`<${b.kind}>${b.items.map((item) => html`<li><${Text} parts=${item} /></li>`)}<//>`;
  if (b.kind === 'pre') return html`<pre tabindex="0">${b.text}</pre>`;
  if (b.kind === 'hr') return html`<hr />`;
  if (b.kind !== 'table') return html`<p><${Text} parts=${b.text} /></p>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table class="md-table"><thead><tr>${b.head.map((c) => html`<th scope="col"><${Text} parts=${c} /></th>`)}</tr></thead>
    <tbody>${b.rows.map((r) => html`<tr>${r.map((c) => html`<td><${Text} parts=${c} /></td>`)}</tr>`)}</tbody></table></div>`;
}

export const Markdown = ({ text }) => html`<article class="md">${markdown(text).map((b) => html`<${Block} b=${b} />`)}</article>`;

const close = () => { overlay.value = null; };
export const reportSheet = (incident) => { overlay.value = { view: () => html`<${Open} i=${incident} />` }; };

function Open({ i }) {
  const path = `/v1/incidents/${encodeURIComponent(i.id)}/report`;
  const [state, set] = useState(null);
  const [view, setView] = useState('read');
  useEffect(() => { request('GET', path, { headers: { Accept: 'text/markdown' } }).then(set); }, []);
  return html`<${Dialog} label=${`Report of ${i.id}`} className="sheet wide-sheet" onClose=${close}>
    <div class="head"><h1>Report of ${i.id}</h1><${Pick} label="View" value=${view} options=${[['read', 'Read'], ['text', 'Markdown']]} onPick=${setView} /></div>
    <div class="body">${!state ? html`<${Loading} lines="8" />` : state.ok ? (view === 'read' ? html`<${Markdown} text=${String(state.data)} />` : html`<pre class="md-source" tabindex="0">${String(state.data)}</pre>`)
      : html`<p role="alert">${state.problem.title}${state.problem.detail ? `: ${state.problem.detail}` : ''}</p>`}</div>
    <div class="foot-line"><button type="button" class="btn" data-first onClick=${close}>Close</button>
      ${state?.ok && html`<a class="btn" href=${`${path}?format=json`} download=${`${i.id}.json`}>JSON</a><a class="btn" href=${path} download=${`${i.id}.md`}>Download</a><${CopyButton} what="report" label="Copy" text=${() => String(state.data)} />`}</div><//>`;
}
