"""Items from tables, vectors from exports, and the tracks of a catalog."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import SECONDS, MakeStore, Shelf, unit
from hypothesis import given
from hypothesis import strategies as st

from musicu.catalog.catalog import Catalog
from musicu.catalog.export import export
from musicu.catalog.items import catalog_items
from musicu.errors import MetadataError
from musicu.items.item import Item, Items
from musicu.items.table import Source, parse_schema, read_items
from musicu.items.vectors import join_vectors, read_vectors

RNG = np.random.default_rng(7)


def read(path: Path, text: str, **schema: str) -> Source:
    path.write_text(text, encoding="utf-8")
    return read_items(path, schema=schema)


def fault(path: Path, text: str | bytes, **schema: str) -> str:
    """Read a table that has a fault; return the one line that tells it."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(MetadataError) as caught:
        read_items(path, schema=schema)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


# Columns


def test_columns_are_known_by_their_usual_names(tmp_path: Path) -> None:
    source = read(
        tmp_path / "t.csv",
        "Track ID,Title,Artist,Release Date,Genre,Tempo,BPM,duration_s,Key,detected_key,mood,x\n"
        "7,Dawn,Alba feat. Bruno,2004-05-01,Rock|Jazz,119.5,120,61.5,Am,C major,calm,?\n",
    )
    (item,) = source.items
    assert item.id == "7"
    about = item.metadata
    assert (about.title, about.artists, about.year) == ("Dawn", ("Alba", "Bruno"), 2004)
    assert (about.genres, about.bpm, about.key) == (("Rock", "Jazz"), 120.0, "Am")
    assert about.tags == ("calm",)
    assert item.descriptors == {"tempo": 119.5, "duration": 61.5, "key": "C major"}
    assert source.ignored == ("x",)
    assert source.columns["Track ID"] == "id"


def test_what_is_declared_prevails_over_names(tmp_path: Path) -> None:
    source = read(
        tmp_path / "t.csv",
        "id,code,title,name,notes\n1,a,Dawn,Alba,hm\n2,b,Noon,Alba,hm\n",
        **{"code": "id", "name": "artist", "notes": "-"},
    )
    assert source.items.ids == ("a", "b")
    assert source.items[0].metadata.artist == "Alba"
    assert source.ignored == ("id", "notes")


def test_a_declared_column_takes_the_place_of_one_that_is_only_named_so(tmp_path: Path) -> None:
    source = read(tmp_path / "t.csv", "id,title,song\n1,wrong,right\n", song="title")
    assert source.items[0].metadata.title == "right"
    assert source.ignored == ("title",)


def test_two_columns_of_several_values_are_joined(tmp_path: Path) -> None:
    source = read(
        tmp_path / "t.csv", "id,instruments,m\n1,piano|cello,calm;Piano\n2,,sad\n", m="tags"
    )
    assert [item.metadata.tags for item in source.items] == [("piano", "cello", "calm"), ("sad",)]


@pytest.mark.parametrize(
    ("header", "id"),
    [
        ("artist,isrc,path", "p"),
        ("artist,isrc,title", "GBAYE0601498"),
        ("title,artist,year", "Alba"),
        ("path,track_id,id", "i"),
        ("path,track_id,title", "t"),
    ],
)
def test_the_most_telling_column_is_the_id(tmp_path: Path, header: str, id: str) -> None:
    values = {"path": "p", "track_id": "t", "id": "i", "artist": "Alba", "title": "Dawn"}
    values |= {"isrc": "GBAYE0601498", "year": "2004"}
    row = ",".join(values[name] for name in header.split(","))
    assert read(tmp_path / "t.csv", f"{header}\n{row}\n").items.ids == (id,)


def test_an_id_that_is_a_field_stays_one(tmp_path: Path) -> None:
    source = read(tmp_path / "t.csv", "isrc,title\nGB-AYE-06-01498,Dawn\n")
    assert source.items.ids == ("GB-AYE-06-01498",)
    assert source.items[0].metadata.isrc == "GBAYE0601498"


def test_schemas_are_written_as_column_is_field() -> None:
    assert parse_schema(["artist_id=artist", "a=b = tags"]) == {
        "artist_id": "artist",
        "a=b": "tags",
    }
    with pytest.raises(MetadataError, match="COLUMN=FIELD"):
        parse_schema(["artist"])


# Values


