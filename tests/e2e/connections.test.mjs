// Connections as operators see them: who is there and how far behind, closing one, the last closed and why.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Follower } from './harness/follower.mjs';
import { onStage, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { Client } from './harness/ws.mjs';

const SYMBOL = 'BTC/USD';
const tape = ['--data', 'synthetic', '--symbols', '3', '--rate', '3000', '--seed', '17', '--time', 'now'];
const why = { reason: 'a test of connections', ticket: 'OPS-7' };

function withStage(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ limits: { preauth_burst: 5000, read_burst: 5000, write_burst: 1000 }, ...overrides });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/stats')).status === 200);
    stage.feed(...tape);
    await stage.applied(100);
    await body(stage);
  });
}

async function keyFor(stage, account, scopes) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account, label: account, algorithm: 'ed25519',
    public_key: publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64'), scopes, reason: why.reason });
  assert.equal(answer.status, 201, answer.body);
  return new Signer(answer.json.key.id, file);
}

const list = async (stage, query = '') => {
  const answer = await stage.call(stage.admin, 'GET', `/v1/connections${query}`);
  assert.equal(answer.status, 200, answer.body);
  return answer.json;
};
const idOf = (client) => client.messages.find((m) => m.channel === 'status').data[0].connection_id;

test('a stalled client shows its backlog; closing it tells it why, and its next connection', { timeout: 120000 }, () => withStage(
  { ws: { shards: 2, lag: '60s', lag_bytes: '64MiB', unsent_bytes: '4KiB', skip_bytes: '8MiB', skip_after: '60s' } }, async (stage) => {
  const quick = [];
  for (let i = 0; i < 6; i++) {
    const client = await Client.connect(stage);
    await client.subscribe({ channel: 'ticker', symbol: [SYMBOL] });
    quick.push(client);
  }
  const slow = new Follower(SYMBOL, { depth: 1000, interval_ms: 0, trades: true, on_lag: 'evict' });
  await slow.connect(stage);
  const id = idOf(slow.client);
  assert.equal((await list(stage)).matched, 7);
  slow.client.socket._socket.pause();
  const row = await until('a backlog', 40000, async () => (await list(stage, '?min_backlog=20000')).connections.find((c) => c.id === id && c.lag_ms > 300));
  assert.equal(row.stalled, true);
  assert.equal(row.subscriptions, 2);
  assert.equal(row.ip, '127.0.0.1');
  assert.equal(row.key, null);
  assert.equal(row.state, 'LIVE');
  assert.ok(row.sent_bytes > 10000 && row.sent_messages > 10, JSON.stringify(row));
  assert.ok(Math.abs(Date.now() - Date.parse(row.opened_at)) < 60000);
  const all = await list(stage);
  assert.equal(all.connections[0].id, id, 'the largest backlog first');
  assert.equal(all.connections.length, 7);
  assert.equal(new Set(all.connections.map((c) => c.id)).size, 7, 'ids are unique over shards');
  assert.deepEqual(new Set(all.connections.map((c) => c.id)), new Set([id, ...quick.map(idOf)]), 'the ids that clients see');
  assert.deepEqual(all.unanswered, []);
  assert.equal((await list(stage, '?limit=2')).connections.length, 2);
  assert.equal((await list(stage, '?ip=10.1.1.1')).matched, 0);
  const summary = (await stage.call(stage.admin, 'GET', '/v1/connections/summary')).json;
  assert.equal(summary.connections, 7);
  assert.equal(summary.stalled, 1);
  assert.equal(summary.subscriptions, 8);
  assert.ok(summary.backlog_max_bytes >= 20000);
  assert.equal(summary.backlog_histogram.reduce((sum, b) => sum + b.connections, 0), 7);
  assert.equal(summary.backlog_histogram.filter((b) => b.up_to_bytes === null || b.up_to_bytes > 20000).reduce((sum, b) => sum + b.connections, 0), 1);
  assert.equal(summary.shards.length, 2);

  // what a halt would touch is counted from the same subscriptions
  const dry = await stage.call(stage.admin, 'PUT', `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode?dry_run=true`, { mode: 'SOFT_HALT', ...why }, { headers: { 'if-match': '*' } });
  assert.deepEqual([dry.json.blast_radius.symbols, dry.json.blast_radius.subscriptions, dry.json.blast_radius.clients, dry.json.confirm], [1, 8, 7, SYMBOL]);
  // and who approves a loosening sees it as it was asked for and as it is now
  const halt = await stage.call(stage.admin, 'PUT', `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode`, { mode: 'CANCEL_ONLY', ...why }, { headers: { 'if-match': '*' } });
  const asked = await stage.call(stage.admin, 'PUT', `/v1/symbols/${encodeURIComponent(SYMBOL)}/mode`, { mode: 'NORMAL', ...why }, { headers: { 'if-match': halt.headers.etag } });
  assert.equal(asked.status, 202, asked.body);
  const radius = async () => (await stage.call(stage.admin, 'GET', asked.headers.location)).json.change.blast_radius;
  const counted = { symbols: 1, subscriptions: 8, clients: 7, keys: dry.json.blast_radius.keys, accounts: 0, version: halt.json.version };
  assert.deepEqual(await radius(), { asked: counted, now: counted });

  for (const [body, pointer] of [[{ reason: 'short' }, '/reason'], [{ ticket: 'x' }, '/reason'], [{ ...why, force: true }, '/force'],
    [{ ...why, confirm: `${id} ` }, '/confirm'], [{ reason: 'long enough a reason', ticket: 7 }, '/ticket'], [{ reason: 'x'.repeat(501) }, '/reason']]) {
    const refused = await stage.call(stage.admin, 'DELETE', `/v1/connections/${id}`, body);
    assert.equal(refused.status, 422, refused.body);
    assert.equal(refused.json.errors[0].pointer, pointer);
  }
  const closed = await stage.call(stage.admin, 'DELETE', `/v1/connections/${id}`, { ...why, confirm: String(id) });
  assert.equal(closed.status, 200, closed.body);
  assert.equal(closed.json.closed.id, id);
  assert.ok(closed.json.closed.backlog_bytes > 0);
  slow.client.socket._socket.resume();
  const end = await slow.client.closed;
  assert.ok(end.code === 4014 || end.code === 1006, `${end.code}`); // a full socket does not carry it
  await until('its subscriptions are gone', 5000, async () => (await radius()).now.subscriptions === 6);
  assert.equal((await radius()).now.clients, 6);
  assert.deepEqual((await radius()).asked, counted);
  assert.deepEqual((await stage.call(stage.admin, 'GET', '/v1/changes?open=true')).json.changes[0].blast_radius, await radius());
  const taken = await stage.call(stage.admin, 'POST', `${asked.headers.location}/cancel`, {}, { headers: { 'idempotency-key': 'taken-back' } });
  assert.equal(taken.status, 200, taken.body);
  assert.deepEqual(await radius(), { asked: counted, now: null });
  assert.equal((await list(stage, `?limit=1000`)).connections.some((c) => c.id === id), false);
  const gone = (await list(stage)).closed.find((c) => c.id === id);
  assert.deepEqual([gone.reason, gone.code], ['KICKED', 4014]);
  assert.ok(gone.backlog_bytes > 0 && gone.subscriptions === 2, 'as it was');
  assert.ok(Date.parse(gone.closed_at) >= Date.parse(gone.opened_at));
  slow.drop();
  const [ack] = await slow.connect(stage);
  assert.deepEqual([ack.result.gw.last_close.code, ack.result.gw.last_close.reason], [4014, 'KICKED']);
  assert.ok(ack.result.gw.last_close.queued_bytes > 0);

  // one whose socket moves hears it on the wire
  const heard = quick[0].next((m) => m.channel === 'gateway' && m.data[0].event === 'kick', 3000, 'the notice');
  assert.equal((await stage.call(stage.admin, 'DELETE', `/v1/connections/${idOf(quick[0])}`, why)).status, 200);
  assert.equal((await heard).data[0].reason, 'KICKED');
  assert.deepEqual(await quick[0].closed, { code: 4014, reason: 'KICKED' });
  assert.equal((await stage.call(stage.admin, 'DELETE', `/v1/connections/${idOf(quick[0])}`, why)).status, 404);
  assert.equal((await stage.call(stage.admin, 'DELETE', `/v1/connections/${2 ** 50}`, why)).status, 404);
  assert.equal((await stage.call(stage.admin, 'DELETE', '/v1/connections/x', why)).status, 422);
  assert.equal((await stage.metrics()).get('ws_close_total{reason="KICKED"}'), 2);
  const entries = await until('the entries', 5000, async () => {
    const { json } = await stage.call(stage.admin, 'GET', '/v1/audit?action=connection.close');
    return json.entries.length >= 2 && json.entries;
  });
  const entry = entries.find((e) => e.target === String(id));
  assert.deepEqual([entry.outcome, entry.reason, entry.ticket, entry.actor], ['done', why.reason, why.ticket, `key:${stage.keyId}`]);
  assert.equal(entry.after.ip, '127.0.0.1');

  quick[1].socket.close(1000);
  await quick[1].closed;
  const left = await until('it left', 3000, async () => (await list(stage)).closed.find((c) => c.id === idOf(quick[1])));
  assert.deepEqual([left.reason, left.code], ['PEER_LEFT', null]);
  const { closes } = (await stage.call(stage.admin, 'GET', '/v1/connections/summary')).json;
  assert.deepEqual([closes.KICKED, closes.PEER_LEFT >= 1, closes.SLOW_CONSUMER], [2, true, 0]);
  for (const c of quick) c.close();
  slow.drop();
}));

