"""``musicu recommend --all-users``: lists for everybody in a log, as Parquet."""

from pathlib import Path
from typing import Any

import typer

from musicu.cli.inputs import Duplicates, Unknown, matched_log
from musicu.cli.options import say
from musicu.cli.progress import task_bar

__all__ = ["recommend_all_users"]


def recommend_all_users(
    recommender: Path,
    log: Path | None,
    out: Path | None,
    *,
    catalog: Path | None,
    salt_file: Path | None,
    duplicates: Duplicates,
    quiet: bool,
    **asked: Any,
) -> None:
    """Write lists for all users of a log, and say how many there are.

    Parameters
    ----------
    recommender, log, out, catalog, salt_file, duplicates, quiet
        Options of the command.
    **asked
        Options of :func:`musicu.recommend.batch_job.recommend_all`.
    """
    if log is None or out is None:
        raise typer.BadParameter("--all-users needs --log and --out")
    from musicu.recommend.batch import need_parquet
    from musicu.recommend.batch_job import recommend_all
    from musicu.recommend.loading import load_catalog_recommender

    need_parquet()
    names = load_catalog_recommender(recommender, catalog).names
    read = matched_log(
        log,
        names,
        salt_file=salt_file,
        duplicates=duplicates,
        unknown=Unknown.DROP,
        quiet=quiet,
    )
    with task_bar("users", "bar", "count", "left", quiet=quiet) as update:
        rows = recommend_all(
            recommender,
            read,
            out,
            catalog=catalog,
            progress=update and (lambda done, total: update(completed=done, total=total)),
            **asked,
        )
    say(f"{out}: {rows:,} places in the lists of {len(read.users):,} users", quiet=quiet)
