// What strangers and careless programs send to signed routes: each has one clear answer, and changes nothing.
import assert from 'node:assert/strict';
import { createHmac, createHash } from 'node:crypto';
import { test } from 'node:test';
import { onStage, until } from './harness/gateway.mjs';
import { Signer } from './harness/signer.mjs';
import { addresses, Lane, wire } from './harness/wire.mjs';

const HOST = 'gateway.test';
const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];
const body = JSON.stringify({ account: 'evil', label: 'x', algorithm: 'hmac-sha256', scopes: [], reason: 'a bad request of a test' });

function withKeys(run) {
  return onStage(async (stage) => {
    stage.writeSymbols(tape);
    await stage.startPostgres();
    await stage.startGateway({ limits: { preauth_burst: 100000, preauth_per_minute: 600000, write_burst: 1000 } });
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
    const lane = new Lane(stage, addresses(11, 1));
    try {
      await run(stage, lane);
    } finally {
      lane.close();
    }
    assert.equal(stage.sql('SELECT count(*) FROM api_keys'), '1', 'no bad request has made a key');
    assert.equal(stage.gateway.exitCode, null);
  });
}

test('signatures that are not what they should be', { timeout: 60000 }, () => withKeys(async (stage) => {
  const post = (overrides) => stage.call(stage.admin, 'POST', '/v1/keys', undefined, { body, ...overrides });
  const refused = async (what, answer, reason, pattern) => {
    const given = await answer;
    assert.equal(given.status, 401, `${what}: ${given.status} ${given.body}`);
    const text = JSON.parse(given.body);
    assert.match(`${text.title}: ${text.detail}`, pattern, what);
    if (reason) assert.ok((await stage.metrics()).get(`auth_fail_total{reason="${reason}"}`) >= 1, `${what}: ${reason}`);
  };
  const all = ['@method', '@authority', '@path', '@query', 'content-type', 'content-digest'];
  for (const missing of all) {
    const url = `${stage.adminUrl}/v1/keys`;
    const components = all.filter((c) => c !== missing);
    await refused(`without ${missing}`, stage.send('POST', url, stage.admin.headers('POST', url, body, { components }), body), 'component_missing', new RegExp(`cover.*${missing}`));
  }
  const url = `${stage.adminUrl}/v1/keys?state=active`;
  const headers = (overrides) => stage.admin.headers('GET', url, undefined, overrides);
  const get = (h, at = url) => stage.send('GET', at, h);
  await refused('another path', get(headers(), `${stage.adminUrl}/v1/keys/${stage.keyId}?state=active`), 'bad_signature', /does not verify/);
  await refused('parameters in another order', get(headers(), `${stage.adminUrl}/v1/keys?state=active&limit=1`), 'bad_signature', /does not verify/);
  await refused('another method', stage.send('HEAD', url, headers()).then((a) => ({ ...a, body: '{"title":"-","detail":"-"}' })), 'bad_signature', /-/);
  await refused('another host', get({ ...headers(), host: 'localhost' }), 'bad_signature', /does not verify/);
  await refused('a component that is not there', get(headers({ components: [...all.slice(0, 4), 'x-other'] })), 'component_absent', /x-other/);
  const label = headers();
  label['signature-input'] = `${label['signature-input']}, ${label['signature-input']}`;
  await refused('a label twice', get(label), 'duplicate', /label or parameter twice/);
  const two = headers();
  await refused('the header twice', get({ ...two, signature: [two.signature, two.signature] }), 'repeated_header', /came more than once/);
  const parameter = headers({ parameters: `;created=1;created=2;expires=3;nonce="AAAAAAAAAAAAAAAAAAAAAAAA";keyid="${stage.keyId}";tag="gw-admin-v1"` });
  await refused('a parameter twice', get(parameter), 'duplicate', /twice/);
  await refused('an algorithm that we do not have', get(headers({ alg: 'rsa-pss-sha512' })), 'alg_unsupported', /ed25519 or hmac-sha256/);
  const hmac = new Signer(stage.keyId, { secret: Buffer.alloc(32, 7) });
  await refused("another algorithm than the key's", get(hmac.headers('GET', url)), 'alg_mismatch', /does not verify/);
  // the public key is no secret: as an HMAC secret it must not open anything
  const known = JSON.parse((await stage.call(stage.admin, 'GET', `/v1/keys/${stage.keyId}`)).body).key.public_key;
  await refused('HMAC with the public key', get(new Signer(stage.keyId, { secret: Buffer.from(known, 'base64') }).headers('GET', url)), 'alg_mismatch', /does not verify/);
  const now = Math.floor(Date.now() / 1000);
  await refused('good for a day', get(headers({ created: now, expires: now + 86400 })), 'lifetime', /60 s later/);
  await refused('expires before it was made', get(headers({ created: now, expires: now - 5 })), 'lifetime', /60 s later/);
  await refused('expired', get(headers({ created: now - 20, expires: now - 10 })), 'expired', /expired/);
  await refused('made tomorrow', get(headers({ created: now + 86400 })), 'clock_skew', /after server time/);
  await refused('a number for a time', get(headers({ parameters: `;created="now";expires=${now};nonce="AAAAAAAAAAAAAAAAAAAAAAAA";keyid="k";tag="gw-admin-v1"` })), 'param_bad', /created must be an integer/);
  await refused('no tag', get(headers({ parameters: `;created=${now};expires=${now + 9};nonce="AAAAAAAAAAAAAAAAAAAAAAAA";keyid="k"` })), 'param_missing', /tag/);
  await refused('a parameter of another kind', get(headers({ parameters: `;created=${now};expires=${now + 9};nonce="AAAAAAAAAAAAAAAAAAAAAAAA";keyid="k";tag="gw-admin-v1";colour="red"` })), 'param_unknown', /only these parameters/);
  await refused('a short signature', get({ ...headers(), signature: 'sig1=:AAAA:' }), 'signature_form', /64 \(ed25519\) or 32/);
  await refused('no base64', get({ ...headers(), signature: 'sig1=:!!!!:' }), 'syntax', /malformed at byte/);
  const md5 = stage.admin.headers('POST', `${stage.adminUrl}/v1/keys`, body, { headers: { 'content-digest': 'md5=:AAAA:' } });
  await refused('a digest we do not know', stage.send('POST', `${stage.adminUrl}/v1/keys`, md5, body), 'digest_unknown', /Content-Digest/);
  await refused('a signature without a body, sent with one', post({}), null, /./);
}));

