import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from musicu.encoders.model import Model
from musicu.encoders.registry import find_model
from musicu.errors import MusicuError
from musicu.service.errors import Busy, Late
from musicu.service.queues import WorkQueue
from musicu.service.settings import Settings
from musicu.service.uploads.analysis import UploadAnalyzer

# A worker in which only the analysis is another one: the file's name says what befalls it.
_SCRIPT = """
import os, signal, time
import musicu.workers.analyze_file, musicu.encoders.encoder, musicu.workers.worker_program
from musicu.workers.analyze_file import Analysis
from musicu.metadata.fields import Metadata

def analyze(path, encoder, *, describe, longest):
    name = os.path.basename(path)
    if name == "hang":
        time.sleep(600)
    elif name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name == "slow":
        time.sleep(0.3)
    return Analysis(
        id="0" * 32, seconds=1.0, codec=str(os.getpid()), sr=8000, channels=1, problem=None,
        metadata=Metadata(title=name), descriptors={"longest": longest} if describe else None,
    )

musicu.workers.analyze_file.analyze = analyze
musicu.encoders.encoder.Encoder.from_pretrained = staticmethod(lambda name: None)
musicu.workers.worker_program.main()
"""
_PATIENCE = 300.0


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "worker.py"
    script.write_text(_SCRIPT)
    return [sys.executable, str(script)]


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.db"
    path.touch()
    return path


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What the work in a line waits for; opened at the end in any case."""
    opened = threading.Event()
    yield opened
    opened.set()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # dead, and its parent has not asked yet


# The line


def test_a_line_does_so_much_at_once_and_all_of_it(gate: threading.Event) -> None:
    at_work: list[int] = []
    most = 0

    def work(place: int) -> int:
        nonlocal most
        at_work.append(place)
        most = max(most, len(at_work))
        assert len(set(at_work)) == len(at_work)  # nobody else is in this place
        time.sleep(0.01)
        at_work.remove(place)
        return place

    async def main() -> None:
        line = WorkQueue("test", 2, 20, _PATIENCE)
        places = await asyncio.gather(*(line.run(work) for _ in range(20)))
        assert set(places) == {0, 1} and most == 2
        assert (line.depth, line.busy, line.rejected) == (0, 0, 0)
        await line.close()

    asyncio.run(main())


def test_who_comes_when_the_line_is_full_is_told_when_to_come_again(gate: threading.Event) -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 2, _PATIENCE)
        tasks = [asyncio.create_task(line.run(lambda place: gate.wait())) for _ in range(3)]
        await _until(lambda: (line.busy, line.depth) == (1, 2))
        for refused in range(1, 4):
            with pytest.raises(Busy, match="too many requests for test") as caught:
                await line.run(lambda place: None)
            assert int(caught.value.headers["Retry-After"]) >= 1
            assert line.rejected == refused
        gate.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert await line.run(lambda place: "room again") == "room again"
        await line.close()

    asyncio.run(main())


def test_those_who_wait_are_served_in_the_order_they_came(gate: threading.Event) -> None:
    order: list[int] = []

    async def main() -> None:
        line = WorkQueue("test", 1, 9, _PATIENCE)
        first = asyncio.create_task(line.run(lambda place: gate.wait()))
        await _until(lambda: line.busy == 1)
        tasks = []
        for number in range(5):
            tasks.append(asyncio.create_task(line.run(lambda _, n=number: order.append(n))))
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *tasks)
        await line.close()

    asyncio.run(main())
    assert order == list(range(5))


def test_who_waits_too_long_is_late_and_leaves_the_line(gate: threading.Event) -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 2, 0.2)
        first = asyncio.create_task(line.run(lambda place: gate.wait()))
        await _until(lambda: line.busy == 1)
        done: list[int] = []
        with pytest.raises(Late):
            await line.run(done.append)
        assert line.depth == 0
        with pytest.raises(Late):
            await first
        gate.set()
        assert await line.run(lambda place: "next") == "next"
        assert done == []  # what nobody waits for is not begun
        await line.close()

    asyncio.run(main())


def test_a_place_is_free_only_when_the_work_has_really_ended(gate: threading.Event) -> None:
    given_up: list[int] = []

    async def main() -> None:
        line = WorkQueue("test", 1, 0, 0.1)
        with pytest.raises(Late):
            await line.run(lambda place: gate.wait(), give_up=given_up.append)
        assert given_up == [0] and line.busy == 1
        with pytest.raises(Busy):
            await line.run(lambda place: None)
        gate.set()
        await _until(lambda: line.busy == 0)
        await line.run(lambda place: None)
        await line.close()

    asyncio.run(main())


def test_work_of_a_request_that_was_canceled_is_given_up(gate: threading.Event) -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 0, _PATIENCE)
        task = asyncio.create_task(
            line.run(lambda place: gate.wait(), give_up=lambda place: gate.set())
        )
        await _until(lambda: line.busy == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: line.busy == 0)
        await line.close()

    asyncio.run(main())


def test_a_fault_in_the_work_reaches_who_asked_and_nobody_else() -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 0, _PATIENCE)
        with pytest.raises(ZeroDivisionError):
            await line.run(lambda place: 1 // place)
        await _until(lambda: line.busy == 0)
        assert await line.run(lambda place: place) == 0
        await line.close()

    asyncio.run(main())


def test_an_answer_does_not_wait_for_what_is_tidied_after_it(gate: threading.Event) -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 0, _PATIENCE)
        answer = await line.run(lambda place: "answer", after=lambda place: gate.wait())
        assert answer == "answer" and line.busy == 1
        with pytest.raises(Busy):
            line.check()
        gate.set()
        await _until(lambda: line.busy == 0)
        await line.close()

    asyncio.run(main())


def test_what_is_prepared_is_not_on_the_time_of_the_work(gate: threading.Event) -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 0, 0.2)
        late = asyncio.create_task(
            line.run(lambda place: "done", prepare=lambda place: time.sleep(1.0))
        )
        assert await late == "done"
        given_up: list[int] = []
        with pytest.raises(Late) as caught:
            await line.run(
                lambda place: gate.wait(), prepare=lambda place: None, give_up=given_up.append
            )
        assert caught.value.begun and given_up == [0]
        gate.set()
        await _until(lambda: line.busy == 0)
        with pytest.raises(ZeroDivisionError):
            await line.run(lambda place: "never", prepare=lambda place: 1 // place)
        await _until(lambda: line.busy == 0)
        await line.close()

    asyncio.run(main())


def test_who_leaves_while_something_is_prepared_is_not_waited_for(gate: threading.Event) -> None:
    async def main() -> None:
        line = WorkQueue("test", 1, 0, _PATIENCE)
        task = asyncio.create_task(
            line.run(
                lambda place: None,
                prepare=lambda place: gate.wait() and None,
                give_up=lambda place: gate.set(),
            )
        )
        await _until(lambda: line.busy == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: line.busy == 0)
        await line.close()

    asyncio.run(main())


# The analyzer


def _with_analyzer(
    settings: Settings,
    model_of: Callable[[], Model],
    command: list[str] | None,
    use: Callable[[UploadAnalyzer], Awaitable[None]],
) -> None:
    async def main() -> None:
        analyzer = UploadAnalyzer(settings, model_of, command)
        await analyzer.start()
        try:
            await use(analyzer)
        finally:
            await analyzer.close()

    asyncio.run(main())


def test_one_worker_serves_request_after_request(
    catalog: Path, model: Model, command: list[str]
) -> None:
    pids: set[str] = set()

    async def use(analyzer: UploadAnalyzer) -> None:
        for describe in (False, True, False):
            answer = await analyzer.analyze("x", describe=describe)
            pids.add(answer["codec"])
            # Asked for with each request; told to the worker once.
            assert answer["descriptors"] == ({"longest": 7.0} if describe else None)
            assert answer["model"] is model

    _with_analyzer(Settings(catalog=catalog, upload_seconds=7.0), lambda: model, command, use)
    (pid,) = pids
    assert not _alive(int(pid))


@pytest.mark.parametrize("name", ["hang", "crash"])
def test_a_bad_file_costs_itself(
    catalog: Path, model: Model, command: list[str], name: str
) -> None:
    async def use(analyzer: UploadAnalyzer) -> None:
        before = await analyzer.analyze("before")
        bad = await analyzer.analyze(name)
        assert ("longer than 3 s" if name == "hang" else "crashed") in bad["error"]
        after = await analyzer.analyze("after")
        assert after["metadata"] == {"title": "after"}
        assert after["codec"] != before["codec"]

    settings = Settings(catalog=catalog, decode_seconds=3.0, deadline=_PATIENCE)
    _with_analyzer(settings, lambda: model, command, use)


def test_a_file_beyond_the_deadline_ends_its_worker_and_the_next_gets_another(
    catalog: Path, model: Model, command: list[str]
) -> None:
    async def use(analyzer: UploadAnalyzer) -> None:
        before = await analyzer.analyze("before")
        analyzer.queue.deadline = 0.2
        with pytest.raises(Late):
            await analyzer.analyze("hang")
        analyzer.queue.deadline = _PATIENCE
        after = await analyzer.analyze("after")
        assert after["codec"] != before["codec"]
        assert not _alive(int(before["codec"]))

    settings = Settings(catalog=catalog, decode_seconds=_PATIENCE, deadline=_PATIENCE)
    _with_analyzer(settings, lambda: model, command, use)


def test_a_cold_start_is_on_nobodys_time(catalog: Path, model: Model, tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time\ntime.sleep(4)\n" + _SCRIPT)
    other = replace(model, sha256="b" * 64)
    current = model

    async def use(analyzer: UploadAnalyzer) -> None:
        nonlocal current
        # Several who come at once to workers that are not ready, and one who finds another model.
        answers = await asyncio.gather(*(analyzer.analyze("x") for _ in range(3)))
        current = other
        answers.append(await analyzer.analyze("x"))
        assert [answer["metadata"]["title"] for answer in answers] == ["x"] * 4

    settings = Settings(catalog=catalog, decode_seconds=3.0, deadline=3.0)
    _with_analyzer(settings, lambda: current, [sys.executable, str(script)], use)


def test_another_model_replaces_the_workers_and_no_request_is_lost(
    catalog: Path, model: Model, command: list[str]
) -> None:
    other = replace(model, sha256="b" * 64)
    current = model

    async def use(analyzer: UploadAnalyzer) -> None:
        nonlocal current
        tasks = []
        for number in range(12):
            tasks.append(asyncio.create_task(analyzer.analyze("slow" if number % 3 else "quick")))
            if number == 5:
                await _until(lambda: tasks[2].done())
                current = other
        answers = await asyncio.gather(*tasks)
        assert all("error" not in answer for answer in answers)
        hashes = [answer["model"].sha256 for answer in answers]
        assert hashes[0] == model.sha256 and hashes[-1] == other.sha256
        assert hashes == sorted(hashes, reverse=hashes[0] > hashes[-1])
        # A process knows one model.
        assert len({(a["codec"], a["model"].sha256) for a in answers}) == 2

    settings = Settings(catalog=catalog, queue=20, deadline=_PATIENCE)
    _with_analyzer(settings, lambda: current, command, use)


def _ended(pid: int) -> bool:
    """Whether a process of ours can be asked how it ended; its threads may outlive it a moment."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody has asked
        return True


