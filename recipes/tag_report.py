"""What a tag head is worth: on labels beside its teachers, on renders, on what is no music."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from tag_pool import Pool, Word, ensemble, labels, own_words, sigmoid
from teacher_words import TEACHERS

from musicu.encoders.tag import NON_MUSIC

__all__ = ["report"]

FEWEST = 8
ENSEMBLES = ("orchestra", "strings", "piano", "choir", "band", "synth")


def report(
    words: list[Word],
    pool: Pool,
    learned: Any,
    tags: list[dict],
    kept: list[int],
    known: tuple[np.ndarray, float],
    other: Pool | None,
    teachers: Path,
) -> None:
    """Print all tables: of clips learned from, what heads say that were fitted without theirs."""
    print(f"\n{len(kept)} of {len(words)} words: {dict(Counter(t['kind'] for t in tags))}")
    fit = learned.fit
    _table(
        "labels that were learned from, on groups left out",
        words,
        pool,
        fit.held_out,
        learned.truth,
        teachers,
        pool.music,
    )
    truth = labels(words, pool, [word.check for word in words])
    _table(
        "labels that were not learned from, on groups left out",
        words,
        pool,
        fit.held_out,
        truth,
        teachers,
        pool.music,
    )
    heard = None
    if other is not None:
        files = {clip.file.name for clip in pool.clips}
        fresh = np.array([clip.file.name not in files for clip in other.clips])
        heard = sigmoid(other.vectors @ fit.weights.T + fit.bias)
        for name in dict.fromkeys(clip.collection for clip in other.clips):
            truth = labels(words, other, [word.check for word in words])
            _table(
                f"labels of {name}, none of it learned from",
                words,
                other,
                heard,
                truth,
                teachers,
                fresh & other.of(name),
            )
    _first_genres(words, pool, fit.held_out, tags, kept)
    _non_music(words, pool, fit.held_out, tags)
    if other is not None:
        print("the same, of collections that were not learned from")
        _non_music(words, other, heard, tags)
    _unsure(words, pool, fit.held_out, tags, known)
    if other is not None:
        print("the same, of collections that were not learned from")
        _unsure(words, other, heard, tags, known)


def _table(
    title: str,
    words: list[Word],
    pool: Pool,
    heard: np.ndarray,
    truth: np.ndarray,
    teachers: Path,
    among: np.ndarray,
) -> None:
    """Compare the head with each teacher's own words, by AUC and average precision."""
    said = {name: own_words(words, pool, name, teachers) for name in TEACHERS}
    lines, sums = [], Counter()
    for at, word in enumerate(words):
        theirs = {name: values[:, at] for name, values in said.items()}
        theirs = {name: own for name, own in theirs.items() if not np.isnan(own).all()}
        known = among & ~np.isnan(truth[:, at])
        # All are asked the same.
        known &= ~np.isnan(list(theirs.values())).any(axis=0) if theirs else True
        yes = truth[known, at] > 0.5
        if not FEWEST <= yes.sum() < len(yes):
            continue
        mine = _scores(yes, heard[known, at])
        scores = {name: _scores(yes, own[known]) for name, own in theirs.items()}
        best = max((one[0] for one in scores.values()), default=np.nan)
        cells = [f"{scores[n][0]:.3f}, {scores[n][1]:.2f}" if n in scores else "" for n in TEACHERS]
        lines.append(
            f"| {word.kind} | {word.name} | {yes.sum()} | {mine[0]:.3f}, {mine[1]:.2f} | "
            + " | ".join(cells)
            + " |"
        )
        key = word.kind
        sums[key, "n"] += 1
        sums[key, "auc"] += mine[0]
        sums[key, "ap"] += mine[1]
        if scores:
            sums[key, "both"] += 1
            sums[key, "own"] += mine[0]
            sums[key, "best"] += best
            sums[key, "best ap"] += max(one[1] for one in scores.values())
            sums[key, "own ap"] += mine[1]
            sums[key, "reached"] += best >= 0.9
            sums[key, "kept up"] += best >= 0.9 and mine[0] >= 0.9
    print(f"\n## {title}: ROC AUC, average precision\n")
    print("| kind | word | clips | head | " + " | ".join(TEACHERS) + " |")
    print("|---|---|---|---|" + "---|" * len(TEACHERS))
    print("\n".join(lines))
    for kind in dict.fromkeys(word.kind for word in words):
        if n := sums[kind, "n"]:
            both = max(sums[kind, "both"], 1)
            print(
                f"{kind}: {n} words, AUC {sums[kind, 'auc'] / n:.3f}, AP {sums[kind, 'ap'] / n:.3f}"
                f"; on the {sums[kind, 'both']} of a teacher: AUC {sums[kind, 'own'] / both:.3f}"
                f" (best teacher of each {sums[kind, 'best'] / both:.3f}), AP"
                f" {sums[kind, 'own ap'] / both:.3f} ({sums[kind, 'best ap'] / both:.3f});"
                f" .9 kept in {sums[kind, 'kept up']} of the {sums[kind, 'reached']} reached"
            )


