"""Questions to a catalog, answered from one moment of it, by any number of threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from threading import Event
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.non_music import head_at_hand
from musicu.catalog.store import Store, catalog_path
from musicu.catalog.tracks import read_columns, read_files, read_values
from musicu.encoders.tagger import TagHead
from musicu.errors import CatalogError, MusicuError
from musicu.metadata.names import fold_text
from musicu.metadata.text_search import search_texts
from musicu.search.explanations import shared_phrases
from musicu.search.journey import find_path
from musicu.search.query import Answer, Hit, Query
from musicu.search.seeds import FoundSeeds, Seed, blend, find_seeds, seed_of
from musicu.search.select import excluded_ids, nearest_answer, select
from musicu.search.snapshot import Snapshot
from musicu.search.space_builder import Preparing, SpaceBuilder
from musicu.search.spaces import SPACES, Space
from musicu.search.tag_search import TagHits, search_tags
from musicu.search.watcher import CatalogWatcher

__all__ = ["Explorer"]

Array = NDArray[np.float32]

_MOST_STATIONS = 100
# Tags that are heard with less are not listed, as in the catalog.
_LEAST_SAID = 0.05


class Explorer:
    """Answers questions to a catalog that may grow meanwhile.

    Every answer is of one moment, the snapshot that was current when the question came; any
    number of threads may ask.

    Parameters
    ----------
    live : CatalogWatcher
        The catalog, and who looks for its changes.

    Examples
    --------
    >>> explorer = Explorer.open("music.db")
    >>> seed = explorer.seed("new.wav")  # or musicu.Seed(id=...) of a stored track
    >>> [hit.rank for hit in explorer.similar(Query(seeds=(seed,), n=5)).hits]
    [1]
    >>> explorer.close()
    """

    def __init__(self, live: CatalogWatcher) -> None:
        self.live = live
        self._builders: dict[str, SpaceBuilder] = {}
        self._head: tuple[str, TagHead | None] = "", None

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Open a catalog as it is now; ``explorer.live.refresh()`` looks for changes."""
        return cls(CatalogWatcher(catalog_path(path)))

    def prepare(self, *, wait: bool = False) -> None:
        """Begin to make the spaces that take long, and again when tracks change.

        Parameters
        ----------
        wait : bool
            Return when it is done.

        Raises
        ------
        MusicuError
            It has failed; only if waited for.
        """
        for builder in self._background():
            builder.prepare(wait=wait)

    @property
    def prepared(self) -> bool:
        """Whether questions in all of :data:`musicu.search.spaces.SPACES` can be answered."""
        return all(builder.ready for builder in self._background())

    def close(self) -> None:
        """End what is being prepared; the catalog is not closed."""
        for builder in self._background():
            builder.close()

    def seed(self, query: str | os.PathLike[str], weight: float = 1.0) -> Seed:
        """Make a seed of a file or an id; see :func:`musicu.search.seeds.seed_of`."""
        return seed_of(self.live.path, query, weight)

    # Similar tracks

    def similar(self, query: Query) -> Answer:
        """Answer one query.

        Raises
        ------
        CatalogError
            A seed is no track of the catalog.
        ModelMismatchError
            A seed's vector is not of the catalog's model.
        Preparing
            The space it asks for is not ready yet.
        MusicuError
            The seeds cancel each other out, or the condition cannot be understood.
        """
        (answer,) = self.similar_many([query])
        if isinstance(answer, MusicuError):
            raise answer
        return answer

    def similar_many(self, queries: Sequence[Query]) -> list[Answer | MusicuError]:
        """Answer some queries, those that ask for nothing but sound with one search for all.

        Parameters
        ----------
        queries : sequence of Query

        Returns
        -------
        list of (Answer or MusicuError)
            For each query what :meth:`similar` returns or raises.
        """
        snapshot = self.live.snapshot
        answers: dict[int, Answer | MusicuError] = {}
        plain: list[tuple[int, set[str]]] = []
        vectors: list[Array] = []
        masks: list[NDArray[np.bool_] | None] = []
        for number, query in enumerate(queries):
            try:
                if query.plain:
                    found = find_seeds(snapshot, query.seeds)
                    vectors.append(blend(found.vectors, found.weights))
                    plain.append((number, excluded_ids(snapshot, query, found)))
                    masks.append(snapshot.choose(None, self._music_head(snapshot, query)))
                else:
                    answers[number] = self._selected(query)
            except MusicuError as error:
                answers[number] = error
        if plain:
            most = [queries[number].n + len(out) for number, out in plain]
            ranked = snapshot.search(np.stack(vectors), most, masks)
            for (number, out), one in zip(plain, ranked, strict=True):
                answers[number] = nearest_answer(snapshot, queries[number].n, *one, out)
        return [answers[number] for number in range(len(queries))]

    def _selected(self, query: Query) -> Answer:
        """Answer a query that asks for more than what is nearest."""
        space, found = self._space(query)
        snapshot, vector = space.snapshot, space.query(found)
        head = self._music_head(snapshot, query)
        hits, notes = select(query, found, space, vector, self.live.names, head)
        if query.explain and hits:
            positions = [hit.position for hit in hits]
            parts = space.parts(vector, np.array(positions))
            names = [name for name, values in parts.items() if values.any()] or list(parts)[:1]
            shared = shared_phrases(snapshot, found, positions, self._tag_head(snapshot))
            hits = [
                hit._replace(why={name: float(parts[name][at]) for name in names}, words=shared[at])
                for at, hit in enumerate(hits)
            ]
        return Answer(tuple(hits), tuple(notes), snapshot, query.by)

    def _space(self, query: Query) -> tuple[Space, FoundSeeds]:
        """Return the space that a query asks for, and its seeds there."""
        kind, newest = SPACES[query.by], self.live.snapshot
        if not kind.background:
            return kind.make(newest, Event()), find_seeds(newest, query.seeds)
        space = self._builder(query.by).latest()
        try:
            return space, find_seeds(space.snapshot, query.seeds)
        except CatalogError:
            find_seeds(newest, query.seeds)
            raise Preparing("a seed is new and being prepared: try again soon") from None

    def _builder(self, name: str) -> SpaceBuilder:
        return self._builders.setdefault(name, SpaceBuilder(self.live, SPACES[name]))

    def _background(self) -> list[SpaceBuilder]:
        return [self._builder(name) for name, kind in SPACES.items() if kind.background]

    # Journeys

    def journey(
        self,
        start: Seed,
        end: Seed,
        n: int = 10,
        *,
        where: str | None = None,
        max_per_artist: int | None = None,
        exclude: tuple[str, ...] = (),
        include_non_music: bool = False,
    ) -> Answer:
        """Return a smooth path of tracks from one to another.

        Parameters
        ----------
        start, end : Seed
            Stored tracks, which are part of the path, or new ones, which are not.
        n : int in [2, 100]
            How many tracks, the ends included if they are stored.
        where : str or None
            SQL condition on metadata; not for the ends.
        max_per_artist : int >= 1 or None
            Cap, the ends included.
        exclude : tuple of str
            Ids of tracks that are left out.
        include_non_music : bool
            Also by way of what is heard to be no music.

        Returns
        -------
        Answer
            In the order of the path; a score is the cosine to the track before, for a stored start
            to itself.

        Raises
        ------
        CatalogError
            An end is no track of the catalog.
        ModelMismatchError
            An end's vector is not of the catalog's model.
        MusicuError
            Both ends are one track, a number is out of its range, or the condition cannot be
            understood.
        """
        query = Query(
            seeds=(start, end),
            n=n,
            where=where,
            max_per_artist=max_per_artist,
            exclude=exclude,
            include_non_music=include_non_music,
        )
        if not 2 <= n <= _MOST_STATIONS:
            raise MusicuError(f"n is {n}: a journey has 2 to {_MOST_STATIONS} tracks")
        snapshot = self.live.snapshot
        found = find_seeds(snapshot, query.seeds)
        if found.positions[0] == found.positions[1] >= 0:
            raise MusicuError(f"{start.id}: the journey would end where it starts")
        out = excluded_ids(snapshot, query, found)
        mask = snapshot.choose(where, self._music_head(snapshot, query))
        stations, scores = find_path(snapshot, found, n, mask, max_per_artist, out)
        hits = tuple(
            Hit(rank, position, snapshot.ids[position], score)
            for rank, (position, score) in enumerate(zip(stations, scores, strict=True), start=1)
        )
        notes = () if len(hits) == n else (f"{len(hits)} of {n}: there are no more tracks to use",)
        return Answer(hits, notes, snapshot, "path")

    # By words

    def search(
        self, text: str, n: int = 50, offset: int = 0, *, where: str | None = None
    ) -> tuple[int, list[int]]:
        """Find tracks whose artist, title and album hold all words of a text, or parts of words.

        Parameters
        ----------
        text : str
            Without regard to case and diacritics; an empty one is in every track.
        n, offset : int >= 0
            How many to return, after how many.
        where : str or None
            SQL condition on metadata.

        Returns
        -------
        total : int
            How many there are.
        positions : list of int
            In the current snapshot: first those where every word starts a word, else in order.

        Raises
        ------
        MetadataError
            The condition cannot be understood.
        """
        snapshot = self.live.snapshot
        mask = None if where is None else snapshot.filter(where)
        return search_texts(snapshot.texts, fold_text(text).split(), n, offset, mask)

    def find(
        self, text: str, n: int = 50, *, where: str | None = None, include_non_music: bool = False
    ) -> TagHits:
        """Find tracks by what is heard in them; all as for :meth:`musicu.Catalog.find`."""
        snapshot = self.live.snapshot
        head = self._tag_head(snapshot)
        return search_tags(snapshot, head, text, n, where, include_non_music)

    def details(self, id: str) -> dict[str, Any]:
        """Return all that is known of a track.

        Returns
        -------
        dict
            The columns of ``library``; ``files``, a list of paths; and if the model hears tags,
            ``sound_tags`` as it does now, and the verdict of :class:`musicu.Heard`.

        Raises
        ------
        CatalogError
            There is no such track.
        """
        snapshot = self.live.snapshot
        position = snapshot.position(id)
        row = int(snapshot.tracks[position])
        with Store(snapshot.path, create=False) as store:
            details = next(read_columns(store, rows=[row]), None)
            files = [path for path, _ in read_files(store, row)]
        if details is None:
            raise CatalogError(f"{snapshot.ids[position]}: no track of the catalog any more")
        details |= {"files": files}
        if (head := self._tag_head(snapshot)) is not None:
            heard = head.hear(snapshot.vector(position))
            probable = heard.probabilities.items()
            details["sound_tags"] = {tag: p for tag, p in probable if p >= _LEAST_SAID}
            details |= heard.verdict()
        return details

    def paths(self, answer: Answer) -> list[str]:
        """Return where the tracks of an answer lie; an empty text for one that has gone."""
        ids = [hit.id for hit in answer.hits]
        with Store(self.live.path, create=False) as store:
            paths = dict(read_values(store, ("id", "path"), ids=ids))
        return [paths.get(id, "") for id in ids]

    def _tag_head(self, snapshot: Snapshot) -> TagHead | None:
        """Return the tag head of a snapshot's model; None if it has none here."""
        sha256, head = self._head
        if sha256 != snapshot.model.sha256:
            head = head_at_hand(snapshot.model)
            self._head = snapshot.model.sha256, head
        return head

    def _music_head(self, snapshot: Snapshot, query: Query) -> TagHead | None:
        """Return what tells music from what is none, if that is to be left out."""
        return None if query.include_non_music else self._tag_head(snapshot)
