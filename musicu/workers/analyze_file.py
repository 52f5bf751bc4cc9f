"""All that is read from one file, in one pass over its audio."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicu.audio.decode import AudioStream
from musicu.encoders.encoder import SILENCE, Embedder, Encoder
from musicu.errors import AudioError
from musicu.metadata.fields import Metadata
from musicu.metadata.file_tags import read_tags
from musicu.workers.failure_causes import cause_of

if TYPE_CHECKING:
    from musicu.audio.loudness import Loudness, LoudnessMeter

__all__ = ["Analysis", "analyze", "tags_of"]

_DESCRIBE_SR = 16000


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What is known of a file's audio.

    Attributes
    ----------
    id : str
        Identity of the audio, 32 hex digits (see :func:`musicu.audio.decode.identify`).
    seconds : float
        Length of what could be read.
    codec : str
        Name of the decoder.
    sr, channels : int
        Rate (Hz) and channels of the file.
    problem : str or None
        What could not be read of a file that was read in part.
    metadata : Metadata
        The file's tags.
    tags_problem : str or None
        Why the tags could not be read, where they could not.
    vector : np.ndarray [shape=(dim,), float32] or None
        The embedding, if an encoder was given.
    descriptors : dict or None
        See :class:`musicu.audio.descriptors.Descriptors`, if asked for.
    """

    id: str
    seconds: float
    codec: str
    sr: int
    channels: int
    problem: str | None
    metadata: Metadata
    tags_problem: str | None = None
    vector: NDArray[np.float32] | None = None
    descriptors: dict[str, Any] | None = None


def analyze(
    path: str | os.PathLike[str],
    encoder: Encoder | None = None,
    *,
    describe: bool = False,
    longest: float | None = None,
) -> Analysis:
    """Decode a file once; identify, embed and describe it on the way.

    Parameters
    ----------
    path : str or path-like
        The file.
    encoder : Encoder or None
        Embed with this one.
    describe : bool
        Compute descriptors too.
    longest : float > 0 or None
        Refuse a file as soon as more seconds than these were decoded; None is no limit.

    Raises
    ------
    AudioError
        Nothing can be read, all is silence, or it is longer than allowed.
    """
    from musicu.audio.descriptors import Describer

    sr = encoder.model.front_end.sr if encoder else _DESCRIBE_SR
    embedder = Embedder(encoder, most=encoder.model.most_windows) if encoder else None
    describer = Describer(sr) if describe else None
    loudness = _Loudness()
    stream = AudioStream(path, sr=sr, tap=loudness.push if describe else None)
    for block in stream:
        # What was decoded counts: a header may claim anything, and an hour of silence is 100 kB.
        if longest is not None and stream.seconds > longest:
            raise AudioError(stream.path, f"longer than {longest:g} s")
        if embedder:
            embedder.push(block)
        if describer:
            describer.push(block)
    if stream.peak < SILENCE:
        raise AudioError(stream.path, "silence: nothing to embed")
    if embedder:
        embedder.finish()
    metadata, tags_problem = tags_of(stream.path)
    return Analysis(
        id=stream.digest,
        seconds=round(stream.seconds, 3),
        codec=stream.codec,
        sr=stream.native_sr,
        channels=stream.channels,
        problem=stream.problem,
        metadata=metadata,
        tags_problem=tags_problem,
        vector=embedder.track() if embedder else None,
        descriptors=describer.finish(loudness.result()).to_dict() if describer else None,
    )


class _Loudness:
    """Loudness of a file as it is decoded, before its channels are averaged."""

    def __init__(self) -> None:
        self._meter: LoudnessMeter | None = None
        self._format = (0, 0)

    def push(self, block: NDArray[np.float32], rate: int) -> None:
        """Add a block [channels, samples]."""
        if self._meter is None:
            from musicu.audio.loudness import LoudnessMeter

            self._meter, self._format = LoudnessMeter(rate, len(block)), (rate, len(block))
        # A stream that changes its format midway is measured as far as its first format goes.
        if self._format == (rate, len(block)):
            self._meter.push(block)

    def result(self) -> Loudness | None:
        """Return what was measured; None of no blocks."""
        return self._meter.result() if self._meter else None


def tags_of(path: str | os.PathLike[str]) -> tuple[Metadata, str | None]:
    """Read a file's tags, which may be worse than its audio and never stand in its way.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    metadata : Metadata
        Empty, if they cannot be read.
    problem : str or None
        Why they cannot be read.

    Raises
    ------
    AudioError, OSError, ImportError
        The file, or what reads its tags, cannot be opened now.
    """
    try:
        return read_tags(path), None
    except Exception as error:
        cause = cause_of(error)
        if cause == "system":  # no fault of the tags: they can be read another time
            raise
        if cause == "memory":
            return Metadata(), "its tags need too much memory"
        return Metadata(), f"its tags cannot be read ({type(error).__name__}: {error})"
