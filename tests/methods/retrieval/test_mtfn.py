import math

import pytest
import torch

from geoglot.methods.retrieval import mtfn


@torch.no_grad()
def naive_scores(fusion: mtfn.Fusion, images: torch.Tensor, texts: torch.Tensor) -> list[list[float]]:
    size = images.shape[1]
    rank = fusion.rank
    scores = []
    for image in images:
        row = []
        for text in texts:
            fused = [0.0] * size
            for r in range(rank):
                for d in range(size):
                    at = r * size + d
                    left = float(fusion.image.weight[at] @ image + fusion.image.bias[at])
                    right = float(fusion.text.weight[at] @ text + fusion.text.bias[at])
                    fused[d] += left * right
            logit = sum(float(w) * f for w, f in zip(fusion.score.weight[0], fused, strict=True))
            row.append(1 / (1 + math.exp(-logit - float(fusion.score.bias))))
        scores.append(row)
    return scores


def test_parameter_count_of_the_paper() -> None:
    # ResNet-18 11,176,512; 512 * 1024 + 1024 = 525,312; uni-skip 21,751,200; 2400 * 1024 + 1024 = 2,458,624;
    # 2 * 20 (1024 * 1024 + 1024) = 41,984,000; 1024 + 1 = 1,025
    parts = [11_176_512, 525_312, 21_751_200, 2_458_624, 41_984_000, 1_025]
    assert mtfn.paper_parameters() == sum(parts) == 77_896_673


def test_fusion_by_hand() -> None:
    # D = 1, R = 2: W = (2, 1), b = (0, 1), U = (1, -1), c = (0.5, 0), w = 0.5, b = 0.25; v = 1, t = 2
    # f = (2 * 1) (2 + 0.5) + (1 + 1) (-2) = 5 - 4 = 1; logit 0.5 * 1 + 0.25 = 0.75; sigmoid 0.679179
    fusion = mtfn.Fusion(1, 2)
    with torch.no_grad():
        fusion.image.weight.copy_(torch.tensor([[2.0], [1.0]]))
        fusion.image.bias.copy_(torch.tensor([0.0, 1.0]))
        fusion.text.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        fusion.text.bias.copy_(torch.tensor([0.5, 0.0]))
        fusion.score.weight.fill_(0.5)
        fusion.score.bias.fill_(0.25)
    score = fusion(torch.tensor([[1.0]]), torch.tensor([[2.0]]))
    assert float(score.detach()) == pytest.approx(0.679179, abs=1e-6)


def test_fusion_equals_naive_loops() -> None:
    torch.manual_seed(0)
    fusion = mtfn.Fusion(5, 3).double()
    images, texts = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    expected = torch.tensor(naive_scores(fusion, images, texts), dtype=torch.float64)
    assert torch.allclose(fusion(images, texts), expected, atol=1e-12)


def test_gradients_equal_those_of_the_fused_vectors() -> None:
    torch.manual_seed(0)
    fusion = mtfn.Fusion(5, 3).double()
    images, texts = torch.randn(4, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    weights = torch.randn(4, 3, dtype=torch.float64)
    left, right = fusion.image(images).unflatten(1, (3, 5)), fusion.text(texts).unflatten(1, (3, 5))
    fused = (left[:, None] * right[None]).sum(2)
    explicit = torch.sigmoid(fusion.score(fused)).squeeze(2)
    parameters = list(fusion.parameters())
    wanted = torch.autograd.grad((explicit * weights).sum(), parameters)
    found = torch.autograd.grad((fusion(images, texts) * weights).sum(), parameters)
    for a, b in zip(found, wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_scores_are_probabilities_and_the_map_is_averaged() -> None:
    torch.manual_seed(0)
    model = mtfn.Model(mtfn.Config(**mtfn.SMALL)).eval()
    maps = torch.randn(3, 24, 4, 4)
    images = model.image_features((maps, maps, maps, maps))
    shuffled = maps.flatten(2)[:, :, torch.randperm(16)].view_as(maps)
    assert torch.allclose(images[0], model.image_features((shuffled,) * 4)[0], atol=1e-6)
    scores = model.similarity(images, model.text_features(torch.tensor([[3, 4], [5, 0]])))
    assert scores.shape == (3, 2)
    assert ((scores > 0) & (scores < 1)).all()


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    model = mtfn.Model(mtfn.Config(**{**mtfn.SMALL, "dropout": 0.5, "text_dropout": 0.5}))
    tokens = torch.tensor([[3, 4, 9], [5, 0, 0]])
    assert not torch.equal(model.text_features(tokens)[0], model.text_features(tokens)[0])
    model.eval()
    assert torch.equal(model.text_features(tokens)[0], model.text_features(tokens)[0])
