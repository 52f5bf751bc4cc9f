"""How the report's page looks, in the colors of the theme, and the little it does."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

from musicu.items.comparable import FIELDS

__all__ = ["FIELD_COLORS", "SCRIPT", "STYLE"]

_COLORS = {
    "audio": ("#2a78d6", "#3987e5"),
    "genres": ("#1baf7a", "#199e70"),
    "tags": ("#008300", "#35a035"),
    "artists": ("#4a3aa7", "#9085e9"),
    "label": ("#e87ba4", "#d55181"),
    "country": ("#8b93a0", "#77808d"),
    "language": ("#a9b0ba", "#5f6874"),
    "year": ("#eda100", "#c98500"),
    "tempo": ("#eb6834", "#d95926"),
    "key": ("#c9855f", "#b0704b"),
    "loudness": ("#b59a7a", "#94805f"),
    "sound": ("#e34948", "#e66767"),
    "text": ("#7aa653", "#6f9a4c"),
}
# For fields that have none of their own, in turn.
_SPARE = cycle((("#0e7c86", "#3fb0ba"), ("#a8327e", "#d873b4"), ("#6b7a1f", "#a3b24e")))
# Colors of the fields that items are compared by, on light ground and on dark.
FIELD_COLORS: Mapping[str, tuple[str, str]] = {
    name: _COLORS.get(name) or next(_SPARE) for name in FIELDS
}
_LIGHT, _DARK = (
    " ".join(f"--field-{name}: {pair[ground]};" for name, pair in FIELD_COLORS.items())
    for ground in (0, 1)
)

STYLE = (
    f"""
