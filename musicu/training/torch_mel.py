"""The front end of :mod:`musicu.audio.mel` in torch: the same numbers, on any device."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram

from musicu.audio.mel import LogMel

__all__ = ["TorchMel", "compress"]


class TorchMel(nn.Module):
    """Turn waveforms into log-mel frames, as a module that moves to a device.

    Parameters
    ----------
    front_end : LogMel
        The settings.
    """

    def __init__(self, front_end: LogMel) -> None:
        super().__init__()
        self.front_end = front_end
        self.mel = MelSpectrogram(
            sample_rate=front_end.sr,
            n_fft=front_end.n_fft,
            hop_length=front_end.hop_length,
            f_min=front_end.fmin,
            f_max=front_end.fmax,
            n_mels=front_end.n_mels,
            power=front_end.power,
            norm=front_end.norm,
            mel_scale="htk" if front_end.htk else "slaney",
            center=True,
            pad_mode="constant",
        )

    def power(self, y: Tensor) -> Tensor:
        """Mel power (or magnitude) [batch, t, n_mels] of samples [batch, n]."""
        frames: Tensor = self.mel(y)
        return frames.transpose(-1, -2)

    def forward(self, y: Tensor) -> Tensor:
        """Compressed frames [batch, t, n_mels] of samples [batch, n]: each row is one window."""
        return compress(self.power(y), self.front_end)


def compress(power: Tensor, front_end: LogMel) -> Tensor:
    """Compress mel power [batch, time, mel] as :func:`musicu.audio.mel.compress` does."""
    if front_end.level == "window":
        power = power / power.mean(dim=(1, 2), keepdim=True).clamp_min(1e-20)
    x = torch.log10(front_end.offset + front_end.gain * power)
    return (x - front_end.mean) / front_end.std
