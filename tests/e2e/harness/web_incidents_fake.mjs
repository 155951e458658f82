// Incidents, playbooks and components of a made-up night, and the acts on them as the contract of the API has them.
import { FakeGateway, iso } from './web_fake.mjs';

const MINUTE = 60000;
const base = { version: 1, class: null, summary: null, symbol: null, component: null, playbook: null, acked_at: null, acked_by: null, mitigation: 'none', mitigated_at: null, resolved_at: null, closed_at: null, reopened: 0, level: 1, level_next_at: null,
  commander: null, scribe: null, assignee: null, root_cause: null, postmortem_required: false, postmortem_url: null, tasks: [], l3_proposal: null, detected_by: 'gateway', source: 'gateway', signal: null, ack_due_at: null };

export const PLAYBOOK = {
  id: 'ws_overload', title: 'WebSocket fan-out overload', version: 1, owner: 'Market data operations', reviewed_at: '2026-11-21', next_review_at: '2027-02-21', severity: 'SEV2',
  signals: ['ws_close_total{reason="SLOW_CONSUMER"} rises', 'ws_backlog_bytes grows'], symptoms: ['Clients are closed with code 4008 and come back at once', 'Updates arrive late on every connection, not on one'],
  steps: [
    { id: 'see_backlog', phase: 'immediate', title: 'See how far clients are behind', text: 'One client far behind is that client’s problem. Many, or all of one shard, is ours.', mandatory: false, after: [], guard: null, action: { method: 'GET', path: '/v1/connections/summary', body: null, permission: 'connections.read', portctl: 'portctl request GET /v1/connections/summary', typed: null }, commands: [], links: [{ title: 'Connections', href: '#/connections' }] },
    { id: 'set_degraded', phase: 'immediate', title: 'Conflate harder, send less', text: 'Fan-out profile degraded for 15 minutes: books and candles at most every 250 ms, default depth 10. Trades are never conflated. The profile ends by itself.', mandatory: true, after: [], guard: null,
      action: { method: 'PUT', path: '/v1/fanout/profile', body: { profile: 'degraded', conflation_ms: 250, expires_at: '{+15m}' }, permission: 'fanout.set', portctl: "portctl fanout degraded --for 15m --reason 'fan-out overload' --ticket OPS-7", typed: 'ALL' }, commands: [], links: [] },
    { id: 'backlog_shrinks', phase: 'immediate', title: 'Look again after two minutes', text: 'Compare the backlog and the closes with those of the first look.', mandatory: false, after: ['set_degraded'],
      guard: { question: 'Does the backlog shrink within two minutes?', options: ['shrinks', 'grows'], answers: [{ answer: 'shrinks', text: 'The profile is enough. Go on with the diagnosis.', locks: ['set_emergency'] }, { answer: 'grows', text: 'Take the profile emergency.', locks: [] }] }, action: null, commands: ['portctl connections list --min-backlog 65536 --limit 20'], links: [] },
    { id: 'set_emergency', phase: 'immediate', title: 'Conflate as hard as can be', text: 'Fan-out profile emergency for 15 minutes.', mandatory: false, after: ['backlog_shrinks'], guard: null, action: { method: 'PUT', path: '/v1/fanout/profile', body: { profile: 'emergency' }, permission: 'fanout.set', portctl: 'portctl fanout emergency --for 15m', typed: 'ALL' }, commands: [], links: [] },
    { id: 'tell_clients', phase: 'immediate', title: 'Tell clients', text: 'Put the notice of this playbook on the status page.', mandatory: false, after: [], guard: null, action: null, commands: [], links: [] },
    { id: 'who_is_behind', phase: 'diagnosis', title: 'Who is behind, who was closed', text: 'One key or one address with many slow connections is closed or limited.', mandatory: false, after: [], guard: null, action: null, commands: ['portctl connections list --closed --limit 50', "portctl connections kick ID --reason 'far behind' --ticket OPS-7"], links: [] },
    { id: 'trades_whole', phase: 'recovery', title: 'Trades were not dropped', text: 'ws_dropped_total{channel="trade"} must not have risen.', mandatory: true, after: [], guard: null, action: null, commands: [], links: [] },
  ],
  exit: [{ id: 'no_slow_consumers', text: 'No client was closed for SLOW_CONSUMER for five minutes', counter: 'slow_consumer_quiet_s', unit: 's', need: 300 }, { id: 'backlog_low', text: 'All clients together less than 1 MiB behind for two minutes', counter: 'backlog_below_s', unit: 's', need: 120 }],
  contacts: [{ role: 'on_call', name: 'On-call engineer of the week', how: 'pager 1-555-0100' }, { role: 'client_desk', name: 'Desk that speaks to clients', how: 'status page, mail' }],
  notice: 'Market data is delivered less often for the time being. Trades are complete. Connections that cannot keep up are closed with code 4008 and may resume.',
};

