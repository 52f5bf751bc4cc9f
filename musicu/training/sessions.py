"""Models of sessions: the rule, or a network over it, whichever tells better what comes next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from musicu.errors import ModelError
from musicu.sequences.contents import Contents
from musicu.sequences.model import SessionModel, judging
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries
from musicu.sequences.ranks import ndcg, rank_targets
from musicu.training.session_network import session_loss
from musicu.training.session_run import (
    SessionRecipe,
    SessionRun,
    exported_network,
    fingerprint,
    read_checkpoint,
    run_scorer,
    start_run,
)

__all__ = ["SessionProgress", "fit_sessions"]


@dataclass(frozen=True, kw_only=True)
class SessionProgress:
    """How far a training is.

    Attributes
    ----------
    stage : {"judge", "refit"}
        Training without the last span, to be judged by it; then with all there is.
    done, total : int
        Steps.
    loss : float
        Mean of the steps since the last report.
    ndcg : float or None
        NDCG@20 on the last span, after an epoch of the first stage.
    """

    stage: str
    done: int
    total: int
    loss: float
    ndcg: float | None = None


def fit_sessions(
    plays: Plays,
    contents: Contents,
    *,
    model: Literal["auto", "network", "rule"] = "auto",
    recipe: SessionRecipe | None = None,
    work: str | os.PathLike[str] | None = None,
    threads: int = 1,
    progress: Callable[[SessionProgress], None] | None = None,
) -> SessionModel:
    """Fit a model of what comes next.

    Both kinds are fitted on all spans but the last, which judges them: it chooses the rule's
    settings, and after how many epochs the network is best. Then the network is trained on all.

    Parameters
    ----------
    plays : Plays
        Of two spans or more, numbered as the contents.
    contents : Contents
    model : {"auto", "network", "rule"}
        Which kind; "auto" takes the rule unless the network is ahead.
    recipe : SessionRecipe, optional
    work : str or path-like, optional
        A folder for checkpoints, to go on from if it is stopped; the result is the same.
    threads : int
        That train.
    progress : callable, optional

    Returns
    -------
    SessionModel

    Raises
    ------
    RecommenderError
        There are fewer than two spans, or no session of two plays in one of them.
    ModelError
        The work folder is of other data or settings.
    """
    how = recipe or SessionRecipe()
    fitted = SessionModel.fit(plays, contents, questions=how.questions, seed=how.seed)
    fitted = replace(fitted, about={**fitted.about, "asked": model, "recipe": asdict(how)})
    if model == "rule":
        return fitted
    asked = judging(plays, how.questions, how.seed)
    torch.set_num_threads(threads)
    folder = None if work is None else Path(work)
    run = start_run(plays.before(plays.spans - 1), contents, how)
    _train(run, how.epochs, "judge", folder, progress, asked)
    epochs = 1 + int(np.argmax(run.judged))
    figures = {**fitted.figures, "network": max(run.judged), "epochs": float(epochs)}
    if model == "auto" and figures["network"] <= figures["rule"]:
        return replace(fitted, figures=figures)
    run = start_run(plays, contents, how)
    _train(run, epochs, "refit", folder, progress, None)
    return replace(fitted, figures=figures, network=exported_network(run))


def _train(
    run: SessionRun,
    epochs: int,
    stage: str,
    folder: Path | None,
    progress: Callable[[SessionProgress], None] | None,
    asked: Queries | None,
) -> None:
    """Train for some epochs, from the last checkpoint on; each epoch ends in one."""
    steps = run.data.steps
    total = epochs * steps
    name = fingerprint(run, stage)
    kept = None if folder is None else folder / f"{stage}.pt"
    if kept is not None and kept.exists():
        state = read_checkpoint(kept)
        if state["fingerprint"] != name:
            raise ModelError(f"{kept}: of other settings or data; name another work folder")
        run.restore(state)
    losses: list[float] = []
    told = time.monotonic()
    while run.step < total:
        run.network.train()
        warm = min(1.0, (run.step + 1) / 50) * (1 - 0.9 * run.step / max(total, 1))
        for optimizer in run.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = run.recipe.lr * warm
        torch.manual_seed(run.recipe.seed * 1_000_003 + run.step)  # of dropout, at this step
        batch = run.data.draw(run.recipe.seed, run.step)
        loss = session_loss(run.network, run.vectors, batch) / run.data.plays_a_step
        for optimizer in run.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.network.parameters(), 1.0)
        for optimizer in run.optimizers:
            optimizer.step()
        losses.append(float(loss.detach()))
        run.step += 1
        ended = run.step % steps == 0
        value = None
        if ended and asked is not None:
            value = float(ndcg(rank_targets(run_scorer(run), asked)[0]).mean())
            run.judged.append(value)
        if ended and kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            torch.save(run.state() | {"fingerprint": name}, kept.with_suffix(".tmp"))
            kept.with_suffix(".tmp").replace(kept)
        if progress is not None and (ended or time.monotonic() - told > 10):
            told = time.monotonic()
            mean = float(np.mean(losses))
            progress(
                SessionProgress(stage=stage, done=run.step, total=total, loss=mean, ndcg=value)
            )
            losses = []
