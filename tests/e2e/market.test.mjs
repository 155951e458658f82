// Recorded markets through the real gateway, against oracles that were computed by others.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { Book } from './harness/book.mjs';
import { decimals, entries, recordingLines, Reference } from './harness/feed.mjs';
import { needsRecordings, onStage, recordings, sleep, until } from './harness/gateway.mjs';
import { Client } from './harness/ws.mjs';

// State after the last line, by an independent replay (docs/RECORDINGS.md).
const oracles = {
  'BTC/USDT': { levels: [1971, 2962], sha256: '6a466fbee84607869d5c4f7700d29d4ac0e9fc6114708fc906c85f69ab78a6d8' },
  'ETH/USDT': { levels: [1195, 1158], sha256: '556b65922668faa10a5076aa2adbc6bc1a58b7f910a082b12bd35dec842c4cce' },
};
// Minute, open, high, low, close, volume, trades.
const candles = {
  'BTC/USDT': `
2024-08-08T23:54 61837.63 61855.37 61824.00 61828.00 12.43238 875
2024-08-08T23:55 61828.00 61860.80 61780.00 61782.25 15.07702 1255
2024-08-08T23:56 61782.25 61782.26 61723.99 61727.66 15.49778 1011
2024-08-08T23:57 61727.66 61735.99 61651.01 61652.01 59.29235 2069
2024-08-08T23:58 61652.00 61745.27 61583.22 61717.63 77.14202 3216
2024-08-08T23:59 61717.64 61743.50 61666.17 61685.99 32.41946 1312
2024-08-09T00:00 61686.00 61744.37 61630.88 61631.79 34.08180 1824
2024-08-09T00:01 61631.79 61631.79 61556.04 61589.99 79.69369 2931
2024-08-09T00:02 61590.00 61700.00 61590.00 61626.17 40.44064 1992
2024-08-09T00:03 61626.17 61686.00 61608.30 61637.26 37.08509 1705
2024-08-09T00:04 61637.26 61691.64 61602.00 61607.99 30.31600 1461
2024-08-09T00:05 61607.99 61608.00 61602.01 61602.02 4.43729 253`,
  'ETH/USDT': `
2024-08-08T23:54 2683.80 2684.60 2682.56 2682.97 165.5851 728
2024-08-08T23:55 2682.97 2684.15 2681.80 2682.81 275.4822 1029
2024-08-08T23:56 2682.80 2683.20 2681.45 2682.41 163.1063 899
2024-08-08T23:57 2682.41 2682.42 2679.30 2679.30 236.7734 764
2024-08-08T23:58 2679.31 2683.98 2679.00 2683.98 501.5872 1275
2024-08-08T23:59 2683.98 2685.37 2682.34 2682.50 914.6337 1403
2024-08-09T00:00 2682.50 2682.51 2682.50 2682.51 4.1470 8`,
};

// The oracle prints eight decimals, as the venue's wire does.
const eight = (text) => {
  const [whole, frac = ''] = text.split('.');
  return `${whole}.${frac.padEnd(8, '0')}`;
};

async function checkBook(stage, symbol) {
  const book = await stage.json(`${stage.publicUrl}/v1/md/${symbol.replace('/', '-')}/book?depth=full`);
  assert.deepEqual([book.bids.length, book.asks.length], oracles[symbol].levels, `${symbol}: levels`);
  const text = (side) => book[side].map(([p, q]) => `${eight(p)} ${eight(q)}\n`).join('');
  const sum = createHash('sha256').update(`b\n${text('bids')}a\n${text('asks')}`).digest('hex');
  assert.equal(sum, oracles[symbol].sha256, `${symbol}: sha256 of the full book`);
}

async function checkCandles(stage, symbol) {
  const { candles: rows } = await stage.json(`${stage.publicUrl}/v1/md/${symbol.replace('/', '-')}/candles?interval=1`);
  const want = candles[symbol].trim().split('\n').map((line) => line.split(' '));
  const got = rows.map((r) => [r.begin.slice(0, 16), r.open, r.high, r.low, r.close, String(Number(r.volume)), String(r.trades)]);
  assert.deepEqual(got, want.map((w) => [...w.slice(0, 5), String(Number(w[5])), w[6]]), `${symbol}: candles`);
}

async function checkTrades(stage, symbol) {
  const ids = entries(stage, symbol).filter((e) => e.type === 'trade').flatMap((e) => e.trades.map((t) => Number(t.id)));
  const { trades } = await stage.json(`${stage.publicUrl}/v1/md/${symbol.replace('/', '-')}/trades?limit=10000`);
  assert.deepEqual(trades.map((t) => t.trade_id), ids.slice(-trades.length), `${symbol}: recent trades`);
}

const checkAll = async (stage) => {
  for (const symbol of Object.keys(oracles)) {
    await checkBook(stage, symbol);
    await checkCandles(stage, symbol);
    await checkTrades(stage, symbol);
  }
};

// Every engine batch is looked at: a client that the machine holds up is written all of them, later, not one merged.
const patient = { lag_bytes: '64MiB', lag: '60s', ring_bytes: '64MiB', skip_bytes: '64MiB', skip_after: '60s' };
const tapeA = ['--data', recordings() ?? '', '--sets', 'A', '--maxlen', '10000000'];

