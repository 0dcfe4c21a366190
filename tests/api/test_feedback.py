from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoglot.api.feedback import turned

NONE = np.zeros((0, 3), np.float32)


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_one_right_mark_by_hand() -> None:
    # One mark x = (0, 1, 0), middle 0: (x.x + 1) a = 1, so the direction is x itself. One mark counts 1 / (1 + 3):
    # q + x / 4 = (1, 0.25, 0), of length sqrt(1.0625).
    found = turned(unit(1, 0, 0), unit(0, 1, 0)[None], NONE, np.zeros(3, np.float32))
    assert found == pytest.approx(np.array([1, 0.25, 0]) / np.sqrt(1.0625), abs=1e-6)


def test_right_and_wrong_by_hand() -> None:
    # Marks on two axes: each equation stands alone, (1 + 1) a = +-1: the direction is (0, 1, -1) / sqrt(2). Two marks
    # count 2 / 5.
    found = turned(unit(1, 0, 0), unit(0, 1, 0)[None], unit(0, 0, 1)[None], np.zeros(3, np.float32))
    wanted = np.array([1, 0.4 / np.sqrt(2), -0.4 / np.sqrt(2)])
    assert found == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_without_marks_nothing_changes() -> None:
    query = unit(1, 2, 3)
    assert turned(query, NONE, NONE, np.zeros(3, np.float32)) is query


def test_what_all_places_share_says_nothing() -> None:
    middle = unit(0, 0, 1)
    assert turned(unit(1, 0, 0), middle[None], NONE, middle) == pytest.approx(unit(1, 0, 0))


def test_many_wrong_marks_do_not_drown_a_right_one() -> None:
    query = unit(1, 1, 1)
    wrong = np.repeat(unit(0, 0, 1)[None], 50, axis=0)
    found = turned(query, unit(0, 1, 0)[None], wrong, np.zeros(3, np.float32))
    assert found[1] > query[1]
    assert found[2] < query[2]


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (5, 4), elements=st.floats(-1, 1)))
def test_it_is_always_a_unit_vector(values: np.ndarray) -> None:
    rows = (values + np.array([2.0, 0, 0, 0])).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = turned(rows[0], rows[1:3], rows[3:], rows.mean(axis=0))
    assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)


def test_marks_bring_a_hidden_kind_to_the_top() -> None:
    # Two kinds of place that the words do not tell apart; ten marks of each do.
    random = np.random.default_rng(0)
    axes = np.eye(16)
    kind = {name: axes[0] + 0.6 * axes[number] for name, number in (("wanted", 1), ("other", 2))}
    rows = {name: middle + 0.15 * random.normal(size=(200, 16)) for name, middle in kind.items()}
    rows = {
        name: (some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32) for name, some in rows.items()
    }
    every = np.concatenate([rows["wanted"], rows["other"]])
    query = axes[0].astype(np.float32)

    def precision(vector: np.ndarray) -> float:
        best = np.argsort(-(every @ vector))[:100]
        return float((best < 200).mean())

    found = turned(query, rows["wanted"][:10], rows["other"][:10], every.mean(axis=0))
    assert precision(query) < 0.7
    assert precision(found) > 0.9
