"""Collections left out: who heard what, what counts, and the command as a process of its own."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import RunCli
from networks import model_folder
from toys import CLIPS, make_clips

from musicu.audio.decode import identify
from musicu.encoders.heard import HeardFolder, heard_folder, short_identity
from musicu.encoders.model import Model
from musicu.errors import MetadataError, ModelError, MusicuError
from musicu.evaluation.encoders import embedding
from musicu.evaluation.encoders.dataset import Collection
from musicu.evaluation.encoders.evaluate import evaluate_encoder
from musicu.evaluation.encoders.gathered import named_tables, read_collections
from musicu.evaluation.encoders.left_out import LeftOut, evaluate_left_out
from musicu.evaluation.encoders.scoring import score_systems
from musicu.evaluation.encoders.systems import System, baseline_system, model_system
from musicu.evaluation.encoders.vector_cache import VectorCache, model_key
from musicu.evaluation.retrieval_metrics import artist_parts, ridge_probe
from musicu.reports.left_out_figure import left_out_figure

# Vectors are single precision; unit length holds in double.
UNIT = 1e-9


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of clips, of which none sounds like another."""
    root = tmp_path_factory.mktemp("music")
    for seed, name in enumerate(("north", "south")):
        make_clips(root / name, seed=seed)
    return root


@pytest.fixture
def collections(music: Path) -> dict[str, Collection]:
    named = [(name, [str(music / name / "labels.csv")]) for name in ("north", "south")]
    return read_collections(named)


def heard(folder: Path, clips: int = CLIPS) -> list[dict[str, Any]]:
    """What the config of a model says that learned from the first clips of a folder."""
    files = sorted(folder.glob("*.wav"))[:clips]
    return [heard_folder(folder, map(identify, files)).to_dict()]


def toy(folder: Path, name: str, **config: Any) -> Path:
    """Write a model folder of that name."""
    made = model_folder(folder / f"of {name}", id=name, **config)
    return made.rename(folder / name)


def run_all(collections: dict[str, Collection], systems: Sequence[System], **more: Any) -> LeftOut:
    return evaluate_left_out(collections, systems, draws=20, **more)


# What a model heard


def test_what_was_heard_is_known_by_its_audio(music: Path, tmp_path: Path) -> None:
    (entry,) = heard(music / "north")
    model = Model.load(toy(tmp_path, "m", heard=[entry]))
    assert model.heard is not None
    (folder,) = model.heard
    assert folder == HeardFolder.from_dict(json.loads(json.dumps(entry)))
    assert folder.folder.endswith("/north") and folder.clips == CLIPS
    assert short_identity(identify(music / "north" / "clip00.wav")) in folder.identities
    assert short_identity(identify(music / "south" / "clip00.wav")) not in folder.identities
    assert heard_folder("a", ["x", "y"]).sha256 == heard_folder("b", ["y", "x", "x"]).sha256
    assert Model.load(toy(tmp_path, "nothing", heard=[])).heard == ()
    assert Model.load(toy(tmp_path, "silent")).heard is None


@pytest.mark.parametrize(
    "entry",
    [
        ["north"],
        [{"clips": 1}],
        [{"folder": "x", "clips": -1}],
        [{"folder": "x", "clips": True}],
        [{"folder": "x", "clips": 1, "identities": "abc"}],
    ],
)
def test_a_wrong_entry_is_refused(entry: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="heard"):
        Model.load(toy(tmp_path, "m", heard=entry))


# Collections


def test_a_collection_is_named_and_gathered_from_tables(tmp_path: Path) -> None:
    def table(name: str, *lines: str) -> str:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(tmp_path / name)

    first = table("a/one.csv", "id,file,artist,style", "1,x.wav,A,rock", "2,y.wav,,folk")
    more = table("a/more.csv", "id,valence", "1,.5", "2,")
    other = table("b/two.csv", "file,artist,kind", "z.wav,,music", "w.wav,A,speech")
    text = f"all={first}+{more}+{other}"
    assert named_tables(text) == ("all", [first, more, other])
    one = read_collections([named_tables(text)], only=[("kind", "music")])["all"]
    assert [file.name for file in one.files] == ["x.wav", "y.wav", "z.wav"]
    assert one.files[2].parent == tmp_path / "b"
    assert len(set(one.artist)) == 3, "two unknown artists are not one"
    assert one.single["style"].tolist() == ["rock", "folk", ""]
    np.testing.assert_array_equal(one.numeric["valence"], [0.5, np.nan, np.nan])
    both = read_collections([named_tables(text)])["all"]
    assert both.artist[0] == both.artist[3] == "A"
    with pytest.raises(MetadataError, match="no column 'mood' in any table; there are id, file"):
        read_collections([named_tables(text)], single=["mood"])
    with pytest.raises(MetadataError, match="two collections are called 'all'"):
        read_collections([named_tables(text), named_tables(text)])
    for bad in ("labels.csv", "=labels.csv", "a=", "a=x.csv+"):
        with pytest.raises(MetadataError, match="is not NAME=TABLE"):
            named_tables(bad)
    odd = table("a/+.csv", "file", "x.wav")
    assert named_tables(f"odd={odd}") == ("odd", [odd])
    broken = table("a/bad.csv", "file,valence", "x.wav,high")
    with pytest.raises(MetadataError, match="'valence' of numbers: .*high"):
        read_collections([("bad", [broken])])


