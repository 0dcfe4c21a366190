"""A captioner as a bundle writes, word for word, what it writes in torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_datasets import write_fake
from toy_captioners import SIDE, ToyBackbone, ToyCaptioner, toy_manifest, toy_pictures, toy_vocabulary
from toy_captioning import picture_recipe

from geoglot.core.errors import BundleError, UsageError
from geoglot.engine.captioning.data import read_split
from geoglot.engine.captioning.export import (
    Maps,
    best_threshold,
    export_captioner,
    is_captioning_run,
    write_captioner_bundle,
)
from geoglot.engine.captioning.prediction import load_predictions
from geoglot.engine.captioning.running import load_captioner as load_trained
from geoglot.engine.captioning.running import run_captioning
from geoglot.engine.pairs import load_pictures
from geoglot.models.captioner import load_captioner
from geoglot.nn.decoding import write_captions
from geoglot.text.caption_decoding import Writing

DECODER = {"hidden": 12, "words": 6, "attention": 5, "classifier": 7}
WAYS = [
    Writing(max_length=10),
    Writing(way="beam", beam=3, max_length=10),
    Writing(way="beam", beam=4, length_power=0.7, block=2, max_length=10),
    Writing(way="sample", temperature=0.8, max_length=10, seed=3),
]


@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("attributes", [False, True])
def test_onnx_writes_the_words_that_torch_writes(tmp_path: Path, growing: bool, attributes: bool) -> None:
    backbone, model = ToyBackbone(), ToyCaptioner(growing=growing, attributes=attributes)
    vocabulary, pictures = toy_vocabulary(), toy_pictures(37)
    write_captioner_bundle(backbone, model, vocabulary, tmp_path, pictures, toy_manifest(), quantised=False)
    bundle = load_captioner(tmp_path)
    maps = bundle.maps(pictures)
    with torch.no_grad():
        expected_maps = Maps(backbone)(torch.from_numpy(pictures))
    np.testing.assert_allclose(maps, expected_maps.numpy(), atol=1e-4)
    for writing in WAYS[: 3 if len(pictures) > 32 else None]:  # what is drawn depends on the place in a batch
        for number, language in enumerate(bundle.languages):
            languages = torch.full((len(maps),), number)
            written, context = write_captions(model, torch.from_numpy(maps), languages, writing)
            sentences, found = bundle.captions(maps, language, writing)
            expected = [vocabulary.decode(tokens) for tokens in written.tokens]
            assert [" ".join(sentence.words) for sentence in sentences] == expected
            logs = [np.log(sentence.probabilities).sum() for sentence in sentences]
            np.testing.assert_allclose(logs, written.log_probabilities, atol=1e-4)
            if attributes:
                assert found is not None
                np.testing.assert_allclose(found, context["attributes"].detach().numpy(), atol=1e-4)
            else:
                assert found is None
    assert len({sentence.text for sentence in sentences}) > 2, "a toy that always says the same shows nothing"


def test_every_probability_is_that_of_its_word(tmp_path: Path) -> None:
    """Recomputed by feeding the words back one by one."""
    backbone, model, vocabulary = ToyBackbone(), ToyCaptioner(growing=False), toy_vocabulary()
    write_captioner_bundle(backbone, model, vocabulary, tmp_path, toy_pictures(), toy_manifest(), quantised=False)
    bundle = load_captioner(tmp_path)
    maps = bundle.maps(toy_pictures(3, seed=5))
    for sentence, grid in zip(bundle.captions(maps, "fr", WAYS[1])[0], maps, strict=True):
        context = model.context(torch.from_numpy(grid[None]), torch.tensor([1]))
        state, word = model.start(context), torch.tensor([1])
        ids = [vocabulary.id_of(one) for one in sentence.words] + [2]
        with torch.no_grad():
            for probability, token in zip(sentence.probabilities, ids, strict=False):
                said, state = model.step(context, state, word)
                assert probability == pytest.approx(float(said[0, token].exp()), abs=1e-5)
                word = torch.tensor([token])
        expected = np.exp(np.mean(np.log(sentence.probabilities)))
        assert sentence.confidence == pytest.approx(expected if sentence.words else 0)


def test_eight_bits_are_smaller_and_still_write(tmp_path: Path) -> None:
    made = {}
    for name, options in {"float": {"quantised": False}, "int8": {"eight_bit_decoder": True}}.items():
        folder = tmp_path / name
        folder.mkdir()
        write_captioner_bundle(
            ToyBackbone(), ToyCaptioner(), toy_vocabulary(), folder, toy_pictures(64), toy_manifest(), **options
        )
        made[name] = load_captioner(folder)
    pictures = toy_pictures(8, seed=4)
    maps = {name: bundle.maps(pictures) for name, bundle in made.items()}
    spread = float(maps["float"].std())
    assert 0 < np.abs(maps["int8"] - maps["float"]).max() < 0.5 * spread
    sentences, _ = made["int8"].captions(maps["int8"], "en")
    assert len({sentence.text for sentence in sentences}) > 2
    assert {path.name for path in (tmp_path / "int8").iterdir()} == {
        "bundle.json", "image.onnx", "start.onnx", "step.onnx", "vocabulary.json"
    }  # fmt: skip


def test_a_bundle_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"more than 0 MB.*smaller 'hidden'"):
        write_captioner_bundle(
            ToyBackbone(), ToyCaptioner(), toy_vocabulary(), tmp_path, toy_pictures(), toy_manifest(), most_bytes=1000
        )
    assert not (tmp_path / "bundle.json").exists()


def test_what_cannot_be_asked_is_told(tmp_path: Path) -> None:
    write_captioner_bundle(
        ToyBackbone(), ToyCaptioner(), toy_vocabulary(), tmp_path, toy_pictures(), toy_manifest(writing={"way": "bean"})
    )
    bundle = load_captioner(tmp_path)
    with pytest.raises(BundleError, match="does not say how it writes"):
        bundle.captions(bundle.maps(toy_pictures(2)), "en")
    with pytest.raises(UsageError, match="not among the languages of toy-captioner-1: en, fr"):
        bundle.captions(bundle.maps(toy_pictures(2)), "it", Writing())
    with pytest.raises(BundleError, match="wants uint8"):
        bundle.maps(np.zeros((1, SIDE, SIDE, 3), np.float32))
    with pytest.raises(BundleError, match="wants uint8"):
        bundle.maps(np.zeros((0, SIDE, SIDE, 3), np.uint8))
    (tmp_path / "vocabulary.json").write_text("{}")
    with pytest.raises(BundleError, match="does not match its checksum"):
        bundle.captions(bundle.maps(toy_pictures(2)), "en", Writing())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run on generated pictures, in two languages where the captions have been translated."""
    root = tmp_path / "data"
    root.mkdir()
    write_fake(root, "ucm")
    return run_captioning(picture_recipe(config=DECODER), tmp_path / "run", data_root=root)


