import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeStore, RunCli, Shelf, unit

from musicu.errors import MetadataError, ModelError, MusicuError
from musicu.metadata.playlist import PlaylistEntry, playlist_file_name, read_m3u8, write_m3u8
from musicu.search.explorer import Explorer
from musicu.search.playlist_folder import write_playlists
from musicu.search.saved_queries import SavedQuery, answer_saved, like_playlist, read_saved_queries
from musicu.search.track_lists import DIVISIONS, ListLimits, TrackList, list_tracks

GROUPS, EACH, DIM = 3, 12, 8


@pytest.fixture
def groups(make_store: MakeStore) -> Explorer:
    """Three groups of tracks, each by an artist of its own but for its last two."""
    rng = np.random.default_rng(1)
    middles = unit(np.eye(DIM)[:GROUPS])
    rows = unit(np.repeat(middles, EACH, axis=0) + 0.1 * rng.standard_normal((GROUPS * EACH, DIM)))
    tags = [
        {"artist": f"Artist {at // EACH}" if at % EACH < EACH - 2 else "Guest", "title": f"T{at}"}
        for at in range(GROUPS * EACH)
    ]
    store, _ = make_store(rows, tags)
    return Explorer.open(store.path)


def numbers(found: TrackList) -> list[int]:
    return [int(id, 16) for id in found.ids]


