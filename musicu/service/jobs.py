"""Work that outlives a request: one job of a kind at a time, each on a thread of its own.

Nothing here takes a path from a client. A scan looks again at the folders that the catalog knows;
a map is drawn of the catalog that is served.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from musicu.catalog.catalog import Catalog
from musicu.catalog.ingest_summary import Progress
from musicu.errors import MusicuError
from musicu.service.errors import Refusal
from musicu.workers.background_job import Canceled, run_job

__all__ = ["JobFunction", "JobProgress", "JobStatus", "Jobs", "catalog_work"]

_KEPT = 50
_CLOSING = 5.0  # seconds that a closing service waits for its jobs
_NICE = 10  # requests come first


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A job at one moment.

    Attributes
    ----------
    id, kind : str
    state : {"waiting", "running", "done", "failed", "canceled"}
    done, total : int >= 0
        How much of how much; 0 of 0 as long as that is not known.
    eta_seconds : float or None
        Seconds it will probably take from now on.
    message : str
        What it is doing, or why it failed, in one line.
    summary : dict or None
        What came of it, once it is done.
    started, ended : str or None
        When, in UTC (ISO 8601).
    """

    id: str
    kind: str
    state: Literal["waiting", "running", "done", "failed", "canceled"] = "waiting"
    done: int = 0
    total: int = 0
    eta_seconds: float | None = None
    message: str = ""
    summary: dict[str, Any] | None = None
    started: str | None = None
    ended: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in ("done", "failed", "canceled")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types; without a summary as long as there is none."""
        told = asdict(self)
        if self.summary is None:
            del told["summary"]
        return told


class JobProgress:
    """What work says while it goes on, and where it learns that it shall stop.

    Parameters
    ----------
    status : JobStatus
        How the job begins.

    Attributes
    ----------
    canceled : threading.Event
        Set when it shall stop.
    """

    def __init__(self, status: JobStatus) -> None:
        self.status = status  # replaced as a whole: readers need no lock
        self._begun = time.monotonic()
        self.canceled = threading.Event()

    def __call__(
        self, done: int, total: int, message: str = "", *, share: float | None = None
    ) -> None:
        """Say how far the work is.

        Parameters
        ----------
        done, total : int >= 0
        message : str
            One line; "" leaves the one before.
        share : float in [0, 1] or None
            How much of the time that is, where it is not ``done / total``.

        Raises
        ------
        Canceled
            Somebody wants it to stop.
        """
        self.check()
        part = share if share is not None else done / total if total else 0.0
        gone = time.monotonic() - self._begun
        self.change(
            done=done,
            total=total,
            message=message or self.status.message,
            eta_seconds=round(gone * (1 - part) / part, 1) if part > 0 else None,
        )

    def check(self) -> None:
        """Raise :class:`musicu.workers.job.Canceled` if the work shall stop."""
        if self.canceled.is_set():
            raise Canceled("canceled")

    def cancel(self) -> None:
        """Have the work stop as soon as it can."""
        self.canceled.set()

    def change(self, **fields: Any) -> None:
        """Replace the status by one with other fields."""
        self.status = replace(self.status, **fields)


JobFunction = Callable[[JobProgress], "dict[str, Any] | None"]


class Jobs:
    """Jobs of a few kinds, of each kind one at a time.

    Parameters
    ----------
    kinds : mapping of str to callable
        What each kind does: called with a :class:`JobProgress` on a thread of the job's own,
        returns the job's summary.

    Attributes
    ----------
    listeners : int
        How many clients follow a job; counted by those who serve them.
    """

    def __init__(self, kinds: Mapping[str, JobFunction]) -> None:
        self.listeners = 0
        self._kinds = dict(kinds)
        self._lock = threading.Lock()
        self._reports: dict[str, JobProgress] = {}
        self._threads: list[threading.Thread] = []

    def start(self, kind: str) -> JobStatus:
        """Start a job.

        Raises
        ------
        Refusal
            There is no such kind, or such a job is running; the refusal carries its ``id``.
        """
        if kind not in self._kinds:
            raise Refusal(422, f"no jobs of kind {kind!r}: there are {', '.join(self._kinds)}")
        with self._lock:
            running = self._last(kind)
            if running and not running.over:
                raise Refusal(409, f"a {kind} is running already", id=running.id)
            report = JobProgress(JobStatus(id=uuid.uuid4().hex[:12], kind=kind))
            self._reports[report.status.id] = report
            for old in list(self._reports)[:-_KEPT]:
                if self._reports[old].status.over:
                    del self._reports[old]
            thread = threading.Thread(
                target=_work, args=(self._kinds[kind], report), name=f"musicu-{kind}", daemon=True
            )
            self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]
            # Started under the lock, so that close() never meets a thread that is not.
            thread.start()
            return report.status

    def all(self) -> list[JobStatus]:
        """Return the last 50 jobs, the newest first."""
        with self._lock:
            return [report.status for report in reversed(self._reports.values())]

    def get(self, id: str) -> JobStatus:
        """Return a job.

        Raises
        ------
        Refusal
            There is no such job, or it was long ago.
        """
        return self._report(id).status

    def last(self, kind: str) -> JobStatus | None:
        """Return the newest job of a kind, if there was one."""
        with self._lock:
            return self._last(kind)

    def cancel(self, id: str) -> JobStatus:
        """Have a job stop; one that is over stays what it is.

        Raises
        ------
        Refusal
            There is no such job.
        """
        report = self._report(id)
        report.cancel()
        return report.status

    def close(self) -> None:
        """Cancel what is running, and wait a little for it to end."""
        with self._lock:
            reports, threads = list(self._reports.values()), self._threads
        for report in reports:
            report.cancel()
        until = time.monotonic() + _CLOSING
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _last(self, kind: str) -> JobStatus | None:
        statuses = (report.status for report in reversed(self._reports.values()))
        return next((status for status in statuses if status.kind == kind), None)

    def _report(self, id: str) -> JobProgress:
        with self._lock:
            if id in self._reports:
                return self._reports[id]
        raise Refusal(404, "there is no such job; the last 50 are kept")


def _work(work: JobFunction, report: JobProgress) -> None:
    """Do the work of a job, and say what became of it."""
    report.change(state="running", started=_now())
    over: dict[str, Any] = {"state": "failed", "message": "a fault of ours; the log says more"}
    try:
        report.check()
        over = {"state": "done", "summary": work(report)}
    except Canceled:
        over = {"state": "canceled"}
    except (MusicuError, sqlite3.Error) as error:
        over = {"state": "failed", "message": str(error)}
    except OSError as error:  # its text would name a path
        over = {"state": "failed", "message": error.strerror or type(error).__name__}
    finally:  # whatever it is: no job runs for ever that does not run
        report.change(ended=_now(), eta_seconds=None, **over)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def catalog_work(
    catalog: Path, refresh: Callable[[], object], model: Callable[[], str] | None = None
) -> dict[str, JobFunction]:
    """Return what can be done with a catalog: look for new files, and draw its map.

    Parameters
    ----------
    catalog : Path
        The catalog's file.
    refresh : callable
        Called when a scan has ended, in whatever way: what it stored can be found from then on.
    model : callable or None
        Returns the SHA-256 of the model whose map is drawn; None is the one last embedded with.
    """

    def scan(report: JobProgress) -> dict[str, Any]:
        try:
            return _scan(catalog, report)
        finally:
            refresh()

    def draw(report: JobProgress) -> None:
        run_job(
            "musicu.search.map",
            *(str(catalog), *([model()] if model else [])),
            progress=lambda message, done, total: report(done, total, message),
            cancel=report.canceled,
        )

    return {"scan": _without_folder(scan, catalog), "map": _without_folder(draw, catalog)}


def _without_folder(work: JobFunction, catalog: Path) -> JobFunction:
    """Have errors of some work name the catalog, but not where it lies."""

    def run(report: JobProgress) -> dict[str, Any] | None:
        try:
            return work(report)
        except Canceled:
            raise
        except MusicuError as error:
            folder = f"{catalog.absolute().parent}{os.sep}"
            raise MusicuError(str(error).replace(folder, "")) from None

    return run


def _scan(path: Path, report: JobProgress) -> dict[str, Any]:
    def tell(progress: Progress) -> None:
        report(
            progress.files,
            progress.total_files,
            f"{progress.files:,} of {progress.total_files:,} files",
            share=progress.bytes / progress.total_bytes if progress.total_bytes else None,
        )

    report(0, 0, "looking for new and changed files")
    with Catalog(path, create=False) as catalog:
        info = catalog.info()
        if not info.folders:
            raise MusicuError("the catalog has no folder yet: 'musicu embed FOLDER' adds one")
        for folder in info.folders:
            if not os.path.isdir(folder):  # its tracks are not gone: a disk is not mounted
                raise MusicuError(f"{os.path.basename(folder)}: the folder is not there")
        # Each file is stored as it comes: one that is not finished when a scan is canceled is
        # found again by the next.
        summary = catalog.add_folder(
            jobs=max(1, (os.cpu_count() or 1) - 1),
            describe=2 * info.described > info.tracks,
            nice=_NICE,
            progress=tell,
        )
    counts = asdict(summary)
    del counts["interrupted"], counts["unmatched"], counts["unsettled"]
    return counts