def test_a_run_becomes_a_bundle_that_says_the_same(run: Path, tmp_path: Path) -> None:
    made = export_captioner(run, out=tmp_path / "bundle", data_root=tmp_path / "data", quantised=False)
    bundle, trained = load_captioner(made), load_trained(run)
    assert (bundle.id, bundle.method, bundle.side) == ("jtts-1", "jtts", 64)
    assert bundle.languages == ("en",)
    assert bundle.attribute_names == trained.attributes.words
    split = read_split(trained.recipe, "val", tmp_path / "data")
    pictures = load_pictures([record.path for record in split.records], 64)
    sentences, attributes = bundle.captions(bundle.maps(pictures), "en")
    recorded = [one for one in load_predictions(run / "predictions.jsonl") if one.split == "val"]
    # the run's maps were kept in float16: a word may differ where two were equally probable
    same = [" ".join(a.words) == b.caption for a, b in zip(sentences, recorded, strict=True)]
    assert np.mean(same) >= 0.9
    assert attributes is not None
    assert 0 < bundle.least_confidence("en") <= min(1.0, max(one.confidence for one in sentences))
    assert 0 < bundle.seen < 1
    assert bundle.card["validation_cider"]["en"] == pytest.approx(trained.summary["validation_cider"], abs=0.15)
    assert "Writes captions of aerial pictures in en." in (made / "CARD.md").read_text()
    assert bundle.size_bytes < 40_000_000


def test_the_command_exports_and_the_bundle_captions(run: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src")}

    def geoglot(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "geoglot.cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=250)

    options = ("--data-root", tmp_path / "data", "--out", tmp_path / "bundle", "--name", "mine-1")
    done = geoglot("export", run, *options)
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "bundle")), done.stderr
    bundle = load_captioner(tmp_path / "bundle")
    assert bundle.id == "mine-1"
    assert bundle.size_bytes < 25_000_000
    assert set(bundle.card["validation_cider_before_quantisation"]) == {"en"}
    picture = read_split(load_trained(run).recipe, "test", tmp_path / "data").records[0].path
    told = geoglot("caption", picture, "--model", tmp_path / "bundle")
    assert told.returncode == 0, told.stderr
    assert "caption" in told.stdout
    for option in (("--side", 64), ("--no-mirror",)):
        assert geoglot("export", run, *options, *option).returncode == 2


def test_what_is_no_captioning_run_is_not_taken_for_one(tmp_path: Path) -> None:
    assert not is_captioning_run(tmp_path)
    (tmp_path / "recipe.json").write_text('{"method": "compact"}')
    assert not is_captioning_run(tmp_path)
    assert best_threshold(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32)) == 0.95
