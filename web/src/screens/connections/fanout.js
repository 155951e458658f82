// The fan-out profile: what holds, since when and by whom, until when; and setting it.
import { ActButton, openSheet } from '../../acting/acting.js';
import { useResource } from '../../data/api.js';
import { now } from '../../data/beat.js';
import { duration, lasting, localTime, whole } from '../../data/format.js';
import { pair } from '../../data/meter.js';
import { quantile, sum } from '../../data/metrics.js';
import { Chip, Facts, Panel } from '../../design/parts.js';
import { fanoutSheet } from '../actions.js';
import { html } from '../../ui.js';

const PATH = '/v1/fanout/profile';
const PROFILES = ['normal', 'degraded', 'emergency'];

export function Fanout({ samples }) {
  const state = useResource(PATH, { every: 5000 });
  const [sample] = pair(samples);
  const measured = PROFILES[sum(sample.metrics, 'fanout_profile')];
  const set = state.phase === 'ok' ? state.data : undefined;
  const profile = measured ?? set?.profile ?? 'unknown';
  const left = set?.expires_at ? Date.parse(set.expires_at) - now.value : undefined;
  const [p99, unit] = duration(quantile(sample, undefined, 'ws_flush_seconds', 0.99));
  const change = () => openSheet(fanoutSheet(profile === 'normal' ? 'degraded' : profile === 'degraded' ? 'emergency' : 'normal'));
  return html`<${Panel} title="Fan-out profile" at=${state.at} aside=${html`<${ActButton} permission="fanout.set" open=${change}>Change…<//>`}>
    <p class="verdict"><${Chip} kind=${profile === 'normal' ? 'ok' : profile === 'unknown' ? 'off' : 'warn'}>${profile}<//>
      ${left > 0 && html`<span>reverts by itself in <b>${lasting(left)}</b></span>`}${left <= 0 && html`<span class="muted">its time is over</span>`}</p>
    <${Facts} rows=${[set?.by && profile !== 'normal' && ['Set by', `${set.by}${set.ticket ? `, ${set.ticket}` : ''}`], set?.reason && profile !== 'normal' && ['Because', set.reason], set?.since && ['Since', html`<span title=${localTime(Date.parse(set.since))}>${set.since.slice(0, 19).replace('T', ' ')}</span>`],
      set?.conflation_ms && ['Conflation asked for', `${set.conflation_ms} ms`], set?.default_depth && ['Depth when none is named', whole(set.default_depth)], set?.sub_ops_per_s && ['Subscription operations', `${whole(set.sub_ops_per_s)}/s`],
      ['Shortest interval in force', `${whole(sum(sample.metrics, 'fanout_floor_ms'))} ms`], ['Conflated for slow clients', `${whole(sum(sample.metrics, 'ws_conflated_total'))} frames`], ['Resumes', whole(sum(sample.metrics, 'ws_resumes_total'))],
      ['Flush p99 since start', `${p99} ${unit}`], ['Mailbox overruns', whole(sum(sample.metrics, 'ws_mailbox_overrun_total'))]]} /><//>`;
}
