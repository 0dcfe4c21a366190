"""Search is exact: not in most cases, in all of them."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import clustered, located, new_store, sample_rows, source, unit

from geoglot.archive import index, search, segment
from geoglot.archive.collapse import Places, same_place
from geoglot.archive.filter import Filter
from geoglot.archive.rows import Rows
from geoglot.archive.search import exact_scores
from geoglot.archive.store import ArchiveStore
from geoglot.core.errors import ArchiveError
from geoglot.core.records import Bounds, Tile, Window


def rows_with(vectors: np.ndarray, name: str = "a", tiles: list[Tile] | None = None) -> Rows:
    tiles = tiles or [Tile(window=Window(300 * n, 0, 256, 256)) for n in range(len(vectors))]
    rows = sample_rows(name, len(vectors), dimension=vectors.shape[1], tiles=tiles)
    return replace(rows, vectors=vectors.astype(np.float16))


def oracle(rows: Rows, query: np.ndarray, k: int) -> list[str]:
    scores = exact_scores(rows.vectors, np.arange(len(rows)), query)
    order = sorted(range(len(rows)), key=lambda row: (-scores[row], rows.ids[row].tobytes()))
    return [rows.ids[row].tobytes().hex() for row in order[:k]]


@pytest.mark.parametrize("kind", ["clustered", "tight", "equal", "two values", "uniform", "one outlier"])
def test_every_answer_is_exact_whatever_the_vectors_look_like(tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(2)
    count, dimension = 9000, 32
    vectors = clustered(generator, count, dimension)
    if kind == "tight":  # differences far below a step of the 8-bit codes
        vectors = unit(vectors[:1] + 2e-3 * generator.standard_normal((count, dimension)))
    elif kind == "equal":
        vectors = np.repeat(vectors[:1], count, axis=0)
    elif kind == "two values":
        vectors = vectors[:2][generator.integers(0, 2, count)]
    elif kind == "uniform":
        vectors = unit(generator.standard_normal((count, dimension)))
    elif kind == "one outlier":  # one value of 1 makes the step between codes as coarse as can be
        vectors = unit(np.full(dimension, 1.0) + 0.02 * generator.standard_normal((count, dimension)))
        vectors[77] = np.eye(dimension)[3]
    rows = rows_with(vectors)
    with new_store(tmp_path / "a", dimension) as store:
        for start in range(0, count, 3000):
            store.commit(rows.take(np.arange(start, start + 3000)), [source("a")])
        for number in range(6):
            query = unit(vectors[generator.integers(count)] + 0.05 * number * generator.standard_normal(dimension))
            for k in (1, 10, 300):
                hits = store.search(query, k=k, collapse=False)
                assert [hit.id for hit in hits] == oracle(rows, query, k)


def test_codes_are_off_by_no_more_than_the_bound_says() -> None:
    generator = np.random.default_rng(4)
    vectors = clustered(generator, 20_000, 64)
    part = segment.build(rows_with(vectors), [(1, 20_000, "x")])
    for _ in range(20):
        query = unit(generator.standard_normal(64))
        exact = exact_scores(part.vectors, np.arange(20_000), query)
        found, bound = part.nearest(query, 500, None)
        rest = np.setdiff1d(np.arange(20_000), found)
        assert exact[rest].max() <= bound
        mask = np.zeros(20_000, bool)
        mask[::7] = True
        found, bound = part.nearest(query, 500, mask)
        assert mask[found].all()
        assert exact[np.setdiff1d(np.flatnonzero(mask), found)].max() <= bound
        found, bound = part.nearest(query, 20_000, None)
        assert (len(found), bound) == (20_000, -math.inf)


def test_equal_rows_get_equal_scores_in_any_company() -> None:
    generator = np.random.default_rng(5)
    vectors = unit(generator.standard_normal((5000, 256))).astype(np.float16)
    query = unit(generator.standard_normal(256))
    whole = exact_scores(vectors, np.arange(5000), query)
    for size in (1, 2, 3, 17, 4097):
        chosen = generator.integers(0, 5000, size)
        np.testing.assert_array_equal(exact_scores(vectors, chosen, query), whole[chosen])


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 400),
    k=st.integers(1, 40),
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.02, 0.3, 1.0]),
    parts=st.integers(1, 4),
)
def test_search_equals_the_oracle(count: int, k: int, seed: int, share: float, parts: int) -> None:
    generator = np.random.default_rng(seed)
    vectors = unit(generator.integers(-2, 3, (count, 8)) + 0.5)  # many ties
    west = generator.uniform(-180, 180, count)
    tiles = [located(float(x), 0, 0.5, window=Window(300 * n, 0, 256, 256)) for n, x in enumerate(west)]
    rows = rows_with(vectors, tiles=tiles)
    bounds = np.sort(generator.integers(0, count + 1, parts - 1)).tolist()
    pieces = [np.arange(a, b) for a, b in zip([0, *bounds], [*bounds, count], strict=True) if b > a]
    segments = [segment.build(rows.take(piece), [(n, len(piece), "x")]) for n, piece in enumerate(pieces)]
    from geoglot.archive.entries import Snapshot

    snapshot = Snapshot(commit=1, meta={}, shards={}, deleted=[], paths={})
    searcher = search.Searcher(segments, snapshot, 8)
    query = unit(generator.integers(-2, 3, 8) + 0.5)
    condition = Filter.from_options(bbox=(100, -1, 100 + 360 * share - 360 * (share > 0.2), 1)) if share < 1 else None
    hits = searcher.search(query, k=k, condition=condition, collapse=False)
    searcher.close()
    mask = np.ones(count, bool)
    if condition is not None:
        mask = np.concatenate([m for m in searcher.masks(condition) if m is not None])
    assert [hit.id for hit in hits] == oracle(rows.take(np.flatnonzero(mask)), query, k)


def test_a_mapped_index_survives_the_writer_merging_it_away(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        for number in range(7):
            store.commit(sample_rows(f"{number}", 4), [source(f"{number}")])
        with ArchiveStore.open(tmp_path / "a") as reader:
            query = reader.searcher.checked_query(np.eye(16, dtype=np.float32)[0])
            assert len(reader.searcher.segments) == 7
            store.commit(sample_rows("7", 4), [source("7")])  # the eighth: all are merged
            assert len(list(store.layout.index.iterdir())) == 2
            assert len(reader.search(query, k=100, collapse=False)) in (28, 32)
            reader.refresh()
            assert len(reader.search(query, k=100, collapse=False)) == 32


def test_a_reader_makes_what_the_index_lacks_in_memory(tmp_path: Path) -> None:
    with new_store(tmp_path / "a") as store:
        for name in "abc":
            store.commit(sample_rows(name, 30), [source(name)])
        query = store.background_sample()[0]
        expected = store.search(query, k=20)
        records = index.read_manifest(store.layout)
        index.write_manifest(store.layout, records[1:2], store.filesystem)  # as after a kill between commit and index
    with ArchiveStore.open(tmp_path / "a") as reader:
        assert reader.search(query, k=20) == expected
        assert reader.verify().ok
        assert "behind" in reader.verify().notes[0]


def test_a_row_that_is_not_what_was_indexed_is_never_shown(tmp_path: Path) -> None:
    rows = sample_rows("a", 10)
    part = segment.build(rows, [(1, 10, "x")])
    for name in ("vectors", "windows", "levels", "times", "ids", "footprints", "bounds", "gsd"):
        column = getattr(rows, name).copy()
        flat = column.reshape(-1).view(np.uint8)
        flat[0] ^= 1
        damaged = segment.assembled(replace(rows, **{name: column}), part.checks, [(1, 10, "x")], "damaged")
        with pytest.raises(ArchiveError, match="row 0 does not fit its checksum"):
            damaged.check_rows(np.array([3, 0]))
        damaged.check_rows(np.array([9, 4]))


def test_places_by_hand() -> None:
    """Windows of 100: shifts of 80 x 0 share 2000 (0.2), 80 x 80 share 400 (0.04, below a twentieth)."""
    first = Tile(window=Window(0, 0, 100, 100))
    assert same_place(first, Tile(window=Window(80, 0, 100, 100)), same_source=True)
    assert not same_place(first, Tile(window=Window(80, 80, 100, 100)), same_source=True)
    # a coarser tile holds the finer one, whatever the share of its own area: 10000 of 160000
    assert same_place(first, Tile(window=Window(0, 0, 400, 400), level=2), same_source=True)
    # the same windows in another source say nothing
    assert not same_place(first, first, same_source=False)
    across = [located(179.9, 0, 0.2, window=Window(0, 0, 1, 1)), located(179.95, 0, 0.2, window=Window(0, 0, 1, 1))]
    assert across[0].bounds == Bounds(179.9, 0, pytest.approx(-179.9), 0.2)
    # 0.15 x 0.2 shared, 0.25 x 0.2 together: 0.6
    assert same_place(*across, same_source=False)
    far = located(-179.9, 0, 0.2, window=Window(0, 0, 1, 1))
    assert not same_place(across[0], far, same_source=False)


@settings(max_examples=80, deadline=None)
@given(
    corners=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 12), st.integers(1, 6), st.integers(0, 3)),
        min_size=1,
        max_size=30,
    ),
    start=st.sampled_from([10.0, 179.0, -180.0]),
    most=st.integers(1, 30),
)
def test_places_agree_with_their_definition(corners: list[tuple[int, ...]], start: float, most: int) -> None:
    """Upright and turned squares, unlocated ones, some across 180 degrees; steps of 0.13 keep off the thresholds."""
    tiles = []
    for _, x, y, size, kind in corners:
        window = Window(100 * x, 100 * y, 100 * size, 100 * size)
        west = start + 0.13 * x
        west = west - 360 if west > 180 else west
        tile = located(west, 0.11 * y, 0.17 * size, window=window)
        if kind == 1:
            tile = Tile(window=window)
        elif kind == 2 and not tile.bounds.crosses_antimeridian:  # type: ignore[union-attr]
            middle = shapely.from_wkb(tile.footprint).centroid
            turned = shapely.affinity.rotate(shapely.from_wkb(tile.footprint), 30, origin=middle)
            tile = replace(tile, footprint=shapely.to_wkb(turned), bounds=Bounds(*turned.bounds))
        tiles.append(tile)
    places = Places(most)
    naive: list[tuple[str, Tile, int]] = []
    for position, (tile, (source_number, *_)) in enumerate(zip(tiles, corners, strict=True)):
        key = str(source_number)
        for number, (other_key, other, merged) in enumerate(naive):
            if same_place(tile, other, same_source=key == other_key):
                naive[number] = (other_key, other, merged + 1)
                taken = True
                break
        else:
            taken = len(naive) < most
            if taken:
                naive.append((key, tile, 1))
        assert places.offer(key, tile, position) == taken
        assert places.merged == [merged for _, _, merged in naive]


def test_opening_and_searching_100k_rows_cold_takes_under_half_a_second(tmp_path: Path) -> None:
    """Of processor time, so that what else the machine does has no say; appending 10,000 rows takes under one."""
    generator = np.random.default_rng(9)
    count, dimension = 100_000, 64
    vectors = clustered(generator, count, dimension)
    with new_store(tmp_path / "a", dimension) as store:
        for start in range(0, count, 20_000):
            tiles = [Tile(window=Window(300 * n, 0, 256, 256)) for n in range(start, start + 20_000)]
            store.commit(rows_with(vectors[start : start + 20_000], f"{start}", tiles), [source(f"{start}")])
        started = time.process_time()
        store.commit(rows_with(vectors[:10_000], "more"), [source("more")])
        assert time.process_time() - started < 1
    started = time.process_time()
    with ArchiveStore.open(tmp_path / "a") as reader:
        assert len(reader.search(vectors[5], k=10)) == 10
    assert time.process_time() - started < 0.5
