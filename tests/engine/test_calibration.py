import numpy as np
import pytest

from geoglot.engine.calibration import absent_by_picture, absent_by_text, thresholds


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def gallery() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    axes = np.eye(6, dtype=np.float32)[:3]
    rows = np.concatenate([axis + 0.1 * random.standard_normal((20, 6)) for axis in axes])
    return unit(rows), np.repeat(["a", "b", "c"], 20)


def test_a_single_class_gives_the_plain_quantiles() -> None:
    # 101 values 0.00 ... 1.00: the 90 % quantile is 0.9, the median 0.5; redrawing one class changes nothing
    assert thresholds({"a": [k / 100 for k in range(101)]}) == {"likely": 0.9, "uncertain": 0.5}


def test_classes_that_differ_raise_the_threshold() -> None:
    # Of 20 classes one goes wrong (evidence 1), the others never (0). All together the 90 % quantile is 0; but a redraw
    # holds the bad class three times or more, over a tenth of it, in 7.5 % of cases (binomial, n = 20, p = 0.05).
    absent = {"bad": [1.0] * 10} | {f"good {k}": [0.0] * 10 for k in range(19)}
    assert np.quantile(np.concatenate(list(absent.values())), 0.9) == 0
    assert thresholds(absent)["likely"] == 1.0


def test_evidence_for_what_is_absent_leaves_the_class_out() -> None:
    rows, categories = gallery()
    axes = np.eye(6, dtype=np.float32)
    values = absent_by_text(rows, categories, {"a": axes[:1], "nowhere": axes[5:]}, axes[:3])
    assert list(values) == ["a"]  # a class without rows is not asked for
    # without class a, the best rows lie near b or c: score near 0 and behind caption b or c (near 1)
    assert values["a"] == [pytest.approx(-0.6, abs=0.3)]


def test_pictures_are_compared_with_other_classes_only() -> None:
    rows, categories = gallery()
    values = absent_by_picture(rows, categories)
    assert {name: len(found) for name, found in values.items()} == {"a": 3, "b": 3, "c": 3}
    assert max(max(found) for found in values.values()) < 0.6
