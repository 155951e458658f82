// People at the dashboard: a stage with PostgreSQL, users with TOTP, and what a person does in her browser.
import { Browser, dist, live } from './browser.mjs';
import { onStage, until } from './gateway.mjs';
import { Person } from './people.mjs';

const tape = (symbols, rate = 300) => ['--data', 'synthetic', '--symbols', String(symbols), '--rate', String(rate), '--seed', '11', '--time', 'now'];
export const wide = { login_burst: 2000, login_per_minute: 60000, session_burst: 5000, session_per_minute: 60000, halt_burst: 1000, halt_per_minute: 60000,
  preauth_burst: 5000, read_burst: 1000, write_burst: 1000 };

// BODY(stage, browser) with stage.person(name, roles) and a market that does not end. OVERRIDES may be made of the stage.
export const withPeople = (body, { symbols = 12, rate = 300, overrides: given = {} } = {}) => onStage(async (stage) => {
  stage.writeSymbols(tape(symbols, rate));
  await stage.startPostgres();
  stage.person = (name, roles) => Person.make(stage, name, roles);
  const overrides = typeof given === 'function' ? given(stage) : given;
  stage.overrides = { ...overrides, admin: { web_dir: dist, ...overrides.admin }, limits: { ...wide, ...overrides.limits } };
  await stage.startGateway(stage.overrides);
  stage.feeding = stage.feed(...tape(symbols, rate), '--loop', 'forever');
  const browser = await Browser.open();
  try {
    await body(stage, browser);
  } finally {
    await browser.close();
  }
});

// Gives fresh codes in BOX until it closes: one that grew too old on a busy machine is refused.
async function untilTaken(box, person, button) {
  for (let tries = 0; ; tries++) {
    await box.getByLabel('Code').fill(await person.code());
    await box.getByRole('button', { name: button, exact: true }).click();
    const refused = await Promise.race([box.waitFor({ state: 'detached' }).then(() => false),
      box.getByRole('alert').filter({ hasText: 'is wrong' }).waitFor({ timeout: 30000 }).then(() => true, () => false)]);
    if (!refused) break;
    if (tries === 2) throw new Error(await box.getByRole('alert').innerText());
  }
  await box.waitFor({ state: 'detached' });
}

// Signs PERSON in on the sign-in page that is open in PAGE.
export async function signIn(page, person) {
  const box = page.getByRole('dialog', { name: 'Sign in' });
  await box.getByLabel('Name').fill(person.name);
  await box.getByLabel('Password').fill(person.password);
  await untilTaken(box, person, 'Sign in');
}

// PERSON at PATH in a browser of her own.
export async function signedIn(browser, stage, person, path = '/overview', options = {}) {
  const page = await browser.page(stage, options);
  await page.goto(path);
  await signIn(page, person);
  await live(page);
  return page;
}

export const sheetOf = (page, name) => page.getByRole('dialog', name ? { name } : undefined).last();

// Gives a code of PERSON where the page asks for one.
export async function giveFactor(page, person) {
  await untilTaken(page.getByRole('dialog', { name: 'Your second factor' }), person, 'Go on');
}

// Fills the sheet that is open and presses BUTTON.
export async function confirm(page, { reason, ticket, typed, button }) {
  const sheet = sheetOf(page);
  if (reason) await sheet.getByLabel(/^Reason/).fill(reason);
  if (ticket) await sheet.getByLabel(/^Ticket/).fill(ticket);
  if (typed) await sheet.getByLabel(/^Type .* to confirm/).fill(typed);
  await until(`${button} can be pressed`, 5000, async () => sheet.getByRole('button', { name: button, exact: true }).isEnabled());
  await sheet.getByRole('button', { name: button, exact: true }).click();
}
