"""The how-to page says what the tables hold."""

from __future__ import annotations

import re
from pathlib import Path

from geoglot.data.class_table import read_class_table
from geoglot.data.reference_rules import GENERAL

PAGE = Path(__file__).parents[2] / "docs/how-to/refer.md"


def test_the_page_lists_every_noun() -> None:
    listed = re.search(r"users' rasters: (.+?)\.\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert listed is not None
    assert " ".join(listed[1].split()).split(", ") == [category.name for category in GENERAL.categories]


def test_the_class_table_of_the_page_can_be_read(tmp_path: Path) -> None:
    shown = re.search(r"```csv\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    (tmp_path / "classes.csv").write_text(shown[1], encoding="utf-8")
    assert read_class_table(tmp_path / "classes.csv").names == {1: "road", 2: "building", 3: "vineyard"}
