"""A few pieces of each track, spread over it."""

from __future__ import annotations

from pick_pieces import pick


def row(track: str, piece: int, **more: str) -> dict[str, str]:
    first = {"file": f"audio/{track}{piece}.flac", "source_track": track, "piece": str(piece)}
    return {**first, "kind": "music", "duplicate_of": "", "package": "p", **more}


def test_long_tracks_give_a_few_pieces_and_short_ones_all() -> None:
    rows = [row("long", piece) for piece in range(1, 9)] + [row("short", 2), row("short", 1)]
    files = pick(rows, 4, [])
    assert files == [f"audio/long{n}.flac" for n in (1, 3, 6, 8)] + [
        f"audio/short{n}.flac" for n in (1, 2)
    ]
    assert pick(rows, 1, []) == ["audio/long1.flac", "audio/short1.flac"]


def test_what_is_no_music_a_copy_or_named_is_left_out() -> None:
    rows = [
        row("speech", 1, kind="speech"),
        row("copy", 1, duplicate_of="other"),
        row("game", 1, package="q"),
        row("kept", 1),
    ]
    assert pick(rows, 4, ["package=q"]) == ["audio/kept1.flac"]
