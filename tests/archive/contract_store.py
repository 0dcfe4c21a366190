"""What every store must do. A later store inherits :class:`StoreContract` and gives `make` (and `reopen`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from samples import DIMENSION, clustered, located, sample_rows, source, unit

from geoglot.archive.filter import Filter
from geoglot.archive.rows import Rows
from geoglot.archive.store import Store
from geoglot.core.errors import ArchiveError, UsageError
from geoglot.core.records import Bounds, Tile, Window

QUERY = unit(np.arange(1, DIMENSION + 1))


class StoreContract:
    """Tests against the protocol alone."""

    def make(self, folder: Path) -> Store:
        raise NotImplementedError

    def reopen(self, store: Store) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = self.make(tmp_path)
        yield store
        store.close()

    def test_an_empty_store_answers_with_nothing(self, store: Store) -> None:
        assert store.search(QUERY, k=10) == []
        assert store.background_sample().shape == (0, store.dimension)
        assert store.remove(["/"]) == 0

    def test_rows_come_back_in_the_order_of_their_scores(self, store: Store) -> None:
        rows = sample_rows("a", 50)
        assert store.commit(rows, [source("a")]) == 50
        scores = rows.vectors.astype(np.float32) @ QUERY
        hits = store.search(QUERY, k=50, collapse=False)
        assert [hit.id for hit in hits] == [rows.ids[row].tobytes().hex() for row in np.argsort(-scores)]
        np.testing.assert_allclose([hit.score for hit in hits], np.sort(scores)[::-1], atol=1e-6)
        best = int(np.argmax(scores))
        assert hits[0].tile == rows.tile(best)
        assert hits[0].source == "/images/a"

    def test_more_than_there_are(self, store: Store) -> None:
        store.commit(sample_rows("a", 5), [source("a")])
        assert len(store.search(QUERY, k=1000)) == 5

    @pytest.mark.parametrize("k", [0, -3])
    def test_no_hits_cannot_be_asked_for(self, store: Store, k: int) -> None:
        with pytest.raises(UsageError, match="ask for at least one"):
            store.search(QUERY, k=k)

    @pytest.mark.parametrize(
        "vector",
        [np.ones(DIMENSION + 1), np.ones((1, DIMENSION)), np.full(DIMENSION, np.nan), np.full(DIMENSION, np.inf)],
    )
    def test_a_query_that_does_not_fit_is_refused(self, store: Store, vector: np.ndarray) -> None:
        with pytest.raises(UsageError, match="query"):
            store.search(vector.astype(np.float32), k=1)

    def test_the_same_rows_twice_are_there_once(self, store: Store) -> None:
        store.commit(sample_rows("a", 20), [source("a")])
        assert store.commit(sample_rows("a", 20), [source("a")]) == 0
        assert store.commit(sample_rows("a", 20).take(np.array([1, 1, 2])), [source("a")]) == 0
        assert len(store.search(QUERY, k=100, collapse=False)) == 20

    def test_equal_scores_are_ordered_by_id(self, store: Store) -> None:
        rows = sample_rows("a", 40)
        same = np.repeat(rows.vectors[:1], 40, axis=0)
        store.commit(_with_vectors(rows, same), [source("a")])
        hits = store.search(QUERY, k=17, collapse=False)
        assert [hit.id for hit in hits] == sorted(rows.ids[row].tobytes().hex() for row in range(40))[:17]

    def test_vectors_that_are_no_numbers_or_not_unit_are_refused(self, store: Store) -> None:
        rows = sample_rows("a", 3)
        for bad in (np.nan, np.inf, 0.0, 2.0):
            vectors = rows.vectors.copy()
            vectors[1] = vectors[1] * bad
            with pytest.raises(ArchiveError, match="not finite or not of unit length"):
                store.commit(_with_vectors(rows, vectors), [source("a")])
        assert store.search(QUERY, k=10) == []

    def test_removed_sources_are_not_found_and_may_come_back(self, store: Store) -> None:
        for name in ("a/1", "a/2", "b/1"):
            store.commit(sample_rows(name, 10), [source(name)])
        assert store.remove(["/images/a/"]) == 2
        assert {hit.source for hit in store.search(QUERY, k=100)} == {"/images/b/1"}
        assert store.commit(sample_rows("a/1", 10), [source("a/1")]) == 10
        assert {hit.source for hit in store.search(QUERY, k=100)} == {"/images/a/1", "/images/b/1"}
        assert store.remove(["*/1"]) == 2
        assert store.search(QUERY, k=100) == []

    def test_a_reopened_store_answers_the_same(self, store: Store) -> None:
        for name in "abc":
            store.commit(sample_rows(name, 30), [source(name)])
        store.remove(["/images/b"])
        before = store.search(QUERY, k=20), store.background_sample()
        again = self.reopen(store)
        try:
            assert again.search(QUERY, k=20) == before[0]
            np.testing.assert_array_equal(again.background_sample(), before[1])
        finally:
            again.close()

    def test_filters_act_during_the_search(self, store: Store) -> None:
        """Far more than k rows score higher than those that pass."""
        tiles = [
            located(
                -100 + number * 0.1,
                0,
                0.05,
                window=Window(256 * number, 0, 256, 256),
                time=datetime(2020, 1, 1, tzinfo=UTC),
            )
            for number in range(900)
        ]
        far = [
            located(
                179.98, -17, 0.05, window=Window(256 * number, 9999, 256, 256), time=datetime(2024, 1, 1, tzinfo=UTC)
            )
            for number in range(3)
        ]
        generator = np.random.default_rng(3)
        near_query = unit(QUERY + 0.05 * generator.standard_normal((900, DIMENSION)))
        opposite = unit(-QUERY + 0.05 * generator.standard_normal((3, DIMENSION)))
        rows = sample_rows("a", 903, tiles=[*tiles, *far])
        store.commit(_with_vectors(rows, np.concatenate([near_query, opposite])), [source("a")])
        for condition in (
            Filter.from_options(bbox=Bounds(179, -20, -179, -10)),
            Filter.from_options(after=datetime(2022, 1, 1, tzinfo=UTC)),
            Filter.from_options(
                polygon={"type": "Polygon", "coordinates": [[[179, -18], [181, -18], [181, -16], [179, -18]]]}
            ),
        ):
            hits = store.search(QUERY, k=10, filter=condition, collapse=False)
            assert sorted(hit.tile.window.row for hit in hits) == [9999] * 3
        assert store.search(QUERY, k=10, filter=Filter(sources=("/elsewhere",))) == []

    def test_overlapping_tiles_of_one_place_collapse(self, store: Store) -> None:
        """Three tiles in a row overlap by a quarter each; the third does not meet the first."""
        windows = [Window(0, 0, 256, 256), Window(192, 0, 256, 256), Window(384, 0, 256, 256)]
        rows = sample_rows("a", 3, tiles=[Tile(window=window) for window in windows])
        closeness = np.array([0.9, 0.5, 0.2])[:, None]
        away = unit(np.ones(DIMENSION) - (np.ones(DIMENSION) @ QUERY) * QUERY)
        vectors = closeness * QUERY + np.sqrt(1 - closeness**2) * away
        store.commit(_with_vectors(rows, vectors), [source("a")])
        hits = store.search(QUERY, k=10)
        assert [(hit.tile.window.column, hit.merged) for hit in hits] == [(0, 2), (384, 1)]
        assert len(store.search(QUERY, k=10, collapse=False)) == 3

    def test_the_same_place_in_another_source_collapses(self, store: Store) -> None:
        """Boxes of 1 x 1 degree shifted by 0.4: intersection 0.6, union 1.4, 0.43; by 0.6: 0.4 / 1.6 = 0.25."""
        for name, west in (("a", 10.0), ("b", 10.4), ("c", 10.6)):
            tile = located(west, 50, 1.0, window=Window(0, 0, 256, 256))
            store.commit(
                _with_vectors(
                    sample_rows(name, 1, tiles=[tile]), unit(QUERY[None] + (west - 10) * np.eye(DIMENSION)[:1])
                ),
                [source(name)],
            )
        hits = store.search(QUERY, k=10)
        assert [(hit.source[-1], hit.merged) for hit in hits] == [("a", 2), ("c", 1)]

    def test_enough_places_are_found_below_many_tiles_of_one_place(self, store: Store) -> None:
        crowd = [Tile(window=Window(number % 10, number // 10, 256, 256)) for number in range(500)]
        others = [Tile(window=Window(1000 * (number + 1), 0, 256, 256)) for number in range(6)]
        generator = np.random.default_rng(1)
        vectors = np.concatenate(
            [
                unit(QUERY + 0.02 * generator.standard_normal((500, DIMENSION))),
                unit(QUERY + 2.0 * generator.standard_normal((6, DIMENSION))),
            ]
        )
        store.commit(_with_vectors(sample_rows("a", 506, tiles=[*crowd, *others]), vectors), [source("a")])
        hits = store.search(QUERY, k=5)
        assert len(hits) == 5
        assert hits[0].merged == 500
        assert [hit.merged for hit in hits[1:]] == [1] * 4

    def test_the_background_sample_is_the_rows_with_the_smallest_ids(self, store: Store) -> None:
        parts = [sample_rows(name, 3000) for name in "ab"]
        for name, part in zip("ab", parts, strict=True):
            store.commit(part, [source(name)])
        ids = np.concatenate([part.ids for part in parts])
        vectors = np.concatenate([part.vectors for part in parts])
        order = sorted(range(6000), key=lambda row: ids[row].tobytes())[:4096]
        np.testing.assert_array_equal(store.background_sample(), vectors[order].astype(np.float32))
        store.remove(["/images/a"])
        order = sorted(range(3000), key=lambda row: parts[1].ids[row].tobytes())
        np.testing.assert_array_equal(store.background_sample(), parts[1].vectors[order].astype(np.float32))

    @pytest.mark.parametrize("share", [1.0, 0.1, 0.01])
    @pytest.mark.parametrize("correlated", [False, True])
    def test_recall_at_10_on_clustered_vectors(self, store: Store, share: float, correlated: bool) -> None:
        generator = np.random.default_rng(8)
        count = 20_000
        vectors = clustered(generator, count, DIMENSION)
        if correlated:  # tiles that look alike lie side by side, as in any real archive
            vectors = vectors[np.argsort(vectors @ QUERY)]
        west = np.linspace(-170, 170, count)
        tiles = [located(x, 0, 0.001, window=Window(300 * n, 0, 256, 256)) for n, x in enumerate(west)]
        rows = _with_vectors(sample_rows("a", count, tiles=tiles), vectors)
        for start in range(0, count, 5000):
            store.commit(rows.take(np.arange(start, start + 5000)), [source("a")])
        exact = rows.vectors.astype(np.float32)
        found = 0
        for number in range(20):
            query = unit(vectors[generator.integers(count)] + 0.1 * generator.standard_normal(DIMENSION))
            middle = generator.uniform(-170 + 170 * share, 170 - 170 * share) if share < 1 else 0.0
            box = Bounds(middle - 170 * share, -1, middle + 170 * share, 1)
            inside = np.flatnonzero((west + 0.001 >= box.west) & (west <= box.east))
            best = inside[np.argsort(-(exact[inside] @ query), kind="stable")[:10]]
            condition = Filter.from_options(bbox=box) if share < 1 or number % 2 else None
            hits = store.search(query, k=10, filter=condition, collapse=False)
            found += len({hit.id for hit in hits} & {rows.ids[row].tobytes().hex() for row in best})
        assert found >= 0.99 * 200


def _with_vectors(rows: Rows, vectors: np.ndarray) -> Rows:
    from dataclasses import replace

    return replace(rows, vectors=np.asarray(vectors, np.float16))
