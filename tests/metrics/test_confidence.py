import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoglot.core.records import Band
from geoglot.metrics.confidence import DECIDING_ROWS, Thresholds, bands, decide, evidence, other_captions


def unit(rows: np.ndarray) -> np.ndarray:
    rows = np.atleast_2d(rows).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cloud(centre: np.ndarray, count: int, spread: float, seed: int) -> np.ndarray:
    return unit(centre + spread * np.random.default_rng(seed).standard_normal((count, len(centre))))


AXES = np.eye(8, dtype=np.float32)
SEA, TOWN, FIELD = AXES[0], AXES[1], AXES[2]
NEUTRAL = np.concatenate([cloud(axis, 20, 0.1, k) for k, axis in enumerate((SEA, TOWN, FIELD, AXES[3]))])
LAND = np.concatenate([cloud(TOWN, 200, 0.15, 10), cloud(FIELD, 200, 0.15, 11)])
COAST = np.concatenate([LAND, cloud(SEA, 30, 0.15, 12)])
THRESHOLDS = Thresholds(likely=0.9, uncertain=0.3)


def judged(query: np.ndarray, gallery: np.ndarray) -> list[Band]:
    best = gallery[np.argsort(-(gallery @ query))[:20]]
    return bands(query, best, best, gallery[::3], neutral=NEUTRAL, thresholds=THRESHOLDS)


def test_evidence_by_hand() -> None:
    # score 0.6; the other caption scores 0.8: 0.6 + (0.6 - 0.8) = 0.4
    value = evidence(SEA[:2], np.array([[0.6, 0.8]], dtype=np.float32), TOWN[None, :2])
    assert value.tolist() == pytest.approx([0.4])
    # without neutral captions the evidence is the score
    assert evidence(SEA[:2], np.array([[0.6, 0.8]], dtype=np.float32), None).tolist() == pytest.approx([0.6])


def test_the_query_itself_is_no_other_caption() -> None:
    others = other_captions(SEA, NEUTRAL)
    assert len(others) == 60
    assert (others @ SEA).max() < 0.7


def test_some_captions_remain_when_all_mean_the_same() -> None:
    assert len(other_captions(SEA, cloud(SEA, 50, 0.01, 0))) >= 10


def test_what_is_there_is_likely_and_what_is_not_is_not() -> None:
    assert judged(SEA, COAST).count(Band.LIKELY) >= 15
    assert Band.LIKELY not in judged(SEA, LAND)


def test_a_hit_like_everything_else_is_background() -> None:
    # an archive of nothing but sea: the query's scores are high everywhere, so no hit stands out from them
    same = cloud(SEA, 400, 0.3, 5)
    low = same[np.argsort(same @ SEA)[:5]]
    result = bands(SEA, low, same, same, neutral=NEUTRAL, thresholds=Thresholds(likely=5.0, uncertain=-1.0))
    assert set(result) == {Band.BACKGROUND}


def test_one_lucky_tile_does_not_decide() -> None:
    lucky = np.concatenate([LAND, SEA[None]])
    assert Band.LIKELY not in judged(SEA, lucky)
    assert judged(SEA, lucky)[0] is Band.UNCERTAIN


def test_few_rows_and_no_hits() -> None:
    nothing = np.zeros((0, 8), np.float32)
    assert bands(SEA, nothing, nothing, nothing, neutral=NEUTRAL, thresholds=THRESHOLDS) == []
    one = bands(SEA, SEA[None], SEA[None], SEA[None], neutral=NEUTRAL, thresholds=THRESHOLDS)
    assert one == [Band.LIKELY]


@given(st.integers(0, 500))
def test_the_decision_uses_the_best_rows_alone(seed: int) -> None:
    query = cloud(SEA, 1, 0.3, seed)[0]
    best = COAST[np.argsort(-(COAST @ query), kind="stable")[:DECIDING_ROWS]]
    assert decide(query, best, NEUTRAL) == pytest.approx(decide(query, COAST, NEUTRAL), abs=1e-6)


def test_the_same_picture_is_likely_though_it_stands_alone() -> None:
    # one copy of the example (cosine 1) among unlike pictures: the mean of the best ten is far below the threshold
    hits = np.concatenate([SEA[None], LAND[:9]])
    ask = {"neutral": None, "thresholds": THRESHOLDS}
    assert bands(SEA, hits, hits, LAND, **ask)[0] is Band.LIKELY
    nearly = unit(SEA + 0.3 * TOWN)  # cosine 1 / sqrt(1.09) = 0.958: alike, not the same
    assert bands(SEA, np.concatenate([nearly, LAND[:9]]), hits, LAND, **ask)[0] is not Band.LIKELY
    assert bands(SEA, hits, hits, LAND, neutral=NEUTRAL, thresholds=THRESHOLDS)[0] is not Band.LIKELY  # words
