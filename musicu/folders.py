"""Folders that are written whole or not at all."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written_whole"]


@contextmanager
def written_whole(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a new folder beside the target, which takes the target's place at the end.

    Whatever ends it before, an interruption too, leaves what was there, and nothing beside it.

    Parameters
    ----------
    folder : str or path-like
        The target; replaced where it exists.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    OSError
        A folder cannot be made or moved.
    """
    target = Path(os.path.abspath(folder))
    # Not by the target's name, which may be as long as names can be.
    mark = uuid.uuid4().hex
    draft, before = (target.with_name(f".{mark}.{end}") for end in ("tmp", "old"))
    try:
        draft.mkdir(parents=True)
        yield draft
        if target.exists():
            os.replace(target, before)
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if before.exists() and not target.exists():
            os.replace(before, target)
        shutil.rmtree(before, ignore_errors=True)