test('by key; who may look may not close; the last thousand of a shard', { timeout: 120000 }, () => withStage({}, async (stage) => {
  const reader = await keyFor(stage, 'looks', ['metrics.read']);
  const client = await keyFor(stage, 'client', ['ws.token']);
  const token = await until('a token', 5000, async () => (await stage.call(client, 'POST', '/v1/ws-token', {})).json?.token);
  const ws = await Client.connect(stage);
  const ack = await ws.subscribe({ channel: 'ticker', symbol: [SYMBOL], token });
  assert.equal(ack.success, true, ack.raw);
  const { connections } = await list(stage, `?key=${client.keyid}`);
  assert.deepEqual(connections.map((c) => c.id), [idOf(ws)]);
  await until('its key', 3000, async () => (await stage.call(reader, 'GET', '/v1/stats')).status !== 401);
  assert.equal((await stage.call(reader, 'GET', '/v1/connections')).status, 403);
  assert.equal((await stage.call(reader, 'DELETE', `/v1/connections/${idOf(ws)}`, why)).status, 403);
  for (const [query, pointer] of [['?limit=0', '/limit'], ['?limit=1001', '/limit'], ['?min_backlog=-1', '/min_backlog'], ['?ip=', '/ip']]) {
    const refused = await stage.call(stage.admin, 'GET', `/v1/connections${query}`);
    assert.equal(refused.status, 422, refused.body);
    assert.equal(refused.json.errors[0].pointer, pointer);
  }
  for (let batch = 0; batch < 21; batch++) {
    await Promise.all(Array.from({ length: 50 }, async () => {
      const c = await Client.connect(stage);
      await c.waitFor((m) => m.channel === 'status');
      c.socket.close(1000);
      await c.closed;
    }));
  }
  const { closed } = await list(stage, '?limit=1000');
  assert.equal(closed.length, 1000);
  assert.ok(closed.every((c, i) => i === 0 || c.closed_at <= closed[i - 1].closed_at), 'newest first');
  assert.equal((await stage.call(stage.admin, 'GET', '/v1/connections/summary')).json.closes.PEER_LEFT, 1050);
  assert.equal((await list(stage)).connections.length, 1);
}));

