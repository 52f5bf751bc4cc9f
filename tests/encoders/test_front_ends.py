"""Front ends by table: encoders that take samples, with their front end inside the graph."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli
from made_audio import sine, write
from networks import mean_network, model_folder
from numpy.typing import NDArray

from musicu.audio.mel import LOG_MEL_PRESETS, LogMel
from musicu.encoders.encoder import Embedder, Encoder
from musicu.encoders.front_ends import FRONT_ENDS, RawWaveform, read_front_end
from musicu.encoders.install import install_model
from musicu.encoders.model import Model
from musicu.encoders.windows import embed_file_windows, overlapping
from musicu.errors import ModelError

Array = NDArray[np.float32]
SR, WINDOW, DIM, FRAME = 8000, 4000, 8, 80
WAVEFORM = {"type": "waveform", "sr": SR, "window_seconds": 0.5, "hop_seconds": 0.5}


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "user" / "models"
    monkeypatch.setenv("MUSICU_MODELS", str(folder))
    return folder


def waveform_folder(folder: Path, *, channel: bool = False, **config: Any) -> Path:
    """Write a model of samples: mean magnitude of eight cosines over frames of 10 ms."""
    onnx = pytest.importorskip("onnx")
    tensor, node = onnx.helper.make_tensor_value_info, onnx.helper.make_node
    hz = 100.0 * 2 ** np.arange(DIM / 2, step=0.5)
    bank = np.cos(2 * np.pi * np.outer(np.arange(FRAME) / SR, hz)).astype(np.float32)
    shape = np.array([-1, WINDOW // FRAME, FRAME], dtype=np.int64)
    graph = onnx.helper.make_graph(
        [
            node("Reshape", ["samples", "shape"], ["frames"]),
            node("MatMul", ["frames", "bank"], ["products"]),
            node("Abs", ["products"], ["magnitudes"]),
            node("ReduceMean", ["magnitudes"], ["vector"], axes=[1], keepdims=0),
        ],
        "waveform",
        [tensor("samples", onnx.TensorProto.FLOAT, ["n", *([1] if channel else []), WINDOW])],
        [tensor("vector", onnx.TensorProto.FLOAT, ["n", DIM])],
        [
            onnx.numpy_helper.from_array(shape, "shape"),
            onnx.numpy_helper.from_array(bank, "bank"),
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    made = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    folder.mkdir(parents=True)
    (folder / "encoder.onnx").write_bytes(made.SerializeToString())
    entries = {"id": "samples", "dim": DIM, "license": "MIT", "front_end": WAVEFORM, **config}
    (folder / "config.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "README.md").write_text("# Samples\n", encoding="utf-8")
    return folder


def test_a_model_of_samples_goes_from_its_folder_to_similar_tracks(
    tmp_path: Path, run_cli: RunCli
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for name, hz, sr, form in (
        ("low.wav", 100, 44100, "wav"),
        ("lower.flac", 110, 16000, "flac"),
        ("high.wav", 1100, 8000, "wav"),
    ):
        y = sine(sr, 3.2, hz=hz)
        write(music / name, np.concatenate([y, 0.5 * y]), sr, form)  # stereo
    write(music / "short.wav", sine(SR, 0.1, hz=1000), SR)
    source = waveform_folder(tmp_path / "source")
    assert "samples@1 is installed" in run_cli("models", "add", source).stderr
    (summary,) = json.loads(run_cli("embed", music, "--model", "samples", "--json").stdout)
    assert summary["embedded"] == 4 and not summary["failed"]
    best = json.loads(run_cli("similar", music / "low.wav", "-n", "3", "--json").stdout)
    assert best[0]["path"] == str(music / "lower.flac")
    (same,) = json.loads(run_cli("similar", music / "short.wav", "-n", "1", "--json").stdout)
    assert same["path"] == str(music / "high.wav")
    write(tmp_path / "new.wav", sine(22050, 2.0, hz=105), 22050)  # embedded when it is asked for
    new = json.loads(run_cli("similar", tmp_path / "new.wav", "-n", "1", "--json").stdout)
    assert new[0]["path"] in (str(music / "low.wav"), str(music / "lower.flac"))
    assert run_cli("catalog", "verify").returncode == 0


def test_windows_of_samples_are_cut_pooled_and_placed(tmp_path: Path) -> None:
    encoder = Encoder(Model.load(waveform_folder(tmp_path / "m")))
    y = np.concatenate([sine(SR, 1.0, hz=100)[0], sine(SR, 1.3, hz=1600)[0]])
    vectors, times = encoder.embed_windows(y, SR)
    assert times.tolist() == pytest.approx([0.0, 0.5, 1.0, 1.5, 1.8])  # the last ends with the end
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert vectors[0] @ vectors[1] > 0.99 > vectors[1] @ vectors[2]
    # Blocks do not matter, channels are averaged, a short signal is repeated to a window.
    whole = encoder.embed(y, SR)
    embedder = Embedder(encoder)
    for start in range(0, len(y), 777):
        embedder.push(y[start : start + 777])
    embedder.finish()
    np.testing.assert_array_equal(embedder.track(), whole)
    np.testing.assert_allclose(encoder.embed(np.stack([y, y]), SR), whole, atol=1e-6)
    short = sine(SR, 0.25, hz=400)[0]
    np.testing.assert_allclose(
        encoder.embed(short, SR), encoder.embed(np.tile(short, 2), SR), atol=1e-6
    )


def test_windows_of_samples_overlap_by_half_and_silent_ones_are_left_out(tmp_path: Path) -> None:
    model = Model.load(waveform_folder(tmp_path / "m", gate_db=60.0))
    y = np.concatenate([sine(SR, 2.0, hz=100), 1e-5 * sine(SR, 2.0, hz=1600)], axis=1)
    write(tmp_path / "a.wav", y, SR, "wav-float")
    found = embed_file_windows(tmp_path / "a.wav", Encoder(overlapping(model)))
    assert np.diff(found.times) == pytest.approx(0.25)
    assert found.window == 0.5
    only = Encoder(model).embed(y[:, : 2 * SR], SR)
    np.testing.assert_allclose(Encoder(model).embed(y, SR), only, atol=1e-6)


def test_a_graph_may_want_an_axis_of_channels(tmp_path: Path) -> None:
    plain = Encoder(Model.load(waveform_folder(tmp_path / "plain")))
    channel = Encoder(Model.load(waveform_folder(tmp_path / "channel", channel=True)))
    y = sine(SR, 2.0, hz=300)[0]
    np.testing.assert_array_equal(plain.embed(y, SR), channel.embed(y, SR))


@pytest.mark.parametrize(
    ("front_end", "says"),
    [
        ({"type": "spectrogram"}, "no type 'spectrogram'; there are log-mel, waveform"),
        ({"type": 7}, "no type 7"),
        ({"type": "waveform", "window_seconds": 1}, "the setting 'sr' is missing"),
        ({"type": "waveform", "sr": SR}, "the setting 'window_seconds' is missing"),
        ({**WAVEFORM, "n_mels": 96}, "unknown settings n_mels"),
        ({**WAVEFORM, "sr": 8000.5}, "sr must be a whole number"),
        ({**WAVEFORM, "sr": True}, "sr must be a whole number"),
        ({**WAVEFORM, "window_seconds": "ten"}, "window_seconds must be a number from one sample"),
        ({**WAVEFORM, "window_seconds": 1e9}, "window_seconds must be a number from one sample"),
        ({**WAVEFORM, "hop_seconds": 0}, "hop_seconds must be a number from one sample"),
        ({**WAVEFORM, "window_seconds": 1.0}, "does not run on its windows"),
        ({"preset": "musicu"}, "does not run on its windows"),
    ],
)
def test_a_wrong_front_end_is_one_clear_line(
    front_end: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as caught:
        install_model(waveform_folder(tmp_path / "m", front_end=front_end))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_an_order_of_mel_bands_is_not_for_samples(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'mel-time' needs a log-mel front end"):
        Model.load(waveform_folder(tmp_path / "m", layout="mel-time"))


def test_log_mel_is_what_a_config_means_that_names_no_front_end() -> None:
    assert read_front_end({"preset": "musicnn"}) == LogMel()
    assert read_front_end({"type": "log-mel", "preset": "musicnn", "window": 9}) == LogMel(window=9)
    assert read_front_end({"type": "waveform", "sr": 32000, "window_seconds": 10}) == RawWaveform(
        sr=32000, window=320_000, window_hop=320_000
    )


@dataclass(frozen=True, kw_only=True)
class Energies:
    """A front end that musicu has not: energy of the samples and of their steps, a frame each."""

    sr: int
    hop_length: int
    window: int
    window_hop: int
    power = 2.0
    size = 1000

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Energies:
        return cls(**settings)

    @property
    def window_seconds(self) -> float:
        return self.window * self.hop_length / self.sr

    def overlapping(self) -> Energies:
        return replace(self, window_hop=self.window // 2)

    def stream(self) -> Energies.Stream:
        return Energies.Stream(self.hop_length)

    def prepare(self, windows: Array) -> Array:
        return np.log(1e-6 + windows)

    def levels(self, windows: Array) -> Array:
        return windows[..., 0].mean(axis=1)

    def noise(self) -> Array:
        return np.random.default_rng(0).random((2, self.window, 2)).astype(np.float32)

    class Stream:
        def __init__(self, hop_length: int) -> None:
            self.hop_length, self.rest = hop_length, np.empty(0, np.float32)

        def push(self, y: Array) -> Array:
            y = np.concatenate([self.rest, y])
            frames = y[: len(y) // self.hop_length * self.hop_length].reshape(-1, self.hop_length)
            self.rest = y[frames.size :]
            steps = np.diff(frames, axis=1)
            return np.stack([(frames**2).mean(axis=1), (steps**2).mean(axis=1)], axis=1)

        def finish(self) -> Array:
            return np.empty((0, 2), np.float32)


@pytest.fixture
def energies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a model folder of a front end that was added at run time, to one table."""
    monkeypatch.setitem(FRONT_ENDS, "energies", Energies.from_dict)
    settings = {"type": "energies", "sr": SR, "hop_length": 80, "window": 20, "window_hop": 20}
    folder = model_folder(tmp_path, dim=2, front_end=settings, layout="mel-time", gate_db=60.0)
    mean_network(folder / "encoder.onnx", shape=(2, 20), axes=(2,))
    return folder


