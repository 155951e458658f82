// What a verified request costs, and what a flood of bad signatures does to a client that has done nothing.
import { issue, median, signflood, startGateway, usable, wide } from './authstage.mjs';

// Refused by the handler itself (a limit of 0): all of admission, which is one trip to Redis and the nonce's to PostgreSQL.
const SIGNED = '/v1/keys?limit=0';
const PLAIN = '/v1/time';
const GOOD_ADDRESSES = 10;
const GOOD_RATE = 150; // fifteen a second and address: within the limits as they come

const growth = (before, after, name) => (after.get(name) ?? 0) - (before.get(name) ?? 0);

async function round(stage, options) {
  const before = await stage.metrics();
  const report = await signflood(stage, options);
  const after = await stage.metrics();
  const trips = growth(before, after, 'ratelimit_trip_seconds_count');
  const all = Object.values(report.statuses).reduce((a, b) => a + b, 0);
  const expected = options['key-id'] ? '422' : '200';
  if (report.statuses[expected] !== all) throw new Error(`${options.path}: statuses ${JSON.stringify(report.statuses)}`);
  return { p50_us: report.p50_us, p99_us: report.p99_us, per_s: report.per_s,
    cpu_us: (growth(before, after, 'process_cpu_seconds_total') * 1e6) / (report.requests * (1 + (options.warmup / options.duration))),
    trip_us: trips > 0 ? (growth(before, after, 'ratelimit_trip_seconds_sum') * 1e6) / trips : 0 };
}

// So many gateways share the database, as the running one believes from now on: one of several waits for PostgreSQL.
async function believe(stage, settings, gateways) {
  stage.reload({ ...settings, limits: { ...settings.limits, gateways } });
  await new Promise((resolve) => { setTimeout(resolve, 300); });
}

export async function measureCost(stage, o, say) {
  const settings = { limits: wide, public: { requests_per_s: 1000000 } };
  await startGateway(stage, settings);
  const hmac = await issue(stage, 'hmac-sha256', ['keys.read']);
  const ed25519 = await issue(stage, 'ed25519', ['keys.read']);
  for (const key of [hmac, ed25519]) await usable(stage, key);
  const kinds = [['plain', { path: PLAIN }], ...[['hmac', hmac], ['ed25519', ed25519], ['hmac_of_two', hmac]]
    .map(([name, key]) => [name, { path: SIGNED, 'key-id': key.id, 'key-file': key.file }])];
  const rounds = Object.fromEntries(kinds.map(([name]) => [name, []]));
  for (let i = 0; i < o.rounds; i++) {
    for (const [name, options] of kinds) {
      await believe(stage, settings, name === 'hmac_of_two' ? 2 : 1);
      const r = await round(stage, { ...options, connections: o.concurrency, duration: o.seconds, warmup: 1 });
      rounds[name].push(r);
      say(`cost: round ${i + 1} of ${o.rounds}, ${name}: p50 ${r.p50_us.toFixed(1)} us, p99 ${r.p99_us.toFixed(1)} us, CPU ${r.cpu_us.toFixed(1)} us`);
    }
  }
  await stage.stopGateway();
  const result = {};
  for (const [name, list] of Object.entries(rounds)) {
    result[name] = Object.fromEntries(Object.keys(list[0]).map((key) => [key, median(list.map((r) => r[key]))]));
  }
  for (const [name] of kinds.slice(1)) {
    // within a round, so that drift of the machine falls out
    const more = (key) => median(rounds[name].map((r, i) => r[key] - rounds.plain[i][key]));
    result[name].more_p50_us = more('p50_us');
    result[name].more_cpu_us = more('cpu_us');
    result[name].more_without_trip_us = median(rounds[name].map((r, i) => r.p50_us - rounds.plain[i].p50_us - r.trip_us));
  }
  return { concurrency: o.concurrency, rounds: o.rounds, seconds: o.seconds, ...result };
}

// KIND: from how many addresses the flood comes. Quiet and flooded in turn.
async function floodFrom(stage, o, key, victim, addresses, say) {
  const good = { path: SIGNED, 'key-id': key.id, 'key-file': key.file, connections: GOOD_ADDRESSES, source: '127.0.9.1', sources: GOOD_ADDRESSES,
    rate: GOOD_RATE, duration: o.seconds * 2, warmup: 1 };
  const bad = { path: SIGNED, 'key-id': victim.id, 'key-file': victim.file, spoil: true, connections: 200, source: '127.0.1.1', sources: addresses,
    rate: o.flood, warmup: 2, duration: o.seconds * 2 + 3 };
  const pairs = [];
  for (let i = 0; i < o.rounds; i++) {
    const quiet = await signflood(stage, good);
    const before = await stage.metrics();
    const flood = signflood(stage, bad, { polite: true });
    await new Promise((resolve) => { setTimeout(resolve, 2000); });
    const [during, reached] = await Promise.all([signflood(stage, good), flood]);
    const after = await stage.metrics();
    const refused = Object.keys(during.statuses).filter((s) => s !== '422');
    if (refused.length > 0) throw new Error(`the good client was refused: ${JSON.stringify(during.statuses)}`);
    pairs.push({ quiet_p50_us: quiet.p50_us, quiet_p99_us: quiet.p99_us, flooded_p50_us: during.p50_us, flooded_p99_us: during.p99_us,
      ratio_p99: during.p99_us / quiet.p99_us, ratio_p50: during.p50_us / quiet.p50_us, flood_per_s: reached.per_s,
      cut: reached.lost, statuses: reached.statuses, verified: growth(before, after, 'auth_fail_total{reason="bad_signature"}') });
    const p = pairs.at(-1);
    say(`flood of ${addresses} addresses: round ${i + 1} of ${o.rounds}: ${Math.round(p.flood_per_s)}/s reached, good p99 ${Math.round(p.quiet_p99_us)} -> ${
      Math.round(p.flooded_p99_us)} us, ratio ${p.ratio_p99.toFixed(2)}`);
  }
  const of = (name) => median(pairs.map((p) => p[name]));
  return { addresses, asked_per_s: o.flood, ...Object.fromEntries(Object.keys(pairs[0]).filter((k) => k !== 'statuses').map((k) => [k, of(k)])),
    ratios_p99: pairs.map((p) => Number(p.ratio_p99.toFixed(2))), statuses: pairs.at(-1).statuses };
}

export async function measureFlood(stage, o, say) {
  // address buckets and requests a connection as they come; only the good key's reads are many
  const { preauth_per_minute: _1, preauth_burst: _2, ...limits } = wide;
  await startGateway(stage, { limits });
  const key = await issue(stage, 'ed25519', ['keys.read'], 'good');
  const victim = await issue(stage, 'ed25519', ['keys.read'], 'forged');
  await usable(stage, key);
  const out = [];
  for (const addresses of [4, 200]) out.push(await floodFrom(stage, o, key, victim, addresses, say));
  await stage.stopGateway();
  return out;
}
