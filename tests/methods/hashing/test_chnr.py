"""CHNR: golden parameter counts, weights, false pairs, the two stages."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.methods.hashing import chnr
from geoglot.nn.hasher import HashBatch
from geoglot.nn.hashing import nt_xent


def test_the_detector_has_the_papers_size() -> None:
    with torch.device("meta"):
        model = chnr.Model(chnr.Config())
    assert sum(p.numel() for p in model.adversary_parameters()) == 4_920_321
    assert chnr.paper_parameters() == 5_791_872 + 4_920_321


def test_pair_weights() -> None:
    trust, threshold = torch.tensor([0.2, 0.5, 0.9]), torch.tensor(0.5)
    assert chnr.pair_weights(trust, "normal", threshold).tolist() == trust.tolist()
    assert torch.allclose(chnr.pair_weights(trust, "exp", threshold), torch.tensor([0.008, 0.125, 0.729]))
    assert chnr.pair_weights(trust, "dis", threshold).tolist() == [0, 0, 1]  # 0.5 is not above 0.5
    assert chnr.pair_weights(trust, "ones", threshold).tolist() == [1, 1, 1]


def test_threshold_is_half_way_between_the_means() -> None:
    """True pairs 0.9, 0.7 and 0.8, false ones 0.1, 0.3 and 0.2: (0.8 + 0.2) / 2; an epoch without pairs keeps it."""
    thresholds = chnr.Thresholds()
    thresholds.add(torch.tensor([0.9, 0.7]), torch.tensor([0.1, 0.3]))
    thresholds.add(torch.tensor([0.8]), torch.tensor([0.2]))
    thresholds.close_epoch()
    assert float(thresholds.threshold) == pytest.approx(0.5)
    thresholds.add(torch.tensor([1.0]), torch.tensor([0.6]))
    thresholds.close_epoch()
    assert float(thresholds.threshold) == pytest.approx(0.8)
    thresholds.close_epoch()
    assert float(thresholds.threshold) == pytest.approx(0.8)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 1000))
def test_strangers_are_of_another_category(categories: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    labels = torch.tensor(categories)
    other, found = chnr.strangers(labels)
    assert found.tolist() == [any(c != mine for c in categories) for mine in categories]
    assert (labels[other] != labels)[found].all()


def test_strangers_are_drawn_evenly() -> None:
    """Row 0 has four candidates; of 2,000 draws each gets about 500 (standard deviation 19)."""
    torch.manual_seed(0)
    labels = torch.tensor([0, 1, 1, 2, 2, 0])
    draws = torch.stack([chnr.strangers(labels)[0][0] for _ in range(2000)])
    counts = draws.bincount(minlength=6).tolist()
    assert counts[0] == counts[5] == 0
    assert all(400 < count < 600 for count in counts[1:5])


def test_view_terms_are_weighted_by_the_mean_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    images, views, texts, text_views = torch.randn(4, 6, 5, generator=generator)
    weight = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])  # mean 0.5
    found = chnr.weighted_contrast((images, views), (texts, text_views), weight, (1.0, 2.0, 3.0), 1.0)
    expected = weight * nt_xent(images, texts) + 0.5 * (2 * nt_xent(images, views) + 3 * nt_xent(texts, text_views))
    assert torch.allclose(found, expected)


def batch_of(pairs: int, *, shift: int = 0) -> HashBatch:
    """Texts that say their image's category; ``shift`` > 0 gives every image another one's text."""
    generator = torch.Generator().manual_seed(0)
    categories = torch.arange(pairs) % 4
    images = torch.nn.functional.one_hot(categories, 12).float() * 3 + 0.1 * torch.randn(pairs, 12, generator=generator)
    texts = torch.nn.functional.one_hot(categories, 10).float() * 3 + 0.1 * torch.randn(pairs, 10, generator=generator)
    texts = texts.roll(shift, 0)
    return HashBatch(
        images=images,
        image_views=images,
        texts=texts,
        text_views=texts,
        items=torch.arange(pairs),
        categories=categories,
    )


def trained_detector() -> chnr.Model:
    torch.manual_seed(0)
    sizes = {**chnr.SMALL, "items": 32, "clean_epochs": 1}
    model = chnr.Model(chnr.Config(**sizes)).train()
    model.start_epoch(0)
    assert model.clean_only(0)
    assert not model.clean_only(1)
    optimiser = torch.optim.AdamW(model.adversary_parameters(), lr=3e-3, betas=(0.5, 0.9), weight_decay=1e-3)
    for _ in range(150):
        loss = model.losses(batch_of(32))["adversary"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model


def test_first_stage_is_unweighted_and_the_second_weighs_wrong_pairs_down() -> None:
    model = trained_detector()
    assert (model.losses(batch_of(32))["weight"] == 1).all()
    model.start_epoch(1)
    model.train()
    assert not model.detector.training  # finished: no dropout, the same answer every time
    right, wrong = model.losses(batch_of(32)), model.losses(batch_of(32, shift=1))
    assert "adversary" not in right
    assert right["weight"].min() > wrong["weight"].max()
    assert 0 < float(model.thresholds.threshold) < 1
    assert torch.equal(right["weight"], model.losses(batch_of(32))["weight"])


def test_a_batch_of_one_category_has_no_false_pair() -> None:
    torch.manual_seed(0)
    model = chnr.Model(chnr.Config(**chnr.SMALL)).train()
    batch = batch_of(8)
    alone = HashBatch(**{**vars(batch), "categories": torch.zeros(8, dtype=torch.int64)})
    losses = model.losses(alone)
    assert float(losses["adversary"].detach()) == 0
    losses["adversary"].backward()