def test_a_front_end_is_added_in_one_table(tmp_path: Path, energies: Path) -> None:
    encoder = Encoder(install_model(energies))
    assert encoder.model.to_dict()["window_seconds"] == 0.2
    low, high = (sine(SR, 1.0, hz=hz)[0] for hz in (100, 1600))
    y = np.concatenate([low, high])
    vectors, times = encoder.embed_windows(y, SR)
    assert np.diff(times) == pytest.approx(0.2)
    assert vectors[0] @ vectors[4] > 0.999 > vectors[4] @ vectors[5]
    embedder = Embedder(encoder)
    for start in range(0, len(y), 777):
        embedder.push(y[start : start + 777])
    embedder.finish()
    np.testing.assert_allclose(embedder.track(), encoder.embed(y, SR), atol=1e-6)
    quiet = np.concatenate([low, 1e-5 * high])  # below the gate
    np.testing.assert_allclose(encoder.embed(quiet, SR), encoder.embed(low, SR), atol=1e-6)
    write(tmp_path / "a.wav", y[None], SR, "wav-float")
    found = embed_file_windows(tmp_path / "a.wav", Encoder(overlapping(encoder.model)))
    assert np.diff(found.times) == pytest.approx(0.1)


@pytest.mark.train
def test_teachers_of_any_front_end_answer_for_a_students_windows(
    tmp_path: Path, energies: Path
) -> None:
    pytest.importorskip("torch", reason="needs musicu[train]")
    from musicu.training.teachers import Teacher

    student = LOG_MEL_PRESETS["musicu"]
    starts = np.array([0, 94, 188])
    y = np.concatenate([sine(SR, 3.0, hz=100)[0], sine(SR, 3.0, hz=1600)[0]])
    keys = set()
    for folder in (waveform_folder(tmp_path / "samples"), energies):
        teacher = Teacher(folder)
        answers = teacher.answer(y, SR, starts, student)
        assert answers.shape == (3, *teacher.dims)
        # Of each of the student's windows it hears as much as it is used to, from the middle.
        for start, answer in zip(starts, answers, strict=True):
            middle = (start + (student.window - 1) / 2) * student.hop_length / student.sr
            half = teacher.model.front_end.window_seconds / 2
            own = y[round((middle - half) * SR) : round((middle + half) * SR)]
            np.testing.assert_allclose(
                answer, teacher.answer(own, SR, starts[:1], student)[0], rtol=0.05
            )
        keys.add(teacher.key(student))
    assert len(keys) == 2


@pytest.mark.data
def test_a_published_network_of_samples_gives_its_authors_numbers(tmp_path: Path) -> None:
    teachers = Path(os.environ.get("MUSICU_DATA", "")).parent / "teachers"
    weights = teachers / "mn04_audioset.onnx"
    if not weights.exists():
        pytest.skip(f"no {weights}")
    source = tmp_path / "mn04"
    source.mkdir()
    shutil.copyfile(weights, source / "encoder.onnx")
    (source / "README.md").write_text("# mn04\n", encoding="utf-8")
    front_end = {"type": "waveform", "sr": 32000, "window_seconds": 10.0}
    config = {"id": "mn04", "dim": 384, "output": "features", "front_end": front_end}
    (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    encoder = Encoder(install_model(source))
    with np.load(teachers / "check2.npz") as check:
        y, (expected,) = check["y32"], check["mn04_features"]
    np.testing.assert_allclose(
        encoder.embed(y, 32000), expected / np.linalg.norm(expected), atol=1e-4
    )
