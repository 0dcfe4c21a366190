"""What the visual sentinel adds: its weight by hand, and what it takes from the places."""

from __future__ import annotations

import math

import torch

from geoglot.methods.captioning.adaptive_lam import SMALL, Config, Model, sentinel_weight


def build() -> Model:
    torch.manual_seed(0)
    return Model(Config(**SMALL)).eval()  # type: ignore[arg-type]


def test_weight_of_the_sentinel_by_hand() -> None:
    """Scores log 1, log 2, log 3 of the places and log 2 of the sentinel: b = 2/8, alpha = 1/6, 2/6, 3/6."""
    alpha, weight = sentinel_weight(torch.tensor([[1.0, 2.0, 3.0, 2.0]]).log())
    assert torch.allclose(weight, torch.tensor([[0.25]]))
    assert torch.allclose(alpha, torch.tensor([[1 / 6, 2 / 6, 3 / 6]]))
    # the extended softmax gives the places (1 - b) alpha
    extended = torch.tensor([[1.0, 2.0, 3.0, 2.0]]).log().softmax(1)
    assert torch.allclose((1 - weight) * alpha, extended[:, :-1])


def test_a_sure_sentinel_takes_the_place_of_the_image() -> None:
    alpha, weight = sentinel_weight(torch.tensor([[0.0, 1.0, 500.0], [0.0, 1.0, -500.0]]))
    assert weight.tolist() == [[1.0], [0.0]]
    assert torch.allclose(alpha[0], alpha[1])
    assert math.isclose(float(alpha[0, 1]), 1 / (1 + math.exp(-1)), rel_tol=1e-6)


@torch.no_grad()
def test_one_step_by_torch() -> None:
    """LSTM of torch over [word; v], sentinel and mixture written out place by place."""
    model = build()
    grids = torch.randn(2, 12, 2, 2)
    context = model.context(grids, torch.zeros(2, dtype=torch.int64))
    words = torch.tensor([5, 7])
    hidden, cell = torch.randn(2, 24), torch.randn(2, 24)
    state = model.recur(
        context, {**model.start(context), "state": hidden, "cell": cell}, model.word_gates(model.embedding(words))
    )
    values, pooled, _ = model.look(grids)
    lstm = torch.nn.LSTMCell(10 + 24, 24)
    inputs = torch.cat([model.word_gates.weight, model.image_gates.weight], 1)
    lstm.weight_ih.copy_(inputs[:96])
    lstm.weight_hh.copy_(model.state_gates.weight[:96])
    lstm.bias_ih.copy_(model.state_gates.bias[:96])
    lstm.bias_hh.zero_()
    heard = torch.cat([model.embedding(words), pooled], 1)
    expected, memory = lstm(heard, (hidden, cell))
    assert torch.allclose(state["state"], expected, atol=1e-5)
    assert torch.allclose(state["cell"], memory, atol=1e-5)
    gate = heard @ inputs[96:].T + hidden @ model.state_gates.weight[96:].T + model.state_gates.bias[96:]
    sentinel = gate.sigmoid() * memory.tanh()
    query = model.attention.query(expected)
    for row in range(2):
        places = [model.attention.score(torch.tanh(key + query[row])) for key in context["keys"][row]]
        scores = torch.cat([*places, model.attention.score(torch.tanh(model.sentinel(sentinel[row]) + query[row]))])
        weights = scores.softmax(0)
        seen = weights[-1] * sentinel[row] + sum(weights[j] * values[row, j] for j in range(4))
        assert torch.allclose(state["sentinel"][row], weights[-1:], atol=1e-5)
        assert torch.allclose(state["seen"][row], seen, atol=1e-5)


@torch.no_grad()
def test_the_label_moves_the_places_but_not_the_sentinel() -> None:
    model = build()
    model.label.classifier.weight.zero_()
    found = []
    for category in (0, 2):
        model.label.classifier.bias.copy_(torch.eye(3)[category])
        context = model.context(torch.ones(1, 12, 2, 2), torch.zeros(1, dtype=torch.int64))
        found.append(context["keys"])
    table = model.label.table.weight
    assert torch.allclose(
        found[1] - found[0], (model.guide.weight @ (table[2] - table[0])).expand_as(found[0]), atol=1e-5
    )
