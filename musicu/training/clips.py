"""The audio to learn from: which files, and which of them are held out."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection as Many
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.audio.decode import identify
from musicu.audio.formats import AUDIO_SUFFIXES
from musicu.catalog.scan import scan
from musicu.errors import AudioError, ModelError

__all__ = ["Clip", "Source", "find_clips", "hold_out_clips", "require_clips"]

_FEWEST = 20
_FEWEST_HELD_OUT = 2
_SHOWN = 3


@dataclass(frozen=True)
class Source:
    """A folder of audio, and the share of the training windows to draw from it (None: by size)."""

    folder: Path
    share: float | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> Source:
        """Read ``DIR`` or ``DIR=SHARE``.

        Raises
        ------
        ModelError
            There is no such folder, or the share is not above 0 and at most 1.
        """
        text = os.fspath(text)
        folder, equals, number = text.rpartition("=")
        share = None
        if equals and not Path(text).is_dir():
            try:
                share = float(number)
            except ValueError:
                folder = text
            else:
                if not 0 < share <= 1:
                    raise ModelError(f"{text}: a share must be above 0 and at most 1")
        else:
            folder = text
        if not Path(folder).is_dir():
            raise ModelError(f"{folder}: no such folder")
        return cls(Path(folder), share)


@dataclass(frozen=True)
class Clip:
    """An audio file, the number of its source, and the identity of its audio."""

    path: Path
    source: int
    identity: str


def find_clips(sources: Sequence[Source], memo: Path) -> tuple[list[Clip], dict[str, str]]:
    """Find the audio files under the folders; each recording counts once.

    Parameters
    ----------
    sources : sequence of Source
        The folders.
    memo : Path
        JSON file that keeps identities by path, size and time, so that they are read once.

    Returns
    -------
    clips : list of Clip
        In the order of folders and names.
    skipped : dict of str to str
        Reason for each file that is not used.

    Raises
    ------
    ModelError
        Fewer than 20 files can be used.
    """
    known: dict[str, list[Any]] = json.loads(memo.read_text()) if memo.exists() else {}
    noted: dict[str, list[Any]] = {}
    clips: dict[str, Clip] = {}
    skipped = {}
    for number, source in enumerate(sources):
        for found in scan(os.path.abspath(source.folder)):
            path = found.path
            if found.skip or Path(path).suffix.lower() not in AUDIO_SUFFIXES or path in noted:
                continue
            entry = known.get(path)
            if entry is None or entry[:2] != [found.size, found.mtime_ns]:
                try:
                    entry = [found.size, found.mtime_ns, identify(path), ""]
                except AudioError as error:
                    entry = [found.size, found.mtime_ns, "", error.reason]
            noted[path] = entry
            identity, reason = entry[2:]
            if reason:
                skipped[path] = reason
            elif identity in clips:
                skipped[path] = f"the same audio as {clips[identity].path}"
            else:
                clips[identity] = Clip(Path(path), number, identity)
    memo.write_text(json.dumps(noted))
    require_clips(list(clips.values()), skipped)
    return list(clips.values()), skipped


def require_clips(clips: Sequence[Clip], skipped: Mapping[str, str]) -> None:
    """Insist on enough clips to learn anything from.

    Raises
    ------
    ModelError
        They are fewer than 20; the text says which files were skipped, and why.
    """
    if len(clips) < _FEWEST:
        reasons = [f"{path}: {reason}" for path, reason in list(skipped.items())[:_SHOWN]]
        also = f"; {len(skipped)} skipped: {'; '.join(reasons)}" if skipped else ""
        raise ModelError(
            f"{len(clips)} audio files can be used, at least {_FEWEST} are needed to train{also}"
        )


def hold_out_clips(
    clips: Sequence[Clip], artist: Many[str] | None, rule: str | float, *, seed: int
) -> NDArray[np.bool_]:
    """Choose the clips not to train on.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    artist : collection of str or None
        Their artists, who are held out as a whole. None: whole folders are, if no folder is larger
        than the part to hold out; else single files.
    rule : float or str
        A share of the clips (0: none), or a text file with a stem, name or path a line.
    seed : int
        Of the choice by share.

    Returns
    -------
    np.ndarray [shape=(n,), bool]
        True where held out.

    Raises
    ------
    ModelError
        The share is out of range, the file cannot be read or names no clip, or fewer than 2 clips
        are held out, or fewer than 2 remain.
    """
    try:
        share = float(rule)
    except ValueError:
        held = _named(clips, Path(str(rule)))
    else:
        if not 0 <= share < 1:
            raise ModelError(f"hold-out {rule}: the share must be at least 0 and below 1")
        if share == 0:
            return np.zeros(len(clips), dtype=np.bool_)
        held = _drawn(clips, artist, max(_FEWEST_HELD_OUT, round(share * len(clips))), seed)
    for count, part in ((held.sum(), "held-out"), ((~held).sum(), "training")):
        if count < _FEWEST_HELD_OUT:
            raise ModelError(
                f"hold-out {rule}: {count} of {len(clips)} clips are in the {part} part; "
                f"at least {_FEWEST_HELD_OUT} are needed"
            )
    return held


def _named(clips: Sequence[Clip], file: Path) -> NDArray[np.bool_]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"hold-out {file}: neither a share nor a text file ({error})") from None
    names = {line for line in lines if line}
    used = set()
    held = np.zeros(len(clips), dtype=np.bool_)
    for number, clip in enumerate(clips):
        path = clip.path
        spellings = {path.stem, path.name, str(path), os.path.relpath(path)}
        used |= spellings & names
        held[number] = bool(spellings & names)
    if unknown := sorted(names - used):
        shown = ", ".join(unknown[:_SHOWN])
        raise ModelError(f"hold-out {file}: {len(unknown)} lines name no clip: {shown}")
    return held


def _drawn(
    clips: Sequence[Clip], artist: Many[str] | None, wanted: int, seed: int
) -> NDArray[np.bool_]:
    if artist is None:
        folders = [str(clip.path.parent) for clip in clips]
        sizes = Counter(folders)
        several = len(sizes) > 1 and max(sizes.values()) <= wanted
        artist = folders if several else [clip.identity for clip in clips]
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(artist):
        groups[name].append(number)
    # Ordered by a hash: a file that is added moves no other one to the other part.
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    held = np.zeros(len(clips), dtype=np.bool_)
    for name in order:
        if held.sum() + len(groups[name]) <= wanted:
            held[groups[name]] = True
    return held
