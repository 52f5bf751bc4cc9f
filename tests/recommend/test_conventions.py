"""Called as scikit-learn's, implicit's and RecTools' are: the same answers, in their forms."""

from typing import Any

import numpy as np
import pytest
from planted import GENRES, N_ITEMS, group, items, log

from musicu.errors import MetadataError, MusicuError, NotFittedError, RecommenderError
from musicu.frames import LIBRARIES, frame_columns, make_frame
from musicu.items.fusion import Fusion
from musicu.items.vectorizer import ItemVectorizer
from musicu.recommend.frame_api import Columns, Dataset, FrameRecommender
from musicu.recommend.matrix_api import MatrixRecommender
from musicu.recommend.recommender import Recommender

USER = 7


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return Recommender(dim=8).fit(log().of_items(items().ids), items())


# scikit-learn


def test_estimators_are_cloned_set_and_shown_as_scikit_learns() -> None:
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError as Theirs

    recommender = Recommender(dim=5, weights={"audio": 1.0}, evenness=0.5)
    assert repr(recommender) == "Recommender(weights={'audio': 1.0}, dim=5, length_debias=0.5)"
    assert repr(clone(recommender)) == repr(recommender)
    assert repr(Recommender().set_params(dim=3, doubt=2.0)) == "Recommender(dim=3, shrinkage=2.0)"
    assert (
        repr(Fusion()) == "Fusion()" and repr(Fusion({"year": 1})) == "Fusion(weights={'year': 1})"
    )
    assert repr(clone(ItemVectorizer(sparse=True))) == "ItemVectorizer(sparse=True)"
    for estimator in (Recommender(), Fusion(), ItemVectorizer()):
        with pytest.raises(MusicuError, match="has no parameter 'depth'; it has '"):
            estimator.set_params(depth=1)
    assert issubclass(NotFittedError, Theirs.__bases__)


def test_setting_parameters_keeps_what_was_learned(fitted: Recommender) -> None:
    from copy import copy

    other, before = copy(fitted), fitted.model
    assert other.set_params(dim=4).model is before
    assert fitted.settings.dim == 8  # a copy's settings are its own


def test_items_go_through_a_pipeline() -> None:
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.utils.validation import check_is_fitted

    every, labels = list(items()), np.array([group(i) for i in range(N_ITEMS)])
    pipeline = make_pipeline(ItemVectorizer(), LogisticRegression())
    with pytest.raises(NotFittedError, match="call fit"):
        pipeline[0].transform(every)
    assert pipeline.fit(every, labels).score(every, labels) == 1
    check_is_fitted(pipeline[0])
    grid = {"itemvectorizer__weights": [{"genres": 1.0}, {"year": 1.0}]}
    search = GridSearchCV(clone(pipeline), grid, cv=2).fit(every, labels)
    assert search.best_params_ == {"itemvectorizer__weights": {"genres": 1.0}}
    vectors = make_pipeline(Fusion(), "passthrough").fit_transform(items())
    sparse = ItemVectorizer(sparse=True).fit_transform(items())
    assert np.array_equal(sparse.toarray(), vectors.toarray())
    with pytest.raises(MetadataError, match="str is no item"):
        ItemVectorizer().fit(["t0"])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_vectors_come_as_frames_where_that_is_asked_for(library: str) -> None:
    pytest.importorskip(library)
    vectorizer = ItemVectorizer({"genres": 1.0}).fit(items())
    plain = vectorizer.transform(items())
    frame = vectorizer.set_output(transform=library).transform(items())
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns) == list(vectorizer.get_feature_names_out())
    assert list(frame.columns)[0] == "genres0" and len(frame.columns) == plain.shape[1]
    assert np.array_equal(np.array(list(frame_columns(frame).values())).T, plain)
    with pytest.raises(MusicuError, match="no output 'excel'"):
        vectorizer.set_output(transform="excel")


def test_paths_go_in_and_embeddings_come_out(tmp_path: Any) -> None:
    from made_audio import notes, write

    from musicu.audio.decode import load
    from musicu.encoders.encoder import Encoder
    from musicu.errors import AudioError
    from musicu.workers.audio_embedder import AudioEmbedder

    write(tmp_path / "a.wav", notes(seed=5, seconds=4.0, sr=16000), 16000)
    (tmp_path / "b.wav").write_bytes(b"no audio")
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    embedder = AudioEmbedder(on_error="nan").fit(paths)
    found = embedder.transform(paths)
    encoder = Encoder.from_pretrained()
    assert found[0] == pytest.approx(encoder.embed(*load(paths[0])), abs=1e-5)
    assert np.isnan(found[1]).all() and list(embedder.failures_) == [str(paths[1])]
    assert len(embedder.get_feature_names_out()) == encoder.dim
    with pytest.raises(AudioError, match=r"b\.wav"):
        embedder.set_params(on_error="raise").transform(paths[1:])


