from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.audio.accents import pick_onsets
from musicu.audio.descriptors import Describer, Descriptors, describe
from musicu.audio.key import pitch_histogram
from musicu.errors import AudioError

Array = NDArray[np.float32]

SR = 16000
# A frame is 16 ms; the peak of the autocorrelation is located between frames.
TEMPO = 0.005
# float32 spectra of two libraries; librosa's mel filters are float32 too.
LIBROSA = 1e-3
# Gain of a power of two is exact in float32 but for the products with the mel filters.
GAIN = 1e-4
# soxr leaves what is below 6 kHz as it was.
RESAMPLED = 0.02
# The digital K-weighting follows the analog one less well near half of a low sample rate.
WARPED_LU = 0.25

TRIADS = {"M": (0, 4, 7), "m": (0, 3, 7)}
CADENCES = {"major": ((0, "M"), (5, "M"), (7, "M")), "minor": ((0, "m"), (5, "m"), (7, "M"))}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def place(sounds: list[tuple[float, NDArray[np.float64]]], seconds: float) -> Array:
    y = np.zeros(int(seconds * SR))
    for start, sound in sounds:
        at = int(round(start * SR))
        part = sound[: max(0, len(y) - at)]
        y[at : at + len(part)] += part
    return y.astype(np.float32)


def drums(bpm: float, *, seconds: float = 20.0, seed: int = 0) -> Array:
    """Kick on 1 and 3, snare on 2 and 4, hi-hats on the eighths."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(0.2 * SR)) / SR
    kick = 0.45 * np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-30 * t)))) * np.exp(-14 * t)
    sounds = []
    for eighth in range(int((seconds - 0.1) * bpm / 30)):
        noise = rng.standard_normal(len(t))
        start = 0.1 + eighth * 30 / bpm
        if eighth % 4 == 0:
            sounds.append((start, kick))
        if eighth % 4 == 2:
            tone = 0.5 * np.sin(2 * np.pi * 190 * t)
            sounds.append((start, 0.25 * (noise + tone) * np.exp(-22 * t)))
        sounds.append((start, 0.1 * np.diff(noise, prepend=0.0) * np.exp(-70 * t)))
    return place(sounds, seconds)


def clicks(bpm: float, *, seconds: float = 20.0) -> Array:
    t = np.arange(int(0.03 * SR)) / SR
    click = 0.5 * np.sin(2 * np.pi * 1000 * t) * np.exp(-150 * t)
    return place(
        [(0.1 + k * 60 / bpm, click) for k in range(int((seconds - 0.2) * bpm / 60))], seconds
    )


def song(tonic: int, mode: str, *, cents: float = 0.0, seed: int = 0) -> Array:
    """I-IV-V-I with a random melody of the scale; eight harmonics a note."""
    rng = np.random.default_rng(seed)

    def note(pitch: float, seconds: float) -> NDArray[np.float64]:
        t = np.arange(int(seconds * SR)) / SR
        hz = 440 * 2 ** ((pitch + cents / 100 - 69) / 12)
        tone = sum(np.sin(2 * np.pi * (h * hz * t + rng.random())) / h for h in range(1, 9))
        return 0.05 * np.asarray(tone) * np.minimum(1, t / 0.01) * np.exp(-1.5 * t)

    sounds = []
    for second in range(12):
        root, kind = (*CADENCES[mode], CADENCES[mode][0])[second % 4]
        chord = [48 + (tonic + root) % 12 + i for i in TRIADS[kind]] + [36 + (tonic + root) % 12]
        sounds += [(second, note(pitch, 1.0)) for pitch in chord]
        for quarter in range(4):
            pitch = 60 + tonic + SCALES[mode][rng.integers(7)]
            sounds.append((second + quarter / 4, note(pitch, 0.25)))
    return place(sounds, 12)


def noise(seconds: float, *, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(int(seconds * SR))).astype(np.float32)


def pad(seconds: float) -> Array:
    t = np.arange(int(seconds * SR)) / SR
    tones = [np.sin(2 * np.pi * hz * t) for hz in (220.0, 220.7, 277.2, 329.6)]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


@pytest.mark.parametrize("bpm", range(60, 181, 10))
def test_tempo_of_a_metronome_is_exact(bpm: int) -> None:
    d = describe(clicks(bpm), SR)
    assert d.tempo == pytest.approx(bpm, rel=TEMPO)
    # Nothing in bare clicks tells the octave, the less so the faster they are.
    assert d.tempo_confidence > 0.2
    assert d.regularity is not None and d.regularity > 0.9
    assert d.onset_rate == pytest.approx(bpm / 60, abs=0.1)


@pytest.mark.parametrize("bpm", [*range(80, 181, 10), 165, 174])
def test_tempo_of_a_drum_kit_with_eighth_hats_is_exact(bpm: int) -> None:
    d = describe(drums(bpm), SR)
    assert d.tempo == pytest.approx(bpm, rel=TEMPO)
    assert d.tempo_confidence > 0.4


@pytest.mark.parametrize("bpm", [60, 70])
def test_slow_drum_kit_lists_its_tempo_among_the_candidates(bpm: int) -> None:
    """At 60 BPM eighth hats are heard at 120; both readings must be offered."""
    assert any(abs(t / bpm - 1) < TEMPO for t, _ in describe(drums(bpm), SR).tempo_candidates)


def test_candidates_begin_with_the_tempo_and_hold_both_octaves() -> None:
    d = describe(drums(100), SR)
    tempi, strengths = zip(*d.tempo_candidates, strict=True)
    assert tempi[0] == d.tempo and strengths[0] == 1.0
    assert list(strengths) == sorted(strengths, reverse=True) and strengths[-1] >= 0
    for octave in (50, 200):
        assert min(abs(t / octave - 1) for t in tempi) < 0.04


@pytest.mark.parametrize(("y", "most"), [(noise(20), 0.2), (pad(20), 0.45)], ids=["noise", "pad"])
def test_sound_without_a_pulse_has_low_tempo_confidence(y: Array, most: float) -> None:
    """The pad's tones beat 42 times a minute, as regularly as any pulse."""
    d = describe(y, SR)
    assert d.tempo_confidence < most
    assert d.regularity is not None and d.regularity < 0.1
    assert d.onset_rate <= 1 / 20  # the beginning itself


