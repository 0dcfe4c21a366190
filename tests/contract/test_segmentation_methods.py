"""What every referring segmentation method must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from geoglot.core import registry
from geoglot.core.method import MethodCard
from geoglot.nn.segmenter import SegmentationBatch, Segmenter

PACKAGE = "geoglot.methods.segmentation"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")
SIDE = 64
SIZES: dict[str, Any] = {"vocabulary": 12, "max_length": 8, "side": SIDE}
ROWS = 4
CASES = [
    (name, variant) for name in registry.names(PACKAGE) for variant in registry.load(PACKAGE, name).METHOD.variants
]


@pytest.fixture(params=CASES, ids=[f"{name}-{variant}" for name, variant in CASES])
def case(request: pytest.FixtureRequest) -> tuple[ModuleType, str]:
    name, variant = request.param
    return registry.load(PACKAGE, name), variant


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


def build(case: tuple[ModuleType, str], **more: Any) -> Segmenter:
    method, variant = case
    torch.manual_seed(0)
    model: Segmenter = method.Model(method.Config(**{**method.SMALL, **SIZES, "variant": variant, **more}))
    return model


def batch_of(*, padding: int = 1, side: int = SIDE) -> SegmentationBatch:
    """Two pictures with a red and a blue quarter, and for each a phrase that names one of them."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, side, side, generator=generator) * 0.2 + 0.3
    half = side // 2
    quarters = (slice(0, half), slice(half, side))
    masks = torch.zeros(ROWS, side, side, dtype=torch.bool)
    for picture, (red, blue) in enumerate([((0, 0), (1, 1)), ((1, 0), (0, 1))]):
        for phrase, ((row, column), channel) in enumerate([(red, 0), (blue, 2)]):
            images[picture, channel, quarters[row], quarters[column]] += 0.45
            masks[2 * picture + phrase, quarters[row], quarters[column]] = True
    phrases = ([4, 7, 5], [4, 6], [4, 5], [8, 4, 7, 6])
    tokens = torch.zeros(ROWS, max(map(len, phrases)) + padding, dtype=torch.int64)
    for row, phrase in enumerate(phrases):
        tokens[row, : len(phrase)] = torch.tensor(phrase)
    return SegmentationBatch(images=images.repeat_interleave(2, 0), tokens=tokens, masks=masks)


def row_of(batch: SegmentationBatch, chosen: Tensor) -> SegmentationBatch:
    return SegmentationBatch(images=batch.images[chosen], tokens=batch.tokens[chosen], masks=batch.masks[chosen])


def warmed(model: Segmenter) -> Segmenter:
    """Batch norms that have seen something, and weights that are not all symmetric; then evaluation."""
    with torch.no_grad():
        model.train().losses(batch_of())
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def test_method_has_a_name_plate(method: ModuleType) -> None:
    assert isinstance(method.METHOD, MethodCard)
    assert method.METHOD.kind == "segmenter"
    for variant in method.METHOD.variants:
        assert method.Config(variant=variant).variant == variant
    fields = {field.name for field in dataclasses.fields(method.Config)}
    assert set(SIZES) <= fields
    assert set(method.COMPACT) <= fields


def test_parameters_are_counted_at_the_paper_sizes(method: ModuleType) -> None:
    """What the tests build is small; what the file counts is not."""
    for variant in method.METHOD.variants:
        small = sum(parameter.numel() for parameter in build((method, variant)).parameters())
        assert small < 300_000 < method.paper_parameters(variant)


def test_compact_sizes_fit_two_cores(method: ModuleType) -> None:
    for variant in method.METHOD.variants:
        with torch.device("meta"):
            config = method.Config(**{**method.COMPACT, "vocabulary": 500, "max_length": 20, "variant": variant})
            model = method.Model(config)
        assert 300_000 < sum(parameter.numel() for parameter in model.parameters()) < 12_000_000


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line and "(" not in line.split("->")[-1]]
    assert arrows
    for name in arrows:
        if name.startswith("nn."):
            module, _, member = name.rpartition(".")
            assert hasattr(registry.load("geoglot.nn", module.removeprefix("nn.")), member), name
        else:
            assert name.split(".")[-1] in defined, name


@torch.no_grad()
def test_logits_have_the_size_of_the_image(case: tuple[ModuleType, str]) -> None:
    """Of any image: larger, of unequal sides, of sides that nothing divides."""
    model = warmed(build(case))
    for height, width in ((SIDE, SIDE), (96, 64), (50, 71)):
        logits = model.logits(torch.rand(2, 3, height, width), torch.tensor([[4, 5], [6, 0]]))
        assert logits.shape == (2, height, width)
        assert logits.dtype == torch.float32
        assert torch.isfinite(logits).all()


def test_terms_are_per_phrase(case: tuple[ModuleType, str]) -> None:
    losses = build(case).train().losses(batch_of())
    assert losses["total"].ndim == 0
    for name, value in losses.items():
        assert torch.isfinite(value).all(), name
        assert value.shape == (() if name == "total" else (ROWS,)), name
        assert (value > 0).all(), name


