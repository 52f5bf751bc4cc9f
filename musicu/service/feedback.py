"""What listeners say on the page, appended to a log that ``musicu fit`` reads."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from pathlib import Path
from typing import Final, Literal, get_args

from musicu.errors import MusicuError
from musicu.files import open_file
from musicu.service.errors import Refusal

__all__ = ["COLUMNS", "EVENTS", "Event", "FeedbackLog"]

Event = Literal["played", "completed", "skipped", "liked", "disliked"]
EVENTS: Final[tuple[str, ...]] = get_args(Event)
_DECLARED = ("liked", "disliked", "skipped", "completed")
COLUMNS: Final = ("user", "item", "weight", "time", *_DECLARED)
_PLAYS = frozenset({"played", "completed"})
_MOST_BYTES = 1 << 30
_TICK = 0.001  # seconds between two rows: no two of them say the same of one moment


class FeedbackLog:
    """A CSV file that only grows; for any number of threads.

    Parameters
    ----------
    path : Path
        The file, made if need be.

    Raises
    ------
    MusicuError
        It cannot be written, or is a log of another kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._last = 0.0
        header = f"{','.join(COLUMNS)}\n"
        try:
            if not path.exists() or not path.stat().st_size:
                self._write(header)
            with open_file(path, encoding="utf-8") as file:
                found = str(file.readline())
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise MusicuError(f"{path}: feedback cannot be kept there ({reason})") from None
        if found != header:
            raise MusicuError(f"{path}: no log of feedback: its first line is not {header.strip()}")

    def add(self, user: str, item: str, event: Event) -> None:
        """Append what somebody said of a track, now.

        Parameters
        ----------
        user : str
            Who.
        item : str
            Whole id of the track.
        event : {"played", "completed", "skipped", "liked", "disliked"}

        Raises
        ------
        Refusal
            507: the log is full.
        OSError
            It cannot be written.
        """
        declared = [int(name == event) for name in _DECLARED]
        with self._lock:
            if self.path.stat().st_size > _MOST_BYTES:
                raise Refusal(507, "the log of feedback is full: move it away")
            self._last = max(time.time(), self._last + _TICK)
            line = io.StringIO()
            writer = csv.writer(line, lineterminator="\n")
            writer.writerow([user, item, int(event in _PLAYS), f"{self._last:.3f}", *declared])
            self._write(line.getvalue())

    def _write(self, text: str) -> None:
        # One call, at the end whoever else writes: a line is there whole or not at all.
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)
