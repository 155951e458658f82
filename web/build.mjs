// Builds the dashboard into a folder the gateway can serve: hashed names, .gz and .br beside each file, manifest.json.
// See node web/build.mjs --help.
import { createHash } from 'node:crypto';
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import zlib from 'node:zlib';

const here = path.dirname(fileURLToPath(import.meta.url));
// For packages that declare it without shipping its text.
const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;
const FIRST_SCREEN_LIMIT = 60 * 1024; // gzip: index.html, styles and what the first screen imports
const usage = `node web/build.mjs - build the dashboard

  --out DIR      where to (default web/dist); replaced as a whole when the build has succeeded
  --no-minify    readable output
  --help

Needs the packages of web/package-lock.json: npm ci --prefix web
Fails when the first screen is above ${FIRST_SCREEN_LIMIT / 1024} KiB gzip.

examples
  npm ci --prefix web && node web/build.mjs
  node web/build.mjs --out build/web`;

function fail(text, next) {
  console.error(`build.mjs: ${text}\n  next: ${next}`);
  process.exit(1);
}

function options() {
  try {
    const { values } = parseArgs({ options: { out: { type: 'string', default: path.join(here, 'dist') },
      'no-minify': { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } } });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return values;
  } catch (error) {
    return fail(error.message, 'see node web/build.mjs --help');
  }
}

const packages = () => JSON.parse(readFileSync(path.join(here, 'package-lock.json'), 'utf8')).packages;

// What the browser gets of others' work: every package that is not for development only.
function shipped() {
  return Object.entries(packages()).filter(([name, entry]) => name.startsWith('node_modules/') && !entry.dev)
    .map(([name, entry]) => ({ name: name.replace('node_modules/', ''), version: entry.version, license: entry.license,
      folder: path.join(here, name) }));
}

function licences() {
  const parts = shipped().map(({ name, version, license, folder }) => {
    const file = readdirSync(folder).find((f) => /^licen[cs]e/i.test(f));
    const notice = readdirSync(folder).find((f) => /^notice/i.test(f));
    const { author } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    if (!file && license !== 'MIT') fail(`${name} has no licence file`, 'look at the package, then add its text to build.mjs');
    const text = file ? [file, notice].filter(Boolean).map((f) => readFileSync(path.join(folder, f), 'utf8').trim()).join('\n\n')
      : `Copyright (c) ${typeof author === 'string' ? author : author.name}\n\n${MIT}`;
    return `${name} ${version} (${license})\n${'-'.repeat(72)}\n${text}\n`;
  });
  return `Third-party software in the dashboard of Portcullis\n\n${parts.join('\n\n')}`;
}

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const gzip = (data) => zlib.gzipSync(data, { level: 9 });
const brotli = (data) => zlib.brotliCompressSync(data, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11,
  [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length } });

// Name -> bytes of everything served.
async function bundle(minify) {
  const esbuild = await import('esbuild').catch(() => fail('esbuild is not installed', 'npm ci --prefix web'));
  const { name, version } = JSON.parse(readFileSync(path.join(here, 'package.json'), 'utf8'));
  const result = await esbuild.build({
    absWorkingDir: here,
    entryPoints: { main: 'src/main.js', style: 'src/style.css' },
    outdir: 'out', entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]',
    bundle: true, splitting: true, format: 'esm', target: 'es2022', minify, write: false, metafile: true,
    legalComments: 'none', charset: 'utf8', logLevel: 'error', loader: { '.svg': 'file', '.lazy.css': 'file' },
    define: { PACKAGES: JSON.stringify(shipped().map(({ name: n, version: v, license }) => [n, v, license])),
      VERSION: JSON.stringify(version) },
  }).catch(() => fail(`${name} does not compile`, 'correct the errors above'));
  const files = new Map(result.outputFiles.map((f) => [path.basename(f.path), Buffer.from(f.contents)]));
  return { files, outputs: result.metafile.outputs };
}

const outputOf = (outputs, entry) => Object.entries(outputs).find(([, o]) => o.entryPoint === entry)[0];

// The files a browser must have before it can show anything: ENTRY and its static imports.
function eager(outputs, entry, seen = new Set()) {
  seen.add(entry);
  for (const { path: next, kind } of outputs[entry].imports) {
    if (kind === 'import-statement' && !seen.has(next)) eager(outputs, next, seen);
  }
  return [...seen].map((f) => path.basename(f));
}

function page(files, first, style) {
  const icon = 'icon.svg';
  const svg = readFileSync(path.join(here, 'src', icon));
  const iconName = `icon-${sha256(svg).slice(0, 8).toUpperCase()}.svg`;
  files.set(iconName, svg);
  return readFileSync(path.join(here, 'src/index.html'), 'utf8')
    .replace('{{style}}', `/assets/${style}`)
    .replace('{{icon}}', `/assets/${iconName}`)
    .replace('{{preload}}', first.slice(1).map((f) => `<link rel="modulepreload" href="/assets/${f}">`).join('\n'))
    .replace('{{main}}', `/assets/${first[0]}`);
}

// Writes FILES and their compressed forms into DIR; the manifest.
function write(dir, files) {
  const manifest = { build: '', files: {} };
  for (const [name, data] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const entry = { bytes: data.length, immutable: /-[A-Z0-9]{8}\./.test(name), sha256: { identity: sha256(data) } };
    writeFileSync(path.join(dir, name), data);
    for (const [word, suffix, pack] of [['gzip', '.gz', gzip], ['br', '.br', brotli]]) {
      const packed = pack(data);
      if (packed.length >= data.length) continue;
      entry.sha256[word] = sha256(packed);
      writeFileSync(path.join(dir, name + suffix), packed);
    }
    manifest.files[name] = entry;
  }
  manifest.build = sha256(JSON.stringify(manifest.files)).slice(0, 12);
  writeFileSync(path.join(dir, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
  return manifest;
}

const kib = (bytes) => `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;

function report(files, firstNames) {
  let first = 0;
  for (const [name, data] of [...files].sort(([, a], [, b]) => b.length - a.length)) {
    const gz = gzip(data).length;
    if (firstNames.includes(name)) first += gz;
    console.log(`${name.padEnd(34)} ${kib(data.length)}  gz ${kib(gz)}  br ${kib(brotli(data).length)}  ${firstNames.includes(name) ? 'first screen' : 'when needed'}`);
  }
  console.log(`first screen: ${(first / 1024).toFixed(1)} KiB gzip (limit ${FIRST_SCREEN_LIMIT / 1024})`);
  if (first > FIRST_SCREEN_LIMIT) {
    fail('the first screen is too large', 'load what it does not need at once with import(), as screens/market.js does');
  }
}

const opt = options();
if (!existsSync(path.join(here, 'node_modules'))) fail('the packages are not installed', 'npm ci --prefix web');
const { files, outputs } = await bundle(!opt['no-minify']);
const style = path.basename(outputOf(outputs, 'src/style.css'));
const first = eager(outputs, outputOf(outputs, 'src/main.js'));
files.set('index.html', Buffer.from(page(files, first, style)));
files.set('licences.txt', Buffer.from(licences()));
const out = path.resolve(opt.out);
mkdirSync(path.dirname(out), { recursive: true });
const fresh = mkdtempSync(`${out}.new-`);
const manifest = write(fresh, files);
rmSync(out, { recursive: true, force: true });
renameSync(fresh, out);
report(files, ['index.html', style, ...first]);
console.log(`build ${manifest.build} in ${path.relative(process.cwd(), out) || '.'}`);
