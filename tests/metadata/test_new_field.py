"""A field of metadata is added in one row of one table, and is there wherever fields are.

The row is put into a copy of the package; other processes then do with it what users do.
"""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
from made_audio import notes, write
from mutagen.id3 import TCOM, TIT2
from planted import items, log

import musicu
from musicu.catalog.catalog import Catalog
from musicu.catalog.store import Store
from musicu.errors import MetadataError
from musicu.items.comparable import COMPARABLE, DEFAULT_WEIGHTS, FIELDS
from musicu.items.fusion import Fusion
from musicu.metadata.fields import FIELDS as METADATA_FIELDS
from musicu.metadata.fields import Metadata, frame_names, stored_metadata
from musicu.recommend.recommender import Recommender
from musicu.recommend.scorer import History

PACKAGE = Path(musicu.__file__).parent
HELPERS = Path(__file__).parents[1] / "helpers"
# What somebody would write who wants it.
ROW = '    composer: str | None = one("COMPOSER", id3="TCOM TCM", mp4="\\xa9wrt", weight=0.3)\n'
BEFORE = "    description: str | None = one("
KINDS = ("flac", "mp3", "m4a")
COMPOSERS = ("Erik Satie", "Amy Beach")
USERS = ["item 1", "item 5"]


def tag(path: Path, title: str, composer: str) -> None:
    """Write two tags, the second as the format names it."""
    file = mutagen.File(path)
    if path.suffix == ".mp3":
        file.tags.add(TIT2(3, [title]))
        file.tags.add(TCOM(3, [composer]))
    else:
        mp4 = path.suffix == ".m4a"
        file["\xa9nam" if mp4 else "TITLE"] = [title]
        file["\xa9wrt" if mp4 else "COMPOSER"] = [composer]
    file.save()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Music, a sheet, a table and a new song; a catalog and a recommender of before the field."""
    folder = tmp_path_factory.mktemp("new field")
    (folder / "music").mkdir()
    for number in range(6):
        kind = KINDS[number % 3]
        path = folder / "music" / f"{number}.{kind}"
        write(path, notes(44100, 3, seed=number), 44100, kind)
        tag(path, f"Song {number}", COMPOSERS[number // 3])
    write(folder / "new.flac", notes(44100, 3, seed=9), 44100, "flac")
    tag(folder / "new.flac", "New", COMPOSERS[0])
    (folder / "sheet.csv").write_text("path,Composer\nmusic/5.m4a,Maurice Ravel\n")
    (folder / "items.csv").write_text("id,composer\na,Satie\nb,satie\nc,Beach\nd,Beach\n")
    with Catalog(folder / "old.db") as catalog:
        catalog.add_folder(folder / "music", jobs=1)
    Recommender(dim=8).fit(log(), items()).save(folder / "recommender")
    return folder


@pytest.fixture(scope="module")
def found(place: Path) -> Any:
    """Tell what a musicu with one row more finds."""
    package = place / "lib" / "musicu"
    (package / "metadata").mkdir(parents=True)
    for path in (*PACKAGE.iterdir(), *(PACKAGE / "metadata").iterdir()):
        if path.name not in ("metadata", "fields.py", "__pycache__"):
            (package / path.relative_to(PACKAGE)).symlink_to(path)
    before = (PACKAGE / "metadata" / "fields.py").read_text(encoding="utf-8")
    assert before.count(BEFORE) == 1
    after = before.replace(BEFORE, ROW + BEFORE)
    (package / "metadata" / "fields.py").write_text(after, encoding="utf-8")
    paths = [str(place / "lib"), str(HELPERS)]
    run = subprocess.run(
        [sys.executable, str(HELPERS / "new_field.py"), str(place)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    return json.loads((place / "found.json").read_text())


def test_it_is_read_from_tags_sheets_and_tables(found: Any) -> None:
    expected = {f"{n}.{KINDS[n % 3]}": COMPOSERS[n // 3] for n in range(6)}
    assert found["tags"] == expected
    assert found["sheet"] == "Maurice Ravel"
    assert found["items"] == ["Satie", "satie", "Beach", "Beach"]


def test_it_is_stored_filtered_and_exported(found: Any) -> None:
    assert found["where"] == ["0.flac", "1.mp3", "2.m4a"]
    assert found["ravel"] == ["5.m4a"]
    with open(found["export"], newline="") as file:
        counts = Counter(row["composer"] for row in csv.DictReader(file))
    assert counts == {"Erik Satie": 3, "Amy Beach": 2, "Maurice Ravel": 1}


def test_it_takes_part_in_likeness_and_says_why(found: Any) -> None:
    assert found["weight"] == 0.3
    # The third item is by somebody else than the first two.
    assert found["contributions"][1] == pytest.approx(found["contributions"][0]) != 0
    assert found["contributions"][2] == 0
    assert found["reasons"] == {"composer": "the same composer: Satie"}
    assert found["similar"]["why"] > 0
    assert "the same composer: Erik Satie" in found["similar"]["words"]


def test_it_is_in_the_report_with_its_name_and_color(found: Any) -> None:
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "the same composer: Erik Satie" in page
    assert 'background:var(--field-composer)" title="Composer ' in page
    assert page.count("--field-composer: #") == 2


def test_the_service_tells_it_and_its_page_asks_the_service(found: Any) -> None:
    assert found["info"]["label"] == "Composer"
    assert found["info"]["light"] != found["info"]["dark"]
    assert found["track"] == "Erik Satie"
    script = (PACKAGE / "service" / "page" / "page.js").read_text(encoding="utf-8")
    style = (PACKAGE / "service" / "page" / "page.css").read_text(encoding="utf-8")
    assert "Timbre and dynamics" not in script
    assert not set(FIELDS) & {line.strip("-:") for line in style.split() if line.startswith("--")}


def test_what_was_stored_before_goes_on(found: Any, place: Path) -> None:
    old = found["old"]
    assert old["filtered"] == {"composer IS NULL": 6, "title = 'Song 1'": 1}
    assert old["same file"] and old["verify"] == []
    recommender = Recommender.load(place / "recommender")
    now = recommender.recommend(History(USERS))
    assert old["recommended"] == [[hit.id, hit.score] for hit in now]
    assert old["fields"] == list(recommender.model.vectors.fields)


# The table


def test_columns_and_what_is_compared_have_names_of_their_own(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db", create=True) as store:
        rows = store.db.execute("SELECT name FROM pragma_table_info('library')").fetchall()
    names = [name for (name,) in rows]
    assert len(names) == len(set(names))
    assert {field.column for field in METADATA_FIELDS.values()} <= set(names)
    assert len(FIELDS) == len(DEFAULT_WEIGHTS) == len(COMPARABLE)
    assert {name for field in COMPARABLE.values() for name in field.reads} <= set(METADATA_FIELDS)


def test_every_frame_stands_for_a_name_of_its_field() -> None:
    for field in METADATA_FIELDS.values():
        for form, frames in field.frames.items():
            assert set(frames.values()) <= set(field.names)
            assert frames.items() <= frame_names(form).items()  # no other field has it


def test_a_fusion_that_has_not_learned_a_field_leaves_it_out(tmp_path: Path) -> None:
    known = items(8)
    Fusion().fit(known).save(tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as file:
        arrays = dict(file)
    about = json.loads(arrays["about"].tobytes())
    del about["fields"]["genres"]
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(tmp_path / "less.npz", **arrays)
    loaded = Fusion.load(tmp_path / "less.npz")
    weights = {name: weight for name, weight in DEFAULT_WEIGHTS.items() if name != "genres"}
    expected = Fusion(weights).fit(known).transform(known)
    assert loaded.transform(known).fields == expected.fields
    assert (loaded.transform(known).toarray() == expected.toarray()).all()
    with pytest.raises(MetadataError, match="no field that has a weight"):
        loaded.set_params(weights={"genres": 1}).transform(known)


def test_what_a_newer_musicu_stores_does_not_hide_the_rest() -> None:
    assert stored_metadata('{"title": "A", "raga": "Yaman"}') == Metadata(title="A")
    assert stored_metadata('{"title": "A", "genres": "no list"}') == Metadata()
