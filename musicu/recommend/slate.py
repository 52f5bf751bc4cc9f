"""Slates: what a surface shows a listener at a moment, each with its reasons.

Of a moment the hour counts, where the surface wants it and the history has times. Days of the week
and devices are taken and not used: no log that recommenders learn from is asked for them. What is
not used is said in the notes of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import MusicuError
from musicu.items.versions import versions
from musicu.metadata.artists import album_key, artist_keys
from musicu.recommend.candidates import Source
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.groups import item_groups
from musicu.recommend.listener import Listener
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.results import Recommendation, Recommendations
from musicu.recommend.scorer import Scorer
from musicu.recommend.surface import Surface
from musicu.search.rerank import rerank

__all__ = ["SlateRequest", "make_slate", "released_between"]

Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

_HOUR, _DAY = 3600.0, 86_400.0
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")
# First and last day of each item's date, in days since 1970, NaN without one: reading them takes a
# second a million.
_DATES: WeakKeyDictionary[FittedModel, NDArray[np.float64]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class SlateRequest:
    """For whom a slate is, and for which moment.

    Parameters
    ----------
    user : str, History or None
        A user of the interactions, or what somebody played; None if nothing is known but what
        plays.
    playing : sequence of str
        What plays now, or the playlist that is to go on, the last one last.
    now : float or None
        Seconds since 1970 UTC; None is the listener's last play.
    hour : float in [0, 24] or None
        Of the day (UTC); None takes it from `now`.
    weekday, device : str or None
        Not used; the notes say so.
    exclude : collection of str
        What is not to be shown: what stands elsewhere on the screen, or was shown lately.
    n : int >= 0 or None
        How many, if not as many as the surface has.
    """

    user: str | History | None = None
    playing: Sequence[str] = ()
    now: float | None = None
    hour: float | None = None
    weekday: str | None = None
    device: str | None = None
    exclude: Collection[str] = ()
    n: int | None = None


def make_slate(
    recommender: Recommender,
    surface: Surface,
    request: SlateRequest,
    *,
    candidates: Collection[str] | None = None,
) -> Recommendations:
    """Return what a surface shows.

    Parameters
    ----------
    recommender : Recommender
    surface : Surface
    request : SlateRequest
    candidates : collection of str or None
        Choose among these items only.

    Returns
    -------
    Recommendations
        Their notes tell what of the request was not used, and what the rules could not give.

    Raises
    ------
    MusicuError
        The user, an item or a candidate source is not known, or nothing was played and nothing
        plays.

    Examples
    --------
    >>> items = Items(Item(f"t{i}", Metadata(genres=("jazz",))) for i in range(4))
    >>> log = Interactions(["ann", "ben"], items.ids, [0, 0, 1], [0, 1, 1])
    >>> recommender = Recommender(dim=2).fit(log, items)
    >>> radar, request = find_surface("release-radar"), SlateRequest(user="ann")
    >>> [one.id for one in make_slate(recommender, radar, request)]
    ['t2', 't3']
    """
    model = recommender.model
    history = request.user
    if isinstance(history, str):
        history = Scorer(model).history(history)
    history = history or History(())
    now = request.now
    if now is None and history.times is not None and len(history.times):
        now = float(np.max(history.times))
    hour = request.hour
    if hour is None and now is not None and request.now is not None:
        hour = now % _DAY / _HOUR
    if surface.playing and len(request.playing):
        history = replace(history, playing=request.playing, playing_share=surface.playing)
    timed = history.times is not None
    asked = copy(recommender)
    allowed = _allowed(model, surface, now)
    if candidates is not None:
        inside = np.zeros(len(model.items), dtype=np.bool_)
        inside[model.positions(candidates)] = True
        allowed = inside if allowed is None else allowed & inside
    out = {*request.exclude, *request.playing, *_resting(surface, history, now)}
    counted = hour if timed and "hour" in surface.context else None

    def recommend(n: int, allowed: Bools | None) -> Recommendations:
        asked.sources = _sources(recommender, surface, allowed)
        return asked.recommend(history, n, exclude=out, now=now, hour=counted, **surface.rules)

    n = surface.n if request.n is None else request.n
    found = recommend(n, allowed)
    shown, notes = tuple(found), list(found.notes)
    if surface.least_share:
        member = _member(model, surface)
        favored = recommend(n, member if allowed is None else member & allowed)
        shown, short = _with_least(model, found, favored, member, surface, n)
        notes += short
    notes += _unused(surface, request, timed=timed, now=now)
    return Recommendations(
        shown, notes=notes, exploration=found.exploration, new_share=found.new_share
    )


def released_between(model: FittedModel, first: float, last: float) -> tuple[Bools, Bools]:
    """Tell which items came out in a span of time, and which have no date.

    An item whose date is a year or a month came out some day of it, any of which may have been
    in the span.

    Parameters
    ----------
    model : FittedModel
    first, last : float
        Seconds since 1970 UTC.

    Returns
    -------
    released, undated : np.ndarray [shape=(n,), bool]
    """
    days = _DATES.get(model)
    if days is None:
        dates = (item.metadata.date or _year(item.metadata.year) for item in model.items)
        days = _DATES[model] = np.array([_days(date) for date in dates]).reshape(-1, 2)
    undated = np.isnan(days[:, 0])
    with np.errstate(invalid="ignore"):
        return (days[:, 0] <= last / _DAY) & (days[:, 1] >= np.floor(first / _DAY)), undated


def _sources(
    recommender: Recommender, surface: Surface, allowed: Bools | None
) -> dict[str, Source]:
    """Return the candidate sources that a surface asks, held to what it may show."""
    there = recommender.sources
    for name in surface.sources:
        if name not in there:
            raise MusicuError(
                f"surface {surface.name}: no candidate source {name!r}; there are "
                f"{', '.join(there)}"
            )
    chosen = {name: there[name] for name in surface.sources or there}
    if allowed is None:
        return chosen
    # What the others propose may all be forbidden: the best of what is not comes beside it.
    held = {name: _within(source, allowed) for name, source in chosen.items()}
    return {**held, "asked" if surface.only == "any" else surface.only: _best(allowed)}


def _allowed(model: FittedModel, surface: Surface, now: float | None) -> Bools | None:
    if surface.only == "any":
        return None
    new: Bools = model.listeners == 0
    if surface.only == "new" or now is None:
        return new
    released, undated = released_between(model, now - surface.released_days * _DAY, now)
    return released | (undated & new)


def _member(model: FittedModel, surface: Surface) -> Bools:
    by, _, value = surface.least_group.partition("=")
    found: Bools = item_groups(model, by) == value
    return found


def _with_least(
    model: FittedModel,
    found: Recommendations,
    favored: Recommendations,
    member: Bools,
    surface: Surface,
    n: int,
) -> tuple[tuple[Recommendation, ...], list[str]]:
    """Merge a slate with one of a group, so that the group has its share of every beginning."""
    both = list({one.id: one for one in (*found, *favored)}.values())
    at = model.positions(one.id for one in both)
    chosen = model.items.take(at.tolist())
    placed, notes = rerank(
        [one.score for one in both],
        n=n,
        is_new=member[at],
        min_new=surface.least_share,
        artists=[artist_keys(item.metadata) for item in chosen],
        albums=[album_key(item.metadata) for item in chosen],
        versions=versions(chosen).tolist(),
        max_per_artist=surface.max_per_artist,
        max_per_album=surface.max_per_album,
    )
    short = any(note.startswith("min_new") for note in notes)
    shown = (both[place.position] for place in placed)
    return (
        tuple(replace(one, rank=rank) for rank, one in enumerate(shown, 1)),
        [f"the share of {surface.least_group} could not be kept: too few of it"] if short else [],
    )


def _within(source: Source, allowed: Bools) -> Source:
    def propose(model: FittedModel, listener: Listener, n: int) -> Positions:
        at = source(model, listener, n)
        return at[allowed[at]]

    return propose


def _best(allowed: Bools) -> Source:
    def propose(model: FittedModel, listener: Listener, n: int) -> Positions:
        at = np.flatnonzero(allowed)
        return at[top_k(model.item_factors.factors[at] @ listener.factor, n)]

    return propose


def _resting(surface: Surface, history: History, now: float | None) -> Iterator[str]:
    """Yield what was played too lately to come again."""
    if surface.again and surface.rest_hours and history.times is not None and now is not None:
        since = now - surface.rest_hours * _HOUR
        yield from (
            id for id, time in zip(history.items, history.times, strict=True) if time > since
        )


def _unused(
    surface: Surface, request: SlateRequest, *, timed: bool, now: float | None
) -> Iterator[str]:
    """Yield notes on what of a request, or of a surface, could not be used."""
    unknown = {"device": request.device, "weekday": request.weekday}
    if strange := [name for name, value in unknown.items() if value is not None]:
        yield f"not used: {' and '.join(strange)}, of which recommenders learn nothing"
    if request.hour is not None and "hour" not in surface.context:
        yield f"not used: the hour, as {surface.name} does not ask for it"
    if "hour" in surface.context and not timed:
        yield "not used: the hour, as the history has no times"
    if len(request.playing) and not surface.playing:
        yield f"not used: what plays, as {surface.name} does not ask for it"
    if surface.playing and not len(request.playing):
        yield "nothing plays: the history stands alone"
    if surface.again and surface.rest_hours and not timed and request.user is not None:
        yield "not kept: hours of rest after a play, as the history has no times"
    if surface.only == "released" and now is None:
        yield "dates are not used, as no time is known: shown is what nobody has played"


def _year(year: int | None) -> str:
    return "" if year is None else str(int(year))


def _days(date: str) -> tuple[float, float]:
    """Return first and last day of a date, in days since 1970."""
    found = _DATE.match(date)
    if found is None:
        return np.nan, np.nan
    year, month, day = (int(part) if part else None for part in found.groups())
    try:
        first = datetime(year or 1, month or 1, day or 1, tzinfo=UTC)
        if day:
            end = first
        elif month:
            end = datetime((year or 1) + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        else:
            end = datetime((year or 1) + 1, 1, 1, tzinfo=UTC)
    except ValueError:  # the 30th of February
        return np.nan, np.nan
    last = end.timestamp() / _DAY - (0 if day else 1)
    return first.timestamp() / _DAY, last
