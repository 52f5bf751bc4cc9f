"""The one table of what items are compared by: reader, encoder, weight and phrase of each field.

A field of metadata whose row in :class:`musicu.metadata.fields.Metadata` has a weight is in it
without more: likeness is that of its values. What is compared in a way of its own, or is measured
and not written, has its row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import log2

from musicu.items.field_encoders import (
    Axis,
    CategoricalEncoder,
    EmbeddingEncoder,
    FieldEncoder,
    NumericEncoder,
)
from musicu.items.field_readers import (
    artists_of,
    fraction_of_year,
    genres_of,
    key_of,
    names_in,
    number_in,
    number_of,
    sound_of,
    tags_of,
    tempo_of,
    words_of,
)
from musicu.items.phrases import (
    Phrase,
    same_artists,
    same_genres,
    same_tags,
    same_values,
    similar_keys,
    similar_tempos,
    similar_years,
)
from musicu.metadata.field_spec import Field
from musicu.metadata.fields import FIELDS as METADATA_FIELDS

__all__ = ["COMPARABLE", "DEFAULT_WEIGHTS", "FIELDS", "ComparableField", "new_encoders"]


@dataclass(frozen=True, slots=True)
class ComparableField:
    """One thing that items are compared by.

    Parameters
    ----------
    name : str
    label : str
        What people read.
    weight : float >= 0
        Its weight where nothing is said.
    encoder : callable
        Returns a new encoder, with nothing learned yet.
    phrase : callable or None
        From two items to what they share in it, in words; empty for nothing.
    reads : tuple of str
        Fields of metadata that tell it.
    """

    name: str
    label: str
    weight: float
    encoder: Callable[[], FieldEncoder]
    phrase: Phrase | None = None
    reads: tuple[str, ...] = ()


def _declared(field: Field, weight: float) -> ComparableField:
    """Compare items by the values of a field: names in common, or the nearness of numbers."""
    encoder: Callable[[], FieldEncoder]
    if field.kind == "number":
        encoder = partial(NumericEncoder, lambda item: (number_in(item, field),), [Axis(1.0)])
    else:
        rarity = 1.0 if field.kind == "list" else None
        encoder = partial(
            CategoricalEncoder, lambda item: names_in(item, field), least=2, rarity=rarity
        )
    return ComparableField(
        field.name, field.label, weight, encoder, same_values(field), (field.name,)
    )


_ROWS = (
    ComparableField("audio", "Sound", 1.0, EmbeddingEncoder),
    ComparableField(
        "genres",
        "Genres",
        1.0,
        partial(CategoricalEncoder, genres_of, rarity=1.0),
        same_genres,
        ("genres",),
    ),
    ComparableField(
        "tags",
        "Tags",
        0.8,
        partial(CategoricalEncoder, tags_of, least=2, rarity=1.0),
        same_tags,
        ("tags",),
    ),
    ComparableField(
        "artists",
        "Artists",
        0.5,
        partial(CategoricalEncoder, artists_of),
        same_artists,
        ("artist", "artists"),
    ),
    *(_declared(row, row.weight) for row in METADATA_FIELDS.values() if row.weight is not None),
    ComparableField(
        "year",
        "Year",
        0.3,
        # What is older than 1900 or later than 2040 counts as these years.
        partial(
            NumericEncoder, lambda item: (fraction_of_year(item),), [Axis(5, span=(1900, 2041))]
        ),
        similar_years,
        ("year", "date"),
    ),
    ComparableField(
        "tempo",
        "Tempo",
        0.3,
        # Octaves: 60, 120 and 240 BPM are one place on the circle; a weak part tells them apart.
        partial(
            NumericEncoder,
            lambda item: (log2(tempo_of(item)),) * 2,
            [Axis(0.08, period=1, weight=0.75), Axis(0.5, span=(4.3, 8.7), weight=0.25)],
        ),
        similar_tempos,
        ("bpm",),
    ),
    ComparableField(
        "key",
        "Key",
        0.1,
        # Fifths, and mode: a neighbor on the circle shares six of seven notes.
        partial(
            NumericEncoder,
            key_of,
            [Axis(1.2, period=12, weight=0.8), Axis(0.5, period=2, weight=0.2)],
        ),
        similar_keys,
        ("key",),
    ),
    ComparableField(
        "loudness",
        "Loudness",
        0.1,
        partial(
            NumericEncoder,
            lambda item: (number_of(item.descriptors, "loudness"),),
            [Axis(6, span=(-60, 0))],
        ),
    ),
    ComparableField(
        "sound", "Timbre and dynamics", 0.3, partial(NumericEncoder, sound_of, [Axis(1.0)] * 5)
    ),
    ComparableField(
        "text",
        "Description",
        0.3,
        partial(CategoricalEncoder, words_of, least=2, rarity=0.0),
        reads=("description",),
    ),
)
COMPARABLE: Mapping[str, ComparableField] = {row.name: row for row in _ROWS}
FIELDS = tuple(COMPARABLE)
DEFAULT_WEIGHTS: Mapping[str, float] = {row.name: row.weight for row in _ROWS}


def new_encoders() -> dict[str, FieldEncoder]:
    """Return an encoder for each of :data:`FIELDS`, with nothing learned yet."""
    return {row.name: row.encoder() for row in _ROWS}
