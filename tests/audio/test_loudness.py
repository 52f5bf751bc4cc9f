from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.audio.loudness import Loudness, LoudnessMeter, k_weighting

# EBU Tech 3341 and 3342 state the tolerance of their test signals.
TECH_3341_LU = 0.1
TECH_3342_LU = 1.0
# pyloudnorm's "DeMan" filters are ours; its blocks begin at rounded, ours at truncated samples.
PYLOUDNORM_LU = 0.001
# Table 1 and 2 of BS.1770 print 14 decimals.
PRINTED = 1e-12
# Sums of float64 in another order.
SUMMATION_LU = 1e-9


def measure(y: NDArray[np.float32], sr: int, *, sizes: tuple[int, ...] = (4096,)) -> Loudness:
    meter = LoudnessMeter(sr, len(y))
    start, turn = 0, 0
    while start < y.shape[1]:
        size = sizes[turn % len(sizes)]
        meter.push(y[:, start : start + size])
        start, turn = start + size, turn + 1
    return meter.result()


def sine(sr: int, seconds: float, *, dbfs: float, hz: float = 1000.0) -> NDArray[np.float32]:
    t = np.arange(int(sr * seconds)) / sr
    return np.float32(10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * t))


def noise(channels: int, n: int, *, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, n))).astype(np.float32)


def test_filter_at_48_khz_is_the_one_printed_in_the_standard() -> None:
    printed = [
        [
            1.53512485958697,
            -2.69169618940638,
            1.19839281085285,
            1.0,
            -1.69065929318241,
            0.73248077421585,
        ],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ]
    np.testing.assert_allclose(k_weighting(48000), printed, atol=PRINTED)


@pytest.mark.parametrize("sr", [8000, 44100, 192000])
def test_the_weighting_is_what_scipy_filters(sr: int) -> None:
    """One gating block, whose loudness is that of its mean square, in pieces of any size."""
    signal = pytest.importorskip("scipy.signal")
    y = noise(2, sr * 4 // 10)
    energy = np.square(signal.sosfilt(k_weighting(sr), y)).sum(axis=0).mean()
    measured = measure(y, sr, sizes=(1, 63, 64, 65, 1152, 129)).integrated_lufs
    assert measured == pytest.approx(-0.691 + 10 * np.log10(energy), abs=SUMMATION_LU)


@pytest.mark.parametrize("sr", [11025, 16000, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("dbfs", [-23.0, -33.0])
def test_tech_3341_stereo_sine_reads_its_level(sr: int, dbfs: float) -> None:
    y = sine(sr, 20, dbfs=dbfs)
    assert measure(np.stack([y, y]), sr).integrated_lufs == pytest.approx(dbfs, abs=TECH_3341_LU)


def test_tech_3341_quiet_ends_are_gated_out() -> None:
    """Case 3: 10 s at -36, 60 s at -23, 10 s at -36 dBFS."""
    y = np.concatenate([sine(48000, s, dbfs=d) for s, d in ((10, -36), (60, -23), (10, -36))])
    loudness = measure(np.stack([y, y]), 48000)
    assert loudness.integrated_lufs == pytest.approx(-23.0, abs=TECH_3341_LU)


def test_tech_3341_surround_reads_minus_23() -> None:
    """Case 6: -28 dBFS left and right, -24 center, -30 surrounds; what the LFE holds is ignored."""
    levels = (-28.0, -28.0, -24.0, -3.0, -30.0, -30.0)
    y = np.stack([sine(48000, 20, dbfs=d) for d in levels])
    assert measure(y, 48000).integrated_lufs == pytest.approx(-23.0, abs=TECH_3341_LU)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [((-20, -30), 10.0), ((-20, -15), 5.0), ((-40, -20), 20.0), ((-50, -35, -20, -35, -50), 15.0)],
)
def test_tech_3342_steps_read_their_range(levels: tuple[int, ...], expected: float) -> None:
    """Cases 1 to 4: 20 s of 1 kHz at each level."""
    y = np.concatenate([sine(48000, 20, dbfs=d) for d in levels])
    loudness = measure(np.stack([y, y]), 48000)
    assert loudness.range_lu == pytest.approx(expected, abs=TECH_3342_LU)


@pytest.mark.parametrize("sr", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_agrees_with_pyloudnorm_on_noise(sr: int, channels: int) -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    y = noise(channels, 15 * sr) * np.repeat([1.0, 0.02, 0.5], 5 * sr).astype(np.float32)
    expected = pyloudnorm.Meter(sr, filter_class="DeMan").integrated_loudness(y.T)
    assert measure(y, sr).integrated_lufs == pytest.approx(expected, abs=PYLOUDNORM_LU)


def test_peak_is_the_largest_sample_of_either_sign() -> None:
    y = np.zeros((2, 8000), dtype=np.float32)
    y[0, 7], y[1, 5000] = 0.25, -0.5
    assert measure(y, 8000).peak_dbfs == pytest.approx(-6.0206, abs=1e-4)


def test_silence_has_no_loudness_range_or_peak() -> None:
    nothing = Loudness(integrated_lufs=None, range_lu=None, peak_dbfs=None)
    assert measure(np.zeros((2, 80000), dtype=np.float32), 16000) == nothing
    assert LoudnessMeter(16000, 2).result() == nothing


@pytest.mark.parametrize("sr", [11025, 16000])
def test_blocks_and_range_need_their_length(sr: int) -> None:
    y = noise(1, 3 * sr)
    assert measure(y[:, : sr * 4 // 10 - 1], sr).integrated_lufs is None
    assert measure(y[:, : sr * 4 // 10], sr).integrated_lufs is not None
    assert measure(y[:, :-1], sr).range_lu is None
    assert measure(y, sr).range_lu is not None


def test_gain_moves_loudness_and_peak_by_as_much_and_leaves_the_range() -> None:
    y = noise(2, 10 * 16000) * np.linspace(0.05, 0.2, 160000, dtype=np.float32)
    before, after = measure(y, 16000), measure(y * np.float32(4.0), 16000)
    assert before.integrated_lufs is not None and after.integrated_lufs is not None
    assert before.peak_dbfs is not None and after.peak_dbfs is not None
    assert after.integrated_lufs - before.integrated_lufs == pytest.approx(12.0412, abs=1e-4)
    assert after.peak_dbfs - before.peak_dbfs == pytest.approx(12.0412, abs=1e-4)
    assert after.range_lu == pytest.approx(before.range_lu, abs=SUMMATION_LU)


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 30000), min_size=1, max_size=6),
    sr=st.sampled_from([8000, 11025]),
    seed=st.integers(0, 2**16),
)
def test_result_does_not_depend_on_block_sizes(sizes: list[int], sr: int, seed: int) -> None:
    y = noise(2, 4 * sr + 123, seed=seed)
    if sum(sizes) < 50 * len(sizes):
        sizes = [*sizes, 5000]  # bound the number of pushes
    whole, parts = measure(y, sr, sizes=(y.shape[1],)), measure(y, sr, sizes=tuple(sizes))
    assert parts.integrated_lufs == pytest.approx(whole.integrated_lufs, abs=SUMMATION_LU)
    assert parts.range_lu == pytest.approx(whole.range_lu, abs=SUMMATION_LU)
    assert parts.peak_dbfs == whole.peak_dbfs
