"""A short campaign of ``make torture``, and the table of what is promised."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torture import damage, structure, tagblocks
from torture.campaign import Campaign, Kind
from torture.kinds import KINDS
from torture.lab import Contents, Lab, Outcome, Run
from torture.report import TEST, failures, refresh, table
from torture.sounds import make_sounds

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
# Few enough for a minute in all; each kind of attack gets its turn.
SIZES = {"mutants": 40, "kills": 4, "rot": 10, "scarcity": 3, "hostile": 6, "requests": 30}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_is_promised_holds(kind: Kind, lab: Lab) -> None:
    campaign = Campaign(lab, [kind], seed=13, log=False)
    campaign.round(kind, 0, size=SIZES[kind.name])
    assert not campaign.failures, failures(campaign)
    assert sum(tally.tried for tally in campaign.tallies.values()) > SIZES[kind.name] / 2


def test_a_seed_draws_the_same_damage_every_time(tmp_path: Path) -> None:
    sounds = list(make_sounds(tmp_path / "one").values())
    assert sounds == list(make_sounds(tmp_path / "two").values())
    assert len(sounds) >= 23
    for sound in sounds:
        for mutate in (*damage.ANY_FORMAT, *structure.of_format(sound), tagblocks.tagged):
            once, again = (mutate(random.Random(3), sound, sounds) for _ in range(2))
            assert once == again


def attack(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    yield Outcome("fine", "one")
    yield Outcome("broken", f"drew {rng.random():.3f}", "it broke")
    yield Outcome("left out", "", skipped="no such thing here")
    raise OSError("a fault of the campaign's own")


def test_what_fails_is_counted_and_can_be_repeated(lab: Lab, tmp_path: Path) -> None:
    rows = {"fine": "Holds", "broken": "Does not", "left out": "Nobody knows"}
    told = []
    for _ in range(2):
        campaign = Campaign(lab, [Kind("attack", attack, rows, 1.0, 1)], seed=5, log=False)
        campaign.round(campaign.kinds[0], 2)
        told.append([failure.name for failure in campaign.failures])
    assert told[0] == told[1]
    assert told[0][1] == "the campaign itself"
    assert campaign.failures[0].command == "make torture SEED=5 ONLY=attack:2"
    counted = {row: (tally.tried, tally.failed) for row, tally in campaign.tallies.items()}
    assert counted == {"fine": (2, 1), "broken": (1, 1), "left out": (0, 0)}
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- figures: make torture -->\nold\n<!-- end of figures -->\nb\n")
    refresh(page, campaign, "Seed 5:")
    assert table(campaign) in page.read_text()
    assert "skipped: no such thing here" in page.read_text()


@pytest.mark.parametrize(
    ("run", "wrong"),
    [
        (Run((), 0, "", ""), None),
        (Run((), 1, "", "error: no such file"), None),
        (Run((), 1, "", ""), "without a word"),
        (Run((), -11, "", ""), "-11"),
        (Run((), 2, "", "usage"), "usage"),
        (Run((), 1, "", "Traceback (most recent call last):\n  x\nOSError: y"), "OSError: y"),
    ],
)
def test_a_commands_end_is_judged(run: Run, wrong: str | None) -> None:
    fault = run.fault()
    assert fault is None if wrong is None else fault is not None and wrong in fault


def test_the_campaign_starts_as_the_makefile_starts_it() -> None:
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(r"PYTHONPATH=(\S+) \$\(BIN\)/python -m torture", makefile)
    assert found, "make torture starts it in another way: start it here as there"
    env = {**os.environ, "PYTHONPATH": found[1]}
    command = [sys.executable, "-m", "torture", "--help"]
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "--seed" in ended.stdout


def test_two_catalogs_are_told_apart() -> None:
    one = Contents(files={"a": ("audio", "x", None, False)}, vectors={"x": bytes(3) + b"\x3f"})
    assert one.differs(Contents(files=dict(one.files), vectors=dict(one.vectors))) is None
    assert "files of a" in (one.differs(Contents(vectors=dict(one.vectors))) or "")
    other = Contents(files=dict(one.files), vectors={"x": bytes(3) + b"\xbf"})
    assert one.differs(other) == "x: another vector"


def test_every_promise_stands_in_the_table_with_a_test_that_exists() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in KINDS:
        for row, promise in kind.rows.items():
            assert f"| {promise} | {row} |" in page
            assert f"`{TEST}[{kind.name}]`" in page
    for file, test in re.findall(r"`(test_\w+\.py)::(test_\w+)", page):
        (path,) = (ROOT / "tests").rglob(file)
        assert f"def {test}(" in path.read_text(encoding="utf-8")
