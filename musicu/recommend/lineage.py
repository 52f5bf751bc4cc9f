"""Where a fitted recommender comes from: log, items, settings, version. No user is named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Self

import numpy as np

from musicu.errors import CatalogError
from musicu.items.item import Items
from musicu.recommend.hyperparameters import named_as_stored
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import Recommender

__all__ = ["Lineage", "describe_items", "describe_log", "lineage_of"]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where a recommender comes from.

    Attributes
    ----------
    created : str
        When it was registered: ISO 8601, UTC.
    musicu : str
        The version that fitted it.
    log : dict
        ``interactions``, ``users``, ``items``: how many; ``first``, ``last``: of the times (ISO
        8601); ``digest``: of who played what when, without names of users. Empty if not known.
    items : dict
        ``count``, ``heard``, ``dim``, and ``digest``: of all ids and embeddings.
    parameters : dict
        The settings.
    ranker : bool
        Whether a ranking was learned.
    metrics : dict
        What was measured, by name.
    note : str
        What its maker says.
    """

    created: str
    musicu: str
    log: dict[str, Any]
    items: dict[str, Any]
    parameters: dict[str, Any]
    ranker: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild it from what :meth:`to_dict` returned.

        Raises
        ------
        CatalogError
            Something is missing.
        """
        names = {one.name for one in fields(cls)}
        try:
            return cls(**{name: value for name, value in saved.items() if name in names})
        except TypeError:
            raise CatalogError("this is no lineage of a recommender") from None

    def log_ends(self) -> float | None:
        """When the log ends, in seconds since 1970 UTC; None where that is not known."""
        last = self.log.get("last")
        return None if last is None else datetime.fromisoformat(last).timestamp()


def lineage_of(
    recommender: Recommender,
    *,
    log: Interactions | None = None,
    metrics: Mapping[str, Any] | None = None,
    note: str = "",
    now: datetime | None = None,
) -> Lineage:
    """Describe where a fitted recommender comes from.

    Parameters
    ----------
    recommender : Recommender
    log : Interactions, optional
        What it was fitted on; that of the recommender, unless it was loaded.
    metrics : mapping, optional
        What was measured of it.
    note : str
    now : datetime, optional
        The moment; else that of the clock.

    Raises
    ------
    NotFittedError
        It has learned nothing.
    """
    model = recommender.model
    log = model.interactions if log is None else log
    settings = vars(model.settings) | {"weights": dict(model.settings.weights)}
    return Lineage(
        created=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
        musicu=version("musicu"),
        log={} if log is None else describe_log(log),
        items=describe_items(model.items.take(range(model.n_given))),
        parameters=named_as_stored(settings),
        ranker=recommender.ranker is not None,
        metrics=dict(metrics or {}),
        note=note,
    )


def describe_log(log: Interactions) -> dict[str, Any]:
    """Describe a log without naming a user."""
    ends: dict[str, Any] = {"first": None, "last": None}
    if log.time is not None and len(log):
        for name, at in (("first", log.time.min()), ("last", log.time.max())):
            ends[name] = datetime.fromtimestamp(float(at), UTC).isoformat(timespec="seconds")
    rows = [log.user, log.item, log.weight, *([] if log.time is None else [log.time])]
    return {
        "interactions": len(log),
        "users": len(np.unique(log.user)),
        "items": len(log.items),
        **ends,
        "digest": _digest(log.items, rows),
    }


def describe_items(items: Items) -> dict[str, Any]:
    """Describe a set of items by how many there are and a digest."""
    return {
        "count": len(items),
        "heard": int(items.heard.sum()),
        "dim": int(items.audio.shape[1]),
        "digest": _digest(items.ids, [items.audio]),
    }


def _digest(ids: Iterable[str], arrays: Iterable[Any]) -> str:
    found = hashlib.sha256()
    for id in ids:
        found.update(id.encode("utf-8", "surrogateescape") + b"\n")
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()[:32]
