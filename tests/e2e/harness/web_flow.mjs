// What a person does on the page of an incident, and what flows need around it: playbooks that count seconds instead of
// minutes, keys of reporters, Debian's Alertmanager.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, until } from './gateway.mjs';
import { knows } from './gate.mjs';
import { Signer } from './signer.mjs';
import { confirm, sheetOf } from './web_people.mjs';

const shipped = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../docs/playbooks');

// The shipped playbooks, of whose exit conditions each is met after SECONDS.
export function quickPlaybooks(stage, seconds = 2) {
  const dir = path.join(stage.dir, 'playbooks');
  cpSync(shipped, dir, { recursive: true });
  for (const name of readdirSync(dir)) {
    const file = path.join(dir, name);
    writeFileSync(file, readFileSync(file, 'utf8').replace(/need: \d\d+$/gm, `need: ${seconds}`));
  }
  return dir;
}

// What the gateway answers to the person at PAGE.
export const read = (page, target) => page.evaluate(async (t) => (await fetch(t)).json(), target);

// What the page itself says went wrong; not what the browser says of a gateway that was away.
const lost = /ERR_|WebSocket connection to/;
export async function blameless(page, where) {
  assert.deepEqual(page.wrong.filter((text) => !lost.test(text)), [], where);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], `${where}: policy`);
}

// --- sheets -----------------------------------------------------------------------------------------------------------

const gone = (page, what) => until(`${what}: the sheet closes`, 10000, async () => (await page.getByRole('dialog').count()) === 0);

async function fill(sheet, fields) {
  for (const [label, value] of Object.entries(fields)) {
    const field = sheet.getByLabel(new RegExp(`^${label}`));
    if ((await field.evaluate((e) => e.tagName)) === 'SELECT') await field.selectOption(value);
    else await field.fill(value);
  }
}

// Fills FIELDS of the open sheet by their labels, presses VERB and waits until the gateway has done it.
async function press(page, fields, verb, { refused } = {}) {
  const sheet = sheetOf(page);
  await fill(sheet, fields);
  await sheet.getByRole('button', { name: verb, exact: true }).click();
  if (refused) {
    await sheet.getByRole('alert').getByText(refused).first().waitFor();
    await page.keyboard.press('Escape');
  }
  await gone(page, verb);
}

// The same of the sheet that BUTTON opens. REFUSED: how the gateway refuses it.
export async function act(page, button, fields, verb, options) {
  await page.getByRole('button', { name: button }).first().click();
  await press(page, fields, verb, options);
}

export const stepOf = (page, id) => page.locator(`#step-${id}`);
const stepDone = (page, id) => stepOf(page, id).getByText(/^done .*by /).waitFor();

// Ticks the step ID by hand.
export async function tick(page, id, notes) {
  await stepOf(page, id).getByRole('button', { name: /^Done( by other means)?…/ }).click();
  await press(page, notes ? { Notes: notes } : {}, 'Done');
  await stepDone(page, id);
}

// Answers the question of the step ID.
export async function answer(page, id, word, notes) {
  await stepOf(page, id).getByRole('button', { name: new RegExp(`^${word}…`) }).click();
  await press(page, notes ? { Notes: notes } : {}, 'Answer');
  await until(`${id}: ${word}`, 8000, async () => (await stepOf(page, id).locator('.given').innerText()).startsWith(word));
}

// What the step ID looks at, as it is shown there.
export async function look(page, id) {
  await stepOf(page, id).getByRole('button', { name: /^Look/ }).click();
  const shown = stepOf(page, id).locator('.looked pre');
  await shown.waitFor();
  return JSON.parse(await shown.innerText());
}

// Opens the acting sheet of the step ID and fills it; SAID: what the sheet says when it was pressed.
export async function carryOut(page, id, { fields = {}, reason, typed, button, said }) {
  await stepOf(page, id).getByRole('button', { name: /^Act/ }).click();
  await fill(sheetOf(page), fields);
  await confirm(page, { reason, typed, button });
  await sheetOf(page).getByText(said).first().waitFor();
  await page.keyboard.press('Escape');
  await gone(page, button);
}

// The second person approves the request that waits, in her own browser.
export async function approveFirst(page, typed) {
  await until('it waits', 8000, () => page.getByRole('button', { name: 'pending approvals 1' }).count());
  await page.getByRole('button', { name: 'pending approvals 1' }).click();
  await page.locator('.waiting button').first().click();
  await sheetOf(page).getByText('Asked for by').waitFor();
  const text = await sheetOf(page).innerText();
  await confirm(page, { typed, button: 'Approve' });
  await sheetOf(page).getByText('Approved, in force.').waitFor();
  await page.keyboard.press('Escape');
  return text;
}

// --- who reports ------------------------------------------------------------------------------------------------------

// A bearer key that may report, known by the gateway: its token.
export async function reporter(stage, account) {
  stage.admin ??= new Signer(stage.keyId, stage.keyFile);
  await knows(stage);
  const made = await stage.call(stage.admin, 'POST', '/v1/keys', { account, label: account, algorithm: 'bearer', scopes: ['report.write'], reason: 'a test of flows' });
  assert.equal(made.status, 201, made.body);
  const { token } = made.json;
  await until('the token', 10000, async () => (await report(stage, token, 'POST', '/v1/signals', { signals: [] })).status === 200);
  return token;
}

export const report = (stage, token, method, target, body) => stage.send(method, `${stage.adminUrl}${target}`, { 'content-type': 'application/json', authorization: `Bearer ${token}` }, JSON.stringify(body));

export const alertmanager = ['/usr/bin/prometheus-alertmanager', '/usr/bin/alertmanager'].find(existsSync);

// Debian's Alertmanager, whose receiver is the gateway: a function that gives it alerts.
export async function startAlertmanager(stage, token) {
  const [tokenFile, config, port] = [path.join(stage.dir, 'token'), path.join(stage.dir, 'alertmanager.yml'), await freePort()];
  writeFileSync(tokenFile, token, { mode: 0o600 });
  writeFileSync(config, `route: {receiver: portcullis, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: portcullis
    webhook_configs:
      - url: ${stage.adminUrl}/v1/alerts/alertmanager
        send_resolved: true
        http_config:
          authorization: {type: Bearer, credentials_file: ${tokenFile}}
          tls_config: {ca_file: ${stage.ca}}
`);
  stage.run('alertmanager', alertmanager, [`--config.file=${config}`, `--storage.path=${path.join(stage.dir, 'am')}`, `--web.listen-address=127.0.0.1:${port}`, '--cluster.listen-address=']);
  await until('Alertmanager', 20000, async () => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok);
  return async (alerts) => {
    const answered = await fetch(`http://127.0.0.1:${port}/api/v2/alerts`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(alerts) });
    assert.equal(answered.status, 200);
  };
}
