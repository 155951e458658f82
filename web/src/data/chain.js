// The audit log judged in the browser: entries out of the text the gateway sent, byte by byte; the hash of each as
// docs/AUDIT.md defines it; the links between them; the signed head. Pure but for WebCrypto: nothing is taken on trust
// that can be computed here.

// The fields as they are hashed, in order (gateway/audit/entry.h).
export const FIELDS = ['seq', 'id', 'time_ns', 'mono_ns', 'actor', 'session', 'ip', 'action', 'target', 'outcome', 'reason', 'ticket', 'incident',
  'request_sha256', 'before', 'after', 'approvals', 'trace', 'journal_id'];
const NUMBERS = new Set(['seq', 'time_ns', 'mono_ns']);
const JSONS = new Set(['before', 'after', 'approvals']);
const DOMAIN = 'portcullis-audit-v1';
const HASH = /^[0-9a-f]{64}$/;

// --- reading ---------------------------------------------------------------------------------------------------------

export class Unreadable extends Error {
  constructor(field, place) {
    super(`record ${place} of this answer is not in the form the log is written in, at ${field}`);
    Object.assign(this, { field, place });
  }
}

// The time of a record, to the microsecond.
export function timeOf({ time_ns: ns }) {
  const whole = BigInt(ns);
  const text = new Date(Number(whole / 1000000n)).toISOString(); // to the millisecond
  return `${text.slice(0, -1)}${String(whole / 1000n % 1000n).padStart(3, '0')}Z`;
}

const ESCAPE = /^\\(?:(["\\])|u00([01][0-9a-f]))/;

class Scan {
  constructor(text) {
    Object.assign(this, { text, at: 0, field: 'the beginning', place: 0 });
  }

  fail() {
    throw new Unreadable(this.field, this.place);
  }

  is(literal) {
    return this.text.startsWith(literal, this.at);
  }

  take(literal) {
    if (!this.is(literal)) this.fail();
    this.at += literal.length;
  }

  // A string with the escapes the gateway writes, and no others.
  string() {
    this.take('"');
    let out = '';
    let from = this.at;
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code === 34) {
        out += this.text.slice(from, this.at++);
        return out;
      }
      if (code === 92) {
        const found = ESCAPE.exec(this.text.slice(this.at, this.at + 6));
        if (!found) this.fail();
        out += this.text.slice(from, this.at) + (found[1] ?? String.fromCharCode(parseInt(found[2], 16)));
        this.at += found[0].length;
        from = this.at;
      } else if (code >= 32) {
        this.at++;
      } else {
        this.fail(); // a control byte, or the end of the text
      }
    }
  }

  // The text of a JSON value as it stands, up to the comma behind it: it is hashed as it is.
  raw() {
    const from = this.at;
    for (let depth = 0; ;) {
      const c = this.text[this.at];
      if (c === undefined) this.fail();
      if (c === '"') {
        this.skipString();
        continue;
      }
      if (depth === 0 && c === ',') break;
      if (c === '{' || c === '[') depth++;
      if ((c === '}' || c === ']') && --depth < 0) this.fail();
      this.at++;
    }
    const text = this.text.slice(from, this.at);
    try {
      JSON.parse(text);
    } catch {
      this.fail();
    }
    return text;
  }

  skipString() {
    for (this.at++; ; this.at++) {
      const c = this.text[this.at];
      if (c === undefined) this.fail();
      if (c === '\\') this.at++;
      else if (c === '"') break;
    }
    this.at++;
  }

  number() {
    const found = /^(?:0|[1-9]\d{0,15})/.exec(this.text.slice(this.at, this.at + 17));
    if (!found || !Number.isSafeInteger(Number(found[0]))) this.fail();
    this.at += found[0].length;
    return Number(found[0]);
  }

  // A record of a page (VIEW: JSON as JSON, the time again in words) or of an export (JSON as strings).
  record(view) {
    const e = {};
    this.place++;
    FIELDS.forEach((name, i) => {
      this.field = name;
      this.take(`${i === 0 ? '{' : ','}"${name}":`);
      if (name === 'seq') e.seq = this.number();
      else if (view && JSONS.has(name)) e[name] = this.raw();
      else e[name] = this.string();
      if ((name === 'time_ns' || name === 'mono_ns') && !/^(?:0|[1-9]\d{0,18})$/.test(e[name])) this.fail();
      if (name === 'request_sha256' && e[name] !== '' && !HASH.test(e[name])) this.fail();
    });
    if (view) {
      this.field = 'time';
      this.take(',"time":');
      e.time = this.string();
      if (e.time !== timeOf(e)) this.fail(); // it is not hashed: it must say what time_ns says
    }
    for (const name of ['prev_hash', 'hash']) {
      this.field = name;
      this.take(`,"${name}":`);
      e[name] = this.string();
      if (!HASH.test(e[name])) this.fail();
    }
    this.take('}');
    return e;
  }
}

// {entries, next} of the text of GET /v1/audit. Throws Unreadable.
export function parsePage(text) {
  const scan = new Scan(text);
  const entries = [];
  scan.take('{"entries":[');
  if (!scan.is(']')) {
    for (;;) {
      entries.push(scan.record(true));
      if (scan.is(']')) break;
      scan.take(',');
    }
  }
  scan.field = 'next';
  scan.take('],"next":');
  let next = null;
  if (scan.is('null')) scan.take('null');
  else next = scan.string();
  scan.take('}');
  if (scan.at !== text.trimEnd().length) scan.fail();
  return { entries, next };
}

// The records of an export, one a line.
export function parseExport(text) {
  const entries = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const scan = new Scan(line);
    scan.place = entries.length;
    entries.push(scan.record(false));
    if (scan.at !== line.length) scan.fail();
  }
  return entries;
}

