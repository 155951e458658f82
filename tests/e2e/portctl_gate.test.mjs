// portctl on the control state of a real gateway, with PostgreSQL and Redis: two keys of two accounts as two persons;
// typed confirmation on a pseudo terminal; what programs get with --json; exit codes; PostgreSQL away.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, onStage, sleep, until } from './harness/gateway.mjs';

const within = { timeout: 180000, skip: existsSync(path.join(buildDir, 'portctl')) ? false : 'no portctl: build that target' };
const tape = ['--data', 'synthetic', '--symbols', '2', '--rate', '50', '--seed', '5', '--time', 'now'];
const [DONE, REFUSED, USAGE, UNREACHABLE, , WAITING] = [0, 1, 2, 3, 4, 5];
const why = ['--reason', 'a test of portctl', '--ticket', 'OPS-1'];

function run(stage, args, env = {}, { file = path.join(buildDir, 'portctl'), input } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: stage.dir, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, ASAN_OPTIONS: process.env.ASAN_OPTIONS ?? '', ...env } });
    const result = { out: '', err: '' };
    const timer = setTimeout(() => child.kill('SIGKILL'), 30000);
    child.stdout.on('data', (data) => { result.out += data; });
    child.stderr.on('data', (data) => { result.err += data; });
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...result, code, line: `portctl ${args.join(' ')}` });
    });
    if (input !== undefined) child.stdin.end(input);
  });
}

// Ends with CODE and says WORDS; what did not work says what to do next.
function ends(result, code, words = /^/) {
  const said = `${result.line}\n${result.out}\n${result.err}`;
  assert.equal(result.code, code, said);
  assert.match(result.out + result.err, words, said);
  if (code !== DONE) assert.match(result.err, /^ {2}next: \S/m, said);
  return result;
}

function withGate(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ limits: { preauth_burst: 5000, read_burst: 1000, write_burst: 1000, halt_burst: 1000 },
      gate: { state_dir: stage.stateDir(), stage_hold: '1s', ...overrides } });
    const settings = (file, id) => ({ ADMIN_URL: stage.adminUrl, PORTCTL_CA: stage.ca, ADMIN_KEY_FILE: file, ADMIN_KEY_ID: id });
    const first = settings(stage.keyFile, stage.keyId);
    await until('the keys', 10000, async () => (await run(stage, ['key', 'list'], first)).code === 0);
    const people = {};
    for (const [name, scopes] of [['ana', ['control.read', 'control.halt', 'control.open', 'control.fanout', 'audit.read']],
      ['ben', ['control.read', 'control.halt', 'control.open', 'control.fanout', 'audit.read']], ['eve', ['control.read']]]) {
      const made = await run(stage, ['--json', 'key', 'new', '--account', name, '--label', name, '--out', `${name}.pem`,
        '--reason', 'a test of portctl', '--ip', '127.0.0.0/8', ...scopes.flatMap((s) => ['--scope', s])], first);
      const env = settings(`${name}.pem`, JSON.parse(ends(made, DONE).out).key.id);
      await until(`the key of ${name}`, 5000, async () => (await run(stage, ['status'], env)).code === 0);
      const ctl = (...args) => run(stage, args, env);
      ctl.env = env;
      ctl.json = async (...args) => JSON.parse((await ctl('--json', ...args)).out);
      people[name] = ctl;
    }
    await body(stage, people);
  });
}

const mode = async (ctl, symbol) => (await ctl.json('request', 'GET', `/v1/symbols/${encodeURIComponent(symbol)}`)).effective_mode;
const quoted = (args) => args.map((a) => `'${a}'`).join(' ');

