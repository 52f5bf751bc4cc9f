"""The one cache of the service: least recently used values, bounded by number or by bytes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["AsyncLRU"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class AsyncLRU(Generic[K, V]):
    """Keeps the values used last, and computes a value once for all who ask for it meanwhile.

    To be used from one event loop.

    Parameters
    ----------
    capacity : int > 0
        Sum of the sizes of the values that are kept.
    size : callable
        Size of a value; by default each counts as 1, and `capacity` is a number of values.

    Attributes
    ----------
    hits, misses : int
        How often a value was kept, and how often it was not.
    """

    def __init__(self, capacity: int, size: Callable[[V], int] = lambda value: 1) -> None:
        self.hits = 0
        self.misses = 0
        self._capacity = capacity
        self._size = size
        self._held = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._tasks: dict[K, asyncio.Task[V]] = {}

    def lookup(self, key: K) -> V | None:
        """Return the value that is kept under a key, or None."""
        if key in self._values:
            self.hits += 1
            self._values.move_to_end(key)
            return self._values[key]
        self.misses += 1
        return None

    def store(self, key: K, value: V) -> None:
        """Keep a value; the least recently used ones go where it needs their room."""
        if key in self._values:
            self._held -= self._size(self._values.pop(key))
        self._values[key] = value
        self._held += self._size(value)
        while self._held > self._capacity:
            _, dropped = self._values.popitem(last=False)
            self._held -= self._size(dropped)

    async def get(self, key: K, compute: Callable[[], Awaitable[V]]) -> V:
        """Return the value of a key, computed if it is not kept.

        Whoever asks for a key that is being computed waits for it. Whoever leaves does not end the
        computation. An error is raised to all who wait, and not kept.

        Parameters
        ----------
        key : hashable
        compute : callable
            Returns an awaitable of the value.
        """
        if key in self._tasks:
            return await asyncio.shield(self._tasks[key])
        value = self.lookup(key)
        if value is not None:
            return value
        task = self._tasks[key] = asyncio.create_task(self._compute(key, compute))
        # All who asked may have left, and nobody would retrieve an error.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _compute(self, key: K, compute: Callable[[], Awaitable[V]]) -> V:
        try:
            value = await compute()
        finally:
            del self._tasks[key]
        self.store(key, value)
        return value
