"""Read which licence a Debian package's ``copyright`` file gives one of its installed files.

The machine-readable format (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/)
names files by their place in the *source*, where the last matching stanza counts. An installed file
lies elsewhere (``music/a.ogg`` became ``usr/share/games/x/music/a.ogg``), so a pattern is tried
against every tail of the installed path, and then without its own leading folder (all of them, if
it names a file literally) as long as it still names something. Since that may fit by chance
(``hedgewars/*``), the paragraph that names most of the path counts, and the last of those that name
as much.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FREE = re.compile(
    r"GPL|CC-?0|CC[- ]?BY|public[- ]domain|\bPD\b|Expat|MIT|BSD|zlib|libpng|Artistic|Apache|WTFPL"
    r"|Free[- ]?Art|\b(FAL|LAL|EFF|OAL|OFL|ISC|DSL|DUMB|Unlicense|MPL|GFDL|Beerware)\b"
    r"|permissive|as-is",
    re.IGNORECASE,
)
UNFREE = re.compile(
    r"non-?commercial|\bNC\b|\bND\b|no-?deriv|non-?free|proprietary|all[- ]rights|sampling"
    r"|unknown|unclear|fair[- ]?use",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Stanza:
    """One ``Files`` paragraph.

    Attributes
    ----------
    patterns
        Files by source path, ``*`` and ``?`` as in the format: both match ``/`` too.
    licence
        The first line of the field ``License``: its short name.
    holders
        Who holds the copyright, without years and addresses.
    """

    patterns: tuple[str, ...]
    licence: str
    holders: tuple[str, ...]

    @property
    def is_general(self) -> bool:
        """Whether this is the paragraph for everything that no other names."""
        return "*" in self.patterns


def paragraphs(text: str) -> list[dict[str, str]]:
    """Split a copyright file into paragraphs of fields, names in lower case."""
    found = []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in block.split("\n"):
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            found.append(fields)
    return found


def read_copyright(text: str) -> list[Stanza]:
    r"""Return the ``Files`` paragraphs in order, none if the file is not machine-readable.

    Examples
    --------
    >>> read_copyright("Files: music/*\nCopyright: 2009 Ann Onym <a@b.c>\nLicense: CC-BY-3.0\n")
    [Stanza(patterns=('music/*',), licence='CC-BY-3.0', holders=('Ann Onym',))]
    >>> read_copyright("This game is free.")
    []
    """
    return [
        Stanza(
            patterns=tuple(re.split(r"[\s,]+", fields["files"].strip())),
            licence=fields.get("license", "").split("\n")[0].strip(),
            holders=tuple(_holders(fields.get("copyright", ""))),
        )
        for fields in paragraphs(text)
        if fields.get("files") and fields.get("license")
    ]


def stanza_for(stanzas: list[Stanza], path: str) -> Stanza | None:
    r"""Return the paragraph that names most of an installed path, or the general one.

    Examples
    --------
    >>> text = "Files: *\nLicense: GPL-2\n\nFiles: data/music/*\nLicense: CC0\n"
    >>> stanzas = read_copyright(text)
    >>> stanza_for(stanzas, "usr/share/games/x/music/a.ogg").licence
    'CC0'
    >>> stanza_for(stanzas, "usr/share/games/x/sounds/a.ogg").licence
    'GPL-2'
    """
    best, found = -1, None
    for stanza in stanzas:
        fit = max(_fit(pattern, path) for pattern in stanza.patterns)
        if fit >= max(best, 0):
            best, found = fit, stanza
    return found


def is_free(licence: str) -> bool:
    """Return whether a licence's short name is one that allows commercial use and changes.

    Of several joined by "or" one suffices.

    Examples
    --------
    >>> [is_free(name) for name in ("CC-BY-SA-3.0", "GPL-2+", "CC-BY-NC-3.0", "custom")]
    [True, True, False, False]
    """
    choices = re.split(r"\bor\b|\|", licence)
    return any(FREE.search(choice) and not UNFREE.search(choice) for choice in choices)


def _holders(text: str) -> list[str]:
    found = []
    for line in text.split("\n"):
        line = re.sub(r"<[^>]*>|\([cC]\)|©|[Cc]opyright:?", " ", line)
        line = re.sub(r"\b(19|20)\d\d\b(\s*[-–,]\s*(\d{2,4}|present)\b)*,?", " ", line)
        line = re.sub(r"\s+", " ", line).strip(" ,;:-")
        if line.lower() not in ("", "no", "none", "unknown", "n/a", *map(str.lower, found)):
            found.append(line)
    return found


@lru_cache(maxsize=10000)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL)


def _tails(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _fit(pattern: str, path: str) -> int:
    """Return how much of a path a pattern names literally, -1 if it is not that path's."""
    pattern = pattern.removeprefix("./")
    if pattern == "*":
        return 0
    for number, shorter in enumerate(_tails(pattern)):
        *folders, name = shorter.split("/")
        said = re.sub(r"[*?]", "", re.sub(r"\.\w+$", "", shorter)).strip("/")
        wild = re.search(r"[*?]", name)
        if number and (not said or (wild and number > 1)):
            break
        if any(_expression(shorter).fullmatch(tail) for tail in _tails(path)):
            return 1 + sum(not re.search(r"[*?]", part) for part in (*folders, name))
    return -1