const night = (now) => [
  { ...base, id: 'INC-12', number: 12, severity: 'SEV1', state: 'open', title: 'Kill switch engaged by the risk engine: loss beyond its limit', opened_at: iso(now - 6.3 * MINUTE), opened_by: 'gateway', ack_due_at: iso(now + 8.7 * MINUTE), level: 1, level_next_at: iso(now + 8.7 * MINUTE), playbook: 'ws_overload', signal: { key: 'kill_switch:global', state: 'firing', since: iso(now - 6.4 * MINUTE), cleared_at: null }, postmortem_required: true, symbol: 'BTC/USD' },
  { ...base, id: 'INC-11', number: 11, severity: 'SEV2', state: 'open', class: 'broker_connectivity', title: 'WebSocket fan-out overload: 41 clients closed as slow in five minutes', opened_at: iso(now - 17.2 * MINUTE), opened_by: 'gateway', ack_due_at: iso(now - 2.2 * MINUTE), level: 2, level_next_at: iso(now + 12.8 * MINUTE), playbook: 'ws_overload', signal: { key: 'ws_slow_surge', state: 'firing', since: iso(now - 17.4 * MINUTE), cleared_at: null }, summary: 'Closes with SLOW_CONSUMER rose from 0.1 to 8.2 a second on shards 2 and 3.' },
  { ...base, id: 'INC-10', number: 10, severity: 'SEV1', state: 'acknowledged', class: 'reconciliation', title: 'Ledger and engine sequences differ on ETH/USD', opened_at: iso(now - 41 * MINUTE), opened_by: 'alert', ack_due_at: iso(now - 26 * MINUTE), acked_at: iso(now - 38 * MINUTE), acked_by: 'user:ben', level: 3, commander: 'ben', scribe: 'cleo', l3_proposal: { mode: 'SOFT_HALT', target: '*' }, symbol: 'ETH/USD', source: 'alert', detected_by: 'alert', signal: { key: '3fa1b0c2d4e5f607', state: 'firing', since: iso(now - 42 * MINUTE), cleared_at: null } },
  { ...base, id: 'INC-9', number: 9, severity: 'SEV3', state: 'resolved', class: 'data_quality', title: 'Candles of SOL/USD incomplete after a reconnect', opened_at: iso(now - 190 * MINUTE), opened_by: 'user:cleo', acked_at: iso(now - 186 * MINUTE), acked_by: 'user:cleo', mitigation: 'mitigated', mitigated_at: iso(now - 150 * MINUTE), resolved_at: iso(now - 95 * MINUTE), commander: 'cleo', symbol: 'SOL/USD', source: 'human', detected_by: 'customer', tasks: [{ id: 'T-1', text: 'Rebuild the candles of 02:10 to 02:25', owner: 'cleo', due_at: iso(now + 300 * MINUTE), done_at: null }] },
  { ...base, id: 'INC-8', number: 8, severity: 'SEV4', state: 'closed', title: 'Documentation of the resume window is out of date', opened_at: iso(now - 3000 * MINUTE), opened_by: 'user:ana', closed_at: iso(now - 2900 * MINUTE), source: 'human', detected_by: 'human' },
];

const entry = (seq, at, kind, by, text, audit = null, data = {}) => ({ seq, at: iso(at), kind, by, text, audit, data });

export class IncidentsFake extends FakeGateway {
  constructor(options) {
    super(options);
    const now = this.now();
    this.incidents = new Map(night(now).map((i) => [i.id, i]));
    this.steps = new Map();
    this.timelines = new Map([['INC-11', [
      entry(1, now - 17.2 * MINUTE, 'opened', 'gateway', 'ws_slow_surge: 41 clients closed as slow in 300 s', 88), entry(2, now - 17.1 * MINUTE, 'page', 'gateway', 'paged ops at pager.example: delivered at the first try'),
      entry(3, now - 12 * MINUTE, 'alert', 'alertmanager', 'WsBacklogHigh firing on shard 3', null, { labels: { alertname: 'WsBacklogHigh', shard: '3' }, startsAt: iso(now - 12.2 * MINUTE) }), entry(4, now - 9 * MINUTE, 'audit', 'user:ben', 'fan-out profile normal → degraded', 93),
      entry(5, now - 8.5 * MINUTE, 'note', 'user:ben', 'Two addresses hold most of the slow connections.', 94), entry(6, now - 2.2 * MINUTE, 'level', 'gateway', 'L1 → L2: nobody has acknowledged', 97)]]]);
    this.serve();
  }

