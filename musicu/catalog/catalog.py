"""The catalog as users meet it: add folders, ask for similar tracks, look after what is stored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.export import export
from musicu.catalog.filters import filter_tracks
from musicu.catalog.identities import find_alias, list_aliases
from musicu.catalog.index import Index
from musicu.catalog.ingest import Progress, Summary, ingest
from musicu.catalog.integrity import check_integrity
from musicu.catalog.lookup import find_query, spell_as_stored
from musicu.catalog.models import (
    embedded_model,
    installed_model,
    model_notice,
    model_to_embed,
    model_to_tag,
    tag_head,
)
from musicu.catalog.repair import Repair, repair_catalog
from musicu.catalog.salvage import is_torn, salvage, salvage_note
from musicu.catalog.similar import Findings, Match, rank, rank_by_tags
from musicu.catalog.sound_tags import refresh_tags, tag_query
from musicu.catalog.stats import CatalogInfo, Problem, catalog_info, list_problems
from musicu.catalog.store import Store, StoredModel, catalog_path
from musicu.catalog.tracks import library_columns, read_columns, read_values
from musicu.encoders.model import Model
from musicu.encoders.vocabulary import Vocabulary
from musicu.errors import CatalogError
from musicu.metadata.sheet import load_sheet
from musicu.paths import absolute
from musicu.workers.pool import WorkerSettings

__all__ = ["Catalog"]

PathLike = str | os.PathLike[str]


class Catalog:
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def __len__(self) -> int:
        (count,) = self.store.db.execute("SELECT count(*) FROM library").fetchone()
        return int(count)

    def __contains__(self, id: object) -> bool:
        if not isinstance(id, str):
            return False
        return any(read_values(self.store, ("id",), ids=[id])) or bool(find_alias(self.store, id))

    @property
    def notice(self) -> str | None:
        """One line on the catalog's model that its user should know, or None.

        The catalog keeps to the model it was made with, so that an upgrade of musicu computes
        nothing again unasked. It is told when musicu's default has changed since, and when some
        tracks have no vector of the current model yet and so are not found. So are
        tracks whose vectors are damaged, once a question has left them out.
        """
        if self._damaged:
            return (
                f"{self._damaged:,} tracks are left out, for their vectors are damaged: "
                f"'musicu catalog verify --repair --catalog {self.store.path}' mends them"
            )
        return model_notice(self.store)

    # Filling it

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
        force : bool
            Analyze everything again.
        retry : bool
            Analyze again what failed before.
        nice : int
            Added to the workers' niceness.
        timeout : float > 0
            Seconds a file may take.
        dry_run : bool
            Only count what there would be to do.
        progress : callable or None
            Called after each file.

        Returns
        -------
        Summary
            What became of the files.

        Raises
        ------
        CatalogError
            A folder does not exist, or none is given and none was before.
        ModelError
            There is no such model, it gives no vectors, or other weights go by its id and version.
        MetadataError
            The sheet cannot be understood.
        """
        roots = [absolute(folder) for folder in folders]
        # Of a drive that is away, only the catalog knows how its names are spelled.
        roots = [r if os.path.lexists(r) else spell_as_stored(self.store, r) for r in roots]
        roots = roots or self.store.roots()
        if not roots:
            raise CatalogError(f"{self.store.path}: no folder was added yet; name one")
        sheet = load_sheet(metadata) if metadata is not None else None
        return ingest(
            self.store,
            roots,
            model_to_embed(self.store, model),
            jobs=jobs or os.cpu_count() or 1,
            describe=describe,
            sheet=sheet,
            force=force,
            retry=retry,
            dry_run=dry_run,
            settings=WorkerSettings(model=None, nice=nice, timeout=timeout),
            progress=progress,
        )

    def retry(self, **options: Any) -> Summary:
        """Analyze again the files that failed; options as for :meth:`add_folder`."""
        failed = [p.path for p in self.problems(kinds=("error",)) if os.path.exists(p.path)]
        return self.add_folder(*failed, retry=True, **options) if failed else Summary()

    # Asking it

    def similar(
        self,
        query: PathLike | NDArray[np.float32],
        n: int = 20,
        *,
        where: str | None = None,
        exclude_same_artist: bool = False,
        exclude_same_album: bool = False,
        model: PathLike | None = None,
    ) -> list[Match]:
        """Return the tracks most similar to a file, a stored track, or a vector.

        Parameters
        ----------
        query : str, path-like or np.ndarray [shape=(dim,)]
            A file, in the catalog or not; the id of a stored track, or its first 6 or more
            characters; or a vector of the catalog's model.
        n : int >= 0
            How many. Filters act before the ranking, so that this many come back if they exist.
        where : str or None
            SQL condition on metadata: ``"year >= 1990 AND has(genres, 'Jazz')"``.
        exclude_same_artist, exclude_same_album : bool
            Leave out tracks that share an artist, or the album, with the query.
        model : str, path-like or None
            Insist on this model.

        Returns
        -------
        list of Match
            The most similar first; never the query itself.

        Raises
        ------
        CatalogError
            The query is neither a file nor a stored track, or nothing is embedded yet.
        AudioError
            The file cannot be used.
        ModelMismatchError
            The catalog's vectors are of another model.
        MetadataError
            The condition cannot be understood.
        """
        index = self._index(embedded_model(self.store, model))
        asked = find_query(self.store, index, query, model=model)
        return rank(
            self.store,
            index,
            asked.vector,
            n,
            among=self._among(where),
            exclude_ids=() if asked.id is None else (asked.id,),
            not_artists_of=asked.metadata if exclude_same_artist else None,
            not_album_of=asked.metadata if exclude_same_album else None,
        )

    def find(self, text: str, n: int = 20, *, where: str | None = None) -> Findings:
        """Return the tracks that fit a wish in words best.

        Parameters
        ----------
        text : str
            What is wanted: ``"calm female vocals, piano, no drums"``. See
            :meth:`musicu.encoders.vocabulary.Vocabulary.parse`.
        n : int >= 0
            How many. Filters act before the ranking, so that this many come back if they exist.
        where : str or None
            SQL condition on metadata, as for :meth:`similar`.

        Returns
        -------
        Findings
            The tracks, and how the wish was understood.

        Raises
        ------
        CatalogError
            Nothing is embedded yet.
        ModelError
            The catalog's model has no tag head, or is not installed.
        MetadataError
            No word of the wish names a tag, or the condition cannot be understood.
        """
        current = embedded_model(self.store)
        head = tag_head(self.store, current)
        wish = Vocabulary([tag.name for tag in head.tags]).parse(text)
        index = self._index(current)
        matches = rank_by_tags(self.store, index, head, wish.terms, n, among=self._among(where))
        return Findings(tuple(matches), wish.terms, wish.unused)

    def tags(self, query: PathLike, *, model: PathLike | None = None) -> dict[str, float]:
        """Say what is heard in a file or a stored track.

        Parameters
        ----------
        query : str or path-like
            A file, in the catalog or not, or the id of a stored track, as for :meth:`similar`.
        model : str, path-like or None
            Name or folder of a model with a tag head; None takes the catalog's, if it has one,
            else the default.

        Returns
        -------
        dict of str to float in [0, 1]
            All the model's tags with their probabilities, the most probable first.

        Raises
        ------
        CatalogError
            The query is neither a file nor a stored track.
        AudioError
            The file cannot be used.
        ModelError
            There is no such model, or it has no tag head.
        ModelMismatchError
            The stored track has no vector of this model.
        """
        return tag_query(self.store, query, model)

    def tagging_model(self, name: PathLike | None = None) -> Model:
        """Choose the model that :meth:`tags` uses."""
        return model_to_tag(self.store, name)

    def model(self) -> Model:
        """Return the model that the vectors are of.

        Raises
        ------
        CatalogError
            Nothing is embedded yet.
        ModelError
            The model is not installed.
        """
        return installed_model(self.store, embedded_model(self.store))

    def tracks(self, where: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all tracks, or those that fulfil a condition, as columns of ``library``."""
        refresh_tags(self.store, needed=False)
        among = None if where is None else set(filter_tracks(self.store, where).tolist())
        for track in read_columns(self.store, ["track", *library_columns(self.store)]):
            if among is None or track["track"] in among:
                del track["track"]
                yield track

    def aliases(self) -> dict[str, str]:
        """Return the ids that tracks had under an earlier musicu, each with today's id."""
        return list_aliases(self.store)

    def problems(
        self, *, kinds: tuple[str, ...] = ("error", "partial", "skipped")
    ) -> list[Problem]:
        """List files that could not be used, or only in part, or were passed over, with reasons."""
        return list_problems(self.store, kinds)

    def info(self) -> CatalogInfo:
        """Count what is stored."""
        return catalog_info(self.store)

    # Looking after it

    def forget(self, path: PathLike, *, dry_run: bool = False) -> int:
        """Remove a file, or all under a folder, from the catalog; the disk is not touched.

        Parameters
        ----------
        path : str or path-like
            The file or folder.
        dry_run : bool
            Only count.

        Returns
        -------
        int
            Files removed.

        Raises
        ------
        CatalogError
            The catalog knows nothing there.
        """
        folder = spell_as_stored(self.store, os.path.abspath(path))
        known = list(self.store.files(folder))
        if not known and folder not in self.store.roots():
            raise CatalogError(f"{os.fspath(path)}: not in the catalog {self.store.path}")
        if not dry_run:
            self.store.forget(folder, known)
        return len(known)

    def verify(self) -> list[str]:
        """Check all that is stored, and the matrix beside it.

        Returns
        -------
        list of str
            A line for each thing that is not what was stored: which it is, and what mends it.
        """
        return check_integrity(self.store)

    @staticmethod
    def salvage(path: PathLike | None = None) -> str | None:
        """Copy what can be read of a catalog to a new one, if SQLite cannot open it any more.

        Parameters
        ----------
        path : str, path-like or None
            As for :class:`Catalog`. The new file takes its place.

        Returns
        -------
        str or None
            One line that says where the damaged file is kept; None if it can be opened.

        Raises
        ------
        CatalogError
            It is no catalog, or nothing can be read.
        """
        place = catalog_path(path).absolute()
        return salvage_note(place, salvage(place)) if is_torn(place) else None

    def damaged(self) -> list[str]:
        """Name the tracks that the last question left out, each with what mends it."""
        return check_integrity(self.store) if self._damaged else []

    def repair(
        self, *, jobs: int | None = None, progress: Callable[[Progress], None] | None = None
    ) -> Repair:
        """Mend what :meth:`verify` finds, and nothing else.

        A vector is taken from the matrix beside the catalog if it is sound there. Else the files
        in question are analyzed again. Of a file of SQLite's that is damaged itself, all rows that
        can be read go to a new one; the old one is kept, as ``NAME.damaged``.

        Parameters
        ----------
        jobs : int or None
            Worker processes; None is one for each core.
        progress : callable or None
            Called after each file that is analyzed again.

        Returns
        -------
        Repair
            What was mended and what was not, with reasons.

        Raises
        ------
        CatalogError
            The catalog can only be read, or nothing of it can.
        """
        self.store, done = repair_catalog(
            self.store, jobs=jobs or os.cpu_count() or 1, progress=progress
        )
        return done

    def export(self, target: PathLike) -> int:
        """Write all vectors to a ``.npz``, ``.parquet`` or ``.csv`` file; return the rows written.

        Damaged ones are left out, and :attr:`notice` says so.

        Raises
        ------
        CatalogError
            Nothing is embedded yet, another suffix, or the file cannot be written.
        MissingExtraError
            Parquet without pyarrow.
        """
        current = embedded_model(self.store)
        refresh_tags(self.store, needed=False)
        self._index(current)
        return export(self.store, current, target)

    # Inside

    def _index(self, model: StoredModel) -> Index:
        index = Index.open(self.store, model)
        self._damaged = index.damaged
        return index

    def _among(self, where: str | None) -> NDArray[np.int64] | None:
        """Tracks that fulfil a condition; None without one."""
        return None if where is None else filter_tracks(self.store, where)
