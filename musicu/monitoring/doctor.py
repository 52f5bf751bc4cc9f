"""Whether this installation can do its work: one short list, to look through or to hand on.

It names no folder and no file: where something lies is told by what chose it.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from musicu.catalog.integrity import check_integrity
from musicu.catalog.model_choice import model_notice
from musicu.catalog.stats import catalog_info
from musicu.catalog.store import Store, catalog_path
from musicu.encoders.encoder import Encoder
from musicu.encoders.registry import DEFAULT_MODEL, broken_models, list_models
from musicu.errors import CatalogError, MusicuError
from musicu.installed import core_versions, list_extras, package_version

__all__ = ["Check", "examine"]

# What products of vectors and of 8-bit numbers are quicker by.
_FEATURES = (
    *("sse4_2", "f16c", "fma", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"),
    *("asimd", "asimddp", "i8mm", "sve"),
)
_CODECS = {
    "AAC": "aac",
    "ALAC": "alac",
    "APE": "ape",
    "FLAC": "flac",
    "MP3": "mp3",
    "Opus": "opus",
    "PCM": "pcm_s16le",
    "Vorbis": "vorbis",
    "WavPack": "wavpack",
    "WMA": "wmav2",
}
_LITTLE = 1 << 30  # bytes of a disk

State = Literal["ok", "note", "fault"]


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it is, and what was seen.

    Parameters
    ----------
    subject : str
    state : "ok", "note" or "fault"
        A fault keeps musicu from some of its work; a note is good to know.
    text : str
        Without a path.
    """

    subject: str
    state: State
    text: str


def examine(catalog: str | os.PathLike[str] | None = None) -> list[Check]:
    """Look at the machine, what is installed, the models, and a catalog.

    Nothing is looked up elsewhere, and nothing changed; but that a catalog of an earlier format is
    taken over, as whenever it is opened. All its rows are read: some seconds for 100,000 tracks.

    Parameters
    ----------
    catalog : str, path-like or None
        As for :class:`musicu.Catalog`.

    Returns
    -------
    list of Check
    """
    return [*_machine(), *_packages(), *_decoders(), *_models(), *_catalog(catalog)]


def _machine() -> Iterator[Check]:
    version = package_version("musicu") or "of a source tree"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Check("musicu", "ok", f"{version}, Python {platform.python_version()}, {system}")
    name, flags = _processor()
    features = " ".join(one for one in _FEATURES if one in flags) or "features not known"
    cores = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    yield Check("processor", "ok", f"{name}, {usable} of {cores} cores: {features}")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Check("memory", "ok", f"{size / 2**30:.1f} GB")
    if names := sorted(n for n in os.environ if n.startswith(("MUSICU_", "OMP_NUM", "NUMBA_"))):
        yield Check("environment", "ok", f"sets {', '.join(names)}")


def _processor() -> tuple[str, frozenset[str]]:
    """Return a processor's name and the features it tells, as far as the system says."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    said = {key.strip().lower(): value.strip() for key, _, value in lines}
    flags = said.get("flags") or said.get("features") or ""
    return said.get("model name") or platform.machine(), frozenset(flags.split())


def _packages() -> Iterator[Check]:
    versions = core_versions()
    missing = [name for name, version in versions.items() if version is None]
    told = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if not versions:
        yield Check("packages", "note", "not installed as a package: what it needs is not known")
    elif missing:
        yield Check("packages", "fault", f"missing: {', '.join(missing)}; there are {told}")
    else:
        yield Check("packages", "ok", told)
    for extra in list_extras():
        lacks = f"not installed: lacks {', '.join(extra.missing)}"
        there = not extra.missing
        yield Check(f"extra {extra.name}", "ok", "complete" if there else lacks)


def _decoders() -> Iterator[Check]:
    try:
        import av
        import soundfile
    except ImportError as error:
        yield Check("decoders", "fault", f"cannot be loaded: {error}")
        return
    version = getattr(av, "ffmpeg_version_info", "") or "of unknown version"
    known = av.codecs_available
    lacks = [name for name, codec in _CODECS.items() if codec not in known]
    told = f"FFmpeg {version}, libsndfile {soundfile.__libsndfile_version__}"
    reads = ", ".join(name for name in _CODECS if name not in lacks)
    rest = f"; cannot read {', '.join(lacks)}" if lacks else ""
    yield Check("decoders", "note" if lacks else "ok", f"{told}: {reads}{rest}")


def _models() -> Iterator[Check]:
    names = [f"{one.id}@{one.version}" for one in list_models()]
    yield Check("models", "ok", ", ".join(names))
    for broken in broken_models():
        yield Check("models", "fault", f"{broken.folder.name}: 'musicu models list' says why")
    try:
        encoder = Encoder.from_pretrained()
        noise = np.random.default_rng(0).standard_normal(5 * 16000, dtype=np.float32)
        length = float(np.linalg.norm(encoder.embed(noise, 16000)))
    except MusicuError as error:
        yield Check("embedding", "fault", f"{DEFAULT_MODEL}: {type(error).__name__}")
        return
    right = abs(length - 1) < 1e-3
    said = "works" if right else f"gives a vector of length {length:.3f}, not 1"
    yield Check("embedding", "ok" if right else "fault", f"{DEFAULT_MODEL} {said}")


def _catalog(named: str | os.PathLike[str] | None) -> Iterator[Check]:
    path = catalog_path(named)
    variable = "$MUSICU_CATALOG" if os.environ.get("MUSICU_CATALOG") else "in your data folder"
    where = variable if named is None else "--catalog"
    if not path.exists():
        yield Check("catalog", "note", f"{where}: there is none; 'musicu embed FOLDER' makes it")
        return
    try:
        with Store(path, create=False) as store:
            yield from _opened(store, where)
    except (CatalogError, sqlite3.Error) as error:
        text = f"{where}: cannot be used ({type(error).__name__}): 'musicu catalog info' says why"
        yield Check("catalog", "fault", text)
        return
    free = shutil.disk_usage(path.parent).free
    state: State = "note" if free < _LITTLE else "ok"
    yield Check("disk", state, f"{free / 2**30:.1f} GB free beside the catalog")


def _opened(store: Any, where: str) -> Iterator[Check]:
    info = catalog_info(store)
    told = f"{info.tracks:,} tracks in {info.files:,} files, {info.hours:,.1f} h"
    told += f", of {info.model}" if info.model else ", nothing embedded"
    yield Check("catalog", "ok", f"{where}: {told}")
    if wrong := len(check_integrity(store)):
        yield Check("catalog", "fault", f"{wrong:,} problems: 'musicu catalog verify' names them")
    else:
        yield Check("catalog", "ok", "all that is stored is as it was stored")
    left = {"failed": info.errors, "read in part": info.partial, "gone from the disk": info.missing}
    if some := ", ".join(f"{count:,} {what}" for what, count in left.items() if count):
        yield Check("files", "note", f"{some}: 'musicu catalog errors' has the reasons")
    if info.outdated:
        yield Check("catalog", "note", f"{info.outdated:,} tracks lack a vector of its model")
    elif model_notice(store):
        yield Check("catalog", "note", f"its model is not today's default, {DEFAULT_MODEL}")
