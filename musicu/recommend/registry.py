"""A registry of fitted recommenders: every version with its lineage, and one that is served.

A folder: ``versions/0001/recommender`` is what :meth:`musicu.Recommender.save` writes and never
changes, ``lineage.json`` beside it says where it comes from, and ``evaluations.json`` what was
measured since. ``champion.json`` says which version is served; to promote another is to replace
that file, in one step.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musicu.errors import CatalogError
from musicu.files import open_file, written_file
from musicu.recommend.lineage import Lineage
from musicu.recommend.recommender import Recommender

__all__ = ["Registry", "Version", "served"]

_FORMAT = 1
_POINTER = "champion.json"
_REMOVED = "removed"  # a file where a version was


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered recommender.

    Attributes
    ----------
    number : int >= 1
    folder : Path
        Where the recommender lies.
    lineage : Lineage
    evaluations : tuple of dict
        What was measured since it was registered, the earliest first.
    champion : bool
        Whether it is the one that is served.
    """

    number: int
    folder: Path
    lineage: Lineage
    evaluations: tuple[dict[str, Any], ...] = ()
    champion: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a mapping that JSON can hold."""
        told = {"version": self.number, "champion": self.champion, "folder": str(self.folder)}
        return {**told, **self.lineage.to_dict(), "evaluations": list(self.evaluations)}


class Registry:
    """Versions of a recommender, one of which is served.

    Parameters
    ----------
    folder : str or path-like
    create : bool
        Whether to make one where there is none.

    Raises
    ------
    CatalogError
        There is none, it was made by a newer musicu, or the folder holds other things.
    """

    def __init__(self, folder: str | os.PathLike[str], *, create: bool = False) -> None:
        self.folder = Path(folder)
        pointer = self.folder / _POINTER
        if not pointer.is_file():
            if not create:
                raise CatalogError(
                    f"no registry in {self.folder}: 'musicu fit --registry' makes one"
                )
            if self.folder.exists() and any(self.folder.iterdir()):
                raise CatalogError(f"{self.folder}: holds other things: name a new folder")
            self._versions.mkdir(parents=True)
            self._point([])
        self._served()

    @property
    def champion(self) -> int | None:
        """The version that is served; None before the first is promoted."""
        before = self._served()
        return before[-1]["version"] if before else None

    def history(self) -> list[dict[str, Any]]:
        """Return what was promoted, ``version``, ``time``, ``note`` each, and not rolled back."""
        return self._served()

    def versions(self) -> list[Version]:
        """Return all versions, the earliest first."""
        champion = self.champion
        kept = [n for n in self._numbers() if not (self._of(n) / _REMOVED).exists()]
        return [replace(self._read(n), champion=n == champion) for n in kept]

    def version(self, number: int | None = None) -> Version:
        """Return a version; the champion if none is named.

        Raises
        ------
        CatalogError
            There is no such version, or nothing was promoted.
        """
        champion = self.champion
        if number is None and champion is None:
            raise CatalogError(f"{self.folder}: nothing is promoted yet")
        chosen = champion if number is None else number
        assert chosen is not None
        return replace(self._read(chosen), champion=chosen == champion)

    def add(self, recommender: Recommender, lineage: Lineage) -> Version:
        """Keep a fitted recommender as the next version, whole or not at all; serves nothing yet.

        Parameters
        ----------
        recommender : Recommender
        lineage : Lineage
            Of :func:`musicu.recommend.lineage.lineage_of`.

        Raises
        ------
        CatalogError
            It cannot be written.
        """
        draft = self._versions / f".{uuid.uuid4().hex}.tmp"
        try:
            draft.mkdir()
            recommender.save(draft / "recommender")
            text = json.dumps(lineage.to_dict(), indent=1)
            (draft / "lineage.json").write_text(text, encoding="utf-8")
            number = max([*self._numbers(), 0]) + 1
            while True:
                try:
                    os.rename(draft, self._of(number))
                    break
                except OSError:  # somebody else may have taken the number meanwhile
                    if not self._of(number).exists():
                        raise
                    number += 1
        except OSError as error:
            raise CatalogError(f"{self.folder}: {error.strerror or 'cannot be written'}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return self._read(number)

    def load(
        self, number: int | None = None, *, aliases: Mapping[str, str] | None = None
    ) -> Recommender:
        """Load a version; the champion if none is named."""
        return Recommender.load(self.version(number).folder, aliases=aliases)

    def promote(self, number: int, *, note: str = "") -> Version:
        """Have a version served from now on.

        Raises
        ------
        CatalogError
            There is no such version, or it is served already.
        """
        if self.version(number).champion:
            raise CatalogError(f"{self.folder}: version {number} is served already")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._point([*self._served(), {"version": number, "time": now, "note": note}])
        return self.version(number)

    def roll_back(self) -> Version:
        """Have the version served that was served before.

        Raises
        ------
        CatalogError
            There was none before.
        """
        before = self._served()
        if len(before) < 2:
            raise CatalogError(f"{self.folder}: nothing was served before")
        self.version(before[-2]["version"])
        self._point(before[:-1])
        return self.version()

    def record(self, number: int, evaluation: Mapping[str, Any]) -> None:
        """Keep what was measured of a version beside it."""
        kept = [*self.version(number).evaluations, dict(evaluation)]
        self._write(self._of(number) / "evaluations.json", kept)

    def remove(self, number: int) -> None:
        """Delete a version: what was learned from somebody who is to be forgotten must go.

        Its number is not given again.

        Raises
        ------
        CatalogError
            It is not there, or is served.
        """
        if self.version(number).champion:
            raise CatalogError(f"{self.folder}: version {number} is served: promote another first")
        self._point([one for one in self._served() if one["version"] != number])
        (self._of(number) / _REMOVED).touch()
        for path in self._of(number).iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != _REMOVED:
                path.unlink()

    @property
    def _versions(self) -> Path:
        return self.folder / "versions"

    def _of(self, number: int) -> Path:
        return self._versions / f"{number:04d}"

    def _numbers(self) -> list[int]:
        there = self._versions.iterdir() if self._versions.is_dir() else ()
        return sorted(int(path.name) for path in there if path.name.isdecimal())

    def _read(self, number: int) -> Version:
        folder = self._of(number)
        if not (folder / "lineage.json").is_file():
            raise CatalogError(f"{self.folder}: no version {number}")
        evaluations = folder / "evaluations.json"
        return Version(
            number=number,
            folder=folder / "recommender",
            lineage=Lineage.from_dict(_json(folder / "lineage.json")),
            evaluations=tuple(_json(evaluations)) if evaluations.is_file() else (),
        )

    def _served(self) -> list[dict[str, Any]]:
        return _pointer(self.folder)

    def _point(self, promoted: list[dict[str, Any]]) -> None:
        self._write(self.folder / _POINTER, {"musicu_registry": _FORMAT, "served": promoted})

    def _write(self, path: Path, value: Any) -> None:
        try:
            with written_file(path, encoding="utf-8") as file:
                json.dump(value, file, indent=1)
        except OSError as error:
            raise CatalogError(f"{path}: {error.strerror or 'cannot be written'}") from error


def served(folder: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """Return where the recommender lies that a folder stands for, and which version it is.

    Parameters
    ----------
    folder : str or path-like
        A recommender, which stands for itself and is no version; or a registry, which stands for
        its champion.

    Raises
    ------
    CatalogError
        It is a registry in which nothing is promoted, or that cannot be read.
    """
    if not (Path(folder) / _POINTER).is_file():
        return Path(folder), None
    champion = Registry(folder).version()
    return champion.folder, champion.number


def _pointer(folder: Path) -> list[dict[str, Any]]:
    told = _json(folder / _POINTER)
    if not isinstance(told, dict) or not isinstance(told.get("served"), list):
        raise CatalogError(f"{folder}: no registry that can be read")
    if told.get("musicu_registry", 0) > _FORMAT:
        raise CatalogError(f"{folder}: made by a newer musicu; upgrade musicu to use it")
    promoted: list[dict[str, Any]] = told["served"]
    return promoted


def _json(path: Path) -> Any:
    try:
        with open_file(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise CatalogError(f"{path}: cannot be read ({error})") from None
