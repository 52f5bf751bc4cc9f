from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_audio import Array, noise, notes, sine
from numpy.typing import NDArray
from references import MEL_SETTINGS as SETTINGS
from references import references, sweep

from musicu.audio.mel import (
    LOG_MEL_PRESETS,
    LogMel,
    MelStream,
    compress,
    log_mel,
    mel_spectrogram,
)
from musicu.audio.windower import Windower
from musicu.errors import ModelError

# Both computed in float32 by different FFTs; relative to the spectrogram's largest value.
LIBROSA = 1e-6
# torchaudio also computes its filters in float32.
TORCHAUDIO = 2e-5
# librosa rounds its filters to float32 before, we after the area normalization.
FILTERS = 1e-6
# The teachers' log-mels are float32 numbers up to 5.
TEACHERS = 2e-6
# Decibels, of which float32 power at -50 dB leaves a ten-thousandth.
DECIBELS = 1e-3
# A gain of a power of two is exact; any other rounds samples, and the log magnifies little values.
GAIN = 1e-4
# One matrix product over fewer or more rows may add in another order; relative to the largest.
BLOCKS = 1e-6

TINY = LogMel(n_fft=64, hop_length=32, n_mels=6, window=10, window_hop=4)


def librosa_filters(fe: LogMel) -> NDArray[np.float64]:
    filters: NDArray[np.float64] = librosa.filters.mel(
        sr=fe.sr,
        n_fft=fe.n_fft,
        n_mels=fe.n_mels,
        fmin=fe.fmin,
        fmax=fe.fmax,
        htk=fe.htk,
        norm=fe.norm,
        dtype=np.float64,
    )
    return filters


