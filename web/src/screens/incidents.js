// The screen is loaded when it is opened (frame/lazy.js); its parts are in incidents/.
export { Screen as Incidents } from './incidents/screen.js';
