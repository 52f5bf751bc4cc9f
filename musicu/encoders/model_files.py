"""The files of a model folder: regular, and of bounded size."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from musicu.errors import ModelError
from musicu.files import open_file

__all__ = [
    "LARGEST",
    "open_model_file",
    "read_config",
    "read_model_file",
    "sha256_of",
    "text_entries",
    "text_entry",
    "write_config",
]

# Bytes that a model's files may have: far above any that is known; protobuf ends at 2 GiB anyway.
LARGEST = {
    "config.json": 16 << 20,
    "encoder.onnx": 2 << 30,
    "README.md": 16 << 20,
    "tags.npz": 256 << 20,
}


def open_model_file(file: Path, *, follow: bool = True) -> BufferedReader:
    """Open a model's file, which must be a regular one of bounded size.

    Parameters
    ----------
    file : Path
        One of those named in :data:`LARGEST`.
    follow : bool
        Whether it may be a link.

    Raises
    ------
    ModelError
        It cannot be opened, or is too large.
    """
    try:
        opened = open_file(file, follow=follow)
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror or error}") from None
    if (size := os.fstat(opened.fileno()).st_size) > LARGEST[file.name]:
        opened.close()
        raise ModelError(f"{file}: {size >> 20:,} MB, too large for a model")
    return opened


def read_model_file(file: Path) -> bytes:
    """Read a model's file; see :func:`open_model_file`."""
    with open_model_file(file) as opened:
        try:
            return opened.read()
        except OSError as error:
            raise ModelError(f"{file}: {error.strerror or error}") from None


def read_config(folder: Path) -> dict[str, Any]:
    """Read a model folder's ``config.json``.

    Raises
    ------
    ModelError
        It is missing, or no JSON object.
    """
    file = folder / "config.json"
    if not os.path.lexists(file):
        raise ModelError(f"{folder}: not a model folder, config.json is missing")
    try:
        config = json.loads(read_model_file(file).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file}: cannot be read ({error})") from None
    if not isinstance(config, dict):
        raise ModelError(f"{file}: must hold one JSON object")
    return config


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write ``config.json``."""
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")


def sha256_of(file: Path) -> str:
    """Hash a model's file: 64 hex digits; see :func:`open_model_file`."""
    with open_model_file(file) as opened:
        try:
            return hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{file}: {error.strerror or error}") from None


def text_entry(config: dict[str, Any], key: str) -> str:
    """Return an entry that must be a text.

    Raises
    ------
    KeyError
        There is none.
    ValueError
        It is none, or empty.
    """
    value = config[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} must be a text, not {value!r}")
    return value


def text_entries(config: dict[str, Any], key: str) -> tuple[str, ...]:
    """Return an entry of several texts, or of one; empty without it."""
    value = config.get(key, [])
    return (value,) if isinstance(value, str) else tuple(map(str, value))
