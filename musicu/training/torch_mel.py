"""The compression of :mod:`musicu.audio.mel` in torch: the same numbers, on any device."""

from __future__ import annotations

from torch import Tensor

from musicu.audio.mel import LogMel

__all__ = ["compress"]


def compress(power: Tensor, front_end: LogMel) -> Tensor:
    """Compress mel power as :func:`musicu.audio.mel.compress` does.

    Parameters
    ----------
    power : Tensor [shape=(batch, time, mel), float32]
        Linear mel power or magnitude, >= 0.
    front_end : LogMel
        The settings.

    Returns
    -------
    Tensor [same shape]
        What a network hears.
    """
    if front_end.level == "window":
        power = power / power.mean(dim=(1, 2), keepdim=True).clamp_min(1e-20)
    x = (front_end.offset + front_end.gain * power).log10()
    return (x - front_end.mean) / front_end.std
