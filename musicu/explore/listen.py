"""Make seeds of what people name: files, stored or new, and ids."""

from __future__ import annotations

import os
from pathlib import Path

from musicu.catalog import Catalog
from musicu.explore.query import Seed
from musicu.listening.matching import hear_item
from musicu.locate import absolute
from musicu.store import Store

__all__ = ["seed_of"]


def seed_of(catalog: Path, query: str | os.PathLike[str], weight: float = 1.0) -> Seed:
    """Make a seed of a file or an id; a file that is not in the catalog is heard.

    Parameters
    ----------
    catalog : Path
        The catalog's file.
    query : str or path-like
        A file, in the catalog or not; or the id of a stored track, or its first 6 or more
        characters, which nobody looks up here.
    weight : float in [-1, 1], not 0
        Of the seed.

    Raises
    ------
    AudioError
        The file cannot be used.
    ModelError
        The catalog's model is not installed.
    """
    name = os.fspath(query)
    path = absolute(name)
    if (id := _stored(catalog, path)) is not None:
        return Seed(id=id, weight=weight)
    if not os.path.exists(path):
        return Seed(id=name, weight=weight)
    with Catalog(catalog, create=False) as opened:
        items = hear_item(opened, path)
    return Seed(vector=items.audio[0], item=items[0], weight=weight)


def _stored(catalog: Path, path: str) -> str | None:
    """Return the id of a stored file that is what it was; one that has changed is a new one."""
    with Store(catalog, create=False) as store:
        row = store.find_file(path)
    return None if row is None else row[1]
