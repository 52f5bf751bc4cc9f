"""Listening logs: what is read from a file, what is refused, and what a log can be asked."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicu.errors import MetadataError, RecommenderError
from musicu.recommend.interactions import Interactions, hash_user, read_interactions

SMALL = """user,item,weight,time
bo,x,2,1700000300
al,y,1,1700000100
al,x,3,1700000200
bo,z,1,1700000000
"""


def write_log(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def triples(log: Interactions) -> list[tuple[str, str, float, float | None]]:
    times = [None] * len(log) if log.time is None else log.time.tolist()
    return [
        (log.users[u], log.items[i], float(w), t)
        for u, i, w, t in zip(log.user, log.item, log.weight, times, strict=True)
    ]


def same(a: Interactions, b: Interactions) -> bool:
    return (a.users, a.items, triples(a)) == (b.users, b.items, triples(b))


@pytest.fixture
def small(tmp_path: Path) -> Interactions:
    return read_interactions(write_log(tmp_path / "log.csv", SMALL))


def fault(path: Path, **options: Any) -> str:
    """The text of the error, which is one line that names the file."""
    with pytest.raises(MetadataError) as caught:
        read_interactions(path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_a_log_is_sorted_by_user_newest_first(small: Interactions) -> None:
    assert (small.users, small.items) == (("al", "bo"), ("x", "y", "z"))
    assert triples(small) == [
        ("al", "x", 3, 1700000200),
        ("al", "y", 1, 1700000100),
        ("bo", "x", 2, 1700000300),
        ("bo", "z", 1, 1700000000),
    ]
    assert (small.user.dtype, small.item.dtype) == (np.int32, np.int32)
    assert (small.weight.dtype, small.time is not None) == (np.float32, True)


def test_the_order_of_rows_and_columns_makes_no_difference(
    small: Interactions, tmp_path: Path
) -> None:
    header, *rows = SMALL.split()
    moved = "\n".join(
        ";".join([*reversed(line.split(",")), "more"]) for line in [header, *reversed(rows)]
    )
    path = write_log(tmp_path / "moved.csv", "\ufeff" + moved.replace(";more", ";note", 1) + "\n\n")
    assert same(read_interactions(path), small)


@pytest.mark.parametrize("header", ["userId,trackId,plays,timestamp", "User ID,song,Count,date"])
def test_usual_names_are_understood(small: Interactions, tmp_path: Path, header: str) -> None:
    text = SMALL.replace("user,item,weight,time", header)
    assert same(read_interactions(write_log(tmp_path / "log.csv", text)), small)


def test_the_contracted_names_win_over_other_usual_ones(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", "artist,user_name,item,user\nABBA,Anna,t1,u1\n")
    assert triples(read_interactions(path)) == [("u1", "t1", 1, None)]


def test_identifiers_are_text(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", 'user,item\n007,12\n7, 12 \nzoë,"a, ""b"""\n')
    log = read_interactions(path)
    assert log.users == ("007", "7", "zoë")
    assert log.items == ("12", 'a, "b"')


@pytest.mark.parametrize(
    "written",
    [
        "1700000000",
        "1700000000.0",
        "1700000000000",
        "2023-11-14T22:13:20Z",
        "2023-11-14 22:13:20",
        "2023-11-14T23:13:20+01:00",
        "20231114T221320",
    ],
)
def test_a_moment_can_be_written_in_several_ways(tmp_path: Path, written: str) -> None:
    path = write_log(tmp_path / "log.csv", f"user,item,time\nu,i,{written}\n")
    times = read_interactions(path).time
    assert times is not None and times.tolist() == [1700000000.0]


def test_blank_rows_are_skipped_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", "user,item,weight\n\nu,i,1\n,,\nu,j,0\n")
    assert fault(path) == (
        "row 5: weight 0 is not above 0: write a number above 0, such as 1 or 2.5, or leave the "
        "row out"
    )