test('bodies and heads that are not what they should be', { timeout: 60000 }, () => withKeys(async (stage, lane) => {
  const put = async (text, overrides = {}) => {
    const target = '/v1/keys';
    const headers = stage.admin.headers('POST', `https://${HOST}${target}`, text, overrides);
    const answer = await lane.send(wire('POST', target, HOST, headers, text));
    return { ...answer, json: answer.body.startsWith('{') ? JSON.parse(answer.body) : undefined };
  };
  const rows = [
    ['no JSON', '{"account":', 400, 'malformed', /not a JSON object/],
    ['no object', '[]', 400, 'malformed', /not a JSON object/],
    ['a member twice', '{"account":"a","account":"b"}', 400, 'malformed', /no member twice/],
    ['more behind it', '{"account":"a"} {}', 400, 'malformed', /not a JSON object/],
    ['not UTF-8', Buffer.from('{"account":"\xff\xfe"}', 'latin1').toString('latin1'), null, null, /./],
    ['a NUL', '{"account":"a\\u0000b","label":"x","algorithm":"ed25519","scopes":[],"reason":"a test of bodies"}', null, null, /./],
    ['too deep', `{"account":${'['.repeat(40)}${']'.repeat(40)}}`, 400, 'malformed', /./],
    ['very deep', `{"account":${'['.repeat(30000)}${']'.repeat(30000)}}`, 400, 'malformed', /./],
    ['another media type', '{}', 415, 'media-type', /content-type: application\/json/, { headers: { 'content-type': 'text/plain' } }],
    ['a number of 1000 digits', `{"overlap_s":${'9'.repeat(1000)}}`, null, null, /./],
  ];
  for (const [what, text, status, code, pattern, overrides] of rows) {
    const answer = await put(text, overrides);
    assert.ok(status === null ? answer.status === 400 || answer.status === 422 : answer.status === status, `${what}: ${answer.status} ${answer.body}`);
    if (code) assert.equal(answer.json.code, code, what);
    assert.match(`${answer.json.title}: ${answer.json.detail}`, pattern, what);
  }
  // a member that is not known is named, whatever it is called
  for (const [name, pointer] of [['colour', '/colour'], ['a/b~c', '/a~1b~0c'], ['"},"x":{"', '/"},"x":{"']]) {
    const answer = await put(JSON.stringify({ account: 'a', [name]: 1 }));
    assert.equal(answer.status, 422, answer.body);
    assert.equal(answer.json.code, 'validation');
    assert.equal(answer.json.errors[0].pointer, pointer, answer.body);
  }
  // longer than we read
  const large = await put(JSON.stringify({ account: 'x'.repeat(70000) }));
  assert.equal(large.status, 413, large.body);
  assert.match(large.json.detail, /longer than this listener accepts/);
  assert.equal((await put(JSON.stringify({ account: 'x'.repeat(1 << 20) }))).status, 413); // not even read
  // a megabyte of head is not read to its end
  for (const head of [`x-long: ${'y'.repeat(1 << 20)}`, `signature-input: sig1=("@method"${' "@path"'.repeat(100000)})`, Array.from({ length: 20000 }, (_, i) => `x-${i}: ${'y'.repeat(40)}`).join('\r\n')]) {
    const before = process.hrtime.bigint();
    const answer = await lane.send(Buffer.from(`GET /v1/keys HTTP/1.1\r\nhost: ${HOST}\r\n${head}\r\n\r\n`));
    assert.ok([0, 400, 431].includes(answer.status), `${answer.status} ${answer.body}`);
    assert.ok(process.hrtime.bigint() - before < 3000000000n);
  }
  assert.equal((await stage.call(stage.admin, 'GET', '/v1/keys')).status, 200, 'and the next one is served');
}));

