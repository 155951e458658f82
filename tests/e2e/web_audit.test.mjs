// The audit log in the browser: the records are hashed and linked there, against what the gateway really wrote; every way to
// tamper with a page is refused and shown in its place; the signed head, the walk through the whole log, the files.
import assert from 'node:assert/strict';
import { createPublicKey, randomInt, verify } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { needsBrowser, webFolder } from './harness/browser.mjs';
import { buildDir, until } from './harness/gateway.mjs';
import { chain, knows, newKey, put, verifyChain, withGate } from './harness/gate.mjs';
import { Person } from './harness/people.mjs';
import { signedIn, withPeople } from './harness/web_people.mjs';
import { Signer } from './harness/signer.mjs';

const src = path.join(webFolder, 'src');
const { csv, differences, judge, parseExport, parsePage, preimage, readNote, timeOf, Unreadable } = await import(path.join(src, 'data/chain.js'));
const within = { timeout: 240000 };

// Records with everything that is hard to spell.
const REASONS = ['a plain reason', 'with "quotes", \\ and / in it', 'größer, 価格がおかしい, 🚨 emoji', `long ${'x'.repeat(480)}`];
async function fill(stage, signer, count) {
  for (let i = 0; i < count; i++) {
    const answer = await put(stage, signer, `/v1/accounts/mm${i}/trading`, { paused: true, reason: REASONS[i % REASONS.length], ticket: `OPS-${i % 4}` });
    assert.ok([200, 202].includes(answer.status), answer.body); // 202: in force, entered a little later
  }
  await until('all are entered', 20000, () => Number(stage.sql("SELECT count(*) FROM audit_entries WHERE action = 'account.trading'")) >= count);
}

const tampered = async (text, options = {}) => {
  try {
    const { entries } = parsePage(text);
    return await judge(entries.reverse(), options);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { ok: false, fault: { code: 'unreadable' } };
  }
};

