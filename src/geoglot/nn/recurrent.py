"""Recurrent text encoders: token ids to the states of a gated recurrent unit (Cho et al. 2014).

A step of the recurrence, * the product of entries:

    r = sigmoid(W_r x + b_r + U_r h)
    z = sigmoid(W_z x + b_z + U_z h)
    n = tanh(W_n x + b_n + r * (U_n h))
    h <- (1 - z) * n + z * h

with a second bias on the side of U where the encoder has one. Texts are (T, L) int64 with 0 = padding on the right; no
result depends on the padding, and a text without words counts as one padding token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def text_lengths(tokens: Tensor) -> Tensor:
    """Number of tokens of each text, at least 1. (T, L) int64 -> (T,) int64.

    Example:
        >>> text_lengths(torch.tensor([[4, 7, 0], [0, 0, 0]]))
        tensor([2, 1])
    """
    return (tokens != 0).sum(1).clamp(min=1)


def word_mask(lengths: Tensor, width: int) -> Tensor:
    """True where a text has a word. (T,) -> (T, width) bool."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]


def last_state(states: Tensor, lengths: Tensor) -> Tensor:
    """The state after each text's last word. (T, L, H), (T,) -> (T, H)."""
    index = (lengths - 1)[:, None, None].expand(-1, 1, states.shape[2])
    return states.gather(1, index).squeeze(1)


def reverse_words(words: Tensor, lengths: Tensor) -> Tensor:
    """Each text read from its end; the padding stays at the right. (T, L, D), (T,) -> (T, L, D).

    Example:
        >>> reverse_words(torch.tensor([[[1], [2], [0]]]), torch.tensor([2])).flatten().tolist()
        [2, 1, 0]
    """
    position = torch.arange(words.shape[1], device=words.device)
    mirrored = lengths[:, None] - 1 - position
    index = torch.where(mirrored >= 0, mirrored, position)
    return words.gather(1, index[:, :, None].expand_as(words))


def sequence_dropout(like: Tensor, count: int, probability: float) -> Tensor:
    """Masks of variational dropout: one per text, the same at every step (Gal and Ghahramani 2016).

    Args:
        like: (T, D), for the shape, dtype and device.
        count: Number of independent masks.
        probability: Share of the entries that is dropped, in [0, 1).

    Returns:
        (count, T, D), entries 0 or 1 / (1 - probability).
    """
    kept = torch.rand(count, *like.shape, device=like.device) >= probability
    return kept.to(like.dtype) / (1 - probability)


