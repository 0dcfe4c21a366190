"""A real little training run on drawn pictures: resume, determinism, export, and ONNX = torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from geoglot.core.errors import DataError, UsageError
from geoglot.engine import checkpoint, export
from geoglot.engine.pairs import Example, PairData
from geoglot.engine.recipe import Recipe, SideStep
from geoglot.engine.trained import load_trained
from geoglot.engine.training import start, train_recipe
from geoglot.methods.retrieval import compact

SENTENCES = {
    "red": ("a red field", "حقل أحمر", "un champ rouge", "un campo rosso"),
    "blue": ("a blue lake", "بحيرة زرقاء", "un lac bleu", "un lago blu"),
    "green": ("a green forest", "غابة خضراء", "une forêt verte", "una foresta verde"),
}
COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200), "green": (40, 160, 40)}
SIZES = {k: v for k, v in compact.SMALL.items() if k in ("dimension", "channels", "blocks", "hidden", "text_width")}
RECIPE = Recipe(
    method="compact",
    config={**SIZES, "memory_from": 0.5},
    datasets=("drawn",),
    epochs=4,
    batch=6,
    sides=(SideStep(start=0.0, side=32), SideStep(start=0.5, side=64)),
    validation_side=64,
    captions_per_image=2,
    english_share=0.75,
    token_dropout=0.0,  # its draws are the tokenizer library's own and have no seed
)


@pytest.fixture
def drawn(tmp_path: Path) -> list[Example]:
    random = np.random.default_rng(0)
    found = []
    for number in range(18):
        name = list(COLOURS)[number % 3]
        noise = random.integers(-30, 30, (48, 48, 3))
        pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
        path = tmp_path / f"{name}{number}.png"
        Image.fromarray(pixels).save(path)
        captions = {k: (SENTENCES[name][i],) * 5 for i, k in enumerate(RECIPE.languages)}
        found.append(Example(path=path, category=name, captions=captions))
    return found


def loss_curve(folder: Path) -> list[float]:
    return [json.loads(line)["total"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def no_validation(*_: object) -> dict[str, float]:
    return {"score": 1.0}


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, drawn: list[Example]) -> None:
    whole = start(RECIPE, drawn, tmp_path / "whole", resume=False, device="cpu")
    whole.run(no_validation)
    first = start(RECIPE, drawn, tmp_path / "parts", resume=False, device="cpu")
    for _ in range(7):  # stopped in the middle of the third of four epochs
        first.train_step()
    first.save()
    second = start(RECIPE, drawn, tmp_path / "parts", resume=True, device="cpu")
    assert second.step == 7
    second.run(no_validation)
    for name, value in whole.model.state_dict().items():
        assert torch.allclose(value.float(), second.model.state_dict()[name].float(), atol=1e-6), name
    for name, value in whole.average.state_dict().items():
        if "_memory." not in name:
            assert torch.allclose(value.float(), second.average.state_dict()[name].float(), atol=1e-6), name


def test_batches_depend_on_seed_and_step_alone(drawn: list[Example]) -> None:
    data = PairData(drawn, RECIPE)
    tokenizer = data.train_tokenizer(200, 16)
    first, again = (data.batch(4, side=32, tokenizer=tokenizer) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.sentences, again.sentences)
    other = PairData(drawn, replace(RECIPE, seed=1)).batch(4, side=32, tokenizer=tokenizer)
    assert not torch.equal(first.images, other.images)


def test_as_many_batches_are_mixed_as_the_recipe_asks_for(drawn: list[Example]) -> None:
    data = PairData(drawn, replace(RECIPE, mixed=0.5))
    tokenizer = data.train_tokenizer(200, 16)
    batches = [data.batch(step, side=16, tokenizer=tokenizer) for step in range(60)]
    mixed = [batch for batch in batches if batch.partners is not None]
    assert 15 < len(mixed) < 45  # 30 expected, deviation 3.9
    for batch in mixed:
        assert batch.partners is not None
        assert sorted(batch.partners.tolist()) == list(range(6))
        assert 0 <= batch.own_area <= 1
    assert all(batch.own_area == 1 for batch in batches if batch.partners is None)


def test_a_method_that_cannot_learn_from_mixed_pictures_refuses(tmp_path: Path, drawn: list[Example]) -> None:
    recipe = replace(RECIPE, method="multilanguage", config={}, mixed=0.5)
    with pytest.raises(UsageError, match="mixed: is nothing that multilanguage can learn from"):
        start(recipe, drawn, tmp_path / "run", resume=False, device="cpu")


def test_every_epoch_sees_every_image_once(drawn: list[Example]) -> None:
    data = PairData(drawn, RECIPE)
    tokenizer = data.train_tokenizer(200, 16)
    seen = torch.cat([data.batch(step, side=32, tokenizer=tokenizer).items for step in range(3)])
    assert sorted(seen.tolist()) == list(range(18))


def test_equal_sentences_share_a_number_and_words_are_counted(drawn: list[Example]) -> None:
    data = PairData(drawn, RECIPE)
    assert len(data.sentences) == 3
    assert data.category_names == ["blue", "green", "red"]
    assert "lake" in data.word_names
    assert "a" not in data.word_names  # in every caption: says nothing


def test_onnx_equals_torch_and_eight_bits_stay_close(tmp_path: Path, drawn: list[Example]) -> None:
    import onnxruntime

    run = tmp_path / "run"
    start(RECIPE, drawn, run, resume=False, device="cpu").run(no_validation)
    loaded = load_trained(run)
    model, tokenizer = loaded.model, loaded.tokenizer
    tokens = torch.from_numpy(tokenizer.encode(["a blue lake", "حقل أحمر كبير"]))
    pixels = torch.randint(0, 256, (5, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = export.ImageGraph(model, mirrored=True)(pixels).numpy()
        expected_text = export.TextGraph(model)(tokens).numpy()
    export.fold_normalisation(model.image)
    graph = export.ImageGraph(model, mirrored=True)
    with torch.no_grad():
        np.testing.assert_allclose(graph(pixels).numpy(), expected, atol=1e-5)
    vector = {"embedding": {0: "batch"}}
    export.to_onnx(graph, [pixels[:2]], tmp_path / "image.onnx", inputs={"pixels": {0: "batch"}}, outputs=vector)
    axes = {"tokens": {0: "batch", 1: "length"}}
    export.to_onnx(export.TextGraph(model), [tokens], tmp_path / "text.onnx", inputs=axes, outputs=vector)
    image = onnxruntime.InferenceSession(str(tmp_path / "image.onnx"))
    text = onnxruntime.InferenceSession(str(tmp_path / "text.onnx"))
    np.testing.assert_allclose(image.run(None, {"pixels": pixels.numpy()})[0], expected, atol=1e-5)
    np.testing.assert_allclose(text.run(None, {"tokens": tokens.numpy()})[0], expected_text, atol=1e-5)
    export.quantise_images(tmp_path / "image.onnx", tmp_path / "image8.onnx", pixels.numpy())
    eight = onnxruntime.InferenceSession(str(tmp_path / "image8.onnx")).run(None, {"pixels": pixels.numpy()})[0]
    assert (eight * expected).sum(1).min() > 0.97


def test_unfinished_or_foreign_folders_are_refused(tmp_path: Path, drawn: list[Example]) -> None:
    with pytest.raises(DataError, match="not a training run"):
        load_trained(tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(DataError, match="not a readable checkpoint"):
        checkpoint.load(tmp_path / "checkpoint.safetensors")
    with pytest.raises(UsageError, match="more than 18 training images"):
        start(replace(RECIPE, batch=100), drawn, tmp_path / "x", resume=False, device="cpu")
    with pytest.raises(UsageError, match="did you mean 'compact'"):
        train_recipe("compcat", out=tmp_path / "y")
