from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, RunCli, Shelf, add_track, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from made_audio import noise, sine, write
from networks import model_folder
from numpy.typing import NDArray
from scipy.special import expit
from typer.testing import CliRunner

import musicu
from musicu.catalog.by_tags import rank_by_tags
from musicu.catalog.catalog import Catalog
from musicu.catalog.index import Index
from musicu.catalog.sound_tags import store_tags, tag_file
from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store
from musicu.cli.app import app
from musicu.encoders.install import install_model
from musicu.encoders.model import Model
from musicu.encoders.registry import DEFAULT_MODEL, find_model
from musicu.encoders.tag import Tag
from musicu.encoders.tagger import TagHead
from musicu.encoders.vocabulary import Term
from musicu.errors import CatalogError, ModelError, ModelMismatchError

# Probabilities are said, and stored, with three digits.
ROUNDED = 5.1e-4
# Eight products and a logistic function in single precision.
ATOL = 2e-6
NAMES = ("bass heavy", "treble", "piano", "rare")
OLD = Path(__file__).parents[2] / "fixtures" / "catalogs" / "format_1.sql"


def head_arrays() -> dict[str, NDArray[np.float32]]:
    """Eight mel bands: the lowest, the highest, all, and a tag that is never probable."""
    weights = np.zeros((4, 8), dtype=np.float32)
    weights[0, 0] = weights[1, 7] = 12.0
    weights[2] = 1.0
    weights[3, 3] = 0.5
    return {"weights": weights, "bias": np.array([-6, -6, 0, -9], dtype=np.float32)}


def tagged_folder(folder: Path, *, id: str = "tiny", **config: Any) -> Path:
    """Write a model folder whose vector is the mean of eight mel bands, with a tag head."""
    kinds = ("mood", "mood", "instrument", "genre")
    tags = [
        {"name": n, "kind": k, "threshold": 0.4, "auc": 0.9, "ap": None, "positives": 30}
        for n, k in zip(NAMES, kinds, strict=True)
    ]
    made = model_folder(folder, **{"id": id, "tags": tags, **config})
    np.savez(made / "tags.npz", **head_arrays())
    return made


def plain_folder(folder: Path) -> Path:
    """Write a model folder like the tiny one, without a head and with other weights."""
    made = model_folder(folder, id="plain")
    with open(made / "encoder.onnx", "ab") as file:
        file.write(b"\x3a\x00")  # one more empty field: other bytes, the same graph
    return made


def hand_made(names: tuple[str, ...], weights: NDArray[Any], bias: NDArray[Any]) -> TagHead:
    tags = tuple(Tag(name=name, kind="mood") for name in names)
    return TagHead(tags, np.float32(weights), np.float32(bias), "hand-made")


@pytest.fixture
def tiny(tmp_path: Path) -> Model:
    """The tiny model, installed."""
    return install_model(tagged_folder(tmp_path))


@pytest.fixture
def tagged(shelf: Shelf, tiny: Model) -> Shelf:
    """The library, embedded with the tiny model."""
    with shelf.open() as catalog:
        assert catalog.add_folder(model=tiny.id, jobs=2).embedded == 8
    return shelf


# The model folder


def test_a_tag_head_is_part_of_its_model(tiny: Model) -> None:
    assert [tag.name for tag in tiny.tags] == list(NAMES)
    assert tiny.tags[2] == Tag(
        name="piano", kind="instrument", threshold=0.4, auc=0.9, ap=None, positives=30
    )
    content = (tiny.folder / "tags.npz").read_bytes()
    config = json.loads((tiny.folder / "config.json").read_text())
    assert config["tags_sha256"] == tiny.tags_sha256 == hashlib.sha256(content).hexdigest()
    shown = json.loads(json.dumps(tiny.to_dict()))
    assert [tag["auc"] for tag in shown["tags"]] == [0.9] * 4


