"""Accents: how suddenly, and in which register, a recording becomes louder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["STREAMS", "AccentMeter", "pick_onsets"]

Array = NDArray[np.float32]

STREAMS = ("bass", "middle", "treble", "below 2 kHz", "slow")
_BASS_HZ = 220.0  # kick and bass line
_ACCENT_HZ = 2000.0  # kick, snare, bass and chords mark the beat; hi-hats divide it
_BAND_RANGE = 1e-8  # a mel band 80 dB below the strongest so far is empty (librosa's top_db)
_ONSET_DB = 2.0  # how far an onset stands out from the 200 ms around it; noise does not
_SLOW = 4  # frames (64 ms): bows and breath need longer than a frame to speak


class AccentMeter:
    """Accents of mel spectra that arrive in blocks.

    Parameters
    ----------
    hz : np.ndarray [shape=(bands,), float64]
        Center of each mel band (Hz), ascending.
    """

    def __init__(self, hz: NDArray[np.float64]) -> None:
        self._bass, self._low = int((hz < _BASS_HZ).sum()), int((hz < _ACCENT_HZ).sum())
        self._strongest = 0.0  # mel power, so far
        self._last: Array | None = None  # mel power of the last frames [bands, _SLOW]
        self._magnitude = 0.0  # what the accents are relative to: their sum over the frames
        self._frames = 0

    def push(self, mel: Array) -> tuple[Array, Array]:
        """Take the next frames.

        The streams are means over the bands of one register of the rises of magnitude ** 0.5 since
        the frame before. ``slow`` hears all bands, and rises within 64 ms that do not only come
        from a neighboring band, as those of a vibrato do (Boeck & Widmer, "Maximum filter vibrato
        suppression for onset detection", DAFx 2013).

        Parameters
        ----------
        mel : np.ndarray [shape=(bands, n), float32]
            Mel power.

        Returns
        -------
        onset : np.ndarray [shape=(n,), float32]
            Mean rise of the bands (dB), as ``librosa.onset.onset_strength``.
        accents : np.ndarray [shape=(5, n), float32]
            In the order of ``STREAMS``.
        """
        self._strongest = max(self._strongest, float(mel.max()))
        before = np.repeat(mel[:, :1], _SLOW, axis=1) if self._last is None else self._last
        mel = np.hstack([before, mel])
        self._last = mel[:, -_SLOW:].copy()
        mel = np.maximum(mel, max(self._strongest * _BAND_RANGE, 1e-20))
        onset = np.maximum(np.diff(10 * np.log10(mel[:, _SLOW - 1 :])), 0).mean(axis=0)
        magnitude = np.sqrt(np.sqrt(mel))
        self._magnitude += float(magnitude[: self._low, _SLOW:].mean(axis=0).sum())
        self._frames += magnitude.shape[1] - _SLOW
        rises = np.maximum(np.diff(magnitude[:, _SLOW - 1 :]), 0)
        earlier = magnitude[:, :-_SLOW]
        widest = earlier.copy()
        np.maximum(widest[1:], earlier[:-1], out=widest[1:])
        np.maximum(widest[:-1], earlier[1:], out=widest[:-1])
        slow = np.maximum(magnitude[:, _SLOW:] - widest, 0)
        parts = (rises[: self._bass], rises[self._bass : self._low], rises[self._low :])
        streams = (*parts, rises[: self._low], slow)
        return onset, np.stack([rows.mean(axis=0) for rows in streams])

    @property
    def level(self) -> float:
        """Mean magnitude ** 0.5 of the bands below 2 kHz so far, to tell accents relative to."""
        return self._magnitude / max(self._frames, 1)


def pick_onsets(strength: Array) -> NDArray[np.intp]:
    """Return the frames that hold an onset, picked as ``librosa.util.peak_pick`` does.

    A peak is the maximum of 7 frames (112 ms), exceeds the mean of 13 by ``_ONSET_DB`` and comes
    more than 2 frames after the one before.

    Parameters
    ----------
    strength : np.ndarray [shape=(frames,), float32]
        Onset strength (dB).

    Returns
    -------
    np.ndarray [shape=(onsets,), intp]
        Frames, ascending.
    """
    n = len(strength)
    if not n:
        return np.empty(0, dtype=np.intp)
    view = np.lib.stride_tricks.sliding_window_view
    highest = view(np.pad(strength, 3, constant_values=-np.inf), 7).max(axis=1)
    inside = view(np.pad(np.ones(n), 6), 13).sum(axis=1)
    mean = view(np.pad(strength.astype(np.float64), 6), 13).sum(axis=1) / inside
    peaks = np.flatnonzero((strength == highest) & (strength >= mean + _ONSET_DB))
    return peaks[np.diff(peaks, prepend=-3) > 2]
