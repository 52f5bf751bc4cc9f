"""A model of sessions on disk: a folder of JSON, arrays and a graph; no pickle, no listeners."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import ModelError
from musicu.files import open_file, written_folder
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.sequences.contents import Contents, tag_encoder
from musicu.sequences.model import SessionModel
from musicu.sequences.network import Network
from musicu.sequences.rule import DecayedContent

__all__ = ["check_session_folder", "load_session_model", "save_session_model"]

_FORMAT = 1
_FILES = ("sessions.json", "items.jsonl", "arrays.npz", "network.onnx")


def check_session_folder(folder: str | os.PathLike[str], *, force: bool = False) -> None:
    """Make sure that a model may be written there; asked before it is fitted, too.

    Raises
    ------
    ModelError
        There is a model and `force` is not said, or there is something else.
    """
    name = os.fspath(folder)
    if not os.path.lexists(name):
        return
    if not os.path.isdir(name) or set(os.listdir(name)) - set(_FILES):
        raise ModelError(f"{name}: holds other things than a model of sessions: name a new folder")
    if os.listdir(name) and not force:
        raise ModelError(f"{name}: a model of sessions is there: --force replaces it")


def save_session_model(
    model: SessionModel, folder: str | os.PathLike[str], *, force: bool = False
) -> None:
    """Write a model, whole or not at all.

    Raises
    ------
    ModelError
        As :func:`check_session_folder`, or it cannot be written.
    """
    check_session_folder(folder, force=force)
    contents, network = model.contents, model.network
    tags = contents.fitted_encoder.state()
    about: dict[str, Any] = {
        "musicu_sessions": _FORMAT,
        "rule": {one.name: getattr(model.rule, one.name) for one in fields(model.rule)},
        "until": model.until,
        "figures": dict(model.figures),
        "about": dict(model.about),
        "tags": tags["names"],
        "network": network and {"context": network.context, "decays": network.decays.tolist()},
    }
    near = model.neighbors
    arrays: dict[str, Any] = {
        "tag_scale": tags["scale"],
        "neighbors": near.data.astype(np.float16),
        "neighbors_at": near.indices.astype(np.int32),
        "neighbors_end": near.indptr.astype(np.int64),
    }
    if contents.items.audio.shape[1]:
        arrays["audio"] = contents.items.audio.astype(np.float16)
    if network is not None:
        about["artists"] = list(network.artist_delta)
        about["items"] = list(network.item_delta)
        dim = next(iter(network.axes.values())).shape[1]
        arrays["repeat_bias"] = network.repeat_bias
        arrays["item_delta"] = _half(list(network.item_delta.values()), dim)
        arrays["artist_delta"] = _half(list(network.artist_delta.values()), dim)
        arrays |= {f"axes {name}": axes.astype(np.float16) for name, axes in network.axes.items()}
    try:
        with written_folder(folder) as draft:
            (draft / "sessions.json").write_text(json.dumps(about), encoding="utf-8")
            with open(
                draft / "items.jsonl", "w", encoding="utf-8", errors="surrogateescape"
            ) as file:
                for item, artist in zip(contents.items, contents.artists, strict=True):
                    row: dict[str, Any] = {"id": item.id, "artist": artist}
                    row |= {"tags": list(item.metadata.tags), "plays": model.plays.get(item.id, 0)}
                    if item.tag_weights:
                        row["tag_weights"] = dict(item.tag_weights)
                    file.write(json.dumps(row) + "\n")
            with open(draft / "arrays.npz", "wb") as stream:
                np.savez_compressed(stream, **arrays)
            if network is not None:
                (draft / "network.onnx").write_bytes(network.graph)
    except OSError as error:
        raise ModelError(f"{folder}: {error.strerror or 'cannot be written'}") from error


def load_session_model(folder: str | os.PathLike[str]) -> SessionModel:
    """Read a model.

    Raises
    ------
    ModelError
        There is none, it is broken, or a newer musicu made it.
    """
    from scipy.sparse import csr_array

    path = Path(folder)
    if not (path / "sessions.json").is_file():
        raise ModelError(f"no model of sessions in {path}: 'musicu fit sessions' makes one")
    try:
        with open_file(path / "sessions.json", encoding="utf-8") as file:
            about = json.load(file)
        if about["musicu_sessions"] > _FORMAT:
            raise ModelError(f"{path}: saved by a newer musicu; upgrade musicu to load it")
        with open_file(path / "items.jsonl", encoding="utf-8", errors="surrogateescape") as lines:
            rows = [json.loads(line) for line in lines]
        with (
            open_file(path / "arrays.npz") as stream,
            np.load(stream, allow_pickle=False) as stored,
        ):
            arrays = {name: stored[name] for name in stored.files}
        encoder = tag_encoder()
        encoder.restore({"names": about["tags"], "scale": arrays["tag_scale"]})
        items = Items(
            (
                Item(
                    row["id"],
                    Metadata(tags=tuple(row["tags"])),
                    tag_weights=row.get("tag_weights", {}),
                )
                for row in rows
            ),
            arrays["audio"].astype(np.float32) if "audio" in arrays else None,
        )
        near = csr_array(
            (
                arrays["neighbors"].astype(np.float32),
                arrays["neighbors_at"],
                arrays["neighbors_end"],
            ),
            shape=(len(items), len(items)),
        )
        return SessionModel(
            neighbors=near,
            contents=Contents(items, tuple(row["artist"] for row in rows), encoder),
            plays={row["id"]: row["plays"] for row in rows if row["plays"]},
            until=float(about["until"]),
            rule=DecayedContent(**about["rule"]),
            network=_network(path, about, arrays) if about["network"] else None,
            figures=about["figures"],
            about=about["about"],
        )
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: a broken model of sessions ({error}): fit it again") from error


def _network(path: Path, about: Any, arrays: dict[str, Any]) -> Network:
    with open_file(path / "network.onnx") as file:
        graph = file.read()
    return Network(
        graph=graph,
        axes={
            name.removeprefix("axes "): array.astype(np.float32)
            for name, array in arrays.items()
            if name.startswith("axes ")
        },
        item_delta=dict(zip(about["items"], arrays["item_delta"].astype(np.float32), strict=True)),
        artist_delta=dict(
            zip(about["artists"], arrays["artist_delta"].astype(np.float32), strict=True)
        ),
        decays=np.array(about["network"]["decays"]),
        repeat_bias=arrays["repeat_bias"],
        context=about["network"]["context"],
    )


def _half(rows: Sequence[NDArray[np.float32]], dim: int) -> NDArray[np.float16]:
    return np.array(rows, dtype=np.float16).reshape(-1, dim)
