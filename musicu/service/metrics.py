"""What a service counts of itself, for Prometheus and for its own report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Cache", "Metrics", "MetricsMiddleware", "Queue"]

# Seconds; a tenth of a second is long for a neighbor query, thirty are the usual deadline.
_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
# Reasons come from decoders, too: a label may not have any number of values.
_REASONS, _REASON_LENGTH = 64, 80


class Queue(Protocol):
    """Work that waits, as it is counted."""

    @property
    def depth(self) -> int:
        """How many wait."""

    @property
    def limit(self) -> int:
        """How many may."""

    @property
    def busy(self) -> int:
        """How many are worked at."""

    @property
    def rejected(self) -> int:
        """How many were turned away."""


class Cache(Protocol):
    """A cache, as it is counted."""

    @property
    def hits(self) -> int:
        """How often an answer was there."""

    @property
    def misses(self) -> int:
        """How often it was not."""


class Metrics(Collector):
    """Counters of one service, in a registry of their own.

    Attributes
    ----------
    registry : CollectorRegistry
        All of them.
    since : float
        Unix time of the start.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.since = time.time()
        ProcessCollector(registry=self.registry)
        self.in_flight = Gauge(
            "musicu_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self._seconds = Histogram(
            "musicu_request_seconds",
            "Seconds until an answer begins, by route.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._answers = Counter(
            "musicu_answers",
            "Answers by status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._failures = Counter(
            "musicu_failures",
            "Uploads that could not be used, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self._served = Counter(
            "musicu_served_results", "Tracks named in answers.", registry=self.registry
        )
        self._reasons: set[str] = set()
        self._queues: dict[str, Queue] = {}
        self._caches: dict[str, Cache] = {}
        self.registry.register(self)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer.

        Parameters
        ----------
        method : str
            Of the request; uncommon ones are counted as one.
        route : str
            Template of its path: ``/v1/tracks/{id}``.
        status : int
            Of the answer.
        seconds : float >= 0
            Until it began.
        """
        method = method if method in _METHODS else "other"
        self._seconds.labels(method, route).observe(seconds)
        self._answers.labels(method, route, str(status)).inc()

    def failed(self, reason: str) -> None:
        """Count an upload that could not be used; reasons beyond the 64th are ``other``."""
        reason = " ".join(reason.split())[:_REASON_LENGTH]
        if reason not in self._reasons:
            if len(self._reasons) >= _REASONS:
                reason = "other"
            self._reasons.add(reason)
        self._failures.labels(reason).inc()

    def served(self, n: int) -> None:
        """Count tracks named in an answer."""
        self._served.inc(n)

    def add_queue(self, name: str, queue: Queue) -> None:
        """Have a queue read whenever somebody asks how long it is."""
        self._queues[name] = queue

    def add_cache(self, name: str, cache: Cache) -> None:
        """Have a cache read whenever somebody asks what it is worth."""
        self._caches[name] = cache

    def collect(self) -> Iterator[Metric]:
        """Read the queues and caches; called by the registry."""
        depth = GaugeMetricFamily("musicu_queue_depth", "Requests that wait.", labels=["queue"])
        limit = GaugeMetricFamily("musicu_queue_limit", "Requests that may.", labels=["queue"])
        busy = GaugeMetricFamily("musicu_queue_busy", "Requests worked at.", labels=["queue"])
        rejected = CounterMetricFamily(
            "musicu_rejected", "Requests turned away as too many waited.", labels=["queue"]
        )
        for name, queue in self._queues.items():
            depth.add_metric([name], queue.depth)
            limit.add_metric([name], queue.limit)
            busy.add_metric([name], queue.busy)
            rejected.add_metric([name], queue.rejected)
        lookups = CounterMetricFamily(
            "musicu_cache_lookups", "Looks into a cache.", labels=["cache", "result"]
        )
        for name, cache in self._caches.items():
            lookups.add_metric([name, "hit"], cache.hits)
            lookups.add_metric([name, "miss"], cache.misses)
        yield from (depth, limit, busy, rejected, lookups)

    def render(self) -> bytes:
        """Write all in Prometheus' text format."""
        return generate_latest(self.registry)

    def summary(self) -> dict[str, Any]:
        """Sum up for people.

        Returns
        -------
        dict
            ``since`` (Unix time), ``requests`` (for each route ``count``, ``p50_ms``, ``p99_ms``,
            ``errors``: answers of 500 and above), ``queues`` (``depth``, ``limit``, ``busy``,
            ``rejected``), ``cache`` (``hits``, ``misses``), ``failures`` (by reason), ``served``
            (tracks named).
        """
        return {
            "since": self.since,
            "requests": self._requests(),
            "queues": {
                name: {
                    "depth": queue.depth,
                    "limit": queue.limit,
                    "busy": queue.busy,
                    "rejected": queue.rejected,
                }
                for name, queue in self._queues.items()
            },
            "cache": {
                name: {"hits": cache.hits, "misses": cache.misses}
                for name, cache in self._caches.items()
            },
            "failures": {reason: n for (reason,), n in _values(self._failures).items()},
            "served": _values(self._served)[()],
        }

    def _requests(self) -> dict[str, dict[str, float]]:
        errors: dict[str, int] = {}
        for (method, route, status), count in _values(self._answers).items():
            if status >= "500":
                errors[f"{method} {route}"] = errors.get(f"{method} {route}", 0) + count
        below: dict[str, list[float]] = {}
        for metric in self._seconds.collect():
            for sample in metric.samples:
                if sample.name.endswith("_bucket"):
                    key = f"{sample.labels['method']} {sample.labels['route']}"
                    below.setdefault(key, []).append(sample.value)
        return {
            key: {
                "count": int(counts[-1]),
                "p50_ms": round(1000 * _quantile(counts, 0.5), 2),
                "p99_ms": round(1000 * _quantile(counts, 0.99), 2),
                "errors": errors.get(key, 0),
            }
            for key, counts in below.items()
        }


class MetricsMiddleware:
    """ASGI middleware that counts requests, and how long their answers take to begin.

    A stream may go on for as long as its listener likes; that is no latency.

    Parameters
    ----------
    app : ASGI application
        What answers.
    metrics : Metrics
        What counts.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status, seconds = 500, None

        async def watch(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.perf_counter() - begun
            await send(message)

        self.metrics.in_flight.inc()
        try:
            await self.app(scope, receive, watch)
        finally:
            self.metrics.in_flight.dec()
            route = getattr(scope.get("route"), "path", "(none)")
            seconds = time.perf_counter() - begun if seconds is None else seconds
            self.metrics.answered(scope["method"], route, status, seconds)


def _values(counter: Counter) -> dict[tuple[str, ...], int]:
    """Values of a counter by its labels."""
    (metric,) = counter.collect()
    return {
        tuple(sample.labels.values()): int(sample.value)
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def _quantile(below: Sequence[float], q: float) -> float:
    """Estimate a quantile from cumulative counts, as Prometheus' ``histogram_quantile`` does."""
    rank, lower, before = q * below[-1], 0.0, 0.0
    for upper, count in zip(_BUCKETS, below, strict=False):
        if count >= rank:
            share = (rank - before) / (count - before) if count > before else 1.0
            return lower + (upper - lower) * share
        lower, before = upper, count
    return _BUCKETS[-1]
