"""The map over HTTP: drawn aside when it is first asked for, then answered at once."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, add_track, unit
from served import Served, serving, until

from musicu.catalog.store import Store, StoredModel
from musicu.search.map import atlas_path
from musicu.service.errors import Refusal
from musicu.service.jobs import JobProgress, Jobs

TRACKS = 7  # twice as many are too few to need umap, too


@pytest.fixture
def made(make_store: MakeStore) -> tuple[Store, StoredModel]:
    rng = np.random.default_rng(0)
    tags = [{"title": f"Song {n}", "genres": ["Jazz"], "year": 1990 + n} for n in range(TRACKS)]
    return make_store(unit(rng.standard_normal((TRACKS, 8))), tags)


@pytest.fixture
def served(made: tuple[Store, StoredModel]) -> Iterator[Served]:
    with serving(made[0].path) as running:
        yield running


def draw(served: Served) -> dict[str, Any]:
    until(lambda: served.http.get("/v1/map").status_code == 200)
    found: dict[str, Any] = served.ask("GET", "/v1/map")
    return found


def add(made: tuple[Store, StoredModel], count: int) -> None:
    store, model = made
    rng = np.random.default_rng(1)
    first = len(store.files())
    with store.change():
        for number, vector in enumerate(unit(rng.standard_normal((count, 8))), start=first):
            add_track(store, model, number, vector)


def test_the_first_question_starts_a_job_and_later_ones_get_the_map(served: Served) -> None:
    waiting = served.ask("GET", "/v1/map", 202)
    assert (waiting["state"], waiting["job"]["kind"]) == ("computing", "map")
    found = draw(served)
    assert found["ids"] == served.service.live.snapshot.ids
    assert np.abs([found["x"], found["y"]]).max() <= 1
    assert found["columns"]["year"] == list(range(1990, 1990 + TRACKS))
    assert [job["kind"] for job in served.ask("GET", "/v1/jobs")["jobs"]] == ["map"]


def test_a_map_is_compressed_and_sent_once(served: Served) -> None:
    draw(served)
    with served.http.stream("GET", "/v1/map", headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        body = b"".join(packed.iter_raw())
    plain = served.http.get("/v1/map", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(body) == plain.content
    tag = {"If-None-Match": plain.headers["etag"]}
    again = served.http.get("/v1/map", headers=tag)
    assert (again.status_code, again.content) == (304, b"")


def test_tracks_that_are_added_have_a_place_at_once(
    served: Served, made: tuple[Store, StoredModel]
) -> None:
    before = draw(served)
    tag = served.http.get("/v1/map").headers["etag"]
    add(made, 1)
    served.service.live.refresh()
    after = draw(served)
    assert after["ids"][:TRACKS] == before["ids"] and len(after["ids"]) == TRACKS + 1
    assert after["x"][:TRACKS] == before["x"]
    assert served.http.get("/v1/map", headers={"If-None-Match": tag}).status_code == 200


def test_a_map_that_lacks_much_is_served_while_another_one_is_drawn(
    served: Served, made: tuple[Store, StoredModel]
) -> None:
    draw(served)
    add(made, TRACKS)
    served.service.live.refresh()
    jobs = served.service.jobs
    # Once the process of the first map has ended, too.
    until(lambda: len(draw(served)["ids"]) == 2 * TRACKS and len(jobs.all()) == 2)
    until(lambda: all(status.state == "done" for status in jobs.all()))
    assert len(draw(served)["ids"]) == 2 * TRACKS and len(jobs.all()) == 2


def test_a_map_outlives_the_service(served: Served) -> None:
    before = draw(served)
    catalog = served.service.settings.catalog
    with serving(catalog) as again:
        assert again.ask("GET", "/v1/map")["x"] == before["x"]


def test_a_map_that_cannot_be_drawn_is_not_tried_for_ever(served: Served) -> None:
    tried: list[JobProgress] = []

    def fail(report: JobProgress) -> None:
        tried.append(report)
        raise Refusal(500, "no umap here")

    served_map = served.service.map
    served_map.jobs = served.service.jobs = Jobs({"map": fail})
    served.ask("GET", "/v1/map", 202)
    until(lambda: served.service.jobs.all()[0].over)
    assert "no umap here" in served.ask("GET", "/v1/map", 503)["detail"]
    assert len(tried) == 1


def test_a_canceled_map_leaves_no_file(
    served: Served, made: tuple[Store, StoredModel], tmp_path: Path
) -> None:
    id = served.ask("GET", "/v1/map", 202)["job"]["id"]
    served.ask("DELETE", f"/v1/jobs/{id}", 202)
    until(lambda: served.service.jobs.get(id).over)
    path = atlas_path(made[0].path, made[1])
    assert served.service.jobs.get(id).state == "canceled" and not path.exists()
    assert not list(path.parent.glob("*.tmp"))
    assert "canceled" in served.ask("GET", "/v1/map", 503)["detail"]
    served.ask("POST", "/v1/jobs", 202, json={"kind": "map"})
    assert len(draw(served)["ids"]) == TRACKS


def test_a_damaged_map_is_drawn_again(served: Served, made: tuple[Store, StoredModel]) -> None:
    atlas_path(made[0].path, made[1]).write_bytes(b"no map")
    assert served.ask("GET", "/v1/map", 202)["state"] == "computing"
    assert json.dumps(draw(served))
