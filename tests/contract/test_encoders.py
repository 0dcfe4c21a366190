"""What every image-text encoder of the gallery must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest
import torch
from torch import nn

from geoglot.core import registry
from geoglot.nn.batch import PairBatch

PACKAGE = "geoglot.methods.retrieval"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


@pytest.fixture
def model(method: ModuleType) -> nn.Module:
    torch.manual_seed(0)
    return method.Model(method.Config(**method.SMALL)).eval()


def batch_of(images: int, seed: int = 0) -> PairBatch:
    generator = torch.Generator().manual_seed(seed)
    texts = 2 * images
    return PairBatch(
        images=torch.rand(images, 3, 64, 64, generator=generator),
        items=torch.arange(images),
        tokens=torch.randint(2, 40, (texts + 1, 7), generator=generator),
        sentences=torch.arange(texts) % images,
        translations=torch.tensor([[0, texts]]),
        categories=torch.arange(images) % 3,
        words=(torch.rand(images, 5, generator=generator) > 0.5).float(),
    )


def prepared(model: nn.Module) -> nn.Module:
    """The model knows that item i owns sentence i, five times over, as PairData tells it."""
    items = len(model.sentences_of_item)
    model.sentences_of_item.copy_(torch.arange(items)[:, None].expand(-1, 5))
    return model


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line and "(" not in line.split("->")[-1]]
    for name in arrows:
        assert name.split(".")[-1] in defined or name.startswith("nn."), name


def test_embeddings_are_unit_rows(model: nn.Module) -> None:
    batch = batch_of(4)
    for vectors in (model.encode_image(batch.images), model.encode_text(batch.tokens)):
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)


def test_batch_of_one_equals_batch_of_many(model: nn.Module) -> None:
    batch = batch_of(4)
    with torch.no_grad():
        together = model.encode_image(batch.images)
        alone = torch.cat([model.encode_image(image[None]) for image in batch.images])
        assert torch.allclose(together, alone, atol=1e-5)
        texts = model.encode_text(batch.tokens)
        assert torch.allclose(texts, torch.cat([model.encode_text(row[None]) for row in batch.tokens]), atol=1e-5)


def test_evaluation_is_deterministic(model: nn.Module) -> None:
    batch = batch_of(3)
    with torch.no_grad():
        assert torch.equal(model.encode_image(batch.images), model.encode_image(batch.images))


def test_gradients_reach_every_parameter(model: nn.Module) -> None:
    model = prepared(model).train()
    model.losses(batch_of(6), use_memory=False)
    losses = model.losses(batch_of(6), use_memory=True)
    losses["total"].backward()
    for name, parameter in model.named_parameters():
        # A block that starts as the identity passes no gradient to what lies before its zero scale.
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_one_batch_can_be_learnt(model: nn.Module) -> None:
    model = prepared(model).train()
    batch = batch_of(6)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    first = last = 0.0
    for _ in range(30):
        loss = model.losses(batch, use_memory=False)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        last = float(loss.detach())
        first = first or last
    assert last < 0.6 * first, (first, last)


def test_saved_weights_give_the_same_embeddings(method: ModuleType, model: nn.Module) -> None:
    again = method.Model(method.Config(**method.SMALL)).eval()
    again.load_state_dict(model.state_dict())
    batch = batch_of(2)
    with torch.no_grad():
        assert torch.equal(again.encode_image(batch.images), model.encode_image(batch.images))


def test_losses_are_per_sample(model: nn.Module) -> None:
    losses = prepared(model).train().losses(batch_of(5), use_memory=False)
    assert losses["total"].ndim == 0
    assert all(value.ndim == 1 for name, value in losses.items() if name != "total")
