"""Drift: undisturbed batches pass, shifts are found, statistics are what they are called."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.catalog.catalog import Catalog
from musicu.encoders.registry import find_model
from musicu.errors import CatalogError, ModelMismatchError, MusicuError
from musicu.monitoring.drift import DriftReport, check_batch, judge
from musicu.monitoring.permutations import permute_batches
from musicu.monitoring.sampling import align_batch
from musicu.monitoring.statistics import Statistic, batch_statistics
from musicu.monitoring.tracks import Tracks
from musicu.monitoring.upload_monitor import UploadMonitor

Ints = NDArray[np.intp]

DIM = 16
ARTISTS = 110
CODECS = ("flac", "mp3float", "aac")
GENRES = ("Jazz", "Rock", "Folk", "House")


def world(seed: int = 0, artists: int = ARTISTS) -> Tracks:
    """Some artists with one to nine tracks each, which share a sound, a level and a codec."""
    rng = np.random.default_rng(seed)
    centers = 1.5 * np.random.default_rng(99).standard_normal((len(GENRES), DIM))
    vectors, facts, groups = [], [], []
    for artist in range(artists):
        genre = int(rng.integers(len(GENRES)))
        own = centers[genre] + rng.standard_normal(DIM)
        level, codec = rng.normal(-12, 3), CODECS[int(rng.integers(3))]
        for _ in range(int(rng.integers(1, 10))):
            vectors.append(own + 0.7 * rng.standard_normal(DIM))
            loudness = level + rng.normal(0, 1)
            facts.append(
                {
                    "codec": codec,
                    "sr": 44100,
                    "channels": 2,
                    "seconds": float(rng.normal(200, 40)),
                    "metadata": {"genres": [GENRES[genre]]},
                    "descriptors": {
                        "loudness": loudness,
                        "peak": min(0.0, loudness + 11),
                        "brightness": float(rng.normal(1500, 300)),
                        "tempo": float(rng.normal(120, 20)),
                    },
                }
            )
            groups.append(f"artist {seed} {artist}")
    matrix = np.array(vectors)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return Tracks(matrix.astype(np.float32), facts, groups, "made@1")


REFERENCE = world()
OTHERS = world(1)


def singles(seed: int, n: int = 120, tracks: Tracks = OTHERS) -> Tracks:
    return tracks.take(np.random.default_rng(seed).permutation(len(tracks))[:n])


def whole(seed: int, n: int = 120, tracks: Tracks = OTHERS) -> Tracks:
    names = np.random.default_rng(seed).permutation(sorted(set(map(str, tracks.groups))))
    place = {name: at for at, name in enumerate(names)}
    return tracks.take(np.argsort([place[g] for g in tracks.groups], kind="stable")[:n])


def changed(tracks: Tracks, change: dict[str, Any]) -> Tracks:
    return replace(tracks, facts=[{**fact, **change} for fact in tracks.facts])


def names(report: DriftReport) -> set[str]:
    return {signal.name for signal in report.signals if signal.drifted}


# What an undisturbed batch is called


@pytest.mark.parametrize("draw", [singles, whole])
def test_batches_of_artists_nobody_knew_are_hardly_ever_flagged(draw: Any) -> None:
    reports = [check_batch(REFERENCE, draw(seed), seed=seed) for seed in range(8)]
    assert sum(bool(report.drifted) for report in reports) <= 1
    assert all(report.drifted is not None for report in reports)


@pytest.mark.parametrize("draw", [singles, whole])
def test_batches_of_the_catalog_itself_are_hardly_ever_flagged(draw: Any) -> None:
    reports = [check_batch(REFERENCE, draw(seed, tracks=REFERENCE)) for seed in range(4)]
    assert not any(report.drifted for report in reports)


def test_vectors_alone_are_not_flagged_where_artists_are_clumps() -> None:
    """The groups are guessed: without that, whole artists would be taken for a shift."""
    alone = [check_batch(REFERENCE.vectors, whole(seed).vectors) for seed in range(6)]
    assert sum(bool(report.drifted) for report in alone) <= 1
    own = [
        check_batch(
            Tracks(REFERENCE.vectors, (), list(map(str, range(len(REFERENCE))))),
            Tracks(whole(seed).vectors, (), [f"new {i}" for i in range(120)]),
        )
        for seed in range(6)
    ]
    assert sum(bool(report.drifted) for report in own) >= 3


@pytest.mark.parametrize("alpha", [0.05, 0.5])
def test_any_of_many_signals_is_as_rare_as_was_asked(alpha: float) -> None:
    rng = np.random.default_rng(0)
    flagged = 0
    for _ in range(300):
        shared = rng.chisquare(3, 401)  # signals hang together
        measured = [
            Statistic(str(k), shared * (k % 2) + rng.chisquare(5 + k, 401), "") for k in range(8)
        ]
        flagged += any(signal.drifted for signal in judge(measured, alpha))
    # Neither more often nor, as where p values are only bounded, much less.
    assert abs(flagged - 300 * alpha) <= 3 * np.sqrt(300 * alpha * (1 - alpha))


def test_the_threshold_follows_alpha() -> None:
    rng = np.random.default_rng(1)
    measured = [Statistic("one", rng.chisquare(4, 4001), "")]
    strict, loose = (judge(measured, alpha)[0].threshold for alpha in (0.001, 0.2))
    assert strict > loose
    # A single signal: its threshold is its own quantile.
    from scipy.stats import chi2

    assert judge(measured, 0.1)[0].threshold == pytest.approx(chi2.isf(0.1, 4), rel=0.05)


def test_a_signal_that_seldom_varies_leaves_the_others_theirs() -> None:
    """Each is judged by how rare its value is, not by its distance from the mean."""
    rng = np.random.default_rng(2)
    rare = np.where(rng.random(2001) < 0.01, 1.0, 0.0)
    rare[0] = 0.0
    other = rng.chisquare(4, 2001)
    other[0] = other.max() + 1
    first, second = judge([Statistic("rare", rare, ""), Statistic("other", other, "")], 0.01)
    assert (first.name, first.drifted) == ("other", True)
    assert (second.name, second.drifted, second.p) == ("rare", False, 1.0)


def test_the_smallest_p_value_is_one_division_in_all() -> None:
    values = np.arange(1000.0)[::-1]
    (signal,) = judge([Statistic("one", values, "")], 0.01)
    assert signal.p == 1 / 1000 and signal.threshold == 990.0


# What a shift is called


def test_a_shift_of_the_vectors_is_found() -> None:
    batch = singles(3)
    step = np.zeros(DIM, dtype=np.float32)
    step[0] = 0.25
    moved = batch.vectors + step
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    report = check_batch(REFERENCE, replace(batch, vectors=moved))
    assert report.drifted
    assert {"embedding mean", "embedding energy"} & names(report)
    assert check_batch(REFERENCE.vectors, moved).drifted


def test_a_small_shift_is_found_where_the_music_hardly_varies() -> None:
    """As of a codec: the energy distance, which looks at all directions alike, is deaf to it."""
    x = np.random.default_rng(5).standard_normal((1000, DIM)) * np.geomspace(1, 1e-2, DIM)
    x[800:, -1] += 1e-2
    tracks = Tracks(x.astype(np.float32), (), [f"artist {i}" for i in range(1000)])
    report = check_batch(tracks.take(np.arange(800)), tracks.take(np.arange(800, 1000)))
    assert names(report) == {"embedding details"}


@pytest.mark.parametrize("draw", [singles, whole])
@pytest.mark.parametrize("gain", [-6.0, 6.0])
def test_a_gain_is_found(draw: Any, gain: float) -> None:
    batch = draw(4)
    facts = [
        {
            **fact,
            "descriptors": {
                **fact["descriptors"],
                "loudness": fact["descriptors"]["loudness"] + gain,
                "peak": fact["descriptors"]["peak"] + gain,
            },
        }
        for fact in batch.facts
    ]
    report = check_batch(REFERENCE, replace(batch, facts=facts))
    assert {"loudness", "peak"} <= names(report)
    assert names(report) <= {"loudness", "peak"}


@pytest.mark.parametrize("draw", [singles, whole])
@pytest.mark.parametrize(
    "change", [{"codec": "opus"}, {"codec": "aac"}, {"sr": 16000}, {"channels": 1}]
)
def test_another_encoding_is_found_and_named(draw: Any, change: dict[str, Any]) -> None:
    report = check_batch(REFERENCE, changed(draw(5), change))
    assert names(report) == set(change)
    assert f"{next(iter(change.values()))} 100 %" in report.words


def test_a_bit_rate_is_found_where_the_codec_is_the_same() -> None:
    def at(tracks: Tracks, rate: float) -> Tracks:
        facts = [{**fact, "size": int(rate * fact["seconds"] / 8e-3)} for fact in tracks.facts]
        return replace(tracks, facts=facts)

    report = check_batch(at(REFERENCE, 320), at(singles(6), 64))
    assert names(report) == {"bitrate"}
    assert not check_batch(at(REFERENCE, 320), at(singles(6), 320)).drifted


@pytest.mark.parametrize("draw", [singles, whole])
def test_a_batch_of_one_genre_is_found(draw: Any) -> None:
    at = [i for i, kinds in enumerate(OTHERS.kinds("genres")) if kinds == ("Jazz",)]
    jazz = OTHERS.take(at)
    report = check_batch(REFERENCE, draw(7, tracks=jazz))
    assert {"genres", "embedding mean", "embedding energy"} <= names(report)
    assert "Jazz 100 %" in report.words
    assert check_batch(REFERENCE.vectors, jazz.vectors).drifted


def test_uploads_that_the_catalog_has_in_another_encoding_are_named() -> None:
    batch = singles(8, tracks=REFERENCE)
    rng = np.random.default_rng(0)
    again = batch.vectors + 1e-3 * rng.standard_normal(batch.vectors.shape).astype(np.float32)
    again /= np.linalg.norm(again, axis=1, keepdims=True)
    report = check_batch(REFERENCE, replace(batch, vectors=again))
    assert names(report) == {"copies"}
    assert "100 % are" in report.words


def test_one_upload_of_another_kind_is_no_drift() -> None:
    """However rare: in a catalog of one codec alone nothing could be less likely."""
    plain = changed(REFERENCE, {"codec": "flac"})
    batch = changed(singles(9), {"codec": "flac"})
    facts = [*batch.facts[:-4], *changed(batch, {"codec": "opus"}).facts[-4:]]
    assert "codec" not in names(check_batch(plain, replace(batch, facts=facts)))


def test_facts_of_one_side_alone_are_not_compared() -> None:
    report = check_batch(replace(REFERENCE, facts=()), singles(10))
    assert {s.name for s in report.signals} <= {
        "copies",
        "embedding details",
        "embedding energy",
        "embedding mean",
    }
    assert not report.drifted


# The draws


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=4, max_size=25),
    st.lists(st.integers(1, 6), min_size=2, max_size=10),
    st.integers(0, 5),
)
def test_a_draw_has_the_shape_of_the_batch(theirs: list[int], ours: list[int], seed: int) -> None:
    """As many groups, each with as many tracks; no track on both sides, no new group either."""
    group = np.repeat(np.arange(len(theirs) + len(ours)), theirs + ours)
    inside = group >= len(theirs)
    draws = permute_batches(group, inside, known=False, draws=20, seed=seed)
    shape = sorted(ours)
    for batch, rest in zip(draws.batch > 0, draws.rest > 0, strict=True):
        assert sorted(Counter(group[batch]).values()) == shape
        assert not set(group[batch]) & set(group[rest])
    assert (draws.batch[0].astype(bool) == inside).all()
    assert (draws.rest[0].astype(bool) == ~inside).all()


def test_every_group_is_drawn_alike() -> None:
    group = np.repeat(np.arange(60), 3)
    draws = permute_batches(group, group < 12, known=False, draws=3000, seed=0)
    often = draws.batch[1:].mean(axis=0)
    assert np.abs(often - 12 / 60).max() < 5 * np.sqrt(0.2 * 0.8 / 3000)


def test_what_is_left_of_a_known_artist_stays_in_the_reference() -> None:
    group = np.repeat(np.arange(30), 6)
    inside = np.tile([True, False, False, False, False, False], 30)
    draws = permute_batches(group, inside, known=True, draws=50, seed=0)
    assert ((draws.batch + draws.rest)[1:] == 1).all()


def test_a_reference_of_new_artists_is_thinned_out_to_the_batch() -> None:
    pair = align_batch(REFERENCE, singles(1, n=40), 0)
    assert not pair.known
    theirs, ours = (Counter(pair.group[side].tolist()) for side in (~pair.inside, pair.inside))
    assert max(theirs.values()) == max(ours.values()) < 9
    assert align_batch(REFERENCE, singles(1, tracks=REFERENCE), 0).known


@pytest.mark.parametrize(("theirs", "ours"), [(300, 1000), (25, 40), (400, 60)])
def test_a_batch_larger_than_its_reference_is_no_drift(theirs: int, ours: int) -> None:
    """Else fewer tracks would be left on the other side than in the draws."""
    x = np.random.default_rng(theirs).standard_normal((theirs + ours, 32)).astype(np.float32)
    report = check_batch(x[:theirs], x[theirs:])
    assert report.drifted is False
    assert report.n <= report.reference


# The statistics are what they are called


def pair_of(seed: int = 0) -> tuple[Tracks, Any]:
    pair = align_batch(singles(seed, 300), singles(seed + 1, 100, REFERENCE), 0)
    draws = permute_batches(pair.group, pair.inside, known=pair.known, draws=5, seed=0)
    return pair.tracks, draws


def test_the_energy_distance_is_that_of_its_definition() -> None:
    from scipy.spatial.distance import cdist

    tracks, draws = pair_of()
    (found,) = [m for m in batch_statistics(tracks, draws) if m.name == "embedding energy"]
    for row in range(3):
        x = tracks.vectors[draws.batch[row] > 0].astype(np.float64)
        y = tracks.vectors[draws.rest[row] > 0].astype(np.float64)
        expected = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
        assert found.values[row] == pytest.approx(expected, abs=2e-5)


def test_the_mean_shift_is_hotellings_statistic_with_a_ridge() -> None:
    tracks, draws = pair_of()
    (found,) = [m for m in batch_statistics(tracks, draws) if m.name == "embedding mean"]
    x = tracks.vectors.astype(np.float64)
    spread = np.cov(x.T, bias=True)
    ridge = 1e-2 * np.trace(spread) * np.eye(DIM)
    for row in range(3):
        d = x[draws.batch[row] > 0].mean(axis=0) - x[draws.rest[row] > 0].mean(axis=0)
        expected = d @ np.linalg.solve(spread + ridge, d)
        assert found.values[row] == pytest.approx(expected, rel=1e-3)


def test_kinds_are_compared_by_the_likelihood_ratio() -> None:
    from scipy.stats import chi2_contingency

    tracks, draws = pair_of()
    codecs = np.array([some[0] for some in tracks.kinds("codec")])
    (found,) = [m for m in batch_statistics(tracks, draws) if m.name == "codec"]
    for row in range(5):
        table = [
            [(codecs[side[row] > 0] == codec).sum() for codec in CODECS]
            for side in (draws.batch, draws.rest)
        ]
        shares = [np.array(counts) / sum(counts) for counts in table]
        if np.abs(shares[0] - shares[1]).sum() / 2 < 0.05:
            assert found.values[row] == 0
        else:
            expected = chi2_contingency(table, correction=False, lambda_="log-likelihood")[0]
            assert found.values[row] == pytest.approx(expected, rel=1e-6)


def test_numbers_that_are_all_the_same_say_nothing() -> None:
    report = check_batch(
        changed(REFERENCE, {"seconds": 30.0}), changed(singles(2), {"seconds": 30.0})
    )
    (signal,) = [s for s in report.signals if s.name == "seconds"]
    assert signal.statistic == 0 and not signal.drifted


# The report


def test_the_same_seed_gives_the_same_report() -> None:
    first, again = (check_batch(REFERENCE, singles(1), seed=3) for _ in range(2))
    assert first == again
    assert json.loads(json.dumps(first.to_dict()))["n"] == first.n


def test_the_most_unlikely_signal_comes_first() -> None:
    report = check_batch(REFERENCE, changed(singles(1), {"codec": "opus"}))
    assert report.signals[0].name == "codec"
    assert all(s.drifted == (s.statistic > s.threshold) == (s.p < 0.01) for s in report.signals)
    p = [s.p for s in report.signals]
    assert p == sorted(p)


@pytest.mark.parametrize("n", [0, 5, 19])
def test_too_few_tracks_are_not_judged(n: int) -> None:
    report = check_batch(REFERENCE, singles(1, n))
    assert report.drifted is None
    assert "too few" in report.words


def test_too_few_artists_are_not_judged() -> None:
    batch = singles(1, 100)
    one = replace(batch, groups=["somebody"] * 100)
    assert check_batch(REFERENCE, one).drifted is None


def test_vectors_of_two_models_are_not_compared() -> None:
    with pytest.raises(ModelMismatchError, match="made@1.*embed both"):
        check_batch(REFERENCE, replace(singles(1), model="other@1"))
    with pytest.raises(ModelMismatchError):
        check_batch(REFERENCE, np.ones((30, DIM + 1), dtype=np.float32))


@pytest.mark.parametrize("alpha", [0.0, 1e-5, 0.9, -1.0])
def test_a_share_that_is_none_is_refused(alpha: float) -> None:
    with pytest.raises(MusicuError, match="alpha"):
        check_batch(REFERENCE, singles(1), alpha=alpha)


def test_tracks_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(MusicuError, match="2 vectors, but 1 facts"):
        Tracks(np.ones((2, 3), dtype=np.float32), [{}])
    with pytest.raises(MusicuError, match="no numbers"):
        Tracks(np.full((2, 3), np.nan, dtype=np.float32))
    with pytest.raises(MusicuError, match="matrix"):
        Tracks(np.ones(3, dtype=np.float32))


# Catalogs


def test_a_catalog_is_read_with_facts_and_groups(make_store: MakeStore) -> None:
    vectors = REFERENCE.vectors[:30]
    store, _ = make_store(
        vectors, [{"artist": f"The Band {i % 7}", "genres": ["Jazz"]} for i in range(30)]
    )
    tracks = Tracks.of_catalog(store.path)
    assert np.array_equal(tracks.vectors, vectors)
    assert tracks.groups[:2] == ["band 0", "band 1"]
    assert tracks.kinds("codec")[0] == ("flac",)
    assert tracks.kinds("genres")[0] == ("Jazz",)
    assert tracks.numbers("seconds")[0] == 60
    assert np.isnan(tracks.numbers("loudness")).all()
    assert len(Tracks.of_catalog(store.path, size=10)) == 10


def test_of_a_large_catalog_many_artists_are_read(make_store: MakeStore) -> None:
    """One with half of all tracks must not stand for the catalog."""
    tags = [{"artist": "One" if i % 2 else f"Artist {i}"} for i in range(400)]
    store, _ = make_store(np.eye(4, dtype=np.float32)[np.arange(400) % 4], tags)
    groups = Counter(Tracks.of_catalog(store.path, size=100).groups)
    assert groups["artist:one"] <= 10
    assert len(groups) > 90


def test_a_catalog_that_is_empty_or_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no catalog"):
        Tracks.of_catalog(tmp_path / "none.db")
    Catalog(tmp_path / "empty.db").close()
    with pytest.raises(CatalogError, match="no catalog"):  # one made for nothing does not stay
        Tracks.of_catalog(tmp_path / "empty.db")


def test_vectors_of_a_model_that_is_no_longer_current_are_read(make_store: MakeStore) -> None:
    """A service goes on with them while another model embeds."""
    store, old = make_store(REFERENCE.vectors[:30])
    store.use_model(replace(find_model(), id="next", sha256="b" * 64))
    assert Tracks.of_catalog(store.path, model=old.name).model == old.name
    assert len(Tracks.of_catalog(store.path)) == 0
    with pytest.raises(CatalogError, match="by other@1 yet; 'musicu embed FOLDER'"):
        Tracks.of_catalog(store.path, model="other@1")


def test_a_track_is_its_artists_else_its_albums(make_store: MakeStore) -> None:
    various, help = {"artist": "Various Artists", "album": "Now"}, {"album": "Help!"}
    tags = [{"artist": "The Beatles", **help}, {"artist": "Beatles"}, various, various, help, {}]
    store, _ = make_store(REFERENCE.vectors[:6], tags)
    groups = Tracks.of_catalog(store.path).groups
    assert groups[0] == groups[1] is not None and groups[2] == groups[3] is not None
    assert groups[5] is None and len(set(groups)) == 4


# The watch over uploads


def filled(make_store: MakeStore) -> Path:
    tags = [{"artist": group} for group in REFERENCE.groups]
    store, _ = make_store(REFERENCE.vectors, tags)
    return store.path


def answer(tracks: Tracks, at: int, **changes: Any) -> dict[str, Any]:
    return {"codec": "flac", "sr": 44100, "channels": 2, "seconds": 60.0, **changes} | {
        "metadata": {"artist": tracks.groups[at]}
    }


def test_uploads_like_the_catalog_are_no_drift_and_others_are(make_store: MakeStore) -> None:
    watch = UploadMonitor(filled(make_store))
    assert watch.report()["drifted"] is None
    for at in range(200):
        watch.add(OTHERS.vectors[at], answer(OTHERS, at))
    assert watch.report()["drifted"] is False
    for at in range(200):
        watch.add(OTHERS.vectors[at], answer(OTHERS, at, codec="opus"))
    told = watch.report()
    assert told["drifted"] is True and told["uploads"] == 400 and told["n"] <= 200
    assert told["signals"][0]["name"] == "codec"


def test_a_report_is_kept_until_there_is_news(make_store: MakeStore) -> None:
    watch = UploadMonitor(filled(make_store))
    for at in range(60):
        watch.add(OTHERS.vectors[at], answer(OTHERS, at))
    first = watch.report()
    for at in range(60, 79):
        watch.add(OTHERS.vectors[at], answer(OTHERS, at))
    assert watch.report() == {**first, "uploads": 79}
    watch.add(OTHERS.vectors[79], answer(OTHERS, 79))
    assert watch.report()["n"] > first["n"]


def test_uploads_of_another_model_are_left_out(make_store: MakeStore) -> None:
    watch = UploadMonitor(filled(make_store))
    for at in range(40):
        watch.add(OTHERS.vectors[at], {**answer(OTHERS, at), "model": "other@1"})
    for at in range(40):
        watch.add(OTHERS.vectors[at][:5], answer(OTHERS, at))
    assert watch.report()["drifted"] is None


# Real music


@pytest.mark.data
@pytest.mark.slow
def test_real_music_of_new_artists_is_no_drift_and_that_of_one_genre_is(
    research_catalog: Path,
) -> None:
    tracks = Tracks.of_catalog(research_catalog, size=None)
    shuffled = np.random.default_rng(0).permutation(sorted(set(map(str, tracks.groups))))
    half = set(shuffled[: len(shuffled) * 6 // 10].tolist())
    reference = tracks.take([i for i, g in enumerate(tracks.groups) if str(g) in half])
    others = tracks.take([i for i, g in enumerate(tracks.groups) if str(g) not in half])
    flagged = [
        check_batch(reference, draw(s, 120, others)) for s in range(10) for draw in (singles, whole)
    ]
    assert sum(bool(report.drifted) for report in flagged) <= 1
    for genre in ("Jazz", "Electronic", "Country"):
        at = [i for i, kinds in enumerate(others.kinds("genres")) if genre in kinds]
        heard = replace(others.take(at), facts=())  # by its sound alone
        assert check_batch(reference, heard).drifted
