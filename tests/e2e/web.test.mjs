// The dashboard in a real browser on the real gateway: it loads under its policy, the ladder is the book, keys reach
// everything, it says when it is disconnected, and 1,695 symbols are no burden.
import assert from 'node:assert/strict';
import test from 'node:test';
import { dist, live, needsBrowser, onDashboard as withBrowser, open, SCREENS } from './harness/browser.mjs';
import { sleep, until } from './harness/gateway.mjs';

async function blameless(page, where) {
  assert.deepEqual(page.wrong, [], where);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), [], `${where}: policy`);
}

test('every screen: no violation of the policy, no error; what the gateway does not offer is said from its own answer', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/');
  assert.match(page.url(), /\/$/);
  for (const path of SCREENS) {
    await page.goto(path);
    await live(page);
    await sleep(path.startsWith('/market') || path === '/connections' ? 5000 : 500);
    await blameless(page, path);
  }
  await page.goto('/market/BTC-USD');
  await page.waitForSelector('.candle-plot canvas');
  await page.waitForSelector('.area-depth canvas');
  for (const [path, words] of [['/incidents', 'GET /v1/incidents answered 404'], ['/audit', 'GET /v1/audit answered 404'], ['/drills', 'GET /v1/drills answered 404']]) {
    await page.goto(path);
    await page.getByText(words).waitFor();
    assert.equal((await stage.get(stage.adminUrl + words.split(' ')[1])).status, 404);
  }
  const banner = await page.locator('.banner').innerText();
  assert.match(banner, /market:\s+ONLINE/);
  assert.match(banner, /kill switch: not offered/);
}));

// The ladder as it is drawn: [price, quantity] of a side, best first.
const drawn = (page) => page.evaluate(() => {
  const table = document.querySelector('.ladder');
  const rows = [...table.querySelectorAll('tbody tr:not(.gap)')].map((tr) => [...tr.cells].map((td) => td.textContent.replaceAll(',', '')));
  return { seq: Number(table.dataset.seq), bids: rows.map((r) => [r[2], r[1]]), asks: rows.map((r) => [r[3], r[4]]), sums: rows.map((r) => [r[0], r[5]]) };
});

// Sums by integers of the last decimal, as the page does not.
function sums(levels) {
  let sum = 0n;
  const decimals = levels[0][1].split('.')[1].length;
  return levels.map(([, qty]) => {
    sum += BigInt(qty.replace('.', ''));
    const text = String(sum).padStart(decimals + 1, '0');
    return `${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
  });
}

test('the ladder is the book REST gives at the same sequence, with its running totals, at 20, 50 and in full', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/market/BTC-USD');
  await page.waitForSelector('.ladder tbody td');
  await stage.feeding;
  const rest = await until('the end of the market', 15000, async () => {
    const a = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=1000`);
    await sleep(400);
    const b = await stage.json(`${stage.publicUrl}/v1/md/BTC-USD/book?depth=1000`);
    return a.seq === b.seq && b;
  });
  for (const [name, count] of [['20', 20], ['50', 50], ['Full', 40]]) {
    await page.getByRole('group', { name: 'Levels a side' }).getByRole('button', { name, exact: true }).click();
    const table = await until(`${name} levels`, 5000, async () => {
      const t = await drawn(page).catch(() => null);
      return t && t.seq === rest.seq && t.bids.length >= count && t;
    });
    for (const side of ['bids', 'asks']) assert.deepEqual(table[side].slice(0, count), rest[side].slice(0, count), `${side} of ${name}`);
    assert.deepEqual(table.sums.slice(0, count).map((s) => s[0]), sums(rest.bids.slice(0, count)));
    assert.deepEqual(table.sums.slice(0, count).map((s) => s[1]), sums(rest.asks.slice(0, count)));
    assert.match(page.url(), name === 'Full' ? /depth=full/ : new RegExp(`depth=${name}`));
  }
  await page.locator('.ladder-box').evaluate((box) => { box.scrollTop = box.scrollHeight; });
  const last = rest.bids.at(-1)[0];
  await until('the last level', 3000, async () => (await drawn(page)).bids.some(([price]) => price === last));
  await blameless(page, 'ladder');
}, { duration: 8 }));

