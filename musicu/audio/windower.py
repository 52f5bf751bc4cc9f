"""Windows of fixed length, cut from a stream of frames or samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Windower"]

Array = NDArray[np.float32]


class _Windows(Protocol):
    """How long windows are: ``window`` and ``window_hop`` in frames of ``hop_length`` samples."""

    @property
    def sr(self) -> int: ...
    @property
    def hop_length(self) -> int: ...
    @property
    def window(self) -> int: ...
    @property
    def window_hop(self) -> int: ...


class Windower:
    """Cut a stream of frames into the encoder's windows.

    A track shorter than one window is repeated to fill it. What is left at the end of a longer one
    is covered by a window aligned with the end if it is at least half a window long, and dropped
    otherwise.

    Parameters
    ----------
    front_end : FrontEnd
        The settings.
    """

    def __init__(self, front_end: _Windows) -> None:
        self.front_end = front_end
        self._frames: Array | None = None  # as long as there is none, its shape is not known
        self._start = 0  # number of the first frame kept
        self._next = 0  # number of the frame at which the next window starts

    def push(self, frames: Array) -> Iterator[tuple[float, Array]]:
        """Take frames [t, ...]; yield (start in seconds, window [window, ...])."""
        fe = self.front_end
        if self._frames is not None:
            frames = np.concatenate([self._frames, frames])
        self._frames = frames
        while self._next + fe.window <= self._start + len(self._frames):
            at = self._next - self._start
            yield self._seconds(self._next), self._frames[at : at + fe.window]
            self._next += fe.window_hop
        # The last whole window stays, for a window aligned with the end may need its frames.
        keep = min(self._next - self._start, len(self._frames) - fe.window)
        if keep > 0:
            self._frames = self._frames[keep:]
            self._start += keep

    def finish(self) -> Iterator[tuple[float, Array]]:
        """Yield what the end of the track adds: at most one window."""
        fe = self.front_end
        if self._frames is None:
            return
        end = self._start + len(self._frames)
        if 0 < end < fe.window:
            repeats = -(-fe.window // end)
            yield 0.0, np.concatenate([self._frames] * repeats)[: fe.window]
        elif self._next and end - (self._next - fe.window_hop + fe.window) >= fe.window / 2:
            yield self._seconds(end - fe.window), self._frames[-fe.window :]

    def _seconds(self, frame: int) -> float:
        return frame * self.front_end.hop_length / self.front_end.sr
