// Where sheets appear. They are loaded soon after the first screen, so that an act does not wait for a bad line; a request
// named in the address (?change=ID, ?role_request=ID) opens by itself.
import { toast } from '../design/parts.js';
import { phase } from '../session/session.js';
import { route, setFilter } from '../router.js';
import { html, useEffect, useState } from '../ui.js';
import { changeSheet, roleSheet, sheet } from './acting.js';

const IDLE_MS = 1500;
let module;
const load = () => import('./sheet.js').then((m) => { module = m; });

export function SheetLayer() {
  const [, draw] = useState(0);
  const wanted = sheet.value !== null;
  useEffect(() => {
    const timer = setTimeout(() => load().catch(() => {}), IDLE_MS);
    return () => clearTimeout(timer);
  }, []);
  useEffect(() => {
    if (wanted && !module) load().then(() => draw(1), () => toast('the sheet could not be loaded; try again', 'bad'));
  }, [wanted]);
  const { change, role_request: role } = route.value.query;
  useEffect(() => {
    if ((!change && !role) || phase.value !== 'in') return;
    setFilter(change ? 'change' : 'role_request', '');
    if (change) changeSheet(change);
    else roleSheet(role);
  }, [change, role, phase.value]);
  return wanted && module ? html`<${module.Sheet} />` : null;
}