  view(i) {
    if (!i.playbook) return i;
    const known = this.steps.get(i.id) ?? new Map();
    const steps = PLAYBOOK.steps.map((s) => {
      const row = known.get(s.id);
      const ruled = PLAYBOOK.steps.some((g) => g.guard?.answers.find((a) => a.answer === known.get(g.id)?.answer)?.locks.includes(s.id));
      const state = row ? row.outcome : ruled || s.after.some((a) => !known.has(a)) || (s.phase === 'recovery' && !i.class) ? 'locked' : 'open';
      return { id: s.id, state, by: row?.by ?? null, at: row?.at ?? null, notes: row?.notes ?? null, answer: row?.answer ?? null };
    });
    const missing = [...(i.root_cause ? [] : ['root_cause']), ...(i.postmortem_required && !i.postmortem_url ? ['postmortem'] : []), ...PLAYBOOK.steps.filter((s) => s.mandatory && !known.has(s.id)).map((s) => `step:${s.id}`), 'exit:no_slow_consumers'];
    return { ...i, steps, exit: [{ ...PLAYBOOK.exit[0], met: false, known: true, have: 184 }, { ...PLAYBOOK.exit[1], met: true, known: true, have: 120 }], may_close: { ok: missing.length === 0, missing } };
  }

  change(id, change, kind, text, quiet) {
    const old = this.incidents.get(id);
    const audit = ++this.audit;
    const i = { ...old, ...change, version: old.version + 1 };
    this.incidents.set(id, i);
    const list = this.timelines.get(id) ?? [];
    this.timelines.set(id, [...list, entry(list.length + 1, this.now(), kind, 'user:ana', text, audit)]);
    if (!quiet) this.tell('incident', { incident: i });
    return { ...this.view(i), audit };
  }

