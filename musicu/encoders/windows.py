"""A file embedded window by window: what passages are compared by.

A catalog keeps one vector a track. To say *where* two tracks are alike, both files are embedded
again, in windows that overlap by half: a passage is then found to within a second or so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.audio.decode import AudioStream
from musicu.encoders.encoder import SILENCE, Embedder, Encoder
from musicu.encoders.model import Model
from musicu.errors import AudioError

__all__ = ["LEVEL_STEP", "WindowEmbeddings", "embed_file_windows", "overlapping"]

LEVEL_STEP = 0.25  # seconds
_QUIET = 1e-3  # a window 60 dB below the loudest one says nothing, as in a track's vector


@dataclass(frozen=True, eq=False)
class WindowEmbeddings:
    """A file, window by window.

    Attributes
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors; a row of zeros is a window next to silence.
    times : np.ndarray [shape=(n,), float64]
        Start of each window (s, to the millisecond), evenly spaced.
    window : float
        Length of a window (s).
    levels : np.ndarray [shape=(m,), float32]
        RMS of each :data:`LEVEL_STEP` of the mono mix (full scale = 1).
    """

    vectors: NDArray[np.float32]
    times: NDArray[np.float64]
    window: float
    levels: NDArray[np.float32]

    @property
    def active(self) -> float:
        """Share of the time that is not silent, in [0, 1]: within 60 dB of the loudest moment."""
        loudest = float(self.levels.max(initial=0.0))
        return float((self.levels > _QUIET * loudest).mean()) if loudest else 0.0

    def envelope(self, points: int = 160) -> tuple[float, ...]:
        """Return how loud it is as it goes on: the loudest level of each of some equal stretches.

        Relative to the loudest of all, so in [0, 1].
        """
        stretches = np.array_split(self.levels, min(points, len(self.levels)) or 1)
        peaks = np.array([part.max(initial=0.0) for part in stretches], dtype=np.float64)
        return tuple((peaks / max(peaks.max(), 1e-9)).round(3).tolist())


def overlapping(model: Model) -> Model:
    """Return a model whose windows overlap by half."""
    return replace(model, front_end=model.front_end.overlapping())


def embed_file_windows(path: str | os.PathLike[str], encoder: Encoder) -> WindowEmbeddings:
    """Decode a file and embed its windows.

    Parameters
    ----------
    path : str or path-like
        The file.
    encoder : Encoder
        Best one whose windows overlap (:func:`overlapping`).

    Raises
    ------
    AudioError
        Nothing can be read, or all is silence.
    """
    fe = encoder.model.front_end
    embedder = Embedder(encoder)
    step = round(LEVEL_STEP * fe.sr)
    powers: list[NDArray[np.float64]] = []
    rest = np.empty(0, dtype=np.float32)
    stream = AudioStream(path, sr=fe.sr)
    for block in stream:
        embedder.push(block)
        rest = np.concatenate([rest, block])
        whole = len(rest) // step * step
        powers.append(np.mean(rest[:whole].reshape(-1, step).astype(np.float64) ** 2, axis=1))
        rest = rest[whole:]
    if stream.peak < SILENCE:
        raise AudioError(stream.path, "silence: nothing to embed")
    if len(rest):
        powers.append(np.mean(rest.astype(np.float64) ** 2, keepdims=True))
    embedder.finish()
    levels = np.sqrt(np.concatenate(powers)).astype(np.float32)
    # A window aligned with the end is off the grid that passages are looked for on.
    seconds = fe.hop_length / fe.sr
    times = np.array(embedder.times)
    on_grid = np.isclose(times, np.arange(len(times)) * fe.window_hop * seconds)
    vectors, times = embedder.windows[on_grid], times[on_grid]
    window = fe.window * seconds
    loud = [
        float(levels[int(t / LEVEL_STEP) : int((t + window) / LEVEL_STEP) + 1].max(initial=0.0))
        for t in times
    ]
    kept = np.array(loud) > _QUIET * levels.max()
    unit = np.where(kept[:, None], unit_rows(vectors), 0.0).astype(np.float32)
    return WindowEmbeddings(unit, times.round(3), window, levels)
