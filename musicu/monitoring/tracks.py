"""Tracks as they are compared: vectors, what was measured of each, and whose each is."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.model_choice import not_embedded
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.tracks import read_columns, read_values, read_vectors
from musicu.errors import MusicuError
from musicu.metadata.artists import group_key

__all__ = ["KINDS", "NUMBERS", "Tracks", "draw_tracks", "fact_of"]

Array = NDArray[np.float32]

# What is compared beside the vectors: numbers with their units, and kinds.
NUMBERS = {
    "loudness": "LUFS",
    "loudness_range": "LU",
    "peak": "dBFS",
    "brightness": "Hz",
    "onset_rate": "onsets/s",
    "tempo": "BPM",
    "seconds": "s",
    "bitrate": "kbit/s",
}
KINDS = ("codec", "sr", "channels", "genres")
_CREDITS = ("artist", "artists", "album", "album_artist", "mb_album")  # what tells whose a track is
# Tracks that are read of a catalog, and of one group; more of one only where there are too few.
_READ, _MOST = 10_000, 10


@dataclass(frozen=True, eq=False)
class Tracks:
    """Some tracks: a catalog to compare with, or a batch to be compared.

    Attributes
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Their embeddings, of one model.
    facts : sequence of mapping, empty or of n
        What was measured of each: what :meth:`musicu.workers.pool.Worker.analyze` answers, or a row
        of :meth:`musicu.Catalog.tracks`. Used are {loudness, loudness_range, peak, brightness,
        onset_rate, tempo} of the descriptors, seconds, codec, sr, channels and genres, and the size
        of the file in bytes, as far as they are there.
    groups : sequence of (str or None), empty or of n
        Whose each track is: tracks of one artist or album are alike, and are drawn together. None
        is a track on its own; where most are None, or there are no groups, they are guessed.
    model : str or None
        Name of the vectors' model, to tell vectors of two models apart.

    Raises
    ------
    MusicuError
        Vectors that are no matrix of finite numbers, or facts or groups of another number.
    """

    vectors: Array
    facts: Sequence[Mapping[str, Any]] = ()
    groups: Sequence[str | None] = ()
    model: str | None = None

    def __post_init__(self) -> None:
        vectors = np.asarray(self.vectors, dtype=np.float32)
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise MusicuError(
                f"vectors are a matrix [tracks, dim], not of shape {list(vectors.shape)}"
            )
        if not np.isfinite(vectors).all():
            raise MusicuError("vectors hold values that are no numbers: leave those tracks out")
        for name in ("facts", "groups"):
            given = getattr(self, name)
            if len(given) not in (0, len(vectors)):
                raise MusicuError(f"{len(vectors)} vectors, but {len(given)} {name}")
        object.__setattr__(self, "vectors", vectors)

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of_catalog(
        cls,
        path: str | os.PathLike[str],
        *,
        size: int | None = _READ,
        model: str | None = None,
        seed: int = 0,
    ) -> Tracks:
        """Read a catalog's tracks; those of some artists drawn at random if there are too many.

        Parameters
        ----------
        path : str or path-like
            The catalog's file.
        size : int >= 1 or None
            How many tracks are enough; None reads all.
        model : str or None
            Name of the model whose vectors are wanted: ``"musicu-3@1"``. None is the current one.
        seed : int
            Of the drawing.

        Raises
        ------
        CatalogError
            The file is missing, not a catalog, or nothing in it is embedded with the model.
        """
        with Store(path, create=False) as store:
            current = store.current_model()
            if model is not None:
                current = next((one for one in store.models() if one.name == model), None)
            if current is None:
                raise not_embedded(path, model)
            return cls._read(store, current, size, seed)

    def keys(self, own: str) -> list[Hashable]:
        """Return the tracks' groups; a track without one has a key of its own, with ``own``."""
        groups = self.groups or [None] * len(self)
        return [(own, at) if group is None else group for at, group in enumerate(groups)]

    @classmethod
    def _read(cls, store: Store, model: StoredModel, size: int | None, seed: int) -> Tracks:
        embedded = store.db.execute(
            "SELECT track FROM vectors WHERE model = ? ORDER BY track", (model.row,)
        ).fetchall()
        named = read_values(store, ("track", *_CREDITS), rows=(track for (track,) in embedded))
        groups = {
            row[0]: group_key(_credits(row[1:])) for row in sorted(named, key=lambda row: row[0])
        }
        rows = list(groups)
        keys = cls(np.zeros((len(rows), 1), dtype=np.float32), (), [*groups.values()]).keys("track")
        chosen = draw_tracks(keys, size or len(rows), _MOST, fill=True, seed=seed)
        wanted = [rows[at] for at in chosen]
        sound = {
            track: vector
            for track, vector in read_vectors(store, model, wanted).items()
            if vector is not None
        }
        names = [name for name in (*NUMBERS, *KINDS, "size") if name != "bitrate"]
        measured = read_columns(store, ["track", *names], rows=sound)
        facts = {fact["track"]: fact for fact in measured}
        kept = [track for track in wanted if track in facts]
        matrix = np.array([sound[track] for track in kept], dtype=np.float32)
        return cls(
            matrix.reshape(len(kept), model.dim),
            [facts[track] for track in kept],
            [groups[track] for track in kept],
            model.name,
        )

    def take(self, at: Sequence[int] | NDArray[np.intp]) -> Tracks:
        """Return the tracks at some positions."""
        return Tracks(
            self.vectors[np.asarray(at, dtype=np.intp)],
            [self.facts[i] for i in at] if len(self.facts) else (),
            [self.groups[i] for i in at] if len(self.groups) else (),
            self.model,
        )

    def numbers(self, name: str) -> NDArray[np.float64]:
        """One of :data:`NUMBERS` of each track; NaN where it was not measured."""
        values = [fact_of(fact, name) for fact in self.facts] or [None] * len(self)
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    def kinds(self, name: str) -> list[tuple[str, ...]]:
        """One of :data:`KINDS` of each track; empty where it is not known."""
        return [_texts(fact_of(fact, name)) for fact in self.facts] or [()] * len(self)