def test_a_model_without_a_head_is_a_model(tmp_path: Path) -> None:
    model = install_model(model_folder(tmp_path))
    assert (model.tags, model.tags_sha256) == ((), "")
    assert not (model.folder / "tags.npz").exists()


def _entry(**changes: Any) -> list[dict[str, Any]]:
    tags = [{"name": name, "kind": "mood"} for name in NAMES]
    tags[0].update(changes)
    return tags


@pytest.mark.parametrize(
    ("config", "arrays", "says"),
    [
        (
            {"tags_sha256": "0" * 64},
            {},
            "tags.npz is not the file config.json names by tags_sha256",
        ),
        ({"tags": _entry()[:3]}, {}, r"weights \[4, 8\] and bias \[4\] must be \[3, 8\]"),
        ({}, {"weights": np.zeros((4, 9))}, r"weights \[4, 9\]"),
        ({}, {"bias": np.zeros(3)}, r"bias \[3\]"),
        ({}, {"bias": np.full(4, np.nan)}, "not finite"),
        ({}, {"weights": np.array([["a"]])}, "does not hold the arrays"),
        ({}, {"bias": np.array([None] * 4)}, "does not hold the arrays"),
        ({"tags": _entry(kind="color")}, {}, "kind of tag 'bass heavy' must be one of genre, mood"),
        ({"tags": _entry(name="piano")}, {}, "two tags have one name"),
        ({"tags": _entry(name="")}, {}, "name must be a text"),
        ({"tags": _entry(threshold=1.5)}, {}, "threshold of tag 'bass heavy' must lie in"),
        ({"tags": _entry(threshold=None)}, {}, "config.json"),
        ({"tags": _entry(auc=float("nan"))}, {}, "auc of tag 'bass heavy' must lie in"),
        ({"tags": ["piano"]}, {}, "a tag must be an object"),
        ({"tags": [{"name": "piano"}]}, {}, "config.json"),
        ({"tags": 7}, {}, "config.json"),
    ],
)
def test_a_head_that_does_not_fit_is_told(
    config: dict[str, Any], arrays: dict[str, Any], says: str, tmp_path: Path
) -> None:
    folder = tagged_folder(tmp_path, **config)
    np.savez(folder / "tags.npz", **{**head_arrays(), **arrays})
    with pytest.raises(ModelError, match=says) as caught:
        Model.load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04" * 9, b"array"])
def test_a_head_that_is_no_archive_is_told(content: bytes | None, tmp_path: Path) -> None:
    folder = tagged_folder(tmp_path)
    (folder / "tags.npz").unlink()
    if content == b"array":
        with open(folder / "tags.npz", "wb") as file:
            np.save(file, np.zeros((4, 8)))
    elif content is not None:
        (folder / "tags.npz").write_bytes(content)
    with pytest.raises(ModelError, match="tags.npz"):
        Model.load(folder)


# The head


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 8),
    st.floats(0.01, 1e4),
    st.integers(0, 2**32 - 1),
)
def test_probabilities_are_the_logistic_function_of_the_log_odds(
    n: int, tags: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((n, 8)) + 1e-9)
    weights, bias = scale * rng.standard_normal((tags, 8)), rng.standard_normal(tags)
    head = hand_made(tuple(map(str, range(tags))), weights, bias)
    probabilities = head.probabilities(vectors)
    assert probabilities.shape == (n, tags) and probabilities.dtype == np.float32
    # The logits themselves are single precision, so their error grows with their size.
    exact = expit(head.logits(vectors).astype(np.float64))
    np.testing.assert_allclose(probabilities, exact, atol=ATOL)
    product = vectors.astype(np.float64) @ head.weights.astype(np.float64).T + head.bias
    np.testing.assert_allclose(head.logits(vectors), product, atol=ATOL * 8 * max(1.0, scale))


