"""One reader for all tables: what each kind of them takes, and how each is told what is wrong."""

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicu.errors import MetadataError, MissingExtraError, MusicuError
from musicu.evaluation.ab.log import read_ab_log
from musicu.evaluation.encoders.dataset import read_tables, select
from musicu.items.table import read_items
from musicu.metadata.sheet import load_sheet
from musicu.metadata.tables import Table
from musicu.recommend.interactions import read_interactions

# The second row's text holds every delimiter; the first one comes back sorted first, too.
ROWS = [("a", "Brünö"), ("b", 'One, "two"; three\tfour')]
Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Kind:
    """A kind of table: two columns of text that it needs, and what it makes of them."""

    columns: tuple[str, str]
    read: Callable[[Path], Pairs]
    reads_all: bool = False  # also columns that it does not know


def sheet(path: Path) -> Pairs:
    found = load_sheet(path)
    known = {name: found.lookup(str(path.parent / name)) for name in found.unused()}
    # White space in a title is one space.
    return [(name, str(about.title)) for name, about in known.items() if about]


def log(path: Path) -> Pairs:
    found = read_interactions(path)
    pairs = zip(found.user, found.item, strict=True)
    return [(found.users[user], found.items[item]) for user, item in pairs]


def trial(path: Path) -> Pairs:
    found = read_ab_log(path)
    return list(zip(found.users.tolist(), found.variants.tolist(), strict=True))


def labels(path: Path) -> Pairs:
    found = select(read_tables([path]))
    files = (str(file.relative_to(path.parent)) for file in found.files)
    return list(zip(files, found.artist.tolist(), strict=True))


KINDS = {
    "sheet": Kind(("path", "title"), sheet),
    "items": Kind(
        ("id", "title"), lambda p: [(i.id, str(i.metadata.title)) for i in read_items(p).items]
    ),
    "log": Kind(("user", "item"), log),
    "trial": Kind(("user", "variant"), trial, reads_all=True),
    "labels": Kind(("file", "artist"), labels, reads_all=True),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[str]], **dialect: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows([columns, *rows])
    return text.getvalue().encode()


