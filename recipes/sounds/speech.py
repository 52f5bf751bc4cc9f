"""Speech from free synthesizers: voices, varied text, and the rooms it is heard in."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from sounds.noises import banded, colored, peak_one

#: Languages of espeak-ng; the second half of each row is kept for tests.
LANGUAGES = (
    ["en-gb", "en-us", "de", "fr-fr", "es", "it", "pl", "ru", "cs", "fi", "el", "tr"]
    + ["hi", "id", "ro", "bg", "hr", "ca", "da", "eo"],
    ["pt-br", "nl", "sv", "hu", "nb", "sk", "uk", "lv", "sw", "vi", "ta", "et", "en-gb-scotland"],
)
#: Variants of espeak-ng's voices, likewise.
VARIANTS = (
    ["m1", "m2", "m3", "m4", "f1", "f2", "f3", "Alex", "Andy", "Annie", "Denis", "Gene", "klatt2"]
    + ["linda", "max", "norbert", "steph", "whisper", "grandpa", "belinda", "john"],
    ["m5", "m7", "m8", "f4", "f5", "Lee", "Mario", "Jacky", "klatt4", "anika", "paul", "shelby"]
    + ["whisperf", "grandma", "pablo", "robert", "victor"],
)
FLITE = (["kal16", "awb"], ["rms", "slt"])
FEMALE = {"f1", "f2", "f3", "f4", "f5", "Annie", "linda", "steph", "grandma", "belinda", "anika"}
FEMALE |= {"shelby", "slt", "whisperf", "Jacky", "Alicia", "Andrea", "aunty"}
ONSETS = [
    "",
    "b",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "st",
    "tr",
    "bl",
]
VOWELS = ["a", "e", "i", "o", "u", "ai", "ou", "ei"]
CODAS = ["", "", "", "n", "r", "s", "l", "t", "m", "nd", "k"]
WORDS = (
    "the a some every many water house river garden machine number people winter answer letter "
    "window doctor market station captain message paper mountain village engine table morning "
    "question system country family music light street power story level money office party "
    "walks runs says finds takes opens closes brings sees hears makes shows turns keeps begins "
    "leaves holds writes needs wants slowly never always often again before after under over "
    "between without because while although red old small great quiet heavy early"
).split()


@dataclass(frozen=True)
class Voice:
    """A voice of a free synthesizer.

    Attributes
    ----------
    program : str
        ``espeak-ng``, ``flite`` or ``festival``.
    language : str
        Language, for espeak-ng.
    name : str
        Variant or voice.
    """

    program: str
    language: str
    name: str

    @property
    def female(self) -> bool:
        """Whether it is a woman's voice."""
        return self.name in FEMALE

    def __str__(self) -> str:
        return f"{self.program} {self.language}+{self.name}"


def voices(test: bool) -> list[Voice]:
    """Return the voices of one half; the other half has no language and no variant of them.

    Parameters
    ----------
    test : bool
        Which half.

    Returns
    -------
    list of Voice
        Every language with every variant of its half, then flite's and festival's.
    """
    half = int(test)
    found = [Voice("espeak-ng", lang, name) for lang in LANGUAGES[half] for name in VARIANTS[half]]
    found += [Voice("flite", "en", name) for name in FLITE[half] for _ in range(20)]
    return found + ([] if test else [Voice("festival", "en", "kal_diphone")] * 15)


def text(rng: np.random.Generator, english: bool, words: int) -> str:
    """Return a text that nobody wrote: sentences of words or of made-up words, and numbers.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the text.
    english : bool
        Whether the words are English.
    words : int
        How many words.

    Returns
    -------
    str
        The text, with commas and full stops.
    """
    out: list[str] = []
    while len(out) < words:
        length = int(rng.integers(4, 14))
        sentence = [_word(rng, english) for _ in range(length)]
        if length > 7:
            sentence[length // 2] += ","
        sentence[-1] += str(rng.choice([".", ".", ".", "?", "!"]))
        out += sentence
    return " ".join(out)


def _word(rng: np.random.Generator, english: bool) -> str:
    """Return a word or, at times, a number."""
    if rng.random() < 0.07:
        return str(int(rng.integers(2, 3000)))
    if english and rng.random() < 0.95:
        return str(rng.choice(WORDS))
    syllables = int(rng.integers(1, 4))
    return "".join(
        str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) + str(rng.choice(CODAS))
        for _ in range(syllables)
    )