// Follows one book subscription; every frame is kept with a copy of what the client then holds.
function followBook(client, symbol, depth, frames) {
  const books = [new Book(depth, 'message'), new Book(depth, 'level')];
  const before = client.onMessage;
  client.onMessage = (m) => {
    before?.(m);
    if (m.channel !== 'book' || m.data[0].symbol !== symbol) return;
    for (const book of books) {
      book.apply(m);
      assert.equal(book.checksum(), m.data[0].checksum, `${symbol} depth ${depth} ${book.mode} s=${m.gw.s}`);
    }
    if (frames.length) assert.equal(m.gw.p, frames.at(-1).s, `${symbol} depth ${depth}: p is the last s`);
    frames.push({ s: m.gw.s, checksum: m.data[0].checksum, timestamp: m.data[0].timestamp,
      lines: books.map((b) => [b.lines('bids'), b.lines('asks')]) });
  };
}

test('A: books at five depths, trades, candles and REST equal the oracles', { ...needsRecordings, timeout: 180000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tapeA);
  await stage.startGateway({ ws: { shards: 2, ...patient } });
  const feeder = stage.feed(...tapeA, '--speed', '60');
  const follow = [];
  for (const [symbol, depths] of [['BTC/USDT', [10, 25, 100, 500, 1000]], ['ETH/USDT', [10, 1000]]]) {
    for (const depth of depths) {
      for (const interval_ms of depth === 10 ? [0, 50, 1000] : [50]) {
        follow.push({ symbol, depth, interval_ms, frames: [] });
      }
    }
  }
  await Promise.all(follow.map(async (f) => {
    f.client = await Client.connect(stage);
    followBook(f.client, f.symbol, f.depth, f.frames);
    f.client.send({ method: 'subscribe', params: { channel: 'book', symbol: [f.symbol], depth: f.depth, gw: { interval_ms: f.interval_ms } } });
  }));
  const trader = await Client.connect(stage);
  trader.send({ method: 'subscribe', params: { channel: 'trade', symbol: Object.keys(oracles) } });
  const candler = await Client.connect(stage);
  candler.send({ method: 'subscribe', params: { channel: 'ohlc', symbol: ['BTC/USDT'], interval: 1 } });
  await new Promise((resolve) => feeder.once('exit', resolve));
  await stage.applied(JSON.parse(feeder.output).entries);
  await sleep(2500); // the slowest class publishes, the clients read
  await checkAll(stage);

  const references = {};
  for (const symbol of Object.keys(oracles)) references[symbol] = { list: entries(stage, symbol), ...await decimals(stage, symbol) };
  let compared = 0;
  for (const { client, symbol, depth, interval_ms, frames } of follow) {
    assert.ok(frames.length > (interval_ms === 1000 ? 5 : 50), `${symbol} ${depth} ${interval_ms}: ${frames.length} frames`);
    const reference = new Reference(references[symbol].list, references[symbol]);
    let timestamp = '';
    for (const frame of frames) {
      reference.advance(frame.s);
      const want = [reference.lines('bids', depth), reference.lines('asks', depth)];
      for (const lines of frame.lines) assert.deepEqual(lines, want, `${symbol} depth ${depth} interval ${interval_ms} s=${frame.s}`);
      assert.ok(frame.timestamp > timestamp, 'timestamps strictly increase');
      timestamp = frame.timestamp;
      compared++;
    }
    client.close();
  }
  console.log(`compared ${compared} frames with the reference book`);

  // bookTicker rows with the same u as a delta: the client's best prices at that very frame.
  const bySeq = new Map(references['BTC/USDT'].list.filter((e) => e.venue_seq).map((e) => [e.venue_seq, e.seq]));
  const { frames } = follow.find((f) => f.symbol === 'BTC/USDT' && f.interval_ms === 0);
  let rows = 0;
  let at = 0;
  for (const file of ['binance_spot_btcusdt_20240808.gz', 'binance_spot_btcusdt_20240809.gz']) {
    for (const line of recordingLines(file)) {
      if (!line.includes('@bookTicker')) continue;
      const { u, b, B, a, A } = JSON.parse(line.slice(line.indexOf(' '))).data;
      const seq = bySeq.get(String(u));
      if (seq === undefined || seq < frames[0].s) continue;
      while (at + 1 < frames.length && frames[at + 1].s <= seq) at++;
      const [bids, asks] = frames[at].lines[0];
      assert.deepEqual([bids[0], asks[0]].map((l) => l.split(' ').map(eight)), [[b, B], [a, A]], `bookTicker u=${u}`);
      rows++;
    }
  }
  assert.ok(rows > 900, `bookTicker rows compared: ${rows}`);

  // Every trade after the subscription once, in order.
  for (const symbol of Object.keys(oracles)) {
    const all = references[symbol].list.filter((e) => e.type === 'trade').flatMap((e) => e.trades.map((t) => Number(t.id)));
    const got = trader.messages.filter((m) => m.channel === 'trade' && m.data[0].symbol === symbol).flatMap((m) => m.data.map((t) => t.trade_id));
    assert.ok(got.length > all.length / 2, `${symbol}: ${got.length} of ${all.length} trades seen live`);
    assert.deepEqual(got, all.slice(-got.length));
  }
  // The last message of each minute is the closed candle.
  const last = new Map();
  for (const m of candler.messages.filter((x) => x.channel === 'ohlc')) for (const k of m.data) last.set(k.interval_begin.slice(0, 16), k);
  for (const line of candles['BTC/USDT'].trim().split('\n')) {
    const [minute, open, high, low, close, volume, trades] = line.split(' ');
    const k = last.get(minute);
    if (!k) continue;
    assert.deepEqual([k.open, k.high, k.low, k.close, k.volume, k.trades], [open, high, low, close, volume, trades].map(Number), minute);
  }
  assert.ok(last.size >= 10, `candles seen: ${last.size}`);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('md_seq_gap_all_total'), 0);
  assert.equal(metrics.get('md_snapshot_mismatch_total'), 0);
  assert.equal(metrics.get('md_trades_skipped_total'), 0);
  assert.equal(metrics.get('ws_close_total{reason="SLOW_CONSUMER"}'), 0);
}));

