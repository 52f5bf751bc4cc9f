"""Print the lowest versions that pyproject.toml declares, as constraints for pip."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

EXTRAS = ("evaluate", "parquet", "serve")


def lowest(pyproject: Path) -> Iterator[str]:
    """Yield ``name==version`` for each dependency of the core and of the extras that users run."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *(r for extra in EXTRAS for r in extras[extra])]:
        found = re.match(r"([\w.-]+)>=([\w.]+)", requirement)
        if not found:
            raise SystemExit(f"no lowest version in {requirement!r}")
        yield f"{found[1]}=={found[2]}"


if __name__ == "__main__":
    print("\n".join(lowest(Path(__file__).parent.parent / "pyproject.toml")))