test('portctl: halted by one, resumed by two', within, () => withGate({}, async (stage, { ana, ben, eve }) => {
  const clean = ends(await ana('status'), DONE);
  for (const line of [/^orders +accepted$/m, /^kill switch +off$/m, /^withdrawals +open$/m, /PostgreSQL answers/, /^journal +0 to be entered$/m,
    /held back\nnothing$/m, /waiting for a second person\nnothing$/m]) assert.match(clean.out, line);

  const dry = ends(await ana('halt', 'BTC/USD', '--dry-run', ...why), DONE);
  assert.match(dry.out, /^mode +BTC\/USD +NORMAL +-> +SOFT_HALT +TIGHTEN/m);
  assert.match(dry.out, /^needs +one person/m);
  assert.match(dry.out, /^reaches +symbols 1, clients 0, subscriptions 0, keys 1, at version \d+$/m);
  const shape = await ana.json('halt', 'BTC/USD', '--dry-run', ...why);
  assert.deepEqual([shape.dry_run, shape.diff.direction, shape.needs], [true, 'TIGHTEN', 'one person']);
  assert.equal(await mode(ana, 'BTC/USD'), 'NORMAL', 'a dry run changes nothing');

  ends(await ana('halt', 'BTC/USD', ...why), USAGE, /no terminal.*nothing was sent[^]*--yes/);
  ends(await eve('halt', 'BTC/USD', '--yes', ...why), REFUSED, /403 forbidden-role\): this needs the permission control\.tighten/);
  assert.equal(await mode(ana, 'BTC/USD'), 'NORMAL');

  const halt = ends(await ana('halt', 'BTC/USD', '--until', '2s', '--yes', ...why), DONE, /^done: in force after \d+\.\d{3} ms; audit \d+$/m);
  assert.match(halt.err, /NORMAL +-> +SOFT_HALT/);
  assert.equal(await mode(ana, 'BTC/USD'), 'SOFT_HALT');
  const again = await ana('--json', 'halt', 'BTC/USD', '--until', '30m', '--yes', ...why);
  assert.equal(JSON.parse(ends(again, DONE).out).outcome, 'done', 'a new time is a change');
  const hard = JSON.parse(ends(await ben('--json', 'halt', 'BTC/USD', '--hard', '--until', '3s', '--yes', ...why), DONE).out);
  assert.deepEqual([hard.outcome, hard.resource.mode, hard.unconfirmed], ['done', 'HARD_HALT', []]);
  ends(await ana('halt', 'ETH/USD', '--hard', '--yes', ...why), DONE);
  ends(await ana('halt', 'ETH/USD', '--hard', '--yes', ...why), DONE, /done: in force/);
  await sleep(3000);
  const held = ends(await ana('status'), DONE, /1 decision is due/);
  assert.match(held.out, /^mode +BTC\/USD +HARD_HALT +\d{4}-\S+ \S+ +\d{4}-\S+ \S+ DECISION DUE +account:ben +OPS-1 +a test of portctl$/m);
  assert.match(held.out, /^symbols held back: 2$/m);

  // the way back, one step at a time
  ends(await ana('resume', 'BTC/USD', '--to', 'NORMAL', '--yes', ...why), REFUSED, /409 illegal-transition/);
  ends(await ana('resume', 'BTC/USD', '--yes', '--reason', 'no ticket given'), REFUSED, /\/ticket: name the ticket/);
  ends(await ana('resume', 'BTC/USD', '--yes', '--reason', 'a bad ticket', '--ticket', 'x'), REFUSED, /\/ticket: a ticket looks like/);
  const ask = ends(await ana('resume', 'BTC/USD', '--yes', ...why), WAITING, /requested: change \S{26} waits for a second person/);
  const id = /change (\S{26})/.exec(ask.out)[1];
  assert.match(ask.err, new RegExp(`next: another person: portctl approve ${id}`));
  assert.match(ask.err, /HARD_HALT +-> +CANCEL_ONLY +LOOSEN[^]*a second person/);
  assert.equal(await mode(ana, 'BTC/USD'), 'HARD_HALT');
  const open = await ben.json('changes', '--open');
  assert.deepEqual(open.changes.map((c) => [c.id, c.state, c.requested_by]), [[id, 'pending', 'account:ana']]);
  for (const name of ['created_at', 'expires_at']) assert.match(open.changes[0][name], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/, name);
  assert.match(ends(await ben('changes'), DONE).out, new RegExp(`^${id} +pending +symbol\\.mode +\\S*BTC/USD +account:ana`, 'm'));
  assert.match(ends(await ben('status'), DONE).out, new RegExp(`second person\n.*\n${id}`));
  const shown = ends(await ben('change', 'show', id), DONE);
  assert.match(shown.out, /^hash +[0-9a-f]{64}$/m);
  assert.match(shown.out, /HARD_HALT +-> +CANCEL_ONLY/);
  assert.match(shown.out, /^reached then +symbols 1, clients 0, subscriptions 0, keys 1, at version \d+\nreaches now +symbols 1, clients 0, subscriptions 0, keys 1, at version \d+$/m);
  ends(await ben('change', 'show', '01ARZ3NDEKTSV4RRFFQ69G5FAV'), REFUSED, /404 not-found/);
  ends(await ana('approve', id, '--yes'), REFUSED, /403 self-approval[^]*next: another person/);
  ends(await ben('cancel', id), REFUSED, /403 .*only account:ana can cancel/);
  ends(await ben('approve', id), USAGE, /no terminal/);
  const approved = ends(await ben('approve', id, '--yes', '--reason', 'books are whole'), DONE, /^done: in force after .*; audit \d+$/m);
  assert.match(approved.err, /HARD_HALT +-> +CANCEL_ONLY[^]*^reaches now +symbols 1/m, 'it is shown before it is approved');
  assert.equal(await mode(ana, 'BTC/USD'), 'CANCEL_ONLY');
  ends(await ben('approve', id, '--yes'), REFUSED, /409 change-decided/);

  const second = JSON.parse(ends(await ana('--json', 'resume', 'BTC/USD', '--yes', ...why), WAITING, /how the state was validated/).out);
  assert.equal(second.outcome, 'requested');
  ends(await ben('reject', second.change, '--reason', 'not yet, books differ'), DONE, /^decided; audit \d+$/m);
  const third = JSON.parse(ends(await ana('--json', 'resume', 'BTC/USD', '--yes', ...why), WAITING).out);
  ends(await ana('cancel', third.change), DONE, /^decided/m);
  const fourth = JSON.parse(ends(await ana('--json', 'resume', 'BTC/USD', '--yes', ...why), WAITING).out);
  assert.equal((JSON.parse(ends(await ben('--json', 'approve', fourth.change, '--yes'), DONE).out)).outcome, 'done');
  ends(await ana('resume', 'BTC/USD', '--yes', ...why), REFUSED, /NORMAL already[^]*portctl status/);
  assert.deepEqual((await ben.json('changes')).changes.map((c) => c.state), ['approved', 'cancelled', 'rejected', 'approved']);

  // a request whose cell has moved meanwhile has to be made anew
  const stale = JSON.parse(ends(await ana('--json', 'resume', 'ETH/USD', '--yes', ...why), WAITING).out);
  ends(await ben('mode', 'ETH/USD', 'HARD_HALT', '--until', '1h', '--yes', ...why), DONE);
  ends(await ben('approve', stale.change, '--yes'), REFUSED, /412 version-conflict\): ETH\/USD has changed/);
}));

