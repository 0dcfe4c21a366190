"""What every matching method must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from geoglot.core import registry
from geoglot.core.method import MethodCard
from geoglot.nn.matcher import Autoencoding, Matcher

PACKAGE = "geoglot.methods.matching"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")
PICTURES = 6

GOLDEN = {
    ("residual_dyad", "ResDyadAE-ResDyadDML"): 10_594_818,
    ("residual_dyad", "ResDyadAE-ResDML"): 10_299_650,
    ("residual_dyad", "ResAE-ResDyadDML"): 9_045_634,
    ("residual_dyad", "ResAE-ResDML"): 8_750_466,
    ("siamese", "Siamese"): 10_134_144,
}
"""Parameters of the methods as the paper has them; a file that is not here has its number in a test of its own."""


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


@pytest.fixture
def model(method: ModuleType) -> Matcher:
    return lived_in(built(method)).eval()


def built(method: ModuleType, **overrides: Any) -> Matcher:
    torch.manual_seed(0)
    model: Matcher = method.Model(method.Config(**{**method.SMALL, **overrides}))
    return model


def lived_in(model: Matcher) -> Matcher:
    """Give normalisations the statistics of some pictures, so that eval mode is not that of an untouched network."""
    model.train()
    with torch.no_grad():
        features = model.encode(pictures(model, seed=7))
        model.pair_losses(features, features.flip(0), torch.arange(PICTURES) % 2 == 0)
    return model


def pictures(model: Matcher, count: int = PICTURES, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, model.side, model.side, generator=generator)


def features_of(model: Matcher, count: int = PICTURES, seed: int = 0) -> Tensor:
    with torch.no_grad():
        return model.encode(pictures(model, count, seed))


def striped(model: Matcher, pairs: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures of two kinds, rows bright above or columns bright left; pairs of them, and which are of one kind."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randint(2, (2, pairs), generator=generator)
    kinds[1, : pairs // 2] = kinds[0, : pairs // 2]
    kinds[1, pairs // 2 :] = 1 - kinds[0, pairs // 2 :]
    ramp = torch.linspace(1, 0, model.side)
    by_kind = torch.stack([ramp[:, None].expand(-1, model.side), ramp[None].expand(model.side, -1)])
    noise = torch.rand(2, pairs, 3, model.side, model.side, generator=generator)
    first, second = 0.8 * by_kind[kinds][:, :, None] + 0.2 * noise
    return first, second, kinds[0] == kinds[1]


def test_method_has_a_name_plate(method: ModuleType) -> None:
    assert isinstance(method.METHOD, MethodCard)
    assert method.METHOD.kind == "matcher"
    assert dataclasses.is_dataclass(method.Config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.Config().side = 1
    for variant in method.METHOD.variants:
        found = method.paper_parameters(variant)
        assert found == GOLDEN.get((method.__name__.rpartition(".")[2], variant), found)
        assert found > 0


def test_golden_counts_are_of_methods_that_exist() -> None:
    for name, variant in GOLDEN:
        assert variant in registry.load(PACKAGE, name).METHOD.variants


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line and "(" not in line.split("->")[-1]]
    assert arrows
    for name in arrows:
        if name.startswith("nn."):
            room, _, attribute = name.rpartition(".")
            assert hasattr(__import__(f"geoglot.{room}", fromlist=[attribute]), attribute), name
        else:
            assert name.split(".")[-1] in defined, name


@torch.no_grad()
def test_shapes(model: Matcher) -> None:
    features = features_of(model)
    assert features.shape == (PICTURES, *model.feature_shape)
    assert features.dtype == torch.float32
    left, right = model.left(features), model.right(features)
    assert len(left) == len(right) == PICTURES
    assert model.compare(left, right).shape == (PICTURES,)
    assert model.match(features, features.flip(0)).shape == (PICTURES,)


@torch.no_grad()
def test_a_match_is_a_probability(model: Matcher) -> None:
    for scale in (0.0, 1.0, 1e4):
        features = scale * features_of(model)
        found = model.match(features, features.flip(0))
        assert torch.isfinite(found).all()
        assert found.min() >= 0
        assert found.max() <= 1


@torch.no_grad()
def test_match_is_left_right_and_compare(model: Matcher) -> None:
    first, second = features_of(model, seed=0), features_of(model, seed=1)
    there = torch.sigmoid(model.compare(model.left(first), model.right(second)))
    back = torch.sigmoid(model.compare(model.left(second), model.right(first)))
    expected = (there + back) / 2 if model.symmetric else there
    assert torch.allclose(model.match(first, second), expected, atol=1e-6)


@torch.no_grad()
def test_parts_of_single_images_serve_every_pair(model: Matcher) -> None:
    """Left and right of 6 images once, then 36 comparisons, are the 36 pairs compared one at a time."""
    features = features_of(model)
    left, right = model.left(features), model.right(features)
    rows, columns = torch.cartesian_prod(torch.arange(PICTURES), torch.arange(PICTURES)).T
    together = model.compare(left[rows], right[columns])
    alone = [
        model.compare(model.left(features[i : i + 1]), model.right(features[j : j + 1]))
        for i, j in zip(rows, columns, strict=True)
    ]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_pair_has_no_order_where_the_model_says_so(method: ModuleType, model: Matcher) -> None:
    first, second = features_of(model, seed=0), features_of(model, seed=1)
    if model.symmetric:
        assert torch.allclose(model.match(first, second), model.match(second, first), atol=1e-6)
    if "symmetric" in {field.name for field in dataclasses.fields(method.Config)}:
        for wanted in (False, True):
            assert lived_in(built(method, symmetric=wanted)).symmetric is wanted


@torch.no_grad()
def test_pictures_do_not_depend_on_the_batch(model: Matcher) -> None:
    images = pictures(model)
    together = model.encode(images)
    assert torch.equal(together, model.encode(images))
    alone = torch.cat([model.encode(images[row : row + 1]) for row in range(PICTURES)])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-5)
    matches = model.match(together, together.flip(0))
    for row in range(PICTURES):
        single = model.match(together[row : row + 1], together.flip(0)[row : row + 1])
        assert torch.allclose(single, matches[row : row + 1], atol=1e-5)


@torch.no_grad()
def test_black_and_white_pictures_are_nothing_special(model: Matcher) -> None:
    side = model.side
    plain = torch.stack([torch.zeros(3, side, side), torch.ones(3, side, side), torch.full((3, side, side), 0.5)])
    for mode in (True, False):
        features = model.train(mode).encode(plain)
        assert torch.isfinite(features).all()
        assert torch.isfinite(model.match(features, features.flip(0))).all()
        if isinstance(model, Autoencoding):
            restored = model.decode(features)
            assert torch.isfinite(restored).all()


def test_equal_pairs_have_finite_gradients(model: Matcher) -> None:
    """An image with itself: where a distance is 0 its slope is easily 0/0."""
    features = features_of(model).requires_grad_()
    model.train().pair_losses(features, features, torch.ones(PICTURES, dtype=torch.bool))["total"].backward()
    gradients = [p.grad for p in (features, *model.parameters()) if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_pair_losses_have_a_term_per_pair(model: Matcher) -> None:
    features = features_of(model)
    same = torch.arange(PICTURES) % 2 == 0
    losses = model.train().pair_losses(features, features.flip(0), same)
    assert losses["total"].ndim == 0
    assert len(losses) > 1
    for name, value in losses.items():
        assert torch.isfinite(value).all(), name
        assert value.shape == (() if name == "total" else (PICTURES,)), name


@torch.no_grad()
def test_pair_losses_know_what_matches(model: Matcher) -> None:
    features = features_of(model)
    totals = [
        float(model.pair_losses(features, features.flip(0), torch.full((PICTURES,), same))["total"])
        for same in (True, False)
    ]
    assert totals[0] != totals[1]


@torch.no_grad()
def test_reconstruction_gives_back_a_picture(model: Matcher) -> None:
    if not isinstance(model, Autoencoding):
        assert not hasattr(model, "decode")
        return
    images = pictures(model)
    restored = model.decode(model.encode(images))
    assert restored.shape == images.shape
    assert restored.min() >= 0
    assert restored.max() <= 1
    losses = model.reconstruction_losses(images)
    assert losses["total"].ndim == 0
    assert losses["reconstruction"].shape == (PICTURES,)
    assert torch.allclose(losses["reconstruction"], (images - restored).square().mean((1, 2, 3)), atol=1e-6)
    assert torch.allclose(losses["total"], losses["reconstruction"].mean())


def test_gradients_reach_every_parameter(method: ModuleType) -> None:
    """From the losses together, with the encoder in the graph, and after a step: a block may start as the identity.

    A bias that a normalisation takes away again may get 0.
    """
    model = built(method).train()
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    first, second, same = striped(model, 8)
    every_loss(model, first, second, same).backward()
    optimiser.step()
    optimiser.zero_grad()
    every_loss(model, first, second, same).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.ndim == 1 or bool((parameter.grad != 0).any()), name


def every_loss(model: Matcher, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
    features = model.encode(torch.cat([first, second]))
    total = model.pair_losses(features[: len(first)], features[len(first) :], same)["total"]
    if isinstance(model, Autoencoding):
        total = total + model.reconstruction_losses(first)["total"]
    class_losses = getattr(model, "class_losses", None)
    if class_losses is not None:
        total = total + class_losses(first, torch.arange(len(first)) % 2)["total"]
    return total


def test_joint_training_reaches_the_encoder_from_pairs(method: ModuleType) -> None:
    model = built(method).train()
    first, second, same = striped(model, 4)
    images = torch.cat([first, second]).requires_grad_()
    features = model.encode(images)
    model.pair_losses(features[:4], features[4:], same)["total"].backward()
    assert images.grad is not None
    assert bool((images.grad != 0).any())


def test_two_kinds_of_pictures_can_be_learnt(method: ModuleType) -> None:
    """Every step sees new pictures, so that what is learnt is the kind and not the noise; pairs come from pixels."""
    model = built(method).train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for step in range(40):
        first, second, same = striped(model, 16, seed=100 + step)
        features = model.encode(torch.cat([first, second]))
        loss = model.pair_losses(features[:16], features[16:], same)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5]), losses
    first, second, same = striped(model, 32, seed=1)
    with torch.no_grad():
        found = model.eval().match(model.encode(first), model.encode(second))
    above = (found[same][:, None] > found[~same]).float().mean()
    assert above > 0.95, float(above)


def test_one_batch_can_be_restored(method: ModuleType) -> None:
    model = built(method).train()
    if not isinstance(model, Autoencoding):
        return
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    images, _, _ = striped(model, 8)
    losses = []
    for _ in range(40):
        loss = model.reconstruction_losses(images)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    # A ramp has a variance of 0.8^2 / 12 = 0.053, which a picture of one grey would cost at least.
    assert losses[-1] < min(0.5 * losses[0], 0.04), losses


def test_saved_weights_give_the_same_matches(method: ModuleType, model: Matcher) -> None:
    again = built(method)
    again.load_state_dict(model.state_dict())
    images = pictures(model)
    matches = []
    for one in (model.eval(), again.eval()):
        with torch.no_grad():
            features = one.encode(images)
            matches.append(one.match(features, features.flip(0)))
    assert torch.equal(*matches)


class Sides(nn.Module):
    def __init__(self, model: Matcher) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.model.encode(images)
        return self.model.left(features), self.model.right(features)


class Pairs(nn.Module):
    def __init__(self, model: Matcher) -> None:
        super().__init__()
        self.model = model

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.model.compare(left, right)


def run_onnx(graph: nn.Module, examples: tuple[Tensor, ...], given: tuple[Tensor, ...], path: Path) -> list[Tensor]:
    """Export with one batch size, run with another."""
    import warnings

    import onnxruntime

    graph.eval()  # the wrapper as well: the exporter leaves all of it in the wrapper's mode
    names = [f"input{i}" for i in range(len(examples))]
    with torch.no_grad():
        out = graph(*examples)
    outputs = [f"output{i}" for i in range(len(out) if isinstance(out, tuple) else 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter whose graphs can be quantised calls itself legacy
        torch.onnx.export(
            graph,
            examples,
            str(path),
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
            opset_version=17,
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(outputs, dict(zip(names, (tensor.numpy() for tensor in given), strict=True)))
    return [torch.from_numpy(array) for array in found]


@torch.no_grad()
def test_exported_networks_compute_the_same(model: Matcher, tmp_path: Path) -> None:
    images = pictures(model)
    features = model.encode(images)
    left, right = model.left(features), model.right(features)
    found = run_onnx(Sides(model), (images[:2],), (images,), tmp_path / "image.onnx")
    for mine, theirs in zip((left, right), found, strict=True):
        assert (mine - theirs).abs().max() <= 1e-4 * max(1, float(mine.abs().max()))
    given = (left, right.flip(0))
    (logits,) = run_onnx(Pairs(model), (left[:2], right[:2]), given, tmp_path / "similarity.onnx")
    assert torch.allclose(logits, model.compare(*given), atol=1e-4)