def test_a_worker_that_ended_while_idle_is_no_files_fault(
    catalog: Path, model: Model, command: list[str]
) -> None:
    async def use(analyzer: UploadAnalyzer) -> None:
        pid = int((await analyzer.analyze("before"))["codec"])
        await _until(lambda: analyzer.queue.busy == 0)
        os.kill(pid, signal.SIGKILL)
        await _until(lambda: _ended(pid))
        after = await analyzer.analyze("after")
        assert after["metadata"] == {"title": "after"}

    _with_analyzer(Settings(catalog=catalog, deadline=_PATIENCE), lambda: model, command, use)


def test_a_crowd_is_turned_away_and_those_in_line_are_served(
    catalog: Path, model: Model, command: list[str]
) -> None:
    async def use(analyzer: UploadAnalyzer) -> None:
        await analyzer.analyze("warm")
        await _until(lambda: analyzer.queue.busy == 0)
        found = await asyncio.gather(
            *(analyzer.analyze("slow") for _ in range(50)), return_exceptions=True
        )
        assert sum(isinstance(one, dict) for one in found) == 2 + 3
        assert sum(isinstance(one, Busy) for one in found) == analyzer.queue.rejected == 45
        assert (analyzer.queue.depth, analyzer.queue.limit) == (0, 3)

    settings = Settings(catalog=catalog, workers=2, queue=3, deadline=_PATIENCE)
    _with_analyzer(settings, lambda: model, command, use)