# Who counts


def test_only_what_was_never_heard_counts_in_a_mean(
    music: Path, collections: dict[str, Collection], tmp_path: Path
) -> None:
    for name in ("north", "south"):
        toy(tmp_path, f"without-{name}", heard=heard(music / ("south", "north")[name == "south"]))
    toy(tmp_path, "all", heard=heard(music / "north", 1))
    toy(tmp_path, "silent")
    toy(tmp_path, "teacher", heard=[])
    texts = ["without-{collection}", "all", "silent", "teacher"]
    systems = [model_system(f"{text.partition('-')[0]}={tmp_path}/{text}") for text in texts]
    progress: list[tuple[int, int]] = []
    results = run_all(
        collections,
        [*systems, baseline_system("random")],
        against=["teacher", "all"],
        ensemble="teacher",
        progress=lambda *told: progress.append(told),
    )
    states = {
        label: [one.state for one in told.values()] for label, told in results.hearing.items()
    }
    assert states == {
        "without": ["unseen", "unseen"],
        "all": ["heard", "unseen"],
        "silent": ["unknown", "unknown"],
        "teacher": ["unseen", "unseen"],
        "random": ["unseen", "unseen"],
    }
    assert results.hearing["all"]["north"].clips == 1
    assert progress[0] == (0, 2 * CLIPS) and progress[-1] == (2 * CLIPS, 2 * CLIPS)
    metric = "artist MAP"
    north, south = (results.score(name, "all", metric) for name in ("north", "south"))
    assert north and south
    assert results.mean("all", metric) == (south.value, 1, 2)
    assert results.mean("silent", metric) == (None, 0, 2)
    expected = (north.value + south.value) / 2  # all of these networks are one
    assert results.mean("without", metric) == (pytest.approx(expected), 2, 2)
    for name, base in (("north", {"teacher"}), ("south", {"teacher", "all"})):
        score = results.score(name, "without", metric)
        assert score and score.comparison and score.comparison.against in base
    standing = results.standing("without")
    assert standing.figures == standing.reached > 0
    assert standing.to_best == standing.to_ensemble == standing.least == 1.0
    assert results.standing("silent").figures == 0
    assert results.standing("random").least is not None
    notes = "\n".join(results.notes)
    assert "all: was trained on some of north, where it counts in no mean" in notes
    assert "silent: does not say what it heard, so it counts in no mean of north, south" in notes
    drawn = left_out_figure(results)
    ElementTree.fromstring(drawn)
    assert f"({north.value:.2f})" in drawn and "all, north, artist MAP" in drawn
    rows = results.rows()
    means = [r for r in rows if r["collection"] is None and r["metric"] == metric]
    assert [r["collections"] for r in means] == [2, 1, 0, 2, 2]


def test_a_model_made_for_a_collection_may_not_have_heard_it(
    music: Path, collections: dict[str, Collection], tmp_path: Path
) -> None:
    for name in ("north", "south"):
        toy(tmp_path, f"without-{name}", heard=heard(music / "north", 3))
    system = model_system(f"ours={tmp_path}/without-{{collection}}")
    with pytest.raises(MusicuError, match="ours: the model of 'north' was trained on 3 of its 24"):
        run_all(collections, [system])


def test_without_a_note_the_name_is_believed_and_that_is_said(
    collections: dict[str, Collection], tmp_path: Path
) -> None:
    for name in collections:
        toy(tmp_path, name)
    system = model_system(f"ours={tmp_path}/{{collection}}")
    results = run_all(collections, [system])
    assert {one.by_name for one in results.hearing["ours"].values()} == {True}
    assert "ours: never heard north, south, by its folder's name" in "\n".join(results.notes)
    assert results.mean("ours", "artist P@1")[1:] == (2, 2)
    with pytest.raises(MusicuError, match="no system 'theirs'; there are ours"):
        run_all(collections, [system], ensemble="theirs")
    with pytest.raises(MusicuError, match="no collection"):
        run_all({}, [system])


# Blocks, numbers, recordings


def test_blocks_are_standardized_and_of_equal_length() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.normal(5, 1e-3, (30, 4)), rng.normal(-9, 50, (30, 7))
    small[:, 3] = 2.0  # one number that says nothing
    rows = [[a, b] for a, b in zip(small, large, strict=True)]
    system = System(label="both", parts=("a", "b"), standardized=True)
    joined = embedding._join(system, rows, None, 0)
    assert joined.shape == (30, 11)
    for block, raw in ((joined[:, :4], small), (joined[:, 4:], large)):
        np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1.0, atol=UNIT)
        std = np.where(raw.std(axis=0) > 1e-9, raw.std(axis=0), 1.0)
        z = (raw - raw.mean(axis=0)) / std
        z /= np.linalg.norm(z, axis=1, keepdims=True)
        np.testing.assert_allclose(block, z, atol=1e-6)


