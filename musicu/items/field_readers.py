"""What is read of an item for each field that items are compared by."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from musicu.items.item import Item
from musicu.metadata.artists import artist_keys, is_various, named_artists
from musicu.metadata.field_spec import Field
from musicu.metadata.genres import KNOWN, canonical, lineage
from musicu.metadata.names import normalize_name

__all__ = [
    "artists_of",
    "fraction_of_year",
    "genres_of",
    "key_of",
    "names_in",
    "number_in",
    "number_of",
    "parse_key",
    "sound_of",
    "tags_of",
    "tempo_of",
    "words_of",
]

# A guest says less about a track than the artist who comes first.
_GUEST = 0.7


def genres_of(item: Item) -> dict[str, float]:
    """Return an item's genres and what they are kinds of, with weights in (0, 1].

    An item without genres is read by those of its tags that are the names of genres.
    """
    said = {genre: 1.0 for genre in item.metadata.genres}
    if not said:
        tags = {tag: w for tag, w in _weighted_tags(item) if canonical(tag) in KNOWN}
        most = max(tags.values(), default=1.0)
        said = {tag: weight / most for tag, weight in tags.items()}
    found: dict[str, float] = {}
    for genre, weight in said.items():
        for name, share in lineage(genre).items():
            found[name] = max(found.get(name, 0.0), weight * share)
    return found


def _weighted_tags(item: Item) -> Iterable[tuple[str, float]]:
    # A tag that was given a hundred times does not say a hundred times as much.
    for tag in item.metadata.tags:
        weight = item.tag_weights.get(tag, 1.0)
        if weight > 0:
            yield tag, math.log1p(weight)


def tags_of(item: Item) -> dict[str, float]:
    """Return an item's tags under the one spelling of each, with the logarithm of their weights."""
    found: dict[str, float] = {}
    for tag, weight in _weighted_tags(item):
        name = canonical(tag)
        found[name] = max(found.get(name, 0.0), weight)
    return found


def artists_of(item: Item) -> dict[str, float]:
    """Return the artists by key and by MusicBrainz identifier; the first one weighs 1.

    The keys are :func:`musicu.metadata.artists.artist_keys`, and the album's artists, as guests.
    The two kinds of name stand side by side, so that two artists of one name who have different
    identifiers are half alike, and not the same.
    """
    about = item.metadata
    found: dict[str, float] = {}
    for keys in (artist_keys(about), [id for id in about.mb_artists if not is_various(id)]):
        for place, key in enumerate(keys):
            found.setdefault(key, 1.0 if place == 0 else _GUEST)
    for key in named_artists(about.album_artist or ""):
        found.setdefault(key, _GUEST)
    return found


def words_of(item: Item) -> dict[str, float]:
    """Return the words of an item's description, weighted by one plus the log of their count."""
    spaced = " ".join(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", item.metadata.description or ""))
    counts = Counter(normalize_name(spaced).split())
    return {word: 1.0 + math.log(count) for word, count in counts.items()}


def names_in(item: Item, field: Field) -> dict[str, float]:
    """Return the texts of a field of metadata, normalized."""
    value = getattr(item.metadata, field.name)
    texts = (value,) if isinstance(value, str) else value or ()
    return {normalize_name(text): 1.0 for text in texts if text}


def number_in(item: Item, field: Field) -> float:
    """Return the number of a field of metadata, or NaN."""
    value = getattr(item.metadata, field.name)
    return math.nan if value is None else float(value)


def number_of(values: Mapping[str, object], name: str) -> float:
    """Return a finite number of a mapping, or NaN."""
    value = values.get(name)
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if ok else math.nan  # type: ignore[arg-type]


def fraction_of_year(item: Item) -> float:
    """Return the year, with the months and days that the date tells; NaN where unknown.

    A date without a month stands at the middle of its year.
    """
    year = item.metadata.year
    date = re.match(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", item.metadata.date or "")
    if date is None or year not in (None, int(date[1])):
        return math.nan if year is None else year + 0.5
    if date[2] is None:
        return int(date[1]) + 0.5
    day = 15 if date[3] is None else int(date[3]) - 1
    return int(date[1]) + (int(date[2]) - 1 + day / 31) / 12


def tempo_of(item: Item) -> float:
    """Return beats per minute: as tagged, else as measured; NaN where neither is there."""
    bpm = item.metadata.bpm
    found = number_of(item.descriptors, "tempo") if bpm is None else bpm
    return found if found > 0 else math.nan


_FIFTHS = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "H": 5, "F": -1}
_KEY = re.compile(r"([A-Ha-h])\s*(#|♯|b|♭|sharp|flat|is|es)?[\s-]*(.*)")
_MODES = {
    **dict.fromkeys(("", "major", "maj", "dur", "ionian"), 1),
    **dict.fromkeys(("m", "minor", "min", "moll", "aeolian"), 0),
}
_WHEEL = re.compile(r"0?([1-9]|1[0-2])\s*([ABdm])", re.IGNORECASE)


def parse_key(text: str) -> tuple[int, int] | None:
    """Return a key's place on the circle of fifths and its mode, or None.

    Parameters
    ----------
    text : str
        ``"Am"``, ``"A minor"``, ``"F# major"``, ``"Eb"``, ``"a-Moll"``; Camelot (``"8A"``) or
        Open Key (``"1m"``).

    Returns
    -------
    tuple of (int in [0, 11], 0 or 1) or None
        Steps up in fifths from C major and A minor, which share place 0; and 1 for major.
    """
    text = text.strip()
    if wheel := _WHEEL.fullmatch(text):
        number, letter = int(wheel.group(1)), wheel.group(2).upper()
        from_c = number - 8 if letter in "AB" else number - 1
        return from_c % 12, int(letter in "BD")
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    said = match.group(3)
    mode = 1 if said == "M" else _MODES.get(said.lower())
    if mode is None:
        return None
    shift = {"#": 7, "♯": 7, "sharp": 7, "is": 7, None: 0}.get(match.group(2), -7)
    # A minor key stands with the major key that has its notes: three fifths below.
    return (_FIFTHS[match.group(1).upper()] + shift - (0 if mode else 3)) % 12, mode


def key_of(item: Item) -> tuple[float, float]:
    """Return an item's key as :func:`parse_key` does, as tagged or measured; NaN where unknown."""
    for text in (item.metadata.key, item.descriptors.get("key")):
        if isinstance(text, str) and (key := parse_key(text)):
            return float(key[0]), float(key[1])
    return math.nan, math.nan


def sound_of(item: Item) -> tuple[float, ...]:
    """Return how a recording sounds, each number on a scale on which equal steps sound equal.

    Octaves of brightness, onsets per second, logarithms of dynamic complexity and of loudness
    range, and regularity; NaN where unknown.
    """
    bright = number_of(item.descriptors, "brightness")
    ranges = [number_of(item.descriptors, x) for x in ("dynamic_complexity", "loudness_range")]
    return (
        math.log2(bright) if bright > 0 else math.nan,
        number_of(item.descriptors, "onset_rate"),
        *(math.log1p(x) if x >= 0 else math.nan for x in ranges),
        number_of(item.descriptors, "regularity"),
    )
