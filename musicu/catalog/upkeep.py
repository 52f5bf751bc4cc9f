"""What is done with a catalog apart from asking it: counts, problems, checks, repair."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from musicu.catalog.ingest import forget
from musicu.catalog.ingest_summary import Progress
from musicu.catalog.integrity import check_integrity
from musicu.catalog.lookup import is_stored
from musicu.catalog.repair import Repair, repair_catalog
from musicu.catalog.salvage import salvage_if_unreadable
from musicu.catalog.stats import CatalogInfo, Problem, catalog_info, list_problems
from musicu.catalog.store import Store, catalog_path
from musicu.catalog.track_ids import list_aliases

__all__ = ["Upkeep"]

PathLike = str | os.PathLike[str]


class Upkeep:
    """The part of :class:`musicu.Catalog` that looks after its file.

    Attributes
    ----------
    store : Store
        The file.
    """

    store: Store
    _damaged: int  # vectors that the last question left out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def __repr__(self) -> str:
        return f"Catalog({str(self.store.path)!r})"

    def __len__(self) -> int:
        (count,) = self.store.db.execute("SELECT count(*) FROM library").fetchone()
        return int(count)

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and is_stored(self.store, id)

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

    def forget(self, path: PathLike, *, dry_run: bool = False) -> int:
        """Remove a file, or all under a folder, from the catalog; the disk is not touched.

        See :func:`musicu.catalog.ingest.forget`.
        """
        return forget(self.store, path, dry_run=dry_run)

    def verify(self) -> list[str]:
        """Tell what is not as it was stored: :func:`musicu.catalog.integrity.check_integrity`."""
        return check_integrity(self.store)

    @staticmethod
    def salvage(path: PathLike | None = None) -> str | None:
        """Copy what can be read of a catalog to a new file, if SQLite cannot open it any more.

        See :func:`musicu.catalog.salvage.salvage_if_unreadable`.
        """
        return salvage_if_unreadable(catalog_path(path).absolute())

    def damaged(self) -> list[str]:
        """Name the tracks that the last question left out, each with what mends it."""
        return check_integrity(self.store) if self._damaged else []

    def repair(
        self, *, jobs: int | None = None, progress: Callable[[Progress], None] | None = None
    ) -> Repair:
        """Mend what :meth:`verify` finds, and nothing else.

        Returns what was mended and what was not, with reasons; `jobs` and `progress` are those of
        :meth:`add_folder`. Raises `CatalogError` if the catalog can only be read, or nothing of it
        can. See :func:`musicu.catalog.repair.repair_catalog`.
        """
        self.store, done = repair_catalog(
            self.store, jobs=jobs or os.cpu_count() or 1, progress=progress
        )
        return done