test('keys: screens, rows, search, symbol, pause, help; nobody acts where there are no people', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/overview');
  const requests = [];
  page.on('request', (r) => { if (r.method() !== 'GET') requests.push(`${r.method()} ${r.url()}`); });
  for (const [key, path] of [['2', '/market'], ['3', '/connections'], ['4', '/keys'], ['5', '/incidents'], ['6', '/audit'], ['7', '/drills'], ['8', '/settings'], ['1', '/overview']]) {
    await page.keyboard.press(key);
    await until(path, 2000, () => new URL(page.url()).pathname.startsWith(path));
  }
  await page.locator('tbody tr th').first().waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const chosen = await page.locator('tr.chosen th').innerText();
  await page.keyboard.press('Enter');
  await until('its market', 3000, () => page.url().includes(`/market/${chosen.replace('/', '-')}`));
  await page.keyboard.press('1');
  await page.keyboard.press('/');
  await page.keyboard.type('eth/usd');
  await until('the filter in the address', 2000, () => page.url().includes('q=eth'));
  await until('one row', 2000, async () => (await page.locator('.symbols tbody tr:not(.gap)').count()) === 1);
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('s');
  await page.getByRole('combobox', { name: 'Symbol' }).fill('btcusd');
  await page.keyboard.press('Enter');
  await until('BTC/USD', 3000, () => page.url().endsWith('/market/BTC-USD'));
  await page.waitForSelector('.ladder tbody td');
  await page.keyboard.press('p');
  await page.getByText('PAUSED').waitFor();
  const held = await drawn(page);
  await sleep(1500);
  assert.deepEqual(await drawn(page), held, 'paused: nothing moves');
  await page.keyboard.press('p');
  await until('it moves again', 5000, async () => (await drawn(page)).seq > held.seq);
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.getByRole('dialog').count(), 0);
  // without people there is nobody who might act: see web_act.test.mjs
  const act = page.getByRole('button', { name: 'Set mode…' });
  assert.ok(await act.isDisabled());
  assert.match(await act.getAttribute('title'), /keeps no people/);
  assert.deepEqual(requests, []);
  await blameless(page, 'keys');
}));

test('disconnected: said at once, with its duration, all greyed out; live again by itself without loading the page', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/market/BTC-USD');
  await page.waitForSelector('.ladder tbody td');
  await page.evaluate(() => { globalThis.sameLife = true; });
  await stage.stopGateway('SIGKILL');
  await page.getByText('DISCONNECTED', { exact: true }).waitFor({ timeout: 3000 });
  await until('greyed out', 3000, () => page.locator('main.stale').count());
  assert.match(await page.getByRole('alert').first().textContent(), /Disconnected from (the gateway \(admin\) and )?market data/);
  const text = () => page.locator('.lost').innerText();
  const first = await text();
  assert.match(first, /Disconnected from .* for \d+ s/);
  await sleep(2500);
  assert.notEqual(await text(), first, 'the duration goes on');
  await stage.startGateway({ admin: { web_dir: dist } });
  await live(page);
  await until('not greyed out', 10000, async () => (await page.locator('main.stale').count()) === 0);
  assert.equal(await page.evaluate(() => globalThis.sameLife), true);
  const { seq } = await drawn(page);
  await until('the book goes on', 10000, async () => (await drawn(page)).seq > seq);
}));

test('1,695 symbols: only rows in sight are drawn and followed; scrolling reaches the last and stays smooth', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/overview');
  await until('all rows', 15000, async () => (await page.locator('.symbols .count').innerText()).startsWith('1,695'));
  assert.ok((await page.locator('.symbols tbody tr').count()) < 80);
  // Counted, not timed: the machine may be busy. One pass draws each row once, when it comes into sight.
  const pass = await page.evaluate(async () => {
    const box = document.querySelector('.symbols .scroll');
    let made = 0;
    const watch = new MutationObserver((list) => { for (const m of list) for (const node of m.addedNodes) made += node.nodeName === 'TR'; });
    watch.observe(box.querySelector('tbody'), { childList: true });
    const since = performance.now();
    for (let i = 0; i < 200; i++) {
      box.scrollTop += box.scrollHeight / 200;
      await new Promise(requestAnimationFrame);
    }
    watch.disconnect();
    return { made, frame: (performance.now() - since) / 200 };
  });
  console.log(`${pass.frame.toFixed(1)} ms a frame while 8 rows a frame scroll by; ${pass.made} rows drawn`);
  assert.ok(pass.made < 1.1 * 1695, `${pass.made} rows drawn in one pass`);
  assert.ok(pass.frame < 250, `${pass.frame.toFixed(1)} ms a frame`);
  await page.locator('.symbols .scroll').evaluate((box) => { box.scrollTop = box.scrollHeight; });
  await until('the last row', 3000, async () => (await page.locator('.symbols tbody tr[aria-rowindex="1696"]').count()) === 1);
  await until('few followed', 5000, async () => (await stage.metrics()).get('ws_subscriptions{channel="ticker"}') <= 80);
  await blameless(page, 'many symbols');
}, { symbols: 1695 }));

test('a page in the background lets go of its connection, and takes the book up again', needsBrowser, () => withBrowser(async (stage, browser) => {
  const page = await open(browser, stage, '/market/BTC-USD');
  await page.waitForSelector('.ladder tbody td');
  const hide = (yes) => page.evaluate((h) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => h });
    document.dispatchEvent(new Event('visibilitychange'));
  }, yes);
  await hide(true);
  await until('no client', 12000, async () => (await stage.metrics()).get('ws_clients') === 0);
  await hide(false);
  await live(page);
  const { seq } = await drawn(page);
  await until('the book goes on', 5000, async () => (await drawn(page)).seq > seq);
  const resumes = [...await stage.metrics()].filter(([name]) => name.startsWith('ws_resumes_total')).reduce((sum, [, n]) => sum + n, 0);
  assert.ok(resumes >= 1, 'it asked to go on from where it was');
}));
