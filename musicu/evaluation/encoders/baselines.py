"""Baselines an encoder has to beat: MFCC statistics, bliss, chance."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.runtime import set_numba_cache
from musicu.errors import AudioError, MissingExtraError, MusicuError

__all__ = ["BASELINES", "baseline_distance", "baseline_features", "baseline_vectors"]

Floats = NDArray[np.float64]
Distance = Literal["cosine", "euclidean"]

BASELINES = ("mfcc", "bliss", "random")

_MFCC = 20
_MFCC_SR = 16000
_RANDOM_DIM = 64


def baseline_features(
    name: str, path: str | os.PathLike[str], y: NDArray[np.float32], sr: int
) -> Floats:
    """Describe one clip.

    Parameters
    ----------
    name : {"mfcc", "bliss", "random"}
        ``mfcc``: mean and standard deviation of 20 MFCCs (librosa) of the clip at 16 kHz, the
        classic of Logan & Salomon (ICME 2001) and Tzanetakis & Cook (2002). ``bliss``: the 23
        features of bliss-rs, by the package ``bliss_audio``, which decodes the file itself.
        ``random``: none.
    path : str or path-like
        The file.
    y : np.ndarray [shape=(n,), float32]
        Its mono samples.
    sr : int > 0
        Their rate (Hz).

    Returns
    -------
    np.ndarray [shape=(dim,), float64]

    Raises
    ------
    AudioError
        bliss cannot analyze the file.
    MissingExtraError
        ``mfcc`` without librosa.
    MusicuError
        There is no such baseline, or ``bliss_audio`` is not installed.
    """
    if name == "mfcc":
        set_numba_cache()
        try:
            import librosa
        except ImportError:
            raise MissingExtraError("librosa", "evaluate") from None
        import soxr

        y = soxr.resample(y, sr, _MFCC_SR, quality="HQ")
        frames = librosa.feature.mfcc(y=y, sr=_MFCC_SR, n_mfcc=_MFCC)
        return np.concatenate([frames.mean(axis=1), frames.std(axis=1)], dtype=np.float64)
    if name == "bliss":
        return _bliss(os.fspath(path))
    if name == "random":
        return np.empty(0)
    raise MusicuError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")


def baseline_vectors(name: str, features: Floats, *, seed: int = 0) -> Floats:
    """Vectors of a whole collection.

    Parameters
    ----------
    name : {"mfcc", "bliss", "random"}
        Which baseline.
    features : np.ndarray [shape=(n, dim), float64]
        A row of :func:`baseline_features` for each clip.
    seed : int
        Of ``random``.

    Returns
    -------
    np.ndarray [shape=(n, dim), float64]
        ``mfcc``: each feature standardized over the collection; ``bliss``: as it is; ``random``:
        normal, 64 dimensions.
    """
    if name == "random":
        return np.random.default_rng(seed).standard_normal((len(features), _RANDOM_DIM))
    if name == "bliss":
        return features
    std = features.std(axis=0)
    standardized: Floats = (features - features.mean(axis=0)) / np.where(std > 0, std, 1.0)
    return standardized


def baseline_distance(name: str) -> Distance:
    """How a baseline's vectors are compared: bliss by Euclidean distance, as its players do."""
    return "euclidean" if name == "bliss" else "cosine"


def _bliss(path: str) -> Floats:
    try:
        song = import_module("bliss_audio").Song
    except ImportError:
        raise MusicuError(
            "the baseline 'bliss' needs the package bliss_audio: pip install bliss-audio"
        ) from None
    try:
        return np.array(song(path).analysis, dtype=np.float64)
    except BaseException as error:  # a panic of Rust's is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise AudioError(path, "bliss cannot analyze it") from None
