"""What is in a file comes out: format by format, whole or damaged; and noise never does."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
import soundfile
from made_audio import FORMATS, Array, noise, notes, sine, write
from mutagen import apev2, flac, id3, mp4

from musicu.audio.decode import DECODERS, AudioStream, identify, load
from musicu.audio.formats import AUDIO_SUFFIXES
from musicu.audio.media import StreamInfo
from musicu.errors import AudioError

# A lossless file of 8 or more bits: half a step of 8 bits, as a share of the tone's amplitude.
LOSSLESS = 0.5 / 128 / 0.5
# LAME turns the level down to leave room for its own overshoot: by 5 % at most.
LOSSY = 0.055
# Lossy coders work in frames; what a codec may add or lose at the ends (samples): two AAC frames.
FRAMES = 2048
# An FFT of one second resolves 1 Hz.
RESOLUTION_HZ = 1.0
# A click between two samples, seen after a codec's filters.
CLICK_SECONDS = 0.002
# Raw AAC has nowhere to note its encoder's delay of 1024 samples. FFmpeg's WMA decoder skips two
# frames of 2048 where FFmpeg's encoder is late by one.
KNOWN_DELAY = {"aac": 1024, "wma": -2048}
# Passing twice through 16 bits.
QUANTIZATION = 2 / 32768
# soxr's "HQ" quality: pass band ripple and 20 bits of precision.
RESAMPLING = 1e-3
# float32 sums in another order.
ROUNDING = 1e-6

# One format of each kind; PCM of other depths is read by the same code.
KINDS = [f for f in FORMATS if f not in ("wav-u8", "wav-24", "wav-32", "wav-double")]

# A JPEG's first bytes: start of image, then a JFIF header.
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00"
    b":~\x9bU\x00\x00\x00\nIDATx\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)


def read(path: str | os.PathLike[str]) -> tuple[Array, AudioStream]:
    stream = AudioStream(path, sr=None)
    return np.concatenate(list(stream)), stream


def amplitude(y: Array) -> float:
    """Amplitude of a sine, from the middle half of a signal."""
    middle = y[len(y) // 4 : 3 * len(y) // 4].astype(np.float64)
    return float(np.sqrt(2 * np.mean(middle**2)))


def frequency(y: Array, sr: int) -> float:
    second = y[len(y) // 2 - sr // 2 :][:sr]
    return float(np.argmax(np.abs(np.fft.rfft(second * np.hanning(sr)))))


def file_of(folder: Path, fmt: str, y: Array | None = None, sr: int = 44100) -> Path:
    """Write six seconds of notes, or ``y``, in a format."""
    path = folder / f"{fmt}{FORMATS[fmt].suffix}"
    sr = 48000 if fmt == "opus" else sr
    write(path, notes(sr, 6.0) if y is None else y, sr, fmt)
    return path


def edited(path: Path, edit: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(edit(path.read_bytes()))
    return path


# ----------------------------------------------------------------- what a file says is what we hear


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("fmt", "sr"), [(f, sr) for f in FORMATS for sr in FORMATS[f].rates])
def test_tone_keeps_length_pitch_and_level(
    fmt: str, sr: int, channels: int, tmp_path: Path
) -> None:
    path = tmp_path / f"tone{FORMATS[fmt].suffix}"
    write(path, sine(sr, 1.5, hz=440.0, amplitude=0.5, channels=channels), sr, fmt)
    y, stream = read(path)
    native = 48000 if fmt == "opus" else sr
    lossy = FORMATS[fmt].lossy
    assert y.dtype == np.float32
    assert (stream.native_sr, stream.channels, stream.problem) == (native, channels, None)
    assert len(y) == pytest.approx(1.5 * native, abs=FRAMES if lossy else 0)
    assert stream.seconds == pytest.approx(len(y) / native)
    assert frequency(y, native) == pytest.approx(440.0, abs=RESOLUTION_HZ)
    assert amplitude(y) == pytest.approx(0.5, rel=LOSSY if lossy else LOSSLESS)


def test_float_samples_above_full_scale_are_not_clipped(tmp_path: Path) -> None:
    path = file_of(tmp_path, "wav-float", sine(44100, 1.0, amplitude=3.0))
    y, stream = read(path)
    assert amplitude(y) == pytest.approx(3.0, rel=RESAMPLING)
    assert stream.peak == np.abs(y).max()


def test_channels_are_averaged_not_summed_at_equal_power(tmp_path: Path) -> None:
    """A tone on the left only has half its amplitude in the mix: -6 dB, not -3."""
    y = sine(44100, 1.0, amplitude=0.8, channels=2)
    y[1] = 0
    mono, _ = load(file_of(tmp_path, "wav", y))
    assert amplitude(mono) == pytest.approx(0.4, rel=QUANTIZATION / 0.4)


def test_opposite_channels_cancel(tmp_path: Path) -> None:
    y = sine(44100, 1.0, channels=2)
    y[1] *= -1
    mono, _ = load(file_of(tmp_path, "flac", y))
    assert np.abs(mono).max() <= QUANTIZATION


def test_peak_is_that_of_the_mix_whether_or_not_the_channels_are_tapped(tmp_path: Path) -> None:
    y = sine(44100, 3.0, channels=2)
    y[1] *= -0.5
    path = file_of(tmp_path, "wav-float", y)
    for tap in (None, lambda block, sr: None):
        stream = AudioStream(path, sr=16000, tap=tap)
        assert max(np.abs(block).max() for block in stream) > 0
        assert stream.peak == pytest.approx(0.125, rel=ROUNDING)


@pytest.mark.parametrize("channel", range(6))
def test_each_of_six_channels_counts_a_sixth(channel: int, tmp_path: Path) -> None:
    y = np.zeros((6, 44100), dtype=np.float32)
    y[channel] = sine(44100, 1.0, amplitude=0.9)
    mono, _ = load(file_of(tmp_path, "wav-float", y))
    assert amplitude(mono) == pytest.approx(0.15, rel=RESAMPLING)


@pytest.mark.parametrize("sr", [8000, 22050, 44100, 48000, 96000])
def test_resampling_keeps_level_length_and_pitch(sr: int, tmp_path: Path) -> None:
    y, rate = load(file_of(tmp_path, "wav", sine(sr, 2.0), sr), sr=16000)
    assert rate == 16000
    assert len(y) == pytest.approx(2 * 16000, abs=1)
    assert amplitude(y) == pytest.approx(0.5, rel=RESAMPLING)
    assert frequency(y, 16000) == pytest.approx(440.0, abs=RESOLUTION_HZ)


def test_what_lies_above_the_new_rate_does_not_fold_down(tmp_path: Path) -> None:
    y, _ = load(file_of(tmp_path, "wav", sine(48000, 1.0, hz=11000.0), 48000), sr=16000)
    assert amplitude(y) < QUANTIZATION * 2


@pytest.mark.parametrize("sr", [None, 16000])
@pytest.mark.parametrize("fmt", ["wav", "flac", "mp3"])
def test_blocks_in_a_row_are_the_whole_file(fmt: str, sr: int | None, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    stream = AudioStream(path, sr=sr)
    blocks = list(stream)
    y, rate = load(path, sr=sr)
    assert len(blocks) > 3
    np.testing.assert_array_equal(np.concatenate(blocks), y)
    assert rate == (sr or 44100)


def test_tap_sees_the_native_channels_and_changes_nothing(tmp_path: Path) -> None:
    y = noise(44100, 4.0, channels=2)
    path = file_of(tmp_path, "wav", y)
    seen: list[Array] = []
    rates: set[int] = set()

    def tap(block: Array, sr: int) -> None:
        seen.append(block.copy())
        rates.add(sr)

    mono = np.concatenate(list(AudioStream(path, sr=None, tap=tap)))
    assert rates == {44100}
    np.testing.assert_allclose(np.concatenate(seen, axis=1), y, atol=QUANTIZATION)
    np.testing.assert_allclose(mono, load(path)[0], atol=ROUNDING)
    np.testing.assert_allclose(mono, y.mean(axis=0), atol=QUANTIZATION)


@pytest.mark.parametrize("fmt", [f for f in FORMATS if not f.startswith("wav")])
def test_click_is_found_where_it_was_put(fmt: str, tmp_path: Path) -> None:
    """An encoder's delay is taken off where the format can state it."""
    sr = 48000 if fmt == "opus" else 44100
    y = np.zeros((1, 2 * sr), dtype=np.float32)
    y[0, sr // 2 - 16 : sr // 2 + 16] = 0.8 * np.hanning(32)
    z, _ = load(file_of(tmp_path, fmt, y))
    at = int(np.argmax(np.abs(z))) - KNOWN_DELAY.get(fmt, 0)
    assert at / sr == pytest.approx(0.5, abs=CLICK_SECONDS)


def test_two_hours_stream_in_small_blocks(tmp_path: Path) -> None:
    """Never more than some seconds are held, whatever a file's length."""
    path = tmp_path / "long.wav"
    write(path, np.zeros((1, 8), dtype=np.float32), 8000, "wav-u8")
    seconds = 2 * 3600
    with open(path, "r+b") as file:
        head = bytearray(file.read().split(b"data")[0])
        head[4:8] = struct.pack("<I", len(head) + seconds * 8000)
        file.seek(0)
        file.write(head + b"data" + struct.pack("<I", seconds * 8000))
        file.truncate(len(head) + 8 + seconds * 8000)  # sparse: the samples take no room
    stream = AudioStream(path, sr=16000)
    largest = max(len(block) for block in stream)
    assert stream.seconds == pytest.approx(seconds)
    assert stream.problem is None
    assert largest < 16000 * 30


# ------------------------------------------------------------------------------- names and contents


@pytest.mark.parametrize(
    "name",
    ["🎵 é.wav", "two\nlines.wav", "-i.wav", "a:b.wav", "http:x.wav", "100%d %03d.wav", "#?*.wav"],
)
def test_odd_names_are_just_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(name, sine(16000, 1.0), 16000)
    y, _ = load(name)
    assert len(y) == 16000


def test_name_that_is_not_unicode(tmp_path: Path) -> None:
    path = os.path.join(tmp_path, os.fsdecode(b"caf\xe9.wav"))
    write(path, sine(16000, 1.0), 16000)
    y, stream = read(path)
    assert len(y) == 16000
    assert identify(path) == stream.digest


def test_the_content_counts_not_the_suffix(tmp_path: Path) -> None:
    path = file_of(tmp_path, "flac").rename(tmp_path / "really.mp3")
    assert read(path)[1].codec == "flac"


def add_cover(path: Path) -> None:
    """Put a picture into a file's tags; FFmpeg shows it as a video stream."""
    file = mutagen.File(path)
    if file.tags is None and not isinstance(file, flac.FLAC):
        file.add_tags()
    if isinstance(file, flac.FLAC):
        picture = flac.Picture()
        picture.data, picture.mime, picture.type = PNG, "image/png", 3
        file.add_picture(picture)
    elif isinstance(file, mp4.MP4):
        file["covr"] = [mp4.MP4Cover(PNG, mp4.MP4Cover.FORMAT_PNG)]
    else:
        file.tags.add(id3.APIC(encoding=3, mime="image/png", type=3, desc="", data=PNG))
    file.save()


@pytest.mark.parametrize("fmt", ["mp3", "flac", "m4a", "alac", "wav", "aiff"])
def test_cover_picture_is_no_obstacle(fmt: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    before = load(path)[0]
    add_cover(path)
    if fmt in ("mp3", "flac", "m4a", "alac"):
        with av.open(str(path)) as container:
            assert len(container.streams.video) == 1, "the picture is not where FFmpeg sees it"
    y, stream = read(path)
    np.testing.assert_array_equal(y, before)
    assert stream.problem is None


# --------------------------------------------------------------------------------- not audio at all


def reason(path: Path) -> str:
    with pytest.raises(AudioError) as caught:
        list(AudioStream(path, sr=16000))
    assert "\n" not in str(caught.value)
    assert caught.value.path == str(path)
    return caught.value.reason


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty file"),
        (b"Dear diary, today I did not record anything.\n" * 200, "not readable as audio"),
        (JPEG + bytes(range(256)) * 40, "not readable as audio"),
        (PNG, "not readable as audio"),
        (bytes(10_000), "not readable as audio"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"x" * 5000, "not readable as audio"),
    ],
    ids=["empty", "text", "jpeg", "png", "zeros", "tag only"],
)
@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".m4a", ".au"])
def test_what_is_no_audio_is_refused(
    content: bytes, says: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    assert says in reason(path)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [300, 5_000, 60_000])
