"""Keep a catalog up to date with folders while they change: new files are embedded as they come."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any

from musicu.catalog.ingest import Summary, add_folders
from musicu.catalog.scan import FoundFile
from musicu.catalog.stop_signals import stop_signals
from musicu.catalog.store import Store, catalog_path
from musicu.errors import CatalogError, MissingExtraError, MusicuError
from musicu.paths import absolute

__all__ = ["Settling", "watch_folders"]

PathLike = str | os.PathLike[str]

_TICK = 0.5  # seconds between two looks at the clock
# Of the time at most a fifth is spent on walking through folders.
_REST = 4.0
# Seconds until what failed for a passing cause (time, memory) is tried again.
_AGAIN = 3600.0


class Settling:
    """Which files have stopped changing: size and time are what they were some seconds ago.

    The clock is this machine's: that of a server whose files these are may go otherwise.

    Parameters
    ----------
    seconds : float >= 0
        How long a file has to stay as it is.
    clock : callable
        Returns seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._since: dict[str, tuple[int, int, float]] = {}

    def __call__(self, found: FoundFile) -> bool:
        """Tell whether a file has settled; one that is seen for the first time has not."""
        size, mtime_ns, since = self._since.get(found.path, (-1, -1, 0.0))
        now = self._clock()
        if (size, mtime_ns) != (found.size, found.mtime_ns):
            since = now
            self._since[found.path] = found.size, found.mtime_ns, since
        if now - since < self._seconds:
            return False
        del self._since[found.path]
        return True

    def note(self, path: str) -> None:
        """Look at a file that is said to have changed."""
        try:
            info = os.stat(path)
        except OSError:  # gone again: there is nothing to wait for
            self._since.pop(path, None)
        else:
            self(FoundFile(path, info.st_size, info.st_mtime_ns, None))

    def forget(self, looked: float) -> None:
        """Forget what a look that began at a time did not ask for: it is no audio, or gone."""
        last = looked - self._seconds
        self._since = {path: seen for path, seen in self._since.items() if seen[2] > last}


def watch_folders(
    catalog: PathLike | None,
    folders: Sequence[PathLike] = (),
    *,
    settle: float = 5.0,
    poll: float | None = None,
    stop: Event | None = None,
    report: Callable[[Summary], None] | None = None,
    **options: Any,
) -> None:
    """Embed what is in folders, and then what comes, changes and goes, until told to stop.

    The system tells of changes (through `watchfiles`); each is followed by a look at all that was
    changed, as :meth:`musicu.Catalog.add_folder` looks, so that moved folders, marked folders and
    drives that are away are what they are there. A file is analyzed once it has stopped growing;
    what failed for a passing cause is tried again once an hour.
    The catalog is open only during a look.

    Returns when `stop` is set, or at Ctrl-C or SIGTERM: files in hand are finished and stored.

    Parameters
    ----------
    catalog : str, path-like or None
        The catalog's file; made if it is not there. None as for :class:`musicu.Catalog`.
    folders : sequence of str or path-like
        What to watch; none means the folders added before.
    settle : float >= 0
        Seconds for which a file must not have changed.
    poll : float > 0 or None
        Look every so many seconds, for network mounts, of which the system does not tell what
        others do there. None is to be told.
    stop : threading.Event or None
        To be set by another thread.
    report : callable or None
        Called after each look that found something to do.
    **options
        ``model``, ``jobs``, ``describe``, ``metadata``, ``nice``, ``timeout`` and ``progress`` of
        :meth:`musicu.Catalog.add_folder`.

    Raises
    ------
    CatalogError
        A folder does not exist, or none is given and none was before.
    MissingExtraError
        `watchfiles` is not installed, and `poll` is None.
    MusicuError
        The system cannot tell of so many folders; or as for :meth:`musicu.Catalog.add_folder`.
    """
    stop = stop or Event()
    path = catalog_path(catalog).absolute()
    roots = [absolute(folder) for folder in folders]
    if not roots:
        with Store(path, create=False) as store:
            roots = store.roots()
    if not roots:
        raise CatalogError(f"{path}: no folder was added yet; name one")
    if missing := next((root for root in roots if not os.path.lexists(root)), None):
        raise CatalogError(f"{missing}: no such file or folder")
    settling = Settling(settle)
    changes = _told(roots, path, settling, stop) if poll is None else _polled(poll, stop)
    due: float | None = 0.0
    rested = hour = 0.0
    with stop_signals(stop.set):
        for changed in changes:
            now = time.monotonic()
            if changed and due is None:
                due = now + (settle if poll is None else 0.0)
            if due is None or now < max(due, rested):
                continue
            limits: dict[str, Any] = {"settled": settling, "again": now >= hour, "stop": stop}
            with Store(path, create=True) as store:
                summary = add_folders(store, roots, **limits, **options)
            ended = time.monotonic()
            hour = now + _AGAIN if limits["again"] else hour
            rested = 0.0 if summary.pending else ended + _REST * (ended - now)
            due = ended + settle if summary.unsettled else None
            settling.forget(now)
            if report and _telling(summary):
                report(summary)
            if summary.interrupted:
                return


def _telling(summary: Summary) -> bool:
    """Whether there was anything to do, or something is in the way."""
    return bool(summary.pending or summary.missing or summary.reidentified or summary.away)


def _told(roots: Sequence[str], catalog: Any, settling: Settling, stop: Event) -> Iterator[bool]:
    """Yield, every half second or so, whether the system told of a change."""
    try:
        from watchfiles import watch
    except ModuleNotFoundError:
        raise MissingExtraError("watchfiles", "watch") from None
    own = os.fspath(catalog)

    def is_telling(path: str) -> bool:
        # The catalog may lie among the music, and is written to at every look.
        beside = path == own or path.startswith((f"{own}-", f"{own}."))
        name = os.path.basename(path)
        return not beside and (not name.startswith(".") or name in (".nomedia", ".notmusic"))

    try:
        for changes in watch(
            *roots,
            watch_filter=None,  # what is filtered there gives no turn to look at the clock
            debounce=int(1000 * _TICK),
            rust_timeout=int(1000 * _TICK),
            yield_on_timeout=True,
            stop_event=stop,
            recursive=True,
        ):
            telling = [path for _, path in changes if is_telling(path)]
            for path in telling:
                settling.note(path)
            yield bool(telling)
    except OSError as error:
        raise MusicuError(
            f"the system cannot tell of changes here ({error}): allow more (sysctl "
            "fs.inotify.max_user_watches), or look by yourself (--poll SECONDS)"
        ) from None


def _polled(seconds: float, stop: Event) -> Iterator[bool]:
    """Yield, every half second or so, whether it is time to look again."""
    last = time.monotonic()
    while not stop.is_set():
        again = time.monotonic() - last >= seconds
        yield again
        if again:
            last = time.monotonic()
        stop.wait(min(_TICK, seconds))
