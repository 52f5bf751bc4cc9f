import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio import sine, write
from conftest import RunCli, Shelf

from musicu.errors import AudioError, MusicuError
from musicu.pool import Pool, Worker, WorkerSettings, analyze_isolated

# A real worker in which only the analysis is another one: the file's name says what befalls it.
_SCRIPT = """
import os, signal, sys, time
import musicu.analyze, musicu.worker
from musicu.analyze import Analysis
from musicu.errors import AudioError
from musicu.metadata import Metadata

def analyze(path, encoder, *, describe, longest):
    name = os.path.basename(path)
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name == "hang":
        time.sleep(600)
    elif name == "hungry":
        bytearray(2 << 30)
    elif name == "chatty":
        print("garbage from Python")
        os.write(1, b'{"garbage": "from C"}\\n')
    elif name == "exit":
        sys.exit("the end of it")
    elif name == "raise":
        raise RuntimeError("odd")
    elif name == "refuse":
        raise AudioError(path, "not to my taste")
    elif name.startswith("pid"):
        with open(path + ".tmp", "w") as file:
            file.write(str(os.getpid()))
        os.rename(path + ".tmp", path)
        time.sleep(600 if name == "pid-busy" else 0)
    return Analysis(
        id="0" * 32, seconds=1.0, codec="test", sr=8000, channels=1, problem=None,
        metadata=Metadata(title=name), descriptors={"asked": True} if describe else None,
    )

musicu.analyze.analyze = analyze
musicu.worker.main()
"""
# Generous on a busy machine, and yet what a test that hangs may cost.
_TIMEOUT = 300.0


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    script = tmp_path / "worker.py"
    script.write_text(_SCRIPT)
    return [sys.executable, str(script)]


def _settings(**changed: Any) -> WorkerSettings:
    return WorkerSettings(**{"model": None, "timeout": _TIMEOUT, **changed})


def _analyze(worker: Worker, path: str) -> dict[str, Any]:
    return worker.analyze(path)


def _wait(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + _TIMEOUT
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # dead, and its new parent has not asked yet


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crash", "the decoder crashed (SIGSEGV)"),
        ("exit", "the decoder crashed (the end of it)"),
        ("raise", "RuntimeError: odd"),
        ("refuse", "not to my taste"),
    ],
)
def test_a_bad_file_costs_itself_and_is_told(command: list[str], name: str, reason: str) -> None:
    with Pool(_settings(), 1, command) as pool:
        results = dict(pool.run(["before", name, "after"], _analyze))
    assert results[name] == {"error": reason}
    assert [results[n]["metadata"]["title"] for n in ("before", "after")] == ["before", "after"]


def test_a_hanging_file_is_given_up_and_the_next_one_works(command: list[str]) -> None:
    worker = Worker(_settings(timeout=3.0), command)
    assert worker.analyze("hang") == {"error": "took longer than 3 s"}
    assert worker.analyze("after")["id"] == "0" * 32
    worker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's data")
def test_a_file_that_needs_too_much_memory_costs_itself(command: list[str]) -> None:
    worker = Worker(_settings(memory=1 << 30), command)
    assert worker.analyze("hungry") == {"error": "needs more than 1024 MB of memory"}
    assert worker.analyze("after")["id"] == "0" * 32
    worker.close()


def test_what_a_decoder_prints_is_not_taken_for_an_answer(command: list[str]) -> None:
    worker = Worker(_settings(), command)
    assert worker.analyze("chatty")["metadata"] == {"title": "chatty"}
    assert worker.analyze("after")["metadata"] == {"title": "after"}
    worker.close()


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        ([sys.executable, "-c", "raise SystemExit('no such thing here')"], "no such thing here"),
        ([sys.executable, "-c", "import os; os.close(0); os._exit(3)"], "exit status 3"),
        ([sys.executable, "-c", "print('hello')"], ""),
        (["/nowhere/python"], "No such file or directory"),
    ],
)
def test_a_worker_that_cannot_start_is_no_files_fault(broken: list[str], cause: str) -> None:
    with (
        pytest.raises(MusicuError, match=f"a worker process cannot start.*{cause}") as caught,
        Pool(_settings(), 2, broken) as pool,
    ):
        list(pool.run(map(str, range(10)), _analyze))
    assert not isinstance(caught.value, AudioError)


def test_a_pool_that_is_left_early_leaves_nothing_behind(
    command: list[str], tmp_path: Path
) -> None:
    with Pool(_settings(), 2, command) as pool:
        for _ in pool.run(["a", str(tmp_path / "pid-busy")], _analyze):
            assert _wait((tmp_path / "pid-busy").exists)
            break
    assert not _alive(int((tmp_path / "pid-busy").read_text()))
    assert all(not thread.name.endswith("(serve)") for thread in threading.enumerate())


def test_a_model_that_is_not_there_is_no_files_fault(tmp_path: Path) -> None:
    with pytest.raises(MusicuError, match="cannot start.*nothing"):
        analyze_isolated("a.flac", _settings(model=str(tmp_path / "nothing")))


def test_stop_takes_no_new_task_and_keeps_what_is_done(command: list[str]) -> None:
    with Pool(_settings(), 1, command) as pool:
        results = []
        for result in pool.run(map(str, range(1000)), _analyze):
            results.append(result)
            pool.stop()
    # The one that was in hand, and those that were done before anybody looked.
    assert 1 <= len(results) < 1000
    assert [name for name, _ in results] == [str(n) for n in range(len(results))]


