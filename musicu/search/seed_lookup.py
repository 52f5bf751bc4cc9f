"""Make seeds of what people name: files, stored or new, and ids."""

from __future__ import annotations

import os
from pathlib import Path

from musicu.catalog.lookup import analyze_query, find_stored_file
from musicu.catalog.store import Store
from musicu.paths import absolute
from musicu.search.query import Seed

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
    with Store(catalog, create=False) as store:
        if (stored := find_stored_file(store, name)) is not None:
            return Seed(id=stored.id, weight=weight)
        if not os.path.exists(absolute(name)):
            return Seed(id=name, weight=weight)
        item, vector = analyze_query(store, name)
    return Seed(vector=vector, item=item, weight=weight)
