"""A recommender that is kept loaded, and loaded anew when it, the catalog or the log changes.

What is asked meanwhile is answered by the one before.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from musicu.errors import MusicuError
from musicu.monitoring.answers import Answer, AnswerMonitor
from musicu.recommend.interactions import hash_user
from musicu.recommend.loading import CatalogRecommender, load_catalog_recommender
from musicu.recommend.recommender import History
from musicu.recommend.registry import served
from musicu.recommend.results import Audience, Recommendations
from musicu.recommend.slate import SlateRequest, make_slate
from musicu.recommend.surface import SHIPPED, Surface, read_surfaces
from musicu.service.errors import Busy, Refusal
from musicu.service.queues import WorkQueue
from musicu.service.settings import Settings

__all__ = ["ReloadingRecommender"]

# A catalog that grows all the time is read again after this many times as long as that takes.
_PAUSE_FACTOR = 10.0
_LISTS = "lists"  # what answers without a surface are called
_INTERVAL = 1.0  # seconds between two looks at the files

_log = logging.getLogger(__name__)


class ReloadingRecommender:
    """Recommends by a recommender's folder; safe to ask from any thread.

    Parameters
    ----------
    settings : Settings
        Its ``recommender``, ``catalog`` and ``log``. Users of the log are known by their hashes if
        ``$MUSICU_SALT`` is set, as they are to ``musicu recommend``.
    snapshot_number : callable
        Returns a number that changes with the catalog: ``lambda: live.snapshot.number``.

    Attributes
    ----------
    queue : WorkQueue
        Requests for recommendations; its methods are to be called on its thread.
    surfaces : mapping of str to Surface
        Those that come along, and those of the settings' folder, by name.
    answers : dict of AnswerMonitor
        What was answered lately, by surface; ``"lists"`` without one.
    problem : str or None
        Why what is there now cannot be loaded, if that is so.
    """

    def __init__(self, settings: Settings, snapshot_number: Callable[[], int]) -> None:
        if settings.recommender is None:
            raise MusicuError("no recommender to serve: name one with --recommender")
        self.problem: str | None = None
        own = () if settings.surfaces is None else (settings.surfaces,)
        self.surfaces: Mapping[str, Surface] = read_surfaces(SHIPPED, *own)
        self.answers: dict[str, AnswerMonitor] = {
            name: AnswerMonitor() for name in (_LISTS, *self.surfaces)
        }
        self.queue = WorkQueue("recommendations", 1, settings.queue, settings.deadline)
        self._folder: Path = settings.recommender
        self._catalog = settings.catalog
        self._plays = settings.log
        self._snapshot_number = snapshot_number
        self._loaded: CatalogRecommender | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="musicu-recommender", daemon=True)

    def start(self) -> None:
        """Load the recommender in the background, and go on looking for changes."""
        self._thread.start()

    async def close(self) -> None:
        """Look for changes no more, and answer nothing more."""
        self._over.set()
        await self.queue.close()

    @property
    def version(self) -> int | None:
        """Which version of a registry answers; None for a folder that is no registry."""
        return None if self._loaded is None else self._loaded.version

    @property
    def ready(self) -> bool:
        """Whether there is a recommender that can be asked."""
        return self._loaded is not None

    def recommend(
        self,
        user: str | History,
        n: int = 20,
        *,
        include_non_music: bool = False,
        rules: Mapping[str, Any] | None = None,
    ) -> Recommendations:
        """Return what somebody may like.

        Parameters
        ----------
        user : str or History
            A user of the log, or what somebody played.
        n : int >= 0
        include_non_music : bool
            Also what is heard to be no music.
        rules : mapping or None
            Options of :meth:`musicu.Recommender.recommend`.

        Raises
        ------
        Busy
            The recommender is being loaded.
        RecommenderError
            The user or a track is not known, or nothing was played.
        MusicuError
            A rule is out of its range.
        """
        loaded = self._ready()
        found = loaded.recommender.recommend(
            self._known(user),
            n,
            candidates=loaded.candidates,
            exclude=() if include_non_music else loaded.non_music,
            **(rules or {}),
        )
        return self._counted(_LISTS, found, user, loaded)

    def slate(
        self, surface: Surface, request: SlateRequest, *, include_non_music: bool = False
    ) -> Recommendations:
        """Return what a surface shows; see :func:`musicu.recommend.slate.make_slate`.

        Raises
        ------
        MusicuError
            As of :meth:`recommend`.
        """
        loaded = self._ready()
        left_out = frozenset[str]() if include_non_music else loaded.non_music
        known = loaded.recommender.items
        request = replace(
            request,
            user=None if request.user is None else self._known(request.user),
            now=time.time() if request.now is None else request.now,
            exclude=left_out.union(id for id in request.exclude if known.find(id) is not None),
        )
        found = make_slate(loaded.recommender, surface, request, candidates=loaded.candidates)
        return self._counted(surface.name, found, request.user, loaded)

    def _counted(
        self, name: str, found: Recommendations, user: str | History | None, by: CatalogRecommender
    ) -> Recommendations:
        """Remember an answer, and return it."""
        listener = user if isinstance(user, str) else None
        scores = tuple(one.score for one in found)
        answer = Answer(tuple(one.id for one in found), scores, found.new, listener)
        self.answers[name].add(answer, by.version)
        return found

    def _known(self, user: str | History) -> str | History:
        """Return a listener, one of the log by the name that the log has."""
        if isinstance(user, History):
            return user
        if self._plays is None:
            raise Refusal(404, "no log of listening is served: send a history, or serve with --log")
        return _name(user)

    def audience(self, id: str, n: int = 20) -> Audience:
        """Return whom a stored track fits; see :meth:`musicu.Recommender.audience`.

        Raises
        ------
        Busy
            The recommender is being loaded.
        Refusal
            There is no such track.
        """
        recommender = self._ready().recommender
        try:
            recommender.items.position(id)
        except MusicuError as error:
            raise Refusal(404, str(error)) from None
        return recommender.audience(id, n)

    def _ready(self) -> CatalogRecommender:
        if self._loaded is not None:
            return self._loaded
        if self.problem:
            raise Refusal(503, f"the recommender cannot be loaded: {self.problem}")
        raise Busy("the recommender is being loaded", 5)

    def _follow(self) -> None:
        seen: tuple[Any, ...] = ()
        number, next_look = -1, 0.0
        while not self._over.is_set():
            stamp = _state(self._folder), self._plays and _stamp(self._plays)
            now = self._snapshot_number()
            if stamp != seen or (now != number and time.monotonic() >= next_look):
                seen, number, began = stamp, now, time.monotonic()
                try:
                    self._loaded, self.problem = self._load(), None
                except (MusicuError, OSError, sqlite3.Error) as error:
                    folder = f"{self._folder.absolute().parent}{os.sep}"
                    self.problem = str(error).replace(folder, "")
                    _log.warning("the recommender cannot be loaded: %s", error)
                ended = time.monotonic()
                next_look = ended + _PAUSE_FACTOR * (ended - began)
            self._over.wait(_INTERVAL)

    def _load(self) -> CatalogRecommender:
        return load_catalog_recommender(
            self._folder, self._catalog, self._plays, salt=_salt(), source=self._catalog.name
        )


def _name(user: str) -> str:
    """Return what a user is called in a log that was read with the salt there is."""
    salt = _salt()
    return hash_user(user, salt) if salt else user


def _salt() -> str | None:
    return os.environ.get("MUSICU_SALT") or None


def _state(folder: Path) -> tuple[Any, ...]:
    """Return what changes when a recommender is replaced, or a registry serves another version."""
    try:
        chosen, _ = served(folder)
    except MusicuError as error:  # told when it is loaded
        return (str(error),)
    return chosen, _stamp(chosen / "recommender.json")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is replaced or written to; None while it is not there."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size
