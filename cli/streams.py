"""Standard input, output and error, in whatever state the program was started with them."""

import codecs
import io
import os
import sys
from contextlib import suppress

__all__ = ["close_streams", "one_line", "open_streams"]

_ESCAPED = "musicu.escaped"  # how text is written that UTF-8 cannot hold


class _Named(io.FileIO):
    """A stream that says its name when it cannot be written."""

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except OSError as error:
            error.filename = "standard output" if self.fileno() == 1 else "standard error"
            raise


def open_streams() -> None:
    """Make sure that there are three streams, and that names of files can be written to them.

    A stream that was closed gets an end that takes nothing, so that no file opened later stands in
    its place: what a library prints would go into it. Nobody reads what goes to a closed standard
    error; to write to a closed standard output is an error, since data would be lost.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # takes the lowest free number
    codecs.register_error(_ESCAPED, _escape)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - ends with the program
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not getattr(sys, f"__{name}__"):  # somebody's own
            continue
        raw = _Named(number, "w", closefd=False)
        fresh = io.TextIOWrapper(
            io.BufferedWriter(raw),  # type: ignore[type-var]
            encoding="utf-8",
            errors=_ESCAPED,
            line_buffering=number == 2 or raw.isatty(),
        )
        setattr(sys, name, fresh)


def one_line(text: str) -> str:
    """Return a text whose control characters are blanks; bytes of file names stay."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else " " for c in text)


def close_streams() -> None:
    """Write what is left, if that is possible; after an error nothing may complain any more."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    end = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(end, number)
    os.close(end)


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    # Bytes of file names go out as they are.
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)