def reading_order(lengths: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """All words, first words first, longest text first, so that a step of a recurrence is one matrix product.

    Args:
        lengths: (T,) int64, each at least 1.

    Returns:
        (N,) text and (N,) position of each of the N words, and how many texts have a word at each step.

    Example:
        >>> reading_order(torch.tensor([1, 3]))  # first words of texts 1 and 0, then the rest of text 1
        (tensor([1, 0, 1, 1]), tensor([0, 0, 1, 2]), [2, 1, 1])
    """
    order = lengths.argsort(descending=True, stable=True)
    steps = torch.arange(int(lengths.max()), device=lengths.device)
    present = lengths[order] > steps[:, None]
    step, place = present.nonzero(as_tuple=True)
    return order[place], step, present.sum(1).tolist()


class Recurrence(nn.Module):
    """One layer of gated recurrent units, read from left to right. (T, L, D), (T,) -> (T, L, H).

    Args:
        inputs: Width D of a word vector.
        hidden: Width H of the state.
        hidden_bias: A second bias on the side of the state, as cuDNN and PyTorch have it.
        dropout: Variational dropout of words and states while training, one mask per text and gate.

    Example:
        >>> states = Recurrence(3, 5)(torch.zeros(2, 4, 3), torch.tensor([4, 1]))
        >>> states.shape, states[1, 1:].abs().sum().item()
        (torch.Size([2, 4, 5]), 0.0)
    """

    bias_hidden: Tensor

    def __init__(self, inputs: int, hidden: int, *, hidden_bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = hidden
        self.dropout = dropout
        bound = 1 / math.sqrt(hidden)
        self.weight_input = nn.Parameter(torch.empty(3 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hidden = nn.Parameter(torch.empty(3 * hidden, hidden).uniform_(-bound, bound))
        self.bias_input = nn.Parameter(torch.empty(3 * hidden).uniform_(-bound, bound))
        if hidden_bias:
            self.bias_hidden = nn.Parameter(torch.empty(3 * hidden).uniform_(-bound, bound))
        else:
            self.register_buffer("bias_hidden", torch.zeros(3 * hidden), persistent=False)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """States after every word, 0 behind the end of a text. (T, L, D), (T,) int64 -> (T, L, H)."""
        if torch.onnx.is_in_onnx_export():
            return self._exported(words) * word_mask(lengths, words.shape[1])[:, :, None].to(words.dtype)
        rows, steps, sizes = reading_order(lengths)
        masked = self.training and self.dropout > 0
        word_masks = sequence_dropout(words[:, 0], 3, self.dropout) if masked else None
        present = words[rows, steps]
        if word_masks is None:
            inputs = F.linear(present, self.weight_input, self.bias_input)
        else:
            gates = zip(word_masks, self.weight_input.chunk(3), self.bias_input.chunk(3), strict=True)
            inputs = torch.cat([F.linear(present * mask[rows], weight, bias) for mask, weight, bias in gates], 1)
        states = self._states(inputs, sizes, masked=masked)
        out = states.new_zeros(*words.shape[:2], self.hidden)
        return out.index_put((rows, steps), states)

    def _states(self, inputs: Tensor, sizes: list[int], *, masked: bool) -> Tensor:
        """The recurrence over words in reading order. (N, 3 H) -> (N, H)."""
        state = inputs.new_zeros(sizes[0], self.hidden)
        masks = sequence_dropout(state, 3, self.dropout) if masked else None
        weights = self.weight_hidden.view(3, self.hidden, self.hidden).transpose(1, 2)
        biases = self.bias_hidden.view(3, 1, self.hidden)
        states = []
        for step in torch.split(inputs, sizes):
            state = state[: len(step)]
            if masks is None:
                reset_state, update_state, new_state = F.linear(state, self.weight_hidden, self.bias_hidden).chunk(3, 1)
            else:
                dropped = state * masks[:, : len(step)]
                reset_state, update_state, new_state = torch.baddbmm(biases, dropped, weights).unbind(0)
            reset_word, update_word, new_word = step.chunk(3, 1)
            reset, update = torch.sigmoid(reset_word + reset_state), torch.sigmoid(update_word + update_state)
            state = torch.lerp(torch.tanh(torch.addcmul(new_word, reset, new_state)), state, update)
            states.append(state)
        return torch.cat(states)

    def _exported(self, words: Tensor) -> Tensor:
        """The same as one operator that ONNX knows; what follows a text's end cannot change what came before."""
        start = words.new_zeros(1, words.shape[0], self.hidden)
        weights = [self.weight_input, self.weight_hidden, self.bias_input, self.bias_hidden]
        states: Tensor = torch.gru(words, start, weights, True, 1, 0.0, False, False, True)[0]
        return states


class LastStateEncoder(nn.Module):
    """The state after the last word, the text encoder of VSE++. (T, L) -> (T, H).

    Args:
        vocabulary: Number of token ids, padding included.
        width: Width of a word vector.
        hidden: Width H of the result.

    Example:
        >>> LastStateEncoder(vocabulary=50, width=6, hidden=8)(torch.tensor([[3, 4], [5, 0]])).shape
        torch.Size([2, 8])
    """

    def __init__(self, *, vocabulary: int, width: int = 300, hidden: int = 1024) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.recurrence = Recurrence(width, hidden)
        with torch.no_grad():
            self.embedding.weight[1:].uniform_(-0.1, 0.1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, H), not normalised."""
        lengths = text_lengths(tokens)
        return last_state(self.recurrence(self.embedding(tokens), lengths), lengths)


class WordEncoder(nn.Module):
    """A state per word, the mean of both reading directions, the text encoder of SCAN. (T, L) -> (T, L, H), (T,).

    Args:
        vocabulary: Number of token ids, padding included.
        width: Width of a word vector.
        hidden: Width H of a state.

    Example:
        >>> states, lengths = WordEncoder(vocabulary=50, width=6, hidden=8)(torch.tensor([[3, 4], [5, 0]]))
        >>> states.shape, lengths.tolist()
        (torch.Size([2, 2, 8]), [2, 1])
    """

    def __init__(self, *, vocabulary: int, width: int = 300, hidden: int = 512) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.forwards = Recurrence(width, hidden)
        self.backwards = Recurrence(width, hidden)
        with torch.no_grad():
            self.embedding.weight[1:].uniform_(-0.1, 0.1)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(T, L) int64, 0 = padding -> states (T, L, H), 0 behind the end of a text, and lengths (T,)."""
        lengths = text_lengths(tokens)
        words = self.embedding(tokens)
        backwards = reverse_words(self.backwards(reverse_words(words, lengths), lengths), lengths)
        return (self.forwards(words, lengths) + backwards) / 2, lengths


class SkipThoughtEncoder(nn.Module):
    """The last state of uni-skip (Kiros et al. 2015) as the AMFMN family uses it. (T, L) -> (T, H).

    Without its embedding it has 3 (620 * 2400 + 2400) + 3 * 2400 * 2400 = 21,751,200 parameters.

    Args:
        vocabulary: Number of token ids, padding included.
        width: Width of a word vector.
        hidden: Width H of the result.
        dropout: Variational dropout while training.

    Example:
        >>> SkipThoughtEncoder(vocabulary=50, width=6, hidden=8)(torch.tensor([[3, 4], [5, 0]])).shape
        torch.Size([2, 8])
    """

    def __init__(self, *, vocabulary: int, width: int = 620, hidden: int = 2400, dropout: float = 0.25) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.recurrence = Recurrence(width, hidden, hidden_bias=False, dropout=dropout)
        with torch.no_grad():
            self.embedding.weight[1:].uniform_(-0.1, 0.1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(T, L) int64, 0 = padding -> (T, H), not normalised."""
        lengths = text_lengths(tokens)
        return last_state(self.recurrence(self.embedding(tokens), lengths), lengths)
