"""Which playlists a track fits, and where in them it would stand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError
from musicu.metadata.playlist import read_m3u8
from musicu.release.neighbors import Candidate, CatalogContext

__all__ = ["Fit", "Playlist", "PlaylistFit", "fit_playlist", "read_playlists"]

Floats = NDArray[np.float64]

_NEAREST = 5
_ENOUGH = 3  # of fewer tracks nobody can say what holds them together
_FITS, _EDGE = 0.2, 0.05


@dataclass(frozen=True)
class Fit:
    """How a track fits a playlist.

    Attributes
    ----------
    closeness : float
        Mean similarity of the track to the playlist's tracks that are nearest to it.
    coherence : float
        Median of the same over the playlist's own tracks, each left out in turn.
    share : float in [0, 1]
        Share of the playlist's own tracks that are not closer to the others than this one is.
    verdict : {"fits", "at the edge", "does not fit"}
    position : int >= 1
        Where it would stand in the playlist.
    """

    closeness: float
    coherence: float
    share: float
    verdict: str
    position: int


def fit_playlist(among: Floats, near: Floats) -> Fit | None:
    """Compare a track with a playlist, and the playlist's tracks with one another.

    A track fits if it is as near to a playlist as the playlist's own tracks are: little is asked by
    a mixed one, much by one of a single mood. Nearness is the mean over the five nearest tracks, so
    that a playlist of several moods is near to each of them. The track is placed where it costs
    least (cheapest insertion, Rosenkrantz et al., "An analysis of several heuristics for the
    traveling salesman problem", SIAM J. Computing 6, 1977).

    Parameters
    ----------
    among : np.ndarray [shape=(m, m)]
        Similarities of the playlist's tracks, in its order.
    near : np.ndarray [shape=(m,)]
        Similarities of the track to them.

    Returns
    -------
    Fit or None
        None for a playlist of fewer than three tracks.
    """
    m = len(near)
    if m < _ENOUGH:
        return None
    k = min(_NEAREST, m - 1)
    others = among.astype(np.float64, copy=True)
    np.fill_diagonal(others, -np.inf)
    own = np.sort(others, axis=1)[:, -k:].mean(axis=1)
    closeness = float(np.sort(near)[-k:].mean())
    share = float((own <= closeness).mean())
    # What it costs to go by way of the track instead of straight on; nothing is cut at the ends.
    between = (1 - near[:-1]) + (1 - near[1:]) - (1 - np.diagonal(among, offset=1))
    cost = np.concatenate([[1 - near[0]], between, [1 - near[-1]]])
    return Fit(
        closeness=closeness,
        coherence=float(np.median(own)),
        share=share,
        verdict="fits" if share >= _FITS else "at the edge" if share >= _EDGE else "does not fit",
        position=int(cost.argmin()) + 1,
    )


@dataclass(frozen=True)
class PlaylistFit:
    """A playlist and how a release fits it.

    Attributes
    ----------
    name, path : str
        The playlist.
    tracks, known : int
        How many tracks it has, and how many of them the catalog knows.
    fit : Fit
        How near the release is, against how near its own tracks are.
    after, before : str or None
        Titles it would stand between; None at an end.
    contains : bool
        Whether the release is in it already.
    """

    name: str
    path: str
    tracks: int
    known: int
    fit: Fit
    after: str | None
    before: str | None
    contains: bool

    @property
    def order(self) -> tuple[bool, float]:
        """Playlists that fit come first, the nearest before the others."""
        return self.fit.verdict == "does not fit", -self.fit.closeness


@dataclass(frozen=True, eq=False)
class Playlist:
    """A playlist as a catalog knows it: its paths, and its tracks' places among the items."""

    path: str
    paths: tuple[str, ...]
    places: tuple[int, ...]
    among: Floats

    @classmethod
    def of(cls, path: str, tracks: Sequence[str], context: CatalogContext) -> Playlist:
        """Look up a playlist's tracks; those that the catalog does not know are left out."""
        places = tuple(
            dict.fromkeys(context.files[track] for track in tracks if track in context.files)
        )
        own = context.vectors.take(list(places))
        return cls(path, tuple(tracks), places, np.asarray(own.similarity(own), dtype=np.float64))

    @property
    def usable(self) -> bool:
        """Whether enough of its tracks are known."""
        return len(self.places) >= _ENOUGH

    def fit(
        self, one: Candidate, scores: Floats, path: str, context: CatalogContext
    ) -> PlaylistFit | None:
        """Compare a release with this playlist; without the release itself, if it is in it."""
        ids = [context.items.ids[place] for place in self.places]
        kept = [i for i, id in enumerate(ids) if id != one.item.id]
        places = [self.places[i] for i in kept]
        fit = fit_playlist(self.among[np.ix_(kept, kept)], scores[places])
        if fit is None:
            return None
        titles = [None, *(context.title(place) for place in places), None]
        return PlaylistFit(
            name=os.path.splitext(os.path.basename(self.path))[0],
            path=self.path,
            tracks=len(self.paths),
            known=len(self.places),
            fit=fit,
            after=titles[fit.position - 1],
            before=titles[fit.position],
            contains=len(kept) < len(ids) or path in self.paths,
        )


def read_playlists(paths: Sequence[str | os.PathLike[str]]) -> dict[str, list[str]]:
    """Read playlists, and all those in folders: their paths, and those of their tracks.

    Raises
    ------
    CatalogError
        A folder holds no playlist.
    MusicuError
        A playlist cannot be read.
    """
    found: dict[str, list[str]] = {}
    for path in (os.fspath(path) for path in paths):
        names = [path]
        if os.path.isdir(path):
            inside = (os.path.join(path, name) for name in sorted(os.listdir(path)))
            names = [name for name in inside if name.lower().endswith((".m3u8", ".m3u"))]
            if not names:
                raise CatalogError(f"{path}: no playlist (.m3u8) is there")
        for name in names:
            found[os.path.abspath(name)] = read_m3u8(name)
    return found
