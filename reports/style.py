"""The page's style sheet. Nothing is fetched: fonts are those of the reader's machine."""

CSS = """
:root{--ink:#1f262d;--soft:#56616c;--line:#d5dae0;--pale:#f4f6f8;--accent:#27506b;--good:#22693f;--bad:#a01c1c;--warn:#8a5a00}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.7 "Hiragino Sans","Yu Gothic Medium","Yu Gothic",Meiryo,
"Noto Sans CJK JP","Noto Sans JP",IPAexGothic,sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:1080px;margin:0 auto;padding:0 28px}
header{padding-top:26px}
.verdict{font-size:18px;font-weight:700;line-height:1.6;
margin:0 0 20px;padding:14px 18px;border-left:8px solid var(--good);background:#eef6f0}
.verdict.bad{border-color:var(--bad);background:#fbefee}
h1{font-size:25px;line-height:1.4;margin:0 0 4px}
h2{font-size:20px;margin:46px 0 12px;padding-bottom:5px;border-bottom:2px solid var(--accent);color:var(--accent)}
h3{font-size:16.5px;margin:26px 0 8px}
h4{font-size:15px;margin:18px 0 6px}
p{margin:0 0 10px}
.soft,small{color:var(--soft);font-size:13px}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:2px 18px;margin:12px 0 0;padding:0;font-size:14px}
a{color:var(--accent)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:12px;margin:20px 0 0;padding:0}
.tiles>div{border:1px solid var(--line);border-radius:5px;padding:11px 14px}
.tiles dt{font-size:13px;color:var(--soft)}
.tiles dd{margin:0}
.tiles .big{font-size:23px;font-weight:700;line-height:1.45;display:block}
.bad-text{color:var(--bad)}.good-text{color:var(--good)}
.note{border-left:4px solid var(--warn);background:#fdf7e9;padding:9px 14px;margin:10px 0}
.alarm{border-left:4px solid var(--bad);background:#fbefee;padding:9px 14px;margin:10px 0}
.scroll{overflow-x:auto;margin:8px 0 16px}
table{border-collapse:collapse;width:100%;font-size:13.5px;line-height:1.55}
table.narrow{width:auto;min-width:420px}
caption{text-align:left;font-weight:700;padding:4px 0 6px;font-size:14px}
th,td{padding:5px 9px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;font-weight:400}
tbody th{min-width:7em}
thead th{border-bottom:2px solid var(--soft);font-weight:700;background:var(--pale);vertical-align:bottom;
overflow-wrap:break-word;word-break:keep-all}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.n small{white-space:nowrap}
.keep,.keep .id{white-space:nowrap}
.bar{display:block;height:5px;min-width:64px;background:#e6eaee;border-radius:2px;margin-top:3px}
.bar i{display:block;height:5px;background:#5b86a3;border-radius:2px}
figure{margin:14px 0 18px;break-inside:avoid}
figcaption{font-weight:700;font-size:14px;margin-bottom:4px}
figcaption small{font-weight:400;margin-left:6px}
.chart{display:block;width:100%;height:auto;border:1px solid var(--line);border-radius:4px}
.chart text{font-family:inherit}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:3px 16px;margin:6px 0 0;padding:0;font-size:13.5px}
.legend i{display:inline-block;width:13px;height:13px;border-radius:2px;margin-right:6px;vertical-align:-2px}
.matrix th,.matrix td{padding:2px 3px;text-align:center;min-width:0}
.matrix tbody th{text-align:left;min-width:12em}
.matrix .open{font-weight:700;color:var(--good)}.matrix .shut{color:#aab2ba}.matrix .same{color:var(--soft)}
.guess{color:var(--warn)}
details{margin:8px 0 14px}
summary{cursor:pointer;color:var(--accent);font-size:14px}
.findings{padding-left:22px;margin:6px 0}
.mono{font-family:ui-monospace,"SFMono-Regular",Consolas,monospace;font-size:12.5px}
.id{color:var(--soft);font-size:12px;display:block}
footer{color:var(--soft);font-size:13px;padding-top:18px;padding-bottom:40px}
@media print{
@page{size:A4;margin:14mm 12mm}
body{font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}
main,header,footer{max-width:none;padding:0}
nav{display:none}
h2,h3,h4,caption,.legend{break-after:avoid}.legend{break-inside:avoid}h3+.soft{break-after:avoid}
tr{break-inside:avoid}
thead{display:table-header-group}
.scroll{overflow:visible}
table{font-size:8.5pt}th,td{padding:3px 5px}
.tiles{grid-template-columns:repeat(3,1fr)}.tiles .big{font-size:15pt}
}
"""
