"""``musicu monitor``: a service's report, and two catalogs compared."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cli_calls import call_cli, one_line
from conftest import MakeStore, RunCli, unit
from numpy.typing import NDArray

from musicu.monitoring.exposure import ExposureCounter
from musicu.monitoring.upload_monitor import UploadMonitor

TOKEN = "secret token"
DRIFT = {
    "uploads": 200,
    "drifted": True,
    "n": 200,
    "groups": 61,
    "reference": 900,
    "words": "codec: opus 100 %, the catalog's 2 %",
    "signals": [
        {
            "name": "codec",
            "statistic": 930.0,
            "threshold": 30.0,
            "p": 1e-9,
            "drifted": True,
            "words": "opus 100 %, the catalog's 2 %",
        }
    ],
}
REPORT = {
    "since": 1735689600.0,
    "requests": {"POST /v1/similar": {"count": 12, "p50_ms": 3.1, "p99_ms": 9.8, "errors": 0}},
    "queues": {"decoding": {"depth": 0, "limit": 8, "busy": 1, "rejected": 3}},
    "cache": {"answers": {"hits": 3, "misses": 9}},
    "failures": {"empty file (0 bytes)": 2},
    "tracks": 900,
    "coverage": 0.25,
    "hub_share": 0.05,
    "drift": DRIFT,
}


class Handler(BaseHTTPRequestHandler):
    """A service that asks for a token, and others that are none."""

    def do_GET(self) -> None:
        status, body = 200, json.dumps(REPORT)
        if self.path.startswith("/other"):
            body = "<html>"
        elif self.path != "/v1/monitor":
            status = 404
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 401
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def catalogs(make_store: MakeStore) -> tuple[Path, Path, Path]:
    """A catalog, a batch that is like it, and one that is not."""
    rng = np.random.default_rng(0)

    def music(n: int, shift: float) -> NDArray[np.float32]:
        x = rng.standard_normal((n, 12))
        x[:, 0] += shift
        return unit(x)

    paths = []
    for name, n, shift in (("a", 400, 0.0), ("b", 100, 0.0), ("c", 100, 1.5)):
        tags = [{"artist": f"{name} {i // 2}"} for i in range(n)]
        paths.append(make_store(music(n, shift), tags)[0].path)
    return paths[0], paths[1], paths[2]


def test_a_services_report_is_shown(run_cli: RunCli, address: str) -> None:
    done = run_cli("monitor", address + "/", env={"MUSICU_TOKEN": TOKEN})
    assert done.returncode == 0
    for text in ("POST /v1/similar p99_ms", "9.800", "empty file (0 bytes)", "hub_share"):
        assert text in done.stdout
    assert "opus 100 %" in done.stdout
    assert done.stderr.startswith("drift (200 tracks by 61 artists)")


def test_as_json_it_is_what_the_service_said(run_cli: RunCli, address: str) -> None:
    done = run_cli("monitor", address, "--token", TOKEN, "--json")
    assert json.loads(done.stdout) == REPORT


def test_as_csv_every_number_has_its_name(run_cli: RunCli, address: str) -> None:
    done = run_cli("monitor", address, "--token", TOKEN, "--csv")
    lines = done.stdout.splitlines()
    assert lines[0] == "what,value"
    assert "queues decoding rejected,3" in lines
    assert "drift signals codec statistic,930.0" in lines


def test_a_service_that_asks_for_a_token_is_named(run_cli: RunCli, address: str) -> None:
    done = run_cli("monitor", address)
    assert done.returncode == 1
    assert "$MUSICU_TOKEN" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9", "musicu serve"),
        ("nonsense", "begins with http"),
        ("file:///etc/passwd", "begins with http"),
        ("ADDRESS/other", "no musicu service"),
        ("ADDRESS/nothing", "404"),
    ],
)
def test_what_is_no_service_is_one_line(address: str, url: str, why: str) -> None:
    one_line(call_cli("monitor", url.replace("ADDRESS", address), "--token", TOKEN), why)


def test_a_batch_is_compared_with_a_catalog(
    run_cli: RunCli, catalogs: tuple[Path, Path, Path]
) -> None:
    catalog, alike, other = catalogs
    done = run_cli("monitor", "--batch", alike, "--catalog", catalog, "--json")
    assert json.loads(done.stdout)["drift"]["drifted"] is False
    done = run_cli("monitor", "--batch", other, "--catalog", catalog)
    assert done.returncode == 0
    assert "embedding mean" in done.stdout
    assert done.stderr.startswith("drift (")


def test_a_catalog_without_a_batch_is_a_mistake(tmp_path: Path) -> None:
    done = call_cli("monitor", "--catalog", tmp_path / "music.db")
    assert done.returncode == 2
    assert "--batch" in done.stderr


def test_the_route_tells_what_the_service_counts(make_store: MakeStore) -> None:
    pytest.importorskip("fastapi")
    import httpx
    from fastapi import FastAPI

    from musicu.service.metrics import Metrics
    from musicu.service.routes.monitor import router
    from musicu.service.state import service_of

    store, _ = make_store(unit(np.random.default_rng(0).standard_normal((40, 6))))
    served = ExposureCounter()
    served.add(["a", "a", "a", "b"])
    service = SimpleNamespace(
        metrics=Metrics(),
        upload_monitor=UploadMonitor(store.path),
        exposure=served,
        recommender=None,
        live=SimpleNamespace(snapshot=range(40)),
    )
    service.metrics.failed("silence: nothing to embed")
    app = FastAPI()
    app.include_router(router)
    app.dependency_overrides[service_of] = lambda: service

    async def ask() -> Any:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.get("/v1/monitor")).json()

    told = asyncio.run(ask())
    assert told["drift"]["drifted"] is None and told["drift"]["uploads"] == 0
    assert (told["tracks"], told["coverage"], told["hub_share"]) == (40, 0.05, 0.75)
    assert told["failures"] == {"silence: nothing to embed": 1}
    assert {"since", "requests", "queues", "cache"} <= set(told)
    rng = np.random.default_rng(1)
    for _ in range(60):
        service.upload_monitor.add(unit(rng.standard_normal((1, 6)))[0], {"codec": "opus"})
    told = asyncio.run(ask())
    assert told["drift"]["drifted"] is True
    assert "opus" in told["drift"]["words"]