// Stops one thread, and no other, as a debugger does, until its input ends.
const holder = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
tid = int(sys.argv[1])
ok = libc.ptrace(0x4206, tid, None, None) == 0 and libc.ptrace(0x4207, tid, None, None) == 0
if ok: os.waitpid(tid, 0x40000000)
print("held" if ok else os.strerror(ctypes.get_errno()), flush=True)
sys.stdin.read()
if ok: libc.ptrace(17, tid, None, None)
`;

async function holdThread(stage, name) {
  const folder = `/proc/${stage.gateway.pid}/task`;
  const tid = readdirSync(folder).find((id) => readFileSync(path.join(folder, id, 'comm'), 'utf8').trim() === name);
  const child = stage.run('holder', 'python3', ['-c', holder, tid], { stdio: ['pipe', 'pipe', 'pipe'] });
  await until('the holder', 5000, () => child.output !== '');
  return { held: child.output.trim() === 'held', why: child.output.trim(), free: () => child.stdin.end() };
}

test('a shard that hangs is named after a second; the others answer', { timeout: 120000 }, (t) => withStage({ ws: { shards: 2 } }, async (stage) => {
  const clients = [];
  const spread = async () => (await stage.call(stage.admin, 'GET', '/v1/connections/summary')).json.shards.every((s) => s.connections > 0);
  do clients.push(await Client.connect(stage)); while (clients.length < 40 && !await spread());
  const before = await list(stage);
  const victim = before.connections.find((c) => c.shard === 1);
  const holder = await holdThread(stage, 'shard-1');
  if (!holder.held) {
    t.skip(`no leave to stop a thread here: ${holder.why}`);
    return;
  }
  const since = Date.now();
  const partial = await list(stage);
  const took = Date.now() - since;
  assert.ok(took > 900 && took < 2500, `${took} ms`);
  assert.deepEqual(partial.unanswered, ['shard-1']);
  assert.ok(partial.connections.length > 0 && partial.connections.every((c) => c.shard === 0));
  const summary = (await stage.call(stage.admin, 'GET', '/v1/connections/summary')).json;
  assert.deepEqual([summary.unanswered, summary.shards.map((s) => s.shard)], [['shard-1'], [0]]);
  const unknown = await stage.call(stage.admin, 'DELETE', `/v1/connections/${victim.id}`, why);
  assert.equal(unknown.status, 503);
  assert.match(unknown.json.detail, /shard-1/);
  assert.equal((await stage.call(stage.admin, 'DELETE', `/v1/connections/${partial.connections[0].id}`, why)).status, 200);
  assert.match(stage.gateway.errors, /shard_silent/);
  holder.free();
  await until('all answer again', 5000, async () => (await list(stage)).unanswered.length === 0);
  const entries = await until('the entry', 5000, async () => (await stage.call(stage.admin, 'GET', `/v1/audit?action=connection.close&target=${victim.id}`)).json.entries[0]);
  assert.equal(entries.outcome, 'failed');
  for (const c of clients) c.close();
}));
