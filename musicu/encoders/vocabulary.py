"""From a wish in words to a model's tags: ``"calm female vocals, no drums"``.

Models differ in their tags, so nothing here names a tag that a model must have: what is written is
brought to whatever names the model has, by spelling first, by meaning second.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from musicu.encoders.tag import Tag
from musicu.errors import MetadataError

__all__ = ["TagQuery", "Term", "Vocabulary", "fold"]

# A line is one meaning: all before ">" say the same; what follows is the nearest to it, and used
# only where a model has none of the former.
_MEANINGS = """
calm, peaceful, tranquil, serene, quiet, soothing > relaxing, gentle, tender, mellow, chillout, chill, easy listening, ambient, soft
relaxing, relaxed, relax, laid back, restful > mellow, chillout, chill, calm, peaceful, easy listening
mellow, laid back, smooth > chillout, chill, calm, gentle, easy listening
chillout, chill, downtempo, lounge > mellow, ambient, relaxing, calm, easy listening
gentle, gently, soft, softly, tender, delicate, warm, intimate > mellow, calm, romantic
easy listening > mellow, lounge, chillout
happy, joyous, joyful, cheerful, glad, merry, sunny, uplifting, upbeat, positive, feel good, fun > party, amiable, celebratory, playful, exuberant
sad, sorrowful, melancholy, melancholic, gloomy, mournful, depressing, heartbreaking, tearful > bittersweet, bitter, wistful, poignant, somber
gloomy, dark, bleak, somber, sombre > sad, melancholy, ominous, brooding
angry, aggressive, furious, rage, hostile, violent > tense, fiery, intense, rebellious, metal
tense, nervous, anxious, suspenseful, scary, creepy, ominous, eerie, spooky > angry, gloomy, dramatic
energetic, lively, powerful, driving, exciting, rousing, fiery, high energy, energy, workout, running > party, dance, happy, aggressive, intense
romantic, love, loving, sensual > sexy, tender, intimate
sexy, sensual, seductive, sultry > romantic, smooth
beautiful, lovely, gorgeous, ethereal > tender, gentle, romantic
catchy, hummable > pop, party, fun
party, celebratory, club > dance, happy, energetic
dreamy, ethereal, atmospheric, spacey, floating > ambient, chillout
epic, grandiose, bombastic, heroic, majestic, triumphant > loud, exciting
battle, fight, fighting, combat, war, boss, boss fight, action, chase > loud, exciting
dramatic, cinematic, theatrical > soundtrack, stage & screen, scary, intense
bitter, cynical > sad, angry
female vocals, female vocalists, female vocalist, female voice, female singer, woman singing, women singing, woman singer, woman sings, woman who sings, female singing, girl singing, lady singing, woman's voice, sung by woman, singing woman, soprano > vocals, voice
male vocals, male vocalists, male vocalist, male voice, male singer, man singing, men singing, man sings, man who sings, male singing, boy singing, man's voice, sung by man, singing man, tenor, baritone > vocals, voice
vocals, vocal, voice, voices, singing, singer, singers, sung, vocalist, vocalists > female vocals, male vocals
instrumental, instrumentals
choir, choral, chorus > vocals
piano, pianos, keyboard, keyboards, keys > classical
guitar, guitars, electric guitar, guitarist
acoustic, unplugged > folk, guitar
strings, string section, string quartet, violin, violins, viola, cello, cellos, orchestra, orchestral > classical
drums, drum, percussion, drummer, drum kit, beats
synthesizer, synth, synths, synthesizers > electronic, electronica, synthpop
organ, hammond
brass, horns, horn section, trumpet, trombone
flute, flutes, woodwind, woodwinds
saxophone, sax > brass, jazz
bass, bass guitar
rock, rock music > pop/rock
pop, pop music > pop/rock
electronic, electronica, electro > techno, house, dance
techno, trance, idm > electronic, electronica, electro, dance
house, deep house > dance, electronic, electronica
drum and bass, dnb, jungle, dubstep > electronic, electronica, dance
dance, danceable, dancing, edm, disco > party, house, electro
synthpop, new wave > electronic, pop
hip hop, rap, hiphop, rapper, rapping, trap
r&b, rnb, rhythm and blues > soul, funk
soul, soulful, motown > r&b
funk, funky, groovy > soul, r&b
jazz, jazzy, swing, bebop, big band
blues, bluesy
metal, heavy metal, death metal, black metal, thrash > hard rock, rock
hard rock > metal, rock
punk, punk rock, hardcore > alternative rock, rock
progressive rock, prog rock, prog, progressive > rock
classic rock > oldies, 70s, rock
alternative rock, alt rock > alternative, rock
alternative, alt > alternative rock, indie
indie, indie rock, indie pop > alternative
indie rock > indie
indie pop > indie
folk, folky, singer songwriter > acoustic, country
country, bluegrass, americana > folk
latin, salsa, bossa nova, tango, samba, flamenco > international
reggae, ska, dub
international, world, world music, ethnic > folk, latin
classical, classical music, baroque, opera, symphony, symphonic > strings, piano
new age, meditation, meditative, spa > ambient, calm
ambient, soundscape, drone > new age, chillout, electronic
soundtrack, film music, film score, movie, game music, score > stage & screen
experimental, avant garde, noise, weird
comedy, spoken word, spoken, speech > comedy/spoken
holiday, christmas, xmas
religious, gospel, worship, christian, spiritual
children's, kids, nursery, lullaby
oldies, old, vintage, retro > 60s, 50s
50s, 1950s, fifties > oldies
60s, 1960s, sixties > oldies
70s, 1970s, seventies > classic rock
80s, 1980s, eighties
90s, 1990s, nineties
00s, 2000s, noughties
"""  # noqa: E501

_NO = {"no", "not", "without", "non", "never", "neither", "nor", "minus", "except"}
_JOIN = {"and", "or", "nor"}
_TURN = {"but", "with", "yet", "plus", "featuring", "only"}
_ARTICLES = {"a", "an", "the"}
# Words that every wish may hold and none means anything by.
_IGNORED = set(
    "any are as bit by decade era feel feeling feels find for from genre give has have i in "
    "instrument instruments is it its kind like little lots lot me more mood most much music my "
    "need of on one piece pieces play please pretty quite rather really some something song "
    "songs sort sound sounding sounds style that there these this to too track tracks tune tunes "
    "type very vibe vibes want which who".split()
)
_STOPS = ",;:.!?()|\n"
_TOKEN = re.compile(rf"[^\W_]+|[{re.escape(_STOPS)}]")
_QUOTES = re.compile(r"['’‘`´]")
# As many words as the longest name or meaning has.
_LONGEST = 6


@dataclass(frozen=True)
class Term:
    """A part of a wish that tags can answer.

    Attributes
    ----------
    text : str
        The words, folded.
    tags : tuple of str
        Names of tags, any of which will do.
    negated : bool
        Whether it is not wanted.
    """

    text: str
    tags: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True)
class TagQuery:
    """A wish as a model understands it: its terms, and the words that no tag answers."""

    terms: tuple[Term, ...]
    unused: tuple[str, ...]


def fold(text: str) -> list[str]:
    """Cut a text into words and stops, in a form in which different spellings are equal.

    Without case and diacritics (Unicode Standard Annex 15, NFKD) and articles; hyphens and slashes
    part words, ``&`` and ``'n'`` are "and", a hyphen before a word is "not".
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = re.sub(r"\bw/o\b|(?<!\S)[-−–](?=\w)", " without ", text)
    text = re.sub(r"['’‘`´]n['’‘`´]|&", " and ", text)
    words = _TOKEN.findall(_QUOTES.sub("", text))
    return ["and" if word == "n" else word for word in words if word not in _ARTICLES]


