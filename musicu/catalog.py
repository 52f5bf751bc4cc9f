"""The catalog as users meet it: add folders, ask for similar tracks, look after what is stored."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.checksums import is_sound
from musicu.condition import filter_tracks, library_columns
from musicu.damage import find_damage, list_damage
from musicu.encoder import Encoder
from musicu.errors import CatalogError, ModelError, ModelMismatchError, MusicuError
from musicu.export import export
from musicu.identities import find_alias, list_aliases
from musicu.index import Index, unit_vector
from musicu.ingest import Progress, Summary, ingest
from musicu.inventory import CatalogInfo, Problem, list_problems, take_stock
from musicu.locate import absolute
from musicu.metadata import Metadata, stored_metadata
from musicu.model import Model
from musicu.pool import WorkerSettings, analyze_isolated
from musicu.recommend import Findings, Match, rank, rank_by_tags
from musicu.registry import (
    DEFAULT_MODEL,
    check_name,
    find_model,
    list_models,
    model_with,
    user_models,
)
from musicu.repair import Repair, is_torn, repair, salvage
from musicu.schema import LIST_COLUMNS
from musicu.sheet import load_sheet
from musicu.sound_tags import store_tags, tag_file
from musicu.store import Store, StoredModel, catalog_path
from musicu.tagger import TagHead
from musicu.vocabulary import Vocabulary

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
        self._damaged = 0  # vectors that the last question left out

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
        known = self._one("SELECT count(*) FROM library WHERE id = ?", id)
        return bool(known) or bool(isinstance(id, str) and find_alias(self._store, id))

    @property
    def notice(self) -> str | None:
        """One line on the catalog's model that its user should know, or None.

        The catalog keeps to the model it was made with, so that an upgrade of musicu computes
        nothing again unasked. It is told when musicu's default has changed since, and when some
        tracks have no vector of the current model yet and so are not found. So are
        tracks whose vectors are damaged, once a question has left them out.
        """
        current = self._store.current_model()
        if current is None:
            return None
        path = self._store.path
        if self._damaged:
            return (
                f"{self._damaged:,} tracks are left out, for their vectors are damaged: "
                f"'musicu catalog verify --repair --catalog {path}' mends them"
            )
        left = (
            self._one(
                "SELECT count(*) FROM library l WHERE NOT EXISTS"
                " (SELECT 1 FROM vectors v WHERE v.model = ? AND v.track = l.track)",
                current.row,
            )
            if self._one("SELECT count(*) FROM models") > 1
            else 0
        )
        if left:
            return (
                f"{left:,} tracks have no vector of {current.name} yet and are not found: "
                f"'musicu embed --catalog {path}' goes on"
            )
        # A model of the user's own is no old default, but a choice.
        if current.id == DEFAULT_MODEL or (user_models() / current.id).is_dir():
            return None
        return (
            f"{path} was made by {current.name}; the default is {DEFAULT_MODEL} now: "
            f"'musicu embed --model {DEFAULT_MODEL} --catalog {path}' embeds all again"
        )

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
        roots = [r if os.path.lexists(r) else self._store.spelled(r) for r in roots]
        roots = roots or self._store.roots()
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
        self._refresh_tags(where)
        index = self._index(current)
        if isinstance(query, np.ndarray):
            vector, id, about = self._unit(query, current), None, Metadata()
        else:
            vector, id, about = self._query(os.fspath(query), current, index, model)
        return rank(
            self._store,
            index,
            vector,
            n,
            among=self._among(where),
            exclude_ids=() if id is None else (id,),
            not_artists_of=about if exclude_same_artist else None,
            not_album_of=about if exclude_same_album else None,
        )

    def find(self, text: str, n: int = 20, *, where: str | None = None) -> Findings:
        """Return the tracks that fit a wish in words best.

        Parameters
        ----------
        text : str
            What is wanted: ``"calm female vocals, piano, no drums"``. See
            :meth:`musicu.vocabulary.Vocabulary.parse`.
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
        current = self._current_model(None)
        head = self._tag_head(current)
        wish = Vocabulary([tag.name for tag in head.tags]).parse(text)
        self._refresh_tags(where)
        index = self._index(current)
        matches = rank_by_tags(self._store, index, head, wish.terms, n, among=self._among(where))
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
        chosen = self.tagging_model(model)
        head = TagHead.load(chosen)
        query = os.fspath(query)
        path = absolute(query)
        row = self._store.find_file(path)
        if row is None and not os.path.exists(path):
            row = self._find_id(query)
        stored = self._store.db.execute(
            "SELECT vector, v.checksum FROM vectors v JOIN models USING (model)"
            " WHERE track = ? AND sha256 = ?",
            (row and row[0], chosen.sha256),
        ).fetchone()
        if stored and is_sound(stored[0], stored[1], chosen.dim):
            return head.say(np.frombuffer(stored[0], dtype="<f4"))
        if os.path.exists(path):
            return tag_file(path, model=chosen.folder)
        if stored:
            raise self._is_damaged(query)
        raise ModelMismatchError(
            f"{query}: its vector is not of {chosen.name}; to embed everything again: "
            f"musicu embed --model {chosen.id} --catalog {self._store.path}"
        )

    def tagging_model(self, name: PathLike | None = None) -> Model:
        """Choose the model that :meth:`tags` uses."""
        current = self._store.current_model()
        own = self._look_up(current) if name is None and current else None
        return own if own and own.tags else find_model(name)

    def model(self) -> Model:
        """Return the model that the vectors are of.

        Raises
        ------
        CatalogError
            Nothing is embedded yet.
        ModelError
            The model is not installed.
        """
        return self._installed(self._current_model(None))

    def tracks(self, where: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield all tracks, or those that fulfil a condition, as columns of ``library``."""
        self._refresh_tags(where, shown=True)
        names = library_columns(self._store)
        parsed = {*LIST_COLUMNS, "sound_tags"}
        among = self._among(where)
        chosen = None if among is None else set(among.tolist())
        rows = self._store.db.execute(
            f"SELECT track, {', '.join(names)} FROM library ORDER BY path"
        )
        for track, *values in rows:
            if chosen is None or track in chosen:
                yield {
                    name: json.loads(value) if name in parsed and value else value
                    for name, value in zip(names, values, strict=True)
                }

    def aliases(self) -> dict[str, str]:
        """Return the ids that tracks had under an earlier musicu, each with today's id."""
        return list_aliases(self._store)

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
        folder = self._store.spelled(os.path.abspath(path))
        known = list(self._store.files(folder))
        if not known and folder not in self._store.roots():
            raise CatalogError(f"{os.fspath(path)}: not in the catalog {self._store.path}")
        if dry_run:
            return len(known)
        with self._store.change():
            self._store.drop_files(known)
            self._store.db.execute(
                "DELETE FROM roots WHERE path = CAST(? AS TEXT)", (os.fsencode(folder),)
            )
        return len(known)

    def verify(self) -> list[str]:
        """Check all that is stored, and the matrix beside it.

        Returns
        -------
        list of str
            A line for each thing that is not what was stored: which it is, and what mends it.
        """
        return find_damage(self._store)

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
        return _salvaged(place, salvage(place)) if is_torn(place) else None

    def damaged(self) -> list[str]:
        """Name the tracks that the last question left out, each with what mends it."""
        return find_damage(self._store) if self._damaged else []

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
        with self._store.change():
            pass  # says so if nothing may be written
        torn, kept = self._is_torn(), None
        if torn:
            with suppress(sqlite3.DatabaseError):
                self._store.db.execute("REINDEX")  # all that most damage needs
        if torn and self._is_torn():
            path = self._store.path
            self._store.close()
            kept = salvage(path)
            self._store = Store(path, create=False)
        done = repair(self._store, jobs=jobs or os.cpu_count() or 1, progress=progress)
        if torn and kept is None:
            done.mended.insert(0, f"{self._store.path}: its indexes were built anew")
        elif kept is not None:
            done.mended.insert(0, _salvaged(self._store.path, kept))
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
        current = self._current_model(None)
        self._refresh_tags(None, shown=True)
        self._index(current)
        return export(self._store, current, target)

    # Inside

    def _index(self, model: StoredModel) -> Index:
        index = Index.open(self._store, model)
        self._damaged = index.damaged
        return index

    def _is_damaged(self, query: str) -> CatalogError:
        return CatalogError(
            f"{query}: its vector is damaged: 'musicu catalog verify --repair --catalog"
            f" {self._store.path}' mends it"
        )

    def _is_torn(self) -> bool:
        """Whether the file itself is damaged, not only what is stored in it."""
        return any(one.table == "file" for one in list_damage(self._store))

    def _one(self, statement: str, *values: Any) -> Any:
        return self._store.db.execute(statement, values).fetchone()[0]

    def _model_to_embed(self, name: PathLike | None) -> Model:
        """Choose the model asked for, else the catalog's own, else the default."""
        current = self._store.current_model()
        if name is None and current is not None:
            return self._installed(current)
        model = find_model(name)
        check_name(model, [*list_models(), *self._store.models()])
        if self._store.find_model(model) is None:
            Encoder(model)  # proves, before anything is stored, that it gives vectors
        return model

    def _look_up(self, stored: StoredModel) -> Model | None:
        return model_with(stored.sha256)

    def _installed(self, stored: StoredModel) -> Model:
        if model := self._look_up(stored):
            return model
        raise ModelError(
            f"{self._store.path}: embedded with {stored.name}, which is not installed: "
            f"'musicu models add FOLDER' installs it; to embed everything again with another: "
            f"musicu embed --model {find_model().id} --catalog {self._store.path}"
        )

    def _tag_head(self, stored: StoredModel) -> TagHead:
        model = self._installed(stored)
        if model.tags:
            return TagHead.load(model)
        able = next((m.id for m in list_models() if m.tags), None)
        way = "nor has any model here"
        if able:
            way = "to embed everything again with one that has: "
            way += f"musicu embed --model {able} --catalog {self._store.path}"
        raise ModelError(
            f"{self._store.path}: embedded with {stored.name}, which has no tag head; {way}"
        )

    def _among(self, where: str | None) -> NDArray[np.int64] | None:
        """Tracks that fulfil a condition; None without one."""
        return None if where is None else filter_tracks(self._store, where)

    def _refresh_tags(self, where: str | None, *, shown: bool = False) -> None:
        """Tag what has no tags yet, if they are to be shown or a filter names them."""
        current = self._store.current_model()
        named = where is not None and "sound_tags" in where.casefold()
        if current is None or not (named or shown):
            return
        try:
            model = self._look_up(current)
        except ModelError:
            if named:
                raise
            return  # a broken model hinders nobody who only looks at what is stored
        if model and model.tags:
            store_tags(self._store, current, TagHead.load(model))
        elif named and not self._one(
            "SELECT count(*) FROM sound_tags WHERE model = ?", current.row
        ):
            self._tag_head(current)  # says why there are none

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
        if np.shape(vector) != (model.dim,):
            raise ModelMismatchError(
                f"the vector is {list(np.shape(vector))}, not [{model.dim}] of {model.name}"
            )
        try:
            return unit_vector(vector)
        except MusicuError as error:
            raise ModelMismatchError(f"no vector of {model.name}: {error}") from None

    def _query(
        self, query: str, model: StoredModel, index: Index, wanted: PathLike | None
    ) -> tuple[NDArray[np.float32], str, Metadata]:
        """Vector, identity and metadata of a stored track or of a file."""
        path = absolute(query)
        row = self._store.find_file(path)
        if row is None and os.path.exists(path):
            return self._query_file(path, model, wanted)
        if row is None:
            row = self._find_id(query)
        track, id, metadata = row
        if track not in index:
            if self._one(
                "SELECT count(*) FROM vectors WHERE model = ? AND track = ?", model.row, track
            ):
                raise self._is_damaged(query)
            raise ModelMismatchError(
                f"{query}: its vector is not of {model.name}; to embed again what is left: "
                f"musicu embed --catalog {self._store.path}"
            )
        return index[track], id, stored_metadata(metadata)

    def _find_id(self, query: str) -> tuple[int, str, str]:
        wanted = query.lower()
        rows = self._rows_of(wanted) if wanted.isascii() else []
        if not rows and wanted.isascii():
            rows = [row for now in find_alias(self._store, wanted) for row in self._rows_of(now)]
        if len(rows) == 1:
            return rows[0]
        what = "more than one track's id begins so" if rows else "neither a file nor a stored track"
        raise CatalogError(f"{query}: {what}")

    def _rows_of(self, id: str) -> list[tuple[int, str, str]]:
        """Tracks whose ids begin so, the first two of them."""
        return self._store.db.execute(
            "SELECT t.track, t.id, f.metadata FROM tracks t JOIN files f ON f.track = t.track"
            " WHERE length(?1) >= 6 AND substr(t.id, 1, length(?1)) = ?1"
            " GROUP BY t.track LIMIT 2",
            (id,),
        ).fetchall()

    def _query_file(
        self, path: str, model: StoredModel, wanted: PathLike | None
    ) -> tuple[NDArray[np.float32], str, Metadata]:
        """Analyze a file that is not in the catalog, in a worker: it may be broken."""
        # The model asked for has the catalog's weights (see _current_model), wherever it lies.
        found = find_model(wanted) if wanted is not None else self._installed(model)
        settings = WorkerSettings(model=str(found.folder))
        answer = analyze_isolated(path, settings)
        return answer["vector"], answer["id"], Metadata.from_dict(answer["metadata"])


def _salvaged(path: Path, kept: Path) -> str:
    return (
        f"{path}: all rows that can be read are in a new file; the damaged one is {kept};"
        " 'musicu embed' finds again what is missing"
    )
