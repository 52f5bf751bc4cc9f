"""A champion and its challenger: two versions of a registry on what was played later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from musicu.errors import CatalogError
from musicu.evaluation.recommenders.slates import Contender, SlateEvaluation, evaluate_slates
from musicu.recommend.interactions import Interactions
from musicu.recommend.registry import Registry
from musicu.recommend.surface import Surface

__all__ = ["Challenge", "challenge_champion"]

_CHAMPION, _CHALLENGER = "champion", "challenger"


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What came of it.

    Attributes
    ----------
    champion, challenger : int
        The versions.
    better : bool
        Whether the challenger is clearly better in something, and clearly worse in nothing.
    evaluation : SlateEvaluation
        Of ``"champion"`` and ``"challenger"``.
    """

    champion: int
    challenger: int
    better: bool
    evaluation: SlateEvaluation

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        told = {"champion": self.champion, "challenger": self.challenger, "better": self.better}
        return {**told, **self.evaluation.to_dict()}


def challenge_champion(
    registry: Registry,
    log: Interactions,
    since: float,
    *,
    surface: Surface,
    challenger: int | None = None,
    until: float | None = None,
    most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Challenge:
    """Hold a version against the one that is served; what is measured is kept beside both.

    Parameters
    ----------
    registry : Registry
    log : Interactions
    since, until, most, progress
        As for :func:`musicu.evaluation.recommenders.slates.evaluate_slates`.
    surface : Surface
        What is shown.
    challenger : int, optional
        The latest version if None.
    **options
        ``seed`` and ``draws`` of :func:`evaluate_slates`.

    Raises
    ------
    CatalogError
        There is no such version, or it is the champion.
    MusicuError
        The log does not fit.
    """
    champion = registry.version()
    other = registry.versions()[-1] if challenger is None else registry.version(challenger)
    if other.number == champion.number:
        raise CatalogError(f"{registry.folder}: version {other.number} is the champion itself")
    both = {_CHAMPION: champion, _CHALLENGER: other}
    contenders = {name: Contender(registry.load(one.number), surface) for name, one in both.items()}
    found = evaluate_slates(
        contenders, log, since, until=until, most=most, progress=progress, **options
    )
    late = [
        f"version {one.number} was fitted on plays until {one.lineage.log['last']}, later than the "
        "cut: its figures are too good"
        for one in both.values()
        if (ends := one.lineage.log_ends()) is not None and ends >= since
    ]
    found = replace(found, notes=(*late, *found.notes))
    verdicts = {score.comparison.verdict for score in found.scores if score.comparison}
    better = "clearly better" in verdicts and "clearly worse" not in verdicts
    for name, one in both.items():
        rows = [row for row in found.rows() if row["contender"] == name]
        measured = {row["measure"]: row["value"] for row in rows}
        kept = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "since": datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds"),
            "surface": surface.name,
            "listeners": found.listeners,
            "beside": next(o.number for n, o in both.items() if n != name),
            "metrics": {key: None if value != value else value for key, value in measured.items()},
        }
        registry.record(one.number, kept)
    return Challenge(
        champion=champion.number, challenger=other.number, better=better, evaluation=found
    )
