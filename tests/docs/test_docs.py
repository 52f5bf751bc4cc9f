"""What the documents show runs: every command of the README and every docstring's example."""

import doctest
import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_audio import notes, write

import musicu
from musicu.errors import MissingExtraError

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TUTORIAL = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
# The tutorial's need the demo's folder, and run there.
DOCUMENTS = [d for d in sorted((ROOT / "docs").glob("*.md")) if d.stem != "tutorial"]
BIN = Path(sys.executable).parent


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(demo_songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's songs, as `make demo` leaves them."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(demo_songs, place / "demo")
    return place


def run(script: str, folder: Path, shell: list[str]) -> None:
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "MUSICU_CATALOG": "music.db"}
    result = subprocess.run(
        [*shell, script], cwd=folder, env=env, capture_output=True, text=True, timeout=1200
    )
    assert result.returncode == 0, f"{script}\n{result.stderr}"


def commands(text: str) -> list[str]:
    lines = [line for block in blocks("sh", text) for line in block.splitlines()]
    return [line for line in lines if line.startswith("musicu ")]


@pytest.mark.slow
def test_the_tutorial_and_the_examples_of_the_readme_run(folder: Path) -> None:
    assert len(commands(TUTORIAL)) > 20
    run("\n".join(commands(TUTORIAL)), folder, ["bash", "-ec"])
    for example in (*blocks("python", TUTORIAL), *blocks("python")):
        run(example, folder, [sys.executable, "-W", "error", "-c"])


def test_the_commands_of_the_readme_are_the_tutorials() -> None:
    tried = {line.partition("#")[0].strip() for line in commands(TUTORIAL)}
    assert {line.partition("#")[0].strip() for line in commands(README)} <= tried


def test_the_modules_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = {path.name for path in (ROOT / "musicu").iterdir() if (path / "__init__.py").exists()}
    # `room.module`, `room.module.name` or `room/module.py`
    named = [
        name.removesuffix(".py").replace(".", "/") for name in re.findall(r"`([\w./]+)`", text)
    ]
    inside = {name for name in named if "/" in name and name.partition("/")[0] in rooms}
    assert len(inside) > 30
    missing = set()
    for name in inside:
        path = ROOT / "musicu" / name
        if not (path.is_dir() or any(p.with_suffix(".py").exists() for p in (path, *path.parents))):
            missing.add(name)
    assert missing == set()


def test_the_api_reference_has_all_that_is_public() -> None:
    listed = re.findall(r"^::: musicu\.(\w+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(set(musicu.__all__) - {"__version__"})


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_python_examples_of_the_documents_run(document: Path, tmp_path: Path) -> None:
    """Those of one document are one program."""
    examples = blocks("python", document.read_text(encoding="utf-8"))
    if examples:
        run("\n".join(examples), tmp_path, [sys.executable, "-W", "error", "-c"])


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE))
    assert named
    assert named <= targets


def test_every_file_that_the_documents_name_exists() -> None:
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        text = document.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (document.parent / link).exists(), f"{document} links to {link}"


def test_the_examples_in_docstrings_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the fixtures, a file that nobody has heard, and a catalog; with all public names."""
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "new.wav", notes(seed=5, seconds=4.0, sr=16000), 16000)
    with musicu.Catalog("music.db") as catalog:
        catalog.add_folder("fixtures")
    public = {name: getattr(musicu, name) for name in musicu.__all__} | {"musicu": musicu}
    tried = {}
    for path in sorted((ROOT / "musicu").rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tried[name] = doctest.testmod(importlib.import_module(name), extraglobs=public)
    assert len(tried) > 10
    assert {name: result for name, result in tried.items() if result.failed} == {}


def test_an_extra_is_installed_from_the_checkout() -> None:
    """No registry has musicu: its name there is nobody's, or somebody else's."""
    wrong = "pip install 'musicu" + "["
    folders = ("musicu", "cli", "docs", "tests", "bench", "recipes", "demo")
    files = [
        *ROOT.glob("*.md"),
        *(f for name in folders for f in (ROOT / name).rglob("*.[pm][yd]")),
    ]
    assert [str(f) for f in files if wrong in f.read_text(encoding="utf-8")] == []
    assert "pip install '.[serve]'" in str(MissingExtraError("fastapi", "serve"))
