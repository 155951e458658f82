// The top of a book, live: NODE_EXTRA_CA_CERTS=var/tls/ca.pem node docs/examples/book.mjs wss://HOST:PORT/v2 BTC/USDT
import { createRequire } from 'node:module';

const [url, symbol = 'BTC/USD'] = process.argv.slice(2);
if (!url?.startsWith('wss://')) {
    console.error('usage: node docs/examples/book.mjs wss://HOST:PORT/v2 [SYMBOL]   (./up prints the whole line)');
    process.exit(2);
}
// Node 22 and newer have a WebSocket of their own; before that: npm ci --prefix tests/e2e
const WebSocketClass = globalThis.WebSocket ?? createRequire(new URL('../../tests/e2e/', import.meta.url))('ws');
const sides = { bids: new Map(), asks: new Map() };
const ws = new WebSocketClass(url);

ws.onopen = () => ws.send(JSON.stringify({ method: 'subscribe', params: { channel: 'book', symbol: [symbol], depth: 10 } }));
ws.onerror = (e) => console.error(`no connection to ${url}: ${e.message ?? 'is NODE_EXTRA_CA_CERTS set?'}`);
ws.onclose = (e) => console.error(`closed: ${e.code} ${e.reason}`);
ws.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    if (frame.success === false) console.error(frame.error);
    if (frame.channel !== 'book') return;
    for (const [side, levels] of Object.entries(sides)) {
        if (frame.type === 'snapshot') levels.clear();
        for (const { price, qty } of frame.data[0][side]) qty === 0 ? levels.delete(price) : levels.set(price, qty);
        const best = [...levels.keys()].sort((a, b) => (side === 'bids' ? b - a : a - b));
        best.slice(10).forEach((price) => levels.delete(price)); // what falls out of the depth is not told
    }
    const bid = Math.max(...sides.bids.keys());
    const ask = Math.min(...sides.asks.keys());
    console.log(`${symbol}  ${sides.bids.get(bid)} @ ${bid}  |  ${ask} @ ${sides.asks.get(ask)}`);
};
