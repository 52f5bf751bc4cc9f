"""Plays become sessions and questions; baselines rank what is known to come next."""

from collections import Counter

import numpy as np
import pytest
from made_sessions import made_sessions

from musicu.errors import MetadataError
from musicu.sequences.baselines import BASELINES, InSession, LastArtist, LastContent, Popularity
from musicu.sequences.contents import Contents, read_contents
from musicu.sequences.neighbors import ItemNeighbors, SessionNeighbors
from musicu.sequences.plays import Plays, read_plays
from musicu.sequences.queries import Queries
from musicu.sequences.rule import DecayedContent


def read(plays: dict[str, list[object]], items: dict[str, list[object]]) -> tuple[Plays, Contents]:
    found = read_plays(plays)
    contents = read_contents(items, found)
    return found.renumbered(contents.items.ids), contents


def test_plays_of_one_second_keep_the_order_of_the_file() -> None:
    """Also where a sort that is not stable would turn them."""
    names = [f"t{number}" for number in range(200)]
    plays = read_plays({"user": ["a"] * 200, "item": names, "time": [7] * 100 + [3] * 100})
    assert [plays.items[item] for item in plays.item] == names[100:] + names[:100]
    queries = Queries.of_plays(plays)
    assert [plays.items[item] for item in queries.target[:3]] == ["t101", "t102", "t103"]


def test_sessions_end_with_silence_and_spans_with_weeks_of_it() -> None:
    day = 86400
    times = [0, 60, 1900, 1960, 30 * day, 30 * day + 5, 60 * day]
    plays = read_plays({"station": ["r"] * 7, "artist": list("aabbcca"), "title": list("1112345"),
                        "time": times})  # fmt: skip
    assert [sum(plays.session == one) for one in np.unique(plays.session)] == [2, 2, 2, 1]
    assert plays.span.tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert plays.items[0] == "a - 1" and len(plays.items) == 6
    # Without such a gap: four spans of as many plays, and no second is in two of them.
    even = read_plays({"user": ["r"] * 8, "item": list("abcdefgh"), "time": [*range(0, 80, 10)]})
    assert Counter(even.span.tolist()) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(MetadataError, match="no column 'user' and no column 'item'"):
        read_plays({"artist": ["a"], "time": [1]})
    with pytest.raises(MetadataError, match="row 2: its item is empty"):
        read_plays({"user": ["a", "a"], "item": ["x", ""], "time": [1, 2]})
    with pytest.raises(MetadataError, match="spans part time"):
        read_plays({"user": ["a"] * 3, "item": ["x"] * 3, "time": [1, 2, 3], "span": [1, 2, 1]})


def test_a_column_of_tracks_is_the_items_id_and_the_plays_tell_their_artists() -> None:
    plays, contents = read(*made_sessions())
    assert contents.items[0].metadata.track is None
    assert contents.artists[plays.item[0]] == plays.artists[plays.item[0]]
    assert len(contents) == 96 and contents.tags.shape == (96, 12 + 4 + 5)
    # An item that the table lacks takes part, with its artist; one that nobody played, too.
    more = read_plays({"user": ["x"], "item": ["new"], "time": [5], "artist": ["The Band"]})
    both = read_contents({"id": ["old"], "tags": ["rock"], "artist": ["The Band"]}, more)
    assert both.items.ids == ("old", "new") and both.artist.tolist() == [0, 0]


def test_questions_hold_what_was_played_before_and_nothing_later() -> None:
    plays, _ = read(*made_sessions())
    queries = Queries.of_plays(plays.within(3))
    for number in (0, 5, len(queries) - 1):
        one = queries.take(slice(number, number + 1))
        before = (plays.time < one.now[0]) & (plays.user == one.user[0]) & (plays.span == 3)
        assert queries.played[one.start[0] : one.end[0]].tolist() == plays.item[before].tolist()
        weights = one.weights(0.5).toarray()[0]
        assert weights[plays.item[before][-1]] >= 1 and weights.sum() < 2
    assert queries.weights(0.9, last=1).sum() == len(queries)


def test_the_rules_are_what_their_names_say() -> None:
    plays = read_plays(
        {
            "user": list("aaaabbbbccc"),
            "item": list("xyzxxyzwxyv"),
            "artist": ["A", "A", "B", "A", "A", "A", "B", "C", "A", "A", "B"],
            "time": [*range(0, 40, 10), *range(100, 140, 10), *range(200, 230, 10)],
            "session": [1] * 4 + [2] * 4 + [3] * 3,
        }
    )
    contents = read_contents({"id": list("xyzwv"), "tags": ["r|s", "r|s", "r", "q", "q|t"]}, plays)
    plays = plays.renumbered(contents.items.ids)
    asked = Queries.of_sessions([[0, 2], [3]], 5)

    def best(ranker: object) -> list[str]:
        table = ranker.fit(plays, contents).scores(asked)  # type: ignore[attr-defined]
        return ["".join(contents.items.ids[at] for at in np.argsort(-row)) for row in table]

    assert best(Popularity())[0][0] == "x"
    assert best(InSession(decay=0.5))[0].startswith("zx")
    assert set(best(LastArtist())[0][:2]) == {"z", "v"}
    assert best(LastArtist(played=True))[0].startswith("vz")
    assert best(LastContent())[1].startswith("wv")
    assert best(DecayedContent(decay=0.9, artists=0.0))[0][:3] in ("xyz", "yxz", "zxy", "zyx")
    assert best(DecayedContent(decay=0.9, played=5.0))[0].startswith("y")
    assert best(ItemNeighbors(again=False))[1][0] in "xyz"
    assert best(SessionNeighbors(again=False))[1][0] in "xyz"
    assert best(SessionNeighbors(again=False, near=1.0))[1][0] == "z"


def test_every_baseline_scores_every_item() -> None:
    plays, contents = read(*made_sessions())
    queries = Queries.of_plays(plays.within(3))
    for make, grid in BASELINES.values():
        extreme = {name: values[-1] for name, values in grid.items()}
        if "dim" in extreme:
            extreme["dim"] = 8
        table = make(**extreme).fit(plays.before(3), contents).scores(queries)
        assert table.shape == (len(queries), len(contents)) and np.isfinite(table).all()
