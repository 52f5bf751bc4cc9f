"""Paths as users write them, against the names that are on disk.

One name has two forms in Unicode: "é" as one character (NFC) or as "e" and an accent (NFD).
Systems, archives and keyboards disagree about which, and most file systems take them for two names.
"""

from __future__ import annotations

import os
import unicodedata

__all__ = ["absolute", "composed", "lies_under", "lies_under_any"]


def composed(path: str) -> str:
    """Return a path in NFC, in which the two forms of a name are equal."""
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a file, as the disk spells it if it spells it otherwise.

    Parameters
    ----------
    path : str or path-like
        Relative paths start in the working directory.

    Returns
    -------
    str
        The path of what is there under this name in either Unicode form; the path as given if
        nothing is.
    """
    return _as_on_disk(os.path.abspath(os.fspath(path)))


def _as_on_disk(path: str) -> str:
    if path.isascii() or os.path.lexists(path):
        return path
    folder, name = os.path.split(path)
    if not name:
        return path
    folder = _as_on_disk(folder)
    try:
        names = os.listdir(folder)
    except OSError:  # nothing there, or nothing to be seen: the name stays what it is
        names = []
    wanted = composed(name)
    same = (other for other in sorted(names) if composed(other) == wanted)
    return os.path.join(folder, next(same, name))


def lies_under(path: str, root: str) -> bool:
    """Whether a path is a root, or a file somewhere in it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def lies_under_any(path: str, roots: frozenset[str] | set[str]) -> bool:
    """Whether a path is one of some roots, or a file somewhere in one; quick for many roots."""
    while path not in roots:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True
