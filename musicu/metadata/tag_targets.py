"""Where each format keeps what musicu can write: the conventions of its taggers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from musicu.errors import MusicuError

__all__ = ["TARGETS", "RefusedError", "TagTarget", "Values", "key_notation"]

# Texts by the name of a target.
Values = dict[str, tuple[str, ...]]

_KEY = re.compile(r"([A-G])([#b]?) (major|minor)")


class RefusedError(MusicuError):
    """Tags are not written into this file; the text says why. Nothing was changed."""


@dataclass(frozen=True)
class TagTarget:
    """A field that can be written.

    Attributes
    ----------
    comment : str
        Name of the Vorbis comment; in ID3's TXXX and MP4's freeform atoms, too.
    id3 : str
        Frame of ID3.
    mp4 : str
        Atom of MP4, or the name of one in free form.
    names : frozenset of str
        Other names by which files have it, as :func:`musicu.metadata.parsers.squeeze` spells them.
    """

    comment: str
    id3: str
    mp4: str
    names: frozenset[str]


#: Picard's mapping: what Picard, beets, Mixxx, Rekordbox, Serato and Traktor read and write.
TARGETS = {
    "bpm": TagTarget("BPM", "TBPM", "tmpo", frozenset({"BPM", "BEATSPERMINUTE", "TEMPO"})),
    "key": TagTarget("INITIALKEY", "TKEY", "initialkey", frozenset({"INITIALKEY", "KEY"})),
    "mood": TagTarget("MOOD", "TMOO", "MOOD", frozenset({"MOOD", "MOODS"})),
}


def key_notation(key: str) -> str:
    """Return a key as ID3's TKEY has it, and the others after it: ``"F#m"`` for F# minor.

    Raises
    ------
    ValueError
        It is no key as :func:`musicu.describe` tells one.

    Examples
    --------
    >>> from musicu.metadata.tag_targets import key_notation
    >>> key_notation("Bb minor"), key_notation("C major")
    ('Bbm', 'C')
    """
    found = _KEY.fullmatch(key)
    if not found:
        raise ValueError(f"{key!r} is no key")
    return found[1] + found[2] + ("m" if found[3] == "minor" else "")
