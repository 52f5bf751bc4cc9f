"""Train the model that chooses the tempo, and one for each collection that has not heard it.

    python recipes/tempo.py renders --no-music nonmusic

``renders`` is what ``render_scores.py`` made; renders of one steady tempo are learned from, the
others teach when to be unsure, as do the sounds of ``no_music.py`` and made-up ones without a
beat (`sounds.unpulsed`). Made-up patterns (`sounds.pulses`) add what scores do not hold. Features
of each file are kept in ``work/tempo/features`` and made once.
``work/tempo/without-COLLECTION.npz`` are models that heard no score of that collection; the
figures that are printed, the confidence, and those of ``bench/tempo.py --without`` come from them.
Collections named by ``--measure-only`` are in no model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from renders.manifest import rows_with_audio
from renders.tempos import CLOSE, OCTAVES, area, is_close, steady_tempo
from sounds.pulses import draw_tempo, make_pulse
from sounds.unpulsed import make_unpulsed

from musicu.audio.descriptors import Describer
from musicu.audio.tempo import TempoModel, certainty_features
from musicu.audio.tempo_evidence import FEATURES, tempo_features

RATE = 16000
RIDGE = 20.0
FIRST_STEPS, MORE_STEPS = 8, 4  # of Newton's method, from nothing and from another's solution
PULSE = 0.5  # weight of a made-up pattern; a render's is 1
SECONDS = 20.0  # of what is made up
# What the second opinion does not hear.
UNHEARD = [FEATURES[name] for name in ("answers", "agreements", "intervals")]


Opinions = tuple[np.ndarray, np.ndarray]  # weights, and those of the second opinion


@dataclass
class Clip:
    """A recording: its true tempo (NaN if it has none), where it is from, and its candidates."""

    name: str
    source: str
    bpm: float
    found: np.ndarray
    features: np.ndarray

    @property
    def right(self) -> int:
        """The candidate that is right, or -1."""
        if not len(self.found) or np.isnan(self.bpm):
            return -1
        off = np.abs(np.log(self.found / self.bpm))
        return int(off.argmin()) if off.min() < np.log(1 + CLOSE) else -1


def analyze(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the candidates of mono samples at 16 kHz, and their features."""
    # Not finished, which would ask for a model; what that leaves out is the last two seconds.
    describer = Describer()
    describer.push(y.astype(np.float32))
    periodicity = describer.periodicity()
    if periodicity is None:
        return np.empty(0), np.empty((0, FEATURES["products"].stop))
    bpm, salience = periodicity.candidates()
    return bpm, tempo_features(periodicity, bpm, salience)


def read(path: Path) -> np.ndarray:
    """Return the samples of a file, mono at 16 kHz."""
    y, sr = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(y.mean(axis=1), sr, RATE, quality="HQ"))


def remembered(path: Path, make: object) -> tuple[np.ndarray, np.ndarray]:
    """Return candidates and features from a file, made first if it is not there."""
    if not path.exists():
        bpm, features = analyze(make())  # type: ignore[operator]
        part = path.with_name(f".{path.name}")
        np.savez(part, bpm=bpm, features=features.astype(np.float32))
        part.replace(path)
    with np.load(path) as arrays:
        return arrays["bpm"], arrays["features"].astype(np.float64)


def load_clips(options: argparse.Namespace) -> list[Clip]:
    """Return all clips with their features."""
    store = options.work / "features"
    store.mkdir(parents=True, exist_ok=True)
    clips: list[Clip] = []
    for audio, row in rows_with_audio(options.renders):
        found = remembered(store / f"{audio.stem}.npz", lambda audio=audio: read(audio))
        clips.append(Clip(audio.stem, row["collection"], steady_tempo(row), *found))
    if options.no_music:
        for audio in sorted((options.no_music / "audio").glob("*.flac")):
            found = remembered(
                store / f"nonmusic-{audio.stem}.npz", lambda audio=audio: read(audio)
            )
            clips.append(Clip(audio.stem, "no music", np.nan, *found))
    for number in range(options.pulses):

        def make(number: int = number) -> np.ndarray:
            return make_pulse(RATE, SECONDS, np.random.default_rng([options.seed, number])).samples

        _, bpm = draw_tempo(np.random.default_rng([options.seed, number]))
        found = remembered(store / f"pulse-{number}.npz", make)
        clips.append(Clip(f"pulse-{number}", "pulses", bpm, *found))
    for number in range(options.unpulsed):

        def make_other(number: int = number) -> np.ndarray:
            return make_unpulsed(RATE, SECONDS, np.random.default_rng([options.seed, number]))

        found = remembered(store / f"unpulsed-{number}.npz", make_other)
        clips.append(Clip(f"unpulsed-{number}", "unpulsed", np.nan, *found))
    return clips