def _scores(yes: np.ndarray, heard: np.ndarray) -> tuple[float, float]:
    return float(roc_auc_score(yes, heard)), float(average_precision_score(yes, heard))


def _first_genres(
    words: list[Word], pool: Pool, heard: np.ndarray, tags: list[dict], kept: list[int]
) -> None:
    """Tell which genre comes first for renders of each ensemble."""
    genres = [at for at in kept if words[at].kind == "genre"]
    limits = np.array([tag["threshold"] for tag in tags if tag["kind"] == "genre"])
    print("\n## first genre of renders, by who plays\n")
    print(
        "| ensemble | renders | electronic is the most probable | is said first | unsure | first |"
    )
    print("|---|---|---|---|---|---|")
    for name in ENSEMBLES:
        rows = [at for at, clip in enumerate(pool.clips) if ensemble(clip, name) == 1]
        if not rows:
            continue
        p = heard[np.ix_(rows, genres)]
        probable = [words[genres[at]].name for at in p.argmax(axis=1)]
        allowed = np.where(p >= limits, p, -1)
        said = [
            words[genres[at]].name if row.max() >= 0 else "unsure"
            for row, at in zip(allowed, allowed.argmax(axis=1), strict=True)
        ]
        share = [
            np.mean([one == word for one in which])
            for which, word in ((probable, "electronic"), (said, "electronic"), (said, "unsure"))
        ]
        common = ", ".join(f"{word} {n}" for word, n in Counter(said).most_common(4))
        print(
            f"| {name} | {len(rows)} | "
            + " | ".join(f"{one:.1%}" for one in share)
            + f" | {common} |"
        )


def _non_music(words: list[Word], pool: Pool, heard: np.ndarray, tags: list[dict]) -> None:
    """Tell how much of each kind is marked as no music, and as speech."""
    places = {word.name: at for at, word in enumerate(words)}
    limits = {tag["name"]: tag["threshold"] for tag in tags}
    if NON_MUSIC not in limits:
        print("\nwhat is no music is not told")
        return
    sounds = heard[:, places[NON_MUSIC]] >= limits[NON_MUSIC]
    spoken = sounds & (heard[:, places["speech"]] >= limits.get("speech", 2))
    kind, split = pool.column("kind"), pool.column("split")
    print("\n## marked as no music\n")
    print("| what | clips | no music | speech |")
    print("|---|---|---|---|")
    for name in dict.fromkeys(clip.collection for clip in pool.clips):
        for which in dict.fromkeys(kind[pool.of(name)]):
            for part in dict.fromkeys(split[pool.of(name) & (kind == which)]):
                rows = pool.of(name) & (kind == which) & (split == part)
                print(
                    f"| {name} {which} {part} | {rows.sum()} | {sounds[rows].mean():.1%}"
                    f" | {spoken[rows].mean():.1%} |"
                )


def _unsure(
    words: list[Word],
    pool: Pool,
    heard: np.ndarray,
    tags: list[dict],
    known: tuple[np.ndarray, float],
) -> None:
    """Tell of how much nothing is said: unlike all that was learned from, or no genre or mood."""
    limits = {tag["name"]: tag["threshold"] for tag in tags}
    far = (pool.vectors @ known[0].T).max(axis=1) < known[1]
    silent = {}
    for kind in ("genre", "mood"):
        at = [i for i, word in enumerate(words) if word.kind == kind and word.name in limits]
        bounds = np.array([limits[words[i].name] for i in at])
        silent[kind] = ~(heard[:, at] >= bounds).any(axis=1)
    kinds = pool.column("kind")
    print("\n## unsure\n")
    print("| what | clips | unfamiliar | no genre | no mood |")
    print("|---|---|---|---|---|")
    for name in dict.fromkeys(clip.collection for clip in pool.clips):
        for which in dict.fromkeys(kinds[pool.of(name)]):
            rows = pool.of(name) & (kinds == which)
            print(
                f"| {name} {which} | {rows.sum()} | {far[rows].mean():.1%} | "
                f"{silent['genre'][rows].mean():.1%} | {silent['mood'][rows].mean():.1%} |"
            )
