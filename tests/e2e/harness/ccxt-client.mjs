// ccxt as its users run it; one JSON line per event on standard output.
import ccxt from 'ccxt';

const [rest, ws, ...symbols] = process.argv.slice(2);
const make = () => new ccxt.pro.kraken({ urls: { api: { public: rest, private: rest,
  ws: { public: ws, private: ws, publicV2: ws, privateV2: ws } } } });
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ccxt keys OHLCV subscriptions by symbol only: the second interval needs an instance of its own.
const one = make();
const two = make();

async function watch(what, call, describe) {
  for (;;) {
    try {
      say({ what, ...describe(await call()) });
    } catch (error) {
      say({ what: 'error', from: what, text: `${error.constructor.name} ${error.message}` });
      await sleep(500);
    }
  }
}

process.stdin.on('end', () => process.exit(0)).resume();
watch('book', () => one.watchOrderBook(symbols[0]), (b) => ({ bid: b.bids[0][0], ask: b.asks[0][0], n: b.bids.length }));
watch('trades', () => one.watchTrades(symbols[0]), (t) => ({ n: t.length, price: t.at(-1).price }));
watch('ohlcv1', () => one.watchOHLCV(symbols[0], '1m'), (k) => ({ close: k.at(-1)[4] }));
watch('ohlcv5', () => two.watchOHLCV(symbols[0], '5m'), (k) => ({ close: k.at(-1)[4] }));
watch('ticker', () => one.watchTicker(symbols[0]), (t) => ({ last: t.last, bid: t.bid }));
watch('books', () => two.watchOrderBookForSymbols(symbols, 25), (b) => ({ symbol: b.symbol, bid: b.bids[0][0] }));
