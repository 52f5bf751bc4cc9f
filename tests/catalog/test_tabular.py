"""A catalog as arrays and as frames of each library."""

import numpy as np
import pytest
from conftest import MakeStore, unit

from musicu.catalog.catalog import Catalog
from musicu.errors import CatalogError
from musicu.frames import LIBRARIES, frame_columns


def test_vectors_and_frames_hold_what_is_stored(make_store: MakeStore) -> None:
    rows = unit(np.random.default_rng(0).normal(size=(5, 4)))
    tags = [{"year": 1990 + i, "genres": ["Jazz"]} for i in range(5)]
    store, _ = make_store(rows, tags)
    with Catalog(store.path) as catalog:
        assert repr(catalog) == f"Catalog({str(store.path)!r})"
        ids, vectors = catalog.vectors()
        assert ids == tuple(f"{i:032x}" for i in range(5))
        assert np.array_equal(vectors, rows) and vectors.dtype == np.float32
        late, some = catalog.vectors("year >= 1993")
        assert late == ids[3:] and np.array_equal(some, rows[3:])
        assert catalog.vectors("year > 3000")[1].shape == (0, 4)
        for library in LIBRARIES:
            pytest.importorskip(library)
            found = frame_columns(catalog.to_frame("year < 1992", vectors=True, like=library))
            assert list(found["id"]) == list(ids[:2]) and list(found["year"]) == [1990, 1991]
            assert [list(cell) for cell in found["genres"]] == [["Jazz"], ["Jazz"]]
            assert np.array_equal(np.array(list(found["vector"]), dtype=np.float32), rows[:2])
            assert "vector" not in frame_columns(catalog.to_frame(like=library))


def test_a_catalog_without_vectors_says_so(tmp_path: object) -> None:
    with Catalog(f"{tmp_path}/empty.db") as catalog, pytest.raises(CatalogError, match="embed"):
        catalog.vectors()
