"""Hyperparameters of a recommender, by today's names and by those that files have for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from musicu.estimator import Estimator
from musicu.items.fusion import DEFAULT_WEIGHTS

__all__ = ["LISTENING_WEIGHTS", "Hyperparameters", "Tunable", "named_as_stored", "named_today"]

# Where listeners teach what belongs together, audio's 256 dimensions need less room than where
# likeness is all there is, and what is measured beside them costs more than it tells (measured:
# docs/recommend.md).
LISTENING_WEIGHTS: Mapping[str, float] = {
    **DEFAULT_WEIGHTS,
    "audio": 0.3,
    "tags": 1.0,
    "tempo": 0.0,
    "key": 0.0,
    "loudness": 0.0,
    "sound": 0.0,
}

# What saved recommenders and reports call settings; as keywords these names are understood, too.
_STORED_NAMES = {"ridge": "smoothing", "shrinkage": "doubt", "length_debias": "evenness"}


@dataclass(frozen=True)
class Hyperparameters:
    """Hyperparameters of a recommender.

    Parameters
    ----------
    weights : mapping of str to float
        Weights of the fields (:class:`musicu.items.fusion.Fusion`).
    dim : int > 0
        Length of the collaborative factors.
    ridge : float > 0
        Penalty of the maps from content to factors; see :func:`fit_content_map`.
    shrinkage : float >= 0
        Listeners at which an item's own factor counts half.
    target_debias : float in [0, 1]
        How far the lengths of the factors that the maps learn from are brought together: the
        longest are the most popular, whose listeners would say most of what content means.
    taste : float >= 0
        How much plain likeness to what was played counts beside the listeners.
    preference : float >= 0
        How much it counts what listeners say of items once they are heard, where they say
        anything: standard deviations for what is liked instead of being told nothing of.
    length_debias : float in [0, 1]
        How far the lengths of all item factors are brought together: what is long is popular, or
        looks like what is popular. 0 leaves them, 1 makes all equal.
    half_life : float > 0
        Days in which a play loses half its weight.
    max_interests : int >= 1
        Interests of a listener at most.
    exploration : float in [0, 1]
        Share of every list that is kept for items nobody has played, where there are any.
    new_share : float in (0, 1) or None
        Share of listening that is expected to be of such items, by which their scores are set
        beside those of known ones; None estimates it (:mod:`musicu.recommend.calibration`).
    seed : int
        Of all that is drawn at random.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: LISTENING_WEIGHTS)
    dim: int = 64
    ridge: float = 10.0
    shrinkage: float = 5.0
    target_debias: float = 0.5
    taste: float = 0.1
    preference: float = 2.0
    length_debias: float = 0.25
    half_life: float = 90.0
    max_interests: int = 4
    exploration: float = 0.1
    new_share: float | None = None
    seed: int = 0


def named_today(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by their names in :class:`Hyperparameters`, given by either name.

    Weights that are None are left out: they are the usual ones.
    """
    today = {old: name for name, old in _STORED_NAMES.items()}
    named = {today.get(name, name): value for name, value in settings.items()}
    return {name: value for name, value in named.items() if (name, value) != ("weights", None)}


def named_as_stored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by the names that saved recommenders and reports have for them."""
    return {_STORED_NAMES.get(name, name): value for name, value in settings.items()}


class Tunable(Estimator):
    """What has hyperparameters, as scikit-learn's estimators have parameters.

    Attributes
    ----------
    settings : Hyperparameters
        What the next fit learns with.
    """

    settings: Hyperparameters

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return dict(vars(Hyperparameters()))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings, as scikit-learn's estimators do."""
        return dict(vars(self.settings))

    def set_params(self, **params: Any) -> Self:
        """Set what the next fit learns with; what was learned stays.

        Raises
        ------
        MusicuError
            There is no such setting.
        """
        named = named_today(params)
        self._check_names(named)
        self.settings = replace(self.settings, **named)
        return self
