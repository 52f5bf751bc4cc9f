"""What a running service holds: made once, shared by all its requests."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request

from musicu.encoders.model import Model
from musicu.encoders.registry import model_by_hash
from musicu.errors import ModelError
from musicu.monitoring.exposure import ExposureCounter
from musicu.monitoring.upload_monitor import UploadMonitor
from musicu.search.explorer import Explorer
from musicu.search.watcher import Live
from musicu.service.jobs import Jobs, catalog_work
from musicu.service.map import Chart
from musicu.service.metrics import Meters
from musicu.service.recommender import Taste
from musicu.service.release_reports import Reports
from musicu.service.security import Keys
from musicu.service.settings import Settings
from musicu.service.similar import Answers, Reply
from musicu.service.uploads.analysis import Desk, Line
from musicu.service.uploads.store import Shelf
from musicu.workers.waveforms import WaveformRenderer

__all__ = ["Service", "service_of"]

T = TypeVar("T")

_THREADS, _WAITING = 2, 64


class Service:
    """What a running service holds.

    Parameters
    ----------
    settings : Settings
        What it is told.

    Attributes
    ----------
    live : Live
        The catalog, followed.
    explorer : Explorer
        Answers questions to it.
    answers : Answers
        Brings questions for similar tracks to the explorer.
    desk : Desk
        Hears uploads.
    shelf : Shelf
        Receives uploads, and keeps them for a while; there once the service has started.
    waveform_renderer : WaveformRenderer
        Draws waveforms; there once the service has started.
    jobs : Jobs
        What outlives a request.
    chart : Chart
        The map.
    meters : Meters
        Counts.
    served : ExposureCounter
        Which tracks were named lately.
    watch : UploadMonitor
        What was uploaded lately.
    taste : Taste or None
        The recommender, if one is served.
    reports : Reports
        Makes release reports.
    keys : Keys
        What opens the service.

    Raises
    ------
    CatalogError
        The catalog cannot be opened.
    """

    shelf: Shelf
    waveform_renderer: WaveformRenderer

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._model: Model | None = None
        self.keys = Keys(settings.token)
        self.meters = Meters()
        self.served = ExposureCounter()
        self.watch = UploadMonitor(settings.catalog)
        self.live = Live(settings.catalog)
        self.explorer = Explorer(self.live)
        self.line = Line("answers", _THREADS, _WAITING, settings.deadline)
        self.answers = Answers(self.explorer, self.line, settings.deadline)
        self.desk = Desk(settings, self.model)
        self.jobs = Jobs(catalog_work(settings.catalog, self.live.refresh, self._weights))
        self.chart = Chart(self.live, self.jobs)
        self.reports = Reports(settings)
        self.taste = Taste(settings, self._moment) if settings.recommender else None
        self.meters.add_queue("neighbors", self.answers.batcher)
        lines = [self.line, self.desk.line, self.desk.aside, self.reports.line]
        for line in [*lines, self.taste.line] if self.taste else lines:
            self.meters.add_queue(line.what, line)
        self.meters.add_cache("answers", self.answers)

    async def start(self) -> None:
        """Begin to follow the catalog, and to have everything ready."""
        self.shelf = Shelf(self.settings)
        self.waveform_renderer = WaveformRenderer(timeout=self.settings.decode_seconds)
        self.meters.add_cache("portraits", self.shelf.portraits)
        self.meters.add_cache("passages", self.shelf.passages)
        self.live.start()
        self.explorer.prepare()
        if self.taste:
            self.taste.start()
        await self.shelf.start()
        await self.desk.start()

    async def close(self) -> None:
        """End all that was started."""
        await asyncio.gather(
            asyncio.to_thread(self.jobs.close),
            asyncio.to_thread(self.answers.batcher.close),
            self.line.close(),
            asyncio.to_thread(self.live.close),
            asyncio.to_thread(self.explorer.close),
            asyncio.to_thread(self.waveform_renderer.close),
            self.desk.close(),
            self.reports.close(),
            self.shelf.close(),
            *([self.taste.close()] if self.taste else []),
        )

    def _weights(self) -> str:
        return self.live.snapshot.model.sha256

    def _moment(self) -> int:
        return self.live.snapshot.number

    def model(self) -> Model:
        """Return the model of the vectors that are served.

        Raises
        ------
        ModelError
            It is not installed.
        """
        stored = self.live.snapshot.model
        if self._model is None or self._model.sha256 != stored.sha256:
            # To list them is to hash their weights: too long for each upload.
            self._model = model_by_hash(stored.sha256)
        if self._model is None:
            raise ModelError(
                f"the catalog's model {stored.name} is not installed: 'musicu models add FOLDER'"
            )
        return self._model

    async def work(self, function: Callable[..., T], *args: object) -> T:
        """Call a function on one of a few threads, in its turn.

        Raises
        ------
        Busy, Late
            Too many wait; or it took too long.
        """
        return await self.line.run(lambda _: function(*args))

    def tell(self, reply: Reply) -> bytes:
        """Count the tracks of an answer, and return what is sent."""
        self.served.add(reply.ids)
        self.meters.served(len(reply.ids))
        return reply.body

    def readiness(self) -> dict[str, Any]:
        """Tell which parts are ready: ``ready``, ``tracks``, ``model`` and ``parts``."""
        snapshot = self.live.snapshot
        parts: dict[str, bool | None] = {
            "search": True,
            "why": self.explorer.prepared,
            "map": self.chart.ready,
            "recommender": None if self.taste is None else self.taste.ready,
        }
        words = {True: "ready", False: "preparing", None: "off"}
        return {
            "ready": len(snapshot) > 0,
            "tracks": len(snapshot),
            "model": snapshot.model.name,
            "parts": {part: words[is_ready] for part, is_ready in parts.items()},
        }

    def notice(self) -> str | None:
        """Tell what there is to know about the catalog just now, in one line."""
        state = self.live.state()
        if state["stale"]:
            return "the catalog cannot be read just now: this is how it was"
        if state["damaged"]:
            return (
                f"{state['damaged']:,} tracks are damaged and left out: "
                "'musicu catalog verify --repair' mends them"
            )
        if following := state["next_model"]:
            share = f"{following['covered']:.0%}"
            return f"{following['name']} has embedded {share} of the tracks, and follows at 100%"
        return None


async def service_of(request: Request) -> Service:
    """Return the service that a request is to; a dependency of the routes."""
    service: Service = request.app.state.service
    return service
