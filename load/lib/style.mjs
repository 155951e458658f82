// Style of the report: system fonts, light and dark, figures that align.
const light = `--paper:#fcfcfa;--panel:#fff;--ink:#1c2126;--soft:#626b75;--rule:#e3e4df;--band:#eef2f5;
--ok:#1a7f4b;--bad:#c2361f;--none:#8a6d1f;
--c1:#2463c4;--c2:#d0660a;--c3:#0f857a;--c4:#8a46c9;--c5:#b8336a`;
const dark = `--paper:#14171a;--panel:#1b1f23;--ink:#e6e9ec;--soft:#98a2ad;--rule:#2e343a;--band:#232a30;
--ok:#4cc38a;--bad:#ff7b66;--none:#d9b64d;
--c1:#74a9ff;--c2:#ffa14a;--c3:#45c9b8;--c4:#c298f5;--c5:#f078a5`;

export const style = `
:root{color-scheme:light dark;${light}}
@media (prefers-color-scheme:dark){:root{${dark}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1240px;margin:0 auto;padding:40px 24px 60px}
h1{font-size:30px;font-weight:650;letter-spacing:-.02em;margin:0 0 14px}
h1 span{color:var(--soft);font-weight:400}
h2{font-size:21px;font-weight:620;letter-spacing:-.01em;margin:0}
h2 code{font-size:13px;color:var(--soft);font-weight:400;margin-left:6px}
h4{margin:14px 0 4px;font-size:13px;color:var(--soft);font-weight:600}
p{margin:6px 0;max-width:90ch}
a{color:inherit;text-decoration-color:var(--rule);text-underline-offset:3px}
a:hover{text-decoration-color:currentColor}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,monospace}
.facts{display:flex;flex-wrap:wrap;gap:4px 28px;margin:0 0 26px;font-size:13px}
.facts div{display:flex;gap:8px}
dt{color:var(--soft)}
dd{margin:0}
table{border-collapse:collapse;font-size:13.5px}
.overview{width:100%;background:var(--panel);border:1px solid var(--rule);border-radius:8px;border-spacing:0;border-collapse:separate;
overflow:hidden}
.overview th,.overview td{padding:9px 14px;text-align:left;vertical-align:top;border-top:1px solid var(--rule)}
.overview tr:first-child>*{border-top:0}
.overview th{font-weight:600;white-space:nowrap}
.overview td:last-child{width:100%}
.fact{display:inline-block;margin-right:26px;color:var(--soft)}
.fact b{color:var(--ink);font-weight:600}
section{margin-top:44px;padding-top:26px;border-top:1px solid var(--rule)}
section>header{display:flex;align-items:baseline;gap:12px;flex-wrap:wrap}
.runs,.asserts{color:var(--soft);font-size:13px}
.badge{font-size:12px;font-weight:600;padding:1px 9px;border-radius:99px;border:1px solid currentColor;white-space:nowrap}
.ok{color:var(--ok)}.bad{color:var(--bad)}.none{color:var(--none)}
.failures{margin:10px 0;padding:10px 14px 10px 30px;border-left:3px solid var(--bad);background:var(--panel);font-size:14px}
.failures small{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:10px;margin:16px 0}
.tiles div{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:10px 14px;display:flex;flex-direction:column;
justify-content:space-between}
.tiles dt{font-size:12.5px;line-height:1.35}
.tiles dd{font-size:25px;font-weight:620;letter-spacing:-.02em;line-height:1.25;margin-top:4px}
.tiles small{font-size:14px;font-weight:400;color:var(--soft)}
.range{display:block;font-size:12px;font-weight:400;letter-spacing:0;color:var(--soft)}
.scroll{overflow-x:auto}
.figures th,.figures td{padding:5px 12px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
.figures thead th{color:var(--soft);font-weight:500;font-size:12.5px}
.figures th:first-child{text-align:left;padding-left:0;font-weight:500}
.scroll .figures{width:100%}
.counts th,.counts td{padding:3px 12px 3px 0;text-align:left;vertical-align:top;font-weight:400}
.counts th{color:var(--soft);white-space:nowrap}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:12px;margin:16px 0}
figure{margin:0;background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:9px 10px 6px;display:flex;
flex-direction:column}
figcaption{font-size:12.5px;display:flex;flex-wrap:wrap;gap:0 6px;align-items:baseline}
figcaption b{font-weight:600}
figcaption small{color:var(--soft)}
.legend{margin-left:auto;color:var(--soft);font-size:11.5px}
.key{display:inline-block;width:12px;height:3px;border-radius:2px;margin:0 4px 3px 8px;background:var(--c)}
.nothing{margin:auto;padding:36px 0;color:var(--soft);font-size:13px}
svg{display:block;width:100%;height:auto;margin-top:2px}
svg text{font:10.5px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
svg .value{fill:var(--ink);font-weight:600}
.c1{--c:var(--c1)}.c2{--c:var(--c2)}.c3{--c:var(--c3)}.c4{--c:var(--c4)}.c5{--c:var(--c5)}
.grid{stroke:var(--rule);stroke-width:1}
.line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.line.faint{stroke-width:1;opacity:.28}
.bar{fill:var(--c)}
.window{fill:var(--band)}
.event{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.hit{fill:transparent}
.hit:hover{fill:var(--soft);fill-opacity:.09}
details{margin:6px 0;font-size:13.5px}
summary{cursor:pointer;color:var(--soft)}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(360px,1fr));gap:0 40px;padding:4px 0 12px}
pre{font-size:12px;line-height:1.45;white-space:pre-wrap;margin:4px 0}
footer{margin-top:50px;padding-top:16px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px;max-width:100ch}
@media print{section{break-inside:avoid}}
`;
