"""Fit the tag head of a shipped model from the labels of `taffc` and a teacher's tags.

    python recipes/tags.py MODEL DATA --teacher TEACHERS/msd-tags --names msd_musicnn.json \
        --cv work/fold{fold} --report tags.md

DATA holds the folders `taffc`, `game_music` and `free_music`. Labels come from `taffc`: genres, and
mood words with at least 25 clips. Each is mixed with a hint: the teacher's tag of the same meaning
for a genre, the word's frequency in the clip's mood quadrant for a mood. Other tags are learned
from the teacher alone, on all three folders.

`--cv` names one model a fold, trained on the other folds. A tag's reliability is measured with
them: fitted on four folds, said of the fifth. Tags that fail are dropped: of those with labels, a
ROC AUC below 0.75; of the teacher's, a rank correlation with the teacher below 0.8. MODEL gets the
head fitted on everything; `--cv` models get none.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from musicu import Encoder, load
from musicu.audio.mel import log_mel
from musicu.evaluation.encoders.dataset import Collection, read_tables, select
from musicu.training.taghead import best_threshold, fit_tags, write_tags

FEWEST = 25
LEAST_AUC, LEAST_AGREEMENT = 0.75, 0.8
# Of words said of the very same clips one is enough: these, else the first.
PREFERRED = {"calm", "mellow", "nervous", "quiet", "tense"}
# Labels for which the teacher has a word, with the words.
SAME = {
    "Jazz": ("jazz",),
    "Electronic": ("electronic", "electronica"),
    "Country": ("country",),
    "Blues": ("blues",),
    "Folk": ("folk",),
    "Rap": ("Hip-Hop",),
    "R&B": ("rnb", "soul"),
    "Pop/Rock": ("rock", "pop"),
    "Easy Listening": ("easy listening",),
}
# The teacher's words that are about something else than genre.
KINDS = {
    "mood": ("beautiful", "chillout", "chill", "Mellow", "party", "catchy", "sexy", "sad", "happy"),
    "instrument": ("guitar", "acoustic", "instrumental"),
    "voice": ("female vocalists", "male vocalists", "female vocalist"),
    "era": ("60s", "70s", "80s", "90s", "00s", "oldies"),
}
RENAMED = {"female vocalists": "female vocals", "male vocalists": "male vocals"}
# Says the same as another of the teacher's words.
LEFT_OUT = {"female vocalist", "chill", "House"}


def main() -> None:
    """Measure over the folds, fit on everything, write the head and the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--teacher", type=Path, required=True, help="model folder of its tags")
    parser.add_argument("--names", type=Path, required=True, help="JSON with its tags' names")
    parser.add_argument("--cv", required=True, help="model folders with {fold} in their name")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("tags-cache"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    labelled = select(
        read_tables([arguments.data / "taffc" / n for n in ("manifest.csv", "source_info.csv")])
    )
    others = [
        select(read_tables([arguments.data / folder / "manifest.csv"]))
        for folder in ("game_music", "free_music")
    ]
    files = [*labelled.files, *(file for other in others for file in other.files)]
    artist = np.concatenate([labelled.artist, *(other.artist for other in others)])
    n = len(labelled.files)
    spoken = json.loads(arguments.names.read_text())["tags"]
    teacher = said(arguments.teacher, files, arguments.cache)

    names, kinds, wanted = labels_of(labelled)
    learned = [i for i, name in enumerate(spoken) if name not in LEFT_OUT]
    lower = {name.lower() for name in names}
    learned = [i for i in learned if spoken[i].lower() not in lower]
    label_count = len(names)
    for i in learned:
        names.append(RENAMED.get(spoken[i], spoken[i].lower()))
        kinds.append(next((kind for kind, of in KINDS.items() if spoken[i] in of), "genre"))
    wanted = np.vstack([wanted, np.full((len(files) - n, label_count), np.nan)])
    wanted = np.hstack([wanted, teacher[:, learned]])

    def hints(known: np.ndarray) -> np.ndarray:
        """Hints for all clips, from what is known of some."""
        of = np.full(wanted.shape, np.nan)
        rows = known[known < n]
        for i in range(label_count):
            of[:n, i] = hint(names[i], kinds[i], wanted[:n, i], rows, labelled, spoken, teacher)
        return of

    heard = np.full((n, len(names)), np.nan)
    for fold in np.unique(labelled.fold):
        model = Path(arguments.cv.replace("{fold}", fold))
        vectors = embedded(model, files, arguments.cache)
        away = np.flatnonzero(labelled.fold == fold)
        kept = np.setdiff1d(np.arange(len(files)), away)
        fit = fit_tags(vectors[kept], wanted[kept], artist[kept], hints=hints(kept)[kept])
        heard[away] = sigmoid(vectors[away] @ fit.weights.T + fit.bias)

    tags, rows = [], []
    for i, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        entry, row = judged(
            name, kind, heard[:, i], wanted[:n, i], spoken, teacher, i < label_count
        )
        rows.append(row)
        tags.append(entry)
    kept_tags = [i for i, entry in enumerate(tags) if entry is not None]
    vectors = embedded(arguments.model, files, arguments.cache)
    fit = fit_tags(vectors, wanted, artist, hints=hints(np.arange(len(files))))
    write_tags(
        arguments.model,
        [{k: v for k, v in tags[i].items() if v is not None} for i in kept_tags],
        fit.weights[kept_tags],
        fit.bias[kept_tags],
    )
    with open(arguments.report, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    summary(rows, label_count)


def labels_of(labelled: Collection) -> tuple[list[str], list[str], np.ndarray]:
    """Labels of `taffc`: names, kinds, and a matrix [clips, tags]."""
    names, kinds, wanted, seen = [], [], [], set()
    for column, kind in (("genres", "genre"), ("moods", "mood")):
        sets = labelled.multi[column]
        for name in sorted(frozenset().union(*sets), key=lambda n: (n not in PREFERRED, n)):
            has = np.array([name in of for of in sets], dtype=np.float64)
            if has.sum() >= FEWEST and has.tobytes() not in seen:
                seen.add(has.tobytes())
                names.append(name)
                kinds.append(kind)
                wanted.append(has)
    return names, kinds, np.array(wanted).T


def hint(
    name: str,
    kind: str,
    has: np.ndarray,
    known: np.ndarray,
    labelled: Collection,
    spoken: list[str],
    teacher: np.ndarray,
) -> np.ndarray:
    """How probable a label is by the teacher's word for it, or by the clip's quadrant."""
    of = np.full(len(has), np.nan)
    if name in SAME:
        of = teacher[: len(has), [spoken.index(word) for word in SAME[name]]].max(axis=1)
        of = np.clip(of * has[known].mean() / of[known].mean(), 0, 1)
    elif kind == "mood":
        quadrants = labelled.single["quadrant"]
        for quadrant in np.unique(quadrants):
            inside = known[quadrants[known] == quadrant]
            of[quadrants == quadrant] = has[inside].mean()
    return of


def judged(
    name: str,
    kind: str,
    heard: np.ndarray,
    wanted: np.ndarray,
    spoken: list[str],
    teacher: np.ndarray,
    labelled: bool,
) -> tuple[dict | None, dict]:
    """Entry for the config, None if the tag fails; row for the report."""
    row = {"name": name, "kind": kind, "learned from": "labels" if labelled else "teacher"}
    if labelled:
        truth = wanted > 0.5
        auc, ap = roc_auc_score(truth, heard), average_precision_score(truth, heard)
        row |= {"clips": int(truth.sum()), "auc": round(auc, 3), "ap": round(ap, 3)}
        row["teacher auc"] = row["teacher ap"] = row["agreement"] = ""
        words = SAME.get(name, (name,))
        at = [i for i, word in enumerate(spoken) if word.lower() in {w.lower() for w in words}]
        if at:
            own = teacher[: len(truth), at].max(axis=1)
            row["teacher auc"] = round(roc_auc_score(truth, own), 3)
            row["teacher ap"] = round(average_precision_score(truth, own), 3)
        passed = auc >= LEAST_AUC
    else:
        # The teacher's loudest tenth stands for its yes.
        truth = wanted >= np.quantile(wanted, 0.9)
        agreement = float(spearmanr(wanted, heard).statistic)
        auc = ap = None
        row |= {"clips": "", "auc": "", "ap": "", "teacher auc": "", "teacher ap": ""}
        row["agreement"] = round(agreement, 3)
        passed = agreement >= LEAST_AGREEMENT
    row["calibration gap"] = round(abs(heard.mean() - wanted.mean()), 4)
    row["shipped"] = "yes" if passed else "no"
    if not passed:
        return None, row
    entry = {
        "name": name.lower() if kind == "mood" else name,
        "kind": kind,
        "threshold": best_threshold(truth, heard),
        "auc": None if auc is None else round(float(auc), 3),
        "ap": None if ap is None else round(float(ap), 3),
        "positives": int(truth.sum()) if labelled else None,
    }
    return entry, row


def summary(rows: list[dict], label_count: int) -> None:
    """Print the macro figures."""
    for kind in ("genre", "mood"):
        of = [r for r in rows[:label_count] if r["kind"] == kind]
        kept = [r for r in of if r["shipped"] == "yes"]
        for text, some in ((f"{len(of)} {kind} labels", of), (f"the {len(kept)} shipped", kept)):
            auc, ap = (np.mean([r[key] for r in some]) for key in ("auc", "ap"))
            print(f"{text}: macro ROC AUC {auc:.3f}, AP {ap:.3f}")
    both = [r for r in rows[:label_count] if r["teacher auc"] != ""]
    for who in ("", "teacher "):
        auc, ap = (np.mean([r[who + key] for r in both]) for key in ("auc", "ap"))
        print(f"{who or 'ours '}on the {len(both)} both know: ROC AUC {auc:.3f}, AP {ap:.3f}")
    rest = rows[label_count:]
    kept = [r for r in rest if r["shipped"] == "yes"]
    print(f"{len(kept)} of {len(rest)} of the teacher's other tags shipped")


def embedded(model: Path, files: list[Path], cache: Path) -> np.ndarray:
    """Embed the clips, once a model."""
    encoder = Encoder.from_pretrained(model)
    stored = cache / f"{encoder.model.sha256[:16]}.npy"
    if not stored.exists():
        rows = [encoder.embed(*load(file, sr=encoder.model.front_end.sr)) for file in files]
        np.save(stored, np.array(rows))
    return np.load(stored, allow_pickle=False)


def said(model: Path, files: list[Path], cache: Path) -> np.ndarray:
    """Mean of the teacher's probabilities over each clip."""
    encoder = Encoder.from_pretrained(model)
    stored = cache / f"said-{encoder.model.sha256[:16]}.npy"
    if not stored.exists():
        rows = []
        for file in files:
            y, _ = load(file, sr=encoder.model.front_end.sr)
            windows, _ = log_mel(y, encoder.model.front_end)
            rows.append(encoder.run(windows).mean(axis=0))
        np.save(stored, np.array(rows))
    return np.load(stored, allow_pickle=False).astype(np.float64)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Map log-odds to probabilities."""
    return 0.5 * (1 + np.tanh(x / 2))


if __name__ == "__main__":
    main()
