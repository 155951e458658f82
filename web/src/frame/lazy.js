// Screens that are not the first are loaded when they are opened, or a little after the first has been drawn.
import { Loading, State } from '../design/parts.js';
import { html, useEffect, useState } from '../ui.js';

const IDLE_MS = 2500;
const all = [];

// LOAD(): the import; NAME: what it exports.
export function lazy(load, name) {
  let view;
  const get = () => load().then((m) => { view = m[name]; });
  all.push(get);
  return function Lazy(props) {
    const [state, set] = useState(view ? 'there' : 'loading');
    useEffect(() => {
      if (!view) get().then(() => set('there'), () => set('failed'));
    }, []);
    if (view) return html`<${view} ...${props} />`;
    if (state !== 'failed') return html`<section class="panel"><${Loading} lines="6" /></section>`;
    return html`<section class="panel"><${State} icon="bad" kind="bad" title="This screen could not be loaded" action=${html`<button type="button" class="btn main" onClick=${() => location.reload()}>Load the page again</button>`}>The connection failed, or the gateway serves another build by now.<//></section>`;
  };
}

export function loadRest() {
  setTimeout(() => all.reduce((before, get) => before.then(() => get().catch(() => {})), Promise.resolve()), IDLE_MS);
}