HEAD = "user,item,weight,time\n"
FAULTS = {
    "user,plays\nu,1\n": "no column 'item' among the 2 of its header (row 1)",
    "u1;i1;3\nu2;i2;4\n": "no column 'user' and no column 'item' among the 3",
    "user,user_id,item,User\nu,u,i,u\n": "two columns are called 'user': keep one",
    "user,item\nu,i\n ,j\n": "row 3: its user is empty",
    "user,item,x\nu,i,1\nu\n": "row 3: its item is empty",
    "user,item,plays\nu,i,2\nu,j,\n": "row 3 has no weight in column 'plays': write a number",
    "user,item,plays\nu,i,many\n": "row 2, column 'plays': 'many' is no weight: write a number",
    "user,item,plays\nu,i,12\nu,j,many\n": (
        "column 'plays' mixes numbers and words: '12' in row 2 and 'many' in row 3: write a number"
    ),
    "user,item,weight\nu,i,1\nu,j,nan\n": "row 3: weight nan is not finite",
    "user,item,weight\nu,i,inf\n": "row 2: weight inf is not finite",
    "user,item,weight\nu,i,1e39\n": "row 2: weight 1e+39 is not finite",
    "user,item,weight\nu,i,-2.5\n": "row 2: weight -2.5 is not above 0",
    HEAD + "u,i,1,1700000000\nu,j,1,2023-11-14\n": (
        "column 'time' mixes numbers and dates: '1700000000' in row 2 and '2023-11-14' in row 3"
    ),
    HEAD + "u,i,1,2023-11-14\nu,j,1,1700000000\n": "column 'time' mixes dates and numbers",
    HEAD + "u,i,1,2023-11-14\nu,j,1,soon\n": "column 'time' mixes dates and words",
    HEAD + "u,i,1,2023-13-14\n": "row 2, column 'time': '2023-13-14' is no time: write seconds",
    HEAD + "u,i,1,1700000000\nu,j,1,1700000000000\n": (
        "times mix seconds (1700000000 in row 2) and milliseconds (1700000000000 in row 3)"
    ),
    HEAD
    + "u,i,1,20240501\n": "row 2: 20240501 is a day, not seconds since 1970: write it as 2024-",
    HEAD + "u,i,1,-5\n": "row 2: time -5 is before 1970",
    HEAD + "u,i,1,nan\n": "row 2: time nan is not finite",
    HEAD + "u,i,1,inf\n": "row 2: time inf is not finite",
    HEAD + "u,i,1,2999-01-01\n": "row 2: time 2999-01-01T00:00:00+00:00 is in the future",
    "user,item\nu,i\nv,i\nu,i\nu,i\n": (
        "rows 2 and 4 are the same user and item (1 more rows come again): keep one, or add up "
        "their weights with duplicates='sum'"
    ),
    HEAD
    + "u,i,1,9\nu,i,1,8\nu,i,1,9\n": "rows 2 and 4 are the same user and item at the same time:",
}


@pytest.mark.parametrize("text", FAULTS, ids=list(FAULTS.values()))
def test_each_fault_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    assert fault(write_log(tmp_path / "log.csv", text)).startswith(FAULTS[text])


def test_a_fault_deep_in_a_long_file_has_its_row(tmp_path: Path) -> None:
    rows = [f"u{i % 40},i{i},1" for i in range(5000)]
    rows[4321] = "u1,i1,much"
    path = write_log(tmp_path / "log.csv", "\n".join(["user,item,weight", *rows]))
    assert "'1' in row 2 and 'much' in row 4323" in fault(path)


