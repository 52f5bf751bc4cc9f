"""What a header promises against what came, and what tells a decoder what to make of packets."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_audio import FORMATS, Format, notes, write

from musicu.audio import media
from musicu.audio.codec_config import configuration
from musicu.audio.decode import AudioStream, identify_file
from musicu.audio.source import Source
from musicu.errors import AudioError
from musicu.workers.failure_causes import cause_of

MORE = "the file holds more audio than its header says"
OTHERS = {
    "au": Format(suffix=".au", container="au", codec="pcm_s16be"),
    "caf": Format(suffix=".caf", container="caf", codec="pcm_s16le"),
    "w64": Format(suffix=".w64", container="w64", codec="pcm_s16le"),
    "mka": Format(suffix=".mka", container="matroska", codec="flac"),
    "webm": Format(suffix=".webm", container="webm", codec="libopus", lossy=True),
    "mp2": Format(suffix=".mp2", container="mp2", codec="mp2", lossy=True),
    "ac3": Format(suffix=".ac3", container="ac3", codec="ac3", lossy=True),
    "eac3": Format(suffix=".eac3", container="eac3", codec="eac3", lossy=True),
    "wv": Format(suffix=".wv", container="wv", codec="wavpack"),
    "tta": Format(suffix=".tta", container="tta", codec="tta"),
    "adpcm": Format(suffix=".wav", container="wav", codec="adpcm_ms"),
    "ima": Format(suffix=".wav", container="wav", codec="adpcm_ima_wav"),
}


def file_of(folder: Path, fmt: str, seconds: float = 6.0) -> Path:
    path = folder / fmt
    if fmt == "rf64":
        soundfile.write(path, notes(44100, seconds)[0], 44100, "PCM_16", format="RF64")
    else:
        write(path, notes(48000, seconds), 48000, OTHERS.get(fmt) or FORMATS[fmt])
    return path


def hear(path: Path) -> AudioStream:
    stream = AudioStream(path, sr=16000)
    for _ in stream:
        pass
    return stream


@pytest.mark.parametrize("fmt", [*OTHERS, "rf64", "aiff", "wma", "wav", "wav-float"])
def test_a_cut_file_is_read_and_marked(fmt: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    whole, content = hear(path), path.read_bytes()
    assert whole.problem is None
    assert whole.seconds == pytest.approx(6.0, abs=0.1)
    for part in (0.3, 0.5, 0.8):
        # An odd place: not between two frames.
        path.write_bytes(content[: int(part * len(content)) + 11])
        stream = hear(path)
        assert stream.seconds == pytest.approx(6 * part, abs=1.1)
        assert stream.problem
        assert stream.digest != whole.digest
        assert identify_file(path)[0] == stream.digest


def _patched(data: bytes, at: int, form: str, change: Callable[[int], int]) -> bytes:
    end = at + struct.calcsize(form)
    value = struct.unpack(form, data[at:end])[0]
    return data[:at] + struct.pack(form, change(value)) + data[end:]


# Where each format states the bytes of its samples, and what it counts besides them.
FIELDS: dict[str, tuple[Callable[[bytes], int], str, int]] = {
    "wav": (lambda data: data.index(b"data") + 4, "<I", 0),
    "adpcm": (lambda data: data.index(b"data") + 4, "<I", 0),
    "rf64": (lambda data: 28, "<Q", 0),
    "w64": (lambda data: data.index(b"data\xf3\xac") + 16, "<Q", 24),
    "aiff": (lambda data: data.index(b"SSND") + 4, ">I", 8),
    "au": (lambda data: 8, ">I", 0),
    "caf": (lambda data: data.index(b"data") + 4, ">Q", 4),
}


@pytest.mark.parametrize("fmt", ["ima", "adpcm", "wav", "rf64"])
def test_a_file_of_which_next_to_nothing_is_there_is_marked(fmt: str, tmp_path: Path) -> None:
    """A part of one block may be heard as one sample, of which no length follows."""
    path = file_of(tmp_path, fmt)
    content = path.read_bytes()
    for size in (4, 40, 400):
        path.write_bytes(content[: content.index(b"data") + 8 + size])
        try:
            stream = hear(path)
        except AudioError:
            continue
        assert stream.seconds < 0.1
        assert stream.problem is not None, size


@pytest.mark.parametrize("fmt", FIELDS)
def test_more_samples_than_stated_are_heard_and_told(fmt: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    whole, content = hear(path), path.read_bytes()
    find, form, own = FIELDS[fmt]
    quarter = _patched(content, find(content), form, lambda size: (size - own) // 1024 * 256 + own)
    path.write_bytes(quarter)
    stream = hear(path)
    assert (stream.digest, stream.seconds, stream.problem) == (whole.digest, whole.seconds, MORE)
    assert identify_file(path) == (whole.digest, MORE)
    # A recorder that lost power has stated nothing.
    path.write_bytes(_patched(content, find(content), form, lambda size: own if own > 4 else 0))
    stream = hear(path)
    assert stream.seconds == whole.seconds
    assert stream.problem in (None, MORE)


@pytest.mark.parametrize("fmt", [*FIELDS, "ima", "gsm"])
def test_a_second_that_is_not_stated_is_heard_at_low_rates(fmt: str, tmp_path: Path) -> None:
    path, y = tmp_path / "file", notes(8000, 6.0)
    if fmt in ("gsm", "rf64"):
        subtype = "GSM610" if fmt == "gsm" else "PCM_U8"
        soundfile.write(path, y[0], 8000, subtype, format="WAV" if fmt == "gsm" else "RF64")
    else:
        write(path, y, 8000, OTHERS.get(fmt) or FORMATS[fmt])
    whole, content = hear(path), path.read_bytes()
    find, form, own = FIELDS.get(fmt, FIELDS["wav"])
    for part in (0.8, 0.333, 0.8001, 0.8002):  # at the end of a block of samples, and within one
        less = _patched(content, find(content), form, lambda size, p=part: int((size - own) * p))
        path.write_bytes(less)
        stream = hear(path)
        assert (stream.digest, stream.problem) == (whole.digest, MORE), part


@pytest.mark.parametrize("name", [b"LIST", b"id3 ", b"bext"])
def test_chunks_behind_the_samples_are_none(name: bytes, tmp_path: Path) -> None:
    path = file_of(tmp_path, "wav")
    whole, content = hear(path), path.read_bytes()
    for size in (100, 50_001):
        chunk = name + struct.pack("<I", size) + np.random.default_rng(0).bytes(size)
        path.write_bytes(content + chunk + bytes(size % 2))
        stream = hear(path)
        assert (stream.digest, stream.seconds, stream.problem) == (
            whole.digest,
            whole.seconds,
            None,
        )


@pytest.mark.parametrize("fmt", ["wav", "adpcm", "ima"])
@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_bytes_a_second_are_of_no_importance(fmt: str, factor: float, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    whole, content = hear(path), path.read_bytes()
    at = content.index(b"fmt ") + 16
    path.write_bytes(_patched(content, at, "<I", lambda rate: int(rate * factor)))
    stream = hear(path)
    assert (stream.digest, stream.problem) == (whole.digest, None)
    assert stream.seconds == whole.seconds == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("fmt", ["wav", "adpcm", "ima"])
def test_a_size_of_blocks_that_cannot_be_is_told(fmt: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    whole, content = hear(path), path.read_bytes()
    at = content.index(b"fmt ") + 20
    path.write_bytes(_patched(content, at, "<H", lambda align: align + 2))
    try:
        stream = hear(path)
    except AudioError:
        return
    assert stream.problem
    assert fmt == "wav" or stream.digest != whole.digest


# Where a time is stated that the samples do not depend on: of a whole file and of each packet.
TIMES = {"alac": (b"mdhd", 17), "caf": (b"desc", 24), "mka": (b"\x2a\xd7\xb1", 4)}


@pytest.mark.parametrize("fmt", TIMES)
def test_the_same_is_told_of_a_known_track_with_and_without_decoding(
    fmt: str, tmp_path: Path
) -> None:
    path = file_of(tmp_path, fmt)
    whole, content = hear(path), path.read_bytes()
    mark, offset = TIMES[fmt]
    at = content.index(mark) + offset
    compared = 0
    for bit in range(8):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        try:
            stream = hear(path)
        except AudioError:
            continue
        examined = AudioStream(path, sr=None)
        examined.examine()
        assert examined.digest == stream.digest
        if stream.digest == whole.digest:
            compared += 1
            told = examined.problem or examined.promise.broken(whole.seconds)
            assert told == stream.problem, f"bit {bit}"
    assert compared


def test_a_level_that_no_coder_writes_is_told_and_that_of_floats_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    y = np.float32(40.0) * notes(44100, 3.0)
    write(path, y, 44100, "wav-float")
    assert hear(path).problem is None
    write(path, y, 44100, "ogg")
    stream = hear(path)
    assert stream.peak > 4
    assert stream.problem == f"decodes to {stream.peak:.0f} times full scale"


# ---------------------------------------------------------------------------------- configurations


def test_every_bit_of_a_decoders_configuration_belongs_to_the_identity(tmp_path: Path) -> None:
    path = file_of(tmp_path, "alac", 1.0)
    whole, content = identify_file(path)[0], path.read_bytes()
    at = content.rindex(b"alac") + 8  # version and flags, then the cookie
    for bit in range(4 * 8, 8 * 8):  # bits a sample, tuning and channels
        changed = bytearray(content)
        changed[at + bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            assert identify_file(path)[0] != whole, f"bit {bit}"
        except AudioError:
            continue


def test_what_nearly_all_decodes_to_nothing_is_no_audio(tmp_path: Path) -> None:
    path = file_of(tmp_path, "m4a")
    content = path.read_bytes()
    start, stop = int(0.1 * len(content)), int(0.95 * len(content))
    path.write_bytes(content[:start] + bytes(stop - start) + content[stop:])
    with pytest.raises(AudioError, match="packets cannot be decoded"):
        hear(path)


@pytest.mark.parametrize("lacing", ["ogg", "sizes"])
def test_tags_in_a_configuration_do_not_belong_to_it(lacing: str) -> None:
    def laced(comment: bytes, setup: bytes = b"codebooks") -> bytes:
        head = b"h" * 30
        if lacing == "sizes":
            return b"".join(len(p).to_bytes(2, "big") + p for p in (head, comment, setup))
        sizes = bytes([30]) + b"\xff" * (len(comment) // 255) + bytes([len(comment) % 255])
        return b"\2" + sizes + head + comment + setup

    plain = configuration("vorbis", laced(b"title"), b"")
    assert configuration("vorbis", laced(b"another title" * 100), b"") == plain
    assert configuration("vorbis", laced(b"title", b"codebookz"), b"") != plain
    info = bytes(range(34))
    other = info[:14] + b"\xff" * 20  # the number of samples and their MD5
    assert configuration("flac", info, b"") == configuration("flac", other, b"")
    assert configuration("flac", info, b"") != configuration("flac", b"\1" + info[1:], b"")
    gains = b"abcd" + b"gain" * 2 + b"efgh"
    assert configuration("musepack7", gains, b"") == b"abcdefgh"
    for text in (b"", b"\0", b"\2", b"\2\xff", b"\2\1\1"):
        assert isinstance(configuration("vorbis", text, b""), bytes)


# --------------------------------------------------------------------------------- the environment


@pytest.mark.parametrize("fmt", ["mp3", "flac", "wav", "m4a", "ogg"])
@pytest.mark.parametrize("reads", [1, 3, 8])
def test_an_error_of_the_system_is_not_damage(
    fmt: str, reads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, fmt, 20.0)
    done, read = 0, Source.read

    def failing(self: Source, size: int | None = -1) -> bytes:
        nonlocal done
        done += 1
        if done < reads:
            return read(self, size)
        self.error = OSError(5, "Input/output error")
        raise self.error

    monkeypatch.setattr(Source, "read", failing)
    for look in (hear, identify_file):
        done = 0
        with pytest.raises(AudioError) as caught:
            look(path)
        assert (caught.value.reason, caught.value.cause) == ("input/output error", "system")


def test_want_of_memory_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path, "flac", 1.0)

    def failing(self: Source, offset: int, size: int) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Source, "at", failing)
    with pytest.raises(MemoryError):
        hear(path)


def test_many_channels_are_tapped_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "file.wav"
    y = np.random.default_rng(0).normal(0, 0.1, (16, 70_000)).astype(np.float32)
    soundfile.write(path, y.T, 16000, subtype="FLOAT")
    seen: list[np.ndarray] = []
    for _ in AudioStream(path, sr=None, tap=lambda block, sr: seen.append(block.copy())):
        pass
    np.testing.assert_array_equal(np.concatenate(seen, axis=1), y)


def test_a_name_makes_no_audio_of_bytes(tmp_path: Path) -> None:
    path = tmp_path / "noise.raw"
    path.write_bytes(np.random.default_rng(0).bytes(30_000))
    with pytest.raises(AudioError):
        hear(path)


def test_the_size_of_blocks_in_a_dsf_file_belongs_to_the_identity(tmp_path: Path) -> None:
    samples = bytes(range(256)) * 64
    form = struct.pack("<IIIIIIQII", 1, 0, 2, 2, 2822400, 1, len(samples) * 4, 4096, 0)
    chunks = b"fmt " + struct.pack("<Q", 12 + len(form)) + form
    chunks += b"data" + struct.pack("<Q", 12 + len(samples)) + samples
    content = bytearray(b"DSD " + struct.pack("<QQQ", 28, 28 + len(chunks), 0) + chunks)
    path = tmp_path / "a.dsf"
    path.write_bytes(content)
    plain = identify_file(path)[0]
    content[72:76] = struct.pack("<I", 2048)
    path.write_bytes(content)
    assert identify_file(path)[0] != plain


def test_a_packet_larger_than_its_file_costs_what_follows_and_is_no_lack_of_memory(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.m4a"
    write(path, notes(48000, 3.0), 48000, "alac")
    content = bytearray(path.read_bytes())
    sizes = content.index(b"stsz") + 16  # version and flags, one size for all, their number
    content[sizes + 4 * 20] ^= 0x20
    path.write_bytes(content)
    stream = AudioStream(path, sr=None)
    for _ in stream:
        pass
    assert stream.seconds == pytest.approx(20 * 4096 / 48000, abs=0.1)
    assert stream.problem is not None


def test_a_table_larger_than_its_file_is_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.m4a"
    write(path, notes(48000, 1.0), 48000, "alac")
    content = bytearray(path.read_bytes())
    content[content.index(b"alac", content.index(b"stsd")) - 1] += 16  # its size: in the next box
    path.write_bytes(content)
    for look in (hear, identify_file):
        with pytest.raises(AudioError, match="said to be larger than the file") as caught:
            look(path)
        assert cause_of(caught.value) == "file"

    def refuse(size: int) -> bytearray:
        raise MemoryError

    # Where there is no room for the file either, nothing is said of the file.
    monkeypatch.setattr(media, "bytearray", refuse, raising=False)
    with pytest.raises(MemoryError):
        identify_file(path)
