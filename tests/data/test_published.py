"""Published rows: six recalls and a mean that belongs to them."""

from __future__ import annotations

import pytest

from geoglot.data.published import ROWS, TABLE_IV, PublishedRow, published

MISPRINTS = {("AMFMN-soft", "rsicd")}
"""Printed mean 16.02; its six recalls have the mean 16.16."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.title}-{row.dataset}-{row.language}-{row.regime}")
def test_recalls_rise_and_the_mean_is_theirs(row: PublishedRow) -> None:
    for ways in (row.recall[:3], row.recall[3:]):
        assert list(ways) == sorted(ways)
        assert 0 < ways[0] <= ways[2] <= 100
    # Papers round each recall to two decimals, and the mean once more.
    fits = row.mean_recall == pytest.approx(sum(row.recall) / 6, abs=0.02)
    assert fits is ((row.title, row.dataset) not in MISPRINTS)


def test_the_tables_of_one_paper_are_whole() -> None:
    rows = published("multilanguage")
    assert len(rows) == 24  # three datasets, four languages, two regimes
    assert [row.mean_recall for row in published("multilanguage", "ucm", language="en")] == [54.12, 55.81]
    assert {row.dataset for row in published("vse_plus_plus")} == {"rsicd", "rsitmd", "ucm", "sydney"}
    assert len(TABLE_IV) == 8
    assert all(len(row.found) == 6 for row in TABLE_IV)
    for row in TABLE_IV:
        if row.rank <= 5:
            assert row.found[row.rank - 1] == row.wanted
