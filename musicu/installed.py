"""What is installed with musicu: the packages it stands on, and its extras."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass

__all__ = ["Extra", "core_versions", "list_extras", "package_version"]

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_FOR_DEVELOPERS = "dev"


@dataclass(frozen=True)
class Extra:
    """An extra of the package: in a checkout, ``pip install '.[name]'``.

    Attributes
    ----------
    name : str
    packages : tuple of str
        What it asks for.
    missing : tuple of str
        Those of them that are not installed.
    """

    name: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]


def package_version(name: str) -> str | None:
    """Return the version of an installed package; None if it is not installed.

    Nothing is imported.
    """
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def core_versions() -> dict[str, str | None]:
    """Return the packages that musicu always needs, each with its version; None if missing.

    Examples
    --------
    >>> core_versions()["numpy"] is not None
    True
    """
    return {name: package_version(name) for name, extra in _requirements() if extra is None}


def list_extras() -> list[Extra]:
    """Return the extras that users install, by name, and what each of them lacks."""
    asked: dict[str, list[str]] = {}
    for name, extra in _requirements():
        if extra is not None and extra != _FOR_DEVELOPERS:
            asked.setdefault(extra, []).append(name)
    return [
        Extra(extra, tuple(names), tuple(n for n in names if package_version(n) is None))
        for extra, names in sorted(asked.items())
    ]


def _requirements() -> list[tuple[str, str | None]]:
    """Return the packages that are asked for, each with the extra that does, if one does.

    A source tree that was never installed asks for none.
    """
    try:
        lines = importlib.metadata.requires("musicu") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        if name := _NAME.match(line):
            extra = _EXTRA.search(line)
            found.append((name[0], extra[1] if extra else None))
    return found