def test_random_bytes_are_never_audio(
    seed: int, size: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = np.random.default_rng([seed, size]).bytes(size)
    for suffix in sorted(AUDIO_SUFFIXES):
        path = tmp_path / f"noise{suffix}"
        path.write_bytes(content)
        assert reason(path)
    assert capfd.readouterr() == ("", ""), "a decoder talks to the terminal"


@pytest.mark.parametrize("head", [b"\xff\xfb\x90\x64", b"\xff\xf1\x50\x80", b"\x0b\x77"])
def test_random_bytes_behind_a_frame_header_are_never_audio(head: bytes, tmp_path: Path) -> None:
    """Sync words of mp3, AAC and AC-3: what chance writes once in a few thousand files."""
    for seed in range(4):
        path = tmp_path / "noise.mp3"
        path.write_bytes(head + np.random.default_rng(seed).bytes(60_000))
        assert reason(path)


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    assert "no such file" in reason(tmp_path / "gone.mp3")
    assert "folder" in reason(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile '{other}'\n",
        "#EXTM3U\n#EXTINF:2,x\n{other}\n",
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{other}\n#EXT-X-ENDLIST\n",
        "[playlist]\nFile1={other}\nNumberOfEntries=1\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
    ],
    ids=["ffconcat", "m3u8", "hls", "pls", "sdp"],
)
@pytest.mark.parametrize("suffix", [".mp3", ".m3u8", ".wav"])
def test_lists_of_files_are_not_followed(text: str, suffix: str, tmp_path: Path) -> None:
    write(tmp_path / "other.wav", sine(16000, 2.0), 16000)
    path = tmp_path / f"list{suffix}"
    path.write_text(text.format(other="other.wav"))
    assert "not readable as audio" in reason(path)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{url}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{url}'\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
        '<AdaptationSet mimeType="audio/mp4"><Representation id="1"><BaseURL>{url}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        '<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
        "[Reference]\r\nRef1={url}\r\n",
    ],
    ids=["hls", "ffconcat", "dash", "asx", "asf"],
)
@pytest.mark.parametrize("head", [b"", b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)], ids=["", "id3"])
def test_no_address_is_called(text: str, head: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for suffix in (".mp3", ".m3u8", ".mpd"):
            path = tmp_path / f"list{suffix}"
            url = f"http://127.0.0.1:{server.getsockname()[1]}/x.ts"
            path.write_bytes(head + text.format(url=url).encode())
            assert "not readable as audio" in reason(path)
        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()


def _outsourced(path: Path, other: Path) -> bytes:
    """Return an mp4 file whose audio, by its data reference, lies in another file."""
    content = bytearray(path.read_bytes())
    at = content.index(b"dref") - 4
    size = int.from_bytes(content[at : at + 4], "big")
    name = os.fsencode(other)
    name += b"\0" * (len(name) % 2)
    # A Macintosh alias record: volume, file name, levels from and to, then the path, type 2.
    alias = bytes(10) + b"\x01v".ljust(28, b"\0") + bytes(12) + b"\x01f".ljust(64, b"\0")
    alias += bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    alias += struct.pack(">HH", 2, len(name)) + name + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    box = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    content[at : at + size] = box
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        start = content.index(name) - 4
        grown = int.from_bytes(content[start : start + 4], "big") + len(box) - size
        content[start : start + 4] = grown.to_bytes(4, "big")
    return bytes(content)


def test_audio_that_lies_in_another_file_is_not_fetched(tmp_path: Path) -> None:
    other, path = tmp_path / "other.m4a", tmp_path / "list.m4a"
    write(other, sine(44100, 2.0), 44100, "m4a")
    path.write_bytes(_outsourced(other, other))
    allowed = {"enable_drefs": "1", "use_absolute_path": "1"}
    with av.open(str(path), options=allowed) as container:  # it would be, were FFmpeg told so
        assert sum(frame.samples for frame in container.decode(audio=0)) > 80_000
    assert reason(path)


@pytest.mark.parametrize(
    ("sr", "channels"), [(0, 1), (1, 1), (999, 2), (4_000_000, 1), (2**32 - 1, 1), (44100, 200)]
)
def test_rates_and_channels_that_no_recording_has_are_refused(
    sr: int, channels: int, tmp_path: Path
) -> None:
    """A damaged rate of 1 Hz would otherwise be resampled to hours of nothing."""

    def change(data: bytes) -> bytes:
        at = data.index(b"fmt ") + 10
        return data[:at] + struct.pack("<HI", channels, sr) + data[at + 6 :]

    path = file_of(tmp_path, "wav")
    assert re.search("not (audio|readable)|no audio", reason(edited(path, change)))


@pytest.mark.parametrize("container", ["WAV", "AIFF", "OGG", "FLAC"])
def test_file_without_samples_is_refused(container: str, tmp_path: Path) -> None:
    path = tmp_path / f"none.{container.lower()}"
    soundfile.write(path, np.zeros((0, 1)), 44100, format=container)
    assert reason(path)


@pytest.mark.parametrize("fmt", KINDS)
def test_changed_bytes_in_a_header_never_escape_as_another_error(
    fmt: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    path = file_of(tmp_path, fmt, notes(48000, 0.5), 48000)
    content = path.read_bytes()
    for _ in range(30):
        data = bytearray(content)
        for at in rng.integers(0, 200, rng.integers(1, 8)):
            data[at] = rng.integers(0, 256)
        path.write_bytes(data)
        try:
            y, stream = read(path)
        except AudioError as error:
            assert "\n" not in str(error)
        else:
            assert np.isfinite(y).all()
            assert len(stream.digest) == 32
    assert "Traceback" not in capfd.readouterr().err


# ------------------------------------------------------------------------------------ damaged files


@pytest.mark.parametrize("part", [0.5, 0.8])
@pytest.mark.parametrize("fmt", KINDS)
def test_truncated_file_is_read_as_far_as_it_goes_and_marked(
    fmt: str, part: float, tmp_path: Path
) -> None:
    path = file_of(tmp_path, fmt)
    whole = identify(path)
    edited(path, lambda data: data[: int(part * len(data))])
    if FORMATS[fmt].container == "ipod":  # its table of contents stands at the end
        assert "not readable" in reason(path)
        return
    y, stream = read(path)
    # An Opus page is a second long, and half of one may be lost.
    assert len(y) / stream.native_sr == pytest.approx(6 * part, abs=1.1)
    assert stream.problem
    assert stream.digest != whole


def test_truncated_m4a_with_its_table_in_front_is_read_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "front.m4a"
    y = notes(44100, 6.0)
    with av.open(str(path), "w", format="ipod", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(y, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert read(path)[1].problem is None
    edited(path, lambda data: data[: len(data) // 2])
    read_y, damaged = read(path)
    assert len(read_y) / 44100 == pytest.approx(3.0, abs=0.5)
    assert damaged.problem == f"only {damaged.seconds:.1f} s of 6.0 s are there"


@pytest.mark.parametrize("share", [0.01, 0.1])
@pytest.mark.parametrize("zeros", [True, False], ids=["zeros", "noise"])
@pytest.mark.parametrize("fmt", KINDS)
def test_damage_in_the_middle_costs_only_the_middle(
    fmt: str, zeros: bool, share: float, tmp_path: Path
) -> None:
    path = file_of(tmp_path, fmt)

    def damage(data: bytes) -> bytes:
        n, half = int(share * len(data)), len(data) // 2
        hole = bytes(n) if zeros else np.random.default_rng(0).bytes(n)
        return data[:half] + hole + data[half + n :]

    y, stream = read(edited(path, damage))
    assert np.isfinite(y).all()
    # For the pages or frames that the hole only touches; a page is half a second to a second long.
    lost = {"ogg": 1.0, "opus": 2.1}.get(fmt, 0.5)
    assert stream.seconds >= 6 * (1 - share) - lost
    if stream.seconds < 6.0 - 0.6:
        assert stream.problem


def test_file_that_is_mostly_damaged_keeps_its_good_part(tmp_path: Path) -> None:
    path = file_of(tmp_path, "m4a")

    def damage(data: bytes) -> bytes:
        start, end = int(0.35 * len(data)), int(0.95 * len(data))
        return data[:start] + bytes(end - start) + data[end:]

    y, stream = read(edited(path, damage))
    assert len(y) / 44100 > 0.3 * 6
    assert stream.problem


def test_samples_that_are_not_numbers_become_silence_and_are_noted(tmp_path: Path) -> None:
    y = sine(16000, 1.0)
    good = y.copy()
    for at, bad in ((100, np.nan), (200, np.inf), (300, -np.inf), (400, 1e30), (500, -3e38)):
        y[0, at] = bad
        good[0, at] = 0
    path = tmp_path / "bad.wav"
    soundfile.write(path, y.T, 16000, subtype="FLOAT")
    tapped: list[Array] = []
    stream = AudioStream(path, sr=None, tap=lambda block, sr: tapped.append(block.copy()))
    np.testing.assert_array_equal(np.concatenate(list(stream)), good[0])
    np.testing.assert_array_equal(np.concatenate(tapped, axis=1), good)
    assert stream.problem
    assert stream.problem.startswith("samples that are not numbers")
    assert stream.peak == np.float32(0.5)


# --------------------------------------------------------------------------- headers that are wrong


def with_data_size(data: bytes, size: int) -> bytes:
    at = data.index(b"data") + 4
    return data[:at] + struct.pack("<I", size) + data[at + 4 :]


@pytest.mark.parametrize(
    ("size", "seconds", "marked"),
    [
        (6 * 88200 * 2, 6.0, True),
        (0xFFFFFFFF, 6.0, False),
        (0x7FFFF024, 6.0, False),  # sox, into a pipe
        (0, 6.0, False),  # a recorder that lost power
        (6 * 88200 + 8820, 6.0, False),  # a tenth of a second is within the tolerance
    ],
)
def test_wrong_data_size_in_a_wav(size: int, seconds: float, marked: bool, tmp_path: Path) -> None:
    path = edited(file_of(tmp_path, "wav"), lambda data: with_data_size(data, size))
    y, stream = read(path)
    assert len(y) / 44100 == pytest.approx(seconds, abs=0.01)
    assert (stream.problem == "only 6.0 s of 12.0 s are there") == marked
    assert bool(stream.problem) == marked


@pytest.mark.parametrize(("factor", "marked"), [(2.0, True), (0.5, False), (0.0, False)])
def test_wrong_number_of_samples_in_a_flac(factor: float, marked: bool, tmp_path: Path) -> None:
    def change(data: bytes) -> bytes:
        # STREAMINFO: the number is the low 36 bits of the 8 bytes at 18.
        value = int.from_bytes(data[18:26], "big")
        total = int((value & (1 << 36) - 1) * factor)
        return data[:18] + (value >> 36 << 36 | total).to_bytes(8, "big") + data[26:]

    y, stream = read(edited(file_of(tmp_path, "flac"), change))
    assert len(y) == 6 * 44100
    assert bool(stream.problem) == marked


@pytest.mark.parametrize(("factor", "marked"), [(2.0, True), (0.5, False)])
@pytest.mark.parametrize("tagged", [True, False])
def test_wrong_number_of_frames_in_an_mp3(
    factor: float, marked: bool, tagged: bool, tmp_path: Path
) -> None:
    path = file_of(tmp_path, "mp3")
    if tagged:
        add_cover(path)
    else:
        id3.delete(path)

    def change(data: bytes) -> bytes:
        at = max(data.find(b"Xing"), data.find(b"Info")) + 8
        frames = int(int.from_bytes(data[at : at + 4], "big") * factor)
        return data[:at] + frames.to_bytes(4, "big") + data[at + 4 :]

    y, stream = read(edited(path, change))
    if marked:
        assert len(y) / 44100 == pytest.approx(6.0, abs=0.1)
    assert bool(stream.problem) == marked


def test_mp3_without_a_count_promises_nothing(tmp_path: Path) -> None:
    """FFmpeg guesses such a file's length from its first frames' bit rate: here too long a one."""
    parts = []
    for bit_rate in (32_000, 256_000):
        path = tmp_path / f"{bit_rate}.mp3"
        write(path, notes(44100, 3.0), 44100, "mp3", bit_rate=bit_rate)
        id3.delete(path)
        parts.append(path.read_bytes().replace(b"Xing", bytes(4)).replace(b"Info", bytes(4)))
    path.write_bytes(b"".join(parts))
    with av.open(str(path)) as container:
        assert container.duration > 10e6
    y, stream = read(path)
    assert len(y) / 44100 == pytest.approx(6.0, abs=0.3)
    assert stream.problem is None


# ----------------------------------------------------------------------------------------- identity


def retag(path: Path) -> None:
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    if isinstance(file, mutagen.asf.ASF):
        file["Title"] = "Another title " * 40
    elif isinstance(file.tags, id3.ID3):
        file.tags.add(id3.TIT2(encoding=3, text="Another title " * 40))
    else:
        file["title"] = "Another title " * 40
    file.save()


@pytest.mark.parametrize("fmt", ["mp3", "flac", "ogg", "opus", "m4a", "alac", "wav", "aiff", "wma"])
def test_tags_and_name_leave_the_identity_alone(fmt: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    before, content = identify(path), path.read_bytes()
    retag(path)
    assert path.read_bytes() != content
    assert identify(path) == before
    if fmt in ("mp3", "flac", "m4a", "alac", "wav", "aiff"):
        add_cover(path)
        assert identify(path) == before
    assert identify(path.rename(tmp_path / "renamed.bin")) == before


@pytest.mark.parametrize("kind", ["ID3v1", "APEv2", "no tag"])
def test_tags_at_the_end_of_an_mp3_leave_the_identity_alone(kind: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, "mp3")
    before = identify(path)
    size = path.stat().st_size
    id3.delete(path)
    if kind == "ID3v1":
        edited(path, lambda data: data + b"TAG" + b"Another title".ljust(125, b"\0"))
    if kind == "APEv2":
        tag = apev2.APEv2()
        tag["Title"] = "Another title"
        tag.save(path)
    assert path.stat().st_size != size
    assert identify(path) == before


@pytest.mark.parametrize("fmt", KINDS)
def test_a_full_pass_gives_the_identity(fmt: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, fmt)
    stream = read(path)[1]
    assert len(stream.digest) == 32
    assert identify(path) == stream.digest


def test_other_audio_or_another_encoding_has_another_identity(tmp_path: Path) -> None:
    y = notes(44100, 2.0)
    quieter = y * np.float32(0.9)
    digests = [identify(file_of(tmp_path, fmt, y)) for fmt in FORMATS]
    digests += [identify(file_of(tmp_path, fmt, quieter)) for fmt in ("wav", "flac", "mp3")]
    path = tmp_path / "low.mp3"
    write(path, y, 44100, "mp3", bit_rate=96_000)
    assert len({*digests, identify(path)}) == len(FORMATS) + 4


def test_same_samples_at_another_rate_have_another_identity(tmp_path: Path) -> None:
    y = noise(8000, 1.0)
    assert identify(file_of(tmp_path, "wav", y, 8000)) != identify(
        file_of(tmp_path, "wav", y, 16000)
    )


# ----------------------------------------------------------------------------------------- fixtures


def test_fixture_is_what_its_script_writes(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "fixtures"
    subprocess.run([sys.executable, folder / "make_fixtures.py", tmp_path], check=True)
    made, sr = load(tmp_path / "tone.flac")
    y, stream = read(folder / "tone.flac")
    # Sines of another platform's C library may round to the next of 16 bits.
    np.testing.assert_allclose(y, made, atol=QUANTIZATION)
    assert (len(y), stream.native_sr, sr, stream.problem) == (64000, 16000, 16000, None)
    tags = mutagen.File(folder / "tone.flac")
    assert (tags["title"], tags["artist"]) == (["Tone"], ["Fixture"])
    assert (folder / "tone.flac").stat().st_size < 100_000


# ------------------------------------------------------------------------------------- the decoders


def test_a_decoder_can_be_added_at_run_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode_text(info: StreamInfo) -> Iterator[tuple[Array, int]]:
        """Samples as words, two channels."""
        words = Path(info.path).read_text(encoding="ascii").split()
        if words.pop(0) != "SAMPLES":
            raise AudioError(info.path, "no samples in words")
        info.begin(8000, 2)
        info.codec, info.digest = "words", "0" * 32
        y = np.array(words, dtype=np.float32)
        yield np.stack([y, np.zeros_like(y)]), 8000

    monkeypatch.setitem(DECODERS, "text", decode_text)
    path = tmp_path / "song.words"
    path.write_text("SAMPLES " + "0.5 -0.25 " * 500, encoding="ascii")
    stream = AudioStream(path, sr=None)
    mono = np.concatenate(list(stream))
    assert mono[:2].tolist() == [0.25, -0.125]
    assert (stream.codec, stream.native_sr, stream.channels) == ("words", 8000, 2)
    assert (stream.seconds, stream.peak) == (0.125, 0.25)
    assert load(path, sr=16000)[0].shape == (2000,)
    # What no decoder can read is told in the first one's words.
    other = tmp_path / "other.words"
    other.write_text("nothing of the kind", encoding="ascii")
    with pytest.raises(AudioError, match="not readable as audio"):
        load(other)
    # The others are asked before.
    write(tmp_path / "song.wav", sine(8000, 1.0), 8000)
    assert AudioStream(tmp_path / "song.wav", sr=None).examine() == pytest.approx(1.0)
