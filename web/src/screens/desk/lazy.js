// A screen whose code comes when it is first looked at: the first screen must be small.
import { Loading, Panel, State } from '../../design/parts.js';
import { html, useEffect, useState } from '../../ui.js';

export function lazy(load, title) {
  let view;
  return function Lazy(props) {
    const [state, setState] = useState({ view });
    const fetchIt = () => load().then((found) => {
      view = found;
      setState({ view });
    }, () => setState({ failed: true }));
    useEffect(() => { if (!view) fetchIt(); }, []);
    if (state.view) return html`<${state.view} ...${props} />`;
    const again = html`<button type="button" class="btn" onClick=${() => { setState({}); fetchIt(); }}>Try again</button>`;
    return html`<div class="title"><h1>${title}</h1></div><${Panel} title=${title}>${state.failed
      ? html`<${State} icon="bad" kind="bad" title="This part of the page did not arrive" action=${again}>The gateway did not answer, or it was replaced by another version: then load the page anew.<//>`
      : html`<${Loading} />`}<//>`;
  };
}
