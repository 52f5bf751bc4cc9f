"""The one table of audio formats: suffixes, media types, first bytes, and lossy codecs."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["AUDIO_SUFFIXES", "codec_name", "file_format", "is_lossy", "media_type"]

_UNKNOWN = "application/octet-stream"


@dataclass(frozen=True)
class _Format:
    """A format of files.

    Parameters
    ----------
    suffixes : str
        What their names end with, divided by spaces; the first is what a new file is given.
    media_type : str
        As HTTP calls it.
    marks : tuple of bytes
        How they begin.
    at : int
        Where that stands (bytes).
    codecs : str
        Codecs of streams that begin with a sync word, or with somebody's tag, and so are told by
        their decoder alone.
    """

    suffixes: str
    media_type: str
    marks: tuple[bytes, ...] = ()
    at: int = 0
    codecs: str = ""


_FORMATS = (
    _Format(".flac", "audio/flac", (b"fLaC",), codecs="flac"),
    _Format(".ogg .oga .spx", "audio/ogg", (b"OggS",)),
    _Format(".opus", "audio/ogg"),  # in Ogg, told by its codec
    _Format(".wav .wave", "audio/wav", (b"RIFF", b"RF64")),
    _Format(".m4a .m4b .mp4 .alac", "audio/mp4", (b"ftyp",), 4),
    _Format(".3gp", "audio/3gpp"),
    _Format(".aiff .aif .aifc", "audio/aiff", (b"FORM",)),
    _Format(".mka .webm", "audio/webm", (b"\x1aE\xdf\xa3",)),
    _Format(".wma", "audio/x-ms-wma", (b"0&\xb2u",)),
    _Format(".wv", "audio/x-wavpack", (b"wvpk",)),
    _Format(".ape", "audio/x-ape", (b"MAC ",)),
    _Format(".mpc", "audio/x-musepack", (b"MPCK", b"MP+")),
    _Format(".tta", "audio/x-tta", (b"TTA",)),
    _Format(".dsf", "audio/x-dsf", (b"DSD ",)),
    _Format(".dff", "audio/x-dff", (b"FRM8",)),
    _Format(".caf", "audio/x-caf", (b"caff",)),
    _Format(".w64", "audio/x-w64", (b"riff",)),
    _Format(".au", "audio/basic", (b".snd",)),
    _Format(".aac", "audio/aac", codecs="aac"),
    _Format(".ac3", "audio/ac3", codecs="ac3"),
    _Format(".ac3", "audio/eac3", codecs="eac3"),
    _Format(".mp2", "audio/mpeg", codecs="mp2"),
    _Format(".mp3", "audio/mpeg", codecs="mp3"),
)
_BY_SUFFIX = {
    suffix: row.media_type for row in reversed(_FORMATS) for suffix in row.suffixes.split()
}
# Files with another suffix are opened to find out, unless they lie beside music by custom.
AUDIO_SUFFIXES = frozenset(_BY_SUFFIX)

_LOSSY = frozenset(
    "aac ac3 amrnb amrwb eac3 mp2 mp3 mpc7 mpc8 opus speex vorbis wmapro wmav1 wmav2 "
    "wmavoice".split()
)


def is_lossy(codec: str) -> bool:
    """Whether a codec keeps less than it was given.

    Parameters
    ----------
    codec : str
        FFmpeg's name of its decoder: ``"mp3float"``, ``"libopus"``, ``"pcm_s16le"``.
    """
    return codec_name(codec) in _LOSSY


def media_type(path: str) -> str:
    """Return the media type of a file by its suffix; ``"application/octet-stream"`` if unknown.

    Examples
    --------
    >>> media_type("01 Dawn.FLAC"), media_type("cover.jpg")
    ('audio/flac', 'application/octet-stream')
    """
    return _BY_SUFFIX.get(os.path.splitext(path)[1].lower(), _UNKNOWN)


def file_format(path: str, codec: str) -> tuple[str, str]:
    """Tell a file's suffix and media type by how it begins, whatever it is called.

    Parameters
    ----------
    path : str
        The file.
    codec : str
        FFmpeg's name of its decoder.

    Returns
    -------
    suffix : str
        ``".flac"``; ``".audio"`` where it is not known.
    media_type : str
        ``"audio/flac"``; never one that a browser would show or run.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open(path, "rb") as file:
        head = file.read(12)
    for row in _FORMATS:
        if row.marks and head.startswith(row.marks, row.at):
            suffix = row.suffixes.split()[0]
            is_opus = suffix == ".ogg" and codec_name(codec) == "opus"
            return ".opus" if is_opus else suffix, row.media_type
    for row in _FORMATS:
        if codec_name(codec) in row.codecs.split():
            return row.suffixes.split()[0], row.media_type
    return ".audio", _UNKNOWN


def codec_name(codec: str) -> str:
    """Return a codec's name without what tells its decoders apart.

    Examples
    --------
    >>> codec_name("mp3float"), codec_name("libopus")
    ('mp3', 'opus')
    """
    return codec.removeprefix("lib").removesuffix("float")
