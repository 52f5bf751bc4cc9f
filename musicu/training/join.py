"""Networks joined to one: each hears the same window, one linear layer turns their answers.

Small networks of different teachers err in different ways; together they hear more than each does.
Their vectors are brought to a common spread, put end to end, and turned to principal components, as
teachers' answers are (:class:`musicu.training.objectives.Targets`). Where old or narrow recordings
are not to be a place of their own, the directions in which lost treble moves vectors are left out
before, after the nuisance attribute projection of speaker recognition (Solomonoff, Campbell and
Boardman, ICASSP 2005).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scipy.signal import butter, sosfilt

from musicu.audio.decode import AudioStream
from musicu.encoders.encoder import SILENCE, Embedder, Encoder
from musicu.encoders.model import Model
from musicu.encoders.model_files import read_config, write_config
from musicu.errors import AudioError, ModelError
from musicu.training.clips import Source, find_clips, require_clips
from musicu.training.objectives import Targets

__all__ = ["join_models", "joined_graph"]

_OUTPUT = "embedding"
# Half precision halves the file; smaller arrays are not worth a node more.
_HALVED = 1024
# Clips that are heard without their treble as well; where it is cut (Hz), and how steeply.
_MOVED, _LOST, _ORDER = 300, 4000.0, 8


def join_models(
    models: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    audio: Sequence[str | os.PathLike[str]],
    dim: int = 256,
    whiten: float = 0.2,
    treble_axes: int = 0,
    most_windows: int | None = None,
    most_clips: int = 1000,
    seed: int = 0,
    id: str | None = None,
    version: str = "1",
    license: str = "not stated",
    description: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Join models to one, and write its folder.

    Parameters
    ----------
    models : sequence of path-like
        Two or more, by name or folder, of one front end.
    out : path-like
        The model folder to make. Identities of the clips are kept in ``OUT.work``.
    audio : sequence of path-like
        Folders of the music that center, spreads and principal axes are fitted to.
    dim : int
        Length of the joined vectors.
    whiten : float in [0, 1]
        How far the components are brought to equal spread.
    treble_axes : int >= 0
        How many directions to leave out: the principal ones of what a low-pass at 4 kHz does to
        vectors.
    most_windows : int or None
        See :attr:`musicu.encoders.model.Model.most_windows`.
    most_clips : int
        Of more clips, so many are drawn at random.
    seed : int
        By this seed.
    id, version, license, description
        As in ``config.json``.
    progress : callable, optional
        Told of clips embedded, and clips in all.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        They are fewer than two, do not fit each other, or the clips are too few.
    """
    encoders = [Encoder.from_pretrained(name) for name in models]
    parts = [encoder.model for encoder in encoders]
    _check_alike(parts)
    if dim > (most := sum(model.dim for model in parts) - treble_axes):
        raise ModelError(f"together they say {most} numbers: dim cannot be {dim}")
    work = Path(f"{os.fspath(out)}.work")
    work.mkdir(parents=True, exist_ok=True)
    clips, skipped = find_clips([Source.parse(one) for one in audio], work / "files.json")
    drawn = np.random.default_rng(seed).permutation(len(clips))[:most_clips]
    clips = [clips[at] for at in drawn]
    vectors: list[NDArray[np.float32]] = []
    moves: list[NDArray[np.float32]] = []
    for done, clip in enumerate(clips, start=1):
        try:
            heard = _hear(clip.path, encoders, also_dull=treble_axes > 0 and len(moves) < _MOVED)
        except AudioError as error:
            skipped[str(clip.path)] = error.reason
        else:
            vectors.append(heard[0])
            moves += [dull - heard[0] for dull in heard[1:]]
        if progress:
            progress(done, len(clips))
    require_clips(clips[: len(vectors)], skipped)
    blocks = [model.dim for model in parts]
    weight, bias = _fit(
        np.array(vectors), np.array(moves), treble_axes, blocks, dim=dim, whiten=whiten
    )
    graph = joined_graph(parts, weight, bias)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    data = graph.SerializeToString()
    (folder / "encoder.onnx").write_bytes(data)
    config = _config(parts, len(vectors), id or folder.name, version, license, description)
    config |= {"dim": dim, "sha256": hashlib.sha256(data).hexdigest()}
    config["recipe"] = {
        "joined": [model.name for model in parts],
        "whiten": whiten,
        "treble_axes": treble_axes,
    }
    if most_windows is not None:
        config["most_windows"] = most_windows
    write_config(folder, config)
    (folder / "README.md").write_text(_card(config, parts), encoding="utf-8")
    return Model.load(folder)