def test_a_part_of_a_head_says_the_same_of_its_tags() -> None:
    rng = np.random.default_rng(2)
    head = hand_made(("a", "b", "c"), rng.standard_normal((3, 8)), rng.standard_normal(3))
    vector = unit(rng.standard_normal(8))
    part = head.only({"c", "a"})
    assert [tag.name for tag in part.tags] == ["a", "c"]
    whole = head.say(vector)
    assert part.say(vector) == {name: p for name, p in whole.items() if name != "b"}
    assert list(whole.values()) == sorted(whole.values(), reverse=True)
    assert list(head.say(vector, 2)) == list(whole)[:2]
    assert head.say(vector, 0) == {}


def test_a_tone_is_heard_where_it_lies(tiny: Model) -> None:
    """The tags of the lowest and the highest band follow a low and a high tone."""
    low, high = (
        musicu.tag(sine(16000, 3.0, hz=hz)[0], 16000, model=tiny.id) for hz in (100.0, 6500.0)
    )
    assert low["bass heavy"] > 0.5 > high["bass heavy"]
    assert high["treble"] > 0.5 > low["treble"]
    assert set(low) == set(NAMES)
    assert len(musicu.tag(sine(16000, 3.0)[0], 16000, model=tiny.folder, n=2)) == 2