def test_tags_have_weights_where_each_has_one(tmp_path: Path) -> None:
    source = read(
        tmp_path / "t.csv",
        "id,tags\n1,rock:5|pop: 2.5|dull:0\n2,rock:5|pop\n3,\n4,re: mix:3\n",
    )
    first, second, third, fourth = source.items
    assert (first.metadata.tags, first.tag_weights) == (("rock", "pop"), {"rock": 5, "pop": 2.5})
    assert (second.metadata.tags, second.tag_weights) == (("rock:5", "pop"), {})
    assert (third.metadata.tags, third.tag_weights) == ((), {})
    assert fourth.tag_weights == {"re: mix": 3}


def test_all_forms_say_the_same(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"id": "a", "artists": ["Alba", "Simon; Co"], "year": 2004, "bpm": 120.0, "tags": None},
        {"id": "b", "artists": ["Bruno"], "year": None, "bpm": None, "tags": ["calm old", "x"]},
    ]
    lines = tmp_path / "t.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "t.parquet")
    sheet = tmp_path / "t.csv.gz"
    with gzip.open(sheet, "wt", encoding="utf-8") as file:
        file.write("id;artists;year;bpm;tags\n")
        file.write('a;"[""Alba"", ""Simon; Co""]";2004;120,0;\nb;Bruno;;;"[""calm old"", ""x""]"\n')
    read = [list(read_items(path).items) for path in (lines, tmp_path / "t.parquet", sheet)]
    assert read[0] == read[1] == read[2]
    assert read[0][0].metadata.artists == ("Alba", "Simon; Co")
    assert read[0][1].metadata.tags == ("calm old", "x")


def test_weights_may_be_a_json_object(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"id": 1, "tags": {"rock": 5, "pop": 0.5, "no": 0, "?": null}}\n')
    (item,) = read_items(path).items
    assert (item.id, item.metadata.tags) == ("1", ("rock", "pop"))
    assert item.tag_weights == {"rock": 5, "pop": 0.5}


@given(
    names=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
def test_ids_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "ids.jsonl"
    path.write_text("\n".join(json.dumps({"id": name}) for name in names), encoding="utf-8")
    assert read_items(path).items.ids == tuple(names)


# Faults, each in one line that names file, row and column


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,year\n1,2004\n2,soon\n", "row 3, column 'year': 'soon' is not a year from 1000"),
        ("id,tempo\n1,fast\n", "row 2, column 'tempo': 'fast' is not a number"),
        ("id,tempo\n1,inf\n", "row 2, column 'tempo': 'inf' is not a finite number"),
        ("id,title\n1,Dawn\n\n1,Noon\n", "rows 2 and 4 both have the id '1', in column 'id'"),
        ("id,title\n,Dawn\n", "row 2, column 'id': an id is expected"),
        ("color,size\nred,1\n", "no column is an id; declare one, COLUMN=id; columns found:"),
        ("id,title,name\n1,a,b\n", "columns 'title' and 'name' both hold title: keep one"),
        ("id,id\n1,2\n", "two columns are named 'id'"),
    ],
)
def test_faults_name_row_and_column(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert fault(tmp_path / "t.csv", text).startswith(told)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"nope": "artist"}, "no column 'nope'; columns found: 'id', 'title'"),
        ({"title": "artistt"}, "column 'title' cannot hold 'artistt': it is no field; there are"),
        ({"id": "id", "title": "id"}, "columns 'id' and 'title' are both the id"),
    ],
)
def test_faults_of_a_schema_are_told(tmp_path: Path, schema: dict[str, str], told: str) -> None:
    assert fault(tmp_path / "t.csv", "id,title\n1,Dawn\n", **schema).startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"id": 1}\n\n{"title": "Dawn"}\n', "row 3, column 'id': an id is expected"),
        ('{"id": {"a": 1}}\n', "row 1, column 'id': an id is expected"),
        ('{"id": 1, "title": {"a": 1}}\n', "row 1, column 'title': {'a': 1} is not text"),
        ('{"id": 1, "tags": {"a": "b"}}\n', "row 1, column 'tags': {'a': 'b'} is not tags with"),
    ],
)
def test_faults_in_json_lines_are_told(tmp_path: Path, text: str, told: str) -> None:
    assert fault(tmp_path / "t.jsonl", text).startswith(told)


# Vectors


