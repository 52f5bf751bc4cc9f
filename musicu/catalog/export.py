"""Write a catalog's vectors and metadata to a file other tools read."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index
from musicu.catalog.schema import LIST_COLUMNS
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.tracks import library_columns, read_values
from musicu.errors import CatalogError, MissingExtraError
from musicu.files import written_file

__all__ = ["export"]


def export(store: Store, model: StoredModel, target: str | os.PathLike[str]) -> int:
    """Write every track that has a vector; the suffix chooses the format.

    - ``.npz``: ``ids``, ``paths``, ``vectors`` [n, dim] float32.
    - ``.parquet``: the same, with metadata and descriptors; needs ``musicu[parquet]``.
    - ``.csv``: as parquet, the vector as a JSON list.

    In each, every row names the model's id, version and the SHA-256 of its weights. The file is
    written whole or not at all.

    Parameters
    ----------
    store : Store
        The catalog.
    model : StoredModel
        Whose vectors.
    target : str or path-like
        The file.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    CatalogError
        The suffix is none of these, or the file cannot be written.
    MissingExtraError
        Parquet without pyarrow.
    """
    target = Path(target)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise CatalogError(f"{target}: the name must end in {', '.join(_WRITERS)}")
    index = Index.open(store, model)
    names = library_columns(store)
    rows = {row[0]: row[1:] for row in read_values(store, ["track", *names])}
    kept = [at for at, track in enumerate(index.tracks.tolist()) if track in rows]
    table: dict[str, list[Any]] = {
        name: [rows[int(index.tracks[at])][i] for at in kept] for i, name in enumerate(names)
    }
    table["model_id"] = [model.id] * len(kept)
    table["model_version"] = [model.version] * len(kept)
    table["model_sha256"] = [model.sha256] * len(kept)
    try:
        with written_file(target) as file:
            write(file, table, np.asarray(index.matrix[kept]))
    except OSError as error:
        raise CatalogError(f"{target}: cannot be written ({error.strerror or error})") from None
    return len(kept)


def _npz(file: IO[bytes], table: dict[str, list[Any]], vectors: NDArray[np.float32]) -> None:
    def texts(name: str) -> NDArray[np.str_]:
        return np.array(table[name], dtype=np.str_)  # never objects, which would be pickled

    np.savez(
        file,
        ids=texts("id"),
        paths=texts("path"),
        vectors=vectors,
        model_id=texts("model_id"),
        model_version=texts("model_version"),
        model_sha256=texts("model_sha256"),
    )


def _csv(file: IO[bytes], table: dict[str, list[Any]], vectors: NDArray[np.float32]) -> None:
    import io

    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    writer = csv.writer(text)
    writer.writerow([*table, "vector"])
    for row, vector in zip(zip(*table.values(), strict=True), vectors, strict=True):
        writer.writerow([*row, json.dumps([round(float(v), 7) for v in vector])])
    text.detach()


def _parquet(file: IO[bytes], table: dict[str, list[Any]], vectors: NDArray[np.float32]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    # Parquet's texts are UTF-8: a name that is not keeps its bytes as \xNN.
    table = {name: [_escaped(value) for value in values] for name, values in table.items()}
    columns = {
        name: [json.loads(v) if v else [] for v in values] if name in LIST_COLUMNS else values
        for name, values in table.items()
    }
    arrays = {name: pyarrow.array(values) for name, values in columns.items()}
    flat = pyarrow.array(vectors.reshape(-1))
    arrays["vector"] = pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    pyarrow.parquet.write_table(pyarrow.table(arrays), file)


def _escaped(value: Any) -> Any:
    """Write bytes that are not UTF-8 as their numbers."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


_WRITERS: dict[str, Callable[[IO[bytes], dict[str, list[Any]], NDArray[np.float32]], None]] = {
    ".npz": _npz,
    ".parquet": _parquet,
    ".csv": _csv,
}