def test_a_ridge_probe_tells_what_is_linear_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 6))
    parts = artist_parts(np.arange(120) // 3)
    y = x @ rng.standard_normal(6) + 3.0
    y[:7] = np.nan
    told = ridge_probe(x, y, parts)
    assert np.isnan(told[:7]).all() and told[7:].mean() > 0.99
    assert ridge_probe(x, rng.standard_normal(120), parts).mean() < 0.1
    assert np.isnan(ridge_probe(x, np.full(120, 2.0), parts)).all()


def test_recordings_are_found_again_and_numbers_are_scored() -> None:
    n = 60
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.standard_normal((n // 2, 8)), 2, axis=0)
    vectors += 0.01 * rng.standard_normal(vectors.shape)
    collection = Collection(
        name="made",
        files=tuple(Path(str(i)) for i in range(n)),
        artist=(np.arange(n) // 6).astype(np.str_),
        fold=None,
        track=(np.arange(n) // 2).astype(np.str_),
        single={},
        multi={},
        columns={},
        numeric={"valence": vectors[:, 0].copy()},
    )
    scores, _ = score_systems(
        collection, [System(label="s", parts=("s",))], {"s": vectors}, draws=20
    )
    value = {score.metric: score.value for score in scores}
    assert value["same recording P@1"] == value["same recording MAP"] == 1.0
    assert 0.9 < value["valence R2"] <= 1.0


# The cache


def test_a_second_run_embeds_nothing_that_is_kept(
    collections: dict[str, Collection], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    north = collections["north"]
    systems = [model_system(str(toy(tmp_path, "m"))), baseline_system("random")]
    with VectorCache(tmp_path / "vectors.db") as cache:
        first = evaluate_encoder(north, systems, cache=cache, draws=20)

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(embedding, "load", refuse)
    with VectorCache(tmp_path / "vectors.db") as cache:
        second = evaluate_encoder(north, systems, cache=cache, draws=20)
        assert first.scores == second.scores
        with pytest.raises(AssertionError, match="decoded again"):
            other = model_system(str(toy(tmp_path, "other", gate_db=20.0)))
            evaluate_encoder(north, [other], cache=cache, draws=20)
    plain, gated = (Model.load(tmp_path / name) for name in ("m", "other"))
    assert plain.sha256 == gated.sha256 and model_key(plain) != model_key(gated)


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no cache " * 100, encoding="utf-8")
    for place in (tmp_path / "notes.txt", tmp_path, tmp_path / "no" / "folder.db"):
        with pytest.raises(MusicuError, match="cannot keep vectors there"):
            VectorCache(place)


# The command


def test_the_command_writes_tables_rows_and_a_figure(
    run_cli: RunCli, music: Path, tmp_path: Path
) -> None:
    toy(tmp_path, "a", heard=[])
    toy(tmp_path, "b", heard=heard(music / "south"))
    words = ["evaluate", "encoder", "--multi", "moods", "--draws", "20"]
    for name in ("north", "south"):
        words += ["--collection", f"{name}={music / name / 'labels.csv'}"]
    words += ["--model", str(tmp_path / "b"), "--model", str(tmp_path / "a")]
    words += ["--model", f"both={tmp_path / 'a'}+{tmp_path / 'b'}"]
    words += ["--against", "a", "--ensemble", "both", "--cache", str(tmp_path / "v.db")]
    done = run_cli(*words, "--figure", str(tmp_path / "f.svg"))
    assert done.returncode == 0, done.stderr
    assert "north: 24 clips by 8 artists" in done.stdout
    assert "mean over collections that were left out" in done.stdout
    assert "at or above the best" in done.stdout
    assert "b: was trained on some of south" in done.stderr
    ElementTree.parse(tmp_path / "f.svg")
    rows = list(csv.DictReader(run_cli(*words, "--csv").stdout.splitlines()))
    assert {(r["collection"], r["heard"]) for r in rows if r["system"] == "b"} == {
        ("north", "unseen"),
        ("south", "heard"),
        ("", ""),
    }
    (told,) = json.loads(run_cli(*words, "--json").stdout)
    assert told["schema"] == "musicu.evaluate.left-out/1"
    assert told["hearing"]["b"]["south"] == {"state": "heard", "clips": 24, "by_name": False}
    assert told["standings"]["a"]["figures"] >= 0 and set(told["collections"]) == {"north", "south"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "either --labels or --collection"),
        (["--labels", "x.csv", "--collection", "a=x.csv"], "either --labels or --collection"),
        (["--collection", "a=x.csv", "--cost"], "not with --collection, but with --labels"),
        (["--labels", "x.csv", "--ensemble", "m"], "not with --labels, but with --collection"),
        (["--collection", "x.csv"], "is not NAME=TABLE"),
        (["--collection", "a=x.csv", "--ensemble", "m"], "no system 'm'; there are musicu"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    words: list[str], says: str, run_cli: RunCli
) -> None:
    done = run_cli("evaluate", "encoder", *words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())
