"""The command line: parse, one call of the library, render."""

import errno
import sys
from contextlib import suppress

__all__ = ["main"]

_WAYS_OUT = {
    errno.ENOSPC: "make room, or name another place",
    errno.EDQUOT: "make room, or name another place",
    errno.EACCES: "ask for the right to it, or name another place",
    errno.EPERM: "ask for the right to it, or name another place",
    errno.EROFS: "name another place",
    errno.EBADF: "it is closed: open it, or send it to a file",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.EEXIST: "something else is there: name another place",
    errno.ENOTDIR: "a file is where a folder should be: name another place",
    errno.EISDIR: "a folder is where a file should be: name another place",
    errno.ENOENT: "look at the path",
}


def main() -> None:
    """Run ``musicu``; a mistake the user can mend is one line on stderr and exit status 1."""
    try:
        from musicu.cli.streams import open_streams

        open_streams()
        from musicu.cli.app import app

        try:
            app(prog_name="musicu")
        finally:
            sys.stdout.flush()
    except SystemExit as end:
        if end.code:  # typer ends so where a reader has left, with text that cannot be written
            from musicu.cli.streams import close_streams

            close_streams()
        raise
    except BaseException as error:
        text = _explain(error)
        if text is None:
            raise
        from musicu.cli.streams import close_streams

        with suppress(OSError):
            if text:
                print("error:", text, file=sys.stderr)  # noqa: T201
                _list_tracks(error)
        close_streams()
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)


def _explain(error: BaseException) -> str | None:
    """Say in one line what went wrong, and the way out; None if that is a fault of the program.

    Nothing is said to who stopped it, nor of a pipe whose reader has left.
    """
    import sqlite3  # here because --help can do without

    from musicu.errors import MusicuError

    if isinstance(error, KeyboardInterrupt | BrokenPipeError):
        return ""
    if isinstance(error, MusicuError):
        text = str(error)
    elif isinstance(error, sqlite3.Error):
        text = f"the catalog: {error}: {_way_out(error)}"
    elif isinstance(error, OSError):
        what = error.filename
        name = what.decode(errors="surrogateescape") if isinstance(what, bytes) else what
        parts = [name, error.strerror or error, _WAYS_OUT.get(error.errno or 0)]
        text = ": ".join(str(part) for part in parts if part is not None)
    elif isinstance(error, MemoryError):
        text = "not enough memory: end other programs, or ask for less at a time"
    elif isinstance(error, RecursionError):
        text = "a file is nested too deeply: look at what was named"
    elif isinstance(error, ValueError | ArithmeticError | ImportError):
        text = f"{type(error).__name__}: {error}"
    else:
        return None
    from musicu.cli.streams import one_line

    return str(one_line(text))


def _list_tracks(error: BaseException) -> None:
    """Show which tracks may be meant, where several may."""
    from musicu.errors import AmbiguousNameError

    if isinstance(error, AmbiguousNameError):
        from musicu.cli.options import write_table

        write_table(error.tracks, ["id", "artist", "title", "album", "path"], sys.stderr)


def _way_out(error: "Exception") -> str:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", None)
    ways = {
        sqlite3.SQLITE_FULL: "make room",
        sqlite3.SQLITE_READONLY: "ask for the right to write it and its folder",
        sqlite3.SQLITE_CANTOPEN: "ask for the right to its folder",
        sqlite3.SQLITE_IOERR: "the disk is full, or fails: look at it",
        sqlite3.SQLITE_BUSY: "another process is at work on it: try again",
        sqlite3.SQLITE_LOCKED: "another process is at work on it: try again",
    }
    # The lowest byte is the kind, the others say more of it.
    damaged = "it is damaged: 'musicu catalog verify' tells"
    return ways.get(code & 0xFF, damaged) if code is not None else damaged
