// The stage for measurements of who may call: PostgreSQL, keys of every kind, the gateway on a core of its own.
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { buildDir, until } from '../../tests/e2e/harness/gateway.mjs';
import { Signer } from '../../tests/e2e/harness/signer.mjs';
import { exitOf, openStage, pinStage } from './stage.mjs';

export const tape = ['--data', 'synthetic', '--symbols', '1', '--rate', '50', '--seed', '5', '--time', 'now'];
// Enough for a measurement not to meet a limit that it does not measure.
export const wide = { write_per_minute: 600000, write_burst: 100000, read_per_minute: 600000, read_burst: 100000, token_per_minute: 600000,
  token_burst: 100000, halt_per_minute: 600000, halt_burst: 100000, preauth_per_minute: 600000, preauth_burst: 100000 };

export async function openAuthStage(pin) {
  const stage = await openStage();
  pinStage(stage, pin);
  stage.writeSymbols(tape);
  await stage.startPostgres();
  stage.admin = new Signer(stage.keyId, stage.keyFile);
  stage.agent = new https.Agent({ keepAlive: true, maxSockets: 16 });
  return stage;
}

export async function startGateway(stage, overrides) {
  await stage.startGateway(overrides);
  await until('the keys', 10000, async () => (await stage.call(stage.admin, 'GET', '/v1/keys?limit=1')).status === 200);
}

export async function closeAuthStage(stage) {
  stage.agent.destroy();
  await stage.close();
}

// A key made by the admin API: {id, file (as signflood reads it), signer}.
export async function issue(stage, algorithm, scopes, label = algorithm) {
  const file = path.join(stage.dir, `${randomBytes(4).toString('hex')}.key`);
  const pair = algorithm === 'ed25519' ? generateKeyPairSync('ed25519') : null;
  const answer = await stage.call(stage.admin, 'POST', '/v1/keys', { account: 'load', label, algorithm, scopes, reason: 'a measurement',
    ...(pair ? { public_key: pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64') } : {}) });
  if (answer.status !== 201) throw new Error(`no key: ${answer.status} ${answer.body}`);
  writeFileSync(file, pair ? pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) : `hmac-sha256:${answer.json.secret}\n`, { mode: 0o600 });
  const { id } = answer.json.key;
  return { id, file, signer: new Signer(id, pair ? file : { secret: Buffer.from(answer.json.secret, 'base64') }) };
}

export const usable = (stage, key, scope) => until(`key ${key.id}`, 5000,
  async () => (await stage.call(key.signer, scope === 'ws.token' ? 'POST' : 'GET', scope === 'ws.token' ? '/v1/ws-token' : '/v1/keys?limit=0')).status !== 401);

// One run of load/signflood against the admin listener; its report.
export async function signflood(stage, options, { polite = false } = {}) {
  const args = ['--port', String(stage.adminPort), '--ca', stage.ca];
  for (const [name, value] of Object.entries(options)) {
    if (value === true) args.push(`--${name}`);
    else if (value !== undefined && value !== false) args.push(`--${name}`, String(value));
  }
  const program = path.join(buildDir, 'load/signflood');
  // the flooder gives way on the cores that it shares with the client that is measured
  const child = polite ? stage.run('signflood', 'nice', ['-n', '15', program, ...args]) : stage.run('signflood', program, args);
  const code = await exitOf(child, 'signflood', ((options.duration ?? 5) + (options.warmup ?? 1) + 40) * 1000);
  if (code !== 0) throw new Error(`signflood: exit ${code}: ${child.errors} ${child.output}`);
  return JSON.parse(child.output);
}

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
export const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
export const commit = () => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
};
