"""``musicu doctor``: whether this installation can do its work, in one screen."""

from dataclasses import asdict
from typing import Any

import typer

from musicu.cli.defaults import read_defaults
from musicu.cli.options import Catalog, Format, emit, row_output


@row_output
def doctor(
    ctx: typer.Context,
    catalog: Catalog = None,
    *,
    output: Format,
) -> None:
    """Look at what is installed, the decoders, models and catalog; to paste into a report.

    Names no file or folder of yours, and asks nobody. Exit status 1 if there is a fault.
    """
    from musicu.monitoring.doctor import Check, examine

    checks = [*examine(catalog), Check("config", *_config(ctx))]
    order = {"fault": 0, "note": 1, "ok": 2}
    if output is Format.TABLE:
        checks.sort(key=lambda check: order[check.state])
    emit([asdict(check) for check in checks], output, table=["state", "subject", "text"])
    if any(check.state == "fault" for check in checks):
        raise typer.Exit(1)


def _config(ctx: typer.Context) -> tuple[Any, str]:
    """Say how the file of defaults is, without what is in it."""
    found = read_defaults(ctx.find_root().command)
    if found.fault:
        return "fault", "the file of defaults cannot be used: 'musicu config' says why"
    if found.path is None:
        return "ok", "no file of defaults"
    return "ok", f"a file of defaults sets {len({row['option'] for row in found.rows()}):,} options"
