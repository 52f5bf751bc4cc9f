"""Uploads on their way in, and for a while after: bodies into temporary files, within bounds."""

import asyncio
import os
import shutil
import tempfile
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

from starlette.requests import ClientDisconnect, Request

from musicu.errors import AudioError
from musicu.service.errors import Busy, Refusal, failed_io
from musicu.service.settings import Settings

__all__ = ["StoredUpload", "Upload", "UploadStore"]

# What comes in is written in pieces of this size: few trips to a thread, little memory held.
_PIECE = 1 << 20
# Seconds without a byte after which a client is given up.
_SILENT = 10.0
# A client slower than this (bytes/s), after the first seconds, holds a place and gets nowhere.
_SLOWEST = 16 << 10
_BYTES, _FILES, _SECONDS = 1 << 30, 32, 1800.0
_SWEEP = 30.0
_NO_ROOM = "the upload cannot be received now"


@dataclass
class Upload:
    """A received body.

    Attributes
    ----------
    path : str
        The temporary file, under a name of ours.
    name : str or None
        What the client calls it: a name to show and to clean, never a path to open.
    size : int
        Bytes.
    """

    path: str
    name: str | None
    size: int


@dataclass(frozen=True)
class StoredUpload:
    """An upload that is still here.

    Attributes
    ----------
    id : str
        Identity of its audio.
    path : str
        The temporary file.
    codec : str
        Name of its decoder.
    seconds : float
        Length of the audio.
    size : int
        Bytes.
    until : float
        When it is deleted (s, of the monotonic clock).
    """

    id: str
    path: str
    codec: str
    seconds: float
    size: int
    until: float


class UploadStore:
    """Receives uploads, and keeps the last ones under the ids of their audio.

    At most 1 GB is on its way in, and at most 1 GB in 32 files is kept, for half an hour.
    To be used from one event loop.

    Parameters
    ----------
    settings : Settings
        Its limits: ``upload_bytes``, ``receive_seconds``, and as many at once as ``workers`` and
        ``queue`` together.

    Attributes
    ----------
    folder : str
        Where the files are: a folder that only this user can read, deleted by :meth:`close`.
    receiving : int
        How many uploads are on their way in.
    incoming : int
        Bytes of uploads that came in and are not kept, or not yet.
    """

    def __init__(self, settings: Settings) -> None:
        self.folder = tempfile.mkdtemp(prefix="musicu-")
        # Also at the end of a process that never started, or never closed, its service.
        self._delete = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.receiving = 0
        self.incoming = 0
        self._settings = settings
        self._most = settings.workers + settings.queue
        self._kept: OrderedDict[str, StoredUpload] = OrderedDict()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to delete what was kept long enough."""
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Delete everything."""
        if self._sweeper:
            self._sweeper.cancel()
        self._kept.clear()
        await asyncio.to_thread(self._delete)

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[Upload]:
        """Receive a request's raw body into a file, which is deleted at the end unless kept.

        The name is taken from the query's ``name``.

        Yields
        ------
        Upload
            The file.

        Raises
        ------
        Refusal
            415: it is not sent as a file's bytes; 413: too large; 408: too slow; 400: the client
            left; 507: the disk is full.
        Busy
            As many as may be are on their way in.
        AudioError
            The body is empty.
        """
        self._admit(request)
        try:
            handle, path = tempfile.mkstemp(prefix="upload-", dir=self.folder)
        except OSError as error:
            raise failed_io(error, _NO_ROOM) from None
        upload = Upload(path, request.query_params.get("name"), 0)
        self.receiving += 1
        try:
            try:
                with os.fdopen(handle, "wb") as file:
                    await self._write(request, upload, file)
            except OSError as error:  # also of what is written last, when it is closed
                raise failed_io(error, _NO_ROOM) from None
            finally:
                self.receiving -= 1
            if not upload.size:
                raise AudioError("upload", "empty file (0 bytes)")
            yield upload
        finally:
            if upload.path:
                self.incoming -= upload.size
                with suppress(FileNotFoundError):
                    os.unlink(path)

    def keep(self, upload: Upload, answer: dict[str, Any]) -> None:
        """Keep an upload for a while, under the id that its analysis found."""
        until = time.monotonic() + _SECONDS
        kept = StoredUpload(
            answer["id"], upload.path, answer["codec"], answer["seconds"], upload.size, until
        )
        self.incoming -= upload.size
        upload.path = ""  # it is ours now
        self._drop(kept.id)
        self._kept[kept.id] = kept
        self._tidy()

    def find(self, id: str) -> StoredUpload | None:
        """Return the upload of this audio, if it is still here."""
        self._tidy()
        return self._kept.get(id)

    def _admit(self, request: Request) -> None:
        """Refuse what need not be read."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not _is_file(kind):
            raise Refusal(
                415, "send the file's bytes as the body, as audio/* or application/octet-stream"
            )
        claimed = request.headers.get("content-length")
        # Only to refuse early: what comes in is what counts.
        length = int(claimed) if claimed is not None and claimed.isdecimal() else 0
        if length > self._settings.upload_bytes:
            raise self._too_large()
        if self.receiving >= self._most or self.incoming + length > _BYTES:
            raise Busy("too many uploads are on their way in", 2)

    async def _write(self, request: Request, upload: Upload, file: BinaryIO) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = began + self._settings.receive_seconds
        waiting = bytearray()
        try:
            async with asyncio.timeout_at(min(began + _SILENT, end)) as patience:
                async for chunk in request.stream():
                    now = loop.time()
                    patience.reschedule(min(now + _SILENT, end))
                    upload.size += len(chunk)
                    self.incoming += len(chunk)
                    if upload.size > self._settings.upload_bytes:
                        raise self._too_large()
                    if self.incoming > _BYTES:
                        raise Busy("too many uploads are on their way in", 2)
                    if upload.size < _SLOWEST * (now - began - _SILENT):
                        raise TimeoutError
                    waiting += chunk
                    if len(waiting) >= _PIECE:
                        await asyncio.to_thread(file.write, waiting)
                        waiting = bytearray()
                await asyncio.to_thread(file.write, waiting)
        except TimeoutError:
            raise Refusal(
                408, "the upload is too slow; send it faster", {"Connection": "close"}
            ) from None
        except ClientDisconnect:
            raise Refusal(400, "the client left before the end of the upload") from None

    def _too_large(self) -> Refusal:
        most = self._settings.upload_bytes / (1 << 20)
        return Refusal(413, f"the file is larger than {most:.4g} MB", {"Connection": "close"})

    def _drop(self, id: str) -> None:
        kept = self._kept.pop(id, None)
        if kept:
            with suppress(FileNotFoundError):
                os.unlink(kept.path)

    def _tidy(self) -> None:
        """Delete what is too old, and the oldest of what is too much."""
        now = time.monotonic()
        while self._kept:
            oldest = next(iter(self._kept.values()))
            size = sum(kept.size for kept in self._kept.values())
            if oldest.until > now and len(self._kept) <= _FILES and size <= _BYTES:
                return
            self._drop(oldest.id)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            self._tidy()


def _is_file(kind: str) -> bool:
    """Whether a media type says that the body is a file's bytes; browsers call some songs video."""
    return kind.startswith(("audio/", "video/")) or kind in (
        "application/octet-stream",
        "application/ogg",
    )
