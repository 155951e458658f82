export { Audit } from './audit/screen.js';