test('B: all 4,269 recorded checksums equal ours', { ...needsRecordings, timeout: 180000 }, () => onStage(async (stage) => {
  const tape = ['--data', recordings(), '--sets', 'B', '--maxlen', '10000000'];
  stage.writeSymbols(tape);
  await stage.startGateway({ ws: patient });
  const pairs = Object.values((await stage.json(`${stage.publicUrl}/0/public/AssetPairs`)).result).map((p) => p.wsname);
  assert.equal(pairs.length, 10);
  const client = await Client.connect(stage);
  const frames = Object.fromEntries(pairs.map((p) => [p, []]));
  for (const p of pairs) followBook(client, p, 1000, frames[p]);
  await client.subscribe({ channel: 'book', symbol: pairs, depth: 1000, gw: { interval_ms: 0 } });
  const { entries: count } = await stage.fed(...tape, '--speed', '10');
  await stage.applied(count);
  const recorded = new Map(pairs.map((pair) => [pair, entries(stage, pair).filter((x) => x.venue_checksum !== undefined)]));
  await until('the client has read the last books', 10000, () => pairs.every((p) => frames[p].at(-1).checksum === Number(recorded.get(p).at(-1).venue_checksum)));
  let checked = 0;
  for (const [pair, list] of recorded) {
    let at = 0;
    for (const e of list) {
      while (at + 1 < frames[pair].length && frames[pair][at + 1].s <= e.seq) at++;
      assert.equal(frames[pair][at].checksum, Number(e.venue_checksum), `${pair} seq ${e.seq}`);
      checked++;
    }
  }
  assert.equal(checked, 4269);
  const metrics = await stage.metrics();
  assert.equal(metrics.get('ws_conflated_total{channel="book"}'), 0, 'no two batches were made one');
  assert.equal(metrics.get('fanout_floor_ms'), 0);
  client.close();
}));

test('kill -9 in mid-replay, twice: same books, candles and trades at the end', { ...needsRecordings, timeout: 180000 }, () => onStage(async (stage) => {
  stage.writeSymbols(tapeA);
  await stage.startGateway();
  const feeder = stage.feed(...tapeA, '--speed', '80');
  for (let i = 0; i < 2; i++) {
    await sleep(2500);
    await stage.stopGateway('SIGKILL');
    await stage.startGateway();
  }
  await new Promise((resolve) => feeder.once('exit', resolve));
  const last = Object.fromEntries(Object.keys(oracles).map((s) => [s, entries(stage, s).at(-1).seq]));
  await until('the end of the tape', 30000, async () => {
    const metrics = await stage.metrics();
    return Object.entries(last).every(([s, seq]) => metrics.get(`md_seq{symbol="${s}"}`) === seq);
  });
  await checkAll(stage);
  // And once more with nothing moving: an orderly restart serves the same.
  assert.equal(await stage.stopGateway('SIGTERM'), 0, 'exit code of an orderly stop');
  await stage.startGateway();
  await until('the book after restart', 10000, async () => (await stage.get(`${stage.adminUrl}/readyz`)).status === 200);
  await checkAll(stage);
}));

test('D: the 1,695 symbols of a real venue load, with their states', { ...needsRecordings, timeout: 60000 }, () => onStage(async (stage) => {
  stage.writeSymbols(['--data', recordings(), '--sets', 'D']);
  await stage.startGateway();
  const { result } = await stage.json(`${stage.publicUrl}/0/public/AssetPairs`);
  const states = Object.values(result).map((p) => p.status);
  assert.equal(states.length, 1695);
  assert.equal(states.filter((s) => s === 'online').length, 1262);
  const client = await Client.connect(stage);
  await client.subscribe({ channel: 'instrument' });
  const { data } = await client.waitFor((m) => m.channel === 'instrument');
  assert.equal(data.pairs.length, 1695);
  client.close();
}));
