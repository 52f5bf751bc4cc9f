"""Playlists in m3u8: UTF-8, plain paths relative to the playlist's folder."""

import math
import os
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from musicu.errors import MusicuError
from musicu.files import open_file, written_file

__all__ = [
    "PlaylistEntry",
    "has_comment",
    "playlist_file_name",
    "read_m3u8",
    "render_m3u8",
    "write_m3u8",
]

# Line breaks, and what no path on disk decodes to (0xdc80 to 0xdcff are bytes that are not UTF-8).
_UNFIT = re.compile("[\r\n\0\ud800-\udc7f\udd00-\udfff]")

_RESERVED = frozenset('/\\:*?"<>|')
# What Windows keeps for devices, with any ending.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_LONGEST = 120  # bytes of a name, without its ending


@dataclass(frozen=True, slots=True)
class PlaylistEntry:
    """One track of a playlist.

    Parameters
    ----------
    path : str
        The audio file; names that are not UTF-8 as Python decodes them (surrogateescape).
    title, artist : str, optional
    duration : float, optional
        Seconds.
    """

    path: str
    title: str | None = None
    artist: str | None = None
    duration: float | None = None


def render_m3u8(
    entries: Iterable[PlaylistEntry],
    folder: str | os.PathLike[str] | None,
    *,
    title: str | None = None,
    comment: str | None = None,
) -> tuple[bytes, list[PlaylistEntry]]:
    """Render a playlist.

    Paths are relative to the playlist's folder (absolute on another drive), never ``file://`` and
    never %-encoded, since players and servers disagree about both. A name that is not UTF-8 is
    written as the bytes it has on disk. An unknown duration is -1.

    Parameters
    ----------
    entries : iterable of PlaylistEntry
    folder : str, os.PathLike or None
        Where the playlist will lie; None leaves paths as they are.
    title : str, optional
        What the playlist is called.
    comment : str, optional
        A line that players pass over.

    Returns
    -------
    bytes
        The playlist.
    list of PlaylistEntry
        The entries that m3u8 cannot hold and that were left out: a path with a line break, or one
        that no file can have (empty, with a null character or half a surrogate pair).
    """
    start = None if folder is None else os.path.abspath(os.fspath(folder))
    lines = [b"#EXTM3U"]
    if title:
        lines.append(f"#PLAYLIST:{_one_line(title)}".encode("utf-8", "replace"))
    if comment:
        lines.append(_comment(comment))
    unfit = []
    for entry in entries:
        if not entry.path or _UNFIT.search(entry.path):
            unfit.append(entry)
            continue
        path = entry.path if start is None else _relative(entry.path, start)
        lines.append(_info(entry).encode("utf-8", "replace"))
        lines.append(path.encode("utf-8", "surrogateescape"))
    return b"\n".join(lines) + b"\n", unfit


def write_m3u8(
    target: str | os.PathLike[str],
    entries: Iterable[PlaylistEntry],
    *,
    title: str | None = None,
    comment: str | None = None,
    relative: bool = True,
) -> list[PlaylistEntry]:
    """Write a playlist as :func:`render_m3u8` renders it: whole, or not at all.

    Parameters
    ----------
    target : str or os.PathLike
        The playlist's file; replaced where it exists.
    entries : iterable of PlaylistEntry
    title, comment : str, optional
        As for :func:`render_m3u8`.
    relative : bool
        Paths from the playlist's folder; else as they are.

    Returns
    -------
    list of PlaylistEntry
        The entries that m3u8 cannot hold and that were left out.

    Raises
    ------
    MusicuError
        The playlist cannot be written.
    """
    name = os.fspath(target)
    folder = os.path.dirname(os.path.abspath(name))
    text, unfit = render_m3u8(entries, folder if relative else None, title=title, comment=comment)
    try:
        with written_file(name) as file:
            file.write(text)
    except OSError as error:
        raise MusicuError(f"{name}: {error.strerror or 'cannot be written'}") from error
    return unfit


def read_m3u8(path: str | os.PathLike[str]) -> list[str]:
    """Return the absolute paths of a playlist, in order; whether the files exist is not asked.

    Raises
    ------
    MusicuError
        The playlist cannot be read.
    """
    name = os.fspath(path)
    try:
        with open_file(name) as file:
            data = file.read().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise MusicuError(f"{name}: {error.strerror or 'cannot be read'}") from error
    folder = os.path.dirname(os.path.abspath(name))
    text = data.decode("utf-8", "surrogateescape")
    lines = (line.rstrip("\r") for line in text.split("\n"))
    return [_absolute(line, folder) for line in lines if line and not line.startswith("#")]


def has_comment(path: str | os.PathLike[str], comment: str) -> bool:
    """Whether a playlist has a line that :func:`render_m3u8` wrote as its comment.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with open_file(path) as file:
        return _comment(comment) in file.read().splitlines()


def playlist_file_name(title: str, taken: Container[str] = ()) -> str:
    """Return a name of a file that every system can hold, for a playlist of some title.

    Parameters
    ----------
    title : str
    taken : container of str
        Names that it must not have, in lower case: some systems tell no cases.

    Returns
    -------
    str
        Ends in ``.m3u8``.

    Examples
    --------
    >>> from musicu.metadata.playlist import playlist_file_name
    >>> playlist_file_name("AC/DC: live?", {"ac dc live.m3u8"})
    'AC DC live (2).m3u8'
    """
    text = "".join(" " if letter in _RESERVED else letter for letter in title)
    text = "".join(filter(str.isprintable, " ".join(text.split())))
    text = text.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").strip(". ")
    if not text or _DEVICES.fullmatch(text):
        text = f"playlist {text}".rstrip()
    name, number = f"{text}.m3u8", 1
    while name.lower() in taken:
        number += 1
        name = f"{text} ({number}).m3u8"
    return name


def _comment(text: str) -> bytes:
    return f"# {_one_line(text)}".encode("utf-8", "replace")


def _info(entry: PlaylistEntry) -> str:
    unknown = entry.duration is None or not math.isfinite(entry.duration) or entry.duration < 0
    seconds = -1 if unknown else round(entry.duration or 0.0)
    title = entry.title or os.path.splitext(os.path.basename(entry.path))[0]
    name = f"{entry.artist} - {title}" if entry.artist else title
    return f"#EXTINF:{seconds},{_one_line(name)}"


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text)


def _relative(path: str, folder: str) -> str:
    try:
        relative = os.path.relpath(path, folder)
        if _leaves(relative):
            # The system follows links before "..", so that ".." must be counted without links.
            real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
            relative = os.path.relpath(real, os.path.realpath(folder))
    except ValueError:  # another drive
        relative = os.path.abspath(path)
    relative = relative.replace(os.sep, "/")
    # A comment starts with "#", and players strip white space.
    return f"./{relative}" if relative[0] in "# \t" else relative


def _absolute(line: str, folder: str) -> str:
    start = os.path.realpath(folder) if _leaves(line) else folder
    return os.path.normpath(os.path.join(start, line))


def _leaves(relative: str) -> bool:
    return relative.replace(os.sep, "/").split("/", 1)[0] == os.pardir
