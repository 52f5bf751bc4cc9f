"""Waveforms: what waveforms and mel pictures show of sounds whose shape is known."""

from __future__ import annotations

import io
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_audio import Array, noise, notes, sine, write

from musicu.audio.downsample import Downsampler
from musicu.audio.waveform import POINTS, Waveform, compute_waveform
from musicu.errors import AudioError, MusicuError
from musicu.workers.waveform_renderer import WaveformRenderer

LOW, MID, HIGH = range(3)
# 24-bit samples, peaks of four decimals.
ROUNDING = 6e-5


def _look(folder: Path, y: Array, sr: int = 44100, form: str = "wav-24") -> Waveform:
    path = folder / f"sound.{form}"
    write(path, y, sr, form)
    return compute_waveform(path)


def _stretches(y: Array) -> Array:
    """Largest absolute sample of each of the 1,000 stretches, said another way."""
    n = y.shape[1]
    edges = np.arange(POINTS + 1) * n // POINTS
    return np.array(
        [np.abs(y[:, a : max(b, a + 1)]).max() for a, b in zip(edges, edges[1:], strict=False)]
    )


# The waveform


@pytest.mark.parametrize("n", [1, 7, 999, 1000, 1001, 100_003])
@pytest.mark.parametrize("channels", [1, 2])
def test_peaks_are_the_largest_samples_of_any_channel(
    tmp_path: Path, n: int, channels: int
) -> None:
    y = np.clip(noise(44100, n / 44100, channels=channels, rms=0.2), -0.99, 0.99)
    assert y.shape == (channels, n)
    peaks = _look(tmp_path, y).peaks
    assert len(peaks) == POINTS
    np.testing.assert_allclose(peaks, _stretches(y), atol=ROUNDING)


def test_peaks_of_a_longer_file_are_where_they_are(tmp_path: Path) -> None:
    sr = 48000
    y = np.zeros((1, 60 * sr), dtype=np.float32)
    clicks = np.array([3, 250, 500, 501, 996])
    # In the middle of a stretch, so that it does not matter that edges are rounded to some samples.
    y[0, ((clicks + 0.5) * y.shape[1] / POINTS).astype(int)] = 0.8
    peaks = np.array(_look(tmp_path, y, sr).peaks)
    assert np.flatnonzero(peaks).tolist() == clicks.tolist()
    np.testing.assert_allclose(peaks[clicks], 0.8, atol=ROUNDING)


def test_a_fade_in_rises(tmp_path: Path) -> None:
    y = sine(44100, 10, hz=1000, amplitude=0.9)
    peaks = _look(tmp_path, y * np.linspace(0, 1, y.shape[1], dtype=np.float32)).peaks
    assert np.all(np.diff(peaks) >= 0)
    np.testing.assert_allclose(peaks, 0.9 * np.arange(1, POINTS + 1) / POINTS, atol=2e-3)


def test_silence_is_flat_and_dark(tmp_path: Path) -> None:
    waveform = _look(tmp_path, np.zeros((2, 44100), dtype=np.float32))
    assert not any(waveform.peaks) and not waveform.bands.any() and not waveform.mel.any()
    assert waveform.seconds == 1.0


def test_opposite_channels_are_seen_although_their_mean_is_silent(tmp_path: Path) -> None:
    y = sine(44100, 2, amplitude=0.5)
    waveform = _look(tmp_path, np.concatenate([y, -y]))
    np.testing.assert_allclose(waveform.peaks, 0.5, atol=1e-3)
    assert not waveform.bands.any()


def test_what_goes_beyond_full_scale_is_drawn_at_full_scale(tmp_path: Path) -> None:
    assert set(_look(tmp_path, sine(8000, 1, amplitude=3.0), 8000, "wav-float").peaks) == {1.0}


# Bands and the mel picture


@pytest.mark.parametrize(("hz", "band"), [(100, LOW), (800, MID), (5000, HIGH)])
def test_a_tone_lights_the_band_it_lies_in(tmp_path: Path, hz: float, band: int) -> None:
    bands = _look(tmp_path, sine(44100, 4, hz=hz)).bands
    assert bands.shape == (3, POINTS)
    inner = bands[:, 10:-10]  # at the ends the tone is cut off, which is heard as a click
    assert inner[band].min() >= 250
    others = np.delete(inner, band, axis=0)
    assert others.max() < 90  # 40 dB below


def test_bands_change_where_the_music_does(tmp_path: Path) -> None:
    y = np.concatenate([sine(44100, 3, hz=100), sine(44100, 3, hz=5000)], axis=1)
    loudest = _look(tmp_path, y).bands.argmax(axis=0)
    assert set(loudest[:495]) == {LOW} and set(loudest[505:]) == {HIGH}


