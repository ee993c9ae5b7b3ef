// audit/report_style.h - the style sheet of the HTML report: light and dark, screen and paper, no script.
#pragma once

#include <string_view>

namespace hearth::audit {

inline constexpr std::string_view kReportStyle = R"css(
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --ink: #22201c; --soft: #6d675d; --faint: #e5e0d6; --card: #ffffff; --ember: #b4501e;
  --worse: #b3261e; --better: #2463a8; --same: #2f7a4d; --few: #96700f; --band: #ece7da;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #171512; --ink: #ece7de; --soft: #a59d90; --faint: #35312b; --card: #1f1c18; --ember: #f0935a;
    --worse: #f28b82; --better: #8ab8f0; --same: #81c995; --few: #e3bd5c; --band: #2a2621;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
main { max-width: 62rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
h1, h2, .lead, .figure b { font-family: "Iowan Old Style", Palatino, "Palatino Linotype", "Noto Serif",
  "DejaVu Serif", Georgia, serif; }
.kicker { color: var(--ember); font-size: .82rem; letter-spacing: .12em; text-transform: uppercase;
  font-weight: 600; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: .4rem 0 1rem; font-weight: 600; overflow-wrap: anywhere; }
h1 .arrow { color: var(--soft); font-weight: 400; padding: 0 .15em; }
.lead { font-size: 1.22rem; line-height: 1.5; margin: 0 0 2rem; max-width: 46rem; }
h2 { font-size: 1.35rem; font-weight: 600; margin: 3.2rem 0 .5rem; }
p.why { color: var(--soft); margin: 0 0 1.1rem; max-width: 44rem; font-size: .94rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .9rem; }
.figure { background: var(--card); border: 1px solid var(--faint); border-radius: 10px;
  padding: .95rem 1.1rem; }
.figure span { display: block; color: var(--soft); font-size: .82rem; }
.figure b { display: block; font-size: 1.45rem; white-space: nowrap; font-weight: 600; line-height: 1.3; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .94rem; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .82rem;
  border-bottom: 1.5px solid var(--ink); }
th, td { padding: .42rem .8rem .42rem 0; vertical-align: baseline; }
th:last-child, td:last-child { padding-right: 0; }
td { border-bottom: 1px solid var(--faint); }
tr.all td { border-top: 1.5px solid var(--soft); font-weight: 600; }
.num { text-align: right; white-space: nowrap; }
.ci { color: var(--soft); font-size: .82rem; font-weight: 400; padding-left: .45em; }
.stack th, .stack td { padding-right: .55rem; }
.stack .ci { display: block; padding: 0; line-height: 1.2; }
td:first-child { white-space: nowrap; }
.verdict { white-space: nowrap; font-weight: 600; font-size: .88rem; }
.verdict::before { content: ""; display: inline-block; width: .62em; height: .62em; border-radius: 50%;
  margin-right: .5em; background: currentColor; }
.worse { color: var(--worse); } .better { color: var(--better); } .same { color: var(--same); } .few {
  color: var(--few); }
td.plain, .scroll.keys td { overflow-wrap: anywhere; }
.keys td:first-child { color: var(--soft); width: 13rem; white-space: nowrap; }
code { font-family: ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace;
  font-size: .86em; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; margin: .8rem 0 .4rem; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .tick, svg .note { fill: var(--soft); font-size: 12px; }
svg .grid { stroke: var(--faint); } svg .zero { stroke: var(--soft); stroke-width: 1.3; }
svg .band { fill: var(--band); } svg .bar { fill: var(--ember); } svg .bar:hover { opacity: .75; }
svg .mark { stroke: var(--ink); stroke-dasharray: 3 3; }
svg .whisker { stroke: currentColor; stroke-width: 2; } svg circle { fill: currentColor; }
footer { margin-top: 4rem; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--faint);
  padding-top: 1rem; }
@media (max-width: 40rem) { main { padding-top: 2rem; } h1 { font-size: 1.6rem; } .keys td:first-child {
  width: 8rem; white-space: normal; } }
@media print { main { padding: 0; max-width: none; } h2 { break-after: avoid; } tr, svg {
  break-inside: avoid; } }
)css";

}  // namespace hearth::audit
