"""What is no music is kept out of answers, and what is not known is not said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, RunCli, Shelf, unit
from made_audio import noise, sine, write
from networks import model_folder
from numpy.typing import NDArray

from musicu.catalog.by_tags import faint_terms, wants_non_music
from musicu.catalog.catalog import Catalog
from musicu.catalog.index import Index
from musicu.catalog.items import catalog_items, non_music_ids
from musicu.catalog.non_music import choose_tracks
from musicu.encoders.install import install_model
from musicu.encoders.model import Model
from musicu.encoders.registry import DEFAULT_MODEL, find_model
from musicu.encoders.tag import NON_MUSIC, Tag
from musicu.encoders.tagger import TagHead, describing_tags
from musicu.encoders.vocabulary import Term, Vocabulary
from musicu.errors import ModelError
from musicu.release.neighbors import CatalogContext
from musicu.search.explorer import Explorer
from musicu.search.query import Query

TAGS = (
    {"name": "low", "kind": "genre", "synonyms": ["deep", "rumbles"], "sources": ["ears: low"]},
    {"name": "bright", "kind": "mood"},
    {"name": NON_MUSIC, "kind": "non-music"},
    {"name": "hiss", "kind": "non-music", "agreement": 0.9},
)


def arrays() -> dict[str, NDArray[np.float32]]:
    """The lowest of eight mel bands is low, the highest bright and no music."""
    weights = np.zeros((4, 8), dtype=np.float32)
    weights[0, 0] = weights[1, 3] = weights[2, 7] = weights[3, 7] = 20.0
    return {"weights": weights, "bias": np.full(4, -10, dtype=np.float32)}


def head(**more: Any) -> TagHead:
    tags = tuple(Tag.from_dict(tag) for tag in TAGS)
    return TagHead(tags, **arrays(), id="hand-made", **more)


def band(*numbers: int) -> NDArray[np.float32]:
    return unit(np.eye(8, dtype=np.float32)[list(numbers)].sum(axis=0))


@pytest.fixture
def listening(tmp_path: Path) -> Model:
    """A model that hears mel bands, and that the highest is no music; installed."""
    folder = model_folder(tmp_path / "made", id="ears", tags=list(TAGS))
    np.savez(folder / "tags.npz", **arrays())
    return install_model(folder)


@pytest.fixture
def sounds(shelf: Shelf, listening: Model) -> Shelf:
    """The library with a hiss in it, by that model."""
    rng = np.random.default_rng(0)
    for number in range(2):
        high = sine(16000, 4.0, hz=6500.0 + 20 * number)
        write(shelf / f"hiss {number}.wav", high + 0.001 * rng.normal(size=high.shape), 16000)
    with shelf.open() as catalog:
        catalog.add_folder(model=listening.id, jobs=2)
        assert {Path(path).name for path in _titles(catalog)} >= {"hiss 0.wav", "hiss 1.wav"}
    return shelf


def _titles(catalog: Catalog) -> list[str]:
    return [track["path"] for track in catalog.tracks()]


def _names(paths: Any) -> set[str]:
    return {Path(path).name for path in paths}


# The head


def test_music_is_told_from_what_is_none() -> None:
    vectors = np.stack([band(0), band(7), band(3)])
    assert head().non_music(vectors).tolist() == [False, True, False]
    music, sound, other = map(head().hear, vectors)
    assert (music.said, music.unsure, music.non_music) == (("low",), ("mood",), False)
    # Of a sound only what it is; of music nothing that is none.
    assert (set(sound.said), sound.unsure, sound.non_music) == ({NON_MUSIC, "hiss"}, (), True)
    assert other.said == ("bright",) and other.unsure == ("genre",)
    assert describing_tags(head(), vectors) == [[], list(sound.said), ["bright"]]


def test_a_head_of_old_takes_all_for_music() -> None:
    old = head().only({"low", "bright"})
    assert not old.non_music(np.stack([band(7), band(0)])).any()
    assert old.hear(band(7)).unsure == ("genre", "mood")
    shipped = TagHead.load(find_model(DEFAULT_MODEL))
    vectors = unit(np.random.default_rng(0).normal(size=(50, shipped.weights.shape[1])))
    assert shipped.non_music(vectors).sum() <= len(vectors)


def test_of_what_is_unlike_all_that_it_knows_a_head_says_nothing() -> None:
    wary = head(known=np.stack([band(0), band(3)]), reach=0.5)
    assert wary.unfamiliar(np.stack([band(0), band(0, 5), band(5)])).tolist() == [
        False,
        False,
        True,
    ]
    assert wary.hear(band(0)).said == ("low",)
    strange = wary.hear(band(5))
    assert (strange.said, strange.familiar, strange.unsure) == ((), False, ("genre", "mood"))
    # What is no music may be as strange as it likes.
    assert NON_MUSIC in wary.hear(band(7)).said


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"known": np.zeros((2, 7)), "reach": 0.5}, r"known \[2, 7\] must be \[any, 8\]"),
        ({"known": np.zeros((2, 8)), "reach": 1.5}, "reach"),
        ({"known": np.full((2, 8), np.nan), "reach": 0.5}, "not finite"),
        ({"known": np.zeros((2, 8))}, "does not hold the arrays"),
    ],
)
def test_what_is_known_is_checked(more: dict[str, Any], says: str, tmp_path: Path) -> None:
    folder = model_folder(tmp_path, id="ears", tags=list(TAGS))
    np.savez(folder / "tags.npz", **arrays(), **more)
    with pytest.raises(ModelError, match=says):
        Model.load(folder)


def test_what_is_known_is_read(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, id="ears", tags=list(TAGS))
    np.savez(folder / "tags.npz", **arrays(), known=band(0)[None], reach=np.float32(0.25))
    loaded = TagHead.load(Model.load(folder))
    assert (loaded.known.shape, loaded.reach) == ((1, 8), 0.25)
    first = loaded.tags[0]
    assert (first.synonyms, first.sources) == (("deep", "rumbles"), ("ears: low",))
    assert loaded.tags[3].agreement == 0.9


# Answers


def test_rows_are_chosen_by_condition_and_by_sound(make_store: MakeStore) -> None:
    vectors = np.stack([band(0), band(7), band(3), band(7)])
    store, model = make_store(vectors, [{"title": "x", "year": 2000 + i} for i in range(4)])
    index = Index.open(store, model)
    assert choose_tracks(store, index, None, None) is None
    music = choose_tracks(store, index, None, head())
    assert music is not None and music.tolist() == index.tracks[[0, 2]].tolist()
    both = choose_tracks(store, index, "year >= 2001", head())
    assert both is not None and both.tolist() == index.tracks[[2]].tolist()
    # Where all is music there is nothing to choose.
    assert choose_tracks(store, index, None, head().only({"low"})) is None


def test_similar_and_find_leave_out_what_is_no_music(sounds: Shelf) -> None:
    hiss = sounds / "hiss 0.wav"
    with sounds.open() as catalog:
        everything = catalog.similar(hiss, 100, include_non_music=True)
        assert _names(m.path for m in everything[:1]) == {"hiss 1.wav"}
        # A sound that is asked about itself is answered, with music.
        found = catalog.similar(hiss, 100)
        assert len(found) == len(everything) - 1 == 8
        assert not {"hiss 0.wav", "hiss 1.wav"} & _names(m.path for m in found)
        assert len(catalog.find("low", 100).matches) == 8
        assert len(catalog.find("low", 100, include_non_music=True).matches) == 10
        # Who asks for sounds wants them.
        named = catalog.find("hiss, not low", 2).matches
        assert _names(m.path for m in named) == {"hiss 0.wav", "hiss 1.wav"}
        items = catalog_items(catalog)
        assert len(non_music_ids(catalog, items)) == 2
        heard = catalog.hear(hiss)
        assert heard.non_music and heard.said[0] in (NON_MUSIC, "hiss")


def test_explorers_and_releases_leave_out_what_is_no_music(sounds: Shelf) -> None:
    explorer = Explorer.open(sounds.db)
    try:
        seed = explorer.seed(str(sounds / "hiss 0.wav"))
        for rules in ({}, {"max_per_artist": 50}, {"where": "seconds > 0"}):
            query = Query(seeds=(seed,), n=50, **rules)
            found = explorer.similar(query)
            assert not {"hiss 1.wav"} & _names(explorer.paths(found))
            query = Query(seeds=(seed,), n=50, include_non_music=True, **rules)
            assert "hiss 1.wav" in _names(explorer.paths(explorer.similar(query)))
        ends = [explorer.seed(str(sounds / name)) for name in ("Dora/Night.wav", "Dora/Solo.aiff")]
        way = explorer.journey(*ends, 20)
        assert not {"hiss 0.wav", "hiss 1.wav"} & _names(explorer.paths(way))
        assert len(explorer.journey(*ends, 20, include_non_music=True)) >= len(way)
        hits = explorer.find("low", 50)
        assert (len(hits.positions), hits.total) == (8, 8)
        assert explorer.find("low", 50, include_non_music=True).total == 10
        about = explorer.details(seed.id or "")
        assert about["non_music"] is True and about["unsure"] == []
    finally:
        explorer.close()
    with sounds.open() as catalog:
        for include, most in ((False, 8), (True, 10)):
            context = CatalogContext(catalog, include_non_music=include)
            one = context.candidate(context.items[0], band(7))
            assert len(context.neighbors(one, 50)) >= most - 1
            near = _names(neighbor.path for neighbor in context.neighbors(one, 50))
            assert bool({"hiss 0.wav", "hiss 1.wav"} & near) is include


def test_what_is_hardly_heard_is_told() -> None:
    low, not_low = Term("deep", ("low",)), Term("deep", ("low",), negated=True)
    heard = [{"low": 0.9}] + [{"low": 0.1}] * 9
    (faint,) = faint_terms(head(), [low], heard)
    assert (faint.text, faint.heard, faint.tracks) == ("deep", 1, 10)
    assert faint_terms(head(), [low], heard[:3]) == ()
    assert faint_terms(head(), [not_low], heard) == () == faint_terms(head(), [low], [])
    assert wants_non_music(head(), [Term("hiss", ("hiss",))])
    assert not wants_non_music(head(), [Term("hiss", ("hiss",), negated=True), low])


# Words


def test_synonyms_name_their_tag_and_no_other() -> None:
    words = Vocabulary.of(head().tags)
    assert words.find(["deep"]) == words.find(["rumble"]) == words.find(["low"]) == ("low",)
    asked = Vocabulary(
        ["orchestral", "loud", "exciting", "strings", "violin", "cello"],
        {"orchestral": ["orchestra", "symphonic"], "violin": ["fiddle"], "strings": ["bowed"]},
    )
    terms = [" | ".join(term.tags) for term in asked.parse("epic orchestral battle").terms]
    assert terms == ["loud | exciting", "orchestral"]
    assert asked.find(["orchestra"]) == ("orchestral",)
    assert asked.find(["violins"]) == ("violin",)


# The command line


def test_the_vocabulary_is_listed(listening: Model, run_cli: RunCli) -> None:
    done = run_cli("tags", "--vocabulary", "--model", "ears", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["tag"] for row in rows] == [tag["name"] for tag in TAGS]
    assert rows[0]["synonyms"] == ["deep", "rumbles"] and rows[0]["sources"] == ["ears: low"]
    table = run_cli("tags", "--vocabulary", "--model", "ears").stdout.splitlines()
    assert table[0].split() == ["tag", "kind", "auc", "agreement", "synonyms", "sources"]
    for wrong in (["tags"], ["tags", "song.wav", "--vocabulary"]):
        refused = run_cli(*wrong)
        assert refused.returncode == 2 and "--vocabulary" in refused.stderr


def test_commands_leave_out_what_is_no_music(sounds: Shelf, run_cli: RunCli) -> None:
    hiss = sounds / "hiss 0.wav"
    for command in (["similar", hiss], ["mix", hiss], ["find", "low"]):
        plain, whole = (
            json.loads(run_cli(*command, "-n", "50", "--json", *more).stdout)
            for more in ([], ["--include-non-music"])
        )
        assert "hiss 1.wav" not in _names(row["path"] for row in plain)
        assert "hiss 1.wav" in _names(row["path"] for row in whole)
    told = run_cli("tags", hiss, "--nl")
    assert told.stderr == f"{hiss}: no music\n"
    assert {json.loads(line)["kind"] for line in told.stdout.splitlines()} == {"non-music"}
    faint = run_cli("find", "bright", "-n", "8")
    assert "hardly heard: bright (in " in faint.stderr
    write(sounds / "noise.wav", noise(16000, 4.0), 16000)
    assert run_cli("tags", sounds / "noise.wav").returncode == 0