def test_regularity_falls_with_the_players_timing() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(int(0.03 * SR)) / SR
    click = 0.5 * np.sin(2 * np.pi * 1000 * t) * np.exp(-150 * t)
    found = []
    for jitter in (0.0, 0.03, 0.2):
        starts = 0.5 + 0.5 * np.arange(40) + jitter * rng.uniform(-1, 1, 40)
        found.append(describe(place([(s, click) for s in starts], 22), SR).regularity)
    assert found == sorted(found, key=lambda r: -(r or 0.0))
    assert found[0] is not None and found[0] > 0.9
    assert found[2] is not None and found[2] < 0.4


@pytest.mark.parametrize("mode", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_key_of_a_cadence_is_found_in_all_keys_and_tunings(tonic: int, mode: str) -> None:
    d = describe(song(tonic, mode, cents=(-30, 0, 25)[tonic % 3], seed=tonic), SR)
    assert d.key == f"{TONICS[tonic]} {mode}"
    assert d.key_confidence > 0.3


def test_atonal_sound_has_low_key_confidence() -> None:
    assert describe(noise(12), SR).key_confidence < 0.1
    rng = np.random.default_rng(1)
    t = np.arange(SR) / SR
    sounds = [
        (k / 8, 0.1 * np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * t) * np.exp(-2 * t))
        for k, p in enumerate(rng.permutation(np.tile(np.arange(48, 72), 4)))
    ]
    assert describe(place(sounds, 13), SR).key_confidence < 0.2


@pytest.mark.parametrize("hz", [440.0, 3000.0])
def test_brightness_of_a_tone_is_its_frequency(hz: float) -> None:
    y = 0.1 * np.sin(2 * np.pi * hz * np.arange(5 * SR) / SR)
    y[2 * SR : 4 * SR] = 0.0  # silence does not count
    assert describe(y.astype(np.float32), SR).brightness == pytest.approx(hz, rel=0.01)


def test_dynamic_complexity_is_the_distance_from_the_weighted_mean_level() -> None:
    """Half the time 10 dB down: with weights 1 and 0.9**10 the global level is -2.58 dB."""
    y = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(40 * SR) / SR)
    assert describe(y.astype(np.float32), SR).dynamic_complexity == pytest.approx(0.0, abs=0.05)
    y[20 * SR :] *= 10**-0.5
    overall = -10 * 0.9**10 / (1 + 0.9**10)
    expected = (abs(0 - overall) + abs(-10 - overall)) / 2
    found = describe(y.astype(np.float32), SR).dynamic_complexity
    assert found == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("make", [lambda: drums(110), lambda: song(4, "minor")])
def test_gain_changes_loudness_and_peak_alone(make: Callable[[], Array]) -> None:
    y = make()
    before, after = describe(y / 4, SR).to_dict(), describe(y, SR).to_dict()
    for name in ("loudness", "peak"):
        assert after.pop(name) - before.pop(name) == pytest.approx(12.0412, abs=1e-3)
    assert after.pop("key") == before.pop("key")
    loud, quiet = (np.array(d.pop("tempo_candidates")) for d in (after, before))
    np.testing.assert_allclose(loud, quiet, rtol=GAIN, atol=GAIN)
    assert after == pytest.approx(before, rel=GAIN, abs=GAIN)


