"""The right octave, how sure it is, and how keys are told from their neighbors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from musicu.audio.accents import STREAMS, AccentMeter
from musicu.audio.descriptors import Describer, describe
from musicu.audio.key import chroma_of, estimate_key
from musicu.audio.periodicity import TEMPO_RANGE, Periodicity
from musicu.audio.tempo import TempoModel, certainty_features, find_pulse
from musicu.audio.tempo_evidence import FEATURES, tempo_features

Array = NDArray[np.float32]
SR = 16000
TEMPO = 0.01
RATE, CHROMA_RATE = 62.5, 3.90625


def play(hits: list[tuple[float, NDArray[np.float64]]], seconds: float) -> Array:
    y = np.zeros(int(seconds * SR))
    for start, sound in hits:
        at = int(start * SR)
        part = sound[: max(0, len(y) - at)]
        y[at : at + len(part)] += part
    return y.astype(np.float32)


def kit() -> dict[str, NDArray[np.float64]]:
    rng, t = np.random.default_rng(0), np.arange(int(0.2 * SR)) / SR
    noise = rng.standard_normal(len(t))
    return {
        "kick": 0.5 * np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-30 * t)))) * np.exp(-14 * t),
        "snare": 0.25 * (noise + np.sin(2 * np.pi * 190 * t)) * np.exp(-22 * t),
        "hat": 0.1 * np.diff(noise, prepend=0.0) * np.exp(-70 * t),
    }


def beat(
    bpm: float, bar: dict[str, tuple[float, ...]], beats: int, *, seconds: float = 24
) -> Array:
    sounds = kit()
    hits = [
        (0.1 + (start + at) * 60 / bpm, sounds[name])
        for start in range(0, int(seconds * bpm / 60), beats)
        for name, places in bar.items()
        for at in places
    ]
    return play(hits, seconds)


def swung(late: float) -> tuple[float, ...]:
    return tuple(at + part for at in range(4) for part in (0.0, late))


BACKBEAT = {"kick": (0.0, 2.0), "snare": (1.0, 3.0)}


@pytest.mark.parametrize("bpm", [90, 120, 150])
@pytest.mark.parametrize("late", [0.5, 0.58, 2 / 3])
def test_tempo_of_a_backbeat_is_found_straight_and_swung(bpm: int, late: float) -> None:
    d = describe(beat(bpm, {**BACKBEAT, "hat": swung(late)}, 4), SR)
    assert d.tempo == pytest.approx(bpm, rel=TEMPO)


@pytest.mark.parametrize("bpm", [66, 76])
def test_slow_backbeat_under_sixteenth_hats_is_slow(bpm: int) -> None:
    hats = tuple(np.arange(0, 4, 0.25).tolist())
    assert describe(beat(bpm, {**BACKBEAT, "hat": hats}, 4), SR).tempo == pytest.approx(
        bpm, rel=TEMPO
    )


@pytest.mark.parametrize("bpm", [165, 176])
def test_fast_backbeat_under_eighth_hats_is_fast(bpm: int) -> None:
    d = describe(beat(bpm, {**BACKBEAT, "hat": swung(0.5)}, 4), SR)
    assert d.tempo == pytest.approx(bpm, rel=TEMPO)


@pytest.mark.parametrize("bpm", [90, 110])
def test_tempo_of_six_eight_is_that_of_the_dotted_quarter(bpm: int) -> None:
    thirds = tuple((np.arange(6) / 3).tolist())
    d = describe(beat(bpm, {"kick": (0.0,), "snare": (1.0,), "hat": thirds}, 2), SR)
    assert d.tempo == pytest.approx(bpm, rel=TEMPO)


def pad(seconds: float) -> Array:
    """Chords that swell and fade at uneven times."""
    rng, t = np.random.default_rng(3), np.arange(int(6 * SR)) / SR
    shape = np.minimum(t / 2.5, 1) * np.minimum((6 - t) / 3, 1)
    hits, at = [], 0.0
    while at < seconds:
        for step in (0, 4, 7):
            hz = 110 * 2 ** ((step + rng.integers(12)) / 12)
            hits.append((at, 0.05 * np.sin(2 * np.pi * hz * t) * shape))
        at += rng.uniform(1.5, 4.5)
    return play(hits, seconds)


def hiss(seconds: float) -> Array:
    noise = np.random.default_rng(0).standard_normal(int(seconds * SR))
    return (0.1 * noise).astype(np.float32)


@pytest.mark.parametrize("y", [hiss(24), pad(24)], ids=["noise", "ambient"])
def test_what_has_no_beat_has_nearly_no_confidence(y: Array) -> None:
    assert describe(y, SR).tempo_confidence < 0.2


def test_accents_at_random_have_less_confidence_than_a_beat() -> None:
    rng, sounds = np.random.default_rng(1), kit()
    hits = [(at, sounds["kick"]) for at in np.cumsum(rng.uniform(0.15, 0.9, 60))]
    uneven = describe(play(hits, 24), SR).tempo_confidence
    even = describe(beat(110, {**BACKBEAT, "hat": swung(0.5)}, 4), SR).tempo_confidence
    assert uneven < 0.35 < 0.6 < even


def test_candidates_are_tempos_in_range_each_once() -> None:
    describer = Describer()
    describer.push(beat(100, {**BACKBEAT, "hat": swung(0.5)}, 4))
    describer.finish()
    periodicity = describer.periodicity()
    assert periodicity is not None
    bpm, salience = periodicity.candidates()
    assert ((bpm >= TEMPO_RANGE[0]) & (bpm <= TEMPO_RANGE[1])).all() and len(bpm) <= 16
    assert np.diff(np.log(np.sort(bpm))).min() > 0.02
    assert salience.max() <= 1 + 1e-9
    features = tempo_features(periodicity, bpm, salience)
    assert features.shape == (len(bpm), FEATURES["products"].stop)
    assert np.isfinite(features).all()
    # A candidate's features do not depend on the others.
    alone = tempo_features(periodicity, bpm[:1], salience[:1])
    np.testing.assert_allclose(alone[0], features[0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_model_weighs_candidates_and_says_how_surely(sign: float) -> None:
    """Weights that like fast or slow tempos, and a certainty that only knows the intercept."""
    rng = np.random.default_rng(0)
    accents = np.tile(np.eye(1, 32, dtype=float)[0], 60) + 0.01 * rng.random(32 * 60)
    accents = np.tile(accents, (len(STREAMS), 1))
    found = Periodicity.measure(accents, RATE, rng.random((120, 12)), CHROMA_RATE)
    weights = np.zeros(FEATURES["products"].stop)
    weights[FEATURES["tempo"].start] = 50 * sign
    pulse = find_pulse(found, TempoModel(weights, -weights, np.r_[np.zeros(29), 2.0]))
    bpm, _ = found.candidates()
    assert pulse.candidates[0][0] == (bpm.max() if sign > 0 else bpm.min())
    assert pulse.confidence == pytest.approx(1 / (1 + np.exp(-2)))


def test_certainty_falls_with_the_lead_and_where_the_second_opinion_is_another() -> None:
    features = np.zeros((3, FEATURES["products"].stop))
    features[:, FEATURES["tempo"].start] = 0.0, 1.0, 0.5  # an octave above the best, and between
    sure, unsure = np.log([0.9, 0.05, 0.05]), np.log([0.4, 0.35, 0.25])
    clear = certainty_features(features, sure, sure)
    close = certainty_features(features, unsure, sure[::-1])
    assert clear[0] > close[0] and clear[1] > close[1] and clear[2] < close[2]
    assert close[3] == pytest.approx(np.log(0.35 / 0.4)) and close[4] == -6.0  # double, half
    assert clear[5] == pytest.approx(np.log(0.9)) and close[5] == pytest.approx(np.log(0.05))
    assert (clear[6], close[6]) == (1.0, 0.0)


def test_a_snare_answers_the_kick_after_a_beat_and_hats_last_half_of_one() -> None:
    describer = Describer()
    describer.push(beat(100, {**BACKBEAT, "hat": swung(0.5)}, 4))
    describer.finish()
    periodicity = describer.periodicity()
    assert periodicity is not None
    beat_frames = 60 / 100 * periodicity.rate
    after = [float(periodicity.answers[0, round(k * beat_frames)]) for k in (0, 1, 2, 3)]
    assert min(after[1], after[3]) > max(after[0], after[2])
    # Kick and snare share a beat's rate, and take turns at half of it.
    turns, together = periodicity.agreeing(100 / 60 * np.array([0.5, 1.0]))[0]
    assert turns < -0.3 < 0.3 < together
    intervals = np.diff(periodicity.onsets[2]) / beat_frames
    assert np.median(intervals) == pytest.approx(0.5, rel=0.05)


def test_accents_lie_in_their_register() -> None:
    hz = np.linspace(50, 7800, 40)
    mel = np.full((40, 8), 1e-4, dtype=np.float32)
    mel[0, 4:] = 1.0  # bass
    meter = AccentMeter(hz)
    _, accents = meter.push(mel)
    bass, middle, treble, low, slow = accents[:, 4]
    assert bass > 0 and low > 0 and slow > 0 and middle == treble == 0
    assert not accents[:4, 5:].any()  # it stays as loud as it is


def test_accents_do_not_depend_on_blocks() -> None:
    mel = np.random.default_rng(0).random((40, 60)).astype(np.float32)
    mel[:, 0] = 2.0  # the loudest first: what is empty is told from the loudest so far
    hz = np.linspace(50, 7800, 40)
    whole = AccentMeter(hz).push(mel)
    meter = AccentMeter(hz)
    parts = [meter.push(mel[:, a:b]) for a, b in ((0, 7), (7, 9), (9, 60))]
    for one, several in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_allclose(np.concatenate(several, axis=-1), one, rtol=1e-6)


def test_a_bare_fifth_in_the_harmonics_does_not_move_the_key() -> None:
    """Tones of a C major tune with strong third harmonics: G is as loud as C, and it is still C."""
    pitches = np.zeros(120)
    for degree, weight in zip((0, 2, 4, 5, 7, 9, 11), (4, 2, 3, 2, 3, 2, 1), strict=True):
        for semitones, share in ((0, 1.0), (7, 0.8), (4, 0.3)):
            pitches[(degree + semitones) % 12 * 10] += weight * share
    assert estimate_key(pitches)[0] == "C major"


def test_chroma_rounds_to_the_nearest_semitone() -> None:
    pitches = np.zeros((1, 120))
    pitches[0, [116, 3, 14, 16]] = 1.0, 2.0, 4.0, 8.0  # below and above C, below and above C#
    chroma = chroma_of(pitches)[0]
    assert chroma[0] == 3.0 and chroma[1] == 4.0 and chroma[2] == 8.0