// --- hashing ---------------------------------------------------------------------------------------------------------

const utf8 = new TextEncoder();
export const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

function big(value, size) {
  const out = new Uint8Array(size);
  for (let i = size - 1, v = BigInt(value); i >= 0; i--, v >>= 8n) out[i] = Number(v & 255n);
  return out;
}

// An absent JSON is shown as null: empty unless the hash says that it was the word.
function bytesOf(entry, name, nullIsEmpty) {
  if (NUMBERS.has(name)) return big(entry[name], 8);
  if (name === 'request_sha256') return unhex(entry[name]);
  if (JSONS.has(name) && entry.time !== undefined && entry[name] === 'null' && nullIsEmpty) return new Uint8Array(0);
  return utf8.encode(entry[name]);
}

// What is hashed: domain, prev_hash, then length and bytes of each field.
export function preimage(entry, nullIsEmpty = true) {
  const parts = [utf8.encode(DOMAIN), unhex(entry.prev_hash)];
  for (const name of FIELDS) {
    const bytes = bytesOf(entry, name, nullIsEmpty);
    parts.push(big(bytes.length, 4), bytes);
  }
  const out = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  parts.reduce((at, p) => {
    out.set(p, at);
    return at + p.length;
  }, 0);
  return out;
}

const sha256 = async (bytes) => hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));

export async function hashFits(entry) {
  if (await sha256(preimage(entry)) === entry.hash) return true;
  const words = entry.time !== undefined && [...JSONS].some((name) => entry[name] === 'null');
  return words && await sha256(preimage(entry, false)) === entry.hash;
}

// --- judging ---------------------------------------------------------------------------------------------------------

// The words of gateway/audit/chain.h.
export const FAULTS = {
  unreadable: 'the record is not in the form it is written in',
  edited: 'the record’s contents do not match its hash',
  missing: 'records before this one are missing',
  out_of_order: 'the record stands in the wrong place or twice',
  unlinked: 'the record does not follow from the one before: one of the two was inserted or replaced',
  fork: 'two records claim this place: there are two histories',
  rewritten: 'the record is not the one that was signed at this place: history was rewritten at or before it',
  truncated: 'records that were signed are missing at the end',
};
const ZERO = '0'.repeat(64);

// The first fault of ENTRIES, which are in the order of the log; PREV: the record before the first, if it is known. PARTIAL:
// a filter leaves records out, so that a hole is no fault. MARK {seq, hash}: a signed head. COMPLETE: there are no more.
// Gives {ok, records, links, from, to, head, anchored, fault: {code, detail, seq, expected, index}}.
export async function judge(entries, { prev, partial = false, mark, complete = false, fits = hashFits } = {}) {
  const result = { ok: true, records: 0, links: 0, from: entries[0]?.seq, to: prev?.seq, head: prev?.hash, anchored: false, fault: null };
  let before = prev;
  const wrong = (code, entry, index) => Object.assign(result, { ok: false,
    fault: { code, detail: FAULTS[code], seq: entry?.seq, index, expected: before ? before.seq + 1 : undefined } });
  for (const [index, entry] of entries.entries()) {
    if (!await fits(entry)) return wrong('edited', entry, index);
    const next = before ? before.seq + 1 : entry.seq;
    if (before && entry.seq === before.seq && entry.hash !== before.hash) return wrong('fork', entry, index);
    if (entry.seq < next) return wrong('out_of_order', entry, index);
    if (entry.seq > next && !partial) return wrong('missing', entry, index);
    if (entry.seq === 1 && entry.prev_hash !== ZERO) return wrong('unlinked', entry, index);
    if (before && entry.seq === next) {
      if (entry.prev_hash !== before.hash) return wrong('unlinked', entry, index);
      result.links++;
    }
    if (mark && mark.seq === entry.seq) {
      if (mark.hash !== entry.hash) return wrong('rewritten', entry, index);
      result.anchored = true;
    }
    result.records++;
    result.to = entry.seq;
    result.head = entry.hash;
    before = entry;
  }
  if (complete && mark && mark.seq > (result.to ?? 0)) return wrong('truncated', { seq: mark.seq }, entries.length);
  return result;
}

