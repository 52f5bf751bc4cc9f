"""Tags are written as others read them, audio stays, and all can be taken back."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from conftest import RunCli, Shelf
from mutagen import id3
from tagged_files import TAGGERS, write_audio

from musicu.audio.decode import identify
from musicu.audio.ogg import page_checksum
from musicu.errors import MetadataError
from musicu.metadata.file_tags import read_tags
from musicu.metadata.splices import from_json, inverse, joined, pieces, to_json
from musicu.metadata.tag_targets import RefusedError, key_notation
from musicu.metadata.tag_writing import plan_tags, read_undo, undo_tags, write_tags

NEW = {"bpm": ["128"], "key": ["Bbm"], "mood": ["Dreamy", "Träumerisch"]}
FORMATS = ("mp3", "flac", "ogg", "opus", "m4a")


def make(folder: Path, form: str, *, tagged: bool = True) -> Path:
    path = folder / f"song.{form}"
    write_audio(path)
    if tagged:
        TAGGERS[form](path)
    os.utime(path, ns=(10**18, 10**18))
    return path


def packets(path: Path) -> str:
    """A hash of all compressed audio."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            digest.update(bytes(packet))
    return digest.hexdigest()


def samples(path: Path) -> Any:
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)


def everything(path: Path) -> dict[str, list[str]]:
    """All tags as mutagen reads them."""
    tags = mutagen.File(path).tags or {}
    return {
        name: [str(one) for one in (v if isinstance(v, list) else [v])] for name, v in tags.items()
    }


OURS = {
    "mp3": ("TBPM", "TKEY", "TMOO"),
    "m4a": ("tmpo", "----:com.apple.iTunes:initialkey", "----:com.apple.iTunes:MOOD"),
    "flac": ("bpm", "initialkey", "mood"),
}
OURS |= {"ogg": OURS["flac"], "opus": OURS["flac"]}


def ours(path: Path) -> list[list[str]]:
    """The fields that are written, as mutagen reads them."""
    file = mutagen.File(path)
    found = []
    for name in OURS[path.suffix[1:]]:
        value = file.tags[name]
        values = getattr(value, "text", value)
        found.append([one.decode() if isinstance(one, bytes) else str(one) for one in values])
    return found


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_others_read_what_is_written_and_all_else_stays(
    tmp_path: Path, form: str, tagged: bool
) -> None:
    path = make(tmp_path, form, tagged=tagged)
    whole, before, known = path.read_bytes(), packets(path), everything(path)
    heard, id = samples(path), identify(path)
    edit = plan_tags(path, NEW, overwrite=True)
    assert path.read_bytes() == whole  # a plan is no more than that
    undo = tmp_path / "undo"
    write_tags(edit, undo)
    assert ours(path) == [["128"], ["Bbm"], ["Dreamy", "Träumerisch"]]
    assert (packets(path), identify(path)) == (before, id)
    assert np.array_equal(samples(path), heard)
    now = everything(path)
    names = set(OURS[form])
    assert {n: v for n, v in now.items() if n not in names} == {
        n: v for n, v in known.items() if n not in names
    }
    assert path.stat().st_mtime_ns == 10**18
    read = read_tags(path)
    assert (read.bpm, read.key) == (128.0, "Bbm")
    assert set(os.listdir(tmp_path)) == {path.name, "undo"}
    # What was written once is not written again.
    assert plan_tags(path, NEW, overwrite=True).values == {}
    (entry,) = read_undo(undo)
    assert undo_tags(entry)
    assert path.read_bytes() == whole
    assert path.stat().st_mtime_ns == 10**18
    assert not undo_tags(entry)


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_file_has_stays_unless_it_is_to_be_overwritten(tmp_path: Path, form: str) -> None:
    path = make(tmp_path, form)  # has 84, F#m and moods
    edit = plan_tags(path, NEW)
    assert edit.values == {} and edit.before["bpm"] == ("84",)
    assert plan_tags(path, {"bpm": ["128"]}, overwrite=True).values == {"bpm": ("128",)}


def test_id3_of_version_2_3_keeps_its_version_and_pictures(tmp_path: Path) -> None:
    path = make(tmp_path, "mp3", tagged=False)
    tags = id3.ID3()
    tags.add(id3.TIT2(1, ["Jóga"]))
    tags.add(id3.APIC(0, "image/png", 3, "cover", bytes(range(256)) * 50))
    tags.save(path, v2_version=3)
    write_tags(plan_tags(path, NEW), tmp_path / "undo")
    raw = id3.ID3(path, translate=False)
    assert raw.version == (2, 3, 0)
    assert [str(raw[name]) for name in ("TIT2", "TBPM", "TKEY", "TXXX:MOOD")] == [
        *("Jóga", "128", "Bbm", "Dreamy/Träumerisch")
    ]
    assert raw["APIC:cover"].data == bytes(range(256)) * 50
    assert plan_tags(path, NEW, overwrite=True).values == {}


def test_mp4_with_its_audio_behind_moves_it_and_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "fast.m4a"
    source = make(tmp_path, "m4a")
    with av.open(str(source)) as old:
        options = {"movflags": "faststart"}
        with av.open(str(path), "w", format="ipod", options=options) as new:
            stream = new.add_stream_from_template(old.streams.audio[0])
            for packet in old.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = stream
                    new.mux(packet)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    heard, id = samples(path), identify(path)
    long = {"mood": ["x" * 5000]}
    write_tags(plan_tags(path, {**NEW, **long}), tmp_path / "undo")
    assert len(path.read_bytes()) > len(data) + 4000
    assert identify(path) == id and np.array_equal(samples(path), heard)
    assert mutagen.File(path).tags["tmpo"] == [128]


