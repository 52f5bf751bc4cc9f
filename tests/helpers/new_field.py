"""What ``test_new_field.py`` runs with another musicu: writes what that one finds to found.json."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from served import serving, until

from musicu.catalog.catalog import Catalog
from musicu.items.comparable import DEFAULT_WEIGHTS
from musicu.items.explanations import reasons
from musicu.items.fusion import Fusion
from musicu.items.table import read_items
from musicu.metadata.fields import Metadata
from musicu.metadata.file_tags import read_tags
from musicu.metadata.sheet import load_sheet
from musicu.recommend.recommender import Recommender
from musicu.recommend.scorer import History
from musicu.release.report import release_report
from musicu.reports.write import write_report

ALL = {"by": "all", "n": 5, "explain": True}


def names(catalog: Catalog, where: str) -> list[str]:
    """Return names of the files that fulfil a condition."""
    return sorted(Path(track["path"]).name for track in catalog.tracks(where))


def read(place: Path) -> dict[str, Any]:
    """Read tags, a sheet and a table of items; compare these."""
    sheet = load_sheet(place / "sheet.csv").lookup(str(place / "music" / "5.m4a")) or Metadata()
    items = read_items(place / "items.csv").items
    vectors = Fusion().fit(items).transform(items)
    query = vectors.take([0]).toarray()[0]
    music = sorted((place / "music").iterdir())
    return {
        "tags": {path.name: read_tags(path).to_dict()["composer"] for path in music},
        "sheet": sheet.to_dict()["composer"],
        "items": [item.metadata.to_dict()["composer"] for item in items],
        "weight": DEFAULT_WEIGHTS["composer"],
        "contributions": [vectors.contributions(query, row)["composer"] for row in range(3)],
        "reasons": reasons(items[0], items[1]),
    }


def store(place: Path) -> dict[str, Any]:
    """Embed, filter, export, report and serve."""
    with Catalog(place / "new.db") as catalog:
        catalog.add_folder(place / "music", metadata=place / "sheet.csv", jobs=1)
        found: dict[str, Any] = {
            "where": names(catalog, "composer = 'Erik Satie'"),
            "ravel": names(catalog, "composer LIKE '%ravel'"),
            "export": str(place / "all.csv"),
        }
        catalog.export(place / "all.csv")
        report = release_report(catalog, [place / "new.flac"], n=5, jobs=1)
        track = next(iter(catalog.tracks("composer = 'Erik Satie'")))["id"]
    write_report(report, place / "report")
    found["report"] = str(place / "report" / "report.html")
    with serving(place / "new.db") as served:
        found["info"] = served.ask("GET", "/v1/info")["fields"]["composer"]
        found["track"] = served.ask("GET", f"/v1/tracks/{track}")["composer"]
        until(lambda: served.ask("GET", "/readyz")["parts"]["why"] == "ready")
        body = {"seeds": [{"id": track}], **ALL}
        matches = served.ask("POST", "/v1/similar", json=body)["matches"]
    best = max(matches, key=lambda match: match["why"].get("composer", 0.0))
    found["similar"] = {"why": best["why"]["composer"], "words": best["words"]}
    return found


def old(place: Path) -> dict[str, Any]:
    """Open, to be read only, what was stored before."""
    path = place / "old.db"
    path.chmod(0o444)
    before = hashlib.sha256(path.read_bytes()).digest()
    conditions = ("composer IS NULL", "title = 'Song 1'")
    with Catalog(path, create=False) as catalog:
        filtered = {where: len(names(catalog, where)) for where in conditions}
        verify = catalog.verify()
    recommender = Recommender.load(place / "recommender")
    hits = recommender.recommend(History(["item 1", "item 5"]))
    return {
        "filtered": filtered,
        "verify": verify,
        "same file": hashlib.sha256(path.read_bytes()).digest() == before,
        "recommended": [[hit.id, hit.score] for hit in hits],
        "fields": list(recommender.model.vectors.fields),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    os.chdir(folder)
    found = read(folder) | store(folder) | {"old": old(folder)}
    (folder / "found.json").write_text(json.dumps(found))