def test_gradients_reach_every_parameter(case: tuple[ModuleType, str]) -> None:
    """Of those that are not idle; the idle ones are reached by none, or the method's file would be wrong about them."""
    model = warmed(build(case)).train()
    model.losses(batch_of())["total"].backward()
    reached = set()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
            if (parameter.grad != 0).any():
                reached.add(name)
    idle = {name for name, _ in model.named_parameters() if name.startswith(model.idle)} if model.idle else set()
    assert reached == {name for name, parameter in model.named_parameters() if parameter.requires_grad} - idle


@torch.no_grad()
def test_logits_do_not_depend_on_the_batch(case: tuple[ModuleType, str]) -> None:
    model, batch = warmed(build(case)), batch_of()
    together = model.logits(batch.images, batch.tokens)
    for order in (torch.tensor([2]), torch.tensor([3, 1, 1])):
        some = row_of(batch, order)
        assert torch.allclose(model.logits(some.images, some.tokens), together[order], atol=1e-4)
        assert torch.allclose(model.losses(some)["mask"], model.losses(batch)["mask"][order], atol=1e-5)


@torch.no_grad()
def test_padding_does_not_matter(case: tuple[ModuleType, str]) -> None:
    model = warmed(build(case))
    short, long = (model.logits(batch_of(padding=p).images, batch_of(padding=p).tokens) for p in (0, 4))
    assert torch.allclose(short, long, atol=1e-4)


@torch.no_grad()
def test_phrase_and_picture_matter(case: tuple[ModuleType, str]) -> None:
    model, batch = warmed(build(case)), batch_of()
    first, second = model.logits(batch.images[:2], batch.tokens[:2])
    assert (first - second).abs().max() > 1e-6  # one picture, two phrases
    third = model.logits(batch.images[2:3], batch.tokens[:1])[0]
    assert (first - third).abs().max() > 1e-6  # two pictures, one phrase


@torch.no_grad()
def test_order_of_words_is_read(case: tuple[ModuleType, str]) -> None:
    if not case[0].READS_ORDER:
        pytest.skip("reads the words as a set")
    model, batch = warmed(build(case)), batch_of()
    ahead, behind = (model.logits(batch.images[:1], torch.tensor([words])) for words in ([4, 5, 6], [6, 5, 4]))
    assert (ahead - behind).abs().max() > 1e-6


@torch.no_grad()
def test_evaluation_is_deterministic(case: tuple[ModuleType, str]) -> None:
    model, batch = warmed(build(case)), batch_of()
    assert torch.equal(model.logits(batch.images, batch.tokens), model.logits(batch.images, batch.tokens))


def test_empty_masks_and_empty_phrases(case: tuple[ModuleType, str]) -> None:
    """A phrase may have no target, or no known word; both are learnt from like any other."""
    model, batch = build(case).train(), batch_of()
    empty = dataclasses.replace(batch, masks=torch.zeros_like(batch.masks), tokens=batch.tokens.clone())
    empty.tokens[0] = 0
    losses = model.losses(empty)
    losses["total"].backward()
    assert all(torch.isfinite(value).all() for value in losses.values())
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    model.eval()
    with torch.no_grad():
        assert torch.isfinite(model.logits(empty.images, empty.tokens)).all()


def test_half_precision_loses_little(case: tuple[ModuleType, str]) -> None:
    """As training may run: products in bfloat16, losses and gradients finite, and the loss about the same."""
    model, batch = warmed(build(case)).train(), batch_of()
    full = float(model.losses(batch)["total"].detach())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.losses(batch)
    losses["total"].backward()
    assert float(losses["total"].detach()) == pytest.approx(full, rel=0.1)
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name


@torch.no_grad()
def test_saved_weights_give_the_same(case: tuple[ModuleType, str]) -> None:
    model, again, batch = warmed(build(case)), build(case).eval(), batch_of()
    again.load_state_dict(model.state_dict())
    assert torch.equal(model.logits(batch.images, batch.tokens), again.logits(batch.images, batch.tokens))


def test_same_seed_gives_the_same_weights(case: tuple[ModuleType, str]) -> None:
    for (name, one), two in zip(build(case).state_dict().items(), build(case).state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_built_on_meta_like_anywhere(case: tuple[ModuleType, str]) -> None:
    """Counting a network of any size costs no memory."""
    with torch.device("meta"):
        model = build(case)
    assert [(n, p.shape) for n, p in model.named_parameters()] == [
        (n, p.shape) for n, p in build(case).named_parameters()
    ]


def test_four_phrases_can_be_learnt(case: tuple[ModuleType, str]) -> None:
    """A red or a blue quarter of two pictures, by its colour's name: 1 of 4 would be found without looking."""
    model, batch = build(case).train(), batch_of()
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=case[0].SMALL_RATE)
    first = float(model.losses(batch)["total"].detach())
    for _ in range(60):
        loss = model.losses(batch)["total"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.5 * first
    with torch.no_grad():
        found = model.logits(batch.images, batch.tokens) > 0
    overlap = (found & batch.masks).sum((1, 2)) / (found | batch.masks).sum((1, 2))
    assert overlap.mean() > 0.6