def test_ogg_pages_keep_their_numbers_and_have_checksums(tmp_path: Path) -> None:
    path = make(tmp_path, "ogg")
    write_tags(plan_tags(path, {"mood": ["m" * 3000]}, overwrite=True), tmp_path / "undo")
    data, at, numbers = path.read_bytes(), 0, []
    while at < len(data):
        head = data[at : at + 27 + data[at + 26]]
        page = data[at : at + len(head) + sum(head[27:])]
        assert page_checksum(page) == page[22:26]
        numbers.append(int.from_bytes(page[18:22], "little"))
        at += len(page)
    assert numbers == list(range(len(numbers)))


def refused(path: Path, values: dict[str, list[str]] | None = None) -> str:
    before = path.read_bytes()
    with pytest.raises(RefusedError) as caught:
        write_tags(plan_tags(path, values or NEW, overwrite=True), path.with_name("undo"))
    assert path.read_bytes() == before
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_done_safely_is_refused(tmp_path: Path) -> None:
    assert "such a file is not written" in refused(make(tmp_path, "wav"))
    flac = make(tmp_path, "flac", tagged=False)
    damaged = bytearray(flac.read_bytes())
    at = damaged.index(b"reference libFLAC")
    damaged[at - 4 : at] = b"\xff" * 4  # the length of what comes first in comments
    flac.write_bytes(damaged)
    assert "its comments are damaged" in refused(flac)
    path = make(tmp_path, "mp3")
    os.link(path, tmp_path / "other.mp3")
    assert "hard links" in refused(path)
    os.unlink(tmp_path / "other.mp3")
    path.chmod(0o444)
    assert "read-only" in refused(path)
    path.chmod(0o644)
    old = id3.ID3(path)
    old.save(path, v2_version=4)
    data = bytearray(path.read_bytes())
    data[5] = 0x80
    path.write_bytes(data)
    assert "unsynchronized" in refused(path)
    ogg = make(tmp_path, "ogg")
    assert "would not fit the pages" in refused(ogg, {"mood": ["x" * 70_000]})
    damaged = bytearray(ogg.read_bytes())
    damaged[80] ^= 1
    ogg.write_bytes(damaged)
    assert "checksum" in refused(ogg)
    m4a = make(tmp_path, "m4a")
    m4a.write_bytes(m4a.read_bytes() + b"TAG" + bytes(125))
    assert "a box of this MP4 file is longer than the file" in refused(m4a)


def test_a_file_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = make(tmp_path, "flac")
    edit = plan_tags(path, NEW, overwrite=True)
    os.utime(path)
    with pytest.raises(RefusedError, match="has changed since"):
        write_tags(edit, tmp_path / "none")
    undo = tmp_path / "undo"
    write_tags(plan_tags(path, NEW, overwrite=True), undo)
    undo.write_bytes(undo.read_bytes() + b'{"path": "cut')
    (entry,) = read_undo(undo)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(RefusedError, match="changed since, and stays"):
        undo_tags(entry)
    (tmp_path / "undo").write_text("{}\n")
    with pytest.raises(MetadataError, match="line 1 undoes nothing"):
        read_undo(tmp_path / "undo")


def test_splices_lead_there_and_back() -> None:
    old = bytes(range(100))
    parts = joined([(0, 10), b"new", b"er", (10, 10), (10, 20), (20, 30), b"", (50, 100), b"end"])
    assert parts == [(0, 10), b"newer", (10, 30), (50, 100), b"end"]
    new = b"".join(pieces(parts, lambda at, n: old[at : at + n]))
    back = inverse(parts, lambda at, n: old[at : at + n], len(old))
    assert from_json(json.loads(json.dumps(to_json(back)))) == back
    assert b"".join(pieces(back, lambda at, n: new[at : at + n])) == old


def test_keys_are_written_as_taggers_write_them() -> None:
    assert [key_notation(key) for key in ("C major", "F# minor")] == ["C", "F#m"]
    with pytest.raises(ValueError):
        key_notation("H minor")


def test_the_command_is_a_dry_run_until_it_is_told_to_write(
    shelf: Shelf, run_cli: RunCli, tmp_path: Path
) -> None:
    shutil.rmtree(shelf / "Bruno")
    with shelf.open() as catalog:
        catalog.add_folder(jobs=1)
        with catalog.store.change():
            catalog.store.db.execute(
                """UPDATE tracks SET descriptors = '{"tempo": 100.4, "tempo_confidence": 0.9,
                "key": "A minor", "key_confidence": 0.1}'"""
            )
    words = ["write-tags", "--catalog", shelf.db, "--json"]
    before = {path: path.read_bytes() for path in shelf.folder.rglob("*.*") if path.is_file()}
    tried = run_cli(*words)
    rows = json.loads(tried.stdout)
    assert {path: path.read_bytes() for path in before} == before
    assert "4 of 6 files would be written" in tried.stderr
    assert {(row["state"], tuple(row["bpm"])) for row in rows} == {
        *(("would write", ("100",)), ("refused", ()))
    }
    undo = tmp_path / "undo.jsonl"
    done = run_cli(*words, "--write", "--undo-file", undo)
    assert done.returncode == 0 and f"--undo {undo}" in done.stderr
    assert read_tags(shelf / "Alba/First Light/01 Dawn.flac").bpm == 100.0
    with shelf.open() as catalog:
        again = catalog.add_folder(jobs=1)
        assert (again.embedded, again.failed) == (0, 0)  # the same tracks
    assert run_cli("write-tags", "--undo", undo).returncode == 0
    assert {path: path.read_bytes() for path in before} == before
