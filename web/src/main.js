import { startApp } from './app.js';
import { startBeat } from './data/beat.js';
import { startEvents } from './data/events.js';
import { startSettings } from './data/settings.js';
import { Frame } from './frame/frame.js';
import { startKeys } from './frame/keys.js';
import { startRouter } from './router.js';
import { html, render } from './ui.js';

startSettings();
startRouter();
startBeat();
startApp();
startEvents();
startKeys();
const root = document.getElementById('app');
root.replaceChildren();
render(html`<${Frame} />`, root);
