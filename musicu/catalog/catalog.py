"""The catalog: add folders, query similar tracks, check and repair what is stored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.by_tags import Findings, find_by_tags
from musicu.catalog.filter_hints import filter_hint
from musicu.catalog.index import Index
from musicu.catalog.ingest import Progress, Summary, add_folders
from musicu.catalog.lookup import find_query
from musicu.catalog.model_choice import (
    embedded_model,
    installed_model,
    model_notice,
    model_to_tag,
    tag_head,
)
from musicu.catalog.non_music import head_at_hand
from musicu.catalog.similar import Match, find_similar
from musicu.catalog.sound_tags import hear_query, tag_query
from musicu.catalog.sql_filter import read_filtered
from musicu.catalog.store import Store, StoredModel, catalog_path
from musicu.catalog.tabular import Tabular
from musicu.catalog.upkeep import Upkeep
from musicu.encoders.model import Model
from musicu.encoders.tagger import Heard

__all__ = ["Catalog"]

PathLike = str | os.PathLike[str]


class Catalog(Upkeep, Tabular):
    """A catalog of tracks: one SQLite file.

    Parameters
    ----------
    path : str, path-like or None
        The file; None is ``$MUSICU_CATALOG``, else a file in the user's data folder.
    create : bool
        Make the file if it is not there.

    Raises
    ------
    CatalogError
        The file is missing, not a catalog, or of a newer musicu.

    Examples
    --------
    >>> with Catalog("music.db") as catalog:
    ...     summary = catalog.add_folder("fixtures")
    ...     matches = catalog.similar("fixtures/tone.flac", n=3)
    """

    def __init__(self, path: PathLike | None = None, *, create: bool = True) -> None:
        self.store = Store(catalog_path(path), create=create)
        self._damaged = 0  # vectors that the last question left out
        #: What the name in the last question was understood to mean; None if it was no name.
        self.asked: str | None = None
        self._hint: str | None = None  # why the last question's filter let nothing pass

    @property
    def notice(self) -> str | None:
        """One line that the catalog's user should know, or None.

        Why the last question's filter let nothing pass, with names that are near; tracks that it
        left out since their vectors are damaged; tracks without a
        vector of the current model, which are not found; or that musicu's default model has changed
        since the catalog was made (it keeps to its own, so that an upgrade computes nothing again).
        """
        if self._hint:
            return self._hint
        if self._damaged:
            return (
                f"{self._damaged:,} tracks are left out, for their vectors are damaged: "
                f"'musicu catalog verify --repair --catalog {self.store.path}' mends them"
            )
        return model_notice(self.store)

    # Embedding

    def add_folder(
        self,
        *folders: PathLike,
        model: PathLike | None = None,
        jobs: int | None = None,
        describe: bool = False,
        metadata: PathLike | None = None,
        force: bool = False,
        retry: bool = False,
        nice: int = 0,
        timeout: float = 300.0,
        dry_run: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> Summary:
        """Embed what is new or changed under some folders.

        Parameters
        ----------
        *folders : str or path-like
            Folders or files; none means those added before.
        model : str, path-like or None
            Name or folder of a model; None goes on with the catalog's, or takes the default.
            Another model than the catalog's embeds everything again.
        jobs : int or None
            Worker processes; None is one for each core.
        describe : bool
            Compute descriptors too.
        metadata : str, path-like or None
            CSV file whose rows go over the files' own tags; joined by ``path`` or ``isrc``.
        force, retry : bool
            Analyze everything again, or only what failed before.
        nice, timeout
            What is added to the workers' niceness, and seconds (> 0) that a file may take.
        dry_run : bool
            Only count what there would be to do.
        progress : callable or None
            Called after each file.

        Raises
        ------
        CatalogError
            A folder does not exist, or none is given and none was before.
        ModelError
            There is no such model, it gives no vectors, or other weights go by its id and version.
        MetadataError
            The sheet cannot be understood.
        """
        return add_folders(
            self.store,
            folders,
            model=model,
            jobs=jobs,
            describe=describe,
            metadata=metadata,
            force=force,
            retry=retry,
            nice=nice,
            timeout=timeout,
            dry_run=dry_run,
            progress=progress,
        )

    def retry(self, **options: Any) -> Summary:
        """Analyze again the files that failed; options as for :meth:`add_folder`."""
        failed = [p.path for p in self.problems(kinds=("error",)) if os.path.exists(p.path)]
        return self.add_folder(*failed, retry=True, **options) if failed else Summary()

    # Queries

    def similar(
        self,
        query: PathLike | NDArray[np.float32] | None,
        n: int = 20,
        *,
        artist: str | None = None,
        where: str | None = None,
        exclude_same_artist: bool = False,
        exclude_same_album: bool = False,
        include_non_music: bool = False,
        model: PathLike | None = None,
    ) -> list[Match]:
        """Return the tracks most similar to a file, a stored track, an artist, or a vector.

        Parameters
        ----------
        query : str, path-like, np.ndarray [shape=(dim,)] or None
            A file, in the catalog or not; the id of a stored track, or its first 6 or more
            characters, or its title, or words of artist, title and album; or a vector of the
            catalog's model. None asks for what is like all that is known of `artist`, by others.
        n : int >= 0
            How many. Filters act before the ranking: this many come back if they exist.
        artist : str or None
            Whose track the title names.
        where : str or None
            SQL condition on metadata: ``"year >= 1990 AND has(genres, 'Jazz')"``.
        exclude_same_artist, exclude_same_album : bool
            Leave out tracks that share an artist, or the album, with the query.
        include_non_music : bool
            Also what is heard to be no music: speech, noise, single sounds.
        model : str, path-like or None
            Insist on this model.

        Returns
        -------
        list of Match
            The most similar first; never the query itself.

        Raises
        ------
        AmbiguousNameError
            Several tracks are called so.
        CatalogError
            The query is neither a file nor a stored track, or nothing is embedded yet.
        AudioError
            The file cannot be used.
        ModelMismatchError
            The catalog's vectors are of another model.
        MetadataError
            The condition cannot be understood.
        """
        current = embedded_model(self.store, model)
        index = self._index(current)
        asked = find_query(self.store, index, query, artist=artist, model=model)
        self.asked = asked.called
        head = None if include_non_music else head_at_hand(current)
        excluded = exclude_same_artist or query is None, exclude_same_album
        found = find_similar(self.store, index, asked, n, where, *excluded, head=head)
        self._explain(where, nothing=not found and n > 0)
        return found

    def find(
        self,
        text: str,
        n: int = 20,
        *,
        where: str | None = None,
        include_non_music: bool = False,
    ) -> Findings:
        """Return the tracks that fit a tag query best, how it was understood, and what is missing.

        `text` is what is wanted, ``"calm female vocals, piano, no drums"``: see
        :meth:`musicu.encoders.vocabulary.Vocabulary.parse`. `n`, `where` and `include_non_music`
        are as for :meth:`similar`; a query for what is no music includes it. Raises `CatalogError`
        if nothing is embedded yet, `ModelError` if the catalog's model has no tag head or is not
        installed, `MetadataError` if no word names a tag or the condition cannot be understood.
        """
        current = embedded_model(self.store)
        head = tag_head(self.store, current)
        index = self._index(current)
        found = find_by_tags(self.store, index, head, text, n, where, include_non_music)
        self._explain(where, nothing=not found.matches and n > 0)
        return found

    def tags(self, query: PathLike, *, model: PathLike | None = None) -> dict[str, float]:
        """Return the tags of a file or a stored track, named as for :meth:`similar`.

        All the tags of `model` (a name or folder; None is the catalog's, if it has a tag head, else
        the default) with their probabilities in [0, 1], the most probable first. Raises what
        :func:`musicu.catalog.sound_tags.tag_query` does.
        """
        return tag_query(self.store, query, model)

    def hear(self, query: PathLike, *, model: PathLike | None = None) -> Heard:
        """Return what :meth:`tags` is sure of, what it is not, and whether it is no music."""
        return hear_query(self.store, query, model)

    def tagging_model(self, name: PathLike | None = None) -> Model:
        """Choose the model that :meth:`tags` uses."""
        return model_to_tag(self.store, name)

    def model(self) -> Model:
        """Return the model that the vectors are of.

        Raises `CatalogError` if nothing is embedded yet, `ModelError` if it is not installed.
        """
        return installed_model(self.store, embedded_model(self.store))

    def tracks(self, where: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all tracks, or those that fulfil a condition, as columns of ``library``."""
        nothing = True
        for track in read_filtered(self.store, where):
            nothing = False
            yield track
        self._explain(where, nothing=nothing)

    def _explain(self, where: str | None, *, nothing: bool) -> None:
        self._hint = filter_hint(self.store, where) if where and nothing else None

    def _index(self, model: StoredModel) -> Index:
        index = Index.open(self.store, model)
        self._damaged = index.damaged
        return index
