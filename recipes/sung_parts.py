"""Let free voices sing and rap the lead of rendered scores, for audio with known truth.

Syllables are cut out of speech with the WORLD vocoder (``pyworld``), stretched, and sung at the
pitches of a score's lead, with vibrato, glides and breath, over the accompaniment that
`render_scores.py` would give it; or by a choir of many detuned voices, with or without
instruments; or rapped over drums and bass. The lyrics mean nothing. Speech comes from
``espeak-ng``, ``flite`` and ``festival`` and, with ``--speech FOLDER``, from recordings::

    pip install mido music21 pyworld
    python recipes/sung_parts.py scores sung --count 400 --speech speech

The manifest's columns are those of the renders, with ``kind`` (song, a cappella, choir,
a cappella choir, rap), ``voice`` (male, female, child, choir) and ``sources``. A run can be
stopped and started again.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
from renders.arrange import Arrangement
from renders.ensembles import Ensemble, Kind
from renders.jobs import COLUMNS, Job, Settings, list_jobs, make
from renders.manifest import Manifest
from renders.score import RenderError
from renders.sound import synthesize
from renders.templates import TEMPLATES
from sounds.noises import peak_one
from sounds.speech import Voice, echo, voices
from sung.parts import Bank, choir, rap, solo
from sung.syllables import RATE, cut_syllables, spoken_syllables

#: Shares of the kinds.
SHARES = {"song": 0.5, "a cappella": 0.12, "choir": 0.13, "a cappella choir": 0.1, "rap": 0.15}
SINGERS = {"female": 0.45, "male": 0.43, "child": 0.12}
COLLECTIONS = ["openscore_lieder:0:3-4", "nottingham:0:3-4", "openscore_quartets:0:3-4"]
#: Accompaniments of songs and what of a template plays there.
SONGS = {
    name: replace(TEMPLATES[name], sounds=replace(TEMPLATES[name].sounds, lead=()))
    for name in (
        *("acoustic guitar", "folk", "bossa", "rock band", "pop band", "country", "reggae"),
        *("latin", "synth pop", "EDM", "hip hop", "jazz combo", "funk", "symphony orchestra"),
    )
} | {
    "piano": Kind(Ensemble(inner=((0,),), bass=((0,),)), free=0.3),
    "strings": Kind(Ensemble(inner=((48,),), bass=((48, 43),)), free=0.2),
    "lead sheet piano": Kind(
        Ensemble(chords=((0,), (4,)), styles=("quarters", "comp", "pad"), bass=((0,),))
    ),
}
CHOIRS = {
    "church organ": Kind(Ensemble(everything=((19,),), compass=(48, 84)), free=0.2),
    "symphony orchestra": TEMPLATES["symphony orchestra"],
    "piano": Kind(Ensemble(everything=((0,),)), free=0.2),
    "strings": Kind(Ensemble(everything=((48,),), compass=(48, 84)), free=0.2),
}
RAPS = {"hip hop": replace(SONGS["hip hop"], weight=1.0)} | {
    "drums and bass": Kind(
        replace(SONGS["hip hop"].sounds, lead=(), chords=()), tempos=SONGS["hip hop"].tempos
    )
}
ALONE = {"alone": Kind(Ensemble(), free=0.3)}
TABLES = {"song": SONGS, "choir": CHOIRS, "rap": RAPS}
SLOWEST, FASTEST = 50.0, 140.0  # beats per minute that can be sung


@functools.cache
def recorded(path: Path) -> Bank | None:
    """Return the syllables of a recording of speech; None where it has too few."""
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    mono = soxr.resample(samples.mean(axis=1)[: 20 * rate], rate, RATE)
    try:
        return cut_syllables(
            peak_one(mono) + 1e-5 * np.random.default_rng(0).standard_normal(len(mono))
        )
    except ValueError:
        return None


@functools.lru_cache(maxsize=64)
def spoken(voice: Voice, take: int) -> Bank | None:
    """Return the syllables of a synthesizer's voice; None where it has too few."""
    try:
        return spoken_syllables(
            voice, np.random.default_rng([zlib.crc32(str(voice).encode()), take])
        )
    except ValueError:
        return None


