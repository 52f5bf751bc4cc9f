"""Training: the whole recipe on a toy teacher, and the promises of its parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="needs musicu[train]")
onnx = pytest.importorskip("onnx", reason="needs musicu[train]")

from musicu import Encoder, Model, ModelError, mel  # noqa: E402
from musicu.training import augment, data, distill  # noqa: E402

pytestmark = pytest.mark.train
torch.set_num_threads(1)  # several that wait for each other on busy cores are ten times slower

# torch and NumPy sum in other orders; values are in 0..4.
COMPRESS_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four clips of 4 s: each a chord of its own."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    t = np.arange(4 * 16000) / 16000
    for number in range(24):
        pitches = rng.uniform(100, 2000, size=3)
        y = sum(np.sin(2 * np.pi * f * t) for f in pitches) * 0.1
        soundfile.write(folder / f"clip{number:02d}.wav", y.astype(np.float32), 16000)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A teacher that answers with the mean spectrum: [batch, 187, 96] to [batch, 96]."""
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0)],
        "teacher",
        [helper.make_tensor_value_info("x", 1, ["batch", 187, 96])],
        [helper.make_tensor_value_info("mean", 1, ["batch", 96])],
    )
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path_factory.mktemp("teacher") / "teacher.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(path))
    return str(path)


def test_training_command_makes_a_model_that_embeds_and_goes_on_where_it_stopped(
    clips: Path, teacher: str, tmp_path: Path
) -> None:
    hold_out = tmp_path / "hold_out.txt"
    hold_out.write_text("clip00 clip01")
    command = [sys.executable, "-W", "ignore", "-m", "musicu.training"]
    command += ["--audio", str(clips), "--teacher", teacher, "--output", "mean", "--batch", "8"]
    command += ["--hold-out", str(hold_out), "--work", str(tmp_path / "work"), "--jobs", "1"]
    command += ["--out", str(tmp_path / "toy"), "--windows", "320", "--dim", "32"]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    assert "46 of 46 clips" in first.stderr  # 24, and the 22 not held out in mixtures
    model = Model.load(tmp_path / "toy")
    assert (model.id, model.dim, model.gate_db) == ("toy", 32, 60.0)
    y = np.random.default_rng(0).standard_normal(64000).astype(np.float32)
    vector = Encoder(model).embed(y, 16000)
    assert vector.shape == (32,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    before = model.sha256
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "step" not in again.stderr  # all steps were done: nothing is trained twice
    assert Model.load(tmp_path / "toy").sha256 == before


def test_a_student_learns_what_its_teacher_says(clips: Path, teacher: str, tmp_path: Path) -> None:
    asked = data.Teacher(teacher, mel.FRONT_ENDS["musicnn"], ("mean",))
    front_end = mel.FRONT_ENDS["musicu"]
    for _ in data.build_cache(data.find_audio([clips]), tmp_path, asked, front_end, jobs=1):
        pass
    material = data.load_cache(tmp_path)
    assert material.blocks == [96]
    recipe = distill.Recipe(dim=16, windows=960, batch=12, contrast=0.0)
    held = frozenset({"clip03"})
    figures = list(
        distill.distil(material, recipe, front_end, tmp_path, hold_out=held, save_every=10)
    )
    assert figures[-1]["step"] == figures[-1]["steps"] == 40
    assert figures[-1]["loss"] < 0.7 * figures[0]["loss"]


def test_compression_in_training_and_in_use_is_the_same() -> None:
    power = np.random.default_rng(0).random((3, 187, 96), dtype=np.float32) * 1e-3
    for front_end in mel.FRONT_ENDS.values():
        ours = mel.compress(power, front_end)
        theirs = augment.compress(torch.from_numpy(power), front_end).numpy()
        np.testing.assert_allclose(ours, theirs, atol=COMPRESS_TOLERANCE)


def test_targets_are_unit_vectors_with_outputs_of_equal_weight() -> None:
    rng = np.random.default_rng(0)
    answers = np.concatenate(
        [rng.standard_normal((500, 4)), 50 * rng.standard_normal((500, 40))], axis=1
    )
    plain = distill.Targets.fit(answers, 44, whiten=0.0, blocks=[4, 40])
    z = plain(answers)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0, atol=1e-5)
    part = ((answers - plain.mean) / plain.scale) ** 2
    assert part[:, :4].sum() == pytest.approx(part[:, 4:].sum(), rel=0.01)
    white = distill.Targets.fit(answers, 44, whiten=1.0, blocks=[4, 40])
    raw = ((answers - white.mean) / white.scale) @ white.components
    np.testing.assert_allclose(raw.std(axis=0), 1.0, rtol=0.05)


def test_a_teacher_that_says_too_little_is_named() -> None:
    with pytest.raises(ModelError, match="says 4 numbers"):
        distill.Targets.fit(np.zeros((9, 4)), 5, whiten=0.0, blocks=[4])


def test_augmentation_is_drawn_from_its_seed() -> None:
    power = torch.rand(4, 187, 96)
    once = augment.augment(power, torch.Generator().manual_seed(1))
    again = augment.augment(power, torch.Generator().manual_seed(1))
    other = augment.augment(power, torch.Generator().manual_seed(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_too_little_audio_and_windows_that_differ_are_said(tmp_path: Path, clips: Path) -> None:
    with pytest.raises(ModelError, match="at least 20"):
        data.find_audio([tmp_path])
    asked = data.Teacher("none.onnx", mel.FRONT_ENDS["artist_siamese"], ("x",))
    with pytest.raises(ModelError, match="must agree"):
        next(data.build_cache([], tmp_path, asked, mel.FRONT_ENDS["musicu"]))
