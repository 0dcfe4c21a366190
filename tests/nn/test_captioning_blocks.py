"""Attention, gates, memory cells and teacher forcing, against loops over single numbers and against torch's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from geoglot.nn.additive_attention import AdditiveAttention, weighted_sum
from geoglot.nn.part_lstm import PartLSTM
from geoglot.nn.semantic_gate import SemanticGate
from geoglot.nn.step_linear import StepLinear, shared_gradient
from geoglot.nn.teacher_forcing import read, unroll, word_losses
from geoglot.nn.two_layer_lstm import TwoLayerDecoder


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_attention_by_hand() -> None:
    """w = 2, W_v = 1, W_h = 3, b = 0 and h = 0.1: a = 2 tanh(v + 0.3) for v = 0, 1, -0.3."""
    attention = AdditiveAttention(1, 1, 1)
    with torch.no_grad():
        for parameter, value in zip(attention.parameters(), (1.0, 0.0, 3.0, 0.0, 2.0), strict=True):
            parameter.fill_(value)
    places = torch.tensor([[[0.0], [1.0], [-0.3]]])
    weights = attention(attention.keys(places), torch.tensor([[0.1]]))
    powers = [math.exp(2 * math.tanh(x)) for x in (0.3, 1.3, 0.0)]
    assert weights[0].tolist() == pytest.approx([p / sum(powers) for p in powers], abs=1e-6)
    seen = weighted_sum(weights, places)
    assert float(seen.detach()) == pytest.approx((powers[1] - 0.3 * powers[2]) / sum(powers), abs=1e-6)


def test_attention_tells_places_apart() -> None:
    """With the pooled image instead of V_j, as (26) is printed, every place would get the same weight."""
    torch.manual_seed(0)
    attention = AdditiveAttention(4, 5, 6)
    places, state = torch.randn(2, 7, 4), torch.randn(2, 5)
    assert attention(attention.keys(places), state).std(1).min() > 1e-3
    pooled = places.mean(1, keepdim=True).expand_as(places)
    assert attention(attention.keys(pooled), state).std(1).max() < 1e-6


def test_gate_by_hand() -> None:
    """i = 2 h + 3 f + 0.5, g = sigmoid(-h + f + 0.25), h = 0.4, f = -0.2: i = 0.7, g = sigmoid(-0.35)."""
    gate = SemanticGate(1, 1)
    with torch.no_grad():
        gate.state.weight.copy_(torch.tensor([[2.0], [-1.0]]))
        gate.state.bias.copy_(torch.tensor([0.5, 0.25]))
        gate.semantic.weight.copy_(torch.tensor([[3.0], [1.0]]))
    out = gate(torch.tensor([[0.4]]), gate.prepare(torch.tensor([[-0.2]])))
    assert float(out.detach()) == pytest.approx(0.7 * sigmoid(-0.35), abs=1e-6)


def test_parts_are_an_ordinary_memory_cell() -> None:
    torch.manual_seed(0)
    lstm = PartLSTM({"image": 3, "word": 2}, 4, 5).double()
    cell = nn.LSTMCell(4 + 3 + 2, 5).double()
    with torch.no_grad():
        moving, state = lstm.moving.weight.split([4, 5], 1)
        cell.weight_ih.copy_(torch.cat([moving, lstm.fixed["image"], lstm.fixed["word"]], 1))
        cell.weight_hh.copy_(state)
        cell.bias_ih.copy_(lstm.moving.bias)
        cell.bias_hh.zero_()
    image, word, moves = (torch.randn(6, width, dtype=torch.float64) for width in (3, 2, 4))
    hidden, kept = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 5, dtype=torch.float64)
    found = lstm(lstm.prepare("image", image) + lstm.prepare("word", word), moves, hidden, kept)
    expected = cell(torch.cat([moves, image, word], 1), (hidden, kept))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


def recurrence(layer: nn.Module, steps: int = 5) -> tuple[Tensor, Tensor]:
    start = torch.linspace(-1, 1, 12, dtype=torch.float64).view(3, 4).requires_grad_()
    state, total = start, torch.zeros((), dtype=torch.float64)
    for step in range(steps):
        state = torch.tanh(layer(state[: 3 - step // 2]))  # rows leave, as captions do
        total = total + (state * (step + 1)).sum()
    return total, start


def test_one_gradient_for_all_steps_is_the_gradient() -> None:
    torch.manual_seed(0)
    layer = StepLinear(4, 4).double()
    plain, start = recurrence(layer)
    expected = torch.autograd.grad(plain, [*layer.parameters(), start])
    with shared_gradient(layer):
        shared, start = recurrence(layer)
    assert torch.equal(shared, plain)
    for _ in range(2):  # a second pass over the same graph gives the same again
        found = torch.autograd.grad(shared, [*layer.parameters(), start], retain_graph=True)
        assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))
    torch.autograd.grad(
        shared, [start], retain_graph=True
    )  # one that does not ask for the weight leaves nothing behind
    again = torch.autograd.grad(shared, list(layer.parameters()))
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(again, expected, strict=False))


def test_steps_that_the_loss_does_not_see_add_nothing() -> None:
    layer = StepLinear(2, 2).double()
    inputs = torch.randn(3, 2, dtype=torch.float64)
    with shared_gradient(layer):
        used, _ = layer(inputs), layer(100 * inputs)
    used.sum().backward()
    assert layer.weight.grad is not None
    assert torch.allclose(layer.weight.grad, inputs.sum(0).expand(2, 2))
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [3, 3]


def test_a_pass_over_fewer_steps_does_not_see_those_of_the_last_one() -> None:
    layer = StepLinear(2, 2).double()
    inputs = torch.randn(3, 2, dtype=torch.float64)
    with shared_gradient(layer):
        one, other = layer(inputs).sum(), layer(100 * inputs).sum()
    torch.autograd.grad(one + other, list(layer.parameters()), retain_graph=True)
    (found,) = torch.autograd.grad(one, [layer.weight])
    assert torch.allclose(found, inputs.sum(0).expand(2, 2))


def test_two_passes_do_not_mix_and_frozen_or_ungraded_layers_work() -> None:
    layer = StepLinear(4, 4).double()
    with shared_gradient(layer):
        first, _ = recurrence(layer)
    with shared_gradient(layer):
        second, _ = recurrence(layer, steps=2)
    (apart,) = torch.autograd.grad(first, [layer.weight])
    (other,) = torch.autograd.grad(second, [layer.weight])
    (total,) = torch.autograd.grad(recurrence(layer)[0] + recurrence(layer, steps=2)[0], [layer.weight])
    assert torch.allclose(apart + other, total, atol=1e-12)
    with torch.no_grad(), shared_gradient(layer):
        assert torch.equal(recurrence(layer)[0], first)
    layer.requires_grad_(False)
    with shared_gradient(layer):
        frozen, start = recurrence(layer)
    frozen.backward()  # type: ignore[no-untyped-call]
    assert start.grad is not None
    assert layer.weight.grad is None
    assert layer._shared is None


def test_reading_order_by_hand() -> None:
    tokens = torch.tensor([[1, 7, 2, 0, 0], [1, 8, 9, 6, 2], [0, 0, 0, 0, 0], [1, 5, 2, 0, 0]])
    reading = read(tokens)
    assert reading.order.tolist() == [1, 0, 3]  # longest first; the third has nothing to say
    assert reading.sizes == [3, 3, 1, 1]
    assert reading.words.tolist() == [1, 1, 1, 8, 7, 5, 9, 6]
    assert reading.targets.tolist() == [8, 7, 5, 9, 2, 2, 6, 2]
    assert reading.per_caption(torch.ones(8)).tolist() == [2, 4, 0, 2]
    with pytest.raises(ValueError, match="no caption"):
        read(torch.zeros(2, 4, dtype=torch.int64))


def test_unrolling_lets_finished_captions_go() -> None:
    rows_seen = []

    def step(context: dict[str, Tensor], state: dict[str, Tensor], words: Tensor) -> dict[str, Tensor]:
        rows_seen.append((context["name"].tolist(), words.tolist()))
        return {"sum": state["sum"] + words}

    context, state = {"name": torch.tensor([10, 20, 30])}, {"sum": torch.zeros(3, dtype=torch.int64)}
    states = list(unroll(step, context, state, torch.tensor([1, 2, 3, 4, 5, 6]), [3, 2, 1]))
    assert rows_seen == [([10, 20, 30], [1, 2, 3]), ([10, 20], [4, 5]), ([10], [6])]
    assert [s["sum"].tolist() for s in states] == [[1, 2, 3], [5, 7], [11]]


def test_word_losses_pick_the_target() -> None:
    said = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    assert word_losses(said, torch.tensor([1, 2])).tolist() == pytest.approx([math.log(4), -math.log(0.8)])


def naive_step(decoder: TwoLayerDecoder, given: dict[str, Tensor], state: list[Tensor], word: Tensor) -> list[Tensor]:
    """(25) to (29) of one caption as written, with torch's own cells. Vectors without a batch."""
    first, cell1, second, cell2 = state

    def gate(name: str, hidden: Tensor) -> Tensor:
        module: Any = decoder.gates[name]
        both = module.state.weight @ hidden + module.state.bias + module.semantic.weight @ given["semantic"]
        information, opening = both.split(decoder.hidden)
        return information * opening.sigmoid()

    def memory(lstm: PartLSTM, inputs: list[Tensor], fixed: list[tuple[str, Tensor]], old: Tensor, cell: Tensor) -> Any:
        gates = lstm.moving.bias + lstm.moving.weight @ torch.cat([*inputs, old])
        for name, part in fixed:
            gates = gates + lstm.fixed[name] @ part
        take, keep, new, show = gates.split(decoder.hidden)
        cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
        return show.sigmoid() * cell.tanh(), cell

    gated = bool(decoder.gates)
    inputs = [second, gate("gate_attention", first)] if gated else [second]
    fixed = [("pooled", given["pooled"]), ("word", word)]
    new, cell1 = memory(decoder.attention_lstm, inputs, fixed, first, cell1)
    attention = decoder.attention
    scores = []
    for place in given["values"]:
        comparison = attention.value.weight @ place + attention.value.bias
        comparison = torch.tanh(comparison + attention.query.weight @ new + attention.query.bias)
        scores.append(attention.score.weight[0] @ comparison)
    weights = torch.stack(scores).softmax(0)
    seen = sum(
        (w * place for w, place in zip(weights, given["values"], strict=True)), torch.zeros_like(given["values"][0])
    )
    inputs = [new, seen, gate("gate_language", second)] if gated else [new, seen]
    second, cell2 = memory(decoder.language_lstm, inputs, [], second, cell2)
    return [new, cell1, second, cell2, gate("gate_output", second) if gated else second]