def fit(
    clips: list[Clip], start: np.ndarray | None = None, unheard: Sequence[slice] = ()
) -> np.ndarray:
    """Fit the weights on clips whose true tempo is among the candidates, by Newton's method.

    The problem is convex: `start`, weights of other clips, only saves steps. Features that are
    `unheard` get no weight.
    """
    clips = [clip for clip in clips if clip.right >= 0]
    x = np.concatenate([clip.features for clip in clips])
    for columns in unheard:
        x[:, columns] = 0.0
    clip_of = np.repeat(np.arange(len(clips)), [len(clip.found) for clip in clips])
    starts = np.flatnonzero(np.diff(clip_of, prepend=-1))
    counts = np.array([PULSE if clip.source == "pulses" else 1.0 for clip in clips])[clip_of]
    chosen = np.zeros(len(x))
    chosen[starts + [clip.right for clip in clips]] = 1.0
    # What is the same for all candidates of a clip chooses nothing.
    spread = x - (np.add.reduceat(x, starts) / np.bincount(clip_of)[:, None])[clip_of]
    scale = spread.std(axis=0)
    scale = np.where(scale > 1e-6, scale, np.inf)
    z = spread / scale
    w = np.zeros(x.shape[1]) if start is None else start * np.where(np.isinf(scale), 0.0, scale)
    for _ in range(FIRST_STEPS if start is None else MORE_STEPS):
        scores = z @ w
        odds = np.exp(scores - np.maximum.reduceat(scores, starts)[clip_of])
        p = odds / np.add.reduceat(odds, starts)[clip_of]
        centered = z - np.add.reduceat(z * p[:, None], starts)[clip_of]
        gradient = z.T @ (counts * (p - chosen)) + RIDGE * w
        curvature = (centered * (counts * p)[:, None]).T @ centered + RIDGE * np.eye(len(w))
        w -= np.linalg.solve(curvature, gradient)
    return np.asarray(w / scale)


