import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from geoglot.nn.recurrent import (
    LastStateEncoder,
    Recurrence,
    SkipThoughtEncoder,
    WordEncoder,
    last_state,
    reverse_words,
    sequence_dropout,
    text_lengths,
)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def naive_states(layer: Recurrence, words: torch.Tensor) -> list[list[float]]:
    """One text, one number at a time. (L, D) -> L rows of H."""
    hidden, inputs = layer.hidden, words.shape[1]
    weight_in, weight_state = layer.weight_input.tolist(), layer.weight_hidden.tolist()
    bias_in, bias_state = layer.bias_input.tolist(), layer.bias_hidden.tolist()
    state, states = [0.0] * hidden, []
    for word in words.tolist():

        def side(gate: int, unit: int, word: list[float] = word, state: list[float] = state) -> tuple[float, float]:
            row = gate * hidden + unit
            from_word = bias_in[row] + sum(weight_in[row][k] * word[k] for k in range(inputs))
            from_state = bias_state[row] + sum(weight_state[row][k] * state[k] for k in range(hidden))
            return from_word, from_state

        following = []
        for unit in range(hidden):
            reset = sigmoid(sum(side(0, unit)))
            update = sigmoid(sum(side(1, unit)))
            new_word, new_state = side(2, unit)
            new = math.tanh(new_word + reset * new_state)
            following.append((1 - update) * new + update * state[unit])
        state = following
        states.append(state)
    return states


def test_one_unit_by_hand() -> None:
    layer = Recurrence(1, 1, hidden_bias=False)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(1.0)
    states = layer(torch.tensor([[[1.0], [0.0]]]), torch.tensor([2]))
    # step 1: r = z = sigmoid(1 + 1) = 0.880797, n = tanh(2) = 0.964028, h = (1 - z) n = 0.114915
    # step 2: r = z = sigmoid(1 + 0.114915) = 0.753044, n = tanh(1 + 0.753044 * 0.114915) = tanh(1.086536) = 0.795610
    #         h = 0.246956 * 0.795610 + 0.753044 * 0.114915 = 0.196481 + 0.086536 = 0.283017
    assert states.flatten().tolist() == pytest.approx([0.114915, 0.283017], abs=2e-6)


@pytest.mark.parametrize("hidden_bias", [True, False])
def test_recurrence_equals_naive_loops(hidden_bias: bool) -> None:
    torch.manual_seed(0)
    layer = Recurrence(3, 4, hidden_bias=hidden_bias)
    words, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 3])
    states = layer(words, lengths)
    for row, length in enumerate(lengths.tolist()):
        expected = torch.tensor(naive_states(layer, words[row, :length]))
        assert torch.allclose(states[row, :length], expected, atol=1e-6)
        assert (states[row, length:] == 0).all()


def test_recurrence_equals_the_layer_of_pytorch() -> None:
    torch.manual_seed(0)
    layer, reference = Recurrence(3, 4), torch.nn.GRU(3, 4, batch_first=True)
    reference.load_state_dict(
        {
            "weight_ih_l0": layer.weight_input,
            "weight_hh_l0": layer.weight_hidden,
            "bias_ih_l0": layer.bias_input,
            "bias_hh_l0": layer.bias_hidden,
        }
    )
    words = torch.randn(2, 6, 3)
    assert torch.allclose(layer(words, torch.tensor([6, 6])), reference(words)[0], atol=1e-6)


def test_dropout_path_without_dropping_is_the_plain_recurrence() -> None:
    torch.manual_seed(0)
    layer = Recurrence(3, 4, hidden_bias=False, dropout=1e-12).train()
    words, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 3])
    assert torch.allclose(layer(words, lengths), layer.eval()(words, lengths), atol=1e-6)


def test_dropout_path_keeps_both_biases() -> None:
    torch.manual_seed(0)
    layer = Recurrence(3, 4, dropout=1e-12).train()
    words, lengths = torch.randn(3, 5, 3), torch.tensor([5, 1, 3])
    assert torch.allclose(layer(words, lengths), layer.eval()(words, lengths), atol=1e-6)


def test_sequence_dropout_keeps_the_mean_and_differs_between_masks() -> None:
    torch.manual_seed(0)
    masks = sequence_dropout(torch.zeros(50, 40), 3, 0.25)
    assert masks.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert float(masks.mean()) == pytest.approx(1.0, abs=0.03)
    assert not torch.equal(masks[0], masks[1])


