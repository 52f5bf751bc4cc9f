"""What the commands of recommendation share: a recommender, its items' names, logs of listening."""

import os
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.options import say

if TYPE_CHECKING:
    from musicu.items.item import Items
    from musicu.items.table import Source
    from musicu.recommend.interactions import Interactions
    from musicu.recommend.item_ids import ItemResolver

__all__ = [
    "DuplicateRows",
    "Duplicates",
    "ItemColumns",
    "ItemTable",
    "ItemVectors",
    "Log",
    "RecommenderCatalog",
    "RecommenderFolder",
    "SaltFile",
    "Unknown",
    "UnknownItems",
    "matched_log",
    "named_items",
    "pairs",
    "salt",
    "top_contributions",
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


RecommenderCatalog = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        help="The catalog of the tracks as it is today: new ones take part, paths name them.",
        metavar="FILE",
    ),
]
ItemTable = Annotated[
    Path | None,
    typer.Option(help="Items as CSV, JSON lines or Parquet, not a catalog.", metavar="FILE"),
]
ItemColumns = Annotated[
    list[str] | None,
    typer.Option(help="What a column of --items holds: COLUMN=FIELD.", metavar="COLUMN=FIELD"),
]
ItemVectors = Annotated[
    Path | None, typer.Option(help="Vectors of --items, as exported.", metavar="FILE")
]
Log = Annotated[
    Path,
    typer.Argument(
        help="Who listened to what: CSV, JSON lines, Parquet; columns user, item, weight, time. Or "
        "what ListenBrainz or a last.fm exporter gave you, or a folder of these."
    ),
]
DuplicateRows = Annotated[
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
RecommenderFolder = Annotated[
    Path,
    typer.Option("--recommender", help="The folder that 'musicu fit' made.", metavar="FOLDER"),
]
UnknownItems = Annotated[
    Unknown,
    typer.Option(help="Items of the log that are unknown: fail, keep their listeners, or drop."),
]


def named_items(
    catalog: Path | None,
    table: Path | None,
    columns: Sequence[str],
    vectors: Path | None,
    *,
    quiet: bool,
    unused: str = "columns not used",
) -> tuple["Items", "ItemResolver", "Source | None"]:
    """Read items, what they go by, and how their table was understood if they are in one.

    Without a table they are the tracks of a catalog, of which there must be some.
    """
    from musicu.recommend.item_ids import ItemResolver, catalog_names

    if table is not None:
        from musicu.items.table import parse_schema
        from musicu.items.vectors import read_items_with_vectors

        source = read_items_with_vectors(table, parse_schema(columns), vectors)
        if source.ignored:
            say(f"{unused}: {', '.join(source.ignored)}", quiet=quiet)
        return source.items, ItemResolver(source.items), source
    from musicu.catalog.catalog import Catalog
    from musicu.catalog.items import catalog_items
    from musicu.errors import CatalogError

    with Catalog(catalog, create=False) as opened:
        tracks = catalog_items(opened)
        if not len(tracks):
            raise CatalogError(f"{opened.info().path}: no tracks yet; 'musicu embed FOLDER'")
        return tracks, catalog_names(opened, tracks), None


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
    names: "ItemResolver",
    *,
    salt_file: Path | None,
    duplicates: Duplicates,
    unknown: Unknown,
    quiet: bool,
    forget: Sequence[str] = (),
) -> "Interactions":
    """Read a log and call its items by their ids; say how much of it was left out.

    Of listening exports, which name artists and titles, what is no item is left out.
    """
    from musicu.errors import RecommenderError
    from musicu.recommend.interactions import hash_user, read_interactions
    from musicu.recommend.item_ids import match_items
    from musicu.recommend.listening_exports import is_listening_export, read_listens

    secret = salt(salt_file)
    table: Any = log
    if is_listening_export(log):
        from musicu.recommend.matched_listens import match_listens

        matched_names = match_listens(read_listens(log), names.items, source=os.fspath(log))
        say(matched_names.summary(), quiet=quiet)
        table, duplicates = matched_names.columns(), Duplicates.SUM
    read = read_interactions(table, duplicates=duplicates.value, salt=secret)
    for user in forget:
        read = read.without_user(user if secret is None else hash_user(user, secret))
    if not len(read):
        raise RecommenderError(
            f"{log}: nobody is left to learn from, without those to be forgotten"
        )
    matched = match_items(
        read, names, folder=log.parent, unknown=unknown.value, source=os.fspath(log)
    )
    if lost := len(read) - len(matched):
        say(f"left out: {lost:,} of {len(read):,} interactions, of unknown items", quiet=quiet)
    return matched


def top_contributions(contributions: Mapping[str, float], n: int) -> str:
    """Return what adds most to a score, in one line; the level is the same for all."""
    telling = [term for term in contributions.items() if term[0] != "level"]
    strongest = sorted(telling, key=lambda term: -term[1])[:n]
    return ", ".join(f"{name} {value:+.2f}" for name, value in strongest if value > 0)


def pairs(texts: Sequence[str] | None, option: str, form: str) -> Iterator[tuple[str, str]]:
    """Yield names and values of an option that is given as NAME=VALUE, any number of times."""
    for text in texts or ():
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise typer.BadParameter(f"{text!r} is not {form}", param_hint=option)
        yield name, value
