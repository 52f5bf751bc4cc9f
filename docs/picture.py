"""Draw docs/similar.svg: the terminal after `make demo`. Run in the checkout, after `make demo`."""

import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
# rich's own template fetches a font from elsewhere; any monospace font will do.
TEMPLATE = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg" xml:space="preserve">
<style>.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; font-weight: bold; }}
{styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" \
height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" \
clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}\
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> None:
    """Run the demo's commands and record what they print."""
    musicu = str(Path(sys.executable).with_name("musicu"))
    console = Console(record=True, width=128, file=open("/dev/null", "w"))  # noqa: SIM115
    for old in (ROOT / "demo").glob("catalog.db*"):
        old.unlink()
    for line in ("embed demo/music", "similar demo/new_release.flac -n 8", "catalog errors"):
        console.print(Text("$ musicu " + line, style="bold green"))
        command = [musicu, *line.split(), "--catalog", "demo/catalog.db"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        output = (result.stdout + result.stderr).replace(f"{ROOT}/demo/music", "...")
        console.print(Text(output.rstrip() + "\n"), no_wrap=True, overflow="ellipsis")
    svg = console.export_svg(title="musicu", code_format=TEMPLATE)
    (ROOT / "docs/similar.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
