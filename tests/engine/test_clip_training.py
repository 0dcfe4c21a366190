"""The multilanguage transformer from end to end: weights to start from, byte pairs, training, and the run read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from geoglot.engine.launch import method_recipe
from geoglot.engine.pairs import Example
from geoglot.engine.trained import load_trained
from geoglot.engine.training import start
from geoglot.methods.retrieval import multilanguage
from geoglot.nn.backbone import build_backbone
from geoglot.text.clip_tokens import ClipTokenizer

MERGES = "#version: 0.2\nr e\nre d</w>\nl a\nla k\nlak e</w>\n"
SENTENCES = {
    "red": ("a red field", "حقل أحمر", "un champ rouge", "un campo rosso"),
    "blue": ("a blue lake", "بحيرة زرقاء", "un lac bleu", "un lago blu"),
}
COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200)}
SMALL = {**multilanguage.SMALL, "image_size": 32, "max_length": 40, "markers": True}


@pytest.fixture
def merges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the file that open_clip brings."""
    path = tmp_path / "merges.txt"
    path.write_text(MERGES, encoding="utf-8")
    own = ClipTokenizer.from_merges(path, max_length=40)
    monkeypatch.setattr(ClipTokenizer, "installed", classmethod(lambda cls, *, max_length=77: own))
    return path


@pytest.fixture
def drawn(tmp_path: Path) -> list[Example]:
    random = np.random.default_rng(0)
    found = []
    for number in range(12):
        name = list(COLOURS)[number % 2]
        pixels = np.clip(np.array(COLOURS[name]) + random.integers(-30, 30, (40, 40, 3)), 0, 255).astype(np.uint8)
        path = tmp_path / f"{name}{number}.png"
        Image.fromarray(pixels).save(path)
        captions = {code: (SENTENCES[name][k],) * 5 for k, code in enumerate(("en", "ar", "fr", "it"))}
        found.append(Example(path=path, category=name, captions=captions))
    return found


def changes(**others: object) -> dict[str, object]:
    return {
        "datasets": ("drawn",),
        "epochs": 2,
        "batch": 4,
        "sides": ({"start": 0.0, "side": 32},),
        "validation_side": 32,
        "optimiser": {"learning_rate": 0.01},
        **others,
    }


def test_published_weights_are_trained_on_and_read_back(tmp_path: Path, merges: Path, drawn: list[Example]) -> None:
    tokenizer = ClipTokenizer.from_merges(merges, max_length=40)
    torch.manual_seed(0)
    config = {**SMALL, "vocabulary": tokenizer.size, "vision_width": 64, "vision_heads": 1, "text_heads": 1}
    published = multilanguage.Model(multilanguage.Config(**config))
    tensors = {name.removeprefix("text."): tensor.detach() for name, tensor in published.state_dict().items()}
    save_file(tensors, tmp_path / "small.safetensors")
    recipe = method_recipe(
        "multilanguage", changes(initial=str(tmp_path / "small.safetensors"), config={"markers": True})
    )
    trainer = start(recipe, drawn, tmp_path / "run", resume=False, device="cpu")
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    for name, tensor in published.state_dict().items():
        assert torch.equal(before[name], tensor), name
    trainer.run(lambda *_: {"score": 1.0})
    run = load_trained(tmp_path / "run")
    assert isinstance(run.tokenizer, ClipTokenizer)
    moved = [n for n, t in run.method.state_dict().items() if not torch.equal(t, before[n])]
    assert "visual.conv1.weight" in moved
    assert "text.token_embedding.weight" in moved
    assert "text.text_projection" not in moved  # kept, and frozen
    tokens = torch.from_numpy(run.tokenizer.encode(["a red field", "بحيرة زرقاء"]))
    with torch.no_grad():
        assert torch.allclose(run.method.encode_text(tokens).norm(dim=1), torch.ones(2), atol=1e-5)


def test_cells_of_a_trained_backbone(tmp_path: Path, merges: Path, drawn: list[Example]) -> None:
    small = {"vision_width": 16, "text_width": 16, "dimension": 16, "max_length": 40}
    recipe = method_recipe(
        "multilanguage",
        changes(backbone="compact", config={**multilanguage.LEADERBOARD, **small}),
    )
    backbone = build_backbone("compact", channels=(8, 8, 16, 16))
    trainer = start(recipe, drawn, tmp_path / "run", resume=False, device="cpu", backbone=backbone)
    trainer.run(lambda *_: {"score": 1.0})
    run = load_trained(tmp_path / "run")
    assert run.method.image_input == "pyramid"
    with torch.no_grad():
        vectors = run.model.encode_image(torch.rand(2, 3, 32, 32))
    assert vectors.shape == (2, 16)
