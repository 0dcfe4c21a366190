"""Class tables in JSON and CSV, and the rules they allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geoglot.core.errors import DataError
from geoglot.data.class_table import class_table, read_class_table
from geoglot.data.reference_phrases import phrases
from geoglot.data.reference_rules import GENERAL


def test_json_alone_and_under_index(tmp_path: Path) -> None:
    for text in ('{"0": "Water", "3": "road"}', '{"index": {"0": "Water", "3": "road"}, "rgb": {}}'):
        (tmp_path / "classes.json").write_text(text)
        assert read_class_table(tmp_path / "classes.json").names == {0: "water", 3: "road"}


def test_csv_with_categories_colours_and_languages(tmp_path: Path) -> None:
    rows = [
        "value,name,category,colour,fr",
        "1,Haus,building,#ff0000,",
        "2,Weinberg,vineyard,,vigne|vignes|les vignes|f",
    ]
    (tmp_path / "classes.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    table = read_class_table(tmp_path / "classes.csv")
    assert table.names == {1: "building", 2: "vineyard"}
    assert table.rows[0].colour == (255, 0, 0)
    book = table.rulebook(GENERAL)
    assert [category.name for category in book.categories] == ["building", "vineyard"]
    assert phrases("vineyard", nouns=book.nouns)["fr"] == ("vigne", "vignes", "les vignes")


def test_a_noun_of_ones_own_may_lie_along_the_road() -> None:
    book = class_table({"1": "road", "2": "vineyard", "9": "background"}).rulebook(GENERAL)
    assert [(r.name, "vineyard" in r.subjects) for r in book.relations] == [("along the road", True)]
    assert "background" not in {category.name for category in book.categories}


def test_values_without_a_name_are_nothing() -> None:
    table = class_table({"1": "road", "200": "water"})
    assert table.values(np.array([[1, 2], [200, 0]], np.uint8)).tolist() == [[1, -1], [200, -1]]
    with pytest.raises(DataError, match="colour"):
        table.values(np.zeros((2, 2, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[1, 2]"),
        ("a.json", "{}"),
        ("a.json", '{"x": "road"}'),
        ("a.json", '{"1": ""}'),
        ("a.json", '{"1": {"name": "road", "colour": "red"}}'),
        ("a.csv", "number,title\n1,road\n"),
        ("a.csv", ""),
        ("a.csv", "value,name\n1,road\n1,water\n"),
        ("a.json", "{"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="is no class table"):
        read_class_table(tmp_path / name)


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"classes\.csv"):
        read_class_table(tmp_path / "classes.csv")
