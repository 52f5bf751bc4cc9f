"""What ListenBrainz and last.fm hand out of somebody's listening, as it is downloaded.

ListenBrainz exports a zip of JSON lines (``listens/2024/1.jsonl`` ...). last.fm exports nothing
itself; three exporters are common: lastfm-to-csv (no header; artist, album, title, time),
mainstream.ghan.nl (``uts,utc_time,artist,...``) and lastfmstats.com (``Artist;Album;...``).
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import IO, Any

from musicu.errors import MetadataError
from musicu.files import open_file
from musicu.metadata.table_formats import as_text

__all__ = ["Listen", "is_listening_export", "read_listens"]

PathLike = str | os.PathLike[str]

_LISTENS = re.compile(r"(?:^|/)listens/(?:[^/]+/)*[^/]+\.jsonl$|(?:^|/)listens?\.jsonl?$")
_MOST = 1 << 30  # bytes of one file in a zip
_HEAD = 4096
_GHAN = ("uts", "artist", "track")
_STATS = ("Artist", "Album", "Track")
# As lastfm-to-csv writes it: "31 Dec 2023 23:59", in UTC.
_DAY = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2}) (\d{4}),? (\d{1,2}):(\d{2})")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@dataclass(frozen=True, slots=True)
class Listen:
    """That somebody listened to something once.

    Attributes
    ----------
    user : str
    artist, title : str
        As the player wrote them.
    album : str
        ``""`` where unknown.
    recording : str
        MusicBrainz's identifier (lower case); ``""`` where unknown.
    time : float or None
        Seconds since 1970, UTC.
    """

    user: str
    artist: str
    title: str
    album: str = ""
    recording: str = ""
    time: float | None = None


def is_listening_export(path: PathLike) -> bool:
    """Whether a file is one of these exports, by how it begins; or a folder that holds some.

    A file that cannot be read is none.
    """
    return bool(_files(path))


def read_listens(path: PathLike) -> list[Listen]:
    """Read an export, or all that lie in a folder.

    Parameters
    ----------
    path : str or path-like
        Users are named by what the export says, else by the file's name.

    Returns
    -------
    list of Listen
        In the files' order.

    Raises
    ------
    MetadataError
        It is none of the exports that are known, is damaged, or holds no listen.
    """
    listens = [one for name, read in _files(path) for one in _read(name, read)]
    if not listens:
        raise MetadataError(f"{os.fspath(path)}: no listen in it")
    return listens


Reader = Callable[[str], Iterator[Listen]]


def _files(path: PathLike) -> list[tuple[str, Reader]]:
    name = os.fspath(path)
    try:
        inside = sorted(os.listdir(name)) if os.path.isdir(name) else None
    except OSError:
        return []
    names = [name] if inside is None else [os.path.join(name, one) for one in inside]
    found = ((one, _reader(one)) for one in names if os.path.isfile(one))
    return [(one, reader) for one, reader in found if reader is not None]


def _reader(name: str) -> Reader | None:
    """Return what reads a file, None if nothing here does."""
    try:
        with open_file(name) as file:
            head = file.read(_HEAD)
        if head.startswith(b"PK"):
            with zipfile.ZipFile(name) as archive:
                return _read_zip if any(map(_LISTENS.search, archive.namelist())) else None
    except (OSError, zipfile.BadZipFile):
        return None
    text = head.decode("utf-8-sig", "ignore")
    if '"track_metadata"' in text and text.lstrip()[:1] in ("{", "["):
        return _read_json
    first = text.partition("\n")[0].strip("\r")
    if set(_GHAN) <= {cell.strip('"') for cell in first.split(",")}:
        return _read_ghan
    if first.replace('"', "").startswith(";".join(_STATS[:2])) and "Date" in first:
        return _read_stats
    cells = next(csv.reader([first]), []) if "\0" not in first else []
    return _read_plain if len(cells) == 4 and _DAY.fullmatch(cells[3].strip()) else None


def _read(name: str, read: Reader) -> list[Listen]:
    try:
        return list(read(name))
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise MetadataError(f"{name}: cannot be read ({error})") from None
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError and JSONDecodeError, too
        raise MetadataError(f"{name}: damaged ({error})") from None


# ListenBrainz


def _read_zip(name: str) -> Iterator[Listen]:
    with zipfile.ZipFile(name) as archive:
        user = _stem(name)
        for info in archive.infolist():
            if info.filename.rpartition("/")[2] == "user.json" and info.file_size < _HEAD:
                user = str(json.loads(archive.read(info)).get("username") or user)
        for info in sorted(archive.infolist(), key=lambda info: info.filename):
            if _LISTENS.search(info.filename):
                if info.file_size > _MOST:
                    raise ValueError(f"{info.filename} is too large")
                with archive.open(info) as file:
                    yield from _parse(file, user)


def _read_json(name: str) -> Iterator[Listen]:
    with open_file(name) as file:
        yield from _parse(file, _stem(name))


def _parse(file: IO[bytes], user: str) -> Iterator[Listen]:
    """Read listens as an array, or one a line."""
    with io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        first = text.readline()
        whole = first.lstrip().startswith("[")
        said: Iterable[Any] = (
            json.loads(first + text.read())
            if whole
            else (json.loads(line) for line in chain([first], text) if line.strip())
        )
        for one in said:
            if isinstance(one, dict) and isinstance(about := one.get("track_metadata"), dict):
                yield _listen(one, about, user)


def _listen(said: dict[str, Any], about: dict[str, Any], user: str) -> Listen:
    # What ListenBrainz found it to be goes over what the player said.
    places = (about.get("mbid_mapping"), about.get("additional_info"))
    ids = [place.get("recording_mbid") for place in places if isinstance(place, dict)]
    time = said.get("listened_at")
    return Listen(
        str(said.get("user_name") or user),
        str(about.get("artist_name") or ""),
        str(about.get("track_name") or ""),
        str(about.get("release_name") or ""),
        str(next(filter(None, ids), "")).lower(),
        float(time) if isinstance(time, int | float) and time > 0 else None,
    )


# last.fm


def _read_ghan(name: str) -> Iterator[Listen]:
    user = re.sub(r"^recenttracks-|-\d+$", "", _stem(name))
    with as_text(open_file(name)) as text:
        for row in csv.DictReader(text):
            time = _seconds(row["uts"])
            names = row["artist"] or "", row["track"] or "", row.get("album") or ""
            yield Listen(user, *names, "", time)


def _read_stats(name: str) -> Iterator[Listen]:
    with as_text(open_file(name)) as text:
        rows = csv.reader(text, delimiter=";")
        titles = next(rows)
        at = {title.partition("#")[0]: place for place, title in enumerate(titles)}
        user = titles[at["Date"]].partition("#")[2] or _stem(name)
        for row in rows:
            if len(row) == len(titles):
                artist, album, title = (row[at[column]] for column in _STATS)
                yield Listen(user, artist, title, album, "", _seconds(row[at["Date"]], 1000.0))


def _read_plain(name: str) -> Iterator[Listen]:
    with as_text(open_file(name)) as text:
        for row in csv.reader(text):
            if len(row) == 4:
                artist, album, title, when = row
                yield Listen(_stem(name), artist, title, album, "", _day(when))


def _seconds(text: str, scale: float = 1.0) -> float | None:
    """Return a time; what was playing at the export has none."""
    return float(text) / scale if text.strip() and float(text) > 0 else None


def _day(text: str) -> float | None:
    found = _DAY.fullmatch(text.strip())
    if not found or found[2] not in _MONTHS:
        return None
    day, month, year, hour, minute = found.groups()
    numbers = int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute)
    return datetime(*numbers, tzinfo=UTC).timestamp()


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name))[0]
