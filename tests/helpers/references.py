"""What other libraries said of small problems, once: see make_references.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.audio.mel import LOG_MEL_PRESETS, LogMel

FILE = Path(__file__).with_name("references.json")
MEL_SETTINGS = {
    "musicu": LOG_MEL_PRESETS["musicu"],
    "musicnn": LOG_MEL_PRESETS["musicnn"],
    "artist_siamese": LOG_MEL_PRESETS["artist_siamese"],
    "jamendo_musicnn": LOG_MEL_PRESETS["jamendo_musicnn"],
    "htk": LogMel(htk=True, norm=None, fmin=50.0, fmax=7600.0),
    "htk-magnitude": LogMel(htk=True, power=1.0, n_mels=40, hop_length=160, n_fft=400),
    "slaney-48k": LogMel(sr=48000, n_fft=2048, hop_length=1000, n_mels=64, fmax=20000.0),
}


def references(topic: str) -> Any:
    """Return the references of one topic, for example ``"ranx: ranking"``."""
    return json.loads(FILE.read_text(encoding="utf-8"))[topic]


def sweep(sr: int) -> NDArray[np.float32]:
    """A tone that runs through all frequencies in a fifth of a second."""
    t = np.arange(sr // 5) / sr
    return np.asarray(0.5 * np.sin(2 * np.pi * (sr / 2) / 0.4 * t**2), dtype=np.float32)
