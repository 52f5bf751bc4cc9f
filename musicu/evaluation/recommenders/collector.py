"""What systems did in the splits of an offline test, query by query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import gini
from musicu.errors import MusicuError
from musicu.evaluation import list_metrics
from musicu.evaluation.ranking_metrics import KS, measure, measure_audience, top_n
from musicu.evaluation.recommenders.baselines import SystemScores
from musicu.evaluation.recommenders.splits import Split
from musicu.evaluation.recommenders.whole_catalog import LENGTH, CatalogLists, CatalogTest
from musicu.evaluation.two_way import find_gains
from musicu.items.fusion import Fusion
from musicu.items.item import Items
from musicu.metadata.artists import main_artist
from musicu.recommend.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["GROUPS", "TOP", "MetricCollector", "SystemMetrics"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Who asks for what: a listener for all new items, for those by artists played before, or by
# others; or a new item for its listeners.
GROUPS = ("listeners", "known artists", "new artists", "items")

TOP = 10  # length of the lists of which other things than accuracy are told

# Equal scores are told apart by chance, by less than anything that was scored.
_TIES = 1e-6


@dataclass
class SystemMetrics:
    """What was measured of one system.

    Attributes
    ----------
    kind, uses, lacks
        As in :class:`musicu.evaluation.recommenders.baselines.SystemScores`.
    values : dict
        By group and measure, an array a split: one value a query, NaN where nothing was asked.
    lists : dict
        By name, what the listeners' lists are like; an array a split, one value a list.
    figures : dict
        By name, what all lists of a split are like together; a number a split.
    exposure : list of np.ndarray [shape=(candidates,), int]
        A split each.
    gains : dict of scipy.sparse.csr_array [shape=(listeners, artists)]
        By group and measure, what each listener's finds of each artist add up to, over all splits
        (:func:`musicu.evaluation.two_way.find_gains`).
    new_shares : list of float
        Share of new items in whole lists, a split each.
    """

    kind: str
    uses: tuple[str, ...]
    lacks: str
    values: dict[tuple[str, str], list[Floats]] = field(default_factory=dict)
    lists: dict[str, list[Floats]] = field(default_factory=dict)
    figures: dict[str, list[float]] = field(default_factory=dict)
    exposure: list[NDArray[np.intp]] = field(default_factory=list)
    gains: dict[tuple[str, str], csr_array] = field(default_factory=dict)
    new_shares: list[float] = field(default_factory=list)

    def all_values(self, group: str, name: str) -> Floats:
        """Return the values [queries] of one measure, of all splits."""
        return np.concatenate(self.values[group, name])


class MetricCollector:
    """Measures the scores of systems, split by split.

    Popularity and novelty are those of the whole log: what is new has no listeners in training.
    Variety and calibration are those of genres.

    Parameters
    ----------
    log : Interactions
        All of it.
    items : Items
        All that can be recommended.

    Attributes
    ----------
    records : dict of SystemMetrics
        By the system's name, in the order in which they came.
    users, cold : list of sequence of str
        Who asked and what was new, a sequence a split.
    ranked : list of int
        Number of candidates, a split each.
    catalog : dict of SystemMetrics
        The same as `records`, of whole lists.
    shares : dict of scipy.sparse.csr_array [shape=(listeners, artists)]
        By group, what all that should be found adds up to.
    """

    def __init__(self, log: Interactions, items: Items) -> None:
        self.records: dict[str, SystemMetrics] = {}
        self.users: list[NDArray[np.str_]] = []
        self.cold: list[NDArray[np.str_]] = []
        self.ranked: list[int] = []
        self.catalog: dict[str, SystemMetrics] = {}
        self.shares: dict[str, csr_array] = {}
        known = set(items.ids)
        self._ids = [*items.ids, *(id for id in log.items if id not in known)]
        self._items = items
        whole = log.of_items(self._ids)
        self._listeners = np.diff(whole.matrix("binary").T.tocsr().indptr).astype(np.float64)
        self._total, self._listening = len(np.unique(log.user)), len(log.users)
        self._artists = np.array([main_artist(item.metadata) for item in items], dtype=np.str_)
        names = [main_artist(item.metadata) or item.id for item in items]
        number: dict[str, int] = {}
        self._artist = {
            id: number.setdefault(name, len(number))
            for id, name in zip(self._ids, [*names, *self._ids[len(items) :]], strict=True)
        }
        self._genres = Fusion({"genres": 1}).fit(items).transform(items).sparse

    def start_split(self, split: Split, candidates: Positions, *, seed: int) -> None:
        """Begin with a split.

        Parameters
        ----------
        split : Split
        candidates : np.ndarray [shape=(c,), intp]
            Positions of the items that are ranked; the cold ones are among them.
        seed : int
            Of the order of what has equal scores.
        """
        from scipy.sparse import csr_array

        self._added: set[str] = set()
        self._asked = split.users
        self._candidates = candidates
        self._history = split.train.of_items(self._ids).matrix()[split.users]
        self._column = np.searchsorted(candidates, split.cold)
        shape = (len(split.users), len(candidates))
        self._relevant = np.zeros(shape, dtype=np.bool_)
        played = split.test.matrix("binary")[split.users].toarray() > 0
        self._relevant[:, self._column] = played
        self._wanted = csr_array(self._relevant, dtype=np.float64)
        self._exclude = self._history[:, candidates].toarray() > 0
        known = np.zeros(len(candidates), dtype=np.bool_)
        known[self._column] = split.known
        self._kinds = {"listeners": np.ones(len(known), dtype=np.bool_)}
        self._kinds |= {"known artists": known, "new artists": ~known}
        self._noise = _TIES * np.random.default_rng(seed).random(shape)
        self.users.append(np.array([split.train.users[user] for user in split.users]))
        self.cold.append(np.array(split.test.items))
        self.ranked.append(len(candidates))

    def ndcg(self, scores: NDArray[np.floating]) -> float:
        """Return the listeners' mean NDCG@10 of scores [users, candidates] in this split."""
        ranked = top_n(self._standardized(scores), TOP, exclude=self._exclude)
        return measure(ranked, self._relevant, ks=(TOP,)).means()[f"ndcg@{TOP}"]

    def add(self, system: SystemScores) -> None:
        """Measure a system in this split.

        Raises
        ------
        MusicuError
            Another system of this split has its name.
        """
        if system.name in self._added:
            raise MusicuError(f"two systems are called {system.name!r}: rename one of them")
        self._added.add(system.name)
        about = system.kind, system.uses, system.lacks
        record = self.records.setdefault(system.name, SystemMetrics(*about))
        scores = self._standardized(system.scores)
        ranked = top_n(scores, max(KS), exclude=self._exclude)
        measured = {
            group: measure(ranked, self._relevant & kind) for group, kind in self._kinds.items()
        }
        columns = (matrix[:, self._column] for matrix in (scores, self._relevant, self._exclude))
        asked, relevant, exclude = columns
        measured["items"] = measure_audience(asked, relevant, exclude=exclude)
        of = np.array([self._artist[self._ids[i]] for i in self._candidates], dtype=np.intp)
        self._add_gains(record, "listeners", ranked[:, :LENGTH], self._wanted, of)
        for group, found in measured.items():
            for name, values in found.values.items():
                record.values.setdefault((group, name), []).append(values)
        self._describe(record, ranked[:, :TOP])

    def add_lists(
        self, test: CatalogTest, ids: Sequence[str], made: Iterable[CatalogLists]
    ) -> None:
        """Measure whole lists of systems in this split.

        Parameters
        ----------
        test : CatalogTest
        ids : sequence of str
            Of the items that the lists hold positions of.
        made : iterable of CatalogLists
        """
        artist = np.array([self._artist[id] for id in ids], dtype=np.intp)
        wanted = test.wanted()
        counted: set[str] = set()
        for one in made:
            record = self.catalog.setdefault(one.name, SystemMetrics(one.kind, (), ""))
            record.new_shares.append(test.new_share(one.lists))
            for group, found in wanted.items():
                self._add_gains(record, group, one.lists, found, artist, first=not counted)
            counted.add(one.name)

    def _add_gains(
        self,
        record: SystemMetrics,
        group: str,
        lists: Positions,
        wanted: csr_array,
        artist: Positions,
        *,
        first: bool | None = None,
    ) -> None:
        """Add what each listener found of each artist; of the first system, what could be found."""
        from scipy.sparse import coo_array

        count = 1 + max(self._artist.values())
        found = find_gains(lists, wanted, artist, count)
        for name, gains in found.items():
            moved = gains.tocoo()
            whole = coo_array(
                (moved.data, (self._asked[moved.row], moved.col)), shape=(self._listening, count)
            ).tocsr()
            if name != "share":
                key = group, f"{name}@{LENGTH}"
                record.gains[key] = record.gains[key] + whole if key in record.gains else whole
            elif len(self._added) == 1 if first is None else first:
                known = self.shares.get(group)
                self.shares[group] = whole if known is None else known + whole

    def _standardized(self, scores: NDArray[np.floating]) -> Floats:
        """Bring each user's scores to one scale: an item's are compared across users, too."""
        even = scores.astype(np.float64)
        even -= even.mean(axis=1, keepdims=True)
        spread = even.std(axis=1, keepdims=True)
        # What is equal but for rounding stays equal.
        flat = spread <= 1e-9 * np.abs(scores).max(axis=1, keepdims=True, initial=0.0)
        return np.where(flat, 0.0, even / np.where(flat, 1.0, spread)) + self._noise

    def _describe(self, record: SystemMetrics, ranked: Positions) -> None:
        inside = np.ones(len(self._candidates), dtype=np.bool_)
        exposure = list_metrics.exposure(ranked, inside)
        lists = np.where(ranked >= 0, self._candidates[ranked], -1)
        lift = list_metrics.popularity_lift(lists, self._history, self._listeners)
        figures = {"coverage": list_metrics.coverage(exposure), "gini": gini(exposure)}
        for name, value in {**figures, "popularity lift": lift}.items():
            record.figures.setdefault(f"{name}@{TOP}", []).append(value)
        for name, values in self._lists(lists):
            record.lists.setdefault(f"{name}@{TOP}", []).append(values)
        record.exposure.append(exposure)

    def _lists(self, lists: Positions) -> Iterator[tuple[str, Floats]]:
        yield "novelty", list_metrics.novelty(lists, self._listeners, self._total)
        if self._artists.any():
            yield "repeated artists", list_metrics.repetition(lists, self._artists)
        if self._genres.nnz:
            history = self._history[:, : len(self._items)]
            yield "diversity", list_metrics.diversity(lists, self._genres)
            yield "miscalibration", list_metrics.miscalibration(lists, history, self._genres)
