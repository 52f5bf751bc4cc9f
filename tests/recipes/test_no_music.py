"""Sounds that are no music: finite, repeatable, with whole voices kept for tests."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from no_music import SHARES, TEST, plan
from sounds.effects import EFFECTS
from sounds.noises import NOISES, TONES, colored, faint
from sounds.speech import echo, telephone, text, voices
from sounds.unpulsed import UNPULSED, make_unpulsed

RATE = 16000
MAKERS = {**NOISES, **TONES, **EFFECTS, **UNPULSED}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_every_sound_is_finite_and_heard(name: str) -> None:
    samples = MAKERS[name](3 * RATE, RATE, np.random.default_rng(0))
    again = MAKERS[name](3 * RATE, RATE, np.random.default_rng(0))
    assert samples.shape == (3 * RATE,)
    assert np.isfinite(samples).all() and np.ptp(samples) > 0.01
    np.testing.assert_array_equal(samples, again)


def test_the_colors_of_noise() -> None:
    for slope in (0.0, -3.0, -6.0):
        samples = colored(1 << 16, RATE, slope, np.random.default_rng(0))
        power = np.abs(np.fft.rfft(samples)) ** 2
        at = np.fft.rfftfreq(1 << 16, 1.0 / RATE)
        low, high = (power[(at > f) & (at < 1.2 * f)].mean() for f in (200.0, 3200.0))
        assert 10.0 * np.log10(high / low) == pytest.approx(4.0 * slope, abs=1.5)


def test_silence_is_faint() -> None:
    for seed in range(20):
        samples = faint(RATE, RATE, np.random.default_rng(seed))
        assert np.max(np.abs(samples)) <= 10.0 ** (-55.0 / 20.0)


def test_no_voice_is_in_both_halves() -> None:
    train, test = voices(test=False), voices(test=True)
    assert not {voice.name for voice in train} & {voice.name for voice in test}
    languages = [{v.language for v in half if v.program == "espeak-ng"} for half in (train, test)]
    assert not languages[0] & languages[1]
    assert any(voice.female for voice in train) and any(voice.female for voice in test)
    for table in (NOISES, TONES, EFFECTS):
        assert set(table) & TEST and set(table) - TEST


def test_the_plan_is_spread() -> None:
    jobs = plan(400)
    assert len(jobs) == pytest.approx(400, abs=3)
    kinds = Counter(kind for kind, _ in jobs)
    assert all(kinds[kind] == round(400 * share) for kind, share in SHARES.items())
    assert {split for _, split in jobs} == {"train", "test"}
    assert len({kind for kind, _ in jobs[:25]}) == len(SHARES)


def test_text_varies() -> None:
    rng = np.random.default_rng(0)
    assert text(rng, True, 30) != text(rng, True, 30)
    assert len(text(rng, False, 30).split()) >= 30


def test_rooms_and_telephones() -> None:
    rng = np.random.default_rng(0)
    click = np.zeros(RATE)
    click[100] = 1.0
    wet = echo(click, RATE, 0.5, 0.5, rng)
    assert wet.shape == click.shape and np.abs(wet[:100]).max() < 1e-3
    assert np.sum(wet[200 : RATE // 2] ** 2) > 10.0 * np.sum(wet[RATE // 2 + 200 :] ** 2)
    noise = rng.standard_normal(1 << 15)
    power = np.abs(np.fft.rfft(telephone(noise, RATE, rng))) ** 2
    at = np.fft.rfftfreq(1 << 15, 1.0 / RATE)
    assert power[(at > 500) & (at < 3000)].mean() > 30.0 * power[(at < 150) & (at > 10)].mean()


def test_a_sound_without_a_beat_is_as_long_as_asked_and_does_not_clip() -> None:
    sounds = [make_unpulsed(8000, 1.5, np.random.default_rng(n)) for n in range(8)]
    assert {len(y) for y in sounds} == {12000} and max(np.abs(y).max() for y in sounds) < 1
