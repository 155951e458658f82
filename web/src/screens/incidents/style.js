// The screens that import this wait for their styles.
import { stylesheet } from '../../design/stylesheet.js';
import file from './incidents.lazy.css';

await stylesheet(file);
