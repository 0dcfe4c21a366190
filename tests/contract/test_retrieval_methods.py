"""What every image-text retrieval method must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest
import torch

from geoglot.core import registry
from geoglot.core.method import MethodCard
from geoglot.nn.batch import PairBatch
from geoglot.nn.two_tower import Features, RetrievalModel, TwoTower, batch_images

PACKAGE = "geoglot.methods.retrieval"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")
CHANNELS = (8, 12, 16, 24)
"""Stage widths of the small pyramid: a method's SMALL configuration starts from these."""


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


@pytest.fixture
def model(method: ModuleType) -> RetrievalModel:
    torch.manual_seed(0)
    model: RetrievalModel = method.Model(method.Config(**method.SMALL)).eval()
    return model


def batch_of(images: int, seed: int = 0, *, progress: float = 0.0) -> PairBatch:
    """Random pixels, a pyramid at strides 4 to 32 of 64 pixels, and two texts per image, of 7, 5, 3 ... tokens."""
    generator = torch.Generator().manual_seed(seed)
    texts = 2 * images
    tokens = torch.randint(2, 40, (texts + 1, 7), generator=generator)
    for row in range(texts + 1):
        tokens[row, 7 - 2 * (row % 3) :] = 0
    return PairBatch(
        images=torch.rand(images, 3, 64, 64, generator=generator),
        pyramid=tuple(
            torch.randn(images, width, 16 >> stage, 16 >> stage, generator=generator).relu()
            for stage, width in enumerate(CHANNELS)
        ),
        items=torch.arange(images),
        tokens=tokens,
        sentences=torch.arange(texts) % images,
        translations=torch.tensor([[0, texts]]),
        categories=torch.arange(images) % 3,
        words=(torch.rand(images, 5, generator=generator) > 0.5).float(),
        progress=progress,
    )


def prepared(model: RetrievalModel) -> RetrievalModel:
    """A model with a table of sentences knows that item i owns sentence i, five times over, as PairData tells it."""
    if hasattr(model, "sentences_of_item"):
        items = len(model.sentences_of_item)
        model.sentences_of_item.copy_(torch.arange(items)[:, None].expand(-1, 5))
    return model


def one(images: torch.Tensor | tuple[torch.Tensor, ...], row: int) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """Image number ``row`` alone."""
    return images[row : row + 1] if isinstance(images, torch.Tensor) else tuple(m[row : row + 1] for m in images)


def close(one_side: Features, other: Features) -> bool:
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(one_side, other, strict=True))


def test_method_has_a_name_plate(method: ModuleType) -> None:
    assert isinstance(method.METHOD, MethodCard)
    assert method.METHOD.kind in {"two-tower", "scorer"}
    two_tower = issubclass(method.Model, TwoTower)
    assert two_tower == (method.METHOD.kind == "two-tower")
    for variant in method.METHOD.variants:
        assert method.paper_parameters(variant) > 0


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line and "(" not in line.split("->")[-1]]
    for name in arrows:
        assert name.split(".")[-1] in defined or name.startswith("nn."), name


def test_embeddings_are_unit_rows(model: RetrievalModel) -> None:
    if not isinstance(model, TwoTower):
        return
    batch = batch_of(4)
    with torch.no_grad():
        for vectors in (model.encode_image(batch_images(model, batch)), model.encode_text(batch.tokens)):
            assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)


def test_batch_of_one_equals_batch_of_many(model: RetrievalModel) -> None:
    batch = batch_of(4)
    images = batch_images(model, batch)
    with torch.no_grad():
        together, texts = model.image_features(images), model.text_features(batch.tokens)
        scores = model.similarity(together, texts)
        assert scores.shape == (4, len(batch.tokens))
        for row in range(4):
            alone = model.image_features(one(images, row))
            assert close(alone, tuple(f[row : row + 1] for f in together))
        for row in range(len(batch.tokens)):
            alone = model.text_features(batch.tokens[row : row + 1])
            score = model.similarity(together, alone)
            assert torch.allclose(score, scores[:, row : row + 1], atol=1e-5)


def test_padding_changes_nothing(model: RetrievalModel) -> None:
    batch = batch_of(3)
    with torch.no_grad():
        images = model.image_features(batch_images(model, batch))
        wide = torch.cat([batch.tokens, torch.zeros_like(batch.tokens[:, :1])], 1)
        narrow_scores = model.similarity(images, model.text_features(batch.tokens))
        assert torch.allclose(narrow_scores, model.similarity(images, model.text_features(wide)), atol=1e-5)


def test_an_empty_text_has_a_finite_score(model: RetrievalModel) -> None:
    batch = batch_of(2)
    with torch.no_grad():
        images = model.image_features(batch_images(model, batch))
        texts = model.text_features(torch.zeros(1, 5, dtype=torch.int64))
        assert torch.isfinite(model.similarity(images, texts)).all()


def test_evaluation_is_deterministic(model: RetrievalModel) -> None:
    images = batch_images(model, batch_of(3))
    with torch.no_grad():
        assert all(map(torch.equal, model.image_features(images), model.image_features(images)))


def test_gradients_reach_every_parameter(model: RetrievalModel) -> None:
    model = prepared(model).train()
    model.losses(batch_of(6, progress=0.0))
    losses = model.losses(batch_of(6, progress=1.0))
    losses["total"].backward()
    for name, parameter in model.named_parameters():
        # A block that starts as the identity passes no gradient to what lies before its zero scale.
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name


def test_one_batch_can_be_learnt(model: RetrievalModel) -> None:
    model = prepared(model).train()
    batch = batch_of(6)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    first = last = 0.0
    for _ in range(30):
        loss = model.losses(batch)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        last = float(loss.detach())
        first = first or last
    assert last < 0.6 * first, (first, last)


def test_saved_weights_give_the_same_features(method: ModuleType, model: RetrievalModel) -> None:
    again = method.Model(method.Config(**method.SMALL)).eval()
    again.load_state_dict(model.state_dict())
    batch = batch_of(2)
    images = batch_images(model, batch)
    with torch.no_grad():
        assert all(map(torch.equal, again.image_features(images), model.image_features(images)))


def test_losses_are_per_sample(model: RetrievalModel) -> None:
    losses = prepared(model).train().losses(batch_of(5))
    assert losses["total"].ndim == 0
    assert all(value.ndim == 1 for name, value in losses.items() if name != "total")
