"""What is held out: whole artists, whole albums, given folds, or what came out later."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicu.errors import MetadataError, MusicuError
from musicu.evaluation.recommenders.folds import described
from musicu.evaluation.recommenders.splits import FoldProtocol, Split, TimeProtocol
from musicu.items.item import Item, Items
from musicu.items.table import read_column, read_items
from musicu.metadata.artists import artist_keys, main_artist
from musicu.metadata.fields import Metadata
from musicu.recommend.interactions import Interactions

DAY = 86_400.0


def world(seed: int = 0, tracks: int = 60, users: int = 30) -> tuple[Interactions, Items]:
    """Tracks by ten artists with guests, on albums; dated plays of most of them, and of others."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(tracks):
        artist = f"Artist {rng.integers(10)}"
        guests = (f"Artist {rng.integers(10)}",) if rng.random() < 0.3 else ()
        about = Metadata(
            title=f"Song {i}",
            artist=artist,
            artists=tuple(dict.fromkeys((artist, *guests))),
            album=f"Album {rng.integers(3)}" if rng.random() < 0.9 else None,
            genres=("Jazz",),
        )
        made.append(Item(f"t{i}", about))
    made.append(Item("bare", Metadata(title="Nothing else is known")))
    items = Items(made)
    ids = [*items.ids, "elsewhere"]
    pairs = np.argwhere(rng.random((users, len(ids))) < 0.2)
    time = 1e9 + DAY * rng.integers(0, 400, size=len(pairs))
    names = [f"u{i}" for i in range(users)]
    return Interactions(names, ids, pairs[:, 0], pairs[:, 1], time=time), items


def artists_of(items: Items, positions: np.ndarray) -> set[str]:
    return {main_artist(items[i].metadata) for i in positions}


def check(split: Split, log: Interactions, items: Items) -> None:
    """What holds for every split of any protocol."""
    cold = {items.ids[i] for i in split.cold}
    assert not cold & set(split.train.items)
    assert split.test.items == tuple(items.ids[i] for i in split.cold)
    assert split.train.users == split.test.users == log.users
    asked = set(split.test.user) | set(split.held.user)
    assert set(split.users) == set(split.train.user) & asked
    # What is held out of the warm was not played in training, and no item became new by it.
    pairs = [set(zip(part.user, part.item, strict=True)) for part in (split.train, split.held)]
    assert split.held.items == split.train.items and not pairs[0] & pairs[1]
    assert set(split.held.item) <= set(split.train.item)
    assert described(items)[split.cold].all()


@given(st.integers(0, 30), st.sampled_from(["artist", "album"]), st.integers(2, 5))
@settings(max_examples=15, deadline=None)
def test_everything_described_is_new_exactly_once(seed: int, by: str, folds: int) -> None:
    log, items = world(seed)
    splits = FoldProtocol(by, folds).splits(log, items, seed=seed)  # type: ignore[arg-type]
    assert len(splits) == folds
    for split in splits:
        check(split, log, items)
        # All that was ever played of a new item is asked for, and all else is learned from.
        assert len(split.train) + len(split.test) + len(split.held) == len(log)
        assert 0.05 < len(split.held) / (len(split.train) + len(split.held)) <= 0.2
    together = np.sort(np.concatenate([split.cold for split in splits]))
    assert together.tolist() == np.flatnonzero(described(items)).tolist()


def test_no_main_artist_stands_on_both_sides() -> None:
    log, items = world()
    for split in FoldProtocol("artist", 4).splits(log, items):
        warm = np.setdiff1d(np.arange(len(items) - 1), split.cold)
        assert artists_of(items, split.cold).isdisjoint(artists_of(items, warm))


def test_an_album_is_never_divided_though_its_artist_is() -> None:
    log, items = world()
    divided = False
    for split in FoldProtocol("album", 4).splits(log, items):
        warm = np.setdiff1d(np.arange(len(items) - 1), split.cold)

        def albums(at: np.ndarray) -> set[tuple[str | None, str]]:
            return {(items[i].metadata.album, main_artist(items[i].metadata)) for i in at} - {
                (None, "")
            }

        shared = albums(split.cold) & albums(warm)
        assert all(album is None for album, _ in shared)
        divided |= bool(artists_of(items, split.cold) & artists_of(items, warm))
    assert divided


def test_a_new_item_with_a_guest_who_was_played_is_by_a_known_artist() -> None:
    log, items = world()
    seen = set()
    for split in FoldProtocol("artist", 4).splits(log, items):
        played = {split.train.items[i] for i in split.train.item}
        names = {a for item in items if item.id in played for a in artist_keys(item.metadata)}
        for at, known in zip(split.cold, split.known, strict=True):
            assert known == bool(names & set(artist_keys(items[at].metadata)))
            seen.add(bool(known))
    assert seen == {True, False}


