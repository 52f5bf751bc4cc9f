"""Countries and languages: the code that each of their names stands for."""

from __future__ import annotations

import re

from musicu.metadata.names import squash_name

__all__ = ["country_code", "language_code"]

# Code, then other codes and names it goes by, as `squash_name` spells them.
_COUNTRIES = """
AR arg argentina; AT aut austria osterreich; AU aus australia; BE bel belgium belgie belgique;
BR bra brazil brasil; CA can canada; CH che switzerland schweiz suisse; CL chl chile;
CN chn china peoplesrepublicofchina; CO col colombia; CU cub cuba; CZ cze czechia czechrepublic;
DE deu ger germany deutschland; DK dnk denmark danmark; DZ dza algeria; EE est estonia;
EG egy egypt; ES esp spain espana; FI fin finland suomi; FR fra france;
GB gbr uk unitedkingdom greatbritain england scotland wales northernireland; GR grc greece;
HR hrv croatia; HU hun hungary; ID idn indonesia; IE irl ireland; IL isr israel; IN ind india;
IR irn iran; IS isl iceland; IT ita italy italia; JM jam jamaica; JP jpn japan; KE ken kenya;
KR kor southkorea korea republicofkorea; LT ltu lithuania; LV lva latvia; MA mar morocco;
ML mli mali; MX mex mexico; MY mys malaysia; NG nga nigeria; NL nld netherlands thenetherlands
holland; NO nor norway norge; NZ nzl newzealand; PE per peru; PH phl philippines; PK pak pakistan;
PL pol poland polska; PT prt portugal; RO rou romania; RS srb serbia; RU rus russia
russianfederation; SE swe sweden sverige; SG sgp singapore; SI svn slovenia; SK svk slovakia;
SN sen senegal; TH tha thailand; TR tur turkey turkiye; TW twn taiwan; UA ukr ukraine;
US usa unitedstates unitedstatesofamerica america; UY ury uruguay; VE ven venezuela;
VN vnm vietnam; XE europe; XW worldwide world; ZA zaf southafrica
"""
_LANGUAGES = """
ar ara arabic; bg bul bulgarian; bn ben bengali; ca cat catalan; cs ces cze czech; cy cym wel welsh;
da dan danish; de deu ger german deutsch; el ell gre greek; en eng english; es spa spanish espanol;
et est estonian; eu eus baq basque; fa fas per persian farsi; fi fin finnish suomi;
fr fra fre french francais; ga gle irish; gd gla scottishgaelic; gl glg galician; he heb hebrew;
hi hin hindi; hr hrv croatian; hu hun hungarian; id ind indonesian; is isl ice icelandic;
it ita italian italiano; ja jpn japanese; ko kor korean; la lat latin; lt lit lithuanian;
lv lav latvian; ms msa may malay; nl nld dut dutch nederlands; no nor norwegian; pa pan punjabi;
pl pol polish polski; pt por portuguese portugues; ro ron rum romanian; ru rus russian;
sk slk slo slovak; sl slv slovenian slovene; sr srp serbian; sv swe swedish svenska;
sw swa swahili; ta tam tamil; te tel telugu; th tha thai; tr tur turkish; uk ukr ukrainian;
ur urd urdu; vi vie vietnamese; wo wol wolof; yo yor yoruba; zh zho chi chinese mandarin;
zxx instrumental
"""


def _codes(table: str) -> dict[str, str]:
    rows = (row.split() for row in table.split(";"))
    return {squash_name(name): code for code, *names in rows for name in (code, *names)}


_COUNTRY_CODES = _codes(_COUNTRIES)
_LANGUAGE_CODES = _codes(_LANGUAGES)


def country_code(text: str) -> str:
    """Return the ISO 3166-1 alpha-2 code, upper case, where it is recognized; else the text.

    Two letters are a code; ``"uk"``, ``"GBR"`` and ``"England"`` are ``"GB"``. MusicBrainz's
    ``"XE"`` and ``"XW"`` are Europe and the whole world.
    """
    as_code = text.upper() if re.fullmatch(r"[A-Za-z]{2}", text) else text
    return _COUNTRY_CODES.get(squash_name(text), as_code)


def language_code(text: str) -> str:
    """Return the ISO 639 code, lower case, two letters where there are two; else the text.

    ``"eng"``, ``"English"`` and ``"en-GB"`` are ``"en"``; ``"zxx"`` is nothing sung. Of several
    (``"eng/fra"``) it is the first.
    """
    first = re.split(r"[/;,|]", text)[0].strip()
    text = first or text
    known = _LANGUAGE_CODES.get(squash_name(text))
    if known is None and (code := re.fullmatch(r"([A-Za-z]{2,3})([-_].+)?", text)):
        plain = code.group(1).lower()
        known = _LANGUAGE_CODES.get(plain, plain)
    return known or text
