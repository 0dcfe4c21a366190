"""Which class each value (or colour) of a class raster stands for: a table in JSON or CSV.

JSON: ``{"0": "water", "1": {"name": "Haus", "category": "building"}}``, alone or under the key ``index``. CSV: a
heading with ``value`` and ``name``, and any of ``category``, ``colour`` (``#rrggbb``) and the languages ``en``, ``ar``,
``fr``, ``it``. ``category`` says which of our nouns a class is; a class that is none of them becomes a noun of its own,
with the forms that the languages give (``vigne|vignes|les vignes|f``: singular, plural, with the article, gender).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import DataError
from geoglot.data.reference_phrases import LANGUAGES, read_noun
from geoglot.data.reference_rules import Category, Relation, Rulebook

_REMEDY = 'write {"0": "water", "1": "road"}, or a CSV file with columns value,name'
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_NOTHING = frozenset(
    "background clutter ignore nodata nothing other unlabeled unlabelled unknown void unclassified none".split()
)
_TOUCHED = ("along the road", "by the water")  # what may be said of a noun that no rule knows


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class.

    Attributes:
        value: In the class raster.
        name: Class name.
        category: Name under which the rules know it.
        colour: Red, green, blue, where the class raster is a picture in colours.
        forms: By language, the noun in the notation of :mod:`geoglot.data.reference_phrases`.
    """

    value: int
    name: str
    category: str
    colour: tuple[int, int, int] | None = None
    forms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClassTable:
    """All classes of a class raster."""

    rows: tuple[ClassRow, ...]

    @property
    def names(self) -> dict[int, str]:
        """Names that the rules know, by value."""
        return {row.value: row.category for row in self.rows}

    def values(self, pixels: NDArray[Any]) -> NDArray[np.int64]:
        """Class values (H, W) of a class raster (H, W) or a picture in the table's colours (H, W, 3); -1 for none.

        Raises:
            DataError: The raster is in colours, and the table has none.
        """
        known = np.array([row.value for row in self.rows])
        if pixels.ndim == 2:
            return np.where(np.isin(pixels, known), pixels.astype(np.int64), -1)
        colours = {row.colour: row.value for row in self.rows if row.colour is not None}
        if not colours:
            cause = "is a picture in colours, and the class table has none"
            raise DataError("class raster", cause=cause, remedy="add a column colour (#rrggbb) to the class table")
        packed = (pixels[..., 0].astype(np.int64) << 16) | (pixels[..., 1].astype(np.int64) << 8) | pixels[..., 2]
        found = np.full(packed.shape, -1, dtype=np.int64)
        for (red, green, blue), value in colours.items():
            found[packed == (red << 16 | green << 8 | blue)] = value
        return found

    def rulebook(self, rules: Rulebook) -> Rulebook:
        """The part of the rules that these classes allow, and a noun for every class that they do not know.

        Example:
            >>> from geoglot.data.reference_rules import GENERAL
            >>> table = class_table({"1": "road", "2": "vineyard", "3": "unlabeled"})
            >>> book = table.rulebook(GENERAL)
            >>> [category.name for category in book.categories], [relation.name for relation in book.relations]
            (['road', 'vineyard'], ['along the road'])
        """
        known = {name for c in (*rules.categories, *rules.references) for name in (*c.classes, *c.lying_on)}
        own = {row.category: row for row in self.rows if row.category not in known and not _is_nothing(row.category)}
        categories = (*rules.categories, *(Category(name=name, classes=(name,)) for name in own))
        relations = tuple(_widened(relation, own) for relation in rules.relations)
        nouns = {row.category: row.forms for row in self.rows if row.forms}
        book = replace(rules, categories=categories, relations=relations, nouns={**rules.nouns, **nouns})
        return book.restricted({row.category for row in self.rows})


def _widened(relation: Relation, own: Iterable[str]) -> Relation:
    more = tuple(own) if relation.name in _TOUCHED else ()
    return replace(relation, subjects=(*relation.subjects, *more))


def _is_nothing(name: str) -> bool:
    """Whether a class says that there is nothing to name."""
    return name in _NOTHING


def read_class_table(path: str | Path) -> ClassTable:
    """The table of a JSON or CSV file.

    Raises:
        DataError: The file is absent, or is no such table.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            rows = list(csv.DictReader(text.splitlines()))
            if not rows or not {"value", "name"} <= set(rows[0]):
                raise ValueError("has no columns value and name")
            return _table([(row["value"], row) for row in rows])
        return class_table(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, cause=f"is no class table ({error})", remedy=_REMEDY) from error


def class_table(stored: Mapping[str, Any]) -> ClassTable:
    """The table of what a JSON file holds.

    Raises:
        ValueError: It is something else.
    """
    inner = stored.get("index", stored)
    return _table([(value, {"name": row} if isinstance(row, str) else row) for value, row in inner.items()])


def _table(pairs: Sequence[tuple[Any, Mapping[str, Any]]]) -> ClassTable:
    rows = tuple(_row(int(value), row) for value, row in pairs)
    if not rows or len({row.value for row in rows}) < len(rows):
        raise ValueError("holds no class" if not rows else "holds a value twice")
    return ClassTable(rows=rows)


def _row(value: int, stored: Mapping[str, Any]) -> ClassRow:
    name = str(stored["name"] or "").strip()
    if not name:
        raise ValueError(f"value {value} has no name")
    colour = str(stored.get("colour") or stored.get("color") or "").strip()
    if colour and not _COLOUR.fullmatch(colour):
        raise ValueError(f"{colour} is no colour")
    forms = {language: str(stored[language]).strip() for language in LANGUAGES if stored.get(language)}
    for form in forms.values():
        read_noun(form)
    return ClassRow(
        value=value,
        name=name,
        category=str(stored.get("category") or "").strip() or name.lower().replace("_", " "),
        colour=(int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)) if colour else None,
        forms=forms,
    )