def test_folds_depend_on_the_seed_and_on_nothing_else() -> None:
    log, items = world()
    first, again, other = (
        [s.cold.tolist() for s in FoldProtocol().splits(log, items, seed=seed)]
        for seed in (3, 3, 4)
    )
    assert first == again != other


def test_given_folds_are_taken_as_they_are() -> None:
    log, items = world()
    labels = [None if i % 5 == 0 else "ab"[i % 2] for i in range(len(items))]
    splits = FoldProtocol(labels).splits(log, items)
    assert [split.name for split in splits] == ["fold a", "fold b"]
    for split, label in zip(splits, "ab", strict=True):
        check(split, log, items)
        told = [i for i, own in enumerate(labels) if own == label and items.ids[i] != "bare"]
        assert split.cold.tolist() == told


@pytest.mark.parametrize("by", ["artist", "album"])
def test_settings_are_chosen_without_a_look_at_the_test(by: str) -> None:
    log, items = world()
    protocol = FoldProtocol(by, 3)  # type: ignore[arg-type]
    for split in protocol.splits(log, items, seed=2):
        inner = protocol.validation(split, items, seed=2)
        check(inner, split.train, items)
        asked = set(split.test.items)
        assert not asked & set(inner.train.items) and not asked & set(inner.test.items)
        assert len(inner.train) + len(inner.test) + len(inner.held) == len(split.train)


@given(st.integers(0, 30), st.integers(100, 300), st.booleans())
@settings(max_examples=15, deadline=None)
def test_nothing_of_the_future_is_learned_from(seed: int, day: int, ends: bool) -> None:
    log, items = world(seed, tracks=120, users=25)
    since = 1e9 + DAY * day
    until = since + 60 * DAY if ends else None
    try:
        (split,) = TimeProtocol(since, until).splits(log, items)
    except MusicuError as error:
        assert "there is nothing to measure" in str(error)
        return
    check(split, log, items)
    assert log.time is not None and split.train.time is not None and split.test.time is not None
    assert split.train.time.max() < since <= split.test.time.min()
    assert until is None or split.test.time.max() < until
    # Plays of warm items before the day are all there; new items had none.
    assert len(split.train) == (log.time < since).sum()


def test_validation_by_time_is_the_time_before() -> None:
    log, items = world(tracks=200)
    since = 1e9 + DAY * 60
    protocol = TimeProtocol(since, window=40)
    (split,) = protocol.splits(log, items)
    inner = protocol.validation(split, items)
    assert inner.train.time is not None and inner.test.time is not None
    assert inner.train.time.max() < since - 40 * DAY <= inner.test.time.min()
    assert inner.test.time.max() < since


def test_days_are_told_in_words() -> None:
    since = datetime.datetime(2010, 1, 1, tzinfo=datetime.UTC).timestamp()
    assert TimeProtocol(since).about.startswith("items first played since 2010-01-01;")
    assert FoldProtocol(each=1).about == "5 folds of whole artists, 1 of them cold once"
    assert FoldProtocol("album", 3).about == "3 folds of whole albums, each cold once"


def test_what_cannot_be_split_is_refused_in_one_line() -> None:
    log, items = world()
    timeless = Interactions(log.users, log.items, log.user, log.item)
    with pytest.raises(MetadataError, match="the log has no times"):
        TimeProtocol(1e9).splits(timeless, items)
    with pytest.raises(MusicuError, match="10 artists .* do not make 50 folds"):
        FoldProtocol("artist", 50).splits(log, items)
    nameless = Items(Item(id, Metadata(genres=("Jazz",))) for id in items.ids)
    with pytest.raises(MusicuError, match="no item names its artist"):
        FoldProtocol().splits(log, nameless)
    with pytest.raises(MetadataError, match="2 folds for 61 items"):
        FoldProtocol(["a", "b"]).splits(log, items)
    with pytest.raises(MusicuError, match="two folds are needed"):
        FoldProtocol(["a"] * len(items)).splits(log, items)
    with pytest.raises(MusicuError, match="cannot be grouped by 'label'"):
        FoldProtocol("label").splits(log, items)  # type: ignore[arg-type]
    with pytest.raises(MusicuError, match="hidden is 1: a share"):
        FoldProtocol(hidden=1).splits(log, items)
    with pytest.raises(MusicuError, match="there is nothing to measure"):
        TimeProtocol(5e9).splits(log, items)


def test_folds_are_read_from_the_items_table(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("id,fold,genres\na,1,Jazz\nb,,Pop\nc,2,Pop\n")
    source = read_items(path)
    assert read_column(path, source, "fold") == ("1", None, "2")
    with pytest.raises(MetadataError, match="no column 'part'"):
        read_column(path, source, "part")
