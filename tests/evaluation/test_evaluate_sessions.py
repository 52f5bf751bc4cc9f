"""What comes next, measured: ranks, ties, groups, and a command that tells them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_calls import call_cli
from made_sessions import made_sessions
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.sessions.evaluate import YARDSTICK, evaluate_sessions
from musicu.sequences.baselines import BASELINES
from musicu.sequences.contents import Contents, read_contents
from musicu.sequences.plays import Plays, read_plays
from musicu.sequences.queries import Queries
from musicu.sequences.ranks import ndcg, rank_targets
from musicu.sequences.tuning import tune


class Oracle:
    """Knows what comes next; or scores all alike."""

    def __init__(self, right: float) -> None:
        self._right = right

    def fit(self, plays: Plays, contents: Contents) -> "Oracle":
        return self

    def scores(self, queries: Queries) -> NDArray[np.float32]:
        table = np.zeros((len(queries), queries.n_items), dtype=np.float32)
        table[np.arange(len(queries)), queries.target] = self._right
        return table


@pytest.fixture(scope="module")
def read() -> tuple[Plays, Contents]:
    plays, items = made_sessions()
    found = read_plays(plays)
    return found, read_contents(items, found)


def test_ties_are_broken_by_number_and_ranks_are_of_all_items(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    queries = Queries.of_plays(plays.renumbered(contents.items.ids))
    ranks, lists = rank_targets(Oracle(1.0), queries, length=3)
    assert (ranks == 1).all() and (lists[:, 0] == queries.target).all()
    ranks, _ = rank_targets(Oracle(0.0), queries)
    assert (ranks == 1 + queries.target).all()
    assert (rank_targets(Oracle(-1.0), queries)[0] == len(contents)).all()
    assert ndcg(np.array([1, 3, 20, 21])).tolist() == [1.0, 0.5, 1 / np.log2(21), 0.0]


def test_settings_are_chosen_one_after_the_other(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    queries = Queries.of_plays(plays.renumbered(contents.items.ids))
    tried: list[float] = []

    class Knob(Oracle):
        def __init__(self, right: float = 0.0, other: float = 0.0) -> None:
            tried.append(right)
            super().__init__(right + other)
            self.right, self.other = right, other

    chosen, value = tune(
        Knob, {"right": (-1.0, 0.0, 2.0), "other": (-5.0,)}, plays, contents, queries
    )
    assert chosen == {"right": 2.0} and value == 1.0


def test_the_oracle_wins_and_groups_part_the_questions(read: tuple[Plays, Contents]) -> None:
    plays, contents = read
    few = {name: BASELINES[name] for name in ("popularity", "last artist", YARDSTICK)}
    found = evaluate_sessions(
        plays,
        contents,
        models={"oracle": lambda plays, contents: Oracle(9.0)},
        baselines=few,
        draws=4000,
    )
    every = found.score("oracle", "all", "ndcg@20")
    assert every is not None and every.value == 1.0 and every.comparison is None
    rival = found.score(YARDSTICK, "all", "ndcg@20")
    assert rival is not None and rival.comparison is not None
    assert rival.comparison.verdict == "clearly worse" and rival.low <= rival.value <= rival.high
    numbers = {
        group: found.score("oracle", group, "hr@1").queries  # type: ignore[union-attr]
        for group in found.shares
    }
    assert numbers["warm"] + numbers["cold"] == numbers["all"] == found.positions
    assert numbers["repeats"] + numbers["no repeats"] == numbers["all"]
    # Nothing is repeated here, and two of an artist's eight tracks are new in the last span.
    assert numbers["repeats"] == 0 and 0.15 < found.shares["cold"] < 0.45
    popular = found.score("popularity", "cold", "hr@100")
    lists = found.score("popularity", "lists", "unseen@20")
    assert popular is not None and lists is not None and lists.value < found.shares["cold"]
    assert "oracle is ahead" in found.notes[0]
    with pytest.raises(MusicuError, match="three are needed"):
        evaluate_sessions(plays.before(2), contents)


def test_the_command_tells_all_of_it(tmp_path: Path) -> None:
    files = []
    for name, table in zip(("plays", "items"), made_sessions(users=12), strict=True):
        files.append(tmp_path / f"{name}.csv")
        with open(files[-1], "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table)
            writer.writerows(zip(*table.values(), strict=True))
    command: list[Any] = ["evaluate", "sessions", files[0], "--items", files[1], "--split", "time"]
    command += ["--tuned-on", "20", "--draws", "50"]
    done = call_cli(*command, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["schema"] == "musicu.evaluate.sessions/1"
    assert {row["system"] for row in found["scores"]} == set(BASELINES)
    assert "all are compared with it" in done.stderr
    short = call_cli("evaluate", "sessions", files[1], "-q")
    assert short.returncode == 1 and "no column 'user'" in short.stderr
