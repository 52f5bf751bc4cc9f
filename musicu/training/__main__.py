"""Distil an ONNX teacher into a small encoder: ``python -m musicu.training --help``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

import torch

from musicu.errors import ModelError, MusicuError
from musicu.mel import FRONT_ENDS
from musicu.training.data import Teacher, build_cache, find_audio, load_cache
from musicu.training.distill import Recipe, distil, export

__all__ = ["main"]

log = logging.getLogger("musicu.training")


def main() -> None:
    """Cache the teacher's answers, train, export; a stopped run goes on where it was."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = _parse()
    try:
        _train(arguments)
    except MusicuError as error:
        sys.exit(f"error: {error}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m musicu.training", description=__doc__)
    parser.add_argument("--audio", type=Path, action="append", required=True, help="folder")
    parser.add_argument("--teacher", required=True, help="ONNX file, input [batch, time, mel]")
    parser.add_argument(
        "--teacher-front-end", default="musicnn", choices=FRONT_ENDS, help="what it hears"
    )
    parser.add_argument("--output", action="append", required=True, help="teacher output to learn")
    parser.add_argument("--hold-out", type=Path, help="text file: stems of clips not to train on")
    parser.add_argument("--work", type=Path, required=True, help="folder for cache and checkpoint")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to make")
    parser.add_argument("--id", help="the model's id; else the folder's name")
    parser.add_argument("--version", default="1")
    parser.add_argument("--license", default="not stated")
    parser.add_argument("--description", default="")
    parser.add_argument("--training-data", action="append", default=[], help="a line of the card")
    parser.add_argument("--dim", type=int, default=Recipe.dim, help="length of an embedding")
    parser.add_argument("--windows", type=int, default=Recipe.windows)
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--whiten", type=float, default=Recipe.whiten)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes that ask the teacher")
    parser.add_argument("--threads", type=int, default=1, help="threads that train")
    return parser.parse_args()


def _train(arguments: argparse.Namespace) -> None:
    if not Path(arguments.teacher).is_file():
        raise ModelError(f"{arguments.teacher}: no such file")
    hold_out = frozenset(arguments.hold_out.read_text().split() if arguments.hold_out else ())
    front_end = FRONT_ENDS["musicu"]
    teacher = Teacher(
        arguments.teacher, FRONT_ENDS[arguments.teacher_front_end], tuple(arguments.output)
    )
    paths = find_audio(arguments.audio)
    cache = arguments.work / "cache"
    start = time.monotonic()
    first = None
    for done, total in build_cache(
        paths,
        cache,
        teacher,
        front_end,
        hold_out=hold_out,
        seed=arguments.seed,
        jobs=arguments.jobs,
    ):
        first = done if first is None else first
        if done % 100 == 0 or done == total:
            left = _left(start, done - first, total - done)
            log.info("teacher: %d of %d clips, %s left", done, total, left)
    material = load_cache(cache)
    torch.set_num_threads(arguments.threads)
    recipe = Recipe(
        dim=arguments.dim,
        windows=arguments.windows,
        batch=arguments.batch,
        whiten=arguments.whiten,
        seed=arguments.seed,
    )
    start, first = time.monotonic(), None
    for figures in distil(
        material,
        recipe,
        front_end,
        arguments.work,
        hold_out=hold_out,
    ):
        step, steps = int(figures["step"]), int(figures["steps"])
        first = step if first is None else first
        log.info(
            "step %d of %d: loss %.3f, held out %.3f, %s left",
            step,
            steps,
            figures["loss"],
            figures["held_out"],
            _left(start, step - first, steps - step),
        )
    card = {
        "id": arguments.id or arguments.out.name,
        "version": arguments.version,
        "license": arguments.license,
        "description": arguments.description,
        "training_data": arguments.training_data,
        "gate_db": 60.0,
    }
    export(arguments.work / "checkpoint.pt", arguments.out, front_end, card)
    log.info("%s: write README.md, the card, before you share it", arguments.out)


def _left(start: float, done: int, to_do: int) -> str:
    if not done:
        return "?"
    seconds = (time.monotonic() - start) / done * to_do
    return f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    main()
