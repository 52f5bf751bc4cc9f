"""Front ends by table: encoders that take samples, with their front end inside the graph."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli
from made_audio import sine, write

from musicu.audio.mel import LogMel
from musicu.encoders.encoder import Embedder, Encoder
from musicu.encoders.front_ends import FRONT_ENDS, RawWaveform, read_front_end
from musicu.encoders.install import install_model
from musicu.encoders.model import Model
from musicu.encoders.windows import embed_file_windows, overlapping
from musicu.errors import ModelError

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


def test_a_front_end_can_be_added_at_run_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Halved(RawWaveform):
        def prepare(self, windows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return np.float32(0.5) * windows

    def halved(settings: dict[str, Any]) -> RawWaveform:
        return Halved(**vars(RawWaveform.from_dict(settings)))

    monkeypatch.setitem(FRONT_ENDS, "halved", halved)
    plain = waveform_folder(tmp_path / "plain")
    other = waveform_folder(tmp_path / "m", front_end={**WAVEFORM, "type": "halved"})
    y = sine(SR, 2.0, hz=300)[0]
    raw = []
    for folder in (plain, other):
        embedder = Embedder(Encoder(Model.load(folder)))
        embedder.push(y)
        embedder.finish()
        raw.append(embedder.windows)
    np.testing.assert_allclose(raw[1], 0.5 * raw[0], rtol=1e-5)


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