def fit_certainty(known: np.ndarray, right: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fit a logistic regression, lightly regularized; the intercept comes last."""
    mean, scale = known.mean(axis=0), known.std(axis=0) + 1e-6
    x = np.column_stack([(known - mean) / scale, np.ones(len(known))])
    w = np.zeros(x.shape[1])
    ridge = np.r_[np.ones(x.shape[1] - 1), 0.0]
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (weight * (p - right)) + ridge * w
        curvature = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(ridge + 1e-6)
        w -= np.linalg.solve(curvature, gradient)
    slopes = w[:-1] / scale
    return np.asarray(np.r_[slopes, w[-1] - slopes @ mean])


def fit_both(clips: list[Clip], start: Opinions | None = None) -> Opinions:
    """Fit the weights and those of the second opinion."""
    first, second = start or (None, None)
    return fit(clips, first), fit(clips, second, UNHEARD)


def answers(clips: list[Clip], opinions: Opinions) -> list[tuple[float, np.ndarray]]:
    """Return each clip's most probable tempo and what tells whether it is right."""
    given = []
    for clip in clips:
        scores, second = (clip.features @ weights for weights in opinions)
        certain = certainty_features(clip.features, scores, second)
        given.append((float(clip.found[scores.argmax()]), certain))
    return given


def save(model: TempoModel, path: Path) -> None:
    """Write a model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **vars(model))


def main() -> None:
    """Train, measure by collections left out, write the models."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("renders", type=Path)
    parser.add_argument("--no-music", type=Path, help="folder that no_music.py made")
    parser.add_argument("--work", type=Path, default=Path("work/tempo"))
    parser.add_argument("--out", type=Path, default=Path("musicu/audio/tempo.npz"))
    parser.add_argument("--measure-only", nargs="*", default=["pop909"], metavar="COLLECTION")
    parser.add_argument("--pulses", type=int, default=600, help="made-up patterns (default: 600)")
    parser.add_argument("--unpulsed", type=int, default=180, help="without a beat (default: 180)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    clips = [clip for clip in load_clips(options) if len(clip.found)]
    others = ("pulses", "no music", "unpulsed")
    collections = sorted({clip.source for clip in clips} - set(others))
    taught = [clip for clip in clips if clip.source not in options.measure_only]
    final = fit_both(taught)
    weights: dict[str, Opinions] = {}
    measured: dict[str, tuple[float, np.ndarray]] = {}
    for one in collections:
        weights[one] = fit_both([clip for clip in taught if clip.source != one], final)
        mine = [clip for clip in clips if clip.source == one]
        for clip, answer in zip(mine, answers(mine, weights[one]), strict=True):
            measured[clip.name] = answer
    # Patterns and sounds belong to no collection: each half is answered by a model of the other.
    for half in (0, 1):
        mine = [clip for i, clip in enumerate(clips) if clip.source in others and i % 2 == half]
        held = {clip.name for clip in mine}
        others_weights = fit_both([clip for clip in taught if clip.name not in held], final)
        for clip, answer in zip(mine, answers(mine, others_weights), strict=True):
            measured[clip.name] = answer

    source = np.array([clip.source for clip in clips])
    found = np.array([measured[clip.name][0] for clip in clips])
    known = np.array([measured[clip.name][1] for clip in clips])
    truth = np.array([clip.bpm for clip in clips])
    pairs = list(zip(found, truth, strict=True))
    right = np.array([is_close(*pair) for pair in pairs])
    nearly = np.array([is_close(*pair, OCTAVES) for pair in pairs])
    # Patterns are easier than music: they shall not make the confidence bold.
    weight = np.where(source == "pulses", 0.15, 1.0)
    confidence = np.zeros(len(clips))
    usable = ~np.isin(source, options.measure_only)
    for one in collections:
        use = usable & (source != one)
        model = TempoModel(*weights[one], fit_certainty(known[use], right[use], weight[use]))
        save(model, options.work / f"without-{one}.npz")
        here = source == one
        confidence[here] = model.sureness(known[here])
    model = TempoModel(*final, fit_certainty(known[usable], right[usable], weight[usable]))
    here = np.isin(source, others)
    confidence[here] = model.sureness(known[here])
    save(model, options.out)

    print(
        "| left out | clips | accuracy 1 | accuracy 2 | among candidates | x2 | x1/2 | x3/2 | x2/3 "
        "| AUC | confidence |"
    )
    print("|---|" + "---:|" * 10)
    steady = ~np.isnan(truth)
    parts = {one: (source == one) & steady for one in (*collections, "pulses")}
    parts["all collections"] = np.isin(source, collections) & steady
    for name, part in parts.items():
        rows = np.flatnonzero(part)
        among = np.mean([clips[i].right >= 0 for i in rows])
        off = (
            np.mean([is_close(found[i], truth[i], (factor,)) for i in rows])
            for factor in (2, 1 / 2, 3 / 2, 2 / 3)
        )
        print(
            f"| {name} | {len(rows)} | {right[part].mean():.3f} | {nearly[part].mean():.3f} "
            f"| {among:.3f} | {' | '.join(f'{share:.3f}' for share in off)} "
            f"| {area(confidence[part], right[part]):.3f} | {confidence[part].mean():.2f} |"
        )
    played = np.isin(source, collections)
    print(f"AUC with those whose tempo sways: {area(confidence[played], right[played]):.3f}")
    for name, part in {
        "no steady tempo": played & ~steady,
        "no music": source == "no music",
        "no beat": source == "unpulsed",
    }.items():
        if part.any():
            print(f"{name}: {part.sum()} clips, confidence {confidence[part].mean():.2f}")


if __name__ == "__main__":
    main()
