"""Files as browsers play them: written once, kept for a while, deleted when room is needed."""

from __future__ import annotations

import asyncio
import os
import weakref
from pathlib import Path

from musicu.service.cache import AsyncLRU
from musicu.service.queues import WorkQueue
from musicu.service.settings import Settings
from musicu.workers.waveform_renderer import Transcoder

__all__ = ["TranscodedFile", "Transcodes"]

_BYTES = 1 << 30


class TranscodedFile:
    """A file that is there as long as this object is.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        weakref.finalize(self, path.unlink, missing_ok=True)


class Transcodes:
    """Transcodes files to Opus, one at a time, and keeps at most 1 GB of them. For one event loop.

    Parameters
    ----------
    settings : Settings
        Its ``queue``, ``deadline``, ``decode_seconds`` and ``upload_seconds`` limit the work.
    folder : Path
        Where the files are; made when the first is, and deleted by whoever it belongs to.

    Attributes
    ----------
    queue : WorkQueue
        Requests that wait.
    cache : AsyncLRU
        What is kept, by the track's id.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.queue = WorkQueue("transcoding", 1, settings.queue, settings.deadline)
        self.cache: AsyncLRU[str, TranscodedFile] = AsyncLRU(_BYTES, lambda file: file.size)
        self._folder = folder
        self._transcoder = Transcoder(
            timeout=settings.decode_seconds, longest=settings.upload_seconds
        )

    async def get(self, id: str, path: str) -> TranscodedFile:
        """Return a track's sound as Opus in Ogg.

        Parameters
        ----------
        id : str
            The track.
        path : str
            Its file.

        Raises
        ------
        AudioError
            It cannot be read, or is too long.
        Busy, Late
            Too many wait; or it took too long.
        """

        def work(_: int) -> TranscodedFile:
            # Under a name of its own: an older one of this track may still be going out.
            self._folder.mkdir(exist_ok=True)
            out = self._folder / f"{id}-{os.urandom(4).hex()}.opus"
            try:
                self._transcoder.write(path, out)
                return TranscodedFile(out)
            except BaseException:
                out.unlink(missing_ok=True)
                raise

        return await self.cache.get(id, lambda: self.queue.run(work))

    async def close(self) -> None:
        """End what is going on."""
        await asyncio.gather(asyncio.to_thread(self._transcoder.close), self.queue.close())
