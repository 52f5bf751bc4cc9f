"""What a worker process of :mod:`musicu.workers.pool` runs: it works on one file at a time.

Started as ``python -m musicu.workers.worker_program``. It reads a first line of settings and then
one request a line, and answers each with one line, all JSON; an array is an object of its type,
shape and base64. It ends when its input does, even at work, so that it never outlives the process
that started it.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import random
import signal
import sys
import tempfile
import threading
import wave
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from musicu.errors import AudioError
from musicu.metadata.fields import Metadata
from musicu.workers.failure_causes import cause_of

__all__ = ["PROGRAMS", "main", "unpack_arrays"]

Answer = Callable[[dict[str, Any]], dict[str, Any]]

# A tag may hold as much as its file. What is longer than this is no title and no list of artists,
# and would be carried through every answer.
_LONGEST_TEXT, _LONGEST_VALUE, _MOST_VALUES = 10_000, 1_000, 100
# More than FFmpeg reads before it says that there is no audio.
_PROBED = 64 << 20
_SAMPLE_RATE, _SAMPLE_SECONDS = 44100, 4


def main() -> None:
    """Serve :class:`musicu.workers.pool.Worker` until the input ends.

    A request that raises is answered by ``error``, why, and ``cause``, what is at fault (see
    :class:`musicu.errors.AudioError`).
    """
    # Ctrl-C reaches the whole process group; the parent decides what becomes of work in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Decoders written in C may print: the answers get a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.readline())
    memory = _limit(settings)

    answer = PROGRAMS[settings["program"]](settings)
    _warm(answer, describe=settings["describe"])
    answers.write("ready\n")
    answers.flush()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    while True:
        answers.write(_reply(answer, json.loads(requests.get()), memory) + "\n")
        answers.flush()


def _warm(answer: Answer, *, describe: bool) -> None:
    """Analyze a few seconds of noise: what loads only now is not on the first file's time."""
    with suppress(OSError), tempfile.TemporaryDirectory(prefix="musicu-") as folder:
        path = os.path.join(folder, "sample.wav")
        with wave.open(path, "wb") as file:
            file.setparams((2, 2, _SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(random.Random(0).randbytes(4 * _SAMPLE_RATE * _SAMPLE_SECONDS))
        with suppress(AudioError):  # longer than the settings allow
            answer({"path": path, "identify": False, "describe": describe})


def _reply(answer: Answer, request: dict[str, Any], memory: int) -> str:
    """Answer a request with a line of JSON, whatever comes of it."""
    path = request["path"]
    try:
        reply = answer(request)
        if reply.get("problem"):
            _read_through(path)
        return json.dumps({name: _pack(value) for name, value in reply.items()})
    except Exception as error:  # a fault of ours or of a decoder costs one file, and is the answer
        reason = (
            error.reason if isinstance(error, AudioError) else f"{type(error).__name__}: {error}"
        )
        cause = cause_of(error)
        if cause == "memory":
            reason = f"needs more than {memory >> 20} MB of memory"
        elif cause == "file":
            try:
                _read_through(path, _PROBED)
            except OSError as fault:
                cause, reason = "system", (fault.strerror or str(fault)).lower()
        return json.dumps({"error": reason, "cause": cause})


def _read_through(path: str, most: int | None = None) -> None:
    """Read a file: a disk or a server that fails raises OSError, a damaged file does not."""
    if os.path.isfile(path):  # one that is gone has raised already
        with open(path, "rb") as file:
            while file.read(1 << 20) and (most is None or file.tell() < most):
                pass


def _read_requests(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # the parent has ended


def _limit(settings: dict[str, Any]) -> int:
    """Set the limits; return the bytes of memory that there may be."""
    if settings["nice"] and hasattr(os, "nice"):
        os.nice(settings["nice"])
    memory: int = settings["memory"]
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return memory
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or memory <= hard:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))
    set_by_others = (hard, resource.getrlimit(resource.RLIMIT_AS)[0])
    return min([memory, *(n for n in set_by_others if n != resource.RLIM_INFINITY)])


def unpack_arrays(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its arrays as np.ndarray (read-only)."""
    return {name: _unpack(value) for name, value in answer.items()}


def _pack(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
    return {"dtype": value.dtype.str, "shape": value.shape, "base64": content}


def _unpack(value: Any) -> Any:
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "base64"}:
        return value
    content = base64.b64decode(value["base64"])
    return np.frombuffer(content, dtype=value["dtype"]).reshape(value["shape"])


def _track(settings: dict[str, Any]) -> Answer:
    """Identify files, or embed and describe them in one pass."""
    from musicu.encoders.encoder import Encoder

    encoder = Encoder.from_pretrained(settings["model"]) if settings["model"] else None
    return lambda request: (
        _identify(request["path"])
        if request["identify"]
        else _analyze(request, encoder, settings["longest"])
    )


def _identify(path: str) -> dict[str, Any]:
    from musicu.audio.decode import AudioStream
    from musicu.workers.analyze_file import tags_of

    stream = AudioStream(path, sr=None)
    stream.examine()
    metadata, tags_problem = tags_of(path)
    return {
        "id": stream.digest,
        "metadata": _truncated(metadata),
        "problem": stream.problem,
        "promise": asdict(stream.promise),
        "tags_problem": tags_problem,
    }


def _analyze(request: dict[str, Any], encoder: Any, longest: float | None) -> dict[str, Any]:
    from musicu.workers.analyze_file import analyze

    result = analyze(request["path"], encoder, describe=request["describe"], longest=longest)
    found = {field.name: getattr(result, field.name) for field in fields(result)}
    return {**found, "metadata": _truncated(result.metadata)}


def _truncated(metadata: Metadata) -> dict[str, Any]:
    """Return the fields that are present, cut where they are too long to be what they are for."""
    return {
        name: [text[:_LONGEST_VALUE] for text in value[:_MOST_VALUES]]
        if isinstance(value, list)
        else value[:_LONGEST_TEXT]
        if isinstance(value, str)
        else value
        for name, value in metadata.to_dict().items()
    }


def _windows(settings: dict[str, Any]) -> Answer:
    """Embed files window by window."""
    from musicu.encoders.encoder import Encoder
    from musicu.encoders.registry import find_model
    from musicu.encoders.windows import embed_file_windows, overlapping

    encoder = Encoder(overlapping(find_model(settings["model"])))
    return lambda request: vars(embed_file_windows(request["path"], encoder))


def _waveform(settings: dict[str, Any]) -> Answer:
    """Compute files' waveforms."""
    from musicu.audio.waveform import compute_waveform

    return lambda request: vars(compute_waveform(request["path"]))


def _cover(settings: dict[str, Any]) -> Answer:
    """Make thumbnails of files' covers."""
    from musicu.audio.cover_art import cover_thumbnail

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        picture = cover_thumbnail(request["path"]) or b""
        return {"picture": np.frombuffer(picture, dtype=np.uint8)}

    return answer


def _transcode(settings: dict[str, Any]) -> Answer:
    """Write files as Opus, where the request says."""
    from musicu.audio.transcode import transcode

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        # To warm up, there is nowhere to write to.
        out = request.get("out", os.devnull)
        return {"seconds": transcode(request["path"], out, longest=settings["longest"])}

    return answer


# What a worker process can run, by name: called once, within the limits, with the settings, each
# returns what answers a request. Add a program here.
PROGRAMS: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "track": _track,
    "windows": _windows,
    "waveform": _waveform,
    "cover": _cover,
    "transcode": _transcode,
}


if __name__ == "__main__":
    main()
