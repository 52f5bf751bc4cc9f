"""Search for similar tracks: light queries in batches, heavy ones in a queue, answers cached.

Searching for several vectors at once costs little more than searching for one. So a light question
is asked at once when nobody is being answered, and else waits, with all that come meanwhile, for
the answers before: batches grow with the load, and no question ever waits for others to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from musicu.errors import MusicuError
from musicu.search.explorer import Explorer
from musicu.search.query import Answer, Query
from musicu.search.snapshot import Snapshot
from musicu.service.cache import AsyncLRU
from musicu.service.errors import Busy, Late
from musicu.service.queues import WorkQueue
from musicu.service.responses import encode_json, fragment, parse_json

__all__ = ["Batcher", "EncodedAnswer", "SimilarSearch"]

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
    """Tracks that answer a request, their JSON written once.

    Attributes
    ----------
    members : dict of str to orjson.Fragment
        Members of the JSON object.
    ids : tuple of str
        The tracks it names.
    snapshot_number : int
        Number of the snapshot that it is of; 0 if it is of none.
    """

    members: dict[str, orjson.Fragment]
    ids: tuple[str, ...]
    snapshot_number: int = 0

    @classmethod
    def of(cls, answer: Answer) -> EncodedAnswer:
        """Write what a search found, and the name of the model whose vectors were compared."""
        assert isinstance(answer.snapshot, Snapshot)
        members = {"model": answer.snapshot.model.name, **answer.to_dict(parse_json)}
        return cls(
            {name: fragment(member) for name, member in members.items()},
            tuple(hit.id for hit in answer.hits),
            answer.snapshot.number,
        )

    def to_json(self, **more: Any) -> bytes:
        """Return the JSON object, with further members."""
        return encode_json(self.members | {name: fragment(one) for name, one in more.items()})


class SimilarSearch:
    """Finds similar tracks, and keeps the last 1024 answers. For one event loop.

    Parameters
    ----------
    explorer : Explorer
        Searches the catalog.
    queue : WorkQueue
        Where heavy queries wait for a thread.
    deadline : float > 0
        Seconds a query may take.

    Attributes
    ----------
    batcher : Batcher
        Answers light queries.
    cache : AsyncLRU
        The last answers.
    """

    def __init__(self, explorer: Explorer, queue: WorkQueue, deadline: float) -> None:
        self.batcher: Batcher[Query, EncodedAnswer] = Batcher(self._search_many, deadline)
        self.cache: AsyncLRU[tuple[int, Query], EncodedAnswer] = AsyncLRU(_KEPT)
        self._explorer = explorer
        self._queue = queue

    async def search(self, query: Query) -> EncodedAnswer:
        """Return the tracks that answer a query.

        Raises
        ------
        Busy, Late
            Too many ask; or it took too long.
        MusicuError
            The query has no answer.
        """
        answer = self.cache.lookup((self._explorer.live.snapshot.number, query))
        if answer is not None:
            return answer
        if query.plain:
            answer = await self.batcher.ask(query)
        else:
            answer = await self._queue.run(lambda _: self._search(query))
        # For a while, the space of all fields answers with the snapshot before the newest.
        self.cache.store((answer.snapshot_number, query), answer)
        return answer

    def _search(self, query: Query) -> EncodedAnswer:
        return EncodedAnswer.of(self._explorer.similar(query))

    def _search_many(self, queries: Sequence[Query]) -> list[EncodedAnswer | MusicuError]:
        return [
            answer if isinstance(answer, MusicuError) else EncodedAnswer.of(answer)
            for answer in self._explorer.similar_many(queries)
        ]
