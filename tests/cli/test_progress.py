"""What is said of long work where nobody watches a bar."""

import time
from collections.abc import Callable

import pytest

from musicu.catalog.ingest_summary import Progress, Summary
from musicu.cli import progress
from musicu.cli.progress import duration, progress_bar, task_bar


def wait_for(there: Callable[[], bool]) -> None:
    while not there():
        time.sleep(0.005)


def test_in_a_pipe_there_is_a_line_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "EVERY", 0.01)
    monkeypatch.setattr(progress, "say", said.append)
    with progress_bar(quiet=False) as advance:
        assert advance is not None
        wait_for(lambda: said == ["looking for changes  0 %"] * len(said) != [])
        advance(Progress(3, 12, 5, 9, Summary(failed=1), 30.0, 120.0, 4000.0))
        wait_for(lambda: said[-1] == "3 of 12 files  25 %  1 h 07 min left  1 failed")
    with task_bar("splits", "bar", "count", "left", "time", quiet=False) as update:
        assert update is not None
        update(completed=1, total=2)
        wait_for(lambda: said[-1] == "splits  1 of 2  0 s left  for 0 s")


def test_quiet_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.001)
    monkeypatch.setattr(progress, "say", pytest.fail)
    with progress_bar(quiet=True) as advance, task_bar("x", quiet=True) as update:
        assert advance is None and update is None


def test_durations_read_as_people_say_them() -> None:
    told = {0.4: "0 s", 59.4: "59 s", 60: "1 min", 3540: "59 min", 3600: "1 h 00 min"}
    assert {seconds: duration(seconds) for seconds in told} == told
