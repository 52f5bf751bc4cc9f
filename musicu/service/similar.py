"""How questions for similar tracks are answered: light ones many at a time, heavy ones in line.

Searching for several vectors at once costs little more than searching for one. So a light question
is asked at once when nobody is being answered, and else waits, with all that come meanwhile, for
the answers before: batches grow with the load, and no question ever waits for others to come.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from musicu.errors import MusicuError
from musicu.search.explorer import Explorer
from musicu.search.query import Answer, Query
from musicu.search.snapshot import Snapshot
from musicu.service.errors import Busy, Late
from musicu.service.queues import WorkQueue

__all__ = ["SimilarSearch", "Batcher", "EncodedAnswer"]

Q = TypeVar("Q")
A = TypeVar("A")

_BATCH = 32  # more at once would make the first ones wait for the last
_WAITING = 512
_KEPT = 1024  # answers of some 5 kB


class _Batch(Generic[Q, A]):
    """Questions that are asked together."""

    def __init__(self) -> None:
        self.questions: list[Q] = []
        self.answers: asyncio.Task[Sequence[A | MusicuError]]


class Batcher(Generic[Q, A]):
    """Collects questions, and has one thread answer many at a time. For one event loop.

    Parameters
    ----------
    answer : callable
        Takes at most 32 questions; returns as many answers, or errors in their places. Always
        called on the same thread.
    deadline : float > 0
        Seconds a question may take.

    Attributes
    ----------
    limit : int
        How many questions may wait.
    depth : int
        How many do.
    busy : int
        How many are being answered.
    rejected : int
        How many were turned away.
    """

    def __init__(
        self, answer: Callable[[Sequence[Q]], Sequence[A | MusicuError]], deadline: float
    ) -> None:
        self.limit = _WAITING
        self.depth = 0
        self.busy = 0
        self.rejected = 0
        self._answer = answer
        self._deadline = deadline
        self._thread = ThreadPoolExecutor(1, "musicu-batch")
        self._turn = asyncio.Lock()
        self._open: _Batch[Q, A] | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer.

        Raises
        ------
        Busy
            Too many are waiting.
        Late
            The deadline is over.
        MusicuError
            The question has no answer.
        """
        if self.depth >= self.limit:
            self.rejected += 1
            raise Busy("too many questions are waiting")
        batch = self._open
        if batch is None or len(batch.questions) >= _BATCH:
            batch = self._open = _Batch()
            batch.answers = asyncio.create_task(self._run(batch))
        place = len(batch.questions)
        batch.questions.append(question)
        self.depth += 1
        # Who gives up does so alone: the batch goes on for the others.
        done, _ = await asyncio.wait({batch.answers}, timeout=self._deadline)
        if not done:
            raise Late
        found = batch.answers.result()[place]
        if isinstance(found, MusicuError):
            raise found
        return found

    async def _run(self, batch: _Batch[Q, A]) -> Sequence[A | MusicuError]:
        async with self._turn:
            if self._open is batch:
                self._open = None
            self.busy = len(batch.questions)
            self.depth -= self.busy
            try:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, self._answer, batch.questions)
            finally:
                self.busy = 0

    def close(self) -> None:
        """Answer nothing more."""
        self._thread.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """An answer as it goes out.

    Attributes
    ----------
    body : bytes
        JSON: that of :meth:`musicu.search.query.Answer.to_json`, and the vectors' ``model``.
    ids : tuple of str
        The tracks it names.
    moment : int
        Number of the snapshot that it is of; 0 if it is of none.
    """

    body: bytes
    ids: tuple[str, ...]
    moment: int = 0

    @classmethod
    def of(cls, answer: Answer) -> EncodedAnswer:
        """Write an answer."""
        assert isinstance(answer.snapshot, Snapshot)
        model = json.dumps(answer.snapshot.model.name).encode()
        body = b'{"model":%s,%s' % (model, answer.to_json()[1:])
        return cls(body, tuple(hit.id for hit in answer.hits), answer.snapshot.number)


class SimilarSearch:
    """Answers questions for similar tracks, and keeps the last 1024 answers. For one event loop.

    Parameters
    ----------
    explorer : Explorer
        Who knows the answers.
    line : WorkQueue
        Where heavy questions wait for a thread.
    deadline : float > 0
        Seconds a question may take.

    Attributes
    ----------
    batcher : Batcher
        Who answers light questions.
    hits, misses : int
        How often an answer was kept, and how often it had to be found.
    """

    def __init__(self, explorer: Explorer, line: WorkQueue, deadline: float) -> None:
        self.batcher: Batcher[Query, EncodedAnswer] = Batcher(self._many, deadline)
        self.hits = 0
        self.misses = 0
        self._explorer = explorer
        self._queue = line
        self._kept: OrderedDict[tuple[int, Query], EncodedAnswer] = OrderedDict()

    async def search(self, query: Query) -> EncodedAnswer:
        """Return the tracks that answer a query.

        Raises
        ------
        Busy, Late
            Too many ask; or it took too long.
        MusicuError
            The question has no answer.
        """
        place = self._explorer.live.snapshot.number, query
        if reply := self._kept.get(place):
            self.hits += 1
            self._kept.move_to_end(place)
            return reply
        self.misses += 1
        if query.plain:
            reply = await self.batcher.ask(query)
        else:
            reply = await self._queue.run(lambda _: self._one(query))
        # What is asked by all that is known is answered of the moment before for a while.
        self._kept[reply.moment, query] = reply
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return reply

    def _one(self, query: Query) -> EncodedAnswer:
        return EncodedAnswer.of(self._explorer.similar(query))

    def _many(self, queries: Sequence[Query]) -> list[EncodedAnswer | MusicuError]:
        return [
            answer if isinstance(answer, MusicuError) else EncodedAnswer.of(answer)
            for answer in self._explorer.similar_many(queries)
        ]