@pytest.mark.parametrize("semantic", [None, 3])
def test_two_layers_against_the_equations(semantic: int | None) -> None:
    torch.manual_seed(0)
    decoder = TwoLayerDecoder(values=4, pooled=5, words=6, hidden=7, attention=8, semantic=semantic).double()
    tokens = torch.tensor([[1, 7, 2, 0], [1, 8, 9, 2], [1, 2, 0, 0]])
    table = torch.randn(10, 6, dtype=torch.float64)
    values, pooled = torch.randn(3, 9, 4, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    feature = None if semantic is None else torch.randn(3, semantic, dtype=torch.float64)
    language = torch.randn(3, 6, dtype=torch.float64)
    reading = read(tokens)
    context = decoder.context(values, pooled, feature, language)
    found = decoder.read(context, table[reading.words], reading)
    place = 0
    for step, size in enumerate(reading.sizes):
        for row in reading.rows[place : place + size].tolist():
            given = {"values": values[row], "pooled": pooled[row]}
            if feature is not None:
                given["semantic"] = feature[row]
            state = [torch.zeros(7, dtype=torch.float64) for _ in range(5)]
            for earlier in range(step + 1):
                state = naive_step(decoder, given, state[:4], table[tokens[row, earlier]] + language[row])
            assert torch.allclose(found[place], state[4], atol=1e-10)
            place += 1
    assert place == 6