test('portctl: kill switch, lists, withdrawals, throttles, accounts, fan-out, upstream', within, () => withGate({}, async (stage, { ana, ben }) => {
  const twice = async (...args) => {
    const asked = JSON.parse(ends(await ana('--json', ...args, '--yes', ...why), WAITING).out);
    return ends(await ben('approve', asked.change, '--yes'), DONE, /done: in force/);
  };
  const cells = async () => Object.fromEntries((await ana.json('status')).cells.map((c) => [`${c.kind} ${c.target}`, c.value]));

  ends(await ana('mode', '--symbols', 'BTC/USD,ETH/USD', 'CANCEL_ONLY', '--yes', ...why), DONE, /done: in force/);
  assert.deepEqual([await mode(ana, 'BTC/USD'), await mode(ana, 'ETH/USD')], ['CANCEL_ONLY', 'CANCEL_ONLY']);
  await twice('mode', '--symbols', 'BTC/USD,ETH/USD', 'NORMAL');
  ends(await ana('mode', '--symbols', 'BTC/USD,NO/SUCH', 'CANCEL_ONLY', '--yes', ...why), REFUSED, /NO\/SUCH/);
  ends(await ana('mode', 'SOFT_HALT', '--yes', ...why), USAGE, /mode what\? one of: SYMBOL, --symbols/);
  ends(await ana('mode', 'BTC/USD', 'SLOW', '--yes', ...why), REFUSED, /\/mode: must be NORMAL, CANCEL_ONLY/);
  ends(await ana('halt', '--all', '--yes', ...why), DONE);
  assert.match(ends(await ana('resume', 'BTC/USD', '--yes', ...why), REFUSED).err, /resume --all/);
  await twice('resume', '--all');

  ends(await ana('kill', 'on', '--yes', ...why), DONE, /done: in force/);
  assert.match(ends(await ana('status'), DONE).out, /^orders +NOT ACCEPTED[^]*^kill switch +ENGAGED[^]*^kill +global +engaged /m);
  ends(await ana('kill', 'release', '--percent', '101', '--yes', ...why), USAGE, /0 to 100/);
  await twice('kill', 'release', '--symbols', 'BTC/USD', '--percent', '10');
  assert.deepEqual((await cells())['kill global'], { engaged: true, released_symbols: ['BTC/USD'], released_percent: 10 });
  const early = JSON.parse((await ana('--json', 'kill', 'release', '--yes', ...why)).out);
  if (early.code === undefined) assert.fail('the stage has to hold');
  assert.equal(early.code, 'stage-hold');
  await sleep(1100);
  await twice('kill', 'release');
  assert.deepEqual((await cells())['kill global'], { engaged: false, released_symbols: [], released_percent: 0 });
  ends(await ana('kill', 'on', '--scope', 'adapter:fix1', '--yes', ...why), DONE);
  await twice('kill', 'release', '--scope', 'adapter:fix1');

  ends(await ana('withdrawals', 'halt', '--asset', 'BTC', '--yes', ...why), DONE);
  ends(await ana('withdrawals', 'halt', '--yes', ...why), DONE);
  assert.deepEqual([(await cells())['withdrawals *'], (await cells())['withdrawals BTC']], [{ halted: true }, { halted: true }]);
  await twice('withdrawals', 'resume', '--asset', 'BTC');
  await twice('withdrawals', 'resume');
  ends(await ana('withdrawals', 'resume', '--yes', ...why), DONE, /nothing to do/);

  ends(await ana('throttle', 'BTC/USD', '100', '--yes', ...why), DONE);
  ends(await ana('throttle', 'BTC/USD', '10', '--yes', ...why), DONE);
  assert.deepEqual((await cells())['throttle BTC/USD'], { orders_per_s: 10 });
  ends(await ana('throttle', 'BTC/USD', 'x', '--yes', ...why), USAGE, /nor off/);
  await twice('throttle', 'BTC/USD', 'off');
  ends(await ana('account', 'pause', 'mm1', '--yes', ...why), DONE);
  assert.deepEqual((await cells())['account mm1'], { paused: true });
  await twice('account', 'resume', 'mm1');

  ends(await ana('fanout', 'degraded', '--yes', ...why), USAGE, /--for 15m/);
  ends(await ana('fanout', 'degraded', '--for', '15m', '--conflation', '250', '--yes', ...why), DONE);
  const fanout = (await cells())['fanout *'];
  assert.deepEqual([fanout.profile, fanout.conflation_ms], ['degraded', 250]);
  assert.ok(Math.abs(Date.parse(fanout.expires_at) - Date.now() - 900000) < 60000);
  ends(await ana('fanout', 'normal', '--yes', ...why), DONE);
  ends(await ana('upstream', 'alternate', '--yes', ...why), DONE);
  assert.deepEqual((await cells())['upstream *'], { active: 'alternate' });
  ends(await ana('upstream', 'primary', '--yes', ...why), DONE);
  assert.match(ends(await ana('status'), DONE).out, /held back\nnothing$/m);
}));

