"""The style and the one script of the tour's page. No address in them: the page opens offline, light or dark."""

STYLE = """
:root{color-scheme:light dark;--paper:#faf9f6;--card:#fff;--ink:#1b1f24;--soft:#616a74;--line:#e5e2db;--track:#efece6;
--main:#2f6fd0;--second:#d9822b;--good:#1c7c4a;--good-bg:#e2f3e9;--bad:#b3352c;--bad-bg:#fbe6e3}
@media(prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1c2026;--ink:#e8e9eb;--soft:#9aa3ad;--line:#2c323a;
--track:#262c34;--main:#6aa3f5;--second:#efa65a;--good:#6fd39c;--good-bg:#163527;--bad:#ff9a8f;--bad-bg:#43201d}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:44px 20px 72px}
h1{font-size:clamp(1.8rem,5.2vw,2.8rem);line-height:1.1;letter-spacing:-.025em;margin:14px 0 12px;text-wrap:balance}
h2{font-size:1.35rem;letter-spacing:-.012em;margin:60px 0 6px}h3{font-size:1rem;margin:28px 0 6px}
p{margin:0}.lead{font-size:1.1rem;max-width:62ch}.note{color:var(--soft);font-size:.93rem;max-width:78ch;
margin-bottom:16px}a{color:var(--main)}
.tag{display:inline-block;padding:3px 12px;border-radius:99px;background:var(--track);color:var(--soft);
font-size:.82rem;font-weight:600}
.facts{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(min(100%,155px),1fr));margin:30px 0 0}
.fact,.box{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:16px 18px}
.fact b{display:block;font-size:1.75rem;line-height:1.2;letter-spacing:-.02em;font-variant-numeric:tabular-nums}
.fact span{color:var(--soft);font-size:.88rem}
.signs{display:grid;gap:14px;grid-template-columns:repeat(auto-fill,minmax(min(46%,230px),1fr))}
figure{margin:0}.sign{background:var(--card);border:1px solid var(--line);border-radius:14px;overflow:hidden}
.sprite{aspect-ratio:4/3;background-size:800% 200%;background-position:57.143% 0;
animation:along .8s steps(8,jump-none) infinite,down 1.6s steps(2,jump-none) infinite}
@keyframes along{from{background-position-x:0}to{background-position-x:100%}}
@keyframes down{from{background-position-y:0}to{background-position-y:100%}}
@media(prefers-reduced-motion:reduce){.sprite{animation:none}}
.sign figcaption{padding:9px 13px 11px;font-weight:600;font-size:.93rem;line-height:1.35;overflow-wrap:anywhere}
.sign small{display:block;color:var(--soft);font-weight:400}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:14px}
.strip img{display:block;width:100%;min-width:760px}.strip figcaption{padding:10px 14px 4px;font-weight:600;
font-size:.93rem;position:sticky;left:0}.strip figure+figure{border-top:1px solid var(--line)}
.two{display:grid;gap:14px;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));align-items:start}
.box figcaption{font-weight:600;font-size:.95rem;margin-bottom:8px}
.key{display:flex;flex-wrap:wrap;gap:2px 16px;color:var(--soft);font-size:.85rem;margin-top:6px}
.key i{display:inline-block;width:18px;height:3px;border-radius:2px;margin-right:7px;vertical-align:middle}
svg{display:block;width:100%;height:auto}svg text{font-size:13px;fill:var(--soft)}.grid{stroke:var(--line)}
polyline{fill:none;stroke-width:2.4;stroke-linejoin:round}.c1{stroke:var(--main)}.c2{stroke:var(--second)}
.b1{background:var(--main)}.b2{background:var(--second)}
table{border-collapse:collapse;width:100%;font-size:.91rem;font-variant-numeric:tabular-nums}
th,td{padding:8px 13px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
thead th{color:var(--soft);font-weight:600;font-size:.84rem}tbody tr:last-child>*{border-bottom:0}
th[scope=row]{font-weight:600}td.n,th.n{text-align:right}
tr.wrong td,tr.wrong th{background:var(--bad-bg)}
.right b,.wrong b{font-weight:600}.right .mark{color:var(--good)}.wrong .mark{color:var(--bad)}
.mark{font-weight:700;margin-right:6px}
.score{display:inline-block;width:84px;height:8px;border-radius:4px;background:var(--track);overflow:hidden;
margin-right:9px;vertical-align:1px}.score i{display:block;height:100%;background:var(--main)}
.wrong .score i{background:var(--bad)}
table.confusion{width:auto;margin:0 auto;font-size:.82rem}.confusion th,.confusion td{border:0;padding:2px 4px}
.confusion td{width:38px;height:32px;text-align:center;border-radius:6px;color:var(--soft)}
.confusion td.hit{background:color-mix(in srgb,var(--good) calc(var(--share)*80%),var(--track));color:var(--ink);
font-weight:600}.confusion td.miss{background:color-mix(in srgb,var(--bad) calc(var(--share)*80%),var(--track));
color:var(--ink);font-weight:600}
.confusion thead th{writing-mode:vertical-rl;transform:rotate(180deg);font-weight:400;padding:4px 2px}
.confusion tbody th{text-align:right;font-weight:400}
.bars{display:grid;grid-template-columns:auto 1fr auto;gap:7px 14px;align-items:center;font-size:.92rem}
.bars i{display:block;height:12px;border-radius:4px;background:var(--main);min-width:2px}
.bars span:nth-child(3n){text-align:right;color:var(--soft);font-variant-numeric:tabular-nums}
.code{position:relative}pre{margin:8px 0 0;padding:15px 18px;background:var(--card);border:1px solid var(--line);
border-radius:14px;overflow-x:auto;font:14px/1.7 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.code button{position:absolute;right:10px;top:18px;font:inherit;font-size:.82rem;padding:4px 12px;border-radius:8px;
border:1px solid var(--line);background:var(--track);color:var(--ink);cursor:pointer}
ul{margin:8px 0 0;padding-left:1.2em}li{margin:4px 0;overflow-wrap:anywhere}
footer{margin-top:56px;color:var(--soft);font-size:.88rem}
@media(max-width:520px){main{padding:26px 14px 52px}th,td{padding:7px 9px}.score{width:44px}
.sign figcaption{padding:7px 10px 9px}
.confusion td{width:30px;height:28px}.code button{position:static;margin-top:8px}}
@media print{.sign,.box,.scroll{break-inside:avoid}.sprite{animation:none}}
"""

SCRIPT = """
for(const block of document.querySelectorAll(".code")){if(!navigator.clipboard)break;
const button=document.createElement("button");button.textContent="copy";
button.onclick=()=>navigator.clipboard.writeText(block.querySelector("pre").textContent.trim())
.then(()=>{button.textContent="copied"});block.append(button)}
"""
"""A button that copies commands. Without it the page shows the same."""