def draw_bank(speech: list[Path], rng: np.random.Generator) -> tuple[Bank, str]:
    """Draw a voice.

    Parameters
    ----------
    speech : list of pathlib.Path
        Recordings of speech; where there are some, they are drawn half of the time.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    (Bank, str)
        The voice and its name.
    """
    for _ in range(5):
        if speech and rng.random() < 0.5:
            path = speech[int(rng.integers(len(speech)))]
            if (bank := recorded(path)) is not None:
                return bank, path.stem
            continue
        pool = voices(test=False)
        if rng.random() < 0.55:
            pool = [voice for voice in pool if voice.program != "espeak-ng"]
        else:
            pool = pool[::7]  # few enough to be kept once cut
        voice = pool[int(rng.integers(len(pool)))]
        if "whisper" in voice.name:
            continue
        if (bank := spoken(voice, int(rng.integers(2)))) is not None:
            return bank, str(voice)
    raise RenderError("no voice")


def sing_part(
    kind: str, singer: str, made: Arrangement, speech: list[Path], rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """Sing or rap an arrangement.

    Parameters
    ----------
    kind : str
        One of `SHARES`.
    singer : str
        ``male``, ``female`` or ``child``; a choir has men and women.
    made : Arrangement
        The arrangement.
    speech : list of pathlib.Path
        Recordings of speech to take voices from.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    (numpy.ndarray, str)
        Samples at `sung.syllables.RATE` and the names of the voices.
    """
    if kind.endswith("choir"):
        drawn = [draw_bank(speech, rng) for _ in range(int(rng.integers(2, 5)))]
        return choir(made, [bank for bank, _ in drawn], rng), " & ".join(name for _, name in drawn)
    bank, name = draw_bank(speech, rng)
    part: Callable[..., np.ndarray] = rap if kind == "rap" else solo
    return part(made, singer, bank, rng), name


def piece(
    job: Job, kind: str, settings: Settings, speech: list[Path], rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, str]]:
    """Make one piece.

    Parameters
    ----------
    job : Job
        The score.
    kind : str
        One of `SHARES`.
    settings : Settings
        The run's settings.
    speech : list of pathlib.Path
        Recordings of speech to take voices from.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    (numpy.ndarray, dict)
        Samples at the run's rate, and the manifest's row.
    """
    table = TABLES.get(kind, ALONE)
    template = str(rng.choice(sorted(table)))
    low, high = table[template].tempos
    tempos = (max(low, SLOWEST), max(min(high, FASTEST), low + 5.0))
    made = make(job, settings, replace(table[template], tempos=tempos), rng)
    singer = str(rng.choice(list(SINGERS), p=list(SINGERS.values())))
    sung, sources = sing_part(kind, singer, made, speech, rng)
    rate, size = settings.sample_rate, round(settings.seconds * settings.sample_rate)
    samples = _leveled(present(soxr.resample(sung, RATE, rate)[:size], rate, rng))
    samples = np.pad(samples, (0, size - len(samples)))
    if rng.random() < 0.85:
        choral = kind.endswith("choir")
        decay, wet = rng.uniform(0.4, 3.0 if choral else 1.8), rng.uniform(0.05, 0.4)
        samples = echo(samples, rate, decay, wet * (2.0 if choral else 1.0), rng)
    soundfont = ""
    if any(message.type == "note_on" for message in made.midi.tracks[0]):
        soundfont = str(rng.choice(list(settings.soundfonts)))
        played = _leveled(synthesize(made.midi, soundfont, size, rate, rng))
        samples = samples + played * 10.0 ** (-rng.uniform(4.0, 12.0) / 20.0)
    samples = peak_one(samples) * rng.uniform(0.5, 0.95)
    names = ("score_id", "collection", "composer_or_artist")
    row = {name: job.row[name] for name in names} | made.truth
    row |= {"template": template, "seconds": f"{settings.seconds:.3f}"}
    row |= {"kind": kind, "voice": "choir" if kind.endswith("choir") else singer}
    return samples, row | {"sources": sources, "soundfont": Path(soundfont).name, "effects": ""}


