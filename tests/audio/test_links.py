"""Files in which one stream follows another: each is decoded by its own headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_audio import Format, notes, write

from musicu.audio.decode import AudioStream, identify_file, load
from musicu.audio.links import find_links
from musicu.audio.source import Source

MKA = Format(suffix=".mka", container="matroska", codec="flac")
W64 = Format(suffix=".w64", container="w64", codec="pcm_s16le")
OGG_FLAC = Format(suffix=".oga", container="ogg", codec="flac")
# Resampled and coded at other rates: two encoders' delays.
CODED = 0.1


def link(path: Path, fmt: str | Format, sr: int, channels: int, seed: int) -> bytes:
    """Write three seconds of music; return the file."""
    y = np.tile(notes(sr, 3.0, seed=seed), (channels, 1))
    if fmt == "ogg":  # other codebooks for another quality
        soundfile.write(
            path, y.T, sr, "VORBIS", format="OGG", compression_level=0.9 if seed % 2 else 0.1
        )
    elif fmt == "rf64":
        soundfile.write(path, y.T, sr, "PCM_16", format="RF64")
    else:
        write(path, y, sr, fmt)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("fmt", "rates"),
    [
        ("ogg", (44100, 44100, 22050)),
        ("opus", (48000, 48000, 48000)),
        (OGG_FLAC, (44100, 48000, 16000)),
        ("flac", (44100, 48000, 16000)),
        ("wav", (44100, 22050, 16000)),
        ("aiff", (44100, 22050, 16000)),
        ("rf64", (44100, 22050, 16000)),
        (W64, (44100, 22050, 16000)),
        ("alac", (44100, 48000, 16000)),
        ("wma", (32000, 32000, 16000)),
        (MKA, (44100, 48000, 16000)),
    ],
    ids="vorbis opus ogg-flac flac wav aiff rf64 w64 m4a wma mka".split(),
)
def test_every_link_is_decoded_by_its_own_headers(
    fmt: str | Format, rates: tuple[int, ...], tmp_path: Path
) -> None:
    path, parts, heard = tmp_path / "file", [], []
    for seed, (sr, channels) in enumerate(zip(rates, (2, 1, 2), strict=True)):
        parts.append(link(path, fmt, sr, channels, seed))
        heard.append(load(path, sr=16000)[0])
    path.write_bytes(b"".join(parts))
    stream = AudioStream(path, sr=16000)
    y = np.concatenate(list(stream))
    assert stream.problem is None
    # FFmpeg's WMA encoder leaves out what does not fill a last frame.
    assert stream.seconds == pytest.approx(9.0, abs=CODED if fmt != "wma" else 0.2)
    assert identify_file(path) == (stream.digest, None)
    # Each link resampled by itself gives the same samples, but for a resampler that runs on.
    whole = np.concatenate(heard)
    assert abs(len(y) - len(whole)) <= 2
    n = min(len(y), len(whole))
    assert np.sqrt(np.mean((y[:n] - whole[:n]) ** 2)) < 0.05 * np.sqrt(np.mean(whole**2))


def test_links_in_another_order_or_number_are_another_track(tmp_path: Path) -> None:
    path = tmp_path / "file.opus"
    one, two = (link(path, "opus", 48000, channels, channels) for channels in (1, 2))
    ids = set()
    for content in (one, two, one + two, two + one, one + one):
        path.write_bytes(content)
        ids.add(identify_file(path)[0])
    assert len(ids) == 5


@pytest.mark.parametrize("fmt", ["ogg", "opus"])
def test_a_cut_link_and_one_that_cannot_be_read_cost_themselves(fmt: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    one, two = (link(path, fmt, 48000, 2, seed) for seed in (0, 1))
    for content, least in (
        (one[: len(one) // 2] + two, 3.0),
        (one + two[: len(two) // 2], 3.0),
        (one + two[:100] + bytes(100) + two[200:], 3.0),
    ):
        path.write_bytes(content)
        stream = AudioStream(path, sr=16000)
        assert max(np.abs(block).max(initial=0.0) for block in stream) < 1.0
        assert least - CODED < stream.seconds < 6.0
        assert stream.problem


@pytest.mark.parametrize("first", [True, False])
def test_a_damaged_page_at_an_end_is_missed(first: bool, tmp_path: Path) -> None:
    """FFmpeg leaves out a page whose checksum is wrong, and says nothing."""
    path = tmp_path / "file.opus"
    content = bytearray(link(path, "opus", 48000, 1, 0))
    pages = [i for i in range(len(content)) if content.startswith(b"OggS", i)]
    # Pages 0 and 1 are headers; the last one holds what does not fill a second.
    for page in pages[2:3] if first else pages[-2:]:
        content[page + 40] ^= 1
    path.write_bytes(content)
    stream = AudioStream(path, sr=16000)
    for _ in stream:
        pass
    assert stream.seconds < 2.5
    assert stream.problem == f"only {stream.seconds:.1f} s of 3.0 s are there"


def test_tags_between_the_parts_of_a_joined_mp3_are_no_audio(tmp_path: Path) -> None:
    path, parts = tmp_path / "joined.mp3", []
    for seed, sr in enumerate((44100, 22050)):
        parts.append(link(path, "mp3", sr, 2, seed))
    old = b"TAG" + b"Title".ljust(30, b"\0") + bytes(95)
    # Random bytes have sync words in them, as a picture does.
    cover = b"\0\0\0image/jpeg\0\3\0" + np.random.default_rng(0).bytes(65536)
    size = bytes(len(cover) + 10 >> shift & 0x7F for shift in (21, 14, 7, 0))
    new = b"ID3\4\0\0" + size + b"APIC" + size[:3] + bytes([size[3] - 10]) + b"\0\0" + cover
    digests = set()
    for between in (b"", old, new, old + new):
        path.write_bytes(parts[0] + between + parts[1])
        stream = AudioStream(path, sr=None)
        y = np.concatenate(list(stream))
        assert stream.problem is None
        assert stream.seconds == pytest.approx(6.0, abs=CODED)
        assert identify_file(path) == (stream.digest, None)
        assert np.isfinite(y).all()
        digests.add(stream.digest)
    assert len(digests) == 1  # of the second file FFmpeg's own tag stands between them anyway


@pytest.mark.parametrize("fmt", ["rf64", W64, "wav"], ids=["rf64", "w64", "wav"])
def test_a_size_that_leads_nowhere_ends_the_search(fmt: str | Format, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = link(path, fmt, 16000, 1, 0)
    for size in (bytes(8), b"\xff" * 8):
        for at in (4, 16, 20):
            path.write_bytes(content[:at] + size + content[at + 8 :])
            with Source(str(path)) as source:
                assert find_links(source) == [0]
