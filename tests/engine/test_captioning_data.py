"""Data of captioning: splits in several languages, vocabulary and attributes, batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_datasets import write_fake
from hypothesis import given
from hypothesis import strategies as st
from toy_captioning import picture_recipe, toy_captions

from geoglot.engine.captioning.data import (
    SIDES,
    Grids,
    batches_by_length,
    build_attributes,
    build_vocabulary,
    category_names,
    category_rows,
    read_split,
    training_captions,
)
from geoglot.engine.captioning.prediction import evenly_spaced


@given(st.lists(st.integers(2, 30), min_size=1, max_size=300), st.integers(1, 9), st.integers(0, 2**16))
def test_batches_hold_everything_once(lengths: list[int], size: int, seed: int) -> None:
    found = list(batches_by_length(np.arange(len(lengths)), np.array(lengths), size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    assert sum(len(batch) < size for batch in found) <= 1
    assert max(map(len, found)) <= size


def test_batches_save_steps_and_change_with_the_generator() -> None:
    lengths = np.random.default_rng(0).integers(3, 25, 2000)
    rows = np.arange(0, 2000, 2)

    def steps(batches: list[np.ndarray]) -> int:
        return sum(int(lengths[batch].max()) for batch in batches)

    sorted_ones = list(batches_by_length(rows, lengths, 20, np.random.default_rng(1)))
    shuffled = np.array_split(np.random.default_rng(1).permutation(rows), 50)
    assert steps(sorted_ones) < 0.7 * steps(shuffled)
    assert set(np.concatenate(sorted_ones).tolist()) == set(rows.tolist())
    other = list(batches_by_length(rows, lengths, 20, np.random.default_rng(2)))
    assert [b.tolist() for b in other] != [b.tolist() for b in sorted_ones]
    # The longest do not come first or last.
    means = np.array([lengths[batch].mean() for batch in sorted_ones])
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


def test_some_captions_of_every_image() -> None:
    captions = toy_captions()
    rows = captions.chosen(2, np.random.default_rng(0))
    assert np.bincount(captions.items[rows]).tolist() == [2] * 6
    assert len(set(rows.tolist())) == 12
    assert captions.chosen(None, np.random.default_rng(0)).tolist() == list(range(30))
    assert captions.chosen(9, np.random.default_rng(0)).tolist() == list(range(30))
    several = {tuple(captions.chosen(2, np.random.default_rng(seed)).tolist()) for seed in range(20)}
    assert len(several) > 10


def test_a_batch_is_trimmed_and_mirrored_where_it_may() -> None:
    captions = toy_captions()
    rows = np.array([0, 1, 3, 4])
    batch = captions.batch(rows, mirrored=np.array([True, True, False, True]), progress=0.25)
    assert batch.tokens.shape == (4, captions.lengths[rows].max())
    plain = captions.grids.plain[0][0]
    # Captions 0 and 3 tell left from right; 3 was not to be mirrored anyway.
    expected = np.stack([plain[0], -plain[0], plain[0], -plain[0]])
    assert np.array_equal(batch.grids.numpy(), expected.astype(np.float32))
    assert batch.items.tolist() == [0, 0, 0, 0]
    assert batch.attributes.tolist() == [[1.0, 0.0, 0.0, 0.0]] * 4
    assert batch.progress == 0.25


@pytest.mark.parametrize(
    "text", ["On the left side", "a droite", "la partie gauche", "a sinistra", "sulla destra", "على يسار الطريق"]
)
def test_words_that_a_mirror_makes_untrue(text: str) -> None:
    assert SIDES.search(text)


def test_words_that_a_mirror_leaves_true() -> None:
    assert not SIDES.search("a bright river beside the leftover field, droiture, au centre")


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    for name in ("ucm", "rsicd"):
        write_fake(root, name)
    return root


def test_a_split_of_two_datasets_in_two_languages(data_root: Path, tmp_path: Path) -> None:
    recipe = picture_recipe(datasets=("ucm", "rsicd"), languages=("en", "it"))
    train = read_split(recipe, "train", data_root)
    assert train.datasets == ("ucm",) * 16 + ("rsicd",) * 16
    assert [len(captions) for captions in train.captions["it"]] == [5] * 32
    assert train.captions["en"] == train.english
    vocabulary, attributes = build_vocabulary(recipe, train), build_attributes(recipe, train)
    assert {"planes", "aerei"} <= set(vocabulary.words)
    assert set(attributes.words) & {"planes", "aerei"} == {"planes"}
    assert len(set(attributes.words)) == len(attributes)
    assert category_names(train) == ("airport", "beach", "forest", "river")
    assert set(category_rows(train, ("beach",)).tolist()) == {-1, 0}
    grids = Grids(recipe, tmp_path / "features").of(train, mirrored=True)
    assert len(grids) == 32
    captions = training_captions(recipe, train, vocabulary, attributes, grids)
    assert len(captions) == 320
    assert captions.languages.tolist() == [0] * 160 + [1] * 160
    assert captions.items.max() == 31
    assert captions.attributes.shape == (32, len(attributes))
    assert captions.lengths.max() == captions.tokens.shape[1]
    spaced = evenly_spaced(train, 3)
    assert spaced.tolist() == [0, 8, 15, 16, 24, 31]
    assert evenly_spaced(train, 0).tolist() == list(range(32))


def test_a_caption_without_translation_is_left_out(data_root: Path) -> None:
    manifest = data_root / "ucm" / "manifest.jsonl"
    text = manifest.read_text()
    first = text.splitlines()[0]
    changed = first.replace('"captions": ["', '"captions": ["Nobody has translated this .", "', 1)
    manifest.write_text(text.replace(first, changed, 1))
    train = read_split(picture_recipe(languages=("en", "fr")), "train", data_root)
    assert (len(train.captions["en"][0]), len(train.captions["fr"][0])) == (6, 5)