def test_a_worker_that_cannot_start_is_told_to_who_asks(catalog: Path, model: Model) -> None:
    async def use(analyzer: UploadAnalyzer) -> None:
        for _ in range(2):
            with pytest.raises(MusicuError, match="cannot start.*no such thing"):
                await analyzer.analyze("x")

    broken = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    _with_analyzer(Settings(catalog=catalog, deadline=_PATIENCE), lambda: model, broken, use)


def test_closing_ends_what_is_at_work(catalog: Path, model: Model, command: list[str]) -> None:
    pids: list[int] = []

    async def main() -> None:
        settings = Settings(catalog=catalog, decode_seconds=_PATIENCE, deadline=_PATIENCE)
        analyzer = UploadAnalyzer(settings, lambda: model, command)
        pids.append(int((await analyzer.analyze("before"))["codec"]))
        await _until(lambda: analyzer.queue.busy == 0)
        tasks = [asyncio.create_task(analyzer.analyze("hang")) for _ in range(3)]
        await _until(lambda: (analyzer.queue.busy, analyzer.queue.depth) == (1, 2))
        await analyzer.close()
        found: Any = await asyncio.gather(*tasks, return_exceptions=True)
        assert "error" in found[0] or isinstance(found[0], MusicuError)
        assert [type(one) for one in found[1:]] == [Busy, Busy]
        with pytest.raises(Busy):
            await analyzer.analyze("after")

    asyncio.run(main())
    assert not _alive(pids[0])
