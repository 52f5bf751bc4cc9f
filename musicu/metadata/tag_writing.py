"""Write tempo, key and moods into the tags of files, and take that back, byte for byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from musicu.audio.containers import ReadAt, file_reader
from musicu.audio.decode import identify
from musicu.audio.frames import frame_length
from musicu.audio.tag_blocks import blocks_before
from musicu.errors import AudioError, MetadataError, MusicuError
from musicu.files import open_file, written_file
from musicu.metadata.file_tags import read_texts
from musicu.metadata.parsers import squeeze
from musicu.metadata.splices import (
    Splice,
    from_json,
    inverse,
    joined,
    pieces,
    sha256_of,
    to_json,
)
from musicu.metadata.tag_targets import TARGETS, RefusedError, Values
from musicu.metadata.write_id3 import edit_id3
from musicu.metadata.write_mp4 import edit_mp4
from musicu.metadata.write_vorbis import edit_flac, edit_ogg

__all__ = ["TagEdit", "UndoEntry", "plan_tags", "read_undo", "undo_tags", "write_tags"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class TagEdit:
    """What is to be written into a file.

    Attributes
    ----------
    path : str
    values : dict of str to tuple of str
        What will be written, by the names of :data:`musicu.metadata.tag_targets.TARGETS`; empty
        where there is nothing to do.
    before : dict of str to tuple of str
        What the file has of these now.
    parts : tuple of Splice
        The new file, told by the old one.
    size, mtime_ns : int
        Of the file that this was planned for.
    """

    path: str
    values: Values
    before: Values
    parts: tuple[Splice, ...] = ()
    size: int = 0
    mtime_ns: int = 0


@dataclass(frozen=True)
class UndoEntry:
    """What leads a file back to what it was.

    Attributes
    ----------
    path : str
    before, after : str
        SHA-256 of the whole file before and after the change.
    mtime_ns : int
        Of the file before.
    parts : tuple of Splice
        The file before, told by the one after.
    """

    path: str
    before: str
    after: str
    mtime_ns: int
    parts: tuple[Splice, ...]

    def to_line(self) -> str:
        """Return it as a line of JSON."""
        named = {"path": self.path, "before": self.before, "after": self.after}
        return json.dumps(named | {"mtime_ns": self.mtime_ns, "parts": to_json(self.parts)}) + "\n"


def plan_tags(
    path: PathLike, values: Mapping[str, Sequence[str]], *, overwrite: bool = False
) -> TagEdit:
    """Plan what to write into a file; nothing is written.

    Parameters
    ----------
    path : str or path-like
        An MP3, FLAC, Ogg Vorbis, Opus or MP4 file.
    values : mapping of str to sequence of str
        By the names of :data:`musicu.metadata.tag_targets.TARGETS`: ``{"bpm": ["120"]}``.
    overwrite : bool
        Also fields that the file has; else only those that it lacks.

    Raises
    ------
    RefusedError
        The file is of a format, or in a state, in which tags cannot be written safely.
    AudioError
        It cannot be read.
    """
    name = os.fspath(path)
    try:
        with open_file(name) as file:
            info = os.fstat(file.fileno())
            before = _present(file)
            wanted: Values = {
                field: tuple(texts)
                for field, texts in values.items()
                if texts and (overwrite or field not in before)
            }
            # Version 2.3 of ID3 joins what it cannot tell apart.
            wanted = {
                field: texts
                for field, texts in wanted.items()
                if "/".join(before.get(field, ())) != "/".join(texts)
            }
            if not wanted:
                return TagEdit(name, {}, before)
            parts = joined(_edit(name, file_reader(file), info.st_size, wanted))
    except OSError as error:
        raise AudioError(name, error.strerror or "cannot be read", cause="system") from error
    return TagEdit(name, wanted, before, tuple(parts), info.st_size, info.st_mtime_ns)


def write_tags(edit: TagEdit, undo: PathLike, *, keep_times: bool = True) -> None:
    """Write what was planned: into a new file, which is checked and takes the place of the old one.

    Audio is compared packet by packet, and the values are read back, before anything is replaced.
    What leads back is on disk before, too.

    Parameters
    ----------
    edit : TagEdit
    undo : str or path-like
        A file of text, to which a line is added: an :class:`UndoEntry`.
    keep_times : bool
        The file keeps its times. Programs that look for changes by time then see none.

    Raises
    ------
    RefusedError
        The file has changed since, is not ours alone, or would not be what it should be.
    MusicuError
        It cannot be written.
    """
    if not edit.values:
        return
    target = os.path.realpath(edit.path)
    try:
        with open_file(target) as old:
            info = _check_ours(edit.path, target)
            if (info.st_size, info.st_mtime_ns) != (edit.size, edit.mtime_ns):
                raise RefusedError(f"{edit.path}: it has changed since it was looked at")
            read = file_reader(old)
            back = inverse(edit.parts, read, edit.size)
            before = sha256_of(old)
            with written_file(target) as new:
                digest = hashlib.sha256()
                for piece in pieces(edit.parts, read):
                    new.write(piece)
                    digest.update(piece)
                _finish(new)
                _check(edit, target, new.name)
                entry = UndoEntry(
                    edit.path, before, digest.hexdigest(), info.st_mtime_ns, tuple(back)
                )
                with open(undo, "ab") as lines:
                    lines.write(entry.to_line().encode())
                    _finish(lines)
                _look_like(new.name, target, info, keep_times=keep_times)
    except OSError as error:
        raise MusicuError(f"{edit.path}: {error.strerror or 'cannot be written'}") from error


def read_undo(path: PathLike) -> list[UndoEntry]:
    """Read a file of undo entries; a last line that was cut off is left out.

    Raises
    ------
    MetadataError
        It cannot be read, or is none.
    """
    try:
        with open_file(path) as file:
            lines = file.read().split(b"\n")[:-1]
    except OSError as error:
        raise MetadataError(f"{os.fspath(path)}: {error.strerror or 'cannot be read'}") from error
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
            parts = tuple(from_json(said["parts"]))
            path_of, before, after = (str(said[name]) for name in ("path", "before", "after"))
            entries.append(UndoEntry(path_of, before, after, int(said["mtime_ns"]), parts))
        except (ValueError, TypeError, KeyError):
            raise MetadataError(f"{os.fspath(path)}: line {number} undoes nothing") from None
    return entries


def undo_tags(entry: UndoEntry) -> bool:
    """Make a file what it was.

    Returns
    -------
    bool
        Whether anything was to be done: it may be so already.

    Raises
    ------
    RefusedError
        The file has been changed since by others, or is not ours alone.
    MusicuError
        It cannot be read or written.
    """
    target = os.path.realpath(entry.path)
    try:
        with open_file(target) as now:
            state = sha256_of(now)
            if state == entry.before:
                return False
            if state != entry.after:
                raise RefusedError(f"{entry.path}: it has been changed since, and stays")
            info = _check_ours(entry.path, target)
            digest = hashlib.sha256()
            with written_file(target) as new:
                for piece in pieces(entry.parts, file_reader(now)):
                    new.write(piece)
                    digest.update(piece)
                if digest.hexdigest() != entry.before:
                    raise RefusedError(f"{entry.path}: what should lead back does not; it stays")
                _finish(new)
                _look_like(new.name, target, info, keep_times=True)
                os.utime(new.name, ns=(info.st_atime_ns, entry.mtime_ns))
    except OSError as error:
        raise MusicuError(f"{entry.path}: {error.strerror or 'cannot be written'}") from error
    return True


def _edit(name: str, read: ReadAt, size: int, values: Values) -> list[Splice]:
    """Tell the file's new bytes, by its format; the reason of a refusal names the file."""
    blocks = list(blocks_before(read))
    start = blocks[-1].stop if blocks else 0
    magic = read(start, 16)
    try:
        if magic.startswith(b"fLaC"):
            return edit_flac(read, start, size, values)
        if magic.startswith(b"OggS") and not start:
            return edit_ogg(read, size, values)
        if magic[4:8] == b"ftyp" and not start:
            return edit_mp4(read, size, values)
        mpeg = frame_length(magic[:6]) and magic[1] & 6
        first = not blocks or (len(blocks) == 1 and blocks[0].kind == "ID3v2")
        if mpeg and first and name.lower().endswith(".mp3"):
            return edit_id3(read, size, values)
    except RefusedError as error:
        raise RefusedError(f"{name}: {error}") from None
    raise RefusedError(
        f"{name}: such a file is not written: MP3, FLAC, Ogg Vorbis, Opus and MP4 are, if they "
        "begin as they should"
    )


