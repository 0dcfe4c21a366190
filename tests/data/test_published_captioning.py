"""The JTTS paper's tables: how many rows, what stands in several of them, and the cells that do not add up."""

from __future__ import annotations

import pytest

from geoglot.data.published_captioning import (
    TABLE_I,
    TABLE_IX,
    TABLE_V,
    TABLE_VI,
    TABLE_VII,
    TABLE_VIII,
    TABLES_II_TO_IV,
    CaptioningRow,
)

ALL = (*TABLE_I, *TABLES_II_TO_IV, *TABLE_V, *TABLE_VI, *TABLE_VII, *TABLE_IX)


def test_every_row_is_there() -> None:
    tables = (TABLE_I, TABLES_II_TO_IV, TABLE_V, TABLE_VI, TABLE_VII, TABLE_IX)
    assert [len(table) for table in tables] == [15, 54, 18, 18, 15, 6]
    assert {row.dataset for row in ALL} == {"ucm", "sydney", "rsicd"}
    assert len({(id(table), row.dataset, row.name) for table in tables for row in table}) == len(ALL)


def test_the_method_s_own_row_stands_in_every_table() -> None:
    names = ("ResNet-101", "Ours", "b.+sg+MSO+Ld", "0.2", "0.5", "ImageNet")
    for dataset in ("ucm", "sydney", "rsicd"):
        tables = (TABLE_I, TABLES_II_TO_IV, TABLE_V, TABLE_VI, TABLE_VII, TABLE_IX)
        found = [
            next(row for row in table if (row.dataset, row.name) == (dataset, name)).cells
            for table, name in zip(tables, names, strict=True)
        ]
        assert len({tuple(cells[name] for name in ("B-4", "M", "R", "C", "S", "Sm")) for cells in found}) == 1


def mean(row: CaptioningRow) -> float:
    cells = row.cells
    return sum(float(cells[name] or 0) for name in ("B-4", "M", "R", "C")) / 4


def test_sm_is_the_mean_but_for_two_rows() -> None:
    wrong = [(row.dataset, row.name) for row in ALL if abs(mean(row) - float(row.cells["Sm"] or 0)) > 2e-4]
    assert wrong == [("sydney", "SM-ATT+LSTM"), ("ucm", "0.6")]


def test_four_figures_as_printed() -> None:
    found = {(row.dataset, row.name): row.cells for row in TABLES_II_TO_IV}
    assert found["rsicd", "Soft Attention"]["C"] == pytest.approx(1.9643)
    assert found["ucm", "Soft Attention"]["S"] is None
    assert found["sydney", "CSMLF"]["B-4"] == pytest.approx(0.3433)
    assert TABLE_VIII[0].parameters == pytest.approx(30.7)
