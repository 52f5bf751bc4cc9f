"""Whose a track is: the one answer to "by the same artist?" and "of the same album?".

Artists are compared by their names, spelled alike (:func:`musicu.metadata.names.normalize_name`),
and never by MusicBrainz identifiers: those are on the part of a collection that was tagged with
them, and a track that has one and a track that has none may be by one artist. Albums are the other
way round: "Greatest Hits" is many albums, and the files of one are tagged together; so a
MusicBrainz release decides where it is written, and else the title with the album's artist.

A name that stands for everybody or for nobody (:func:`is_various`) is no artist. Tracks without an
artist share none: caps and exclusions by artist pass them over. A compilation is one album all the
same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from musicu.metadata.fields import Metadata
from musicu.metadata.names import normalize_name, split_artists
from musicu.metadata.parsers import is_placeholder

__all__ = [
    "album_key",
    "artist_key",
    "artist_keys",
    "credited_artists",
    "group_key",
    "is_various",
    "main_artist",
    "named_artists",
]

# Spaces do not count. "Diverse" alone, "Compilation" and the like are artists, too.
_EVERYBODY = frozenset(
    name.replace(" ", "")
    for name in (
        *("various artists", "various artist", "various", "va", "various performers"),
        *("various composers", "verschiedene interpreten", "verschiedene kunstler"),
        *("diverse interpreten", "diverse kunstler", "diverse artister", "diverse artiesten"),
        *("diverse kunstnere", "blandade artister", "artistes divers", "artistes varies"),
        *("divers artistes", "divers interpretes", "multiinterpretes", "varios artistas"),
        *("varios interpretes", "artistas varios", "artisti vari", "aavv", "eri esittajia"),
        *("rozni wykonawcy", "ruzni interpreti", "разные исполнители", "различные исполнители"),
        *("群星", "ヴァリアスアーティスト"),
        # MusicBrainz's artists for them: Various Artists, [unknown], [no artist].
        *("89ad4ac339f7470e963a56509c546377", "125ec42a72294250afc5e057484327fe"),
        "eec63d3c3b814ad4b1e47c147d4d2b61",
    )
)
_KEPT = 200_000  # names whose keys are remembered: a key takes ten times as long to compute


def is_various(name: str) -> bool:
    """Tell whether a name stands for everybody or for nobody, and not for an artist.

    Parameters
    ----------
    name : str
        As written: ``"Various Artists"``, ``"VA"``, ``"V.A."``, ``"Verschiedene Interpreten"``,
        ``"Unknown Artist"``, ``"<Unknown>"``; or MusicBrainz's identifier of one of these.

    Returns
    -------
    bool
        Also for a text without a name in it.
    """
    return not artist_key(name)


@lru_cache(maxsize=_KEPT)
def artist_key(name: str) -> str:
    """Return what all spellings of an artist's name share; ``""`` if it is no artist's.

    Parameters
    ----------
    name : str
        Of one artist, as written.

    Returns
    -------
    str
        :func:`musicu.metadata.names.normalize_name` of it, or ``""`` where :func:`is_various`.
    """
    key = normalize_name(name)
    return "" if key.replace(" ", "") in _EVERYBODY or is_placeholder("artist", name) else key


def credited_artists(metadata: Metadata | Mapping[str, Any]) -> dict[str, str]:
    """Return the artists of a track, the main one first: their keys, and their names as written.

    Parameters
    ----------
    metadata : Metadata or mapping
        Or the mapping that :meth:`musicu.metadata.fields.Metadata.to_dict` returns. ``artists`` are
        taken one by one; without any, the credit ``artist`` is split into them
        (:func:`musicu.metadata.names.split_artists`). Where this names nobody, the album's artist
        does.

    Returns
    -------
    dict of str to str
        Empty where no artist is known.
    """
    return dict(_credits(metadata))


def named_artists(credit: str) -> dict[str, str]:
    """Return the artists that a credit names, as :func:`credited_artists` does."""
    return _by_key(_split(credit))


def artist_keys(metadata: Metadata | Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of a track's artists, the main one first; see :func:`credited_artists`.

    Two tracks are by the same artist if they share a key.
    """
    return tuple(_credits(metadata))


def main_artist(metadata: Metadata | Mapping[str, Any]) -> str:
    """Return the first of :func:`artist_keys`; ``""`` where no artist is known."""
    return next(iter(_credits(metadata)), "")


def album_key(metadata: Metadata | Mapping[str, Any]) -> str | None:
    """Return what the tracks of one album share, and no others; None where no album is named.

    Parameters
    ----------
    metadata : Metadata or mapping
        As for :func:`credited_artists`.

    Returns
    -------
    str or None
        The MusicBrainz release; else the title and the main artist of the album. An album without
        ``album_artist`` is its tracks' main artist's; one by "Various Artists" is nobody's, and
        told by its title alone. Never equal to an artist's key.
    """
    if release := _value(metadata, "mb_album"):
        return f"\n{release}"
    if not (title := _title(_value(metadata, "album") or "")):
        return None
    owner = _owner(_value(metadata, "album_artist") or "")
    return f"{main_artist(metadata) if owner is None else owner}\n{title}"


def group_key(metadata: Metadata | Mapping[str, Any]) -> str | None:
    """Return whose a track is where whole artists are drawn or held out: tracks that are alike.

    The main artist; where none is known, the album, since the tracks of a compilation or of an
    album without tags have more in common (a style, a mastering, a source) than tracks drawn at
    random, and one of them would tell of another on the other side of a split.

    Returns
    -------
    str or None
        None where neither is known.
    """
    return main_artist(metadata) or album_key(metadata)


def _value(metadata: Metadata | Mapping[str, Any], field: str) -> Any:
    return getattr(metadata, field) if isinstance(metadata, Metadata) else metadata.get(field)


def _credits(metadata: Metadata | Mapping[str, Any]) -> Mapping[str, str]:
    names = tuple(_value(metadata, "artists") or ())
    return _credited(
        names, _value(metadata, "artist") or "", _value(metadata, "album_artist") or ""
    )


@lru_cache(maxsize=_KEPT)
def _credited(names: tuple[str, ...], artist: str, album_artist: str) -> Mapping[str, str]:
    return _by_key(names or _split(artist)) or named_artists(album_artist)


_split = lru_cache(maxsize=_KEPT)(split_artists)


@lru_cache(maxsize=_KEPT)
def _title(album: str) -> str:
    return "" if is_placeholder("album", album) else normalize_name(album)


@lru_cache(maxsize=_KEPT)
def _owner(credit: str) -> str | None:
    """Return the main artist of an album, ``""`` for everybody; None where nobody is named."""
    if not credit or is_placeholder("artist", credit):
        return None
    return next(iter(named_artists(credit)), "")


def _by_key(names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        if key := artist_key(name):
            found.setdefault(key, name)
    return found
