"""Auto-tags of files and of stored vectors, computed by a model's tag head and stored."""

from __future__ import annotations

import json
import os

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.checksums import is_sound
from musicu.catalog.lookup import damaged_vector, find_track
from musicu.catalog.model_choice import model_to_tag, tag_head
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.tracks import read_vectors
from musicu.encoders.model import Model
from musicu.encoders.registry import find_model, model_by_hash
from musicu.encoders.tagger import Heard, TagHead
from musicu.errors import ModelError, ModelMismatchError
from musicu.paths import absolute
from musicu.workers.pool import WorkerSettings, analyze_isolated

__all__ = ["hear_file", "hear_query", "refresh_tags", "store_tags", "tag_file", "tag_query"]

# Probabilities below are not stored: most tags of a model are far below for most tracks.
_KEPT = 0.05
_CHUNK = 4096


def tag_file(
    path: str | os.PathLike[str], *, model: str | os.PathLike[str] | None = None
) -> dict[str, float]:
    """Return the tags of a file; as :func:`musicu.tag`, decoded in a process of its own.

    Parameters
    ----------
    path : str or path-like
        The file.
    model : str, path-like or None
        Name or folder of a model with a tag head; None is the default.

    Returns
    -------
    dict of str to float in [0, 1]
        All the model's tags with their probabilities, the most probable first.

    Raises
    ------
    AudioError
        The file cannot be used.
    ModelError
        There is no such model, or it has no tag head.
    """
    found = find_model(model)
    return TagHead.load(found).say(_embed_isolated(path, found))


def hear_file(
    path: str | os.PathLike[str], *, model: str | os.PathLike[str] | None = None
) -> Heard:
    """Return what can be said of a file, and what cannot; as :func:`tag_file`."""
    found = find_model(model)
    return TagHead.load(found).hear(_embed_isolated(path, found))


def _embed_isolated(path: str | os.PathLike[str], model: Model) -> NDArray[np.float32]:
    answer = analyze_isolated(os.fspath(path), WorkerSettings(model=str(model.folder)))
    vector: NDArray[np.float32] = answer["vector"]
    return vector


def tag_query(
    store: Store, query: str | os.PathLike[str], model: str | os.PathLike[str] | None = None
) -> dict[str, float]:
    """Return the tags of a file or a stored track.

    Parameters
    ----------
    store : Store
        The catalog.
    query : str or path-like
        A file, in the catalog or not, or the id of a stored track, or its first 6 or more
        characters.
    model : str, path-like or None
        Name or folder of a model with a tag head; None takes the catalog's, if it has one, else the
        default.

    Returns
    -------
    dict of str to float in [0, 1]
        All the model's tags with their probabilities, the most probable first.

    Raises
    ------
    CatalogError
        The query is neither a file nor a stored track.
    AudioError
        The file cannot be used.
    ModelError
        There is no such model, or it has no tag head.
    ModelMismatchError
        The stored track has no vector of this model.
    """
    chosen = model_to_tag(store, model)
    return TagHead.load(chosen).say(_vector_of(store, query, chosen))


def hear_query(
    store: Store, query: str | os.PathLike[str], model: str | os.PathLike[str] | None = None
) -> Heard:
    """Return what can be said of a file or a track, and what cannot; as :func:`tag_query`."""
    chosen = model_to_tag(store, model)
    return TagHead.load(chosen).hear(_vector_of(store, query, chosen))


def _vector_of(store: Store, query: str | os.PathLike[str], chosen: Model) -> NDArray[np.float32]:
    """Read a stored track's vector, or hear a file."""
    name = os.fspath(query)
    track, stored = find_track(store, query), store.find_model(chosen)
    vectors = read_vectors(store, stored, [track.row]) if track and stored else {}
    vector = vectors.get(track.row) if track else None
    if vector is not None:
        return vector
    if os.path.exists(path := absolute(query)):
        return _embed_isolated(path, chosen)
    if vectors:
        raise damaged_vector(store, name)
    raise ModelMismatchError(
        f"{name}: its vector is not of {chosen.name}; to embed everything again: "
        f"musicu embed --model {chosen.id} --catalog {store.path}"
    )


def refresh_tags(store: Store, *, needed: bool) -> None:
    """Tag the vectors of the catalog's model that have no tags yet, if it has a tag head.

    Parameters
    ----------
    store : Store
        The catalog.
    needed : bool
        Whether a filter names them: then it is an error if there are none.

    Raises
    ------
    ModelError
        They are needed, none are stored yet, and the model is not installed, broken, or has no
        tag head.
    """
    current = store.current_model()
    if current is None:
        return
    try:
        model = model_by_hash(current.sha256)
    except ModelError:
        if needed:
            raise
        return  # a broken model must not hinder reading what is stored
    if model and model.tags:
        store_tags(store, current, TagHead.load(model))
    elif needed and not _are_stored(store, current):
        tag_head(store, current)  # raises why there are none


def _are_stored(store: Store, model: StoredModel) -> bool:
    asked = "SELECT EXISTS (SELECT 1 FROM sound_tags WHERE model = ?)"
    return bool(store.db.execute(asked, (model.row,)).fetchone()[0])


def store_tags(store: Store, model: StoredModel, head: TagHead, *, chunk: int = _CHUNK) -> None:
    """Tag the vectors of a model that have no tags yet; all of them if the head is a new one.

    Vectors that are no longer what was stored get none. Of a catalog that can only be read, the
    tags are kept in memory.

    Parameters
    ----------
    store, model
        The catalog, and the model whose vectors are tagged.
    head : TagHead
        The model's.
    chunk : int >= 1
        Vectors tagged in one transaction.
    """
    key = f"tag head {model.row}"
    known = store.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if known != (head.id,):
        with store.change(derived=True):
            store.db.execute("DELETE FROM sound_tags WHERE model = ?", (model.row,))
            store.db.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, head.id)
            )
    last = -1
    while _untagged(store, model, last, 1):
        # No vector may go between reading it and storing its tags.
        with store.change(derived=True):
            rows = _untagged(store, model, last, chunk)
            last = rows[-1][0] if rows else last
            # Damaged vectors get no tags.
            rows = [row for row in rows if is_sound(*row[1:], model.dim)]
            if not rows:
                continue
            flat = np.frombuffer(b"".join(vector for _, vector, _ in rows), dtype="<f4")
            probabilities = head.probabilities(flat.reshape(-1, model.dim)).astype(np.float64)
            store.db.executemany(
                "INSERT INTO sound_tags (model, track, tags) VALUES (?, ?, ?)",
                [
                    (model.row, track, _to_json(head, row))
                    for (track, *_), row in zip(rows, probabilities.round(3), strict=True)
                ],
            )


def _untagged(
    store: Store, model: StoredModel, last: int, limit: int
) -> list[tuple[int, bytes, int | None]]:
    """Tracks after ``last`` whose vectors have no tags, with the vectors and their checksums."""
    return store.db.execute(
        "SELECT v.track, v.vector, v.checksum FROM vectors v"
        " WHERE v.model = ? AND v.track > ? AND NOT EXISTS"
        " (SELECT 1 FROM sound_tags s WHERE s.model = v.model AND s.track = v.track)"
        " ORDER BY v.track LIMIT ?",
        (model.row, last, limit),
    ).fetchall()


def _to_json(head: TagHead, probabilities: NDArray[np.float64]) -> str:
    """Write the tags worth keeping, the most probable first."""
    order = np.argsort(-probabilities, kind="stable")
    return json.dumps(
        {head.tags[i].name: float(probabilities[i]) for i in order if probabilities[i] >= _KEPT}
    )