def test_text_lengths_and_last_state() -> None:
    lengths = text_lengths(torch.tensor([[1, 2, 3], [4, 0, 0], [0, 0, 0]]))
    assert lengths.tolist() == [3, 1, 1]
    states = torch.arange(9.0).view(3, 3, 1)
    assert last_state(states, lengths).flatten().tolist() == [2.0, 3.0, 6.0]


def test_reverse_words_is_its_own_inverse() -> None:
    words, lengths = torch.randn(3, 4, 2), torch.tensor([4, 2, 1])
    once = reverse_words(words, lengths)
    assert torch.equal(once[1], words[1][[1, 0, 2, 3]])
    assert torch.equal(reverse_words(once, lengths), words)


def test_word_encoder_is_the_mean_of_two_directions() -> None:
    torch.manual_seed(0)
    encoder = WordEncoder(vocabulary=9, width=3, hidden=4)
    states, lengths = encoder(torch.tensor([[3, 8, 5, 0], [2, 0, 0, 0]]))
    assert lengths.tolist() == [3, 1]
    words = encoder.embedding.weight[[3, 8, 5]].detach()
    forwards = torch.tensor(naive_states(encoder.forwards, words))
    backwards = torch.tensor(naive_states(encoder.backwards, words.flip(0))).flip(0)
    assert torch.allclose(states[0, :3], (forwards + backwards) / 2, atol=1e-6)
    assert (states[0, 3] == 0).all()


@pytest.mark.parametrize("kind", [LastStateEncoder, SkipThoughtEncoder, WordEncoder])
@pytest.mark.parametrize("training", [False, True])
def test_padding_neighbours_and_order_change_nothing(kind: type[torch.nn.Module], training: bool) -> None:
    torch.manual_seed(0)
    options = {"dropout": 0.0} if kind is SkipThoughtEncoder else {}
    encoder = kind(vocabulary=20, width=6, hidden=8, **options).train(training)
    tokens = torch.tensor([[3, 4, 5, 6], [7, 0, 0, 0], [0, 0, 0, 0], [9, 8, 0, 0]])

    def vectors(rows: torch.Tensor) -> torch.Tensor:
        out = encoder(rows)
        return out[0][:, 0] if isinstance(out, tuple) else out

    together = vectors(tokens)
    assert torch.isfinite(together).all()
    wide = torch.cat([tokens, torch.zeros(4, 3, dtype=torch.int64)], 1)
    assert torch.allclose(vectors(wide), together, atol=1e-6)
    assert torch.allclose(vectors(tokens.flip(0)), together.flip(0), atol=1e-6)
    assert torch.allclose(vectors(tokens[1:2, :1]), together[1:2], atol=1e-6)


def test_encoders_export_to_onnx_for_any_batch_and_length(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for encoder in (LastStateEncoder(vocabulary=20, width=6, hidden=8), SkipThoughtEncoder(vocabulary=20, hidden=8)):
        graph = tmp_path / "text.onnx"
        axes = {"tokens": {0: "texts", 1: "words"}, "vectors": {0: "texts"}}
        names: dict[str, Any] = {"input_names": ["tokens"], "output_names": ["vectors"], "dynamic_axes": axes}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.filterwarnings("ignore", "Exporting a model to ONNX with a batch_size other than 1")
            torch.onnx.export(encoder.eval(), (torch.tensor([[3, 4, 5, 0]]),), str(graph), dynamo=False, **names)
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
        tokens = torch.tensor([[3, 4, 5, 6, 7, 8], [7, 9, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
        (vectors,) = session.run(None, {"tokens": tokens.numpy()})
        assert np.abs(vectors - encoder(tokens).detach().numpy()).max() < 1e-5


@pytest.mark.parametrize("kind", [LastStateEncoder, SkipThoughtEncoder, WordEncoder])
def test_gradients_reach_every_weight_and_never_the_padding(kind: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    encoder = kind(vocabulary=10, width=6, hidden=8).train()
    out = encoder(torch.tensor([[3, 4, 5], [7, 0, 0], [0, 0, 0]]))
    (out[0] if isinstance(out, tuple) else out).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert encoder.embedding.weight.grad[0].abs().sum() == 0


def test_parameters_of_the_papers() -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    with torch.device("meta"):
        # 3 (300 * 1024 + 1024 * 1024 + 2 * 1024)
        assert count(LastStateEncoder(vocabulary=10).recurrence) == 4_073_472
        words = WordEncoder(vocabulary=10)
        assert count(words.forwards) + count(words.backwards) == 2_500_608
        skip = SkipThoughtEncoder(vocabulary=1350)
    assert count(skip.recurrence) == 21_751_200
    assert count(skip) == 21_751_200 + 1350 * 620
