"""Files of a catalog that hold the same audio: what each is, and which one is best kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from musicu.audio.formats import codec_name, is_lossy
from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items
from musicu.catalog.store import Store
from musicu.items.item import Items
from musicu.items.versions import same_audio

__all__ = ["DuplicateFile", "DuplicateGroup", "find_duplicates", "judge_files"]

# How far an encoder comes with the same bits, MP3 being 1: rough figures, to rank a library's
# files by. Listening tests differ by encoder and rate (Kamedo2, 2014: Opus, AAC, Vorbis, MP3).
_EFFICIENCY = {"opus": 1.5, "aac": 1.25, "vorbis": 1.25, "mp2": 0.7, "ac3": 0.7}
# One that is longer or shorter is another edit, or lacks something.
_SECONDS, _SHARE = 1.0, 0.01

Verdict = Literal["keep", "spare", "other length", "same file", "changed", "not there"]


@dataclass(frozen=True)
class DuplicateFile:
    """One of several files of the same audio.

    Attributes
    ----------
    verdict : str
        ``"keep"`` for the best one; ``"spare"`` for what holds nothing that it has not; ``"other
        length"`` for what is longer or shorter than it, by more than a second and a hundredth;
        ``"same file"`` for another name of it (a link); ``"changed"`` and ``"not there"`` for what
        the disk no longer has as the catalog knows it.
    codec : str
        ``"flac"``, ``"mp3"``.
    lossless : bool
        By its codec: whether it was made from a lossy file is not known.
    bit_rate : float
        Of the whole file, pictures in its tags included [kbit/s].
    sr, channels : int
        Sample rate [Hz] and channels.
    seconds : float
        Length.
    size : int
        Bytes.
    problem : str or None
        What is wrong with it, if it can be read in part only.
    id : str
        Of its track; copies bit for bit share one.
    path : str
        Where it lies.
    """

    verdict: Verdict
    codec: str
    lossless: bool
    bit_rate: float
    sr: int
    channels: int
    seconds: float
    size: int
    problem: str | None
    id: str
    path: str


@dataclass(frozen=True)
class DuplicateGroup:
    """Files of the same audio: what they are called, and the files, the one to keep first."""

    name: str
    files: tuple[DuplicateFile, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each file as a mapping, with the group's name."""
        for file in self.files:
            yield {"name": self.name, **asdict(file)}


def find_duplicates(catalog: Catalog, items: Items | None = None) -> list[DuplicateGroup]:
    """Find files of the same audio, and say of each group which file is the best.

    The same audio is what :func:`musicu.items.versions.same_audio` hears to be so, whatever the
    files' formats; and copies. The best file can be read whole, is lossless if one is, and has the
    most bits, weighed by its codec. Nothing is changed on the disk.

    Parameters
    ----------
    catalog : Catalog
    items : Items or None
        Its tracks, where they are known already: :func:`musicu.catalog.items.catalog_items`.

    Returns
    -------
    list of DuplicateGroup
        By name.
    """
    items = catalog_items(catalog) if items is None else items
    members: dict[int, list[str]] = {}
    for id, group in zip(items.ids, same_audio(items).tolist(), strict=True):
        members.setdefault(group, []).append(id)
    files = _files(catalog.store)
    found = []
    for ids in members.values():
        same = [file for id in ids for file in files.get(id, ())]
        if len(same) > 1:
            about = items[items.position(ids[0])].metadata
            name = " - ".join(filter(None, (about.artist, about.title)))
            found.append(DuplicateGroup(name or os.path.basename(same[0].path), judge_files(same)))
    return sorted(found, key=lambda group: (group.name.casefold(), group.files[0].path))


def _files(store: Store) -> dict[str, list[DuplicateFile]]:
    """Read all files that a track lies in, by the track's id."""
    found: dict[str, list[DuplicateFile]] = {}
    rows = store.db.execute(
        "SELECT t.id, t.codec, t.sr, t.channels, t.seconds, f.size, f.problem, f.path"
        " FROM files f JOIN tracks t ON t.track = f.track WHERE NOT f.missing ORDER BY f.path"
    )
    for id, codec, sr, channels, seconds, size, problem, path in rows:
        rate = round(size * 8 / seconds / 1000, 1) if seconds else 0.0
        told = (codec_name(codec), not is_lossy(codec), rate, sr, channels, seconds, size, problem)
        found.setdefault(id, []).append(DuplicateFile("spare", *told, id, path))
    return found


def judge_files(files: Sequence[DuplicateFile]) -> tuple[DuplicateFile, ...]:
    """Choose the file to keep, and say of the others whether it holds all that they have.

    Parameters
    ----------
    files : sequence of DuplicateFile
        Of the same audio; their verdicts do not count.

    Returns
    -------
    tuple of DuplicateFile
        The one to keep first, then the others from the best on.
    """
    states = {file.path: _state(file) for file in files}
    there = [file for file in files if states[file.path] is None]
    best = max(there, key=_quality, default=None)
    ranked = sorted(files, key=_quality, reverse=True)
    judged = [replace(file, verdict=states[file.path] or _verdict(file, best)) for file in ranked]
    return tuple(sorted(judged, key=lambda file: file.verdict != "keep"))


def _state(file: DuplicateFile) -> Verdict | None:
    """Say what keeps a file from being judged; None if it is as the catalog knows it."""
    try:
        size = os.stat(file.path).st_size
    except OSError:
        return "not there"
    return "changed" if size != file.size else None


def _verdict(file: DuplicateFile, best: DuplicateFile | None) -> Verdict:
    if best is None or file is best:
        return "keep"
    if os.path.samefile(file.path, best.path):
        return "same file"
    apart = abs(file.seconds - best.seconds)
    longer = max(file.seconds, best.seconds)
    return "other length" if apart > max(_SECONDS, _SHARE * longer) else "spare"


def _quality(file: DuplicateFile) -> tuple[Any, ...]:
    whole, weight = file.problem is None, _EFFICIENCY.get(file.codec, 1.0)
    if file.lossless:
        rank = (True, file.channels, file.sr, file.bit_rate)
    else:
        rank = (False, 0, 0, file.bit_rate * weight)
    # Of equals the one that lies less deep, whose path is likelier to be the library's own.
    return whole, *rank, -file.path.count(os.sep), [-ord(letter) for letter in file.path]