def _singular(word: str) -> str:
    kept = len(word) < 4 or word.endswith(("ss", "us", "is")) or word == "blues"
    return word if kept or not word.endswith("s") else word[:-1]


def _spelling(words: Iterable[str]) -> str:
    """Write words without spaces: hip-hop, hip hop and hiphop are one."""
    return "".join(words)


def _meaning(words: Iterable[str]) -> str:
    return "".join(map(_singular, words))


class Vocabulary:
    """The tags of a model, by what people call them.

    Words find tags in this order, and the first that gives any counts: the tags of exactly this
    name; those of this name but for plurals, or that have it as a synonym; those of which it is a
    part ("rock" of "Pop/Rock"), and those that mean the same; those that are nearest in meaning.

    Parameters
    ----------
    names : sequence of str
        The tags' names.
    synonyms : mapping of str to sequence of str, optional
        What else tags are called, by their names.
    """

    def __init__(
        self, names: Sequence[str], synonyms: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self.names = tuple(names)
        self._exact: dict[str, set[int]] = {}
        named: dict[str, set[int]] = {}
        for i, name in enumerate(names):
            words = [word for word in fold(name) if word not in _STOPS]
            self._exact.setdefault(_spelling(words), set()).add(i)
            for part in (name, *re.split(r"[,/]", name)):
                key = _meaning(word for word in fold(part) if word not in _STOPS)
                named.setdefault(key, set()).add(i)
        called: dict[str, set[int]] = {}
        for name, phrases in (synonyms or {}).items():
            # A tag that says what else it is called is meant by its plural, too, and it alone.
            for phrase in (name, *phrases) if phrases else ():
                called.setdefault(_meaning(fold(phrase)), set()).add(self.names.index(name))
        for key, tags in called.items():
            named.setdefault(key, tags)
        meanings = [
            [[_meaning(fold(phrase)) for phrase in side.split(",")] for side in line.split(">")]
            for line in _MEANINGS.strip().splitlines()
        ]
        same = {key: set(tags) for key, tags in named.items()}
        for keys, *_ in meanings:
            for key in keys:
                same.setdefault(key, set()).update(*(named.get(other, ()) for other in keys))
        near: dict[str, set[int]] = {}
        for keys, *nearest in meanings:
            # A tag of this very name says it better than those that mean the same.
            others = [other for group in nearest for other in group]
            said = [named.get(other) or same.get(other, set()) for other in others]
            for key in keys:
                near.setdefault(key, set()).update(*said)
        self._tiers = (called, same, near)

    @classmethod
    def of(cls, tags: Iterable[Tag]) -> Vocabulary:
        """Make the vocabulary of a tag head's tags."""
        tags = tuple(tags)
        return cls([tag.name for tag in tags], {tag.name: tag.synonyms for tag in tags})

    def find(self, words: Sequence[str]) -> tuple[str, ...]:
        """Look up the tags that folded words name, in the model's order; empty if none."""
        found = self._exact.get(_spelling(words))
        for tier in self._tiers:
            found = found or tier.get(_meaning(words))
        return tuple(self.names[i] for i in sorted(found or ()))

    def parse(self, text: str) -> TagQuery:
        """Understand a wish: the longest run of words that names a tag, then the next.

        "no", "not", "without" and the like turn around what follows, up to the next comma or
        "but", over "and" and "or": ``"no drums or vocals, piano"`` wants the piano only.

        Raises
        ------
        MetadataError
            No word of it names a tag; the text names tags that look alike.
        """
        words = fold(text)
        terms: dict[tuple[tuple[str, ...], bool], Term] = {}
        unused: dict[str, None] = {}
        at, negated = 0, False
        while at < len(words):
            size, tags = self._longest(words[at:])
            word = words[at]
            if tags:
                said = " ".join(words[at : at + size])
                terms.setdefault((tags, negated), Term(said, tags, negated))
                negated = negated and bool(_JOIN & set(words[at + size : at + size + 1]))
            elif word in _NO:
                negated = True
            elif word in _TURN or word in _STOPS:
                negated = False
            elif word not in _JOIN | _IGNORED:
                unused[word] = None
            at += size
        if not terms:
            raise MetadataError(self._at_a_loss(text, unused))
        return TagQuery(tuple(terms.values()), tuple(unused))

    def _longest(self, words: Sequence[str]) -> tuple[int, tuple[str, ...]]:
        """Count the words that name tags, and find these; 1 and none if the first names none."""
        for size in range(min(_LONGEST, len(words)), 0, -1):
            run = words[:size]
            # A phrase begins and ends with words of its own.
            if not {run[0], run[-1]} & (_JOIN | _NO) and not set(run) & set(_STOPS):
                if tags := self.find(run):
                    return size, tags
        return 1, ()

    def _at_a_loss(self, text: str, words: Iterable[str]) -> str:
        near = list(dict.fromkeys(name for word in words for name in self._near(word)))
        hint = f"near are {', '.join(near)}" if near else f"there are {', '.join(self.names[:12])}"
        more = "" if near or len(self.names) <= 12 else " ..."
        return f"no word of {text!r} names a tag of this model; {hint}{more}"

    def _near(self, word: str) -> Iterator[str]:
        by_word = {part: name for name in self.names for part in (*fold(name), name.casefold())}
        for match in difflib.get_close_matches(word, by_word, n=3):
            yield by_word[match]
