"""The style and the one script of the HTML page. No address in them: the page opens offline."""

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2126;--soft:#646c76;--line:#e4e1da;--track:#efece5;
--pose:#2f6fd0;--features:#d9822b;--video:#7b8794;--good:#1c7c4a;--good-bg:#e2f3e9;--bad:#b3352c;--bad-bg:#fbe6e3;
--decode:#8a6fc2;--multiply:#2a9d8f;--rest:#c9c6bd;--extract:#2f6fd0;--train:#d9822b}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e8e9eb;--soft:#9aa3ad;--line:#2c323a;
--track:#262c34;--pose:#6aa3f5;--features:#efa65a;--video:#97a3b0;--good:#6fd39c;--good-bg:#163527;--bad:#ff9a8f;
--bad-bg:#43201d;--decode:#a994e0;--multiply:#4cc4b4;--rest:#4a525c;--extract:#6aa3f5;--train:#efa65a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 20px 64px}
h1{font-size:clamp(1.6rem,4.5vw,2.4rem);line-height:1.15;letter-spacing:-.02em;margin:0 0 8px}
h2{font-size:1.25rem;letter-spacing:-.01em;margin:44px 0 4px}
h3{font-size:.95rem;margin:0}h3.table{margin:26px 0 8px}
p{margin:0}.lead,.note{color:var(--soft)}.lead{max-width:68ch}.note{font-size:.9rem;margin-bottom:14px;max-width:80ch}
.warn{list-style:none;margin:20px 0 0;padding:8px 16px;color:inherit;
border-left:3px solid var(--features);background:var(--card);
border-radius:0 8px 8px 0;font-size:.92rem}
.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr))}
.card,.chart{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px}
.card.wide{grid-column:1/-1}
.card dl{display:grid;grid-template-columns:auto 1fr;gap:2px 12px;margin:10px 0 0;font-size:.9rem}
.card dt{color:var(--soft)}.card dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
.card.wide dd{text-align:left}
.mode{font-size:.75rem;font-weight:600;text-transform:uppercase;letter-spacing:.06em}
.m-pose{color:var(--pose)}.m-features{color:var(--features)}.m-video{color:var(--video)}
.badge{display:inline-block;margin-top:12px;padding:2px 10px;border-radius:99px;font-size:.85rem;font-weight:600;
background:var(--track);color:var(--soft)}
.badge.good{background:var(--good-bg);color:var(--good)}.badge.bad{background:var(--bad-bg);color:var(--bad)}
.charts{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(100%,470px),1fr));align-items:start}.charts>.full{grid-column:1/-1}
.charts.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr))}
.chart{margin:0}figcaption{margin-bottom:12px}figcaption p{color:var(--soft);font-size:.85rem}
.bar{display:grid;grid-template-columns:minmax(7.5rem,34%) 1fr 5.4rem;gap:10px;align-items:center;padding:3px 0;
font-size:.88rem}
.bar .name{line-height:1.2}.bar small{color:var(--soft)}
.bar .value{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.track{position:relative;display:flex;height:14px;border-radius:4px;background:var(--track);overflow:hidden}
.track i{display:block;height:100%}.track b{position:absolute;top:6px;height:2px;background:var(--ink);opacity:.55;
min-width:1px}
.k-pose{background:var(--pose)}.k-features{background:var(--features)}.k-video{background:var(--video)}
.k-none{background:var(--rest)}.k-decode{background:var(--decode)}.k-multiply{background:var(--multiply)}
.k-rest{background:var(--rest)}
.key{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.85rem;color:var(--soft);margin:0 0 12px}
.key i{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
svg{width:100%;height:auto;display:block}svg text{font-size:11px;fill:var(--soft)}svg .grid{stroke:var(--line)}
polyline{fill:none;stroke-width:2}polyline.s-extract,line.s-extract{stroke:var(--extract)}
polyline.s-train,line.s-train{stroke:var(--train)}circle.s-extract{fill:var(--extract)}circle.s-train{fill:var(--train)}
.legend span{margin-right:14px;font-weight:600}span.s-extract{color:var(--extract)}span.s-train{color:var(--train)}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}
table{border-collapse:collapse;width:100%;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{padding:8px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th.words,td.words{text-align:left}
th:first-child,td:first-child{position:sticky;left:0;background:var(--card);z-index:1}
thead th{font-weight:600;color:var(--soft);vertical-align:bottom;white-space:normal;min-width:4.5rem}
thead button{all:unset;cursor:pointer}thead button:focus-visible{outline:2px solid var(--pose);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" ▲";font-size:.7em}
th[aria-sort=descending] button::after{content:" ▼";font-size:.7em}
tbody tr:last-child td{border-bottom:0}tbody tr:hover td{background:var(--track)}
ul{padding-left:1.2em;margin:8px 0;color:var(--soft);font-size:.9rem}li{margin:4px 0;overflow-wrap:anywhere}
@media(max-width:520px){main{padding:24px 14px 48px}.bar{grid-template-columns:1fr 5.4rem}
.bar .track{grid-column:1/-1;grid-row:2}.bar{gap:4px 10px;padding:5px 0}th,td{padding:7px 9px}
td:first-child,th:first-child{max-width:42vw;white-space:normal}}
@media print{body{background:#fff}.card,.chart,.scroll{break-inside:avoid}}
"""
"""Grey where nothing is to be seen at once; blue poses, orange features, slate videos."""

SCRIPT = """
for(const button of document.querySelectorAll("thead button"))button.onclick=()=>{
const head=button.parentNode,table=head.closest("table"),body=table.tBodies[0],place=head.cellIndex;
const down=head.getAttribute("aria-sort")==="ascending";
for(const other of table.tHead.rows[0].cells)other.removeAttribute("aria-sort");
head.setAttribute("aria-sort",down?"descending":"ascending");
const key=row=>{const cell=row.cells[place],value=cell.dataset.value;
return value===undefined?cell.textContent:+value};
const order=(a,b)=>{a=key(a);b=key(b);const both=typeof a==="number"&&typeof b==="number";
return both?a-b:typeof a==="number"?-1:typeof b==="number"?1:String(a).localeCompare(b)};
body.append(...[...body.rows].sort((a,b)=>down?order(b,a):order(a,b)))};
"""
"""Sorts a table by the column whose heading is pressed. Without it the page shows the same."""
