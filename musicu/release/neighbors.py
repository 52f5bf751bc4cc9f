"""A catalog as a release is compared with it: nearest tracks, artists, copies and versions."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items, non_music_ids
from musicu.catalog.model_choice import not_embedded
from musicu.catalog.tracks import read_files, read_values
from musicu.encoders.tagger import Heard, TagHead, describing_tags
from musicu.items.explanations import both_sound, words
from musicu.items.fused_vectors import FusedVectors, ItemVectors
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.items.titles import song_numbers, song_title
from musicu.items.versions import NEAR_AUDIO, SAME_AUDIO
from musicu.metadata.artists import artist_keys, credited_artists
from musicu.release.novelty import OutlierDetector
from musicu.release.passages import Passage

__all__ = ["Candidate", "CatalogContext", "Duplicate", "Neighbor", "SimilarArtist"]

Array = NDArray[np.float32]

_ARTISTS = 8
_BEST = 3  # tracks of an artist that speak for it


@dataclass(frozen=True)
class Neighbor:
    """A catalog track near a release, and why.

    Attributes
    ----------
    rank : int
        1 for the nearest.
    score : float
        Sum of the contributions, in their order.
    contributions : dict of str to float
        What the audio and each field of metadata add to the score.
    cosine : float
        Of the audio alone; 0 where one of the two was not heard.
    id, path, title, artist, album, seconds
        The track.
    same_artist : bool
        Whether it is by an artist of the release.
    shared : tuple of str
        What both have in common, in words.
    passage : Passage or None
        Seconds of the release (``start``) and of the track (``other``) that match best.
    curve : tuple of float
        How like this track each window of the release is.
    envelope : tuple of float in [0, 1]
        How loud this track is in equal stretches of its length, relative to the loudest.
    position : (float, float)
        Where it lies on the release's map.
    """

    rank: int
    score: float
    contributions: dict[str, float]
    cosine: float
    id: str
    path: str
    title: str | None
    artist: str | None
    album: str | None
    seconds: float
    same_artist: bool
    shared: tuple[str, ...]
    passage: Passage | None = None
    curve: tuple[float, ...] = ()
    envelope: tuple[float, ...] = ()
    position: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class SimilarArtist:
    """An artist like a release: mean score of its nearest tracks (three at most), and these."""

    artist: str
    score: float
    tracks: int
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class Duplicate:
    """A catalog track that may be the release itself.

    Attributes
    ----------
    kind : {"same audio", "same recording", "same sound", "version"}
        The same packets; the same ISRC or MusicBrainz recording; the same embedding but for the
        coding of the file; the same title, or nearly the same sound, by the same artist (see
        :mod:`musicu.items.versions`).
    words : str
        What speaks for it.
    cosine : float
        Of the audio.
    id, path, title, artist
        The track.
    """

    kind: str
    words: str
    cosine: float
    id: str
    path: str
    title: str | None
    artist: str | None

    @property
    def name(self) -> str:
        """Title and artist in quotes, or the file's name."""
        known = f"“{self.title}”" if self.title else os.path.basename(self.path)
        return f"{known} by {self.artist}" if self.artist else known


