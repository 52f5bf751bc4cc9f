"""Rounds within a time that is given: who is next, what was found, how much is left."""

from __future__ import annotations

import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from torture.lab import Lab, Outcome

Round = Callable[[Lab, random.Random, int], Iterator[Outcome]]


@dataclass(frozen=True)
class Kind:
    """A kind of attack.

    Attributes
    ----------
    name : str
        What ``ONLY`` calls it.
    round : callable
        Tries some things, and yields an outcome for each.
    rows : dict of str to str
        Rows of the report that its outcomes count for, and what each holds musicu to.
    share : float > 0
        Its part of the time.
    size : int >= 1
        How many things a round tries.
    """

    name: str
    round: Round
    rows: dict[str, str]
    share: float
    size: int


@dataclass
class Tally:
    """A row of the report."""

    promise: str
    kind: str
    tried: int = 0
    failed: int = 0
    skipped: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Failure:
    """What did not hold, and the command that shows it again."""

    row: str
    name: str
    why: str
    command: str


class Campaign:
    """Runs rounds and counts.

    Parameters
    ----------
    lab : Lab
        Where.
    kinds : sequence of Kind
        What.
    seed : int
        Of all that is drawn.
    log : bool
        Whether to tell on stderr how far it is.
    """

    def __init__(self, lab: Lab, kinds: Sequence[Kind], seed: int, *, log: bool = True) -> None:
        self.lab, self.kinds, self.seed, self.log = lab, kinds, seed, log
        self.tallies = {
            row: Tally(text, kind.name) for kind in kinds for row, text in kind.rows.items()
        }
        self.failures: list[Failure] = []
        self._spent = {kind.name: 0.0 for kind in kinds}
        self._rounds = {kind.name: 0 for kind in kinds}
        self._told = 0.0

    def run(self, minutes: float) -> None:
        """Go on until the time is over; the kind that had least of its share is next."""
        began = time.monotonic()
        end = began + 60 * minutes
        while time.monotonic() < end:
            kind = min(self.kinds, key=lambda kind: self._spent[kind.name] / kind.share)
            self.round(kind, self._rounds[kind.name], until=end, began=began)
            self._rounds[kind.name] += 1

    def round(
        self,
        kind: Kind,
        number: int,
        *,
        size: int | None = None,
        until: float = float("inf"),
        began: float = 0.0,
    ) -> None:
        """Run one round, of its usual size or of another one; it ends early when time is over."""
        rng = random.Random(f"{self.seed}:{kind.name}:{number}")
        start = time.monotonic()
        try:
            for outcome in kind.round(self.lab, rng, size or kind.size):
                self._count(kind, number, outcome)
                self._progress(until, began)
        except Exception:  # a fault of the campaign must not pass for success
            why = traceback.format_exc()
            row = next(iter(kind.rows))
            self._count(kind, number, Outcome(row, "the campaign itself", why))
        self._spent[kind.name] += time.monotonic() - start

    def _count(self, kind: Kind, number: int, outcome: Outcome) -> None:
        tally = self.tallies[outcome.row]
        if outcome.skipped is not None:
            tally.skipped.add(outcome.skipped)
            return
        tally.tried += 1
        if outcome.failure is not None:
            tally.failed += 1
            command = f"make torture SEED={self.seed} ONLY={kind.name}:{number}"
            failure = Failure(outcome.row, outcome.name, outcome.failure, command)
            self.failures.append(failure)
            if self.log:
                print(f"FAILED {outcome.row}: {outcome.name}: {outcome.failure}", file=sys.stderr)
                print(f"       {command}", file=sys.stderr, flush=True)

    def _progress(self, end: float, began: float) -> None:
        now = time.monotonic()
        if not self.log or now - self._told < 10 or end == float("inf"):
            return
        self._told = now
        done = min(1.0, (now - began) / (end - began))
        told = ", ".join(f"{t.tried:,} {row}" for row, t in self.tallies.items() if t.tried)
        left = max(0.0, end - now) / 60
        failed = len(self.failures)
        print(f"[{done:4.0%}] {left:.1f} min left; {failed} failed; {told}", file=sys.stderr)
