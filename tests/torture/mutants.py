"""Damaged sound files: none is passed over in silence, hangs, or stands for a sound one.

Each round embeds its mutants twice, in two orders: before the sound files they were made of, and
after them. What a catalog says of a file must not depend on what it met before.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from torture.damage import ANY_FORMAT, Mutant
from torture.lab import Contents, Lab, Outcome, contents, cosine
from torture.sounds import Sound, make_sounds
from torture.structure import of_format
from torture.tagblocks import broken, tagged

ROWS = {
    "mutants": "A damaged file is embedded or listed with its reason, in time; its vector never"
    " stands for the sound file's, nor does its order of arrival matter",
    "sound files": "A sound file keeps its id, its vector and its good name among mutants of it",
    "tag blocks": "Tags before and behind the audio change neither its id nor what is said of it",
    "cuts": "Where a format states how much there is, what is missing is told",
}
_ROW_OF = {"same": "tag blocks", "cut": "cuts", "promise": "cuts", "": "mutants"}
# Seconds a file of three seconds may take, on a machine with other work.
_PATIENCE = 60
# What is missing of a file and must be told, in seconds.
_MISSING = 0.75
# What the note of an encoder's delay, which is no audio, may make of a length, in seconds.
_TRIMMED = 0.5
# No music is so many dB above full scale.
_LOUDEST = 24.0


def mutants(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    """Embed so many mutants, before and after the sound files."""
    sounds: dict[str, Sound] = lab.remember("sounds", lambda: make_sounds(lab.folder / "sounds"))
    sound = lab.remember("reference", lambda: reference(lab))
    drawn = [_draw(rng, list(sounds.values())) for _ in range(size)]
    with lab.room() as room:
        # In the second catalog the last one comes first.
        names = {
            "before": [_name(i, *one) for i, one in enumerate(drawn)],
            "after": [_name(size - i, *one) for i, one in enumerate(drawn)],
        }
        for folder in names:
            (room / folder).mkdir()
            for name, (_, mutant) in zip(names[folder], drawn, strict=True):
                (room / folder / name).write_bytes(mutant.data)
        met = {}
        for folder, order in (("before", ("before", None)), ("after", (None, "after"))):
            db = room / f"{folder}.db"
            for each in order:
                music = room / each if each else lab.folder / "sounds"
                ended = lab.run(
                    *("embed", music, "--catalog", db, "--describe"),
                    *("-j", "2", "--timeout", str(_PATIENCE)),
                )
                if fault := ended.fault():
                    yield Outcome("mutants", f"embed {each or 'sounds'} for {folder}", fault)
            verified = lab.run("catalog", "verify", "--catalog", db)
            wrong = f"verify: {verified.out.strip()[-300:]}" if verified.status else None
            yield Outcome("mutants", f"verify {folder}", wrong)
            met[folder] = contents(db)
        for name in (path.name for path in sorted((lab.folder / "sounds").iterdir())):
            for folder, found in met.items():
                fault = _judge_sound(found, sound, str(lab.folder / "sounds" / name))
                yield Outcome("sound files", f"{name}, mutants {folder}", fault)
        for i, (original, mutant) in enumerate(drawn):
            paths = {folder: str(room / folder / names[folder][i]) for folder in names}
            length = sound.tracks[_id(sound, lab, original)][0]
            fault = (
                _judge(met["before"], sound, paths["before"], mutant, original, length)
                or _judge(met["after"], sound, paths["after"], mutant, original, length)
                or _compare(met["before"], met["after"], paths)
            )
            row = _ROW_OF[mutant.truth]
            yield Outcome(row, f"{names['before'][i]} ({mutant.how})", fault)


def _draw(rng: random.Random, sounds: list[Sound]) -> tuple[Sound, Mutant]:
    while True:
        sound = rng.choice(sounds)
        way = rng.random()
        if way < 0.45:
            mutator = rng.choice(ANY_FORMAT)
        elif way < 0.75:
            mutator = rng.choice(of_format(sound))
        else:
            mutator = tagged if way < 0.9 else broken
        mutant = mutator(rng, sound, sounds)
        if mutant is not None and (mutant.data != sound.data or mutant.suffix is not None):
            return sound, mutant


def _name(number: int, sound: Sound, mutant: Mutant) -> str:
    suffix = sound.suffix if mutant.suffix is None else mutant.suffix
    return f"{number:04d}-{sound.name}{suffix}"


def reference(lab: Lab) -> Contents:
    db = lab.folder / "sounds.db"
    ended = lab.run(
        *("embed", lab.folder / "sounds", "--catalog", db, "--describe", "-j", "2", "--strict")
    )
    found = contents(db)
    told = [problem for problem in found.problems.values() if problem]
    if ended.status or told or len(found.tracks) != len(found.files):
        raise RuntimeError(f"the sound files are not sound: {ended.err} {told}")
    return found


def _id(sound: Contents, lab: Lab, original: Sound) -> Any:
    return sound.files[str(lab.folder / "sounds" / f"{original.name}{original.suffix}")][1]


def _judge_sound(found: Contents, sound: Contents, path: str) -> str | None:
    """Judge what a catalog that has met mutants says of a sound file."""
    if path not in found.files:
        return "the sound file is not in the catalog"
    kind, id, reason, _ = found.files[path]
    if kind != "audio":
        return f"the sound file is {kind}: {reason}"
    if id != sound.files[path][1]:
        return "the sound file has another id"
    if found.problems[path]:
        return f"the sound file is said to be damaged: {found.problems[path]}"
    return _same_as_sound(found, sound, id)


def _same_as_sound(found: Contents, sound: Contents, id: str) -> str | None:
    likeness = cosine(found.vectors.get(id, b""), sound.vectors[id])
    lengths = found.tracks[id][0], sound.tracks[id][0]
    off = abs(lengths[0] - lengths[1])
    if off > _TRIMMED:
        return f"wrong: {lengths[0]:.2f} s under the id of {lengths[1]:.2f} s"
    # What an encoder's note of its delay trims off or leaves moves each window by so much.
    if likeness < (0.99 if off > 0.001 else 0.999):
        return f"wrong: another vector under the sound file's id (cosine {likeness:.3f})"
    return None


def _judge(
    found: Contents, sound: Contents, path: str, mutant: Mutant, original: Sound, length: float
) -> str | None:
    """Judge what a catalog says of a mutant."""
    if path not in found.files:
        return "silent: not in the catalog"
    kind, id, reason, _ = found.files[path]
    problem = found.problems[path]
    if kind != "audio":
        if not reason:
            return f"silent: {kind} without a reason"
        if "longer than" in reason:
            return f"hung: {reason}"
        return f"all of it is there, but {kind}: {reason}" if mutant.truth == "same" else None
    if id not in found.vectors:
        return "no vector"
    if id in sound.tracks and (fault := _same_as_sound(found, sound, id)):
        return fault
    seconds, descriptors = found.tracks[id][0], found.descriptors[id] or {}
    numbers = [value for value in descriptors.values() if isinstance(value, float)]
    if not all(map(math.isfinite, [seconds, *numbers])) or seconds < 0:
        return f"numbers that are none: {seconds} s, {descriptors}"
    return _judge_words(found, sound, id, problem, mutant, original, length)


def _judge_words(
    found: Contents,
    sound: Contents,
    id: str,
    problem: str | None,
    mutant: Mutant,
    original: Sound,
    length: float,
) -> str | None:
    """Judge whether what is said of a mutant that was embedded is true."""
    seconds, descriptors = found.tracks[id][0], found.descriptors[id] or {}
    if mutant.truth == "same":
        if id not in sound.tracks:
            return f"its tags changed its id ({seconds:.2f} s, {problem or 'no problem'})"
        return f"its tags are said to be damage: {problem}" if problem else None
    if problem is not None:
        return None
    if mutant.truth == "promise":
        return f"silent: {seconds:.2f} s are all, more is promised"
    if mutant.truth == "cut" and seconds < length - _MISSING:
        return f"silent: {seconds:.2f} s of {length:.2f} s, and nothing is said of it"
    peak = descriptors.get("peak")
    if original.name != "wav-float" and peak is not None and peak > _LOUDEST:
        return f"accepted at {peak:.0f} dB above full scale"
    return None


def _compare(before: Contents, after: Contents, paths: dict[str, str]) -> str | None:
    """Compare what two catalogs that met a file in different orders say of it."""
    one, two = before.files[paths["before"]], after.files[paths["after"]]
    if one[:2] != two[:2]:
        return f"its order matters: {one} before the sound files, {two} after them"
    problems = before.problems[paths["before"]], after.problems[paths["after"]]
    if (problems[0] is None) != (problems[1] is None):
        return f"its order matters: {problems[0]!r} before, {problems[1]!r} after"
    if one[1] is not None:
        likeness = cosine(before.vectors[one[1]], after.vectors[one[1]])
        off = abs(before.tracks[one[1]][0] - after.tracks[one[1]][0])
        if likeness < (0.99 if 0.001 < off < _TRIMMED else 0.999):
            return f"wrong: two files of one id whose vectors differ (cosine {likeness:.3f})"
    return None
