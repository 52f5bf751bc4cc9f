"""A registry keeps versions as they were, serves one of them, and changes which in one step."""

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from planted import DAY, NOW, items, log

from musicu.errors import CatalogError
from musicu.recommend.lineage import describe_items, describe_log, lineage_of
from musicu.recommend.loading import load_catalog_recommender
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.registry import Registry, served

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return Recommender(dim=4).fit(log(), items())


@pytest.fixture
def registry(fitted: Recommender, tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry", create=True)
    made.add(fitted, lineage_of(fitted, note="first", metrics={"ndcg": 0.3}, now=WHEN))
    return made


def test_a_version_has_its_lineage_and_names_nobody(
    registry: Registry, fitted: Recommender
) -> None:
    (version,) = registry.versions()
    lineage = version.lineage
    assert lineage.created == "2026-01-02T00:00:00+00:00" and lineage.note == "first"
    assert lineage.log["interactions"] == len(log()) and lineage.log["users"] == 60
    assert lineage.items["count"] == lineage.items["heard"] == 96
    assert lineage.parameters["dim"] == 4 and lineage.metrics == {"ndcg": 0.3}
    ends = lineage.log_ends()
    assert ends is not None and abs(ends - NOW) < 2 * DAY
    for path in registry.folder.rglob("*"):
        assert path.is_dir() or b"listener-" not in path.read_bytes()
    found = registry.load(1).recommend(History(["item 1"]), 5)
    assert [one.id for one in found] == [one.id for one in fitted.recommend(History(["item 1"]), 5)]


def test_digests_tell_logs_and_items_apart() -> None:
    assert describe_log(log()) == describe_log(log())
    assert describe_log(log())["digest"] != describe_log(log(seed=1))["digest"]
    assert describe_items(items()) == describe_items(items())
    assert describe_items(items())["digest"] != describe_items(items(95))["digest"]


def test_one_is_promoted_and_rolled_back(registry: Registry, fitted: Recommender) -> None:
    with pytest.raises(CatalogError, match="nothing is promoted yet"):
        served(registry.folder)
    second = registry.add(fitted, lineage_of(fitted))
    assert (second.number, second.champion) == (2, False)
    registry.promote(1)
    registry.promote(2, note="better")
    assert served(registry.folder) == (second.folder, 2)
    assert [one.champion for one in registry.versions()] == [False, True]
    with pytest.raises(CatalogError, match="version 2 is served already"):
        registry.promote(2)
    with pytest.raises(CatalogError, match="promote another first"):
        registry.remove(2)
    assert registry.roll_back().number == 1
    with pytest.raises(CatalogError, match="nothing was served before"):
        registry.roll_back()
    registry.record(2, {"metrics": {"ndcg": 0.4}})
    assert registry.version(2).to_dict()["evaluations"] == [{"metrics": {"ndcg": 0.4}}]
    registry.remove(2)
    with pytest.raises(CatalogError, match="no version 2"):
        registry.version(2)
    assert registry.add(fitted, lineage_of(fitted)).number == 3  # no number comes twice
    assert [one.number for one in registry.versions()] == [1, 3]


def test_a_folder_of_a_recommender_stands_for_itself(
    registry: Registry, fitted: Recommender, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "plain")
    assert served(tmp_path / "plain") == (tmp_path / "plain", None)
    registry.promote(1)
    assert load_catalog_recommender(registry.folder).version == 1
    assert load_catalog_recommender(tmp_path / "plain").version is None


def test_those_who_add_at_once_get_numbers_of_their_own(
    registry: Registry, fitted: Recommender
) -> None:
    lineage = lineage_of(fitted)
    threads = [threading.Thread(target=lambda: registry.add(fitted, lineage)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.number for one in registry.versions()] == [1, 2, 3, 4, 5]
    assert not [name for name in os.listdir(registry.folder / "versions") if "tmp" in name]


def test_what_is_no_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no registry in"):
        Registry(tmp_path / "none")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(CatalogError, match="holds other things"):
        Registry(tmp_path / "other", create=True)
    for text, fault in (
        ("{", "cannot be read"),
        ("[]", "no registry that can be read"),
        (json.dumps({"musicu_registry": 9, "served": []}), "newer musicu"),
    ):
        (tmp_path / "other" / "champion.json").write_text(text)
        with pytest.raises(CatalogError, match=fault):
            Registry(tmp_path / "other")