def vectors(n: int, dim: int = 8) -> np.ndarray:
    return unit(RNG.normal(size=(n, dim)))


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_exports_are_read_back(tmp_path: Path, make_store: MakeStore, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    wanted = vectors(5)
    tags = [{"title": f"Song {i}", "artists": ["Alba", "Bruno"], "year": 2000} for i in range(5)]
    store, model = make_store(wanted, tags)
    path = tmp_path / f"out{suffix}"
    export(store, model, path)
    ids, found = read_vectors(path)
    assert ids == tuple(f"{i:032x}" for i in range(5))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    if suffix != ".npz":
        source = read_items(path)
        assert source.items.ids == ids
        assert source.items[3].metadata.title == "Song 3"
        assert source.items[3].metadata.artists == ("Alba", "Bruno")
        assert source.items[3].descriptors == {"duration": 60.0}
        assert "vector" in source.ignored


def test_vectors_join_the_items_of_their_ids() -> None:
    items = Items([Item("a"), Item("b"), Item("c")])
    found = join_vectors(items, ["x", "c", "a"], vectors(3))
    assert found.heard.tolist() == [True, False, True]
    assert found.ids == items.ids
    rows = unit(np.arange(12, dtype=np.float32).reshape(3, 4) + 1)
    np.testing.assert_allclose(join_vectors(items, ["x", "c", "a"], rows).audio[2], rows[1])


def test_vectors_of_no_item_are_a_fault() -> None:
    with pytest.raises(MetadataError, match="the first vector is of 'x', the first item is 'a'"):
        join_vectors(Items([Item("a")]), ["x"], vectors(1))


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"ids": np.array(["a"])}, "'ids' and 'vectors'"),
        ({"ids": np.array(["a", "b"]), "vectors": np.ones((1, 4))}, "one vector an id"),
        ({"ids": np.array(["a", "a"]), "vectors": np.ones((2, 4))}, "two vectors are of 'a'"),
        ({"ids": np.array(["a"]), "vectors": np.full((1, 4), np.nan)}, "of 'a' is not finite"),
        ({"ids": np.array(["a"], dtype=object), "vectors": np.ones((1, 4))}, "allow_pickle"),
    ],
)
def test_faults_in_vectors_are_told(tmp_path: Path, arrays: dict[str, object], told: str) -> None:
    path = tmp_path / "v.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(MetadataError, match=told) as caught:
        read_vectors(path)
    assert str(path) in str(caught.value)


def test_rows_of_other_lengths_are_told(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text('id,vector\na,"[1, 2]"\nb,"[1, 2, 3]"\n')
    with pytest.raises(MetadataError, match=r"row 3, column 'vector': a list of 2 numbers"):
        read_vectors(path)


# Catalogs


def test_a_catalog_is_items(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        items = catalog_items(catalog)
        tracks = list(catalog.tracks())
    assert items.ids == tuple(track["id"] for track in tracks)
    assert items.heard.all()
    assert items[0].metadata.title == "Dawn"
    assert items[0].descriptors["duration"] == pytest.approx(SECONDS, abs=0.1)
    with shelf.open() as catalog:
        (best, *_) = catalog.similar(items.audio[3], n=1)
    assert best.id == items.ids[3]


def test_a_condition_chooses_tracks(shelf: Shelf) -> None:
    items = catalog_items(shelf.db, "has(genres, 'Jazz')")
    assert sorted(str(item.metadata.title) for item in items) == ["Dawn", "Ebb", "Granite"]
    assert items.heard.all()
    with pytest.raises(MetadataError):
        catalog_items(shelf.db, "colour = 3")


def test_an_empty_catalog_is_no_items(tmp_path: Path) -> None:
    with Catalog(tmp_path / "empty.db") as catalog:
        items = catalog_items(catalog)
    assert (len(items), items.audio.shape) == (0, (0, 0))


@pytest.mark.data
def test_the_tags_of_55_thousand_tracks_are_read() -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    path = Path(data) / "jamendo_metadata" / "tracks.csv.gz"
    schema = {"artist_id": "artist", "album_id": "album", "instruments": "tags", "moods": "tags"}
    source = read_items(path, schema=schema)
    assert len(source.items) == 55_525
    assert source.ignored == ()
    assert len({item.metadata.artist for item in source.items}) == 3_565
    assert sum(bool(item.metadata.genres) for item in source.items) == 55_094
