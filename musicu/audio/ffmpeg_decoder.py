"""Decode with FFmpeg (PyAV), which reads every format and averages the channels in C."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.audio.demux import packets
from musicu.audio.media import CHANCE_FORMATS, StreamInfo, check_room
from musicu.errors import AudioError

__all__ = ["decode_ffmpeg"]

Array = NDArray[np.float32]

# Native samples a block: large enough that Python's share is small, small enough to stay in cache.
_BLOCK = 65536
# Codecs that keep floats as they are. All others write full scale as 1: what a lossy one adds to
# loud music stays below 2, and a source that was louder below this.
_FLOAT_CODECS = ("pcm_f", "wavpack")
_LOUDEST = 4.0
# A file with a sound head is kept for what it has, unless so many times as much cannot be decoded.
_MOSTLY = 4


def decode_ffmpeg(info: StreamInfo) -> Iterator[tuple[Array, int]]:
    """Decode a file; see :data:`musicu.audio.decode.Decoder`."""
    import av

    mixer: _Mixer | None = None
    bad = good = 0
    for packet in packets(info):
        try:
            frames = packet.decode()
        except MemoryError as error:
            check_room(error, packet.size)
            bad += 1
            continue
        except av.FFmpegError:
            bad += 1
            continue
        good += bool(frames)
        for frame in frames:
            key = (frame.format.name, frame.layout.name, frame.sample_rate)
            if mixer is None or mixer.key != key:
                if mixer:
                    yield from mixer.finish()
                info.begin(frame.sample_rate, frame.layout.nb_channels)
                mixer = _Mixer(frame, key, keep_channels=info.keep_channels)
            yield from mixer.push(frame)
    if bad > good * (1 if info.container in CHANCE_FORMATS else _MOSTLY):
        # Random bytes under an audio name, in which FFmpeg finds a few frames that look like
        # sound; or a decoder that was told something wrong, and writes noise now and then.
        info.problem = f"not audio: {bad} of {bad + good} packets cannot be decoded"
        raise AudioError(info.path, info.problem)
    if mixer is None:
        raise AudioError(info.path, info.problem or "no audio samples")
    yield from mixer.finish()
    if broken := info.promise.broken(info.seconds):
        info.note(broken)
    if bad:
        info.note(f"{bad} of {bad + good} packets could not be decoded")
    if info.peak > _LOUDEST and not info.codec.startswith(_FLOAT_CODECS):
        info.note(f"decodes to {info.peak:.0f} times full scale")


class _Mixer:
    """FFmpeg's filter graph from a decoder's frames to float blocks; the mixing is done in C.

    FFmpeg's own downmix is 3 dB louder than the mean, hence the explicit ``pan``.
    """

    def __init__(self, frame: Any, key: tuple[str, str, int], *, keep_channels: bool) -> None:
        from av.filter import Graph

        self.key = key
        self.rate = frame.sample_rate
        self.channels = frame.layout.nb_channels
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            channels=self.channels,
            time_base=frame.time_base,
        )
        # PyAV reads beyond the planes of more than 8 channels; interleaved there is one plane.
        self._interleaved = keep_channels and self.channels > 8
        sample_format = "flt" if self._interleaved else "fltp"
        nodes = [source, self._graph.add("aformat", f"sample_fmts={sample_format}")]
        if self.channels > 1 and not keep_channels:
            share = 1.0 / self.channels
            mean = "+".join(f"{share:.9f}*c{i}" for i in range(self.channels))
            nodes.append(self._graph.add("pan", f"mono|c0={mean}"))
        nodes.append(self._graph.add("asetnsamples", f"n={_BLOCK}:p=0"))
        nodes.append(self._graph.add("abuffersink"))
        for upper, lower in zip(nodes, nodes[1:], strict=False):
            upper.link_to(lower)
        self._graph.configure()
        self._waiting = 0

    def push(self, frame: Any) -> Iterator[tuple[Array, int]]:
        """Take a frame; yield the blocks [channels, n] that are full, with their rate."""
        self._graph.push(frame)
        self._waiting += frame.samples
        if self._waiting >= _BLOCK:
            self._waiting %= _BLOCK
            yield from self._pull()

    def finish(self) -> Iterator[tuple[Array, int]]:
        """Yield what is left."""
        self._graph.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[tuple[Array, int]]:
        import av

        while True:
            try:
                block = self._graph.pull().to_ndarray().astype(np.float32, copy=False)
            except (av.BlockingIOError, av.EOFError):
                return
            if self._interleaved:
                block = np.ascontiguousarray(block.reshape(-1, self.channels).T)
            yield block, self.rate