def test_the_same_is_said_of_samples_a_file_and_a_stored_track(tiny: Model, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    samples = noise(16000, 4.0, seed=3)
    write(folder / "a.wav", samples, 16000)
    said = musicu.tag(*musicu.load(folder / "a.wav"), model=tiny.id)
    assert tag_file(folder / "a.wav", model=tiny.id) == said
    with Catalog() as catalog:
        assert catalog.tags(folder / "a.wav", model=tiny.id) == said  # nothing is stored yet
        catalog.add_folder(folder, model=tiny.id, jobs=1)
        (track,) = catalog.tracks()
        for query in (folder / "a.wav", track["id"], track["id"][:8]):
            assert catalog.tags(query) == said
        (folder / "a.wav").unlink()
        assert catalog.tags(folder / "a.wav") == said
        with pytest.raises(CatalogError, match="neither a file nor a stored track"):
            catalog.tags("nothing.wav")


def test_a_model_without_a_head_names_one_that_has(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = plain_folder(tmp_path)
    for ask in (
        lambda: musicu.tag(sine(16000, 3.0)[0], 16000, model=plain),
        lambda: tag_file("any.wav", model=plain),
    ):
        with pytest.raises(
            ModelError, match=f"plain@1 .* no tag head; '--model {DEFAULT_MODEL}' has"
        ):
            ask()
    monkeypatch.setattr("musicu.encoders.tagger.list_models", lambda: [tiny])
    with pytest.raises(ModelError, match="'--model tiny' has"):
        tag_file("any.wav", model=plain)
    monkeypatch.setattr("musicu.encoders.tagger.list_models", list)
    with pytest.raises(ModelError, match="nor has any model here"):
        tag_file("any.wav", model=plain)


# The store


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A catalog as the first version of musicu made it."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(OLD.read_text(encoding="utf-8"))
    return path


def test_old_vectors_are_tagged_without_their_files(old: Path) -> None:
    direction = np.eye(1, 256)
    head = hand_made(("up", "down"), [*(9 * direction), *(-9 * direction)], [0, 0])
    with Store(old, create=False) as store:
        db = store.db
        model = store.current_model()
        assert model is not None
        assert db.execute("SELECT count(sound_tags) FROM library").fetchone() == (0,)
        store_tags(store, model, head)
        stored = dict(db.execute("SELECT id, sound_tags FROM library").fetchall())
        vectors = db.execute("SELECT id, vector FROM vectors JOIN tracks USING (track)").fetchall()
    assert len(stored) == len(vectors) == 4
    for id, blob in vectors:
        x = float(np.frombuffer(blob, "<f4")[0])
        exact = {"up": 1 / (1 + np.exp(-9 * x)), "down": 1 / (1 + np.exp(9 * x))}
        said = json.loads(stored[id])
        assert set(said) == {name for name, p in exact.items() if round(p, 3) >= 0.05}
        for name, p in said.items():
            assert p == pytest.approx(exact[name], abs=ROUNDED)


@pytest.fixture
def filled(make_store: MakeStore) -> tuple[Store, Any, TagHead]:
    """Nine tracks in a plane, and a head whose tags are its directions."""
    angles = np.linspace(0, np.pi, 9)
    store, model = make_store(unit(np.stack([np.cos(angles), np.sin(angles)], axis=1)))
    head = hand_made(("east", "north", "Never"), [[5, 0], [0, 5], [0, 0]], [0, 0, -20])
    store_tags(store, model, head)
    return store, model, head


def _tags(store: Store) -> dict[int, dict[str, float]]:
    rows = store.db.execute("SELECT track, sound_tags FROM library").fetchall()
    return {track: json.loads(tags) for track, tags in rows if tags is not None}


def test_filters_ask_what_is_heard(filled: tuple[Store, Any, TagHead]) -> None:
    store, _, _ = filled
    assert filter_tracks(store, "sound_tags ->> 'east' > 0.9").tolist() == [1, 2, 3]
    assert filter_tracks(store, "heard(sound_tags, 'East') > 0.9").tolist() == [1, 2, 3]
    # What is hardly heard is not stored; a condition's opposite holds for it all the same.
    assert filter_tracks(store, "NOT heard(sound_tags, 'east') > 0.9").tolist() == [*range(4, 10)]
    assert len(filter_tracks(store, "heard(sound_tags, 'never') = 0")) == 9
    assert "Never" not in _tags(store)[1]


def test_tags_are_gone_with_their_vector(filled: tuple[Store, Any, TagHead]) -> None:
    store, model, head = filled
    with store.change():
        store.put_vector(model, 1, np.array([-1, 0], dtype=np.float32))
        store.drop_files(["/music/000001.flac"])
        add_track(store, model, 20, np.array([0, 1], dtype=np.float32))
    assert set(_tags(store)) == set(range(3, 10))
    assert store.db.execute("SELECT count(*) FROM sound_tags").fetchone() == (7,)
    store_tags(store, model, head)
    assert set(_tags(store)) == {1, *range(3, 11)}
    assert _tags(store)[1].get("east", 0) < 0.05 and _tags(store)[10]["north"] > 0.9


def test_another_head_tags_all_again_and_the_same_head_nothing(
    filled: tuple[Store, Any, TagHead], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, model, head = filled
    before = _tags(store)
    turned = TagHead(head.tags, -head.weights, head.bias, "turned")
    store_tags(store, model, turned, chunk=2)
    after = _tags(store)
    for track in range(1, 10):
        assert after[track].get("east", 0.0) == pytest.approx(
            1 - before[track].get("east", 0.0), abs=0.05
        )
    monkeypatch.setattr(TagHead, "probabilities", None)
    store_tags(store, model, turned)
    assert _tags(store) == after


def test_in_a_damaged_vector_nothing_is_heard(filled: tuple[Store, Any, TagHead]) -> None:
    store, model, head = filled
    with store.change():
        store.db.execute("DELETE FROM sound_tags")
        store.db.execute("UPDATE vectors SET vector = x'00' WHERE track = 4")
    store_tags(store, model, head)
    assert set(_tags(store)) == {*range(1, 10)} - {4}


def test_embedding_stores_what_is_heard(tagged: Shelf) -> None:
    with tagged.open() as catalog:
        current = catalog.store.current_model()
        assert current is not None
        # Before anybody asked.
        count = "SELECT count(*) FROM sound_tags WHERE model = ?"
        assert catalog.store.db.execute(count, (current.row,)).fetchone() == (8,)
        for track in catalog.tracks():
            said = catalog.tags(track["id"])
            assert track["sound_tags"] == {name: p for name, p in said.items() if p >= 0.05}
        heard = list(catalog.tracks("heard(sound_tags, 'bass heavy') > 0.2"))
        assert {t["id"] for t in heard} == {
            t["id"] for t in catalog.tracks() if t["sound_tags"].get("bass heavy", 0.0) > 0.2
        }


def test_tags_that_are_not_there_are_made_when_they_are_asked_for(tagged: Shelf) -> None:
    ask = "heard(sound_tags, 'piano') >= 0.05"
    with tagged.open() as catalog:
        everything = list(catalog.tracks(ask))
        assert everything
        query = everything[0]["id"]
        for use in (
            lambda: list(catalog.tracks(ask)) == everything,
            lambda: len(catalog.similar(query, where=ask)) == len(everything) - 1,
            lambda: len(catalog.find("piano", where=ask).matches) == len(everything),
        ):
            catalog.store.db.execute("DELETE FROM sound_tags")
            assert use()


def test_tags_of_a_model_that_has_none_cannot_be_asked_for(
    shelf: Shelf, tmp_path: Path, tiny: Model
) -> None:
    install_model(plain_folder(tmp_path))
    with shelf.open() as catalog:
        catalog.add_folder(model="plain", jobs=2)
        assert {t["sound_tags"] for t in catalog.tracks()} == {None}
        for ask in (
            lambda: catalog.find("piano"),
            lambda: list(catalog.tracks("heard(sound_tags, 'piano') > 0.5")),
        ):
            with pytest.raises(
                ModelError, match="plain@1, which has no tag head.*embed --model .* --catalog"
            ):
                ask()
        # Tags of one file can be had all the same, from the model named, heard anew.
        assert set(catalog.tags(shelf / "Dora/Night.wav", model=tiny.id)) == set(NAMES)
        (track,) = [t for t in catalog.tracks() if t["path"].endswith("Night.wav")]
        with pytest.raises(ModelMismatchError, match="its vector is not of tiny@1.*--model tiny"):
            catalog.tags(track["id"], model=tiny.id)


# Wishes


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40))
def test_a_wish_is_ranked_by_standardized_log_odds(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int
) -> None:
    """Against the definition, written out in double precision."""
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((n, 6)) + 1e-9)
    head = hand_made(("a", "b", "c"), 3 * rng.standard_normal((3, 6)), 5 * rng.standard_normal(3))
    with Store(tmp_path_factory.mktemp("wish") / "m.db", create=True) as store:
        model = store.use_model(replace(find_model(), dim=6))
        with store.change():
            for number, vector in enumerate(vectors):
                add_track(store, model, number, vector)
        terms = (Term("x", ("c", "a")), Term("y", ("b",), negated=True))
        matches = rank_by_tags(store, Index.open(store, model), head, terms, n)
    logits = vectors.astype(np.float64) @ head.weights.astype(np.float64).T + head.bias
    spread = logits.std(axis=0)
    z = (logits - logits.mean(axis=0)) / np.where(spread > 1e-4, spread, np.inf)
    exact = np.maximum(z[:, 0], z[:, 2]) - z[:, 1]
    assert [m.rank for m in matches] == [*range(1, n + 1)]
    # z-scores divide by the spread: of few tracks it may be small, and rounding grows with it.
    atol = 1e-5 + 1e-4 / max(1e-3, float(spread.min()))
    np.testing.assert_allclose([m.score for m in matches], np.sort(exact)[::-1], atol=atol)
    for match in matches:
        number = int(match.id, 16)
        assert match.score == pytest.approx(exact[number], abs=atol)
        for i, name in enumerate("abc"):
            p = 1 / (1 + np.exp(-logits[number, i]))
            assert match.tags[name] == pytest.approx(p, abs=ROUNDED)


