"""``musicu serve`` as it is started and ended on a command line."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest
import uvicorn
from conftest import PROGRAM, MakeStore, RunCli, Shelf, unit
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from musicu.service.connection import BoundedHttpProtocol

PATIENCE = 300.0
Start = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def catalog(make_store: MakeStore) -> Path:
    rows = unit(np.random.default_rng(2).standard_normal((20, 8)))
    return make_store(rows)[0].path


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command; return the process and the address it tells."""
    started: list[subprocess.Popen[str]] = []

    def run(*args: str | Path, **env: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", "0", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, **env},
        )
        started.append(process)
        assert process.stderr
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line
        return process, found[0]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def children(process: subprocess.Popen[str]) -> list[int]:
    """Processes that a process has started."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    return [int(pid) for pid in found.stdout.split()]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_serves_until_ctrl_c_and_leaves_nothing_behind(start: Start, original: Shelf) -> None:
    process, address = start("--catalog", original.db)
    assert address.startswith("http://127.0.0.1:")
    with httpx.Client(base_url=address, timeout=PATIENCE) as client:
        told = client.get("/v1/info")
        assert told.json()["tracks"] == 8
        assert "server" not in told.headers
        late = time.monotonic() + PATIENCE
        while not (workers := children(process)):  # the one that hears uploads
            assert time.monotonic() < late
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert (out, err) == ("", "")
    assert not [pid for pid in workers if alive(pid)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_while_requests_wait(start: Start, catalog: Path, number: signal.Signals) -> None:
    process, address = start("--catalog", catalog)
    port = httpx.URL(address).port
    assert port
    head = b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as waiting:
        waiting.sendall(head + b"Content-Length: 99\r\n\r\n{")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as idle:
            idle.sendall(b"GET /heal")
            httpx.get(f"{address}healthz", timeout=PATIENCE)
            began = time.monotonic()
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)
            assert time.monotonic() - began < 30  # its own patience is 2 s
        assert waiting.recv(65536).startswith(b"HTTP/1.1 503")
    assert process.returncode == 0
    assert err == ""


_STUCK = """
import sys, time
from musicu.search.explorer import Explorer
from musicu.service import jobs
Explorer.search = lambda *_, **__: time.sleep(10**6)
jobs._scan = lambda *_: time.sleep(10**6)
from musicu.cli import main
sys.argv = ["musicu", "serve", "--port", "0", "--catalog", sys.argv[1]]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_whatever_its_threads_and_workers_are_doing(
    original: Shelf, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _STUCK, original.db],
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        assert process.stderr
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        url = httpx.URL(found[0])
        assert url.port
        late = time.monotonic() + PATIENCE
        while not (workers := children(process)):
            assert time.monotonic() < late
            time.sleep(0.05)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        assert httpx.post(f"{url}v1/jobs", json={"kind": "scan"}).status_code == 202
        with ExitStack() as stack:
            for head in (b"GET /v1/tracks?q=a", b"GET /v1/tracks?q=b", b"POST /v1/embed"):
                asking = socket.create_connection(("127.0.0.1", url.port), timeout=PATIENCE)
                stack.enter_context(asking)
                asking.sendall(head + b" HTTP/1.1\r\nHost: localhost\r\n")
                asking.sendall(b"Content-Type: audio/mpeg\r\nContent-Length: 9\r\n\r\nx")
            httpx.get(f"{url}healthz", timeout=PATIENCE)
            process.send_signal(number)
            _, err = process.communicate(timeout=PATIENCE)  # its own patience is 8 s
        assert process.returncode == 0
        assert err == "some work did not end in time and was cut off\n"
        assert not [pid for pid in workers if alive(pid)]
        assert not list(tmp_path.glob("musicu-*"))
    finally:
        process.kill()
        process.communicate()


def test_the_token_comes_from_a_file_or_the_environment(
    start: Start, catalog: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("from the file\n")
    for args, env, token in (
        (["--token-file", file], {"MUSICU_TOKEN": "other"}, "from the file"),
        ([], {"MUSICU_TOKEN": "from outside"}, "from outside"),
    ):
        _, address = start("--catalog", catalog, *args, **env)
        assert httpx.get(f"{address}v1/info", timeout=PATIENCE).status_code == 401
        shown = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{address}v1/info", headers=shown, timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--catalog", "missing.db"], "missing.db: there is no such catalog"),
        (["--host", "0.0.0.0"], "a token is needed"),
        (["--token-file", "missing"], "missing: the token cannot be read"),
        (["--recommender", "missing"], "missing: there is no such folder"),
        (["--log", "missing.csv"], "missing.csv: there is no such file"),
        (["--host", "nonsense.invalid", "--token-file", "token"], "nonsense.invalid"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(
    run_cli: RunCli,
    catalog: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text("secret")
    done = run_cli("serve", "--catalog", catalog, "--port", "0", *args)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use_is_told_in_one_line(run_cli: RunCli, catalog: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_cli("serve", "--catalog", catalog, "--port", str(port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_catalog_is_told_in_one_line(run_cli: RunCli, tmp_path: Path) -> None:
    for name, content in (("text.db", b"no catalog"), ("empty.db", b"")):
        (tmp_path / name).write_bytes(content)
        done = run_cli("serve", "--catalog", tmp_path / name, "--port", "0")
        assert done.returncode == 1
        assert name in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.fixture
def patient_for_little(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server of the command's connections, which wait for a second; its port."""
    monkeypatch.setattr(BoundedHttpProtocol, "HEAD_SECONDS", _LITTLE)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"here")(scope, receive, send)

    config = uvicorn.Config(
        app, http=BoundedHttpProtocol, lifespan="off", log_level="critical", timeout_keep_alive=4
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


# So long (s) a client may take over the head of a request: enough for one that does send it.
_LITTLE = 1.0
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize("before", [b"", b"GET", HEAD, HEAD + b"\r\n" + HEAD])
def test_who_does_not_finish_a_request_is_hung_up_on(
    patient_for_little: int, before: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", patient_for_little), PATIENCE) as slow:
        slow.sendall(before)
        got = b""
        while part := slow.recv(65536):
            got += part
    assert got.count(b"here") == before.count(b"\r\n\r\n")


def test_who_takes_pauses_between_requests_is_not(patient_for_little: int) -> None:
    with socket.create_connection(("127.0.0.1", patient_for_little), PATIENCE) as calm:
        for pause in (1.2 * _LITTLE, 0):
            calm.sendall(HEAD + b"\r\n")
            assert calm.recv(65536).endswith(b"here")
            time.sleep(pause)


def test_headers_without_end_are_not_kept(patient_for_little: int) -> None:
    with socket.create_connection(("127.0.0.1", patient_for_little), PATIENCE) as flood:
        flood.sendall(HEAD)
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < 50 << 20:
                sent += flood.send(b"X-More: " + b"y" * 4000 + b"\r\n")
    assert sent < 20 << 20  # what the system's own buffers took


def test_what_is_no_http_is_answered_as_safely_as_all_else(patient_for_little: int) -> None:
    with socket.create_connection(("127.0.0.1", patient_for_little), PATIENCE) as wrong:
        wrong.sendall(b"this is no HTTP\r\n\r\n")
        head, _, body = wrong.recv(65536).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and b"nosniff" in head
    assert json.loads(body)["status"] == 400


def test_help_tells_what_the_options_do(run_cli: RunCli) -> None:
    told = run_cli("serve", "--help", env={"COLUMNS": "160"}).stdout
    for word in ("--catalog", "--token-file", "$MUSICU_TOKEN", "--host", "--port", "--uploads"):
        assert word in told
    assert "serve" in run_cli("--help").stdout