def test_a_fault_in_the_handler_reaches_the_caller(command: list[str]) -> None:
    def handle(worker: Worker, task: int) -> int:
        return 1 // task

    with Pool(_settings(), 2, command) as pool, pytest.raises(ZeroDivisionError):
        list(pool.run([0], handle))


def test_no_workers_are_left_when_the_pool_is(command: list[str], tmp_path: Path) -> None:
    with Pool(_settings(), 1, command) as pool:
        list(pool.run([str(tmp_path / "pid-idle")], _analyze))
        pid = int((tmp_path / "pid-idle").read_text())
        assert _alive(pid)
    assert not _alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("state", ["pid-idle", "pid-busy"])
def test_no_worker_outlives_a_killed_parent(command: list[str], tmp_path: Path, state: str) -> None:
    parent = textwrap.dedent(f"""
        import time
        from musicu.pool import Worker, WorkerSettings
        worker = Worker(WorkerSettings(model=None), {command!r})
        worker.analyze({str(tmp_path / state)!r})
        time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", parent])
    try:
        assert _wait((tmp_path / state).exists)
        pid = int((tmp_path / state).read_text())
        assert _alive(pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _wait(lambda: not _alive(pid))


def test_a_script_needs_no_main_guard(original: Shelf, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, musicu\n"
        "catalog = musicu.Catalog(sys.argv[2])\n"
        "summary = catalog.add_folder(sys.argv[1], jobs=2)\n"
        "print(summary.embedded)\n"
    )
    folder = original / "Dora"
    done = subprocess.run(
        [sys.executable, script, folder, tmp_path / "c.db"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("2\n", "", 0)


def test_files_where_the_user_happens_to_be_are_no_modules(
    original: Shelf, tmp_path: Path, run_cli: RunCli
) -> None:
    for name in ("queue.py", "numpy.py", "av.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working folder')")
    done = run_cli("embed", original / "Dora", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 embedded" in done.stderr


def test_one_file_can_be_analyzed_in_isolation(original: Shelf, tmp_path: Path) -> None:
    answer = analyze_isolated(str(original / "Dora/Night.wav"), _settings())
    assert (answer["codec"], answer["sr"], answer["vector"]) == ("pcm_s16le", 16000, None)
    with pytest.raises(AudioError, match="empty file"):
        (tmp_path / "empty.wav").touch()
        analyze_isolated(str(tmp_path / "empty.wav"), _settings())


def test_each_request_says_whether_to_describe(command: list[str]) -> None:
    for default in (False, True):
        worker = Worker(_settings(describe=default), command)
        asked = [worker.analyze("x", describe=d)["descriptors"] for d in (True, False, None)]
        assert asked == [{"asked": True}, None, {"asked": True} if default else None]
        worker.close()


def test_a_warm_worker_runs_before_it_is_asked(command: list[str]) -> None:
    worker = Worker(_settings(), command)
    assert not worker.running
    worker.warm()
    assert worker.running
    worker.warm()
    assert worker.analyze("x")["id"] == "0" * 32
    worker.kill()
    assert _wait(lambda: not worker.running)
    with pytest.raises(MusicuError, match="closed"):
        worker.warm()
    worker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_that_ended_while_idle_is_started_again(
    command: list[str], tmp_path: Path
) -> None:
    worker = Worker(_settings(), command)
    worker.analyze(str(tmp_path / "pid-idle"))
    pid = int((tmp_path / "pid-idle").read_text())
    os.kill(pid, signal.SIGKILL)
    assert _wait(lambda: not worker.running)
    assert worker.analyze("after")["id"] == "0" * 32
    worker.close()


def test_what_is_decoded_counts_as_long_and_not_what_a_header_claims(tmp_path: Path) -> None:
    silence = np.zeros((1, 8000 * 60), dtype=np.float32)
    write(tmp_path / "minute.flac", silence, 8000, "flac")
    write(tmp_path / "minute.wav", silence, 8000)
    write(tmp_path / "second.wav", sine(8000, 1.0), 8000)
    # STREAMINFO's number of samples: the last 36 bits before the checksum of the audio.
    content = bytearray((tmp_path / "minute.flac").read_bytes())
    content[22:26] = (8000).to_bytes(4, "big")
    (tmp_path / "modest.flac").write_bytes(content)
    content = bytearray((tmp_path / "second.wav").read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = (0xFFFFFF00).to_bytes(4, "little")
    (tmp_path / "boasting.wav").write_bytes(content)
    worker = Worker(_settings(longest=10.0))
    for name in ("minute.flac", "minute.wav", "modest.flac"):
        assert worker.analyze(str(tmp_path / name)) == {"error": "longer than 10 s"}, name
    assert worker.analyze(str(tmp_path / "boasting.wav"))["seconds"] == pytest.approx(1.0, abs=0.1)
    worker.close()
    catalog_worker = Worker(_settings())
    assert "silence" in catalog_worker.analyze(str(tmp_path / "minute.flac"))["error"]
    catalog_worker.close()


def test_workers_are_told_to_be_nice(command: list[str], tmp_path: Path) -> None:
    worker = Worker(_settings(nice=3), command)
    worker.analyze(str(tmp_path / "pid-idle"))
    pid = int((tmp_path / "pid-idle").read_text())
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, before + 3)
    worker.close()
