"""What is soft attention's own: the penalty by hand and in the gradient, the gate, and the first state."""

from __future__ import annotations

import pytest
import torch

from geoglot.methods.captioning.soft_attention import SMALL, Config, Model, paper_parameters
from geoglot.nn.attentive_lstm import AttentiveLSTM, doubly_stochastic
from geoglot.nn.captioner import CaptionBatch
from geoglot.nn.teacher_forcing import read


def batch_of() -> CaptionBatch:
    return CaptionBatch(
        grids=torch.randn(2, 12, 2, 2, generator=torch.Generator().manual_seed(0)),
        tokens=torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]),
        attributes=torch.zeros(2, 6),
        items=torch.arange(2),
        categories=torch.zeros(2, dtype=torch.int64),
        languages=torch.zeros(2, dtype=torch.int64),
    )


def test_the_penalty_by_hand() -> None:
    """Three places, two captions of one and three words, the longer first in reading order.

    Caption 0 looks once: (0.5, 0.5, 0), so 0.25 + 0.25 + 1 = 1.5. Caption 1 looks (1, 0, 0), (0, 1, 0), (0.5, 0, 0.5):
    sums (1.5, 1, 0.5), so 0.25 + 0 + 0.25 = 0.5.
    """
    reading = read(torch.tensor([[1, 2, 0, 0], [1, 7, 8, 2]]))
    assert reading.rows.tolist() == [1, 0, 1, 1]
    looks = torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0], [0, 1.0, 0], [0.5, 0, 0.5]], requires_grad=True)
    penalty = doubly_stochastic(looks, reading)
    assert penalty.tolist() == [1.5, 0.5]
    penalty.sum().backward()
    assert looks.grad is not None
    # -2 (1 - sum) at every look of the caption
    assert looks.grad.tolist() == [[1, 0, -1], [-1, -1, -2], [1, 0, -1], [1, 0, -1]]


def test_total_is_words_plus_weighted_penalty() -> None:
    torch.manual_seed(0)
    model = Model(Config(**SMALL, penalty=0.25)).eval()  # type: ignore[arg-type]
    losses = model.losses(batch_of())
    assert torch.allclose(losses["total"], losses["caption"].mean() + 0.25 * losses["penalty"].mean())


def test_a_closed_gate_sees_nothing() -> None:
    torch.manual_seed(0)
    decoder = AttentiveLSTM(values=5, words=3, hidden=4, attention=6)
    with torch.no_grad():
        decoder.gate.weight.zero_()
        for bias, share in ((-100.0, 0.0), (0.0, 0.5), (100.0, 1.0)):
            decoder.gate.bias.fill_(bias)
            context = decoder.context(torch.randn(2, 7, 5), None)
            state = decoder.step(context, decoder.start(context), decoder.prepare_words(torch.zeros(2, 3)))
            mixed = (state["attention"][:, :, None] * context["values"]).sum(1)
            assert torch.allclose(state["seen"], share * mixed, atol=1e-6)


def test_first_state_is_made_of_the_mean_place() -> None:
    torch.manual_seed(0)
    decoder = AttentiveLSTM(values=5, words=3, hidden=4, attention=6)
    values = torch.randn(2, 7, 5)
    first = decoder.start(decoder.context(values, None))
    shuffled = decoder.start(decoder.context(values[:, torch.randperm(7)], None))
    for name, layer in (("state", decoder.first_state), ("cell", decoder.first_cell)):
        assert torch.allclose(first[name], torch.tanh(layer(values.mean(1))))
        assert torch.allclose(first[name], shuffled[name], atol=1e-6)


def test_parameters_by_hand() -> None:
    """All widths 512, V = 273: first state and cell 2 * 513 * 512, LSTM 2048 * (3 * 512 + 1), attention 2 * 513 * 512 +
    512, gate 513; output 513 * 512 + 512 * 512 + 513 * 273; words 273 * 512."""
    recurrence = 525_312 + 3_147_776 + 525_824 + 513
    assert paper_parameters() == recurrence + 262_656 + 262_144 + 140_049 + 139_776


def test_choosing_gets_the_rows_that_are_left() -> None:
    torch.manual_seed(0)
    decoder = AttentiveLSTM(values=5, words=3, hidden=4, attention=6)
    sizes = []

    def choose(attention: torch.Tensor) -> torch.Tensor:
        sizes.append(len(attention))
        return attention

    reading = read(torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]))
    values, words = torch.randn(2, 7, 5), torch.randn(5, 3)
    found = decoder.read(decoder.context(values, None), words, reading, choose)
    assert sizes == [2, 2, 1]
    assert all(
        torch.equal(found[name], value)
        for name, value in decoder.read(decoder.context(values, None), words, reading).items()
    )
    assert found["attention"].sum(1).tolist() == pytest.approx([1.0] * 5)
