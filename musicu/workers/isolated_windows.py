"""Files embedded window by window in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Collection

from musicu.encoders.model import Model
from musicu.encoders.windows import WindowEmbeddings
from musicu.workers.pool import Pool, WorkerSettings

__all__ = ["embed_windows_isolated"]


def embed_windows_isolated(
    paths: Collection[str],
    model: Model,
    *,
    jobs: int = 1,
    progress: Callable[[str], None] | None = None,
) -> dict[str, WindowEmbeddings]:
    """Embed files window by window; those that cannot be read are not in the answer.

    Parameters
    ----------
    paths : collection of str
        The files, each once.
    model : Model
        What to embed with, in windows that overlap by half.
    jobs : int >= 1
        Worker processes.
    progress : callable or None
        Called with each path when it is done.

    Returns
    -------
    dict of str to WindowEmbeddings
        By path.
    """
    found: dict[str, WindowEmbeddings] = {}
    if not paths:
        return found
    settings = WorkerSettings(model=str(model.folder), program="windows")
    with Pool(settings, min(jobs, len(paths))) as pool:
        for path, answer in pool.run(paths, lambda worker, path: worker.call({"path": path})):
            if "error" not in answer:
                found[path] = WindowEmbeddings(**answer)
            if progress:
                progress(path)
    return found
