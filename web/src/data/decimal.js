// Prices and quantities as the text they came in, never as floating point. A symbol's texts have the same number of
// decimals, so without the point they compare and add up as integers.

const FIELDS = /"(price|qty|bid|bid_qty|ask|ask_qty|last|volume|vwap|low|high|open|close|change|change_pct|qty_increment|price_increment|qty_min|cost_min)":(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)/g;

// JSON.parse that keeps the digits of those fields.
export function parseLiteral(text) {
  return JSON.parse(text.replace(FIELDS, '"$1":"$2"'));
}

// "50000.10" -> 5000010; a BigInt where a Number would lose digits. Compares with < and > either way.
export function units(text) {
  const digits = text.replace('.', '');
  return digits.length < 16 ? Number(digits) : BigInt(digits);
}

export function decimalsOf(text) {
  const point = text.indexOf('.');
  return point < 0 ? 0 : text.length - point - 1;
}

// 5000010n, 2 -> "50000.10"
export function fixed(value, decimals) {
  const negative = value < 0n;
  const digits = String(negative ? -value : value).padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  return `${negative ? '-' : ''}${whole}${decimals ? `.${digits.slice(-decimals)}` : ''}`;
}

export const isZero = (text) => /^-?0*\.?0*$/.test(text);

// a - b of two texts with the same number of decimals.
export function minus(a, b) {
  const decimals = decimalsOf(a);
  return fixed(BigInt(a.replace('.', '')) - BigInt(b.replace('.', '')), decimals);
}

// "1234567.50" -> "1,234,567.50"
export function group(text) {
  const [whole, frac] = text.split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return frac === undefined ? grouped : `${grouped}.${frac}`;
}

// How far apart, in basis points of the middle: for display only.
export function basisPoints(bid, ask) {
  const b = Number(bid);
  const a = Number(ask);
  return a + b > 0 ? ((a - b) / (a + b)) * 20000 : NaN;
}
