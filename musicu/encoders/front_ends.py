"""What lies between samples and a network: the table of front ends.

A model's ``config.json`` names one by ``front_end.type``; without it, it is log-mel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from musicu.audio.mel import LogMel
from musicu.errors import ModelError

__all__ = ["FRONT_ENDS", "FrontEnd", "FrontEndStream", "RawWaveform", "read_front_end"]

Array = NDArray[np.float32]

_RATES = range(1000, 384_001)
_LONGEST = 600  # seconds of a window


class FrontEndStream(Protocol):
    """Turns blocks of mono samples into frames, the same ones whatever the blocks' sizes."""

    def push(self, y: Array) -> Array:
        """Take samples [n]; return the frames [t, ...] they complete."""
        ...

    def finish(self) -> Array:
        """Return the last frames [t, ...]."""
        ...


class FrontEnd(Protocol):
    """Settings of a front end, and what it does: a frozen dataclass of plain values."""

    @property
    def sr(self) -> int:
        """Sample rate (Hz)."""
        ...

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        ...

    @property
    def window(self) -> int:
        """Length of the network's input (frames)."""
        ...

    @property
    def window_hop(self) -> int:
        """Step from window to window (frames)."""
        ...

    @property
    def window_seconds(self) -> float:
        """Length of a window (s)."""
        ...

    @property
    def power(self) -> float:
        """Exponent of the amplitude that :meth:`levels` is proportional to."""
        ...

    @property
    def size(self) -> int:
        """Numbers in its largest array."""
        ...

    def overlapping(self) -> Self:
        """Return the front end with windows that overlap by half."""
        ...

    def stream(self) -> FrontEndStream:
        """Return what turns blocks of samples into frames."""
        ...

    def prepare(self, windows: Array) -> Array:
        """Return the network's input for windows [n, window, ...]."""
        ...

    def levels(self, windows: Array) -> Array:
        """Return the level [n] of windows [n, window, ...], to tell silent ones."""
        ...

    def noise(self) -> Array:
        """Return two windows that a network must tell apart."""
        ...


@dataclass(frozen=True, kw_only=True)
class RawWaveform:
    """No front end: the network takes samples, and has its own inside the graph.

    Attributes
    ----------
    sr : int in [1000, 384000]
        Sample rate (Hz).
    window, window_hop : int >= 1
        Length and step of the network's input (samples). A recording shorter than one window is
        repeated to fill it.
    """

    sr: int
    window: int
    window_hop: int

    hop_length = 1
    power = 2.0

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> RawWaveform:
        """Build from ``sr`` (Hz), ``window_seconds`` and ``hop_seconds`` (default: the window).

        Raises
        ------
        ModelError
            A setting is missing, unknown or out of range.
        """
        if unknown := sorted(settings.keys() - {"sr", "window_seconds", "hop_seconds"}):
            raise ModelError(f"front end: unknown settings {', '.join(unknown)}")
        for name in ("sr", "window_seconds"):
            if name not in settings:
                raise ModelError(f"front end: the setting {name!r} is missing")
        sr = settings["sr"]
        if isinstance(sr, bool) or not isinstance(sr, int) or sr not in _RATES:
            raise ModelError(f"front end: sr must be a whole number in [1000, 384000], not {sr!r}")
        window = _samples("window_seconds", settings["window_seconds"], sr)
        hop = _samples("hop_seconds", settings.get("hop_seconds", settings["window_seconds"]), sr)
        return cls(sr=sr, window=window, window_hop=hop)

    @property
    def window_seconds(self) -> float:
        """Length of a window (s)."""
        return self.window / self.sr

    @property
    def size(self) -> int:
        """Samples in a window."""
        return self.window

    def overlapping(self) -> RawWaveform:
        """Return settings whose windows overlap by half."""
        return replace(self, window_hop=max(self.window // 2, 1))

    def stream(self) -> FrontEndStream:
        """Return what hands samples on as they are."""
        return _Samples()

    def prepare(self, windows: Array) -> Array:
        """Return windows [n, window] as they are."""
        return windows

    def levels(self, windows: Array) -> Array:
        """Return the mean square of each window [n, window]."""
        levels: Array = np.square(windows).mean(axis=1)
        return levels

    def noise(self) -> Array:
        """Return white noise and a low, quieter rumble: [2, window]."""
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, self.window)).astype(np.float32)
        noise[1] = np.convolve(noise[1], np.full(64, 1 / 64, dtype=np.float32))[: self.window]
        return noise


class _Samples:
    def push(self, y: Array) -> Array:
        return np.asarray(y, dtype=np.float32)

    def finish(self) -> Array:
        return np.empty(0, dtype=np.float32)


def _samples(name: str, seconds: Any, sr: int) -> int:
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 1 / sr <= seconds <= _LONGEST
    ):
        raise ModelError(
            f"front end: {name} must be a number from one sample to {_LONGEST} s, not {seconds!r}"
        )
    return round(seconds * sr)


# By the name that a model's config gives: what builds a front end of its settings. Add one here.
FRONT_ENDS: dict[str, Callable[[dict[str, Any]], FrontEnd]] = {
    "log-mel": LogMel.from_dict,
    "waveform": RawWaveform.from_dict,
}


def read_front_end(settings: Any) -> FrontEnd:
    """Build the front end that a model's config describes.

    Parameters
    ----------
    settings : dict
        ``type``, a name in :data:`FRONT_ENDS` (default "log-mel"), and its settings.

    Raises
    ------
    ModelError
        There is no such front end, or a setting is wrong.
    """
    if not isinstance(settings, dict):
        raise ModelError(f"front end: must be an object of settings, not {settings!r}")
    kind = settings.get("type", "log-mel")
    if not isinstance(kind, str) or kind not in FRONT_ENDS:
        raise ModelError(f"front end: no type {kind!r}; there are {', '.join(FRONT_ENDS)}")
    return FRONT_ENDS[kind]({name: value for name, value in settings.items() if name != "type"})
