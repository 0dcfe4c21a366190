"""What every hashing method must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from types import ModuleType

import pytest
import torch
from torch import Tensor

from geoglot.core import registry
from geoglot.core.method import MethodCard
from geoglot.nn.hasher import HashBatch, Hasher

PACKAGE = "geoglot.methods.hashing"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")
PAIRS = 8


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


@pytest.fixture(params=(0, 1), ids=("first epoch", "second epoch"))
def model(method: ModuleType, request: pytest.FixtureRequest) -> Hasher:
    torch.manual_seed(0)
    model: Hasher = method.Model(method.Config(**method.SMALL))
    for epoch in range(request.param + 1):
        model.start_epoch(epoch)
    return model.eval()


def batch_of(method: ModuleType, pairs: int = PAIRS, seed: int = 0) -> HashBatch:
    """Random features whose two sides and views share a signal, in three categories."""
    generator = torch.Generator().manual_seed(seed)
    widths = method.SMALL["image_width"], method.SMALL["text_width"]
    images, texts = (torch.randn(pairs, width, generator=generator) for width in widths)
    return HashBatch(
        images=images,
        image_views=images + 0.1 * torch.randn(images.shape, generator=generator),
        texts=texts,
        text_views=texts + 0.1 * torch.randn(texts.shape, generator=generator),
        items=torch.arange(pairs),
        categories=torch.arange(pairs) % 3,
    )


def sides(model: Hasher, batch: HashBatch) -> tuple[Tensor, Tensor]:
    return model.image_codes(batch.images), model.text_codes(batch.texts)


def test_method_has_a_name_plate(method: ModuleType) -> None:
    assert isinstance(method.METHOD, MethodCard)
    assert method.METHOD.kind == "hasher"
    for variant in method.METHOD.variants:
        assert method.Config(variant=variant).variant == variant
        assert method.paper_parameters(variant) > 0


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line and "(" not in line.split("->")[-1]]
    assert arrows
    for name in arrows:
        assert name.split(".")[-1] in defined or name.startswith("nn."), name


@pytest.mark.parametrize("bits", [16, 32, 64, 128])
def test_codes_are_signs_of_the_length_asked_for(method: ModuleType, bits: int) -> None:
    model = method.Model(method.Config(**{**method.SMALL, "bits": bits})).eval()
    for codes in sides(model, batch_of(method)):
        assert codes.shape == (PAIRS, bits)
        assert set(codes.unique().tolist()) <= {-1.0, 1.0}


def test_a_bit_is_never_zero(method: ModuleType, model: Hasher) -> None:
    """tanh(0) is 0; a code has no third value."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    for codes in sides(model, batch_of(method)):
        assert (codes == 1).all()


def test_soft_codes_lie_between_the_signs(method: ModuleType, model: Hasher) -> None:
    batch = batch_of(method)
    with torch.no_grad():
        for soft in (model.hash_image(100 * batch.images), model.hash_text(100 * batch.texts)):
            assert soft.abs().max() <= 1
            assert torch.isfinite(soft).all()


def test_codes_do_not_depend_on_the_batch_or_the_call(method: ModuleType, model: Hasher) -> None:
    batch = batch_of(method)
    with torch.no_grad():
        for soft, features in ((model.hash_image, batch.images), (model.hash_text, batch.texts)):
            together = soft(features)
            assert torch.equal(together, soft(features))
            for row in range(PAIRS):
                assert torch.allclose(soft(features[row : row + 1]), together[row : row + 1], atol=1e-6)


def test_gradients_reach_every_parameter(method: ModuleType) -> None:
    """Those of the hash networks from ``total`` alone, those of the second network from ``adversary`` alone."""
    torch.manual_seed(0)
    model = method.Model(method.Config(**method.SMALL))
    model.start_epoch(0)
    losses = model.train().losses(batch_of(method))
    second = {id(parameter) for parameter in model.adversary_parameters()}
    hashing = [parameter for parameter in model.parameters() if id(parameter) not in second]
    assert hashing
    for gradient in torch.autograd.grad(losses["total"], hashing, retain_graph=True):
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any()
    if second:
        for gradient in torch.autograd.grad(losses["adversary"], list(model.adversary_parameters()), retain_graph=True):
            assert torch.isfinite(gradient).all()
        untouched = torch.autograd.grad(losses["adversary"], hashing, allow_unused=True)
        assert all(gradient is None for gradient in untouched)


def test_terms_are_per_pair(method: ModuleType, model: Hasher) -> None:
    losses = model.train().losses(batch_of(method))
    assert losses["total"].ndim == 0
    for name, value in losses.items():
        assert torch.isfinite(value).all(), name
        assert value.shape == (() if name in ("total", "adversary") else (PAIRS,)), name


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_one_batch_can_be_learnt(method: ModuleType, variant: str) -> None:
    torch.manual_seed(0)
    model = method.Model(method.Config(**{**method.SMALL, "variant": variant})).train()
    model.start_epoch(0)
    batch = batch_of(method)
    second = {id(parameter) for parameter in model.adversary_parameters()}
    optimiser = torch.optim.Adam([p for p in model.parameters() if id(p) not in second], lr=3e-3)

    def contrast() -> float:
        return float(model.losses(batch)["contrast"].sum().detach())

    first = contrast()
    for _ in range(60):
        loss = model.losses(batch)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # Temperature 1 leaves a floor: with cosines in [-1, 1] a row of 2M - 1 others cannot cost nothing.
    assert contrast() < 0.85 * first, (first, contrast())
    images, texts = sides(model.eval(), batch)
    distances = (model.bits - images @ texts.T) / 2
    assert (distances.argmin(1) == torch.arange(PAIRS)).float().mean() >= 0.75


def test_saved_weights_give_the_same_codes(method: ModuleType, model: Hasher) -> None:
    model.train().losses(batch_of(method, seed=1))
    again = method.Model(method.Config(**method.SMALL))
    again.load_state_dict(model.state_dict())
    batch = batch_of(method)
    for mine, theirs in zip(sides(model.eval(), batch), sides(again.eval(), batch), strict=True):
        assert torch.equal(mine, theirs)


def test_the_released_reading_never_sees_the_augmented_caption(method: ModuleType) -> None:
    """Its text view is the caption itself; the paper's reading must depend on the view."""
    batch = batch_of(method)
    other = dataclasses.replace(batch, text_views=batch.text_views.flip(0))
    totals = {}
    for variant in ("paper", "released"):
        for name, given in (("as is", batch), ("turned", other)):
            torch.manual_seed(0)
            model = method.Model(method.Config(**{**method.SMALL, "variant": variant})).train()
            totals[variant, name] = float(model.losses(given)["total"].detach())
    assert totals["released", "as is"] == totals["released", "turned"]
    assert totals["paper", "as is"] != totals["paper", "turned"]
