"""Time passing over made-up listeners: what they are shown, and what they play.

The engine of :mod:`musicu.simulation.simulate`; the assumptions and their formulas are in
docs/simulator.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k, unit_rows
from musicu.errors import MusicuError
from musicu.simulation.listeners import DAY, Population, draw
from musicu.simulation.records import Shown, Simulation

__all__ = ["START", "Environment", "Policy", "liking"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]
Policy = Callable[[int, Ints, Ints, float], Sequence[int] | NDArray[Any]]

START = 1_704_067_200.0  # 2024-01-01 00:00 UTC, a Monday

_EPOCH = 7  # days between two updates of popularity, drift and the logging policy
_ROWS = 256  # tastes scored at once
_HEARD, _SKIPPED = 200.0, 25.0  # seconds that a play lasts
_SKIP_WEIGHT = 0.1
_SHORTLIST = 4  # the logging policy draws its lists from so many times their length
_FORGET = 0.5 ** (_EPOCH / 28)  # how much of a listener's profile is left an epoch later


class Environment:
    """Time passing, an epoch at a time, and what it leaves: popularity, profiles, history.

    Parameters
    ----------
    population : Population
        Who listens, and when.
    policies : mapping of str to (callable or None)
        What makes recommendation lists, by variant; listeners are given one at random.
    appeal : mapping of str to float
        What a variant's chance of a click is multiplied by; 1 if it is not there.
    from_day : int
        When the policies take over from the built-in one.
    """

    def __init__(
        self,
        population: Population,
        policies: Mapping[str, Policy | None],
        appeal: Mapping[str, float],
        from_day: int,
    ) -> None:
        self._p = population
        self._policies = list(policies.values())
        self._names = list(policies)
        self._factor = np.array([appeal.get(name, 1.0) for name in policies])
        self._from_day = from_day
        rng = np.random.default_rng([population.seed, 2])
        self._variant = rng.integers(len(policies), size=population.n_users).astype(np.int32)
        self._plays: Doubles = np.zeros(len(population.vectors))
        self._profile = np.zeros((population.n_users, population.vectors.shape[1]), np.float32)
        self._played: Ints = np.zeros(0, np.int32)  # by listener, then by time
        self._ends = np.zeros(population.n_users + 1, np.int64)

    def run(self) -> Simulation:
        """Let all days pass; once."""
        p = self._p
        epochs = [self._epoch(day) for day in range(0, p.days, _EPOCH)]
        session, item, source, skipped = (
            np.concatenate([plays[i] for plays, _ in epochs]) for i in range(4)
        )
        # A play begins when the one before it in the session has ended.
        length = np.where(skipped, _SKIPPED, _HEARD)
        before = np.cumsum(length) - length
        begun = START + p.session_day * DAY
        time = begun[session] + before - before[np.searchsorted(session, session)]
        order = np.argsort(time, kind="stable")
        shown = [np.concatenate([rows[i] for _, rows in epochs]) for i in range(4)]
        return Simulation(
            user=p.session_user[session][order],
            item=item[order],
            session=session[order],
            weight=np.where(skipped, _SKIP_WEIGHT, 1.0).astype(np.float32)[order],
            time=time[order],
            source=source[order],
            skipped=skipped[order],
            session_user=p.session_user,
            session_taste=p.session_taste,
            session_time=begun,
            shown=Shown(session=shown[0], item=shown[1], position=shown[2], clicked=shown[3]),
            truth=p.truth,
            variants=tuple(self._names) if len(self._names) > 1 else (),
            variant=self._variant,
            from_day=self._from_day,
        )

    def _epoch(self, start: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Plays (session, item, source, skipped) and items shown of the days from `start`."""
        p, b = self._p, self._p.behavior
        # One generator an epoch, and draws of the same shape whatever is shown or liked.
        rng = np.random.default_rng([p.seed, 1, start])
        low, high = np.searchsorted(p.session_day, [start, start + _EPOCH])
        user, when = p.session_user[low:high], p.session_day[low:high]
        mood, steps = p.session_taste[low:high], p.session_steps[low:high]
        middle = start + _EPOCH / 2
        changed = when >= p.truth.change_day[user]

        at = np.repeat(np.arange(len(user)), steps)
        other = draw(p.truth.shares[user[at]], rng.random(len(at)))
        taste = np.where(rng.random(len(at)) < b.mood, mood[at], other)
        old = (rng.random(len(at)) < b.repeat) & (np.diff(self._ends)[user[at]] > 0)
        again = self._again(user[at], rng.random(len(at)))
        chances = rng.random((len(at), b.page))
        pages = np.full((len(at), b.page), -1, np.int32)
        pages[~old] = self._search(
            user[at][~old], taste[~old], changed[at][~old], chances[~old], start
        )
        out = (pages >= 0) & (p.truth.release_day[pages] <= when[at][:, None])
        for c in range(1, b.page):  # drawn twice, shown once
            out[:, c] &= (pages[:, :c] != pages[:, [c]]).all(axis=1)
        pick = np.argmax(out, axis=1)
        item = np.where(old, again, pages[np.arange(len(at)), pick])
        kept = old | out.any(axis=1)

        toward = p.tastes(user, mood, changed, middle)
        lists, likes, clicks = self._lists(rng, user, when, toward, at[kept], item[kept], start)
        chance = rng.random(len(at))
        like = liking(self._pairs(p.tastes(user[at], taste, changed[at], middle), item))
        skipped = chance < _skipping(like)
        skipped_list = rng.random(lists.shape) < _skipping(likes)

        row, column = np.nonzero(clicks)
        session = np.concatenate([row, at[kept]])
        order = np.argsort(session, kind="stable")
        plays = (
            (session + low).astype(np.int32)[order],
            np.concatenate([lists[row, column], item[kept]]).astype(np.int32)[order],
            np.concatenate([np.ones(len(row)), 2 * old[kept]]).astype(np.uint8)[order],
            np.concatenate([skipped_list[row, column], skipped[kept]])[order],
        )
        step, column = np.nonzero(out)
        listed, slot = np.nonzero(lists >= 0)
        shown = (
            np.concatenate([listed, at[step]]).astype(np.int32) + np.int32(low),
            np.concatenate([lists[listed, slot], pages[step, column]]).astype(np.int32),
            np.concatenate([slot + 1, np.zeros(len(step))]).astype(np.int32),
            np.concatenate([clicks[listed, slot], column == pick[step]]),
        )
        self._remember(p.session_user[plays[0]], plays[1], ~plays[3])
        return plays, shown

    def _search(
        self, user: Ints, taste: Ints, changed: Bools, chances: Doubles, start: int
    ) -> Ints:
        """Draw items [r, page] with chances exp(focus * affinity + popularity * log share)."""
        p, b = self._p, self._p.behavior
        k = b.tastes
        # Few combinations among many steps: each is scored once.
        cell = (user.astype(np.int64) * k + taste) * 2 + changed
        cells, inverse = np.unique(cell, return_inverse=True)
        by = np.argsort(inverse, kind="stable")
        ends = np.searchsorted(inverse[by], np.arange(len(cells) + 1))
        appeal = self._popularity() * np.float32(b.popularity)
        appeal[p.truth.release_day > start + _EPOCH] = -np.inf
        found = np.empty(chances.shape, np.int32)
        total = np.empty(len(p.vectors))
        for low in range(0, len(cells), _ROWS):
            block = cells[low : low + _ROWS]
            who, which, new = block // 2 // k, block // 2 % k, block % 2 == 1
            cosine = p.tastes(who, which, new, start + _EPOCH / 2) @ p.vectors.T
            score = p.affinity(cosine) * np.float32(b.focus) + appeal
            if p.favorite is not None and b.loyalty:
                column = np.where(new & (which == 0), k, which)
                for row, artist in enumerate(p.favorite[who, column]):
                    score[row, p.by_artist[artist]] += np.float32(b.loyalty)
            np.exp(score - score.max(axis=1, keepdims=True), out=score)
            for row, values in enumerate(score, start=low):
                steps = by[ends[row] : ends[row + 1]]
                np.cumsum(values, out=total)
                found[steps] = np.searchsorted(total, chances[steps] * total[-1], side="right")
        return found

    def _popularity(self) -> Floats:
        """Return the logarithm of each item's plays so far and its start, relative to the mean."""
        count = self._plays + self._p.prior
        found: Floats = np.log(np.maximum(count / count.mean(), 1e-9)).astype(np.float32)
        return found

    def _again(self, user: Ints, chance: Doubles) -> Ints:
        """Draw a play of old of each user, recent ones more often; any item if there is none."""
        if not len(self._played):
            return np.zeros(len(user), np.int32)
        many = np.diff(self._ends)[user]
        back = np.floor(many * chance**2).astype(np.int64)
        found: Ints = self._played[np.maximum(self._ends[user + 1] - 1 - back, 0)]
        return found

    def _lists(
        self,
        rng: np.random.Generator,
        user: Ints,
        when: Doubles,
        toward: Floats,
        at: NDArray[np.intp],
        item: Ints,
        start: int,
    ) -> tuple[Ints, Floats, Bools]:
        """Recommendation lists [sessions, slots] (-1 is empty), how they are liked, and clicks."""
        b = self._p.behavior
        shape = (len(user), b.slots)
        lists = self._logged(rng, user, start)
        factor = np.where(when >= self._from_day, self._factor[self._variant[user]], 1.0)
        seen = b.appeal * np.arange(1, b.slots + 1) ** -b.examine * factor[:, None]
        chance = rng.random(shape)
        likes = liking(self._pairs(toward, lists))
        clicks = (lists >= 0) & (chance < seen * likes)
        if any(policy is not None for policy in self._policies):
            # A policy sees what was played until now, so its sessions pass one after another.
            begin = np.searchsorted(at, np.arange(len(user) + 1))
            recent: dict[int, list[Ints]] = {}
            for row in range(len(user)):
                who = int(user[row])
                past = recent.setdefault(who, [self._played[slice(*self._ends[who : who + 2])]])
                variant = int(self._variant[who])
                policy = self._policies[variant] if when[row] >= self._from_day else None
                if policy is not None:
                    lists[row] = self._ask(policy, variant, who, np.concatenate(past), when[row])
                    likes[row] = liking(self._pairs(toward[[row]], lists[[row]]))[0]
                    clicks[row] = (lists[row] >= 0) & (chance[row] < seen[row] * likes[row])
                past += [lists[row][clicks[row]], item[begin[row] : begin[row + 1]]]
        return lists, likes, clicks

    def _ask(self, policy: Policy, variant: int, user: int, history: Ints, day: float) -> Ints:
        """Ask a policy for a list, -1 where it has nothing more."""
        slots = self._p.behavior.slots
        candidates = np.flatnonzero(self._p.truth.release_day <= day).astype(np.int32)
        answer = np.asarray(policy(user, history, candidates, START + day * DAY))[:slots]
        name = repr(self._names[variant])
        if len(wrong := answer[~np.isin(answer, candidates)]):
            raise MusicuError(f"the policy {name} shows item {wrong[0]}, which is not out")
        if len(np.unique(answer)) < len(answer):
            raise MusicuError(f"the policy {name} shows an item twice in a list")
        found = np.full(slots, -1, np.int32)
        found[: len(answer)] = answer
        return found

    def _logged(self, rng: np.random.Generator, user: Ints, start: int) -> Ints:
        """Make lists [sessions, slots] by the built-in policy, as it was fitted at `start`."""
        p, b = self._p, self._p.behavior
        out = np.flatnonzero(p.truth.release_day <= start)
        size = min(_SHORTLIST * b.slots, len(out))
        popularity = self._popularity() * np.float32(0.5)
        popularity[p.truth.release_day > start] = -np.inf
        who, inverse = np.unique(user, return_inverse=True)
        short = np.empty((len(who), size), np.int32)
        for low in range(0, len(who), _ROWS):
            profile = self._profile[who[low : low + _ROWS]]
            score = p.affinity(unit_rows(profile) @ p.vectors.T)
            score[~profile.any(axis=1)] = 0  # who has played nothing yet gets what is popular
            score += popularity
            short[low : low + _ROWS] = top_k(score, size)
        # Not the same list in every session: some of the shortlist, in its order.
        kept = np.argsort(rng.random((len(user), size)), axis=1)[:, : b.slots]
        lists = np.take_along_axis(short[inverse], np.sort(kept, axis=1), axis=1)
        random = out[rng.integers(len(out), size=lists.shape)]
        lists = np.where(rng.random(lists.shape) < b.explore, random, lists)
        for column in range(1, lists.shape[1]):
            twice = (lists[:, :column] == lists[:, [column]]).any(axis=1)
            lists[twice, column] = -1
        return lists.astype(np.int32)

    def _pairs(self, tastes: Floats, items: Ints) -> Floats:
        """Affinity of tastes [r, dim] to items [r] or [r, c]."""
        found = np.empty(items.shape, np.float32)
        for low in range(0, len(items), 4096):
            rows = slice(low, low + 4096)
            found[rows] = np.einsum("rd,r...d->r...", tastes[rows], self._p.vectors[items[rows]])
        return self._p.affinity(found)

    def _remember(self, user: Ints, item: Ints, heard: Bools) -> None:
        from scipy.sparse import csr_array

        users, items = len(self._profile), len(self._plays)
        self._plays += np.bincount(item, minlength=items)
        weight = np.where(heard, 1.0, _SKIP_WEIGHT).astype(np.float32)
        counts = csr_array((weight, (user, item)), shape=(users, items))
        self._profile = self._profile * np.float32(_FORGET) + counts @ self._p.vectors
        before = np.repeat(np.arange(users), np.diff(self._ends))
        order = np.argsort(np.concatenate([before, user]), kind="stable")
        self._played = np.concatenate([self._played, item])[order]
        self._ends = np.concatenate(
            [[0], np.cumsum(np.diff(self._ends) + np.bincount(user, minlength=users))]
        )


def liking(affinity: Floats) -> Floats:
    """Chance [0, 1] that an item of some affinity is liked: a half at 1."""
    found: Floats = 1 / (1 + np.exp(np.float32(-2) * (affinity - np.float32(1))))
    return found


def _skipping(liking: Floats) -> Floats:
    return np.float32(0.05) + np.float32(0.6) * (1 - liking)