@pytest.mark.parametrize("name", SETTINGS)
def test_filters_are_librosas(name: str) -> None:
    fe = SETTINGS[name]
    reference = librosa_filters(fe)
    np.testing.assert_allclose(fe.filters(), reference.T, atol=FILTERS * reference.max())


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("seconds", [0.1, 0.7, 3.0])
def test_spectrogram_is_librosas(name: str, seconds: float) -> None:
    fe = SETTINGS[name]
    y = (notes(fe.sr, seconds) + noise(fe.sr, seconds))[0]
    reference = librosa.feature.melspectrogram(
        y=y.astype(np.float64),
        sr=fe.sr,
        n_fft=fe.n_fft,
        hop_length=fe.hop_length,
        center=True,
        pad_mode="constant",
        power=fe.power,
        n_mels=fe.n_mels,
        fmin=fe.fmin,
        fmax=fe.fmax,
        htk=fe.htk,
        norm=fe.norm,
        dtype=np.float64,
    )
    s = mel_spectrogram(y, fe)
    assert s.dtype == np.float32
    assert s.shape == (fe.n_mels, 1 + len(y) // fe.hop_length)
    np.testing.assert_allclose(s, reference, atol=LIBROSA * reference.max())


@pytest.mark.parametrize("name", SETTINGS)
def test_spectrogram_is_torchaudios(name: str) -> None:
    """Every fourth frame of it."""
    fe = SETTINGS[name]
    reference = np.array(references("torchaudio: mel")[name]).T
    got = mel_spectrogram(sweep(fe.sr), fe)[:, ::4]
    np.testing.assert_allclose(got, reference, atol=TORCHAUDIO * reference.max())


def teachers(name: str = "check.npz") -> Any:
    folder = os.environ.get("MUSICU_DATA")
    if not folder:
        pytest.skip("MUSICU_DATA is not set")
    file = Path(folder).parent / "teachers" / name
    if not file.exists():
        pytest.skip(f"no {file}")
    return np.load(file, allow_pickle=False)


@pytest.mark.data
@pytest.mark.parametrize(
    ("preset", "signal", "frames"),
    [("musicnn", "y16", "musicnn_logmel"), ("artist_siamese", "y22", "siamese_logmel")],
)
def test_presets_hear_what_their_networks_were_trained_on(
    preset: str, signal: str, frames: str
) -> None:
    check = teachers()
    fe = LOG_MEL_PRESETS[preset]
    heard = compress(mel_spectrogram(check[signal], fe).T, fe)
    np.testing.assert_allclose(heard, check[frames], atol=TEACHERS)


@pytest.mark.data
def test_jamendo_preset_hears_what_its_network_was_trained_on() -> None:
    check = teachers("check2.npz")
    fe = LOG_MEL_PRESETS["jamendo_musicnn"]
    # Its windows are reflected at their ends, one by one; in a stream only the outer frames differ.
    y = np.pad(check["y16"][: (fe.window - 1) * fe.hop_length + 128], fe.n_fft // 2, mode="reflect")
    heard = compress(mel_spectrogram(y, fe).T, fe)[1:-1]
    np.testing.assert_allclose(heard, check["jamendo_logmel"][0], atol=DECIBELS)


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 700), max_size=12),
    name=st.sampled_from(["musicu", "artist_siamese", "htk-magnitude"]),
)
def test_frames_do_not_depend_on_the_blocks_they_came_in(sizes: list[int], name: str) -> None:
    fe = SETTINGS[name]
    y = noise(fe.sr, sum(sizes) / fe.sr)[0]
    stream = MelStream(fe)
    parts = [stream.push(block) for block in np.split(y, np.cumsum(sizes))]
    frames = np.concatenate([*parts, stream.finish()]).T
    whole = mel_spectrogram(y, fe)
    assert frames.shape == whole.shape
    np.testing.assert_allclose(frames, whole, atol=BLOCKS * max(whole.max(), 1e-30))


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(0, 30), max_size=10), window_hop=st.sampled_from([3, 4, 10, 13]))
def test_windows_do_not_depend_on_the_blocks_they_came_in(
    sizes: list[int], window_hop: int
) -> None:
    fe = replace(TINY, window_hop=window_hop)
    frames = np.arange(sum(sizes) * 6, dtype=np.float32).reshape(-1, 6)
    windower = Windower(fe)
    streamed = [
        pair for block in np.split(frames, np.cumsum(sizes)) for pair in windower.push(block)
    ]
    streamed += windower.finish()
    whole = Windower(fe)
    at_once = [*whole.push(frames), *whole.finish()]
    assert [t for t, _ in streamed] == [t for t, _ in at_once]
    for (_, ours), (_, theirs) in zip(streamed, at_once, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("n", "window_hop", "starts"),
    [
        (0, 10, []),
        (1, 10, [0]),
        (9, 10, [0]),
        (10, 10, [0]),
        (14, 10, [0]),  # four frames left: less than half a window
        (15, 10, [0, 5]),  # five left: a window aligned with the end
        (20, 10, [0, 10]),
        (29, 10, [0, 10, 19]),
        (30, 4, [0, 4, 8, 12, 16, 20]),
        (32, 4, [0, 4, 8, 12, 16, 20]),
        (32, 15, [0, 15, 22]),  # windows may lie apart
    ],
)
def test_windows_start_where_they_should(n: int, window_hop: int, starts: list[int]) -> None:
    fe = replace(TINY, window_hop=window_hop)
    frames = np.repeat(np.arange(n, dtype=np.float32)[:, None], 6, axis=1)
    windower = Windower(fe)
    pairs = [*windower.push(frames), *windower.finish()]
    assert [t for t, _ in pairs] == [s * fe.hop_length / fe.sr for s in starts]
    for (_, window), start in zip(pairs, starts, strict=True):
        assert window.shape == (10, 6)
        np.testing.assert_array_equal(window[:, 0], (start + np.arange(10)) % n)


def test_signal_shorter_than_a_window_is_repeated() -> None:
    fe = LOG_MEL_PRESETS["musicu"]
    y = noise(fe.sr, 1.0)[0]
    frames = mel_spectrogram(y, fe).T
    windows, times = log_mel(y, fe)
    assert windows.shape == (1, fe.window, fe.n_mels)
    assert times.tolist() == [0.0]
    repeated = np.tile(frames, (3, 1))[: fe.window]
    np.testing.assert_array_equal(windows[0], compress(repeated, fe))


def test_log_mel_of_nothing_is_one_silent_frame_repeated() -> None:
    """Padding makes one frame of no samples, as in librosa."""
    windows, times = log_mel(np.empty(0, dtype=np.float32), LOG_MEL_PRESETS["musicu"])
    assert windows.shape == (1, 187, 96)
    assert not windows.any()
    assert times.tolist() == [0.0]


@settings(max_examples=30, deadline=None)
@given(decibels=st.floats(-60, 40), seed=st.integers(0, 100))
def test_window_level_makes_the_input_independent_of_gain(decibels: float, seed: int) -> None:
    fe = LOG_MEL_PRESETS["musicu"]
    y = (notes(fe.sr, 3.0, seed=seed) + noise(fe.sr, 3.0, seed=seed))[0]
    louder = y * np.float32(10 ** (decibels / 20))
    np.testing.assert_allclose(log_mel(louder, fe)[0], log_mel(y, fe)[0], atol=GAIN)


