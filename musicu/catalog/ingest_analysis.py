"""Analyze what is new or changed, file by file, and store each answer as it comes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

from musicu.audio.header_checks import Promise
from musicu.catalog.file_changes import FileChanges
from musicu.catalog.ingest_summary import Progress, Summary
from musicu.catalog.moved_files import MovedFiles
from musicu.catalog.scan import FoundFile
from musicu.catalog.store import FileRow, Store, StoredModel
from musicu.catalog.time_left import TimeLeft
from musicu.catalog.track_ids import (
    adopt_identity,
    embedded_ids,
    partly_read_ids,
    put_identity,
)
from musicu.errors import PASSING, MusicuError
from musicu.workers.pool import Pool, Worker

__all__ = ["IngestAnalysis"]

# Failures in a row that lie outside the files, beyond one for each worker, at which a run stops.
_IN_A_ROW = 5
# Failures that are no coincidence, in a catalog that has files which could be used.
_SHARED = 3
_WAYS_OUT = {
    "time": "raise --timeout, or leave the machine more time (-j 1)",
    "memory": "free memory, or run fewer workers (-j 1)",
    "killed": "the system ends the workers, as it does when memory is short: run fewer (-j 1)",
    "system": "mend that",
}


class IngestAnalysis:
    """The analysis of what a comparison of disk and catalog found to do.

    Parameters
    ----------
    store : Store
        The catalog.
    model : StoredModel
        Whose vectors are stored.
    known : dict of str to FileRow
        The catalog's files before the run, by path.
    changes : FileChanges
        What there is to do.
    moves : MovedFiles
        Told of files that were not known before.
    summary : Summary
        Where it is counted.
    described : bool
        Whether tracks need descriptors too.
    force : bool
        Analyze also what is known.
    jobs : int >= 1
        Worker processes.
    """

    def __init__(
        self,
        store: Store,
        model: StoredModel,
        known: dict[str, FileRow],
        changes: FileChanges,
        moves: MovedFiles,
        summary: Summary,
        *,
        described: bool,
        force: bool,
        jobs: int,
    ) -> None:
        self._store = store
        self._moves = moves
        self._model = model
        self._known = known
        self._stale, self._todo = changes.stale, list(changes.todo)
        self._summary = summary
        self._described = described
        self._force = force
        self._limit = _IN_A_ROW + jobs
        self._in_a_row = 0
        self._reasons: Counter[tuple[str, str]] = Counter()
        self._done = 0
        self._bytes = 0
        self._all_bytes = sum(found.size for found in (*self._stale, *self._todo))
        self._time = TimeLeft((found.path, found.size) for found in (*self._stale, *self._todo))
        # Files that went for copies of one track and are not: whose vector is stored is unknown.
        self._doubtful: set[str] = set()

    @property
    def work(self) -> int:
        """Files that a worker has to look at."""
        return len(self._stale) + len(self._todo)

    def progress(self) -> Progress:
        """Tell how far the run is."""
        counts = self._done, self.work, self._bytes, self._all_bytes, self._summary
        return Progress(*counts, self._time.done, self._time.total, self._time.left)

    def steps(self, pool: Pool) -> Iterator[None]:
        """Identify anew, then analyze; one step a file. Stops where failures pile up.

        Parameters
        ----------
        pool : Pool
            Its workers embed with the model.
        """
        store = self._store
        settled = set(embedded_ids(store, self._model, described=self._described).values())
        for found, answer in pool.run(self._stale, lambda worker, f: worker.identify(f.path)):
            with store.change():
                self._reidentify(found, answer, settled)
            self._step(found, answer)
            yield
        ready = embedded_ids(store, self._model, described=self._described)
        partial = partly_read_ids(store)
        sizes = {row.size for row in self._known.values()}
        (gone,) = store.db.execute("SELECT EXISTS (SELECT 1 FROM files WHERE missing)").fetchone()

        def handle(worker: Worker, found: FoundFile) -> dict[str, Any]:
            # Worth a look before decoding: a file seen before, or as large as one, or one of a
            # library in which some have gone, for those may be it under another name.
            likely = found.path in self._known or found.size in sizes or gone
            if likely and ready and not self._force and found.path not in self._doubtful:
                answer = worker.identify(found.path)
                # What is known of a damaged copy may not be true of this one.
                id = answer.get("id")
                if id in ready and id not in partial:
                    return answer
            return worker.analyze(found.path)

        for found, answer in pool.run(self._todo, handle):
            with store.change():
                self._put(found, answer, ready)
            self._step(found, answer)
            yield
            if self._in_a_row >= self._limit:
                return

    def judge(self) -> None:
        """Say what failures share, if nothing but failures came of the run.

        Raises
        ------
        MusicuError
            They lie outside the files, and piled up.
        """
        useful = self._summary.embedded + self._summary.recognized
        failed = self._reasons.total()
        if not failed or self._summary.interrupted:
            return
        (reason, cause), count = self._reasons.most_common(1)[0]
        telling = not useful and (failed >= _SHARED or not self._summary.unchanged)
        only_passing = all(cause in PASSING for _, cause in self._reasons)
        if self._in_a_row >= self._limit or (telling and only_passing):
            left = len(self._todo) - useful - failed
            raise MusicuError(
                f"{failed:,} files could not be analyzed, {count:,} of them for this: {reason}"
                f"{f' ({left:,} were not tried)' if left > 0 else ''}; it is no fault of theirs: "
                f"{_WAYS_OUT[cause]}, and 'musicu embed' goes on"
            )
        if telling and (count == failed or not self._summary.unchanged):
            self._summary.fault = (
                f"no file could be used: {count:,} of {failed:,} for this: {reason}"
            )

    def _step(self, found: FoundFile, answer: dict[str, Any]) -> None:
        self._done += 1
        self._bytes += found.size
        self._time.step(found.path, found.size, answer.get("seconds"))

    def _queue(self, found: FoundFile) -> None:
        self._todo.append(found)
        self._all_bytes += found.size
        self._time.add(found.path, found.size)

    def _reidentify(self, found: FoundFile, answer: dict[str, Any], ready: set[int]) -> None:
        """Give an unchanged file, and its track, today's identity."""
        (old,) = self._store.db.execute(
            "SELECT track FROM files WHERE path = CAST(? AS TEXT)", (os.fsencode(found.path),)
        ).fetchone()
        if "error" in answer:
            if answer["cause"] in PASSING:
                self._fail(found, answer)
            else:
                self._queue(found)  # decoding tells more
            return
        track = adopt_identity(self._store, old, answer["id"])
        if track is None:
            copies = self._store.db.execute("SELECT path FROM files WHERE track = ?", (old,))
            paths = {path for (path,) in copies if os.path.exists(path)}
            queued = {waiting.path for waiting in self._todo}
            for path in sorted(paths - queued):
                info = os.stat(path)
                self._queue(FoundFile(path, info.st_size, info.st_mtime_ns, None))
            self._doubtful |= paths
            return
        put_identity(self._store, found.path, track, self._problem(answer, track))
        self._summary.reidentified += 1
        if self._force or track not in ready:
            self._queue(found)
        else:
            self._summary.unchanged += 1

    def _put(self, found: FoundFile, answer: dict[str, Any], ready: dict[str, int]) -> None:
        """Write one answer into the catalog, and count it."""
        if "error" in answer:
            self._fail(found, answer)
            return
        self._in_a_row = 0
        track, problem = ready.get(answer["id"]), answer["problem"]
        if "vector" not in answer:
            assert track is not None
            problem = self._problem(answer, track)
            self._summary.recognized += 1
        else:
            self._summary.embedded += 1
            self._summary.partial += answer["problem"] is not None
            # A copy that could not be read whole never stands for one that was.
            if track is None or not answer["problem"] or not self._has_whole(track, found.path):
                track = self._store.put_track(answer)
                self._store.put_vector(self._model, track, answer["vector"])
                ready[answer["id"]] = track
        self._store.put_file(
            found.path,
            found.size,
            found.mtime_ns,
            kind="audio",
            track=track,
            reason=answer["tags_problem"],
            problem=problem,
            tags=answer["metadata"],
        )
        if found.path not in self._known:
            self._moves.follow(found)

    def _problem(self, answer: dict[str, Any], track: int) -> str | None:
        """Return what is wrong with a file of a known track, as if it had been decoded.

        What its headers promise is compared with the length that was decoded: the times of its
        packets may be wrong where the audio is not.
        """
        (seconds,) = self._store.db.execute(
            "SELECT seconds FROM tracks WHERE track = ?", (track,)
        ).fetchone()
        broken = Promise(**answer["promise"]).broken(seconds)
        return answer["problem"] or broken

    def _has_whole(self, track: int, path: str) -> bool:
        """Whether the analysis of a track is that of another file, which was read whole."""
        row = self._store.db.execute(
            "SELECT 1 FROM tracks t JOIN files f ON f.track = t.track WHERE t.track = ?"
            " AND t.problem IS NULL AND f.problem IS NULL AND f.path != CAST(? AS TEXT)",
            (track, os.fsencode(path)),
        ).fetchone()
        return row is not None

    def _fail(self, found: FoundFile, answer: dict[str, Any]) -> None:
        """Record a failure; one that lies outside the file takes nothing away."""
        reason, cause = answer["error"], answer["cause"]
        self._summary.failed += 1
        self._reasons[reason, cause] += 1
        self._in_a_row = self._in_a_row + 1 if cause in PASSING else 0
        if cause not in PASSING or not self._store.put_failure(found.path, reason, cause):
            self._store.put_file(
                found.path, found.size, found.mtime_ns, kind="error", reason=reason, cause=cause
            )
