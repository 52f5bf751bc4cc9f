"""Which models there are: those shipped, and the user's own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from musicu.encoders.model import Model
from musicu.encoders.model_files import read_config
from musicu.errors import ModelError

__all__ = [
    "DEFAULT_MODEL",
    "BrokenModel",
    "broken_models",
    "check_unique_name",
    "find_model",
    "list_models",
    "model_by_hash",
    "user_models",
]

DEFAULT_MODEL = "musicu-3"

# Beside the package in a wheel, beside its folder in a checkout.
_PACKAGE = Path(__file__).resolve().parents[1]
_BUILT_IN = _PACKAGE / "models" if (_PACKAGE / "models").is_dir() else _PACKAGE.parent / "models"


def user_models() -> Path:
    """Folder of the user's own models: ``$MUSICU_MODELS``, else in the user's data folder."""
    override = os.environ.get("MUSICU_MODELS")
    if override:
        return Path(override)
    from platformdirs import user_data_path

    return user_data_path("musicu") / "models"


@dataclass(frozen=True, kw_only=True)
class BrokenModel:
    """A folder among the models that cannot be used.

    Attributes
    ----------
    folder : Path
    fault : ModelError
        What is wrong with it.
    """

    folder: Path
    fault: ModelError


class _Named(Protocol):
    """A model, or what a catalog remembers of one."""

    @property
    def id(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def sha256(self) -> str: ...


def list_models() -> list[Model]:
    """All models that can be used by name: the default, others shipped, then the user's."""
    return [model for model in _look_through() if isinstance(model, Model)]


def broken_models() -> list[BrokenModel]:
    """Return the folders among the models that cannot be used, each with its fault."""
    return [model for model in _look_through() if isinstance(model, BrokenModel)]


def model_by_hash(sha256: str) -> Model | None:
    """Return the model at hand whose weights have this hash, if there is one.

    Only folders that may be it are read whole: an installed model's config names its hash.

    Raises
    ------
    ModelError
        A config names this hash, but the model is broken, and no other folder has it.
    """
    fault = None
    for folder in _folders():
        named = None
        try:
            named = read_config(folder).get("sha256")
            if named in (None, sha256) and (model := Model.load(folder)).sha256 == sha256:
                return model
        except ModelError as error:
            fault = error if named == sha256 else fault
    if fault is not None:
        raise fault
    return None


def check_unique_name(model: _Named, others: Iterable[_Named]) -> None:
    """Make sure that no other weights go by a model's id and version.

    Raises
    ------
    ModelError
        Those of one of the others do.
    """
    for other in others:
        if (other.id, other.version) == (model.id, model.version) and other.sha256 != model.sha256:
            where = f" ({other.folder})" if isinstance(other, Model) else ""
            raise ModelError(
                f"{model.id}@{model.version}: other weights go by this id and version{where}: "
                "give these another version in config.json, or use another model"
            )


def _folders() -> list[Path]:
    found = [
        config.parent
        for root in (_BUILT_IN, user_models())
        for config in sorted(root.glob("*/config.json"))
    ]
    return sorted(found, key=lambda folder: folder.name != DEFAULT_MODEL)


def _look_through() -> Iterator[Model | BrokenModel]:
    """Load every model; what is wrong with one is no other's fault."""
    sound: list[Model] = []
    for folder in _folders():
        try:
            model = Model.load(folder)
            check_unique_name(model, sound)
        except ModelError as error:
            yield BrokenModel(folder=folder, fault=error)
        else:
            sound.append(model)
            yield model


def find_model(name: str | os.PathLike[str] | None = None) -> Model:
    """Look a model up.

    Parameters
    ----------
    name : str, path-like or None
        A model's id, or the path of a model folder; None is the default model.

    Raises
    ------
    ModelError
        There is no such model, or its folder is damaged.
    """
    name = os.fspath(name) if name is not None else DEFAULT_MODEL
    if "/" not in name and os.sep not in name:
        for root in (_BUILT_IN, user_models()):
            if (root / name / "config.json").exists():
                return Model.load(root / name)
    if Path(name).is_dir():
        return Model.load(name)
    raise ModelError(f"no model {name!r}: 'musicu models list' shows what there is")
