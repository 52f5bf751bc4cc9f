"""Whatever a client sends, whether it fits the published description or not: no 5xx."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import Shelf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from served import Served, serving

schemathesis = pytest.importorskip("schemathesis")

CASES = 2000


@pytest.fixture
def held(shelf: Shelf, tmp_path: Path) -> Iterator[Served]:
    with serving(shelf.db, uploads=tmp_path / "uploads", queue=64) as held:
        yield held


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # schemathesis's own and those of what it imports
def test_no_request_is_answered_with_a_server_error(held: Served) -> None:
    schema = schemathesis.openapi.from_dict(held.ask("GET", "/openapi.json"))
    operations = [found.ok() for found in schema.get_all_operations()]
    ids = [track["id"] for track in held.ask("GET", "/v1/tracks")["tracks"]]
    statuses: Counter[tuple[str, int]] = Counter()

    def ask_all(cases: st.SearchStrategy[Any], label: str, count: int) -> None:
        @settings(
            max_examples=count,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def ask(case: Any) -> None:
            _name_tracks(case, ids)
            answer = case.call(base_url=held.url)
            statuses[label, answer.status_code] += 1
            assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"

        # An operation without parameters has one valid case, and nothing can be wrong with it.
        with suppress(Unsatisfiable):
            ask()

    for operation in operations:
        for mode in schemathesis.GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)
            ask_all(cases, operation.label, CASES // (2 * len(operations)) + 1)
    answered = {label for label, status in statuses if status < 300}
    assert statuses.total() >= CASES / 2  # some operations have few cases to try
    assert {"POST /v1/similar", "GET /v1/tracks"} <= answered


def _name_tracks(case: Any, ids: list[str]) -> None:
    """Put tracks that exist where any text would do: else most answers were 404."""
    places = [case.path_parameters, case.body]
    if isinstance(case.body, dict):
        seeds = case.body.get("seeds")
        places += [case.body.get("path"), *(seeds if isinstance(seeds, list) else [])]
    for place in places:
        for name in ("id", "from", "to", "a", "b"):
            if isinstance(place, dict) and isinstance(place.get(name), str):
                place[name] = ids[len(place[name]) % len(ids)]
