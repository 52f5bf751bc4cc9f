"""A table of what was made, appended row by row, so that a run can be stopped and started."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["Manifest", "rows_with_audio"]


def rows_with_audio(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    """Return the audio files of a folder's manifest that exist, each with its row.

    Parameters
    ----------
    folder : pathlib.Path
        With ``manifest.csv`` and the folder ``audio``, as `render_scores.py` makes it.

    Returns
    -------
    list of (pathlib.Path, dict)
    """
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [(folder / "audio" / row["file"], row) for row in csv.DictReader(stream)]
    return [(audio, row) for audio, row in rows if audio.exists()]


class Manifest:
    """A CSV file with one row per audio file; the first column is the file's name.

    Parameters
    ----------
    path : pathlib.Path
        The CSV file; made if it does not exist.
    columns : list of str
        Its columns.

    Raises
    ------
    ValueError
        If the file exists with other columns.
    """

    def __init__(self, path: Path, columns: list[str]) -> None:
        self.path, self.columns = path, columns
        self.files: set[str] = set()
        if path.exists():
            with path.open(newline="", encoding="utf-8") as stream:
                reader = csv.DictReader(stream)
                self.files = {row[columns[0]] for row in reader}
                if reader.fieldnames is not None and list(reader.fieldnames) != columns:
                    raise ValueError(f"{path} has other columns; move it away")
        if not self.files:
            with path.open("w", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, columns).writeheader()

    def has(self, target: Path) -> bool:
        """Return whether an audio file exists and has its row."""
        return target.name in self.files and target.exists()

    def append(self, row: dict[str, str]) -> None:
        """Write one more row at the end."""
        if row[self.columns[0]] in self.files:  # its audio was lost and made again, the same
            return
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self.columns).writerow(row)
        self.files.add(row[self.columns[0]])
