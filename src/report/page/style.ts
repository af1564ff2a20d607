/** The page's own style: one column, readable on a phone, light or dark as the reader's system is. */
import { pageTheme } from "./theme.ts";

/** The page's style sheet. */
export const pageStyle = `${pageTheme}
*{box-sizing:border-box}
body{margin:0;background:var(--surface);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:960px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .4em;overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.3;margin:0 0 .4em}
p{margin:0 0 .8em}
a{color:var(--trial)}
.kind{margin:0;color:var(--muted);font-size:.9rem}
.phase{border-left:4px solid var(--muted);padding:.2em 0 .2em .8em}
.phase.finished{border-color:var(--pass)}
.phase.running,.phase.stopped{border-color:var(--warn)}
.phase.died{border-color:var(--fail)}
section,figure{margin:40px 0 0}
.alarm{margin-top:16px;border:1px solid var(--fail);border-left-width:4px;border-radius:4px;padding:12px 16px}
.alarm h2{color:var(--fail)}
.alarm li{overflow-wrap:anywhere}
.notes{margin-top:24px;border-left:4px solid var(--warn);padding-left:16px}
ul{margin:0 0 .6em;padding-left:1.2em}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}
.tile{flex:1 1 240px;border:1px solid var(--grid);border-radius:8px;padding:12px 16px}
.tile dt{color:var(--muted);font-size:.9rem}
.tile dd{margin:0}
.tile strong{display:block;font-size:1.7rem;line-height:1.25;font-variant-numeric:tabular-nums}
.tile span{color:var(--muted);font-size:.9rem}
figcaption{color:var(--ink);margin:0 0 12px;max-width:46em}
.data{font-size:.85rem;color:var(--muted);margin:.4em 0 0}
svg{display:block;width:100%;height:auto}
svg text{font-variant-numeric:tabular-nums}
.wide svg{max-width:920px}
.narrow{display:none}
.narrow svg{max-width:460px;margin:0 auto}
.scroll{overflow-x:auto;margin:8px 0 16px}
table{border-collapse:collapse;font-size:.92rem}
th,td{text-align:left;padding:5px 22px 5px 0;border-bottom:1px solid var(--grid);vertical-align:top}
th{color:var(--muted);font-weight:600}
.number{text-align:right;font-variant-numeric:tabular-nums}
td.number{white-space:nowrap}
details{margin:0 0 .6em}
#loss-by-learning-rate td:nth-child(2){min-width:13em}
#reproduce td{overflow-wrap:anywhere}
#reproduce td:first-child{white-space:nowrap}
pre.commands{white-space:pre-wrap;overflow-wrap:anywhere}
pre{background:color-mix(in srgb,var(--grid) 45%,transparent);border-radius:6px;padding:12px 14px;overflow-x:auto;font-size:.85rem;line-height:1.45}
code{overflow-wrap:anywhere}
th button{all:unset;cursor:pointer;font:inherit;color:inherit;white-space:nowrap}
th button:focus-visible{outline:2px solid var(--trial);outline-offset:3px;border-radius:2px}
th[aria-sort] button::after{content:" ▲";font-size:.75em}
th[aria-sort=descending] button::after{content:" ▼"}
#ranking-table td,#ranking-table th,#training-table td{white-space:nowrap;padding-right:18px}
#ranking-table-scroll{max-height:32em;overflow-y:auto}
#ranking-table thead th{position:sticky;top:0;background:var(--surface)}
tr.lit td{background:color-mix(in srgb,var(--winner) 16%,transparent)}
svg [data-key]{cursor:default}
svg .lit{stroke:var(--winner);stroke-width:4px;stroke-opacity:1;opacity:1}
#tip{position:fixed;z-index:2;max-width:min(24em,calc(100vw - 8px));padding:6px 10px;border:1px solid var(--muted);border-radius:6px;background:var(--surface);color:var(--ink);font-size:.82rem;line-height:1.4;white-space:pre-wrap;overflow-wrap:anywhere;pointer-events:none;box-shadow:0 2px 8px rgb(0 0 0/.25)}
#tip::first-line{font-weight:600}
#connection{position:sticky;top:0;z-index:1;margin:0;padding:6px 20px;background:var(--warn);color:var(--surface);text-align:center}
[hidden]{display:none!important}
#progress{margin:0 0 1em}
#progress p{margin:.3em 0 0;font-variant-numeric:tabular-nums}
summary{cursor:pointer;color:var(--muted)}
.cost{display:grid;grid-template-columns:4.5em 1fr 7.5em;gap:10px;align-items:center;margin:6px 0;max-width:640px}
.bar{background:var(--grid);height:14px;border-radius:3px;overflow:hidden}
.bar i{display:block;height:100%;background:var(--trial)}
.cost span:last-child{text-align:right;font-variant-numeric:tabular-nums}
@media (max-width:720px){
main{padding:16px 14px 48px}
.wide{display:none}
.narrow{display:block}
table{font-size:.84rem}
th,td{padding-right:10px}
.notes{padding-left:12px}
}
figure{margin-left:0;margin-right:0}
@media print{#ranking-table-scroll{max-height:none}.narrow{display:none}.wide{display:block}}
`;
