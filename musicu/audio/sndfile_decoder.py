"""Decode with libsndfile: the second opinion on files that FFmpeg cannot open."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musicu.audio.media import StreamInfo, open_source, unreadable
from musicu.errors import AudioError

__all__ = ["decode_sndfile"]

Array = NDArray[np.float32]

_BLOCK = 65536  # samples


def decode_sndfile(info: StreamInfo) -> Iterator[tuple[Array, int]]:
    """Decode a file; see :data:`musicu.audio.decode.Decoder`."""
    import soundfile

    try:
        # Without a name libsndfile cannot take any bytes under "*.au" for raw samples.
        with _SndFile(info.path) as raw, soundfile.SoundFile(raw) as file:
            info.begin(file.samplerate, file.channels)
            info.native_sr, info.channels = file.samplerate, file.channels
            info.codec = f"{file.format}/{file.subtype}".lower()
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                yield np.ascontiguousarray(block.T), file.samplerate
    except soundfile.SoundFileError as error:
        raise AudioError(info.path, str(error)) from None
    except OSError as error:
        raise unreadable(info.path, error) from None
    if info.digest:  # of packets that FFmpeg saw and could not decode: it has said so
        return
    # FFmpeg saw no packets here, so the identity is that of the file's bytes.
    info.problem = None
    with open_source(info.path) as content:
        info.digest = hashlib.file_digest(content, "sha256").hexdigest()[:32]


class _SndFile(io.FileIO):
    """A file as libsndfile likes it; after a damaged header it seeks before the start."""

    @property
    def name(self) -> str:
        """Nothing: by a name like "*.raw" soundfile would take any bytes for samples."""
        return ""

    @name.setter
    def name(self, name: str) -> None:
        pass

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return self.tell()
