"""The page that is shipped is what its sources build, and it asks nobody but its own service."""

import filecmp
import json
import os
import re
import shutil
import struct
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "page"
SHIPPED = ROOT / "musicu" / "service" / "page"
ICONS = ["icon-192.png", "icon-512.png", "icon-maskable.png"]
FILES = sorted(
    ["LICENSES.txt", "index.html", "manifest.webmanifest", "page.css", "page.js", "sw.js", *ICONS]
)
# What a registry that cannot be reached makes npm say.
_UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT"
    r"|network request|SELF_SIGNED_CERT|UNABLE_TO_GET_ISSUER"
)


def _text(name: str) -> str:
    return (SHIPPED / name).read_text(encoding="utf-8")


class _Tags(HTMLParser):
    """Every tag of a document with its attributes, and the text inside scripts and styles."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.inline: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style") and data.strip():
            self.inline.append(data)


@pytest.fixture(scope="module")
def tags() -> _Tags:
    return _Tags(_text("index.html"))


def _lack(reason: str) -> None:
    """Skip for want of npm or its registry; in CI that is a failure."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"the page's build cannot be checked: {reason}")
    pytest.skip(reason)


@pytest.mark.slow
def test_the_shipped_page_is_what_the_sources_build(tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        _lack("node and npm are needed")
    assert npm and node
    copy = tmp_path / "page"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
    try:
        installed = subprocess.run(
            [npm, "ci", "--prefer-offline"], cwd=copy, capture_output=True, text=True, timeout=1200
        )
    except subprocess.TimeoutExpired:
        _lack("npm's registry does not answer")
    if installed.returncode and _UNREACHABLE.search(installed.stderr):
        _lack("npm's registry cannot be reached")
    assert installed.returncode == 0, installed.stderr
    built = tmp_path / "built"
    subprocess.run([node, "build.mjs", str(built)], cwd=copy, check=True, timeout=1200)
    assert sorted(path.name for path in built.iterdir()) == FILES
    same, other, missing = filecmp.cmpfiles(built, SHIPPED, FILES, shallow=False)
    assert sorted(same) == FILES, f"{other + missing}: run 'npm run build' in page/"


def test_nothing_but_the_built_files_is_shipped() -> None:
    assert sorted(path.name for path in SHIPPED.iterdir()) == FILES


def test_the_lock_file_names_no_registry() -> None:
    lock = (SOURCES / "package-lock.json").read_text(encoding="utf-8")
    assert '"integrity"' in lock
    assert not re.search(r'"resolved"|https?://(?!opencollective|github|tidelift|paypal)', lock)


def test_the_document_has_no_inline_script_or_style(tags: _Tags) -> None:
    assert tags.inline == []
    names = {name for _, attributes in tags.tags for name in attributes}
    assert "style" not in names
    assert not {name for name in names if name.startswith("on")}
    assert {tag for tag, _ in tags.tags} & {"script", "link"} == {"script", "link"}
    assert all(attributes.get("src") for tag, attributes in tags.tags if tag == "script")


def test_the_document_asks_only_its_own_service(tags: _Tags) -> None:
    asked = [
        value
        for _, attributes in tags.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster") and value
    ]
    assert "/page/page.js" in asked and "/page/page.css" in asked
    assert [url for url in asked if not re.match(r"(/(?!/)|#|data:image/svg\+xml,)", url)] == []


def test_the_style_sheet_asks_for_nothing() -> None:
    assert not re.search(r"@import|url\(|https?:|//", _text("page.css"))


def test_the_script_knows_no_address_to_fetch_from() -> None:
    script = _text("page.js")
    # Libraries name papers and namespaces in shaders and errors; whatever else there is of
    # addresses must be known here, and the service's policy lets none of them be fetched.
    known = (
        r"en\.wikipedia\.org/wiki/"  # comments inside shaders
        r"|www\.w3\.org/"  # namespaces
        r"|unpkg\.com/@loaders\.gl"  # a loader's worker: the page loads nothing by it
    )
    found = re.findall(r"https?://([^\s\"'`)]*)", script)
    assert [url for url in found if url and not re.match(known, url)] == []
    assert not re.search(r"\bnew WebSocket\(|sendBeacon\(", script)


def test_the_script_never_makes_code_from_text() -> None:
    script = _text("page.js")
    assert not re.search(r"(?<![\w.$])eval\(|\bnew Function\(", script)


def test_it_can_be_installed_with_what_is_there() -> None:
    manifest = json.loads(_text("manifest.webmanifest"))
    assert manifest["start_url"] == manifest["scope"] == "/"
    assert {Path(icon["src"]).name for icon in manifest["icons"]} == set(ICONS)
    for icon in manifest["icons"]:
        head = (SHIPPED / Path(icon["src"]).name).read_bytes()[:24]
        width, height = struct.unpack(">II", head[16:])
        assert icon["sizes"] == f"{width}x{height}"
    kept = re.findall(r'^  "(/[^"]*)",$', _text("sw.js"), re.MULTILINE)
    assert kept[0] == "/"  # and files of the shell: never an answer of the service
    assert {Path(path).parent.as_posix() for path in kept[1:]} == {"/page"}
    assert {Path(path).name for path in kept[1:]} <= set(FILES)


def test_each_text_is_there_in_each_language_and_used() -> None:
    sources = {
        path.name: path.read_text(encoding="utf-8")
        for path in (SOURCES / "src").iterdir()
        if path.suffix in (".js", ".html")
    }
    strings = sources.pop("strings.js")
    text = r'"((?:[^"\\]|\\.)*)"'
    found = re.findall(rf'^  "?([\w.-]+)"?: \[\s*{text},\s*{text},?\s*\],$', strings, re.MULTILINE)
    texts = {name: (english, german) for name, english, german in found}
    table = strings[
        strings.index("const TEXTS = {") : strings.index("\n};", strings.index("TEXTS"))
    ]
    assert len(texts) == len(re.findall(r"^  \S+: \[", table, re.MULTILINE)) > 200
    for english, german in texts.values():
        for one, other in ((english, german), (german, english)):
            assert set(re.findall(r"\{\w+\}", one)) == set(re.findall(r"\{\w+\}", other))
        assert english.count("|") == german.count("|")
    code = "\n".join(sources.values())
    named = set(re.findall(r'\bt\(\s*"([\w.-]+)"', code))
    named |= set(re.findall(r'data-t(?:-[a-z-]+)?="([\w.-]+)"', code))
    for one, other in re.findall(r'\bt\([^()]*?\? "([\w.-]+)" : "([\w.-]+)"', code):
        named |= {one, other}
    begun = set(re.findall(r"\bt\(\s*`([\w.-]+)\$\{", code))  # t(`tab.${name}`)
    assert named <= texts.keys(), named - texts.keys()
    unused = {
        name for name in texts.keys() - named if not any(name.startswith(start) for start in begun)
    }
    assert unused == set()


def test_the_page_stays_small() -> None:
    sizes = {name: (SHIPPED / name).stat().st_size for name in FILES}
    assert sizes["page.js"] < 1_200_000
    assert sizes["page.css"] < 60_000
    assert sizes["index.html"] < 30_000


def test_every_library_in_the_script_comes_with_its_license() -> None:
    licenses = _text("LICENSES.txt")
    for name in ("@deck.gl/core", "@deck.gl/layers", "@luma.gl/core", "wavesurfer.js"):
        assert re.search(rf"^{re.escape(name)} \d+\.\d+\.\d+ \(", licenses, re.MULTILINE), name
    assert "Permission is hereby granted" in licenses
    assert "Redistribution and use in source and binary forms" in licenses
