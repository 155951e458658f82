import { lazy } from './desk/lazy.js';

export const Audit = lazy(() => import('./audit/screen.js').then((m) => m.Audit), 'Audit');
