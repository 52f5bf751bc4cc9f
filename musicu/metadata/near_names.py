"""Which known names are near one that is not known: "did you mean ...?"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from musicu.metadata.names import fold_text

__all__ = ["did_you_mean", "near_names"]

_LEAST = 0.6  # of SequenceMatcher.ratio, as difflib.get_close_matches has it
_WORD = 0.8  # what a word of a name counts, beside the whole
_LONGEST = 100  # characters that are compared


def near_names(wanted: str, names: Iterable[str], n: int = 3) -> list[str]:
    """Return the names that are most like one.

    Ratio of Ratcliff and Obershelp, as :mod:`difflib` computes it, of the names without case and
    diacritics. Only what shares a third of the pairs of letters is looked at: of 100,000 titles
    that leaves some hundreds.

    Parameters
    ----------
    wanted : str
        What somebody wrote.
    names : iterable of str
        What there is.
    n : int >= 0
        At most so many.

    Returns
    -------
    list of str
        The nearest first; none where none is near.

    Examples
    --------
    >>> near_names("jaz", ["Jazz", "Rock", "Acid Jazz"])
    ['Jazz', 'Acid Jazz']
    >>> near_names("folk", ["Rock", "Indie Folk"])
    ['Indie Folk']
    """
    target = fold_text(wanted)[:_LONGEST].strip()
    pairs = _pairs(target)
    if not target:
        return []
    match = SequenceMatcher(a="", b=target, autojunk=False)
    found: dict[str, tuple[float, str]] = {}
    for name in names:
        folded = fold_text(name)[:_LONGEST]
        if folded in found or 3 * len(pairs & _pairs(folded)) < len(pairs):
            continue
        like = 0.0
        for part in (folded, *folded.split()):
            match.set_seq1(part)
            like = max(like, match.ratio() * (1.0 if part is folded else _WORD))
        if like >= _LEAST:
            found[folded] = like, name
    best = sorted(found.values(), key=lambda one: (-one[0], one[1]))
    return [name for _, name in best[:n]]


def did_you_mean(wanted: str, names: Iterable[str]) -> str:
    """Return the end of a message that names what is near: ``"; near are 'Jazz', 'Acid Jazz'"``.

    Empty where nothing is near.
    """
    near = near_names(wanted, names)
    if not near:
        return ""
    return f"; near {'is' if len(near) == 1 else 'are'} {', '.join(map(repr, near))}"


def _pairs(text: str) -> set[str]:
    """Pairs of letters next to each other, and the single letter of a text that has no more."""
    return {text[at : at + 2] for at in range(max(1, len(text) - 1))}
