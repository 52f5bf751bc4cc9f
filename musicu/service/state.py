"""What a running service holds: made once, shared by all its requests."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from fastapi import Request, Response

from musicu.encoders.model import Model
from musicu.encoders.registry import model_by_hash
from musicu.errors import ModelError
from musicu.monitoring.exposure import ExposureCounter
from musicu.monitoring.upload_monitor import UploadMonitor
from musicu.search.explorer import Explorer
from musicu.search.watcher import CatalogWatcher
from musicu.service.cache import AsyncLRU
from musicu.service.feedback import FeedbackLog
from musicu.service.jobs import Jobs, catalog_work
from musicu.service.map import ServedMap
from musicu.service.metrics import Metrics
from musicu.service.queues import WorkQueue
from musicu.service.recommender import ReloadingRecommender
from musicu.service.release_reports import ReleaseReporter
from musicu.service.security import TokenAuth
from musicu.service.settings import Settings
from musicu.service.similar import EncodedAnswer, SimilarSearch
from musicu.service.transcodes import Transcodes
from musicu.service.uploads.add import UploadAdder
from musicu.service.uploads.analysis import UploadAnalyzer
from musicu.service.uploads.store import UploadStore
from musicu.workers.waveform_renderer import CoverRenderer, WaveformRenderer

__all__ = ["Service", "service_of"]

T = TypeVar("T")

_THREADS, _WAITING = 2, 64
_WAVEFORM_BYTES, _PASSAGE_BYTES, _COVER_BYTES = 256 << 20, 1 << 20, 64 << 20
_COVERS_WAITING = 256  # a page of albums asks for all at once


class Service:
    """What a running service holds.

    Parameters
    ----------
    settings : Settings
        What it is told.

    Attributes
    ----------
    live : CatalogWatcher
        The catalog, followed.
    explorer : Explorer
        Searches it.
    queue : WorkQueue
        Requests that need a thread.
    similar : SimilarSearch
        Similar tracks, batched and cached.
    uploads : UploadStore
        Receives uploads, and keeps them for a while.
    analyzer : UploadAnalyzer
        Analyzes uploads.
    upload_adder : UploadAdder or None
        Adds uploads to the catalog, if that is allowed.
    waveform_renderer : WaveformRenderer
        Computes waveforms.
    cover_renderer : CoverRenderer
        Makes thumbnails of covers.
    cover_queue : WorkQueue
        Requests for them.
    covers : AsyncLRU
        Thumbnail (JPEG, empty for none) by a track's id.
    transcodes : Transcodes
        Files as browsers play them.
    waveforms : AsyncLRU
        Waveform (JSON) and mel picture (PNG) by a track's id.
    passages : AsyncLRU
        Where two tracks are most alike (JSON), by their ids and the model.
    jobs : Jobs
        Work that outlives a request.
    map : ServedMap
        The map.
    metrics : Metrics
        Counters.
    exposure : ExposureCounter
        Which tracks were named lately.
    upload_monitor : UploadMonitor
        What was uploaded lately.
    recommender : ReloadingRecommender or None
        The recommender, if one is served.
    feedback : FeedbackLog or None
        Where is kept what listeners say, if it is.
    release_reporter : ReleaseReporter
        Makes release reports.
    auth : TokenAuth
        Checks the token.

    Raises
    ------
    CatalogError
        The catalog cannot be opened.
    MusicuError
        The log of feedback cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._model: Model | None = None
        self.auth = TokenAuth(settings.token)
        self.metrics = Metrics()
        self.exposure = ExposureCounter()
        self.upload_monitor = UploadMonitor(settings.catalog)
        self.live = CatalogWatcher(settings.catalog)
        self.explorer = Explorer(self.live)
        self.queue = WorkQueue("answers", _THREADS, _WAITING, settings.deadline)
        self.similar = SimilarSearch(self.explorer, self.queue, settings.deadline)
        self.analyzer = UploadAnalyzer(settings, self.model)
        self.jobs = Jobs(catalog_work(settings.catalog, self.live.refresh, self._weights))
        self.map = ServedMap(self.live, self.jobs)
        self.release_reporter = ReleaseReporter(settings)
        self.recommender = (
            ReloadingRecommender(settings, self._snapshot_number) if settings.recommender else None
        )
        self.feedback = FeedbackLog(settings.feedback) if settings.feedback else None
        self.upload_adder = (
            UploadAdder(settings.catalog, settings.uploads) if settings.uploads else None
        )
        self.uploads = UploadStore(settings)
        self.transcodes = Transcodes(settings, Path(self.uploads.folder) / "transcoded")
        self.waveform_renderer = WaveformRenderer(timeout=settings.decode_seconds)
        self.cover_renderer = CoverRenderer(timeout=settings.decode_seconds)
        self.cover_queue = WorkQueue("covers", 1, _COVERS_WAITING, settings.deadline)
        self.covers: AsyncLRU[str, bytes] = AsyncLRU(_COVER_BYTES, lambda jpeg: 100 + len(jpeg))
        self.waveforms: AsyncLRU[str, tuple[bytes, bytes]] = AsyncLRU(
            _WAVEFORM_BYTES, lambda pair: sum(map(len, pair))
        )
        self.passages: AsyncLRU[tuple[str, str, str], bytes] = AsyncLRU(_PASSAGE_BYTES, len)
        self._register_metrics()

    def _register_metrics(self) -> None:
        """Have queues and caches counted, under names that monitoring knows."""
        self.metrics.add_queue("neighbors", self.similar.batcher)
        queues = [self.queue, self.analyzer.queue, self.analyzer.audio_queue]
        queues += [self.release_reporter.queue, self.cover_queue, self.transcodes.queue]
        if self.recommender:
            queues.append(self.recommender.queue)
        for queue in queues:
            self.metrics.add_queue(queue.what, queue)
        self.metrics.add_cache("answers", self.similar.cache)
        self.metrics.add_cache("portraits", self.waveforms)  # the label that dashboards have
        self.metrics.add_cache("passages", self.passages)
        self.metrics.add_cache("covers", self.covers)
        self.metrics.add_cache("transcodes", self.transcodes.cache)

    async def start(self) -> None:
        """Begin to follow the catalog, and to have everything ready."""
        self.live.start()
        self.explorer.prepare()
        if self.recommender:
            self.recommender.start()
        await self.uploads.start()
        await self.analyzer.start()

    async def close(self) -> None:
        """End all that was started."""
        await asyncio.gather(
            asyncio.to_thread(self.jobs.close),
            asyncio.to_thread(self.similar.batcher.close),
            self.queue.close(),
            asyncio.to_thread(self.live.close),
            asyncio.to_thread(self.explorer.close),
            asyncio.to_thread(self.waveform_renderer.close),
            asyncio.to_thread(self.cover_renderer.close),
            self.cover_queue.close(),
            self.transcodes.close(),
            self.analyzer.close(),
            self.release_reporter.close(),
            self.uploads.close(),
            *([self.recommender.close()] if self.recommender else []),
        )

    def _weights(self) -> str:
        return self.live.snapshot.model.sha256

    def _snapshot_number(self) -> int:
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
        return await self.queue.run(lambda _: function(*args))

    def respond(self, answer: EncodedAnswer, **more: Any) -> Response:
        """Count the tracks of an answer as served, and return it with further members."""
        self.exposure.add(answer.ids)
        self.metrics.served(len(answer.ids))
        return Response(answer.to_json(**more), media_type="application/json")

    def readiness(self) -> dict[str, Any]:
        """Tell which parts are ready: ``ready``, ``tracks``, ``model`` and ``parts``."""
        snapshot = self.live.snapshot
        parts: dict[str, bool | None] = {
            "search": True,
            "why": self.explorer.prepared,
            "map": self.map.ready,
            "recommender": None if self.recommender is None else self.recommender.ready,
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
