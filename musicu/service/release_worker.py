"""The process that makes one release report.

``python -m musicu.service.release_worker CATALOG FILE NAME N SECONDS AMONG [RECOMMENDER]`` is a job
(see :func:`musicu.workers.background_job.run_job`) whose result is the report and its page. AMONG
is ``music``, or ``all`` for neighbors that are none, too.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from musicu.catalog.catalog import Catalog
from musicu.errors import AudioError, MusicuError
from musicu.recommend.recommender import Recommender
from musicu.release.neighbors import Duplicate, Neighbor
from musicu.release.report import release_report
from musicu.release.results import ReleaseReport
from musicu.reports.release_page import render_page
from musicu.workers.background_job import serve_job

__all__ = ["MENDABLE", "NO_AUDIO", "main", "without_paths"]

NO_AUDIO, MENDABLE = 3, 4  # exit status: the file cannot be used; something else can be mended
_NOTHING = "; no file could be used"

Found = TypeVar("Found", Neighbor, Duplicate)


def without_paths(report: ReleaseReport, name: str) -> ReleaseReport:
    """Return a report without paths of this machine.

    Parameters
    ----------
    report : ReleaseReport
        On one file.
    name : str
        What the file is called instead.
    """
    catalog = os.path.basename(report.catalog)
    return replace(
        report,
        catalog=catalog,
        releases=tuple(
            replace(
                release,
                path=name,
                neighbors=tuple(map(_named, release.neighbors)),
                doubles=tuple(map(_named, release.doubles)),
            )
            for release in report.releases
        ),
        notes=tuple(note.replace(report.catalog, catalog) for note in report.notes),
    )


def _named(found: Found) -> Found:
    return replace(found, path=os.path.basename(found.path))


def main() -> None:
    """Make the report that the arguments ask for."""
    serve_job(lambda progress: _report(*sys.argv[1:]))


def _report(
    catalog: str, path: str, name: str, n: str, seconds: str, among: str, *more: str
) -> dict[str, Any]:
    try:
        with Catalog(catalog, create=False) as opened:
            make = partial(
                release_report,
                opened,
                [path],
                n=int(n),
                include_non_music=among == "all",
                recommender=(Recommender.load(more[0], aliases=opened.aliases()) if more else None),
                jobs=1,
                timeout=float(seconds),
            )
            report = _made(make)
    except AudioError as error:
        sys.stderr.write(f"{error.reason.removesuffix(_NOTHING)}\n")
        sys.exit(NO_AUDIO if error.cause in ("file", "memory") else MENDABLE)
    except MusicuError as error:
        sys.stderr.write(f"{str(error).replace(str(Path(catalog).parent) + os.sep, '')}\n")
        sys.exit(MENDABLE)
    told = without_paths(report, name)
    return {"report": told.to_dict(), "page": render_page(told)}


def _made(make: Callable[[], ReleaseReport]) -> ReleaseReport:
    """Make a report; once more if the file ran out of time, which others may have taken from it."""
    try:
        return make()
    except AudioError as error:
        if error.cause != "time":
            raise
        note = f"The file {error.reason.removesuffix(_NOTHING)} at first; it was heard again."
    report = make()
    return replace(report, notes=(*report.notes, note))


if __name__ == "__main__":
    main()
