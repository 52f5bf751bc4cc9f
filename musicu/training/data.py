"""What was heard, cached on disk: mel frames of each clip, and each teacher's answers.

A teacher costs far more than the student, so it hears each version of a clip once. A version is
known by the audio it was made of, and each teacher has a folder of its own: clips and teachers are
added without asking again for what is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicu.audio.decode import LARGEST, load
from musicu.audio.mel import LogMel, mel_spectrogram
from musicu.encoders.encoder import SILENCE
from musicu.errors import AudioError, ModelError
from musicu.files import written_file
from musicu.training.augment import alter, mix, transpose
from musicu.training.teachers import Teacher
from musicu.training.views import View

__all__ = ["Cache", "Material", "window_starts"]

# Power under which a mel value is stored as this: -120 dB, below 16-bit noise.
_FLOOR = 1e-12
# Waveforms are altered at one rate, whoever listens: another teacher hears the same versions.
_ALTERED_SR = 32000


def window_starts(frames: int, front_end: LogMel, hop: int) -> NDArray[np.int64]:
    """First frames of a clip's windows, as :class:`musicu.audio.windower.Windower` cuts them."""
    starts = list(range(0, frames - front_end.window + 1, hop))
    if not starts:
        return np.zeros(1, dtype=np.int64)
    if frames - (starts[-1] + front_end.window) >= front_end.window / 2:
        starts.append(frames - front_end.window)
    return np.array(starts, dtype=np.int64)


