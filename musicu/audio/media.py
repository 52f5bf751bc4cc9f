"""Audio files as they are opened: which formats, and what becomes known while one is read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import Any

from musicu.audio.header_checks import Promise
from musicu.audio.source import Source
from musicu.errors import AudioError

__all__ = [
    "CHANCE_FORMATS",
    "MOST_CHANNELS",
    "StreamInfo",
    "check_file",
    "check_room",
    "open_media",
    "open_source",
    "unreadable",
]

# Only these demuxers may open a file. FFmpeg guesses by content, and its playlist and image readers
# would otherwise follow references out of the file or take a cover picture for a stream.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,tta,w64,wav,wv"
)
# Of these, the ones that are found by a sync word of 11 to 16 bits, which chance writes, too.
CHANCE_FORMATS = ("aac", "ac3", "eac3", "mp3")
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}

# A damaged header may state anything. DSD512 decodes at 2.8 MHz; FFmpeg mixes up to 64 channels.
_RATES = range(1000, 3_000_000)
MOST_CHANNELS = 64
# Bytes that are left where memory is not short, and more than any part of a file has.
_ROOM, _LARGEST_PART = 1 << 26, 1 << 28


@dataclass(kw_only=True)
class StreamInfo:
    """What becomes known of a file's audio while a decoder reads it.

    Attributes
    ----------
    path : str
        The file.
    keep_channels : bool
        Whether blocks must keep their channels; else a decoder may average them.
    codec : str
        Name of the decoder.
    container : str
        FFmpeg's name of the format.
    native_sr, channels : int
        Rate (Hz) and number of channels of the file.
    seconds : float
        Length of the audio that was read.
    peak : float
        Largest absolute value of the mono mix, before resampling (full scale = 1).
    digest : str
        Identity of the audio (see :func:`musicu.audio.decode.identify`), 32 hex digits.
    problem : str or None
        What could not be read of a file that was read in part.
    promise : Promise
        What its headers state.
    tick : float
        Unit of the packets' times (s).
    next_stream : int or None
        Where another stream begins, from the begin of this one, that only reading could tell.
    """

    path: str
    keep_channels: bool = False
    codec: str = ""
    container: str = ""
    native_sr: int = 0
    channels: int = 0
    seconds: float = 0.0
    peak: float = 0.0
    digest: str = ""
    problem: str | None = None
    promise: Promise = field(default_factory=Promise)
    tick: float = 0.0
    next_stream: int | None = None

    def note(self, problem: str) -> None:
        """Keep a problem, if it is the first."""
        if self.problem is None:
            self.problem = problem

    def begin(self, rate: int, channels: int) -> None:
        """Take note of a format, the first of which is the file's.

        Raises
        ------
        AudioError
            No audio has such a format.
        """
        if rate not in _RATES or not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(self.path, f"not audio: {channels} channels at {rate} Hz")
        if not self.native_sr:
            self.native_sr, self.channels = rate, channels


def check_file(path: str) -> None:
    """Make sure that a path is a file that holds something.

    Raises
    ------
    AudioError
        It is not.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(path, "a folder, not an audio file")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "not a regular file")
    if status.st_size == 0:
        raise AudioError(path, "empty file (0 bytes)")


def check_room(error: MemoryError, size: int) -> None:
    """Make sure that it was a file, not want of memory, that FFmpeg had no memory for.

    No part of a file is larger than all of it: where there is room for that, and to spare, what
    FFmpeg asked for is a size that is damaged.

    Parameters
    ----------
    error : MemoryError
        What FFmpeg raised.
    size : int
        Bytes of the file, or of the packet.

    Raises
    ------
    MemoryError
        There is no room, or another library than FFmpeg found none.
    """
    import av

    if not isinstance(error, av.FFmpegError):
        raise error
    bytearray(_ROOM + min(size, _LARGEST_PART))


def open_source(path: str) -> Source:
    """Open the bytes between a file's tag blocks.

    Raises
    ------
    AudioError
        The system does not let us read it.
    """
    try:
        return Source(path)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: str, error: OSError) -> AudioError:
    """Return the error for a file that the system does not let us read."""
    return AudioError(path, (error.strerror or str(error)).lower(), cause="system")


def open_media(source: Any, *, options: dict[str, str] | None = None, **keywords: Any) -> Any:
    """Open a file with FFmpeg, as one of the formats that are read here and without leaving it.

    Parameters
    ----------
    source : str or binary file
        An address such as ``"file:/music/a.flac"``, or what is open already.
    options : dict of str to str or None
        For FFmpeg, besides those that keep it from leaving the file.
    **keywords
        Of :func:`av.open`.

    Returns
    -------
    av.container.InputContainer
        Bytes of its metadata that are not UTF-8 are lone surrogates (``surrogateescape``).

    Raises
    ------
    av.FFmpegError
        It is none of these formats, or damaged.
    """
    import av

    # Tags that are not UTF-8 must not keep the audio from being read; PyAV 19 bears them unasked.
    old = int(av.__version__.split(".")[0]) < 19
    lenient: dict[str, Any] = {"metadata_errors": "surrogateescape"} if old else {}
    return av.open(source, options=(options or {}) | _OPTIONS, **lenient, **keywords)
