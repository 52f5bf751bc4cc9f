"""The list of what is installed, and how it is."""

import json
from pathlib import Path

import pytest
from cli_calls import call_cli
from conftest import Shelf

from musicu.encoders.registry import DEFAULT_MODEL
from musicu.monitoring import doctor
from musicu.monitoring.doctor import examine


def test_all_is_well_and_no_path_is_named(shelf: Shelf) -> None:
    checks = examine(shelf.db)
    assert {check.state for check in checks} <= {"ok", "note"}
    told = {check.subject: check.text for check in checks}
    assert told["embedding"] == f"{DEFAULT_MODEL} works"
    assert f"{DEFAULT_MODEL}@" in told["models"] and "FLAC, MP3" in told["decoders"]
    assert {"musicu", "processor", "packages", "extra serve"} <= told.keys()
    texts = " ".join(check.text for check in checks)
    assert "--catalog: 8 tracks in 8 files" in texts
    assert str(shelf.folder.parent) not in texts and Path.home().name not in texts.split("/")


def test_faults_come_first_and_are_told_by_the_exit_status(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with shelf.open() as catalog:
        catalog.store.db.execute("UPDATE vectors SET vector = x'00' WHERE track = 1")
    (tmp_path / "models/broken").mkdir(parents=True)
    (tmp_path / "models/broken/config.json").write_text("{")
    config = tmp_path / "xdg_config_home/musicu/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("x = [")
    versions = {"numpy": "2.0", "soxr": None}
    monkeypatch.setattr(doctor, "core_versions", lambda: versions)
    done = call_cli("doctor")
    assert done.returncode == 1
    lines = done.stdout.splitlines()[1:]
    faults = [line.split(maxsplit=2)[1:] for line in lines if line.startswith("fault")]
    assert lines[0].startswith("fault") and [subject for subject, _ in faults] == [
        *("packages", "models", "catalog", "config")
    ]
    assert faults[0][1] == "missing: soxr; there are numpy 2.0"
    assert str(tmp_path) not in done.stdout
    rows = json.loads(call_cli("doctor", "--json").stdout)
    assert {"ok", "fault"} <= {row["state"] for row in rows}


def test_a_catalog_that_is_not_there_or_is_none_is_told(tmp_path: Path) -> None:
    (check,) = [check for check in examine(tmp_path / "no.db") if check.subject == "catalog"]
    assert (check.state, check.text[:22]) == ("note", "--catalog: there is no")
    (tmp_path / "no.db").write_text("nothing of the kind")
    (check,) = [check for check in examine(tmp_path / "no.db") if check.subject == "catalog"]
    assert check.state == "fault" and "cannot be used" in check.text
