"""The release report says what is true of releases that were made to be told apart."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli, Shelf, retag, unit
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_audio import notes, write

from musicu.catalog.catalog import Catalog
from musicu.encoders.tag import Tag
from musicu.errors import AudioError, CatalogError, MetadataError, MusicuError
from musicu.items.item import Item, Items
from musicu.items.quality_checks import contradictions, item_contradictions
from musicu.metadata.fields import Metadata
from musicu.metadata.playlist import PlaylistEntry, write_m3u8
from musicu.recommend.results import Audience, AudienceMatch
from musicu.release.checks import check_metadata, compare_sheet
from musicu.release.novelty import OutlierDetector, judge_confidence
from musicu.release.playlist_fit import fit_playlist
from musicu.release.report import release_report
from musicu.release.results import Release, ReleaseReport
from musicu.reports.release_charts import map_plot, score_bar
from musicu.reports.release_page import render_page
from musicu.reports.rounding import rounded_shares
from musicu.reports.write import REPORT_FILES, write_report

SR = 44100
HOSTILE = '<script>alert("x")</script> & Söhne'


class Oracle:
    """A recommender that knows one listener."""

    def __init__(self) -> None:
        self.asked: list[Items] = []

    def audience(self, item: Items, n: int) -> Audience:
        self.asked.append(item)
        return Audience((AudienceMatch("Nora", 1.5, {}),), (AudienceMatch("Bruno", 0.4, {}),))


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, original: Shelf) -> Path:
    """A folder of new releases: a copy, a new song, a song without tags, a broken file."""
    folder = tmp_path_factory.mktemp("batch")
    shutil.copyfile(original / "Bruno/Stones/01 Granite.ogg", folder / "1 copy.ogg")
    write(folder / "2 new.flac", notes(SR, 8, seed=20), SR, "flac")
    retag(folder / "2 new.flac", artist="Alba", title=HOSTILE, genre="Jazz", date="1992", bpm="97")
    write(folder / "3 bare.wav", notes(SR, 3, seed=21), SR)
    (folder / "4 broken.mp3").write_bytes(b"<html>not found</html>" * 40)
    (folder / "cover.jpg").write_bytes(b"\xff\xd8")
    (folder / "sheet.csv").write_text(
        "path,title,isrc,label\n2 new.flac,,GBAYE0601498,Quiet\ngone.flac,Lost,,\n"
    )
    write_m3u8(
        folder / "All.m3u8",
        [PlaylistEntry(str(original / name)) for name in sorted_names(original)],
    )
    write_m3u8(folder / "Two.m3u8", [PlaylistEntry(str(folder / "nobody knows it.mp3"))])
    return folder


def sorted_names(shelf: Shelf) -> list[str]:
    with shelf.open() as catalog:
        return [str(Path(t["path"]).relative_to(shelf.folder)) for t in catalog.tracks()]


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle()


@pytest.fixture(scope="module")
def report(batch: Path, original: Shelf, oracle: Oracle) -> ReleaseReport:
    with original.open() as catalog:
        return release_report(
            catalog,
            [batch],
            n=5,
            metadata=batch / "sheet.csv",
            playlists=[batch],
            recommender=oracle,
            jobs=2,
        )


def named(report: ReleaseReport, name: str) -> Release:
    return next(release for release in report.releases if Path(release.path).name == name)


# The report


def test_every_usable_file_is_a_release_and_every_other_has_its_reason(
    report: ReleaseReport,
) -> None:
    assert [Path(r.path).name for r in report.releases] == [
        "1 copy.ogg",
        "2 new.flac",
        "3 bare.wav",
    ]
    reasons = {Path(skipped.path).name: skipped.reason for skipped in report.skipped}
    assert reasons.keys() == {"4 broken.mp3", "gone.flac", "Two.m3u8"}
    assert "not readable as audio" in reasons["4 broken.mp3"]
    assert "0 of its 1 tracks" in reasons["Two.m3u8"]


def test_a_score_is_exactly_the_sum_of_its_contributions(report: ReleaseReport) -> None:
    for release in report.releases:
        assert len(release.neighbors) == 5
        scores = [near.score for near in release.neighbors]
        assert scores == sorted(scores, reverse=True)
        for near in release.neighbors:
            assert near.score == sum(near.contributions.values())
            assert set(near.contributions) <= set(report.weights)
            assert -1 <= near.score <= 1 + 1e-6


def test_a_release_without_tags_is_judged_by_what_is_heard_and_measured(
    report: ReleaseReport,
) -> None:
    bare = named(report, "3 bare.wav")
    measured = {"audio", "tempo", "key", "loudness", "sound"}
    assert all(set(near.contributions) <= measured for near in bare.neighbors)
    assert bare.title == "3 bare"  # as its name says


def test_a_copy_is_recognized_and_is_not_its_own_neighbor(report: ReleaseReport) -> None:
    copy = named(report, "1 copy.ogg")
    assert [double.kind for double in copy.doubles][:1] == ["same audio"]
    assert copy.doubles[0].path.endswith("01 Granite.ogg")
    assert copy.id not in {near.id for near in copy.neighbors}
    assert [found.contains for found in copy.playlists] == [True]


def test_the_own_artist_is_no_look_alike(report: ReleaseReport) -> None:
    new = named(report, "2 new.flac")
    assert {found.artist for found in new.artists} == {"Bruno", "Carla"}
    assert any(near.same_artist for near in new.neighbors)
    best = max(new.artists, key=lambda found: found.score)
    assert new.artists[0] == best
    assert "the same artist: Alba" in " ".join(w for near in new.neighbors for w in near.shared)


def test_passages_lie_within_both_tracks(report: ReleaseReport) -> None:
    for release in report.releases:
        for near in release.neighbors:
            assert near.passage is not None
            assert 0 <= near.passage.start
            assert near.passage.start + near.passage.seconds <= max(release.seconds, 3) + 0.1
            assert near.passage.other + near.passage.seconds <= max(near.seconds, 3) + 0.1
            assert len(near.curve) == len(release.windows)


def test_the_sheet_goes_over_the_tags(report: ReleaseReport) -> None:
    about = named(report, "2 new.flac").metadata
    assert (about.title, about.isrc, about.label) == (HOSTILE, "GBAYE0601498", "Quiet")


def test_what_is_missing_is_said(report: ReleaseReport) -> None:
    bare = {finding.field for finding in named(report, "3 bare.wav").findings}
    new = {finding.field for finding in named(report, "2 new.flac").findings}
    assert {"title", "artist", "isrc", "genres", "date", "label"} <= bare
    assert not {"title", "artist", "isrc", "genres", "date", "label"} & new


def test_little_sound_is_little_confidence(report: ReleaseReport) -> None:
    assert {release.confidence.level for release in report.releases} == {"low"}


def test_a_recommender_is_asked_with_what_was_heard(report: ReleaseReport, oracle: Oracle) -> None:
    assert [items.ids for items in oracle.asked] == [(r.id,) for r in report.releases]
    assert all(items.heard.all() for items in oracle.asked)
    audience = report.releases[0].audience
    assert audience is not None
    assert audience.listeners[0].name == "Nora"


def test_rows_are_one_a_release_and_neighbor(report: ReleaseReport) -> None:
    rows = report.rows()
    assert len(rows) == 15
    for row in rows:
        parts = [value for name, value in row.items() if name.startswith("from_")]
        assert math.fsum(parts) == pytest.approx(row["score"], abs=1e-12)


def test_everything_is_json(report: ReleaseReport) -> None:
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["releases"][1]["metadata"]["title"] == HOSTILE
    near = told["releases"][0]["neighbors"][0]
    assert near["score"] == sum(near["contributions"].values())


# The page


class Reader(HTMLParser):
    """Collects a page's elements, and holds that what is opened is closed."""

    VOID = {"meta", "br"}

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read_page(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_needs_nothing_else(report: ReleaseReport, tmp_path: Path) -> None:
    reader = read_page(render_page(report, folder=tmp_path / "out"))
    for tag, attributes in reader.elements:
        assert tag not in ("link", "img", "iframe", "object", "embed")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert sum(tag == "script" for tag, _ in reader.elements) == 1


def test_what_tags_say_cannot_become_part_of_the_page(report: ReleaseReport) -> None:
    page = render_page(report)
    assert "<script" not in page
    assert HOSTILE in "".join(read_page(page).text)


def test_players_name_files_as_they_lie_from_the_page(
    report: ReleaseReport, tmp_path: Path
) -> None:
    from urllib.parse import unquote

    folder = tmp_path / "out"
    reader = read_page(render_page(report, folder=folder))
    sources = [unquote(a["data-src"] or "") for _, a in reader.elements if "data-src" in a]
    assert len(sources) >= 3 * (1 + 2 * 5)
    assert all((folder / source).resolve().exists() for source in sources)
    assert "data-src" not in render_page(report)


def test_the_numbers_on_the_page_add_up(report: ReleaseReport) -> None:
    rows = re.findall(
        r'class="score num">([\d.-]+)<.*?<div class="parts">(.*?)</div>', render_page(report)
    )
    assert len(rows) == 15
    for score, parts in rows:
        numbers = re.findall(r"([\d.-]+)</span>", parts)
        assert sum(round(10 * float(number)) for number in numbers) == round(10 * float(score))


def test_the_clear_part_of_a_bar_is_the_score() -> None:
    assert "<u" not in score_bar({"audio": 0.3, "genres": 0.2})
    drawn = score_bar({"audio": -0.1, "genres": 0.3, "tempo": 0.2})
    assert re.findall(r"width:([\d.]+)%", drawn) == ["30.00", "20.00"]
    assert re.findall(r"left:([\d.]+)%", drawn) == ["40.00"]


def test_a_map_has_every_neighbor_inside(report: ReleaseReport) -> None:
    drawn = map_plot(report.releases[1].neighbors)
    spots = re.findall(r'<circle class="\w+" cx="([\d.-]+)" cy="([\d.-]+)"', drawn)
    assert len(spots) == 5
    assert all(0 <= float(x) <= 480 and 0 <= float(y) <= 400 for x, y in spots)


@given(
    st.dictionaries(st.text(max_size=3), st.floats(-1, 1, allow_subnormal=False), max_size=13),
)
@settings(max_examples=200, deadline=None)
def test_rounded_parts_add_up_to_the_rounded_sum(parts: dict[str, float]) -> None:
    units = rounded_shares(parts)
    assert list(units) == list(parts)
    assert sum(units.values()) == round(math.fsum(v / 0.001 for v in parts.values()))
    assert all(abs(units[name] - value / 0.001) <= 1 for name, value in parts.items())


# The folder


def test_a_report_is_three_files_that_agree(report: ReleaseReport, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    assert write_report(report, folder) == [folder / name for name in REPORT_FILES]
    with open(folder / "report.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = json.loads((folder / "report.json").read_text())
    assert [float(row["score"]) for row in rows] == [
        near["score"] for release in told["releases"] for near in release["neighbors"]
    ]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["report"]


def test_an_earlier_report_is_replaced_and_nothing_else_is(
    report: ReleaseReport, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    write_report(report, folder)
    (folder / "report.csv").write_text("old")
    write_report(report, folder, players=False)
    assert (folder / "report.csv").read_text() != "old"
    (folder / "song.flac").write_bytes(b"mine")
    with pytest.raises(MusicuError, match=r"song\.flac"):
        write_report(report, folder)
    assert (folder / "song.flac").read_bytes() == b"mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(MusicuError, match="is a file"):
        write_report(report, tmp_path / "file")


@pytest.mark.parametrize("step", ["write", "move"])
def test_a_report_that_cannot_be_written_leaves_the_earlier_one(
    report: ReleaseReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = tmp_path / "report"
    write_report(report, folder)
    before = (folder / "report.html").read_bytes()
    move = os.replace

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    def stuck(source: Path, target: Path) -> None:
        full() if source.suffix == ".tmp" else move(source, target)

    monkeypatch.setattr(*((json, "dump", full) if step == "write" else (os, "replace", stuck)))
    with pytest.raises(MusicuError, match="No space left"):
        write_report(replace(report, releases=report.releases[:1]), folder)
    assert (folder / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


# What cannot be reported on


def test_mistakes_are_one_line_each(original: Shelf, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.csv").write_text("name\nx\n")
    (tmp_path / "song.mp3").write_bytes(b"no music" * 100)
    with original.open() as catalog:
        for paths, options, kind, text in (
            (["gone"], {}, CatalogError, "no such file"),
            (["empty"], {}, CatalogError, "no audio file"),
            (["song.mp3"], {}, AudioError, "no file could be used"),
            (["song.mp3"], {"metadata": tmp_path / "bad.csv"}, MetadataError, "needs a column"),
            (["song.mp3"], {"playlists": [tmp_path / "empty"]}, CatalogError, "no playlist"),
        ):
            with pytest.raises(kind, match=text) as caught:
                release_report(catalog, [tmp_path / path for path in paths], **options)
            assert "\n" not in str(caught.value)


def test_an_empty_catalog_says_how_to_fill_it(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", notes(SR, 3), SR)
    with Catalog(tmp_path / "none.db") as catalog, pytest.raises(CatalogError, match="embed"):
        release_report(catalog, [tmp_path / "a.wav"])


# Judgment


def test_what_lies_far_from_all_is_unlike_the_catalog() -> None:
    rng = np.random.default_rng(0)
    cloud = unit(np.eye(1, 16) + 0.2 * rng.standard_normal((60, 16)))
    outliers = OutlierDetector(cloud, [f"artist {i}" for i in range(60)])
    far, near = np.eye(16, dtype=np.float32)[-1], np.eye(16, dtype=np.float32)[0]
    outside, inside = outliers.judge(far, ""), outliers.judge(near, "")
    assert outside and inside
    assert outside.percentile == 0
    assert outside.words.startswith("unlike the catalog")
    assert inside.percentile == 100
    assert inside.similarity > outside.similarity


def test_tracks_of_the_catalog_are_spread_over_all_percentiles() -> None:
    rng = np.random.default_rng(1)
    cloud = unit(rng.standard_normal((200, 8)))
    names = [f"artist {i // 4}" for i in range(200)]
    outliers = OutlierDetector(cloud, names)
    found = [outliers.judge(v, name) for v, name in zip(cloud, names, strict=True)]
    percentiles = sorted(one.percentile for one in found if one)
    # A track's own row is among its artist's, which are left out: it is asked as it was counted.
    np.testing.assert_allclose(percentiles, np.arange(200) / 2, atol=1.1)


def test_the_own_artists_tracks_make_nobody_usual() -> None:
    mine = np.repeat(np.eye(8, dtype=np.float32)[:1], 6, axis=0)
    others = unit(np.eye(1, 8, 4) + 0.1 * np.random.default_rng(2).standard_normal((30, 8)))
    outliers = OutlierDetector(
        np.concatenate([mine, others]), ["me"] * 6 + [f"{i}" for i in range(30)]
    )
    by_me, by_nobody = outliers.judge(mine[0], "me"), outliers.judge(mine[0], "")
    assert by_me and by_nobody
    assert by_me.similarity < 0.5 < by_nobody.similarity


def test_a_catalog_of_one_artist_cannot_say_what_is_unusual_for_that_artist() -> None:
    outliers = OutlierDetector(np.eye(4, dtype=np.float32), ["me"] * 4)
    assert outliers.judge(np.eye(4, dtype=np.float32)[0], "me") is None


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "high"),
        ({"seconds": 20.0}, "medium"),
        ({"seconds": 4.0}, "low"),
        ({"active": 0.4}, "medium"),
        ({"active": 0.1}, "low"),
        ({"problem": "10 of 20 s are there"}, "medium"),
        ({"tracks": 5}, "low"),
        ({"fields": 0}, "medium"),
        ({"percentile": 0.5}, "medium"),
    ],
)
def test_confidence_has_its_reasons(change: dict[str, Any], level: str) -> None:
    usual: dict[str, Any] = {
        "seconds": 200.0,
        "active": 0.98,
        "problem": None,
        "tracks": 5000,
        "fields": 4,
        "percentile": 50.0,
    }
    found = judge_confidence(**(usual | change))
    assert found.level == level
    assert bool(found.reasons) == bool(change)


# Playlists


def _similarity(points: list[float]) -> np.ndarray:
    """Similarities of points on a line."""
    x = np.array(points)
    return 1 - np.abs(x[:, None] - x[None, :]) / 10


@given(st.integers(3, 12), st.floats(0.5, 11.5))
@settings(max_examples=60, deadline=None)
def test_a_track_is_placed_between_its_neighbors(n: int, place: float) -> None:
    place = min(place, n - 0.5)
    assume(abs(place - round(place)) > 1e-6)  # at a track, both sides of it are as good
    line = [float(i) for i in range(n)]
    near = 1 - np.abs(np.array(line) - place) / 10
    found = fit_playlist(_similarity(line), near)
    assert found is not None
    inside = place < n - 1
    if inside:
        assert found.position == int(place) + 2
    else:
        assert found.position == n + 1


def test_more_is_asked_by_a_playlist_of_one_mood() -> None:
    rng = np.random.default_rng(3)
    tight = unit(np.eye(1, 12) + 0.05 * rng.standard_normal((10, 12)))
    mixed = unit(np.eye(1, 12) + 0.5 * rng.standard_normal((10, 12)))
    track = unit(np.eye(1, 12) + 0.2 * rng.standard_normal((1, 12)))[0]
    strict = fit_playlist((tight @ tight.T).astype(float), (tight @ track).astype(float))
    easy = fit_playlist((mixed @ mixed.T).astype(float), (mixed @ track).astype(float))
    assert strict and easy
    assert strict.closeness > easy.closeness
    assert (strict.verdict, easy.verdict) == ("does not fit", "fits")


def test_two_tracks_are_no_playlist() -> None:
    assert fit_playlist(np.ones((2, 2)), np.ones(2)) is None


# Metadata

WHOLE = Metadata(
    title="Song",
    artist="Alba",
    artists=("Alba",),
    album="Songs",
    date="2020-05-01",
    year=2020,
    genres=("Jazz",),
    label="Quiet",
    isrc="GBAYE0601498",
)
MEASURED = {
    "tempo": 120.0,
    "tempo_confidence": 0.9,
    "tempo_candidates": ((120.0, 1.0), (60.0, 0.5)),
    "key": "A minor",
    "key_confidence": 0.9,
    "loudness": -12.0,
    "peak": -1.5,
}
TAGS = (Tag(name="Jazz", kind="genre"), Tag(name="metal", kind="genre", threshold=0.2))


def fields_found(
    about: Metadata = WHOLE, *, heard: dict[str, float] | None = None, **measured: Any
) -> list[str]:
    found = check_metadata(
        about,
        descriptors=MEASURED | measured,
        heard=heard or {"Jazz": 0.8, "metal": 0.05},
        tags=TAGS,
        codec="flac",
        sr=44100,
        channels=2,
    )
    return [finding.field for finding in found]


def test_a_complete_release_has_nothing_to_mend() -> None:
    assert fields_found() == []


@pytest.mark.parametrize("bpm", [120.0, 60.0, 240.0, 121.0])
def test_octaves_of_a_tempo_are_no_contradiction(bpm: float) -> None:
    assert fields_found(replace(WHOLE, bpm=bpm)) == []


def test_another_tempo_is_a_contradiction_unless_the_measurement_is_unsure() -> None:
    about = replace(WHOLE, bpm=100.0)
    assert fields_found(about) == ["bpm"]
    assert fields_found(about, tempo_confidence=0.05) == []


@pytest.mark.parametrize(("key", "wrong"), [("Am", 0), ("8A", 0), ("C", 0), ("F#", 1), ("1A", 1)])
def test_a_key_may_be_the_relative_one(key: str, wrong: int) -> None:
    assert fields_found(replace(WHOLE, key=key)) == ["key"] * wrong


def test_year_and_date_must_agree() -> None:
    assert fields_found(replace(WHOLE, year=2019)) == ["year"]


def test_a_contradiction_is_found_by_one_rule_and_named_only_in_a_collection() -> None:
    wrong = Item("x", replace(WHOLE, title="It: a song", year=2019), MEASURED)
    (alone,), (among,) = item_contradictions(wrong), contradictions(Items([wrong]))
    assert among.text == f"{WHOLE.artist} - It: a song: {alone.text}"
    assert (alone.severity, alone.kind, alone.field) == ("warning", "years disagree", "year")
    assert (among.ids, alone.text) == (("x",), f"the year is 2019, the date {WHOLE.date}")


def test_a_genre_is_contradicted_only_by_what_is_clearly_heard() -> None:
    assert fields_found(heard={"Jazz": 0.05, "metal": 0.9}) == ["genres"]
    assert fields_found(heard={"Jazz": 0.05, "metal": 0.4}) == []
    assert fields_found(heard={"Jazz": 0.6, "metal": 0.9}) == []
    unknown = replace(WHOLE, genres=("Joik",))
    assert fields_found(unknown, heard={"Jazz": 0.05, "metal": 0.9}) == []


def test_a_hot_master_is_told_with_what_services_do_to_it() -> None:
    assert fields_found(loudness=-6.0) == ["loudness"]
    assert fields_found(loudness=-6.0, peak=0.0) == ["loudness", "peak"]


def test_the_sheet_and_the_tags_contradict_each_other_in_what_both_say() -> None:
    sheet = Metadata(title="SONG", artist="Bruno", isrc="GBAYE0601499")
    assert [(f.severity, f.field) for f in compare_sheet(WHOLE, sheet)] == [
        ("warning", "artist"),
        ("error", "isrc"),
    ]


# The command


@pytest.fixture
def told(run_cli: RunCli, original: Shelf, batch: Path, tmp_path: Path) -> Iterator[Any]:
    done = run_cli(
        "release",
        batch / "2 new.flac",
        batch / "4 broken.mp3",
        *("--catalog", original.db, "--out", tmp_path / "report", "-n", "2", "--json"),
    )
    yield done


def test_the_command_writes_the_report_and_tells_what_it_left_out(
    told: Any, tmp_path: Path
) -> None:
    assert told.returncode == 0, told.stderr
    assert len(json.loads(told.stdout)["releases"]) == 1
    assert "4 broken.mp3: not readable as audio" in told.stderr
    assert {path.name for path in (tmp_path / "report").iterdir()} == set(REPORT_FILES)


def test_the_command_fails_in_one_line(run_cli: RunCli, original: Shelf, batch: Path) -> None:
    for words, text in (
        (("release", batch, "--catalog", "none.db"), "no catalog"),
        (("release", batch, "--catalog", original.db, "--out", batch), "other things"),
    ):
        done = run_cli(*words, cwd=batch.parent)
        assert done.returncode == 1
        assert text in done.stderr
        assert done.stderr.count("\n") == 1
