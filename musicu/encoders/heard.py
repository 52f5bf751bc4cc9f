"""Which audio a model was trained on, so that an evaluation can tell what it never heard.

A model's ``config.json`` may have an entry ``heard``: one object a folder, with a short hash of
each clip's audio. Audio is compared and not paths, so a copy of a folder, or a part of it, is
recognized. An empty list says that the model heard nothing of one's own; no entry, nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["HeardFolder", "heard_folder", "short_identity"]

_DIGITS = 12
# Of a larger folder the smallest hashes stand for all: a sample that any overlap shows in.
_KEPT = 20_000


@dataclass(frozen=True, kw_only=True)
class HeardFolder:
    """Audio that a model was trained on.

    Attributes
    ----------
    folder : str
        Its name, and that of the folder it is in: for people.
    clips : int
        How many clips were heard.
    identities : frozenset of str
        :func:`short_identity` of each; of 20,000 of them where there are more.
    sha256 : str
        Hash over all of them: two trainings heard the same if it is the same.
    """

    folder: str
    clips: int
    identities: frozenset[str]
    sha256: str

    @classmethod
    def from_dict(cls, entry: Any) -> HeardFolder:
        """Read an entry of ``config.json``.

        Raises
        ------
        ValueError
            It is not such an entry.
        """
        if not isinstance(entry, dict):
            raise ValueError(f"heard must list objects, not {entry!r}")
        text = entry.get("identities", "")
        folder, clips = entry.get("folder"), entry.get("clips")
        if not isinstance(folder, str) or not isinstance(text, str) or len(text) % _DIGITS:
            raise ValueError("heard: a folder needs a name, and identities of 12 hex digits each")
        if isinstance(clips, bool) or not isinstance(clips, int) or clips < 0:
            raise ValueError(f"heard: clips of {folder!r} must be a whole number >= 0")
        cut = [text[i : i + _DIGITS] for i in range(0, len(text), _DIGITS)]
        return cls(
            folder=folder,
            clips=clips,
            identities=frozenset(cut),
            sha256=str(entry.get("sha256", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of ``config.json``."""
        return {
            "folder": self.folder,
            "clips": self.clips,
            "sha256": self.sha256,
            "identities": "".join(sorted(self.identities)),
        }


def short_identity(identity: str) -> str:
    """Shorten the identity of a clip's audio (:func:`musicu.audio.decode.identify`)."""
    return hashlib.sha256(identity.encode()).hexdigest()[:_DIGITS]


def heard_folder(folder: str | os.PathLike[str], identities: Iterable[str]) -> HeardFolder:
    """Note which clips of a folder were heard.

    Parameters
    ----------
    folder : path-like
        The folder; its name and its parent's are kept.
    identities : iterable of str
        Of the clips' audio, from :func:`musicu.audio.decode.identify`.

    Examples
    --------
    >>> heard_folder("data/games", ["a", "b"]).clips
    2
    """
    short = sorted({short_identity(identity) for identity in identities})
    return HeardFolder(
        folder="/".join(Path(os.path.abspath(folder)).parts[-2:]),
        clips=len(short),
        identities=frozenset(short[:_KEPT]),
        sha256=hashlib.sha256("".join(short).encode()).hexdigest(),
    )