def test_no_error_tells_who_somebody_is(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    for text in (
        "anna,i1,3\nanna,i2,4\n",
        "user,item\nanna,i\nanna,i\n",
        "user,item\nanna,\n",
        "user,item,time\nanna,i,2999-01-01\n",
    ):
        assert "anna" not in fault(write_log(path, text))
    path.write_bytes(b"user,item\nanna\xff,i\n")
    assert "anna" not in fault(path)
    log = Interactions(["anna"], ["i"], [0], [0])
    for ask in (log.of_user, log.without_user):
        with pytest.raises(RecommenderError, match="^no such user among the 1 ") as caught:
            ask("bert")
        assert "bert" not in str(caught.value)
    assert repr(log) == "Interactions(1 of 1 users with 1 items, without times)"


def test_unknown_items_are_refused_kept_or_dropped(small: Interactions, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    assert fault(path, known=["x"]) == (
        "2 of 3 items are unknown, first 'y' in row 3: leave them out with unknown='drop' or keep "
        "them with unknown='keep'"
    )
    assert same(read_interactions(path, known=["x"], unknown="keep"), small)
    dropped = read_interactions(path, known=["x", "y", "never"], unknown="drop")
    assert (dropped.users, dropped.items, len(dropped)) == (("al", "bo"), ("x", "y"), 3)
    assert "nothing is left without them" in fault(path, known=["q"], unknown="drop")


def test_rows_that_come_again_can_be_added_up(tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv", "user,item,plays\nu,i,2\nv,i,1\nu,i,3.5\n")
    assert triples(read_interactions(path, duplicates="sum")) == [
        ("u", "i", 5.5, None),
        ("v", "i", 1, None),
    ]
    path = write_log(path, HEAD + "u,i,1,5\nu,i,2,6\nu,i,4,5\n")
    assert triples(read_interactions(path, duplicates="sum")) == [
        ("u", "i", 2, 6),
        ("u", "i", 5, 5),
    ]


def test_with_a_salt_no_plain_name_is_kept(small: Interactions, tmp_path: Path) -> None:
    hidden = read_interactions(tmp_path / "log.csv", salt="pepper")
    names = {name: hash_user(name, "pepper") for name in small.users}
    assert set(hidden.users) == set(names.values())
    assert all(re.fullmatch("[0-9a-f]{32}", user) for user in hidden.users)
    assert hidden.of_user(names["al"])[0] == small.of_user("al")[0] == ("x", "y")
    assert hash_user("al", "other") != names["al"]
    with pytest.raises(RecommenderError, match="salt"):
        hidden.of_user("al")
    with pytest.raises(MetadataError, match="empty salt"):
        hash_user("al", "")


def test_a_hash_is_the_keyed_sha256_of_rfc_4231() -> None:
    assert hash_user("what do ya want for nothing?", "Jefe") == "5bdcc146bf60754e6a042426089575c7"


def test_a_matrix_adds_up_what_happened_at_several_times() -> None:
    log = Interactions(["a", "b"], ["x", "y", "z"], [0, 0, 1], [2, 2, 0], [1, 3, 5], [9, 8, 7])
    raw = log.matrix("raw")
    assert raw.dtype == np.float32
    assert raw.toarray().tolist() == [[0, 0, 4], [5, 0, 0]]
    assert np.array_equal(log.matrix().toarray(), np.log1p(raw.toarray()))
    assert log.matrix("binary").toarray().tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(MetadataError, match="'sqrt'"):
        log.matrix("sqrt")  # type: ignore[arg-type]


def test_one_user_is_told_newest_first(small: Interactions) -> None:
    items, weights, times = small.of_user("bo")
    assert items == ("x", "z")
    assert weights.tolist() == [2, 1]
    assert times is not None and times.tolist() == [1700000300, 1700000000]


def test_parts_keep_positions(small: Interactions) -> None:
    early = small.before(1700000200)
    assert (early.users, early.items) == (small.users, small.items)
    assert triples(early) == [("al", "y", 1, 1700000100), ("bo", "z", 1, 1700000000)]
    assert early.matrix().shape == small.matrix().shape
    assert len(small.where(small.weight > 9)) == 0
    timeless = Interactions(["a"], ["x"], [0], [0])
    with pytest.raises(MetadataError, match="column 'time'"):
        timeless.before(1)


def test_items_can_be_given_another_order(small: Interactions) -> None:
    moved = small.of_items(["z", "never", "x"])
    assert moved.items == ("z", "never", "x")
    assert moved.matrix("raw").toarray().tolist() == [[0, 0, 3], [1, 0, 2]]


def test_a_log_that_does_not_fit_is_refused() -> None:
    for arguments, said in (
        ((["a", "a"], ["x"], [0], [0]), "once"),
        ((["a"], ["x", "x"], [0], [0]), "once"),
        ((["a"], ["x"], [0, 0], [0]), "shapes"),
        ((["a"], ["x"], [1], [0]), "positions"),
        ((["a"], ["x"], [0], [-1]), "positions"),
        ((["a"], ["x"], [0], [0], [0.0]), "above 0"),
        ((["a"], ["x"], [0], [0], [np.nan]), "above 0"),
        ((["a"], ["x"], [0], [0], [1], [np.inf]), "finite"),
    ):
        with pytest.raises(MetadataError, match=said):
            Interactions(*arguments)  # type: ignore[arg-type]


ROW = st.tuples(
    st.sampled_from("abcde"),
    st.sampled_from("stuvwxyz"),
    st.integers(1, 9),
    st.integers(10**9, 10**9 + 9),
)


@given(rows=st.lists(ROW, min_size=1, max_size=30), gone=st.sampled_from("abcde"))
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
def test_a_user_who_is_forgotten_has_never_been_there(
    rows: list[tuple[str, str, int, int]], gone: str, tmp_path: Path
) -> None:
    def read(chosen: list[tuple[str, str, int, int]]) -> Interactions:
        lines = [",".join(map(str, row)) for row in chosen]
        path = write_log(tmp_path / "log.csv", "\n".join(["user,item,weight,time", *lines]))
        return read_interactions(path, duplicates="sum")

    log = read(rows)
    left = [row for row in rows if row[0] != gone]
    if len(left) == len(rows):
        with pytest.raises(RecommenderError):
            log.without_user(gone)
    elif left:
        assert same(log.without_user(gone), read(left))
    else:
        empty = log.without_user(gone)
        assert (len(empty), empty.users, empty.items) == (0, (), ())
        assert empty.matrix().shape == (0, 0)


class TestParquet:
    pyarrow: Any

    @pytest.fixture(autouse=True)
    def needs_pyarrow(self) -> None:
        self.pyarrow = pytest.importorskip("pyarrow")

    def write(self, path: Path, **columns: Any) -> Path:
        import pyarrow.parquet

        pyarrow.parquet.write_table(self.pyarrow.table(columns), path)
        return path

    def test_parquet_says_the_same_as_csv(self, small: Interactions, tmp_path: Path) -> None:
        rows = [line.split(",") for line in SMALL.split()[1:]]
        users, items, weights, times = (list(column) for column in zip(*rows, strict=True))
        seconds = [int(t) for t in times]
        moments = [datetime.fromtimestamp(t, UTC) for t in seconds]
        for kind in (
            seconds,
            [t * 1000 for t in seconds],
            times,
            moments,
            [m.replace(tzinfo=None) for m in moments],
            self.pyarrow.array(moments, self.pyarrow.timestamp("ns", "Europe/Rome")),
        ):
            path = self.write(
                tmp_path / "log.parquet",
                userId=self.pyarrow.array(users).dictionary_encode(),
                track_id=items,
                plays=[int(w) for w in weights],
                played_at=kind,
                note=[None] * 4,
            )
            assert same(read_interactions(path), small)

    def test_whole_numbers_are_identifiers_and_days_are_times(self, tmp_path: Path) -> None:
        day = datetime(2024, 5, 1, tzinfo=UTC)
        path = self.write(tmp_path / "log.parquet", user=[7], item=[12], date=[day.date()])
        assert triples(read_interactions(path)) == [("7", "12", 1, day.timestamp())]

    @pytest.mark.parametrize(
        ("columns", "said"),
        [
            (
                {"user": [1.0], "item": ["i"]},
                "row 1: its user is float: identifiers are text or whole numbers",
            ),
            ({"user": ["u"], "item": [["i"]]}, "row 1: its item is list: identifiers"),
            ({"user": ["u", "u"], "item": ["i", None]}, "row 2: its item is empty: fill it in"),
            (
                {"user": ["u"], "item": ["i"], "plays": [True]},
                "row 1, column 'plays': True is no weight",
            ),
            ({"user": ["u", "v"], "item": ["i", "i"], "plays": [1.0, None]}, "row 2 has no weight"),
            ({"user": ["u", "v"], "item": ["i", "i"], "plays": ["1", "a"]}, "column 'plays' mixes"),
            ({"user": ["u"], "item": ["i"], "plays": [float("nan")]}, "row 1: weight nan is not"),
            ({"user": ["u"], "item": ["i"], "time": [4e9]}, "row 1: time 2096-10-02T"),
            ({"user": [], "item": []}, "a header and no rows"),
            ({"user": ["u"]}, "no column 'item' among the 1"),
        ],
    )
    def test_parquet_has_its_own_faults(
        self, tmp_path: Path, columns: dict[str, Any], said: str
    ) -> None:
        assert fault(self.write(tmp_path / "log.parquet", **columns)).startswith(said)
