"""``musicu`` called in this process: its status and both outputs, without the cost of a start."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
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
        patch.dict(os.environ, env or {}),
        patch.object(sys, "argv", arguments),
        patch("musicu.cli.streams.close_streams"),  # these streams are the tests' own
        chdir(cwd),
    ):
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(
        arguments, int(ended.value.code or 0), out.getvalue(), err.getvalue()
    )


def one_line(done: subprocess.CompletedProcess[str], *named: str) -> str:
    """Return the one line of a failure; it holds what is named, and nothing is on stdout."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.startswith("error: ") and done.stderr.endswith("\n"), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert all(name in done.stderr for name in named), done.stderr
    return done.stderr
