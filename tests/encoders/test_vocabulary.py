from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicu.encoders.vocabulary import Term, Vocabulary, fold
from musicu.errors import MetadataError

LAST_FM = (
    "rock, pop, alternative, indie, electronic, female vocalists, dance, 00s, alternative rock, "
    "jazz, beautiful, metal, chillout, male vocalists, classic rock, soul, indie rock, Mellow, "
    "electronica, 80s, folk, 90s, chill, instrumental, punk, oldies, blues, hard rock, ambient, "
    "acoustic, experimental, female vocalist, guitar, Hip-Hop, 70s, party, country, "
    "easy listening, sexy, catchy, funk, electro, heavy metal, Progressive rock, 60s, rnb, "
    "indie pop, sad, House, happy"
).split(", ")
ALL_MUSIC = [
    *"Pop/Rock|Jazz|Electronic|International|R&B|Vocal|Country|Blues|Rap|Latin|Folk".split("|"),
    *"Reggae|New Age|Stage & Screen|Easy Listening|Avant-Garde|Comedy/Spoken|Holiday".split("|"),
    *"Religious|Children's|Classical|angry|nervous|fiery|calm|peaceful|gloomy|joyous".split("|"),
    *"romantic|aggressive|energetic|gentle|melancholy|piano|guitar|strings|drums".split("|"),
    *"synthesizer|organ|brass|flute|voice|happy, energetic|tense, angry|sad, bitter".split("|"),
    "calm, tender",
]
MODELS = {"Last.fm": Vocabulary(LAST_FM), "AllMusic": Vocabulary(ALL_MUSIC)}


def understood(model: str, text: str) -> list[str]:
    """What a wish comes to, as one line a term."""
    terms = MODELS[model].parse(text).terms
    return [("not " if t.negated else "") + " | ".join(t.tags) for t in terms]


@pytest.mark.parametrize("model", MODELS)
def test_every_tag_is_found_by_its_own_name(model: str) -> None:
    for name in MODELS[model].names:
        for said in (name, name.upper(), name.casefold()):
            found = {tag for term in MODELS[model].parse(said).terms for tag in term.tags}
            # A name that lists two words is two terms, each of which finds it.
            assert name in found


@pytest.mark.parametrize(
    ("model", "text", "terms"),
    [
        ("Last.fm", "hip hop", ["Hip-Hop"]),
        ("Last.fm", "HipHop", ["Hip-Hop"]),
        ("Last.fm", "rap", ["Hip-Hop"]),
        ("AllMusic", "hip-hop", ["Rap"]),
        ("Last.fm", "R&B", ["rnb"]),
        ("Last.fm", "r'n'b", ["rnb"]),
        ("AllMusic", "R 'n' B", ["R&B"]),
        ("AllMusic", "rnb", ["R&B"]),
        ("Last.fm", "guitars", ["guitar"]),
        ("Last.fm", "mélancholic", ["sad"]),
        ("Last.fm", "calm", ["chillout | Mellow | chill | ambient | easy listening"]),
        ("AllMusic", "calm", ["calm"]),
        ("Last.fm", "woman singing", ["female vocalists | female vocalist"]),
        ("Last.fm", "a woman who sings", ["female vocalists | female vocalist"]),
        ("AllMusic", "female vocals", ["Vocal | voice"]),
        ("Last.fm", "vocals", ["female vocalists | male vocalists | female vocalist"]),
        ("AllMusic", "rock", ["Pop/Rock"]),
        ("AllMusic", "heavy metal", ["Pop/Rock"]),
        ("Last.fm", "heavy metal", ["heavy metal"]),
        ("Last.fm", "metal", ["metal"]),
        ("AllMusic", "happy", ["joyous | happy, energetic"]),
        ("AllMusic", "sad", ["gloomy | melancholy | sad, bitter"]),
        ("AllMusic", "film music", ["Stage & Screen"]),
        ("AllMusic", "kids", ["Children's"]),
        ("Last.fm", "eighties", ["80s"]),
        ("Last.fm", "music from the '80s", ["80s"]),
        ("Last.fm", "1980s", ["80s"]),
        ("Last.fm", "alternative rock", ["alternative rock"]),
        ("Last.fm", "alternative, rock", ["alternative", "rock"]),
        ("AllMusic", "calm female vocals, piano", ["calm", "Vocal | voice", "piano"]),
        ("Last.fm", "dance and party", ["dance", "party"]),
        ("AllMusic", "piano piano pianos", ["piano"]),
    ],
)
def test_words_find_what_the_model_calls_so(model: str, text: str, terms: list[str]) -> None:
    wish = MODELS[model].parse(text)
    assert understood(model, text) == terms
    assert wish.unused == ()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("no drums", ["not drums"]),
        ("without vocals", ["not Vocal | voice"]),
        ("w/o vocals", ["not Vocal | voice"]),
        ("not calm", ["not calm"]),
        ("piano -drums", ["piano", "not drums"]),
        ("no drums, piano", ["not drums", "piano"]),
        ("no drums piano", ["not drums", "piano"]),
        ("piano without drums or strings", ["piano", "not drums", "not strings"]),
        ("neither drums nor strings", ["not drums", "not strings"]),
        ("no drums and no strings, piano", ["not drums", "not strings", "piano"]),
        ("not very calm but with piano", ["not calm", "piano"]),
        ("not too angry but energetic", ["not angry", "energetic"]),
        ("energetic, not", ["energetic"]),
    ],
)
def test_a_negation_reaches_to_the_next_comma_or_but(text: str, terms: list[str]) -> None:
    assert understood("AllMusic", text) == terms


