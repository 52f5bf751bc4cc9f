"""What the titles of one song's versions have in common."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache

from musicu.items.item import Item
from musicu.metadata.artists import main_artist
from musicu.metadata.names import normalize_name

__all__ = ["song_numbers", "song_title"]

# Words that make a remark after a title name a version of the song, alone or with the others.
_VERSION_WORDS = frozenset(
    """
    acapella acappella acoustic bonus bootleg clean demo dub edit edition explicit extended
    instrumental karaoke live mix mono outtake outtakes rehearsal remix remixed rework reworked rmx
    session sessions stereo take unplugged version
    """.split()
)
# Words that say nothing by themselves, but may stand beside those.
_BESIDE = frozenset(
    """
    a album alternate alternative an and anniversary broadcast by cappella censored club dance
    deluxe digital early english extra film for french from full german in inch italian japanese
    length limited long main movie new of old on or orchestral original piano radio re recorded
    rerecorded short single solo spanish special strings stripped studio the track tv uncensored
    uncut us uk video vip vocal vocals with
    """.split()
)
# What may follow "live": a place, a day, a broadcaster.
_AFTER_LIVE = frozenset("at in on from for by w with bbc recording performance".split())
_GUESTS = frozenset("feat ft featuring prod".split())
# Titles that tracks of one artist share without being one song.
_COMMON = frozenset(
    """
    a adagio allegretto allegro andante bonus coda epilogue finale fuga fugue gavotte hidden i
    ii iii improvisation interlude intermezzo intermission intro introduction iv ix jam largo
    lento menuet menuetto minuet moderato no opening outro ouverture overture part pause pista
    postlude prelude presto prologue pt reprise rondo sarabande scherzo segue skit sonata spur
    theme titel title track unbekannt unknown untitled v vi vii viii vivace x
    """.split()
)
_BRACKET = re.compile(r"[(\[]([^()\[\]]*)[)\]]")
_DASH = re.compile(r"\s[-–—~]+\s+(?=[^-–—~]*$)")
_TAIL = re.compile(
    r"\s(?:radio edit|radio mix|radio version|single version|album version|live version"
    r"|acoustic version|extended mix|extended version|original mix)\s*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\b(?:(?:part|pt|no|nr|vol|act|op|chapter) [ivxlc]+|[ivx]{2,}$|\d+)\b")


@lru_cache(maxsize=200_000)
def _plain(name: str) -> str:
    return normalize_name(re.sub(r"['’`´]s\b", "", name))


def song_title(item: Item) -> str | None:
    """Return what the versions of a song have in common: its title without remarks, normalized.

    ``"Song (Live at Home)"``, ``"Song - Remastered 2011"``, ``"Song (feat. Somebody)"`` and
    ``"Song Radio Edit"`` are ``"song"``. A remark that names somebody else stays: ``"Song (Bruno
    Remix)"`` is another song unless Bruno is the artist. So do parts: ``"Song, Pt. 2"``.

    Parameters
    ----------
    item : Item

    Returns
    -------
    str or None
        None without a title, and for titles that do not tell songs apart: "Intro", "Untitled",
        "Track 7", "Allegro".
    """
    about = item.metadata
    return _song(about.title, main_artist(about)) if about.title else None


def song_numbers(item: Item) -> tuple[str, ...]:
    """Return the numbers in a song's title: those of parts and movements."""
    return tuple(_NUMBER.findall(song_title(item) or ""))


@lru_cache(maxsize=200_000)
def _song(title: str, artist: str) -> str | None:
    # As `_plain` spells them, too: the name "Destiny's Child" is "destinys child".
    own = {form for word in artist.split() for form in (word, word.removesuffix("s"))}
    bare = _BRACKET.sub(lambda m: " " if _is_remark(m.group(1), own) else m.group(), title)
    while (dash := _DASH.search(bare)) and _is_remark(bare[dash.end() :], own):
        bare = bare[: dash.start()]
    bare = _TAIL.sub("", bare)
    song = _plain(bare if bare.strip() else title)
    words = song.split()
    return (
        None if all(word in _COMMON or len(word) < 3 and word.isdigit() for word in words) else song
    )


def _is_remark(text: str, own: AbstractSet[str]) -> bool:
    """Whether a text beside a title says which version of a song it is, or who is a guest."""
    words = _plain(text).split()
    if not words:
        return False
    if words[0] in _GUESTS or any(word.startswith("remaster") for word in words):
        return True
    if words[0] == "live" and len(words) > 1 and words[1] in _AFTER_LIVE:
        return True
    return not _VERSION_WORDS.isdisjoint(words) and all(
        word in _VERSION_WORDS or word in _BESIDE or word in own or word[0].isdigit()
        for word in words
    )