test('what the gateway wrote is whole for the browser too; one byte, one row, two rows: each is found', within, () => withGate({ gate: { stage_hold: '1s' } }, async (stage) => {
  await fill(stage, stage.ana, 24);
  const get = async (target) => {
    const answer = await stage.call(stage.admin, 'GET', target);
    assert.equal(answer.status, 200, answer.body);
    return answer.body;
  };
  const rows = verifyChain(stage);
  const text = await get('/v1/audit?limit=1000');
  const whole = await tampered(text);
  assert.deepEqual([whole.ok, whole.records, whole.links], [true, rows.length, rows.length - 1], JSON.stringify(whole.fault));
  assert.equal(whole.head, rows.at(-1).hash);
  const lines = await get('/v1/audit/export?limit=1000');
  const exported = parseExport(lines);
  assert.ok((await judge(exported)).ok);
  assert.deepEqual(exported.map((e) => e.hash), rows.map((r) => r.hash));
  // control bytes, as a journal from elsewhere may bring them: one spelling is read, another is not
  const odd = { ...exported[0], reason: 'a\u0001b\n', time: undefined };
  const spelled = (reason) => lines.split('\n')[0].replace(/"reason":"[^"]*"/, `"reason":"${reason}"`);
  odd.hash = Buffer.from(await crypto.subtle.digest('SHA-256', preimage(odd))).toString('hex');
  const line = spelled('a\\u0001b\\u000a').replace(/"hash":"[0-9a-f]{64}"/, `"hash":"${odd.hash}"`);
  assert.ok((await judge(parseExport(`${line}\n`))).ok);
  assert.throws(() => parseExport(`${spelled('a\\u0001b\\n')}\n`), Unreadable);
  assert.throws(() => parseExport(`${spelled('a\\u0061')}\n`), Unreadable);

  // any byte of a record: what it is, where it stands, what it looks like
  const end = text.lastIndexOf('],"next":');
  const start = '{"entries":['.length;
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const at = randomInt(start, end);
    const old = text[at];
    const fresh = String.fromCharCode(old.charCodeAt(0) === 0x30 ? 0x31 : 0x30);
    const result = await tampered(text.slice(0, at) + fresh + text.slice(at + 1));
    assert.equal(result.ok, false, `byte ${at}: ${text.slice(at - 30, at)}[${old} -> ${fresh}]${text.slice(at + 1, at + 30)}`);
    refused++;
  }
  assert.equal(refused, 400);
  const { entries } = parsePage(text); // newest first
  const log = [...entries].reverse();
  for (let i = 1; i < log.length - 1; i += 3) {
    const gone = await judge(log.filter((_, k) => k !== i));
    assert.deepEqual([gone.fault.code, gone.fault.seq, gone.fault.expected], ['missing', log[i + 1].seq, log[i].seq]);
    const swapped = [...log];
    [swapped[i], swapped[i + 1]] = [swapped[i + 1], swapped[i]];
    const wrong = await judge(swapped);
    assert.deepEqual([wrong.ok, wrong.fault.seq], [false, log[i + 1].seq]);
    assert.equal((await judge([...log.slice(0, i + 1), log[i], ...log.slice(i + 1)])).fault.code, 'out_of_order', 'twice');
  }
  // rewritten with its hash: it does not follow any more, or another claims its place
  const forged = { ...log[5], actor: 'user:mallory' };
  forged.hash = Buffer.from(await crypto.subtle.digest('SHA-256', preimage(forged))).toString('hex');
  assert.deepEqual([(await judge([...log.slice(0, 5), forged, ...log.slice(6)])).fault.code, (await judge([...log.slice(0, 6), forged])).fault.code], ['unlinked', 'fork']);
  // and everything behind it as well: only the signed head tells
  const history = log.slice(0, 5).concat(forged);
  for (const entry of log.slice(6)) {
    const next = { ...entry, prev_hash: history.at(-1).hash };
    next.hash = Buffer.from(await crypto.subtle.digest('SHA-256', preimage(next))).toString('hex');
    history.push(next);
  }
  assert.equal((await judge(history)).ok, true);
  const mark = { seq: log.at(-1).seq, hash: log.at(-1).hash };
  assert.equal((await judge(history, { mark })).fault.code, 'rewritten');
  assert.equal((await judge(log.slice(0, -1), { mark, complete: true })).fault.code, 'truncated');
  assert.equal((await judge(log.filter((e) => e.seq % 2), { partial: true })).ok, true, 'a filter leaves records out');
  assert.equal(csv(exported).split('\r\n').length, rows.length + 2 + exported.reduce((n, e) => n + (e.reason.match(/\r\n/g)?.length ?? 0), 0));
  for (const e of log) assert.equal(timeOf(e), e.time);
}));

test('the signed head: the note of the anchors file, its signature checked; a changed note or key is not', within, () => withGate({}, async (stage) => {
  await fill(stage, stage.ana, 3);
  const anchor = await until('a signed head', 10000, async () => {
    const answer = await stage.call(stage.admin, 'GET', '/v1/audit/anchor');
    return answer.status === 200 && answer.json;
  });
  const files = readdirSync(stage.dir, { recursive: true }).map(String);
  const file = (name) => readFileSync(path.join(stage.dir, files.find((f) => f.endsWith(name))), 'utf8');
  assert.ok(file('audit.anchors').includes(anchor.note), 'byte by byte what is in the file');
  assert.equal(file('audit.key.pub').trim(), anchor.key);
  assert.equal(chain(stage).find((r) => r.seq === anchor.seq).hash, anchor.hash);
  const head = await readNote(anchor.note, anchor.key);
  assert.deepEqual([head.seq, head.hash], [anchor.seq, anchor.hash]);
  // a second opinion on the signature
  const raw = Buffer.from(anchor.key.split('+').slice(2).join('+'), 'base64').subarray(1);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  const text = anchor.note.slice(0, anchor.note.lastIndexOf('\n\n') + 1);
  assert.ok(verify(null, Buffer.from(text), createPublicKey({ key: spki, format: 'der', type: 'spki' }), Buffer.from(anchor.note.trimEnd().split(' ').at(-1), 'base64').subarray(4)));
  assert.equal(head.signature, 'good');
  const other = anchor.note.replace(`\n${anchor.seq}\n`, `\n${anchor.seq + 1}\n`);
  assert.equal((await readNote(other, anchor.key)).signature, 'bad');
  await assert.rejects(readNote(anchor.note, `x${anchor.key}`), /does not match its id/);
  await assert.rejects(readNote(anchor.note.replaceAll('portcullis', 'portcullix'), anchor.key), /another log/);
}));

