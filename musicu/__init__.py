"""Audio-based music understanding: embed tracks, find similar ones, describe them.

Importing this package imports nothing else: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicu.catalog import Catalog
    from musicu.decode import identify, load
    from musicu.descriptors import Descriptors, describe
    from musicu.encoder import Encoder
    from musicu.errors import (
        AudioError,
        CatalogError,
        MetadataError,
        MissingExtraError,
        ModelError,
        ModelMismatchError,
        MusicuError,
    )
    from musicu.ingest import Progress, Summary
    from musicu.inventory import CatalogInfo, Problem
    from musicu.metadata import Metadata
    from musicu.model import Model, find_model, install_model, list_models
    from musicu.playlist import PlaylistEntry, write_m3u8
    from musicu.recommend import Findings, Match, TaggedMatch
    from musicu.tagging import TagHead, tag
    from musicu.tags import read_tags

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "Catalog",
    "CatalogError",
    "CatalogInfo",
    "Descriptors",
    "Encoder",
    "Findings",
    "Match",
    "Metadata",
    "MetadataError",
    "MissingExtraError",
    "Model",
    "ModelError",
    "ModelMismatchError",
    "MusicuError",
    "PlaylistEntry",
    "Problem",
    "Progress",
    "Summary",
    "TagHead",
    "TaggedMatch",
    "describe",
    "find_model",
    "identify",
    "install_model",
    "list_models",
    "load",
    "read_tags",
    "tag",
    "write_m3u8",
]

_HOMES = {
    "catalog": ("Catalog",),
    "decode": ("identify", "load"),
    "descriptors": ("Descriptors", "describe"),
    "encoder": ("Encoder",),
    "errors": (
        "AudioError",
        "CatalogError",
        "MetadataError",
        "MissingExtraError",
        "ModelError",
        "ModelMismatchError",
        "MusicuError",
    ),
    "ingest": ("Progress", "Summary"),
    "inventory": ("CatalogInfo", "Problem"),
    "metadata": ("Metadata",),
    "model": ("Model", "find_model", "install_model", "list_models"),
    "playlist": ("PlaylistEntry", "write_m3u8"),
    "recommend": ("Findings", "Match", "TaggedMatch"),
    "tagging": ("TagHead", "tag"),
    "tags": ("read_tags",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
