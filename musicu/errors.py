"""Every error musicu raises on purpose.

MusicuError            something the caller can mend; its text is one line
├── AudioError         a file gave no audio that can be used; carries path, reason and cause
├── ModelError         a model folder is missing, incomplete, or does not fit its weights
├── ModelMismatchError vectors of two models would have been compared
├── CatalogError       a catalog file is missing, foreign, too new, or lacks what was asked for
│   └── AmbiguousNameError  several tracks may be meant; has them
├── MetadataError      a table (metadata, items, listening) or a filter cannot be understood
├── RecommenderError   a recommender cannot learn from, or answer, what it was given
│   └── NotFittedError it has not learned anything yet
└── MissingExtraError  an optional dependency is not installed
"""

__all__ = [
    "PASSING",
    "AmbiguousNameError",
    "AudioError",
    "CatalogError",
    "MetadataError",
    "MissingExtraError",
    "ModelError",
    "ModelMismatchError",
    "MusicuError",
    "NotFittedError",
    "RecommenderError",
]

# Causes of an AudioError that lie outside the file, so that it is worth another try.
PASSING = frozenset({"time", "memory", "killed", "system"})


class MusicuError(Exception):
    """Something the caller can mend. The text is one line that names the thing and the way out."""


class AudioError(MusicuError):
    """A file gave no audio that can be used.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        Why, in a few words: ``"empty file (0 bytes)"``.
    cause : {"file", "time", "memory", "killed", "system"}
        What is at fault. ``"file"``: its own bytes, until they change. All others are passing
        (:data:`PASSING`). ``"time"``: out of the time limit. ``"memory"``: more than may be used.
        ``"killed"``: the process at work was ended from outside. ``"system"``: the file, or
        something else that is needed, cannot be read now.
    """

    def __init__(self, path: str, reason: str, *, cause: str = "file") -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.cause = cause


class ModelError(MusicuError):
    """A model folder is missing, incomplete, or does not fit its weights."""


class ModelMismatchError(MusicuError):
    """Vectors of two models would have been compared; such a comparison means nothing."""


class CatalogError(MusicuError):
    """A catalog file is missing, foreign, too new, or lacks what was asked for."""


class AmbiguousNameError(CatalogError):
    """Several tracks may be meant.

    Parameters
    ----------
    message : str
        As of any other error.
    tracks : list of dict
        Those that may be meant: ``id``, ``artist``, ``title``, ``album`` and ``path`` of each.
    """

    def __init__(self, message: str, tracks: list[dict[str, object]]) -> None:
        super().__init__(message)
        self.tracks = tracks


class MetadataError(MusicuError):
    """A table (metadata, items, a log of listening) or a filter expression cannot be understood."""


class RecommenderError(MusicuError):
    """A recommender cannot learn from, or answer, what it was given: an unknown user or item."""


class NotFittedError(RecommenderError, ValueError, AttributeError):
    """An estimator was asked before it was fitted or loaded.

    A ValueError and an AttributeError as scikit-learn's error of this name is.
    """


class MissingExtraError(MusicuError):
    """An optional dependency is not installed.

    Parameters
    ----------
    package : str
        The package that could not be imported.
    extra : str
        The extra of musicu that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"`{package}` is required here: pip install '.[{extra}]' in musicu's checkout"
        )
        self.package = package
        self.extra = extra
