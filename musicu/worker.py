"""The other end of :mod:`musicu.pool`: a process that analyzes one file at a time.

Started as ``python -m musicu.worker``. It reads a first line of settings and then one request a
line, and answers each with one line, all JSON. It ends when its input does, even at work, so that
it never outlives the process that started it.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from musicu.errors import AudioError
from musicu.metadata import Metadata

__all__ = ["main", "serve"]

Answer = Callable[[dict[str, Any]], dict[str, Any]]

# A tag may hold as much as its file. What is longer than this is no title and no list of artists,
# and would be carried through every answer.
_LONGEST_TEXT, _LONGEST_VALUE, _MOST_VALUES = 10_000, 1_000, 100


def main() -> None:
    """Serve :class:`musicu.pool.Worker`: analyze files until the input ends."""
    serve(_analyzer)


def serve(begin: Callable[[dict[str, Any]], Answer]) -> None:
    """Serve requests until the input ends.

    Parameters
    ----------
    begin : callable
        Called once, within the limits, with the settings; returns what answers a request.
    """
    # Ctrl-C reaches the whole process group; the parent decides what becomes of work in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Decoders written in C may print: the answers get a channel of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    settings = json.loads(sys.stdin.readline())
    _limit(settings)

    answer = begin(settings)
    answers.write("ready\n")
    answers.flush()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        answers.write(json.dumps(answer(json.loads(requests.get()))) + "\n")
        answers.flush()


def _listen(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)  # nobody is left to answer to


def _limit(settings: dict[str, Any]) -> None:
    if settings["nice"] and hasattr(os, "nice"):
        os.nice(settings["nice"])
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = settings["memory"]
    if hard == resource.RLIM_INFINITY or limit <= hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _analyzer(settings: dict[str, Any]) -> Answer:
    from musicu.encoder import Encoder

    encoder = Encoder.from_pretrained(settings["model"]) if settings["model"] else None
    return lambda request: _answer(request, encoder, settings)


def _answer(request: dict[str, Any], encoder: Any, settings: dict[str, Any]) -> dict[str, Any]:
    from musicu.analyze import analyze
    from musicu.decode import identify
    from musicu.tags import read_tags

    path = request["path"]
    try:
        if request["identify"]:
            metadata = _within_reason(read_tags(path))
            return {"id": identify(path), "metadata": metadata, "problem": None}
        result = analyze(path, encoder, describe=request["describe"], longest=settings["longest"])
    except AudioError as error:
        return {"error": error.reason, "cause": error.cause}
    except MemoryError:
        reason = f"needs more than {settings['memory'] >> 20} MB of memory"
        return {"error": reason, "cause": "memory"}
    except Exception as error:  # a fault of ours or of a decoder costs one file, and is told
        return {"error": f"{type(error).__name__}: {error}", "cause": "file"}
    return {
        "id": result.id,
        "seconds": result.seconds,
        "codec": result.codec,
        "sr": result.sr,
        "channels": result.channels,
        "problem": result.problem,
        "metadata": _within_reason(result.metadata),
        "descriptors": result.descriptors,
        "vector": (
            None if result.vector is None else base64.b64encode(result.vector.tobytes()).decode()
        ),
    }


def _within_reason(metadata: Metadata) -> dict[str, Any]:
    """Return the fields that are present, cut where they are too long to be what they are for."""
    return {
        name: [text[:_LONGEST_VALUE] for text in value[:_MOST_VALUES]]
        if isinstance(value, list)
        else value[:_LONGEST_TEXT]
        if isinstance(value, str)
        else value
        for name, value in metadata.to_dict().items()
    }


if __name__ == "__main__":
    main()
