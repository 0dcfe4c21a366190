"""CSMLF: collectives, distances and losses by hand; what the bank keeps, and in which language it answers."""

from __future__ import annotations

import math

import pytest
import torch

from geoglot.methods.captioning import csmlf
from geoglot.nn.captioner import END, CaptionBatch


def model(**changes: object) -> csmlf.Model:
    torch.manual_seed(0)
    return csmlf.Model(csmlf.Config(**{**csmlf.SMALL, "max_length": 4, **changes}))


def test_a_collective_is_the_mean_of_an_image() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.0, 4.0], [3.0, 2.0]])
    found = csmlf.collective(vectors, torch.tensor([7, 5, 7]))
    assert found.tolist() == [[2, 1], [0, 4], [2, 1]]


def test_distances_by_hand() -> None:
    """(3, 4) and (0, 0): 25; (3, 4) and (3, 3): 1."""
    found = csmlf.squared_distances(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.0], [3.0, 3.0]]))
    assert found.tolist() == [[25, 1]]


def test_losses_by_hand() -> None:
    """Threshold 2. Match at 1: log(1 + e^(1 - 1)) = log 2. Others at 5 and 2: log(1 + e^-2) and log(1 + e)."""
    found = csmlf.metric_losses(torch.tensor([[1.0, 5.0, 2.0]]), torch.tensor([[True, False, False]]), 2.0)
    others = (math.log(1 + math.exp(-2)) + math.log(1 + math.e)) / 2
    assert found.tolist() == pytest.approx([(math.log(2) + others) / 2], abs=1e-6)


def test_the_bank_keeps_a_sentence_once_per_language_and_no_more_than_it_holds() -> None:
    network = model(sentences=3, languages=2)
    first = torch.tensor([[4, 5, END], [4, 5, END], [6, END, 0]])
    network.remember(first, torch.tensor([0, 0, 0]))
    assert int(network.kept) == 2
    network.remember(first, torch.tensor([1, 1, 1]))
    assert int(network.kept) == 3  # full
    again = model(sentences=3, languages=2)
    again.load_state_dict(network.state_dict())
    again.remember(first, torch.tensor([0, 0, 0]))
    assert torch.equal(again.bank, network.bank)


def test_the_sentence_of_least_distance_is_said() -> None:
    """Against a loop over the bank; an image of the other language is given the only sentence of that language."""
    network = model(languages=2).eval()
    sentences = torch.tensor([[4, 5, END, 0], [6, 7, 8, END], [9, END, 0, 0]])
    network.remember(sentences, torch.tensor([0, 0, 1]))
    grids = torch.randn(6, 12, 2, 2, generator=torch.Generator().manual_seed(1))
    languages = torch.tensor([0, 0, 0, 0, 0, 1])
    with torch.no_grad():
        found = network.context(grids, languages)["sentence"]
        images = network.project_images(grids)
        texts = network.project_sentences(network.sentence_vectors(sentences))
    for row in range(5):
        distances = [float((images[row] - text).square().sum()) for text in texts[:2]]
        assert found[row, :4].tolist() == sentences[distances.index(min(distances))].tolist()
    assert found[5, :4].tolist() == sentences[2].tolist()


def test_only_training_fills_the_bank() -> None:
    network = model()
    batch = CaptionBatch(
        grids=torch.randn(1, 12, 2, 2, generator=torch.Generator().manual_seed(0)),
        tokens=torch.tensor([[1, 4, 5, END]]),
        attributes=torch.zeros(1, 0),
        items=torch.tensor([0]),
        categories=torch.tensor([-1]),
        languages=torch.tensor([0]),
    )
    network.eval().losses(batch)
    assert int(network.kept) == 0
    network.train().losses(batch)
    assert int(network.kept) == 1
