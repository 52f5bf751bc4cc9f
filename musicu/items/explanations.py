"""What two items have in common, in plain words: the reasons behind a likeness."""

from __future__ import annotations

from collections.abc import Collection

from musicu.items.comparable import COMPARABLE
from musicu.items.item import Item

__all__ = ["both_sound", "reasons", "words"]

_MOST_HEARD = 4


def both_sound(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    """Say which of a model's words are heard in both, in the order of the first."""
    both = [tag for tag in one if tag in other][:_MOST_HEARD]
    return (f"both sound {', '.join(both)}",) if both else ()


def reasons(a: Item, b: Item) -> dict[str, str]:
    """Return what two items have in common, field by field.

    Parameters
    ----------
    a, b : Item

    Returns
    -------
    dict of str to str
        From fields of :data:`musicu.items.comparable.FIELDS` to phrases: ``"both house"``, ``"the
        same label: Quiet Harbor"``, ``"2019 and 2020"``, ``"122 and 124 BPM"``, ``"related keys: A
        minor and C major"``. Fields without anything in common are left out; audio, loudness,
        sound and text have no words of their own.
    """
    said = {name: field.phrase(a, b) for name, field in COMPARABLE.items() if field.phrase}
    return {name: phrase for name, phrase in said.items() if phrase}


def words(a: Item, b: Item) -> list[str]:
    """Return the phrases of :func:`reasons`."""
    return list(reasons(a, b).values())
