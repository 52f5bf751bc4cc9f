"""``musicu`` called in this process: its status and both outputs, without the cost of a start."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO
from unittest.mock import patch

import pytest

from musicu.cli import main


def call_cli(
    *words: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = ".",
) -> subprocess.CompletedProcess[str]:
    """Run the program's main function as a process would; imports are done only once."""
    out, err = io.StringIO(), io.StringIO()
    arguments = ["musicu", *map(os.fspath, words)]
    with (
        _environment(env or {}),
        patch.object(sys, "argv", arguments),
        patch("musicu.cli.streams.close_streams"),  # these streams are the tests' own
        chdir(cwd),
    ):
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(
        arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue()
    )


@contextmanager
def _environment(env: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while; what the program sets for its own process stays.

    But for its catalog, which it takes from its settings: the next call has settings of its own.
    """
    catalog = os.environ.get("MUSICU_CATALOG")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in env.items():
            patched.setenv(name, value)
        yield
    if catalog is None:
        os.environ.pop("MUSICU_CATALOG", None)


def call_with_stdout(
    target: str | None,
    *words: str | os.PathLike[str],
    errors: TextIO,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = ".",
) -> subprocess.CompletedProcess[str]:
    """Run the program's main function on this process's own streams, as a shell redirects them.

    Parameters
    ----------
    target : str or None
        What file descriptor 1 is; None closes it.
    *words : str or path-like
        The program's arguments.
    errors : file
        What file descriptor 2 is; all that it holds is returned as ``stderr``.
    env : mapping or None
        Changes of the environment.
    cwd : path-like
        The program's folder.
    """
    arguments = ["musicu", *map(os.fspath, words)]
    kept = [os.dup(1), os.dup(2)]
    with (
        _environment(env or {}),
        patch.multiple(sys, argv=arguments, stdout=sys.__stdout__, stderr=sys.__stderr__),
        chdir(cwd),
    ):
        os.dup2(errors.fileno(), 2)
        os.close(1)
        try:
            if target is not None:
                opened = os.open(target, os.O_WRONLY)
                os.dup2(opened, 1)
                if opened != 1:
                    os.close(opened)
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for number, end in enumerate(kept, start=1):
                os.dup2(end, number)
                os.close(end)
    errors.seek(0)
    return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), "", errors.read())


@contextmanager
def ends_within(seconds: int) -> Iterator[None]:
    """Fail where something hangs for so long, also in a call of the system."""

    def fail(*_: object) -> None:
        pytest.fail(f"it hangs: {seconds} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one_line(done: subprocess.CompletedProcess[str], *named: str) -> str:
    """Return the one line of a failure; it holds what is named, and nothing is on stdout."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("error: ") and done.stderr.endswith("\n"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert all(name in done.stderr for name in named), done.stderr
    return done.stderr
