"""What label attention adds: the label's part of the comparison, and what the classifier learns from."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from geoglot.methods.captioning.sat_lam import SMALL, Config, Model
from geoglot.nn.captioner import CaptionBatch


def build(**more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, **more}))


def batch_of() -> CaptionBatch:
    return CaptionBatch(
        grids=torch.randn(2, 12, 2, 2, generator=torch.Generator().manual_seed(0)),
        tokens=torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]),
        attributes=torch.zeros(2, 6),
        items=torch.arange(2),
        categories=torch.tensor([2, 0]),
        languages=torch.zeros(2, dtype=torch.int64),
    )


def test_the_label_is_one_more_term_of_the_comparison() -> None:
    model, batch = build().eval(), batch_of()
    with torch.no_grad():
        model.label.classifier.weight.zero_()
        keys = []
        for category in (0, 2):
            model.label.classifier.bias.copy_(torch.eye(3)[category])
            context = model.context(batch.grids, batch.languages)
            assert context["categories"].argmax(1).tolist() == [category, category]
            keys.append(context["keys"])
        assert model.decoder.guide is not None
        table = model.label.table.weight
        moved = model.decoder.guide.weight @ (table[2] - table[0])
        assert torch.allclose(keys[1] - keys[0], moved.expand_as(keys[0]), atol=1e-5)


def test_the_classifier_learns_from_known_categories_alone() -> None:
    model, batch = build().train(), batch_of()
    model.losses(batch)["total"].backward()  # type: ignore[no-untyped-call]
    assert model.label.classifier.weight.grad is not None
    assert (model.label.classifier.weight.grad != 0).any()
    unknown = dataclasses.replace(batch, categories=torch.tensor([-1, -1]))
    model.zero_grad(set_to_none=True)
    losses = model.losses(unknown)
    assert losses["category"].tolist() == [0, 0]
    losses["total"].backward()  # type: ignore[no-untyped-call]
    assert model.label.classifier.weight.grad is None or (model.label.classifier.weight.grad == 0).all()
    assert model.label.table.weight.grad is not None
    assert (model.label.table.weight.grad != 0).any()


def test_total_is_the_weighted_sum() -> None:
    losses = build(penalty=0.5, label=0.25).eval().losses(batch_of())
    expected = losses["caption"] + 0.5 * losses["penalty"] + 0.25 * losses["category"]
    assert torch.allclose(losses["total"], expected.mean())


def test_data_without_categories_is_refused() -> None:
    with pytest.raises(ValueError, match="0 scene categories"):
        build(categories=0)