def present(samples: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Raise the band around 3 kHz, where singers are heard over instruments, by 2 to 9 dB."""
    frequencies = np.clip(np.fft.rfftfreq(len(samples), 1.0 / rate), 1.0, None)
    bump = np.exp(-((np.log2(frequencies / rng.uniform(2500.0, 3500.0)) / 0.6) ** 2))
    gains = 10.0 ** (rng.uniform(2.0, 9.0) * bump / 20.0)
    return np.fft.irfft(np.fft.rfft(samples) * gains, len(samples))


def _leveled(samples: np.ndarray) -> np.ndarray:
    """Scale to a mean power of 0.01 where it sounds."""
    power = samples**2
    heard = power[power > 1e-4 * max(float(power.max(initial=0.0)), 1e-12)]
    return samples * 0.1 / max(float(np.sqrt(heard.mean())) if len(heard) else 1.0, 1e-9)


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Let free voices sing scores.")
    parser.add_argument("scores", type=Path, help="folder with manifest.csv and the zips")
    parser.add_argument("out", type=Path, help="folder for audio/*.flac and manifest.csv")
    parser.add_argument("--count", type=int, default=400, help="how many (default: 400)")
    parser.add_argument("--speech", type=Path, help="folder with recordings of speech")
    parser.add_argument("--soundfont", action="append", required=True, help="may be repeated")
    parser.add_argument("--seconds", type=float, default=30.0, help="length (default: 30)")
    parser.add_argument("--sample-rate", type=int, default=32000, help="default: 32000")
    parser.add_argument("--seed", type=int, default=0, help="seed of all choices (default: 0)")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="start no piece after this many minutes"
    )
    return parser.parse_args()


def main() -> None:
    """Parse the command line and make the pieces."""
    arguments = parse()
    audio = arguments.out / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(arguments.out / "manifest.csv", [*COLUMNS, "kind", "voice", "sources"])
    speech = sorted(arguments.speech.glob("*.*")) if arguments.speech else []
    settings = Settings(
        seed=arguments.seed,
        seconds=arguments.seconds,
        sample_rate=arguments.sample_rate,
        soundfonts=tuple(arguments.soundfont),
        templates=(),
        timeout=60.0,
    )
    jobs = list_jobs(arguments.scores, audio, COLLECTIONS, settings.seed)[: arguments.count]
    began, made, failed = time.time(), 0, 0
    for number, job in enumerate(jobs):
        target = job.target.with_stem("sung_" + job.target.stem)
        if manifest.has(target):
            continue
        if time.time() - began > 60.0 * arguments.minutes:
            break
        key = [settings.seed, zlib.crc32(job.row["score_id"].encode()), job.variant, 1]
        rng = np.random.default_rng(key)
        kind = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        try:
            samples, row = piece(job, kind, settings, speech, rng)
        except Exception as error:  # whatever a parser makes of an odd score
            print(f"{target.stem}: {type(error).__name__}: {str(error)[:80]}", flush=True)
            failed += 1
            continue
        part = target.with_name(f".{target.name}.part")
        soundfile.write(part, samples, settings.sample_rate, format="FLAC", subtype="PCM_16")
        part.replace(target)
        manifest.append({"file": target.name, **row})
        made += 1
        if made % 10 == 0:
            left = (time.time() - began) / made * (len(jobs) - number - 1)
            print(f"{number + 1}/{len(jobs)}, {left:.0f} s to go", flush=True)
    print(f"made {made}, failed {failed}", flush=True)


if __name__ == "__main__":
    main()
