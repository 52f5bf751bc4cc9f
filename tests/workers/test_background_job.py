"""Long computations as processes: steps, results, cancel, deadline, failures."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from musicu.workers.background_job import Canceled, JobError, Overdue, run_job

# A module whose first argument says what befalls it.
_MODULE = """
import os, signal, sys, time
from musicu.errors import CatalogError
from musicu.workers.background_job import serve_job

what, *rest = sys.argv[1:]

def work(progress):
    if what == "work":
        progress("begun", 0, 2)
        print("printed by a library")
        os.write(1, b"printed by C")
        progress("half", 1, 2)
        return {"pid": os.getpid(), "nice": os.nice(0), "rest": rest, "text": "Café"}
    if what == "nothing":
        return None
    if what == "refuse":
        raise CatalogError("no catalog here: make one")
    if what == "exit":
        sys.stderr.write("one line\\nthe last line\\n")
        sys.exit(7)
    if what == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        progress("begun", 0, 2)
        time.sleep(600)
    finally:  # as one that removes its half-written files
        open(rest[0], "w").close()

serve_job(work)
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made_job.py").write_text(_MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_job_reports_its_steps_and_returns_its_result() -> None:
    steps: list[tuple[str, int, int]] = []
    result = run_job("made_job", "work", "a", "b c", progress=lambda *step: steps.append(step))
    assert steps == [("begun", 0, 2), ("half", 1, 2)]
    assert result["pid"] != os.getpid()
    assert (result["rest"], result["text"]) == (["a", "b c"], "Café")
    if sys.platform == "linux":
        assert result["nice"] == min(os.nice(0) + 10, 19) or result["nice"] == 10
    assert run_job("made_job", "nothing") is None


@pytest.mark.parametrize(
    ("what", "reason", "status"),
    [
        ("refuse", "no catalog here: make one", 1),
        ("exit", "the last line", 7),
        ("crash", "its process was ended (SIGKILL)", -9),
    ],
)
def test_a_job_that_fails_says_why_in_one_line(what: str, reason: str, status: int) -> None:
    with pytest.raises(JobError) as caught:
        run_job("made_job", what)
    assert (str(caught.value), caught.value.status) == (reason, status)


def test_a_module_that_is_not_there_is_told() -> None:
    with pytest.raises(JobError, match="No module named"):
        run_job("no_such_module")


def _canceled(cleaned: Path) -> None:
    cancel = threading.Event()
    run_job("made_job", "sleep", str(cleaned), progress=lambda *_: cancel.set(), cancel=cancel)


def _given_up(cleaned: Path) -> None:
    def stop(*_: object) -> None:
        raise ZeroDivisionError

    run_job("made_job", "sleep", str(cleaned), progress=stop)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("run", "error"),
    [(_canceled, Canceled), (_given_up, ZeroDivisionError)],
)
def test_a_job_that_is_given_up_cleans_up(
    run: Callable[[Path], None], error: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(error):
        run(tmp_path / "cleaned")
    assert (tmp_path / "cleaned").exists()


def test_a_job_ends_with_its_deadline(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Overdue):
        run_job("made_job", "sleep", str(tmp_path / "cleaned"), deadline=0.5)
    assert time.monotonic() - begun < 120


def test_a_job_that_is_canceled_before_it_begins_does_not_begin(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Canceled):
        run_job("made_job", "sleep", str(tmp_path / "cleaned"), cancel=cancel)
    assert not (tmp_path / "cleaned").exists()