class Cache:
    """What the student hears and what the teachers say of it.

    Parameters
    ----------
    folder : Path
        Where it lies; made if need be.
    front_end : LogMel
        What the student hears.
    teachers : sequence of Teacher
        Whom to ask.
    """

    def __init__(self, folder: Path, front_end: LogMel, teachers: Sequence[Teacher]) -> None:
        self.front_end = front_end
        self.teachers = teachers
        heard = asdict(front_end)
        del heard["window_hop"]
        digest = hashlib.sha256(json.dumps(heard).encode()).hexdigest()[:16]
        self._mel = folder / f"mel-{digest}"
        self._answers = [folder / f"answers-{t.key(front_end)}" for t in teachers]
        for part in (self._mel, *self._answers):
            part.mkdir(parents=True, exist_ok=True)

    def fill(
        self, views: Iterable[View], *, seed: int = 0, jobs: int = 2
    ) -> Iterator[tuple[View, str]]:
        """Hear what has not been heard, in threads: decoders and teachers run outside Python.

        Yields
        ------
        (View, str)
            A view that is done, and why it cannot be used; "" if it can.
        """
        pool = ThreadPoolExecutor(jobs)
        try:
            futures = {pool.submit(self._hear, view, seed): view for view in views}
            for future in as_completed(futures):
                try:
                    future.result()
                except AudioError as error:
                    yield futures[future], error.reason
                else:
                    yield futures[future], ""
        finally:
            pool.shutdown(cancel_futures=True)

    def mel(self, view: View) -> NDArray[np.float16]:
        """log10 of mel power [t, n_mels], mapped from disk."""
        mapped: NDArray[np.float16] = np.load(self._mel / f"{view.key}.npy", mmap_mode="r")
        return mapped

    def starts(self, frames: int) -> NDArray[np.int64]:
        """First frames of the windows of a view of so many frames."""
        return window_starts(frames, self.front_end, self.front_end.window)

    def answers(self, view: View) -> NDArray[np.float16]:
        """Return all teachers' answers [n, sum of dims], end to end."""
        parts = [np.load(folder / f"{view.key}.npy") for folder in self._answers]
        return np.concatenate(parts, axis=1)

    def _hear(self, view: View, seed: int) -> None:
        import soxr

        name = f"{view.key}.npy"
        asked = [
            (teacher, folder / name)
            for teacher, folder in zip(self.teachers, self._answers, strict=True)
            if not (folder / name).exists()
        ]
        if not asked and (self._mel / name).exists():
            return
        # A setting of the thread: processors are slow at numbers as small as quiet music has.
        torch.set_flush_denormal(True)
        y, sr = _samples(view.path)
        if view.number:
            y, sr = self._altered(view, y, sr, seed)
        fe = self.front_end
        own = y if sr == fe.sr else soxr.resample(y, sr, fe.sr, quality="HQ")
        mel = mel_spectrogram(own, fe).T
        starts = self.starts(len(mel))
        for teacher, file in asked:
            with np.errstate(over="ignore"):
                answers = teacher.answer(y, sr, starts, fe).astype(np.float16)
            if not np.isfinite(answers).all():
                raise ModelError(
                    f"{teacher.name}: its answers to {view.path} are beyond 65504 or no numbers"
                )
            _save(file, answers)
        _save(self._mel / name, np.log10(np.maximum(mel, _FLOOR)).astype(np.float16))

    def _altered(
        self, view: View, y: NDArray[np.float32], sr: int, seed: int
    ) -> tuple[NDArray[np.float32], int]:
        digest = hashlib.sha256(f"{seed} {view.key}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        x = _at_rate(y, sr)
        if view.partner is not None:
            x = mix(x, _at_rate(*_samples(view.partner)), generator)
        else:
            x = transpose(x, _ALTERED_SR, generator)
        return alter(x, _ALTERED_SR, generator).numpy(), _ALTERED_SR


def _at_rate(y: NDArray[np.float32], sr: int) -> Tensor:
    import soxr

    return torch.from_numpy(soxr.resample(y, sr, _ALTERED_SR, quality="HQ"))


def _samples(path: Path) -> tuple[NDArray[np.float32], int]:
    y, sr = load(path)
    peak = float(np.abs(y).max(initial=0.0))
    if not peak < LARGEST:  # nor is NaN
        raise AudioError(str(path), "samples that are not numbers, or beyond any scale")
    if peak < SILENCE:
        raise AudioError(str(path), "silence")
    return y, sr


def _save(file: Path, array: NDArray[Any]) -> None:
    """Write all or nothing: what is there can be trusted after any interruption."""
    with written_file(file) as stream:
        np.save(stream, array)


@dataclass(frozen=True)
class Material:
    """What there is to train on; a row is a window.

    Attributes
    ----------
    mel : list of np.ndarray [shape=(t, n_mels), float16]
        log10 of mel power of each view.
    view : np.ndarray [shape=(n,), int64]
        Number of the view that each window is of.
    start : np.ndarray [shape=(n,), int64]
        Its first frame.
    clip : np.ndarray [shape=(views,), int64]
        Number of the clip that each view is of.
    clean, held : np.ndarray [shape=(views,), bool]
        Views that are unaltered, and views of clips not to train on.
    weight : np.ndarray [shape=(views,), float64]
        Chance of each view to be drawn; those held out have none.
    answers : np.ndarray [shape=(n, d), float16]
        The teachers' answers; d = 0 without teachers.
    blocks : tuple of int
        Lengths of the teachers' outputs in an answer.
    """

    mel: list[NDArray[np.float16]]
    view: NDArray[np.int64]
    start: NDArray[np.int64]
    clip: NDArray[np.int64]
    clean: NDArray[np.bool_]
    held: NDArray[np.bool_]
    weight: NDArray[np.float64]
    answers: NDArray[np.float16]
    blocks: tuple[int, ...] = ()

    @classmethod
    def gather(
        cls,
        cache: Cache,
        views: Sequence[View],
        *,
        held: NDArray[np.bool_],
        weight: NDArray[np.float64],
    ) -> Material:
        """Take views from a cache; ``held`` and ``weight`` have one entry a view."""
        mel = [cache.mel(view) for view in views]
        starts = [cache.starts(len(m)) for m in mel]
        rows = [len(start) for start in starts]
        blocks = tuple(dim for teacher in cache.teachers for dim in teacher.dims)
        answers = np.empty((sum(rows), sum(blocks)), dtype=np.float16)
        if blocks:
            at = 0
            for view, count in zip(views, rows, strict=True):
                answers[at : at + count] = cache.answers(view)
                at += count
        return cls(
            mel=mel,
            view=np.repeat(np.arange(len(views)), rows),
            start=np.concatenate(starts),
            clip=np.array([view.clip for view in views]),
            clean=np.array([view.number == 0 for view in views]),
            held=held,
            weight=np.where(held, 0.0, weight),
            answers=answers,
            blocks=blocks,
        )

    def windows(
        self, rows: NDArray[np.int64], window: int, rng: np.random.Generator | None = None
    ) -> Tensor:
        """Mel power [n, window, n_mels] of the rows; drawn, they move by up to 8 frames."""
        moved = self.start[rows]
        if rng is not None:
            moved = moved + rng.integers(-8, 9, size=len(rows))
        out = np.empty((len(rows), window, self.mel[0].shape[1]), dtype=np.float32)
        for i, (view, start) in enumerate(zip(self.view[rows], moved, strict=True)):
            mel = self.mel[view]
            first = min(max(start, 0), max(0, len(mel) - window))
            # A clip shorter than a window is repeated, as `Windower` does.
            out[i] = mel[(first + np.arange(window)) % len(mel)]
        return torch.from_numpy(10.0**out)
