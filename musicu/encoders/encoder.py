"""The encoder: windows of log-mel or samples in, unit vectors out, by ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.audio.decode import LARGEST
from musicu.audio.media import MOST_CHANNELS
from musicu.audio.windower import Windower
from musicu.encoders.model import Model
from musicu.encoders.registry import find_model
from musicu.encoders.runtime import open_session
from musicu.errors import AudioError, ModelError

__all__ = ["SILENCE", "Embedder", "Encoder", "Network"]

Array = NDArray[np.float32]

# Below a peak of -100 dBFS there is nothing but the dither of 16-bit silence.
SILENCE = 1e-5
# Windows a call, and seconds of audio in them: enough to amortize the call, few enough to stay in
# cache.
_BATCH, _BATCH_SECONDS = 8, 24.0
# Two unit vectors nearer than this are one: single precision leaves a tenth of it.
_CONSTANT = 1e-5


class Network:
    """A model's graph, opened: prepared windows in, any of its outputs out.

    Parameters
    ----------
    model : Model
        Which one.

    Attributes
    ----------
    input : str
        Name of the input that windows go to.
    inputs : dict of str to list
        Shapes of the graph's inputs, by name.
    outputs : list of str
        Names of its outputs.

    Raises
    ------
    ModelError
        The weights are not a graph that runs here.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        try:
            self._session = open_session(model.graph())
        except ModelError as error:
            raise ModelError(f"{model.weights}: {error}") from None
        self.inputs = {i.name: i.shape for i in self._session.get_inputs()}
        self.outputs = [o.name for o in self._session.get_outputs()]
        self.input = model.input or next(iter(self.inputs))
        self._rank = len(self.inputs.get(self.input, ()))

    def run(self, windows: Array, outputs: Sequence[str]) -> list[Array]:
        """Run on prepared windows [n, window, ...]; return the outputs as they are."""
        if self.model.layout == "mel-time":
            windows = np.ascontiguousarray(windows.transpose(0, 2, 1))
        if self._rank == windows.ndim + 1:  # it wants an axis of channels
            windows = windows[:, None]
        results: list[Array] = self._session.run(list(outputs), {self.input: windows})
        return results

    def run_noise(self, outputs: Sequence[str]) -> list[Array]:
        """Run on two windows of noise, bright and dull.

        Raises
        ------
        ModelError
            It does not run on its front end's windows.
        """
        fe = self.model.front_end
        try:
            return self.run(fe.prepare(fe.noise()), outputs)
        except Exception as error:  # ONNX Runtime's errors have no common root
            first = str(error).splitlines()[0]
            raise ModelError(
                f"{self.model.weights}: does not run on its windows ({first})"
            ) from None


