"""Release reports over HTTP: those of the library, made aside, on a page under a strict policy."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import Shelf
from made_audio import notes, write
from served import Served, serving

import musicu.workers.background_job as job_module
from musicu.release.report import release_report
from musicu.service.errors import Late, Refusal
from musicu.service.release_reports import ReleaseReporter
from musicu.service.routes.release import lock_page
from musicu.service.settings import Settings
from musicu.workers.child_process import ChildProcess

SOUND = {"Content-Type": "audio/flac"}


@pytest.fixture(scope="module")
def served(original: Shelf) -> Iterator[Served]:
    with serving(original.db) as running:
        yield running


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("new") / "new.flac"
    write(path, notes(44100, 6.0, seed=50), 44100, "flac")
    return path


@pytest.fixture(scope="module")
def report(served: Served, song: Path) -> dict[str, Any]:
    answer = served.http.post(
        "/v1/release?neighbors=3&name=New%20song.flac", content=song.read_bytes(), headers=SOUND
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_report_is_that_of_the_library(
    report: dict[str, Any], song: Path, original: Shelf
) -> None:
    with original.open() as catalog:
        expected = release_report(catalog, [song], n=3).to_dict()
    assert (report["tracks"], report["model"]) == (8, expected["model"])
    (release,), (same,) = report["releases"], expected["releases"]
    assert release["id"] == same["id"]
    assert [near["id"] for near in release["neighbors"]] == [n["id"] for n in same["neighbors"]]
    for near, other in zip(release["neighbors"], same["neighbors"], strict=True):
        assert near["score"] == pytest.approx(other["score"], abs=1e-5)
        assert near["passage"] == pytest.approx(other["passage"], abs=1e-3)


def test_no_path_of_the_server_is_told(report: dict[str, Any], original: Shelf) -> None:
    assert str(original.folder.parent) not in str(report)
    assert "/" not in report["catalog"]
    assert report["releases"][0]["path"] == "New song.flac"
    assert all("/" not in near["path"] for near in report["releases"][0]["neighbors"])


class Attributes(HTMLParser):
    """Collects what a content security policy would have to allow."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, name) for name, _ in attributes]
        self.found.append((tag, ""))


def test_the_page_is_under_a_policy_that_allows_its_style_sheet_only(
    served: Served, song: Path
) -> None:
    answer = served.http.post("/v1/release?format=html", content=song.read_bytes(), headers=SOUND)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = answer.headers.get_list("content-security-policy")
    assert f"style-src 'sha256-{hashed}'" in policy
    assert "unsafe" not in policy and "default-src 'none'" in policy
    found = Attributes()
    found.feed(answer.text)
    names = {name for _, name in found.found}
    assert "style" not in names and not any(name.startswith("on") for name in names)
    assert not {"script", "audio", "img", "link", "iframe"} & {tag for tag, _ in found.found}


def test_styles_in_attributes_become_rules_of_equal_effect() -> None:
    page = (
        "<head><style>i{color:red}</style></head>"
        '<i class="a" style="width:3%;color:var(--b)"></i><i style="left:1%"></i>'
        '<i style="width:3%;color:var(--b)"></i> text style="kept"'
    )
    locked, _ = lock_page(page.replace('"kept"', "&quot;kept&quot;"))
    assert locked.count('data-s="0"') == 3  # twice in the text, once in the sheet
    assert '[data-s="0"]{width:3% !important;color:var(--b) !important}' in locked
    assert '[data-s="1"]{left:1% !important}' in locked
    assert "style=&quot;kept&quot;" in locked and ' style="' not in locked


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", SOUND, 422),
        (b"this is a text and no song" * 100, SOUND, 422),
        (b"{}", {"Content-Type": "application/json"}, 415),
    ],
)
def test_what_is_no_song_is_refused_with_its_reason(
    served: Served, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = served.http.post("/v1/release", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] and "/tmp" not in answer.text


def test_an_upload_leaves_nothing_behind(served: Served, report: dict[str, Any]) -> None:
    assert list(Path(served.service.uploads.folder).iterdir()) == []


def test_a_report_that_takes_too_long_is_ended_with_its_process(
    original: Shelf, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ChildProcess] = []

    class Watched(ChildProcess):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            started.append(self)

    monkeypatch.setattr(job_module, "ChildProcess", Watched)

    async def ask() -> None:
        reports = ReleaseReporter(Settings(catalog=original.db), deadline=0.3)
        with pytest.raises(Late):
            await reports.make(str(song), "new.flac")
        await reports.close()

    asyncio.run(ask())
    assert [process.running for process in started] == [False]


def test_a_report_that_cannot_be_made_says_why(original: Shelf, song: Path, tmp_path: Path) -> None:
    empty = tmp_path / "other.db"
    empty.write_bytes(b"")

    async def ask() -> None:
        reports = ReleaseReporter(Settings(catalog=empty))
        try:
            await reports.make(str(song), "new\0.flac")
        finally:
            await reports.close()

    with pytest.raises(Refusal, match="nothing is embedded yet") as refused:
        asyncio.run(ask())
    assert refused.value.status == 503 and str(tmp_path) not in str(refused.value)
