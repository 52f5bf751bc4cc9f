"""Add an uploaded track to the catalog: its file under a name of ours, its rows in one transaction.

File and rows come together or not at all. The file is copied beside its place first, takes its
place within the transaction, and is taken back if the transaction fails.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import threading
import unicodedata
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from musicu.audio.formats import file_format
from musicu.catalog.store import Store
from musicu.catalog.tracks import read_values
from musicu.encoders.model import Model
from musicu.paths import lies_under
from musicu.service.errors import Busy, Refusal, failed_io

__all__ = ["UploadAdder", "file_name"]

# Most file systems take 255 bytes; the id, the suffix and a number have to fit, too.
_LONGEST = 180
_ID_DIGITS = 12
# What at least one common file system, or a shell, takes for something else.
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')


class UploadAdder:
    """Adds analyzed uploads to a catalog, one at a time. Thread-safe.

    Parameters
    ----------
    catalog : Path
        The catalog.
    folder : Path
        Where uploaded tracks lie; becomes one of the catalog's folders.
    """

    def __init__(self, catalog: Path, folder: Path) -> None:
        self._catalog = catalog
        self._folder = folder
        self._lock = threading.Lock()

    def add(self, upload: str, answer: Mapping[str, Any], name: str | None) -> bool:
        """Copy an upload into the folder and store it, unless its audio is known.

        Parameters
        ----------
        upload : str
            The file that was received.
        answer : mapping
            What :meth:`musicu.service.uploads.analysis.UploadAnalyzer.analyze` returned for it,
            with descriptors.
        name : str or None
            What the client calls it.

        Returns
        -------
        bool
            Whether it was added; False if its audio was there already, and nothing was written.

        Raises
        ------
        Busy
            The catalog is being embedded with another model, or it or the folder cannot be
            written.
        Refusal
            507: their disk is full.
        """
        try:
            with self._lock, Store(self._catalog, create=False) as store:
                if store.read_only:
                    raise Busy("the catalog can only be read", 60)
                if _is_known(store, answer["id"]):
                    return False
                root = self._folder.resolve()
                draft = _copy(upload, root)
                try:
                    return _store(store, root, draft, answer, name)
                finally:
                    draft.unlink(missing_ok=True)
        except sqlite3.Error as error:
            if "disk is full" in str(error):
                raise Refusal(507, f"the catalog cannot be written ({error})") from None
            raise Busy(f"the catalog cannot be written now ({error})", 10) from None
        except OSError as error:
            raise failed_io(error, "the folder for uploads cannot be written") from None


def file_name(answer: Mapping[str, Any], name: str | None, suffix: str) -> str:
    """Name an upload's file: artist and title, or else what the client calls it, and its id.

    Parameters
    ----------
    answer : mapping
        Its ``id`` and ``metadata``.
    name : str or None
        The client's name for it; only its last component counts, without its suffix.
    suffix : str
        What the name ends with: ``".mp3"``.

    Returns
    -------
    str
        One component of a path, of at most 255 bytes, on any file system.
    """
    metadata = answer["metadata"]
    stem = _cleaned(os.path.splitext(re.split(r"[/\\]", name or "")[-1])[0])
    if metadata.get("title"):
        words = (_cleaned(metadata.get(key) or "") for key in ("artist", "title"))
        stem = " - ".join(filter(None, words))
    stem = stem.encode()[:_LONGEST].decode(errors="ignore").strip(" .") or "upload"
    return f"{stem} [{answer['id'][:_ID_DIGITS]}]{suffix}"


def _cleaned(text: str) -> str:
    """Leave of a text what may be in a file's name and looks like what it is."""
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", text))
    # Controls, surrogates, private and unassigned characters, marks that turn the writing around.
    shown = (c if unicodedata.category(c)[0] != "C" else "_" for c in safe)
    return " ".join("".join(shown).split()).strip(" .")


def _is_known(store: Store, id: str) -> bool:
    """Whether the audio lies somewhere; what went missing may come back by an upload."""
    return any(read_values(store, ("id",), ids=[id]))


def _copy(upload: str, root: Path) -> Path:
    """Copy a file into a folder, under a hidden name that no scan opens."""
    draft = root / f".upload-{uuid.uuid4().hex}.part"
    try:
        with open(draft, "xb") as target, open(upload, "rb") as source:
            shutil.copyfileobj(source, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _store(
    store: Store, root: Path, draft: Path, answer: Mapping[str, Any], name: str | None
) -> bool:
    """Write the rows and put the file in its place, or do neither."""
    model: Model = answer["model"]
    placed: Path | None = None
    try:
        with store.change():
            # Another process may have stored it since.
            if _is_known(store, answer["id"]):
                return False
            stored = store.current_model()
            if stored is None or stored.sha256 != model.sha256:
                raise Busy("the catalog is being embedded with another model", 60)
            suffix, _ = file_format(str(draft), answer["codec"])
            placed = _place(draft, root, file_name(answer, name, suffix))
            info = placed.stat()
            track = store.put_track(dict(answer))
            store.put_vector(stored, track, answer["vector"])
            store.put_file(
                str(placed),
                info.st_size,
                info.st_mtime_ns,
                kind="audio",
                track=track,
                problem=answer["problem"],
                tags=answer["metadata"],
            )
            if not any(lies_under(str(root), known) for known in store.roots()):
                store.db.execute(
                    "INSERT INTO roots (path) VALUES (CAST(? AS TEXT))", (os.fsencode(root),)
                )
    except BaseException:
        if placed is not None:
            with suppress(OSError):
                placed.unlink()
        raise
    return True


def _place(draft: Path, root: Path, name: str) -> Path:
    """Give a file its name, or the next that is free; an existing file is never touched."""
    stem, suffix = os.path.splitext(name)
    number = 1
    while True:
        path = root / (name if number == 1 else f"{stem} ({number}){suffix}")
        try:
            # Taking the name is what only one can do, on file systems without hard links too.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            number += 1
            continue
        try:
            os.replace(draft, path)
        except OSError:
            path.unlink()
            raise
        return path
