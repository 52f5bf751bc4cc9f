"""A recommender with all tracks of a catalog as it is today, and the listeners of a log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items, non_music_ids
from musicu.recommend.interactions import read_interactions
from musicu.recommend.item_ids import ItemResolver, catalog_names, match_items, new_items
from musicu.recommend.recommender import Recommender
from musicu.recommend.registry import served

__all__ = ["CatalogRecommender", "load_catalog_recommender"]


@dataclass(frozen=True, eq=False)
class CatalogRecommender:
    """A recommender with what can be recommended today.

    Attributes
    ----------
    recommender : Recommender
    names : ItemResolver
        What its items go by.
    candidates : tuple of str or None
        The items to choose among. None is all: its own candidate sources propose then.
    non_music : frozenset of str
        The items that the catalog's model hears to be no music.
    version : int or None
        Which one of a registry it is.
    """

    recommender: Recommender
    names: ItemResolver
    candidates: tuple[str, ...] | None
    non_music: frozenset[str] = frozenset()
    version: int | None = None

    def title(self, id: str, written: str | None) -> str:
        """Return what to call an item whose title may be unknown: by its file, or its id."""
        path = self.names.path(id)
        return written or (Path(path).stem if path else id)


def load_catalog_recommender(
    folder: str | os.PathLike[str],
    catalog: str | os.PathLike[str] | None = None,
    log: str | os.PathLike[str] | None = None,
    *,
    where: str | None = None,
    salt: str | None = None,
    source: str | None = None,
) -> CatalogRecommender:
    """Load a recommender; a catalog's new tracks take part, and those it lost do not.

    Parameters
    ----------
    folder : str or path-like
        What :meth:`Recommender.save` wrote, or a registry, whose champion is loaded.
    catalog : str or path-like, optional
        The catalog it was fitted on. Without one its items are taken as they were saved.
    log : str or path-like, optional
        Who is recommended to by name; plays of unknown items are left out, equal ones added up.
    where : str, optional
        A filter on the catalog's tracks.
    salt : str, optional
        Users of the log are known by their hashes with this secret.
    source : str, optional
        What errors call the catalog; else its path.

    Raises
    ------
    CatalogError
        There is no recommender, or no catalog.
    RecommenderError
        It and the catalog, or it and the log, share no item.
    ModelMismatchError
        The catalog was embedded again with another model.
    MetadataError
        The filter or the log cannot be understood.
    """
    folder, version = served(folder)
    if catalog is None:
        recommender = Recommender.load(folder)
        names, candidates, non_music = ItemResolver(recommender.items), None, frozenset[str]()
    else:
        with Catalog(catalog, create=False) as opened:
            recommender = Recommender.load(folder, aliases=opened.aliases())
            tracks = catalog_items(opened)
            called = source or os.fspath(catalog)
            recommender.add(new_items(recommender.items, tracks, source=called))
            names = catalog_names(opened, recommender.items)
            ids = tracks.ids if where is None else tuple(t["id"] for t in opened.tracks(where))
            non_music = non_music_ids(opened, tracks)
        candidates = ids if len(ids) < len(recommender.items) else None
    if log is not None:
        path = Path(log)
        played = match_items(
            read_interactions(path, duplicates="sum", salt=salt),
            names,
            folder=path.parent,
            unknown="drop",
            source=path.name,
        )
        recommender = recommender.with_log(played)
    return CatalogRecommender(recommender, names, candidates, non_music, version)
