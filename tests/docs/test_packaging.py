"""What is installed is what lies here, no more and no less, and it works from there."""

import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from conftest import Shelf
from packaging.requirements import Requirement

from musicu.encoders.registry import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
_JUNK = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left in the checkout."""
    pytest.importorskip("setuptools")
    source = tmp_path_factory.mktemp("source")
    for name in ("beetsplug", "musicu", "cli", "models", "tests", "bench", "fixtures", "docs"):
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
    named = ("musicu/py.typed", "musicu/audio/tempo.npz")
    files = {name: ROOT / name for name in named}
    folders = ("beetsplug", "musicu")
    modules = [path for name in folders for path in (ROOT / name).rglob("*.py")]
    for path in [*modules, *(ROOT / "cli").glob("*.py")]:
        name = path.relative_to(ROOT).as_posix()
        files[f"musicu/{name}" if name.startswith("cli/") else name] = path
    for path in (ROOT / "musicu/recommend/surfaces").iterdir():
        files[path.relative_to(ROOT).as_posix()] = path
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
    assert {name.split("/")[0] for name in names - about} == {"beetsplug", "musicu"}
    assert {f"musicu/models/{DEFAULT_MODEL}/encoder.onnx", "musicu/cli/app.py"} <= names


def test_the_wheel_says_what_it_needs_and_offers(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = [name for name in archive.namelist() if ".dist-info/" in name]
        about = {name.rpartition("/")[2]: archive.read(name).decode() for name in inside}
    assert "musicu = musicu.cli:main" in about["entry_points.txt"]
    needed = [line for line in about["METADATA"].splitlines() if line.startswith("Requires-Dist:")]
    always = {line.split()[1].split(">")[0].split("=")[0] for line in needed if "extra" not in line}
    heavy = {"torch", "onnx", "pyarrow", "tensorflow", "mutagen", "pytest"}
    assert not always & (heavy | {"librosa", "scikit-learn", "numba"})
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

    where = "import musicu, musicu.cli, musicu.encoders.registry as m; print(musicu.__file__); "
    where += "print(musicu.cli.__file__); print(m.find_model().folder)"
    assert all(line.startswith(str(site)) for line in run("-c", where).splitlines())
    main = "from musicu.cli import main; main()"
    (summary,) = json.loads(run("-c", main, "embed", original / "Dora", "--json"))
    assert summary["embedded"] == 2
    (match,) = json.loads(run("-c", main, "similar", original / "Dora/Solo.aiff", "--json"))
    assert match["path"] == str(original / "Dora/Night.wav")


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there for their module
    spec.loader.exec_module(module)
    return module


def test_every_dependency_has_a_lowest_version_and_a_later_one_is_here() -> None:
    for line in _script("lowest").lowest(ROOT / "pyproject.toml"):
        needed = Requirement(line.replace("==", ">="))
        assert needed.specifier.contains(importlib.metadata.version(needed.name)), line


def test_what_is_installed_with_musicu_is_permissive_or_named() -> None:
    closure = _script("closure")
    parts = {part.name: part for part in closure.closure()}
    assert {"av", "numpy", "fastapi", "pydantic"} <= set(parts)
    told = {name: part.license for name, part in parts.items()}
    assert not {name for name, words in told.items() if closure.copyleft(words)}
    assert not {name for name, words in told.items() if "unknown" in words}
    assert {name for name, words in told.items() if "LGPL" in words} <= {"soxr"}
    libraries = {own for part in parts.values() for own in part.bundled}
    strong = {name.partition(".")[0] for name, words in libraries if closure.copyleft(words)}
    assert strong <= {"libx264", "libx265"}
    listed = (ROOT / "docs/licenses.md").read_text(encoding="utf-8")
    assert all(f"| **{name}** |" in listed for name in parts["musicu"].needs)
    assert all(name in listed for name in strong)


@pytest.mark.parametrize(
    ("words", "strong"),
    [
        ("GPL-2.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("GNU General Public License", True),
        ("MIT AND GPL-3.0-only", True),
        ("GPL-2.0-or-later OR LGPL-3.0-or-later", False),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", False),
        ("LGPL-2.1-or-later", False),
        ("BSD-3-Clause", False),
    ],
)
def test_the_gpl_is_told_from_licences_that_look_like_it(words: str, strong: bool) -> None:
    assert _script("closure").copyleft(words) is strong


def test_the_bill_of_materials_holds_together() -> None:
    closure = _script("closure")
    parts = closure.closure()
    document = json.loads(closure.sbom(parts))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    references = [part["bom-ref"] for part in document["components"]]
    assert len(set(references)) == len(references) == len(parts) - 1
    needed = {ref for entry in document["dependencies"] for ref in entry["dependsOn"]}
    assert needed == set(references)
    assert all(part["licenses"] for part in document["components"])
