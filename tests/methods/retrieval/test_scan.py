import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from geoglot.methods.retrieval import scan

REGIONS = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
WORDS = torch.tensor([[[1.0, 0.0], [0.6, 0.8]]])
BOTH = torch.tensor([[True, True]])


def naive_score(regions: Tensor, words: Tensor, config: scan.Config, sharpness: tuple[float, float]) -> Tensor:
    """One image and one text without padding, number by number. (R, D), (L, D) -> ()."""
    queries, contexts = (words, regions) if config.variant == "t2i" else (regions, words)
    cosines = [[q @ c for q in queries] for c in contexts]
    normalised = []
    for row in cosines:
        if config.normalisation == "softmax":
            total = sum(value.exp() for value in row)
            normalised.append([value.exp() / total for value in row])
        else:
            clipped = [value if value > 0 else config.slope * value for value in row]
            norm = sum(value**2 for value in clipped) ** 0.5
            normalised.append([value / norm for value in clipped])
    matches = []
    for k, query in enumerate(queries):
        weights = [(sharpness[0] * normalised[c][k]).exp() for c in range(len(contexts))]
        attended = sum(w / sum(weights) * context for w, context in zip(weights, contexts, strict=True))
        matches.append((attended @ query) / (attended.norm() * query.norm()))
    if config.pooling == "avg":
        return sum(matches) / len(matches)
    return sum((sharpness[1] * match).exp() for match in matches).log() / sharpness[1]


def model(**options: object) -> scan.Model:
    torch.manual_seed(0)
    return scan.Model(scan.Config(**{**scan.SMALL, **options})).eval()


def random_features(images: int, lengths: list[int], *, regions: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randn(images, regions, 6, generator=generator, dtype=torch.float64)
    words = torch.randn(len(lengths), max(lengths), 6, generator=generator, dtype=torch.float64)
    for row, length in enumerate(lengths):
        words[row, length:] = 0
    return normalize(cells, dim=-1), normalize(words, dim=-1)


def test_parameter_count_of_the_paper() -> None:
    # ResNet-18 without classifier 11,176,512 + two directions of 3 (300 * 512 + 512 * 512 + 2 * 512) = 2,500,608
    assert scan.paper_parameters("t2i") == scan.paper_parameters("i2t") == 11_176_512 + 2_500_608 == 13_677_120


def test_words_look_for_regions_by_hand() -> None:
    # cosines of regions (rows) with words: [[1, 0.6], [0, 0.8]]. Along the words, region 1 has norm sqrt(1.36):
    # [[0.857493, 0.514496], [0, 1]]. lambda1 = 1.
    # word 1: softmax(0.857493, 0) = (0.702137, 0.297863) is the context itself (the regions are the axes), norm
    #         0.762705, so R1 = 0.702137 / 0.762705 = 0.920588
    # word 2: softmax(0.514496, 1) = (0.380953, 0.619047), norm 0.726873,
    #         R2 = (0.6 * 0.380953 + 0.8 * 0.619047) / 0.726873 = 0.995785
    options = {"slope": 0.0, "sharpness": 1.0}
    matches = scan.attended_cosines(WORDS, BOTH, REGIONS, BOTH, **options)
    assert matches.flatten().tolist() == pytest.approx([0.920588, 0.995785], abs=1e-6)
    # mean 0.958187; log(e^0.920588 + e^0.995785) = log 5.217614 = 1.652040
    assert float(scan.pooled(matches, BOTH, pooling="avg", sharpness=1.0)) == pytest.approx(0.958187, abs=1e-6)
    assert float(scan.pooled(matches, BOTH, pooling="lse", sharpness=1.0)) == pytest.approx(1.652040, abs=1e-6)


def test_regions_look_for_words_by_hand() -> None:
    # cosines of words (rows) with regions: [[1, 0], [0.6, 0.8]], both of norm 1 along the regions. lambda1 = 1.
    # region 1: softmax(1, 0.6) = (0.598688, 0.401312), context (0.839475, 0.321050), norm 0.898772, R1 = 0.934024
    # region 2: softmax(0, 0.8) = (0.310026, 0.689974), context (0.724010, 0.551980), norm 0.910424, R2 = 0.606288
    matches = scan.attended_cosines(REGIONS, BOTH, WORDS, BOTH, slope=0.0, sharpness=1.0)
    assert matches.flatten().tolist() == pytest.approx([0.934024, 0.606288], abs=1e-6)


def test_negative_cosines_keep_a_tenth() -> None:
    # clipped to (0.3, -0.04): norm sqrt(0.09 + 0.0016) = 0.302655
    mask = torch.tensor([True, True])
    cosines = torch.tensor([0.3, -0.4])
    kept = scan.normalised_cosines(cosines, mask, normalisation="clipped_l2norm", slope=0.1)
    assert kept.tolist() == pytest.approx([0.3 / 0.302655, -0.04 / 0.302655], abs=1e-5)
    dropped = scan.normalised_cosines(cosines, mask, normalisation="clipped_l2norm", slope=0.0)
    assert dropped.tolist() == [1.0, 0.0]


def test_lambdas_of_the_paper() -> None:
    assert (model().attention_sharpness, model().pooling_sharpness) == (9.0, 6.0)
    other = model(variant="i2t")
    assert (other.attention_sharpness, other.pooling_sharpness) == (4.0, 5.0)
    assert model(attention_sharpness=0.0).attention_sharpness == 0.0


CHOICES = list(itertools.product(("t2i", "i2t"), ("clipped_l2norm", "softmax"), ("lse", "avg")))


@pytest.mark.parametrize(("variant", "normalisation", "pooling"), CHOICES)
def test_scores_and_gradients_equal_naive_loops(variant: str, normalisation: str, pooling: str) -> None:
    lengths = [4, 1, 3, 2, 4]
    scorer = model(variant=variant, normalisation=normalisation, pooling=pooling, block=60)
    leaves = [features.requires_grad_() for features in random_features(3, lengths)]
    regions, words = (normalize(leaf, dim=-1) for leaf in leaves)
    scores = scorer.similarity((regions,), (words, torch.tensor(lengths)))
    sharpness = scorer.attention_sharpness, scorer.pooling_sharpness
    expected = torch.stack(
        [
            torch.stack(
                [naive_score(regions[i], words[j, :n], scorer.config, sharpness) for j, n in enumerate(lengths)]
            )
            for i in range(3)
        ]
    )
    assert torch.allclose(scores, expected, atol=1e-10)
    weights = torch.randn(3, 5, dtype=torch.float64)
    found = torch.autograd.grad((scores * weights).sum(), leaves, retain_graph=True)
    wanted = torch.autograd.grad((expected * weights).sum(), leaves)
    assert torch.allclose(found[0], wanted[0], atol=1e-9)
    for row, length in enumerate(lengths):
        assert torch.allclose(found[1][row, :length], wanted[1][row, :length], atol=1e-9)


@pytest.mark.parametrize("variant", ["t2i", "i2t"])
def test_blocks_change_nothing(variant: str) -> None:
    lengths = [7, 1, 3, 2, 4, 4, 7, 1]
    regions, words = random_features(6, lengths, seed=4)
    features = (regions,), (words, torch.tensor(lengths))
    whole = model(variant=variant, block=1 << 30).similarity(*features)
    for block in (1, 64, 1000):
        assert torch.allclose(model(variant=variant, block=block).similarity(*features), whole, atol=1e-12)


def test_no_texts_have_no_scores() -> None:
    regions, words = random_features(2, [3])
    assert model().similarity((regions,), (words[:0], torch.zeros(0, dtype=torch.int64))).shape == (2, 0)


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 5000))
@settings(max_examples=60, deadline=None)
def test_text_blocks_cover_all_texts_in_order(lengths: list[int], budget: int) -> None:
    lengths = sorted(lengths)
    blocks = scan.text_blocks(lengths, budget=budget)
    assert [k for block in blocks for k in range(block.start, block.stop)] == list(range(len(lengths)))
    for block in blocks:
        assert block.stop > block.start
        padded = (block.stop - block.start) * lengths[block.stop - 1]
        assert padded**2 <= budget or block.stop - block.start == 1


