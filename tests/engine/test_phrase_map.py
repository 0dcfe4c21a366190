"""The segmenter of the product: what is asked of a mapped picture, batches, exact resume, learning, the bundle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geoglot.core.errors import DataError, UsageError
from geoglot.data.captioned import CaptionedImage
from geoglot.data.ground_words import GROUND_WORDS, ground_word
from geoglot.engine import export
from geoglot.engine.phrase_map import batches
from geoglot.engine.phrase_map.batches import CaptionDrawer, MaskDrawer, chosen_phrases, draw_part, padded
from geoglot.engine.phrase_map.export import (
    PhraseGraph,
    PixelGraph,
    best_shaping,
    is_early_fusion_run,
    is_segmenter_run,
    load_run,
)
from geoglot.engine.phrase_map.pictures import SURVEYED_CLASSES, MappedPicture, words_in_captions
from geoglot.engine.phrase_map.training import (
    Material,
    SegmenterRecipe,
    SegmenterTrainer,
    segmenter_recipe,
    validation,
)
from geoglot.methods.segmentation import phrase_map
from geoglot.models.segmenter import phrase_scores
from geoglot.nn.late_fusion import phrase_logits
from geoglot.text.tokenizer import Tokenizer

COLOURS = np.array([[20, 60, 160], [190, 170, 120], [90, 90, 90], [200, 40, 40], [30, 140, 30], [0, 0, 0]], np.uint8)
LANGUAGES = ("en", "fr")


def painted(seed: int, side: int = 96) -> MappedPicture:
    """Quarters of surveyed classes, each in its colour."""
    generator = np.random.default_rng(seed)
    classes = np.zeros((side, side), np.uint8)
    for row in range(2):
        for column in range(2):
            part = slice(row * side // 2, (row + 1) * side // 2), slice(column * side // 2, (column + 1) * side // 2)
            classes[part] = generator.integers(5)
    pixels = np.clip(COLOURS[classes] + generator.normal(0, 6, (side, side, 3)), 0, 255).astype(np.uint8)
    return MappedPicture(pixels=pixels, classes=classes, names=SURVEYED_CLASSES, surveyed=True)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[CaptionedImage]:
    folder = tmp_path_factory.mktemp("captioned")
    found = []
    for number in range(8):
        wet = number % 2 == 0
        path = folder / f"{number}.png"
        Image.fromarray(np.broadcast_to(COLOURS[0 if wet else 1], (40, 40, 3)).copy()).save(path)
        caption = "a wide river" if wet else "planes on bare land"
        found.append(
            CaptionedImage(id=str(number), path=path, split="train", category=f"kind{number}", captions=(caption,) * 5)
        )
    return found


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = [text for word in GROUND_WORDS for wordings in word.wordings.values() for text in wordings]
    return Tokenizer.train([*texts * 3, *["a wide river", "planes on bare land"] * 3], vocabulary_size=300)


def material(records: list[CaptionedImage]) -> Material:
    generator = np.random.default_rng(0)
    quiet = lambda done, total: None  # noqa: E731
    return Material(
        masks=MaskDrawer([[painted(seed) for seed in range(6)]], 64, LANGUAGES, generator),
        captions=CaptionDrawer(records, 32, LANGUAGES, None, generator, quiet),
        surveyed={"a": painted(100), "b": painted(101)},
        rendered=[],
    )


def small_model(tokenizer: Tokenizer) -> phrase_map.Model:
    torch.manual_seed(0)
    sizes = {**phrase_map.SMALL, "vocabulary": 400, "max_length": tokenizer.max_length}
    return phrase_map.Model(phrase_map.Config(**sizes))


RECIPE = SegmenterRecipe(rounds=2, steps=6, pictures=4, captioned=4, learning_rate=4e-3, image_rate=1.0, text_rate=1.0)


def test_a_word_covers_its_classes_and_leaves_out_what_nobody_knows() -> None:
    """Classes water, land, road, unknown: "sea" is not surveyed; "cars" may stand on roads and land."""
    classes = np.array([[0, 1], [2, 5]], np.uint8)
    picture = MappedPicture(
        pixels=np.zeros((2, 2, 3), np.uint8), classes=classes, names=SURVEYED_CLASSES, surveyed=True
    )
    water = picture.covers(ground_word("water"))
    assert water is not None
    assert water.mask.tolist() == [[True, False], [False, False]]
    assert water.known.tolist() == [[True, True], [True, False]]
    assert picture.covers(ground_word("sea")) is None
    rendered = dataclasses.replace(picture, names=("car", "street", "river", "tree", "", "meadow"), surveyed=False)
    road = rendered.covers(ground_word("road"))
    assert road is not None
    assert road.mask.tolist() == [[False, True], [False, False]]
    assert road.known.tolist() == [[False, True], [True, True]]  # a car may hide the road


def test_captions_tell_presence_and_sometimes_absence(records: list[CaptionedImage]) -> None:
    words = [ground_word(name) for name in ("river", "planes", "road")]
    found = words_in_captions(records[:2], words)
    np.testing.assert_array_equal(found, [[1, 0, np.nan], [0, 1, np.nan]])


def test_a_part_keeps_pixels_and_classes_together() -> None:
    generator = np.random.default_rng(3)
    for seed in range(10):
        part = draw_part(painted(seed), 48, generator)
        assert part.pixels.shape == (48, 48, 3)
        distance = np.abs(part.pixels.astype(int) - COLOURS[part.classes].astype(int)).max(axis=2)
        assert (distance < 40).mean() > 0.9  # edges are blurred by the resize, nothing else differs


def test_phrases_are_there_or_absent_as_asked() -> None:
    picture = painted(0)
    generator = np.random.default_rng(0)
    for _ in range(5):
        found = chosen_phrases(picture.phrases(), 2, 1, generator)
        shares = sorted(float(phrase.mask.mean()) for phrase in found)
        assert len(found) == 3
        assert shares[0] == 0 < shares[1]


def test_padding_mirrors_up_to_a_multiple() -> None:
    images = torch.arange(2 * 3 * 33 * 40, dtype=torch.float32).view(2, 3, 33, 40)
    out = padded(images)
    assert out.shape == (2, 3, 64, 64)
    assert torch.equal(out[:, :, :33, :40], images)
    assert torch.equal(out[:, :, 33, :40], images[:, :, 31])


def test_captions_belong_to_their_picture(records: list[CaptionedImage]) -> None:
    drawer = CaptionDrawer(records, 32, ("en",), None, np.random.default_rng(1), lambda done, total: None)
    batch = drawer.draw(4, words=3)
    assert batch.images.shape == (4, 3, 32, 32)
    own = batch.present[:, len(batch.texts) - 4 :]
    assert torch.equal(own, torch.eye(4))  # every picture is of a class of its own


def test_a_resumed_run_is_the_same(records: list[CaptionedImage], tokenizer: Tokenizer, tmp_path: Path) -> None:
    whole = SegmenterTrainer(small_model(tokenizer), RECIPE)
    for number in range(2):
        whole.round(number, tokenizer, material(records))
    first = SegmenterTrainer(small_model(tokenizer), RECIPE)
    first.round(0, tokenizer, material(records))
    first.save(tmp_path / "state", 1, 0.25)
    second = SegmenterTrainer(small_model(tokenizer), RECIPE)
    assert second.restore(tmp_path / "state") == (1, 0.25)
    second.round(1, tokenizer, material(records))
    for one, other in ((whole.model, second.model), (whole.average, second.average)):
        for (name, kept), again in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            assert torch.allclose(kept.float(), again.float(), atol=1e-6), name


def test_colours_are_learnt(records: list[CaptionedImage], tokenizer: Tokenizer) -> None:
    """Five colours, five names, two languages: far better than chance (about 0.2) after some steps."""
    recipe = dataclasses.replace(RECIPE, rounds=1, steps=100, average=0.9)
    trainer = SegmenterTrainer(small_model(tokenizer), recipe)
    known = material(records)
    trainer.round(0, tokenizer, known)
    figures = validation(trainer.average, tokenizer, dataclasses.replace(known, rendered=[painted(7)]), LANGUAGES)
    assert figures["surveyed_en"] > 0.4
    assert figures["surveyed_fr"] > 0.4


def test_the_exported_networks_compute_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """Windows of another size than the example's, and any number of phrases: ONNX = torch, and scores = logits."""
    model = small_model(tokenizer).eval()
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    free = {0: "batch", 1: "height", 2: "width"}
    image, text = tmp_path / "image.onnx", tmp_path / "text.onnx"
    named = {"features": {0: "batch", 2: "rows", 3: "columns"}}
    export.to_onnx(PixelGraph(model), [pixels], image, inputs={"pixels": free}, outputs=named)
    tokens = torch.from_numpy(tokenizer.encode(["water", "bare land and a road"]))
    free = {0: "batch", 1: "length"}
    export.to_onnx(PhraseGraph(model), [tokens], text, inputs={"tokens": free}, outputs={"phrases": {0: "batch"}})
    network = export.open_network(image.read_bytes(), 1)
    other = torch.randint(0, 256, (3, 128, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = PixelGraph(model)(other).numpy()
        phrases = model.encode_text(tokens)
        logits = phrase_logits(torch.from_numpy(expected), phrases)
    (features,) = network.run(None, {"pixels": other.numpy()})
    np.testing.assert_allclose(features, expected, atol=1e-4)
    scores = phrase_scores(features, phrases.numpy())
    np.testing.assert_allclose(scores, torch.sigmoid(logits).numpy(), atol=1e-4)


def test_a_recipe_names_its_settings_and_a_run_its_kind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'rounds'"):
        segmenter_recipe({"round": 3})
    with pytest.raises(DataError, match="is no run of the segmenter"):
        load_run(tmp_path)


class Hesitant:
    """Gives 0.32 where land is and 0.27 elsewhere, whatever is asked: only a threshold of 0.3 tells land apart."""

    def __init__(self, picture: MappedPicture) -> None:
        self.land = (picture.classes == 1)[::4, ::4]

    def features(self, pixels: np.ndarray) -> np.ndarray:
        assert pixels.shape == (1, 96, 96, 3)
        return np.zeros((1, 1, 24, 24), np.float32)

    def phrases(self, texts: list[str]) -> np.ndarray:
        return np.zeros((len(texts), 2), np.float32)

    def scores(self, features: np.ndarray, phrases: np.ndarray) -> np.ndarray:
        return np.where(self.land, 0.32, 0.27).astype(np.float32)[None, None].repeat(len(phrases), axis=1)


def test_the_threshold_is_where_masks_fit_best() -> None:
    classes = np.full((96, 96), 1, np.uint8)
    classes[:, 48:] = 5  # unknown, so that land is all there is to ask for
    classes[:8] = 2
    picture = MappedPicture(
        pixels=np.zeros((96, 96, 3), np.uint8),
        classes=classes,
        names=("water", "land", "pier", "", "", ""),
        surveyed=True,
    )
    asked = [phrase.name for phrase in picture.phrases() if phrase.mask.any()]
    assert asked == ["land"]
    assert best_shaping(Hesitant(picture), [[picture]]) == {"blur": 0.0, "threshold": 0.3}  # type: ignore[arg-type]


def test_kinds_of_runs_are_told_apart(tmp_path: Path) -> None:
    assert not is_segmenter_run(tmp_path)
    for kind, product, published in (
        ("product-segmenter", True, False),
        ("segmenter", False, True),
        ("x", False, False),
    ):
        (tmp_path / "recipe.json").write_text(json.dumps({"kind": kind}))
        assert (is_segmenter_run(tmp_path), is_early_fusion_run(tmp_path)) == (product, published)
    (tmp_path / "recipe.json").write_text("[1]")
    assert not is_early_fusion_run(tmp_path)


def test_a_language_that_a_phrase_lacks_is_not_asked_for() -> None:
    generator = np.random.default_rng(0)
    assert batches.any_wording({"en": ("road",), "ar": ()}, ("ar", "en"), generator) == "road"
