"""What is hard attention's own: drawing, the sign of the reward's gradient, the baseline."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from geoglot.methods.captioning.hard_attention import SMALL, Config, Model, Sampler, entropy, most_probable
from geoglot.nn.captioner import CaptionBatch


def build(**more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, **more}))


def batch_of() -> CaptionBatch:
    return CaptionBatch(
        grids=torch.randn(2, 12, 2, 2, generator=torch.Generator().manual_seed(0)),
        tokens=torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]),
        attributes=torch.zeros(2, 6),
        items=torch.arange(2),
        categories=torch.zeros(2, dtype=torch.int64),
        languages=torch.zeros(2, dtype=torch.int64),
    )


def test_places_are_drawn_as_often_as_their_weight() -> None:
    torch.manual_seed(0)
    attention = torch.tensor([[0.5, 0.3, 0.2, 0.0]]).expand(20_000, 4)
    drawn = Sampler(torch.zeros(20_000, dtype=torch.bool))(attention)
    assert ((drawn == 0) | (drawn == 1)).all()
    assert (drawn.sum(1) == 1).all()
    # five standard errors of a share: 5 sqrt(0.25 / 20000) = 0.018
    assert (drawn.mean(0) - attention[0]).abs().max() < 0.018
    assert drawn[:, 3].sum() == 0


def test_mixed_captions_look_everywhere_and_have_no_draw() -> None:
    sampler = Sampler(torch.tensor([True, False]))
    attention = torch.tensor([[0.25, 0.75], [0.25, 0.75]])
    first, second = sampler(attention), sampler(attention[:1])
    assert torch.equal(first[0], attention[0])
    assert torch.equal(second, attention[:1])
    found = sampler.log_probabilities(torch.cat([attention, attention[:1]]))
    assert found[0] == found[2] == 0
    assert found[1] == (first[1] * attention[1]).sum().log()


def test_the_rewards_gradient_makes_a_good_draw_more_probable() -> None:
    """The term is -(r - b) log p(s): with r above b descent raises the logit of the place that was drawn, below it
    descent lowers it, at b it leaves all as they are. By hand d(-a log softmax_s) = a (softmax - onehot_s)."""
    for reward, baseline in ((-1.0, -3.0), (-3.0, -1.0), (-2.0, -2.0)):
        logits = torch.zeros(1, 4, requires_grad=True)
        attention = logits.softmax(1)
        sampler = Sampler(torch.tensor([False]))
        torch.manual_seed(0)
        drawn = sampler(attention)
        loss = -(reward - baseline) * sampler.log_probabilities(attention).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        expected = (reward - baseline) * (torch.full((1, 4), 0.25) - drawn)
        assert logits.grad is not None
        assert torch.allclose(logits.grad, expected)


def gradient_of_scores(model: Model, batch: CaptionBatch) -> Tensor:
    model.zero_grad(set_to_none=True)
    torch.manual_seed(3)
    model.losses(batch)["total"].backward()  # type: ignore[no-untyped-call]
    found = model.decoder.attention.score.weight.grad
    assert found is not None
    return found.clone()


def test_attention_learns_from_the_reward_alone_when_all_places_are_drawn() -> None:
    """With rewards r and baseline b the gradient is linear in b, and nothing else reaches the scores."""
    gradients = []
    for baseline in (-1.0, -3.0, -5.0):
        model = build(mixed=0.0, entropy=0.0).train()
        model.baseline.fill_(baseline)
        gradients.append(gradient_of_scores(model, batch_of()))
    assert (gradients[0] - gradients[2]).abs().max() > 1e-6
    assert torch.allclose(gradients[1], (gradients[0] + gradients[2]) / 2, atol=1e-6)
    silent = build(mixed=0.0, entropy=0.0, reward=0.0).train()
    assert (gradient_of_scores(silent, batch_of()) == 0).all()
    mixing = build(mixed=1.0, entropy=0.0, reward=0.0).train()
    assert (gradient_of_scores(mixing, batch_of()) != 0).any()


def test_reward_by_hand() -> None:
    model = build(mixed=0.0).train()
    model.baseline.fill_(-2.0)
    torch.manual_seed(3)
    losses = model.losses(batch_of())
    rewards = -losses["caption"].detach() / torch.tensor([2.0, 3.0])
    assert torch.allclose(model.baseline, 0.9 * torch.tensor(-2.0) + 0.1 * rewards.mean())
    # -(r + 2) sum log p(s): the sum is negative, so the sign is that of r + 2
    assert torch.equal(losses["reward"].sign(), (rewards + 2).sign())
    total = losses["caption"] + losses["reward"] - 0.002 * losses["entropy"]
    assert torch.allclose(losses["total"], total.mean())


def test_the_baseline_rests_out_of_training() -> None:
    model = build().eval()
    before = model.baseline.clone()
    assert before == torch.tensor(-math.log(20))
    first, second = model.losses(batch_of()), model.losses(batch_of())
    assert torch.equal(first["caption"], second["caption"])
    assert list(first) == ["total", "caption"]
    assert torch.equal(model.baseline, before)


def test_one_place_is_looked_at_when_captions_are_written() -> None:
    model, batch = build().eval(), batch_of()
    context = model.context(batch.grids, batch.languages)
    state = model.start(context)
    _, new = model.step(context, state, batch.tokens[:, 0])
    place = new["attention"].argmax(1)
    gate = torch.sigmoid(model.decoder.gate(state["state"]))
    assert torch.allclose(new["seen"], gate * context["values"][torch.arange(2), place])
    assert most_probable(torch.tensor([[0.4, 0.4, 0.2]])).tolist() == [[1, 0, 0]]  # a tie goes to the first


def test_entropy_has_a_gradient_at_a_sure_place() -> None:
    logits = torch.tensor([[200.0, 0.0, 0.0]], requires_grad=True)
    entropy(logits.softmax(1)).sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert torch.allclose(entropy(torch.full((1, 8), 0.125)), torch.tensor([math.log(8)]))
