"""Text whose encoding is not stated: told from what is likely to be written in it.

Names are too short for general detectors. Here each hypothesis is a language in an encoding, with
the frequency of its letters. Hypotheses under which the bytes read as the same text count together,
and the likeliest text is taken where it is clearly likelier than the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["decode"]

# The likeliest text must be this many times likelier than the next, and no worse than this in
# itself: natural logarithm of its probability, a byte.
_CLEAR, _PLAUSIBLE = 4.0, -6.0
_MOST = 300  # bytes that are looked at; more say nothing new

_LATIN = "etaoinsrhldcumfpgwybvkxjqz"
_PUNCTUATION = "’‘“”„…–—«»"
_FOREIGN = 2e-5  # a letter that the language does not have, a sign inside a word
_MARK = 3e-3  # punctuation
_JOINED = 0.2  # two letters beyond ASCII side by side, in a language that is mostly ASCII
_CASES = 0.02  # a capital after a small letter
_INSIDE = 0.03  # punctuation in the middle of a word
_CUT = 28  # bytes from which on a fixed length of 30 may have cut a character, spaces being gone
_STATED = 10.0  # how much likelier Western languages are where Latin-1 is said
_SECOND = 0.03  # the second and further encodings of a language, against the first


@dataclass(frozen=True, slots=True)
class _Alphabet:
    """A language of few letters: those beyond ASCII, the commonest first, and their share."""

    prior: float
    encodings: str
    share: float
    steepness: float  # how frequent each letter is, relative to the one before
    letters: str

    def probability(self) -> Callable[[str], float]:
        """Return what gives the probability of a letter or sign."""
        known = dict.fromkeys(_PUNCTUATION, _MARK)
        for letters, share, steepness in (
            (_LATIN, 1 - self.share, 0.9),
            (self.letters, self.share, self.steepness),
        ):
            sum_of_all = sum(steepness**k for k in range(len(letters)))
            known |= {c: share * steepness**k / sum_of_all for k, c in enumerate(letters)}
        return lambda c: known.get(c.lower(), _FOREIGN)


@dataclass(frozen=True, slots=True)
class _Characters:
    """A language of thousands of characters.

    The shares of kana and of the common ones; how many there are on the first level of the
    standard, and their first bytes.
    """

    prior: float
    encodings: str
    kana: float
    known: float
    level: int
    leads: range
    common: str

    def probability(self) -> Callable[[str], float]:
        """Return what gives the probability of a character."""
        encoding, common = self.encodings, frozenset(self.common)
        rest = 0.95 - self.kana - self.known

        def probability(c: str) -> float:
            if c.isascii():
                return 1e-4
            if "\u3041" <= c <= "\u30fe":
                return self.kana / 170 + 1e-6
            if "\u3000" <= c <= "\u303f" or "\uff01" <= c <= "\uff5e" or c in _PUNCTUATION:
                return _MARK / 10
            if c in common:
                return self.known / len(common)
            return rest / self.level if c.encode(encoding)[0] in self.leads else 1e-7

        return probability


# The characters that names and titles are made of most.
_HAN = (
    "的一是不了人我在有他这中大来上个国和地到你说时要就出会可也对生能而子那得于着下自之年过发后作里用"
    "道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想"
    "实爱情歌风雨花月夜梦雪春秋红蓝海无美丽忘思念泪星光城飞王李张周陈林杰伦菲邓君音乐曲世界黑白路"
    "崔健罗许梁谢宋郑郭孙马赵黄吴刘杨蔡孟韩北京上海青"
)
_OLD_HAN = (
    "的一是不了人我在有他這中大來上個國和地到你說時要就出會可也對生能而子那得於著下自之年過發後作裡用"
    "道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想"
    "實愛情歌風雨花月夜夢雪春秋紅藍海無美麗忘思念淚星光城飛王李張周陳林傑倫菲鄧君音樂曲世界黑白路"
    "羅許梁謝宋鄭郭孫馬趙黃吳劉楊蔡孟韓青"
)
_HANGUL = (
    "이다는을가의에고지하사나를은로기도어리인그아서자해한대시라일들부전만보수정구원오주게내너랑우미안연소"
    "마무음노래날길여름봄눈물비별밤달꿈람당신거없있것말제트스드김박최조강장윤임모든때문하늘처럼같이바다세상"
    "중국공동생성화업경과문학교관실심행방회계설영진용남여명민선현재호준혁규찬희은숙순자옥향란산집울간남겨져"
    "돼되면서면니까요네죠야었았겠습니데에게께러려르른린릴립버벌번범법베벨보볼봐더던덜덤추처천철청초총출친"
    "치칠침카코크키타탄태터토통투티파팔편평포표푸프플피필할함항행허험혀형홍환활황효후훈휴흐흔흘히힘못몸몰목"
    "많맘맞매먼먹멀메면몇묻믿반받발밝배백변복본봉북불빛빠뿐삶새색석섬손송숨쉬슬슴승식싶싸써쓰씨악알앞애약양언"
    "얼엄엔역열옆예올와완왕외요욕웃위유율으응의잊잃잔잘잠저적점젊접젖종좋죽줄지직질짐집찾참창책"
)
_KANJI = (
    "人日本大中出会年一生国月時上子愛花空君夢心夜恋風光雨歌海星涙春夏秋冬世界物語道手言自分私僕今明色音雪"
    "桜初宇多田島山川木村井上藤原"
)


_WESTERN, _CENTRAL, _CYRILLIC = "cp1252", "cp1250 iso8859-2", "cp1251 koi8-u cp866"
_ALPHABETS = (
    _Alphabet(0.10, _WESTERN, 0.1, 0.8, "éèàêçâîôïùëûœ"),  # French
    _Alphabet(0.10, _WESTERN, 0.1, 0.8, "üäöß"),  # German
    _Alphabet(0.10, _WESTERN, 0.1, 0.8, "óíáéñúü"),  # Spanish
    _Alphabet(0.08, _WESTERN, 0.1, 0.8, "ãçáéíóõâêôú"),  # Portuguese
    _Alphabet(0.05, _WESTERN, 0.1, 0.8, "àèùòéì"),  # Italian
    _Alphabet(0.08, _WESTERN, 0.1, 0.8, "äöåéøæü"),  # Nordic
    _Alphabet(0.04, _WESTERN, 0.2, 0.8, "áóíðúþéýæö"),  # Icelandic
    _Alphabet(0.03, _WESTERN, 0.05, 0.8, "ëïéöüèó"),  # Dutch
    _Alphabet(0.02, _WESTERN, 0.1, 0.8, "çèéàíóòúï"),  # Catalan
    _Alphabet(0.01, _WESTERN, 0.1, 0.9, "éüöäèóáíñçãåøæêàôúîâëïòœßûùìõýðþžš"),  # several together
    _Alphabet(0.02, _CENTRAL, 0.2, 0.85, "íáéěýčřšžůúťďňó"),  # Czech
    _Alphabet(0.01, _CENTRAL, 0.2, 0.85, "áíýčšžéúťľôďňó"),  # Slovak
    _Alphabet(0.03, _CENTRAL, 0.12, 0.85, "łęąóśżćńź"),  # Polish
    _Alphabet(0.02, _CENTRAL, 0.2, 0.85, "éáöóőüíúű"),  # Hungarian
    _Alphabet(0.02, _CENTRAL, 0.1, 0.85, "čšžćđ"),  # Croatian, Slovenian
    _Alphabet(0.01, _CENTRAL, 0.12, 0.85, "ăîşâţ"),  # Romanian
    _Alphabet(0.02, "cp1254", 0.2, 0.85, "ıüşçöğâî"),  # Turkish
    _Alphabet(0.003, "cp1257", 0.15, 0.85, "āīšēūņžļķģč"),  # Latvian
    _Alphabet(0.003, "cp1257", 0.15, 0.85, "ėšžųįūčąę"),  # Lithuanian
    _Alphabet(0.10, _CYRILLIC, 0.999, 0.93, "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъ"),  # Russian
    _Alphabet(0.02, _CYRILLIC, 0.999, 0.93, "оанивіетрсклумдпзягбьчйхцжюїшщєфґ"),  # Ukrainian
    _Alphabet(0.01, _CYRILLIC, 0.999, 0.93, "аоеинтсрвлкдпмузбгчщйцъжхшюяф"),  # Bulgarian
    _Alphabet(0.01, _CYRILLIC, 0.999, 0.93, "аоиенрсјтувкдмлпгзбчшцћжђхљњџф"),  # Serbian
    _Alphabet(0.03, "cp1253", 0.999, 0.92, "αοιετσνηυρπκμλςάίόέήγύδωθχφβώξζψϊΐϋΰ"),  # Greek
    _Alphabet(0.02, "cp1255", 0.999, 0.92, "יוהלאמרבתשנכדםקעחפגצסזטןךףץ"),  # Hebrew
    _Alphabet(0.02, "cp1256", 0.999, 0.92, "اليمنورتبعدسفكقحجهةشخصطئىغضزأذظثءؤآإپچژگ"),  # Arabic
    _Alphabet(0.01, "cp874", 0.999, 0.94, "านรก่อเงมย้ลัวดทิีสตะปบคุหแจพช์ึขใไูโำ็ผถซืศ"),  # Thai
)
_CHARACTERS = (
    _Characters(0.06, "shift_jis", 0.5, 0.2, 2965, range(0x88, 0x99), _KANJI),
    _Characters(0.005, "euc-jp", 0.5, 0.2, 2965, range(0xB0, 0xD0), _KANJI),
    _Characters(0.05, "gbk", 0.0, 0.5, 3755, range(0xB0, 0xD8), _HAN),
    _Characters(0.03, "euc-kr", 0.0, 0.85, 2350, range(0xB0, 0xC9), _HANGUL),
    _Characters(0.02, "big5", 0.0, 0.5, 5401, range(0xA4, 0xC7), _OLD_HAN),
)


def decode(values: Sequence[bytes], *, stated: bool = False) -> tuple[list[str], bool]:
    r"""Read texts of one unknown encoding.

    UTF-8 is taken at its word. Of anything else the likeliest text is taken where it is clearly
    the likeliest; else the bytes are kept, as Windows-1252 reads them (which is Latin-1, with
    signs in the place of control characters; the five codes it lacks become ``\x81``).

    Parameters
    ----------
    values : sequence of bytes
        Texts by the same hand, such as the fields of one ID3v1 tag: they are judged together.
    stated : bool
        Whether they are said to be Latin-1, as text in ID3v2 is.

    Returns
    -------
    texts : list of str
    sure : bool
        Whether the letters are certain.
    """
    if (texts := _decoded(values, "utf-8")) is not None:
        return texts, True
    words = _foreign_words(values)
    likely: dict[tuple[str, ...], float] = {}
    encoding_of: dict[tuple[str, ...], str] = {}
    for language in (*_ALPHABETS, *_CHARACTERS):
        for rank, encoding in enumerate(language.encodings.split()):
            read = _decoded(words, encoding)
            if read is None or _decoded(values, encoding) is None:
                continue
            prior = math.log(language.prior * (_SECOND if rank else 1))
            prior += math.log(_STATED) if stated and encoding == _WESTERN else 0
            score, key = prior + _log_likelihood(read, language), tuple(read)
            encoding_of.setdefault(key, encoding)
            likely[key] = _log_sum(likely[key], score) if key in likely else score
    best, *others = sorted(likely, key=lambda key: -likely[key]) or [()]
    foreign = sum(byte > 0x7F for word in words for byte in word)
    if (
        best
        and (foreign > 1 or encoding_of[best] == _WESTERN)  # one letter tells nothing
        and likely[best] >= _PLAUSIBLE * sum(map(len, words))
        and all(likely[best] - likely[other] >= math.log(_CLEAR) for other in others[:1])
    ):
        return _decoded(values, encoding_of[best]) or [], True
    return [value.decode("cp1252", "backslashreplace") for value in values], False


def _foreign_words(values: Sequence[bytes]) -> list[bytes]:
    """Return the words that are not ASCII, up to the most that are looked at.

    Bytes up to 0x3f (space, digits, most punctuation) are no part of a character in any of the
    encodings.
    """
    found: dict[bytes, None] = {}
    left = _MOST
    for word in (word for value in values for word in re.split(rb"[\x00-\x3f]+", value)):
        if not word.isascii() and word not in found and left > 0:
            found[word] = None
            left -= len(word)
    return list(found)


def _decoded(values: Sequence[bytes], encoding: str) -> list[str] | None:
    """Decode all values, or return None where one cannot be.

    A last character that a fixed length has cut is left out.
    """
    texts = []
    for value in values:
        try:
            texts.append(value.decode(encoding))
        except UnicodeDecodeError as error:
            if len(value) < _CUT or error.start < len(value) - 1:
                return None
            texts.append(value[: error.start].decode(encoding))
    return texts


def _log_likelihood(words: Sequence[str], language: _Alphabet | _Characters) -> float:
    probability = _probability(language)
    mostly_ascii = isinstance(language, _Alphabet) and language.share < 0.5
    found = 0.0
    for word in words:
        before = ""
        for at, c in enumerate(word):
            p = probability(c)
            if c in _PUNCTUATION and c != "’" and 0 < at < len(word) - 1:
                p *= _INSIDE
            if before.islower() and c.isupper():
                p *= _CASES
            if mostly_ascii and not c.isascii() and before and not before.isascii():
                p *= _JOINED
            found += math.log(p)
            before = c
    return found


@lru_cache
def _probability(language: _Alphabet | _Characters) -> Callable[[str], float]:
    return language.probability()


def _log_sum(a: float, b: float) -> float:
    return max(a, b) + math.log1p(math.exp(-abs(a - b)))