def speak(voice: Voice, words: str, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Let a voice read a text.

    Parameters
    ----------
    voice : Voice
        The voice.
    words : str
        The text.
    rate : int
        Sample rate of the result.
    rng : numpy.random.Generator
        Source of speed and pitch.

    Returns
    -------
    numpy.ndarray
        The samples, with a peak of 1.
    """
    with tempfile.TemporaryDirectory() as folder:
        target, source = Path(folder, "out.wav"), Path(folder, "in.txt")
        source.write_text(words, encoding="utf-8")
        if voice.program == "espeak-ng":
            speed, pitch = int(rng.integers(120, 210)), int(rng.integers(25, 75))
            command = ["espeak-ng", "-v", f"{voice.language}+{voice.name}", "-s", str(speed)]
            command += ["-p", str(pitch), "-w", str(target), "-f", str(source)]
        elif voice.program == "flite":
            stretch = f"duration_stretch={rng.uniform(0.85, 1.3):.2f}"
            command = ["flite", "-voice", voice.name, "--setf", stretch, str(source), str(target)]
        else:
            command = ["text2wave", "-o", str(target), str(source)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        samples, own = soundfile.read(target, dtype="float64")
    return peak_one(soxr.resample(samples, own, rate))


def echo(
    samples: np.ndarray, rate: int, seconds: float, wet: float, rng: np.random.Generator
) -> np.ndarray:
    """Put a sound into a room.

    Parameters
    ----------
    samples : numpy.ndarray
        The sound.
    rate : int
        Its sample rate.
    seconds : float
        Time in which the reverberation falls by 60 dB.
    wet : float
        Level of the reverberation relative to the sound.
    rng : numpy.random.Generator
        Source of the room's response.

    Returns
    -------
    numpy.ndarray
        As many samples.
    """
    size = max(16, round(seconds * rate))
    response = rng.standard_normal(size) * 10.0 ** (-3.0 * np.arange(size) / size)
    response = banded(response, rate, 120.0, rng.uniform(3000.0, 9000.0))
    response /= np.sqrt(np.sum(response**2)) + 1e-12
    total = 1 << (len(samples) + size - 1).bit_length()
    tail = np.fft.irfft(np.fft.rfft(samples, total) * np.fft.rfft(response, total), total)
    return samples + wet * tail[: len(samples)]


def telephone(samples: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a sound as heard on a telephone: 300 to 3400 Hz, bent, with a little hiss."""
    narrow = banded(peak_one(samples), rate, 300.0, 3400.0)
    return np.tanh(2.5 * narrow) + 0.005 * colored(len(samples), rate, 0.0, rng)


def scene(
    size: int, rate: int, speakers: list[Voice], rng: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Let voices speak in turn, and hear them through a room, noise or a telephone.

    Parameters
    ----------
    size, rate : int
        Number of samples and sample rate.
    speakers : list of Voice
        One or more voices.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    (numpy.ndarray, list of str)
        The samples and the conditions.
    """
    samples, at, turn = np.zeros(size), round(rng.uniform(0.0, 0.5) * rate), 0
    while at < size - rate // 2:
        voice = speakers[turn % len(speakers)]
        count = int(rng.integers(5, 14)) if len(speakers) > 1 else max(12, 3 * size // rate)
        english = voice.language.startswith("en")
        piece = speak(voice, text(rng, english, count), rate, rng)[: size - at]
        samples[at : at + len(piece)] += piece * rng.uniform(0.7, 1.0)
        overlap = rng.uniform(-0.6, 0.3) if len(speakers) > 1 else 0.3
        at += max(len(piece) + round(overlap * rate), rate // 4)
        turn += 1
    conditions = []
    if rng.random() < 0.4:
        samples = echo(samples, rate, rng.uniform(0.2, 2.0), rng.uniform(0.1, 0.7), rng)
        conditions.append("room")
    if rng.random() < 0.35:
        level = 10.0 ** (rng.uniform(-40.0, -12.0) / 20.0)
        samples = samples + level * colored(size, rate, float(rng.uniform(-6.0, 0.0)), rng)
        conditions.append("noise")
    if rng.random() < 0.2:
        samples = telephone(samples, rate, rng)
        conditions.append("telephone")
    return samples, conditions


def babble(size: int, rate: int, crowd: list[Voice], rng: np.random.Generator) -> np.ndarray:
    """Return a crowd: many voices at once, none of them to be understood."""
    samples = np.zeros(size)
    for voice in crowd:
        english = voice.language.startswith("en")
        piece = speak(voice, text(rng, english, 60), rate, rng)
        samples += np.roll(np.resize(piece, size), int(rng.integers(size))) * rng.uniform(0.2, 1.0)
    return echo(samples, rate, rng.uniform(0.4, 2.0), rng.uniform(0.3, 1.5), rng)
