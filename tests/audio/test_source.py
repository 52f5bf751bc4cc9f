"""Blocks of tags around the audio are no audio: not for the identity, the length or the problem."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_audio import FORMATS, Format, notes, write

from musicu.audio.decode import AudioStream, identify_file
from musicu.audio.source import Source

# Formats whose audio begins and ends with the file.
RAW = {name: FORMATS[name] for name in ("mp3", "aac", "flac", "ogg", "opus")} | {
    "mp2": Format(suffix=".mp2", container="mp2", codec="mp2", lossy=True),
    "ac3": Format(suffix=".ac3", container="ac3", codec="ac3", lossy=True),
    "eac3": Format(suffix=".eac3", container="eac3", codec="eac3", lossy=True),
    "wv": Format(suffix=".wv", container="wv", codec="wavpack"),
    "tta": Format(suffix=".tta", container="tta", codec="tta"),
    # FFmpeg ends them in tags otherwise.
    "bare wv": Format(suffix=".wv", container="wv", codec="wavpack", repeatable=True),
    "bare tta": Format(suffix=".tta", container="tta", codec="tta", repeatable=True),
}
# Formats that state where their audio ends.
DELIMITED = {name: FORMATS[name] for name in ("wav", "aiff", "m4a", "alac", "wma")} | {
    "au": Format(suffix=".au", container="au", codec="pcm_s16be"),
    "caf": Format(suffix=".caf", container="caf", codec="pcm_s16le"),
    "w64": Format(suffix=".w64", container="w64", codec="pcm_s16le"),
    "mka": Format(suffix=".mka", container="matroska", codec="flac"),
}
COVER = np.random.default_rng(0).bytes(30_000)


def _synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3v2(*, footer: bool = False, padding: int = 0) -> bytes:
    body = b"APIC" + _synchsafe(len(COVER) + 14) + b"\0\0\0image/jpeg\0\3\0" + COVER
    body += bytes(padding)
    head = bytes([4, 0, 0x10 if footer else 0]) + _synchsafe(len(body))
    return b"ID3" + head + body + (b"3DI" + head if footer else b"")


def id3v1(genre: int = 17) -> bytes:
    return b"TAG" + b"Title".ljust(30, b"\0") + b"TAG".ljust(94, b"\0") + bytes([genre])


def ape(*, header: bool = True) -> bytes:
    value = b"cover.jpg\0" + COVER
    items = struct.pack("<II", len(value), 2) + b"Cover Art (Front)\0" + value

    def end(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, len(items) + 32, 1, flags) + bytes(8)

    return (end(0xA0000000) if header else b"") + items + end(0x80000000 if header else 0)


def lyrics3() -> bytes:
    body = b"LYRICSBEGININD0000210LYR00008la la la"
    return body + b"%06dLYRICS200" % len(body)


BEHIND: dict[str, bytes] = {
    "ID3v1": id3v1(),
    "ID3v1 that ends in zeros": id3v1(0),
    "its extension": b"TAG+" + b"x" * 223 + id3v1(),
    "APEv2": ape(),
    "APEv2 without a header": ape(header=False),
    "APEv2 and zeros": ape() + bytes(5000),
    "an APEv2 footer that is damaged": b"APETAGEX" + b"\xff" * 24,
    "Lyrics3": lyrics3() + id3v1(),
    "Lyrics3 version 1": b"LYRICSBEGIN" + b"la " * 100 + b"LYRICSEND" + id3v1(),
    "ID3v2 with a footer": id3v2(footer=True),
    "ID3v2 without one": id3v2(),
    "ID3v2 with padding": id3v2(padding=3000),
    "zeros": bytes(40_000),
    "three zeros": bytes(3),
    "some zeros": bytes(700),
    "all of them": bytes(500) + id3v2() + bytes(700) + ape() + lyrics3() + id3v1() + bytes(900),
}
BEFORE: dict[str, bytes] = {
    "ID3v2": id3v2(),
    "two ID3v2": id3v2() + id3v2(padding=900),
    "ID3v2 with a footer": id3v2(footer=True),
    "APEv2": ape(),
    "zeros": bytes(5000),
    "all of them": id3v2() + bytes(777) + ape(),
}


def heard(path: Path) -> tuple[str, float, str | None]:
    stream = AudioStream(path, sr=None)
    for _ in stream:
        pass
    assert identify_file(path) == (stream.digest, stream.problem)
    # FFmpeg trims the padding of an mp3 only where it finds the size that its header states.
    return stream.digest, pytest.approx(stream.seconds, abs=0.02), stream.problem


@pytest.mark.parametrize("fmt", [*RAW, *DELIMITED])
def test_blocks_around_the_audio_are_not_heard(fmt: str, tmp_path: Path) -> None:
    form = (RAW | DELIMITED)[fmt]
    path = tmp_path / f"file{form.suffix}"
    write(path, notes(48000, 1.0), 48000, form)
    content, plain = path.read_bytes(), heard(path)
    assert plain[2] is None
    for name, block in BEHIND.items():
        path.write_bytes(content + block)
        assert heard(path) == plain, f"{name} behind"
    for name, block in BEFORE.items():
        path.write_bytes(block + content)
        assert heard(path) == plain, f"{name} before"


@pytest.mark.parametrize("fmt", ["mp3", "flac", "aac"])
def test_any_two_blocks_come_off(fmt: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, notes(44100, 1.0), 44100, fmt)
    content = path.read_bytes()
    for (one, first), (two, second) in itertools.permutations(BEHIND.items(), 2):
        path.write_bytes(content + first + second)
        with Source(str(path)) as source:
            end = len(content)
            if fmt != "aac" and one in ("zeros", "three zeros") and "zeros" in two:
                continue
            # Zeros may belong to the last frame: at most as many as one has are kept.
            assert 0 <= source.end - end <= 1729, f"{one}, then {two}"


def test_zeros_within_the_audio_are_a_problem_and_those_of_samples_are_audio(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.mp3"
    write(path, notes(44100, 6.0), 44100, "mp3")
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] + bytes(20_000) + content[half:])
    stream = AudioStream(path, sr=16000)
    assert sum(len(block) for block in stream)
    assert stream.problem
    path = tmp_path / "silence.wav"
    y = notes(44100, 1.0)
    write(path, y, 44100)
    shorter = identify_file(path)
    write(path, np.pad(y, ((0, 0), (0, 44100))), 44100)
    assert identify_file(path)[0] != shorter[0]


@pytest.fixture
def source(tmp_path: Path) -> Callable[[bytes], Source]:
    def make(content: bytes) -> Source:
        path = tmp_path / "file"
        path.write_bytes(content)
        return Source(str(path))

    return make


def test_a_source_is_a_file_of_its_own(source: Callable[[bytes], Source]) -> None:
    with source(id3v2() + b"fLaC" + bytes(range(1, 101)) + id3v1()) as file:
        assert (file.size, file.read(4), file.tell()) == (104, b"fLaC", 4)
        assert file.seek(-2, 2) == 102
        assert file.read() == b"\x63\x64"
        assert (file.read(10), file.seek(-1), file.seek(2**70)) == (b"", -1, -1)
        file.seek(50)
        assert (file.at(0, 5), file.at(-1, 5), file.at(104, 5)) == (b"fLaC\x01", b"", b"")
        assert file.tell() == 50
        file.replace(3, b"xyz")
        assert (file.at(0, 4), file.at(4, 3), file.at(0, 7)) == (b"fLax", b"yz\3", b"fLaxyz\3")


def test_a_large_cover_behind_the_audio_comes_off(source: Callable[[bytes], Source]) -> None:
    cover = np.random.default_rng(1).bytes(12_000_000)
    for tag in (
        b"ID3\3\0\0" + _synchsafe(len(cover)) + cover,
        b"ID3\4\0\x10" + _synchsafe(len(cover)) + cover + b"3DI\4\0\x10" + _synchsafe(len(cover)),
    ):
        with source(b"fLaC" + bytes(range(1, 101)) + tag + id3v1()) as file:
            assert file.size == 104


def test_blocks_that_lie_about_their_length_end_within_the_file(
    source: Callable[[bytes], Source],
) -> None:
    for block in (
        b"APETAGEX" + struct.pack("<IIII", 2000, 2**31, 1, 0x80000000) + bytes(8),
        b"9" * 6 + b"LYRICS200",
        b"3DI\4\0\x10\x7f\x7f\x7f\x7f",
        b"ID3\4\0\0\x7f\x7f\x7f\x7f",
    ):
        with source(b"\xff\xfb" + bytes(range(1, 200)) + block) as file:
            assert 0 <= file.begin < file.end <= 201 + len(block)
    with source(b"\xff") as file:
        assert file.size == 1
    with source(bytes(10_000)) as file:
        assert file.size > 0