  serve() {
    const now = () => iso(this.now());
    this.on('GET', '/v1/incidents', ({ query }) => {
      const state = query.get('state') ?? 'open';
      const all = [...this.incidents.values()].filter((i) => (state === 'all' || (state === 'closed') === (i.state === 'closed')) && (!query.get('severity') || i.severity === query.get('severity')) && (!query.get('class') || i.class === query.get('class')));
      return { incidents: all.sort((a, b) => b.number - a.number), next: null, as_of: now() };
    });
    this.on('POST', '/v1/incidents', ({ body }) => {
      if (!body.reason || body.reason.length < 10) return [422, { title: 'validation', status: 422, detail: 'reason: 10 to 500 characters', errors: [{ pointer: '/reason', detail: '10 to 500 characters' }] }];
      const number = Math.max(...[...this.incidents.values()].map((i) => i.number)) + 1;
      const id = `INC-${number}`;
      this.incidents.set(id, { ...base, ...body, id, number, state: 'open', source: 'human', opened_at: now(), opened_by: 'user:ana', ack_due_at: iso(this.now() + 15 * MINUTE), level_next_at: iso(this.now() + 15 * MINUTE) });
      this.tell('incident', { incident: this.incidents.get(id) });
      return [201, { ...this.incidents.get(id), audit: ++this.audit }, { location: `/v1/incidents/${id}` }];
    });
    this.on('GET', /^\/v1\/incidents\/(INC-\d+)$/, ([, id]) => (this.incidents.has(id) ? this.view(this.incidents.get(id)) : [404, { title: 'no such incident', status: 404, detail: `${id} is not known` }]));
    this.on('GET', /^\/v1\/incidents\/(INC-\d+)\/timeline$/, ([, id]) => ({ timeline: this.timelines.get(id) ?? [], next: null }));
    this.on('GET', /^\/v1\/incidents\/(INC-\d+)\/report$/, ([, id]) => [200, `# ${id}: ${this.incidents.get(id).title}\n\n**Severity** ${this.incidents.get(id).severity}, opened ${this.incidents.get(id).opened_at}\n\n## Timeline\n\n| time | who | what |\n|---|---|---|\n| 03:12:07 | gateway | opened \\| paged |\n\n- first\n- second with \`code\`\n\n<script>alert(1)</script>\n`, { 'content-type': 'text/markdown' }]);
    const act = (name, make) => this.on('POST', new RegExp(`^/v1/incidents/(INC-\\d+)/${name}$`), ([, id], { body }) => make(id, body, this.incidents.get(id)));
    act('ack', (id, { notes }) => this.change(id, { state: 'acknowledged', acked_at: now(), acked_by: 'user:ana', level_next_at: null }, 'ack', notes));
    act('assign', (id, { role, name }) => this.change(id, { [role]: name }, 'assign', `${role}: ${name}`));
    act('note', (id, { text, kind }) => this.change(id, kind === 'root_cause' ? { root_cause: text } : {}, 'note', text));
    act('severity', (id, { severity, reason }) => this.change(id, { severity }, 'severity', `${severity}: ${reason}`));
    act('classify', (id, body) => this.change(id, { class: body.class }, 'class', body.class));
    act('mitigate', (id, { mitigation, notes }) => this.change(id, { mitigation, mitigated_at: now(), ...(mitigation === 'mitigated' ? { state: 'mitigated' } : {}) }, 'mitigate', notes));
    act('resolve', (id, { notes }) => this.change(id, { state: 'resolved', resolved_at: now() }, 'resolve', notes));
    act('close', (id, { notes, postmortem_url }, i) => (i.root_cause || i.severity > 'SEV2' ? this.change(id, { state: 'closed', closed_at: now(), postmortem_url: postmortem_url ?? null }, 'close', notes) : [409, { title: 'root cause missing', code: 'root-cause-missing', status: 409, detail: 'record the root cause first: POST /v1/incidents/ID/note with kind root_cause' }]));
    act('reopen', (id, { reason }, i) => this.change(id, { state: 'open', reopened: i.reopened + 1, acked_at: null, closed_at: null, ack_due_at: iso(this.now() + 15 * MINUTE) }, 'reopen', reason));
    act('task', (id, body, i) => this.change(id, { tasks: body.done ? i.tasks.map((t) => (t.id === body.id ? { ...t, done_at: now() } : t)) : [...i.tasks, { id: `T-${i.tasks.length + 1}`, text: body.text, owner: body.owner ?? null, due_at: body.due_at ?? null, done_at: null }] }, 'task', body.text ?? body.id));
    act('step', (id, { step, outcome, notes, answer }) => {
      const seen = this.view(this.incidents.get(id)).steps.find((s) => s.id === step);
      if (seen.state === 'locked') return [409, { title: 'step locked', code: 'step-locked', status: 409, detail: `${step} is locked` }];
      if (!this.steps.has(id)) this.steps.set(id, new Map());
      this.steps.get(id).set(step, { outcome, notes, answer, by: 'user:ana', at: now() });
      return this.change(id, {}, 'step', `${step} ${outcome}${answer ? `: ${answer}` : ''}`);
    });
    const books = [PLAYBOOK, { ...PLAYBOOK, id: 'kill_switch', title: 'Kill switch engaged', severity: 'SEV1', next_review_at: '2026-01-01' }];
    this.on('GET', '/v1/playbooks', () => ({ playbooks: books }));
    this.on('GET', /^\/v1\/playbooks\/(\w+)$/, ([, id]) => books.find((b) => b.id === id));
    this.on('GET', '/v1/connections/summary', () => ({ open: 1204, choked: 41, backlog_bytes: 33554432 }));
    this.control();
    this.reported();
  }

