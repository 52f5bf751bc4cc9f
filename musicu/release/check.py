"""What is missing from a release's metadata, and what the audio contradicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from musicu.items.findings import contradictions
from musicu.items.item import Item, Items
from musicu.metadata import Metadata
from musicu.model import Tag
from musicu.names import normalize_name
from musicu.vocabulary import Vocabulary, fold

__all__ = ["CLEAR_KEY", "Finding", "check_metadata", "compare_sheet"]

_ABOUT = {
    "years disagree": "year",
    "strange year": "year",
    "strange bpm": "bpm",
    "tempos disagree": "bpm",
    "keys disagree": "key",
}
_LOSSY = {"aac", "ac3", "mp2", "mp3", "opus", "libopus", "vorbis", "wmav2", "wmapro"}
CLEAR_KEY = 0.35  # confidence from which on a detected key is believed
_SURE_GENRE = 0.6
_HOT, _REFERENCE, _FAINT = -9.0, -14.0, -23.0  # LUFS
_CEILING = -0.3  # dBFS


@dataclass(frozen=True)
class Finding:
    """Something about a release that its label should know.

    Attributes
    ----------
    level : {"error", "warning", "note"}
        ``error`` keeps a release from being delivered, ``warning`` is likely wrong, ``note`` may
        be meant so.
    field : str
        What it is about.
    text : str
        One sentence.
    """

    level: str
    field: str
    text: str

    @property
    def order(self) -> int:
        """Errors come first, then warnings, then notes."""
        return ("error", "warning", "note").index(self.level)


def check_metadata(
    metadata: Metadata,
    *,
    descriptors: Mapping[str, Any],
    heard: Mapping[str, float],
    tags: Sequence[Tag],
    codec: str,
    sr: int,
    channels: int,
) -> tuple[Finding, ...]:
    """Look for what is missing, contradicts itself, or is contradicted by the audio.

    Parameters
    ----------
    metadata : Metadata
        What is written.
    descriptors : mapping
        What was measured (:meth:`musicu.Descriptors.to_dict`).
    heard : mapping of str to float
        Probability of each of the model's tags.
    tags : sequence of Tag
        The model's tags.
    codec, sr, channels
        Of the file.

    Returns
    -------
    tuple of Finding
        Errors first.
    """
    found = [
        *_missing(metadata),
        *_contradictions(metadata, descriptors),
        *_genres(metadata, heard, tags),
        *_level(descriptors),
        *_file(codec, sr, channels),
    ]
    return tuple(sorted(found, key=lambda finding: finding.order))


def _missing(metadata: Metadata) -> list[Finding]:
    wanted = (
        ("title", "error", "No title."),
        ("artist", "error", "No artist."),
        ("isrc", "error", "No ISRC: stores and royalty reports know a recording by it."),
        ("genres", "warning", "No genre: stores ask for one."),
        ("date", "warning", "No release date."),
        ("label", "warning", "No label."),
        ("album", "note", "No album."),
    )
    return [
        Finding(level, field, text)
        for field, level, text in wanted
        if field in metadata.guessed
        or (not getattr(metadata, field) and not (field == "date" and metadata.year))
    ]


def _contradictions(metadata: Metadata, descriptors: Mapping[str, Any]) -> list[Finding]:
    """Take over the checks that are made of whole collections, of one track that needs no name."""
    nameless = replace(metadata, title=None, artist=None, artists=())
    found = []
    for one in contradictions(Items([Item("It", nameless, descriptors)])):
        text = one.text.removeprefix("It: ")
        level = "note" if one.severity == "info" else "warning"
        field = _ABOUT.get(one.kind, "metadata")
        found.append(Finding(level, field, f"{text[0].upper()}{text[1:]}."))
    return found


def compare_sheet(tags: Metadata, sheet: Metadata) -> tuple[Finding, ...]:
    """Say where the file's own tags and the sheet contradict each other; the sheet prevails."""
    found = []
    for field in ("title", "artist", "album", "year", "isrc", "label"):
        own, said = getattr(tags, field), getattr(sheet, field)
        if own is None or said is None or normalize_name(str(own)) == normalize_name(str(said)):
            continue
        if field in tags.guessed:  # the file itself says nothing
            continue
        level = "error" if field == "isrc" else "warning"
        name = "ISRC" if field == "isrc" else field
        found.append(Finding(level, field, f"The sheet says {name} {said}, the file {own}."))
    return tuple(found)


def _genres(metadata: Metadata, heard: Mapping[str, float], tags: Sequence[Tag]) -> list[Finding]:
    genres = {tag.name: tag for tag in tags if tag.kind == "genre"}
    vocabulary = Vocabulary(list(genres))
    written = {name for genre in metadata.genres for name in vocabulary.find(fold(genre))}
    # Genres that the model has no word for cannot be contradicted by it.
    if not written or not genres.keys() <= heard.keys():
        return []
    best = max(genres, key=lambda name: heard[name])
    unheard = all(heard[name] < genres[name].threshold / 2 for name in written)
    if best in written or heard[best] < max(_SURE_GENRE, genres[best].threshold) or not unheard:
        return []
    text = (
        f"Tagged {', '.join(metadata.genres)}; what is heard is {best} "
        f"({100 * heard[best]:.0f} % probable)."
    )
    return [Finding("warning", "genres", text)]


def _level(descriptors: Mapping[str, Any]) -> list[Finding]:
    found = []
    loudness, peak = descriptors.get("loudness"), descriptors.get("peak")
    if loudness is not None and loudness > _HOT:
        text = (
            f"Hot master: {loudness:.1f} LUFS; services that play at {_REFERENCE:g} LUFS turn it "
            f"down by {loudness - _REFERENCE:.0f} dB."
        )
        found.append(Finding("warning", "loudness", text))
    if loudness is not None and loudness < _FAINT:
        found.append(Finding("note", "loudness", f"Quiet master: {loudness:.1f} LUFS."))
    if peak is not None and peak > _CEILING:
        text = f"Peaks reach {peak:.1f} dBFS: lossy encoders may clip; -1 dB is the usual ceiling."
        found.append(Finding("note", "peak", text))
    return found


def _file(codec: str, sr: int, channels: int) -> list[Finding]:
    found = []
    codec = codec.removesuffix("float")  # how FFmpeg's decoder of mp3 goes
    if codec in _LOSSY:
        text = f"A lossy file ({codec}): stores ask for lossless ones."
        found.append(Finding("warning", "file", text))
    if sr < 44100:
        found.append(Finding("warning", "file", f"Sample rate {sr:,} Hz: stores ask for 44,100."))
    if channels == 1:
        found.append(Finding("note", "file", "One channel only."))
    return found
