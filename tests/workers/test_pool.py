import errno
import os
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import RunCli, Shelf
from made_audio import sine, write

import musicu.workers.child_process as process_module
import musicu.workers.pool as pool_module
from musicu.encoders.registry import find_model
from musicu.errors import PASSING, AudioError, MusicuError
from musicu.workers.child_process import ChildProcess
from musicu.workers.pool import Pool, Worker, WorkerSettings, analyze_isolated

# A real worker in which only the analysis is another one: the file's name says what befalls it.
_SCRIPT = """
import errno, os, signal, sys, time
import musicu.workers.analyze_file, musicu.workers.worker_program
from musicu.workers.analyze_file import Analysis
from musicu.errors import AudioError
from musicu.metadata.fields import Metadata

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
    elif name == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif name == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "ended":
        os.kill(os.getpid(), signal.SIGTERM)
    elif name == "starved":
        raise RuntimeError("a fault") from MemoryError()
    elif name == "aborted":  # as C++ does where nobody catches
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\\n")
        os.kill(os.getpid(), signal.SIGABRT)
    elif name == "allocate":
        raise RuntimeError("Failed to allocate memory for requested buffer of size 9")
    elif name == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    elif name == "library":
        import nothing_of_that_name
    elif name == "exit-full":
        sys.exit("OSError: [Errno 28] No space left on device")
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

musicu.workers.analyze_file.analyze = analyze
musicu.workers.worker_program.main()
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
    ("name", "reason", "cause"),
    [
        ("crash", "the decoder crashed (SIGSEGV)", "file"),
        ("exit", "the decoder crashed (the end of it)", "file"),
        ("raise", "RuntimeError: odd", "file"),
        ("refuse", "not to my taste", "file"),
        ("killed", "its process was ended from outside (SIGKILL)", "killed"),
        ("ended", "its process was ended from outside (SIGTERM)", "killed"),
        ("starved", "needs more than 4096 MB of memory", "memory"),
        ("aborted", "needs more than 4096 MB of memory", "memory"),
        ("allocate", "needs more than 4096 MB of memory", "memory"),
        ("full", "OSError: [Errno 28] No space left on device", "system"),
        ("library", "ModuleNotFoundError: No module named 'nothing_of_that_name'", "system"),
        ("exit-full", "OSError: [Errno 28] No space left on device", "system"),
    ],
)
def test_a_failure_costs_one_file_and_says_what_is_at_fault(
    command: list[str], name: str, reason: str, cause: str
) -> None:
    with Pool(_settings(), 1, command) as pool:
        results = dict(pool.run(["before", name, "after"], _analyze))
    assert results[name] == {"error": reason, "cause": cause}
    assert [results[n]["metadata"]["title"] for n in ("before", "after")] == ["before", "after"]


def test_a_hanging_file_is_given_up_and_the_next_one_works(command: list[str]) -> None:
    worker = Worker(_settings(timeout=3.0), command)
    assert worker.analyze("hang") == {"error": "took longer than 3 s", "cause": "time"}
    assert worker.analyze("after")["id"] == "0" * 32
    worker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's data")
def test_a_file_that_needs_too_much_memory_costs_itself(command: list[str]) -> None:
    worker = Worker(_settings(memory=1 << 30), command)
    assert worker.analyze("hungry") == {
        "error": "needs more than 1024 MB of memory",
        "cause": "memory",
    }
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
        from musicu.workers.pool import Worker, WorkerSettings
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
    original: Shelf, tmp_path: Path, run_program: RunCli
) -> None:
    for name in ("queue.py", "numpy.py", "av.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working folder')")
    done = run_program("embed", original / "Dora", "--json", cwd=tmp_path)
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
        assert worker.analyze(str(tmp_path / name))["error"] == "longer than 10 s", name
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


# What is no file's fault


def _broken_starts(tmp_path: Path, fault: str, times: int) -> list[str]:
    """Return a worker of which the first processes suffer a fault before they are ready."""
    script = tmp_path / "starts.py"
    script.write_text(
        "import os, pathlib, signal, sys, time\n"
        f"count = pathlib.Path({str(tmp_path / 'starts')!r})\n"
        "n = int(count.read_text()) if count.exists() else 0\n"
        "count.write_text(str(n + 1))\n"
        f"if n < {times}:\n    {fault}\n" + _SCRIPT
    )
    return [sys.executable, str(script)]


@pytest.mark.parametrize("fault", ["STOP", "KILL", "sleep"])
def test_a_worker_that_stalls_or_is_killed_at_its_start_is_followed_by_another(
    tmp_path: Path, fault: str
) -> None:
    what = "time.sleep(600)" if fault == "sleep" else f"os.kill(os.getpid(), signal.SIG{fault})"
    settings = _settings(start_timeouts=(5.0, _TIMEOUT, _TIMEOUT))
    with Pool(settings, 1, _broken_starts(tmp_path, what, 1)) as pool:
        results = dict(pool.run(["a", "b"], _analyze))
    assert [results[name]["metadata"]["title"] for name in "ab"] == ["a", "b"]
    assert (tmp_path / "starts").read_text() == "2"


def test_one_that_never_gets_ready_ends_the_run(tmp_path: Path) -> None:
    settings = _settings(start_timeouts=(0.5, 1.0))
    stalls = _broken_starts(tmp_path, "time.sleep(600)", 9)
    with (
        pytest.raises(MusicuError, match="a worker process cannot start: not ready after 1 s"),
        Pool(settings, 1, stalls) as pool,
    ):
        list(pool.run(["a"], _analyze))
    faulty = _broken_starts(tmp_path, "sys.exit('always so')", 9)
    (tmp_path / "starts").unlink()
    worker = Worker(_settings(), faulty)
    with pytest.raises(MusicuError, match="cannot start: always so"):
        worker.warm()
    worker.close()
    assert (tmp_path / "starts").read_text() == "1"  # that would not change by trying again


def test_a_start_can_be_called_off(tmp_path: Path) -> None:
    worker = Worker(_settings(), _broken_starts(tmp_path, "time.sleep(600)", 9))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(worker.warm)
        assert _wait((tmp_path / "starts").exists)
        worker.kill()
        with pytest.raises(MusicuError, match="closed"):
            waiting.result()
    worker.close()


def test_a_worker_that_is_stopped_at_work_is_out_of_time(command: list[str]) -> None:
    worker = Worker(_settings(timeout=3.0), command)
    assert worker.analyze("stopped") == {"error": "took longer than 3 s", "cause": "time"}
    assert worker.analyze("after")["metadata"] == {"title": "after"}
    worker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_file_whose_worker_is_killed_is_tried_once_more(
    command: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "pid-busy"
    worker = Worker(_settings(), command)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(worker.analyze, str(path))
        pids = []
        for _ in range(2):
            assert _wait(path.exists)
            pids.append(int(path.read_text()))
            path.unlink()
            os.kill(pids[-1], signal.SIGKILL)
        answer = waiting.result()
    assert answer == {
        "error": "its process was ended from outside (SIGKILL)",
        "cause": "killed",
    }
    assert pids[0] != pids[1]
    worker.close()


def test_a_process_that_cannot_even_be_killed_is_left_behind(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pid-busy"
    worker = Worker(_settings(timeout=3.0), command)
    monkeypatch.setattr(process_module, "GRACE", 0.1)
    started: list[ChildProcess] = []

    class Watched(ChildProcess):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            started.append(self)

    monkeypatch.setattr(pool_module, "ChildProcess", Watched)
    worker.warm()
    with monkeypatch.context() as patched:
        patched.setattr(subprocess.Popen, "kill", lambda self: None)  # as one that waits for a disk
        assert worker.analyze(str(path))["cause"] == "time"
    assert worker.analyze("after")["metadata"] == {"title": "after"}
    worker.close()
    stuck, other = started
    assert stuck.pid != other.pid
    stuck.kill()
    assert _wait(lambda: not stuck.running)


def test_the_start_is_not_on_the_time_of_a_file(command: list[str], tmp_path: Path) -> None:
    # All that is loaded on the way is loaded, and heard to work, before the worker is ready.
    script = tmp_path / "slow.py"
    script.write_text("import time\ntime.sleep(4)\n" + _SCRIPT)
    worker = Worker(_settings(timeout=3.0), [sys.executable, str(script)])
    assert worker.analyze("first")["metadata"] == {"title": "first"}
    worker.close()


def test_all_that_hearing_needs_is_loaded_before_the_first_file(
    original: Shelf, tmp_path: Path
) -> None:
    script = tmp_path / "modules.py"
    script.write_text(
        "import sys\n"
        "import musicu.workers.worker_program as worker\n"
        "begin = worker.PROGRAMS['track']\n"
        "def watched(settings):\n"
        "    answer = begin(settings)\n"
        "    def told(request):\n"
        "        before = set(sys.modules)\n"
        "        result = answer(request)\n"
        "        new = {name for name in set(sys.modules) - before if '.' not in name}\n"
        "        return result if not new else {'error': 'loads ' + ' '.join(new)}\n"
        "    return told\n"
        "worker.PROGRAMS['track'] = watched\n"
        "worker.main()\n"
    )
    settings = _settings(model=str(find_model().folder), describe=True)
    worker = Worker(settings, [sys.executable, str(script)])
    for path in ("Alba/First Light/01 Dawn.flac", "Dora/Night.wav"):
        assert "error" not in (answer := worker.analyze(str(original / path))), answer
    worker.close()


def test_there_may_be_no_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(MusicuError, match="cannot start.*No space left"):
        Worker(_settings()).warm()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_disk_that_fails_is_not_the_files_fault(original: Shelf, tmp_path: Path) -> None:
    # The one file of a Linux system that is there and always fails to be read.
    (tmp_path / "song.flac").symlink_to("/proc/self/mem")
    worker = Worker(_settings())
    assert worker.analyze(str(tmp_path / "song.flac")) == {
        "error": "input/output error",
        "cause": "system",
    }
    assert worker.identify(str(tmp_path / "gone.flac"))["cause"] == "system"
    (tmp_path / "text.flac").write_text("no audio " * 100)
    assert worker.analyze(str(tmp_path / "text.flac"))["cause"] == "file"
    worker.close()


def _with_comment_of(content: bytes, size: int) -> bytes:
    """Return a FLAC file with one more block of tags, whose first text claims so many bytes."""
    claims = struct.pack("<I", 4) + b"test" + struct.pack("<II", 1, size) + b"TITLE=Vast"
    block = bytes([4]) + len(claims).to_bytes(3, "big") + claims
    at = 4 + 4 + 34
    assert content[:4] == b"fLaC"
    head = content[4 : 4 + 4 + 34]
    return b"fLaC" + bytes([head[0] & 0x7F]) + head[1:] + block + content[at:]


def _with_frame_of(content: bytes, size: int) -> bytes:
    """Return a file with an ID3v2.3 tag before it, whose frame unfolds to so many bytes."""
    packed = zlib.compress(b"\0" * size)
    frame = b"TIT2" + struct.pack(">IH", 4 + len(packed), 0x80) + struct.pack(">I", size) + packed
    n = len(frame)
    length = bytes((n >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + length + frame + content


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's data")
@pytest.mark.parametrize(
    ("form", "swell", "size"),
    [("flac", _with_comment_of, 0xFFFFFF00), ("mp3", _with_frame_of, 1 << 30)],
)
def test_tags_that_claim_gigabytes_do_not_stand_in_the_way_of_the_audio(
    tmp_path: Path, form: str, swell: Callable[[bytes, int], bytes], size: int
) -> None:
    write(tmp_path / f"plain.{form}", sine(16000, 4.0), 16000, form)
    content = (tmp_path / f"plain.{form}").read_bytes()
    (tmp_path / f"vast.{form}").write_bytes(swell(content, size))
    worker = Worker(_settings(memory=1 << 30))
    plain, vast = (worker.analyze(str(tmp_path / f"{name}.{form}")) for name in ("plain", "vast"))
    assert "error" not in vast, vast
    assert (vast["seconds"], vast["problem"]) == (plain["seconds"], plain["problem"])
    assert "error" not in worker.identify(str(tmp_path / f"vast.{form}"))
    worker.close()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("MemoryError()", "its tags need too much memory"),
        ("ValueError('odd')", "its tags cannot be read (ValueError: odd)"),
        ("OSError(5, 'Input/output error')", None),
        ("ImportError('no reader')", None),
    ],
)
def test_a_fault_in_the_tags_costs_the_tags_and_is_told(
    original: Shelf, tmp_path: Path, fault: str, told: str | None
) -> None:
    script = tmp_path / "tags.py"
    script.write_text(
        "import musicu.workers.analyze_file, musicu.workers.worker_program\n"
        "def fail(path):\n"
        f"    if 'sample' not in str(path): raise {fault}\n"
        "    return musicu.workers.analyze_file.Metadata()\n"
        "musicu.workers.analyze_file.read_tags = fail\n"
        "musicu.workers.worker_program.main()\n"
    )
    worker = Worker(_settings(), [sys.executable, str(script)])
    path = str(original / "Dora/Night.wav")
    for answer in (worker.analyze(path), worker.identify(path)):
        if told is None:  # they can be read another time
            assert answer["cause"] == "system"
        else:
            assert (answer["metadata"], answer["tags_problem"]) == ({}, told)
            assert answer["problem"] is None
    worker.close()


def test_a_failure_in_isolation_carries_its_cause(original: Shelf, tmp_path: Path) -> None:
    with pytest.raises(AudioError) as caught:
        analyze_isolated(str(tmp_path / "gone.flac"), _settings())
    assert caught.value.cause == "system" and caught.value.cause in PASSING
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError) as caught:
        analyze_isolated(str(tmp_path / "empty.wav"), _settings())
    assert caught.value.cause == "file" and caught.value.cause not in PASSING
