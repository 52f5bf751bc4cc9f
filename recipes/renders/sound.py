"""Play MIDI files with fluidsynth, and change the sound."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr

from renders.score import RenderError

RENDER_RATE = 32000  # at or above the output's rate, so that images can be filtered out


def synthesize(
    midi: mido.MidiFile, soundfont: str, size: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Play a MIDI file with fluidsynth, under a random amount of reverb and chorus.

    Parameters
    ----------
    midi : mido.MidiFile
        What to play.
    soundfont : str
        Path of the soundfont.
    size : int
        Number of samples of the result.
    sample_rate : int
        Sample rate of the result.
    rng : numpy.random.Generator
        Source of the amounts.

    Returns
    -------
    numpy.ndarray
        Mono samples, float64.
    """
    reverb, chorus = rng.random() < 0.8, rng.random() < 0.5
    options = {
        "synth.dynamic-sample-loading": 1,
        "synth.polyphony": 160,
        "synth.reverb.level": f"{rng.uniform(0.1, 0.9):.3f}",
        "synth.reverb.room-size": f"{rng.uniform(0.1, 0.9):.3f}",
        "synth.reverb.damp": f"{rng.uniform(0.0, 0.8):.3f}",
        "synth.chorus.level": f"{rng.uniform(0.3, 3.0):.3f}",
        "synth.chorus.depth": f"{rng.uniform(2.0, 9.0):.3f}",
    }
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.mid"), Path(folder, "out.wav")
        midi.save(source)
        command = ["fluidsynth", "-ni", "-q", "-g", "0.3", "-r", str(RENDER_RATE)]
        command += ["-O", "float", "-R", str(int(reverb)), "-C", str(int(chorus))]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        command += ["-F", str(target), soundfont, str(source)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=300)
            samples, rate = soundfile.read(target, dtype="float32", always_2d=True)
        except (subprocess.SubprocessError, soundfile.SoundFileError) as error:
            raise RenderError("synthesis failed") from error
    mono = samples.mean(axis=1, dtype=np.float64)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    mono = np.pad(mono[:size], (0, max(0, size - len(mono))))
    # Some presets have an offset or rumble that would take up the headroom.
    spectrum = np.fft.rfft(mono)
    spectrum *= np.clip(np.fft.rfftfreq(len(mono), 1.0 / sample_rate) / 15.0 - 1.0, 0.0, 1.0)
    return np.fft.irfft(spectrum, len(mono))


def add_effects(
    samples: np.ndarray, sample_rate: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[str]]:
    """Apply one or two of drive, tilt, record noise and tremolo.

    Parameters
    ----------
    samples : numpy.ndarray
        Mono samples with a peak of 1.
    sample_rate : int
        Their sample rate.
    rng : numpy.random.Generator
        Source of the choice and of the amounts.

    Returns
    -------
    (numpy.ndarray, list of str)
        The changed samples, and the names of the effects.
    """
    names = ["drive", "tilt", "noise", "tremolo"]
    size = len(samples)
    chosen = rng.choice(names, size=int(rng.integers(1, 3)), replace=False).tolist()
    for name in chosen:
        if name == "drive":
            drive = rng.uniform(0.3, 1.0) / max(float(np.sqrt(np.mean(samples**2))), 0.02)
            samples = np.tanh(drive * samples) / np.tanh(drive)
        elif name == "tilt":
            frequencies = np.fft.rfftfreq(size, 1.0 / sample_rate)
            octaves = np.log2(np.clip(frequencies, 40.0, None) / 1000.0)
            gains = 10.0 ** (rng.uniform(-3.5, 3.5) * octaves / 20.0)
            samples = np.fft.irfft(np.fft.rfft(samples) * gains, size)
        elif name == "noise":
            level = 10.0 ** rng.uniform(-3.0, -2.0)
            clicks = (rng.random(size) < rng.uniform(2.0, 20.0) / sample_rate) * 1.0
            clicks *= rng.uniform(-1.0, 1.0, size) * level * 25.0
            shape = np.exp(-np.arange(24) / 5.0) * np.cos(np.arange(24) * 0.9)
            samples = samples + np.convolve(clicks, shape)[:size]
            samples = samples + rng.normal(0.0, level, size)
        else:
            phase = 2.0 * np.pi * rng.uniform(2.0, 8.0) * np.arange(size) / sample_rate
            depth = rng.uniform(0.3, 0.8)
            samples = samples * (1.0 - depth * (0.5 + 0.5 * np.sin(phase)))
    return samples, chosen
