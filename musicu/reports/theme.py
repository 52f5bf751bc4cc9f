"""How reports look and read: one palette, one frame of a page, texts and counts in it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

__all__ = ["PALETTE", "VARIABLES", "count", "document", "fixed_colors", "shown"]

# Colors on light ground and on dark.
PALETTE: Mapping[str, tuple[str, str]] = {
    "page": ("#f6f7f9", "#0f1216"),
    "card": ("#ffffff", "#171b21"),
    "ink": ("#16191d", "#e9ecf0"),
    "soft": ("#5a626c", "#9aa4b1"),
    "line": ("#e2e5ea", "#2a3038"),
    "well": ("#eef0f4", "#222831"),
    "accent": ("#2a78d6", "#5aa2f2"),
    "good": ("#14804a", "#4ec98a"),
    "warn": ("#9a6700", "#e3b341"),
    "bad": ("#c4302b", "#ff7b72"),
    "good-bg": ("#e3f5ea", "#12301f"),
    "warn-bg": ("#fdf3d8", "#33290f"),
    "bad-bg": ("#fde7e5", "#3a1a1a"),
    "quiet-bg": ("#eef0f4", "#222831"),
    "orange": ("#bc4c00", "#f0883e"),
    "purple": ("#8250df", "#bc8cff"),
}


def _variables(dark: bool) -> str:
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in PALETTE.items())


# The palette as CSS variables of a page; the reader's system says which ground it is.
VARIABLES = f"""
:root {{ color-scheme: light dark; {_variables(False)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(True)} }} }}
"""


def fixed_colors(rules: str) -> str:
    """Write rules of CSS without variables, which not every program that shows SVG knows.

    Parameters
    ----------
    rules : str
        With colors as ``var(--ink)``, by their names in :data:`PALETTE`.

    Returns
    -------
    str
        The rules for light ground, and again for dark.
    """
    light = dark = rules
    for name, colors in PALETTE.items():
        light = light.replace(f"var(--{name})", colors[0])
        dark = dark.replace(f"var(--{name})", colors[1])
    return f"{light}@media (prefers-color-scheme: dark) {{{dark}}}\n"


def shown(text: str) -> str:
    """Escape a text; bytes of names that are not UTF-8 are shown as question marks."""
    return escape(text.encode("utf-8", "replace").decode("utf-8"))


def count(number: int, thing: str) -> str:
    """Write a number with its noun: ``"1 track"``, ``"2,000 tracks"``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def document(title: str, *, style: str, body: str, policy: str = "") -> str:
    """Return a page of HTML that carries all it needs.

    Parameters
    ----------
    title : str
        Of the window; escaped here.
    style : str
        CSS, behind :data:`VARIABLES`.
    body : str
        HTML, taken as it is.
    policy : str
        What the page may load and run (Content-Security-Policy); nothing is said if it is empty.
    """
    said = f'<meta http-equiv="Content-Security-Policy"\n content="{policy}">\n' if policy else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n{said}'
        f"<title>{shown(title)}</title>\n<style>{VARIABLES}{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )
