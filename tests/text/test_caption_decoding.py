"""The loop that writes captions, against enumeration of all captions and against loops without arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from geoglot.core.errors import UsageError
from geoglot.text.caption_decoding import Writing, Written, drawn, repeated, write
from geoglot.text.captions import END, PADDING, START, UNKNOWN

VOCABULARY = 7
WORDS = (4, 5, 6)


class Language:
    """Log-probabilities of an image and of all its words so far, which only a rightly ordered state can give."""

    def __init__(self, images: Sequence[int], *, sharpness: float = 1.5) -> None:
        self.images, self.sharpness = list(images), sharpness
        self.history: list[tuple[int, ...]] = [() for _ in images]
        self.calls: list[int] = []

    def of(self, image: int, history: tuple[int, ...]) -> NDArray[np.float64]:
        seed = [image, *history]
        logits = np.random.default_rng(seed).normal(size=VOCABULARY) * self.sharpness
        return logits - np.logaddexp.reduce(logits)

    def __call__(
        self, images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        self.calls.append(len(rows))
        assert (np.diff(images) >= 0).all()
        self.history = [(*self.history[row], int(word)) for row, word in zip(rows, words, strict=True)]
        numbers = [self.images[image] for image in images]
        said = [self.of(image, history) for image, history in zip(numbers, self.history, strict=True)]
        attention = [[image, len(history), history[-1]] for image, history in zip(numbers, self.history, strict=True)]
        return np.array(said, dtype=np.float64), np.array(attention, dtype=np.float32)  # type: ignore[return-value]


def all_captions(language: Language, image: int, writing: Writing) -> list[tuple[float, tuple[int, ...]]]:
    """Every caption with its log-probability: words, then END, or cut at the longest length."""
    found = []
    for count in range(writing.max_length + 1):
        for words in itertools.product(WORDS, repeat=count):
            caption = words if count == writing.max_length else (*words, END)
            if writing.block and has_repetition(words, writing.block):
                continue
            total, history = 0.0, (START,)
            for token in caption:
                total += language.of(image, history)[token]
                history = (*history, token)
            found.append((total, caption))
    return found


def has_repetition(words: Sequence[int], block: int) -> bool:
    seen = [tuple(words[i : i + block]) for i in range(len(words) - block + 1)]
    return len(seen) != len(set(seen))


def naive_greedy(language: Language, image: int, writing: Writing) -> tuple[int, ...]:
    words: list[int] = []
    for _ in range(writing.max_length):
        said = language.of(image, (START, *words))
        allowed = [w for w in (*WORDS, END) if not (writing.block and has_repetition([*words, w], writing.block))]
        words.append(max(allowed, key=lambda word: said[word]))
        if words[-1] == END:
            break
    return tuple(words)


def captions(written: Written) -> list[tuple[int, ...]]:
    return [tuple(int(token) for token in row if token != PADDING) for row in written.tokens]


@pytest.mark.parametrize("block", [0, 1, 2, 3])
@pytest.mark.parametrize("power", [0.0, 0.7, 1.0, 2.0])
def test_a_beam_that_holds_everything_finds_the_best_of_all_captions(power: float, block: int) -> None:
    writing = Writing(way="beam", beam=4**5, max_length=5, length_power=power, block=block)
    images = range(8)
    written = write(Language(images), len(images), writing)
    for image, caption in enumerate(captions(written)):
        language = Language(images)
        ranked = sorted(
            ((lp / len(c) ** power, lp, c) for lp, c in all_captions(language, image, writing)), reverse=True
        )
        assert caption == ranked[0][2]
        assert written.log_probabilities[image] == pytest.approx(ranked[0][1], abs=1e-9)


def test_length_normalisation_makes_captions_longer() -> None:
    """Otherwise the test above would not have told the powers apart."""
    images = range(40)
    lengths = [
        np.mean([len(c) for c in captions(write(Language(images), 40, Writing(way="beam", beam=50, length_power=p)))])
        for p in (0.0, 2.0)
    ]
    assert lengths[0] + 1 < lengths[1]


def naive_beam(language: Language, image: int, writing: Writing) -> tuple[int, ...]:
    """The rule as written in the module: one that ends takes a place for good."""
    alive, ended = [(0.0, ())], []
    for length in range(1, writing.max_length + 1):
        every = []
        for total, words in alive:
            said = language.of(image, (START, *words))
            for word in (END, *WORDS):
                if word == END or not (writing.block and has_repetition([*words, word], writing.block)):
                    every.append((total + said[word], (*words, word)))
        every.sort(key=lambda pair: -pair[0])
        chosen = every[: writing.beam - len(ended)]
        ended += [pair for pair in chosen if pair[1][-1] == END or length == writing.max_length]
        alive = [pair for pair in chosen if pair[1][-1] != END]
    return max(ended, key=lambda pair: pair[0] / len(pair[1]) ** writing.length_power)[1]


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_narrow_beams_keep_to_the_rule(beam: int, power: float) -> None:
    writing = Writing(way="beam", beam=beam, max_length=12, length_power=power)
    images = range(60)
    language = Language(images, sharpness=0.8)
    found = captions(write(language, len(images), writing))
    assert found == [naive_beam(language, image, writing) for image in images]


@pytest.mark.parametrize("block", [0, 2, 3])
def test_greedy_takes_the_most_probable_word(block: int) -> None:
    writing = Writing(max_length=15, block=block)
    images = range(60)
    language = Language(images)
    written = write(language, len(images), writing)
    assert captions(written) == [naive_greedy(language, image, writing) for image in images]
    for power in (0.0, 1.0):
        beam = write(Language(images), len(images), replace(writing, way="beam", beam=1, length_power=power))
        assert captions(beam) == captions(written)
        assert np.array_equal(beam.log_probabilities, written.log_probabilities)


@pytest.mark.parametrize("way", ["greedy", "beam", "sample"])
def test_images_together_or_one_by_one(way: str) -> None:
    writing = Writing(way=way, length_power=0.5, top_k=3, temperature=0.8, seed=5)  # type: ignore[arg-type]
    images = [3, 0, 7, 7, 1]
    together = write(Language(images), len(images), writing, items=images)
    assert together.attention is not None
    assert captions(together)[2] == captions(together)[3]
    for place, image in enumerate(images):
        alone = write(Language([image]), 1, writing, items=[image])
        assert captions(alone) == [captions(together)[place]]
        assert alone.log_probabilities[0] == together.log_probabilities[place]
        assert alone.attention is not None
        length = len(captions(alone)[0])
        assert np.array_equal(alone.attention[0], together.attention[place, :length])
        assert not together.attention[place, length:].any()


def test_attention_belongs_to_the_word_that_was_said() -> None:
    """The fake looks at (image, step, word before): every caption can be checked."""
    images = range(30)
    written = write(Language(images), len(images), Writing(way="beam", beam=4))
    assert written.attention is not None
    for image, caption in enumerate(captions(written)):
        before = (START, *caption[:-1])
        expected = [[image, step + 1, word] for step, word in enumerate(before)]
        assert written.attention[image, : len(caption)].tolist() == expected


@pytest.mark.parametrize("way", ["greedy", "beam", "sample"])
def test_log_probability_is_that_of_the_caption(way: str) -> None:
    writing = Writing(way=way, temperature=2.0, top_k=2)  # type: ignore[arg-type]
    images = range(20)
    language = Language(images)
    written = write(language, len(images), writing)
    for image, caption in enumerate(captions(written)):
        total, history = 0.0, (START,)
        for token in caption:
            total += language.of(image, history)[token]
            history = (*history, token)
        assert written.log_probabilities[image] == pytest.approx(total, abs=1e-9)


def stuck(words: Sequence[float]) -> NDArray[np.float32]:
    logits = np.array([-9.0, -9.0, -8.0, -9.0, *words])
    return (logits - np.logaddexp.reduce(logits)).astype(np.float32)


def test_a_network_in_a_loop_is_led_out() -> None:
    """It would say 4 for ever. Once "4 4 4" was there 4 may not follow "4 4", so it says 5; the next time 6."""

    def network(images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]) -> tuple:  # type: ignore[type-arg]
        return np.repeat(stuck((5.0, 3.0, 1.0))[None], len(rows), 0), None

    written = write(network, 1, Writing(max_length=60))
    (caption,) = captions(written)
    assert caption[:7] == (4, 4, 4, 5, 4, 4, 6)
    assert not has_repetition(caption, 3)
    assert caption[-1] == END  # 27 trigrams of 3 words: no more than 29 words
    assert len(caption) <= 30
    assert len(captions(write(network, 1, Writing(max_length=60, block=0)))[0]) == 60
    for way in ("beam", "sample"):
        for seed in range(5):
            found = captions(write(network, 1, Writing(way=way, max_length=60, seed=seed)))[0]  # type: ignore[arg-type]
            assert not has_repetition(found, 3)
            assert len(found) <= 30


def test_what_must_not_be_said_is_not_said() -> None:
    def network(images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]) -> tuple:  # type: ignore[type-arg]
        said = np.full((len(rows), VOCABULARY), -5.0, dtype=np.float32)
        said[:, [PADDING, START, UNKNOWN]] = -0.1
        said[:, 4] = -4.0
        return said, None

    for way in ("greedy", "beam", "sample"):
        written = write(network, 3, Writing(way=way, max_length=4))  # type: ignore[arg-type]
        assert {token for caption in captions(written) for token in caption} <= {END, 4, 5, 6}
    assert captions(write(network, 1, Writing(max_length=3, never=(PADDING, START))))[0] == (UNKNOWN,) * 3


def test_ended_captions_cost_nothing() -> None:
    """Image 0 ends at once; from the second step on only image 1 is asked for."""

    class Network(Language):
        def of(self, image: int, history: tuple[int, ...]) -> NDArray[np.float64]:
            logits = np.zeros(VOCABULARY)
            logits[END if image == 0 or len(history) > 4 else 4] = 9.0
            return logits - np.logaddexp.reduce(logits)

    network = Network([0, 1])
    written = write(network, 2, Writing(block=0))
    assert captions(written) == [(END,), (4, 4, 4, 4, END)]
    assert network.calls == [2, 1, 1, 1, 1]
    beam = Network([0, 1])
    write(beam, 2, Writing(way="beam", beam=3, block=0))
    # No caption of image 0 can beat END (log p = -0.0007) any more after its first word.
    assert beam.calls[0] == 2
    assert beam.calls[1] == 3


def test_no_images_and_no_way_to_end() -> None:
    empty = write(Language([]), 0, Writing())
    assert empty.tokens.shape == (0, 0)
    assert empty.log_probabilities.shape == (0,)

    def mute(images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]) -> tuple:  # type: ignore[type-arg]
        return np.full((len(rows), VOCABULARY), -np.inf, dtype=np.float32), None

    for way in ("greedy", "beam", "sample"):
        nothing = write(mute, 2, Writing(way=way))  # type: ignore[arg-type]
        assert captions(nothing) == [(), ()]
        assert (nothing.log_probabilities == -np.inf).all()


def test_numbers_that_are_none_are_told() -> None:
    def broken(images: NDArray[np.int64], rows: NDArray[np.int64], words: NDArray[np.int64]) -> tuple:  # type: ignore[type-arg]
        return np.full((len(rows), VOCABULARY), np.nan, dtype=np.float32), None

    with pytest.raises(ValueError, match="no numbers"):
        write(broken, 1, Writing())


def test_samples_have_the_frequencies_of_the_distribution() -> None:
    """p = 0.5, 0.3, 0.2 at temperature 0.5: p^2 / sum = 25, 9, 4 of 38; with the two greatest alone 25, 9 of 34."""
    said = np.log(np.array([0.5, 0.3, 0.2]))
    for top_k, expected in ((0, [25 / 38, 9 / 38, 4 / 38]), (2, [25 / 34, 9 / 34, 0])):
        noise = np.random.default_rng(0)
        writing = Writing(way="sample", temperature=0.5, top_k=top_k)
        counts = np.bincount([drawn(said, writing, noise) for _ in range(20000)], minlength=3) / 20000
        assert np.abs(counts - expected).max() < 4 * math.sqrt(0.25 / 20000)


def test_samples_depend_on_seed_and_image_number() -> None:
    images = range(30)
    by_seed = [captions(write(Language(images), 30, Writing(way="sample", seed=seed))) for seed in (0, 0, 1)]
    assert by_seed[0] == by_seed[1] != by_seed[2]
    # One picture thirty times: different numbers draw different captions, the same number the same.
    drawn_captions = captions(write(Language([4] * 30), 30, Writing(way="sample"), items=[*range(15), *range(15)]))
    assert len(set(drawn_captions)) > 5
    assert drawn_captions[:15] == drawn_captions[15:]


def test_a_cold_sample_is_greedy() -> None:
    images = range(30)
    cold = write(Language(images), 30, Writing(way="sample", temperature=1e-4))
    one = write(Language(images), 30, Writing(way="sample", top_k=1))
    assert captions(cold) == captions(one) == captions(write(Language(images), 30, Writing()))


@pytest.mark.parametrize("block", [1, 2, 3, 4])
def test_repeated_words_against_a_loop(block: int) -> None:
    generator = np.random.default_rng(block)
    for length in range(12):
        history = generator.integers(4, 7, (20, length))
        found = repeated(history, block, VOCABULARY)
        for row, words in enumerate(history.tolist()):
            grams = {tuple(words[i : i + block]) for i in range(length - block + 1)}
            expected = [(*words[max(0, length - block + 1) :], w) in grams for w in range(VOCABULARY)]
            assert found[row].tolist() == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"way": "best"},
        {"beam": 0},
        {"max_length": 0},
        {"length_power": -1.0},
        {"length_power": math.nan},
        {"block": -1},
        {"temperature": 0.0},
        {"temperature": math.nan},
        {"top_k": -1},
        {"seed": -1},
        {"never": (END,)},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Writing(**wrong)
