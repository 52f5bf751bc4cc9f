"""Tables in, scores and comparisons out; the command as a process of its own."""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import RunCli, Shelf
from made_audio import notes, write
from networks import model_folder
from typer.testing import CliRunner

from musicu.cli.app import app
from musicu.encoders.registry import DEFAULT_MODEL, find_model
from musicu.errors import MetadataError, MissingExtraError, ModelError, MusicuError
from musicu.evaluation.encoders.baselines import BASELINES, Baseline
from musicu.evaluation.encoders.dataset import Collection, read_tables, select
from musicu.evaluation.encoders.evaluate import SCHEMA, evaluate_encoder
from musicu.evaluation.encoders.scoring import score_systems
from musicu.evaluation.encoders.systems import System, baseline_system, model_system
from musicu.evaluation.scores import Score, apart
from musicu.reports.svg import Dot, Panel, dot_plot

# Sums of a few doubles.
TOLERANCE = 1e-9


def table(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


SONGS = (
    "Alba/First Light/01 Dawn.flac",
    "Alba/First Light/02 Noon.mp3",
    "Bruno/Stones/01 Granite.ogg",
    "Bruno/Stones/02 Basalt.opus",
    "Carla/Tide/01 Ebb.m4a",
    "Carla/Tide/02 Flow.flac",
    "Dora/Night.wav",
    "Dora/Solo.aiff",
)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """The library's eight songs: four artists, two folds, one label and several."""
    rows: list[Sequence[object]] = [("file", "artist", "fold", "quadrant", "genres")]
    for i, song in enumerate(SONGS):
        rows.append(
            (song, song[:4], "one" if i < 4 else "two", "AB"[i % 2], "x|y" if i % 3 else "x")
        )
    return table(tmp_path / "labels.csv", rows)


def made(n: int = 60, *, folds: int = 0, seed: int = 0) -> Collection:
    """A collection of labels only: artists of three clips, two moods, a few genres."""
    rng = np.random.default_rng(seed)
    artist = np.arange(n) // 3
    return Collection(
        name="made",
        files=tuple(Path(str(i)) for i in range(n)),
        artist=artist.astype(np.str_),
        fold=(artist % folds).astype(np.str_) if folds else None,
        track=None,
        single={"mood": rng.choice(["up", "down"], size=n)},
        multi={"genres": tuple(frozenset(rng.choice(["x", "y", "z"], size=1)) for _ in range(n))},
        columns={},
    )


def by_metric(scores: Sequence[Score], system: str) -> dict[str, Score]:
    return {score.metric: score for score in scores if score.system == system}


GOOD, BAD = (System(label=label, parts=(label,)) for label in ("good", "bad"))


def vectors(collection: Collection, noise: float, seed: int = 0) -> Any:
    """Each artist somewhere, its clips around it."""
    rng = np.random.default_rng(seed)
    names, group = np.unique(collection.artist, return_inverse=True)
    places = rng.standard_normal((len(names), 16))
    return places[group] + noise * rng.standard_normal((len(group), 16))


# Tables


def test_tables_are_joined_on_the_first_column_they_share(tmp_path: Path) -> None:
    first = table(
        tmp_path / "a.csv", [("file", "id", "artist"), ("x.wav", 1, "A"), ("y.wav", 2, "B")]
    )
    other = table(
        tmp_path / "b.csv", [("id", "artist_group", "file"), (2, "b", "z"), (3, "c", "w")]
    )
    # "file" comes first in the first table, so it is what they are joined on.
    with pytest.raises(MetadataError, match="no row fits"):
        read_tables([first, other])
    other = table(tmp_path / "b.csv", [("id", "artist_group"), (2, "b"), (3, "c")])
    joined = read_tables([first, other])
    assert joined.columns == ("file", "id", "artist", "artist_group")
    assert [row["artist_group"] for row in joined.rows] == ["", "b"]
    assert joined.notes == (f"{other}: 1 of 2 clips have no row there",)
    collection = select(joined)
    assert collection.columns["artist"] == "artist_group"
    assert collection.files == (tmp_path / "x.wav", tmp_path / "y.wav")
    assert collection.artist[1] == "b" and collection.artist[0] not in ("", "A")


def test_clips_without_an_artist_are_artists_of_their_own(tmp_path: Path) -> None:
    rows = [("path", "artist"), ("1", ""), ("2", ""), ("3", "A"), ("4", "A")]
    collection = select(read_tables([table(tmp_path / "a.csv", rows)]))
    assert len(set(collection.artist)) == 3


def test_columns_are_found_by_name_or_named_or_done_without(labels: Path) -> None:
    usual = select(read_tables([labels]))
    assert usual.columns["single"] == ["quadrant"] and usual.columns["multi"] == ["genres"]
    assert usual.fold is not None and usual.track is None
    assert usual.multi["genres"][1] == {"x", "y"}
    named = select(read_tables([labels]), fold="", single=["fold"], multi=[""], audio="/music")
    assert named.fold is None and set(named.single) == {"fold"} and not named.multi
    assert named.files[0] == Path("/music") / SONGS[0]
    assert len(select(read_tables([labels]), only=[("fold", "one")]).files) == 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name,artist\nx,y\n", "no column 'file' or 'path'; there are name, artist"),
        ("file,fold\nx,1\ny,\n", "1 clips have no 'fold': y"),
    ],
)
def test_a_bad_table_is_told(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(MetadataError, match=says):
        select(read_tables([file]))


def test_tables_that_do_not_fit_are_told(tmp_path: Path) -> None:
    first = table(tmp_path / "a.csv", [("file", "id"), ("x", 1), ("y", 2)])
    twice = table(tmp_path / "b.csv", [("id", "genres"), (1, "x"), (1, "y")])
    apart = table(tmp_path / "c.csv", [("key", "genres"), (1, "x")])
    with pytest.raises(MetadataError, match="'id', in which values occur twice"):
        read_tables([first, twice])
    with pytest.raises(MetadataError, match="none of the columns file, id to be joined on"):
        read_tables([first, apart])


# Systems


def test_models_are_read_as_they_are_written(tmp_path: Path) -> None:
    assert model_system("musicu-1") == System(label="musicu-1", parts=("musicu-1",))
    assert model_system("runs/a") == System(label="a", parts=("runs/a",))
    assert model_system("x = runs/a + b").parts == ("runs/a", "b")
    assert model_system("runs/a+b").label == "a + b"
    assert model_system("x=runs/{fold}/m").by_fold and not model_system("m").by_fold
    (odd := tmp_path / "a=b+c").mkdir()
    assert model_system(str(odd)).parts == (str(odd),)
    assert model_system("a+") == System(label="a+", parts=("a",), standardized=True)
    assert model_system("a+b").standardized and not model_system("a").standardized
    for text in ("a+b+", "+", "x="):
        with pytest.raises(MusicuError, match="a name is missing"):
            model_system(text)
    with pytest.raises(MusicuError, match="no baseline 'best'; there are mfcc, bliss, random"):
        baseline_system("best")


# Scores


def test_a_perfect_system_is_perfect_and_a_random_one_is_not() -> None:
    collection = made()
    scores, _ = score_systems(
        collection,
        [GOOD, BAD],
        {"good": vectors(collection, 0.01), "bad": vectors(collection, 100.0)},
    )
    good, bad = by_metric(scores, "good"), by_metric(scores, "bad")
    for metric in ("artist P@1", "artist MAP"):
        assert (good[metric].value, good[metric].low, good[metric].high) == (1.0, 1.0, 1.0)
        assert bad[metric].value < 0.3
        versus, back = good[metric].comparison, bad[metric].comparison
        assert versus and versus.verdict == "clearly better"
        assert back and back.verdict == "clearly worse"
        assert apart(good[metric], bad[metric]) and apart(bad[metric], good[metric])
        assert versus.difference == pytest.approx(-back.difference, abs=TOLERANCE)
        assert versus.low == pytest.approx(-back.high, abs=TOLERANCE)
    assert good["artist MAP"].queries == 60 and good["artist MAP"].clusters == 20
    # The label has nothing to do with the artists.
    assert 0.2 < good["mood P@1"].value < 0.8
    for score in scores:
        assert score.low <= score.value + TOLERANCE and score.value <= score.high + TOLERANCE


def test_equal_systems_are_open_on_everything() -> None:
    collection = made()
    x = vectors(collection, 1.0)
    scores, _ = score_systems(collection, [GOOD, BAD], {"good": x, "bad": x * 3})
    assert {s.comparison.verdict for s in scores if s.comparison} == {"open"}
    assert {s.comparison.difference for s in scores if s.comparison} == {0.0}


def test_the_own_artist_is_left_out_of_neighbors_by_label() -> None:
    collection = made()
    x = vectors(collection, 0.01)
    mood = collection.artist.copy()  # only the own artist shares it ...
    mood[:6] = "both"  # ... but for two artists
    x[3:6] += 100.0
    lonely = Collection(**{**vars(collection), "single": {"mood": mood}})
    scores, _ = score_systems(lonely, [GOOD], {"good": x})
    score = by_metric(scores, "good")["mood P@1"]
    assert score.queries == 6
    assert score.value < 1.0


def test_groups_are_queries_of_one_label_among_all_clips() -> None:
    collection = made(90)
    found = {"good": vectors(collection, 0.5), "bad": vectors(collection, 5.0)}
    for by, labels in (("genres", "xyz"), ("mood", ["down", "up"])):
        scores, _ = score_systems(collection, [GOOD, BAD], found, by=by)
        whole, _ = score_systems(collection, [GOOD, BAD], found)
        assert [score for score in scores if not score.group] == whole
        groups = {score.group: score for score in scores if score.metric == "artist MAP"}
        assert sorted(groups) == sorted(["", *labels])
        parts = [s for s in scores if (s.metric, s.system) == ("artist MAP", "good") and s.group]
        # Each clip has one label, so the groups' means make the whole.
        mean = sum(s.value * s.queries for s in parts) / sum(s.queries for s in parts)
        assert mean == pytest.approx(by_metric(whole, "good")["artist MAP"].value, abs=TOLERANCE)
        assert not {s.metric for s in scores if s.group} & {"hub skew"}
    few, _ = score_systems(made(30), [GOOD], {"good": vectors(made(30), 1.0)}, by="genres")
    assert {score.group for score in few} == {""}
    with pytest.raises(MusicuError, match="no column of labels 'era'.*there are mood, genres"):
        score_systems(collection, [GOOD], found, by="era")


def test_pieces_of_the_own_track_do_not_count_as_the_artists() -> None:
    n = 24
    artist, track = np.arange(n) // 4, np.arange(n) // 2
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n // 2, 8))[track] + 0.01 * rng.standard_normal((n, 8))
    labels = {"artist": artist.astype(np.str_), "track": None, "single": {}, "multi": {}}
    plain = Collection(**{**vars(made(n)), **labels})
    pieces = Collection(**{**vars(plain), "track": track.astype(np.str_)})
    easy = by_metric(score_systems(plain, [GOOD], {"good": x})[0], "good")
    honest = by_metric(score_systems(pieces, [GOOD], {"good": x})[0], "good")
    assert easy["artist P@1"].value == 1.0 and "same track" not in easy
    assert honest["artist P@1"].value < 0.5 and honest["same track"].value == 1.0


def test_folds_are_spaces_of_their_own() -> None:
    """Each fold's space may be turned as it likes; the queries are put together."""
    collection = made(folds=2)
    assert collection.fold is not None
    x = vectors(collection, 1.0)
    turned = x.copy()
    turned[collection.fold == "1"] = turned[collection.fold == "1"][:, ::-1] * -2
    by_fold = System(label="bad", parts=("{fold}",))
    scores, notes = score_systems(collection, [GOOD, by_fold], {"good": x, "bad": turned})
    one, two = by_metric(scores, "good"), by_metric(scores, "bad")
    assert notes == []
    for metric, score in one.items():
        assert two[metric].value == pytest.approx(score.value, abs=TOLERANCE)
        assert list(score.folds) == ["0", "1"]
    sizes = [np.sum(collection.fold == f) for f in "01"]
    folds = [one["artist MAP"].folds[f] for f in "01"]
    assert one["artist MAP"].value == pytest.approx(np.average(folds, weights=sizes), abs=TOLERANCE)  # type: ignore[arg-type]
    skews = [v for v in one["hub skew"].folds.values() if v is not None]
    assert one["hub skew"].value == pytest.approx(np.mean(skews), abs=TOLERANCE)
    for f in "01":
        half = collection.take(np.flatnonzero(collection.fold == f).tolist())
        alone, _ = score_systems(half, [GOOD], {"good": x[collection.fold == f]})
        for metric in ("artist P@1", "artist MAP", "mood P@1", "hub skew"):
            assert by_metric(alone, "good")[metric].value == one[metric].folds[f]


def test_an_artist_in_two_folds_is_told() -> None:
    collection = made(folds=2)
    torn = Collection(**{**vars(collection), "fold": (np.arange(60) % 2).astype(np.str_)})
    _, notes = score_systems(torn, [GOOD], {"good": vectors(torn, 1.0)})
    assert notes == ["20 artists are in several folds, so the folds are not disjoint"]


def test_comparisons_are_with_the_best_other_or_with_the_one_named() -> None:
    collection = made()
    third = System(label="third", parts=("third",))
    found = {
        label: vectors(collection, s)
        for label, s in zip(("good", "bad", "third"), (0.1, 9, 1), strict=True)
    }
    scores, _ = score_systems(collection, [GOOD, BAD, third], found)
    best = {s: by_metric(scores, s)["artist MAP"].comparison for s in found}
    assert [c and c.against for c in best.values()] == ["third", "good", "good"]
    scores, _ = score_systems(collection, [GOOD, BAD, third], found, against=["bad"])
    named = {s: by_metric(scores, s)["artist MAP"].comparison for s in found}
    assert [c and c.against for c in named.values()] == ["bad", None, "bad"]
    scores, _ = score_systems(collection, [GOOD, BAD, third], found, against=["bad", "third"])
    several = {s.system: s.comparison for s in scores if s.metric == "artist MAP"}
    assert [c and c.against for c in several.values()] == ["third", "third", "bad"]


def test_the_same_seed_gives_the_same_scores_another_other_intervals() -> None:
    collection = made()
    found = {"good": vectors(collection, 2.0)}
    one, two, other = (score_systems(collection, [GOOD], found, seed=s)[0] for s in (1, 1, 2))
    assert one == two
    assert by_metric(one, "good")["artist MAP"] != by_metric(other, "good")["artist MAP"]


def test_few_artists_are_no_sample() -> None:
    collection = made(12)
    _, notes = score_systems(collection, [GOOD], {"good": vectors(collection, 1.0)})
    assert "artist MAP: 4 artists are too few for an interval to be trusted" in notes
    assert any(note.startswith("lone genres MAP: left out") for note in notes)


# Whole evaluations


def test_vectors_are_the_encoders_own(labels: Path, shelf: Shelf, tmp_path: Path) -> None:
    """One a fold that is the same as one: equal rankings; twice side by side, as once so."""
    for fold in ("one", "two"):
        shutil.copytree(find_model().folder, tmp_path / "runs" / fold)
    collection = select(read_tables([labels]), audio=shelf.folder)
    twice = f"twice={DEFAULT_MODEL}+{DEFAULT_MODEL}"
    texts = [DEFAULT_MODEL, f"cv={tmp_path}/runs/{{fold}}", twice, f"{DEFAULT_MODEL}+"]
    done: list[tuple[int, int]] = []
    result = evaluate_encoder(
        collection, [model_system(t) for t in texts], draws=50, progress=lambda *d: done.append(d)
    )
    assert done[0] == (0, 8) and done[-1] == (8, 8)
    first, by_fold, both, once = (
        {m: s.value for m, s in by_metric(result.scores, s["label"]).items()}
        for s in result.systems
    )
    assert by_fold == first and both == once
    (one,), cv = result.systems[0]["models"], result.systems[1]["models"]
    assert one["sha256"] == find_model().sha256 and one["fold"] is None
    assert [model["fold"] for model in cv] == ["one", "two"]
    assert (result.clips, result.artists, result.skipped) == (8, 4, ())


def test_what_cannot_be_decoded_is_skipped_and_told(labels: Path, shelf: Shelf) -> None:
    (shelf / SONGS[7]).write_bytes(b"no audio")
    collection = select(read_tables([labels]), audio=shelf.folder, fold="")
    result = evaluate_encoder(collection, [baseline_system("mfcc")], draws=10)
    assert result.clips == 7
    ((path, reason),) = result.skipped
    assert path == str(shelf / SONGS[7]) and reason


def test_missing_files_are_counted_and_named(labels: Path, tmp_path: Path) -> None:
    collection = select(read_tables([labels]), audio=tmp_path)
    with pytest.raises(
        MusicuError, match=r"8 of 8 files of .* are missing: .*01 Dawn.flac.* \.\.\."
    ):
        evaluate_encoder(collection, [baseline_system("random")])


def test_what_makes_no_sense_is_refused(labels: Path, shelf: Shelf) -> None:
    rows = read_tables([labels])
    collection = select(rows, audio=shelf.folder)
    mfcc = baseline_system("mfcc")
    with pytest.raises(MusicuError, match="two systems are called 'mfcc'"):
        evaluate_encoder(collection, [mfcc, mfcc])
    with pytest.raises(MusicuError, match="no system 'best'; there are mfcc"):
        evaluate_encoder(collection, [mfcc], against=["best"])
    with pytest.raises(ModelError, match="no model 'nothing'"):
        evaluate_encoder(collection, [model_system("nothing")])
    with pytest.raises(MusicuError, match="needs a table with a column of folds"):
        evaluate_encoder(select(rows, fold=""), [model_system("x{fold}")])
    with pytest.raises(MusicuError, match="of 8 artists 0 has: --artist names the column"):
        evaluate_encoder(select(rows, artist=""), [mfcc])


def test_folds_models_of_different_lengths_are_refused(
    labels: Path, shelf: Shelf, tmp_path: Path
) -> None:
    shutil.copytree(find_model().folder, tmp_path / "one")
    model_folder(tmp_path, id="two").rename(tmp_path / "two")
    collection = select(read_tables([labels]), audio=shelf.folder)
    with pytest.raises(MusicuError, match="the folds' models have different dimensions"):
        evaluate_encoder(collection, [model_system(f"cv={tmp_path}/{{fold}}")])


def test_mfcc_is_librosas_and_standardized(tmp_path: Path) -> None:
    import librosa

    rows = []
    for seed in range(4):
        y = notes(16000, 2.0, seed=seed)[0]
        got = BASELINES["mfcc"].features("unused", y, 16000)
        wanted = librosa.feature.mfcc(y=y, sr=16000, n_mfcc=20)
        np.testing.assert_allclose(got[:20], wanted.mean(axis=1), rtol=1e-5)
        np.testing.assert_allclose(got[20:], wanted.std(axis=1), rtol=1e-5)
        rows.append(got)
    x = BASELINES["mfcc"].vectors(np.array(rows), 0)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=TOLERANCE)
    np.testing.assert_allclose(x.std(axis=0), 1, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("module", "package", "baseline"),
    [("librosa", "librosa", "mfcc"), ("sklearn", "scikit-learn", "random")],
)
def test_without_a_package_of_the_evaluation_its_extra_is_named(
    module: str,
    package: str,
    baseline: str,
    labels: Path,
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is decoded, too, where a package is for the end of the work."""
    monkeypatch.setitem(sys.modules, module, None)
    collection = select(read_tables([labels]), audio=shelf.folder)
    progress: list[int] = []
    with pytest.raises(MissingExtraError, match=rf"`{package}` is required .*\.\[evaluate\]"):
        evaluate_encoder(
            collection, [baseline_system(baseline)], progress=lambda done, _: progress.append(done)
        )
    assert progress in ([], [0])


def test_bliss_is_the_packages_own(tmp_path: Path) -> None:
    bliss = pytest.importorskip("bliss_audio")
    write(tmp_path / "x.wav", notes(22050, 12.0), 22050, "wav")
    silence = np.zeros(1, dtype=np.float32)
    got = BASELINES["bliss"].features(tmp_path / "x.wav", silence, 22050)
    assert got.tolist() == bliss.Song(str(tmp_path / "x.wav")).analysis


def test_a_baseline_is_added_in_one_place(
    labels: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    level = Baseline(
        features=lambda path, y, sr: np.array([np.abs(y).mean(), y.std()], dtype=np.float64),
        vectors=lambda features, seed: features + seed,
        distance="euclidean",
    )
    monkeypatch.setitem(BASELINES, "level", level)
    collection = select(read_tables([labels]), audio=shelf.folder)
    system = baseline_system("level")
    assert system.distance == "euclidean"
    result = evaluate_encoder(collection, [system, baseline_system("random")], draws=10)
    assert {score.system for score in result.scores} == {"level", "random"}
    assert "level" in result.summary()[0]


# The command


def run(run_cli: RunCli, *words: object) -> str:
    done = run_cli("evaluate", "encoder", *map(str, words))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_all_forms_hold_the_same_numbers(
    labels: Path, shelf: Shelf, run_cli: RunCli, tmp_path: Path
) -> None:
    plain = ["--labels", labels, "--audio", shelf.folder, "--baseline", "random", "--draws", 20]
    plain += ["--model", "musicu-1"]
    words = [*plain, "--robustness", "--clips", 2, "--figure", tmp_path / "f.svg"]
    (full,) = json.loads(run(run_cli, *words, "--json"))
    assert full["schema"] == SCHEMA and full["musicu"] and full["seed"] == 0
    assert [s["label"] for s in full["systems"]] == ["musicu-1", "random"]
    assert {r["distortion"] for r in full["robustness"]} >= {"mp3 128 kbit/s", "mono as stereo"}
    rows = list(csv.DictReader(io.StringIO(run(run_cli, *words, "--csv"))))
    found = {(r["metric"], r["system"], r["fold"]): r for r in rows}
    assert len(found) == len(rows)
    for score in full["scores"]:
        row = found[score["metric"], score["system"], ""]
        assert float(row["value"]) == score["value"] and float(row["high"]) == score["high"]
        for fold, value in score["folds"].items():
            text = found[score["metric"], score["system"], fold]["value"]
            assert text == ("" if value is None else str(value))
    header, *_ = run(run_cli, *plain, "--by", "genres").splitlines()
    assert header.split()[:3] == ["metric", "group", "system"]
    header, *lines = run(run_cli, *words).splitlines()
    assert header.split()[:3] == ["metric", "system", "value"]
    above = lines.index("")
    assert above == sum(not row["fold"] for row in rows)
    assert lines[above + 1].split() == ["metric", "musicu-1", "random"]
    summary = {line.split("  ")[0]: line for line in lines[above + 2 :]}
    assert set(summary) == {row["metric"] for row in rows if row["value"]}
    for score in full["scores"]:
        assert f"{score['value']:.3f}" in summary[score["metric"]]
    root = ElementTree.parse(tmp_path / "f.svg").getroot()
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"musicu-1", "random", "artist MAP", "hub skew"} <= set(texts)


@pytest.mark.slow
def test_the_cost_stands_beside_that_of_decoding(
    labels: Path, shelf: Shelf, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicu.evaluation.encoders.cost.SECONDS", 20)
    words = ["--labels", labels, "--audio", shelf.folder, "--cost", "--draws", 20, "--json"]
    (full,) = json.loads(run(run_cli, *words))
    cost = full["costs"][DEFAULT_MODEL]
    assert cost["parameters"] > 100_000 and cost["megabytes"] > 1
    assert cost["embed_seconds"] > 0 and cost["decode_seconds"] > 0
    assert (cost["ffmpeg_seconds"] is None) == (shutil.which("ffmpeg") is None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--artist", "composer"], "no column 'composer'"),
        (["--multi", "tags"], "there are file, artist, fold, quadrant, genres"),
        (["--only", "fold"], "is not COLUMN=VALUE"),
        (["--against", "best"], "no system 'best'"),
        (["--by", "artist"], "no column of labels 'artist'; there are quadrant, genres"),
        (["--baseline", "best"], "best"),
        (["--json", "--csv"], "choose one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_usage_error_is_2(labels: Path, words: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", "encoder", "--labels", str(labels), *words])
    assert result.exit_code == 2
    plain = " ".join(result.output.replace("│", " ").split())
    assert says in plain


def test_a_data_error_is_1_and_one_line(labels: Path, run_cli: RunCli) -> None:
    done = run_cli("evaluate", "encoder", "--labels", labels, "--audio", "/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: 8 of 8 files") and done.stderr.count("\n") == 1


# The figure


def test_a_figure_is_sound_xml_whatever_the_names() -> None:
    dots = (Dot(0.5, 0.4, 0.6), Dot(0.5, 0.5, 0.5))
    panels = [Panel(f'<{i}> & "x"', "]]>", dots) for i in range(4)]
    flat = [Panel("flat", "", (Dot(1.0, 1.0, 1.0),))]
    names = ["<script>", "a & b"]
    root = ElementTree.fromstring(dot_plot(panels, names, title="</svg>"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{space}text")]
    assert {"</svg>", *names, *(panel.title for panel in panels)} <= set(texts)
    assert len(list(root.iter(f"{space}circle"))) == 8
    assert "nan" not in dot_plot(flat, ["one"])


def test_dots_stand_where_the_ticks_say() -> None:
    panel = Panel("x", "", (Dot(0.2, 0.0, 1.0), Dot(0.6, 0.5, 0.7)))
    root = ElementTree.fromstring(dot_plot([panel], ["a", "b"]))
    space = "{http://www.w3.org/2000/svg}"
    ticks = {
        float(e.text or ""): float(e.attrib["x"])
        for e in root.iter(f"{space}text")
        if e.get("text-anchor") == "middle"
    }
    dots = [float(e.attrib["cx"]) for e in root.iter(f"{space}circle")]
    where = np.interp([0.2, 0.6], list(ticks), list(ticks.values()))
    np.testing.assert_allclose(dots, where, atol=0.1)  # of a pixel: what is written


# Real music


@pytest.mark.data
def test_the_model_beats_mfcc_and_chance_on_real_music(tmp_path: Path) -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    folder = Path(data) / "taffc"
    whole = read_tables([folder / "manifest.csv", folder / "source_info.csv"])
    names = [row["artist_group"] for row in whole.rows]
    several = sorted({name for name in names if name and names.count(name) > 2})[:12]
    some = [row for row in whole.rows if row["artist_group"] in several]
    file = table(tmp_path / "some.csv", [list(some[0]), *(list(row.values()) for row in some)])
    collection = select(read_tables([file]), audio=folder, fold="", multi=[""])
    assert len(collection.files) >= 36
    # Of the shipped ones it has met none of this music.
    systems = [model_system("musicu-2-free"), baseline_system("mfcc"), baseline_system("random")]
    scores = evaluate_encoder(collection, systems).scores
    ours, mfcc, chance = (by_metric(scores, s.label)["artist MAP"].value for s in systems)
    assert ours > mfcc > chance
