"""Other versions of the same music: altered waveforms, distorted mel power, masked patches.

Waveforms are altered before the teacher answers, and the student hears the very same version: a
teacher must be consistent (Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", CVPR 2022). Mel power is distorted on the device at each step, after the teacher has
answered: what it takes away must not change the answer.
"""

from __future__ import annotations

import math

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.signal import sosfilt
from torch import Tensor

__all__ = ["alter", "augment", "equalizer", "mask", "mix", "mix_windows", "transpose"]

_BASS, _TREBLE = 100.0, 3000.0  # Hz: the middles of the shelves' slopes
_Q = 0.707


def alter(y: Tensor, sr: int, generator: torch.Generator) -> Tensor:
    """Alter a waveform as masterings differ: level and equalizer.

    What only spoils a recording (lost treble, noise) is left to :func:`augment`: a teacher's answer
    to a spoiled copy is a worse one.

    Parameters
    ----------
    y : Tensor [shape=(n,), float32]
        Samples.
    sr : int
        Their rate (Hz).
    generator : torch.Generator
        Where all choices come from.

    Returns
    -------
    Tensor [shape=(n,), float32]
        Gain, bass (below 100 Hz), treble (above 3 kHz) and one band between within 4 dB each.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    bass, treble = uniform(-4, 4), uniform(-4, 4)
    hz, band = 200 * 25 ** uniform(0, 1), uniform(-4, 4)
    x = sosfilt(equalizer(sr, bass=bass, treble=treble, band=band, hz=hz), y.numpy())
    return torch.from_numpy((x * 10 ** (uniform(-4, 4) / 20)).astype(np.float32))


def equalizer(
    sr: int, *, bass: float, treble: float, band: float, hz: float
) -> NDArray[np.float64]:
    """Return the filters of an equalizer: a knob for bass, one for treble, a band between.

    Robert Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients".

    Parameters
    ----------
    sr : int
        Sample rate (Hz), above 6000.
    bass, treble : float
        Gain (dB) far below 100 Hz and far above 3 kHz; half of it there.
    band : float
        Gain (dB) at ``hz``.
    hz : float in (0, sr / 2)
        Middle of the band, whose Q is that of the shelves: 0.707.

    Returns
    -------
    np.ndarray [shape=(3, 6)]
        Second-order sections ``b0 b1 b2 a0 a1 a2``.
    """
    cos, alpha = _angle(sr, hz)
    a = 10 ** (band / 40)
    peak = [1 + alpha * a, -2 * cos, 1 - alpha * a, 1 + alpha / a, -2 * cos, 1 - alpha / a]
    sections = np.array([_shelf(sr, _BASS, bass, 1), _shelf(sr, _TREBLE, treble, -1), peak])
    normed: NDArray[np.float64] = sections / sections[:, 3:4]
    return normed


def _shelf(sr: int, hz: float, db: float, side: int) -> list[float]:
    """Coefficients of the shelf below (``side=1``) or above (-1) a frequency."""
    cos, alpha = _angle(sr, hz)
    a = 10 ** (db / 40)
    less, more, slope = side * (a - 1) * cos, side * (a + 1) * cos, 2 * math.sqrt(a) * alpha
    return [
        a * (a + 1 - less + slope),
        2 * a * side * (a - 1 - more),
        a * (a + 1 - less - slope),
        a + 1 + less + slope,
        -2 * side * (a - 1 + more),
        a + 1 + less - slope,
    ]


def _angle(sr: int, hz: float) -> tuple[float, float]:
    angle = 2 * math.pi * hz / sr
    return math.cos(angle), math.sin(angle) / 2 / _Q


def mix(y: Tensor, other: Tensor, generator: torch.Generator) -> Tensor:
    """Mix another clip into one, 0 to 9 dB below it; a shorter one is repeated.

    Parameters
    ----------
    y, other : Tensor [shape=(n,) and (m,), float32]
        Samples of both.
    generator : torch.Generator
        Where the balance comes from.

    Returns
    -------
    Tensor [shape=(n,), float32]
    """
    other = other.repeat(math.ceil(len(y) / len(other)))[: len(y)]
    balance = 10 ** (-9 / 20 * float(torch.rand((), generator=generator)))
    level = y.square().mean().sqrt() / other.square().mean().sqrt().clamp_min(1e-9)
    return (y + balance * level * other) / math.sqrt(1 + balance**2)


def transpose(y: Tensor, sr: int, generator: torch.Generator) -> Tensor:
    """Play faster and higher or slower and lower, as on a turntable, by up to 3 semitones.

    Parameters
    ----------
    y : Tensor [shape=(n,), float32]
        Samples.
    sr : int
        Their rate (Hz).
    generator : torch.Generator
        Where the speed comes from.

    Returns
    -------
    Tensor [shape=(m,), float32]
        Its length changes with the speed.
    """
    speed = 2 ** (float(torch.rand((), generator=generator)) / 2 - 0.25)
    return torch.from_numpy(soxr.resample(y.numpy(), sr * speed, sr, quality="HQ"))


def augment(power: Tensor, generator: torch.Generator) -> Tensor:
    """Distort mel power [batch, time, mel] in ways that should not change what is heard."""
    batch, time, mels = power.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(shape, generator=generator) * (high - low) + low

    # Equalizer: a tilt and a slow wave over the bands, up to 6 dB each.
    band = torch.linspace(-1, 1, mels)
    wave = torch.sin(3.14159 * (uniform(0.5, 2.0, batch, 1) * band + uniform(0, 2, batch, 1)))
    db = uniform(-6, 6, batch, 1) * band + uniform(-4, 4, batch, 1) * wave
    power = power * (10 ** (db / 10)).unsqueeze(1)
    # Noise at 15 to 60 dB below the window's mean, flat over the bands.
    level = power.mean(dim=(1, 2), keepdim=True) * 10 ** (-uniform(15, 60, batch, 1, 1) / 10)
    # Exponentially distributed; four times as fast as `exponential_`.
    noise = (1 - torch.rand(power.shape, generator=generator)).log_().neg_()
    power = power + level * noise
    # Half of the windows have lost their top bands, down to a telephone's, to a codec, a low sample
    # rate or an old recording; one in six has lost its bass to a small loudspeaker.
    at = torch.arange(mels)
    top = uniform(0.6, 1.0, batch, 1).masked_fill(uniform(0, 1, batch, 1) > 1 / 2, 1.0) * mels
    bottom = uniform(0.0, 0.15, batch, 1).masked_fill(uniform(0, 1, batch, 1) > 1 / 6, 0.0) * mels
    lost = 10 ** uniform(-8, -2, batch, 1)
    power = power * torch.where((at < top) & (at >= bottom), 1.0, lost).unsqueeze(1)
    return power


def mix_windows(
    power: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Mix other windows of a batch into some, 3 to 21 dB below them (mixup, Zhang et al. 2018).

    Parameters
    ----------
    power : Tensor [shape=(batch, time, mel)]
        Mel power.
    share : float in [0, 1]
        How many of the windows get another one mixed in.
    generator : torch.Generator
        Of all choices.

    Returns
    -------
    mixed : Tensor [shape=(batch, time, mel)]
    partner : Tensor [shape=(batch,), int]
        Which window was mixed into each.
    weight : Tensor [shape=(batch,), float]
        How much of a teacher's answer to the mixture is its answer to the partner: 0.3 at 3 dB,
        0.02 at 21 dB (fitted to answers of MusiCNN and mn04 to mixtures); 0 where nothing was
        mixed.
    """
    batch = len(power)
    partner = torch.randperm(batch, generator=generator)
    db = 3 + 18 * torch.rand(batch, generator=generator)
    mixed = torch.rand(batch, generator=generator) < share
    level = power.mean(dim=(1, 2)).clamp_min(1e-20)
    gain = torch.where(mixed, 10 ** (-db / 10) * level / level[partner], torch.zeros(batch))
    weight = torch.where(mixed, 0.38 * 10 ** (-db / 16), torch.zeros(batch))
    return power + gain[:, None, None] * power[partner], partner, weight


def mask(x: Tensor, generator: torch.Generator) -> Tensor:
    """Blank two bands and two spans of a compressed batch (SpecAugment, Park et al. 2019)."""
    batch, time, mels = x.shape
    x = x.clone()
    for axis, length, widest in ((2, mels, 10), (2, mels, 10), (1, time, 20), (1, time, 20)):
        width = torch.randint(0, widest + 1, (batch, 1), generator=generator)
        start = torch.randint(0, length - widest, (batch, 1), generator=generator)
        at = torch.arange(length)
        inside = (at >= start) & (at < start + width)
        x = x.masked_fill(inside.unsqueeze(3 - axis), 0.0)
    return x
