"""Bandits on item vectors: what to show in order to learn, while feedback is late or never comes.

The reward of showing an item with vector x is taken to be x . theta plus noise, and theta to be
normal beforehand. Thompson sampling (Thompson 1933; Agrawal & Goyal, ICML 2013) shows what is best
under a theta drawn from what is known by now; LinUCB (Li, Chu, Langford & Schapire, WWW 2010) what
is best if one is lucky. Where feedback comes late, a drawn theta goes on trying different things,
and an optimistic one shows the same until it is told (Chapelle & Li, NIPS 2011).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.arrays import top_k
from musicu.errors import CatalogError, RecommenderError
from musicu.files import open_file, written_file

__all__ = ["Decision", "LinearBandit"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_METHODS = ("thompson", "linucb")


@dataclass(slots=True)
class Decision:
    """Something that was shown, and what is known of it by now.

    Attributes
    ----------
    vector : np.ndarray [shape=(dim,), float64]
        Of the item.
    offset : float
        Reward that was expected of it anyway.
    time : float
        When it was shown (s).
    reward : float or None
        What was told of it; None as long as nothing was.
    """

    vector: Floats
    offset: float
    time: float
    reward: float | None = None


class LinearBandit:
    """Chooses items by their vectors and learns from what comes of it.

    Each decision is learned from once, `window` seconds after it was made, with what was told until
    then; silence is a reward of 0. So a play that comes at once and one that comes late count
    alike. Whoever learns plays as they come, and silence when its time is over, believes too much
    of what was shown last.

    Parameters
    ----------
    dim : int >= 1
        Length of the vectors.
    method : {"thompson", "linucb"}
    exploration : float >= 0
        Standard deviations of what is not known that are added, or drawn; 0 shows what seems best.
    ridge : float > 0
        What is known beforehand: theta is about 0, as sure as so many decisions tell.
    noise : float > 0
        Standard deviation of a reward.
    window : float >= 0
        Seconds after which a decision is learned from.
    seed : int
        Of what is drawn.

    Attributes
    ----------
    mean : np.ndarray [shape=(dim,), float64]
        What theta is thought to be.
    pending : dict of int to Decision
        What was not learned from yet, by its number.

    Raises
    ------
    RecommenderError
        A parameter is out of its range.

    Examples
    --------
    >>> from musicu.recommend.bandit import LinearBandit
    >>> bandit = LinearBandit(2, window=3600.0)
    >>> rows, numbers = bandit.choose(np.eye(2), now=0.0)
    >>> bandit.tell(numbers[0], 1.0, now=60.0), bandit.learn(now=600.0), bandit.learn(now=3600.0)
    (True, 0, 1)
    """

    def __init__(
        self,
        dim: int,
        *,
        method: Literal["thompson", "linucb"] = "thompson",
        exploration: float = 1.0,
        ridge: float = 1.0,
        noise: float = 0.5,
        window: float = 0.0,
        seed: int = 0,
    ) -> None:
        if method not in _METHODS:
            raise RecommenderError(f"no bandit {method!r}; there are {', '.join(_METHODS)}")
        if not (dim >= 1 and exploration >= 0 and ridge > 0 and noise > 0 and window >= 0):
            raise RecommenderError(
                "a bandit needs dim from 1, exploration and window from 0, ridge and noise above 0"
            )
        self.method, self.exploration, self.noise = method, exploration, noise
        self.ridge, self.window, self.seed = ridge, window, seed
        self.pending: dict[int, Decision] = {}
        self._made = 0
        self._precision: Floats = ridge * np.eye(dim)
        self._told: Floats = np.zeros(dim)
        self._factored: tuple[Floats, Floats] | None = None

    def __repr__(self) -> str:
        learned = f"{self._made - len(self.pending):,} of {self._made:,} decisions learned"
        return f"LinearBandit({len(self._told)}, method={self.method!r}: {learned})"

    @property
    def mean(self) -> Floats:
        """What theta is thought to be [dim]."""
        return self._factors()[1]

    def spread(self, vectors: ArrayLike) -> Floats:
        """Return how little is known of items: the standard deviations of x . theta [n].

        Parameters
        ----------
        vectors : array-like [shape=(n, dim)]
        """
        x = self._checked(vectors)
        return np.asarray(self.noise * np.linalg.norm(self._solved(x.T), axis=0))

    def scores(self, vectors: ArrayLike, *, offsets: ArrayLike | float = 0.0) -> Floats:
        """Return what items are chosen by; with Thompson sampling, another draw for each choice.

        Parameters
        ----------
        vectors : array-like [shape=(n, dim)]
        offsets : array-like [shape=(n,)] or float
            Rewards that are expected anyway, as by a recommender; theta is what they lack.
        """
        x = self._checked(vectors)
        return np.asarray(self._known(x, offsets) + self._unknown(x, 1)[0])

    def choose(
        self,
        vectors: ArrayLike,
        k: int = 1,
        *,
        offsets: ArrayLike | float = 0.0,
        now: float = 0.0,
    ) -> tuple[Positions, list[int]]:
        """Choose k of some items, the best first.

        Parameters
        ----------
        vectors : array-like [shape=(n, dim)]
        k : int >= 0
        offsets : array-like [shape=(n,)] or float
            As for :meth:`scores`.
        now : float
            When they are shown (s).

        Returns
        -------
        positions : np.ndarray [shape=(min(k, n),), intp]
        numbers : list of int
            Of the decisions, by which :meth:`tell` knows them.

        Raises
        ------
        RecommenderError
            Vectors are of another length, or not finite.
        """
        x = self._checked(vectors)
        chosen = top_k(self.scores(x, offsets=offsets), k)
        expected = np.broadcast_to(np.asarray(offsets, dtype=np.float64), len(x))
        numbers = list(range(self._made, self._made + len(chosen)))
        for number, at in zip(numbers, chosen.tolist(), strict=True):
            self.pending[number] = Decision(x[at].copy(), float(expected[at]), now)
        self._made += len(chosen)
        return chosen, numbers

    def propensities(
        self, vectors: ArrayLike, *, offsets: ArrayLike | float = 0.0, draws: int = 1000
    ) -> Floats:
        """Return the chance of each item to be the first choice [n], for the log of decisions.

        Parameters
        ----------
        vectors, offsets
            As for :meth:`choose`, and before it.
        draws : int >= 1
            Of Thompson sampling; what was never drawn has chance 0, which is below 1 / draws.
        """
        x = self._checked(vectors)
        known = self._known(x, offsets)
        if self.method == "linucb":
            draws = 1
        first = np.argmax(known + self._unknown(x, draws), axis=1)
        return np.bincount(first, minlength=len(x)) / draws

    def tell(self, number: int, reward: float, *, now: float = 0.0) -> bool:
        """Say what came of a decision; later words replace earlier ones.

        Returns
        -------
        bool
            Whether it counts: what comes after the window, or of what was learned from, is late.

        Raises
        ------
        RecommenderError
            There was no such decision, or the reward is no finite number.
        """
        if not 0 <= number < self._made:
            raise RecommenderError(f"no decision {number}: {self._made:,} were made")
        if not np.isfinite(reward):
            raise RecommenderError(f"the reward of decision {number} is {reward}: give a number")
        decision = self.pending.get(number)
        if decision is None or now > decision.time + self.window > decision.time:
            return False
        decision.reward = float(reward)
        return True

    def learn(self, *, now: float = 0.0) -> int:
        """Learn from the decisions whose window is over.

        With a window of 0, from all of which something was told, and from nothing else.

        Returns
        -------
        int
            From how many.
        """
        due = [
            number
            for number, one in self.pending.items()
            if (one.reward is not None if not self.window else now >= one.time + self.window)
        ]
        for number in due:
            one = self.pending.pop(number)
            self._precision += np.outer(one.vector, one.vector)
            self._told += one.vector * ((one.reward or 0.0) - one.offset)
        if due:
            self._factored = None
        return len(due)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what was learned, and what is pending, to a ``.npz`` file.

        Raises
        ------
        CatalogError
            The file cannot be written.
        """
        decisions = list(self.pending.values())
        rewards = [np.nan if one.reward is None else one.reward for one in decisions]
        numbers = self.exploration, self.ridge, self.noise, self.window, self.seed, self._made
        try:
            with written_file(path) as file:
                np.savez(
                    file,
                    method=np.array(self.method),
                    numbers=np.array(numbers, dtype=np.float64),
                    precision=self._precision,
                    told=self._told,
                    pending=np.array(list(self.pending), dtype=np.int64),
                    vectors=np.array([one.vector for one in decisions]),
                    rest=np.array([(one.offset, one.time) for one in decisions]),
                    rewards=np.array(rewards),
                )
        except OSError as error:
            raise CatalogError(f"{path}: cannot be written ({error.strerror or error})") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CatalogError
            The file cannot be read, or is no saved bandit.
        """
        try:
            with open_file(path) as stream, np.load(stream, allow_pickle=False) as file:
                exploration, ridge, noise, window, seed, made = file["numbers"].tolist()
                loaded = cls(
                    len(file["told"]),
                    method=str(file["method"]),  # type: ignore[arg-type]
                    exploration=exploration,
                    ridge=ridge,
                    noise=noise,
                    window=window,
                    seed=int(seed),
                )
                loaded._made = int(made)
                loaded._precision, loaded._told = file["precision"], file["told"]
                rows = zip(
                    file["pending"], file["vectors"], file["rest"], file["rewards"], strict=True
                )
                for number, vector, (offset, time), reward in rows:
                    told = None if np.isnan(reward) else float(reward)
                    loaded.pending[int(number)] = Decision(vector, float(offset), float(time), told)
        except OSError as error:
            raise CatalogError(f"{path}: {error.strerror or 'cannot be read'}") from None
        except (ValueError, KeyError, EOFError) as error:
            raise CatalogError(f"{path}: no bandit that musicu saved ({error})") from None
        return loaded

    def _checked(self, vectors: ArrayLike) -> Floats:
        x = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
        if x.ndim != 2 or x.shape[1] != len(self._told) or not np.isfinite(x).all():
            raise RecommenderError(
                f"vectors of shape {x.shape}: rows of {len(self._told)} finite numbers are needed"
            )
        return x

    def _known(self, x: Floats, offsets: ArrayLike | float) -> Floats:
        return np.asarray(offsets, dtype=np.float64) + x @ self.mean

    def _unknown(self, x: Floats, draws: int) -> Floats:
        """Return what is added to what is known [draws, n]."""
        if self.method == "linucb":
            return (self.exploration * self.spread(x))[None]
        rng = np.random.default_rng([self.seed, self._made])
        # L L^T is the precision: L^-T z has its inverse as covariance.
        z = rng.standard_normal((draws, len(self._told)))
        return np.asarray(self.exploration * self.noise * z @ self._solved(x.T))

    def _solved(self, columns: Floats) -> Floats:
        """Return L^-1 times columns, L L^T being the precision."""
        return np.asarray(self._factors()[0] @ columns)

    def _factors(self) -> tuple[Floats, Floats]:
        """Return L^-1 and the mean, computed once for all choices between two lessons."""
        if self._factored is None:
            # The precision is the ridge at least, so its root can be inverted.
            inverse = np.linalg.inv(np.linalg.cholesky(self._precision))
            self._factored = inverse, inverse.T @ (inverse @ self._told)
        return self._factored
