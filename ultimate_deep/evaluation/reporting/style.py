"""The report's style sheet: one file, no network, light and dark."""

_FONT = 'system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", Arial, sans-serif'
# Colours that the colour-blind tell apart: of the series, and of the parts of one picture.
LIGHT = {
    "--page": "#f5f6f8", "--panel": "#ffffff", "--ink": "#16202c", "--muted": "#5d6b7a",
    "--grid": "#dfe4ea", "--model": "#1f66d1", "--reference": "#8f9aa8",
    "--validation": "#d9822b", "--good": "#04654f", "--bad": "#d23a31", "--warn": "#a86400",
    "--tint": "#eef4fd", "--series-0": "#1f66d1", "--series-1": "#d5781e",
    "--series-2": "#21aa94", "--series-3": "#ec2160", "--series-4": "#712e1d",
    "--series-5": "#073f5b",
}  # fmt: skip
DARK = {
    "--page": "#0f141a", "--panel": "#171e27", "--ink": "#e7ecf2", "--muted": "#9aa7b5",
    "--grid": "#2b3541", "--model": "#6aa5ff", "--reference": "#7d8896",
    "--validation": "#f0b060", "--good": "#45c795", "--bad": "#ff6f66", "--warn": "#f2b84b",
    "--tint": "#1c2938", "--series-0": "#6aa5ff", "--series-1": "#e7ce44",
    "--series-2": "#009020", "--series-3": "#8a7ba2", "--series-4": "#f39b81",
    "--series-5": "#56f4ee",
}  # fmt: skip


def _declared(colours: dict[str, str]) -> str:
    return " ".join(f"{name}: {value};" for name, value in colours.items())


CSS = (
    f"""
:root {{ color-scheme: light dark; --font: {_FONT};
  {_declared(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_declared(DARK)} }} }}
"""
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 var(--font); }
main { max-width: 980px; margin: 0 auto; padding: 32px 20px 64px; }
header { margin-bottom: 20px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 0 0 4px; letter-spacing: -0.005em; }
p { margin: 6px 0; }
.sub, .hint, figcaption { color: var(--muted); font-size: 14px; }
section { background: var(--panel); border: 1px solid var(--grid); border-radius: 12px;
  padding: 20px 24px; margin: 16px 0; }
.banner { background: repeating-linear-gradient(-45deg, transparent 0 12px,
  color-mix(in srgb, var(--warn) 12%, transparent) 12px 24px);
  border: 1px solid var(--warn); color: var(--ink); border-radius: 12px; padding: 12px 20px;
  margin: 16px 0; }
.verdict { border-left: 8px solid var(--tone); }
.verdict .kind { font-size: 34px; font-weight: 700; line-height: 1.15; color: var(--tone); }
.verdict .sentence { font-size: 17px; max-width: 76ch; }
.tone-good { --tone: var(--good); } .tone-bad { --tone: var(--bad); }
.tone-open { --tone: var(--warn); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 12px;
  margin-top: 16px; }
.card { background: var(--page); border-radius: 10px; padding: 12px 14px; }
.card b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.card span { color: var(--muted); font-size: 13px; display: block; line-height: 1.4; }
.card .n { display: inline; color: inherit; font: inherit; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; margin-top: 8px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 7px 8px; text-align: right; border-bottom: 1px solid var(--grid);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--muted); font-weight: 600; font-size: 13px; white-space: normal;
  vertical-align: bottom; line-height: 1.25; }
.comparison td:first-child { white-space: normal; min-width: 110px; overflow-wrap: anywhere; }
tbody tr:last-child td { border-bottom: 0; }
tr.model td { background: var(--tint); font-weight: 600; }
td small { display: block; color: var(--muted); font-size: 12px; font-weight: 400; }
caption { text-align: left; color: var(--muted); font-size: 14px; padding-bottom: 4px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 16px; align-items: start; } .pair > * { min-width: 0; }
figure { margin: 12px 0 0; }
svg { width: 100%; height: auto; display: block; max-width: 720px; margin: 0 auto; }
svg.wide { max-width: none; } .pair svg { max-width: 480px; }
@media (max-width: 720px) { section { padding: 16px; }
  main { padding: 20px 10px 48px; } figure { overflow-x: auto; } svg.wide { min-width: 560px; }
  table.grid, .pair table.grid { font-size: 13px; }
  table.grid td, table.grid th { padding: 5px 4px; } th, td { white-space: normal; }
  .verdict .kind { font-size: 28px; } }