# implicit


def test_a_matrix_gives_the_recommenders_own_answers(fitted: Recommender) -> None:
    plays = log().of_items(items().ids).matrix("raw")
    model = MatrixRecommender(items(), Recommender(dim=8)).fit(plays)
    ids, scores = model.recommend(USER, plays[[USER]], N=5)
    assert (
        ids.dtype == np.int32 and scores.dtype == np.float32 and ids.shape == scores.shape == (5,)
    )
    assert not set(ids) & set(plays[[USER]].indices)
    several, _ = model.recommend(np.array([3, USER]), plays[[3, USER]], N=5)
    assert np.array_equal(several[1], ids) and np.array_equal(model.recommend(USER, N=5)[0], ids)
    kind = [GENRES[group(i)] for i in ids]
    assert kind.count(GENRES[USER % 4]) >= 4
    only, _ = model.recommend(USER, N=5, items=[1, 2, 90])
    assert set(only) == {1, 2, 90, -1} - set(plays[[USER]].indices)
    without, _ = model.recommend(USER, N=5, filter_items=ids[:2])
    assert not set(without) & set(ids[:2])
    near, alike = model.similar_items(0, N=3)
    assert len(near) == 3 and list(alike) == sorted(alike, reverse=True)


def test_a_matrix_that_does_not_fit_is_one_line(fitted: Recommender) -> None:
    model = MatrixRecommender(items(), fitted)
    with pytest.raises(MusicuError, match="columns does not fit 96 items"):
        model.recommend(0, np.ones((1, 3)))
    with pytest.raises(MusicuError, match="1 rows for 2 users"):
        model.recommend([0, 1], np.ones((1, N_ITEMS)))
    with pytest.raises(MusicuError, match="items are columns from 0 to 95"):
        model.recommend(0, items=[96])
    with pytest.raises(MusicuError, match="one of items and filter_items"):
        model.recommend(0, items=[1], filter_items=[2])
    with pytest.raises(NotFittedError):
        MatrixRecommender(items()).recommend(0)


# RecTools


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_gives_the_recommenders_own_answers(fitted: Recommender, library: str) -> None:
    pytest.importorskip(library)
    plays = log()
    columns = {
        "listener": plays.user.tolist(),
        "item_id": [plays.items[i] for i in plays.item],
        "weight": plays.weight.tolist(),
        "datetime": plays.time,
    }
    about = {"item_id": items().ids, "genres": [GENRES[group(i)] for i in range(N_ITEMS)]}
    dataset = Dataset.construct(
        make_frame(columns, library),
        make_frame(about, library),
        item_vectors=(items().ids, items().audio),
        columns=Columns(User="listener"),
    )
    model = FrameRecommender(Recommender(dim=8)).fit(dataset)
    frame = model.recommend(users=[USER, 3], k=4)
    assert type(frame).__module__.startswith(library)
    found = frame_columns(frame)
    assert list(found) == ["listener", "item_id", "score", "rank"]
    assert list(found["listener"]) == [USER] * 4 + [3] * 4
    assert list(found["rank"]) == [1, 2, 3, 4] * 2
    own = model.recommender.recommend(str(USER), 4)
    assert list(found["item_id"][:4]) == [one.id for one in own]
    near = frame_columns(model.recommend_to_items(["item 3"], 2))
    assert list(near) == ["target_item_id", "item_id", "score", "rank"]
    among = frame_columns(model.recommend([USER], 4, items_to_recommend=["item 90"]))
    assert list(among["item_id"]) == ["item 90"]


def test_a_frame_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(MetadataError, match="no column 'user_id': name it with Columns"):
        Dataset.construct({"who": ["ann"], "item_id": ["x"]})
    dataset = Dataset.construct({"user_id": [1, 1, 2], "item_id": [5, 6, 6]})
    with pytest.raises(NotFittedError):
        FrameRecommender().recommend([1])
    model = FrameRecommender(Recommender(dim=2)).fit(dataset)
    assert frame_columns(model.recommend([2], 5))["item_id"] == pytest.approx([5])  # a number again
    with pytest.raises(RecommenderError, match="no such user"):
        model.recommend([3])
