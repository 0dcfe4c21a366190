"""The blocks of referring segmentation by hand and against loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from geoglot.nn.backbone import build_backbone
from geoglot.nn.chunked_attention import chunked_attention
from geoglot.nn.convolutional_lstm import ConvolutionalLSTM
from geoglot.nn.convolutional_segmenter import beside_places, dilate, place_channels
from geoglot.nn.cross_scale import Exchange, ScaleExchange
from geoglot.nn.language_swin import LanguageTrunk, TopDownDecoder
from geoglot.nn.language_visual import ResidualVisual, SwinVisual
from geoglot.nn.phrase_lstm import PhraseLSTM
from geoglot.nn.resnet import ResNet
from geoglot.nn.segmenter import cross_entropy, foreground, resized, sigmoid_cross_entropy
from geoglot.nn.swin import SwinSizes
from geoglot.nn.text_encoder import TextSizes, build_text_encoder
from geoglot.nn.word_pixel_attention import LanguageGate, WordPixelAttention, normalised_places


def test_weighted_cross_entropy_by_hand() -> None:
    """Two pixels: background with difference 0, foreground with difference ln 3.

    Losses ln 2 and ln(1 + 1/3) = ln(4/3); (0.9 ln 2 + 1.1 ln(4/3)) / 2.
    """
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1, 0, 1] = math.log(3)
    masks = torch.tensor([[[False, True]]])
    losses = cross_entropy(logits, masks, (0.9, 1.1))
    expected = (0.9 * math.log(2) + 1.1 * math.log(4 / 3)) / 2.0
    assert float(losses["total"]) == pytest.approx(expected, abs=1e-6)
    assert losses["mask"].tolist() == pytest.approx([expected], abs=1e-6)
    assert foreground(logits).flatten().tolist() == pytest.approx([0.0, math.log(3)])


def test_weighted_cross_entropy_is_torchs() -> None:
    torch.manual_seed(0)
    logits, masks = torch.randn(3, 2, 4, 5), torch.rand(3, 4, 5) > 0.7
    theirs = nn.CrossEntropyLoss(weight=torch.tensor([0.9, 1.1]))
    found = cross_entropy(logits, masks, (0.9, 1.1))
    assert torch.allclose(found["total"], theirs(logits, masks.long()))
    for row in range(3):
        assert torch.allclose(found["mask"][row], theirs(logits[row : row + 1], masks[row : row + 1].long()))


def test_sigmoid_cross_entropy_by_hand() -> None:
    """Logits 0 and ln 3 on foreground: ln 2 and ln(4/3); with foreground counted twice both double."""
    logits, masks = torch.tensor([[[0.0, math.log(3)]]]), torch.ones(1, 1, 2, dtype=torch.bool)
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert float(sigmoid_cross_entropy(logits, masks)["total"]) == pytest.approx(expected)
    assert float(sigmoid_cross_entropy(logits, masks, foreground_weight=2)["total"]) == pytest.approx(2 * expected)


@given(scale=st.floats(0.5, 3), shift=st.floats(-2, 2))
@settings(deadline=None)
def test_losses_of_both_kinds_are_one(scale: float, shift: float) -> None:
    """Two classes with equal weights lose what the sigmoid of their difference loses."""
    torch.manual_seed(0)
    logits, masks = scale * torch.randn(2, 2, 3, 3) + shift, torch.rand(2, 3, 3) > 0.5
    one, two = cross_entropy(logits, masks)["mask"], sigmoid_cross_entropy(foreground(logits), masks)["mask"]
    assert torch.allclose(one, two, atol=1e-5)


def test_resizing_keeps_what_fits() -> None:
    maps = torch.randn(1, 2, 3, 4)
    assert resized(maps, (3, 4)) is maps
    assert resized(maps, (5, 7), align_corners=True)[..., 0, 0].equal(maps[..., 0, 0])


@torch.no_grad()
def test_word_pixel_attention_written_out() -> None:
    torch.manual_seed(0)
    layer = WordPixelAttention(4, 3).eval()
    places, words = torch.randn(1, 5, 4), torch.randn(1, 3, 3)
    real = torch.tensor([[True, True, False]])
    query = normalised_places(layer.query(places))[0]
    out = torch.zeros(5, 4)
    for place in range(5):
        logits = torch.tensor([float(query[place] @ layer.key(words[0, word])) / 2 for word in range(2)])  # sqrt(4)
        out[place] = logits.softmax(0) @ layer.value(words[0, :2])
    read = normalised_places(layer.reading(out)[None])
    expected = nn.functional.gelu(layer.joint(nn.functional.gelu(layer.places(places)) * read))
    assert torch.allclose(layer(places, words, real), expected, atol=1e-5)


@torch.no_grad()
def test_without_words_nothing_is_read() -> None:
    layer = WordPixelAttention(4, 3).eval()
    found = layer.read(torch.randn(2, 6, 4), torch.randn(2, 3, 3), torch.zeros(2, 3, dtype=torch.bool))
    assert torch.allclose(found, torch.zeros(2, 6, 4), atol=1e-4)  # every place reads the same: its norm is 0


def test_places_are_normalised_like_torch() -> None:
    features = torch.randn(2, 7, 4)
    expected = nn.functional.instance_norm(features.transpose(1, 2)).transpose(1, 2)
    assert torch.allclose(normalised_places(features), expected, atol=1e-5)
    assert torch.equal(normalised_places(torch.randn(1, 1, 4)), torch.zeros(1, 1, 4))  # one place has no spread


@torch.no_grad()
def test_gate_by_hand() -> None:
    """One channel, W_1 = 2, W_2 = 0.5, F = 1, x = 3: 3 + tanh(0.5 * ReLU(2)) = 3 + tanh(1)."""
    gate = LanguageGate(1)
    gate.inner.weight.fill_(2)
    gate.outer.weight.fill_(0.5)
    assert float(gate(torch.tensor([[[3.0]]]), torch.tensor([[[1.0]]]))) == pytest.approx(3 + math.tanh(1))


@pytest.mark.parametrize("exchange", ["crossvit", "full"])
def test_only_full_exchange_lets_scales_meet(exchange: Exchange) -> None:
    """The dead path: when the token alone asks, nothing of the coarse map reaches the fine one, nor back."""
    torch.manual_seed(0)
    step = ScaleExchange((8, 16), 6, exchange).eval()
    fine, coarse, language = torch.randn(1, 8, 4, 4), torch.randn(1, 16, 2, 2), torch.randn(1, 6)
    fine.requires_grad_()
    coarse.requires_grad_()
    new_fine, new_coarse = step(fine, coarse, language)
    across = torch.autograd.grad(new_fine.sum(), coarse, retain_graph=True, allow_unused=True)[0]
    back = torch.autograd.grad(new_coarse.square().sum(), fine, allow_unused=True)[0]
    for gradient in (across, back):
        meets = gradient is not None and bool((gradient.abs() > 1e-9).any())
        assert meets == (exchange == "full")


@torch.no_grad()
def test_exchange_tokens_are_computed_even_where_they_are_lost() -> None:
    """With the token in the sequence, the same step does move it: the loss is in what follows, not in the step."""
    torch.manual_seed(0)
    step = ScaleExchange((8, 16), 6, "crossvit").eval()
    sequences = [torch.randn(1, 5, 8), torch.randn(1, 3, 16)]
    first = step.exchanged(sequences)
    sequences[1] = sequences[1] + torch.cat([torch.ones(1, 1, 16), torch.zeros(1, 2, 16)], 1)
    second = step.exchanged(sequences)
    assert (first[0][:, 0] - second[0][:, 0]).abs().max() > 1e-3
    assert torch.equal(first[0][:, 1:], second[0][:, 1:])


@settings(deadline=None, max_examples=15)
@given(rows=st.integers(1, 12), hidden=st.integers(0, 4))
def test_attention_in_chunks_is_attention(rows: int, hidden: int) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 9, 3), torch.randn(2, 5, 3), torch.randn(2, 5, 4)
    query.requires_grad_()
    seen = torch.ones(2, 5, dtype=torch.bool)
    seen[1, : min(hidden, 4)] = False
    found = chunked_attention(query, key, value, seen, rows=rows)
    logits = (query @ key.transpose(1, 2)).masked_fill(~seen[:, None], -torch.inf)
    expected = logits.softmax(-1) @ value
    assert torch.allclose(found, expected, atol=1e-5)
    one = torch.autograd.grad(found.square().sum(), query)[0]
    two = torch.autograd.grad(expected.square().sum(), query)[0]
    assert torch.allclose(one, two, atol=1e-4)


def test_places_written_out() -> None:
    found = place_channels(2, 4)
    for row in range(2):
        for column in range(4):
            left, right = column / 2 - 1, (column + 1) / 2 - 1  # 4 columns over a width of 2
            top, bottom = row - 1, row
            expected = [left, top, right, bottom, (left + right) / 2, (top + bottom) / 2, 1 / 4, 1 / 2]
            assert found[:, row, column].tolist() == pytest.approx(expected)
    assert beside_places(torch.zeros(2, 3, 2, 4), torch.ones(2, 5))[1, 3:8].eq(1).all()


@torch.no_grad()
def test_phrase_lstm_written_out() -> None:
    torch.manual_seed(0)
    lstm = PhraseLSTM(vocabulary=9, words=3, hidden=2)
    states, last = lstm(torch.tensor([[4, 7, 0]]))
    state, memory = torch.zeros(2), torch.zeros(2)
    for word in (4, 7):
        gates = lstm.input(lstm.embedding(torch.tensor(word))) + lstm.recurrent(state)
        entry, candidate, forget, output = gates.chunk(4)
        memory = (forget + 1).sigmoid() * memory + entry.sigmoid() * candidate.tanh()
        state = output.sigmoid() * memory.tanh()
    assert torch.allclose(last[0], state, atol=1e-6)
    assert torch.equal(states[0, 1], states[0, 2])
    assert torch.equal(lstm(torch.zeros(1, 3, dtype=torch.int64))[1], torch.zeros(1, 2))


@torch.no_grad()
def test_convolutional_lstm_written_out() -> None:
    """One step from nothing: the memory is sigmoid(i) tanh(j), and the peephole of the output sees it."""
    torch.manual_seed(0)
    lstm = ConvolutionalLSTM(2, 3)
    lstm.peepholes.normal_()
    features = torch.randn(1, 2, 3, 3)
    joined = torch.cat([features, torch.zeros(1, 2, 3, 3)], 1)
    candidate, entry, _ = (nn.functional.group_norm(part, 1) for part in lstm.gates(joined).chunk(3, 1))
    memory = entry.sigmoid() * candidate.tanh()
    expected = (lstm.output(joined) + lstm.peepholes[2] * memory).sigmoid() * memory.tanh()
    assert torch.allclose(lstm([features]), expected, atol=1e-5)


def test_dilation_keeps_weights_and_shapes() -> None:
    plain = ResNet("resnet50")
    names = {name: tensor.shape for name, tensor in plain.state_dict().items()}
    dilate(plain)
    assert {name: tensor.shape for name, tensor in plain.state_dict().items()} == names
    with torch.no_grad():
        sizes = [tuple(stage.shape[-2:]) for stage in plain.eval()(torch.zeros(1, 3, 65, 64))]
    assert sizes == [(17, 16), (9, 8), (9, 8), (9, 8)]


def test_decoder_is_counted() -> None:
    """Three steps of two 3x3 convolutions with batch norms (2 * 512 numbers each), and 2 classes: 20,651,010."""
    with torch.device("meta"):
        decoder = TopDownDecoder((128, 256, 512, 1024), 512)
    convolutions = 9 * 512 * ((1024 + 512) + 512 + (512 + 256) + 512 + (512 + 128) + 512)
    assert sum(p.numel() for p in decoder.parameters()) == convolutions + 6 * 1024 + 512 * 2 + 2 == 20_651_010


def test_reading_is_counted() -> None:
    """Per stage of width d: four d x d and two 768 x d matrices with biases, two d x d of the gate: 11,316,480."""
    with torch.device("meta"):
        trunk = LanguageTrunk(SwinVisual(SwinSizes()), words=768)
    found = sum(p.numel() for name, p in trunk.named_parameters() if not name.startswith("swin."))
    widths = (128, 256, 512, 1024)
    assert found == sum(6 * width**2 + 2 * 768 * width + 6 * width for width in widths) == 11_316_480


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "transformer", "recurrent"])
@torch.no_grad()
def test_words_do_not_see_padding(kind: str) -> None:
    torch.manual_seed(0)
    encoder = build_text_encoder(
        TextSizes(kind=kind, vocabulary=30, width=8, layers=1, heads=2, max_length=9)  # type: ignore[arg-type]
    ).eval()
    short, long = torch.tensor([[5, 9, 7]]), torch.tensor([[5, 9, 7, 0, 0, 0]])
    assert torch.allclose(encoder(short), encoder(long)[:, :3], atol=1e-5)
    assert torch.isfinite(encoder(torch.zeros(1, 4, dtype=torch.int64))).all()
    assert (encoder(short) - encoder(torch.tensor([[7, 9, 5]])).flip(1)).abs().max() > 1e-4  # order is read


def test_a_width_must_have_two_halves() -> None:
    with pytest.raises(ValueError, match="cannot be halved"):
        build_text_encoder(TextSizes(kind="recurrent", vocabulary=30, width=7))


def test_backbones_of_a_published_encoder_stay_as_they_are() -> None:
    frozen = build_text_encoder(TextSizes(kind="bert", vocabulary=30, width=8, layers=2, heads=2, trained_layers=1))
    trained = {name for name, parameter in frozen.named_parameters() if parameter.requires_grad}
    assert trained
    assert all(name.startswith("encoder.layer.0.") for name in trained)
    assert build_backbone("compact").channels == (40, 80, 160, 320)


@torch.no_grad()
def test_residual_network_is_its_backbone_stage_by_stage() -> None:
    torch.manual_seed(0)
    visual = ResidualVisual((8, 12, 12)).eval()
    images = torch.rand(2, 3, 50, 71)
    features = visual.patches(images)
    for number, expected in enumerate(visual.backbone(images)):
        features = visual.merge(number, visual.stage(number, features))
        assert torch.allclose(features.permute(0, 3, 1, 2), expected, atol=1e-5)
