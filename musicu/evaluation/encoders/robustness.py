"""Whether a track's vector stays where it is when the file is not the master."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.audio.decode import load
from musicu.errors import AudioError

__all__ = ["DISTORTIONS", "Robustness", "low_pass", "measure_robustness", "transcode"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Distortion = Callable[[Array, int], tuple[Array, int]]
Embed = Callable[[int, Array, int], dict[str, Floats]]

# Of what the libraries encode; other rates are brought to the last one.
_CODECS = {
    "mp3": ("libmp3lame", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 48000, 44100)),
    "opus": ("libopus", (8000, 12000, 16000, 24000, 48000)),
}
# A low-pass that takes away less than this changes nothing worth the name.
_NOTHING_DB = -40.0


@dataclass(frozen=True)
class Robustness:
    """How near the vectors of distorted copies are to those of the clips.

    Attributes
    ----------
    system, distortion : str
        Which vectors, and what was done to the clips.
    mean, low : float
        Mean and 5th percentile of the cosine between the two vectors of a clip.
    clips : int
        How many clips.
    """

    system: str
    distortion: str
    mean: float
    low: float
    clips: int


def transcode(y: Array, sr: int, *, codec: str, bit_rate: int) -> tuple[Array, int]:
    """Encode and decode in memory.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), float32]
        Mono samples.
    sr : int > 0
        Their rate (Hz); resampled first where the codec does not have it.
    codec : {"mp3", "opus"}
        LAME or libopus, through FFmpeg.
    bit_rate : int > 0
        Bits a second, constant (mp3) or on average (Opus).

    Returns
    -------
    y : np.ndarray [shape=(m,), float32]
        What comes back, aligned with what went in.
    sr : int
        Its rate (Hz).
    """
    import av
    import soxr

    name, rates = _CODECS[codec]
    if sr not in rates:
        y, sr = soxr.resample(y, sr, rates[-1], quality="HQ"), rates[-1]
    file = io.BytesIO()
    with av.open(file, "w", format="mp3" if codec == "mp3" else "ogg") as target:
        stream: Any = target.add_stream(name, rate=sr)
        stream.codec_context.layout = "mono"
        stream.codec_context.bit_rate = bit_rate
        for start in range(0, len(y), sr):
            block = np.ascontiguousarray(y[None, start : start + sr], dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sr, start
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as source:
        frames = [frame.to_ndarray() for frame in source.decode(audio=0)]
        sr = source.streams.audio[0].codec_context.sample_rate
    return np.concatenate(frames, axis=1)[0].astype(np.float32, copy=False), sr


def low_pass(y: Array, sr: int, *, cutoff: float) -> tuple[Array, int]:
    """Take away what is above `cutoff` (Hz): Butterworth, 8th order, run in both directions.

    A signal that holds nothing above it, having half its rate there or below, comes back as it is.
    """
    if cutoff >= sr / 2:
        return y, sr
    from scipy.signal import butter, sosfiltfilt

    sections = butter(8, cutoff, fs=sr, output="sos")
    return sosfiltfilt(sections, y).astype(np.float32), sr


def _gain(y: Array, sr: int, *, db: float) -> tuple[Array, int]:
    return (y * 10 ** (db / 20)).astype(np.float32), sr


def _late(y: Array, sr: int, *, seconds: float) -> tuple[Array, int]:
    return np.concatenate([np.zeros(round(seconds * sr), dtype=np.float32), y]), sr


def _stereo(y: Array, sr: int) -> tuple[Array, int]:
    return np.stack([y, y]), sr


def _there_and_back(y: Array, sr: int, *, rate: int) -> tuple[Array, int]:
    import soxr

    return soxr.resample(soxr.resample(y, sr, rate, quality="HQ"), rate, sr, quality="HQ"), sr


DISTORTIONS: dict[str, Distortion] = {
    "mp3 128 kbit/s": partial(transcode, codec="mp3", bit_rate=128_000),
    "Opus 24 kbit/s": partial(transcode, codec="opus", bit_rate=24_000),
    "gain +12 dB": partial(_gain, db=12.0),
    "gain -12 dB": partial(_gain, db=-12.0),
    "1.2 s of silence before": partial(_late, seconds=1.2),
    "low-pass 8 kHz": partial(low_pass, cutoff=8000.0),
    "low-pass 4 kHz (extra)": partial(low_pass, cutoff=4000.0),
    "mono as stereo": _stereo,
    "by way of 44.1 kHz": partial(_there_and_back, rate=44100),
    "by way of 22.05 kHz": partial(_there_and_back, rate=22050),
}


def measure_robustness(
    files: Sequence[Path],
    embed: Embed,
    *,
    clips: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Robustness], list[str]]:
    """Embed clips and distorted copies of them, and compare.

    Gains are not clipped: they are changes of level, not of sound.

    Parameters
    ----------
    files : sequence of Path
        The clips.
    embed : callable
        Given the number of a clip, samples [n] or [2, n] and their rate, returns unit vectors by
        system.
    clips : int >= 1
        How many of the clips, drawn at random.
    seed : int
        Of the drawing.
    progress : callable, optional
        Called with the clips done and the clips in all.

    Returns
    -------
    results : list of Robustness
        For each system and each of :data:`DISTORTIONS`.
    notes : list of str
        Low-passes that took nothing away, so that their cosine says little.

    Raises
    ------
    AudioError
        A clip cannot be decoded, or a distorted one not be embedded.
    """
    chosen = np.random.default_rng(seed).permutation(len(files))[:clips]
    cosines: dict[tuple[str, str], list[float]] = {}
    removed: dict[str, list[float]] = {}
    for done, i in enumerate(chosen):
        if progress:
            progress(done, len(chosen))
        y, sr = load(files[i])
        clean = embed(int(i), y, sr)
        for name, distort in DISTORTIONS.items():
            other, rate = distort(y, sr)
            if name.startswith("low-pass"):
                power = np.mean((y - other) ** 2) / np.mean(y**2)
                removed.setdefault(name, []).append(10 * np.log10(power + 1e-20))
            try:
                vectors = embed(int(i), other, rate)
            except AudioError as error:
                raise AudioError(str(files[i]), f"{name}: {error.reason}") from None
            for system, vector in vectors.items():
                one, two = (unit_rows(v.astype(np.float64)) for v in (clean[system], vector))
                cosines.setdefault((system, name), []).append(float(one @ two))
    if progress:
        progress(len(chosen), len(chosen))
    results = [
        Robustness(system, name, float(np.mean(c)), float(np.percentile(c, 5)), len(c))
        for (system, name), c in cosines.items()
    ]
    notes = [
        f"{name}: takes away {_db(np.median(values))} of the clips' power (median), "
        "so its cosine says little"
        for name, values in removed.items()
        if np.median(values) < _NOTHING_DB
    ]
    return results, notes


def _db(value: np.floating) -> str:
    return "nothing" if value < -150 else f"{value:.0f} dB"
