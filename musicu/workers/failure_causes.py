"""What is at fault when work on a file fails: the file, or something that passes.

The causes are those of :class:`musicu.errors.AudioError`. In doubt it is the file.
"""

import builtins
import errno
import re

from musicu.errors import AudioError, ModelError

__all__ = ["cause_of", "cause_of_message"]

# How libraries say that memory cannot be had, where they do not raise MemoryError.
_NO_MEMORY = re.compile(
    r"MemoryError|bad_alloc|bad allocation|(cannot|could not|failed to|unable to) allocate"
    r"|out of memory|malloc failed|memory allocation",
    re.IGNORECASE,
)
# Where a damaged file's offsets lead; no fault of the system.
_ODD_OFFSETS = (errno.EINVAL, errno.EOVERFLOW)


def cause_of(error: BaseException) -> str:
    """Tell the cause by an exception and those it came from.

    Parameters
    ----------
    error : BaseException
        What ended the work.

    Returns
    -------
    {"file", "time", "memory", "killed", "system"}
    """
    from av import FFmpegError

    one: BaseException | None = error
    while one is not None:
        if isinstance(one, AudioError) and one.cause != "file":
            return one.cause
        if isinstance(one, MemoryError) or _NO_MEMORY.search(_said(one)):
            return "memory"
        # FFmpeg says "input/output error" of files that end early.
        if isinstance(one, ImportError | ModelError) or (
            isinstance(one, OSError)
            and not isinstance(one, FFmpegError)
            and one.errno not in _ODD_OFFSETS
        ):
            return "system"
        one = one.__cause__ or one.__context__
    return "file"


def cause_of_message(text: str) -> str:
    """Tell the cause by the end of what a process wrote to stderr.

    Returns
    -------
    {"file", "memory", "system"}
    """
    if _NO_MEMORY.search(text):
        return "memory"
    # A traceback ends with the name of its exception.
    kind = getattr(builtins, text.strip().rpartition("\n")[2].partition(":")[0], None)
    if isinstance(kind, type) and issubclass(kind, (OSError, ImportError)):
        return "system"
    return "file"


def _said(error: BaseException) -> str:
    """Return an exception's text without the name of its file."""
    if isinstance(error, AudioError):
        return error.reason
    return getattr(error, "strerror", None) or str(error)
