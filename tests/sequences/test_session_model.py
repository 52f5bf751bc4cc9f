"""A model of sessions: the rule by ids, states, storage; what a network's mixture comes to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call_cli
from made_sessions import made_sessions
from numpy.typing import NDArray

from musicu.errors import ModelError, RecommenderError
from musicu.sequences.contents import Contents, read_contents
from musicu.sequences.features import FEATURES, Counts, pad, play_features
from musicu.sequences.model import SessionModel
from musicu.sequences.plays import Plays, read_plays
from musicu.sequences.queries import Queries
from musicu.sequences.rule import item_neighbors
from musicu.sequences.scorer import KERNELS, NetworkScorer, output_slices
from musicu.sequences.storage import load_session_model, save_session_model

DIM = 4


@pytest.fixture(scope="module")
def read() -> tuple[Plays, Contents]:
    plays, items = made_sessions()
    found = read_plays(plays)
    contents = read_contents(items, found)
    return found.renumbered(contents.items.ids), contents


@pytest.fixture(scope="module")
def model(read: tuple[Plays, Contents]) -> SessionModel:
    return SessionModel.fit(*read, questions=60)


def test_the_rule_stays_with_the_artist_and_says_why(model: SessionModel) -> None:
    assert model.rule.played > 0  # nothing is repeated in these sessions
    found = model.next(["t3-0", "t3-5"], 5)
    assert {one.artist for one in found} == {"artist 3"}
    assert [one.rank for one in found] == [1, 2, 3, 4, 5]
    assert not any(one.repeat for one in found)
    assert {id for one in found for id, _ in one.because} == {"t3-0", "t3-5"}
    # Reasons add up to the score.
    assert found[0].score == pytest.approx(sum(value for _, value in found[0].because), abs=1e-5)
    state = model.state()
    for id in ("t3-0", "t3-5"):
        state.play(id)
    assert state.next(5) == found and len(state) == 2
    with pytest.raises(RecommenderError, match="no item 'x'"):
        model.next(["x"])
    with pytest.raises(RecommenderError, match="nothing was played"):
        model.next([])


def test_a_model_comes_back_as_it_was_and_takes_new_items(
    model: SessionModel, tmp_path: Path
) -> None:
    save_session_model(model, tmp_path / "model")
    again = load_session_model(tmp_path / "model")
    asked = ["t3-0", "t1-5"]
    before, after = model.next(asked, 50), again.next(asked, 50)
    assert [one.id for one in after[:5]] == [one.id for one in before[:5]]
    assert [one.score for one in after] == pytest.approx([one.score for one in before], abs=2e-3)
    with pytest.raises(ModelError, match="--force replaces"):
        save_session_model(model, tmp_path / "model")
    more = read_contents({"id": ["born today", "t3-0"], "tags": ["a3|b3", "a3|b3"],
                          "artist": ["Artist 3", "artist 3"]})  # fmt: skip
    (first, *_) = again.with_items(more).next(["t3-0"], 2)
    assert first.id == "born today" and first.unseen
    (tmp_path / "model/sessions.json").write_text("{}")
    with pytest.raises(ModelError, match="broken"):
        load_session_model(tmp_path / "model")
    with pytest.raises(ModelError, match="'musicu fit sessions' makes one"):
        load_session_model(tmp_path)


def scorer(contents: Contents, plays: Plays, said: NDArray[np.float32]) -> NetworkScorer:
    """A network that says the same after each play."""
    return NetworkScorer(
        network=lambda inputs: np.tile(said, (*inputs.shape[:2], 1)),
        contents=contents,
        vectors=np.zeros((len(contents), DIM), dtype=np.float32),
        counts=Counts(np.bincount(plays.item, minlength=len(contents)), contents.artist),
        decays=np.array([0.5] * KERNELS),
        repeat_bias=-np.arange(50, dtype=np.float32),
        neighbors=item_neighbors(plays),
    )


def test_a_mixture_holds_the_rule_and_chances_add_up_to_1(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    where = output_slices(DIM)
    said = np.zeros(where["popularity"].stop, dtype=np.float32)
    said[where["tags"]], said[where["artists"]] = 2.0, 3.0
    queries = Queries.of_plays(plays.within(3))
    table = scorer(contents, plays, said).scores(queries)
    assert np.exp(table).sum(axis=1) == pytest.approx(1.0, abs=1e-4)
    held = queries.weights(1.0, last=None).toarray() > 0
    # With even odds half of it is for repeats, the latest the likeliest.
    assert np.exp(np.where(held, table, -np.inf)).sum(axis=1) == pytest.approx(0.5, abs=1e-4)
    rows = np.arange(len(queries))
    latest = np.where(held, table, -np.inf).argmax(axis=1)
    assert (latest == queries.played[queries.end - 1]).all()
    # Of what is new, the order is that of likeness to the decayed mean.
    weights = queries.weights(0.5).toarray()
    weights /= weights.sum(axis=1, keepdims=True)
    parts = contents.parts()
    rule = sum(
        share * KERNELS * (weights @ parts[name]) @ parts[name].T.toarray()
        for name, share in (("tags", 2.0), ("artists", 3.0))
    )
    for row in rows[:: len(rows) // 5]:
        new = ~held[row]
        far = table[row, new] - rule[row, new]
        assert np.ptp(far) < 1e-3


def test_features_are_told_nothing_later_and_padding_nothing(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    queries = Queries.of_plays(plays.within(3))
    counts = Counts(np.bincount(plays.item, minlength=len(contents)), contents.artist)

    def told(some: Queries, length: int) -> NDArray[np.float32]:
        padded = pad(some, length)
        artist = contents.artist[padded.item]
        return play_features(
            padded, contents, counts.plays[padded.item], counts.by_artist[artist],
            counts.tracks[artist],
        )  # fmt: skip

    every = told(queries, 50)
    assert every.shape[2] == FEATURES and np.isfinite(every).all()
    size = queries.end - queries.start
    longest = int(np.argmax(size))
    one = queries.take(np.array([longest]))
    shorter = replace(one, end=one.end - 1, now=one.played_at[one.end - 1])
    assert told(one, 50)[0, : size[longest] - 1] == pytest.approx(told(shorter, 50)[0])
    short = int(np.argmin(size))
    assert not every[short, size[short] :].any()
    assert told(one, 3).shape[1] == 3
    unknown = told(Queries.of_sessions([[0, 1]], len(contents)), 50)
    assert not unknown[..., :8].any()


def test_a_rule_is_fitted_and_asked_on_the_command_line(tmp_path: Path) -> None:
    import csv
    import json

    files = []
    for name, table in zip(("plays", "items"), made_sessions(users=12), strict=True):
        files.append(tmp_path / f"{name}.csv")
        with open(files[-1], "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
    log, items = files
    out = tmp_path / "model"
    fit = ["fit", "sessions", log, "--items", items, "--model", "rule", "--out", out]
    done = call_cli(*fit, "--leave-out", "1")
    assert done.returncode == 0, done.stderr
    assert "NDCG@20 on the last span: rule 0." in done.stderr
    found = json.loads(call_cli("next", "--model", out, "--session", "t3-0,t3-1", "--json").stdout)
    assert len(found) == 20 and found[0]["artist"] == "artist 3"
    latest = call_cli("next", "--model", out, "--log", log, "--user", "u3", "-n", "3")
    assert len(latest.stdout.splitlines()) == 4
    few = ["--items", items, "--tuned-on", "5", "--draws", "20", "--positions", "30", "--csv"]
    compared = call_cli("evaluate", "sessions", log, *few, "--model", out)
    assert compared.returncode == 0, compared.stderr
    assert "model,all,ndcg@20" in compared.stdout
    assert call_cli(*fit, "--force").returncode == 0
    knows = call_cli("evaluate", "sessions", log, *few, "--model", out)
    assert knows.returncode == 1 and "fit it with --leave-out 1" in knows.stderr
    both = call_cli("next", "--model", out, "--session", "x", "--log", log, "--user", "u3")
    assert both.returncode == 2
