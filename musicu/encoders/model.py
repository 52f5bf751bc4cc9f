"""A model is a folder: ``config.json``, ``encoder.onnx`` and a ``README.md`` card.

A model with words has a ``tags.npz`` beside them: one linear layer on the track's vector, with the
tags' names in ``config.json``.
"""

from __future__ import annotations

import math
import os
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.front_ends import FrontEnd, read_front_end
from musicu.encoders.heard import HeardFolder
from musicu.encoders.model_files import (
    LARGEST,
    read_config,
    read_model_file,
    sha256_of,
    text_entries,
    text_entry,
)
from musicu.encoders.tag import Tag
from musicu.errors import ModelError
from musicu.files import open_file

__all__ = ["HeadArrays", "Model"]

_MOST_NUMBERS = 1 << 26  # in a window, a filter bank or a vector
# How protobuf writes the key under which a tensor names the file that has its numbers.
_ELSEWHERE = b"\x0a\x08location"


class HeadArrays(NamedTuple):
    """What ``tags.npz`` holds.

    Attributes
    ----------
    weights : np.ndarray [shape=(n_tags, dim), float32]
    bias : np.ndarray [shape=(n_tags,), float32]
    known : np.ndarray [shape=(k, dim), float32]
        Unit vectors amid what the head was fitted on; none says nothing of that.
    reach : float in [-1, 1]
        A track whose cosine to all of `known` is below is unlike anything the head has met.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    known: NDArray[np.float32]
    reach: float


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
        What turns samples into the network's input.
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
        Order of the last two axes of a log-mel input. A channel axis is added if the graph wants
        one.
    gate_db : float or None
        Windows this far below the track's loudest one do not enter its vector (dB); None: all do.
    most_windows : int or None
        Of a longer track, so many windows enter its vector at most, evenly spaced; None: all do.
    tags : tuple of Tag
        What the model can say of music, in the order of its tag head; empty without one.
    tags_sha256 : str
        Hash of ``tags.npz``; empty without one.
    figures : dict
        Key figures of its quality, by name.
    heard : tuple of HeardFolder or None
        The audio it was trained on; None if its config does not say.
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
    most_windows: int | None = None
    tags: tuple[Tag, ...] = ()
    tags_sha256: str = ""
    figures: dict[str, Any] = field(default_factory=dict, hash=False)
    heard: tuple[HeardFolder, ...] | None = field(default=None, hash=False)

    @property
    def weights(self) -> Path:
        """The ONNX file."""
        return self.folder / "encoder.onnx"

    @property
    def name(self) -> str:
        """Id and version: ``musicu-1@1``."""
        return f"{self.id}@{self.version}"

    @property
    def card(self) -> str:
        """Text of ``README.md``; empty if it is not there."""
        file = self.folder / "README.md"
        return read_model_file(file).decode("utf-8", "replace") if file.exists() else ""

    def graph(self) -> bytes:
        """Read the network: the content of ``encoder.onnx``.

        Raises
        ------
        ModelError
            It cannot be read, or has numbers in other files, of which the hash says nothing.
        """
        graph = read_model_file(self.weights)
        if _ELSEWHERE in graph:
            raise ModelError(
                f"{self.weights}: has numbers in other files: save it as one file, "
                "without external data"
            )
        return graph

    def tag_head(self) -> HeadArrays:
        """Read the tag head.

        Raises
        ------
        ModelError
            ``tags.npz`` is not there, cannot be read, or does not fit the model.
        """
        file = self.folder / "tags.npz"
        try:
            with open_file(file) as stream:
                with zipfile.ZipFile(stream) as packed:
                    if sum(entry.file_size for entry in packed.infolist()) > LARGEST[file.name]:
                        raise ValueError("larger when unpacked")
                with np.load(stream, allow_pickle=False) as arrays:
                    weights, bias = (
                        np.asarray(arrays[name], dtype=np.float32) for name in ("weights", "bias")
                    )
                    known = np.empty((0, self.dim), dtype=np.float32)
                    reach = -1.0
                    if "known" in arrays:
                        known = np.asarray(arrays["known"], dtype=np.float32)
                        reach = float(arrays["reach"])
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
            raise ModelError(f"{file}: does not hold the arrays weights and bias") from None
        n = len(self.tags)
        if weights.shape != (n, self.dim) or bias.shape != (n,):
            raise ModelError(
                f"{file}: weights {list(weights.shape)} and bias {list(bias.shape)} must be "
                f"[{n}, {self.dim}] and [{n}] for {n} tags"
            )
        if known.ndim != 2 or known.shape[1] != self.dim or not -1 <= reach <= 1:
            raise ModelError(
                f"{file}: known {list(known.shape)} must be [any, {self.dim}], and reach in [-1, 1]"
            )
        if not all(np.isfinite(array).all() for array in (weights, bias, known)):
            raise ModelError(f"{file}: holds numbers that are not finite")
        return HeadArrays(weights, bias, known, reach)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Model:
        """Read a model folder and check that the weights are those its config speaks of.

        Raises
        ------
        ModelError
            A file is missing, an entry is missing or wrong, or a hash or a shape does not fit.
        """
        folder = Path(folder)
        config = read_config(folder)
        digest = _checked(folder / "encoder.onnx", config, "sha256")
        try:
            model = cls(
                id=_printable("id", text_entry(config, "id")),
                version=_printable("version", str(config.get("version", "1"))),
                sha256=digest,
                dim=int(config["dim"]),
                front_end=read_front_end(config["front_end"]),
                folder=folder,
                license=str(config.get("license", "not stated")),
                description=str(config.get("description", "")),
                training_data=text_entries(config, "training_data"),
                input=str(config.get("input", "")),
                output=str(config.get("output", "")),
                layout=config.get("layout", "time-mel"),
                gate_db=None if config.get("gate_db") is None else float(config["gate_db"]),
                most_windows=(
                    None if config.get("most_windows") is None else int(config["most_windows"])
                ),
                tags=tuple(map(Tag.from_dict, config.get("tags", ()))),
                tags_sha256=(
                    _checked(folder / "tags.npz", config, "tags_sha256")
                    if config.get("tags")
                    else ""
                ),
                figures=dict(config.get("figures", {})),
                heard=(
                    None
                    if config.get("heard") is None
                    else tuple(map(HeardFolder.from_dict, config["heard"]))
                ),
            )
        except KeyError as error:
            raise ModelError(f"{folder}/config.json: the entry {error} is missing") from None
        except (AttributeError, ArithmeticError, TypeError, ValueError) as error:
            raise ModelError(f"{folder}/config.json: {error}") from None
        if model.tags:
            model.tag_head()
        return model

    def __post_init__(self) -> None:
        fe = self.front_end
        if max(self.dim, fe.size) > _MOST_NUMBERS:
            raise ModelError(f"{self.folder}/config.json: windows or vectors beyond any memory")
        if self.gate_db is not None and not math.isfinite(self.gate_db):
            raise ModelError(f"{self.folder}/config.json: gate_db must be a finite number")
        if self.most_windows is not None and self.most_windows < 2:
            raise ModelError(f"{self.folder}/config.json: most_windows must be at least 2")
        if self.dim < 1 or self.layout not in ("time-mel", "mel-time"):
            raise ModelError(
                f"{self.folder}/config.json: dim must be >= 1 and layout 'time-mel' or 'mel-time'"
            )
        if self.layout == "mel-time" and fe.noise().ndim != 3:  # it has no bands
            raise ModelError(
                f"{self.folder}/config.json: layout 'mel-time' needs a log-mel front end"
            )
        if len({tag.name for tag in self.tags}) < len(self.tags):
            raise ModelError(f"{self.folder}/config.json: two tags have one name")

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
            "tags": [asdict(tag) for tag in self.tags],
            "figures": self.figures,
        }


def _printable(key: str, text: str) -> str:
    """Refuse a name that cannot be shown, stored or made a folder's."""
    if not text.isprintable():
        raise ValueError(f"{key} {text!r} has characters that cannot be printed")
    return text


def _checked(file: Path, config: dict[str, Any], key: str) -> str:
    """Hash a file, which must be the one that the config names."""
    digest = sha256_of(file)
    if config.get(key, digest) != digest:
        raise ModelError(f"{file.parent}: {file.name} is not the file config.json names by {key}")
    return digest