  // The controls the sheets of steps and of the proposal reach.
  control() {
    const change = (kind, target, before, after, direction) => ({ kind, target, before, after, direction });
    const answer = (dryRun, one) => (dryRun ? { dry_run: true, needs: [], diff: { direction: one.direction, changes: [one] }, blast_radius: { symbols: 3, subscriptions: 1204, version: 7 } } : { outcome: 'done', version: 8, audit: ++this.audit, effect_us: 842, unconfirmed: [] });
    this.profile = { profile: 'normal' };
    this.on('GET', '/v1/fanout/profile', () => [200, { kind: 'fanout', target: '*', ...this.profile }, { etag: '"7"' }]);
    this.on('PUT', '/v1/fanout/profile', ({ body, dryRun }) => {
      const made = answer(dryRun, change('fanout', '*', this.profile, { profile: body.profile }, body.profile === 'normal' ? 'NEUTRAL' : 'TIGHTEN'));
      if (!dryRun) this.profile = { profile: body.profile };
      return made;
    });
    this.on('GET', '/v1/symbols/*/mode', () => [200, { mode: 'NORMAL' }, { etag: '"7"' }]);
    for (const path of ['/v1/symbols/*/mode', '/v1/symbols/%2A/mode']) this.on('PUT', path, ({ body, dryRun }) => answer(dryRun, change('mode', '*', { mode: 'NORMAL' }, { mode: body.mode }, 'TIGHTEN')));
  }

  reported() {
    const heard = (s) => iso(this.now() - s * 1000);
    this.components = [
      { id: 'edge-gateway', group: null, role: null, state: 'OK', own: true, source: 'own', version: '0.6.0' }, { id: 'redis', state: 'OK', own: true, source: 'own' }, { id: 'postgres', state: 'DEGRADED', own: true, source: 'own', detail: 'answers in 240 ms' },
      { id: 'engine:majors', group: 'engine', role: 'primary', state: 'OK', reported_state: 'OK', since: heard(9000), last_heard_at: heard(4), ttl_s: 15, seq_in: 48210377, seq_out: 48210377, session: 'E-7', version: '4.2.1', lease_holder: true, fencing_token: 912 },
      { id: 'engine:majors-b', group: 'engine', role: 'standby', state: 'OK', reported_state: 'OK', last_heard_at: heard(6), ttl_s: 15, seq_in: 48210371, seq_out: null, version: '4.2.1', lease_holder: false, fencing_token: 911 },
      { id: 'ledger', group: 'ledger', state: 'DISCONNECTED', reported_state: 'OK', last_heard_at: heard(95), ttl_s: 30, seq_in: 48209990, seq_out: 120044 }, { id: 'adapter:xm', group: 'adapters', role: 'primary', state: 'OK', reported_state: 'OK', last_heard_at: heard(70), ttl_s: 30, seq_in: 1204, seq_out: 1187, gap_from: 1190, gap_to: 1195, resend_state: 'requested', session: 'FIX.4.4' },
      { id: 'analytics', group: 'nonessential', state: 'PAUSED', reported_state: 'PAUSED', last_heard_at: heard(12), ttl_s: 60, detail: 'paused for the incident' }, { id: 'data-source:eodhd', group: 'data', state: 'UNKNOWN', reported_state: null, last_heard_at: null, ttl_s: null },
      { id: 'trade-director', group: 'pipeline', state: 'OK', reported_state: 'OK', last_heard_at: heard(2), ttl_s: 10 },
    ];
    this.signals = [
      { name: 'engine_queue_depth', labels: { group: 'majors' }, value: 41, unit: '', ts: heard(3), age_s: 3, source: 'engine:majors', stale: false }, { name: 'wal_fsync_seconds', labels: {}, value: 0.0042, unit: 's', age_s: 3, source: 'engine:majors', stale: false },
      { name: 'settlement_lag_seconds', labels: { quantile: '0.99' }, value: 12.4, unit: 's', age_s: 400, source: 'ledger', stale: true }, { name: 'bus_consume_lag', labels: { group: 'ledger' }, value: 1832, unit: 'messages', age_s: 8, source: 'bus', stale: false },
      { name: 'pg_connections', labels: {}, value: 84, unit: '', age_s: 5, source: 'postgres', stale: false }, { name: 'directives_pending', labels: {}, value: 3, unit: '', age_s: 9, source: 'trade-director', stale: false },
    ];
    const started = new Map(this.components.map((c) => [c.id, c.last_heard_at && this.now() - Date.parse(c.last_heard_at)]));
    let first;
    // all but one go on as they began; that one is heard for the last time when it is first asked for
    this.on('GET', '/v1/components', () => {
      first ??= this.now();
      return { complete: true, groups: [{ group: 'engine', state: 'DEGRADED', reason: 'the standby is behind' }], components: this.components.map((c) => (c.last_heard_at ? { ...c, last_heard_at: iso((c.id === 'trade-director' ? first : this.now()) - started.get(c.id)) } : c)) };
    });
    this.on('GET', '/v1/signals', () => ({ signals: this.signals }));
  }
}
