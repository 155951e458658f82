// Sheets and what lies above a page: see acting/acting.js for what a sheet is made of.
export { Dialog } from './dialog.js';
export { ActButton, changeSheet, closeSheet, openSheet, sheet } from '../acting/acting.js';
