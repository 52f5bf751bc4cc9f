"""What is done to clips is what it is called, and what it costs is counted right."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from made_audio import Array, notes, sine, write

from musicu.arrays import unit_rows
from musicu.encoders.encoder import Encoder
from musicu.encoders.registry import find_model
from musicu.errors import ModelError
from musicu.evaluation.encoders.cost import measured_track, parameter_count
from musicu.evaluation.encoders.robustness import (
    DISTORTIONS,
    low_pass,
    measure_robustness,
    transcode,
)

SR = 44100
# Lossy codecs: 20 dB of signal over error, less where the rate is low.
LOSSY = {"mp3": (128_000, 0.1), "opus": (24_000, 0.5)}
# A gain is one product in float32.
ROUNDING = 1e-6
# Cosine of the models' float32 vectors.
STEADY = 1e-4


def music(sr: int, seconds: float = 4.0, seed: int = 0) -> Array:
    return notes(sr, seconds, seed=seed)[0]


def level(y: Array) -> float:
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


@pytest.mark.parametrize("codec", LOSSY)
@pytest.mark.parametrize("sr", [16000, 22050, 44100, 48000])
def test_a_codec_gives_back_the_signal_in_its_place(codec: str, sr: int) -> None:
    import soxr

    bit_rate, tolerance = LOSSY[codec]
    tone = sine(sr, 3.0, hz=500.0)[0]
    tone[: sr // 2] = 0.0
    back, rate = transcode(tone, sr, codec=codec, bit_rate=bit_rate)
    tone = soxr.resample(tone, sr, rate, quality="HQ")
    n = min(len(back), len(tone))
    assert n > 2.9 * rate
    assert level(back[:n] - tone[:n]) < tolerance * level(tone)
    assert level(back[:n] - tone[:n]) > 1e-6  # it was encoded at all


@pytest.mark.parametrize("cutoff", [4000.0, 8000.0])
def test_a_low_pass_keeps_what_is_below_and_takes_what_is_above(cutoff: float) -> None:
    def passed(hz: float) -> float:
        tone, inner = sine(SR, 1.0, hz=hz)[0], slice(SR // 10, -SR // 10)
        return level(low_pass(tone, SR, cutoff=cutoff)[0][inner]) / level(tone[inner])

    assert passed(cutoff / 2) == pytest.approx(1.0, abs=0.01)
    assert passed(cutoff) == pytest.approx(0.5, abs=0.02)  # -3 dB, twice
    assert passed(2 * cutoff) < 1e-3


def test_a_low_pass_above_all_that_is_there_changes_nothing() -> None:
    y = music(16000)
    assert low_pass(y, 16000, cutoff=8000.0)[0] is y


def test_distortions_are_what_they_are_called() -> None:
    y = music(SR)
    loud, _ = DISTORTIONS["gain +12 dB"](y, SR)
    quiet, _ = DISTORTIONS["gain -12 dB"](y, SR)
    assert 20 * np.log10(level(loud) / level(y)) == pytest.approx(12, abs=ROUNDING * 100)
    assert 20 * np.log10(level(quiet) / level(y)) == pytest.approx(-12, abs=ROUNDING * 100)
    late, _ = DISTORTIONS["1.2 s of silence before"](y, SR)
    assert len(late) - len(y) == 1.2 * SR and not late[: len(late) - len(y)].any()
    assert (late[-len(y) :] == y).all()
    stereo, _ = DISTORTIONS["mono as stereo"](y, SR)
    assert stereo.shape == (2, len(y)) and (stereo == y).all()
    tone = sine(48000, 1.0, hz=5000.0)[0]
    for name in ("by way of 44.1 kHz", "by way of 22.05 kHz"):
        back, rate = DISTORTIONS[name](tone, 48000)
        inner = slice(4800, -4800)
        assert rate == 48000
        assert level(back[inner] - tone[inner]) < 1e-3 * level(tone)


@cache
def encoder() -> Encoder:
    return Encoder.from_pretrained()


def test_results_are_cosines_of_the_models_vectors(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.flac" for i in range(3)]
    for i, file in enumerate(files):
        write(file, notes(SR, 4.0, seed=i), SR, "flac")
    seen: list[int] = []

    def embed(i: int, y: Array, sr: int) -> dict[str, np.ndarray]:
        seen.append(i)
        vector = unit_rows(encoder().embed(y, sr).astype(np.float64))
        return {"one": vector, "two": np.concatenate([vector, vector])}

    done: list[tuple[int, int]] = []
    results, notices = measure_robustness(
        files, embed, clips=2, seed=1, progress=lambda *at: done.append(at)
    )
    by_name = {(r.system, r.distortion): r for r in results}
    assert set(by_name) == {(s, d) for s in ("one", "two") for d in DISTORTIONS}
    assert len(set(seen)) == 2 and done == [(0, 2), (1, 2), (2, 2)]
    assert all(r.clips == 2 and -1 <= r.low <= r.mean <= 1 + STEADY for r in results)
    # musicu-1 takes the level out, and averages channels.
    for name in ("gain +12 dB", "gain -12 dB", "mono as stereo"):
        assert by_name["one", name].low == pytest.approx(1.0, abs=STEADY)
    for name in DISTORTIONS:
        assert by_name["two", name].mean == pytest.approx(by_name["one", name].mean, abs=STEADY)
    assert by_name["one", "Opus 24 kbit/s"].mean < 1 - STEADY
    again, _ = measure_robustness(files, embed, clips=2, seed=1)
    assert again == results
    assert not [note for note in notices if "4 kHz" in note]


def test_a_low_pass_that_takes_nothing_away_is_said_to(tmp_path: Path) -> None:
    file = tmp_path / "dull.flac"
    write(file, notes(16000, 4.0), 16000, "flac")
    _, notices = measure_robustness([file], lambda i, y, sr: {"x": np.ones(2)})
    assert any(note.startswith("low-pass 8 kHz: takes away nothing") for note in notices)


# Cost


def test_parameters_are_those_that_onnx_counts() -> None:
    onnx = pytest.importorskip("onnx")
    file = find_model().weights
    tensors = onnx.load(str(file)).graph.initializer
    assert parameter_count(file) == sum(int(np.prod(t.dims)) for t in tensors) > 10_000


def test_what_is_no_onnx_has_no_parameters(tmp_path: Path) -> None:
    for content in (b"\xff" * 40, b"<html>", find_model().weights.read_bytes()[:-100]):
        (tmp_path / "x.onnx").write_bytes(content)
        with pytest.raises(ModelError, match=r"x\.onnx: not an ONNX file"):
            parameter_count(tmp_path / "x.onnx")


def test_the_measured_track_fills_the_band_and_does_not_clip() -> None:
    y = measured_track(4.0)
    assert y.shape == (2, 4 * SR) and np.abs(y).max() < 2
    spectrum = np.abs(np.fft.rfft(y[0])) ** 2
    bands = [band.mean() for band in np.array_split(spectrum, 20)]
    assert 10 * np.log10(min(bands) / max(bands)) > -60
    assert (y == measured_track(4.0)).all()
