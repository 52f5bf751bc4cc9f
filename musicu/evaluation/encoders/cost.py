"""What a model costs: parameters, megabytes, CPU seconds beside those of decoding."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.audio.decode import load
from musicu.encoders.encoder import Encoder
from musicu.errors import ModelError

__all__ = ["Cost", "measure_cost", "measured_track", "parameter_count"]

Array = NDArray[np.float32]

SECONDS = 240
_SR = 44100
_RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a system costs.

    Attributes
    ----------
    parameters : int
        Numbers in the ONNX files' initializers.
    megabytes : float
        Size of the ONNX files.
    embed_seconds : float
        CPU seconds for a track of 240 s that is decoded and at the model's rate already: mel
        spectrogram, network, pooling. Median of five runs on one thread.
    decode_seconds : float
        CPU seconds for the same track as an mp3 of 192 kbit/s, 44.1 kHz, stereo, by
        :func:`musicu.audio.decode.load`: median of five runs.
    ffmpeg_seconds : float or None
        The same by ``ffmpeg -f null``, whole process; None without ffmpeg on the PATH.
    """

    parameters: int
    megabytes: float
    embed_seconds: float
    decode_seconds: float
    ffmpeg_seconds: float | None

    @property
    def to_decode(self) -> float:
        """Embedding over decoding."""
        return self.embed_seconds / self.decode_seconds

    @property
    def to_ffmpeg(self) -> float | None:
        """Embedding over ffmpeg's decoding."""
        return None if self.ffmpeg_seconds is None else self.embed_seconds / self.ffmpeg_seconds


def measure_cost(systems: Sequence[Sequence[Encoder]]) -> list[Cost]:
    """Measure what systems cost, in one run on this machine.

    Parameters
    ----------
    systems : sequence of sequences of Encoder
        The encoders of each system; those of one are added up.

    Returns
    -------
    list of Cost
        One a system.
    """
    import soxr

    track = measured_track(SECONDS)
    mono = track.mean(axis=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "track.mp3"
        _write_mp3(track, path)
        decode_seconds = _cpu(lambda: load(path))
        ffmpeg_seconds = _ffmpeg(path)
    costs = []
    for encoders in systems:
        seconds = 0.0
        for encoder in encoders:
            sr = encoder.model.front_end.sr
            y = soxr.resample(mono, _SR, sr, quality="HQ")
            seconds += _cpu(partial(encoder.embed, y, sr))
        files = [encoder.model.weights for encoder in encoders]
        costs.append(
            Cost(
                parameters=sum(map(parameter_count, files)),
                megabytes=sum(file.stat().st_size for file in files) / 1e6,
                embed_seconds=seconds,
                decode_seconds=decode_seconds,
                ffmpeg_seconds=ffmpeg_seconds,
            )
        )
    return costs


def parameter_count(path: str | os.PathLike[str]) -> int:
    """Count the numbers in an ONNX file's initializers.

    Reads the protobuf itself (onnx.proto: model.graph = 7, graph.initializer = 5, tensor.dims = 1),
    because the ``onnx`` package is not needed for anything else.

    Parameters
    ----------
    path : str or path-like
        The ONNX file.

    Raises
    ------
    ModelError
        The file is no protobuf.
    """
    try:
        data = memoryview(Path(path).read_bytes())
        return sum(
            prod(_dims(tensor))
            for number, graph in _fields(data)
            if number == 7 and isinstance(graph, memoryview)
            for entry, tensor in _fields(graph)
            if entry == 5 and isinstance(tensor, memoryview)
        )
    except (IndexError, ValueError):
        raise ModelError(f"{path}: not an ONNX file") from None


def measured_track(seconds: float, *, seed: int = 0) -> Array:
    """Synthesize notes, drums and noise over the whole band: nothing a codec finds easy.

    Parameters
    ----------
    seconds : float > 0
        Length.
    seed : int
        Of notes and noise.

    Returns
    -------
    np.ndarray [shape=(2, n), float32]
        At 44.1 kHz.
    """
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((2, int(seconds * _SR)), dtype=np.float32) * np.float32(0.003)
    t = np.arange(_SR // 2) / _SR
    for start in range(0, y.shape[1] - len(t) + 1, len(t)):
        pitch = rng.choice([220.0, 277.2, 329.6, 440.0, 554.4, 659.3, 880.0])
        partials = sum(np.sin(2 * np.pi * pitch * h * t) / h for h in range(1, 12))
        pan = rng.uniform(0.2, 0.8)
        note = 0.15 * partials * np.exp(-6 * t)
        y[:, start : start + len(t)] += np.array([[pan], [1 - pan]]) * note
        hit = 0.2 * rng.standard_normal((2, 2000)) * np.exp(-np.arange(2000) / 400)
        y[:, start : start + 2000] += hit
    return y


def _write_mp3(y: Array, path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=_SR)
        stream.codec_context.layout = "stereo"
        stream.codec_context.bit_rate = 192_000
        for start in range(0, y.shape[1], _SR):
            block = np.ascontiguousarray(y[:, start : start + _SR])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = _SR, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _cpu(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Median CPU seconds of five runs, after one that warms up."""
    times = []
    for _ in range(_RUNS + 1):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times[1:])


def _ffmpeg(path: Path) -> float | None:
    import resource  # Unix only

    program = shutil.which("ffmpeg")
    if program is None:
        return None
    command = [program, "-v", "error", "-threads", "1", "-i", str(path), "-f", "null", "-"]

    def clock() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    return _cpu(lambda: subprocess.run(command, check=True, stdin=subprocess.DEVNULL), clock)


def _dims(tensor: memoryview) -> list[int]:
    dims = []
    for number, value in _fields(tensor):
        if number != 1:
            continue
        if isinstance(value, int):
            dims.append(value)
            continue
        at = 0
        while at < len(value):  # packed
            dim, at = _varint(value, at)
            dims.append(dim)
    return dims


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a protobuf message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
        if at + size > len(data):
            raise ValueError(size)
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
