"""Jobs: one of a kind at a time, told as they go on, stopped when asked to; scans of a catalog."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Shelf
from hypothesis import given
from hypothesis import strategies as st
from made_audio import notes, write
from served import Served, events, serving, until

from musicu.errors import MusicuError
from musicu.service.errors import Refusal
from musicu.service.jobs import JobProgress, Jobs, JobStatus
from musicu.workers.background_job import Canceled

STREAM = {"Accept": "text/event-stream"}


class Held:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.cleaned = threading.Event()

    def __call__(self, report: JobProgress) -> dict[str, Any]:
        try:
            while not self.free.wait(0.01):
                report(1, 4, "at work")
            return {"found": 4}
        finally:
            self.cleaned.set()


@pytest.fixture
def held() -> Iterator[Held]:
    work = Held()
    yield work
    work.free.set()


def over(jobs: Jobs, id: str) -> JobStatus:
    until(lambda: jobs.get(id).over)
    return jobs.get(id)


def test_of_each_kind_one_job_runs_at_a_time(held: Held) -> None:
    jobs = Jobs({"scan": held, "map": lambda report: None})
    first = jobs.start("scan")
    with pytest.raises(Refusal) as refused:
        jobs.start("scan")
    assert (refused.value.status, refused.value.members) == (409, {"id": first.id})
    assert over(jobs, jobs.start("map").id).state == "done"
    held.free.set()
    assert over(jobs, first.id).summary == {"found": 4}
    assert jobs.start("scan").id != first.id
    assert [status.kind for status in jobs.all()] == ["scan", "map", "scan"]


def test_a_canceled_job_cleans_up_and_says_so(held: Held) -> None:
    jobs = Jobs({"scan": held})
    id = jobs.start("scan").id
    until(lambda: jobs.get(id).message == "at work")
    jobs.cancel(id)
    assert over(jobs, id).state == "canceled"
    assert held.cleaned.is_set()
    assert jobs.get(id).summary is None and jobs.get(id).ended is not None
    assert jobs.cancel(id).state == "canceled"


def test_a_job_that_is_canceled_before_it_begins_does_nothing() -> None:
    report = JobProgress(JobStatus(id="a", kind="scan"))
    report.cancel()
    assert report.canceled.is_set()
    with pytest.raises(Canceled):
        report(0, 1)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MusicuError("nothing there: look elsewhere"), "nothing there: look elsewhere"),
        (FileNotFoundError(2, "No such file", "/home/alba/secret.flac"), "No such file"),
    ],
)
def test_a_failure_is_told_in_one_line_without_paths(error: Exception, message: str) -> None:
    def fail(report: JobProgress) -> None:
        raise error

    jobs = Jobs({"scan": fail})
    status = over(jobs, jobs.start("scan").id)
    assert (status.state, status.message) == ("failed", message)


def test_a_job_that_breaks_does_not_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", logged.append)

    def fail(report: JobProgress) -> None:
        raise RuntimeError("of /home/alba")

    jobs = Jobs({"scan": fail})
    status = over(jobs, jobs.start("scan").id)
    assert status.state == "failed" and "/" not in status.message
    until(lambda: logged)
    assert logged[0].exc_type is RuntimeError
    jobs.start("scan")
    until(lambda: len(logged) == 2)


@given(st.integers(1, 1000), st.integers(1, 1000), st.floats(0.1, 1e5))
def test_what_is_left_takes_as_long_in_proportion(done: int, more: int, gone: float) -> None:
    clock = iter([0.0, gone])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("musicu.service.jobs.time.monotonic", lambda: next(clock))
        report = JobProgress(JobStatus(id="a", kind="scan"))
        report(done, done + more)
    assert report.status.eta_seconds == pytest.approx(gone * more / done, rel=1e-6, abs=0.06)


def test_the_last_fifty_jobs_are_remembered() -> None:
    jobs = Jobs({"scan": lambda report: None})
    ids = []
    for _ in range(55):
        ids.append(jobs.start("scan").id)
        over(jobs, ids[-1])
    assert [status.id for status in jobs.all()] == ids[:4:-1]
    with pytest.raises(Refusal, match="no such job"):
        jobs.get(ids[0])


def test_closing_stops_what_is_running(held: Held) -> None:
    jobs = Jobs({"scan": held})
    id = jobs.start("scan").id
    jobs.close()
    assert jobs.get(id).state == "canceled"


# Over HTTP


@pytest.fixture
def served(shelf: Shelf) -> Iterator[Served]:
    with serving(shelf.db) as running:
        yield running


def add_songs(folder: Path, count: int) -> None:
    for number in range(count):
        write(folder / f"new {number:02}.wav", notes(16000, 4.0, seed=100 + number), 16000, "wav")


def start(served: Served, kind: str = "scan") -> str:
    id: str = served.ask("POST", "/v1/jobs", 202, json={"kind": kind})["id"]
    return id


def finish(served: Served, id: str) -> dict[str, Any]:
    with served.http.stream("GET", f"/v1/jobs/{id}", headers=STREAM) as answer:
        last: dict[str, Any] = list(events(answer))[-1][1]
    return last


def test_a_scan_finds_what_is_new_and_serves_it_at_once(served: Served, shelf: Shelf) -> None:
    add_songs(shelf.folder, 3)
    (shelf / "Dora/Night.wav").unlink()
    answer = served.http.post("/v1/jobs", json={"kind": "scan"})
    assert answer.status_code == 202
    with served.http.stream("GET", answer.headers["Location"], headers=STREAM) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = list(events(stream))
    assert [name for name, _ in told] == ["progress"] * (len(told) - 1) + ["end"]
    counts = [job["done"] for _, job in told]
    assert counts == sorted(counts) and counts[-1] == told[-1][1]["total"] == 3
    last = told[-1][1]
    assert last["state"] == "done"
    assert (last["summary"]["embedded"], last["summary"]["missing"]) == (3, 1)
    assert served.ask("GET", f"/v1/jobs/{last['id']}") == last
    assert served.ask("GET", "/v1/jobs")["jobs"] == [last]
    with shelf.open() as catalog:
        ids = {track["id"] for track in catalog.tracks()}
    assert len(ids) == 10 and ids <= set(served.service.live.snapshot.ids)


def test_a_scan_survives_the_client_that_started_it(served: Served, shelf: Shelf) -> None:
    add_songs(shelf.folder, 12)
    id = start(served)
    with served.http.stream("GET", f"/v1/jobs/{id}", headers=STREAM) as answer:
        next(events(answer))
    # The stream ends with the client, not with the job.
    until(served.quiet)
    assert finish(served, id)["summary"]["embedded"] == 12


def test_a_canceled_scan_leaves_only_whole_tracks_and_can_go_on(
    served: Served, shelf: Shelf
) -> None:
    add_songs(shelf.folder, 30)
    id = start(served)
    with served.http.stream("GET", f"/v1/jobs/{id}", headers=STREAM) as answer:
        for name, job in events(answer):
            if job["done"] and name == "progress":
                served.ask("DELETE", f"/v1/jobs/{id}", 202)
    assert job["state"] == "canceled" and 0 < job["done"] < 30
    with shelf.open() as catalog:
        assert catalog.verify() == []
        assert job["done"] <= len(catalog) - 8 < 30
    assert finish(served, start(served))["state"] == "done"
    with shelf.open() as catalog:
        assert len(catalog) == 38


def test_a_client_names_no_folder(served: Served) -> None:
    body = {"kind": "scan", "path": "/etc"}
    assert "path" in served.ask("POST", "/v1/jobs", 422, json=body)["detail"]
    assert served.ask("POST", "/v1/jobs", 422, json={"kind": "/etc"})["status"] == 422
    assert served.ask("GET", "/v1/jobs")["jobs"] == []


def test_a_second_scan_is_refused_with_the_id_of_the_first(served: Served, shelf: Shelf) -> None:
    add_songs(shelf.folder, 12)
    id = start(served)
    assert served.ask("POST", "/v1/jobs", 409, json={"kind": "scan"})["id"] == id
    assert finish(served, id)["state"] == "done"


def test_a_folder_that_is_not_there_is_named_and_its_tracks_stay(
    served: Served, shelf: Shelf
) -> None:
    shutil.move(shelf.folder, shelf.folder.with_name("elsewhere"))
    job = finish(served, start(served))
    assert (job["state"], job["message"]) == ("failed", "library: the folder is not there")
    with shelf.open() as catalog:
        assert len(catalog) == 8


def test_scans_can_be_switched_off(shelf: Shelf) -> None:
    with serving(shelf.db, scan=False) as served:
        assert (
            "musicu embed" in served.ask("POST", "/v1/jobs", 403, json={"kind": "scan"})["detail"]
        )


def test_unknown_jobs_are_not_found(served: Served) -> None:
    for method in ("GET", "DELETE"):
        assert "no such job" in served.ask(method, "/v1/jobs/abc123", 404)["detail"]


def test_files_that_were_not_used_are_listed_with_reasons_and_without_server_paths(
    served: Served, shelf: Shelf
) -> None:
    (shelf / "Bruno" / "broken.flac").write_bytes(b"")
    finish(served, start(served))
    found = served.http.get("/v1/problems")
    assert str(shelf.folder.parent) not in found.text
    assert found.json()["total"] == 3
    assert found.json()["problems"][0] == {
        "name": "broken.flac",
        "folder": "library/Bruno",
        "kind": "error",
        "reason": "empty file (0 bytes)",
    }
    skipped = served.ask("GET", "/v1/problems?kind=skipped&limit=1&offset=1")
    assert skipped["total"] == 2
    assert [one["name"] for one in skipped["problems"]] == ["read me.txt"]


def test_a_quiet_stream_beats(shelf: Shelf, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(report: JobProgress) -> None:
        held.free.wait()

    monkeypatch.setattr("musicu.service.routes.jobs._BEAT", 0.5)
    with serving(shelf.db) as served:
        served.service.jobs = Jobs({"scan": wait})
        id = start(served)
        with served.http.stream("GET", f"/v1/jobs/{id}", headers=STREAM) as answer:
            assert any(line.startswith(":") for line in answer.iter_lines())
        held.free.set()


def test_so_many_clients_may_follow_and_those_who_leave_make_room(
    shelf: Shelf, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicu.service.routes.jobs._LISTENERS", 1)
    with serving(shelf.db) as served:
        served.service.jobs = Jobs({"scan": held})
        id = start(served)
        with served.http.stream("GET", f"/v1/jobs/{id}", headers=STREAM) as answer:
            told = events(answer)  # kept: what is dropped closes the stream
            next(told)
            refused = served.http.get(f"/v1/jobs/{id}", headers=STREAM)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        until(lambda: served.service.jobs.listeners == 0)
        held.free.set()
        assert finish(served, id)["state"] == "done"
