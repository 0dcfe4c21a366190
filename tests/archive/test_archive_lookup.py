"""Rows by identifier, by ground sample distance, and how scores are spread: against the plain way to say it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import clustered, grid, new_store, sample_rows, source

from geoglot.archive.filter import Filter
from geoglot.archive.rows import Rows
from geoglot.archive.store import ArchiveStore
from geoglot.core.errors import UsageError


@pytest.fixture
def store(tmp_path: Path) -> ArchiveStore:
    """Three commits of 700 rows; the middle one is removed again. Resolutions run from 0.1 to 0.8 m, some unknown."""
    random = np.random.default_rng(3)
    made = new_store(tmp_path / "a")
    for name in ("a", "b", "c"):
        gsd = random.choice([0.1, 0.2, 0.4, 0.8, np.nan], 700)
        tiles = [
            replace(tile, gsd_m=None if np.isnan(one) else float(one)) for tile, one in zip(grid(700), gsd, strict=True)
        ]
        made.commit(sample_rows(name, 700, tiles=tiles), [source(name)])
    assert made.remove(["/images/b"]) == 1
    return made


def live(store: ArchiveStore) -> list[Rows]:
    return [
        s.as_rows() if m is None else s.as_rows().take(np.flatnonzero(m))
        for s, m in zip(store.searcher.segments, store.searcher.live, strict=True)
    ]


def test_rows_are_found_by_identifier_and_removed_ones_are_not(store: ArchiveStore) -> None:
    every = {row.tobytes().hex(): (part, number) for part in live(store) for number, row in enumerate(part.ids)}
    assert len(every) == 1400
    asked = [*list(every)[::97], "0" * 32, "no identifier", "", "F" * 32]
    found = store.find(asked)
    assert set(found) == set(list(every)[::97])
    for key, raw in found.items():
        part, number = every[key]
        assert raw.id == key
        assert raw.tile == part.tile(number)
        assert (raw.vector == part.vectors[number].astype(np.float32)).all()


@pytest.mark.parametrize("span", [(0.0, 10.0), (0.2, 0.4), (0.8, 0.8), (0.5, 0.6)])
def test_resolutions_are_filtered_as_they_are_said(store: ArchiveStore, span: tuple[float, float]) -> None:
    query = clustered(np.random.default_rng(4), 1, 16)[0]
    hits = store.search(query, k=2000, filter=Filter.from_options(gsd=span), collapse=False)
    wanted = {
        row.tobytes().hex()
        for part in live(store)
        for number, row in enumerate(part.ids)
        if (gsd := part.tile(number).gsd_m) is not None and span[0] <= gsd <= span[1]
    }
    assert {hit.id for hit in hits} == wanted
    scores, total = store.sample_scores(query, Filter.from_options(gsd=span))
    assert total == len(scores) == len(wanted)
    assert np.sort(scores) == pytest.approx(np.sort([hit.score for hit in hits]), abs=1e-6)


@pytest.mark.parametrize("span", [(1.0,), (2.0, 1.0), (-1.0, 1.0), (0.0, float("nan"))])
def test_spans_that_make_no_sense(span: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="no range of ground sample distances"):
        Filter.from_options(gsd=span)


def test_a_large_selection_is_sampled_evenly(store: ArchiveStore) -> None:
    query = clustered(np.random.default_rng(5), 1, 16)[0]
    condition = Filter.from_options(gsd=(0, 10))
    everything, total = store.searcher.sample_scores(query, condition)
    few, same_total = store.searcher.sample_scores(query, condition, most=100)
    assert total == same_total == len(everything)
    assert 50 <= len(few) <= 100 + len(store.searcher.segments)
    assert set(few.tolist()) <= set(everything.tolist())
    whole, rows = store.sample_scores(query, None)
    assert rows == len(whole) == 1400


def test_the_few_best_after_the_many_are_the_few_best(store: ArchiveStore) -> None:
    random = np.random.default_rng(6)
    for query in clustered(random, 20, 16):
        many = [hit.id for hit in store.search(query, k=200, collapse=False)]
        few = [hit.id for hit in store.search(query, k=10, collapse=False)]
        assert few == many[:10]
        store.drop_searcher()
        assert [hit.id for hit in store.search(query, k=10, collapse=False)] == few
