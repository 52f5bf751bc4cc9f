"""What scikit-learn asks of estimators and transformers, without importing it.

Parameters, tags, output as data frames and the representation of
https://scikit-learn.org/stable/developers/develop.html: an estimator of musicu can be cloned,
searched over and put into a Pipeline, and works where scikit-learn is not installed.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError, NotFittedError
from musicu.frames import make_frame

__all__ = ["Estimator", "Transformer"]


class Estimator:
    """Parameters of an estimator: what its constructor takes, kept under the same names."""

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        """Return the parameters with their defaults."""
        taken = signature(cls.__init__).parameters
        return {name: one.default for name, one in taken.items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, as scikit-learn's estimators do."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters. What was learned stays until the next fit.

        Raises
        ------
        MusicuError
            There is no such parameter.
        """
        self._check_names(params)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _check_names(self, params: dict[str, Any]) -> None:
        known = self.get_params()
        if strange := [name for name in params if name not in known]:
            raise MusicuError(
                f"{type(self).__name__} has no parameter {strange[0]!r}; it has "
                f"{', '.join(map(repr, known))}"
            )

    def __repr__(self) -> str:
        """Show the parameters that are not the usual ones, as scikit-learn does."""
        usual = self._defaults()
        given = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if name not in usual or not _same(value, usual[name])
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_is_fitted__(self) -> bool:
        return self._is_fitted()

    def _is_fitted(self) -> bool:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags() if hasattr(self, "transform") else None,
            input_tags=InputTags(two_d_array=False),
        )


class Transformer(Estimator):
    """A transformer whose rows are vectors: arrays, or data frames where these are asked for.

    A class of this kind has ``fit(X, y=None)``, ``_rows(X)``, which makes the vectors, and
    ``get_feature_names_out()``.
    """

    _output: str = "default"

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from `X`."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the columns [dim]."""
        raise NotImplementedError

    def _rows(self, X: Any) -> Any:
        raise NotImplementedError

    def transform(self, X: Any) -> Any:
        """Return the vectors of `X`, one a row.

        Raises
        ------
        NotFittedError
            Nothing was fitted.
        """
        if not self._is_fitted():
            raise NotFittedError(f"this {type(self).__name__} is not fitted: call fit(X) first")
        rows = self._rows(X)
        if self._output == "default":
            return rows
        dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
        names = map(str, self.get_feature_names_out())
        return make_frame(dict(zip(names, dense.T, strict=True)), like=self._output)

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn from `X`, and return its vectors."""
        return self.fit(X, y).transform(X)

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what :meth:`transform` returns.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None
            Arrays, or data frames; None changes nothing.

        Raises
        ------
        MusicuError
            It is none of these.
        """
        if transform not in (None, "default", "pandas", "polars"):
            raise MusicuError(f"no output {transform!r}: use 'default', 'pandas' or 'polars'")
        self._output = transform or self._output
        return self


def _same(value: Any, usual: Any) -> bool:
    """Whether a parameter is the usual one; of arrays, the very one."""
    return value is usual or (not isinstance(value, np.ndarray) and bool(value == usual))
