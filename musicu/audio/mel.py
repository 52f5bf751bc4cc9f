"""The log-mel front end: streamed, cache-blocked, and described by one settings object.

The settings travel inside a model's ``config.json``, so that what an encoder hears in use is what
it heard in training. A track passes through three steps:

1. :class:`MelStream` turns blocks of samples into mel frames (linear power or magnitude);
2. :class:`musicu.audio.windower.Windower` cuts the frames into windows of fixed length;
3. :func:`compress` takes the level out of each window (if the settings say so) and compresses it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.audio.mel_filters import mel_filters
from musicu.audio.windower import Windower
from musicu.errors import ModelError

__all__ = ["LOG_MEL_PRESETS", "LogMel", "MelStream", "compress", "log_mel", "mel_spectrogram"]

Array = NDArray[np.float32]

# 64 frames of 512 samples are 128 KB: with their spectrum they stay in the L2 cache.
_BLOCK_FRAMES = 64
# Larger products are spread over all cores by BLAS, whose threads then wait for each other: ten
# times the product's own cost on a busy machine.
_PRODUCT = 400_000
# Mean power under which a window counts as digital silence and is not amplified any further.
_SILENCE_POWER = 1e-20


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Settings of a log-mel front end. Names and meaning are librosa's where librosa has them.

    Attributes
    ----------
    sr : int
        Sample rate the front end works at (Hz).
    n_fft, hop_length : int
        Length and step of the periodic Hann window (samples). Frames are centered; zeros at the
        ends.
    n_mels : int
        Number of mel bands.
    fmin, fmax : float
        Edges of the filter bank (Hz).
    htk : bool
        HTK's mel formula instead of Slaney's.
    norm : {"slaney", None}
        Area normalization of the filters.
    power : {1.0, 2.0}
        Magnitude or power spectrum.
    level : {"window", None}
        ``"window"`` divides a window by its mean over all bands and frames, which makes everything
        after it independent of the recording's level. None leaves the level in.
    gain, offset : float
        Compression ``log10(offset + gain * mel)``.
    mean, std : float
        The compressed values are finally ``(value - mean) / std``.
    window, window_hop : int
        Length and step of the encoder's input (frames).
    """

    sr: int = 16000
    n_fft: int = 512
    hop_length: int = 256
    n_mels: int = 96
    fmin: float = 0.0
    fmax: float = 8000.0
    htk: bool = False
    norm: Literal["slaney"] | None = "slaney"
    power: float = 2.0
    level: Literal["window"] | None = None
    gain: float = 10000.0
    offset: float = 1.0
    mean: float = 0.0
    std: float = 1.0
    window: int = 187
    window_hop: int = 187

    def __post_init__(self) -> None:
        for name in ("sr", "n_fft", "hop_length", "n_mels", "window", "window_hop"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ModelError(f"front end: {name} must be a whole number >= 1, not {value!r}")
        for name in ("fmin", "fmax", "gain", "offset", "mean", "std"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ModelError(f"front end: {name} must be a number, not {value!r}")
        if not isinstance(self.htk, bool):
            raise ModelError(f"front end: htk must be true or false, not {self.htk!r}")
        if not 0 <= self.fmin < self.fmax <= self.sr / 2:
            raise ModelError(
                f"front end: 0 <= fmin < fmax <= sr / 2 must hold, "
                f"not fmin={self.fmin}, fmax={self.fmax}, sr={self.sr}"
            )
        if self.hop_length > self.n_fft:
            raise ModelError("front end: hop_length must not exceed n_fft")
        if self.power not in (1.0, 2.0):
            raise ModelError(f"front end: power must be 1.0 or 2.0, not {self.power!r}")
        if self.level not in ("window", None) or self.norm not in ("slaney", None):
            raise ModelError(
                f"front end: level must be 'window' or null and norm 'slaney' or null, "
                f"not {self.level!r} and {self.norm!r}"
            )
        if self.gain <= 0 or self.offset <= 0 or self.std <= 0:
            raise ModelError("front end: gain, offset and std must be above 0")

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> LogMel:
        """Build from a plain mapping; a ``preset`` key names the settings to start from.

        Raises
        ------
        ModelError
            An unknown preset or setting, or a value out of range.
        """
        settings = dict(settings)
        preset = settings.pop("preset", None)
        if preset is not None and preset not in LOG_MEL_PRESETS:
            raise ModelError(
                f"front end: no preset {preset!r}; there are {', '.join(LOG_MEL_PRESETS)}"
            )
        base = LOG_MEL_PRESETS[preset] if preset else cls()
        known = {f.name: getattr(base, f.name) for f in fields(cls)}
        if unknown := sorted(settings.keys() - known.keys()):
            raise ModelError(f"front end: unknown settings {', '.join(unknown)}")
        return cls(**{**known, **settings})

    @property
    def window_seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window * self.hop_length / self.sr

    @property
    def size(self) -> int:
        """Numbers in a window or a filter bank, whichever has more."""
        return max(self.window, self.n_fft) * self.n_mels

    def overlapping(self) -> LogMel:
        """Return settings whose windows overlap by half."""
        return replace(self, window_hop=max(self.window // 2, 1))

    def filters(self) -> Array:
        """Return the filter bank [1 + n_fft // 2, n_mels]."""
        return mel_filters(
            sr=self.sr,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
            htk=self.htk,
            norm=self.norm,
        )

    def stream(self) -> MelStream:
        """Return what turns blocks of samples into frames."""
        return MelStream(self)

    def prepare(self, windows: Array) -> Array:
        """Return the network's input for windows [n, window, n_mels], see :func:`compress`."""
        return compress(windows, self)

    def levels(self, windows: Array) -> Array:
        """Return the mean of each window [n, window, n_mels]: its power, or magnitude."""
        levels: Array = windows.mean(axis=(1, 2))
        return levels

    def noise(self) -> Array:
        """Return two windows of noise, bright and dull: [2, window, n_mels]."""
        noise = np.random.default_rng(0).random((2, self.window, self.n_mels), dtype=np.float32)
        noise[1, :, self.n_mels // 2 :] *= 0.01
        return noise


LOG_MEL_PRESETS = {
    # Ours: MusiCNN's resolution; the top edge lies below codecs' roll-offs; the level is out.
    # Windows that leave no gap are worth their cost: a second of silence in front of a track moves
    # all of them, and moves its vector half as far as with gaps of 1 s.
    "musicu": LogMel(fmin=30.0, fmax=7000.0, level="window"),
    # Pons & Serra, "musicnn: Pre-trained convolutional neural networks for music audio
    # tagging", ISMIR late-breaking demo 2019.
    "musicnn": LogMel(),
    # Won et al., "Evaluation of CNN-based Automatic Music Tagging Models", SMC 2020: decibels,
    # 10 log10(mel). The floor of -100 dB is added where torchaudio takes the larger of both.
    "jamendo_musicnn": LogMel(
        htk=True, norm=None, gain=1.0, offset=1e-10, std=0.1, window=188, window_hop=188
    ),
    # Park et al., "Representation Learning of Music Using Artist Labels", ISMIR 2018.
    "artist_siamese": LogMel(
        sr=22050,
        n_fft=1024,
        hop_length=512,
        n_mels=128,
        fmax=11025.0,
        power=1.0,
        gain=10.0,
        mean=0.22620339,
        std=0.25794547,
        window=129,
        window_hop=129,
    ),
}


class MelStream:
    """Mel frames of a signal that arrives in blocks; the frames do not depend on the blocks' sizes.

    Parameters
    ----------
    front_end : LogMel
        The settings.
    """

    def __init__(self, front_end: LogMel) -> None:
        self.front_end = front_end
        self._filters = front_end.filters()
        self._rows = max(1, _PRODUCT // self._filters.size)
        n = np.arange(front_end.n_fft)
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * n / front_end.n_fft)).astype(np.float32)
        self._rest = np.zeros(front_end.n_fft // 2, dtype=np.float32)

    def push(self, y: Array) -> Array:
        """Take the next samples and return the frames they complete.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), float32]
            Mono samples at ``front_end.sr``.

        Returns
        -------
        np.ndarray [shape=(t, n_mels), float32]
            Mel power (or magnitude), ``t >= 0`` frames.
        """
        fe = self.front_end
        y = np.concatenate([self._rest, y])
        t = max(0, 1 + (len(y) - fe.n_fft) // fe.hop_length)
        self._rest = y[t * fe.hop_length :]
        out = np.empty((t, fe.n_mels), dtype=np.float32)
        if t:
            frames = np.lib.stride_tricks.sliding_window_view(y, fe.n_fft)[:: fe.hop_length]
            for i in range(0, t, _BLOCK_FRAMES):
                spectrum = np.fft.rfft(frames[i : i + _BLOCK_FRAMES] * self._hann, axis=1)
                s = spectrum.real**2 + spectrum.imag**2
                if fe.power == 1.0:
                    np.sqrt(s, out=s)
                for j in range(0, len(s), self._rows):
                    at = slice(i + j, i + min(j + self._rows, len(s)))
                    np.matmul(s[j : j + self._rows], self._filters, out=out[at])
        return out

    def finish(self) -> Array:
        """Return the last frames, [t, n_mels]; the stream ends with zeros like it began."""
        return self.push(np.zeros(self.front_end.n_fft // 2, dtype=np.float32))


def compress(windows: Array, front_end: LogMel) -> Array:
    """Compress mel windows as the settings say.

    Parameters
    ----------
    windows : np.ndarray [shape=(..., t, n_mels), float32]
        Linear mel power or magnitude, >= 0.
    front_end : LogMel
        The settings.

    Returns
    -------
    np.ndarray [same shape, float32]
        ``(log10(offset + gain * windows) - mean) / std``; with ``level="window"`` each window is
        first divided by its mean, so that a gain on the recording changes nothing.
    """
    scale: Array | float = front_end.gain
    if front_end.level == "window":
        mean = windows.mean(axis=(-2, -1), keepdims=True)
        scale = (front_end.gain / np.maximum(mean, _SILENCE_POWER)).astype(np.float32)
    x = windows * scale
    x += front_end.offset
    np.log10(x, out=x)
    if front_end.mean != 0.0 or front_end.std != 1.0:
        x -= front_end.mean
        x /= front_end.std
    return x


def mel_spectrogram(y: Array, front_end: LogMel) -> Array:
    """Mel spectrogram of a whole signal, as ``librosa.feature.melspectrogram`` (zero padding).

    Parameters
    ----------
    y : np.ndarray [shape=(n,), float32]
        Mono samples at ``front_end.sr``.
    front_end : LogMel
        The settings.

    Returns
    -------
    np.ndarray [shape=(n_mels, t), float32]
        Mel power (or magnitude), ``t = 1 + n // hop_length`` for even ``n_fft``.
    """
    stream = MelStream(front_end)
    return np.concatenate([stream.push(np.asarray(y, dtype=np.float32)), stream.finish()]).T


def log_mel(y: Array, front_end: LogMel) -> tuple[Array, NDArray[np.float64]]:
    """Compressed windows of a whole signal: exactly what an encoder with these settings is fed.

    Parameters
    ----------
    y : np.ndarray [shape=(n,), float32]
        Mono samples at ``front_end.sr``.
    front_end : LogMel
        The settings.

    Returns
    -------
    windows : np.ndarray [shape=(n, window, n_mels), float32]
        The windows, time before mel.
    times : np.ndarray [shape=(n,), float64]
        Start of each window in seconds.
    """
    windower = Windower(front_end)
    pairs = [*windower.push(mel_spectrogram(y, front_end).T), *windower.finish()]
    windows = np.array([w for _, w in pairs], dtype=np.float32).reshape(
        -1, front_end.window, front_end.n_mels
    )
    return compress(windows, front_end), np.array([t for t, _ in pairs])
