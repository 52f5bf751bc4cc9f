"""A model is a folder: ``config.json``, ``encoder.onnx`` and a ``README.md`` card."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from musicu.errors import ModelError
from musicu.mel import FrontEnd

__all__ = ["DEFAULT_MODEL", "Model", "find_model", "install_model", "list_models", "user_models"]

DEFAULT_MODEL = "musicu-1"

# Beside the package in a wheel, beside its folder in a checkout.
_HERE = Path(__file__).resolve().parent
_BUILT_IN = _HERE / "models" if (_HERE / "models").is_dir() else _HERE.parent / "models"
_FILES = ("config.json", "encoder.onnx", "README.md")


@dataclass(frozen=True, kw_only=True)
class Model:
    """What ``config.json`` says of a model.

    Attributes
    ----------
    id, version : str
        Name and version, as shown and stored.
    sha256 : str
        Hash of the weights, 64 hex digits: two catalogs' vectors are comparable if it is the same.
    dim : int
        Length of an embedding.
    front_end : FrontEnd
        What the network hears.
    folder : Path
        Where the files lie.
    license : str
        Licence of the weights.
    description : str
        One line.
    training_data : tuple of str
        What it was trained on.
    input, output : str
        Names of the ONNX graph's input and output; empty for the first.
    layout : {"time-mel", "mel-time"}
        Order of the input's last two axes. A channel axis is added if the graph wants one.
    gate_db : float or None
        Windows this far below the track's loudest one do not enter its vector (dB); None: all do.
    """

    id: str
    version: str
    sha256: str
    dim: int
    front_end: FrontEnd
    folder: Path
    license: str = "not stated"
    description: str = ""
    training_data: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    layout: Literal["time-mel", "mel-time"] = "time-mel"
    gate_db: float | None = None

    @property
    def weights(self) -> Path:
        """The ONNX file."""
        return self.folder / "encoder.onnx"

    @property
    def name(self) -> str:
        """Id and version: ``musicu-1@1``."""
        return f"{self.id}@{self.version}"

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Model:
        """Read a model folder and check that the weights are those its config speaks of.

        Raises
        ------
        ModelError
            A file is missing, an entry is missing or wrong, or the hash does not fit.
        """
        folder = Path(folder)
        config = _read_config(folder)
        digest = _sha256(folder / "encoder.onnx")
        stated = config.get("sha256", digest)
        if stated != digest:
            raise ModelError(f"{folder}: encoder.onnx is not the file config.json names by sha256")
        try:
            return cls(
                id=_text(config, "id"),
                version=str(config.get("version", "1")),
                sha256=digest,
                dim=int(config["dim"]),
                front_end=FrontEnd.from_dict(config["front_end"]),
                folder=folder,
                license=str(config.get("license", "not stated")),
                description=str(config.get("description", "")),
                training_data=_texts(config, "training_data"),
                input=str(config.get("input", "")),
                output=str(config.get("output", "")),
                layout=config.get("layout", "time-mel"),
                gate_db=None if config.get("gate_db") is None else float(config["gate_db"]),
            )
        except KeyError as error:
            raise ModelError(f"{folder}/config.json: the entry {error} is missing") from None
        except (TypeError, ValueError) as error:
            raise ModelError(f"{folder}/config.json: {error}") from None

    def __post_init__(self) -> None:
        if self.dim < 1 or self.layout not in ("time-mel", "mel-time"):
            raise ModelError(
                f"{self.folder}/config.json: dim must be >= 1 and layout 'time-mel' or 'mel-time'"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for showing."""
        return {
            "id": self.id,
            "version": self.version,
            "dim": self.dim,
            "license": self.license,
            "description": self.description,
            "training_data": list(self.training_data),
            "sample_rate": self.front_end.sr,
            "window_seconds": round(self.front_end.window_seconds, 3),
            "megabytes": round(self.weights.stat().st_size / 1e6, 2),
            "sha256": self.sha256,
            "folder": str(self.folder),
        }


def user_models() -> Path:
    """Folder of the user's own models: ``$MUSICU_MODELS``, else in the user's data folder."""
    override = os.environ.get("MUSICU_MODELS")
    if override:
        return Path(override)
    from platformdirs import user_data_path

    return user_data_path("musicu") / "models"


def list_models() -> list[Model]:
    """All models that can be used by name: those shipped, then the user's."""
    return [
        Model.load(config.parent)
        for root in (_BUILT_IN, user_models())
        for config in sorted(root.glob("*/config.json"))
    ]


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


def install_model(folder: str | os.PathLike[str]) -> Model:
    """Copy a model folder to the user's models, after proving that it works.

    Parameters
    ----------
    folder : str or path-like
        ``config.json`` (entries ``id``, ``dim``, ``front_end`` and those of :class:`Model`),
        ``encoder.onnx`` and ``README.md``, the card.

    Returns
    -------
    Model
        The installed model.

    Raises
    ------
    ModelError
        Something is missing, the graph does not take the front end's windows or does not return
        [batch, dim] finite numbers, or another model has this id.
    """
    from musicu.encoder import Encoder

    model = Model.load(folder)
    if not (model.folder / "README.md").exists():
        raise ModelError(f"{model.folder}: README.md, the model's card, is missing")
    if Path(model.id).name != model.id or model.id.startswith("."):
        raise ModelError(f"{model.folder}/config.json: {model.id!r} cannot be a model's id")
    Encoder(model).check()
    for other in list_models():
        if other.id == model.id and other.sha256 != model.sha256:
            raise ModelError(f"another model is called {model.id!r} ({other.folder})")
    target = user_models() / model.id
    if target.resolve() == model.folder.resolve():
        return model
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{model.id}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for file in _FILES:
        shutil.copyfile(model.folder / file, fresh / file)
    # Pins the weights even where the author left the hash out.
    config = {**_read_config(model.folder), "sha256": model.sha256}
    (fresh / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    return Model.load(target)


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{folder}: not a model folder, config.json is missing") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}: cannot be read ({error})") from None
    if not isinstance(config, dict):
        raise ModelError(f"{file}: must hold one JSON object")
    return config


def _text(config: dict[str, Any], key: str) -> str:
    value = config[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} must be a text, not {value!r}")
    return value


def _texts(config: dict[str, Any], key: str) -> tuple[str, ...]:
    value = config.get(key, [])
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _sha256(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror or error}") from None
