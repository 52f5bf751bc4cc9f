"""A word that a model can say of music, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicu.encoders.model_files import text_entries, text_entry

__all__ = ["NON_MUSIC", "TAG_KINDS", "Tag"]

TAG_KINDS = ("genre", "mood", "instrument", "voice", "era", "sound", "non-music")
# The tag by which a head tells what is no music: speech, noise, single sounds.
NON_MUSIC = "no music"


@dataclass(frozen=True, kw_only=True)
class Tag:
    """A word that a model can say of music.

    Attributes
    ----------
    name : str
        The word, as its training data had it.
    kind : {"genre", "mood", "instrument", "voice", "era", "sound", "non-music"}
        What it speaks of.
    threshold : float in [0, 1]
        Probability from which on it is said.
    auc, ap : float in [0, 1] or None
        Area under the ROC curve and average precision, cross-validated: how far to trust it.
    positives : int or None
        Tracks that had it when that was measured.
    agreement : float in [-1, 1] or None
        Where there are no labels: rank correlation with its teachers on artists that were not met.
    sources : tuple of str
        What it was learned from: a teacher's words, a collection's labels.
    synonyms : tuple of str
        What else it is called.
    """

    name: str
    kind: str
    threshold: float = 0.5
    auc: float | None = None
    ap: float | None = None
    positives: int | None = None
    agreement: float | None = None
    sources: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, entry: Any) -> Tag:
        """Read an entry of ``config.json``.

        Raises
        ------
        ValueError
            It is not such an entry.
        """
        if not isinstance(entry, dict):
            raise ValueError(f"a tag must be an object, not {entry!r}")
        known = {name: entry[name] for name in cls.__dataclass_fields__ if name in entry}
        known |= {name: text_entries(entry, name) for name in ("sources", "synonyms")}
        tag = cls(**{**known, "name": text_entry(entry, "name")})
        if tag.kind not in TAG_KINDS:
            raise ValueError(f"the kind of tag {tag.name!r} must be one of {', '.join(TAG_KINDS)}")
        for what in ("threshold", "auc", "ap"):
            value = getattr(tag, what)
            # Not a number is outside, too.
            if not (value is None and what != "threshold") and not 0.0 <= value <= 1.0:
                raise ValueError(f"{what} of tag {tag.name!r} must lie in [0, 1]")
        if tag.agreement is not None and not -1.0 <= tag.agreement <= 1.0:
            raise ValueError(f"agreement of tag {tag.name!r} must lie in [-1, 1]")
        return tag