def _present(file: BinaryIO) -> Values:
    """Return what a file has of the fields that can be written, from all of its tags."""
    found: Values = {}
    for name, texts in read_texts(file).items():
        for field, target in TARGETS.items():
            if squeeze(name) in target.names:
                found[field] = (*found.get(field, ()), *texts)
    return {field: tuple(dict.fromkeys(texts)) for field, texts in found.items()}


def _check(edit: TagEdit, old: str, new: str) -> None:
    """Make sure that a new file has the old one's audio, and the values that it should have."""
    try:
        same = identify(old) == identify(new)
    except AudioError as error:
        raise RefusedError(f"{edit.path}: its audio cannot be compared ({error.reason})") from None
    if not same:
        raise RefusedError(f"{edit.path}: its audio would not be the same")
    with open_file(new) as file:
        now = _present(file)
    for field, texts in edit.values.items():
        if not set("/".join(now.get(field, ())).split("/")) >= set("/".join(texts).split("/")):
            raise RefusedError(f"{edit.path}: {field} would not be read back")


def _check_ours(path: str, target: str) -> os.stat_result:
    info = os.stat(target)
    if info.st_nlink > 1:
        raise RefusedError(
            f"{path}: it has other names (hard links), which would keep the old tags"
        )
    if hasattr(os, "geteuid") and os.geteuid() not in (0, info.st_uid):
        raise RefusedError(f"{path}: it belongs to somebody else")
    if not info.st_mode & stat.S_IWUSR:
        raise RefusedError(f"{path}: it is marked as read-only")
    return info


def _finish(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _look_like(new: str, old: str, info: os.stat_result, *, keep_times: bool) -> None:
    """Give a new file the rights and owner of the old one, and its times if wanted."""
    times = os.stat(new)
    shutil.copystat(old, new)
    if hasattr(os, "chown") and (times.st_uid, times.st_gid) != (info.st_uid, info.st_gid):
        os.chown(new, info.st_uid, info.st_gid)
    if not keep_times:
        os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
