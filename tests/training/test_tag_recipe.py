"""The recipe that makes words: what is true of a clip, how taggers vote, what comes of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
RECIPES = Path(__file__).parents[2] / "recipes"
sys.path.insert(0, str(RECIPES))

import tag_pool  # noqa: E402
import tags  # noqa: E402
from networks import model_folder  # noqa: E402
from tag_pool import Pool, Word, ensemble, label, read_words  # noqa: E402
from teacher_words import TEACHERS, Clip, read_clips  # noqa: E402

from musicu.encoders.model import Model  # noqa: E402
from musicu.encoders.tag import NON_MUSIC, TAG_KINDS  # noqa: E402
from musicu.encoders.tagger import TagHead  # noqa: E402
from musicu.encoders.vocabulary import Vocabulary  # noqa: E402

DIM = 8


def clip(folder: str = "renders", name: str = "a.flac", **row: str) -> Clip:
    return Clip(Path(name), folder, row)


def test_the_vocabulary_is_one_of_words_each_with_a_source() -> None:
    words = read_words(RECIPES / "words.csv")
    assert 150 <= len(words) <= 250
    assert len({word.name for word in words}) == len(words)
    assert {word.kind for word in words} == set(TAG_KINDS)
    for word in words:
        assert word.fit or word.check or any(word.votes.values()), word.name
    assert NON_MUSIC in {word.name for word in words}
    # Each is found by its name and by its synonyms; no synonym is another word's name.
    names = {word.name for word in words}
    synonyms = {word.name: word.synonyms for word in words}
    assert not [other for word in words for other in word.synonyms if other in names]
    vocabulary = Vocabulary([word.name for word in words], synonyms)
    terms = vocabulary.parse("epic orchestral battle").terms
    assert [term.tags for term in terms] == [("exciting", "loud"), ("orchestral",)]
    wishes = {"violins": "violin", "dnb": "drum and bass", "film music": "soundtrack"}
    for said, meant in wishes.items():
        assert vocabulary.parse(said).terms[0].tags == (meant,)


def test_labels_know_what_they_do_not_know() -> None:
    render = clip(instruments="piano:1.00|drums:0.10")
    assert label("instruments:piano", render) == 1
    assert label("instruments:flute/violin", render) == 0
    assert np.isnan(label("instruments:drums", render))
    assert np.isnan(label("instruments:piano", clip()))
    assert label("genres:Pop/Rock", clip(genres="Jazz|Pop/Rock")) == 1
    song = clip("free", style="lo-fi hip-hop/chill", vocals="vocals?")
    assert label("style:hip-hop", song) == 1 and label("style:jazz", song) == 0
    assert np.isnan(label("vocals:vocals", song))
    assert label("vocals:", clip("free", vocals="")) == 1
    assert label("kind:non-music", clip("sounds", kind="speech")) == 1
    assert label("kind:non-music", clip("sounds", kind="music")) == 0
    assert label("moods:sad/gloomy", clip("songs", moods="calm|gloomy")) == 1


@pytest.mark.parametrize(
    ("instruments", "who"),
    [
        ("strings:1.0|flute:0.8|timpani:0.4", "orchestra"),
        ("violin:1.0|cello:1.0", "strings"),
        ("piano:1.0", "piano"),
        ("choir:1.0|organ:0.5", "choir"),
        ("synth pad:1.0|drums:0.9", "synth"),
        ("piano:1.0|drums:0.9|bass:1.0", "band"),
    ],
)
def test_who_plays_is_told_by_the_instruments(instruments: str, who: str) -> None:
    one = clip(instruments=instruments, collection="openscore_quartets")
    assert ensemble(one, who) == 1
    assert ensemble(one, "orchestra") == (who == "orchestra")
    assert ensemble(one, "classical") == (who not in ("synth", "band"))


def test_clips_are_read_from_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    for name in ("a.flac", "b.flac"):
        (tmp_path / "audio" / name).touch()
    rows = ["file,kind", "audio/a.flac,music", "b.flac,speech", "c.flac,"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    found = read_clips(tmp_path)
    assert [one.file.name for one in found] == ["a.flac", "b.flac"]
    assert len(read_clips(tmp_path, 1)) == 1


def _world() -> tuple[list[Word], Pool, dict[str, list[str]]]:
    """Clips by eight artists: a piano, a flute, or noise; teachers that hear them with doubts."""
    rng = np.random.default_rng(0)
    what = np.arange(240) % 3
    vectors = np.eye(DIM)[what] + 0.15 * rng.normal(size=(240, DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    said = {"mn04_audioset": ["Piano", "Flute", "Music", "Unheard"]}
    said |= {name: ["piano", "flute"] for name in TEACHERS[1:]}
    answers = {}
    for name, names in said.items():
        p = np.full((240, len(names)), 0.02)
        p[what == 0, 0] = p[what == 1, 1] = 0.3
        if name == "mn04_audioset":
            p[:, 2] = np.where(what < 2, 0.9, 0.1)
            p[:, 3] = 0.5
        answers[name] = np.clip(p * np.exp(0.3 * rng.normal(size=p.shape)), 0, 1)
    answers["mtt_musicnn"][::7] = np.nan  # not asked about all
    rows = [
        {"kind": "speech", "split": "test", "voice": f"voice {at % 8}"}
        if kind == 2
        else {"instruments": ("piano:1.0", "flute:1.0")[kind], "artist": f"artist {at % 8}"}
        for at, kind in enumerate(what)
    ]
    clips = [clip("made", f"{at}.flac", **row) for at, row in enumerate(rows)]
    groups = np.array([tag_pool.group(one) for one in clips])
    pool = Pool(clips, groups, what < 2, vectors, answers)

    def word(name: str, kind: str, fit: str, mn04: str = "", **votes: str) -> Word:
        own = {"mn04_audioset": tuple(filter(None, [mn04]))}
        own |= {other: tuple(filter(None, [votes.get(other, "")])) for other in TEACHERS[1:]}
        return Word(name, kind, ("synonym of " + name,), own, (fit,) if fit else (), ())

    words = [
        word("piano", "instrument", "instruments:piano", "Piano", mtt_musicnn="piano"),
        word("flute", "genre", "", "Flute", jamendo_musicnn="flute", mtt_musicnn="flute"),
        word("unheard", "mood", "", "Unheard"),
        word(NON_MUSIC, "non-music", "kind:non-music", "-Music"),
        word("speech", "non-music", "kind:speech"),
    ]
    return words, pool, said


def test_the_recipe_makes_a_head_that_hears(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, pool, said = _world()
    for name, names in said.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"tags": names}))
    learned = tags.learn(words, pool, tmp_path)
    entries, kept, rows = tags.judge(words, pool, learned)
    assert [words[at].name for at in kept] == ["piano", "flute", NON_MUSIC, "speech"]
    by_name = {row["word"]: row for row in rows}
    assert by_name["piano"]["auc"] > 0.95 and by_name["flute"]["agreement"] > 0.6
    assert by_name["unheard"]["shipped"] == "no"
    assert entries[0]["sources"] == [
        "mn04: Piano",
        "mtt: piano",
        "labels: instruments:piano",
    ]
    folder = model_folder(tmp_path / "model", id="made")
    known = tags.familiar(pool)
    fit = learned.fit
    tags.write_tags(folder, entries, fit.weights[kept], fit.bias[kept], known=known)
    head = TagHead.load(Model.load(folder))
    sounds = head.non_music(pool.vectors)
    assert sounds[~pool.music].mean() >= 0.95 and sounds[pool.music].mean() <= 0.02
    assert head.unfamiliar(pool.vectors)[pool.music].mean() <= 0.05
    assert head.unfamiliar(-pool.vectors).all()
    heard = [head.hear(vector).said for vector in pool.vectors]
    assert np.mean(["piano" in one for one in heard[::3]]) > 0.9
    assert np.mean(["piano" in one for one in heard[1::3]]) < 0.1
    tags.report(words, pool, learned, entries, kept, known, pool, tmp_path)
    shown = capsys.readouterr().out
    assert "| instrument | piano |" in shown and "marked as no music" in shown
    assert "## unsure" in shown and "first genre of renders" in shown