def test_without_window_level_the_gain_is_heard() -> None:
    fe = LOG_MEL_PRESETS["musicnn"]
    y = noise(fe.sr, 3.0)[0]
    assert (log_mel(y * np.float32(4), fe)[0] - log_mel(y, fe)[0]).mean() > 0.5


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.8])
def test_energy_of_a_pure_tone_lies_in_its_band(name: str, share: float) -> None:
    """The loudest band is one whose triangle holds the tone."""
    fe = SETTINGS[name]
    hz = fe.fmin + share * (fe.fmax - fe.fmin)
    s = mel_spectrogram(sine(fe.sr, 1.0, hz=hz)[0], fe)
    loudest = int(np.argmax(s[:, s.shape[1] // 2]))
    edges = librosa.mel_frequencies(fe.n_mels + 2, fmin=fe.fmin, fmax=fe.fmax, htk=fe.htk)
    bin_width = fe.sr / fe.n_fft
    assert edges[loudest] - bin_width <= hz <= edges[loudest + 2] + bin_width


def test_power_grows_with_the_square_and_magnitude_with_the_gain() -> None:
    y = noise(16000, 1.0)[0]
    for fe, factor in ((LogMel(), 16.0), (LogMel(power=1.0), 4.0)):
        once, louder = mel_spectrogram(y, fe), mel_spectrogram(4 * y, fe)
        np.testing.assert_allclose(louder, factor * once, rtol=1e-6)


@pytest.mark.parametrize("name", ["musicu", "musicnn", "artist_siamese"])
@pytest.mark.parametrize("level", [0.0, 1e-30, 1e-12, 1e-5, 1e9])
def test_any_level_gives_numbers(name: str, level: float) -> None:
    fe = LOG_MEL_PRESETS[name]
    y = noise(fe.sr, 4.0)[0] * np.float32(level)
    windows, _ = log_mel(y, fe)
    assert np.isfinite(windows).all()


def test_silence_is_the_floor_of_the_compression() -> None:
    fe = LOG_MEL_PRESETS["artist_siamese"]
    windows, _ = log_mel(np.zeros(4 * fe.sr, dtype=np.float32), fe)
    np.testing.assert_allclose(windows, -fe.mean / fe.std, rtol=1e-6)


def test_compress_leaves_its_input_alone() -> None:
    windows = np.ones((2, 4, 3), dtype=np.float32)
    compress(windows, LOG_MEL_PRESETS["musicu"])
    assert (windows == 1).all()


def test_filters_are_shared_and_cannot_be_changed() -> None:
    filters: Array = LogMel().filters()
    assert filters is LogMel().filters()
    with pytest.raises(ValueError, match="read-only"):
        filters[0, 0] = 1.0


@pytest.mark.parametrize("preset", LOG_MEL_PRESETS)
def test_settings_survive_the_way_through_a_config(preset: str) -> None:
    assert LogMel.from_dict(asdict(LOG_MEL_PRESETS[preset])) == LOG_MEL_PRESETS[preset]
    assert LogMel.from_dict({"preset": preset}) == LOG_MEL_PRESETS[preset]
    assert LogMel.from_dict({"preset": preset, "gain": 5.0}).gain == 5.0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"preset": "mfcc"}, "no preset 'mfcc'; there are musicu"),
        ({"n_mel": 96, "hop": 1}, "unknown settings hop, n_mel"),
        ({"n_mels": 0}, "n_mels must be a whole number >= 1"),
        ({"n_fft": 512.0}, "n_fft must be a whole number"),
        ({"hop_length": 513}, "hop_length must not exceed n_fft"),
        ({"gain": float("nan")}, "gain must be a number"),
        ({"htk": "yes"}, "htk must be true or false"),
        ({"fmax": 9000.0}, "fmin < fmax <= sr / 2"),
        ({"fmin": -1.0}, "0 <= fmin"),
        ({"power": 3.0}, "power must be 1.0 or 2.0"),
        ({"level": "track"}, "level must be 'window' or null"),
        ({"gain": 0.0}, "must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        LogMel.from_dict(wrong)


@settings(max_examples=200, deadline=None)
@given(
    value=st.one_of(st.none(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    name=st.sampled_from(list(asdict(LogMel()))),
)
def test_settings_of_the_wrong_type_are_refused_in_one_line(value: object, name: str) -> None:
    if value is None and name in ("level", "norm"):
        return
    with pytest.raises(ModelError) as caught:
        LogMel.from_dict({name: value})
    assert "\n" not in str(caught.value)