test('differences: leaves that moved, by name', () => {
  assert.deepEqual(differences([{ kind: 'mode', target: 'BTC/USD', mode: 'NORMAL', version: 1 }], [{ kind: 'mode', target: 'BTC/USD', mode: 'SOFT_HALT', version: 2 }]).filter((d) => !d.same),
    [{ path: 'mode BTC/USD.mode', before: 'NORMAL', after: 'SOFT_HALT', same: false }, { path: 'mode BTC/USD.version', before: '1', after: '2', same: false }]);
  assert.deepEqual(differences(undefined, { a: null }), [{ path: 'a', before: undefined, after: 'null', same: false }]);
});

// --- in a browser ---------------------------------------------------------------------------------------------------

const PAGE = /\/v1\/audit\?/;
const alter = (page, change) => page.route(PAGE, async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, body: change(await response.text()) });
});
const refusal = (page) => page.locator('.refusal[role=alert]');
const verdict = (page) => page.locator('.verdicts');

const onAudit = (body, roles = 'security,auditor,admin') => withPeople(async (stage, browser) => {
  stage.admin = new Signer(stage.keyId, stage.keyFile);
  await knows(stage);
  stage.ana = await newKey(stage, 'ana');
  await fill(stage, stage.ana, 12);
  const olga = stage.person('olga', roles);
  await until('a signed head', 15000, async () => (await stage.call(stage.admin, 'GET', '/v1/audit/anchor')).status === 200);
  const page = await signedIn(browser, stage, olga, '/audit');
  await body(stage, browser, page, olga);
  assert.deepEqual(page.wrong, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], 'policy');
});

test('verified on the screen, live, one record with before and after, the whole log here and there, files that portctl verifies', { ...needsBrowser, ...within }, () => onAudit(async (stage, browser, page) => {
  await verdict(page).getByText(/records hashed here/).waitFor();
  await verdict(page).getByText('signature good').waitFor();
  const count = () => page.locator('.grid tbody tr:not(.gap)').count();
  const before = await count();
  assert.ok(before >= 12);
  assert.equal(await page.locator('.mark.k-ok').count(), before, 'each is marked as whole');
  await put(stage, stage.ana, '/v1/withdrawals', { halted: true, reason: 'live in the browser', ticket: 'OPS-77' });
  await page.getByText('live in the browser').first().waitFor({ timeout: 8000 });
  // one record, by keyboard
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.record').getByText('Where it stands').waitFor();
  assert.match(page.url(), /\/audit\/\d+/);
  await page.goto(page.url());
  await page.locator('.record').getByText('the same', { exact: true }).waitFor();
  const row = chain(stage).findLast((r) => r.action === 'withdrawals.set');
  await page.goto(`/audit/${row.seq}`);
  await page.locator('.record .diff ins').first().waitFor();
  assert.match(await page.locator('.record .diff').innerText(), /halted[\s\S]*true/);
  await page.goto('/audit');
  await page.getByRole('button', { name: 'Verify all here' }).click();
  const last = chain(stage).length;
  await verdict(page).getByText(/hashed and linked in this browser/).waitFor({ timeout: 15000 });
  assert.match(await verdict(page).innerText(), new RegExp(`(${last - 1}|${last}|${last + 1}) records from 1 to`));
  await page.getByRole('button', { name: 'Ask the gateway' }).click();
  await verdict(page).getByText(/The gateway: \d+ records whole and in order/).waitFor();
  // filters are in the address and on the gateway
  await page.getByRole('searchbox', { name: 'Words in the record' }).fill('live in the browser');
  await until('one row', 5000, async () => (await count()) === 1);
  assert.match(page.url(), /q=live/);
  await verdict(page).getByText('A filter leaves records out').waitFor();
  await page.goto('/audit');
  await verdict(page).getByText(/records hashed here/).waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export NDJSON' }).click()]);
  const file = path.join(stage.dir, 'browser.ndjson');
  writeFileSync(file, readFileSync(await download.path()));
  const result = JSON.parse(execFileSync(path.join(buildDir, 'portctl'), ['--json', 'audit', 'verify', '--file', file], { encoding: 'utf8' }));
  assert.ok(result.ok && result.records >= last, JSON.stringify(result));
  const [table] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  assert.match(readFileSync(await table.path(), 'utf8'), /^seq,id,time,time_ns,[^\r]*\r\n1,01/);
}));

