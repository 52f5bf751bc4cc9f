"""What is sung has the pitches of the score."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("mido")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its import of pkg_resources is deprecated
    pyworld = pytest.importorskip("pyworld")

from sung.singing import Manner, Sung, crowd, one_voice, pitch_curve, sing, stretched  # noqa: E402
from sung.syllables import RATE, Syllable, cut_syllables  # noqa: E402

PLAIN = Manner(vibrato=(5.0, 0.0, 1.0), scoop=0.0, breath=0.0, drift=0.0, glide=0.03)


def spoken() -> np.ndarray:
    """Vowels of a quarter second with pauses: pulses at 120 Hz through two resonances."""
    time = np.arange(RATE // 4) / RATE
    pulses = np.diff(np.floor(time * 120.0), prepend=0.0)
    place = np.arange(600) / RATE
    body = np.exp(-place * 250.0) * (
        np.cos(2 * np.pi * 650 * place) + np.cos(2 * np.pi * 1700 * place)
    )
    vowel = np.convolve(pulses, body)[: len(time)] * np.hanning(len(time)) ** 0.5
    pause = np.zeros(RATE // 8)
    return np.concatenate([pause, *[vowel, pause] * 6]) + 1e-5 * np.random.default_rng(
        0
    ).standard_normal(len(pause) + 6 * (len(vowel) + len(pause)))


@pytest.fixture(scope="module")
def syllables() -> list[Syllable]:
    found, hertz = cut_syllables(spoken())
    assert hertz == pytest.approx(120.0, rel=0.03)
    assert len(found) >= 4
    return found


def heard(samples: np.ndarray) -> float:
    """The pitch of a steady tone as a MIDI number."""
    rough, times = pyworld.dio(samples, RATE, f0_floor=60.0, f0_ceil=800.0)
    hertz = pyworld.stonemask(samples, rough, times, RATE)
    return 69.0 + 12.0 * float(np.log2(np.median(hertz[hertz > 0]) / 440.0))


@pytest.mark.parametrize("pitch", [50.0, 62.0, 74.0])
def test_it_sings_in_tune(syllables: list[Syllable], pitch: float) -> None:
    notes = [Sung(0.1, 0.9, pitch)]
    samples = sing(notes, syllables, PLAIN, 1.0, np.random.default_rng(0))
    assert samples.shape == (RATE,)
    assert heard(samples) == pytest.approx(pitch, abs=0.3)
    assert np.abs(samples[: RATE // 20]).max() < 0.05 * np.abs(samples).max()


def test_a_choir_stays_in_tune(syllables: list[Syllable]) -> None:
    one = sing([Sung(0.1, 0.9, 60.0)], syllables, PLAIN, 1.0, np.random.default_rng(0))
    assert heard(crowd(one, 5, np.random.default_rng(1))) == pytest.approx(60.0, abs=0.4)


def test_a_line_has_one_note_at_a_time() -> None:
    line = one_voice([Sung(0, 2, 60), Sung(0, 2, 67), Sung(1, 3, 62), Sung(1.05, 1.2, 70)])
    assert [(note.start, note.end, note.pitch) for note in line] == [(0, 1, 67), (1, 3, 62)]


def test_pitch_glides(syllables: list[Syllable]) -> None:
    notes = [Sung(0.0, 0.5, 60.0), Sung(0.5, 1.0, 67.0)]
    curve = pitch_curve(notes, PLAIN, 200, np.random.default_rng(0))
    assert curve[50] == pytest.approx(60.0, abs=0.2)
    assert curve[150] == pytest.approx(67.0, abs=0.2)


@pytest.mark.parametrize("frames", [8, 40, 400])
def test_syllables_stretch(syllables: list[Syllable], frames: int) -> None:
    where = stretched(syllables[0], frames, np.random.default_rng(0))
    assert len(where) == frames
    assert where.min() >= 0 and where.max() < len(syllables[0].voiced)
