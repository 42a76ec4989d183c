/**
 * Style sheets. The colours of series can be told apart with each kind of colour blindness, and are readable as text on cards, which
 * a test checks.
 */
import { TONES } from './svg.js';

const COLOURS = `
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2430;--soft:#5f6875;--rule:#e3e1da;--first:#1a3a9c;--second:#d83a08;--third:#058480;--fourth:#a43be0;--fifth:#5c2d00;--sixth:#0c0e12;--warn:#8a5a00;--warnback:#fdf3dc}
@media (prefers-color-scheme:dark){:root{--paper:#12161d;--card:#1a2029;--ink:#e7eaf0;--soft:#9aa4b2;--rule:#2d3542;--first:#46c4ff;--second:#ff5a2a;--third:#12a79c;--fourth:#b566ff;--fifth:#ffc23c;--sixth:#fbfbe6;--warn:#ffd28a;--warnback:#33290f}}
`;

/** What has the colour of a series. */
const coloured = (tone: string) =>
  `.line.${tone},.bar.${tone},.lead.${tone}{stroke:var(--${tone})}.dot.${tone},.end.${tone}{fill:var(--${tone})}.dot.${tone}.hollow{fill:var(--card);stroke:var(--${tone})}`;

/** The style sheet of charts alone. */
export const CHART_STYLE = `${COLOURS}
text{font:11.5px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
.name{font-size:12px}
.grid{stroke:var(--rule);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1}
.reference{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
.line{fill:none;stroke:var(--soft);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.bar{fill:none;stroke:var(--soft);stroke-width:1.3;opacity:.65}
.dashed{stroke-dasharray:5 4}
.dot{fill:var(--soft);stroke:var(--card);stroke-width:1}
.dot.hollow{fill:var(--card);stroke:var(--soft);stroke-width:2}
.lead{fill:none;stroke:var(--soft);stroke-width:1;opacity:.55}
.end{font-size:12px;font-weight:600}
.touch{fill:transparent;stroke:none}.touch:hover,.dot:hover{fill:var(--ink)}
.series:hover .line{stroke-width:3.5}svg:has(.series:hover) .series:not(:hover){opacity:.25}
${TONES.map(coloured).join('\n')}
.row{font-size:11.5px}.row.own{fill:var(--ink);font-weight:600}.title{font-size:13px;font-weight:600;fill:var(--ink)}.title .tick{font-weight:400;fill:var(--soft)}.paper{fill:var(--card)}
`;

/** The style sheet of a page with charts, tables and cards. */
export const STYLE = `${CHART_STYLE}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 16px 64px}
h1{font-size:clamp(1.5rem,5vw,2.2rem);line-height:1.2;margin:0 0 8px;letter-spacing:-.015em;text-wrap:balance}
h2{font-size:1.25rem;margin:44px 0 4px;letter-spacing:-.01em}
p{margin:8px 0;max-width:70ch}
.soft{color:var(--soft)}
.machine{font-size:.9rem;color:var(--soft)}
.first-ink{color:var(--first);font-weight:600}.second-ink{color:var(--second);font-weight:600}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:16px;margin:22px 0 0}
.card,figure{background:var(--card);border:1px solid var(--rule);border-radius:14px;padding:16px}
.card h3{margin:0 0 10px;font-size:1rem}
.pair{display:grid;grid-template-columns:1fr 1fr 1fr;gap:8px}
.big{font-size:clamp(1.25rem,5.4vw,1.7rem);font-weight:650;line-height:1.15;font-variant-numeric:tabular-nums;white-space:nowrap}
.what{font-size:.8rem;color:var(--soft)}
.card p{font-size:.86rem;margin:12px 0 0}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:16px;margin-top:12px}
figure{margin:0;padding:14px 12px 10px}
figcaption{padding:0 4px 6px;font-size:.95rem}
.unit{color:var(--soft);font-size:.82rem}
figure svg[role]{display:block;width:100%;height:auto}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;padding:4px;font-size:.8rem;color:var(--soft)}
.key{display:inline-flex;align-items:center;gap:6px}
.warn{background:var(--warnback);color:var(--warn);border-radius:10px;padding:10px 14px;font-size:.9rem;max-width:none}
.table{overflow-x:auto;border:1px solid var(--rule);border-radius:14px;background:var(--card);margin-top:12px}
table{border-collapse:collapse;width:100%;font-size:.82rem;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;text-align:right;white-space:nowrap}
th{color:var(--soft);font-weight:500}
thead th{position:sticky;top:0;background:var(--card);border-bottom:1px solid var(--rule)}
.word{text-align:left}
tbody th[scope=row]{position:sticky;left:0;background:var(--card);color:var(--ink);text-align:left;box-shadow:1px 0 0 var(--rule)}
tbody tr.group th{text-align:left;padding-top:16px;color:var(--ink);font-weight:650;border-bottom:1px solid var(--rule)}
tr.group span{position:sticky;left:10px}
tr.second td{border-bottom:1px solid var(--rule)}tr.second th{border-bottom:1px solid var(--rule)}
code{font:.88em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
dl{columns:2 400px;column-gap:40px;margin:0}
dl div{break-inside:avoid;padding-top:10px}
dt{font-weight:600}dd{margin:0;color:var(--soft)}
footer{margin-top:48px;color:var(--soft);font-size:.82rem}
.best{font-weight:700}
details{margin-top:12px}summary{cursor:pointer;color:var(--soft)}
pre{overflow-x:auto;background:var(--card);border:1px solid var(--rule);border-radius:14px;padding:14px 16px;font:.78rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.facts{columns:auto;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,220px),1fr));gap:0 24px}
.facts dd{overflow-wrap:anywhere}
@media (max-width:480px){figure text,figure .name,figure .row,figure .end{font-size:13px}th,td{padding:4px 6px}td .soft{display:block}td .range{white-space:normal}tbody th[scope=row]{white-space:normal;max-width:34vw;overflow-wrap:break-word}}
@media print{body{background:#fff}figure,.card,.table{break-inside:avoid}}
`;
