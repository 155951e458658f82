// What must hold in every run, and what a scenario expects on top: each failure says what to look at.
import { present } from './metrics.mjs';

const words = (object) => Object.entries(object).map(([key, n]) => `${key}: ${n}`).join(', ');
const outside = (object, allowed = []) =>
  Object.fromEntries(Object.entries(object ?? {}).filter(([key, n]) => n > 0 && !allowed.includes(key)));
const some = (object) => Object.keys(object).length > 0;
const fault = (what, look) => ({ what, look });

function checkConnects(r) {
  const out = [];
  if (r.failed > 0) out.push(fault(`${r.failed} clients could not connect: ${r.first_failure}`,
    'ws_refused_total and ws_accept_pauses_total, ulimit -n, or a connect_rate above what the core can do'));
  if (r.refused > 0) {
    out.push(fault(`${r.refused} requests were refused: ${r.first_refusal}`, 'the subscriptions of the scenario, ws.control_rate'));
  }
  return out;
}

function checkOrder(r) {
  const out = [];
  if (r.breaks > 0) out.push(fault(`${r.breaks} breaks in gw.s/gw.p (${words(r.breaks_by_channel)})`,
    'cursors and rings: ws/stream.c, merged updates: gateway/publish/fold.c'));
  const early = r.book_updates_before_snapshot;
  if (early > 0) out.push(fault(`${early} book updates before a snapshot`, 'the order of replies in ws/control.c'));
  const t = r.trades;
  if (t.trade_gaps > 0) {
    out.push(fault(`${t.missing} trades lost in ${t.trade_gaps} gaps that nobody told of`, 'resume of trades: ws/resume.c'));
  }
  if (t.duplicates > 0) out.push(fault(`${t.duplicates} trades twice`, 'where a replay of trades ends and the live stream begins'));
  return out;
}

function checkCloses(r, expect) {
  const out = [];
  const readers = outside(r.closes, expect.closes);
  const stalled = outside(r.stalled.closes, expect.stalled_closes);
  const causes = outside(r.resume.last_close, expect.last_close);
  if (some(readers)) out.push(fault(`clients that read were closed (${words(readers)})`, 'the log of the run, ws_close_total by reason'));
  if (some(stalled)) {
    out.push(fault(`stalled clients were closed with another code (${words(stalled)})`, 'ws/session.c: the cause of an eviction'));
  }
  if (some(causes)) out.push(fault(`last_close told another cause (${words(causes)})`, 'ws/cause.c and what the shard kept at the close'));
  return out;
}

// Did the gateway evict whom it should, for the reason it should, and were they told?
function checkEvictions(run, expect) {
  const out = [];
  const { report: r } = run;
  const reasons = {};
  for (const f of run.finals) for (const [key, n] of Object.entries(f.closes)) reasons[key] = (reasons[key] ?? 0) + n;
  const others = outside(reasons, expect.gateway_closes);
  if (some(others)) out.push(fault(`the gateway closed sessions (${words(others)})`, 'ws_close_total by reason, the log of the run'));
  const evicted = reasons.SLOW_CONSUMER ?? 0;
  if (evicted < Math.floor((expect.stalled_evicted ?? 0) * r.stalled.sessions)) {
    out.push(fault(`${evicted} of ${r.stalled.sessions} stalled clients were evicted`,
      'ws.lag, ws.lag_grace and ws.lag_bytes against the seconds of the scenario; ws_backlog_max_bytes'));
  }
  const told = Object.values(r.resume.last_close).reduce((a, b) => a + b, 0);
  if (expect.told && told < evicted) {
    out.push(fault(`${told} of ${evicted} evicted clients were told last_close`, 'ws/cause.c, ws.cause_kept'));
  }
  return out;
}

function checkReturns(r, expect) {
  const out = [];
  if (r.resume.not_back > 0) out.push(fault(`${r.resume.not_back} clients did not come back: ${r.resume.first_failure ?? 'too late'}`,
    'the time to start again against the seconds of the scenario'));
  if (expect.all_return && r.resume.reconnects < r.opened) {
    out.push(fault(`only ${r.resume.reconnects} of ${r.opened} clients came back`, 'the drain: clients that were never closed'));
  }
  if (expect.why) {
    const why = outside(r.resume.why, expect.why);
    if (some(why)) out.push(fault(`not resumed for another reason (${words(why)})`, 'ws/resume.c, gateway/publish/resume.c'));
  }
  return out;
}

function checkGateway(run, part) {
  const zero = Object.assign({}, ...run.finals.map((f) => f.zero));
  const look = 'portcullis --describe metrics, the log of the run';
  const out = Object.entries(zero).map(([name, n]) => fault(`${name} is ${n} and must stay 0`, look));
  const clients = Math.max(0, ...present(run.samples).map((s) => s.clients));
  if (run.window && clients < part.sessions) {
    out.push(fault(`the gateway counted ${clients} clients of ${part.sessions}`, 'ws_clients, ws_refused_total'));
  }
  return out;
}

export function checkRun(run, part) {
  if (run.error) return [fault(run.error, 'the log of the run beside the report')];
  const out = checkGateway(run, part);
  if (run.idle?.closed > 0) out.push(fault(`${run.idle.closed} idle clients were closed`, 'ws.idle_subscribe, ws.ping_after'));
  const { report } = run;
  if (!report) return out;
  out.push(...checkConnects(report), ...checkOrder(report), ...checkCloses(report, part.expect), ...checkEvictions(run, part.expect),
    ...checkReturns(report, part.expect));
  if (report.failed === 0 && report.latency_us?.count === 0 && !part.expect.quiet) {
    out.push(fault('clients saw no update in the window', 'the feeder (market.rate) and feed_entries_total'));
  }
  return out;
}