def test_higher_tones_stand_higher_in_the_picture(tmp_path: Path) -> None:
    tones = [60, 200, 600, 1500, 4000, 10000]
    rows = [int(_look(tmp_path, sine(44100, 1, hz=hz)).mel.mean(axis=1).argmax()) for hz in tones]
    assert rows == sorted(set(rows))
    assert rows[0] <= 2 and rows[-1] >= 90


@pytest.mark.parametrize("seconds", [0.01, 3.0, 60.0])
def test_a_picture_has_at_most_a_thousand_columns(tmp_path: Path, seconds: float) -> None:
    mel = _look(tmp_path, noise(22050, seconds), 22050).mel
    assert mel.dtype == np.uint8
    assert mel.shape == (96, min(POINTS, 1 + round(seconds * 22050) // 512))


def test_a_click_is_seen_where_it_is(tmp_path: Path) -> None:
    y = np.zeros((1, 44100 * 20), dtype=np.float32)
    y[0, 44100 * 5] = 0.9
    mel = _look(tmp_path, y).mel
    assert abs(mel.sum(axis=0).argmax() / mel.shape[1] - 0.25) < 0.005


def test_a_gain_changes_neither_bands_nor_picture(tmp_path: Path) -> None:
    y = notes(44100, 5)
    loud, quiet = _look(tmp_path, y, form="wav-float"), _look(tmp_path, y / 8, form="wav-float")
    np.testing.assert_allclose(loud.bands.astype(int), quiet.bands, atol=1)
    np.testing.assert_allclose(loud.mel.astype(int), quiet.mel, atol=1)
    np.testing.assert_allclose(loud.peaks, 8 * np.array(quiet.peaks), atol=8e-4)


def test_the_noise_of_a_converter_is_dark(tmp_path: Path) -> None:
    quiet = _look(tmp_path, noise(44100, 3, rms=10 ** (-96 / 20)), form="wav-float")
    loud = _look(tmp_path, noise(44100, 3, rms=0.1), form="wav-float")
    assert quiet.mel.mean() < loud.mel.mean() / 2


@pytest.mark.parametrize("form", ["wav-u8", "mp3", "m4a", "opus", "flac"])
def test_formats_look_alike(tmp_path: Path, form: str) -> None:
    y = notes(48000, 6)
    reference, other = _look(tmp_path, y, 48000), _look(tmp_path, y, 48000, form)
    assert abs(reference.seconds - other.seconds) < 0.1
    # Codecs shift the music by some milliseconds.
    peaks = [np.reshape(p.peaks, (-1, 25)).max(axis=1) for p in (reference, other)]
    assert np.corrcoef(*peaks)[0, 1] > 0.9
    columns = min(reference.mel.shape[1], other.mel.shape[1])
    a, b = (p.mel[:, :columns].astype(float).ravel() for p in (reference, other))
    assert np.corrcoef(a, b)[0, 1] > 0.85


# The PNG file


def _picture(width: int = 1000) -> Waveform:
    mel = (np.arange(96)[:, None] * 2 + np.arange(width) // 16).astype(np.uint8)
    return Waveform(1.0, [0.0] * POINTS, np.zeros((3, POINTS), dtype=np.uint8), mel)


@pytest.mark.parametrize("width", [1, 17, 1000])
def test_ffmpeg_reads_the_picture(width: int) -> None:
    with av.open(io.BytesIO(_picture(width).mel_png()), format="png_pipe") as container:
        (frame,) = container.decode(video=0)
    colors = frame.to_ndarray(format="rgb24").astype(int)
    assert colors.shape == (96, width, 3)
    # Lighter is more, and the high bands are on top.
    light = colors @ [0.2126, 0.7152, 0.0722]
    mel = _picture(width).mel[::-1].astype(int)
    order = np.argsort(mel, axis=None, kind="stable")
    assert np.all(np.diff(light.ravel()[order]) >= 0)
    assert light[0, 0] > light[-1, 0]


def test_the_picture_is_a_whole_png_file() -> None:
    png = _picture().mel_png()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds = 8, []
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", png[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(kind + content)
        kinds.append(kind)
        if kind == b"IDAT":
            rows = np.frombuffer(zlib.decompress(content), dtype=np.uint8).reshape(96, 1001)
            assert not rows[:, 0].any()
            np.testing.assert_array_equal(rows[:, 1:], _picture().mel[::-1] // 2)
        at += 12 + size
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]


def test_each_level_has_a_lighter_color_than_the_one_below() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (96, 1))
    with av.open(
        io.BytesIO(Waveform(1.0, [], np.empty((3, 0), np.uint8), ramp).mel_png()),
        format="png_pipe",
    ) as container:
        (frame,) = container.decode(video=0)
    light = frame.to_ndarray(format="rgb24")[0, ::2].astype(int) @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(light) > 0)
    assert light[0] < 16 and light[-1] > 240


# In other processes


@pytest.fixture(scope="module")
def renderer() -> Iterator[WaveformRenderer]:
    with WaveformRenderer(2) as renderer:
        yield renderer


def test_another_process_sees_the_same(renderer: WaveformRenderer, tmp_path: Path) -> None:
    path = tmp_path / "a song – 歌.flac"
    write(path, notes(44100, 3), 44100, "flac")
    here, there = compute_waveform(path), renderer.render(path)
    assert (here.seconds, here.peaks) == (there.seconds, there.peaks)
    np.testing.assert_array_equal(here.bands, there.bands)
    np.testing.assert_array_equal(here.mel, there.mel)


def test_a_file_that_is_no_audio_costs_itself_only(
    renderer: WaveformRenderer, tmp_path: Path
) -> None:
    good, bad, empty = tmp_path / "good.wav", tmp_path / "bad.mp3", tmp_path / "empty.flac"
    write(good, sine(8000, 1), 8000)
    bad.write_bytes(np.random.default_rng(0).bytes(20_000))
    empty.touch()
    for path in (bad, empty, tmp_path / "gone.wav", tmp_path):
        with pytest.raises(AudioError) as caught:
            renderer.render(path)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
        assert caught.value.reason
    assert renderer.render(good).seconds == 1.0


def test_what_is_there_of_a_cut_file_is_drawn(renderer: WaveformRenderer, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp3"
    write(path, notes(44100, 10), 44100, "mp3")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    waveform = renderer.render(path)
    assert 4 < waveform.seconds < 6
    assert len(waveform.peaks) == POINTS and max(waveform.peaks) > 0.1


def test_many_threads_share_a_renderer(renderer: WaveformRenderer, tmp_path: Path) -> None:
    paths = [tmp_path / f"{hz}.wav" for hz in (100, 800, 5000) for _ in range(2)]
    for path in paths:
        write(path, sine(16000, 1, hz=float(path.stem)), 16000)
    found: dict[int, Waveform] = {}

    def draw_one(number: int) -> None:
        found[number] = renderer.render(paths[number])

    threads = [threading.Thread(target=draw_one, args=(n,)) for n in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bands = [int(found[n].bands.mean(axis=1).argmax()) for n in range(len(paths))]
    assert bands == [LOW, LOW, MID, MID, HIGH, HIGH]


def test_a_closed_renderer_lets_nobody_wait(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    write(path, noise(44100, 30), 44100)
    renderer = WaveformRenderer()
    ends: list[Waveform | MusicuError] = []

    def ask() -> None:
        try:
            ends.append(renderer.render(path))
        except MusicuError as error:
            ends.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    renderer.close()
    for thread in threads:
        thread.join(timeout=300)
    assert len(ends) == 4
    renderer.close()
    with pytest.raises(MusicuError, match="the waveform renderer was closed"):
        renderer.render(path)


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    write(path, noise(44100, 60), 44100)
    with pytest.raises(AudioError, match="took longer than 0.001 s"):
        with WaveformRenderer(timeout=1e-3) as renderer:
            renderer.render(path)


def test_a_decoder_that_crashes_is_told() -> None:
    program = "input(); print('ready', flush=True); input(); raise SystemExit('gone')"
    with WaveformRenderer(command=[sys.executable, "-c", program]) as renderer:
        with pytest.raises(AudioError, match=r"^x\.mp3: the decoder crashed \(gone\)"):
            renderer.render("x.mp3")


# Bins


@given(
    counts=st.lists(st.integers(0, 200), min_size=1, max_size=12).filter(any),
    most=st.integers(2, 64),
    points=st.integers(1, 40),
)
def test_bins_do_not_depend_on_how_a_signal_arrives(
    counts: list[int], most: int, points: int
) -> None:
    rows = np.random.default_rng(0).random(sum(counts), dtype=np.float32)
    parts, whole = Downsampler(np.maximum, most), Downsampler(np.maximum, most)
    whole.push(rows)
    for part in np.split(rows, np.cumsum(counts)[:-1]):
        parts.push(part)
    assert len(parts) == len(whole) <= most
    np.testing.assert_array_equal(parts.read(points), whole.read(points))
    assert parts.read(1) == rows.max()


@given(n=st.integers(1, 500), most=st.integers(2, 64))
def test_bins_keep_the_mean(n: int, most: int) -> None:
    rows = np.random.default_rng(n).random((n, 3), dtype=np.float32)
    bins = Downsampler(np.add, most, 3)
    for part in np.array_split(rows, 5):
        bins.push(part)
    np.testing.assert_allclose(bins.read(1)[0], rows.mean(axis=0), rtol=1e-4)


def test_bins_that_are_not_full_combine_nothing() -> None:
    rows = np.random.default_rng(0).random((64, 2), dtype=np.float32)
    bins = Downsampler(np.add, 64, 2)
    bins.push(rows)
    np.testing.assert_array_equal(bins.read(64), rows)


def test_nothing_cannot_be_read() -> None:
    with pytest.raises(ValueError, match="nothing to read"):
        Downsampler(np.add, 4).read(1)
