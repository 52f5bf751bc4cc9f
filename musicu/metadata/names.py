"""Names of artists: split a credit into them, and compare two spellings."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "featured_in",
    "fold_text",
    "normalize_name",
    "split_artists",
    "split_joined",
    "squash_name",
    "unique",
]

# "feat" without its dot counts in lower case only: "Little Feat & Bonnie Raitt" is not one.
_FEATURED = r"(?:feat\.\s*|ft\.\s*|featuring\s+|(?-i:feat)\s+)"
_BRACKETED = re.compile(rf"[(\[]\s*{_FEATURED}([^()\[\]]+)[)\]]", re.IGNORECASE)
_JOINT = re.compile(rf"\s+(?:{_FEATURED}|vs\.?\s+|/\s+)|[;|]", re.IGNORECASE)

_MOST_JOINED = 10  # more than these are too many to try in all ways


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Drop empty names and repeats, upper and lower case being equal; the first spelling stays."""
    kept: dict[str, str] = {}
    for name in map(str.strip, names):
        if name:
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())


def _cut(text: str) -> Iterator[str]:
    for piece in _JOINT.split(_BRACKETED.sub(r" feat. \1", text)):
        name, *rest = piece.split(" x ")
        for other in rest:
            if name.strip()[:1].isupper() and other.strip()[:1].isupper():
                yield name
                name = other
            else:
                name = f"{name} x {other}"
        yield name


def split_artists(text: str | Sequence[str]) -> tuple[str, ...]:
    """Split an artist credit into its artists.

    Several values are several artists, as they are. A single text is cut at ``feat.``, ``ft.``,
    ``featuring``, ``vs``, ``vs.``, at ``/`` between spaces, at ``;`` and ``|``, and at a
    lower-case ``x`` between names that start with a capital. It is not cut at ``&``, ``and``,
    ``,`` or a bare ``/``, which belong to names: Simon & Garfunkel; Earth, Wind & Fire; AC/DC.

    Parameters
    ----------
    text : str or sequence of str
        One credit, or the values of a tag that holds several.

    Returns
    -------
    tuple of str
        In the order written, without repeats (upper and lower case are equal).
    """
    values = [text] if isinstance(text, str) else list(text)
    return unique(_cut(values[0]) if len(values) == 1 else values)


def split_joined(text: str, count: int, credit: str) -> list[str]:
    """Split names that a program joined with ``/``, which may be part of a name too (AC/DC).

    Parameters
    ----------
    text : str
        The names.
    count : int
        How many there are; 0 is unknown.
    credit : str
        Another text that has each of them, such as ``"AC/DC feat. Somebody"``.

    Returns
    -------
    list of str
        The text alone where nothing tells the names in it apart.
    """
    pieces = [piece.strip() for piece in text.split("/")]
    if len(pieces) == count:
        return pieces
    if count == 1 or len(pieces) > _MOST_JOINED or text.casefold() in credit.casefold():
        return [text]
    for names in [count] if count else range(2, len(pieces) + 1):
        for cuts in itertools.combinations(range(1, len(pieces)), names - 1):
            ends = [*cuts, len(pieces)]
            found = ["/".join(pieces[a:b]) for a, b in zip([0, *cuts], ends, strict=True)]
            if all(name.casefold() in credit.casefold() for name in found):
                return found
    return [text]


def normalize_name(name: str) -> str:
    """Return a form of `name` in which different spellings of one name are equal.

    Compatibility decomposition without diacritics (Unicode Standard Annex 15, NFKD), caseless,
    without punctuation and a leading "the"; "&" is "and". Marks that are letters of their script
    (kana, Indic, Thai) stay. A name with nothing left, such as ``"!!!"``, is only casefolded.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    text = text.replace("&", " and ")
    kept = (
        c for c in text if not ("\u0300" <= c <= "\u036f" or unicodedata.category(c)[0] in "PC")
    )
    words = "".join(kept).split()
    while len(words) > 1 and words[0] == "the":
        words = words[1:]
    return unicodedata.normalize("NFC", " ".join(words)) or name.strip().casefold()


def squash_name(name: str) -> str:
    """Return :func:`normalize_name` without spaces: "Hip Hop" and "hip-hop" are equal."""
    return normalize_name(name).replace(" ", "")


def fold_text(text: str) -> str:
    """Bring a text to the form that is searched: without case and diacritics (NFKD)."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in text if not unicodedata.combining(c))


def featured_in(title: str) -> tuple[str, ...]:
    """Return the artists that a title names in brackets: ``"Song (feat. Somebody)"``."""
    return unique(name for guest in _BRACKETED.findall(title) for name in split_artists(guest))