def draw_tracks(
    keys: Sequence[Hashable], size: int, most: int, *, fill: bool, seed: int
) -> NDArray[np.intp]:
    """Draw tracks of groups that are drawn at random.

    Parameters
    ----------
    keys : sequence
        Group of each track.
    size : int >= 0
        How many tracks, at most.
    most : int >= 1
        How many of one group.
    fill : bool
        Take more of each group where there are too few groups.
    seed : int
        Of the drawing.

    Returns
    -------
    np.ndarray [shape=(<= size,), intp]
        Their positions, ascending.
    """
    rng = np.random.default_rng(seed)
    members: dict[Hashable, list[int]] = {}
    for at, key in enumerate(keys):
        members.setdefault(key, []).append(at)
    groups = list(members.values())
    sizes = np.array([len(group) for group in groups])
    while fill and np.minimum(sizes, most).sum() < min(size, len(keys)):
        most += 1
    chosen: list[int] = []
    for at in rng.permutation(len(groups)):
        chosen += rng.permutation(groups[at])[:most].tolist()
        if len(chosen) >= size:
            break
    return np.sort(np.array(chosen[:size], dtype=np.intp))


def fact_of(fact: Mapping[str, Any], name: str) -> Any:
    """Look a fact up where a worker's answer, or a row of the catalog, has it; None if nowhere."""
    for place in (fact, fact.get("descriptors"), fact.get("metadata")):
        if place and place.get(name) is not None:
            return place[name]
    if name == "bitrate" and fact.get("size") and fact.get("seconds"):
        return 8e-3 * fact["size"] / fact["seconds"]
    return None


def _credits(row: Sequence[Any]) -> dict[str, Any]:
    about = dict(zip(_CREDITS, row, strict=True))
    return about | {"artists": _texts(about["artists"])}


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)
