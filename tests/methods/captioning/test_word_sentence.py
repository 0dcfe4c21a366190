"""What Word-Sentence is about: the set of words, its two phases, and a transformer that knows no order of the set."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from geoglot.methods.captioning.word_sentence import SMALL, Config, Model, caption_words, word_error, word_set
from geoglot.nn.captioner import CaptionBatch
from geoglot.nn.word_transformer import MaskedAttention, WordTransformer


def build(**more: Any) -> Model:
    torch.manual_seed(0)
    return Model(Config(**{**SMALL, **more}))


def batch_of(progress: float) -> CaptionBatch:
    return CaptionBatch(
        grids=torch.randn(2, 12, 2, 2, generator=torch.Generator().manual_seed(0)),
        tokens=torch.tensor([[1, 5, 2, 0], [1, 7, 8, 2]]),
        attributes=torch.zeros(2, 6),
        items=torch.arange(2),
        categories=torch.zeros(2, dtype=torch.int64),
        languages=torch.zeros(2, dtype=torch.int64),
        progress=progress,
    )


def learning(model: Model, progress: float) -> set[str]:
    model.zero_grad(set_to_none=True)
    model.losses(batch_of(progress))["total"].backward()  # type: ignore[no-untyped-call]
    return {name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_extractor_and_generator_learn_one_after_the_other() -> None:
    model = build(first_phase=0.5).train()
    assert learning(model, 0.0) == learning(model, 0.49) == {"extractor"}
    assert learning(model, 0.5) == {"embedding", "transformer", "output"}
    assert list(model.losses(batch_of(0.2))) == ["total", "words"]
    assert list(model.losses(batch_of(0.7))) == ["total", "caption"]


def test_labels_and_error_by_hand() -> None:
    labels = caption_words(torch.tensor([[1, 6, 4, 6, 2, 0], [1, 3, 5, 2, 0, 0]]), 8)
    assert labels.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0]]  # 3 is the unknown word, which is no word of a set
    # (0.5^2 + 0.5^2 + 0 + 1) / 4 and (0 + 0.25 + 0 + 0) / 4
    error = word_error(torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.0, 0.5, 0.0, 0.0]]), labels)
    assert error.tolist() == [0.375, 0.0625]


def test_the_set_holds_probable_words_and_is_never_empty() -> None:
    words, kept = word_set(torch.tensor([[0.6, 0.1, 0.5, 0.9], [0.1, 0.4, 0.2, 0.3]]), slots=3, threshold=0.5)
    assert words.tolist() == [[7, 4, 6], [5, 7, 6]]
    assert kept.tolist() == [[True, True, True], [True, False, False]]


@torch.no_grad()
def test_order_and_empty_slots_of_the_set_do_not_matter() -> None:
    torch.manual_seed(0)
    model = WordTransformer(width=16, layers=2, heads=4, inner=32, dropout=0.0).eval()
    words, kept = torch.randn(1, 5, 16), torch.tensor([[True, True, True, False, False]])
    said, real = torch.randn(1, 4, 16), torch.ones(1, 4, dtype=torch.bool)

    def sentence(words: Tensor, kept: Tensor) -> Tensor:
        return model.decode(said, real, model.encode(words, kept), kept)

    expected = sentence(words, kept)
    order = torch.tensor([3, 2, 0, 4, 1])
    assert torch.allclose(sentence(words[:, order], kept[:, order]), expected, atol=1e-5)
    assert torch.allclose(sentence(words[:, :3], kept[:, :3]), expected, atol=1e-5)
    assert not torch.allclose(sentence(words[:, :2], kept[:, :2]), expected, atol=1e-3)


@torch.no_grad()
def test_a_word_sees_itself_and_the_words_before_it() -> None:
    torch.manual_seed(0)
    model = WordTransformer(width=16, layers=2, heads=4, inner=32, dropout=0.0).eval()
    memory, kept = torch.randn(1, 3, 16), torch.ones(1, 3, dtype=torch.bool)
    said, real = torch.randn(1, 5, 16), torch.ones(1, 5, dtype=torch.bool)
    expected = model.decode(said, real, memory, kept)
    changed = said.clone()
    changed[:, 3] += 1
    found = model.decode(changed, real, memory, kept)
    assert torch.allclose(found[:, :3], expected[:, :3], atol=1e-6)
    assert not torch.allclose(found[:, 3], expected[:, 3], atol=1e-3)
    assert not torch.allclose(found[:, 4], expected[:, 4], atol=1e-3)


@torch.no_grad()
def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = MaskedAttention(12, 3), torch.nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, torch.zeros(12), ours.value.bias]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    asking, asked = torch.randn(2, 4, 12), torch.randn(2, 5, 12)
    seen = torch.tensor([[True, True, False, True, True], [True, False, False, False, False]])
    expected, _ = theirs(asking, asked, asked, key_padding_mask=~seen)
    assert torch.allclose(ours(asking, asked, seen[:, None]), expected, atol=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="heads"):
        MaskedAttention(10, 3)


@torch.no_grad()
def test_more_words_than_the_longest_caption_can_be_read() -> None:
    model, batch = build(max_length=3).eval(), batch_of(0.9)
    context = model.context(batch.grids, batch.languages)
    state = model.start(context)
    for word in (1, 5, 6, 7, 8, 9):
        said, state = model.step(context, state, torch.tensor([word, word]))
    assert torch.isfinite(said).all()
    assert state["read"].tolist() == [[6, 7, 8, 9]] * 2
