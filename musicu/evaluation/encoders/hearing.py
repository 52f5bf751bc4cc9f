"""Whether a system was trained on a collection, by what its models' configs say."""

from __future__ import annotations

from collections.abc import Collection as Many
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from musicu.audio.decode import identify
from musicu.encoders.heard import short_identity
from musicu.encoders.registry import find_model
from musicu.errors import AudioError
from musicu.evaluation.encoders.dataset import Collection
from musicu.evaluation.encoders.systems import System

__all__ = ["Hearing", "heard_identities", "hearing_of"]


@dataclass(frozen=True)
class Hearing:
    """Whether a system was trained on a collection.

    Attributes
    ----------
    state : {"unseen", "heard", "unknown"}
        Unknown where a model's config does not say what it heard.
    clips : int
        How many of the clips it heard, of those its config names.
    by_name : bool
        Whether it counts as unseen for no better reason than its folder's name.
    """

    state: Literal["unseen", "heard", "unknown"]
    clips: int = 0
    by_name: bool = False


def heard_identities(collection: Collection) -> Iterator[str]:
    """Yield the identity of each clip's audio as models' configs have it."""
    for file in collection.files:
        try:
            yield short_identity(identify(file))
        except AudioError:  # the evaluation says so
            continue


def hearing_of(system: System, collection: str, clips: Many[str]) -> Hearing:
    """Tell from its models' configs whether a system heard some clips.

    Parameters
    ----------
    system : System
        As it was read, with ``{collection}`` in the folders' names.
    collection : str
        Name of the collection.
    clips : collection of str
        From :func:`heard_identities`.

    Raises
    ------
    ModelError
        A model is missing or damaged.
    """
    if system.baseline:
        return Hearing("unseen")
    by_name = False
    unknown = False
    heard: set[str] = set()
    for part, asked in zip(system.within(collection).parts, system.parts, strict=True):
        folders = find_model(part).heard
        if folders is None and part == asked:
            unknown = True
        elif folders is None:
            by_name = True
        else:
            heard.update(*(folder.identities for folder in folders))
    if overlap := len(heard.intersection(clips)):
        return Hearing("heard", overlap)
    return Hearing("unknown") if unknown else Hearing("unseen", by_name=by_name)
