"""Baselines an encoder has to beat: MFCC statistics, bliss, chance."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.runtime import set_numba_cache
from musicu.errors import AudioError, MissingExtraError, MusicuError

__all__ = ["BASELINES", "Baseline", "bliss_features", "mfcc_features", "no_features"]

Floats = NDArray[np.float64]
Path = str | os.PathLike[str]

_MFCC = 20
_MFCC_SR = 16000
_RANDOM_DIM = 64


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What an encoder is compared with.

    Attributes
    ----------
    features : callable
        From the path of a clip (str or path-like), its mono samples ``[shape=(n,), float32]`` and
        their rate (Hz) to features ``[shape=(dim,), float64]``.
    vectors : callable
        From the features of a whole collection ``[shape=(n, dim), float64]`` and a seed to the
        vectors that are compared ``[shape=(n, d), float64]``.
    distance : {"cosine", "euclidean"}
        How these are compared.
    """

    features: Callable[[Path, NDArray[np.float32], int], Floats]
    vectors: Callable[[Floats, int], Floats]
    distance: Literal["cosine", "euclidean"] = "cosine"


def mfcc_features(path: Path, y: NDArray[np.float32], sr: int) -> Floats:
    """Return mean and standard deviation of 20 MFCCs (librosa) of a clip at 16 kHz.

    The classic of Logan & Salomon (ICME 2001) and Tzanetakis & Cook (2002).

    Raises
    ------
    MissingExtraError
        librosa is not installed.
    """
    set_numba_cache()
    try:
        import librosa
    except ImportError:
        raise MissingExtraError("librosa", "evaluate") from None
    import soxr

    y = soxr.resample(y, sr, _MFCC_SR, quality="HQ")
    frames = librosa.feature.mfcc(y=y, sr=_MFCC_SR, n_mfcc=_MFCC)
    return np.concatenate([frames.mean(axis=1), frames.std(axis=1)], dtype=np.float64)


def no_features(path: Path, y: NDArray[np.float32], sr: int) -> Floats:
    """Return nothing."""
    return np.empty(0)


def bliss_features(path: Path, y: NDArray[np.float32], sr: int) -> Floats:
    """Return the 23 features of bliss-rs, by the package ``bliss_audio``, which decodes the file.

    Raises
    ------
    AudioError
        bliss cannot analyze the file.
    MusicuError
        ``bliss_audio`` is not installed.
    """
    try:
        song = import_module("bliss_audio").Song
    except ImportError:
        raise MusicuError(
            "the baseline 'bliss' needs the package bliss_audio: pip install bliss-audio"
        ) from None
    try:
        return np.array(song(os.fspath(path)).analysis, dtype=np.float64)
    except BaseException as error:  # a panic of Rust's is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise AudioError(os.fspath(path), "bliss cannot analyze it") from None


def _standardized(features: Floats, seed: int) -> Floats:
    """Standardize each feature over the collection."""
    std = features.std(axis=0)
    standardized: Floats = (features - features.mean(axis=0)) / np.where(std > 0, std, 1.0)
    return standardized


def _as_they_are(features: Floats, seed: int) -> Floats:
    return features


def _normal(features: Floats, seed: int) -> Floats:
    """Draw 64 normal numbers a clip."""
    return np.random.default_rng(seed).standard_normal((len(features), _RANDOM_DIM))


# Add a baseline here. bliss is compared as its players do.
BASELINES: dict[str, Baseline] = {
    "mfcc": Baseline(features=mfcc_features, vectors=_standardized),
    "bliss": Baseline(features=bliss_features, vectors=_as_they_are, distance="euclidean"),
    "random": Baseline(features=no_features, vectors=_normal),
}
