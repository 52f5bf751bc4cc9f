"""The clips of a training: heard, labelled, and divided into a training and a held-out part."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.heard import HeardFolder, heard_folder
from musicu.training.clips import Clip, hold_out_clips, require_clips
from musicu.training.data import Cache, Material
from musicu.training.labels import Labels, label_clips
from musicu.training.plan import Plan
from musicu.training.start import HEARD_NOTE
from musicu.training.views import View, altered_views, clean_views, view_weights

__all__ = ["TrainingSet", "build_training_set", "note_heard"]


@dataclass(frozen=True)
class TrainingSet:
    """What there is to train on, and what is known of it.

    Attributes
    ----------
    clips : list of Clip
        Those that could be heard.
    skipped : dict of str to str
        Reason for each file that could not be used.
    labels : Labels
        Of the clips.
    held : np.ndarray [shape=(clips,), bool]
        Clips not to train on.
    material : Material
        Windows of all views; the first views are the clean ones, in the clips' order.
    source : np.ndarray [shape=(views,), int64]
        Number of the folder that each view is of.
    """

    clips: list[Clip]
    skipped: dict[str, str]
    labels: Labels
    held: NDArray[np.bool_]
    material: Material
    source: NDArray[np.int64]


def build_training_set(
    plan: Plan,
    clips: Sequence[Clip],
    skipped: dict[str, str],
    work: Path,
    *,
    jobs: int,
    heard: Callable[[int, int], None],
) -> TrainingSet:
    """Hear all clips, clean and altered, and ask the teachers of them.

    Parameters
    ----------
    plan : Plan
        What to do.
    clips : sequence of Clip
        The files, each recording once.
    skipped : dict of str to str
        Reasons for files that are not among them; ``skipped.csv`` in ``work`` gets all.
    work : Path
        Folder of what was heard before, and will be now.
    jobs : int
        Files to hear at a time.
    heard : callable
        Told of versions done, and versions in all.

    Raises
    ------
    ModelError
        Too few clips can be used, or those to hold out cannot be chosen.
    MetadataError
        The labels fit no clip.
    """
    recipe = plan.recipe
    cache = Cache(work / "cache", plan.front_end, plan.teachers)

    def hear(views: Sequence[View], expected: int = 0) -> dict[str, str]:
        """Fill the cache; return the reason for each file that cannot be used."""
        failed = {}
        outcomes = cache.fill(views, seed=recipe.seed, jobs=jobs)
        for done, (view, reason) in enumerate(outcomes, start=1):
            if reason:
                failed[str(view.path)] = reason
            heard(done, len(views) + expected)
        return dict(sorted(failed.items()))

    unheard = hear(clean_views(clips), expected=len(clips) * recipe.views)
    skipped = skipped | unheard
    _write_skipped(work / "skipped.csv", skipped)
    clips = [clip for clip in clips if str(clip.path) not in unheard]
    require_clips(clips, skipped)
    labels = label_clips(clips, plan.collections)
    artists = labels.artist.tolist() if plan.labels else None
    held = hold_out_clips(clips, artists, plan.hold_out, seed=recipe.seed)
    mixed = bool(plan.teachers)
    altered = altered_views(clips, held, recipe.views, mixed=mixed, seed=recipe.seed)
    views = [*clean_views(clips), *altered]
    hear(views)
    of = np.array([view.clip for view in views])
    source = np.array([clip.source for clip in clips])[of]
    weight = view_weights(plan.sources, source, held[of])
    material = Material.gather(cache, views, held=held[of], weight=weight)
    return TrainingSet(clips, skipped, labels, held, material, source)


def note_heard(plan: Plan, data: TrainingSet, work: Path) -> list[HeardFolder] | None:
    """Note in the work folder which clips the weights learn from, those of a start included.

    Parameters
    ----------
    plan, data
        What is trained, and on what; clips that are held out count as not heard.
    work : Path
        The work folder; runs that start from it read the note.

    Returns
    -------
    list of HeardFolder or None
        Folder by folder, first those of what it starts from; None if that has no note.
    """
    heard: list[HeardFolder] = []
    if plan.start is not None:
        if plan.start.heard is None:
            (work / HEARD_NOTE).unlink(missing_ok=True)
            return None
        heard = list(plan.start.heard)
    for number, source in enumerate(plan.sources):
        pairs = zip(data.clips, data.held.tolist(), strict=True)
        learned = [c.identity for c, held in pairs if c.source == number and not held]
        now = heard_folder(source.folder, learned)
        if now.identities and now.sha256 not in {one.sha256 for one in heard}:
            heard.append(now)
    text = json.dumps([one.to_dict() for one in heard])
    (work / HEARD_NOTE).write_text(text, encoding="utf-8")
    return heard


def _write_skipped(file: Path, skipped: dict[str, str]) -> None:
    with open(file, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        csv.writer(stream).writerows([("path", "reason"), *skipped.items()])
