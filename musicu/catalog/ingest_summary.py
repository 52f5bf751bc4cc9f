"""What became of the files that a run looked at, and how far a run is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Progress", "Summary"]


@dataclass
class Summary:
    """What became of the files.

    Attributes
    ----------
    found : int
        Files seen.
    pending : int
        Files that were new, changed or asked for: those to analyze.
    unchanged : int
        Known by path, size and time, and left alone.
    embedded : int
        Analyzed and stored.
    recognized : int
        Known audio at a new place or with new tags: stored, not computed again.
    partial : int
        Of those embedded, readable in part only.
    failed : int
        Could not be used, now or when last looked at; each has its reason in the catalog.
    skipped : int
        Not opened: pictures, texts, hidden files, marked folders.
    missing : int
        Known files that are no longer under the folders.
    reidentified : int
        Known by an identity of an earlier musicu, and given today's; not decoded.
    away : tuple of str
        Folders that cannot be seen now; what is known of their files stays as it is.
    fault : str or None
        If no file could be used: one line that says what they share.
    interrupted : bool
        Stopped by Ctrl-C or SIGTERM before all was done.
    unmatched : tuple of str
        Keys of the metadata sheet that fitted no file.
    unsettled : int
        New or changed files that were still being written, and were left for later.
    """

    found: int = 0
    pending: int = 0
    unchanged: int = 0
    embedded: int = 0
    recognized: int = 0
    partial: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    reidentified: int = 0
    away: tuple[str, ...] = ()
    fault: str | None = None
    interrupted: bool = False
    unmatched: tuple[str, ...] = ()
    unsettled: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    files, total_files : int
        Files done, and in all.
    bytes, total_bytes : int
        Their sizes.
    summary : Summary
        Counts so far.
    seconds, total_seconds : float
        Length of the music that is done, and in all as far as can be told.
    left : float or None
        Seconds that the run will go on; None while nothing is known of its speed.
    """

    files: int
    total_files: int
    bytes: int
    total_bytes: int
    summary: Summary
    seconds: float = 0.0
    total_seconds: float = 0.0
    left: float | None = None
