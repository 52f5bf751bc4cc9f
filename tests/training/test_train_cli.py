"""``musicu train encoder`` as a program."""

import functools
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROGRAM, RunCli
from toys import make_clips, make_teacher

pytest.importorskip("torch", reason="needs musicu[train]")
pytest.importorskip("onnx", reason="needs musicu[train]")

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_teacher(tmp_path_factory.mktemp("teacher") / "toy")


def words(folder: Path, teacher: Path, out: Path, *more: str) -> list[str]:
    fixed = ["train", "encoder", "--audio", str(folder), "--teacher", str(teacher)]
    return [*fixed, "--out", str(out), "--dim", "16", "--batch", "8", "--every", "5", *more]


def test_a_model_is_trained_and_embeds_at_once(
    run_cli: RunCli, folder: Path, teacher: Path, tmp_path: Path
) -> None:
    library = make_clips(tmp_path / "library")
    (library / "broken.mp3").write_bytes(b"no music")
    command = words(library, teacher, tmp_path / "own", "--windows", "160", "--license", "MIT")
    done = run_cli(*command)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "heard 46 of 46 versions" in done.stderr  # 24, and the 22 not held out altered
    assert "step 10 of 10: loss " in done.stderr
    assert "broken.mp3: not readable as audio" in done.stderr
    assert "24 clips, 2 of them held out; cosine to the teachers' answers" in done.stderr
    assert f"musicu train encoder --audio {library}" in (tmp_path / "own/README.md").read_text()
    embedded = run_cli("embed", library, "--model", tmp_path / "own")
    assert "24 embedded" in embedded.stderr
    again = run_cli(*command, "-q")
    assert (again.returncode, again.stderr) == (0, "")


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    run_cli: RunCli, folder: Path, teacher: Path, tmp_path: Path
) -> None:
    command = words(folder, teacher, tmp_path / "own", "--windows", "100000")
    # Jobs that a script starts in the background ignore the signal, and so would their children.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        [PROGRAM, *command], stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as running:
        try:
            log = tmp_path / "own.work" / "log.csv"
            deadline = time.monotonic() + 600
            while not log.exists():
                assert running.poll() is None, running.communicate()[1]
                assert time.monotonic() < deadline, "no checkpoint"
                time.sleep(0.1)
            running.send_signal(signal.SIGINT)
            said = running.communicate(timeout=600)[1]
        finally:
            running.kill()
    assert running.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    other = run_cli(*words(folder, teacher, tmp_path / "own", "--windows", "160"))
    assert other.returncode == 1
    assert other.stderr.startswith("error: ")
    assert "training of other settings (windows)" in other.stderr


def test_what_is_missing_is_one_line_with_the_way_out(
    run_cli: RunCli, folder: Path, teacher: Path, tmp_path: Path
) -> None:
    program = "import sys; sys.modules['torch'] = None; from musicu.cli import main; main()"
    without = subprocess.run(
        [sys.executable, "-c", program, *words(folder, teacher, tmp_path / "own")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert without.returncode == 1
    assert without.stderr == (
        "error: `torch` is required here: pip install '.[train]' in musicu's checkout\n"
    )
    nobody = run_cli(*words(folder, tmp_path / "nobody", tmp_path / "own"))
    assert nobody.returncode == 1
    assert nobody.stderr.startswith("error: no model ")
    assert nobody.stderr.count("\n") == 1
    assert run_cli("train", "encoder", "--out", tmp_path / "own").returncode == 2
