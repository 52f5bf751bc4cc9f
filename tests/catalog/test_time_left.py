"""The time that is left: by seconds of music, and how fast they go by."""

import itertools

import pytest

from musicu.catalog.time_left import TimeLeft


def clock(step: float = 10.0) -> itertools.count:  # type: ignore[type-arg]
    return itertools.count(0.0, step)


def test_the_lengths_of_a_kind_are_learned() -> None:
    """FLAC of 200,000 bytes a second, Opus of 10,000: as many seconds of each are as much work."""
    files = [(f"{i}.flac", 60 * 200_000) for i in range(20)] + [
        (f"{i}.opus", 60 * 10_000) for i in range(20)
    ]
    time = TimeLeft(files, clock=clock().__next__)
    assert time.left is None and time.done == 0
    for path, size in files[:10] + files[20:30]:
        time.step(path, size, 60.0)
    assert time.done == 20 * 60
    assert time.total == pytest.approx(40 * 60, rel=0.03)
    assert time.left == pytest.approx(20 * 10, rel=0.05)  # by bytes it would be the same
    for path, size in files[10:20]:
        time.step(path, size, 60.0)
    # Of the bytes 2 % are left, of the music a quarter.
    assert time.left == pytest.approx(10 * 10, rel=0.1)


def test_the_speed_is_that_of_the_last_minutes() -> None:
    files = [(f"{i}.mp3", 28_000 * 60) for i in range(100)]
    moments = itertools.chain(range(0, 40, 1), range(40, 4000, 40))
    time = TimeLeft(files, clock=moments.__next__)
    for path, size in files[:40]:
        time.step(path, size, 60.0)
    assert time.left == pytest.approx(60 * 40 / 40, rel=0.1)
    for path, size in files[40:60]:
        time.step(path, size, 60.0)
    assert time.left == pytest.approx(40 * 40, rel=0.1)  # it is slower now


def test_files_that_need_no_decoding_count_as_they_are_estimated() -> None:
    files = [(f"{i}.MP3", 28_000 * 60) for i in range(4)]
    time = TimeLeft(files, clock=clock().__next__)
    time.step(*files[0])
    time.add("more.xyz", 30_000 * 60)
    assert time.done == pytest.approx(60)
    assert time.total == pytest.approx(5 * 60)
    assert time.left == pytest.approx(40)


def test_nothing_to_do_takes_no_time() -> None:
    time = TimeLeft([], clock=clock().__next__)
    assert (time.done, time.total, time.left) == (0, 0, None)
    time = TimeLeft([("a.wav", 0)], clock=clock().__next__)
    time.step("a.wav", 0, 0.0)
    assert (time.total, time.left) == (0, None)
