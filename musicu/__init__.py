"""Audio-based music understanding: embed tracks, find similar ones, recommend what is new.

Importing this package imports nothing else: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicu.analysis_run import Progress, Summary
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
    from musicu.explore.explorer import Explorer
    from musicu.explore.query import Answer, Query, Seed
    from musicu.install import install_model
    from musicu.inventory import CatalogInfo, Problem
    from musicu.items.fusion import Fusion, ItemVectors
    from musicu.items.item import Item, Items
    from musicu.items.library import catalog_items
    from musicu.items.quality import QualityReport, inspect_items
    from musicu.items.sources import read_items
    from musicu.listening.interactions import Interactions, read_interactions
    from musicu.listening.recommender import Recommender
    from musicu.listening.results import Audience, Recommendation
    from musicu.listening.scorer import History
    from musicu.metadata import Metadata
    from musicu.model import Model
    from musicu.monitoring.drift import DriftReport, check_batch
    from musicu.monitoring.facts import Tracks
    from musicu.playlist import PlaylistEntry, write_m3u8
    from musicu.recommend import Findings, Match, TaggedMatch
    from musicu.registry import find_model, list_models
    from musicu.release.report import release_report
    from musicu.release.results import ReleaseReport
    from musicu.release.write import write_report
    from musicu.tagger import TagHead, tag
    from musicu.tags import read_tags

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Audience",
    "AudioError",
    "Catalog",
    "CatalogError",
    "CatalogInfo",
    "Descriptors",
    "DriftReport",
    "Encoder",
    "Explorer",
    "Findings",
    "Fusion",
    "History",
    "Interactions",
    "Item",
    "ItemVectors",
    "Items",
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
    "QualityReport",
    "Query",
    "Recommendation",
    "Recommender",
    "ReleaseReport",
    "Seed",
    "Summary",
    "TagHead",
    "TaggedMatch",
    "Tracks",
    "catalog_items",
    "check_batch",
    "describe",
    "find_model",
    "identify",
    "inspect_items",
    "install_model",
    "list_models",
    "load",
    "read_interactions",
    "read_items",
    "read_tags",
    "release_report",
    "tag",
    "write_m3u8",
    "write_report",
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
    "explore.explorer": ("Explorer",),
    "explore.query": ("Answer", "Query", "Seed"),
    "analysis_run": ("Progress", "Summary"),
    "inventory": ("CatalogInfo", "Problem"),
    "items.fusion": (
        "Fusion",
        "ItemVectors",
    ),
    "items.item": (
        "Item",
        "Items",
    ),
    "items.library": ("catalog_items",),
    "items.quality": (
        "QualityReport",
        "inspect_items",
    ),
    "items.sources": ("read_items",),
    "listening.interactions": (
        "Interactions",
        "read_interactions",
    ),
    "listening.recommender": ("Recommender",),
    "listening.results": (
        "Audience",
        "Recommendation",
    ),
    "listening.scorer": ("History",),
    "metadata": ("Metadata",),
    "model": ("Model",),
    "registry": ("find_model", "list_models"),
    "install": ("install_model",),
    "monitoring.drift": ("DriftReport", "check_batch"),
    "monitoring.facts": ("Tracks",),
    "playlist": ("PlaylistEntry", "write_m3u8"),
    "recommend": ("Findings", "Match", "TaggedMatch"),
    "release.report": ("release_report",),
    "release.results": ("ReleaseReport",),
    "release.write": ("write_report",),
    "tagger": ("TagHead", "tag"),
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
