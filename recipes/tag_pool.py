"""Clips to fit and measure a tag head with: who made them, what is true of them, in what shares.

A folder's `manifest.csv` names its clips; what is known of one stands in its columns: `instruments`
("piano:1.00|drums:0.94", shares of the time), `style`, `vocals`, `genres`, `moods`, `quadrant`,
`kind` (music, speech, noise and so on). A label is written `column:value`, several values with `/`
(a value may have one, too: `genres:Pop/Rock`).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from teacher_words import TEACHERS, Clip, Teacher, digest, read_clips

from musicu import Encoder, load
from musicu.errors import AudioError

__all__ = ["Pool", "Word", "label", "labels", "own_words", "read_pool", "read_words", "sigmoid"]

SURE = 1e-4  # log-odds end there
# An instrument that sounds for a smaller share of the time can be overheard.
HEARD = 0.3
STRINGS = {"strings", "violin", "viola", "cello", "double bass"}
WINDS = {"flute", "oboe", "clarinet", "bassoon", "brass", "trumpet"}
QUIET = STRINGS | WINDS | {"timpani", "harp", "piano", "harpsichord", "organ", "choir", "bells"}
SYNTHETIC = {"synth lead", "synth pad", "electric piano", "bass", "drums", "effects", "clavinet"}
# What manifests call music; without the column all is.
MUSIC = {"", "music", "song", "sung"}


@dataclass(frozen=True)
class Word:
    """A row of `words.csv`: a word, what votes for it, what is true of it.

    Attributes
    ----------
    name, kind : str
        As in the model's config.
    synonyms : tuple of str
    votes : dict of str to tuple of str
        Words of each teacher; one with a leading "-" votes against.
    fit, check : tuple of str
        Labels to learn from, and to measure with.
    """

    name: str
    kind: str
    synonyms: tuple[str, ...]
    votes: dict[str, tuple[str, ...]]
    fit: tuple[str, ...]
    check: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Pool:
    """Clips with their vectors.

    Attributes
    ----------
    clips : list of Clip
    groups : np.ndarray [shape=(n,), str]
        Who made each: never on both sides of a split.
    music : np.ndarray [shape=(n,), bool]
        Whether it is music.
    vectors : np.ndarray [shape=(n, dim), float32]
    answers : dict of str to np.ndarray [shape=(n, n_words)]
        What each teacher says; NaN where it was not asked.
    """

    clips: list[Clip]
    groups: np.ndarray
    music: np.ndarray
    vectors: np.ndarray
    answers: dict[str, np.ndarray]

    def of(self, collection: str) -> np.ndarray:
        """Tell which clips are of a collection."""
        return np.array([clip.collection == collection for clip in self.clips])

    def column(self, name: str) -> np.ndarray:
        """Return a column of the manifests; "" where there is none."""
        return np.array([clip.row.get(name) or "" for clip in self.clips])


def read_words(path: Path) -> list[Word]:
    """Read `words.csv`."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    def parts(text: str) -> tuple[str, ...]:
        return tuple(filter(None, text.split("|")))

    return [
        Word(
            row["name"],
            row["kind"],
            parts(row["synonyms"]),
            {name: parts(row[name.split("_")[0]]) for name in TEACHERS},
            parts(row["fit"]),
            parts(row["check"]),
        )
        for row in rows
    ]


def read_pool(
    folders: Sequence[Path], model: Path, teachers: Path, cache: Path, most: int, *, free: bool
) -> Pool:
    """Read folders and embed their clips; what cannot be heard is left out.

    Parameters
    ----------
    folders : sequence of Path
        With a `manifest.csv` each.
    model : Path
        Whose vectors.
    teachers : Path
        The teachers.
    cache : Path
        With the teachers' answers; vectors are kept there, too.
    most : int
        Clips of a folder.
    free : bool
        Leave out what is not for commercial use: rows with "yes" in the column `nc`.
    """
    encoder = Encoder.from_pretrained(model)
    place = cache / f"vectors-{encoder.model.sha256[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    nothing = {name: np.full(len(Teacher.words_of(teachers, name)), np.nan) for name in TEACHERS}
    clips, vectors, answers = [], [], {name: [] for name in TEACHERS}
    for folder in folders:
        for clip in read_clips(folder, most):
            if free and clip.row.get("nc") == "yes":
                continue
            name = f"{digest(clip.file)}.npy"
            if not (place / name).exists():
                try:
                    np.save(place / name, encoder.embed(*load(clip.file, sr=16_000)))
                except AudioError:  # silence, or shorter than anything
                    continue
            clips.append(clip)
            vectors.append(np.load(place / name, allow_pickle=False))
            for teacher, rows in answers.items():
                file = cache / "teachers" / teacher / name
                known = np.load(file, allow_pickle=False) if file.exists() else nothing[teacher]
                rows.append(known)
    kind = [clip.row.get("kind") or "" for clip in clips]
    return Pool(
        clips,
        np.array([group(clip) for clip in clips]),
        np.array([one in MUSIC for one in kind]),
        np.array(vectors, dtype=np.float32),
        {teacher: np.array(rows, dtype=np.float64) for teacher, rows in answers.items()},
    )