test('portctl: what has to be typed on a terminal', within, () => withGate({}, async (stage, { ana, ben }) => {
  const onTerminal = (ctl, args, input) => run(stage, ['-qec', `${path.join(buildDir, 'portctl')} ${quoted(args)}`, '/dev/null'], ctl.env, { file: 'script', input });
  for (const [args, wrong, word] of [[['halt', 'BTC/USD'], 'btc/usd', 'BTC/USD'], [['halt', '--all'], 'BTC/USD', 'ALL'],
    [['mode', '--symbols', 'BTC/USD,ETH/USD', 'HARD_HALT'], 'ALL', '2 SYMBOLS'], [['kill', 'on'], 'yes', 'KILL'],
    [['withdrawals', 'halt', '--asset', 'BTC'], 'ALL', 'BTC'], [['account', 'pause', 'mm1'], '', 'mm1']]) {
    const before = (await ana.json('status')).stats.control_version;
    const no = await onTerminal(ana, [...args, ...why], `${wrong}\n`);
    assert.equal(no.code, USAGE, no.out);
    assert.match(no.out, new RegExp(`Type ${word} to go on: [^]*nothing was done`));
    assert.match(no.out, /BEFORE[^]*needs +one person[^]*reaches/, 'shown first');
    assert.equal((await ana.json('status')).stats.control_version, before);
    const yes = await onTerminal(ana, [...args, ...why], `${word}\n`);
    assert.equal(yes.code, DONE, yes.out);
    assert.match(yes.out, /done: in force/);
  }
  const asked = await onTerminal(ana, ['kill', 'release', ...why], 'RELEASE\n');
  assert.equal(asked.code, WAITING, asked.out);
  const id = /change (\S{26})/.exec(asked.out)[1];
  assert.equal((await onTerminal(ben, ['approve', id], 'KILL\n')).code, USAGE);
  const done = await onTerminal(ben, ['approve', id], 'RELEASE\n');
  assert.equal(done.code, DONE, done.out);
  assert.match(done.out, /^requested by +account:ana\r$/m);
  assert.match(done.out, /^reaches now +symbols 2, clients 0, subscriptions 0, keys \d+, at version \d+\r$/m);
  // what was typed goes along, and the gateway compares it; --yes types nothing
  const texts = stage.sql("SELECT (record::json->>'text')::json->>'confirm' FROM change_requests");
  assert.equal(texts.trim(), 'RELEASE');
  ends(await ana('withdrawals', 'resume', '--asset', 'BTC', '--yes', ...why), WAITING);
  assert.deepEqual(stage.sql("SELECT coalesce((record::json->>'text')::json->>'confirm', 'none') FROM change_requests ORDER BY id").trim().split('\n'), ['RELEASE', 'none']);
}));

