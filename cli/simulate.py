"""``musicu simulate``: made-up listening, to try things out before there are listeners."""

import csv as csv_module
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.options import Catalog, Quiet, say

if TYPE_CHECKING:
    from musicu.recommend.interactions import Interactions

# The last column is there for whoever finds the file: no reader of logs asks for it.
HEADER = ["user", "item", "weight", "time", "simulated"]


def simulate(
    out: Annotated[Path, typer.Argument(help="The log to write, a CSV file.", metavar="FILE")],
    catalog: Catalog = None,
    users: Annotated[int, typer.Option(min=1, help="How many listeners.")] = 200,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long they listen.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate listening to a catalog, to try things out; says nothing about real listeners."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.catalog.items import catalog_items
    from musicu.catalog.model_choice import not_embedded
    from musicu.errors import MusicuError
    from musicu.metadata.artists import main_artist
    from musicu.simulation.simulate import simulate_listening, to_interactions

    if out.exists() and not force:
        raise MusicuError(f"{out}: is there already: --force replaces it")
    with Opened(catalog, create=False) as opened:
        path, items = opened.info().path, catalog_items(opened)
    heard = items.take(at for at in range(len(items)) if items.heard[at])
    if not len(heard):
        raise not_embedded(path)
    # An artist who is not known is another one each time.
    artists = [main_artist(item.metadata) or f"\0{item.id}" for item in heard]
    listening = simulate_listening(
        heard.audio, artists=artists, n_users=users, days=days, seed=seed
    )
    log = to_interactions(listening, heard.ids)
    _write(out, log)
    say(
        f"simulated: {len(log):,} plays of {len(heard):,} tracks by {users:,} listeners nobody "
        f"ever was, in {out}: for trying things out, not for figures about people",
        quiet=quiet,
    )


def _write(out: Path, log: "Interactions") -> None:
    """Write a log, oldest play first: whole, or not at all."""
    from musicu.errors import MusicuError
    from musicu.files import written_file

    assert log.time is not None
    try:
        with written_file(out, encoding="utf-8", newline="") as file:
            writer = csv_module.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for at in log.time.argsort(kind="stable"):
                when = datetime.fromtimestamp(log.time[at], UTC).replace(tzinfo=None)
                writer.writerow(
                    [
                        log.users[log.user[at]],
                        log.items[log.item[at]],
                        f"{log.weight[at]:g}",
                        f"{when.isoformat(timespec='milliseconds')}Z",
                        "simulated",
                    ]
                )
    except OSError as error:
        raise MusicuError(f"{out}: {error.strerror or 'cannot be written'}") from error
