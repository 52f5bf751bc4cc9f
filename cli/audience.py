"""``musicu audience``: listeners for a track."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.inputs import (
    DuplicateRows,
    Duplicates,
    RecommenderCatalog,
    RecommenderFolder,
    SaltFile,
    Unknown,
    matched_log,
    top_contributions,
)
from musicu.cli.options import Format, Quiet, emit, row_output, say

if TYPE_CHECKING:
    from musicu.items.item import Items
    from musicu.recommend.results import AudienceMatch


@row_output
def audience(
    item: Annotated[
        str, typer.Argument(help="An id, its first 6 or more characters, an ISRC, or a file.")
    ],
    recommender: RecommenderFolder,
    log: Annotated[
        Path | None,
        typer.Option(
            help="Whose listening to look at: a recommender knows no users.", metavar="FILE"
        ),
    ] = None,
    catalog: RecommenderCatalog = None,
    n: Annotated[int, typer.Option("-n", min=0, help="How many of each.")] = 20,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Show whom a track fits: listeners of a log, and artists whose listeners to address.

    The track may be a file that nobody has heard yet: it is heard as the catalog's tracks were.
    """
    if catalog is None and os.path.isfile(item):
        from musicu.catalog.store import catalog_path

        catalog = catalog_path()
    from musicu.recommend.loading import load_catalog_recommender

    loaded = load_catalog_recommender(recommender, catalog)
    new = catalog is not None and os.path.isfile(item) and not loaded.names.find(item, folder=".")
    asked = _hear(catalog, item) if new else loaded.names.one(item, folder=".")
    knowing = loaded.recommender
    if log is not None:
        knowing = knowing.with_log(
            matched_log(
                log,
                loaded.names,
                salt_file=salt_file,
                duplicates=duplicates,
                unknown=Unknown.DROP,
                quiet=quiet,
            )
        )
    found = knowing.audience(asked, n)
    rows = [*_fans("listener", found.listeners), *_fans("artist", found.artists)]
    if output is Format.TABLE:
        rows = [{**row, "why": top_contributions(row["contributions"], 3)} for row in rows]
    emit(rows, output, table=["kind", "rank", "score", "name", "why"])
    if log is None:
        say("listeners: name a --log; a recommender's files hold no users", quiet=quiet)


def _hear(catalog: Path | None, path: str) -> "Items":
    from musicu.catalog.lookup import analyze_query
    from musicu.catalog.store import Store, catalog_path
    from musicu.items.item import Items

    with Store(catalog_path(catalog), create=False) as store:
        item, vector = analyze_query(store, path)
    return Items([item], vector[None])


def _fans(kind: str, fans: "Sequence[AudienceMatch]") -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "rank": rank,
            "name": fan.name,
            "score": fan.score,
            "contributions": dict(fan.contributions),
        }
        for rank, fan in enumerate(fans, start=1)
    ]