def test_a_hyphen_inside_a_word_negates_nothing() -> None:
    assert understood("Last.fm", "indie-pop") == ["indie pop"]
    assert understood("Last.fm", "Hip-Hop -party") == ["Hip-Hop", "not party"]


def test_words_that_name_nothing_are_told_once_and_fillers_are_not() -> None:
    wish = MODELS["AllMusic"].parse("some purple music with a piano, purple and Zeuhl please")
    assert wish.terms == (Term("piano", ("piano",)),)
    assert wish.unused == ("purple", "zeuhl")


@pytest.mark.parametrize("text", ["", "  ", "the music", "purple", "no", ", , -", "💥"])
def test_a_wish_without_any_tag_is_told(text: str) -> None:
    with pytest.raises(MetadataError, match="names a tag of this model; there are Pop/Rock, Jazz"):
        MODELS["AllMusic"].parse(text)


@pytest.mark.parametrize(("text", "near"), [("pianno", "piano"), ("armbient", "ambient")])
def test_a_slip_of_the_keyboard_gets_the_tags_that_look_alike(text: str, near: str) -> None:
    model = "AllMusic" if near == "piano" else "Last.fm"
    with pytest.raises(MetadataError, match=f"{text}.*near are {near}"):
        MODELS[model].parse(text)


def test_names_that_differ_in_spelling_only_are_one_word() -> None:
    both = Vocabulary(["electronic", "Electronic", "Hip-Hop", "hip hop"])
    assert both.find(fold("ELECTRONIC")) == ("electronic", "Electronic")
    assert both.find(fold("hiphop")) == ("Hip-Hop", "hip hop")


def test_no_meaning_is_lost_on_a_model_that_has_it() -> None:
    """A model may have any name for a thing: each name finds every other name's tag."""
    for group in (["calm", "peaceful"], ["rap", "Hip-Hop"], ["80s", "1980s"], ["voice", "vocals"]):
        for name in group:
            for other in group:
                assert Vocabulary([name, "zither"]).find(fold(other)) == (name,)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_told(text: str) -> None:
    vocabulary = MODELS["Last.fm"]
    try:
        wish = vocabulary.parse(text)
    except MetadataError as error:
        assert "names a tag" in str(error)
        return
    assert wish.terms
    for term in wish.terms:
        assert term.tags and set(term.tags) <= set(LAST_FM)


@given(st.lists(st.sampled_from(ALL_MUSIC), min_size=1, max_size=5), st.data())
def test_a_list_of_names_is_those_tags_in_any_spelling(
    names: list[str], data: st.DataObject
) -> None:
    spelled = [data.draw(st.sampled_from([n, n.upper(), n.lower()])) for n in names]
    found = {
        tag for term in MODELS["AllMusic"].parse("; ".join(spelled)).terms for tag in term.tags
    }
    assert set(names) <= found


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing(text: str) -> None:
    words = fold(text)
    assert fold(" ".join(words)) == words
