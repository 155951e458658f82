// A master key is replaced: its secrets move to the newest one and go on working without the old one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { buildDir, onStage, until } from './harness/gateway.mjs';
import { Person } from './harness/people.mjs';
import { Signer } from './harness/signer.mjs';

const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

test('secrets of keys and second factors move to the newest master key, each once, with an event', { timeout: 120000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tape);
  await stage.startPostgres();
  await stage.startGateway({});
  stage.admin = new Signer(stage.keyId, stage.keyFile);
  await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
  const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'bot', label: 'bot', algorithm: 'hmac-sha256', scopes: ['keys.read'], reason: 'a test of master keys' });
  assert.equal(made.status, 201, made.body);
  const bot = new Signer(made.json.key.id, { secret: Buffer.from(made.json.secret, 'base64') });
  await until('the bot', 3000, async () => (await stage.call(bot, 'GET', '/v1/keys')).status === 200);
  const ana = Person.make(stage, 'ana', 'viewer');
  stage.sql(`UPDATE users SET totp_next = totp_sealed WHERE name = 'ana'`);
  const rewrap = () => spawnSync(path.join(buildDir, 'portcullis'), ['--config', stage.authConfig, '--rewrap-keys'], { encoding: 'utf8' });
  const versions = () => stage.sql(`SELECT master_version FROM api_keys WHERE secret_sealed IS NOT NULL`);

  const nothing = rewrap();
  assert.equal(nothing.status, 0, nothing.stdout + nothing.stderr);
  assert.match(nothing.stdout, /0 moved to version 1, 3 were there already/);
  const old = readFileSync(stage.masterKey, 'utf8');
  appendFileSync(stage.masterKey, `2:${randomBytes(32).toString('base64')}\n`);
  const before = stage.sql(`SELECT md5(secret_sealed) FROM api_keys WHERE secret_sealed IS NOT NULL`);
  const done = rewrap();
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /rewrap: 3 of 3\nrewrap: 3 moved to version 2, 0 were there already, 0 changed meanwhile, 0 cannot be moved/);
  assert.equal(versions(), '2');
  assert.notEqual(stage.sql(`SELECT md5(secret_sealed) FROM api_keys WHERE secret_sealed IS NOT NULL`), before);
  assert.equal(stage.sql(`SELECT string_agg(key_id || ' ' || detail, ', ' ORDER BY id) FROM key_events WHERE action = 'rewrap'`),
    [made.json.key.id, 'totp:ana', 'totp:ana'].map((id) => `${id} {"to": 2, "from": 1}`).join(', '));
  assert.match(stage.sql(`SELECT min(actor) FROM key_events WHERE action = 'rewrap'`), /^os:.* uid=\d+$/);
  assert.match(rewrap().stdout, /0 moved to version 2, 3 were there already/);

  // without the old master key all goes on
  const file2 = readFileSync(stage.masterKey, 'utf8');
  writeFileSync(stage.masterKey, file2.replace(old, ''));
  await stage.stopGateway();
  await stage.startGateway({});
  await until('the bot again', 10000, async () => (await stage.call(bot, 'GET', '/v1/keys')).status === 200);
  assert.equal((await ana.logIn()).status, 200);

  // what no key of the file opens stays, and is named
  writeFileSync(stage.masterKey, `7:${randomBytes(32).toString('base64')}\n`);
  const stuck = rewrap();
  assert.equal(stuck.status, 1);
  assert.match(stuck.stdout, new RegExp(`${made.json.key.id} stays under version 2: the file has no master key of that version`));
  assert.match(stuck.stdout, /3 cannot be moved\n  next: keep the older master keys/);
  writeFileSync(stage.masterKey, `2:${randomBytes(32).toString('base64')}\n7:${randomBytes(32).toString('base64')}\n`);
  assert.match(rewrap().stdout, /that master key does not open it/);
  assert.equal(versions(), '2');
}));
