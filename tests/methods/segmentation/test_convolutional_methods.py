"""What is the convolutional methods' own: places at other sizes, frozen backbones, and their equations by hand."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from geoglot.methods.segmentation import brinet, cmsa, conv_lstm, lstm_cnn
from geoglot.nn.convolutional_segmenter import ConvolutionalSegmenter
from geoglot.nn.segmenter import SegmentationBatch

METHODS = (brinet, cmsa, conv_lstm, lstm_cnn)
TOKENS = torch.tensor([[4, 5, 0], [6, 7, 8]])


def build(method: ModuleType, **more: Any) -> ConvolutionalSegmenter:
    torch.manual_seed(0)
    settings = {**method.SMALL, "vocabulary": 12, "max_length": 8, "side": 64, **more}
    model: ConvolutionalSegmenter = method.Model(method.Config(**settings))
    return model


def batch_of() -> SegmentationBatch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, 64, 64, generator=generator)
    return SegmentationBatch(images=images, tokens=TOKENS, masks=images[:, 0] > 0.8)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__.rpartition(".")[2])
def test_frozen_backbone_stays_as_it_is(method: ModuleType) -> None:
    """Weights and running statistics, while the rest learns."""
    model = build(method, tuned=False).train()
    before = {name: tensor.clone() for name, tensor in model.backbone.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.losses(batch_of())["total"].backward()
    optimiser.step()
    assert all(parameter.grad is None for parameter in model.backbone.parameters())
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    tuned = build(method).train()
    tuned.losses(batch_of())["total"].backward()
    assert any(parameter.grad is not None for parameter in tuned.backbone.parameters())


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__.rpartition(".")[2])
def test_groups_hold_every_parameter_once(method: ModuleType) -> None:
    model = build(method, backbone_rate=0.1)
    groups = model.parameter_groups()
    found = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(found) == sorted(id(parameter) for parameter in model.parameters())
    assert [group.get("learning_rate_factor", 1.0) for group in groups] == [1.0, 2.0, 0.1]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__.rpartition(".")[2])
@torch.no_grad()
def test_residual_networks_are_dilated(method: ModuleType) -> None:
    model = build(method, backbone="resnet18").eval()
    assert [tuple(found.shape[-2:]) for found in model.levels(torch.rand(1, 3, 64, 64))] == [(8, 8)] * 3
    assert model.logits(torch.rand(1, 3, 64, 64), TOKENS[:1]).shape == (1, 64, 64)


@torch.no_grad()
def test_weights_of_places_are_interpolated() -> None:
    """Constant weights are the same at every size; a network for one grid takes pictures of another."""
    model = build(conv_lstm).eval()
    assert isinstance(model, conv_lstm.Model)
    model.refinement.peepholes.fill_(0.5)
    by_channel = build(conv_lstm, peepholes="channel").eval()
    state = {n: t for n, t in model.state_dict().items() if "peepholes" not in n}
    by_channel.load_state_dict({**by_channel.state_dict(), **state})
    by_channel.get_parameter("refinement.peepholes").fill_(0.5)
    for height, width in ((64, 64), (40, 88)):
        images = torch.rand(1, 3, height, width)
        found = model.logits(images, TOKENS[:1])
        assert torch.allclose(found, by_channel.logits(images, TOKENS[:1]), atol=1e-5)


@torch.no_grad()
def test_relations_of_places_sum_to_one() -> None:
    model = build(brinet).eval()
    assert isinstance(model, brinet.Model)
    level = model.attention[0]
    assert isinstance(level, brinet.BidirectionalAttention)
    joined = torch.randn(2, 12 + 12 + 8, 5, 7)
    words = level.key_words(joined, torch.randn(2, 3, 12), TOKENS != 0)
    relations = level.relations(joined, words)
    assert relations.shape == (2, 35, 35)
    assert torch.allclose(relations.sum(1), torch.ones(2, 35), atol=1e-5)


@torch.no_grad()
def test_gated_fusions_by_hand() -> None:
    """With every gate's convolution at 0: BRINet adds half of what it gathered; CMSA's are sigmoid(1) and 0."""
    fusion = brinet.GatedFusion(1)
    for parameter in fusion.parameters():
        parameter.zero_()
    first, second, third = torch.full((1, 1, 2, 2), 2.0), torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 5.0)
    assert torch.allclose(fusion(first, second), torch.full((1, 1, 2, 2), 0.5 * 2 + 3))
    gate = cmsa.GatedFusion(1)
    for name, parameter in gate.named_parameters():
        if name != "alpha":
            parameter.zero_()
    share = torch.tensor(1.0).sigmoid()
    memory = share * (0.5 * 3 + 0.5 * 5)  # the candidate is 0
    assert torch.allclose(gate(first, second, third)[0, 0, 0, 0], share * memory.tanh() + (1 - share) * 2)


@torch.no_grad()
def test_pair_attention_written_out() -> None:
    """Two words on four places: eight pairs ask four keys, the largest of the words at each; nothing is chunked."""
    torch.manual_seed(0)
    level = cmsa.PairAttention(3, 2, 5, 4, rows=3).eval()
    features, words = torch.randn(1, 3, 2, 2), torch.randn(1, 2, 2)
    real = torch.tensor([[True, True]])
    pairs = level.pairs(features, words)
    assert pairs.shape == (1, 2, 2, 2, 5)
    flat = pairs.view(8, 5)
    key, value = (layer(flat).amax(0, keepdim=True) for layer in (level.key, level.value))  # one cell of 2 x 2 x 2
    weights = (level.query(flat) @ key.T).softmax(1)
    expected = flat + level.output(weights @ value)
    found = level(features, words, real)
    assert torch.allclose(found[0].permute(1, 2, 0).reshape(4, 5), expected.view(2, 4, 5).mean(0), atol=1e-5)


@torch.no_grad()
def test_rows_at_a_time_change_nothing() -> None:
    one, many = build(cmsa, rows=7).eval(), build(cmsa, rows=100_000).eval()
    images = torch.rand(2, 3, 64, 64)
    assert torch.allclose(one.logits(images, TOKENS), many.logits(images, TOKENS), atol=1e-5)


@torch.no_grad()
def test_pairs_of_padding_do_not_compete() -> None:
    pairs = torch.ones(1, 3, 2, 2, 1)
    pairs[:, 2] = 9
    found = cmsa.pooled(pairs, torch.tensor([[True, True, False]]))
    assert found.flatten().tolist() == [1.0, 0.0]  # two words; then padding alone
    one = cmsa.pooled(pairs, torch.tensor([[True, True, True]]))
    assert one.flatten().tolist() == [1.0, 9.0]


@torch.no_grad()
def test_deconvolution_starts_as_interpolation() -> None:
    """Inside the map it is the bilinear interpolation between the centres of the places."""
    coarse = torch.randn(1, 1, 4, 4)
    found = lstm_cnn.bilinear_deconvolution(4)(coarse)
    expected = nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
    assert found.shape == expected.shape == (1, 1, 16, 16)
    assert torch.allclose(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-6)


def test_full_sizes_are_counted() -> None:
    """The parts whose sizes the papers give, on shapes alone."""
    with torch.device("meta"):
        networks = {method: method.Model(method.Config()) for method in METHODS}
    lstm = 12_112 * 1000 + 4000 * 1000 + 4000 + 4000 * 1000  # words, W, b, U
    for method in (brinet, conv_lstm, lstm_cnn):
        found = networks[method].get_submodule("phrase")
        assert sum(p.numel() for p in found.parameters()) == lstm, method
    refinement = networks[conv_lstm].get_submodule("refinement")
    # W_jif 1000 x 1500, scale and shift of three norms, W_o 1000 x 500 + 500, three weights at 40 x 40 places
    assert sum(p.numel() for p in refinement.parameters()) == 1_500_000 + 3000 + 500_500 + 3 * 500 * 1600
    widths = [level.width for level in networks[cmsa].get_submodule("attention").children()]
    assert widths == [128, 256, 2008]
    assert networks[brinet].get_parameter("attention.0.places").shape == (500, 40, 40)
    assert networks[lstm_cnn].get_submodule("fusion").weight.shape == (500, 2008, 1, 1)
    # VGG-16 without its last layer, and that layer for 1000 numbers: 138,357,544
    vgg = sum(p.numel() for name, p in networks[lstm_cnn].named_parameters() if name.startswith(("backbone", "scores")))
    assert vgg == 138_357_544
