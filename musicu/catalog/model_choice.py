"""Which model a catalog is embedded with, and which its queries use."""

from __future__ import annotations

import os

from musicu.catalog.store import Store, StoredModel
from musicu.encoders.encoder import Encoder
from musicu.encoders.model import Model
from musicu.encoders.registry import (
    DEFAULT_MODEL,
    check_unique_name,
    find_model,
    list_models,
    model_by_hash,
    user_models,
)
from musicu.encoders.tagger import TagHead
from musicu.errors import CatalogError, ModelError, ModelMismatchError

__all__ = [
    "embedded_model",
    "installed_model",
    "model_notice",
    "model_to_embed",
    "model_to_tag",
    "not_embedded",
    "tag_head",
]

PathLike = str | os.PathLike[str]


def embedded_model(store: Store, wanted: PathLike | None = None) -> StoredModel:
    """Return the model that queries use: the one last embedded with.

    Parameters
    ----------
    store : Store
        The catalog.
    wanted : str, path-like or None
        Name or folder of the model that it has to be.

    Raises
    ------
    CatalogError
        Nothing is embedded yet.
    ModelMismatchError
        It is another one.
    """
    current = store.current_model()
    if current is None or current not in store.models():
        raise not_embedded(store.path)
    if wanted is not None and (model := find_model(wanted)).sha256 != current.sha256:
        raise ModelMismatchError(
            f"{store.path} holds vectors of {current.name}, not of {model.name}: to embed"
            f" everything again: musicu embed --model {wanted} --catalog {store.path}"
        )
    return current


def not_embedded(path: PathLike, model: str | None = None) -> CatalogError:
    """Return the error that a catalog has no vectors.

    Parameters
    ----------
    path : str or path-like
        The catalog's file.
    model : str or None
        Name of the model that there are none of; None is any.
    """
    by = f"by {model} " if model else ""
    return CatalogError(f"{os.fspath(path)}: nothing is embedded {by}yet; 'musicu embed FOLDER'")


def installed_model(store: Store, stored: StoredModel) -> Model:
    """Return a stored model from its folder.

    Raises
    ------
    ModelError
        It is not installed.
    """
    if model := model_by_hash(stored.sha256):
        return model
    raise ModelError(
        f"{store.path}: embedded with {stored.name}, which is not installed: "
        f"'musicu models add FOLDER' installs it; to embed everything again with another: "
        f"musicu embed --model {find_model().id} --catalog {store.path}"
    )


def model_to_embed(store: Store, name: PathLike | None) -> Model:
    """Choose the model asked for, else the catalog's own, else the default.

    Raises
    ------
    ModelError
        There is no such model, it gives no vectors, or other weights go by its id and version.
    """
    current = store.current_model()
    if name is None and current is not None:
        return installed_model(store, current)
    model = find_model(name)
    check_unique_name(model, [*list_models(), *store.models()])
    if store.find_model(model) is None:
        Encoder(model)  # proves, before anything is stored, that it gives vectors
    return model


def model_to_tag(store: Store, name: PathLike | None = None) -> Model:
    """Choose the model asked for, else the catalog's own if it has a tag head, else the default."""
    current = store.current_model()
    own = model_by_hash(current.sha256) if name is None and current else None
    return own if own and own.tags else find_model(name)


def tag_head(store: Store, stored: StoredModel) -> TagHead:
    """Load the tag head of a stored model.

    Raises
    ------
    ModelError
        The model is not installed, or has none; the text says what to do.
    """
    model = installed_model(store, stored)
    if model.tags:
        return TagHead.load(model)
    able = next((m.id for m in list_models() if m.tags), None)
    way = "nor has any model here"
    if able:
        way = "to embed everything again with one that has: "
        way += f"musicu embed --model {able} --catalog {store.path}"
    raise ModelError(f"{store.path}: embedded with {stored.name}, which has no tag head; {way}")


def model_notice(store: Store) -> str | None:
    """Say that tracks have no vector of the current model, or that the default has changed."""
    current = store.current_model()
    if current is None:
        return None
    left = 0
    if store.db.execute("SELECT count(*) FROM models").fetchone()[0] > 1:
        (left,) = store.db.execute(
            "SELECT count(*) FROM library l WHERE NOT EXISTS"
            " (SELECT 1 FROM vectors v WHERE v.model = ? AND v.track = l.track)",
            (current.row,),
        ).fetchone()
    if left:
        return (
            f"{left:,} tracks have no vector of {current.name} yet and are not found: "
            f"'musicu embed --catalog {store.path}' goes on"
        )
    # A model of the user's own is no old default, but a choice.
    if current.id == DEFAULT_MODEL or (user_models() / current.id).is_dir():
        return None
    return (
        f"{store.path} was made by {current.name}; the default is {DEFAULT_MODEL} now: "
        f"'musicu embed --model {DEFAULT_MODEL} --catalog {store.path}' embeds all again"
    )
