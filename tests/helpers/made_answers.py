"""Workers that answer from a table: what becomes of answers is tried without decoding anything."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicu.encoders.registry import find_model
from musicu.workers.pool import Worker

Answer = dict[str, Any]


class Answers:
    """What workers say of files, by name; who was asked for what is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.table: dict[str, Answer] = {}
        self.analyzed: list[str] = []
        self.identified: list[str] = []

        def analyze(_: Worker, path: str) -> Answer:
            self.analyzed.append(os.path.basename(path))
            return dict(self.table[os.path.basename(path)])

        def identify(_: Worker, path: str) -> Answer:
            self.identified.append(os.path.basename(path))
            answer = self.table[os.path.basename(path)]
            if "error" in answer:
                return dict(answer)
            return {name: answer[name] for name in ("id", "metadata", "tags_problem")} | {
                "problem": None,
                "promise": answer.get("promise", {}),
            }

        monkeypatch.setattr(Worker, "analyze", analyze)
        monkeypatch.setattr(Worker, "identify", identify)

    def sound(
        self, path: Path, number: int, *, problem: str | None = None, vector: int | None = None
    ) -> Path:
        """Make a file whose audio is that of a number, and which sounds like another one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(b"\0" * (1000 + number))
        self.table[path.name] = {
            "id": f"{number:032x}",
            "seconds": 10.0,
            "codec": "flac",
            "sr": 44100,
            "channels": 2,
            "problem": problem,
            "metadata": {},
            "tags_problem": None,
            "descriptors": None,
            "vector": axis(number if vector is None else vector),
        }
        return path

    def failing(self, path: Path, reason: str, cause: str) -> Path:
        """Make a file that cannot be analyzed."""
        self.sound(path, 0)
        self.table[path.name] = {"error": reason, "cause": cause}
        return path

    def forget(self) -> None:
        """Forget who was asked."""
        self.analyzed.clear()
        self.identified.clear()


def axis(number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return one of the unit vectors along the axes, of the default model's dimension."""
    vector = np.zeros(find_model().dim, dtype=np.float32)
    vector[number % len(vector)] = 1.0
    return vector