class Encoder:
    """A model, ready to embed.

    Parameters
    ----------
    model : Model
        Which one.

    Raises
    ------
    ModelError
        It does not run here, or gives no vectors (see :meth:`check`).

    Examples
    --------
    >>> y, sr = musicu.load("fixtures/tone.flac")
    >>> encoder = Encoder.from_pretrained()
    >>> encoder.embed(y, sr).shape
    (256,)
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._network = network = Network(model)
        self._output = model.output or network.outputs[0]
        if network.input not in network.inputs or self._output not in network.outputs:
            raise ModelError(
                f"{model.weights}: has inputs {', '.join(network.inputs)} and outputs "
                f"{', '.join(network.outputs)}, not {network.input!r} and {self._output!r}"
            )
        self.check()

    def __repr__(self) -> str:
        return f"Encoder({self.model.id}, {self.dim} dimensions)"

    @classmethod
    def from_pretrained(cls, name: str | os.PathLike[str] | None = None) -> Encoder:
        """Load a model by name or folder; None is the default model.

        Raises
        ------
        ModelError
            There is no such model, or its folder is damaged.
        """
        return cls(find_model(name))

    @property
    def dim(self) -> int:
        """Length of an embedding."""
        return self.model.dim

    def embed(self, y: Array, sr: int) -> Array:
        """Embed a whole track.

        Parameters
        ----------
        y : np.ndarray [shape=(n,) or (channels, n), float]
            Samples, full scale = 1; channels are averaged.
        sr : int > 0
            Their rate (Hz).

        Returns
        -------
        np.ndarray [shape=(dim,), float32]
            Unit vector: the mean over the track's windows, those near silence left out.

        Raises
        ------
        AudioError
            The signal is empty, silent, or not made of numbers.
        ModelError
            The model gives no vector for it.
        """
        return self._embedder(y, sr, most=self.model.most_windows).track()

    def embed_windows(self, y: Array, sr: int) -> tuple[Array, NDArray[np.float64]]:
        """Embed each window of a track.

        Parameters
        ----------
        y, sr
            As for :meth:`embed`.

        Returns
        -------
        vectors : np.ndarray [shape=(n, dim), float32]
            Unit vectors; a window of which the network says nothing but zeros stays zero.
        times : np.ndarray [shape=(n,), float64]
            Start of each window (s).

        Raises
        ------
        AudioError, ModelError
            As for :meth:`embed`.
        """
        embedder = self._embedder(y, sr)
        return _units(embedder.windows), np.array(embedder.times)

    def _embedder(self, y: Array, sr: int, *, most: int | None = None) -> Embedder:
        y = np.atleast_2d(y)
        if y.ndim != 2 or y.size == 0 or len(y) > MOST_CHANNELS:
            raise AudioError("<array>", f"samples must be [n] or [channels, n], not {y.shape}")
        if not np.abs(y).max() < LARGEST:  # nor is NaN
            raise AudioError("<array>", "samples that are not numbers, or beyond any scale")
        y = y.mean(axis=0).astype(np.float32, copy=False)
        if np.abs(y).max() < SILENCE:
            raise AudioError("<array>", "silence: nothing to embed")
        if sr != self.model.front_end.sr:
            import soxr

            y = soxr.resample(y, sr, self.model.front_end.sr, quality="HQ")
        embedder = Embedder(self, most=most)
        embedder.push(y)
        embedder.finish()
        return embedder

    def run(self, windows: Array) -> Array:
        """Run the network on prepared windows [n, window, ...]; return [n, dim] as is.

        Raises
        ------
        ModelError
            What comes is no finite [n, dim].
        """
        (result,) = self._network.run(windows, [self._output])
        self._check_result(result, len(windows))
        return result

    def check(self) -> None:
        """Prove that the network takes the front end's windows, and tells them apart.

        Raises
        ------
        ModelError
            It does not run on them, returns no finite [n, dim], zeros, or the same whatever it
            hears.
        """
        (result,) = self._network.run_noise([self._output])
        self._check_result(result, 2)
        vectors = _units(result)
        if not vectors.any(axis=1).all():
            raise ModelError(f"{self.model.weights}: returns zeros: that is no vector")
        if np.linalg.norm(vectors[0] - vectors[1]) < _CONSTANT:
            raise ModelError(f"{self.model.weights}: returns the same vector whatever it hears")

    def _check_result(self, result: Array, n: int) -> None:
        if result.shape != (n, self.dim):
            raise ModelError(
                f"{self.model.weights}: returns {list(result.shape)} for {n} windows, "
                f"not finite [{n}, {self.dim}]"
            )
        if not np.isfinite(result).all():
            raise ModelError(f"{self.model.weights}: returns numbers that are not finite")


class Embedder:
    """Embed a track that arrives in blocks, without holding it.

    Parameters
    ----------
    encoder : Encoder
        The encoder; blocks come at its front end's rate.
    most : int or None
        Embed so many windows at most, evenly spaced over the track: whenever there are more, every
        other one is dropped. They then wait for the track's end. None: all, as they come.

    Attributes
    ----------
    times : list of float
        Start of each window so far (s).
    """

    def __init__(self, encoder: Encoder, *, most: int | None = None) -> None:
        self._encoder = encoder
        self._most, self._step, self._seen = most, 1, 0
        self._front_end = front_end = encoder.model.front_end
        self._frames = front_end.stream()
        self._windower = Windower(front_end)
        self._batch = max(1, min(_BATCH, round(_BATCH_SECONDS / front_end.window_seconds)))
        self._waiting: list[Array] = []
        self._vectors: list[Array] = []
        self._levels: list[float] = []
        self.times: list[float] = []

    def push(self, y: Array) -> None:
        """Take the next mono samples [n] float32."""
        self._take(self._windower.push(self._frames.push(y)))

    def finish(self) -> None:
        """Take note that the track is over."""
        self._take(self._windower.push(self._frames.finish()))
        self._take(self._windower.finish())
        self._flush()

    @property
    def windows(self) -> Array:
        """The windows' vectors [n, dim] as the network gave them."""
        return np.concatenate(self._vectors)

    def track(self) -> Array:
        """Pool the windows into the track's unit vector [dim].

        A window far below the loudest one (``gate_db``: a fade, a pause, a noisy lead-in) says
        little about the music and is left out. The gate is relative, so a gain changes nothing.

        Raises
        ------
        ModelError
            The windows' mean is zero: no direction, and no fault of the track's.
        """
        vectors = self.windows
        if self._encoder.model.gate_db is not None:
            levels = np.array(self._levels)
            power = self._front_end.power
            gate = levels.max() * 10 ** (-self._encoder.model.gate_db / (20 / power))
            vectors = vectors[levels >= gate]
        unit: Array = _units(vectors.mean(axis=0, dtype=np.float64, keepdims=True))[0]
        if not unit.any():
            raise ModelError(f"{self._encoder.model.weights}: returns zeros: that is no vector")
        return unit

    def _take(self, windows: Iterable[tuple[float, Array]]) -> None:
        for time, window in windows:
            wanted = self._seen % self._step == 0
            self._seen += 1
            if not wanted:
                continue
            self.times.append(time)
            # A copy, where it waits for long: the window is a part of a larger block.
            self._waiting.append(window.copy() if self._most else window)
            if self._most and len(self._waiting) > self._most:
                del self.times[1::2], self._waiting[1::2]
                self._step *= 2
            elif not self._most and len(self._waiting) == self._batch:
                self._flush()

    def _flush(self) -> None:
        for at in range(0, len(self._waiting), self._batch):
            windows = np.stack(self._waiting[at : at + self._batch])
            self._levels += self._front_end.levels(windows).tolist()
            self._vectors.append(self._encoder.run(self._front_end.prepare(windows)))
        self._waiting.clear()


def _units(vectors: NDArray[np.floating]) -> Array:
    # In double precision no square of a number of single precision is lost, nor too large.
    return unit_rows(vectors.astype(np.float64)).astype(np.float32)
