"""What the student hears of a window: another equalizer, some noise, a lost treble, masked patches.

All of it acts on mel power, on the device, after the teacher has answered for the clean window.
"""

from __future__ import annotations

import torch
from torch import Tensor

from musicu.mel import FrontEnd

__all__ = ["augment", "compress", "mask"]


def compress(power: Tensor, front_end: FrontEnd) -> Tensor:
    """Compress mel power [batch, time, mel] as :func:`musicu.mel.compress` does."""
    if front_end.level == "window":
        power = power / power.mean(dim=(1, 2), keepdim=True).clamp_min(1e-20)
    x = torch.log10(front_end.offset + front_end.gain * power)
    return (x - front_end.mean) / front_end.std


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
    power = power + level * torch.empty_like(power).exponential_(generator=generator)
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