test('portctl: PostgreSQL stopped: halts are journaled, nothing resumes, and both are said', within, () => withGate({}, async (stage, { ana, ben }) => {
  ends(await ana('halt', 'ETH/USD', '--yes', ...why), DONE);
  const asked = JSON.parse(ends(await ana('--json', 'resume', 'ETH/USD', '--yes', ...why), WAITING).out);
  stage.postgres.stdin.end();
  await new Promise((resolve) => stage.postgres.once('exit', resolve));
  const began = Date.now();
  const halt = ends(await ana('halt', 'BTC/USD', '--yes', ...why), DONE, /done: in force after .*; journaled as \S{26}/);
  assert.ok(Date.now() - began < 5000);
  assert.match(halt.err, /PostgreSQL has not taken it: the journal of the gateway keeps it/);
  const hard = JSON.parse(ends(await ana('--json', 'halt', 'BTC/USD', '--hard', '--yes', ...why), DONE).out);
  assert.deepEqual([hard.outcome, hard.audit], ['journaled', null]);
  // a busy machine may also be slow with Redis, and then another 503 comes first
  const resume = await until('the reason', 15000, async () => {
    const result = ends(await ana('resume', 'ETH/USD', '--yes', ...why), REFUSED, /503/);
    return /503 (audit-unavailable|journal-not-entered)/.test(result.err) && result;
  });
  assert.match(resume.err, /next: (nothing was changed, halts work all the same|try again in a moment; portctl status)/);
  ends(await ben('approve', asked.change, '--yes'), REFUSED, /503/);
  const status = await until('the status', 15000, async () => {
    const result = await ana('status');
    return result.code === DONE && result;
  });
  assert.match(status.out, /PostgreSQL IS AWAY/);
  assert.match(status.out, /^journal +2 to be entered$/m);
  assert.match(status.out, /waiting for a second person\nnot known: PostgreSQL is away$/m);
  assert.equal((await ana.json('status')).changes, null);
  ends(await ana('changes'), REFUSED, /503/);
}));

