import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoglot.nn.hinge import bidirectional_hinge, duplicate_pairs


def naive_hinge(
    scores: list[list[float]], margin: float, negatives: str, duplicates: list[list[bool]]
) -> tuple[list[float], list[float]]:
    size = len(scores)
    rows, columns = [], []
    for a in range(size):
        along_row, along_column = [], []
        for b in range(size):
            if a != b and not duplicates[a][b]:
                along_row.append(max(0.0, margin + scores[a][b] - scores[a][a]))
            if a != b and not duplicates[b][a]:
                along_column.append(max(0.0, margin + scores[b][a] - scores[a][a]))
        pick = sum if negatives == "sum" else (lambda values: max(values, default=0.0))
        rows.append(float(pick(along_row)))
        columns.append(float(pick(along_column)))
    return rows, columns


SCORES = torch.tensor([[0.6, 0.5, 0.7], [0.1, 0.3, 0.2], [0.0, 0.4, 0.9]])


def test_sum_by_hand() -> None:
    # margin 0.2. Image 0 (own 0.6): 0.2+0.5-0.6 = 0.1 and 0.2+0.7-0.6 = 0.3, sum 0.4. Image 1 (own 0.3): 0.0 and
    # 0.2+0.2-0.3 = 0.1. Image 2 (own 0.9): none.
    # Text 0 (own 0.6): none. Text 1 (own 0.3): 0.2+0.5-0.3 = 0.4 and 0.2+0.4-0.3 = 0.3, sum 0.7. Text 2: none.
    rows, columns = bidirectional_hinge(SCORES)
    assert rows.tolist() == pytest.approx([0.4, 0.1, 0.0], abs=1e-6)
    assert columns.tolist() == pytest.approx([0.0, 0.7, 0.0], abs=1e-6)


def test_hardest_by_hand() -> None:
    rows, columns = bidirectional_hinge(SCORES, negatives="hardest")
    assert rows.tolist() == pytest.approx([0.3, 0.1, 0.0], abs=1e-6)
    assert columns.tolist() == pytest.approx([0.0, 0.4, 0.0], abs=1e-6)


def test_duplicates_cost_nothing_and_leave_the_next_hardest() -> None:
    duplicates = torch.zeros(3, 3, dtype=torch.bool)
    duplicates[0, 2] = True
    rows, columns = bidirectional_hinge(SCORES, negatives="hardest", duplicates=duplicates)
    assert rows.tolist() == pytest.approx([0.1, 0.1, 0.0], abs=1e-6)
    assert columns.tolist() == pytest.approx([0.0, 0.4, 0.0], abs=1e-6)


@pytest.mark.parametrize("negatives", ["sum", "hardest"])
def test_a_duplicate_of_everything_and_a_batch_of_one_cost_nothing(negatives: str) -> None:
    everything = torch.ones(3, 3, dtype=torch.bool)
    for scores, duplicates in ((SCORES, everything), (SCORES[:1, :1], None)):
        rows, columns = bidirectional_hinge(scores, negatives=negatives, duplicates=duplicates)
        assert rows.sum() + columns.sum() == 0


def test_only_one_of_tied_hardest_negatives_is_pushed() -> None:
    scores = torch.tensor([[0.5, 0.6, 0.6], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0]], requires_grad=True)
    rows, columns = bidirectional_hinge(scores, negatives="hardest")
    # image 0: two wrong texts at 0.6, loss 0.2 + 0.6 - 0.5 = 0.3; the gradient goes to the first of them whole
    assert float(rows[0].detach()) == pytest.approx(0.3)
    rows.sum().backward()
    assert scores.grad is not None
    assert scores.grad[0].tolist() == [-1.0, 1.0, 0.0]
    assert columns.tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.sampled_from(["sum", "hardest"]), st.floats(0, 1), st.integers(0, 10_000))
def test_hinge_equals_naive_loops(size: int, negatives: str, margin: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(size, size, generator=generator)
    duplicates = torch.rand(size, size, generator=generator) > 0.7
    rows, columns = bidirectional_hinge(scores, margin=margin, negatives=negatives, duplicates=duplicates)
    expected = naive_hinge(scores.tolist(), margin, negatives, duplicates.tolist())
    assert rows.tolist() == pytest.approx(expected[0], abs=1e-5)
    assert columns.tolist() == pytest.approx(expected[1], abs=1e-5)


def test_duplicate_pairs_share_an_image_or_a_sentence() -> None:
    pairs = duplicate_pairs(torch.tensor([0, 1, 0, 2]), torch.tensor([5, 6, 7, 6]))
    expected = torch.eye(4, dtype=torch.bool)
    expected[0, 2] = expected[2, 0] = expected[1, 3] = expected[3, 1] = True
    assert torch.equal(pairs, expected)