def joined_graph(
    models: Sequence[Model], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> onnx.ModelProto:
    """Put the models' graphs side by side, and a linear layer behind them.

    Parameters
    ----------
    models : sequence of Model
        Of one front end.
    weight : np.ndarray [shape=(sum of their dims, dim)]
    bias : np.ndarray [shape=(dim,)]

    Returns
    -------
    onnx.ModelProto
        Weights are stored in half precision, and reckoned with in single precision.

    Raises
    ------
    ModelError
        The graphs do not fit each other.
    """
    nodes, initializers, ends, opsets = [], [], [], []
    heard: Any = None
    wholes = [onnx.load_from_string(model.graph()) for model in models]
    for number, (model, whole) in enumerate(zip(models, wholes, strict=True)):
        part = onnx.compose.add_prefix_graph(whole.graph, f"{number}/")
        opsets.append([(one.domain, one.version) for one in whole.opset_import])
        inner = f"{number}/{model.input or whole.graph.input[0].name}"
        ends.append(f"{number}/{model.output or whole.graph.output[0].name}")
        if heard is None:
            heard = onnx.ValueInfoProto()
            heard.CopyFrom(next(one for one in part.input if one.name == inner))
            heard.name = model.input or whole.graph.input[0].name
        for node in part.node:
            node.input[:] = [heard.name if name == inner else name for name in node.input]
        nodes += part.node
        initializers += part.initializer
    if any(opset != opsets[0] for opset in opsets):
        raise ModelError("models of different operator sets cannot be joined")
    initializers += [
        numpy_helper.from_array(weight.astype(np.float32), "joined.weight"),
        numpy_helper.from_array(bias.astype(np.float32), "joined.bias"),
    ]
    nodes += [
        helper.make_node("Concat", ends, ["joined"], axis=1),
        helper.make_node("Gemm", ["joined", "joined.weight", "joined.bias"], [_OUTPUT]),
    ]
    casts, stored = _halved(initializers)
    result = helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, ["batch", weight.shape[1]])
    graph = helper.make_graph([*casts, *nodes], "joined", [heard], [result], stored)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid(*o) for o in opsets[0]])
    made.ir_version = min(whole.ir_version for whole in wholes)
    onnx.checker.check_model(made)
    return made


def _halved(initializers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Store large arrays in half precision; the runtime undoes it once, on opening the graph."""
    casts, stored = [], []
    for one in initializers:
        values = numpy_helper.to_array(one)
        if values.dtype != np.float32 or values.size < _HALVED:
            stored.append(one)
            continue
        half = f"{one.name}.half"
        stored.append(numpy_helper.from_array(values.astype(np.float16), half))
        casts.append(helper.make_node("Cast", [half], [one.name], to=TensorProto.FLOAT))
    return casts, stored


def _fit(
    vectors: NDArray[np.float32],
    moves: NDArray[np.float32],
    axes: int,
    blocks: Sequence[int],
    *,
    dim: int,
    whiten: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit the linear layer [sum of blocks, dim] and its bias [dim]."""
    # Only for the spread of each part: all of its components are kept.
    even = Targets.fit(vectors, vectors.shape[1], whiten=0.0, blocks=blocks)
    keep = np.eye(vectors.shape[1])
    if axes:
        moved = (moves / even.scale).astype(np.float64)
        _, directions = np.linalg.eigh(moved.T @ moved)
        keep -= directions[:, -axes:] @ directions[:, -axes:].T
    x = ((vectors - even.mean) / even.scale) @ keep
    turned = Targets.fit(x, dim, whiten=whiten, blocks=[x.shape[1]])
    weight = keep @ (turned.components / turned.scale[:, None]) / even.scale[:, None]
    return weight.astype(np.float32), (-even.mean @ weight).astype(np.float32)


def _hear(path: Path, encoders: Sequence[Encoder], *, also_dull: bool) -> list[NDArray[np.float32]]:
    """Return the means of a clip's windows, all encoders' end to end; then those without treble.

    The clip is decoded once: all hear one rate.
    """
    sr = encoders[0].model.front_end.sr
    stream = AudioStream(path, sr=sr)
    plain, dull = ([Embedder(one) for one in encoders] for _ in range(2))
    sections = butter(_ORDER, min(_LOST, 0.49 * sr), fs=sr, output="sos")
    state = np.zeros((len(sections), 2))
    for block in stream:
        for embedder in plain:
            embedder.push(block)
        if also_dull and len(block):
            filtered, state = sosfilt(sections, block, zi=state)
            for embedder in dull:
                embedder.push(filtered.astype(np.float32))
    if stream.peak < SILENCE:
        raise AudioError(stream.path, "silence: nothing to embed")
    heard = []
    for embedders in (plain, dull)[: 2 if also_dull else 1]:
        for embedder in embedders:
            embedder.finish()
        heard.append(np.concatenate([one.windows.mean(axis=0) for one in embedders]))
    return heard


def _check_alike(models: Sequence[Model]) -> None:
    if len(models) < 2:
        raise ModelError("one model alone has nothing to be joined with")
    for model in models[1:]:
        for name in ("front_end", "layout", "gate_db"):
            if getattr(model, name) != getattr(models[0], name):
                raise ModelError(f"{model.name}: {name} differs from that of {models[0].name}")


def _config(
    models: Sequence[Model], clips: int, id: str, version: str, license: str, description: str
) -> dict[str, Any]:
    """Return what ``config.json`` says of where the joined model comes from."""
    names = " and ".join(model.id for model in models)
    return {
        "id": id,
        "version": version,
        "license": license,
        "description": description or f"{names}, joined",
        "training_data": [
            *dict.fromkeys(line for model in models for line in model.training_data),
            f"joined on {clips:,} clips",
        ],
        "heard": _heard(models),
        "gate_db": models[0].gate_db,
        "layout": models[0].layout,
        "front_end": read_config(models[0].folder)["front_end"],
    }


def _heard(models: Sequence[Model]) -> list[dict[str, Any]] | None:
    """All that any of them was trained on; None if one does not say."""
    folders: dict[str, dict[str, Any]] = {}
    for model in models:
        if model.heard is None:
            return None
        for one in model.heard:
            folders.setdefault(one.sha256, one.to_dict())
    return list(folders.values())


def _card(config: dict[str, Any], models: Sequence[Model]) -> str:
    parts = "\n".join(f"- {model.name}: {model.description or 'not described'}" for model in models)
    return f"""# {config["id"]}

{config["description"]}

Licence of the weights: {config["license"]}. Version {config["version"]}.

Joined from:

{parts}

Each hears the same window; their vectors, of equal spread, are put end to end and turned to
{config["dim"]} principal components.
"""
