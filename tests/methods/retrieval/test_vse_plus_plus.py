import pytest
import torch
from torch.nn.functional import normalize

from geoglot.methods.retrieval import vse_plus_plus
from geoglot.nn.batch import PairBatch


def batch_of(count: int, sentences: list[int] | None = None) -> PairBatch:
    generator = torch.Generator().manual_seed(3)
    return PairBatch(
        images=torch.zeros(count, 0),
        pyramid=tuple(torch.rand(count, width, 4, 4, generator=generator) for width in (8, 12, 16, 24)),
        items=torch.arange(count),
        tokens=torch.randint(1, 40, (2 * count, 5), generator=generator),
        sentences=torch.tensor(sentences or list(range(2 * count))),
        translations=torch.zeros(0, 2, dtype=torch.int64),
        categories=torch.zeros(count, dtype=torch.int64),
        words=torch.zeros(count, 1),
    )


def test_parameter_count_of_the_paper() -> None:
    # ResNet-18 without classifier 11,176,512 + 512 * 1024 + 1024 = 525,312 + recurrent layer 4,073,472
    assert vse_plus_plus.paper_parameters() == 11_176_512 + 525_312 + 4_073_472 == 15_775_296


def test_image_vector_by_hand() -> None:
    model = vse_plus_plus.Model(vse_plus_plus.Config(channels=(1, 1, 1, 2), dimension=2, vocabulary=5, word_width=3))
    with torch.no_grad():
        model.projection.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    # mean cell (3, 4), unit (0.6, 0.8), projected (1.2, 0.8), norm sqrt(2.08) = 1.442221
    cells = torch.tensor([[[[1.0, 5.0]], [[0.0, 8.0]]]])
    vector = model.encode_image((cells, cells, cells, cells))
    assert vector[0].tolist() == pytest.approx([1.2 / 1.442221, 0.8 / 1.442221], abs=1e-6)


def test_loss_takes_the_hardest_wrong_text_and_image() -> None:
    torch.manual_seed(0)
    model = vse_plus_plus.Model(vse_plus_plus.Config(**vse_plus_plus.SMALL))
    batch = batch_of(5)
    with torch.no_grad():
        losses = model.losses(batch)
        scores = model.encode_image(batch.pyramid) @ model.encode_text(batch.tokens[:5]).T
    for i in range(5):
        others = [j for j in range(5) if j != i]
        row = max(0.0, max(0.2 + float(scores[i, j] - scores[i, i]) for j in others))
        column = max(0.0, max(0.2 + float(scores[j, i] - scores[i, i]) for j in others))
        assert float(losses["image_to_text"][i]) == pytest.approx(row, abs=1e-6)
        assert float(losses["text_to_image"][i]) == pytest.approx(column, abs=1e-6)
    assert torch.isclose(losses["total"], losses["image_to_text"].sum() + losses["text_to_image"].sum())


def test_repeated_captions_cost_nothing_when_masked() -> None:
    torch.manual_seed(0)
    model = vse_plus_plus.Model(vse_plus_plus.Config(**vse_plus_plus.SMALL, mask_duplicates=True))
    assert model.losses(batch_of(4, sentences=[7] * 8))["total"] == 0
    assert model.losses(batch_of(4))["total"] > 0


def test_sum_of_negatives_is_the_earlier_method() -> None:
    torch.manual_seed(0)
    hardest = vse_plus_plus.Model(vse_plus_plus.Config(**vse_plus_plus.SMALL))
    everything = vse_plus_plus.Model(vse_plus_plus.Config(**vse_plus_plus.SMALL, negatives="sum"))
    everything.load_state_dict(hardest.state_dict())
    assert everything.losses(batch_of(5))["total"] > hardest.losses(batch_of(5))["total"]


def test_only_the_first_text_of_an_image_is_used() -> None:
    torch.manual_seed(0)
    model = vse_plus_plus.Model(vse_plus_plus.Config(**vse_plus_plus.SMALL))
    assert model.losses(batch_of(4))["image_to_text"].shape == (4,)
    vectors = normalize(model.text(batch_of(4).tokens), dim=1)
    assert torch.allclose(vectors, model.encode_text(batch_of(4).tokens))
