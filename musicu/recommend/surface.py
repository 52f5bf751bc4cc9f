"""Surfaces: where recommendations are shown, each described by a small file instead of by code.

A file of TOML has some of the fields of :class:`Surface`; those that come along lie in
``recommend/surfaces``. :func:`musicu.recommend.slate.make_slate` fills one.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from musicu.errors import MusicuError
from musicu.files import open_file
from musicu.metadata.near_names import did_you_mean

__all__ = ["CONTEXTS", "SHIPPED", "Surface", "find_surface", "read_surface", "read_surfaces"]

SHIPPED: Final = Path(__file__).with_name("surfaces")
# What of a request a recommender can use. Days of the week and devices it cannot: no log that it
# learns from is asked for them.
CONTEXTS: Final = ("hour",)
_KINDS = ("any", "new", "released")
_ENDING = ".toml"


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What is shown somewhere: from which candidates, for which moment, by which rules.

    Parameters
    ----------
    name : str
        What it is called: its file's name.
    about : str
        What it is for, in a line.
    n : int >= 1
        Length of a slate, where a request names no other.
    sources : tuple of str
        The candidate sources that are asked; all of the recommender's if there is none.
    only : {"any", "new", "released"}
        What may be shown: anything; what nobody has played; or what came out lately, and of items
        without a date what nobody has played.
    released_days : float > 0
        How long ago that may be.
    context : tuple of str
        What of a request counts, of :data:`CONTEXTS`.
    playing : float in [0, 1)
        How much of the listener is what plays now, where the request says it.
    again : bool
        Whether what was played may come again.
    rest_hours : float >= 0
        For so long after a play it may not.
    diversity, max_per_artist, max_per_album, popularity_weight, min_new
        Rules of the list, as for :meth:`musicu.Recommender.recommend`.
    least_group : str
        A group of items that is to have its share, as ``"audience=tail"`` or ``"country=FI"``:
        see :func:`musicu.recommend.groups.item_groups`.
    least_share : float in [0, 1]
        At least this share of every beginning of the slate, where there is enough of it; what is
        kept for new items stands back behind it.

    Raises
    ------
    MusicuError
        A value is out of its range.

    Examples
    --------
    >>> find_surface("release-radar").only
    'released'
    """

    name: str
    about: str = ""
    n: int = 20
    sources: tuple[str, ...] = ()
    only: str = "any"
    released_days: float = 60.0
    context: tuple[str, ...] = ()
    playing: float = 0.0
    again: bool = False
    rest_hours: float = 0.0
    diversity: float = 0.0
    max_per_artist: int | None = None
    max_per_album: int | None = None
    popularity_weight: float = 0.0
    min_new: float | None = None
    least_group: str = ""
    least_share: float = 0.0

    def __post_init__(self) -> None:
        share = "a number from 0 to 1"
        checks = {
            "n": (self.n >= 1, "at least 1"),
            "only": (self.only in _KINDS, f"one of {', '.join(_KINDS)}"),
            "released_days": (self.released_days > 0, "a number above 0"),
            "context": (set(self.context) <= set(CONTEXTS), f"some of {', '.join(CONTEXTS)}"),
            "playing": (0 <= self.playing < 1, "a number from 0, below 1"),
            "rest_hours": (self.rest_hours >= 0, "a number from 0"),
            "diversity": (0 <= self.diversity <= 1, share),
            "max_per_artist": (_is_cap(self.max_per_artist), "at least 1"),
            "max_per_album": (_is_cap(self.max_per_album), "at least 1"),
            "popularity_weight": (abs(self.popularity_weight) <= 100, "a number from -100 to 100"),
            "least_group": ("=" in self.least_group or not self.least_share, "FIELD=VALUE"),
            "least_share": (0 <= self.least_share <= 1, share),
            "min_new": (self.min_new is None or 0 <= self.min_new <= 1, share),
        }
        for name, (holds, needed) in checks.items():
            if not holds:
                raise MusicuError(f"surface {self.name}: {name} is {needed}")

    @property
    def rules(self) -> dict[str, Any]:
        """The rules of the list, as :meth:`musicu.Recommender.recommend` takes them."""
        names = "diversity", "max_per_artist", "max_per_album", "popularity_weight", "min_new"
        return {name: getattr(self, name) for name in (*names, "again")}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a mapping that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any], *, name: str) -> Self:
        """Make one of what a file says.

        Raises
        ------
        MusicuError
            A name is no field, or a value is of another kind or out of its range.
        """
        kinds = {field.name: str(field.type) for field in fields(cls) if field.name != "name"}
        given: dict[str, Any] = {}
        for key, value in said.items():
            if key not in kinds:
                raise MusicuError(f"surface {name}: no entry {key!r}{did_you_mean(key, kinds)}")
            given[key] = _typed(value, kinds[key], f"surface {name}: {key}")
        return cls(name=name, **given)


def read_surface(path: str | os.PathLike[str]) -> Surface:
    """Read a surface from a TOML file; it is called as the file is.

    Raises
    ------
    MusicuError
        The file cannot be read, or does not describe a surface.
    """
    try:
        with open_file(path, encoding="utf-8") as file:
            said = tomllib.loads(file.read())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise MusicuError(f"{os.fspath(path)}: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise MusicuError(f"{os.fspath(path)}: not TOML: {error}") from None
    return Surface.from_dict(said, name=Path(path).stem)


def read_surfaces(*folders: str | os.PathLike[str]) -> dict[str, Surface]:
    """Read all surfaces of some folders, by name; a later one takes the place of an earlier.

    Raises
    ------
    MusicuError
        There is no such folder, or a file in it does not describe a surface.
    """
    found = {}
    for folder in folders:
        if not Path(folder).is_dir():
            raise MusicuError(f"{os.fspath(folder)}: no folder of surfaces")
        for path in sorted(Path(folder).glob(f"*{_ENDING}")):
            found[path.stem] = read_surface(path)
    return found


def find_surface(name: str | os.PathLike[str]) -> Surface:
    """Return a surface that comes along, by name, or one of a file.

    Raises
    ------
    MusicuError
        There is none.
    """
    text = os.fspath(name)
    shipped = read_surfaces(SHIPPED)
    if text in shipped:
        return shipped[text]
    if text.endswith(_ENDING) or os.sep in text:
        return read_surface(text)
    near = did_you_mean(text, shipped) or f": there are {', '.join(shipped)}, or a file of TOML"
    raise MusicuError(f"no surface {text!r}{near}")


def _is_cap(value: int | None) -> bool:
    return value is None or value >= 1


def _typed(value: Any, kind: str, what: str) -> Any:
    """Return a value of a file as a field holds it: arrays as tuples, whole numbers as such."""
    if kind.startswith("tuple"):
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise MusicuError(f"{what} is an array of texts")
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {"str": isinstance(value, str), "bool": isinstance(value, bool), "int": whole}
    fits["float"] = whole or isinstance(value, float)
    name = kind.partition(" ")[0]
    if not fits[name]:
        words = {"str": "a text", "bool": "true or false", "int": "a whole number"}
        raise MusicuError(f"{what} is {words.get(name, 'a number')}")
    return float(value) if name == "float" else value