@dataclass(frozen=True, eq=False)
class Candidate:
    """A release as it is compared: its item, its vectors, and what a tag head hears in it."""

    item: Item
    audio: Array
    fused: ItemVectors
    query: NDArray[Any]
    heard: Heard | None

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the fields it has."""
        pairs = zip(self.fused.fields, self.fused.present[0], strict=True)
        return tuple(name for name, there in pairs if there)


class CatalogContext:
    """A catalog, ready to be compared with releases.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    fusion : Fusion or None
        How fields weigh; None is the default, fitted on the catalog.
    include_non_music : bool
        Whether what is heard to be no music may be a neighbor, too.

    Attributes
    ----------
    path : str
        The catalog's file.
    model : Model
        The model of its vectors.
    items : Items
        Its tracks.
    vectors : FusedVectors
        Their vectors.
    files : dict of str to int
        Every file's path, copies included, with the place of its track among the items.

    Raises
    ------
    CatalogError
        Nothing is embedded yet.
    ModelError
        The catalog's model is not installed.
    """

    def __init__(
        self, catalog: Catalog, *, fusion: Fusion | None = None, include_non_music: bool = False
    ) -> None:
        store = catalog.store
        self.path = str(store.path)
        self.model = catalog.model()
        self.items = catalog_items(catalog)
        if not len(self.items):
            raise not_embedded(self.path)
        files = read_files(store, missing=True)
        facts = read_values(store, ("id", "path", "seconds"))
        self._facts = {id: (path, seconds) for id, path, seconds in facts}
        places = {id: place for place, id in enumerate(self.items.ids)}
        self.files = {path: places[id] for path, id in files if id in places}
        self.fusion = (fusion or Fusion()).fit(self.items)
        self.vectors = FusedVectors([self.fusion.transform(self.items)])
        self.head = TagHead.load(self.model) if self.model.tags else None
        self._left_out = frozenset() if include_non_music else non_music_ids(catalog, self.items)
        self._artists = [credited_artists(item.metadata) for item in self.items]
        first = [next(iter(names), "") for names in self._artists]
        self.outliers = OutlierDetector(self.items.audio, first)

    def candidate(self, item: Item, vector: Array) -> Candidate:
        """Bring a release into the catalog's space."""
        one = Items([item], vector[None])
        fused = self.fusion.transform(one)
        heard = self.head.hear(one.audio[0]) if self.head else None
        return Candidate(item, one.audio[0], fused, fused.query(np.ones(1)), heard)

    def scores(self, one: Candidate) -> NDArray[np.float64]:
        """Score all the catalog's tracks against a release."""
        return np.asarray(self.vectors.scores(one.query), dtype=np.float64)

    def neighbors(self, one: Candidate, n: int) -> tuple[Neighbor, ...]:
        """Return the nearest tracks that are music; never the same audio."""
        out = self._left_out | {one.item.id}
        nearest, _ = self.vectors.nearest(one.query, n + len(out))
        places = [at for at in nearest.tolist() if self.items.ids[at] not in out][:n]
        parts = self.vectors.parts(one.query, places)
        heard = self.items.audio[places]
        sound, *sounds = describing_tags(self.head, np.concatenate([one.audio[None], heard]))
        own = artist_keys(one.item.metadata)
        found = []
        for row, at in enumerate(places):
            item = self.items[at]
            path, seconds = self.facts(at)
            contributions = {name: float(part[row]) for name, part in parts.items() if part[row]}
            found.append(
                Neighbor(
                    rank=row + 1,
                    score=sum(contributions.values()),
                    contributions=contributions,
                    cosine=float(one.audio @ heard[row]),
                    id=item.id,
                    path=path,
                    title=item.metadata.title,
                    artist=item.metadata.artist,
                    album=item.metadata.album,
                    seconds=seconds,
                    same_artist=not self._artists[at].keys().isdisjoint(own),
                    shared=(*words(one.item, item), *both_sound(sound, sounds[row])),
                )
            )
        return _on_map(one, self.vectors, places, found)

    def similar_artists(
        self, one: Candidate, scores: NDArray[np.float64]
    ) -> tuple[SimilarArtist, ...]:
        """Return the artists whose nearest tracks are nearest; the release's own are left out.

        The mean over an artist's three nearest tracks, or fewer where there are no more, so that
        neither a large catalog nor a single track decides by itself.
        """
        own = artist_keys(one.item.metadata)
        tracks: dict[str, list[int]] = {}
        spelled: dict[str, str] = {}
        for at in top_k(scores, len(scores)).tolist():
            names = self._artists[at]
            if self.items.ids[at] not in self._left_out and names.keys().isdisjoint(own):
                for key, name in names.items():
                    tracks.setdefault(spelled.setdefault(key, name), []).append(at)
        ranked = sorted(
            ((float(scores[places[:_BEST]].mean()), name) for name, places in tracks.items()),
            key=lambda pair: -pair[0],
        )
        return tuple(
            SimilarArtist(
                artist=name,
                score=score,
                tracks=len(tracks[name]),
                nearest=tuple(self.title(at) for at in tracks[name][:_BEST]),
            )
            for score, name in ranked[:_ARTISTS]
        )

    def doubles(self, one: Candidate) -> tuple[Duplicate, ...]:
        """Return the tracks that may be the release itself, or a version of it."""
        cosines = self.items.audio @ one.audio
        found = []
        for at, item in enumerate(self.items):
            cosine = float(cosines[at])
            if said := _double(one.item, item, cosine):
                kind, words = said
                written = item.metadata.title, item.metadata.artist
                found.append(Duplicate(kind, words, cosine, item.id, self.facts(at)[0], *written))
        order = ("same audio", "same recording", "same sound", "version")
        return tuple(sorted(found, key=lambda double: order.index(double.kind)))

    def facts(self, at: int) -> tuple[str, float]:
        """Return where an item's audio lies, and how long it is (s)."""
        return self._facts[self.items.ids[at]]

    def title(self, at: int) -> str:
        """Return an item's title, or its file's name without one."""
        return self.items[at].metadata.title or os.path.basename(self.facts(at)[0])


def _double(one: Item, other: Item, cosine: float) -> tuple[str, str] | None:
    """Say how another track may be the same one, and what speaks for it."""
    mine, theirs = one.metadata, other.metadata
    if other.id == one.id:
        return "same audio", "the same packets, bit for bit"
    if mine.isrc and mine.isrc == theirs.isrc:
        return "same recording", f"the same ISRC {mine.isrc}"
    if mine.mb_recording and mine.mb_recording == theirs.mb_recording:
        return "same recording", "the same MusicBrainz recording"
    if cosine > SAME_AUDIO:
        return "same sound", f"it sounds the same (cosine {cosine:.3f}), as another encoding would"
    if set(artist_keys(mine)).isdisjoint(artist_keys(theirs)):
        return None
    if (title := song_title(one)) and title == song_title(other):
        return "version", f"the same title by the same artist (cosine {cosine:.2f})"
    if cosine > NEAR_AUDIO and song_numbers(one) == song_numbers(other):
        return "version", f"nearly the same sound by the same artist (cosine {cosine:.3f})"
    return None


def _on_map(
    one: Candidate, vectors: FusedVectors, places: list[int], found: list[Neighbor]
) -> tuple[Neighbor, ...]:
    """Place neighbors around the release by the two principal axes of their vectors."""
    if not places:
        return ()
    rows = np.concatenate([one.fused.toarray(), vectors.take(places).toarray()]).astype(np.float64)
    # Principal axes of what surrounds the release, which is the origin.
    around = rows - rows.mean(axis=0)
    u, s, _ = np.linalg.svd(around, full_matrices=False)
    flat = np.zeros((len(rows), 2))
    flat[:, : min(2, len(s))] = (u * s)[:, :2]
    flat -= flat[0]
    return tuple(
        replace(neighbor, position=(float(x), float(y)))
        for neighbor, (x, y) in zip(found, flat[1:], strict=True)
    )
