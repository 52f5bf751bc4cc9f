"""What is missing from a release's metadata, and what the audio contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from musicu.audio.formats import codec_name, is_lossy
from musicu.encoders.tag import Tag
from musicu.encoders.vocabulary import Vocabulary, fold
from musicu.items.item import Item
from musicu.items.quality_checks import Finding, Severity, by_severity, item_contradictions
from musicu.metadata.fields import Metadata
from musicu.metadata.names import normalize_name

__all__ = ["CLEAR_KEY", "check_metadata", "compare_sheet"]

CLEAR_KEY = 0.35  # confidence from which on a detected key is believed
_SURE_GENRE = 0.6
_HOT, _REFERENCE, _FAINT = -9.0, -14.0, -23.0  # LUFS
_CEILING = -0.3  # dBFS


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
    return by_severity(
        (
            *_missing(metadata),
            *_contradictions(metadata, descriptors),
            *_genres(metadata, heard, tags),
            *_level(descriptors),
            *_file(codec, sr, channels),
        )
    )


def _missing(metadata: Metadata) -> Iterator[Finding]:
    wanted: tuple[tuple[str, Severity, str], ...] = (
        ("title", "error", "No title."),
        ("artist", "error", "No artist."),
        ("isrc", "error", "No ISRC: stores and royalty reports know a recording by it."),
        ("genres", "warning", "No genre: stores ask for one."),
        ("date", "warning", "No release date."),
        ("label", "warning", "No label."),
        ("album", "info", "No album."),
    )
    for field, severity, text in wanted:
        there = getattr(metadata, field) or (field == "date" and metadata.year)
        if field in metadata.guessed or not there:
            yield Finding(severity, "missing", field, text)


def _contradictions(metadata: Metadata, descriptors: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what contradicts itself, as of any item, in whole sentences."""
    for one in item_contradictions(Item("", metadata, descriptors)):
        yield replace(one, ids=(), text=f"{one.text[0].upper()}{one.text[1:]}.")


def compare_sheet(tags: Metadata, sheet: Metadata) -> tuple[Finding, ...]:
    """Say where the file's own tags and the sheet contradict each other; the sheet prevails."""
    found = []
    for field in ("title", "artist", "album", "year", "isrc", "label"):
        own, said = getattr(tags, field), getattr(sheet, field)
        if own is None or said is None or normalize_name(str(own)) == normalize_name(str(said)):
            continue
        if field in tags.guessed:  # the file itself says nothing
            continue
        name = "ISRC" if field == "isrc" else field
        text = f"The sheet says {name} {said}, the file {own}."
        severity: Severity = "error" if field == "isrc" else "warning"
        found.append(Finding(severity, "sheet disagrees", field, text))
    return tuple(found)


def _genres(
    metadata: Metadata, heard: Mapping[str, float], tags: Sequence[Tag]
) -> Iterator[Finding]:
    genres = {tag.name: tag for tag in tags if tag.kind == "genre"}
    vocabulary = Vocabulary(list(genres))
    written = {name for genre in metadata.genres for name in vocabulary.find(fold(genre))}
    # Genres that the model has no word for cannot be contradicted by it.
    if not written or not genres.keys() <= heard.keys():
        return
    best = max(genres, key=lambda name: heard[name])
    unheard = all(heard[name] < genres[name].threshold / 2 for name in written)
    if best in written or heard[best] < max(_SURE_GENRE, genres[best].threshold) or not unheard:
        return
    text = (
        f"Tagged {', '.join(metadata.genres)}; what is heard is {best} "
        f"({100 * heard[best]:.0f} % probable)."
    )
    yield Finding("warning", "genres disagree", "genres", text)


def _level(descriptors: Mapping[str, Any]) -> Iterator[Finding]:
    loudness, peak = descriptors.get("loudness"), descriptors.get("peak")
    if loudness is not None and loudness > _HOT:
        text = (
            f"Hot master: {loudness:.1f} LUFS; services that play at {_REFERENCE:g} LUFS turn it "
            f"down by {loudness - _REFERENCE:.0f} dB."
        )
        yield Finding("warning", "too loud", "loudness", text)
    if loudness is not None and loudness < _FAINT:
        yield Finding("info", "too quiet", "loudness", f"Quiet master: {loudness:.1f} LUFS.")
    if peak is not None and peak > _CEILING:
        text = f"Peaks reach {peak:.1f} dBFS: lossy encoders may clip; -1 dB is the usual ceiling."
        yield Finding("info", "no headroom", "peak", text)


def _file(codec: str, sr: int, channels: int) -> Iterator[Finding]:
    if is_lossy(codec):
        text = f"A lossy file ({codec_name(codec)}): stores ask for lossless ones."
        yield Finding("warning", "lossy", "file", text)
    if sr < 44100:
        text = f"Sample rate {sr:,} Hz: stores ask for 44,100."
        yield Finding("warning", "low sample rate", "file", text)
    if channels == 1:
        yield Finding("info", "mono", "file", "One channel only.")
