"""Training material: every clip's mel frames with the teacher's answers, cached once on disk.

The teacher costs far more than the student, so it hears each clip once. To widen what it says
beyond the clips themselves, every clip is also heard mixed with another one, at a random balance
and tilt: "function matching" on mixed-up audio, after Beyer et al., "Knowledge distillation: A good
teacher is patient and consistent", CVPR 2022.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.decode import AUDIO_SUFFIXES, load
from musicu.errors import ModelError
from musicu.mel import FrontEnd, log_mel, mel_spectrogram

__all__ = ["Material", "Teacher", "build_cache", "find_audio", "load_cache"]

# Power under which a mel value is stored as this: -120 dB, below 16-bit noise.
_FLOOR = 1e-12


@dataclass(frozen=True)
class Teacher:
    """An ONNX encoder to learn from.

    Attributes
    ----------
    path : str
        The ONNX file; its input is [batch, time, mel].
    front_end : FrontEnd
        What it hears.
    outputs : tuple of str
        Outputs to learn; their vectors are put end to end.
    """

    path: str
    front_end: FrontEnd
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """The cache in memory.

    Attributes
    ----------
    mel : np.ndarray [shape=(frames, n_mels), float16]
        log10 of mel power, the clips end to end.
    answers : np.ndarray [shape=(n, d), float16]
        The teacher's answers.
    starts : np.ndarray [shape=(n,), int64]
        First frame of the window that each answer belongs to.
    bounds : np.ndarray [shape=(n, 2), int64]
        First frame of its clip, and the frame after its last.
    clips : np.ndarray [shape=(n,), int64]
        Number of its clip; a mixture is a clip of its own.
    names : list of str
        Stem of each clip's file name; mixtures have a ``+`` in theirs.
    blocks : list of int
        Lengths of the teacher's outputs in an answer.
    """

    mel: NDArray[np.float16]
    answers: NDArray[np.float16]
    starts: NDArray[np.int64]
    bounds: NDArray[np.int64]
    clips: NDArray[np.int64]
    names: list[str]
    blocks: list[int]


def find_audio(folders: Sequence[Path]) -> list[Path]:
    """Audio files under the folders, sorted.

    Raises
    ------
    ModelError
        Fewer than 20 files: too few to learn anything from.
    """
    paths = sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES
    )
    if len(paths) < 20:
        where = ", ".join(map(str, folders))
        raise ModelError(f"{len(paths)} audio files under {where}: at least 20 are needed to train")
    return paths


def build_cache(
    paths: Sequence[Path],
    folder: Path,
    teacher: Teacher,
    front_end: FrontEnd,
    *,
    hold_out: frozenset[str] = frozenset(),
    mix: bool = True,
    seed: int = 0,
    jobs: int = 2,
) -> Iterator[tuple[int, int]]:
    """Fill the cache; what is there already is kept, so that a stopped run goes on.

    Parameters
    ----------
    paths : sequence of Path
        The audio files.
    folder : Path
        Where the cache lives.
    teacher : Teacher
        Whom to ask.
    front_end : FrontEnd
        What the student hears; at the teacher's rate, hop and window, so that windows coincide.
    hold_out : frozenset of str
        Stems of the files that never enter a mixture.
    mix : bool
        Whether each remaining clip is also heard mixed with another.
    seed : int
        Choice of the mixtures.
    jobs : int
        Processes.

    Yields
    ------
    (int, int)
        Clips done, clips in all.

    Raises
    ------
    ModelError
        The front ends' windows do not coincide, or the cache is of other settings.
    """
    same = ("sr", "hop_length", "window")
    if any(getattr(front_end, k) != getattr(teacher.front_end, k) for k in same):
        raise ModelError(f"student and teacher must agree in {', '.join(same)}")
    folder.mkdir(parents=True, exist_ok=True)
    about = {"teacher": Path(teacher.path).name, "outputs": teacher.outputs, "seed": seed}
    about |= {"front_end": asdict(front_end), "teacher_front_end": asdict(teacher.front_end)}
    note = folder / "cache.json"
    text = json.dumps(about, indent=1)
    if note.exists() and note.read_text() != text:
        raise ModelError(f"{folder}: a cache of other settings; delete it or name another folder")
    note.write_text(text)

    rng = np.random.default_rng(seed)
    free = [p for p in paths if p.stem not in hold_out]
    tasks: list[tuple[Path, Path | None]] = [(p, None) for p in paths]
    if mix:
        tasks += list(zip(free, rng.permutation(np.array(free, dtype=object)), strict=True))
    names = [p.stem if q is None else f"{p.stem}+{q.stem}" for p, q in tasks]
    todo = [
        (task, folder / f"{name}.npz", seed + i)
        for i, (task, name) in enumerate(zip(tasks, names, strict=True))
        if not (folder / f"{name}.npz").exists()
    ]
    done = len(tasks) - len(todo)
    yield done, len(tasks)
    with ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(teacher, front_end),
    ) as pool:
        for future in as_completed([pool.submit(_cache_clip, *item) for item in todo]):
            future.result()
            done += 1
            yield done, len(tasks)


def load_cache(folder: Path) -> Material:
    """Read the whole cache into memory."""
    files = sorted(folder.glob("*.npz"))
    mels, answers, starts, bounds, clips = [], [], [], [], []
    at = 0
    for clip, file in enumerate(files):
        with np.load(file) as stored:
            mel, answer, start = stored["mel"], stored["answers"], stored["starts"]
            blocks = stored["blocks"].tolist()
        mels.append(mel)
        answers.append(answer)
        starts.append(start + at)
        bounds.append(np.tile([at, at + len(mel)], (len(start), 1)))
        clips.append(np.full(len(start), clip))
        at += len(mel)
    return Material(
        mel=np.concatenate(mels),
        answers=np.concatenate(answers),
        starts=np.concatenate(starts),
        bounds=np.concatenate(bounds),
        clips=np.concatenate(clips),
        names=[file.stem for file in files],
        blocks=blocks,
    )


def _start(teacher: Teacher, front_end: FrontEnd) -> None:
    """Open the teacher once a process."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        teacher.path, options, providers=["CPUExecutionProvider"]
    )
    _state.update(teacher=teacher, front_end=front_end, session=session)