def as_lines(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    lines = (json.dumps(dict(zip(columns, row, strict=True))) for row in rows)
    return "\n\n".join(lines).encode()


def as_parquet(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    parquet.write_table(pyarrow.Table.from_pylist(records), file)
    return file.getvalue()


FORMS: dict[str, tuple[str, Callable[[Sequence[str], Sequence[Sequence[str]]], bytes]]] = {
    "comma": ("t.csv", as_csv),
    "semicolon": ("t.csv", lambda c, r: as_csv(c, r, delimiter=";", lineterminator="\n")),
    "tab": ("t.tsv", lambda c, r: as_csv(c, r, delimiter="\t", lineterminator="\r")),
    "byte order mark": ("t.csv", lambda c, r: b"\xef\xbb\xbf" + as_csv(c, r, delimiter=";")),
    "no suffix": ("t", as_csv),
    "other suffix": ("t.txt", lambda c, r: as_csv(c, r, delimiter="\t")),
    "blank lines": ("t.csv", lambda c, r: b"\n\r\n" + as_csv(c, r) + b"\n , \n"),
    "quoted": ("t.csv", lambda c, r: as_csv(c, r, quoting=csv.QUOTE_ALL)),
    "spaced": (
        "t.csv",
        lambda c, r: as_csv([f" {t} " for t in c], [[f" {t} " for t in row] for row in r]),
    ),
    "more columns": (
        "t.csv",
        lambda c, r: as_csv(["", "note", *c], [["0", "x;y;z", *row] for row in r]),
    ),
    "rows that end early": ("t.csv", lambda c, r: as_csv([*c, "note"], r)),
    "JSON lines": ("t.jsonl", as_lines),
    "JSON lines by another name": ("t.log", as_lines),
    "Parquet": ("t.parquet", as_parquet),
    "Parquet by another name": ("t.dat", as_parquet),
    "gzip": ("t.csv.gz", lambda c, r: gzip.compress(as_csv(c, r))),
    "gzip by another name": ("t.csv", lambda c, r: gzip.compress(as_csv(c, r))),
    "not packed in spite of its name": ("t.csv.gz", as_csv),
    "bzip2": ("t.tsv.bz2", lambda c, r: bz2.compress(as_csv(c, r, delimiter="\t"))),
    "xz": ("t.jsonl.xz", lambda c, r: lzma.compress(as_lines(c, r))),
}


@every_kind
@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_table_takes_every_form(tmp_path: Path, kind: Kind, form: str) -> None:
    name, write = FORMS[form]
    path = tmp_path / name
    path.write_bytes(write(kind.columns, ROWS))
    assert [(a, b.replace("\t", " ")) for a, b in kind.read(path)] == [
        (a, b.replace("\t", " ")) for a, b in ROWS
    ]


FAULTS: dict[str, tuple[str, bytes, str]] = {
    "empty": ("t.csv", b"", "the file is empty: write a header and rows"),
    "byte order mark alone": ("t.csv", b"\xef\xbb\xbf\n\n", "the file is empty"),
    "empty, packed": ("t.csv.gz", gzip.compress(b""), "the file is empty"),
    "no rows": ("t.csv", b"A,B\n\n,\n", "a header and no rows"),
    "no such columns": ("t.csv", b"color,size\nred,1\n", "column"),
    "two of one name": ("t.csv", b"A,B,B\na,b,c\n", "two columns|both (mean|hold)"),
    "too many cells": (
        "t.csv",
        b"A,B\n\na,b\na,b,c\n",
        "row 4 has 3 cells, the header has 2: put quotes around values that hold the delimiter",
    ),
    "a quote left open": ("t.csv", b'A,B\na,b\nb,"c\nd,e\n', "row 3: unexpected end of data: put"),
    "another encoding": (
        "t.csv",
        b"A,B\na,b\nc,caf\xe9\n",
        "row 3, column 'B' is not UTF-8: save it as 'CSV UTF-8'",
    ),
    "a null character": ("t.csv", b"A,B\na,b\nc,d\0\n", "row 3, column 'B' holds a null"),
    "UTF-16": ("t.csv", "A,B\na,b\n".encode("utf-16"), "not UTF-8 text, and not Parquet: save it"),
    "UTF-16 unmarked": ("t.csv", "A,B\na,b\n".encode("utf-16-le"), "not UTF-8 text"),
    "a spreadsheet": ("t.xlsx", b"PK\x03\x04\x14\0\x06\0\x08\0", "not UTF-8 text"),
    "an old spreadsheet": ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "not UTF-8 text"),
    "packed and cut": ("t.csv.gz", gzip.compress(b"A,B\na,b\n")[:-9], "cannot be unpacked"),
    "packed twice": ("t.gz", gzip.compress(gzip.compress(b"A,B\na,b\n")), "not UTF-8 text"),
    "broken JSON": ("t.jsonl", b'{"A": "a", "B": "b"}\n{"A": \n', r"line 2 is not JSON \(Expect"),
    "JSON, but no object": ("t.json", b"[1, 2]\n", "line 1 is no JSON object: one {...} a line"),
    "no text in JSON": ("t.jsonl", b'{"A": "a", "B": "caf\xe9"}', "row 1, column 'B' is not UTF-8"),
    "half a pair in JSON": ("t.jsonl", b'{"A": "a", "B": "\\ud83d"}', "row 1, column 'B' is not"),
    "no Parquet": ("t.parquet", b"A,B\na,b\n", r"no sound Parquet \(.*\): write it again"),
    "Parquet that is cut": ("t", b"PAR1 and nothing else", r"no sound Parquet \("),
}  # fmt: skip


@every_kind
@pytest.mark.parametrize("fault", FAULTS)
def test_every_kind_of_table_tells_a_fault_in_one_line(
    tmp_path: Path, kind: Kind, fault: str
) -> None:
    name, content, told = FAULTS[fault]
    if told.startswith("no sound"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    path.write_bytes(named(content, kind.columns))
    for letter, column in zip("AB", kind.columns, strict=True):
        told = told.replace(f"'{letter}'", f"'{column}'")
    if fault == "no rows" and kind is KINDS["sheet"]:
        assert kind.read(path) == []  # a sheet that is yet to be filled in
        return
    with pytest.raises(MusicuError, match=told) as caught:
        kind.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message


def named(content: bytes, columns: Sequence[str]) -> bytes:
    """Give the columns A and B of a file of text their names."""
    if content.startswith(b"PAR1") or not content.replace(b"\xe9", b"").isascii():
        return content
    return content.replace(b"A", columns[0].encode()).replace(b"B", columns[1].encode())


@every_kind
def test_a_file_that_is_not_there_or_no_file_is_named(tmp_path: Path, kind: Kind) -> None:
    for path, told in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(MusicuError, match=told) as caught:
            kind.read(path)
        assert str(caught.value).startswith(f"{path}: ")


@every_kind
def test_parquet_without_its_library_says_what_to_install(
    tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(as_parquet(kind.columns, ROWS))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[parquet\]'"):
        kind.read(path)


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if not kind.reads_all])
def test_columns_that_are_not_read_may_hold_what_they_like(tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "t.csv"
    a, b = (column.encode() for column in kind.columns)
    path.write_bytes(b"note,%b,%b,note\ncaf\xe9,a,b,\0\n" % (a, b))
    assert kind.read(path) == [("a", "b")]


# Cells, rows and their numbers


def rows(path: Path, *columns: str) -> list[tuple[int, list[Any]]]:
    return list(Table.open(path, lambda _: False).rows(columns or None))


def test_rows_may_end_early_and_keep_the_numbers_an_editor_shows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\na,b,c\n\n1\n"2\n2",, x ,,\n , ,\n3,4,5\n')
    assert rows(path) == [(4, ["1", "", ""]), (5, ["2\n2", "", "x"]), (7, ["3", "4", "5"])]
    assert rows(path, "c", "a") == [(4, ["", "1"]), (5, ["x", "2\n2"]), (7, ["5", "3"])]
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n\n{}\n{"b": [" x"], "a": " y "}\n')
    assert rows(path) == [(1, [1, None]), (4, ["y", [" x"]])]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_header_may_be_longer_than_a_field_may_be(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    names = [f"c{n}" for n in range(30_000)]
    path.write_text(delimiter.join(["a", *names]) + f"\nx{delimiter}1\n")
    assert path.stat().st_size > csv.field_size_limit()
    assert rows(path, "c0", "a", "c29999") == [(2, ["1", "x", ""])]


def test_a_name_longer_than_a_field_may_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a" * (csv.field_size_limit() + 1) + "\nx\n")
    with pytest.raises(MetadataError, match="row 1: field larger than field limit"):
        rows(path)


def test_rows_deep_in_a_file_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{n},x" if n % 700 else "" for n in range(5000)]
    path.write_text("\n".join(["a,b", *lines]))
    assert [int(a) + 2 for _, (a, _) in rows(path)] == [number for number, _ in rows(path)]
    assert [number for number, _ in rows(path)] == [n + 2 for n in range(5000) if n % 700]


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
@given(
    cells=st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"))] * 2),
        min_size=1,
        max_size=5,
    ),
    delimiter=st.sampled_from(",;\t"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_was_written_is_read_in_any_form(
    cells: Pairs, delimiter: str, quoting: int, tmp_path: Path
) -> None:
    sheet, lines = tmp_path / "t.csv", tmp_path / "t.jsonl"
    sheet.write_bytes(as_csv("ab", cells, delimiter=delimiter, quoting=quoting))
    lines.write_bytes(as_lines("ab", cells))
    wanted = [stripped for a, b in cells if any(stripped := [a.strip(), b.strip()])]
    if not wanted:
        return
    assert [row for _, row in rows(sheet)] == wanted
    assert [row for _, row in rows(lines) if any(row)] == wanted


def test_cells_of_parquet_are_what_they_are_in_python(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    moment = datetime(2024, 5, 1, 18, 30, 0, 5, tzinfo=UTC)
    columns = {
        "text": [" x ", None],
        "word": pyarrow.array(["y", "y"]).dictionary_encode(),
        "whole": [1, 2],
        "gap": [1, None],
        "day": [moment.date(), None],
        "utc": pyarrow.array([moment, moment], pyarrow.timestamp("ns", "UTC")),
        "plain": pyarrow.array([moment.replace(tzinfo=None)] * 2, pyarrow.timestamp("us")),
        "price": [Decimal("1.50"), None],
        "list": [["a"], []],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    (_, first), (_, second) = rows(tmp_path / "t.parquet")
    naive = moment.replace(tzinfo=None)
    assert first == ["x", "y", 1, 1, moment.date(), moment, naive, 1.5, ["a"]]
    assert second == [None, "y", 2, None, None, moment, naive, None, []]


def test_a_moment_that_python_cannot_hold_is_told(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for zone in (None, "UTC", "Europe/Rome"):
        far = pyarrow.array([2**62], pyarrow.timestamp("us", zone))
        parquet.write_table(pyarrow.table({"t": far}), tmp_path / "t.parquet")
        with pytest.raises(MusicuError, match="no sound Parquet"):
            rows(tmp_path / "t.parquet")
