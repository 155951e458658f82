export { Keys } from './keys/screen.js';
