"""A network over sessions: its loss, its candidates, its training, and what ONNX Runtime makes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_sessions import made_sessions

pytest.importorskip("torch", reason="needs musicu[train]")
pytest.importorskip("torchaudio", reason="needs musicu[train]")
pytest.importorskip("onnx", reason="needs musicu[train]")

import torch

from musicu.errors import ModelError
from musicu.sequences.contents import Contents, read_contents
from musicu.sequences.plays import Plays, read_plays
from musicu.sequences.queries import Queries
from musicu.sequences.rule import item_neighbors
from musicu.sequences.storage import load_session_model, save_session_model
from musicu.training.session_data import SessionBatches
from musicu.training.session_network import session_loss
from musicu.training.session_run import SessionRecipe, run_scorer, start_run
from musicu.training.sessions import SessionProgress, fit_sessions

pytestmark = pytest.mark.train

SMALL = SessionRecipe(vectors=True, dim=8, epochs=2, batch=8, common=40, hard=12, questions=60)


@pytest.fixture(scope="module")
def read() -> tuple[Plays, Contents]:
    plays, items = made_sessions()
    found = read_plays(plays)
    contents = read_contents(items, found)
    return found.renumbered(contents.items.ids), contents


def test_candidates_are_drawn_as_often_as_is_said(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    data = SessionBatches(plays, contents, batch=4, common=30, hard=20)
    drawn = np.zeros((2, len(contents)))
    expected = np.zeros((2, len(contents)))
    draws = 100
    for draw in range(draws):
        batch = data._make(data._pieces[:2], np.random.default_rng(draw))
        length = batch.items.shape[1]
        at, chance = batch.candidates.numpy(), batch.log_drawn.exp().numpy()
        for row in range(2):
            drawn[row] += np.bincount(at[row, :-length], minlength=len(contents))
            expected[row, at[row]] = chance[row]
    assert np.abs(drawn / draws - expected)[expected > 0].max() < 0.5
    assert expected.sum() == pytest.approx(2 * 50, rel=0.05)


def test_the_loss_is_the_full_softmax_on_average(read: tuple[Plays, Contents]) -> None:
    """What is trained on candidates is what is scored over all items."""
    plays, contents = read
    run = start_run(plays, contents, SMALL)
    run.network.eval()
    data = SessionBatches(plays, contents, batch=4, common=20_000, hard=2000)
    queries = Queries.of_plays(plays)
    with torch.no_grad():
        run.network.leave.weight.mul_(3)
        # Counts are of all spans in the one, of the others in the other: they are to say nothing.
        run.network.leave.weight[-2:] = 0
        run.network.enter.weight[:, -2:] = 0
        run.network.direct.weight[:, -2:] = 0
        batches = [data._make([one], np.random.default_rng(0)) for one in data._pieces[:2]]
        losses = [float(session_loss(run.network, run.vectors, batch)) for batch in batches]
    scored = replace(run_scorer(run), neighbors=item_neighbors(plays.where(plays.span != 0)))
    sessions = np.unique(queries.session)[:2]
    found = []
    for session in sessions:
        asked = queries.take(np.flatnonzero(queries.session == session))
        table = scored.scores(asked)
        found.append(-table[np.arange(len(asked)), asked.target].sum())
    assert losses == pytest.approx(found, rel=0.05)


def test_a_training_goes_on_where_it_stopped_and_its_graph_says_the_same(
    read: tuple[Plays, Contents], tmp_path: Path
) -> None:
    plays, contents = read
    told: list[SessionProgress] = []
    whole = fit_sessions(plays, contents, model="network", recipe=SMALL, progress=told.append)
    assert told[-1].stage == "refit" and told[-1].done == told[-1].total
    assert whole.network is not None and {"rule", "network", "epochs"} == set(whole.figures)

    class Stop(Exception):
        pass

    def stop(progress: SessionProgress) -> None:
        raise Stop

    with pytest.raises(Stop):
        fit_sessions(plays, contents, model="network", recipe=SMALL, work=tmp_path, progress=stop)
    assert (tmp_path / "judge.pt").exists()
    again = fit_sessions(plays, contents, model="network", recipe=SMALL, work=tmp_path)
    assert again.figures == whole.figures
    asked = ["t3-0", "t3-5"]
    assert again.next(asked, 9, times=[5, 200], now=400) == whole.next(
        asked, 9, times=[5, 200], now=400
    )
    with pytest.raises(ModelError, match="other settings"):
        fit_sessions(plays.before(3), contents, model="network", recipe=SMALL, work=tmp_path)
    save_session_model(whole, tmp_path / "model")
    stored = load_session_model(tmp_path / "model")
    queries = Queries.of_plays(plays.within(3)).take(slice(0, 20))
    before, after = whole.ranker(), stored.ranker()
    assert after.scores(queries) == pytest.approx(before.scores(queries), abs=0.05)


def test_what_is_done_without_is_not_there(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    recipe = replace(SMALL, epochs=1, vectors=False, without=("context", "delta"))
    fitted = fit_sessions(plays, contents, model="network", recipe=recipe)
    assert fitted.network is not None and not fitted.network.item_delta
    found = fitted.next(["t3-0"], 5, times=[0], now=100)
    assert found == fitted.next(["t3-0"], 5, times=[0], now=9000)
    said = fitted.ranker().outputs(Queries.of_sessions([[0]], len(contents)))  # type: ignore[attr-defined]
    assert not said["query"].any()
