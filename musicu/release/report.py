"""The release report: what new tracks are like in a catalog, why, and what to mend before release.

Everything is computed from the files and the catalog; nothing is stored in either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.catalog import Catalog
from musicu.catalog.scan import scan
from musicu.encoders.windows import WindowEmbeddings
from musicu.errors import AudioError, CatalogError
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.items.quality_checks import Finding, by_severity
from musicu.metadata.artists import main_artist
from musicu.metadata.fields import Metadata
from musicu.metadata.sheet import Sheet, load_sheet
from musicu.paths import absolute
from musicu.recommend.results import Audience
from musicu.release.checks import check_metadata, compare_sheet
from musicu.release.neighbors import Candidate, CatalogContext, Neighbor
from musicu.release.novelty import judge_confidence
from musicu.release.passages import likeness, match_passage
from musicu.release.playlist_fit import Playlist, read_playlists
from musicu.release.results import HeardTag, Release, ReleaseReport, Skipped
from musicu.workers.isolated_windows import embed_windows_isolated
from musicu.workers.pool import Pool, WorkerSettings

__all__ = ["AudiencePredictor", "release_report"]

PathLike = str | os.PathLike[str]
Progress = Callable[[str, int, int], None]

_AUDIENCE = 10
_OTHER_MUSIC = 0.8  # two files of one recording are at least this much alike


class AudiencePredictor(Protocol):
    """What can say whom a track fits that nobody has heard: a fitted recommender."""

    def audience(self, item: Items, n: int) -> Audience:
        """Return the `n` listeners and artists that the one item in `item` fits best."""


@dataclass(frozen=True, eq=False)
class _Draft:
    """A release before its passages are looked for."""

    path: str
    answer: dict[str, Any]
    one: Candidate
    scores: NDArray[np.float64]
    neighbors: tuple[Neighbor, ...]
    findings: tuple[Finding, ...]


def release_report(
    catalog: Catalog,
    paths: Sequence[PathLike],
    *,
    metadata: PathLike | None = None,
    n: int = 10,
    playlists: Sequence[PathLike] = (),
    recommender: AudiencePredictor | None = None,
    fusion: Fusion | None = None,
    include_non_music: bool = False,
    jobs: int | None = None,
    timeout: float = 300.0,
    progress: Progress | None = None,
) -> ReleaseReport:
    """Compare new releases with a catalog.

    Parameters
    ----------
    catalog : Catalog
        What is out already.
    paths : sequence of str or path-like
        The new tracks: files, or folders of them.
    metadata : str, path-like or None
        CSV file whose rows go over the files' own tags; joined by ``path`` or ``isrc``.
    n : int >= 0
        Catalog tracks to name for each.
    playlists : sequence of str or path-like
        Playlists (``.m3u8``, ``.m3u``), or folders of them.
    recommender : AudiencePredictor or None
        Who predicts listeners; None predicts none.
    fusion : Fusion or None
        How audio and metadata are weighed; None is the default. It is fitted on the catalog.
    include_non_music : bool
        Whether what is heard to be no music may be a neighbor, too.
    jobs : int or None
        Worker processes; None is one for each core.
    timeout : float > 0
        Seconds a file may take.
    progress : callable or None
        Called with what is being done, how much of it is done, and how much there is.

    Returns
    -------
    ReleaseReport

    Raises
    ------
    CatalogError
        Nothing is embedded yet, or a path does not exist.
    AudioError
        No file can be used.
    MetadataError
        The sheet cannot be understood.
    ModelError
        The catalog's model is not installed.
    MusicuError
        A playlist cannot be read.
    """
    tell = progress or _silent
    jobs = jobs or os.cpu_count() or 1
    sheet = load_sheet(metadata) if metadata is not None else None
    lists = read_playlists(playlists)
    files, skipped = _collect(paths)
    context = CatalogContext(catalog, fusion=fusion, include_non_music=include_non_music)
    settings = WorkerSettings(model=str(context.model.folder), describe=True, timeout=timeout)
    answers: dict[str, dict[str, Any]] = {}
    with Pool(settings, min(jobs, len(files))) as pool:
        for path, answer in pool.run(files, lambda worker, path: worker.analyze(path)):
            answers[path] = answer
            tell("listening to the releases", len(answers), len(files))
    skipped += [Skipped(path, answers[path]["error"]) for path in files if "error" in answers[path]]
    drafts = [
        _draft(context, path, answers[path], sheet, n)
        for path in files
        if "error" not in answers[path]
    ]
    if not drafts:
        first = skipped[0]
        cause = answers.get(first.path, {}).get("cause", "file")
        raise AudioError(first.path, f"{first.reason}; no file could be used", cause=cause)
    if sheet is not None:
        skipped += [Skipped(key, "row of the sheet: fits no file") for key in sheet.unused()]
    ready = []
    for path, tracks in lists.items():
        playlist = Playlist.of(path, tracks, context)
        if playlist.usable:
            ready.append(playlist)
        else:
            known = f"{len(playlist.places)} of its {len(tracks)} tracks are in the catalog"
            skipped.append(Skipped(path, f"{known}: too few to say what fits"))
    windows = _embed_windows(drafts, context, jobs, tell)
    releases = tuple(
        _release(draft, drafts, context, windows, ready, recommender) for draft in drafts
    )
    return ReleaseReport(
        catalog=context.path,
        model=context.model.name,
        tracks=len(context.items),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        weights=context.vectors.pieces[0].weights,
        releases=releases,
        skipped=tuple(skipped),
        notes=_notes(catalog),
    )


def _notes(catalog: Catalog) -> tuple[str, ...]:
    """Say what the catalog lacks for better answers."""
    info = catalog.info()
    notes = [catalog.notice] if catalog.notice else []
    if info.described < info.tracks:
        notes.append(
            f"{info.tracks - info.described:,} catalog tracks have no tempo, key and loudness to "
            "compare with: 'musicu embed --describe' measures them"
        )
    return tuple(notes)


def _silent(what: str, done: int, total: int) -> None:
    """Say nothing."""


def _collect(paths: Sequence[PathLike]) -> tuple[list[str], list[Skipped]]:
    """Return the files to hear, each once, and those that look like audio and are none."""
    files: dict[str, None] = {}
    skipped = []
    for path in (os.fspath(path) for path in paths):
        root = absolute(path)
        if not os.path.lexists(root):
            raise CatalogError(f"{path}: no such file or folder")
        for found in scan(root):
            # Pictures and texts beside music are nothing to speak of, unless somebody named them.
            if found.skip is None:
                files[found.path] = None
            elif found.failed or found.path == root:
                skipped.append(Skipped(found.path, found.skip))
    if not files and skipped:
        raise AudioError(skipped[0].path, skipped[0].reason)
    if not files:
        raise CatalogError(f"{os.fspath(paths[0])}: there is no audio file to report on")
    return list(files), skipped


def _draft(
    context: CatalogContext, path: str, answer: dict[str, Any], sheet: Sheet | None, n: int
) -> _Draft:
    metadata = Metadata.from_dict(answer["metadata"])
    findings: tuple[Finding, ...] = ()
    if sheet is not None and (row := sheet.lookup(path, metadata.isrc)):
        findings = compare_sheet(metadata, row)
        metadata = metadata.merged(row)
    item = Item(answer["id"], metadata, answer["descriptors"])
    one = context.candidate(item, answer["vector"])
    scores = context.scores(one)
    return _Draft(path, answer, one, scores, context.neighbors(one, n), findings)


def _embed_windows(
    drafts: Sequence[_Draft], context: CatalogContext, jobs: int, tell: Progress
) -> dict[str, WindowEmbeddings]:
    """Embed the releases, and those of their neighbors that are there, window by window."""
    near = {neighbor.path for draft in drafts for neighbor in draft.neighbors}
    there = sorted(path for path in near if os.path.exists(path))
    wanted = list(dict.fromkeys([*(draft.path for draft in drafts), *there]))
    done: list[str] = []

    def count(path: str) -> None:
        done.append(path)
        tell("looking for matching passages", len(done), len(wanted))

    return embed_windows_isolated(wanted, context.model, jobs=jobs, progress=count)


def _release(
    draft: _Draft,
    batch: Sequence[_Draft],
    context: CatalogContext,
    windows: dict[str, WindowEmbeddings],
    playlists: Sequence[Playlist],
    recommender: AudiencePredictor | None,
) -> Release:
    one, answer, metadata = draft.one, draft.answer, draft.one.item.metadata
    own = windows.get(draft.path)
    heard, said = (one.heard.probabilities, one.heard.said) if one.heard else ({}, ())
    doubles = context.doubles(one)
    unusual = context.outliers.judge(one.audio, main_artist(one.item.metadata))
    findings = [
        *check_metadata(
            metadata,
            descriptors=answer["descriptors"],
            heard=heard,
            tags=context.model.tags,
            codec=answer["codec"],
            sr=answer["sr"],
            channels=answer["channels"],
        ),
        *draft.findings,
        *_in_batch(draft, batch),
        *(
            Finding(
                "error",
                "isrc of another recording",
                "isrc",
                f"{double.words} as {double.name}, which sounds different.",
            )
            for double in doubles
            if double.kind == "same recording" and double.cosine < _OTHER_MUSIC
        ),
    ]
    kinds = {tag.name: tag.kind for tag in context.model.tags}
    audience = None
    if recommender is not None:
        audience = recommender.audience(Items([one.item], one.audio[None]), _AUDIENCE)
    fits = (playlist.fit(one, draft.scores, draft.path, context) for playlist in playlists)
    return Release(
        path=draft.path,
        id=answer["id"],
        metadata=metadata,
        seconds=answer["seconds"],
        codec=answer["codec"],
        sr=answer["sr"],
        channels=answer["channels"],
        problem=answer["problem"],
        descriptors=answer["descriptors"],
        heard=tuple(HeardTag(name, kinds[name], heard[name]) for name in said),
        neighbors=tuple(_with_passage(near, own, windows) for near in draft.neighbors),
        artists=context.similar_artists(one, draft.scores),
        playlists=tuple(sorted(filter(None, fits), key=lambda found: found.order)),
        doubles=doubles,
        audience=audience,
        unusual=unusual,
        confidence=judge_confidence(
            seconds=answer["seconds"],
            active=own.active if own else 1.0,
            problem=answer["problem"],
            tracks=len(context.items),
            fields=sum(name != "audio" for name in one.fields),
            percentile=unusual.percentile if unusual else None,
        ),
        findings=by_severity(findings),
        envelope=own.envelope() if own else (),
        windows=tuple(own.times.round(2).tolist()) if own else (),
    )


def _with_passage(
    near: Neighbor, own: WindowEmbeddings | None, windows: dict[str, WindowEmbeddings]
) -> Neighbor:
    other = windows.get(near.path)
    if own is None or other is None:
        return near
    curve = likeness(own.vectors, other.vectors).astype(np.float64).round(3)
    return replace(
        near,
        passage=match_passage(own, other),
        curve=tuple(curve.tolist()),
        envelope=other.envelope(),
    )


def _in_batch(draft: _Draft, batch: Sequence[_Draft]) -> list[Finding]:
    """Look for what two releases of one batch cannot share."""
    found = []
    isrc = draft.one.item.metadata.isrc
    for other in batch:
        if other is draft:
            continue
        name = os.path.basename(other.path)
        if other.answer["id"] == draft.answer["id"]:
            text = f"The same audio as {name} of this batch."
            found.append(Finding("error", "same audio", "file", text))
        elif isrc and isrc == other.one.item.metadata.isrc:
            text = f"The same ISRC as {name} of this batch."
            found.append(Finding("error", "same isrc", "isrc", text))
    return found
