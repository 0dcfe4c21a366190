"""The score matrix in chunks against loops over single pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_matchers import ToyMatcher

from geoglot.engine.matching.scoring import both_orders_logit, distance_scores, learned_scores


def features(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 4, 2, 2)).astype(np.float32)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(("held_bytes", "pairs_together"), [(1 << 20, 2048), (400, 7), (1, 1), (1 << 20, 3)])
def test_chunks_give_what_single_pairs_give(symmetric: bool, held_bytes: int, pairs_together: int) -> None:
    model = ToyMatcher(symmetric=symmetric).eval()
    queries, gallery = features(5, 1), features(13, 2)
    found = learned_scores(model, queries, gallery, held_bytes=held_bytes, pairs_together=pairs_together)
    for i in range(5):
        for j in range(13):
            pair = torch.from_numpy(queries[i : i + 1]), torch.from_numpy(gallery[j : j + 1])
            assert torch.sigmoid(torch.tensor(found[i, j])) == pytest.approx(
                float(model.match(*pair).detach()), abs=1e-5
            )


def test_every_image_passes_its_sides_once_while_they_fit() -> None:
    model = ToyMatcher()
    learned_scores(model, features(6, 1), features(40, 2))
    # Of every image the left and the right side; and one query's once more, to know how large a side is.
    assert model.passed == 2 * (6 + 40) + 1


def test_sides_that_are_held_are_bounded() -> None:
    model, most = ToyMatcher(), []
    plain = model.left
    model.left = lambda found: most.append(len(found)) or plain(found)  # type: ignore[method-assign]
    learned_scores(model, features(20, 1), features(50, 2), held_bytes=4 * 6 * 4 * 7)  # seven images' sides
    assert max(most) <= 7


def test_sure_pairs_do_not_tie() -> None:
    forward, backward = torch.tensor([40.0, 60.0, 90.0]), torch.tensor([50.0, 55.0, 95.0])
    assert len(set(torch.sigmoid(forward).tolist())) == 1  # as probabilities they would
    assert (both_orders_logit(forward, backward).diff() > 0).all()
    assert (both_orders_logit(-forward, -backward).diff() < 0).all()


@pytest.mark.parametrize("together", [1, 4, 1000])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_distances_against_loops(together: int, kind: type) -> None:
    queries, gallery = features(4, 3).astype(kind), features(9, 4).astype(kind)
    gallery[2] = queries[1]
    euclidean = distance_scores(queries, gallery, "euclidean", together=together)
    cosine = distance_scores(queries, gallery, "cosine", together=together)
    for i in range(4):
        for j in range(9):
            a, b = queries[i].ravel().astype(float), gallery[j].ravel().astype(float)
            assert euclidean[i, j] == pytest.approx(-np.sqrt(((a - b) ** 2).sum()), abs=1e-5)
            assert cosine[i, j] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-6)
    assert euclidean[1].argmax() == 2
    assert abs(euclidean[1, 2]) < 1e-6


def test_large_features_keep_their_small_differences() -> None:
    queries = np.array([[1e4, 1e4 + 0.5]], dtype=np.float32)
    gallery = np.array([[1e4, 1e4 + 0.5], [1e4, 1e4 + 0.25], [1e4 + 1, 1e4]], dtype=np.float32)
    assert distance_scores(queries, gallery, "euclidean")[0] == pytest.approx([0, -0.25, -(1.25**0.5)], abs=1e-6)


def test_a_feature_of_zeros_is_like_nothing() -> None:
    scores = distance_scores(np.zeros((1, 3)), np.ones((2, 3)), "cosine")
    assert scores.tolist() == [[0, 0]]
