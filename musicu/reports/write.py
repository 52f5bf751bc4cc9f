"""Write a report's folder: the page, the data, the table. Whole, or not at all."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

from musicu.errors import MusicuError
from musicu.files import written_folder
from musicu.release.results import ReleaseReport
from musicu.reports.release_page import render_page

__all__ = ["REPORT_FILES", "check_folder", "write_report"]

REPORT_FILES = ("report.html", "report.json", "report.csv")


def write_report(
    report: ReleaseReport, folder: str | os.PathLike[str], *, players: bool = True
) -> list[Path]:
    """Write a report as a page (HTML), as data (JSON) and as a table (CSV).

    The files are written into a new folder beside the target, which then takes its place, so that
    a reader never meets half a report.

    Parameters
    ----------
    report : ReleaseReport
        What to write.
    folder : str or path-like
        Where to; an earlier report there is replaced.
    players : bool
        Whether the page plays the audio from where it lies.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    MusicuError
        The folder holds other things than a report, or cannot be written.
    """
    target = Path(os.path.abspath(folder))
    check_folder(target)
    page = render_page(report, folder=target if players else None)
    rows = report.rows()
    try:
        with written_folder(target) as draft:
            (draft / "report.html").write_text(page, encoding="utf-8", errors="replace")
            with open(draft / "report.json", "w", encoding="utf-8") as file:
                json.dump(report.to_dict(), file, indent=1)
                file.write("\n")
            with open(
                draft / "report.csv", "w", encoding="utf-8", errors="surrogateescape", newline=""
            ) as file:
                table = csv.DictWriter(file, rows[0], lineterminator="\n")
                table.writeheader()
                table.writerows(rows)
    except OSError as error:
        raise MusicuError(f"{folder}: {error.strerror or 'cannot be written'}") from error
    return [target / name for name in REPORT_FILES]


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Make sure that a report may be written there; asked before hours of listening, too.

    Raises
    ------
    MusicuError
        It is a file, or a folder that holds other things than a report.
    """
    if not os.path.lexists(folder):
        return
    if not os.path.isdir(folder):
        raise MusicuError(f"{os.fspath(folder)}: is a file; name a folder with --out")
    if other := sorted(set(os.listdir(folder)) - set(REPORT_FILES)):
        raise MusicuError(
            f"{os.fspath(folder)}: holds other things than a report ({other[0]}): "
            "name a new folder with --out"
        )