_state: dict = {}  # type: ignore[type-arg]


def _cache_clip(task: tuple[Path, Path | None], out: Path, seed: int) -> None:
    teacher, front_end, session = _state["teacher"], _state["front_end"], _state["session"]
    path, other = task
    y, sr = load(path, sr=front_end.sr)
    # Clean clips every half window; mixtures, which cost as much and tell less, every window.
    hop = front_end.window // 2 if other is None else front_end.window
    if other is not None:
        y = _mixture(y, load(other, sr=sr)[0], np.random.default_rng(seed))
    windows, times = log_mel(y, replace(teacher.front_end, window_hop=hop))
    name = session.get_inputs()[0].name
    parts = [
        session.run(list(teacher.outputs), {name: windows[i : i + 8]})
        for i in range(0, len(windows), 8)
    ]
    outputs = [np.concatenate(part).astype(np.float16) for part in zip(*parts, strict=True)]
    mel = np.log10(np.maximum(mel_spectrogram(y, front_end).T, _FLOOR)).astype(np.float16)
    starts = np.rint(times * sr / front_end.hop_length).astype(np.int64)
    temporary = out.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.savez(
            file,
            mel=mel,
            answers=np.concatenate(outputs, axis=1),
            starts=starts,
            blocks=[output.shape[1] for output in outputs],
        )
    os.replace(temporary, out)


def _mixture(
    y: NDArray[np.float32], other: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Mix two clips at -9 to 0 dB of each other, brighten or darken the result a little."""
    other = np.resize(other, len(y))
    balance = 10 ** (rng.uniform(-9, 0) / 20)
    level = np.sqrt(np.mean(y**2)) / max(float(np.sqrt(np.mean(other**2))), 1e-9)
    mixed = (y + balance * level * other) / np.sqrt(1 + balance**2)
    # A first-order tilt, y[n] + a y[n-1]: a > 0 darkens, a < 0 brightens.
    a = rng.uniform(-0.3, 0.3)
    mixed[1:] += a * mixed[:-1].copy()
    return np.asarray(mixed / np.sqrt(1 + a**2), dtype=np.float32)
