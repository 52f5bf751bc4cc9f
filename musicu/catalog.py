"""The catalog as users meet it: add folders, ask for similar tracks, look after what is stored."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError, ModelError, ModelMismatchError
from musicu.export import export
from musicu.index import Index
from musicu.ingest import Progress, Summary, ingest
from musicu.inventory import CatalogInfo, Problem, find_damage, list_problems, take_stock
from musicu.metadata import Metadata
from musicu.model import Model, find_model, list_models
from musicu.pool import WorkerSettings, analyze_isolated
from musicu.recommend import Match, filter_tracks, library_columns, rank
from musicu.sheet import load_sheet
from musicu.store import LIST_COLUMNS, Store, StoredModel, catalog_path

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
        self._store = Store(catalog_path(path), create=create)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __len__(self) -> int:
        return int(self._one("SELECT count(*) FROM library"))

    def __contains__(self, id: object) -> bool:
        return bool(self._one("SELECT count(*) FROM library WHERE id = ?", id))

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
            There is no such model.
        MetadataError
            The sheet cannot be understood.
        """
        roots = [os.path.abspath(os.fspath(folder)) for folder in folders] or self._store.roots()
        if not roots:
            raise CatalogError(f"{self._store.path}: no folder was added yet; name one")
        sheet = load_sheet(metadata) if metadata is not None else None
        return ingest(
            self._store,
            roots,
            self._model_to_embed(model),
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
        """Analyze again the files that failed; options as for :meth:`add_folder`.

        Returns
        -------
        Summary
            What became of them.
        """
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
        current = self._current_model(model)
        index = Index.open(self._store, current)
        if isinstance(query, np.ndarray):
            vector, id, about = self._unit(query, current), None, Metadata()
        else:
            vector, id, about = self._query(os.fspath(query), current, index, model)
        return rank(
            self._store,
            index,
            vector,
            n,
            where=where,
            exclude_ids=() if id is None else (id,),
            not_artists_of=about if exclude_same_artist else None,
            not_album_of=about if exclude_same_album else None,
        )

    def tracks(self, where: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all tracks, or those that fulfil a condition, as columns of ``library``."""
        names = library_columns(self._store)
        chosen = None if where is None else set(filter_tracks(self._store, where).tolist())
        rows = self._store.db.execute(
            f"SELECT track, {', '.join(names)} FROM library ORDER BY path"
        )
        for track, *values in rows:
            if chosen is None or track in chosen:
                yield {
                    name: json.loads(value) if name in LIST_COLUMNS and value else value
                    for name, value in zip(names, values, strict=True)
                }

    def problems(
        self, *, kinds: tuple[str, ...] = ("error", "partial", "skipped")
    ) -> list[Problem]:
        """List files that could not be used, or only in part, or were passed over, with reasons."""
        return list_problems(self._store, kinds)

    def info(self) -> CatalogInfo:
        """Count what is stored."""
        return take_stock(self._store)

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
        absolute = os.path.abspath(os.fspath(path))
        known = list(self._store.files(absolute))
        if not known:
            raise CatalogError(f"{os.fspath(path)}: not in the catalog {self._store.path}")
        if dry_run:
            return len(known)
        with self._store.change():
            self._store.drop_files(known)
            self._store.db.execute(
                "DELETE FROM roots WHERE path = CAST(? AS TEXT)", (os.fsencode(absolute),)
            )
        return len(known)

    def verify(self) -> list[str]:
        """Check the file, every vector, and the matrix beside it; return what is wrong."""
        return find_damage(self._store)

    def export(self, target: PathLike) -> int:
        """Write all vectors to a ``.npz``, ``.parquet`` or ``.csv`` file; return the rows written.

        Raises
        ------
        CatalogError
            Nothing is embedded yet, another suffix, or the file cannot be written.
        MissingExtraError
            Parquet without pyarrow.
        """
        return export(self._store, self._current_model(None), target)

    # Inside

    def _one(self, statement: str, *values: Any) -> Any:
        return self._store.db.execute(statement, values).fetchone()[0]

    def _model_to_embed(self, name: PathLike | None) -> Model:
        """Choose the model asked for, else the catalog's own, else the default."""
        current = self._store.current_model()
        if name is not None or current is None:
            return find_model(name)
        return self._installed(current)

    def _installed(self, stored: StoredModel) -> Model:
        for model in list_models():
            if model.sha256 == stored.sha256:
                return model
        raise ModelError(
            f"{self._store.path}: embedded with {stored.name}, which is not installed: "
            f"'musicu models add FOLDER' installs it; to embed everything again with another: "
            f"musicu embed --model {find_model().id} --catalog {self._store.path}"
        )

    def _current_model(self, wanted: PathLike | None) -> StoredModel:
        current = self._store.current_model()
        if current is None or current not in self._store.models():
            raise CatalogError(
                f"{self._store.path}: nothing is embedded yet; 'musicu embed FOLDER'"
            )
        if wanted is not None:
            model = find_model(wanted)
            if model.sha256 != current.sha256:
                raise ModelMismatchError(
                    f"{self._store.path} holds vectors of {current.name}, not of {model.name}: "
                    f"to embed everything again: musicu embed --model {wanted} "
                    f"--catalog {self._store.path}"
                )
        return current

    def _unit(self, vector: NDArray[np.float32], model: StoredModel) -> NDArray[np.float32]:
        vector = np.asarray(vector, dtype=np.float32)
        norm = float(np.linalg.norm(vector))
        if vector.shape != (model.dim,) or not 0 < norm < np.inf:
            raise ModelMismatchError(
                f"the vector is {list(vector.shape)}, not a finite [{model.dim}] of {model.name}"
            )
        return vector / np.float32(norm)

    def _query(
        self, query: str, model: StoredModel, index: Index, wanted: PathLike | None
    ) -> tuple[NDArray[np.float32], str, Metadata]:
        """Vector, identity and metadata of a stored track or of a file."""
        path = os.path.abspath(query)
        row = self._find_file(path)
        if row is None and os.path.exists(path):
            return self._query_file(path, model, wanted)
        if row is None:
            row = self._find_id(query)
        track, id, metadata = row
        if track not in index:
            raise ModelMismatchError(
                f"{query}: its vector is not of {model.name}; to embed again what is left: "
                f"musicu embed --catalog {self._store.path}"
            )
        return index[track], id, Metadata.from_dict(json.loads(metadata))

    def _find_file(self, path: str) -> tuple[int, str, str] | None:
        """Look up a stored file that is what it was; one that has changed is a new query."""
        row = self._store.db.execute(
            "SELECT t.track, t.id, f.metadata, f.size, f.mtime_ns FROM files f"
            " JOIN tracks t ON t.track = f.track WHERE f.path = CAST(? AS TEXT)",
            (os.fsencode(path),),
        ).fetchone()
        if row is None:
            return None
        try:
            info = os.stat(path)
        except OSError:
            return row[:3]  # type: ignore[no-any-return]
        return row[:3] if (info.st_size, info.st_mtime_ns) == row[3:] else None

    def _find_id(self, query: str) -> tuple[int, str, str]:
        rows = self._store.db.execute(
            "SELECT t.track, t.id, f.metadata FROM tracks t JOIN files f ON f.track = t.track"
            " WHERE length(?1) >= 6 AND substr(t.id, 1, length(?1)) = ?1"
            " GROUP BY t.track LIMIT 2",
            (query.lower(),),
        ).fetchall()
        if len(rows) == 1:
            return rows[0]  # type: ignore[no-any-return]
        what = "more than one track's id begins so" if rows else "neither a file nor a stored track"
        raise CatalogError(f"{query}: {what}")

    def _query_file(
        self, path: str, model: StoredModel, wanted: PathLike | None
    ) -> tuple[NDArray[np.float32], str, Metadata]:
        """Analyze a file that is not in the catalog, in a worker: it may be broken."""
        # The model asked for has the catalog's weights (see _current_model), wherever it lies.
        found = find_model(wanted) if wanted is not None else self._installed(model)
        settings = WorkerSettings(model=str(found.folder))
        answer = analyze_isolated(path, settings)
        return answer["vector"], answer["id"], Metadata.from_dict(answer["metadata"])
