"""Answers that cost much to make, kept as long as there is room for them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["Memo"]


class Memo:
    """Answers that cost much to make, kept while there is room; the least recently asked for go.

    Who asks for what is being made waits for that. To be used from one event loop.

    Parameters
    ----------
    most : int > 0
        Bytes of answers that are kept.

    Attributes
    ----------
    hits, misses : int
        How often there was an answer, and how often it had to be made.
    """

    def __init__(self, most: int) -> None:
        self.hits = 0
        self.misses = 0
        self._most = most
        self._held = 0
        self._values: OrderedDict[Any, tuple[bytes, ...]] = OrderedDict()
        self._making: dict[Any, asyncio.Task[tuple[bytes, ...]]] = {}

    async def get(
        self, key: Any, make: Callable[[], Awaitable[tuple[bytes, ...]]]
    ) -> tuple[bytes, ...]:
        """Return what is kept under a key, or make it; an error is raised and not kept."""
        if key in self._values:
            self.hits += 1
            self._values.move_to_end(key)
            return self._values[key]
        task = self._making.get(key)
        if task is None:
            self.misses += 1
            task = self._making[key] = asyncio.create_task(self._make(key, make))
            # Those who asked may have left, and an error is then nobody's.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _make(
        self, key: Any, make: Callable[[], Awaitable[tuple[bytes, ...]]]
    ) -> tuple[bytes, ...]:
        try:
            value = await make()
        finally:
            del self._making[key]
        self._values[key] = value
        self._held += sum(map(len, value))
        while self._held > self._most:
            _, gone = self._values.popitem(last=False)
            self._held -= sum(map(len, gone))
        return value
