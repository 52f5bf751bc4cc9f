"""Fit the tag head of a model from the words of published taggers and from labels; measure it.

    python recipes/tags.py MODEL --teachers TEACHERS --cache CACHE --report words.csv \
        --data DATA/game_music DATA/free_music DEBIAN RENDERS SUNG NONMUSIC \
        --measure DATA/taffc DATA/free_music

`words.csv`, beside this file, says which words of which teacher vote for each of ours, and which
labels are true of it. TEACHERS holds the teachers (see `teacher_words.py`, which asks them), CACHE
what they said. Folders of `--data` are learned from; of `--measure` the labels only tell how good
the words are. Rows that are not for commercial use (`nc`), and labels that `words.csv` keeps for
measuring, are learned from with `--research` only. From where on something is no music is chosen
with all of them in view: of no collection of music more than one in 200 may be taken for none.

1. *Votes.* Each teacher's log-odds are brought to one scale by a slope and an offset, fitted on the
   words of which the renders and the sounds know the truth. A word's vote is the mean over its
   teachers.
2. *Fit.* One logistic regression a word on the vector: to the labels where there are, mixed with
   the votes, and to the votes elsewhere. Of what is no music no word of music is true.
3. *Calibration, thresholds, reliability* on artists, projects, scores and voices that were left
   out. A word that is not heard is dropped.
4. *What is familiar*: centers of the vectors learned from, and the cosine that one clip in a
   hundred of groups left out is below.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score
from tag_pool import Pool, Word, ensemble, labels, own_words, read_pool, read_words, sigmoid
from tag_report import report
from teacher_words import TEACHERS, Teacher, answers, read_clips

from musicu.encoders.tag import NON_MUSIC
from musicu.evaluation.retrieval_metrics import artist_parts
from musicu.training.taghead import TagFit, best_threshold, fit_tags, write_tags

WORDS = Path(__file__).with_name("words.csv")
# A word stays whose labels are told apart this well, or whose votes are followed so closely.
LEAST_AUC, LEAST_AGREEMENT = 0.7, 0.6
# Nor does one stay that fails on the labels of music it did not learn from.
LEAST_ELSEWHERE = 0.65
# Fewer clips in which it is voted or labelled true tell nothing.
FEWEST = 8
# Labels weigh as much as votes where both speak.
TRUST = 0.5
# A collection counts as so many clips at most.
COUNTS = 400
# Of music so much may be taken for none.
MISTAKEN = 0.005
# Of what these play so much may be called electronic.
ACOUSTIC, SYNTHETIC = ("orchestra", "strings", "piano", "choir"), 0.02
CENTERS, UNLIKE = 128, 0.01
BETA = 0.7  # what is said had better be right


@dataclass(frozen=True, eq=False)
class Learned:
    """What the head is fitted to, and what came of it.

    Attributes
    ----------
    truth : np.ndarray [shape=(n, n_words)]
        Labels; NaN where there is none.
    votes : np.ndarray [shape=(n, n_words)]
        Probabilities by the teachers; NaN for words of which none speaks.
    fit : TagFit
    """

    truth: np.ndarray
    votes: np.ndarray
    fit: TagFit


def main() -> None:
    """Ask, fit, write and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("words-cache"))
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--measure", type=Path, nargs="*", default=[])
    parser.add_argument("--most", type=int, default=600, help="clips of a folder")
    parser.add_argument("--research", action="store_true", help="learn from all rows and labels")
    parser.add_argument("--report", type=Path, required=True, help="CSV with a row a word")
    parser.add_argument("--offline", action="store_true", help="only clips already asked about")
    parser.add_argument("--dry-run", action="store_true", help="measure, but write no head")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    words = read_words(WORDS)
    if not arguments.offline:
        ask(arguments)
    own = arguments.model, arguments.teachers, arguments.cache, arguments.most
    if arguments.research:
        words = [replace(word, fit=(*word.fit, *word.check)) for word in words]
    pool = read_pool(arguments.data, *own, free=not arguments.research)
    learned = learn(words, pool, arguments.teachers)
    other = read_pool(arguments.measure, *own, free=False) if arguments.measure else None
    tags, kept, rows = judge(words, pool, learned, other)
    known = familiar(pool)
    if not arguments.dry_run:
        weights, bias = learned.fit.weights[kept], learned.fit.bias[kept]
        write_tags(arguments.model, tags, weights, bias, known=known)
    report(words, pool, learned, tags, kept, known, other, arguments.teachers)
    with open(arguments.report, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def ask(arguments: argparse.Namespace) -> None:
    """Have the teachers speak of all clips of which they have not yet."""
    folders = [*arguments.data, *arguments.measure]
    clips = [clip for folder in folders for clip in read_clips(folder, arguments.most)]
    for name in TEACHERS:
        teacher = Teacher(arguments.teachers, name)
        for at, _ in enumerate(answers(teacher, clips, arguments.cache / "teachers"), start=1):
            if at % 50 == 0:
                print(f"{name}: {at} of {len(clips)}", flush=True)


def learn(words: list[Word], pool: Pool, teachers: Path) -> Learned:
    """Fit the head."""
    truth = labels(words, pool, [word.fit for word in words])
    for at, word in enumerate(words):
        if word.kind != "non-music":
            truth[~pool.music, at] = 0.0
        elif word.name in (NON_MUSIC, "speech"):
            truth[pool.music, at] = 0.0
    votes = sigmoid(vote(words, pool, truth, teachers))
    # What nobody votes for is learned from labels alone; what has no label, from votes alone.
    wanted = np.where(np.isnan(votes), truth, (1 - TRUST) * truth + TRUST * votes)
    wanted = np.where(np.isnan(truth), votes, wanted)
    wanted[:, ~np.isfinite(wanted).any(axis=0)] = 0.0
    # Where all is known to the letter, votes only blur.
    exact = [at for at, word in enumerate(words) if word.name in (NON_MUSIC, "speech")]
    wanted[:, exact] = np.where(np.isnan(truth[:, exact]), wanted[:, exact], truth[:, exact])
    fit = fit_tags(pool.vectors, wanted, pool.groups, weight=shares(pool))
    return Learned(truth, votes, fit)


def vote(words: list[Word], pool: Pool, truth: np.ndarray, teachers: Path) -> np.ndarray:
    """Return log-odds [n, n_words] of the words by their teachers' votes; NaN without a teacher."""
    said = {name: own_words(words, pool, name, teachers) for name in TEACHERS}
    scale = {name: one_scale(said[name], truth, shares(pool)) for name in TEACHERS}
    for name, (slope, offset) in scale.items():
        print(f"{name}: log-odds x {slope:.2f} {offset:+.2f}")
    brought = [slope * said[name] + offset for name, (slope, offset) in scale.items()]
    voices = (~np.isnan(brought)).sum(axis=0)
    total: np.ndarray = np.where(voices, np.nansum(brought, axis=0) / np.maximum(voices, 1), np.nan)
    return total


def one_scale(said: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Fit slope and offset of a teacher's log-odds to all labels of all its words (Platt 1999)."""
    from sklearn.linear_model import LogisticRegression

    known = ~np.isnan(said) & ~np.isnan(truth)
    known &= (np.nansum(truth, axis=0) >= FEWEST)[None]
    yes = truth[known] > 0.5
    if not yes.any() or yes.all():
        return 1.0, 0.0
    at = np.nonzero(known)
    # Each word counts the same, whether it is true of many clips or of few.
    counts = weight[at[0]] / np.maximum(known.sum(axis=0), 1)[at[1]]
    model = LogisticRegression(C=1e6)
    model.fit(said[known][:, None], yes, sample_weight=counts / counts.mean())
    return max(float(model.coef_[0, 0]), 0.1), float(model.intercept_[0])


def shares(pool: Pool) -> np.ndarray:
    """Return what each clip counts: a large collection no more than a small one, nearly."""
    names = np.array([clip.collection for clip in pool.clips])
    sizes = dict(zip(*np.unique(names, return_counts=True), strict=True))
    return np.array([min(1.0, COUNTS / sizes[name]) for name in names])


def judge(
    words: list[Word], pool: Pool, learned: Learned, other: Pool | None = None
) -> tuple[list[dict], list[int], list[dict]]:
    """Return entries of the config, the places of the words kept, and rows of the report."""
    tags, kept, rows = [], [], []
    elsewhere = truth_elsewhere = np.empty(0)
    if other is not None:
        elsewhere = sigmoid(other.vectors @ learned.fit.weights.T + learned.fit.bias)
        truth_elsewhere = labels(words, other, [one.check for one in words])
    for at, word in enumerate(words):
        heard, truth, votes = (
            values[:, at] for values in (learned.fit.held_out, learned.truth, learned.votes)
        )
        # A word of music is judged on music, and one of sounds on all.
        among = pool.music if word.kind != "non-music" else np.ones(len(heard), dtype=bool)
        labelled = among & ~np.isnan(truth)
        yes = truth[labelled] > 0.5
        row = {"word": word.name, "kind": word.kind, "clips": int(yes.sum())}
        row |= {"auc": None, "ap": None, "agreement": None, "votes": None, "threshold": None}
        row["elsewhere"] = None
        row["auc"] = auc_of(truth[among], heard[among])
        if row["auc"] is not None:
            row["ap"] = round(float(average_precision_score(yes, heard[labelled])), 3)
        if not np.isnan(votes).all():
            voted = among & ~np.isnan(votes)
            row["votes"] = int((votes[voted] > 0.5).sum())
            row["agreement"] = round(float(spearmanr(votes[voted], heard[voted]).statistic), 3)
        if other is not None:
            row["elsewhere"] = auc_of(truth_elsewhere[:, at], elsewhere[:, at])
        row["shipped"] = "yes" if passes(row) else "no"
        rows.append(row)
        if row["shipped"] == "no":
            continue
        row["threshold"] = threshold(word, pool, heard, truth, votes, among)
        if word.name == "electronic":
            row["threshold"] = max(row["threshold"], acoustic(pool, heard))
        if other is not None and word.name in (NON_MUSIC, "speech"):
            strict = loudest(other, elsewhere[:, at])
            row["threshold"] = max(row["threshold"], strict)
        kept.append(at)
        tags.append(entry(word, row))
    return tags, kept, rows


def passes(row: dict) -> bool:
    """Whether a word is heard well enough."""
    if row["elsewhere"] is not None and row["elsewhere"] < LEAST_ELSEWHERE:
        return False
    if row["auc"] is not None:
        return row["auc"] >= LEAST_AUC
    return row["agreement"] is not None and row["agreement"] >= LEAST_AGREEMENT


def auc_of(truth: np.ndarray, heard: np.ndarray) -> float | None:
    """Return the area under the ROC curve; None with too few labels of a kind."""
    known = ~np.isnan(truth)
    yes = truth[known] > 0.5
    if not FEWEST <= yes.sum() < len(yes):
        return None
    return round(float(roc_auc_score(yes, heard[known])), 3)


def threshold(
    word: Word,
    pool: Pool,
    heard: np.ndarray,
    truth: np.ndarray,
    votes: np.ndarray,
    among: np.ndarray,
) -> float:
    """Return the probability from which on a word is said."""
    if word.name in (NON_MUSIC, "speech"):
        return loudest(pool, heard)
    # Where nothing is labelled, a vote of a third is a third of a yes.
    yes = np.where(np.isnan(truth), votes, truth)
    known = among & ~np.isnan(yes)
    return max(best_threshold(yes[known], heard[known], BETA), 0.02)


def loudest(pool: Pool, heard: np.ndarray) -> float:
    """Return the probability that few of each collection of music are above, whatever its size."""
    names = np.array([clip.collection for clip in pool.clips])
    high = [
        np.quantile(heard[pool.music & (names == name)], 1 - MISTAKEN)
        for name in np.unique(names[pool.music])
    ]
    return round(min(float(max(high)) + 1e-3, 0.999), 3)


def acoustic(pool: Pool, heard: np.ndarray) -> float:
    """Return the probability that few renders of acoustic ensembles are above."""
    played = [any(ensemble(clip, one) == 1 for one in ACOUSTIC) for clip in pool.clips]
    return round(float(np.quantile(heard[played], 1 - SYNTHETIC)) + 1e-3, 3) if any(played) else 0.0


def entry(word: Word, row: dict) -> dict:
    """Return the entry of ``config.json``."""
    sources = [
        f"{teacher.split('_')[0]}: {name.removeprefix('-')}"
        for teacher, names in word.votes.items()
        for name in names
    ]
    made = {"name": word.name, "kind": word.kind, "threshold": row["threshold"]}
    made |= {"auc": row["auc"], "ap": row["ap"], "agreement": row["agreement"]}
    if row["auc"] is not None:
        made["positives"] = row["clips"]
    made["sources"] = sources + [f"labels: {name}" for name in word.fit]
    made["synonyms"] = list(word.synonyms)
    return {name: value for name, value in made.items() if value is not None}


def familiar(pool: Pool) -> tuple[np.ndarray, float]:
    """Return centers of the music learned from, and the cosine that few of it are below."""
    music = pool.vectors[pool.music]
    part = artist_parts(pool.groups[pool.music], 5, seed=0)
    near = np.empty(len(music))
    for number in range(5):
        inside = part == number
        near[inside] = (music[inside] @ centers(music[~inside]).T).max(axis=1)
    return centers(music), round(float(np.quantile(near, UNLIKE)), 3)


def centers(vectors: np.ndarray) -> np.ndarray:
    """Return the directions [k, dim] of k-means clusters of unit vectors."""
    from sklearn.cluster import KMeans

    means = KMeans(min(CENTERS, len(vectors)), n_init=1, random_state=0).fit(vectors)
    directions: np.ndarray = means.cluster_centers_
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