def test_clusters_are_the_groups_that_there_are_each_track_once(groups: Explorer) -> None:
    lists = list_tracks(groups, "cluster", ListLimits(clusters=GROUPS))
    assert [one.name for one in lists] == ["Cluster 1", "Cluster 2", "Cluster 3"]
    assert {frozenset(at // EACH for at in numbers(one)) for one in lists} == {
        frozenset({0}),
        frozenset({1}),
        frozenset({2}),
    }
    assert sum(len(one.ids) for one in lists) == GROUPS * EACH
    assert lists == list_tracks(groups, "cluster", ListLimits(clusters=GROUPS))
    few = list_tracks(groups, "cluster", ListLimits(clusters=GROUPS, most=5, least=5))
    # The most typical first, so that a shorter list is the beginning of the longer one.
    assert [one.ids for one in few] == [one.ids[:5] for one in lists]


def test_more_clusters_than_there_are_different_tracks(make_store: MakeStore) -> None:
    store, _ = make_store(unit(np.ones((6, DIM))))
    (only,) = list_tracks(Explorer.open(store.path), "cluster", ListLimits(clusters=6, least=1))
    assert len(only.ids) == 6


def test_an_artists_list_is_what_is_like_all_of_theirs_others_too(groups: Explorer) -> None:
    lists = {one.name: one for one in list_tracks(groups, "artist", ListLimits(most=EACH))}
    assert list(lists) == ["Artist 0", "Artist 1", "Artist 2", "Guest"]
    assert {at // EACH for at in numbers(lists["Artist 1"])} == {1}
    assert len(lists["Artist 1"].ids) == EACH  # two of them by a guest
    assert "Guest" not in {one.name for one in list_tracks(groups, "artist", ListLimits(least=7))}
    some = list_tracks(groups, "artist", ListLimits(where="title != 'T0'"))
    assert all("0" * 32 not in one.ids for one in some)


def test_words_need_a_model_that_has_some(groups: Explorer, original: Shelf) -> None:
    with pytest.raises(ModelError, match="divide by cluster or by artist"):
        list_tracks(groups, "mood")
    explorer = Explorer.open(original.db)
    lists = list_tracks(explorer, "genre", ListLimits(least=1, include_non_music=True))
    for one in lists:
        for id in one.ids:
            assert one.name in explorer.details(id)["said"]


def test_limits_are_checked(groups: Explorer) -> None:
    with pytest.raises(MusicuError, match="no way to divide"):
        list_tracks(groups, "weather")
    with pytest.raises(MusicuError, match="a list has 5 to 3 tracks"):
        ListLimits(most=3)


def test_a_playlist_is_a_seed(groups: Explorer, tmp_path: Path) -> None:
    paths = [f"/music/{at:06}.flac" for at in range(4)]
    target = tmp_path / "Mine.m3u8"
    write_m3u8(target, [PlaylistEntry(path) for path in [*paths, "/music/lost.flac"]])
    found = like_playlist(groups, target, ListLimits(most=8))
    assert (found.name, found.kind) == ("Like Mine", "like")
    assert sorted(numbers(found)) == list(range(4, EACH))
    assert found.notes == (f"{target}: 4 of its 5 tracks are known",)
    write_m3u8(target, [PlaylistEntry("/music/lost.flac")])
    with pytest.raises(MusicuError, match="none of its 1 tracks is in the catalog"):
        like_playlist(groups, target)


def test_saved_queries_are_asked_again(groups: Explorer, tmp_path: Path) -> None:
    write_m3u8(tmp_path / "mine.m3u8", [PlaylistEntry("/music/000000.flac")])
    file = tmp_path / "queries.toml"
    file.write_text(
        '["By guests"]\nwhere = "artist = \'Guest\'"\n'
        '["Like mine"]\nlike = "mine.m3u8"\nn = 3\nmax-per-artist = 2\n'
        '["Less of it"]\nlike = ["T0"]\nless = ["T12"]\n'
    )
    first, second, third = read_saved_queries(file)
    assert first == SavedQuery(name="By guests", where="artist = 'Guest'")
    guests = answer_saved(groups, first, ListLimits(where="title != 'T11'"))
    assert (guests.kind, numbers(guests)) == ("query", [10, 22, 23, 34, 35])
    like = answer_saved(groups, second)
    assert len(like.ids) == 3 and {at // EACH for at in numbers(like)} == {0}
    assert len(answer_saved(groups, third).ids) == GROUPS * EACH - 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a", "not TOML"),
        ("a = 1", "not a table"),
        ("[a]\nn = 3", "say what it asks for"),
        ("[a]\nmax-per-artists = 1", "has no 'max-per-artists'; near is 'max-per-artist'"),
        ("[a]\nwhere = 3", "where is a text"),
        ("[a]\nlike = [3]", "a text or a list"),
        ("[a]\nfind = 'x'\nn = 'y'", "n is a number"),
        ("[a]\nfind = 'x'\nlike = 'y'", "not both"),
    ],
)
def test_a_file_of_queries_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "queries.toml"
    file.write_text(text)
    with pytest.raises(MetadataError) as caught:
        read_saved_queries(file)
    assert said in str(caught.value) and str(file) in str(caught.value)


def test_a_folder_is_written_anew_and_others_files_stay(groups: Explorer, tmp_path: Path) -> None:
    lists = [TrackList(name, "mood", (f"{0:032x}",)) for name in ("Jazz", "jazz", "AC/DC", "No")]
    lists[3] = TrackList("No", "mood", ())
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "Jazz.m3u8"
    mine.write_text("my own\n")
    catalog, target = groups.live.path, tmp_path / "out"
    plan = write_playlists(catalog, target, lists, dry_run=True)
    assert os.listdir(target) == ["Jazz.m3u8"]
    rows = write_playlists(catalog, target, lists)
    assert rows == plan
    states = [(Path(row.path).name, row.state) for row in rows]
    assert states == [("Jazz.m3u8", "kept"), ("jazz (2).m3u8", "new"), ("AC DC.m3u8", "new")]
    assert mine.read_text() == "my own\n"
    assert read_m3u8(target / "AC DC.m3u8") == ["/music/000000.flac"]
    text = (target / "AC DC.m3u8").read_text()
    assert "#PLAYLIST:AC/DC" in text and "\n/music" not in text
    assert [row.state for row in write_playlists(catalog, target, lists, relative=False)] == [
        *("kept", "replaced", "replaced")
    ]
    assert "\n/music/000000.flac\n" in (target / "AC DC.m3u8").read_text()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("con", "playlist con.m3u8"),
        ("x" * 300, "x" * 120 + ".m3u8"),
        ("東" * 99, "東" * 40 + ".m3u8"),
    ],
)
def test_names_are_held_by_every_system(title: str, name: str) -> None:
    assert playlist_file_name(title) == name


def test_the_command_says_what_it_does(original: Shelf, run_cli: RunCli, tmp_path: Path) -> None:
    target = tmp_path / "lists"
    words = ["playlists", target, "--by", "cluster", "--clusters", "2", "--least", "1"]
    words += ["--catalog", original.db, "--include-non-music", "--json"]
    tried = run_cli(*words, "--dry-run")
    assert (tried.returncode, target.exists()) == (0, False)
    assert "2 playlists would be written" in tried.stderr
    rows = json.loads(run_cli(*words).stdout)
    assert rows == json.loads(tried.stdout)
    assert sum(len(read_m3u8(row["path"])) for row in rows) == 8
    for row in rows:
        assert all(os.path.exists(path) for path in read_m3u8(row["path"]))
    done = run_cli("playlists", target, "--catalog", original.db)
    assert done.returncode == 2 and "say what kind" in done.stderr
    assert "|".join(DIVISIONS) in run_cli("playlists", "--help").stdout.replace("\n", "")