// FRESH beside KNOWN (by seq): the first record that is another than the one seen before at its place.
export const forkOf = (known, fresh) => fresh.find((e) => known.has(e.seq) && known.get(e.seq).hash !== e.hash);

// --- the signed head -------------------------------------------------------------------------------------------------

const unbase64 = (text) => {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) throw new Error('not base64');
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
};

// "NAME+ID+BASE64" -> {name, id, publicKey}; throws when the id is not the key's.
export async function readKey(text) {
  const found = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim());
  if (!found) throw new Error('the public key is not NAME+ID+BASE64');
  const [, name, id, base64] = found;
  const bytes = unbase64(base64);
  if (bytes.length !== 33 || bytes[0] !== 1) throw new Error('the public key is not one of Ed25519');
  const named = utf8.encode(`${name}\n`);
  const whole = new Uint8Array(named.length + bytes.length);
  whole.set(named);
  whole.set(bytes, named.length);
  if ((await sha256(whole)).slice(0, 8) !== id) throw new Error('the public key does not match its id');
  return { name, id, publicKey: bytes.slice(1) };
}

let canVerify; // does this browser have Ed25519?
async function imported(publicKey) {
  try {
    const key = await crypto.subtle.importKey('raw', publicKey, { name: 'Ed25519' }, false, ['verify']);
    canVerify = true;
    return key;
  } catch {
    canVerify ??= false;
    return null;
  }
}

// A signed note and the text of a public key -> {seq, hash, time, name, id, signature: 'good' | 'bad' | 'unknown'}; 'unknown'
// when this browser has no Ed25519. Throws when the note is malformed or not of that key.
export async function readNote(note, keyText) {
  const key = await readKey(keyText);
  const end = note.lastIndexOf('\n\n');
  if (end < 0) throw new Error('not a signed note');
  const text = note.slice(0, end + 1);
  const [origin, size, hash64, ...more] = text.split('\n');
  if (origin !== key.name) throw new Error('the note is of another log');
  if (!/^[1-9]\d{0,15}$/.test(size)) throw new Error('the note names no record');
  const hash = hex(unbase64(hash64));
  if (!HASH.test(hash)) throw new Error('the note holds no hash');
  const line = note.slice(end + 2).split('\n').find((l) => l.startsWith(`— ${key.name} `));
  const signature = line && unbase64(line.slice(key.name.length + 3));
  if (!signature || signature.length !== 68 || hex(signature.slice(0, 4)) !== key.id) throw new Error('the note has no signature of that key');
  const usable = await imported(key.publicKey);
  const good = usable && await crypto.subtle.verify('Ed25519', usable, signature.slice(4), utf8.encode(text));
  return { seq: Number(size), hash, time: more.find((l) => l.startsWith('time '))?.slice(5), name: key.name, id: key.id,
    signature: usable ? (good ? 'good' : 'bad') : 'unknown' };
}

// --- what changed ----------------------------------------------------------------------------------------------------

const isObject = (v) => v !== null && typeof v === 'object';

// Cells of the control state stand in lists: they are called by what they are.
const placeOf = (v, i) => (isObject(v) && v.kind ? [v.kind, v.target === '*' ? 'all' : v.target].filter(Boolean).join(' ') : i);

// Leaves that differ between two JSON values: [{path, before, after}] with texts; undefined where there is none.
export function differences(before, after, path = '', out = []) {
  if (isObject(before) || isObject(after)) {
    const names = new Set([...(isObject(before) ? Object.keys(before) : []), ...(isObject(after) ? Object.keys(after) : [])]);
    for (const name of names) {
      const [b, a] = [isObject(before) ? before[name] : undefined, isObject(after) ? after[name] : undefined];
      const called = Array.isArray(after ?? before) ? placeOf(a ?? b, name) : name;
      differences(b, a, path ? `${path}.${called}` : called, out);
    }
    if (names.size === 0 && JSON.stringify(before) !== JSON.stringify(after)) out.push({ path, before: show(before), after: show(after) });
  } else {
    out.push({ path, before: show(before), after: show(after), same: before === after });
  }
  return out;
}

const show = (v) => (v === undefined ? undefined : typeof v === 'string' ? v : JSON.stringify(v));

// --- files -----------------------------------------------------------------------------------------------------------

// RFC 4180; what a spreadsheet would take for a formula gets a quote mark in front.
export function csv(entries, names = [...FIELDS.slice(0, 2), 'time', ...FIELDS.slice(2), 'prev_hash', 'hash']) {
  const cell = (v) => {
    const text = /^[=+\-@\t\r]/.test(String(v ?? '')) && !/^-?\d+$/.test(v) ? `'${v}` : String(v ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[names, ...entries.map((e) => names.map((n) => (n === 'time' ? timeOf(e) : e[n])))].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}
