"""Files are read only if they are regular ones, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from musicu.files import open_file, written_file

unix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    file, link = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"\xff")
    link.symlink_to(file)
    with open_file(link) as opened:
        assert opened.read() == b"\xff"
    with open_file(file, encoding="utf-8", errors="surrogateescape") as text:
        assert text.read() == "\udcff"
    with pytest.raises(OSError, match="a link, not the file itself"):
        open_file(link, follow=False)


@unix
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    """A FIFO without a writer would be waited for, for ever."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(tmp_path)  # a socket's path must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        for path in (tmp_path / "fifo", tmp_path / "socket", Path(os.devnull)):
            with pytest.raises(OSError, match="not a regular file") as caught:
                open_file(path)
            assert caught.value.filename == str(path)
    with pytest.raises(IsADirectoryError):
        open_file(tmp_path)


def test_a_file_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)  # as long as names may be
    target.write_text("old", encoding="utf-8")
    with written_file(target, encoding="utf-8") as file:
        file.write("new")
        file.flush()
        assert target.read_text(encoding="utf-8") == "old"
    assert target.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_the_old_file_stays_whatever_ends_the_writing(error: BaseException, tmp_path: Path) -> None:
    target = tmp_path / "list.m3u8"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(type(error)) as caught, written_file(target) as file:
        file.write(b"half")
        raise error
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(target))


@unix
def test_a_device_or_a_fifo_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for target in (tmp_path / "fifo", tmp_path):
        with pytest.raises(OSError), written_file(target) as file:  # noqa: PT011 - of two kinds
            file.write(b"")
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]
    assert not (tmp_path / "fifo").is_file()
