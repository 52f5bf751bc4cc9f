"""The passage that two tracks share is found where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import unit
from hypothesis import given, settings
from hypothesis import strategies as st
from made_audio import Array, noise, notes, sine, write

from musicu.encoders.encoder import Encoder
from musicu.encoders.registry import find_model
from musicu.encoders.windows import LEVEL_STEP, embed_file_windows, overlapping
from musicu.errors import AudioError
from musicu.release.passages import best_passage, likeness, match_files, match_passage
from musicu.workers.isolated_windows import embed_windows_isolated

SR = 16000
HOP = 1.5
WINDOW = 3.0


def _windows(n: int, seed: int, dim: int = 32) -> Array:
    return unit(np.random.default_rng(seed).standard_normal((n, dim)))


def _times(n: int) -> np.ndarray:
    return np.arange(n) * HOP


@given(
    n=st.integers(9, 40),
    m=st.integers(9, 40),
    at=st.integers(0, 31),
    other=st.integers(0, 31),
)
@settings(max_examples=60, deadline=None)
def test_a_planted_passage_is_found_exactly(n: int, m: int, at: int, other: int) -> None:
    a, b = _windows(n, 1), _windows(m, 2)
    at, other = min(at, n - 7), min(other, m - 7)
    b[other : other + 7] = a[at : at + 7]
    found = best_passage(a, _times(n), b, _times(m), seconds=12.0, window=WINDOW)
    assert found is not None
    assert (found.start, found.other, found.seconds) == (at * HOP, other * HOP, 12.0)
    assert found.similarity == pytest.approx(1.0, abs=1e-6)


@given(n=st.integers(1, 12), m=st.integers(1, 12), seconds=st.floats(1.0, 20.0))
@settings(max_examples=60, deadline=None)
def test_no_other_passage_is_more_alike(n: int, m: int, seconds: float) -> None:
    a, b = _windows(n, n), _windows(m, 100 + m)
    found = best_passage(a, _times(n), b, _times(m), seconds=seconds, window=WINDOW)
    assert found is not None
    length = min(max(round((seconds - WINDOW) / HOP) + 1, 1), n, m) if max(n, m) > 1 else 1
    every = [
        np.mean([a[i + k] @ b[j + k] for k in range(length)])
        for i in range(n - length + 1)
        for j in range(m - length + 1)
    ]
    assert found.similarity == pytest.approx(max(every), abs=1e-5)
    assert found.start + found.seconds <= (n - 1) * HOP + WINDOW + 1e-9
    assert found.other + found.seconds <= (m - 1) * HOP + WINDOW + 1e-9


def test_which_track_comes_first_does_not_matter() -> None:
    a, b = _windows(20, 1), _windows(15, 2)
    one = best_passage(a, _times(20), b, _times(15))
    two = best_passage(b, _times(15), a, _times(20))
    assert one and two
    assert (one.start, one.other) == (two.other, two.start)
    assert one.similarity == pytest.approx(two.similarity)


def test_no_passage_runs_through_silence_if_another_need_not() -> None:
    a = -np.ones((12, 4), dtype=np.float32) / 2
    b = np.ones((12, 4), dtype=np.float32) / 2  # all cosines are -1
    b[:6] = 0
    found = best_passage(a, _times(12), b, _times(12), seconds=6.0, window=WINDOW)
    assert found is not None
    assert found.other >= 6 * HOP
    assert found.similarity == pytest.approx(-1.0)


def test_silence_matches_nothing() -> None:
    a, silence = _windows(5, 1), np.zeros((5, 32), dtype=np.float32)
    assert best_passage(a, _times(5), silence, _times(5)) is None
    assert likeness(silence, a).tolist() == [0.0] * 5
    assert likeness(a, a) == pytest.approx(np.ones(5), abs=1e-6)
    assert likeness(a, a[:0]).tolist() == [0.0] * 5


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(overlapping(find_model()))


def test_a_passage_planted_in_another_track_is_heard_where_it_is(tmp_path: Path) -> None:
    one, other = notes(SR, 30, seed=1), notes(SR, 30, seed=2)
    passage = sine(SR, 9, hz=180, amplitude=0.3) + noise(SR, 9, seed=5)
    one[:, 4 * SR : 13 * SR] = passage
    other[:, 18 * SR : 27 * SR] = passage
    write(tmp_path / "one.wav", one, SR)
    write(tmp_path / "other.flac", other, SR, "flac")
    pair = str(tmp_path / "one.wav"), str(tmp_path / "other.flac")
    (found,) = match_files([pair], seconds=9.0)
    assert found is not None
    assert found.start == pytest.approx(4, abs=WINDOW)
    assert found.other == pytest.approx(18, abs=WINDOW)
    assert found.other - found.start == pytest.approx(14, abs=WINDOW / 2)


def test_windows_overlap_by_half_and_their_times_are_those_of_the_music(
    tmp_path: Path, encoder: Encoder
) -> None:
    y = notes(SR, 20, seed=3)
    y[:, 10 * SR :] *= 1e-4  # 80 dB down
    write(tmp_path / "half.wav", y, SR, "wav-float")
    heard = embed_file_windows(tmp_path / "half.wav", encoder)
    assert np.diff(heard.times) == pytest.approx(heard.window / 2, abs=0.02)
    sounding = heard.vectors.any(axis=1)
    assert heard.times[sounding].max() == pytest.approx(10, abs=heard.window / 2)
    assert not sounding[heard.times > 10.3].any()
    assert np.linalg.norm(heard.vectors[sounding], axis=1) == pytest.approx(1, abs=1e-5)
    assert heard.active == pytest.approx(0.5, abs=0.05)
    assert len(heard.levels) == pytest.approx(20 / LEVEL_STEP, abs=1)
    assert max(heard.envelope(20)) == 1.0
    assert max(heard.envelope(20)[12:]) < 0.01


def test_a_track_matches_itself_at_the_same_seconds(tmp_path: Path, encoder: Encoder) -> None:
    write(tmp_path / "song.wav", notes(SR, 15, seed=4), SR)
    heard = embed_file_windows(tmp_path / "song.wav", encoder)
    found = match_passage(heard, heard, seconds=6.0)
    assert found is not None
    assert found.start == found.other
    assert found.similarity == pytest.approx(1.0, abs=1e-5)


def test_workers_hear_what_this_process_hears_and_leave_out_what_is_broken(
    tmp_path: Path, encoder: Encoder
) -> None:
    good, broken, silent = tmp_path / "a.wav", tmp_path / "b.mp3", tmp_path / "c.wav"
    write(good, notes(SR, 5, seed=1), SR)
    broken.write_bytes(b"<html>not found</html>" * 40)
    write(silent, np.zeros((1, SR), dtype=np.float32), SR)
    done: list[str] = []
    heard = embed_windows_isolated(
        [str(good), str(broken), str(silent)], find_model(), jobs=2, progress=done.append
    )
    assert set(heard) == {str(good)}
    assert set(done) == {str(good), str(broken), str(silent)}
    here = embed_file_windows(good, encoder)
    there = heard[str(good)]
    np.testing.assert_allclose(there.vectors, here.vectors, atol=1e-4)
    np.testing.assert_allclose(there.times, here.times, atol=1e-3)
    np.testing.assert_array_equal(there.levels, here.levels)
    with pytest.raises(AudioError, match="silence"):
        embed_file_windows(silent, encoder)


def test_a_file_that_cannot_be_heard_has_no_passage(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", notes(SR, 5, seed=1), SR)
    assert match_files([(str(tmp_path / "a.wav"), str(tmp_path / "gone.wav"))]) == [None]
