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


def test_thresholds_are_quantiles() -> None:
    # 101 values 0.00 ... 1.00: the 94 % quantile is 0.94, the median 0.5
    assert thresholds([k / 100 for k in range(101)]) == {"likely": 0.94, "uncertain": 0.5}


def test_evidence_for_what_is_absent_leaves_the_class_out() -> None:
    rows, categories = gallery()
    axes = np.eye(6, dtype=np.float32)
    values = absent_by_text(rows, categories, {"a": axes[:1], "nowhere": axes[5:]}, axes[:3])
    assert len(values) == 1  # a class without rows is not asked for
    # without class a, the best rows lie near b or c: score near 0 and behind caption b or c (near 1)
    assert values[0] == pytest.approx(-0.6, abs=0.3)


def test_pictures_are_compared_with_other_classes_only() -> None:
    rows, categories = gallery()
    values = absent_by_picture(rows, categories)
    assert len(values) == 9  # three examples for each of three classes
    assert max(values) < 0.6