test('a tampered page is refused: one byte, a row removed, two swapped, a record behind our back; the first bad one is marked in its place', { ...needsBrowser, ...within }, () => onAudit(async (stage, browser, page) => {
  await verdict(page).getByText(/records hashed here/).waitFor();
  const split = (text) => ({ head: '{"entries":[', rows: parsePage(text).entries.map((_, i, all) => text.slice(...bounds(text, i, all.length))), tail: text.slice(text.lastIndexOf('],"next":')) });
  const bounds = (text, i, n) => {
    let at = '{"entries":['.length;
    for (let k = 0; k < i; k++) at = text.indexOf(',{"seq":', at) + 1;
    return [at, i === n - 1 ? text.lastIndexOf('],"next":') : text.indexOf(',{"seq":', at)];
  };
  const join = ({ head, rows, tail }) => head + rows.join(',') + tail;
  const onRows = (change) => (text) => {
    const parts = split(text);
    change(parts.rows);
    return join(parts);
  };
  const cases = [
    ['one byte', (text) => text.replace('a plain reason', 'a plaim reason'), /contents do not match its hash/],
    ['a row removed', onRows((rows) => rows.splice(4, 1)), /records before this one are missing: record \d+/],
    ['two swapped', onRows((rows) => { [rows[3], rows[4]] = [rows[4], rows[3]]; }), /missing|wrong place/],
    ['a row twice', onRows((rows) => rows.splice(4, 0, rows[4])), /wrong place or twice/],
    ['another order of members', (text) => text.replace(/"actor":("[^"]*"),"session":("[^"]*")/, '"session":$2,"actor":$1'), /not in the form the log is written in/],
    ['a time that is not hashed', (text) => text.replace(/"time":"20/, '"time":"21'), /not in the form the log is written in/],
  ];
  for (const [what, change, words] of cases) {
    await alter(page, change);
    await page.goto('/audit');
    await refusal(page).waitFor({ timeout: 10000 });
    assert.match(await refusal(page).innerText(), words, what);
    assert.match(await verdict(page).innerText(), /refused/, what);
    if (!/not in the form/.test(await refusal(page).innerText())) {
      const bad = page.locator('.grid tbody tr:has(.mark.k-bad)');
      assert.equal(await bad.count(), 1, `${what}: marked in its place`);
      assert.ok(await bad.isVisible());
      assert.ok(await page.getByRole('button', { name: 'Older records' }).count() === 0 || await page.getByRole('button', { name: 'Older records' }).isDisabled());
      if (what === 'a row removed') await page.locator('.grid').getByText(/record \d+ is missing/).waitFor();
    } else assert.equal(await page.locator('.grid tbody tr:not(.gap)').count(), 0, `${what}: nothing of it is shown`);
    await page.unroute(PAGE);
    await page.getByRole('button', { name: 'Load it again' }).click();
    await verdict(page).getByText(/records hashed here/).waitFor();
    assert.equal(await refusal(page).count(), 0, what);
  }
  // history changes while somebody looks: what was seen and what is told now cannot both be true
  const victim = chain(stage).findLast((r) => r.reason === 'a plain reason' && r.action === 'account.trading');
  const forged = { ...parsePage((await stage.call(stage.admin, 'GET', `/v1/audit?from_seq=${victim.seq}&order=asc&limit=1`)).body).entries[0], reason: 'a forged reason' };
  const hash = Buffer.from(await crypto.subtle.digest('SHA-256', preimage(forged))).toString('hex');
  await alter(page, (text) => text.replace(new RegExp(`("seq":${victim.seq},.*?)a plain reason(.*?),"hash":"${victim.hash}"`), `$1a forged reason$2,"hash":"${hash}"`));
  await put(stage, stage.ana, '/v1/withdrawals', { halted: true, reason: 'so that it is asked again', ticket: 'OPS-78' });
  await refusal(page).getByText(/two records claim this place/).waitFor({ timeout: 8000 });
  await page.locator('.grid').getByText('a forged reason').waitFor();
  await page.unroute(PAGE);
  // a walk through the whole log finds it too
  await page.goto('/audit');
  await verdict(page).getByText(/records hashed here/).waitFor();
  await alter(page, (text) => (text.includes('order=asc') ? text : text.replace('"actor":"key:', '"actor":"kez:')));
  await page.getByRole('button', { name: 'Verify all here' }).click();
  await verdict(page).getByText(/broken/).waitFor();
  await page.unroute(PAGE);
}));

test('the signed head on the screen: bad, unreadable, and a browser without Ed25519; who may not see it is told which role does', { ...needsBrowser, ...within }, () => onAudit(async (stage, browser, page, olga) => {
  const anchor = (change) => page.route('**/v1/audit/anchor', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: change(await response.json()) });
  });
  await anchor((a) => ({ ...a, note: a.note.replace(`\n${a.seq}\n`, `\n${a.seq - 1}\n`) }));
  await page.goto('/audit');
  await verdict(page).getByText('signature bad').waitFor();
  await page.unroute('**/v1/audit/anchor');
  await anchor((a) => ({ ...a, key: a.key.replace(/^./, 'x') }));
  await page.goto('/audit');
  await verdict(page).getByText(/The signed head cannot be used/).waitFor();
  await page.unroute('**/v1/audit/anchor');
  const old = await page.context().newPage();
  await old.addInitScript(() => {
    const real = crypto.subtle.importKey.bind(crypto.subtle);
    crypto.subtle.importKey = (format, data, algorithm, ...rest) => (algorithm?.name === 'Ed25519' ? Promise.reject(new DOMException('no', 'NotSupportedError')) : real(format, data, algorithm, ...rest));
  });
  await old.goto('/audit');
  await verdict(old).getByText('signature not checked').waitFor();
  await verdict(old).getByText('This browser has no Ed25519').waitFor();
  await old.close();
  const vera = Person.make(stage, 'vera', 'viewer');
  const hers = await signedIn(browser, stage, vera, '/audit');
  await hers.getByText('Your roles do not reach this').waitFor();
  assert.match(await hers.locator('main').innerText(), /audit\.read: the role security, auditor or admin/);
}));

test('who may what is what the gateway says: roles of the pages', () => {
  const roles = readFileSync(path.join(webFolder, '../docs/reference/ROLES.md'), 'utf8');
  const head = /\| permission \| what .*\n/.exec(roles)[0].split('|').map((c) => c.trim());
  const who = readFileSync(path.join(src, 'screens/desk/who.js'), 'utf8');
  for (const [, permission, list] of who.matchAll(/'([a-z]+\.[a-z]+)': \[([^\]]+)\]/g)) {
    const cells = roles.split('\n').find((l) => l.startsWith(`| \`${permission}\``)).split('|').map((c) => c.trim());
    const expected = head.filter((h, i) => /^`/.test(h) === false && cells[i] === 'x');
    assert.deepEqual(list.match(/[a-z_]+/g), expected.map((h) => h.replaceAll('`', '')), permission);
  }
});
