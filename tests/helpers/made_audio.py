"""Signals of known content, written in any format with PyAV: no FFmpeg command is needed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

Array = NDArray[np.float32]
Name = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format: suffix, FFmpeg's container and codec, and what it does to a signal."""

    suffix: str
    container: str
    codec: str
    lossy: bool = False
    rates: tuple[int, ...] = (8000, 22050, 44100, 48000, 96000)
    repeatable: bool = False  # the same bytes every time, where the container would draw numbers


_MPEG_RATES = (8000, 22050, 44100, 48000)
FORMATS = {
    "wav-u8": Format(suffix=".wav", container="wav", codec="pcm_u8"),
    "wav": Format(suffix=".wav", container="wav", codec="pcm_s16le"),
    "wav-24": Format(suffix=".wav", container="wav", codec="pcm_s24le"),
    "wav-32": Format(suffix=".wav", container="wav", codec="pcm_s32le"),
    "wav-float": Format(suffix=".wav", container="wav", codec="pcm_f32le"),
    "wav-double": Format(suffix=".wav", container="wav", codec="pcm_f64le"),
    "aiff": Format(suffix=".aiff", container="aiff", codec="pcm_s16be"),
    "flac": Format(suffix=".flac", container="flac", codec="flac"),
    "alac": Format(suffix=".m4a", container="ipod", codec="alac"),
    "mp3": Format(
        suffix=".mp3", container="mp3", codec="libmp3lame", lossy=True, rates=_MPEG_RATES
    ),
    "m4a": Format(suffix=".m4a", container="ipod", codec="aac", lossy=True),
    "aac": Format(suffix=".aac", container="adts", codec="aac", lossy=True),
    "ogg": Format(suffix=".ogg", container="ogg", codec="vorbis", lossy=True),
    # Opus knows no other rates than these.
    "opus": Format(
        suffix=".opus", container="ogg", codec="libopus", lossy=True, rates=(8000, 48000)
    ),
    "wma": Format(
        suffix=".wma", container="asf", codec="wmav2", lossy=True, rates=(8000, 22050, 44100, 48000)
    ),
}


def sine(
    sr: int, seconds: float, *, hz: float = 440.0, amplitude: float = 0.5, channels: int = 1
) -> Array:
    """Return a sine [channels, n], the same in every channel."""
    t = np.arange(round(sr * seconds)) / sr
    return np.tile((amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32), (channels, 1))


def noise(sr: int, seconds: float, *, channels: int = 1, seed: int = 0, rms: float = 0.1) -> Array:
    """Return white Gaussian noise [channels, n], independent in each channel."""
    rng = np.random.default_rng(seed)
    return (rms * rng.standard_normal((channels, round(sr * seconds)))).astype(np.float32)


def notes(sr: int, seconds: float, *, seed: int = 0) -> Array:
    """Return a melody [1, n] of decaying notes with harmonics over a little noise."""
    rng = np.random.default_rng(seed)
    y = noise(sr, seconds, seed=seed, rms=1e-3)[0]
    t = np.arange(round(0.4 * sr)) / sr
    for start in range(0, len(y) - len(t), len(t) // 2):
        hz = 220.0 * 2 ** (rng.integers(0, 25) / 12)
        note = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 8) if k * hz < 3600)
        y[start : start + len(t)] += (0.15 * np.exp(-5 * t) * note).astype(np.float32)
    return y[None]


def write(
    path: Name,
    y: Array,
    sr: int,
    fmt: str | Format = "wav",
    *,
    bit_rate: int = 192_000,
    **tags: str,
) -> None:
    """Write samples [channels, n] in one of :data:`FORMATS`, or in another one."""
    form = FORMATS[fmt] if isinstance(fmt, str) else fmt
    if form.codec == "vorbis":  # PyAV's wheels come without libvorbis
        with soundfile.SoundFile(path, "w", sr, len(y), "VORBIS", format="OGG") as ogg:
            for tag, text in tags.items():
                setattr(ogg, tag, text)
            # libsndfile's Vorbis encoder overflows the stack on long blocks.
            for start in range(0, y.shape[1], 4096):
                ogg.write(y[:, start : start + 4096].T)
        return
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(y)]
    # A Python file takes any name; FFmpeg itself takes only UTF-8 ones.
    options = {"fflags": "+bitexact"} if form.repeatable else {}
    with (
        open(path, "wb") as file,
        av.open(file, "w", format=form.container, container_options=options) as container,
    ):
        container.metadata.update(tags)
        stream: Any = container.add_stream(form.codec, rate=sr, layout=layout)
        if form.lossy:
            stream.bit_rate = min(bit_rate, 8 * sr * len(y))
        if not form.lossy and not form.codec.startswith("pcm_f"):
            scaled = np.round(np.clip(y.astype(np.float64), -1, 1) * (2**31 - 1)).astype(np.int32)
            # FFmpeg's rounding to fewer bits is exact for values that fit them.
            frames = scaled.T.reshape(1, -1), "s32"
        else:
            frames = np.ascontiguousarray(y, dtype=np.float32), "fltp"
        step = 65536 * (len(y) if frames[1] == "s32" else 1)
        for start in range(0, frames[0].shape[1], step):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(frames[0][:, start : start + step]),
                format=frames[1],
                layout=layout,
            )
            frame.sample_rate = sr
            # Without times the muxer cannot note an encoder's delay.
            frame.pts, frame.time_base = start // step * 65536, Fraction(1, sr)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