def group(clip: Clip) -> str:
    """Name who made a clip: artist, else project; the score or the voice of what is synthesized."""
    row = clip.row
    for column in ("artist_group", "sort", "voice", "score_id", "artist", "project", "package"):
        name = row.get(column) or ""
        if name and not name.lower().startswith(("various", "not named")):
            return f"{column}:{name}"
    return f"{clip.collection}:{clip.file.stem}"


def label(text: str, clip: Clip) -> float:
    """Return 1 if a label such as "instruments:piano" is true of a clip, 0 if not; NaN: unknown."""
    column, _, value = text.partition(":")
    wanted = value.split("/")
    if column == "ensemble":
        return ensemble(clip, value)
    if column == "kind" and value == "non-music":
        return float((clip.row.get("kind") or "") not in MUSIC)
    held = clip.row.get(column) or ""
    if column == "vocals" and column in clip.row:
        # "vocals?" is a guess.
        return np.nan if held == "vocals?" else float(held == value)
    if not held:
        return np.nan
    if column == "instruments":
        shares = dict(pair.rsplit(":", 1) for pair in held.split("|"))
        share = max(float(shares.get(one, 0)) for one in wanted)
        return np.nan if 0 < share < HEARD else float(share > 0)
    if column == "style":
        return float(any(one in held for one in wanted))
    return float(not set(held.split("|")).isdisjoint({value, *wanted}))


def ensemble(clip: Clip, wanted: str) -> float:
    """Tell by the instruments of a render whether it is of an ensemble; NaN where that is open.

    "orchestra": strings and winds, and nothing amplified or synthetic; "strings", "piano", "choir":
    these, alone or with what goes with them; "classical": one of the former in a classical score;
    "synth": only synthetic sounds.
    """
    held = clip.row.get("instruments") or ""
    if not held:
        return np.nan
    names = {pair.rsplit(":", 1)[0] for pair in held.split("|")}
    found = ""
    if names <= QUIET and "choir" in names:
        found = "choir"
    elif names <= STRINGS:
        found = "strings"
    elif names == {"piano"}:
        found = "piano"
    elif names <= QUIET and names & STRINGS and names & WINDS:
        found = "orchestra"
    elif names <= SYNTHETIC and names & {"synth lead", "synth pad"}:
        found = "synth"
    elif names & {"distorted guitar", "drums"}:
        found = "band"
    if wanted == "classical":
        written = (clip.row.get("collection") or "").startswith("openscore")
        if found in ("synth", "band"):
            return 0.0
        return 1.0 if written and found else np.nan
    return np.nan if not found else float(found == wanted)


def labels(words: list[Word], pool: Pool, which: list[tuple[str, ...]]) -> np.ndarray:
    """Return what is true of clips [n, n_words] by some labels of each word, any of which does."""
    truth = np.full((len(pool.clips), len(words)), np.nan)
    for at, names in enumerate(which):
        for row, clip in enumerate(pool.clips):
            held = [label(name, clip) for name in names]
            held = [one for one in held if not np.isnan(one)]
            if held:
                truth[row, at] = max(held)
    return truth


def own_words(words: list[Word], pool: Pool, teacher: str, teachers: Path) -> np.ndarray:
    """Return a teacher's log-odds [n, n_words] of our words: of several of its own the largest."""
    names = Teacher.words_of(teachers, teacher)
    # Jamendo's without their kind: "genre---ambient".
    places = {name.rsplit("---", 1)[-1]: at for at, name in enumerate(names)}
    own = np.full((len(pool.clips), len(words)), np.nan)
    for at, word in enumerate(words):
        heard = []
        for name in word.votes[teacher]:
            p = pool.answers[teacher][:, places[name.removeprefix("-")]]
            heard.append(1 - p if name.startswith("-") else p)
        if heard:
            p = np.clip(np.max(heard, axis=0), SURE, 1 - SURE)
            own[:, at] = np.log(p / (1 - p))
    return own


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Map log-odds to probabilities."""
    return 0.5 * (1 + np.tanh(x / 2))
