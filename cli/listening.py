"""What the commands of recommendation share: a recommender, its items' names, logs of listening."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.options import say

if TYPE_CHECKING:
    from musicu.items.item import Items
    from musicu.listening.interactions import Interactions
    from musicu.listening.matching import ItemNames
    from musicu.listening.recommender import Recommender

__all__ = [
    "CatalogToo",
    "Duplicates",
    "Repeats",
    "SaltFile",
    "Saved",
    "Stock",
    "Unknown",
    "catalog_stock",
    "load_stock",
    "matched_log",
    "salt",
    "terms",
]


class Unknown(StrEnum):
    """What to do with items of a log that are unknown."""

    ERROR = "error"
    KEEP = "keep"
    DROP = "drop"


class Duplicates(StrEnum):
    """What to do with rows of a log that say the same."""

    ERROR = "error"
    SUM = "sum"


CatalogToo = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        help="The catalog of the tracks as it is today: new ones take part, paths name them.",
        metavar="FILE",
    ),
]
Repeats = Annotated[
    Duplicates,
    typer.Option("--duplicates", help="Rows of one user, item and time: fail, or add them up."),
]
SaltFile = Annotated[
    Path | None,
    typer.Option(
        help="Users are known by a hash only, keyed with this file's text; else with $MUSICU_SALT.",
        metavar="FILE",
    ),
]
Saved = Annotated[
    Path,
    typer.Option("--recommender", help="The folder that 'musicu fit' made.", metavar="FOLDER"),
]


@dataclass(frozen=True)
class Stock:
    """A recommender with what can be recommended today.

    Attributes
    ----------
    recommender : Recommender
    names : ItemNames
        What its items go by.
    candidates : tuple of str or None
        The items to choose among; None is all.
    """

    recommender: "Recommender"
    names: "ItemNames"
    candidates: tuple[str, ...] | None

    def title(self, id: str, written: str | None) -> str:
        """Return what to call an item whose title may be unknown."""
        path = self.names.path(id)
        return written or (Path(path).stem if path else id)


def catalog_stock(catalog: Path | None) -> tuple["Items", "ItemNames"]:
    """Read a catalog's tracks, of which there must be some, and what they go by."""
    from musicu.catalog import Catalog as Opened
    from musicu.errors import CatalogError
    from musicu.items.library import catalog_items
    from musicu.listening.matching import catalog_names

    with Opened(catalog, create=False) as opened:
        tracks = catalog_items(opened)
        if not len(tracks):
            raise CatalogError(f"{opened.info().path}: no tracks yet; 'musicu embed FOLDER'")
        return tracks, catalog_names(opened, tracks)


def load_stock(folder: Path, catalog: Path | None, where: str | None = None) -> Stock:
    """Load a recommender; with a catalog, its new tracks take part and its lost ones do not."""
    from musicu.listening.matching import ItemNames, catalog_names, newcomers
    from musicu.listening.recommender import Recommender

    if catalog is None:
        recommender = Recommender.load(folder)
        return Stock(recommender, ItemNames(recommender.items), None)
    from musicu.catalog import Catalog
    from musicu.items.library import catalog_items

    with Catalog(catalog, create=False) as opened:
        recommender = Recommender.load(folder, aliases=opened.aliases())
        tracks = catalog_items(opened)
        if new := newcomers(recommender.items, tracks, source=str(catalog)):
            recommender.add(new)
        names = catalog_names(opened, recommender.items)
        ids = tracks.ids if where is None else tuple(t["id"] for t in opened.tracks(where))
    # Without a reason to name them, the recommender's sources propose and are told.
    return Stock(recommender, names, ids if len(ids) < len(recommender.items) else None)


def salt(salt_file: Path | None) -> str | None:
    """Return the secret that users are hashed with; never taken from the command line itself."""
    if salt_file is None:
        return os.environ.get("MUSICU_SALT")
    from musicu.errors import MusicuError
    from musicu.files import open_file

    try:
        with open_file(salt_file, encoding="utf-8") as file:
            return str(file.read()).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise MusicuError(f"{salt_file}: {reason}") from None


def matched_log(
    log: Path,
    names: "ItemNames",
    *,
    salt_file: Path | None,
    duplicates: Duplicates,
    unknown: Unknown,
    quiet: bool,
    forget: Sequence[str] = (),
) -> "Interactions":
    """Read a log and call its items by their ids; say how much of it was left out."""
    from musicu.errors import MetadataError
    from musicu.listening.interactions import hash_user, read_interactions
    from musicu.listening.matching import match_items

    secret = salt(salt_file)
    read = read_interactions(log, duplicates=duplicates.value, salt=secret)
    for user in forget:
        read = read.without_user(user if secret is None else hash_user(user, secret))
    if not len(read):
        raise MetadataError(f"{log}: nobody is left to learn from, without those to be forgotten")
    matched = match_items(
        read, names, folder=log.parent, unknown=unknown.value, source=os.fspath(log)
    )
    if lost := len(read) - len(matched):
        say(f"left out: {lost:,} of {len(read):,} interactions, of unknown items", quiet=quiet)
    return matched


def terms(contributions: Mapping[str, float], n: int) -> str:
    """Return what adds most to a score, in one line; the level is the same for all."""
    telling = [term for term in contributions.items() if term[0] != "level"]
    strongest = sorted(telling, key=lambda term: -term[1])[:n]
    return ", ".join(f"{name} {value:+.2f}" for name, value in strongest if value > 0)