def test_a_frequent_tag_does_not_outweigh_a_rare_one(make_store: MakeStore) -> None:
    """The only track with the rare one comes first, though its probability is small."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((200, 3)) * [1.0, 0.05, 3.0]
    vectors[77, :2] = [1.0, 4.0]
    store, model = make_store(unit(vectors))
    head = hand_made(("rock", "harp"), [[4, 0, 0], [0, 4, 0]], [3, -7])
    index = Index.open(store, model)
    terms = (Term("rock", ("rock",)), Term("harp", ("harp",)))
    (best,) = rank_by_tags(store, index, head, terms, 1)
    assert int(best.id, 16) == 77 and best.tags["harp"] < 0.1
    both = head.probabilities(np.asarray(index.matrix)).sum(axis=1)
    assert int(np.argmax(both)) != 77


def test_a_wish_turned_around_turns_the_order_around(filled: tuple[Store, Any, TagHead]) -> None:
    store, model, head = filled
    index = Index.open(store, model)
    orders = [
        [m.path for m in rank_by_tags(store, index, head, [Term("e", ("east",), negated)], 9)]
        for negated in (False, True)
    ]
    assert orders[0] == orders[1][::-1] == [f"/music/{i:06}.flac" for i in range(9)]


def test_equal_tracks_come_by_row_number_and_filters_act_before(make_store: MakeStore) -> None:
    vectors = np.tile(unit(np.array([1.0, 2.0])), (50, 1))
    tags = [{"title": "x", "year": 1990 + i} for i in range(50)]
    store, model = make_store(vectors, tags)
    head = hand_made(("east",), [[5, 0]], [0])
    index, terms = Index.open(store, model), [Term("e", ("east",))]
    among = filter_tracks(store, "year >= 2000")
    found = rank_by_tags(store, index, head, terms, 3, among=among)
    assert [int(m.id, 16) for m in found] == [10, 11, 12]
    assert [m.score for m in found] == [0.0] * 3
    assert rank_by_tags(store, index, head, terms, 0) == []


# The command line


def test_tags_says_what_is_above_its_threshold(
    tiny: Model, run_cli: RunCli, tmp_path: Path
) -> None:
    song = tmp_path / "low.wav"
    write(song, sine(16000, 4.0, hz=100.0), 16000)
    done = run_cli("tags", song, "--model", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    unsure, *rows = rows
    assert (unsure["tag"], unsure["kind"], unsure["said"]) == ("unsure", "genre", False)
    assert rows and all(row["said"] and row["probability"] >= 0.4 for row in rows)
    assert {row["tag"]: row["kind"] for row in rows}["bass heavy"] == "mood"
    assert "treble" not in {row["tag"] for row in rows}
    everything = json.loads(run_cli("tags", song, "--model", "tiny", "--json", "--all").stdout)
    assert [row["tag"] for row in everything] == list(tag_file(song, model="tiny"))
    assert run_cli("tags", song, "--model", "tiny", "--nl", "-n", "1").stdout.count("\n") == 1
    header, *_ = run_cli("tags", song, "--model", "tiny").stdout.splitlines()
    assert header.split() == ["tag", "kind", "probability"]
    assert not (tmp_path / "music.db").exists()


def test_what_is_below_its_threshold_is_unsure_and_not_said(
    tiny: Model, run_cli: RunCli, tmp_path: Path
) -> None:
    song = tmp_path / "low.wav"
    write(song, sine(16000, 4.0, hz=100.0), 16000)
    config = json.loads((tiny.folder / "config.json").read_text(encoding="utf-8"))
    for entry in config["tags"]:
        entry["threshold"] = 1.0
    (tiny.folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    done = run_cli("tags", song, "--model", "tiny", "--nl")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [(row["tag"], row["kind"], row["probability"]) for row in rows] == [
        ("unsure", "genre", None),
        ("unsure", "mood", None),
    ]
    shown = run_cli("tags", song, "--model", "tiny", "-q", "--all")
    assert shown.stdout.count("not sure enough") == len(NAMES) and shown.stderr == ""
    assert run_cli("tags", song, "--model", "tiny", "--nl", "-q", "-n", "0").stdout == ""


@pytest.mark.parametrize("catalog", [False, True])
@pytest.mark.parametrize("command", ["tags", "features"])
def test_one_broken_file_leaves_the_others_to_be_shown(
    command: str, catalog: bool, tiny: Model, run_cli: RunCli, tmp_path: Path
) -> None:
    songs = [tmp_path / "low.wav", tmp_path / "high.wav"]
    for song, hz in zip(songs, (100.0, 3000.0), strict=True):
        write(song, sine(16000, 4.0, hz=hz), 16000)
    if catalog:
        Catalog().add_folder(songs[0], model="tiny", jobs=1)
    broken = tmp_path / "broken.wav"
    broken.touch()
    done = run_cli(command, songs[0], broken, tmp_path / "nowhere", songs[1], "--json")
    assert done.returncode == 1
    heard = list(dict.fromkeys(row["path"] for row in json.loads(done.stdout)))
    assert heard == list(map(str, songs))
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(told) == 2 and "broken.wav" in told[0] and "nowhere" in told[1]


def test_find_shows_tracks_and_says_how_it_understood(tagged: Shelf, run_cli: RunCli) -> None:
    done = run_cli(
        "find",
        "Pianos, no treble, purple",
        "-n",
        "3",
        "--json",
        "--m3u8",
        "list.m3u8",
        cwd=tagged.folder,
    )
    assert done.returncode == 0
    assert done.stderr == "looked for: piano; not treble\nnot used: purple\n"
    rows = json.loads(done.stdout)
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert all(set(row["tags"]) == {"piano", "treble"} for row in rows)
    with tagged.open() as catalog:
        found = catalog.find("piano, no treble", 3)
    assert [row["path"] for row in rows] == [match.path for match in found.matches]
    assert found.unused == () and found.terms[1].negated
    listed = (tagged / "list.m3u8").read_text().splitlines()
    assert [line for line in listed if not line.startswith("#")] == [
        str(Path(row["path"]).relative_to(tagged.folder)) for row in rows
    ]
    rows = list(csv.DictReader(io.StringIO(run_cli("find", "piano", "--csv", "-q").stdout)))
    assert set(json.loads(rows[0]["tags"])) == {"piano"}
    table = run_cli("find", "piano", "-n", "9")
    assert table.stdout.splitlines()[0].split() == [
        "rank",
        "score",
        "artist",
        "title",
        "tags",
        "path",
    ]
    assert table.stderr.endswith("8 of 9: no more tracks pass the filters\n")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["find", "pianno"], "near are piano"),
        (["find", "piano", "--where", "nonsense"], "cannot be understood"),
        (["tags", "/nowhere.wav"], "neither a file nor a stored track"),
    ],
)
def test_what_cannot_be_found_is_one_line(
    words: list[str], says: str, tagged: Shelf, run_cli: RunCli
) -> None:
    done = run_cli(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert says in done.stderr


def test_info_shows_what_a_model_is_for_and_where_it_fails(tmp_path: Path, run_cli: RunCli) -> None:
    figures = {"artist MAP": {"value": 0.437, "chance": 0.029}, "hub skew": 0.23}
    folder = tagged_folder(tmp_path, figures=figures, training_data=["songs (CC0)", "more (MIT)"])
    (folder / "README.md").write_text(
        "# tiny\n\nHears tones\nand nothing else.\n\nLong story.\n\n## Use\n\nFor \x1btests.\n\n"
        "## Training\n\nNone.\n\n## Known failures\n\nAll music.\n",
        encoding="utf-8",
    )
    done = run_cli("models", "info", folder)
    assert (done.returncode, done.stderr) == (0, "")
    shown = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert shown[:4] == ["Hears tones", "and nothing else.", "", "For tests."]
    assert {"training_data songs (CC0)", "training_data more (MIT)"} <= set(shown)
    assert "tags 2 mood, 1 instrument, 1 genre" in shown
    assert {"figure value chance", "artist MAP 0.437 0.029", "hub skew 0.230"} <= set(shown)
    assert shown[-1] == "Known failures: All music."
    assert "Long story." not in shown and "\x1b" not in done.stdout
    (entry,) = json.loads(run_cli("models", "info", folder, "--json").stdout)
    assert entry["figures"] == figures and len(entry["tags"]) == 4
    assert "Long story." in entry["card"]


# Another default


@pytest.fixture
def upgraded(shelf: Shelf, tiny: Model, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """A catalog made with what was the default until the tiny model came."""
    monkeypatch.setattr("musicu.encoders.registry.DEFAULT_MODEL", tiny.id)
    monkeypatch.setattr("musicu.catalog.model_choice.DEFAULT_MODEL", tiny.id)
    return shelf


def test_an_old_catalog_answers_as_before_and_tells_of_the_new_default(
    upgraded: Shelf, original: Shelf, tmp_path: Path
) -> None:
    shutil.copyfile(upgraded / "Dora/Night.wav", tmp_path / "new.wav")
    with original.open() as catalog:
        before = [m.title for m in catalog.similar(original / "Dora/Solo.aiff")]
    with upgraded.open() as catalog:
        made_by = catalog.info().model
        assert catalog.notice == (
            f"{upgraded.db} was made by {made_by}; the default is tiny now: "
            f"'musicu embed --model tiny --catalog {upgraded.db}' embeds all again"
        )
        assert [m.title for m in catalog.similar(upgraded / "Dora/Solo.aiff")] == before
        assert len(catalog.similar(tmp_path / "new.wav")) == 7
        assert catalog.info().outdated == 0
        assert catalog.tagging_model().name == made_by


def test_an_upgrade_embeds_nothing_again_unasked_and_all_when_asked(upgraded: Shelf) -> None:
    write(upgraded / "Dora/New.wav", noise(16000, 4.0, seed=50), 16000)
    with upgraded.open() as catalog:
        summary = catalog.add_folder(jobs=1)
        assert (summary.embedded, summary.unchanged) == (1, 8)
        assert len(catalog.similar(upgraded / "Dora/New.wav")) == 8

        # Some of it with the new one: it is told that the rest is not found.
        summary = catalog.add_folder(upgraded / "Dora", model="tiny", jobs=1)
        assert summary.embedded == 3
        assert catalog.notice == (
            "6 tracks have no vector of tiny@1 yet and are not found: "
            f"'musicu embed --catalog {upgraded.db}' goes on"
        )
        assert len(catalog.find("piano").matches) == 3

        summary = catalog.add_folder(jobs=2)
        assert (summary.embedded, summary.unchanged) == (6, 3)
        assert catalog.notice is None
        assert len(catalog.find("piano").matches) == 9
        assert catalog.verify() == []


def test_a_model_of_the_users_own_is_no_old_default(tagged: Shelf) -> None:
    with tagged.open() as catalog:
        assert catalog.notice is None


def test_a_new_catalog_takes_the_new_default(upgraded: Shelf, tmp_path: Path) -> None:
    with Catalog(tmp_path / "fresh.db") as catalog:
        assert catalog.notice is None
        catalog.add_folder(upgraded / "Dora", jobs=1)
        assert (catalog.info().model, catalog.notice) == ("tiny@1", None)


def test_the_notice_is_one_line_on_stderr(
    upgraded: Shelf, capfd: pytest.CaptureFixture[str]
) -> None:
    song = str(upgraded / "Dora/Solo.aiff")
    for words in (["similar", song, "-n", "1"], ["catalog", "info"], ["embed"]):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0
        assert result.stderr.count("the default is tiny now") == 1
        assert "the default is" not in result.stdout
    assert "the default is" not in CliRunner().invoke(app, ["similar", song, "-q"]).stderr
