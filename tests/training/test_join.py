"""Models joined to one."""

from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli
from scipy.signal import butter, sosfilt
from toys import make_clips

torch = pytest.importorskip("torch", reason="needs musicu[train]")
onnx = pytest.importorskip("onnx", reason="needs musicu[train]")

from musicu import Encoder, ModelError, load  # noqa: E402
from musicu.audio.mel import LOG_MEL_PRESETS  # noqa: E402
from musicu.encoders.encoder import Embedder  # noqa: E402
from musicu.training import join_models  # noqa: E402
from musicu.training.export import export  # noqa: E402
from musicu.training.network import Student  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two networks with weights drawn at random."""
    made = []
    for seed, dim in ((0, 12), (1, 16)):
        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp("parts") / f"part{seed}"
        about = {"id": folder.name, "license": "MIT", "training_data": ["nothing"], "heard": []}
        export(Student(dim), folder, LOG_MEL_PRESETS["musicu"], about)
        made.append(folder)
    return made


def test_joined_vectors_are_a_linear_map_of_those_of_the_parts(
    run_cli: RunCli, folder: Path, parts: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "both"
    command = ["train", "join", *parts, "--audio", folder, "--out", out, "--dim", "8"]
    done = run_cli(*command, "--most-windows", "4", "--license", "MIT")
    assert done.returncode == 0, done.stderr
    joined, single = Encoder.from_pretrained(out), [Encoder.from_pretrained(p) for p in parts]
    assert joined.dim == 8
    assert joined.model.most_windows == 4
    assert joined.model.heard == ()
    size = joined.model.weights.stat().st_size
    assert size < 0.6 * sum(one.model.weights.stat().st_size for one in single)
    rng = np.random.default_rng(0)
    windows = rng.random((40, 187, 96), dtype=np.float32) * 4
    apart = np.concatenate([one.run(windows) for one in single], axis=1).astype(np.float64)
    together = joined.run(windows)
    known = np.column_stack([apart, np.ones(len(apart))])
    map_, *_ = np.linalg.lstsq(known, together, rcond=None)
    assert np.abs(known @ map_ - together).max() < 0.01 * together.std()


def test_lost_treble_moves_joined_vectors_less(
    folder: Path, parts: list[Path], tmp_path: Path
) -> None:
    sections = butter(8, 4000, fs=16_000, output="sos")
    near = {}
    for axes in (0, 4):
        out = tmp_path / f"axes{axes}"
        join_models(parts, out, audio=[folder], dim=16, treble_axes=axes)
        encoder = Encoder.from_pretrained(out)
        cosines = []
        for file in sorted(folder.rglob("*.wav"))[:8]:
            y, sr = load(file, sr=16_000)
            dull = sosfilt(sections, y).astype(np.float32)
            cosines.append(encoder.embed(y, sr) @ encoder.embed(dull, sr))
        near[axes] = np.mean(cosines)
    assert near[4] > near[0]


def test_models_that_do_not_fit_each_other_are_not_joined(
    folder: Path, parts: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="alone"):
        join_models(parts[:1], tmp_path / "one", audio=[folder])
    with pytest.raises(ModelError, match="28 numbers: dim cannot be 99"):
        join_models(parts, tmp_path / "large", audio=[folder], dim=99)
    torch.manual_seed(0)
    gate = {"id": "gated", "license": "MIT", "heard": [], "gate_db": 60.0}
    export(Student(12), tmp_path / "gated", LOG_MEL_PRESETS["musicu"], gate)
    with pytest.raises(ModelError, match=r"gated@1: gate_db differs from that of part0@1"):
        join_models([parts[0], tmp_path / "gated"], tmp_path / "two", audio=[folder])


def test_of_a_long_track_windows_all_over_it_are_heard(parts: list[Path]) -> None:
    encoder = Encoder.from_pretrained(parts[0])
    length = 187 * 256
    y = np.random.default_rng(0).standard_normal(30 * length).astype(np.float32) * 0.1
    every, some = Embedder(encoder), Embedder(encoder, most=8)
    for at in range(0, len(y), 50_000):
        every.push(y[at : at + 50_000])
        some.push(y[at : at + 50_000])
    every.finish()
    some.finish()
    assert some.times == every.times[::4]
    np.testing.assert_allclose(some.windows, every.windows[::4], atol=1e-5)
