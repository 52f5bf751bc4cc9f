"""A transformer from paths of audio files to embeddings, for pipelines of scikit-learn."""

from __future__ import annotations

import os
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.model import Model
from musicu.encoders.registry import find_model
from musicu.errors import AudioError
from musicu.estimator import Transformer
from musicu.paths import absolute
from musicu.workers.pool import Pool, Worker, WorkerSettings

__all__ = ["AudioEmbedder"]


class AudioEmbedder(Transformer):
    """Embeds audio files, each decoded in a worker process.

    A catalog (:class:`musicu.Catalog`) keeps what was computed; this keeps nothing.

    Parameters
    ----------
    model : str, path-like or None
        Name or folder of a model; None is the default.
    jobs : int >= 1
        Worker processes.
    timeout : float > 0
        Seconds that a file may take.
    on_error : {"raise", "nan"}
        What a file does that cannot be used: raise an error, or give a row of NaN.

    Attributes
    ----------
    model_ : Model
        The model that was found.
    failures_ : dict of str to str
        Files of the last :meth:`transform` that could not be used, with reasons.

    Examples
    --------
    >>> embedder = AudioEmbedder().fit([])
    >>> embedder.transform(["fixtures/tone.flac"]).shape
    (1, 256)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        jobs: int = 1,
        timeout: float = 300.0,
        on_error: Literal["raise", "nan"] = "raise",
    ) -> None:
        self.model = model
        self.jobs = jobs
        self.timeout = timeout
        self.on_error = on_error

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Find the model; nothing is learned.

        Parameters
        ----------
        X, y : object
            Passed over.

        Raises
        ------
        ModelError
            There is no such model, or its folder is damaged.
        """
        self.model_: Model = find_model(self.model)
        return self

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns: the model's, with a number."""
        return np.array([f"{self.model_.id}{at}" for at in range(self.model_.dim)], dtype=object)

    def _is_fitted(self) -> bool:
        return hasattr(self, "model_")

    def _rows(self, X: Any) -> NDArray[np.float32]:
        paths = [os.fspath(path) for path in X]
        rows = np.full((len(paths), self.model_.dim), np.nan, dtype=np.float32)
        self.failures_: dict[str, str] = {}
        settings = WorkerSettings(model=str(self.model_.folder), timeout=self.timeout)

        def analyze(worker: Worker, at: int) -> dict[str, Any]:
            return worker.analyze(absolute(paths[at]))

        with Pool(settings, max(1, min(self.jobs, len(paths)))) as pool:
            for at, answer in pool.run(range(len(paths)), analyze):
                if "error" not in answer:
                    rows[at] = answer["vector"]
                elif self.on_error == "nan":
                    self.failures_[paths[at]] = answer["error"]
                else:
                    raise AudioError(paths[at], answer["error"], cause=answer["cause"])
        return rows