def test_stereo_at_44100_is_described_like_mono_at_16000() -> None:
    import soxr

    y = drums(120) * np.float32(0.5) + np.resize(song(9, "minor"), 20 * SR)
    y = soxr.resample(soxr.resample(y, SR, 12000), 12000, SR)  # nothing near the limit of 16 kHz
    stereo = soxr.resample(y, SR, 44100)
    a, b = describe(y, SR), describe(np.stack([stereo, stereo]), 44100)
    assert a.key == b.key
    assert b.duration == pytest.approx(a.duration, abs=1e-3)
    assert a.loudness is not None and b.loudness == pytest.approx(a.loudness + 3.01, abs=WARPED_LU)
    for name in ("tempo", "brightness", "onset_rate", "dynamic_complexity", "regularity"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=RESAMPLED), name


def test_silence_defines_nothing() -> None:
    assert describe(np.zeros(10 * SR, dtype=np.float32), SR) == Descriptors(
        duration=10.0,
        tempo=None,
        tempo_confidence=0.0,
        tempo_candidates=(),
        key=None,
        key_confidence=0.0,
        loudness=None,
        loudness_range=None,
        peak=None,
        brightness=None,
        onset_rate=0.0,
        dynamic_complexity=None,
        regularity=None,
    )
    assert Describer().finish().duration == 0.0


@pytest.mark.parametrize("n", [1, 100, 1024, 8000, 3 * SR])
def test_short_sound_has_no_tempo_but_a_brightness(n: int) -> None:
    d = describe(noise(3)[:n], SR)
    assert d.tempo is None and d.regularity is None and d.tempo_candidates == ()
    assert d.brightness is not None and 0 <= d.brightness <= SR / 2


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_array_without_samples_is_an_audio_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match="<array>: no samples"):
        describe(np.zeros(shape, dtype=np.float32), SR)


def test_array_without_a_finite_sample_is_an_audio_error() -> None:
    with pytest.raises(AudioError, match="<array>: no finite sample"):
        describe(np.full(SR, np.nan, dtype=np.float32), SR)


def test_samples_that_are_not_finite_count_as_zero() -> None:
    damaged, mended = drums(100, seconds=8), drums(100, seconds=8)
    damaged[5000:5100], mended[5000:5100] = np.inf, 0.0
    assert describe(damaged, SR) == describe(mended, SR)


def test_dictionary_survives_json() -> None:
    found = describe(drums(100), SR).to_dict()
    back = json.loads(json.dumps(found))
    back["tempo_candidates"] = tuple(map(tuple, back["tempo_candidates"]))
    assert back == found


Y = (drums(130, seconds=8) + np.resize(song(2, "major"), 8 * SR)).astype(np.float32)


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(0, 50000), min_size=1, max_size=40), n=st.integers(1, 8 * SR))
def test_descriptors_do_not_depend_on_block_sizes(sizes: list[int], n: int) -> None:
    whole, parts = Describer(), Describer()
    whole.push(Y[:n])
    for block in np.split(Y[:n], np.minimum(np.cumsum(sizes), n)):
        parts.push(block)
    assert asdict(parts.finish()) == asdict(whole.finish())


def frames_of(y: Array) -> Array:
    """Onset, centroid, level and accents of every frame."""
    describer = Describer()
    describer.push(y)
    describer.finish()
    return np.concatenate(describer._frames, axis=1)


def test_onset_strength_and_centroid_are_librosas() -> None:
    librosa = pytest.importorskip("librosa")
    onset, centroid, *_ = frames_of(Y)
    mel = librosa.feature.melspectrogram(
        y=Y, sr=SR, n_fft=1024, hop_length=256, n_mels=40, fmin=30, fmax=8000
    )
    # Without librosa's shift by the window; its floor is no issue as the loudest block comes first.
    expected = librosa.onset.onset_strength(
        S=librosa.power_to_db(mel, amin=1e-20), sr=SR, center=False
    )
    np.testing.assert_allclose(onset[1:], expected[1:], atol=LIBROSA * onset.max())
    power = np.abs(librosa.stft(Y, n_fft=1024, hop_length=256)) ** 2
    expected = librosa.feature.spectral_centroid(S=power, sr=SR, n_fft=1024)[0]
    heard = power.sum(axis=0) > 1e-6 * power.sum(axis=0).max()
    np.testing.assert_allclose(centroid[heard], expected[heard], rtol=LIBROSA)


def test_a_peak_without_curvature_is_at_its_bin() -> None:
    power = np.full((1, 1025), 1e-6, dtype=np.float32)
    power[0, 60:62] = 1000.0
    power[0, 59] = np.nextafter(np.float32(1000.0), np.float32(0.0))
    (tenth,) = np.flatnonzero(pitch_histogram(power, 16000)[0])
    assert tenth == int(np.floor(120 * np.log2(60 * 16000 / 2048 / 440) + 90)) % 120


def test_onsets_are_picked_as_librosa_picks_them() -> None:
    librosa = pytest.importorskip("librosa")
    for strength in (frames_of(Y)[0], 3 * np.abs(noise(0.2, seed=5)) * 30):
        expected = librosa.util.peak_pick(
            strength, pre_max=3, post_max=4, pre_avg=6, post_avg=7, delta=2.0, wait=2
        )
        assert len(expected) > 10
        np.testing.assert_array_equal(pick_onsets(strength), expected)
