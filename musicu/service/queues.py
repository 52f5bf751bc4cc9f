"""Work done a few at a time on threads: a bounded number waits, and the rest is told when to retry.

Decoding what strangers send is what takes long in the service. Nothing of it runs on the event
loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from musicu.service.errors import Busy, Late

__all__ = ["WorkQueue"]

T = TypeVar("T")

# Share of the newest duration in the running mean that Retry-After is told from.
_NEWEST = 0.2


class WorkQueue:
    """Work done a few at a time, with a few waiting; what comes beyond that is refused.

    A place is free again only when the work in it has really ended, also where nobody waits for it
    any more. To be used from one event loop.

    Parameters
    ----------
    what : str
        What is done here, as a refusal names it: ``"decoding"``.
    places : int >= 1
        How much is done at once, each on a thread of its own.
    limit : int >= 0
        How much may wait.
    deadline : float > 0
        Seconds from coming to having an answer; what is prepared on the way does not count.

    Attributes
    ----------
    depth : int
        How much waits.
    busy : int
        How much is being done.
    rejected : int
        How much was refused so far.
    """

    def __init__(self, what: str, places: int, limit: int, deadline: float) -> None:
        self.what = what
        self.places = places
        self.limit = limit
        self.deadline = deadline
        self.depth = 0
        self.busy = 0
        self.rejected = 0
        self._mean = 1.0
        self._closed = False
        self._free: asyncio.LifoQueue[int] = asyncio.LifoQueue()
        for place in reversed(range(places)):
            self._free.put_nowait(place)
        self._threads = ThreadPoolExecutor(places, thread_name_prefix=f"musicu-{what}")

    @property
    def retry_after(self) -> int:
        """Seconds until there is probably room, at least 1."""
        return min(60, max(1, math.ceil(self._mean * (self.depth + 1) / self.places)))

    def check(self) -> None:
        """Refuse what would have to be refused, before it costs anything.

        Raises
        ------
        Busy
            As many as may wait are waiting.
        """
        if self._closed or (self._free.empty() and self.depth >= self.limit):
            self.rejected += 1
            raise Busy(f"too many requests for {self.what} are waiting", self.retry_after)

    async def run(
        self,
        work: Callable[[int], T],
        *,
        prepare: Callable[[int], None] | None = None,
        give_up: Callable[[int], None] | None = None,
        after: Callable[[int], None] | None = None,
    ) -> T:
        """Do some work on a thread, when its turn comes.

        Parameters
        ----------
        work : callable
            Called with the number of its place, in [0, places).
        prepare : callable or None
            Called with the place, on its thread, before the work. It has all the time it takes;
            what it raises is raised.
        give_up : callable or None
            Called with the place, on the event loop, when the work is no longer wanted: the
            deadline has passed, or the request was canceled. It should make the work end.
        after : callable or None
            Called with the place, on a thread, when there is an answer and before the place is
            free.

        Raises
        ------
        Busy
            As many as may wait are waiting.
        Late
            There was no answer before the deadline; ``begun`` if the work had begun.
        """
        self.check()
        loop = asyncio.get_running_loop()
        end = loop.time() + self.deadline
        self.depth += 1
        try:
            async with asyncio.timeout_at(end):
                place = await self._free.get()
        except TimeoutError:
            raise Late from None
        finally:
            self.depth -= 1
        if self._closed:
            self._free.put_nowait(place)  # for the next one who waits, to be told the same
            raise Busy("the service is closing")
        self.busy += 1
        began = loop.time()
        ready = asyncio.Event()

        def handle() -> T:
            try:
                if prepare is not None:
                    prepare(place)
            finally:
                loop.call_soon_threadsafe(ready.set)
            return work(place)

        task = loop.run_in_executor(self._threads, handle)

        def leave(_: object) -> None:
            self.busy -= 1
            self._free.put_nowait(place)

        def ended(done: asyncio.Future[T]) -> None:
            self._mean += _NEWEST * (loop.time() - began - self._mean)
            if not done.cancelled():
                done.exception()  # nobody may be left to look at it
            if after is None or self._closed:
                leave(done)
            else:
                loop.run_in_executor(self._threads, after, place).add_done_callback(leave)

        task.add_done_callback(ended)
        patience = asyncio.timeout(None)
        try:
            await ready.wait()
            async with patience:
                patience.reschedule(end + loop.time() - began)
                return await asyncio.shield(task)
        except BaseException:
            if not task.done() and give_up is not None:
                give_up(place)
            if patience.expired():
                raise Late(begun=True) from None
            raise

    async def close(self) -> None:
        """Take nothing more, wait for what is being done, and end the threads."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
