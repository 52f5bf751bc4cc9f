"""Teachers: encoders whose answers are learned, whatever rate and window they hear."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.audio.mel import LogMel
from musicu.encoders.encoder import Encoder, Network
from musicu.encoders.registry import find_model
from musicu.errors import ModelError
from musicu.training.openvino_network import OpenVinoNetwork

__all__ = ["Teacher"]

Array = NDArray[np.float32]

# Windows a call: enough to amortize the call, few enough to stay in cache.
_BATCH = 8
# A teacher whose windows are so many times as long as the student's hears fewer of them.
_LONG = 2.0


class Teacher:
    """An encoder to learn from.

    Parameters
    ----------
    spec : str or path-like
        A model's name or folder; ``MODEL:output1+output2`` names its outputs. Else they are those
        of its ``config.json``, which may be several, too, joined by ``+``.
    fast : bool
        Run it in OpenVINO, in bfloat16 where the processor can: a quarter of the time, and answers
        that are the same to a cosine of .9999. Only if it hears log-mel windows: of samples it
        computes spectra, whose logarithms bfloat16 distorts (.96).

    Attributes
    ----------
    model : Model
        The model.
    outputs : tuple of str
        Names of the outputs.
    dims : tuple of int
        Their lengths.
    fast : bool
        Whether it runs in OpenVINO.

    Raises
    ------
    ModelError
        There is no such model or output, or it does not run on its windows.
    """

    def __init__(self, spec: str | os.PathLike[str], *, fast: bool = False) -> None:
        spec = os.fspath(spec)
        name, colon, outputs = spec.rpartition(":")
        if not colon or Path(spec).is_dir():
            name, outputs = spec, ""
        self.model = find_model(name)
        self.outputs = tuple((outputs or self.model.output).split("+"))
        if len(self.outputs) == 1 and not outputs:
            Encoder(self.model)
        network = Network(self.model)
        there = network.outputs
        self.outputs = tuple(output or there[0] for output in self.outputs)
        if missing := [output for output in self.outputs if output not in there]:
            raise ModelError(
                f"{self.model.weights}: has the outputs {', '.join(there)}, "
                f"not {', '.join(missing)}"
            )
        self.fast = fast and isinstance(self.model.front_end, LogMel)
        self._network = OpenVinoNetwork(self.model) if self.fast else network
        self.dims = self._prove(network)

    @property
    def name(self) -> str:
        """Id, version and outputs."""
        return f"{self.model.name}:{'+'.join(self.outputs)}"

    def key(self, front_end: LogMel) -> str:
        """Name what decides its answers to a student's windows: 16 hex digits."""
        heard = dict(vars(self.model.front_end))
        del heard["window_hop"]
        timing = front_end.sr, front_end.hop_length, front_end.window
        how = [heard, timing, _LONG, *(["bfloat16"] if self.fast else [])]
        about = [self.model.sha256, self.outputs, self.model.layout, *how]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]

    def answer(self, y: Array, sr: int, starts: NDArray[np.int64], student: LogMel) -> Array:
        """Answer for windows of a clip.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), float32]
            Samples.
        sr : int
            Their rate (Hz).
        starts : np.ndarray [shape=(w,), int64]
            First frames of the student's windows.
        student : LogMel
            What the student hears.

        Returns
        -------
        np.ndarray [shape=(w, sum(dims)), float32]
            Its outputs end to end. It hears as much as it is used to, centered on the student's
            window but inside the clip; a shorter clip is repeated, as
            :class:`musicu.audio.windower.Windower` does.
        """
        import soxr

        fe = self.model.front_end
        if sr != fe.sr:
            y = soxr.resample(y, sr, fe.sr, quality="HQ")
        stream = fe.stream()
        frames = np.concatenate([stream.push(y), stream.finish()])
        middle = (starts + (student.window - 1) / 2) * student.hop_length / student.sr
        own = np.rint(middle * fe.sr / fe.hop_length - (fe.window - 1) / 2).astype(np.int64)
        if fe.window_seconds > _LONG * student.window_seconds:
            # It says much the same of windows that overlap by more than three quarters.
            step = fe.window // 4
            own = (own + step // 2) // step * step
        own, which = np.unique(
            np.clip(own, 0, max(0, len(frames) - fe.window)), return_inverse=True
        )
        parts = []
        for i in range(0, len(own), _BATCH):
            at = (own[i : i + _BATCH, None] + np.arange(fe.window)) % len(frames)
            answers = self._network.run(fe.prepare(frames[at]), self.outputs)
            parts.append(np.concatenate(answers, axis=1))
        return np.concatenate(parts)[which]

    def _prove(self, network: Network) -> tuple[int, ...]:
        """Return the outputs' lengths; each has to be finite [n, dim], as in `Encoder.check`."""
        answers = network.run_noise(self.outputs)
        for name, answer in zip(self.outputs, answers, strict=True):
            if answer.ndim != 2 or len(answer) != 2 or not np.isfinite(answer).all():
                raise ModelError(
                    f"{self.model.weights}: output {name} is {list(answer.shape)} for 2 windows, "
                    "not finite [2, dim]"
                )
        return tuple(answer.shape[1] for answer in answers)