td:first-child { white-space: normal; }
.confusion { max-width: 520px; } .confusion th, .confusion td { white-space: normal; }
.confusion .confusion td, .confusion th { text-align: center; }
.confusion td.cell { background: color-mix(in srgb, var(--tone) var(--share), transparent);
  font-size: 19px; font-weight: 600; padding: 14px; border: 3px solid var(--panel);
  border-radius: 10px; }
.right { --tone: var(--good); } .wrong { --tone: var(--bad); } .unsure { --tone: var(--warn); }
.checks { list-style: none; padding: 0; margin: 14px 0 0; }
.checks li { display: flex; gap: 10px; margin: 8px 0; align-items: baseline; }
.checks i { flex: none; width: 22px; height: 22px; border-radius: 50%; text-align: center;
  font: 700 13px/22px var(--font); color: var(--tone);
  background: color-mix(in srgb, var(--tone) 16%, transparent); }
.kinds b { color: var(--tone); }
table.grid { font-size: 14px; }
.pair table.grid { font-size: 13px; }
.pair table.grid td, .pair table.grid th { padding: 5px 4px; white-space: normal; }
@media (max-width: 480px) { .pair table.grid { font-size: 12px; }
  .pair table.grid td, .pair table.grid th { padding: 5px 1px; } }
 .matrix td, .matrix th { text-align: center; }
.matrix td:first-child { text-align: left; }
.matrix td.cell { background: color-mix(in srgb, var(--tone) var(--share), transparent); }
details { margin-top: 8px; } h3 { font-size: 16px; margin: 18px 0 0; }
summary { cursor: pointer; font-weight: 600; }
.names td { text-align: left; white-space: normal; vertical-align: top; }
.names td:first-child { color: var(--muted); width: 34%; overflow-wrap: anywhere; }
.names td:last-child { overflow-wrap: anywhere; }
pre { margin: 8px 0; padding: 12px 14px; background: var(--page); border-radius: 10px;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13.5px; }
.steps { width: auto; min-width: 50%; }
ul { margin: 8px 0 0; padding-left: 22px; } li { margin: 4px 0; }
footer { color: var(--muted); font-size: 13px; margin-top: 24px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 16px 4px; font-size: 14px; }
a { color: var(--model); }
/* Tables with many columns: each row a block of names and values, where the screen is narrow. */
@media (max-width: 600px) { .many thead { display: none; }
  .many tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(92px, 1fr));
    border-bottom: 1px solid var(--grid); padding: 6px 0; }
  .many td { display: block; border: 0; text-align: left; padding: 3px 2px; white-space: normal; }
  .many td:first-child { grid-column: 1 / -1; font-weight: 600; }
  .many td::before { content: attr(data-name); display: block; color: var(--muted);
    font-size: 12px; font-weight: 400; } }
@media (min-width: 601px) and (max-width: 900px) { .crowded { font-size: 13px; }
  .crowded td, .crowded th { padding: 6px 3px; } .crowded td:first-child { min-width: 84px; } }
.crowded td, .crowded th { white-space: normal; }
@page { margin: 14mm; }
/* No word and no number is broken where the next line has room for it: a cell is as wide. */
li, td, p { overflow-wrap: break-word; } code, pre { overflow-wrap: anywhere; }
@media print { body { background: none; font-size: 12px; } main { max-width: none; padding: 0; }
  nav { display: none; } section { border: 0; padding: 6px 0; margin: 8px 0; }
  .verdict { border-left: 8px solid var(--tone); padding-left: 16px; }
  h2, h3, caption { break-after: avoid; } figure, tr, .card, .checks li { break-inside: avoid; }
  .scroll, figure { overflow: visible; } .pair { display: block; } svg { max-width: 150mm; }
  .pair svg { max-width: 100mm; }
  .cards { display: block; } .card { display: inline-block; width: 31%; margin: 0 1% 8px 0;
    vertical-align: top; }
  .pair > figure { display: inline-block; width: 48%; margin-right: 1%; vertical-align: top; }
  .hint, p { break-after: avoid; } table, table.grid, .pair table.grid { font-size: 11px; }
  table.comparison { font-size: 9.5px; } table.comparison td, table.comparison th { padding: 3px; }
  td small { font-size: 9px; } }
"""
)
