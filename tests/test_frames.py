"""Tables of pandas, polars, PyArrow and plain columns are one table."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from musicu.errors import MetadataError
from musicu.frames import LIBRARIES, frame_columns, is_frame, make_frame
from musicu.recommend.interactions import read_interactions

CELLS: dict[str, list[Any]] = {
    "user": ["ann", "ben", None],
    "plays": [3, 1, 2],
    "share": [0.5, None, 1.0],
    "when": [datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))] * 3,
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_are_the_same_whatever_the_library(library: str) -> None:
    pytest.importorskip(library)
    frame = make_frame(CELLS, like=library)
    assert type(frame).__module__.startswith(library)
    assert is_frame(frame)
    assert is_frame(CELLS) and not is_frame("plays.csv") and not is_frame([1, 2])
    found = frame_columns(frame)
    assert found["user"] == ["ann", "ben", None]
    assert isinstance(found["plays"], np.ndarray) and found["plays"].tolist() == [3, 1, 2]
    assert found["share"] == [0.5, None, 1.0]
    assert isinstance(found["when"], np.ndarray)
    assert found["when"].tolist() == [datetime(2024, 1, 1, 0)] * 3  # UTC
    again = make_frame({"vector": np.eye(2)}, like=frame)
    assert type(again) is type(frame)
    assert [list(row) for row in frame_columns(again)["vector"]] == [[1, 0], [0, 1]]


@pytest.mark.parametrize("library", ("mapping", *LIBRARIES))
def test_a_log_in_memory_is_the_log_on_disk(library: str, tmp_path: Any) -> None:
    columns = {
        "user_id": [1, 1, 2],
        "item_id": ["a", "b", "a"],
        "plays": [2.0, 1.0, 4.0],
        "datetime": [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)],
    }
    path = tmp_path / "log.csv"
    rows = zip(*columns.values(), strict=True)
    text = "\n".join(",".join(map(str, row)) for row in rows)
    path.write_text(",".join(columns) + "\n" + text + "\n")
    if library != "mapping":
        pytest.importorskip(library)
    log = read_interactions(columns if library == "mapping" else make_frame(columns, library))
    other = read_interactions(path)
    assert (log.users, log.items) == (other.users, other.items) == (("1", "2"), ("a", "b"))
    for name in ("user", "item", "weight", "time"):
        assert getattr(log, name).tolist() == getattr(other, name).tolist()


def test_what_is_no_frame_is_one_line() -> None:
    with pytest.raises(MetadataError, match="int is no data frame and no path"):
        frame_columns(3)
    with pytest.raises(MetadataError, match="columns differ in length"):
        frame_columns({"a": [1], "b": []})
    with pytest.raises(MetadataError, match="a column is named 0: names are text"):
        frame_columns({0: [1]})
    with pytest.raises(MetadataError, match="no frames of 'excel'"):
        make_frame({"a": [1]}, like="excel")
    with pytest.raises(MetadataError, match="the frame: row 2: its user is empty"):
        read_interactions({"user": ["ann", None], "item": ["x", "y"]})
    with pytest.raises(MetadataError, match="the frame: a header and no rows"):
        read_interactions({"user": [], "item": []})
    polars = pytest.importorskip("polars")
    with pytest.raises(MetadataError, match=r"LazyFrame is not computed yet: collect\(\) it"):
        read_interactions(polars.DataFrame(CELLS).lazy())
