"""Audio-based music understanding: embed tracks, find similar ones, recommend what is new.

Importing this package imports nothing else: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musicu.audio.decode import identify, load
    from musicu.audio.descriptors import Descriptors, describe
    from musicu.catalog.by_tags import Findings, TaggedMatch
    from musicu.catalog.catalog import Catalog
    from musicu.catalog.ingest_summary import Progress, Summary
    from musicu.catalog.items import catalog_items
    from musicu.catalog.similar import Match
    from musicu.catalog.stats import CatalogInfo, Problem
    from musicu.encoders.encoder import Encoder
    from musicu.encoders.install import install_model
    from musicu.encoders.model import Model
    from musicu.encoders.registry import find_model, list_models
    from musicu.encoders.tagger import Heard, TagHead, tag
    from musicu.errors import (
        AmbiguousNameError,
        AudioError,
        CatalogError,
        MetadataError,
        MissingExtraError,
        ModelError,
        ModelMismatchError,
        MusicuError,
        NotFittedError,
    )
    from musicu.items.fused_vectors import ItemVectors
    from musicu.items.fusion import Fusion
    from musicu.items.item import Item, Items
    from musicu.items.quality import QualityReport, inspect_items
    from musicu.items.table import read_items
    from musicu.items.vectorizer import ItemVectorizer
    from musicu.metadata.fields import Metadata
    from musicu.metadata.file_tags import read_tags
    from musicu.metadata.playlist import PlaylistEntry, write_m3u8
    from musicu.monitoring.drift import DriftReport, check_batch
    from musicu.monitoring.tracks import Tracks
    from musicu.recommend.frame_api import Columns, Dataset, FrameRecommender
    from musicu.recommend.interactions import Interactions, read_interactions
    from musicu.recommend.listener import History
    from musicu.recommend.matrix_api import MatrixRecommender
    from musicu.recommend.recommender import Recommender
    from musicu.recommend.registry import Registry
    from musicu.recommend.results import Audience, Recommendation
    from musicu.recommend.slate import SlateRequest, make_slate
    from musicu.recommend.surface import Surface, find_surface
    from musicu.release.report import release_report
    from musicu.release.results import ReleaseReport
    from musicu.reports.write import write_report
    from musicu.search.explorer import Explorer
    from musicu.search.query import Answer, Query
    from musicu.search.seeds import Seed
    from musicu.workers.audio_embedder import AudioEmbedder

__version__ = "0.1.0"

__all__ = [
    "AmbiguousNameError",
    "Answer",
    "Audience",
    "AudioEmbedder",
    "AudioError",
    "Catalog",
    "CatalogError",
    "CatalogInfo",
    "Columns",
    "Dataset",
    "Descriptors",
    "DriftReport",
    "Encoder",
    "Explorer",
    "Findings",
    "FrameRecommender",
    "Fusion",
    "Heard",
    "History",
    "Interactions",
    "Item",
    "ItemVectorizer",
    "ItemVectors",
    "Items",
    "Match",
    "MatrixRecommender",
    "Metadata",
    "MetadataError",
    "MissingExtraError",
    "Model",
    "ModelError",
    "ModelMismatchError",
    "MusicuError",
    "NotFittedError",
    "PlaylistEntry",
    "Problem",
    "Progress",
    "QualityReport",
    "Query",
    "Recommendation",
    "Recommender",
    "Registry",
    "ReleaseReport",
    "Seed",
    "SlateRequest",
    "Summary",
    "Surface",
    "TagHead",
    "TaggedMatch",
    "Tracks",
    "catalog_items",
    "check_batch",
    "describe",
    "find_model",
    "find_surface",
    "identify",
    "inspect_items",
    "install_model",
    "list_models",
    "load",
    "make_slate",
    "read_interactions",
    "read_items",
    "read_tags",
    "release_report",
    "tag",
    "write_m3u8",
    "write_report",
]

_HOMES = {
    "catalog.catalog": ("Catalog",),
    "audio.decode": ("identify", "load"),
    "audio.descriptors": ("Descriptors", "describe"),
    "encoders.encoder": ("Encoder",),
    "errors": (
        "AmbiguousNameError",
        "AudioError",
        "CatalogError",
        "MetadataError",
        "MissingExtraError",
        "ModelError",
        "ModelMismatchError",
        "MusicuError",
        "NotFittedError",
    ),
    "search.explorer": ("Explorer",),
    "search.query": ("Answer", "Query"),
    "search.seeds": ("Seed",),
    "catalog.ingest_summary": ("Progress", "Summary"),
    "catalog.stats": ("CatalogInfo", "Problem"),
    "items.fused_vectors": ("ItemVectors",),
    "items.fusion": ("Fusion",),
    "items.item": (
        "Item",
        "Items",
    ),
    "catalog.items": ("catalog_items",),
    "items.quality": (
        "QualityReport",
        "inspect_items",
    ),
    "items.table": ("read_items",),
    "recommend.interactions": (
        "Interactions",
        "read_interactions",
    ),
    "recommend.recommender": ("Recommender",),
    "recommend.registry": ("Registry",),
    "recommend.slate": ("SlateRequest", "make_slate"),
    "recommend.surface": ("Surface", "find_surface"),
    "recommend.results": (
        "Audience",
        "Recommendation",
    ),
    "recommend.listener": ("History",),
    "metadata.fields": ("Metadata",),
    "encoders.model": ("Model",),
    "encoders.registry": ("find_model", "list_models"),
    "encoders.install": ("install_model",),
    "monitoring.drift": ("DriftReport", "check_batch"),
    "monitoring.tracks": ("Tracks",),
    "metadata.playlist": ("PlaylistEntry", "write_m3u8"),
    "catalog.by_tags": ("Findings", "TaggedMatch"),
    "catalog.similar": ("Match",),
    "release.report": ("release_report",),
    "release.results": ("ReleaseReport",),
    "reports.write": ("write_report",),
    "encoders.tagger": ("Heard", "TagHead", "tag"),
    "metadata.file_tags": ("read_tags",),
    "items.vectorizer": ("ItemVectorizer",),
    "recommend.frame_api": ("Columns", "Dataset", "FrameRecommender"),
    "recommend.matrix_api": ("MatrixRecommender",),
    "workers.audio_embedder": ("AudioEmbedder",),
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
