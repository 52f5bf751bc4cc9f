"""Made-up listeners: how they behave, what they like, and when they listen.

Half of the simulator: :mod:`musicu.simulation.simulate` lets time pass over them. The assumptions
and their formulas are in docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k, unit_rows
from musicu.errors import MusicuError

__all__ = ["DAY", "RHYTHM", "WEEK", "Behavior", "Population", "Truth", "draw"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

DAY = 86_400.0
# Share of sessions that begin in each hour of the day: asleep at four, an evening peak.
RHYTHM: Doubles = np.array(
    [20, 11, 6, 4, 3, 5, 12, 26, 40, 44, 44, 46, 48, 48, 48, 50, 56, 66, 74, 78, 76, 68, 52, 36]
) / np.float64(961)
# Sessions on Monday .. Sunday, relative to the mean day.
WEEK: Doubles = np.array([0.92, 0.92, 0.94, 0.98, 1.08, 1.12, 1.04])

_CEILING = 3.0  # of affinity: all items of a taste's region are liked alike
_JITTER = 0.3  # length of the step from a real item to a taste near it


@dataclass(frozen=True, kw_only=True)
class Behavior:
    """How listeners behave.

    Attributes
    ----------
    tastes : int >= 1
        A listener has 1 to so many.
    focus : float >= 0
        Weight of affinity in choice.
    popularity : float >= 0
        Weight of log-popularity in choice: 0 is none, 1 is preferential attachment proper.
    zipf : float >= 0
        Exponent of the popularity that items start with.
    loyalty : float >= 0
        Added to the score of items by a taste's favorite artist; needs artists.
    sessions : float >= 0
        Mean number a day.
    spread : float >= 0
        Standard deviation of the logarithm of listeners' session rates.
    length : float >= 1
        Mean number of steps of a session, geometric.
    mood, repeat : float in [0, 1]
        Chance that a step keeps to the session's taste, and that it is a play of old.
    page, slots : int >= 1
        Items shown by a search, and by a recommendation list.
    examine : float >= 0
        Exponent of position bias: position r is seen with chance ``r ** -examine``.
    appeal : float in [0, 1]
        Chance of a click on an item that is seen and liked.
    explore : float in [0, 1]
        Share of random items in the logging policy's lists.
    drifting, drift : float in [0, 1]
        Share of listeners whose tastes move slowly, and how far they go until the end.
    changing : float in [0, 1]
        Share of listeners whose main taste is replaced on one day.
    minority, niche : float in [0, 1]
        Share of listeners in the minority, and share of the items that are its niche.
    new : float in [0, 1]
        Share of items released during the simulated days.

    Raises
    ------
    MusicuError
        A value outside its range, or more than all listeners drift or change.
    """

    tastes: int = 3
    focus: float = 3.0
    popularity: float = 0.5
    zipf: float = 0.8
    loyalty: float = 1.0
    sessions: float = 0.6
    spread: float = 0.6
    length: float = 6.0
    mood: float = 0.9
    repeat: float = 0.2
    page: int = 4
    slots: int = 10
    examine: float = 1.0
    appeal: float = 0.5
    explore: float = 0.1
    drifting: float = 0.2
    drift: float = 1.0
    changing: float = 0.1
    minority: float = 0.15
    niche: float = 0.05
    new: float = 0.1

    def __post_init__(self) -> None:
        least = {"tastes": 1.0, "length": 1.0, "page": 1.0, "slots": 1.0}
        free = {"focus", "popularity", "zipf", "loyalty", "sessions", "spread", "examine", *least}
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = least.get(field.name, 0.0), np.inf if field.name in free else 1.0
            if not low <= value <= high or value == np.inf:
                raise MusicuError(f"{field.name} is {value}: it must be in [{low:g}, {high:g}]")
        if self.drifting + self.changing > 1:
            raise MusicuError("drifting and changing together exceed 1: nobody does both")


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """What was planted.

    Attributes
    ----------
    first, goal : np.ndarray [shape=(users, k, dim), float32]
        Unit tastes on day 0, and where slow drift leads; equal where nothing drifts. The main taste
        comes first.
    after : np.ndarray [shape=(users, dim), float32]
        What replaces the main taste of those who change.
    change_day : np.ndarray [shape=(users,), float64]
        When; infinite for those who do not.
    drifting : np.ndarray [shape=(users,), bool]
        Who drifts.
    shares : np.ndarray [shape=(users, k), float64]
        How much of the listening each taste takes; 0 for tastes that a listener has not.
    minority : np.ndarray [shape=(users,), bool]
        Who belongs to the minority.
    niche : np.ndarray [shape=(items,), bool]
        The items near which the minority's tastes lie, and nobody else's.
    release_day : np.ndarray [shape=(items,), float64]
        When an item appears; 0 for those that were there.
    days : int
        How many were simulated.
    """

    first: Floats
    goal: Floats
    after: Floats
    change_day: Doubles
    drifting: Bools
    shares: Doubles
    minority: Bools
    niche: Bools
    release_day: Doubles
    days: int

    def tastes(self, day: float) -> Floats:
        """Return the unit tastes [users, k, dim] on a day, 0 being the first."""
        found = unit_rows(self.first + np.float32(day / self.days) * (self.goal - self.first))
        changed = self.change_day <= day
        found[changed, 0] = self.after[changed]
        return found


class Population:
    """Listeners over items; the same arguments make the same ones.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim)]
        Unit rows: embeddings of real items.
    artists : sequence or None
        Label of each item's artist.
    n_users, days : int >= 1
        How many, and how long.
    seed : int
        Of everything drawn.
    behavior : Behavior
        How they behave.

    Attributes
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        The items.
    by_artist : list of np.ndarray
        Positions of each artist's items; empty without artists.
    prior : np.ndarray [shape=(n,), float64]
        Popularity, of mean 1, that items start with.
    truth : Truth
        What was planted.
    favorite : np.ndarray [shape=(users, k + 1), int]
        The artist, a position in `by_artist`, that each taste favors, the last being that of
        ``truth.after``; -1 without artists.
    session_user, session_taste, session_steps : np.ndarray [shape=(sessions,), int32]
    session_day : np.ndarray [shape=(sessions,), float64]
        Who, which taste sets the mood, how many steps, and when it begins (in days, with the time
        of day as a fraction). In order of time.

    Raises
    ------
    MusicuError
        The vectors are not rows of unit length; fewer items are out on the first day than a list
        has slots; the artists are not one an item; nobody or no day is to be simulated.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        *,
        artists: Sequence[Any] | NDArray[Any] | None,
        n_users: int,
        days: int,
        seed: int,
        behavior: Behavior,
    ) -> None:
        self.vectors = _checked(vectors)
        self.behavior, self.n_users, self.days, self.seed = behavior, n_users, days, seed
        n = len(self.vectors)
        if artists is not None and len(artists) != n:
            raise MusicuError(f"{len(artists)} artists for {n} items: one an item")
        if n_users < 1 or days < 1:
            raise MusicuError(f"{n_users} listeners for {days} days: at least one of each")
        rng = np.random.default_rng([seed, 0])
        # Embeddings of music fill a narrow cone: a similarity says something only beside those of
        # random pairs.
        left, right = rng.integers(n, size=(2, 20_000))
        cosine = np.einsum("ij,ij->i", self.vectors[left], self.vectors[right])[left != right]
        self._center, self._scale = float(cosine.mean()), max(float(cosine.std()), 1e-6)
        artist = np.zeros(n, np.intp)
        self.by_artist: list[NDArray[np.intp]] = []
        if artists is not None:
            artist = np.unique(np.asarray(artists), return_inverse=True)[1]
            by = np.argsort(artist, kind="stable")
            self.by_artist = np.split(by, np.cumsum(np.bincount(artist))[:-1])
        rank = 1.0 + rng.permutation(len(self.by_artist) or n)
        prior = rank**-behavior.zipf
        if self.by_artist:
            prior = prior[artist] * rng.exponential(size=n)
        self.prior: Doubles = prior / prior.mean()
        self._people(rng, artist)
        if (out := int((self.truth.release_day == 0).sum())) < behavior.slots:
            raise MusicuError(f"{out} items on the first day do not fill {behavior.slots} slots")
        self._schedule(rng)

    def _people(self, rng: np.random.Generator, artist: NDArray[np.intp]) -> None:
        b, n, m, k = self.behavior, len(self.vectors), self.n_users, self.behavior.tastes
        minority = np.zeros(m, bool)
        minority[rng.permutation(m)[: round(b.minority * m)]] = True
        order = rng.permutation(m)
        drifters, changers = round(b.drifting * m), round(b.changing * m)
        drifting = np.zeros(m, bool)
        drifting[order[:drifters]] = True
        change_day = np.full(m, np.inf)
        moved = order[drifters : drifters + changers]
        change_day[moved] = rng.uniform(0.3, 0.7, len(moved)) * self.days
        niche = np.zeros(n, bool)
        if minority.any():
            near = self.vectors @ self.vectors[rng.integers(n)]
            niche[top_k(near, max(1, round(b.niche * n)))] = True
        # A taste lies near a real item, so that there is something to play.
        pools = [np.flatnonzero(~niche), np.flatnonzero(niche)]
        draws = [rng.choice(pool if len(pool) else n, size=(m, 2 * k + 1)) for pool in pools]
        anchor = np.where(minority[:, None], draws[1], draws[0])
        noise = rng.standard_normal((*anchor.shape, self.vectors.shape[1]), dtype=np.float32)
        near = unit_rows(self.vectors[anchor] + unit_rows(noise) * np.float32(_JITTER))
        first, far = near[:, :k], near[:, k : 2 * k]
        weight = rng.gamma(2.0, size=(m, k)) * (np.arange(k) < rng.integers(1, k + 1, (m, 1)))
        weight = -np.sort(-weight, axis=1)
        release = np.zeros(n)
        late = rng.permutation(n)[: round(b.new * n)]
        release[late] = rng.uniform(0, self.days, len(late))
        self.truth = Truth(
            first=first,
            goal=np.where(
                drifting[:, None, None], first + np.float32(b.drift) * (far - first), first
            ),
            after=near[:, -1],
            change_day=change_day,
            drifting=drifting,
            shares=weight / weight.sum(axis=1, keepdims=True),
            minority=minority,
            niche=niche,
            release_day=release,
            days=self.days,
        )
        self.favorite = artist[anchor[:, [*range(k), 2 * k]]] if self.by_artist else None

    def _schedule(self, rng: np.random.Generator) -> None:
        b, m = self.behavior, self.n_users
        rate = np.exp(b.spread * rng.standard_normal((m, 1)) - b.spread**2 / 2)
        count = rng.poisson(b.sessions * rate * WEEK[np.arange(self.days) % 7])
        user, day = (np.repeat(axis.ravel(), count.ravel()) for axis in np.indices(count.shape))
        # Some rise early: everyone has a clock of their own.
        clock = rng.normal(0.0, 1.5, m)
        hour = rng.choice(24, size=len(user), p=RHYTHM) + rng.random(len(user)) + clock[user]
        when = day + (hour % 24) / 24
        order = np.argsort(when, kind="stable")
        self.session_user = user[order].astype(np.int32)
        self.session_day: Doubles = when[order]
        self.session_taste = draw(self.truth.shares[self.session_user], rng.random(len(user)))
        self.session_steps = rng.geometric(1 / b.length, size=len(user)).astype(np.int32)

    def tastes(self, user: Ints, taste: Ints, changed: Bools, day: float) -> Floats:
        """Return unit tastes [r, dim]: of users, as drift has them on a day, changed or not yet."""
        first = self.truth.first[user, taste]
        moved = np.float32(day / self.days) * (self.truth.goal[user, taste] - first)
        found = unit_rows(first + moved)
        new = changed & (taste == 0)
        found[new] = self.truth.after[user[new]]
        return found

    def affinity(self, cosine: Floats) -> Floats:
        """Return how well items are liked, in [-3, 3], from their cosine similarity to a taste.

        It is in standard deviations of the similarity of random pairs of items, leveled off.
        """
        found: Floats = cosine - np.float32(self._center)
        found /= np.float32(self._scale * _CEILING)
        np.tanh(found, out=found)
        found *= np.float32(_CEILING)
        return found


def draw(shares: Doubles, chance: Doubles) -> Ints:
    """Draw a column from each row of shares [r, k] by uniform chances [r]."""
    found = (chance[:, None] >= np.cumsum(shares, axis=1)).sum(axis=1)
    # The last sum may fall short of 1 by rounding; columns without a share come last.
    last: Ints = np.minimum(found, (shares > 0).sum(axis=1) - 1).astype(np.int32)
    return last


def _checked(vectors: NDArray[Any]) -> Floats:
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or not found.size:
        raise MusicuError(f"vectors of shape {found.shape}: rows of items are needed")
    length = np.linalg.norm(found, axis=1)
    if (wrong := np.flatnonzero(~(np.abs(length - 1) < 1e-2))).size:
        raise MusicuError(
            f"row {wrong[0]} of the vectors has length {length[wrong[0]]:.3g}: make rows unit "
            "length, and leave out items that were not heard"
        )
    return found
