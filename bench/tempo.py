r"""Measure tempo and key against audio whose truth is known, beside librosa and essentia.

    python bench/tempo.py --renders renders --demo demo \
        --without work/tempo/without-{collection}.npz

``renders`` is what ``recipes/render_scores.py`` made; tempo is measured where it is steady, key
where the signature's is the one that the notes resemble. With ``--without`` each collection is
answered by the model of ``recipes/tempo.py`` that heard no score of it; no model ever hears the
demo (``fixtures/make_demo.py``), and keys are not learned.

Accuracy 1 is the share within 4 % of the true tempo; accuracy 2 forgives halves, doubles and thirds
(Gouyon et al., "An experimental comparison of audio tempo induction algorithms", IEEE TASLP 14,
2006). AUC tells how well confidence separates right from wrong octaves included; librosa has none.
Keys: MIREX weighted score (1, a fifth above .5, relative .3, parallel .2) and share exactly right.

essentia (AGPL) is asked if it can be imported; it is for measuring only, and no part of musicu.
``--kept FILE`` keeps the others' answers, as they take most of the time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import musicu
from musicu.audio.descriptors import Describer
from musicu.audio.tempo import TempoModel, find_pulse
from musicu.items.field_readers import parse_key

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "recipes"), str(ROOT / "fixtures")]

import make_demo  # noqa: E402
from renders.manifest import rows_with_audio  # noqa: E402
from renders.tempos import OCTAVES, area, is_close, steady_tempo  # noqa: E402

Array = NDArray[np.float32]
SR = 16000
TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MODES = {"major": 1, "minor": 0, "dorian": 0}


@dataclass
class Clip:
    """A recording and its truth; NaN or empty where there is none."""

    path: Path
    collection: str
    bpm: float
    key: str
    answers: dict[str, Any] = field(default_factory=dict)


def renders(folder: Path) -> list[Clip]:
    """Return the renders of a folder."""
    return [
        Clip(
            audio,
            row["collection"],
            steady_tempo(row),
            row["key"] if row["key"] == row["key_from_notes"] else "",
        )
        for audio, row in rows_with_audio(folder)
    ]


def demo(folder: Path) -> list[Clip]:
    """Return the demo's songs; tempos and keys are those of its script."""
    modes = {make_demo.MAJOR: "major", make_demo.MINOR: "minor", make_demo.DORIAN: "minor"}
    clips = []
    for artist in make_demo.ARTISTS:
        slow, fast = artist.tempo
        for song in range(4):
            album, _, suffix, *titles = artist.albums[song // 2]
            name = f"{song % 2 + 1:02} {titles[song % 2]}.{suffix}"
            bpm = slow + (fast - slow) * (0, 2, 4, 1)[song] / 4
            tonic = TONICS[(artist.tonic + (0, 5, 2, 7)[song]) % 12]
            mode = modes.get(artist.scale)  # the Spanish scale is neither major nor minor
            path = folder / "music" / artist.name / album / name
            clips.append(Clip(path, "demo", bpm, f"{tonic} {mode}" if mode else ""))
    return clips


def ask_musicu(model: TempoModel | None) -> Callable[[Array], dict[str, Any]]:
    """Return what asks musicu, with a model or the one that comes along."""

    def answer(y: Array) -> dict[str, Any]:
        describer = Describer()
        describer.push(y)
        found = describer.finish()
        if model is None:
            return {"bpm": found.tempo, "confidence": found.tempo_confidence, "key": found.key}
        pulse = find_pulse(describer.periodicity(), model)
        bpm = pulse.candidates[0][0] if pulse.candidates else None
        return {"bpm": bpm, "confidence": pulse.confidence, "key": found.key}

    return answer


def ask_librosa(y: Array) -> dict[str, Any]:
    """Ask librosa's beat tracker and its global tempo."""
    import librosa

    onset = librosa.onset.onset_strength(y=y, sr=SR)
    tempo = float(librosa.feature.tempo(onset_envelope=onset, sr=SR)[0])
    return {"bpm": tempo}


def ask_essentia(method: str) -> Callable[[Array], dict[str, Any]]:
    """Return what asks essentia's RhythmExtractor2013 and KeyExtractor."""
    import soxr

    def answer(y: Array) -> dict[str, Any]:
        import essentia.standard as es

        y = np.asarray(soxr.resample(y, SR, 44100), dtype=np.float32)
        bpm, _, confidence, *_ = es.RhythmExtractor2013(method=method)(y)
        tonic, mode, _ = es.KeyExtractor()(y)
        return {"bpm": float(bpm), "confidence": float(confidence), "key": f"{tonic} {mode}"}

    return answer


def mirex(found: str | None, truth: str) -> float:
    """Return the weighted score of a key."""
    if not found or (place := parse_key(found)) is None:
        return 0.0
    here = parse_key(truth)
    assert here is not None
    # Places on the circle of fifths; a minor key stands with its relative major.
    (a, mode), (b, other) = place, here
    if mode == other:
        return {0: 1.0, 1: 0.5}.get((a - b) % 12, 0.0)
    if a == b:
        return 0.3
    return 0.2 if (a - b) % 12 == (9 if other else 3) else 0.0


def show(name: str, system: str, clips: list[Clip]) -> None:
    """Print a row."""
    timed = [clip for clip in clips if not np.isnan(clip.bpm)]
    keyed = [clip for clip in clips if clip.key]
    given = [clip.answers[system] for clip in timed]
    first = np.array([is_close(a["bpm"], c.bpm) for a, c in zip(given, timed, strict=True)])
    second = np.array(
        [is_close(a["bpm"], c.bpm, OCTAVES) for a, c in zip(given, timed, strict=True)]
    )
    auc = "–"
    if given and given[0].get("confidence") is not None:
        auc = f"{area(np.array([a['confidence'] for a in given]), first):.3f}"
    keys = [clip.answers[system].get("key") for clip in keyed]
    scores = [mirex(key, clip.key) for key, clip in zip(keys, keyed, strict=True)]
    key = f"{np.mean(scores):.3f} | {np.mean(np.array(scores) == 1):.3f}" if any(keys) else "– | –"
    print(
        f"| {name} | {system} | {len(timed)} | {first.mean():.3f} | {second.mean():.3f} | {auc} "
        f"| {len(keyed)} | {key} |"
    )


def main() -> None:
    """Ask everybody about everything and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--renders", type=Path)
    parser.add_argument("--demo", type=Path)
    parser.add_argument("--without", help="models by collection, with {collection} in the name")
    parser.add_argument("--others", nargs="*", default=["librosa", "essentia"])
    parser.add_argument(
        "--method", default="multifeature", help="of essentia's RhythmExtractor2013"
    )
    parser.add_argument("--every", type=int, default=1, help="take each n-th render only")
    parser.add_argument("--kept", type=Path, help="JSON lines of the others' answers")
    options = parser.parse_args()

    clips = renders(options.renders)[:: options.every] if options.renders else []
    clips += demo(options.demo) if options.demo else []
    others: dict[str, Callable[[Array], dict[str, Any]]] = {}
    if "librosa" in options.others:
        others["librosa"] = ask_librosa
    if "essentia" in options.others:
        try:
            import essentia

            essentia.log.infoActive = essentia.log.warningActive = False
            others["essentia"] = ask_essentia(options.method)
        except ImportError:
            print("essentia is not installed", file=sys.stderr)
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    if options.kept and options.kept.exists():
        for line in options.kept.read_text(encoding="utf-8").splitlines():
            one = json.loads(line)
            kept[one["file"], one["system"]] = one["answer"]
    models: dict[str, TempoModel | None] = defaultdict(lambda: None)
    if options.without:
        for name in {clip.collection for clip in clips} - {"demo"}:
            models[name] = TempoModel.load(Path(options.without.format(collection=name)))
    spent: dict[str, float] = defaultdict(float)
    asked: dict[str, int] = defaultdict(int)
    for clip in clips:
        y, sr = musicu.load(clip.path)
        y = np.atleast_2d(y).mean(axis=0)
        if sr != SR:
            import soxr

            y = soxr.resample(y, sr, SR)
        for name, ask in {"musicu": ask_musicu(models[clip.collection]), **others}.items():
            if (clip.path.name, name) in kept and name != "musicu":
                clip.answers[name] = kept[clip.path.name, name]
                continue
            start = time.process_time()
            clip.answers[name] = ask(y)
            spent[name] += time.process_time() - start
            asked[name] += 1
            if options.kept and name != "musicu":
                row = {"file": clip.path.name, "system": name, "answer": clip.answers[name]}
                with options.kept.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(row) + "\n")

    print("| clips | system | n | accuracy 1 | accuracy 2 | AUC | keys | MIREX | right |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    groups = {
        name: [c for c in clips if c.collection == name]
        for name in sorted({c.collection for c in clips})
    }
    both = [clip for clip in clips if clip.collection != "demo"]
    if both:
        groups = {"all renders": both, **groups}
    for group, members in groups.items():
        for name in ("musicu", *others):
            show(group, name, members)
    print()
    print("CPU s a clip: " + ", ".join(f"{n} {spent[n] / asked[n]:.2f}" for n in spent))


if __name__ == "__main__":
    main()