test("Kraken's scheme: a nonce from the far future burns nothing; one nonce, no signature, another body are told", { timeout: 60000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  await stage.startGateway({ limits: { preauth_burst: 100000, preauth_per_minute: 600000, token_burst: 1000 } });
  const admin = new Signer(stage.keyId, stage.keyFile);
  await until('the keys', 10000, async () => (await stage.call(admin, 'GET', '/v1/keys')).status === 200);
  const made = await stage.call(admin, 'POST', '/v1/keys', { account: 'bot', label: 'kraken', algorithm: 'hmac-sha512-kraken', scopes: ['ws.token'], reason: 'a test of nonces' });
  const path = '/0/private/GetWebSocketsToken';
  const ask = async (nonce, { form = `nonce=${nonce}`, sent = form, headers = {} } = {}) => {
    const hash = createHash('sha256').update(`${nonce}${form}`).digest();
    const sign = createHmac('sha512', Buffer.from(made.json.secret, 'base64')).update(path).update(hash).digest('base64');
    const answer = await stage.send('POST', `${stage.publicUrl}${path}`, { 'api-key': made.json.key.id, 'api-sign': sign, 'content-type': 'application/x-www-form-urlencoded', ...headers }, sent);
    assert.equal(answer.status, 200);
    return JSON.parse(answer.body).error;
  };
  await until('the key', 5000, async () => (await ask(Date.now())).length === 0);
  const far = ['EAPI:Invalid nonce'];
  for (const nonce of [Date.now() + 3600000, (BigInt(Date.now()) + 86400000n) * 1000n, (BigInt(Date.now()) + 600000n) * 1000000n, '18446744073709551615', '18446744073709551616', '-1', '1e9', '', '0', 'x']) {
    assert.deepEqual(await ask(nonce), far, `nonce ${nonce}`);
  }
  assert.deepEqual(await ask(Date.now() + 5), []);
  const last = Date.now() + 10;
  assert.deepEqual(await ask(last), []);
  assert.deepEqual(await ask(last), far);
  assert.deepEqual(await ask(last + 5, { form: `nonce=${last + 5}&nonce=${last + 6}` }), far);
  assert.deepEqual(await ask(last + 7, { sent: `nonce=${last + 8}` }), ['EAPI:Invalid key']);
  assert.deepEqual(await ask(last + 9, { headers: { 'api-sign': 'AAAA' } }), ['EAPI:Invalid key']);
  assert.deepEqual(await ask(last + 9), [], 'and what was refused has not spent it');
  // Redis begins anew: what it has forgotten was signed before
  await stage.killRedis();
  await stage.startRedis();
  await until('Redis again', 5000, async () => (await stage.call(admin, 'GET', '/v1/keys')).status === 200);
  await stage.stopGateway(); // nor does the gateway itself remember
  await stage.startGateway({ limits: { preauth_burst: 100000, preauth_per_minute: 600000, token_burst: 1000 } });
  await until('the keys again', 8000, async () => (await stage.call(admin, 'GET', '/v1/keys')).status === 200);
  for (const nonce of [last, last + 9]) assert.deepEqual(await ask(nonce), far, 'used before');
  await until('new ones', 8000, async () => (await ask(Date.now())).length === 0);
}));
