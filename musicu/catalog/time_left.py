"""How long a run will go on: by the seconds of music that are left, and how fast they go by."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

__all__ = ["TimeLeft"]

# Bytes a second of music, until a run has seen some of it: CD audio, usual rates of the others.
_USUAL = {
    **dict.fromkeys((".wav", ".aif", ".aiff"), 176_400.0),
    **dict.fromkeys((".flac", ".ape", ".wv", ".tta"), 110_000.0),
    ".mp3": 28_000.0,
    **dict.fromkeys((".m4a", ".mp4", ".aac", ".wma"), 28_000.0),
    **dict.fromkeys((".ogg", ".oga", ".opus"), 18_000.0),
}
_ELSE = 30_000.0
_WEIGHT = 60.0  # seconds of music that the usual rate counts for beside those that were decoded
_LOOKS_BACK = 300.0  # seconds: the speed is that of the last five minutes


class _Moment(NamedTuple):
    time: float
    done: float


class TimeLeft:
    """Estimate how long a run over files goes on, from what it has decoded so far.

    A file's length is not known before it is decoded. It is estimated from its size, by the bytes
    a second that files of its kind have had in this run: an hour of FLAC is ten times the bytes of
    an hour of Opus and takes about as long. Files that need not be decoded after all go by faster,
    which the speed shows.

    Parameters
    ----------
    files : iterable of (str, int)
        Paths and sizes in bytes of what there is to do.
    clock : callable
        Seconds, from any beginning.
    """

    def __init__(
        self, files: Iterable[tuple[str, int]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._waiting: Counter[str] = Counter()  # bytes by kind
        self._bytes: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._done = 0.0
        for path, size in files:
            self.add(path, size)
        self._moments = deque([_Moment(clock(), 0.0)])

    def add(self, path: str, size: int) -> None:
        """Take one more file into account."""
        self._waiting[_kind(path)] += size

    def step(self, path: str, size: int, seconds: float | None = None) -> None:
        """Note that a file is done.

        Parameters
        ----------
        path, size
            The file.
        seconds : float >= 0 or None
            Its length, if it was decoded.
        """
        kind = _kind(path)
        self._waiting[kind] -= size
        if seconds is not None:
            self._bytes[kind] += size
            self._seconds[kind] = self._seconds.get(kind, 0.0) + seconds
        self._done += self._length(kind, size) if seconds is None else seconds
        now = self._clock()
        self._moments.append(_Moment(now, self._done))
        while len(self._moments) > 2 and self._moments[1].time < now - _LOOKS_BACK:
            self._moments.popleft()

    @property
    def done(self) -> float:
        """Seconds of music that are done; of files that were not decoded, as estimated."""
        return self._done

    @property
    def total(self) -> float:
        """Seconds of music in all, as far as can be told."""
        return self._done + sum(self._length(kind, size) for kind, size in self._waiting.items())

    @property
    def left(self) -> float | None:
        """Seconds that the run will go on; None before the first file is done."""
        first, last = self._moments[0], self._moments[-1]
        if last.done <= first.done or last.time <= first.time:
            return None
        speed = (last.done - first.done) / (last.time - first.time)
        return (self.total - self._done) / speed

    def _length(self, kind: str, size: int) -> float:
        usual = _USUAL.get(kind, _ELSE)
        rate = (usual * _WEIGHT + self._bytes[kind]) / (_WEIGHT + self._seconds.get(kind, 0.0))
        return size / rate if rate else 0.0


def _kind(path: str) -> str:
    return os.path.splitext(path)[1].lower()
