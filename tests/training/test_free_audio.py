"""The recipe that collects free audio from Debian's packages, on a package made here."""

import csv
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from debian_copyright import is_free, read_copyright, stanza_for
from free_audio import (
    RATE,
    decode,
    group_songs,
    guess_kind,
    heard,
    judgements,
    known_works,
    piece_starts,
    rule_for,
)
from qt_resources import resource_files

RECIPE = Path(__file__).parents[2] / "recipes" / "free_audio.py"
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2009-2012, The Team <team@example.org>
License: GPL-2+

Files: data/music/*.ogg
 data/music/*.flac
Copyright: 2010 Ann Onym
License: CC-BY-SA-3.0

Files: data/music/closed.flac
Copyright: 2011 Bob
License: CC-BY-NC-3.0

Files: src/* debian/* src/tangram/resource/*
Copyright: 2012 Carl
License: MIT

License: CC-BY-SA-3.0
 The text.
 .
 More of it.
"""
needs_programs = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("dpkg-deb")), reason="needs ffmpeg and dpkg-deb"
)


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("usr/share/games/x/data/music/a.ogg", "CC-BY-SA-3.0"),
        ("usr/share/games/x/music/a.ogg", "CC-BY-SA-3.0"),  # "data" is not installed
        ("usr/share/games/x/music/closed.flac", "CC-BY-NC-3.0"),  # the later paragraph
        ("usr/share/games/x/sounds/a.ogg", "GPL-2+"),
        ("usr/share/games/x/debian.ogg", "GPL-2+"),  # a pattern's bare "*" names nothing
        ("usr/share/games/x/resource/a.ogg", "GPL-2+"),  # nor does one that lost two folders
    ],
)
def test_a_file_has_the_licence_of_the_paragraph_that_names_it(path: str, licence: str) -> None:
    stanza = stanza_for(read_copyright(COPYRIGHT), path)
    assert stanza is not None
    assert stanza.licence == licence


def test_a_chance_match_gives_way_to_one_that_names_more() -> None:
    text = "Files: share/game/Sounds/*\nLicense: CC0\n\nFiles: game/*\nLicense: MIT\n"
    stanza = stanza_for(read_copyright(text), "usr/share/game/Sounds/a.ogg")
    assert stanza is not None
    assert stanza.licence == "CC0"


def test_a_file_that_nothing_names_has_no_licence() -> None:
    assert stanza_for(read_copyright("Files: src/*\nLicense: MIT\n"), "usr/music/a.ogg") is None
    assert read_copyright("You may do as you like.") == []


def test_holders_come_without_years_and_addresses() -> None:
    assert read_copyright(COPYRIGHT)[0].holders == ("The Team",)


@pytest.mark.parametrize(
    "name", ["CC0-1.0", "GPL-3+", "CC-BY-NC-3.0 or GPL-2", "public-domain", "FAL-1.3", "Expat"]
)
def test_free(name: str) -> None:
    assert is_free(name)


@pytest.mark.parametrize(
    "name", ["CC-BY-NC-SA-4.0", "CC-BY-ND-3.0", "custom", "", "non-free", "CC-Sampling+"]
)
def test_not_free(name: str) -> None:
    assert not is_free(name)


@pytest.mark.parametrize("seconds", [15.0, 29.9, 30.0, 61.0, 119.9, 240.0, 3000.0])
def test_pieces_lie_inside_and_apart(seconds: float) -> None:
    pieces = piece_starts(seconds)
    assert len(pieces) == min(8, max(1, int(seconds / 30)))
    ends = [start + length for start, length in pieces]
    assert pieces[0][0] >= 0
    assert ends[-1] <= seconds + 1e-6
    assert all(start >= end - 1e-6 for (start, _), end in zip(pieces[1:], ends, strict=False))


def test_a_short_track_gives_nothing() -> None:
    assert piece_starts(14.99) == []


def test_kinds() -> None:
    assert guess_kind("usr/share/x/snd/music/ambient1.ogg", 5.0) == "music"
    assert guess_kind("usr/share/x/sounds/voices/classic/hello.ogg", 2.0) == "speech"
    assert guess_kind("usr/share/x/pak0.pk3!sound/weapons/gun.wav", 2.0) == "effects"
    assert guess_kind("usr/share/x/sounds/environment/rain.ogg", 99.0) == "ambience"
    assert guess_kind("usr/share/x/sounds/theme.ogg", 99.0) == "music"
    assert guess_kind("usr/share/x/tune.xm", 0.0) == "music"


def test_silence_is_not_heard() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert heard(np.zeros(RATE, np.float32)) == 0
    assert heard(noise) == 1
    assert heard(np.concatenate([noise, 0 * noise])) == pytest.approx(0.5)


def test_later_rules_win() -> None:
    rules = [{"files": "*.ogg", "kind": "music", "artist": "A"}, {"files": "*b*", "artist": "B"}]
    assert rule_for(rules, "x/b.ogg") == {"kind": "music", "artist": "B"}
    assert rule_for(rules, "x/b.txt") == {"artist": "B"}


def test_parts_of_a_song_are_one_track(tmp_path: Path) -> None:
    (tmp_path / "song.ini").write_text("[song]\nname = Loud\nartist = Ann\n", "latin-1")
    files = {f"s/{name}": tmp_path / name for name in ("song.ogg", "guitar.ogg", "click.ogg")}
    tracks = {track.path: track for track in group_songs(files)}
    assert set(tracks) == {"s/song.ogg", "s/click.ogg"}
    song = tracks["s/song.ogg"]
    assert (song.title, song.artist, len(song.files)) == ("Loud", "Ann", 2)


def test_resource_files() -> None:
    """A tree of one folder with two files, one of them compressed."""
    names, label = b"", {}
    for name in ("music", "a.ogg", "b.wav"):
        label[name] = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    sound = b"OggS and so on"
    payload = struct.pack(">I", len(sound)) + sound + struct.pack(">I", 1) + b"x"
    tree = struct.pack(">IHIIQ", 0, 2, 1, 1, 0) + struct.pack(">IHIIQ", label["music"], 2, 2, 2, 0)
    tree += struct.pack(">IHHHIQ", label["a.ogg"], 0, 0, 0, 0, 0)
    tree += struct.pack(">IHHHIQ", label["b.wav"], 1, 0, 0, 4 + len(sound), 0)
    head = struct.pack(">4I", 2, 20, 20 + len(tree), 20 + len(tree) + len(payload))
    assert list(resource_files(b"qres" + head + tree + payload + names)) == [("music/a.ogg", sound)]
    with pytest.raises(ValueError, match="no Qt resource"):
        list(resource_files(b"RIFF"))


def test_only_judgements_are_made_again(tmp_path: Path) -> None:
    table = tmp_path / "left_out.csv"
    table.write_text(
        "package,version,path,reason\np,1,a.ogg,sounds like music\np,1,b.ogg,cannot be decoded\n"
    )
    assert judgements(table) == {"p/a.ogg": "sounds like music"}
    assert judgements(tmp_path / "none.csv") == {}


def test_known_works(tmp_path: Path) -> None:
    for folder in ("game_music", "free_music"):
        (tmp_path / folder).mkdir()
        table = "source_track,title,project\nsupertux/cave.ogg,In the Cave,SuperTux\n"
        (tmp_path / folder / "manifest.csv").write_text(table)
    known = known_works(tmp_path)
    assert known["inthecave"] == known["cave"] == "free_music/SuperTux"


@pytest.fixture
def debs(tmp_path: Path) -> Path:
    """Return a folder with one package: two tunes, a closed one, a silent one, eight beeps."""
    tree = tmp_path / "tree"
    data = tree / "usr/share/games/made/data"
    rng = np.random.default_rng(1)
    for name, seconds, level in [
        ("music/long.flac", 65, 0.2),
        ("music/again.flac", 20, 0.2),
        ("music/closed.flac", 20, 0.2),
        ("music/silent.flac", 20, 0.0),
        *((f"sounds/beep{i}.wav", 3, 0.2) for i in range(8)),
    ]:
        file = data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, rng.normal(0, 0.3, (seconds * 8000, 2)) * level, 8000)
    shutil.copy(data / "music/again.flac", data / "music/same.flac")
    (data / "music/broken.ogg").write_bytes(b"OggS nothing")
    about = tree / "usr/share/doc/made-data/copyright"
    about.parent.mkdir(parents=True)
    about.write_text(COPYRIGHT)
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: made-data\nVersion: 1.2-3\nArchitecture: all\nMaintainer: A <a@example.org>\n"
        "Description: made\n"
    )
    folder = tmp_path / "debs"
    folder.mkdir()
    done = ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(folder / "made-data_1.deb")]
    subprocess.run(done, check=True, capture_output=True)
    return folder


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as rows:
        return list(csv.DictReader(rows))


@needs_programs
def test_a_package_is_cut(debs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(RECIPE), str(out), "made-data", "--debs", str(debs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "made-data 1.2-3: music 0.02 h" in done.stdout

    pieces = table(out / "manifest.csv")
    music = [row for row in pieces if row["kind"] == "music"]
    assert sorted(float(row["duration_s"]) for row in music) == [20, 30, 30]
    assert {(row["artist"], row["licence"]) for row in music} == {("Ann Onym", "CC-BY-SA-3.0")}
    for row in pieces:
        about = soundfile.info(out / row["file"])
        assert (about.samplerate, about.channels, about.subtype) == (RATE, 1, "PCM_16")
        assert about.duration == pytest.approx(float(row["duration_s"]), abs=1e-3)
    sounds = [row for row in pieces if row["kind"] == "effects"]
    assert sounds
    assert all(float(row["duration_s"]) <= 10 for row in sounds)
    assert all(row["file"].startswith("effects/") for row in sounds)

    reasons = {Path(row["path"]).name: row["reason"] for row in table(out / "left_out.csv")}
    assert reasons["closed.flac"] == "licence not known to be free: CC-BY-NC-3.0"
    assert reasons["silent.flac"] == "silent, or ends early"
    assert reasons["broken.ogg"] == "cannot be decoded"
    assert reasons["same.flac"].startswith("same file as made-data/")
    tracks = {Path(row["path"]).name: row for row in table(out / "free_audio.csv")}
    assert {"long.flac", "again.flac"} <= set(tracks)
    assert float(tracks["long.flac"]["seconds"]) == 65
    assert list(out.glob("unpacked*")) == []

    before = {file: file.stat().st_mtime_ns for file in (out / "audio").iterdir()}
    subprocess.run(command, capture_output=True, check=True)  # done already
    assert {file: file.stat().st_mtime_ns for file in (out / "audio").iterdir()} == before
    assert table(out / "manifest.csv") == pieces


@needs_programs
def test_files_that_sound_together_are_added(tmp_path: Path) -> None:
    times = np.arange(RATE) / RATE
    for name, hertz in (("song.flac", 440), ("guitar.flac", 660)):
        soundfile.write(tmp_path / name, 0.3 * np.sin(2 * np.pi * hertz * times), RATE)
    both = decode([tmp_path / "song.flac", tmp_path / "guitar.flac"], 0.0, 1.0)
    spectrum = np.abs(np.fft.rfft(both))
    assert set(np.argsort(spectrum)[-2:]) == {440, 660}


def test_a_missing_package_says_so(tmp_path: Path) -> None:
    if not shutil.which("apt-get"):
        pytest.skip("needs apt-get")
    command = [sys.executable, str(RECIPE), str(tmp_path / "out"), "no-such-package-xyz"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no-such-package-xyz cannot be had" in done.stdout
