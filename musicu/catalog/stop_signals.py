"""What a user, a service manager or a container asks of a long run: to come to an end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stop_signals"]


@contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C and SIGTERM call a function, in place of ending the process.

    Python calls handlers of signals in the main thread only: in any other nothing is changed.

    Parameters
    ----------
    stop : callable
        Called at each of these signals; what it raises is raised where the program is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(signum: int, frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
