// The little Markdown that reports use, as a tree without any markup of its own. Pure.
//   [{kind: 'h', level, text} | {kind: 'p', text} | {kind: 'ul' | 'ol', items} | {kind: 'table', head, rows} | {kind: 'pre', text} | {kind: 'hr'}]
//   TEXT: [{kind: 'text' | 'code' | 'b' | 'i' | 'a', text, href}]

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*|(?<![\w*])[*_]([^*_\s][^*_]*)[*_](?!\w)|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

export function inline(text) {
  const out = [];
  let last = 0;
  for (const m of text.matchAll(INLINE)) {
    if (m.index > last) out.push({ kind: 'text', text: text.slice(last, m.index) });
    if (m[1] !== undefined) out.push({ kind: 'code', text: m[1] });
    else if (m[2] !== undefined) out.push({ kind: 'b', text: m[2] });
    else if (m[3] !== undefined) out.push({ kind: 'i', text: m[3] });
    else out.push({ kind: 'a', text: m[4], href: m[5] });
    last = m.index + m[0].length;
  }
  if (last < text.length) out.push({ kind: 'text', text: text.slice(last) });
  return out.map((part) => ({ ...part, text: part.text.replace(/\\([\\`*_{}[\]()#+\-.!|<>])/g, '$1') }));
}

const cells = (line) => line.trim().replace(/^\||(?<!\\)\|$/g, '').split(/(?<!\\)\|/).map((c) => inline(c.trim().replace(/\\\|/g, '|')));
const isRule = (line) => /^\s*\|?[\s:|-]+\|[\s:|-]*$/.test(line ?? '') && line.includes('-');

function fenced(lines, at) {
  let end = at + 1;
  while (end < lines.length && !/^```/.test(lines[end])) end++;
  return [{ kind: 'pre', text: lines.slice(at + 1, end).join('\n') }, end + 1];
}

function tabled(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].trim().startsWith('|')) end++;
  return [{ kind: 'table', head: cells(lines[at]), rows: lines.slice(at + 2, end).map(cells) }, end];
}

function listed(lines, at, kind, mark) {
  const items = [];
  let end = at;
  for (; end < lines.length; end++) {
    const m = mark.exec(lines[end]);
    if (m) items.push(m[1]);
    else if (items.length && /^\s{2,}\S/.test(lines[end])) items[items.length - 1] += ` ${lines[end].trim()}`;
    else break;
  }
  return [{ kind, items: items.map(inline) }, end];
}

const BULLET = /^\s{0,3}[-*]\s+(.*)$/;
const NUMBER = /^\s{0,3}\d+\.\s+(.*)$/;
const begins = (lines, at) => /^(#{1,6}\s|```|\s*\|)/.test(lines[at]) || BULLET.test(lines[at]) || NUMBER.test(lines[at]);

export function markdown(source) {
  const lines = String(source).replace(/\r\n?/g, '\n').split('\n');
  const out = [];
  for (let at = 0; at < lines.length;) {
    const line = lines[at];
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line);
    let block;
    if (line.trim() === '') at++;
    else if (heading) {
      out.push({ kind: 'h', level: heading[1].length, text: inline(heading[2]) });
      at++;
    } else if (/^```/.test(line)) [block, at] = fenced(lines, at);
    else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push({ kind: 'hr' });
      at++;
    } else if (line.trim().startsWith('|') && isRule(lines[at + 1])) [block, at] = tabled(lines, at);
    else if (BULLET.test(line)) [block, at] = listed(lines, at, 'ul', BULLET);
    else if (NUMBER.test(line)) [block, at] = listed(lines, at, 'ol', NUMBER);
    else {
      const from = at++;
      while (at < lines.length && lines[at].trim() !== '' && !begins(lines, at)) at++;
      block = { kind: 'p', text: inline(lines.slice(from, at).join(' ')) };
    }
    if (block) out.push(block);
  }
  return out;
}
