"""Letters whose encoding nothing states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicu.metadata.text_encodings import decode

KNOWN = {
    "cp1251": ["Группа крови|Кино", "КИНО|ПАЧКА СИГАРЕТ", "Океан Ельзи|Обійми", "Любэ|Конь"],
    "koi8-r": ["Группа крови|Кино", "Аквариум|Город золотой"],
    "cp866": ["Аквариум|Город золотой"],
    "shift_jis": ["宇多田ヒカル|初恋", "米津玄師|Lemon", "さくら", "残酷な天使のテーゼ|高橋洋子"],
    "euc-jp": ["宇多田ヒカル|初恋"],
    "cp1250": ["Žluťoučký kůň|Třešňák", "Dvořák", "Czesław Niemen|Dziwny jest ten świat"],
    "cp1252": ["Björk|Jóga", "Sigur Rós|Hoppípolla", "Beyoncé", "Caetano Veloso|Coração", "Don’t"],
    "cp1253": ["Μίκης Θεοδωράκης|Ζορμπάς"],
    "cp1254": ["Barış Manço|Gülpembe", "Sezen Aksu|Şarkı Söylemek Lazım"],
    "cp1255": ["עידן רייכל|ממעמקים"],
    "cp1256": ["فيروز|نسم علينا الهوى"],
    "cp874": ["คาราบาว|เมดอินไทยแลนด์"],
    "gbk": ["邓丽君|月亮代表我的心", "周杰伦|青花瓷", "王菲|红豆"],
    "big5": ["鄧麗君|月亮代表我的心", "周杰倫|青花瓷"],
    "euc-kr": ["소녀시대|다시 만난 세계", "아이유|밤편지", "조용필"],
    "utf-8": ["Кино|初恋|é", "plain"],
}


@pytest.mark.parametrize(
    ("encoding", "text"), [(encoding, text) for encoding, all in KNOWN.items() for text in all]
)
def test_names_are_read_in_the_encoding_they_are_in(encoding: str, text: str) -> None:
    values = text.split("|")
    assert decode([value.encode(encoding) for value in values]) == (values, True)


@pytest.mark.parametrize("text", ["Ænima", "Fête", "Mø", "VOILÀ»", "Þursaflokkurinn", "Zoë", "Ñu"])
def test_what_is_said_to_be_latin1_stays_so_where_it_can_be(text: str) -> None:
    assert decode([text.encode("latin-1")], stated=True) == ([text], True)


def test_fields_are_judged_together() -> None:
    alone, sure = decode(["Őszi".encode("cp1250")])
    assert (alone, sure) == (["Õszi"], False)
    together = ["Őszi", "Gyöngyhajú lány, őrült éjszaka, fűszál"]
    assert decode([text.encode("cp1250") for text in together]) == (together, True)


def test_a_character_that_a_fixed_length_has_cut_is_left_out() -> None:
    value = "宇多田ヒカルと椎名林檎の東京事変".encode("shift_jis")[:29]
    assert decode([value]) == (["宇多田ヒカルと椎名林檎の東京"], True)


@given(st.lists(st.binary(max_size=60), max_size=4))
def test_bytes_of_any_kind_are_kept(values: list[bytes]) -> None:
    texts, sure = decode(values)
    assert len(texts) == len(values)
    assert not any("\ufffd" in text for text in texts)
    if not sure:
        read = [value.decode("cp1252", "backslashreplace") for value in values]
        assert texts == read
