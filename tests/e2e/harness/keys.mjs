// A gateway with a small market whose first key is known, and more Ed25519 keys of it.
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { onStage, until } from './gateway.mjs';
import { Signer } from './signer.mjs';

export const keysTape = ['--data', 'synthetic', '--symbols', '1', '--rate', '100', '--seed', '5', '--time', 'now'];

export function withKeys(overrides, body) {
  return onStage(async (stage) => {
    stage.writeSymbols(keysTape);
    await stage.startPostgres();
    await stage.startGateway(overrides);
    stage.admin = new Signer(stage.keyId, stage.keyFile);
    await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys')).status === 200);
    await body(stage);
  });
}

// A new Ed25519 key: its signer and its record.
export async function newKey(stage, scopes, more = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.pem`);
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'desk', label: 'test', algorithm: 'ed25519',
    public_key: raw.toString('base64'), scopes, reason: 'a test of keys', ...more });
  assert.equal(answer.status, 201, answer.body);
  return { id: answer.json.key.id, signer: new Signer(answer.json.key.id, file), record: answer.json.key, raw };
}

// The gateway's copy of the keys holds every change made so far.
export async function upToDate(stage) {
  const epoch = Number(stage.sql('SELECT epoch FROM revocation_epoch'));
  await until('the copy of the keys', 5000, async () => (await stage.metrics()).get('auth_keys_epoch') >= epoch);
}
