"""Other versions of the same music: altered waveforms, distorted mel power, masked patches.

Waveforms are altered before the teacher answers, and the student hears the very same version: a
teacher must be consistent (Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", CVPR 2022). Mel power is distorted on the device at each step, after the teacher has
answered: what it takes away must not change the answer.
"""

from __future__ import annotations

import math

import torch
import torchaudio.functional as ta
from torch import Tensor

__all__ = ["alter", "augment", "mask", "mix", "transpose"]

# torchaudio's filters clip at full scale: 20 dB of headroom for what they add.
_HEADROOM = 0.1
# Rates that a lossy copy may have been through; small ratios to 32 kHz resample fast.
_POOR_RATES = (8000, 12000, 16000)


def alter(y: Tensor, sr: int, generator: torch.Generator) -> Tensor:
    """Alter a waveform as recordings differ: level, equalizer, dull, noisy or poor copies.

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
        Gain within 6 dB; bass (below 100 Hz), treble (above 3 kHz) and one band each within 6 dB;
        a third of all low-passed at 2.5 to 8 kHz, a third with noise 20 to 50 dB below the music,
        a quarter resampled to 8, 12 or 16 kHz and back.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    peak = float(y.abs().max())
    if peak == 0.0:
        return y
    x = y * (_HEADROOM / peak)
    x = ta.bass_biquad(x, sr, uniform(-6, 6))
    x = ta.treble_biquad(x, sr, uniform(-6, 6))
    x = ta.equalizer_biquad(x, sr, 200 * 25 ** uniform(0, 1), uniform(-6, 6))
    if uniform(0, 1) < 1 / 3:
        x = ta.lowpass_biquad(x, sr, 2500 * 3.2 ** uniform(0, 1))
    if uniform(0, 1) < 1 / 3:
        noise = torch.empty_like(x).normal_(generator=generator)
        x = ta.add_noise(x, noise, torch.tensor(uniform(20, 50)))
    if uniform(0, 1) < 1 / 4:
        rate = _POOR_RATES[int(uniform(0, len(_POOR_RATES)))]
        if rate < sr:
            x = ta.resample(ta.resample(x, sr, rate), rate, sr)[: len(y)]
    altered: Tensor = ta.gain(x * (peak / _HEADROOM), uniform(-6, 6))
    return altered


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
    # In steps of 1 %, so that the resampler's table stays small.
    played: Tensor = ta.resample(y, sr * round(100 * speed), sr * 100)
    return played


def augment(power: Tensor, generator: torch.Generator) -> Tensor:
    """Distort mel power [batch, time, mel] in ways that do not change the music."""
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
    # One window in six has lost its top bands to a codec or a low sample rate.
    cut = (uniform(0.7, 1.0, batch, 1) * mels).masked_fill(uniform(0, 1, batch, 1) > 1 / 6, mels)
    power = power * torch.where(torch.arange(mels) < cut, 1.0, 1e-4).unsqueeze(1)
    return power


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
