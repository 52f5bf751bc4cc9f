"""Lists for all users of a log by several processes, which share a recommender's files in memory.

``python -m musicu.recommend.batch_job REQUEST`` writes the lists of a part of the users (see
:func:`musicu.workers.background_job.run_job`); REQUEST is a file of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from musicu.errors import MusicuError
from musicu.files import open_file, written_file
from musicu.items.stored_names import StoredNames
from musicu.recommend.batch import need_parquet, write_lists
from musicu.recommend.feedback import Feedback
from musicu.recommend.interactions import Interactions
from musicu.recommend.loading import load_catalog_recommender
from musicu.workers.background_job import Progress, run_job, serve_job

__all__ = ["recommend_all"]

_MOST = 64  # processes


def recommend_all(
    folder: str | os.PathLike[str],
    log: Interactions,
    path: str | os.PathLike[str],
    n: int = 20,
    *,
    catalog: str | os.PathLike[str] | None = None,
    where: str | None = None,
    include_non_music: bool = False,
    processes: int = 1,
    progress: Callable[[int, int], object] | None = None,
    **rules: Any,
) -> int:
    """Write the lists of all users of a log to Parquet: the file is whole or not there.

    Parameters
    ----------
    folder : str or path-like
        A recommender that was saved.
    log : Interactions
        Its items are the recommender's, or the catalog's.
    path : str or path-like
        See :func:`musicu.recommend.batch.write_lists`.
    n : int >= 0
        How many each.
    catalog, where
        As for :func:`musicu.recommend.loading.load_catalog_recommender`.
    include_non_music : bool
        Also what is heard to be no music.
    processes : int in [1, 64]
        How many work; each has a part of the users, on a core of its own.
    progress : callable or None
        Called with how many users are done, and of how many.
    **rules
        As for :func:`musicu.recommend.batch.recommend_batch`.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    MusicuError
        There is no recommender, the file cannot be written, or a process failed.
    MissingExtraError
        There is no pyarrow.
    """
    need_parquet()
    if not 1 <= processes <= _MOST:
        raise MusicuError(f"{processes} processes: choose from 1 to {_MOST}")
    request = {
        "folder": os.path.abspath(folder),
        "catalog": None if catalog is None else os.path.abspath(catalog),
        "where": where,
        "include_non_music": include_non_music,
        "n": n,
        "rules": rules,
    }
    count = max(min(processes, len(log.users)), 1)
    ends = [len(log.users) * i // count for i in range(count + 1)]
    if count == 1:
        return _write(request, log, path, slice(None), progress)
    done, lock, stop = [0] * count, threading.Lock(), threading.Event()

    def step(part: int, _: str, own: int, __: int) -> None:
        with lock:
            done[part] = own
            if progress:
                progress(sum(done), len(log.users))

    # The parts stand beside the result: there is room for it, and it is nobody else's to read.
    beside = os.path.dirname(os.path.abspath(path))
    with tempfile.TemporaryDirectory(prefix=".musicu-", dir=beside) as draft:
        work = Path(draft)
        _save_log(log, work / "log.npz")
        jobs = []
        for part in range(count):
            own = {"log": "log.npz", "users": ends[part : part + 2], "part": f"{part}.parquet"}
            (work / f"{part}.json").write_text(json.dumps(request | own), encoding="utf-8")
            jobs.append(str(work / f"{part}.json"))
        with ThreadPoolExecutor(count) as threads:
            run = partial(run_job, "musicu.recommend.batch_job", cancel=stop)
            running = [
                threads.submit(run, job, progress=partial(step, part))
                for part, job in enumerate(jobs)
            ]
            try:
                rows = [int(one.result()) for one in running]
            except BaseException:
                stop.set()
                raise
        _join([work / f"{part}.parquet" for part in range(count)], path)
    return sum(rows)


def _write(
    request: dict[str, Any],
    log: Interactions,
    path: str | os.PathLike[str],
    users: slice,
    progress: Callable[[int, int], object] | None,
) -> int:
    from threadpoolctl import threadpool_limits

    loaded = load_catalog_recommender(request["folder"], request["catalog"], where=request["where"])
    # Products are small: BLAS's threads would wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        return write_lists(
            loaded.recommender,
            log,
            path,
            request["n"],
            users=users,
            progress=progress,
            candidates=loaded.candidates,
            exclude=() if request["include_non_music"] else loaded.non_music,
            **request["rules"],
        )


def _save_log(log: Interactions, path: Path) -> None:
    arrays: dict[str, Any] = {"user": log.user, "item": log.item, "weight": log.weight}
    said = log.feedback
    names = {"users_": log.users, "items_": log.items}
    if log.time is not None:
        arrays["time"] = log.time
    if said is not None:
        arrays |= {"said_user": said.user, "said_item": said.item, "said_value": said.value}
        names |= {"said_users_": said.users, "said_items_": said.items}
    for prefix, ids in names.items():
        stored = StoredNames.of(ids).arrays()
        arrays |= {prefix + name: array for name, array in stored.items()}
    np.savez(path, **arrays)


def _load_log(path: Path) -> Interactions:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}

    def names(prefix: str) -> tuple[str, ...]:
        return StoredNames.from_arrays(arrays, prefix).all()

    said = None
    if "said_user" in arrays:
        columns = (arrays[f"said_{name}"] for name in ("user", "item", "value"))
        said = Feedback(names("said_users_"), names("said_items_"), *columns)
    return Interactions(
        names("users_"),
        names("items_"),
        arrays["user"],
        arrays["item"],
        arrays["weight"],
        arrays.get("time"),
        feedback=said,
    )


def _join(parts: list[Path], path: str | os.PathLike[str]) -> None:
    """Write the rows of some files into one, a group of rows at a time."""
    _, parquet = need_parquet()
    try:
        with written_file(path) as file, parquet.ParquetFile(parts[0]) as first:
            schema = first.schema_arrow
            with parquet.ParquetWriter(file, schema) as writer:
                for part in parts:
                    with parquet.ParquetFile(part) as rows:
                        for group in range(rows.num_row_groups):
                            writer.write_table(rows.read_row_group(group))
    except OSError as error:
        raise MusicuError(f"{path}: cannot be written ({error.strerror or error})") from None


def _part(job: Path, progress: Progress) -> int:
    with open_file(job, encoding="utf-8") as file:
        request = json.load(file)
    log = _load_log(job.with_name(request["log"]))
    return _write(
        request,
        log,
        job.with_name(request["part"]),
        slice(*request["users"]),
        lambda done, total: progress("", done, total),
    )


if __name__ == "__main__":
    serve_job(partial(_part, Path(sys.argv[1])))
    # All is said and written. To take a million items down in order can take longer than whoever
    # waits has patience for.
    os._exit(0)
