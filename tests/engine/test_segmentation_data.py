"""Samples, pictures and phrases of referring segmentation as a method sees them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_squares import SIDE, scene_of, write_referring
from toy_referring import toy_recipe

from geoglot.core.errors import DataError, UsageError
from geoglot.data.referring import read_pair
from geoglot.engine.segmentation.data import (
    PLACED,
    PairStore,
    TrainingSamples,
    build_tokenizer,
    drawn_box,
    read_split,
    resized_pair,
    shaded,
    turned,
)
from geoglot.engine.segmentation.saved_masks import as_bits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_referring(tmp_path_factory.mktemp("referring") / "squares")


def samples(folder: Path, **changes: object) -> TrainingSamples:
    recipe = toy_recipe(folder, **changes)
    split = read_split(recipe, "train")
    return TrainingSamples(recipe=recipe, split=split, tokenizer=build_tokenizer(recipe, split), store=PairStore())


def test_a_split_and_its_phrases(folder: Path) -> None:
    split = read_split(toy_recipe(folder, languages=("en", "fr")), "val")
    assert set(split.datasets) == {"squares"}
    # Two scenes with four phrases each; the one with a relation has no French.
    assert Counter(language for _, language in split.asked(("en", "fr"))) == {"en": 8, "fr": 6}
    french = read_split(toy_recipe(folder, languages=("fr",)), "val")
    assert len(french) == 6
    with pytest.raises(DataError, match="has no phrase in it"):
        read_split(toy_recipe(folder, languages=("it",)), "val")
    with pytest.raises(UsageError):
        read_split(toy_recipe(folder, datasets=("nowhere",)), "val")


def test_words_of_relations_are_words(folder: Path) -> None:
    recipe = toy_recipe(folder, languages=("en", "fr"))
    tokenizer = build_tokenizer(recipe, read_split(recipe, "train"))
    # Eight words: square, near, three colours; carré and three more. Padding and the unknown word make eleven.
    assert tokenizer.size == 11
    rows = tokenizer.encode(["red square near blue", "carré vert"])
    assert (rows != tokenizer.size - 1).all()
    assert tokenizer.encode(["purple"])[0, 0] == tokenizer.size - 1
    assert build_tokenizer(replace(recipe, least=7), read_split(recipe, "train")).size < 11


def test_every_sample_once_an_epoch(folder: Path) -> None:
    one = samples(folder, languages=("en",), crop=1.0, turned=False, shaded=0.0)
    batches = list(one.epoch(0))
    assert [len(batch.images) for batch in batches] == [4] * 6
    assert one.steps() == 6
    found = Counter(as_bits(batch.masks[row].numpy()).tobytes() for batch in batches for row in range(4))
    wanted = Counter(as_bits(read_pair(record)[1]).tobytes() for record in one.split.records)
    assert found == wanted
    assert batches[0].images.dtype == torch.float32
    assert float(batches[0].images.max()) <= 1.0


@pytest.mark.parametrize(
    ("size", "drawn", "lengths"), [(16, None, [16, 8]), (9, None, [9, 9, 6]), (7, 8, [7]), (50, None, [24])]
)
def test_short_last_batches(folder: Path, size: int, drawn: int | None, lengths: list[int]) -> None:
    """24 samples: 16 + 8 (half full, kept); 9 + 9 + 6; of 8 drawn 7 + 1 (dropped); one that is not full stays."""
    one = samples(folder, batch=size, samples=drawn)
    assert [len(batch.images) for batch in one.epoch(3)] == lengths
    assert one.steps() == len(lengths)


def test_an_epoch_is_a_function_of_seed_and_number(folder: Path) -> None:
    one = samples(folder, languages=("en", "fr"))
    first, again, other = (list(one.epoch(number)) for number in (2, 2, 3))
    assert all(
        torch.equal(a.images, b.images) and torch.equal(a.tokens, b.tokens) for a, b in zip(first, again, strict=True)
    )
    assert not all(torch.equal(a.images, b.images) for a, b in zip(first, other, strict=True))
    assert not torch.equal(
        next(iter(replace(one, recipe=replace(one.recipe, seed=1)).epoch(2))).images, first[0].images
    )


def test_a_sample_is_shown_in_each_of_its_languages(folder: Path) -> None:
    one = samples(folder, languages=("en", "fr"))
    generator = np.random.default_rng(0)
    said = Counter(one.shown(0, generator)[2] for _ in range(60))
    assert set(said) == {"red square", "carré rouge"}
    assert min(said.values()) > 10
    related = next(row for row, record in enumerate(one.split.records) if "fr" not in record.phrases)
    assert {one.shown(related, generator)[2] for _ in range(10)} == {"red square near blue"}


def test_wordings_are_said_too(folder: Path) -> None:
    one = samples(folder)
    record = replace(one.split.records[0], wordings={"en": ("red square", "the red square")})
    changed = replace(one, split=replace(one.split, records=(record, *one.split.records[1:])))
    generator = np.random.default_rng(0)
    assert {changed.shown(0, generator)[2] for _ in range(40)} == {"red square", "the red square"}


def test_picture_and_mask_are_laid_alike(folder: Path) -> None:
    """The squares are of one colour each: whatever is drawn, the pixels of the mask and no others have it."""
    one = samples(folder, crop=0.7, turned=True, shaded=0.0, side=64)
    for row in range(3):
        for seed in range(12):
            pixels, mask, phrase = one.shown(row, np.random.default_rng(seed))
            assert mask.any()
            channel = ["red", "green", "blue"].index(phrase.split()[0])
            strongest = pixels[..., channel].astype(int) - np.delete(pixels, channel, 2).max(2)
            assert (strongest[mask] > 40).mean() > 0.85, phrase
            assert (strongest[~mask] > 60).mean() < 0.05, phrase


def test_phrases_of_places_keep_their_picture(folder: Path) -> None:
    one = samples(folder, crop=0.5, turned=True, shaded=0.0)
    record = replace(one.split.records[0], phrases={"en": "red square on the left"})
    kept = replace(one, split=replace(one.split, records=(record,)))
    wanted = scene_of(0)[0]
    for seed in range(10):
        assert (kept.shown(0, np.random.default_rng(seed))[0] == wanted).all()
    moved = [one.shown(0, np.random.default_rng(seed))[0] for seed in range(10)]
    assert any((pixels != wanted).any() for pixels in moved)


@pytest.mark.parametrize(
    ("phrase", "placed"),
    [
        ("buildings in the north-eastern corner", True),
        ("the largest pond", True),
        ("building along the road", False),
        ("water surrounded by bare land", False),
        ("maisons à gauche", True),
        ("la plus grande piscine", True),
        ("bâtiment le long de la route", False),
        ("edifici a sinistra", True),
        ("edificio lungo la strada", False),
        ("المباني على اليسار", True),
        ("مبنى على طول الطريق", False),
        ("strada asfaltata", False),
        ("forest beside a rest area", False),
    ],
)
def test_words_of_place(phrase: str, placed: bool) -> None:
    assert (PLACED.search(phrase) is not None) == placed


def test_the_eight_ways_to_lay_a_square() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    mask = np.array([[True, False], [False, False]])
    seen = {turned(pixels, mask, turn)[0].tobytes() for turn in range(8)}
    assert len(seen) == 8
    for turn in range(8):
        laid, found = turned(pixels, mask, turn)
        assert (laid[found][0] == pixels[0, 0]).all()


def test_windows_show_something_of_the_mask() -> None:
    generator = np.random.default_rng(0)
    mask = np.zeros((40, 60), dtype=np.bool_)
    mask[3:6, 50:55] = True
    sizes = set()
    for _ in range(80):
        left, top, right, bottom = drawn_box(mask, 0.5, generator)
        assert 0 <= left < right <= 60
        assert 0 <= top < bottom <= 40
        assert mask[top:bottom, left:right].any()
        assert right - left >= 30
        sizes.add(right - left)
    assert len(sizes) > 10
    # Nothing to show: any window does.
    assert drawn_box(np.zeros((8, 8), dtype=np.bool_), 0.5, generator) != (0, 0, 8, 8)


def test_resizing_agrees_with_the_dataset(folder: Path) -> None:
    record = samples(folder).split.records[0]
    pixels, mask = read_pair(record)
    wanted = read_pair(record, 20)
    found = resized_pair(pixels, mask, (20, 20), (0, 0, SIDE, SIDE))
    assert (found[0] == wanted[0]).all()
    assert (found[1] == wanted[1]).all()


def test_the_store_reads_once_and_forgets_the_oldest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import geoglot.engine.segmentation.data as module

    records = samples(folder).split.records
    calls: list[str] = []

    def counted(record, side=None):  # type: ignore[no-untyped-def]
        calls.append(record.id)
        return read_pair(record, side)

    monkeypatch.setattr(module, "read_pair", counted)
    store = PairStore()
    for _ in range(3):
        pixels, mask = store.pair(records[0])
    assert calls == [records[0].id]
    wanted = read_pair(records[0])
    assert (pixels == wanted[0]).all()
    assert (mask == wanted[1]).all()
    small = PairStore(size=1)
    small.pair(records[0])
    small.pair(records[4])
    small.pair(records[0])
    assert calls[1:] == [records[0].id, records[4].id, records[0].id]


def test_pictures_are_kept_no_larger_than_needed(folder: Path) -> None:
    record = samples(folder).split.records[0]
    store = PairStore(longest=20)
    for _ in range(2):
        pixels, mask = store.pair(record)
        assert (pixels.shape, mask.shape) == ((20, 20, 3), (20, 20))


def test_shades_stay_within_their_share() -> None:
    grey = np.full((4, 4, 3), 128, dtype=np.uint8)
    values = [shaded(grey, 0.2, np.random.default_rng(seed)) for seed in range(50)]
    # 128 (1 + 0.2) (1 + 0.1) = 168.96 and 128 (1 - 0.2) (1 - 0.1) = 92.16 at the most.
    assert 92 <= min(int(v.min()) for v in values) < 128 < max(int(v.max()) for v in values) <= 169
    assert len({v.tobytes() for v in values}) == 50