:root {{ {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
"""
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 36px 20px 64px; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
h1 { font-size: 30px; line-height: 1.2; margin: 4px 0 6px; letter-spacing: -.01em; }
h2 { font-size: 25px; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h3 { font-size: 16px; margin: 0 0 10px; } p { margin: 0; }
h4 { font-size: 12.5px; font-weight: 600; margin: 0 0 8px; color: var(--soft); }
.soft { color: var(--soft); } .small { font-size: 13px; }
.num { font-variant-numeric: tabular-nums; }
.gap { margin-top: 8px; } .note { margin: -6px 0 12px; }
.eyebrow { font-size: 12px; font-weight: 600; letter-spacing: .08em; text-transform: uppercase;
  color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 20px 22px; margin-top: 16px; min-width: 0; }
.card.wide { padding: 10px 16px; } .card.summary { margin-top: 24px; }
.release { margin-top: 44px; padding-top: 8px; } .release.alone { margin-top: 18px; padding: 0; }
.release > header { display: flex; flex-wrap: wrap; gap: 14px 24px; align-items: flex-end;
  justify-content: space-between; }
.by { font-size: 17px; color: var(--soft); margin-top: 2px; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr));
  gap: 0 16px; }
.groups { display: grid; gap: 18px 40px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); }
.chips { display: flex; flex-wrap: wrap; gap: 6px; }
.chip { background: var(--well); border-radius: 999px; padding: 2px 10px; font-size: 13px;
  overflow-wrap: anywhere; }
.pill { display: inline-block; border-radius: 999px; padding: 1px 10px; font-size: 12.5px;
  font-weight: 600; white-space: nowrap; background: var(--quiet-bg); color: var(--soft); }
.pill.good { background: var(--good-bg); color: var(--good); }
.pill.warn { background: var(--warn-bg); color: var(--warn); }
.pill.bad { background: var(--bad-bg); color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(148px, 1fr)); gap: 12px;
  margin-top: 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 12px 16px; min-width: 0; }
.tile b { display: flex; align-items: center; min-height: 34px; font-size: 21px; line-height: 1.2;
  font-weight: 650; margin-bottom: 2px; }
.tile span { display: block; font-size: 12.5px; color: var(--soft); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 12.5px; font-weight: 600; color: var(--soft);
  padding: 0 12px 8px 0; }
td { padding: 9px 12px 9px 0; border-top: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th.r, td.r { text-align: right; padding-right: 0; }
ul.plain { list-style: none; margin: 0; padding: 0; }
ul.plain > li { padding: 8px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
ul.plain > li:first-child { border-top: 0; padding-top: 0; }
ul.plain > li:last-child { padding-bottom: 0; }
.finding { display: grid; grid-template-columns: 74px 1fr; gap: 10px; align-items: baseline; }
.finding .pill { justify-self: start; }
details.near { border-top: 1px solid var(--line); }
details.near:first-of-type { border-top: 0; }
details.near > summary { display: grid; gap: 4px 14px; padding: 11px 0; cursor: pointer;
  grid-template-columns: 26px minmax(0, 1fr) minmax(120px, 34%) 52px 14px; align-items: center;
  list-style: none; }
details.near > summary::-webkit-details-marker { display: none; }
details.near > summary::after { content: ""; width: 7px; height: 7px; margin: -3px 0 0 2px;
  border: solid var(--soft); border-width: 0 1.5px 1.5px 0; transform: rotate(45deg); }
details.near[open] > summary::after { transform: rotate(-135deg); margin-top: 4px; }
.rank { color: var(--soft); text-align: center; } .score { font-weight: 650; text-align: right; }
.name { overflow-wrap: anywhere; } .name b { font-weight: 600; }
.why { padding: 2px 0 18px 40px; display: grid; gap: 12px; }
.bar { position: relative; display: flex; gap: 2px; height: 10px; border-radius: 5px;
  background: var(--well); overflow: hidden; }
.bar i { display: block; height: 100%; }
.bar u { position: absolute; inset: 0; background: var(--well); opacity: .8; }
.parts { display: flex; flex-wrap: wrap; gap: 3px 16px; font-size: 13px; }
.parts i { display: inline-block; width: 9px; height: 9px; border-radius: 3px;
  margin-right: 6px; }
.lane { display: grid; grid-template-columns: 88px minmax(0, 1fr) auto; gap: 4px 12px;
  align-items: center; font-size: 13px; }
.lane svg { display: block; width: 100%; height: 34px; border-radius: 6px;
  background: var(--well); }
button.play { font: inherit; font-size: 13px; color: var(--accent); background: none;
  border: 1px solid var(--line); border-radius: 999px; padding: 2px 12px 2px 9px;
  cursor: pointer; white-space: nowrap; font-variant-numeric: tabular-nums; }
button.play:hover { border-color: var(--accent); }
button.play::before { content: "\\25B6\\FE0E"; font-size: 10px; margin-right: 7px; }
button.play.on { background: var(--accent); border-color: var(--accent); color: var(--card); }
button.play.on::before { content: "\\25A0\\FE0E"; }
button.play:disabled { color: var(--soft); cursor: default; text-decoration: line-through; }
.meter { display: grid; grid-template-columns: minmax(90px, 34%) 1fr 44px; gap: 5px 12px;
  align-items: center; font-size: 14px; }
.meter.wide { grid-template-columns: minmax(0, 1fr) minmax(70px, 26%) 30px; gap: 9px 12px; }
.meter.wide b { display: block; font-weight: 600; line-height: 1.35; }
.meter .bar { height: 8px; } .meter .num { text-align: right; font-size: 13px;
  color: var(--soft); } .meter > span { overflow-wrap: anywhere; }
.map { display: block; width: 100%; height: auto; }
.map .grid { stroke: var(--line); fill: none; } .map text { fill: var(--ink); font-size: 12px; }
.map text.soft { fill: var(--soft); font-size: 11px; }
.map .link { stroke: var(--line); } .map .other { fill: var(--soft); }
.map .own { fill: var(--field-artists); } .map .here { fill: var(--accent); }
.wave { fill: var(--soft); opacity: .55; } .heat { fill: var(--accent); }
.found { fill: none; stroke: var(--accent); stroke-width: 2; vector-effect: non-scaling-stroke; }
.hero-wave { display: block; width: 100%; height: 64px; }
.hero-wave .wave { fill: var(--accent); opacity: .75; }
.scale { position: relative; height: 8px; border-radius: 4px; background: var(--well);
  margin-top: 8px; }
.scale i { position: absolute; top: -3px; width: 4px; height: 14px; border-radius: 2px;
  background: var(--accent); margin-left: -2px; }
footer { margin-top: 48px; color: var(--soft); font-size: 13px; display: grid; gap: 8px; }
@media (max-width: 720px) {
  main { padding: 22px 14px 48px; } h1 { font-size: 25px; } h2 { font-size: 22px; }
  .card { padding: 16px; }
  .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  details.near > summary { grid-template-columns: 22px minmax(0, 1fr) 46px 14px; }
  details.near > summary .bar { grid-row: 2; grid-column: 2 / 5; }
  .tile:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .why { padding-left: 0; } .lane { grid-template-columns: minmax(0, 1fr) auto; }
  .lane svg { grid-column: 1 / 3; grid-row: 2; }
  table.stack thead { display: none; } table.stack, table.stack tbody { display: block; }
  table.stack tr { display: block; border-top: 1px solid var(--line); padding: 10px 0; }
  table.stack tr:first-child { border-top: 0; padding-top: 0; }
  table.stack td { display: block; border: 0; padding: 1px 0; text-align: left; }
  table.stack td[data-name]::before { content: attr(data-name) " "; color: var(--soft);
    font-size: 13px; }
  .finding { grid-template-columns: 1fr; gap: 2px; }
}
@media print { body { background: none; } .card, .tile { break-inside: avoid; }
  button.play { display: none; } main { max-width: none; padding: 0; } }
"""
)

SCRIPT = """
const player = new Audio();
let current = null, until = 0;
function stop() {
  player.pause();
  if (current) current.classList.remove('on');
  current = null;
}
player.addEventListener('timeupdate', () => { if (until && player.currentTime >= until) stop(); });
player.addEventListener('ended', stop);
document.addEventListener('click', event => {
  const button = event.target.closest('button.play');
  if (!button) return;
  event.preventDefault();
  if (button === current) { stop(); return; }
  stop();
  const start = Number(button.dataset.start || 0);
  until = Number(button.dataset.end || 0);
  current = button;
  button.classList.add('on');
  player.src = button.dataset.src;
  player.addEventListener('loadedmetadata', () => { player.currentTime = start; }, {once: true});
  player.play().catch(() => {
    if (current !== button) return;
    stop();
    button.disabled = true;
    button.title = 'This browser cannot play it, or the file is not where it was';
  });
});
addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach(one => { one.open = true; });
});
"""
