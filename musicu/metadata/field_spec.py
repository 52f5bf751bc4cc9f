"""What is declared of a field of metadata, in one row of the table of fields.

The table is :class:`musicu.metadata.fields.Metadata`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from musicu.metadata.parsers import first_fit, split_texts

__all__ = ["Field", "Kind", "declared_fields", "one", "row", "several"]

Kind = Literal["text", "number", "list"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of :class:`Metadata`: how it is named, read, stored, shown and compared.

    Parameters
    ----------
    name : str
        The attribute's.
    kind : {"text", "number", "list"}
        What a value is; a list is a tuple of texts.
    names : tuple of str
        What it goes by in tags and sheets, letters and digits only (see :func:`squeeze`), the best
        first: the names of MusicBrainz Picard's tag mapping, plus older and vendors' names.
    frames : mapping of str to (mapping of str to str)
        Which of the names a frame, atom or chunk stands for, by format (``"id3"``, ``"mp4"``, ...).
        Vorbis comments, APEv2 and ASF write the names themselves.
    parse : callable
        From texts, at least one, to the value; raises ValueError where none fits, whose text says
        what was expected.
    label : str
        What people read.
    column : str
        Its name among the catalog's columns.
    weight : float >= 0 or None
        What likeness in it counts where items are compared; that of audio counts 1. None for a
        field that is compared in a way of its own, or not at all: see
        :mod:`musicu.items.comparable`.
    gathered : bool
        Whether what all of its names hold is taken together, in place of the best one's.
    yields : bool
        Whether a column means another field where that has the same name; in tags, a name serves
        all its fields.
    """

    name: str
    kind: Kind
    names: tuple[str, ...]
    frames: Mapping[str, Mapping[str, str]]
    parse: Callable[[Sequence[str]], Any]
    label: str
    column: str
    weight: float | None = None
    gathered: bool = False
    yields: bool = False


def row(
    default: Any,
    names: str,
    parse: Callable[[Sequence[str]], Any],
    *,
    label: str | None = None,
    column: str | None = None,
    weight: float | None = None,
    gathered: bool = False,
    yields: bool = False,
    **frames: str,
) -> Any:
    """Declare a field of a dataclass; see :class:`Field`.

    Parameters
    ----------
    default : None or ()
        Of a field of one value, and of a list.
    names : str
        Divided by spaces.
    frames : str
        By format. Each stands for the first name, or for the one behind a colon:
        ``id3="TDRC TDRL:RELEASEDATE"``.
    """
    listed = tuple(names.split())
    pairs = {
        form: {
            frame: name or listed[0]
            for frame, _, name in (written.partition(":") for written in text.split())
        }
        for form, text in frames.items()
    }
    about = {"names": listed, "frames": pairs, "parse": parse, "label": label, "column": column}
    about |= {"weight": weight, "gathered": gathered, "yields": yields}
    return field(default=default, metadata=about)


def one(names: str, parse: Callable[[str], Any] = str, **about: Any) -> Any:
    """Declare a field of one value: that of the first text that `parse` can read."""
    return row(None, names, first_fit(parse), **about)


def several(
    names: str, parse: Callable[[Sequence[str]], tuple[str, ...]] = split_texts, **about: Any
) -> Any:
    """Declare a field of several values."""
    return row((), names, parse, **about)


def declared_fields(table: type) -> dict[str, Field]:
    """Return the fields of a dataclass that are declared here, by name."""
    found = {}
    for column in fields(table):
        if about := dict(column.metadata):
            about["label"] = about["label"] or column.name.replace("_", " ").capitalize()
            about["column"] = about["column"] or column.name
            found[column.name] = Field(column.name, _kind(column.default, column.type), **about)
    return found


def _kind(default: Any, annotation: Any) -> Kind:
    if default == ():
        return "list"
    return "number" if annotation in (int | None, float | None) else "text"
