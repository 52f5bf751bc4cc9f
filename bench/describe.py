"""Time musicu's descriptors against the same ones from librosa and pyloudnorm.

    python bench/describe.py --seconds 240 --runs 5

Prints Markdown: CPU seconds (all threads) and how many times as much as musicu's that is. All paths
get the same synthesized signal, are warmed up on ten seconds of it (librosa compiles on first use)
and timed alternately in one process; each figure is a median. The ``stereo`` rows begin with
44.1 kHz stereo, so they include loudness and resampling; the ``mono`` rows with mono at 16 kHz. Set
OMP_NUM_THREADS=1 to keep the linear algebra under librosa from waiting for busy cores.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import librosa
import numpy as np
import pyloudnorm
import soxr
from numpy.typing import NDArray

from musicu.audio.descriptors import Describer, describe

Array = NDArray[np.float32]

SR = 16000
NATIVE = 44100


def synthesize(seconds: float) -> Array:
    """Clicks at 120 BPM over changing chords and a little noise, stereo at 44.1 kHz."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * NATIVE)) / NATIVE
    beat = t % 0.5
    y = 0.4 * np.sin(2 * np.pi * 60 * beat) * np.exp(-14 * beat)
    for semitones in (0, 4, 7):
        pitch = 57 + semitones + np.array([0, 5, 7, 0])[(t // 2).astype(int) % 4]
        y += 0.05 * np.sin(2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / NATIVE)
    stereo = y + 0.01 * rng.standard_normal((2, len(y)))
    return stereo.astype(np.float32)


def musicu_mono(y: Array) -> object:
    """Everything but loudness."""
    describer = Describer()
    describer.push(y)
    return describer.finish()


def naive_mono(y: Array, *, chroma: Callable[..., Array]) -> object:
    """Each descriptor from its own librosa call."""
    return (
        librosa.feature.tempo(y=y, sr=SR),
        chroma(y=y, sr=SR).mean(axis=1),
        librosa.feature.spectral_centroid(y=y, sr=SR).mean(),
        librosa.feature.rms(y=y).mean(),
        len(librosa.onset.onset_detect(y=y, sr=SR)),
    )


def naive_stereo(y: Array, *, chroma: Callable[..., Array]) -> object:
    """Resample, measure loudness and do the same."""
    return (
        pyloudnorm.Meter(NATIVE).integrated_loudness(y.T),
        naive_mono(soxr.resample(y.mean(axis=0), NATIVE, SR), chroma=chroma),
    )


def main() -> None:
    """Parse the options, run and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=240.0, help="length of the signal")
    parser.add_argument("--runs", type=int, default=5, help="runs of each path")
    options = parser.parse_args()

    stereo = synthesize(options.seconds)
    mono = soxr.resample(stereo.mean(axis=0), NATIVE, SR)
    cqt, stft = librosa.feature.chroma_cqt, librosa.feature.chroma_stft
    paths: dict[str, Callable[[int], object]] = {
        "musicu, mono": lambda n: musicu_mono(mono[: n * SR]),
        "librosa with chroma_stft, mono": lambda n: naive_mono(mono[: n * SR], chroma=stft),
        "librosa with chroma_cqt, mono": lambda n: naive_mono(mono[: n * SR], chroma=cqt),
        "musicu, stereo": lambda n: describe(stereo[:, : n * NATIVE], NATIVE),
        "librosa with chroma_stft + pyloudnorm, stereo": lambda n: naive_stereo(
            stereo[:, : n * NATIVE], chroma=stft
        ),
        "librosa with chroma_cqt + pyloudnorm, stereo": lambda n: naive_stereo(
            stereo[:, : n * NATIVE], chroma=cqt
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in paths}
    for path in paths.values():
        path(10)
    for _ in range(options.runs):
        for name, path in paths.items():
            start = time.process_time()
            path(int(options.seconds))
            times[name].append(time.process_time() - start)

    print("| path | CPU s | times musicu |")
    print("|---|---:|---:|")
    for name, runs in times.items():
        ours = statistics.median(times[f"musicu, {name.rsplit(', ')[-1]}"])
        median = statistics.median(runs)
        print(f"| {name} | {median:.2f} | {median / ours:.1f} |")


if __name__ == "__main__":
    main()
