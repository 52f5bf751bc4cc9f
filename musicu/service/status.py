"""How far a job is: what its work says while it goes on, and where it learns that it shall stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from musicu.workers.background_job import Canceled

__all__ = ["Report", "Status", "Work"]


@dataclass(frozen=True, kw_only=True)
class Status:
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
    state: str = "waiting"
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


class Report:
    """What work says while it goes on, and where it learns that it shall stop.

    Parameters
    ----------
    status : Status
        How the job begins.

    Attributes
    ----------
    canceled : threading.Event
        Set when it shall stop.
    """

    def __init__(self, status: Status) -> None:
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
        """Raise :class:`musicu.workers.background_job.Canceled` if the work shall stop."""
        if self.canceled.is_set():
            raise Canceled("canceled")

    def cancel(self) -> None:
        """Have the work stop as soon as it can."""
        self.canceled.set()

    def change(self, **fields: Any) -> None:
        """Replace the status by one with other fields."""
        self.status = replace(self.status, **fields)


Work = Callable[[Report], "dict[str, Any] | None"]
