"""How the text of a tag or a cell becomes the value of a metadata field.

A parser raises ValueError where a text does not fit; the error's text says what was expected.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from musicu.metadata.names import unique

__all__ = [
    "clean_texts",
    "first_fit",
    "is_placeholder",
    "join_texts",
    "parse_bpm",
    "parse_date",
    "parse_isrc",
    "parse_position",
    "parse_uuid",
    "parse_uuids",
    "parse_year",
    "split_keywords",
    "split_texts",
    "squeeze",
]


def squeeze(name: str) -> str:
    """Bring the spellings of a field's name together: ``"Album Artist"``, ``"album_artist"``."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def clean_texts(values: Iterable[str]) -> list[str]:
    """Return the texts in tags or cells that are not empty.

    Null bytes separate values; byte order marks, control characters and surrounding white space
    are removed.
    """
    pieces = (piece for value in values for piece in value.split("\0"))
    # Lone surrogates can be neither stored nor shown, and control characters break lists.
    spaced = (re.sub(r"[\t-\r\x85\u2028\u2029]+", " ", piece) for piece in pieces)
    cleaned = (
        re.sub(r"[\0-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe]", "", p).strip() for p in spaced
    )
    return [text for text in cleaned if text]


_ISO_DATE = re.compile(
    r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])([T ][0-9:.]+(Z|[+-][0-9:]+)?)?)?)?"
)
_YEAR = re.compile(r"(?<![0-9])[0-9]{4}(?=$|[^0-9]|[0-9]{4}$)")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def parse_year(text: str) -> int:
    """Return the first year from 1000 to 2100 in a text."""
    for match in _YEAR.finditer(text):
        if 1000 <= int(match.group()) <= 2100:
            return int(match.group())
    raise ValueError("a year from 1000 to 2100")


def parse_date(text: str) -> str:
    """Return a date of ISO 8601, as written."""
    if not _ISO_DATE.fullmatch(text) or not 1000 <= int(text[:4]) <= 2100:
        raise ValueError("a date such as 2004, 2004-05 or 2004-05-01")
    return text


def parse_isrc(text: str) -> str:
    """Return the first ISRC in a text, 12 characters in upper case."""
    for piece in re.split(r"[/;,|]", text):
        code = squeeze(piece).removeprefix("ISRC")
        if _ISRC.fullmatch(code):
            return code
    raise ValueError("an ISRC such as GB-AYE-06-01498")


def parse_uuids(values: Sequence[str]) -> tuple[str, ...]:
    """Return all MusicBrainz identifiers in some texts, each once."""
    found = unique(_UUID.findall(" ".join(values).lower()))
    if not found:
        raise ValueError("a MusicBrainz identifier (UUID)")
    return found


def parse_uuid(text: str) -> str:
    """Return the first MusicBrainz identifier in a text."""
    return parse_uuids([text])[0]


def parse_bpm(text: str) -> float:
    """Return a finite number above 0; its comma may be a decimal one."""
    expected = "a number of beats per minute above 0"
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(expected) from None
    if not 0 < value < math.inf:
        raise ValueError(expected)
    return value


def parse_position(text: str) -> int:
    """Return the 3 of ``"3"``, ``"03/12"`` and ``"3 of 12"``."""
    match = re.fullmatch(r"0*([1-9][0-9]{0,5})(\s*(?:/|of\b).*)?", text)
    if not match:
        raise ValueError("a whole number from 1, such as 3 or 3/12")
    return int(match.group(1))


def join_texts(values: Sequence[str]) -> str:
    """Return all texts as one, each once."""
    return "; ".join(unique(values))


def split_texts(values: Sequence[str]) -> tuple[str, ...]:
    """Cut texts at ``;`` and ``|``."""
    return unique(piece for value in values for piece in re.split(r"[;|]", value))


def split_keywords(values: Sequence[str]) -> tuple[str, ...]:
    """Cut texts at commas, too."""
    return split_texts([value.replace(",", ";") for value in values])


def first_fit(parse: Callable[[str], Any]) -> Callable[[Sequence[str]], Any]:
    """Make a parser of one text one that takes the first of several texts that fits."""

    def read(texts: Sequence[str]) -> Any:
        for text in texts[:-1]:
            try:
                return parse(text)
            except ValueError:
                continue
        return parse(texts[-1])

    return read


_UNKNOWN = frozenset(
    "unknown undefined unbekannt unbekannte unbekannter unbekanntes inconnu inconnue "
    "desconocido desconocida sconosciuto desconhecido onbekend onbekende okänd ukjent "
    "ukendt tuntematon neznámý nieznany neznámé nieznana неизвестно неизвестный "
    "неизвестен неизв 未知 未知艺术家 未知專輯 未知专辑 未知演出者 不明 "
    "不明なアーティスト 不明なアルバム".split()
)
_KINDS = frozenset(
    "artist artists album title track genre performer label künstler interpret titel artiste titre "
    "piste genero artista título titolo traccia faixa artiest nummer låt исполнитель альбом "
    "название wykonawca umělec".split()
)
_NUMBERED = re.compile(
    r"(?:\d{1,3}[\s.-]+)?(?:audio\s*)?(?:track|titel|piste|pista|traccia|faixa|spår|spor|raita|stopa|utwór|ścieżka|"
    r"трек|дорожка|トラック|曲目|音轨|音軌)\s*(?:no\.?|nr\.?|[#_-])?\s*\d{1,3}",
    re.IGNORECASE,
)


def is_placeholder(field: str, text: str) -> bool:
    """Tell whether a text stands for a missing value, as programs that must write one do.

    ``"(None)"``, ``"<Unknown>"``, ``"Unknown Artist"``; as a title, ``"Track 01"``.
    """
    text = text.strip("\0 \t")
    if field == "title" and _NUMBERED.fullmatch(text):
        return True
    # Some add the time: "Unknown Album (3/12/2004 5:43:01 PM)".
    bare = re.sub(r"\s*\(\d[\d/.: APMapm-]*\)$", "", text).strip("<>()[]{} ").casefold()
    if bare in ("none", "null", "no artist", "no album", "no title", "n/a"):
        return bare != text.casefold() or field != "title"
    words = set(bare.split())
    return bool(words & _UNKNOWN) and words <= _UNKNOWN | _KINDS