test('portctl: request and sign', within, () => withGate({}, async (stage, { ana, eve }) => {
  const stats = JSON.parse(ends(await ana('request', 'GET', '/v1/stats'), DONE).out);
  assert.equal(stats.accepting_orders, true);
  const body = JSON.stringify({ mode: 'SOFT_HALT', reason: 'a test of portctl', ticket: 'OPS-1' });
  writeFileSync(path.join(stage.dir, 'halt.json'), body);
  const target = '/v1/symbols/BTC%2FUSD/mode';
  const put = ends(await ana('request', 'PUT', target, '--header', 'If-Match: *', '--body', 'halt.json', '--include'), DONE);
  assert.match(put.out, /^HTTP\/1\.1 200 [^]*\netag: "\d+"\r\n[^]*"outcome":"done"/i);
  const none = ends(await ana('request', 'PUT', target, '--body', 'halt.json'), REFUSED, /428 precondition-required/);
  assert.equal(JSON.parse(none.out).code, 'precondition-required');
  ends(await eve('request', 'PUT', target, '--header', 'If-Match: *', '--body', 'halt.json'), REFUSED, /403/);
  for (const [args, words] of [[['FROB', '/'], /no method/], [['GET', 'v1'], /not a path/], [['GET', '/v1/a b'], /not a path/],
    [['GET', '/', '--header', 'Host: x'], /makes that one itself/], [['GET', '/', '--header', 'x'], /Name: value/],
    [['GET', '/', '--header', 'A: b\r\nC: d'], /Name: value/], [['PUT', '/', '--body', 'nowhere'], /cannot read --body/]]) {
    ends(await ana('request', ...args), USAGE, words);
    ends(await ana('sign', ...args), USAGE, words);
  }
  const once = 'the-same-name';
  const release = JSON.stringify({ symbols: ['ETH/USD'], mode: 'SOFT_HALT', reason: 'a test of portctl' });
  for (const replayed of [false, true]) {
    const answer = ends(await run(stage, ['request', 'POST', '/v1/symbols:set-mode', '--header', `Idempotency-Key: ${once}`, '--body', '-', '--include'], ana.env, { input: release }), DONE);
    assert.equal(/^idempotency-replayed: true\r$/im.test(answer.out), replayed, answer.out);
  }
  const curl = (line) => run(stage, ['-c', line], { ...ana.env, PATH: `${buildDir}:${process.env.PATH}` }, { file: 'bash' });
  const got = await curl(`portctl sign GET '/v1/symbols?halted=true' | curl -sS --cacert ${stage.ca} -H @- '${stage.adminUrl}/v1/symbols?halted=true'`);
  assert.deepEqual(JSON.parse(got.out).symbols.map((s) => s.symbol), ['BTC/USD', 'ETH/USD'], got.err);
  const halt = await curl(`portctl sign PUT ${target} --header 'If-Match: *' --body halt.json | curl -sS --cacert ${stage.ca} -H @- -X PUT --data-binary @halt.json ${stage.adminUrl}${target}`);
  assert.equal(JSON.parse(halt.out).outcome, 'done', halt.out + halt.err);
}));