def test_regions_are_the_cells_of_the_last_map_row_by_row() -> None:
    cells = torch.arange(24 * 6.0).view(1, 24, 2, 3) + 1
    (regions,) = model().image_features((cells, cells, cells, cells))
    assert regions.shape == (1, 6, 24)
    assert torch.allclose(regions[0, 4], normalize(cells[0, :, 1, 1], dim=0))


def test_identical_words_and_regions_score_highest() -> None:
    # a text whose words are the regions of an image beats any other text of that length for that image
    regions, words = random_features(4, [5, 5, 5], seed=2)
    words = torch.cat([words, regions[:1]])
    lengths = torch.tensor([5, 5, 5, 5])
    for variant in ("t2i", "i2t"):
        scores = model(variant=variant).similarity((regions,), (words, lengths))
        assert int(scores[0].argmax()) == 3
        assert int(scores[:, 3].argmax()) == 0


@torch.no_grad()
@pytest.mark.parametrize(("variant", "axis"), [("t2i", 2), ("i2t", 1)])
def test_word_region_attention_explains_the_score(variant: str, axis: int) -> None:
    scorer = model(variant=variant)
    tokens = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0]])
    pyramid = tuple(torch.randn(2, width, 3, 3) for width in (8, 12, 16, 24))
    weights = scorer.word_region_attention(pyramid, tokens)
    assert weights.shape == (2, 4, 9)
    sums = weights.sum(axis)
    assert (weights[1, 2:] == 0).all()
    assert torch.allclose(sums[sums > 0], torch.ones_like(sums[sums > 0]), atol=1e-6)
    # the contexts made of these weights give the scores back
    (regions,), (words, lengths) = scorer.image_features(pyramid), scorer.text_features(tokens)
    scores = scorer.similarity((regions,), (words, lengths))
    for row, length in enumerate([4, 2]):
        if variant == "t2i":
            contexts, queries = weights[row, :length] @ regions[row], words[row, :length]
        else:
            contexts, queries = weights[row, :length].T @ words[row, :length], regions[row]
        matches = torch.cosine_similarity(contexts, queries)
        expected = (scorer.pooling_sharpness * matches).logsumexp(0) / scorer.pooling_sharpness
        assert float(scores[row, row]) == pytest.approx(float(expected), abs=1e-5)
