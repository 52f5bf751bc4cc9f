from dataclasses import replace

import numpy as np

from musicu.encoders.registry import find_model
from musicu.encoders.tagger import TagHead
from musicu.search.map_columns import heard_words


def test_the_word_of_a_track_is_what_its_page_says_first_of_all_genres_or_else_of_all() -> None:
    head = TagHead.load(find_model(None))
    genres = [tag.name for tag in head.tags if tag.kind == "genre"]
    head = head.only({tag.name for tag in head.tags} - set(genres[4:]))
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((300, head.weights.shape[1]))
    # Some towards each tag, so that all kinds are met, no music among them.
    vectors[:200] += 2 * head.weights[rng.integers(0, len(head.tags), 200)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float32)
    head = replace(head, known=vectors[::2].copy(), reach=0.9)  # the others are strange to it
    kinds = {tag.name: tag.kind for tag in head.tags}
    expected = []
    for vector in vectors:
        said = head.hear(vector).said
        genres = [word for word in said if kinds[word] == "genre"]
        expected.append(next(iter(genres or said), None))
    words = heard_words(head, vectors)
    assert [words.names[code] if code >= 0 else None for code in words.codes] == expected
    assert {kinds[word] for word in words.names} >= {"genre", "mood"}
    assert expected.count(None) > 50
