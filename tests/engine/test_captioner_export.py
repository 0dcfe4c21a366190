"""A captioner as a bundle writes, word for word, what it writes in torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_captioners import SIDE, ToyBackbone, ToyCaptioner, toy_manifest, toy_pictures, toy_vocabulary

from geoglot.core.errors import BundleError, UsageError
from geoglot.engine.captioning.export import Maps, write_captioner_bundle
from geoglot.models.captioner import load_captioner
from geoglot.nn.decoding import write_captions
from geoglot.text.caption_decoding import Writing

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
