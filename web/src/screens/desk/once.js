// What exists nowhere else once it is off the screen. It is in the page's memory alone, never stored, and the sheet stays
// open until somebody says that it is kept.
import { held } from '../../acting/acting.js';
import { Icon } from '../../design/icons.js';
import { CopyButton } from '../../design/parts.js';
import { html, useEffect, useState } from '../../ui.js';

// SECRETS: [[what, text, note]]
export function Once({ secrets, children }) {
  const [kept, setKept] = useState(false);
  useEffect(() => {
    held.secret = !kept;
    return () => { held.secret = false; };
  }, [kept]);
  return html`<div class="once"><p class="said k-warn"><${Icon} name="warn" /><span><b>Shown once.</b> The gateway keeps no readable copy of it, and neither does this page.</span></p>
    ${secrets.map(([what, text, note]) => html`<div><h2>${what}</h2><div class="command"><pre tabindex="0" aria-label=${what}>${text}</pre><${CopyButton} what=${what.toLowerCase()} text=${text} /></div>${note && html`<p class="muted small">${note}</p>`}</div>`)}
    ${children}
    <label class="check"><input type="checkbox" name="kept" checked=${kept} onChange=${(e) => setKept(e.target.checked)} /> It is kept where it belongs; this may close</label></div>`;
}
