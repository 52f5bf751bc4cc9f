"""Files: read only if they are regular ones; files and folders written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, Any, overload

__all__ = ["open_file", "written_file", "written_folder"]

PathLike = str | os.PathLike[str]


@overload
def open_file(path: PathLike, *, follow: bool = ...) -> BufferedReader: ...
@overload
def open_file(
    path: PathLike, *, encoding: str, errors: str | None = ..., newline: str | None = ...
) -> TextIOWrapper: ...
def open_file(path: PathLike, *, follow: bool = True, **text: Any) -> IO[Any]:
    """Open a regular file to read it.

    To open a FIFO is to wait for whoever writes into it, maybe for ever, and a device may never
    end: neither is a file to be read whole.

    Parameters
    ----------
    path : str or path-like
        The file.
    follow : bool
        Whether it may be a symbolic link to a file.
    **text
        ``encoding``, ``errors`` and ``newline`` of a file of text; none for one of bytes.

    Raises
    ------
    OSError
        It is not there, may not be read, or is no regular file.
    """
    _check_regular(path, os.stat(path, follow_symlinks=follow))
    # It may be another one by now: still without waiting, still not through a link.
    extra = getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))
    file: IO[Any] = open(  # noqa: SIM115
        path,
        "r" if text else "rb",
        opener=lambda name, flags: os.open(name, flags | extra),
        **text,
    )
    try:
        _check_regular(path, os.fstat(file.fileno()))
    except OSError:
        file.close()
        raise
    return file


@contextmanager
def written_file(target: PathLike, **text: Any) -> Iterator[IO[Any]]:
    """Give a new file beside the target, which takes the target's place at the end.

    Whatever ends it before, a full disk or an interruption too, leaves what was there, and nothing
    beside it.

    Parameters
    ----------
    target : str or path-like
        The file; replaced where it exists.
    **text
        ``encoding``, ``errors`` and ``newline`` of a file of text; none for one of bytes.

    Yields
    ------
    file object
        What to write into.

    Raises
    ------
    OSError
        It cannot be written; ``filename`` is the target. What is there and is no regular file
        stays: a device must not be replaced.
    """
    name = os.fspath(target)
    # Beside the target, since only within one file system is replacing a single step; not by
    # tempfile, whose files nobody else may read; not by the target's name, which may be as long as
    # names can be.
    draft = os.path.join(os.path.dirname(os.path.abspath(name)), f".{uuid.uuid4().hex}.tmp")
    try:
        if os.path.exists(name):
            _check_regular(name, os.stat(name))
        with open(draft, "x" if text else "xb", **text) as file:
            yield file
        os.replace(draft, name)
    except OSError as error:
        if error.filename not in (None, draft):
            raise
        # A full disk names no file, and nobody knows the draft.
        raise OSError(error.errno, error.strerror or str(error), name) from error
    finally:
        if os.path.lexists(draft):
            os.unlink(draft)


@contextmanager
def written_folder(folder: PathLike) -> Iterator[Path]:
    """Give a new folder beside the target, which takes the target's place at the end.

    Whatever ends it before, an interruption too, leaves what was there, and nothing beside it.

    Parameters
    ----------
    folder : str or path-like
        The target; replaced where it exists.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    OSError
        A folder cannot be made or moved.
    """
    target = Path(os.path.abspath(folder))
    # Not by the target's name, which may be as long as names can be.
    mark = uuid.uuid4().hex
    draft, before = (target.with_name(f".{mark}.{end}") for end in ("tmp", "old"))
    try:
        draft.mkdir(parents=True)
        yield draft
        if target.exists():
            os.replace(target, before)
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if before.exists() and not target.exists():
            os.replace(before, target)
        shutil.rmtree(before, ignore_errors=True)


def _check_regular(path: PathLike, info: os.stat_result) -> None:
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if stat.S_ISLNK(info.st_mode):
        raise OSError(errno.ELOOP, "a link, not the file itself", os.fspath(path))
    if not stat.S_ISREG(info.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
