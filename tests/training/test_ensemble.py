"""Students that are imitated together: what they say, what is wanted, what comes out."""

from pathlib import Path

import numpy as np
import pytest
from toys import make_clips, make_teacher

torch = pytest.importorskip("torch", reason="needs musicu[train]")
pytest.importorskip("torchaudio", reason="needs musicu[train]")
pytest.importorskip("onnx", reason="needs musicu[train]")

from musicu import ModelError  # noqa: E402
from musicu.encoders.encoder import Network  # noqa: E402
from musicu.encoders.registry import find_model  # noqa: E402
from musicu.training import Recipe, Trained, train_encoder  # noqa: E402
from musicu.training.ensemble import Ensemble  # noqa: E402
from musicu.training.start import load_student  # noqa: E402

pytestmark = pytest.mark.train
torch.set_num_threads(1)

COSINE = "cosine to the ensemble's answers"
# Single precision through 20 layers, in another order; vectors' lengths are near 1.
GRAPH_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Trained]]:
    """Clips, and two students that were taught by one teacher from different seeds."""
    base = tmp_path_factory.mktemp("members")
    folder = make_clips(base / "clips")
    teacher = make_teacher(base / "toy")
    recipes = [Recipe(dim=dim, windows=160, batch=8, every=5, views=0, seed=dim) for dim in (8, 16)]
    return folder, [
        train_encoder([folder], base / f"member{i}", teachers=[teacher], recipe=recipe)
        for i, recipe in enumerate(recipes)
    ]


@pytest.mark.parametrize("name", ["musicu-1", "musicu-2-free"])
def test_a_graph_is_read_back_as_the_student_that_it_was(name: str) -> None:
    model = find_model(name)
    windows = np.random.default_rng(0).random((3, 187, 96), dtype=np.float32) * 4
    (exact,) = Network(model).run(windows, [Network(model).outputs[0]])
    with torch.no_grad():
        again = load_student(model.weights)(torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(again, exact, atol=GRAPH_TOLERANCE)


def test_an_ensemble_ranks_as_its_members_together_do() -> None:
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.random((40, 187, 96), dtype=np.float32) * 4)
    models = [load_student(find_model(name).weights) for name in ("musicu-1", "musicu-2-free")]
    with torch.no_grad():
        said = Ensemble.members_say(models, x).numpy()
        ensemble = Ensemble(models, said, dim=39, whiten=0)
        z = ensemble(x).numpy()
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, atol=1e-5)
    blocks = [
        said[:, :256] - said[:, :256].mean(axis=0),
        said[:, 256:] - said[:, 256:].mean(axis=0),
    ]
    together = np.hstack([b / np.sqrt(b.var(axis=0).sum()) for b in blocks])
    together /= np.linalg.norm(together, axis=1, keepdims=True)
    # 40 windows span 39 dimensions around their mean: nothing is lost.
    np.testing.assert_allclose(z @ z.T, together @ together.T, atol=1e-3)


def test_a_student_learns_to_say_what_the_ensemble_says(
    members: tuple[Path, list[Trained]], tmp_path: Path
) -> None:
    folder, trained = members
    names = [trained[0].model.folder, trained[1].work]
    still = Recipe(dim=20, windows=16, batch=8, lr=1e-9, every=1, flat=True, views=0)
    fresh = train_encoder([folder], tmp_path / "fresh", ensemble=names, recipe=still)
    recipe = Recipe(dim=20, windows=640, batch=8, every=20, views=0, mix=0.5)
    done = train_encoder([folder], tmp_path / "done", ensemble=names, recipe=recipe)
    assert done.figures[COSINE] > fresh.figures[COSINE] + 0.2
    assert set(trained[0].model.heard) | set(trained[1].model.heard) <= set(done.model.heard)
    text = (done.model.folder / "README.md").read_text()
    assert "distilled from member0-1 and member1.work" in text
    other = make_clips(tmp_path / "other", seed=1)
    both = train_encoder([other], tmp_path / "both", ensemble=names, recipe=still)
    assert both.model.heard is not None and len(both.model.heard) == 2


def test_an_ensemble_takes_the_place_of_teachers_and_labels(
    members: tuple[Path, list[Trained]], tmp_path: Path
) -> None:
    folder, trained = members
    name = trained[0].model.folder
    with pytest.raises(ModelError, match="take the place of teachers"):
        train_encoder([folder], tmp_path / "x", ensemble=[name], teachers=[name])
    with pytest.raises(ModelError, match="nowhere: no checkpoint"):
        train_encoder([folder], tmp_path / "x", ensemble=[tmp_path / "nowhere"])
