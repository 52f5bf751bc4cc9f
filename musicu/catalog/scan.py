"""Walk folders: which files there are, and which of them are audio by name, or worth a look."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace

from musicu.audio.formats import AUDIO_SUFFIXES

__all__ = ["FoundFile", "scan"]

# A folder with one of these is not for us, as on phones and in Navidrome.
_MARKERS = (".nomedia", ".notmusic")
# What lies beside music. Everything else that is not audio by name is opened to find out.
_COMPANIONS = frozenset(
    ".7z .accurip .bak .bmp .cfg .conf .csv .cue .db .doc .docx .exe .ffp .gif .gz .htm .html .ico "
    ".ini .jpeg .jpg .json .jsonl .lnk .log .lrc .m3u .m3u8 .md .md5 .mid .midi .mood .musicxml "
    ".mxl .nfo .opf .parquet .part .pdf .pls .plist .png .psd .py .rar .rtf .sfv .sha256 .sqlite "
    ".srt .svg .tif .tiff .tmp .toc .torrent .tsv .txt .url .webp .xls .xlsx .xml .xspf .yaml .yml "
    ".zip".split()
)
_NO_FILE = "not a regular file"


@dataclass(frozen=True)
class FoundFile:
    """A file on disk; ``skip`` says why it is not opened, ``failed`` that it should have been."""

    path: str
    size: int
    mtime_ns: int
    skip: str | None
    failed: bool = False


def scan(root: str) -> Iterator[FoundFile]:
    """Files under a folder, in the order of their names; a file yields itself.

    Links are followed, each folder is entered once. What is passed over is yielded too, with the
    reason: companions of music (pictures, texts, playlists), hidden files, folders marked with
    ``.nomedia`` or ``.notmusic``.

    Parameters
    ----------
    root : str
        Absolute path.
    """
    if not os.path.isdir(root):
        found = _found(root, os.path.basename(root))
        # What was named was meant, a FIFO too.
        yield replace(found, failed=found.failed or found.skip == _NO_FILE)
        return
    entered: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            info = os.stat(folder)
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield FoundFile(folder, 0, 0, f"folder cannot be read ({error.strerror})", failed=True)
            continue
        if (info.st_dev, info.st_ino) in entered:
            continue
        entered.add((info.st_dev, info.st_ino))
        if marker := next((e.name for e in inside if e.name in _MARKERS), None):
            yield FoundFile(folder, 0, info.st_mtime_ns, f"folder is marked with {marker}")
            continue
        folders = []
        for entry in inside:
            if not _is_folder(entry):
                yield _found(entry.path, entry.name)
            elif entry.name.startswith("."):
                yield FoundFile(entry.path, 0, 0, "hidden folder")
            else:
                folders.append(entry.path)
        waiting += reversed(folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself; _found() tells the reason
        return False


def _found(path: str, name: str) -> FoundFile:
    try:
        info = os.stat(path)
    except OSError as error:
        return FoundFile(path, 0, 0, (error.strerror or str(error)).lower(), failed=True)
    suffix = os.path.splitext(name)[1].lower()
    skip = None
    if not stat.S_ISREG(info.st_mode):
        skip = _NO_FILE
    elif name.startswith("._"):
        skip = "macOS resource fork, not the song itself"
    elif name.startswith("."):
        skip = "hidden file"
    elif suffix not in AUDIO_SUFFIXES and suffix in _COMPANIONS:
        skip = f"not audio by its name ({suffix})"
    return FoundFile(path, info.st_size, info.st_mtime_ns, skip)
