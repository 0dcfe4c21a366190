"""What a segmentation method starts from: runs of ours, published layouts, and files that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_squares import write_referring
from safetensors.torch import save_file
from toy_referring import small_recipe

from geoglot.core import registry
from geoglot.core.errors import BundleError, DataError, UsageError
from geoglot.engine.segmentation.data import build_tokenizer, read_split
from geoglot.engine.segmentation.recipe import SegmentationRecipe
from geoglot.engine.segmentation.running import build_segmenter
from geoglot.engine.segmentation.weights import start_from_weights
from geoglot.nn.backbone import Backbone
from geoglot.nn.segmenter import Segmenter
from geoglot.nn.swin import Swin

SIZES = {"vocabulary": 11, "max_length": 20, "side": 32}
BERT: dict[str, Any] = {"text": "bert", "text_width": 8, "text_layers": 1, "text_heads": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_referring(tmp_path_factory.mktemp("referring") / "squares")


def built(recipe: SegmentationRecipe, seed: int = 0) -> Segmenter:
    return build_segmenter(replace(recipe, seed=seed), SIZES)


def part(model: Segmenter, kind: type[Any]) -> Any:
    return next(module for module in model.modules() if isinstance(module, kind))


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_nothing_is_told_as_nothing(data: Path) -> None:
    recipe = small_recipe(data)
    assert start_from_weights(built(recipe), recipe) == {"picture": None, "text": None}


def test_a_trunk_starts_from_a_run(data: Path, tmp_path: Path) -> None:
    """LGCE takes the trunk of a run of LAVT, and nothing else of it."""
    trained = built(small_recipe(data), seed=5)
    save_file({k: v.clone() for k, v in trained.state_dict().items()}, tmp_path / "checkpoint.safetensors")
    recipe = small_recipe(data, "lgce", backbone_weights=str(tmp_path))
    model = built(recipe)
    decoder = {name: tensor.clone() for name, tensor in model.state_dict().items() if name.startswith("decoder")}
    assert not same(part(model, Swin), part(trained, Swin))
    told = start_from_weights(model, recipe)
    assert same(part(model, Swin), part(trained, Swin))
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in decoder.items())
    assert told["picture"]["source"] == tmp_path.name
    assert len(told["picture"]["sha256"]) == 64


def test_a_published_file_may_lack_the_output_norms(data: Path, tmp_path: Path) -> None:
    donor = part(built(small_recipe(data), seed=5), Swin).state_dict()
    plain = {name: tensor.clone() for name, tensor in donor.items() if not name.startswith("norm")}
    save_file({**plain, "head.fc.weight": torch.zeros(2, 2)}, tmp_path / "swin.safetensors")
    recipe = small_recipe(data, backbone_weights=str(tmp_path / "swin.safetensors"))
    model = built(recipe)
    start_from_weights(model, recipe)
    assert all(torch.equal(part(model, Swin).state_dict()[name], tensor) for name, tensor in plain.items())
    lacking = {name: tensor for name, tensor in plain.items() if "patch_embed" not in name}
    save_file(lacking, tmp_path / "swin.safetensors")
    with pytest.raises(DataError, match=r"patch_embed.+ is absent"):
        start_from_weights(model, recipe)
    save_file({**plain, "layers.9.more": torch.zeros(2)}, tmp_path / "swin.safetensors")
    with pytest.raises(DataError, match="of no use here"):
        start_from_weights(model, recipe)


def test_a_backbone_starts_from_a_run(data: Path, tmp_path: Path) -> None:
    recipe = small_recipe(data, "lstm_cnn", backbone_weights=str(tmp_path))
    donor = part(built(recipe, seed=5), Backbone)
    tensors = {f"backbone.{name}": tensor.clone() for name, tensor in donor.state_dict().items()}
    save_file(tensors, tmp_path / "backbone.safetensors")
    model = built(recipe)
    start_from_weights(model, recipe)
    assert same(part(model, Backbone), donor)


def test_words_start_from_bert(data: Path, tmp_path: Path) -> None:
    config = {**dict(registry.load("geoglot.methods.segmentation", "lavt").SMALL), **BERT}
    recipe = small_recipe(data, config=config, text_weights=str(tmp_path))
    donor = built(recipe, seed=5).get_submodule("text")
    published = {f"bert.{name}": tensor.clone() for name, tensor in donor.state_dict().items()}
    save_file({**published, "cls.predictions.bias": torch.zeros(3)}, tmp_path / "model.safetensors")
    model = built(recipe)
    told = start_from_weights(model, recipe)
    assert same(model.get_submodule("text"), donor)
    assert told["text"]["source"] == tmp_path.name
    with pytest.raises(UsageError, match="published encoder"):
        start_from_weights(built(small_recipe(data)), small_recipe(data, text_weights=str(tmp_path)))


def test_weights_that_are_not_there(data: Path, tmp_path: Path) -> None:
    recipe = small_recipe(data, backbone_weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(DataError, match="not a readable checkpoint"):
        start_from_weights(built(recipe), recipe)


def test_the_tokenizer_lies_beside_the_weights(data: Path, tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "square", "near", "##ish"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n")
    recipe = small_recipe(data, tokenizer="bert", text_weights=str(tmp_path / "model.safetensors"), max_length=5)
    split = read_split(recipe, "train")
    tokenizer = build_tokenizer(recipe, split)
    # [CLS] red ##ish square [SEP]; "near blue" does not fit into five.
    assert tokenizer.encode(["Reddish", "redish square near blue"]).tolist() == [[2, 1, 3, 0, 0], [2, 4, 9, 7, 3]]
    assert tokenizer.size == 10
    tokenizer.save(tmp_path / "tokenizer.json")
    from geoglot.engine.segmentation.data import load_tokenizer

    again = load_tokenizer(recipe, tmp_path / "tokenizer.json")
    assert again.encode(["red square"]).tolist() == [[2, 4, 7, 3]]
    (tmp_path / "vocab.txt").write_text("red\n[PAD]\n")
    with pytest.raises(BundleError, match="not where BERT has it"):
        build_tokenizer(recipe, split)
    (tmp_path / "vocab.txt").unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        build_tokenizer(recipe, split)
    with pytest.raises(UsageError, match="none are named"):
        build_tokenizer(replace(recipe, text_weights=None), split)
