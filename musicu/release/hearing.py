"""Hear files window by window, in worker processes: what passages are compared by.

A catalog keeps one vector a track. To say *where* two tracks are alike, both files are heard again,
in windows that overlap by half: a passage then starts within a second or so of where it does.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.decode import AudioStream
from musicu.encoder import SILENCE, Embedder, Encoder
from musicu.errors import AudioError
from musicu.model import Model, find_model
from musicu.pool import Pool, WorkerSettings
from musicu.worker import serve

__all__ = ["HEARER", "LEVEL_STEP", "Hearing", "hear", "hear_windows", "main", "overlapping"]

# How :class:`musicu.pool.Worker` starts a process that answers with windows.
HEARER = [sys.executable, "-P", "-m", "musicu.release.hearing"]
LEVEL_STEP = 0.25  # seconds
_QUIET = 1e-3  # a window 60 dB below the loudest one says nothing, as in a track's vector


@dataclass(frozen=True, eq=False)
class Hearing:
    """A file, window by window.

    Attributes
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors; a row of zeros is a window next to silence.
    times : np.ndarray [shape=(n,), float64]
        Start of each window (s), evenly spaced.
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
    fe = model.front_end
    return replace(model, front_end=replace(fe, window_hop=max(fe.window // 2, 1)))


def hear_windows(path: str | os.PathLike[str], encoder: Encoder) -> Hearing:
    """Hear a file in this process.

    Parameters
    ----------
    path : str or path-like
        The file.
    encoder : Encoder
        What hears it, best one whose windows overlap (:func:`overlapping`).

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
    return Hearing(unit, times, window, levels)


def hear(
    paths: Collection[str],
    model: Model,
    *,
    jobs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Hearing]:
    """Hear files in worker processes; those that cannot be heard are not in the answer.

    Parameters
    ----------
    paths : collection of str
        The files, each once.
    model : Model
        What hears them.
    jobs : int >= 1
        Worker processes.
    progress : callable or None
        Called with each path when it is done.
    """
    heard: dict[str, Hearing] = {}
    if not paths:
        return heard
    settings = WorkerSettings(model=str(model.folder))
    with Pool(settings, min(jobs, len(paths)), HEARER) as pool:
        for path, answer in pool.run(paths, lambda worker, path: worker.analyze(path)):
            if "error" not in answer:
                heard[path] = _unpack(answer)
            if progress:
                progress(path)
    return heard


def main() -> None:
    """Serve :class:`musicu.pool.Worker` with windows."""
    serve(_hearer)


def _hearer(settings: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    encoder = Encoder(overlapping(find_model(settings["model"])))
    return lambda request: _answer(request["path"], encoder)


def _answer(path: str, encoder: Encoder) -> dict[str, Any]:
    heard = hear_windows(path, encoder)
    # One field of bytes, which Worker.analyze() turns into numbers: windows, times, levels.
    parts = (heard.vectors, heard.times.astype(np.float32), heard.levels)
    flat = np.concatenate([part.ravel() for part in parts])
    return {
        "vector": base64.b64encode(flat.astype(np.float32).tobytes()).decode(),
        "shape": heard.vectors.shape,
        "window": heard.window,
    }


def _unpack(answer: dict[str, Any]) -> Hearing:
    n, dim = answer["shape"]
    vectors, times, levels = np.split(answer["vector"], [n * dim, n * dim + n])
    return Hearing(
        vectors.reshape(n, dim), times.astype(np.float64).round(3), answer["window"], levels
    )


if __name__ == "__main__":
    main()
