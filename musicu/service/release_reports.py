"""Release reports for uploads, each made by a process of its own.

There it neither holds up requests nor outlives its deadline.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import Any

from musicu.errors import AudioError
from musicu.service.errors import Late, Refusal
from musicu.service.queues import WorkQueue
from musicu.service.release_worker import MENDABLE, NO_AUDIO
from musicu.service.settings import Settings
from musicu.workers.background_job import Canceled, JobError, Overdue, run_job

__all__ = ["ReleaseReporter", "RenderedReport"]

_log = logging.getLogger(__name__)

_DEADLINE = 120.0  # seconds
_WAITING = 4


@dataclass(frozen=True)
class RenderedReport:
    """A report: as JSON types, and as one page of HTML without players."""

    report: dict[str, Any]
    page: str


class ReleaseReporter:
    """Makes one report at a time.

    Parameters
    ----------
    settings : Settings
        Its ``catalog``, ``recommender`` and ``decode_seconds``.
    deadline : float > 0
        Seconds a report may take, waiting included.

    Attributes
    ----------
    queue : WorkQueue
        Requests for reports.
    """

    def __init__(self, settings: Settings, *, deadline: float = _DEADLINE) -> None:
        self.queue = WorkQueue("reports", 1, _WAITING, deadline)
        self._settings = settings
        self._deadline = deadline
        self._cancel = threading.Event()  # of the job that runs
        self._lock = threading.Lock()
        self._over = False

    async def make(
        self, path: str, name: str, n: int = 10, *, include_non_music: bool = False
    ) -> RenderedReport:
        """Report on a file.

        Parameters
        ----------
        path : str
            The file.
        name : str
            What its owner calls it.
        n : int >= 0
            Catalog tracks to name.
        include_non_music : bool
            Also what is heard to be no music.

        Raises
        ------
        Busy
            Too many are waiting.
        Late
            The deadline is over.
        AudioError
            The file cannot be used.
        Refusal
            The catalog cannot be.
        """
        return await self.queue.run(
            lambda place: self._make(path, name, n, include_non_music),
            give_up=lambda place: self._end(),
        )

    async def close(self) -> None:
        """End the process that is at work, and take nothing more."""
        with self._lock:
            self._over = True
        self._end()
        await self.queue.close()

    def _end(self) -> None:
        self._cancel.set()

    def _make(self, path: str, name: str, n: int, include_non_music: bool) -> RenderedReport:
        told = [str(self._settings.catalog), path, name.replace("\0", "") or "upload", str(n)]
        told += [str(self._settings.decode_seconds), "all" if include_non_music else "music"]
        if self._settings.recommender:
            told.append(str(self._settings.recommender))
        with self._lock:
            if self._over:
                raise Refusal(503, "the service is closing")
            self._cancel = cancel = threading.Event()
        try:
            made = run_job(
                "musicu.service.release_worker", *told, cancel=cancel, deadline=self._deadline
            )
        except Overdue:
            raise Late from None
        except Canceled:
            raise Refusal(503, "the report was given up") from None
        except JobError as error:
            if error.status == NO_AUDIO:
                raise AudioError(name, str(error)) from None
            if error.status == MENDABLE:
                raise Refusal(503, f"no report can be made: {error}") from None
            _log.error("the process that makes reports failed (%s): %s", error.status, error)
            raise Refusal(
                503, "the process that makes reports ended early; the log says more"
            ) from None
        return RenderedReport(made["report"], made["page"])
