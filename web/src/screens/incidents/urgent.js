// Key `a` where no incident is on the screen: the acknowledgement of the one that waits most urgently.
import { cannot } from '../../acting/acting.js';
import { resource } from '../../data/api.js';
import { merged, news } from '../../data/incidents.js';
import { toast } from '../../design/parts.js';
import { mostUrgent } from '../../frame/reading.js';
import { acknowledge } from './acts.js';
import { ACT } from './button.js';

export function acknowledgeUrgent() {
  const why = cannot(ACT);
  const { phase, data } = resource('/v1/incidents?state=open').state.peek(); // the banner reads it
  const one = mostUrgent(merged(data?.incidents ?? [], news.peek(), {}));
  if (why) toast(`Not to be acknowledged here: ${why}`, 'warn');
  else if (one) acknowledge(one);
  else toast(phase === 'ok' && !data.stale ? 'No incident waits to be acknowledged.' : 'Which incidents are open is not known now.', phase === 'ok' && !data.stale ? 'info' : 'warn');
}
