"""Every error musicu raises on purpose.

MusicuError            something the caller can mend; its text is one line
├── AudioError         a file holds no audio that can be used; carries the path and the reason
├── ModelError         a model folder is missing, incomplete, or does not fit its weights
├── ModelMismatchError vectors of two models would have been compared
├── CatalogError       a catalog file is missing, foreign, too new, or lacks what was asked for
├── MetadataError      a metadata sheet or a filter expression cannot be understood
└── MissingExtraError  an optional dependency is not installed
"""

__all__ = [
    "AudioError",
    "CatalogError",
    "MetadataError",
    "MissingExtraError",
    "ModelError",
    "ModelMismatchError",
    "MusicuError",
]


class MusicuError(Exception):
    """Something the caller can mend. The text is one line that names the thing and the way out."""


class AudioError(MusicuError):
    """A file holds no audio that can be used.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        Why, in a few words: ``"empty file (0 bytes)"``.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ModelError(MusicuError):
    """A model folder is missing, incomplete, or does not fit its weights."""


class ModelMismatchError(MusicuError):
    """Vectors of two models would have been compared; such a comparison means nothing."""


class CatalogError(MusicuError):
    """A catalog file is missing, foreign, too new, or lacks what was asked for."""


class MetadataError(MusicuError):
    """A metadata sheet or a filter expression cannot be understood."""


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
