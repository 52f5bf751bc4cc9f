"""What mutagen reads is read here: a matrix of formats, fields, encodings and writers.

Nothing that mutagen reads is lost. Where the two differ, that is stated and tested below.
"""

import random
import string
from pathlib import Path
from typing import Any

import mutagen
import pytest
from mutagen import id3
from mutagen.apev2 import APEv2
from mutagen.mp4 import MP4FreeForm
from tagged_files import NAMED, TAGGERS, UUIDS, write_audio
from yardstick import read_by_mutagen

from musicu.metadata.fields import Metadata
from musicu.metadata.file_tags import read_tags

ALPHABETS = {
    0: string.ascii_letters + " éüñÅß",
    1: string.ascii_letters + " éжλ米𝄞",
    2: string.ascii_letters + " éжλ米𝄞",
    3: string.ascii_letters + " éжλ米𝄞",
}
FRAMES = ("TIT2", "TPE1", "TPE2", "TALB", "TCON", "TPUB", "TSRC", "TBPM", "TKEY", "TRCK", "TPOS")
MP4_ATOMS = ("\xa9nam", "\xa9ART", "aART", "\xa9alb", "\xa9day", "\xa9gen", "desc")


def some_text(rng: random.Random, alphabet: str) -> str:
    # Words that no rule splits, and that stand for themselves.
    return "Q" + "".join(rng.choices(alphabet, k=rng.randint(1, 60))).strip()


def known_to(found: Metadata) -> dict[str, Any]:
    """What tags say, without what a path does."""
    told = found.to_dict()
    guessed = told.pop("guessed", ())
    return {name: value for name, value in told.items() if name not in guessed}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sounds")
    for kind in TAGGERS:
        write_audio(folder / f"a.{kind}")
    return {kind: (folder / f"a.{kind}").read_bytes() for kind in TAGGERS}


@pytest.fixture
def write(tmp_path: Path, sounds: dict[str, bytes]) -> Any:
    def write(kind: str) -> Path:
        path = tmp_path / f"a.{kind}"
        path.write_bytes(sounds[kind])
        return path

    return write


def assert_same(path: Path) -> None:
    expected = read_by_mutagen(path).to_dict()
    assert expected
    assert known_to(read_tags(path)) == expected


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("encoding", ALPHABETS)
@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("kind", ["mp3", "wav", "aiff"])
def test_id3(write: Any, kind: str, version: int, encoding: int, seed: int) -> None:
    if version == 3 and encoding > 1:
        encoding = 1  # version 2.3 has no other
    rng = random.Random(seed)
    path = write(kind)
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for name in FRAMES:
        several = rng.randint(1, 3) if version == 4 else 1
        texts = [some_text(rng, ALPHABETS[encoding]) for _ in range(several)]
        texts = {"TBPM": ["120"], "TRCK": ["3/12"], "TPOS": ["1"], "TSRC": ["GBAYE9700123"]}.get(
            name, texts
        )
        file.tags.add(getattr(id3, name)(encoding, texts))
    for name in ("ARTISTS", "MusicBrainz Album Id", "MOOD", "RELEASECOUNTRY"):
        text = UUIDS[0] if "Id" in name else some_text(rng, ALPHABETS[encoding])
        file.tags.add(id3.TXXX(encoding, name, [text]))
    file.tags.add(id3.UFID("http://musicbrainz.org", UUIDS[1].encode()))
    file.tags.add(id3.APIC(0, "image/png", 3, "cover", rng.randbytes(70_000)))
    file.tags.add(id3.TDRC(0, [rng.choice(["1997", "1997-09", "1997-09-22"])]))
    if version == 3:
        file.tags.update_to_v23()
    file.save(v2_version=version)
    assert_same(path)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["flac", "ogg", "opus"])
def test_vorbis_comments(write: Any, kind: str, seed: int) -> None:
    rng = random.Random(seed)
    path = write(kind)
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    names = [*NAMED, "ARTISTS", "Album Title", "YEAR", "ORIGINALDATE", "metadata_block_picture"]
    for name in rng.sample(names, 12):
        texts = NAMED.get(name) or [some_text(rng, ALPHABETS[3]) for _ in range(rng.randint(1, 3))]
        file.tags[rng.choice([str.upper, str.lower])(name)] = texts
    file.save()
    assert_same(path)


@pytest.mark.parametrize("seed", range(6))
def test_mp4(write: Any, seed: int) -> None:
    rng = random.Random(seed)
    path = write("m4a")
    file = mutagen.File(path)
    for atom in rng.sample(MP4_ATOMS, 5):
        file.tags[atom] = [some_text(rng, ALPHABETS[3]) for _ in range(rng.randint(1, 3))]
    file.tags.update({"trkn": [(7, 9)], "disk": [(2, 2)], "tmpo": [rng.randint(1, 300)]})
    file.tags["covr"] = [rng.randbytes(70_000)]
    for name in rng.sample(sorted(NAMED), 8):
        values = [MP4FreeForm(text.encode()) for text in NAMED[name]]
        file.tags[f"----:com.apple.iTunes:{name}"] = values
    file.save()
    assert_same(path)


@pytest.mark.parametrize("seed", range(6))
def test_asf(write: Any, seed: int) -> None:
    rng = random.Random(seed)
    path = write("wma")
    file = mutagen.File(path)
    for name in ("Title", "Author", "WM/AlbumTitle", "WM/AlbumArtist", "WM/Genre", "WM/Mood"):
        file.tags[name] = [some_text(rng, ALPHABETS[1]) for _ in range(rng.randint(1, 3))]
    file.tags["WM/Year"] = "1997-09-22"
    file.tags["WM/TrackNumber"] = [mutagen.asf.ASFDWordAttribute(rng.randint(1, 99))]
    file.tags["WM/ARTISTS"] = ["A", "B"]
    file.tags["Description"] = "a comment"
    file.tags["WM/Picture"] = [mutagen.asf.ASFByteArrayAttribute(rng.randbytes(70_000))]
    file.save()
    assert_same(path)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["wv", "mp3"])
def test_apev2(write: Any, kind: str, seed: int) -> None:
    rng = random.Random(seed)
    path = write(kind)
    tags = APEv2()
    for name in ("Title", "Artist", "Album", "Genre", "Label", "Mood", "Album Artist"):
        tags[name] = [some_text(rng, ALPHABETS[3]) for _ in range(rng.randint(1, 3))]
    tags.update({"Year": "1997-09-22", "Track": "3/12"})
    tags["Cover Art (Front)"] = mutagen.apev2.APEValue(rng.randbytes(70_000), 1)
    tags.save(path)
    assert_same(path)


@pytest.mark.parametrize("genre", range(0, 192, 7))
def test_numbered_genres(write: Any, genre: int) -> None:
    path = write("mp3")
    tags = id3.ID3()
    tags.add(id3.TCON(0, [f"({genre})"]))
    tags.save(path)
    assert_same(path)


@pytest.mark.parametrize("kind", TAGGERS)
def test_every_field_of_every_format(write: Any, kind: str) -> None:
    path = write(kind)
    TAGGERS[kind](path)
    assert_same(path)


def test_differences_are_these(write: Any) -> None:
    """Where mutagen reads something else, on purpose."""
    path = write("mp3")
    tags = id3.ID3()
    tags.add(id3.TIT2(3, ["Track 01"]))
    tags.add(id3.TPE1(3, ["Alpha", "Alpha"]))
    tags.save(path)
    assert read_by_mutagen(path).title == "Track 01"
    assert known_to(read_tags(path)) == {"artist": "Alpha", "artists": ["Alpha"]}
