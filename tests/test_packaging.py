"""What is installed is what lies here, no more and no less, and it works from there."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import Shelf

from musicu.model import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parent.parent
_JUNK = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the checkout."""
    pytest.importorskip("setuptools")
    source = tmp_path_factory.mktemp("source")
    for name in ("musicu", "cli", "models", "tests", "bench", "fixtures", "docs"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=_JUNK)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", str(source), "--no-deps", "--no-build-isolation"]
        + ["--no-index", "--disable-pip-version-check", "-q", "-w", str(target)],
        check=True,
        capture_output=True,
    )
    (built,) = target.glob("*.whl")
    return built


def _expected() -> set[str]:
    files = {"musicu/py.typed": ROOT / "musicu" / "py.typed"}
    for path in [*(ROOT / "musicu").rglob("*.py"), *(ROOT / "cli").glob("*.py")]:
        name = path.relative_to(ROOT).as_posix()
        files[f"musicu/{name}" if name.startswith("cli/") else name] = path
    for path in (ROOT / "musicu/service/page").iterdir():
        files[path.relative_to(ROOT).as_posix()] = path
    for path in (ROOT / "models").glob("*/*"):
        files[f"musicu/{path.relative_to(ROOT).as_posix()}"] = path
    return set(files)


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - about == _expected()
    assert "LICENSE" in {name.rpartition("/")[2] for name in about}
    assert {name.split("/")[0] for name in names - about} == {"musicu"}
    assert {f"musicu/models/{DEFAULT_MODEL}/encoder.onnx", "musicu/cli/app.py"} <= names


def test_the_wheel_says_what_it_needs_and_offers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if ".dist-info/" in name]
        about = {name.rpartition("/")[2]: archive.read(name).decode() for name in inside}
    assert "musicu = musicu.cli:main" in about["entry_points.txt"]
    needed = [line for line in about["METADATA"].splitlines() if line.startswith("Requires-Dist:")]
    always = {line.split()[1].split(">")[0].split("=")[0] for line in needed if "extra" not in line}
    assert not always & {"torch", "torchaudio", "onnx", "pyarrow", "pytest", "tensorflow"}
    assert {"numpy", "onnxruntime", "av"} <= always


def test_the_wheel_works_far_from_the_checkout(
    wheel: Path, original: Shelf, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    env = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}

    def run(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import musicu, musicu.cli, musicu.model as m; print(musicu.__file__); "
    where += "print(musicu.cli.__file__); print(m.find_model().folder)"
    assert all(line.startswith(str(site)) for line in run("-c", where).splitlines())
    main = "from musicu.cli import main; main()"
    (summary,) = json.loads(run("-c", main, "embed", original / "Dora", "--json"))
    assert summary["embedded"] == 2
    (match,) = json.loads(run("-c", main, "similar", original / "Dora/Solo.aiff", "--json"))
    assert match["path"] == str(original / "Dora/Night.wav")
