"""Writing captions word by word: greedy, by beam, or drawn at random, over many images at once.

The loop knows no network. It asks for the next words' log-probabilities by a function, and tells it which of the rows
of the call before each new row continues, so that whoever has the state can reorder it. What it keeps to:

- a beam of width K finds the K most probable captions that it can without going back: a caption that ends takes one of
  the K places for good; the best of those that ended is given, by log p / (number of tokens) ** length_power;
- greedy is a beam of width one, whatever the length power;
- no sequence of ``block`` words comes twice, and a caption has at most ``max_length`` tokens, END included, so that
  none repeats itself without end; one that reaches the limit is cut there, without END;
- the tokens in ``never`` are not said. Log-probabilities stay those of the network, before anything was forbidden.

Results do not depend on which images are written together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.text.captions import END, PADDING, START, UNKNOWN

WAYS: Final = ("greedy", "beam", "sample")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How captions are written.

    Attributes:
        way: ``greedy``, ``beam`` or ``sample``.
        beam: Captions followed at once by ``beam``.
        max_length: Most tokens of a caption, END included.
        length_power: Captions compete by log p / tokens ** length_power; 0 compares log p.
        block: No sequence of so many words comes twice; 0 allows all.
        temperature: Of ``sample``; towards 0 it becomes greedy.
        top_k: ``sample`` draws from the so many most probable words; 0 from all.
        seed: Of ``sample``.
        never: Tokens that are not said.

    Raises:
        UsageError: A setting is out of range.
    """

    way: Literal["greedy", "beam", "sample"] = "greedy"
    beam: int = 3
    max_length: int = 35
    length_power: float = 0.0
    block: int = 3
    temperature: float = 1.0
    top_k: int = 0
    seed: int = 0
    never: tuple[int, ...] = (PADDING, START, UNKNOWN)

    def __post_init__(self) -> None:
        allowed = {
            "way": (self.way in WAYS, f"one of {', '.join(WAYS)}"),
            "beam": (self.beam >= 1, "1 or more"),
            "max_length": (self.max_length >= 1, "1 or more"),
            "length_power": (0 <= self.length_power < np.inf, "0 or more"),
            "block": (self.block >= 0, "0 or more"),
            "temperature": (0 < self.temperature < np.inf, "more than 0"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "seed": (self.seed >= 0, "0 or more"),
            "never": (END not in self.never, "without END, or no caption ends"),
        }
        for name, (fits, asked) in allowed.items():
            if not fits:
                cause = f"is {getattr(self, name)} in the way of writing captions"
                raise UsageError(name, cause=cause, remedy=f"give {asked}")

    @property
    def width(self) -> int:
        """Captions followed at once."""
        return self.beam if self.way == "beam" else 1


@dataclass(frozen=True, kw_only=True)
class Written:
    """One caption of each of B images.

    Attributes:
        tokens: (B, T) int64: words, END unless the caption was cut, PADDING; without START.
        log_probabilities: (B,) float64, of the caption, END included.
        attention: (B, T, P) float32, where each token looked; zero behind the end. None where the method has none.
    """

    tokens: NDArray[np.int64]
    log_probabilities: NDArray[np.float64]
    attention: NDArray[np.float32] | None = None


class NextWords(Protocol):
    """Whoever has the network and its state."""

    def __call__(
        self, images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """One word further.

        Args:
            images: (R,) which image each row writes about; rows of an image stand together, images in order.
            rows: (R,) which row of the call before each row continues; at first the image.
            words: (R,) the last word of each.

        Returns:
            (R, V) log-probabilities of the next word, and where they looked, (R, P), or None.
        """


@dataclass
class _Ended:
    """The best caption of an image so far."""

    score: float = -np.inf
    log_probability: float = -np.inf
    tokens: NDArray[np.int64] | None = None
    attention: NDArray[np.float32] | None = None


def repeated(history: NDArray[np.int64], block: int, vocabulary: int) -> NDArray[np.bool_]:
    """Words that would complete a sequence of ``block`` words that was there before.

    Args:
        history: (R, T) words so far; END is none of them, so it is never forbidden.
        block: Length of the sequence; 0 forbids nothing.
        vocabulary: V.

    Returns:
        (R, V) bool.

    Example:
        >>> repeated(np.array([[4, 5, 4]]), 2, 7).nonzero()[1]  # "4 5" was there, so 5 may not follow 4
        array([5])
    """
    count, length = history.shape
    found = np.zeros((count, vocabulary), dtype=bool)
    if block and length >= block:
        windows = np.lib.stride_tricks.sliding_window_view(history, block, axis=1)
        last = history[:, length - block + 1 :]
        row, place = (windows[:, :, :-1] == last[:, None, :]).all(2).nonzero()
        found[row, windows[row, place, -1]] = True
    return found


def drawn(log_probabilities: NDArray[np.float64], writing: Writing, noise: np.random.Generator) -> int:
    """A word drawn with probability proportional to p ** (1 / temperature) among the ``top_k`` greatest. (V,) -> id."""
    scaled = log_probabilities / writing.temperature
    if 0 < writing.top_k < len(scaled):
        least = np.partition(scaled, -writing.top_k)[-writing.top_k]
        scaled = np.where(scaled >= least, scaled, -np.inf)
    return int((scaled + noise.gumbel(size=len(scaled))).argmax())


def _greatest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Columns of the greatest values of each row, greatest first. (B, N) -> (B, min(count, N))."""
    columns: NDArray[np.int64]
    if count == 1:
        columns = values.argmax(1)[:, None]
        return columns
    if count < values.shape[1]:
        columns = np.sort(np.argpartition(values, -count, axis=1)[:, -count:], axis=1)
    else:
        columns = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    order = np.argsort(-np.take_along_axis(values, columns, 1), axis=1, kind="stable")
    greatest: NDArray[np.int64] = np.take_along_axis(columns, order, 1)
    return greatest


class _Loop:
    """The captions that are being written, one row each."""

    def __init__(self, next_words: NextWords, images: int, writing: Writing, items: Sequence[int]) -> None:
        self.next_words, self.writing = next_words, writing
        self.images = np.arange(images)
        self.rows = np.arange(images)
        self.words = np.full(images, START)
        self.scores = np.zeros(images)
        self.history = np.zeros((images, 0), dtype=np.int64)
        self.looked: NDArray[np.float32] | None = None
        self.places = np.full(images, writing.width)
        self.best = [_Ended() for _ in range(images)]
        self.noise = [np.random.default_rng((writing.seed, item)) for item in items] if writing.way == "sample" else []

    def run(self) -> list[_Ended]:
        for length in range(1, self.writing.max_length + 1):
            if not len(self.images):
                break
            self._step(last=length == self.writing.max_length)
        return self.best

    def _step(self, *, last: bool) -> None:
        raw, looked = self.next_words(self.images, self.rows, self.words)
        said = raw.astype(np.float64)
        if np.isnan(said).any():
            raise ValueError("the network gives log-probabilities that are no numbers")
        said[:, list(self.writing.never)] = -np.inf
        said[repeated(self.history, self.writing.block, said.shape[1])] = -np.inf
        row, word, value = self._chosen(said)
        history = np.concatenate([self.history[row], word[:, None]], 1)
        attention = None
        if looked is not None:
            attention = looked[row, None, :].astype(np.float32)
            if self.looked is not None:
                attention = np.concatenate([self.looked[row], attention], 1)
        images = self.images[row]
        for index in np.flatnonzero((word == END) | last):
            self._end(images[index], value[index], history[index], None if attention is None else attention[index])
        goes_on = (word != END) & ~self._hopeless(images, value) & (not last)
        self.images, self.rows, self.words, self.scores = images[goes_on], row[goes_on], word[goes_on], value[goes_on]
        self.history = history[goes_on]
        self.looked = None if attention is None else attention[goes_on]

    def _chosen(self, said: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Row, word and log p of the captions that go on or end, those of an image together."""
        vocabulary = said.shape[1]
        if self.noise:
            word = np.array([drawn(row, self.writing, self.noise[i]) for row, i in zip(said, self.images, strict=True)])
            row = np.arange(len(said))
            value = self.scores + said[row, word]
            possible = value > -np.inf
            return row[possible], word[possible], value[possible]
        found, first, count = np.unique(self.images, return_index=True, return_counts=True)
        totals = np.full((len(found), int(count.max()), vocabulary), -np.inf)
        place = np.arange(len(said)) - np.repeat(first, count)
        totals[np.repeat(np.arange(len(found)), count), place] = self.scores[:, None] + said
        flat = totals.reshape(len(found), -1)
        columns = _greatest(flat, self.writing.width)
        values = np.take_along_axis(flat, columns, 1)
        free = np.arange(columns.shape[1]) < self.places[found][:, None]
        image, rank = ((values > -np.inf) & free).nonzero()
        column = columns[image, rank]
        return first[image] + column // vocabulary, column % vocabulary, values[image, rank]

    def _end(
        self,
        image: int,
        log_probability: float,
        tokens: NDArray[np.int64],
        attention: NDArray[np.float32] | None,
    ) -> None:
        """A caption has ended and keeps its place."""
        self.places[image] -= 1
        score = log_probability / len(tokens) ** self.writing.length_power
        if score > self.best[image].score:
            self.best[image] = _Ended(score, log_probability, tokens, attention)

    def _hopeless(self, images: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Captions that cannot become better than one that has ended, however they go on: log p only falls."""
        could_be = value / self.writing.max_length**self.writing.length_power
        hopeless: NDArray[np.bool_] = could_be <= np.array([self.best[image].score for image in images])
        return hopeless


def write(next_words: NextWords, images: int, writing: Writing, *, items: Sequence[int] | None = None) -> Written:
    """Captions of B images.

    Args:
        next_words: Gives the log-probabilities of the next word; called once per word.
        images: B.
        writing: How.
        items: B numbers, which image of the archive each one is: what is drawn for an image depends on its number and
            the seed alone. By default its place in the batch.

    Raises:
        ValueError: A log-probability is NaN.

    Example:
        >>> table = np.log(np.array([[0, 0, 0.1, 0, 0.9], [0, 0, 0.8, 0, 0.2]], dtype=np.float32) + 1e-9)
        >>> written = write(lambda images, rows, words: (table[(words == 4).astype(int)], None), 1, Writing())
        >>> written.tokens, round(float(np.exp(written.log_probabilities[0])), 2)
        (array([[4, 2]]), 0.72)
    """
    loop = _Loop(next_words, images, writing, list(range(images)) if items is None else list(items))
    ended = loop.run()
    longest = max((len(one.tokens) for one in ended if one.tokens is not None), default=0)
    tokens = np.full((images, longest), PADDING, dtype=np.int64)
    places = next((one.attention.shape[1] for one in ended if one.attention is not None), None)
    attention = None if places is None else np.zeros((images, longest, places), dtype=np.float32)
    for image, one in enumerate(ended):
        if one.tokens is not None:
            tokens[image, : len(one.tokens)] = one.tokens
        if one.attention is not None and attention is not None:
            attention[image, : len(one.attention)] = one.attention
    return Written(
        tokens=tokens, log_probabilities=np.array([one.log_probability for one in ended]), attention=attention
    )
