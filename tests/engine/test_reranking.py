"""Re-ranking of saved predictions: what a search does, computed for a whole split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geoglot.engine.reranking import GRID, NeutralReranking, best_weights, gallery_recall
from geoglot.engine.saved_predictions import LanguagePredictions, Predictions
from geoglot.metrics.ranking import retrieval_ranks
from geoglot.metrics.reciprocal import reciprocal_scores
from geoglot.metrics.reranking import Weights


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def predictions() -> Predictions:
    """40 images with two captions each; every fifth caption is the one before it."""
    random = np.random.default_rng(0)
    images = unit(random.standard_normal((40, 8)))
    vectors = unit(np.repeat(images, 2, axis=0) + 0.35 * random.standard_normal((80, 8)))
    text = np.array([number - (number % 5 == 4) for number in range(80)])
    kept, text = np.unique(text, return_inverse=True)
    texts = LanguagePredictions(vectors=vectors[kept], text_of_caption=text, image_of_caption=np.arange(80) // 2)
    return Predictions(
        header={"model": {"id": "toy"}},
        image_vectors=images,
        image_ids=tuple(map(str, range(40))),
        image_categories=("",) * 40,
        texts={"en": texts},
        phrases={},
    )


@pytest.mark.parametrize("k", [1, 7, 40, 100])
def test_a_split_is_re_ranked_as_a_search_would(predictions: Predictions, k: int) -> None:
    neutral = unit(np.random.default_rng(1).standard_normal((60, 8)))
    weights = Weights(significance=0.5, reverse=1.1, decay=0.1)
    reranking = NeutralReranking(predictions, "en", neutral, k=k)
    texts, images = predictions.texts["en"], predictions.image_vectors
    ranks = []
    for text, image in zip(texts.text_of_caption, texts.image_of_caption, strict=True):
        query = texts.vectors[text]
        order = np.argsort(-(images @ query), kind="stable")
        new = reciprocal_scores(query, images[order[:k]], neutral, weights=weights)
        order = np.concatenate([order[:k][np.argsort(-new, kind="stable")], order[k:]])
        ranks.append(1 + order.tolist().index(image))
    assert reranking.ranks(weights).text_to_image.tolist() == ranks
    plain = retrieval_ranks((images @ texts.vectors.T)[:, texts.text_of_caption], texts.image_of_caption)
    for ours in (reranking.ranks(None), replace(reranking.ranks(weights), text_to_image=plain.text_to_image)):
        assert ours.text_to_image.tolist() == plain.text_to_image.tolist()
        assert ours.image_to_text.tolist() == plain.image_to_text.tolist()


def test_without_reverse_and_share_nothing_changes(predictions: Predictions) -> None:
    neutral = unit(np.random.default_rng(1).standard_normal((60, 8)))
    reranking = NeutralReranking(predictions, "en", neutral, k=20)
    same = reranking.ranks(Weights(significance=0.0, reverse=0.0))
    assert same.text_to_image.tolist() == reranking.ranks(None).text_to_image.tolist()


def test_constants_are_those_with_the_best_mean_recall(predictions: Predictions) -> None:
    neutral = unit(np.random.default_rng(1).standard_normal((60, 8)))
    reranking = NeutralReranking(predictions, "en", neutral, k=20)
    chosen, reached = best_weights([reranking, reranking])
    assert Weights() in [replace(weights, decay=Weights().decay) for weights in GRID]
    assert reached == max(reranking.recall(weights).mean_recall for weights in GRID)
    assert reached == reranking.recall(chosen).mean_recall
    assert reached >= reranking.recall(None).mean_recall


def test_the_gallerys_own_queries_re_rank_both_ways(predictions: Predictions) -> None:
    """With no weight on what is asked back the order by score stays, up to ties, and so does the recall."""
    plain = NeutralReranking(predictions, "en", predictions.texts["en"].vectors, k=5).recall(None)
    same = gallery_recall(predictions, "en", k=10, weights=Weights(significance=0.0, reverse=0.0))
    assert same.mean_recall == pytest.approx(plain.mean_recall)