// Between portctl and the gateway: cuts the connection after the request has been handed on, TIMES times.
async function withCutter(stage, times, body) {
  let left = times;
  const server = createServer((client) => {
    const upstream = connect(stage.adminPort, '127.0.0.1');
    let sent = 0;
    client.on('data', (data) => { sent += data.length; upstream.write(data); });
    // the first answers are the handshake's; one that follows a request is lost
    upstream.on('data', (data) => {
      if (left > 0 && sent > 1200) {
        left--;
        client.destroy();
        upstream.destroy();
      } else {
        client.write(data);
      }
    });
    for (const s of [client, upstream]) s.on('error', () => { client.destroy(); upstream.destroy(); });
    client.on('end', () => upstream.end());
    upstream.on('end', () => client.end());
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  try {
    await body(server.address().port, () => left);
  } finally {
    server.close();
  }
}

test('portctl: the network fails: a POST is repeated under its Idempotency-Key; a gateway that is away is exit code 3', within, () => withGate({}, async (stage, { ana }) => {
  ends(await ana('kill', 'on', '--yes', ...why), DONE);
  // TLS is not opened here: what is cut is told by its size
  await withCutter(stage, 2, async (port, left) => {
    const body = JSON.stringify({ engaged: false, reason: 'a test of portctl', ticket: 'OPS-1' });
    const env = { ...ana.env, ADMIN_URL: `https://localhost:${port}` };
    const asked = ends(await run(stage, ['request', 'POST', '/v1/kill-switch/release-requests', '--header', 'Idempotency-Key: cut-twice',
      '--body', '-', '--include'], env, { input: body }), DONE, /asking again under the same Idempotency-Key/);
    assert.equal(left(), 0);
    assert.match(asked.out, /idempotency-replayed: true/i);
    assert.equal((await ana.json('changes', '--open')).changes.length, 1, 'one request, however often it was sent');
  });
  await stage.stopGateway();
  ends(await ana('status'), UNREACHABLE, /cannot reach/);
  ends(await ana('halt', 'BTC/USD', '--yes', ...why), UNREACHABLE, /cannot reach/);
}));

test('portctl: audit search, check, export and verify; cancel-all and commands', within, () => withGate({}, async (stage, { ana, ben, eve }) => {
  for (const symbol of ['BTC/USD', 'ETH/USD']) ends(await ana('halt', symbol, '--yes', ...why), DONE);
  const asked = JSON.parse(ends(await ana('--json', 'resume', 'BTC/USD', '--yes', '--reason', 'prices agree again', '--ticket', 'OPS-2'), WAITING).out);
  ends(await ben('approve', asked.change, '--yes'), DONE);
  const found = ends(await ana('audit', 'search', '--ticket', 'OPS-2', '--order', 'asc'), DONE).out.trim().split('\n');
  assert.equal(found.length, 3, found.join('\n'));
  assert.match(found[1], /^\d+ +\d{4}-\d\d-\d\d \S+Z +key:pk_\w+ +symbol\.mode +\S*.*BTC\/USD +requested +OPS-2 +prices agree again$/);
  assert.match(found[2], / approved /);
  const page = ends(await ana('audit', 'search', '--action', 'symbol.mode', '--limit', '2'), DONE, /--cursor \S+/);
  assert.equal(page.out.trim().split('\n').length, 3);
  ends(await ana('audit', 'search', '--action', 'symbol.mode', '--limit', '2', '--cursor', /--cursor (\S+)/.exec(page.err)[1]), DONE);
  ends(await ana('audit', 'search', '--ticket', 'OPS-99'), DONE, /no such records/);
  ends(await ana('audit', 'search', '--from', 'yesterday'), REFUSED, /\/from: a time in UTC/);
  assert.ok((await ana.json('audit', 'search')).entries.length >= 4);
  ends(await eve('audit', 'search'), REFUSED, /403/);
  ends(await ana('audit', 'check'), DONE, /records whole and in order/);

  const whole = ends(await ana('audit', 'export', '--limit', '2'), DONE, /[1-9]\d* records$/m);
  ends(await ana('audit', 'export', '--out', 'a.ndjson'), DONE);
  ends(await ana('audit', 'export', '--out', 'a.ndjson'), USAGE, /cannot make a\.ndjson/);
  const lines = readFileSync(path.join(stage.dir, 'a.ndjson'), 'utf8');
  assert.ok(lines.startsWith(whole.out), 'in pages of two it is the same');
  ends(await run(stage, ['audit', 'verify', '--file', 'a.ndjson']), DONE, /records whole and in order/);
  writeFileSync(path.join(stage.dir, 'b.ndjson'), lines.replace('prices', 'prizes'));
  ends(await run(stage, ['audit', 'verify', '--file', 'b.ndjson']), REFUSED);

  ends(await ana('cancel-all', 'BTC/USD', ...why), USAGE, /no terminal/);
  ends(await ana('cancel-all', '--yes', ...why), USAGE, /of what/);
  ends(await ana('cancel-all', 'NO/SUCH', '--yes', ...why), REFUSED, /404 not-found/);
  assert.match(ends(await ana('cancel-all', 'BTC/USD', '--dry-run', ...why), DONE).out, /^would send: POST \/v1\/symbols\/BTC%2FUSD\/cancel-all/);
  const told = ends(await ana('cancel-all', 'BTC/USD', '--yes', ...why), DONE, /portctl commands/);
  const id = /^id +(\S{26})$/m.exec(told.out)[1];
  const { command } = JSON.parse(ends(await ana('--json', 'cancel-all', '--all', '--yes', ...why), DONE).out);
  assert.deepEqual([command.kind, command.target], ['cancel_all', '*']);
  assert.match(ends(await ana('commands'), DONE).out, new RegExp(`^core +has not spoken[^]*^Redis +answers[^]*^${id} +cancel_all +BTC/USD +\\w+ +- `, 'm'));
  assert.deepEqual((await ana.json('commands', '--symbol', 'BTC/USD')).commands.map((c) => c.id), [id]);
  ends(await ana('command', 'cancel', id, '--reason', 'sent by mistake'), DONE, /^state +/m);
  ends(await ana('command', 'cancel', '01ARZ3NDEKTSV4RRFFQ69G5FAV', '--reason', 'sent by mistake'), REFUSED, /404/);
}));
