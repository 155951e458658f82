// Kept as the place screens import acts from: see acting/acts.js.
export * from '../acting/acts.js';
export { fanoutSheet } from '../acting/fanout_sheet.js';
