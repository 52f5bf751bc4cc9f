import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import RunCli, Shelf

from musicu.errors import MetadataError, RecommenderError
from musicu.items.item import Item, Items
from musicu.items.named_items import NamedItems
from musicu.metadata.fields import Metadata
from musicu.recommend.interactions import read_interactions
from musicu.recommend.listening_exports import Listen, is_listening_export, read_listens
from musicu.recommend.matched_listens import match_listens

MBID = "0a0a0a0a-0000-4000-8000-000000000001"


def listen(artist: str, title: str, at: int, **more: Any) -> dict[str, Any]:
    about = {"artist_name": artist, "track_name": title, "release_name": "Album", **more}
    return {"listened_at": at, "track_metadata": about, "recording_msid": "x", "inserted_at": at}


def listenbrainz(path: Path) -> Path:
    """A zip as listenbrainz.org/settings/export gives it."""
    first = listen("Björk", "Jóga", 1_700_000_000, mbid_mapping={"recording_mbid": MBID.upper()})
    months = {
        "listens/2023/11.jsonl": [first],
        "listens/2024/1.jsonl": [
            listen("Alba feat. Bruno", "Dawn", 1_704_100_000, additional_info={"isrc": "x"}),
            listen("Nobody", "Nothing", 1_704_200_000, mbid_mapping=None),
        ],
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("user.json", json.dumps({"user_id": 1, "username": "ana"}))
        archive.writestr("feedback.jsonl", json.dumps({"score": 1}))
        for name, rows in months.items():
            archive.writestr(name, "".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_listenbrainz_as_it_is_downloaded(tmp_path: Path) -> None:
    path = listenbrainz(tmp_path / "listenbrainz_ana_1706000000.zip")
    assert is_listening_export(path)
    first, second, third = read_listens(path)
    assert first == Listen("ana", "Björk", "Jóga", "Album", MBID, 1_700_000_000.0)
    assert (second.artist, second.recording, third.title) == ("Alba feat. Bruno", "", "Nothing")
    lines = tmp_path / "bea.jsonl"
    lines.write_text(json.dumps(listen("A", "B", 5)) + "\n\n" + json.dumps({"x": 1}) + "\n")
    assert read_listens(lines) == [Listen("bea", "A", "B", "Album", "", 5.0)]
    array = tmp_path / "cleo.json"
    array.write_text(json.dumps([listen("A", "B", 5), listen("A", "C", 6)], indent=1))
    assert [one.title for one in read_listens(array)] == ["B", "C"]


LASTFM = {
    "dora.csv": 'Björk,Homogenic,"Jóga, live",31 Dec 2023 23:59\nBjörk,,Hyperballad,\n',
    "recenttracks-dora-1700000000.csv": (
        '"uts","utc_time","artist","artist_mbid","album","album_mbid","track","track_mbid"\n'
        '"1704067140","31 Dec 2023, 23:59","Björk","","Homogenic","","Jóga, live",""\n'
        '"","","Björk","","","","Hyperballad",""\n'
    ),
    "lastfmstats-dora.csv": (
        "Artist;Album;AlbumId;Track;Date#dora\n"
        '"Björk";"Homogenic";"";"Jóga, live";"1704067140000"\n'
        '"Björk";"";"";"Hyperballad";""\n'
    ),
}


@pytest.mark.parametrize("name", LASTFM)
def test_lastfm_by_its_common_exporters(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(LASTFM[name], encoding="utf-8")
    assert read_listens(path) == [
        Listen("dora", "Björk", "Jóga, live", "Homogenic", "", 1704067140.0),
        Listen("dora", "Björk", "Hyperballad"),
    ]


def test_what_is_none_is_told_from_them(tmp_path: Path) -> None:
    log = tmp_path / "plays.csv"
    log.write_text("user,item,weight,time\na,b,1,5\n")
    empty = tmp_path / "empty.zip"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("cover.jpg", b"x")
    binary = tmp_path / "x.bin"
    binary.write_bytes(bytes(range(256)))
    for path in (log, empty, binary, tmp_path / "none", tmp_path):
        assert not is_listening_export(path)
    damaged = tmp_path / "d.jsonl"
    damaged.write_text(json.dumps(listen("A", "B", 5)) + "\n{cut")
    with pytest.raises(MetadataError, match="damaged"):
        read_listens(damaged)
    listenbrainz(tmp_path / "e.zip")
    damaged.unlink()
    assert len(read_listens(tmp_path)) == 3  # of a folder, all that are some


ITEMS = Items(
    [
        Item("joga", Metadata(title="Joga", artist="Bjork", album="Homogenic", mb_recording=MBID)),
        Item("dawn", Metadata(title="Dawn", artists=("Alba",), album="One")),
        Item("dawn2", Metadata(title="Dawn", artists=("Alba",), album="First Light")),
        Item("noon", Metadata(title="Noon (Remastered 2011)", artist="The Alba & Co.")),
        Item("none", Metadata()),
    ]
)


@pytest.mark.parametrize(
    ("heard", "id"),
    [
        (Listen("", "x", "y", "", MBID), "joga"),
        (Listen("", "Björk", "Jóga"), "joga"),
        (Listen("", "BJORK", "Joga (Live at Home)"), "joga"),
        (Listen("", "Alba", "dawn", "First light!"), "dawn2"),
        (Listen("", "Bruno feat. Alba", "Dawn"), "dawn"),
        (Listen("", "Alba and Co", "Noon"), "noon"),
        (Listen("", "Somebody", "Dawn"), None),
        (Listen("", "", ""), None),
    ],
)
def test_names_are_matched_as_they_are_spelled(heard: Listen, id: str | None) -> None:
    assert NamedItems(ITEMS).find(heard.artist, heard.title, heard.album, heard.recording) == id


def test_what_is_not_matched_is_counted_and_said(tmp_path: Path) -> None:
    listens = read_listens(listenbrainz(tmp_path / "x.zip"))
    matched = match_listens(listens, ITEMS, source="x.zip")
    assert matched.item == ["joga", "dawn"]
    assert matched.summary() == (
        "matched 2 of 3 listens, to 2 of 3 tracks; most heard of the others: Nobody - Nothing (1)"
    )
    log = read_interactions(matched.columns())
    assert (log.users, log.items) == (("ana",), ("dawn", "joga"))
    with pytest.raises(RecommenderError, match="none of 1 tracks"):
        match_listens([Listen("a", "b", "c")], ITEMS, source="x")


def test_fit_reads_them(original: Shelf, run_cli: RunCli, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    with original.open() as catalog:
        tracks = [track for track in catalog.tracks() if track["artist"]]
    for number in range(4):
        rows = [
            f'"{track["artist"]}",,"{track["title"]}",0{day} Jan 2024 10:0{number}\n'
            for day, track in enumerate([*tracks[number:], *tracks[:number]][:4], start=1)
        ]
        (folder / f"user{number}.csv").write_text(
            "".join([*rows, rows[0], "X,,Y,01 Feb 2024 1:00\n"])
        )
    words = ["--catalog", original.db, "--out", tmp_path / "model"]
    done = run_cli("fit", folder, *words)
    assert done.returncode == 0, done.stderr
    assert "matched 20 of 24 listens, to 6 of 7 tracks" in done.stderr
    assert "most heard of the others: X - Y (4)" in done.stderr
